#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/once.h"

#include <stdio.h>
#include <stdlib.h>

#include <streamrelay/error.h>

#include "helpers/fail_alloc.h"

static srl__slice text(const char *s)
{
    return srl__slice_of(s, strlen(s));
}

static void init(srl__once *once, srl_test_alloc *memory)
{
    srl_test_alloc_init(memory);
    srl__once_init(once, &memory->table, 3, 1000);
}

static void finish(srl__once *once, srl_test_alloc *memory)
{
    srl__once_free(once);
    srl_test_alloc_check_empty(memory);
}

static int take(srl__once *once, const char *channel, const char *key, uint64_t ttl_ms, uint64_t now_ms)
{
    srl__once_entry *entry;
    return srl__once_take(once, text(channel), text(key), ttl_ms, now_ms, &entry);
}

static void zeros_are_empty(void **state)
{
    static srl__once once;
    (void)state;
    srl__once_free(&once);
}

static void a_key_is_new_once(void **state)
{
    (void)state;
    srl_test_alloc memory;
    static srl__once once;
    srl__once_entry *first, *second;
    init(&once, &memory);
    assert_int_equal(srl__once_take(&once, text("c"), text("k"), 500, 1000, &first), SRL_ERR_NOT_FOUND);
    first->offset = 7;
    assert_int_equal(srl__once_take(&once, text("c"), text("k"), 500, 1499, &second), SRL_OK);
    assert_ptr_equal(first, second);
    assert_int_equal(second->offset, 7);
    assert_int_equal(srl__once_take(&once, text("c"), text("k"), 500, 1500, &second), SRL_ERR_NOT_FOUND);
    assert_int_equal(second->offset, 0);
    assert_int_equal(once.map.count, 1);
    srl__once_drop(&once, second);
    assert_int_equal(take(&once, "c", "k", 500, 1500), SRL_ERR_NOT_FOUND);
    finish(&once, &memory);
}

static void channel_and_key_do_not_run_together(void **state)
{
    (void)state;
    srl_test_alloc memory;
    static srl__once once;
    init(&once, &memory);
    assert_int_equal(take(&once, "ab", "c", 500, 1000), SRL_ERR_NOT_FOUND);
    assert_int_equal(take(&once, "a", "bc", 500, 1000), SRL_ERR_NOT_FOUND);
    assert_int_equal(take(&once, "", "abc", 500, 1000), SRL_ERR_NOT_FOUND);
    assert_int_equal(take(&once, "ab", "c", 500, 1000), SRL_OK);
    finish(&once, &memory);
}

static void lives_have_ends(void **state)
{
    (void)state;
    srl_test_alloc memory;
    static srl__once once;
    init(&once, &memory);
    assert_int_equal(srl__once_next_ms(&once), SRL__TIMERS_NEVER);
    assert_int_equal(take(&once, "c", "none", 0, 1000), SRL_ERR_NOT_FOUND);
    assert_int_equal(take(&once, "c", "none", 0, 1000), SRL_OK);
    assert_int_equal(take(&once, "c", "none", 0, 1001), SRL_ERR_NOT_FOUND);
    assert_int_equal(take(&once, "c", "long", UINT64_MAX, 1000), SRL_ERR_NOT_FOUND);
    assert_int_equal(take(&once, "c", "long", UINT64_MAX, UINT64_MAX / 2), SRL_OK);
    finish(&once, &memory);
}

static void the_oldest_is_forgotten_when_there_are_too_many(void **state)
{
    (void)state;
    srl_test_alloc memory;
    static srl__once once;
    char key[16];
    init(&once, &memory);
    assert_int_equal(once.max_count, 1000000);
    once.max_count = 10;
    for (int i = 0; i < 25; i++) {
        snprintf(key, sizeof(key), "%d", i);
        assert_int_equal(take(&once, "c", key, 500, 1000), SRL_ERR_NOT_FOUND);
    }
    assert_int_equal(once.map.count, 10);
    assert_int_equal(take(&once, "c", "15", 500, 1000), SRL_OK);
    assert_int_equal(take(&once, "c", "14", 500, 1000), SRL_ERR_NOT_FOUND);
    assert_int_equal(take(&once, "c", "15", 500, 1000), SRL_ERR_NOT_FOUND);
    finish(&once, &memory);
}

static void keys_have_a_size(void **state)
{
    (void)state;
    srl_test_alloc memory;
    static srl__once once;
    static char bytes[SRL__ONCE_KEY_MAX + 1];
    srl__once_entry *entry;
    init(&once, &memory);
    assert_int_equal(
        srl__once_take(&once, srl__slice_of(bytes, 100), srl__slice_of(bytes, SRL__ONCE_KEY_MAX - 99), 5, 1000, &entry),
        SRL_ERR_TOO_LARGE);
    assert_int_equal(srl__once_take(&once, srl__slice_of(bytes, sizeof(bytes)), text(""), 5, 1000, &entry),
                     SRL_ERR_TOO_LARGE);
    assert_int_equal(srl__once_take(&once, srl__slice_of(bytes, 100), srl__slice_of(bytes, SRL__ONCE_KEY_MAX - 100), 5,
                                    1000, &entry),
                     SRL_ERR_NOT_FOUND);
    assert_int_equal(take(&once, "c", "k", 5, 1000), SRL_ERR_NOT_FOUND);
    finish(&once, &memory);
}

static void time_takes_them_away_a_few_at_once(void **state)
{
    (void)state;
    srl_test_alloc memory;
    static srl__once once;
    char key[16];
    init(&once, &memory);
    for (int i = 0; i < 10; i++) {
        snprintf(key, sizeof(key), "%d", i);
        assert_int_equal(take(&once, "c", key, 5000, 1000), SRL_ERR_NOT_FOUND);
    }
    assert_true(srl__once_next_ms(&once) <= 6000);
    srl__once_expire(&once, 5999, 100);
    assert_int_equal(once.map.count, 10);
    srl__once_expire(&once, 6000, 4);
    assert_int_equal(once.map.count, 6);
    assert_int_equal(srl__once_next_ms(&once), 0);
    srl__once_expire(&once, 6000, 100);
    assert_int_equal(once.map.count, 0);
    assert_int_equal(srl__once_next_ms(&once), SRL__TIMERS_NEVER);
    finish(&once, &memory);
}

static void scenario(const srl_allocator *alloc, void *user)
{
    static srl__once once;
    char key[80];
    (void)user;
    srl__once_init(&once, alloc, 3, 1000);
    for (int i = 0; i < 40; i++) {
        memset(key, 'a' + i % 13, sizeof(key));
        key[i + 1] = '\0'; /* of another length each time */
        uint32_t before = once.map.count;
        int rc = take(&once, "c", key, 500, 1000 + (uint64_t)i * 10);
        assert_true(rc == SRL_OK || rc == SRL_ERR_NOT_FOUND || rc == SRL_ERR_NOMEM);
        assert_int_equal(once.map.count, before + (rc == SRL_ERR_NOT_FOUND));
        assert_true(rc != SRL_ERR_NOMEM || srl_test_alloc_has_failed(alloc));
    }
    srl__once_free(&once);
}

static void a_failed_allocation_adds_nothing(void **state)
{
    (void)state;
    assert_true(srl_test_each_failing_alloc(scenario, NULL) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeros_are_empty),
        cmocka_unit_test(a_key_is_new_once),
        cmocka_unit_test(channel_and_key_do_not_run_together),
        cmocka_unit_test(lives_have_ends),
        cmocka_unit_test(the_oldest_is_forgotten_when_there_are_too_many),
        cmocka_unit_test(keys_have_a_size),
        cmocka_unit_test(time_takes_them_away_a_few_at_once),
        cmocka_unit_test(a_failed_allocation_adds_nothing),
    };
    return cmocka_run_group_tests_name("once", tests, NULL, NULL);
}
