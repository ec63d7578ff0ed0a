#include "base/buf.h"

#include <streamrelay/error.h>

#include "helpers/fail_alloc.h"
#include "helpers/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_text(const srl__buf *buf, const char *expected)
{
    assert_int_equal(buf->len, strlen(expected));
    if (buf->len > 0) {
        assert_memory_equal(buf->data, expected, buf->len);
    }
}

static void appends_everything(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    srl__buf buf;
    srl__buf_init(&buf, &t.table, 1000);
    assert_int_equal(t.calls, 0);
    srl__buf_append(&buf, NULL, 0);
    srl__buf_append_slice(&buf, (srl__slice){NULL, 0});
    assert_text(&buf, "");
    SRL__BUF_LIT(&buf, "one ");
    srl__buf_append_slice(&buf, SRL__LIT("two "));
    srl__buf_append_char(&buf, '3');
    srl__buf_append_char(&buf, ' ');
    srl__buf_append_u64(&buf, 0);
    srl__buf_append_char(&buf, ' ');
    srl__buf_append_u64(&buf, 10);
    srl__buf_append_char(&buf, ' ');
    srl__buf_append_u64(&buf, UINT64_MAX);
    assert_text(&buf, "one two 3 0 10 18446744073709551615");
    assert_int_equal(buf.error, SRL_OK);
    srl__buf_free(&buf);
    srl_test_alloc_check_empty(&t);
    SRL__BUF_LIT(&buf, "again");
    assert_text(&buf, "again");
    srl__buf_free(&buf);
    srl__buf_free(&buf);
    srl_test_alloc_check_empty(&t);
}

static void fills_to_its_maximum_and_not_beyond(void **state)
{
    (void)state;
    static const size_t maxima[] = {1, 2, 63, 64, 65, 100, 127, 128, 129, 1000};
    for (size_t i = 0; i < sizeof(maxima) / sizeof(maxima[0]); i++) {
        srl_test_alloc t;
        srl_test_alloc_init(&t);
        srl__buf buf;
        srl__buf_init(&buf, &t.table, maxima[i]);
        for (size_t n = 0; n < maxima[i]; n++) {
            srl__buf_append_char(&buf, (char)('a' + n % 26));
            assert_int_equal(buf.error, SRL_OK);
            assert_true(buf.capacity <= maxima[i]);
        }
        assert_int_equal(buf.len, maxima[i]);
        srl__buf_append(&buf, NULL, 0);
        assert_int_equal(buf.error, SRL_OK);
        srl__buf_append_char(&buf, '!');
        assert_int_equal(buf.error, SRL_ERR_TOO_LARGE);
        assert_int_equal(buf.len, maxima[i]);
        for (size_t n = 0; n < maxima[i]; n++) {
            assert_int_equal(buf.data[n], (char)('a' + n % 26));
        }
        srl__buf_free(&buf);
        srl_test_alloc_check_empty(&t);
    }
}

static void a_maximum_of_nothing_takes_nothing(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    srl__buf buf;
    srl__buf_init(&buf, &t.table, 0);
    assert_int_equal(srl__buf_reserve(&buf, 0), SRL_OK);
    assert_int_equal(srl__buf_reserve(&buf, 1), SRL_ERR_TOO_LARGE);
    assert_int_equal(t.calls, 0);
    srl__buf_free(&buf);
}

static void the_first_error_sticks(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    srl__buf buf;
    srl__buf_init(&buf, &t.table, 100);
    SRL__BUF_LIT(&buf, "kept");
    assert_int_equal(srl__buf_reserve(&buf, 97), SRL_ERR_TOO_LARGE);
    srl__buf_append_char(&buf, 'x');
    SRL__BUF_LIT(&buf, "y");
    srl__buf_append_u64(&buf, 5);
    assert_text(&buf, "kept");
    assert_int_equal(srl__buf_reserve(&buf, 0), SRL_ERR_TOO_LARGE);

    srl__buf_reset(&buf);
    assert_int_equal(buf.error, SRL_OK);
    assert_int_equal(t.live_blocks, 1);
    srl_test_alloc_fail(&t, 1, false);
    srl__buf_append(&buf, "0123456789012345678901234567890123456789012345678901234567890123456789", 70);
    assert_int_equal(buf.error, SRL_ERR_NOMEM);
    assert_int_equal(srl__buf_reserve(&buf, 97), SRL_ERR_NOMEM);
    srl__buf_append_char(&buf, 'x');
    assert_text(&buf, "");
    srl__buf_free(&buf);
    assert_int_equal(buf.error, SRL_OK);
    srl_test_alloc_check_empty(&t);
}

static void sizes_do_not_wrap(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    srl__buf buf;
    srl__buf_init(&buf, &t.table, SIZE_MAX);
    SRL__BUF_LIT(&buf, "ab");
    assert_int_equal(srl__buf_reserve(&buf, SIZE_MAX), SRL_ERR_TOO_LARGE);
    buf.error = SRL_OK;
    assert_int_equal(srl__buf_reserve(&buf, SIZE_MAX - 1), SRL_ERR_TOO_LARGE);
    buf.error = SRL_OK;
    t.max_bytes = 1000;
    assert_int_equal(srl__buf_reserve(&buf, SIZE_MAX - 2), SRL_ERR_NOMEM);
    assert_text(&buf, "ab");
    srl__buf_free(&buf);
    srl_test_alloc_check_empty(&t);
}

static void consumes_from_the_front(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    srl__buf buf;
    srl__buf_init(&buf, &t.table, 100);
    srl__buf_consume(&buf, 0);
    srl__buf_consume(&buf, 10);
    SRL__BUF_LIT(&buf, "0123456789");
    srl__buf_consume(&buf, 0);
    assert_text(&buf, "0123456789");
    srl__buf_consume(&buf, 3);
    assert_text(&buf, "3456789");
    srl__buf_consume(&buf, 7);
    assert_text(&buf, "");
    SRL__BUF_LIT(&buf, "abc");
    srl__buf_consume(&buf, SIZE_MAX);
    assert_text(&buf, "");
    srl__buf_free(&buf);
    srl_test_alloc_check_empty(&t);
}

static void trims_to_what_is_used(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    srl__buf buf;
    srl__buf_init(&buf, &t.table, 100);
    srl__buf_trim(&buf);
    assert_int_equal(t.calls, 0);
    SRL__BUF_LIT(&buf, "abc");
    srl_test_alloc_fail(&t, 1, false);
    srl__buf_trim(&buf);
    assert_int_equal(buf.error, SRL_OK);
    assert_text(&buf, "abc");
    srl__buf_trim(&buf);
    assert_int_equal(t.live_bytes, 3);
    assert_text(&buf, "abc");
    srl__buf_append_char(&buf, 'd');
    assert_text(&buf, "abcd");
    srl__buf_reset(&buf);
    srl__buf_trim(&buf);
    srl_test_alloc_check_empty(&t);
    SRL__BUF_LIT(&buf, "x");
    assert_text(&buf, "x");
    srl__buf_free(&buf);
    srl_test_alloc_check_empty(&t);
}

static void growth_is_by_doubling(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    srl__buf buf;
    srl__buf_init(&buf, &t.table, 1 << 20);
    for (size_t i = 0; i < 1 << 20; i++) {
        srl__buf_append_char(&buf, 'x');
    }
    assert_int_equal(buf.error, SRL_OK);
    assert_true(t.calls <= 15);
    srl__buf_free(&buf);
    srl_test_alloc_check_empty(&t);
}

static void random_use_matches_a_plain_array(void **state)
{
    (void)state;
    static char model[512];
    size_t len = 0;
    uint64_t random = 7;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    srl__buf buf;
    srl__buf_init(&buf, &t.table, sizeof(model));
    for (int i = 0; i < 20000; i++) {
        char piece[40];
        size_t n = srl_test_random_below(&random, sizeof(piece));
        switch (srl_test_random_below(&random, 4)) {
        case 0:
            srl__buf_consume(&buf, n);
            n = n < len ? n : len;
            memmove(model, model + n, len - n);
            len -= n;
            break;
        case 1:
            srl__buf_trim(&buf);
            assert_int_equal(buf.capacity, len);
            break;
        default:
            memset(piece, (int)('a' + i % 26), sizeof(piece));
            srl__buf_append(&buf, piece, n);
            if (n > sizeof(model) - len) {
                assert_int_equal(buf.error, SRL_ERR_TOO_LARGE);
                srl__buf_reset(&buf);
                len = 0;
            } else {
                memcpy(model + len, piece, n);
                len += n;
            }
        }
        assert_int_equal(buf.error, SRL_OK);
        assert_int_equal(buf.len, len);
        assert_true(len == 0 || memcmp(buf.data, model, len) == 0);
        assert_int_equal(t.live_bytes, buf.capacity);
    }
    srl__buf_free(&buf);
    srl_test_alloc_check_empty(&t);
}

static void scenario(const srl_allocator *a, void *user)
{
    (void)user;
    srl__buf buf;
    srl__buf_init(&buf, a, 100000);
    for (size_t i = 0; i < 300; i++) {
        size_t before = buf.len;
        SRL__BUF_LIT(&buf, "0123456789");
        assert_int_equal(buf.len, buf.error == SRL_OK ? before + 10 : before);
    }
    assert_int_equal(buf.error, srl_test_alloc_has_failed(a) ? SRL_ERR_NOMEM : SRL_OK);
    for (size_t i = 0; i < buf.len; i++) {
        assert_int_equal(buf.data[i], '0' + (char)(i % 10));
    }
    srl__buf_trim(&buf);
    srl__buf_free(&buf);
}

static void each_failing_allocation(void **state)
{
    (void)state;
    assert_true(srl_test_each_failing_alloc(scenario, NULL) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_everything),
        cmocka_unit_test(fills_to_its_maximum_and_not_beyond),
        cmocka_unit_test(a_maximum_of_nothing_takes_nothing),
        cmocka_unit_test(the_first_error_sticks),
        cmocka_unit_test(sizes_do_not_wrap),
        cmocka_unit_test(consumes_from_the_front),
        cmocka_unit_test(trims_to_what_is_used),
        cmocka_unit_test(growth_is_by_doubling),
        cmocka_unit_test(random_use_matches_a_plain_array),
        cmocka_unit_test(each_failing_allocation),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
