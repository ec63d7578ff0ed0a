#include "redis/stream_decode.h"

#include <streamrelay/error.h>

#include "base/slice.h"

/* What an error reply means to a stream. */
static int error_of(const srl_reply *reply, uint32_t at)
{
    static const char no_key[] = "ERR no such key";
    static const char no_key_for_group[] = "ERR The XGROUP subcommand requires the key to exist";
    if (srl_reply_error_is(reply, at, "BUSYGROUP", sizeof("BUSYGROUP") - 1)) {
        return SRL_ERR_EXISTS;
    }
    srl__slice text;
    text.data = srl_reply_string(reply, at, &text.len);
    if (srl_reply_error_is(reply, at, "NOGROUP", sizeof("NOGROUP") - 1) ||
        srl__slice_starts_with(text, SRL__LIT(no_key)) || srl__slice_starts_with(text, SRL__LIT(no_key_for_group))) {
        return SRL_ERR_NOT_FOUND;
    }
    return SRL_ERR_REDIS;
}

int srl__stream_decode_check(const srl_reply *reply, uint32_t at, const void *out)
{
    if (reply == NULL || out == NULL) {
        return SRL_ERR_INVALID;
    }
    if (srl_reply_type(reply, at) == SRL_REPLY_NOTHING) {
        return SRL_ERR_TYPE;
    }
    return srl_reply_is_error(reply, at) ? error_of(reply, at) : SRL_OK;
}

int srl__stream_decode_array(const srl_reply *reply, uint32_t at, srl__stream_kind kind, srl_stream_list *out)
{
    *out = (srl_stream_list){0};
    if (srl_reply_type(reply, at) != SRL_REPLY_ARRAY) {
        return SRL_ERR_TYPE;
    }
    srl_reply_walk_init(&out->walk, reply, at);
    out->count = srl_reply_count(reply, at);
    out->kind = kind;
    return SRL_OK;
}

int srl__stream_decode_list(const srl_reply *reply, uint32_t at, srl__stream_kind kind, srl_stream_list *out)
{
    if (srl_reply_type(reply, at) == SRL_REPLY_NULL) {
        *out = (srl_stream_list){.kind = kind};
        return SRL_OK;
    }
    return srl__stream_decode_array(reply, at, kind, out);
}

int srl__stream_decode_text_at(const srl_reply *reply, uint32_t at, const char **data, size_t *len)
{
    int type = srl_reply_type(reply, at);
    if (type != SRL_REPLY_STRING && type != SRL_REPLY_STATUS) {
        return SRL_ERR_TYPE;
    }
    *data = srl_reply_string(reply, at, len);
    return SRL_OK;
}

int srl__stream_decode_id_at(const srl_reply *reply, uint32_t at, srl_stream_id *out)
{
    const char *text = NULL;
    size_t len = 0;
    if (srl__stream_decode_text_at(reply, at, &text, &len) != 0 || srl_stream_id_parse(text, len, out) != 0) {
        return SRL_ERR_TYPE;
    }
    return SRL_OK;
}

int srl__stream_decode_u64_at(const srl_reply *reply, uint32_t at, uint64_t *out)
{
    return srl_reply_u64(reply, at, out) == 0 ? SRL_OK : SRL_ERR_TYPE;
}

int srl__stream_decode_tuple(const srl_reply *reply, uint32_t at, uint32_t count, uint32_t *places)
{
    if (srl_reply_type(reply, at) != SRL_REPLY_ARRAY) {
        return SRL_ERR_TYPE;
    }
    srl_reply_walk walk;
    srl_reply_walk_init(&walk, reply, at);
    for (uint32_t i = 0; i < count; i++) {
        if (srl_reply_walk_next(&walk, &places[i]) != 1) {
            return SRL_ERR_TYPE;
        }
    }
    return SRL_OK;
}

int srl__stream_decode_entry_at(const srl_reply *reply, uint32_t at, srl_stream_entry *out)
{
    uint32_t places[2];
    srl_stream_entry entry = {.is_deleted = 0};
    if (srl__stream_decode_tuple(reply, at, 2, places) != 0 ||
        srl__stream_decode_id_at(reply, places[0], &entry.id) != 0 ||
        srl__stream_decode_list(reply, places[1], SRL__STREAM_OF_FIELDS, &entry.fields) != 0 ||
        entry.fields.count % 2 != 0) {
        return SRL_ERR_TYPE;
    }
    entry.is_deleted = srl_reply_is_null(reply, places[1]) ? 1 : 0;
    entry.fields.count /= 2;
    *out = entry;
    return SRL_OK;
}

int srl__stream_list_step(srl_stream_list *list, srl__stream_kind kind, uint32_t *at)
{
    if (list == NULL) {
        return SRL_ERR_INVALID;
    }
    if (list->kind == SRL__STREAM_BROKEN) {
        return SRL_ERR_TYPE;
    }
    if (list->kind != (uint32_t)kind) {
        return list->kind == SRL__STREAM_OF_NOTHING ? 0 : SRL_ERR_INVALID;
    }
    return list->walk.reply != NULL ? srl_reply_walk_next(&list->walk, at) : 0;
}

int srl__stream_list_result(srl_stream_list *list, int error)
{
    if (error == 0) {
        return 1;
    }
    list->kind = SRL__STREAM_BROKEN;
    return SRL_ERR_TYPE;
}

int srl_stream_decode_id(const srl_reply *reply, uint32_t at, srl_stream_id *out)
{
    int error = srl__stream_decode_check(reply, at, out);
    if (error != 0) {
        return error;
    }
    return srl_reply_is_null(reply, at) ? SRL_ERR_NOT_FOUND : srl__stream_decode_id_at(reply, at, out);
}

int srl_stream_decode_count(const srl_reply *reply, uint32_t at, uint64_t *out)
{
    int error = srl__stream_decode_check(reply, at, out);
    if (error != 0) {
        return error;
    }
    return srl_reply_type(reply, at) == SRL_REPLY_INTEGER ? srl__stream_decode_u64_at(reply, at, out) : SRL_ERR_TYPE;
}

int srl_stream_decode_ok(const srl_reply *reply, uint32_t at)
{
    int error = srl__stream_decode_check(reply, at, reply);
    if (error != 0) {
        return error;
    }
    return srl_reply_equals(reply, at, "OK", 2) ? SRL_OK : SRL_ERR_TYPE;
}

int srl_stream_decode_entries(const srl_reply *reply, uint32_t at, srl_stream_list *entries)
{
    int error = srl__stream_decode_check(reply, at, entries);
    return error != 0 ? error : srl__stream_decode_list(reply, at, SRL__STREAM_OF_ENTRIES, entries);
}

int srl_stream_decode_ids(const srl_reply *reply, uint32_t at, srl_stream_list *ids)
{
    int error = srl__stream_decode_check(reply, at, ids);
    return error != 0 ? error : srl__stream_decode_array(reply, at, SRL__STREAM_OF_IDS, ids);
}

int srl_stream_next_id(srl_stream_list *ids, srl_stream_id *out)
{
    uint32_t at = 0;
    int step = srl__stream_list_step(ids, SRL__STREAM_OF_IDS, &at);
    if (step == 1) {
        step = srl__stream_list_result(ids, srl__stream_decode_id_at(ids->walk.reply, at, out));
    }
    return step;
}

int srl_stream_next_entry(srl_stream_list *entries, srl_stream_entry *out)
{
    uint32_t at = 0;
    int step = 0;
    do {
        step = srl__stream_list_step(entries, SRL__STREAM_OF_ENTRIES, &at);
    } while (step == 1 && srl_reply_is_null(entries->walk.reply, at));
    if (step == 1) {
        step = srl__stream_list_result(entries, srl__stream_decode_entry_at(entries->walk.reply, at, out));
    }
    return step;
}

int srl_stream_next_field(srl_stream_list *fields, srl_stream_field *out)
{
    uint32_t name = 0;
    int step = srl__stream_list_step(fields, SRL__STREAM_OF_FIELDS, &name);
    if (step != 1) {
        return step;
    }
    const srl_reply *reply = fields->walk.reply;
    uint32_t value = SRL_REPLY_NONE;
    srl_stream_field field;
    (void)srl_reply_walk_next(&fields->walk, &value);
    int error = srl__stream_decode_text_at(reply, name, &field.name, &field.name_len);
    if (error == 0) {
        error = srl__stream_decode_text_at(reply, value, &field.value, &field.value_len);
    }
    if (error == 0) {
        *out = field;
    }
    return srl__stream_list_result(fields, error);
}

int srl_stream_entry_get(const srl_stream_entry *entry, const char *name, size_t name_len, const char **value,
                         size_t *value_len)
{
    if (entry == NULL || value == NULL || value_len == NULL || (name == NULL && name_len != 0)) {
        return SRL_ERR_INVALID;
    }
    srl_stream_list fields = entry->fields;
    srl_stream_field field;
    int step = 0;
    while ((step = srl_stream_next_field(&fields, &field)) == 1) {
        if (field.name_len == name_len && (name_len == 0 || memcmp(field.name, name, name_len) == 0)) {
            *value = field.value;
            *value_len = field.value_len;
            return SRL_OK;
        }
    }
    return step == 0 ? SRL_ERR_NOT_FOUND : step;
}

int srl_stream_decode_read(const srl_reply *reply, uint32_t at, srl_stream_list *parts)
{
    int error = srl__stream_decode_check(reply, at, parts);
    if (error != 0 || srl_reply_type(reply, at) != SRL_REPLY_MAP) {
        return error != 0 ? error : srl__stream_decode_list(reply, at, SRL__STREAM_OF_PARTS, parts);
    }
    *parts = (srl_stream_list){.count = srl_reply_count(reply, at) / 2, .kind = SRL__STREAM_OF_PARTS_MAP};
    srl_reply_walk_init(&parts->walk, reply, at);
    return SRL_OK;
}

int srl_stream_next_part(srl_stream_list *parts, srl_stream_part *out)
{
    bool is_map = parts != NULL && parts->kind == SRL__STREAM_OF_PARTS_MAP;
    uint32_t places[2] = {SRL_REPLY_NONE, SRL_REPLY_NONE};
    int step = srl__stream_list_step(parts, is_map ? SRL__STREAM_OF_PARTS_MAP : SRL__STREAM_OF_PARTS, &places[0]);
    if (step != 1) {
        return step;
    }
    const srl_reply *reply = parts->walk.reply;
    int error = 0;
    if (is_map) {
        (void)srl_reply_walk_next(&parts->walk, &places[1]);
    } else {
        error = srl__stream_decode_tuple(reply, places[0], 2, places);
    }
    srl_stream_part part;
    if (error == 0) {
        error = srl__stream_decode_text_at(reply, places[0], &part.key, &part.key_len);
    }
    if (error == 0) {
        error = srl__stream_decode_array(reply, places[1], SRL__STREAM_OF_ENTRIES, &part.entries);
    }
    if (error == 0) {
        *out = part;
    }
    return srl__stream_list_result(parts, error);
}
