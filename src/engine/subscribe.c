#include "engine/subscribe.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "engine/attendance.h"
#include "engine/relay.h"
#include "engine/session.h"

static const srl__slice standard_text = {"", 0};

void srl__subscribe_wish_of(const srl__command *command, srl__subscribe_wish *out)
{
    memset(out, 0, sizeof(*out));
    out->id = command->id;
    out->recover = command->recover;
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
        return SRL_REPLY_LIMIT_EXCEEDED;
    }
    if (room != NULL && room->member_count + room->joining_count >= srl__room_settings(room)->max_subscribers) {
        return SRL_REPLY_LIMIT_EXCEEDED;
    }
    return 0;
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
    joining->recover = wish->recover;
    joining->since = wish->since;
    return joining;
}

void srl__subscribe(srl_session *session, srl__slice channel, const srl__subscribe_wish *wish)
{
    srl__reply_to to = {wish->id, SRL__COMMAND_SUBSCRIBE, channel};
    srl__room *room = NULL;
    srl__joining *joining = NULL;
    uint32_t refused = srl__subscribe_check(session, channel);
    int error = SRL_OK;

    if (refused != 0) {
        srl__session_reply_error(session, &to, refused, standard_text);
        return;
    }
    error = srl__room_open(session->relay, channel, &room);
    if (error != SRL_OK) {
        srl__session_reply_error(
            session, &to, error == SRL_ERR_LIMIT ? SRL_REPLY_LIMIT_EXCEEDED : srl__reply_code_of(error), standard_text);
        return;
    }
    if (room->closed || (joining = join(session, room, wish)) == NULL) {
        srl__session_reply_error(session, &to, SRL_REPLY_INTERNAL, standard_text);
    } else if (room->open) {
        srl__joining_proceed(joining);
    }
    srl__room_unpin(room);
}

static void cancel_joining(srl_session *session, srl__room *room, srl__joining *joining)
{
    srl__reply_to to = {joining->id, SRL__COMMAND_SUBSCRIBE, srl__room_name(room)};

    srl__joining_cancel(joining);
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
        srl__room_remove_member(room, session, subscription);
    } else {
        cancel_joining(session, room, was.is.joining);
    }
    srl__subscriptions_remove(&session->subscriptions, &room->relay->alloc, subscription);
    if (code != 0 && srl__session_is_open(session)) {
        const char *reason = srl_unsubscribe_text(code);

        srl__session_codec(session)->push_unsubscribe(srl__session_encode(session), srl__room_name(room), code,
                                                      srl__slice_of(reason, strlen(reason)));
        srl__session_send_encoded(session);
    }
    if (was.live) {
        srl__attendance_end(was.is.attendance);
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
