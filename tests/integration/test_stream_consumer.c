/* Consumers of a group against a real server: one that dies, restarts of consumer and server, dead letters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <streamrelay/error.h>
#include <streamrelay/redis.h>
#include <streamrelay/stream_call.h>
#include <streamrelay/stream_consumer.h>

#include "helpers/redis_server.h"

#define LIT(text) (text), sizeof(text) - 1

enum { MAX_ENTRIES = 20000 };

static srl_test_redis server;
static uint32_t protocol;

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static srl_redis_conn *connect_to_server(void)
{
    char url[160];
    srl_redis_options *options = NULL;
    srl_redis_conn *conn = NULL;
    int len = snprintf(url, sizeof(url), "redis://127.0.0.1:%u?protocol=%u&backoff_min=5ms&backoff_max=50ms",
                       (unsigned)server.port, (unsigned)protocol);
    assert_int_equal(srl_redis_options_create(url, (size_t)len, &options), 0);
    assert_int_equal(srl_redis_connect(options, &conn), 0);
    srl_redis_options_destroy(options);
    return conn;
}

static void options_of(srl_stream_consumer_options *o, const char *name)
{
    srl_stream_consumer_options_init(o, sizeof(*o));
    o->key = "s";
    o->group = "g";
    o->key_len = o->group_len = 1;
    o->consumer = name;
    o->consumer_len = strlen(name);
    o->block_ms = 50;
    o->claim_idle_ms = 100;
    o->claim_interval_ms = 20;
    o->backoff_min_ms = 5;
    o->backoff_max_ms = 50;
    o->batch = 16;
}

/* ---- a book of all that was handed out */

typedef struct book {
    pthread_mutex_t lock;
    uint32_t handed_out[MAX_ENTRIES]; /* by the number in the entry */
    uint32_t unmarked;                /* repeats that were not marked as such */
    uint32_t repeats;
    atomic_uint done; /* different entries */
    atomic_bool is_over;
} book;

static book *shared;

static int setup(void **state)
{
    (void)state;
    shared = calloc(1, sizeof(*shared));
    assert_non_null(shared);
    pthread_mutex_init(&shared->lock, NULL);
    char line[64];
    srl_test_redis_command(&server, "FLUSHALL", line, sizeof(line));
    assert_string_equal(line, "+OK");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pthread_mutex_destroy(&shared->lock);
    free(shared);
    return 0;
}

static uint32_t number_of(const srl_stream_delivery *d)
{
    const char *value = NULL;
    size_t len = 0;
    assert_int_equal(srl_stream_entry_get(&d->entry, LIT("n"), &value, &len), 0);
    char text[16] = {0};
    assert_in_range(len, 1, sizeof(text) - 1);
    memcpy(text, value, len);
    unsigned long n = strtoul(text, NULL, 10);
    assert_in_range(n, 0, MAX_ENTRIES - 1);
    return (uint32_t)n;
}

static void write_down(const srl_stream_delivery *d)
{
    uint32_t n = number_of(d);
    pthread_mutex_lock(&shared->lock);
    if (shared->handed_out[n]++ == 0) {
        atomic_fetch_add(&shared->done, 1);
    } else {
        shared->repeats++;
        shared->unmarked += d->is_repeated ? 0 : 1;
    }
    pthread_mutex_unlock(&shared->lock);
}

/* XADD of a number under an id that it decides, so that trying again adds it once. False if it did not get through. */
static bool add(srl_redis_conn *conn, srl_command *command, uint32_t n)
{
    char text[16];
    snprintf(text, sizeof(text), "%u", (unsigned)n);
    srl_stream_field field = {LIT("n"), text, strlen(text)};
    srl_stream_add_request r;
    srl_stream_add_request_init(&r, sizeof(r));
    r.key = "s";
    r.key_len = 1;
    srl_stream_point_set(&r.id, SRL_STREAM_ID, n + 1, 0);
    r.fields = &field;
    r.field_count = 1;
    int error = srl_stream_add(conn, command, &r, NULL);
    return error == 0 || error == SRL_ERR_REDIS; /* there already */
}

static void add_range(srl_redis_conn *conn, uint32_t from, uint32_t to)
{
    srl_command *command = NULL;
    assert_int_equal(srl_command_create(NULL, &command), 0);
    for (uint32_t n = from; n < to; n++) {
        assert_true(add(conn, command, n));
    }
    srl_command_free(command);
}

static void expect_nothing_pending(srl_redis_conn *conn)
{
    srl_stream_pending_summary summary;
    assert_int_equal(srl_stream_pending(conn, NULL, LIT("s"), LIT("g"), &summary), 0);
    assert_true(summary.count == 0);
}

static srl_stream_consumer_stats stats_of(const srl_stream_consumer *consumer)
{
    srl_stream_consumer_stats s = {.size = sizeof(s)};
    assert_int_equal(srl_stream_consumer_stats_get(consumer, &s), 0);
    return s;
}

static void ack(srl_stream_consumer *consumer, const srl_stream_delivery *d)
{
    assert_int_equal(srl_stream_consumer_ack(consumer, &d->entry.id), 0);
}

/* ---- one dies */

static void run_one_dies(void)
{
    srl_redis_conn *conn_a = connect_to_server();
    srl_redis_conn *conn_b = connect_to_server();
    srl_stream_consumer_options o;
    srl_stream_consumer *a = NULL;
    srl_stream_consumer *b = NULL;
    srl_stream_delivery d = {.size = sizeof(d)};
    add_range(conn_a, 0, 100);
    options_of(&o, "a");
    assert_int_equal(srl_stream_consumer_create(&o, &a), 0);
    options_of(&o, "b");
    assert_int_equal(srl_stream_consumer_create(&o, &b), 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(srl_stream_consumer_poll(a, conn_a, 1000, &d), 1);
        assert_int_equal(d.is_repeated, 0);
        assert_true(d.deliveries == 1);
        write_down(&d);
        if (i < 4) {
            ack(a, &d);
        }
    }
    assert_int_equal(srl_stream_consumer_flush(a, conn_a), 0);
    assert_true(stats_of(a).acked == 4 && stats_of(a).in_flight == 6);
    srl_stream_consumer_destroy(a); /* with 12 pending: 6 that it had, and 6 it did not come to */
    srl_redis_close(conn_a);
    uint32_t repeated = 0;
    int got = 0;
    for (int quiet = 0; quiet < 4;) {
        got = srl_stream_consumer_poll(b, conn_b, 100, &d);
        assert_true(got >= 0);
        quiet = got == 0 ? quiet + 1 : 0;
        if (got == 1) {
            write_down(&d);
            repeated += d.is_repeated;
            assert_true(d.deliveries == (d.is_repeated ? 2u : 1u));
            ack(b, &d);
        }
    }
    assert_int_equal(srl_stream_consumer_flush(b, conn_b), 0);
    assert_int_equal(atomic_load(&shared->done), 100);
    assert_int_equal(shared->unmarked, 0);
    assert_int_equal(shared->repeats, 6);
    assert_int_equal(repeated, 12);
    assert_true(stats_of(b).claimed == 12);
    expect_nothing_pending(conn_b);
    srl_stream_consumer_destroy(b);
    srl_redis_close(conn_b);
}

static void test_one_dies_resp2(void **state)
{
    (void)state;
    protocol = 2;
    run_one_dies();
}

static void test_one_dies_resp3(void **state)
{
    (void)state;
    protocol = 3;
    run_one_dies();
}

/* ---- the same consumer comes back */

static void test_comes_back(void **state)
{
    (void)state;
    protocol = 3;
    srl_redis_conn *conn = connect_to_server();
    srl_stream_consumer_options o;
    srl_stream_consumer *c = NULL;
    srl_stream_delivery d = {.size = sizeof(d)};
    add_range(conn, 0, 5);
    options_of(&o, "a");
    o.claim_idle_ms = 0;
    assert_int_equal(srl_stream_consumer_create(&o, &c), 0);
    for (uint32_t n = 0; n < 5; n++) {
        assert_int_equal(srl_stream_consumer_poll(c, conn, 1000, &d), 1);
        assert_int_equal(number_of(&d), n);
    }
    assert_int_equal(srl_stream_consumer_poll(c, conn, 0, &d), 0);
    srl_stream_consumer_destroy(c);
    srl_stream_id deleted = {2, 0};
    assert_int_equal(srl_stream_del(conn, NULL, LIT("s"), &deleted, 1, NULL), 0);
    add_range(conn, 5, 6);
    assert_int_equal(srl_stream_consumer_create(&o, &c), 0);
    const uint32_t expected[] = {0, 2, 3, 4, 5};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(srl_stream_consumer_poll(c, conn, 1000, &d), 1);
        assert_int_equal(number_of(&d), expected[i]);
        assert_int_equal(d.is_repeated, i < 4);
        assert_true(d.deliveries == (i < 4 ? 2u : 1u));
        ack(c, &d);
    }
    assert_int_equal(srl_stream_consumer_flush(c, conn), 0);
    assert_true(stats_of(c).deleted == 1);
    expect_nothing_pending(conn);
    srl_stream_consumer_destroy(c);
    srl_redis_close(conn);
}

/* ---- dead letters */

static void test_dead_letters(void **state)
{
    (void)state;
    protocol = 3;
    srl_redis_conn *conn = connect_to_server();
    srl_stream_consumer_options o;
    srl_stream_consumer *c = NULL;
    srl_stream_delivery d = {.size = sizeof(d)};
    add_range(conn, 0, 3);
    options_of(&o, "a");
    o.claim_idle_ms = 20;
    o.max_deliveries = 3;
    o.dead_letter_key = "dead";
    o.dead_letter_key_len = 4;
    assert_int_equal(srl_stream_consumer_create(&o, &c), 0);
    uint32_t seen[3] = {0};
    for (int quiet = 0; quiet < 5;) {
        int got = srl_stream_consumer_poll(c, conn, 30, &d);
        assert_true(got >= 0);
        quiet = got == 0 ? quiet + 1 : 0;
        if (got == 1 && number_of(&d) == 1) {
            assert_true(d.deliveries == ++seen[1]);
            assert_int_equal(srl_stream_consumer_release(c, &d.entry.id), 0); /* cannot be dealt with */
        } else if (got == 1) {
            seen[number_of(&d)]++;
            ack(c, &d);
        }
    }
    assert_true(seen[0] == 1 && seen[1] == 3 && seen[2] == 1);
    assert_true(stats_of(c).dead == 1);
    srl_stream_list list;
    srl_stream_range_request range;
    srl_stream_range_request_init(&range, sizeof(range));
    range.key = "dead";
    range.key_len = 4;
    assert_int_equal(srl_stream_range(conn, NULL, &range, &list), 0);
    srl_stream_entry entry;
    const char *value = NULL;
    size_t len = 0;
    assert_int_equal(list.count, 1);
    assert_int_equal(srl_stream_next_entry(&list, &entry), 1);
    assert_int_equal(srl_stream_entry_get(&entry, LIT("id"), &value, &len), 0);
    assert_int_equal(len, 3);
    assert_memory_equal(value, "2-0", 3);
    assert_int_equal(srl_stream_entry_get(&entry, LIT("source"), &value, &len), 0);
    assert_memory_equal(value, "s", 1);
    assert_int_equal(srl_stream_entry_get(&entry, LIT("deliveries"), &value, &len), 0);
    assert_memory_equal(value, "3", 1);
    assert_int_equal(srl_stream_entry_get(&entry, LIT("n"), &value, &len), 0);
    assert_memory_equal(value, "1", 1);
    expect_nothing_pending(conn);
    srl_stream_consumer_destroy(c);
    srl_redis_close(conn);
}

/* ---- errors that do not pass */

static void test_key_of_another_type(void **state)
{
    (void)state;
    protocol = 3;
    srl_redis_conn *conn = connect_to_server();
    const char *set[] = {"SET", "s", "x"};
    assert_int_equal(srl_redis_command(conn, 3, set, NULL, NULL), 0);
    srl_stream_consumer_options o;
    srl_stream_consumer *c = NULL;
    srl_stream_delivery d = {.size = sizeof(d)};
    options_of(&o, "a");
    assert_int_equal(srl_stream_consumer_create(&o, &c), 0);
    assert_int_equal(srl_stream_consumer_poll(c, conn, 1000, &d), SRL_ERR_REDIS);
    assert_non_null(strstr(srl_stream_consumer_last_error(c), "WRONGTYPE"));
    const char *del[] = {"DEL", "s"};
    assert_int_equal(srl_redis_command(conn, 2, del, NULL, NULL), 0);
    assert_int_equal(srl_stream_consumer_poll(c, conn, 200, &d), 0);
    add_range(conn, 0, 1);
    assert_int_equal(srl_stream_consumer_poll(c, conn, 1000, &d), 1);
    assert_true(stats_of(c).groups_made == 1);
    srl_stream_consumer_destroy(c);
    srl_redis_close(conn);
}

/* ---- the server loses everything */

static void test_server_that_forgets(void **state)
{
    (void)state;
    protocol = 2;
    srl_redis_conn *conn = connect_to_server();
    srl_redis_conn *other = connect_to_server();
    srl_stream_consumer_options o;
    srl_stream_consumer *c = NULL;
    srl_stream_delivery d = {.size = sizeof(d)};
    options_of(&o, "a");
    o.start.kind = SRL_STREAM_END;
    add_range(conn, 0, 3); /* before the group began: not for it */
    assert_int_equal(srl_stream_consumer_create(&o, &c), 0);
    assert_int_equal(srl_stream_consumer_poll(c, conn, 0, &d), 0);
    add_range(other, 3, 4);
    assert_int_equal(srl_stream_consumer_poll(c, conn, 1000, &d), 1);
    assert_int_equal(number_of(&d), 3);
    const char *flush[] = {"FLUSHALL"};
    assert_int_equal(srl_redis_command(other, 1, flush, NULL, NULL), 0);
    assert_int_equal(srl_stream_consumer_poll(c, conn, 300, &d), 0);
    add_range(other, 0, 1);
    assert_int_equal(srl_stream_consumer_poll(c, conn, 1000, &d), 1);
    assert_int_equal(number_of(&d), 0);
    assert_true(stats_of(c).groups_made == 2);
    srl_stream_consumer_destroy(c);
    srl_redis_close(conn);
    srl_redis_close(other);
}

/* ---- restarts of the server, with consumers and a producer at work */

typedef struct worker {
    pthread_t thread;
    const char *name;
    srl_stream_consumer_stats stats;
} worker;

static void *work(void *user)
{
    worker *me = user;
    srl_redis_conn *conn = connect_to_server();
    srl_stream_consumer_options o;
    srl_stream_consumer *c = NULL;
    srl_stream_delivery d = {.size = sizeof(d)};
    options_of(&o, me->name);
    o.claim_idle_ms = 500;
    assert_int_equal(srl_stream_consumer_create(&o, &c), 0);
    while (!atomic_load(&shared->is_over)) {
        int got = srl_stream_consumer_poll(c, conn, 50, &d);
        if (got < 0) {
            fail_msg("poll: %s, %s", srl_error_name(got), srl_stream_consumer_last_error(c));
        }
        if (got == 1) {
            write_down(&d);
            ack(c, &d);
        }
    }
    for (int tries = 0; tries < 50 && srl_stream_consumer_flush(c, conn) != 0; tries++) {
        sleep_ms(50);
    }
    me->stats = stats_of(c);
    srl_stream_consumer_destroy(c);
    srl_redis_close(conn);
    return NULL;
}

static void *produce(void *user)
{
    uint32_t count = *(const uint32_t *)user;
    srl_redis_conn *conn = connect_to_server();
    srl_command *command = NULL;
    assert_int_equal(srl_command_create(NULL, &command), 0);
    for (uint32_t n = 0; n < count; n++) {
        while (!add(conn, command, n)) {
            sleep_ms(5);
        }
    }
    srl_command_free(command);
    srl_redis_close(conn);
    return NULL;
}

static void test_server_restarts(void **state)
{
    (void)state;
    enum { WORKERS = 2, RESTARTS = 3 };
    protocol = 3;
    uint32_t count = 6000;
    worker workers[WORKERS] = {{.name = "a"}, {.name = "b"}};
    pthread_t producer;
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    assert_int_equal(pthread_create(&producer, NULL, produce, &count), 0);
    for (int i = 0; i < RESTARTS; i++) {
        sleep_ms(150);
        srl_test_redis_kill(&server);
        srl_test_redis_restart(&server);
    }
    assert_int_equal(pthread_join(producer, NULL), 0);
    for (int turn = 0; turn < 300 && atomic_load(&shared->done) < count; turn++) {
        sleep_ms(50);
    }
    atomic_store(&shared->is_over, true);
    uint64_t failures = 0;
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        failures += workers[i].stats.failures;
    }
    printf("%u entries, %u handed out again, all of these marked but %u, %u failures\n", (unsigned)count,
           (unsigned)shared->repeats, (unsigned)shared->unmarked, (unsigned)failures);
    assert_int_equal(atomic_load(&shared->done), count);
    assert_int_equal(shared->unmarked, 0);
    assert_true(failures > 0);
    srl_redis_conn *conn = connect_to_server();
    uint64_t len = 0;
    assert_int_equal(srl_stream_len(conn, NULL, LIT("s"), &len), 0);
    assert_true(len == count);
    expect_nothing_pending(conn);
    srl_redis_close(conn);
}

/* Connections that are cut, again and again. */
static void test_cut_connections(void **state)
{
    (void)state;
    protocol = 2;
    uint32_t count = 3000;
    worker workers[1] = {{.name = "a"}};
    pthread_t producer;
    assert_int_equal(pthread_create(&workers[0].thread, NULL, work, &workers[0]), 0);
    assert_int_equal(pthread_create(&producer, NULL, produce, &count), 0);
    for (int i = 0; i < 40; i++) {
        char line[64];
        sleep_ms(10);
        srl_test_redis_command(&server, "CLIENT KILL TYPE normal SKIPME yes", line, sizeof(line));
    }
    assert_int_equal(pthread_join(producer, NULL), 0);
    for (int turn = 0; turn < 200 && atomic_load(&shared->done) < count; turn++) {
        sleep_ms(50);
    }
    atomic_store(&shared->is_over, true);
    assert_int_equal(pthread_join(workers[0].thread, NULL), 0);
    assert_int_equal(atomic_load(&shared->done), count);
    assert_int_equal(shared->unmarked, 0);
    /* A single consumer that lives hands nothing out twice. */
    assert_int_equal(shared->repeats, 0);
}

/* ---- over a non-blocking client */

typedef struct driver {
    srl_stream_consumer *consumer;
    srl_redis_client *client;
    srl_command *command;
    bool is_sent;
} driver;

static void on_answer(int error, const srl_reply *reply, void *user)
{
    driver *me = user;
    srl_stream_delivery d = {.size = sizeof(d)};
    me->is_sent = false;
    assert_true(srl_stream_consumer_answer(me->consumer, error, reply) >= 0);
    while (srl_stream_consumer_entry(me->consumer, &d) == 1) {
        write_down(&d);
        ack(me->consumer, &d);
    }
}

static void drive(driver *me)
{
    uint64_t time = 0;
    if (!me->is_sent && srl_stream_consumer_next(me->consumer, UINT64_MAX, me->command, &time) == 1) {
        me->is_sent = true;
        assert_int_equal(srl_redis_client_send(me->client, me->command, 0, time, on_answer, me, NULL), 0);
    }
}

static void test_non_blocking(void **state)
{
    (void)state;
    protocol = 3;
    srl_redis_conn *conn = connect_to_server();
    srl_redis_options *options = NULL;
    srl_redis_loop *loop = NULL;
    srl_stream_consumer_options o;
    driver me = {NULL, NULL, NULL, false};
    char url[64];
    int len = snprintf(url, sizeof(url), "redis://127.0.0.1:%u", (unsigned)server.port);
    assert_int_equal(srl_redis_options_create(url, (size_t)len, &options), 0);
    assert_int_equal(srl_redis_loop_create(options, &loop), 0);
    assert_int_equal(srl_redis_client_create(loop, options, NULL, NULL, &me.client), 0);
    srl_redis_options_destroy(options);
    options_of(&o, "a");
    assert_int_equal(srl_stream_consumer_create(&o, &me.consumer), 0);
    assert_int_equal(srl_command_create(NULL, &me.command), 0);
    add_range(conn, 0, 200);
    for (int turn = 0; turn < 2000; turn++) {
        srl_stream_consumer_stats s = stats_of(me.consumer);
        if (s.acked == 200) {
            break;
        }
        drive(&me);
        assert_true(srl_redis_loop_run_once(loop, 20) >= 0);
    }
    assert_int_equal(atomic_load(&shared->done), 200);
    assert_int_equal(shared->repeats, 0);
    expect_nothing_pending(conn);
    srl_redis_loop_destroy(loop);
    srl_command_free(me.command);
    srl_stream_consumer_destroy(me.consumer);
    srl_redis_close(conn);
}

static int group_setup(void **state)
{
    (void)state;
    static const char *const options[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
    if (!srl_test_redis_start(&server, options)) {
        printf("no redis-server: skipped\n");
        exit(77);
    }
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    srl_test_redis_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_dies_resp2, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_dies_resp3, setup, teardown),
        cmocka_unit_test_setup_teardown(test_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dead_letters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_of_another_type, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_that_forgets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_restarts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(test_non_blocking, setup, teardown),
    };
    return cmocka_run_group_tests_name("stream_consumer", tests, group_setup, group_teardown);
}
