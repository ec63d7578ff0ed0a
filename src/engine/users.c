/* What the host does with users, as <streamrelay/users.h> describes it. */
#include <streamrelay/codes.h>
#include <streamrelay/error.h>
#include <streamrelay/users.h>

#include "base/table.h"
#include "engine/notes.h"
#include "engine/permissions_pattern.h"
#include "engine/positions.h"
#include "engine/relay.h"
#include "engine/rooms.h"
#include "engine/session.h"
#include "engine/terms.h"

static const srl_user_sessions nobody = {.user = "", .client = "", .session = ""};

void srl_user_sessions_init(srl_user_sessions *which, size_t size)
{
    srl__table_fill(which, size, &nobody, sizeof(nobody));
}

static bool is_whole(const srl_user_sessions *which)
{
    return (which->client_len == 0 || which->client_len == SRL_CLIENT_ID_LEN) &&
           (which->session_len == 0 || which->session_len == SRL_SESSION_ID_LEN) &&
           which->user_len + which->client_len + which->session_len > 0 &&
           (which->except != NULL || which->except_count == 0);
}

/* What the caller's header calls so as this library does; an error if it says nothing. */
static int read_sessions(srl_relay *relay, const srl_user_sessions *given, srl_user_sessions *out)
{
    *out = nobody;
    if (relay->destroyed) {
        return SRL_ERR_CLOSED;
    }
    if (given == NULL || !srl__table_take(out, sizeof(*out), given, sizeof(uint32_t)) || !is_whole(out)) {
        return srl__relay_fail(relay, SRL_ERR_INVALID, "which: names no sessions, or has an id of the wrong length");
    }
    return SRL_OK;
}

static int read_sessions_in(srl_relay *relay, const srl_user_sessions *given, srl__slice channel,
                            srl_user_sessions *out)
{
    int error = read_sessions(relay, given, out);

    return error == SRL_OK ? srl__relay_check_channel(relay, channel) : error;
}

/* Codes travel in 16 bits; 0 and what does not fit stand for the usual one. */
static uint32_t code_or(uint32_t code, uint32_t usual)
{
    return code != 0 && code <= UINT16_MAX ? code : usual;
}

/* Options are checked as each relay will; their JSON goes out without newlines. */
static int subscribe(srl_relay *relay, const srl_user_sessions *which, srl__slice channel,
                     const srl_subscription *options)
{
    srl__subscribe_wish wish;
    srl_subscription taken;
    int error = srl__wish_of_options(relay, options, &wish);

    if (error == SRL_OK && options != NULL) {
        (void)srl__table_take(&taken, sizeof(taken), options, sizeof(uint32_t));
        taken.info = wish.info.data;
        taken.data = wish.data.data;
        taken.info_len = wish.info.len;
        taken.data_len = wish.data.len;
    }
    if (error == SRL_OK) {
        error = srl__note_subscribe(relay, which, channel, options != NULL ? &taken : NULL);
    }
    srl__wish_clear(relay, &wish);
    return error;
}

int srl_relay_subscribe_sessions(srl_relay *relay, const srl_user_sessions *which, const char *channel,
                                 size_t channel_len, const srl_subscription *options)
{
    srl__slice name = srl__slice_of(channel, channel_len);
    srl_user_sessions sessions;
    int error = read_sessions_in(relay, which, name, &sessions);

    if (error == SRL_OK) {
        srl__relay_enter(relay);
        error = subscribe(relay, &sessions, name, options);
        srl__relay_leave(relay);
    }
    return error;
}

int srl_relay_unsubscribe_sessions(srl_relay *relay, const srl_user_sessions *which, const char *channel,
                                   size_t channel_len, uint32_t code)
{
    srl__slice name = srl__slice_of(channel, channel_len);
    srl_user_sessions sessions;
    int error = read_sessions_in(relay, which, name, &sessions);

    if (error == SRL_OK) {
        srl__relay_enter(relay);
        error = srl__note_unsubscribe(relay, &sessions, name, code_or(code, SRL_UNSUBSCRIBE_SERVER));
        srl__relay_leave(relay);
    }
    return error;
}

int srl_relay_disconnect_sessions(srl_relay *relay, const srl_user_sessions *which, uint32_t code, const char *reason,
                                  size_t reason_len)
{
    srl_user_sessions sessions;
    int error = read_sessions(relay, which, &sessions);

    if (error == SRL_OK) {
        srl__relay_enter(relay);
        error = srl__note_disconnect(relay, &sessions, code_or(code, SRL_DISCONNECT_FORCE_DISCONNECT),
                                     srl__slice_of(reason, reason != NULL ? reason_len : 0));
        srl__relay_leave(relay);
    }
    return error;
}

int srl_relay_refresh_sessions(srl_relay *relay, const srl_user_sessions *which, uint64_t ttl_ms)
{
    srl_user_sessions sessions;
    int error = read_sessions(relay, which, &sessions);

    if (error == SRL_OK) {
        srl__relay_enter(relay);
        error = srl__note_refresh(relay, &sessions, ttl_ms);
        srl__relay_leave(relay);
    }
    return error;
}

int srl_relay_subscribe_user(srl_relay *relay, const char *user, size_t user_len, const char *channel,
                             size_t channel_len)
{
    srl_user_sessions all = srl__sessions_of(srl__slice_of(user, user_len));

    return srl_relay_subscribe_sessions(relay, &all, channel, channel_len, NULL);
}

int srl_relay_unsubscribe_user(srl_relay *relay, const char *user, size_t user_len, const char *channel,
                               size_t channel_len, uint32_t code)
{
    srl_user_sessions all = srl__sessions_of(srl__slice_of(user, user_len));

    return srl_relay_unsubscribe_sessions(relay, &all, channel, channel_len, code);
}

int srl_relay_disconnect_user(srl_relay *relay, const char *user, size_t user_len, uint32_t code, const char *reason,
                              size_t reason_len)
{
    srl_user_sessions all = srl__sessions_of(srl__slice_of(user, user_len));

    return srl_relay_disconnect_sessions(relay, &all, code, reason, reason_len);
}

/* A list of sessions that stays whole while the host does as it likes: each is pinned. */
typedef struct session_list {
    srl_session **sessions;
    uint32_t count;
    uint32_t capacity;
} session_list;

static void add(srl_relay *relay, session_list *list, srl_session *session)
{
    void *sessions = list->sessions;

    if (list->count == list->capacity) {
        if (!srl__grow_array(&relay->alloc, &sessions, &list->capacity, list->count + 1, UINT32_MAX,
                             sizeof(*list->sessions))) {
            return;
        }
        list->sessions = sessions;
    }
    srl__session_pin(session);
    list->sessions[list->count++] = session;
}

static uint32_t show(srl_relay *relay, session_list *list, srl_session_fn each, void *user)
{
    uint32_t shown = 0;
    bool go_on = true;

    for (uint32_t i = 0; i < list->count; i++) {
        srl_session *session = list->sessions[i];

        if (go_on && session->state == SRL__SESSION_CONNECTED) {
            shown++;
            go_on = each(session, user) == 0;
        }
        srl__session_unpin(session);
    }
    srl__free(&relay->alloc, list->sessions, list->capacity * sizeof(*list->sessions));
    return shown;
}

static void collect_anonymous(srl_relay *relay, session_list *list)
{
    for (srl__list *link = relay->sessions.next; link != &relay->sessions; link = link->next) {
        srl_session *session = SRL__CONTAINER(link, srl_session, link);

        if (session->user == NULL && session->state == SRL__SESSION_CONNECTED) {
            add(relay, list, session);
        }
    }
}

uint32_t srl_relay_each_user_session(srl_relay *relay, const char *user_id, size_t user_id_len, srl_session_fn each,
                                     void *user)
{
    srl__user *who = user_id_len > 0 ? srl__map_get(&relay->users, srl__slice_of(user_id, user_id_len)) : NULL;
    session_list list = {0};
    uint32_t shown = 0;

    srl__relay_enter(relay);
    if (user_id_len == 0) {
        collect_anonymous(relay, &list);
    } else if (who != NULL) {
        for (srl__list *link = who->sessions.next; link != &who->sessions; link = link->next) {
            add(relay, &list, SRL__CONTAINER(link, srl_session, user_link));
        }
    }
    shown = show(relay, &list, each, user);
    srl__relay_leave(relay);
    return shown;
}

uint32_t srl_relay_each_subscriber(srl_relay *relay, const char *channel, size_t channel_len, srl_session_fn each,
                                   void *user)
{
    srl__room *room = srl__room_find(relay, srl__slice_of(channel, channel_len));
    session_list list = {0};
    uint32_t shown = 0;

    srl__relay_enter(relay);
    for (uint32_t i = 0; room != NULL && i < room->member_count; i++) {
        add(relay, &list, room->members[i]);
    }
    shown = show(relay, &list, each, user);
    srl__relay_leave(relay);
    return shown;
}

static srl__slice segment_of(srl__slice rest)
{
    const char *colon = memchr(rest.data, ':', rest.len);

    return srl__slice_of(rest.data, colon != NULL ? (size_t)(colon - rest.data) : rest.len);
}

/* One step of a pattern against what is left of a channel (moved on behind its segment). */
static bool step_matches(const srl__pattern_step *step, srl__slice *rest)
{
    srl__slice segment = segment_of(*rest);

    switch (step->kind) {
    case SRL__STEP_EXACT:
        return srl__slice_equal(step->text, *rest);
    case SRL__STEP_PARTIAL:
        return rest->len > step->text.len && srl__slice_starts_with(*rest, step->text);
    case SRL__STEP_TAIL:
        return rest->len > 0;
    case SRL__STEP_LITERAL:
        if (!srl__slice_equal(step->text, segment)) {
            return false;
        }
        break;
    default:
        if (segment.len == 0) {
            return false;
        }
        break;
    }
    *rest = srl__slice_of(rest->data + segment.len, rest->len - segment.len);
    return true;
}

static bool ends_pattern(const srl__pattern_step *step)
{
    return step->kind == SRL__STEP_EXACT || step->kind == SRL__STEP_PARTIAL || step->kind == SRL__STEP_TAIL;
}

static bool channel_matches(const srl__pattern *pattern, srl__slice channel)
{
    for (uint32_t i = 0; i < pattern->count; i++) {
        if (i > 0) {
            if (channel.len == 0) {
                return false;
            }
            channel = srl__slice_of(channel.data + 1, channel.len - 1); /* the colon */
        }
        if (!step_matches(&pattern->steps[i], &channel)) {
            return false;
        }
        if (ends_pattern(&pattern->steps[i])) {
            return true;
        }
    }
    return channel.len == 0;
}

/* The same for rooms. */
typedef struct room_list {
    srl__room **rooms;
    uint32_t count;
    uint32_t capacity;
} room_list;

static bool add_room(srl_relay *relay, room_list *list, srl__room *room)
{
    void *rooms = list->rooms;

    if (list->count == list->capacity) {
        if (!srl__grow_array(&relay->alloc, &rooms, &list->capacity, list->count + 1, UINT32_MAX,
                             sizeof(*list->rooms))) {
            return false;
        }
        list->rooms = rooms;
    }
    srl__room_pin(room);
    list->rooms[list->count++] = room;
    return true;
}

/* Those with subscribers that match; NULL matches all. False when out of memory. */
static bool collect_rooms(srl_relay *relay, room_list *list, const srl__pattern *pattern)
{
    uint32_t cursor = 0;
    srl__room *room = NULL;

    while ((room = srl__map_next(&relay->rooms, &cursor)) != NULL) {
        if (room->member_count > 0 && (pattern == NULL || channel_matches(pattern, srl__room_name(room))) &&
            !add_room(relay, list, room)) {
            return false;
        }
    }
    return true;
}

static int32_t show_rooms(room_list *list, srl_channel_fn each, void *user)
{
    int32_t shown = 0;
    bool go_on = true;

    for (uint32_t i = 0; i < list->count; i++) {
        srl__room *room = list->rooms[i];

        if (go_on && room->member_count > 0) {
            shown++;
            go_on = each(room->name, room->name_len, room->member_count, user) == 0;
        }
    }
    return shown;
}

static void release_rooms(srl_relay *relay, room_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        srl__room_unpin(list->rooms[i]);
    }
    srl__free(&relay->alloc, list->rooms, list->capacity * sizeof(*list->rooms));
}

int32_t srl_relay_each_channel(srl_relay *relay, const char *pattern, size_t pattern_len, srl_channel_fn each,
                               void *user)
{
    srl__pattern parsed;
    srl__why why;
    room_list list = {0};
    int32_t shown = SRL_ERR_NOMEM;

    if (pattern_len > 0 && srl__pattern_parse(srl__slice_of(pattern, pattern_len), &parsed, &why) != SRL_OK) {
        return srl__relay_fail(relay, SRL_ERR_INVALID, why.text);
    }
    srl__relay_enter(relay);
    if (collect_rooms(relay, &list, pattern_len > 0 ? &parsed : NULL)) {
        shown = show_rooms(&list, each, user);
    }
    release_rooms(relay, &list);
    srl__relay_leave(relay);
    return shown;
}

/* A question of the host. */
typedef struct host_unread {
    srl__unread question;
    srl_unread_fn done;
    void *user;
    char channel[];
} host_unread;

static void host_told(srl__unread *question, int error, uint64_t unread)
{
    host_unread *host = SRL__CONTAINER(question, host_unread, question);

    host->done(error, unread, question->offset, question->epoch.text, question->epoch.len, host->user);
    srl__free(&question->relay->alloc, host, sizeof(*host) + question->channel.len);
}

int srl_relay_unread(srl_relay *relay, const char *user_id, size_t user_id_len, const char *channel, size_t channel_len,
                     srl_unread_fn done, void *user)
{
    srl__slice id = srl__slice_of(user_id, user_id_len);
    srl_user_sessions all = srl__sessions_of(id);
    srl_user_sessions taken;
    int error =
        done == NULL ? SRL_ERR_INVALID : read_sessions_in(relay, &all, srl__slice_of(channel, channel_len), &taken);
    host_unread *host = NULL;

    if (error != SRL_OK) {
        return error;
    }
    host = srl__alloc_zeroed(&relay->alloc, sizeof(*host) + channel_len);
    if (host == NULL) {
        return SRL_ERR_NOMEM;
    }
    memcpy(host->channel, channel, channel_len);
    host->done = done;
    host->user = user;
    host->question.relay = relay;
    host->question.channel = srl__slice_of(host->channel, channel_len);
    host->question.done = host_told;
    srl__relay_enter(relay);
    error = srl__unread_ask(&host->question, id);
    if (error != SRL_OK) {
        srl__free(&relay->alloc, host, sizeof(*host) + channel_len);
    }
    srl__relay_leave(relay);
    return error;
}
