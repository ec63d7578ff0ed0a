#include <streamrelay/stream.h>

#include "redis/stream_write.h"
#include "base/table.h"

/* The request is given and of a size that this library knows. */
#define GIVEN(request) ((request) != NULL && srl__table_fits((request), sizeof(*(request))))

static void write_trim(srl__stream_writer *w, const srl_stream_trim_rule *rule)
{
    bool is_minid = rule->kind == SRL_STREAM_TRIM_MINID;
    srl__stream_write_check(w, is_minid || rule->kind == SRL_STREAM_TRIM_MAXLEN);
    srl__stream_write_check(w, rule->limit < 0 || rule->is_approx == 1);
    srl__stream_write_word(w, is_minid ? "MINID" : "MAXLEN");
    srl__stream_write_flag(w, "~", rule->is_approx);
    if (is_minid) {
        srl__stream_write_point(w, &rule->minid, SRL__POINTS_PLAIN);
    } else {
        srl__stream_write_check(w, rule->maxlen <= INT64_MAX);
        srl__stream_write_u64(w, rule->maxlen);
    }
    srl__stream_write_option(w, "LIMIT", rule->limit);
}

void srl_stream_add_request_init(srl_stream_add_request *request, size_t size)
{
    const srl_stream_add_request fresh = {.trim = {.limit = -1}, .id = {.kind = SRL_STREAM_AUTO}};
    srl__table_fill(request, size, &fresh, sizeof(fresh));
}

int srl_stream_encode_add(srl_command *command, const srl_stream_add_request *request)
{
    srl__stream_writer w;
    srl__stream_write_begin(
        &w, command, GIVEN(request) && request->field_count > 0 && request->fields != NULL && request->borrow <= 1);
    if (w.error == 0) {
        srl__stream_write_word(&w, "XADD");
        srl__stream_write_name(&w, request->key, request->key_len);
        srl__stream_write_flag(&w, "NOMKSTREAM", request->nomkstream);
        if (request->trim.kind != SRL_STREAM_TRIM_NONE) {
            write_trim(&w, &request->trim);
        }
        srl__stream_write_point(&w, &request->id,
                                SRL__POINTS_PLAIN | SRL__POINT(SRL_STREAM_AUTO) | SRL__POINT(SRL_STREAM_AUTO_SEQ));
    }
    for (uint32_t i = 0; w.error == 0 && i < request->field_count; i++) {
        const srl_stream_field *field = &request->fields[i];
        srl__stream_write_text(&w, field->name, field->name_len);
        if (request->borrow == 1) {
            srl__stream_write_borrowed(&w, field->value, field->value_len);
        } else {
            srl__stream_write_text(&w, field->value, field->value_len);
        }
    }
    return srl__stream_write_end(&w);
}

void srl_stream_trim_request_init(srl_stream_trim_request *request, size_t size)
{
    const srl_stream_trim_request fresh = {.trim = {.limit = -1}};
    srl__table_fill(request, size, &fresh, sizeof(fresh));
}

int srl_stream_encode_trim(srl_command *command, const srl_stream_trim_request *request)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, GIVEN(request));
    if (w.error == 0) {
        srl__stream_write_word(&w, "XTRIM");
        srl__stream_write_name(&w, request->key, request->key_len);
        write_trim(&w, &request->trim);
    }
    return srl__stream_write_end(&w);
}

int srl_stream_encode_len(srl_command *command, const char *key, size_t key_len)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, true);
    srl__stream_write_word(&w, "XLEN");
    srl__stream_write_name(&w, key, key_len);
    return srl__stream_write_end(&w);
}

int srl_stream_encode_del(srl_command *command, const char *key, size_t key_len, const srl_stream_id *ids,
                          uint32_t count)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, true);
    srl__stream_write_word(&w, "XDEL");
    srl__stream_write_name(&w, key, key_len);
    srl__stream_write_ids(&w, ids, count);
    return srl__stream_write_end(&w);
}

void srl_stream_setid_request_init(srl_stream_setid_request *request, size_t size)
{
    const srl_stream_setid_request fresh = {.entries_added = -1};
    srl__table_fill(request, size, &fresh, sizeof(fresh));
}

int srl_stream_encode_setid(srl_command *command, const srl_stream_setid_request *request)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, GIVEN(request));
    if (w.error == 0) {
        srl__stream_write_word(&w, "XSETID");
        srl__stream_write_name(&w, request->key, request->key_len);
        srl__stream_write_id(&w, &request->id);
        srl__stream_write_option(&w, "ENTRIESADDED", request->entries_added);
        if (request->max_deleted_id != NULL) {
            srl__stream_write_word(&w, "MAXDELETEDID");
            srl__stream_write_id(&w, request->max_deleted_id);
        }
    }
    return srl__stream_write_end(&w);
}

void srl_stream_range_request_init(srl_stream_range_request *request, size_t size)
{
    const srl_stream_range_request fresh = {
        .start = {.kind = SRL_STREAM_FIRST}, .end = {.kind = SRL_STREAM_LAST}, .count = -1};
    srl__table_fill(request, size, &fresh, sizeof(fresh));
}

int srl_stream_encode_range(srl_command *command, const srl_stream_range_request *request)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, GIVEN(request) && request->reverse <= 1);
    if (w.error == 0) {
        bool reverse = request->reverse == 1;
        srl__stream_write_word(&w, reverse ? "XREVRANGE" : "XRANGE");
        srl__stream_write_name(&w, request->key, request->key_len);
        srl__stream_write_point(&w, reverse ? &request->end : &request->start, SRL__POINTS_RANGE);
        srl__stream_write_point(&w, reverse ? &request->start : &request->end, SRL__POINTS_RANGE);
        srl__stream_write_option(&w, "COUNT", request->count);
    }
    return srl__stream_write_end(&w);
}

void srl_stream_read_request_init(srl_stream_read_request *request, size_t size)
{
    const srl_stream_read_request fresh = {.count = -1, .block_ms = -1};
    srl__table_fill(request, size, &fresh, sizeof(fresh));
}

static void write_read_head(srl__stream_writer *w, const srl_stream_read_request *request)
{
    if (request->group != NULL) {
        srl__stream_write_word(w, "XREADGROUP");
        srl__stream_write_word(w, "GROUP");
        srl__stream_write_name(w, request->group, request->group_len);
        srl__stream_write_name(w, request->consumer, request->consumer_len);
    } else {
        srl__stream_write_word(w, "XREAD");
        srl__stream_write_check(w, request->noack == 0);
    }
    srl__stream_write_option(w, "COUNT", request->count);
    srl__stream_write_option(w, "BLOCK", request->block_ms);
    srl__stream_write_flag(w, "NOACK", request->noack);
    srl__stream_write_word(w, "STREAMS");
}

int srl_stream_encode_read(srl_command *command, const srl_stream_read_request *request)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, GIVEN(request) && request->source_count > 0 && request->sources != NULL);
    if (w.error != 0) {
        return srl__stream_write_end(&w);
    }
    write_read_head(&w, request);
    for (uint32_t i = 0; w.error == 0 && i < request->source_count; i++) {
        srl__stream_write_name(&w, request->sources[i].key, request->sources[i].key_len);
    }
    uint32_t allowed = SRL__POINTS_PLAIN | SRL__POINT(request->group != NULL ? SRL_STREAM_NEW : SRL_STREAM_END);
    for (uint32_t i = 0; w.error == 0 && i < request->source_count; i++) {
        srl__stream_write_point(&w, &request->sources[i].after, allowed);
    }
    return srl__stream_write_end(&w);
}

int srl_stream_encode_info(srl_command *command, const char *key, size_t key_len)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, true);
    srl__stream_write_word(&w, "XINFO");
    srl__stream_write_word(&w, "STREAM");
    srl__stream_write_name(&w, key, key_len);
    return srl__stream_write_end(&w);
}

int srl_stream_encode_info_full(srl_command *command, const char *key, size_t key_len, int64_t count)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, true);
    srl__stream_write_word(&w, "XINFO");
    srl__stream_write_word(&w, "STREAM");
    srl__stream_write_name(&w, key, key_len);
    srl__stream_write_word(&w, "FULL");
    srl__stream_write_option(&w, "COUNT", count);
    return srl__stream_write_end(&w);
}
