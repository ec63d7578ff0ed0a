#include <streamrelay/stream.h>

#include "redis/stream_write.h"
#include "base/table.h"

#define GIVEN(request) ((request) != NULL && srl__table_fits((request), sizeof(*(request))))

/* COMMAND [SUBCOMMAND] key group */
static void write_head(srl__stream_writer *w, const char *name, const char *subcommand, srl__slice key,
                       srl__slice group)
{
    srl__stream_write_word(w, name);
    if (subcommand != NULL) {
        srl__stream_write_word(w, subcommand);
    }
    srl__stream_write_name(w, key.data, key.len);
    srl__stream_write_name(w, group.data, group.len);
}

void srl_stream_group_request_init(srl_stream_group_request *request, size_t size)
{
    const srl_stream_group_request fresh = {.after = {.kind = SRL_STREAM_END}, .entries_read = -1};
    srl__table_fill(request, size, &fresh, sizeof(fresh));
}

static int encode_group(srl_command *command, const srl_stream_group_request *request, const char *subcommand,
                        uint32_t mkstream_allowed)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, GIVEN(request) && request->mkstream <= mkstream_allowed);
    if (w.error == 0) {
        write_head(&w, "XGROUP", subcommand, srl__slice_of(request->key, request->key_len),
                   srl__slice_of(request->group, request->group_len));
        srl__stream_write_point(&w, &request->after, SRL__POINTS_PLAIN | SRL__POINT(SRL_STREAM_END));
        srl__stream_write_flag(&w, "MKSTREAM", request->mkstream);
        srl__stream_write_flag(&w, "ENTRIESREAD", request->has_entries_read);
        if (request->has_entries_read == 1) {
            srl__stream_write_check(&w, request->entries_read >= -1);
            srl__stream_write_i64(&w, request->entries_read);
        }
    }
    return srl__stream_write_end(&w);
}

int srl_stream_encode_group_create(srl_command *command, const srl_stream_group_request *request)
{
    return encode_group(command, request, "CREATE", 1);
}

int srl_stream_encode_group_setid(srl_command *command, const srl_stream_group_request *request)
{
    return encode_group(command, request, "SETID", 0);
}

int srl_stream_encode_group_destroy(srl_command *command, const char *key, size_t key_len, const char *group,
                                    size_t group_len)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, true);
    write_head(&w, "XGROUP", "DESTROY", srl__slice_of(key, key_len), srl__slice_of(group, group_len));
    return srl__stream_write_end(&w);
}

int srl_stream_encode_group_createconsumer(srl_command *command, const char *key, size_t key_len, const char *group,
                                           size_t group_len, const char *consumer, size_t consumer_len)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, true);
    write_head(&w, "XGROUP", "CREATECONSUMER", srl__slice_of(key, key_len), srl__slice_of(group, group_len));
    srl__stream_write_name(&w, consumer, consumer_len);
    return srl__stream_write_end(&w);
}

int srl_stream_encode_group_delconsumer(srl_command *command, const char *key, size_t key_len, const char *group,
                                        size_t group_len, const char *consumer, size_t consumer_len)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, true);
    write_head(&w, "XGROUP", "DELCONSUMER", srl__slice_of(key, key_len), srl__slice_of(group, group_len));
    srl__stream_write_name(&w, consumer, consumer_len);
    return srl__stream_write_end(&w);
}

int srl_stream_encode_ack(srl_command *command, const char *key, size_t key_len, const char *group, size_t group_len,
                          const srl_stream_id *ids, uint32_t count)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, true);
    write_head(&w, "XACK", NULL, srl__slice_of(key, key_len), srl__slice_of(group, group_len));
    srl__stream_write_ids(&w, ids, count);
    return srl__stream_write_end(&w);
}

int srl_stream_encode_pending(srl_command *command, const char *key, size_t key_len, const char *group,
                              size_t group_len)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, true);
    write_head(&w, "XPENDING", NULL, srl__slice_of(key, key_len), srl__slice_of(group, group_len));
    return srl__stream_write_end(&w);
}

void srl_stream_pending_request_init(srl_stream_pending_request *request, size_t size)
{
    const srl_stream_pending_request fresh = {
        .min_idle_ms = -1, .start = {.kind = SRL_STREAM_FIRST}, .end = {.kind = SRL_STREAM_LAST}, .count = 10};
    srl__table_fill(request, size, &fresh, sizeof(fresh));
}

int srl_stream_encode_pending_range(srl_command *command, const srl_stream_pending_request *request)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, GIVEN(request) && request->count <= INT64_MAX);
    if (w.error == 0) {
        write_head(&w, "XPENDING", NULL, srl__slice_of(request->key, request->key_len),
                   srl__slice_of(request->group, request->group_len));
        srl__stream_write_option(&w, "IDLE", request->min_idle_ms);
        srl__stream_write_point(&w, &request->start, SRL__POINTS_RANGE);
        srl__stream_write_point(&w, &request->end, SRL__POINTS_RANGE);
        srl__stream_write_u64(&w, request->count);
        if (request->consumer != NULL) {
            srl__stream_write_name(&w, request->consumer, request->consumer_len);
        }
    }
    return srl__stream_write_end(&w);
}

void srl_stream_claim_request_init(srl_stream_claim_request *request, size_t size)
{
    const srl_stream_claim_request fresh = {.idle_ms = -1, .time_ms = -1, .retry_count = -1};
    srl__table_fill(request, size, &fresh, sizeof(fresh));
}

int srl_stream_encode_claim(srl_command *command, const srl_stream_claim_request *request)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command,
                            GIVEN(request) && request->min_idle_ms <= INT64_MAX &&
                                (request->idle_ms < 0 || request->time_ms < 0));
    if (w.error == 0) {
        write_head(&w, "XCLAIM", NULL, srl__slice_of(request->key, request->key_len),
                   srl__slice_of(request->group, request->group_len));
        srl__stream_write_name(&w, request->consumer, request->consumer_len);
        srl__stream_write_u64(&w, request->min_idle_ms);
        srl__stream_write_ids(&w, request->ids, request->id_count);
        srl__stream_write_option(&w, "IDLE", request->idle_ms);
        srl__stream_write_option(&w, "TIME", request->time_ms);
        srl__stream_write_option(&w, "RETRYCOUNT", request->retry_count);
        srl__stream_write_flag(&w, "FORCE", request->force);
        srl__stream_write_flag(&w, "JUSTID", request->justid);
        if (request->last_id != NULL) {
            srl__stream_write_word(&w, "LASTID");
            srl__stream_write_id(&w, request->last_id);
        }
    }
    return srl__stream_write_end(&w);
}

void srl_stream_autoclaim_request_init(srl_stream_autoclaim_request *request, size_t size)
{
    const srl_stream_autoclaim_request fresh = {.count = -1};
    srl__table_fill(request, size, &fresh, sizeof(fresh));
}

int srl_stream_encode_autoclaim(srl_command *command, const srl_stream_autoclaim_request *request)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, GIVEN(request) && request->min_idle_ms <= INT64_MAX && request->count != 0);
    if (w.error == 0) {
        write_head(&w, "XAUTOCLAIM", NULL, srl__slice_of(request->key, request->key_len),
                   srl__slice_of(request->group, request->group_len));
        srl__stream_write_name(&w, request->consumer, request->consumer_len);
        srl__stream_write_u64(&w, request->min_idle_ms);
        srl__stream_write_point(&w, &request->start, SRL__POINTS_RANGE);
        srl__stream_write_option(&w, "COUNT", request->count);
        srl__stream_write_flag(&w, "JUSTID", request->justid);
    }
    return srl__stream_write_end(&w);
}

int srl_stream_encode_info_groups(srl_command *command, const char *key, size_t key_len)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, true);
    srl__stream_write_word(&w, "XINFO");
    srl__stream_write_word(&w, "GROUPS");
    srl__stream_write_name(&w, key, key_len);
    return srl__stream_write_end(&w);
}

int srl_stream_encode_info_consumers(srl_command *command, const char *key, size_t key_len, const char *group,
                                     size_t group_len)
{
    srl__stream_writer w;
    srl__stream_write_begin(&w, command, true);
    write_head(&w, "XINFO", "CONSUMERS", srl__slice_of(key, key_len), srl__slice_of(group, group_len));
    return srl__stream_write_end(&w);
}
