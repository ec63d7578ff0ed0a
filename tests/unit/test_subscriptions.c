#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/subscriptions.h"
#include "helpers/fail_alloc.h"
#include "helpers/random.h"

enum { ROOMS = 300 };

/* Only their addresses count. */
static char rooms[ROOMS][64];

static srl__room *room(unsigned i)
{
    return (srl__room *)(void *)rooms[i];
}

static void check_all(const srl__subscriptions *s, const bool *there)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < ROOMS; i++) {
        srl__subscription *found = srl__subscriptions_find(s, room(i));

        assert_int_equal(found != NULL, there[i]);
        if (found != NULL) {
            assert_ptr_equal(found->room, room(i));
            assert_int_equal(found->place, i * 3); /* moved with its contents */
            count++;
        }
    }
    assert_int_equal(s->count, count);
}

static void against_a_naive_set(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        srl_test_alloc t;
        srl__subscriptions s = {0};
        bool there[ROOMS] = {false};
        uint64_t random = seed;

        srl_test_alloc_init(&t);
        for (int step = 0; step < 1500; step++) {
            bool growing = (step / 250) % 2 == 0;
            unsigned i = (unsigned)srl_test_random_below(&random, ROOMS);

            if (there[i] && (!growing || srl_test_random_below(&random, 4) == 0)) {
                srl__subscriptions_remove(&s, &t.table, srl__subscriptions_find(&s, room(i)));
                there[i] = false;
            } else if (!there[i] && (growing || srl_test_random_below(&random, 4) == 0)) {
                srl__subscription *added = srl__subscriptions_add(&s, &t.table, room(i));

                assert_non_null(added);
                assert_int_equal(added->live, 0);
                assert_null(added->is.joining);
                added->place = i * 3;
                there[i] = true;
            }
            if (step % 50 == 0) {
                check_all(&s, there);
            }
        }
        check_all(&s, there);
        srl__subscriptions_free(&s, &t.table);
        srl_test_alloc_check_empty(&t);
    }
}

static void taking_away_one_after_the_other(void **state)
{
    srl_test_alloc t;
    srl__subscriptions s = {0};
    srl__subscription *any;
    uint32_t hint = 0;
    unsigned taken = 0;
    (void)state;

    srl_test_alloc_init(&t);
    assert_null(srl__subscriptions_any(&s, &hint));
    assert_null(srl__subscriptions_find(&s, room(0)));
    for (unsigned i = 0; i < ROOMS; i++) {
        assert_non_null(srl__subscriptions_add(&s, &t.table, room(i)));
    }
    while ((any = srl__subscriptions_any(&s, &hint)) != NULL) {
        srl__subscriptions_remove(&s, &t.table, any);
        taken++;
    }
    assert_int_equal(taken, ROOMS);
    srl_test_alloc_check_empty(&t); /* an empty table has no memory */
}

static void scenario(const srl_allocator *alloc, void *user)
{
    srl__subscriptions s = {0};
    bool there[ROOMS] = {false};
    (void)user;

    for (unsigned i = 0; i < 100; i++) {
        srl__subscription *added = srl__subscriptions_add(&s, alloc, room(i));

        there[i] = added != NULL;
        if (added != NULL) {
            added->place = i * 3;
        }
        check_all(&s, there);
    }
    for (unsigned i = 0; i < 90; i++) { /* shrinking may fail, removing may not */
        if (there[i]) {
            srl__subscriptions_remove(&s, alloc, srl__subscriptions_find(&s, room(i)));
            there[i] = false;
        }
        check_all(&s, there);
    }
    srl__subscriptions_free(&s, alloc);
}

static void each_allocation_fails(void **state)
{
    (void)state;
    assert_true(srl_test_each_failing_alloc(scenario, NULL) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_a_naive_set),
        cmocka_unit_test(taking_away_one_after_the_other),
        cmocka_unit_test(each_allocation_fails),
    };

    return cmocka_run_group_tests_name("subscriptions", tests, NULL, NULL);
}
