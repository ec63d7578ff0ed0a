/* Random policies, changed at random, against lists that are searched from end to end. */
#include <streamrelay/error.h>
#include <streamrelay/permissions.h>

#include <stdio.h>
#include <stdlib.h>

#include "helpers/naive_permissions.h"
#include "helpers/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#if defined(SRL_TEST_UNDER_VALGRIND) /* there for the memory, not for the number */
#define POLICIES 4000
#else
#define POLICIES 100000
#endif
#define CHANGES   16
#define QUESTIONS 8

static const char *const role_names[NAIVE_ROLES] = {"admin", "mod", "vip", "member", "guest", "bot"};
static const char *const user_names[] = {"", "ann", "bob", "cy"};
static const char *const segments[] = {"a", "b", "ab", "abc", "", "chat"};

typedef struct state {
    srl_permissions *p;
    naive_policy naive;
    uint64_t random;
} state;

static size_t below(state *s, size_t n)
{
    return (size_t)srl_test_random_below(&s->random, n);
}

static void add(char *out, const char *text)
{
    size_t len = strlen(out);
    memcpy(out + len, text, strlen(text) + 1);
}

static void make_channel(state *s, char out[NAIVE_TEXT])
{
    size_t count = 1 + below(s, 4);
    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        add(out, i > 0 ? ":" : "");
        add(out, segments[below(s, 6)]);
    }
    if (out[0] == '\0') {
        add(out, "a");
    }
}

static void make_pattern(state *s, char out[NAIVE_TEXT])
{
    size_t count = 1 + below(s, 4);
    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        bool is_last = i + 1 == count;
        add(out, i > 0 ? ":" : "");
        if (below(s, 3) > 0) {
            add(out, segments[below(s, 6)]);
        } else if (!is_last) {
            add(out, "*");
            continue;
        }
        if (is_last && below(s, 2) == 0) {
            add(out, "*");
        }
    }
    if (out[0] == '\0') {
        add(out, "a");
    }
}

static uint32_t make_bits(state *s)
{
    return (uint32_t)below(s, SRL_PERM_ALL + 1);
}

static const char *pick_role(state *s)
{
    return role_names[below(s, NAIVE_ROLES)];
}

static const char *pick_user(state *s)
{
    return user_names[1 + below(s, 3)];
}

static bool is_role(state *s, const char *role)
{
    return naive_find(s->naive.roles, NAIVE_ROLES, role, "") != NULL;
}

static void change_rule(state *s)
{
    char pattern[NAIVE_TEXT];
    srl_channel_rule rule;
    make_pattern(s, pattern);
    naive_entry *old = naive_find(s->naive.rules, NAIVE_MAX, "", pattern);
    if (below(s, 4) == 0) {
        int expected = old == NULL ? SRL_ERR_NOT_FOUND : SRL_OK;
        assert_int_equal(srl_permissions_remove_rule(s->p, pattern, strlen(pattern)), expected);
        if (old != NULL) {
            old->used = false;
        }
        return;
    }
    srl_channel_rule_init(&rule, sizeof(rule));
    rule.pattern = pattern;
    rule.pattern_len = strlen(pattern);
    rule.permissions = make_bits(s);
    rule.allow_anonymous = (uint32_t)below(s, 2);
    if (old != NULL && below(s, 2) == 0) {
        assert_int_equal(srl_permissions_add_rule(s->p, &rule), SRL_ERR_EXISTS);
        return;
    }
    assert_int_equal(srl_permissions_set_rule(s->p, &rule), SRL_OK);
    naive_entry *entry = naive_put(s->naive.rules, NAIVE_MAX, "", pattern);
    entry->allow = rule.permissions;
    entry->allow_anonymous = rule.allow_anonymous == 1;
}

static void drop_role_pairs(naive_pair *list, const char *role, bool from_too)
{
    for (size_t i = 0; i < NAIVE_MAX; i++) {
        if (strcmp(list[i].to, role) == 0 || (from_too && strcmp(list[i].from, role) == 0)) {
            list[i].used = false;
        }
    }
}

static void remove_role(state *s, const char *role)
{
    int expected = is_role(s, role) ? SRL_OK : SRL_ERR_NOT_FOUND;
    assert_int_equal(srl_permissions_remove_role(s->p, role, strlen(role)), expected);
    if (expected != SRL_OK) {
        return;
    }
    naive_find(s->naive.roles, NAIVE_ROLES, role, "")->used = false;
    for (size_t i = 0; i < NAIVE_MAX; i++) {
        if (strcmp(s->naive.role_channels[i].owner, role) == 0) {
            s->naive.role_channels[i].used = false;
        }
    }
    drop_role_pairs(s->naive.parents, role, true);
    drop_role_pairs(s->naive.assigned, role, false);
}

static void change_role(state *s)
{
    const char *role = pick_role(s);
    uint32_t bits = make_bits(s);
    if (below(s, 8) == 0) {
        remove_role(s, role);
        return;
    }
    assert_int_equal(srl_permissions_set_role_permission(s->p, role, strlen(role), bits), SRL_OK);
    naive_put(s->naive.roles, NAIVE_ROLES, role, "")->allow = bits;
}

static void change_role_channel(state *s)
{
    char pattern[NAIVE_TEXT];
    const char *role = pick_role(s);
    uint32_t bits = make_bits(s);
    make_pattern(s, pattern);
    size_t len = strlen(pattern);
    naive_entry *old = naive_find(s->naive.role_channels, NAIVE_MAX, role, pattern);
    if (below(s, 5) == 0) {
        int expected = old == NULL ? SRL_ERR_NOT_FOUND : SRL_OK;
        assert_int_equal(srl_permissions_remove_role_channel(s->p, role, strlen(role), pattern, len), expected);
        if (old != NULL) {
            old->used = false;
        }
        return;
    }
    int expected = is_role(s, role) ? SRL_OK : SRL_ERR_NOT_FOUND;
    assert_int_equal(srl_permissions_set_role_channel(s->p, role, strlen(role), pattern, len, bits), expected);
    if (expected == SRL_OK) {
        naive_put(s->naive.role_channels, NAIVE_MAX, role, pattern)->allow = bits;
    }
}

static void change_parent(state *s)
{
    const char *role = pick_role(s);
    const char *parent = pick_role(s);
    naive_pair *old = naive_pair_find(s->naive.parents, role, parent);
    int expected = SRL_OK;
    if (below(s, 4) == 0) {
        expected = old == NULL ? SRL_ERR_NOT_FOUND : SRL_OK;
        assert_int_equal(srl_permissions_remove_parent(s->p, role, strlen(role), parent, strlen(parent)), expected);
        if (old != NULL) {
            old->used = false;
        }
        return;
    }
    if (!is_role(s, role) || !is_role(s, parent)) {
        expected = SRL_ERR_NOT_FOUND;
    } else if (old != NULL) {
        expected = SRL_ERR_EXISTS;
    } else if (naive_inherits(&s->naive, parent, role)) {
        expected = SRL_ERR_INVALID;
    }
    assert_int_equal(srl_permissions_add_parent(s->p, role, strlen(role), parent, strlen(parent)), expected);
    if (expected == SRL_OK) {
        naive_pair_put(s->naive.parents, role, parent);
    }
}

static void change_assigned(state *s)
{
    const char *user = pick_user(s);
    const char *role = pick_role(s);
    naive_pair *old = naive_pair_find(s->naive.assigned, user, role);
    if (below(s, 4) == 0) {
        int expected = old == NULL ? SRL_ERR_NOT_FOUND : SRL_OK;
        assert_int_equal(srl_permissions_unassign_role(s->p, user, strlen(user), role, strlen(role)), expected);
        if (old != NULL) {
            old->used = false;
        }
        return;
    }
    int expected = !is_role(s, role) ? SRL_ERR_NOT_FOUND : old != NULL ? SRL_ERR_EXISTS : SRL_OK;
    assert_int_equal(srl_permissions_assign_role(s->p, user, strlen(user), role, strlen(role)), expected);
    if (expected == SRL_OK) {
        naive_pair_put(s->naive.assigned, user, role);
    }
}

static void remove_user(state *s, const char *user)
{
    bool had = false;
    for (size_t i = 0; i < NAIVE_MAX; i++) {
        naive_entry *override = &s->naive.overrides[i];
        naive_pair *assigned = &s->naive.assigned[i];
        if (override->used && strcmp(override->owner, user) == 0) {
            override->used = false;
            had = true;
        }
        if (assigned->used && strcmp(assigned->from, user) == 0) {
            assigned->used = false;
            had = true;
        }
    }
    assert_int_equal(srl_permissions_remove_user(s->p, user, strlen(user)), had ? SRL_OK : SRL_ERR_NOT_FOUND);
}

static void change_override(state *s)
{
    char pattern[NAIVE_TEXT];
    const char *user = pick_user(s);
    uint32_t allow = make_bits(s);
    uint32_t deny = make_bits(s) & ~allow;
    make_pattern(s, pattern);
    size_t len = strlen(pattern);
    naive_entry *old = naive_find(s->naive.overrides, NAIVE_MAX, user, pattern);
    size_t what = below(s, 8);
    if (what == 0) {
        remove_user(s, user);
        return;
    }
    if (what == 1) {
        int expected = old == NULL ? SRL_ERR_NOT_FOUND : SRL_OK;
        assert_int_equal(srl_permissions_remove_override(s->p, user, strlen(user), pattern, len), expected);
        if (old != NULL) {
            old->used = false;
        }
        return;
    }
    assert_int_equal(srl_permissions_set_override(s->p, user, strlen(user), pattern, len, allow, deny), SRL_OK);
    naive_entry *entry = naive_put(s->naive.overrides, NAIVE_MAX, user, pattern);
    entry->allow = allow;
    entry->deny = deny;
}

static void change(state *s)
{
    static void (*const kinds[])(state *) = {change_rule,   change_rule,     change_role,     change_role_channel,
                                             change_parent, change_assigned, change_override, change_override};
    kinds[below(s, sizeof(kinds) / sizeof(kinds[0]))](s);
}

static void compare_rule(state *s, const srl_permissions_query *q)
{
    srl_channel_rule rule;
    const naive_entry *best = naive_best(s->naive.rules, "", q->channel);
    srl_channel_rule_init(&rule, sizeof(rule));
    int error = srl_permissions_rule_for(s->p, q->channel, q->channel_len, &rule);
    assert_int_equal(error, best == NULL ? SRL_ERR_NOT_FOUND : SRL_OK);
    if (best != NULL) {
        assert_int_equal(rule.pattern_len, strlen(best->pattern));
        assert_memory_equal(rule.pattern, best->pattern, rule.pattern_len);
    }
}

/* Each permission's line of the explanation begins with the same answer. */
static void compare_words(state *s, const srl_permissions_query *q, uint32_t granted)
{
    static const char *const names[] = {"\nsubscribe", "\npublish", "\npresence", "\nhistory", "\njoin_leave"};
    char text[4096];
    char line[32];
    assert_in_range(srl_permissions_explain(s->p, q, text, sizeof(text)), 1, sizeof(text) - 1);
    for (size_t i = 0; i < 5; i++) {
        snprintf(line, sizeof(line), "%s: %s: ", names[i], (granted >> i & 1) != 0 ? "yes" : "no");
        assert_non_null(strstr(text, line));
    }
}

static void ask(state *s, bool in_words)
{
    char channel[NAIVE_TEXT];
    srl_role_name given[2];
    srl_permissions_query q;
    make_channel(s, channel);
    srl_permissions_query_init(&q, sizeof(q));
    q.channel = channel;
    q.channel_len = strlen(channel);
    q.user = user_names[below(s, 4)];
    q.user_len = strlen(q.user);
    q.namespace_granted = make_bits(s);
    q.roles = given;
    q.role_count = (uint32_t)below(s, 3);
    for (uint32_t i = 0; i < q.role_count; i++) {
        given[i].data = pick_role(s);
        given[i].len = strlen(given[i].data);
    }
    uint32_t granted = srl_permissions_check(s->p, &q);
    uint32_t expected = naive_check(&s->naive, &q);
    if (granted != expected) {
        print_error("user '%s' channel '%s': %u, expected %u\n", q.user, channel, (unsigned)granted,
                    (unsigned)expected);
    }
    assert_int_equal(granted, expected);
    compare_rule(s, &q);
    if (in_words) {
        compare_words(s, &q, granted);
    }
}

static void compare_json(state *s)
{
    static char first[16384], second[16384];
    int64_t len = srl_permissions_save(s->p, first, sizeof(first));
    assert_in_range(len, 2, sizeof(first) - 1);
    assert_int_equal(srl_permissions_load(s->p, first, (size_t)len), SRL_OK);
    assert_int_equal(srl_permissions_save(s->p, second, sizeof(second)), len);
    assert_string_equal(first, second);
}

static void random_policies_agree_with_the_prose(void **unused)
{
    state s = {0};
    (void)unused;
    for (uint64_t seed = 1; seed <= POLICIES; seed++) {
        s.random = seed;
        memset(&s.naive, 0, sizeof(s.naive));
        assert_int_equal(srl_permissions_create(NULL, &s.p), SRL_OK);
        for (size_t i = 0; i < CHANGES; i++) {
            change(&s);
        }
        if (seed % 8 == 0) {
            compare_json(&s);
        }
        for (size_t i = 0; i < QUESTIONS; i++) {
            ask(&s, seed % 8 == 1);
        }
        srl_permissions_destroy(s.p);
    }
}

/* One policy that grows and shrinks for long: removed nodes and names are used again. */
static void a_long_life(void **unused)
{
    state s = {.random = 7};
    (void)unused;
    assert_int_equal(srl_permissions_create(NULL, &s.p), SRL_OK);
    for (size_t i = 0; i < 40000; i++) {
        size_t used = 0;
        for (size_t j = 0; j < NAIVE_MAX; j++) {
            used += s.naive.overrides[j].used;
        }
        for (size_t j = 0; j < NAIVE_MAX && used > NAIVE_MAX / 2; j++) {
            if (s.naive.overrides[j].used) {
                remove_user(&s, s.naive.overrides[j].owner);
                break;
            }
        }
        for (size_t j = 0, rules = 0; j < NAIVE_MAX; j++) {
            rules += s.naive.rules[j].used;
            if (rules > NAIVE_MAX / 2) {
                srl_permissions_remove_rule(s.p, s.naive.rules[j].pattern, strlen(s.naive.rules[j].pattern));
                s.naive.rules[j].used = false;
            }
        }
        for (size_t j = 0, channels = 0; j < NAIVE_MAX; j++) {
            channels += s.naive.role_channels[j].used;
            if (channels > NAIVE_MAX / 2) {
                remove_role(&s, s.naive.role_channels[j].owner);
                break;
            }
        }
        change(&s);
        ask(&s, i % 16 == 0);
        if (i % 256 == 0) {
            compare_json(&s);
        }
    }
    srl_permissions_destroy(s.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_policies_agree_with_the_prose),
        cmocka_unit_test(a_long_life),
    };
    return cmocka_run_group_tests_name("permissions_property", tests, NULL, NULL);
}
