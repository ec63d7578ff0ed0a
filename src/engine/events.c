#include "engine/events.h"

#include "engine/relay.h"
#include "engine/session.h"

/* One waiting event; its texts follow, each with a zero behind it. */
typedef struct entry {
    uint32_t type;
    uint32_t code;
    uint32_t channel_len;
    uint32_t user_len;
    uint32_t client_len;
    uint32_t detail_len;
} entry;

enum { MAX_WAITING_BYTES = 64 * 1024 * 1024 };

void srl__events_init(srl_relay *relay)
{
    srl__buf_init(&relay->events.waiting, &relay->alloc, MAX_WAITING_BYTES);
}

void srl__events_free(srl_relay *relay)
{
    srl__buf_free(&relay->events.waiting);
}

static void append_text(srl__buf *out, srl__slice text)
{
    srl__buf_append_slice(out, text);
    srl__buf_append_char(out, '\0');
}

static void put(srl_relay *relay, const entry *e, srl__slice channel, srl__slice user, srl__slice client,
                srl__slice detail)
{
    srl__events *events = &relay->events;
    size_t need = sizeof(*e) + channel.len + user.len + client.len + detail.len + 4;

    events->counters[e->type]++;
    if (events->hook == NULL) {
        return;
    }
    if (events->count >= relay->settings.max_events || srl__buf_reserve(&events->waiting, need) != 0) {
        events->waiting.error = 0;
        events->dropped++;
        return;
    }
    srl__buf_append(&events->waiting, e, sizeof(*e));
    append_text(&events->waiting, channel);
    append_text(&events->waiting, user);
    append_text(&events->waiting, client);
    append_text(&events->waiting, detail);
    events->count++;
}

void srl__event(srl_relay *relay, srl_event_type type, uint32_t code, srl__slice channel, srl__slice user,
                srl__slice detail)
{
    entry e = {(uint32_t)type, code, (uint32_t)channel.len, (uint32_t)user.len, 0, (uint32_t)detail.len};

    put(relay, &e, channel, user, srl__slice_of("", 0), detail);
}

void srl__event_of(srl_session *session, srl_event_type type, uint32_t code, srl__slice channel, srl__slice detail)
{
    srl__slice user = srl__session_user(session);
    char client[SRL_CLIENT_ID_LEN + 1];
    entry e = {(uint32_t)type,      code, (uint32_t)channel.len, (uint32_t)user.len, SRL_CLIENT_ID_LEN,
               (uint32_t)detail.len};

    if (session->relay->events.hook == NULL) {
        session->relay->events.counters[type]++;
        return;
    }
    srl_session_client_id(session, client);
    put(session->relay, &e, channel, user, srl__slice_of(client, SRL_CLIENT_ID_LEN), detail);
}

void srl__event_limit(srl_session *session, srl__slice channel, const char *option)
{
    srl__event_of(session, SRL_EVENT_LIMIT_HIT, 0, channel, srl__slice_of(option, strlen(option)));
}

static const char *take_text(const char **at, size_t len)
{
    const char *text = *at;

    *at += len + 1;
    return text;
}

static const char *tell_one(srl_relay *relay, const char *at)
{
    srl_event event = {.size = sizeof(event)};
    entry e;

    memcpy(&e, at, sizeof(e));
    at += sizeof(e);
    event.type = e.type;
    event.code = e.code;
    event.channel_len = e.channel_len;
    event.user_len = e.user_len;
    event.client_len = e.client_len;
    event.detail_len = e.detail_len;
    event.channel = take_text(&at, e.channel_len);
    event.user = take_text(&at, e.user_len);
    event.client = take_text(&at, e.client_len);
    event.detail = take_text(&at, e.detail_len);
    if (relay->events.hook != NULL) {
        relay->events.hook(relay, &event, relay->events.user);
    }
    return at;
}

bool srl__events_tell(srl_relay *relay)
{
    srl__events *events = &relay->events;
    srl__buf told = events->waiting;
    uint32_t count = events->count;
    const char *at = told.data;

    if (count == 0) {
        return false;
    }
    srl__buf_init(&events->waiting, &relay->alloc, MAX_WAITING_BYTES);
    events->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        at = tell_one(relay, at);
    }
    if (events->waiting.capacity == 0) { /* nothing new came: keep the memory */
        srl__buf_reset(&told);
        events->waiting = told;
    } else {
        srl__buf_free(&told);
    }
    return true;
}

void srl_relay_set_event_hook(srl_relay *relay, srl_event_fn hook, void *user)
{
    relay->events.hook = hook;
    relay->events.user = user;
}

const char *srl_event_name(uint32_t type)
{
    switch (type) {
#define EVENT_NAME(name, number, metric, text)                                                                         \
    case number:                                                                                                       \
        return metric;
        SRL_EVENT_MAP(EVENT_NAME)
#undef EVENT_NAME
    default:
        return "?";
    }
}
