/* What the host does with one session, as <streamrelay/session.h> describes it; its life is in session.c. */
#include <streamrelay/error.h>

#include "base/table.h"
#include "engine/command.h"
#include "engine/relay.h"
#include "engine/subscribe.h"

int srl_session_connect(srl_session *session, const char *params, size_t params_len)
{
    srl_relay *relay = session->relay;

    if (!session->one_way) {
        return SRL_ERR_STATE;
    }
    if (session->state != SRL__SESSION_NEW || session->request != NULL) {
        return srl__session_is_open(session) ? SRL_ERR_STATE : SRL_ERR_CLOSED;
    }
    srl__relay_enter(relay);
    if (params_len > relay->settings.max_message_bytes) {
        srl__session_misbehaved(session, srl__slice_of("", 0));
    } else {
        srl__command_connect(session, srl__slice_of(params, params_len));
    }
    srl__relay_leave(relay);
    return SRL_OK;
}

void srl_subscription_init(srl_subscription *subscription, size_t size)
{
    srl_subscription none = {.info = "", .data = "", .recover_epoch = ""};

    srl__table_fill(subscription, size, &none, sizeof(none));
}

static int state_of(const srl_session *session)
{
    if (session->state == SRL__SESSION_CONNECTED) {
        return SRL_OK;
    }
    return srl__session_is_open(session) ? SRL_ERR_STATE : SRL_ERR_CLOSED;
}

int srl_session_subscribe(srl_session *session, const char *channel, size_t channel_len,
                          const srl_subscription *options)
{
    srl_relay *relay = session->relay;
    srl__slice name = srl__slice_of(channel, channel_len);
    srl__subscribe_wish wish;
    int error = state_of(session);

    if (error != SRL_OK) {
        return error;
    }
    if (!srl__channel_is_valid(relay, name)) {
        return srl__relay_fail(relay, SRL_ERR_INVALID, "channel: not a valid name");
    }
    srl__relay_enter(relay);
    error = srl__wish_of_options(relay, options, &wish);
    if (error == SRL_OK) {
        error = srl__subscribe_by_host(session, name, &wish);
    } else {
        srl__wish_clear(relay, &wish);
    }
    srl__relay_leave(relay);
    return error;
}

static srl__subscription *find(const srl_session *session, const char *channel, size_t channel_len)
{
    srl__room *room = srl__room_find(session->relay, srl__slice_of(channel, channel_len));
    srl__subscription *subscription = room != NULL ? srl__subscriptions_find(&session->subscriptions, room) : NULL;

    return subscription != NULL && subscription->live ? subscription : NULL;
}

/* The terms of a subscription, made if it has none; NULL when out of memory. */
static srl__terms *require_terms(srl_session *session, srl__subscription *subscription)
{
    srl__subscribe_wish none = {0};
    srl__terms *terms = srl__terms_of(subscription);

    if (terms != NULL) {
        return terms;
    }
    terms = srl__terms_create(session->relay, &none);
    if (terms != NULL) {
        terms->attendance = subscription->is.attendance;
        subscription->is.terms = terms;
        subscription->special = 1;
        session->specials++;
    }
    return terms;
}

int srl_session_set_subscription_expiry(srl_session *session, const char *channel, size_t channel_len, uint64_t ttl_ms)
{
    srl_relay *relay = session->relay;
    srl__subscription *subscription = NULL;
    srl__terms *terms = NULL;

    if (!srl__session_is_open(session)) {
        return SRL_ERR_CLOSED;
    }
    subscription = find(session, channel, channel_len);
    if (subscription == NULL) {
        return SRL_ERR_NOT_FOUND;
    }
    srl__relay_enter(relay);
    terms = require_terms(session, subscription);
    if (terms != NULL) {
        srl__subscription_ends_in(session, terms, ttl_ms);
    }
    srl__relay_leave(relay);
    return terms != NULL ? SRL_OK : SRL_ERR_NOMEM;
}

int srl_session_is_subscribed(const srl_session *session, const char *channel, size_t channel_len)
{
    return find(session, channel, channel_len) != NULL;
}

int srl_session_send(srl_session *session, const char *json, size_t json_len)
{
    srl_relay *relay = session->relay;
    srl__owned message = {NULL, 0};
    int error = state_of(session);

    if (error != SRL_OK) {
        return error;
    }
    if (json_len > relay->settings.max_message_bytes) {
        return srl__relay_fail(relay, SRL_ERR_TOO_LARGE, "json: larger than max_message_bytes");
    }
    srl__relay_enter(relay);
    error = srl__owned_set_json(relay, &message, srl__slice_of(json, json_len));
    if (error == SRL_OK) {
        srl__session_codec(session)->push_message(srl__session_encode(session), srl__owned_slice(&message));
        srl__session_send_encoded(session);
    }
    srl__owned_clear(relay, &message);
    srl__relay_leave(relay);
    return error;
}

int srl_session_protocol(const srl_session *session)
{
    if (session->detects) {
        return SRL_PROTOCOL_DETECT;
    }
    return session->protocol == SRL__CODEC_NATIVE ? SRL_PROTOCOL_NATIVE : SRL_PROTOCOL_CENTRIFUGO;
}

size_t srl_session_separator_len(const srl_session *session)
{
    return srl__session_codec(session)->separator.len;
}
