/* Every change with every allocation failing: it fails, and the policy is what it was. */
#include "engine/permissions.h"

#include <streamrelay/error.h>

#include <stdio.h>
#include <string.h>

#include "helpers/fail_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define T(text) (text), sizeof(text) - 1

/* Valid until the next call. */
static const srl_channel_rule *rule_for(const char *pattern, uint32_t permissions)
{
    static srl_channel_rule rule;
    srl_channel_rule_init(&rule, sizeof(rule));
    rule.pattern = pattern;
    rule.pattern_len = strlen(pattern);
    rule.permissions = permissions;
    return &rule;
}

/* The whole policy as text, to see that a failed call has changed nothing. */
static void remember(srl_permissions *p, srl_test_alloc *memory, char *out, size_t size)
{
    uint64_t fail_at = memory->fail_at;
    bool fail_on = memory->fail_on;
    uint64_t calls = memory->calls;
    memory->fail_at = 0;
    assert_in_range(srl_permissions_save(p, out, size), 1, size - 1);
    memory->fail_at = fail_at;
    memory->fail_on = fail_on;
    memory->calls = calls;
}

typedef struct step {
    int (*run)(srl_permissions *p, unsigned n);
    unsigned times;
} step;

static int step_rule(srl_permissions *p, unsigned n)
{
    char pattern[32];
    snprintf(pattern, sizeof(pattern), "space%u:*:x%u*", n / 2, n);
    return srl_permissions_add_rule(p, rule_for(pattern, 3));
}

static int step_replace_rule(srl_permissions *p, unsigned n)
{
    return srl_permissions_set_rule(p, rule_for("space0:*:x0*", 3 + n % 4));
}

static int step_role(srl_permissions *p, unsigned n)
{
    char name[32];
    snprintf(name, sizeof(name), "role%u", n);
    return srl_permissions_set_role_permission(p, name, strlen(name), n % 32);
}

static int step_role_channel(srl_permissions *p, unsigned n)
{
    char pattern[32];
    snprintf(pattern, sizeof(pattern), "chan%u:*", n);
    return srl_permissions_set_role_channel(p, T("role0"), pattern, strlen(pattern), 1);
}

static int step_parent(srl_permissions *p, unsigned n)
{
    char name[32];
    snprintf(name, sizeof(name), "role%u", n + 1);
    return srl_permissions_add_parent(p, T("role0"), name, strlen(name));
}

static int step_assign(srl_permissions *p, unsigned n)
{
    char name[32], role[32];
    snprintf(name, sizeof(name), "user%u", n / 6);
    snprintf(role, sizeof(role), "role%u", n % 6);
    return srl_permissions_assign_role(p, name, strlen(name), role, strlen(role));
}

static int step_override(srl_permissions *p, unsigned n)
{
    char name[32], pattern[32];
    snprintf(name, sizeof(name), "user%u", n / 2);
    snprintf(pattern, sizeof(pattern), n % 2 == 0 ? "chat:%u" : "*:%u:*", n);
    return srl_permissions_set_override(p, name, strlen(name), pattern, strlen(pattern), 1, 2);
}

static int step_load(srl_permissions *p, unsigned n)
{
    static const char json[] = "{\"rules\":[{\"pattern\":\"a:*\"}],\"roles\":[{\"name\":\"role0\",\"parents\":[\"b\"],"
                               "\"channels\":[{\"pattern\":\"x\"}]},{\"name\":\"b\"}],\"users\":[{\"user\":\"u\","
                               "\"roles\":[\"b\"],\"overrides\":[{\"pattern\":\"a*\"}]}]}";
    (void)n;
    return srl_permissions_load(p, json, sizeof(json) - 1);
}

static const step steps[] = {
    {step_rule, 13},   {step_replace_rule, 2}, {step_role, 13},     {step_role_channel, 13},
    {step_parent, 12}, {step_assign, 13},      {step_override, 13}, {step_load, 1},
};

static void each_change_scenario(const srl_allocator *alloc, void *user)
{
    static char before[32768], after[32768];
    srl_test_alloc *memory = srl_test_alloc_of(alloc);
    srl_permissions *p;
    bool failed = false;
    (void)user;
    if (srl_permissions_create(alloc, &p) != SRL_OK) {
        return;
    }
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        for (unsigned n = 0; n < steps[i].times; n++) {
            remember(p, memory, before, sizeof(before));
            uint64_t version = srl__permissions_version(p);
            int error = steps[i].run(p, n);
            failed |= error == SRL_ERR_NOMEM;
            if (error != SRL_OK) {
                assert_true(failed);
                remember(p, memory, after, sizeof(after));
                assert_string_equal(before, after);
                assert_int_equal(srl__permissions_version(p), version);
            }
        }
    }
    assert_int_equal(failed, srl_test_alloc_has_failed(alloc));
    srl_permissions_destroy(p);
}

static void a_failed_change_changes_nothing(void **state)
{
    (void)state;
    assert_true(srl_test_each_failing_alloc(each_change_scenario, NULL) > 100);
}

static void saving_scenario(const srl_allocator *alloc, void *user)
{
    char text[512];
    srl_permissions *p;
    (void)user;
    if (srl_permissions_create(alloc, &p) != SRL_OK) {
        return;
    }
    if (step_load(p, 0) == SRL_OK) {
        int64_t len = srl_permissions_save(p, text, sizeof(text));
        assert_true(len > 0 || (len == SRL_ERR_NOMEM && text[0] == '\0'));
        assert_int_equal(len == SRL_ERR_NOMEM, srl_test_alloc_has_failed(alloc));
    }
    srl_permissions_destroy(p);
}

static void saving_without_memory(void **state)
{
    (void)state;
    assert_true(srl_test_each_failing_alloc(saving_scenario, NULL) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_change_changes_nothing),
        cmocka_unit_test(saving_without_memory),
    };
    return cmocka_run_group_tests_name("permissions_memory", tests, NULL, NULL);
}
