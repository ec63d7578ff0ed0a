/* Centrifugo's protocol, one message at a time. */
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
#include "protocol/centrifugo.h"

static srl__slice lit(const char *text)
{
    return srl__slice_of(text, strlen(text));
}

/* ---- decoding: every line is read from memory of its exact length */

typedef struct decoded {
    char *line;
    srl_allocator system;
    srl__buf scratch;
    srl__command command;
    srl__decode_error error;
    bool good;
} decoded;

static void decode_part(decoded *d, const char *text, size_t len)
{
    memset(d, 0, sizeof(*d));
    d->line = malloc(len > 0 ? len : 1);
    assert_non_null(d->line);
    memcpy(d->line, text, len);
    srl_allocator_init(&d->system, sizeof(d->system));
    srl__buf_init(&d->scratch, &d->system, 1 << 20);
    d->good = srl__codec_centrifugo.decode(srl__slice_of(d->line, len), &srl__json_limits_default, &d->scratch,
                                           &d->command, &d->error);
}

static void decode(decoded *d, const char *text)
{
    decode_part(d, text, strlen(text));
}

static void drop(decoded *d)
{
    srl__buf_free(&d->scratch);
    free(d->line);
}

static void has(srl__slice found, const char *expected)
{
    if (!srl__slice_equal(found, lit(expected))) {
        print_error("expected %s\nfound    %.*s\n", expected, (int)found.len, found.data);
        fail();
    }
}

static void every_method_is_read(void **state)
{
    static const struct {
        const char *line;
        srl__command_type type;
        uint64_t id;
        const char *channel, *token, *data, *method;
    } cases[] = {
        {"{\"id\":1,\"connect\":{}}", SRL__COMMAND_CONNECT, 1, "", "", "", ""},
        {"{\"id\":4294967295,\"subscribe\":{\"channel\":\"a\\/b\",\"token\":\"\\u0074\",\"data\":\"x\"}}",
         SRL__COMMAND_SUBSCRIBE, 4294967295, "a/b", "t", "\"x\"", ""},
        {"{\"id\":2,\"unsubscribe\":{\"channel\":\"c\"}}", SRL__COMMAND_UNSUBSCRIBE, 2, "c", "", "", ""},
        {"{\"publish\":{\"data\":{\"a\": [1 ]},\"channel\":\"c\"},\"id\":3}", SRL__COMMAND_PUBLISH, 3, "c", "",
         "{\"a\": [1 ]}", ""},
        {"{\"id\":3,\"publish\":{\"data\":null,\"channel\":\"c\"}}", SRL__COMMAND_PUBLISH, 3, "c", "", "null", ""},
        {"{\"id\":4,\"presence\":{\"channel\":\"c\"}}", SRL__COMMAND_PRESENCE, 4, "c", "", "", ""},
        {"{\"id\":4,\"presence_stats\":{\"channel\":\"c\"}}", SRL__COMMAND_PRESENCE_STATS, 4, "c", "", "", ""},
        {"{\"id\":4,\"history\":{\"channel\":\"c\"}}", SRL__COMMAND_HISTORY, 4, "c", "", "", ""},
        {"{\"id\":5,\"rpc\":{\"method\":\"m\",\"data\":1e400}}", SRL__COMMAND_RPC, 5, "", "", "1e400", "m"},
        {"{\"send\":{\"data\":[]}}", SRL__COMMAND_SEND, 0, "", "", "[]", ""},
        {"{\"id\":9,\"send\":{}}", SRL__COMMAND_SEND, 0, "", "", "", ""},
        {"{\"id\":6,\"refresh\":{\"token\":\"t\"}}", SRL__COMMAND_REFRESH, 6, "", "t", "", ""},
        {"{\"id\":7,\"sub_refresh\":{\"channel\":\"c\",\"token\":\"t\"}}", SRL__COMMAND_SUB_REFRESH, 7, "c", "t", "",
         ""},
        {"{}", SRL__COMMAND_PONG, 0, "", "", "", ""},
        {" { \"id\" : 0 } ", SRL__COMMAND_PONG, 0, "", "", "", ""},
        {"{\"id\":1,\"connect\":null,\"rpc\":{\"method\":null,\"x\":[{}]},\"foo\":1}", SRL__COMMAND_RPC, 1, "", "", "",
         ""},
        {"{\"id\":1,\"rpc\":{\"method\":\"m\"},\"subscribe\":{\"channel\":\"first\"}}", SRL__COMMAND_SUBSCRIBE, 1,
         "first", "", "", ""},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        decoded d;

        decode(&d, cases[i].line);
        if (!d.good) {
            print_error("%s\n", cases[i].line);
        }
        assert_true(d.good);
        assert_int_equal(d.command.type, cases[i].type);
        assert_int_equal(d.command.id, cases[i].id);
        has(d.command.channel, cases[i].channel);
        has(d.command.token, cases[i].token);
        has(d.command.data, cases[i].data);
        has(d.command.method, cases[i].method);
        drop(&d);
    }
}

static void wishes_are_read(void **state)
{
    decoded d;
    (void)state;

    decode(
        &d,
        "{\"id\":1,\"subscribe\":{\"channel\":\"c\",\"recover\":true,\"offset\":18446744073709551615,\"epoch\":\"e\","
        "\"positioned\":true,\"recoverable\":true,\"join_leave\":true,\"delta\":\"fossil\",\"flag\":7,\"type\":0,"
        "\"tf\":{\"key\":\"k\",\r\"cmp\":\"ex\"}}}");
    assert_true(d.good);
    assert_true(d.command.recover && d.command.has_offset && d.command.positioned && d.command.recoverable);
    assert_true(d.command.join_leave && d.command.delta && d.command.numeric_id && d.command.refuses_loss);
    assert_false(d.command.unknown_kind);
    assert_int_equal(d.command.offset, UINT64_MAX);
    has(d.command.epoch, "e");
    has(d.command.filter, "{\"key\":\"k\", \"cmp\":\"ex\"}");
    drop(&d);

    decode(
        &d,
        "{\"id\":1,\"subscribe\":{\"channel\":\"c\",\"offset\":5,\"flag\":2,\"type\":1,\"delta\":\"\",\"tf\":null}}");
    assert_true(d.good);
    assert_false(d.command.recover || d.command.has_offset || d.command.positioned || d.command.recoverable);
    assert_false(d.command.join_leave || d.command.delta || d.command.numeric_id);
    assert_true(d.command.refuses_loss && d.command.unknown_kind);
    has(d.command.filter, "");
    drop(&d);

    decode(&d,
           "{\"id\":1,\"connect\":{\"name\":\"j\\u0073\",\"version\":\"1\",\"headers\":{\"h\":\"v\"},\"data\":7,"
           "\"subs\":{\"a\":{\"recover\":true,\"offset\":3,\"epoch\":\"e\"},\"b\":{},\"c\":[],\"d\":{\"offset\":-1},"
           "\"\\u0065\":{\"recover\":true,\"epoch\":\"\\u0065\"}}}}");
    assert_true(d.good);
    has(d.command.name, "js");
    has(d.command.version, "1");
    has(d.command.headers, "{\"h\":\"v\"}");
    has(d.command.data, "7");
    assert_true(d.command.answers_pings);
    {
        const srl__codec *codec = &srl__codec_centrifugo;
        srl__held held;

        assert_true(codec->find_held(d.command.held, lit("a"), &held));
        assert_true(held.recover);
        assert_int_equal(held.offset, 3);
        has(held.epoch, "e");
        assert_true(codec->find_held(d.command.held, lit("b"), &held));
        assert_false(held.recover);
        assert_false(codec->find_held(d.command.held, lit("c"), &held));
        assert_true(codec->find_held(d.command.held, lit("d"), &held));
        assert_int_equal(held.offset, 0);
        assert_true(codec->find_held(d.command.held, lit("e"), &held));
        has(held.epoch, "\\u0065");
        assert_false(codec->find_held(d.command.held, lit("f"), &held));
        assert_false(codec->find_held(lit(""), lit("a"), &held));
    }
    drop(&d);
}

static void limits_of_history(void **state)
{
    static const struct {
        const char *part;
        bool good;
        uint32_t limit;
    } cases[] = {{"{}", true, 0},
                 {"{\"limit\":0}", true, 0},
                 {"{\"limit\":7}", true, 7},
                 {"{\"limit\":-1}", true, UINT32_MAX},
                 {"{\"limit\":-2}", true, 0},
                 {"{\"limit\":2147483647}", true, 2147483647},
                 {"{\"limit\":2147483648}", false, 0},
                 {"{\"limit\":1.5}", false, 0},
                 {"{\"limit\":-1.5}", false, 0},
                 {"{\"limit\":\"1\"}", false, 0}};
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[128];
        decoded d;

        (void)snprintf(line, sizeof(line), "{\"id\":1,\"history\":%s}", cases[i].part);
        decode(&d, line);
        assert_int_equal(d.good, cases[i].good);
        assert_int_equal(d.command.limit, cases[i].limit);
        assert_int_equal(d.command.has_limit, cases[i].good);
        drop(&d);
    }
}

/* Nothing of a malformed command is kept, so that it cannot be answered: the session ends. */
static void no_part_of_a_line_is_a_command(void **state)
{
    static const char line[] =
        "{\"id\":1,\"subscribe\":{\"channel\":\"a\\u00e9\",\"tf\":{\"key\":\"k\"},\"offset\":12}}";
    (void)state;

    for (size_t len = 0; len < sizeof(line); len++) {
        decoded d;

        decode_part(&d, line, len);
        assert_int_equal(d.good, len == sizeof(line) - 1);
        if (!d.good && len < sizeof(line) - 1) {
            assert_int_equal(d.command.id, 0);
            assert_int_equal(d.command.type, SRL__COMMAND_NONE);
            assert_int_equal(d.error.code, SRL_REPLY_BAD_REQUEST);
        }
        drop(&d);
    }
}

static void out_of_memory_is_no_bad_request(void **state)
{
    srl_test_alloc memory;
    srl__buf scratch;
    srl__command command;
    srl__decode_error error;
    (void)state;

    srl_test_alloc_init(&memory);
    srl_test_alloc_fail(&memory, 1, true);
    srl__buf_init(&scratch, &memory.table, 1 << 20);
    assert_false(
        srl__centrifugo_decode(lit("{\"id\":1,\"rpc\":{}}"), &srl__json_limits_default, &scratch, &command, &error));
    assert_int_equal(error.code, SRL_REPLY_INTERNAL);
    assert_int_equal(command.id, 0);
    srl__buf_free(&scratch);
    srl_test_alloc_check_empty(&memory);
}

static void parameters_alone(void **state)
{
    srl_allocator system;
    srl__buf scratch;
    srl__command command;
    srl__decode_error error;
    (void)state;

    srl_allocator_init(&system, sizeof(system));
    srl__buf_init(&scratch, &system, 1 << 20);
    assert_true(srl__centrifugo_decode_connect(lit("{\"token\":\"t\\/\",\"data\":1}"), &srl__json_limits_default,
                                               &scratch, &command, &error));
    assert_int_equal(command.type, SRL__COMMAND_CONNECT);
    has(command.token, "t/");
    has(command.data, "1");
    assert_false(command.answers_pings);
    assert_true(srl__centrifugo_decode_connect(lit(""), &srl__json_limits_default, &scratch, &command, &error));
    assert_false(srl__centrifugo_decode_connect(lit("[]"), &srl__json_limits_default, &scratch, &command, &error));
    srl__buf_free(&scratch);
}

static void messages_are_taken_apart(void **state)
{
    srl__slice message = lit("\r\na\n\nbc\r\n");
    (void)state;

    has(srl__take_line(&message), "");
    has(srl__take_line(&message), "a");
    has(srl__take_line(&message), "");
    has(srl__take_line(&message), "bc");
    assert_int_equal(message.len, 0);
    assert_int_equal(srl__codec_detect(lit("\n{\"id\":1,\"connect\":{}}")), SRL__CODEC_CENTRIFUGO);
    assert_int_equal(srl__codec_detect(lit("\r\n {\"id\":1,\"type\":\"connect\"}\nx")), SRL__CODEC_NATIVE);
    assert_int_equal(srl__codec_detect(lit("{\"id\":1,\"type\":7}")), SRL__CODEC_CENTRIFUGO);
    assert_int_equal(srl__codec_detect(lit("")), SRL__CODEC_CENTRIFUGO);
    for (int i = 0; i < SRL__CODEC_COUNT; i++) {
        assert_non_null(srl__codecs[i]->take);
        has(srl__codecs[i]->separator, "\n");
    }
}

/* ---- encoding */

static srl_allocator system_memory;
static srl__buf out;

static void is(const char *expected)
{
    assert_int_equal(out.error, 0);
    has(srl__slice_of(out.data, out.len), expected);
    srl__buf_reset(&out);
}

static int begin(void **state)
{
    (void)state;
    srl_allocator_init(&system_memory, sizeof(system_memory));
    srl__buf_init(&out, &system_memory, 1 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    srl__buf_free(&out);
    return 0;
}

static const srl__codec *const codec = &srl__codec_centrifugo;
static const srl__codec *const pushes = &srl__codec_centrifugo_pushes;

static void replies(void **state)
{
    srl__reply_to to = {7, SRL__COMMAND_UNSUBSCRIBE, {"c", 1}};
    srl__connect_reply connect = {.client = lit("id"), .user = lit("u"), .ping_ms = 25000, .answers_pings = true};
    (void)state;

    codec->reply_empty(&out, &to);
    is("{\"id\":7,\"unsubscribe\":{}}");
    codec->reply_error(&out, &to, 100, lit("a \"b\""));
    is("{\"id\":7,\"error\":{\"code\":100,\"message\":\"a \\\"b\\\"\",\"temporary\":true}}");
    codec->reply_error(&out, &to, 1234, lit(""));
    is("{\"id\":7,\"error\":{\"code\":1234,\"message\":\"\"}}");
    to.type = SRL__COMMAND_RPC;
    codec->reply_rpc(&out, &to, lit("[1]"));
    is("{\"id\":7,\"rpc\":{\"data\":[1]}}");
    codec->reply_rpc(&out, &to, lit(""));
    is("{\"id\":7,\"rpc\":{}}");
    to.type = SRL__COMMAND_PUBLISH;
    codec->reply_publish(&out, &to, 5, lit("e"));
    is("{\"id\":7,\"publish\":{}}");
    to.type = SRL__COMMAND_SUB_REFRESH;
    codec->reply_refresh(&out, &to, 1001);
    is("{\"id\":7,\"sub_refresh\":{\"expires\":true,\"ttl\":2}}");
    to.type = SRL__COMMAND_CONNECT;
    codec->reply_connect(&out, &to, &connect);
    is("{\"id\":7,\"connect\":{\"client\":\"id\",\"version\":\"" SRL_VERSION "\",\"ping\":25,\"pong\":true}}");
    connect.expires_ms = UINT64_MAX;
    connect.ping_ms = 1;
    connect.answers_pings = false;
    connect.data = lit("{}");
    connect.subs = lit("\"c\":{}");
    connect.session = lit("s");
    connect.node = lit("n");
    codec->reply_connect(&out, &to, &connect);
    is("{\"id\":7,\"connect\":{\"client\":\"id\",\"version\":\"" SRL_VERSION
       "\",\"expires\":true,\"ttl\":31536000,\"data\":{},\"subs\":{\"c\":{}},\"ping\":1,\"session\":\"s\","
       "\"node\":\"n\"}}");
    connect = (srl__connect_reply){.client = lit("id")};
    pushes->reply_connect(&out, &to, &connect);
    is("{\"connect\":{\"client\":\"id\",\"version\":\"" SRL_VERSION "\"}}");
}

static void subscriptions(void **state)
{
    srl__reply_to to = {7, SRL__COMMAND_SUBSCRIBE, {"c", 1}};
    srl__subscribe_reply reply = {.offset = 3, .epoch = lit("e")};
    (void)state;

    codec->reply_subscribe(&out, &to, &reply);
    is("{\"id\":7,\"subscribe\":{}}");
    reply.positioned = true;
    codec->reply_subscribe(&out, &to, &reply);
    is("{\"id\":7,\"subscribe\":{\"epoch\":\"e\",\"offset\":3,\"positioned\":true}}");
    reply.recoverable = reply.recovered = reply.was_recovering = reply.delta = true;
    reply.numeric_id = 9;
    reply.ttl_ms = 1000;
    reply.data = lit("1");
    reply.publications = lit("{\"data\":1}");
    codec->reply_subscribe(&out, &to, &reply);
    is("{\"id\":7,\"subscribe\":{\"expires\":true,\"ttl\":1,\"recoverable\":true,\"epoch\":\"e\",\"publications\":[{"
       "\"data\":1}],\"recovered\":true,\"offset\":3,\"positioned\":true,\"data\":1,\"was_recovering\":true,\"delta\":"
       "true,"
       "\"id\":9}}");
    reply = (srl__subscribe_reply){.offset = 0};
    codec->append_sub(&out, lit("a\""), &reply);
    codec->append_sub(&out, lit("b"), &reply);
    is("\"a\\\"\":{},\"b\":{}");
    codec->push_subscribe(&out, lit("c"), &reply);
    is("{\"push\":{\"channel\":\"c\",\"subscribe\":{}}}");
    codec->push_unsubscribe(&out, lit("c"), 2500, lit("r"));
    is("{\"push\":{\"channel\":\"c\",\"unsubscribe\":{\"code\":2500,\"reason\":\"r\"}}}");
    pushes->push_unsubscribe(&out, lit("c"), 2500, lit("r"));
    is("{\"channel\":\"c\",\"unsubscribe\":{\"code\":2500,\"reason\":\"r\"}}");
}

static void publications(void **state)
{
    srl_publication p = {.size = sizeof(p), .data = "{\"a\":\"b\\n\"}", .data_len = 12};
    srl__shown shown = {.publication = &p};
    (void)state;

    p.data_len = strlen(p.data);
    codec->push_publication(&out, lit("c\\"), &p, lit(""));
    is("{\"push\":{\"channel\":\"c\\\\\",\"pub\":{\"data\":{\"a\":\"b\\n\"}}}}");
    pushes->push_publication(&out, lit("c"), &p, lit("e"));
    is("{\"channel\":\"c\",\"pub\":{\"data\":{\"a\":\"b\\n\"},\"epoch\":\"e\"}}");
    shown.form = SRL__FORM_TEXT;
    shown.numeric_id = 5;
    codec->push_shown(&out, lit("c"), &shown);
    is("{\"push\":{\"id\":5,\"pub\":{\"data\":\"{\\\"a\\\":\\\"b\\\\n\\\"}\"}}}");
    shown.form = SRL__FORM_PATCH;
    shown.patch = lit("1\n1:\"x;");
    p.offset = 8;
    p.time_ms = 9;
    p.tags = "{\"t\":\"v\"}";
    p.tags_len = 9;
    p.client = "id";
    p.client_len = 2;
    p.user = "u";
    p.user_len = 1;
    p.info = "1";
    p.info_len = 1;
    p.channel_info = "[]";
    p.channel_info_len = 2;
    codec->append_publication(&out, &shown);
    codec->append_publication(&out, &shown);
    is("{\"data\":\"1\\n1:\\\"x;\",\"info\":{\"user\":\"u\",\"client\":\"id\",\"conn_info\":1,\"chan_info\":[]},"
       "\"offset\":8,"
       "\"tags\":{\"t\":\"v\"},\"delta\":true,\"time\":9},"
       "{\"data\":\"1\\n1:\\\"x;\",\"info\":{\"user\":\"u\",\"client\":\"id\",\"conn_info\":1,\"chan_info\":[]},"
       "\"offset\":8,"
       "\"tags\":{\"t\":\"v\"},\"delta\":true,\"time\":9}");
    codec->push_join(&out, lit("c"), &p);
    is("{\"push\":{\"channel\":\"c\",\"join\":{\"info\":{\"user\":\"u\",\"client\":\"id\",\"conn_info\":1,\"chan_"
       "info\":[]}}}}");
    pushes->push_leave(&out, lit("c"), &p);
    is("{\"channel\":\"c\",\"leave\":{\"info\":{\"user\":\"u\",\"client\":\"id\",\"conn_info\":1,\"chan_info\":[]}}}");
    p.client_len = 0; /* of a user as a whole */
    codec->push_join(&out, lit("c"), &p);
    is("");
    pushes->push_leave(&out, lit("c"), &p);
    is("");
}

static void lists(void **state)
{
    srl__reply_to to = {7, SRL__COMMAND_PRESENCE, {"c", 1}};
    srl_presence_session sessions[] = {
        {.client = "id1", .user = "u", .client_len = 3, .user_len = 1, .info = "1", .info_len = 1},
        {.client = "id2", .user = "", .client_len = 3, .channel_info = "2", .channel_info_len = 1}};
    srl_presence presence = {
        .size = sizeof(presence), .num_users = 2, .num_sessions = 3, .sessions = sessions, .session_count = 2};
    srl_publication p[] = {{.offset = 1, .data = "1", .data_len = 1}, {.offset = 2, .data = "22", .data_len = 2}};
    srl_history history = {
        .size = sizeof(history), .count = 2, .publications = p, .offset = 2, .epoch = "e", .epoch_len = 1};
    (void)state;

    codec->reply_presence(&out, &to, &presence);
    is("{\"id\":7,\"presence\":{\"presence\":{\"id1\":{\"user\":\"u\",\"client\":\"id1\",\"conn_info\":1},\"id2\":{"
       "\"user\":\"\","
       "\"client\":\"id2\",\"chan_info\":2}}}}");
    presence.session_count = 0;
    codec->reply_presence(&out, &to, &presence);
    is("{\"id\":7,\"presence\":{\"presence\":{}}}");
    to.type = SRL__COMMAND_PRESENCE_STATS;
    codec->reply_presence_stats(&out, &to, &presence);
    is("{\"id\":7,\"presence_stats\":{\"num_clients\":3,\"num_users\":2}}");
    to.type = SRL__COMMAND_HISTORY;
    codec->reply_history(&out, &to, &history, 1000);
    is("{\"id\":7,\"history\":{\"publications\":[{\"data\":1,\"offset\":1},{\"data\":22,\"offset\":2}],\"epoch\":\"e\","
       "\"offset\":2}}");
    codec->reply_history(&out, &to, &history, 0);
    is("{\"id\":7,\"history\":{\"publications\":[{\"data\":1,\"offset\":1}],\"epoch\":\"e\",\"offset\":2}}");
    history.count = 0;
    history.offset = 0;
    codec->reply_history(&out, &to, &history, 1000);
    is("{\"id\":7,\"history\":{\"publications\":[],\"epoch\":\"e\",\"offset\":0}}");
}

static void others(void **state)
{
    (void)state;
    codec->push_ping(&out);
    is("{}");
    codec->push_message(&out, lit("{\"a\":1}"));
    is("{\"push\":{\"message\":{\"data\":{\"a\":1}}}}");
    pushes->push_message(&out, lit("1"));
    is("{\"message\":{\"data\":1}}");
    codec->push_refresh(&out, 5000);
    is("{\"push\":{\"refresh\":{\"expires\":true,\"ttl\":5}}}");
    codec->push_refresh(&out, 0);
    is("{\"push\":{\"refresh\":{}}}");
    codec->push_disconnect(&out, 3500, lit("r"), false);
    is("{\"push\":{\"disconnect\":{\"code\":3500,\"reason\":\"r\"}}}");
    pushes->push_disconnect(&out, 3001, lit("r"), true);
    is("{\"disconnect\":{\"code\":3001,\"reason\":\"r\",\"reconnect\":true}}");
    assert_int_equal(srl__centrifugo_method_name(SRL__COMMAND_ACK).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_is_read),
        cmocka_unit_test(wishes_are_read),
        cmocka_unit_test(limits_of_history),
        cmocka_unit_test(no_part_of_a_line_is_a_command),
        cmocka_unit_test(out_of_memory_is_no_bad_request),
        cmocka_unit_test(parameters_alone),
        cmocka_unit_test(messages_are_taken_apart),
        cmocka_unit_test(replies),
        cmocka_unit_test(subscriptions),
        cmocka_unit_test(publications),
        cmocka_unit_test(lists),
        cmocka_unit_test(others),
    };

    return cmocka_run_group_tests_name("centrifugo_codec", tests, begin, end);
}
