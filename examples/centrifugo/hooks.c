#include "hooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "json_tree.h"
#include "questions.h"

/* ---- helpers ---- */

static srl_text user_of(const srl_request *request)
{
    srl_text user;
    user.data = srl_request_user(request, &user.len);
    return user;
}

static srl_text channel_of(const srl_request *request)
{
    srl_text channel;
    channel.data = srl_request_channel(request, &channel.len);
    return channel;
}

static bool same(srl_text a, const char *b, size_t b_len)
{
    return a.len == b_len && memcmp(a.data, b, b_len) == 0;
}

static void reject(srl_request *request, uint32_t code)
{
    srl_request_reject(request, code, NULL, 0);
}

static void disconnect(srl_request *request, uint32_t code)
{
    srl_request_disconnect(request, code, NULL, 0);
}

/* What the library could not take over is nothing that the client can do something about. */
static void accept_unless(srl_request *request, int error)
{
    if (error == 0)
        srl_request_accept(request);
    else if (error == SRL_ERR_NOT_FOUND)
        reject(request, SRL_REPLY_UNKNOWN_CHANNEL);
    else if (error == SRL_ERR_INVALID)
        disconnect(request, SRL_DISCONNECT_BAD_REQUEST);
    else if (error == SRL_ERR_LIMIT)
        disconnect(request, SRL_DISCONNECT_CHANNEL_LIMIT);
    else
        disconnect(request, SRL_DISCONNECT_INTERNAL);
}

/* The disconnect code for a token that cannot be used. */
static uint32_t code_of(int error)
{
    return error == SRL_ERR_NOMEM ? SRL_DISCONNECT_INTERNAL : SRL_DISCONNECT_INVALID_TOKEN;
}

/* What a token permits lasts as long as it says; where nobody needs one, for ever. False, and the request is answered,
 * if that time has come already. */
static bool set_expiry(srl_request *request, const config *c, const srl_token *token)
{
    uint64_t ttl_ms;
    if (!tokens_ttl(token, &ttl_ms)) {
        reject(request, SRL_REPLY_EXPIRED);
        return false;
    }
    srl_request_set_expiry(request, c->insecure ? 0 : ttl_ms);
    return true;
}

/* ---- what the rules of a namespace permit ---- */

static bool is_private(srl_text channel)
{
    return channel.len > 0 && channel.data[0] == '$';
}

/* "dialog#1,2" is for the users 1 and 2. */
static bool is_listed(srl_text channel, srl_text user)
{
    const char *end = channel.data + channel.len;
    const char *at = memchr(channel.data, '#', channel.len);
    while (at) {
        const char *name = at + 1;
        at = memchr(name, ',', (size_t)(end - name));
        if (user.len > 0 && same(user, name, (size_t)((at ? at : end) - name)))
            return true;
    }
    return false;
}

static bool may_subscribe(const config *c, const channel_rules *rules, srl_text channel, srl_text user)
{
    if (is_private(channel))
        return false;
    if (c->insecure)
        return true;
    if (rules->user_limited && memchr(channel.data, '#', channel.len))
        return is_listed(channel, user);
    return rules->subscribe_for_client && (user.len > 0 || rules->subscribe_for_anonymous);
}

/* Three rules of a namespace about one thing that clients may do. */
typedef struct grants {
    bool client;
    bool subscriber;
    bool anonymous;
} grants;

static bool is_granted(const srl_request *request, const config *c, grants g)
{
    srl_text channel = channel_of(request);
    const srl_session *session = srl_request_session(request);
    if (c->insecure)
        return true;
    if (user_of(request).len == 0 && !g.anonymous)
        return false;
    return g.client || (g.subscriber && session && srl_session_is_subscribed(session, channel.data, channel.len));
}

static grants presence_grants(const channel_rules *r)
{
    return (grants){r->presence_for_client, r->presence_for_subscriber, r->presence_for_anonymous};
}

static grants history_grants(const channel_rules *r)
{
    return (grants){r->history_for_client, r->history_for_subscriber, r->history_for_anonymous};
}

/* ---- connect and refresh ---- */

/* The server subscribes the client to a channel. */
static int add_channel(srl_request *request, const config *c, const srl_token_subscription *from)
{
    srl_subscription s;
    if (!config_space(c, from->channel, from->channel_len))
        return SRL_ERR_NOT_FOUND;
    srl_subscription_init(&s, sizeof s);
    s.info = from->info;
    s.info_len = from->info_len;
    s.data = from->data;
    s.data_len = from->data_len;
    int error = srl_request_add_subscription(request, from->channel, from->channel_len, &s);
    return error == SRL_ERR_EXISTS ? 0 : error;
}

static int add_personal_channel(srl_request *request, const config *c, const srl_token *token)
{
    char channel[512];
    srl_token_subscription personal = {.channel = channel, .info = "", .data = ""};
    if (!c->personal_channel || token->user_len == 0)
        return 0;
    int len = snprintf(channel, sizeof channel, "%s%s#%.*s", c->personal_space, c->personal_space[0] ? ":" : "",
                       (int)token->user_len, token->user);
    if (len < 0 || (size_t)len >= sizeof channel)
        return SRL_ERR_TOO_LARGE;
    personal.channel_len = (size_t)len;
    return add_channel(request, c, &personal);
}

static int add_wanted(srl_request *request, const config *c, const json_node *wanted, srl_text user)
{
    const srl_token_subscription channel = {
        .channel = wanted->name, .channel_len = strlen(wanted->name), .info = "", .data = ""};
    const channel_space *space = config_space(c, channel.channel, channel.channel_len);
    if (!space)
        return SRL_ERR_INVALID;
    if (!may_subscribe(c, &space->rules, (srl_text){channel.channel, channel.channel_len}, user))
        return 0;
    return add_channel(request, c, &channel);
}

/* Clients, above all those that cannot send, name channels that they want to be subscribed to. They get those that they
 * could subscribe to themselves. */
static int add_all_wanted(srl_request *request, const config *c, srl_text user)
{
    size_t len;
    const char *json = srl_request_subscriptions(request, &len);
    json_tree *tree = len > 0 ? json_tree_read(json, len, NULL) : NULL;
    int error = 0;
    for (const json_node *node = tree ? json_tree_root(tree)->first : NULL; node && error == 0; node = node->next)
        error = add_wanted(request, c, node, user);
    json_tree_free(tree);
    return error;
}

/* Remember with the session which channels its token opened: names with zeros behind, the last one empty. */
static int keep_channels(const srl_request *request, const srl_token *token)
{
    srl_session *session = srl_request_session(request);
    size_t size = 1;
    for (uint32_t i = 0; i < token->count; i++)
        size += token->subscriptions[i].channel_len + 1;
    char *names = session && token->count > 0 ? calloc(1, size) : NULL;
    if (!names)
        return session && token->count > 0 ? SRL_ERR_NOMEM : 0;
    char *at = names;
    for (uint32_t i = 0; i < token->count; i++) {
        memcpy(at, token->subscriptions[i].channel, token->subscriptions[i].channel_len);
        at += token->subscriptions[i].channel_len + 1;
    }
    clients_keep(session, names);
    return 0;
}

static int take_over(srl_request *request, const config *c, const srl_token *token)
{
    int error = srl_request_set_user(request, token->user, token->user_len);
    if (error == 0 && token->info_len > 0)
        error = srl_request_set_info(request, token->info, token->info_len);
    for (uint32_t i = 0; i < token->count && error == 0; i++)
        error = add_channel(request, c, &token->subscriptions[i]);
    if (error == 0)
        error = add_personal_channel(request, c, token);
    if (error == 0)
        error = keep_channels(request, token);
    return error == 0 ? add_all_wanted(request, c, (srl_text){token->user, token->user_len}) : error;
}

static void connect_with_token(srl_request *request, const app *a, const char *text, size_t len)
{
    srl_token *token;
    int error = tokens_check(&a->tokens, text, len, &token);
    if (error == SRL_ERR_TOKEN_EXPIRED)
        reject(request, SRL_REPLY_TOKEN_EXPIRED);
    else if (error != 0)
        disconnect(request, code_of(error));
    else if (set_expiry(request, &a->config, token))
        accept_unless(request, take_over(request, &a->config, token));
    srl_token_destroy(token);
}

/* Without a secret there is nothing that tokens could be checked against. */
static bool are_checked(const app *a)
{
    return a->tokens.connection != NULL || !a->config.insecure;
}

static void on_connect(srl_request *request, void *user)
{
    const app *a = user;
    size_t len;
    const char *token = srl_request_token(request, &len);
    if (len > 0 && are_checked(a))
        connect_with_token(request, a, token, len);
    else if (a->config.insecure || a->config.anonymous)
        accept_unless(request, add_all_wanted(request, &a->config, (srl_text){"", 0}));
    else
        disconnect(request, SRL_DISCONNECT_BAD_REQUEST);
}

/* `info`: what others are shown from now on, if there is any. `expired`: the disconnect code for a token that came too
 * late. */
static void refresh(srl_request *request, const srl_token *token, int error, bool is_meant, srl_text info,
                    uint32_t expired)
{
    uint64_t ttl_ms;
    if (error == 0 && !is_meant)
        error = SRL_ERR_TOKEN_INVALID;
    if (error == 0 && !tokens_ttl(token, &ttl_ms))
        error = SRL_ERR_TOKEN_EXPIRED;
    if (error == 0 && info.len > 0)
        error = srl_request_set_info(request, info.data, info.len);
    if (error == 0) {
        srl_request_set_expiry(request, ttl_ms);
        srl_request_accept(request);
    } else {
        disconnect(request, error == SRL_ERR_TOKEN_EXPIRED ? expired : code_of(error));
    }
}

static bool opens(const srl_token *token, const char *channel)
{
    for (uint32_t i = 0; i < token->count; i++) {
        if (token->subscriptions[i].channel_len == strlen(channel) &&
            memcmp(token->subscriptions[i].channel, channel, token->subscriptions[i].channel_len) == 0)
            return true;
    }
    return false;
}

/* Whether the session is in all channels that its new token opens, and in none that only the one before opened. */
static bool has_its_channels(const srl_request *request, const srl_token *token)
{
    const srl_session *session = srl_request_session(request);
    const char *name = session ? clients_kept(session) : NULL;
    for (uint32_t i = 0; i < token->count && session; i++) {
        const srl_token_subscription *s = &token->subscriptions[i];
        if (!srl_session_is_subscribed(session, s->channel, s->channel_len))
            return false;
    }
    for (; name && *name != '\0'; name += strlen(name) + 1) {
        if (!opens(token, name) && srl_session_is_subscribed(session, name, strlen(name)))
            return false;
    }
    return true;
}

static void on_refresh(srl_request *request, void *user)
{
    const app *a = user;
    srl_token *token;
    size_t len;
    const char *text = srl_request_token(request, &len);
    int error = tokens_check(&a->tokens, text, len, &token);
    bool is_meant = token && same(user_of(request), token->user, token->user_len);
    srl_text info = {token ? token->info : "", token ? token->info_len : 0};
    if (is_meant && !has_its_channels(request, token))
        disconnect(request, SRL_DISCONNECT_INSUFFICIENT_STATE); /* it gets them when it comes back, and no others */
    else
        refresh(request, token, error, is_meant, info, SRL_DISCONNECT_EXPIRED);
    srl_token_destroy(token);
}

/* ---- subscribe and its refresh ---- */

static bool is_for(const srl_token *token, const srl_request *request)
{
    const srl_session *session = srl_request_session(request);
    char client[SRL_CLIENT_ID_LEN + 1] = "";
    if (session)
        srl_session_client_id(session, client);
    return same(user_of(request), token->user, token->user_len) &&
           same(channel_of(request), token->subscriptions[0].channel, token->subscriptions[0].channel_len) &&
           (token->client_len == 0 ||
            (token->client_len == strlen(client) && memcmp(token->client, client, token->client_len) == 0));
}

static int take_over_subscription(srl_request *request, const srl_token_subscription *from)
{
    int error = 0;
    if (from->info_len > 0)
        error = srl_request_set_info(request, from->info, from->info_len);
    if (error == 0 && from->data_len > 0)
        error = srl_request_set_data(request, from->data, from->data_len);
    return error;
}

/* Whether it will be granted once the client is subscribed. */
static bool will_be_granted(const srl_request *request, const config *c, grants g)
{
    g.client = g.client || g.subscriber;
    return is_granted(request, c, g);
}

/* What shows the history, or who is there, is for those who may see it. */
static void withhold(srl_request *request, const config *c, const channel_rules *r)
{
    bool history = will_be_granted(request, c, history_grants(r));
    uint32_t wishes = will_be_granted(request, c, presence_grants(r)) ? 0 : SRL_WISH_JOIN_LEAVE;
    if (!history && !r->positioning_for_all)
        wishes |= SRL_WISH_POSITIONING;
    if (!history && !r->recovery_for_all)
        wishes |= SRL_WISH_RECOVERY;
    srl_request_withhold(request, wishes);
}

/* A token alone decides. */
static void subscribe_with_token(srl_request *request, const app *a, const char *text, size_t len)
{
    srl_token *token;
    int error = tokens_check_subscription(&a->tokens, text, len, &token);
    if (error == SRL_ERR_TOKEN_EXPIRED)
        reject(request, SRL_REPLY_TOKEN_EXPIRED);
    else if (error != 0)
        reject(request, SRL_REPLY_PERMISSION_DENIED);
    else if (!is_for(token, request))
        disconnect(request, SRL_DISCONNECT_INVALID_TOKEN);
    else if (set_expiry(request, &a->config, token))
        accept_unless(request, take_over_subscription(request, &token->subscriptions[0]));
    srl_token_destroy(token);
}

static void on_subscribe(srl_request *request, void *user)
{
    const app *a = user;
    srl_text channel = channel_of(request);
    const channel_space *space = config_space(&a->config, channel.data, channel.len);
    size_t len;
    const char *token = srl_request_token(request, &len);
    if (space)
        withhold(request, &a->config, &space->rules);
    if (!space)
        reject(request, SRL_REPLY_UNKNOWN_CHANNEL);
    else if (len > 0 && are_checked(a))
        subscribe_with_token(request, a, token, len);
    else if (may_subscribe(&a->config, &space->rules, channel, user_of(request)))
        srl_request_accept(request);
    else
        reject(request, SRL_REPLY_PERMISSION_DENIED);
}

static void on_sub_refresh(srl_request *request, void *user)
{
    const app *a = user;
    srl_token *token;
    size_t len;
    const char *text = srl_request_token(request, &len);
    int error = tokens_check_subscription(&a->tokens, text, len, &token);
    srl_text info = {"", 0};
    if (token)
        info = (srl_text){token->subscriptions[0].info, token->subscriptions[0].info_len};
    refresh(request, token, error, token && is_for(token, request), info, SRL_DISCONNECT_SUB_EXPIRED);
    srl_token_destroy(token);
}

/* ---- publish, presence, history ---- */

static void answer(srl_request *request, const config *c, bool is_available, grants g)
{
    if (!is_available)
        reject(request, SRL_REPLY_NOT_AVAILABLE);
    else if (is_granted(request, c, g))
        srl_request_accept(request);
    else
        reject(request, SRL_REPLY_PERMISSION_DENIED);
}

/* The rules of the request's channel; NULL, and the request is answered, if there are none. */
static const channel_rules *rules_of(srl_request *request, const config *c)
{
    srl_text channel = channel_of(request);
    const channel_space *space = config_space(c, channel.data, channel.len);
    if (!space)
        reject(request, SRL_REPLY_UNKNOWN_CHANNEL);
    return space ? &space->rules : NULL;
}

static void on_publish(srl_request *request, void *user)
{
    const config *c = &((app *)user)->config;
    const channel_rules *r = rules_of(request, c);
    if (r)
        answer(request, c, true, (grants){r->publish_for_client, r->publish_for_subscriber, r->publish_for_anonymous});
}

static void on_presence(srl_request *request, void *user)
{
    const config *c = &((app *)user)->config;
    const channel_rules *r = rules_of(request, c);
    if (r)
        answer(request, c, r->presence, presence_grants(r));
}

static void on_history(srl_request *request, void *user)
{
    const config *c = &((app *)user)->config;
    const channel_rules *r = rules_of(request, c);
    if (r)
        answer(request, c, r->history, history_grants(r));
}

/* ---- what a backend would answer ---- */

/* There is no backend here: "echo" gives back what it gets, "fail" fails. */
static void on_rpc(srl_request *request, void *user)
{
    srl_text method;
    size_t len;
    const char *data = srl_request_data(request, &len);
    (void)user;
    method.data = srl_request_method(request, &method.len);
    if (same(method, "fail", 4)) {
        srl_request_reject(request, 1234, "as asked", 8);
    } else if (same(method, "echo", 4)) {
        int error = len > 0 ? srl_request_set_data(request, data, len) : 0;
        accept_unless(request, error);
    } else {
        reject(request, SRL_REPLY_METHOD_NOT_FOUND);
    }
}

/* {"message": X} brings X back as a message to the same client; other messages are only taken. */
static void on_message(srl_request *request, void *user)
{
    size_t len;
    const char *data = srl_request_data(request, &len);
    srl_session *session = srl_request_session(request);
    json_tree *tree = json_tree_read(data, len, NULL);
    const json_node *message = tree ? json_member(json_tree_root(tree), "message") : NULL;
    (void)user;
    if (message && session)
        srl_session_send(session, message->raw, message->raw_len);
    srl_request_accept(request);
    json_tree_free(tree);
}

int hooks_set(srl_options *options, app *a)
{
    srl_hooks hooks;
    srl_hooks_init(&hooks, sizeof hooks);
    hooks.connect = on_connect;
    hooks.subscribe = on_subscribe;
    hooks.publish = on_publish;
    hooks.presence = on_presence;
    hooks.history = on_history;
    hooks.refresh = on_refresh;
    hooks.sub_refresh = on_sub_refresh;
    hooks.rpc = on_rpc;
    hooks.message = on_message;
    hooks.survey = questions_answer;
    return srl_options_set_hooks(options, &hooks, a);
}
