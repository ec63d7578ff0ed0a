/* How far users have come in channels. */
#include <streamrelay/error.h>

#include "broker/positions.h"
#include "broker/redis_node.h"
#include "redis/reply.h"

/* A longer time is for ever. */
#define TTL_MAX_MS UINT64_C(100000000000000)

static int check(const srl__redis_node *node, const srl_broker_position *position)
{
    if (node->is_detached) {
        return SRL_ERR_CLOSED;
    }
    bool is_valid = srl__redis_is_name(position->user_len) && srl__redis_is_name(position->channel_len) &&
                    position->epoch_len <= SRL__POSITION_EPOCH_MAX;
    return is_valid ? SRL_OK : SRL_ERR_INVALID;
}

/* "<offset> <epoch>" */
static bool read_position(srl__slice text, srl_broker_result *out)
{
    size_t at = 0;
    uint64_t offset = 0;
    for (; at < text.len && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
        uint64_t digit = (uint64_t)(text.data[at] - '0');
        if (offset > (UINT64_MAX - digit) / 10) {
            return false;
        }
        offset = offset * 10 + digit;
    }
    if (at == 0 || at == text.len || text.data[at] != ' ') {
        return false;
    }
    out->offset = offset;
    out->epoch = text.data + at + 1;
    out->epoch_len = text.len - at - 1;
    return true;
}

static void told(srl__redis_task *task, int error, const srl_reply *reply)
{
    srl_broker_result result = {.size = sizeof(result), .error = error, .epoch = ""};
    if (error == SRL_OK && srl_reply_is_null(reply, SRL_REPLY_ROOT)) {
        result.error = SRL_ERR_NOT_FOUND;
    } else if (error == SRL_OK && !read_position(srl__reply_slice(reply, SRL_REPLY_ROOT), &result)) {
        result.error = SRL_ERR_REDIS;
    }
    srl__redis_task_finish(task, &result);
}

static srl__redis_task *begin(srl__redis_node *node, const char *function, const srl_broker_position *position,
                              srl_operation *operation)
{
    srl__redis_task *task = srl__redis_task_begin(node, function, 1, told, operation);
    srl__redis_people_key(task, SRL__KEY_POSITION, srl__slice_of(position->channel, position->channel_len),
                          srl__slice_of(position->user, position->user_len));
    return task;
}

int srl__redis_position_set(void *state, const srl_broker_position *position, srl_operation *operation)
{
    srl__redis_node *node = state;
    int error = check(node, position);
    if (error != SRL_OK) {
        return error;
    }
    srl__redis_task *task = begin(node, "position_set", position, operation);
    srl__redis_task_add_u64(task, position->offset);
    srl__redis_task_add(task, srl__slice_of(position->epoch, position->epoch_len));
    srl__redis_task_add_u64(task, position->ttl_ms <= TTL_MAX_MS ? position->ttl_ms : 0);
    return srl__redis_task_submit(task);
}

int srl__redis_position_get(void *state, const srl_broker_position *position, srl_operation *operation)
{
    srl__redis_node *node = state;
    int error = check(node, position);
    if (error != SRL_OK) {
        return error;
    }
    return srl__redis_task_submit(srl__redis_task_that_reads(begin(node, "position_get", position, operation)));
}
