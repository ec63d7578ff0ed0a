#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/directory.h"

#include <stdio.h>
#include <stdlib.h>

#include <streamrelay/error.h>

#include "helpers/fail_alloc.h"
#include "helpers/random.h"

enum { GROUPS = 12, USERS = 40 };

static srl__slice text(const char *s)
{
    return srl__slice_of(s, strlen(s));
}

static void init(srl__directory *directory, srl_test_alloc *memory)
{
    srl_test_alloc_init(memory);
    srl__directory_init(directory, &memory->table, 3);
}

static void finish(srl__directory *directory, srl_test_alloc *memory)
{
    srl__directory_free(directory);
    srl_test_alloc_check_empty(memory);
}

static void zeros_are_an_empty_directory(void **state)
{
    (void)state;
    srl__directory directory;
    memset(&directory, 0, sizeof(directory));
    srl__directory_free(&directory);
}

static void names_may_hold_any_byte(void **state)
{
    (void)state;
    srl_test_alloc memory;
    srl__directory directory;
    const srl__slice names[] = {{"a", 1}, {"a\0", 2}, {"a\0b", 3}, {"a\x7F", 2}, {"a\x80", 2}, {"a\xFF", 2}, {"b", 1}};
    const size_t count = sizeof(names) / sizeof(names[0]);
    init(&directory, &memory);
    assert_int_equal(srl__directory_create(&directory, text("g"), text("")), SRL_OK);
    for (size_t i = count; i-- > 0;) {
        assert_int_equal(srl__directory_add(&directory, text("g"), names[i]), SRL_OK);
    }
    const srl__directory_node *group = srl__directory_group(&directory, text("g"));
    for (uint32_t i = 0; i < count; i++) {
        assert_true(srl__slice_equal(srl__slice_of(group->peers[i]->name, group->peers[i]->name_len), names[i]));
        assert_int_equal(srl__directory_behind(group, names[i]), i + 1);
    }
    assert_int_equal(srl__directory_behind(group, text("")), 0);
    assert_int_equal(srl__directory_behind(group, text("a\x7F!")), 4);
    finish(&directory, &memory);
}

static void limits_hold_and_change_nothing(void **state)
{
    (void)state;
    srl_test_alloc memory;
    srl__directory directory;
    init(&directory, &memory);
    directory.max_groups = 4;
    directory.max_members = 3;
    directory.max_user_groups = 2;
    for (const char *name = "wxyz"; *name != '\0'; name++) {
        assert_int_equal(srl__directory_create(&directory, srl__slice_of(name, 1), text("")), SRL_OK);
    }
    assert_int_equal(srl__directory_create(&directory, text("more"), text("")), SRL_ERR_LIMIT);
    assert_int_equal(srl__directory_create(&directory, text("w"), text("")), SRL_ERR_EXISTS);
    assert_int_equal(srl__directory_add(&directory, text("w"), text("a")), SRL_OK);
    assert_int_equal(srl__directory_add(&directory, text("w"), text("b")), SRL_OK);
    assert_int_equal(srl__directory_add(&directory, text("w"), text("c")), SRL_OK);
    assert_int_equal(srl__directory_add(&directory, text("w"), text("d")), SRL_ERR_LIMIT);
    assert_null(srl__directory_user(&directory, text("d")));
    assert_int_equal(srl__directory_add(&directory, text("w"), text("c")), SRL_ERR_EXISTS);
    assert_int_equal(srl__directory_add(&directory, text("x"), text("a")), SRL_OK);
    assert_int_equal(srl__directory_add(&directory, text("y"), text("a")), SRL_ERR_LIMIT);
    assert_int_equal(srl__directory_group(&directory, text("y"))->count, 0);
    assert_int_equal(srl__directory_remove(&directory, text("x"), text("a")), SRL_OK);
    assert_int_equal(srl__directory_add(&directory, text("y"), text("a")), SRL_OK);
    assert_int_equal(srl__directory_delete(&directory, text("z")), SRL_OK);
    assert_int_equal(srl__directory_create(&directory, text("more"), text("")), SRL_OK);
    finish(&directory, &memory);
}

static void a_copy_stands_alone(void **state)
{
    (void)state;
    srl_test_alloc memory;
    srl__directory directory;
    size_t size;
    init(&directory, &memory);
    assert_int_equal(srl__directory_create(&directory, text("g"), text("")), SRL_OK);
    assert_int_equal(srl__directory_add(&directory, text("g"), text("ann")), SRL_OK);
    assert_int_equal(srl__directory_add(&directory, text("g"), text("b")), SRL_OK);
    assert_int_equal(srl__directory_add(&directory, text("g"), text("carol")), SRL_OK);
    const srl__directory_node *group = srl__directory_group(&directory, text("g"));
    assert_true(srl__directory_measure(group, 1, 2, &size));
    assert_int_equal(size, 2 * sizeof(srl_text) + 6);
    srl_text *names = malloc(size);
    assert_non_null(names);
    srl__directory_copy(group, 1, 2, names);
    finish(&directory, &memory);
    assert_int_equal(names[0].len, 1);
    assert_memory_equal(names[0].data, "b", 1);
    assert_int_equal(names[1].len, 5);
    assert_memory_equal(names[1].data, "carol", 5);
    free(names);
}

static void a_large_group_gives_its_memory_back(void **state)
{
    (void)state;
    srl_test_alloc memory;
    srl__directory directory;
    char name[16];
    init(&directory, &memory);
    assert_int_equal(srl__directory_create(&directory, text("g"), text("")), SRL_OK);
    for (uint32_t i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "u%u", (i * 7919U) % 20000U);
        assert_int_equal(srl__directory_add(&directory, text("g"), text(name)), SRL_OK);
    }
    for (uint32_t i = 0; i < 19990; i++) {
        snprintf(name, sizeof(name), "u%u", (i * 7919U) % 20000U);
        assert_int_equal(srl__directory_remove(&directory, text("g"), text(name)), SRL_OK);
    }
    assert_int_equal(srl__directory_group(&directory, text("g"))->count, 10);
    assert_int_equal(directory.users.count, 10);
    assert_in_range(srl__directory_group(&directory, text("g"))->capacity, 10, 64);
    finish(&directory, &memory);
}

/* Who is where, kept the slow way. */
typedef struct model {
    bool is_there[GROUPS];
    bool is_member[GROUPS][USERS];
    uint64_t meta[GROUPS];
} model;

/* Two digits each, so that the order of names is that of numbers. */
static srl__slice name_of(char *out, char kind, uint32_t number)
{
    snprintf(out, 8, "%c%02u", kind, number % 100);
    return srl__slice_of(out, 3);
}

static void check_all(const srl__directory *directory, const model *m)
{
    char name[8];
    uint32_t groups = 0, users = 0;
    for (uint32_t g = 0; g < GROUPS; g++) {
        const srl__directory_node *group = srl__directory_group(directory, name_of(name, 'g', g));
        groups += m->is_there[g];
        assert_int_equal(group != NULL, m->is_there[g]);
        uint32_t place = 0;
        for (uint32_t u = 0; group != NULL && u < USERS; u++) {
            if (m->is_member[g][u]) {
                assert_memory_equal(group->peers[place]->name, name_of(name, 'u', u).data, 3);
                place++;
            }
            assert_int_equal(srl__directory_behind(group, name_of(name, 'u', u)), place);
        }
        assert_int_equal(group != NULL ? group->count : 0, place);
        if (group != NULL) {
            assert_int_equal(group->meta_len, m->meta[g] > 0 ? sizeof(m->meta[g]) : 0);
            assert_true(m->meta[g] == 0 || memcmp(group->meta, &m->meta[g], sizeof(m->meta[g])) == 0);
        }
    }
    for (uint32_t u = 0; u < USERS; u++) {
        const srl__directory_node *user = srl__directory_user(directory, name_of(name, 'u', u));
        uint32_t place = 0;
        for (uint32_t g = 0; g < GROUPS; g++) {
            if (m->is_member[g][u]) {
                assert_non_null(user);
                assert_memory_equal(user->peers[place++]->name, name_of(name, 'g', g).data, 3);
            }
        }
        assert_int_equal(user != NULL ? user->count : 0, place);
        users += place > 0;
    }
    assert_int_equal(directory->groups.count, groups);
    assert_int_equal(directory->users.count, users);
}

static void step_group(srl__directory *directory, model *m, uint32_t g, uint64_t *random)
{
    char name[8];
    srl__slice channel = name_of(name, 'g', g);
    uint64_t number = srl_test_random_below(random, 3) == 0 ? 0 : srl_test_random(random) | 1;
    srl__slice meta = srl__slice_of((const char *)&number, number > 0 ? sizeof(number) : 0);
    uint64_t action = srl_test_random_below(random, 8);
    if (action == 0) {
        assert_int_equal(srl__directory_delete(directory, channel), m->is_there[g] ? SRL_OK : SRL_ERR_NOT_FOUND);
        m->is_there[g] = false;
        memset(m->is_member[g], 0, sizeof(m->is_member[g]));
    } else if (action < 5) {
        assert_int_equal(srl__directory_create(directory, channel, meta), m->is_there[g] ? SRL_ERR_EXISTS : SRL_OK);
        m->meta[g] = m->is_there[g] ? m->meta[g] : number;
        m->is_there[g] = true;
    } else {
        assert_int_equal(srl__directory_set_meta(directory, channel, meta),
                         m->is_there[g] ? SRL_OK : SRL_ERR_NOT_FOUND);
        m->meta[g] = number;
    }
}

static void step_member(srl__directory *directory, model *m, uint32_t g, uint32_t u, bool adds)
{
    char channel_name[8], user_name[8];
    srl__slice channel = name_of(channel_name, 'g', g), user = name_of(user_name, 'u', u);
    assert_int_equal(srl__directory_has(directory, channel, user), m->is_member[g][u]);
    if (adds) {
        int expected = !m->is_there[g] ? SRL_ERR_NOT_FOUND : m->is_member[g][u] ? SRL_ERR_EXISTS : SRL_OK;
        assert_int_equal(srl__directory_add(directory, channel, user), expected);
        m->is_member[g][u] = m->is_there[g];
    } else {
        assert_int_equal(srl__directory_remove(directory, channel, user),
                         m->is_member[g][u] ? SRL_OK : SRL_ERR_NOT_FOUND);
        m->is_member[g][u] = false;
    }
}

static void random_steps_give_what_a_table_gives(void **state)
{
    (void)state;
    static model m;
    srl_test_alloc memory;
    srl__directory directory;
    uint64_t random = 77;
    init(&directory, &memory);
    memset(&m, 0, sizeof(m));
    for (int step = 0; step < 60000; step++) {
        uint32_t g = (uint32_t)srl_test_random_below(&random, GROUPS);
        uint32_t u = (uint32_t)srl_test_random_below(&random, USERS);
        if (srl_test_random_below(&random, 30) == 0) {
            step_group(&directory, &m, g, &random);
        } else {
            step_member(&directory, &m, g, u, srl_test_random_below(&random, 3) > 0);
        }
        if (step % 100 == 0) {
            check_all(&directory, &m);
        }
    }
    check_all(&directory, &m);
    finish(&directory, &memory);
}

/* What succeeds is written into the model, what fails is not; they must agree after every call. */
static void scenario(const srl_allocator *alloc, void *user)
{
    static model m;
    srl__directory directory;
    char channel[8], name[8];
    const uint64_t number = 5;
    (void)user;
    memset(&m, 0, sizeof(m));
    srl__directory_init(&directory, alloc, 3);
    for (uint32_t i = 0; i < 60; i++) {
        uint32_t g = i % GROUPS, u = i * 7 % 15;
        int rc = srl__directory_create(&directory, name_of(channel, 'g', g), text(""));
        m.is_there[g] = m.is_there[g] || rc == SRL_OK;
        rc = srl__directory_set_meta(&directory, name_of(channel, 'g', g), srl__slice_of((const char *)&number, 8));
        m.meta[g] = rc == SRL_OK ? number : m.meta[g];
        rc = srl__directory_add(&directory, name_of(channel, 'g', g), name_of(name, 'u', u));
        m.is_member[g][u] = m.is_member[g][u] || rc == SRL_OK;
        if (i % 5 == 0 || rc == SRL_ERR_NOMEM) {
            check_all(&directory, &m);
        }
    }
    assert_int_equal(srl__directory_delete(&directory, text("g00")), m.is_there[0] ? SRL_OK : SRL_ERR_NOT_FOUND);
    m.is_there[0] = false;
    memset(m.is_member[0], 0, sizeof(m.is_member[0]));
    check_all(&directory, &m);
    srl__directory_free(&directory);
}

static void a_failed_allocation_changes_nothing(void **state)
{
    (void)state;
    assert_true(srl_test_each_failing_alloc(scenario, NULL) > 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeros_are_an_empty_directory),        cmocka_unit_test(names_may_hold_any_byte),
        cmocka_unit_test(limits_hold_and_change_nothing),      cmocka_unit_test(a_copy_stands_alone),
        cmocka_unit_test(a_large_group_gives_its_memory_back), cmocka_unit_test(random_steps_give_what_a_table_gives),
        cmocka_unit_test(a_failed_allocation_changes_nothing),
    };
    return cmocka_run_group_tests_name("directory", tests, NULL, NULL);
}
