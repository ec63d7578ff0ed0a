#include "base/utf8.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* By the definition: count the leading ones, put the bits together, then look whether that was the shortest way. */
static size_t naive_decode(const uint8_t *p, size_t len, uint32_t *code_point)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (len == 0) {
        return 0;
    }
    size_t ones = 0;
    while (ones < 8 && (p[0] & 0x80U >> ones) != 0) {
        ones++;
    }
    if (ones == 0) {
        *code_point = p[0];
        return 1;
    }
    if (ones == 1 || ones > 4 || ones > len) {
        return 0;
    }
    uint32_t n = p[0] & (0xFFU >> (ones + 1));
    for (size_t i = 1; i < ones; i++) {
        if (p[i] >> 6 != 2) {
            return 0;
        }
        n = n << 6 | (p[i] & 0x3FU);
    }
    if (n < smallest[ones] || n > 0x10FFFF || (n >= 0xD800 && n <= 0xDFFF)) {
        return 0;
    }
    *code_point = n;
    return ones;
}

static bool naive_valid(const uint8_t *p, size_t len)
{
    uint32_t ignored;
    while (len > 0) {
        size_t n = naive_decode(p, len, &ignored);
        if (n == 0) {
            return false;
        }
        p += n;
        len -= n;
    }
    return true;
}

static void compare(const uint8_t *p, size_t len)
{
    uint32_t ignored;
    if (srl__utf8_sequence(p, len) != naive_decode(p, len, &ignored) ||
        srl__utf8_valid(p, len) != naive_valid(p, len)) {
        fail_msg("differs for %02x %02x %02x %02x, %zu bytes", p[0], p[1], p[2], p[3], len);
    }
}

static void all_strings_up_to_three_bytes(void **state)
{
    (void)state;
    uint8_t p[4] = {0};
    for (uint32_t n = 0; n < 1U << 24; n++) {
        p[0] = (uint8_t)(n >> 16);
        p[1] = (uint8_t)(n >> 8);
        p[2] = (uint8_t)n;
        compare(p, 3);
        if (p[2] == 0) {
            compare(p, 2);
            if (p[1] == 0) {
                compare(p, 1);
            }
        }
    }
}

static void four_bytes_at_the_borders(void **state)
{
    (void)state;
    static const uint8_t borders[] = {0x00, 0x7F, 0x80, 0x81, 0x8F, 0x90, 0x9F, 0xA0, 0xBE, 0xBF, 0xC0, 0xC2, 0xFF};
    uint8_t p[4];
    for (uint32_t lead = 0xE0; lead <= 0xFF; lead++) {
        for (uint32_t second = 0; second <= 0xFF; second++) {
            for (size_t i = 0; i < sizeof(borders); i++) {
                for (size_t j = 0; j < sizeof(borders); j++) {
                    p[0] = (uint8_t)lead;
                    p[1] = (uint8_t)second;
                    p[2] = borders[i];
                    p[3] = borders[j];
                    compare(p, 4);
                }
            }
        }
    }
}

static void every_code_point_comes_back(void **state)
{
    (void)state;
    for (uint32_t n = 0; n <= 0x10FFFF; n++) {
        uint8_t out[4] = {0};
        uint32_t back = 0;
        if (n >= 0xD800 && n <= 0xDFFF) {
            continue;
        }
        size_t len = srl__utf8_encode(n, out);
        if (naive_decode(out, 4, &back) != len || back != n || srl__utf8_sequence(out, len) != len) {
            fail_msg("U+%04X does not come back", n);
        }
    }
}

static void surrogates_and_overlong_forms_are_invalid(void **state)
{
    (void)state;
    static const uint8_t surrogates[][3] = {{0xED, 0xA0, 0x80}, {0xED, 0xBF, 0xBF}};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(srl__utf8_sequence(surrogates[i], 3), 0);
        assert_false(srl__utf8_valid(surrogates[i], 3));
    }
    assert_false(srl__utf8_valid("\xC0\x80", 2));
    assert_false(srl__utf8_valid("\xF4\x90\x80\x80", 4));
    assert_true(srl__utf8_valid("\xF4\x8F\xBF\xBF", 4));
}

static void empty_is_valid(void **state)
{
    (void)state;
    assert_true(srl__utf8_valid(NULL, 0));
    assert_true(srl__utf8_valid("", 0));
    assert_int_equal(srl__utf8_sequence((const uint8_t *)"a", 0), 0);
}

static void one_bad_byte_is_found_wherever_it_is(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 40; len++) {
        uint8_t *exact = malloc(len);
        assert_non_null(exact);
        for (size_t at = 0; at < len; at++) {
            memset(exact, 'x', len);
            assert_true(srl__utf8_valid(exact, len));
            exact[at] = 0x80;
            assert_false(srl__utf8_valid(exact, len));
            exact[at] = 0xC3;
            assert_false(srl__utf8_valid(exact, len));
            if (at + 1 < len) {
                exact[at + 1] = 0xA9;
                assert_true(srl__utf8_valid(exact, len));
            }
        }
        free(exact);
    }
}

static void a_cut_sequence_is_invalid(void **state)
{
    (void)state;
    static const char *const texts[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    for (size_t i = 0; i < 3; i++) {
        size_t full = strlen(texts[i]);
        for (size_t len = 1; len <= full; len++) {
            uint8_t *exact = malloc(len);
            assert_non_null(exact);
            memcpy(exact, texts[i], len);
            assert_int_equal(srl__utf8_sequence(exact, len), len == full ? full : 0);
            assert_true(srl__utf8_valid(exact, len) == (len == full));
            free(exact);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_strings_up_to_three_bytes),
        cmocka_unit_test(four_bytes_at_the_borders),
        cmocka_unit_test(every_code_point_comes_back),
        cmocka_unit_test(surrogates_and_overlong_forms_are_invalid),
        cmocka_unit_test(empty_is_valid),
        cmocka_unit_test(one_bad_byte_is_found_wherever_it_is),
        cmocka_unit_test(a_cut_sequence_is_invalid),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
