#include "engine/notes.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "engine/cluster_note.h"
#include "engine/joining.h"
#include "engine/relay.h"
#include "engine/rooms.h"
#include "engine/session.h"
#include "engine/subscribe.h"

enum { N_DO, N_USER, N_CLIENT, N_CHANNEL, N_CODE, N_REASON, N_COUNT };

static const srl__json_field fields[] = {
    SRL__JSON_FIELD("do", SRL__JSON_STRING, N_DO, NULL),
    SRL__JSON_FIELD("user", SRL__JSON_STRING, N_USER, NULL),
    SRL__JSON_FIELD("client", SRL__JSON_STRING, N_CLIENT, NULL),
    SRL__JSON_FIELD("channel", SRL__JSON_STRING, N_CHANNEL, NULL),
    SRL__JSON_FIELD("code", SRL__JSON_NUMBER, N_CODE, NULL),
    SRL__JSON_FIELD("reason", SRL__JSON_STRING, N_REASON, NULL),
};
static const srl__json_spec spec = SRL__JSON_SPEC(fields, N_COUNT);

typedef struct note {
    srl__slice verb;
    srl__slice user;
    srl__slice client; /* empty: all of the user's sessions */
    srl__slice channel;
    uint32_t code;
    srl__slice reason;
} note;

static int send(srl_relay *relay, const note *n)
{
    const srl_broker_ops *broker = srl__broker_ops_of(relay->broker);
    srl__buf out;
    srl__json_writer w = srl__json_writer_on(&out);
    int error = SRL_OK;

    if (broker->control == NULL) {
        return SRL_ERR_UNAVAILABLE;
    }
    srl__buf_init(&out, &relay->alloc, 1024 * 1024);
    srl__json_put_open(&w, '{');
    srl__json_put_name(&w, SRL__LIT("do"));
    srl__json_put_string(&w, n->verb);
    srl__json_put_name(&w, SRL__LIT("user"));
    srl__json_put_string(&w, n->user);
    if (n->client.len > 0) {
        srl__json_put_name(&w, SRL__LIT("client"));
        srl__json_put_string(&w, n->client);
    }
    srl__json_put_name(&w, SRL__LIT("channel"));
    srl__json_put_string(&w, n->channel);
    srl__json_put_name(&w, SRL__LIT("code"));
    srl__json_put_u64(&w, n->code);
    srl__json_put_name(&w, SRL__LIT("reason"));
    srl__json_put_string(&w, n->reason);
    srl__json_put_close(&w, '}');
    error = out.error != SRL_OK ? out.error : broker->control(relay->link, out.data, out.len);
    srl__buf_free(&out);
    return error;
}

int srl__note_subscribe(srl_relay *relay, srl__slice user, srl__slice channel)
{
    note n = {SRL__LIT("subscribe"), user, SRL__LIT(""), channel, 0, SRL__LIT("")};

    return send(relay, &n);
}

int srl__note_unsubscribe(srl_relay *relay, srl__slice user, srl__slice client, srl__slice channel, uint32_t code)
{
    note n = {SRL__LIT("unsubscribe"), user, client, channel, code, SRL__LIT("")};

    return send(relay, &n);
}

int srl__note_clear(srl_relay *relay, srl__slice channel, uint32_t code)
{
    note n = {SRL__LIT("clear"), SRL__LIT(""), SRL__LIT(""), channel, code, SRL__LIT("")};

    return send(relay, &n);
}

int srl__note_disconnect(srl_relay *relay, srl__slice user, srl__slice client, uint32_t code, srl__slice reason)
{
    note n = {SRL__LIT("disconnect"), user, client, SRL__LIT(""), code, reason};

    return send(relay, &n);
}

static void clear(srl_relay *relay, const note *n)
{
    srl__room *room = srl__room_find(relay, n->channel);

    if (room == NULL) {
        return;
    }
    srl__room_pin(room);
    while (room->member_count > 0) {
        (void)srl__unsubscribe(room->members[room->member_count - 1], room, n->code);
    }
    while (!srl__list_is_empty(&room->joinings)) {
        (void)srl__unsubscribe(SRL__CONTAINER(room->joinings.next, srl__joining, link)->session, room, n->code);
    }
    srl__room_unpin(room);
}

static void apply_to(srl_session *session, const note *n)
{
    srl__room *room = srl__room_find(session->relay, n->channel);

    if (srl__slice_equal(n->verb, SRL__LIT("subscribe"))) {
        srl__subscribe_by_server(session, n->channel);
    } else if (srl__slice_equal(n->verb, SRL__LIT("unsubscribe"))) {
        if (room != NULL) {
            (void)srl__unsubscribe(session, room, n->code);
        }
    } else if (srl__slice_equal(n->verb, SRL__LIT("disconnect"))) {
        srl__session_disconnect(session, n->code, n->reason);
    }
}

static bool is_client(const srl_session *session, srl__slice client)
{
    char id[SRL_CLIENT_ID_LEN + 1];

    srl_session_client_id(session, id);
    return srl__slice_equal(srl__slice_of(id, SRL_CLIENT_ID_LEN), client);
}

/* Nobody but the list of all sessions knows the anonymous ones. */
static void apply_to_anonymous(srl_relay *relay, const note *n)
{
    for (srl__list *link = relay->sessions.next; link != &relay->sessions; link = link->next) {
        srl_session *session = SRL__CONTAINER(link, srl_session, link);

        if (session->user == NULL && is_client(session, n->client)) {
            apply_to(session, n);
            return;
        }
    }
}

/* Sessions that the walk has passed may come and go; no host code runs meanwhile. */
static void apply(srl_relay *relay, const note *n)
{
    srl__user *user = srl__map_get(&relay->users, n->user);
    srl__list *next = NULL;

    if (srl__slice_equal(n->verb, SRL__LIT("clear"))) {
        clear(relay, n);
        return;
    }
    if (n->user.len == 0 && n->client.len > 0) {
        apply_to_anonymous(relay, n);
        return;
    }
    if (user == NULL) {
        return;
    }
    for (srl__list *link = user->sessions.next; link != &user->sessions; link = next) {
        srl_session *session = SRL__CONTAINER(link, srl_session, user_link);

        next = link->next;
        if (n->client.len == 0 || is_client(session, n->client)) {
            apply_to(session, n);
        }
    }
}

/* There is memory for strings only if one of them has escapes. */
static srl__slice text_of(const srl__json_value *value, const srl__buf *strings, size_t at)
{
    return srl__json_to_string(value, strings->data != NULL ? strings->data + at : NULL);
}

void srl__note_arrived(srl_relay *relay, srl__slice text)
{
    srl__json_value v[N_COUNT];
    srl__json_error problem;
    srl__buf strings;
    uint64_t code = 0;
    note n;

    if (srl__cluster_note_arrived(relay, text)) {
        return;
    }
    if (!srl__json_read(text, &spec, &srl__json_limits_default, v, &problem)) {
        return; /* of another version, or not ours */
    }
    srl__buf_init(&strings, &relay->alloc, text.len * 5 + 1);
    if (memchr(text.data, '\\', text.len) != NULL && srl__buf_reserve(&strings, text.len * 5) != SRL_OK) {
        return;
    }
    n.verb = text_of(&v[N_DO], &strings, 0);
    n.user = text_of(&v[N_USER], &strings, text.len);
    n.channel = text_of(&v[N_CHANNEL], &strings, text.len * 2);
    n.reason = text_of(&v[N_REASON], &strings, text.len * 3);
    n.client = text_of(&v[N_CLIENT], &strings, text.len * 4);
    n.code = srl__json_to_u64(&v[N_CODE], &code) && code <= UINT16_MAX ? (uint32_t)code : 0;
    apply(relay, &n);
    srl__buf_free(&strings);
}
