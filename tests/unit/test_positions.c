#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/positions.h"

#include <stdio.h>
#include <stdlib.h>

#include <streamrelay/error.h>

#include "helpers/fail_alloc.h"
#include "helpers/random.h"

enum { PAIRS = 30 };

static srl_broker_position position_of(const char *user, const char *channel, uint64_t offset, const char *epoch,
                                       uint64_t ttl_ms)
{
    return (srl_broker_position){.size = sizeof(srl_broker_position),
                                 .user = user,
                                 .user_len = strlen(user),
                                 .channel = channel,
                                 .channel_len = strlen(channel),
                                 .offset = offset,
                                 .epoch = epoch,
                                 .epoch_len = strlen(epoch),
                                 .ttl_ms = ttl_ms};
}

static void init(srl__positions *positions, srl_test_alloc *memory)
{
    srl_test_alloc_init(memory);
    srl__positions_init(positions, &memory->table, 3, 1000);
}

static void finish(srl__positions *positions, srl_test_alloc *memory)
{
    srl__positions_free(positions);
    srl_test_alloc_check_empty(memory);
}

static int set(srl__positions *positions, const char *user, uint64_t offset, uint64_t ttl_ms, uint64_t now_ms)
{
    const srl__position *kept;
    srl_broker_position given = position_of(user, "c", offset, "e", ttl_ms);
    return srl__positions_set(positions, &given, now_ms, &kept);
}

static const srl__position *get(srl__positions *positions, const char *user, uint64_t now_ms)
{
    srl_broker_position given = position_of(user, "c", 0, "", 0);
    return srl__positions_get(positions, &given, now_ms);
}

static void zeros_are_empty(void **state)
{
    (void)state;
    static srl__positions positions;
    memset(&positions, 0, sizeof(positions));
    srl__positions_free(&positions);
}

static void users_and_channels_are_not_mixed_up(void **state)
{
    (void)state;
    srl_test_alloc memory;
    static srl__positions positions;
    const srl__position *kept;
    const char *pairs[][2] = {{"a", "bc"}, {"ab", "c"}, {"abc", "d"}, {"a", "b"}, {"b", "a"}};
    init(&positions, &memory);
    for (uint64_t i = 0; i < 5; i++) {
        srl_broker_position given = position_of(pairs[i][0], pairs[i][1], 10 + i, "e", 0);
        assert_null(srl__positions_get(&positions, &given, 1000));
        assert_int_equal(srl__positions_set(&positions, &given, 1000, &kept), SRL_OK);
    }
    for (uint64_t i = 0; i < 5; i++) {
        srl_broker_position given = position_of(pairs[i][0], pairs[i][1], 0, "", 0);
        kept = srl__positions_get(&positions, &given, 1000);
        assert_non_null(kept);
        assert_int_equal(kept->offset, 10 + i);
    }
    finish(&positions, &memory);
}

static void sizes_have_limits(void **state)
{
    (void)state;
    srl_test_alloc memory;
    static srl__positions positions;
    static char name[SRL__POSITION_NAME_MAX + 2];
    const srl__position *kept;
    init(&positions, &memory);
    memset(name, 'n', sizeof(name) - 1);
    srl_broker_position given = position_of(name, name, 1, "e", 0);
    assert_int_equal(srl__positions_set(&positions, &given, 1000, &kept), SRL_ERR_INVALID);
    assert_null(srl__positions_get(&positions, &given, 1000));
    given.user_len--;
    given.channel_len--;
    assert_null(srl__positions_get(&positions, &given, 1000));
    assert_int_equal(srl__positions_set(&positions, &given, 1000, &kept), SRL_OK);
    assert_non_null(srl__positions_get(&positions, &given, 1000));
    given.epoch = "0123456789abcdef0123456789abcdef+";
    given.epoch_len = SRL__POSITION_EPOCH_MAX;
    assert_int_equal(srl__positions_set(&positions, &given, 1000, &kept), SRL_OK);
    assert_int_equal(kept->epoch_len, SRL__POSITION_EPOCH_MAX);
    given.epoch_len++;
    given.offset = 99;
    assert_int_equal(srl__positions_set(&positions, &given, 1000, &kept), SRL_ERR_INVALID);
    assert_int_equal(srl__positions_get(&positions, &given, 1000)->offset, 1);
    finish(&positions, &memory);
}

static void a_full_table_makes_room_by_age(void **state)
{
    (void)state;
    srl_test_alloc memory;
    static srl__positions positions;
    char user[16];
    init(&positions, &memory);
    positions.max_count = 100;
    for (int i = 0; i < 100; i++) {
        snprintf(user, sizeof(user), "u%d", i);
        assert_int_equal(set(&positions, user, 1, i < 5 ? 500 : 0, 1000), SRL_OK);
    }
    assert_int_equal(set(&positions, "new", 1, 0, 1499), SRL_ERR_LIMIT);
    assert_null(get(&positions, "new", 1499));
    assert_int_equal(set(&positions, "u50", 2, 0, 1499), SRL_OK);
    assert_int_equal(set(&positions, "new", 1, 0, 1500), SRL_OK);
    assert_int_equal(positions.map.count, 96);
    assert_null(get(&positions, "u0", 1500));
    finish(&positions, &memory);
}

static void time_takes_them_away_a_few_at_once(void **state)
{
    (void)state;
    srl_test_alloc memory;
    static srl__positions positions;
    char user[16];
    init(&positions, &memory);
    assert_int_equal(srl__positions_next_ms(&positions), SRL__TIMERS_NEVER);
    for (int i = 0; i < 10; i++) {
        snprintf(user, sizeof(user), "u%d", i);
        assert_int_equal(set(&positions, user, 1, 5000, 1000), SRL_OK);
    }
    assert_true(srl__positions_next_ms(&positions) <= 6000);
    srl__positions_expire(&positions, 5999, 100);
    assert_int_equal(positions.map.count, 10);
    srl__positions_expire(&positions, 6000, 4);
    assert_int_equal(positions.map.count, 6);
    assert_true(srl__positions_next_ms(&positions) <= 6000);
    assert_int_equal(set(&positions, "u9", 7, 5000, 6000), SRL_OK);
    assert_int_equal(get(&positions, "u9", 10999)->offset, 7);
    srl__positions_expire(&positions, 6000, 100);
    assert_int_equal(positions.map.count, 1);
    assert_null(get(&positions, "u9", 11000));
    assert_int_equal(srl__positions_next_ms(&positions), SRL__TIMERS_NEVER);
    finish(&positions, &memory);
}

/* A table kept the slow way. */
typedef struct model_position {
    bool is_there;
    uint64_t offset;
    int epoch;
    uint64_t end_ms; /* 0: none */
} model_position;

static void model_expire(model_position *m, uint64_t now_ms)
{
    if (m->end_ms != 0 && m->end_ms <= now_ms) {
        m->is_there = false;
    }
}

static void assert_same(const model_position *m, const srl__position *kept, const char *const *epochs)
{
    assert_int_equal(kept != NULL, m->is_there);
    if (kept != NULL) {
        assert_int_equal(kept->offset, m->offset);
        assert_int_equal(kept->epoch_len, strlen(epochs[m->epoch]));
        assert_memory_equal(kept->epoch, epochs[m->epoch], kept->epoch_len);
    }
}

static void random_steps_give_what_a_table_gives(void **state)
{
    (void)state;
    static const char *const epochs[] = {"", "abcdefgh", "abcdefgi", "a-longer-epoch"};
    static srl__positions positions;
    srl_test_alloc memory;
    model_position models[PAIRS];
    uint64_t random = 5, now_ms = 1000;
    memset(models, 0, sizeof(models));
    init(&positions, &memory);
    for (int step = 0; step < 200000; step++) {
        int pair = (int)srl_test_random_below(&random, PAIRS);
        model_position *m = &models[pair];
        char user[16], channel[16];
        const srl__position *kept;
        snprintf(user, sizeof(user), "u%d", pair / 5);
        snprintf(channel, sizeof(channel), "c%d", pair % 5);
        int epoch = (int)srl_test_random_below(&random, 8);
        epoch = epoch < 4 ? epoch : 1;
        srl_broker_position given = position_of(user, channel, srl_test_random_below(&random, 20), epochs[epoch],
                                                srl_test_random_below(&random, 4) * 700);
        model_expire(m, now_ms);
        if (srl_test_random_below(&random, 2)) {
            assert_int_equal(srl__positions_set(&positions, &given, now_ms, &kept), SRL_OK);
            if (!m->is_there || m->epoch != epoch || m->offset <= given.offset) {
                *m = (model_position){true, given.offset, epoch, given.ttl_ms > 0 ? now_ms + given.ttl_ms : 0};
            }
        } else {
            kept = srl__positions_get(&positions, &given, now_ms);
        }
        assert_same(m, kept, epochs);
        now_ms += srl_test_random_below(&random, 4) == 0 ? srl_test_random_below(&random, 200) : 0;
        if (srl_test_random_below(&random, 20) == 0) {
            srl__positions_expire(&positions, now_ms, (uint32_t)srl_test_random_below(&random, 5));
        }
    }
    finish(&positions, &memory);
}

static void scenario(const srl_allocator *alloc, void *user)
{
    static srl__positions positions;
    (void)user;
    srl__positions_init(&positions, alloc, 3, 1000);
    for (uint64_t i = 0; i < 40; i++) {
        char name[48];
        snprintf(name, sizeof(name), "a-user-with-a-name-%*d", (int)(i % 20) + 1, 7);
        const srl__position *kept = get(&positions, name, 1000);
        uint32_t count = positions.map.count;
        uint64_t before = kept != NULL ? kept->offset : UINT64_MAX;
        bool was_there = kept != NULL;
        int rc = set(&positions, name, i, i % 2 * 1000, 1000);
        kept = get(&positions, name, 1000);
        if (rc == SRL_OK) {
            assert_non_null(kept);
            assert_int_equal(kept->offset, i);
        } else {
            assert_int_equal(rc, SRL_ERR_NOMEM);
            assert_int_equal(positions.map.count, count);
            assert_int_equal(kept != NULL, was_there);
            assert_int_equal(kept != NULL ? kept->offset : UINT64_MAX, before);
        }
    }
    srl__positions_free(&positions);
}

static void a_failed_allocation_changes_nothing(void **state)
{
    (void)state;
    assert_true(srl_test_each_failing_alloc(scenario, NULL) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeros_are_empty),
        cmocka_unit_test(users_and_channels_are_not_mixed_up),
        cmocka_unit_test(sizes_have_limits),
        cmocka_unit_test(a_full_table_makes_room_by_age),
        cmocka_unit_test(time_takes_them_away_a_few_at_once),
        cmocka_unit_test(random_steps_give_what_a_table_gives),
        cmocka_unit_test(a_failed_allocation_changes_nothing),
    };
    return cmocka_run_group_tests_name("positions", tests, NULL, NULL);
}
