#include "engine/rooms.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "engine/delivery.h"
#include "engine/joining.h"
#include "engine/relay.h"
#include "engine/room_check.h"
#include "engine/session.h"
#include "engine/subscribe.h"
#include "engine/terms.h"

bool srl__epoch_set(srl__epoch *epoch, srl__slice text)
{
    if (text.len > SRL__EPOCH_MAX) {
        return false;
    }
    epoch->len = (uint8_t)text.len;
    if (text.len > 0) {
        memcpy(epoch->text, text.data, text.len);
    }
    return true;
}

srl__room *srl__room_find(srl_relay *relay, srl__slice channel)
{
    return srl__map_get(&relay->rooms, channel);
}

const srl__channel_settings *srl__room_settings(srl__room *room)
{
    srl__namespaces *namespaces = &room->relay->namespaces;

    if (room->settings == NULL || room->settings_generation != namespaces->generation) {
        room->settings = srl__namespaces_find(namespaces, srl__room_name(room));
        room->settings_generation = namespaces->generation;
    }
    return room->settings;
}

static void room_free(srl__room *room)
{
    const srl_allocator *alloc = &room->relay->alloc;

    srl__fanout_flush(room);
    srl__free(alloc, room->members, room->member_capacity * sizeof(*room->members));
    srl__free(alloc, room, sizeof(*room) + room->name_len);
}

/* Out of the map; the name may be taken by a new room from now on. */
static void room_close(srl__room *room)
{
    srl_relay *relay = room->relay;

    if (room->closed) {
        return;
    }
    room->closed = 1;
    srl__alarm_cancel(relay, &room->alarm);
    (void)srl__map_remove(&relay->rooms, srl__room_name(room));
    if (relay->link != NULL) {
        srl__broker_ops_of(relay->broker)->unsubscribe(relay->link, room->name, room->name_len, room);
    }
}

/* Where the room is now, unless a delivery that came before the answer says that it is further already. */
static void take_position(srl__room *room, const srl_broker_result *result)
{
    srl__slice epoch = srl__slice_of(result->epoch, result->epoch_len);

    if (room->positioned && srl__slice_equal(srl__epoch_slice(&room->epoch), epoch) && room->offset > result->offset) {
        return;
    }
    room->offset = result->offset;
    room->positioned = epoch.len > 0 && srl__epoch_set(&room->epoch, epoch);
}

static void room_opened(srl__call *call, const srl_broker_result *result)
{
    srl__room *room = SRL__CONTAINER(call, srl__room, opening);

    if (result->error == SRL_OK) {
        room->open = 1;
        take_position(room, result);
        srl__joinings_proceed(room);
    } else {
        room->refused = (uint16_t)srl__reply_code_of(result->error);
        room_close(room);
        srl__joinings_fail(room, room->refused);
    }
    srl__room_unpin(room);
}

/* Nobody is in it, nor on the way into it, nor needs its memory. */
static bool is_deserted(const srl__room *room)
{
    return room->pins == 0 && room->member_count == 0 && room->joining_count == 0;
}

static void room_end(srl__room *room)
{
    room_close(room);
    room_free(room);
}

static void room_due(srl_relay *relay, srl__alarm *alarm)
{
    srl__room *room = SRL__CONTAINER(alarm, srl__room, alarm);

    (void)relay;
    if (is_deserted(room)) {
        room_end(room);
    } else {
        srl__room_check_position(room);
    }
}

static srl__room *room_create(srl_relay *relay, srl__slice channel)
{
    srl__room *room = srl__alloc_zeroed(&relay->alloc, sizeof(*room) + channel.len);

    if (room == NULL) {
        return NULL;
    }
    room->relay = relay;
    room->name_len = (uint32_t)channel.len;
    memcpy(room->name, channel.data, channel.len);
    srl__list_init(&room->joinings);
    srl__list_init(&room->opening.link);
    srl__alarm_init(&room->alarm, room_due);
    srl__gathered_init(&room->gathered);
    return room;
}

int srl__room_open(srl_relay *relay, srl__slice channel, srl__room **out)
{
    srl_broker_channel wanted;
    srl__room *room = srl__room_find(relay, channel);
    int error = SRL_OK;

    if (room != NULL) {
        room->pins++;
        *out = room;
        return SRL_OK;
    }
    if (relay->rooms.count >= relay->settings.max_rooms) {
        return SRL_ERR_LIMIT;
    }
    room = room_create(relay, channel);
    if (room == NULL) {
        return SRL_ERR_NOMEM;
    }
    if (srl__map_add(&relay->rooms, srl__room_name(room), room) != SRL_OK) {
        room_free(room);
        return SRL_ERR_NOMEM;
    }
    room->pins = 2; /* the caller and the broker's answer */
    srl__call_begin(relay, &room->opening, room_opened);
    wanted = srl__broker_channel_of(srl__room_name(room), srl__room_settings(room));
    error = srl__broker_ops_of(relay->broker)->subscribe(relay->link, &wanted, room, &room->opening.operation);
    if (error != SRL_OK) {
        srl__call_abandon(&room->opening);
        (void)srl__map_remove(&relay->rooms, srl__room_name(room));
        room_free(room);
        return error;
    }
    *out = room;
    return SRL_OK;
}

void srl__room_pin(srl__room *room)
{
    room->pins++;
}

void srl__room_unpin(srl__room *room)
{
    srl_relay *relay = room->relay;

    room->pins--;
    if (!is_deserted(room)) {
        return;
    }
    if (!room->closed && room->open && !relay->destroyed && srl__room_settings(room)->idle_lifetime > 0) {
        srl__alarm_set(relay, &room->alarm, relay->now_ms + srl__room_settings(room)->idle_lifetime);
        return;
    }
    room_end(room);
}

bool srl__room_reserve(srl__room *room)
{
    void *members = room->members;
    uint32_t need = room->member_count + room->joining_count + 1;

    if (need <= room->member_capacity) {
        return true;
    }
    if (!srl__grow_array(&room->relay->alloc, &members, &room->member_capacity, need, UINT32_MAX,
                         sizeof(*room->members))) {
        return false;
    }
    room->members = members;
    return true;
}

static void tell_of(const srl__room *room, srl_event_type type)
{
    srl__slice none = srl__slice_of("", 0);

    srl__event(room->relay, type, 0, srl__room_name(room), none, none);
}

void srl__room_left(srl__room *room)
{
    if (room->member_count == 0) {
        room->relay->live_rooms--;
        tell_of(room, SRL_EVENT_ROOM_REMOVED);
    }
}

/* Whether publications take another form for a member than for most. */
static bool is_odd(const srl__room *room, const srl_session *session, const srl__subscription *subscription)
{
    return session->protocol != room->codec || srl__terms_change_form(srl__terms_of(subscription));
}

/* The last member that was not odd has gone: perhaps the others have something in common. */
static void find_common_form(srl__room *room)
{
    room->odd_count = 0;
    room->codec = room->members[0]->protocol;
    for (uint32_t i = 0; i < room->member_count; i++) {
        srl_session *session = room->members[i];

        room->odd_count += is_odd(room, session, srl__subscriptions_find(&session->subscriptions, room));
    }
}

void srl__room_add_member(srl__room *room, srl_session *session, srl__subscription *subscription, srl__terms *terms)
{
    srl__fanout_flush(room);
    subscription->place = room->member_count;
    subscription->live = 1;
    subscription->is.attendance = NULL;
    if (terms != NULL) {
        subscription->is.terms = terms;
        subscription->special = 1;
        session->specials++;
    }
    srl__room_plan_check(room);
    if (room->member_count == 0) {
        room->relay->live_rooms++;
        room->codec = session->protocol;
        tell_of(room, SRL_EVENT_ROOM_CREATED);
    }
    room->odd_count += is_odd(room, session, subscription);
    room->members[room->member_count++] = session;
    room->relay->subscriptions++;
}

void srl__room_remove_member(srl__room *room, srl_session *session, srl__subscription *subscription)
{
    srl_session *last = NULL;

    srl__fanout_flush(room);
    srl__room_set_quiet(room, subscription, false);
    room->odd_count -= is_odd(room, session, subscription);
    last = room->members[--room->member_count];
    room->relay->subscriptions--;
    if (last != session) {
        room->members[subscription->place] = last;
        srl__subscriptions_find(&last->subscriptions, room)->place = subscription->place;
    }
    session->specials -= subscription->special;
    subscription->live = 0;
    subscription->special = 0;
    if (room->member_count > 0 && room->odd_count == room->member_count) {
        find_common_form(room);
    }
}

void srl__room_doom_members(srl__room *room)
{
    for (uint32_t i = 0; i < room->member_count; i++) {
        srl__session_doom(room->members[i], SRL_DISCONNECT_INSUFFICIENT_STATE);
    }
}

void srl__room_set_quiet(srl__room *room, srl__subscription *subscription, bool quiet)
{
    if (subscription->quiet != quiet) {
        subscription->quiet = quiet;
        room->quiet_count += quiet ? 1u : UINT32_MAX; /* minus one */
    }
}

static bool is_publication(int kind)
{
    return kind == SRL_MESSAGE_PUBLICATION || kind == SRL_MESSAGE_TRANSIENT;
}

/* Encode one event for the format of a room's members; NULL when out of memory. */
static srl_frame *encode(srl__room *room, int kind, const srl_publication *publication, srl__slice epoch)
{
    const srl__codec *codec = srl__codecs[room->codec];
    srl__buf *out = &room->relay->encoded;

    srl__buf_reset(out);
    if (kind == SRL_MESSAGE_JOIN) {
        codec->push_join(out, srl__room_name(room), publication);
    } else if (kind == SRL_MESSAGE_LEAVE) {
        codec->push_leave(out, srl__room_name(room), publication);
    } else {
        codec->push_publication(out, srl__room_name(room), publication, epoch);
    }
    return out->error == 0 ? srl__frame_create(&room->relay->alloc, srl__slice_of(out->data, out->len)) : NULL;
}

/* The usual case: nobody is on the way in, and all members get the same. */
static void send_alike(srl__room *room, int kind, const srl_publication *publication, srl__slice epoch)
{
    srl_frame *frame = encode(room, kind, publication, epoch);

    if (frame == NULL) {
        srl__room_doom_members(room);
        return;
    }
    frame->offset = publication->offset;
    frame->origin = room;
    if (frame->len > 0 && !srl__fanout_add(room, frame)) {
        srl__room_doom_members(room);
    }
    srl_frame_unref(frame);
}

static void send_to_all(srl__room *room, int kind, const srl_publication *publication, srl__slice epoch)
{
    bool differ = room->odd_count > 0 || room->joining_count > 0 || room->base != NULL ||
                  (room->quiet_count > 0 && !is_publication(kind));

    if (differ) {
        srl__delivery_spread(room, kind, publication, epoch);
    } else if (room->member_count > 0) {
        send_alike(room, kind, publication, epoch);
    }
}

/* A subscription that the server made cannot be made again by the client, so that some formats end the session. */
static void lose_place(srl__room *room, srl_session *session)
{
    srl__subscription *subscription = srl__subscriptions_find(&session->subscriptions, room);
    bool insistent = (srl__session_codec(session)->traits & SRL__CODEC_INSISTENT) != 0;

    if (subscription->loose) {
        return;
    }
    if (subscription->by_server && insistent) {
        srl__session_disconnect(session, SRL_DISCONNECT_INSUFFICIENT_STATE, srl__slice_of("", 0));
    } else {
        (void)srl__unsubscribe(session, room, SRL_UNSUBSCRIBE_INSUFFICIENT_STATE);
    }
}

void srl__room_start_anew(srl__room *room)
{
    srl__joinings_spoil(room);
    srl__base_forget(room);
    for (uint32_t left = room->member_count; left > 0; left--) {
        if (left <= room->member_count) {
            lose_place(room, room->members[left - 1]);
        }
    }
}

void srl__room_reposition(srl__room *room, uint64_t offset, srl__slice epoch)
{
    srl__room_pin(room);
    srl__room_start_anew(room);
    if (srl__epoch_set(&room->epoch, epoch)) {
        room->positioned = epoch.len > 0;
        room->offset = offset;
    }
    srl__joinings_advance(room);
    srl__room_unpin(room);
}

void srl__room_deliver(srl__room *room, int kind, const srl_publication *publication, srl__slice epoch)
{
    srl__slice new_epoch = srl__slice_of("", 0);
    bool continues = true;

    if (kind != SRL_MESSAGE_PUBLICATION || publication->offset == 0) {
        room->relay->publications += is_publication(kind);
        send_to_all(room, kind, publication, new_epoch);
        return;
    }
    continues = room->positioned && srl__slice_equal(srl__epoch_slice(&room->epoch), epoch);
    if (continues && publication->offset <= room->offset) {
        return;
    }
    srl__room_pin(room);
    if (room->positioned && (!continues || publication->offset != room->offset + 1)) {
        srl__room_start_anew(room);
    }
    if (!continues || publication->offset == 1) {
        new_epoch = epoch;
    }
    (void)srl__epoch_set(&room->epoch, epoch);
    room->positioned = 1;
    room->offset = publication->offset;
    room->relay->publications++;
    send_to_all(room, kind, publication, new_epoch);
    srl__joinings_advance(room);
    srl__room_unpin(room);
}

void srl__rooms_free(srl_relay *relay)
{
    uint32_t cursor = 0;
    srl__room *room = NULL;

    while ((room = srl__map_next(&relay->rooms, &cursor)) != NULL) {
        room_free(room);
    }
    srl__map_free(&relay->rooms);
}
