/* Namespaces: presets, registering at run time, and what each channel option does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helpers/broker_delay.h"
#include "helpers/rules.h"

static void begin(test_relay *home)
{
    assert_int_equal(TEST_RELAY(home, "allow_anonymous", "true", "ping_interval", "0", NULL), SRL_OK);
}

static void publish(test_relay *home, const char *channel, int count)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(test_relay_publish(home, channel, "1"), SRL_OK);
    }
}

typedef struct kept {
    uint32_t count;
    uint64_t top;
} kept;

static void counted(int error, const srl_history *history, void *user)
{
    kept *k = user;

    assert_int_equal(error, SRL_OK);
    k->count = history->count;
    k->top = history->offset;
}

static uint32_t history_of(test_relay *home, const char *channel)
{
    kept k = {0};

    assert_int_equal(srl_relay_history(home->relay, TEXT(channel), 0, "", 0, 1000, 0, counted, &k), SRL_OK);
    return k.count;
}

/* What is kept: `size` of size + 1, and until `ttl_ms` is over. */
static void check_history(test_relay *home, const char *channel, int size, uint64_t ttl_ms)
{
    publish(home, channel, size + 1);
    assert_int_equal(history_of(home, channel), size);
    test_relay_advance(home, ttl_ms - 1000);
    assert_int_equal(history_of(home, channel), size);
    test_relay_advance(home, 2000);
    assert_int_equal(history_of(home, channel), 0);
}

/* ---- the seed's presets */

static void seed_namespace_chat(void **state)
{
    test_relay home;
    test_client *ann;
    test_client *bob;
    (void)state;

    begin(&home);
    set_namespace(&home, "chat:", SRL_NAMESPACE_CHAT, NULL);
    ann = test_client_enter(&home, "ann");
    bob = test_client_enter(&home, "bob");
    assert_true(test_client_subscribe(ann, "chat:x"));
    see(ann, "*\"join\"*\"client\"*");
    see(ann, "*\"join\"*\"user\":\"ann\"}}}}");
    assert_true(test_client_subscribe(bob, "chat:x"));
    see(ann, "*\"join\"*\"user\":\"bob\",\"client\"*");
    see(ann, "*\"join\"*\"user\":\"bob\"}}}}");
    test_client_skip(bob);
    asks(bob, "publish", "chat:x", SAY, YES);
    see(bob, MESSAGE);
    see(ann, MESSAGE);
    asks(ann, "presence", "chat:x", NULL, "*\"num_users\":2,*");
    asks(ann, "history", "chat:x", NULL, YES);
    test_client_leave(bob);
    see(ann, "*\"leave\"*\"user\":\"bob\",\"client\"*");
    see(ann, "*\"leave\"*\"user\":\"bob\"}}}}");
    bob = test_client_enter(&home, "bob");
    asks(bob, "subscribe", "chat:x", "{\"recover\":true,\"offset\":0}", "*\"recovered\":true*");
    see(bob, MESSAGE);
    bob = test_client_enter(&home, "");
    asks(bob, "subscribe", "chat:x", NULL, NO(103));
    check_history(&home, "chat:y", 100, 24 * 3600000);
    test_relay_end(&home);
}

static void seed_namespace_notification(void **state)
{
    test_relay home;
    test_client *ann;
    (void)state;

    begin(&home);
    set_namespace(&home, "notify:", SRL_NAMESPACE_NOTIFICATION, NULL);
    ann = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(ann, "notify:x"));
    asks(ann, "publish", "notify:x", SAY, NO(103));
    asks(ann, "presence", "notify:x", NULL, NO(108));
    publish(&home, "notify:x", 2);
    see(ann, MESSAGE);
    see(ann, MESSAGE);
    asks(ann, "ack", "notify:x", "{\"offset\":1}", YES);
    asks(ann, "unread", "notify:x", NULL, "*\"unread\":1,*");
    see_nothing(ann);
    check_history(&home, "notify:y", 50, UINT64_C(7) * 24 * 3600000);
    test_relay_end(&home);
}

static void seed_namespace_presence(void **state)
{
    test_relay home;
    test_client *ann;
    test_client *bob;
    (void)state;

    begin(&home);
    set_namespace(&home, "presence:", SRL_NAMESPACE_PRESENCE, NULL);
    ann = test_client_enter(&home, "ann");
    bob = test_client_enter(&home, "bob");
    assert_true(test_client_subscribe(ann, "presence:x"));
    test_client_skip(ann);
    assert_true(test_client_subscribe(bob, "presence:x"));
    see(ann, "*\"join\"*");
    see(ann, "*\"join\"*");
    asks(ann, "presence", "presence:x", NULL, "*\"num_users\":2,*");
    asks(ann, "publish", "presence:x", SAY, NO(103));
    asks(ann, "history", "presence:x", NULL, NO(108));
    test_relay_end(&home);
}

static void seed_namespace_public(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    begin(&home);
    set_namespace(&home, "public:", SRL_NAMESPACE_PUBLIC, NULL);
    c = test_client_enter(&home, "");
    assert_true(test_client_subscribe(c, "public:x"));
    asks(c, "publish", "public:x", SAY, NO(103));
    publish(&home, "public:x", 1);
    see(c, MESSAGE);
    asks(c, "history", "public:x", NULL, YES);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "public:x"));
    asks(c, "publish", "public:x", SAY, NO(103));
    check_history(&home, "public:y", 100, 3600000);
    test_relay_end(&home);
}

static void seed_namespace_personal(void **state)
{
    test_relay home;
    test_client *ann;
    test_client *bob;
    test_client *nobody;
    (void)state;

    begin(&home);
    set_namespace(&home, "user:", SRL_NAMESPACE_PERSONAL, NULL);
    ann = test_client_enter(&home, "ann");
    bob = test_client_enter(&home, "bob");
    nobody = test_client_enter(&home, "");
    assert_true(test_client_subscribe(ann, "user:ann"));
    asks(bob, "subscribe", "user:ann", NULL, NO(103));
    asks(nobody, "subscribe", "user:ann", NULL, NO(103));
    asks(nobody, "subscribe", "user:", NULL, NO(103));
    publish(&home, "user:ann", 1);
    see(ann, MESSAGE);
    asks(ann, "ack", "user:ann", "{\"offset\":1}", YES);
    check_history(&home, "user:cyd", 100, UINT64_C(7) * 24 * 3600000);
    test_relay_end(&home);
}

/* HistorySize 50, HistoryTTL 1 h, presence, join/leave, publish, at most 8 players. */
static void seed_namespace_custom_game_max_8(void **state)
{
    test_relay home;
    test_client *c = NULL;
    char name[24];
    (void)state;

    begin(&home);
    set_namespace(&home, "game:", 0, "history_size", "50", "history_ttl", "1h", "presence", "true", "join_leave",
                  "both", "publish", "true", "max_subscribers", "8", NULL);
    for (int i = 0; i < 8; i++) {
        (void)snprintf(name, sizeof(name), "player%d", i);
        c = test_client_enter(&home, name);
        assert_true(test_client_subscribe(c, "game:chess"));
    }
    test_client_skip(c);
    asks(c, "publish", "game:chess", SAY, YES);
    see(c, MESSAGE);
    asks(c, "presence", "game:chess", NULL, "*\"num_users\":8,*");
    c = test_client_enter(&home, "ninth");
    asks(c, "subscribe", "game:chess", NULL, NO(106));
    assert_true(test_client_subscribe(c, "game:go"));
    test_client_leave(home.clients->next); /* one of the eight goes */
    c = test_client_enter(&home, "tenth");
    assert_true(test_client_subscribe(c, "game:chess"));
    check_history(&home, "game:y", 50, 3600000);
    test_relay_end(&home);
}

/* ---- registering */

static int add(test_relay *home, const char *prefix, size_t len)
{
    srl_options *options;
    int error;

    assert_int_equal(srl_options_create(&options), SRL_OK);
    error = srl_relay_add_namespace(home->relay, prefix, len, options);
    srl_options_destroy(options);
    return error;
}

static void added_replaced_removed(void **state)
{
    test_relay home;
    test_client *c;
    char longest[300];
    (void)state;

    begin(&home);
    memset(longest, 'l', sizeof(longest));
    assert_int_equal(add(&home, "a:", 2), SRL_OK);
    assert_int_equal(add(&home, "a:", 2), SRL_ERR_EXISTS);
    assert_string_not_equal(srl_relay_last_error(home.relay), "");
    assert_int_equal(add(&home, "", 0), SRL_ERR_INVALID);
    assert_int_equal(add(&home, "a\n", 2), SRL_ERR_INVALID);
    assert_int_equal(add(&home, "\xff", 1), SRL_ERR_INVALID);
    assert_int_equal(add(&home, longest, 256), SRL_ERR_INVALID);
    assert_int_equal(add(&home, longest, 255), SRL_OK);
    assert_int_equal(srl_relay_add_namespace(home.relay, "n", 1, NULL), SRL_ERR_INVALID);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "a:1"));
    asks(c, "publish", "a:1", SAY, NO(103));
    set_namespace(&home, "a:", 0, "publish", "true", NULL);
    asks(c, "publish", "a:1", SAY, YES);
    see(c, MESSAGE);
    assert_int_equal(srl_relay_remove_namespace(home.relay, "a:", 2), SRL_OK);
    asks(c, "publish", "a:1", SAY, NO(103));
    assert_int_equal(srl_relay_remove_namespace(home.relay, "a:", 2), SRL_ERR_NOT_FOUND);
    assert_int_equal(srl_relay_remove_namespace(home.relay, "a", 1), SRL_ERR_NOT_FOUND);
    test_relay_end(&home);
}

static void the_longest_prefix_counts(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    begin(&home);
    set_namespace(&home, "a", 0, "publish", "true", NULL);
    set_namespace(&home, "a:b:", 0, "publish", "true", NULL);
    set_namespace(&home, "a:", 0, NULL);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "ax"));
    assert_true(test_client_subscribe(c, "a:x"));
    assert_true(test_client_subscribe(c, "a:b:x"));
    assert_true(test_client_subscribe(c, "b"));
    asks(c, "publish", "ax", SAY, YES);
    see(c, MESSAGE);
    asks(c, "publish", "a:x", SAY, NO(103));
    asks(c, "publish", "a:b:x", SAY, YES);
    see(c, MESSAGE);
    asks(c, "publish", "b", SAY, NO(103));
    assert_int_equal(srl_relay_remove_namespace(home.relay, "a:b:", 4), SRL_OK);
    asks(c, "publish", "a:b:x", SAY, NO(103));
    assert_int_equal(srl_relay_remove_namespace(home.relay, "a:", 2), SRL_OK);
    asks(c, "publish", "a:b:x", SAY, YES);
    test_relay_end(&home);
}

static void contradictions_are_refused(void **state)
{
    static const char *const wrong[][4] = {
        {"positions", "ack", NULL},
        {"positions", "delivery", NULL},
        {"recovery", "on", NULL},
        {"room", "group", "anonymous", "true"},
        {"room", "direct", "anonymous", "true"},
        {"room", "personal", "anonymous", "true"},
        {"publish_outside", "true", NULL},
        {"presence_outside", "true", NULL},
        {"history_outside", "true", NULL},
    };
    test_relay home;
    test_client *c;
    char before[192];
    (void)state;

    begin(&home);
    set_namespace(&home, "n:", 0, "publish", "true", NULL);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "n:x"));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const char *const *w = wrong[i];

        assert_int_equal(try_namespace(&home, "n:", 0, w[0], w[1], w[2], w[3], NULL), SRL_ERR_OPTION_VALUE);
        assert_non_null(strstr(srl_relay_last_error(home.relay), w[2] != NULL ? w[2] : w[0]));
        (void)snprintf(before, sizeof(before), "%s", srl_relay_last_error(home.relay));
        assert_int_equal(try_namespace(&home, "new:", 0, w[0], w[1], w[2], w[3], NULL), SRL_ERR_OPTION_VALUE);
        assert_string_equal(srl_relay_last_error(home.relay), before);
        assert_int_equal(srl_relay_remove_namespace(home.relay, "new:", 4), SRL_ERR_NOT_FOUND);
        asks(c, "publish", "n:x", SAY, YES); /* as before */
        see(c, MESSAGE);
        see_nothing(c);
    }
    test_relay_end(&home);
}

static void presets_and_refinement(void **state)
{
    srl_options *options;
    char value[32];
    (void)state;

    assert_int_equal(srl_options_create(&options), SRL_OK);
    assert_int_equal(srl_options_set(options, "max_subscribers", "3"), SRL_OK);
    assert_int_equal(srl_options_set(options, "ping_interval", "30s"), SRL_OK);
    assert_int_equal(srl_options_apply_preset(options, 0), SRL_ERR_INVALID);
    assert_int_equal(srl_options_apply_preset(options, 6), SRL_ERR_INVALID);
    assert_non_null(strstr(srl_options_last_error(options), "6"));
    assert_true(srl_options_get(options, "max_subscribers", value, sizeof(value)) > 0);
    assert_string_equal(value, "3");
    for (int preset = SRL_NAMESPACE_PERSONAL; preset >= SRL_NAMESPACE_CHAT; preset--) {
        assert_int_equal(srl_options_apply_preset(options, preset), SRL_OK);
    }
    assert_true(srl_options_get(options, "room", value, sizeof(value)) > 0);
    assert_string_equal(value, "open"); /* nothing is left of the preset before */
    assert_true(srl_options_get(options, "max_subscribers", value, sizeof(value)) > 0);
    assert_string_equal(value, "1000000");
    assert_true(srl_options_get(options, "ping_interval", value, sizeof(value)) > 0);
    assert_string_equal(value, "30s");
    srl_options_destroy(options);
}

/* ---- one option each; presence, join_leave, history_size, history_ttl and max_subscribers are above */

static void option_subscribe(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    begin(&home);
    set_namespace(&home, "n:", 0, "subscribe", "false", NULL);
    c = test_client_enter(&home, "ann");
    asks(c, "subscribe", "n:x", NULL, NO(103));
    set_namespace(&home, "n:", 0, NULL);
    assert_true(test_client_subscribe(c, "n:x"));
    test_relay_end(&home);
}

static void option_anonymous(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    begin(&home);
    set_namespace(&home, "n:", 0, "publish", "true", NULL);
    c = test_client_enter(&home, "");
    asks(c, "subscribe", "n:x", NULL, NO(103));
    set_namespace(&home, "n:", 0, "publish", "true", "anonymous", "true", NULL);
    assert_true(test_client_subscribe(c, "n:x"));
    asks(c, "publish", "n:x", SAY, YES);
    test_relay_end(&home);
}

static void option_outside(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    begin(&home);
    set_namespace(&home, "in:", SRL_NAMESPACE_CHAT, NULL);
    set_namespace(&home, "out:", SRL_NAMESPACE_CHAT, "publish_outside", "true", "presence_outside", "true",
                  "history_outside", "true", NULL);
    set_namespace(&home, "p:", SRL_NAMESPACE_PERSONAL, "history_outside", "true", "presence", "true",
                  "presence_outside", "true", "publish", "true", "publish_outside", "true", NULL);
    c = test_client_enter(&home, "ann");
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"in:x", "out:x", "p:bob"};

        asks(c, "publish", names[i], SAY, i == 1 ? YES : NO(103));
        asks(c, "presence", names[i], NULL, i == 1 ? YES : NO(103));
        asks(c, "history", names[i], NULL, i == 1 ? YES : NO(103));
    }
    test_relay_end(&home);
}

static void option_room(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    begin(&home);
    c = test_client_enter(&home, "ann");
    for (int i = 0; i < 4; i++) {
        static const char *const kinds[] = {"open", "group", "direct", "personal"};
        static const char *const names[] = {"n:any", "n:any", "n:ann,bob", "n:ann"};

        set_namespace(&home, "n:", 0, "room", kinds[i], NULL);
        test_client_skip(c); /* out of what it had */
        for (int k = 0; k < 4; k++) {
            bool in = i == 0 || (i > 1 && k == i);

            if (k > 0) {
                asks(c, "subscribe", names[k], NULL, in ? YES : NO(103));
                assert_int_equal(test_client_command(c, "unsubscribe", names[k], NULL), SRL_OK);
                see(c, YES);
            }
        }
    }
    test_relay_end(&home);
}

static void option_recovery(void **state)
{
    static const char *const words[] = {"client", "off", "on"};
    test_relay home;
    (void)state;

    begin(&home);
    for (int i = 0; i < 3; i++) {
        test_client *c;
        char channel[24];

        (void)snprintf(channel, sizeof(channel), "n:%d", i);
        set_namespace(&home, "n:", 0, "history_size", "5", "recovery", words[i], NULL);
        publish(&home, channel, 2);
        c = test_client_enter(&home, "ann");
        asks(c, "subscribe", channel, "{\"recover\":true,\"offset\":1}",
             i == 1 ? "*\"offset\":2,\"epoch\":\"*\"}}}" : "*\"offset\":1,*\"recovered\":true*");
        assert_true(i == 1 || test_client_read(c) != NULL);
        see_nothing(c);
        c = test_client_enter(&home, "ann");
        asks(c, "subscribe", channel, "{\"offset\":1}",
             i == 2 ? "*\"offset\":1,*\"recovered\":true*" : "*\"offset\":2,\"epoch\":\"*\"}}}");
        c = test_client_enter(&home, "ann");
        asks(c, "subscribe", channel, NULL, "*\"offset\":2,\"epoch\":\"*\"}}}");
        see_nothing(c);
    }
    test_relay_end(&home);
}

static void option_positions(void **state)
{
    static const char *const words[] = {"off", "ack", "delivery"};
    test_relay home;
    (void)state;

    begin(&home);
    for (int i = 0; i < 3; i++) {
        test_client *c = test_client_enter(&home, "ann");
        char channel[24];

        (void)snprintf(channel, sizeof(channel), "n:%d", i);
        set_namespace(&home, "n:", 0, "history_size", "5", "positions", words[i], NULL);
        assert_true(test_client_subscribe(c, channel));
        publish(&home, channel, 2);
        test_client_leave(c);
        c = test_client_enter(&home, "ann");
        asks(c, "subscribe", channel, NULL,
             i == 0   ? "*\"offset\":2,\"epoch\":\"*\"}}}"
             : i == 1 ? "*\"unread\":2}}}"
                      : "*\"unread\":0}}}");
    }
    test_relay_end(&home);
}

static void option_position_ttl(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    begin(&home);
    set_namespace(&home, "n:", 0, "history_size", "5", "positions", "ack", "position_ttl", "1m", NULL);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "n:x"));
    publish(&home, "n:x", 1);
    test_client_skip(c);
    asks(c, "ack", "n:x", "{\"offset\":1}", YES);
    test_relay_advance(&home, 59000);
    asks(c, "unread", "n:x", NULL, "*\"unread\":0,*");
    test_relay_advance(&home, 2000);
    asks(c, "unread", "n:x", NULL, "*\"unread\":1,*");
    test_relay_end(&home);
}

static void option_position_check(void **state)
{
    for (int on = 0; on < 3; on++) { /* the last time the broker does it */
        test_relay home;
        broker_delay broker;
        test_client *c;
        (void)state;

        test_relay_init(&home);
        broker_delay_init_with(&broker, NULL, on == 2 ? SRL_BROKER_CHECKS_POSITIONS : 0);
        assert_int_equal(srl_options_set_broker(home.options, broker.broker), SRL_OK);
        assert_int_equal(test_relay_start(&home, "ping_interval", "0", NULL), SRL_OK);
        set_namespace(&home, "n:", 0, "history_size", "5", "position_check", on ? "10s" : "0", NULL);
        c = test_client_enter(&home, "ann");
        assert_true(test_client_subscribe(c, "n:x"));
        broker.hold_deliveries = true;
        broker_delay_publish(&broker, "n:x", 5, "1");
        test_relay_process(&home);
        for (int i = 0; i < 3; i++) {
            test_relay_advance(&home, 10001);
        }
        if (on == 1) {
            see(c, OUT(2500));
        }
        see_nothing(c);
        test_relay_end(&home);
        broker_delay_end(&broker);
    }
}

/* A delivery that is merely late is no loss. */
static void option_position_check_is_patient(void **state)
{
    test_relay home;
    broker_delay broker;
    test_client *c;
    (void)state;

    test_relay_init(&home);
    broker_delay_init(&broker, NULL);
    assert_int_equal(srl_options_set_broker(home.options, broker.broker), SRL_OK);
    assert_int_equal(test_relay_start(&home, "ping_interval", "0", NULL), SRL_OK);
    set_namespace(&home, "n:", 0, "history_size", "5", "position_check", "10s", NULL);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "n:x"));
    broker.hold_deliveries = true;
    for (int i = 0; i < 4; i++) {
        broker_delay_publish(&broker, "n:x", 5, "1");
        test_relay_process(&home);
        test_relay_advance(&home, 10001);
        assert_true(broker_delay_deliver(&broker));
        see(c, MESSAGE);
    }
    see_nothing(c);
    test_relay_end(&home);
    broker_delay_end(&broker);
}

static void option_data_format(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    begin(&home);
    set_namespace(&home, "n:", 0, "publish", "true", "data_format", "object", NULL);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "n:x"));
    asks(c, "publish", "n:x", "{\"data\":[1]}", NO(107));
    asks(c, "publish", "n:x", "{\"data\":\"{\"}", NO(107));
    asks(c, "publish", "n:x", "{\"data\":null}", NO(107));
    asks(c, "publish", "n:x", "{\"data\": {} }", YES);
    see(c, MESSAGE);
    set_namespace(&home, "n:", 0, "publish", "true", NULL);
    asks(c, "publish", "n:x", "{\"data\":[1]}", YES);
    test_relay_end(&home);
}

static void option_channel_rate(void **state)
{
    test_relay home;
    test_client *ann;
    test_client *bob;
    (void)state;

    begin(&home);
    set_namespace(&home, "n:", 0, "publish", "true", "channel_rate", "4", NULL);
    ann = test_client_enter(&home, "ann");
    bob = test_client_enter(&home, "bob");
    assert_true(test_client_subscribe(ann, "n:x"));
    assert_true(test_client_subscribe(bob, "n:x"));
    for (int i = 0; i < 4; i++) {
        assert_int_equal(test_client_command(i % 2 ? ann : bob, "publish", "n:x", SAY), SRL_OK);
    }
    test_client_skip(ann);
    asks(ann, "publish", "n:x", SAY, NO(111));
    publish(&home, "n:x", 1); /* the host may */
    test_client_skip(ann);
    test_relay_advance(&home, 250);
    asks(ann, "publish", "n:x", SAY, YES);
    test_client_skip(ann);
    asks(ann, "publish", "n:x", SAY, NO(111));
    test_relay_end(&home);
}

/* What a session may not say by its own rate does not use up the channel's. */
static void option_channel_rate_is_fair(void **state)
{
    test_relay home;
    test_client *ann;
    test_client *bob;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "publish_rate", "1", "publish_burst", "1", NULL), SRL_OK);
    set_namespace(&home, "n:", 0, "publish", "true", "channel_rate", "4", NULL);
    ann = test_client_enter(&home, "ann");
    bob = test_client_enter(&home, "bob");
    assert_true(test_client_subscribe(ann, "n:x"));
    assert_true(test_client_subscribe(bob, "n:x"));
    for (int i = 0; i < 10; i++) {
        assert_int_equal(test_client_command(ann, "publish", "n:x", SAY), SRL_OK);
    }
    test_client_skip(bob);
    asks(bob, "publish", "n:x", SAY, YES);
    test_relay_end(&home);
}

static void option_idle_lifetime(void **state)
{
    test_relay home;
    broker_delay broker;
    test_client *c;
    (void)state;

    test_relay_init(&home);
    broker_delay_init(&broker, NULL);
    assert_int_equal(srl_options_set_broker(home.options, broker.broker), SRL_OK);
    assert_int_equal(test_relay_start(&home, "ping_interval", "0", NULL), SRL_OK);
    set_namespace(&home, "n:", 0, "history_size", "5", "idle_lifetime", "10s", NULL);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "n:x"));
    test_client_leave(c);
    assert_int_equal(broker.subscribed, 1);
    publish(&home, "n:x", 2); /* it follows */
    c = test_client_enter(&home, "ann");
    broker.hold = DELAY_EVERYTHING; /* not asked: the room is open */
    asks(c, "subscribe", "n:x", NULL, "*\"offset\":2,*");
    broker.hold = 0;
    test_relay_advance(&home, 11000);
    assert_int_equal(broker.subscribed, 1); /* not while somebody is in it */
    test_client_leave(c);
    test_relay_advance(&home, 9000);
    assert_int_equal(broker.subscribed, 1);
    test_relay_advance(&home, 2000);
    assert_int_equal(broker.subscribed, 0);
    test_relay_end(&home);
    broker_delay_end(&broker);
}

static void option_max_publish_bytes(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    begin(&home);
    set_namespace(&home, "n:", 0, "publish", "true", "max_publish_bytes", "4", NULL);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "n:x"));
    asks(c, "publish", "n:x", "{\"data\":12345}", NO(107));
    asks(c, "publish", "n:x", "{\"data\":1234}", YES);
    assert_int_equal(test_relay_publish(&home, "n:x", "12345"), SRL_ERR_TOO_LARGE);
    assert_int_equal(test_relay_publish(&home, "n:x", " 1234 "), SRL_OK);
    test_relay_end(&home);
}

static void option_history_meta_ttl(void **state)
{
    test_relay home;
    test_client *c;
    char first[128];
    (void)state;

    begin(&home);
    set_namespace(&home, "n:", 0, "history_size", "5", "history_ttl", "1m", "history_meta_ttl", "1h", NULL);
    publish(&home, "n:x", 3);
    test_relay_advance(&home, 1800000);
    c = test_client_enter(&home, "ann");
    assert_int_equal(test_client_command(c, "subscribe", "n:x", NULL), SRL_OK);
    (void)snprintf(first, sizeof(first), "%s", strstr(test_client_read(c), "\"offset\":3"));
    test_client_leave(c);
    test_relay_advance(&home, UINT64_C(3) * 3600000);
    c = test_client_enter(&home, "ann");
    asks(c, "subscribe", "n:x", NULL, "*\"offset\":0,*");
    test_relay_end(&home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seed_namespace_chat),
        cmocka_unit_test(seed_namespace_notification),
        cmocka_unit_test(seed_namespace_presence),
        cmocka_unit_test(seed_namespace_public),
        cmocka_unit_test(seed_namespace_personal),
        cmocka_unit_test(seed_namespace_custom_game_max_8),
        cmocka_unit_test(added_replaced_removed),
        cmocka_unit_test(the_longest_prefix_counts),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(presets_and_refinement),
        cmocka_unit_test(option_subscribe),
        cmocka_unit_test(option_anonymous),
        cmocka_unit_test(option_outside),
        cmocka_unit_test(option_room),
        cmocka_unit_test(option_recovery),
        cmocka_unit_test(option_positions),
        cmocka_unit_test(option_position_ttl),
        cmocka_unit_test(option_position_check),
        cmocka_unit_test(option_position_check_is_patient),
        cmocka_unit_test(option_data_format),
        cmocka_unit_test(option_channel_rate),
        cmocka_unit_test(option_channel_rate_is_fair),
        cmocka_unit_test(option_idle_lifetime),
        cmocka_unit_test(option_max_publish_bytes),
        cmocka_unit_test(option_history_meta_ttl),
    };

    return cmocka_run_group_tests_name("namespace_api", tests, NULL, NULL);
}
