#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <streamrelay/error.h>
#include <streamrelay/stream.h>

#include "helpers/stream_golden.h"

/* "·" for CR LF would be hard to type here: "." is used instead. */
static srl_reply *parse(const char *text)
{
    char wire[2048];
    size_t len = 0;
    for (const char *at = text; *at != '\0'; at++) {
        assert_true(len + 2 < sizeof(wire));
        if (*at == '.') {
            wire[len++] = '\r';
            wire[len++] = '\n';
        } else {
            wire[len++] = *at;
        }
    }
    srl_reply *reply = NULL;
    if (srl_reply_parse(NULL, wire, len, NULL, &reply) != 0) {
        fail_msg("not a reply: %s", text);
    }
    return reply;
}

/* ---- what a real server answered */

static const srl_test_golden_line *expected_of(const srl_test_golden *decoded, const srl_test_golden_line *line,
                                               size_t index)
{
    assert_in_range(index, 0, decoded->count - 1);
    const srl_test_golden_line *expected = &decoded->lines[index];
    assert_string_equal(expected->command, line->command);
    assert_int_equal(expected->protocol, line->protocol);
    return expected;
}

static void test_golden_replies(void **state)
{
    (void)state;
    static char text[16384];
    srl_test_golden golden;
    srl_test_golden decoded;
    srl_test_golden_load(&golden, SRL_TEST_DATA_DIR "/redis/golden.txt");
    srl_test_golden_load(&decoded, SRL_TEST_DATA_DIR "/redis/golden_decoded.txt");
    for (size_t i = 0; i < golden.count; i++) {
        const srl_test_golden_line *line = &golden.lines[i];
        srl_reply *reply = NULL;
        assert_int_equal(srl_reply_parse(NULL, line->reply, line->reply_len, NULL, &reply), 0);
        srl_test_stream_render(line, reply, text, sizeof(text));
        const char *print = getenv("SRL_TEST_PRINT_DECODED");
        if (print != NULL) {
            printf("%s   =>   %s\n", line->command, text);
        } else {
            const srl_test_golden_line *expected = expected_of(&decoded, line, i);
            expected->reply[expected->reply_len] = '\0';
            assert_string_equal(text, expected->reply);
        }
        srl_reply_release(reply);
    }
    srl_test_golden_free(&golden);
    srl_test_golden_free(&decoded);
}

/* Both protocols mean the same. */
static void test_protocols_agree(void **state)
{
    (void)state;
    static char text[2][16384];
    srl_test_golden golden;
    srl_test_golden_load(&golden, SRL_TEST_DATA_DIR "/redis/golden.txt");
    size_t half = 0;
    while (golden.lines[half].protocol == 2) {
        half++;
    }
    assert_in_range(half, 100, golden.count / 2);
    for (size_t i = 0; i < half; i++) {
        for (size_t protocol = 0; protocol < 2; protocol++) {
            const srl_test_golden_line *line = &golden.lines[i + protocol * half];
            assert_string_equal(line->command, golden.lines[i].command);
            srl_reply *reply = NULL;
            assert_int_equal(srl_reply_parse(NULL, line->reply, line->reply_len, NULL, &reply), 0);
            srl_test_stream_render(line, reply, text[protocol], sizeof(text[protocol]));
            srl_test_stream_mask(text[protocol]);
            srl_reply_release(reply);
        }
        assert_string_equal(text[0], text[1]);
    }
    srl_test_golden_free(&golden);
}

/* Any command's decoder takes any reply: it decodes or refuses, and what it decodes can be walked over. */
static void test_replies_of_other_commands(void **state)
{
    (void)state;
    static char text[16384];
    srl_test_golden golden;
    srl_test_golden_load(&golden, SRL_TEST_DATA_DIR "/redis/golden.txt");
    for (size_t i = 0; i < golden.count; i++) {
        srl_reply *reply = NULL;
        assert_int_equal(srl_reply_parse(NULL, golden.lines[i].reply, golden.lines[i].reply_len, NULL, &reply), 0);
        for (size_t j = 0; j < golden.count / 2; j++) {
            srl_test_stream_render(&golden.lines[j], reply, text, sizeof(text));
            assert_true(strlen(text) > 0);
        }
        srl_reply_release(reply);
    }
    srl_test_golden_free(&golden);
}

/* ---- shapes that no server sends */

typedef struct shape {
    const char *command; /* tells which decoder */
    const char *reply;
    const char *expected;
} shape;

static const shape shapes[] = {
    /* ids */
    {"XADD", "$3.1-1.", "1-1"},
    {"XADD", "+1-1.", "1-1"},
    {"XADD", "$1.7.", "7-0"},
    {"XADD", "*-1.", "<SRL_ERR_NOT_FOUND>"},
    {"XADD", "$0..", "<SRL_ERR_TYPE>"},
    {"XADD", "$3.1-x.", "<SRL_ERR_TYPE>"},
    {"XADD", ":1.", "<SRL_ERR_TYPE>"},
    {"XADD", "*1.$3.1-1.", "<SRL_ERR_TYPE>"},
    {"XADD", "$22.18446744073709551616-0.", "<SRL_ERR_TYPE>"},
    {"XADD", "#t.", "<SRL_ERR_TYPE>"},
    {"XADD", "-NOGROUP x.", "<SRL_ERR_NOT_FOUND>NOGROUP x"},
    {"XADD", "-NOGROUPS x.", "<SRL_ERR_REDIS>NOGROUPS x"},
    {"XADD", "-BUSYGROUP.", "<SRL_ERR_EXISTS>BUSYGROUP"},
    {"XADD", "-ERR no such ke.", "<SRL_ERR_REDIS>ERR no such ke"},
    {"XADD", "-ERR no such key.", "<SRL_ERR_NOT_FOUND>ERR no such key"},
    {"XADD", "!9.WRONG ERR.", "<SRL_ERR_REDIS>WRONG ERR"},
    {"XADD", "|1.+k.+v.$3.1-1.", "1-1"},
    /* counts */
    {"XLEN", ":0.", "0"},
    {"XLEN", ":9223372036854775807.", "9223372036854775807"},
    {"XLEN", ":-1.", "<SRL_ERR_TYPE>"},
    {"XLEN", "$1.1.", "<SRL_ERR_TYPE>"},
    {"XLEN", "$-1.", "<SRL_ERR_TYPE>"},
    {"XLEN", "*0.", "<SRL_ERR_TYPE>"},
    {"XLEN", ",15.", "<SRL_ERR_TYPE>"},
    /* OK */
    {"XSETID", "+OK.", "OK"},
    {"XSETID", "$2.OK.", "OK"},
    {"XSETID", "+ok.", "<SRL_ERR_TYPE>"},
    {"XSETID", "+QUEUED.", "<SRL_ERR_TYPE>"},
    {"XSETID", "_.", "<SRL_ERR_TYPE>"},
    /* entries */
    {"XRANGE", "*0.", "0:[]"},
    {"XRANGE", "_.", "0:[]"},
    {"XRANGE", "$-1.", "0:[]"},
    {"XRANGE", "*1.*-1.", "1:[]"},
    {"XRANGE", "*2._.*2.$3.1-1.*2.$1.a.$1.b.", "2:[1-1{a=b}]"},
    {"XRANGE", "*1.*2.$3.1-1.*0.", "1:[1-1{}]"},
    {"XRANGE", "*1.*2.$3.1-1.*-1.", "1:[1-1(deleted)]"},
    {"XRANGE", "*1.*2.$3.1-1.$-1.", "1:[1-1(deleted)]"},
    {"XRANGE", "*1.*4.$3.1-1.*2.$1.a.$1.b.:5.:6.", "1:[1-1{a=b}]"},
    {"XRANGE", "*1.*2.$3.1-1.*2.|1.+k.+v.$1.a.$1.b.", "1:[1-1{a=b}]"},
    {"XRANGE", "$1.a.", "<SRL_ERR_TYPE>"},
    {"XRANGE", ":1.", "<SRL_ERR_TYPE>"},
    {"XRANGE", "%1.$1.a.$1.b.", "<SRL_ERR_TYPE>"},
    {"XRANGE", "*1.$3.1-1.", "1:[<SRL_ERR_TYPE>]"},
    {"XRANGE", "*1.*0.", "1:[<SRL_ERR_TYPE>]"},
    {"XRANGE", "*1.*1.$3.1-1.", "1:[<SRL_ERR_TYPE>]"},
    {"XRANGE", "*1.*2.$3.x-1.*0.", "1:[<SRL_ERR_TYPE>]"},
    {"XRANGE", "*1.*2.:1.*0.", "1:[<SRL_ERR_TYPE>]"},
    {"XRANGE", "*1.*2._.*0.", "1:[<SRL_ERR_TYPE>]"},
    {"XRANGE", "*1.*2.*1.$3.1-1.*0.", "1:[<SRL_ERR_TYPE>]"},
    {"XRANGE", "*1.*2.$3.1-1.*1.$1.a.", "1:[<SRL_ERR_TYPE>]"},
    {"XRANGE", "*1.*2.$3.1-1.*3.$1.a.$1.b.$1.c.", "1:[<SRL_ERR_TYPE>]"},
    {"XRANGE", "*1.*2.$3.1-1.$1.a.", "1:[<SRL_ERR_TYPE>]"},
    {"XRANGE", "*1.*2.$3.1-1.%1.$1.a.$1.b.", "1:[<SRL_ERR_TYPE>]"},
    {"XRANGE", "*1.*2.$3.1-1.*2.$1.a.:1.", "1:[1-1{<SRL_ERR_TYPE>}]"},
    {"XRANGE", "*1.*2.$3.1-1.*2._.$1.a.", "1:[1-1{<SRL_ERR_TYPE>}]"},
    {"XRANGE", "*1.*2.$3.1-1.*2.$1.a.*0.", "1:[1-1{<SRL_ERR_TYPE>}]"},
    {"XRANGE", "*2.*2.$3.1-1.*2.$1.a.*1.$1.x.*2.$3.2-2.*0.", "2:[1-1{<SRL_ERR_TYPE>}2-2{}]"},
    {"XRANGE", "*2.-ERR a.*2.$3.2-2.*0.", "2:[<SRL_ERR_TYPE>]"},
    /* streams */
    {"XREAD", "_.", "0:"},
    {"XREAD", "*-1.", "0:"},
    {"XREAD", "*0.", "0:"},
    {"XREAD", "%0.", "0:"},
    {"XREAD", "*1.*2.$1.s.*0.", "1: s[]"},
    {"XREAD", "%1.$1.s.*0.", "1: s[]"},
    {"XREAD", "*2.$1.s.*0.", "2:<SRL_ERR_TYPE>"},
    {"XREAD", "*1.*1.$1.s.", "1:<SRL_ERR_TYPE>"},
    {"XREAD", "*1.*2.$1.s._.", "1:<SRL_ERR_TYPE>"},
    {"XREAD", "%1.$1.s._.", "1:<SRL_ERR_TYPE>"},
    {"XREAD", "%1.$1.s.$1.x.", "1:<SRL_ERR_TYPE>"},
    {"XREAD", "%1.:1.*0.", "1:<SRL_ERR_TYPE>"},
    {"XREAD", "%1.*0.*0.", "1:<SRL_ERR_TYPE>"},
    {"XREAD", "%2.$1.s.*0._.*0.", "2: s[]<SRL_ERR_TYPE>"},
    {"XREAD", "~1.*2.$1.s.*0.", "<SRL_ERR_TYPE>"},
    {"XREAD", "+OK.", "<SRL_ERR_TYPE>"},
    /* claims */
    {"XCLAIM JUSTID", "*0.", "0:[]"},
    {"XCLAIM JUSTID", "*2.$3.1-1.$3.2-2.", "2:[1-1 2-2 ]"},
    {"XCLAIM JUSTID", "_.", "<SRL_ERR_TYPE>"},
    {"XCLAIM JUSTID", "*2.$3.1-1._.", "2:[1-1 <SRL_ERR_TYPE>]"},
    {"XCLAIM JUSTID", "*1.*2.$3.1-1.*0.", "1:[<SRL_ERR_TYPE>]"},
    {"XCLAIM", "*1.$3.1-1.", "1:[<SRL_ERR_TYPE>]"},
    {"XAUTOCLAIM", "*2.$3.0-0.*0.", "next 0-0[][]"},
    {"XAUTOCLAIM", "*3.$3.5-0.*1.*-1.*1.$3.1-1.", "next 5-0[][1-1 ]"},
    {"XAUTOCLAIM", "*4.$3.5-0.*0.*0.+new.", "next 5-0[][]"},
    {"XAUTOCLAIM", "*1.$3.0-0.", "<SRL_ERR_TYPE>"},
    {"XAUTOCLAIM", "*0.", "<SRL_ERR_TYPE>"},
    {"XAUTOCLAIM", "*-1.", "<SRL_ERR_TYPE>"},
    {"XAUTOCLAIM", "*3._.*0.*0.", "<SRL_ERR_TYPE>"},
    {"XAUTOCLAIM", "*3.$3.0-0._.*0.", "<SRL_ERR_TYPE>"},
    {"XAUTOCLAIM", "*3.$3.0-0.*0.:1.", "<SRL_ERR_TYPE>"},
    {"XAUTOCLAIM JUSTID", "*3.$3.0-0.*1.$3.1-1.*1.:1.", "next 0-0[1-1 ][<SRL_ERR_TYPE>]"},
    /* pending */
    {"XPENDING s g", "*4.:0.$-1.$-1.*-1.", "0 from 0-0 to 0-0"},
    {"XPENDING s g", "*4.:1.$3.1-1.$3.1-1.*1.*2.$1.c.$1.1.", "1 from 1-1 to 1-1 c=1"},
    {"XPENDING s g", "*4.:1.$3.1-1.$3.1-1.*1.*2.$1.c.:1.", "1 from 1-1 to 1-1 c=1"},
    {"XPENDING s g", "*4.:1._._._.", "<SRL_ERR_TYPE>"},
    {"XPENDING s g", "*3.:0._._.", "<SRL_ERR_TYPE>"},
    {"XPENDING s g", "*4.:-1._._._.", "<SRL_ERR_TYPE>"},
    {"XPENDING s g", "*4.:0._._.:1.", "<SRL_ERR_TYPE>"},
    {"XPENDING s g", "*4.:1.$3.1-1.$3.1-1.*1.*2.$1.c.$1.x.", "1 from 1-1 to 1-1<SRL_ERR_TYPE>"},
    {"XPENDING s g", "*4.:1.$3.1-1.$3.1-1.*1.*1.$1.c.", "1 from 1-1 to 1-1<SRL_ERR_TYPE>"},
    {"XPENDING s g", "*4.:1.$3.1-1.$3.1-1.*1.$1.c.", "1 from 1-1 to 1-1<SRL_ERR_TYPE>"},
    {"XPENDING s g", "*4.:1.$3.1-1.$3.1-1.*1.*2._.:1.", "1 from 1-1 to 1-1<SRL_ERR_TYPE>"},
    {"XPENDING s g - + 1", "*1.*4.$3.1-1.$1.c.:5.:1.", "1:[(1-1 of 'c' idle=5 time=-1 deliveries=1)]"},
    {"XPENDING s g - + 1", "*1.*3.$3.1-1.$1.c.:5.", "1:[<SRL_ERR_TYPE>]"},
    {"XPENDING s g - + 1", "*1.*4.$3.1-1._.:5.:1.", "1:[<SRL_ERR_TYPE>]"},
    {"XPENDING s g - + 1", "*1.*4.$3.1-1.$1.c._.:1.", "1:[<SRL_ERR_TYPE>]"},
    {"XPENDING s g - + 1", "*1.*4.$3.1-1.$1.c.:5.:-1.", "1:[<SRL_ERR_TYPE>]"},
    {"XPENDING s g - + 1", "*1.*4.:1.$1.c.:5.:1.", "1:[<SRL_ERR_TYPE>]"},
    {"XPENDING s g - + 1", "*1.$1.c.", "1:[<SRL_ERR_TYPE>]"},
    {"XPENDING s g - + 1", "_.", "<SRL_ERR_TYPE>"},
    /* info: by name, in any order, unknown fields skipped */
    {"XINFO STREAM", "*0.", "<SRL_ERR_TYPE>"},
    {"XINFO STREAM", "*1.$6.length.", "<SRL_ERR_TYPE>"},
    {"XINFO STREAM", "%1.$6.length.:1.", "<SRL_ERR_TYPE>"},
    {"XINFO STREAM", "%2.$17.last-generated-id.$3.1-1.$6.length.:1.",
     "length=1 keys=-1 nodes=-1 added=-1 groups=-1 last=1-1 deleted=0-0 first=0-0[][]"},
    {"XINFO STREAM", "*6.$3.new.*1.%1.+a.+b.$17.last-generated-id.$3.1-1.$6.length.:1.",
     "length=1 keys=-1 nodes=-1 added=-1 groups=-1 last=1-1 deleted=0-0 first=0-0[][]"},
    {"XINFO STREAM", "%2.$17.last-generated-id._.$6.length.:1.", "<SRL_ERR_TYPE>"},
    {"XINFO STREAM", "%2.$17.last-generated-id.$3.1-1.$6.length.$1.x.", "<SRL_ERR_TYPE>"},
    {"XINFO STREAM", "%3.$17.last-generated-id.$3.1-1.$6.length.:1.$11.first-entry.:1.", "<SRL_ERR_TYPE>"},
    {"XINFO STREAM", "%3.$17.last-generated-id.$3.1-1.$6.length.:1.$7.entries.:1.", "<SRL_ERR_TYPE>"},
    {"XINFO STREAM", "%3.$17.last-generated-id.$3.1-1.$6.length.:1.$6.groups.*1.:1.",
     "length=1 keys=-1 nodes=-1 added=-1 groups=1 last=1-1 deleted=0-0 first=0-0[][<SRL_ERR_TYPE>]"},
    {"XINFO STREAM", "$1.a.", "<SRL_ERR_TYPE>"},
    {"XINFO GROUPS", "*1.*0.", "1:[<SRL_ERR_TYPE>]"},
    {"XINFO GROUPS", "*1.%2.$4.name.$1.g.$17.last-delivered-id.$3.1-1.",
     "1:[(g consumers=-1 pending=-1 read=-1 lag=-1 last=1-1[][])]"},
    {"XINFO GROUPS", "*1.%4.$4.name.$1.g.$17.last-delivered-id.$3.1-1.$12.entries-read._.$3.lag._.",
     "1:[(g consumers=-1 pending=-1 read=-1 lag=-1 last=1-1[][])]"},
    {"XINFO GROUPS", "*1.%2.$4.name._.$17.last-delivered-id.$3.1-1.", "1:[<SRL_ERR_TYPE>]"},
    {"XINFO GROUPS", "*1.%3.$4.name.$1.g.$17.last-delivered-id.$3.1-1.$7.pending.$1.x.", "1:[<SRL_ERR_TYPE>]"},
    {"XINFO CONSUMERS", "*1.%4.$4.name.$1.c.$7.pending.:2.$4.idle.:3.$8.inactive.:4.",
     "1:[(c pending=2 idle=3 inactive=4 seen=-1 active=-1 [])]"},
    {"XINFO CONSUMERS", "*1.%1.$4.idle.:3.", "1:[<SRL_ERR_TYPE>]"},
    {"XINFO CONSUMERS", "*1.%2.$4.name.$1.c.$4.idle.+x.", "1:[<SRL_ERR_TYPE>]"},
    {"XINFO CONSUMERS", "*2.%1.$4.name.$1.c.:1.",
     "2:[(c pending=-1 idle=-1 inactive=-1 seen=-1 active=-1 [])<SRL_ERR_TYPE>]"},
    {"XINFO CONSUMERS", "%1.$1.a.$1.b.", "<SRL_ERR_TYPE>"},
};

static void set_words(srl_test_golden_line *line, const char *command)
{
    memset(line, 0, sizeof(*line));
    snprintf(line->memory, sizeof(line->memory), "%s", command);
    char *at = line->memory;
    while (at != NULL) {
        line->words[line->count++] = at;
        at = strchr(at, ' ');
        if (at != NULL) {
            *at++ = '\0';
        }
    }
}

static void test_shapes(void **state)
{
    (void)state;
    char text[2048];
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        srl_test_golden_line line;
        set_words(&line, shapes[i].command);
        srl_reply *reply = parse(shapes[i].reply);
        srl_test_stream_render(&line, reply, text, sizeof(text));
        if (strcmp(text, shapes[i].expected) != 0) {
            fail_msg("%s, %s: %s instead of %s", shapes[i].command, shapes[i].reply, text, shapes[i].expected);
        }
        srl_reply_release(reply);
    }
}

/* ---- what the rendering does not look at */

static void test_fields_by_name(void **state)
{
    (void)state;
    srl_reply *reply = parse("*1.*2.$3.1-1.*8.$1.a.$1.1.$0..$5.empty.$1.a.$1.2.$1.b.$0..");
    srl_stream_list list;
    srl_stream_entry entry;
    const char *value = NULL;
    size_t len = 0;
    assert_int_equal(srl_stream_decode_entries(reply, SRL_REPLY_ROOT, &list), 0);
    assert_int_equal(srl_stream_next_entry(&list, &entry), 1);
    assert_int_equal(entry.fields.count, 4);
    assert_int_equal(srl_stream_entry_get(&entry, "a", 1, &value, &len), 0);
    assert_int_equal(len, 1);
    assert_memory_equal(value, "1", 1);
    assert_int_equal(srl_stream_entry_get(&entry, NULL, 0, &value, &len), 0);
    assert_int_equal(len, 5);
    assert_int_equal(srl_stream_entry_get(&entry, "b", 1, &value, &len), 0);
    assert_int_equal(len, 0);
    assert_int_equal(srl_stream_entry_get(&entry, "ab", 2, &value, &len), SRL_ERR_NOT_FOUND);
    assert_int_equal(srl_stream_entry_get(&entry, NULL, 1, &value, &len), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_entry_get(NULL, "a", 1, &value, &len), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_entry_get(&entry, "a", 1, NULL, &len), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_next_entry(&list, &entry), 0);
    assert_int_equal(srl_stream_next_entry(&list, &entry), 0);
    srl_reply_release(reply);

    reply = parse("*1.*2.$3.1-1.*4.$1.a.:1.$1.b.$1.2.");
    assert_int_equal(srl_stream_decode_entries(reply, SRL_REPLY_ROOT, &list), 0);
    assert_int_equal(srl_stream_next_entry(&list, &entry), 1);
    assert_int_equal(srl_stream_entry_get(&entry, "b", 1, &value, &len), SRL_ERR_TYPE);
    srl_reply_release(reply);
}

static void test_values_may_hold_anything(void **state)
{
    (void)state;
    static const char wire[] = "*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$2\r\n\0\n\r\n$4\r\n\r\n\xff\0\r\n";
    srl_reply *reply = NULL;
    assert_int_equal(srl_reply_parse(NULL, wire, sizeof(wire) - 1, NULL, &reply), 0);
    srl_stream_list list;
    srl_stream_entry entry;
    srl_stream_field field;
    assert_int_equal(srl_stream_decode_entries(reply, SRL_REPLY_ROOT, &list), 0);
    assert_int_equal(srl_stream_next_entry(&list, &entry), 1);
    assert_int_equal(srl_stream_next_field(&entry.fields, &field), 1);
    assert_int_equal(field.name_len, 2);
    assert_memory_equal(field.name, "\0\n", 2);
    assert_int_equal(field.value_len, 4);
    assert_memory_equal(field.value, "\r\n\xff\0", 4);
    srl_reply_release(reply);
}

/* Within EXEC's reply; and a list copied is walked twice. */
static void test_places(void **state)
{
    (void)state;
    srl_reply *reply = parse("*3.$3.5-5.*1.*2.$3.1-1.*2.$1.a.$1.b.:7.");
    srl_stream_id id;
    srl_stream_list list;
    srl_stream_entry entry;
    uint64_t count = 0;
    assert_int_equal(srl_stream_decode_id(reply, srl_reply_child(reply, SRL_REPLY_ROOT, 0), &id), 0);
    assert_true(id.ms == 5 && id.seq == 5);
    assert_int_equal(srl_stream_decode_entries(reply, srl_reply_child(reply, SRL_REPLY_ROOT, 1), &list), 0);
    assert_int_equal(srl_stream_decode_count(reply, srl_reply_child(reply, SRL_REPLY_ROOT, 2), &count), 0);
    assert_true(count == 7);
    srl_stream_list copy = list;
    assert_int_equal(srl_stream_next_entry(&list, &entry), 1);
    assert_int_equal(srl_stream_next_entry(&list, &entry), 0);
    assert_int_equal(srl_stream_next_entry(&copy, &entry), 1);
    assert_int_equal(srl_stream_decode_count(reply, SRL_REPLY_NONE, &count), SRL_ERR_TYPE);
    assert_int_equal(srl_stream_decode_entries(reply, 4711, &list), SRL_ERR_TYPE);
    srl_reply_release(reply);
}

static void test_wrong_use(void **state)
{
    (void)state;
    srl_reply *reply = parse("*1.*2.$3.1-1.*0.");
    srl_stream_list list;
    srl_stream_id id;
    srl_stream_part part;
    srl_stream_entry entry;
    srl_stream_field field;
    srl_stream_pending_entry pending;
    srl_stream_pending_consumer counts;
    srl_stream_group_info group = {.size = sizeof(group)};
    srl_stream_consumer_info consumer = {.size = sizeof(consumer)};
    srl_stream_info info = {.size = sizeof(info) - 1};
    assert_int_equal(srl_stream_decode_entries(reply, SRL_REPLY_ROOT, &list), 0);
    assert_int_equal(srl_stream_next_id(&list, &id), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_next_part(&list, &part), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_next_field(&list, &field), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_next_pending_entry(&list, &pending), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_next_pending_consumer(&list, &counts), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_next_group(&list, &group), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_next_consumer(&list, &consumer), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_next_entry(&list, &entry), 1); /* and it is unharmed */
    assert_int_equal(srl_stream_next_entry(NULL, &entry), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_decode_info(reply, SRL_REPLY_ROOT, &info), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_decode_info(reply, SRL_REPLY_ROOT, NULL), SRL_ERR_INVALID);
    group.size = consumer.size = 4;
    assert_int_equal(srl_stream_next_group(&list, &group), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_next_consumer(&list, &consumer), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_decode_entries(NULL, SRL_REPLY_ROOT, &list), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_decode_entries(reply, SRL_REPLY_ROOT, NULL), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_decode_id(reply, SRL_REPLY_ROOT, NULL), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_decode_ok(NULL, SRL_REPLY_ROOT), SRL_ERR_INVALID);
    srl_stream_list nothing = {.count = 0};
    assert_int_equal(srl_stream_next_entry(&nothing, &entry), 0);
    assert_int_equal(srl_stream_next_id(&nothing, &id), 0);
    srl_reply_release(reply);
}

/* After something malformed a list stays broken: nothing behind it is taken for good. */
static void test_broken_lists_stay_broken(void **state)
{
    (void)state;
    srl_reply *reply = parse("*3.*2.$3.1-1.*0.:1.*2.$3.2-2.*0.");
    srl_stream_list list;
    srl_stream_entry entry;
    assert_int_equal(srl_stream_decode_entries(reply, SRL_REPLY_ROOT, &list), 0);
    assert_int_equal(srl_stream_next_entry(&list, &entry), 1);
    assert_int_equal(srl_stream_next_entry(&list, &entry), SRL_ERR_TYPE);
    assert_int_equal(srl_stream_next_entry(&list, &entry), SRL_ERR_TYPE);
    srl_reply_release(reply);
}

/* Only with 0 is anything written. */
static void test_outputs_stay_on_failure(void **state)
{
    (void)state;
    srl_reply *reply = parse("*4.:1.$3.1-1.$3.9-9._.");
    srl_stream_pending_summary summary;
    srl_stream_autoclaimed claimed;
    memset(&summary, 0x5a, sizeof(summary));
    memset(&claimed, 0x5a, sizeof(claimed));
    srl_stream_autoclaimed claimed_before = claimed;
    assert_int_equal(srl_stream_decode_autoclaim(reply, SRL_REPLY_ROOT, 0, &claimed), SRL_ERR_TYPE);
    assert_memory_equal(&claimed, &claimed_before, sizeof(claimed));
    assert_int_equal(srl_stream_decode_pending(reply, SRL_REPLY_ROOT, &summary), 0);
    assert_true(summary.count == 1 && summary.last.ms == 9 && summary.consumers.count == 0);
    srl_reply_release(reply);
    srl_stream_info info;
    memset(&info, 0x5a, sizeof(info));
    info.size = sizeof(info);
    srl_stream_info info_before = info;
    reply = parse("%2.$6.length.:5.$17.last-generated-id.:1.");
    assert_int_equal(srl_stream_decode_info(reply, SRL_REPLY_ROOT, &info), SRL_ERR_TYPE);
    assert_memory_equal(&info, &info_before, sizeof(info));
    srl_reply_release(reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_replies),
        cmocka_unit_test(test_protocols_agree),
        cmocka_unit_test(test_replies_of_other_commands),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_fields_by_name),
        cmocka_unit_test(test_values_may_hold_anything),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_wrong_use),
        cmocka_unit_test(test_broken_lists_stay_broken),
        cmocka_unit_test(test_outputs_stay_on_failure),
    };
    return cmocka_run_group_tests_name("stream_decode", tests, NULL, NULL);
}
