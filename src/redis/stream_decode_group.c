#include "redis/stream_decode.h"

#include <streamrelay/error.h>

#include "base/slice.h"

int srl_stream_decode_autoclaim(const srl_reply *reply, uint32_t at, int justid, srl_stream_autoclaimed *out)
{
    int error = srl__stream_decode_check(reply, at, out);
    if (error != 0) {
        return error;
    }
    uint32_t places[3] = {SRL_REPLY_NONE, SRL_REPLY_NONE, SRL_REPLY_NONE};
    bool has_deleted = srl_reply_count(reply, at) > 2;
    srl_stream_autoclaimed claimed = {.next = {0, 0}};
    error = srl__stream_decode_tuple(reply, at, has_deleted ? 3 : 2, places);
    if (error == 0) {
        error = srl__stream_decode_id_at(reply, places[0], &claimed.next);
    }
    if (error == 0) {
        srl__stream_kind kind = justid ? SRL__STREAM_OF_IDS : SRL__STREAM_OF_ENTRIES;
        error = srl__stream_decode_array(reply, places[1], kind, &claimed.entries);
    }
    if (error == 0 && has_deleted) {
        error = srl__stream_decode_array(reply, places[2], SRL__STREAM_OF_IDS, &claimed.deleted);
    }
    if (error == 0) {
        *out = claimed;
    }
    return error;
}

int srl_stream_decode_pending(const srl_reply *reply, uint32_t at, srl_stream_pending_summary *out)
{
    int error = srl__stream_decode_check(reply, at, out);
    if (error != 0) {
        return error;
    }
    uint32_t places[4];
    srl_stream_pending_summary summary = {.count = 0};
    error = srl__stream_decode_tuple(reply, at, 4, places);
    if (error == 0) {
        error = srl__stream_decode_u64_at(reply, places[0], &summary.count);
    }
    if (error == 0 && summary.count > 0) {
        error = srl__stream_decode_id_at(reply, places[1], &summary.first);
    }
    if (error == 0 && summary.count > 0) {
        error = srl__stream_decode_id_at(reply, places[2], &summary.last);
    }
    if (error == 0) {
        error = srl__stream_decode_list(reply, places[3], SRL__STREAM_OF_COUNTS, &summary.consumers);
    }
    if (error == 0) {
        *out = summary;
    }
    return error;
}

int srl_stream_next_pending_consumer(srl_stream_list *consumers, srl_stream_pending_consumer *out)
{
    uint32_t at = 0;
    int step = srl__stream_list_step(consumers, SRL__STREAM_OF_COUNTS, &at);
    if (step != 1) {
        return step;
    }
    const srl_reply *reply = consumers->walk.reply;
    uint32_t places[2];
    srl_stream_pending_consumer consumer;
    int error = srl__stream_decode_tuple(reply, at, 2, places);
    if (error == 0) {
        error = srl__stream_decode_text_at(reply, places[0], &consumer.name, &consumer.name_len);
    }
    if (error == 0) {
        error = srl__stream_decode_u64_at(reply, places[1], &consumer.count);
    }
    if (error == 0) {
        *out = consumer;
    }
    return srl__stream_list_result(consumers, error);
}

int srl_stream_decode_pending_range(const srl_reply *reply, uint32_t at, srl_stream_list *entries)
{
    int error = srl__stream_decode_check(reply, at, entries);
    return error != 0 ? error : srl__stream_decode_array(reply, at, SRL__STREAM_OF_PENDING, entries);
}

static int decode_pending_entry(const srl_reply *reply, uint32_t at, uint32_t kind, srl_stream_pending_entry *out)
{
    bool has_consumer = kind != SRL__STREAM_OF_OWN_PENDING;
    bool has_idle = kind == SRL__STREAM_OF_PENDING;
    uint32_t places[4];
    srl_stream_pending_entry entry = {.consumer = "", .idle_ms = -1, .time_ms = -1};
    int error = srl__stream_decode_tuple(reply, at, has_consumer ? 4 : 3, places);
    if (error == 0) {
        error = srl__stream_decode_id_at(reply, places[0], &entry.id);
    }
    if (error == 0 && has_consumer) {
        error = srl__stream_decode_text_at(reply, places[1], &entry.consumer, &entry.consumer_len);
    }
    const uint32_t *numbers = &places[has_consumer ? 2 : 1];
    if (error == 0 && srl_reply_i64(reply, numbers[0], has_idle ? &entry.idle_ms : &entry.time_ms) != 0) {
        error = SRL_ERR_TYPE;
    }
    if (error == 0) {
        error = srl__stream_decode_u64_at(reply, numbers[1], &entry.deliveries);
    }
    if (error == 0) {
        *out = entry;
    }
    return error;
}

int srl_stream_next_pending_entry(srl_stream_list *entries, srl_stream_pending_entry *out)
{
    srl__stream_kind kind = SRL__STREAM_OF_PENDING;
    if (entries != NULL &&
        (entries->kind == SRL__STREAM_OF_PENDING_TIMES || entries->kind == SRL__STREAM_OF_OWN_PENDING)) {
        kind = (srl__stream_kind)entries->kind;
    }
    uint32_t at = 0;
    int step = srl__stream_list_step(entries, kind, &at);
    if (step == 1) {
        step = srl__stream_list_result(entries, decode_pending_entry(entries->walk.reply, at, kind, out));
    }
    return step;
}
