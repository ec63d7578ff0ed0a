#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/table.h"

/* Three versions of one table, as three headers would have it. */
typedef struct table_1 {
    uint32_t size;
    int32_t a;
} table_1;

typedef struct table_2 {
    uint32_t size;
    int32_t a;
    int64_t b;
} table_2;

typedef struct table_3 {
    uint32_t size;
    int32_t a;
    int64_t b;
    int64_t c;
} table_3;

static void fill_writes_no_more_than_the_caller_has(void **state)
{
    const table_2 values = {.a = 7, .b = 9};
    struct {
        table_1 table;
        unsigned char guard[8];
    } older;
    table_3 newer;

    (void)state;
    memset(&older, 0x55, sizeof(older));
    srl__table_fill(&older.table, sizeof(older.table), &values, sizeof(values));
    assert_int_equal(older.table.size, sizeof(table_1));
    assert_int_equal(older.table.a, 7);
    for (size_t i = 0; i < sizeof(older.guard); i++) {
        assert_int_equal(older.guard[i], 0x55);
    }
    memset(&newer, 0x55, sizeof(newer));
    srl__table_fill(&newer, sizeof(newer), &values, sizeof(values));
    assert_int_equal(newer.size, sizeof(table_3));
    assert_int_equal(newer.b, 9);
    assert_int_equal(newer.c, 0);
}

static void a_shorter_table_has_zeros_at_its_end(void **state)
{
    const table_1 older = {.size = sizeof(older), .a = 7};
    table_2 ours;

    (void)state;
    memset(&ours, 0x55, sizeof(ours));
    assert_true(srl__table_take(&ours, sizeof(ours), &older, sizeof(older)));
    assert_int_equal(ours.size, sizeof(ours));
    assert_int_equal(ours.a, 7);
    assert_int_equal(ours.b, 0);
    assert_false(srl__table_take(&ours, sizeof(ours), &older, sizeof(older) + 1));
    assert_false(srl__table_fits(&older, sizeof(table_2)));
}

static void a_longer_table_must_not_use_what_is_unknown(void **state)
{
    table_3 newer = {.size = sizeof(newer), .a = 7, .b = 9};
    table_2 ours;

    (void)state;
    assert_true(srl__table_take(&ours, sizeof(ours), &newer, sizeof(ours)));
    assert_int_equal(ours.b, 9);
    assert_true(srl__table_fits(&newer, sizeof(ours)));
    newer.c = 1;
    assert_false(srl__table_take(&ours, sizeof(ours), &newer, sizeof(ours)));
    assert_false(srl__table_fits(&newer, sizeof(ours)));
}

static void a_size_that_was_never_set_is_refused(void **state)
{
    table_2 garbage = {.size = UINT32_MAX};
    table_2 ours = {.a = 3};

    (void)state;
    assert_false(srl__table_take(&ours, sizeof(ours), &garbage, sizeof(ours)));
    garbage.size = 0;
    assert_false(srl__table_take(&ours, sizeof(ours), &garbage, sizeof(ours)));
    assert_int_equal(ours.a, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fill_writes_no_more_than_the_caller_has),
        cmocka_unit_test(a_shorter_table_has_zeros_at_its_end),
        cmocka_unit_test(a_longer_table_must_not_use_what_is_unknown),
        cmocka_unit_test(a_size_that_was_never_set_is_refused),
    };

    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
