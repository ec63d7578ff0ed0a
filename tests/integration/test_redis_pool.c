#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helpers/fake_redis.h"
#include "helpers/fault_proxy.h"
#include "helpers/redis_client.h"
#include "helpers/redis_server.h"

static srl_test_redis server;

static srl_redis_pool *open_pool(uint16_t port, const char *query)
{
    srl_redis_options *options = test_options(port, query);
    srl_redis_pool *pool = NULL;
    assert_int_equal(srl_redis_pool_create(options, &pool), SRL_OK);
    srl_redis_options_destroy(options);
    return pool;
}

static srl_redis_pool_stats stats_of(srl_redis_pool *pool)
{
    srl_redis_pool_stats stats = {.size = sizeof(stats)};
    assert_int_equal(srl_redis_pool_stats_get(pool, &stats), SRL_OK);
    return stats;
}

static srl_redis_conn *borrow(srl_redis_pool *pool)
{
    srl_redis_conn *conn = NULL;
    assert_int_equal(srl_redis_pool_acquire(pool, SRL_REDIS_DEFAULT_TIMEOUT, &conn), SRL_OK);
    return conn;
}

static int ask2(srl_redis_conn *conn, const char *verb, const char *argument, const srl_reply **reply)
{
    const char *argv[] = {verb, argument};
    return srl_redis_command(conn, argument != NULL ? 2 : 1, argv, NULL, reply);
}

static void in_step(srl_redis_conn *conn, const char *nonce)
{
    const srl_reply *reply;
    assert_int_equal(ask2(conn, "ECHO", nonce, &reply), SRL_OK);
    assert_true(srl_reply_equals(reply, SRL_REPLY_ROOT, nonce, strlen(nonce)));
}

static void sleep_ms(long ms)
{
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
}

static void connections_are_lent_again(void **state)
{
    (void)state;
    srl_redis_pool *pool = open_pool(server.port, "pool_max=3");
    assert_int_equal(stats_of(pool).opened, 0);
    for (int i = 0; i < 10; i++) {
        srl_redis_conn *conn = borrow(pool);
        in_step(conn, "one");
        srl_redis_pool_release(pool, conn);
    }
    srl_redis_conn *a = borrow(pool), *b = borrow(pool), *c = borrow(pool), *d = NULL;
    assert_int_equal(stats_of(pool).opened, 3);
    assert_int_equal(stats_of(pool).lent, 3);
    assert_int_equal(srl_redis_pool_acquire(pool, 30, &d), SRL_ERR_TIMEOUT);
    assert_null(d);
    assert_int_equal(stats_of(pool).timeouts, 1);
    srl_redis_pool_release(pool, b);
    assert_int_equal(srl_redis_pool_acquire(pool, 0, &b), SRL_OK);
    srl_redis_pool_release(pool, a);
    srl_redis_pool_release(pool, b);
    srl_redis_pool_release(pool, c);
    assert_int_equal(stats_of(pool).idle, 3);
    assert_int_equal(stats_of(pool).hits, 9 + 1 + 1);
    srl_redis_pool_destroy(pool);
}

/* What a borrower left behind never reaches the next one. */
static void what_is_not_clean_is_not_lent_again(void **state)
{
    const srl_reply *reply;
    const char *echo[] = {"ECHO", "left behind"};
    srl_redis_pool *pool = open_pool(server.port, "pool_max=1");
    (void)state;
    srl_redis_conn *conn = borrow(pool);
    assert_int_equal(srl_redis_append(conn, 2, echo, NULL), SRL_OK);
    srl_redis_pool_release(pool, conn);
    assert_int_equal(stats_of(pool).idle, 0);
    conn = borrow(pool);
    in_step(conn, "fresh");
    assert_int_equal(ask2(conn, "MULTI", NULL, &reply), SRL_OK);
    srl_redis_pool_release(pool, conn);
    conn = borrow(pool);
    in_step(conn, "fresh");
    assert_int_equal(ask2(conn, "SELECT", "5", &reply), SRL_OK);
    srl_redis_pool_release(pool, conn);
    conn = borrow(pool);
    assert_int_equal(ask2(conn, "WATCH", "k", &reply), SRL_OK);
    assert_int_equal(ask2(conn, "MULTI", NULL, &reply), SRL_OK);
    assert_int_equal(ask2(conn, "EXEC", NULL, &reply), SRL_OK);
    srl_redis_pool_release(pool, conn); /* this one is clean again */
    assert_int_equal(stats_of(pool).idle, 1);
    assert_int_equal(stats_of(pool).closed, 3);
    srl_redis_pool_destroy(pool);
}

static void a_transaction_does_not_go_on_over_another_connection(void **state)
{
    const srl_reply *reply;
    srl_redis_options *options = test_options(server.port, "");
    srl_redis_conn *conn;
    (void)state;
    assert_int_equal(srl_redis_connect(options, &conn), SRL_OK);
    assert_int_equal(ask2(conn, "MULTI", NULL, &reply), SRL_OK);
    srl_test_redis_command(&server, "CLIENT KILL TYPE normal", NULL, 0);
    int error = ask2(conn, "INCR", "once", &reply);
    assert_true(error == SRL_ERR_OUTCOME_UNKNOWN || error == SRL_ERR_CLOSED || error == SRL_ERR_REDIS_CONNECT);
    assert_int_equal(ask2(conn, "INCR", "once", &reply), SRL_ERR_CLOSED);
    srl_redis_close(conn);
    srl_redis_options_destroy(options);
}

static void dead_connections_are_found_when_borrowed(void **state)
{
    (void)state;
    srl_redis_pool *pool = open_pool(server.port, "pool_max=4");
    srl_redis_conn *conns[4];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 4; i++) {
            conns[i] = borrow(pool);
            in_step(conns[i], "alive");
        }
        for (int i = 0; i < 4; i++) {
            srl_redis_pool_release(pool, conns[i]);
        }
        srl_test_redis_command(&server, "CLIENT KILL TYPE normal", NULL, 0);
        sleep_ms(20);
    }
    srl_redis_conn *conn = borrow(pool);
    in_step(conn, "new");
    assert_true(stats_of(pool).stale >= 5);
    srl_redis_pool_release(pool, conn);
    srl_redis_pool_destroy(pool);
}

/* The socket looks well, but the server gives no answer, or somebody else's. */
static void a_connection_out_of_step_fails_its_check(void **state)
{
    static const srl_test_step script[] = {
        FAKE_ACCEPT,
        FAKE_HELLO,
        FAKE_EXPECT("GET a"),
        FAKE_SEND("$1\r\nx\r\n"),
        FAKE_PREFIX("ECHO "),
        FAKE_SEND("$5\r\nother\r\n"),
        FAKE_SWALLOW,
        FAKE_ACCEPT,
        FAKE_HELLO,
        FAKE_EXPECT("GET b"),
        FAKE_SEND("$1\r\ny\r\n"),
        FAKE_SEND("$1\r\nz\r\n"),
        FAKE_SWALLOW,
        FAKE_ACCEPT,
        FAKE_HELLO,
        FAKE_EXPECT("GET c"),
        FAKE_SEND("$1\r\nw\r\n"),
    };
    srl_test_fake fake;
    const srl_reply *reply;
    (void)state;
    srl_test_fake_start(&fake, script, sizeof(script) / sizeof(script[0]));
    srl_redis_pool *pool = open_pool(fake.port, "client_info=false&pool_check=0&pool_max=1");
    static const char *const names[] = {"a", "b", "c"};
    static const char *const values[] = {"x", "y", "w"};
    for (int i = 0; i < 3; i++) {
        srl_redis_conn *conn = borrow(pool);
        assert_int_equal(ask2(conn, "GET", names[i], &reply), SRL_OK);
        assert_true(srl_reply_equals(reply, SRL_REPLY_ROOT, values[i], 1));
        srl_redis_pool_release(pool, conn);
        sleep_ms(30);
    }
    srl_redis_pool_destroy(pool);
    srl_test_fake_stop(&fake);
}

static void age_and_idleness_end_connections(void **state)
{
    (void)state;
    srl_redis_pool *pool = open_pool(server.port, "pool_max=4&pool_min=2&pool_idle_timeout=40ms");
    assert_int_equal(srl_redis_pool_maintain(pool), SRL_OK);
    assert_int_equal(stats_of(pool).idle, 2);
    srl_redis_conn *conns[4];
    for (int i = 0; i < 4; i++) {
        conns[i] = borrow(pool);
    }
    for (int i = 0; i < 4; i++) {
        srl_redis_pool_release(pool, conns[i]);
    }
    assert_int_equal(stats_of(pool).idle, 4);
    sleep_ms(60);
    assert_int_equal(srl_redis_pool_maintain(pool), SRL_OK);
    assert_int_equal(stats_of(pool).idle, 2);
    srl_redis_pool_destroy(pool);
    pool = open_pool(server.port, "pool_max=2&pool_lifetime=50ms");
    srl_redis_conn *conn = borrow(pool);
    srl_redis_pool_release(pool, conn);
    assert_int_equal(stats_of(pool).idle, 1);
    sleep_ms(60);
    conn = borrow(pool);
    assert_int_equal(stats_of(pool).opened, 2);
    srl_redis_pool_drop(pool); /* the lent one as well, when it comes back */
    srl_redis_pool_release(pool, conn);
    assert_int_equal(stats_of(pool).idle, 0);
    srl_redis_pool_destroy(pool);
}

static void dedicated_connections_are_counted_apart(void **state)
{
    const srl_reply *reply;
    const char *pop[] = {"BLPOP", "nothing", "0.05"};
    srl_redis_conn *a, *b;
    (void)state;
    srl_redis_pool *pool = open_pool(server.port, "pool_max=1");
    srl_redis_conn *conn = borrow(pool);
    assert_int_equal(srl_redis_pool_acquire_dedicated(pool, &a), SRL_OK);
    assert_int_equal(srl_redis_pool_acquire_dedicated(pool, &b), SRL_OK);
    assert_int_equal(srl_redis_command_timeout(a, 2000, 0, 3, pop, NULL, &reply), SRL_OK);
    assert_int_equal(stats_of(pool).dedicated, 2);
    assert_int_equal(stats_of(pool).lent, 1);
    srl_redis_pool_release(pool, a);
    srl_redis_pool_release(pool, b);
    srl_redis_pool_release(pool, conn);
    assert_int_equal(stats_of(pool).dedicated, 0);
    assert_int_equal(stats_of(pool).idle, 1);
    srl_redis_pool_destroy(pool);
}

/* ---- threads */

typedef struct line {
    srl_redis_pool *pool;
    uint32_t number;
    uint64_t timeout_ms;
    int error;
    atomic_uint *order; /* who was served when */
    uint32_t place;
} line;

static void *stand_in_line(void *argument)
{
    line *l = argument;
    srl_redis_conn *conn = NULL;
    l->error = srl_redis_pool_acquire(l->pool, l->timeout_ms, &conn);
    if (l->error == SRL_OK) {
        l->place = atomic_fetch_add(l->order, 1);
        srl_redis_pool_release(l->pool, conn);
    }
    return NULL;
}

static void who_waits_longest_is_served_first(void **state)
{
    enum { COUNT = 6 };
    pthread_t threads[COUNT];
    line lines[COUNT];
    atomic_uint order;
    (void)state;
    atomic_init(&order, 0);
    srl_redis_pool *pool = open_pool(server.port, "pool_max=1");
    srl_redis_conn *conn = borrow(pool);
    for (uint32_t i = 0; i < COUNT; i++) {
        lines[i] = (line){.pool = pool, .number = i, .timeout_ms = 10000, .order = &order};
        assert_int_equal(pthread_create(&threads[i], NULL, stand_in_line, &lines[i]), 0);
        while (stats_of(pool).waiting != i + 1) {
            sleep_ms(1);
        }
    }
    srl_redis_pool_release(pool, conn);
    for (uint32_t i = 0; i < COUNT; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(lines[i].error, SRL_OK);
        assert_int_equal(lines[i].place, i);
    }
    assert_int_equal(stats_of(pool).opened, 1);
    srl_redis_pool_destroy(pool);
}

static void a_place_is_passed_on_when_the_connection_is_not(void **state)
{
    const srl_reply *reply;
    pthread_t thread;
    atomic_uint order;
    (void)state;
    atomic_init(&order, 0);
    srl_redis_pool *pool = open_pool(server.port, "pool_max=1");
    srl_redis_conn *conn = borrow(pool);
    line l = {.pool = pool, .timeout_ms = 10000, .order = &order};
    assert_int_equal(ask2(conn, "MULTI", NULL, &reply), SRL_OK);
    assert_int_equal(pthread_create(&thread, NULL, stand_in_line, &l), 0);
    while (stats_of(pool).waiting != 1) {
        sleep_ms(1);
    }
    srl_redis_pool_release(pool, conn);
    pthread_join(thread, NULL);
    assert_int_equal(l.error, SRL_OK);
    assert_int_equal(stats_of(pool).opened, 2);
    srl_redis_pool_destroy(pool);
}

static void closing_ends_waiting_and_spares_what_is_lent(void **state)
{
    pthread_t thread;
    atomic_uint order;
    (void)state;
    atomic_init(&order, 0);
    srl_redis_pool *pool = open_pool(server.port, "pool_max=1");
    srl_redis_conn *conn = borrow(pool), *other;
    line l = {.pool = pool, .timeout_ms = 10000, .order = &order};
    assert_int_equal(pthread_create(&thread, NULL, stand_in_line, &l), 0);
    while (stats_of(pool).waiting != 1) {
        sleep_ms(1);
    }
    srl_redis_pool_destroy(pool);
    pthread_join(thread, NULL);
    assert_int_equal(l.error, SRL_ERR_CLOSED);
    assert_int_equal(srl_redis_pool_acquire(pool, 10, &other), SRL_ERR_CLOSED);
    in_step(conn, "still mine");
    srl_redis_pool_release(pool, conn); /* frees the pool */
}

static void a_failed_connect_leaves_the_pool_as_it_was(void **state)
{
    srl_redis_conn *conn;
    srl_test_proxy proxy;
    (void)state;
    srl_test_proxy_start(&proxy, server.port);
    atomic_store(&proxy.refuse, true);
    srl_redis_pool *pool = open_pool(proxy.port, "pool_max=2");
    for (int i = 0; i < 5; i++) {
        int error = srl_redis_pool_acquire(pool, 1000, &conn);
        assert_true(error == SRL_ERR_REDIS_CONNECT);
        assert_null(conn);
    }
    assert_int_equal(stats_of(pool).failed, 5);
    assert_int_equal(stats_of(pool).lent, 0);
    srl_test_proxy_heal(&proxy);
    conn = borrow(pool);
    in_step(conn, "works");
    srl_redis_pool_release(pool, conn);
    srl_redis_pool_destroy(pool);
    srl_test_proxy_stop(&proxy);
}

typedef struct worker {
    srl_redis_pool *pool;
    uint32_t number;
    uint32_t rounds;
    uint32_t right, wrong, failed;
} worker;

static void *work(void *argument)
{
    worker *w = argument;
    for (uint32_t i = 0; i < w->rounds; i++) {
        srl_redis_conn *conn = NULL;
        const srl_reply *reply;
        char nonce[32];
        snprintf(nonce, sizeof(nonce), "w%u-%u", w->number, i);
        if (srl_redis_pool_acquire(w->pool, 10000, &conn) != SRL_OK) {
            w->failed++;
            continue;
        }
        const char *echo[] = {"ECHO", nonce};
        int error = srl_redis_command(conn, 2, echo, NULL, &reply);
        if (error != SRL_OK) {
            w->failed++;
        } else if (srl_reply_equals(reply, SRL_REPLY_ROOT, nonce, strlen(nonce))) {
            w->right++;
        } else {
            w->wrong++;
        }
        if (i % 13 == 0) {
            (void)srl_redis_append(conn, 2, echo, NULL); /* left behind: must never be seen again */
        }
        srl_redis_pool_release(w->pool, conn);
    }
    return NULL;
}

static void many_threads_never_get_the_reply_of_another(void **state)
{
    enum { COUNT = 8 };
    pthread_t threads[COUNT];
    worker workers[COUNT];
    (void)state;
    srl_test_proxy proxy;
    srl_test_proxy_start(&proxy, server.port);
    srl_redis_pool *pool = open_pool(proxy.port, "pool_max=3&pool_check=0&host=localhost");
    uint32_t right = 0, failed = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        workers[i] = (worker){.pool = pool, .number = i, .rounds = 150};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 10; i++) {
        sleep_ms(20);
        srl_test_proxy_cut(&proxy);
        if (i == 5) {
            srl_redis_pool_drop(pool);
        }
        (void)srl_redis_pool_maintain(pool);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].wrong, 0);
        right += workers[i].right;
        failed += workers[i].failed;
    }
    assert_true(right > COUNT * 150 / 2);
    assert_int_equal(right + failed, COUNT * 150);
    assert_int_equal(stats_of(pool).lent, 0);
    srl_redis_pool_destroy(pool);
    srl_test_proxy_stop(&proxy);
}

static void a_child_after_fork_begins_anew(void **state)
{
    (void)state;
    srl_redis_pool *pool = open_pool(server.port, "pool_max=2");
    srl_redis_conn *lent = borrow(pool), *idle = borrow(pool);
    in_step(lent, "before");
    srl_redis_pool_release(pool, idle);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        srl_redis_conn *conn = NULL;
        const srl_reply *reply;
        srl_redis_pool_release(pool, lent);
        bool good = srl_redis_pool_acquire(pool, 2000, &conn) == SRL_OK &&
                    ask2(conn, "ECHO", "child", &reply) == SRL_OK &&
                    srl_reply_equals(reply, SRL_REPLY_ROOT, "child", 5);
        good = good && stats_of(pool).lent == 1;
        srl_redis_pool_release(pool, conn);
        srl_redis_pool_destroy(pool);
        _exit(good ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    in_step(lent, "after");
    srl_redis_pool_release(pool, lent);
    srl_redis_conn *conn = borrow(pool);
    in_step(conn, "parent");
    srl_redis_pool_release(pool, conn);
    assert_int_equal(stats_of(pool).stale, 0);
    assert_int_equal(stats_of(pool).opened, 2);
    srl_redis_pool_destroy(pool);
}

static void options_that_contradict_each_other_are_refused(void **state)
{
    srl_redis_options *options = test_options(server.port, "pool_min=5&pool_max=2");
    srl_redis_pool *pool = NULL;
    (void)state;
    assert_int_equal(srl_redis_pool_create(options, &pool), SRL_ERR_OPTION_VALUE);
    srl_redis_options_destroy(options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_lent_again),
        cmocka_unit_test(what_is_not_clean_is_not_lent_again),
        cmocka_unit_test(a_transaction_does_not_go_on_over_another_connection),
        cmocka_unit_test(dead_connections_are_found_when_borrowed),
        cmocka_unit_test(a_connection_out_of_step_fails_its_check),
        cmocka_unit_test(age_and_idleness_end_connections),
        cmocka_unit_test(dedicated_connections_are_counted_apart),
        cmocka_unit_test(who_waits_longest_is_served_first),
        cmocka_unit_test(a_place_is_passed_on_when_the_connection_is_not),
        cmocka_unit_test(closing_ends_waiting_and_spares_what_is_lent),
        cmocka_unit_test(a_failed_connect_leaves_the_pool_as_it_was),
        cmocka_unit_test(many_threads_never_get_the_reply_of_another),
        cmocka_unit_test(a_child_after_fork_begins_anew),
        cmocka_unit_test(options_that_contradict_each_other_are_refused),
    };
    if (!srl_test_redis_start(&server, NULL)) {
        printf("no redis-server: skipped\n");
        return 77;
    }
    int failed = cmocka_run_group_tests_name("redis_pool", tests, NULL, NULL);
    srl_test_redis_stop(&server);
    return failed;
}
