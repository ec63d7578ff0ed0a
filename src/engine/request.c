#include "engine/request.h"

#include <stdio.h>

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "base/utf8.h"
#include "engine/attendance.h"
#include "engine/connecting.h"
#include "engine/input.h"
#include "engine/policy.h"
#include "engine/publish.h"
#include "engine/reading.h"
#include "engine/relay.h"

typedef struct owned_text {
    char *data;
    size_t len;
} owned_text;

struct srl_request {
    srl_relay *relay;
    srl_session *session; /* NULL: cancelled */
    int kind;
    uint64_t id;
    srl__command_type command;
    srl__subscribe_wish wish;       /* subscribe */
    srl__history_wish history;      /* history */
    srl__server_sub *subscriptions; /* connect */
    bool answers_pings;             /* connect */
    bool refreshed_by_host;         /* connect, subscribe */
    uint64_t ttl_ms;
    owned_text user; /* set by the host, like the next two */
    owned_text info;
    owned_text reply_data;
    srl__grant *roles;
    uint32_t role_count;
    srl__slice channel; /* these are in the block's tail */
    srl__slice token;
    srl__slice method;
    srl__slice data;
    srl__slice key; /* publish */
    srl__slice name;
    srl__slice version;
    srl__slice headers;
    srl__slice held;
    size_t size; /* of the block */
};

static srl__slice copy_text(char **at, srl__slice text)
{
    srl__slice copy = srl__slice_of(*at, text.len);

    if (text.len > 0) {
        memcpy(*at, text.data, text.len);
    }
    (*at)[text.len] = '\0';
    *at += text.len + 1;
    return copy;
}

/* In a request's tail, each with a zero behind it. */
enum { TEXTS = 9 };

static srl_request *request_create(srl_session *session, int kind, const srl__command *command)
{
    srl_relay *relay = session->relay;
    size_t size = sizeof(srl_request) + command->channel.len + command->token.len + command->method.len +
                  command->data.len + command->key.len + command->name.len + command->version.len +
                  command->headers.len + command->held.len + TEXTS;
    srl_request *request = srl__alloc_zeroed(&relay->alloc, size);
    char *at = NULL;

    if (request == NULL) {
        return NULL;
    }
    at = (char *)(request + 1);
    request->relay = relay;
    request->session = session;
    request->kind = kind;
    request->id = command->id;
    request->size = size;
    request->answers_pings = command->answers_pings;
    request->channel = copy_text(&at, command->channel);
    request->token = copy_text(&at, command->token);
    request->method = copy_text(&at, command->method);
    request->data = copy_text(&at, command->data);
    request->key = copy_text(&at, command->key);
    request->name = copy_text(&at, command->name);
    request->version = copy_text(&at, command->version);
    request->headers = copy_text(&at, command->headers);
    request->held = copy_text(&at, command->held);
    request->command = command->type;
    request->history = srl__history_wish_of(command);
    return request;
}

static void text_free(const srl_relay *relay, owned_text *text)
{
    srl__free_bytes(&relay->alloc, text->data, text->len);
}

static void roles_free(srl_request *request)
{
    srl__grant *next = NULL;

    for (srl__grant *role = request->roles; role != NULL; role = next) {
        next = role->next;
        srl__free(&request->relay->alloc, role, sizeof(*role) + role->role_len);
    }
    request->roles = NULL;
}

static void request_free(srl_request *request)
{
    srl_relay *relay = request->relay;

    text_free(relay, &request->user);
    text_free(relay, &request->info);
    text_free(relay, &request->reply_data);
    roles_free(request);
    srl__wish_clear(relay, &request->wish);
    srl__server_subs_free(relay, &request->subscriptions);
    srl__free(&relay->alloc, request, request->size);
    srl__relay_drop_handle(relay);
}

static srl__reply_to reply_to(const srl_request *request)
{
    return (srl__reply_to){request->id, request->command, request->channel};
}

void srl__request_ask(srl_session *session, srl__hook hook, int kind, const srl__command *command)
{
    srl__subscribe_wish none = {0};

    srl__request_ask_with(session, hook, kind, command, &none);
}

void srl__request_ask_with(srl_session *session, srl__hook hook, int kind, const srl__command *command,
                           srl__subscribe_wish *wish)
{
    srl_relay *relay = session->relay;
    srl_request *request = request_create(session, kind, command);

    if (request == NULL) {
        srl__reply_to to = {command->id, command->type, command->channel};

        srl__wish_clear(relay, wish);
        srl__session_reply_error(session, &to, SRL_REPLY_INTERNAL, srl__slice_of("", 0));
        return;
    }
    request->wish = *wish;
    relay->handles++;
    session->request = request;
    hook(request, relay->hooks_user);
}

void srl__request_cancel(srl_session *session)
{
    if (session->request != NULL) {
        session->request->session = NULL;
        session->request = NULL;
    }
}

/* Take the request from its session, which goes on with what waited behind it. NULL if it was cancelled. */
static srl_session *conclude(srl_request *request)
{
    srl_session *session = request->session;

    if (session != NULL) {
        session->request = NULL;
        srl__input_resume_later(session);
    }
    return session;
}

static srl__slice slice_of(const owned_text *text)
{
    return srl__slice_of(text->data, text->len);
}

/* The roles that come with a yes; false when out of memory. */
static bool hand_over_roles(const srl_request *request, srl_session *session)
{
    for (const srl__grant *role = request->roles; role != NULL; role = role->next) {
        if (srl__policy_grant(session, srl__slice_of(role->text, role->role_len), request->channel) != SRL_OK) {
            return false;
        }
    }
    return true;
}

static void answer_rpc(srl_session *session, const srl__reply_to *to, srl__slice data)
{
    srl__session_codec(session)->reply_rpc(srl__session_encode(session), to, data);
    srl__session_send_encoded(session);
}

static void move_text(srl__owned *to, owned_text *from)
{
    *to = (srl__owned){from->data, from->len};
    *from = (owned_text){NULL, 0};
}

/* What the policy permitted when the host was asked may be forbidden by now. */
static void grant_subscription(srl_request *request, srl_session *session, const srl__reply_to *to)
{
    if (!srl__policy_permits(session, request->channel, SRL_PERM_SUBSCRIBE, true)) {
        srl__policy_revoke(session, request->channel);
        srl__session_reply_error(session, to, SRL_REPLY_PERMISSION_DENIED, srl__slice_of("", 0));
        return;
    }
    move_text(&request->wish.info, &request->info);
    move_text(&request->wish.data, &request->reply_data);
    request->wish.ttl_ms = request->ttl_ms;
    request->wish.refreshed_by_host = request->refreshed_by_host;
    srl__subscribe(session, request->channel, &request->wish);
}

static void grant_connect(srl_request *request, srl_session *session, const srl__reply_to *to)
{
    srl__acceptance acceptance = {
        .user_id = slice_of(&request->user),
        .info = slice_of(&request->info),
        .data = slice_of(&request->reply_data),
        .ttl_ms = request->ttl_ms,
        .refreshed_by_host = request->refreshed_by_host,
        .subs = request->subscriptions,
        .held = request->held,
    };

    session->answers_pings = request->answers_pings;
    srl__session_accept(session, to, &acceptance);
    if (session->state != SRL__SESSION_CONNECTED) {
        srl__policy_revoke(session, request->channel); /* another try gets roles of its own */
    }
}

static void reply_refreshed(srl_session *session, const srl__reply_to *to, uint64_t ttl_ms)
{
    srl__session_codec(session)->reply_refresh(srl__session_encode(session), to, ttl_ms);
    srl__session_send_encoded(session);
}

static void renew_info(srl_request *request, srl_session *session)
{
    srl__subscriptions *table = &session->subscriptions;

    if (request->info.data == NULL) {
        return;
    }
    srl__free_bytes(&request->relay->alloc, session->info, session->info_len);
    session->info = request->info.data;
    session->info_len = (uint32_t)request->info.len;
    request->info = (owned_text){NULL, 0};
    for (uint32_t i = 0; i < table->capacity; i++) {
        if (table->slots[i].room != NULL && table->slots[i].live) {
            srl__attendance_renew(srl__attendance_of(&table->slots[i]));
        }
    }
}

static void grant_refresh(srl_request *request, srl_session *session, const srl__reply_to *to)
{
    renew_info(request, session);
    srl__session_ends_in(session, request->ttl_ms);
    reply_refreshed(session, to, request->ttl_ms);
}

/* The subscription may be gone by now. */
static void grant_sub_refresh(srl_request *request, srl_session *session, const srl__reply_to *to)
{
    srl__room *room = srl__room_find(session->relay, request->channel);
    srl__subscription *subscription = room != NULL ? srl__subscriptions_find(&session->subscriptions, room) : NULL;
    srl__terms *terms = subscription != NULL && subscription->live ? srl__terms_of(subscription) : NULL;

    if (terms == NULL) {
        srl__session_reply_error(session, to, SRL_REPLY_PERMISSION_DENIED, srl__slice_of("", 0));
        return;
    }
    if (request->info.data != NULL) {
        srl__owned_clear(request->relay, &terms->info);
        move_text(&terms->info, &request->info);
        srl__attendance_renew(terms->attendance);
    }
    srl__subscription_ends_in(session, terms, request->ttl_ms);
    reply_refreshed(session, to, request->ttl_ms);
}

static void grant(srl_request *request, srl_session *session)
{
    srl__reply_to to = reply_to(request);

    if (!hand_over_roles(request, session)) {
        srl__policy_revoke(session, request->channel);
        srl__session_reply_error(session, &to, SRL_REPLY_INTERNAL, srl__slice_of("", 0));
        return;
    }
    switch (request->kind) {
    case SRL_REQUEST_CONNECT:
        grant_connect(request, session, &to);
        break;
    case SRL_REQUEST_RPC:
        answer_rpc(session, &to, slice_of(&request->reply_data));
        break;
    case SRL_REQUEST_SUBSCRIBE:
        grant_subscription(request, session, &to);
        break;
    case SRL_REQUEST_REFRESH:
        grant_refresh(request, session, &to);
        break;
    case SRL_REQUEST_SUB_REFRESH:
        grant_sub_refresh(request, session, &to);
        break;
    case SRL_REQUEST_PRESENCE:
        srl__read_presence(session, &to);
        break;
    case SRL_REQUEST_HISTORY:
        srl__read_history(session, &to, &request->history);
        break;
    case SRL_REQUEST_MESSAGE:
        break;
    default:
        srl__publish(session, &to, request->reply_data.data != NULL ? slice_of(&request->reply_data) : request->data,
                     request->key);
        break;
    }
}

int srl_request_accept(srl_request *request)
{
    srl_relay *relay = request->relay;
    srl_session *session = NULL;

    srl__relay_enter(relay);
    session = conclude(request);
    if (session != NULL) {
        grant(request, session);
    }
    request_free(request);
    srl__relay_leave(relay);
    return session != NULL ? SRL_OK : SRL_ERR_CANCELLED;
}

int srl_request_reject(srl_request *request, uint32_t code, const char *message, size_t message_len)
{
    srl_relay *relay = request->relay;
    srl_session *session = NULL;

    srl__relay_enter(relay);
    session = conclude(request);
    if (session != NULL && request->kind != SRL_REQUEST_MESSAGE) {
        srl__reply_to to = reply_to(request);

        srl__session_reply_error(session, &to, code != 0 ? code : SRL_REPLY_PERMISSION_DENIED,
                                 srl__slice_of(message, message != NULL ? message_len : 0));
    }
    request_free(request);
    srl__relay_leave(relay);
    return session != NULL ? SRL_OK : SRL_ERR_CANCELLED;
}

int srl_request_disconnect(srl_request *request, uint32_t code, const char *reason, size_t reason_len)
{
    srl_relay *relay = request->relay;
    srl_session *session = NULL;

    srl__relay_enter(relay);
    session = conclude(request);
    if (session != NULL) {
        srl__session_disconnect(session, code != 0 && code <= UINT16_MAX ? code : SRL_DISCONNECT_FORCE_DISCONNECT,
                                srl__slice_of(reason, reason != NULL ? reason_len : 0));
    }
    request_free(request);
    srl__relay_leave(relay);
    return session != NULL ? SRL_OK : SRL_ERR_CANCELLED;
}

static int set_text(srl_request *request, owned_text *slot, const char *data, size_t len)
{
    char *copy = srl__copy_bytes(&request->relay->alloc, data, len);

    if (copy == NULL) {
        return SRL_ERR_NOMEM;
    }
    text_free(request->relay, slot);
    slot->data = copy;
    slot->len = len;
    return SRL_OK;
}

static int set_json(srl_request *request, owned_text *slot, const char *json, size_t len)
{
    srl__json_error problem;
    char text[160];
    int error = SRL_OK;

    if (!srl__json_validate(srl__slice_of(json, len), &request->relay->json_limits, NULL, &problem)) {
        (void)srl__json_error_text(&problem, text, sizeof(text));
        return srl__relay_fail(request->relay, SRL_ERR_JSON, text);
    }
    error = set_text(request, slot, json, len);
    if (error == SRL_OK) {
        srl__json_flatten(slot->data, slot->len);
    }
    return error;
}

int srl_request_set_user(srl_request *request, const char *user_id, size_t user_id_len)
{
    if (request->kind != SRL_REQUEST_CONNECT) {
        return SRL_ERR_STATE;
    }
    if (user_id_len > request->relay->settings.max_user_length) {
        return SRL_ERR_TOO_LARGE;
    }
    if (!srl__utf8_valid(user_id, user_id_len)) {
        return SRL_ERR_UTF8;
    }
    return set_text(request, &request->user, user_id, user_id_len);
}

int srl_request_set_info(srl_request *request, const char *json, size_t json_len)
{
    if (request->kind != SRL_REQUEST_CONNECT && request->kind != SRL_REQUEST_SUBSCRIBE &&
        request->kind != SRL_REQUEST_REFRESH && request->kind != SRL_REQUEST_SUB_REFRESH) {
        return SRL_ERR_STATE;
    }
    if (json_len > request->relay->settings.max_info_bytes) {
        return SRL_ERR_TOO_LARGE;
    }
    return set_json(request, &request->info, json, json_len);
}

int srl_request_set_data(srl_request *request, const char *json, size_t json_len)
{
    if (request->kind > SRL_REQUEST_RPC) {
        return SRL_ERR_STATE;
    }
    if (json_len > request->relay->settings.max_message_bytes) {
        return SRL_ERR_TOO_LARGE;
    }
    return set_json(request, &request->reply_data, json, json_len);
}

int srl_request_add_role(srl_request *request, const char *role, size_t role_len)
{
    srl__grant *added = NULL;

    if (request->kind != SRL_REQUEST_CONNECT && request->kind != SRL_REQUEST_SUBSCRIBE) {
        return SRL_ERR_STATE;
    }
    if (role_len == 0 || role_len > SRL_PERMISSIONS_MAX_ROLE_LENGTH) {
        return role_len == 0 ? SRL_ERR_INVALID : SRL_ERR_TOO_LARGE;
    }
    if (request->role_count >= SRL_PERMISSIONS_MAX_USER_ROLES) {
        return SRL_ERR_LIMIT;
    }
    added = srl__alloc_zeroed(&request->relay->alloc, sizeof(*added) + role_len);
    if (added == NULL) {
        return SRL_ERR_NOMEM;
    }
    added->role_len = (uint32_t)role_len;
    memcpy(added->text, role, role_len);
    added->next = request->roles;
    request->roles = added;
    request->role_count++;
    return SRL_OK;
}

int srl_request_set_expiry(srl_request *request, uint64_t ttl_ms)
{
    if (request->kind != SRL_REQUEST_CONNECT && request->kind != SRL_REQUEST_SUBSCRIBE &&
        request->kind != SRL_REQUEST_REFRESH && request->kind != SRL_REQUEST_SUB_REFRESH) {
        return SRL_ERR_STATE;
    }
    request->ttl_ms = ttl_ms;
    return SRL_OK;
}

int srl_request_set_refreshed_by_host(srl_request *request)
{
    if (request->kind != SRL_REQUEST_CONNECT && request->kind != SRL_REQUEST_SUBSCRIBE) {
        return SRL_ERR_STATE;
    }
    request->refreshed_by_host = true;
    return SRL_OK;
}

int srl_request_withhold(srl_request *request, uint32_t wishes)
{
    srl__subscribe_wish *wish = &request->wish;

    if (request->kind != SRL_REQUEST_SUBSCRIBE) {
        return SRL_ERR_STATE;
    }
    if ((wishes & ~(uint32_t)(SRL_WISH_POSITIONING | SRL_WISH_RECOVERY | SRL_WISH_JOIN_LEAVE)) != 0) {
        return SRL_ERR_INVALID;
    }
    wish->positioned = wish->positioned && (wishes & SRL_WISH_POSITIONING) == 0;
    wish->recoverable = wish->recoverable && (wishes & SRL_WISH_RECOVERY) == 0;
    wish->join_leave = wish->join_leave && (wishes & SRL_WISH_JOIN_LEAVE) == 0;
    return SRL_OK;
}

int srl_request_add_subscription(srl_request *request, const char *channel, size_t channel_len,
                                 const srl_subscription *options)
{
    if (request->kind != SRL_REQUEST_CONNECT) {
        return SRL_ERR_STATE;
    }
    return srl__server_sub_add(request->relay, &request->subscriptions, srl__slice_of(channel, channel_len), options);
}

int srl_request_kind(const srl_request *request)
{
    return request->kind;
}

srl_session *srl_request_session(const srl_request *request)
{
    return request->session;
}

const char *srl_request_user(const srl_request *request, size_t *len)
{
    srl__slice user = request->session != NULL ? srl__session_user(request->session) : srl__slice_of("", 0);

    *len = user.len;
    return user.data;
}

const char *srl_request_channel(const srl_request *request, size_t *len)
{
    *len = request->channel.len;
    return request->channel.data;
}

const char *srl_request_method(const srl_request *request, size_t *len)
{
    *len = request->method.len;
    return request->method.data;
}

const char *srl_request_token(const srl_request *request, size_t *len)
{
    *len = request->token.len;
    return request->token.data;
}

const char *srl_request_data(const srl_request *request, size_t *len)
{
    *len = request->data.len;
    return request->data.data;
}

const char *srl_request_client_name(const srl_request *request, size_t *len)
{
    *len = request->name.len;
    return request->name.data;
}

const char *srl_request_client_version(const srl_request *request, size_t *len)
{
    *len = request->version.len;
    return request->version.data;
}

const char *srl_request_headers(const srl_request *request, size_t *len)
{
    *len = request->headers.len;
    return request->headers.data;
}

const char *srl_request_subscriptions(const srl_request *request, size_t *len)
{
    *len = request->held.len;
    return request->held.data;
}
