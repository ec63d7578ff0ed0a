/* Publishing, and notes to all nodes, which are publications too. */
#include <streamrelay/error.h>

#include "broker/redis_node.h"
#include "redis/reply.h"

enum { NOTES_SIZE = 10000, NOTES_TTL_MS = 3600 * 1000, FOREVER_MS = 3650 };

/* What the next publication of a channel is to be sent with. */
typedef struct plan {
    srl__slice stream; /* empty: not stored */
    srl__slice live;
    srl__slice once; /* the key of the idempotency key; empty: none */
    uint64_t epoch;
    uint64_t size;
    uint64_t ttl_ms;
    uint64_t age_ms; /* how long publications are kept; 0: as long as the stream */
    uint64_t once_ttl_ms;
    bool sets_ttl;
} plan;

/* ---- what is known of a channel's stream */

static srl__redis_hint *find_hint(srl__redis_node *node, uint64_t hash, srl__redis_hint **oldest)
{
    srl__redis_hint *set = &node->hints[hash % (SRL__REDIS_HINTS / SRL__REDIS_HINT_WAYS) * SRL__REDIS_HINT_WAYS];
    *oldest = set;
    for (srl__redis_hint *hint = set; hint < set + SRL__REDIS_HINT_WAYS; hint++) {
        if (hint->hash == hash) {
            return hint;
        }
        *oldest = hint->ttl_set_ms < (*oldest)->ttl_set_ms ? hint : *oldest;
    }
    return NULL;
}

static srl__redis_hint *hint_of(srl__redis_node *node, srl__slice channel)
{
    srl__redis_hint *oldest;
    uint64_t hash = srl__hash_bytes(channel.data, channel.len, node->seed);
    srl__redis_hint *hint = find_hint(node, hash, &oldest);
    if (hint == NULL) {
        hint = oldest;
        *hint = (srl__redis_hint){.hash = hash};
    }
    return hint;
}

/* The stream's life is prolonged now and then, not with each publication; and once in the time that publications are
 * kept it is noted that it has some (see note_age of redis_stream.lua). */
static bool must_set_ttl(uint64_t *set_ms, uint64_t now, const plan *p)
{
    uint64_t interval = p->age_ms > 0 && p->age_ms < p->ttl_ms / 4 ? p->age_ms : p->ttl_ms / 4;
    if (*set_ms != 0 && now - *set_ms < interval) {
        return false;
    }
    *set_ms = now > 0 ? now : 1;
    return true;
}

void srl__redis_hints_forget(srl__redis_node *node)
{
    memset(node->hints, 0, SRL__REDIS_HINTS * sizeof(*node->hints));
}

static void plan_epoch(srl__redis_node *node, srl__slice channel, plan *p)
{
    srl__redis_hint *hint = hint_of(node, channel);
    if (hint->is_stored != (p->size > 0)) {
        *hint = (srl__redis_hint){.hash = hint->hash, .is_stored = p->size > 0};
    }
    p->epoch = hint->epoch;
    if (hint->epoch == 0) {
        const srl__redis_room *room = srl__map_get(&node->rooms, p->live);
        p->epoch = room != NULL ? room->cursor.epoch : 0;
    }
    p->sets_ttl = must_set_ttl(&hint->ttl_set_ms, srl__redis_node_now(node), p);
}

static void learn(srl__redis_node *node, uint64_t hash, srl__redis_cursor at)
{
    srl__redis_hint *oldest;
    srl__redis_hint *hint = find_hint(node, hash, &oldest);
    if (hint != NULL) {
        hint->epoch = at.epoch;
    }
}

/* The stream's life was not prolonged after all. */
static void forget_ttl(srl__redis_node *node, uint64_t hash)
{
    srl__redis_hint *oldest;
    srl__redis_hint *hint = find_hint(node, hash, &oldest);
    if (hint != NULL) {
        hint->ttl_set_ms = 0;
    }
}

/* ---- answers */

static void published(srl__redis_task *task, int error, const srl_reply *reply)
{
    srl__redis_node *node = task->node;
    srl__redis_cursor at = {0, 0};
    char text[SRL__REDIS_CURSOR_TEXT];
    bool is_unknown = error == SRL_ERR_REDIS && srl_reply_error_is(reply, SRL_REPLY_ROOT, "UNKNOWN", 7) != 0;
    srl_broker_result result = {
        .size = sizeof(result), .error = is_unknown ? SRL_ERR_OUTCOME_UNKNOWN : error, .epoch = "", .meta = ""};
    if (error == SRL_OK) {
        bool is_repeat = srl_reply_count(reply, SRL_REPLY_ROOT) > 0;
        uint32_t place = is_repeat ? srl_reply_child(reply, SRL_REPLY_ROOT, 0) : SRL_REPLY_ROOT;
        srl__slice id = srl__reply_slice(reply, place);
        result.is_repeat = is_repeat;
        if (id.data != NULL && srl__redis_cursor_read(id, &at)) {
            learn(node, task->user.number, at);
            srl__slice epoch = srl__redis_epoch_text(at, text);
            result.offset = at.offset;
            result.epoch = epoch.data;
            result.epoch_len = epoch.len;
        }
        if (is_repeat) {
            forget_ttl(node, task->user.number);
        }
        if (srl__redis_replicas_hold(node, task->operation, at, is_repeat)) {
            return;
        }
    } else {
        forget_ttl(node, task->user.number);
    }
    srl__redis_task_finish(task, &result);
}

/* ---- sending */

static int submit(srl__redis_node *node, const plan *p, srl__slice frame, uint64_t hash, srl_operation *operation)
{
    srl__redis_task *task = srl__redis_task_begin(node, "publish", p->once.len > 0 ? 2 : 1, published, operation);
    if (task == NULL) {
        return SRL_ERR_NOMEM;
    }
    task->function_again = "publish_again";
    task->only_once = p->size == 0 && p->once.len == 0;
    task->user.number = hash;
    srl__redis_task_add(task, p->stream);
    if (p->once.len > 0) {
        srl__redis_task_add(task, p->once);
    }
    srl__redis_task_add_epoch(task, p->epoch);
    srl__redis_task_add_u64(task, p->size);
    srl__redis_task_add(task, frame);
    srl__redis_task_add(task, p->live);
    srl__redis_task_add_u64(task, !p->sets_ttl ? 0 : p->age_ms > 1 ? p->age_ms : 1);
    srl__redis_task_add_u64(task, p->ttl_ms);
    if (p->once.len > 0) {
        srl__redis_task_add_u64(task, p->once_ttl_ms);
    }
    int error = srl__redis_task_submit(task);
    if (error != SRL_OK) {
        forget_ttl(node, hash);
    }
    return error;
}

static int write_frame(srl__redis_node *node, int kind, const srl_publication *publication)
{
    const srl_platform *platform = srl_node_platform(node->node);
    char token[SRL__FRAME_TOKEN_LEN];
    srl_publication stamped = *publication;
    stamped.time_ms = platform->wall_ms(platform->user);
    srl__redis_node_token(node, token);
    srl__buf_reset(&node->frame);
    return srl__redis_frame_write(&node->frame, kind, token, &stamped);
}

/* A stream that is kept for ever has a life all the same, for it must end where nobody uses it for ten years. A short
 * one would end between two sweeps, under those who listen. */
static uint64_t life_of(const srl_broker_channel *channel)
{
    uint64_t longest = FOREVER_MS * UINT64_C(24) * 3600 * 1000;
    uint64_t ttl =
        channel->history_meta_ttl_ms > channel->history_ttl_ms ? channel->history_meta_ttl_ms : channel->history_ttl_ms;
    ttl = ttl > SRL__REDIS_SHORTEST_LIFE_MS ? ttl : SRL__REDIS_SHORTEST_LIFE_MS;
    return channel->history_meta_ttl_ms == 0 || ttl > longest ? longest : ttl;
}

int srl__redis_publish(void *state, const srl_broker_channel *channel, int kind, const srl_publication *publication,
                       srl_operation *operation)
{
    srl__redis_node *node = state;
    srl__slice none = srl__slice_of("", 0);
    srl__slice name = srl__slice_of(channel->name, channel->name_len);
    srl__slice prefix = srl__redis_node_prefix(node);
    bool is_stored = kind == SRL_MESSAGE_PUBLICATION && channel->history_size > 0;
    plan p = {.size = is_stored ? channel->history_size : 0,
              .ttl_ms = life_of(channel),
              .age_ms = is_stored ? channel->history_ttl_ms : 0};
    if (node->is_detached) {
        return SRL_ERR_CLOSED;
    }
    if (name.len == 0 || name.len > UINT16_MAX || kind < SRL_MESSAGE_PUBLICATION || kind > SRL_MESSAGE_TRANSIENT) {
        return SRL_ERR_INVALID;
    }
    int error = write_frame(node, kind, publication);
    if (error != SRL_OK) {
        return error;
    }
    p.stream = srl__redis_key(&node->key, prefix, SRL__KEY_STREAM, name, none);
    p.live = srl__redis_key_as(&node->live, p.stream, name.len, SRL__KEY_LIVE);
    if (kind == SRL_MESSAGE_PUBLICATION) {
        plan_epoch(node, name, &p);
    }
    bool is_keyed = kind == SRL_MESSAGE_PUBLICATION && publication->key_len > 0;
    if (is_keyed) {
        p.once = srl__redis_key(&node->once, prefix, SRL__KEY_ONCE, name,
                                srl__slice_of(publication->key, publication->key_len));
        p.once_ttl_ms = channel->idempotency_ttl_ms > 0 ? channel->idempotency_ttl_ms : 1;
    }
    if (p.stream.len == 0 || p.live.len == 0 || (is_keyed && p.once.len == 0)) {
        return SRL_ERR_NOMEM;
    }
    return submit(node, &p, srl__slice_of(node->frame.data, node->frame.len),
                  srl__hash_bytes(name.data, name.len, node->seed), operation);
}

int srl__redis_control(void *state, const char *note, size_t note_len)
{
    srl__redis_node *node = state;
    const srl_publication content = {
        .size = sizeof(content), .data = note, .data_len = note_len, .client = "", .user = "", .info = ""};
    plan p = {.size = NOTES_SIZE, .ttl_ms = NOTES_TTL_MS};
    if (node->is_detached) {
        return SRL_ERR_CLOSED;
    }
    int error = write_frame(node, 0, &content);
    if (error != SRL_OK) {
        return error;
    }
    plan_epoch(node, SRL__LIT("\0notes"), &p);
    p.stream = srl__redis_room_stream(node, node->notes);
    p.live = srl__slice_of(node->notes->live, node->notes->live_len);
    if (p.stream.len == 0) {
        return SRL_ERR_NOMEM;
    }
    return submit(node, &p, srl__slice_of(node->frame.data, node->frame.len), srl__hash_bytes("\0notes", 6, node->seed),
                  NULL);
}
