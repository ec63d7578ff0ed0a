/* A relay with a few sessions and a broker that takes its time, driven by the input: raw bytes from clients, ready-made
 * commands, transports that stall or break, the clock, answers of the host and of the broker in any order. The
 * transports check what they are given; here it is checked that frames are JSON, that the messages of a subscription
 * are consecutive, and that everything is given back in the end. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "helpers/broker_delay.h"
#include "helpers/test_relay.h"

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENTS = 4, CHANNELS = 2, MAX_STEPS = 600 };

typedef struct input {
    const uint8_t *data;
    size_t left;
} input;

typedef struct guest {
    test_client *client;
    uint64_t position[CHANNELS];
    bool in[CHANNELS];
} guest;

typedef struct world {
    test_relay home;
    broker_delay broker;
    guest guests[CLIENTS];
    bool corked;
} world;

static uint8_t next(input *in)
{
    if (in->left == 0) {
        return 0;
    }
    in->left--;
    return *in->data++;
}

/* ---- what comes out */

static const char *const names[CHANNELS] = {"a", "b"};

static void check_positions(guest *g, const char *text)
{
    for (unsigned i = 0; i < CHANNELS; i++) {
        char member[24];
        const char *at = strstr(text, "\"offset\":");
        uint64_t offset = at != NULL ? strtoull(at + 9, NULL, 10) : 0;

        (void)snprintf(member, sizeof(member), ",\"channel\":\"%s\",", names[i]);
        if (strstr(text, member) == NULL) {
            continue;
        }
        if (strstr(text, "{\"push\":{\"type\":\"message\"") == text) {
            REQUIRE(g->in[i] && offset == g->position[i] + 1);
            g->position[i] = offset;
        } else if (strstr(text, "\"error\":{") == NULL && strstr(text, "\"type\":\"subscribe\"") != NULL) {
            REQUIRE(!g->in[i]);
            g->in[i] = true;
            g->position[i] = offset;
        } else if (strstr(text, "\"error\":{") == NULL && strstr(text, "\"type\":\"unsubscribe\"") != NULL) {
            g->in[i] = false;
        }
    }
}

static void look(world *w)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        guest *g = &w->guests[i];
        const char *text;

        while (g->client != NULL && (text = test_client_read(g->client)) != NULL) {
            srl__json_error problem;

            REQUIRE(srl__json_validate(srl__slice_of(text, strlen(text)), &srl__json_limits_default, NULL, &problem));
            check_positions(g, text);
        }
        if (g->client != NULL && g->client->ended) {
            if (g->client->session != NULL) {
                test_client_leave(g->client);
            }
            memset(g, 0, sizeof(*g));
        }
    }
}

/* ---- what goes in */

static void raw_bytes(guest *g, input *in)
{
    char text[256];
    size_t len = next(in);

    for (size_t i = 0; i < len; i++) {
        text[i] = (char)next(in);
    }
    if (g->client->session != NULL) {
        (void)srl_session_receive(g->client->session, text, len);
    }
}

static void ready_made(guest *g, input *in)
{
    static const char *const types[] = {"connect",  "subscribe", "unsubscribe",    "publish",
                                        "presence", "history",   "presence_stats", "ping"};
    unsigned what = next(in);
    const char *name = names[what >> 4 & 1];
    char data[96];

    (void)snprintf(data, sizeof(data),
                   "{\"token\":\"u%u\",\"pong\":true,\"recover\":%s,\"offset\":%u,\"limit\":%u,\"data\":[%u]}",
                   what & 3, what & 0x20 ? "true" : "false", what >> 6, what >> 5, what);
    (void)test_client_command(g->client, types[what & 7], name, data);
}

/* What groups, positions and calls of the application add. */
static void ready_made_too(guest *g, input *in)
{
    static const char *const types[] = {"ack", "unread", "rpc", "subscribe"};
    unsigned what = next(in);
    char data[96];

    (void)snprintf(data, sizeof(data), "{\"offset\":%u,\"recover\":%s,\"method\":\"m\",\"data\":%u}", what >> 4 & 3,
                   what & 0x40 ? "true" : "false", what);
    if ((what & 3) == 3 || (what & 0x80) != 0) {
        (void)snprintf(data, sizeof(data), "{\"recover\":%s}", what & 0x40 ? "true" : "false");
    }
    (void)test_client_command(g->client, types[what & 3], names[what >> 2 & 1], data);
}

static void answer(world *w, unsigned how)
{
    srl_request *request = test_relay_request(&w->home);
    size_t len;
    const char *token;

    if (request == NULL) {
        return;
    }
    token = srl_request_token(request, &len);
    (void)srl_request_set_user(request, token, len < 20 ? len : 20);
    if ((how & 3) != 0) {
        (void)srl_request_accept(request);
    } else if ((how & 4) != 0) {
        (void)srl_request_reject(request, how, NULL, 0);
    } else {
        (void)srl_request_disconnect(request, 0, "no", 2);
    }
}

static void broker_works(world *w, unsigned how)
{
    broker_delay *b = &w->broker;

    if ((how & 3) == 0 && b->operation_count > 0) {
        broker_delay_effect_at(b, (how >> 2) % b->operation_count);
    } else if ((how & 3) == 1 && b->operation_count > 0) {
        broker_delay_answer_at(b, (how >> 2) % b->operation_count);
    } else if ((how & 3) == 2 && b->delivery_count > 0) {
        broker_delay_deliver_at(b, (how >> 2) % b->delivery_count);
    } else if ((how & 3) == 3) {
        broker_delay_flush(b);
    }
}

static void told(int error, void *user)
{
    (void)error;
    (void)user;
}

static int leave_or_close(srl_session *session, void *user)
{
    unsigned how = *(unsigned *)user;

    if ((how & 1) != 0) {
        (void)srl_session_unsubscribe(session, names[how >> 1 & 1], 1, 0);
    } else {
        srl_session_disconnect(session, 0, NULL, 0);
    }
    return (int)(how >> 2 & 1);
}

/* What the host does with users and groups: "a" may become one and cease to be. */
static void host_acts_too(world *w, unsigned how)
{
    srl_relay *relay = w->home.relay;
    const char *name = names[how >> 3 & 1];
    char user[3] = {'u', (char)('0' + (how >> 4 & 3)), '\0'};
    unsigned rest = how >> 3;
    srl_options *options = NULL;

    switch (how & 7) {
    case 0:
        (void)srl_room_create(relay, name, 1, "", 0, told, NULL);
        break;
    case 1:
        (void)srl_room_delete(relay, name, 1, told, NULL);
        break;
    case 2:
        (void)srl_room_add_member(relay, name, 1, user, 2, told, NULL);
        break;
    case 3:
        (void)srl_room_remove_member(relay, name, 1, user, 2, told, NULL);
        break;
    case 4:
        (void)srl_relay_subscribe_user(relay, user, 2, name, 1);
        break;
    case 5:
        (void)srl_relay_unsubscribe_user(relay, user, 2, name, 1, 0);
        break;
    case 6:
        (void)srl_relay_each_user_session(relay, user, 2, leave_or_close, &rest);
        break;
    default:
        REQUIRE(srl_options_create(&options) == SRL_OK);
        REQUIRE(srl_options_set(options, "history_size", "50") == SRL_OK);
        REQUIRE(srl_options_set(options, "positions", how & 0x40 ? "ack" : "delivery") == SRL_OK);
        REQUIRE(srl_options_set(options, "room", how & 0x20 ? "group" : "open") == SRL_OK);
        REQUIRE(srl_options_set(options, "publish", "true") == SRL_OK);
        REQUIRE(srl_relay_set_namespace(relay, name, 1, options) == SRL_OK);
        srl_options_destroy(options);
        break;
    }
}

static void host_acts(world *w, unsigned how)
{
    switch (how & 3) {
    case 0:
        (void)test_relay_publish(&w->home, names[how >> 2 & 1], "{\"h\":1}");
        break;
    case 1:
        test_relay_advance(&w->home, (uint64_t)(how >> 2) * 400);
        break;
    case 2:
        if (w->corked) {
            srl_relay_uncork(w->home.relay);
        } else {
            srl_relay_cork(w->home.relay);
        }
        w->corked = !w->corked;
        break;
    default:
        test_relay_process(&w->home);
        break;
    }
}

static void transport_acts(world *w, guest *g, unsigned how)
{
    switch (how & 7) {
    case 0:
        test_client_leave(g->client);
        memset(g, 0, sizeof(*g));
        break;
    case 1:
        g->client->breaks = true;
        break;
    case 2:
        srl_session_disconnect(g->client->session, how >> 3, NULL, 0);
        break;
    case 3:
        (void)srl_session_unsubscribe(g->client->session, names[how >> 3 & 1], 1, 0);
        break;
    case 4:
        (void)srl_session_set_expiry(g->client->session, (uint64_t)(how >> 3) * 100);
        break;
    case 5:
    case 6:
        if (!g->client->blocked) {
            g->client->take = how >> 3 & 3;
        }
        break;
    default:
        test_client_unblock(g->client);
        break;
    }
    (void)w;
}

static void step(world *w, input *in)
{
    unsigned what = next(in);
    guest *g = &w->guests[what >> 6];

    if (g->client == NULL && (what & 7) < 4) {
        g->client = test_client_open(&w->home);
        return;
    }
    switch (what & 7) {
    case 0:
        raw_bytes(g, in);
        break;
    case 1:
        ready_made(g, in);
        break;
    case 2:
        ((what & 8) != 0 ? ready_made_too : ready_made)(g, in);
        break;
    case 3:
        transport_acts(w, g, next(in));
        break;
    case 4:
        answer(w, next(in));
        break;
    case 5:
    case 6:
        broker_works(w, next(in));
        break;
    default:
        ((what & 8) != 0 ? host_acts_too : host_acts)(w, next(in));
        break;
    }
}

static void begin(world *w, unsigned how)
{
    memset(w, 0, sizeof(*w));
    test_relay_init(&w->home);
    broker_delay_init(&w->broker, &w->home.memory.table);
    REQUIRE(srl_options_set_broker(w->home.options, w->broker.broker) == SRL_OK);
    broker_delay_end(&w->broker);
    w->home.hooks = how & 1 ? TEST_CONNECT | TEST_SUBSCRIBE | TEST_PUBLISH | TEST_RPC : TEST_CONNECT;
    w->home.hold = how & 2 ? w->home.hooks : 0;
    w->broker.hold = how & 4 ? DELAY_EVERYTHING : 0;
    w->broker.hold_deliveries = (how & 8) != 0;
    REQUIRE(test_relay_start(&w->home, "history_size", how & 16 ? "3" : "50", "presence", "true", "join_leave", "both",
                             "publish", "true", "max_queue_bytes", how & 32 ? "2k" : "1m", "work_budget",
                             how & 64 ? "2" : "1024", "allow_anonymous", "true", "anonymous", "true", NULL) == SRL_OK);
}

static void end(world *w)
{
    srl_relay *relay = w->home.relay;

    while (w->home.request_count > 0) {
        answer(w, 1);
    }
    if (w->corked) {
        test_relay_destroy(&w->home);
        srl_relay_uncork(relay);
    } else {
        broker_delay_flush(&w->broker);
        look(w);
    }
    test_relay_end(&w->home);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static world w;
    input in = {data, size};

    begin(&w, next(&in));
    for (int i = 0; i < MAX_STEPS && in.left > 0; i++) {
        step(&w, &in);
        look(&w);
    }
    end(&w);
    return 0;
}
