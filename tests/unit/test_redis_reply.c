#include <streamrelay/error.h>
#include <streamrelay/redis_reply.h>

#include "helpers/fail_alloc.h"
#include "helpers/random.h"
#include "redis/reply.h"
#include "redis/resp_double.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static srl_reply *parse(const char *text)
{
    srl_reply *reply = NULL;
    assert_int_equal(srl_reply_parse(NULL, text, strlen(text), NULL, &reply), SRL_OK);
    return reply;
}

static void expect_text(const srl_reply *reply, uint32_t at, const char *expected)
{
    size_t len;
    const char *text = srl_reply_string(reply, at, &len);
    assert_non_null(text);
    assert_int_equal(len, strlen(expected));
    assert_string_equal(text, expected);
}

static void one_map_in_three_forms(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "%2\r\n$1\r\na\r\n*1\r\n:1\r\n+b\r\n$2\r\nxy\r\n",
        "*4\r\n$1\r\na\r\n*1\r\n:1\r\n+b\r\n$2\r\nxy\r\n",
        "*2\r\n*2\r\n$1\r\na\r\n*1\r\n:1\r\n*2\r\n+b\r\n$2\r\nxy\r\n",
        "%2\r\n|1\r\n+q\r\n:9\r\n$1\r\na\r\n|1\r\n+q\r\n:9\r\n*1\r\n:1\r\n+b\r\n$2\r\nxy\r\n",
        "*2\r\n*2\r\n|1\r\n+q\r\n:9\r\n$1\r\na\r\n*1\r\n:1\r\n*2\r\n+b\r\n$2\r\nxy\r\n",
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        srl_reply *reply = parse(forms[i]);
        srl_reply_walk walk;
        uint32_t key, value;
        assert_int_equal(srl_reply_pairs(reply, SRL_REPLY_ROOT), 2);
        srl_reply_walk_init(&walk, reply, SRL_REPLY_ROOT);
        assert_int_equal(srl_reply_walk_pair(&walk, &key, &value), 1);
        expect_text(reply, key, "a");
        assert_int_equal(srl_reply_count(reply, value), 1);
        assert_int_equal(srl_reply_walk_pair(&walk, &key, &value), 1);
        expect_text(reply, key, "b");
        expect_text(reply, value, "xy");
        assert_int_equal(srl_reply_walk_pair(&walk, &key, &value), 0);
        assert_int_equal(key, SRL_REPLY_NONE);
        expect_text(reply, SRL__REPLY_GET(reply, SRL_REPLY_ROOT, "b"), "xy");
        expect_text(reply, srl_reply_child(reply, SRL__REPLY_GET(reply, SRL_REPLY_ROOT, "a"), 0), "1");
        assert_int_equal(SRL__REPLY_GET(reply, SRL_REPLY_ROOT, "c"), SRL_REPLY_NONE);
        srl_reply_release(reply);
    }
}

static void broken_maps_end_early(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "*3\r\n+a\r\n:1\r\n+b\r\n",
        "*2\r\n*2\r\n+a\r\n:1\r\n*1\r\n+b\r\n",
        "*2\r\n*2\r\n+a\r\n:1\r\n$-1\r\n",
        "*2\r\n*2\r\n+a\r\n:1\r\n*-1\r\n",
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        srl_reply *reply = parse(forms[i]);
        srl_reply_walk walk;
        uint32_t key, value;
        srl_reply_walk_init(&walk, reply, SRL_REPLY_ROOT);
        assert_int_equal(srl_reply_walk_pair(&walk, &key, &value), 1);
        assert_int_equal(srl_reply_walk_pair(&walk, &key, &value), 0);
        assert_int_equal(srl_reply_walk_pair(&walk, &key, &value), 0);
        assert_int_equal(SRL__REPLY_GET(reply, SRL_REPLY_ROOT, "b"), SRL_REPLY_NONE);
        srl_reply_release(reply);
    }
}

static void nothing_is_safe_to_ask(void **state)
{
    (void)state;
    srl_reply *reply = parse("*1\r\n:1\r\n");
    const srl_reply *replies[] = {reply, NULL};
    static const uint32_t places[] = {2, 3, SRL_REPLY_NONE, SRL_REPLY_NONE - 1};
    for (size_t i = 0; i < 8; i++) {
        const srl_reply *r = replies[i / 4];
        uint32_t at = places[i % 4], key, value;
        size_t len = 7;
        int64_t n;
        uint64_t u;
        double d;
        int b;
        srl_reply_walk walk;
        assert_int_equal(srl_reply_type(r, at), SRL_REPLY_NOTHING);
        assert_int_equal(srl_reply_wire(r, at), 0);
        assert_int_equal(srl_reply_is_null(r, at), 1);
        assert_int_equal(srl_reply_is_error(r, at), 0);
        assert_null(srl_reply_string(r, at, &len));
        assert_int_equal(len, 0);
        assert_null(srl_reply_format(r, at, &len));
        assert_null(srl_reply_error_code(r, at, &len));
        assert_null(srl_reply_error_text(r, at, NULL));
        assert_int_equal(srl_reply_error_is(r, at, "", 0), 0);
        assert_int_equal(srl_reply_equals(r, at, "", 0), 0);
        assert_int_equal(srl_reply_i64(r, at, &n), SRL_ERR_NOT_FOUND);
        assert_int_equal(srl_reply_u64(r, at, &u), SRL_ERR_NOT_FOUND);
        assert_int_equal(srl_reply_double(r, at, &d), SRL_ERR_NOT_FOUND);
        assert_int_equal(srl_reply_bool(r, at, &b), SRL_ERR_NOT_FOUND);
        assert_int_equal(srl_reply_count(r, at), 0);
        assert_int_equal(srl_reply_pairs(r, at), 0);
        assert_int_equal(srl_reply_child(r, at, 0), SRL_REPLY_NONE);
        assert_int_equal(srl_reply_get(r, at, "a", 1), SRL_REPLY_NONE);
        assert_int_equal(srl_reply_attribute(r, at, 0), SRL_REPLY_NONE);
        srl_reply_walk_init(&walk, r, at);
        assert_int_equal(srl_reply_walk_next(&walk, &key), 0);
        assert_int_equal(srl_reply_walk_pair(&walk, &key, &value), 0);
    }
    srl_reply_release(reply);
    srl_reply_release(NULL);
}

typedef struct number_case {
    const char *text;
    int i64_error;
    int64_t i64;
    int u64_error;
    uint64_t u64;
    int bool_error;
    int boolean;
} number_case;

#define TYPE   SRL_ERR_TYPE
#define LARGE  SRL_ERR_TOO_LARGE
#define ABSENT SRL_ERR_NOT_FOUND

static const number_case number_cases[] = {
    {":5\r\n", 0, 5, 0, 5, TYPE, 0},
    {":1\r\n", 0, 1, 0, 1, 0, 1},
    {":0\r\n", 0, 0, 0, 0, 0, 0},
    {":-1\r\n", 0, -1, LARGE, 0, TYPE, 0},
    {"#t\r\n", 0, 1, 0, 1, 0, 1},
    {"#f\r\n", 0, 0, 0, 0, 0, 0},
    {"$1\r\n1\r\n", 0, 1, 0, 1, 0, 1},
    {"$2\r\n-0\r\n", 0, 0, 0, 0, TYPE, 0},
    {"+42\r\n", 0, 42, 0, 42, TYPE, 0},
    {"$20\r\n18446744073709551615\r\n", LARGE, 0, 0, UINT64_MAX, TYPE, 0},
    {"$20\r\n18446744073709551616\r\n", LARGE, 0, LARGE, 0, TYPE, 0},
    {"$20\r\n-9223372036854775808\r\n", 0, INT64_MIN, LARGE, 0, TYPE, 0},
    {"$20\r\n-9223372036854775809\r\n", LARGE, 0, LARGE, 0, TYPE, 0},
    {"$19\r\n9223372036854775808\r\n", LARGE, 0, 0, UINT64_C(9223372036854775808), TYPE, 0},
    {"(12\r\n", 0, 12, 0, 12, TYPE, 0},
    {"(100000000000000000000000000000000000000\r\n", LARGE, 0, LARGE, 0, TYPE, 0},
    {",12\r\n", 0, 12, 0, 12, TYPE, 0},
    {",1.5\r\n", TYPE, 0, TYPE, 0, TYPE, 0},
    {"$0\r\n\r\n", TYPE, 0, TYPE, 0, TYPE, 0},
    {"$1\r\n-\r\n", TYPE, 0, TYPE, 0, TYPE, 0},
    {"$2\r\n 1\r\n", TYPE, 0, TYPE, 0, TYPE, 0},
    {"$2\r\n1 \r\n", TYPE, 0, TYPE, 0, TYPE, 0},
    {"$30\r\n99999999999999999999999999999x\r\n", TYPE, 0, TYPE, 0, TYPE, 0},
    {"-1\r\n", TYPE, 0, TYPE, 0, TYPE, 0},
    {"*1\r\n:1\r\n", TYPE, 0, TYPE, 0, TYPE, 0},
    {"$-1\r\n", ABSENT, 0, ABSENT, 0, ABSENT, 0},
    {"*-1\r\n", ABSENT, 0, ABSENT, 0, ABSENT, 0},
    {"_\r\n", ABSENT, 0, ABSENT, 0, ABSENT, 0},
};

static void numbers_of_every_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(number_cases) / sizeof(number_cases[0]); i++) {
        const number_case *c = &number_cases[i];
        srl_reply *reply = parse(c->text);
        int64_t n = 77;
        uint64_t u = 77;
        int b = 77;
        assert_int_equal(srl_reply_i64(reply, SRL_REPLY_ROOT, &n), c->i64_error);
        assert_true(n == (c->i64_error == 0 ? c->i64 : 77));
        assert_int_equal(srl_reply_u64(reply, SRL_REPLY_ROOT, &u), c->u64_error);
        assert_true(u == (c->u64_error == 0 ? c->u64 : 77));
        assert_int_equal(srl_reply_bool(reply, SRL_REPLY_ROOT, &b), c->bool_error);
        assert_true(b == (c->bool_error == 0 ? c->boolean : 77));
        srl_reply_release(reply);
    }
}

static void expect_double(const char *text)
{
    double expected = strtod(text, NULL), number = 0;
    assert_int_equal(srl__double_from_text(text, strlen(text), &number), SRL_OK);
    if (memcmp(&number, &expected, sizeof(number)) != 0) {
        fail_msg("%s: %a, not %a", text, number, expected);
    }
}

static void doubles_are_the_nearest(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "0e400",
        "1",
        "1.5",
        ".5",
        "5.",
        "123456789012345678",
        "9007199254740993",
        "9007199254740992.5",
        "9007199254740993.0000000000000000000000000000000000001",
        "0.1",
        "0.30000000000000004",
        "1e22",
        "1e23",
        "8.5e-323",
        "4.9e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "6929495644600919.5",
        "3.7455744005952583e15",
        "1e-400",
        "100000000000000000000000000000000000000000000e-30",
        "6.631236846766476e-316",
        "17976931348623158079372897140530341507993413271003782693617377898044496829276475094664901797758720709633028641"
        "6692"
        "8877809160204066777e130",
    };
    uint64_t seed = 11;
    char text[1200];
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strlen(texts[i]) < 100) {
            expect_double(texts[i]);
        }
    }
    for (int i = 0; i < 30000; i++) {
        uint64_t bits = srl_test_random(&seed);
        double number, back;
        memcpy(&number, &bits, sizeof(number));
        if (!isfinite(number)) {
            continue;
        }
        snprintf(text, sizeof(text), "%.*g", 1 + (int)srl_test_random_below(&seed, 25), number);
        if (isfinite(strtod(text, NULL))) {
            expect_double(text);
        }
        assert_int_equal(srl__double_from_text(text, srl__double_to_text(number, text), &back), SRL_OK);
        assert_memory_equal(&back, &number, sizeof(back));
        if (i % 100 == 0) {
            snprintf(text, sizeof(text), "%.1100g", number);
            expect_double(text);
        }
    }
}

static void doubles_of_every_form(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int error;
        double number;
    } cases[] = {
        {",3.5\r\n", 0, 3.5},
        {"$3\r\n3.5\r\n", 0, 3.5},
        {":-7\r\n", 0, -7},
        {"+2e3\r\n", 0, 2000},
        {"(12345678901234567890123\r\n", 0, 12345678901234567890123.0},
        {",inf\r\n", 0, (double)INFINITY},
        {"$4\r\n-inf\r\n", 0, -(double)INFINITY},
        {",1e-500\r\n", 0, 0},
        {"$5\r\n1e999\r\n", LARGE, 0},
        {"#t\r\n", TYPE, 0},
        {"$3\r\n1,5\r\n", TYPE, 0},
        {"$0\r\n\r\n", TYPE, 0},
        {"_\r\n", ABSENT, 0},
        {"*0\r\n", TYPE, 0},
        {"-1\r\n", TYPE, 0},
        {"$4\r\n0x10\r\n", TYPE, 0},
        {"$2\r\n 1\r\n", TYPE, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        srl_reply *reply = parse(cases[i].text);
        double number = 77;
        assert_int_equal(srl_reply_double(reply, SRL_REPLY_ROOT, &number), cases[i].error);
        assert_true(number == (cases[i].error == 0 ? cases[i].number : 77));
        srl_reply_release(reply);
    }
    srl_reply *nan = parse(",nan\r\n");
    double number = 0;
    assert_int_equal(srl_reply_double(nan, SRL_REPLY_ROOT, &number), SRL_OK);
    assert_true(isnan(number));
    srl_reply_release(nan);
}

static void errors_in_two_parts(void **state)
{
    (void)state;
    static const struct {
        const char *wire;
        const char *code;
        const char *text;
    } cases[] = {
        {"-ERR bad thing\r\n", "ERR", "bad thing"},
        {"-MOVED 12182 127.0.0.1:7913\r\n", "MOVED", "12182 127.0.0.1:7913"},
        {"-MO\r\n", "MO", ""},
        {"-\r\n", "", ""},
        {"-bad thing\r\n", "", "bad thing"},
        {"-Error bad\r\n", "", "Error bad"},
        {"-ERR: bad\r\n", "", "ERR: bad"},
        {"- ERR\r\n", "", " ERR"},
        {"-ERR \r\n", "ERR", ""},
        {"-ERR  two\r\n", "ERR", " two"},
        {"-A_B-9 x\r\n", "A_B-9", "x"},
        {"-9A x\r\n", "", "9A x"},
        {"!11\r\nSYNTAX a\r\nb\r\n", "SYNTAX", "a\r\nb"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        srl_reply *reply = parse(cases[i].wire);
        size_t len;
        const char *part = srl_reply_error_code(reply, SRL_REPLY_ROOT, &len);
        assert_int_equal(len, strlen(cases[i].code));
        assert_memory_equal(part, cases[i].code, len);
        part = srl_reply_error_text(reply, SRL_REPLY_ROOT, &len);
        assert_int_equal(len, strlen(cases[i].text));
        assert_string_equal(part, cases[i].text);
        assert_int_equal(srl_reply_error_is(reply, SRL_REPLY_ROOT, cases[i].code, strlen(cases[i].code)), 1);
        assert_int_equal(SRL__REPLY_ERROR_IS(reply, SRL_REPLY_ROOT, "MOV"), 0);
        srl_reply_release(reply);
    }
    srl_reply *status = parse("+OK\r\n");
    assert_int_equal(SRL__REPLY_ERROR_IS(status, SRL_REPLY_ROOT, "OK"), 0);
    assert_null(srl_reply_error_code(status, SRL_REPLY_ROOT, NULL));
    srl_reply_release(status);
}

static void children_by_number(void **state)
{
    (void)state;
    srl_reply *reply = parse("*4\r\n*2\r\n:1\r\n:2\r\n|1\r\n+a\r\n*2\r\n:8\r\n:9\r\n:3\r\n*0\r\n$1\r\nx\r\n");
    uint32_t attribute;
    expect_text(reply, srl_reply_child(reply, srl_reply_child(reply, 0, 0), 1), "2");
    expect_text(reply, srl_reply_child(reply, 0, 1), "3");
    assert_int_equal(srl_reply_type(reply, srl_reply_child(reply, 0, 2)), SRL_REPLY_ARRAY);
    expect_text(reply, srl_reply_child(reply, 0, 3), "x");
    assert_int_equal(srl_reply_child(reply, 0, 4), SRL_REPLY_NONE);
    assert_int_equal(srl_reply_child(reply, srl_reply_child(reply, 0, 4), 0), SRL_REPLY_NONE);
    attribute = srl_reply_attribute(reply, srl_reply_child(reply, 0, 1), 0);
    assert_int_equal(srl_reply_type(reply, attribute), SRL_REPLY_ATTRIBUTE);
    expect_text(reply, srl_reply_child(reply, SRL__REPLY_GET(reply, attribute, "a"), 1), "9");
    assert_int_equal(srl_reply_attribute(reply, srl_reply_child(reply, 0, 1), 1), SRL_REPLY_NONE);
    assert_int_equal(srl_reply_attribute(reply, 0, 0), SRL_REPLY_NONE);
    srl_reply_release(reply);
}

static void parsing_what_is_in_memory(void **state)
{
    (void)state;
    srl_reply *reply;
    size_t used = 0;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    assert_int_equal(srl_reply_parse(&t.table, "+OK\r\n:1\r\n", 9, &used, &reply), SRL_OK);
    assert_int_equal(used, 5);
    srl_reply_release(reply);
    assert_int_equal(srl_reply_parse(&t.table, "+OK\r\n:1\r\n", 9, NULL, &reply), SRL_ERR_PROTOCOL);
    assert_null(reply);
    assert_int_equal(srl_reply_parse(&t.table, "+OK\r", 4, NULL, &reply), SRL_ERR_PROTOCOL);
    assert_int_equal(srl_reply_parse(&t.table, NULL, 0, NULL, &reply), SRL_ERR_PROTOCOL);
    assert_int_equal(srl_reply_parse(&t.table, "$600000000\r\n", 12, NULL, &reply), SRL_ERR_TOO_LARGE);
    assert_int_equal(srl_reply_parse(&t.table, NULL, 1, NULL, &reply), SRL_ERR_INVALID);
    assert_int_equal(srl_reply_parse(&t.table, "+\r\n", 3, NULL, NULL), SRL_ERR_INVALID);
    srl_test_alloc_fail(&t, 1, true);
    assert_int_equal(srl_reply_parse(&t.table, "+\r\n", 3, NULL, &reply), SRL_ERR_NOMEM);
    srl_test_alloc_check_empty(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_map_in_three_forms),    cmocka_unit_test(broken_maps_end_early),
        cmocka_unit_test(nothing_is_safe_to_ask),    cmocka_unit_test(numbers_of_every_form),
        cmocka_unit_test(doubles_are_the_nearest),   cmocka_unit_test(doubles_of_every_form),
        cmocka_unit_test(errors_in_two_parts),       cmocka_unit_test(children_by_number),
        cmocka_unit_test(parsing_what_is_in_memory),
    };
    return cmocka_run_group_tests_name("redis_reply", tests, NULL, NULL);
}
