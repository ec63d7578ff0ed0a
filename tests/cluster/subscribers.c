#include "node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

enum { BATCH = 256, RETRY_MS = 200, RECONNECT_MS = 100, AWAY_MS = 400, EPOCH_MAX = 32, FIRST_ID = 10 };

typedef enum place_state { PLACE_UNUSED, PLACE_WANTED, PLACE_ASKED, PLACE_IN, PLACE_LEAVING } place_state;

/* What a client knows of a channel. */
typedef struct place {
    uint8_t state;
    uint8_t known; /* there is a position */
    uint8_t epoch_len;
    char epoch[EPOCH_MAX];
    uint64_t offset;
    uint64_t due_ms; /* when to ask again */
} place;

typedef struct subscriber {
    srl_session *session;
    uint16_t who;
    bool connected;
    bool ended;
    uint64_t due_ms;
    uint32_t wanted;
    place *places;
} subscriber;

static subscriber *all;
static uint32_t all_count, place_count;
static subscriber_stats stats;
static node *the_node;
/* Of clients that leave a channel and come back to it. */
static uint64_t churn_rate, churn_began_ms, churned, churn_state = 1;

static void note(const subscriber *self, int kind, int flags, uint32_t channel, const place *at, uint64_t id)
{
    record entry = {.kind = (uint8_t)kind, .flags = (uint8_t)flags, .who = self->who, .channel = channel, .id = id};
    if (at != NULL) {
        entry.epoch = epoch_number((srl_text){at->epoch, at->epoch_len});
        entry.offset = at->offset;
    }
    journal_add(&entry);
}

static void set_epoch(place *at, srl_text epoch)
{
    if (epoch.len > 0 && epoch.len <= EPOCH_MAX) {
        memcpy(at->epoch, epoch.data, epoch.len);
        at->epoch_len = (uint8_t)epoch.len;
    }
}

static void want(subscriber *self, place *at, uint64_t due_ms)
{
    self->wanted += at->state != PLACE_WANTED;
    at->state = PLACE_WANTED;
    at->due_ms = due_ms;
}

static void complain(const char *what, srl_text frame)
{
    stats.errors++;
    fprintf(stderr, "%s: %.*s\n", what, (int)(frame.len < 400 ? frame.len : 400), frame.data);
}

/* "c123" */
static bool channel_of(srl_text name, uint32_t *out)
{
    *out = name.len > 1 ? (uint32_t)strtoul(name.data + 1, NULL, 10) : UINT32_MAX;
    return *out < place_count;
}

/* The payload is "m<process>/<number>", perhaps with something behind a space. */
static uint64_t id_of(srl_text payload)
{
    char *end = NULL;
    if (payload.len < 4 || payload.data[0] != 'm') {
        return 0;
    }
    uint64_t process = strtoull(payload.data + 1, &end, 10);
    return *end == '/' ? process << 40 | strtoull(end + 1, NULL, 10) : 0;
}

static void heard_message(subscriber *self, srl_text push, place *at, uint32_t channel)
{
    srl_text data = wire_find(push, "data");
    set_epoch(at, wire_string(data, "epoch"));
    at->offset = wire_number(data, "offset");
    stats.delivered++;
    if (at->state != PLACE_IN && at->state != PLACE_LEAVING) {
        complain("a message outside of a subscription", push);
    }
    note(self, RECORD_MESSAGE, 0, channel, at, id_of(wire_string(data, "data")));
}

static void heard_push(node *owner, subscriber *self, srl_text push)
{
    uint32_t channel = 0;
    srl_text type = wire_string(push, "type");
    if (wire_equals(type, "ping") || wire_equals(type, "disconnect")) {
        return;
    }
    if (!channel_of(wire_string(push, "channel"), &channel)) {
        complain("a push without channel", push);
        return;
    }
    place *at = &self->places[channel];
    if (wire_equals(type, "message")) {
        heard_message(self, push, at, channel);
    } else if (wire_equals(type, "unsubscribe")) {
        uint64_t code = wire_number(push, "data.code");
        stats.unsubscribed++;
        note(self, RECORD_OUT, 0, channel, NULL, code);
        if (code < 2500) {
            complain("unsubscribed for good", push);
        }
        want(self, at, owner->now_ms);
    }
}

static void heard_error(node *owner, subscriber *self, srl_text reply, place *at)
{
    if (wire_is_true(reply, "error.temporary")) {
        stats.retried++;
        want(self, at, owner->now_ms + RETRY_MS);
    } else {
        complain("refused for good", reply);
        at->state = PLACE_UNUSED;
    }
}

static uint64_t churn_random(void)
{
    churn_state = churn_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return churn_state >> 33;
}

/* It may have been put out meanwhile, and then it comes back by itself. */
static void heard_left(node *owner, subscriber *self, uint32_t channel, srl_text reply)
{
    place *at = &self->places[channel];
    if (wire_find(reply, "data").data == NULL) {
        complain("cannot leave", reply);
    }
    if (at->state == PLACE_LEAVING) {
        want(self, at, owner->now_ms + churn_random() % AWAY_MS);
    }
}

static void heard_reply(node *owner, subscriber *self, srl_text reply)
{
    uint64_t id = wire_number(reply, "id");
    if (id < FIRST_ID) {
        self->connected = wire_find(reply, "data.client").data != NULL;
        return;
    }
    uint32_t channel = (uint32_t)(id - FIRST_ID);
    if (channel >= place_count && channel < 2 * place_count) {
        heard_left(owner, self, channel - place_count, reply);
        return;
    }
    if (channel >= place_count || self->places[channel].state != PLACE_ASKED) {
        complain("a reply that nobody waits for", reply);
        return;
    }
    place *at = &self->places[channel];
    srl_text data = wire_find(reply, "data");
    if (data.data == NULL) {
        heard_error(owner, self, reply, at);
        return;
    }
    bool recovering = wire_is_true(data, "was_recovering"), recovered = wire_is_true(data, "recovered");
    *(recovering ? recovered ? &stats.recovered : &stats.unrecovered : &stats.fresh) += 1;
    if (recovering != at->known) {
        complain("recovery was asked for and not tried, or tried and not asked for", reply);
    }
    at->state = PLACE_IN;
    at->known = 1;
    at->offset = wire_number(data, "offset");
    set_epoch(at, wire_string(data, "epoch"));
    note(self, RECORD_SUBSCRIBED, (recovering ? RECORD_RECOVERING : 0) | (recovered ? RECORD_RECOVERED : 0), channel,
         at, 0);
}

static int64_t take(srl_session *session, srl_frame *const *frames, size_t count, void *user)
{
    subscriber *self = user;
    (void)session;
    for (size_t i = 0; i < count; i++) {
        srl_text frame = {(const char *)srl_frame_data(frames[i]), srl_frame_len(frames[i])};
        srl_text push = wire_find(frame, "push");
        if (push.data != NULL) {
            heard_push(the_node, self, push);
        } else {
            heard_reply(the_node, self, wire_find(frame, "reply"));
        }
    }
    return (int64_t)count;
}

static void end(srl_session *session, uint32_t code, const char *reason, size_t reason_len, void *user)
{
    subscriber *self = user;
    (void)session;
    self->ended = true;
    stats.ended++;
    note(self, RECORD_ENDED, 0, 0, NULL, code);
    if (!srl_disconnect_reconnects(code)) {
        complain("disconnected for good", (srl_text){reason, reason_len});
    }
}

void subscribers_init(node *self)
{
    the_node = self;
    place_count = self->channels;
    all_count = self->subscribers;
    all = calloc(all_count, sizeof(*all));
    for (uint32_t i = 0; all != NULL && i < all_count; i++) {
        all[i].who = (uint16_t)i;
        all[i].places = calloc(place_count, sizeof(place));
        if (all[i].places == NULL) {
            node_die("subscribers", SRL_ERR_NOMEM);
        }
    }
}

void subscribers_restore(const record *entry)
{
    if (entry->who >= all_count || entry->channel >= place_count ||
        (entry->kind != RECORD_MESSAGE && entry->kind != RECORD_SUBSCRIBED)) {
        return;
    }
    place *at = &all[entry->who].places[entry->channel];
    at->known = 1;
    at->offset = entry->offset;
    at->epoch_len = (uint8_t)snprintf(at->epoch, sizeof(at->epoch), "%llu", (unsigned long long)entry->epoch);
}

void subscribers_start(node *self, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < all_count; i++) {
        for (uint32_t c = first; c < first + count && c < place_count; c++) {
            if (all[i].places[c].state == PLACE_UNUSED) {
                want(&all[i], &all[i].places[c], self->now_ms);
            }
        }
    }
}

static void open_session(node *owner, subscriber *self)
{
    char hello[128];
    srl_transport transport;
    srl_transport_init(&transport, sizeof(transport));
    transport.write = take;
    transport.close = end;
    self->session = node_open(owner, &transport, self);
    int len = snprintf(hello, sizeof(hello), "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"s%u\"}}", self->who);
    node_send(self->session, hello, (size_t)len);
}

/* As after a broken connection: everything anew, with the positions. */
static void close_session(node *owner, subscriber *self)
{
    srl_session_closed(self->session);
    self->session = NULL;
    self->ended = self->connected = false;
    self->due_ms = owner->now_ms + RECONNECT_MS;
    for (uint32_t c = 0; c < place_count; c++) {
        if (self->places[c].state != PLACE_UNUSED) {
            want(self, &self->places[c], owner->now_ms);
        }
    }
}

static void ask(subscriber *self, uint32_t channel)
{
    char text[256];
    place *at = &self->places[channel];
    int len = snprintf(text, sizeof(text), "{\"id\":%u,\"type\":\"subscribe\",\"channel\":\"c%u\"", channel + FIRST_ID,
                       channel);
    if (at->known) {
        len += snprintf(text + len, sizeof(text) - (size_t)len,
                        ",\"data\":{\"recover\":true,\"offset\":%llu,\"epoch\":\"%.*s\"}",
                        (unsigned long long)at->offset, at->epoch_len, at->epoch);
    }
    len += snprintf(text + len, sizeof(text) - (size_t)len, "}");
    self->wanted--;
    at->state = PLACE_ASKED;
    node_send(self->session, text, (size_t)len);
}

static void leave(subscriber *self, uint32_t channel)
{
    char text[96];
    int len = snprintf(text, sizeof(text), "{\"id\":%u,\"type\":\"unsubscribe\",\"channel\":\"c%u\"}",
                       channel + place_count + FIRST_ID, channel);
    self->places[channel].state = PLACE_LEAVING;
    node_send(self->session, text, (size_t)len);
}

static void churn(node *owner)
{
    uint64_t due = (owner->now_ms - churn_began_ms) * churn_rate / 1000;
    for (; churned < due; churned++) {
        subscriber *self = &all[churn_random() % all_count];
        uint32_t channel = (uint32_t)(churn_random() % place_count);
        if (self->connected && !self->ended && self->places[channel].state == PLACE_IN) {
            leave(self, channel);
        }
    }
}

void subscribers_churn(node *self, uint64_t rate)
{
    churn_rate = rate;
    churn_began_ms = self->now_ms;
    churned = 0;
}

static void run(node *owner, subscriber *self)
{
    if (self->session != NULL && self->ended) {
        close_session(owner, self);
    }
    if (self->session == NULL) {
        if (owner->now_ms >= self->due_ms) {
            open_session(owner, self);
        }
        return;
    }
    uint32_t left = self->connected ? BATCH : 0;
    for (uint32_t c = 0; c < place_count && left > 0 && self->wanted > 0 && !self->ended; c++) {
        if (self->places[c].state == PLACE_WANTED && owner->now_ms >= self->places[c].due_ms) {
            ask(self, c);
            left--;
        }
    }
}

void subscribers_run(node *self)
{
    for (uint32_t i = 0; i < all_count; i++) {
        run(self, &all[i]);
    }
    if (churn_rate > 0) {
        churn(self);
    }
}

void subscribers_stats(node *self, subscriber_stats *out)
{
    (void)self;
    *out = stats;
    for (uint32_t i = 0; i < all_count; i++) {
        for (uint32_t c = 0; c < place_count; c++) {
            out->wanted += all[i].places[c].state != PLACE_UNUSED && all[i].places[c].state != PLACE_IN;
        }
    }
}

void subscribers_free(void)
{
    for (uint32_t i = 0; i < all_count; i++) {
        if (all[i].session != NULL) {
            srl_session_closed(all[i].session);
        }
        free(all[i].places);
    }
    free(all);
    all_count = 0;
}
