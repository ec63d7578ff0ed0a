#include "broker/redis_frame.h"

#include <streamrelay/error.h>

enum { AT_TIME = 17, AT_CLIENT = 25, AT_USER = 26, AT_INFO = 30, AT_TAGS = 34, AT_CHANNEL_INFO = 38 };

static void put_number(uint8_t *at, uint64_t n, int bytes)
{
    while (bytes-- > 0) {
        at[bytes] = (uint8_t)n;
        n >>= 8;
    }
}

static uint64_t get_number(const char *at, int bytes)
{
    uint64_t n = 0;
    for (int i = 0; i < bytes; i++) {
        n = n << 8 | (uint8_t)at[i];
    }
    return n;
}

int srl__redis_frame_write(srl__buf *out, int kind, const char token[SRL__FRAME_TOKEN_LEN],
                           const srl_publication *publication)
{
    uint8_t head[SRL__FRAME_HEAD] = {(uint8_t)kind};
    if (publication->client_len > UINT8_MAX || publication->user_len > UINT32_MAX ||
        publication->info_len > UINT32_MAX || publication->tags_len > UINT32_MAX ||
        publication->channel_info_len > UINT32_MAX) {
        return SRL_ERR_TOO_LARGE;
    }
    memcpy(head + 1, token, SRL__FRAME_TOKEN_LEN);
    put_number(head + AT_TIME, publication->time_ms, 8);
    put_number(head + AT_CLIENT, publication->client_len, 1);
    put_number(head + AT_USER, publication->user_len, 4);
    put_number(head + AT_INFO, publication->info_len, 4);
    put_number(head + AT_TAGS, publication->tags_len, 4);
    put_number(head + AT_CHANNEL_INFO, publication->channel_info_len, 4);
    srl__buf_append(out, head, sizeof(head));
    srl__buf_append(out, publication->client, publication->client_len);
    srl__buf_append(out, publication->user, publication->user_len);
    srl__buf_append(out, publication->info, publication->info_len);
    srl__buf_append(out, publication->tags, publication->tags_len);
    srl__buf_append(out, publication->channel_info, publication->channel_info_len);
    srl__buf_append(out, publication->data, publication->data_len);
    return out->error;
}

bool srl__redis_frame_read(srl__slice bytes, srl__redis_frame *out)
{
    if (bytes.len < SRL__FRAME_HEAD || (uint8_t)bytes.data[0] > SRL_MESSAGE_TRANSIENT) {
        return false;
    }
    uint64_t client_len = get_number(bytes.data + AT_CLIENT, 1);
    uint64_t user_len = get_number(bytes.data + AT_USER, 4);
    uint64_t info_len = get_number(bytes.data + AT_INFO, 4);
    uint64_t tags_len = get_number(bytes.data + AT_TAGS, 4);
    uint64_t channel_info_len = get_number(bytes.data + AT_CHANNEL_INFO, 4);
    uint64_t texts = client_len + user_len + info_len + tags_len + channel_info_len;
    uint64_t rest = bytes.len - SRL__FRAME_HEAD;
    if (texts > rest) {
        return false;
    }
    const char *at = bytes.data + SRL__FRAME_HEAD;
    out->kind = (uint8_t)bytes.data[0];
    out->token = bytes.data + 1;
    out->publication = (srl_publication){
        .size = sizeof(srl_publication),
        .client_len = (uint32_t)client_len,
        .time_ms = get_number(bytes.data + AT_TIME, 8),
        .client = at,
        .user = at + client_len,
        .user_len = (size_t)user_len,
        .info = at + client_len + user_len,
        .info_len = (size_t)info_len,
        .tags = at + client_len + user_len + info_len,
        .tags_len = (size_t)tags_len,
        .channel_info = at + client_len + user_len + info_len + tags_len,
        .channel_info_len = (size_t)channel_info_len,
        .data = at + texts,
        .data_len = (size_t)(rest - texts),
    };
    return true;
}
