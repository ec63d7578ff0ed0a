#include "engine/subscribe.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "engine/attendance.h"
#include "engine/connecting.h"
#include "engine/keepalive.h"
#include "engine/policy.h"
#include "engine/positions.h"
#include "engine/relay.h"
#include "engine/session.h"

static const srl__slice standard_text = {"", 0};

static uint32_t read_filter(srl_session *session, srl__slice filter, srl__subscribe_wish *out)
{
    int error = srl__session_codec(session)->read_filter(&session->relay->alloc, filter, &out->filter);

    if (error == SRL_OK) {
        return 0;
    }
    return error == SRL_ERR_NOMEM ? SRL_REPLY_INTERNAL : SRL_REPLY_BAD_REQUEST;
}

uint32_t srl__subscribe_read(srl_session *session, const srl__command *command, srl__subscribe_wish *out)
{
    const srl__channel_settings *settings = srl__namespaces_find(&session->relay->namespaces, command->channel);

    srl__wish_of_command(command, srl__session_codec(session), out);
    out->delta = command->delta && settings->delta && command->filter.len == 0; /* patches follow each other */
    out->numeric_id = command->numeric_id && settings->compaction;
    if (command->unknown_kind) {
        return SRL_REPLY_NOT_AVAILABLE;
    }
    if (command->filter.len == 0) {
        return 0;
    }
    return settings->tags_filter ? read_filter(session, command->filter, out) : SRL_REPLY_BAD_REQUEST;
}

uint32_t srl__subscribe_check(srl_session *session, srl__slice channel)
{
    srl_relay *relay = session->relay;
    srl__room *room = srl__room_find(relay, channel);

    if (room != NULL && srl__subscriptions_find(&session->subscriptions, room) != NULL) {
        return SRL_REPLY_ALREADY_SUBSCRIBED;
    }
    if (session->subscriptions.count >= relay->settings.max_channels) {
        srl__event_limit(session, channel, "max_channels");
        return SRL_REPLY_LIMIT_EXCEEDED;
    }
    if (room != NULL &&
        room->member_count + room->joining_count >= srl__policy_traits(relay, channel).max_subscribers) {
        srl__event_limit(session, channel, "max_subscribers");
        return SRL_REPLY_LIMIT_EXCEEDED;
    }
    return 0;
}

static bool wants_recovery(srl__room *room, const srl__subscribe_wish *wish)
{
    const srl__channel_settings *settings = srl__room_settings(room);
    bool from_cache = settings->recovery_mode == SRL__RECOVERY_CACHE && settings->cache_on_subscribe;

    switch ((srl__recovery)settings->recovery) {
    case SRL__RECOVERY_OFF:
        return false;
    case SRL__RECOVERY_ON:
        return wish->recover || wish->has_offset || from_cache;
    default:
        return wish->recoverable && (wish->recover || from_cache);
    }
}

static srl__joining *join(srl_session *session, srl__room *room, srl__subscribe_wish *wish)
{
    const srl_allocator *alloc = &room->relay->alloc;
    srl__subscription *subscription = NULL;
    srl__joining *joining = NULL;

    if (!srl__room_reserve(room)) {
        return NULL;
    }
    subscription = srl__subscriptions_add(&session->subscriptions, alloc, room);
    if (subscription == NULL) {
        return NULL;
    }
    joining = srl__joining_create(session, room, wish);
    if (joining == NULL) {
        srl__subscriptions_remove(&session->subscriptions, alloc, subscription);
        return NULL;
    }
    subscription->is.joining = joining;
    joining->recover = wants_recovery(room, wish);
    joining->resume = wish->recover && joining->recover && !wish->has_offset;
    joining->since = wish->since;
    return joining;
}

/* No subscription: nor the roles that the host gave for it. */
static void refuse(srl_session *session, const srl__reply_to *to, uint32_t code)
{
    srl__policy_revoke(session, to->channel);
    srl__session_reply_error(session, to, code, standard_text);
}

void srl__subscribe(srl_session *session, srl__slice channel, srl__subscribe_wish *wish)
{
    srl__reply_to to = {wish->id, SRL__COMMAND_SUBSCRIBE, channel};
    srl__room *room = NULL;
    srl__joining *joining = NULL;
    uint32_t refused = srl__subscribe_check(session, channel);
    int error = SRL_OK;

    if (refused == 0) {
        error = srl__room_open(session->relay, channel, &room);
    }
    if (error == SRL_ERR_LIMIT) {
        srl__event_limit(session, channel, "max_rooms");
        refused = SRL_REPLY_LIMIT_EXCEEDED;
    } else if (error != SRL_OK) {
        refused = srl__reply_code_of(error);
    }
    if (refused != 0) {
        srl__wish_clear(session->relay, wish);
        refuse(session, &to, refused);
        return;
    }
    if (room->closed || (joining = join(session, room, wish)) == NULL) {
        refuse(session, &to, room->refused != 0 ? room->refused : SRL_REPLY_INTERNAL);
    } else if (room->open) {
        srl__joining_proceed(joining);
    }
    srl__wish_clear(session->relay, wish);
    srl__room_unpin(room);
}

/* A client that is on its way in need not be a member any more to get there. */
static void let_in(srl_session *session, srl__slice channel)
{
    srl__room *room = srl__room_find(session->relay, channel);
    srl__subscription *subscription = room != NULL ? srl__subscriptions_find(&session->subscriptions, room) : NULL;

    if (subscription != NULL && !subscription->live) {
        subscription->is.joining->is_member = true;
    }
}

static bool is_in(srl_session *session, srl__slice channel)
{
    srl__room *room = srl__room_find(session->relay, channel);

    return room != NULL && srl__subscriptions_find(&session->subscriptions, room) != NULL;
}

/* Begin for the host, in an open session. What it gives for reply codes is told by an error of error.h. */
static int begin_for_host(srl_session *session, srl__slice channel, srl__subscribe_wish *wish, bool in_connect)
{
    srl__room *room = NULL;
    srl__joining *joining = NULL;
    int error = srl__room_open(session->relay, channel, &room);

    if (error == SRL_ERR_LIMIT) {
        srl__event_limit(session, channel, "max_rooms");
    }
    if (error != SRL_OK) {
        return error;
    }
    joining = room->closed ? NULL : join(session, room, wish);
    if (joining != NULL) {
        joining->by_server = true;
        joining->in_connect = in_connect;
        if (room->open) {
            srl__joining_proceed(joining);
        }
    } else {
        error = room->closed ? SRL_ERR_BROKER_DOWN : SRL_ERR_NOMEM;
    }
    srl__room_unpin(room);
    return error;
}

int srl__subscribe_by_host(srl_session *session, srl__slice channel, srl__subscribe_wish *wish)
{
    int error = SRL_OK;

    let_in(session, channel);
    if (session->state == SRL__SESSION_CONNECTED && !is_in(session, channel)) {
        wish->join_leave = (srl__session_codec(session)->traits & SRL__CODEC_ASKS_FOR_JOINS) == 0;
        error =
            srl__subscribe_check(session, channel) != 0 ? SRL_ERR_LIMIT : begin_for_host(session, channel, wish, false);
    }
    srl__wish_clear(session->relay, wish);
    return error;
}

void srl__subscribe_in_connect(srl_session *session, srl__slice channel, srl__subscribe_wish *wish)
{
    int error = SRL_OK;

    if (srl__subscribe_check(session, channel) != 0) {
        error = SRL_ERR_LIMIT;
    } else {
        error = begin_for_host(session, channel, wish, true);
    }
    if (error != SRL_OK) {
        srl__connecting_failed(session, error == SRL_ERR_LIMIT ? SRL_REPLY_LIMIT_EXCEEDED : SRL_REPLY_INTERNAL);
    }
    srl__wish_clear(session->relay, wish);
}

/* The client does not know what it misses. */
void srl__subscribe_by_server(srl_session *session, srl__slice channel, const srl_subscription *options)
{
    srl__subscribe_wish wish;
    int error = srl__wish_of_options(session->relay, options, &wish);

    if (error == SRL_OK) {
        error = srl__subscribe_by_host(session, channel, &wish);
    } else {
        srl__wish_clear(session->relay, &wish);
    }
    if (error == SRL_ERR_NOMEM) {
        srl__session_doom(session, SRL_DISCONNECT_INSUFFICIENT_STATE);
    }
}

static void cancel_joining(srl_session *session, srl__room *room, srl__joining *joining)
{
    srl__reply_to to = {joining->wish.id, SRL__COMMAND_SUBSCRIBE, srl__room_name(room)};
    bool by_server = joining->by_server;
    bool in_connect = joining->in_connect;

    srl__joining_cancel(joining);
    if (in_connect) {
        srl__connecting_done(session);
    } else if (!by_server) {
        srl__session_reply_error(session, &to, SRL_REPLY_BAD_REQUEST,
                                 SRL__LIT("unsubscribed before the subscription was made"));
    }
}

bool srl__unsubscribe(srl_session *session, srl__room *room, uint32_t code)
{
    srl__subscription *subscription = srl__subscriptions_find(&session->subscriptions, room);
    srl__subscription was;

    if (subscription == NULL) {
        return false;
    }
    was = *subscription;
    srl__room_pin(room);
    if (was.live) {
        srl__position_delivered(session, room);
        srl__room_remove_member(room, session, subscription);
        srl__event_of(session, SRL_EVENT_UNSUBSCRIBED, code, srl__room_name(room), srl__slice_of("", 0));
    } else {
        cancel_joining(session, room, was.is.joining);
    }
    srl__subscriptions_remove(&session->subscriptions, &room->relay->alloc, subscription);
    if (session->grants != NULL) {
        srl__policy_revoke(session, srl__room_name(room));
    }
    if (code != 0 && srl__session_is_open(session)) {
        const char *reason = srl_unsubscribe_text(code);

        srl__session_codec(session)->push_unsubscribe(srl__session_encode(session), srl__room_name(room), code,
                                                      srl__slice_of(reason, strlen(reason)));
        srl__session_send_encoded(session);
    }
    if (was.live) {
        srl__attendance_end(srl__attendance_of(&was));
        srl__terms_drop(room, srl__terms_of(&was));
        srl__room_left(room);
    }
    srl__room_unpin(room);
    return true;
}

void srl__unsubscribe_all(srl_session *session)
{
    srl__subscription *subscription = NULL;
    uint32_t hint = 0;

    while ((subscription = srl__subscriptions_any(&session->subscriptions, &hint)) != NULL) {
        (void)srl__unsubscribe(session, subscription->room, 0);
    }
}

static uint64_t earlier(uint64_t one, uint64_t other)
{
    return one == 0 || (other != 0 && other < one) ? other : one;
}

void srl__subscription_ends_in(srl_session *session, srl__terms *terms, uint64_t ttl_ms)
{
    const srl_relay *relay = session->relay;
    uint64_t grace_ms = terms->refreshes ? relay->settings.expired_sub_close_delay : 0;

    terms->expires_ms = 0;
    if (ttl_ms > 0) {
        terms->expires_ms = srl__relay_after(relay, ttl_ms < UINT64_MAX - grace_ms ? ttl_ms + grace_ms : UINT64_MAX);
        session->subs_due_ms = earlier(session->subs_due_ms, terms->expires_ms);
        srl__keepalive_arm(session);
    }
}

/* One that is due, or NULL; *next is when the next one of the others is. */
static srl__subscription *find_due(srl_session *session, uint64_t *next)
{
    srl__subscriptions *table = &session->subscriptions;

    for (uint32_t i = 0; i < table->capacity; i++) {
        srl__subscription *subscription = &table->slots[i];
        srl__terms *terms = subscription->room != NULL ? srl__terms_of(subscription) : NULL;

        if (terms == NULL || terms->expires_ms == 0) {
            continue;
        }
        if (terms->expires_ms <= session->relay->now_ms) {
            return subscription;
        }
        *next = earlier(*next, terms->expires_ms);
    }
    return NULL;
}

void srl__subscriptions_due(srl_session *session)
{
    srl__subscription *subscription = NULL;
    uint64_t next = 0;

    while (srl__session_is_open(session) && (subscription = find_due(session, &next)) != NULL) {
        bool insistent = (srl__session_codec(session)->traits & SRL__CODEC_INSISTENT) != 0;

        if (subscription->by_server && insistent) {
            srl__session_disconnect(session, SRL_DISCONNECT_SUB_EXPIRED, standard_text);
        } else {
            (void)srl__unsubscribe(session, subscription->room, SRL_UNSUBSCRIBE_EXPIRED);
        }
        next = 0;
    }
    session->subs_due_ms = next;
}
