#include "engine/joining.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "engine/attendance.h"
#include "engine/policy.h"
#include "engine/relay.h"
#include "engine/session.h"

/* What a recovering session missed: publications read from history, then frames that were kept. */
typedef struct missed {
    const srl_publication *publications;
    uint32_t publication_count;
    uint32_t kept_first; /* index of the first kept frame to send */
    bool complete;
} missed;

srl__joining *srl__joining_create(srl_session *session, srl__room *room, uint64_t id)
{
    srl__joining *joining = srl__alloc_zeroed(&room->relay->alloc, sizeof(*joining));

    if (joining == NULL) {
        return NULL;
    }
    joining->session = session;
    joining->room = room;
    joining->relay = room->relay;
    joining->id = id;
    srl__list_append(&room->joinings, &joining->link);
    room->joining_count++;
    return joining;
}

static void drop_kept(srl__joining *joining)
{
    const srl_allocator *alloc = &joining->relay->alloc;

    for (uint32_t i = 0; i < joining->kept_count; i++) {
        srl_frame_unref(joining->kept[i]);
    }
    srl__free(alloc, joining->kept, joining->kept_capacity * sizeof(*joining->kept));
    joining->kept = NULL;
    joining->kept_count = joining->kept_capacity = 0;
}

/* Out of its room; its memory stays. */
static void detach(srl__joining *joining)
{
    srl__list_remove(&joining->link);
    joining->room->joining_count--;
    drop_kept(joining);
}

static void joining_free(srl__joining *joining)
{
    srl__free(&joining->relay->alloc, joining, sizeof(*joining));
}

void srl__joining_cancel(srl__joining *joining)
{
    detach(joining);
    if (joining->asking) {
        joining->session = NULL; /* the answer frees it */
    } else {
        joining_free(joining);
    }
}

void srl__joining_refuse(srl__joining *joining, uint32_t code)
{
    srl_session *session = joining->session;
    srl__room *room = joining->room;
    srl__reply_to to = {joining->id, SRL__COMMAND_SUBSCRIBE, srl__room_name(room)};

    srl__room_pin(room);
    if (!joining->by_server) {
        srl__session_reply_error(session, &to, code, srl__slice_of("", 0));
    }
    srl__subscriptions_remove(&session->subscriptions, &room->relay->alloc,
                              srl__subscriptions_find(&session->subscriptions, room));
    srl__policy_revoke(session, srl__room_name(room));
    srl__joining_cancel(joining);
    srl__room_unpin(room);
}

/* What the user has not seen of the channel. */
static uint64_t unread(const srl__joining *joining)
{
    const srl__room *room = joining->room;
    const srl__position *seen = &joining->seen;
    bool comparable = srl__slice_equal(srl__epoch_slice(&seen->epoch), srl__epoch_slice(&room->epoch));

    return comparable && seen->offset <= room->offset ? room->offset - seen->offset : room->offset;
}

static bool keeps_positions(const srl__joining *joining)
{
    return srl__room_settings(joining->room)->positions != SRL__POSITIONS_OFF && joining->session->user != NULL;
}

static void send_reply(srl__joining *joining, bool recovered)
{
    srl__room *room = joining->room;
    srl_session *session = joining->session;
    srl__reply_to to = {joining->id, SRL__COMMAND_SUBSCRIBE, srl__room_name(room)};
    srl__subscribe_reply reply = {
        .offset = recovered ? joining->since.offset : room->offset,
        .epoch = srl__epoch_slice(&room->epoch),
        .recoverable = room->positioned,
        .was_recovering = joining->recover,
        .recovered = recovered,
        .has_unread = keeps_positions(joining),
        .unread = unread(joining),
    };

    if (joining->by_server) {
        srl__session_codec(session)->push_subscribe(srl__session_encode(session), to.channel, &reply);
    } else {
        srl__session_codec(session)->reply_subscribe(srl__session_encode(session), &to, &reply);
    }
    srl__session_send_encoded(session);
}

static void send_missed(srl__joining *joining, const missed *m)
{
    srl_session *session = joining->session;
    srl__slice epoch = srl__slice_of("", 0);
    srl_frame *frame = NULL;

    for (uint32_t i = 0; i < m->publication_count; i++) {
        srl__session_codec(session)->push_publication(srl__session_encode(session), srl__room_name(joining->room),
                                                      &m->publications[i], epoch);
        frame = srl__session_take_encoded(session);
        if (frame != NULL) {
            frame->offset = m->publications[i].offset;
            frame->origin = joining->room;
        }
        srl__session_send(session, frame);
    }
    for (uint32_t i = m->kept_first; i < joining->kept_count; i++) {
        srl__session_send(session, srl_frame_ref(joining->kept[i]));
    }
}

/* Reply, send what was missed, and be a member from here on. */
static void complete(srl__joining *joining, const missed *m)
{
    srl_session *session = joining->session;
    srl__room *room = joining->room;
    srl__subscription *subscription = srl__subscriptions_find(&session->subscriptions, room);
    bool recovered = m != NULL && m->complete;
    bool by_server = joining->by_server;

    srl__room_pin(room);
    send_reply(joining, recovered);
    if (recovered) {
        send_missed(joining, m);
    }
    detach(joining);
    joining_free(joining);
    srl__room_add_member(room, session, subscription);
    subscription->by_server = by_server;
    if (!by_server && room->relay->permissions != NULL) {
        uint32_t permitted = srl__policy_permitted(session, srl__room_name(room));

        srl__room_set_quiet(room, subscription, (permitted & SRL_PERM_JOIN_LEAVE) == 0);
    }
    srl__event_of(session, SRL_EVENT_SUBSCRIBED, 0, srl__room_name(room), srl__slice_of("", 0));
    srl__attendance_begin(session, room);
    srl__room_unpin(room);
}

static bool fits_the_queue(const srl__joining *joining, const missed *m)
{
    uint64_t max = joining->room->relay->settings.max_queue_bytes;
    uint64_t bytes = joining->kept_bytes;

    for (uint32_t i = 0; i < m->publication_count && bytes <= max; i++) {
        bytes += m->publications[i].data_len + m->publications[i].info_len + joining->room->name_len;
    }
    return bytes <= max;
}

/* Put together what follows the client's position up to the room's. */
static missed missed_since(const srl__joining *joining, const srl_broker_result *result)
{
    const srl__room *room = joining->room;
    uint64_t next = joining->since.offset + 1;
    missed m = {.publications = result->publications};

    if (joining->spoiled ||
        !srl__slice_equal(srl__slice_of(result->epoch, result->epoch_len), srl__epoch_slice(&room->epoch))) {
        return m;
    }
    while (m.publication_count < result->publication_count && next <= room->offset &&
           result->publications[m.publication_count].offset == next) {
        m.publication_count++;
        next++;
    }
    m.kept_first = joining->kept_count;
    if (next <= room->offset) {
        if (joining->kept_count == 0 || joining->kept_from > next ||
            joining->kept_from + joining->kept_count != room->offset + 1) {
            return m;
        }
        m.kept_first = (uint32_t)(next - joining->kept_from);
    }
    m.complete = fits_the_queue(joining, &m);
    return m;
}

/* The broker has answered: the joining, unless it was given up meanwhile. */
static srl__joining *answered(srl__call *call)
{
    srl__joining *joining = SRL__CONTAINER(call, srl__joining, call);

    joining->asking = false;
    if (joining->session == NULL) {
        joining_free(joining);
        return NULL;
    }
    return joining;
}

static void begin_asking(srl__joining *joining, void (*finish)(srl__call *call, const srl_broker_result *result))
{
    joining->asking = true;
    srl__call_begin(joining->relay, &joining->call, finish);
}

/* The broker did not take the question. */
static void not_asked(srl__joining *joining, int error)
{
    joining->asking = false;
    joining->reading = false;
    srl__call_abandon(&joining->call);
    srl__joining_refuse(joining, srl__reply_code_of(error));
}

static void history_read(srl__call *call, const srl_broker_result *result)
{
    srl__joining *joining = answered(call);
    missed m;

    if (joining == NULL) {
        return;
    }
    joining->reading = false;
    if (result->error != SRL_OK && result->error != SRL_ERR_UNRECOVERABLE) {
        srl__joining_refuse(joining, srl__reply_code_of(result->error));
        return;
    }
    m = missed_since(joining, result);
    complete(joining, result->error == SRL_OK ? &m : NULL);
}

static void read_history(srl__joining *joining)
{
    srl__room *room = joining->room;
    srl_relay *relay = room->relay;
    srl_broker_channel channel = srl__broker_channel_of(srl__room_name(room), srl__room_settings(room));
    srl_broker_query query = {
        .size = sizeof(query),
        .limit = (uint32_t)(room->offset - joining->since.offset),
        .since_offset = joining->since.offset,
        .since_epoch = room->epoch.text,
        .since_epoch_len = room->epoch.len,
    };
    int error = SRL_OK;

    begin_asking(joining, history_read);
    joining->reading = true;
    error = srl__broker_ops_of(relay->broker)->history(relay->link, &channel, &query, &joining->call.operation);
    if (error != SRL_OK) {
        not_asked(joining, error);
    }
}

static void member_checked(srl__call *call, const srl_broker_result *result)
{
    srl__joining *joining = answered(call);

    if (joining == NULL) {
        return;
    }
    if (result->error != SRL_OK && !joining->is_member) { /* nor made one meanwhile */
        srl__joining_refuse(joining, result->error == SRL_ERR_NOT_FOUND ? SRL_REPLY_PERMISSION_DENIED
                                                                 : srl__reply_code_of(result->error));
        return;
    }
    joining->is_member = true;
    srl__joining_proceed(joining);
}

static void check_member(srl__joining *joining)
{
    srl_relay *relay = joining->relay;
    const srl_broker_ops *broker = srl__broker_ops_of(relay->broker);
    srl__slice user = srl__session_user(joining->session);
    srl_broker_directory question = {
        .size = sizeof(question),
        .verb = SRL_DIRECTORY_CHECK,
        .channel = joining->room->name,
        .channel_len = joining->room->name_len,
        .user = user.data,
        .user_len = user.len,
        .meta = "",
    };
    int error = SRL_ERR_UNAVAILABLE;

    begin_asking(joining, member_checked);
    if (broker->directory != NULL) {
        error = broker->directory(relay->link, &question, &joining->call.operation);
    }
    if (error != SRL_OK) {
        not_asked(joining, error);
    }
}

static void position_got(srl__call *call, const srl_broker_result *result)
{
    srl__joining *joining = answered(call);

    if (joining == NULL) {
        return;
    }
    joining->knows_seen = true;
    if (result->error == SRL_OK &&
        srl__epoch_set(&joining->seen.epoch, srl__slice_of(result->epoch, result->epoch_len))) {
        joining->seen.offset = result->offset;
    }
    if (joining->resume) {
        joining->since = joining->seen;
    }
    srl__joining_proceed(joining);
}

static void get_position(srl__joining *joining)
{
    srl_relay *relay = joining->relay;
    const srl_broker_ops *broker = srl__broker_ops_of(relay->broker);
    srl__slice user = srl__session_user(joining->session);
    srl_broker_position question = {
        .size = sizeof(question),
        .user = user.data,
        .user_len = user.len,
        .channel = joining->room->name,
        .channel_len = joining->room->name_len,
        .epoch = "",
    };
    int error = SRL_ERR_UNAVAILABLE;

    begin_asking(joining, position_got);
    if (broker->position_get != NULL) {
        error = broker->position_get(relay->link, &question, &joining->call.operation);
    }
    if (error != SRL_OK) {
        not_asked(joining, error);
    }
}

static void recover(srl__joining *joining)
{
    srl__room *room = joining->room;
    const srl__position *since = &joining->since;
    missed nothing = {.complete = true};
    bool comparable =
        joining->recover && room->positioned && since->offset <= room->offset &&
        (since->epoch.len == 0 || srl__slice_equal(srl__epoch_slice(&since->epoch), srl__epoch_slice(&room->epoch)));

    if (comparable && since->offset == room->offset) {
        complete(joining, &nothing);
    } else if (comparable && room->offset - since->offset <= room->relay->settings.max_recovery) {
        read_history(joining);
    } else {
        complete(joining, NULL);
    }
}

/* One question to the broker after the other, as far as the channel's options call for them. */
void srl__joining_proceed(srl__joining *joining)
{
    const srl__channel_settings *settings = srl__room_settings(joining->room);

    if (settings->room == SRL__ROOM_GROUP && !joining->by_server && !joining->is_member) {
        check_member(joining);
    } else if (keeps_positions(joining) && !joining->knows_seen) {
        get_position(joining);
    } else {
        recover(joining);
    }
}

void srl__joinings_proceed(srl__room *room)
{
    srl__list waiting;
    srl__list *link = NULL;

    srl__list_init(&waiting);
    srl__list_append_all(&waiting, &room->joinings);
    while ((link = srl__list_take_first(&waiting)) != NULL) {
        srl__list_append(&room->joinings, link);
        srl__joining_proceed(SRL__CONTAINER(link, srl__joining, link));
    }
}

void srl__joinings_fail(srl__room *room, uint32_t code)
{
    srl__room_pin(room);
    while (!srl__list_is_empty(&room->joinings)) {
        srl__joining_refuse(SRL__CONTAINER(room->joinings.next, srl__joining, link), code);
    }
    srl__room_unpin(room);
}

static bool keep(srl__joining *joining, srl_frame *frame, uint64_t offset)
{
    srl_relay *relay = joining->relay;
    void *kept = joining->kept;

    if (joining->kept_count > 0 && joining->kept_from + joining->kept_count != offset) {
        return false;
    }
    if (joining->kept_bytes + frame->len > relay->settings.max_queue_bytes) {
        return false;
    }
    if (joining->kept_count == joining->kept_capacity) {
        if (!srl__grow_array(&relay->alloc, &kept, &joining->kept_capacity, joining->kept_count + 1, UINT32_MAX,
                             sizeof(*joining->kept))) {
            return false;
        }
        joining->kept = kept;
    }
    if (joining->kept_count == 0) {
        joining->kept_from = offset;
    }
    joining->kept[joining->kept_count++] = srl_frame_ref(frame);
    joining->kept_bytes += frame->len;
    return true;
}

void srl__joinings_keep(srl__room *room, srl_frame *frame, uint64_t offset)
{
    for (srl__list *link = room->joinings.next; link != &room->joinings; link = link->next) {
        srl__joining *joining = SRL__CONTAINER(link, srl__joining, link);

        if (joining->reading && !joining->spoiled && offset > 0 && !keep(joining, frame, offset)) {
            joining->spoiled = true;
            drop_kept(joining);
        }
    }
}

void srl__joinings_spoil(srl__room *room)
{
    for (srl__list *link = room->joinings.next; link != &room->joinings; link = link->next) {
        SRL__CONTAINER(link, srl__joining, link)->spoiled = true;
    }
}
