#include "redis/stream_decode.h"

#include <streamrelay/error.h>

#include <string.h>

/* XINFO answers with names and values, as a map or in turn. Those that are known are looked up in a table that says
 * where in a struct each belongs. */

typedef enum value_kind {
    VALUE_NUMBER, /* int64_t; null leaves it as it was */
    VALUE_ID,
    VALUE_TEXT,          /* a pointer, and a length behind it */
    VALUE_ENTRY,         /* an entry or null; has_first or has_last tells */
    VALUE_LIST,          /* an srl_stream_list of `list_kind` */
    VALUE_NUMBER_OR_LIST /* a number, or a list whose length is the number: that list lies at `list_at` */
} value_kind;

typedef struct info_field {
    const char *name;
    value_kind kind;
    srl__stream_kind list_kind;
    size_t at;      /* in the struct */
    size_t list_at; /* VALUE_NUMBER_OR_LIST: the list; VALUE_ENTRY: where 1 is put if there is one */
    bool is_required;
} info_field;

typedef struct info_table {
    const info_field *fields;
    uint32_t count; /* at most 32 */
} info_table;

static void *member(void *out, size_t at)
{
    return (char *)out + at;
}

static int decode_text(const srl_reply *reply, uint32_t at, void *place)
{
    struct {
        const char *data;
        size_t len;
    } text;
    int error = srl__stream_decode_text_at(reply, at, &text.data, &text.len);
    if (error == 0) {
        memcpy(place, &text, sizeof(text));
    }
    return error;
}

static int decode_number(const srl_reply *reply, uint32_t at, int64_t *out)
{
    if (srl_reply_type(reply, at) == SRL_REPLY_NULL) {
        return SRL_OK;
    }
    return srl_reply_i64(reply, at, out) == 0 ? SRL_OK : SRL_ERR_TYPE;
}

static int decode_number_or_list(const srl_reply *reply, uint32_t at, const info_field *field, void *out)
{
    int64_t *number = member(out, field->at);
    if (srl_reply_type(reply, at) != SRL_REPLY_ARRAY) {
        return decode_number(reply, at, number);
    }
    srl_stream_list *list = member(out, field->list_at);
    int error = srl__stream_decode_array(reply, at, field->list_kind, list);
    if (error == 0 && *number < 0) {
        *number = list->count;
    }
    return error;
}

static int decode_value(const srl_reply *reply, uint32_t at, const info_field *field, void *out)
{
    void *place = member(out, field->at);
    switch (field->kind) {
    case VALUE_NUMBER:
        return decode_number(reply, at, place);
    case VALUE_ID:
        return srl__stream_decode_id_at(reply, at, place);
    case VALUE_TEXT:
        return decode_text(reply, at, place);
    case VALUE_ENTRY:
        if (srl_reply_type(reply, at) == SRL_REPLY_NULL) {
            return SRL_OK;
        }
        *(uint32_t *)member(out, field->list_at) = 1;
        return srl__stream_decode_entry_at(reply, at, place);
    case VALUE_LIST:
        return srl__stream_decode_array(reply, at, field->list_kind, place);
    case VALUE_NUMBER_OR_LIST:
        return decode_number_or_list(reply, at, field, out);
    default:
        return SRL_ERR_TYPE;
    }
}

/* SRL_ERR_TYPE if something is malformed, or a required field is missing. */
static int decode_table(const srl_reply *reply, uint32_t at, const info_table *table, void *out)
{
    int type = srl_reply_type(reply, at);
    if ((type != SRL_REPLY_MAP && type != SRL_REPLY_ARRAY) || srl_reply_count(reply, at) % 2 != 0) {
        return SRL_ERR_TYPE;
    }
    uint32_t seen = 0;
    uint32_t name = 0;
    srl_reply_walk walk;
    srl_reply_walk_init(&walk, reply, at);
    while (srl_reply_walk_next(&walk, &name) == 1) {
        uint32_t value = SRL_REPLY_NONE;
        (void)srl_reply_walk_next(&walk, &value);
        for (uint32_t i = 0; i < table->count; i++) {
            const info_field *field = &table->fields[i];
            if (!srl_reply_equals(reply, name, field->name, strlen(field->name))) {
                continue;
            }
            int error = decode_value(reply, value, field, out);
            if (error != 0) {
                return error;
            }
            seen |= 1u << i;
            break;
        }
    }
    for (uint32_t i = 0; i < table->count; i++) {
        if (table->fields[i].is_required && (seen & 1u << i) == 0) {
            return SRL_ERR_TYPE;
        }
    }
    return SRL_OK;
}

#define AT(type, name) offsetof(srl_stream_##type, name)
#define TABLE_OF(table)                                                                                                \
    {                                                                                                                  \
        table, sizeof(table) / sizeof((table)[0])                                                                      \
    }

static const info_field stream_fields[] = {
    {"length", VALUE_NUMBER, SRL__STREAM_OF_NOTHING, AT(info, length), 0, true},
    {"radix-tree-keys", VALUE_NUMBER, SRL__STREAM_OF_NOTHING, AT(info, radix_tree_keys), 0, false},
    {"radix-tree-nodes", VALUE_NUMBER, SRL__STREAM_OF_NOTHING, AT(info, radix_tree_nodes), 0, false},
    {"last-generated-id", VALUE_ID, SRL__STREAM_OF_NOTHING, AT(info, last_generated_id), 0, true},
    {"max-deleted-entry-id", VALUE_ID, SRL__STREAM_OF_NOTHING, AT(info, max_deleted_entry_id), 0, false},
    {"entries-added", VALUE_NUMBER, SRL__STREAM_OF_NOTHING, AT(info, entries_added), 0, false},
    {"recorded-first-entry-id", VALUE_ID, SRL__STREAM_OF_NOTHING, AT(info, recorded_first_entry_id), 0, false},
    {"groups", VALUE_NUMBER_OR_LIST, SRL__STREAM_OF_GROUPS, AT(info, group_count), AT(info, groups), false},
    {"first-entry", VALUE_ENTRY, SRL__STREAM_OF_NOTHING, AT(info, first_entry), AT(info, has_first), false},
    {"last-entry", VALUE_ENTRY, SRL__STREAM_OF_NOTHING, AT(info, last_entry), AT(info, has_last), false},
    {"entries", VALUE_LIST, SRL__STREAM_OF_ENTRIES, AT(info, entries), 0, false},
};
static const info_table stream_table = TABLE_OF(stream_fields);

/* XINFO STREAM FULL says "pel-count" and gives lists as "pending" and "consumers"; XINFO GROUPS has only numbers. */
static const info_field group_fields[] = {
    {"name", VALUE_TEXT, SRL__STREAM_OF_NOTHING, AT(group_info, name), 0, true},
    {"consumers", VALUE_NUMBER_OR_LIST, SRL__STREAM_OF_CONSUMERS, AT(group_info, consumer_count),
     AT(group_info, consumers), false},
    {"pel-count", VALUE_NUMBER, SRL__STREAM_OF_NOTHING, AT(group_info, pending_count), 0, false},
    {"pending", VALUE_NUMBER_OR_LIST, SRL__STREAM_OF_PENDING_TIMES, AT(group_info, pending_count),
     AT(group_info, pending), false},
    {"last-delivered-id", VALUE_ID, SRL__STREAM_OF_NOTHING, AT(group_info, last_delivered_id), 0, true},
    {"entries-read", VALUE_NUMBER, SRL__STREAM_OF_NOTHING, AT(group_info, entries_read), 0, false},
    {"lag", VALUE_NUMBER, SRL__STREAM_OF_NOTHING, AT(group_info, lag), 0, false},
};
static const info_table group_table = TABLE_OF(group_fields);

static const info_field consumer_fields[] = {
    {"name", VALUE_TEXT, SRL__STREAM_OF_NOTHING, AT(consumer_info, name), 0, true},
    {"pel-count", VALUE_NUMBER, SRL__STREAM_OF_NOTHING, AT(consumer_info, pending_count), 0, false},
    {"pending", VALUE_NUMBER_OR_LIST, SRL__STREAM_OF_OWN_PENDING, AT(consumer_info, pending_count),
     AT(consumer_info, pending), false},
    {"idle", VALUE_NUMBER, SRL__STREAM_OF_NOTHING, AT(consumer_info, idle_ms), 0, false},
    {"inactive", VALUE_NUMBER, SRL__STREAM_OF_NOTHING, AT(consumer_info, inactive_ms), 0, false},
    {"seen-time", VALUE_NUMBER, SRL__STREAM_OF_NOTHING, AT(consumer_info, seen_time_ms), 0, false},
    {"active-time", VALUE_NUMBER, SRL__STREAM_OF_NOTHING, AT(consumer_info, active_time_ms), 0, false},
};
static const info_table consumer_table = TABLE_OF(consumer_fields);

int srl_stream_decode_info(const srl_reply *reply, uint32_t at, srl_stream_info *out)
{
    if (out == NULL || out->size != sizeof(*out)) {
        return SRL_ERR_INVALID;
    }
    int error = srl__stream_decode_check(reply, at, out);
    if (error != 0) {
        return error;
    }
    srl_stream_info info = {.size = sizeof(info),
                            .length = -1,
                            .radix_tree_keys = -1,
                            .radix_tree_nodes = -1,
                            .entries_added = -1,
                            .group_count = -1};
    error = decode_table(reply, at, &stream_table, &info);
    if (error == 0) {
        *out = info;
    }
    return error;
}

int srl_stream_decode_groups(const srl_reply *reply, uint32_t at, srl_stream_list *groups)
{
    int error = srl__stream_decode_check(reply, at, groups);
    return error != 0 ? error : srl__stream_decode_array(reply, at, SRL__STREAM_OF_GROUPS, groups);
}

int srl_stream_next_group(srl_stream_list *groups, srl_stream_group_info *out)
{
    if (out == NULL || out->size != sizeof(*out)) {
        return SRL_ERR_INVALID;
    }
    uint32_t at = 0;
    int step = srl__stream_list_step(groups, SRL__STREAM_OF_GROUPS, &at);
    if (step != 1) {
        return step;
    }
    srl_stream_group_info info = {
        .size = sizeof(info), .consumer_count = -1, .pending_count = -1, .entries_read = -1, .lag = -1};
    int error = decode_table(groups->walk.reply, at, &group_table, &info);
    if (error == 0) {
        *out = info;
    }
    return srl__stream_list_result(groups, error);
}

int srl_stream_decode_consumers(const srl_reply *reply, uint32_t at, srl_stream_list *consumers)
{
    int error = srl__stream_decode_check(reply, at, consumers);
    return error != 0 ? error : srl__stream_decode_array(reply, at, SRL__STREAM_OF_CONSUMERS, consumers);
}

int srl_stream_next_consumer(srl_stream_list *consumers, srl_stream_consumer_info *out)
{
    if (out == NULL || out->size != sizeof(*out)) {
        return SRL_ERR_INVALID;
    }
    uint32_t at = 0;
    int step = srl__stream_list_step(consumers, SRL__STREAM_OF_CONSUMERS, &at);
    if (step != 1) {
        return step;
    }
    srl_stream_consumer_info info = {.size = sizeof(info),
                                     .pending_count = -1,
                                     .idle_ms = -1,
                                     .inactive_ms = -1,
                                     .seen_time_ms = -1,
                                     .active_time_ms = -1};
    int error = decode_table(consumers->walk.reply, at, &consumer_table, &info);
    if (error == 0) {
        *out = info;
    }
    return srl__stream_list_result(consumers, error);
}
