#include "protocol/native.h"

#include <stdio.h>

#include <streamrelay/codes.h>

/* The largest whole number that every JSON implementation keeps exactly. */
#define MAX_ID ((UINT64_C(1) << 53) - 1)

enum {
    F_ID,
    F_TYPE,
    F_CHANNEL,
    F_DATA,
    F_TOKEN,
    F_INNER_DATA,
    F_RECOVER,
    F_OFFSET,
    F_EPOCH,
    F_LIMIT,
    F_SINCE,
    F_REVERSE,
    F_PONG,
    F_METHOD,
    F_KEY,
    F_COUNT
};

#define OR_NULL(types) ((types) | SRL__JSON_NULL)

static const srl__json_field data_fields[] = {
    SRL__JSON_FIELD("data", SRL__JSON_ANY, F_INNER_DATA, NULL),
    SRL__JSON_FIELD("token", OR_NULL(SRL__JSON_STRING), F_TOKEN, NULL),
    SRL__JSON_FIELD("recover", OR_NULL(SRL__JSON_BOOL), F_RECOVER, NULL),
    SRL__JSON_FIELD("offset", OR_NULL(SRL__JSON_NUMBER), F_OFFSET, NULL),
    SRL__JSON_FIELD("epoch", OR_NULL(SRL__JSON_STRING), F_EPOCH, NULL),
    SRL__JSON_FIELD("limit", OR_NULL(SRL__JSON_NUMBER), F_LIMIT, NULL),
    SRL__JSON_FIELD("since", OR_NULL(SRL__JSON_NUMBER), F_SINCE, NULL),
    SRL__JSON_FIELD("reverse", OR_NULL(SRL__JSON_BOOL), F_REVERSE, NULL),
    SRL__JSON_FIELD("pong", OR_NULL(SRL__JSON_BOOL), F_PONG, NULL),
    SRL__JSON_FIELD("method", OR_NULL(SRL__JSON_STRING), F_METHOD, NULL),
    SRL__JSON_FIELD("key", OR_NULL(SRL__JSON_STRING), F_KEY, NULL),
};
static const srl__json_spec data_spec = SRL__JSON_SPEC(data_fields, 0);

static const srl__json_field command_fields[] = {
    SRL__JSON_FIELD("id", SRL__JSON_NUMBER, F_ID, NULL),
    SRL__JSON_FIELD("type", SRL__JSON_STRING, F_TYPE, NULL),
    SRL__JSON_FIELD("channel", OR_NULL(SRL__JSON_STRING), F_CHANNEL, NULL),
    SRL__JSON_FIELD("data", OR_NULL(SRL__JSON_OBJECT), F_DATA, &data_spec),
};
static const srl__json_spec command_spec = SRL__JSON_SPEC(command_fields, F_COUNT);

static const struct {
    srl__command_type type;
    const char *name;
    uint8_t len;
} type_names[] = {
#define TYPE_NAME(type, text)                                                                                          \
    {                                                                                                                  \
        type, text, sizeof(text) - 1                                                                                   \
    }
    TYPE_NAME(SRL__COMMAND_PUBLISH, "publish"), TYPE_NAME(SRL__COMMAND_SUBSCRIBE, "subscribe"),
    TYPE_NAME(SRL__COMMAND_PONG, "pong"),       TYPE_NAME(SRL__COMMAND_UNSUBSCRIBE, "unsubscribe"),
    TYPE_NAME(SRL__COMMAND_CONNECT, "connect"), TYPE_NAME(SRL__COMMAND_PRESENCE, "presence"),
    TYPE_NAME(SRL__COMMAND_HISTORY, "history"), TYPE_NAME(SRL__COMMAND_PRESENCE_STATS, "presence_stats"),
    TYPE_NAME(SRL__COMMAND_PING, "ping"),       TYPE_NAME(SRL__COMMAND_ACK, "ack"),
    TYPE_NAME(SRL__COMMAND_UNREAD, "unread"),   TYPE_NAME(SRL__COMMAND_RPC, "rpc"),
#undef TYPE_NAME
};

enum { TYPE_COUNT = sizeof(type_names) / sizeof(type_names[0]) };

srl__slice srl__native_type_name(srl__command_type type)
{
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (type_names[i].type == type) {
            return srl__slice_of(type_names[i].name, type_names[i].len);
        }
    }
    return SRL__LIT("");
}

static srl__command_type type_of(const srl__json_value *value)
{
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (srl__json_string_is(value, srl__slice_of(type_names[i].name, type_names[i].len))) {
            return type_names[i].type;
        }
    }
    return SRL__COMMAND_NONE;
}

static bool fail(srl__decode_error *error, uint32_t code, const char *text)
{
    error->code = code;
    (void)snprintf(error->text, sizeof(error->text), "%s", text);
    return false;
}

static bool given(const srl__json_value *value)
{
    return value->type != SRL__JSON_NONE && value->type != SRL__JSON_NULL;
}

/* The meaning of a string; unescaped behind what is in scratch, where room was reserved before. */
static srl__slice text_of(const srl__json_value *value, srl__buf *scratch)
{
    srl__slice text;

    if (value->type != SRL__JSON_STRING) {
        return srl__slice_of("", 0);
    }
    if ((value->flags & SRL__JSON_ESCAPES) == 0) {
        return value->raw;
    }
    text = srl__json_to_string(value, scratch->data + scratch->len);
    scratch->len += text.len;
    return text;
}

static bool take_number(const srl__json_value *value, uint64_t max, const char *name, uint64_t *out,
                        srl__decode_error *error)
{
    if (!given(value)) {
        return true;
    }
    if (srl__json_to_u64(value, out) && *out <= max) {
        return true;
    }
    error->code = SRL_REPLY_BAD_REQUEST;
    (void)snprintf(error->text, sizeof(error->text), "data.%s: expected a whole number from 0 to %llu", name,
                   (unsigned long long)max);
    return false;
}

static bool take_bool(const srl__json_value *value)
{
    bool yes = false;

    return given(value) && srl__json_to_bool(value, &yes) && yes;
}

static bool take_positions(const srl__json_value *v, srl__command *out, srl__decode_error *error)
{
    uint64_t limit = 0;
    const srl__json_value *offset = out->type == SRL__COMMAND_HISTORY ? &v[F_SINCE] : &v[F_OFFSET];
    const char *offset_name = out->type == SRL__COMMAND_HISTORY ? "since" : "offset";

    if (!take_number(offset, MAX_ID, offset_name, &out->offset, error) ||
        !take_number(&v[F_LIMIT], UINT32_MAX, "limit", &limit, error)) {
        return false;
    }
    out->has_offset = given(offset);
    out->has_limit = given(&v[F_LIMIT]);
    out->limit = (uint32_t)limit;
    return true;
}

static void take_payload(const srl__json_value *v, srl__command *out)
{
    const srl__json_value *data = &v[F_INNER_DATA];

    if (data->type == SRL__JSON_NONE) {
        return;
    }
    out->data = data->raw;
    if (data->type == SRL__JSON_STRING) { /* with its quotes */
        out->data = srl__slice_of(data->raw.data - 1, data->raw.len + 2);
    }
}

static bool any_escapes(const srl__json_value *v)
{
    return ((v[F_CHANNEL].flags | v[F_TOKEN].flags | v[F_EPOCH].flags | v[F_METHOD].flags | v[F_KEY].flags) &
            SRL__JSON_ESCAPES) != 0;
}

static bool take_head(const srl__json_value *v, srl__command *out, srl__decode_error *error)
{
    if (v[F_ID].type == SRL__JSON_NUMBER &&
        (!srl__json_to_u64(&v[F_ID], &out->id) || out->id == 0 || out->id > MAX_ID)) {
        out->id = 0;
        return fail(error, SRL_REPLY_BAD_REQUEST, "id: expected a whole number from 1 to 9007199254740991");
    }
    if (v[F_TYPE].type != SRL__JSON_STRING) {
        return fail(error, SRL_REPLY_BAD_REQUEST, "type: expected a string");
    }
    out->type = type_of(&v[F_TYPE]);
    if (out->type == SRL__COMMAND_NONE) {
        return fail(error, SRL_REPLY_METHOD_NOT_FOUND, "type: no command of that name");
    }
    return true;
}

bool srl__native_decode(srl__slice line, const srl__json_limits *limits, srl__buf *scratch, srl__command *out,
                        srl__decode_error *error)
{
    srl__json_value v[F_COUNT];
    srl__json_error json;
    srl__decode_error head_error;
    bool readable = srl__json_read(line, &command_spec, limits, v, &json);
    bool head = false;

    memset(out, 0, sizeof(*out));
    srl__buf_reset(scratch);
    head = take_head(v, out, &head_error);
    if (any_escapes(v) && srl__buf_reserve(scratch, line.len) != 0) {
        return fail(error, SRL_REPLY_INTERNAL, "out of memory");
    }
    out->channel = text_of(&v[F_CHANNEL], scratch);
    if (!readable) {
        error->code = SRL_REPLY_BAD_REQUEST;
        (void)srl__json_error_text(&json, error->text, sizeof(error->text));
        return false;
    }
    if (!head) {
        *error = head_error;
        return false;
    }
    out->token = text_of(&v[F_TOKEN], scratch);
    out->epoch = text_of(&v[F_EPOCH], scratch);
    out->method = text_of(&v[F_METHOD], scratch);
    out->key = text_of(&v[F_KEY], scratch);
    out->recover = take_bool(&v[F_RECOVER]);
    out->reverse = take_bool(&v[F_REVERSE]);
    out->answers_pings = take_bool(&v[F_PONG]);
    take_payload(v, out);
    return take_positions(v, out, error);
}
