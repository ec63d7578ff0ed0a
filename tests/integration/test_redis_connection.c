#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "helpers/fake_redis.h"
#include "helpers/redis_client.h"
#include "helpers/redis_server.h"
#include "redis/client.h"
#include "redis/loop.h"

static srl_test_redis server;

static srl_redis_conn *connect_with(const char *url)
{
    srl_redis_options *options;
    srl_redis_conn *conn = NULL;
    assert_int_equal(srl_redis_options_create(url, strlen(url), &options), SRL_OK);
    if (srl_redis_connect(options, &conn) != SRL_OK) {
        fail_msg("%s", srl_redis_options_last_error(options));
    }
    srl_redis_options_destroy(options);
    return conn;
}

static srl_redis_conn *connect_query(const char *query)
{
    char url[256];
    snprintf(url, sizeof(url), "redis://127.0.0.1:%u?%s", (unsigned)server.port, query);
    return connect_with(url);
}

static int refused_connect(const char *url, char *why, size_t room)
{
    srl_redis_options *options;
    srl_redis_conn *conn = NULL;
    assert_int_equal(srl_redis_options_create(url, strlen(url), &options), SRL_OK);
    int error = srl_redis_connect(options, &conn);
    snprintf(why, room, "%s", srl_redis_options_last_error(options));
    srl_redis_options_destroy(options);
    srl_redis_close(error == SRL_OK ? conn : NULL);
    return error;
}

static const char *ask(srl_redis_conn *conn, const char *line)
{
    static char copy[512];
    const char *argv[16];
    size_t argc = 0;
    const srl_reply *reply;
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *at = strtok(copy, " "); at != NULL && argc < 16; at = strtok(NULL, " ")) {
        argv[argc++] = at;
    }
    (void)srl_redis_command(conn, argc, argv, NULL, &reply);
    return reply != NULL ? srl_reply_string(reply, SRL_REPLY_ROOT, NULL) : NULL;
}

static void a_command_gets_its_reply(void **state)
{
    static const char *const queries[] = {"protocol=3", "protocol=2", "protocol=auto&client_name=me&db=3"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        srl_redis_conn *conn = connect_query(queries[i]);
        assert_int_equal(srl_redis_protocol(conn), i == 1 ? 2 : 3);
        assert_string_equal(ask(conn, "SET k v"), "OK");
        assert_string_equal(ask(conn, "GET k"), "v");
        assert_null(ask(conn, "GET nothing"));
        assert_non_null(strstr(ask(conn, "INCR k"), "not an integer"));
        if (i == 2) {
            assert_string_equal(ask(conn, "CLIENT GETNAME"), "me");
            assert_non_null(strstr(ask(conn, "CLIENT INFO"), " db=3 "));
        }
        srl_redis_close(conn);
    }
}

static void it_goes_over_unix_sockets_and_names(void **state)
{
    char url[160];
    (void)state;
    snprintf(url, sizeof(url), "unix://%s?db=1", server.socket_path);
    srl_redis_conn *conn = connect_with(url);
    assert_string_equal(ask(conn, "PING"), "PONG");
    srl_redis_close(conn);
    snprintf(url, sizeof(url), "redis://localhost:%u", (unsigned)server.port);
    conn = connect_with(url);
    assert_string_equal(ask(conn, "PING"), "PONG");
    srl_redis_close(conn);
}

static void it_goes_over_ipv6(void **state)
{
    static const char *const options[] = {"--bind", "127.0.0.1", "::1", NULL};
    srl_test_redis other;
    char url[64];
    (void)state;
    if (!srl_test_redis_start(&other, options)) {
        skip();
    }
    snprintf(url, sizeof(url), "redis://[::1]:%u", (unsigned)other.port);
    srl_redis_conn *conn = connect_with(url);
    assert_string_equal(ask(conn, "PING"), "PONG");
    srl_redis_close(conn);
    srl_test_redis_stop(&other);
}

static void large_and_binary_arguments_come_back(void **state)
{
    srl_redis_conn *conn = connect_query("");
    size_t len = 3000001;
    char *data = malloc(len);
    const srl_reply *reply;
    (void)state;
    assert_non_null(data);
    for (size_t i = 0; i < len; i++) {
        data[i] = (char)(i * 7 + i / 251);
    }
    const char *set[] = {"SET", "big\0\r\n", data};
    const size_t set_lens[] = {3, 6, len};
    assert_int_equal(srl_redis_command(conn, 3, set, set_lens, &reply), SRL_OK);
    const char *get[] = {"GET", "big\0\r\n"};
    assert_int_equal(srl_redis_command(conn, 2, get, set_lens, &reply), SRL_OK);
    size_t got;
    const char *text = srl_reply_string(reply, SRL_REPLY_ROOT, &got);
    assert_int_equal(got, len);
    assert_memory_equal(text, data, len);
    const char *del[] = {"DEL", "big\0\r\n"};
    assert_int_equal(srl_redis_command(conn, 2, del, set_lens, &reply), SRL_OK);
    free(data);
    srl_redis_close(conn);
}

static void a_blocking_pipeline_keeps_the_order(void **state)
{
    enum { COUNT = 20000 };
    srl_redis_conn *conn = connect_query("");
    const srl_reply *reply;
    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) {
        char number[12];
        snprintf(number, sizeof(number), "%u", i);
        const char *argv[] = {"ECHO", number};
        assert_int_equal(srl_redis_append(conn, 2, argv, NULL), SRL_OK);
    }
    const char *ping[] = {"PING"};
    assert_int_equal(srl_redis_command(conn, 1, ping, NULL, &reply), SRL_ERR_STATE);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint64_t n;
        assert_int_equal(srl_redis_next_reply(conn, &reply), SRL_OK);
        assert_int_equal(srl_reply_u64(reply, SRL_REPLY_ROOT, &n), SRL_OK);
        assert_int_equal(n, i);
    }
    assert_int_equal(srl_redis_next_reply(conn, &reply), SRL_ERR_STATE);
    assert_string_equal(ask(conn, "PING"), "PONG");
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(srl_redis_append(conn, 1, ping, NULL), SRL_OK);
    }
    assert_int_equal(srl_redis_next_reply(conn, &reply), SRL_OK);
    srl_redis_close(conn); /* with 99 unanswered */
}

static void commands_that_break_the_matching_are_refused(void **state)
{
    static const char *const lines[] = {"SUBSCRIBE a", "psubscribe a", "sunsubscribe",     "MONITOR",   "HELLO 2",
                                        "Reset",       "QUIT",         "CLIENT reply off", "PSYNC ? -1"};
    static const char *const stateful[] = {"SELECT 1", "MULTI", "EXEC", "WATCH a", "AUTH x", "CLIENT TRACKING on"};
    srl_redis_conn *conn = connect_query("");
    srl_test_client c;
    srl_test_reply reply;
    (void)state;
    test_client_open(&c, server.port, "");
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_null(ask(conn, lines[i]));
        assert_int_equal(test_send(&c, lines[i], 0, SRL_REDIS_DEFAULT_TIMEOUT, &reply, NULL), SRL_ERR_INVALID);
    }
    for (size_t i = 0; i < sizeof(stateful) / sizeof(stateful[0]); i++) {
        assert_int_equal(test_send(&c, stateful[i], 0, SRL_REDIS_DEFAULT_TIMEOUT, &reply, NULL), SRL_ERR_INVALID);
    }
    assert_string_equal(ask(conn, "SELECT 1"), "OK");
    test_client_close(&c);
    srl_redis_close(conn);
}

static void all_of_one_turn_goes_out_in_one_write(void **state)
{
    enum { COUNT = 500 };
    srl_test_client c;
    static srl_test_reply replies[COUNT];
    srl_redis_client_stats before = {.size = sizeof(before)}, after = {.size = sizeof(after)};
    (void)state;
    test_client_open(&c, server.port, "");
    assert_true(test_wait(c.loop, &c.ready, 1, 5000));
    assert_int_equal(srl_redis_client_stats_get(c.client, &before), SRL_OK);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(test_send(&c, "ECHO hello", 0, SRL_REDIS_DEFAULT_TIMEOUT, &replies[i], NULL), SRL_OK);
    }
    struct pollfd watched = {.fd = srl_redis_loop_fd(c.loop), .events = POLLIN};
    assert_int_equal(poll(&watched, 1, 0), 1); /* a host's loop is woken for what was queued */
    assert_true(test_wait(c.loop, &replies[COUNT - 1].answers, 1, 5000));
    assert_int_equal(srl_redis_client_stats_get(c.client, &after), SRL_OK);
    assert_int_equal(after.writes - before.writes, 1);
    assert_int_equal(after.pending, 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(replies[i].answers, 1);
        assert_string_equal(replies[i].text, "hello");
    }
    test_client_close(&c);
}

static void a_transaction_is_all_or_nothing(void **state)
{
    srl_redis_conn *conn = connect_query("");
    srl_redis_conn *other = connect_query("");
    srl_redis_multi *multi;
    const srl_reply *reply;
    const char *set[] = {"SET", "t", "1"};
    const char *incr[] = {"INCRBY", "t", "4"};
    const char *bad[] = {"INCRBY", "t"};
    int64_t n;
    (void)state;
    assert_int_equal(srl_redis_multi_create(NULL, &multi), SRL_OK);
    assert_int_equal(srl_redis_multi_add(multi, 3, set, NULL), SRL_OK);
    assert_int_equal(srl_redis_multi_add(multi, 3, incr, NULL), SRL_OK);
    assert_int_equal(srl_redis_exec(conn, multi, &reply), SRL_OK);
    assert_int_equal(srl_reply_count(reply, SRL_REPLY_ROOT), 2);
    assert_int_equal(srl_reply_i64(reply, srl_reply_child(reply, SRL_REPLY_ROOT, 1), &n), SRL_OK);
    assert_int_equal(n, 5);
    assert_string_equal(ask(conn, "WATCH t"), "OK");
    assert_string_equal(ask(other, "SET t 7"), "OK");
    assert_int_equal(srl_redis_exec(conn, multi, &reply), SRL_OK);
    assert_true(srl_reply_is_null(reply, SRL_REPLY_ROOT));
    assert_string_equal(ask(conn, "GET t"), "7");
    assert_int_equal(srl_redis_multi_add(multi, 2, bad, NULL), SRL_OK);
    assert_int_equal(srl_redis_exec(conn, multi, &reply), SRL_ERR_REDIS);
    assert_true(srl_reply_error_is(reply, SRL_REPLY_ROOT, "EXECABORT", 9));
    const char *nested[] = {"MULTI"};
    assert_int_equal(srl_redis_multi_add(multi, 1, nested, NULL), SRL_ERR_INVALID);
    assert_string_equal(ask(conn, "GET t"), "7");
    srl_redis_multi_destroy(multi);
    srl_redis_close(conn);
    srl_redis_close(other);
}

static void scripts_are_loaded_where_they_are_missing(void **state)
{
    static const char lua[] = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
    enum { COUNT = 50 };
    srl_test_client c;
    static srl_test_reply replies[COUNT];
    srl_redis_script *script;
    const char *argv[] = {"counter", "2"};
    srl_redis_client_stats stats = {.size = sizeof(stats)};
    (void)state;
    assert_int_equal(srl_redis_script_create(NULL, lua, sizeof(lua) - 1, &script), SRL_OK);
    test_client_open(&c, server.port, "");
    assert_true(test_wait(c.loop, &c.ready, 1, 5000));
    assert_int_equal(test_do(&c, "DEL counter", &replies[0]), SRL_OK);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(test_do(&c, "SCRIPT FLUSH", &replies[0]), SRL_OK);
        memset(replies, 0, sizeof(replies));
        for (uint32_t i = 0; i < COUNT; i++) {
            assert_int_equal(srl_redis_client_call(c.client, script, NULL, 1, 2, argv, NULL, 0,
                                                   SRL_REDIS_DEFAULT_TIMEOUT, test_on_reply, &replies[i], NULL),
                             SRL_OK);
        }
        assert_true(test_wait(c.loop, &replies[COUNT - 1].answers, 1, 5000));
    }
    assert_string_equal(replies[COUNT - 1].text, "200"); /* each was executed once */
    assert_int_equal(srl_redis_client_stats_get(c.client, &stats), SRL_OK);
    assert_int_equal(stats.retries, 2 * COUNT);
    assert_int_equal(stats.pending, 0);
    assert_int_equal(srl_redis_client_call(c.client, script, "name", 1, 2, argv, NULL, 0, 0, NULL, NULL, NULL),
                     SRL_ERR_INVALID);
    assert_int_equal(srl_redis_client_call(c.client, script, NULL, 3, 2, argv, NULL, 0, 0, NULL, NULL, NULL),
                     SRL_ERR_INVALID);
    test_client_close(&c);
    srl_redis_script_destroy(script);
}

static void functions_are_loaded_where_they_are_missing(void **state)
{
    static const char code[] = "#!lua name=srltest\n"
                               "redis.register_function('srl_add', function(keys, args)\n"
                               "  return redis.call('INCRBY', keys[1], args[1]) end)\n";
    srl_redis_conn *conn;
    srl_redis_script *script;
    const srl_reply *reply;
    const char *argv[] = {"fcounter", "3"};
    (void)state;
    if (server.version < 700) {
        skip();
    }
    conn = connect_query("");
    assert_int_equal(srl_redis_script_create(NULL, code, sizeof(code) - 1, &script), SRL_OK);
    (void)ask(conn, "DEL fcounter");
    for (int i = 1; i <= 3; i++) {
        int64_t n;
        assert_string_equal(ask(conn, "FUNCTION FLUSH"), "OK");
        assert_int_equal(srl_redis_call(conn, script, "srl_add", 1, 2, argv, NULL, 0, &reply), SRL_OK);
        assert_int_equal(srl_reply_i64(reply, SRL_REPLY_ROOT, &n), SRL_OK);
        assert_int_equal(n, 3 * i);
        assert_string_equal(ask(conn, "ECHO x"), "x");
    }
    assert_int_equal(srl_redis_call(conn, script, "not_in_it", 1, 2, argv, NULL, 0, &reply), SRL_ERR_REDIS);
    assert_non_null(strstr(srl_reply_string(reply, SRL_REPLY_ROOT, NULL), "Function not found"));
    srl_redis_script_destroy(script);
    srl_redis_close(conn);
}

static void a_cancelled_command_still_consumes_its_reply(void **state)
{
    srl_test_client c;
    srl_test_reply cancelled, next;
    uint64_t id;
    srl_redis_client_stats stats = {.size = sizeof(stats)};
    (void)state;
    test_client_open(&c, server.port, "");
    assert_int_equal(test_send(&c, "ECHO early", 0, SRL_REDIS_DEFAULT_TIMEOUT, &cancelled, &id), SRL_OK);
    assert_int_equal(srl_redis_client_cancel(c.client, id), SRL_OK); /* not even connected */
    assert_int_equal(cancelled.error, SRL_ERR_CANCELLED);
    assert_int_equal(srl_redis_client_cancel(c.client, id), SRL_ERR_NOT_FOUND);
    assert_true(test_wait(c.loop, &c.ready, 1, 5000));
    assert_int_equal(test_send(&c, "ECHO one", 0, SRL_REDIS_DEFAULT_TIMEOUT, &cancelled, &id), SRL_OK);
    assert_int_equal(test_send(&c, "ECHO two", 0, SRL_REDIS_DEFAULT_TIMEOUT, &next, NULL), SRL_OK);
    assert_int_equal(srl_redis_client_cancel(c.client, id), SRL_OK);
    assert_int_equal(cancelled.answers, 1);
    assert_int_equal(cancelled.error, SRL_ERR_OUTCOME_UNKNOWN);
    assert_true(test_wait(c.loop, &next.answers, 1, 5000));
    assert_string_equal(next.text, "two");
    assert_int_equal(cancelled.answers, 1);
    assert_int_equal(srl_redis_client_stats_get(c.client, &stats), SRL_OK);
    assert_int_equal(stats.late, 1);
    test_client_close(&c);
}

static srl_test_client *ending;

static void end_in_callback(int error, const srl_reply *reply, void *user)
{
    uint32_t *answers = user;
    (void)error;
    (void)reply;
    if (++*answers == 1) {
        assert_int_equal(srl_redis_loop_process(ending->loop), SRL_ERR_STATE);
        srl_redis_client_destroy(ending->client);
        srl_redis_loop_destroy(ending->loop);
    }
}

static void everything_may_be_ended_in_a_callback(void **state)
{
    srl_test_client c;
    uint32_t answers = 0;
    const char *argv[] = {"PING"};
    (void)state;
    test_client_open(&c, server.port, "");
    assert_true(test_wait(c.loop, &c.ready, 1, 5000));
    ending = &c;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(srl_redis_client_command(c.client, 1, argv, NULL, 0, SRL_REDIS_DEFAULT_TIMEOUT,
                                                  end_in_callback, &answers, NULL),
                         SRL_OK);
    }
    for (int i = 0; i < 200 && answers == 0; i++) {
        (void)srl_redis_loop_run_once(c.loop, 5);
    }
    assert_int_equal(answers, 10);
}

/* ---- handshake */

static void the_password_is_checked_and_kept_secret(void **state)
{
    static const char *const options[] = {"--requirepass", "sesame77", NULL};
    srl_test_redis other;
    char url[128], why[200];
    (void)state;
    if (!srl_test_redis_start(&other, options)) {
        skip();
    }
    for (int protocol = 2; protocol <= 3; protocol++) {
        snprintf(url, sizeof(url), "redis://:sesame77@127.0.0.1:%u/2?protocol=%d", (unsigned)other.port, protocol);
        srl_redis_conn *conn = connect_with(url);
        assert_string_equal(ask(conn, "PING"), "PONG");
        srl_redis_close(conn);
        snprintf(url, sizeof(url), "redis://:wrong99@127.0.0.1:%u?protocol=%d", (unsigned)other.port, protocol);
        assert_int_equal(refused_connect(url, why, sizeof(why)), SRL_ERR_REDIS_AUTH);
        assert_null(strstr(why, "wrong99"));
        snprintf(url, sizeof(url), "redis://127.0.0.1:%u/1?protocol=%d", (unsigned)other.port, protocol);
        assert_int_equal(refused_connect(url, why, sizeof(why)), SRL_ERR_REDIS_AUTH);
    }
    srl_test_redis_stop(&other);
}

static void a_database_that_is_not_there_is_refused(void **state)
{
    char url[128], why[200];
    (void)state;
    snprintf(url, sizeof(url), "redis://127.0.0.1:%u/999", (unsigned)server.port);
    assert_int_equal(refused_connect(url, why, sizeof(why)), SRL_ERR_REDIS_REFUSED);
    assert_non_null(strstr(why, "SELECT"));
}

static void a_server_without_hello_is_spoken_to_the_old_way(void **state)
{
    static const srl_test_step script[] = {
        FAKE_ACCEPT,
        FAKE_EXPECT("HELLO 3 AUTH default pw SETNAME n"),
        FAKE_EXPECT("SELECT 4"),
        FAKE_EXPECT("PING"),
        FAKE_SEND("-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `default`, `pw`, \r\n"
                  "-NOAUTH Authentication required.\r\n-NOAUTH Authentication required.\r\n"),
        FAKE_EXPECT("AUTH pw"),
        FAKE_EXPECT("CLIENT SETNAME n"),
        FAKE_EXPECT("SELECT 4"),
        FAKE_EXPECT("PING"),
        FAKE_SEND("+OK\r\n-NOPERM no\r\n+OK\r\n+PONG\r\n"),
        FAKE_EXPECT("GET a"),
        FAKE_SEND("$1\r\nx\r\n"),
    };
    srl_test_fake fake;
    char url[128];
    (void)state;
    srl_test_fake_start(&fake, script, sizeof(script) / sizeof(script[0]));
    snprintf(url, sizeof(url), "redis://:pw@127.0.0.1:%u/4?client_info=false&client_name=n", (unsigned)fake.port);
    srl_redis_conn *conn = connect_with(url);
    assert_int_equal(srl_redis_protocol(conn), 2);
    assert_string_equal(ask(conn, "GET a"), "x");
    srl_redis_close(conn);
    srl_test_fake_stop(&fake);
}

static void protocol_3_can_be_insisted_on(void **state)
{
    static const srl_test_step script[] = {FAKE_ACCEPT, FAKE_EXPECT("HELLO 3"), FAKE_EXPECT("PING"),
                                           FAKE_SEND("-NOPROTO unsupported protocol version\r\n+PONG\r\n")};
    srl_test_fake fake;
    char url[128], why[200];
    (void)state;
    srl_test_fake_start(&fake, script, sizeof(script) / sizeof(script[0]));
    snprintf(url, sizeof(url), "%s&protocol=3", fake.url);
    assert_int_equal(refused_connect(url, why, sizeof(why)), SRL_ERR_REDIS_REFUSED);
    srl_test_fake_stop(&fake);
}

static uint32_t credential_calls;

static void give_credentials(const char **user, const char **password, void *user_data)
{
    (void)user_data;
    credential_calls++;
    *user = "someone";
    *password = credential_calls == 1 ? "first" : "second";
}

static void credentials_are_asked_for_before_each_handshake(void **state)
{
    static const srl_test_step script[] = {
        FAKE_ACCEPT,
        FAKE_EXPECT("HELLO 3 AUTH someone first"),
        FAKE_CLOSE,
        FAKE_ACCEPT,
        FAKE_EXPECT("HELLO 3 AUTH someone second"),
        FAKE_EXPECT("PING"),
        FAKE_SEND("%1\r\n$5\r\nproto\r\n:3\r\n+PONG\r\n"),
    };
    srl_test_fake fake;
    srl_test_client c = {0};
    srl_redis_options *options;
    (void)state;
    srl_test_fake_start(&fake, script, sizeof(script) / sizeof(script[0]));
    credential_calls = 0;
    assert_int_equal(srl_redis_options_create(fake.url, strlen(fake.url), &options), SRL_OK);
    assert_int_equal(srl_redis_options_set_credentials(options, give_credentials, NULL), SRL_OK);
    assert_int_equal(srl_redis_loop_create(options, &c.loop), SRL_OK);
    assert_int_equal(srl_redis_client_create(c.loop, options, test_on_state, &c, &c.client), SRL_OK);
    srl_redis_options_destroy(options);
    assert_true(test_wait(c.loop, &c.ready, 1, 5000));
    assert_int_equal(c.failed, 1);
    srl_test_fake_stop(&fake);
    test_client_close(&c);
}

/* ---- transport, resolver, poller */

typedef struct slow_stream {
    int fd;
    uint32_t calls;
} slow_stream;

static uint32_t streams_open, handshakes;

static int slow_connect(int fd, const char *host, void **stream, void *user)
{
    slow_stream *s = calloc(1, sizeof(*s));
    (void)user;
    assert_non_null(s);
    assert_string_equal(host, "127.0.0.1");
    s->fd = fd;
    *stream = s;
    streams_open++;
    return 0;
}

static int slow_handshake(void *stream, void *user)
{
    slow_stream *s = stream;
    (void)user;
    handshakes++;
    return s->calls++ < 3 ? SRL_REDIS_AGAIN_WRITE : 0;
}

static int64_t slow_result(ssize_t n)
{
    return n >= 0 ? n : errno == EAGAIN || errno == EWOULDBLOCK ? SRL_REDIS_AGAIN_READ : SRL_REDIS_BROKEN;
}

/* At most 7 bytes go at a time. */
static int64_t slow_read(void *stream, void *out, size_t room, void *user)
{
    slow_stream *s = stream;
    (void)user;
    return slow_result(recv(s->fd, out, room < 7 ? room : 7, 0));
}

static int64_t slow_write(void *stream, const void *data, size_t len, void *user)
{
    slow_stream *s = stream;
    (void)user;
    ssize_t sent = send(s->fd, data, len < 7 ? len : 7, MSG_NOSIGNAL);
    return sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? SRL_REDIS_AGAIN_WRITE : slow_result(sent);
}

static void slow_close(void *stream, void *user)
{
    (void)user;
    streams_open--;
    free(stream);
}

static void a_transport_carries_the_bytes(void **state)
{
    srl_redis_options *options;
    srl_redis_transport transport;
    srl_redis_conn *conn;
    char url[64];
    (void)state;
    snprintf(url, sizeof(url), "rediss://127.0.0.1:%u", (unsigned)server.port);
    assert_int_equal(srl_redis_options_create(url, strlen(url), &options), SRL_OK);
    srl_redis_transport_init(&transport, sizeof(transport));
    assert_int_equal(srl_redis_options_set_transport(options, &transport), SRL_ERR_INVALID);
    transport.connect = slow_connect;
    transport.handshake = slow_handshake;
    transport.read = slow_read;
    transport.write = slow_write;
    transport.close = slow_close;
    assert_int_equal(srl_redis_options_set_transport(options, &transport), SRL_OK);
    assert_int_equal(srl_redis_connect(options, &conn), SRL_OK);
    assert_int_equal(handshakes, 4);
    for (int i = 0; i < 50; i++) {
        assert_string_equal(ask(conn, "ECHO a-text-that-is-longer-than-seven-bytes"),
                            "a-text-that-is-longer-than-seven-bytes");
    }
    srl_redis_close(conn);
    assert_int_equal(streams_open, 0);
    srl_redis_options_destroy(options);
}

static srl_redis_lookup *open_lookup;
static uint32_t cancelled_lookups;

static int resolve_later(const char *host, srl_redis_lookup *lookup, void *user)
{
    (void)user;
    assert_string_equal(host, "my.server");
    open_lookup = lookup;
    return 0;
}

static void cancel_lookup(srl_redis_lookup *lookup, void *user)
{
    (void)lookup;
    (void)user;
    cancelled_lookups++;
}

static void a_host_may_look_up_names_itself(void **state)
{
    srl_redis_options *options;
    srl_redis_resolver resolver;
    srl_test_client c = {0};
    char url[64];
    (void)state;
    open_lookup = NULL;
    cancelled_lookups = 0;
    snprintf(url, sizeof(url), "redis://my.server:%u", (unsigned)server.port);
    assert_int_equal(srl_redis_options_create(url, strlen(url), &options), SRL_OK);
    srl_redis_resolver_init(&resolver, sizeof(resolver));
    resolver.resolve = resolve_later;
    resolver.cancel = cancel_lookup;
    assert_int_equal(srl_redis_options_set_resolver(options, &resolver), SRL_OK);
    assert_int_equal(srl_redis_loop_create(options, &c.loop), SRL_OK);
    assert_int_equal(srl_redis_client_create(c.loop, options, test_on_state, &c, &c.client), SRL_OK);
    for (int i = 0; i < 100 && open_lookup == NULL; i++) {
        (void)srl_redis_loop_run_once(c.loop, 5);
    }
    assert_non_null(open_lookup);
    assert_int_equal(srl_redis_lookup_add(open_lookup, "not an address"), SRL_ERR_INVALID);
    assert_int_equal(srl_redis_lookup_add(open_lookup, "127.0.0.1"), SRL_OK);
    srl_redis_lookup_finish(open_lookup, 0);
    assert_true(test_wait(c.loop, &c.ready, 1, 5000));
    open_lookup = NULL;
    srl_redis_client_reconnect(c.client);
    for (int i = 0; i < 100 && open_lookup == NULL; i++) {
        (void)srl_redis_loop_run_once(c.loop, 5);
    }
    assert_non_null(open_lookup);
    test_client_close(&c);
    assert_int_equal(cancelled_lookups, 1);
    srl_redis_options_destroy(options);
}

static void several_clients_share_a_loop(void **state)
{
    enum { COUNT = 20 };
    srl_redis_options *options = test_options(server.port, "");
    srl_redis_loop *loop;
    srl_redis_client *clients[COUNT];
    static srl_test_reply replies[COUNT];
    const char *argv[] = {"PING"};
    (void)state;
    memset(replies, 0, sizeof(replies));
    assert_int_equal(srl_redis_loop_create(options, &loop), SRL_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(srl_redis_client_create(loop, options, NULL, NULL, &clients[i]), SRL_OK);
        assert_int_equal(srl_redis_client_command(clients[i], 1, argv, NULL, 0, SRL_REDIS_DEFAULT_TIMEOUT,
                                                  test_on_reply, &replies[i], NULL),
                         SRL_OK);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_true(test_wait(loop, &replies[i].answers, 1, 5000));
        assert_string_equal(replies[i].text, "PONG");
    }
    srl_redis_options_destroy(options);
    srl_redis_loop_destroy(loop); /* the clients with it */
}

static uint32_t notified;

static void notify(void *user)
{
    (void)user;
    notified++;
}

static void it_runs_on_the_poller_of_somebody_else(void **state)
{
    srl_allocator alloc;
    srl__poller *poller;
    srl_redis_options *options = test_options(server.port, "");
    srl__redis_config *config;
    srl_test_client c = {0};
    srl_test_reply reply;
    (void)state;
    srl_allocator_init(&alloc, sizeof(alloc));
    notified = 0;
    assert_int_equal(srl__poller_create(&alloc, &poller), SRL_OK);
    assert_int_equal(srl__redis_config_take(options, &config), SRL_OK);
    assert_int_equal(srl__redis_loop_create(config, poller, notify, NULL, &c.loop), SRL_OK);
    assert_int_equal(srl_redis_client_create(c.loop, options, test_on_state, &c, &c.client), SRL_OK);
    assert_int_equal(test_send(&c, "PING", 0, SRL_REDIS_DEFAULT_TIMEOUT, &reply, NULL), SRL_OK);
    assert_int_equal(notified, 0); /* what this thread does its owner knows of */
    uint32_t turns = 0;
    for (; turns < 1000 && reply.answers == 0; turns++) {
        assert_true(poller->ops->poll(poller, 5, 16) >= 0);
        srl__redis_loop_run(c.loop);
    }
    assert_string_equal(reply.text, "PONG");
    notified = 0;
    for (int i = 0; i < 5; i++) {
        srl__redis_loop_run(c.loop);
    }
    assert_int_equal(notified, 0); /* nothing to do, nobody is woken */
    test_client_close(&c);
    srl__redis_config_unref(config);
    srl_redis_options_destroy(options);
    poller->ops->destroy(poller);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_gets_its_reply),
        cmocka_unit_test(it_goes_over_unix_sockets_and_names),
        cmocka_unit_test(it_goes_over_ipv6),
        cmocka_unit_test(large_and_binary_arguments_come_back),
        cmocka_unit_test(a_blocking_pipeline_keeps_the_order),
        cmocka_unit_test(commands_that_break_the_matching_are_refused),
        cmocka_unit_test(all_of_one_turn_goes_out_in_one_write),
        cmocka_unit_test(a_transaction_is_all_or_nothing),
        cmocka_unit_test(scripts_are_loaded_where_they_are_missing),
        cmocka_unit_test(functions_are_loaded_where_they_are_missing),
        cmocka_unit_test(a_cancelled_command_still_consumes_its_reply),
        cmocka_unit_test(everything_may_be_ended_in_a_callback),
        cmocka_unit_test(the_password_is_checked_and_kept_secret),
        cmocka_unit_test(a_database_that_is_not_there_is_refused),
        cmocka_unit_test(a_server_without_hello_is_spoken_to_the_old_way),
        cmocka_unit_test(protocol_3_can_be_insisted_on),
        cmocka_unit_test(credentials_are_asked_for_before_each_handshake),
        cmocka_unit_test(a_transport_carries_the_bytes),
        cmocka_unit_test(a_host_may_look_up_names_itself),
        cmocka_unit_test(several_clients_share_a_loop),
        cmocka_unit_test(it_runs_on_the_poller_of_somebody_else),
    };
    if (!srl_test_redis_start(&server, NULL)) {
        printf("no redis-server: skipped\n");
        return 77;
    }
    int failed = cmocka_run_group_tests_name("redis_connection", tests, NULL, NULL);
    srl_test_redis_stop(&server);
    return failed;
}
