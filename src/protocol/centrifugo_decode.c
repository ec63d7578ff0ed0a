#include "protocol/centrifugo.h"

#include <streamrelay/codes.h>

/* Bits of the member "flag" of subscribe. */
enum { FLAG_NUMERIC_ID = 1, FLAG_REFUSES_LOSS = 2 };

/* Every method has an object of its own, and every member in it a slot of its own. */
enum {
    F_ID,
    F_CONNECT,
    F_CONNECT_TOKEN,
    F_CONNECT_DATA,
    F_CONNECT_SUBS,
    F_CONNECT_NAME,
    F_CONNECT_VERSION,
    F_CONNECT_HEADERS,
    F_SUBSCRIBE,
    F_SUBSCRIBE_CHANNEL,
    F_SUBSCRIBE_TOKEN,
    F_SUBSCRIBE_RECOVER,
    F_SUBSCRIBE_OFFSET,
    F_SUBSCRIBE_EPOCH,
    F_SUBSCRIBE_DATA,
    F_SUBSCRIBE_POSITIONED,
    F_SUBSCRIBE_RECOVERABLE,
    F_SUBSCRIBE_JOIN_LEAVE,
    F_SUBSCRIBE_DELTA,
    F_SUBSCRIBE_FILTER,
    F_SUBSCRIBE_FLAG,
    F_SUBSCRIBE_TYPE,
    F_UNSUBSCRIBE,
    F_UNSUBSCRIBE_CHANNEL,
    F_PUBLISH,
    F_PUBLISH_CHANNEL,
    F_PUBLISH_DATA,
    F_PUBLISH_TYPE,
    F_PRESENCE,
    F_PRESENCE_CHANNEL,
    F_STATS,
    F_STATS_CHANNEL,
    F_HISTORY,
    F_HISTORY_CHANNEL,
    F_HISTORY_LIMIT,
    F_HISTORY_SINCE,
    F_HISTORY_REVERSE,
    F_HISTORY_OFFSET,
    F_HISTORY_EPOCH,
    F_SEND,
    F_SEND_DATA,
    F_RPC,
    F_RPC_DATA,
    F_RPC_METHOD,
    F_REFRESH,
    F_REFRESH_TOKEN,
    F_SUB_REFRESH,
    F_SUB_REFRESH_CHANNEL,
    F_SUB_REFRESH_TOKEN,
    F_SUB_REFRESH_TYPE,
    F_COUNT
};

#define OR_NULL(types)           ((types) | SRL__JSON_NULL)
#define TEXT(name, slot)         SRL__JSON_FIELD(name, OR_NULL(SRL__JSON_STRING), slot, NULL)
#define NUMBER(name, slot)       SRL__JSON_FIELD(name, OR_NULL(SRL__JSON_NUMBER), slot, NULL)
#define FLAG(name, slot)         SRL__JSON_FIELD(name, OR_NULL(SRL__JSON_BOOL), slot, NULL)
#define OBJECT(name, slot, spec) SRL__JSON_FIELD(name, OR_NULL(SRL__JSON_OBJECT), slot, spec)
#define ANY(name, slot)          SRL__JSON_FIELD(name, SRL__JSON_ANY, slot, NULL)
#define SPEC(name)               static const srl__json_spec name##_spec = SRL__JSON_SPEC(name##_fields, 0)

static const srl__json_field connect_fields[] = {
    TEXT("token", F_CONNECT_TOKEN), ANY("data", F_CONNECT_DATA),        OBJECT("subs", F_CONNECT_SUBS, NULL),
    TEXT("name", F_CONNECT_NAME),   TEXT("version", F_CONNECT_VERSION), OBJECT("headers", F_CONNECT_HEADERS, NULL),
};
SPEC(connect);

static const srl__json_field subscribe_fields[] = {
    TEXT("channel", F_SUBSCRIBE_CHANNEL),       TEXT("token", F_SUBSCRIBE_TOKEN),
    FLAG("recover", F_SUBSCRIBE_RECOVER),       TEXT("epoch", F_SUBSCRIBE_EPOCH),
    NUMBER("offset", F_SUBSCRIBE_OFFSET),       ANY("data", F_SUBSCRIBE_DATA),
    FLAG("positioned", F_SUBSCRIBE_POSITIONED), FLAG("recoverable", F_SUBSCRIBE_RECOVERABLE),
    FLAG("join_leave", F_SUBSCRIBE_JOIN_LEAVE), TEXT("delta", F_SUBSCRIBE_DELTA),
    OBJECT("tf", F_SUBSCRIBE_FILTER, NULL),     NUMBER("flag", F_SUBSCRIBE_FLAG),
    NUMBER("type", F_SUBSCRIBE_TYPE),
};
SPEC(subscribe);

static const srl__json_field unsubscribe_fields[] = {
    TEXT("channel", F_UNSUBSCRIBE_CHANNEL),
};
SPEC(unsubscribe);

static const srl__json_field publish_fields[] = {
    TEXT("channel", F_PUBLISH_CHANNEL),
    ANY("data", F_PUBLISH_DATA),
    NUMBER("type", F_PUBLISH_TYPE),
};
SPEC(publish);

static const srl__json_field presence_fields[] = {
    TEXT("channel", F_PRESENCE_CHANNEL),
};
SPEC(presence);

static const srl__json_field stats_fields[] = {
    TEXT("channel", F_STATS_CHANNEL),
};
SPEC(stats);

static const srl__json_field since_fields[] = {
    NUMBER("offset", F_HISTORY_OFFSET),
    TEXT("epoch", F_HISTORY_EPOCH),
};
SPEC(since);

static const srl__json_field history_fields[] = {
    TEXT("channel", F_HISTORY_CHANNEL),
    NUMBER("limit", F_HISTORY_LIMIT),
    OBJECT("since", F_HISTORY_SINCE, &since_spec),
    FLAG("reverse", F_HISTORY_REVERSE),
};
SPEC(history);

static const srl__json_field send_fields[] = {
    ANY("data", F_SEND_DATA),
};
SPEC(send);

static const srl__json_field rpc_fields[] = {
    ANY("data", F_RPC_DATA),
    TEXT("method", F_RPC_METHOD),
};
SPEC(rpc);

static const srl__json_field refresh_fields[] = {
    TEXT("token", F_REFRESH_TOKEN),
};
SPEC(refresh);

static const srl__json_field sub_refresh_fields[] = {
    TEXT("channel", F_SUB_REFRESH_CHANNEL),
    TEXT("token", F_SUB_REFRESH_TOKEN),
    NUMBER("type", F_SUB_REFRESH_TYPE),
};
SPEC(sub_refresh);

static const srl__json_field command_fields[] = {
    SRL__JSON_FIELD("id", OR_NULL(SRL__JSON_NUMBER), F_ID, NULL),
    OBJECT("publish", F_PUBLISH, &publish_spec),
    OBJECT("subscribe", F_SUBSCRIBE, &subscribe_spec),
    OBJECT("connect", F_CONNECT, &connect_spec),
    OBJECT("unsubscribe", F_UNSUBSCRIBE, &unsubscribe_spec),
    OBJECT("presence", F_PRESENCE, &presence_spec),
    OBJECT("presence_stats", F_STATS, &stats_spec),
    OBJECT("history", F_HISTORY, &history_spec),
    OBJECT("send", F_SEND, &send_spec),
    OBJECT("rpc", F_RPC, &rpc_spec),
    OBJECT("refresh", F_REFRESH, &refresh_spec),
    OBJECT("sub_refresh", F_SUB_REFRESH, &sub_refresh_spec),
};
static const srl__json_spec command_spec = SRL__JSON_SPEC(command_fields, F_COUNT);

/* Of several methods in one command the first of these counts. */
static const struct {
    srl__command_type type;
    uint8_t slot;
    uint8_t len;
    const char *name;
} methods[] = {
#define METHOD(type, slot, name)                                                                                       \
    {                                                                                                                  \
        type, slot, sizeof(name) - 1, name                                                                             \
    }
    METHOD(SRL__COMMAND_CONNECT, F_CONNECT, "connect"),
    METHOD(SRL__COMMAND_SUBSCRIBE, F_SUBSCRIBE, "subscribe"),
    METHOD(SRL__COMMAND_UNSUBSCRIBE, F_UNSUBSCRIBE, "unsubscribe"),
    METHOD(SRL__COMMAND_PUBLISH, F_PUBLISH, "publish"),
    METHOD(SRL__COMMAND_PRESENCE, F_PRESENCE, "presence"),
    METHOD(SRL__COMMAND_PRESENCE_STATS, F_STATS, "presence_stats"),
    METHOD(SRL__COMMAND_HISTORY, F_HISTORY, "history"),
    METHOD(SRL__COMMAND_SEND, F_SEND, "send"),
    METHOD(SRL__COMMAND_RPC, F_RPC, "rpc"),
    METHOD(SRL__COMMAND_REFRESH, F_REFRESH, "refresh"),
    METHOD(SRL__COMMAND_SUB_REFRESH, F_SUB_REFRESH, "sub_refresh"),
#undef METHOD
};

enum { METHOD_COUNT = sizeof(methods) / sizeof(methods[0]) };

srl__slice srl__centrifugo_method_name(srl__command_type type)
{
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        if (methods[i].type == type) {
            return srl__slice_of(methods[i].name, methods[i].len);
        }
    }
    return SRL__LIT("");
}

/* What is being read: the values found, and where unescaped strings go. */
typedef struct reading {
    srl__json_value v[F_COUNT];
    srl__buf *scratch;
    bool good;
} reading;

static bool given(const srl__json_value *value)
{
    return value->type != SRL__JSON_NONE && value->type != SRL__JSON_NULL;
}

static srl__slice text_at(reading *r, int slot)
{
    const srl__json_value *value = &r->v[slot];
    srl__slice text;

    if (value->type != SRL__JSON_STRING) {
        return srl__slice_of("", 0);
    }
    if ((value->flags & SRL__JSON_ESCAPES) == 0) {
        return value->raw;
    }
    text = srl__json_to_string(value, r->scratch->data + r->scratch->len);
    r->scratch->len += text.len;
    return text;
}

/* Any JSON, as it stands in the line; newlines between its tokens can only be carriage returns, and become spaces. */
static srl__slice json_at(reading *r, int slot)
{
    const srl__json_value *value = &r->v[slot];
    srl__slice json = value->raw;
    char *copy = NULL;

    if (value->type == SRL__JSON_NONE) {
        return srl__slice_of("", 0);
    }
    if (value->type == SRL__JSON_STRING) { /* with its quotes */
        return srl__slice_of(json.data - 1, json.len + 2);
    }
    if ((value->flags & SRL__JSON_NEWLINES) == 0) {
        return json;
    }
    copy = r->scratch->data + r->scratch->len;
    memcpy(copy, json.data, json.len);
    srl__json_flatten(copy, json.len);
    r->scratch->len += json.len;
    return srl__slice_of(copy, json.len);
}

static srl__slice object_at(reading *r, int slot)
{
    return given(&r->v[slot]) ? json_at(r, slot) : srl__slice_of("", 0);
}

static bool flag_at(const reading *r, int slot)
{
    bool yes = false;

    return given(&r->v[slot]) && srl__json_to_bool(&r->v[slot], &yes) && yes;
}

static uint64_t number_at(reading *r, int slot, uint64_t max)
{
    uint64_t number = 0;

    if (given(&r->v[slot]) && (!srl__json_to_u64(&r->v[slot], &number) || number > max)) {
        r->good = false;
    }
    return number;
}

/* -1 stands for no limit, what is below for nothing. */
static uint32_t limit_at(reading *r, int slot)
{
    srl__json_value value = r->v[slot];

    if (given(&value) && value.raw.data[0] == '-') {
        srl__json_value digits = value;
        uint64_t number = 0;

        digits.raw = srl__slice_of(value.raw.data + 1, value.raw.len - 1);
        r->good = r->good && srl__json_to_u64(&digits, &number) && number <= INT32_MAX;
        return number == 1 ? UINT32_MAX : 0;
    }
    return (uint32_t)number_at(r, slot, INT32_MAX);
}

static void take_connect(reading *r, srl__command *out)
{
    out->token = text_at(r, F_CONNECT_TOKEN);
    out->data = json_at(r, F_CONNECT_DATA);
    out->held = object_at(r, F_CONNECT_SUBS);
    out->name = text_at(r, F_CONNECT_NAME);
    out->version = text_at(r, F_CONNECT_VERSION);
    out->headers = object_at(r, F_CONNECT_HEADERS);
    out->answers_pings = true;
}

static void take_subscribe(reading *r, srl__command *out)
{
    uint64_t flags = number_at(r, F_SUBSCRIBE_FLAG, INT64_MAX);
    srl__slice delta = text_at(r, F_SUBSCRIBE_DELTA);

    out->channel = text_at(r, F_SUBSCRIBE_CHANNEL);
    out->token = text_at(r, F_SUBSCRIBE_TOKEN);
    out->data = json_at(r, F_SUBSCRIBE_DATA);
    out->recover = flag_at(r, F_SUBSCRIBE_RECOVER);
    out->has_offset = out->recover;
    out->offset = number_at(r, F_SUBSCRIBE_OFFSET, UINT64_MAX);
    out->epoch = text_at(r, F_SUBSCRIBE_EPOCH);
    out->positioned = flag_at(r, F_SUBSCRIBE_POSITIONED);
    out->recoverable = flag_at(r, F_SUBSCRIBE_RECOVERABLE);
    out->join_leave = flag_at(r, F_SUBSCRIBE_JOIN_LEAVE);
    out->filter = object_at(r, F_SUBSCRIBE_FILTER);
    out->numeric_id = (flags & FLAG_NUMERIC_ID) != 0;
    out->refuses_loss = (flags & FLAG_REFUSES_LOSS) != 0;
    out->unknown_kind = number_at(r, F_SUBSCRIBE_TYPE, INT32_MAX) != 0;
    out->delta = srl__slice_equal(delta, SRL__LIT("fossil"));
    r->good = r->good && (out->delta || delta.len == 0);
}

static void take_history(reading *r, srl__command *out)
{
    out->channel = text_at(r, F_HISTORY_CHANNEL);
    out->has_limit = true;
    out->limit = limit_at(r, F_HISTORY_LIMIT);
    out->has_offset = given(&r->v[F_HISTORY_SINCE]);
    out->offset = number_at(r, F_HISTORY_OFFSET, UINT64_MAX);
    out->epoch = text_at(r, F_HISTORY_EPOCH);
    out->reverse = flag_at(r, F_HISTORY_REVERSE);
}

static void take_params(reading *r, srl__command *out)
{
    switch (out->type) {
    case SRL__COMMAND_CONNECT:
        take_connect(r, out);
        break;
    case SRL__COMMAND_SUBSCRIBE:
        take_subscribe(r, out);
        break;
    case SRL__COMMAND_UNSUBSCRIBE:
        out->channel = text_at(r, F_UNSUBSCRIBE_CHANNEL);
        break;
    case SRL__COMMAND_PUBLISH:
        out->channel = text_at(r, F_PUBLISH_CHANNEL);
        out->data = json_at(r, F_PUBLISH_DATA);
        out->unknown_kind = number_at(r, F_PUBLISH_TYPE, INT32_MAX) != 0;
        break;
    case SRL__COMMAND_PRESENCE:
        out->channel = text_at(r, F_PRESENCE_CHANNEL);
        break;
    case SRL__COMMAND_PRESENCE_STATS:
        out->channel = text_at(r, F_STATS_CHANNEL);
        break;
    case SRL__COMMAND_HISTORY:
        take_history(r, out);
        break;
    case SRL__COMMAND_SEND:
        out->data = json_at(r, F_SEND_DATA);
        break;
    case SRL__COMMAND_RPC:
        out->data = json_at(r, F_RPC_DATA);
        out->method = text_at(r, F_RPC_METHOD);
        break;
    case SRL__COMMAND_REFRESH:
        out->token = text_at(r, F_REFRESH_TOKEN);
        break;
    default:
        out->channel = text_at(r, F_SUB_REFRESH_CHANNEL);
        out->token = text_at(r, F_SUB_REFRESH_TOKEN);
        out->unknown_kind = number_at(r, F_SUB_REFRESH_TYPE, INT32_MAX) != 0;
        break;
    }
}

/* The first method that is there; none at all, with no id, answers a ping. */
static bool take_method(reading *r, srl__command *out)
{
    out->id = number_at(r, F_ID, UINT32_MAX);
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        if (given(&r->v[methods[i].slot])) {
            out->type = methods[i].type;
            return true;
        }
    }
    out->type = SRL__COMMAND_PONG;
    return false;
}

/* Nothing malformed is answered: the id goes, and with it the session. */
static bool refuse(srl__command *out, srl__decode_error *error, uint32_t code)
{
    memset(out, 0, sizeof(*out));
    error->code = code;
    error->text[0] = '\0';
    return false;
}

/* Unescaped strings and flattened JSON are parts of the line that do not overlap, so its length is enough for both. */
static bool begin(reading *r, srl__buf *scratch, srl__slice line, srl__command *out, srl__decode_error *error)
{
    memset(out, 0, sizeof(*out));
    srl__buf_reset(scratch);
    r->scratch = scratch;
    r->good = true;
    return srl__buf_reserve(scratch, line.len) == 0 || refuse(out, error, SRL_REPLY_INTERNAL);
}

bool srl__centrifugo_decode(srl__slice line, const srl__json_limits *limits, srl__buf *scratch, srl__command *out,
                            srl__decode_error *error)
{
    reading r;
    srl__json_error problem;

    if (!begin(&r, scratch, line, out, error)) {
        return false;
    }
    if (!srl__json_read(line, &command_spec, limits, r.v, &problem)) {
        return refuse(out, error, SRL_REPLY_BAD_REQUEST);
    }
    if (take_method(&r, out)) {
        take_params(&r, out);
    } else {
        r.good = r.good && out->id == 0;
    }
    if (out->type == SRL__COMMAND_SEND) {
        out->id = 0;
    }
    return r.good || refuse(out, error, SRL_REPLY_BAD_REQUEST);
}

static const srl__json_spec params_spec = SRL__JSON_SPEC(connect_fields, F_COUNT);

bool srl__centrifugo_decode_connect(srl__slice params, const srl__json_limits *limits, srl__buf *scratch,
                                    srl__command *out, srl__decode_error *error)
{
    reading r;
    srl__json_error problem;

    if (params.len == 0) {
        params = SRL__LIT("{}");
    }
    if (!begin(&r, scratch, params, out, error)) {
        return false;
    }
    if (!srl__json_read(params, &params_spec, limits, r.v, &problem)) {
        return refuse(out, error, SRL_REPLY_BAD_REQUEST);
    }
    out->type = SRL__COMMAND_CONNECT;
    take_connect(&r, out);
    out->answers_pings = false;
    return true;
}

enum { H_RECOVER, H_OFFSET, H_EPOCH, H_COUNT };

static const srl__json_field held_fields[] = {
    FLAG("recover", H_RECOVER),
    NUMBER("offset", H_OFFSET),
    TEXT("epoch", H_EPOCH),
};
static const srl__json_spec held_spec = SRL__JSON_SPEC(held_fields, H_COUNT);

/* An epoch is never escaped: one that is cannot be ours. */
static bool read_held(srl__slice object, srl__held *out)
{
    srl__json_value v[H_COUNT];
    srl__json_error problem;

    memset(out, 0, sizeof(*out));
    if (!srl__json_read(object, &held_spec, &srl__json_limits_default, v, &problem)) {
        return false;
    }
    (void)srl__json_to_u64(&v[H_OFFSET], &out->offset);
    (void)srl__json_to_bool(&v[H_RECOVER], &out->recover);
    out->epoch = v[H_EPOCH].type == SRL__JSON_STRING ? v[H_EPOCH].raw : srl__slice_of("", 0);
    return true;
}

bool srl__centrifugo_find_held(srl__slice held, srl__slice channel, srl__held *out)
{
    srl__json_value object = {.raw = held, .type = SRL__JSON_OBJECT};
    srl__json_value name;
    srl__json_value value;
    srl__json_walk walk;

    if (held.len == 0) {
        return false;
    }
    srl__json_walk_init(&walk, &object);
    while (srl__json_walk_next(&walk, &name, &value)) {
        if (srl__json_string_is(&name, channel)) {
            return value.type == SRL__JSON_OBJECT && read_held(value.raw, out);
        }
    }
    return false;
}

int srl__centrifugo_read_filter(const srl_allocator *alloc, srl__slice filter, srl__tags_filter **out)
{
    srl__json_value json = {.raw = filter, .type = SRL__JSON_OBJECT};

    return srl__tags_filter_create(out, alloc, &json, &srl__tags_filter_limits_default, NULL);
}
