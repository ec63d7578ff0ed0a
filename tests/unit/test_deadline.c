#include "io/deadline.h"

#include "helpers/fake_platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MS ((uint64_t)1000000)

static void test_first_one_arms(void **state)
{
    (void)state;
    srl__deadline d;
    srl__deadline_init(&d);
    assert_false(srl__deadline_take(&d, 0));
    assert_false(srl__deadline_set(&d, 5 * MS, UINT64_MAX));
    assert_true(srl__deadline_set(&d, 5 * MS + 7, 10));
    assert_int_equal(d.armed_ns, 15 * MS + 7);
    assert_false(srl__deadline_take(&d, 15 * MS + 6));
    assert_true(srl__deadline_take(&d, 15 * MS + 7));
    assert_false(srl__deadline_take(&d, 16 * MS));
    assert_false(srl__deadline_rearm(&d, 16 * MS));
    assert_true(d.armed_ns == SRL__NEVER_NS);
}

static void test_earlier_arms_unless_it_is_as_good_as_the_same(void **state)
{
    (void)state;
    srl__deadline d;
    srl__deadline_init(&d);
    assert_true(srl__deadline_set(&d, 100 * MS, 50));
    assert_false(srl__deadline_set(&d, 100 * MS - 999999, 50));
    assert_int_equal(d.armed_ns, 150 * MS);
    assert_true(srl__deadline_set(&d, 100 * MS - 1000000, 50));
    assert_int_equal(d.armed_ns, 149 * MS);
    assert_true(srl__deadline_set(&d, 100 * MS, 20));
    assert_int_equal(d.armed_ns, 120 * MS);
}

static void test_later_leaves_a_timer_that_is_far_off(void **state)
{
    (void)state;
    srl__deadline d;
    srl__deadline_init(&d);
    assert_true(srl__deadline_set(&d, 0, 1000));
    for (uint64_t now = 0; now <= 996; now += 4) {
        assert_false(srl__deadline_set(&d, now * MS, 1000));
    }
    assert_int_equal(d.armed_ns, 1000 * MS);
    assert_true(srl__deadline_set(&d, 997 * MS, 1000));
    assert_int_equal(d.armed_ns, 1997 * MS);
}

static void test_spurious_fire_arms_for_the_rest(void **state)
{
    (void)state;
    srl__deadline d;
    srl__deadline_init(&d);
    assert_true(srl__deadline_set(&d, 0, 20));
    assert_false(srl__deadline_set(&d, 10 * MS, 20));
    assert_false(srl__deadline_take(&d, 20 * MS));
    assert_true(srl__deadline_rearm(&d, 20 * MS));
    assert_int_equal(d.armed_ns, 30 * MS);
    assert_true(srl__deadline_take(&d, 30 * MS));
}

static void test_never(void **state)
{
    (void)state;
    srl__deadline d;
    srl__deadline_init(&d);
    assert_true(srl__deadline_set(&d, 0, 3));
    assert_true(srl__deadline_set(&d, 0, UINT64_MAX));
    assert_true(d.armed_ns == SRL__NEVER_NS);
    assert_true(srl__deadline_set(&d, 0, 1000));
    assert_false(srl__deadline_set(&d, 1 * MS, UINT64_MAX));
    assert_false(srl__deadline_take(&d, 1000 * MS));
    assert_false(srl__deadline_rearm(&d, 1000 * MS));
    assert_true(d.armed_ns == SRL__NEVER_NS);
    assert_false(srl__deadline_take(&d, UINT64_MAX));
}

static void test_at_once(void **state)
{
    (void)state;
    srl__deadline d;
    srl__deadline_init(&d);
    assert_true(srl__deadline_set(&d, 7 * MS, 1));
    assert_true(srl__deadline_set(&d, 7 * MS, 0));
    assert_true(d.at_once);
    assert_int_equal(d.armed_ns, 7 * MS);
    assert_false(srl__deadline_set(&d, 8 * MS, 0));
    assert_true(srl__deadline_take(&d, 8 * MS));
    assert_false(d.at_once);
    assert_true(srl__deadline_set(&d, 9 * MS, 0));
    assert_true(srl__deadline_set(&d, 9 * MS, 100));
    assert_false(d.at_once);
    assert_int_equal(d.armed_ns, 109 * MS);
}

static void test_a_timer_of_the_past_is_programmed_anew(void **state)
{
    (void)state;
    srl__deadline d;
    srl__deadline_init(&d);
    assert_true(srl__deadline_set(&d, 0, 10));
    assert_true(srl__deadline_set(&d, 10 * MS, 10));
    assert_int_equal(d.armed_ns, 20 * MS);
    assert_true(srl__deadline_set(&d, 25 * MS, UINT64_MAX));
}

static void test_enormous_delays(void **state)
{
    (void)state;
    srl__deadline d;
    srl__deadline_init(&d);
    assert_true(srl__deadline_set(&d, 9 * MS, UINT64_MAX - 1));
    uint64_t step = d.armed_ns - 9 * MS;
    assert_true(step <= (uint64_t)INT32_MAX * MS);
    assert_true(d.due_ns > d.armed_ns && d.due_ns != SRL__NEVER_NS);
    assert_false(srl__deadline_take(&d, d.armed_ns));
    assert_true(srl__deadline_rearm(&d, d.armed_ns));
    assert_int_equal(d.armed_ns, 9 * MS + 2 * step);
}

typedef struct simulation {
    srl__deadline d;
    uint64_t now;
    uint64_t wanted; /* the naive model: the last deadline asked for */
    unsigned sets;
    unsigned programmed;
    unsigned useless;
} simulation;

static void simulate_poll(simulation *s, bool fired)
{
    if (!fired && !s->d.at_once) {
        return;
    }
    bool due = srl__deadline_take(&s->d, s->now);
    if (due) {
        assert_true(s->wanted <= s->now);
        s->wanted = SRL__NEVER_NS;
    }
    if (fired) {
        s->useless += due ? 0 : 1;
        s->programmed += srl__deadline_rearm(&s->d, s->now) ? 1 : 0;
    }
}

static void simulate_time(simulation *s, uint64_t until)
{
    while (s->d.armed_ns <= until) {
        s->now = s->d.armed_ns > s->now ? s->d.armed_ns : s->now;
        simulate_poll(s, true);
    }
    s->now = until;
    simulate_poll(s, false);
    assert_true(s->wanted == SRL__NEVER_NS || s->wanted + MS > s->now);
}

static void simulate_set(simulation *s, uint64_t delay_ms)
{
    s->sets++;
    s->programmed += srl__deadline_set(&s->d, s->now, delay_ms) ? 1 : 0;
    s->wanted = delay_ms == UINT64_MAX ? SRL__NEVER_NS : s->now + delay_ms * MS;
}

static void test_random_runs_never_early_and_hardly_late(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        fake_platform random;
        fake_platform_init(&random, seed);
        simulation s = {.now = seed, .wanted = SRL__NEVER_NS};
        srl__deadline_init(&s.d);
        for (int i = 0; i < 500; i++) {
            uint64_t dice = fake_platform_next(&random);
            uint64_t delay_ms = (dice >> 8) % ((dice & 0x80) != 0 ? 8 : 300);
            simulate_set(&s, (dice & 15) == 0 ? UINT64_MAX : delay_ms);
            simulate_time(&s, s.now + (dice >> 32) % ((dice & 0x40) != 0 ? MS / 4 : 20 * MS));
        }
        simulate_time(&s, s.now + 1000 * MS);
        assert_true(s.wanted == SRL__NEVER_NS);
        assert_true(s.programmed <= s.sets + s.useless);
    }
}

static void test_deadlines_that_keep_moving_cost_next_to_nothing(void **state)
{
    (void)state;
    simulation s = {.now = 1, .wanted = SRL__NEVER_NS};
    srl__deadline_init(&s.d);
    for (int i = 0; i < 100000; i++) {
        simulate_set(&s, 1000);
        simulate_time(&s, s.now + MS / 10);
    }
    assert_true(s.programmed <= 12);
    assert_int_equal(s.useless, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_one_arms),
        cmocka_unit_test(test_earlier_arms_unless_it_is_as_good_as_the_same),
        cmocka_unit_test(test_later_leaves_a_timer_that_is_far_off),
        cmocka_unit_test(test_spurious_fire_arms_for_the_rest),
        cmocka_unit_test(test_never),
        cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_a_timer_of_the_past_is_programmed_anew),
        cmocka_unit_test(test_enormous_delays),
        cmocka_unit_test(test_random_runs_never_early_and_hardly_late),
        cmocka_unit_test(test_deadlines_that_keep_moving_cost_next_to_nothing),
    };
    return cmocka_run_group_tests_name("deadline", tests, NULL, NULL);
}
