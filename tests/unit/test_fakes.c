#include "helpers/fake_poller.h"

#include <streamrelay/error.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

typedef struct fixture {
    srl__watch watch;
    fake_poller *fake;
    unsigned calls;
    unsigned last;
    srl__watch *drop; /* unwatched by ready() */
} fixture;

static void on_ready(srl__watch *watch, unsigned events)
{
    fixture *f = (fixture *)(void *)watch;
    f->calls++;
    f->last = events;
    if (f->drop != NULL) {
        f->fake->base.ops->unwatch(&f->fake->base, f->drop);
    }
}

static fixture make(fake_poller *fake, int fd, unsigned events)
{
    return (fixture){.watch = {.ready = on_ready, .fd = fd, .events = events}, .fake = fake};
}

static int poll_fake(fake_poller *fake, int timeout_ms, unsigned budget)
{
    return fake->base.ops->poll(&fake->base, timeout_ms, budget);
}

static void test_platform_repeats_from_a_seed(void **state)
{
    (void)state;
    fake_platform one;
    fake_platform two;
    unsigned char bytes[3][33] = {{0}};
    fake_platform_init(&one, 7);
    fake_platform_init(&two, 7);
    assert_int_equal(one.table.random(bytes[0], 33, one.table.user), 0);
    assert_int_equal(two.table.random(bytes[1], 33, two.table.user), 0);
    assert_memory_equal(bytes[0], bytes[1], 33);
    assert_int_equal(two.table.random(bytes[2], 33, two.table.user), 0);
    assert_memory_not_equal(bytes[1], bytes[2], 33);
    one.fail_random = 1;
    assert_int_equal(one.table.random(bytes[0], 33, one.table.user), -1);
    assert_int_equal(one.table.random(bytes[0], 33, one.table.user), 0);
    assert_memory_equal(bytes[0], bytes[2], 33);
}

static void test_platform_clock_is_the_tests(void **state)
{
    (void)state;
    fake_platform platform;
    fake_platform_init(&platform, 1);
    uint64_t mono = platform.table.monotonic_ms(platform.table.user);
    uint64_t wall = platform.table.wall_ms(platform.table.user);
    fake_platform_advance(&platform, 1234);
    assert_int_equal(platform.table.monotonic_ms(platform.table.user), mono + 1234);
    assert_int_equal(platform.table.wall_ms(platform.table.user), wall + 1234);
}

static void test_fire_delivers_once_what_is_watched(void **state)
{
    (void)state;
    fake_platform platform;
    fake_poller fake;
    fake_platform_init(&platform, 1);
    fake_poller_init(&fake, &platform);
    fixture f = make(&fake, 5, SRL__READABLE);
    assert_int_equal(fake.base.ops->watch(&fake.base, &f.watch), SRL_OK);
    assert_int_equal(fake.base.ops->watch(&fake.base, &f.watch), SRL_ERR_SYSTEM);
    assert_ptr_equal(fake_poller_find(&fake, 5), &f.watch);
    assert_int_equal(poll_fake(&fake, 0, 8), 0);

    fake_poller_fire(&fake, &f.watch, SRL__READABLE | SRL__WRITABLE);
    assert_true(fake_poller_is_readable(&fake));
    assert_int_equal(poll_fake(&fake, -1, 8), 0);
    assert_int_equal(f.last, SRL__READABLE);
    assert_false(fake_poller_is_readable(&fake));
    f.watch.events = SRL__WRITABLE;
    assert_false(fake_poller_is_readable(&fake));
    assert_int_equal(fake.base.ops->change(&fake.base, &f.watch), SRL_OK);
    assert_true(fake_poller_is_readable(&fake));
    assert_int_equal(poll_fake(&fake, 0, 8), 0);
    assert_int_equal(f.last, SRL__WRITABLE);
    fake_poller_fire(&fake, &f.watch, FAKE_POLLER_HANGUP);
    assert_int_equal(poll_fake(&fake, 0, 8), 0);
    assert_int_equal(f.last, SRL__READABLE | SRL__WRITABLE);
    assert_int_equal(f.calls, 3);
    assert_int_equal(poll_fake(&fake, 0, 8), 0);
    assert_int_equal(f.calls, 3);
    fake.base.ops->unwatch(&fake.base, &f.watch);
    assert_int_equal(fake_poller_count(&fake), 0);
    fake_poller_fire(&fake, &f.watch, SRL__READABLE);
    assert_false(fake_poller_is_readable(&fake));
}

static void test_budget_and_unwatch_inside_ready(void **state)
{
    (void)state;
    fake_platform platform;
    fake_poller fake;
    fake_platform_init(&platform, 1);
    fake_poller_init(&fake, &platform);
    fixture f[3] = {make(&fake, 1, SRL__READABLE), make(&fake, 2, SRL__READABLE), make(&fake, 3, SRL__READABLE)};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fake.base.ops->watch(&fake.base, &f[i].watch), SRL_OK);
        fake_poller_fire(&fake, &f[i].watch, SRL__READABLE);
    }
    f[0].drop = &f[1].watch;
    assert_int_equal(poll_fake(&fake, 0, 1), SRL__POLLED_MORE);
    fake_poller_fire(&fake, &f[0].watch, SRL__READABLE);
    assert_int_equal(poll_fake(&fake, 0, 1), SRL__POLLED_MORE);
    assert_int_equal(f[0].calls, 1);
    assert_int_equal(f[1].calls, 0);
    assert_int_equal(f[2].calls, 1);
    assert_int_equal(poll_fake(&fake, 0, 1), 0);
    assert_int_equal(f[0].calls, 2);
}

static void test_waiting_moves_the_clock(void **state)
{
    (void)state;
    fake_platform platform;
    fake_poller fake;
    fake_platform_init(&platform, 1);
    fake_poller_init(&fake, &platform);
    uint64_t start = platform.now_ms;
    assert_int_equal(poll_fake(&fake, 40, 1), 0);
    assert_int_equal(platform.now_ms, start + 40);
    assert_int_equal(fake.base.ops->set_deadline(&fake.base, 100), SRL_OK);
    assert_int_equal(poll_fake(&fake, 99, 1), 0);
    assert_int_equal(poll_fake(&fake, -1, 1), SRL__POLLED_DEADLINE);
    assert_int_equal(platform.now_ms, start + 140);
    fake.base.ops->wake(&fake.base);
    fake.base.ops->wake(&fake.base);
    assert_int_equal(poll_fake(&fake, -1, 1), SRL__POLLED_WAKE);
    assert_int_equal(fake.base.ops->set_deadline(&fake.base, UINT64_MAX - 1), SRL_OK);
    assert_true(fake.deadline_ms == SRL__NO_DEADLINE);
    assert_false(fake.stuck);
    assert_int_equal(poll_fake(&fake, -1, 1), SRL_ERR_POLLER);
    assert_true(fake.stuck);
    fake.base.ops->destroy(&fake.base);
    assert_true(fake.destroyed);
}

static void test_failures_come_once(void **state)
{
    (void)state;
    fake_platform platform;
    fake_poller fake;
    fake_platform_init(&platform, 1);
    fake_poller_init(&fake, &platform);
    fixture f = make(&fake, 1, 0);
    fake.fail_watch = SRL_ERR_NOMEM;
    fake.fail_change = SRL_ERR_SYSTEM;
    fake.fail_set_deadline = SRL_ERR_SYSTEM;
    fake.fail_poll = SRL_ERR_POLLER;
    assert_int_equal(fake.base.ops->watch(&fake.base, &f.watch), SRL_ERR_NOMEM);
    assert_int_equal(fake_poller_count(&fake), 0);
    assert_int_equal(fake.base.ops->watch(&fake.base, &f.watch), SRL_OK);
    assert_int_equal(fake.base.ops->change(&fake.base, &f.watch), SRL_ERR_SYSTEM);
    assert_int_equal(fake.base.ops->change(&fake.base, &f.watch), SRL_OK);
    assert_int_equal(fake.base.ops->set_deadline(&fake.base, 1), SRL_ERR_SYSTEM);
    assert_true(fake.deadline_ms == SRL__NO_DEADLINE);
    assert_int_equal(poll_fake(&fake, 0, 1), SRL_ERR_POLLER);
    assert_int_equal(poll_fake(&fake, 0, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_platform_repeats_from_a_seed),
        cmocka_unit_test(test_platform_clock_is_the_tests),
        cmocka_unit_test(test_fire_delivers_once_what_is_watched),
        cmocka_unit_test(test_budget_and_unwatch_inside_ready),
        cmocka_unit_test(test_waiting_moves_the_clock),
        cmocka_unit_test(test_failures_come_once),
    };
    return cmocka_run_group_tests_name("fakes", tests, NULL, NULL);
}
