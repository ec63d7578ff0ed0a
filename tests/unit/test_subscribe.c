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

#define HISTORY "history_size", "100"

typedef struct epoch_text {
    char text[64];
} epoch_text;

/* Of a channel, as a subscriber is told. */
static epoch_text epoch_of(test_relay *home, const char *channel)
{
    test_client *c = test_client_enter(home, "epoch");
    const char *reply;
    const char *at;
    epoch_text epoch = {""};

    test_client_command(c, "subscribe", channel, NULL);
    reply = test_client_read(c);
    assert_non_null(reply);
    at = strstr(reply, "\"epoch\":\"");
    assert_non_null(at);
    at += strlen("\"epoch\":\"");
    for (size_t i = 0; at[i] != '"'; i++) {
        epoch.text[i] = at[i];
        epoch.text[i + 1] = '\0';
    }
    test_client_leave(c);
    return epoch;
}

static void publish_numbers(test_relay *home, const char *channel, int from, int to)
{
    char data[32];

    for (int i = from; i <= to; i++) {
        (void)snprintf(data, sizeof(data), "%d", i);
        assert_int_equal(test_relay_publish(home, channel, data), SRL_OK);
    }
}

static void recover(test_client *c, const char *channel, unsigned long long offset, const char *epoch)
{
    (void)test_client_sendf(c,
                            "{\"id\":%llu,\"type\":\"subscribe\",\"channel\":\"%s\",\"data\":{\"recover\":true,"
                            "\"offset\":%llu,\"epoch\":\"%s\"}}",
                            (unsigned long long)++c->last_id, channel, offset, epoch);
}

static void see_numbers(test_client *c, int from, int to)
{
    char pattern[128];

    for (int i = from; i <= to; i++) {
        (void)snprintf(pattern, sizeof(pattern), "{\"push\":{\"type\":\"message\",*\"offset\":%d,\"data\":%d*", i, i);
        see(c, pattern);
    }
}

/* What a subscriber who comes back is told, from where the messages go on. */
typedef struct attempt {
    const char *epoch; /* NULL: the right one */
    unsigned long long offset;
    bool recovered;
    int first; /* of the messages; 0: none */
} attempt;

static void try_to_recover(test_relay *home, const char *channel, const attempt *a, const char *epoch, int top)
{
    test_client *c = test_client_enter(home, "back");
    char pattern[256];

    recover(c, channel, a->offset, a->epoch != NULL ? a->epoch : epoch);
    (void)snprintf(
        pattern, sizeof(pattern),
        "{\"reply\":{\"id\":2,\"type\":\"subscribe\",\"channel\":\"%s\",\"data\":{\"recoverable\":true,\"offset\":%llu,"
        "\"epoch\":\"%s\",\"was_recovering\":true,\"recovered\":%s}}}",
        channel, a->recovered ? a->offset : (unsigned long long)top, epoch, a->recovered ? "true" : "false");
    see(c, pattern);
    if (a->first > 0) {
        see_numbers(c, a->first, top);
    }
    see_nothing(c);
    publish_numbers(home, channel, top + 1, top + 1); /* and it is live */
    see_numbers(c, top + 1, top + 1);
    see_nothing(c);
    test_client_leave(c);
}

static void recovery_matrix(void **state)
{
    static const char long_epoch[] = "0123456789012345678901234567890123456789";
    static const attempt attempts[] = {
        {NULL, 5, true, 0},
        {NULL, 4, true, 5},
        {NULL, 0, true, 1},
        {NULL, 6, false, 0},
        {NULL, 9007199254740991, false, 0},
        {"", 5, true, 0},
        {"", 2, true, 3},
        {"", 6, false, 0},
        {"other", 5, false, 0},
        {"other", 0, false, 0},
        {"other", 6, false, 0},
        {long_epoch, 5, false, 0},
        {long_epoch, 3, false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        test_relay home;
        epoch_text epoch;

        assert_int_equal(TEST_RELAY(&home, HISTORY, NULL), SRL_OK);
        publish_numbers(&home, "room", 1, 5);
        epoch = epoch_of(&home, "room");
        try_to_recover(&home, "room", &attempts[i], epoch.text, 5);
        test_relay_end(&home);
    }
}

static void trimmed_history_is_not_recovered(void **state)
{
    static const attempt attempts[] = {
        {NULL, 8, true, 0}, {NULL, 7, true, 8}, {NULL, 5, true, 6}, {NULL, 4, false, 0}, {NULL, 0, false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        test_relay home;
        epoch_text epoch;

        assert_int_equal(TEST_RELAY(&home, "history_size", "3", NULL), SRL_OK);
        publish_numbers(&home, "room", 1, 8); /* 6 to 8 are left */
        epoch = epoch_of(&home, "room");
        try_to_recover(&home, "room", &attempts[i], epoch.text, 8);
        test_relay_end(&home);
    }
}

static void expired_history_is_recovered_only_from_the_top(void **state)
{
    static const attempt top = {NULL, 3, true, 0};
    static const attempt behind = {NULL, 2, false, 0};
    test_relay home;
    epoch_text epoch;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, HISTORY, "history_ttl", "10s", NULL), SRL_OK);
    publish_numbers(&home, "room", 1, 3);
    epoch = epoch_of(&home, "room");
    test_relay_advance(&home, 10000);
    try_to_recover(&home, "room", &top, epoch.text, 3);
    test_relay_advance(&home, 10000);
    try_to_recover(&home, "room", &behind, epoch.text, 4);
    test_relay_end(&home);
}

static void an_empty_channel_is_recovered_from_zero(void **state)
{
    static const attempt attempts[] = {{NULL, 0, true, 0}, {NULL, 1, false, 0}, {"old", 0, false, 0}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        test_relay home;
        epoch_text epoch;

        assert_int_equal(TEST_RELAY(&home, HISTORY, NULL), SRL_OK);
        epoch = epoch_of(&home, "room");
        try_to_recover(&home, "room", &attempts[i], epoch.text, 0);
        test_relay_end(&home);
    }
}

static void without_history_nothing_is_recoverable(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    test_client_command(c, "subscribe", "a", NULL);
    see(c, "{\"reply\":{\"id\":2,\"type\":\"subscribe\",\"channel\":\"a\",\"data\":{\"recoverable\":false}}}");
    recover(c, "b", 0, "");
    see(c, "{\"reply\":{\"id\":3,\"type\":\"subscribe\",\"channel\":\"b\",\"data\":{\"recoverable\":false,\"was_"
           "recovering\":true,"
           "\"recovered\":false}}}");
    publish_numbers(&home, "b", 1, 1);
    see(c, "{\"push\":{\"type\":\"message\",\"channel\":\"b\",\"data\":{\"data\":1,\"time\":*}}}");
    test_relay_end(&home);
}

static void max_recovery_is_the_last_that_is_recovered(void **state)
{
    static const attempt attempts[] = {{NULL, 4, true, 5}, {NULL, 3, false, 0}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        test_relay home;
        epoch_text epoch;

        assert_int_equal(TEST_RELAY(&home, HISTORY, "max_recovery", "4", NULL), SRL_OK);
        publish_numbers(&home, "room", 1, 8);
        epoch = epoch_of(&home, "room");
        try_to_recover(&home, "room", &attempts[i], epoch.text, 8);
        test_relay_end(&home);
    }
}

/* More than the queue may hold is not recovered, instead of being recovered half. */
static void a_recovery_fits_into_the_queue(void **state)
{
    test_relay home;
    test_client *c;
    char data[402];
    (void)state;

    memset(data, '1', sizeof(data) - 1);
    data[0] = data[400] = '"';
    data[401] = '\0';
    assert_int_equal(TEST_RELAY(&home, HISTORY, "max_queue_bytes", "1024", NULL), SRL_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(test_relay_publish(&home, "room", data), SRL_OK);
    }
    c = test_client_enter(&home, "a");
    recover(c, "room", 0, "");
    see(c, "*\"offset\":3,*\"recovered\":false}}}");
    see_nothing(c);
    c = test_client_enter(&home, "b");
    recover(c, "room", 1, "");
    see(c, "*\"offset\":1,*\"recovered\":true}}}");
    see(c, "*\"offset\":2*");
    see(c, "*\"offset\":3*");
    see_nothing(c);
    test_relay_end(&home);
}

static void recovery_of_somebody_who_cannot_take_it_ends_in_slow(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, HISTORY, "max_queue_bytes", "1024", NULL), SRL_OK);
    publish_numbers(&home, "room", 1, 40); /* few bytes of data, many of frames */
    c = test_client_enter(&home, "a");
    c->take = 0;
    recover(c, "room", 0, "");
    see_closed(c, SRL_DISCONNECT_SLOW, "slow");
    test_relay_end(&home);
}

/* ---- a broker that takes its time */

typedef struct slow_home {
    test_relay home;
    broker_delay broker;
    epoch_text epoch;
} slow_home;

static void slow_begin(slow_home *slow, unsigned hold, const char *option, const char *value)
{
    test_relay_init(&slow->home);
    broker_delay_init(&slow->broker, &slow->home.memory.table);
    assert_int_equal(srl_options_set_broker(slow->home.options, slow->broker.broker), SRL_OK);
    broker_delay_end(&slow->broker); /* the options hold it */
    assert_int_equal(test_relay_start(&slow->home, HISTORY, option, value, NULL), SRL_OK);
    publish_numbers(&slow->home, "room", 1, 5);
    slow->epoch = epoch_of(&slow->home, "room");
    slow->broker.hold = hold;
}

/* As another relay would, past what waits. */
static void publish_elsewhere(slow_home *slow, uint32_t history_size, int from, int to)
{
    char data[32];

    for (int i = from; i <= to; i++) {
        (void)snprintf(data, sizeof(data), "%d", i);
        broker_delay_publish(&slow->broker, "room", history_size, data);
    }
}

static void subscribe_waits_for_the_broker(void **state)
{
    slow_home slow;
    test_client *a;
    test_client *b;
    (void)state;

    slow_begin(&slow, DELAY_SUBSCRIBE, NULL, NULL);
    a = test_client_enter(&slow.home, "a");
    b = test_client_enter(&slow.home, "b");
    test_client_command(a, "subscribe", "room", NULL);
    recover(b, "room", 3, slow.epoch.text);
    see_nothing(a);
    see_nothing(b);
    assert_int_equal(slow.broker.operation_count, 1); /* one for the room, not one for each */
    test_client_command(a, "subscribe", "room", NULL);
    see(a, "*\"error\":{\"code\":105,*");
    assert_true(broker_delay_answer(&slow.broker, DELAY_SUBSCRIBE));
    see(a, "*\"id\":2,*\"offset\":5,*");
    see(b, "*\"offset\":3,*\"recovered\":true*");
    see_numbers(b, 4, 5);
    see_nothing(a);
    see_nothing(b);
    test_relay_end(&slow.home);
}

static void the_broker_refuses_or_fails(void **state)
{
    static const struct {
        int error;
        const char *pattern;
    } cases[] = {
        {SRL_ERR_BROKER_DOWN, "*\"error\":{\"code\":100,\"message\":\"internal server error\",\"temporary\":true}}}"},
        {SRL_ERR_NOMEM, "*\"error\":{\"code\":100,*"},
        {SRL_ERR_DENIED, "*\"error\":{\"code\":103,*"},
        {SRL_ERR_UNAVAILABLE, "*\"error\":{\"code\":108,*"},
        {SRL_ERR_INVALID, "*\"error\":{\"code\":107,*"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        slow_home slow;
        test_client *c;

        slow_begin(&slow, 0, NULL, NULL);
        c = test_client_enter(&slow.home, "c");
        slow.broker.error = cases[i].error;
        slow.broker.refuse = DELAY_SUBSCRIBE;
        test_client_command(c, "subscribe", "room", NULL);
        see(c, cases[i].pattern);
        slow.broker.refuse = 0;
        slow.broker.fail = DELAY_SUBSCRIBE;
        test_client_command(c, "subscribe", "room", NULL);
        see(c, cases[i].pattern);
        slow.broker.hold = DELAY_SUBSCRIBE;
        test_client_command(c, "subscribe", "room", NULL);
        see_nothing(c);
        assert_true(broker_delay_answer(&slow.broker, DELAY_SUBSCRIBE));
        see(c, cases[i].pattern);
        assert_int_equal(srl_session_channel_count(c->session), 0);
        slow.broker.fail = slow.broker.hold = 0;
        assert_true(test_client_subscribe(c, "room")); /* nothing is left of it */
        slow.broker.fail = DELAY_HISTORY;
        c = test_client_enter(&slow.home, "d");
        recover(c, "room", 2, slow.epoch.text);
        see(c, cases[i].pattern);
        slow.broker.fail = 0;
        slow.broker.refuse = DELAY_HISTORY;
        recover(c, "room", 2, slow.epoch.text);
        see(c, cases[i].pattern);
        assert_int_equal(srl_session_channel_count(c->session), 0);
        test_relay_end(&slow.home);
    }
}

/* Publications at every moment of a recovery: before the read takes effect, after it, after the answer. */
static void publications_during_a_recovery(void **state)
{
    (void)state;
    for (int before = 0; before < 4; before++) {
        for (int after = 0; after < 4; after++) {
            slow_home slow;
            test_client *c;

            slow_begin(&slow, DELAY_HISTORY, NULL, NULL);
            c = test_client_enter(&slow.home, "c");
            recover(c, "room", 2, slow.epoch.text);
            publish_elsewhere(&slow, 100, 6, 5 + before);
            assert_true(broker_delay_effect(&slow.broker, DELAY_HISTORY));
            publish_elsewhere(&slow, 100, 6 + before, 5 + before + after);
            see_nothing(c);
            assert_true(broker_delay_answer(&slow.broker, DELAY_HISTORY));
            see(c, "*\"offset\":2,*\"recovered\":true*");
            see_numbers(c, 3, 5 + before + after);
            publish_numbers(&slow.home, "room", 6 + before + after, 8 + before + after);
            see_numbers(c, 6 + before + after, 8 + before + after);
            see_nothing(c);
            test_relay_end(&slow.home);
        }
    }
}

/* The read takes effect before publications whose delivery comes only after its answer. */
static void deliveries_that_lag_behind_history(void **state)
{
    slow_home slow;
    test_client *c;
    (void)state;

    slow_begin(&slow, DELAY_HISTORY, NULL, NULL);
    assert_non_null(test_client_enter(&slow.home, "keeper"));
    c = test_client_enter(&slow.home, "c");
    slow.broker.hold_deliveries = true;
    recover(c, "room", 2, slow.epoch.text);
    publish_elsewhere(&slow, 100, 6, 8);
    assert_true(broker_delay_deliver(&slow.broker)); /* 6; the history has 3 to 8, of which 3 were asked for */
    assert_true(broker_delay_answer(&slow.broker, DELAY_HISTORY));
    see(c, "*\"offset\":2,*\"recovered\":true*");
    see_numbers(c, 3, 6);
    see_nothing(c);
    assert_true(broker_delay_deliver(&slow.broker));
    assert_true(broker_delay_deliver(&slow.broker));
    see_numbers(c, 7, 8);
    see_nothing(c);
    test_relay_end(&slow.home);
}

/* History shrinks before it is read: what is left and what came live do not meet. */
static void trimmed_during_the_recovery(void **state)
{
    slow_home slow;
    test_client *c;
    (void)state;

    slow_begin(&slow, DELAY_HISTORY, "history_size", "5");
    c = test_client_enter(&slow.home, "c");
    recover(c, "room", 2, slow.epoch.text);
    publish_elsewhere(&slow, 5, 6, 8); /* 4 to 8 are kept: 3 is lost */
    assert_true(broker_delay_answer(&slow.broker, DELAY_HISTORY));
    see(c, "*\"offset\":8,*\"recovered\":false*");
    see_nothing(c);
    publish_numbers(&slow.home, "room", 9, 9);
    see_numbers(c, 9, 9);
    test_relay_end(&slow.home);
}

/* What came live covers everything that history has lost meanwhile. */
static void kept_publications_stand_in_for_history(void **state)
{
    slow_home slow;
    test_client *c;
    (void)state;

    slow_begin(&slow, DELAY_HISTORY, "history_size", "5");
    c = test_client_enter(&slow.home, "c");
    recover(c, "room", 4, slow.epoch.text);
    publish_elsewhere(&slow, 5, 6, 9); /* 5 to 9 are kept */
    assert_true(broker_delay_answer(&slow.broker, DELAY_HISTORY));
    see(c, "*\"offset\":4,*\"recovered\":true*");
    see_numbers(c, 5, 9);
    see_nothing(c);
    test_relay_end(&slow.home);
}

static void too_much_comes_during_the_recovery(void **state)
{
    slow_home slow;
    test_client *c;
    (void)state;

    slow_begin(&slow, DELAY_HISTORY, "max_queue_bytes", "1024");
    c = test_client_enter(&slow.home, "c");
    recover(c, "room", 4, slow.epoch.text);
    publish_elsewhere(&slow, 100, 6, 40);
    assert_true(broker_delay_answer(&slow.broker, DELAY_HISTORY));
    see(c, "*\"offset\":40,*\"recovered\":false*");
    see_nothing(c);
    publish_numbers(&slow.home, "room", 41, 41);
    see_numbers(c, 41, 41);
    test_relay_end(&slow.home);
}

static void unsubscribe_during_the_recovery(void **state)
{
    slow_home slow;
    test_client *c;
    (void)state;

    slow_begin(&slow, DELAY_HISTORY, NULL, NULL);
    c = test_client_enter(&slow.home, "c");
    recover(c, "room", 2, slow.epoch.text);
    publish_numbers(&slow.home, "room", 6, 6);
    test_client_command(c, "unsubscribe", "room", NULL);
    see(c, "{\"reply\":{\"id\":2,\"type\":\"subscribe\",\"channel\":\"room\",\"error\":{\"code\":107,\"message\":"
           "\"unsubscribed before the subscription was made\"}}}");
    see(c, "{\"reply\":{\"id\":3,\"type\":\"unsubscribe\",\"channel\":\"room\",\"data\":{}}}");
    assert_true(broker_delay_answer(&slow.broker, DELAY_HISTORY));
    publish_numbers(&slow.home, "room", 7, 7);
    see_nothing(c);
    /* and again, while an answer of the first try is under way */
    recover(c, "room", 4, slow.epoch.text);
    test_client_command(c, "unsubscribe", "room", NULL);
    test_client_skip(c);
    recover(c, "room", 5, slow.epoch.text);
    assert_int_equal(slow.broker.operation_count, 2);
    assert_true(broker_delay_answer(&slow.broker, DELAY_HISTORY));
    see_nothing(c);
    assert_true(broker_delay_answer(&slow.broker, DELAY_HISTORY));
    see(c, "*\"offset\":5,*\"recovered\":true*");
    see_numbers(c, 6, 7);
    see_nothing(c);
    test_relay_end(&slow.home);
}

/* The client, the host, or the whole relay goes at each moment of a subscription. */
static void leaving_during_a_subscription(void **state)
{
    (void)state;
    for (unsigned kind = DELAY_SUBSCRIBE; kind <= DELAY_HISTORY; kind += DELAY_HISTORY - DELAY_SUBSCRIBE) {
        for (int way = 0; way < 4; way++) {
            for (int effect = 0; effect < 2; effect++) {
                slow_home slow;
                test_client *c;

                slow_begin(&slow, kind, NULL, NULL);
                c = test_client_enter(&slow.home, "c");
                recover(c, "room", 2, slow.epoch.text);
                assert_int_equal(slow.broker.operation_count, 1);
                if (effect) {
                    assert_true(broker_delay_effect(&slow.broker, kind));
                    publish_numbers(&slow.home, "room", 6, 6);
                }
                if (way == 0) {
                    test_client_leave(c);
                } else if (way == 1) {
                    srl_session_disconnect(c->session, 0, NULL, 0);
                    see(c, "*\"disconnect\"*3503*");
                } else if (way == 2) {
                    assert_int_equal(srl_session_unsubscribe(c->session, "room", 4, 2500), SRL_OK);
                    see(c, "*\"error\":{\"code\":107,*");
                    see(c, "*\"unsubscribe\"*2500*");
                } else {
                    test_relay_destroy(&slow.home);
                    assert_true(slow.broker.detached);
                }
                assert_int_equal(broker_delay_answer(&slow.broker, DELAY_EVERYTHING), way != 3);
                see_nothing(c);
                if (way != 3) {
                    srl_stats stats = {.size = sizeof(stats)};

                    assert_int_equal(srl_relay_stats(slow.home.relay, &stats), SRL_OK);
                    assert_int_equal(stats.rooms, 0);
                    assert_int_equal(stats.subscriptions, 0);
                    assert_int_equal(slow.broker.subscribed, 0);
                }
                test_relay_end(&slow.home);
            }
        }
    }
}

/* A broker may tell of a publication before it has answered that it tells of them. */
static void delivery_before_the_answer_to_subscribe(void **state)
{
    slow_home slow;
    test_client *c;
    test_client *r;
    (void)state;

    slow_begin(&slow, DELAY_SUBSCRIBE, NULL, NULL);
    c = test_client_enter(&slow.home, "c");
    r = test_client_enter(&slow.home, "r");
    test_client_command(c, "subscribe", "room", NULL);
    recover(r, "room", 4, slow.epoch.text);
    assert_true(broker_delay_effect(&slow.broker, DELAY_SUBSCRIBE)); /* at 5 */
    publish_numbers(&slow.home, "room", 6, 7);
    assert_true(broker_delay_answer(&slow.broker, DELAY_SUBSCRIBE));
    see(c, "*\"offset\":7,*");
    see(r, "*\"offset\":4,*\"recovered\":true*");
    see_numbers(r, 5, 7);
    publish_numbers(&slow.home, "room", 8, 8);
    see_numbers(c, 8, 8);
    see_numbers(r, 8, 8);
    see_nothing(c);
    see_nothing(r);
    test_relay_end(&slow.home);
}

/* ---- breaks in the positions */

static void deliver_at(slow_home *slow, void *room, uint64_t offset, const char *epoch)
{
    srl_publication publication = {
        .size = sizeof(publication),
        .offset = offset,
        .data = "0",
        .data_len = 1,
        .user = "",
        .client = "",
        .info = "",
    };

    srl_node_deliver(slow->broker.relay, room, SRL_MESSAGE_PUBLICATION, &publication, epoch, strlen(epoch));
}

/* The room that the broker was given last. */
static void *room_of(slow_home *slow, test_client *c)
{
    void *room;

    slow->broker.hold_deliveries = true;
    publish_numbers(&slow->home, "room", 6, 6);
    assert_int_equal(slow->broker.delivery_count, 1);
    room = broker_delay_room(&slow->broker);
    slow->broker.hold_deliveries = false;
    assert_true(broker_delay_deliver(&slow->broker));
    see_numbers(c, 6, 6);
    return room;
}

static void a_gap_or_another_epoch_sends_everybody_back(void **state)
{
    static const struct {
        uint64_t offset;
        const char *epoch; /* NULL: the same */
        bool breaks;
        bool repeated;
    } cases[] = {{8, NULL, true, false}, {7, "new", true, false}, {1, "new", true, false},
                 {6, NULL, false, true}, {1, NULL, false, true},  {7, NULL, false, false}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        slow_home slow;
        test_client *c;
        void *room;

        slow_begin(&slow, 0, NULL, NULL);
        c = test_client_enter(&slow.home, "c");
        assert_true(test_client_subscribe(c, "room"));
        room = room_of(&slow, c);
        deliver_at(&slow, room, cases[i].offset, cases[i].epoch != NULL ? cases[i].epoch : slow.epoch.text);
        if (cases[i].breaks) {
            see(c, "{\"push\":{\"type\":\"unsubscribe\",\"channel\":\"room\",\"data\":{\"code\":2500,\"reason\":"
                   "\"insufficient state\"}}}");
            assert_int_equal(srl_session_channel_count(c->session), 0);
        } else if (!cases[i].repeated) {
            see(c, "*\"offset\":7,*");
        }
        see_nothing(c);
        test_relay_end(&slow.home);
    }
}

static void a_break_spoils_recoveries_under_way(void **state)
{
    slow_home slow;
    test_client *c;
    test_client *r;
    void *room;
    (void)state;

    slow_begin(&slow, 0, NULL, NULL);
    c = test_client_enter(&slow.home, "c");
    r = test_client_enter(&slow.home, "r");
    assert_true(test_client_subscribe(c, "room"));
    room = room_of(&slow, c);
    slow.broker.hold = DELAY_HISTORY;
    recover(r, "room", 3, slow.epoch.text);
    deliver_at(&slow, room, 9, slow.epoch.text);
    see(c, "*\"unsubscribe\"*2500*");
    assert_true(broker_delay_answer(&slow.broker, DELAY_HISTORY));
    see(r, "*\"offset\":9,*\"recovered\":false*");
    deliver_at(&slow, room, 10, slow.epoch.text);
    see(r, "*\"offset\":10,*");
    see_nothing(r);
    see_nothing(c);
    test_relay_end(&slow.home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recovery_matrix),
        cmocka_unit_test(trimmed_history_is_not_recovered),
        cmocka_unit_test(expired_history_is_recovered_only_from_the_top),
        cmocka_unit_test(an_empty_channel_is_recovered_from_zero),
        cmocka_unit_test(without_history_nothing_is_recoverable),
        cmocka_unit_test(max_recovery_is_the_last_that_is_recovered),
        cmocka_unit_test(a_recovery_fits_into_the_queue),
        cmocka_unit_test(recovery_of_somebody_who_cannot_take_it_ends_in_slow),
        cmocka_unit_test(subscribe_waits_for_the_broker),
        cmocka_unit_test(the_broker_refuses_or_fails),
        cmocka_unit_test(publications_during_a_recovery),
        cmocka_unit_test(deliveries_that_lag_behind_history),
        cmocka_unit_test(trimmed_during_the_recovery),
        cmocka_unit_test(kept_publications_stand_in_for_history),
        cmocka_unit_test(too_much_comes_during_the_recovery),
        cmocka_unit_test(unsubscribe_during_the_recovery),
        cmocka_unit_test(leaving_during_a_subscription),
        cmocka_unit_test(delivery_before_the_answer_to_subscribe),
        cmocka_unit_test(a_gap_or_another_epoch_sends_everybody_back),
        cmocka_unit_test(a_break_spoils_recoveries_under_way),
    };

    return cmocka_run_group_tests_name("subscribe", tests, NULL, NULL);
}
