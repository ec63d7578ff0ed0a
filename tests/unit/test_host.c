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

/* What a result callback was given, as text. */
typedef struct result {
    unsigned calls;
    int error;
    uint64_t offset;
    char epoch[40];
    char text[512]; /* of history or presence */
    uint32_t count;
    test_relay *home;
    int what; /* to do inside it */
} result;

enum { NOTHING, PUBLISH, DESTROY };

static void act(result *r)
{
    if (r->what == PUBLISH) {
        r->what = NOTHING;
        assert_int_equal(test_relay_publish(r->home, "room", "\"inside\""), SRL_OK);
    } else if (r->what == DESTROY) {
        r->what = NOTHING;
        test_relay_destroy(r->home);
    }
}

static void keep_epoch(result *r, const char *epoch, size_t len)
{
    assert_in_range(len, 0, sizeof(r->epoch) - 1);
    if (len > 0) {
        memcpy(r->epoch, epoch, len);
    }
    r->epoch[len] = '\0';
}

static void published(int error, uint64_t offset, const char *epoch, size_t epoch_len, void *user)
{
    result *r = user;

    r->calls++;
    r->error = error;
    r->offset = offset;
    keep_epoch(r, epoch, epoch_len);
    act(r);
}

static void add_text(result *r, const char *text, size_t len)
{
    size_t at = strlen(r->text);

    assert_true(at + len < sizeof(r->text));
    if (len > 0) {
        memcpy(r->text + at, text, len);
    }
    r->text[at + len] = '\0';
}

static void history_read(int error, const srl_history *history, void *user)
{
    result *r = user;

    r->calls++;
    r->error = error;
    r->text[0] = '\0';
    r->count = 0;
    if (history != NULL) {
        r->offset = history->offset;
        r->count = history->count;
        keep_epoch(r, history->epoch, history->epoch_len);
        for (uint32_t i = 0; i < history->count; i++) {
            char before[32];

            (void)snprintf(before, sizeof(before), "%u:", (unsigned)history->publications[i].offset);
            add_text(r, before, strlen(before));
            add_text(r, history->publications[i].data, history->publications[i].data_len);
            add_text(r, " ", 1);
        }
    }
    act(r);
}

static void presence_read(int error, const srl_presence *presence, void *user)
{
    result *r = user;

    r->calls++;
    r->error = error;
    r->text[0] = '\0';
    if (presence != NULL) {
        char text[64];

        (void)snprintf(text, sizeof(text), "%u/%u %u", presence->num_users, presence->num_sessions, presence->count);
        add_text(r, text, strlen(text));
    }
    act(r);
}

static int publish(test_relay *home, const char *channel, const char *data, result *r)
{
    return srl_relay_publish(home->relay, channel, strlen(channel), data, strlen(data), published, r);
}

static int history(test_relay *home, uint64_t since, const char *epoch, uint32_t limit, uint32_t flags, result *r)
{
    return srl_relay_history(home->relay, "room", 4, since, epoch, strlen(epoch), limit, flags, history_read, r);
}

/* ---- publish */

static void publish_gives_offset_and_epoch(void **state)
{
    test_relay home;
    result r = {0};
    char epoch[40];
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "history_size", "10", NULL), SRL_OK);
    assert_int_equal(publish(&home, "room", "1", &r), SRL_OK);
    assert_int_equal(r.calls, 1);
    assert_int_equal(r.error, SRL_OK);
    assert_int_equal(r.offset, 1);
    memcpy(epoch, r.epoch, sizeof(epoch));
    assert_true(strlen(epoch) > 0);
    assert_int_equal(publish(&home, "room", "2", &r), SRL_OK);
    assert_int_equal(r.offset, 2);
    assert_string_equal(r.epoch, epoch);
    assert_int_equal(publish(&home, "elsewhere", "2", &r), SRL_OK);
    assert_int_equal(r.offset, 1);
    test_relay_end(&home);

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    assert_int_equal(publish(&home, "room", "1", &r), SRL_OK);
    assert_int_equal(r.offset, 0);
    assert_string_equal(r.epoch, "");
    test_relay_end(&home);
}

static void payloads_are_json(void **state)
{
    static const struct {
        const char *data;
        const char *error; /* NULL: goes out as `sent` */
        const char *sent;
    } cases[] = {
        {"1", NULL, "1"},
        {" \t\r\n{\"a\" : [ 1 ]}\n ", NULL, "{\"a\" : [ 1 ]}"},
        {"{\n\"a\":\r\n\"x\\ny\"}", NULL, "{ \"a\":  \"x\\ny\"}"},
        {"[1,\n2,\n[\n]\n]", NULL, "[1, 2, [ ] ]"},
        {"\"\xC3\xA4\"", NULL, "\"\xC3\xA4\""},
        {" \"quoted\" ", NULL, "\"quoted\""},
        {"null", NULL, "null"},
        {"", "the text ends too early at byte 0", NULL},
        {"  ", "*at byte 2", NULL},
        {"{", "the text ends too early at byte 1", NULL},
        {"{\"a\"}", "expected ':' at byte 4", NULL},
        {"1 2", "more text after the value at byte 2", NULL},
        {"\"\n\"", "unescaped control character in a string at byte 1", NULL},
        {"\"\xff\"", "not valid UTF-8 at byte 1", NULL},
        {"01", "*at byte *", NULL},
    };
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    assert_true(test_client_subscribe(c, "room"));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        result r = {0};
        int error = publish(&home, "room", cases[i].data, &r);

        if (cases[i].error == NULL) {
            char pattern[128];

            assert_int_equal(error, SRL_OK);
            assert_int_equal(r.calls, 1);
            (void)snprintf(pattern, sizeof(pattern),
                           "{\"push\":{\"type\":\"message\",\"channel\":\"room\",\"data\":{"
                           "\"data\":%s,\"time\":1700000000000}}}",
                           cases[i].sent);
            see(c, pattern);
        } else {
            assert_int_equal(error, SRL_ERR_JSON);
            assert_int_equal(r.calls, 0);
            assert_true(test_text_matches(cases[i].error, srl_relay_last_error(home.relay)));
        }
        see_nothing(c);
    }
    test_relay_end(&home);
}

static void channel_names(void **state)
{
    static const struct {
        const char *name;
        size_t len;
        int error;
    } cases[] = {
        {"", 0, SRL_ERR_INVALID},     {NULL, 0, SRL_ERR_INVALID},   {"a\nb", 3, SRL_ERR_INVALID},
        {"a\0b", 3, SRL_ERR_INVALID}, {"\x7f", 1, SRL_ERR_INVALID}, {"\xff", 1, SRL_ERR_INVALID},
        {"\xC3\xA4", 2, SRL_OK},      {"a b", 3, SRL_OK},           {"\xC3", 1, SRL_ERR_INVALID},
    };
    test_relay home;
    result r = {0};
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "history_size", "3", "presence", "true", NULL), SRL_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned calls = r.calls;

        assert_int_equal(srl_relay_publish(home.relay, cases[i].name, cases[i].len, "1", 1, published, &r),
                         cases[i].error);
        assert_int_equal(srl_relay_history(home.relay, cases[i].name, cases[i].len, 0, NULL, 0, 1, 0, history_read, &r),
                         cases[i].error);
        assert_int_equal(srl_relay_presence(home.relay, cases[i].name, cases[i].len, 1, presence_read, &r),
                         cases[i].error);
        assert_int_equal(r.calls, calls + (cases[i].error == SRL_OK ? 3 : 0));
    }
    test_relay_end(&home);
}

/* ---- history */

static void history_reads(void **state)
{
    static const struct {
        uint64_t since;
        uint32_t limit;
        uint32_t flags;
        const char *text;
    } cases[] = {
        {0, 100, 0, "2:2 3:3 4:4 5:5 "},
        {0, 2, 0, "2:2 3:3 "},
        {3, 100, 0, "4:4 5:5 "},
        {5, 100, 0, ""},
        {99, 100, 0, ""},
        {0, 0, 0, ""},
        {0, 100, SRL_HISTORY_REVERSE, "5:5 4:4 3:3 2:2 "},
        {0, 1, SRL_HISTORY_REVERSE, "5:5 "},
        {4, 100, SRL_HISTORY_REVERSE, "3:3 2:2 "},
        {2, 100, SRL_HISTORY_REVERSE, ""},
    };
    test_relay home;
    test_client *c;
    result r = {0};
    char epoch[40];
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "history_size", "4", NULL), SRL_OK);
    for (int i = 1; i <= 5; i++) {
        char data[16];

        (void)snprintf(data, sizeof(data), "%d", i);
        assert_int_equal(publish(&home, "room", data, &r), SRL_OK);
    }
    memcpy(epoch, r.epoch, sizeof(epoch));
    c = test_client_enter(&home, "u");
    assert_true(test_client_subscribe(c, "room"));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char command[160];
        const char *reply;

        assert_int_equal(history(&home, cases[i].since, i % 2 ? epoch : "", cases[i].limit, cases[i].flags, &r),
                         SRL_OK);
        assert_int_equal(r.error, SRL_OK);
        assert_string_equal(r.text, cases[i].text);
        assert_int_equal(r.offset, 5);
        assert_string_equal(r.epoch, epoch);
        /* and a client gets the same */
        (void)snprintf(command, sizeof(command), "{\"since\":%u,\"limit\":%u,\"epoch\":\"%s\",\"reverse\":%s}",
                       (unsigned)cases[i].since, (unsigned)cases[i].limit, epoch, cases[i].flags ? "true" : "false");
        test_client_command(c, "history", "room", command);
        reply = test_client_read(c);
        assert_non_null(reply);
        assert_true(test_text_matches("*\"data\":{\"offset\":5,\"epoch\":\"*\",\"publications\":[*]}}}", reply));
        for (uint32_t k = 1; k <= 5; k++) {
            char member[32];
            char listed[32];

            (void)snprintf(member, sizeof(member), "{\"offset\":%u,\"data\":%u,", k, k);
            (void)snprintf(listed, sizeof(listed), "%u:%u ", k, k);
            assert_int_equal(strstr(reply, member) != NULL, strstr(cases[i].text, listed) != NULL);
        }
    }
    assert_int_equal(history(&home, 0, "other", 10, 0, &r), SRL_OK);
    assert_int_equal(r.error, SRL_ERR_UNRECOVERABLE);
    test_client_command(c, "history", "room", "{\"epoch\":\"other\"}");
    see(c, "*\"error\":{\"code\":112,\"message\":\"unrecoverable position\"}}}");
    assert_int_equal(history(&home, 0, "", 10, 2, &r), SRL_ERR_INVALID);
    assert_int_equal(srl_relay_history(home.relay, "room", 4, 0, NULL, 0, 1, 0, NULL, NULL), SRL_ERR_INVALID);
    test_relay_end(&home);
}

static void what_is_switched_off(void **state)
{
    test_relay home;
    result r = {0};
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    assert_int_equal(history(&home, 0, "", 10, 0, &r), SRL_ERR_UNAVAILABLE);
    assert_int_equal(srl_relay_presence(home.relay, "room", 4, 1, presence_read, &r), SRL_ERR_UNAVAILABLE);
    assert_int_equal(srl_relay_presence(home.relay, "room", 4, 1, NULL, NULL), SRL_ERR_INVALID);
    assert_int_equal(r.calls, 0);
    test_relay_end(&home);
}

static void presence_reads(void **state)
{
    test_relay home;
    result r = {0};
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "presence", "true", "max_presence_users", "2", NULL), SRL_OK);
    assert_int_equal(srl_relay_presence(home.relay, "room", 4, 10, presence_read, &r), SRL_OK);
    assert_string_equal(r.text, "0/0 0");
    for (int i = 0; i < 4; i++) {
        static const char *const names[] = {"a", "b", "c", "c"};

        assert_true(test_client_subscribe(test_client_enter(&home, names[i]), "room"));
    }
    assert_int_equal(srl_relay_presence(home.relay, "room", 4, 10, presence_read, &r), SRL_OK);
    assert_string_equal(r.text, "3/4 2");
    assert_int_equal(srl_relay_presence(home.relay, "room", 4, 1, presence_read, &r), SRL_OK);
    assert_string_equal(r.text, "3/4 1");
    assert_int_equal(srl_relay_presence(home.relay, "room", 4, 0, presence_read, &r), SRL_OK);
    assert_string_equal(r.text, "3/4 0");
    test_relay_end(&home);
}

/* ---- inside callbacks, and with a broker that takes its time */

static void calls_inside_a_result(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        for (int what = PUBLISH; what <= DESTROY; what++) {
            test_relay home;
            test_client *c;
            result r = {.home = &home, .what = what};

            assert_int_equal(TEST_RELAY(&home, "history_size", "5", "presence", "true", NULL), SRL_OK);
            c = test_client_enter(&home, "u");
            assert_true(test_client_subscribe(c, "room"));
            if (kind == 0) {
                assert_int_equal(publish(&home, "room", "1", &r), SRL_OK);
            } else if (kind == 1) {
                assert_int_equal(history(&home, 0, "", 5, 0, &r), SRL_OK);
            } else {
                assert_int_equal(srl_relay_presence(home.relay, "room", 4, 5, presence_read, &r), SRL_OK);
            }
            assert_int_equal(r.calls, 1);
            if (what == PUBLISH) {
                if (kind == 0) {
                    see(c, "*\"offset\":1,\"data\":1,*");
                }
                see(c, "*\"data\":\"inside\",*");
            } else {
                see_closed(c, 3001, "shutdown");
            }
            see_nothing(c);
            test_relay_end(&home);
        }
    }
}

static void results_come_once_and_cancelled_at_the_latest(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        test_relay home;
        broker_delay broker;
        result r[3] = {{0}};
        int expected = way == 1 ? SRL_ERR_CANCELLED : way == 2 ? SRL_ERR_BROKER_DOWN : SRL_OK;

        test_relay_init(&home);
        broker_delay_init(&broker, &home.memory.table);
        assert_int_equal(srl_options_set_broker(home.options, broker.broker), SRL_OK);
        broker_delay_end(&broker);
        assert_int_equal(test_relay_start(&home, "history_size", "5", "presence", "true", NULL), SRL_OK);
        broker.hold = DELAY_EVERYTHING;
        broker.error = SRL_ERR_BROKER_DOWN;
        broker.fail = way == 2 ? DELAY_EVERYTHING : 0;
        assert_int_equal(publish(&home, "room", "1", &r[0]), SRL_OK);
        assert_int_equal(history(&home, 0, "", 5, 0, &r[1]), SRL_OK);
        assert_int_equal(srl_relay_presence(home.relay, "room", 4, 5, presence_read, &r[2]), SRL_OK);
        assert_int_equal(r[0].calls + r[1].calls + r[2].calls, 0);
        if (way == 1) {
            test_relay_destroy(&home);
        } else {
            broker_delay_flush(&broker);
        }
        for (int i = 0; i < 3; i++) {
            assert_int_equal(r[i].calls, 1);
            assert_int_equal(r[i].error, expected);
        }
        if (way == 0) {
            assert_string_equal(r[1].text, "1:1 ");
        }
        if (way == 2) { /* refused at once: no callback */
            broker.fail = 0;
            broker.refuse = DELAY_EVERYTHING;
            assert_int_equal(publish(&home, "room", "1", &r[0]), SRL_ERR_BROKER_DOWN);
            assert_int_equal(history(&home, 0, "", 5, 0, &r[1]), SRL_ERR_BROKER_DOWN);
            assert_int_equal(srl_relay_presence(home.relay, "room", 4, 5, presence_read, &r[2]), SRL_ERR_BROKER_DOWN);
            assert_int_equal(test_relay_publish(&home, "room", "1"), SRL_ERR_BROKER_DOWN);
            assert_int_equal(r[0].calls + r[1].calls + r[2].calls, 3);
        }
        test_relay_end(&home);
    }
}

/* A client's publish is answered when the broker has it, and not before. */
static void a_client_that_publishes_is_told_the_truth(void **state)
{
    test_relay home;
    broker_delay broker;
    test_client *c;
    (void)state;

    test_relay_init(&home);
    broker_delay_init(&broker, &home.memory.table);
    assert_int_equal(srl_options_set_broker(home.options, broker.broker), SRL_OK);
    broker_delay_end(&broker);
    assert_int_equal(test_relay_start(&home, "history_size", "5", "publish", "true", NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    assert_true(test_client_subscribe(c, "room"));
    broker.hold = DELAY_PUBLISH;
    test_client_command(c, "publish", "room", "{\"data\":1}");
    see_nothing(c);
    assert_true(broker_delay_effect(&broker, DELAY_PUBLISH));
    see(c, "*\"message\"*");
    see_nothing(c);
    assert_true(broker_delay_answer(&broker, DELAY_PUBLISH));
    see(c, "*\"publish\",*\"offset\":1,*");
    broker.fail = DELAY_PUBLISH;
    broker.error = SRL_ERR_BROKER_DOWN;
    test_client_command(c, "publish", "room", "{\"data\":1}");
    assert_true(broker_delay_answer(&broker, DELAY_PUBLISH));
    see(c, "*\"publish\",*\"error\":{\"code\":100,*\"temporary\":true*");
    broker.refuse = DELAY_PUBLISH;
    test_client_command(c, "publish", "room", "{\"data\":1}");
    see(c, "*\"publish\",*\"error\":{\"code\":100,*");
    broker.fail = broker.refuse = 0;
    test_client_command(c, "publish", "room", "{\"data\":1}");
    test_client_leave(c);
    assert_true(broker_delay_answer(&broker, DELAY_PUBLISH));
    see_nothing(c);
    test_relay_end(&home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(publish_gives_offset_and_epoch),
        cmocka_unit_test(payloads_are_json),
        cmocka_unit_test(channel_names),
        cmocka_unit_test(history_reads),
        cmocka_unit_test(what_is_switched_off),
        cmocka_unit_test(presence_reads),
        cmocka_unit_test(calls_inside_a_result),
        cmocka_unit_test(results_come_once_and_cancelled_at_the_latest),
        cmocka_unit_test(a_client_that_publishes_is_told_the_truth),
    };

    return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
