#include "redis/stream_consumer.h"

#include <streamrelay/error.h>

#include "redis/stream_write.h"

/* Time for an answer beyond that for which the server waits. */
enum { GRACE_MS = 5000, ACKS_PER_COMMAND = 1000 };

/* Moves entries that are still pending to another stream, each in one step.
 * KEYS: the stream, the dead letter stream. ARGV: the group, then ids and deliveries in turn. */
static const char bury_script[] =
    "for i = 2, #ARGV, 2 do "
    "local id = ARGV[i] "
    "if #redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1) == 1 then "
    "local entry = redis.call('XRANGE', KEYS[1], id, id)[1] "
    "if entry then "
    "redis.call('XADD', KEYS[2], '*', 'source', KEYS[1], 'group', ARGV[1], 'id', id, 'deliveries', ARGV[i + 1], "
    "unpack(entry[2])) "
    "end "
    "redis.call('XACK', KEYS[1], ARGV[1], id) "
    "end "
    "end "
    "return 'OK'";

static int write_bury(srl_stream_consumer *c, srl_command *command)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, true);
    srl__stream_write_word(&w, "EVAL");
    srl__stream_write_word(&w, bury_script);
    srl__stream_write_word(&w, "2");
    srl__stream_write_name(&w, c->key.data, c->key.len);
    srl__stream_write_name(&w, c->dead_key.data, c->dead_key.len);
    srl__stream_write_name(&w, c->group.data, c->group.len);
    for (uint32_t i = 0; i < c->candidate_count; i++) {
        if (c->candidates[i].is_dead) {
            srl__stream_write_id(&w, &c->candidates[i].id);
            srl__stream_write_u64(&w, c->candidates[i].deliveries);
        }
    }
    return srl__stream_write_end(&w);
}

static int write_look_end(srl_stream_consumer *c, srl_command *command)
{
    srl_stream_range_request request;
    srl_stream_range_request_init(&request, sizeof(request));
    request.reverse = 1;
    request.key = c->key.data;
    request.key_len = c->key.len;
    request.count = 1;
    return srl_stream_encode_range(command, &request);
}

static int write_make(srl_stream_consumer *c, srl_command *command)
{
    srl_stream_group_request request;
    srl_stream_group_request_init(&request, sizeof(request));
    request.mkstream = 1;
    request.key = c->key.data;
    request.key_len = c->key.len;
    request.group = c->group.data;
    request.group_len = c->group.len;
    request.after = c->start;
    if (c->start.kind == SRL_STREAM_END) {
        request.after = (srl_stream_point){SRL_STREAM_ID, 0, c->end};
    }
    return srl_stream_encode_group_create(command, &request);
}

static int write_pending(srl_stream_consumer *c, srl_command *command, srl_stream_point start, srl_stream_point end)
{
    srl_stream_pending_request request;
    srl_stream_pending_request_init(&request, sizeof(request));
    request.key = c->key.data;
    request.key_len = c->key.len;
    request.group = c->group.data;
    request.group_len = c->group.len;
    request.consumer = c->name.data;
    request.consumer_len = c->name.len;
    request.start = start;
    request.end = end;
    request.count = c->asked;
    return srl_stream_encode_pending_range(command, &request);
}

static int write_pending_page(srl_stream_consumer *c, srl_command *command)
{
    srl_stream_point start = {.kind = SRL_STREAM_FIRST};
    if (c->cursor.ms != 0 || c->cursor.seq != 0) {
        start = (srl_stream_point){SRL_STREAM_ID_EXCLUSIVE, 0, c->cursor};
    }
    return write_pending(c, command, start, (srl_stream_point){.kind = SRL_STREAM_LAST});
}

static int write_counts(srl_stream_consumer *c, srl_command *command)
{
    srl_stream_point start = {SRL_STREAM_ID, 0, c->candidates[0].id};
    if (c->has_counts_cursor) {
        start = (srl_stream_point){SRL_STREAM_ID_EXCLUSIVE, 0, c->counts_cursor};
    }
    srl_stream_point end = {SRL_STREAM_ID, 0, c->candidates[c->candidate_count - 1].id};
    return write_pending(c, command, start, end);
}

static int write_read(srl_stream_consumer *c, srl_command *command, srl_stream_point after, int64_t block_ms)
{
    srl_stream_source source = {c->key.data, c->key.len, after};
    srl_stream_read_request request;
    srl_stream_read_request_init(&request, sizeof(request));
    request.group = c->group.data;
    request.group_len = c->group.len;
    request.consumer = c->name.data;
    request.consumer_len = c->name.len;
    request.count = c->asked;
    request.block_ms = block_ms;
    request.sources = &source;
    request.source_count = 1;
    return srl_stream_encode_read(command, &request);
}

static int write_claim(srl_stream_consumer *c, srl_command *command)
{
    srl_stream_autoclaim_request request;
    srl_stream_autoclaim_request_init(&request, sizeof(request));
    request.justid = 1;
    request.key = c->key.data;
    request.key_len = c->key.len;
    request.group = c->group.data;
    request.group_len = c->group.len;
    request.consumer = c->name.data;
    request.consumer_len = c->name.len;
    request.min_idle_ms = c->claim_idle_ms;
    request.start = (srl_stream_point){SRL_STREAM_ID, 0, c->claim_cursor};
    request.count = c->asked;
    return srl_stream_encode_autoclaim(command, &request);
}

static int write_fetch(srl_stream_consumer *c, srl_command *command)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, true);
    srl__stream_write_word(&w, "XCLAIM");
    srl__stream_write_name(&w, c->key.data, c->key.len);
    srl__stream_write_name(&w, c->group.data, c->group.len);
    srl__stream_write_name(&w, c->name.data, c->name.len);
    srl__stream_write_u64(&w, 0);
    for (uint32_t i = 0; i < c->candidate_count; i++) {
        srl__stream_write_id(&w, &c->candidates[i].id);
    }
    return srl__stream_write_end(&w);
}

/* How long a read may wait; negative: not at all. */
static int64_t time_to_block(const srl_stream_consumer *c, uint64_t now_ms, uint64_t max_ms)
{
    uint64_t time = c->block_ms < max_ms ? c->block_ms : max_ms;
    if (c->claim_idle_ms > 0) {
        uint64_t until_claim = now_ms < c->next_claim_ms ? c->next_claim_ms - now_ms : 0;
        time = time < until_claim ? time : until_claim;
    }
    return time > 0 ? (int64_t)time : -1;
}

int srl__stream_consumer_next_ack(srl_stream_consumer *c, srl_command *command)
{
    uint32_t count = c->ack_count < ACKS_PER_COMMAND ? c->ack_count : ACKS_PER_COMMAND;
    int error = srl_stream_encode_ack(command, c->key.data, c->key.len, c->group.data, c->group.len, c->acks, count);
    if (error == 0) {
        c->acks_sent = count;
        c->step = SRL__CONSUMER_ACK;
        c->is_sent = true;
    }
    return error;
}

static int write_step(srl_stream_consumer *c, srl_command *command, int64_t block_ms)
{
    switch (c->phase) {
    case SRL__CONSUMER_LOOK_END:
        return write_look_end(c, command);
    case SRL__CONSUMER_MAKE:
        return write_make(c, command);
    case SRL__CONSUMER_PENDING:
        return write_pending_page(c, command);
    case SRL__CONSUMER_HISTORY:
        return write_read(c, command, (srl_stream_point){SRL_STREAM_ID, 0, c->cursor}, -1);
    case SRL__CONSUMER_CLAIM:
        return write_claim(c, command);
    case SRL__CONSUMER_COUNTS:
        return write_counts(c, command);
    case SRL__CONSUMER_FETCH:
        return write_fetch(c, command);
    case SRL__CONSUMER_BURY:
        return write_bury(c, command);
    case SRL__CONSUMER_READ:
        return write_read(c, command, (srl_stream_point){.kind = SRL_STREAM_NEW}, block_ms);
    case SRL__CONSUMER_ACK:
    default:
        return SRL_ERR_STATE;
    }
}

/* Where a page begins, ask for as many as there is room for. False if there is none. */
static bool begin_page(srl_stream_consumer *c, uint64_t now_ms)
{
    bool is_claim_due = c->claim_idle_ms > 0 && now_ms >= c->next_claim_ms;
    if (c->phase == SRL__CONSUMER_READ && is_claim_due && !c->is_read_turn) {
        c->phase = SRL__CONSUMER_CLAIM;
    }
    bool is_page =
        c->phase == SRL__CONSUMER_PENDING || c->phase == SRL__CONSUMER_CLAIM || c->phase == SRL__CONSUMER_READ;
    if (is_page) {
        uint32_t room = srl__stream_consumer_room(c);
        c->asked = c->batch < room ? c->batch : room;
    }
    return !is_page || c->asked > 0;
}

int srl_stream_consumer_next(srl_stream_consumer *consumer, uint64_t max_block_ms, srl_command *command,
                             uint64_t *time_ms)
{
    srl_stream_consumer *c = consumer;
    if (c == NULL || command == NULL || time_ms == NULL) {
        return SRL_ERR_INVALID;
    }
    if (c->is_sent) {
        return SRL_ERR_STATE;
    }
    if (c->entries.walk.left > 0) {
        srl__stream_consumer_recover(c);
    }
    c->entries = (srl_stream_list){0};
    uint64_t now = srl__stream_consumer_now(c);
    if (now < c->wait_until_ms) {
        *time_ms = c->wait_until_ms - now;
        return 0;
    }
    *time_ms = SRL_REDIS_DEFAULT_TIMEOUT;
    if (c->ack_count > 0) {
        int error = srl__stream_consumer_next_ack(c, command);
        return error != 0 ? error : 1;
    }
    if (!begin_page(c, now)) {
        *time_ms = UINT64_MAX;
        return 0;
    }
    int64_t block = time_to_block(c, now, max_block_ms);
    int error = write_step(c, command, block);
    if (error != 0) {
        return error;
    }
    if (c->phase == SRL__CONSUMER_READ && block > 0) {
        *time_ms = (uint64_t)block + GRACE_MS;
    }
    c->step = c->phase;
    c->is_sent = true;
    return 1;
}
