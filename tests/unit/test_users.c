/* What the host does with users, wherever their sessions are. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "helpers/rules.h"

/* Two relays that share a broker. */
typedef struct pair {
    srl_broker *broker;
    test_relay a;
    test_relay b;
} pair;

static void start(test_relay *home, srl_broker *broker)
{
    test_relay_init(home);
    assert_int_equal(srl_options_set_broker(home->options, broker), SRL_OK);
    assert_int_equal(test_relay_start(home, "allow_anonymous", "true", NULL), SRL_OK);
}

static void begin(pair *p)
{
    assert_int_equal(srl_broker_create_memory(NULL, &p->broker), SRL_OK);
    start(&p->a, p->broker);
    start(&p->b, p->broker);
}

static void end(pair *p)
{
    test_relay_end(&p->a);
    test_relay_end(&p->b);
    srl_broker_release(p->broker);
}

static void process(pair *p)
{
    test_relay_process(&p->a);
    test_relay_process(&p->b);
}

static void subscribed_on_every_relay(void **state)
{
    pair p;
    test_client *here;
    test_client *there[2];
    test_client *other;
    (void)state;

    begin(&p);
    here = test_client_enter(&p.a, "ann");
    there[0] = test_client_enter(&p.b, "ann");
    there[1] = test_client_enter(&p.b, "ann");
    other = test_client_enter(&p.b, "anna");
    assert_true(test_client_subscribe(there[1], "x"));
    assert_int_equal(srl_relay_subscribe_user(p.a.relay, TEXT("ann"), TEXT("x")), SRL_OK);
    process(&p);
    see(here, "{\"push\":{\"type\":\"subscribe\",\"channel\":\"x\",\"data\":{\"recoverable\":false}}}");
    see(there[0], IN);
    see_nothing(there[1]); /* was in it */
    assert_int_equal(test_relay_publish(&p.b, "x", "1"), SRL_OK);
    process(&p);
    see(here, MESSAGE);
    see(there[0], MESSAGE);
    see(there[1], MESSAGE);
    assert_int_equal(srl_relay_unsubscribe_user(p.b.relay, TEXT("ann"), TEXT("x"), 0), SRL_OK);
    process(&p);
    see(here, OUT(2000));
    see(there[0], OUT(2000));
    see(there[1], OUT(2000));
    assert_int_equal(srl_relay_unsubscribe_user(p.b.relay, TEXT("ann"), TEXT("x"), 2500), SRL_OK);
    process(&p);
    see_nothing(here); /* not in it */
    see_nothing(other);
    end(&p);
}

static void disconnected_on_every_relay(void **state)
{
    pair p;
    test_client *here;
    test_client *there;
    test_client *other;
    (void)state;

    begin(&p);
    here = test_client_enter(&p.a, "ann\"\\\n");
    there = test_client_enter(&p.b, "ann\"\\\n");
    here = test_client_enter(&p.a, "ann");
    there = test_client_enter(&p.b, "ann");
    other = test_client_enter(&p.b, "bob");
    assert_int_equal(srl_relay_disconnect_user(p.a.relay, TEXT("ann"), 4001, TEXT("\"go\"")), SRL_OK);
    process(&p);
    see(here, "{\"push\":{\"type\":\"disconnect\",\"data\":{\"code\":4001,\"reason\":\"\\\"go\\\"\",*");
    see_closed(here, 4001, "\"go\"");
    see_closed(there, 4001, "\"go\"");
    assert_int_equal(other->closes, 0);
    here = test_client_enter(&p.a, "ann");
    assert_int_equal(srl_relay_disconnect_user(p.b.relay, TEXT("ann"), 0, NULL, 0), SRL_OK);
    process(&p);
    see_closed(here, 3503, "force disconnect");
    end(&p);
}

/* Codes that do not fit and reasons that are no text are replaced, on every relay. */
static void odd_codes_and_reasons(void **state)
{
    pair p;
    test_client *c;
    char reason[400];
    (void)state;

    begin(&p);
    c = test_client_enter(&p.b, "ann");
    assert_true(test_client_subscribe(c, "x"));
    assert_int_equal(srl_relay_unsubscribe_user(p.a.relay, TEXT("ann"), TEXT("x"), 70000), SRL_OK);
    process(&p);
    see(c, OUT(2000));
    assert_int_equal(srl_relay_disconnect_user(p.a.relay, TEXT("ann"), 70000, NULL, 0), SRL_OK);
    process(&p);
    see_closed(c, 3503, "force disconnect");
    c = test_client_enter(&p.b, "ann");
    memset(reason, 'r', sizeof(reason));
    assert_int_equal(srl_relay_disconnect_user(p.a.relay, TEXT("ann"), 4000, reason, sizeof(reason)), SRL_OK);
    process(&p);
    assert_int_equal(c->close_code, 4000);
    assert_int_equal(strlen(c->close_reason), 123);
    c = test_client_enter(&p.b, "ann");
    assert_int_equal(srl_relay_disconnect_user(p.a.relay, TEXT("ann"), 4000, "\xff", 1), SRL_OK);
    process(&p);
    assert_int_equal(c->close_code, 4000);
    end(&p);
}

static void what_is_refused(void **state)
{
    pair p;
    test_client *c;
    (void)state;

    begin(&p);
    assert_int_equal(srl_relay_subscribe_user(p.a.relay, "", 0, TEXT("x")), SRL_ERR_INVALID);
    assert_int_equal(srl_relay_subscribe_user(p.a.relay, TEXT("a"), "", 0), SRL_ERR_INVALID);
    assert_int_equal(srl_relay_unsubscribe_user(p.a.relay, TEXT("a"), TEXT("\x01"), 0), SRL_ERR_INVALID);
    assert_int_equal(srl_relay_disconnect_user(p.a.relay, "", 0, 0, NULL, 0), SRL_ERR_INVALID);
    assert_int_equal(srl_relay_disconnect_user(p.a.relay, TEXT("nobody"), 0, NULL, 0), SRL_OK);
    c = test_client_open(&p.a); /* never connected: nobody yet */
    assert_int_equal(srl_relay_disconnect_user(p.a.relay, TEXT("ann"), 0, NULL, 0), SRL_OK);
    process(&p);
    assert_int_equal(c->closes, 0);
    end(&p);
}

/* Limits hold for those put there by the server too. */
static void a_full_channel_stays_full(void **state)
{
    test_relay home;
    test_client *ann;
    test_client *bob;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "max_subscribers", "1", NULL), SRL_OK);
    ann = test_client_enter(&home, "ann");
    bob = test_client_enter(&home, "bob");
    assert_true(test_client_subscribe(ann, "x"));
    assert_int_equal(srl_relay_subscribe_user(home.relay, TEXT("bob"), TEXT("x")), SRL_OK);
    see_nothing(bob);
    test_relay_end(&home);
}

/* ---- on two threads */

enum { ROUNDS = 300 };

typedef struct elsewhere {
    srl_broker *broker;
    srl_relay *relay;
    srl_session *session;
    atomic_int ready;
    unsigned in;
    unsigned out;
    uint32_t code;
} elsewhere;

static void take_token(srl_request *request, void *user)
{
    size_t len;
    const char *token = srl_request_token(request, &len);

    (void)user;
    (void)srl_request_set_user(request, token, len);
    (void)srl_request_accept(request);
}

static int64_t count_frames(srl_session *session, srl_frame *const *frames, size_t count, void *user)
{
    elsewhere *e = user;

    (void)session;
    for (size_t i = 0; i < count; i++) {
        const char *text = (const char *)srl_frame_data(frames[i]);

        e->in += strncmp(text, "{\"push\":{\"type\":\"subscribe\"", 27) == 0;
        e->out += strncmp(text, "{\"push\":{\"type\":\"unsubscribe\"", 29) == 0;
    }
    return (int64_t)count;
}

static void stop(srl_session *session, uint32_t code, const char *reason, size_t reason_len, void *user)
{
    elsewhere *e = user;

    (void)reason;
    (void)reason_len;
    e->code = code;
    srl_relay_stop(srl_session_relay(session));
}

static srl_relay *relay_on(srl_broker *broker)
{
    srl_options *options;
    srl_relay *relay;
    srl_hooks hooks;

    srl_hooks_init(&hooks, sizeof(hooks));
    hooks.connect = take_token;
    if (srl_options_create(&options) != SRL_OK || srl_options_set_broker(options, broker) != SRL_OK ||
        srl_options_set_hooks(options, &hooks, NULL) != SRL_OK || srl_relay_create(options, &relay) != SRL_OK) {
        abort();
    }
    srl_options_destroy(options);
    return relay;
}

static void *run_elsewhere(void *user)
{
    static const char hello[] = "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"ann\"}}";
    elsewhere *e = user;
    srl_transport transport;

    srl_transport_init(&transport, sizeof(transport));
    transport.write = count_frames;
    transport.close = stop;
    e->relay = relay_on(e->broker);
    if (srl_session_open(e->relay, &transport, SRL_PROTOCOL_NATIVE, e, &e->session) != SRL_OK ||
        srl_session_receive(e->session, hello, sizeof(hello) - 1) != SRL_OK) {
        abort();
    }
    atomic_store(&e->ready, 1);
    if (srl_relay_run(e->relay) != SRL_OK) {
        abort();
    }
    srl_session_closed(e->session);
    srl_relay_destroy(e->relay);
    return NULL;
}

static void on_two_threads(void **state)
{
    elsewhere e = {0};
    pthread_t thread;
    srl_relay *relay;
    const struct timespec moment = {0, 1000000};
    (void)state;

    assert_int_equal(srl_broker_create_memory(NULL, &e.broker), SRL_OK);
    relay = relay_on(e.broker);
    assert_int_equal(pthread_create(&thread, NULL, run_elsewhere, &e), 0);
    while (atomic_load(&e.ready) == 0) {
        (void)nanosleep(&moment, NULL);
    }
    for (int i = 0; i < ROUNDS; i++) {
        assert_int_equal(srl_relay_subscribe_user(relay, TEXT("ann"), TEXT("x")), SRL_OK);
        assert_int_equal(srl_relay_publish(relay, TEXT("x"), TEXT("1"), NULL, NULL), SRL_OK);
        assert_int_equal(srl_relay_unsubscribe_user(relay, TEXT("ann"), TEXT("x"), 0), SRL_OK);
    }
    assert_int_equal(srl_relay_disconnect_user(relay, TEXT("ann"), 4001, NULL, 0), SRL_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(e.in, ROUNDS);
    assert_int_equal(e.out, ROUNDS);
    assert_int_equal(e.code, 4001);
    srl_relay_destroy(relay);
    srl_broker_release(e.broker);
}

/* ---- lists */

enum { LOOK, CLOSE_ALL, PUBLISH, UNSUBSCRIBE, DISCONNECT, OPEN_MORE, STOP };

typedef struct walk {
    test_relay *home;
    int what;
    unsigned shown;
    char names[400];
} walk;

static int act(walk *w)
{
    test_client *c;
    char name[32];

    w->shown++;
    switch (w->what) {
    case CLOSE_ALL:
        for (c = w->home->clients; c != NULL; c = c->next) {
            if (c->session != NULL) {
                test_client_leave(c);
            }
        }
        break;
    case PUBLISH:
        assert_int_equal(test_relay_publish(w->home, "x", "1"), SRL_OK);
        break;
    case UNSUBSCRIBE:
        assert_int_equal(srl_relay_unsubscribe_user(w->home->relay, TEXT("ann"), TEXT("x"), 0), SRL_OK);
        break;
    case DISCONNECT:
        assert_int_equal(srl_relay_disconnect_user(w->home->relay, TEXT("ann"), 0, NULL, 0), SRL_OK);
        break;
    case OPEN_MORE:
        for (unsigned i = 0; i < 20; i++) {
            (void)snprintf(name, sizeof(name), "more:%u:%u", w->shown, i);
            assert_true(test_client_command(test_client_enter(w->home, "ann"), "subscribe", name, NULL) == SRL_OK);
        }
        break;
    default:
        break;
    }
    return w->what == STOP;
}

static int each_session(srl_session *session, void *user)
{
    assert_true(srl_session_is_connected(session));
    return act(user);
}

static int each_channel(const char *channel, size_t channel_len, uint32_t subscribers, void *user)
{
    walk *w = user;
    size_t used = strlen(w->names);

    assert_true(subscribers > 0);
    (void)snprintf(w->names + used, sizeof(w->names) - used, "[%.*s %u]", (int)channel_len, channel,
                   (unsigned)subscribers);
    return act(w);
}

static void fill(test_relay *home)
{
    static const char *const users[] = {"ann", "ann", "ann", "bob", ""};

    assert_int_equal(TEST_RELAY(home, "allow_anonymous", "true", "anonymous", "true", NULL), SRL_OK);
    for (int i = 0; i < 5; i++) {
        test_client *c = test_client_enter(home, users[i]);

        assert_true(test_client_subscribe(c, "x"));
        assert_true(i != 0 || test_client_subscribe(c, "y:1"));
        assert_true(i != 3 || test_client_subscribe(c, "y:1:2"));
    }
    (void)test_client_open(home); /* not connected */
}

static void sessions_of_a_user(void **state)
{
    for (int what = LOOK; what <= STOP; what++) {
        test_relay home;
        walk w = {.home = &home, .what = what};
        unsigned most = what == CLOSE_ALL || what == DISCONNECT || what == STOP ? 1 : 3;
        (void)state;

        fill(&home);
        assert_int_equal(srl_relay_each_user_session(home.relay, TEXT("nobody"), each_session, &w), 0);
        assert_int_equal(srl_relay_each_user_session(home.relay, TEXT("ann"), each_session, &w), most);
        assert_int_equal(w.shown, most);
        test_relay_end(&home);
    }
}

static void sessions_without_a_user(void **state)
{
    test_relay home;
    walk w = {.home = &home};
    (void)state;

    fill(&home);
    assert_int_equal(srl_relay_each_user_session(home.relay, "", 0, each_session, &w), 1);
    w.what = CLOSE_ALL;
    assert_int_equal(srl_relay_each_user_session(home.relay, NULL, 0, each_session, &w), 1);
    assert_int_equal(srl_relay_each_user_session(home.relay, "", 0, each_session, &w), 0);
    test_relay_end(&home);
}

static void subscribers_of_a_channel(void **state)
{
    for (int what = LOOK; what <= STOP; what++) {
        test_relay home;
        walk w = {.home = &home, .what = what};
        uint32_t shown;
        (void)state;

        fill(&home);
        assert_int_equal(srl_relay_each_subscriber(home.relay, TEXT("none"), each_session, &w), 0);
        shown = srl_relay_each_subscriber(home.relay, TEXT("x"), each_session, &w);
        assert_int_equal(shown, w.shown);
        if (what == CLOSE_ALL || what == STOP) {
            assert_int_equal(shown, 1);
        } else {
            assert_in_range(shown, 1, 5);
        }
        assert_true(what != LOOK || shown == 5);
        test_relay_end(&home);
    }
}

static void channels_that_match(void **state)
{
    test_relay home;
    walk w = {.home = &home};
    (void)state;

    fill(&home);
    assert_int_equal(srl_relay_each_channel(home.relay, "", 0, each_channel, &w), 3);
    assert_non_null(strstr(w.names, "[x 5]"));
    assert_non_null(strstr(w.names, "[y:1 1]"));
    assert_non_null(strstr(w.names, "[y:1:2 1]"));
    w = (walk){.home = &home};
    assert_int_equal(srl_relay_each_channel(home.relay, TEXT("y:*"), each_channel, &w), 2);
    assert_int_equal(srl_relay_each_channel(home.relay, TEXT("*"), each_channel, &w), 3);
    assert_int_equal(srl_relay_each_channel(home.relay, TEXT("x"), each_channel, &w), 1);
    assert_int_equal(srl_relay_each_channel(home.relay, TEXT("y:*:2"), each_channel, &w), 1);
    assert_int_equal(srl_relay_each_channel(home.relay, TEXT("*:1"), each_channel, &w), 1);
    assert_int_equal(srl_relay_each_channel(home.relay, TEXT("y:1:"), each_channel, &w), 0);
    assert_int_equal(srl_relay_each_channel(home.relay, TEXT("y"), each_channel, &w), 0);
    assert_int_equal(srl_relay_each_channel(home.relay, TEXT("y:1:2:3"), each_channel, &w), 0);
    assert_int_equal(srl_relay_each_channel(home.relay, TEXT("a*b"), each_channel, &w), SRL_ERR_INVALID);
    w.what = STOP;
    assert_int_equal(srl_relay_each_channel(home.relay, "", 0, each_channel, &w), 1);
    test_relay_end(&home);
}

/* Rooms come and go inside the callback: each of those that were there is shown at most once, and if it still is. */
static void channels_come_and_go(void **state)
{
    for (int what = LOOK; what <= STOP; what++) {
        test_relay home;
        walk w = {.home = &home, .what = what};
        (void)state;

        fill(&home);
        assert_in_range(srl_relay_each_channel(home.relay, "", 0, each_channel, &w), 1, 3);
        for (const char *at = w.names; *at != '\0'; at = strchr(at, ']') + 1) {
            char name[64] = {0};

            memcpy(name, at, (size_t)(strchr(at, ' ') - at) + 1);
            assert_null(strstr(at + 1, name)); /* twice */
        }
        assert_true(what != CLOSE_ALL || w.shown == 1);
        assert_true(what != OPEN_MORE || w.shown == 3);
        test_relay_end(&home);
    }
}

/* A room that only waits for somebody to come back has no subscribers. */
static void empty_rooms_are_not_shown(void **state)
{
    test_relay home;
    test_client *c;
    walk w = {.home = &home};
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "idle_lifetime", "1m", "ping_interval", "0", NULL), SRL_OK);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "x"));
    assert_int_equal(srl_relay_each_channel(home.relay, "", 0, each_channel, &w), 1);
    assert_int_equal(test_client_command(c, "unsubscribe", "x", NULL), SRL_OK);
    assert_int_equal(srl_relay_each_channel(home.relay, "", 0, each_channel, &w), 0);
    test_relay_end(&home);
}

static void no_memory_for_a_list(void **state)
{
    test_relay home;
    walk w = {.home = &home};
    (void)state;

    fill(&home);
    srl_test_alloc_fail(&home.memory, 1, true);
    assert_int_equal(srl_relay_each_channel(home.relay, "", 0, each_channel, &w), SRL_ERR_NOMEM);
    assert_int_equal(w.shown, 0);
    srl_test_alloc_fail(&home.memory, 0, false);
    test_relay_end(&home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscribed_on_every_relay), cmocka_unit_test(disconnected_on_every_relay),
        cmocka_unit_test(odd_codes_and_reasons),     cmocka_unit_test(what_is_refused),
        cmocka_unit_test(a_full_channel_stays_full), cmocka_unit_test(on_two_threads),
        cmocka_unit_test(sessions_of_a_user),        cmocka_unit_test(sessions_without_a_user),
        cmocka_unit_test(subscribers_of_a_channel),  cmocka_unit_test(channels_that_match),
        cmocka_unit_test(channels_come_and_go),      cmocka_unit_test(empty_rooms_are_not_shown),
        cmocka_unit_test(no_memory_for_a_list),
    };

    return cmocka_run_group_tests_name("users", tests, NULL, NULL);
}
