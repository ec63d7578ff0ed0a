#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helpers/see.h"

/* One test per option that limits something: at the limit it goes, one past it the documented answer comes. */

static void max_sessions(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "max_sessions", "2", NULL), SRL_OK);
    c = test_client_open(&home);
    assert_non_null(c);
    assert_non_null(test_client_open(&home));
    assert_null(test_client_open(&home));
    test_client_leave(c);
    assert_non_null(test_client_open(&home));
    assert_null(test_client_open(&home));
    test_relay_end(&home);
}

static void max_user_sessions(void **state)
{
    test_relay home;
    test_client *first;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "max_user_sessions", "2", "allow_anonymous", "true", NULL), SRL_OK);
    first = test_client_enter(&home, "u");
    assert_int_equal(test_client_enter(&home, "u")->closes, 0);
    c = test_client_open(&home);
    test_client_send(c, "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"u\"}}");
    see(c, "{\"push\":{\"type\":\"disconnect\",\"data\":{\"code\":3504,\"reason\":\"connection limit\",\"reconnect\":"
           "false}}}");
    see_closed(c, 3504, "connection limit");
    assert_int_equal(test_client_enter(&home, "v")->closes, 0);
    srl_session_disconnect(first->session, 0, NULL, 0); /* does not count any more, though not given back yet */
    assert_int_equal(test_client_enter(&home, "u")->closes, 0);
    assert_int_equal(test_client_enter(&home, "u")->closes, 1);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(test_client_enter(&home, "")->closes, 0);
    }
    test_relay_end(&home);
}

static void max_user_length_and_max_info_bytes(void **state)
{
    test_relay home;
    test_client *c;
    srl_request *r;
    (void)state;

    test_relay_init(&home);
    home.hold = TEST_CONNECT;
    assert_int_equal(test_relay_start(&home, "max_user_length", "3", "max_info_bytes", "5", NULL), SRL_OK);
    c = test_client_open(&home);
    test_client_send(c, "{\"id\":1,\"type\":\"connect\"}");
    r = test_relay_request(&home);
    assert_int_equal(srl_request_set_user(r, "abcd", 4), SRL_ERR_TOO_LARGE);
    assert_int_equal(srl_request_set_user(r, "abc", 3), SRL_OK);
    assert_int_equal(srl_request_set_info(r, "123456", 6), SRL_ERR_TOO_LARGE);
    assert_int_equal(srl_request_set_info(r, "12345", 5), SRL_OK);
    assert_int_equal(srl_request_accept(r), SRL_OK);
    see(c, "*\"user\":\"abc\"*");
    test_relay_end(&home);
}

static void max_channels(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "max_channels", "3", NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    assert_true(test_client_subscribe(c, "a"));
    assert_true(test_client_subscribe(c, "b"));
    assert_true(test_client_subscribe(c, "c"));
    test_client_command(c, "subscribe", "d", NULL);
    see(c, "*\"channel\":\"d\",\"error\":{\"code\":106,\"message\":\"limit exceeded\"}}}");
    test_client_command(c, "unsubscribe", "a", NULL);
    test_client_skip(c);
    assert_true(test_client_subscribe(c, "d"));
    test_relay_end(&home);
}

static void max_channel_length(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "max_channel_length", "4", "history_size", "1", "presence", "on", NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    assert_true(test_client_subscribe(c, "abcd"));
    test_client_command(c, "subscribe", "abcde", NULL);
    see(c, "{\"reply\":{\"id\":3,\"type\":\"subscribe\",\"error\":{\"code\":107,\"message\":\"channel: expected a name "
           "without control characters, and not too long\"}}}");
    test_client_command(c, "publish", "abcde", "{\"data\":1}");
    see(c, "*\"code\":107,*");
    assert_int_equal(test_relay_publish(&home, "abcde", "1"), SRL_ERR_INVALID);
    assert_int_equal(test_relay_publish(&home, "abcd", "1"), SRL_OK);
    test_relay_end(&home);
}

static void max_rooms(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "max_rooms", "2", NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    assert_true(test_client_subscribe(c, "a"));
    assert_true(test_client_subscribe(c, "b"));
    test_client_command(c, "subscribe", "c", NULL);
    see(c, "*\"code\":106,*");
    assert_true(test_client_subscribe(test_client_enter(&home, "v"), "a")); /* a room that exists */
    test_client_command(c, "unsubscribe", "b", NULL);
    test_client_skip(c);
    assert_true(test_client_subscribe(c, "c"));
    test_relay_end(&home);
}

static void max_subscribers(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "max_subscribers", "2", NULL), SRL_OK);
    assert_true(test_client_subscribe(test_client_enter(&home, "a"), "room"));
    c = test_client_enter(&home, "b");
    assert_true(test_client_subscribe(c, "room"));
    assert_false(test_client_subscribe(test_client_enter(&home, "c"), "room"));
    assert_true(test_client_subscribe(test_client_enter(&home, "c"), "other"));
    test_client_leave(c);
    c = test_client_enter(&home, "c");
    assert_true(test_client_subscribe(c, "room"));
    c = test_client_enter(&home, "d");
    test_client_command(c, "subscribe", "room", NULL);
    see(c, "*\"code\":106,*");
    test_relay_end(&home);
}

static char *message_of(size_t len, const char *before)
{
    char *text = malloc(len + 1);

    assert_non_null(text);
    memset(text, ' ', len);
    memcpy(text, before, strlen(before));
    text[len] = '\0';
    return text;
}

static void max_message_bytes(void **state)
{
    test_relay home;
    test_client *c;
    char *text;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "max_message_bytes", "64", NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    text = message_of(64, "{\"id\":2,\"type\":\"ping\"}");
    assert_int_equal(test_client_send(c, text), SRL_OK);
    free(text);
    see(c, "*\"pong\"*");
    see(c, "*\"id\":2,*");
    text = message_of(65, "{\"id\":3,\"type\":\"ping\"}");
    assert_int_equal(test_client_send(c, text), SRL_OK);
    free(text);
    see(c, "*\"code\":3501,\"reason\":\"message too large\",\"reconnect\":false*");
    see_nothing(c);
    see_closed(c, 3501, "message too large");
    test_relay_end(&home);
}

static void max_commands(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "max_commands", "2", NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    test_client_send(c, "\n\n{\"type\":\"ping\"}\r\n\r\n{\"type\":\"ping\"}\n\n\n");
    see(c, "*\"pong\"*");
    see(c, "*\"pong\"*");
    test_client_send(c, "{\"type\":\"ping\"}\n{\"type\":\"ping\"}\n{\"type\":\"ping\"}");
    see(c, "*\"code\":3501,\"reason\":\"too many commands in one message\"*");
    see_nothing(c); /* none of it was done */
    test_relay_end(&home);
}

static void max_json_depth(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "max_json_depth", "4", "publish", "true", NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    assert_true(test_client_subscribe(c, "a"));
    test_client_command(c, "publish", "a", "{\"data\":[[1]]}");
    see(c, "*\"type\":\"publish\",*\"data\":{}}}");
    see(c, "*\"data\":[[1]],*");
    test_client_command(c, "publish", "a", "{\"data\":[[[1]]]}");
    see(c, "*\"type\":\"publish\",*\"code\":107,\"message\":\"nested too deeply at byte *\"}}}");
    see_nothing(c);
    assert_int_equal(test_relay_publish(&home, "a", "[[[[1]]]]"), SRL_OK);
    assert_int_equal(test_relay_publish(&home, "a", "[[[[[1]]]]]"), SRL_ERR_JSON);
    assert_true(test_text_matches("nested too deeply*", srl_relay_last_error(home.relay)));
    test_relay_end(&home);
}

static void max_queue_bytes(void **state)
{
    test_relay home;
    test_client *c;
    size_t queued;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "max_queue_bytes", "1k", NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    assert_true(test_client_subscribe(c, "a"));
    c->take = 0;
    do {
        queued = srl_session_queued_bytes(c->session);
        assert_true(queued <= 1024);
        assert_int_equal(test_relay_publish(&home, "a", "1"), SRL_OK);
    } while (c->closes == 0);
    assert_in_range(queued, 900, 1024);
    see_closed(c, 3008, "slow");
    test_relay_end(&home);
}

static void max_input_bytes(void **state)
{
    test_relay home;
    test_client *c;
    char *text = message_of(60, "{\"type\":\"ping\"}");
    srl_request *r;
    (void)state;

    test_relay_init(&home);
    home.hooks = TEST_CONNECT | TEST_SUBSCRIBE;
    home.hold = TEST_SUBSCRIBE;
    assert_int_equal(test_relay_start(&home, "max_message_bytes", "64", "max_input_bytes", "128", NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    test_client_send(c, "{\"id\":2,\"type\":\"subscribe\",\"channel\":\"a\"}");
    assert_int_equal(test_client_send(c, text), SRL_OK);
    assert_int_equal(test_client_send(c, text), SRL_OK);
    assert_int_equal(c->closes, 0);
    assert_int_equal(test_client_send(c, text), SRL_OK);
    see(c, "{\"push\":{\"type\":\"disconnect\",\"data\":{\"code\":3013,\"reason\":\"too many commands wait for an "
           "answer\",\"reconnect\":true}}}");
    see_closed(c, 3013, "too many commands wait for an answer");
    r = test_relay_request(&home);
    assert_int_equal(srl_request_accept(r), SRL_ERR_CANCELLED);
    free(text);
    test_relay_end(&home);
}

static unsigned publish_until_refused(test_client *c, unsigned most)
{
    for (unsigned i = 0; i < most; i++) {
        const char *reply;

        test_client_command(c, "publish", "a", "{\"data\":1}");
        reply = test_client_read(c);
        assert_non_null(reply);
        if (test_text_matches("*\"code\":111,\"message\":\"too many requests\",\"temporary\":true}}}", reply)) {
            return i;
        }
        assert_true(test_text_matches("*\"type\":\"publish\",*\"data\":{}}}", reply));
        test_client_skip(c); /* the message itself */
    }
    return most;
}

static void publish_rate_and_publish_burst(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "publish", "true", "publish_rate", "10", "publish_burst", "5", NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    assert_true(test_client_subscribe(c, "a"));
    assert_int_equal(publish_until_refused(c, 20), 5);
    assert_int_equal(publish_until_refused(c, 20), 0);
    test_relay_advance(&home, 99);
    assert_int_equal(publish_until_refused(c, 20), 0);
    test_relay_advance(&home, 1);
    assert_int_equal(publish_until_refused(c, 20), 1);
    test_relay_advance(&home, 250);
    assert_int_equal(publish_until_refused(c, 20), 2);
    test_relay_advance(&home, 3600000);
    test_client_skip(c);
    assert_int_equal(publish_until_refused(c, 20), 5);
    assert_true(test_client_subscribe(test_client_enter(&home, "v"), "a")); /* each session has its own */
    for (int i = 0; i < 30; i++) {
        assert_int_equal(test_relay_publish(&home, "a", "1"), SRL_OK); /* and the host has none */
    }
    test_relay_end(&home);

    assert_int_equal(TEST_RELAY(&home, "publish", "true", "publish_rate", "0", "publish_burst", "1", NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    assert_true(test_client_subscribe(c, "a"));
    assert_int_equal(publish_until_refused(c, 500), 500);
    test_relay_end(&home);
}

static void max_publish_bytes(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "publish", "true", "max_publish_bytes", "5", NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    assert_true(test_client_subscribe(c, "a"));
    test_client_command(c, "publish", "a", "{\"data\":12345}");
    see(c, "*\"type\":\"publish\",*\"data\":{}}}");
    see(c, "*\"message\"*");
    test_client_command(c, "publish", "a", "{\"data\":\"1234\"}");
    see(c, "*\"code\":107,\"message\":\"data.data: too large for this channel\"}}}");
    see_nothing(c);
    assert_int_equal(test_relay_publish(&home, "a", "  \"123\"  "), SRL_OK); /* what is around it does not count */
    see(c, "*\"data\":\"123\"*");
    assert_int_equal(test_relay_publish(&home, "a", "\"1234\""), SRL_ERR_TOO_LARGE);
    assert_true(test_text_matches("*max_publish_bytes*", srl_relay_last_error(home.relay)));
    test_relay_end(&home);
}

static unsigned count_of(const char *text, const char *what)
{
    unsigned count = 0;

    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what)) {
        count++;
    }
    return count;
}

static void count_history(int error, const srl_history *history, void *user)
{
    unsigned *count = user;

    assert_int_equal(error, SRL_OK);
    *count = history->count;
}

static void max_history_read(void **state)
{
    static const struct {
        const char *data;
        unsigned count;
    } cases[] = {{NULL, 3}, {"{\"limit\":100}", 3}, {"{\"limit\":3}", 3}, {"{\"limit\":2}", 2}, {"{\"limit\":0}", 0}};
    test_relay home;
    test_client *c;
    unsigned count = 0;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "history_size", "10", "max_history_read", "3", NULL), SRL_OK);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(test_relay_publish(&home, "a", "1"), SRL_OK);
    }
    c = test_client_enter(&home, "u");
    assert_true(test_client_subscribe(c, "a"));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *reply;

        test_client_command(c, "history", "a", cases[i].data);
        reply = test_client_read(c);
        assert_non_null(reply);
        assert_int_equal(count_of(reply, "\"data\":1"), cases[i].count);
    }
    assert_int_equal(srl_relay_history(home.relay, "a", 1, 0, NULL, 0, 100, 0, count_history, &count), SRL_OK);
    assert_int_equal(count, 3);
    test_relay_end(&home);
}

/* One reply is never more than half of a queue. */
static void history_replies_fit_the_queue(void **state)
{
    test_relay home;
    test_client *c;
    char data[203];
    (void)state;

    memset(data, 'x', 202);
    data[0] = data[201] = '"';
    data[202] = '\0';
    assert_int_equal(TEST_RELAY(&home, "history_size", "10", "max_queue_bytes", "1k", NULL), SRL_OK);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(test_relay_publish(&home, "a", data), SRL_OK);
    }
    c = test_client_enter(&home, "u");
    assert_true(test_client_subscribe(c, "a"));
    test_client_command(c, "history", "a", NULL);
    assert_in_range(strlen(c->frames[c->frame_count - 1]), 400, 700);
    see(c, "*\"offset\":6,*\"publications\":[{\"offset\":1,\"data\":\"x*},{\"offset\":2,*}]}}}");
    test_relay_end(&home);
}

static void max_presence_users(void **state)
{
    test_relay home;
    test_client *c = NULL;
    const char *reply;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "presence", "true", "max_presence_users", "2", NULL), SRL_OK);
    for (int i = 0; i < 4; i++) {
        static const char *const names[] = {"a", "b", "c", "d"};

        c = test_client_enter(&home, names[i]);
        assert_true(test_client_subscribe(c, "room"));
    }
    test_client_command(c, "presence", "room", NULL);
    reply = test_client_read(c);
    assert_non_null(reply);
    assert_true(test_text_matches("*\"data\":{\"num_users\":4,\"num_sessions\":4,\"users\":[{*},{*}]}}}", reply));
    assert_int_equal(count_of(reply, "\"user\":"), 2);
    test_relay_end(&home);

    assert_int_equal(TEST_RELAY(&home, "presence", "true", "max_presence_users", "0", NULL), SRL_OK);
    c = test_client_enter(&home, "a");
    assert_true(test_client_subscribe(c, "room"));
    test_client_command(c, "presence", "room", NULL);
    see(c, "*\"data\":{\"num_users\":1,\"num_sessions\":1,\"users\":[]}}}");
    test_relay_end(&home);
}

static void count_post(srl_relay *relay, void *user)
{
    (void)relay;
    ++*(int *)user;
}

static void max_posted_and_work_budget(void **state)
{
    test_relay home;
    int count = 0;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "max_posted", "10", "work_budget", "4", NULL), SRL_OK);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(srl_relay_post(home.relay, count_post, &count), SRL_OK);
    }
    assert_int_equal(srl_relay_post(home.relay, count_post, &count), SRL_ERR_LIMIT);
    assert_int_equal(srl_relay_post(home.relay, NULL, &count), SRL_ERR_INVALID);
    assert_true(srl_relay_process(home.relay) > 0);
    assert_int_equal(count, 4);
    assert_int_equal(srl_relay_next_timeout_ms(home.relay), 0);
    assert_true(srl_relay_process(home.relay) > 0);
    assert_int_equal(count, 8);
    assert_int_equal(srl_relay_process(home.relay), 0);
    assert_int_equal(count, 10);
    assert_int_equal(srl_relay_post(home.relay, count_post, &count), SRL_OK);
    test_relay_process(&home);
    assert_int_equal(count, 11);
    test_relay_end(&home);
}

static void work_budget_limits_timers(void **state)
{
    test_relay home;
    test_client *c[10];
    unsigned closed = 0;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "work_budget", "4", NULL), SRL_OK);
    for (int i = 0; i < 10; i++) {
        c[i] = test_client_open(&home);
    }
    fake_platform_advance(&home.platform, 15000);
    assert_true(srl_relay_process(home.relay) > 0);
    for (int i = 0; i < 10; i++) {
        closed += c[i]->closes;
    }
    assert_int_equal(closed, 4);
    test_relay_process(&home);
    for (int i = 0; i < 10; i++) {
        see_closed(c[i], 3502, "stale");
    }
    test_relay_end(&home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(max_sessions),
        cmocka_unit_test(max_user_sessions),
        cmocka_unit_test(max_user_length_and_max_info_bytes),
        cmocka_unit_test(max_channels),
        cmocka_unit_test(max_channel_length),
        cmocka_unit_test(max_rooms),
        cmocka_unit_test(max_subscribers),
        cmocka_unit_test(max_message_bytes),
        cmocka_unit_test(max_commands),
        cmocka_unit_test(max_json_depth),
        cmocka_unit_test(max_queue_bytes),
        cmocka_unit_test(max_input_bytes),
        cmocka_unit_test(publish_rate_and_publish_burst),
        cmocka_unit_test(max_publish_bytes),
        cmocka_unit_test(max_history_read),
        cmocka_unit_test(history_replies_fit_the_queue),
        cmocka_unit_test(max_presence_users),
        cmocka_unit_test(max_posted_and_work_budget),
        cmocka_unit_test(work_budget_limits_timers),
    };

    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
