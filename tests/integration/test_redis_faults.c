/* One test per row of the list of faults that a client of a single server must survive. Each ends on the invariant:
 * an ECHO of a new number returns that number, or the connection is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "helpers/fake_redis.h"
#include "helpers/fault_proxy.h"
#include "helpers/redis_client.h"
#include "helpers/random.h"
#include "helpers/redis_server.h"

#define QUICK         TEST_QUICK
#define open_ready    test_open_ready
#define STEPS(script) script, sizeof(script) / sizeof(script[0])

static srl_test_redis server;

static void admin(const char *line)
{
    srl_test_redis_command(&server, line, NULL, 0);
}

static srl_redis_client_stats stats_of(const srl_test_client *c)
{
    srl_redis_client_stats stats = {.size = sizeof(stats)};
    assert_int_equal(srl_redis_client_stats_get(c->client, &stats), SRL_OK);
    return stats;
}

static void turn_for(srl_test_client *c, uint32_t ms)
{
    uint64_t until = test_now_ms() + ms;
    while (test_now_ms() < until) {
        (void)srl_redis_loop_run_once(c->loop, 5);
    }
}

/* ---- partial reads and writes, cuts */

static void partial_read_and_write(void **state)
{
    srl_test_proxy proxy;
    srl_test_client c;
    srl_test_reply reply;
    static char line[480];
    (void)state;
    srl_test_proxy_start(&proxy, server.port);
    atomic_store(&proxy.every_byte, true);
    open_ready(&c, proxy.port, QUICK);
    memset(line, 'x', sizeof(line) - 1);
    memcpy(line, "ECHO ", 5);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(test_do(&c, line, &reply), SRL_OK);
        assert_int_equal(strlen(reply.text), 250);
        test_in_step(&c);
    }
    assert_int_equal(c.lost, 0);
    test_client_close(&c);
    srl_test_proxy_stop(&proxy);
}

/* More than any socket's buffer, to a server that does not read for a while. */
static void partial_write_of_much(void **state)
{
    enum { COUNT = 40, SIZE = 500000 };
    srl_test_client c;
    static srl_test_reply replies[COUNT];
    char *data = malloc(SIZE);
    (void)state;
    assert_non_null(data);
    memset(data, 'y', SIZE);
    memset(replies, 0, sizeof(replies));
    open_ready(&c, server.port, QUICK);
    srl_test_redis_pause(&server);
    const char *argv[] = {"SET", "large", data};
    const size_t lens[] = {3, 5, SIZE};
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(srl_redis_client_command(c.client, 3, argv, lens, 0, SRL_REDIS_DEFAULT_TIMEOUT, test_on_reply,
                                                  &replies[i], NULL),
                         SRL_OK);
    }
    turn_for(&c, 100);
    assert_true(stats_of(&c).bytes_out < (uint64_t)COUNT * SIZE);
    srl_test_redis_resume(&server);
    assert_true(test_wait(c.loop, &replies[COUNT - 1].answers, 1, 10000));
    for (int i = 0; i < COUNT; i++) {
        assert_string_equal(replies[i].text, "OK");
    }
    test_in_step(&c);
    free(data);
    test_client_close(&c);
}

/* Cut after each number of bytes, either way: no command is executed twice, and none gets another's reply. */
static void cuts_anywhere(void **state)
{
    enum { COUNT = 8 };
    srl_test_proxy proxy;
    srl_test_client c;
    srl_test_reply replies[COUNT], value;
    (void)state;
    srl_test_proxy_start(&proxy, server.port);
    open_ready(&c, proxy.port, QUICK);
    assert_int_equal(test_do(&c, "SET cuts 0", &value), SRL_OK);
    long certain = 0, unknown = 0;
    for (int way = 0; way < 2; way++) {
        for (int after = 0; after < 250; after += 7) {
            atomic_store(&proxy.cut_after[way], after);
            for (int i = 0; i < COUNT; i++) {
                assert_int_equal(test_send(&c, "INCR cuts", 0, SRL_REDIS_DEFAULT_TIMEOUT, &replies[i], NULL), SRL_OK);
            }
            /* what is not answered now waits for the next connection, which lives */
            for (uint64_t until = test_now_ms() + 200; replies[COUNT - 1].answers == 0 && test_now_ms() < until;) {
                (void)srl_redis_loop_run_once(c.loop, 1);
                if (c.lost > 0) {
                    break;
                }
            }
            srl_test_proxy_heal(&proxy);
            for (int i = 0; i < COUNT; i++) {
                assert_true(test_wait(c.loop, &replies[i].answers, 1, 10000));
                assert_true(replies[i].error == SRL_OK || replies[i].error == SRL_ERR_OUTCOME_UNKNOWN);
                certain += replies[i].error == SRL_OK;
                unknown += replies[i].error != SRL_OK;
            }
            test_in_step(&c);
            c.lost = 0;
        }
    }
    assert_int_equal(test_do(&c, "GET cuts", &value), SRL_OK);
    long executed = strtol(value.text, NULL, 10);
    assert_true(executed >= certain && executed <= certain + unknown);
    assert_true(unknown > 0 && certain > 0);
    test_client_close(&c);
    srl_test_proxy_stop(&proxy);
}

static void reset_instead_of_an_end(void **state)
{
    static const srl_test_step script[] = {
        FAKE_ACCEPT, FAKE_HELLO,  FAKE_EXPECT("GET a"), FAKE_SEND("$1\r\nx\r\n"), FAKE_EXPECT("GET b"),
        FAKE_RESET,  FAKE_ACCEPT, FAKE_HELLO,           FAKE_EXPECT("GET c"),     FAKE_SEND("$1\r\nz\r\n"),
    };
    srl_test_fake fake;
    srl_test_client c;
    srl_test_reply a, b, d;
    (void)state;
    srl_test_fake_start(&fake, STEPS(script));
    open_ready(&c, fake.port, "client_info=false&" QUICK);
    assert_int_equal(test_do(&c, "GET a", &a), SRL_OK);
    assert_int_equal(test_do(&c, "GET b", &b), SRL_ERR_OUTCOME_UNKNOWN);
    assert_int_equal(test_do(&c, "GET c", &d), SRL_OK);
    assert_string_equal(d.text, "z");
    test_client_close(&c);
    srl_test_fake_stop(&fake);
}

static void only_what_is_idempotent_is_sent_twice(void **state)
{
    static const srl_test_step script[] = {
        FAKE_ACCEPT,
        FAKE_HELLO,
        FAKE_EXPECT("GET a"),
        FAKE_EXPECT("INCR b"),
        FAKE_EXPECT("GET c"),
        FAKE_CLOSE,
        FAKE_ACCEPT,
        FAKE_HELLO,
        FAKE_EXPECT("GET a"),
        FAKE_EXPECT("GET c"),
        FAKE_SEND("$1\r\n1\r\n$1\r\n3\r\n"),
    };
    srl_test_fake fake;
    srl_test_client c;
    srl_test_reply a, b, d;
    (void)state;
    srl_test_fake_start(&fake, STEPS(script));
    open_ready(&c, fake.port, "client_info=false&" QUICK);
    assert_int_equal(test_send(&c, "GET a", SRL_REDIS_IDEMPOTENT, SRL_REDIS_DEFAULT_TIMEOUT, &a, NULL), SRL_OK);
    assert_int_equal(test_send(&c, "INCR b", SRL_REDIS_RETRY, SRL_REDIS_DEFAULT_TIMEOUT, &b, NULL), SRL_OK);
    assert_int_equal(test_send(&c, "GET c", SRL_REDIS_IDEMPOTENT, SRL_REDIS_DEFAULT_TIMEOUT, &d, NULL), SRL_OK);
    assert_true(test_wait(c.loop, &d.answers, 1, 5000));
    assert_string_equal(a.text, "1");
    assert_int_equal(b.error, SRL_ERR_OUTCOME_UNKNOWN);
    assert_string_equal(d.text, "3");
    test_client_close(&c);
    srl_test_fake_stop(&fake);
}

/* ---- silence */

static void half_open_tcp(void **state)
{
    srl_test_proxy proxy;
    srl_test_client c;
    srl_test_reply reply;
    (void)state;
    srl_test_proxy_start(&proxy, server.port);
    open_ready(&c, proxy.port, QUICK "&command_timeout=100ms");
    atomic_store(&proxy.swallow[SRL_TEST_PROXY_UP], true);
    assert_int_equal(test_send(&c, "GET a", 0, SRL_REDIS_DEFAULT_TIMEOUT, &reply, NULL), SRL_OK);
    /* new writes do not put the deadline off */
    for (uint64_t until = test_now_ms() + 2000; c.lost == 0 && test_now_ms() < until;) {
        (void)test_send(&c, "PING", 0, SRL_REDIS_NO_TIMEOUT, NULL, NULL);
        (void)srl_redis_loop_run_once(c.loop, 10);
    }
    assert_int_equal(reply.error, SRL_ERR_OUTCOME_UNKNOWN);
    assert_int_equal(c.lost, 1);
    srl_test_proxy_heal(&proxy);
    assert_true(test_wait(c.loop, &c.ready, 2, 5000));
    test_in_step(&c);
    test_client_close(&c);
    srl_test_proxy_stop(&proxy);
}

static void command_timeout(void **state)
{
    static const srl_test_step script[] = {
        FAKE_ACCEPT,
        FAKE_HELLO,
        FAKE_EXPECT("GET slow"),
        FAKE_EXPECT("GET quick"),
        FAKE_SLEEP(150),
        FAKE_SEND("$4\r\nlate\r\n$4\r\ngood\r\n"),
    };
    srl_test_fake fake;
    srl_test_client c;
    srl_test_reply slow, quick;
    (void)state;
    srl_test_fake_start(&fake, STEPS(script));
    open_ready(&c, fake.port, "client_info=false&" QUICK);
    assert_int_equal(test_send(&c, "GET slow", 0, 80, &slow, NULL), SRL_OK);
    assert_int_equal(test_send(&c, "GET quick", 0, 5000, &quick, NULL), SRL_OK);
    assert_true(test_wait(c.loop, &slow.answers, 1, 1000));
    assert_int_equal(slow.error, SRL_ERR_OUTCOME_UNKNOWN);
    assert_int_equal(quick.answers, 0);
    assert_true(test_wait(c.loop, &quick.answers, 1, 5000));
    assert_string_equal(quick.text, "good"); /* the late reply was thrown away in its place */
    assert_int_equal(stats_of(&c).late, 1);
    assert_int_equal(c.lost, 0);
    test_client_close(&c);
    srl_test_fake_stop(&fake);
}

/* A blocking connection that gave up on a command is made anew: the late reply goes nowhere. */
static void command_timeout_of_a_blocking_connection(void **state)
{
    srl_redis_options *options = test_options(server.port, "command_timeout=60ms");
    srl_redis_conn *conn;
    const srl_reply *reply;
    const char *pop[] = {"BLPOP", "none", "0.2"};
    const char *echo[] = {"ECHO", "fresh"};
    (void)state;
    assert_int_equal(srl_redis_connect(options, &conn), SRL_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(srl_redis_command(conn, 3, pop, NULL, &reply), SRL_ERR_OUTCOME_UNKNOWN);
        assert_null(reply);
        assert_int_equal(srl_redis_command(conn, 2, echo, NULL, &reply), SRL_OK);
        assert_true(srl_reply_equals(reply, SRL_REPLY_ROOT, "fresh", 5));
    }
    assert_int_equal(srl_redis_command_timeout(conn, 1000, 0, 3, pop, NULL, &reply), SRL_OK);
    assert_true(srl_reply_is_null(reply, SRL_REPLY_ROOT));
    srl_redis_close(conn);
    srl_redis_options_destroy(options);
}

static void client_pause_and_debug_sleep(void **state)
{
    srl_test_client c;
    srl_test_reply reply;
    (void)state;
    open_ready(&c, server.port, QUICK "&command_timeout=100ms");
    srl_test_redis_pause(&server); /* TCP goes on, the server does not */
    assert_int_equal(test_do(&c, "GET a", &reply), SRL_ERR_OUTCOME_UNKNOWN);
    assert_true(test_wait(c.loop, &c.lost, 1, 2000));
    srl_test_redis_resume(&server);
    assert_true(test_wait(c.loop, &c.ready, 2, 5000));
    test_in_step(&c);
    test_client_close(&c);
}

static void connect_timeout(void **state)
{
    static const srl_test_step script[] = {FAKE_ACCEPT, FAKE_SWALLOW};
    srl_test_fake fake;
    srl_redis_conn *conn;
    (void)state;
    srl_test_fake_start(&fake, STEPS(script));
    srl_redis_options *options = test_options(fake.port, "connect_timeout=100ms");
    uint64_t begin = test_now_ms();
    assert_int_equal(srl_redis_connect(options, &conn), SRL_ERR_TIMEOUT);
    assert_true(test_now_ms() - begin < 2000);
    srl_redis_options_destroy(options);
    srl_test_fake_stop(&fake);
}

/* ---- all of it at random */

typedef struct echo {
    char nonce[24];
    uint32_t answers;
    uint32_t wrong;
    int error;
} echo;

static void on_echo(int error, const srl_reply *reply, void *user)
{
    echo *e = user;
    e->answers++;
    e->error = error;
    if (error == SRL_OK && srl_reply_equals(reply, SRL_REPLY_ROOT, e->nonce, strlen(e->nonce)) == 0) {
        e->wrong++;
    }
}

static void harm(srl_test_proxy *proxy, uint64_t *random)
{
    int way = (int)srl_test_random_below(random, 2);
    srl_test_proxy_heal(proxy);
    switch (srl_test_random_below(random, 6)) {
    case 0:
        atomic_store(&proxy->cut_after[way], (long long)srl_test_random_below(random, 3000));
        break;
    case 1:
        atomic_store(&proxy->every_byte, true);
        break;
    case 2:
        atomic_store(&proxy->delay_ms, 3);
        break;
    case 3:
        atomic_store(&proxy->swallow[way], true);
        break;
    case 4:
        srl_test_proxy_cut(proxy);
        break;
    default:
        break;
    }
}

static void no_reply_ever_goes_to_another_command(void **state)
{
    enum { COUNT = 6000 };
    static echo echos[COUNT];
    srl_test_proxy proxy;
    srl_test_client c;
    uint64_t random = 20261123;
    uint32_t right = 0;
    (void)state;
    srl_test_proxy_start(&proxy, server.port);
    open_ready(&c, proxy.port, QUICK "&command_timeout=150ms");
    for (uint32_t i = 0; i < COUNT; i++) {
        echo *e = &echos[i];
        snprintf(e->nonce, sizeof(e->nonce), "nonce-%u", i * 7919);
        const char *argv[] = {"ECHO", e->nonce};
        uint32_t flags = srl_test_random_below(&random, 3) == 0 ? SRL_REDIS_IDEMPOTENT : 0;
        uint64_t id;
        assert_int_equal(
            srl_redis_client_command(c.client, 2, argv, NULL, flags, SRL_REDIS_DEFAULT_TIMEOUT, on_echo, e, &id),
            SRL_OK);
        if (srl_test_random_below(&random, 50) == 0) {
            (void)srl_redis_client_cancel(c.client, id);
        }
        if (srl_test_random_below(&random, 20) == 0) {
            (void)srl_redis_loop_run_once(c.loop, (int32_t)srl_test_random_below(&random, 4));
        }
        if (srl_test_random_below(&random, 80) == 0) {
            harm(&proxy, &random);
        }
    }
    srl_test_proxy_heal(&proxy);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_true(test_wait(c.loop, &echos[i].answers, 1, 10000));
    }
    test_in_step(&c);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(echos[i].answers, 1);
        assert_int_equal(echos[i].wrong, 0);
        right += echos[i].error == SRL_OK;
    }
    assert_true(right > 0 && right < COUNT); /* how many is a matter of time */
    assert_int_equal(stats_of(&c).pending, 0);
    test_client_close(&c);
    srl_test_proxy_stop(&proxy);
}

/* ---- what the server says */

#define HELLO_LOADING                                                                                                  \
    FAKE_EXPECT("HELLO 3"), FAKE_EXPECT("PING"),                                                                       \
        FAKE_SEND("%1\r\n$5\r\nproto\r\n:3\r\n-LOADING Redis is loading the dataset in memory\r\n")

static void loading(void **state)
{
    static const srl_test_step script[] = {
        FAKE_ACCEPT,         HELLO_LOADING,          FAKE_EXPECT("PING"),  FAKE_SEND("-LOADING still\r\n"),
        FAKE_EXPECT("PING"), FAKE_SEND("+PONG\r\n"), FAKE_EXPECT("GET a"), FAKE_SEND("$1\r\nx\r\n"),
    };
    static const srl_test_step endless[] = {FAKE_ACCEPT, HELLO_LOADING, FAKE_SWALLOW};
    srl_test_fake fake;
    srl_test_client c;
    srl_test_reply reply;
    srl_redis_conn *conn;
    (void)state;
    srl_test_fake_start(&fake, STEPS(script));
    test_client_open(&c, fake.port, "client_info=false&" QUICK);
    assert_int_equal(test_do(&c, "GET a", &reply), SRL_OK); /* sent when the server is ready, not before */
    assert_string_equal(reply.text, "x");
    assert_int_equal(c.failed, 0);
    test_client_close(&c);
    srl_test_fake_stop(&fake);
    srl_test_fake_start(&fake, STEPS(endless));
    srl_redis_options *options = test_options(fake.port, "client_info=false&loading_timeout=0");
    assert_int_equal(srl_redis_connect(options, &conn), SRL_ERR_REDIS_LOADING);
    srl_redis_options_destroy(options);
    srl_test_fake_stop(&fake);
}

static void retry_soon_errors(void **state)
{
    static const srl_test_step script[] = {
        FAKE_ACCEPT,
        FAKE_HELLO,
        FAKE_EXPECT("INCR a"),
        FAKE_EXPECT("INCR b"),
        FAKE_SEND("-LOADING x\r\n-BUSY x\r\n"),
        FAKE_EXPECT("INCR a"),
        FAKE_SEND("-TRYAGAIN x\r\n"),
        FAKE_EXPECT("INCR a"),
        FAKE_SEND(":1\r\n"),
    };
    srl_test_fake fake;
    srl_test_client c;
    srl_test_reply a, b;
    (void)state;
    srl_test_fake_start(&fake, STEPS(script));
    open_ready(&c, fake.port, "client_info=false&" QUICK);
    assert_int_equal(test_send(&c, "INCR a", SRL_REDIS_RETRY, SRL_REDIS_DEFAULT_TIMEOUT, &a, NULL), SRL_OK);
    assert_int_equal(test_send(&c, "INCR b", 0, SRL_REDIS_DEFAULT_TIMEOUT, &b, NULL), SRL_OK);
    assert_true(test_wait(c.loop, &a.answers, 1, 5000));
    assert_int_equal(a.error, SRL_OK);
    assert_int_equal(b.error, SRL_ERR_REDIS);
    assert_int_equal(stats_of(&c).retries, 2);
    test_client_close(&c);
    srl_test_fake_stop(&fake);
}

static void busy_script(void **state)
{
    srl_test_client c, d;
    srl_test_reply slow, reply;
    (void)state;
    admin("CONFIG SET lua-time-limit 20");
    open_ready(&c, server.port, QUICK);
    open_ready(&d, server.port, QUICK "&idle_probe=30ms");
    const char *argv[] = {"EVAL", "while true do end", "0"};
    memset(&slow, 0, sizeof(slow));
    assert_int_equal(
        srl_redis_client_command(c.client, 3, argv, NULL, 0, SRL_REDIS_DEFAULT_TIMEOUT, test_on_reply, &slow, NULL),
        SRL_OK);
    turn_for(&c, 60);
    assert_int_equal(test_do(&d, "GET a", &reply), SRL_ERR_REDIS);
    assert_int_equal(srl_redis_error_classify(reply.text, strlen(reply.text)), SRL_REDIS_ERROR_RETRY);
    turn_for(&d, 100); /* the probes are answered by errors: the link is alive */
    srl_test_client late;
    open_ready(&late, server.port, QUICK); /* and who connects now can end the script */
    assert_int_equal(test_do(&late, "SCRIPT KILL", &reply), SRL_OK);
    assert_true(test_wait(c.loop, &slow.answers, 1, 5000));
    assert_int_equal(slow.error, SRL_ERR_REDIS);
    assert_int_equal(c.lost + d.lost, 0);
    test_in_step(&c);
    test_in_step(&d);
    test_client_close(&late);
    test_client_close(&c);
    test_client_close(&d);
    admin("CONFIG SET lua-time-limit 5000");
}

static void readonly_and_demotion(void **state)
{
    srl_test_client c;
    srl_test_reply reply, blocked;
    char line[64];
    (void)state;
    open_ready(&c, server.port, QUICK);
    assert_int_equal(test_send(&c, "XREAD BLOCK 0 STREAMS nostream $", 0, SRL_REDIS_NO_TIMEOUT, &blocked, NULL),
                     SRL_OK);
    turn_for(&c, 50);
    snprintf(line, sizeof(line), "REPLICAOF 127.0.0.1 %u", (unsigned)srl_test_free_port());
    admin(line);
    assert_true(test_wait(c.loop, &blocked.answers, 1, 5000));
    assert_true(blocked.error == SRL_ERR_REDIS || blocked.error == SRL_ERR_OUTCOME_UNKNOWN);
    if (blocked.error == SRL_ERR_REDIS) {
        assert_int_equal(srl_redis_error_classify(blocked.text, strlen(blocked.text)), SRL_REDIS_ERROR_ROLE);
    }
    assert_true(test_wait(c.loop, &c.ready, 2, 5000)); /* the server hung up behind it */
    assert_int_equal(test_do(&c, "SET a 1", &reply), SRL_ERR_REDIS);
    assert_int_equal(srl_redis_error_classify(reply.text, strlen(reply.text)), SRL_REDIS_ERROR_ROLE);
    admin("REPLICAOF NO ONE");
    test_in_step(&c);
    assert_int_equal(test_do(&c, "SET a 1", &reply), SRL_OK);
    test_client_close(&c);
}

static void oom(void **state)
{
    srl_test_client c;
    srl_test_reply reply;
    (void)state;
    open_ready(&c, server.port, QUICK);
    admin("CONFIG SET maxmemory 1");
    assert_int_equal(test_send(&c, "SET a 1", SRL_REDIS_RETRY, SRL_REDIS_DEFAULT_TIMEOUT, &reply, NULL), SRL_OK);
    assert_true(test_wait(c.loop, &reply.answers, 1, 2000)); /* told at once, not tried again and again */
    assert_int_equal(reply.error, SRL_ERR_REDIS);
    assert_int_equal(srl_redis_error_classify(reply.text, strlen(reply.text)), SRL_REDIS_ERROR_CAPACITY);
    assert_int_equal(test_do(&c, "PUBLISH a 1", &reply), SRL_OK);
    test_in_step(&c);
    admin("CONFIG SET maxmemory 0");
    test_client_close(&c);
}

static void misconf_and_noreplicas(void **state)
{
    srl_test_client c;
    srl_test_reply reply;
    (void)state;
    open_ready(&c, server.port, QUICK);
    admin("CONFIG SET min-replicas-to-write 1");
    assert_int_equal(test_do(&c, "SET a 1", &reply), SRL_ERR_REDIS);
    assert_int_equal(srl_redis_error_classify(reply.text, strlen(reply.text)), SRL_REDIS_ERROR_RETRY);
    assert_int_equal(test_send(&c, "SET a 1", SRL_REDIS_RETRY, 5000, &reply, NULL), SRL_OK);
    turn_for(&c, 50);
    assert_int_equal(reply.answers, 0);
    admin("CONFIG SET min-replicas-to-write 0");
    assert_true(test_wait(c.loop, &reply.answers, 1, 5000));
    assert_int_equal(reply.error, SRL_OK);
    test_in_step(&c);
    test_client_close(&c);
}

static void noauth_wrongpass_and_acl_changes(void **state)
{
    srl_test_client c;
    srl_test_reply reply;
    (void)state;
    admin("ACL SETUSER worker on >first ~* &* +@all");
    open_ready(&c, server.port, QUICK "&user=worker&password=first");
    assert_int_equal(test_do(&c, "ACL WHOAMI", &reply), SRL_OK);
    assert_string_equal(reply.text, "worker");
    admin("ACL DELUSER worker"); /* closes his connections */
    assert_true(test_wait(c.loop, &c.lost, 1, 5000));
    assert_true(test_wait(c.loop, &c.failed, 1, 5000));
    assert_int_equal(c.error, SRL_ERR_REDIS_AUTH);
    assert_null(strstr(c.text, "first"));
    turn_for(&c, 700);
    assert_int_equal(c.failed, 1); /* not more than one attempt a second */
    admin("ACL SETUSER worker on >first ~* &* +@all");
    assert_true(test_wait(c.loop, &c.ready, 2, 5000));
    test_in_step(&c);
    admin("ACL SETUSER worker -ping"); /* he may not ask for a sign of life, but gets one */
    srl_redis_client_reconnect(c.client);
    assert_true(test_wait(c.loop, &c.ready, 3, 5000));
    test_in_step(&c);
    admin("ACL DELUSER worker");
    test_client_close(&c);
}

static void maxclients_and_protected_mode(void **state)
{
    static const srl_test_step script[] = {
        FAKE_ACCEPT,
        FAKE_SEND("-ERR max number of clients reached\r\n"),
        FAKE_CLOSE,
        FAKE_ACCEPT,
        FAKE_SEND("-DENIED Redis is running in protected mode because...\r\n"),
        FAKE_CLOSE,
        FAKE_ACCEPT,
        FAKE_HELLO,
        FAKE_EXPECT("GET a"),
        FAKE_SEND("$1\r\nx\r\n"),
    };
    srl_test_fake fake;
    srl_test_client c;
    srl_test_reply reply;
    (void)state;
    srl_test_fake_start(&fake, STEPS(script));
    test_client_open(&c, fake.port, "client_info=false&" QUICK);
    assert_true(test_wait(c.loop, &c.failed, 1, 5000));
    assert_true(c.error == SRL_ERR_REDIS_REFUSED || c.error == SRL_ERR_REDIS_CONNECT);
    assert_int_equal(test_do(&c, "GET a", &reply), SRL_OK);
    assert_int_equal(c.failed, 2);
    test_client_close(&c);
    srl_test_fake_stop(&fake);
}

static void output_buffer_limit(void **state)
{
    enum { COUNT = 200 };
    srl_test_client c;
    static srl_test_reply replies[COUNT];
    (void)state;
    open_ready(&c, server.port, QUICK "&command_timeout=20s");
    char *data = malloc(100001);
    assert_non_null(data);
    memset(data, 'z', 100000);
    data[100000] = '\0';
    const char *set[] = {"SET", "wide", data};
    memset(replies, 0, sizeof(replies));
    assert_int_equal(srl_redis_client_command(c.client, 3, set, NULL, 0, SRL_REDIS_DEFAULT_TIMEOUT, test_on_reply,
                                              &replies[0], NULL),
                     SRL_OK);
    assert_true(test_wait(c.loop, &replies[0].answers, 1, 5000));
    srl_test_redis_command(&server, "CONFIG SET client-output-buffer-limit \"normal 300000 100000 60\"", NULL, 0);
    memset(replies, 0, sizeof(replies));
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(test_send(&c, "GET wide", 0, SRL_REDIS_DEFAULT_TIMEOUT, &replies[i], NULL), SRL_OK);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_true(test_wait(c.loop, &replies[i].answers, 1, 10000));
        assert_true(replies[i].error == SRL_OK || replies[i].error == SRL_ERR_OUTCOME_UNKNOWN);
    }
    assert_int_equal(replies[COUNT - 1].error, SRL_ERR_OUTCOME_UNKNOWN);
    assert_true(test_wait(c.loop, &c.ready, 2, 5000));
    srl_test_redis_command(&server, "CONFIG SET client-output-buffer-limit \"normal 0 0 0\"", NULL, 0);
    admin("DEL wide");
    test_in_step(&c);
    free(data);
    test_client_close(&c);
}

static void client_kill_and_idle_close(void **state)
{
    srl_test_client c;
    srl_test_reply reply;
    srl_redis_options *options = test_options(server.port, "");
    srl_redis_conn *conn;
    const srl_reply *answer;
    const char *ping[] = {"PING"};
    (void)state;
    open_ready(&c, server.port, QUICK);
    assert_int_equal(srl_redis_connect(options, &conn), SRL_OK);
    admin("CLIENT KILL TYPE normal");
    assert_true(test_wait(c.loop, &c.lost, 1, 5000));
    assert_true(test_wait(c.loop, &c.ready, 2, 5000));
    assert_int_equal(test_do(&c, "PING", &reply), SRL_OK);
    int error = srl_redis_command(conn, 1, ping, NULL, &answer); /* found dead only by using it */
    assert_true(error == SRL_OK || error == SRL_ERR_OUTCOME_UNKNOWN);
    assert_int_equal(srl_redis_command(conn, 1, ping, NULL, &answer), SRL_OK);
    admin("CLIENT KILL TYPE normal");
    nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 50000000}, NULL);
    assert_int_equal(srl_redis_command(conn, 1, ping, NULL, &answer), SRL_OK); /* one idle for a while is looked at */
    srl_redis_close(conn);
    srl_redis_options_destroy(options);
    test_in_step(&c);
    test_client_close(&c);
}

/* ---- restarts */

static void restart_without_persistence(void **state)
{
    static const char lua[] = "return ARGV[1]";
    srl_test_client c;
    srl_test_reply reply, waiting;
    srl_redis_script *script;
    const char *argv[] = {"same"};
    (void)state;
    assert_int_equal(srl_redis_script_create(NULL, lua, sizeof(lua) - 1, &script), SRL_OK);
    open_ready(&c, server.port, QUICK);
    for (int i = 0; i < 2; i++) {
        memset(&reply, 0, sizeof(reply));
        assert_int_equal(srl_redis_client_call(c.client, script, NULL, 0, 1, argv, NULL, 0, SRL_REDIS_DEFAULT_TIMEOUT,
                                               test_on_reply, &reply, NULL),
                         SRL_OK);
        assert_true(test_wait(c.loop, &reply.answers, 1, 5000));
        assert_string_equal(reply.text, "same"); /* the new server has no script: it is given again */
        if (i == 0) {
            srl_test_redis_kill(&server);
            assert_true(test_wait(c.loop, &c.lost, 1, 5000));
            assert_int_equal(test_send(&c, "ECHO waited", 0, 10000, &waiting, NULL), SRL_OK);
            srl_test_reply hasty;
            assert_int_equal(test_send(&c, "PING", SRL_REDIS_NO_WAIT, 10000, &hasty, NULL), SRL_ERR_REDIS_CONNECT);
            turn_for(&c, 50);
            assert_int_equal(waiting.answers, 0);
            srl_test_redis_restart(&server);
            assert_true(test_wait(c.loop, &waiting.answers, 1, 10000));
            assert_string_equal(waiting.text, "waited");
        }
    }
    test_in_step(&c);
    test_client_close(&c);
    srl_redis_script_destroy(script);
}

static void waiting_for_a_server_that_is_away_has_an_end(void **state)
{
    srl_test_client c;
    srl_test_reply reply;
    (void)state;
    test_client_open(&c, srl_test_free_port(), QUICK);
    assert_int_equal(test_send(&c, "INCR x", 0, 80, &reply, NULL), SRL_OK);
    assert_true(test_wait(c.loop, &reply.answers, 1, 2000));
    assert_int_equal(reply.error, SRL_ERR_TIMEOUT); /* certainly not executed */
    test_client_close(&c);
    test_client_open(&c, srl_test_free_port(), QUICK "&offline_queue=false");
    assert_int_equal(test_send(&c, "INCR x", 0, 80, &reply, NULL), SRL_ERR_REDIS_CONNECT);
    test_client_close(&c);
    test_client_open(&c, srl_test_free_port(), QUICK "&max_pending=2");
    assert_int_equal(test_send(&c, "INCR x", 0, 1000, NULL, NULL), SRL_OK);
    assert_int_equal(test_send(&c, "INCR x", 0, 1000, NULL, NULL), SRL_OK);
    assert_int_equal(test_send(&c, "INCR x", 0, 1000, NULL, NULL), SRL_ERR_LIMIT);
    test_client_close(&c);
}

static void blocking_read_across_reconnect(void **state)
{
    srl_test_client c;
    srl_test_reply blocked;
    (void)state;
    open_ready(&c, server.port, QUICK);
    assert_int_equal(test_send(&c, "BLPOP none 0", 0, SRL_REDIS_NO_TIMEOUT, &blocked, NULL), SRL_OK);
    turn_for(&c, 30);
    admin("CLIENT KILL TYPE normal");
    assert_true(test_wait(c.loop, &blocked.answers, 1, 5000));
    assert_int_equal(blocked.error, SRL_ERR_OUTCOME_UNKNOWN); /* failed, never sent again without one who waits */
    assert_true(test_wait(c.loop, &c.ready, 2, 5000));
    test_in_step(&c);
    assert_int_equal(stats_of(&c).pending, 0);
    test_client_close(&c);
}

static void close_during_handshake(void **state)
{
    static const srl_test_step script[] = {
        FAKE_ACCEPT,
        FAKE_CLOSE,
        FAKE_ACCEPT,
        FAKE_EXPECT("HELLO 3"),
        FAKE_CLOSE,
        FAKE_ACCEPT,
        FAKE_EXPECT("HELLO 3"),
        FAKE_SEND("%1\r\n$5\r\nproto\r\n:3\r\n+PO"),
        FAKE_CLOSE,
        FAKE_ACCEPT,
        FAKE_EXPECT("HELLO 3"),
        FAKE_SEND("%1\r\n$5\r\npro"),
        FAKE_RESET,
        FAKE_ACCEPT,
        FAKE_HELLO,
        FAKE_EXPECT("GET a"),
        FAKE_SEND("$1\r\nx\r\n"),
    };
    srl_test_fake fake;
    srl_test_client c;
    srl_test_reply reply;
    (void)state;
    srl_test_fake_start(&fake, STEPS(script));
    test_client_open(&c, fake.port, "client_info=false&" QUICK);
    assert_int_equal(test_do(&c, "GET a", &reply), SRL_OK);
    assert_string_equal(reply.text, "x");
    assert_int_equal(c.failed, 4);
    assert_int_equal(c.lost, 0);
    test_client_close(&c);
    srl_test_fake_stop(&fake);
}

/* CLIENT SETINFO may be refused; that it is not answered in time ends the attempt. */
static void handshake_is_all_or_nothing(void **state)
{
    static const srl_test_step script[] = {
        FAKE_ACCEPT,
        FAKE_EXPECT("HELLO 3"),
        FAKE_PREFIX("CLIENT SETINFO LIB-NAME"),
        FAKE_PREFIX("CLIENT SETINFO LIB-VER"),
        FAKE_EXPECT("PING"),
        FAKE_SEND("%1\r\n$5\r\nproto\r\n:3\r\n"),
        FAKE_SWALLOW,
        FAKE_ACCEPT,
        FAKE_EXPECT("HELLO 3"),
        FAKE_PREFIX("CLIENT SETINFO LIB-NAME"),
        FAKE_PREFIX("CLIENT SETINFO LIB-VER"),
        FAKE_EXPECT("PING"),
        FAKE_SEND("%1\r\n$5\r\nproto\r\n:3\r\n-ERR unknown subcommand 'SETINFO'\r\n-ERR no\r\n+PONG\r\n"),
        FAKE_EXPECT("GET a"),
        FAKE_SEND("$1\r\nx\r\n"),
    };
    srl_test_fake fake;
    srl_test_client c;
    srl_test_reply reply;
    (void)state;
    srl_test_fake_start(&fake, STEPS(script));
    test_client_open(&c, fake.port, "backoff_min=1&backoff_max=5&connect_timeout=100ms");
    assert_int_equal(test_do(&c, "GET a", &reply), SRL_OK);
    assert_string_equal(reply.text, "x");
    assert_int_equal(c.failed, 1);
    test_client_close(&c);
    srl_test_fake_stop(&fake);
}

static void resp3_then_resp2_on_reconnect(void **state)
{
    static const srl_test_step script[] = {
        FAKE_ACCEPT,
        FAKE_HELLO,
        FAKE_CLOSE,
        FAKE_ACCEPT,
        FAKE_EXPECT("HELLO 3"),
        FAKE_EXPECT("PING"),
        FAKE_SEND("-ERR unknown command 'HELLO'\r\n+PONG\r\n"),
        FAKE_EXPECT("PING"),
        FAKE_SEND("+PONG\r\n"),
        FAKE_EXPECT("GET a"),
        FAKE_SEND("$-1\r\n"),
    };
    srl_test_fake fake;
    srl_test_client c;
    srl_test_reply reply;
    (void)state;
    srl_test_fake_start(&fake, STEPS(script));
    test_client_open(&c, fake.port, "client_info=false&" QUICK);
    assert_true(test_wait(c.loop, &c.ready, 1, 5000));
    assert_int_equal(stats_of(&c).protocol, 3);
    assert_true(test_wait(c.loop, &c.ready, 2, 5000));
    assert_int_equal(stats_of(&c).protocol, 2);
    assert_int_equal(test_do(&c, "GET a", &reply), SRL_OK);
    assert_int_equal(reply.type, SRL_REPLY_NULL);
    test_client_close(&c);
    srl_test_fake_stop(&fake);
}

/* ---- what nobody asked for */

static void a_reply_without_a_waiter(void **state)
{
    static const char *const surprises[] = {"+OK\r\n", "-ERR surprise\r\n", "$-1\r\n", "*1\r\n:1\r\n", "x\r\n", "\r\n"};
    (void)state;
    for (size_t i = 0; i < sizeof(surprises) / sizeof(surprises[0]); i++) {
        const srl_test_step script[] = {
            FAKE_ACCEPT,  FAKE_HELLO,  FAKE_EXPECT("GET a"), FAKE_SEND("$1\r\nx\r\n"), FAKE_SEND(surprises[i]),
            FAKE_SWALLOW, FAKE_ACCEPT, FAKE_HELLO,           FAKE_EXPECT("GET b"),     FAKE_SEND("$1\r\ny\r\n"),
        };
        srl_test_fake fake;
        srl_test_client c;
        srl_test_reply a, b;
        srl_test_fake_start(&fake, STEPS(script));
        open_ready(&c, fake.port, "client_info=false&" QUICK);
        assert_int_equal(test_do(&c, "GET a", &a), SRL_OK);
        assert_true(test_wait(c.loop, &c.lost, 1, 5000));
        assert_int_equal(c.error, SRL_ERR_PROTOCOL);
        assert_int_equal(test_do(&c, "GET b", &b), SRL_OK);
        assert_string_equal(b.text, "y");
        test_client_close(&c);
        srl_test_fake_stop(&fake);
    }
}

static void pushes_answer_no_command(void **state)
{
    static const srl_test_step script[] = {
        FAKE_ACCEPT,          FAKE_HELLO,
        FAKE_EXPECT("GET a"), FAKE_SEND(">2\r\n$10\r\ninvalidate\r\n_\r\n|1\r\n+k\r\n+v\r\n$1\r\nx\r\n>1\r\n+late\r\n"),
        FAKE_EXPECT("GET b"), FAKE_SEND("*1\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nq\r\n:1\r\n"),
        FAKE_EXPECT("GET c"), FAKE_SEND("$1\r\nz\r\n"),
    };
    srl_test_fake fake;
    srl_test_client c;
    srl_test_reply a, b, d;
    (void)state;
    srl_test_fake_start(&fake, STEPS(script));
    open_ready(&c, fake.port, "client_info=false&" QUICK);
    assert_int_equal(test_do(&c, "GET a", &a), SRL_OK);
    assert_string_equal(a.text, "x");
    assert_int_equal(test_do(&c, "GET b", &b), SRL_OK);
    assert_int_equal(b.type, SRL_REPLY_ARRAY);
    assert_int_equal(test_do(&c, "GET c", &d), SRL_OK);
    assert_string_equal(d.text, "z");
    test_client_close(&c);
    srl_test_fake_stop(&fake);
}

static void malformed_replies(void **state)
{
    static const char *const broken[] = {"$5\r\nhelloXX",       "*-2\r\n",   ":x\r\n",
                                         "$99999999999999\r\n", "+a\nb\r\n", "%-1\r\n"};
    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        const srl_test_step script[] = {FAKE_ACCEPT, FAKE_HELLO, FAKE_EXPECT("GET a"), FAKE_SEND(broken[i]),
                                        FAKE_SWALLOW};
        srl_test_fake fake;
        srl_test_client c;
        srl_test_reply a;
        srl_test_fake_start(&fake, STEPS(script));
        open_ready(&c, fake.port, "client_info=false&" QUICK);
        assert_int_equal(test_do(&c, "GET a", &a), SRL_ERR_OUTCOME_UNKNOWN);
        assert_int_equal(c.lost, 1);
        test_client_close(&c);
        srl_test_fake_stop(&fake);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partial_read_and_write),
        cmocka_unit_test(partial_write_of_much),
        cmocka_unit_test(cuts_anywhere),
        cmocka_unit_test(reset_instead_of_an_end),
        cmocka_unit_test(only_what_is_idempotent_is_sent_twice),
        cmocka_unit_test(half_open_tcp),
        cmocka_unit_test(command_timeout),
        cmocka_unit_test(command_timeout_of_a_blocking_connection),
        cmocka_unit_test(client_pause_and_debug_sleep),
        cmocka_unit_test(connect_timeout),
        cmocka_unit_test(no_reply_ever_goes_to_another_command),
        cmocka_unit_test(loading),
        cmocka_unit_test(retry_soon_errors),
        cmocka_unit_test(busy_script),
        cmocka_unit_test(readonly_and_demotion),
        cmocka_unit_test(oom),
        cmocka_unit_test(misconf_and_noreplicas),
        cmocka_unit_test(noauth_wrongpass_and_acl_changes),
        cmocka_unit_test(maxclients_and_protected_mode),
        cmocka_unit_test(output_buffer_limit),
        cmocka_unit_test(client_kill_and_idle_close),
        cmocka_unit_test(restart_without_persistence),
        cmocka_unit_test(waiting_for_a_server_that_is_away_has_an_end),
        cmocka_unit_test(blocking_read_across_reconnect),
        cmocka_unit_test(close_during_handshake),
        cmocka_unit_test(handshake_is_all_or_nothing),
        cmocka_unit_test(resp3_then_resp2_on_reconnect),
        cmocka_unit_test(a_reply_without_a_waiter),
        cmocka_unit_test(pushes_answer_no_command),
        cmocka_unit_test(malformed_replies),
    };
    if (!srl_test_redis_start(&server, NULL)) {
        printf("no redis-server: skipped\n");
        return 77;
    }
    int failed = cmocka_run_group_tests_name("redis_faults", tests, NULL, NULL);
    srl_test_redis_stop(&server);
    return failed;
}
