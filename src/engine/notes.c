#include "engine/notes.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "engine/cluster_note.h"
#include "engine/joining.h"
#include "engine/relay.h"
#include "engine/rooms.h"
#include "engine/session.h"
#include "engine/subscribe.h"

#define MAX_NOTE ((size_t)1024 * 1024)

static const srl__json_limits limits = {.max_len = MAX_NOTE, .max_depth = SRL__JSON_MAX_DEPTH, .max_number = 64};

enum {
    N_DO,
    N_USER,
    N_OTHER,
    N_CLIENT,
    N_SESSION,
    N_EXCEPT,
    N_CHANNEL,
    N_CODE,
    N_REASON,
    N_UNTIL,
    N_FLAGS,
    N_INFO,
    N_DATA,
    N_OFFSET,
    N_EPOCH,
    N_COUNT
};

static const srl__json_field fields[] = {
    SRL__JSON_FIELD("do", SRL__JSON_STRING, N_DO, NULL),
    SRL__JSON_FIELD("user", SRL__JSON_STRING, N_USER, NULL),
    SRL__JSON_FIELD("other", SRL__JSON_STRING, N_OTHER, NULL),
    SRL__JSON_FIELD("client", SRL__JSON_STRING, N_CLIENT, NULL),
    SRL__JSON_FIELD("session", SRL__JSON_STRING, N_SESSION, NULL),
    SRL__JSON_FIELD("except", SRL__JSON_ARRAY, N_EXCEPT, NULL),
    SRL__JSON_FIELD("channel", SRL__JSON_STRING, N_CHANNEL, NULL),
    SRL__JSON_FIELD("code", SRL__JSON_NUMBER, N_CODE, NULL),
    SRL__JSON_FIELD("reason", SRL__JSON_STRING, N_REASON, NULL),
    SRL__JSON_FIELD("until", SRL__JSON_NUMBER, N_UNTIL, NULL),
    SRL__JSON_FIELD("flags", SRL__JSON_NUMBER, N_FLAGS, NULL),
    SRL__JSON_FIELD("info", SRL__JSON_ANY, N_INFO, NULL),
    SRL__JSON_FIELD("data", SRL__JSON_ANY, N_DATA, NULL),
    SRL__JSON_FIELD("offset", SRL__JSON_NUMBER, N_OFFSET, NULL),
    SRL__JSON_FIELD("epoch", SRL__JSON_STRING, N_EPOCH, NULL),
};
static const srl__json_spec spec = SRL__JSON_SPEC(fields, N_COUNT);

/* ---- writing one */

typedef struct writing {
    srl_relay *relay;
    srl__buf out;
    srl__json_writer json;
} writing;

static void put_text(writing *w, srl__slice name, srl__slice text)
{
    if (text.len > 0) {
        srl__json_put_name(&w->json, name);
        srl__json_put_string(&w->json, text);
    }
}

static void put_number(writing *w, srl__slice name, uint64_t number)
{
    if (number > 0) {
        srl__json_put_name(&w->json, name);
        srl__json_put_u64(&w->json, number);
    }
}

static void put_json(writing *w, srl__slice name, const char *json, size_t len)
{
    if (len > 0) {
        srl__json_put_name(&w->json, name);
        srl__json_put_raw(&w->json, srl__slice_of(json, len));
    }
}

/* A note may come late: what ends is named by the time of its end. */
static void put_end(writing *w, uint64_t ttl_ms)
{
    uint64_t now = srl__relay_wall_ms(w->relay);

    put_number(w, SRL__LIT("until"), ttl_ms == 0 ? 0 : ttl_ms < UINT64_MAX - now ? now + ttl_ms : UINT64_MAX);
}

static void put_sessions(writing *w, const srl_user_sessions *which)
{
    put_text(w, SRL__LIT("user"), srl__slice_of(which->user, which->user_len));
    put_text(w, SRL__LIT("client"), srl__slice_of(which->client, which->client_len));
    put_text(w, SRL__LIT("session"), srl__slice_of(which->session, which->session_len));
    if (which->except_count == 0) {
        return;
    }
    srl__json_put_name(&w->json, SRL__LIT("except"));
    srl__json_put_open(&w->json, '[');
    for (uint32_t i = 0; i < which->except_count; i++) {
        srl__json_put_string(&w->json, srl__slice_of(which->except[i].data, which->except[i].len));
    }
    srl__json_put_close(&w->json, ']');
}

static void begin(writing *w, srl_relay *relay, srl__slice verb)
{
    w->relay = relay;
    w->json = srl__json_writer_on(&w->out);
    srl__buf_init(&w->out, &relay->alloc, MAX_NOTE);
    srl__json_put_open(&w->json, '{');
    put_text(w, SRL__LIT("do"), verb);
}

static int send(writing *w)
{
    const srl_broker_ops *broker = srl__broker_ops_of(w->relay->broker);
    int error = SRL_OK;

    srl__json_put_close(&w->json, '}');
    error = w->out.error;
    if (error == SRL_OK) {
        error =
            broker->control != NULL ? broker->control(w->relay->link, w->out.data, w->out.len) : SRL_ERR_UNAVAILABLE;
    }
    srl__buf_free(&w->out);
    return error;
}

static void put_subscription(writing *w, srl__slice channel, const srl_subscription *options)
{
    put_text(w, SRL__LIT("channel"), channel);
    if (options != NULL) {
        put_number(w, SRL__LIT("flags"), options->flags);
        put_json(w, SRL__LIT("info"), options->info, options->info_len);
        put_json(w, SRL__LIT("data"), options->data, options->data_len);
        put_end(w, options->ttl_ms);
        put_number(w, SRL__LIT("offset"), options->recover_offset);
        put_text(w, SRL__LIT("epoch"), srl__slice_of(options->recover_epoch, options->recover_epoch_len));
    }
}

int srl__note_subscribe(srl_relay *relay, const srl_user_sessions *which, srl__slice channel,
                        const srl_subscription *options)
{
    writing w;

    begin(&w, relay, SRL__LIT("subscribe"));
    put_sessions(&w, which);
    put_subscription(&w, channel, options);
    return send(&w);
}

int srl__note_summon(srl_relay *relay, srl__slice one, srl__slice other, srl__slice channel,
                     const srl_subscription *options)
{
    writing w;

    begin(&w, relay, SRL__LIT("subscribe"));
    put_text(&w, SRL__LIT("user"), one);
    put_text(&w, SRL__LIT("other"), other);
    put_subscription(&w, channel, options);
    return send(&w);
}

int srl__note_unsubscribe(srl_relay *relay, const srl_user_sessions *which, srl__slice channel, uint32_t code)
{
    writing w;

    begin(&w, relay, SRL__LIT("unsubscribe"));
    put_sessions(&w, which);
    put_text(&w, SRL__LIT("channel"), channel);
    put_number(&w, SRL__LIT("code"), code);
    return send(&w);
}

int srl__note_clear(srl_relay *relay, srl__slice channel, uint32_t code)
{
    writing w;

    begin(&w, relay, SRL__LIT("clear"));
    put_text(&w, SRL__LIT("channel"), channel);
    put_number(&w, SRL__LIT("code"), code);
    return send(&w);
}

int srl__note_disconnect(srl_relay *relay, const srl_user_sessions *which, uint32_t code, srl__slice reason)
{
    writing w;

    begin(&w, relay, SRL__LIT("disconnect"));
    put_sessions(&w, which);
    put_number(&w, SRL__LIT("code"), code);
    put_text(&w, SRL__LIT("reason"), reason);
    return send(&w);
}

int srl__note_refresh(srl_relay *relay, const srl_user_sessions *which, uint64_t ttl_ms)
{
    writing w;

    begin(&w, relay, SRL__LIT("refresh"));
    put_sessions(&w, which);
    put_end(&w, ttl_ms);
    return send(&w);
}

/* ---- one that came */

typedef struct note {
    srl__slice verb;
    srl__slice user;
    srl__slice other;       /* another user who is meant; empty: none */
    srl__slice client;      /* empty: any */
    srl__slice session;     /* likewise */
    srl__json_value except; /* an array of client ids */
    srl__slice channel;
    uint32_t code;
    srl__slice reason;
    uint64_t ttl_ms;
    srl_subscription subscription;
} note;

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
        srl__subscribe_by_server(session, n->channel, &n->subscription);
    } else if (srl__slice_equal(n->verb, SRL__LIT("unsubscribe"))) {
        if (room != NULL) {
            (void)srl__unsubscribe(session, room, n->code);
        }
    } else if (srl__slice_equal(n->verb, SRL__LIT("disconnect"))) {
        srl__session_disconnect(session, n->code, n->reason);
    } else if (srl__slice_equal(n->verb, SRL__LIT("refresh"))) {
        (void)srl_session_set_expiry(session, n->ttl_ms);
    }
}

static bool is_listed(const srl__json_value *list, srl__slice text)
{
    srl__json_walk walk;
    srl__json_value value;

    srl__json_walk_init(&walk, list);
    while (srl__json_walk_next(&walk, NULL, &value)) {
        if (srl__json_string_is(&value, text)) {
            return true;
        }
    }
    return false;
}

static bool is_meant(const srl_session *session, const note *n)
{
    char client[SRL_CLIENT_ID_LEN + 1];
    char secret[SRL_SESSION_ID_LEN + 1];
    srl__slice id;

    srl_session_client_id(session, client);
    srl_session_secret_id(session, secret);
    id = srl__slice_of(client, SRL_CLIENT_ID_LEN);
    return (n->client.len == 0 || srl__slice_equal(n->client, id)) &&
           (n->session.len == 0 || srl__slice_equal(n->session, srl__slice_of(secret, strlen(secret)))) &&
           !is_listed(&n->except, id);
}

/* Nobody but the list of all sessions knows the anonymous ones. */
static void apply_to_anonymous(srl_relay *relay, const note *n)
{
    for (srl__list *link = relay->sessions.next; link != &relay->sessions; link = link->next) {
        srl_session *session = SRL__CONTAINER(link, srl_session, link);

        if (session->user == NULL && is_meant(session, n)) {
            apply_to(session, n);
            return;
        }
    }
}

/* Sessions that the walk has passed may come and go; no host code runs meanwhile. */
static void apply_to_user(srl_relay *relay, srl__slice id, const note *n)
{
    srl__user *user = srl__map_get(&relay->users, id);
    srl__list *next = NULL;

    if (user == NULL) {
        return;
    }
    for (srl__list *link = user->sessions.next; link != &user->sessions; link = next) {
        srl_session *session = SRL__CONTAINER(link, srl_session, user_link);

        next = link->next;
        if (is_meant(session, n)) {
            apply_to(session, n);
        }
    }
}

static void apply(srl_relay *relay, const note *n)
{
    if (srl__slice_equal(n->verb, SRL__LIT("clear"))) {
        clear(relay, n);
    } else if (n->user.len == 0 && n->client.len + n->session.len > 0) {
        apply_to_anonymous(relay, n);
    } else {
        apply_to_user(relay, n->user, n);
        apply_to_user(relay, n->other, n);
    }
}

/* How long until a time by the wall clock; at least a moment, as 0 stands for no end. */
static uint64_t time_until(srl_relay *relay, const srl__json_value *value)
{
    uint64_t until = 0;
    uint64_t now = srl__relay_wall_ms(relay);

    if (!srl__json_to_u64(value, &until)) {
        return 0;
    }
    return until > now ? until - now : 1;
}

/* What strings with escapes mean is written into `scratch`, which has room for the whole text. */
static srl__slice text_of(const srl__json_value *value, char **scratch)
{
    srl__slice text = srl__json_to_string(value, *scratch);

    if (text.data == *scratch) {
        *scratch += text.len;
    }
    return text;
}

static void take_subscription(const srl__json_value *v, char **scratch, note *n)
{
    srl_subscription *s = &n->subscription;
    srl__slice info = srl__json_text_of(&v[N_INFO]);
    srl__slice data = srl__json_text_of(&v[N_DATA]);
    srl__slice epoch = text_of(&v[N_EPOCH], scratch);
    uint64_t flags = 0;

    (void)srl__json_to_u64(&v[N_FLAGS], &flags);
    (void)srl__json_to_u64(&v[N_OFFSET], &s->recover_offset);
    s->size = sizeof(*s);
    s->flags = (uint32_t)flags;
    s->info = info.data;
    s->info_len = info.len;
    s->data = data.data;
    s->data_len = data.len;
    s->ttl_ms = n->ttl_ms;
    s->recover_epoch = epoch.data;
    s->recover_epoch_len = epoch.len;
}

static void take(srl_relay *relay, const srl__json_value *v, char *scratch, note *n)
{
    uint64_t code = 0;

    n->verb = text_of(&v[N_DO], &scratch);
    n->user = text_of(&v[N_USER], &scratch);
    n->other = text_of(&v[N_OTHER], &scratch);
    n->client = text_of(&v[N_CLIENT], &scratch);
    n->session = text_of(&v[N_SESSION], &scratch);
    n->except = v[N_EXCEPT];
    n->channel = text_of(&v[N_CHANNEL], &scratch);
    n->reason = text_of(&v[N_REASON], &scratch);
    n->code = srl__json_to_u64(&v[N_CODE], &code) && code <= UINT16_MAX ? (uint32_t)code : 0;
    n->ttl_ms = time_until(relay, &v[N_UNTIL]);
    take_subscription(v, &scratch, n);
}

void srl__note_arrived(srl_relay *relay, srl__slice text)
{
    srl__json_value v[N_COUNT];
    srl__json_error problem;
    srl__buf scratch;
    note n = {.code = 0};

    if (srl__cluster_note_arrived(relay, text)) {
        return;
    }
    if (!srl__json_read(text, &spec, &limits, v, &problem)) {
        return; /* of another version, or not ours */
    }
    srl__buf_init(&scratch, &relay->alloc, text.len);
    if (memchr(text.data, '\\', text.len) == NULL || srl__buf_reserve(&scratch, text.len) == SRL_OK) {
        take(relay, v, scratch.data, &n);
        apply(relay, &n);
    }
    srl__buf_free(&scratch);
}
