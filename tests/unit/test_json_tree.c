/* The JSON reader of the examples, and the texts that they write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "json_text.h"
#include "json_tree.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The text in a block of exactly its size, so that a look behind its end is noticed. */
typedef struct parsed {
    char *copy;
    json_tree *tree;
    const json_node *root;
    size_t error_at;
} parsed;

static parsed parse_n(const char *json, size_t len)
{
    parsed p = {malloc(len + (len == 0)), NULL, NULL, 0};
    assert_non_null(p.copy);
    memcpy(p.copy, json, len);
    p.tree = json_tree_read(p.copy, len, &p.error_at);
    if (p.tree)
        p.root = json_tree_root(p.tree);
    return p;
}

static parsed parse(const char *json)
{
    return parse_n(json, strlen(json));
}

static void done(parsed *p)
{
    json_tree_free(p->tree);
    free(p->copy);
}

static void assert_text(const json_node *node, const char *expected)
{
    size_t len;
    assert_string_equal(json_string(node, &len), expected);
    assert_int_equal(len, strlen(expected));
}

static void test_object(void **state)
{
    (void)state;
    parsed p =
        parse(" {\"a\" : \"x\\ty\", \"n\":[1, 2.5e3 ,true,null],\r\n\t\"o\":{\"o\":{}}, \"null\":null,\"e\":\"\"} ");
    assert_non_null(p.root);
    assert_int_equal(p.root->type, JSON_OBJECT);
    assert_int_equal(p.root->count, 5);
    assert_text(json_member(p.root, "a"), "x\ty");
    assert_text(json_member(p.root, "e"), "");
    const json_node *list = json_member(p.root, "n");
    assert_int_equal(list->type, JSON_ARRAY);
    assert_int_equal(list->count, 4);
    assert_int_equal(list->first->next->raw_len, 5);
    assert_memory_equal(list->first->next->raw, "2.5e3", 5);
    assert_true(json_is_true(list->first->next->next));
    assert_int_equal(list->first->next->next->next->type, JSON_NULL);
    assert_null(list->first->next->next->next->next);
    const json_node *inner = json_member(json_member(p.root, "o"), "o");
    assert_true(json_is(inner, JSON_OBJECT));
    assert_int_equal(inner->count, 0);
    assert_null(json_member(p.root, "null"));
    assert_true(json_is(json_find(p.root, "null"), JSON_NULL));
    assert_null(json_member(p.root, "missing"));
    assert_null(json_find(p.root, "missing"));
    assert_null(json_member(list, "a"));
    assert_null(json_member(NULL, "a"));
    assert_text(list, "");
    assert_text(NULL, "");
    done(&p);
}

static void test_raw_is_as_written(void **state)
{
    (void)state;
    parsed p = parse("{\"data\": { \"b\":1 ,\n\"a\":[ ]} ,\"twice\":1,\"twice\":2}");
    const json_node *data = json_member(p.root, "data");
    uint64_t number;
    assert_int_equal(data->raw_len, strlen("{ \"b\":1 ,\n\"a\":[ ]}"));
    assert_memory_equal(data->raw, "{ \"b\":1 ,\n\"a\":[ ]}", data->raw_len);
    assert_true(json_number(json_member(p.root, "twice"), &number));
    assert_int_equal(number, 2);
    done(&p);
}

static void test_strings(void **state)
{
    (void)state;
    parsed p =
        parse("[\"\\u0041\\u00e4\\ud83d\\ude00\\\"\\\\\\/\", \"\\u0000\", \"\\ud800\", \"a\\udc00b\", \"\xc3\xa4\"]");
    assert_non_null(p.root);
    const json_node *node = p.root->first;
    assert_text(node, "A\xc3\xa4\xf0\x9f\x98\x80\"\\/");
    for (int i = 0; i < 3; i++) {
        node = node->next;
        assert_int_equal(node->type, JSON_STRING);
        assert_null(node->text);
        assert_text(node, "");
    }
    assert_int_equal(node->raw_len, strlen("\"a\\udc00b\""));
    assert_text(node->next, "\xc3\xa4");
    done(&p);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool whole;
        uint64_t value;
    } cases[] = {
        {"0", true, 0},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"99999999999999999999999", false, 0},
        {"-1", false, 0},
        {"1.0", false, 0},
        {"1e2", false, 0},
        {"\"1\"", false, 0},
        {"true", false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t value = 0;
        parsed p = parse(cases[i].json);
        assert_non_null(p.root);
        assert_int_equal(json_number(p.root, &value), cases[i].whole);
        assert_int_equal(value, cases[i].value);
        done(&p);
    }
    assert_false(json_number(NULL, &(uint64_t){0}));
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "[1,]",
        "[,]",
        "[1 2]",
        "{\"a\":1 \"b\":2}",
        "nul",
        "truefalse",
        "True",
        "01",
        "-",
        "1.",
        ".5",
        "+1",
        "1e",
        "1e+",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"a\nb\"",
        "\"\\u00001",
        "1 2",
        "{} {}",
        "'a'",
        "[1}",
        "{\"a\":1]",
        "{1:2}",
        "\"\\",
        "\"\\u",
        "\"\\ud800\\u00zz\"",
        "\"\\u0000\\",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        parsed p = parse(cases[i]);
        if (p.tree)
            fail_msg("accepted: %s", cases[i]);
        assert_true(p.error_at <= strlen(cases[i]));
        done(&p);
    }
    parsed zero = parse_n("{\"a\0\":1}", 8);
    done(&zero);
    parsed escape = parse_n("\"\\\0\"", 4);
    assert_null(escape.tree);
    done(&escape);
}

/* A cut text is never JSON, wherever the cut is. */
static void test_every_cut(void **state)
{
    (void)state;
    static const char json[] = "{\"a\":[1.5e-3,true,false,null,\"x\\u0000\\ud83d\\ude00\"],\"b\":{\"c\":[[],{}]}}";
    for (size_t len = 0; len < sizeof json - 1; len++) {
        parsed p = parse_n(json, len);
        assert_null(p.tree);
        done(&p);
    }
    parsed whole = parse(json);
    assert_non_null(whole.tree);
    done(&whole);
}

static void test_depth_and_many(void **state)
{
    (void)state;
    for (size_t depth = JSON_TREE_MAX_DEPTH - 1; depth <= JSON_TREE_MAX_DEPTH + 1; depth++) {
        char json[2 * JSON_TREE_MAX_DEPTH + 4];
        memset(json, '[', depth);
        memset(json + depth, ']', depth);
        parsed p = parse_n(json, 2 * depth);
        assert_int_equal(p.tree != NULL, depth <= JSON_TREE_MAX_DEPTH);
        done(&p);
    }
    char many[2001] = "[";
    for (size_t i = 0; i < 999; i++)
        memcpy(many + 1 + 2 * i, "7,", 2);
    memcpy(many + 1999, "]", 2);
    many[1998] = ' ';
    parsed p = parse(many);
    assert_non_null(p.root);
    assert_int_equal(p.root->count, 999);
    done(&p);
}

static void test_growing_text(void **state)
{
    (void)state;
    json_text text = {.max = 1200};
    json_text_add(&text, "[");
    for (int i = 0; i < 100; i++) {
        json_text_add_number(&text, UINT64_C(1000) + (uint64_t)i);
        json_text_add(&text, ",");
    }
    json_text_add_string(&text, "a\"\x01", 3);
    assert_false(text.cut);
    assert_int_equal(text.len, 1 + 500 + 12 - 1);
    assert_int_equal(strlen(text.data), text.len);
    assert_memory_equal(text.data + 501, "\"a\\\"\\u0001\"", 11);
    while (!text.cut)
        json_text_add(&text, "0123456789");
    assert_true(text.len < 1200);
    assert_true(text.len >= 1190);
    json_text_add(&text, "x");
    assert_true(text.data[text.len - 1] != 'x');
    json_text_free(&text);
    assert_false(text.cut);
    json_text_add(&text, "again");
    assert_string_equal(text.data, "again");
    json_text_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_object),         cmocka_unit_test(test_raw_is_as_written),
        cmocka_unit_test(test_strings),        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_malformed),      cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_depth_and_many), cmocka_unit_test(test_growing_text),
    };
    return cmocka_run_group_tests_name("json_tree", tests, NULL, NULL);
}
