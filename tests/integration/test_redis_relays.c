/* Whole relays, with clients, that meet through Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <streamrelay/error.h>
#include <streamrelay/redis_broker.h>

#include "helpers/redis_server.h"
#include "helpers/rules.h"

typedef struct world {
    srl_test_redis server;
    srl_broker *broker;
    test_relay a;
    test_relay b;
} world;

static void run(world *w, int ms)
{
    struct timespec moment = {.tv_sec = 0, .tv_nsec = 1000000};
    for (int i = 0; i < ms; i++) {
        test_relay_advance(&w->a, 1);
        test_relay_advance(&w->b, 1);
        nanosleep(&moment, NULL);
    }
}

static world *begin(const srl_redis_broker_config *config)
{
    world *w = calloc(1, sizeof(*w));
    srl_redis_options *options;
    char url[96];
    assert_non_null(w);
    if (!srl_test_redis_start(&w->server, NULL)) {
        exit(77);
    }
    int len = snprintf(url, sizeof(url), "redis://127.0.0.1:%u?command_timeout=1s&backoff_max=200ms",
                       (unsigned)w->server.port);
    assert_int_equal(srl_redis_options_create(url, (size_t)len, &options), SRL_OK);
    assert_int_equal(srl_redis_broker_create(options, config, &w->broker), SRL_OK);
    srl_redis_options_destroy(options);
    for (int i = 0; i < 2; i++) {
        test_relay *home = i == 0 ? &w->a : &w->b;
        test_relay_init(home);
        assert_int_equal(srl_options_set_broker(home->options, w->broker), SRL_OK);
        assert_int_equal(test_relay_start(home, "history_size", "10", "idle_lifetime", "1m", NULL), SRL_OK);
    }
    run(w, 300);
    return w;
}

static void end(world *w)
{
    test_relay_end(&w->a);
    test_relay_end(&w->b);
    srl_broker_release(w->broker);
    srl_test_redis_stop(&w->server);
    free(w);
}

/* The next frame, waiting for it. */
static const char *next(world *w, test_client *client)
{
    const char *text = NULL;
    for (int i = 0; i < 5000 && (text = test_client_read(client)) == NULL; i++) {
        run(w, 1);
    }
    return text;
}

static void see_next(world *w, test_client *client, const char *pattern)
{
    const char *text = next(w, client);
    if (text == NULL || !test_text_matches(pattern, text)) {
        print_error("expected %s\nfound    %s\n", pattern, text == NULL ? "nothing" : text);
        fail();
    }
}

static void a_false_position_is_its_owners_problem(void **state)
{
    world *w = begin(NULL);
    test_client *ann = test_client_enter(&w->a, "ann");
    test_client *eve = test_client_enter(&w->b, "eve");
    (void)state;
    test_client_command(ann, "subscribe", "x", NULL);
    see_next(w, ann, YES);
    test_relay_publish(&w->a, "x", "1");
    see_next(w, ann, MESSAGE);
    test_client_command(eve, "subscribe", "x", "{\"recover\":true,\"offset\":1,\"epoch\":\"9000000000000000\"}");
    see_next(w, eve, "*\"recovered\":false*");
    test_relay_publish(&w->a, "x", "2");
    see_next(w, ann, MESSAGE);
    see_next(w, eve, MESSAGE);
    end(w);
}

static void the_first_direct_message_arrives(void **state)
{
    world *w = begin(NULL);
    (void)state;
    set_namespace(&w->a, "dm:", 0, "room", "direct", "history_size", "10", NULL);
    set_namespace(&w->b, "dm:", 0, "room", "direct", "history_size", "10", NULL);
    test_client *ann = test_client_enter(&w->a, "ann");
    test_client *bob = test_client_enter(&w->b, "bob");
    run(w, 100);
    assert_int_equal(test_relay_publish(&w->a, "dm:ann,bob", "{\"hello\":1}"), SRL_OK);
    see_next(w, ann, IN);
    see_next(w, ann, MESSAGE);
    see_next(w, bob, IN);
    see_next(w, bob, MESSAGE);
    end(w);
}

static void clients_stay_connected_while_redis_is_away(void **state)
{
    srl_redis_broker_config config;
    (void)state;
    srl_redis_broker_config_init(&config, sizeof(config));
    config.away_wait_ms = 500;
    world *w = begin(&config);
    set_namespace(&w->a, "p:", 0, "presence", "true", "join_leave", "both", NULL);
    test_client *ann = test_client_enter(&w->a, "ann");
    test_client *bob = test_client_enter(&w->a, "bob");
    test_client_command(ann, "subscribe", "p:x", NULL);
    see_next(w, ann, YES);
    run(w, 100);
    srl_test_redis_kill(&w->server);
    run(w, 200);
    test_client_command(bob, "subscribe", "p:x", NULL);
    run(w, 1500);
    assert_int_equal(bob->closes, 0);
    end(w);
}

/* Another epoch, but the same channel. */
static void unread_counts_go_on_over_a_restart(void **state)
{
    world *w = begin(NULL);
    (void)state;
    set_namespace(&w->a, "n:", 0, "history_size", "3", "positions", "ack", "publish", "true", NULL);
    test_client *ann = test_client_enter(&w->a, "ann");
    test_client_command(ann, "subscribe", "n:x", NULL);
    see_next(w, ann, YES);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(test_relay_publish(&w->a, "n:x", "1"), SRL_OK);
        see_next(w, ann, MESSAGE);
    }
    test_client_command(ann, "ack", "n:x", "{\"offset\":2}");
    see_next(w, ann, YES);
    srl_test_redis_command(&w->server, "SAVE", NULL, 0);
    srl_test_redis_restart(&w->server);
    run(w, 1000);
    assert_int_equal(test_relay_publish(&w->a, "n:x", "1"), SRL_OK);
    run(w, 300);
    test_client_skip(ann);
    test_client_command(ann, "unread", "n:x", NULL);
    see_next(w, ann, "*\"unread\":3,*");
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_false_position_is_its_owners_problem),
        cmocka_unit_test(the_first_direct_message_arrives),
        cmocka_unit_test(clients_stay_connected_while_redis_is_away),
        cmocka_unit_test(unread_counts_go_on_over_a_restart),
    };
    return cmocka_run_group_tests_name("redis_relays", tests, NULL, NULL);
}
