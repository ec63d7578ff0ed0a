#include "base/bits.h"
#include "base/map.h"

#include <streamrelay/error.h>

#include <stdio.h>

#include "helpers/fail_alloc.h"
#include "helpers/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MODEL_SIZE 2000

typedef struct item {
    char name[24];
    bool present;
    uint32_t seen;
} item;

static item items[MODEL_SIZE];

static void name_items(void)
{
    memset(items, 0, sizeof(items));
    for (size_t i = 0; i < MODEL_SIZE; i++) {
        snprintf(items[i].name, sizeof(items[i].name), "room:%zu", i);
    }
}

static srl__slice key_of(const item *it)
{
    return srl__slice_of(it->name, strlen(it->name));
}

static void add(srl__map *map, item *it)
{
    assert_int_equal(srl__map_add(map, key_of(it), it), SRL_OK);
    it->present = true;
}

static void remove_item(srl__map *map, item *it)
{
    assert_ptr_equal(srl__map_remove(map, key_of(it)), it->present ? it : NULL);
    it->present = false;
}

/* Every lookup and one walk against the plain array. */
static void compare(const srl__map *map)
{
    uint32_t count = 0, cursor = 0;
    for (size_t i = 0; i < MODEL_SIZE; i++) {
        items[i].seen = 0;
        count += items[i].present;
        assert_ptr_equal(srl__map_get(map, key_of(&items[i])), items[i].present ? &items[i] : NULL);
    }
    assert_int_equal(map->count, count);
    for (item *it; (it = srl__map_next(map, &cursor)) != NULL;) {
        it->seen++;
    }
    assert_null(srl__map_next(map, &cursor));
    for (size_t i = 0; i < MODEL_SIZE; i++) {
        assert_int_equal(items[i].seen, items[i].present);
    }
}

static void an_empty_map_has_nothing(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    srl__map map;
    uint32_t cursor = 0;
    srl__map_init(&map, &t.table, 1);
    assert_null(srl__map_get(&map, SRL__LIT("x")));
    assert_null(srl__map_remove(&map, SRL__LIT("x")));
    assert_null(srl__map_next(&map, &cursor));
    assert_null(srl__map_next(&map, &cursor));
    srl__map_free(&map);
    assert_int_equal(t.calls, 0);
    name_items();
    add(&map, &items[0]);
    srl__map_free(&map);
    srl_test_alloc_check_empty(&t);
    assert_null(srl__map_get(&map, key_of(&items[0])));
    srl__map_free(&map);
}

static void keys_are_bytes(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    srl__map map;
    static char values[5];
    const srl__slice keys[5] = {{NULL, 0}, {"\0", 1}, {"\0\0", 2}, {"a", 1}, {"a\0", 2}};
    srl__map_init(&map, &t.table, 1);
    for (size_t i = 0; i < 5; i++) {
        assert_null(srl__map_get(&map, keys[i]));
        assert_int_equal(srl__map_add(&map, keys[i], &values[i]), SRL_OK);
    }
    for (size_t i = 0; i < 5; i++) {
        assert_ptr_equal(srl__map_get(&map, keys[i]), &values[i]);
    }
    assert_ptr_equal(srl__map_remove(&map, keys[0]), &values[0]);
    assert_null(srl__map_get(&map, keys[0]));
    assert_ptr_equal(srl__map_get(&map, keys[1]), &values[1]);
    srl__map_free(&map);
    srl_test_alloc_check_empty(&t);
}

static void random_use_matches_a_plain_array(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        srl_test_alloc t;
        srl_test_alloc_init(&t);
        srl__map map;
        uint64_t random = seed;
        srl__map_init(&map, &t.table, seed);
        name_items();
        for (uint32_t i = 0; i < 100000; i++) {
            bool growing = (i / 20000) % 2 == 0;
            item *it = &items[srl_test_random_below(&random, MODEL_SIZE)];
            bool remove = srl_test_random_below(&random, 8) < (growing ? 2U : 6U);
            if (remove) {
                remove_item(&map, it);
            } else if (!it->present) {
                add(&map, it);
            }
            if (i % 1000 == 0) {
                compare(&map);
            }
        }
        compare(&map);
        srl__map_free(&map);
        srl_test_alloc_check_empty(&t);
    }
}

static void it_grows_and_shrinks_with_its_contents(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    srl__map map;
    srl__map_init(&map, &t.table, 5);
    name_items();
    for (size_t i = 0; i < MODEL_SIZE; i++) {
        add(&map, &items[i]);
        assert_true(map.count * 5ULL <= map.capacity * 4ULL);
        assert_int_equal(map.capacity & (map.capacity - 1), 0);
    }
    assert_int_equal(map.capacity, 4096);
    size_t full = t.live_bytes;
    for (size_t i = 0; i < MODEL_SIZE; i++) {
        remove_item(&map, &items[i]);
        assert_true(map.capacity <= 8 || map.count * 8 >= map.capacity);
    }
    assert_true(t.live_bytes < full / 100);
    compare(&map);

    uint64_t calls = t.calls;
    for (size_t i = 0; i < 1000; i++) {
        add(&map, &items[0]);
        remove_item(&map, &items[0]);
    }
    assert_int_equal(t.calls, calls);
    srl__map_free(&map);
    srl_test_alloc_check_empty(&t);
}

static void no_thrashing_at_the_border(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    srl__map map;
    srl__map_init(&map, &t.table, 5);
    name_items();
    for (size_t n = 0; n < 500; n++) {
        add(&map, &items[n]);
        uint64_t calls = t.calls;
        for (size_t i = 0; i < 10; i++) {
            remove_item(&map, &items[n]);
            add(&map, &items[n]);
        }
        assert_int_equal(t.calls, calls);
    }
    srl__map_free(&map);
}

/* Remove during a walk: each entry comes once, whatever share of them goes, also while the table shrinks. */
static void a_walk_survives_removals(void **state)
{
    (void)state;
    for (uint32_t share = 0; share <= 4; share++) {
        srl_test_alloc t;
        srl_test_alloc_init(&t);
        srl__map map;
        uint64_t random = share;
        uint32_t cursor = 0, returned = 0;
        srl__map_init(&map, &t.table, 11);
        name_items();
        for (size_t i = 0; i < MODEL_SIZE; i++) {
            add(&map, &items[i]);
        }
        for (item *it; (it = srl__map_next(&map, &cursor)) != NULL; returned++) {
            assert_int_equal(it->seen++, 0);
            if (srl_test_random_below(&random, 4) < share) {
                remove_item(&map, it);
            }
        }
        assert_int_equal(returned, MODEL_SIZE);
        assert_true(share != 4 || map.count == 0);
        compare(&map);
        srl__map_free(&map);
        srl_test_alloc_check_empty(&t);
    }
}

static void a_walk_survives_removal_of_others(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    for (uint64_t seed = 0; seed < 50; seed++) {
        srl__map map;
        uint64_t random = seed;
        uint32_t cursor = 0;
        srl__map_init(&map, &t.table, seed);
        name_items();
        for (size_t i = 0; i < 300; i++) {
            add(&map, &items[i]);
        }
        for (item *it; (it = srl__map_next(&map, &cursor)) != NULL;) {
            assert_true(it->present);
            it->seen++;
            remove_item(&map, &items[srl_test_random_below(&random, 300)]);
            remove_item(&map, &items[srl_test_random_below(&random, 300)]);
        }
        for (size_t i = 0; i < 300; i++) {
            assert_true(!items[i].present || items[i].seen > 0);
        }
        srl__map_free(&map);
    }
    srl_test_alloc_check_empty(&t);
}

static void limits_are_answered(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    srl__map map;
    srl__map_init(&map, &t.table, 1);
    map.count = UINT32_C(1) << 30;
    assert_int_equal(srl__map_add(&map, SRL__LIT("x"), &map), SRL_ERR_LIMIT);
    map.count = 0;
#if SIZE_MAX > UINT32_MAX
    srl__slice huge = srl__slice_of("x", (size_t)UINT32_MAX + 2);
    assert_int_equal(srl__map_add(&map, huge, &map), SRL_ERR_LIMIT);
    assert_int_equal(srl__map_add(&map, SRL__LIT("x"), &map), SRL_OK);
    assert_null(srl__map_get(&map, huge));
    assert_null(srl__map_remove(&map, huge));
#endif
    assert_true(t.calls <= 1);
    srl__map_free(&map);
}

static void scenario(const srl_allocator *a, void *user)
{
    (void)user;
    srl__map map;
    srl__map_init(&map, a, 3);
    name_items();
    for (size_t i = 0; i < 200; i++) {
        uint64_t failures = srl_test_alloc_of(a)->failures;
        int result = srl__map_add(&map, key_of(&items[i]), &items[i]);
        items[i].present = result == SRL_OK;
        assert_true((result == SRL_ERR_NOMEM) == (srl_test_alloc_of(a)->failures > failures));
    }
    compare(&map);
    for (size_t i = 0; i < 200; i++) {
        remove_item(&map, &items[i]);
    }
    compare(&map);
    srl__map_free(&map);
}

static void each_failing_allocation(void **state)
{
    (void)state;
    assert_true(srl_test_each_failing_alloc(scenario, NULL) > 8);
}

static void the_hash_depends_on_every_bit(void **state)
{
    (void)state;
    uint8_t data[70];
    memset(data, 0, sizeof(data));
    for (size_t len = 0; len <= 64; len++) {
        uint64_t plain = srl__hash_bytes(data, len, 1);
        assert_true(plain != srl__hash_bytes(data, len + 1, 1));
        assert_true(plain != srl__hash_bytes(data, len, 2));
        memmove(data + 1, data, len);
        assert_true(plain == srl__hash_bytes(data + 1, len, 1));
        for (size_t bit = 0; bit < len * 8; bit++) {
            data[bit / 8] ^= (uint8_t)(1U << bit % 8);
            uint64_t diff = plain ^ srl__hash_bytes(data, len, 1);
            data[bit / 8] ^= (uint8_t)(1U << bit % 8);
            uint32_t changed = 0;
            for (; diff != 0; diff &= diff - 1) {
                changed++;
            }
            assert_in_range(changed, 10, 54);
        }
    }
    assert_true(srl__hash_bytes(NULL, 0, 1) == srl__hash_bytes("", 0, 1));
}

/* Names that a multiply-and-xor hash with known constants would collapse: blocks of its constants, swapped halves,
 * repeated and rotated blocks. */
static void chosen_names_spread(void **state)
{
    (void)state;
    static const uint64_t blocks[] = {0,
                                      UINT64_MAX,
                                      UINT64_C(0x9E3779B97F4A7C15),
                                      UINT64_C(0xBF58476D1CE4E5B9),
                                      UINT64_C(0x94D049BB133111EB),
                                      UINT64_C(0xD6E8FEB86659FD93)};
    enum { BLOCKS = 6, COUNT = BLOCKS * BLOCKS * BLOCKS * BLOCKS };
    static uint64_t hashes[COUNT];
    for (uint64_t seed = 0; seed < 4; seed++) {
        for (size_t i = 0; i < COUNT; i++) {
            size_t rest = i;
            uint64_t name[4];
            for (size_t j = 0; j < 4; j++, rest /= BLOCKS) {
                name[j] = blocks[rest % BLOCKS];
            }
            hashes[i] = srl__hash_bytes(name, sizeof(name), seed);
            for (size_t j = 0; j < i; j++) {
                assert_true(hashes[i] != hashes[j]);
            }
        }
    }
}

static void sequential_names_spread_over_the_buckets(void **state)
{
    (void)state;
    enum { BUCKETS = 1024, NAMES = BUCKETS * 64 };
    for (uint64_t seed = 0; seed < 4; seed++) {
        uint32_t load[BUCKETS] = {0};
        double chi = 0;
        for (uint32_t i = 0; i < NAMES; i++) {
            char name[32];
            int len = snprintf(name, sizeof(name), "user:%u#private", i);
            uint64_t hash = srl__hash_bytes(name, (size_t)len, seed);
            load[(hash ^ hash >> 32) % BUCKETS]++;
        }
        for (size_t i = 0; i < BUCKETS; i++) {
            chi += ((double)load[i] - 64) * ((double)load[i] - 64) / 64;
        }
        assert_true(chi > 800 && chi < 1300);
    }
}

static void portable_arithmetic_gives_the_same(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int i = 0; i < 100000; i++) {
        uint64_t a = srl_test_random(&random) >> srl_test_random_below(&random, 64);
        uint64_t b = srl_test_random(&random) << srl_test_random_below(&random, 64);
        assert_true(srl__bits_multiply_fold(a, b) == srl__bits_multiply_fold_portable(a, b));
    }
    assert_true(srl__bits_multiply_fold_portable(UINT64_MAX, UINT64_MAX) == UINT64_MAX);
    for (uint32_t bit = 0; bit < 64; bit++) {
        uint64_t one = UINT64_C(1) << bit;
        uint64_t below = one | (srl_test_random(&random) & (one - 1));
        uint64_t above = one | (srl_test_random(&random) & ~(one | (one - 1)));
        assert_int_equal(srl__bits_highest_portable(below), bit);
        assert_int_equal(srl__bits_highest(below), bit);
        assert_int_equal(srl__bits_lowest_portable(above), bit);
        assert_int_equal(srl__bits_lowest(above), bit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_map_has_nothing),
        cmocka_unit_test(keys_are_bytes),
        cmocka_unit_test(random_use_matches_a_plain_array),
        cmocka_unit_test(it_grows_and_shrinks_with_its_contents),
        cmocka_unit_test(no_thrashing_at_the_border),
        cmocka_unit_test(a_walk_survives_removals),
        cmocka_unit_test(a_walk_survives_removal_of_others),
        cmocka_unit_test(limits_are_answered),
        cmocka_unit_test(each_failing_allocation),
        cmocka_unit_test(the_hash_depends_on_every_bit),
        cmocka_unit_test(chosen_names_spread),
        cmocka_unit_test(sequential_names_spread_over_the_buckets),
        cmocka_unit_test(portable_arithmetic_gives_the_same),
    };
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
