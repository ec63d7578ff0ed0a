/* The event hook, counters, metrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/relay.h"
#include "helpers/broker_delay.h"
#include "helpers/rules.h"

typedef struct scene {
    test_relay home;
    event_log log;
} scene;

static void begin(scene *s)
{
    log_clear(&s->log);
    assert_int_equal(TEST_RELAY(&s->home, "publish_rate", "1", "publish_burst", "2", "max_queue_bytes", "2k",
                                "ping_interval", "0", "max_user_sessions", "2", "max_channels", "3", NULL),
                     SRL_OK);
    srl_relay_set_event_hook(s->home.relay, log_event, &s->log);
    set_namespace(&s->home, "chat:", SRL_NAMESPACE_CHAT, "max_publish_bytes", "10", "max_subscribers", "2", NULL);
    set_namespace(&s->home, "group:", SRL_NAMESPACE_CHAT, "room", "group", "presence", "false", "join_leave", "off",
                  NULL);
}

static void see_log(scene *s, const char *expected)
{
    assert_string_equal(s->log.text, expected);
    log_clear(&s->log);
}

static uint64_t times(const test_relay *home, srl_event_type type)
{
    srl_stats stats = {.size = sizeof(stats)};

    assert_int_equal(srl_relay_stats(home->relay, &stats), SRL_OK);
    return stats.events[type];
}

static void the_broker_goes_and_comes(void **state)
{
    scene s;
    (void)state;

    begin(&s);
    srl_node_report(&s.home.relay->node, 0);
    see_log(&s, "broker_down   0 \n");
    srl_node_report(&s.home.relay->node, 1);
    see_log(&s, "broker_up   0 \n");
    assert_int_equal(times(&s.home, SRL_EVENT_BROKER_DOWN), 1);
    assert_int_equal(times(&s.home, SRL_EVENT_BROKER_UP), 1);
    test_relay_end(&s.home);
}

static void each_event_once_in_order(void **state)
{
    scene s;
    test_client *ann;
    test_client *bob;
    (void)state;

    begin(&s);
    ann = test_client_enter(&s.home, "ann");
    see_log(&s, "connected  ann 0 \n");
    assert_true(test_client_subscribe(ann, "chat:x"));
    see_log(&s, "room_created chat:x  0 \nsubscribed chat:x ann 0 \njoin chat:x ann 0 \n");
    bob = test_client_enter(&s.home, "bob");
    assert_true(test_client_subscribe(bob, "chat:x"));
    see_log(&s, "connected  bob 0 \nsubscribed chat:x bob 0 \njoin chat:x bob 0 \n");
    assert_int_equal(test_client_command(bob, "publish", "chat:x", "{\"data\":\"SECRET\"}"), SRL_OK);
    see_log(&s, "published chat:x bob 0 \n");
    assert_int_equal(test_relay_publish(&s.home, "chat:x", "\"SECRET\""), SRL_OK);
    see_log(&s, "published chat:x  0 \n");
    assert_int_equal(test_client_command(bob, "unsubscribe", "chat:x", NULL), SRL_OK);
    see_log(&s, "unsubscribed chat:x bob 0 \nleave chat:x bob 0 \n");
    assert_int_equal(srl_session_unsubscribe(ann->session, TEXT("chat:x"), 0), SRL_OK);
    see_log(&s, "unsubscribed chat:x ann 2000 \nleave chat:x ann 0 \nroom_removed chat:x  0 \n");
    make_group(&s.home, "group:g");
    see_log(&s, "group_created group:g  0 \n");
    add_member(&s.home, "group:g", "ann");
    see_log(&s, "member_added group:g ann 0 \nroom_created group:g  0 \nsubscribed group:g ann 0 \n");
    remove_member(&s.home, "group:g", "ann");
    see_log(&s, "member_removed group:g ann 0 \nunsubscribed group:g ann 2000 \nroom_removed group:g  0 \n");
    done_now(SRL_OK, srl_room_delete, s.home.relay, TEXT("group:g"));
    see_log(&s, "group_deleted group:g  0 \n");
    done_now(SRL_ERR_NOT_FOUND, srl_room_delete, s.home.relay, TEXT("group:g"));
    see_log(&s, "");
    test_client_leave(bob);
    see_log(&s, "disconnected  bob 3000 connection closed\n");
    srl_session_disconnect(ann->session, 4001, TEXT("bye"));
    see_log(&s, "disconnected  ann 4001 bye\n");
    (void)test_client_open(&s.home);
    test_client_leave(s.home.clients); /* never connected: nothing to tell */
    see_log(&s, "");
    test_relay_end(&s.home);
}

static void limits(void **state)
{
    scene s;
    test_client *ann;
    test_client *bob;
    (void)state;

    begin(&s);
    ann = test_client_enter(&s.home, "ann");
    bob = test_client_enter(&s.home, "bob");
    assert_true(test_client_subscribe(ann, "chat:x"));
    assert_true(test_client_subscribe(bob, "chat:x"));
    test_client_skip(ann);
    log_clear(&s.log);
    asks(ann, "publish", "chat:x", "{\"data\":\"01234567890\"}", NO(107));
    see_log(&s, "limit_hit chat:x ann 0 max_publish_bytes\n");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(test_client_command(ann, "publish", "chat:x", SAY), SRL_OK);
    }
    see_log(&s, "published chat:x ann 0 \npublished chat:x ann 0 \nlimit_hit chat:x ann 0 publish_rate\n");
    (void)test_client_enter(&s.home, "ann");
    ann = test_client_enter(&s.home, "ann");
    see_log(&s, "connected  ann 0 \nlimit_hit  ann 0 max_user_sessions\n");
    ann = test_client_enter(&s.home, "cyd");
    log_clear(&s.log);
    asks(ann, "subscribe", "chat:x", NULL, NO(106));
    see_log(&s, "limit_hit chat:x cyd 0 max_subscribers\n");
    for (int i = 0; i < 3; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "c%d", i);
        assert_true(test_client_subscribe(ann, name));
    }
    log_clear(&s.log);
    asks(ann, "subscribe", "c4", NULL, NO(106));
    see_log(&s, "limit_hit c4 cyd 0 max_channels\n");
    test_relay_end(&s.home);
}

static void slow_clients(void **state)
{
    scene s;
    test_client *ann;
    (void)state;

    begin(&s);
    ann = test_client_enter(&s.home, "ann");
    assert_true(test_client_subscribe(ann, "x"));
    ann->take = 0;
    log_clear(&s.log);
    for (int i = 0; i < 60 && ann->closes == 0; i++) {
        srl_relay_set_event_hook(s.home.relay, i < 5 ? NULL : log_event, &s.log);
        assert_int_equal(test_relay_publish(&s.home, "x", "1"), SRL_OK);
    }
    see_closed(ann, 3008, "slow");
    assert_non_null(strstr(s.log.text, "slow_client  ann 3008 \ndisconnected  ann 3008 slow\nunsubscribed x ann 0 \n"));
    assert_int_equal(times(&s.home, SRL_EVENT_SLOW_CLIENT), 1);
    test_relay_end(&s.home);
}

/* A room that could not be opened has come and gone. */
static void rooms_that_fail_are_balanced(void **state)
{
    scene s;
    broker_delay broker;
    test_client *ann;
    (void)state;

    broker_delay_init(&broker, NULL);
    test_relay_init(&s.home);
    log_clear(&s.log);
    assert_int_equal(srl_options_set_broker(s.home.options, broker.broker), SRL_OK);
    assert_int_equal(test_relay_start(&s.home, NULL), SRL_OK);
    srl_relay_set_event_hook(s.home.relay, log_event, &s.log);
    ann = test_client_enter(&s.home, "ann");
    broker.error = SRL_ERR_BROKER_DOWN;
    broker.refuse = DELAY_SUBSCRIBE;
    asks(ann, "subscribe", "x", NULL, NO(100));
    assert_int_equal(times(&s.home, SRL_EVENT_ROOM_CREATED), times(&s.home, SRL_EVENT_ROOM_REMOVED));
    broker.refuse = 0;
    broker.fail = DELAY_SUBSCRIBE;
    asks(ann, "subscribe", "x", NULL, NO(100));
    assert_int_equal(times(&s.home, SRL_EVENT_ROOM_CREATED), times(&s.home, SRL_EVENT_ROOM_REMOVED));
    test_relay_end(&s.home);
    broker_delay_end(&broker);
}

/* ---- a hook that does everything */

typedef struct doer {
    test_relay *home;
    test_client *victim;
    int what;
    unsigned events;
    unsigned depth;
} doer;

enum { PUBLISH, CLOSE, DISCONNECT, NEW_SESSION, NO_HOOK, POLICY, DESTROY, LAST };

static void do_it(srl_relay *relay, const srl_event *event, void *user)
{
    doer *d = user;

    d->events++;
    assert_int_equal(d->depth, 0); /* never one inside the other */
    d->depth++;
    if (event->type == SRL_EVENT_SUBSCRIBED && d->home->relay != NULL) {
        switch (d->what) {
        case PUBLISH:
            assert_int_equal(test_relay_publish(d->home, "x", "\"from the hook\""), SRL_OK);
            break;
        case CLOSE:
            test_client_leave(d->victim);
            break;
        case DISCONNECT:
            assert_int_equal(srl_relay_disconnect_user(relay, TEXT("ann"), 0, NULL, 0), SRL_OK);
            break;
        case NEW_SESSION:
            if (d->events < 50) {
                test_client *c = test_client_enter(d->home, "new");

                (void)test_client_command(c, "subscribe", "y", NULL);
            }
            break;
        case NO_HOOK:
            srl_relay_set_event_hook(relay, NULL, NULL);
            break;
        case POLICY:
            srl_relay_set_permissions(relay, NULL);
            srl_relay_cork(relay);
            srl_relay_uncork(relay);
            break;
        default:
            test_relay_destroy(d->home);
            break;
        }
    }
    d->depth--;
}

static void the_hook_may_do_anything(void **state)
{
    for (int what = 0; what < LAST; what++) {
        test_relay home;
        doer d = {.home = &home, .what = what};
        test_client *ann;
        (void)state;

        assert_int_equal(TEST_RELAY(&home, "presence", "true", "join_leave", "both", NULL), SRL_OK);
        srl_relay_set_event_hook(home.relay, do_it, &d);
        ann = d.victim = test_client_enter(&home, "ann");
        (void)test_client_command(ann, "subscribe", "x", NULL);
        see(ann, YES);
        if (what == PUBLISH) {
            see(ann, "*\"type\":\"join\"*");
            see(ann, "*\"type\":\"join\"*");
            see(ann, "*\"from the hook\"*");
        }
        assert_true(d.events >= 2);
        test_relay_end(&home);
    }
}

static void too_many_events(void **state)
{
    scene s;
    srl_stats stats = {.size = sizeof(stats)};
    (void)state;

    log_clear(&s.log);
    assert_int_equal(TEST_RELAY(&s.home, "max_events", "3", NULL), SRL_OK);
    srl_relay_set_event_hook(s.home.relay, log_event, &s.log);
    srl_relay_cork(s.home.relay);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(test_relay_publish(&s.home, "x", "1"), SRL_OK);
    }
    assert_int_equal(s.log.count, 0);
    srl_relay_uncork(s.home.relay);
    assert_int_equal(s.log.count, 3);
    assert_int_equal(srl_relay_stats(s.home.relay, &stats), SRL_OK);
    assert_int_equal(stats.events_dropped, 2);
    assert_int_equal(stats.events[SRL_EVENT_PUBLISHED], 5); /* counted all the same */
    assert_int_equal(test_relay_publish(&s.home, "x", "1"), SRL_OK);
    assert_int_equal(s.log.count, 4);
    srl_relay_set_event_hook(s.home.relay, NULL, NULL);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(test_relay_publish(&s.home, "x", "1"), SRL_OK);
    }
    assert_int_equal(srl_relay_stats(s.home.relay, &stats), SRL_OK);
    assert_int_equal(stats.events_dropped, 2);
    assert_int_equal(stats.events[SRL_EVENT_PUBLISHED], 11);
    test_relay_end(&s.home);
}

static void names_of_events(void **state)
{
    (void)state;
#define CHECK(name, number, metric, text)                                                                              \
    assert_string_equal(srl_event_name(name), metric);                                                                 \
    assert_in_range(number, 1, SRL_STATS_EVENTS - 1);
    SRL_EVENT_MAP(CHECK)
#undef CHECK
    assert_string_equal(srl_event_name(0), "?");
    assert_string_equal(srl_event_name(18), "?");
    assert_string_equal(srl_event_name(UINT32_MAX), "?");
}

/* ---- numbers */

static void counters(void **state)
{
    test_relay home;
    test_client *ann;
    test_client *bob;
    srl_stats stats = {.size = sizeof(stats)};
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "ping_interval", "0", "history_size", "5", "idle_lifetime", "1m", NULL), SRL_OK);
    ann = test_client_enter(&home, "ann");
    bob = test_client_enter(&home, "bob");
    (void)test_client_enter(&home, "bob");
    (void)test_client_open(&home);
    assert_true(test_client_subscribe(ann, "x"));
    assert_true(test_client_subscribe(bob, "x"));
    assert_true(test_client_subscribe(bob, "y"));
    assert_int_equal(test_relay_publish(&home, "x", "1"), SRL_OK);
    assert_int_equal(test_relay_publish(&home, "nobody", "1"), SRL_OK);
    test_relay_advance(&home, 1500);
    assert_int_equal(srl_relay_stats(home.relay, &stats), SRL_OK);
    assert_int_equal(stats.rooms, 2);
    assert_int_equal(stats.sessions, 4);
    assert_int_equal(stats.users, 2);
    assert_int_equal(stats.subscriptions, 3);
    assert_int_equal(stats.publications, 1);
    assert_int_equal(stats.deliveries, 3 + 3 + 2); /* connect and subscribe replies, messages */
    assert_int_equal(stats.uptime_ms, 1500);
    assert_int_equal(stats.events[SRL_EVENT_CONNECTED], 3);
    assert_int_equal(test_client_command(bob, "unsubscribe", "y", NULL), SRL_OK);
    assert_int_equal(srl_relay_stats(home.relay, &stats), SRL_OK);
    assert_int_equal(stats.rooms, 1); /* an empty one that waits has no subscriber */
    assert_int_equal(stats.subscriptions, 2);
    test_client_leave(ann);
    test_client_leave(bob);
    assert_int_equal(srl_relay_stats(home.relay, &stats), SRL_OK);
    assert_int_equal(stats.rooms, 0);
    assert_int_equal(stats.sessions, 2);
    assert_int_equal(stats.users, 1);
    assert_int_equal(stats.subscriptions, 0);
    test_relay_end(&home);
}

static void stats_of_another_version(void **state)
{
    test_relay home;
    struct {
        srl_stats stats;
        char behind[8];
    } s;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    memset(&s, 0x5A, sizeof(s));
    s.stats.size = offsetof(srl_stats, subscriptions);
    assert_int_equal(srl_relay_stats(home.relay, &s.stats), SRL_OK);
    assert_int_equal(s.stats.size, offsetof(srl_stats, subscriptions));
    assert_int_equal(s.stats.rooms, 0);
    assert_int_equal(((unsigned char *)&s.stats.subscriptions)[0], 0x5A);
    s.stats.size = 3;
    assert_int_equal(srl_relay_stats(home.relay, &s.stats), SRL_ERR_INVALID);
    s.stats.size = sizeof(s);
    assert_int_equal(srl_relay_stats(home.relay, &s.stats), SRL_OK);
    assert_int_equal(s.behind[0], 0x5A);
    test_relay_end(&home);
}

static size_t name_len(const char *line)
{
    size_t len = 0;

    while (line[len] != '\0' && (strchr("abcdefghijklmnopqrstuvwxyz_", line[len]) != NULL)) {
        len++;
    }
    return len;
}

/* One sample: its name is that of the family whose HELP and TYPE came before. */
static void check_sample(const char *line, const char *family)
{
    const char *at = line + name_len(line);
    char *end;

    assert_int_equal(strncmp(line, "streamrelay_", 12), 0);
    assert_int_equal(name_len(line), strlen(family));
    assert_memory_equal(line, family, strlen(family));
    if (*at == '{') {
        at = strstr(at, "\"}");
        assert_non_null(at);
        at += 2;
    }
    assert_int_equal(*at, ' ');
    assert_true(at[1] >= '0' && at[1] <= '9');
    (void)strtoull(at + 1, &end, 10);
    assert_int_equal(*end, '\0');
}

static void metrics_line_by_line(void **state)
{
    test_relay home;
    char *text;
    char *line;
    char *rest;
    char family[64] = "";
    char typed[64] = "";
    unsigned samples = 0;
    size_t len;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    assert_true(test_client_subscribe(test_client_enter(&home, "ann"), "x"));
    len = srl_relay_metrics(home.relay, NULL, 0);
    text = malloc(len + 1);
    assert_non_null(text);
    memset(text, 'x', len + 1);
    assert_int_equal(srl_relay_metrics(home.relay, text, len), len); /* no room for the zero */
    assert_string_equal(text, "");
    assert_int_equal(srl_relay_metrics(home.relay, text, 1), len);
    assert_string_equal(text, "");
    assert_int_equal(srl_relay_metrics(home.relay, text, len + 1), len);
    assert_int_equal(strlen(text), len);
    assert_int_equal(text[len - 1], '\n');
    assert_non_null(strstr(text, "\nstreamrelay_rooms 1\n"));
    assert_non_null(strstr(text, "\nstreamrelay_events_total{type=\"connected\"} 1\n"));
    assert_non_null(strstr(text, "streamrelay_build_info{version=\"" SRL_VERSION "\"} 1\n"));
    for (line = text; *line != '\0'; line = rest) {
        rest = strchr(line, '\n');
        assert_non_null(rest);
        *rest++ = '\0';
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_in_range(name_len(line + 7), 13, sizeof(family) - 1);
            assert_null(strstr(family, line)); /* each family once */
            (void)snprintf(family, sizeof(family), "%.*s", (int)name_len(line + 7), line + 7);
            assert_int_equal(line[7 + strlen(family)], ' ');
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            const char *type = line + 7 + strlen(family);

            assert_memory_equal(line + 7, family, strlen(family));
            assert_true(strcmp(type, " counter") == 0 || strcmp(type, " gauge") == 0);
            memcpy(typed, family, sizeof(typed));
            assert_int_equal(strcmp(type, " counter") == 0,
                             strstr(family, "_total") != NULL || strstr(family, "uptime"));
        } else {
            assert_string_equal(typed, family);
            check_sample(line, family);
            samples++;
        }
    }
    assert_int_equal(samples, 9 + 17);
    free(text);
    test_relay_end(&home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_event_once_in_order),
        cmocka_unit_test(the_broker_goes_and_comes),
        cmocka_unit_test(limits),
        cmocka_unit_test(slow_clients),
        cmocka_unit_test(rooms_that_fail_are_balanced),
        cmocka_unit_test(the_hook_may_do_anything),
        cmocka_unit_test(too_many_events),
        cmocka_unit_test(names_of_events),
        cmocka_unit_test(counters),
        cmocka_unit_test(stats_of_another_version),
        cmocka_unit_test(metrics_line_by_line),
    };

    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
