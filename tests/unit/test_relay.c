#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>

#include "helpers/see.h"

static bool is_readable(const test_relay *home)
{
    struct pollfd p = {.fd = srl_relay_fd(home->relay), .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

/* ---- the loop */

static void count_post(srl_relay *relay, void *user)
{
    (void)relay;
    ++*(int *)user;
}

static void the_descriptor_is_readable_when_there_is_work(void **state)
{
    test_relay home;
    int count = 0;
    int fd;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "work_budget", "2", NULL), SRL_OK);
    fd = srl_relay_fd(home.relay);
    assert_true(fd >= 0);
    test_relay_process(&home);
    assert_false(is_readable(&home));
    for (int i = 0; i < 5; i++) {
        assert_int_equal(srl_relay_post(home.relay, count_post, &count), SRL_OK);
    }
    assert_true(is_readable(&home));
    assert_true(srl_relay_process(home.relay) > 0);
    assert_true(is_readable(&home)); /* level-triggered as long as work is left */
    test_relay_process(&home);
    assert_int_equal(count, 5);
    assert_false(is_readable(&home));
    assert_int_equal(srl_relay_fd(home.relay), fd);
    test_relay_end(&home);
}

static void next_timeout(void **state)
{
    test_relay home;
    test_client *c;
    int count = 0;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "connect_timeout", "700", NULL), SRL_OK);
    assert_int_equal(srl_relay_next_timeout_ms(home.relay), -1);
    c = test_client_open(&home);
    for (int i = 0; i < 20 && c->closes == 0; i++) {
        int32_t ms = srl_relay_next_timeout_ms(home.relay);

        assert_in_range(ms, 1, 700);
        fake_platform_advance(&home.platform, (uint64_t)ms - 1);
        test_relay_process(&home);
        assert_int_equal(c->closes, 0);
        fake_platform_advance(&home.platform, 1);
        assert_int_equal(srl_relay_next_timeout_ms(home.relay), 0);
        test_relay_process(&home);
    }
    see_closed(c, 3502, "stale");
    assert_int_equal(home.platform.now_ms, 1700);
    assert_int_equal(srl_relay_post(home.relay, count_post, &count), SRL_OK);
    assert_int_equal(srl_relay_next_timeout_ms(home.relay), 0);
    test_relay_process(&home);
    assert_int_equal(srl_relay_next_timeout_ms(home.relay), -1);
    test_relay_end(&home);
}

/* ---- posts */

typedef struct thread {
    pthread_t id;
    srl_relay *relay;
    int number;
} thread;

enum { THREADS = 4, POSTS = 500 };

static struct {
    int next[THREADS];
    int total;
} seen;

static void take_post(srl_relay *relay, void *user)
{
    uintptr_t what = (uintptr_t)user;

    assert_non_null(relay);
    assert_int_equal(what % POSTS, seen.next[what / POSTS]++); /* each thread's in its order */
    if (++seen.total == THREADS * POSTS) {
        srl_relay_stop(relay);
    }
}

static void *post_many(void *user)
{
    const thread *t = user;

    for (int i = 0; i < POSTS; i++) {
        if (srl_relay_post(t->relay, take_post, (void *)(uintptr_t)(t->number * POSTS + i)) != SRL_OK) {
            return (void *)t;
        }
    }
    return NULL;
}

static void posts_from_threads(void **state)
{
    thread threads[THREADS];
    srl_relay *relay;
    (void)state;

    memset(&seen, 0, sizeof(seen));
    assert_int_equal(srl_relay_create(NULL, &relay), SRL_OK);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = (thread){.relay = relay, .number = i};
        assert_int_equal(pthread_create(&threads[i].id, NULL, post_many, &threads[i]), 0);
    }
    assert_int_equal(srl_relay_run(relay), SRL_OK);
    for (int i = 0; i < THREADS; i++) {
        void *result;

        assert_int_equal(pthread_join(threads[i].id, &result), 0);
        assert_null(result);
    }
    assert_int_equal(seen.total, THREADS * POSTS);
    srl_relay_destroy(relay);
}

static void post_again(srl_relay *relay, void *user)
{
    int *left = user;

    if (relay != NULL && --*left > 0) {
        assert_int_equal(srl_relay_post(relay, post_again, user), SRL_OK);
    }
}

static void note_null(srl_relay *relay, void *user)
{
    int *nulls = user;

    *nulls += relay == NULL ? 1 : 1000;
}

static void destroy_it(srl_relay *relay, void *user)
{
    test_relay *home = user;

    assert_ptr_equal(relay, home->relay);
    test_relay_destroy(home);
}

static void posts_that_wait_when_the_relay_ends(void **state)
{
    test_relay home;
    int left = 100;
    int nulls = 0;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    assert_int_equal(srl_relay_post(home.relay, post_again, &left), SRL_OK);
    test_relay_process(&home);
    assert_int_equal(left, 0);
    assert_int_equal(srl_relay_post(home.relay, destroy_it, &home), SRL_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(srl_relay_post(home.relay, note_null, &nulls), SRL_OK);
    }
    assert_int_equal(srl_relay_process(home.relay), 0);
    assert_null(home.relay);
    assert_int_equal(nulls, 3);
    test_relay_end(&home);
}

static void process_inside_a_post(srl_relay *relay, void *user)
{
    ++*(int *)user;
    assert_int_equal(srl_relay_run(relay), SRL_ERR_STATE);
    (void)srl_relay_process(relay);
}

static void process_nests_and_run_does_not(void **state)
{
    test_relay home;
    int count = 0;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(srl_relay_post(home.relay, process_inside_a_post, &count), SRL_OK);
    }
    test_relay_process(&home);
    assert_int_equal(count, 10);
    test_relay_end(&home);
}

/* ---- turns */

static void one_write_per_session_and_turn(void **state)
{
    test_relay home;
    test_client *c[3];
    unsigned writes[3];
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    for (int i = 0; i < 3; i++) {
        c[i] = test_client_enter(&home, "u");
        assert_true(test_client_subscribe(c[i], "a"));
        assert_true(i == 2 || test_client_subscribe(c[i], "b"));
        writes[i] = c[i]->writes;
    }
    srl_relay_cork(home.relay);
    srl_relay_cork(home.relay);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(test_relay_publish(&home, i % 2 ? "a" : "b", "1"), SRL_OK);
    }
    test_client_command(c[0], "ping", "x", NULL);
    srl_relay_uncork(home.relay);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(c[i]->writes, writes[i]);
    }
    srl_relay_uncork(home.relay);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(c[i]->writes, writes[i] + 1);
    }
    assert_int_equal(c[0]->last_write, 12);
    assert_int_equal(c[1]->last_write, 10);
    assert_int_equal(c[2]->last_write, 5);
    test_relay_end(&home);
}

/* Frames of one room go to all of its members by the same reference. */
static void frames_are_shared(void **state)
{
    test_relay home;
    test_client *c[2];
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    for (int i = 0; i < 2; i++) {
        c[i] = test_client_enter(&home, "u");
        assert_true(test_client_subscribe(c[i], "a"));
        c[i]->keeps = true;
    }
    assert_int_equal(test_relay_publish(&home, "a", "1"), SRL_OK);
    assert_int_equal(c[0]->kept_count, 1);
    assert_ptr_equal(c[0]->kept[0], c[1]->kept[0]);
    test_relay_end(&home);
}

static void destroyed_while_corked(void **state)
{
    test_relay home;
    srl_relay *relay;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    relay = home.relay;
    srl_relay_cork(relay);
    test_client_command(c, "subscribe", "a", NULL);
    test_relay_destroy(&home);
    see_closed(c, 3001, "shutdown");
    srl_relay_uncork(relay);
    test_relay_end(&home);
}

/* ---- the end */

static void shut_down(srl_relay *relay, void *user)
{
    test_relay *home = user;

    assert_ptr_equal(relay, home->relay);
    home->questions += 100; /* counts the calls */
}

static void shutdown_tells_everybody(void **state)
{
    test_relay home;
    test_client *c[3];
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    c[0] = test_client_enter(&home, "u");
    c[1] = test_client_open(&home);
    c[2] = test_client_enter(&home, "v");
    home.questions = 0;
    assert_true(test_client_subscribe(c[0], "a"));
    c[0]->take = 0;
    assert_int_equal(test_relay_publish(&home, "a", "1"), SRL_OK);
    assert_int_equal(srl_relay_shutdown(home.relay, 3000, shut_down, &home), SRL_OK);
    assert_int_equal(srl_relay_shutdown(home.relay, 3000, shut_down, &home), SRL_ERR_STATE);
    for (int i = 1; i < 3; i++) {
        see(c[i],
            "{\"push\":{\"type\":\"disconnect\",\"data\":{\"code\":3001,\"reason\":\"shutdown\",\"reconnect\":true}}}");
        see_closed(c[i], 3001, "shutdown");
    }
    assert_null(test_client_open(&home));
    assert_int_equal(home.questions, 0);
    test_relay_advance(&home, 2000);
    assert_int_equal(c[0]->closes, 0);
    test_client_unblock(c[0]);
    see(c[0], "*\"data\":1*");
    see(c[0], "*3001*");
    see_closed(c[0], 3001, "shutdown");
    assert_int_equal(home.questions, 100);
    test_relay_advance(&home, 100000);
    assert_int_equal(home.questions, 100);
    test_relay_end(&home);
}

static void shutdown_does_not_wait_for_ever(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "close_timeout", "10s", NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    home.questions = 0;
    c->take = 0;
    assert_int_equal(srl_relay_shutdown(home.relay, 3000, shut_down, &home), SRL_OK);
    test_relay_advance(&home, 2999);
    assert_int_equal(c->closes, 0);
    test_relay_advance(&home, 1);
    see_closed(c, 3001, "shutdown");
    see_nothing(c);
    assert_int_equal(home.questions, 100);
    test_relay_end(&home);
}

static void shutdown_gives_the_whole_grace(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "close_timeout", "1s", NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    c->take = 0;
    assert_int_equal(srl_relay_shutdown(home.relay, 10000, shut_down, &home), SRL_OK);
    test_relay_advance(&home, 9999);
    assert_int_equal(c->closes, 0);
    test_client_unblock(c);
    see(c, "*3001*");
    see_closed(c, 3001, "shutdown");
    test_relay_end(&home);
}

static void shutdown_with_nobody_there(void **state)
{
    test_relay home;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    assert_int_equal(srl_relay_shutdown(home.relay, UINT64_MAX, shut_down, &home), SRL_OK);
    assert_int_equal(home.questions, 100);
    test_relay_end(&home);
}

static void destroy_when_shut_down(srl_relay *relay, void *user)
{
    destroy_it(relay, user);
}

static void destroyed_by_the_end_of_its_shutdown(void **state)
{
    (void)state;
    for (int gives_back = 0; gives_back < 2; gives_back++) {
        test_relay home;
        test_client *c;

        assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
        c = test_client_enter(&home, "u");
        c->gives_back = gives_back;
        assert_int_equal(srl_relay_shutdown(home.relay, 10, destroy_when_shut_down, &home), SRL_OK);
        assert_null(home.relay);
        see_closed(c, 3001, "shutdown");
        test_relay_end(&home);
    }
}

static void begin_shutdown(srl_relay *relay, void *user)
{
    assert_int_equal(srl_relay_shutdown(relay, 1000, NULL, NULL), SRL_OK);
    (void)user;
}

static void run_returns_after_stop_and_shutdown(void **state)
{
    srl_relay *relay;
    int count = 0;
    (void)state;

    assert_int_equal(srl_relay_create(NULL, &relay), SRL_OK);
    assert_int_equal(srl_relay_post(relay, count_post, &count), SRL_OK);
    assert_int_equal(srl_relay_post(relay, begin_shutdown, NULL), SRL_OK);
    assert_int_equal(srl_relay_run(relay), SRL_OK);
    assert_int_equal(count, 1);
    srl_relay_destroy(relay);
}

static void destroyed_while_it_runs(void **state)
{
    test_relay home;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    (void)test_client_enter(&home, "u");
    assert_int_equal(srl_relay_post(home.relay, destroy_it, &home), SRL_OK);
    assert_int_equal(srl_relay_run(home.relay), SRL_OK);
    assert_null(home.relay);
    test_relay_end(&home);
}

/* Handles live on until the host gives them back; nothing can be done with them but that. */
static void sessions_outlive_the_relay(void **state)
{
    test_relay home;
    test_client *c;
    size_t len;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    c = test_client_enter(&home, "ann");
    assert_true(test_client_subscribe(c, "a"));
    test_relay_destroy(&home);
    see_closed(c, 3001, "shutdown");
    assert_null(srl_session_relay(c->session));
    assert_ptr_equal(srl_session_user_data(c->session), c);
    assert_memory_equal(srl_session_user_id(c->session, &len), "ann", 3);
    assert_int_equal(srl_session_is_connected(c->session), 0);
    assert_int_equal(srl_session_channel_count(c->session), 0);
    assert_int_equal(srl_session_queued_bytes(c->session), 0);
    assert_int_equal(test_client_send(c, "{\"type\":\"ping\"}"), SRL_ERR_CLOSED);
    assert_int_equal(srl_session_writable(c->session), SRL_ERR_CLOSED);
    assert_int_equal(srl_session_set_expiry(c->session, 1), SRL_ERR_CLOSED);
    assert_int_equal(srl_session_unsubscribe(c->session, "a", 1, 0), SRL_ERR_CLOSED);
    srl_session_disconnect(c->session, 0, NULL, 0);
    assert_int_equal(c->closes, 1);
    test_relay_end(&home);
    srl_relay_destroy(NULL);
}

/* ---- making one */

static void options_that_contradict_each_other(void **state)
{
    test_relay home;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "ping_interval", "10s", "pong_timeout", "10s", NULL), SRL_ERR_OPTION_VALUE);
    test_relay_end(&home);
    assert_int_equal(TEST_RELAY(&home, "max_message_bytes", "64k", "max_input_bytes", "63k", NULL),
                     SRL_ERR_OPTION_VALUE);
    test_relay_end(&home);
}

static void no_randomness(void **state)
{
    test_relay home;
    (void)state;

    test_relay_init(&home);
    home.platform.fail_random = 1;
    assert_int_equal(test_relay_start(&home, NULL), SRL_ERR_SYSTEM);
    test_relay_end(&home);
}

static void numbers_of_a_relay(void **state)
{
    test_relay home;
    test_client *c;
    srl_stats stats = {.size = sizeof(stats)};
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    c = test_client_enter(&home, "u");
    (void)test_client_open(&home);
    assert_true(test_client_subscribe(c, "a"));
    assert_true(test_client_subscribe(c, "b"));
    assert_true(test_client_subscribe(test_client_enter(&home, "v"), "b"));
    assert_int_equal(test_relay_publish(&home, "b", "1"), SRL_OK);
    assert_int_equal(test_relay_publish(&home, "nobody", "1"), SRL_OK);
    fake_platform_advance(&home.platform, 50);
    assert_int_equal(srl_relay_stats(home.relay, &stats), SRL_OK);
    assert_int_equal(stats.rooms, 2);
    assert_int_equal(stats.sessions, 3);
    assert_int_equal(stats.subscriptions, 3);
    assert_int_equal(stats.publications, 1);
    assert_int_equal(stats.uptime_ms, 50);
    assert_true(stats.deliveries >= 2);
    srl_session_disconnect(c->session, 0, NULL, 0);
    assert_int_equal(srl_relay_stats(home.relay, &stats), SRL_OK);
    assert_int_equal(stats.rooms, 1);
    assert_int_equal(stats.sessions, 2);
    assert_int_equal(stats.subscriptions, 1);
    stats.size = 2;
    assert_int_equal(srl_relay_stats(home.relay, &stats), SRL_ERR_INVALID);
    test_relay_end(&home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_descriptor_is_readable_when_there_is_work),
        cmocka_unit_test(next_timeout),
        cmocka_unit_test(posts_from_threads),
        cmocka_unit_test(posts_that_wait_when_the_relay_ends),
        cmocka_unit_test(process_nests_and_run_does_not),
        cmocka_unit_test(one_write_per_session_and_turn),
        cmocka_unit_test(frames_are_shared),
        cmocka_unit_test(destroyed_while_corked),
        cmocka_unit_test(shutdown_tells_everybody),
        cmocka_unit_test(shutdown_does_not_wait_for_ever),
        cmocka_unit_test(shutdown_gives_the_whole_grace),
        cmocka_unit_test(shutdown_with_nobody_there),
        cmocka_unit_test(destroyed_by_the_end_of_its_shutdown),
        cmocka_unit_test(run_returns_after_stop_and_shutdown),
        cmocka_unit_test(destroyed_while_it_runs),
        cmocka_unit_test(sessions_outlive_the_relay),
        cmocka_unit_test(options_that_contradict_each_other),
        cmocka_unit_test(no_randomness),
        cmocka_unit_test(numbers_of_a_relay),
    };

    return cmocka_run_group_tests_name("relay", tests, NULL, NULL);
}
