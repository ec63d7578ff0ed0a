#include "base/base64.h"

#include <stdlib.h>
#include <string.h>

#include "helpers/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static srl__slice literal(const char *c)
{
    return srl__slice_of(c, strlen(c));
}

static void assert_encodes(const void *data, size_t len, srl__base64_kind kind, const char *want)
{
    size_t room = srl__base64_encoded_len(len, kind);
    char *text = malloc(room + 1);
    uint8_t *back = malloc(srl__base64_max_decoded_len(room) + 1);
    size_t back_len = 99;
    assert_non_null(text);
    assert_non_null(back);
    text[room] = '?';
    assert_int_equal(srl__base64_encode(text, data, len, kind), room);
    assert_int_equal(text[room], '?');
    text[room] = '\0';
    assert_string_equal(text, want);
    assert_true(srl__base64_decode(back, &back_len, srl__slice_of(text, room), kind));
    assert_int_equal(back_len, len);
    assert_memory_equal(back, data, len);
    assert_true(srl__base64_decode(text, &back_len, srl__slice_of(text, room), kind));
    assert_int_equal(back_len, len);
    assert_memory_equal(text, data, len);
    free(text);
    free(back);
}

static void vectors_of_rfc_4648(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
        {"\xFB\xFF\xBF\xFF", "+/+//w==", "-_-__w"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_encodes(cases[i][0], strlen(cases[i][0]), SRL__BASE64, cases[i][1]);
        assert_encodes(cases[i][0], strlen(cases[i][0]), SRL__BASE64_URL, cases[i][2]);
    }
}

static bool is_good(srl__slice text, srl__base64_kind kind)
{
    char *exact = malloc(text.len > 0 ? text.len : 1);
    uint8_t *out = malloc(srl__base64_max_decoded_len(text.len) + 1);
    size_t len = 0;
    assert_non_null(exact);
    assert_non_null(out);
    if (text.len > 0) {
        memcpy(exact, text.data, text.len);
    }
    bool good = srl__base64_decode(out, &len, srl__slice_of(exact, text.len), kind);
    assert_true(len <= srl__base64_max_decoded_len(text.len));
    free(exact);
    free(out);
    return good;
}

static void only_one_way_to_write_it(void **state)
{
    (void)state;
    static const char *const padded[] = {"Z",        "Zg",   "Zg=",      "Zg===",      "Zm8",     "Zm8==",
                                         "Zm9=",     "Zh==", "=",        "==",         "====",    "Z===",
                                         "Zg==Zg==", "Z=g=", "Zm9v=",    "Zm9v====",   "Zm9v\n",  "Zm 9v",
                                         " Zm9v",    "Zm-_", "Zm8=Zm9v", "\xC3\xA9==", "Zm9vYg=", "Zm9vYh=="};
    static const char *const plain[] = {"Z",     "Zg==",   "Zh",   "Zm9",     "Zm8=", "Zm+/",
                                        "Zm9vY", "Zm9v\n", " Zm9", "Zm9vZm9", "=",    "Zg."};
    for (size_t i = 0; i < sizeof(padded) / sizeof(padded[0]); i++) {
        if (is_good(literal(padded[i]), SRL__BASE64)) {
            fail_msg("%s", padded[i]);
        }
    }
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        if (is_good(literal(plain[i]), SRL__BASE64_URL)) {
            fail_msg("%s", plain[i]);
        }
    }
}

/* Of all texts of one to three characters exactly those are good that some bytes are written as. */
static void every_short_text(void **state)
{
    (void)state;
    uint32_t good[2][4] = {{0}};
    for (uint32_t kind = 0; kind < 2; kind++) {
        for (uint32_t n = 0; n < 1U << 16; n++) {
            char text[4] = {(char)(n >> 8), (char)n, '=', '='};
            good[kind][1] += n < 256 && is_good(srl__slice_of(text + 1, 1), (srl__base64_kind)kind) ? 1 : 0;
            good[kind][2] += is_good(srl__slice_of(text, 2), (srl__base64_kind)kind) ? 1 : 0;
            good[kind][3] += is_good(srl__slice_of(text, 4), (srl__base64_kind)kind) ? 1 : 0;
        }
    }
    assert_int_equal(good[SRL__BASE64][1], 0);
    assert_int_equal(good[SRL__BASE64][2], 0);
    assert_int_equal(good[SRL__BASE64][3], 256);
    assert_int_equal(good[SRL__BASE64_URL][1], 0);
    assert_int_equal(good[SRL__BASE64_URL][2], 256);
    assert_int_equal(good[SRL__BASE64_URL][3], 0);
}

static void any_bytes_come_back(void **state)
{
    (void)state;
    uint64_t random = 3;
    uint8_t data[100], back[120];
    char text[140];
    for (uint32_t i = 0; i < 2000; i++) {
        size_t len = srl_test_random_below(&random, sizeof(data));
        srl__base64_kind kind = i % 2 == 0 ? SRL__BASE64 : SRL__BASE64_URL;
        size_t back_len = 0;
        for (size_t k = 0; k < len; k++) {
            data[k] = (uint8_t)srl_test_random(&random);
        }
        size_t text_len = srl__base64_encode(text, data, len, kind);
        assert_true(srl__base64_decode(back, &back_len, srl__slice_of(text, text_len), kind));
        assert_int_equal(back_len, len);
        assert_memory_equal(back, data, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_rfc_4648),
        cmocka_unit_test(only_one_way_to_write_it),
        cmocka_unit_test(every_short_text),
        cmocka_unit_test(any_bytes_come_back),
    };
    return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
