/* Publishing with idempotency keys, by the host and by clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helpers/rules.h"

typedef struct place {
    unsigned calls;
    int error;
    uint64_t offset;
    char epoch[33];
} place;

static void placed(int error, uint64_t offset, const char *epoch, size_t epoch_len, void *user)
{
    place *p = user;

    p->calls++;
    p->error = error;
    p->offset = offset;
    memcpy(p->epoch, epoch, epoch_len);
    p->epoch[epoch_len] = '\0';
}

static int publish(test_relay *home, const char *channel, const char *key, const char *data, place *out)
{
    srl_publish_options options;

    srl_publish_options_init(&options, sizeof(options));
    options.key = key;
    options.key_len = strlen(key);
    return srl_relay_publish_with(home->relay, channel, strlen(channel), data, strlen(data), &options, placed, out);
}

static void the_host_publishes_once(void **state)
{
    test_relay home;
    test_client *c;
    place first = {0};
    place second = {0};
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "history_size", "10", "idempotency_window", "1m", NULL), SRL_OK);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "x"));
    assert_int_equal(publish(&home, "x", "k", "1", &first), SRL_OK);
    see(c, MESSAGE);
    assert_int_equal(publish(&home, "x", "k", "2", &second), SRL_OK);
    see_nothing(c);
    assert_int_equal(second.calls, 1);
    assert_int_equal(second.error, SRL_OK);
    assert_int_equal(second.offset, 1);
    assert_string_equal(second.epoch, first.epoch);
    assert_int_equal(publish(&home, "x", "other", "2", &second), SRL_OK);
    assert_int_equal(second.offset, 2);
    see(c, MESSAGE);
    assert_int_equal(publish(&home, "y", "k", "2", &second), SRL_OK);
    assert_int_equal(second.offset, 1);
    test_relay_advance(&home, 59999);
    assert_int_equal(publish(&home, "x", "k", "3", &second), SRL_OK);
    assert_int_equal(second.offset, 1);
    test_relay_advance(&home, 1);
    assert_int_equal(publish(&home, "x", "k", "3", &second), SRL_OK);
    assert_int_equal(second.offset, 3);
    assert_int_equal(srl_relay_publish_with(home.relay, TEXT("x"), "1", 1, NULL, placed, &second), SRL_OK);
    assert_int_equal(second.offset, 4);
    test_relay_end(&home);
}

static void options_are_checked(void **state)
{
    test_relay home;
    srl_publish_options options;
    static char key[SRL_PUBLISH_KEY_MAX + 1];
    place p = {0};
    struct {
        srl_publish_options known;
        uint64_t unknown;
    } later = {.unknown = 0};
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "history_size", "10", NULL), SRL_OK);
    srl_publish_options_init(&options, sizeof(options));
    assert_int_equal(options.size, sizeof(options));
    options.key = key;
    options.key_len = sizeof(key);
    assert_int_equal(srl_relay_publish_with(home.relay, TEXT("x"), "1", 1, &options, placed, &p), SRL_ERR_TOO_LARGE);
    assert_string_equal(srl_relay_last_error(home.relay), "key: too long");
    options.key_len--;
    assert_int_equal(srl_relay_publish_with(home.relay, TEXT("x"), "1", 1, &options, placed, &p), SRL_OK);
    assert_int_equal(srl_relay_publish_with(home.relay, TEXT("x"), "1", 1, &options, placed, &p), SRL_OK);
    assert_int_equal(p.calls, 2);
    assert_int_equal(p.offset, 1);
    srl_publish_options_init((srl_publish_options *)(void *)&later, sizeof(later));
    assert_int_equal(srl_relay_publish_with(home.relay, TEXT("x"), "1", 1, &later.known, placed, &p), SRL_OK);
    later.unknown = 1;
    assert_int_equal(srl_relay_publish_with(home.relay, TEXT("x"), "1", 1, &later.known, placed, &p), SRL_ERR_INVALID);
    options.size = 2;
    assert_int_equal(srl_relay_publish_with(home.relay, TEXT("x"), "1", 1, &options, placed, &p), SRL_ERR_INVALID);
    test_relay_end(&home);
}

#define KEYED(key)      "{\"data\":1,\"key\":\"" key "\"}"
#define AT(offset)      "{\"reply\":{*\"data\":{\"offset\":" #offset ",*"
#define WITHOUT_OFFSETS "{\"reply\":{*\"data\":{}*"

static void a_client_publishes_once(void **state)
{
    test_relay home;
    test_client *ann;
    test_client *again;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "history_size", "10", "publish", "true", "publish_outside", "true", NULL),
                     SRL_OK);
    ann = test_client_enter(&home, "ann");
    asks(ann, "publish", "x", KEYED("k"), AT(1));
    asks(ann, "publish", "x", KEYED("k"), AT(1));
    again = test_client_enter(&home, "ann"); /* over another connection */
    asks(again, "publish", "x", KEYED("\\u006b"), AT(1));
    asks(again, "publish", "x", KEYED("l"), AT(2));
    asks(again, "publish", "x", "{\"data\":1,\"key\":\"\"}", AT(3));
    asks(again, "publish", "x", "{\"data\":1,\"key\":null}", AT(4));
    asks(again, "publish", "x", "{\"data\":1,\"key\":7}", NO(107));
    test_relay_end(&home);
}

/* Nobody can use up the key of somebody else. */
static void keys_are_of_a_user(void **state)
{
    test_relay home;
    test_client *ann;
    test_client *an;
    test_client *nobody[2];
    place p = {0};
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "history_size", "10", "publish", "true", "publish_outside", "true",
                                "allow_anonymous", "true", "anonymous", "true", NULL),
                     SRL_OK);
    ann = test_client_enter(&home, "ann");
    an = test_client_enter(&home, "an");
    nobody[0] = test_client_enter(&home, "");
    nobody[1] = test_client_enter(&home, "");
    asks(ann, "publish", "x", KEYED("k"), AT(1));
    asks(an, "publish", "x", KEYED("nk"), AT(2));
    asks(nobody[0], "publish", "x", KEYED("k"), AT(3));
    asks(nobody[1], "publish", "x", KEYED("k"), AT(4));
    asks(nobody[0], "publish", "x", KEYED("k"), AT(3));
    assert_int_equal(publish(&home, "x", "k", "1", &p), SRL_OK);
    assert_int_equal(p.offset, 5);
    assert_int_equal(publish(&home, "x", "u3:annk", "1", &p), SRL_OK);
    assert_int_equal(p.offset, 6);
    test_relay_end(&home);
}

static void a_long_key_is_refused(void **state)
{
    test_relay home;
    test_client *ann;
    char data[SRL_PUBLISH_KEY_MAX + 64];
    char key[SRL_PUBLISH_KEY_MAX + 2];
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "publish", "true", "publish_outside", "true", NULL), SRL_OK);
    ann = test_client_enter(&home, "ann");
    memset(key, 'k', sizeof(key));
    key[SRL_PUBLISH_KEY_MAX + 1] = '\0';
    snprintf(data, sizeof(data), "{\"data\":1,\"key\":\"%s\"}", key);
    asks(ann, "publish", "x", data, "{\"reply\":{*\"error\":{\"code\":107,\"message\":\"data.key: too long\"}}}");
    key[SRL_PUBLISH_KEY_MAX] = '\0';
    snprintf(data, sizeof(data), "{\"data\":1,\"key\":\"%s\"}", key);
    asks(ann, "publish", "x", data, WITHOUT_OFFSETS);
    test_relay_end(&home);
}

/* The key waits with the question. */
static void a_hook_may_answer_later(void **state)
{
    test_relay home;
    test_client *ann;
    (void)state;

    test_relay_init(&home);
    home.hooks |= TEST_PUBLISH;
    home.hold = TEST_PUBLISH;
    assert_int_equal(test_relay_start(&home, "history_size", "10", NULL), SRL_OK);
    ann = test_client_enter(&home, "ann");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(test_client_command(ann, "publish", "x", KEYED("k")), SRL_OK);
        assert_int_equal(srl_request_accept(test_relay_request(&home)), SRL_OK);
        see(ann, AT(1));
    }
    test_relay_end(&home);
}

static void a_repeat_is_no_event(void **state)
{
    test_relay home;
    test_client *ann;
    srl_stats stats = {.size = sizeof(stats)};
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "publish", "true", "publish_outside", "true", NULL), SRL_OK);
    ann = test_client_enter(&home, "ann");
    asks(ann, "publish", "x", KEYED("k"), WITHOUT_OFFSETS);
    asks(ann, "publish", "x", KEYED("k"), WITHOUT_OFFSETS);
    assert_int_equal(srl_relay_stats(home.relay, &stats), SRL_OK);
    assert_int_equal(stats.events[SRL_EVENT_PUBLISHED], 1);
    test_relay_end(&home);
}

/* What failed may be tried again; what was acknowledged is there once. */
static uint64_t run(uint64_t nth, bool fail_on)
{
    static test_relay home;
    test_client *ann;
    place p = {0};
    uint64_t calls;
    int error;

    assert_int_equal(TEST_RELAY(&home, "history_size", "10", "publish", "true", "publish_outside", "true", NULL),
                     SRL_OK);
    ann = test_client_enter(&home, "ann");
    srl_test_alloc_fail(&home.memory, nth, fail_on);
    calls = home.memory.calls;
    error = publish(&home, "x", "host's", "1", &p);
    assert_int_equal(error == SRL_OK && p.error == SRL_OK, p.offset == 1);
    (void)test_client_command(ann, "publish", "x", KEYED("client's"));
    calls = home.memory.calls - calls;
    srl_test_alloc_fail(&home.memory, 0, false);
    test_client_skip(ann);
    assert_int_equal(publish(&home, "x", "host's", "1", &p), SRL_OK);
    if (ann->closes == 0) {
        asks(ann, "publish", "x", KEYED("client's"), YES);
        assert_int_equal(publish(&home, "x", "last", "1", &p), SRL_OK);
        assert_int_equal(p.offset, 3);
    }
    test_relay_end(&home);
    return calls;
}

static void each_allocation_fails(void **state)
{
    uint64_t count = run(0, false);
    (void)state;

    assert_true(count > 10);
    for (uint64_t nth = 1; nth <= count; nth++) {
        (void)run(nth, false);
        (void)run(nth, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_host_publishes_once), cmocka_unit_test(options_are_checked),
        cmocka_unit_test(a_client_publishes_once), cmocka_unit_test(keys_are_of_a_user),
        cmocka_unit_test(a_long_key_is_refused),   cmocka_unit_test(a_hook_may_answer_later),
        cmocka_unit_test(a_repeat_is_no_event),    cmocka_unit_test(each_allocation_fails),
    };

    return cmocka_run_group_tests_name("publish_once", tests, NULL, NULL);
}
