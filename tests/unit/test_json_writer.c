/* What values mean, and values written. */
#include "base/json.h"

#include <streamrelay/error.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "helpers/fail_alloc.h"
#include "helpers/json_fields.h"
#include "helpers/random.h"

static void whole_numbers(void **state)
{
    (void)state;
    static const char *const good[] = {"0", "7", "4294967296", "18446744073709551615"};
    static const uint64_t expected[] = {0, 7, UINT64_C(4294967296), UINT64_MAX};
    static const char *const bad[] = {"-1",    "-0",   "1.0",  "1e3", "18446744073709551616", "99999999999999999999",
                                      "\"1\"", "true", "null", "[1]", "184467440737095516150"};
    srl__json_value none = {{NULL, 0}, 0, 0};
    uint64_t n = 42;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        srl__json_value value = value_of(good[i]);
        assert_true(srl__json_to_u64(&value, &n));
        assert_true(n == expected[i]);
    }
    n = 42;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        srl__json_value value = value_of(bad[i]);
        assert_false(srl__json_to_u64(&value, &n));
    }
    assert_false(srl__json_to_u64(&none, &n));
    assert_int_equal(n, 42);
}

static void true_and_false(void **state)
{
    (void)state;
    srl__json_value yes = value_of("true");
    srl__json_value no = value_of("false");
    srl__json_value other = value_of("null");
    bool got = false;
    assert_true(srl__json_to_bool(&yes, &got));
    assert_true(got);
    assert_false(srl__json_to_bool(&other, &got));
    assert_true(got);
    assert_true(srl__json_to_bool(&no, &got));
    assert_false(got);
}

static void strings(void **state)
{
    (void)state;
    srl__json_value plain = value_of("\"plain\"");
    srl__json_value number = value_of("5");
    char text[] = "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000 \\u00e9\\u20AC\\uD83D\\ude00z\"";
    static const char meaning[] = "\"\\/\b\f\n\r\t\0 \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
    srl__slice expected = SRL__LIT(meaning);
    srl__json_value value = value_of(text);
    srl__slice got = srl__json_to_string(&plain, NULL);
    assert_ptr_equal(got.data, plain.raw.data);
    assert_int_equal(got.len, 5);
    assert_int_equal(srl__json_to_string(&number, NULL).len, 0);
    assert_true(srl__json_string_is(&plain, SRL__LIT("plain")));
    assert_false(srl__json_string_is(&number, SRL__LIT("5")));
    assert_true(srl__json_string_is(&value, expected));
    for (size_t len = 0; len < expected.len; len++) {
        srl__slice beginning = exact_copy(meaning, len);
        assert_false(srl__json_string_is(&value, beginning));
        free_copy(beginning);
    }
    assert_false(srl__json_string_is(&value, srl__slice_of(meaning, sizeof(meaning))));
    got = srl__json_to_string(&value, text + 1);
    assert_true(srl__slice_equal(got, expected));
}

static void start_writing(srl_allocator *alloc, srl__buf *buf)
{
    srl_allocator_init(alloc, sizeof(*alloc));
    srl__buf_init(buf, alloc, 1 << 20);
}

static void assert_written(srl__buf *buf, const char *expected)
{
    assert_int_equal(buf->error, SRL_OK);
    assert_int_equal(buf->len, strlen(expected));
    assert_memory_equal(buf->data, expected, buf->len);
    srl__buf_free(buf);
}

static void commas_come_by_themselves(void **state)
{
    (void)state;
    srl_allocator alloc;
    srl__buf buf;
    start_writing(&alloc, &buf);
    srl__json_writer w = srl__json_writer_on(&buf);
    srl__json_put_open(&w, '{');
    srl__json_put_name(&w, SRL__LIT("a"));
    srl__json_put_u64(&w, UINT64_MAX);
    srl__json_put_name(&w, SRL__LIT("b\n"));
    srl__json_put_open(&w, '[');
    srl__json_put_bool(&w, true);
    srl__json_put_bool(&w, false);
    srl__json_put_null(&w);
    srl__json_put_open(&w, '{');
    srl__json_put_close(&w, '}');
    srl__json_put_open(&w, '[');
    srl__json_put_close(&w, ']');
    srl__json_put_string(&w, SRL__LIT("s"));
    srl__json_put_close(&w, ']');
    srl__json_put_name(&w, SRL__LIT(""));
    srl__json_put_raw(&w, SRL__LIT("{\"x\":1}"));
    srl__json_put_close(&w, '}');
    assert_written(&buf, "{\"a\":18446744073709551615,\"b\\n\":[true,false,null,{},[],\"s\"],\"\":{\"x\":1}}");
}

static void strings_are_escaped(void **state)
{
    (void)state;
    srl_allocator alloc;
    srl__buf buf;
    start_writing(&alloc, &buf);
    srl__json_append_string(&buf, SRL__LIT("\"\\/\b\f\n\r\t\0\x1f\x7f \xc3\xa9\xf0\x9f\x98\x80"));
    assert_written(&buf, "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f \xc3\xa9\xf0\x9f\x98\x80\"");
    srl__json_append_string(&buf, srl__slice_of(NULL, 0));
    assert_written(&buf, "\"\"");
    srl__json_append_string(&buf, SRL__LIT("a\x80z\xe2\x82\xed\xa0\x80\xc3"));
    assert_written(&buf, "\"a\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void random_strings_come_back(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int round = 0; round < 20000; round++) {
        static const char *const pieces[] = {"a",
                                             "\"",
                                             "\\",
                                             "\n",
                                             "\x01",
                                             "\xc3\xa9",
                                             "\xe2\x82\xac",
                                             "\xf0\x9f\x98\x80",
                                             "/",
                                             "plain text, somewhat longer",
                                             "\x7f",
                                             "\\u0041"};
        char text[400];
        char scratch[2400];
        size_t len = 0;
        size_t count = srl_test_random_below(&seed, 12);
        srl_allocator alloc;
        srl__buf buf;
        srl__json_value value;
        srl__json_error error;
        while (count-- > 0) {
            const char *piece = pieces[srl_test_random_below(&seed, sizeof(pieces) / sizeof(pieces[0]))];
            memcpy(text + len, piece, strlen(piece));
            len += strlen(piece);
        }
        start_writing(&alloc, &buf);
        srl__json_append_string(&buf, srl__slice_of(text, len));
        assert_true(srl__json_validate(srl__slice_of(buf.data, buf.len), &wide, &value, &error));
        assert_true(srl__slice_equal(srl__json_to_string(&value, scratch), srl__slice_of(text, len)));
        assert_true(srl__json_string_is(&value, srl__slice_of(text, len)));
        srl__buf_free(&buf);
    }
}

static void any_bytes_make_a_valid_text(void **state)
{
    (void)state;
    uint64_t seed = 9;
    for (int round = 0; round < 20000; round++) {
        char text[24];
        size_t len = srl_test_random_below(&seed, sizeof(text));
        srl_allocator alloc;
        srl__buf buf;
        srl__json_error error;
        for (size_t i = 0; i < len; i++) {
            text[i] = (char)(srl_test_random(&seed) & 0xFF);
        }
        start_writing(&alloc, &buf);
        srl__json_append_string(&buf, srl__slice_of(text, len));
        assert_true(srl__json_validate(srl__slice_of(buf.data, buf.len), &wide, NULL, &error));
        srl__buf_free(&buf);
    }
}

static void writing_with_failing_memory(const srl_allocator *alloc, void *user)
{
    (void)user;
    srl__buf buf;
    srl__buf_init(&buf, alloc, 1 << 20);
    srl__json_writer w = srl__json_writer_on(&buf);
    srl__json_put_open(&w, '[');
    for (uint64_t i = 0; i < 100; i++) {
        srl__json_put_string(&w, SRL__LIT("some text\n"));
        srl__json_put_u64(&w, i);
    }
    srl__json_put_close(&w, ']');
    assert_int_equal(buf.error, srl_test_alloc_has_failed(alloc) ? SRL_ERR_NOMEM : SRL_OK);
    srl__buf_free(&buf);
}

static void failures_stick_to_the_buffer(void **state)
{
    (void)state;
    assert_true(srl_test_each_failing_alloc(writing_with_failing_memory, NULL) > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(true_and_false),
        cmocka_unit_test(strings),
        cmocka_unit_test(commas_come_by_themselves),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(random_strings_come_back),
        cmocka_unit_test(any_bytes_make_a_valid_text),
        cmocka_unit_test(failures_stick_to_the_buffer),
    };
    return cmocka_run_group_tests_name("json_writer", tests, NULL, NULL);
}
