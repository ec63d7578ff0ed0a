#include "base/alloc.h"

#include "helpers/fail_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void default_allocator_works(void **state)
{
    (void)state;
    srl_allocator a;
    memset(&a, 0xFF, sizeof(a));
    srl_allocator_init(&a, sizeof(a));
    assert_int_equal(a.size, sizeof(srl_allocator));
    assert_null(a.user);
    char *p = srl__alloc(&a, 10);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
    memcpy(p, "0123456789", 10);
    p = srl__resize(&a, p, 10, 100000);
    assert_non_null(p);
    assert_memory_equal(p, "0123456789", 10);
    srl__free(&a, p, 100000);
    srl__free(&a, NULL, 0);
}

static void take_checks_the_table(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    srl_allocator out;
    assert_true(srl__allocator_take(&out, NULL));
    assert_non_null(out.alloc);
    assert_int_equal(out.size, sizeof(out));
    assert_true(srl__allocator_take(&out, &t.table));
    assert_ptr_equal(out.user, &t);
    assert_ptr_equal(out.alloc, t.table.alloc);

    srl_allocator before = out;
    srl_allocator bad = t.table;
    bad.size = 0;
    assert_false(srl__allocator_take(&out, &bad));
    bad.size = sizeof(bad) - 1;
    assert_false(srl__allocator_take(&out, &bad));
    bad.size = UINT32_MAX;
    assert_false(srl__allocator_take(&out, &bad));
    bad = t.table;
    bad.alloc = NULL;
    assert_false(srl__allocator_take(&out, &bad));
    bad = t.table;
    bad.resize = NULL;
    assert_false(srl__allocator_take(&out, &bad));
    bad = t.table;
    bad.free = NULL;
    assert_false(srl__allocator_take(&out, &bad));
    assert_ptr_equal(out.alloc, before.alloc);
    assert_ptr_equal(out.free, before.free);
}

static void zeroed_is_zero(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    uint8_t *p = srl__alloc_zeroed(&t.table, 1000);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(p[i], 0);
    }
    srl__free(&t.table, p, 1000);
    srl_test_alloc_fail(&t, 1, false);
    assert_null(srl__alloc_zeroed(&t.table, 1000));
    srl_test_alloc_check_empty(&t);
}

static void resize_of_null_allocates(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    char *p = srl__resize(&t.table, NULL, 0, 5);
    memcpy(p, "abcde", 5);
    srl_test_alloc_fail(&t, 1, false);
    assert_null(srl__resize(&t.table, p, 5, 50));
    assert_memory_equal(p, "abcde", 5);
    p = srl__resize(&t.table, p, 5, 2);
    assert_memory_equal(p, "ab", 2);
    srl__free(&t.table, p, 2);
    srl_test_alloc_check_empty(&t);
}

static void copies_of_any_length(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    void *none = srl__copy_bytes(&t.table, NULL, 0);
    assert_non_null(none);
    assert_int_equal(t.live_bytes, 1);
    void *some = srl__copy_bytes(&t.table, "x\0y", 3);
    assert_memory_equal(some, "x\0y", 3);
    assert_int_equal(t.live_bytes, 4);
    srl__free_bytes(&t.table, none, 0);
    srl__free_bytes(&t.table, some, 3);
    srl__free_bytes(&t.table, NULL, 3);
    srl_test_alloc_fail(&t, 1, false);
    assert_null(srl__copy_bytes(&t.table, "x", 1));
    srl_test_alloc_check_empty(&t);
}

static void sizes_do_not_wrap(void **state)
{
    (void)state;
    size_t out = 77;
    assert_true(srl__size_of_array(3, 7, 5, &out));
    assert_int_equal(out, 26);
    assert_true(srl__size_of_array(0, SIZE_MAX, SIZE_MAX, &out));
    assert_true(out == SIZE_MAX);
    assert_true(srl__size_of_array(SIZE_MAX, 0, 4, &out));
    assert_int_equal(out, 4);
    assert_true(srl__size_of_array(SIZE_MAX, 1, 0, &out));
    assert_true(out == SIZE_MAX);
    assert_true(srl__size_of_array(SIZE_MAX / 2, 2, 1, &out));
    assert_true(out == SIZE_MAX);
    out = 77;
    assert_false(srl__size_of_array(SIZE_MAX / 2, 2, 2, &out));
    assert_false(srl__size_of_array(SIZE_MAX, 1, 1, &out));
    assert_false(srl__size_of_array(1, SIZE_MAX, 1, &out));
    assert_false(srl__size_of_array(SIZE_MAX / 2 + 1, 2, 0, &out));
    assert_false(srl__size_of_array((size_t)1 << (sizeof(size_t) * 4), (size_t)1 << (sizeof(size_t) * 4), 0, &out));
    assert_int_equal(out, 77);
}

static void arrays_grow_by_half_up_to_the_maximum(void **state)
{
    (void)state;
    static const uint32_t expected[] = {4, 6, 9, 13, 19, 20};
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    void *items = NULL;
    uint32_t capacity = 0;
    size_t step = 0;
    for (uint32_t need = 1; need <= 20; need++) {
        uint32_t before = capacity;
        assert_true(srl__grow_array(&t.table, &items, &capacity, need, 20, 8));
        if (capacity != before) {
            assert_int_equal(capacity, expected[step++]);
        }
        assert_int_equal(t.live_bytes, capacity * 8);
    }
    assert_int_equal(step, 6);
    void *same = items;
    assert_false(srl__grow_array(&t.table, &items, &capacity, 21, 20, 8));
    assert_ptr_equal(items, same);
    assert_int_equal(capacity, 20);
    srl__free(&t.table, items, capacity * 8);
    srl_test_alloc_check_empty(&t);
}

static void arrays_jump_to_the_need_and_respect_small_maxima(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    void *items = NULL;
    uint32_t capacity = 0;
    assert_true(srl__grow_array(&t.table, &items, &capacity, 0, 0, 8));
    assert_null(items);
    assert_true(srl__grow_array(&t.table, &items, &capacity, 1, 2, 8));
    assert_int_equal(capacity, 2);
    assert_true(srl__grow_array(&t.table, &items, &capacity, 1000, 5000, 8));
    assert_int_equal(capacity, 1000);
    srl__free(&t.table, items, capacity * 8);
    srl_test_alloc_check_empty(&t);
}

static void a_failed_growth_changes_nothing(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    void *items = NULL;
    uint32_t capacity = 0;
    srl_test_alloc_fail(&t, 1, false);
    assert_false(srl__grow_array(&t.table, &items, &capacity, 1, 10, 8));
    assert_null(items);
    assert_int_equal(capacity, 0);
    assert_true(srl__grow_array(&t.table, &items, &capacity, 1, 10, 8));
    memcpy(items, "12345678", 8);
    void *same = items;
    srl_test_alloc_fail(&t, 1, false);
    assert_false(srl__grow_array(&t.table, &items, &capacity, 5, 10, 8));
    assert_ptr_equal(items, same);
    assert_int_equal(capacity, 4);
    assert_memory_equal(items, "12345678", 8);
    uint64_t calls = t.calls;
    assert_false(srl__grow_array(&t.table, &items, &capacity, UINT32_MAX, UINT32_MAX, SIZE_MAX / 1000));
    assert_int_equal(t.calls, calls);
    assert_int_equal(capacity, 4);
    srl__free(&t.table, items, 32);
    srl_test_alloc_check_empty(&t);
}

static void three_blocks(const srl_allocator *a, void *user)
{
    uint32_t *runs = user;
    ++*runs;
    bool missing = false;
    for (size_t i = 0; i < 3; i++) {
        void *p = srl__alloc(a, 8);
        missing = missing || p == NULL;
        srl__free(a, p, 8);
    }
    assert_true(missing == srl_test_alloc_has_failed(a));
}

static void the_helper_fails_each_allocation(void **state)
{
    (void)state;
    uint32_t runs = 0;
    assert_int_equal(srl_test_each_failing_alloc(three_blocks, &runs), 3);
    assert_int_equal(runs, 7);

    srl_test_alloc t;
    srl_test_alloc_init(&t);
    t.max_bytes = 100;
    void *p = srl__alloc(&t.table, 60);
    assert_null(srl__alloc(&t.table, 41));
    assert_null(srl__alloc(&t.table, SIZE_MAX));
    void *q = srl__alloc(&t.table, 40);
    assert_non_null(q);
    assert_int_equal(t.failures, 2);
    srl__free(&t.table, p, 60);
    srl__free(&t.table, q, 40);
    assert_int_equal(t.peak_bytes, 100);
    srl_test_alloc_check_empty(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_allocator_works),
        cmocka_unit_test(take_checks_the_table),
        cmocka_unit_test(zeroed_is_zero),
        cmocka_unit_test(resize_of_null_allocates),
        cmocka_unit_test(copies_of_any_length),
        cmocka_unit_test(sizes_do_not_wrap),
        cmocka_unit_test(arrays_grow_by_half_up_to_the_maximum),
        cmocka_unit_test(arrays_jump_to_the_need_and_respect_small_maxima),
        cmocka_unit_test(a_failed_growth_changes_nothing),
        cmocka_unit_test(the_helper_fails_each_allocation),
    };
    return cmocka_run_group_tests_name("alloc", tests, NULL, NULL);
}
