#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <streamrelay/codes.h>
#include <streamrelay/version.h>

#include "helpers/fail_alloc.h"
#include "helpers/test_relay.h"
#include "protocol/native.h"

static srl__slice lit(const char *text)
{
    return srl__slice_of(text, strlen(text));
}

static void assert_slice(srl__slice slice, const char *expected)
{
    if (slice.len != strlen(expected) || (slice.len > 0 && memcmp(slice.data, expected, slice.len) != 0)) {
        print_error("expected %s\nfound    %.*s\n", expected, (int)slice.len, slice.data == NULL ? "" : slice.data);
        fail();
    }
}

/* ---- decoding */

typedef struct decoded {
    srl_test_alloc memory;
    srl__buf scratch;
    char *line; /* of its exact length, so that a read past its end shows */
    srl__command command;
    srl__decode_error error;
    bool good;
} decoded;

static void decode(decoded *d, const char *text)
{
    size_t len = strlen(text);

    srl_test_alloc_init(&d->memory);
    srl__buf_init(&d->scratch, &d->memory.table, 1 << 20);
    d->line = malloc(len + 1);
    assert_non_null(d->line);
    d->line = realloc(d->line, len > 0 ? len : 1);
    memcpy(d->line, text, len);
    memset(&d->error, 0, sizeof(d->error));
    d->good = srl__codec_native.decode(srl__slice_of(d->line, len), &srl__json_limits_default, &d->scratch, &d->command,
                                       &d->error);
}

static void done(decoded *d)
{
    free(d->line);
    srl__buf_free(&d->scratch);
    srl_test_alloc_check_empty(&d->memory);
}

static void every_field(void **state)
{
    decoded d;
    (void)state;

    decode(&d,
           "{\"id\":9007199254740991,\"type\":\"subscribe\",\"channel\":\"chat:1\",\"data\":{\"data\":{ \"a\":[1] },"
           "\"token\":\"tok\",\"recover\":true,\"offset\":9007199254740991,\"epoch\":\"ep\",\"limit\":4294967295,"
           "\"since\":5,\"reverse\":true,\"pong\":true,\"method\":\"m\",\"other\":[{}]},\"more\":null}");
    assert_true(d.good);
    assert_int_equal(d.command.id, 9007199254740991);
    assert_int_equal(d.command.type, SRL__COMMAND_SUBSCRIBE);
    assert_slice(d.command.channel, "chat:1");
    assert_slice(d.command.token, "tok");
    assert_slice(d.command.data, "{ \"a\":[1] }");
    assert_slice(d.command.epoch, "ep");
    assert_slice(d.command.method, "m");
    assert_int_equal(d.command.offset, 9007199254740991);
    assert_true(d.command.has_offset);
    assert_int_equal(d.command.limit, UINT32_MAX);
    assert_true(d.command.has_limit && d.command.recover && d.command.reverse && d.command.answers_pings);
    assert_int_equal(d.memory.calls, 0); /* nothing to unescape: no memory */
    done(&d);

    decode(&d, "{\"type\":\"history\",\"data\":{\"since\":7,\"offset\":9,\"limit\":0,\"reverse\":false}}");
    assert_true(d.good);
    assert_int_equal(d.command.id, 0);
    assert_int_equal(d.command.offset, 7); /* history reads from "since" */
    assert_true(d.command.has_limit);
    assert_int_equal(d.command.limit, 0);
    assert_false(d.command.reverse);
    assert_slice(d.command.channel, "");
    done(&d);

    decode(&d, " { \"type\" : \"ping\" } \r");
    assert_true(d.good);
    assert_int_equal(d.command.type, SRL__COMMAND_PING);
    assert_false(d.command.has_offset || d.command.has_limit || d.command.recover || d.command.answers_pings);
    assert_slice(d.command.data, "");
    done(&d);
}

static void null_is_as_good_as_nothing(void **state)
{
    decoded d;
    (void)state;

    decode(
        &d,
        "{\"id\":1,\"type\":\"subscribe\",\"channel\":null,\"data\":{\"token\":null,\"recover\":null,\"offset\":null,"
        "\"epoch\":null,\"limit\":null,\"since\":null,\"reverse\":null,\"pong\":null,\"method\":null}}");
    assert_true(d.good);
    assert_slice(d.command.channel, "");
    assert_slice(d.command.token, "");
    assert_slice(d.command.epoch, "");
    assert_int_equal(d.command.offset, 0);
    assert_false(d.command.has_limit || d.command.has_offset || d.command.recover);
    done(&d);
    decode(&d, "{\"id\":1,\"type\":\"subscribe\",\"channel\":\"a\",\"data\":null}");
    assert_true(d.good);
    done(&d);
}

static void payloads_are_slices_of_the_input(void **state)
{
    static const char *const payloads[] = {
        "1",         "\"s\"", "\"\"",   "\"\\n\\\"\\u00e4\"",      "null",        "true",
        "[ 1 , 2 ]", "{}",    "-1.5e9", "{\"data\":{\"data\":1}}", "\"\xC3\xA4\""};
    (void)state;
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        decoded d;
        char line[160];

        (void)snprintf(line, sizeof(line), "{\"id\":1,\"type\":\"publish\",\"channel\":\"a\",\"data\":{\"data\": %s }}",
                       payloads[i]);
        decode(&d, line);
        assert_true(d.good);
        assert_slice(d.command.data, payloads[i]);
        assert_true(d.command.data.data > d.line && d.command.data.data < d.line + strlen(line));
        done(&d);
    }
}

static void escapes_are_undone(void **state)
{
    decoded d;
    (void)state;

    decode(&d, "{\"id\":1,\"type\":\"sub\\u0073cribe\",\"channel\":\"a\\/b\\u00e4\",\"data\":{\"token\":\"\\\"t\\\"\","
               "\"epoch\":\"\\ud83d\\ude00\",\"method\":\"\\u0000\"}}");
    assert_true(d.good);
    assert_int_equal(d.command.type, SRL__COMMAND_SUBSCRIBE);
    assert_slice(d.command.channel, "a/b\xC3\xA4");
    assert_slice(d.command.token, "\"t\"");
    assert_slice(d.command.epoch, "\xF0\x9F\x98\x80");
    assert_int_equal(d.command.method.len, 1);
    done(&d);
}

static void every_type(void **state)
{
    static const struct {
        const char *name;
        srl__command_type type;
    } types[] = {
        {"connect", SRL__COMMAND_CONNECT},
        {"subscribe", SRL__COMMAND_SUBSCRIBE},
        {"unsubscribe", SRL__COMMAND_UNSUBSCRIBE},
        {"publish", SRL__COMMAND_PUBLISH},
        {"presence", SRL__COMMAND_PRESENCE},
        {"presence_stats", SRL__COMMAND_PRESENCE_STATS},
        {"history", SRL__COMMAND_HISTORY},
        {"ack", SRL__COMMAND_ACK},
        {"unread", SRL__COMMAND_UNREAD},
        {"rpc", SRL__COMMAND_RPC},
        {"ping", SRL__COMMAND_PING},
        {"pong", SRL__COMMAND_PONG},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        decoded d;
        char line[64];

        (void)snprintf(line, sizeof(line), "{\"id\":1,\"type\":\"%s\"}", types[i].name);
        decode(&d, line);
        assert_true(d.good);
        assert_int_equal(d.command.type, types[i].type);
        assert_slice(srl__native_type_name(types[i].type), types[i].name);
        done(&d);
    }
    assert_slice(srl__native_type_name(SRL__COMMAND_NONE), "");
}

/* What is wrong and where; and what is right about it all the same, so that it can be answered. */
static void every_error(void **state)
{
    static const struct {
        const char *line;
        uint32_t code;
        const char *text;
        uint64_t id;
        srl__command_type type;
        const char *channel;
    } cases[] = {
        {"", 107, "the text ends too early at byte 0", 0, SRL__COMMAND_NONE, ""},
        {"x", 107, "expected a value at byte 0", 0, SRL__COMMAND_NONE, ""},
        {"[]", 107, "*expected an object*", 0, SRL__COMMAND_NONE, ""},
        {"{\"id\":1,\"type\":\"ping\"} x", 107, "more text after the value at byte 23", 1, SRL__COMMAND_PING, ""},
        {"{\"id\":1,\"type\":\"publish\",\"channel\":\"a\",\"data\":{\"data\":}}", 107, "expected a value at byte 54",
         1, SRL__COMMAND_PUBLISH, "a"},
        {"{\"id\":1,\"id\":2,\"type\":\"ping\"}", 107, "id: given twice at byte 8", 1, SRL__COMMAND_PING, ""},
        {"{\"id\":\"1\",\"type\":\"ping\"}", 107, "id: expected a number at byte 6", 0, SRL__COMMAND_PING, ""},
        {"{\"id\":null,\"type\":\"ping\"}", 107, "id: expected a number at byte 6", 0, SRL__COMMAND_PING, ""},
        {"{\"id\":0,\"type\":\"ping\"}", 107, "id: expected a whole number from 1 to 9007199254740991", 0,
         SRL__COMMAND_NONE, ""},
        {"{\"id\":9007199254740992,\"type\":\"ping\"}", 107, "id: expected a whole number from 1 to 9007199254740991",
         0, SRL__COMMAND_NONE, ""},
        {"{\"id\":1e3,\"type\":\"ping\"}", 107, "id: expected a whole number from 1 to 9007199254740991", 0,
         SRL__COMMAND_NONE, ""},
        {"{\"id\":1}", 107, "type: expected a string", 1, SRL__COMMAND_NONE, ""},
        {"{\"id\":1,\"type\":1}", 107, "type: expected a string at byte 15", 1, SRL__COMMAND_NONE, ""},
        {"{\"id\":1,\"type\":\"Ping\",\"channel\":\"a\"}", 104, "type: no command of that name", 1, SRL__COMMAND_NONE,
         "a"},
        {"{\"id\":1,\"type\":\"\"}", 104, "type: no command of that name", 1, SRL__COMMAND_NONE, ""},
        {"{\"id\":1,\"type\":\"ping\",\"channel\":[]}", 107, "channel: expected *string* at byte 32", 1,
         SRL__COMMAND_PING, ""},
        {"{\"id\":1,\"type\":\"ping\",\"data\":1}", 107, "data: expected *object* at byte 29", 1, SRL__COMMAND_PING,
         ""},
        {"{\"id\":1,\"type\":\"subscribe\",\"channel\":\"a\",\"data\":{\"token\":1}}", 107,
         "data.token: expected *string*", 1, SRL__COMMAND_SUBSCRIBE, "a"},
        {"{\"id\":1,\"type\":\"subscribe\",\"channel\":\"a\",\"data\":{\"recover\":1}}", 107,
         "data.recover: expected *", 1, SRL__COMMAND_SUBSCRIBE, "a"},
        {"{\"id\":1,\"type\":\"subscribe\",\"channel\":\"a\",\"data\":{\"epoch\":1}}", 107, "data.epoch: expected *", 1,
         SRL__COMMAND_SUBSCRIBE, "a"},
        {"{\"id\":1,\"type\":\"subscribe\",\"channel\":\"a\",\"data\":{\"offset\":\"1\"}}", 107,
         "data.offset: expected *", 1, SRL__COMMAND_SUBSCRIBE, "a"},
        {"{\"id\":1,\"type\":\"subscribe\",\"channel\":\"a\",\"data\":{\"offset\":-1}}", 107,
         "data.offset: expected a whole number from 0 to 9007199254740991", 1, SRL__COMMAND_SUBSCRIBE, "a"},
        {"{\"id\":1,\"type\":\"subscribe\",\"channel\":\"a\",\"data\":{\"offset\":9007199254740992}}", 107,
         "data.offset: expected a whole number from 0 to 9007199254740991", 1, SRL__COMMAND_SUBSCRIBE, "a"},
        {"{\"id\":1,\"type\":\"history\",\"channel\":\"a\",\"data\":{\"since\":1.5}}", 107,
         "data.since: expected a whole number from 0 to 9007199254740991", 1, SRL__COMMAND_HISTORY, "a"},
        {"{\"id\":1,\"type\":\"history\",\"channel\":\"a\",\"data\":{\"limit\":4294967296}}", 107,
         "data.limit: expected a whole number from 0 to 4294967295", 1, SRL__COMMAND_HISTORY, "a"},
        {"{\"id\":1,\"type\":\"history\",\"channel\":\"a\",\"data\":{\"reverse\":\"no\"}}", 107,
         "data.reverse: expected *", 1, SRL__COMMAND_HISTORY, "a"},
        {"{\"id\":1,\"type\":\"connect\",\"data\":{\"pong\":1}}", 107, "data.pong: expected *", 1, SRL__COMMAND_CONNECT,
         ""},
        {"{\"id\":1,\"type\":\"rpc\",\"data\":{\"method\":1}}", 107, "data.method: expected *", 1, SRL__COMMAND_RPC,
         ""},
        {"{\"id\":1,\"type\":\"subscribe\",\"channel\":\"\\u0061\",\"data\":{\"offset\":-1}}", 107, "data.offset: *", 1,
         SRL__COMMAND_SUBSCRIBE, "a"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        decoded d;

        decode(&d, cases[i].line);
        if (d.good || d.error.code != cases[i].code || !test_text_matches(cases[i].text, d.error.text)) {
            print_error("%s\nexpected %s\nfound    %u %s\n", cases[i].line, cases[i].text, (unsigned)d.error.code,
                        d.good ? "no error" : d.error.text);
            fail();
        }
        assert_int_equal(d.command.id, cases[i].id);
        if (cases[i].id != 0) {
            assert_int_equal(d.command.type, cases[i].type);
            assert_slice(d.command.channel, cases[i].channel);
        }
        done(&d);
    }
}

static void no_memory_to_undo_escapes(void **state)
{
    static const char line[] = "{\"id\":3,\"type\":\"subscribe\",\"channel\":\"\\u0061\"}";
    srl_test_alloc memory;
    srl__buf scratch;
    srl__command command;
    srl__decode_error error;
    (void)state;

    srl_test_alloc_init(&memory);
    srl__buf_init(&scratch, &memory.table, 1 << 20);
    srl_test_alloc_fail(&memory, 1, false);
    assert_false(srl__native_decode(lit(line), &srl__json_limits_default, &scratch, &command, &error));
    assert_int_equal(error.code, SRL_REPLY_INTERNAL);
    assert_int_equal(command.id, 3);
    assert_int_equal(command.type, SRL__COMMAND_SUBSCRIBE);
    assert_true(srl__native_decode(lit(line), &srl__json_limits_default, &scratch, &command, &error));
    assert_slice(command.channel, "a");
    srl__buf_free(&scratch);
    srl_test_alloc_check_empty(&memory);
}

/* ---- encoding: to the byte */

static srl_test_alloc memory;
static srl__buf out;
static const srl__codec *const codec = &srl__codec_native;

static int begin(void **state)
{
    (void)state;
    srl_test_alloc_init(&memory);
    srl__buf_init(&out, &memory.table, 1 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    srl__buf_free(&out);
    srl_test_alloc_check_empty(&memory);
    return 0;
}

static void is(const char *expected)
{
    srl__json_error problem;

    assert_int_equal(out.error, 0);
    assert_slice(srl__slice_of(out.data, out.len), expected);
    assert_true(srl__json_validate(srl__slice_of(out.data, out.len), &srl__json_limits_default, NULL, &problem));
    srl__buf_reset(&out);
}

static srl__reply_to to(srl__command_type type, const char *channel)
{
    return (srl__reply_to){7, type, lit(channel)};
}

static void error_replies(void **state)
{
    srl__reply_to t = to(SRL__COMMAND_SUBSCRIBE, "a\"b");
    (void)state;

    codec->reply_error(&out, &t, 103, lit("permission denied"));
    is("{\"reply\":{\"id\":7,\"type\":\"subscribe\",\"channel\":\"a\\\"b\",\"error\":{\"code\":103,\"message\":"
       "\"permission denied\"}}}");
    t = to(SRL__COMMAND_NONE, "");
    codec->reply_error(&out, &t, 111, lit("x\ny"));
    is("{\"reply\":{\"id\":7,\"error\":{\"code\":111,\"message\":\"x\\ny\",\"temporary\":true}}}");
    codec->reply_error(&out, &t, 100, lit("\xff"));
    is("{\"reply\":{\"id\":7,\"error\":{\"code\":100,\"message\":\"\xEF\xBF\xBD\",\"temporary\":true}}}");
    t = to(SRL__COMMAND_UNSUBSCRIBE, "a");
    codec->reply_empty(&out, &t);
    is("{\"reply\":{\"id\":7,\"type\":\"unsubscribe\",\"channel\":\"a\",\"data\":{}}}");
}

static void connect_replies(void **state)
{
    srl__reply_to t = to(SRL__COMMAND_CONNECT, "");
    srl__connect_reply reply = {.client = lit("c-1"), .user = lit("ann"), .data = lit("")};
    (void)state;

    codec->reply_connect(&out, &t, &reply);
    is("{\"reply\":{\"id\":7,\"type\":\"connect\",\"data\":{\"client\":\"c-1\",\"user\":\"ann\",\"version\":"
       "\"" SRL_VERSION "\"}}}");
    reply.ping_ms = 25000;
    reply.answers_pings = true;
    reply.expires_ms = 1001; /* seconds, rounded up */
    reply.data = lit("{\"x\":[1]}");
    codec->reply_connect(&out, &t, &reply);
    is("{\"reply\":{\"id\":7,\"type\":\"connect\",\"data\":{\"client\":\"c-1\",\"user\":\"ann\",\"version\":"
       "\"" SRL_VERSION "\",\"ping\":25,\"pong\":true,\"expires\":true,\"ttl\":2,\"data\":{\"x\":[1]}}}}");
}

static void subscribe_replies_and_pushes(void **state)
{
    srl__reply_to t = to(SRL__COMMAND_SUBSCRIBE, "a");
    srl__subscribe_reply reply = {.offset = 5, .epoch = lit("ep")};
    (void)state;

    codec->reply_subscribe(&out, &t, &reply);
    is("{\"reply\":{\"id\":7,\"type\":\"subscribe\",\"channel\":\"a\",\"data\":{\"recoverable\":false}}}");
    reply.recoverable = true;
    codec->push_subscribe(&out, lit("a"), &reply);
    is("{\"push\":{\"type\":\"subscribe\",\"channel\":\"a\",\"data\":{\"recoverable\":true,\"offset\":5,\"epoch\":"
       "\"ep\"}}}");
    reply.was_recovering = true;
    codec->reply_subscribe(&out, &t, &reply);
    is("{\"reply\":{\"id\":7,\"type\":\"subscribe\",\"channel\":\"a\",\"data\":{\"recoverable\":true,\"offset\":5,"
       "\"epoch\":\"ep\",\"was_recovering\":true,\"recovered\":false}}}");
    reply.recovered = true;
    reply.has_unread = true;
    reply.unread = 3;
    codec->reply_subscribe(&out, &t, &reply);
    is("{\"reply\":{\"id\":7,\"type\":\"subscribe\",\"channel\":\"a\",\"data\":{\"recoverable\":true,\"offset\":5,"
       "\"epoch\":\"ep\",\"was_recovering\":true,\"recovered\":true,\"unread\":3}}}");
}

static void publish_replies(void **state)
{
    srl__reply_to t = to(SRL__COMMAND_PUBLISH, "a");
    (void)state;

    codec->reply_publish(&out, &t, 0, lit(""));
    is("{\"reply\":{\"id\":7,\"type\":\"publish\",\"channel\":\"a\",\"data\":{}}}");
    codec->reply_publish(&out, &t, UINT64_MAX, lit("ep"));
    is("{\"reply\":{\"id\":7,\"type\":\"publish\",\"channel\":\"a\",\"data\":{\"offset\":18446744073709551615,"
       "\"epoch\":"
       "\"ep\"}}}");
    t = to(SRL__COMMAND_UNREAD, "a");
    codec->reply_unread(&out, &t, 2, 9, lit("ep"));
    is("{\"reply\":{\"id\":7,\"type\":\"unread\",\"channel\":\"a\",\"data\":{\"unread\":2,\"offset\":9,\"epoch\":"
       "\"ep\"}}}");
    t = to(SRL__COMMAND_RPC, "");
    codec->reply_rpc(&out, &t, lit("[1]"));
    is("{\"reply\":{\"id\":7,\"type\":\"rpc\",\"data\":{\"data\":[1]}}}");
    codec->reply_rpc(&out, &t, lit(""));
    is("{\"reply\":{\"id\":7,\"type\":\"rpc\",\"data\":{}}}");
}

static void presence_replies(void **state)
{
    srl__reply_to t = to(SRL__COMMAND_PRESENCE, "a");
    srl_presence_user users[2] = {
        {.user = "a\"", .user_len = 2, .info = "", .sessions = 1},
        {.user = "", .info = "{\"n\":1}", .info_len = 7, .sessions = 4},
    };
    srl_presence presence = {.size = sizeof(presence), .count = 2, .users = users, .num_users = 3, .num_sessions = 9};
    (void)state;

    codec->reply_presence(&out, &t, &presence);
    is("{\"reply\":{\"id\":7,\"type\":\"presence\",\"channel\":\"a\",\"data\":{\"num_users\":3,\"num_sessions\":9,"
       "\"users\":[{\"user\":\"a\\\"\",\"sessions\":1},{\"user\":\"\",\"sessions\":4,\"info\":{\"n\":1}}]}}}");
    presence.count = 0;
    codec->reply_presence(&out, &t, &presence);
    is("{\"reply\":{\"id\":7,\"type\":\"presence\",\"channel\":\"a\",\"data\":{\"num_users\":3,\"num_sessions\":9,"
       "\"users\":[]}}}");
    t = to(SRL__COMMAND_PRESENCE_STATS, "a");
    codec->reply_presence_stats(&out, &t, &presence);
    is("{\"reply\":{\"id\":7,\"type\":\"presence_stats\",\"channel\":\"a\",\"data\":{\"num_users\":3,\"num_sessions\":"
       "9}}}");
}

static srl_publication publication(uint64_t offset, const char *data)
{
    return (srl_publication){.size = sizeof(srl_publication),
                             .offset = offset,
                             .data = data,
                             .data_len = strlen(data),
                             .user = "",
                             .client = "",
                             .info = ""};
}

static const char client_id[] = "00000000-0000-4000-8000-000000000000";

static void message_pushes(void **state)
{
    srl_publication p = publication(0, "{\"a\":1}");
    (void)state;

    codec->push_publication(&out, lit("c"), &p, lit(""));
    is("{\"push\":{\"type\":\"message\",\"channel\":\"c\",\"data\":{\"data\":{\"a\":1}}}}");
    p.offset = 3;
    p.time_ms = 1700000000000;
    codec->push_publication(&out, lit("c"), &p, lit("ep"));
    is("{\"push\":{\"type\":\"message\",\"channel\":\"c\",\"data\":{\"offset\":3,\"data\":{\"a\":1},\"time\":"
       "1700000000000,"
       "\"epoch\":\"ep\"}}}");
    p.user = "ann";
    p.user_len = 3;
    p.client = client_id;
    p.client_len = SRL_CLIENT_ID_LEN;
    codec->push_publication(&out, lit("c"), &p, lit(""));
    is("{\"push\":{\"type\":\"message\",\"channel\":\"c\",\"data\":{\"offset\":3,\"data\":{\"a\":1},\"info\":{\"user\":"
       "\"ann\",\"client\":\"00000000-0000-4000-8000-000000000000\"},\"time\":1700000000000}}}");
    p.info = "[1]";
    p.info_len = 3;
    p.time_ms = 0;
    codec->push_publication(&out, lit("c"), &p, lit(""));
    is("{\"push\":{\"type\":\"message\",\"channel\":\"c\",\"data\":{\"offset\":3,\"data\":{\"a\":1},\"info\":{\"user\":"
       "\"ann\",\"client\":\"00000000-0000-4000-8000-000000000000\",\"info\":[1]}}}}");
    codec->push_join(&out, lit("c"), &p);
    is("{\"push\":{\"type\":\"join\",\"channel\":\"c\",\"data\":{\"info\":{\"user\":\"ann\",\"client\":"
       "\"00000000-0000-4000-8000-000000000000\",\"info\":[1]}}}}");
    p.client_len = 0;
    codec->push_leave(&out, lit("c"), &p);
    is("{\"push\":{\"type\":\"leave\",\"channel\":\"c\",\"data\":{\"info\":{\"user\":\"ann\",\"info\":[1]}}}}");
}

static void history_replies(void **state)
{
    srl__reply_to t = to(SRL__COMMAND_HISTORY, "c");
    srl_publication list[3] = {publication(4, "\"xxxxxxxxxx\""), publication(5, "2"), publication(6, "3")};
    srl_history history = {
        .size = sizeof(history), .count = 3, .publications = list, .offset = 9, .epoch = "ep", .epoch_len = 2};
    (void)state;

    codec->reply_history(&out, &t, &history, 1000);
    is("{\"reply\":{\"id\":7,\"type\":\"history\",\"channel\":\"c\",\"data\":{\"offset\":9,\"epoch\":\"ep\","
       "\"publications\":[{\"offset\":4,\"data\":\"xxxxxxxxxx\"},{\"offset\":5,\"data\":2},{\"offset\":6,\"data\":3}]}}"
       "}");
    codec->reply_history(&out, &t, &history, 40); /* the first always goes */
    is("{\"reply\":{\"id\":7,\"type\":\"history\",\"channel\":\"c\",\"data\":{\"offset\":9,\"epoch\":\"ep\","
       "\"publications\":[{\"offset\":4,\"data\":\"xxxxxxxxxx\"},{\"offset\":5,\"data\":2}]}}}");
    codec->reply_history(&out, &t, &history, 0);
    is("{\"reply\":{\"id\":7,\"type\":\"history\",\"channel\":\"c\",\"data\":{\"offset\":9,\"epoch\":\"ep\","
       "\"publications\":[{\"offset\":4,\"data\":\"xxxxxxxxxx\"}]}}}");
    history.count = 0;
    codec->reply_history(&out, &t, &history, 1000);
    is("{\"reply\":{\"id\":7,\"type\":\"history\",\"channel\":\"c\",\"data\":{\"offset\":9,\"epoch\":\"ep\","
       "\"publications\":[]}}}");
}

static void other_pushes(void **state)
{
    (void)state;
    codec->push_unsubscribe(&out, lit("c\\"), 2500, lit("insufficient state"));
    is("{\"push\":{\"type\":\"unsubscribe\",\"channel\":\"c\\\\\",\"data\":{\"code\":2500,\"reason\":\"insufficient "
       "state\"}}}");
    codec->push_disconnect(&out, 3001, lit("shutdown"), true);
    is("{\"push\":{\"type\":\"disconnect\",\"data\":{\"code\":3001,\"reason\":\"shutdown\",\"reconnect\":true}}}");
    codec->push_disconnect(&out, 3501, lit("\"bad\""), false);
    is("{\"push\":{\"type\":\"disconnect\",\"data\":{\"code\":3501,\"reason\":\"\\\"bad\\\"\",\"reconnect\":false}}}");
    codec->push_ping(&out);
    is("{\"push\":{\"type\":\"ping\"}}");
    codec->push_pong(&out);
    is("{\"push\":{\"type\":\"pong\"}}");
    assert_string_equal(codec->name, "native");
}

static void without_memory_the_buffer_says_so(void **state)
{
    (void)state;
    srl_test_alloc_fail(&memory, 1, true);
    codec->push_ping(&out);
    assert_int_equal(out.error, SRL_ERR_NOMEM);
    srl_test_alloc_fail(&memory, 0, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field),
        cmocka_unit_test(null_is_as_good_as_nothing),
        cmocka_unit_test(payloads_are_slices_of_the_input),
        cmocka_unit_test(escapes_are_undone),
        cmocka_unit_test(every_type),
        cmocka_unit_test(every_error),
        cmocka_unit_test(no_memory_to_undo_escapes),
        cmocka_unit_test_setup_teardown(error_replies, begin, end),
        cmocka_unit_test_setup_teardown(connect_replies, begin, end),
        cmocka_unit_test_setup_teardown(subscribe_replies_and_pushes, begin, end),
        cmocka_unit_test_setup_teardown(publish_replies, begin, end),
        cmocka_unit_test_setup_teardown(presence_replies, begin, end),
        cmocka_unit_test_setup_teardown(message_pushes, begin, end),
        cmocka_unit_test_setup_teardown(history_replies, begin, end),
        cmocka_unit_test_setup_teardown(other_pushes, begin, end),
        cmocka_unit_test_setup_teardown(without_memory_the_buffer_says_so, begin, end),
    };

    return cmocka_run_group_tests_name("native_codec", tests, NULL, NULL);
}
