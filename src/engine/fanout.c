#include "engine/fanout.h"

#include <streamrelay/codes.h>

#include "engine/relay.h"
#include "engine/rooms.h"
#include "engine/session.h"

/* Past this many frames of one room they go into the queues before the turn ends. */
enum { GATHERED_MAX = 1024 };

void srl__gathered_init(srl__gathered *gathered)
{
    memset(gathered, 0, sizeof(*gathered));
    srl__list_init(&gathered->link);
}

bool srl__fanout_add(srl__room *room, srl_frame *frame)
{
    srl_relay *relay = room->relay;
    srl__gathered *gathered = &room->gathered;

    if (gathered->count == GATHERED_MAX) {
        srl__fanout_flush(room);
    }
    if (gathered->count == gathered->capacity) {
        uint32_t capacity = gathered->capacity == 0 ? SRL__QUEUE_POOLED : gathered->capacity * 2;
        srl_frame **frames = srl__frames_alloc(relay, capacity);

        if (frames == NULL) {
            return false;
        }
        if (gathered->count > 0) {
            memcpy(frames, gathered->frames, gathered->count * sizeof(*frames));
        }
        srl__frames_free(relay, gathered->frames, gathered->capacity);
        gathered->frames = frames;
        gathered->capacity = capacity;
    }
    if (gathered->count == 0) {
        srl__list_append(&relay->gathering, &gathered->link);
    }
    gathered->frames[gathered->count++] = srl_frame_ref(frame);
    return true;
}

/* Take from the room what it has gathered. */
static srl__gathered take(srl__room *room)
{
    srl__gathered taken = room->gathered;

    srl__list_remove(&room->gathered.link);
    srl__gathered_init(&room->gathered);
    return taken;
}

static void release(srl_relay *relay, srl__gathered *gathered)
{
    for (uint32_t i = 0; i < gathered->count; i++) {
        srl_frame_unref(gathered->frames[i]);
    }
    srl__frames_free(relay, gathered->frames, gathered->capacity);
}

static void queue_for(srl_session *session, srl_frame *const *frames, uint32_t count)
{
    srl_relay *relay = session->relay;

    for (uint32_t i = 0; i < count; i++) {
        if (!srl__outbox_put(relay, &session->outbox, frames[i])) {
            srl__session_doom(session, SRL_DISCONNECT_INSUFFICIENT_STATE);
            return;
        }
        frames[i]->refs++;
    }
    if (!session->touched) {
        srl__session_touch(session);
    }
    if (session->blocked && session->outbox.bytes > relay->settings.max_queue_bytes) {
        srl__session_doom(session, SRL_DISCONNECT_SLOW);
    }
}

static void queue_for_all(srl_session *const *members, uint32_t count, srl_frame *const *frames, uint32_t frame_count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i + SRL__PREFETCH < count) {
            SRL__FETCH(members[i + SRL__PREFETCH]);
        }
        if (srl__session_is_open(members[i])) {
            queue_for(members[i], frames, frame_count);
        }
    }
}

/* The members of a room change while its pass is under way: whoever was not served yet is served by queue. */
static void finish_pass(srl__pass *pass)
{
    queue_for_all(pass->members + pass->next, pass->count - pass->next, pass->frames, pass->frame_count);
    pass->next = pass->count;
}

void srl__fanout_flush(srl__room *room)
{
    srl_relay *relay = room->relay;
    srl__gathered gathered;

    if (relay->pass.room == room) {
        finish_pass(&relay->pass);
    }
    if (room->gathered.count == 0) {
        return;
    }
    gathered = take(room);
    relay->deliveries += (uint64_t)gathered.count * room->member_count;
    queue_for_all(room->members, room->member_count, gathered.frames, gathered.count);
    release(relay, &gathered);
}

/* A transport took less than all of what it was handed directly. */
static void keep_rest(srl__pass *pass, srl_session *session, int64_t taken)
{
    srl_frame **rest = pass->frames;
    uint32_t count = pass->frame_count;

    if (session->state == SRL__SESSION_CLOSED) {
        return;
    }
    if (taken < 0) {
        srl__session_broken(session);
        return;
    }
    rest += taken;
    count -= (uint32_t)taken;
    session->blocked = !pass->writable;
    if (!srl__outbox_put_first(session->relay, &session->outbox, rest, count)) {
        srl__session_doom(session, SRL_DISCONNECT_INSUFFICIENT_STATE);
    } else if (!session->blocked) {
        srl__session_touch(session);
    } else if (session->outbox.bytes > session->relay->settings.max_queue_bytes) {
        srl__session_doom(session, SRL_DISCONNECT_SLOW);
    }
}

static void serve(srl__pass *pass, srl_session *session)
{
    int64_t taken = 0;

    if (session->touched || session->blocked || session->outbox.count > 0 || session->doom != 0) {
        queue_for(session, pass->frames, pass->frame_count);
        return;
    }
    pass->writing = session;
    pass->writable = false;
    taken = session->write(session, pass->frames, pass->frame_count, session->user_data);
    if (taken < (int64_t)pass->frame_count) {
        keep_rest(pass, session, taken);
    }
    pass->writing = NULL;
}

static bool take_snapshot(srl__room *room)
{
    srl_relay *relay = room->relay;
    srl__snapshot *snapshot = &relay->snapshot;
    void *members = snapshot->members;

    if (room->member_count > snapshot->capacity) {
        if (!srl__grow_array(&relay->alloc, &members, &snapshot->capacity, room->member_count, UINT32_MAX,
                             sizeof(*snapshot->members))) {
            return false;
        }
        snapshot->members = members;
    }
    memcpy(snapshot->members, room->members, room->member_count * sizeof(*snapshot->members));
    return true;
}

/* Hand a room's frames to the transports of its members. Every write may change anything. */
static void write_to_all(srl__room *room)
{
    srl_relay *relay = room->relay;
    srl__pass *pass = &relay->pass;
    srl__gathered gathered;

    if (pass->room != NULL || room->member_count == 0 || !take_snapshot(room)) {
        srl__fanout_flush(room);
        return;
    }
    gathered = take(room);
    srl__room_pin(room);
    relay->deliveries += (uint64_t)gathered.count * room->member_count;
    pass->members = relay->snapshot.members;
    pass->count = room->member_count;
    pass->next = 0;
    pass->frames = gathered.frames;
    pass->frame_count = gathered.count;
    pass->room = room;
    while (pass->next < pass->count) {
        uint32_t ahead = pass->next + SRL__PREFETCH;

        if (ahead < pass->count) {
            SRL__FETCH(pass->members[ahead]);
        }
        serve(pass, pass->members[pass->next++]);
    }
    pass->room = NULL;
    release(relay, &gathered);
    srl__room_unpin(room);
}

void srl__fanout_turn(srl_relay *relay)
{
    srl__list *first = relay->gathering.next;

    if (first == &relay->gathering) {
        return;
    }
    if (first->next == &relay->gathering) {
        write_to_all(SRL__CONTAINER(first, srl__room, gathered.link));
        return;
    }
    while (!srl__list_is_empty(&relay->gathering)) {
        srl__fanout_flush(SRL__CONTAINER(relay->gathering.next, srl__room, gathered.link));
    }
}

void srl__snapshot_free(srl_relay *relay)
{
    srl__free(&relay->alloc, relay->snapshot.members, relay->snapshot.capacity * sizeof(*relay->snapshot.members));
}
