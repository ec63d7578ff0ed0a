#include "base/timers.h"

#include <stdlib.h>

#include "helpers/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define DAY_MS (UINT64_C(24) * 3600 * 1000)

static srl__timers timers;

static void init_all(srl__timer *list, size_t count, uint64_t now)
{
    srl__timers_init(&timers, now);
    for (size_t i = 0; i < count; i++) {
        srl__timer_init(&list[i]);
    }
}

static void an_empty_wheel_never_wakes(void **state)
{
    (void)state;
    srl__timer a;
    init_all(&a, 1, 5);
    assert_true(srl__timers_next_ms(&timers) == SRL__TIMERS_NEVER);
    srl__timers_advance(&timers, 1000000000);
    assert_null(srl__timers_take_due(&timers));
    assert_false(srl__timer_is_armed(&a));
    srl__timer_cancel(&timers, &a);
    assert_int_equal(timers.armed, 0);
}

static void one_timer_is_due_at_its_very_tick(void **state)
{
    (void)state;
    static const uint64_t starts[] = {0, 1, 63, 64, 4095, 1000003, UINT64_C(1700000000000)};
    for (size_t s = 0; s < sizeof(starts) / sizeof(starts[0]); s++) {
        for (uint64_t distance = 1; distance < DAY_MS * 400; distance = distance * 5 / 4 + 1) {
            srl__timer a;
            init_all(&a, 1, starts[s]);
            srl__timer_arm(&timers, &a, starts[s] + distance);
            assert_true(srl__timers_next_ms(&timers) == starts[s] + distance);
            srl__timers_advance(&timers, starts[s] + distance - 1);
            assert_null(srl__timers_take_due(&timers));
            assert_true(srl__timer_is_armed(&a));
            srl__timers_advance(&timers, starts[s] + distance);
            assert_int_equal(srl__timers_next_ms(&timers), 0);
            assert_ptr_equal(srl__timers_take_due(&timers), &a);
            assert_false(srl__timer_is_armed(&a));
            assert_null(srl__timers_take_due(&timers));
            assert_true(srl__timers_next_ms(&timers) == SRL__TIMERS_NEVER);
        }
    }
}

static void the_past_is_due_at_the_next_advance(void **state)
{
    (void)state;
    srl__timer list[3];
    init_all(list, 3, 1000);
    srl__timer_arm(&timers, &list[0], 1000);
    srl__timer_arm(&timers, &list[1], 0);
    srl__timer_arm(&timers, &list[2], 1001);
    assert_int_equal(srl__timers_next_ms(&timers), 0);
    assert_null(srl__timers_take_due(&timers));
    srl__timers_advance(&timers, 1000);
    assert_ptr_equal(srl__timers_take_due(&timers), &list[0]);
    assert_ptr_equal(srl__timers_take_due(&timers), &list[1]);
    assert_null(srl__timers_take_due(&timers));
    assert_int_equal(srl__timers_next_ms(&timers), 1001);

    srl__timer_arm(&timers, &list[0], 5);
    srl__timer_cancel(&timers, &list[0]);
    srl__timers_advance(&timers, 1002);
    assert_ptr_equal(srl__timers_take_due(&timers), &list[2]);
    assert_null(srl__timers_take_due(&timers));
    assert_int_equal(timers.armed, 0);
}

static void time_never_goes_back(void **state)
{
    (void)state;
    srl__timer a;
    init_all(&a, 1, 0);
    srl__timers_advance(&timers, 5000);
    srl__timer_arm(&timers, &a, 4000);
    srl__timers_advance(&timers, 3000);
    assert_ptr_equal(srl__timers_take_due(&timers), &a);
    srl__timer_arm(&timers, &a, 5001);
    srl__timers_advance(&timers, 0);
    assert_null(srl__timers_take_due(&timers));
    srl__timers_advance(&timers, 5001);
    assert_ptr_equal(srl__timers_take_due(&timers), &a);
}

static void a_drain_may_arm_and_cancel_anything(void **state)
{
    (void)state;
    srl__timer list[6];
    init_all(list, 6, 0);
    for (uint32_t i = 0; i < 6; i++) {
        srl__timer_arm(&timers, &list[i], 10 + i);
    }
    srl__timers_advance(&timers, 100);
    assert_ptr_equal(srl__timers_take_due(&timers), &list[0]);
    srl__timer_cancel(&timers, &list[1]);
    srl__timer_arm(&timers, &list[2], 200);
    srl__timer_arm(&timers, &list[3], 50);
    srl__timer_arm(&timers, &list[0], 100);
    assert_int_equal(timers.armed, 5);
    assert_ptr_equal(srl__timers_take_due(&timers), &list[4]);
    srl__timer_cancel(&timers, &list[4]);
    assert_ptr_equal(srl__timers_take_due(&timers), &list[5]);
    assert_null(srl__timers_take_due(&timers));
    assert_int_equal(srl__timers_next_ms(&timers), 0);

    srl__timers_advance(&timers, 100);
    assert_ptr_equal(srl__timers_take_due(&timers), &list[3]);
    assert_ptr_equal(srl__timers_take_due(&timers), &list[0]);
    assert_null(srl__timers_take_due(&timers));
    assert_int_equal(srl__timers_next_ms(&timers), 200);
    srl__timers_advance(&timers, 200);
    assert_ptr_equal(srl__timers_take_due(&timers), &list[2]);
    assert_int_equal(timers.armed, 0);
}

static void an_advance_amid_a_drain_adds_behind(void **state)
{
    (void)state;
    srl__timer list[3];
    init_all(list, 3, 0);
    srl__timer_arm(&timers, &list[2], 30);
    srl__timer_arm(&timers, &list[0], 10);
    srl__timer_arm(&timers, &list[1], 10);
    srl__timers_advance(&timers, 20);
    assert_ptr_equal(srl__timers_take_due(&timers), &list[0]);
    srl__timers_advance(&timers, 40);
    assert_ptr_equal(srl__timers_take_due(&timers), &list[1]);
    assert_ptr_equal(srl__timers_take_due(&timers), &list[2]);
    assert_null(srl__timers_take_due(&timers));
}

/* Two timers in one slot all the way down: the worst case for knowing when to wake. */
static uint32_t wake_ups(uint64_t now, uint64_t due, bool companion)
{
    srl__timer list[2];
    uint32_t count = 0;
    init_all(list, 2, now);
    srl__timer_arm(&timers, &list[0], due);
    if (companion) {
        srl__timer_arm(&timers, &list[1], due);
    }
    for (;;) {
        uint64_t next = srl__timers_next_ms(&timers);
        assert_true(next > now && next <= due);
        now = next;
        count++;
        srl__timers_advance(&timers, now);
        if (srl__timers_take_due(&timers) != NULL) {
            assert_true(now == due);
            assert_true((srl__timers_take_due(&timers) != NULL) == companion);
            return count;
        }
    }
}

static void few_wake_ups_lead_to_a_timer(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int i = 0; i < 20000; i++) {
        uint64_t now = srl_test_random(&random) >> (17 + srl_test_random_below(&random, 40));
        uint64_t distance = 1 + (srl_test_random(&random) >> (17 + srl_test_random_below(&random, 40)));
        assert_int_equal(wake_ups(now, now + distance, false), 1);
        assert_true(wake_ups(now, now + distance, true) <= 8);
    }
    assert_true(wake_ups(0, UINT64_MAX - 1, true) <= 11);
    assert_int_equal(wake_ups((UINT64_C(1) << 48) - 1, UINT64_C(1) << 48, true), 1);
}

static void the_end_of_time(void **state)
{
    (void)state;
    srl__timer list[4];
    init_all(list, 4, 7);
    srl__timer_arm(&timers, &list[0], SRL__TIMERS_NEVER);
    assert_true(srl__timers_next_ms(&timers) == SRL__TIMERS_NEVER);
    srl__timer_arm(&timers, &list[1], UINT64_MAX - 1);
    srl__timer_arm(&timers, &list[2], UINT64_C(1) << 48);
    srl__timer_arm(&timers, &list[3], UINT64_C(1) << 63);
    assert_true(srl__timers_next_ms(&timers) == UINT64_C(1) << 48);
    srl__timers_advance(&timers, UINT64_MAX - 1);
    assert_ptr_equal(srl__timers_take_due(&timers), &list[2]);
    assert_ptr_equal(srl__timers_take_due(&timers), &list[3]);
    assert_ptr_equal(srl__timers_take_due(&timers), &list[1]);
    assert_null(srl__timers_take_due(&timers));
    srl__timers_advance(&timers, UINT64_MAX);
    assert_ptr_equal(srl__timers_take_due(&timers), &list[0]);
    assert_int_equal(timers.armed, 0);
}

enum { COUNT = 60 };

typedef struct naive {
    bool armed;
    bool waiting; /* in the queue of due ones */
    uint64_t tick;
    uint64_t order;
} naive;

typedef struct model {
    naive timers[COUNT];
    uint32_t queue[COUNT];
    uint32_t queued;
    uint32_t armed;
    uint64_t now;
    uint64_t orders;
} model;

static model naive_model;
static srl__timer real[COUNT];

static void model_cancel(model *m, uint32_t i)
{
    if (m->timers[i].waiting) {
        uint32_t at = 0;
        while (m->queue[at] != i) {
            at++;
        }
        m->queued--;
        memmove(&m->queue[at], &m->queue[at + 1], (m->queued - at) * sizeof(m->queue[0]));
    }
    m->armed -= m->timers[i].armed;
    m->timers[i].armed = m->timers[i].waiting = false;
}

static void model_arm(model *m, uint32_t i, uint64_t due)
{
    model_cancel(m, i);
    m->timers[i] = (naive){.armed = true, .tick = due > m->now ? due : m->now, .order = m->orders++};
    m->armed++;
}

static bool comes_before(const naive *a, const naive *b)
{
    return a->tick < b->tick || (a->tick == b->tick && a->order < b->order);
}

static void model_advance(model *m, uint64_t now)
{
    m->now = now > m->now ? now : m->now;
    for (;;) {
        const naive *first = NULL;
        for (uint32_t i = 0; i < COUNT; i++) {
            naive *n = &m->timers[i];
            if (n->armed && !n->waiting && n->tick <= m->now && (first == NULL || comes_before(n, first))) {
                first = n;
            }
        }
        if (first == NULL) {
            return;
        }
        uint32_t i = (uint32_t)(first - m->timers);
        m->timers[i].waiting = true;
        m->queue[m->queued++] = i;
    }
}

static void compare_next(const model *m)
{
    uint64_t soonest = UINT64_MAX;
    for (uint32_t i = 0; i < COUNT; i++) {
        if (m->timers[i].armed && m->timers[i].tick < soonest) {
            soonest = m->timers[i].tick;
        }
        assert_true(srl__timer_is_armed(&real[i]) == m->timers[i].armed);
    }
    uint64_t next = srl__timers_next_ms(&timers);
    assert_int_equal(timers.armed, m->armed);
    if (m->armed == 0) {
        assert_true(next == SRL__TIMERS_NEVER);
    } else if (m->queued > 0 || soonest <= m->now) {
        assert_true(next == 0);
    } else {
        assert_true(next > m->now && next <= soonest);
    }
}

static void take_some(model *m, uint32_t count)
{
    for (; count > 0; count--) {
        srl__timer *got = srl__timers_take_due(&timers);
        if (m->queued == 0) {
            assert_null(got);
            return;
        }
        assert_ptr_equal(got, &real[m->queue[0]]);
        model_cancel(m, m->queue[0]);
    }
}

static uint64_t random_due(uint64_t now, uint64_t *random)
{
    switch (srl_test_random_below(random, 8)) {
    case 0:
        return now - srl_test_random_below(random, now < 100 ? now + 1 : 100);
    case 1:
        return now + srl_test_random_below(random, 3);
    case 2:
        return (now | 63) + srl_test_random_below(random, 3);
    case 3:
        return (now | 4095) + srl_test_random_below(random, 3);
    case 4:
        return now + 25000;
    default:
        return now + (srl_test_random(random) >> (20 + srl_test_random_below(random, 44)));
    }
}

static void one_step(model *m, uint64_t *random)
{
    uint32_t i = (uint32_t)srl_test_random_below(random, COUNT);
    uint64_t due, now = m->now;
    switch (srl_test_random_below(random, 10)) {
    case 0:
    case 1:
    case 2:
    case 3:
        due = random_due(now, random);
        srl__timer_arm(&timers, &real[i], due);
        model_arm(m, i, due);
        break;
    case 4:
        srl__timer_cancel(&timers, &real[i]);
        model_cancel(m, i);
        break;
    case 5:
        now = srl_test_random_below(random, 4) == 0 ? random_due(now, random) : now + srl_test_random_below(random, 30);
        srl__timers_advance(&timers, now);
        model_advance(m, now);
        break;
    case 6:
        now = srl__timers_next_ms(&timers);
        if (now != SRL__TIMERS_NEVER) {
            srl__timers_advance(&timers, now);
            model_advance(m, now);
        }
        break;
    default:
        take_some(m, (uint32_t)srl_test_random_below(random, 5));
    }
}

static void random_use_matches_a_sorted_list(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t random = seed;
        uint64_t start = seed == 1 ? 0 : srl_test_random(&random) >> (20 + seed);
        init_all(real, COUNT, start);
        memset(&naive_model, 0, sizeof(naive_model));
        naive_model.now = start;
        for (int i = 0; i < 10000; i++) {
            one_step(&naive_model, &random);
            compare_next(&naive_model);
        }
        srl__timers_advance(&timers, UINT64_MAX);
        model_advance(&naive_model, UINT64_MAX);
        take_some(&naive_model, COUNT + 1);
        assert_int_equal(timers.armed, 0);
    }
}

/* If a jump cost anything per millisecond this would run for hours. */
static void huge_jumps_are_cheap(void **state)
{
    (void)state;
    srl__timer list[64];
    uint64_t now = UINT64_C(1700000000000);
    init_all(list, 64, now);
    for (int jump = 0; jump < 2000; jump++) {
        for (uint32_t i = 0; i < 64; i++) {
            srl__timer_arm(&timers, &list[i], now + 1 + i * DAY_MS);
        }
        now += 100 * DAY_MS;
        srl__timers_advance(&timers, now);
        for (uint32_t i = 0; i < 64; i++) {
            assert_ptr_equal(srl__timers_take_due(&timers), &list[i]);
        }
        assert_null(srl__timers_take_due(&timers));
    }
}

static void a_million_timers(void **state)
{
    (void)state;
    enum { MILLION = 1000000 };
    srl__timer *many = malloc(MILLION * sizeof(*many));
    assert_non_null(many);
    uint64_t random = 1, now = UINT64_C(1700000000000), last = 0;
    init_all(many, MILLION, now);
    for (size_t i = 0; i < MILLION; i++) {
        srl__timer_arm(&timers, &many[i], now + 1 + srl_test_random_below(&random, 60000));
    }
    for (int round = 0; round < 100; round++) {
        now += 10;
        for (int i = 0; i < 5000; i++) {
            srl__timer_arm(&timers, &many[srl_test_random_below(&random, MILLION)],
                           now + 1 + srl_test_random_below(&random, 60000));
        }
        srl__timers_advance(&timers, now);
        for (srl__timer *due; (due = srl__timers_take_due(&timers)) != NULL;) {
            assert_true(due->due_ms <= now && due->due_ms > now - 10);
            srl__timer_arm(&timers, due, now + 60000);
        }
        assert_int_equal(timers.armed, MILLION);
    }
    uint32_t taken = 0;
    srl__timers_advance(&timers, now + 60000);
    for (srl__timer *due; (due = srl__timers_take_due(&timers)) != NULL; taken++) {
        assert_true(due->due_ms >= last && due->due_ms > now);
        last = due->due_ms;
    }
    assert_int_equal(taken, MILLION);
    assert_int_equal(timers.armed, 0);
    assert_true(srl__timers_next_ms(&timers) == SRL__TIMERS_NEVER);
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_wheel_never_wakes),
        cmocka_unit_test(one_timer_is_due_at_its_very_tick),
        cmocka_unit_test(the_past_is_due_at_the_next_advance),
        cmocka_unit_test(time_never_goes_back),
        cmocka_unit_test(a_drain_may_arm_and_cancel_anything),
        cmocka_unit_test(an_advance_amid_a_drain_adds_behind),
        cmocka_unit_test(few_wake_ups_lead_to_a_timer),
        cmocka_unit_test(the_end_of_time),
        cmocka_unit_test(random_use_matches_a_sorted_list),
        cmocka_unit_test(huge_jumps_are_cheap),
        cmocka_unit_test(a_million_timers),
    };
    return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}
