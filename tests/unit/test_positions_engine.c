/* How far a user has come: ack, delivery, unread counts, and coming back to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helpers/broker_delay.h"
#include "helpers/broker_slow.h"
#include "helpers/rules.h"

static void begin(test_relay *home)
{
    assert_int_equal(TEST_RELAY(home, "max_recovery", "50", NULL), SRL_OK);
    set_namespace(home, "ack:", 0, "history_size", "5", "positions", "ack", "publish", "true", NULL);
    set_namespace(home, "auto:", 0, "history_size", "100", "positions", "delivery", NULL);
    set_namespace(home, "none:", 0, "history_size", "5", NULL);
}

static void publish(test_relay *home, const char *channel, int count)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(test_relay_publish(home, channel, "1"), SRL_OK);
    }
}

typedef struct count {
    unsigned calls;
    int error;
    uint64_t unread;
    uint64_t offset;
} count;

static void counted(int error, uint64_t unread, uint64_t offset, const char *epoch, size_t epoch_len, void *user)
{
    count *c = user;

    c->calls++;
    c->error = error;
    c->unread = unread;
    c->offset = offset;
    assert_non_null(epoch);
    assert_true(epoch_len > 0 || offset == 0);
}

static void see_unread(test_relay *home, const char *user, const char *channel, uint64_t unread, uint64_t offset)
{
    count c = {0};

    assert_int_equal(srl_relay_unread(home->relay, TEXT(user), TEXT(channel), counted, &c), SRL_OK);
    assert_int_equal(c.calls, 1);
    assert_int_equal(c.error, SRL_OK);
    assert_int_equal(c.unread, unread);
    assert_int_equal(c.offset, offset);
}

static void an_ack_moves_it(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    begin(&home);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "ack:a"));
    asks(c, "unread", "ack:a", NULL, "*\"unread\":0,\"offset\":0,\"epoch\":\"\"*");
    publish(&home, "ack:a", 4);
    test_client_skip(c);
    asks(c, "unread", "ack:a", NULL, "*\"unread\":4,\"offset\":0,*");
    asks(c, "ack", "ack:a", "{\"offset\":3}", "*\"type\":\"ack\",\"channel\":\"ack:a\",\"data\":{}*");
    asks(c, "unread", "ack:a", NULL, "*\"unread\":1,\"offset\":3,*");
    asks(c, "ack", "ack:a", "{\"offset\":1}", YES); /* never back */
    asks(c, "unread", "ack:a", NULL, "*\"unread\":1,\"offset\":3,*");
    asks(c, "ack", "ack:a", "{\"offset\":5}", NO(107)); /* beyond the newest */
    asks(c, "ack", "ack:a", "{}", NO(107));
    asks(c, "ack", "ack:a", NULL, NO(107));
    asks(c, "ack", "ack:a", "{\"offset\":4,\"epoch\":\"other\"}", NO(112));
    asks(c, "ack", "ack:a", "{\"offset\":-1}", NO(107));
    asks(c, "ack", "ack:a", "{\"offset\":\"4\"}", NO(107));
    see_unread(&home, "ann", "ack:a", 1, 3);
    see_unread(&home, "bob", "ack:a", 4, 0);
    asks(c, "ack", "ack:a", "{\"offset\":0}", YES);
    see_unread(&home, "ann", "ack:a", 1, 3);
    test_relay_end(&home);
}

static void who_has_a_position(void **state)
{
    test_relay home;
    test_client *c;
    count n = {0};
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "allow_anonymous", "true", NULL), SRL_OK);
    set_namespace(&home, "ack:", SRL_NAMESPACE_PUBLIC, "positions", "ack", NULL);
    set_namespace(&home, "shut:", 0, "history_size", "5", "positions", "ack", "subscribe", "false", NULL);
    c = test_client_enter(&home, "");
    assert_true(test_client_subscribe(c, "ack:a"));
    asks(c, "ack", "ack:a", "{\"offset\":0}", NO(108));
    asks(c, "unread", "ack:a", NULL, NO(108));
    c = test_client_enter(&home, "ann");
    asks(c, "unread", "other", NULL, NO(108));
    asks(c, "ack", "other", "{\"offset\":0}", NO(108));
    asks(c, "unread", "shut:a", NULL, NO(103));
    asks(c, "ack", "shut:a", "{\"offset\":0}", NO(103));
    asks(c, "ack", "ack:a", "{\"offset\":0}", NO(103)); /* not in it */
    asks(c, "unread", "ack:a", NULL, YES);              /* but may be */
    assert_int_equal(srl_relay_unread(home.relay, "ann", 3, "other", 5, counted, &n), SRL_ERR_UNAVAILABLE);
    assert_int_equal(srl_relay_unread(home.relay, "", 0, "ack:a", 5, counted, &n), SRL_ERR_INVALID);
    assert_int_equal(srl_relay_unread(home.relay, "ann", 3, "", 0, counted, &n), SRL_ERR_INVALID);
    assert_int_equal(srl_relay_unread(home.relay, "ann", 3, "ack:a", 5, NULL, NULL), SRL_ERR_INVALID);
    assert_int_equal(n.calls, 0);
    test_relay_end(&home);
}

static void coming_back_to_it(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    begin(&home);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "ack:a"));
    publish(&home, "ack:a", 2);
    test_client_skip(c);
    asks(c, "ack", "ack:a", "{\"offset\":1}", YES);
    test_client_leave(c);
    publish(&home, "ack:a", 2);
    c = test_client_enter(&home, "ann");
    asks(c, "subscribe", "ack:a", "{\"recover\":true}",
         "*\"offset\":1,*\"was_recovering\":true,\"recovered\":true,\"unread\":3*");
    see(c, "*\"message\",*\"offset\":2,*");
    see(c, "*\"message\",*\"offset\":3,*");
    see(c, "*\"message\",*\"offset\":4,*");
    see_nothing(c);
    test_client_leave(c);
    c = test_client_enter(&home, "ann"); /* a position of its own comes first */
    asks(c, "subscribe", "ack:a", "{\"recover\":true,\"offset\":3}", "*\"offset\":3,*\"recovered\":true,\"unread\":3*");
    see(c, "*\"message\",*\"offset\":4,*");
    see_nothing(c);
    test_client_leave(c);
    publish(&home, "ack:a", 3); /* 3 to 7 are kept: 2 is lost */
    c = test_client_enter(&home, "ann");
    asks(c, "subscribe", "ack:a", "{\"recover\":true}",
         "*\"offset\":7,*\"was_recovering\":true,\"recovered\":false,\"unread\":6*");
    see_nothing(c);
    test_client_leave(c);
    c = test_client_enter(&home, "new"); /* never there: from the beginning, which is gone */
    asks(c, "subscribe", "ack:a", "{\"recover\":true}", "*\"recovered\":false,\"unread\":7*");
    c = test_client_enter(&home, "new");
    publish(&home, "ack:b", 3);
    asks(c, "subscribe", "ack:b", "{\"recover\":true}", "*\"offset\":0,*\"recovered\":true,\"unread\":3*");
    see(c, "*\"message\",*\"offset\":1,*");
    see(c, "*\"message\",*\"offset\":2,*");
    see(c, "*\"message\",*\"offset\":3,*");
    test_relay_end(&home);
}

static void two_sessions_of_one_user(void **state)
{
    test_relay home;
    test_client *phone;
    test_client *desk;
    (void)state;

    begin(&home);
    phone = test_client_enter(&home, "ann");
    desk = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(phone, "ack:a"));
    assert_true(test_client_subscribe(desk, "ack:a"));
    publish(&home, "ack:a", 5);
    test_client_skip(phone);
    test_client_skip(desk);
    asks(desk, "ack", "ack:a", "{\"offset\":4}", YES);
    asks(phone, "unread", "ack:a", NULL, "*\"unread\":1,\"offset\":4,*");
    asks(phone, "ack", "ack:a", "{\"offset\":2}", YES);
    asks(desk, "unread", "ack:a", NULL, "*\"unread\":1,\"offset\":4,*");
    test_relay_end(&home);
}

static void positions_are_forgotten(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "ping_interval", "0", NULL), SRL_OK);
    set_namespace(&home, "ack:", 0, "history_size", "5", "positions", "ack", "position_ttl", "1m", NULL);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "ack:a"));
    publish(&home, "ack:a", 2);
    test_client_skip(c);
    asks(c, "ack", "ack:a", "{\"offset\":1}", YES);
    test_relay_advance(&home, 59000);
    see_unread(&home, "ann", "ack:a", 1, 1);
    test_relay_advance(&home, 2000);
    see_unread(&home, "ann", "ack:a", 2, 0);
    test_relay_end(&home);
}

/* The channel's history is forgotten and starts anew: the position is of another numbering. */
static void a_new_epoch(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "ping_interval", "0", NULL), SRL_OK);
    set_namespace(&home, "ack:", 0, "history_size", "5", "positions", "ack", "history_ttl", "1m", "history_meta_ttl",
                  "2m", NULL);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "ack:a"));
    publish(&home, "ack:a", 4);
    test_client_skip(c);
    asks(c, "ack", "ack:a", "{\"offset\":2}", YES);
    test_client_leave(c);
    test_relay_advance(&home, 3600000);
    publish(&home, "ack:a", 3);
    see_unread(&home, "ann", "ack:a", 3, 2);
    c = test_client_enter(&home, "ann");
    asks(c, "unread", "ack:a", NULL, "*\"unread\":3,*");
    asks(c, "subscribe", "ack:a", "{\"recover\":true}", "*\"offset\":3,*\"recovered\":false,\"unread\":3*");
    asks(c, "ack", "ack:a", "{\"offset\":1}", YES); /* lower, but of now */
    see_unread(&home, "ann", "ack:a", 2, 1);
    test_relay_end(&home);
}

/* ---- by delivery */

static void delivery_moves_it(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    begin(&home);
    publish(&home, "auto:a", 3);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "auto:a"));
    publish(&home, "auto:a", 2);
    test_client_leave(c);
    see_unread(&home, "ann", "auto:a", 0, 5);
    publish(&home, "auto:a", 2);
    see_unread(&home, "ann", "auto:a", 2, 5);
    c = test_client_enter(&home, "ann");
    asks(c, "subscribe", "auto:a", "{\"recover\":true}", "*\"offset\":5,*\"recovered\":true,\"unread\":2*");
    assert_int_equal(test_client_command(c, "unsubscribe", "auto:a", NULL), SRL_OK);
    see_unread(&home, "ann", "auto:a", 0, 7);
    test_relay_end(&home);
}

/* What waits in the queue of a slow connection was not delivered. */
static void what_waits_was_not_delivered(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    begin(&home);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "auto:a"));
    assert_true(test_client_subscribe(c, "auto:b"));
    publish(&home, "auto:a", 2);
    c->take = 1;
    srl_relay_cork(home.relay);
    publish(&home, "auto:b", 1);
    publish(&home, "auto:a", 3);
    publish(&home, "auto:b", 1);
    srl_relay_uncork(home.relay);
    assert_true(c->blocked);
    publish(&home, "auto:a", 1);
    test_client_leave(c);
    see_unread(&home, "ann", "auto:b", 1, 1);
    see_unread(&home, "ann", "auto:a", 4, 2);
    c = test_client_enter(&home, "ann");
    asks(c, "subscribe", "auto:a", "{\"recover\":true}", "*\"offset\":2,*\"recovered\":true,\"unread\":4*");
    see(c, "*\"message\",*\"offset\":3,*");
    test_relay_end(&home);
}

static void what_was_missed_and_waits_was_not_delivered(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    begin(&home);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "auto:a"));
    test_client_leave(c);
    publish(&home, "auto:a", 6);
    c = test_client_enter(&home, "ann");
    c->take = 3; /* the reply and two messages */
    assert_int_equal(test_client_command(c, "subscribe", "auto:a", "{\"recover\":true,\"offset\":0}"), SRL_OK);
    see(c, YES);
    test_client_leave(c);
    see_unread(&home, "ann", "auto:a", 4, 2);
    test_relay_end(&home);
}

/* A write that fails has delivered nothing, on whatever way the frames came. */
static void a_broken_write(void **state)
{
    for (int queued = 0; queued < 2; queued++) {
        test_relay home;
        test_client *c;
        (void)state;

        begin(&home);
        c = test_client_enter(&home, "ann");
        assert_true(test_client_subscribe(c, "auto:a"));
        publish(&home, "auto:a", 2);
        c->breaks = true;
        srl_relay_cork(home.relay);
        publish(&home, "auto:a", 2);
        if (queued) {
            publish(&home, "auto:b", 1); /* a second room: all go through queues */
            assert_int_equal(test_client_send(c, "{\"type\":\"ping\"}"), SRL_OK);
        }
        srl_relay_uncork(home.relay);
        assert_true(c->ended);
        see_unread(&home, "ann", "auto:a", 2, 2);
        test_relay_end(&home);
    }
}

static void close_inside(test_client *client)
{
    client->on_write = NULL;
    test_client_leave(client);
    client->take = 0;
}

static void closed_inside_a_write(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    begin(&home);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "auto:a"));
    publish(&home, "auto:a", 2);
    c->on_write = close_inside;
    publish(&home, "auto:a", 1);
    assert_null(c->session);
    see_unread(&home, "ann", "auto:a", 1, 2);
    test_relay_end(&home);
}

static void too_slow(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "max_queue_bytes", "1024", NULL), SRL_OK);
    set_namespace(&home, "auto:", 0, "history_size", "100", "positions", "delivery", NULL);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "auto:a"));
    c->take = 0;
    publish(&home, "auto:a", 40);
    see_closed(c, 3008, "slow");
    see_unread(&home, "ann", "auto:a", 40, 0);
    test_relay_end(&home);
}

/* A frame that there was no memory for was not delivered. */
static void no_memory_for_a_frame(void **state)
{
    test_relay home;
    test_client *c;
    count n = {0};
    unsigned lost = 0;
    (void)state;

    begin(&home);
    for (uint64_t nth = 1; nth < 40; nth++) {
        char channel[24];
        int error;

        (void)snprintf(channel, sizeof(channel), "auto:%u", (unsigned)nth);
        c = test_client_enter(&home, "ann");
        assert_true(test_client_subscribe(c, channel));
        publish(&home, channel, 1);
        test_client_skip(c);
        srl_test_alloc_fail(&home.memory, nth, false);
        error = test_relay_publish(&home, channel, "1");
        srl_test_alloc_fail(&home.memory, 0, false);
        test_relay_process(&home);
        if (c->session != NULL) {
            test_client_leave(c);
        }
        n = (count){0};
        assert_int_equal(srl_relay_unread(home.relay, "ann", 3, TEXT(channel), counted, &n), SRL_OK);
        if (error == SRL_OK && test_client_read(c) == NULL) {
            assert_in_range(n.unread, 1, 2); /* when in doubt, once more */
            lost++;
        } else {
            assert_int_equal(n.unread, 0);
        }
    }
    assert_in_range(lost, 1, 20);
    test_relay_end(&home);
}

/* Publications that never came, and were found missing by the check, were not delivered. */
static void what_got_lost_was_not_delivered(void **state)
{
    test_relay home;
    broker_delay broker;
    test_client *c;
    (void)state;

    test_relay_init(&home);
    broker_delay_init(&broker, NULL);
    assert_int_equal(srl_options_set_broker(home.options, broker.broker), SRL_OK);
    assert_int_equal(test_relay_start(&home, "history_size", "10", "positions", "delivery", "position_check", "10s",
                                      "ping_interval", "0", NULL),
                     SRL_OK);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "a"));
    broker_delay_publish(&broker, "a", 10, "1");
    test_relay_process(&home);
    see(c, MESSAGE);
    broker.hold_deliveries = true;
    broker_delay_publish(&broker, "a", 10, "2");
    broker_delay_publish(&broker, "a", 10, "3");
    test_relay_process(&home);
    test_relay_advance(&home, 10001);
    see_nothing(c);
    test_relay_advance(&home, 10001);
    see(c, OUT(2500));
    see_nothing(c);
    see_unread(&home, "ann", "a", 2, 1);
    asks(c, "subscribe", "a", "{\"recover\":true}", "*\"offset\":1,*\"recovered\":true,\"unread\":2*");
    see(c, "*\"message\",*\"offset\":2,*\"data\":2*");
    see(c, "*\"message\",*\"offset\":3,*\"data\":3*");
    test_relay_end(&home);
    broker_delay_end(&broker);
}

/* ---- a broker that takes its time, or fails */

static void questions_are_answered_later(void **state)
{
    test_relay home;
    broker_slow slow;
    test_client *c;
    test_client *gone;
    count n = {0};
    (void)state;

    broker_slow_init(&slow);
    test_relay_init(&home);
    assert_int_equal(srl_options_set_broker(home.options, slow.broker), SRL_OK);
    assert_int_equal(test_relay_start(&home, "history_size", "10", "positions", "ack", NULL), SRL_OK);
    c = test_client_enter(&home, "ann");
    gone = test_client_enter(&home, "ann");
    slow.hold = SLOW_EVERYTHING;
    assert_int_equal(test_client_command(c, "subscribe", "a", NULL), SRL_OK);
    assert_int_equal(test_client_command(gone, "subscribe", "a", NULL), SRL_OK);
    see_nothing(c);
    test_client_leave(gone);
    publish(&home, "a", 2); /* while it waits */
    broker_slow_flush(&slow);
    see(c, "*\"offset\":2,*\"unread\":2*");
    assert_int_equal(test_client_command(c, "ack", "a", "{\"offset\":1}"), SRL_OK);
    assert_int_equal(test_client_command(c, "unread", "a", NULL), SRL_OK);
    see_nothing(c);
    broker_slow_flush(&slow);
    see(c, "*\"type\":\"ack\",*\"data\":{}*");
    see(c, "*\"type\":\"unread\",*\"unread\":1,*");
    gone = test_client_enter(&home, "ann");
    assert_int_equal(test_client_command(gone, "unread", "a", NULL), SRL_OK);
    test_client_leave(gone);
    assert_int_equal(srl_relay_unread(home.relay, "ann", 3, "a", 1, counted, &n), SRL_OK);
    assert_int_equal(test_client_command(c, "ack", "a", "{\"offset\":2}"), SRL_OK);
    test_relay_destroy(&home);
    assert_int_equal(n.calls, 1);
    assert_int_equal(n.error, SRL_ERR_CANCELLED);
    test_relay_end(&home);
    broker_slow_end(&slow);
}

static void the_broker_fails(void **state)
{
    test_relay home;
    broker_slow slow;
    test_client *c;
    count n = {0};
    (void)state;

    broker_slow_init(&slow);
    test_relay_init(&home);
    assert_int_equal(srl_options_set_broker(home.options, slow.broker), SRL_OK);
    assert_int_equal(test_relay_start(&home, "history_size", "10", "positions", "ack", NULL), SRL_OK);
    c = test_client_enter(&home, "ann");
    slow.refuse = SLOW_EVERYTHING;
    slow.error = SRL_ERR_BROKER_DOWN;
    asks(c, "subscribe", "a", NULL, NO(100));
    asks(c, "unread", "a", NULL, NO(100));
    assert_int_equal(srl_relay_unread(home.relay, "ann", 3, "a", 1, counted, &n), SRL_ERR_BROKER_DOWN);
    assert_int_equal(n.calls, 0);
    slow.refuse = 0;
    assert_true(test_client_subscribe(c, "a"));
    slow.refuse = SLOW_EVERYTHING;
    asks(c, "ack", "a", "{\"offset\":0}", NO(100));
    test_relay_end(&home);
    broker_slow_end(&slow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ack_moves_it),
        cmocka_unit_test(who_has_a_position),
        cmocka_unit_test(coming_back_to_it),
        cmocka_unit_test(two_sessions_of_one_user),
        cmocka_unit_test(positions_are_forgotten),
        cmocka_unit_test(a_new_epoch),
        cmocka_unit_test(delivery_moves_it),
        cmocka_unit_test(what_waits_was_not_delivered),
        cmocka_unit_test(what_was_missed_and_waits_was_not_delivered),
        cmocka_unit_test(a_broken_write),
        cmocka_unit_test(closed_inside_a_write),
        cmocka_unit_test(too_slow),
        cmocka_unit_test(no_memory_for_a_frame),
        cmocka_unit_test(what_got_lost_was_not_delivered),
        cmocka_unit_test(questions_are_answered_later),
        cmocka_unit_test(the_broker_fails),
    };

    return cmocka_run_group_tests_name("positions_engine", tests, NULL, NULL);
}
