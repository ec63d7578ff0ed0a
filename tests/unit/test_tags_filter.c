#include "protocol/tags_filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <streamrelay/error.h>

#include "helpers/fail_alloc.h"
#include "helpers/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static srl_allocator memory;

static srl__slice literal(const char *c)
{
    return srl__slice_of(c, strlen(c));
}

/* Compile what is written in the middle of other text, so that nothing relies on a terminator. */
static int compile(const char *json, const srl__tags_filter_limits *limits, srl__tags_filter **out, const char **why)
{
    srl__json_value value;
    srl__json_error problem;
    size_t len = strlen(json);
    char *exact = malloc(len);
    assert_non_null(exact);
    memcpy(exact, json, len);
    if (!srl__json_validate(srl__slice_of(exact, len), &srl__json_limits_default, &value, &problem)) {
        fail_msg("not JSON: %s", json);
    }
    int error = srl__tags_filter_create(out, &memory, &value, limits, why);
    memset(exact, 'x', len); /* nothing of it is kept */
    free(exact);
    return error;
}

static bool passes(const char *filter_json, const char *tags_json)
{
    srl__tags_filter *filter;
    srl__tags tags;
    const char *why = "";
    if (compile(filter_json, &srl__tags_filter_limits_default, &filter, &why) != SRL_OK) {
        fail_msg("%s: %s", filter_json, why);
    }
    assert_int_equal(srl__tags_read(&tags, &memory, literal(tags_json), &srl__json_limits_default), SRL_OK);
    bool yes = srl__tags_filter_matches(filter, &tags);
    srl__tags_free(&tags, &memory);
    srl__tags_filter_destroy(filter, &memory);
    return yes;
}

typedef struct question {
    const char *filter;
    const char *tags;
    bool passes;
} question;

static void ask_all(const question *questions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (passes(questions[i].filter, questions[i].tags) != questions[i].passes) {
            fail_msg("%s does %smatch %s", questions[i].filter, questions[i].passes ? "not " : "", questions[i].tags);
        }
    }
}

#define ASK(questions) ask_all((questions), sizeof(questions) / sizeof((questions)[0]))

#define LEAF(key, cmp, val) "{\"key\":\"" key "\",\"cmp\":\"" cmp "\",\"val\":\"" val "\"}"
#define LEAF_IN(key, cmp)   "{\"key\":\"" key "\",\"cmp\":\"" cmp "\",\"vals\":[\"us\",\"eu\"]}"
#define LEAF_ONLY(key, cmp) "{\"key\":\"" key "\",\"cmp\":\"" cmp "\"}"
#define NODE(op, nodes)     "{\"op\":\"" op "\",\"nodes\":[" nodes "]}"

static void comparing_texts(void **state)
{
    (void)state;
    static const question questions[] = {
        {LEAF("env", "eq", "prod"), "{\"env\":\"prod\"}", true},
        {LEAF("env", "eq", "prod"), "{\"env\":\"staging\"}", false},
        {LEAF("env", "eq", "prod"), "{\"env\":\"prod2\"}", false},
        {LEAF("env", "eq", "prod"), "{}", false},
        {LEAF("env", "eq", "prod"), "", false},
        {LEAF("tier", "neq", "bronze"), "{\"tier\":\"silver\"}", true},
        {LEAF("tier", "neq", "bronze"), "{\"tier\":\"bronze\"}", false},
        {LEAF("tier", "neq", "bronze"), "{}", true},
        {LEAF_IN("region", "in"), "{\"region\":\"us\"}", true},
        {LEAF_IN("region", "in"), "{\"region\":\"eu\"}", true},
        {LEAF_IN("region", "in"), "{\"region\":\"asia\"}", false},
        {LEAF_IN("region", "in"), "{}", false},
        {LEAF_IN("region", "nin"), "{\"region\":\"asia\"}", true},
        {LEAF_IN("region", "nin"), "{\"region\":\"us\"}", false},
        {LEAF_IN("region", "nin"), "{}", true},
        {"{\"key\":\"k\",\"cmp\":\"in\",\"vals\":[\"\"]}", "{}", true}, /* as the original has it */
        {"{\"key\":\"k\",\"cmp\":\"nin\",\"vals\":[\"\"]}", "{}", false},
        {LEAF_ONLY("debug", "ex"), "{\"debug\":\"1\"}", true},
        {LEAF_ONLY("debug", "ex"), "{\"debug\":\"\"}", true},
        {LEAF_ONLY("debug", "ex"), "{}", false},
        {LEAF_ONLY("debug", "nex"), "{}", true},
        {LEAF_ONLY("debug", "nex"), "{\"debug\":\"1\"}", false},
        {LEAF_ONLY("", "ex"), "{\"\":\"1\"}", true},
        {"{\"cmp\":\"nex\"}", "{\"\":\"1\"}", false},
        {LEAF("t", "sw", "ab"), "{\"t\":\"abc\"}", true},
        {LEAF("t", "sw", "ab"), "{\"t\":\"ab\"}", true},
        {LEAF("t", "sw", "ab"), "{\"t\":\"a\"}", false},
        {LEAF("t", "sw", "ab"), "{\"t\":\"cab\"}", false},
        {LEAF("t", "sw", "ab"), "{}", false},
        {LEAF("t", "ew", "bc"), "{\"t\":\"abc\"}", true},
        {LEAF("t", "ew", "bc"), "{\"t\":\"bc\"}", true},
        {LEAF("t", "ew", "bc"), "{\"t\":\"c\"}", false},
        {LEAF("t", "ew", "bc"), "{\"t\":\"bca\"}", false},
        {LEAF("t", "ew", "bc"), "{}", false},
        {LEAF("t", "ct", "bb"), "{\"t\":\"abbc\"}", true},
        {LEAF("t", "ct", "bb"), "{\"t\":\"bb\"}", true},
        {LEAF("t", "ct", "bb"), "{\"t\":\"babab\"}", false},
        {LEAF("t", "ct", "bb"), "{\"t\":\"\"}", false},
        {LEAF("t", "ct", "bb"), "{}", false},
        {LEAF("t", "ct", "aabaaab"), "{\"t\":\"aabaabaaab\"}", true},
        {LEAF("t", "ct", "abcabd"), "{\"t\":\"abcabcabd\"}", true},
        {LEAF("t", "ct", "abcabd"), "{\"t\":\"abcabcabcab\"}", false},
        {LEAF("a", "eq", "1"), "{\"b\":\"1\",\"a\":\"2\",\"a\":\"1\"}", true}, /* the later one counts */
        {LEAF("a", "eq", "2"), "{\"b\":\"1\",\"a\":\"2\",\"a\":\"1\"}", false},
    };
    ASK(questions);
}

static void comparing_numbers(void **state)
{
    (void)state;
    static const question questions[] = {
        {LEAF("n", "gt", "42"), "{\"n\":\"100\"}", true},
        {LEAF("n", "gt", "42"), "{\"n\":\"42\"}", false},
        {LEAF("n", "gt", "42"), "{\"n\":\"10\"}", false},
        {LEAF("n", "gt", "42"), "{}", false},
        {LEAF("n", "gte", "42"), "{\"n\":\"42\"}", true},
        {LEAF("n", "gte", "42"), "{\"n\":\"42.00000001\"}", true},
        {LEAF("n", "gte", "42"), "{\"n\":\"41.99999999\"}", false},
        {LEAF("n", "lt", "42"), "{\"n\":\"10\"}", true},
        {LEAF("n", "lt", "42"), "{\"n\":\"9.5\"}", true},
        {LEAF("n", "lt", "42"), "{\"n\":\"42\"}", false},
        {LEAF("n", "lte", "42"), "{\"n\":\"42\"}", true},
        {LEAF("n", "lte", "42"), "{\"n\":\"42.0\"}", true},
        {LEAF("n", "lte", "42"), "{\"n\":\"100\"}", false},
        {LEAF("n", "lt", "-1"), "{\"n\":\"-2\"}", true},
        {LEAF("n", "lt", "-1"), "{\"n\":\"-1.5\"}", true},
        {LEAF("n", "lt", "-1"), "{\"n\":\"-0.5\"}", false},
        {LEAF("n", "lt", "1"), "{\"n\":\"-100\"}", true},
        {LEAF("n", "gt", "-1"), "{\"n\":\"+1\"}", true},
        {LEAF("n", "gte", "0"), "{\"n\":\"-0\"}", true},
        {LEAF("n", "lte", "-0.00"), "{\"n\":\"0\"}", true},
        {LEAF("n", "gte", "007"), "{\"n\":\"7\"}", true},
        {LEAF("n", "gt", "0.1"), "{\"n\":\"0.10\"}", false},
        {LEAF("n", "gt", "0.1"), "{\"n\":\"0.11\"}", true},
        {LEAF("n", "gt", "0.09"), "{\"n\":\"0.1\"}", true},
        {LEAF("n", "lt", "340282366920938463463374607431768211457"),
         "{\"n\":\"340282366920938463463374607431768211456.999\"}", true},
        {LEAF("n", "gte", "1"), "{\"n\":\"1e5\"}", false},
        {LEAF("n", "gte", "0"), "{\"n\":\"\"}", false},
        {LEAF("n", "gte", "0"), "{\"n\":\"-\"}", false},
        {LEAF("n", "gte", "0"), "{\"n\":\".5\"}", false},
        {LEAF("n", "gte", "0"), "{\"n\":\"5.\"}", false},
        {LEAF("n", "gte", "0"), "{\"n\":\"1.2.3\"}", false},
        {LEAF("n", "gte", "0"), "{\"n\":\" 1\"}", false},
        {LEAF("n", "gte", "0"), "{\"n\":\"1 \"}", false},
        {LEAF("n", "gte", "0"), "{\"n\":\"0x10\"}", false},
        {LEAF("n", "gte", "0"), "{\"n\":\"inf\"}", false},
        {LEAF("n", "gte", "many"), "{\"n\":\"1\"}", false}, /* accepted, matches nothing */
        {LEAF("n", "lt", "many"), "{\"n\":\"1\"}", false},
    };
    ASK(questions);
}

static void trees(void **state)
{
    (void)state;
    static const question questions[] = {
        {NODE("and", LEAF("env", "eq", "prod") "," LEAF_ONLY("version", "ex")), "{\"env\":\"prod\",\"version\":\"1\"}",
         true},
        {NODE("and", LEAF("env", "eq", "prod") "," LEAF_ONLY("version", "ex")), "{\"env\":\"prod\"}", false},
        {NODE("and", LEAF("env", "eq", "prod") "," LEAF_ONLY("version", "ex")), "{\"version\":\"1\"}", false},
        {NODE("or", LEAF("env", "eq", "prod") "," LEAF("env", "eq", "stage")), "{\"env\":\"stage\"}", true},
        {NODE("or", LEAF("env", "eq", "prod") "," LEAF("env", "eq", "stage")), "{\"env\":\"qa\"}", false},
        {NODE("not", LEAF_ONLY("debug", "ex")), "{}", true},
        {NODE("not", LEAF_ONLY("debug", "ex")), "{\"debug\":\"1\"}", false},
        {NODE("not", NODE("not", LEAF_ONLY("debug", "ex"))), "{\"debug\":\"1\"}", true},
        {NODE("or", NODE("and", LEAF("env", "eq", "prod") "," LEAF_IN("region", "in")) "," NODE(
                        "and", LEAF("tier", "neq", "bronze") "," NODE("not", LEAF_ONLY("debug", "ex")))),
         "{\"env\":\"stage\",\"region\":\"us\"}", true},
        {NODE("or", NODE("and", LEAF("env", "eq", "prod") "," LEAF_IN("region", "in")) "," NODE(
                        "and", LEAF("tier", "neq", "bronze") "," NODE("not", LEAF_ONLY("debug", "ex")))),
         "{\"env\":\"stage\",\"region\":\"us\",\"debug\":\"\"}", false},
        {NODE("or", NODE("and", LEAF("env", "eq", "prod") "," LEAF_IN("region", "in")) "," NODE(
                        "and", LEAF("tier", "neq", "bronze") "," NODE("not", LEAF_ONLY("debug", "ex")))),
         "{\"env\":\"prod\",\"region\":\"eu\",\"debug\":\"\",\"tier\":\"bronze\"}", true},
        {NODE("and", LEAF_ONLY("a", "ex")), "{\"a\":\"\"}", true},
        {NODE("or", LEAF_ONLY("a", "ex")), "{}", false},
    };
    ASK(questions);
}

static void how_it_may_be_written(void **state)
{
    (void)state;
    static const question questions[] = {
        {"{\"op\":\"\",\"key\":\"a\",\"cmp\":\"eq\",\"val\":\"1\",\"vals\":[],\"nodes\":[]}", "{\"a\":\"1\"}", true},
        {"{\"op\":null,\"key\":\"a\",\"cmp\":\"eq\",\"val\":\"1\",\"vals\":null,\"nodes\":null}", "{\"a\":\"1\"}",
         true},
        {" { \"more\" : [ { } ] , \"val\" : \"1\" , \"cmp\" : \"eq\" , \"key\" : \"a\" } ", " { \"a\" : \"1\" } ",
         true},
        {"{\"k\\u0065y\":\"\\u0061\",\"cmp\":\"\\u0065q\",\"val\":\"\\\"\\u0000\"}", "{\"\\u0061\":\"\\\"\\u0000\"}",
         true},
        {"{\"key\":\"a\",\"cmp\":\"eq\",\"val\":\"\\\"\\u0000\"}", "{\"a\":\"\\\"\"}", false},
        {"{\"key\":\"\\u043f\\u0440\",\"cmp\":\"ct\",\"val\":\"\\ud83d\\ude00\"}",
         "{\"\xD0\xBF\xD1\x80\":\"x\xF0\x9F\x98\x80\"}", true},
        {"{\"op\":\"and\",\"key\":\"x\",\"cmp\":\"?\",\"nodes\":[{\"key\":\"a\",\"cmp\":\"ex\",\"nodes\":[1]}]}",
         "{\"a\":\"\"}", true},
    };
    ASK(questions);
}

static void malformed_filters(void **state)
{
    (void)state;
    static const char *const filters[] = {
        "null",
        "1",
        "\"eq\"",
        "[]",
        "{}",
        "{\"key\":\"a\",\"val\":\"1\"}",
        "{\"key\":\"a\",\"cmp\":\"\",\"val\":\"1\"}",
        "{\"key\":\"a\",\"cmp\":\"EQ\",\"val\":\"1\"}",
        "{\"key\":\"a\",\"cmp\":\"like\",\"val\":\"1\"}",
        "{\"key\":\"a\",\"cmp\":1,\"val\":\"1\"}",
        "{\"key\":\"a\",\"cmp\":\"eq\"}",
        "{\"key\":\"a\",\"cmp\":\"eq\",\"val\":\"\"}",
        "{\"key\":\"a\",\"cmp\":\"eq\",\"val\":1}",
        "{\"key\":\"a\",\"cmp\":\"eq\",\"val\":\"1\",\"vals\":[\"2\"]}",
        "{\"cmp\":\"eq\",\"val\":\"1\"}",
        "{\"key\":\"\",\"cmp\":\"eq\",\"val\":\"1\"}",
        "{\"key\":1,\"cmp\":\"eq\",\"val\":\"1\"}",
        "{\"key\":\"a\",\"key\":\"a\",\"cmp\":\"eq\",\"val\":\"1\"}",
        "{\"key\":\"a\",\"cmp\":\"lt\"}",
        "{\"key\":\"a\",\"cmp\":\"in\"}",
        "{\"key\":\"a\",\"cmp\":\"in\",\"vals\":[]}",
        "{\"key\":\"a\",\"cmp\":\"in\",\"vals\":\"x\"}",
        "{\"key\":\"a\",\"cmp\":\"in\",\"vals\":[\"x\",1]}",
        "{\"key\":\"a\",\"cmp\":\"in\",\"vals\":[\"x\",null]}",
        "{\"key\":\"a\",\"cmp\":\"in\",\"val\":\"x\"}",
        "{\"key\":\"a\",\"cmp\":\"nin\",\"vals\":[\"x\"],\"val\":\"x\"}",
        "{\"cmp\":\"in\",\"vals\":[\"x\"]}",
        "{\"key\":\"a\",\"cmp\":\"ex\",\"val\":\"x\"}",
        "{\"key\":\"a\",\"cmp\":\"nex\",\"vals\":[\"x\"]}",
        "{\"op\":\"xor\",\"nodes\":[{\"cmp\":\"ex\"}]}",
        "{\"op\":\"AND\",\"nodes\":[{\"cmp\":\"ex\"}]}",
        "{\"op\":1,\"nodes\":[{\"cmp\":\"ex\"}]}",
        "{\"op\":\"and\"}",
        "{\"op\":\"and\",\"nodes\":[]}",
        "{\"op\":\"or\",\"nodes\":null}",
        "{\"op\":\"and\",\"nodes\":{}}",
        "{\"op\":\"and\",\"nodes\":[null]}",
        "{\"op\":\"and\",\"nodes\":[{\"cmp\":\"ex\"},{}]}",
        "{\"op\":\"or\",\"nodes\":[[{\"cmp\":\"ex\"}]]}",
        "{\"op\":\"not\",\"nodes\":[]}",
        "{\"op\":\"not\",\"nodes\":[{\"cmp\":\"ex\"},{\"cmp\":\"ex\"}]}",
        "{\"op\":\"not\",\"nodes\":[{\"op\":\"not\"}]}",
    };
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        srl__tags_filter *filter;
        const char *why = NULL;
        int error = compile(filters[i], &srl__tags_filter_limits_default, &filter, &why);
        if (error != SRL_ERR_INVALID || filter != NULL || why == NULL || why[0] == '\0') {
            fail_msg("%s: %d, %s", filters[i], error, why);
        }
        assert_int_equal(compile(filters[i], &srl__tags_filter_limits_default, &filter, NULL), SRL_ERR_INVALID);
    }
}

static int compiles_within(const char *json, srl__tags_filter_limits limits)
{
    srl__tags_filter *filter;
    const char *why = NULL;
    int error = compile(json, &limits, &filter, &why);
    assert_true((filter != NULL) == (error == SRL_OK));
    srl__tags_filter_destroy(filter, &memory);
    return error;
}

static void limits(void **state)
{
    (void)state;
    const char *filter = NODE("and", LEAF("ab", "eq", "cde") "," NODE("not", LEAF_IN("fg", "in")));
    srl__tags_filter_limits enough = {.max_depth = 3, .max_nodes = 4, .max_values = 3, .max_text = 11};
    srl__tags_filter_limits less;
    assert_int_equal(compiles_within(filter, enough), SRL_OK);
    less = enough;
    less.max_depth--;
    assert_int_equal(compiles_within(filter, less), SRL_ERR_LIMIT);
    less = enough;
    less.max_nodes--;
    assert_int_equal(compiles_within(filter, less), SRL_ERR_LIMIT);
    less = enough;
    less.max_values--;
    assert_int_equal(compiles_within(filter, less), SRL_ERR_LIMIT);
    less = enough;
    less.max_text--;
    assert_int_equal(compiles_within(filter, less), SRL_ERR_LIMIT);
    assert_int_equal(compiles_within(filter, (srl__tags_filter_limits){0}), SRL_ERR_LIMIT);
}

static void as_deep_as_can_be(void **state)
{
    (void)state;
    srl__tags_filter_limits wide = {.max_depth = 1000, .max_nodes = 1000, .max_values = 1000, .max_text = 1000};
    for (uint32_t depth = 30; depth <= 34; depth++) {
        char json[2000] = "";
        for (uint32_t i = 1; i < depth; i++) {
            strcat(json, "{\"op\":\"not\",\"nodes\":[");
        }
        strcat(json, "{\"cmp\":\"ex\"}");
        for (uint32_t i = 1; i < depth; i++) {
            strcat(json, "]}");
        }
        srl__json_value value;
        srl__json_error problem;
        srl__json_limits deep = srl__json_limits_default;
        deep.max_depth = SRL__JSON_MAX_DEPTH;
        assert_true(srl__json_validate(literal(json), &deep, &value, &problem));
        srl__tags_filter *filter;
        int error = srl__tags_filter_create(&filter, &memory, &value, &wide, NULL);
        assert_int_equal(error, depth <= SRL__TAGS_FILTER_MAX_DEPTH ? SRL_OK : SRL_ERR_LIMIT);
        if (error == SRL_OK) {
            srl__tags none = {NULL, 0, NULL, 0};
            assert_true(srl__tags_filter_matches(filter, &none) == (depth % 2 == 0));
        }
        srl__tags_filter_destroy(filter, &memory);
    }
}

static void reading_tags(void **state)
{
    (void)state;
    static const char *const bad[] = {"[]", "1", "null", "{\"a\":1}", "{\"a\":null}", "{\"a\":\"b\",\"c\":{}}",
                                      "{",  " ", "{}x"};
    srl__tags tags;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(srl__tags_read(&tags, &memory, literal(bad[i]), &srl__json_limits_default), SRL_ERR_JSON);
        assert_null(tags.memory);
        assert_int_equal(tags.count, 0);
    }
    assert_int_equal(srl__tags_read(&tags, &memory, literal(" {} "), &srl__json_limits_default), SRL_OK);
    assert_int_equal(tags.count, 0);
    assert_null(tags.memory);
    assert_int_equal(srl__tags_read(&tags, &memory,
                                    literal("{\"\\u0061\":\"b\",\"c\":\"\\n\\n\",\"d\":\"\",\"\\t\":\"\\t\"}"),
                                    &srl__json_limits_default),
                     SRL_OK);
    static const char *const want[][2] = {{"a", "b"}, {"c", "\n\n"}, {"d", ""}, {"\t", "\t"}};
    assert_int_equal(tags.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(srl__slice_equal(tags.items[i].key, literal(want[i][0])));
        assert_true(srl__slice_equal(tags.items[i].value, literal(want[i][1])));
    }
    srl__tags_free(&tags, &memory);
    srl__tags_free(&tags, &memory);
}

/* ---- against a naive search ---- */

static bool naive_contains(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static void containing_any_text(void **state)
{
    (void)state;
    uint64_t random = 77;
    uint32_t found = 0;
    for (uint32_t i = 0; i < 5000; i++) {
        char part[10], text[40], filter[100], tags[100];
        size_t part_len = 1 + srl_test_random_below(&random, sizeof(part) - 1);
        size_t text_len = srl_test_random_below(&random, sizeof(text));
        for (size_t k = 0; k < sizeof(part); k++) {
            part[k] = k < part_len ? (char)('a' + srl_test_random_below(&random, 2)) : '\0';
        }
        part[sizeof(part) - 1] = '\0';
        for (size_t k = 0; k < sizeof(text); k++) {
            text[k] = k < text_len ? (char)('a' + srl_test_random_below(&random, 2)) : '\0';
        }
        text[sizeof(text) - 1] = '\0';
        snprintf(filter, sizeof(filter), "{\"key\":\"t\",\"cmp\":\"ct\",\"val\":\"%s\"}", part);
        snprintf(tags, sizeof(tags), "{\"t\":\"%s\"}", text);
        if (passes(filter, tags) != naive_contains(text, part)) {
            fail_msg("%s in %s", part, text);
        }
        found += naive_contains(text, part) ? 1 : 0;
    }
    assert_in_range(found, 1000, 4000);
}

static void out_of_memory(const srl_allocator *alloc, void *user)
{
    (void)user;
    srl__json_value value;
    srl__json_error problem;
    srl__tags_filter *filter;
    srl__tags tags;
    const char *why = NULL;
    const char *json = NODE("and", LEAF("a", "ct", "b") "," LEAF_IN("region", "in"));
    assert_true(srl__json_validate(literal(json), &srl__json_limits_default, &value, &problem));
    int error = srl__tags_filter_create(&filter, alloc, &value, &srl__tags_filter_limits_default, &why);
    int tags_error = srl__tags_read(&tags, alloc, literal("{\"a\":\"\\u0062\"}"), &srl__json_limits_default);
    if (error != SRL_OK) {
        assert_int_equal(error, SRL_ERR_NOMEM);
        assert_null(filter);
        assert_string_equal(why, "out of memory");
    }
    if (tags_error != SRL_OK) {
        assert_int_equal(tags_error, SRL_ERR_NOMEM);
        assert_int_equal(tags.count, 0);
    }
    assert_true(srl_test_alloc_has_failed(alloc) == (error != SRL_OK || tags_error != SRL_OK));
    srl__tags_filter_destroy(filter, alloc);
    srl__tags_free(&tags, alloc);
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    assert_int_equal(srl_test_each_failing_alloc(out_of_memory, NULL), 2);
}

static int set_up(void **state)
{
    (void)state;
    srl_allocator_init(&memory, sizeof(memory));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparing_texts),
        cmocka_unit_test(comparing_numbers),
        cmocka_unit_test(trees),
        cmocka_unit_test(how_it_may_be_written),
        cmocka_unit_test(malformed_filters),
        cmocka_unit_test(limits),
        cmocka_unit_test(as_deep_as_can_be),
        cmocka_unit_test(reading_tags),
        cmocka_unit_test(containing_any_text),
        cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests_name("tags_filter", tests, set_up, NULL);
}
