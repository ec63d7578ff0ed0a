#include <streamrelay/error.h>

#include "broker/redis_node.h"
#include "redis/reply.h"

static bool position_in(const srl_reply *reply, uint32_t at, srl__redis_cursor *out)
{
    srl__slice text = srl__reply_slice(reply, at);
    return text.data != NULL && srl__redis_cursor_read(text, out);
}

/* The publications behind the first two elements, and their epochs; those that are not ours are left out. */
static uint32_t read_publications(srl_reply_walk *walk, const srl_reply *reply, srl_publication *out, srl_text *epochs,
                                  uint32_t room)
{
    uint32_t id, bytes;
    uint32_t count = 0;
    while (count < room && srl_reply_walk_next(walk, &id) != 0 && srl_reply_walk_next(walk, &bytes) != 0) {
        srl__redis_cursor place;
        srl__redis_frame frame;
        srl__slice text = srl__reply_slice(reply, bytes);
        if (position_in(reply, id, &place) && text.data != NULL && srl__redis_frame_read(text, &frame)) {
            const char *name = srl__reply_slice(reply, id).data;
            epochs[count] = (srl_text){name, (size_t)((const char *)memchr(name, '-', SRL__REDIS_CURSOR_TEXT) - name)};
            out[count] = frame.publication;
            out[count++].offset = place.offset;
        }
    }
    return count;
}

static void finish(srl__redis_task *task, const srl_reply *reply)
{
    const srl_allocator *alloc = srl__redis_node_alloc(task->node);
    srl_broker_result result = {.size = sizeof(result), .epoch = "", .meta = ""};
    char text[SRL__REDIS_CURSOR_TEXT];
    srl_publication *publications = NULL;
    srl_text *epochs = NULL;
    srl_reply_walk walk;
    srl__redis_cursor tip;
    int64_t is_of_no_use = 1;
    uint32_t elements = srl_reply_count(reply, SRL_REPLY_ROOT);
    uint32_t room = elements > 2 ? (elements - 2) / 2 : 0;
    uint32_t at;
    srl_reply_walk_init(&walk, reply, SRL_REPLY_ROOT);
    if (srl_reply_walk_next(&walk, &at) == 0 || !position_in(reply, at, &tip) || srl_reply_walk_next(&walk, &at) == 0 ||
        srl_reply_i64(reply, at, &is_of_no_use) != SRL_OK) {
        srl__redis_task_finish_error(task, SRL_ERR_PROTOCOL);
        return;
    }
    if (room > 0) {
        publications = srl__alloc(alloc, room * sizeof(*publications));
        epochs = srl__alloc(alloc, room * sizeof(*epochs));
        if (publications == NULL || epochs == NULL) {
            srl__free(alloc, publications, room * sizeof(*publications));
            srl__free(alloc, epochs, room * sizeof(*epochs));
            srl__redis_task_finish_error(task, SRL_ERR_NOMEM);
            return;
        }
        result.publication_count = read_publications(&walk, reply, publications, epochs, room);
    }
    srl__slice epoch = srl__redis_epoch_text(tip, text);
    result.error = is_of_no_use != 0 ? SRL_ERR_UNRECOVERABLE : SRL_OK;
    result.offset = tip.offset;
    result.epoch = epoch.data;
    result.epoch_len = epoch.len;
    result.publications = publications;
    result.epochs = epochs;
    srl__redis_task_finish(task, &result);
    srl__free(alloc, epochs, room * sizeof(*epochs));
    srl__free(alloc, publications, room * sizeof(*publications));
}

static void history_read(srl__redis_task *task, int error, const srl_reply *reply)
{
    if (error == SRL_OK) {
        finish(task, reply);
    } else {
        srl__redis_task_finish_error(task, error);
    }
}

/* The time of the oldest publication that counts; 0: all do. */
static uint64_t oldest(const srl__redis_node *node, const srl_broker_channel *channel)
{
    const srl_platform *platform = srl_node_platform(node->node);
    uint64_t now = platform->wall_ms(platform->user);
    return channel->history_ttl_ms > 0 && channel->history_ttl_ms < now ? now - channel->history_ttl_ms : 0;
}

static int no_history(srl_operation *operation, const srl_broker_query *query)
{
    srl_broker_result result = {.size = sizeof(result),
                                .error = query->since_epoch_len > 0 ? SRL_ERR_UNRECOVERABLE : SRL_OK,
                                .epoch = "",
                                .meta = ""};
    srl_operation_finish(operation, &result);
    return SRL_OK;
}

int srl__redis_history(void *state, const srl_broker_channel *channel, const srl_broker_query *query,
                       srl_operation *operation)
{
    srl__redis_node *node = state;
    srl__slice name = srl__slice_of(channel->name, channel->name_len);
    if (node->is_detached) {
        return SRL_ERR_CLOSED;
    }
    if (name.len == 0 || name.len > UINT16_MAX) {
        return SRL_ERR_INVALID;
    }
    if (channel->history_size == 0) {
        return no_history(operation, query);
    }
    srl__redis_task *task = srl__redis_task_begin(node, "history", 1, history_read, operation);
    srl__redis_task_add(
        task, srl__redis_key(&node->key, srl__redis_node_prefix(node), SRL__KEY_STREAM, name, srl__slice_of("", 0)));
    srl__redis_task_add_epoch(task, 0);
    srl__redis_task_add_u64(task, SRL__REDIS_SHORTEST_LIFE_MS);
    srl__redis_task_add_u64(task, channel->history_size);
    srl__redis_task_add_u64(task, oldest(node, channel));
    srl__redis_task_add_u64(task, query->limit);
    srl__redis_task_add(task, srl__slice_of(query->since_epoch, query->since_epoch_len));
    srl__redis_task_add_u64(task, query->since_offset);
    srl__redis_task_add_u64(task, query->reverse);
    srl__redis_task_add_u64(task, query->follows);
    return srl__redis_task_submit(task);
}

static void history_removed(srl__redis_task *task, int error, const srl_reply *reply)
{
    srl_broker_result result = {.size = sizeof(result), .epoch = "", .meta = ""};
    char text[SRL__REDIS_CURSOR_TEXT];
    srl__redis_cursor tip;
    if (error == SRL_OK && !position_in(reply, SRL_REPLY_ROOT, &tip)) {
        error = SRL_ERR_PROTOCOL;
    }
    if (error != SRL_OK) {
        srl__redis_task_finish_error(task, error);
        return;
    }
    srl__slice epoch = srl__redis_epoch_text(tip, text);
    result.offset = tip.offset;
    result.epoch = epoch.data;
    result.epoch_len = epoch.len;
    srl__redis_task_finish(task, &result);
}

int srl__redis_history_remove(void *state, const srl_broker_channel *channel, srl_operation *operation)
{
    srl__redis_node *node = state;
    srl__slice name = srl__slice_of(channel->name, channel->name_len);
    if (node->is_detached) {
        return SRL_ERR_CLOSED;
    }
    if (name.len == 0 || name.len > UINT16_MAX) {
        return SRL_ERR_INVALID;
    }
    if (channel->history_size == 0) {
        return SRL_ERR_UNAVAILABLE;
    }
    srl__redis_task *task = srl__redis_task_begin(node, "history_remove", 1, history_removed, operation);
    if (task == NULL) {
        return SRL_ERR_NOMEM;
    }
    task->only_once = true; /* a second time, it would take what was published after the first */
    srl__redis_task_add(
        task, srl__redis_key(&node->key, srl__redis_node_prefix(node), SRL__KEY_STREAM, name, srl__slice_of("", 0)));
    srl__redis_task_add_epoch(task, 0);
    srl__redis_task_add_u64(task, SRL__REDIS_SHORTEST_LIFE_MS);
    return srl__redis_task_submit(task);
}
