/* Every allocation of a whole scenario fails once, alone and with all that come after it for a while. Whatever happens:
 * no crash, no leak, and no silent loss - who is still subscribed has every message, the others have been told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helpers/broker_delay.h"
#include "helpers/see.h"

enum { PEOPLE = 4 };

typedef struct person {
    test_client *client;
    bool subscribed; /* to "room" */
    uint64_t position;
} person;

typedef struct scene {
    test_relay home;
    broker_delay broker;
    bool slow; /* the broker takes its time */
    bool is_up;
    person people[PEOPLE];
    uint64_t asked_from; /* of the recovery */
    unsigned ok;         /* publications of the host that succeeded, in "room" */
    unsigned ok_elsewhere;
    char epoch[40];
} scene;

/* ---- what people see */

static uint64_t number_after(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    assert_non_null(at);
    return strtoull(at + strlen(name), NULL, 10);
}

static void take_epoch(scene *s, const char *text)
{
    const char *at = strstr(text, "\"epoch\":\"");

    for (size_t i = 0; at != NULL && at[9 + i] != '"' && i + 1 < sizeof(s->epoch); i++) {
        s->epoch[i] = at[9 + i];
        s->epoch[i + 1] = '\0';
    }
}

static void look(scene *s, person *p)
{
    const char *text;

    while (p->client != NULL && (text = test_client_read(p->client)) != NULL) {
        if (strstr(text, "\"channel\":\"room\"") == NULL) {
            continue;
        }
        if (strstr(text, "{\"push\":{\"type\":\"message\"") == text) {
            if (!p->subscribed || number_after(text, "\"offset\":") != p->position + 1) {
                print_error("at %u: %s\n", (unsigned)p->position, text);
                fail();
            }
            p->position++;
        } else if (strstr(text, "\"type\":\"unsubscribe\"") != NULL && strstr(text, "\"error\"") == NULL) {
            p->subscribed = false;
        } else if (strstr(text, "\"type\":\"subscribe\"") != NULL && strstr(text, "\"error\"") == NULL) {
            p->subscribed = true;
            p->position = number_after(text, "\"offset\":");
            take_epoch(s, text);
        }
    }
    if (p->client != NULL && p->client->ended) {
        p->subscribed = false;
    }
}

static void look_around(scene *s)
{
    for (int i = 0; i < PEOPLE; i++) {
        look(s, &s->people[i]);
    }
}

/* ---- what they do */

static void go_on(scene *s)
{
    srl_request *request;

    for (int round = 0; round < 8; round++) {
        if (s->slow) {
            broker_delay_flush(&s->broker);
        }
        while ((request = test_relay_request(&s->home)) != NULL) {
            size_t len;
            const char *token = srl_request_token(request, &len);

            if (srl_request_kind(request) == SRL_REQUEST_CONNECT) {
                (void)srl_request_set_user(request, token, len);
                (void)srl_request_set_info(request, "{\"a\":\n1}", 8);
                (void)srl_request_set_data(request, "[1]", 3);
                (void)srl_request_set_expiry(request, 3600000);
            }
            (void)srl_request_accept(request);
        }
        test_relay_process(&s->home);
    }
    look_around(s);
}

static void say(scene *s, int who, const char *type, const char *channel, const char *data)
{
    test_client *c = s->people[who].client;

    if (c != NULL && c->session != NULL) {
        int error = test_client_command(c, type, channel, data);

        assert_true(error == SRL_OK || error == SRL_ERR_NOMEM || error == SRL_ERR_CLOSED);
    }
}

static void enter(scene *s, int who)
{
    static const char *const names[PEOPLE] = {"ann", "bob", "bob", "cyd"};
    person *p = &s->people[who];

    p->client = test_client_open(&s->home);
    p->subscribed = false;
    if (p->client != NULL) {
        (void)test_client_sendf(
            p->client, "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"%s\",\"pong\":true}}\n{\"type\":\"ping\"}",
            names[who]);
        p->client->last_id = 1;
    }
    go_on(s);
}

static void published(int error, uint64_t offset, const char *epoch, size_t epoch_len, void *user)
{
    unsigned *ok = user;

    (void)epoch;
    if (error == SRL_OK) {
        assert_true(offset > 0 && epoch_len > 0);
        ++*ok;
    } else {
        assert_true(error == SRL_ERR_NOMEM || error == SRL_ERR_CANCELLED);
    }
}

static int publish(scene *s, const char *channel, const char *data)
{
    unsigned *ok = strcmp(channel, "room") == 0 ? &s->ok : &s->ok_elsewhere;

    return srl_relay_publish(s->home.relay, channel, strlen(channel), data, strlen(data), published, ok);
}

static void history_seen(int error, const srl_history *history, void *user)
{
    (void)user;
    assert_true((error == SRL_OK) == (history != NULL));
}

static void presence_seen(int error, const srl_presence *presence, void *user)
{
    (void)user;
    assert_true((error == SRL_OK) == (presence != NULL));
}

static void posted(srl_relay *relay, void *user)
{
    (void)relay;
    (void)user;
}

static void set_namespace(scene *s)
{
    srl_options *options;
    int error;

    assert_int_equal(srl_options_create(&options), SRL_OK);
    assert_int_equal(srl_options_set(options, "history_size", "3"), SRL_OK);
    error = srl_relay_set_namespace(s->home.relay, "other", 5, options);
    assert_true(error == SRL_OK || error == SRL_ERR_NOMEM);
    srl_options_destroy(options);
}

static void block(scene *s, int who, bool yes)
{
    test_client *c = s->people[who].client;

    if (c == NULL || c->session == NULL) {
        return;
    }
    if (yes) {
        c->take = 1;
    } else {
        test_client_unblock(c);
    }
}

static void leave(scene *s, int who)
{
    look_around(s);
    if (s->people[who].client != NULL && s->people[who].client->session != NULL) {
        test_client_leave(s->people[who].client);
    }
    s->people[who].client = NULL;
    s->people[who].subscribed = false;
}

/* One comes back and recovers what was said meanwhile. */
static void come_back(scene *s, int who)
{
    char data[160];
    uint64_t from = s->people[who].position;

    leave(s, who);
    for (int i = 0; i < 6; i++) {
        (void)publish(s, "room", "{\"while\":\n\"away\"}");
    }
    enter(s, who);
    (void)snprintf(data, sizeof(data), "{\"recover\":true,\"offset\":%u,\"epoch\":\"%s\",\"token\":\"\\u0041\"}",
                   (unsigned)from, s->epoch);
    say(s, who, "subscribe", "room", data);
    (void)publish(s, "room", "7"); /* while it is at it */
    go_on(s);
}

static void act(scene *s)
{
    for (int i = 0; i < PEOPLE; i++) {
        enter(s, i);
        say(s, i, "subscribe", "room", NULL);
        go_on(s);
    }
    set_namespace(s);
    say(s, 0, "subscribe", "\\u006fther", "{\"token\":\"x\"}");
    say(s, 0, "publish", "room", "{\"data\":\"hello\"}");
    say(s, 1, "publish", "room", "{\"data\":2}");
    go_on(s);
    say(s, 1, "presence", "room", NULL);
    say(s, 2, "history", "room", NULL);
    say(s, 2, "presence_stats", "room", NULL);
    say(s, 3, "dance", "room", NULL);
    go_on(s);
    (void)srl_relay_post(s->home.relay, posted, NULL);
    (void)srl_relay_history(s->home.relay, "room", 4, 0, NULL, 0, 10, 0, history_seen, NULL);
    (void)srl_relay_presence(s->home.relay, "room", 4, 10, presence_seen, NULL);
    block(s, 3, true);
    srl_relay_cork(s->home.relay);
    for (int i = 0; i < 40; i++) {
        (void)publish(s, "room", "[1]");
        (void)publish(s, "other", "[1]");
    }
    srl_relay_uncork(s->home.relay);
    go_on(s);
    block(s, 3, false);
    come_back(s, 2);
    say(s, 0, "unsubscribe", "room", NULL);
    say(s, 0, "subscribe", "room", NULL);
    go_on(s);
    test_relay_advance(&s->home, 25000);
    for (int i = 0; i < PEOPLE; i++) {
        say(s, i, "ping", "x", NULL);
    }
    go_on(s);
}

/* With memory again: who is subscribed is at the top, or has been told otherwise. */
static void check(scene *s)
{
    uint64_t top = 0;
    unsigned before = s->ok;

    for (int i = 0; i < PEOPLE; i++) {
        block(s, i, false);
    }
    go_on(s);
    assert_int_equal(publish(s, "room", "\"last\""), SRL_OK);
    go_on(s);
    assert_int_equal(s->ok, before + 1);
    leave(s, 3);
    enter(s, 3);
    say(s, 3, "subscribe", "room", NULL);
    go_on(s);
    assert_true(s->people[3].subscribed); /* a newcomer finds the relay as it should be */
    top = s->people[3].position;
    assert_true(top >= s->ok);
    for (int i = 0; i < PEOPLE; i++) {
        person *p = &s->people[i];

        if (p->client != NULL && p->subscribed) {
            assert_int_equal(p->position, top);
        } else if (p->client != NULL && p->client->session != NULL && !p->client->ended) {
            assert_int_equal(srl_session_channel_count(p->client->session) <= 1, 1);
        }
    }
}

static void begin(scene *s, bool slow)
{
    memset(s, 0, sizeof(*s));
    s->slow = slow;
    test_relay_init(&s->home);
    s->home.hooks = s->home.hold = TEST_CONNECT | TEST_SUBSCRIBE | TEST_PUBLISH;
    if (slow) {
        broker_delay_init(&s->broker, &s->home.memory.table);
        (void)srl_options_set_broker(s->home.options, s->broker.broker);
        broker_delay_end(&s->broker);
        s->broker.hold = DELAY_EVERYTHING;
        s->broker.hold_deliveries = true;
    }
}

static uint64_t run(bool slow, uint64_t nth, uint64_t how_many, bool shutdown)
{
    static scene s;
    uint64_t calls;
    int error;

    begin(&s, slow);
    srl_test_alloc_fail(&s.home.memory, nth, how_many > 1);
    error = test_relay_start(&s.home, "history_size", "100", "presence", "true", "join_leave", "both", "ping_interval",
                             "20s", NULL);
    if (error != SRL_OK) {
        assert_int_equal(error, SRL_ERR_NOMEM);
        assert_int_not_equal(nth, 0);
        s.home.relay = NULL;
        calls = s.home.memory.calls;
        test_relay_end(&s.home);
        return calls;
    }
    act(&s);
    if (how_many > 1 && s.home.memory.failures == 0 && nth != 0) {
        assert_true(s.home.memory.calls < nth); /* went another way */
    }
    calls = s.home.memory.calls;
    srl_test_alloc_fail(&s.home.memory, 0, false);
    if (nth == 0) { /* undisturbed, everything works */
        assert_int_equal(s.ok, 47);
        assert_int_equal(s.ok_elsewhere, 40);
        for (int i = 0; i < PEOPLE; i++) {
            assert_true(s.people[i].subscribed);
        }
    }
    if (shutdown) {
        assert_int_equal(srl_relay_shutdown(s.home.relay, 1000, NULL, NULL), SRL_OK);
        go_on(&s);
        test_relay_advance(&s.home, 1000);
        for (int i = 0; i < PEOPLE; i++) {
            assert_true(s.people[i].client == NULL || s.people[i].client->ended);
        }
    } else {
        check(&s);
    }
    test_relay_end(&s.home);
    return calls;
}

static void each_allocation_fails(bool slow)
{
    uint64_t count = run(slow, 0, 1, false);

    assert_true(count > 300);
    for (uint64_t nth = 1; nth <= count; nth++) {
        (void)run(slow, nth, 1, nth % 7 == 0);
    }
    for (uint64_t nth = 1; nth <= count; nth += 3) {
        (void)run(slow, nth, 2, nth % 7 == 0);
    }
}

static void each_allocation_fails_with_a_quick_broker(void **state)
{
    (void)state;
    each_allocation_fails(false);
}

static void each_allocation_fails_with_a_slow_broker(void **state)
{
    (void)state;
    each_allocation_fails(true);
}

/* While memory is short the host and the clients are told, and nothing half done is left behind. */
static void without_any_memory(void **state)
{
    test_relay home;
    test_client *c;
    size_t blocks;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "history_size", "10", "presence", "true", "publish", "true", NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    assert_true(test_client_subscribe(c, "a"));
    test_client_skip(c);
    blocks = home.memory.live_blocks;
    srl_test_alloc_fail(&home.memory, 1, true);
    assert_int_equal(test_relay_publish(&home, "a", "1"), SRL_ERR_NOMEM);
    assert_int_equal(test_relay_publish(&home, "new", "1"), SRL_ERR_NOMEM);
    assert_int_equal(test_relay_publish(&home, "a", "[\n1]"), SRL_ERR_NOMEM);
    assert_null(test_client_open(&home));
    assert_int_equal(home.memory.live_blocks, blocks);
    srl_test_alloc_fail(&home.memory, 0, false);
    assert_int_equal(test_relay_publish(&home, "a", "2"), SRL_OK);
    see(c, "*\"offset\":1,\"data\":2,*");
    test_relay_end(&home);
}

/* Short of memory is no fault of the client's: it may come back. */
static void a_command_that_needs_memory_to_be_read(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    srl_test_alloc_fail(&home.memory, 1, false);
    test_client_send(c, "{\"id\":5,\"type\":\"subscribe\",\"channel\":\"\\u0061\"}");
    assert_int_equal(home.memory.failures, 1);
    see(c, "{\"reply\":{\"id\":5,\"type\":\"subscribe\",\"error\":{\"code\":100,*\"temporary\":true}}}");
    assert_int_equal(c->closes, 0);
    srl_test_alloc_fail(&home.memory, 1, false);
    test_client_send(c, "{\"type\":\"ping\",\"channel\":\"\\u0061\"}");
    if (home.memory.failures > 0) {
        see_closed(c, 3004, "*");
    }
    test_relay_end(&home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_fails_with_a_quick_broker),
        cmocka_unit_test(each_allocation_fails_with_a_slow_broker),
        cmocka_unit_test(without_any_memory),
        cmocka_unit_test(a_command_that_needs_memory_to_be_read),
    };

    return cmocka_run_group_tests_name("engine_alloc", tests, NULL, NULL);
}
