#include "base/reader.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void nothing_comes_out_of_nothing(void **state)
{
    (void)state;
    srl__reader r;
    srl__slice slice = {NULL, 99};
    uint8_t byte = 99;
    uint64_t n = 99;
    srl__reader_init(&r, NULL, 0);
    assert_int_equal(srl__reader_left(&r), 0);
    assert_int_equal(srl__reader_offset(&r), 0);
    assert_false(srl__reader_byte(&r, &byte));
    assert_false(srl__reader_bytes(&r, 1, &slice));
    assert_false(srl__reader_until(&r, 'x', &slice));
    assert_false(srl__reader_until(&r, '\0', &slice));
    assert_false(srl__reader_u64(&r, &n));
    assert_int_equal(byte, 99);
    assert_int_equal(slice.len, 99);
    assert_int_equal(n, 99);
    assert_true(srl__reader_bytes(&r, 0, &slice));
    assert_int_equal(slice.len, 0);
}

static void bytes_are_taken_in_order(void **state)
{
    (void)state;
    static const char data[] = {'a', '\0', (char)0xFF, 'b', 'c'};
    srl__reader r;
    srl__slice slice;
    uint8_t byte;
    srl__reader_init(&r, data, sizeof(data));
    assert_int_equal(srl__reader_left(&r), 5);
    assert_true(srl__reader_byte(&r, &byte));
    assert_int_equal(byte, 'a');
    assert_true(srl__reader_byte(&r, &byte));
    assert_int_equal(byte, 0);
    assert_true(srl__reader_byte(&r, &byte));
    assert_int_equal(byte, 0xFF);
    assert_int_equal(srl__reader_offset(&r), 3);
    assert_false(srl__reader_bytes(&r, 3, &slice));
    assert_false(srl__reader_bytes(&r, SIZE_MAX, &slice));
    assert_int_equal(srl__reader_offset(&r), 3);
    assert_true(srl__reader_bytes(&r, 2, &slice));
    assert_true(srl__slice_equal(slice, SRL__LIT("bc")));
    assert_int_equal(srl__reader_left(&r), 0);
    assert_false(srl__reader_byte(&r, &byte));
}

static void until_consumes_the_stop(void **state)
{
    (void)state;
    static const char data[] = {'a', 'b', ':', ':', (char)0x80, 'z'};
    srl__reader r;
    srl__slice slice;
    srl__reader_init(&r, data, sizeof(data));
    assert_true(srl__reader_until(&r, ':', &slice));
    assert_true(srl__slice_equal(slice, SRL__LIT("ab")));
    assert_int_equal(srl__reader_offset(&r), 3);
    assert_true(srl__reader_until(&r, ':', &slice));
    assert_int_equal(slice.len, 0);
    assert_false(srl__reader_until(&r, ':', &slice));
    assert_int_equal(srl__reader_offset(&r), 4);
    assert_true(srl__reader_until(&r, (char)0x80, &slice));
    assert_int_equal(slice.len, 0);
    assert_true(srl__reader_until(&r, 'z', &slice));
    assert_int_equal(srl__reader_left(&r), 0);
}

static void reads_number(const char *text, uint64_t expected, size_t taken)
{
    size_t len = strlen(text);
    char *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    srl__reader r;
    uint64_t n = 99;
    srl__reader_init(&r, exact, len);
    assert_true(srl__reader_u64(&r, &n) == (taken > 0));
    assert_true(n == (taken > 0 ? expected : 99));
    assert_int_equal(srl__reader_offset(&r), taken);
    free(exact);
}

static void numbers(void **state)
{
    (void)state;
    reads_number("0", 0, 1);
    reads_number("7x", 7, 1);
    reads_number("007", 7, 3);
    reads_number("1234567890", 1234567890, 10);
    reads_number("18446744073709551615", UINT64_MAX, 20);
    reads_number("18446744073709551615\r\n", UINT64_MAX, 20);
    reads_number("18446744073709551616", 0, 0);
    reads_number("18446744073709551620", 0, 0);
    reads_number("99999999999999999999", 0, 0);
    reads_number("00000000000000000001", 1, 20);
    reads_number("000000000000000000001", 0, 0);
    reads_number("184467440737095516150", 0, 0);
    reads_number("", 0, 0);
    reads_number("-1", 0, 0);
    reads_number("+1", 0, 0);
    reads_number(" 1", 0, 0);
    reads_number("/", 0, 0);
    reads_number(":", 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_comes_out_of_nothing),
        cmocka_unit_test(bytes_are_taken_in_order),
        cmocka_unit_test(until_consumes_the_stop),
        cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
