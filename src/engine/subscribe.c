#include "engine/subscribe.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "engine/attendance.h"
#include "engine/policy.h"
#include "engine/positions.h"
#include "engine/relay.h"
#include "engine/session.h"

static const srl__slice standard_text = {"", 0};

void srl__subscribe_wish_of(const srl__command *command, srl__subscribe_wish *out)
{
    memset(out, 0, sizeof(*out));
    out->id = command->id;
    out->recover = command->recover;
    out->has_offset = command->has_offset;
    out->since.offset = command->offset;
    if (!srl__epoch_set(&out->since.epoch, command->epoch)) {
        (void)srl__epoch_set(&out->since.epoch, SRL__LIT("?"));
    }
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
    switch ((srl__recovery)srl__room_settings(room)->recovery) {
    case SRL__RECOVERY_OFF:
        return false;
    case SRL__RECOVERY_ON:
        return wish->recover || wish->has_offset;
    default:
        return wish->recover;
    }
}

static srl__joining *join(srl_session *session, srl__room *room, const srl__subscribe_wish *wish)
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
    joining = srl__joining_create(session, room, wish->id);
    if (joining == NULL) {
        srl__subscriptions_remove(&session->subscriptions, alloc, subscription);
        return NULL;
    }
    subscription->is.joining = joining;
    joining->recover = wants_recovery(room, wish);
    joining->resume = joining->recover && !wish->has_offset;
    joining->since = wish->since;
    return joining;
}

/* No subscription: nor the roles that the host gave for it. */
static void refuse(srl_session *session, const srl__reply_to *to, uint32_t code)
{
    srl__policy_revoke(session, to->channel);
    srl__session_reply_error(session, to, code, standard_text);
}

void srl__subscribe(srl_session *session, srl__slice channel, const srl__subscribe_wish *wish)
{
    srl__reply_to to = {wish->id, SRL__COMMAND_SUBSCRIBE, channel};
    srl__room *room = NULL;
    srl__joining *joining = NULL;
    uint32_t refused = srl__subscribe_check(session, channel);
    int error = SRL_OK;

    if (refused != 0) {
        refuse(session, &to, refused);
        return;
    }
    error = srl__room_open(session->relay, channel, &room);
    if (error == SRL_ERR_LIMIT) {
        srl__event_limit(session, channel, "max_rooms");
    }
    if (error != SRL_OK) {
        refuse(session, &to, error == SRL_ERR_LIMIT ? SRL_REPLY_LIMIT_EXCEEDED : srl__reply_code_of(error));
        return;
    }
    if (room->closed || (joining = join(session, room, wish)) == NULL) {
        refuse(session, &to, room->refused != 0 ? room->refused : SRL_REPLY_INTERNAL);
    } else if (room->open) {
        srl__joining_proceed(joining);
    }
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

/* The client does not know what it misses: when memory is short it has to come back. */
static void cannot_be_put(srl_session *session, srl__slice channel, int error)
{
    if (error == SRL_ERR_LIMIT) {
        srl__event_limit(session, channel, "max_rooms");
    } else if (error == SRL_ERR_NOMEM) {
        srl__session_doom(session, SRL_DISCONNECT_INSUFFICIENT_STATE);
    }
}

void srl__subscribe_by_server(srl_session *session, srl__slice channel)
{
    srl__subscribe_wish wish = {0};
    srl__room *room = NULL;
    srl__joining *joining = NULL;
    int error = SRL_OK;

    let_in(session, channel);
    if (session->state != SRL__SESSION_CONNECTED || srl__subscribe_check(session, channel) != 0) {
        return;
    }
    error = srl__room_open(session->relay, channel, &room);
    if (error != SRL_OK) {
        cannot_be_put(session, channel, error);
        return;
    }
    joining = room->closed ? NULL : join(session, room, &wish);
    if (joining != NULL) {
        joining->by_server = true;
        if (room->open) {
            srl__joining_proceed(joining);
        }
    } else if (!room->closed) {
        cannot_be_put(session, channel, SRL_ERR_NOMEM);
    }
    srl__room_unpin(room);
}

static void cancel_joining(srl_session *session, srl__room *room, srl__joining *joining)
{
    srl__reply_to to = {joining->id, SRL__COMMAND_SUBSCRIBE, srl__room_name(room)};

    bool by_server = joining->by_server;

    srl__joining_cancel(joining);
    if (by_server) {
        return;
    }
    srl__session_reply_error(session, &to, SRL_REPLY_BAD_REQUEST,
                             SRL__LIT("unsubscribed before the subscription was made"));
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
        srl__attendance_end(was.is.attendance);
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
