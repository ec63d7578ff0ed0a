#include "engine/rooms.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "engine/joining.h"
#include "engine/relay.h"
#include "engine/session.h"
#include "engine/subscribe.h"

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
    (void)srl__map_remove(&relay->rooms, srl__room_name(room));
    if (relay->link != NULL) {
        srl__broker_ops_of(relay->broker)->unsubscribe(relay->link, room->name, room->name_len, room);
    }
}

static void room_opened(srl__call *call, const srl_broker_result *result)
{
    srl__room *room = SRL__CONTAINER(call, srl__room, opening);

    if (result->error == SRL_OK) {
        room->open = 1;
        room->offset = result->offset;
        room->positioned =
            result->epoch_len > 0 && srl__epoch_set(&room->epoch, srl__slice_of(result->epoch, result->epoch_len));
        srl__joinings_proceed(room);
    } else {
        room_close(room);
        srl__joinings_fail(room, srl__reply_code_of(result->error));
    }
    srl__room_unpin(room);
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
    if (--room->pins > 0 || room->member_count > 0 || room->joining_count > 0) {
        return;
    }
    room_close(room);
    room_free(room);
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

void srl__room_add_member(srl__room *room, srl_session *session, srl__subscription *subscription)
{
    srl__fanout_flush(room);
    subscription->place = room->member_count;
    subscription->live = 1;
    subscription->is.attendance = NULL;
    room->members[room->member_count++] = session;
    room->relay->subscriptions++;
}

void srl__room_remove_member(srl__room *room, srl_session *session, srl__subscription *subscription)
{
    srl_session *last = NULL;

    srl__fanout_flush(room);
    last = room->members[--room->member_count];
    room->relay->subscriptions--;
    if (last != session) {
        room->members[subscription->place] = last;
        srl__subscriptions_find(&last->subscriptions, room)->place = subscription->place;
    }
    subscription->live = 0;
}

/* Encode one event for the codec of a room's sessions; NULL when out of memory. */
static srl_frame *encode(srl__room *room, const srl__codec *codec, int kind, const srl_publication *publication,
                         srl__slice epoch)
{
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

static void doom_members(srl__room *room)
{
    for (uint32_t i = 0; i < room->member_count; i++) {
        srl__session_doom(room->members[i], SRL_DISCONNECT_INSUFFICIENT_STATE);
    }
}

static void send_to_all(srl__room *room, int kind, const srl_publication *publication, srl__slice epoch)
{
    srl_frame *frame = NULL;

    if (room->member_count == 0 && room->joining_count == 0) {
        return;
    }
    frame = encode(room, &srl__codec_native, kind, publication, epoch);
    if (frame == NULL) {
        doom_members(room);
        srl__joinings_spoil(room);
        return;
    }
    if (!srl__fanout_add(room, frame)) {
        doom_members(room);
    }
    if (kind == SRL_MESSAGE_PUBLICATION && room->joining_count > 0) {
        srl__joinings_keep(room, frame, publication->offset);
    }
    srl_frame_unref(frame);
}

/* The members' positions do not continue with what comes next: they have to subscribe again, and recover. */
static void start_anew(srl__room *room)
{
    srl__joinings_spoil(room);
    while (room->member_count > 0) {
        srl__unsubscribe(room->members[room->member_count - 1], room, SRL_UNSUBSCRIBE_INSUFFICIENT_STATE);
    }
}

void srl__room_deliver(srl_node *node, void *pointer, int kind, const srl_publication *publication, srl__slice epoch)
{
    srl__room *room = pointer;
    srl__slice new_epoch = srl__slice_of("", 0);
    bool continues = true;

    (void)node;
    if (kind != SRL_MESSAGE_PUBLICATION || publication->offset == 0) {
        room->relay->publications += kind == SRL_MESSAGE_PUBLICATION;
        send_to_all(room, kind, publication, new_epoch);
        return;
    }
    continues = room->positioned && srl__slice_equal(srl__epoch_slice(&room->epoch), epoch);
    if (continues && publication->offset <= room->offset) {
        return;
    }
    srl__room_pin(room);
    if (room->positioned && (!continues || publication->offset != room->offset + 1)) {
        start_anew(room);
    }
    if (!continues || publication->offset == 1) {
        new_epoch = epoch;
    }
    (void)srl__epoch_set(&room->epoch, epoch);
    room->positioned = 1;
    room->offset = publication->offset;
    room->relay->publications++;
    send_to_all(room, kind, publication, new_epoch);
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
