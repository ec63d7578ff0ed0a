/* The arguments and answers of the examples' methods. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flat_json.h"
#include "json_text.h"

/* The text in a block of exactly its size, so that a look behind its end is noticed. */
static int get_n(const char *json, size_t len, const char *name, char *out, size_t size)
{
    char *copy = malloc(len + (len == 0));
    assert_non_null(copy);
    memcpy(copy, json, len);
    int result = flat_json_get(copy, len, name, out, size);
    free(copy);
    return result;
}

static int get(const char *json, const char *name, char *out, size_t size)
{
    return get_n(json, strlen(json), name, out, size);
}

static void assert_value(const char *json, const char *name, const char *expected)
{
    char out[64];
    assert_int_equal(get(json, name, out, sizeof out), (int)strlen(expected));
    assert_string_equal(out, expected);
}

static void assert_fails(const char *json, int expected)
{
    char out[64];
    memset(out, 'x', sizeof out);
    assert_int_equal(get(json, "a", out, sizeof out), expected);
    assert_string_equal(out, "");
}

static void test_members(void **state)
{
    (void)state;
    assert_value("{\"a\":\"1\"}", "a", "1");
    assert_value(" {\r\n\t\"a\" : \"1\" , \"b\" : \"2\" } ", "b", "2");
    assert_value("{\"a\":\"\"}", "a", "");
    assert_value("{\"ab\":\"1\",\"a\":\"2\",\"abc\":\"3\"}", "a", "2");
    assert_value("{\"\\u0061\":\"by its escape\"}", "a", "by its escape");
    assert_value("{\"a\":\"{\\\"a\\\":\\\"inner\\\"}\",\"b\":\"\\\"a\\\"\"}", "a", "{\"a\":\"inner\"}");
    assert_fails("{}", FLAT_JSON_MISSING);
    assert_fails("{\"b\":\"a\"}", FLAT_JSON_MISSING);
    assert_fails("{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":\"1\"}", FLAT_JSON_MISSING);
}

static void test_escapes(void **state)
{
    (void)state;
    assert_value("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "a", "\"\\/\b\f\n\r\t");
    assert_value("{\"a\":\"\\u00e9\\u20AC\\ud83d\\uDE00\"}", "a", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    assert_value("{\"a\":\"\xc3\xa9\"}", "a", "\xc3\xa9");
    assert_value("{\"a\":\"\\ud7ff\\ue000\\uffff\"}", "a", "\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf");
}

static void test_malformed(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "null",
        "\"a\"",
        "[]",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":\"",
        "{\"a\":\"1",
        "{\"a\":\"1\"",
        "{\"a\":\"1\",",
        "{\"a\":\"1\",}",
        "{\"a\":\"1\"}}",
        "{\"a\":\"1\"} x",
        "{,}",
        "{\"a\" \"1\"}",
        "{\"a\":\"1\" \"b\":\"2\"}",
        "{a:\"1\"}",
        "{\"a\":1}",
        "{\"a\":null}",
        "{\"a\":{}}",
        "{\"a\":\"1\",\"b\":2}",
        "{\"a\":\"1\",\"b\":[\"2\"]}",
        "{\"a\":\"1\",\"a\":\"1\"}",
        "{\"a\":\"1\",\"\\u0061\":\"2\"}",
        "{\"a\":\"\\\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u00\"}",
        "{\"a\":\"\\u00g0\"}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\\ud83d\"}",
        "{\"a\":\"\\ud83d\\n\"}",
        "{\"a\":\"\\ud83d\\u0041\"}",
        "{\"a\":\"\\ude00\"}",
        "{\"a\":\"\n\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_fails(texts[i], FLAT_JSON_MALFORMED);
}

static void test_zero_bytes(void **state)
{
    static const char text[] = "{\"a\":\"1\0002\"}";
    static const char escaped[] = "{\"a\":\"\\\0\"}";
    char out[8];
    (void)state;
    assert_int_equal(get_n(text, sizeof text - 1, "a", out, sizeof out), FLAT_JSON_MALFORMED);
    assert_int_equal(get_n(escaped, sizeof escaped - 1, "a", out, sizeof out), FLAT_JSON_MALFORMED);
    assert_int_equal(get_n("{}\0", 3, "a", out, sizeof out), FLAT_JSON_MALFORMED);
}

static void test_every_cut_is_malformed(void **state)
{
    static const char whole[] = "{\"a\":\"x\\u00e9\\ud83d\\ude00\\n\",\"b\":\"y\"}";
    char out[32];
    (void)state;
    for (size_t len = 0; len < sizeof whole - 1; len++)
        assert_int_equal(get_n(whole, len, "a", out, sizeof out), FLAT_JSON_MALFORMED);
    assert_int_equal(get_n(whole, sizeof whole - 1, "a", out, sizeof out), 8);
}

static void test_room_for_the_value(void **state)
{
    char out[8];
    (void)state;
    memset(out, 'x', sizeof out);
    assert_int_equal(get("{\"a\":\"1234\"}", "a", out, 5), 4);
    assert_string_equal(out, "1234");
    assert_int_equal(out[5], 'x');
    assert_int_equal(get("{\"a\":\"1234\"}", "a", out, 4), FLAT_JSON_TOO_LONG);
    assert_string_equal(out, "");
    assert_int_equal(out[5], 'x');
    assert_int_equal(get("{\"a\":\"\"}", "a", out, 1), 0);
    assert_int_equal(get("{\"a\":\"1\"}", "a", out, 1), FLAT_JSON_TOO_LONG);
    assert_int_equal(get("{\"a\":\"12345678\",\"b\":2}", "a", out, 4), FLAT_JSON_MALFORMED);
}

static void test_writing(void **state)
{
    char data[64];
    json_text text = {.data = data, .size = sizeof data};
    (void)state;
    json_text_add(&text, "{\"a\":");
    json_text_add_string(&text, "\"\\\x01\n\x7f\xc3\xa9", 7);
    json_text_add(&text, "}");
    assert_false(text.cut);
    assert_string_equal(data, "{\"a\":\"\\\"\\\\\\u0001\\u000a\x7f\xc3\xa9\"}");
    assert_int_equal(text.len, strlen(data));
}

static void test_writing_past_the_end(void **state)
{
    char data[8];
    (void)state;
    for (size_t size = 1; size <= 7; size++) {
        json_text text = {.data = data, .size = size};
        memset(data, 'x', sizeof data);
        json_text_add_string(&text, "abcd", 4);
        assert_int_equal(text.cut, size < 7);
        assert_true(text.len < size);
        assert_int_equal(data[7], 'x');
    }
}

static void test_what_is_written_can_be_read(void **state)
{
    char data[2048];
    char value[256];
    char out[256];
    (void)state;
    for (int i = 1; i < 256; i++)
        value[i - 1] = (char)i;
    json_text text = {.data = data, .size = sizeof data};
    json_text_add(&text, "{\"a\":");
    json_text_add_string(&text, value, 255);
    json_text_add(&text, "}");
    assert_int_equal(flat_json_get(data, text.len, "a", out, sizeof out), 255);
    assert_memory_equal(out, value, 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_zero_bytes),
        cmocka_unit_test(test_every_cut_is_malformed),
        cmocka_unit_test(test_room_for_the_value),
        cmocka_unit_test(test_writing),
        cmocka_unit_test(test_writing_past_the_end),
        cmocka_unit_test(test_what_is_written_can_be_read),
    };
    return cmocka_run_group_tests_name("flat_json", tests, NULL, NULL);
}
