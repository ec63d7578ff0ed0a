/*
 * Methods of the API about users and their connections, on whichever server of the same Redis they are.
 */
#include <time.h>

#include "api_call.h"

#define MAX_WHITELIST 1024

/* Which connections a call is about. */
typedef struct user_call {
    srl_user_sessions which;
    srl_text whitelist[MAX_WHITELIST];
} user_call;

static bool is_no_id(size_t len, size_t of_ids)
{
    return len != 0 && len != of_ids;
}

/* False: the call has ended, as nobody can be meant, or more are excepted than can be. */
static bool read_users(api_call *call, user_call *u)
{
    srl_user_sessions *which = &u->which;
    const json_node *whitelist = json_member(call->params, "whitelist");
    srl_user_sessions_init(which, sizeof *which);
    which->user = api_text(call, "user", &which->user_len);
    which->client = api_text(call, "client", &which->client_len);
    which->session = api_text(call, "session", &which->session_len);
    which->except = u->whitelist;
    for (const json_node *node = whitelist ? whitelist->first : NULL; node; node = node->next) {
        if (which->except_count == MAX_WHITELIST || node->type != JSON_STRING) {
            api_fail(call, SRL_REPLY_BAD_REQUEST);
            return false;
        }
        u->whitelist[which->except_count].data = json_string(node, &u->whitelist[which->except_count].len);
        which->except_count++;
    }
    if (is_no_id(which->client_len, SRL_CLIENT_ID_LEN) || is_no_id(which->session_len, SRL_SESSION_ID_LEN)) {
        api_finish(call);
        return false;
    }
    return true;
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

void api_subscribe(api_call *call)
{
    user_call u;
    srl_text channel;
    srl_subscription subscription;
    if (!api_channel(call, &channel) || !read_users(call, &u))
        return;
    if (json_member(call->params, "override") || json_member(call->params, "b64info") ||
        json_member(call->params, "b64data"))
        api_fail(call, SRL_REPLY_NOT_AVAILABLE);
    else if (!read_subscription(call, &subscription))
        api_fail(call, SRL_REPLY_BAD_REQUEST);
    else
        api_end(call, srl_relay_subscribe_sessions(call->a->relay, &u.which, channel.data, channel.len, &subscription));
}

/* ---- unsubscribe ---- */

void api_unsubscribe(api_call *call)
{
    user_call u;
    srl_text channel;
    uint64_t code = api_number(call, "code");
    if (!api_channel(call, &channel) || !read_users(call, &u))
        return;
    if (code != 0 && (code < 2000 || code > 2999))
        api_fail(call, SRL_REPLY_BAD_REQUEST);
    else
        api_end(call,
                srl_relay_unsubscribe_sessions(call->a->relay, &u.which, channel.data, channel.len, (uint32_t)code));
}

/* ---- disconnect ---- */

void api_disconnect(api_call *call)
{
    user_call u;
    srl_text reason;
    const json_node *custom = json_member(call->params, "disconnect");
    uint64_t code = api_number(call, "code");
    if (!read_users(call, &u))
        return;
    reason.data = api_text(call, "reason", &reason.len);
    if (custom) {
        code = 0;
        json_number(json_member(custom, "code"), &code);
        reason.data = json_string(json_member(custom, "reason"), &reason.len);
    }
    if ((code != 0 && (code < 3000 || code > 4999)) || (custom && code == 0))
        api_fail(call, SRL_REPLY_BAD_REQUEST);
    else
        api_end(call, srl_relay_disconnect_sessions(call->a->relay, &u.which, (uint32_t)code,
                                                    reason.len > 0 ? reason.data : NULL, reason.len));
}

/* ---- refresh ---- */

void api_refresh(api_call *call)
{
    user_call u;
    uint64_t ttl_ms;
    bool expired = json_is_true(json_member(call->params, "expired"));
    if (!read_users(call, &u))
        return;
    if (!ttl_until(api_number(call, "expire_at"), &ttl_ms) || expired)
        api_end(call, srl_relay_disconnect_sessions(call->a->relay, &u.which, SRL_DISCONNECT_EXPIRED, NULL, 0));
    else
        api_end(call, srl_relay_refresh_sessions(call->a->relay, &u.which, ttl_ms));
}
