#include "engine/joining.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "engine/attendance.h"
#include "engine/connecting.h"
#include "engine/input.h"
#include "engine/policy.h"
#include "engine/positions.h"
#include "engine/relay.h"
#include "engine/session.h"
#include "engine/subscribe.h"

/* The positions of a room may start anew while it is being read. */
enum { MAX_ATTEMPTS = 4 };

/* What a recovering session missed: publications read from history, then frames that were kept. */
typedef struct missed {
    const srl_publication *publications;
    const srl_text *epochs; /* of each; NULL: all of the room's */
    uint32_t publication_count;
    uint32_t kept_first; /* index of the first kept frame to send */
    bool complete;
} missed;

/* The terms that the wish needs, in *out; false when out of memory. */
static bool make_terms(srl__room *room, srl__subscribe_wish *wish, srl__terms **out)
{
    srl_relay *relay = room->relay;

    *out = NULL;
    if (!srl__terms_needed(wish)) {
        return true;
    }
    if (wish->delta && !srl__base_retain(room)) {
        return false;
    }
    *out = srl__terms_create(relay, wish);
    if (*out == NULL && wish->delta) {
        srl__base_release(room);
    }
    return *out != NULL;
}

srl__joining *srl__joining_create(srl_session *session, srl__room *room, srl__subscribe_wish *wish)
{
    srl__joining *joining = srl__alloc_zeroed(&room->relay->alloc, sizeof(*joining));

    if (joining == NULL) {
        return NULL;
    }
    if (!make_terms(room, wish, &joining->terms)) {
        srl__free(&room->relay->alloc, joining, sizeof(*joining));
        return NULL;
    }
    joining->session = session;
    joining->room = room;
    joining->relay = room->relay;
    joining->wish = *wish;
    memset(&wish->data, 0, sizeof(wish->data));
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
    joining->kept_bytes = 0;
}

/* Out of its room; its memory stays. */
static void detach(srl__joining *joining)
{
    srl_session *session = joining->session;

    if (session->awaits_joining) {
        session->awaits_joining = 0;
        srl__input_resume_later(session);
    }
    srl__list_remove(&joining->link);
    joining->room->joining_count--;
    drop_kept(joining);
}

static void joining_free(srl__joining *joining)
{
    srl__wish_clear(joining->relay, &joining->wish);
    srl__free(&joining->relay->alloc, joining, sizeof(*joining));
}

void srl__joining_cancel(srl__joining *joining)
{
    srl__terms_drop(joining->room, joining->terms);
    joining->terms = NULL;
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
    srl__reply_to to = {joining->wish.id, SRL__COMMAND_SUBSCRIBE, srl__room_name(room)};

    srl__room_pin(room);
    if (joining->in_connect) {
        srl__connecting_failed(session, code);
    } else if (!joining->by_server) {
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

    return srl__unread_behind(room->relay, joining->seen.offset, &joining->seen.epoch, room->offset,
                              srl__epoch_slice(&room->epoch));
}

static bool keeps_positions(const srl__joining *joining)
{
    return srl__room_settings(joining->room)->positions != SRL__POSITIONS_OFF && joining->session->user != NULL;
}

static bool is_wanted(uint64_t setting, bool wished)
{
    return setting == SRL__RECOVERY_ON || (setting == SRL__RECOVERY_CLIENT && wished);
}

/* Which numbering the client's position is of. */
static srl__slice epoch_since(const srl__joining *joining)
{
    const srl__epoch *epoch = &joining->since.epoch;

    return srl__epoch_slice(epoch->len > 0 && !joining->cache ? epoch : &joining->room->epoch);
}

static srl__slice epoch_at(const srl__joining *joining, const srl_text *epochs, uint32_t i)
{
    return epochs != NULL ? srl__slice_of(epochs[i].data, epochs[i].len) : srl__epoch_slice(&joining->room->epoch);
}

static bool is_of_room_epoch(const srl__joining *joining)
{
    return srl__slice_equal(epoch_since(joining), srl__epoch_slice(&joining->room->epoch));
}

/* What the session is told of its subscription. Where clients name no wishes they are told of all there is. */
static srl__subscribe_reply reply_of(srl__joining *joining, bool recovered)
{
    srl__room *room = joining->room;
    const srl__channel_settings *settings = srl__room_settings(room);
    const srl__subscribe_wish *wish = &joining->wish;
    const srl__terms *terms = joining->terms;
    bool names_wishes = (srl__session_codec(joining->session)->traits & SRL__CODEC_NAMES_WISHES) != 0;
    srl__subscribe_reply reply = {
        .offset = recovered ? joining->since.offset : room->offset,
        .epoch = recovered ? epoch_since(joining) : srl__epoch_slice(&room->epoch),
        .recoverable = room->positioned && (!names_wishes || is_wanted(settings->recovery, wish->recoverable)),
        .recovered = recovered,
        .has_unread = keeps_positions(joining),
        .unread = unread(joining),
        .delta = terms != NULL && terms->delta,
        .numeric_id = terms != NULL && terms->numeric_id ? srl__room_numeric_id(room) : 0,
        .data = srl__owned_slice(&wish->data),
    };

    reply.was_recovering = joining->recover || (names_wishes && wish->recover);
    reply.positioned = reply.recoverable || (room->positioned && is_wanted(settings->positioning, wish->positioned));
    return reply;
}

/* When it ends, and until when the client has to refresh it. */
static uint64_t set_expiry(srl__joining *joining)
{
    srl_session *session = joining->session;
    uint64_t ttl_ms = joining->wish.ttl_ms;

    if (ttl_ms == 0) {
        return 0;
    }
    joining->terms->refreshes = joining->relay->hooks.sub_refresh != NULL && !joining->wish.refreshed_by_host &&
                                (srl__session_codec(session)->traits & SRL__CODEC_REFRESHES) != 0;
    srl__subscription_ends_in(session, joining->terms, ttl_ms);
    return joining->terms->refreshes ? ttl_ms : 0;
}

static srl__slice payload_of(const srl_publication *publication)
{
    return srl__slice_of(publication->data, publication->data_len);
}

/* The form in which a publication of history goes into a list behind another one. */
static srl__shown shown_after(srl__joining *joining, const srl_publication *before, const srl_publication *publication)
{
    srl__shown shown = {.publication = publication};
    srl__buf *patch = &joining->relay->patch;

    if (joining->terms != NULL && joining->terms->delta) {
        shown.form = SRL__FORM_TEXT;
        srl__buf_reset(patch);
        if (before != NULL && srl__patch_make(patch, payload_of(before), payload_of(publication))) {
            shown.form = SRL__FORM_PATCH;
            shown.patch = srl__slice_of(patch->data, patch->len);
        }
    }
    return shown;
}

static bool passes(const srl__joining *joining, const srl_publication *publication)
{
    srl__delivery delivery;
    bool yes = true;

    if (joining->terms == NULL || joining->terms->filter == NULL) {
        return true;
    }
    srl__delivery_begin(&delivery, joining->room, SRL_MESSAGE_PUBLICATION, publication, srl__slice_of("", 0));
    yes = srl__delivery_passes(&delivery, joining->terms->filter);
    srl__delivery_end(&delivery);
    return yes;
}

/* What history has of what was missed, as a list for the reply. */
static srl__slice list_missed(srl__joining *joining, const missed *m)
{
    const srl__codec *codec = srl__session_codec(joining->session);
    srl__buf *list = &joining->relay->list;
    const srl_publication *before = NULL;

    srl__buf_reset(list);
    for (uint32_t i = 0; i < m->publication_count; i++) {
        const srl_publication *publication = &m->publications[i];

        if (passes(joining, publication)) {
            srl__shown shown = shown_after(joining, before, publication);

            codec->append_publication(list, &shown);
            before = publication;
        }
    }
    if (before != NULL && joining->terms != NULL) {
        joining->terms->has_base = true;
    }
    return srl__slice_of(list->data, list->error == SRL_OK ? list->len : 0);
}

/* Otherwise they follow, as pushes. */
static bool lists_publications(const srl__joining *joining)
{
    return srl__session_codec(joining->session)->append_publication != NULL &&
           (joining->in_connect || !joining->by_server);
}

/* As long as it waits, what it holds of the channel was not delivered. */
static void send_holding(srl__joining *joining, const missed *m)
{
    srl_frame *frame = srl__session_take_encoded(joining->session);

    if (frame != NULL && m != NULL && m->publication_count > 0 && lists_publications(joining)) {
        frame->offset = m->publications[0].offset;
        frame->origin = joining->room;
    }
    srl__session_send(joining->session, frame);
}

static void tell(srl__joining *joining, const missed *m, const srl__subscribe_reply *reply)
{
    srl_session *session = joining->session;
    const srl__codec *codec = srl__session_codec(session);
    srl__reply_to to = {joining->wish.id, SRL__COMMAND_SUBSCRIBE, srl__room_name(joining->room)};

    if (joining->in_connect) {
        srl__connecting_add(session, to.channel, reply);
        return;
    }
    if (joining->by_server) {
        codec->push_subscribe(srl__session_encode(session), to.channel, reply);
    } else {
        codec->reply_subscribe(srl__session_encode(session), &to, reply);
    }
    send_holding(joining, m);
}

static void send_reply(srl__joining *joining, const missed *m, srl__subscribe_reply *reply)
{
    if (m != NULL && lists_publications(joining)) {
        if (!is_of_room_epoch(joining)) { /* the client has but one epoch for the whole list */
            reply->epoch = srl__epoch_slice(&joining->room->epoch);
            reply->offset = m->publication_count > 0 ? m->publications[m->publication_count - 1].offset : 0;
        }
        reply->publications = list_missed(joining, m);
        if (joining->relay->list.error != SRL_OK) {
            srl__session_doom(joining->session, SRL_DISCONNECT_INSUFFICIENT_STATE);
        }
    }
    reply->ttl_ms = set_expiry(joining);
    tell(joining, m, reply);
}

static void push_missed(srl__joining *joining, const srl_publication *publication, srl__slice new_epoch)
{
    srl_session *session = joining->session;
    srl_frame *frame = NULL;

    srl__session_codec(session)->push_publication(srl__session_encode(session), srl__room_name(joining->room),
                                                  publication, new_epoch);
    frame = srl__session_take_encoded(session);
    if (frame != NULL) {
        frame->offset = publication->offset;
        frame->origin = joining->room;
    }
    srl__session_send(session, frame);
}

static void send_missed(srl__joining *joining, const missed *m)
{
    bool listed = lists_publications(joining);
    srl__slice last = epoch_since(joining);

    for (uint32_t i = 0; i < m->publication_count && !listed; i++) {
        srl__slice epoch = epoch_at(joining, m->epochs, i);

        push_missed(joining, &m->publications[i], srl__slice_equal(epoch, last) ? srl__slice_of("", 0) : epoch);
        last = epoch;
    }
    for (uint32_t i = m->kept_first; i < joining->kept_count; i++) {
        if (joining->kept[i] != NULL) {
            srl__session_send(joining->session, srl_frame_ref(joining->kept[i]));
            if (joining->terms != NULL) {
                joining->terms->has_base = true;
            }
        }
    }
}

/* Whether the member is told of joins and leaves. */
static void choose_quiet(srl_session *session, srl__room *room, srl__subscription *subscription, bool asked)
{
    bool to_all = srl__room_settings(room)->push_join_leave == SRL__PUSH_ON ||
                  (srl__session_codec(session)->traits & SRL__CODEC_ASKS_FOR_JOINS) == 0;
    bool quiet = !asked && !to_all;

    subscription->incurious = quiet;
    if (!subscription->by_server && room->relay->permissions != NULL) {
        quiet = quiet || (srl__policy_permitted(session, srl__room_name(room)) & SRL_PERM_JOIN_LEAVE) == 0;
    }
    srl__room_set_quiet(room, subscription, quiet);
}

/* Reply, send what was missed, and be a member from here on. */
static void complete(srl__joining *joining, const missed *m)
{
    srl_session *session = joining->session;
    srl__room *room = joining->room;
    srl__subscription *subscription = srl__subscriptions_find(&session->subscriptions, room);
    bool recovered = m != NULL && m->complete;
    bool by_server = joining->by_server;
    bool in_connect = joining->in_connect;
    bool asked_for_joins = joining->wish.join_leave;
    srl__terms *terms = joining->terms;
    srl__subscribe_reply reply = reply_of(joining, recovered);

    if (joining->wish.refuses_loss && joining->wish.recover && !recovered) {
        srl__joining_refuse(joining, SRL_REPLY_UNRECOVERABLE);
        return;
    }
    srl__room_pin(room);
    send_reply(joining, recovered ? m : NULL, &reply);
    if (recovered) {
        send_missed(joining, m);
    }
    detach(joining);
    joining_free(joining);
    srl__room_add_member(room, session, subscription, terms);
    subscription->by_server = by_server;
    subscription->loose = !reply.positioned;
    choose_quiet(session, room, subscription, asked_for_joins);
    srl__event_of(session, SRL_EVENT_SUBSCRIBED, 0, srl__room_name(room), srl__slice_of("", 0));
    srl__attendance_begin(session, room);
    if (in_connect) {
        srl__connecting_done(session);
    }
    srl__room_unpin(room);
}

static uint64_t bytes_of_history(const srl__joining *joining, const missed *m)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < m->publication_count; i++) {
        const srl_publication *p = &m->publications[i];

        bytes += p->data_len + p->info_len + p->channel_info_len + p->tags_len + joining->room->name_len;
    }
    return bytes;
}

/* What is kept goes into the queue, and history too, unless it is part of the reply. */
static bool is_bearable(const srl__joining *joining, const missed *m)
{
    const srl__settings *settings = &joining->relay->settings;
    uint64_t history = bytes_of_history(joining, m);

    if (lists_publications(joining)) {
        history += joining->in_connect ? srl__connecting_bytes(joining->session) : 0;
        return history <= settings->max_recovery_bytes && joining->kept_bytes <= settings->max_queue_bytes;
    }
    return history + joining->kept_bytes <= settings->max_queue_bytes;
}

/* Put together what follows a position up to the room's, be it in a later epoch. */
static missed missed_since(const srl__joining *joining, const srl_broker_result *result, uint64_t offset)
{
    const srl__room *room = joining->room;
    srl__slice last = srl__epoch_slice(&room->epoch);
    srl__slice epoch = epoch_since(joining);
    uint64_t next = offset + 1;
    missed m = {.publications = result->publications, .epochs = result->epochs};

    if (joining->spoiled || (next > room->offset + 1 && srl__slice_equal(epoch, last)) ||
        (result->epochs == NULL && !srl__slice_equal(srl__slice_of(result->epoch, result->epoch_len), last))) {
        return m;
    }
    while (m.publication_count < result->publication_count &&
           (next <= room->offset || !srl__slice_equal(epoch, last))) {
        srl__slice its = epoch_at(joining, result->epochs, m.publication_count);
        uint64_t at = result->publications[m.publication_count].offset;

        if (at != next && (at != 1 || srl__slice_equal(its, epoch))) {
            break;
        }
        epoch = its;
        next = at + 1;
        m.publication_count++;
    }
    if (!srl__slice_equal(epoch, last)) {
        return m;
    }
    m.kept_first = joining->kept_count;
    if (next <= room->offset) {
        if (joining->kept_count == 0 || joining->kept_from > next ||
            joining->kept_from + joining->kept_count != room->offset + 1) {
            return m;
        }
        m.kept_first = (uint32_t)(next - joining->kept_from);
    }
    m.complete = is_bearable(joining, &m);
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

/* Up to where the client has what is there; of a cache it wants the newest alone. */
static uint64_t has_up_to(const srl__joining *joining, const srl_broker_result *result)
{
    if (!joining->cache) {
        return joining->since.offset;
    }
    return result->publication_count > 0 ? result->publications[0].offset - 1 : joining->room->offset - 1;
}

static void recover(srl__joining *joining);

/* Than when the question was asked. */
static bool has_other_epoch(const srl__joining *joining)
{
    return !srl__slice_equal(srl__epoch_slice(&joining->asked), srl__epoch_slice(&joining->room->epoch));
}

static bool is_behind_client(const srl__joining *joining)
{
    return !joining->cache && (!is_of_room_epoch(joining) || joining->room->offset < joining->since.offset);
}

/* Whether the channel is where the client says, or further. */
static bool confirms(const srl__joining *joining, const srl_broker_result *result)
{
    return result->error == SRL_OK && result->offset >= joining->since.offset &&
           srl__slice_equal(srl__slice_of(result->epoch, result->epoch_len), epoch_since(joining));
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
    m = missed_since(joining, result, has_up_to(joining, result));
    if (joining->spoiled && joining->attempts++ < MAX_ATTEMPTS && has_other_epoch(joining) && result->error == SRL_OK) {
        joining->spoiled = false;
        drop_kept(joining);
        recover(joining);
        return;
    }
    if (!m.complete && confirms(joining, result) && is_behind_client(joining)) {
        joining->ahead = true;
        drop_kept(joining);
        return;
    }
    complete(joining, result->error == SRL_OK ? &m : NULL);
}

/* How many publications may be behind the client's position. */
static uint32_t limit_of(const srl__joining *joining)
{
    const srl__room *room = joining->room;

    if (!is_of_room_epoch(joining)) {
        return (uint32_t)joining->relay->settings.max_recovery;
    }
    return room->offset > joining->since.offset ? (uint32_t)(room->offset - joining->since.offset) : 0;
}

/* Whether the client can be told that an epoch ends within what it missed. */
static bool shows_epochs(const srl__joining *joining)
{
    return lists_publications(joining) || srl__session_codec(joining->session)->append_publication == NULL;
}

static void read_history(srl__joining *joining)
{
    srl__room *room = joining->room;
    srl_relay *relay = room->relay;
    srl_broker_channel channel = srl__broker_channel_of(srl__room_name(room), srl__room_settings(room));
    srl__slice epoch = epoch_since(joining);
    srl_broker_query query = {
        .size = sizeof(query),
        .limit = joining->cache ? 1 : limit_of(joining),
        .since_offset = joining->cache ? 0 : joining->since.offset,
        .since_epoch = epoch.data,
        .since_epoch_len = epoch.len,
        .reverse = joining->cache,
        .follows = !joining->cache && shows_epochs(joining),
    };
    int error = SRL_OK;

    joining->asked = room->epoch;
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
    bool comparable = joining->recover && room->positioned;
    bool is_near = false;
    bool is_there = false;
    bool has_cache = false;

    joining->cache = srl__room_settings(room)->recovery_mode == SRL__RECOVERY_CACHE;
    has_cache = joining->cache && comparable && room->offset > 0;
    is_there =
        comparable && since->offset == room->offset &&
        (since->epoch.len == 0 || srl__slice_equal(srl__epoch_slice(&since->epoch), srl__epoch_slice(&room->epoch)));
    is_near = comparable && (!is_of_room_epoch(joining) || since->offset > room->offset ||
                             room->offset - since->offset <= room->relay->settings.max_recovery);
    if (is_there && (!joining->cache || (has_cache && since->epoch.len > 0))) {
        complete(joining, &nothing);
    } else if (has_cache || (is_near && !joining->cache)) {
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

void srl__joinings_advance(srl__room *room)
{
    srl__list waiting;
    srl__list *link = NULL;

    if (room->joining_count == 0) {
        return;
    }
    srl__list_init(&waiting);
    srl__list_append_all(&waiting, &room->joinings);
    while ((link = srl__list_take_first(&waiting)) != NULL) {
        srl__joining *joining = SRL__CONTAINER(link, srl__joining, link);

        srl__list_append(&room->joinings, link);
        if (joining->ahead && (joining->spoiled || !is_behind_client(joining))) {
            joining->ahead = joining->spoiled = false;
            recover(joining);
        }
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
    size_t len = frame != NULL ? frame->len : 0;

    if (joining->kept_count > 0 && joining->kept_from + joining->kept_count != offset) {
        return false;
    }
    if (joining->kept_bytes + len > relay->settings.max_queue_bytes) {
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
    joining->kept[joining->kept_count++] = frame != NULL ? srl_frame_ref(frame) : NULL;
    joining->kept_bytes += len;
    return true;
}

/* In the form that its session will take; false if it cannot be kept. */
static bool keep_delivery(srl__joining *joining, srl__delivery *delivery)
{
    const srl__terms *terms = joining->terms;
    bool numeric_id = terms != NULL && terms->numeric_id;
    srl__form form = terms != NULL && terms->delta ? SRL__FORM_TEXT : SRL__FORM_PLAIN;
    srl_frame *frame = NULL;

    if ((terms == NULL || srl__delivery_passes(delivery, terms->filter)) &&
        !srl__delivery_frame(delivery, joining->session->protocol, numeric_id, form, &frame)) {
        return false;
    }
    return keep(joining, frame, delivery->publication->offset);
}

void srl__joinings_keep(srl__room *room, srl__delivery *delivery)
{
    for (srl__list *link = room->joinings.next; link != &room->joinings; link = link->next) {
        srl__joining *joining = SRL__CONTAINER(link, srl__joining, link);
        bool matters = joining->reading && !joining->spoiled && delivery->publication->offset > 0;

        if (matters && !keep_delivery(joining, delivery)) {
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
