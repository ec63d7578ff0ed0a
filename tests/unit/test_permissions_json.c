#include <streamrelay/error.h>
#include <streamrelay/permissions.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/fail_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define T(text) (text), sizeof(text) - 1

/* Saved: sorted, nothing said that needs not be. */
static const char full[] =
    "{\"version\":1,\"rules\":["
    "{\"pattern\":\"*\",\"permissions\":[]},"
    "{\"pattern\":\"chat:*\",\"permissions\":[\"subscribe\",\"publish\",\"presence\"],\"require_auth\":true,"
    "\"join_leave\":true,\"presence\":false},"
    "{\"pattern\":\"private:*\",\"permissions\":[],\"require_auth\":true,\"max_subscribers\":100,\"join_leave\":true,"
    "\"presence\":true},"
    "{\"pattern\":\"public:*\",\"permissions\":[\"subscribe\",\"presence\",\"history\"],\"allow_anonymous\":true,"
    "\"max_subscribers\":4294967295}],"
    "\"roles\":["
    "{\"name\":\"moderator\",\"permissions\":[\"subscribe\",\"publish\",\"presence\",\"history\",\"join_leave\"],"
    "\"parents\":[\"base\",\"vip\"],\"channels\":[{\"pattern\":\"log:*\",\"permissions\":[\"subscribe\"]},"
    "{\"pattern\":\"log:*:x\",\"permissions\":[]},{\"pattern\":\"log:ab*\",\"permissions\":[]}]},"
    "{\"name\":\"vip\",\"permissions\":[\"publish\"],\"parents\":[\"base\"]}],"
    "\"users\":["
    "{\"user\":\"a\\\"\\u0001\xC3\xA4\",\"roles\":[\"moderator\",\"vip\"]},"
    "{\"user\":\"user_789\",\"overrides\":[{\"pattern\":\"chat:general\",\"allow\":[\"subscribe\"],\"deny\":"
    "[\"publish\",\"history\"]},{\"pattern\":\"x:*\",\"allow\":[],\"deny\":[]}]}]}";

/* `full` with the role "base" that it inherits from, in its place. */
static void make_full(char *out, size_t size)
{
    const char *roles = strstr(full, "\"roles\":[") + strlen("\"roles\":[");
    snprintf(out, size, "%.*s{\"name\":\"base\",\"permissions\":[]},%s", (int)(roles - full), full, roles);
}

static srl_permissions *new_policy(void)
{
    srl_permissions *p;
    assert_int_equal(srl_permissions_create(NULL, &p), SRL_OK);
    return p;
}

static void assert_saved(srl_permissions *p, const char *expected)
{
    char text[4096];
    int64_t len = srl_permissions_save(p, text, sizeof(text));
    assert_int_equal(len, strlen(expected));
    assert_string_equal(text, expected);
}

static void assert_refused(const char *json, int expected, const char *words)
{
    char text[4096];
    srl_permissions *p = new_policy();
    make_full(text, sizeof(text));
    assert_int_equal(srl_permissions_load(p, text, strlen(text)), SRL_OK);
    int error = srl_permissions_load(p, json, strlen(json));
    if (error != expected || strcmp(srl_permissions_last_error(p), words) != 0) {
        print_error("%s\n%s: %s\n", json, srl_error_name(error), srl_permissions_last_error(p));
    }
    assert_int_equal(error, expected);
    assert_string_equal(srl_permissions_last_error(p), words);
    assert_saved(p, text);
    srl_permissions_destroy(p);
}

static void the_round_trip_is_exact(void **unused)
{
    char text[4096];
    srl_permissions *p = new_policy();
    (void)unused;
    make_full(text, sizeof(text));
    assert_int_equal(srl_permissions_load(p, text, strlen(text)), SRL_OK);
    assert_saved(p, text);
    srl_permissions_destroy(p);
}

static void an_empty_policy(void **unused)
{
    srl_permissions *p = new_policy();
    (void)unused;
    assert_saved(p, "{\"version\":1,\"rules\":[],\"roles\":[],\"users\":[]}");
    assert_int_equal(srl_permissions_load(p, T("{}")), SRL_OK);
    assert_int_equal(srl_permissions_load(p, T(" { \"users\" : [ ] } ")), SRL_OK);
    assert_saved(p, "{\"version\":1,\"rules\":[],\"roles\":[],\"users\":[]}");
    srl_permissions_destroy(p);
}

/* The order in which it was made does not show. */
static void the_order_is_that_of_the_names(void **unused)
{
    static const char *const names[] = {"zz", "a", "m", "ab", "b", "Z"};
    char saved[2][4096];
    (void)unused;
    for (size_t round = 0; round < 2; round++) {
        srl_permissions *p = new_policy();
        for (size_t i = 0; i < 6; i++) {
            const char *name = names[round == 0 ? i : 5 - i];
            size_t len = strlen(name);
            srl_channel_rule rule;
            srl_channel_rule_init(&rule, sizeof(rule));
            rule.pattern = name;
            rule.pattern_len = len;
            assert_int_equal(srl_permissions_add_rule(p, &rule), SRL_OK);
            assert_int_equal(srl_permissions_set_role_permission(p, name, len, 1), SRL_OK);
            assert_int_equal(srl_permissions_assign_role(p, T("u"), name, len), SRL_OK);
            assert_int_equal(srl_permissions_set_override(p, name, len, T("*"), 1, 2), SRL_OK);
            assert_int_equal(srl_permissions_set_override(p, T("u"), name, len, 1, 2), SRL_OK);
        }
        assert_in_range(srl_permissions_save(p, saved[round], sizeof(saved[round])), 100, sizeof(saved[round]) - 1);
        srl_permissions_destroy(p);
    }
    assert_string_equal(saved[0], saved[1]);
    assert_non_null(strstr(saved[0], "\"roles\":[\"Z\",\"a\",\"ab\",\"b\",\"m\",\"zz\"]"));
}

static void what_does_not_fit_is_not_there(void **unused)
{
    char text[4096], room[4096];
    srl_permissions *p = new_policy();
    (void)unused;
    make_full(text, sizeof(text));
    size_t len = strlen(text);
    assert_int_equal(srl_permissions_load(p, text, len), SRL_OK);
    assert_int_equal(srl_permissions_save(p, NULL, 0), len);
    for (size_t size = 1; size <= len; size += 37) {
        memset(room, 'Z', sizeof(room));
        assert_int_equal(srl_permissions_save(p, room, size), len);
        assert_int_equal(room[0], '\0');
        assert_int_equal(room[size], 'Z');
    }
    room[0] = 'Z';
    assert_int_equal(srl_permissions_save(p, room, len), len);
    assert_int_equal(room[0], '\0');
    assert_int_equal(srl_permissions_save(p, room, len + 1), len);
    assert_string_equal(room, text);
    srl_permissions_destroy(p);
}

static void names_of_sets_are_understood(void **unused)
{
    srl_permissions *p = new_policy();
    (void)unused;
    assert_int_equal(srl_permissions_load(p, T("{\"rules\":[{\"pattern\":\"a\",\"permissions\":[\"read_only\","
                                               "\"publish\"]},{\"pattern\":\"b\",\"permissions\":[\"standard\"]},"
                                               "{\"pattern\":\"c\",\"permissions\":[\"all\"]}]}")),
                     SRL_OK);
    assert_saved(p, "{\"version\":1,\"rules\":[{\"pattern\":\"a\",\"permissions\":[\"subscribe\",\"publish\","
                    "\"presence\",\"history\"]},{\"pattern\":\"b\",\"permissions\":[\"subscribe\",\"publish\","
                    "\"presence\"]},{\"pattern\":\"c\",\"permissions\":[\"subscribe\",\"publish\",\"presence\","
                    "\"history\",\"join_leave\"]}],\"roles\":[],\"users\":[]}");
    srl_permissions_destroy(p);
}

static void escapes_mean_what_they_say(void **unused)
{
    char json[2048];
    char name[1600] = "";
    srl_permissions *p = new_policy();
    (void)unused;
    for (size_t i = 0; i < 255; i++) {
        memcpy(name + 6 * i, "\\u0041", 7);
    }
    snprintf(json, sizeof(json), "{\"us\\u0065rs\":[{\"user\":\"%s\",\"overrides\":[{\"pattern\":\"\\u002a\"}]}]}",
             name);
    assert_int_equal(srl_permissions_load(p, json, strlen(json)), SRL_OK);
    assert_in_range(srl_permissions_save(p, json, sizeof(json)), 300, 400);
    assert_non_null(strstr(json, "AAAA\",\"overrides\":[{\"pattern\":\"*\",\"allow\":[],\"deny\":[]}]"));
    srl_permissions_destroy(p);
    snprintf(json, sizeof(json), "{\"users\":[{\"user\":\"%sA\",\"overrides\":[]}]}", name);
    assert_refused(json, SRL_ERR_TOO_LARGE, "users[0].user: is too long");
}

static void errors_name_the_place(void **unused)
{
    (void)unused;
    assert_refused("{\"rules\":[{\"pattern\":\"a\"},{\"pattern\":\"a*b\"}]}", SRL_ERR_INVALID,
                   "rules[1].pattern: pattern 'a*b': the '*' at byte 1 is neither a whole segment nor the pattern's "
                   "end");
    assert_refused("{\"rules\":[{\"pattern\":\"a\"},{\"pattern\":\"a\"}]}", SRL_ERR_EXISTS,
                   "rules[1].pattern: there is a rule for 'a' already");
    assert_refused("{\"rules\":[{\"pattern\":\"a\",\"pattern\":\"b\"}]}", SRL_ERR_JSON,
                   "rules[0].pattern: given twice");
    assert_refused("{\"rules\":[{}]}", SRL_ERR_JSON, "rules[0].pattern: is missing");
    assert_refused("{\"rules\":[7]}", SRL_ERR_JSON, "rules[0]: must be an object");
    assert_refused("{\"rules\":{}}", SRL_ERR_JSON, "rules: wrong type");
    assert_refused("{\"rules\":[{\"pattern\":\"a\",\"colour\":1}]}", SRL_ERR_JSON,
                   "rules[0]: unknown member \"colour\"");
    assert_refused("{\"rule\":[]}", SRL_ERR_JSON, "unknown member \"rule\"");
    assert_refused("{\"rules\":[],\"rules\":[]}", SRL_ERR_JSON, "rules: given twice");
    assert_refused("{\"rules\":[{\"pattern\":\"a\",\"presence\":null}]}", SRL_ERR_JSON,
                   "rules[0].presence: wrong type");
    assert_refused("{\"rules\":[{\"pattern\":\"a\",\"max_subscribers\":-1}]}", SRL_ERR_INVALID,
                   "rules[0].max_subscribers: must be a whole number from 0 to 4294967295");
    assert_refused("{\"rules\":[{\"pattern\":\"a\",\"max_subscribers\":4294967296}]}", SRL_ERR_INVALID,
                   "rules[0].max_subscribers: must be a whole number from 0 to 4294967295");
    assert_refused("{\"rules\":[{\"pattern\":\"a\",\"allow_anonymous\":true,\"require_auth\":true}]}", SRL_ERR_INVALID,
                   "rules[0]: rule 'a': allow_anonymous and require_auth contradict each other");
    assert_refused("{\"rules\":[{\"pattern\":\"a\",\"permissions\":[\"publish\",\"subcribe\"]}]}", SRL_ERR_INVALID,
                   "rules[0].permissions[1]: there is no permission \"subcribe\"");
    assert_refused("{\"rules\":[{\"pattern\":\"a\",\"permissions\":[\"publish\",\"all\"]}]}", SRL_ERR_EXISTS,
                   "rules[0].permissions[1]: given twice");
    assert_refused("{\"rules\":[{\"pattern\":\"a\",\"permissions\":[1]}]}", SRL_ERR_JSON,
                   "rules[0].permissions[0]: must be a string");
    assert_refused("{\"version\":2}", SRL_ERR_INVALID, "version: must be 1");
    assert_refused("[]", SRL_ERR_JSON, "must be an object");
}

static void errors_in_roles_and_users_name_the_place(void **unused)
{
    (void)unused;
    assert_refused("{\"roles\":[{\"name\":\"a\"},{\"name\":\"a\"}]}", SRL_ERR_EXISTS,
                   "roles[1].name: there is a role 'a' already");
    assert_refused("{\"roles\":[{\"name\":\"\"}]}", SRL_ERR_INVALID, "roles[0].name: the role's name is empty");
    assert_refused("{\"roles\":[{\"name\":\"a\",\"parents\":[\"b\"]}]}", SRL_ERR_NOT_FOUND,
                   "roles[0].parents[0]: there is no role 'b'");
    assert_refused("{\"roles\":[{\"name\":\"a\",\"parents\":[\"b\"]},{\"name\":\"b\",\"parents\":[\"a\"]}]}",
                   SRL_ERR_INVALID, "roles[1].parents[0]: roles cannot inherit from themselves: b -> a -> b");
    assert_refused("{\"roles\":[{\"name\":\"b\"},{\"name\":\"a\",\"parents\":[\"b\",\"b\"]}]}", SRL_ERR_EXISTS,
                   "roles[1].parents[1]: role 'a' inherits from 'b' already");
    assert_refused("{\"roles\":[{\"name\":\"a\",\"channels\":[{\"pattern\":\"x\"},{\"pattern\":\"x\"}]}]}",
                   SRL_ERR_EXISTS, "roles[0].channels[1].pattern: role 'a' has the pattern 'x' already");
    assert_refused("{\"users\":[{\"user\":\"a\",\"roles\":[\"b\"]}]}", SRL_ERR_NOT_FOUND,
                   "users[0].roles[0]: there is no role 'b'");
    assert_refused("{\"roles\":[{\"name\":\"b\"}],\"users\":[{\"user\":\"a\",\"roles\":[\"b\",\"b\"]}]}",
                   SRL_ERR_EXISTS, "users[0].roles[1]: user 'a' has the role 'b' already");
    assert_refused("{\"users\":[{\"user\":\"a\"}]}", SRL_ERR_INVALID, "users[0]: has neither roles nor overrides");
    assert_refused("{\"users\":[{\"user\":\"\"}]}", SRL_ERR_INVALID,
                   "users[0].user: the anonymous user has no roles and overrides");
    assert_refused("{\"users\":[{\"user\":\"a\",\"overrides\":[{\"pattern\":\"x\"},{\"pattern\":\"x\"}]}]}",
                   SRL_ERR_EXISTS, "users[0].overrides[1].pattern: user 'a' has an override for this pattern already");
    assert_refused("{\"users\":[{\"user\":\"a\",\"overrides\":[{\"pattern\":\"x\",\"allow\":[\"all\"],\"deny\":"
                   "[\"publish\"]}]}]}",
                   SRL_ERR_INVALID, "users[0].overrides[0]: user 'a': permissions 0x2 are both allowed and denied");
    assert_refused("{\"users\":[{\"user\":\"a\",\"overrides\":[{\"pattern\":\"x\"}]},{\"user\":\"a\",\"overrides\":"
                   "[{\"pattern\":\"y\"}]}]}",
                   SRL_ERR_EXISTS, "users[1].user: given twice");
}

static void broken_texts_are_refused(void **unused)
{
    srl_permissions *p = new_policy();
    char text[4096];
    (void)unused;
    make_full(text, sizeof(text));
    for (size_t len = 0; len < strlen(text); len++) {
        char *cut = malloc(len + 1);
        assert_non_null(cut);
        memcpy(cut, text, len);
        assert_int_equal(srl_permissions_load(p, cut, len), SRL_ERR_JSON);
        assert_non_null(strstr(srl_permissions_last_error(p), "byte"));
        free(cut);
    }
    assert_saved(p, "{\"version\":1,\"rules\":[],\"roles\":[],\"users\":[]}");
    assert_refused("{} x", SRL_ERR_JSON, "more text after the value at byte 3");
    srl_permissions_destroy(p);
}

static void a_large_policy(void **unused)
{
    srl_permissions *p = new_policy();
    srl_permissions_counts counts = {.size = sizeof(counts)};
    char user[32], pattern[32];
    (void)unused;
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(user, sizeof(user), "user%u", i % 5000 * 7919 % 5000);
        snprintf(pattern, sizeof(pattern), "chat:%u:*", i);
        assert_int_equal(srl_permissions_set_override(p, user, strlen(user), pattern, strlen(pattern), 1, 2), SRL_OK);
    }
    int64_t len = srl_permissions_save(p, NULL, 0);
    char *first = malloc((size_t)len + 1);
    char *second = malloc((size_t)len + 1);
    assert_non_null(first);
    assert_non_null(second);
    assert_int_equal(srl_permissions_save(p, first, (size_t)len + 1), len);
    assert_int_equal(srl_permissions_load(p, first, (size_t)len), SRL_OK);
    assert_int_equal(srl_permissions_count(p, &counts), SRL_OK);
    assert_int_equal(counts.overrides, 20000);
    assert_int_equal(counts.users, 5000);
    assert_int_equal(srl_permissions_save(p, second, (size_t)len + 1), len);
    assert_string_equal(first, second);
    free(first);
    free(second);
    srl_permissions_destroy(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_round_trip_is_exact),        cmocka_unit_test(an_empty_policy),
        cmocka_unit_test(the_order_is_that_of_the_names), cmocka_unit_test(what_does_not_fit_is_not_there),
        cmocka_unit_test(names_of_sets_are_understood),   cmocka_unit_test(escapes_mean_what_they_say),
        cmocka_unit_test(errors_name_the_place),          cmocka_unit_test(errors_in_roles_and_users_name_the_place),
        cmocka_unit_test(broken_texts_are_refused),       cmocka_unit_test(a_large_policy),
    };
    return cmocka_run_group_tests_name("permissions_json", tests, NULL, NULL);
}
