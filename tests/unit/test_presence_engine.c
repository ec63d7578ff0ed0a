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

static unsigned count_frames(const test_client *c, const char *pattern)
{
    unsigned count = 0;

    for (size_t i = 0; i < c->frame_count; i++) {
        count += test_text_matches(pattern, c->frames[i]);
    }
    return count;
}

static test_client *enter_room(test_relay *home, const char *user)
{
    test_client *c = test_client_enter(home, user);

    assert_true(test_client_subscribe(c, "room"));
    return c;
}

/* ---- events */

static const char session_join[] = "{\"push\":{\"type\":\"join\",\"channel\":\"room\",\"data\":{\"info\":{\"user\":"
                                   "\"bob\",\"client\":\"*\"}}}}";
static const char user_join[] =
    "{\"push\":{\"type\":\"join\",\"channel\":\"room\",\"data\":{\"info\":{\"user\":\"bob\"}"
    "}}}";
static const char session_leave[] = "{\"push\":{\"type\":\"leave\",\"channel\":\"room\",\"data\":{\"info\":{\"user\":"
                                    "\"bob\",\"client\":\"*\"}}}}";
static const char user_leave[] = "{\"push\":{\"type\":\"leave\",\"channel\":\"room\",\"data\":{\"info\":{\"user\":"
                                 "\"bob\"}}}}";

/* One user comes with two sessions and goes with both. */
static void events_as_the_option_says(void **state)
{
    static const struct {
        const char *option;
        bool sessions;
        bool users;
    } cases[] = {{"off", false, false}, {"session", true, false}, {"user", false, true}, {"both", true, true}};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        for (int presence = 0; presence < 2; presence++) {
            test_relay home;
            test_client *watcher;
            test_client *b[2];

            assert_int_equal(
                TEST_RELAY(&home, "join_leave", cases[i].option, "presence", presence ? "true" : "false", NULL),
                SRL_OK);
            watcher = enter_room(&home, "watcher");
            test_client_skip(watcher); /* itself */
            b[0] = enter_room(&home, "bob");
            if (cases[i].sessions) {
                see(watcher, session_join);
                see(b[0], session_join); /* after its own reply */
            }
            if (cases[i].users) {
                see(watcher, user_join);
                see(b[0], user_join);
            }
            b[1] = enter_room(&home, "bob");
            if (cases[i].sessions) {
                see(watcher, session_join);
            }
            see_nothing(watcher);
            test_client_command(b[0], "unsubscribe", "room", NULL);
            if (cases[i].sessions) {
                see(watcher, session_leave);
            }
            see_nothing(watcher);
            test_client_leave(b[1]);
            if (cases[i].sessions) {
                see(watcher, session_leave);
            }
            if (cases[i].users) {
                see(watcher, user_leave);
            }
            see_nothing(watcher);
            assert_int_equal(count_frames(b[0], "*\"leave\"*"), 0); /* nobody is told of itself leaving */
            test_relay_end(&home);
        }
    }
}

static void every_way_out_is_a_leave(void **state)
{
    (void)state;
    for (int way = 0; way < 6; way++) {
        test_relay home;
        test_client *watcher;
        test_client *b;

        assert_int_equal(TEST_RELAY(&home, "join_leave", "both", "max_queue_bytes", "1k", NULL), SRL_OK);
        watcher = enter_room(&home, "watcher");
        b = enter_room(&home, "bob");
        test_client_skip(watcher);
        switch (way) {
        case 0:
            test_client_command(b, "unsubscribe", "room", NULL);
            break;
        case 1:
            test_client_leave(b);
            break;
        case 2:
            srl_session_disconnect(b->session, 4000, NULL, 0);
            break;
        case 3:
            assert_int_equal(srl_session_unsubscribe(b->session, "room", 4, 0), SRL_OK);
            break;
        case 4:
            b->breaks = true;
            test_client_command(b, "ping", "x", NULL);
            break;
        default:
            b->take = 0;
            while (b->closes == 0) {
                test_client_command(b, "ping", "x", NULL);
            }
            break;
        }
        see(watcher, session_leave);
        see(watcher, user_leave);
        see_nothing(watcher);
        test_relay_end(&home);
    }
}

static void info_goes_with_everything(void **state)
{
    test_relay home;
    test_client *watcher;
    test_client *b;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "join_leave", "both", "presence", "true", "publish", "true", NULL), SRL_OK);
    watcher = enter_room(&home, "watcher");
    test_client_skip(watcher);
    b = test_client_open(&home);
    test_client_send(b, "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"bob\",\"data\":{\"n\":[1]}}}");
    test_client_skip(b);
    assert_true(test_client_subscribe(b, "room"));
    see(watcher, "*\"join\",*{\"info\":{\"user\":\"bob\",\"client\":\"*\",\"info\":{\"n\":[1]}}}}}");
    see(watcher, "*\"join\",*{\"info\":{\"user\":\"bob\",\"info\":{\"n\":[1]}}}}}");
    test_client_command(b, "publish", "room", "{\"data\":1}");
    see(watcher, "*\"data\":1,\"info\":{\"user\":\"bob\",\"client\":\"*\",\"info\":{\"n\":[1]}}*");
    test_client_command(watcher, "presence", "room", NULL);
    see(watcher,
        "*\"num_users\":2,\"num_sessions\":2,\"users\":[*{\"user\":\"bob\",\"sessions\":1,\"info\":{\"n\":[1]}}*");
    test_client_leave(b);
    see(watcher, "*\"leave\",*{\"info\":{\"user\":\"bob\",\"client\":\"*\",\"info\":{\"n\":[1]}}}}}");
    see(watcher, "*\"leave\",*{\"info\":{\"user\":\"bob\",\"info\":{\"n\":[1]}}}}}");
    test_relay_end(&home);
}

/* ---- who is there */

static void presence_and_its_counts(void **state)
{
    test_relay home;
    test_client *a;
    test_client *b;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "presence", "true", "allow_anonymous", "true", "anonymous", "true", NULL),
                     SRL_OK);
    a = enter_room(&home, "ann");
    test_client_command(a, "presence", "room", NULL);
    see(a,
        "{\"reply\":{\"id\":3,\"type\":\"presence\",\"channel\":\"room\",\"data\":{\"num_users\":1,\"num_sessions\":1,"
        "\"users\":[{\"user\":\"ann\",\"sessions\":1}]}}}");
    b = enter_room(&home, "ann");
    (void)enter_room(&home, "");
    (void)enter_room(&home, "");
    test_client_command(a, "presence", "room", NULL);
    see(a, "*\"num_users\":2,\"num_sessions\":4,*\"sessions\":2*\"sessions\":2*");
    test_client_command(a, "presence_stats", "room", NULL);
    see(a, "{\"reply\":{\"id\":5,\"type\":\"presence_stats\",\"channel\":\"room\",\"data\":{\"num_users\":2,"
           "\"num_sessions\":4}}}");
    test_client_leave(b);
    test_client_command(a, "presence_stats", "room", NULL);
    see(a, "*\"num_users\":2,\"num_sessions\":3}}}");
    test_client_command(a, "unsubscribe", "room", NULL);
    test_client_skip(a);
    test_client_command(a, "presence", "room", NULL); /* for those who are in it */
    see(a, "*\"error\":{\"code\":103,*");
    test_relay_end(&home);
}

/* ---- a broker that takes its time */

typedef struct slow_home {
    test_relay home;
    broker_delay broker;
    test_client *watcher;
    test_client *b;
} slow_home;

static void slow_begin(slow_home *slow, unsigned hold)
{
    test_relay_init(&slow->home);
    broker_delay_init(&slow->broker, &slow->home.memory.table);
    assert_int_equal(srl_options_set_broker(slow->home.options, slow->broker.broker), SRL_OK);
    broker_delay_end(&slow->broker);
    assert_int_equal(test_relay_start(&slow->home, "presence", "true", "join_leave", "both", NULL), SRL_OK);
    slow->watcher = enter_room(&slow->home, "watcher");
    test_client_skip(slow->watcher);
    slow->broker.hold = hold;
    slow->b = enter_room(&slow->home, "bob");
}

static void count_there(int error, const srl_presence *presence, void *user)
{
    uint32_t *sessions = user;

    assert_int_equal(error, SRL_OK);
    *sessions = presence->num_sessions;
}

static uint32_t there(slow_home *slow)
{
    uint32_t sessions = 99;

    slow->broker.hold = 0;
    assert_int_equal(srl_relay_presence(slow->home.relay, "room", 4, 10, count_there, &sessions), SRL_OK);
    return sessions;
}

static void join_is_told_when_the_broker_has_it(void **state)
{
    slow_home slow;
    (void)state;

    slow_begin(&slow, DELAY_ADD | DELAY_REMOVE);
    see_nothing(slow.watcher);
    assert_true(broker_delay_effect(&slow.broker, DELAY_ADD));
    see_nothing(slow.watcher);
    assert_true(broker_delay_answer(&slow.broker, DELAY_ADD));
    see(slow.watcher, session_join);
    see(slow.watcher, user_join);
    test_client_leave(slow.b);
    see_nothing(slow.watcher);
    assert_true(broker_delay_answer(&slow.broker, DELAY_REMOVE));
    see(slow.watcher, session_leave);
    see(slow.watcher, user_leave);
    see_nothing(slow.watcher);
    assert_int_equal(there(&slow), 1);
    test_relay_end(&slow.home);
}

/* It leaves before the broker has answered that it came: whatever the order of the answers, it is out in the end, and
 * whoever is told of the leave was told of the join before. */
static void leaving_before_having_come(void **state)
{
    (void)state;
    for (int order = 0; order < 3; order++) {
        slow_home slow;

        slow_begin(&slow, DELAY_ADD | DELAY_REMOVE);
        test_client_leave(slow.b);
        if (order == 1) {
            (void)broker_delay_answer(&slow.broker, DELAY_REMOVE);
        } else if (order == 2) {
            (void)broker_delay_effect(&slow.broker, DELAY_REMOVE);
        }
        assert_true(broker_delay_answer(&slow.broker, DELAY_ADD));
        (void)broker_delay_answer(&slow.broker, DELAY_REMOVE);
        see(slow.watcher, session_join);
        see(slow.watcher, user_join);
        see(slow.watcher, session_leave);
        see(slow.watcher, user_leave);
        see_nothing(slow.watcher);
        assert_int_equal(slow.broker.operation_count, 0);
        assert_int_equal(there(&slow), 1);
        test_relay_end(&slow.home);
    }
}

/* It leaves and comes back while the broker is still at work on the first coming. */
static void leaving_and_coming_back_before_having_come(void **state)
{
    (void)state;
    for (int order = 0; order < 4; order++) {
        slow_home slow;

        slow_begin(&slow, DELAY_ADD | DELAY_REMOVE);
        assert_int_equal(srl_session_unsubscribe(slow.b->session, "room", 4, 0), SRL_OK);
        test_client_skip(slow.b);
        assert_true(test_client_subscribe(slow.b, "room"));
        if (order == 1) {
            broker_delay_answer_at(&slow.broker, slow.broker.operation_count - 1);
        } else if (order == 2) {
            broker_delay_effect_at(&slow.broker, slow.broker.operation_count - 1);
        } else if (order == 3) {
            (void)broker_delay_answer(&slow.broker, DELAY_REMOVE);
        }
        broker_delay_flush(&slow.broker);
        assert_int_equal(there(&slow), 2);
        assert_int_equal(count_frames(slow.watcher, session_join), 2);
        assert_int_equal(count_frames(slow.watcher, session_leave), 1);
        test_client_leave(slow.b);
        broker_delay_flush(&slow.broker);
        assert_int_equal(there(&slow), 1);
        test_relay_end(&slow.home);
    }
}

/* Who cannot be counted is not left in the channel unseen. */
static void presence_that_the_broker_does_not_take(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        slow_home slow;
        test_client *c;

        slow_begin(&slow, 0);
        test_client_skip(slow.watcher);
        slow.broker.error = SRL_ERR_REDIS;
        slow.broker.refuse = way == 0 ? DELAY_ADD : 0;
        slow.broker.fail = way != 0 ? DELAY_ADD : 0;
        slow.broker.hold = way == 2 ? DELAY_ADD : 0;
        c = test_client_enter(&slow.home, "cyd");
        (void)test_client_subscribe(c, "room");
        (void)broker_delay_answer(&slow.broker, DELAY_ADD);
        see_closed(c, 3004, "internal server error");
        see_nothing(slow.watcher); /* it neither came nor left */
        assert_int_equal(there(&slow), 2);
        test_relay_end(&slow.home);
    }
}

/* It stays, is counted when the broker can, and others are told then. */
static void presence_while_the_broker_is_away(void **state)
{
    static const int errors[] = {SRL_ERR_BROKER_DOWN, SRL_ERR_OUTCOME_UNKNOWN, SRL_ERR_LIMIT};
    (void)state;
    for (int way = 0; way < 6; way++) {
        slow_home slow;
        test_client *c;
        bool leaves = way % 2 == 1;

        slow_begin(&slow, 0);
        test_client_skip(slow.watcher);
        slow.broker.error = errors[way / 2];
        slow.broker.refuse = way / 2 != 1 ? DELAY_ADD : 0;
        slow.broker.fail = way / 2 == 1 ? DELAY_ADD : 0;
        c = test_client_enter(&slow.home, "cyd");
        (void)test_client_subscribe(c, "room");
        test_relay_advance(&slow.home, 1000);
        test_relay_advance(&slow.home, 1000);
        assert_int_equal(c->closes, 0);
        see_nothing(slow.watcher);
        if (leaves) {
            test_client_leave(c);
        }
        slow.broker.refuse = slow.broker.fail = 0;
        test_relay_advance(&slow.home, 1000);
        for (int i = 0; i < 2 && !leaves; i++) { /* of the session, and of the user */
            see(slow.watcher, "*\"join\"*\"cyd\"*");
        }
        see_nothing(slow.watcher);
        assert_int_equal(there(&slow), leaves ? 2 : 3);
        test_relay_end(&slow.home);
    }
}

static void the_relay_ends_meanwhile(void **state)
{
    (void)state;
    for (int ended = 0; ended < 2; ended++) {
        for (int effect = 0; effect < 2; effect++) {
            slow_home slow;

            slow_begin(&slow, DELAY_ADD | DELAY_REMOVE | DELAY_LIST);
            test_client_command(slow.watcher, "presence", "room", NULL);
            if (ended) {
                test_client_leave(slow.b);
            }
            if (effect) {
                while (broker_delay_effect(&slow.broker, DELAY_EVERYTHING)) {
                }
            }
            test_relay_end(&slow.home);
        }
    }
}

static void reading_presence_takes_time_too(void **state)
{
    slow_home slow;
    (void)state;

    slow_begin(&slow, DELAY_LIST);
    test_client_skip(slow.watcher);
    test_client_command(slow.watcher, "presence", "room", NULL);
    test_client_command(slow.b, "presence", "room", NULL);
    test_client_leave(slow.b);
    test_client_skip(slow.watcher);
    assert_true(broker_delay_answer(&slow.broker, DELAY_LIST));
    see(slow.watcher, "*\"num_users\":*");
    assert_true(broker_delay_answer(&slow.broker, DELAY_LIST)); /* of nobody */
    slow.broker.error = SRL_ERR_BROKER_DOWN;
    slow.broker.fail = DELAY_LIST;
    test_client_command(slow.watcher, "presence", "room", NULL);
    assert_true(broker_delay_answer(&slow.broker, DELAY_LIST));
    see(slow.watcher, "*\"presence\",*\"error\":{\"code\":100,*\"temporary\":true*");
    slow.broker.refuse = DELAY_LIST;
    test_client_command(slow.watcher, "presence_stats", "room", NULL);
    see(slow.watcher, "*\"presence_stats\",*\"error\":{\"code\":100,*");
    test_relay_end(&slow.home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_as_the_option_says),
        cmocka_unit_test(every_way_out_is_a_leave),
        cmocka_unit_test(info_goes_with_everything),
        cmocka_unit_test(presence_and_its_counts),
        cmocka_unit_test(join_is_told_when_the_broker_has_it),
        cmocka_unit_test(leaving_before_having_come),
        cmocka_unit_test(leaving_and_coming_back_before_having_come),
        cmocka_unit_test(presence_that_the_broker_does_not_take),
        cmocka_unit_test(presence_while_the_broker_is_away),
        cmocka_unit_test(the_relay_ends_meanwhile),
        cmocka_unit_test(reading_presence_takes_time_too),
    };

    return cmocka_run_group_tests_name("presence_engine", tests, NULL, NULL);
}
