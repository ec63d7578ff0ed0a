/* Names, descriptors, ends in the middle of things, and memory that runs out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "helpers/fail_alloc.h"
#include "helpers/redis_client.h"
#include "helpers/redis_server.h"

#define QUICK      TEST_QUICK
#define open_ready test_open_ready

static srl_test_redis server;

static int resolve_to_three(const char *host, srl_redis_lookup *lookup, void *user)
{
    (void)host;
    (void)user;
    assert_int_equal(srl_redis_lookup_add(lookup, "127.0.0.2"), SRL_OK);
    assert_int_equal(srl_redis_lookup_add(lookup, "::1"), SRL_OK);
    assert_int_equal(srl_redis_lookup_add(lookup, "127.0.0.1"), SRL_OK);
    srl_redis_lookup_finish(lookup, 0);
    return 0;
}

static void dns_with_several_addresses(void **state)
{
    srl_redis_options *options = test_options(server.port, "host=three.example");
    srl_redis_resolver resolver;
    srl_redis_conn *conn;
    (void)state;
    srl_redis_resolver_init(&resolver, sizeof(resolver));
    resolver.resolve = resolve_to_three;
    assert_int_equal(srl_redis_options_set_resolver(options, &resolver), SRL_OK);
    assert_int_equal(srl_redis_connect(options, &conn), SRL_OK);
    srl_redis_close(conn);
    srl_redis_options_destroy(options);
}

static void a_lookup_may_be_given_up(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        srl_test_client c;
        test_client_open(&c, server.port, "host=localhost");
        for (int turns = 0; turns < i % 5; turns++) {
            (void)srl_redis_loop_run_once(c.loop, 1);
        }
        test_client_close(&c);
    }
}

static void descriptors_are_closed_on_exec(void **state)
{
    enum { MOST = 128 };
    bool before[MOST];
    uint32_t opened = 0;
    srl_test_client c;
    (void)state;
    for (int fd = 0; fd < MOST; fd++) {
        before[fd] = fcntl(fd, F_GETFD) >= 0;
    }
    open_ready(&c, server.port, QUICK);
    for (int fd = 0; fd < MOST; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags >= 0 && !before[fd]) {
            assert_true((flags & FD_CLOEXEC) != 0);
            opened++;
        }
    }
    assert_true(opened >= 2);
    test_client_close(&c);
    for (int fd = 0; fd < MOST; fd++) {
        assert_int_equal(fcntl(fd, F_GETFD) >= 0, before[fd]);
    }
}

typedef struct bomb {
    srl_test_client *c;
    uint32_t answers;
} bomb;

static void reconnect_in_callback(int error, const srl_reply *reply, void *user)
{
    bomb *b = user;
    (void)error;
    (void)reply;
    b->answers++;
    srl_redis_client_reconnect(b->c->client);
}

static void async_teardown(void **state)
{
    srl_test_client c;
    bomb b = {&c, 0};
    const char *argv[] = {"PING"};
    (void)state;
    open_ready(&c, server.port, QUICK);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(srl_redis_client_command(c.client, 1, argv, NULL, 0, SRL_REDIS_DEFAULT_TIMEOUT,
                                                  reconnect_in_callback, &b, NULL),
                         SRL_OK);
    }
    assert_true(test_wait(c.loop, &b.answers, 20, 10000));
    assert_true(test_wait(c.loop, &c.ready, 2, 5000));
    test_in_step(&c);
    test_client_close(&c);
}

/* ---- memory */

static int use_all(srl_redis_options *options)
{
    srl_redis_conn *conn;
    const srl_reply *reply;
    const char *set[] = {"SET", "memory", "v"};
    const char *get[] = {"GET", "memory"};
    int error = srl_redis_connect(options, &conn);
    if (error != SRL_OK) {
        return error;
    }
    for (int i = 0; i < 3 && error == SRL_OK; i++) {
        error = srl_redis_command_timeout(conn, SRL_REDIS_DEFAULT_TIMEOUT, SRL_REDIS_IDEMPOTENT, 3, set, NULL, &reply);
        error = error == SRL_OK ? srl_redis_append(conn, 2, get, NULL) : error;
        error = error == SRL_OK ? srl_redis_next_reply(conn, &reply) : error;
    }
    srl_redis_close(conn);
    return error;
}

static void every_allocation_of_a_blocking_connection_may_fail(void **state)
{
    srl_test_alloc alloc;
    int error = SRL_ERR_NOMEM;
    uint64_t nth = 0;
    (void)state;
    while (error != SRL_OK && ++nth < 500) {
        srl_redis_options *options = test_options(server.port, "client_name=x&db=1");
        srl_test_alloc_init(&alloc);
        assert_int_equal(srl_redis_options_set_allocator(options, &alloc.table), SRL_OK);
        srl_test_alloc_fail(&alloc, alloc.calls + nth, false);
        error = use_all(options);
        assert_true(error == SRL_OK || error == SRL_ERR_NOMEM || error == SRL_ERR_OUTCOME_UNKNOWN);
        srl_redis_options_destroy(options);
        srl_test_alloc_check_empty(&alloc);
        error = alloc.failures > 0 ? SRL_ERR_NOMEM : error;
    }
    assert_int_equal(error, SRL_OK);
    assert_true(nth > 10);
}

typedef struct heard {
    uint32_t messages, settled, ready;
} heard;

static void on_message(const srl_redis_message *message, void *user)
{
    (void)message;
    ((heard *)user)->messages++;
}

static void on_settled(int error, const char *text, void *user)
{
    (void)text;
    ((heard *)user)->settled += error == SRL_OK;
}

/* A client and a subscriber on one loop: a call fails, or works in spite of what went wrong. */
static int hear_oneself(srl_redis_options *options, heard *h)
{
    static const char lua[] = "return redis.call('PUBLISH', KEYS[1], ARGV[1])";
    srl_redis_loop *loop;
    srl_redis_client *client;
    srl_redis_pubsub *pubsub;
    srl_redis_pubsub_handlers handlers;
    srl_redis_script *script = NULL;
    srl_test_reply reply = {0};
    const char *argv[] = {"memory", "x"};
    memset(h, 0, sizeof(*h));
    srl_redis_pubsub_handlers_init(&handlers, sizeof(handlers));
    handlers.message = on_message;
    handlers.user = h;
    int error = srl_redis_loop_create(options, &loop);
    if (error != SRL_OK) {
        return error;
    }
    error = srl_redis_script_create(options, lua, sizeof(lua) - 1, &script);
    error = error == SRL_OK ? srl_redis_client_create(loop, options, NULL, NULL, &client) : error;
    error = error == SRL_OK ? srl_redis_pubsub_create(loop, options, &handlers, &pubsub) : error;
    if (error == SRL_OK) {
        error = srl_redis_pubsub_subscribe(pubsub, SRL_REDIS_CHANNEL, 1, argv, NULL, on_settled, h);
    }
    if (error == SRL_OK) {
        assert_true(test_wait(loop, &h->settled, 1, 5000));
        error = srl_redis_client_call(client, script, NULL, 1, 2, argv, NULL, SRL_REDIS_IDEMPOTENT | SRL_REDIS_RETRY,
                                      SRL_REDIS_DEFAULT_TIMEOUT, test_on_reply, &reply, NULL);
    }
    if (error == SRL_OK) {
        assert_true(test_wait(loop, &reply.answers, 1, 10000));
        error = reply.error;
        if (error == SRL_OK) {
            (void)test_wait(loop, &h->messages, 1, 1000);
        }
    }
    srl_redis_loop_destroy(loop);
    srl_redis_script_destroy(script);
    return error;
}

static void every_allocation_of_a_loop_may_fail(void **state)
{
    srl_test_alloc alloc;
    heard h;
    bool failed = true;
    uint64_t nth = 0;
    (void)state;
    while (failed && ++nth < 500) {
        srl_redis_options *options = test_options(server.port, QUICK);
        srl_test_alloc_init(&alloc);
        assert_int_equal(srl_redis_options_set_allocator(options, &alloc.table), SRL_OK);
        srl_test_redis_command(&server, "SCRIPT FLUSH", NULL, 0);
        srl_test_alloc_fail(&alloc, alloc.calls + nth, false);
        int error = hear_oneself(options, &h);
        assert_true(error == SRL_OK || error == SRL_ERR_NOMEM || error == SRL_ERR_REDIS ||
                    error == SRL_ERR_OUTCOME_UNKNOWN);
        failed = alloc.failures > 0;
        assert_true(failed || (error == SRL_OK && h.messages == 1));
        srl_redis_options_destroy(options);
        srl_test_alloc_check_empty(&alloc);
    }
    assert_false(failed);
    assert_true(nth > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dns_with_several_addresses),
        cmocka_unit_test(a_lookup_may_be_given_up),
        cmocka_unit_test(descriptors_are_closed_on_exec),
        cmocka_unit_test(async_teardown),
        cmocka_unit_test(every_allocation_of_a_blocking_connection_may_fail),
        cmocka_unit_test(every_allocation_of_a_loop_may_fail),
    };
    if (!srl_test_redis_start(&server, NULL)) {
        printf("no redis-server: skipped\n");
        return 77;
    }
    int failed = cmocka_run_group_tests_name("redis_teardown", tests, NULL, NULL);
    srl_test_redis_stop(&server);
    return failed;
}
