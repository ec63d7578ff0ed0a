#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helpers/see.h"

enum { ALL = TEST_CONNECT | TEST_SUBSCRIBE | TEST_PUBLISH };

static void begin(test_relay *home, unsigned hooks, unsigned hold)
{
    test_relay_init(home);
    home->hooks = hooks;
    home->hold = hold;
    assert_int_equal(test_relay_start(home, "history_size", "10", NULL), SRL_OK);
}

static void assert_text(const char *text, size_t len, const char *expected)
{
    assert_non_null(text);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(text, expected, len);
    assert_int_equal(text[len], '\0');
}

#define SHOWS(getter, request, expected)                                                                               \
    do {                                                                                                               \
        size_t shown_len;                                                                                              \
        const char *shown = getter((request), &shown_len);                                                             \
        assert_text(shown, shown_len, (expected));                                                                     \
    } while (0)

static void what_a_request_shows(void **state)
{
    test_relay home;
    test_client *c;
    srl_request *r;
    size_t len;
    (void)state;

    begin(&home, ALL, ALL);
    c = test_client_open(&home);
    test_client_send(c, "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"t\\u00e4\",\"data\":{ \"a\" : 1 }}}");
    r = test_relay_request(&home);
    assert_int_equal(srl_request_kind(r), SRL_REQUEST_CONNECT);
    assert_ptr_equal(srl_request_session(r), c->session);
    SHOWS(srl_request_token, r, "t\xC3\xA4");
    SHOWS(srl_request_data, r, "{ \"a\" : 1 }");
    SHOWS(srl_request_channel, r, "");
    SHOWS(srl_request_user, r, "");
    assert_int_equal(srl_request_set_user(r, "ann", 3), SRL_OK);
    assert_int_equal(srl_request_set_info(r, "{\"n\":\n1}", 8), SRL_OK);
    assert_int_equal(srl_request_set_data(r, "[\n]", 3), SRL_OK);
    assert_int_equal(srl_request_accept(r), SRL_OK);
    see(c, "*\"user\":\"ann\",*\"data\":[ ]}}}");

    test_client_send(c, "{\"id\":2,\"type\":\"subscribe\",\"channel\":\"a\\/b\",\"data\":{\"token\":\"s\"}}");
    r = test_relay_request(&home);
    assert_int_equal(srl_request_kind(r), SRL_REQUEST_SUBSCRIBE);
    SHOWS(srl_request_channel, r, "a/b");
    SHOWS(srl_request_token, r, "s");
    SHOWS(srl_request_data, r, "");
    assert_memory_equal(srl_request_user(r, &len), "ann", 3);
    assert_int_equal(srl_request_set_user(r, "x", 1), SRL_ERR_STATE);
    assert_int_equal(srl_request_set_info(r, "1", 1), SRL_OK);
    assert_int_equal(srl_request_set_data(r, "[1,\n2]", 6), SRL_OK);
    assert_int_equal(srl_request_set_expiry(r, 0), SRL_OK);
    assert_int_equal(srl_request_accept(r), SRL_OK);
    see(c, "*\"id\":2,*\"channel\":\"a/b\",\"data\":*\"data\":[1, 2]}}}");

    test_client_send(c, "{\"id\":3,\"type\":\"publish\",\"channel\":\"a/b\",\"data\":{\"data\":\"x\\ny\"}}");
    r = test_relay_request(&home);
    assert_int_equal(srl_request_kind(r), SRL_REQUEST_PUBLISH);
    SHOWS(srl_request_data, r, "\"x\\ny\"");
    assert_int_equal(srl_request_accept(r), SRL_OK);
    see(c, "*\"id\":3,*\"offset\":1,*");
    see(c, "*\"message\",*\"data\":\"x\\ny\",\"info\":{\"user\":\"ann\",\"client\":\"*\",\"info\":{\"n\": 1}}*");

    test_client_send(c, "{\"id\":4,\"type\":\"publish\",\"channel\":\"a/b\",\"data\":{\"data\":1}}");
    r = test_relay_request(&home);
    assert_int_equal(srl_request_set_data(r, "{]", 2), SRL_ERR_JSON);
    assert_string_not_equal(srl_relay_last_error(home.relay), "");
    assert_int_equal(srl_request_set_data(r, "{\"was\":1}", 9), SRL_OK);
    assert_int_equal(srl_request_accept(r), SRL_OK);
    see(c, "*\"id\":4,*\"offset\":2,*");
    see(c, "*\"message\",*\"data\":{\"was\":1},*");
    test_relay_end(&home);
}

static void what_may_be_set(void **state)
{
    test_relay home;
    srl_request *r;
    char user[130];
    (void)state;

    memset(user, 'u', sizeof(user));
    begin(&home, ALL, ALL);
    test_client_send(test_client_open(&home), "{\"id\":1,\"type\":\"connect\"}");
    r = test_relay_request(&home);
    assert_int_equal(srl_request_set_user(r, user, 129), SRL_ERR_TOO_LARGE);
    assert_int_equal(srl_request_set_user(r, "\xff", 1), SRL_ERR_UTF8);
    assert_int_equal(srl_request_set_user(r, user, 128), SRL_OK);
    assert_int_equal(srl_request_set_user(r, NULL, 0), SRL_OK);
    assert_int_equal(srl_request_set_user(r, "b", 1), SRL_OK);
    assert_int_equal(srl_request_set_info(r, "", 0), SRL_ERR_JSON);
    assert_int_equal(srl_request_set_info(r, "nul", 3), SRL_ERR_JSON);
    assert_int_equal(srl_request_set_info(r, "null", 4), SRL_OK);
    assert_int_equal(srl_request_reject(r, 0, NULL, 0), SRL_OK);
    test_relay_end(&home);
}

/* Each kind of question, each answer, at once and later. */
typedef struct way {
    int kind;
    int how;
    bool later;
} way;

enum { ACCEPT, REJECT, REJECT_CODE, DISCONNECT, DISCONNECT_BIG, HOWS };

static int give_answer(srl_request *r, int how)
{
    switch (how) {
    case ACCEPT:
        if (srl_request_kind(r) == SRL_REQUEST_CONNECT) {
            assert_int_equal(srl_request_set_user(r, "u", 1), SRL_OK);
        }
        return srl_request_accept(r);
    case REJECT:
        return srl_request_reject(r, 0, NULL, 7);
    case REJECT_CODE:
        return srl_request_reject(r, 1234, "not \"you\"", 9);
    case DISCONNECT:
        return srl_request_disconnect(r, 4321, "go", 2);
    default:
        return srl_request_disconnect(r, 65536 + 3000, NULL, 0);
    }
}

static void answer_as_told(test_relay *home, srl_request *r)
{
    const way *w = home->user;

    if (srl_request_kind(r) != w->kind) {
        assert_int_equal(give_answer(r, ACCEPT), SRL_OK);
    } else if (w->later) {
        home->requests[home->request_count++] = r;
    } else {
        assert_int_equal(give_answer(r, w->how), SRL_OK);
    }
}

static const char *const commands[] = {
    "",
    "{\"id\":5,\"type\":\"connect\"}\n{\"id\":6,\"type\":\"ping\"}",
    "{\"id\":5,\"type\":\"subscribe\",\"channel\":\"b\"}\n{\"id\":6,\"type\":\"ping\"}",
    "{\"id\":5,\"type\":\"publish\",\"channel\":\"a\",\"data\":{\"data\":7}}\n{\"id\":6,\"type\":\"ping\"}",
};
static const char *const successes[] = {"", "*\"id\":5,*\"user\":\"u\"*", "*\"id\":5,*\"channel\":\"b\",\"data\"*",
                                        "*\"id\":5,*\"offset\":1,*"};

static void see_the_answer(test_client *c, const way *w)
{
    if (w->how == ACCEPT) {
        see(c, successes[w->kind]);
    } else if (w->how == REJECT) {
        see(c, "*\"id\":5,*\"error\":{\"code\":103,\"message\":\"permission denied\"}}}");
    } else if (w->how == REJECT_CODE) {
        see(c, "*\"id\":5,*\"error\":{\"code\":1234,\"message\":\"not \\\"you\\\"\"}}}");
    } else if (w->how == DISCONNECT) {
        see(c, "*\"code\":4321,\"reason\":\"go\",\"reconnect\":true*");
        see_closed(c, 4321, "go");
    } else {
        see(c, "*\"code\":3503,\"reason\":\"force disconnect\",\"reconnect\":false*");
        see_closed(c, 3503, "force disconnect");
    }
}

static void every_answer_to_every_question(void **state)
{
    (void)state;
    for (int i = 0; i < 3 * HOWS * 2; i++) {
        way w = {1 + i / 2 / HOWS, i / 2 % HOWS, i % 2 != 0};
        test_relay home;
        test_client *c;
        test_client *other;

        test_relay_init(&home);
        home.hooks = ALL;
        home.user = &w;
        assert_int_equal(test_relay_start(&home, "history_size", "10", NULL), SRL_OK);
        c = test_client_open(&home);
        if (w.kind != SRL_REQUEST_CONNECT) {
            test_client_send(c, "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"u\"}}");
            test_client_skip(c);
        }
        other = test_client_enter(&home, "other");
        assert_true(test_client_subscribe(other, "a"));
        home.asked = answer_as_told;
        test_client_send(c, commands[w.kind]);
        if (w.later) {
            see_nothing(c);
            assert_int_equal(give_answer(test_relay_request(&home), w.how), SRL_OK);
        }
        see_the_answer(c, &w);
        if (w.kind == SRL_REQUEST_PUBLISH && w.how == ACCEPT) {
            see(other, "*\"message\"*\"data\":7,*");
        }
        see_nothing(other);
        if (w.kind == SRL_REQUEST_CONNECT && (w.how == REJECT || w.how == REJECT_CODE)) {
            see(c, "*3501*\"connect first\"*"); /* the ping behind it */
        } else if (w.how < DISCONNECT) {
            see(c, "*\"pong\"*");
            see(c, "*\"id\":6,*");
        }
        see_nothing(c);
        test_relay_end(&home);
    }
}

static void a_refused_connect_may_be_tried_again(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    begin(&home, ALL, ALL);
    c = test_client_open(&home);
    for (int i = 0; i < 3; i++) {
        test_client_send(c, "{\"id\":1,\"type\":\"connect\"}");
        assert_int_equal(srl_request_reject(test_relay_request(&home), 101, NULL, 0), SRL_OK);
        see(c, "*\"code\":101,*");
    }
    test_client_send(c, "{\"id\":1,\"type\":\"connect\"}");
    assert_int_equal(srl_request_accept(test_relay_request(&home)), SRL_OK); /* as nobody */
    see(c, "*\"code\":101,\"message\":\"unauthorized\"*");
    test_relay_advance(&home, 15000);
    see_closed(c, 3502, "stale");
    test_relay_end(&home);
}

static void commands_wait_in_order(void **state)
{
    test_relay home;
    test_client *c;
    test_client *other;
    (void)state;

    begin(&home, ALL, TEST_SUBSCRIBE | TEST_PUBLISH);
    c = test_client_enter(&home, "u");
    other = test_client_enter(&home, "o");
    test_client_send(c,
                     "{\"id\":2,\"type\":\"subscribe\",\"channel\":\"a\"}\n{\"id\":3,\"type\":\"publish\",\"channel\":"
                     "\"a\",\"data\":{\"data\":3}}\n");
    test_client_send(c, "{\"id\":4,\"type\":\"publish\",\"channel\":\"a\",\"data\":{\"data\":4}}");
    test_client_send(c, "{\"id\":5,\"type\":\"ping\"}\n\n{\"id\":6,\"type\":\"subscribe\",\"channel\":\"a\"}");
    assert_int_equal(home.request_count, 1);
    test_client_send(other, "{\"id\":9,\"type\":\"ping\"}"); /* others do not wait */
    see(other, "*\"pong\"*");
    see(other, "*\"id\":9,*");
    assert_int_equal(srl_request_accept(test_relay_request(&home)), SRL_OK);
    see(c, "*\"id\":2,*");
    see_nothing(c);
    assert_int_equal(home.request_count, 1);
    assert_int_equal(srl_request_accept(test_relay_request(&home)), SRL_OK);
    see(c, "*\"id\":3,*");
    see(c, "*\"data\":3,*");
    see_nothing(c);
    test_client_send(c, "{\"id\":7,\"type\":\"ping\"}");
    assert_int_equal(srl_request_reject(test_relay_request(&home), 0, NULL, 0), SRL_OK);
    see(c, "*\"id\":4,*\"code\":103,*");
    see(c, "*\"pong\"*");
    see(c, "*\"id\":5,*");
    see(c, "*\"id\":6,*\"code\":105,*");
    see(c, "*\"pong\"*");
    see(c, "*\"id\":7,*");
    see_nothing(c);
    test_relay_end(&home);
}

/* Bytes that come in while a hook runs are behind those of the message that the hook belongs to. */
static void receive_again(test_relay *home, srl_request *r)
{
    test_client *c = home->user;

    if (srl_request_kind(r) == SRL_REQUEST_CONNECT) {
        assert_int_equal(give_answer(r, ACCEPT), SRL_OK);
        return;
    }
    home->requests[home->request_count++] = r;
    assert_int_equal(test_client_send(c, "{\"id\":4,\"type\":\"ping\"}\n{\"id\":5,\"type\":\"ping\"}"), SRL_OK);
}

static void receive_inside_a_hook(void **state)
{
    static const char *const order[] = {"*\"id\":2,*", "*\"pong\"*", "*\"id\":3,*", "*\"pong\"*",
                                        "*\"id\":4,*", "*\"pong\"*", "*\"id\":5,*"};
    (void)state;
    for (int waiting = 0; waiting < 2; waiting++) {
        test_relay home;
        test_client *c;

        test_relay_init(&home);
        home.hooks = ALL;
        home.asked = receive_again;
        assert_int_equal(test_relay_start(&home, NULL), SRL_OK);
        home.user = c = test_client_enter(&home, "u");
        if (waiting) {
            home.asked = NULL;
            home.hold = TEST_SUBSCRIBE;
            test_client_send(c, "{\"id\":1,\"type\":\"subscribe\",\"channel\":\"w\"}");
            home.asked = receive_again;
        }
        test_client_send(c, "{\"id\":2,\"type\":\"subscribe\",\"channel\":\"a\"}\n{\"id\":3,\"type\":\"ping\"}\n");
        if (waiting) {
            assert_int_equal(srl_request_accept(test_relay_request(&home)), SRL_OK);
            see(c, "*\"id\":1,*");
        }
        see_nothing(c);
        assert_int_equal(srl_request_accept(test_relay_request(&home)), SRL_OK);
        for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
            see(c, order[i]);
        }
        see_nothing(c);
        test_relay_end(&home);
    }
}

/* ---- nobody waits any more */

static void answered_after_the_session_closed(void **state)
{
    (void)state;
    for (int kind = 1; kind <= 3; kind++) {
        for (int how = 0; how < HOWS; how++) {
            for (int way_out = 0; way_out < 3; way_out++) {
                test_relay home;
                test_client *c;
                srl_request *r;
                size_t len;

                begin(&home, ALL, 1U << kind);
                c = test_client_open(&home);
                test_client_send(c, "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"t\"}}");
                if (kind != SRL_REQUEST_CONNECT) {
                    test_client_send(
                        c, kind == 2 ? "{\"id\":2,\"type\":\"subscribe\",\"channel\":\"a\"}"
                                     : "{\"id\":2,\"type\":\"publish\",\"channel\":\"a\",\"data\":{\"data\":1}}");
                }
                test_client_skip(c);
                r = test_relay_request(&home);
                assert_non_null(r);
                if (way_out == 0) {
                    test_client_leave(c);
                } else if (way_out == 1) {
                    srl_session_disconnect(c->session, 4000, NULL, 0);
                    test_client_skip(c);
                } else {
                    test_relay_destroy(&home);
                }
                assert_null(srl_request_session(r));
                SHOWS(srl_request_channel, r, kind == 1 ? "" : "a");
                SHOWS(srl_request_token, r, kind == 1 ? "t" : "");
                SHOWS(srl_request_data, r, kind == 3 ? "1" : "");
                assert_non_null(srl_request_user(r, &len));
                if (how == ACCEPT) {
                    (void)srl_request_set_user(r, "u", 1);
                    assert_int_equal(srl_request_accept(r), SRL_ERR_CANCELLED);
                } else {
                    assert_int_equal(give_answer(r, how), SRL_ERR_CANCELLED);
                }
                see_nothing(c);
                test_relay_end(&home);
            }
        }
    }
}

enum { LEAVE, GO, DESTROY, LEAVE_AND_KEEP, DESTROY_AND_KEEP, ENDINGS };

static void end_inside_the_hook(test_relay *home, srl_request *r)
{
    test_client *c = home->clients;
    int ending = *(int *)home->user;

    if (ending == LEAVE || ending == LEAVE_AND_KEEP) {
        test_client_leave(c);
    } else if (ending == GO) {
        srl_session_disconnect(c->session, 4000, NULL, 0);
    } else {
        test_relay_destroy(home);
    }
    if (ending == LEAVE_AND_KEEP || ending == DESTROY_AND_KEEP) {
        home->requests[home->request_count++] = r;
    } else {
        assert_int_equal(srl_request_accept(r), SRL_ERR_CANCELLED);
    }
}

static void endings_inside_the_hook(void **state)
{
    (void)state;
    for (int kind = 1; kind <= 3; kind++) {
        for (int ending = 0; ending < ENDINGS; ending++) {
            test_relay home;
            test_client *c;

            begin(&home, ALL, 0);
            c = test_client_open(&home);
            if (kind != SRL_REQUEST_CONNECT) {
                test_client_send(c, "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"t\"}}");
                test_client_send(c, "{\"id\":2,\"type\":\"subscribe\",\"channel\":\"a\"}");
            }
            home.user = &ending;
            home.asked = end_inside_the_hook;
            test_client_send(c, commands[kind]);
            test_relay_end(&home);
        }
    }
}

/* The host has two questions of one session never at once, but of many sessions in any order. */
static void answered_in_any_order(void **state)
{
    test_relay home;
    test_client *c[5];
    srl_request *r[5];
    static const int order[] = {3, 0, 4, 2, 1};
    (void)state;

    begin(&home, ALL, TEST_CONNECT);
    for (int i = 0; i < 5; i++) {
        c[i] = test_client_open(&home);
        test_client_sendf(c[i], "{\"id\":%d,\"type\":\"connect\"}\n{\"id\":77,\"type\":\"ping\"}", i + 1);
        r[i] = test_relay_request(&home);
    }
    for (int i = 0; i < 5; i++) {
        char pattern[32];

        assert_int_equal(give_answer(r[order[i]], ACCEPT), SRL_OK);
        (void)snprintf(pattern, sizeof(pattern), "*\"id\":%d,*", order[i] + 1);
        see(c[order[i]], pattern);
        see(c[order[i]], "*\"pong\"*");
        see(c[order[i]], "*\"id\":77,*");
    }
    test_relay_end(&home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_request_shows),
        cmocka_unit_test(what_may_be_set),
        cmocka_unit_test(every_answer_to_every_question),
        cmocka_unit_test(a_refused_connect_may_be_tried_again),
        cmocka_unit_test(commands_wait_in_order),
        cmocka_unit_test(receive_inside_a_hook),
        cmocka_unit_test(answered_after_the_session_closed),
        cmocka_unit_test(endings_inside_the_hook),
        cmocka_unit_test(answered_in_any_order),
    };

    return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
