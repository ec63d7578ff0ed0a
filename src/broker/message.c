#include "broker/message.h"

static bool add_size(size_t *sum, size_t more)
{
    if (more > SIZE_MAX - *sum) {
        return false;
    }
    *sum += more;
    return true;
}

static const char *put_text(char **at, const char *text, size_t len)
{
    char *begin = *at;
    if (len > 0) {
        memcpy(begin, text, len);
        *at += len;
    }
    return begin;
}

srl__message *srl__message_create(const srl_allocator *alloc, int kind, const srl_publication *publication,
                                  uint64_t time_ms)
{
    size_t size = sizeof(srl__message) + 1; /* so that the view of an empty text never points behind the block */
    if (!add_size(&size, publication->data_len) || !add_size(&size, publication->user_len) ||
        !add_size(&size, publication->info_len) || !add_size(&size, publication->client_len) ||
        !add_size(&size, publication->channel_info_len) || !add_size(&size, publication->tags_len)) {
        return NULL;
    }
    srl__message *message = srl__alloc(alloc, size);
    if (message == NULL) {
        return NULL;
    }
    char *at = (char *)(message + 1);
    atomic_init(&message->refs, 1);
    message->kind = (uint8_t)kind;
    message->epoch_len = 0;
    message->stamp_ms = 0;
    message->block_size = size;
    message->view = (srl_publication){
        .size = sizeof(srl_publication),
        .client_len = publication->client_len,
        .time_ms = time_ms,
        .data_len = publication->data_len,
        .user_len = publication->user_len,
        .info_len = publication->info_len,
        .channel_info_len = publication->channel_info_len,
        .tags_len = publication->tags_len,
    };
    message->view.data = put_text(&at, publication->data, publication->data_len);
    message->view.user = put_text(&at, publication->user, publication->user_len);
    message->view.info = put_text(&at, publication->info, publication->info_len);
    message->view.client = put_text(&at, publication->client, publication->client_len);
    message->view.channel_info = put_text(&at, publication->channel_info, publication->channel_info_len);
    message->view.tags = put_text(&at, publication->tags, publication->tags_len);
    return message;
}

void srl__message_release(srl__message *message, const srl_allocator *alloc)
{
    if (atomic_fetch_sub_explicit(&message->refs, 1, memory_order_acq_rel) == 1) {
        srl__free(alloc, message, message->block_size);
    }
}
