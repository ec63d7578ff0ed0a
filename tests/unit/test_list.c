#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct item {
    int before;
    srl__list link;
    int name;
} item;

static void assert_names(srl__list *list, const char *expected)
{
    size_t n = strlen(expected);
    srl__list *at = list->next;
    for (size_t i = 0; i < n; i++, at = at->next) {
        assert_ptr_not_equal(at, list);
        assert_int_equal(SRL__CONTAINER(at, item, link)->name, expected[i]);
        assert_ptr_equal(at->prev->next, at);
    }
    assert_ptr_equal(at, list);
    at = list->prev;
    for (size_t i = n; i > 0; i--, at = at->prev) {
        assert_int_equal(SRL__CONTAINER(at, item, link)->name, expected[i - 1]);
    }
    assert_ptr_equal(at, list);
    assert_true(srl__list_is_empty(list) == (n == 0));
}

static void make(item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        items[i].name = (int)('a' + i);
        srl__list_init(&items[i].link);
    }
}

static void append_and_remove(void **state)
{
    (void)state;
    item items[4];
    srl__list list;
    make(items, 4);
    srl__list_init(&list);
    assert_names(&list, "");
    for (size_t i = 0; i < 4; i++) {
        srl__list_append(&list, &items[i].link);
    }
    assert_names(&list, "abcd");
    srl__list_remove(&items[1].link);
    assert_names(&list, "acd");
    assert_true(srl__list_is_empty(&items[1].link));
    srl__list_remove(&items[1].link);
    assert_names(&list, "acd");
    srl__list_remove(&items[0].link);
    srl__list_remove(&items[3].link);
    assert_names(&list, "c");
    srl__list_append(&list, &items[0].link);
    assert_names(&list, "ca");
    srl__list_remove(&items[2].link);
    srl__list_remove(&items[0].link);
    assert_names(&list, "");
}

static void take_first(void **state)
{
    (void)state;
    item items[2];
    srl__list list;
    make(items, 2);
    srl__list_init(&list);
    assert_null(srl__list_take_first(&list));
    srl__list_append(&list, &items[0].link);
    srl__list_append(&list, &items[1].link);
    assert_ptr_equal(srl__list_take_first(&list), &items[0].link);
    assert_true(srl__list_is_empty(&items[0].link));
    assert_names(&list, "b");
    assert_ptr_equal(srl__list_take_first(&list), &items[1].link);
    assert_null(srl__list_take_first(&list));
}

static void append_all(void **state)
{
    (void)state;
    item items[5];
    srl__list list, from;
    make(items, 5);
    srl__list_init(&list);
    srl__list_init(&from);
    srl__list_append_all(&list, &from);
    assert_names(&list, "");
    srl__list_append(&from, &items[0].link);
    srl__list_append_all(&list, &from);
    assert_names(&list, "a");
    assert_names(&from, "");
    srl__list_append_all(&list, &from);
    assert_names(&list, "a");
    for (size_t i = 1; i < 5; i++) {
        srl__list_append(&from, &items[i].link);
    }
    srl__list_append_all(&list, &from);
    assert_names(&list, "abcde");
    assert_names(&from, "");
    srl__list_remove(&items[1].link);
    srl__list_remove(&items[4].link);
    assert_names(&list, "acd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(append_and_remove),
        cmocka_unit_test(take_first),
        cmocka_unit_test(append_all),
    };
    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
