#include <stdio.h>
#include <streamrelay/error.h>

#include "base/json.h"
#include "engine/permissions_names.h"
#include "engine/permissions_policy.h"

#define MAX_NAME    255
#define MAX_ESCAPED (MAX_NAME * 6) /* each byte as \u00XX */

/* Where in the text the reading is, in words. A place is left by going back to the length it had before. */
typedef struct loader {
    srl__policy *policy;
    srl__why *why;
    char path[128];
    size_t path_len;
} loader;

typedef struct name_text {
    srl__slice text;
    char scratch[MAX_ESCAPED];
} name_text;

typedef struct member {
    const char *name;
    uint8_t types;
    bool is_required;
} member;

typedef int (*element_fn)(loader *l, const srl__json_value *value, void *user);

static size_t enter(loader *l, const char *name)
{
    size_t before = l->path_len;
    size_t room = sizeof(l->path) - before;
    int added = snprintf(l->path + before, room, before == 0 ? "%s" : ".%s", name);
    l->path_len += added < 0 ? 0 : (size_t)added < room ? (size_t)added : room - 1;
    return before;
}

static size_t enter_element(loader *l, uint32_t index)
{
    size_t before = l->path_len;
    size_t room = sizeof(l->path) - before;
    int added = snprintf(l->path + before, room, "[%u]", (unsigned)index);
    l->path_len += added < 0 ? 0 : (size_t)added < room ? (size_t)added : room - 1;
    return before;
}

static void leave(loader *l, size_t before)
{
    l->path_len = before;
    l->path[before] = '\0';
}

/* Put the place in front of the words that are there already. */
static int at_place(loader *l, int error)
{
    if (error != SRL_OK && l->path_len > 0) {
        srl__why_put_before(l->why, l->path);
    }
    return error;
}

static int fail(loader *l, int error, const char *words)
{
    return at_place(l, srl__why_set(l->why, error, "%s", words));
}

static int fail_at(loader *l, const char *name, int error, const char *words)
{
    size_t before = enter(l, name);
    error = fail(l, error, words);
    leave(l, before);
    return error;
}

/* As at_place(); what is given twice is so by its pattern. */
static int at_entry(loader *l, int error)
{
    size_t before = l->path_len;
    if (error == SRL_ERR_EXISTS) {
        before = enter(l, "pattern");
    }
    error = at_place(l, error);
    leave(l, before);
    return error;
}

/* ---- objects and arrays ---- */

static int take_member(loader *l, const srl__json_value *name, const srl__json_value *value, const member *members,
                       uint32_t count, srl__json_value *out)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!srl__json_string_is(name, srl__slice_of(members[i].name, strlen(members[i].name)))) {
            continue;
        }
        if (out[i].type != SRL__JSON_NONE) {
            return fail_at(l, members[i].name, SRL_ERR_JSON, "given twice");
        }
        if ((members[i].types & value->type) == 0) {
            return fail_at(l, members[i].name, SRL_ERR_JSON, "wrong type");
        }
        out[i] = *value;
        return SRL_OK;
    }
    return at_place(l, srl__why_set(l->why, SRL_ERR_JSON, "unknown member \"%.*s\"", SRL__WHY_ARG(name->raw)));
}

static int read_members(loader *l, const srl__json_value *object, const member *members, uint32_t count,
                        srl__json_value *out)
{
    srl__json_walk walk;
    srl__json_value name;
    srl__json_value value;
    memset(out, 0, count * sizeof(*out));
    if (object->type != SRL__JSON_OBJECT) {
        return fail(l, SRL_ERR_JSON, "must be an object");
    }
    srl__json_walk_init(&walk, object);
    while (srl__json_walk_next(&walk, &name, &value)) {
        int error = take_member(l, &name, &value, members, count, out);
        if (error != SRL_OK) {
            return error;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (members[i].is_required && out[i].type == SRL__JSON_NONE) {
            return fail_at(l, members[i].name, SRL_ERR_JSON, "is missing");
        }
    }
    return SRL_OK;
}

/* Call `each` for the elements of the array that is member `name`; none if it is not there. */
static int read_list(loader *l, const char *name, const srl__json_value *array, element_fn each, void *user)
{
    srl__json_walk walk;
    srl__json_value value;
    size_t before = enter(l, name);
    int error = SRL_OK;
    srl__json_walk_init(&walk, array);
    for (uint32_t i = 0; error == SRL_OK && srl__json_walk_next(&walk, NULL, &value); i++) {
        size_t list = enter_element(l, i);
        error = each(l, &value, user);
        leave(l, list);
    }
    leave(l, before);
    return error;
}

static int read_text(loader *l, const srl__json_value *value, name_text *out)
{
    if (value->type != SRL__JSON_STRING) {
        return fail(l, SRL_ERR_JSON, "must be a string");
    }
    if (value->raw.len > sizeof(out->scratch)) {
        return fail(l, SRL_ERR_TOO_LARGE, "is too long");
    }
    out->text = srl__json_to_string(value, out->scratch);
    return SRL_OK;
}

static int read_text_member(loader *l, const char *name, const srl__json_value *value, name_text *out)
{
    size_t before = enter(l, name);
    int error = read_text(l, value, out);
    leave(l, before);
    return error;
}

static int read_bit(loader *l, const srl__json_value *value, void *user)
{
    uint32_t *bits = user;
    name_text name;
    int error = read_text(l, value, &name);
    if (error != SRL_OK) {
        return error;
    }
    uint32_t more = srl__perm_by_name(name.text);
    if (more == 0) {
        return at_place(
            l, srl__why_set(l->why, SRL_ERR_INVALID, "there is no permission \"%.*s\"", SRL__WHY_ARG(name.text)));
    }
    if ((*bits & more) != 0) {
        return fail(l, SRL_ERR_EXISTS, "given twice");
    }
    *bits |= more;
    return SRL_OK;
}

static int read_bits(loader *l, const char *name, const srl__json_value *value, uint32_t *out)
{
    *out = SRL_PERM_NONE;
    return read_list(l, name, value, read_bit, out);
}

/* A pattern's error belongs to the member "pattern", any other one to the whole. */
static int read_pattern(loader *l, const srl__json_value *value, name_text *out)
{
    srl__pattern pattern;
    int error = read_text_member(l, "pattern", value, out);
    if (error == SRL_OK) {
        size_t before = enter(l, "pattern");
        error = at_place(l, srl__pattern_parse(out->text, &pattern, l->why));
        leave(l, before);
    }
    return error;
}

/* ---- rules ---- */

enum { R_PATTERN, R_PERMISSIONS, R_ANONYMOUS, R_AUTH, R_MAX, R_JOIN_LEAVE, R_PRESENCE, R_COUNT };

static const member rule_members[R_COUNT] = {
    {"pattern", SRL__JSON_STRING, true},          {"permissions", SRL__JSON_ARRAY, false},
    {"allow_anonymous", SRL__JSON_BOOL, false},   {"require_auth", SRL__JSON_BOOL, false},
    {"max_subscribers", SRL__JSON_NUMBER, false}, {"join_leave", SRL__JSON_BOOL, false},
    {"presence", SRL__JSON_BOOL, false},
};

static int32_t tri_state(const srl__json_value *value)
{
    bool yes;
    return srl__json_to_bool(value, &yes) ? yes : -1;
}

static int load_rule(loader *l, const srl__json_value *value, void *user)
{
    srl__json_value m[R_COUNT];
    srl_channel_rule rule;
    name_text pattern;
    uint64_t max = 0;
    (void)user;
    srl_channel_rule_init(&rule, sizeof(rule));
    int error = read_members(l, value, rule_members, R_COUNT, m);
    if (error == SRL_OK) {
        error = read_pattern(l, &m[R_PATTERN], &pattern);
    }
    if (error == SRL_OK) {
        error = read_bits(l, "permissions", &m[R_PERMISSIONS], &rule.permissions);
    }
    if (error != SRL_OK) {
        return error;
    }
    if (m[R_MAX].type != SRL__JSON_NONE && (!srl__json_to_u64(&m[R_MAX], &max) || max > UINT32_MAX)) {
        return fail_at(l, "max_subscribers", SRL_ERR_INVALID, "must be a whole number from 0 to 4294967295");
    }
    rule.pattern = pattern.text.data;
    rule.pattern_len = pattern.text.len;
    rule.allow_anonymous = tri_state(&m[R_ANONYMOUS]) == 1;
    rule.require_auth = tri_state(&m[R_AUTH]) == 1;
    rule.max_subscribers = (uint32_t)max;
    rule.join_leave = tri_state(&m[R_JOIN_LEAVE]);
    rule.presence = tri_state(&m[R_PRESENCE]);
    return at_entry(l, srl__policy_put_rule(l->policy, &rule, false, l->why));
}

/* ---- roles ---- */

enum { O_NAME, O_PERMISSIONS, O_PARENTS, O_CHANNELS, O_COUNT };

static const member role_members[O_COUNT] = {
    {"name", SRL__JSON_STRING, true},
    {"permissions", SRL__JSON_ARRAY, false},
    {"parents", SRL__JSON_ARRAY, false},
    {"channels", SRL__JSON_ARRAY, false},
};

enum { C_PATTERN, C_PERMISSIONS, C_COUNT };

static const member channel_members[C_COUNT] = {
    {"pattern", SRL__JSON_STRING, true},
    {"permissions", SRL__JSON_ARRAY, false},
};

static int load_role_channel(loader *l, const srl__json_value *value, void *user)
{
    const name_text *role = user;
    srl__json_value m[C_COUNT];
    name_text pattern;
    uint32_t granted = 0;
    int error = read_members(l, value, channel_members, C_COUNT, m);
    if (error == SRL_OK) {
        error = read_pattern(l, &m[C_PATTERN], &pattern);
    }
    if (error == SRL_OK) {
        error = read_bits(l, "permissions", &m[C_PERMISSIONS], &granted);
    }
    if (error != SRL_OK) {
        return error;
    }
    return at_entry(l, srl__policy_set_role_channel(l->policy, role->text, pattern.text, granted, false, l->why));
}

static int load_role(loader *l, const srl__json_value *value, void *user)
{
    srl__json_value m[O_COUNT];
    name_text name;
    uint32_t granted = 0;
    (void)user;
    int error = read_members(l, value, role_members, O_COUNT, m);
    if (error == SRL_OK) {
        error = read_text_member(l, "name", &m[O_NAME], &name);
    }
    if (error == SRL_OK) {
        error = read_bits(l, "permissions", &m[O_PERMISSIONS], &granted);
    }
    if (error != SRL_OK) {
        return error;
    }
    size_t before = enter(l, "name");
    error = at_place(l, srl__policy_add_role(l->policy, name.text, granted, l->why));
    leave(l, before);
    return error != SRL_OK ? error : read_list(l, "channels", &m[O_CHANNELS], load_role_channel, &name);
}

static int load_parent(loader *l, const srl__json_value *value, void *user)
{
    const name_text *role = user;
    name_text parent;
    int error = read_text(l, value, &parent);
    return error != SRL_OK ? error : at_place(l, srl__policy_add_parent(l->policy, role->text, parent.text, l->why));
}

/* The second time, when all roles are there. */
static int load_parents(loader *l, const srl__json_value *value, void *user)
{
    srl__json_value m[O_COUNT];
    name_text name;
    (void)user;
    int error = read_members(l, value, role_members, O_COUNT, m);
    if (error == SRL_OK) {
        error = read_text_member(l, "name", &m[O_NAME], &name);
    }
    return error != SRL_OK ? error : read_list(l, "parents", &m[O_PARENTS], load_parent, &name);
}

/* ---- users ---- */

enum { U_USER, U_ROLES, U_OVERRIDES, U_COUNT };

static const member user_members[U_COUNT] = {
    {"user", SRL__JSON_STRING, true},
    {"roles", SRL__JSON_ARRAY, false},
    {"overrides", SRL__JSON_ARRAY, false},
};

enum { V_PATTERN, V_ALLOW, V_DENY, V_COUNT };

static const member override_members[V_COUNT] = {
    {"pattern", SRL__JSON_STRING, true},
    {"allow", SRL__JSON_ARRAY, false},
    {"deny", SRL__JSON_ARRAY, false},
};

static int load_user_role(loader *l, const srl__json_value *value, void *user)
{
    const name_text *name = user;
    name_text role;
    int error = read_text(l, value, &role);
    return error != SRL_OK ? error : at_place(l, srl__policy_assign_role(l->policy, name->text, role.text, l->why));
}

static int load_override(loader *l, const srl__json_value *value, void *user)
{
    const name_text *name = user;
    srl__json_value m[V_COUNT];
    name_text pattern;
    uint32_t allow = 0;
    uint32_t deny = 0;
    int error = read_members(l, value, override_members, V_COUNT, m);
    if (error == SRL_OK) {
        error = read_pattern(l, &m[V_PATTERN], &pattern);
    }
    if (error == SRL_OK) {
        error = read_bits(l, "allow", &m[V_ALLOW], &allow);
    }
    if (error == SRL_OK) {
        error = read_bits(l, "deny", &m[V_DENY], &deny);
    }
    if (error != SRL_OK) {
        return error;
    }
    return at_entry(l, srl__policy_set_override(l->policy, name->text, pattern.text, allow, deny, false, l->why));
}

static int load_user(loader *l, const srl__json_value *value, void *user)
{
    srl__json_value m[U_COUNT];
    name_text name;
    (void)user;
    int error = read_members(l, value, user_members, U_COUNT, m);
    if (error == SRL_OK) {
        error = read_text_member(l, "user", &m[U_USER], &name);
    }
    if (error != SRL_OK) {
        return error;
    }
    size_t before = enter(l, "user");
    error = at_place(l, srl__policy_check_user(name.text, l->why));
    if (error == SRL_OK && srl__policy_user(l->policy, name.text) != NULL) {
        error = fail(l, SRL_ERR_EXISTS, "given twice");
    }
    leave(l, before);
    if (error == SRL_OK) {
        error = read_list(l, "roles", &m[U_ROLES], load_user_role, &name);
    }
    if (error == SRL_OK) {
        error = read_list(l, "overrides", &m[U_OVERRIDES], load_override, &name);
    }
    if (error == SRL_OK && srl__policy_user(l->policy, name.text) == NULL) {
        error = fail(l, SRL_ERR_INVALID, "has neither roles nor overrides");
    }
    return error;
}

/* ---- the whole ---- */

enum { T_VERSION, T_RULES, T_ROLES, T_USERS, T_COUNT };

static const member top_members[T_COUNT] = {
    {"version", SRL__JSON_NUMBER, false},
    {"rules", SRL__JSON_ARRAY, false},
    {"roles", SRL__JSON_ARRAY, false},
    {"users", SRL__JSON_ARRAY, false},
};

static int load_top(loader *l, const srl__json_value *value)
{
    srl__json_value m[T_COUNT];
    uint64_t version = 1;
    int error = read_members(l, value, top_members, T_COUNT, m);
    if (error != SRL_OK) {
        return error;
    }
    if (m[T_VERSION].type != SRL__JSON_NONE && (!srl__json_to_u64(&m[T_VERSION], &version) || version != 1)) {
        return fail_at(l, "version", SRL_ERR_INVALID, "must be 1");
    }
    error = read_list(l, "rules", &m[T_RULES], load_rule, NULL);
    if (error == SRL_OK) {
        error = read_list(l, "roles", &m[T_ROLES], load_role, NULL);
    }
    if (error == SRL_OK) {
        error = read_list(l, "roles", &m[T_ROLES], load_parents, NULL);
    }
    if (error == SRL_OK) {
        error = read_list(l, "users", &m[T_USERS], load_user, NULL);
    }
    return error;
}

static int check_json(srl__slice text, srl__json_value *out, srl__why *why)
{
    srl__json_limits limits = {SRL_PERMISSIONS_MAX_JSON, 16, 64};
    srl__json_error error;
    char words[128];
    if (text.len > SRL_PERMISSIONS_MAX_JSON) {
        return srl__why_set(why, SRL_ERR_TOO_LARGE, "the text has %zu bytes; at most %d", text.len,
                            SRL_PERMISSIONS_MAX_JSON);
    }
    if (!srl__json_validate(text, &limits, out, &error)) {
        (void)srl__json_error_text(&error, words, sizeof(words));
        return srl__why_set(why, SRL_ERR_JSON, "%s", words);
    }
    return SRL_OK;
}

int srl_permissions_load(srl_permissions *permissions, const char *json, size_t json_len)
{
    srl__json_value value;
    srl__policy policy;
    loader l = {.policy = &policy, .why = &permissions->why};
    int error = check_json(srl__slice_of(json, json_len), &value, &permissions->why);
    if (error != SRL_OK) {
        return error;
    }
    srl__policy_init(&policy, &permissions->alloc, permissions->seed);
    error = load_top(&l, &value);
    if (error != SRL_OK) {
        srl__policy_free(&policy);
        return error;
    }
    srl__policy_free(&permissions->policy);
    permissions->policy = policy;
    return srl__permissions_changed(permissions, SRL_OK);
}
