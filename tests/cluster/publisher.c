#include "node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

enum { WINDOW_MAX = 4096, RETRY_MS = 150, FIRST_ID = 10, PAYLOAD_MAX = 60000 };

typedef enum slot_state { SLOT_FREE, SLOT_SENT, SLOT_WAITING } slot_state;

/* One publication on its way. Those with a key are tried until they are acknowledged. */
typedef struct slot {
    uint8_t state;
    bool by_client;
    bool has_key;
    uint32_t channel;
    uint64_t number;
    uint64_t due_ms;
} slot;

static slot slots[WINDOW_MAX];
static uint32_t free_slots[WINDOW_MAX];
static uint32_t free_count;
static publisher_stats stats;
static publisher_order order;
static uint64_t next_number, started_ms, left_at_start;
static uint64_t random_state;
static char *payload;
static node *the_node;
static srl_session *session;
static bool has_keys, connected, ended;

static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 33) % limit);
}

static uint64_t id_of(const slot *at)
{
    return (uint64_t)the_node->number << 40 | at->number;
}

static void release(slot *at)
{
    stats.in_flight--;
    at->state = SLOT_FREE;
    free_slots[free_count++] = (uint32_t)(at - slots);
}

static void acknowledged(slot *at, uint64_t offset, srl_text epoch)
{
    record entry = {.kind = RECORD_ACKNOWLEDGED,
                    .flags = at->has_key,
                    .channel = at->channel,
                    .offset = offset,
                    .epoch = epoch_number(epoch),
                    .id = id_of(at)};
    stats.acknowledged++;
    journal_add(&entry);
    release(at);
}

static void failed(slot *at, int error, bool is_temporary)
{
    record entry = {.kind = RECORD_FAILED,
                    .flags = at->has_key,
                    .channel = at->channel,
                    .id = id_of(at),
                    .offset = (uint64_t)(int64_t)error};
    stats.last_error = error;
    stats.outcome_unknown += error == SRL_ERR_OUTCOME_UNKNOWN;
    if (at->has_key && is_temporary) {
        at->state = SLOT_WAITING;
        at->due_ms = the_node->now_ms + RETRY_MS + random_below(RETRY_MS);
        stats.waiting++;
        stats.retried++;
        return;
    }
    stats.failed++;
    journal_add(&entry);
    release(at);
}

static int key_of(const slot *at, char *out, size_t size)
{
    return snprintf(out, size, "k%u/%llu", the_node->number, (unsigned long long)at->number);
}

/* ---- as the host */

static void host_told(int error, uint64_t offset, const char *epoch, size_t epoch_len, void *user)
{
    slot *at = user;
    if (error == SRL_OK) {
        acknowledged(at, offset, (srl_text){epoch, epoch_len});
    } else {
        failed(at, error, srl_error_is_retriable(error) || error == SRL_ERR_OUTCOME_UNKNOWN);
    }
}

static void send_as_host(slot *at, const char *text, size_t len)
{
    char channel[16], key[48];
    srl_publish_options options;
    int channel_len = snprintf(channel, sizeof(channel), "c%u", at->channel);
    srl_publish_options_init(&options, sizeof(options));
    if (at->has_key) {
        options.key = key;
        options.key_len = (size_t)key_of(at, key, sizeof(key));
    }
    int error =
        srl_relay_publish_with(the_node->relay, channel, (size_t)channel_len, text, len, &options, host_told, at);
    if (error != SRL_OK) {
        failed(at, error, srl_error_is_retriable(error));
    }
}

/* ---- as a client */

static void send_as_client(slot *at, const char *text, size_t len)
{
    static char command[PAYLOAD_MAX + 512];
    char key[48] = "", member[64] = "";
    if (session == NULL || !connected || ended) {
        failed(at, SRL_ERR_CLOSED, true);
        return;
    }
    if (at->has_key) {
        key_of(at, key, sizeof(key));
        snprintf(member, sizeof(member), ",\"key\":\"%s\"", key);
    }
    int command_len = snprintf(command, sizeof(command),
                               "{\"id\":%u,\"type\":\"publish\",\"channel\":\"c%u\",\"data\":{\"data\":%.*s%s}}",
                               (uint32_t)(at - slots) + FIRST_ID, at->channel, (int)len, text, member);
    node_send(session, command, (size_t)command_len);
}

static void heard_reply(srl_text reply)
{
    uint64_t id = wire_number(reply, "id");
    if (id < FIRST_ID) {
        connected = wire_find(reply, "data.client").data != NULL;
        return;
    }
    slot *at = id - FIRST_ID < WINDOW_MAX ? &slots[id - FIRST_ID] : NULL;
    if (at == NULL || at->state != SLOT_SENT || !at->by_client) {
        fprintf(stderr, "an answer to no publication: %.*s\n", (int)reply.len, reply.data);
        return;
    }
    if (wire_find(reply, "error").data != NULL) {
        failed(at, (int)wire_number(reply, "error.code"), wire_is_true(reply, "error.temporary"));
    } else {
        acknowledged(at, wire_number(reply, "data.offset"), wire_string(reply, "data.epoch"));
    }
}

static int64_t take(srl_session *from, srl_frame *const *frames, size_t count, void *user)
{
    (void)from;
    (void)user;
    for (size_t i = 0; i < count; i++) {
        srl_text frame = {(const char *)srl_frame_data(frames[i]), srl_frame_len(frames[i])};
        srl_text reply = wire_find(frame, "reply");
        if (reply.data != NULL) {
            heard_reply(reply);
        }
    }
    return (int64_t)count;
}

static void end(srl_session *from, uint32_t code, const char *reason, size_t reason_len, void *user)
{
    (void)from;
    (void)user;
    fprintf(stderr, "the publisher was disconnected: %u %.*s\n", code, (int)reason_len, reason);
    ended = true;
}

static void come_back(void)
{
    static const char hello[] = "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"publisher\"}}";
    srl_transport transport;
    if (ended) {
        srl_session_closed(session);
        session = NULL;
        ended = connected = false;
        for (uint32_t i = 0; i < WINDOW_MAX; i++) {
            if (slots[i].state == SLOT_SENT && slots[i].by_client) {
                failed(&slots[i], SRL_ERR_CLOSED, true);
            }
        }
    }
    if (session == NULL) {
        srl_transport_init(&transport, sizeof(transport));
        transport.write = take;
        transport.close = end;
        session = node_open(the_node, &transport, NULL);
        node_send(session, hello, sizeof(hello) - 1);
    }
}

/* ---- */

void publisher_init(node *self, uint64_t seed, bool with_keys)
{
    has_keys = with_keys;
    the_node = self;
    random_state = seed * UINT64_C(0x9E3779B97F4A7C15) + self->number + 1;
    for (uint32_t i = 0; i < WINDOW_MAX; i++) {
        free_slots[free_count++] = WINDOW_MAX - 1 - i;
    }
    payload = malloc(PAYLOAD_MAX + 64);
    if (payload == NULL) {
        node_die("publisher", SRL_ERR_NOMEM);
    }
}

void publisher_start(node *self, const publisher_order *wanted)
{
    uint64_t unfinished = order.count;
    order = *wanted;
    order.count += unfinished;
    order.window = order.window < WINDOW_MAX ? order.window : WINDOW_MAX;
    order.payload = order.payload < PAYLOAD_MAX ? order.payload : PAYLOAD_MAX;
    left_at_start = order.count;
    started_ms = self->now_ms;
}

static void send_slot(slot *at)
{
    int len = snprintf(payload, 64, "\"m%u/%llu", the_node->number, (unsigned long long)at->number);
    if (order.payload > 0) {
        payload[len++] = ' ';
        memset(payload + len, 'x', order.payload);
        len += (int)order.payload;
    }
    payload[len++] = '"';
    at->state = SLOT_SENT;
    if (at->by_client) {
        send_as_client(at, payload, (size_t)len);
    } else {
        send_as_host(at, payload, (size_t)len);
    }
}

static void issue(void)
{
    slot *at = &slots[free_slots[--free_count]];
    *at = (slot){.by_client = random_below(2) == 0,
                 .channel = order.first + random_below(order.channels),
                 .has_key = random_below(4) > 0 && has_keys,
                 .number = ++next_number};
    order.count--;
    stats.issued++;
    stats.in_flight++;
    send_slot(at);
}

void publisher_run(node *self)
{
    uint64_t allowed = order.count;
    come_back();
    if (order.rate > 0) {
        uint64_t due = (self->now_ms - started_ms) * order.rate / 1000;
        uint64_t done = left_at_start - order.count;
        allowed = due > done ? due - done : 0;
    }
    for (uint32_t i = 0; i < WINDOW_MAX && stats.waiting > 0; i++) {
        if (slots[i].state == SLOT_WAITING && self->now_ms >= slots[i].due_ms) {
            stats.waiting--;
            send_slot(&slots[i]);
        }
    }
    while (order.count > 0 && allowed > 0 && free_count > 0 && stats.in_flight < order.window) {
        issue();
        allowed--;
    }
}

void publisher_stats_read(publisher_stats *out)
{
    *out = stats;
    out->left = order.count;
}

void publisher_free(void)
{
    if (session != NULL) {
        srl_session_closed(session);
        session = NULL;
    }
    free(payload);
}
