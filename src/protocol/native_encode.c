#include "protocol/native.h"

#include <streamrelay/codes.h>
#include <streamrelay/version.h>

#define PUT SRL__BUF_LIT

static srl__slice text(const char *data, size_t len)
{
    return srl__slice_of(data, len);
}

static void put_member_u64(srl__buf *out, srl__slice name_and_colon, uint64_t n)
{
    srl__buf_append_slice(out, name_and_colon);
    srl__buf_append_u64(out, n);
}

static void put_member_text(srl__buf *out, srl__slice name_and_colon, srl__slice value)
{
    srl__buf_append_slice(out, name_and_colon);
    srl__json_append_string(out, value);
}

static void put_member_raw(srl__buf *out, srl__slice name_and_colon, srl__slice json)
{
    srl__buf_append_slice(out, name_and_colon);
    srl__buf_append_slice(out, json);
}

#define MEMBER(name) SRL__LIT("\"" name "\":")
#define NEXT(name)   SRL__LIT(",\"" name "\":")

static void open_reply(srl__buf *out, const srl__reply_to *to)
{
    put_member_u64(out, SRL__LIT("{\"reply\":{\"id\":"), to->id);
    if (to->type != SRL__COMMAND_NONE) {
        put_member_text(out, NEXT("type"), srl__native_type_name(to->type));
    }
    if (to->channel.len > 0) {
        put_member_text(out, NEXT("channel"), to->channel);
    }
    PUT(out, ",");
}

static void open_reply_data(srl__buf *out, const srl__reply_to *to)
{
    open_reply(out, to);
    PUT(out, "\"data\":{");
}

static void close_data(srl__buf *out)
{
    PUT(out, "}}}");
}

static void reply_error(srl__buf *out, const srl__reply_to *to, uint32_t code, srl__slice message)
{
    open_reply(out, to);
    put_member_u64(out, SRL__LIT("\"error\":{\"code\":"), code);
    put_member_text(out, NEXT("message"), message);
    if (srl_reply_code_is_temporary(code)) {
        PUT(out, ",\"temporary\":true");
    }
    close_data(out);
}

static void reply_empty(srl__buf *out, const srl__reply_to *to)
{
    open_reply_data(out, to);
    close_data(out);
}

static void reply_connect(srl__buf *out, const srl__reply_to *to, const srl__connect_reply *reply)
{
    open_reply_data(out, to);
    put_member_text(out, MEMBER("client"), reply->client);
    put_member_text(out, NEXT("user"), reply->user);
    put_member_text(out, NEXT("version"), SRL__LIT(SRL_VERSION));
    if (reply->ping_ms > 0) {
        put_member_u64(out, NEXT("ping"), (reply->ping_ms + 999) / 1000);
    }
    if (reply->answers_pings) {
        PUT(out, ",\"pong\":true");
    }
    if (reply->expires_ms > 0) {
        put_member_u64(out, SRL__LIT(",\"expires\":true,\"ttl\":"), (reply->expires_ms + 999) / 1000);
    }
    if (reply->data.len > 0) {
        put_member_raw(out, NEXT("data"), reply->data);
    }
    close_data(out);
}

static void put_position(srl__buf *out, uint64_t offset, srl__slice epoch)
{
    put_member_u64(out, MEMBER("offset"), offset);
    put_member_text(out, NEXT("epoch"), epoch);
}

static void put_bool(srl__buf *out, bool yes)
{
    srl__buf_append_slice(out, yes ? SRL__LIT("true") : SRL__LIT("false"));
}

static void put_subscription(srl__buf *out, const srl__subscribe_reply *state)
{
    PUT(out, "\"recoverable\":");
    put_bool(out, state->recoverable);
    if (state->recoverable) {
        PUT(out, ",");
        put_position(out, state->offset, state->epoch);
    }
    if (state->was_recovering) {
        PUT(out, ",\"was_recovering\":true,\"recovered\":");
        put_bool(out, state->recovered);
    }
    if (state->has_unread) {
        put_member_u64(out, NEXT("unread"), state->unread);
    }
    if (state->data.len > 0) {
        put_member_raw(out, NEXT("data"), state->data);
    }
}

static void reply_subscribe(srl__buf *out, const srl__reply_to *to, const srl__subscribe_reply *reply)
{
    open_reply_data(out, to);
    put_subscription(out, reply);
    close_data(out);
}

static void reply_unread(srl__buf *out, const srl__reply_to *to, uint64_t unread, uint64_t offset, srl__slice epoch)
{
    open_reply_data(out, to);
    put_member_u64(out, MEMBER("unread"), unread);
    PUT(out, ",");
    put_position(out, offset, epoch);
    close_data(out);
}

static void reply_rpc(srl__buf *out, const srl__reply_to *to, srl__slice data)
{
    open_reply_data(out, to);
    if (data.len > 0) {
        put_member_raw(out, MEMBER("data"), data);
    }
    close_data(out);
}

static void reply_publish(srl__buf *out, const srl__reply_to *to, uint64_t offset, srl__slice epoch)
{
    open_reply_data(out, to);
    if (offset > 0) {
        put_position(out, offset, epoch);
    }
    close_data(out);
}

static void put_presence_counts(srl__buf *out, const srl_presence *presence)
{
    put_member_u64(out, MEMBER("num_users"), presence->num_users);
    put_member_u64(out, NEXT("num_sessions"), presence->num_sessions);
}

static void reply_presence_stats(srl__buf *out, const srl__reply_to *to, const srl_presence *presence)
{
    open_reply_data(out, to);
    put_presence_counts(out, presence);
    close_data(out);
}

static void reply_presence(srl__buf *out, const srl__reply_to *to, const srl_presence *presence)
{
    open_reply_data(out, to);
    put_presence_counts(out, presence);
    PUT(out, ",\"users\":[");
    for (uint32_t i = 0; i < presence->count; i++) {
        const srl_presence_user *user = &presence->users[i];

        if (i > 0) {
            PUT(out, ",");
        }
        put_member_text(out, SRL__LIT("{\"user\":"), text(user->user, user->user_len));
        put_member_u64(out, NEXT("sessions"), user->sessions);
        if (user->info_len > 0) {
            put_member_raw(out, NEXT("info"), text(user->info, user->info_len));
        }
        PUT(out, "}");
    }
    PUT(out, "]");
    close_data(out);
}

static void put_client_info(srl__buf *out, const srl_publication *who)
{
    put_member_text(out, SRL__LIT("\"info\":{\"user\":"), text(who->user, who->user_len));
    if (who->client_len > 0) {
        put_member_text(out, NEXT("client"), text(who->client, who->client_len));
    }
    if (who->info_len > 0) {
        put_member_raw(out, NEXT("info"), text(who->info, who->info_len));
    }
    PUT(out, "}");
}

static void put_publication(srl__buf *out, const srl_publication *publication)
{
    if (publication->offset > 0) {
        put_member_u64(out, MEMBER("offset"), publication->offset);
        PUT(out, ",");
    }
    put_member_raw(out, MEMBER("data"), text(publication->data, publication->data_len));
    if (publication->client_len > 0) {
        PUT(out, ",");
        put_client_info(out, publication);
    }
    if (publication->time_ms > 0) {
        put_member_u64(out, NEXT("time"), publication->time_ms);
    }
}

static void reply_history(srl__buf *out, const srl__reply_to *to, const srl_history *history, size_t max_bytes)
{
    size_t start = 0;

    open_reply_data(out, to);
    put_position(out, history->offset, text(history->epoch, history->epoch_len));
    PUT(out, ",\"publications\":[");
    start = out->len;
    for (uint32_t i = 0; i < history->count; i++) {
        const srl_publication *publication = &history->publications[i];

        if (i > 0) {
            if (out->len - start + publication->data_len > max_bytes) {
                break;
            }
            PUT(out, ",");
        }
        PUT(out, "{");
        put_publication(out, publication);
        PUT(out, "}");
    }
    PUT(out, "]");
    close_data(out);
}

static void open_push(srl__buf *out, srl__slice start, srl__slice channel)
{
    srl__buf_append_slice(out, start);
    srl__json_append_string(out, channel);
    PUT(out, ",\"data\":{");
}

#define PUSH(type) SRL__LIT("{\"push\":{\"type\":\"" type "\",\"channel\":")

static void push_publication(srl__buf *out, srl__slice channel, const srl_publication *publication, srl__slice epoch)
{
    open_push(out, PUSH("message"), channel);
    put_publication(out, publication);
    if (epoch.len > 0) {
        put_member_text(out, NEXT("epoch"), epoch);
    }
    close_data(out);
}

static void push_join(srl__buf *out, srl__slice channel, const srl_publication *who)
{
    open_push(out, PUSH("join"), channel);
    put_client_info(out, who);
    close_data(out);
}

static void push_leave(srl__buf *out, srl__slice channel, const srl_publication *who)
{
    open_push(out, PUSH("leave"), channel);
    put_client_info(out, who);
    close_data(out);
}

static void push_subscribe(srl__buf *out, srl__slice channel, const srl__subscribe_reply *state)
{
    open_push(out, PUSH("subscribe"), channel);
    put_subscription(out, state);
    close_data(out);
}

static void put_code(srl__buf *out, uint32_t code, srl__slice reason)
{
    put_member_u64(out, MEMBER("code"), code);
    put_member_text(out, NEXT("reason"), reason);
}

static void push_unsubscribe(srl__buf *out, srl__slice channel, uint32_t code, srl__slice reason)
{
    open_push(out, PUSH("unsubscribe"), channel);
    put_code(out, code, reason);
    close_data(out);
}

static void push_disconnect(srl__buf *out, uint32_t code, srl__slice reason, bool reconnect)
{
    PUT(out, "{\"push\":{\"type\":\"disconnect\",\"data\":{");
    put_code(out, code, reason);
    PUT(out, ",\"reconnect\":");
    put_bool(out, reconnect);
    close_data(out);
}

static void push_ping(srl__buf *out)
{
    PUT(out, "{\"push\":{\"type\":\"ping\"}}");
}

static void push_pong(srl__buf *out)
{
    PUT(out, "{\"push\":{\"type\":\"pong\"}}");
}

static void push_message(srl__buf *out, srl__slice data)
{
    PUT(out, "{\"push\":{\"type\":\"data\",\"data\":{");
    put_member_raw(out, MEMBER("data"), data);
    close_data(out);
}

const srl__codec srl__codec_native = {
    .name = "native",
    .separator = {"\n", 1},
    .take = srl__take_line,
    .decode = srl__native_decode,
    .reply_error = reply_error,
    .reply_empty = reply_empty,
    .reply_connect = reply_connect,
    .reply_subscribe = reply_subscribe,
    .reply_publish = reply_publish,
    .reply_presence = reply_presence,
    .reply_presence_stats = reply_presence_stats,
    .reply_history = reply_history,
    .reply_unread = reply_unread,
    .reply_rpc = reply_rpc,
    .push_publication = push_publication,
    .push_join = push_join,
    .push_leave = push_leave,
    .push_subscribe = push_subscribe,
    .push_unsubscribe = push_unsubscribe,
    .push_disconnect = push_disconnect,
    .push_ping = push_ping,
    .push_pong = push_pong,
    .push_message = push_message,
};
