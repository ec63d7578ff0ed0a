#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helpers/see.h"

/* ---- connecting */

static void connect_reply_says_who_and_how(void **state)
{
    test_relay home;
    test_client *c;
    char pattern[256];
    size_t len;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    c = test_client_open(&home);
    assert_int_equal(srl_session_is_connected(c->session), 0);
    assert_string_equal(srl_session_user_id(c->session, &len), "");
    assert_int_equal(len, 0);
    assert_ptr_equal(srl_session_relay(c->session), home.relay);
    assert_ptr_equal(srl_session_user_data(c->session), c);
    assert_int_equal(strlen(c->id), SRL_CLIENT_ID_LEN);
    assert_int_equal(c->id[14], '4');
    test_client_send(c, "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"ann\",\"pong\":true}}");
    (void)snprintf(pattern, sizeof(pattern),
                   "{\"reply\":{\"id\":1,\"type\":\"connect\",\"data\":{\"client\":\"%s\",\"user\":\"ann\",\"version\":"
                   "\"*\",\"ping\":25,\"pong\":true*}}}",
                   c->id);
    see(c, pattern);
    assert_int_equal(srl_session_is_connected(c->session), 1);
    assert_memory_equal(srl_session_user_id(c->session, &len), "ann", 3);
    assert_int_equal(len, 3);
    test_client_send(c, "{\"id\":2,\"type\":\"connect\"}");
    see(c, "{\"push\":{\"type\":\"disconnect\",\"data\":{\"code\":3501,\"reason\":\"connected already\",\"reconnect\":"
           "false}}}");
    see_closed(c, 3501, "connected already");
    assert_int_equal(srl_session_is_connected(c->session), 0);
    test_relay_end(&home);
}

static void without_a_hook_everybody_is_anonymous(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    test_relay_init(&home);
    home.hooks = 0;
    assert_int_equal(test_relay_start(&home, NULL), SRL_OK);
    c = test_client_open(&home);
    test_client_send(c, "{\"id\":1,\"type\":\"connect\"}");
    see(c, "{\"reply\":{\"id\":1,\"type\":\"connect\",\"error\":{\"code\":101,\"message\":\"unauthorized\"}}}");
    assert_int_equal(c->closes, 0);
    test_relay_end(&home);

    test_relay_init(&home);
    home.hooks = 0;
    assert_int_equal(test_relay_start(&home, "allow_anonymous", "true", "ping_interval", "0", NULL), SRL_OK);
    c = test_client_open(&home);
    test_client_send(c, "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"x\"}}");
    see(c, "{\"reply\":{\"id\":1,\"type\":\"connect\",\"data\":{\"client\":\"*\",\"user\":\"\",\"version\":\"*\"}}}");
    test_relay_end(&home);
}

static void out_of_step(void **state)
{
    static const struct {
        const char *text;
        const char *reason;
    } cases[] = {
        {"{\"id\":1,\"type\":\"subscribe\",\"channel\":\"a\"}", "connect first"},
        {"{\"type\":\"ping\"}", "connect first"},
        {"{\"type\":\"connect\"}", "id: missing"},
        {"{\"type\":\"subscribe\",\"channel\":\"a\"}", "id: missing"},
        {"{\"id\":0,\"type\":\"connect\"}", "id: expected a whole number from 1 to 9007199254740991"},
        {"{\"id\":9007199254740992,\"type\":\"connect\"}", "id: expected a whole number from 1 to 9007199254740991"},
        {"{\"id\":1.5,\"type\":\"connect\"}", "id: expected a whole number from 1 to 9007199254740991"},
        {"{\"id\":-1,\"type\":\"connect\"}", "id: expected a whole number from 1 to 9007199254740991"},
        {"{\"id\":\"1\",\"type\":\"connect\"}", "id: *expected*"},
        {"hello", "expected a value at byte 0"},
        {"[]", "*expected*"},
        {"{", "the text ends too early at byte 1"},
        {"{\"id\":}", "expected a value at byte 6"},
        {"\xff", "*"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        test_relay home;
        test_client *c;

        assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
        c = test_client_open(&home);
        assert_int_equal(test_client_send(c, cases[i].text), SRL_OK);
        see(c, "{\"push\":{\"type\":\"disconnect\",\"data\":{\"code\":3501,*\"reconnect\":false}}}");
        see_nothing(c);
        see_closed(c, 3501, cases[i].reason);
        assert_int_equal(test_client_send(c, "{}"), SRL_ERR_CLOSED);
        test_relay_end(&home);
    }
}

/* Broken commands that carry an id are answered and harm nobody. */
static void errors_with_an_id_are_answered(void **state)
{
    static const char *const cases[][2] = {
        {"{\"id\":7,\"type\":\"dance\"}", "{\"reply\":{\"id\":7,\"error\":{\"code\":104,\"message\":\"type: no command "
                                          "of that name\"}}}"},
        {"{\"id\":7}", "{\"reply\":{\"id\":7,\"error\":{\"code\":107,\"message\":\"type: expected a string\"}}}"},
        {"{\"id\":7,\"type\":5}", "{\"reply\":{\"id\":7,\"error\":{\"code\":107,\"message\":\"type: expected *\"}}}"},
        {"{\"id\":7,\"type\":\"subscribe\"}", "{\"reply\":{\"id\":7,\"type\":\"subscribe\",\"error\":{\"code\":107,"
                                              "\"message\":\"channel: expected a name without control characters, and "
                                              "not too long\"}}}"},
        {"{\"id\":7,\"type\":\"subscribe\",\"channel\":\"\"}", "*\"code\":107,*"},
        {"{\"id\":7,\"type\":\"subscribe\",\"channel\":\"a\\u0000b\"}", "*\"code\":107,*"},
        {"{\"id\":7,\"type\":\"subscribe\",\"channel\":\"a\\u007fb\"}", "*\"code\":107,*"},
        {"{\"id\":7,\"type\":\"subscribe\",\"channel\":5}", "*\"id\":7,*\"code\":107,\"message\":\"channel: expected*"},
        {"{\"id\":7,\"type\":\"history\",\"channel\":\"a\",\"data\":{\"limit\":-1}}",
         "{\"reply\":{\"id\":7,\"type\":\"history\",\"channel\":\"a\",\"error\":{\"code\":107,\"message\":\"data.limit:"
         " "
         "expected a whole number from 0 to 4294967295\"}}}"},
        {"{\"id\":7,\"type\":\"publish\",\"channel\":\"a\"}", "*\"code\":107,\"message\":\"data.data: missing\"}}}"},
        {"{\"id\":7,\"type\":\"publish\",\"channel\":\"a\",\"data\":{\"data\":[1,}}",
         "{\"reply\":{\"id\":7,\"type\":\"publish\",\"channel\":\"a\",\"error\":{\"code\":107,\"message\":\"expected a "
         "value at byte *\"}}}"},
        {"{\"id\":7,\"type\":\"presence\",\"channel\":\"a\"}", "*\"code\":108,*"},
        {"{\"id\":7,\"type\":\"presence_stats\",\"channel\":\"a\"}", "*\"code\":108,*"},
        {"{\"id\":7,\"type\":\"history\",\"channel\":\"a\"}", "*\"code\":108,*"},
        {"{\"id\":7,\"type\":\"unsubscribe\",\"channel\":\"a\"}",
         "{\"reply\":{\"id\":7,\"type\":\"unsubscribe\",\"channel\":\"a\",\"data\":{}}}"},
    };
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(test_client_send(c, cases[i][0]), SRL_OK);
        see(c, cases[i][1]);
        see_nothing(c);
    }
    assert_true(test_client_subscribe(c, "a"));
    test_relay_end(&home);
}

static void messages_of_many_commands(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    c = test_client_open(&home);
    test_client_send(c, "\n\r\n{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"u\"}}\r\n\n"
                        "{\"id\":2,\"type\":\"subscribe\",\"channel\":\"a\"}\n{\"type\":\"ping\"}\n"
                        "{\"id\":3,\"type\":\"ping\"}\n{\"type\":\"pong\"}\n\n");
    see(c, "*\"id\":1,*");
    see(c, "*\"id\":2,*");
    see(c, "{\"push\":{\"type\":\"pong\"}}");
    see(c, "{\"push\":{\"type\":\"pong\"}}");
    see(c, "{\"reply\":{\"id\":3,\"type\":\"ping\",\"data\":{}}}");
    see_nothing(c);
    assert_int_equal(c->writes, 1); /* one turn */
    assert_int_equal(test_client_send(c, ""), SRL_OK);
    assert_int_equal(srl_session_receive(c->session, NULL, 0), SRL_OK);
    test_client_send(c, "{\"id\":4,\"type\":\"ping\"}\nbad\n{\"id\":5,\"type\":\"ping\"}\n");
    see(c, "*\"pong\"*");
    see(c, "*\"id\":4,*");
    see(c, "*\"disconnect\"*3501*");
    see_nothing(c);
    test_relay_end(&home);
}

/* ---- time */

static void connect_timeout_is_stale(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "connect_timeout", "10s", NULL), SRL_OK);
    c = test_client_open(&home);
    test_relay_advance(&home, 9999);
    assert_int_equal(c->closes, 0);
    test_client_send(c, "{\"id\":1,\"type\":\"nothing\"}"); /* bytes alone do not help */
    test_client_skip(c);
    test_relay_advance(&home, 1);
    see(c, "{\"push\":{\"type\":\"disconnect\",\"data\":{\"code\":3502,\"reason\":\"stale\",\"reconnect\":false}}}");
    see_closed(c, 3502, "stale");
    test_relay_end(&home);
}

/* The first ping comes between half of the interval and the whole. */
static uint64_t until_ping(test_client *c, uint64_t most)
{
    for (uint64_t ms = 0; ms <= most; ms += 100) {
        const char *text = test_client_read(c);

        if (text != NULL) {
            assert_string_equal(text, "{\"push\":{\"type\":\"ping\"}}");
            return ms;
        }
        test_relay_advance(c->home, 100);
    }
    fail();
    return 0;
}

static void pings_come_at_intervals(void **state)
{
    test_relay home;
    test_client *c;
    uint64_t first;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "ping_interval", "20s", NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    first = until_ping(c, 20100);
    assert_in_range(first, 9900, 20100);
    for (int i = 0; i < 5; i++) {
        test_relay_advance(&home, 19899);
        see_nothing(c);
        test_relay_advance(&home, 101);
        see(c, "*\"ping\"*");
        see_nothing(c);
    }
    assert_int_equal(c->closes, 0); /* it never said that it answers */
    test_relay_end(&home);
}

static test_client *enter_answering(test_relay *home)
{
    test_client *c = test_client_open(home);

    test_client_send(c, "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"u\",\"pong\":true}}");
    see(c, "*\"pong\":true*");
    return c;
}

static void who_owes_a_pong_is_disconnected(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "ping_interval", "20s", "pong_timeout", "8s", NULL), SRL_OK);
    c = enter_answering(&home);
    (void)until_ping(c, 20100);
    test_relay_advance(&home, 7800);
    assert_int_equal(c->closes, 0);
    test_client_send(c, "{\"type\":\"pong\"}");
    see_nothing(c);
    test_relay_advance(&home, 300);
    assert_int_equal(c->closes, 0);
    (void)until_ping(c, 20100);
    test_relay_advance(&home, 7800);
    test_client_send(c, "{\"id\":9,\"type\":\"unsubscribe\",\"channel\":\"x\"}"); /* any bytes will do */
    test_client_skip(c);
    test_relay_advance(&home, 300);
    assert_int_equal(c->closes, 0);
    (void)until_ping(c, 20100);
    test_relay_advance(&home, 7799);
    assert_int_equal(c->closes, 0);
    test_relay_advance(&home, 300);
    see(c, "{\"push\":{\"type\":\"disconnect\",\"data\":{\"code\":3012,\"reason\":\"no pong\",\"reconnect\":true}}}");
    see_closed(c, 3012, "no pong");
    test_relay_end(&home);
}

static void no_pings_when_switched_off(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "ping_interval", "0", NULL), SRL_OK);
    c = test_client_open(&home);
    test_client_send(c, "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"u\",\"pong\":true}}");
    see(c, "{\"reply\":{\"id\":1,\"type\":\"connect\",\"data\":{\"client\":\"*\",\"user\":\"u\",\"version\":\"*\"*}}}");
    assert_null(strstr(c->frames[0], "pong"));
    test_relay_advance(&home, 24 * 3600000);
    see_nothing(c);
    assert_int_equal(c->closes, 0);
    assert_int_equal(srl_relay_next_timeout_ms(home.relay), -1);
    test_relay_end(&home);
}

static void expire_in_10s(test_relay *home, srl_request *request)
{
    (void)home;
    assert_int_equal(srl_request_set_user(request, "u", 1), SRL_OK);
    assert_int_equal(srl_request_set_expiry(request, 10001), SRL_OK);
    assert_int_equal(srl_request_accept(request), SRL_OK);
}

static void expiry_ends_the_session_unless_it_is_moved(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    test_relay_init(&home);
    home.asked = expire_in_10s;
    assert_int_equal(test_relay_start(&home, NULL), SRL_OK);
    c = test_client_open(&home);
    assert_int_equal(srl_session_set_expiry(c->session, 1), SRL_ERR_STATE);
    test_client_send(c, "{\"id\":1,\"type\":\"connect\"}");
    see(c, "*\"expires\":true,\"ttl\":11*");
    test_relay_advance(&home, 10000);
    assert_int_equal(c->closes, 0);
    assert_int_equal(srl_session_set_expiry(c->session, 5000), SRL_OK);
    test_relay_advance(&home, 4999);
    assert_int_equal(c->closes, 0);
    assert_int_equal(srl_session_set_expiry(c->session, 0), SRL_OK);
    test_relay_advance(&home, 3600000);
    assert_int_equal(c->closes, 0);
    assert_int_equal(srl_session_set_expiry(c->session, UINT64_MAX), SRL_OK); /* as good as never */
    test_relay_advance(&home, 3600000);
    assert_int_equal(c->closes, 0);
    assert_int_equal(srl_session_set_expiry(c->session, 1), SRL_OK);
    test_client_skip(c);
    test_relay_advance(&home, 1);
    see(c, "{\"push\":{\"type\":\"disconnect\",\"data\":{\"code\":3005,\"reason\":\"connection expired\",\"reconnect\":"
           "true}}}");
    see_closed(c, 3005, "connection expired");
    assert_int_equal(srl_session_set_expiry(c->session, 1), SRL_ERR_CLOSED);
    test_relay_end(&home);
}

/* ---- disconnecting */

static void disconnect_codes_and_reasons(void **state)
{
    static const char umlauts[] = "012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
                                  "45678901234567890123456789012345678901\xC3\xA4\xC3\xA4"; /* 122 bytes before them */
    static const struct {
        uint32_t code;
        const char *reason;
        uint32_t seen;
        const char *seen_reason;
        bool reconnect;
    } cases[] = {
        {0, NULL, 3503, "force disconnect", false},
        {3000, NULL, 3000, "connection closed", true},
        {3011, NULL, 3011, "force reconnect", true},
        {3507, "go \"away\"", 3507, "go \"away\"", false},
        {4000, NULL, 4000, "application disconnect", true},
        {4499, "x", 4499, "x", true},
        {4500, "x", 4500, "x", false},
        {70000, NULL, 3503, "force disconnect", false},
        {4001, "\xff\xff", 4001, "application disconnect", true},
        {4001, "", 4001, "application disconnect", true},
    };
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *reason = cases[i].reason;

        c = i % 2 == 0 ? test_client_open(&home) : test_client_enter(&home, "u");
        srl_session_disconnect(c->session, cases[i].code, reason, reason != NULL ? strlen(reason) : 5);
        see(c,
            cases[i].reconnect ? "*\"disconnect\",*\"reconnect\":true}}}" : "*\"disconnect\",*\"reconnect\":false}}}");
        see_closed(c, cases[i].seen, cases[i].seen_reason);
        srl_session_disconnect(c->session, 4000, NULL, 0); /* a second one does nothing */
        assert_int_equal(c->closes, 1);
    }
    c = test_client_enter(&home, "u");
    srl_session_disconnect(c->session, 4001, umlauts, strlen(umlauts));
    assert_int_equal(strlen(c->close_reason), 122);
    test_relay_end(&home);
}

static void a_closing_session_is_flushed_first(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "close_timeout", "5s", NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    assert_true(test_client_subscribe(c, "a"));
    c->take = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(test_relay_publish(&home, "a", "1"), SRL_OK);
    }
    srl_session_disconnect(c->session, 4000, NULL, 0);
    assert_int_equal(test_client_send(c, "{}"), SRL_ERR_CLOSED);
    assert_int_equal(c->closes, 0);
    assert_int_equal(test_relay_publish(&home, "a", "2"), SRL_OK); /* it has left */
    test_relay_advance(&home, 4999);
    assert_int_equal(c->closes, 0);
    test_client_unblock(c);
    for (int i = 0; i < 3; i++) {
        see(c, "*\"data\":1*");
    }
    see(c, "*\"disconnect\"*4000*");
    see_nothing(c);
    see_closed(c, 4000, "*");

    c = test_client_enter(&home, "v");
    c->take = 0;
    srl_session_disconnect(c->session, 4000, NULL, 0);
    test_relay_advance(&home, 4999);
    assert_int_equal(c->closes, 0);
    test_relay_advance(&home, 1);
    see_closed(c, 4000, "*");
    assert_int_equal(srl_session_writable(c->session), SRL_ERR_CLOSED);
    see_nothing(c);
    test_relay_end(&home);
}

/* ---- back-pressure */

static void a_transport_that_takes_a_few_frames_per_call(void **state)
{
    (void)state;
    for (size_t take = 0; take < 9; take++) {
        test_relay home;
        test_client *c;
        char pattern[64];

        assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
        c = test_client_enter(&home, "u");
        assert_true(test_client_subscribe(c, "a"));
        c->take = take;
        for (int i = 0; i < 100; i++) {
            (void)snprintf(pattern, sizeof(pattern), "%d", 1000 + i);
            assert_int_equal(test_relay_publish(&home, "a", pattern), SRL_OK);
            if (i % 3 == 2 && c->blocked) {
                c->blocked = false;
                assert_int_equal(srl_session_writable(c->session), SRL_OK);
            }
        }
        for (int i = 0; i < 100 && take > 0 && c->blocked; i++) {
            c->blocked = false;
            assert_int_equal(srl_session_writable(c->session), SRL_OK);
        }
        if (take == 0) {
            assert_true(srl_session_queued_bytes(c->session) > 1000);
            test_client_unblock(c);
        }
        assert_int_equal(srl_session_queued_bytes(c->session), 0);
        for (int i = 0; i < 100; i++) {
            (void)snprintf(pattern, sizeof(pattern), "*\"data\":%d*", 1000 + i);
            see(c, pattern);
        }
        see_nothing(c);
        test_relay_end(&home);
    }
}

static void a_broken_transport_is_not_closed(void **state)
{
    test_relay home;
    test_client *c;
    test_client *other;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "join_leave", "session", NULL), SRL_OK);
    other = test_client_enter(&home, "other");
    assert_true(test_client_subscribe(other, "a"));
    c = test_client_enter(&home, "u");
    assert_true(test_client_subscribe(c, "a"));
    test_client_skip(other);
    c->breaks = true;
    assert_int_equal(test_relay_publish(&home, "a", "1"), SRL_OK);
    assert_int_equal(c->closes, 0);
    assert_true(c->ended);
    see(other, "*\"message\"*");
    see(other, "*\"leave\"*\"user\":\"u\"*");
    assert_int_equal(test_client_send(c, "{}"), SRL_ERR_CLOSED);
    assert_int_equal(srl_session_writable(c->session), SRL_ERR_CLOSED);
    assert_int_equal(srl_session_unsubscribe(c->session, "a", 1, 0), SRL_ERR_CLOSED);
    srl_session_disconnect(c->session, 0, NULL, 0);
    assert_int_equal(c->closes, 0);
    test_relay_end(&home);
}

static void slow_clients_are_disconnected(void **state)
{
    test_relay home;
    test_client *c;
    test_client *fast;
    char data[202];
    (void)state;

    memset(data, '1', 200);
    data[200] = '\0';
    data[0] = data[199] = '"';
    assert_int_equal(TEST_RELAY(&home, "max_queue_bytes", "1024", NULL), SRL_OK);
    c = test_client_enter(&home, "c");
    fast = test_client_enter(&home, "fast");
    assert_true(test_client_subscribe(c, "a"));
    assert_true(test_client_subscribe(fast, "a"));
    c->take = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(test_relay_publish(&home, "a", data), SRL_OK);
    }
    assert_in_range(srl_session_queued_bytes(c->session), 600, 1024);
    assert_int_equal(c->closes, 0);
    assert_int_equal(test_relay_publish(&home, "a", data), SRL_OK);
    assert_int_equal(test_relay_publish(&home, "a", data), SRL_OK);
    see_closed(c, 3008, "slow");
    see_nothing(c);
    for (int i = 0; i < 5; i++) {
        see(fast, "*\"message\"*");
    }
    /* who is not blocked may be sent more than that at once */
    srl_relay_cork(home.relay);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(test_relay_publish(&home, "a", data), SRL_OK);
    }
    srl_relay_uncork(home.relay);
    assert_int_equal(fast->last_write, 20);
    assert_int_equal(fast->closes, 0);
    /* but what it leaves over counts */
    fast->take = 2;
    srl_relay_cork(home.relay);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(test_relay_publish(&home, "a", data), SRL_OK);
    }
    srl_relay_uncork(home.relay);
    see_closed(fast, 3008, "slow");
    test_relay_end(&home);
}

static void replies_count_as_much_as_pushes(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "max_queue_bytes", "1024", NULL), SRL_OK);
    c = test_client_enter(&home, "c");
    c->take = 0;
    for (int i = 0; i < 40 && c->closes == 0; i++) {
        test_client_command(c, "ping", "x", NULL);
    }
    see_closed(c, 3008, "slow");
    test_relay_end(&home);
}

/* ---- calls inside write and close */

/* A transport that finds room again while it is being written to says so inside the write. */
static int64_t write_one_and_call_back(srl_session *session, srl_frame *const *frames, size_t count, void *user)
{
    size_t *seen = user;

    (void)frames;
    *seen += 1;
    if (count > 1) {
        assert_int_equal(srl_session_writable(session), SRL_OK);
    }
    return 1;
}

static void no_close(srl_session *session, uint32_t code, const char *reason, size_t reason_len, void *user)
{
    (void)session;
    (void)code;
    (void)reason;
    (void)reason_len;
    (void)user;
    fail();
}

/* `room`: the frames come straight from a room instead of through the queue. */
static void write_ones(bool room)
{
    test_relay home;
    srl_transport transport;
    srl_session *session;
    size_t seen = 0;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    srl_transport_init(&transport, sizeof(transport));
    transport.write = write_one_and_call_back;
    transport.close = no_close;
    assert_int_equal(srl_session_open(home.relay, &transport, SRL_PROTOCOL_NATIVE, &seen, &session), SRL_OK);
    assert_int_equal(srl_session_receive(session, "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"u\"}}", 46),
                     SRL_OK);
    if (room) {
        static const char subscribe[] = "{\"id\":2,\"type\":\"subscribe\",\"channel\":\"a\"}";

        assert_int_equal(srl_session_receive(session, subscribe, strlen(subscribe)), SRL_OK);
    }
    srl_relay_cork(home.relay);
    for (int i = 0; i < 50; i++) {
        if (room) {
            assert_int_equal(test_relay_publish(&home, "a", "1"), SRL_OK);
        } else {
            assert_int_equal(srl_session_receive(session, "{\"type\":\"ping\"}", 15), SRL_OK);
        }
    }
    srl_relay_uncork(home.relay);
    test_relay_process(&home); /* a turn goes around a limited number of times */
    assert_int_equal(seen, room ? 52 : 51);
    assert_int_equal(srl_session_queued_bytes(session), 0);
    srl_session_closed(session);
    test_relay_end(&home);
}

static void writable_inside_write(void **state)
{
    (void)state;
    write_ones(false);
    write_ones(true);
}

typedef struct plan {
    int what;
    test_client *victim;
    int done;
} plan;

enum {
    CLOSE_IT,
    DISCONNECT_IT,
    DESTROY_RELAY,
    UNSUBSCRIBE_IT,
    PUBLISH_MORE,
    RECEIVE_MORE,
    OPEN_ANOTHER,
    SHUT_DOWN,
    PLANS
};

static void act(test_client *c)
{
    plan *p = c->user;
    test_relay *home = c->home;

    if (p == NULL || p->done++ > 0) {
        return;
    }
    switch (p->what) {
    case CLOSE_IT:
        test_client_leave(p->victim);
        break;
    case DISCONNECT_IT:
        srl_session_disconnect(p->victim->session, 4000, NULL, 0);
        break;
    case DESTROY_RELAY:
        test_relay_destroy(home);
        assert_null(srl_session_relay(c->session));
        break;
    case UNSUBSCRIBE_IT:
        (void)srl_session_unsubscribe(p->victim->session, "a", 1, 0);
        break;
    case PUBLISH_MORE:
        for (int i = 0; i < 40; i++) {
            assert_int_equal(test_relay_publish(home, "a", "2"), SRL_OK);
        }
        break;
    case RECEIVE_MORE:
        (void)test_client_send(p->victim, "{\"id\":90,\"type\":\"ping\"}\n{\"id\":91,\"type\":\"ping\"}");
        break;
    case OPEN_ANOTHER:
        assert_non_null(test_client_enter(home, "another"));
        break;
    default:
        assert_int_equal(srl_relay_shutdown(home->relay, 1000, NULL, NULL), SRL_OK);
        break;
    }
}

static unsigned count_frames(const test_client *c, const char *pattern)
{
    unsigned count = 0;

    for (size_t i = 0; i < c->frame_count; i++) {
        count += test_text_matches(pattern, c->frames[i]);
    }
    return count;
}

/* Everything that a host may do while its transport is being called, to this session or to another. */
static void anything_inside_write(void **state)
{
    (void)state;
    for (int what = 0; what < PLANS; what++) {
        for (int other = 0; other < 2; other++) {
            for (size_t take = 0; take < 3; take++) {
                test_relay home;
                test_client *c[3];
                plan p = {what, NULL, 0};

                assert_int_equal(TEST_RELAY(&home, "join_leave", "both", NULL), SRL_OK);
                for (int i = 0; i < 3; i++) {
                    c[i] = test_client_enter(&home, "u");
                    assert_true(test_client_subscribe(c[i], "a"));
                }
                p.victim = other ? c[2] : c[1];
                c[1]->user = &p;
                c[1]->on_write = act;
                c[1]->take = take == 2 ? SIZE_MAX : take;
                assert_int_equal(test_relay_publish(&home, "a", "1"), SRL_OK);
                assert_int_equal(p.done > 0, 1);
                assert_int_equal(count_frames(c[0], "*\"data\":1*"), 1);
                if (what == PUBLISH_MORE) {
                    test_client_unblock(c[1]);
                    for (int i = 0; i < 3; i++) {
                        assert_int_equal(count_frames(c[i], "*\"data\":2*"), 40);
                    }
                }
                if (what == RECEIVE_MORE) {
                    test_client_unblock(c[1]);
                    assert_int_equal(count_frames(p.victim, "*\"id\":91*"), 1);
                }
                test_relay_end(&home);
            }
        }
    }
}

static void anything_inside_close(void **state)
{
    (void)state;
    for (int what = 0; what < PLANS; what++) {
        for (int other = 0; other < 2; other++) {
            for (int gives_back = 0; gives_back < 2; gives_back++) {
                test_relay home;
                test_client *c[3];
                plan p = {what, NULL, 0};

                assert_int_equal(TEST_RELAY(&home, "join_leave", "both", NULL), SRL_OK);
                for (int i = 0; i < 3; i++) {
                    c[i] = test_client_enter(&home, "u");
                    assert_true(test_client_subscribe(c[i], "a"));
                }
                p.victim = other ? c[2] : c[1];
                c[1]->user = &p;
                c[1]->on_close = act;
                c[1]->gives_back = gives_back;
                srl_session_disconnect(c[1]->session, 4000, NULL, 0);
                assert_true(p.done > 0);
                see_closed(c[1], 4000, "*");
                test_relay_end(&home);
            }
        }
    }
}

/* The relay ends, and a host that reacts to a closed connection by opening the next one is told that it is too late. */
static void open_in_vain(test_client *c)
{
    srl_transport transport;
    srl_session *session = NULL;

    srl_transport_init(&transport, sizeof(transport));
    transport.write = write_one_and_call_back;
    transport.close = no_close;
    assert_int_equal(srl_session_open(c->user, &transport, SRL_PROTOCOL_NATIVE, NULL, &session), SRL_ERR_STATE);
    assert_null(session);
}

static void no_session_opens_while_the_relay_ends(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    c->user = home.relay;
    c->on_close = open_in_vain;
    test_relay_destroy(&home);
    see_closed(c, 3001, "shutdown");
    test_relay_end(&home);
}

static void open_checks_its_arguments(void **state)
{
    test_relay home;
    srl_transport transport;
    srl_session *session = NULL;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    srl_transport_init(&transport, sizeof(transport));
    assert_int_equal(transport.size, sizeof(transport));
    transport.write = write_one_and_call_back;
    assert_int_equal(srl_session_open(home.relay, &transport, SRL_PROTOCOL_NATIVE, NULL, &session), SRL_ERR_INVALID);
    transport.close = no_close;
    assert_int_equal(srl_session_open(home.relay, &transport, 99, NULL, &session), SRL_ERR_INVALID);
    transport.size = 4;
    assert_int_equal(srl_session_open(home.relay, &transport, SRL_PROTOCOL_NATIVE, NULL, &session), SRL_ERR_INVALID);
    transport.size = sizeof(transport);
    home.platform.fail_random = 1;
    assert_int_equal(srl_session_open(home.relay, &transport, SRL_PROTOCOL_NATIVE, NULL, &session), SRL_ERR_SYSTEM);
    transport.write = NULL;
    assert_int_equal(srl_session_open(home.relay, &transport, SRL_PROTOCOL_NATIVE, NULL, &session), SRL_ERR_INVALID);
    assert_null(session);
    srl_session_closed(NULL);
    test_relay_end(&home);
}

static void unsubscribe_by_the_host(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    assert_int_equal(srl_session_unsubscribe(c->session, "a", 1, 0), SRL_ERR_NOT_FOUND);
    assert_true(test_client_subscribe(c, "a"));
    assert_true(test_client_subscribe(c, "b"));
    assert_int_equal(srl_session_channel_count(c->session), 2);
    assert_int_equal(srl_session_unsubscribe(c->session, "a", 1, 0), SRL_OK);
    see(c, "{\"push\":{\"type\":\"unsubscribe\",\"channel\":\"a\",\"data\":{\"code\":2000,\"reason\":\"server "
           "unsubscribe\"}}}");
    assert_int_equal(srl_session_unsubscribe(c->session, "b", 1, 2501), SRL_OK);
    see(c, "*\"b\"*\"code\":2501,\"reason\":\"subscription expired\"}}}");
    assert_int_equal(srl_session_channel_count(c->session), 0);
    assert_int_equal(test_relay_publish(&home, "a", "1"), SRL_OK);
    see_nothing(c);
    test_relay_end(&home);
}

/* Transports may keep frames for as long as they like. */
static void frames_outlive_session_and_relay(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    c->keeps = true;
    assert_true(test_client_subscribe(c, "a"));
    assert_int_equal(test_relay_publish(&home, "a", "1"), SRL_OK);
    test_client_leave(c);
    test_relay_destroy(&home);
    assert_int_equal(c->kept_count, 2);
    assert_int_equal(srl_frame_len(c->kept[1]), strlen(c->frames[c->frame_count - 1]));
    test_relay_end(&home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_reply_says_who_and_how),
        cmocka_unit_test(without_a_hook_everybody_is_anonymous),
        cmocka_unit_test(out_of_step),
        cmocka_unit_test(errors_with_an_id_are_answered),
        cmocka_unit_test(messages_of_many_commands),
        cmocka_unit_test(connect_timeout_is_stale),
        cmocka_unit_test(pings_come_at_intervals),
        cmocka_unit_test(who_owes_a_pong_is_disconnected),
        cmocka_unit_test(no_pings_when_switched_off),
        cmocka_unit_test(expiry_ends_the_session_unless_it_is_moved),
        cmocka_unit_test(disconnect_codes_and_reasons),
        cmocka_unit_test(a_closing_session_is_flushed_first),
        cmocka_unit_test(a_transport_that_takes_a_few_frames_per_call),
        cmocka_unit_test(a_broken_transport_is_not_closed),
        cmocka_unit_test(slow_clients_are_disconnected),
        cmocka_unit_test(replies_count_as_much_as_pushes),
        cmocka_unit_test(writable_inside_write),
        cmocka_unit_test(anything_inside_write),
        cmocka_unit_test(anything_inside_close),
        cmocka_unit_test(no_session_opens_while_the_relay_ends),
        cmocka_unit_test(open_checks_its_arguments),
        cmocka_unit_test(unsubscribe_by_the_host),
        cmocka_unit_test(frames_outlive_session_and_relay),
    };

    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
