#include "base/json.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "helpers/json_fields.h"
#include "helpers/naive_json.h"
#include "helpers/random.h"

static srl__json_error_code validate(const void *data, size_t len, const srl__json_limits *limits, size_t *offset)
{
    srl__slice copy = exact_copy(data, len);
    srl__json_error error;
    srl__json_value value;
    bool ok = srl__json_validate(copy, limits, &value, &error);
    assert_int_equal(ok, error.code == SRL__JSON_OK);
    assert_int_equal(ok, value.type != SRL__JSON_NONE);
    free_copy(copy);
    if (offset != NULL) {
        *offset = error.offset;
    }
    return error.code;
}

static bool is_naively_valid(srl__slice text)
{
    return naive_json_valid(text.data, text.len, wide.max_depth, wide.max_number);
}

/* The published cases. */

static size_t read_case(const char *name, char *out, size_t capacity)
{
    char path[1024];
    FILE *file;
    size_t len;
    snprintf(path, sizeof(path), "%s/json/test_parsing/%s", SRL_TEST_DATA_DIR, name);
    file = fopen(path, "rb");
    assert_non_null(file);
    len = fread(out, 1, capacity, file);
    assert_true(len < capacity);
    fclose(file);
    return len;
}

static void check_every_prefix(const char *text, size_t len, bool whole_is_valid)
{
    for (size_t cut = 0; cut < len; cut++) {
        srl__slice prefix = srl__slice_of(text, cut);
        size_t offset;
        srl__json_error_code code = validate(text, cut, &wide, &offset);
        assert_int_equal(code == SRL__JSON_OK, is_naively_valid(prefix));
        if (whole_is_valid && code != SRL__JSON_OK) {
            assert_int_equal(code, SRL__JSON_ERR_TRUNCATED);
            assert_int_equal(offset, cut);
        }
    }
}

/* Of the cases that are left to the implementation: numbers of any size are accepted, for they are handed on as text.
 * Half surrogate pairs, invalid UTF-8, UTF-16, a byte order mark and 500 levels are not. */
static bool is_to_be_accepted(const char *name)
{
    return name[0] == 'y' || strncmp(name, "i_number_", 9) == 0;
}

static void published_cases(void **state)
{
    (void)state;
    char path[1024];
    char text[4096];
    size_t counts[128] = {0};
    const struct dirent *entry;
    DIR *dir;
    snprintf(path, sizeof(path), "%s/json/test_parsing", SRL_TEST_DATA_DIR);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        size_t len;
        bool accepted;
        if (entry->d_name[0] == '.') {
            continue;
        }
        len = read_case(entry->d_name, text, sizeof(text));
        accepted = validate(text, len, &wide, NULL) == SRL__JSON_OK;
        if (accepted != is_to_be_accepted(entry->d_name)) {
            fail_msg("%s is %s", entry->d_name, accepted ? "accepted" : "rejected");
        }
        assert_int_equal(accepted, is_naively_valid(srl__slice_of(text, len)));
        check_every_prefix(text, len, accepted);
        counts[entry->d_name[0] & 127]++;
    }
    closedir(dir);
    assert_int_equal(counts['y'], 95);
    assert_int_equal(counts['n'], 186);
    assert_int_equal(counts['i'], 35);
}

static void very_deep_texts_are_rejected(void **state)
{
    (void)state;
    static const char object[] = "[{\"\":";
    const size_t count = 50000;
    char *text = malloc(count * 5);
    size_t offset;
    assert_non_null(text);
    memset(text, '[', 100000);
    assert_int_equal(validate(text, 100000, &wide, &offset), SRL__JSON_ERR_DEPTH);
    assert_int_equal(offset, SRL__JSON_MAX_DEPTH);
    for (size_t i = 0; i < count; i++) {
        memcpy(text + i * 5, object, 5);
    }
    assert_int_equal(validate(text, count * 5, &wide, &offset), SRL__JSON_ERR_DEPTH);
    assert_int_equal(offset, SRL__JSON_MAX_DEPTH / 2 * 5);
    free(text);
}

/* Prefixes, places in a vector register, and mutations. */

static const char *const samples[] = {
    "{\"id\":12345,\"type\":\"publish\",\"channel\":\"chat:general\",\"data\":{\"data\":{\"input\":\"hello, "
    "world!!\"}}}",
    "{\"id\":7,\"data\":{\"offset\":null,\"data\":[1,-2.5e+10,0,\"x\",true,false,null,{},[]],\"more\":{\"x\":3}}}",
    " \t{ \"\\u0069d\" : 1 ,\r\n \"x\" : [ [ ] , { } ] , \"channel\" : \"\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\" } "
    "\n",
    "[\"\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\",\"\xe2\x82\xac\xed\x9f\xbf\xee\x80\x80\",\"\xf0\x9f\x98\x80"
    "\xf4\x8f\xbf\xbf a longer text of ASCII\xe0\xa0\x80\",0.5E-7]",
    "\"a string of its own, longer than two vector registers, with nothing special inside\"",
    "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":[[[[[[1]]]]]]}}}},\"data\":{\"data\":{\"data\":{\"data\":1}}}}",
    "true",
    "[]",
};

#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static void prefixes_of_valid_texts_are_truncated(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        assert_int_equal(validate(samples[i], strlen(samples[i]), &wide, NULL), SRL__JSON_OK);
        check_every_prefix(samples[i], strlen(samples[i]), true);
    }
    assert_int_equal(validate("12", 2, &wide, NULL), SRL__JSON_OK);
    assert_int_equal(validate("", 0, &wide, NULL), SRL__JSON_ERR_TRUNCATED);
}

static void no_memory_is_needed_for_nothing(void **state)
{
    (void)state;
    srl__json_error error;
    srl__json_value out[F_COUNT];
    assert_false(srl__json_validate(srl__slice_of(NULL, 0), &wide, NULL, &error));
    assert_int_equal(error.code, SRL__JSON_ERR_TRUNCATED);
    assert_int_equal(error.offset, 0);
    assert_false(srl__json_read(srl__slice_of(NULL, 0), &spec, &wide, out, &error));
    assert_int_equal(error.code, SRL__JSON_ERR_TRUNCATED);
}

/* Any byte at any place of a string of any length up to some registers, with and without room behind it. */
static void every_byte_at_every_place(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 40; len++) {
        for (size_t at = 0; at < len; at++) {
            for (unsigned c = 0; c < 256; c++) {
                char text[64];
                text[0] = '"';
                memset(text + 1, 'a', len);
                text[1 + at] = (char)c;
                text[1 + len] = '"';
                assert_int_equal(validate(text, len + 2, &wide, NULL) == SRL__JSON_OK,
                                 is_naively_valid(srl__slice_of(text, len + 2)));
            }
        }
    }
}

static void every_two_and_three_byte_sequence(void **state)
{
    (void)state;
    char text[] = "\"xxxx\"";
    for (uint32_t n = 0; n < 0x10000; n++) {
        for (uint32_t third = 0; third < 4; third++) {
            text[1] = (char)(n >> 8);
            text[2] = (char)(n & 0xFF);
            text[3] = "\x7f\x80\xbf\xc0"[third];
            text[4] = third % 2 == 0 ? 'x' : '\x80';
            assert_int_equal(validate(text, 6, &wide, NULL) == SRL__JSON_OK, is_naively_valid(srl__slice_of(text, 6)));
        }
    }
}

static void every_unicode_escape(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 0x10000; n++) {
        char text[16];
        uint8_t expected[4];
        char scratch[16];
        bool surrogate = n >= 0xD800 && n <= 0xDFFF;
        srl__json_error error;
        srl__json_value value;
        snprintf(text, sizeof(text), n % 2 == 0 ? "\"\\u%04x\"" : "\"\\u%04X\"", n);
        assert_int_equal(srl__json_validate(srl__slice_of(text, 8), &wide, &value, &error), !surrogate);
        if (!surrogate) {
            size_t len = n < 0x80 ? 1 : n < 0x800 ? 2 : 3;
            srl__slice got = srl__json_to_string(&value, scratch);
            expected[0] = (uint8_t)(len == 1 ? n : len == 2 ? 0xC0 | n >> 6 : 0xE0 | n >> 12);
            expected[1] = (uint8_t)(0x80 | (len == 2 ? n & 63 : n >> 6 & 63));
            expected[2] = (uint8_t)(0x80 | (n & 63));
            assert_true(srl__slice_equal(got, srl__slice_of((const char *)expected, len)));
        }
    }
}

static size_t mutate(char *text, size_t len, size_t capacity, uint64_t *seed)
{
    static const char bytes[] = "{}[]:,\"\\ \n\ttfnu01-+.eE\x01\x1f\x7f\x80\xbf\xc2\xe0\xed\xf0\xff/dD8";
    size_t changes = 1 + srl_test_random_below(seed, 4);
    while (changes-- > 0 && len > 0) {
        size_t at = srl_test_random_below(seed, len);
        char c = bytes[srl_test_random_below(seed, sizeof(bytes) - 1)];
        switch (srl_test_random_below(seed, 4)) {
        case 0:
            memmove(text + at, text + at + 1, len - at - 1);
            len--;
            break;
        case 1:
            if (len < capacity) {
                memmove(text + at + 1, text + at, len - at);
                text[at] = c;
                len++;
            }
            break;
        case 2:
            text[at] = text[srl_test_random_below(seed, len)];
            break;
        default:
            text[at] = c;
        }
    }
    return len;
}

/* Reading by a spec and validating must find the same fault, unless the fault is with a field. */
static void check_mutated(srl__slice text, uint64_t *accepted)
{
    srl__slice copy = exact_copy(text.data, text.len);
    srl__json_value value;
    srl__json_value out[F_COUNT];
    srl__json_error error;
    srl__json_error read_error;
    bool ok = srl__json_validate(copy, &wide, &value, &error);
    bool read = srl__json_read(copy, &spec, &wide, out, &read_error);
    assert_int_equal(ok, is_naively_valid(copy));
    if (!ok) {
        assert_int_equal(read_error.code, error.code);
        assert_int_equal(read_error.offset, error.offset);
    } else if (!read) {
        assert_true(read_error.code == SRL__JSON_ERR_TYPE || read_error.code == SRL__JSON_ERR_DUPLICATE);
        assert_true(read_error.offset < copy.len);
    }
    *accepted += ok;
    free_copy(copy);
}

static void mutations_against_a_plain_validator(void **state)
{
    (void)state;
    uint64_t seed = 1;
    uint64_t accepted = 0;
    for (int i = 0; i < 200000; i++) {
        char text[256];
        const char *sample = samples[srl_test_random_below(&seed, SAMPLES)];
        size_t len = strlen(sample);
        memcpy(text, sample, len);
        len = mutate(text, len, sizeof(text), &seed);
        check_mutated(srl__slice_of(text, len), &accepted);
    }
    assert_in_range(accepted, 10000, 190000);
}

/* Limits and errors. */

static void each_limit(void **state)
{
    (void)state;
    srl__json_limits limits = wide;
    size_t offset;
    limits.max_len = 6;
    assert_int_equal(validate("[1, 2]", 6, &limits, NULL), SRL__JSON_OK);
    assert_int_equal(validate("[1, 2] ", 7, &limits, &offset), SRL__JSON_ERR_LEN);
    assert_int_equal(offset, 6);
    limits = wide;
    limits.max_depth = 3;
    assert_int_equal(validate("[{\"a\":[1]},[[]]]", 16, &limits, NULL), SRL__JSON_OK);
    assert_int_equal(validate("[[],[[{}]]]", 11, &limits, &offset), SRL__JSON_ERR_DEPTH);
    assert_int_equal(offset, 6);
    limits.max_depth = 0;
    assert_int_equal(validate("1", 1, &limits, NULL), SRL__JSON_OK);
    assert_int_equal(validate("[]", 2, &limits, &offset), SRL__JSON_ERR_DEPTH);
    assert_int_equal(offset, 0);
    limits = wide;
    limits.max_number = 5;
    assert_int_equal(validate("[-1.25,1e100]", 13, &limits, NULL), SRL__JSON_OK);
    assert_int_equal(validate("[0, -1.255]", 11, &limits, &offset), SRL__JSON_ERR_NUMBER_LEN);
    assert_int_equal(offset, 4);
    assert_int_equal(validate("100000", 6, &limits, &offset), SRL__JSON_ERR_NUMBER_LEN);
    assert_int_equal(offset, 0);
}

static void depth_has_a_hard_maximum(void **state)
{
    (void)state;
    srl__json_limits limits = {SIZE_MAX, UINT32_MAX, UINT32_MAX};
    char text[2 * SRL__JSON_MAX_DEPTH + 2];
    memset(text, '[', SRL__JSON_MAX_DEPTH);
    memset(text + SRL__JSON_MAX_DEPTH, ']', SRL__JSON_MAX_DEPTH);
    assert_int_equal(validate(text, 2 * SRL__JSON_MAX_DEPTH, &limits, NULL), SRL__JSON_OK);
    memset(text, '[', SRL__JSON_MAX_DEPTH + 1);
    memset(text + SRL__JSON_MAX_DEPTH + 1, ']', SRL__JSON_MAX_DEPTH + 1);
    assert_int_equal(validate(text, sizeof(text), &limits, NULL), SRL__JSON_ERR_DEPTH);
}

static void limits_hold_for_reading_by_a_spec(void **state)
{
    (void)state;
    static const char text[] = "{\"data\":{\"more\":{\"x\":12345},\"data\":[{}]}}";
    srl__json_limits limits = wide;
    srl__json_value out[F_COUNT];
    srl__json_error error;
    limits.max_depth = 4;
    assert_true(srl__json_read(SRL__LIT(text), &spec, &limits, out, &error));
    limits.max_depth = 3;
    assert_false(srl__json_read(SRL__LIT(text), &spec, &limits, out, &error));
    assert_int_equal(error.code, SRL__JSON_ERR_DEPTH);
    assert_int_equal(error.offset, 36);
    assert_raw(&out[F_DATA_MORE_X], SRL__JSON_NUMBER, "12345");
    limits.max_depth = 2;
    assert_false(srl__json_read(SRL__LIT(text), &spec, &limits, out, &error));
    assert_int_equal(error.code, SRL__JSON_ERR_DEPTH);
    assert_int_equal(error.offset, 16);
    limits = wide;
    limits.max_number = 4;
    assert_false(srl__json_read(SRL__LIT(text), &spec, &limits, out, &error));
    assert_int_equal(error.code, SRL__JSON_ERR_NUMBER_LEN);
    limits = wide;
    limits.max_len = sizeof(text) - 2;
    assert_false(srl__json_read(SRL__LIT(text), &spec, &limits, out, &error));
    assert_int_equal(error.code, SRL__JSON_ERR_LEN);
    assert_int_equal(out[F_DATA].type, SRL__JSON_NONE);
}

typedef struct error_case {
    const char *text;
    srl__json_error_code code;
    size_t offset;
} error_case;

static const error_case error_cases[] = {
    {"  ", SRL__JSON_ERR_TRUNCATED, 2},
    {"[1,", SRL__JSON_ERR_TRUNCATED, 3},
    {"-", SRL__JSON_ERR_TRUNCATED, 1},
    {"1.", SRL__JSON_ERR_TRUNCATED, 2},
    {"1e+", SRL__JSON_ERR_TRUNCATED, 3},
    {"nul", SRL__JSON_ERR_TRUNCATED, 3},
    {"\"\\", SRL__JSON_ERR_TRUNCATED, 2},
    {"\"\\u12", SRL__JSON_ERR_TRUNCATED, 5},
    {"\"\\ud800\\u", SRL__JSON_ERR_TRUNCATED, 9},
    {"\"\xf0\x9f\x98", SRL__JSON_ERR_TRUNCATED, 4},
    {"\"\xe0", SRL__JSON_ERR_TRUNCATED, 2},
    {"x", SRL__JSON_ERR_VALUE, 0},
    {"[1,]", SRL__JSON_ERR_VALUE, 3},
    {"[,1]", SRL__JSON_ERR_VALUE, 1},
    {"{\"a\":}", SRL__JSON_ERR_VALUE, 5},
    {"[trux]", SRL__JSON_ERR_VALUE, 4},
    {"+1", SRL__JSON_ERR_VALUE, 0},
    {"NaN", SRL__JSON_ERR_VALUE, 0},
    {"\xef\xbb\xbf{}", SRL__JSON_ERR_VALUE, 0},
    {"{1:2}", SRL__JSON_ERR_NAME, 1},
    {"{,}", SRL__JSON_ERR_NAME, 1},
    {"{\"a\":1,}", SRL__JSON_ERR_NAME, 7},
    {"[{'a':1}]", SRL__JSON_ERR_NAME, 2},
    {"{\"a\" 1}", SRL__JSON_ERR_COLON, 5},
    {"{\"a\"}", SRL__JSON_ERR_COLON, 4},
    {"{\"a\":1 \"b\":2}", SRL__JSON_ERR_OBJECT_NEXT, 7},
    {"{\"a\":1]", SRL__JSON_ERR_OBJECT_NEXT, 6},
    {"[{\"a\":1]", SRL__JSON_ERR_OBJECT_NEXT, 7},
    {"[1 2]", SRL__JSON_ERR_ARRAY_NEXT, 3},
    {"[1}", SRL__JSON_ERR_ARRAY_NEXT, 2},
    {"[1\v]", SRL__JSON_ERR_ARRAY_NEXT, 2},
    {"[-x]", SRL__JSON_ERR_NUMBER, 2},
    {"[01]", SRL__JSON_ERR_NUMBER, 2},
    {"[-00]", SRL__JSON_ERR_NUMBER, 3},
    {"[1.x]", SRL__JSON_ERR_NUMBER, 3},
    {"[1e]", SRL__JSON_ERR_NUMBER, 3},
    {"[1e+-1]", SRL__JSON_ERR_NUMBER, 4},
    {"\"a\nb\"", SRL__JSON_ERR_CONTROL, 2},
    {"\"0123456789abcdef\x1f\"", SRL__JSON_ERR_CONTROL, 17},
    {"\"\\x\"", SRL__JSON_ERR_ESCAPE, 1},
    {"\"a\\u12g4\"", SRL__JSON_ERR_ESCAPE, 2},
    {"\"\\ud800\\u12\"", SRL__JSON_ERR_ESCAPE, 7},
    {"\"\\U0041\"", SRL__JSON_ERR_ESCAPE, 1},
    {"\"\\ud800\"", SRL__JSON_ERR_SURROGATE, 1},
    {"\"\\ud800\\n\"", SRL__JSON_ERR_SURROGATE, 1},
    {"\"\\ud800\\u0041\"", SRL__JSON_ERR_SURROGATE, 1},
    {"\"\\ud800\\ud800\"", SRL__JSON_ERR_SURROGATE, 1},
    {"\"ab\\udc00\"", SRL__JSON_ERR_SURROGATE, 3},
    {"\"\\udc00\\udc00\"", SRL__JSON_ERR_SURROGATE, 1},
    {"\"a\x80\"", SRL__JSON_ERR_UTF8, 2},
    {"\"\xc0\x80\"", SRL__JSON_ERR_UTF8, 1},
    {"\"\xe2\x82\"", SRL__JSON_ERR_UTF8, 1},
    {"\"\xed\xa0\x80\"", SRL__JSON_ERR_UTF8, 1},
    {"\"\xf4\x90", SRL__JSON_ERR_UTF8, 1},
    {"\"\xf5", SRL__JSON_ERR_UTF8, 1},
    {"\"\xc0", SRL__JSON_ERR_UTF8, 1},
    {"\"\xf0\x9fz", SRL__JSON_ERR_UTF8, 1},
    {"\"\xc3\xa9\xff\"", SRL__JSON_ERR_UTF8, 3},
    {"1 2", SRL__JSON_ERR_TRAILING, 2},
    {"{}}", SRL__JSON_ERR_TRAILING, 2},
    {"truee", SRL__JSON_ERR_TRAILING, 4},
    {"[] \n,", SRL__JSON_ERR_TRAILING, 4},
};

static void each_error_with_its_place(void **state)
{
    (void)state;
    bool seen[SRL__JSON_ERR_DUPLICATE + 1] = {false};
    for (size_t i = 0; i < sizeof(error_cases) / sizeof(error_cases[0]); i++) {
        const error_case *c = &error_cases[i];
        size_t offset;
        srl__json_error_code code = validate(c->text, strlen(c->text), &wide, &offset);
        if (code != c->code || offset != c->offset) {
            fail_msg("%s: error %d at %zu", c->text, (int)code, offset);
        }
        seen[code] = true;
    }
    for (size_t code = SRL__JSON_ERR_TRUNCATED; code <= SRL__JSON_ERR_TRAILING; code++) {
        assert_true(seen[code]);
    }
}

/* The same faults inside an object that is read by a spec. */
static void each_error_within_fields(void **state)
{
    (void)state;
    static const char *const before[] = {
        "{\"id\":5,\"data\":", "{\"id\":5,\"data\":{\"data\":", "{\"id\":5,\"q\":[[],"};
    for (size_t b = 0; b < 3; b++) {
        for (size_t i = 0; i < sizeof(error_cases) / sizeof(error_cases[0]); i++) {
            const error_case *c = &error_cases[i];
            char text[100];
            reading r;
            if (c->code == SRL__JSON_ERR_TRAILING) {
                continue;
            }
            snprintf(text, sizeof(text), "%s%s", before[b], c->text);
            start_reading(&r, text);
            assert_int_equal(r.error.code, c->code);
            assert_int_equal(r.error.offset, strlen(before[b]) + c->offset);
            assert_raw(&r.out[F_ID], SRL__JSON_NUMBER, "5");
            assert_int_equal(r.error.path_len, 0);
            free_copy(r.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_cases),
        cmocka_unit_test(very_deep_texts_are_rejected),
        cmocka_unit_test(prefixes_of_valid_texts_are_truncated),
        cmocka_unit_test(no_memory_is_needed_for_nothing),
        cmocka_unit_test(every_byte_at_every_place),
        cmocka_unit_test(every_two_and_three_byte_sequence),
        cmocka_unit_test(every_unicode_escape),
        cmocka_unit_test(mutations_against_a_plain_validator),
        cmocka_unit_test(each_limit),
        cmocka_unit_test(depth_has_a_hard_maximum),
        cmocka_unit_test(limits_hold_for_reading_by_a_spec),
        cmocka_unit_test(each_error_with_its_place),
        cmocka_unit_test(each_error_within_fields),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
