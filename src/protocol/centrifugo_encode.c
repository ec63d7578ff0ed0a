#include "protocol/centrifugo.h"

#include <streamrelay/codes.h>
#include <streamrelay/version.h>

#define PUT srl__buf_append_slice
#define LIT SRL__LIT

static srl__slice text(const char *data, size_t len)
{
    return srl__slice_of(data, len);
}

/* A comma, unless an object or list has just been opened. */
static void put_comma(srl__buf *out)
{
    if (out->len > 0 && out->data[out->len - 1] != '{' && out->data[out->len - 1] != '[') {
        srl__buf_append_char(out, ',');
    }
}

static void put_name(srl__buf *out, srl__slice name_and_colon)
{
    put_comma(out);
    PUT(out, name_and_colon);
}

/* The name of a member as it stands on the wire. */
#define NAME(name) LIT("\"" name "\":")

static void put_u64(srl__buf *out, srl__slice name, uint64_t n)
{
    put_name(out, name);
    srl__buf_append_u64(out, n);
}

static void put_u64_unless_zero(srl__buf *out, srl__slice name, uint64_t n)
{
    if (n > 0) {
        put_u64(out, name, n);
    }
}

static void put_text(srl__buf *out, srl__slice name, srl__slice value)
{
    put_name(out, name);
    srl__json_append_string(out, value);
}

static void put_text_unless_empty(srl__buf *out, srl__slice name, srl__slice value)
{
    if (value.len > 0) {
        put_text(out, name, value);
    }
}

static void put_raw_unless_empty(srl__buf *out, srl__slice name, srl__slice json)
{
    if (json.len > 0) {
        put_name(out, name);
        PUT(out, json);
    }
}

static void put_if(srl__buf *out, srl__slice name, bool yes)
{
    if (yes) {
        put_name(out, name);
        PUT(out, LIT("true"));
    }
}

static void close(srl__buf *out, const char *brackets)
{
    srl__buf_append(out, brackets, strlen(brackets));
}

static uint64_t seconds(uint64_t ms)
{
    return ms / 1000 + (ms % 1000 > 0);
}

/* Clients read 32 bits; who may stay for longer is asked to refresh once a year. */
enum { MAX_TTL_SECONDS = 365 * 24 * 3600 };

static void put_expiry(srl__buf *out, uint64_t ttl_ms)
{
    uint64_t ttl = seconds(ttl_ms);

    if (ttl > 0) {
        put_if(out, NAME("expires"), true);
        put_u64(out, NAME("ttl"), ttl < MAX_TTL_SECONDS ? ttl : MAX_TTL_SECONDS);
    }
}

static void open_reply(srl__buf *out, const srl__reply_to *to)
{
    PUT(out, LIT("{\"id\":"));
    srl__buf_append_u64(out, to->id);
    PUT(out, LIT(",\""));
    PUT(out, srl__centrifugo_method_name(to->type));
    PUT(out, LIT("\":{"));
}

static void reply_error(srl__buf *out, const srl__reply_to *to, uint32_t code, srl__slice message)
{
    PUT(out, LIT("{\"id\":"));
    srl__buf_append_u64(out, to->id);
    PUT(out, LIT(",\"error\":{"));
    put_u64(out, NAME("code"), code);
    put_text(out, NAME("message"), message);
    put_if(out, NAME("temporary"), srl_reply_code_is_temporary(code) != 0);
    close(out, "}}");
}

static void reply_empty(srl__buf *out, const srl__reply_to *to)
{
    open_reply(out, to);
    close(out, "}}");
}

static void put_connected(srl__buf *out, const srl__connect_reply *reply)
{
    put_text(out, NAME("client"), reply->client);
    put_text(out, NAME("version"), LIT(SRL_VERSION));
    put_expiry(out, reply->expires_ms);
    put_raw_unless_empty(out, NAME("data"), reply->data);
    if (reply->subs.len > 0) {
        put_name(out, NAME("subs"));
        PUT(out, LIT("{"));
        PUT(out, reply->subs);
        close(out, "}");
    }
    put_u64_unless_zero(out, NAME("ping"), seconds(reply->ping_ms));
    put_if(out, NAME("pong"), reply->answers_pings);
    put_text_unless_empty(out, NAME("session"), reply->session);
    put_text_unless_empty(out, NAME("node"), reply->node);
}

static void reply_connect(srl__buf *out, const srl__reply_to *to, const srl__connect_reply *reply)
{
    open_reply(out, to);
    put_connected(out, reply);
    close(out, "}}");
}

static void put_subscription(srl__buf *out, const srl__subscribe_reply *reply)
{
    bool has_position = reply->recoverable || reply->positioned;

    put_expiry(out, reply->ttl_ms);
    put_if(out, NAME("recoverable"), reply->recoverable);
    if (has_position) {
        put_text_unless_empty(out, NAME("epoch"), reply->epoch);
    }
    if (reply->publications.len > 0) {
        put_name(out, NAME("publications"));
        PUT(out, LIT("["));
        PUT(out, reply->publications);
        close(out, "]");
    }
    put_if(out, NAME("recovered"), reply->recovered);
    if (has_position) {
        put_u64_unless_zero(out, NAME("offset"), reply->offset);
    }
    put_if(out, NAME("positioned"), reply->positioned);
    put_raw_unless_empty(out, NAME("data"), reply->data);
    put_if(out, NAME("was_recovering"), reply->was_recovering);
    put_if(out, NAME("delta"), reply->delta);
    put_u64_unless_zero(out, NAME("id"), reply->numeric_id);
}

static void reply_subscribe(srl__buf *out, const srl__reply_to *to, const srl__subscribe_reply *reply)
{
    open_reply(out, to);
    put_subscription(out, reply);
    close(out, "}}");
}

/* Nothing of it is for these clients: what they published they get like everybody else. */
static void reply_publish(srl__buf *out, const srl__reply_to *to, uint64_t offset, srl__slice epoch)
{
    (void)offset;
    (void)epoch;
    reply_empty(out, to);
}

static void put_who(srl__buf *out, srl__slice user, srl__slice client, srl__slice info, srl__slice channel_info)
{
    PUT(out, LIT("{"));
    put_text(out, NAME("user"), user);
    put_text(out, NAME("client"), client);
    put_raw_unless_empty(out, NAME("conn_info"), info);
    put_raw_unless_empty(out, NAME("chan_info"), channel_info);
    close(out, "}");
}

static void put_sender(srl__buf *out, const srl_publication *who)
{
    put_name(out, NAME("info"));
    put_who(out, text(who->user, who->user_len), text(who->client, who->client_len), text(who->info, who->info_len),
            text(who->channel_info, who->channel_info_len));
}

static void reply_presence(srl__buf *out, const srl__reply_to *to, const srl_presence *presence)
{
    open_reply(out, to);
    put_name(out, NAME("presence"));
    PUT(out, LIT("{"));
    for (uint32_t i = 0; i < presence->session_count; i++) {
        const srl_presence_session *session = &presence->sessions[i];
        srl__slice client = text(session->client, session->client_len);

        put_comma(out);
        srl__json_append_string(out, client);
        PUT(out, LIT(":"));
        put_who(out, text(session->user, session->user_len), client, text(session->info, session->info_len),
                text(session->channel_info, session->channel_info_len));
    }
    close(out, "}}}");
}

static void reply_presence_stats(srl__buf *out, const srl__reply_to *to, const srl_presence *presence)
{
    open_reply(out, to);
    put_u64(out, NAME("num_clients"), presence->num_sessions);
    put_u64(out, NAME("num_users"), presence->num_users);
    close(out, "}}");
}

static void put_payload(srl__buf *out, const srl__shown *shown)
{
    srl__slice payload = text(shown->publication->data, shown->publication->data_len);

    put_name(out, NAME("data"));
    switch (shown->form) {
    case SRL__FORM_TEXT:
        srl__json_append_string(out, payload);
        break;
    case SRL__FORM_PATCH:
        srl__json_append_string(out, shown->patch);
        break;
    default:
        PUT(out, payload);
        break;
    }
}

static void put_publication(srl__buf *out, const srl__shown *shown)
{
    const srl_publication *publication = shown->publication;

    PUT(out, LIT("{"));
    put_payload(out, shown);
    if (publication->client_len > 0) {
        put_sender(out, publication);
    }
    put_u64_unless_zero(out, NAME("offset"), publication->offset);
    put_raw_unless_empty(out, NAME("tags"), text(publication->tags, publication->tags_len));
    put_if(out, NAME("delta"), shown->form == SRL__FORM_PATCH);
    put_u64_unless_zero(out, NAME("time"), publication->time_ms);
    put_text_unless_empty(out, NAME("epoch"), shown->epoch);
    close(out, "}");
}

static void append_publication(srl__buf *list, const srl__shown *shown)
{
    put_comma(list);
    put_publication(list, shown);
}

static void append_sub(srl__buf *list, srl__slice channel, const srl__subscribe_reply *reply)
{
    put_comma(list);
    srl__json_append_string(list, channel);
    PUT(list, LIT(":{"));
    put_subscription(list, reply);
    close(list, "}");
}

static void reply_history(srl__buf *out, const srl__reply_to *to, const srl_history *history, size_t max_bytes)
{
    size_t start = 0;

    open_reply(out, to);
    put_name(out, NAME("publications"));
    PUT(out, LIT("["));
    start = out->len;
    for (uint32_t i = 0; i < history->count; i++) {
        srl__shown shown = {.publication = &history->publications[i]};

        if (i > 0 && out->len - start + shown.publication->data_len > max_bytes) {
            break;
        }
        append_publication(out, &shown);
    }
    close(out, "]");
    put_text(out, NAME("epoch"), text(history->epoch, history->epoch_len));
    put_u64(out, NAME("offset"), history->offset);
    close(out, "}}");
}

/* A command that only other formats have. */
static void reply_unread(srl__buf *out, const srl__reply_to *to, uint64_t unread, uint64_t offset, srl__slice epoch)
{
    (void)unread;
    (void)offset;
    (void)epoch;
    reply_empty(out, to);
}

static void reply_rpc(srl__buf *out, const srl__reply_to *to, srl__slice data)
{
    open_reply(out, to);
    put_raw_unless_empty(out, NAME("data"), data);
    close(out, "}}");
}

static void reply_refresh(srl__buf *out, const srl__reply_to *to, uint64_t ttl_ms)
{
    open_reply(out, to);
    put_expiry(out, ttl_ms);
    close(out, "}}");
}

static void push_to(srl__buf *out, srl__slice channel, srl__slice kind)
{
    PUT(out, LIT("{\"channel\":"));
    srl__json_append_string(out, channel);
    PUT(out, kind);
}

static void put_shown(srl__buf *out, srl__slice channel, const srl__shown *shown)
{
    if (shown->numeric_id > 0) {
        PUT(out, LIT("{\"id\":"));
        srl__buf_append_u64(out, shown->numeric_id);
        PUT(out, LIT(",\"pub\":"));
    } else {
        push_to(out, channel, LIT(",\"pub\":"));
    }
    put_publication(out, shown);
    close(out, "}");
}

static void put_published(srl__buf *out, srl__slice channel, const srl_publication *publication, srl__slice epoch)
{
    srl__shown shown = {.publication = publication, .epoch = epoch};

    put_shown(out, channel, &shown);
}

static void put_join(srl__buf *out, srl__slice channel, const srl_publication *who)
{
    push_to(out, channel, LIT(",\"join\":{"));
    put_sender(out, who);
    close(out, "}}");
}

static void put_leave(srl__buf *out, srl__slice channel, const srl_publication *who)
{
    push_to(out, channel, LIT(",\"leave\":{"));
    put_sender(out, who);
    close(out, "}}");
}

static void put_subscribed(srl__buf *out, srl__slice channel, const srl__subscribe_reply *state)
{
    push_to(out, channel, LIT(",\"subscribe\":{"));
    put_subscription(out, state);
    close(out, "}}");
}

static void put_unsubscribed(srl__buf *out, srl__slice channel, uint32_t code, srl__slice reason)
{
    push_to(out, channel, LIT(",\"unsubscribe\":{"));
    put_u64(out, NAME("code"), code);
    put_text(out, NAME("reason"), reason);
    close(out, "}}");
}

static void put_disconnected(srl__buf *out, uint32_t code, srl__slice reason, bool reconnect)
{
    PUT(out, LIT("{\"disconnect\":{"));
    put_u64(out, NAME("code"), code);
    put_text(out, NAME("reason"), reason);
    put_if(out, NAME("reconnect"), reconnect);
    close(out, "}}");
}

static void put_message(srl__buf *out, srl__slice data)
{
    PUT(out, LIT("{\"message\":{"));
    put_raw_unless_empty(out, NAME("data"), data);
    close(out, "}}");
}

static void put_refreshed(srl__buf *out, uint64_t ttl_ms)
{
    PUT(out, LIT("{\"refresh\":{"));
    put_expiry(out, ttl_ms);
    close(out, "}}");
}

/* One that cannot send asked for nothing, so that its connect is a push like all else. */
static void bare_connect(srl__buf *out, const srl__reply_to *to, const srl__connect_reply *reply)
{
    (void)to;
    PUT(out, LIT("{\"connect\":{"));
    put_connected(out, reply);
    close(out, "}}");
}

static void push_ping(srl__buf *out)
{
    PUT(out, LIT("{}"));
}

/* A join or leave of a user as a whole is not in this protocol. */
#define ALWAYS       1
#define OF_A_SESSION (who->client_len > 0)

/* Each push in its two forms: within a reply, and bare. */
#define PUSH(name, condition, put, parameters, arguments)                                                              \
    static void framed_##name parameters                                                                               \
    {                                                                                                                  \
        if (condition) {                                                                                               \
            PUT(out, LIT("{\"push\":"));                                                                               \
            put arguments;                                                                                             \
            close(out, "}");                                                                                           \
        }                                                                                                              \
    }                                                                                                                  \
    static void bare_##name parameters                                                                                 \
    {                                                                                                                  \
        if (condition) {                                                                                               \
            put arguments;                                                                                             \
        }                                                                                                              \
    }

PUSH(publication, ALWAYS, put_published,
     (srl__buf * out, srl__slice channel, const srl_publication *publication, srl__slice epoch),
     (out, channel, publication, epoch))
PUSH(join, OF_A_SESSION, put_join, (srl__buf * out, srl__slice channel, const srl_publication *who),
     (out, channel, who))
PUSH(leave, OF_A_SESSION, put_leave, (srl__buf * out, srl__slice channel, const srl_publication *who),
     (out, channel, who))
PUSH(subscribe, ALWAYS, put_subscribed, (srl__buf * out, srl__slice channel, const srl__subscribe_reply *state),
     (out, channel, state))
PUSH(unsubscribe, ALWAYS, put_unsubscribed, (srl__buf * out, srl__slice channel, uint32_t code, srl__slice reason),
     (out, channel, code, reason))
PUSH(disconnect, ALWAYS, put_disconnected, (srl__buf * out, uint32_t code, srl__slice reason, bool reconnect),
     (out, code, reason, reconnect))
PUSH(message, ALWAYS, put_message, (srl__buf * out, srl__slice data), (out, data))
PUSH(refresh, ALWAYS, put_refreshed, (srl__buf * out, uint64_t ttl_ms), (out, ttl_ms))
PUSH(shown, ALWAYS, put_shown, (srl__buf * out, srl__slice channel, const srl__shown *shown), (out, channel, shown))

#define COMMON                                                                                                         \
    .separator = {"\n", 1}, .take = srl__take_line, .decode = srl__centrifugo_decode,                                  \
    .decode_connect = srl__centrifugo_decode_connect, .find_held = srl__centrifugo_find_held,                          \
    .read_filter = srl__centrifugo_read_filter, .reply_error = reply_error, .reply_empty = reply_empty,                \
    .reply_subscribe = reply_subscribe, .reply_publish = reply_publish, .reply_presence = reply_presence,              \
    .reply_presence_stats = reply_presence_stats, .reply_history = reply_history, .reply_unread = reply_unread,        \
    .reply_rpc = reply_rpc, .reply_refresh = reply_refresh, .append_publication = append_publication,                  \
    .append_sub = append_sub, .push_ping = push_ping

#define PUSHES(kind)                                                                                                   \
    .push_publication = kind##_publication, .push_join = kind##_join, .push_leave = kind##_leave,                      \
    .push_subscribe = kind##_subscribe, .push_unsubscribe = kind##_unsubscribe, .push_disconnect = kind##_disconnect,  \
    .push_message = kind##_message, .push_refresh = kind##_refresh, .push_shown = kind##_shown

const srl__codec srl__codec_centrifugo = {
    .name = "centrifugo",
    .traits = SRL__CODEC_STRICT | SRL__CODEC_CLOSE_CODES | SRL__CODEC_ASKS_FOR_JOINS | SRL__CODEC_ANSWERS_PINGS |
              SRL__CODEC_INSISTENT | SRL__CODEC_REFRESHES | SRL__CODEC_NAMES_WISHES,
    COMMON,
    .reply_connect = reply_connect,
    PUSHES(framed),
};

const srl__codec srl__codec_centrifugo_pushes = {
    .name = "centrifugo, pushes",
    .traits = SRL__CODEC_STRICT | SRL__CODEC_CLOSE_CODES | SRL__CODEC_ASKS_FOR_JOINS | SRL__CODEC_INSISTENT |
              SRL__CODEC_NAMES_WISHES,
    COMMON,
    .reply_connect = bare_connect,
    PUSHES(bare),
};
