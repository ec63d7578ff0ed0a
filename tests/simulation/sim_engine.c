/*
 * One relay, a handful of clients and a broker that takes its time, driven by random steps and checked against what a
 * second node at the same broker sees:
 *
 *  - what a subscription receives is, from its position on, every publication once and in order;
 *  - `recovered` is true only if that holds for what was missed, and false only with a reason;
 *  - after an unsubscribe nothing comes any more; every command is answered once;
 *  - when everything has come to rest, everybody is at the top, and presence is who is there;
 *  - all memory is given back.
 *
 *     sim_engine [SEED [RUNS [STEPS]]]
 *
 * prints the seed of a run that fails; `sim_engine SEED 1` repeats it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/broker_delay.h"
#include "helpers/fake_node.h"
#include "helpers/random.h"
#include "helpers/test_relay.h"

enum { CHANNELS = 3, CLIENTS = 6, USERS = 3, LOG_MAX = 4096, IDS_MAX = 4096 };

/* What the witness has seen of a channel. */
typedef struct channel {
    char name[8];
    uint32_t history;
    unsigned published[LOG_MAX]; /* in order; with history, index + 1 is the offset */
    unsigned top;
} channel;

typedef enum standing { OUT, ASKING, IN } standing;

/* What a client knows of its subscription to a channel. */
typedef struct membership {
    standing standing;
    bool leaving; /* the end of the subscription is under way */
    bool recover;
    unsigned asked_from;
    bool asked_at_once; /* and was answered in the call, */
    unsigned asked_top; /* when this was the top */
    bool asked_well;    /* with the right epoch */
    unsigned position;  /* with history: the last offset; else the place in the log of the last message, 0: none yet */
    bool has_position;
    char epoch[40];
} membership;

typedef struct player {
    test_client *client; /* NULL: nobody */
    unsigned user;
    membership in[CHANNELS];
    unsigned char asked[IDS_MAX]; /* commands that are not answered yet */
    unsigned waiting;
} player;

typedef struct sim {
    uint64_t seed;
    uint64_t random;
    unsigned step;
    test_relay home;
    broker_delay broker;
    srl_test_node witness;
    size_t witnessed;
    channel channels[CHANNELS];
    player players[CLIENTS];
    unsigned numbers; /* published so far */
    bool slow_broker;
    bool ages;
    bool small_queues;
    bool corked;
} sim;

static sim *running;

static void failed(const char *rule, const char *text)
{
    fprintf(stderr, "sim_engine: seed %" PRIu64 ", step %u: %s\n%s\n", running->seed, running->step, rule,
            text != NULL ? text : "");
    exit(1);
}

static unsigned below(sim *s, unsigned bound)
{
    return (unsigned)srl_test_random_below(&s->random, bound);
}

static bool one_in(sim *s, unsigned n)
{
    return below(s, n) == 0;
}

/* ---- the witness */

static void unheeded(srl_operation *operation, const srl_broker_result *result)
{
    (void)operation;
    if (result->error != SRL_OK) {
        failed("the witness cannot subscribe", NULL);
    }
}

static void watch(sim *s, channel *c)
{
    static srl_operation operation = {unheeded};
    srl_broker_channel wanted = {
        .size = sizeof(wanted), .history_size = c->history, .name = c->name, .name_len = strlen(c->name)};

    if (s->witness.ops->subscribe(s->witness.link, &wanted, c, &operation) != SRL_OK) {
        failed("the witness cannot subscribe", NULL);
    }
}

static void look(sim *s)
{
    while (srl_test_node_run(&s->witness)) {
    }
    for (; s->witnessed < s->witness.log_count; s->witnessed++) {
        const srl_test_delivery *seen = &s->witness.log[s->witnessed];
        channel *c = seen->room;

        if (seen->kind != SRL_MESSAGE_PUBLICATION) {
            continue;
        }
        if (c->top == LOG_MAX) {
            failed("the log is full", NULL);
        }
        c->published[c->top++] = (unsigned)strtoul(seen->data, NULL, 10);
        if (c->history > 0 && seen->offset != c->top) {
            failed("the broker's offsets are not consecutive", NULL);
        }
    }
}

/* ---- reading frames */

static bool number_after(const char *text, const char *name, unsigned *out)
{
    const char *at = strstr(text, name);

    if (at == NULL) {
        return false;
    }
    *out = (unsigned)strtoul(at + strlen(name), NULL, 10);
    return true;
}

static void text_after(const char *text, const char *name, char *out, size_t size)
{
    const char *at = strstr(text, name);
    size_t len = 0;

    out[0] = '\0';
    if (at == NULL) {
        return;
    }
    at += strlen(name);
    while (at[len] != '"' && at[len] != '\0' && len + 1 < size) {
        out[len] = at[len];
        len++;
    }
    out[len] = '\0';
}

static unsigned channel_of(const sim *s, const char *text)
{
    char name[8];

    text_after(text, "\"channel\":\"", name, sizeof(name));
    for (unsigned i = 0; i < CHANNELS; i++) {
        if (strcmp(s->channels[i].name, name) == 0) {
            return i;
        }
    }
    failed("a frame of no channel", text);
    return 0;
}

static void take_message(sim *s, player *p, const char *text)
{
    unsigned which = channel_of(s, text);
    const channel *c = &s->channels[which];
    membership *m = &p->in[which];
    unsigned data = 0;
    unsigned offset = 0;
    const char *at = strstr(text, c->history > 0 ? "\"data\":{\"offset\":" : "\"data\":{\"data\":");

    if (m->standing != IN) {
        failed("a message without a subscription", text);
    }
    if (at == NULL || !number_after(at + 1, "\"data\":", &data)) {
        failed("a message of the wrong form", text);
    }
    (void)number_after(at, "\"offset\":", &offset);
    if (c->history == 0) {
        unsigned next = m->position;

        if (!m->has_position) { /* the first one: wherever that is */
            for (next = c->top; next > 0 && c->published[next - 1] != data; next--) {
            }
            next = next > 0 ? next - 1 : c->top;
        }
        offset = next + 1;
        m->position = next;
        m->has_position = true;
    }
    if (offset != m->position + 1) {
        failed("a message out of turn", text);
    }
    if (offset > c->top || c->published[offset - 1] != data) {
        failed("not what was published there", text);
    }
    m->position = offset;
}

static void check_recovery(sim *s, const membership *m, const channel *c, bool recovered, const char *text)
{
    bool kept = m->asked_from <= m->asked_top && m->asked_top - m->asked_from <= c->history;

    if (recovered && !m->asked_well) {
        failed("recovered, but the epoch was another one", text);
    }
    if (recovered && m->asked_from > c->top) {
        failed("recovered from the future", text);
    }
    if (!recovered && m->asked_at_once && !s->ages && !s->small_queues && c->history > 0 && m->asked_well && kept) {
        failed("not recovered without a reason", text);
    }
}

static void take_subscribed(sim *s, player *p, const char *text)
{
    unsigned which = channel_of(s, text);
    const channel *c = &s->channels[which];
    membership *m = &p->in[which];
    bool recovered = strstr(text, "\"recovered\":true") != NULL;
    unsigned offset = 0;

    if (m->standing != ASKING) {
        failed("subscribed without asking", text);
    }
    if (m->recover != (strstr(text, "\"was_recovering\":true") != NULL)) {
        failed("was_recovering is not true", text);
    }
    m->standing = IN;
    if (c->history == 0) {
        if (recovered || strstr(text, "\"offset\"") != NULL) {
            failed("a position where there is no history", text);
        }
        m->has_position = false;
        m->position = 0;
        return;
    }
    if (!number_after(text, "\"offset\":", &offset)) {
        failed("no position", text);
    }
    text_after(text, "\"epoch\":\"", m->epoch, sizeof(m->epoch));
    if (m->recover) {
        check_recovery(s, m, c, recovered, text);
    }
    if (offset > c->top || (recovered && offset != m->asked_from) ||
        (!recovered && m->asked_at_once && offset != m->asked_top)) {
        failed("a position that is none", text);
    }
    m->position = offset;
    m->has_position = true;
}

static void out(membership *m)
{
    m->standing = OUT;
    m->leaving = false;
}

static void take_reply(sim *s, player *p, const char *text)
{
    unsigned id = 0;
    bool error = strstr(text, "\"error\":{") != NULL;

    if (!number_after(text, "\"id\":", &id) || id >= IDS_MAX || p->asked[id] == 0) {
        failed("a reply that nobody waits for", text);
    }
    p->asked[id] = 0;
    p->waiting--;
    if (strstr(text, "\"type\":\"subscribe\"") != NULL) {
        if (!error) {
            take_subscribed(s, p, text);
        } else if (strstr(text, "\"code\":105") == NULL) {
            out(&p->in[channel_of(s, text)]);
        }
    } else if (strstr(text, "\"type\":\"unsubscribe\"") != NULL && !error) {
        out(&p->in[channel_of(s, text)]);
    }
}

static void forget(player *p)
{
    for (unsigned i = 0; i < CHANNELS; i++) {
        out(&p->in[i]);
    }
    memset(p->asked, 0, sizeof(p->asked));
    p->waiting = 0;
}

static void read_frames(sim *s, player *p)
{
    const char *text;

    look(s);
    while (p->client != NULL && (text = test_client_read(p->client)) != NULL) {
        if (strstr(text, "{\"push\":{\"type\":\"message\"") == text) {
            take_message(s, p, text);
        } else if (strstr(text, "{\"reply\":") == text) {
            take_reply(s, p, text);
        } else if (strstr(text, "{\"push\":{\"type\":\"unsubscribe\"") == text) {
            out(&p->in[channel_of(s, text)]);
        } else if (strstr(text, "{\"push\":{\"type\":\"join\"") == text ||
                   strstr(text, "{\"push\":{\"type\":\"leave\"") == text) {
            if (p->in[channel_of(s, text)].standing != IN) {
                failed("an event without a subscription", text);
            }
        }
    }
    if (p->client != NULL && p->client->ended) {
        if (p->client->closes > 0 && p->client->close_code == 3010 && s->home.memory.failures == 0) {
            failed("the relay lost a message", NULL);
        }
        if (p->client->session != NULL) {
            test_client_leave(p->client);
        }
        p->client = NULL;
        forget(p);
    }
}

static void read_all(sim *s)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        read_frames(s, &s->players[i]);
    }
}

/* ---- steps */

static void command(sim *s, player *p, const char *type, const char *name, const char *data)
{
    uint64_t id = p->client->last_id + 1;

    if (id >= IDS_MAX) {
        failed("too many commands", NULL);
    }
    p->asked[id] = 1;
    p->waiting++;
    (void)test_client_command(p->client, type, name, data);
    (void)s;
}

static void come(sim *s, player *p)
{
    static const char *const names[USERS] = {"ann", "bob", "cyd"};

    p->user = below(s, USERS);
    p->client = test_client_open(&s->home);
    forget(p);
    p->asked[1] = 1;
    p->waiting = 1;
    p->client->last_id = 1;
    (void)test_client_sendf(p->client, "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"%s\"}}", names[p->user]);
    if (one_in(s, 4)) {
        p->client->gives_back = true;
    }
}

static void subscribe(sim *s, player *p)
{
    unsigned which = below(s, CHANNELS);
    const channel *c = &s->channels[which];
    membership *m = &p->in[which];
    bool recover = one_in(s, 2);
    unsigned from = m->has_position && c->history > 0 ? m->position : 0;
    char data[160];

    if (m->leaving) {
        return;
    }
    if (m->standing != OUT) { /* will be refused */
        command(s, p, "subscribe", c->name, NULL);
        return;
    }
    if (recover && one_in(s, 4)) {
        from = below(s, c->top + 3);
    }
    m->recover = recover;
    m->asked_from = from;
    m->asked_well = true;
    look(s);
    m->asked_at_once = !s->slow_broker && !s->corked;
    m->asked_top = c->top;
    m->standing = ASKING;
    if (!recover) {
        command(s, p, "subscribe", c->name, NULL);
        return;
    }
    if (m->epoch[0] != '\0' && one_in(s, 6)) {
        m->asked_well = false;
        (void)snprintf(data, sizeof(data), "{\"recover\":true,\"offset\":%u,\"epoch\":\"wrong\"}", from);
    } else {
        (void)snprintf(data, sizeof(data), "{\"recover\":true,\"offset\":%u,\"epoch\":\"%s\"}", from, m->epoch);
    }
    command(s, p, "subscribe", c->name, data);
}

static void client_publishes(sim *s, player *p)
{
    char data[64];

    (void)snprintf(data, sizeof(data), "{\"data\":%u}", ++s->numbers);
    command(s, p, "publish", s->channels[below(s, CHANNELS)].name, data);
}

static void host_publishes(sim *s)
{
    unsigned count = 1 + (one_in(s, 4) ? below(s, 8) : 0);
    const char *name = s->channels[below(s, CHANNELS)].name;
    char data[32];

    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(data, sizeof(data), "%u", ++s->numbers);
        if (test_relay_publish(&s->home, name, data) != SRL_OK) {
            failed("the host cannot publish", srl_relay_last_error(s->home.relay));
        }
    }
}

static void block(sim *s, player *p)
{
    if (!p->client->blocked && one_in(s, 2)) {
        p->client->take = below(s, 4);
    } else {
        test_client_unblock(p->client);
    }
}

static void broker_works(sim *s)
{
    for (unsigned i = 1 + below(s, 6); i > 0; i--) {
        if (s->broker.operation_count > 0 && one_in(s, 3)) {
            broker_delay_effect_at(&s->broker, below(s, s->broker.operation_count));
        } else if (s->broker.operation_count > 0 && one_in(s, 2)) {
            broker_delay_answer_at(&s->broker, below(s, s->broker.operation_count));
        } else if (s->broker.delivery_count > 0) {
            broker_delay_deliver_at(&s->broker, below(s, s->broker.delivery_count));
        }
    }
}

static void several_commands(sim *s, player *p)
{
    uint64_t id = p->client->last_id;

    for (uint64_t i = id + 1; i <= id + 4; i++) {
        p->asked[i] = 1;
        p->waiting++;
    }
    p->client->last_id += 4;
    (void)test_client_sendf(p->client,
                            "{\"id\":%" PRIu64 ",\"type\":\"publish\",\"channel\":\"%s\",\"data\":{\"data\":%u}}\n"
                            "{\"id\":%" PRIu64 ",\"type\":\"presence\",\"channel\":\"%s\"}\n"
                            "{\"id\":%" PRIu64 ",\"type\":\"dance\"}\n"
                            "{\"id\":%" PRIu64 ",\"type\":\"history\",\"channel\":\"%s\",\"data\":{\"limit\":2}}",
                            id + 1, s->channels[0].name, ++s->numbers, id + 2, s->channels[1].name, id + 3, id + 4,
                            s->channels[0].name);
}

static void client_steps(sim *s, player *p)
{
    unsigned which = below(s, CHANNELS);
    const char *name = s->channels[which].name;

    switch (below(s, 16)) {
    case 0:
        test_client_leave(p->client);
        p->client = NULL;
        forget(p);
        break;
    case 1:
        if (p->in[which].standing == IN && !p->in[which].leaving) {
            p->in[which].leaving = true;
            command(s, p, "unsubscribe", name, NULL);
        }
        break;
    case 2:
        srl_session_disconnect(p->client->session, 4000, NULL, 0);
        break;
    case 3:
        if (p->in[which].standing == IN && !p->in[which].leaving) {
            p->in[which].leaving = true;
            (void)srl_session_unsubscribe(p->client->session, name, strlen(name), 0);
        }
        break;
    case 4:
        several_commands(s, p);
        break;
    case 5:
    case 6:
        block(s, p);
        break;
    case 7:
        p->client->breaks = one_in(s, 8);
        break;
    case 8:
    case 9:
    case 10:
        client_publishes(s, p);
        break;
    default:
        subscribe(s, p);
        break;
    }
}

static void step(sim *s)
{
    player *p = &s->players[below(s, CLIENTS)];

    switch (below(s, 12)) {
    case 0:
        test_relay_advance(&s->home, below(s, 4000));
        break;
    case 1:
        if (s->corked) {
            srl_relay_uncork(s->home.relay);
        } else {
            srl_relay_cork(s->home.relay);
        }
        s->corked = !s->corked;
        break;
    case 2:
    case 3:
        host_publishes(s);
        break;
    case 4:
    case 5:
        broker_works(s);
        break;
    default:
        if (p->client == NULL) {
            come(s, p);
        } else {
            client_steps(s, p);
        }
        break;
    }
    read_all(s);
}

/* ---- at rest */

static void compare_presence(int error, const srl_presence *presence, void *user)
{
    const channel *c = user;
    static const char *const names[USERS] = {"ann", "bob", "cyd"};
    unsigned counts[USERS] = {0};
    unsigned sessions = 0;
    unsigned users = 0;

    if (error != SRL_OK) {
        failed("presence cannot be read", srl_error_text(error));
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        const player *p = &running->players[i];

        if (p->client != NULL && p->in[c - running->channels].standing == IN) {
            users += counts[p->user]++ == 0;
            sessions++;
        }
    }
    if (presence->num_sessions != sessions || presence->num_users != users || presence->count != users) {
        (void)fprintf(stderr, "%s: %u users, %u sessions, %u listed; known: %u users, %u sessions\n", c->name,
                      presence->num_users, presence->num_sessions, presence->count, users, sessions);
        failed("presence counts others than those who are there", c->name);
    }
    for (uint32_t i = 0; i < presence->count; i++) {
        for (unsigned u = 0; u < USERS; u++) {
            if (presence->users[i].user_len == 3 && memcmp(presence->users[i].user, names[u], 3) == 0 &&
                presence->users[i].sessions != counts[u]) {
                failed("a user with another number of sessions", names[u]);
            }
        }
    }
}

static void come_to_rest(sim *s)
{
    if (s->corked) {
        srl_relay_uncork(s->home.relay);
        s->corked = false;
    }
    for (int round = 0; round < 50; round++) {
        for (unsigned i = 0; i < CLIENTS; i++) {
            if (s->players[i].client != NULL) {
                s->players[i].client->breaks = false;
                test_client_unblock(s->players[i].client);
            }
        }
        broker_delay_flush(&s->broker);
        test_relay_process(&s->home);
        read_all(s);
    }
}

static void check_rest(sim *s)
{
    unsigned hold = s->broker.hold;

    come_to_rest(s);
    for (unsigned i = 0; i < CLIENTS; i++) {
        const player *p = &s->players[i];

        for (unsigned k = 0; p->client != NULL && k < CHANNELS; k++) {
            const membership *m = &p->in[k];

            if (m->standing == ASKING) {
                failed("a subscription that is never answered", s->channels[k].name);
            }
            if (m->standing == IN && m->has_position && m->position != s->channels[k].top) {
                failed("a subscriber who is not at the top", s->channels[k].name);
            }
        }
        if (p->client != NULL && p->waiting > 0) {
            failed("a command that is never answered", NULL);
        }
    }
    s->broker.hold = 0;
    for (unsigned k = 0; k < CHANNELS; k++) {
        channel *c = &s->channels[k];

        if (srl_relay_presence(s->home.relay, c->name, strlen(c->name), 100, compare_presence, c) != SRL_OK) {
            failed("presence cannot be asked for", NULL);
        }
    }
    s->broker.hold = hold;
}

static void begin(sim *s, uint64_t seed)
{
    static const char *const events[] = {"off", "session", "user", "both"};
    static const char *const sizes[] = {"5", "40", "1000"};
    char size[8];

    memset(s, 0, sizeof(*s));
    s->seed = seed;
    s->random = seed;
    running = s;
    test_relay_init(&s->home);
    broker_delay_init(&s->broker, &s->home.memory.table);
    (void)srl_options_set_broker(s->home.options, s->broker.broker);
    s->ages = one_in(s, 4);
    s->small_queues = one_in(s, 2);
    s->channels[0].history = (uint32_t)strtoul(sizes[below(s, 3)], NULL, 10);
    s->channels[1].history = s->channels[0].history;
    (void)snprintf(size, sizeof(size), "%" PRIu32, s->channels[0].history);
    if (test_relay_start(&s->home, "history_size", size, "history_ttl", s->ages ? "5s" : "0", "presence", "true",
                         "join_leave", events[below(s, 4)], "publish", "true", "publish_rate", "0", "max_queue_bytes",
                         s->small_queues ? "4k" : "1m", "work_budget", one_in(s, 2) ? "3" : "1024", NULL) != SRL_OK) {
        failed("the relay does not start", NULL);
    }
    memcpy(s->channels[0].name, "h0", 3);
    memcpy(s->channels[1].name, "h1", 3);
    memcpy(s->channels[2].name, "n2", 3);
}

static void plain_channel(sim *s)
{
    srl_options *options;

    if (srl_options_create(&options) != SRL_OK || srl_options_set(options, "presence", "true") != SRL_OK ||
        srl_options_set(options, "publish", "true") != SRL_OK ||
        srl_relay_set_namespace(s->home.relay, "n", 1, options) != SRL_OK) {
        failed("no namespace", NULL);
    }
    srl_options_destroy(options);
}

static void run(uint64_t seed, unsigned steps)
{
    static sim s;

    begin(&s, seed);
    plain_channel(&s);
    if (srl_test_node_attach(&s.witness, s.broker.memory, &s.home.platform) != SRL_OK) {
        failed("the witness cannot attach", NULL);
    }
    for (unsigned i = 0; i < CHANNELS; i++) {
        watch(&s, &s.channels[i]);
    }
    s.slow_broker = one_in(&s, 2);
    if (s.slow_broker) {
        s.broker.hold = one_in(&s, 3) ? below(&s, DELAY_EVERYTHING + 1) : DELAY_EVERYTHING;
        s.broker.hold_deliveries = one_in(&s, 2);
    }
    for (s.step = 0; s.step < steps; s.step++) {
        step(&s);
        if (s.step % 64 == 63) {
            check_rest(&s);
        }
    }
    check_rest(&s);
    for (unsigned i = one_in(&s, 2) ? 20 : 0; i > 0; i--) { /* or end in the middle of things */
        step(&s);
    }
    srl_test_node_free(&s.witness);
    broker_delay_end(&s.broker);
    if (s.corked) {
        srl_relay *relay = s.home.relay;

        test_relay_destroy(&s.home);
        srl_relay_uncork(relay);
    }
    test_relay_end(&s.home);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t runs = argc > 2 ? strtoull(argv[2], NULL, 10) : 1200;
    unsigned steps = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 400;

    for (uint64_t i = 0; i < runs; i++) {
        run(seed + i, steps);
    }
    printf("sim_engine: %" PRIu64 " runs of %u steps from seed %" PRIu64 ": fine\n", runs, steps, seed);
    return 0;
}
