/* Replies as text. */
#include "helpers/stream_golden.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <streamrelay/error.h>

typedef struct sink {
    char *out;
    size_t size;
    size_t len;
} sink;

static void put(sink *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(s->out + s->len, s->size - s->len, format, args);
    va_end(args);
    if (len > 0) {
        size_t room = s->size - s->len - 1;
        s->len += (size_t)len < room ? (size_t)len : room;
    }
}

static void put_id(sink *s, const srl_stream_id *id)
{
    put(s, "%" PRIu64 "-%" PRIu64, id->ms, id->seq);
}

static void put_end(sink *s, int step)
{
    if (step < 0) {
        put(s, "<%s>", srl_error_name(step));
    }
}

static void put_entry(sink *s, const srl_stream_entry *entry)
{
    put_id(s, &entry->id);
    if (entry->is_deleted) {
        put(s, "(deleted)");
        return;
    }
    srl_stream_list fields = entry->fields;
    srl_stream_field field;
    int step = 0;
    const char *between = "";
    put(s, "{");
    while ((step = srl_stream_next_field(&fields, &field)) == 1) {
        put(s, "%s%.*s=%.*s", between, (int)field.name_len, field.name, (int)field.value_len, field.value);
        between = ",";
    }
    put_end(s, step);
    put(s, "}");
}

static void put_entries(sink *s, srl_stream_list *list)
{
    srl_stream_entry entry;
    int step = 0;
    put(s, "[");
    while ((step = srl_stream_next_entry(list, &entry)) == 1) {
        put_entry(s, &entry);
    }
    put_end(s, step);
    put(s, "]");
}

static void put_ids(sink *s, srl_stream_list *list)
{
    srl_stream_id id;
    int step = 0;
    put(s, "[");
    while ((step = srl_stream_next_id(list, &id)) == 1) {
        put_id(s, &id);
        put(s, " ");
    }
    put_end(s, step);
    put(s, "]");
}

static void put_pending(sink *s, srl_stream_list *list)
{
    srl_stream_pending_entry entry;
    int step = 0;
    put(s, "[");
    while ((step = srl_stream_next_pending_entry(list, &entry)) == 1) {
        put(s, "(");
        put_id(s, &entry.id);
        put(s, " of '%.*s' idle=%" PRId64 " time=%" PRId64 " deliveries=%" PRIu64 ")", (int)entry.consumer_len,
            entry.consumer, entry.idle_ms, entry.time_ms, entry.deliveries);
    }
    put_end(s, step);
    put(s, "]");
}

static void put_consumers(sink *s, srl_stream_list *list)
{
    srl_stream_consumer_info info = {.size = sizeof(info)};
    int step = 0;
    put(s, "[");
    while ((step = srl_stream_next_consumer(list, &info)) == 1) {
        put(s, "(%.*s pending=%" PRId64 " idle=%" PRId64 " inactive=%" PRId64 " seen=%" PRId64 " active=%" PRId64 " ",
            (int)info.name_len, info.name, info.pending_count, info.idle_ms, info.inactive_ms, info.seen_time_ms,
            info.active_time_ms);
        put_pending(s, &info.pending);
        put(s, ")");
    }
    put_end(s, step);
    put(s, "]");
}

static void put_groups(sink *s, srl_stream_list *list)
{
    srl_stream_group_info info = {.size = sizeof(info)};
    int step = 0;
    put(s, "[");
    while ((step = srl_stream_next_group(list, &info)) == 1) {
        put(s, "(%.*s consumers=%" PRId64 " pending=%" PRId64 " read=%" PRId64 " lag=%" PRId64 " last=",
            (int)info.name_len, info.name, info.consumer_count, info.pending_count, info.entries_read, info.lag);
        put_id(s, &info.last_delivered_id);
        put_pending(s, &info.pending);
        put_consumers(s, &info.consumers);
        put(s, ")");
    }
    put_end(s, step);
    put(s, "]");
}

static int render_info(sink *s, const srl_reply *reply)
{
    srl_stream_info info = {.size = sizeof(info)};
    int error = srl_stream_decode_info(reply, SRL_REPLY_ROOT, &info);
    if (error != 0) {
        return error;
    }
    put(s,
        "length=%" PRId64 " keys=%" PRId64 " nodes=%" PRId64 " added=%" PRId64 " groups=%" PRId64 " last=", info.length,
        info.radix_tree_keys, info.radix_tree_nodes, info.entries_added, info.group_count);
    put_id(s, &info.last_generated_id);
    put(s, " deleted=");
    put_id(s, &info.max_deleted_entry_id);
    put(s, " first=");
    put_id(s, &info.recorded_first_entry_id);
    if (info.has_first) {
        put(s, " from ");
        put_entry(s, &info.first_entry);
    }
    if (info.has_last) {
        put(s, " to ");
        put_entry(s, &info.last_entry);
    }
    put_entries(s, &info.entries);
    put_groups(s, &info.groups);
    return 0;
}

static int render_read(sink *s, const srl_reply *reply)
{
    srl_stream_list parts;
    srl_stream_part part;
    int error = srl_stream_decode_read(reply, SRL_REPLY_ROOT, &parts);
    if (error != 0) {
        return error;
    }
    put(s, "%u:", parts.count);
    int step = 0;
    while ((step = srl_stream_next_part(&parts, &part)) == 1) {
        put(s, " %.*s", (int)part.key_len, part.key);
        put_entries(s, &part.entries);
    }
    put_end(s, step);
    return 0;
}

static int render_autoclaim(sink *s, const srl_reply *reply, int justid)
{
    srl_stream_autoclaimed claimed;
    int error = srl_stream_decode_autoclaim(reply, SRL_REPLY_ROOT, justid, &claimed);
    if (error != 0) {
        return error;
    }
    put(s, "next ");
    put_id(s, &claimed.next);
    if (justid) {
        put_ids(s, &claimed.entries);
    } else {
        put_entries(s, &claimed.entries);
    }
    put_ids(s, &claimed.deleted);
    return 0;
}

static int render_pending(sink *s, const srl_reply *reply)
{
    srl_stream_pending_summary summary;
    srl_stream_pending_consumer consumer;
    int error = srl_stream_decode_pending(reply, SRL_REPLY_ROOT, &summary);
    if (error != 0) {
        return error;
    }
    put(s, "%" PRIu64 " from ", summary.count);
    put_id(s, &summary.first);
    put(s, " to ");
    put_id(s, &summary.last);
    int step = 0;
    while ((step = srl_stream_next_pending_consumer(&summary.consumers, &consumer)) == 1) {
        put(s, " %.*s=%" PRIu64, (int)consumer.name_len, consumer.name, consumer.count);
    }
    put_end(s, step);
    return 0;
}

static int render_id(sink *s, const srl_reply *reply)
{
    srl_stream_id id;
    int error = srl_stream_decode_id(reply, SRL_REPLY_ROOT, &id);
    if (error == 0) {
        put_id(s, &id);
    }
    return error;
}

static int render_ok(sink *s, const srl_reply *reply)
{
    int error = srl_stream_decode_ok(reply, SRL_REPLY_ROOT);
    if (error == 0) {
        put(s, "OK");
    }
    return error;
}

static int render_count(sink *s, const srl_reply *reply)
{
    uint64_t count = 0;
    int error = srl_stream_decode_count(reply, SRL_REPLY_ROOT, &count);
    if (error == 0) {
        put(s, "%" PRIu64, count);
    }
    return error;
}

static int render_list(sink *s, const srl_reply *reply,
                       int (*decode)(const srl_reply *reply, uint32_t at, srl_stream_list *list),
                       void (*put_list)(sink *s, srl_stream_list *list))
{
    srl_stream_list list;
    int error = decode(reply, SRL_REPLY_ROOT, &list);
    if (error == 0) {
        put(s, "%u:", list.count);
        put_list(s, &list);
    }
    return error;
}

static int has_word(const srl_test_golden_line *line, const char *word)
{
    for (uint32_t i = 1; i < line->count; i++) {
        if (strcmp(line->words[i], word) == 0) {
            return 1;
        }
    }
    return 0;
}

static int render_claims(sink *s, const srl_test_golden_line *line, const srl_reply *reply)
{
    int justid = has_word(line, "JUSTID");
    if (strcmp(line->words[0], "XAUTOCLAIM") == 0) {
        return render_autoclaim(s, reply, justid);
    }
    return justid ? render_list(s, reply, srl_stream_decode_ids, put_ids)
                  : render_list(s, reply, srl_stream_decode_entries, put_entries);
}

static int render_group(sink *s, const srl_test_golden_line *line, const srl_reply *reply)
{
    int is_ok = strcmp(line->words[1], "CREATE") == 0 || strcmp(line->words[1], "SETID") == 0;
    return is_ok ? render_ok(s, reply) : render_count(s, reply);
}

static int render_any_info(sink *s, const srl_test_golden_line *line, const srl_reply *reply)
{
    if (strcmp(line->words[1], "STREAM") == 0) {
        return render_info(s, reply);
    }
    return strcmp(line->words[1], "GROUPS") == 0 ? render_list(s, reply, srl_stream_decode_groups, put_groups)
                                                 : render_list(s, reply, srl_stream_decode_consumers, put_consumers);
}

static int render(sink *s, const srl_test_golden_line *line, const srl_reply *reply)
{
    const char *name = line->words[0];
    if (strcmp(name, "XADD") == 0) {
        return render_id(s, reply);
    }
    if (strcmp(name, "XRANGE") == 0 || strcmp(name, "XREVRANGE") == 0) {
        return render_list(s, reply, srl_stream_decode_entries, put_entries);
    }
    if (strcmp(name, "XREAD") == 0 || strcmp(name, "XREADGROUP") == 0) {
        return render_read(s, reply);
    }
    if (strcmp(name, "XGROUP") == 0) {
        return render_group(s, line, reply);
    }
    if (strcmp(name, "XCLAIM") == 0 || strcmp(name, "XAUTOCLAIM") == 0) {
        return render_claims(s, line, reply);
    }
    if (strcmp(name, "XPENDING") == 0) {
        return line->count == 3 ? render_pending(s, reply)
                                : render_list(s, reply, srl_stream_decode_pending_range, put_pending);
    }
    if (strcmp(name, "XINFO") == 0) {
        return render_any_info(s, line, reply);
    }
    return strcmp(name, "XSETID") == 0 || strcmp(name, "SET") == 0 ? render_ok(s, reply) : render_count(s, reply);
}

void srl_test_stream_render(const srl_test_golden_line *line, const srl_reply *reply, char *out, size_t size)
{
    sink s = {out, size, 0};
    out[0] = '\0';
    int error = render(&s, line, reply);
    if (error != 0) {
        size_t len = 0;
        const char *text =
            srl_reply_is_error(reply, SRL_REPLY_ROOT) ? srl_reply_string(reply, SRL_REPLY_ROOT, &len) : "";
        put(&s, "<%s>%s", srl_error_name(error), text);
    }
}

static void put_wire(sink *s, const srl_reply *reply, uint32_t at, int depth)
{
    int wire = srl_reply_wire(reply, at);
    int type = srl_reply_type(reply, at);
    size_t len = 0;
    const char *text = srl_reply_string(reply, at, &len);
    if (type == SRL_REPLY_NULL) {
        put(s, wire == '_' ? "_." : "%c-1.", wire);
    } else if (type >= SRL_REPLY_ARRAY && depth < 16) {
        uint32_t count = srl_reply_count(reply, at);
        put(s, "%c%u.", wire, type == SRL_REPLY_MAP ? count / 2 : count);
        srl_reply_walk walk;
        uint32_t child = 0;
        srl_reply_walk_init(&walk, reply, at);
        while (srl_reply_walk_next(&walk, &child) == 1) {
            put_wire(s, reply, child, depth + 1);
        }
    } else if (wire == '$') {
        put(s, "$%zu.%.*s.", len, (int)len, text);
    } else {
        put(s, "%c%.*s.", wire, (int)len, text != NULL ? text : "");
    }
}

void srl_test_reply_render(const srl_reply *reply, char *out, size_t size)
{
    sink s = {out, size, 0};
    out[0] = '\0';
    put_wire(&s, reply, SRL_REPLY_ROOT, 0);
}
