#include <streamrelay/platform.h>

#include "io/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void test_init_fills_the_table(void **state)
{
    (void)state;
    srl_platform platform;
    memset(&platform, 0xA5, sizeof(platform));
    srl_platform_init(&platform, sizeof(platform));
    assert_int_equal(platform.size, sizeof(platform));
    assert_non_null(platform.monotonic_ms);
    assert_non_null(platform.wall_ms);
    assert_non_null(platform.random);
    assert_null(platform.user);
}

static void test_monotonic_clock_moves_on_and_never_back(void **state)
{
    (void)state;
    srl_platform platform;
    srl_platform_init(&platform, sizeof(platform));
    uint64_t first = platform.monotonic_ms(platform.user);
    uint64_t last = first;
    struct timespec pause = {0, 1000000};
    for (int i = 0; i < 5; i++) {
        nanosleep(&pause, NULL);
        uint64_t now = platform.monotonic_ms(platform.user);
        assert_true(now >= last + 1);
        last = now;
    }
    assert_true(srl__clock_monotonic_ns() / 1000000 >= last);
    assert_true(srl__clock_monotonic_ns() / 1000000 <= last + 60000);
}

static void test_wall_clock_is_the_time_of_day(void **state)
{
    (void)state;
    srl_platform platform;
    srl_platform_init(&platform, sizeof(platform));
    uint64_t seconds = platform.wall_ms(platform.user) / 1000;
    uint64_t expected = (uint64_t)time(NULL);
    assert_true(seconds + 60 >= expected && seconds <= expected + 60);
}

static void test_random_fills_every_byte_and_nothing_else(void **state)
{
    (void)state;
    srl_platform platform;
    srl_platform_init(&platform, sizeof(platform));
    static const size_t lengths[] = {0, 1, 16, 255, 256, 257, 1000, 5000};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        size_t len = lengths[i];
        unsigned char seen[5001];
        unsigned char block[5001];
        memset(seen, 0, sizeof(seen));
        for (int round = 0; round < 16; round++) {
            memset(block, 0, sizeof(block));
            assert_int_equal(platform.random(block, len, platform.user), 0);
            for (size_t at = 0; at < sizeof(block); at++) {
                seen[at] |= block[at];
            }
        }
        for (size_t at = 0; at < sizeof(seen); at++) {
            assert_true((seen[at] != 0) == (at < len));
        }
    }
}

static void test_random_does_not_repeat(void **state)
{
    (void)state;
    srl_platform platform;
    srl_platform_init(&platform, sizeof(platform));
    unsigned char blocks[2][600];
    assert_int_equal(platform.random(blocks[0], sizeof(blocks[0]), platform.user), 0);
    assert_int_equal(platform.random(blocks[1], sizeof(blocks[1]), platform.user), 0);
    assert_memory_not_equal(blocks[0], blocks[1], sizeof(blocks[0]));
    assert_memory_not_equal(blocks[0], blocks[0] + 256, 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init_fills_the_table),
        cmocka_unit_test(test_monotonic_clock_moves_on_and_never_back),
        cmocka_unit_test(test_wall_clock_is_the_time_of_day),
        cmocka_unit_test(test_random_fills_every_byte_and_nothing_else),
        cmocka_unit_test(test_random_does_not_repeat),
    };
    return cmocka_run_group_tests_name("platform", tests, NULL, NULL);
}
