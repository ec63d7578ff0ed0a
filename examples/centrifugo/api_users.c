/*
 * Methods of the API about users and their connections.
 *
 * Where only the user is named, all connections are meant, on every relay of the same broker. Where a client or a
 * session is named too, it is looked for on this relay.
 */
#include <string.h>
#include <time.h>

#include "api_call.h"

/* Which connections of the user are meant, and what is to happen to them. */
typedef struct user_call {
    api_call *call;
    srl_text user;
    srl_text client;
    srl_text session;
    srl_text channel;
    const json_node *whitelist;
    srl_subscription subscription;
    uint32_t code;
    srl_text reason;
    uint64_t ttl_ms;
    int error;
} user_call;

static srl_text text_parameter(const api_call *call, const char *name)
{
    srl_text text;
    text.data = api_text(call, name, &text.len);
    return text;
}

static user_call make_user_call(api_call *call)
{
    user_call u = {.call = call,
                   .user = text_parameter(call, "user"),
                   .client = text_parameter(call, "client"),
                   .session = text_parameter(call, "session"),
                   .whitelist = json_member(call->params, "whitelist")};
    return u;
}

static bool same(srl_text wanted, const char *is)
{
    return wanted.len == 0 || (wanted.len == strlen(is) && memcmp(wanted.data, is, wanted.len) == 0);
}

static bool is_whitelisted(const user_call *u, const char *client)
{
    size_t len;
    for (const json_node *node = u->whitelist ? u->whitelist->first : NULL; node; node = node->next) {
        if (strcmp(json_string(node, &len), client) == 0)
            return true;
    }
    return false;
}

/* Whether a connection is one of those that are meant. */
static bool is_meant(const user_call *u, const srl_session *session)
{
    char client[SRL_CLIENT_ID_LEN + 1];
    char secret[SRL_SESSION_ID_LEN + 1];
    srl_session_client_id(session, client);
    srl_session_secret_id(session, secret);
    return same(u->client, client) && same(u->session, secret) && !is_whitelisted(u, client);
}

/* Whether all connections of the user are meant, wherever they are. */
static bool all_are_meant(const user_call *u)
{
    return u->user.len > 0 && u->client.len == 0 && u->session.len == 0 && !u->whitelist;
}

static void each_here(user_call *u, srl_session_fn each)
{
    srl_relay_each_user_session(u->call->a->relay, u->user.data, u->user.len, each, u);
}

/* Seconds since 1970 as milliseconds from now; false if that time has come. */
static bool ttl_until(uint64_t expire_at, uint64_t *ttl_ms)
{
    uint64_t now = (uint64_t)time(NULL);
    *ttl_ms = 0;
    if (expire_at == 0)
        return true;
    if (expire_at <= now)
        return false;
    *ttl_ms = (expire_at - now < UINT32_MAX ? expire_at - now : UINT32_MAX) * 1000;
    return true;
}

/* ---- subscribe ---- */

static void take_json(const api_call *call, const char *name, const char **json, size_t *len)
{
    const json_node *node = json_member(call->params, name);
    if (!node)
        return;
    *json = node->raw;
    *len = node->raw_len;
}

static bool read_subscription(const api_call *call, srl_subscription *s)
{
    const json_node *since = json_member(call->params, "recover_since");
    srl_subscription_init(s, sizeof *s);
    take_json(call, "info", &s->info, &s->info_len);
    take_json(call, "data", &s->data, &s->data_len);
    if (since) {
        s->flags |= SRL_SUBSCRIPTION_RECOVER;
        json_number(json_member(since, "offset"), &s->recover_offset);
        s->recover_epoch = json_string(json_member(since, "epoch"), &s->recover_epoch_len);
    }
    return ttl_until(api_number(call, "expire_at"), &s->ttl_ms);
}

static int subscribe_one(srl_session *session, void *user)
{
    user_call *u = user;
    if (is_meant(u, session))
        u->error = srl_session_subscribe(session, u->channel.data, u->channel.len, &u->subscription);
    return u->error;
}

static bool is_plain(const srl_subscription *s)
{
    return s->flags == 0 && s->info_len == 0 && s->data_len == 0 && s->ttl_ms == 0;
}

void api_subscribe(api_call *call)
{
    user_call u = make_user_call(call);
    if (!api_channel(call, &u.channel))
        return;
    bool unknown = json_member(call->params, "override") || json_member(call->params, "b64info") ||
                   json_member(call->params, "b64data");
    if (unknown || !read_subscription(call, &u.subscription)) {
        api_fail(call, unknown ? SRL_REPLY_NOT_AVAILABLE : SRL_REPLY_BAD_REQUEST);
        return;
    }
    if (all_are_meant(&u) && is_plain(&u.subscription))
        u.error = srl_relay_subscribe_user(call->a->relay, u.user.data, u.user.len, u.channel.data, u.channel.len);
    else
        each_here(&u, subscribe_one);
    api_end(call, u.error);
}

/* ---- unsubscribe ---- */

static int unsubscribe_one(srl_session *session, void *user)
{
    const user_call *u = user;
    if (is_meant(u, session))
        srl_session_unsubscribe(session, u->channel.data, u->channel.len, u->code);
    return 0;
}

void api_unsubscribe(api_call *call)
{
    user_call u = make_user_call(call);
    uint64_t code = api_number(call, "code");
    if (!api_channel(call, &u.channel))
        return;
    if (code != 0 && (code < 2000 || code > 2999)) {
        api_fail(call, SRL_REPLY_BAD_REQUEST);
        return;
    }
    u.code = (uint32_t)code;
    if (all_are_meant(&u))
        u.error =
            srl_relay_unsubscribe_user(call->a->relay, u.user.data, u.user.len, u.channel.data, u.channel.len, u.code);
    else
        each_here(&u, unsubscribe_one);
    api_end(call, u.error);
}

/* ---- disconnect ---- */

static int disconnect_one(srl_session *session, void *user)
{
    const user_call *u = user;
    if (is_meant(u, session))
        srl_session_disconnect(session, u->code, u->reason.len > 0 ? u->reason.data : NULL, u->reason.len);
    return 0;
}

static void disconnect(user_call *u)
{
    if (all_are_meant(u))
        u->error = srl_relay_disconnect_user(u->call->a->relay, u->user.data, u->user.len, u->code,
                                             u->reason.len > 0 ? u->reason.data : NULL, u->reason.len);
    else
        each_here(u, disconnect_one);
}

void api_disconnect(api_call *call)
{
    user_call u = make_user_call(call);
    const json_node *custom = json_member(call->params, "disconnect");
    uint64_t code = api_number(call, "code");
    u.reason = text_parameter(call, "reason");
    if (custom) {
        code = 0;
        json_number(json_member(custom, "code"), &code);
        u.reason.data = json_string(json_member(custom, "reason"), &u.reason.len);
    }
    if ((code != 0 && (code < 3000 || code > 4999)) || (custom && code == 0)) {
        api_fail(call, SRL_REPLY_BAD_REQUEST);
        return;
    }
    u.code = (uint32_t)code;
    disconnect(&u);
    api_end(call, u.error);
}

/* ---- refresh ---- */

static int refresh_one(srl_session *session, void *user)
{
    const user_call *u = user;
    if (is_meant(u, session))
        srl_session_set_expiry(session, u->ttl_ms);
    return 0;
}

void api_refresh(api_call *call)
{
    user_call u = make_user_call(call);
    bool expired = json_is_true(json_member(call->params, "expired"));
    if (!ttl_until(api_number(call, "expire_at"), &u.ttl_ms) || expired) {
        u.code = SRL_DISCONNECT_EXPIRED;
        disconnect(&u);
    } else {
        each_here(&u, refresh_one);
    }
    api_end(call, u.error);
}
