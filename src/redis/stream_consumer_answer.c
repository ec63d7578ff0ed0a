#include "redis/stream_consumer.h"

#include <streamrelay/error.h>

/* Each of the functions below takes the answer to one step, and sets the phase that comes next. They return 1 if there
 * are entries to take, 0 if not, or what decoding found wrong. */

static int answer_ack(srl_stream_consumer *c, const srl_reply *reply)
{
    uint64_t count = 0;
    int error = srl_stream_decode_count(reply, SRL_REPLY_ROOT, &count);
    if (error != 0) {
        return error;
    }
    c->stats.acked += count;
    for (uint32_t i = 0; i < c->acks_sent; i++) {
        srl__flight_remove(&c->flight, &c->acks[i]);
    }
    c->ack_count -= c->acks_sent;
    memmove(c->acks, c->acks + c->acks_sent, c->ack_count * sizeof(*c->acks));
    c->acks_sent = 0;
    return 0;
}

static int answer_look_end(srl_stream_consumer *c, const srl_reply *reply)
{
    srl_stream_list entries;
    srl_stream_entry entry = {.id = {0, 0}};
    int error = srl_stream_decode_entries(reply, SRL_REPLY_ROOT, &entries);
    int step = error == 0 ? srl_stream_next_entry(&entries, &entry) : error;
    if (step < 0) {
        return step;
    }
    /* Made again after it went missing: where it was, unless the stream was lost too and began anew. */
    bool is_behind = c->has_end && srl_stream_id_compare(&entry.id, &c->end) < 0;
    if (!c->has_end) {
        c->end = entry.id;
        c->has_end = true;
    } else if (is_behind) {
        c->end = (srl_stream_id){0, 0};
    }
    c->phase = SRL__CONSUMER_MAKE;
    return 0;
}

static int answer_make(srl_stream_consumer *c, const srl_reply *reply)
{
    int error = srl_stream_decode_ok(reply, SRL_REPLY_ROOT);
    if (error != 0 && error != SRL_ERR_EXISTS) {
        return error;
    }
    c->stats.groups_made += error == 0 ? 1 : 0;
    srl__stream_consumer_recover(c);
    return 0;
}

static void add_candidate(srl_stream_consumer *c, const srl_stream_id *id, uint64_t deliveries, bool is_known)
{
    c->candidates[c->candidate_count++] = (srl__consumer_candidate){*id, deliveries, is_known ? 1 : 0, 0};
}

/* Keep the candidates for which `is_wanted`, in their order. */
static void filter_candidates(srl_stream_consumer *c, bool (*is_wanted)(const srl__consumer_candidate *candidate))
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->candidate_count; i++) {
        if (is_wanted(&c->candidates[i])) {
            c->candidates[kept++] = c->candidates[i];
        }
    }
    c->candidate_count = kept;
}

static bool is_known(const srl__consumer_candidate *candidate)
{
    return candidate->is_known != 0;
}

static bool is_alive(const srl__consumer_candidate *candidate)
{
    return candidate->is_dead == 0;
}

/* The page of pending entries, or of claimed ones, is dealt with. */
static void end_page(srl_stream_consumer *c)
{
    bool goes_on = c->fetch == SRL__CONSUMER_HISTORY && c->has_more;
    if (c->fetch == SRL__CONSUMER_HISTORY) {
        c->cursor = c->page_end;
    }
    c->phase = goes_on ? SRL__CONSUMER_PENDING : SRL__CONSUMER_READ;
}

/* All is known about the candidates: bury the dead ones, fetch the others. */
static void begin_fetch(srl_stream_consumer *c, srl__consumer_step fetch)
{
    c->fetch = fetch;
    uint32_t dead = 0;
    for (uint32_t i = 0; i < c->candidate_count; i++) {
        bool is_dead = c->max_deliveries > 0 && c->candidates[i].deliveries >= c->max_deliveries;
        c->candidates[i].is_dead = is_dead ? 1 : 0;
        dead += c->candidates[i].is_dead;
    }
    if (c->candidate_count == 0) {
        end_page(c);
    } else {
        c->phase = dead > 0 && c->has_dead_key ? SRL__CONSUMER_BURY : fetch;
    }
}

static int answer_pending(srl_stream_consumer *c, const srl_reply *reply)
{
    srl_stream_list list;
    int error = srl_stream_decode_pending_range(reply, SRL_REPLY_ROOT, &list);
    if (error != 0) {
        return error;
    }
    srl_stream_pending_entry entry;
    srl_stream_id last = c->cursor;
    uint32_t listed = 0;
    int step = 0;
    c->candidate_count = 0;
    while ((step = srl_stream_next_pending_entry(&list, &entry)) == 1) {
        if (++listed > c->asked || srl_stream_id_compare(&entry.id, &last) <= 0) {
            return SRL_ERR_TYPE;
        }
        last = entry.id;
        if (srl__flight_find(&c->flight, &entry.id) == NULL) {
            add_candidate(c, &entry.id, entry.deliveries, true);
        }
    }
    if (step < 0) {
        return step;
    }
    c->page_end = last;
    c->has_more = listed == c->asked;
    begin_fetch(c, SRL__CONSUMER_HISTORY);
    return 0;
}

static int take_entries(srl_stream_consumer *c, srl__consumer_step source)
{
    c->source = source;
    return c->entries.count > 0 ? 1 : 0;
}

static int decode_part(srl_stream_consumer *c, const srl_reply *reply)
{
    srl_stream_list parts;
    srl_stream_part part;
    int error = srl_stream_decode_read(reply, SRL_REPLY_ROOT, &parts);
    if (error != 0) {
        return error;
    }
    int step = srl_stream_next_part(&parts, &part);
    if (step == 1) {
        c->entries = part.entries;
    }
    return step < 0 ? step : 0;
}

static int answer_history(srl_stream_consumer *c, const srl_reply *reply)
{
    int error = decode_part(c, reply);
    if (error != 0) {
        return error;
    }
    end_page(c);
    return take_entries(c, SRL__CONSUMER_HISTORY);
}

static int answer_fetch(srl_stream_consumer *c, const srl_reply *reply)
{
    int error = srl_stream_decode_entries(reply, SRL_REPLY_ROOT, &c->entries);
    if (error != 0) {
        return error;
    }
    end_page(c);
    return take_entries(c, SRL__CONSUMER_FETCH);
}

static int answer_read(srl_stream_consumer *c, const srl_reply *reply)
{
    c->is_read_turn = false;
    int error = decode_part(c, reply);
    return error != 0 ? error : take_entries(c, SRL__CONSUMER_READ);
}

static int answer_claim(srl_stream_consumer *c, const srl_reply *reply)
{
    srl_stream_autoclaimed claimed;
    int error = srl_stream_decode_autoclaim(reply, SRL_REPLY_ROOT, 1, &claimed);
    if (error != 0) {
        return error;
    }
    srl_stream_id id = {0, 0};
    srl_stream_id last = {0, 0};
    uint32_t listed = 0;
    int step = 0;
    c->candidate_count = 0;
    while ((step = srl_stream_next_id(&claimed.entries, &id)) == 1) {
        if (++listed > c->asked || srl_stream_id_compare(&id, &last) <= 0) {
            return SRL_ERR_TYPE;
        }
        last = id;
        if (srl__flight_find(&c->flight, &id) == NULL) {
            add_candidate(c, &id, 0, false);
        }
    }
    if (step < 0) {
        return step;
    }
    c->stats.deleted += claimed.deleted.count;
    c->claim_cursor = claimed.next;
    c->is_read_turn = true;
    if (claimed.next.ms == 0 && claimed.next.seq == 0) {
        c->next_claim_ms = srl__stream_consumer_now(c) + c->claim_interval_ms;
    }
    c->has_counts_cursor = false;
    c->phase = c->candidate_count > 0 ? SRL__CONSUMER_COUNTS : SRL__CONSUMER_READ;
    return 0;
}

static int answer_counts(srl_stream_consumer *c, const srl_reply *reply)
{
    srl_stream_list list;
    int error = srl_stream_decode_pending_range(reply, SRL_REPLY_ROOT, &list);
    if (error != 0) {
        return error;
    }
    srl_stream_pending_entry entry;
    srl_stream_id last = c->has_counts_cursor ? c->counts_cursor : (srl_stream_id){0, 0};
    int step = 0;
    while ((step = srl_stream_next_pending_entry(&list, &entry)) == 1) {
        if (srl_stream_id_compare(&entry.id, &last) <= 0) {
            return SRL_ERR_TYPE;
        }
        last = entry.id;
        srl__consumer_candidate *candidate = srl__stream_consumer_candidate(c, &entry.id);
        if (candidate != NULL) {
            candidate->deliveries = entry.deliveries;
            candidate->is_known = 1;
        }
    }
    if (step < 0) {
        return step;
    }
    if (list.count >= c->asked && srl_stream_id_compare(&last, &c->candidates[c->candidate_count - 1].id) < 0) {
        c->counts_cursor = last;
        c->has_counts_cursor = true;
        return 0;
    }
    filter_candidates(c, is_known);
    begin_fetch(c, SRL__CONSUMER_FETCH);
    return 0;
}

static int answer_bury(srl_stream_consumer *c, const srl_reply *reply)
{
    int error = srl_stream_decode_ok(reply, SRL_REPLY_ROOT);
    if (error != 0) {
        return error;
    }
    uint32_t before = c->candidate_count;
    filter_candidates(c, is_alive);
    c->stats.dead += before - c->candidate_count;
    if (c->candidate_count == 0) {
        end_page(c);
    } else {
        c->phase = c->fetch;
    }
    return 0;
}

static int answer_step(srl_stream_consumer *c, const srl_reply *reply)
{
    switch (c->step) {
    case SRL__CONSUMER_ACK:
        return answer_ack(c, reply);
    case SRL__CONSUMER_LOOK_END:
        return answer_look_end(c, reply);
    case SRL__CONSUMER_MAKE:
        return answer_make(c, reply);
    case SRL__CONSUMER_PENDING:
        return answer_pending(c, reply);
    case SRL__CONSUMER_HISTORY:
        return answer_history(c, reply);
    case SRL__CONSUMER_CLAIM:
        return answer_claim(c, reply);
    case SRL__CONSUMER_COUNTS:
        return answer_counts(c, reply);
    case SRL__CONSUMER_FETCH:
        return answer_fetch(c, reply);
    case SRL__CONSUMER_BURY:
        return answer_bury(c, reply);
    case SRL__CONSUMER_READ:
        return answer_read(c, reply);
    default:
        return SRL_ERR_STATE;
    }
}

/* There was no answer, or not a sensible one. */
static int fail(srl_stream_consumer *c, int error)
{
    const char *text = srl_error_text(error);
    srl__stream_consumer_back_off(c, text, strlen(text));
    bool passes = srl_error_is_retriable(error) || error == SRL_ERR_OUTCOME_UNKNOWN || error == SRL_ERR_CANCELLED ||
                  error == SRL_ERR_PROTOCOL;
    return passes ? 0 : error;
}

static bool is_passing(const srl_reply *reply)
{
    size_t len = 0;
    const char *text = srl_reply_string(reply, SRL_REPLY_ROOT, &len);
    switch (srl_redis_error_classify(text, len)) {
    case SRL_REDIS_ERROR_RETRY:
    case SRL_REDIS_ERROR_ROLE:
    case SRL_REDIS_ERROR_CAPACITY:
        return true;
    case SRL_REDIS_ERROR_NONE:
    case SRL_REDIS_ERROR_REDIRECT:
    case SRL_REDIS_ERROR_AUTH:
    case SRL_REDIS_ERROR_SCRIPT:
    case SRL_REDIS_ERROR_OTHER:
    default:
        return srl_reply_error_is(reply, SRL_REPLY_ROOT, "UNBLOCKED", 9);
    }
}

/* The server answered with an error: `error` is what it means to a stream. */
static int refuse(srl_stream_consumer *c, int error, const srl_reply *reply)
{
    bool is_missing = error == SRL_ERR_NOT_FOUND && c->step != SRL__CONSUMER_MAKE;
    if (is_missing && c->create_group && !c->was_made) {
        srl__stream_consumer_recover(c);
        c->phase = c->start.kind == SRL_STREAM_END ? SRL__CONSUMER_LOOK_END : SRL__CONSUMER_MAKE;
        return 0;
    }
    bool passes = is_passing(reply) || (is_missing && c->create_group);
    if (c->step == SRL__CONSUMER_BURY && !passes) {
        /* The host gets what the server does not take. */
        c->phase = c->fetch;
        c->stats.failures++;
        return 0;
    }
    size_t len = 0;
    const char *text = srl_reply_string(reply, SRL_REPLY_ROOT, &len);
    c->was_made = false;
    srl__stream_consumer_back_off(c, text, len);
    return passes ? 0 : error;
}

bool srl__stream_consumer_brings_entries(const srl_stream_consumer *c)
{
    return c->step == SRL__CONSUMER_READ || c->step == SRL__CONSUMER_HISTORY || c->step == SRL__CONSUMER_FETCH;
}

int srl_stream_consumer_answer(srl_stream_consumer *consumer, int error, const srl_reply *reply)
{
    if (consumer == NULL) {
        return SRL_ERR_INVALID;
    }
    if (!consumer->is_sent) {
        return SRL_ERR_STATE;
    }
    consumer->is_sent = false;
    consumer->entries = (srl_stream_list){0};
    bool was_made = consumer->was_made;
    if ((error != 0 && error != SRL_ERR_REDIS) || reply == NULL) {
        return fail(consumer, error != 0 ? error : SRL_ERR_PROTOCOL);
    }
    int result = answer_step(consumer, reply);
    consumer->was_made = consumer->step == SRL__CONSUMER_MAKE && result == 0;
    if (result >= 0) {
        consumer->failures_in_row = 0;
        return result;
    }
    if (!srl_reply_is_error(reply, SRL_REPLY_ROOT)) {
        return fail(consumer, result);
    }
    consumer->was_made = was_made;
    return refuse(consumer, result, reply);
}
