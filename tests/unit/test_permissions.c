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

typedef struct fixture {
    srl_test_alloc memory;
    srl_permissions *p;
} fixture;

static int setup(void **state)
{
    static fixture f;
    srl_test_alloc_init(&f.memory);
    assert_int_equal(srl_permissions_create(&f.memory.table, &f.p), SRL_OK);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    srl_permissions_destroy(f->p);
    srl_test_alloc_check_empty(&f->memory);
    return 0;
}

static srl_permissions *policy_of(void **state)
{
    return ((fixture *)*state)->p;
}

static srl_permissions_query question(const char *user, const char *channel)
{
    srl_permissions_query q;
    srl_permissions_query_init(&q, sizeof(q));
    q.user = user;
    q.user_len = strlen(user);
    q.channel = channel;
    q.channel_len = strlen(channel);
    return q;
}

static uint32_t check(srl_permissions *p, const char *user, const char *channel)
{
    srl_permissions_query q = question(user, channel);
    return srl_permissions_check(p, &q);
}

static srl_channel_rule rule_for(const char *pattern, uint32_t permissions)
{
    srl_channel_rule rule;
    srl_channel_rule_init(&rule, sizeof(rule));
    rule.pattern = pattern;
    rule.pattern_len = strlen(pattern);
    rule.permissions = permissions;
    return rule;
}

static void add_rule(srl_permissions *p, const char *pattern, uint32_t permissions)
{
    srl_channel_rule rule = rule_for(pattern, permissions);
    assert_int_equal(srl_permissions_add_rule(p, &rule), SRL_OK);
}

static void set_role(srl_permissions *p, const char *role, uint32_t permissions)
{
    assert_int_equal(srl_permissions_set_role_permission(p, role, strlen(role), permissions), SRL_OK);
}

static void assign(srl_permissions *p, const char *user, const char *role)
{
    assert_int_equal(srl_permissions_assign_role(p, user, strlen(user), role, strlen(role)), SRL_OK);
}

static void inherit(srl_permissions *p, const char *role, const char *parent)
{
    assert_int_equal(srl_permissions_add_parent(p, role, strlen(role), parent, strlen(parent)), SRL_OK);
}

static void override(srl_permissions *p, const char *user, const char *pattern, uint32_t allow, uint32_t deny)
{
    assert_int_equal(srl_permissions_set_override(p, user, strlen(user), pattern, strlen(pattern), allow, deny),
                     SRL_OK);
}

static void assert_error(srl_permissions *p, int error, int expected, const char *words)
{
    assert_int_equal(error, expected);
    if (strstr(srl_permissions_last_error(p), words) == NULL) {
        print_error("'%s' is not in '%s'\n", words, srl_permissions_last_error(p));
        fail();
    }
}

static srl_permissions_counts counts_of(srl_permissions *p)
{
    srl_permissions_counts counts = {.size = sizeof(counts)};
    assert_int_equal(srl_permissions_count(p, &counts), SRL_OK);
    return counts;
}

/* ---- the tables of the first sketch: permission levels ---- */

/* A rule with this permission gives it, and nothing else. */
static void one_level(void **state, uint32_t permission, uint32_t bits)
{
    srl_permissions *p = policy_of(state);
    assert_int_equal(permission, bits);
    add_rule(p, "x:*", permission);
    assert_int_equal(check(p, "u", "x:1"), bits);
    set_role(p, "r", permission);
    assign(p, "v", "r");
    assert_int_equal(check(p, "v", "y"), bits);
    assert_int_equal(srl_permissions_set_user_permission(p, T("w"), T("x:*"), permission), SRL_OK);
    assert_int_equal(check(p, "w", "x:1"), bits);
}

static void seed_perm_none(void **state)
{
    one_level(state, SRL_PERM_NONE, 0);
}

static void seed_perm_subscribe(void **state)
{
    one_level(state, SRL_PERM_SUBSCRIBE, 1);
}

static void seed_perm_publish(void **state)
{
    one_level(state, SRL_PERM_PUBLISH, 2);
}

static void seed_perm_presence(void **state)
{
    one_level(state, SRL_PERM_PRESENCE, 4);
}

static void seed_perm_history(void **state)
{
    one_level(state, SRL_PERM_HISTORY, 8);
}

static void seed_perm_join_leave(void **state)
{
    one_level(state, SRL_PERM_JOIN_LEAVE, 16);
}

static void seed_perm_read_only(void **state)
{
    one_level(state, SRL_PERM_READ_ONLY, SRL_PERM_SUBSCRIBE | SRL_PERM_PRESENCE | SRL_PERM_HISTORY);
}

static void seed_perm_standard(void **state)
{
    one_level(state, SRL_PERM_STANDARD, SRL_PERM_SUBSCRIBE | SRL_PERM_PUBLISH | SRL_PERM_PRESENCE);
}

static void seed_perm_all(void **state)
{
    one_level(state, SRL_PERM_ALL, 31);
}

/* ---- the tables of the first sketch: rules ---- */

static void add_private_rule(srl_permissions *p)
{
    srl_channel_rule rule = rule_for("private:*", SRL_PERM_NONE);
    rule.require_auth = 1;
    rule.max_subscribers = 100;
    rule.join_leave = 1;
    rule.presence = 1;
    assert_int_equal(srl_permissions_add_rule(p, &rule), SRL_OK);
}

static srl_channel_rule private_rule(srl_permissions *p)
{
    srl_channel_rule rule;
    srl_channel_rule_init(&rule, sizeof(rule));
    add_private_rule(p);
    assert_int_equal(srl_permissions_rule_for(p, T("private:7"), &rule), SRL_OK);
    return rule;
}

static void seed_rule_private_pattern(void **state)
{
    srl_channel_rule rule = private_rule(policy_of(state));
    assert_int_equal(rule.pattern_len, 9);
    assert_memory_equal(rule.pattern, "private:*", 9);
    assert_error(policy_of(state), srl_permissions_rule_for(policy_of(state), T("public:7"), &rule), SRL_ERR_NOT_FOUND,
                 "no rule matches 'public:7'");
}

static void seed_rule_private_default_permissions(void **state)
{
    srl_permissions *p = policy_of(state);
    srl_permissions_query q = question("ann", "private:7");
    assert_int_equal(private_rule(p).permissions, SRL_PERM_NONE);
    q.namespace_granted = SRL_PERM_ALL;
    assert_int_equal(srl_permissions_check(p, &q), SRL_PERM_NONE);
    set_role(p, "member", SRL_PERM_STANDARD);
    assign(p, "ann", "member");
    assert_int_equal(srl_permissions_check(p, &q), SRL_PERM_STANDARD);
}

static void seed_rule_private_require_auth(void **state)
{
    srl_permissions *p = policy_of(state);
    srl_permissions_query q = question("", "private:7");
    srl_channel_rule rule = private_rule(p);
    assert_int_equal(rule.require_auth, 1);
    rule.permissions = SRL_PERM_ALL;
    assert_int_equal(srl_permissions_set_rule(p, &rule), SRL_OK);
    q.namespace_granted = SRL_PERM_ALL;
    assert_int_equal(srl_permissions_check(p, &q), SRL_PERM_NONE);
    assert_int_equal(check(p, "ann", "private:7"), SRL_PERM_ALL);
}

static void seed_rule_private_max_subscribers(void **state)
{
    assert_int_equal(private_rule(policy_of(state)).max_subscribers, 100);
}

static void seed_rule_private_join_leave(void **state)
{
    assert_int_equal(private_rule(policy_of(state)).join_leave, 1);
}

static void seed_rule_private_presence(void **state)
{
    assert_int_equal(private_rule(policy_of(state)).presence, 1);
}

static void seed_rule_public_allow_anonymous(void **state)
{
    srl_permissions *p = policy_of(state);
    srl_channel_rule rule = rule_for("public:*", SRL_PERM_READ_ONLY);
    rule.allow_anonymous = 1;
    assert_int_equal(srl_permissions_add_rule(p, &rule), SRL_OK);
    assert_int_equal(check(p, "", "public:news"), SRL_PERM_READ_ONLY);
    assert_int_equal(check(p, "ann", "public:news"), SRL_PERM_READ_ONLY);
    set_role(p, "admin", SRL_PERM_ALL);
    assign(p, "user_admin", "admin");
    assert_int_equal(check(p, "user_admin", "public:news"), SRL_PERM_ALL);
}

static void seed_rule_chat_standard(void **state)
{
    srl_permissions *p = policy_of(state);
    srl_channel_rule rule = rule_for("chat:*", SRL_PERM_STANDARD);
    rule.require_auth = 1;
    rule.join_leave = 1;
    rule.presence = 1;
    assert_int_equal(srl_permissions_add_rule(p, &rule), SRL_OK);
    assert_int_equal(check(p, "ann", "chat:1"), SRL_PERM_STANDARD);
    assert_int_equal(check(p, "", "chat:1"), SRL_PERM_NONE);
}

/* ---- the tables of the first sketch: roles ---- */

static void seed_role_admin_everywhere(void **state)
{
    srl_permissions *p = policy_of(state);
    set_role(p, "admin", SRL_PERM_ALL);
    assign(p, "user_admin", "admin");
    assert_int_equal(check(p, "user_admin", "anything:at:all"), SRL_PERM_ALL);
    assert_int_equal(check(p, "somebody", "anything:at:all"), SRL_PERM_NONE);
}

static void seed_role_moderator_and_vip(void **state)
{
    srl_permissions *p = policy_of(state);
    set_role(p, "moderator", SRL_PERM_ALL);
    set_role(p, "vip", SRL_PERM_STANDARD);
    assign(p, "user_123", "moderator");
    assign(p, "user_456", "vip");
    assert_int_equal(check(p, "user_123", "chat:general"), SRL_PERM_ALL);
    assert_int_equal(check(p, "user_456", "chat:general"), SRL_PERM_STANDARD);
}

static void seed_role_assign(void **state)
{
    srl_permissions *p = policy_of(state);
    const char *role;
    size_t len;
    set_role(p, "vip", SRL_PERM_STANDARD);
    assign(p, "user_456", "vip");
    assert_int_equal(srl_permissions_user_role(p, T("user_456"), 0, &role, &len), SRL_OK);
    assert_int_equal(len, 3);
    assert_memory_equal(role, "vip", 3);
    assert_error(p, srl_permissions_user_role(p, T("user_456"), 1, &role, &len), SRL_ERR_NOT_FOUND, "only 1 roles");
    assert_error(p, srl_permissions_assign_role(p, T("user_456"), T("vip")), SRL_ERR_EXISTS, "has the role 'vip'");
    assert_error(p, srl_permissions_assign_role(p, T("user_456"), T("vip2")), SRL_ERR_NOT_FOUND, "no role 'vip2'");
    assert_int_equal(srl_permissions_unassign_role(p, T("user_456"), T("vip")), SRL_OK);
    assert_int_equal(check(p, "user_456", "chat:general"), SRL_PERM_NONE);
    assert_int_equal(counts_of(p).users, 0);
}

static void seed_user_permission(void **state)
{
    srl_permissions *p = policy_of(state);
    uint32_t allow, deny;
    add_rule(p, "chat:*", SRL_PERM_ALL);
    set_role(p, "vip", SRL_PERM_ALL);
    assign(p, "user_789", "vip");
    assert_int_equal(srl_permissions_set_user_permission(p, T("user_789"), T("chat:general"), SRL_PERM_READ_ONLY),
                     SRL_OK);
    assert_int_equal(check(p, "user_789", "chat:general"), SRL_PERM_READ_ONLY);
    assert_int_equal(check(p, "user_789", "chat:other"), SRL_PERM_ALL);
    assert_int_equal(srl_permissions_get_override(p, T("user_789"), T("chat:general"), &allow, &deny), SRL_OK);
    assert_int_equal(allow, SRL_PERM_READ_ONLY);
    assert_int_equal(deny, SRL_PERM_PUBLISH | SRL_PERM_JOIN_LEAVE);
}

/* ---- who decides ---- */

static void an_empty_policy_leaves_it_to_the_namespace(void **state)
{
    srl_permissions *p = policy_of(state);
    srl_permissions_query q = question("ann", "chat:1");
    assert_int_equal(srl_permissions_check(p, &q), SRL_PERM_NONE);
    q.namespace_granted = SRL_PERM_STANDARD;
    assert_int_equal(srl_permissions_check(p, &q), SRL_PERM_STANDARD);
    q.user_len = 0;
    assert_int_equal(srl_permissions_check(p, &q), SRL_PERM_STANDARD);
    q.namespace_granted = UINT32_MAX;
    assert_int_equal(srl_permissions_check(p, &q), SRL_PERM_ALL);
    q.size--;
    assert_int_equal(srl_permissions_check(p, &q), SRL_PERM_NONE);
}

/* Five permissions, each decided by another level. */
static void each_permission_is_decided_by_itself(void **state)
{
    srl_permissions *p = policy_of(state);
    srl_permissions_query q = question("ann", "chat:1");
    override(p, "ann", "chat:*", SRL_PERM_SUBSCRIBE, SRL_PERM_PUBLISH);
    set_role(p, "r", SRL_PERM_PUBLISH | SRL_PERM_PRESENCE);
    assign(p, "ann", "r");
    add_rule(p, "chat:*", SRL_PERM_PUBLISH | SRL_PERM_HISTORY);
    q.namespace_granted = SRL_PERM_ALL;
    assert_int_equal(srl_permissions_check(p, &q), SRL_PERM_SUBSCRIBE | SRL_PERM_PRESENCE | SRL_PERM_HISTORY);
}

static void only_the_most_specific_override_counts(void **state)
{
    srl_permissions *p = policy_of(state);
    add_rule(p, "*", SRL_PERM_ALL);
    override(p, "ann", "chat:*", 0, SRL_PERM_ALL);
    override(p, "ann", "chat:open:*", 0, 0);
    assert_int_equal(check(p, "ann", "chat:1"), SRL_PERM_NONE);
    assert_int_equal(check(p, "ann", "chat:open:1"), SRL_PERM_ALL);
    assert_int_equal(srl_permissions_remove_override(p, T("ann"), T("chat:open:*")), SRL_OK);
    assert_int_equal(check(p, "ann", "chat:open:1"), SRL_PERM_NONE);
    assert_int_equal(srl_permissions_remove_user(p, T("ann")), SRL_OK);
    assert_int_equal(check(p, "ann", "chat:open:1"), SRL_PERM_ALL);
}

static void a_role_pattern_stands_in_for_its_global_set(void **state)
{
    srl_permissions *p = policy_of(state);
    uint32_t granted;
    set_role(p, "mod", SRL_PERM_ALL);
    assert_int_equal(srl_permissions_set_role_channel(p, T("mod"), T("log:*"), SRL_PERM_SUBSCRIBE), SRL_OK);
    assert_int_equal(srl_permissions_set_role_channel(p, T("mod"), T("log:open"), SRL_PERM_HISTORY), SRL_OK);
    assign(p, "ann", "mod");
    assert_int_equal(check(p, "ann", "chat:1"), SRL_PERM_ALL);
    assert_int_equal(check(p, "ann", "log:1"), SRL_PERM_SUBSCRIBE);
    assert_int_equal(check(p, "ann", "log:open"), SRL_PERM_HISTORY);
    assert_int_equal(srl_permissions_get_role(p, T("mod"), T("log:*"), &granted), SRL_OK);
    assert_int_equal(granted, SRL_PERM_SUBSCRIBE);
    assert_int_equal(srl_permissions_get_role(p, T("mod"), NULL, 0, &granted), SRL_OK);
    assert_int_equal(granted, SRL_PERM_ALL);
    assert_error(p, srl_permissions_get_role(p, T("mod"), T("x"), &granted), SRL_ERR_NOT_FOUND, "no pattern 'x'");
    assert_int_equal(srl_permissions_remove_role_channel(p, T("mod"), T("log:open")), SRL_OK);
    assert_int_equal(check(p, "ann", "log:open"), SRL_PERM_SUBSCRIBE);
}

static void roles_add_up_and_never_take_away(void **state)
{
    srl_permissions *p = policy_of(state);
    set_role(p, "reader", SRL_PERM_READ_ONLY);
    set_role(p, "writer", SRL_PERM_PUBLISH);
    set_role(p, "nobody", SRL_PERM_NONE);
    assign(p, "ann", "nobody");
    assign(p, "ann", "writer");
    assign(p, "ann", "reader");
    assert_int_equal(check(p, "ann", "a"), SRL_PERM_READ_ONLY | SRL_PERM_PUBLISH);
    add_rule(p, "*", SRL_PERM_JOIN_LEAVE);
    assert_int_equal(check(p, "ann", "a"), SRL_PERM_ALL);
}

static void each_inherited_role_counts_by_itself(void **state)
{
    srl_permissions *p = policy_of(state);
    set_role(p, "base", SRL_PERM_SUBSCRIBE);
    set_role(p, "left", SRL_PERM_PUBLISH);
    set_role(p, "right", SRL_PERM_PRESENCE);
    set_role(p, "top", SRL_PERM_HISTORY);
    inherit(p, "left", "base");
    inherit(p, "right", "base");
    inherit(p, "top", "left");
    inherit(p, "top", "right");
    assign(p, "ann", "top");
    assert_int_equal(check(p, "ann", "a"), 15);
    assert_int_equal(srl_permissions_set_role_channel(p, T("left"), T("a"), SRL_PERM_NONE), SRL_OK);
    assert_int_equal(check(p, "ann", "a"), 13);
    assert_int_equal(srl_permissions_remove_parent(p, T("top"), T("right")), SRL_OK);
    assert_int_equal(check(p, "ann", "a"), 9);
    assert_int_equal(srl_permissions_remove_role(p, T("left")), SRL_OK);
    assert_int_equal(check(p, "ann", "a"), 8);
    assert_int_equal(counts_of(p).role_channels, 0);
}

static void roles_may_come_with_the_question(void **state)
{
    srl_permissions *p = policy_of(state);
    srl_role_name names[70];
    srl_permissions_query q = question("ann", "a");
    set_role(p, "child", SRL_PERM_NONE);
    set_role(p, "vip", SRL_PERM_STANDARD);
    inherit(p, "child", "vip");
    for (size_t i = 0; i < 70; i++) {
        names[i] = (srl_role_name){"unknown", 7};
    }
    q.roles = names;
    q.role_count = 70;
    assert_int_equal(srl_permissions_check(p, &q), SRL_PERM_NONE);
    names[64] = (srl_role_name){"child", 5};
    assert_int_equal(srl_permissions_check(p, &q), SRL_PERM_NONE);
    names[63] = names[64];
    assert_int_equal(srl_permissions_check(p, &q), SRL_PERM_STANDARD);
    q.user_len = 0;
    assert_int_equal(srl_permissions_check(p, &q), SRL_PERM_NONE);
}

static void anonymous_users_have_no_roles_and_overrides(void **state)
{
    srl_permissions *p = policy_of(state);
    set_role(p, "vip", SRL_PERM_ALL);
    assert_error(p, srl_permissions_assign_role(p, NULL, 0, T("vip")), SRL_ERR_INVALID, "anonymous");
    assert_error(p, srl_permissions_set_override(p, NULL, 0, T("*"), 1, 0), SRL_ERR_INVALID, "anonymous");
    assert_int_equal(srl_permissions_remove_user(p, NULL, 0), SRL_ERR_NOT_FOUND);
    assert_int_equal(counts_of(p).users, 0);
}

/* ---- refusals ---- */

static void contradictions_are_refused(void **state)
{
    srl_permissions *p = policy_of(state);
    srl_channel_rule rule = rule_for("chat:*", SRL_PERM_ALL);
    rule.allow_anonymous = 1;
    rule.require_auth = 1;
    assert_error(p, srl_permissions_add_rule(p, &rule), SRL_ERR_INVALID, "contradict");
    rule.require_auth = 2;
    assert_error(p, srl_permissions_set_rule(p, &rule), SRL_ERR_INVALID, "0 or 1");
    rule.require_auth = 0;
    rule.presence = 2;
    assert_error(p, srl_permissions_set_rule(p, &rule), SRL_ERR_INVALID, "1, 0 or -1");
    rule.presence = -1;
    rule.join_leave = -2;
    assert_error(p, srl_permissions_set_rule(p, &rule), SRL_ERR_INVALID, "1, 0 or -1");
    rule.join_leave = 0;
    rule.permissions = 32;
    assert_error(p, srl_permissions_set_rule(p, &rule), SRL_ERR_INVALID, "no permissions 0x20");
    rule.permissions = 0;
    rule.size = 4;
    assert_error(p, srl_permissions_set_rule(p, &rule), SRL_ERR_INVALID, "srl_channel_rule_init");
    assert_error(p, srl_permissions_set_override(p, T("ann"), T("*"), 3, 6), SRL_ERR_INVALID, "0x2 are both");
    assert_error(p, srl_permissions_set_user_permission(p, T("ann"), T("*"), 64), SRL_ERR_INVALID, "0x40");
    assert_error(p, srl_permissions_set_role_permission(p, T("r"), 64), SRL_ERR_INVALID, "0x40");
    assert_int_equal(counts_of(p).rules, 0);
    assert_int_equal(counts_of(p).users, 0);
    assert_int_equal(counts_of(p).roles, 0);
}

static void bad_names_are_refused(void **state)
{
    srl_permissions *p = policy_of(state);
    char longest[257];
    memset(longest, 'x', sizeof(longest));
    srl_channel_rule rule = rule_for("a*b", SRL_PERM_ALL);
    assert_error(p, srl_permissions_add_rule(p, &rule), SRL_ERR_INVALID, "pattern 'a*b': the '*' at byte 1");
    assert_error(p, srl_permissions_set_role_permission(p, NULL, 0, 1), SRL_ERR_INVALID, "empty");
    assert_error(p, srl_permissions_set_role_permission(p, longest, 65, 1), SRL_ERR_TOO_LARGE, "65 bytes; at most 64");
    assert_int_equal(srl_permissions_set_role_permission(p, longest, 64, 1), SRL_OK);
    assert_error(p, srl_permissions_set_role_permission(p, T("a\xFF"), 1), SRL_ERR_UTF8, "UTF-8");
    assert_error(p, srl_permissions_set_role_permission(p, T("a\tb"), 1), SRL_ERR_INVALID, "'a?b'");
    assert_error(p, srl_permissions_set_override(p, longest, 256, T("*"), 1, 0), SRL_ERR_TOO_LARGE, "at most 255");
    assert_int_equal(srl_permissions_set_override(p, longest, 255, T("*"), 1, 0), SRL_OK);
    assert_error(p, srl_permissions_set_override(p, T("\xC3"), T("*"), 1, 0), SRL_ERR_UTF8, "UTF-8");
    assert_error(p, srl_permissions_set_override(p, T("bob"), T("**"), 1, 0), SRL_ERR_INVALID, "byte 0");
    assert_error(p, srl_permissions_set_role_channel(p, T("zz"), T("*"), 1), SRL_ERR_NOT_FOUND, "no role 'zz'");
    assert_int_equal(srl__permissions_check_role_name(srl__slice_of("ok", 2)), SRL_OK);
    assert_int_equal(srl__permissions_check_role_name(srl__slice_of(longest, 65)), SRL_ERR_TOO_LARGE);
    assert_int_equal(counts_of(p).users, 1);
}

static void cycles_are_refused_with_the_way_round(void **state)
{
    srl_permissions *p = policy_of(state);
    static const char *const names[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++) {
        set_role(p, names[i], 0);
    }
    assert_error(p, srl_permissions_add_parent(p, T("a"), T("a")), SRL_ERR_INVALID, ": a -> a");
    inherit(p, "b", "c");
    inherit(p, "c", "d");
    inherit(p, "d", "a");
    assert_error(p, srl_permissions_add_parent(p, T("a"), T("b")), SRL_ERR_INVALID, ": a -> b -> c -> d -> a");
    inherit(p, "b", "d");
    assert_error(p, srl_permissions_add_parent(p, T("a"), T("b")), SRL_ERR_INVALID, ": a -> b -> d -> a");
    assert_error(p, srl_permissions_add_parent(p, T("b"), T("d")), SRL_ERR_EXISTS, "already");
    assert_error(p, srl_permissions_add_parent(p, T("b"), T("x")), SRL_ERR_NOT_FOUND, "'x'");
    assert_int_equal(srl_permissions_remove_role(p, T("d")), SRL_OK);
    inherit(p, "a", "b");
}

static void long_ways_round_are_cut(void **state)
{
    srl_permissions *p = policy_of(state);
    char role[64], parent[64];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(role, sizeof(role), "a role with a long name \xC3\xA4 %u", i);
        set_role(p, role, 0);
    }
    for (unsigned i = 0; i < 99; i++) {
        snprintf(role, sizeof(role), "a role with a long name \xC3\xA4 %u", i);
        snprintf(parent, sizeof(parent), "a role with a long name \xC3\xA4 %u", i + 1);
        inherit(p, role, parent);
    }
    assert_error(p,
                 srl_permissions_add_parent(p, T("a role with a long name \xC3\xA4 99"),
                                            T("a role with a long name \xC3\xA4 0")),
                 SRL_ERR_INVALID, "99 -> a role with a long name \xC3\xA4 0 -> ");
}

static void numbers_of_roles_are_limited(void **state)
{
    srl_permissions *p = policy_of(state);
    char name[16];
    set_role(p, "top", 0);
    for (unsigned i = 0; i < SRL_PERMISSIONS_MAX_USER_ROLES + 1; i++) {
        snprintf(name, sizeof(name), "r%u", i);
        set_role(p, name, 0);
        bool one_too_many = i == SRL_PERMISSIONS_MAX_USER_ROLES;
        assert_int_equal(srl_permissions_assign_role(p, T("ann"), name, strlen(name)),
                         one_too_many ? SRL_ERR_LIMIT : SRL_OK);
        assert_int_equal(srl_permissions_add_parent(p, T("top"), name, strlen(name)),
                         i >= SRL_PERMISSIONS_MAX_PARENTS ? SRL_ERR_LIMIT : SRL_OK);
    }
    for (unsigned i = 0; counts_of(p).roles < SRL_PERMISSIONS_MAX_ROLES; i++) {
        snprintf(name, sizeof(name), "s%u", i);
        set_role(p, name, 0);
    }
    assert_error(p, srl_permissions_set_role_permission(p, T("more"), 0), SRL_ERR_LIMIT, "65536 roles");
    set_role(p, "top", 1);
}

/* ---- rules as a list ---- */

static void rules_are_added_replaced_and_walked(void **state)
{
    srl_permissions *p = policy_of(state);
    srl_channel_rule rule = rule_for("a:*", 1);
    uint32_t cursor = 0;
    uint32_t seen = 0;
    char name[16];
    for (unsigned i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "n%u:*", i);
        add_rule(p, name, 1);
    }
    rule.pattern = "n7:*";
    rule.pattern_len = 4;
    rule.permissions = 3;
    assert_error(p, srl_permissions_add_rule(p, &rule), SRL_ERR_EXISTS, "rule for 'n7:*' already");
    assert_int_equal(check(p, "u", "n7:x"), 1);
    assert_int_equal(srl_permissions_set_rule(p, &rule), SRL_OK);
    assert_int_equal(check(p, "u", "n7:x"), 3);
    assert_int_equal(counts_of(p).rules, 50);
    while (srl_permissions_next_rule(p, &cursor, &rule) == SRL_OK) {
        seen++;
        if (seen % 2 == 0) {
            assert_int_equal(srl_permissions_remove_rule(p, rule.pattern, rule.pattern_len), SRL_OK);
        }
    }
    assert_int_equal(seen, 50);
    assert_int_equal(srl_permissions_next_rule(p, &cursor, &rule), SRL_ERR_NOT_FOUND);
    assert_int_equal(counts_of(p).rules, 25);
    for (unsigned i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "n%u:*", i);
        bool there = srl_permissions_get_rule(p, name, strlen(name), &rule) == SRL_OK;
        snprintf(name, sizeof(name), "n%u:x", i);
        assert_int_equal(srl_permissions_rule_for(p, name, strlen(name), &rule) == SRL_OK, there);
        assert_int_equal(check(p, "u", name) != 0, there);
    }
    assert_error(p, srl_permissions_remove_rule(p, T("zz")), SRL_ERR_NOT_FOUND, "no rule for 'zz'");
    assert_error(p, srl_permissions_remove_rule(p, T("a*b")), SRL_ERR_NOT_FOUND, "no rule for 'a*b'");
    rule.size = 1;
    assert_int_equal(srl_permissions_get_rule(p, T("n1:*"), &rule), SRL_ERR_INVALID);
}

/* ---- being told ---- */

typedef struct watcher {
    srl__permissions_observer observer;
    uint32_t told;
    struct watcher *drops; /* removes this one when told */
} watcher;

static void note_change(srl__permissions_observer *observer)
{
    watcher *w = SRL__CONTAINER(observer, watcher, observer);
    w->told++;
    if (w->drops != NULL) {
        srl__permissions_unobserve(&w->drops->observer);
        w->drops = NULL;
    }
}

static void watch(srl_permissions *p, watcher *w)
{
    *w = (watcher){.observer = {.changed = note_change}};
    srl__list_init(&w->observer.link);
    srl__permissions_observe(p, &w->observer);
}

static void changes_are_told_once(void **state)
{
    srl_permissions *p = policy_of(state);
    watcher w;
    watch(p, &w);
    add_rule(p, "a", 1);
    assert_int_equal(w.told, 1);
    srl_channel_rule rule = rule_for("a", 2);
    assert_int_equal(srl_permissions_add_rule(p, &rule), SRL_ERR_EXISTS);
    assert_int_equal(srl_permissions_remove_user(p, T("nobody")), SRL_ERR_NOT_FOUND);
    assert_int_equal(w.told, 1);
    uint64_t version = srl__permissions_version(p);
    srl_permissions_begin(p);
    srl_permissions_begin(p);
    assert_int_equal(srl_permissions_set_rule(p, &rule), SRL_OK);
    assert_int_equal(check(p, "u", "a"), 2);
    set_role(p, "r", 1);
    assert_int_equal(srl_permissions_load(p, T("{}")), SRL_OK);
    assert_int_equal(srl_permissions_commit(p), SRL_OK);
    assert_int_equal(w.told, 1);
    assert_int_equal(srl_permissions_commit(p), SRL_OK);
    assert_int_equal(w.told, 2);
    assert_int_equal(srl__permissions_version(p), version + 3);
    assert_error(p, srl_permissions_commit(p), SRL_ERR_STATE, "without begin");
    srl_permissions_begin(p);
    assert_int_equal(srl_permissions_commit(p), SRL_OK);
    assert_int_equal(w.told, 2);
    assert_int_equal(srl_permissions_load(p, T("{\"rules\":[{\"pattern\":\"a\"},{\"pattern\":\"b\"}]}")), SRL_OK);
    assert_int_equal(w.told, 3);
    assert_int_equal(srl_permissions_load(p, T("{\"rules\":[{}]}")), SRL_ERR_JSON);
    assert_int_equal(w.told, 3);
    srl__permissions_unobserve(&w.observer);
    srl__permissions_unobserve(&w.observer);
    add_rule(p, "c", 1);
    assert_int_equal(w.told, 3);
}

static void observers_may_leave_while_being_told(void **state)
{
    srl_permissions *p = policy_of(state);
    watcher w[4];
    for (size_t i = 0; i < 4; i++) {
        watch(p, &w[i]);
    }
    w[0].drops = &w[2];
    w[1].drops = &w[1];
    w[3].drops = &w[0];
    add_rule(p, "a", 1);
    add_rule(p, "b", 1);
    assert_int_equal(w[0].told, 1);
    assert_int_equal(w[1].told, 1);
    assert_int_equal(w[2].told, 0);
    assert_int_equal(w[3].told, 2);
    srl__permissions_unobserve(&w[3].observer);
}

static void a_kept_policy_outlives_its_maker(void **state)
{
    fixture *f = *state;
    srl__permissions_retain(f->p);
    srl_permissions_destroy(f->p);
    add_rule(f->p, "a", 1);
    assert_int_equal(check(f->p, "u", "a"), 1);
    srl_permissions_destroy(NULL);
}

/* ---- in words ---- */

static void every_level_is_explained(void **state)
{
    static const char expected[] =
        "user 'ann' in channel 'chat:1': subscribe, presence, history\n"
        "roles: 'r' (assigned), 'g' (given), 'base' (inherited by 'r'), 'x' (given, not defined: no effect)\n"
        "subscribe: yes: the user's override for 'chat:*' allows it\n"
        "publish: no: the user's override for 'chat:*' denies it\n"
        "presence: yes: the user's override for 'chat:*' leaves it open; role 'base' (for 'chat:1') grants it\n"
        "history: yes: the user's override for 'chat:*' leaves it open; none of the user's 3 roles grants it: "
        "role 'r' (everywhere); role 'g' (everywhere); role 'base' (for 'chat:1'); the rule for 'chat:*' grants it\n"
        "join_leave: no: the user's override for 'chat:*' leaves it open; none of the user's 3 roles grants it: "
        "role 'r' (everywhere); role 'g' (everywhere); role 'base' (for 'chat:1'); the rule for 'chat:*' does not "
        "grant it\n";
    srl_permissions *p = policy_of(state);
    srl_permissions_query q = question("ann", "chat:1");
    srl_role_name given[] = {{"g", 1}, {"x", 1}};
    char text[1024];
    override(p, "ann", "chat:*", SRL_PERM_SUBSCRIBE, SRL_PERM_PUBLISH);
    set_role(p, "r", SRL_PERM_PUBLISH);
    set_role(p, "g", SRL_PERM_NONE);
    set_role(p, "base", SRL_PERM_NONE);
    assert_int_equal(srl_permissions_set_role_channel(p, T("base"), T("chat:1"), SRL_PERM_PRESENCE), SRL_OK);
    inherit(p, "r", "base");
    assign(p, "ann", "r");
    add_rule(p, "chat:*", SRL_PERM_PUBLISH | SRL_PERM_HISTORY);
    q.roles = given;
    q.role_count = 2;
    assert_int_equal(srl_permissions_explain(p, &q, text, sizeof(text)), sizeof(expected) - 1);
    assert_string_equal(text, expected);
}

static void anonymous_and_namespace_are_explained(void **state)
{
    srl_permissions *p = policy_of(state);
    srl_permissions_query q = question("", "chat:1");
    char text[1024];
    q.namespace_granted = SRL_PERM_SUBSCRIBE;
    assert_in_range(srl_permissions_explain(p, &q, text, sizeof(text)), 1, sizeof(text) - 1);
    assert_non_null(strstr(text, "an anonymous user in channel 'chat:1': subscribe\nroles: none (anonymous users"));
    assert_non_null(strstr(text, "subscribe: yes: no rule matches; the channel's options grant it\n"));
    assert_non_null(strstr(text, "publish: no: no rule matches; the channel's options do not grant it\n"));
    add_rule(p, "chat:*", SRL_PERM_ALL);
    assert_in_range(srl_permissions_explain(p, &q, text, sizeof(text)), 1, sizeof(text) - 1);
    assert_non_null(strstr(text, "publish: no: the rule for 'chat:*' does not let anonymous users in\n"));
    q = question("bob\n", "chat:1");
    assert_in_range(srl_permissions_explain(p, &q, text, sizeof(text)), 1, sizeof(text) - 1);
    assert_non_null(strstr(text, "user 'bob?' in"));
    assert_non_null(
        strstr(text, "publish: yes: no override of the user matches; the user has no roles; the rule for 'chat:*'"));
}

static void explanations_are_cut_to_fit(void **state)
{
    srl_permissions *p = policy_of(state);
    srl_permissions_query q = question("\xE2\x82\xAC\xE2\x82\xAC", "\xF0\x9F\x98\x80");
    char full[1024], cut[1024];
    int32_t len = srl_permissions_explain(p, &q, full, sizeof(full));
    assert_int_equal(strlen(full), len);
    assert_int_equal(srl_permissions_explain(p, &q, NULL, 0), len);
    for (size_t size = 1; size <= (size_t)len + 2; size++) {
        memset(cut, 'Z', sizeof(cut));
        assert_int_equal(srl_permissions_explain(p, &q, cut, size), len);
        assert_true(cut[size] == 'Z');
        size_t got = strlen(cut);
        assert_in_range(size - 1 - got, 0, size > (size_t)len ? size : 3);
        assert_memory_equal(cut, full, got);
        assert_true(((uint8_t)full[got] & 0xC0) != 0x80);
    }
    q.size = 0;
    assert_int_equal(srl_permissions_explain(p, &q, cut, sizeof(cut)), SRL_ERR_INVALID);
}

/* ---- memory ---- */

static void asking_allocates_nothing(void **state)
{
    fixture *f = *state;
    char text[512];
    add_rule(f->p, "a:*", 1);
    set_role(f->p, "r", 1);
    assign(f->p, "u", "r");
    override(f->p, "u", "a:*:c", 1, 2);
    uint64_t calls = f->memory.calls;
    srl_permissions_query q = question("u", "a:b:c");
    srl_channel_rule rule;
    srl_channel_rule_init(&rule, sizeof(rule));
    (void)srl_permissions_check(f->p, &q);
    (void)srl_permissions_explain(f->p, &q, text, sizeof(text));
    (void)srl_permissions_rule_for(f->p, T("a:b"), &rule);
    assert_int_equal(f->memory.calls, calls);
}

static void create_checks_its_allocator(void **state)
{
    srl_allocator bad;
    srl_permissions *p;
    (void)state;
    srl_allocator_init(&bad, sizeof(bad));
    bad.resize = NULL;
    assert_int_equal(srl_permissions_create(&bad, &p), SRL_ERR_INVALID);
    assert_int_equal(srl_permissions_create(NULL, &p), SRL_OK);
    assert_string_equal(srl_permissions_last_error(p), "");
    srl_permissions_destroy(p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(seed_perm_none),
        TEST(seed_perm_subscribe),
        TEST(seed_perm_publish),
        TEST(seed_perm_presence),
        TEST(seed_perm_history),
        TEST(seed_perm_join_leave),
        TEST(seed_perm_read_only),
        TEST(seed_perm_standard),
        TEST(seed_perm_all),
        TEST(seed_rule_private_pattern),
        TEST(seed_rule_private_default_permissions),
        TEST(seed_rule_private_require_auth),
        TEST(seed_rule_private_max_subscribers),
        TEST(seed_rule_private_join_leave),
        TEST(seed_rule_private_presence),
        TEST(seed_rule_public_allow_anonymous),
        TEST(seed_rule_chat_standard),
        TEST(seed_role_admin_everywhere),
        TEST(seed_role_moderator_and_vip),
        TEST(seed_role_assign),
        TEST(seed_user_permission),
        TEST(an_empty_policy_leaves_it_to_the_namespace),
        TEST(each_permission_is_decided_by_itself),
        TEST(only_the_most_specific_override_counts),
        TEST(a_role_pattern_stands_in_for_its_global_set),
        TEST(roles_add_up_and_never_take_away),
        TEST(each_inherited_role_counts_by_itself),
        TEST(roles_may_come_with_the_question),
        TEST(anonymous_users_have_no_roles_and_overrides),
        TEST(contradictions_are_refused),
        TEST(bad_names_are_refused),
        TEST(cycles_are_refused_with_the_way_round),
        TEST(long_ways_round_are_cut),
        TEST(numbers_of_roles_are_limited),
        TEST(rules_are_added_replaced_and_walked),
        TEST(changes_are_told_once),
        TEST(observers_may_leave_while_being_told),
        TEST(a_kept_policy_outlives_its_maker),
        TEST(every_level_is_explained),
        TEST(anonymous_and_namespace_are_explained),
        TEST(explanations_are_cut_to_fit),
        TEST(asking_allocates_nothing),
        cmocka_unit_test(create_checks_its_allocator),
    };
    return cmocka_run_group_tests_name("permissions", tests, NULL, NULL);
}
