/* The reader and the writer against a real server, in both protocols, over a plain socket read in pieces of every size.
 */
#include "redis/resp_reader.h"
#include "redis/resp_writer.h"

#include "helpers/random.h"
#include "helpers/redis_server.h"
#include "helpers/resp_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct wire {
    int fd;
    srl_allocator alloc;
    srl__resp_reader reader;
    srl__resp_output out;
    uint64_t seed;
    size_t max_read; /* random pieces up to this many bytes */
} wire;

static srl_test_redis server;

static void wire_open(wire *w, int fd, size_t max_read)
{
    w->fd = fd;
    w->seed = max_read;
    w->max_read = max_read;
    assert_true(srl__allocator_take(&w->alloc, NULL));
    srl__resp_reader_init(&w->reader, &w->alloc, NULL);
    srl__resp_output_init(&w->out, &w->alloc, UINT64_MAX);
}

static void wire_close(wire *w)
{
    close(w->fd);
    srl__resp_reader_free(&w->reader);
    srl__resp_output_free(&w->out);
}

static void flush(wire *w)
{
    while (srl__resp_output_waiting(&w->out) > 0) {
        srl__slice piece;
        ssize_t sent;
        assert_int_equal(srl__resp_output_pieces(&w->out, &piece, 1), 1);
        sent = send(w->fd, piece.data, piece.len, MSG_NOSIGNAL);
        assert_true(sent > 0);
        srl__resp_output_sent(&w->out, (uint64_t)sent);
    }
}

/* A command in words, queued. */
static void say(wire *w, const char *words)
{
    srl__slice argv[16];
    uint32_t argc = 0;
    while (*words != 0) {
        size_t len = strcspn(words, " ");
        assert_true(argc < 16);
        argv[argc++] = srl__slice_of(words, len);
        words += len + (words[len] == ' ');
    }
    assert_int_equal(srl__resp_output_argv(&w->out, argc, argv), SRL_OK);
}

static int hear(wire *w, const srl_reply **reply)
{
    int got;
    flush(w);
    while ((got = srl__resp_reader_next(&w->reader, reply)) == SRL__RESP_MORE) {
        size_t room;
        uint8_t *space = srl__resp_reader_space(&w->reader, &room);
        ssize_t len;
        assert_non_null(space);
        if (room > w->max_read) {
            room = 1 + (size_t)srl_test_random_below(&w->seed, w->max_read);
        }
        len = recv(w->fd, space, room, 0);
        assert_true(len > 0);
        srl__resp_reader_commit(&w->reader, (size_t)len);
    }
    assert_true(got > 0);
    return got;
}

static void expect(wire *w, const char *expected)
{
    const srl_reply *reply;
    srl_test_text text = {NULL, 0, 0};
    int got = hear(w, &reply);
    assert_int_equal(got, strncmp(expected, ">", 1) == 0 ? SRL__RESP_PUSH : SRL__RESP_REPLY);
    srl_test_text_add_reply(&text, reply, SRL_REPLY_ROOT);
    assert_string_equal(text.data, expected);
    srl_test_text_free(&text);
}

/* What a command sends to its own connection: from 7.2 behind its reply. */
static void expect_push_and_reply(wire *w, const char *push, const char *reply)
{
    bool is_behind = server.version >= 702;
    expect(w, is_behind ? reply : push);
    expect(w, is_behind ? push : reply);
}

/* Nothing before it was lost or left over. */
static void expect_in_step(wire *w)
{
    say(w, "ECHO nonce-8f3a");
    expect(w, "\"nonce-8f3a\"");
    assert_true(srl__resp_reader_is_empty(&w->reader));
}

static void speak_resp3(wire *w)
{
    const srl_reply *reply;
    say(w, "HELLO 3");
    assert_int_equal(hear(w, &reply), SRL__RESP_REPLY);
    assert_int_equal(srl_reply_type(reply, SRL_REPLY_ROOT), SRL_REPLY_MAP);
    uint32_t name = SRL__REPLY_GET(reply, SRL_REPLY_ROOT, "server");
    assert_true(SRL__REPLY_IS(reply, name, "redis") || SRL__REPLY_IS(reply, name, "valkey"));
}

static bool is_valkey_8_0(wire *w)
{
    const srl_reply *reply;
    size_t len;
    say(w, "INFO server");
    assert_int_equal(hear(w, &reply), SRL__RESP_REPLY);
    const char *text = srl_reply_string(reply, SRL_REPLY_ROOT, &len);
    assert_non_null(text);
    return strstr(text, "valkey_version:8.0.") != NULL;
}

static const size_t read_sizes[] = {1, 3, 100, 100000};

#define EACH_READ_SIZE(w)                                                                                              \
    for (size_t size_at = 0;                                                                                           \
         size_at < 4 && (wire_open((w), srl_test_redis_connect(&server), read_sizes[size_at]), true); size_at++)

static void debug_protocol_in_resp2(void **state)
{
    (void)state;
    static const char *const replies[][2] = {
        {"string", "\"Hello World\""},
        {"integer", ":12345"},
        {"double", "\"3.141\""},
        {"null", "$_"},
        {"array", "[:0 :1 :2]"},
        {"set", "[:0 :1 :2]"},
        {"map", "[:0 :0 :1 :1 :2 :0]"},
        {"true", ":1"},
        {"false", ":0"},
        {"bignum", "\"1234567999999999999999999999999999999\""},
        {"verbatim", "\"This is a verbatim\\x0astring\""},
    };
    wire w;
    EACH_READ_SIZE(&w)
    {
        for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
            char command[64];
            if (server.version < 700 && strcmp(replies[i][0], "double") == 0) {
                continue; /* told with more digits */
            }
            snprintf(command, sizeof(command), "DEBUG PROTOCOL %s", replies[i][0]);
            say(&w, command);
            expect(&w, replies[i][1]);
        }
        expect_in_step(&w);
        wire_close(&w);
    }
}

static void debug_protocol_in_resp3(void **state)
{
    (void)state;
    static const char *const replies[][2] = {
        {"string", "\"Hello World\""},
        {"integer", ":12345"},
        {"double", ",\"3.141\""},
        {"null", "_"},
        {"array", "[:0 :1 :2]"},
        {"set", "~[:0 :1 :2]"},
        {"map", "%[:0 #0 :1 #1 :2 #0]"},
        {"true", "#1"},
        {"false", "#0"},
        {"bignum", "(\"1234567999999999999999999999999999999\""},
        {"verbatim", "=txt\"This is a verbatim\\x0astring\""},
        {"attrib", "|[\"key-popularity\" [\"key:123\" :90]]\"Some real reply following the attribute\""},
    };
    wire w;
    EACH_READ_SIZE(&w)
    {
        speak_resp3(&w);
        for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
            char command[64];
            if (server.version < 700 && strcmp(replies[i][0], "double") == 0) {
                continue; /* told with more digits */
            }
            snprintf(command, sizeof(command), "DEBUG PROTOCOL %s", replies[i][0]);
            say(&w, command);
            expect(&w, replies[i][1]);
        }
        say(&w, "DEBUG PROTOCOL push");
        expect_push_and_reply(&w, ">[\"server-cpu-usage\" :42]", "\"Some real reply following the push reply\"");
        expect_in_step(&w);
        wire_close(&w);
    }
}

static void pushes_among_replies(void **state)
{
    (void)state;
    wire w;
    EACH_READ_SIZE(&w)
    {
        speak_resp3(&w);
        say(&w, "SUBSCRIBE a");
        expect(&w, ">[\"subscribe\" \"a\" :1]");
        say(&w, "PUBLISH a m");
        expect_push_and_reply(&w, ">[\"message\" \"a\" \"m\"]", ":1");
        say(&w, "MULTI");
        expect(&w, "+\"OK\"");
        say(&w, "SUBSCRIBE q");
        expect(&w, "+\"QUEUED\"");
        say(&w, "EXEC");
        expect(&w, "[>[\"subscribe\" \"q\" :2]]");
        say(&w, "UNSUBSCRIBE a q");
        expect(&w, ">[\"unsubscribe\" \"a\" :1]");
        expect(&w, ">[\"unsubscribe\" \"q\" :0]");
        if (!is_valkey_8_0(&w)) { /* which answers with an error */
            say(&w, "UNSUBSCRIBE");
            expect(&w, ">[\"unsubscribe\" _ :0]");
        }
        expect_in_step(&w);
        wire_close(&w);
    }
}

static void one_question_two_protocols(void **state)
{
    (void)state;
    for (int protocol = 2; protocol <= 3; protocol++) {
        wire w;
        const srl_reply *reply;
        uint32_t entries, entry;
        double score = 0;
        wire_open(&w, srl_test_redis_connect_unix(&server), 50);
        if (protocol == 3) {
            speak_resp3(&w);
        }
        say(&w, "FLUSHALL");
        expect(&w, "+\"OK\"");
        say(&w, "XADD s 1-1 f v");
        expect(&w, "\"1-1\"");
        say(&w, "XREAD STREAMS s 0");
        hear(&w, &reply);
        entries = SRL__REPLY_GET(reply, SRL_REPLY_ROOT, "s");
        entry = srl_reply_child(reply, entries, 0);
        assert_true(SRL__REPLY_IS(reply, srl_reply_child(reply, entry, 0), "1-1"));
        assert_true(SRL__REPLY_IS(reply, SRL__REPLY_GET(reply, srl_reply_child(reply, entry, 1), "f"), "v"));
        say(&w, "XREAD STREAMS s $");
        hear(&w, &reply);
        assert_int_equal(srl_reply_is_null(reply, SRL_REPLY_ROOT), 1);
        assert_int_equal(srl_reply_wire(reply, SRL_REPLY_ROOT), protocol == 2 ? '*' : '_');
        say(&w, "HSET h a 1 b 2");
        expect(&w, ":2");
        say(&w, "HGETALL h");
        hear(&w, &reply);
        assert_int_equal(srl_reply_pairs(reply, SRL_REPLY_ROOT), 2);
        assert_true(SRL__REPLY_IS(reply, SRL__REPLY_GET(reply, SRL_REPLY_ROOT, "b"), "2"));
        say(&w, "ZADD z 0.1 m");
        expect(&w, ":1");
        say(&w, "ZSCORE z m");
        hear(&w, &reply);
        assert_int_equal(srl_reply_double(reply, SRL_REPLY_ROOT, &score), SRL_OK);
        assert_true(score == 0.1);
        say(&w, "GET s");
        hear(&w, &reply);
        assert_true(SRL__REPLY_ERROR_IS(reply, SRL_REPLY_ROOT, "WRONGTYPE"));
        expect_in_step(&w);
        wire_close(&w);
    }
}

static void large_values_go_and_come_back(void **state)
{
    (void)state;
    enum { LEN = 3000000 };
    wire w;
    char *value = malloc(LEN);
    srl_command *command;
    const srl_reply *reply;
    srl_reply *kept;
    wire_open(&w, srl_test_redis_connect(&server), 200000);
    assert_int_equal(srl_command_create(NULL, &command), SRL_OK);
    for (size_t i = 0; i < LEN; i++) {
        value[i] = (char)srl_test_random(&w.seed);
    }
    SRL__COMMAND_ADD(command, "SET");
    SRL__COMMAND_ADD(command, "large");
    assert_int_equal(srl_command_add_ref(command, value, LEN, NULL, NULL), SRL_OK);
    assert_int_equal(srl__resp_output_command(&w.out, command), SRL_OK);
    srl_command_free(command);
    expect(&w, "+\"OK\"");
    say(&w, "GET large");
    hear(&w, &reply);
    assert_true(srl_reply_equals(reply, SRL_REPLY_ROOT, value, LEN));
    assert_int_equal(srl_reply_keep(reply, &kept), SRL_OK);
    expect_in_step(&w);
    wire_close(&w);
    assert_true(srl_reply_equals(kept, SRL_REPLY_ROOT, value, LEN));
    srl_reply_release(kept);
    free(value);
}

static void deep_pipelines_stay_in_step(void **state)
{
    (void)state;
    wire w;
    EACH_READ_SIZE(&w)
    {
        for (int i = 0; i < 2000; i++) {
            char command[64];
            snprintf(command, sizeof(command), "ECHO %d", i);
            say(&w, command);
        }
        for (int i = 0; i < 2000; i++) {
            const srl_reply *reply;
            int64_t n = -1;
            hear(&w, &reply);
            assert_int_equal(srl_reply_i64(reply, SRL_REPLY_ROOT, &n), SRL_OK);
            assert_int_equal(n, i);
        }
        expect_in_step(&w);
        wire_close(&w);
    }
}

static void the_server_comes_and_goes(void **state)
{
    (void)state;
    char line[64];
    uint16_t port = server.port;
    srl_test_redis_command(&server, "SET here 1", line, sizeof(line));
    assert_string_equal(line, "+OK");
    srl_test_redis_pause(&server);
    srl_test_redis_resume(&server);
    srl_test_redis_command(&server, "EXISTS here", line, sizeof(line));
    assert_string_equal(line, ":1");
    srl_test_redis_kill(&server);
    assert_int_equal(server.pid, 0);
    srl_test_redis_restart(&server);
    assert_int_equal(server.port, port);
    srl_test_redis_command(&server, "EXISTS here", line, sizeof(line));
    assert_string_equal(line, ":0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(debug_protocol_in_resp2),       cmocka_unit_test(debug_protocol_in_resp3),
        cmocka_unit_test(pushes_among_replies),          cmocka_unit_test(one_question_two_protocols),
        cmocka_unit_test(large_values_go_and_come_back), cmocka_unit_test(deep_pipelines_stay_in_step),
        cmocka_unit_test(the_server_comes_and_goes),
    };
    int failed;
    if (!srl_test_redis_start(&server, NULL)) {
        printf("no redis-server\n");
        return 77;
    }
    failed = cmocka_run_group_tests_name("resp_server", tests, NULL, NULL);
    srl_test_redis_stop(&server);
    return failed;
}
