#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <streamrelay/error.h>
#include <streamrelay/stream.h>

#include "helpers/fail_alloc.h"
#include "helpers/stream_golden.h"

#define LIT(text) (text), sizeof(text) - 1

static srl_command *command;

static int setup(void **state)
{
    (void)state;
    return srl_command_create(NULL, &command);
}

static int teardown(void **state)
{
    (void)state;
    srl_command_free(command);
    return 0;
}

/* The arguments, with "|" between them. */
static const char *words(void)
{
    static char text[4096];
    size_t at = 0;
    for (uint32_t i = 0; i < srl_command_count(command); i++) {
        size_t len = 0;
        const char *arg = srl_command_arg(command, i, &len);
        assert_non_null(arg);
        assert_true(at + len + 2 < sizeof(text));
        if (i > 0) {
            text[at++] = '|';
        }
        memcpy(text + at, arg, len);
        at += len;
    }
    text[at] = '\0';
    return text;
}

#define SAYS(call, expected)                                                                                           \
    do {                                                                                                               \
        assert_int_equal((call), SRL_OK);                                                                              \
        assert_string_equal(words(), (expected));                                                                      \
    } while (0)

/* A refused request leaves an empty command. */
#define REFUSED(call)                                                                                                  \
    do {                                                                                                               \
        assert_int_equal(srl_command_reset(command), SRL_OK);                                                          \
        assert_int_equal(srl_command_add(command, "left", 4), SRL_OK);                                                 \
        assert_int_equal((call), SRL_ERR_INVALID);                                                                     \
        assert_int_equal(srl_command_count(command), 0);                                                               \
    } while (0)

static srl_stream_point point(int kind, uint64_t ms, uint64_t seq)
{
    srl_stream_point at;
    srl_stream_point_set(&at, kind, ms, seq);
    return at;
}

/* ---- ids */

static void check_parse(const char *text, int error, uint64_t ms, uint64_t seq)
{
    srl_stream_id id = {77, 88};
    char *copy = malloc(strlen(text) + 1); /* exactly as long: a read beyond the end is seen */
    assert_non_null(copy);
    memcpy(copy, text, strlen(text));
    assert_int_equal(srl_stream_id_parse(copy, strlen(text), &id), error);
    assert_true(id.ms == (error == 0 ? ms : 77));
    assert_true(id.seq == (error == 0 ? seq : 88));
    free(copy);
}

static void test_parse(void **state)
{
    (void)state;
    check_parse("0-0", 0, 0, 0);
    check_parse("1-2", 0, 1, 2);
    check_parse("5", 0, 5, 0);
    check_parse("0001-002", 0, 1, 2);
    check_parse("18446744073709551615-18446744073709551615", 0, UINT64_MAX, UINT64_MAX);
    static const char *const bad[] = {"",
                                      "-",
                                      "1-",
                                      "-1",
                                      "1--2",
                                      "1-2-3",
                                      "1-2 ",
                                      " 1-2",
                                      "+1-2",
                                      "1-+2",
                                      "1-*",
                                      "*",
                                      "$",
                                      ">",
                                      "(1-2",
                                      "a-1",
                                      "1-a",
                                      "1 -2",
                                      "0x1-0x2",
                                      "1.2",
                                      "1,2",
                                      "1\n",
                                      "1-2\n",
                                      "18446744073709551616",
                                      "1-18446744073709551616",
                                      "99999999999999999999-0",
                                      "000000000000000000001-1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        check_parse(bad[i], SRL_ERR_INVALID, 0, 0);
    }
    srl_stream_id id;
    assert_int_equal(srl_stream_id_parse(NULL, 0, &id), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_id_parse("1-1", 3, NULL), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_id_parse("1-1\0", 4, &id), SRL_ERR_INVALID);
}

static void check_format(uint64_t ms, uint64_t seq, const char *expected)
{
    srl_stream_id id = {ms, seq};
    char text[SRL_STREAM_ID_SIZE];
    size_t len = strlen(expected);
    assert_int_equal(srl_stream_id_format(&id, text, len + 1), (int)len);
    assert_string_equal(text, expected);
    memset(text, 'x', sizeof(text));
    assert_int_equal(srl_stream_id_format(&id, text, len), SRL_ERR_TOO_LARGE);
    assert_int_equal(srl_stream_id_format(&id, text, 0), SRL_ERR_TOO_LARGE);
    assert_int_equal(text[0], 'x');
    check_parse(expected, 0, ms, seq);
}

static void test_format(void **state)
{
    (void)state;
    check_format(0, 0, "0-0");
    check_format(10, 9, "10-9");
    check_format(1795427221648, 0, "1795427221648-0");
    check_format(UINT64_MAX, UINT64_MAX, "18446744073709551615-18446744073709551615");
    srl_stream_id id = {0, 0};
    char text[4];
    assert_int_equal(srl_stream_id_format(NULL, text, 4), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_id_format(&id, NULL, 4), SRL_ERR_INVALID);
}

static void test_order(void **state)
{
    (void)state;
    static const srl_stream_id ascending[] = {{0, 0},          {0, 1},
                                              {0, UINT64_MAX}, {1, 0},
                                              {2, 1},          {UINT64_MAX - 1, UINT64_MAX},
                                              {UINT64_MAX, 0}, {UINT64_MAX, UINT64_MAX}};
    size_t count = sizeof(ascending) / sizeof(ascending[0]);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            int order = srl_stream_id_compare(&ascending[i], &ascending[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
}

static void test_neighbours(void **state)
{
    (void)state;
    srl_stream_id id = {1, 2};
    assert_int_equal(srl_stream_id_next(&id, &id), 0);
    assert_true(id.ms == 1 && id.seq == 3);
    assert_int_equal(srl_stream_id_previous(&id, &id), 0);
    assert_true(id.ms == 1 && id.seq == 2);
    id = (srl_stream_id){4, UINT64_MAX};
    assert_int_equal(srl_stream_id_next(&id, &id), 0);
    assert_true(id.ms == 5 && id.seq == 0);
    assert_int_equal(srl_stream_id_previous(&id, &id), 0);
    assert_true(id.ms == 4 && id.seq == UINT64_MAX);
    srl_stream_id out = {7, 7};
    id = (srl_stream_id){UINT64_MAX, UINT64_MAX};
    assert_int_equal(srl_stream_id_next(&id, &out), SRL_ERR_LIMIT);
    id = (srl_stream_id){0, 0};
    assert_int_equal(srl_stream_id_previous(&id, &out), SRL_ERR_LIMIT);
    assert_true(out.ms == 7 && out.seq == 7);
    assert_int_equal(srl_stream_id_next(NULL, &out), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_id_previous(&id, NULL), SRL_ERR_INVALID);
}

/* ---- commands */

static void test_golden_commands(void **state)
{
    (void)state;
    srl_test_golden golden;
    srl_test_golden_load(&golden, SRL_TEST_DATA_DIR "/redis/golden.txt");
    size_t said = 0;
    size_t refused = 0;
    for (size_t i = 0; i < golden.count; i++) {
        const srl_test_golden_line *line = &golden.lines[i];
        int error = srl_test_stream_encode_words(command, line);
        if (error != 0) {
            /* Only what the server refused too cannot be said, and what is not of streams; a negative COUNT is not
             * sent. */
            assert_true(error == SRL_ERR_UNAVAILABLE || error == SRL_ERR_INVALID);
            assert_true(line->reply[0] == '-' || strcmp(line->words[0], "SET") == 0 ||
                        strcmp(line->command, "XGROUP HELP") == 0 || strstr(line->command, "COUNT -1") != NULL);
            refused++;
            continue;
        }
        uint32_t at = 0;
        for (uint32_t word = 0; word < line->count; word++) {
            if (strcmp(line->words[word], "=") == 0) {
                continue;
            }
            size_t len = 0;
            const char *arg = srl_command_arg(command, at++, &len);
            assert_non_null(arg);
            assert_int_equal(len, strlen(line->words[word]));
            assert_memory_equal(arg, line->words[word], len);
        }
        assert_int_equal(at, srl_command_count(command));
        said++;
    }
    assert_int_equal(golden.count, 207);
    assert_int_equal(said + refused, golden.count);
    assert_in_range(said, 170, 207);
    srl_test_golden_free(&golden);
}

static void test_add(void **state)
{
    (void)state;
    srl_stream_field fields[] = {{LIT("f"), LIT("v")}, {NULL, 0, LIT("a\0b")}, {LIT("g"), NULL, 0}};
    srl_stream_add_request r;
    srl_stream_add_request_init(&r, sizeof(r));
    REFUSED(srl_stream_encode_add(command, &r));
    r.key = "s";
    r.key_len = 1;
    REFUSED(srl_stream_encode_add(command, &r));
    r.fields = fields;
    r.field_count = 1;
    SAYS(srl_stream_encode_add(command, &r), "XADD|s|*|f|v");
    r.field_count = 3;
    assert_int_equal(srl_stream_encode_add(command, &r), 0);
    size_t len = 0;
    const char *arg = srl_command_arg(command, 6, &len);
    assert_int_equal(len, 3);
    assert_memory_equal(arg, "a\0b", 3);
    r.field_count = 1;
    r.nomkstream = 1;
    r.trim.kind = SRL_STREAM_TRIM_MAXLEN;
    r.trim.maxlen = 0;
    r.id = point(SRL_STREAM_AUTO_SEQ, 0, 9);
    SAYS(srl_stream_encode_add(command, &r), "XADD|s|NOMKSTREAM|MAXLEN|0|0-*|f|v");
    r.nomkstream = 0;
    r.trim.is_approx = 1;
    r.trim.maxlen = INT64_MAX;
    r.trim.limit = 0;
    r.id = point(SRL_STREAM_ID, UINT64_MAX, UINT64_MAX);
    SAYS(srl_stream_encode_add(command, &r), "XADD|s|MAXLEN|~|9223372036854775807|LIMIT|0|"
                                             "18446744073709551615-18446744073709551615|f|v");
    r.trim.kind = SRL_STREAM_TRIM_MINID;
    r.trim.minid = point(SRL_STREAM_ID, 5, 6);
    r.trim.limit = INT64_MAX;
    r.id = point(SRL_STREAM_MS, 12, 99);
    SAYS(srl_stream_encode_add(command, &r), "XADD|s|MINID|~|5-6|LIMIT|9223372036854775807|12|f|v");
    r.trim.minid = point(SRL_STREAM_MS, UINT64_MAX, 0);
    r.trim.limit = -1;
    r.key_len = 0;
    SAYS(srl_stream_encode_add(command, &r), "XADD||MINID|~|18446744073709551615|12|f|v");
}

static void test_add_refused(void **state)
{
    (void)state;
    srl_stream_field fields[] = {{LIT("f"), LIT("v")}};
    srl_stream_add_request good;
    srl_stream_add_request_init(&good, sizeof(good));
    good.key = "s";
    good.key_len = 1;
    good.fields = fields;
    good.field_count = 1;
    srl_stream_add_request r = good;
    SAYS(srl_stream_encode_add(command, &r), "XADD|s|*|f|v");
    REFUSED(srl_stream_encode_add(command, NULL));
    assert_int_equal(srl_stream_encode_add(NULL, &r), SRL_ERR_INVALID);
    r.size--;
    REFUSED(srl_stream_encode_add(command, &r));
    r = good;
    r.nomkstream = 2;
    REFUSED(srl_stream_encode_add(command, &r));
    r = good;
    r.borrow = 2;
    REFUSED(srl_stream_encode_add(command, &r));
    for (int kind = -1; kind < 12; kind++) {
        r = good;
        r.id.kind = kind;
        bool is_good =
            kind == SRL_STREAM_ID || kind == SRL_STREAM_MS || kind == SRL_STREAM_AUTO || kind == SRL_STREAM_AUTO_SEQ;
        assert_int_equal(srl_stream_encode_add(command, &r), is_good ? 0 : SRL_ERR_INVALID);
    }
    r = good;
    r.trim.kind = 3;
    REFUSED(srl_stream_encode_add(command, &r));
    r.trim.kind = SRL_STREAM_TRIM_MAXLEN;
    r.trim.limit = 10; /* without "~" */
    REFUSED(srl_stream_encode_add(command, &r));
    r.trim.limit = -1;
    r.trim.maxlen = (uint64_t)INT64_MAX + 1;
    REFUSED(srl_stream_encode_add(command, &r));
    r.trim.maxlen = 1;
    r.trim.is_approx = 2;
    REFUSED(srl_stream_encode_add(command, &r));
    r = good;
    fields[0].value = NULL;
    REFUSED(srl_stream_encode_add(command, &r));
    fields[0].value = "v";
    fields[0].name = NULL;
    REFUSED(srl_stream_encode_add(command, &r));
    r.borrow = 1;
    REFUSED(srl_stream_encode_add(command, &r));
}

static void test_add_borrows_large_values(void **state)
{
    (void)state;
    char *large = malloc(100000);
    assert_non_null(large);
    memset(large, 'x', 100000);
    srl_stream_field fields[] = {{LIT("f"), large, 100000}};
    srl_stream_add_request r;
    srl_stream_add_request_init(&r, sizeof(r));
    r.key = "s";
    r.key_len = 1;
    r.fields = fields;
    r.field_count = 1;
    size_t len = 0;
    assert_int_equal(srl_stream_encode_add(command, &r), 0);
    assert_ptr_not_equal(srl_command_arg(command, 4, &len), large);
    assert_int_equal(len, 100000);
    r.borrow = 1;
    assert_int_equal(srl_stream_encode_add(command, &r), 0);
    assert_ptr_equal(srl_command_arg(command, 4, &len), large);
    assert_int_equal(len, 100000);
    assert_int_equal(srl_command_reset(command), 0);
    free(large);
}

static void test_trim_del_len_setid(void **state)
{
    (void)state;
    srl_stream_trim_request t;
    srl_stream_trim_request_init(&t, sizeof(t));
    t.key = "s";
    t.key_len = 1;
    REFUSED(srl_stream_encode_trim(command, &t));
    REFUSED(srl_stream_encode_trim(command, NULL));
    t.trim.kind = SRL_STREAM_TRIM_MAXLEN;
    t.trim.maxlen = 3;
    SAYS(srl_stream_encode_trim(command, &t), "XTRIM|s|MAXLEN|3");
    t.key = NULL;
    REFUSED(srl_stream_encode_trim(command, &t));

    srl_stream_id ids[] = {{1, 2}, {3, 4}};
    SAYS(srl_stream_encode_del(command, LIT("s"), ids, 2), "XDEL|s|1-2|3-4");
    REFUSED(srl_stream_encode_del(command, LIT("s"), ids, 0));
    REFUSED(srl_stream_encode_del(command, LIT("s"), NULL, 1));
    SAYS(srl_stream_encode_len(command, LIT("a b")), "XLEN|a b");
    REFUSED(srl_stream_encode_len(command, NULL, 0));
    assert_int_equal(srl_stream_encode_len(NULL, LIT("s")), SRL_ERR_INVALID);

    srl_stream_setid_request s;
    srl_stream_setid_request_init(&s, sizeof(s));
    s.key = "s";
    s.key_len = 1;
    s.id = ids[1];
    SAYS(srl_stream_encode_setid(command, &s), "XSETID|s|3-4");
    s.max_deleted_id = &ids[0];
    SAYS(srl_stream_encode_setid(command, &s), "XSETID|s|3-4|MAXDELETEDID|1-2");
    s.entries_added = 0;
    SAYS(srl_stream_encode_setid(command, &s), "XSETID|s|3-4|ENTRIESADDED|0|MAXDELETEDID|1-2");
    s.size = 0;
    REFUSED(srl_stream_encode_setid(command, &s));
}

static void test_range(void **state)
{
    (void)state;
    srl_stream_range_request r;
    srl_stream_range_request_init(&r, sizeof(r));
    r.key = "s";
    r.key_len = 1;
    SAYS(srl_stream_encode_range(command, &r), "XRANGE|s|-|+");
    r.reverse = 1;
    r.count = 0;
    SAYS(srl_stream_encode_range(command, &r), "XREVRANGE|s|+|-|COUNT|0");
    r.start = point(SRL_STREAM_ID_EXCLUSIVE, 1, 2);
    r.end = point(SRL_STREAM_MS_EXCLUSIVE, 3, 4);
    SAYS(srl_stream_encode_range(command, &r), "XREVRANGE|s|(3|(1-2|COUNT|0");
    r.reverse = 0;
    r.count = 5;
    SAYS(srl_stream_encode_range(command, &r), "XRANGE|s|(1-2|(3|COUNT|5");
    r.start = point(SRL_STREAM_LAST, 0, 0);
    r.end = point(SRL_STREAM_FIRST, 0, 0);
    SAYS(srl_stream_encode_range(command, &r), "XRANGE|s|+|-|COUNT|5");
    for (int kind = -1; kind < 12; kind++) {
        bool is_good = kind >= SRL_STREAM_ID && kind <= SRL_STREAM_LAST;
        r.end.kind = kind;
        assert_int_equal(srl_stream_encode_range(command, &r), is_good ? 0 : SRL_ERR_INVALID);
    }
    r.end.kind = SRL_STREAM_LAST;
    r.reverse = 2;
    REFUSED(srl_stream_encode_range(command, &r));
    REFUSED(srl_stream_encode_range(command, NULL));
}

static void test_read(void **state)
{
    (void)state;
    srl_stream_source sources[] = {{LIT("a"), {SRL_STREAM_ID, 0, {1, 2}}}, {LIT("b"), {SRL_STREAM_END, 0, {0, 0}}}};
    srl_stream_read_request r;
    srl_stream_read_request_init(&r, sizeof(r));
    REFUSED(srl_stream_encode_read(command, &r));
    r.sources = sources;
    r.source_count = 2;
    SAYS(srl_stream_encode_read(command, &r), "XREAD|STREAMS|a|b|1-2|$");
    r.count = 0;
    r.block_ms = 0;
    SAYS(srl_stream_encode_read(command, &r), "XREAD|COUNT|0|BLOCK|0|STREAMS|a|b|1-2|$");
    r.noack = 1; /* without a group */
    REFUSED(srl_stream_encode_read(command, &r));
    r.noack = 0;
    sources[1].after.kind = SRL_STREAM_NEW;
    REFUSED(srl_stream_encode_read(command, &r));
    r.group = "g";
    r.group_len = 1;
    REFUSED(srl_stream_encode_read(command, &r)); /* no consumer */
    r.consumer = "c";
    r.consumer_len = 1;
    sources[0].after.kind = SRL_STREAM_MS;
    SAYS(srl_stream_encode_read(command, &r), "XREADGROUP|GROUP|g|c|COUNT|0|BLOCK|0|STREAMS|a|b|1|>");
    r.noack = 1;
    r.block_ms = INT64_MAX;
    r.count = -1;
    SAYS(srl_stream_encode_read(command, &r), "XREADGROUP|GROUP|g|c|BLOCK|9223372036854775807|NOACK|STREAMS|a|b|1|>");
    sources[0].after.kind = SRL_STREAM_END; /* meaningless with a group */
    REFUSED(srl_stream_encode_read(command, &r));
    sources[0].after.kind = SRL_STREAM_LAST;
    REFUSED(srl_stream_encode_read(command, &r));
    sources[0].after.kind = SRL_STREAM_MS;
    sources[1].key = NULL;
    REFUSED(srl_stream_encode_read(command, &r));
    r.source_count = 0;
    REFUSED(srl_stream_encode_read(command, &r));
}

static void test_group(void **state)
{
    (void)state;
    srl_stream_group_request r;
    srl_stream_group_request_init(&r, sizeof(r));
    r.key = "s";
    r.key_len = 1;
    REFUSED(srl_stream_encode_group_create(command, &r));
    r.group = "g";
    r.group_len = 1;
    SAYS(srl_stream_encode_group_create(command, &r), "XGROUP|CREATE|s|g|$");
    SAYS(srl_stream_encode_group_setid(command, &r), "XGROUP|SETID|s|g|$");
    r.mkstream = 1;
    r.has_entries_read = 1;
    SAYS(srl_stream_encode_group_create(command, &r), "XGROUP|CREATE|s|g|$|MKSTREAM|ENTRIESREAD|-1");
    REFUSED(srl_stream_encode_group_setid(command, &r));
    r.mkstream = 0;
    r.entries_read = 7;
    r.after = point(SRL_STREAM_ID, 1, 2);
    SAYS(srl_stream_encode_group_setid(command, &r), "XGROUP|SETID|s|g|1-2|ENTRIESREAD|7");
    r.entries_read = -2;
    REFUSED(srl_stream_encode_group_setid(command, &r));
    r.entries_read = 0;
    r.has_entries_read = 2;
    REFUSED(srl_stream_encode_group_setid(command, &r));
    r.has_entries_read = 0;
    r.after.kind = SRL_STREAM_NEW;
    REFUSED(srl_stream_encode_group_create(command, &r));
    REFUSED(srl_stream_encode_group_create(command, NULL));
    SAYS(srl_stream_encode_group_destroy(command, LIT("s"), LIT("")), "XGROUP|DESTROY|s|");
    SAYS(srl_stream_encode_group_createconsumer(command, LIT("s"), LIT("g"), LIT("c")), "XGROUP|CREATECONSUMER|s|g|c");
    SAYS(srl_stream_encode_group_delconsumer(command, LIT("s"), LIT("g"), LIT("c")), "XGROUP|DELCONSUMER|s|g|c");
    REFUSED(srl_stream_encode_group_destroy(command, LIT("s"), NULL, 0));
    REFUSED(srl_stream_encode_group_createconsumer(command, LIT("s"), LIT("g"), NULL, 0));
    REFUSED(srl_stream_encode_group_delconsumer(command, NULL, 0, LIT("g"), LIT("c")));
}

static void test_ack_and_pending(void **state)
{
    (void)state;
    srl_stream_id ids[] = {{1, 2}, {3, 4}};
    SAYS(srl_stream_encode_ack(command, LIT("s"), LIT("g"), ids, 2), "XACK|s|g|1-2|3-4");
    REFUSED(srl_stream_encode_ack(command, LIT("s"), LIT("g"), ids, 0));
    SAYS(srl_stream_encode_pending(command, LIT("s"), LIT("g")), "XPENDING|s|g");
    REFUSED(srl_stream_encode_pending(command, LIT("s"), NULL, 0));
    srl_stream_pending_request r;
    srl_stream_pending_request_init(&r, sizeof(r));
    r.key = "s";
    r.key_len = 1;
    r.group = "g";
    r.group_len = 1;
    SAYS(srl_stream_encode_pending_range(command, &r), "XPENDING|s|g|-|+|10");
    r.min_idle_ms = 0;
    r.count = INT64_MAX;
    r.start = point(SRL_STREAM_ID_EXCLUSIVE, 1, 2);
    r.consumer = "";
    SAYS(srl_stream_encode_pending_range(command, &r), "XPENDING|s|g|IDLE|0|(1-2|+|9223372036854775807|");
    r.count = (uint64_t)INT64_MAX + 1;
    REFUSED(srl_stream_encode_pending_range(command, &r));
    r.count = 1;
    r.start.kind = SRL_STREAM_NEW;
    REFUSED(srl_stream_encode_pending_range(command, &r));
}

static void test_claims(void **state)
{
    (void)state;
    srl_stream_id ids[] = {{1, 2}, {3, 4}};
    srl_stream_claim_request r;
    srl_stream_claim_request_init(&r, sizeof(r));
    r.key = r.group = r.consumer = "x";
    r.key_len = r.group_len = r.consumer_len = 1;
    REFUSED(srl_stream_encode_claim(command, &r));
    r.ids = ids;
    r.id_count = 2;
    SAYS(srl_stream_encode_claim(command, &r), "XCLAIM|x|x|x|0|1-2|3-4");
    r.min_idle_ms = INT64_MAX;
    r.idle_ms = 0;
    r.retry_count = 0;
    r.force = r.justid = 1;
    r.last_id = &ids[1];
    SAYS(srl_stream_encode_claim(command, &r),
         "XCLAIM|x|x|x|9223372036854775807|1-2|3-4|IDLE|0|RETRYCOUNT|0|FORCE|JUSTID|LASTID|3-4");
    r.time_ms = 5;
    REFUSED(srl_stream_encode_claim(command, &r)); /* two that contradict each other */
    r.idle_ms = -1;
    r.retry_count = -1;
    r.force = r.justid = 0;
    r.last_id = NULL;
    SAYS(srl_stream_encode_claim(command, &r), "XCLAIM|x|x|x|9223372036854775807|1-2|3-4|TIME|5");
    r.min_idle_ms++;
    REFUSED(srl_stream_encode_claim(command, &r));
    r.min_idle_ms = 0;
    r.consumer = NULL;
    REFUSED(srl_stream_encode_claim(command, &r));

    srl_stream_autoclaim_request a;
    srl_stream_autoclaim_request_init(&a, sizeof(a));
    a.key = a.group = a.consumer = "x";
    a.key_len = a.group_len = a.consumer_len = 1;
    a.min_idle_ms = 60000;
    SAYS(srl_stream_encode_autoclaim(command, &a), "XAUTOCLAIM|x|x|x|60000|0-0");
    a.count = 1;
    a.justid = 1;
    a.start = point(SRL_STREAM_ID_EXCLUSIVE, 1, 2);
    SAYS(srl_stream_encode_autoclaim(command, &a), "XAUTOCLAIM|x|x|x|60000|(1-2|COUNT|1|JUSTID");
    a.count = 0; /* the server refuses it */
    REFUSED(srl_stream_encode_autoclaim(command, &a));
    a.count = -1;
    a.min_idle_ms = UINT64_MAX;
    REFUSED(srl_stream_encode_autoclaim(command, &a));
    REFUSED(srl_stream_encode_autoclaim(command, NULL));
}

static void test_info(void **state)
{
    (void)state;
    SAYS(srl_stream_encode_info(command, LIT("s")), "XINFO|STREAM|s");
    SAYS(srl_stream_encode_info_full(command, LIT("s"), -1), "XINFO|STREAM|s|FULL");
    SAYS(srl_stream_encode_info_full(command, LIT("s"), 0), "XINFO|STREAM|s|FULL|COUNT|0");
    SAYS(srl_stream_encode_info_groups(command, LIT("s")), "XINFO|GROUPS|s");
    SAYS(srl_stream_encode_info_consumers(command, LIT("s"), LIT("g")), "XINFO|CONSUMERS|s|g");
    REFUSED(srl_stream_encode_info(command, NULL, 0));
    REFUSED(srl_stream_encode_info_full(command, NULL, 0, 1));
    REFUSED(srl_stream_encode_info_groups(command, NULL, 0));
    REFUSED(srl_stream_encode_info_consumers(command, LIT("s"), NULL, 0));
}

static void every_request(const srl_allocator *alloc, void *user)
{
    srl_command *own = NULL;
    const srl_test_golden *golden = user;
    if (srl_command_create(alloc, &own) != 0) {
        assert_true(srl_test_alloc_has_failed(alloc));
        return;
    }
    for (size_t i = 0; i < golden->count / 2; i++) {
        int error = srl_test_stream_encode_words(own, &golden->lines[i]);
        if (error == SRL_ERR_NOMEM) {
            assert_true(srl_test_alloc_has_failed(alloc));
            assert_int_equal(srl_command_count(own), 0);
        } else if (error == 0) {
            assert_int_not_equal(srl_command_count(own), 0);
        }
    }
    srl_command_free(own);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    srl_test_golden golden;
    srl_test_golden_load(&golden, SRL_TEST_DATA_DIR "/redis/golden.txt");
    assert_true(srl_test_each_failing_alloc(every_request, &golden) > 1);
    srl_test_golden_free(&golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_golden_commands),
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_add_refused),
        cmocka_unit_test(test_add_borrows_large_values),
        cmocka_unit_test(test_trim_del_len_setid),
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_group),
        cmocka_unit_test(test_ack_and_pending),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests_name("stream_encode", tests, setup, teardown);
}
