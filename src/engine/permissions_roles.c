#include "engine/permissions_policy.h"

#include <stdio.h>
#include <streamrelay/error.h>

#include "base/utf8.h"

static int no_memory(srl__why *why)
{
    return srl__why_set(why, SRL_ERR_NOMEM, "out of memory");
}

static int no_role(srl__why *why, srl__slice name)
{
    return srl__why_set(why, SRL_ERR_NOT_FOUND, "there is no role '%.*s'", SRL__WHY_ARG(name));
}

/* ---- defining ---- */

static int check_role_name(srl__slice name, srl__why *why)
{
    if (name.len == 0) {
        return srl__why_set(why, SRL_ERR_INVALID, "the role's name is empty");
    }
    if (name.len > SRL_PERMISSIONS_MAX_ROLE_LENGTH) {
        return srl__why_set(why, SRL_ERR_TOO_LARGE, "the role's name has %zu bytes; at most %d", name.len,
                            SRL_PERMISSIONS_MAX_ROLE_LENGTH);
    }
    if (!srl__utf8_valid(name.data, name.len)) {
        return srl__why_set(why, SRL_ERR_UTF8, "the role's name is not valid UTF-8");
    }
    for (size_t i = 0; i < name.len; i++) {
        if ((uint8_t)name.data[i] < 0x20 || name.data[i] == 0x7F) {
            return srl__why_set(why, SRL_ERR_INVALID, "role '%.*s': control character at byte %zu", SRL__WHY_ARG(name),
                                i);
        }
    }
    return SRL_OK;
}

int srl__permissions_check_role_name(srl__slice name)
{
    srl__why why;
    return check_role_name(name, &why);
}

static size_t role_size(size_t name_len)
{
    return sizeof(srl__perm_role) + name_len;
}

static void free_role(srl__policy *policy, srl__perm_role *role)
{
    srl__free(policy->alloc, role->parents, role->parent_capacity * sizeof(srl__perm_role *));
    srl__free(policy->alloc, role, role_size(role->name_len));
}

void srl__policy_free_roles(srl__policy *policy)
{
    uint32_t cursor = 0;
    for (srl__perm_role *role = srl__map_next(&policy->roles, &cursor); role != NULL;
         role = srl__map_next(&policy->roles, &cursor)) {
        free_role(policy, role);
    }
    srl__map_free(&policy->roles);
}

static int insert_role(srl__policy *policy, srl__slice name, uint32_t granted, srl__why *why)
{
    if (policy->roles.count == SRL_PERMISSIONS_MAX_ROLES) {
        return srl__why_set(why, SRL_ERR_LIMIT, "there are %d roles already", SRL_PERMISSIONS_MAX_ROLES);
    }
    srl__perm_role *role = srl__alloc_zeroed(policy->alloc, role_size(name.len));
    if (role == NULL) {
        return no_memory(why);
    }
    role->granted = granted;
    role->name_len = (uint32_t)name.len;
    memcpy(role->name, name.data, name.len);
    if (srl__map_add(&policy->roles, srl__role_name(role), role) != SRL_OK) {
        free_role(policy, role);
        return no_memory(why);
    }
    return SRL_OK;
}

static int put_role(srl__policy *policy, srl__slice name, uint32_t granted, bool replace, srl__why *why)
{
    int error = check_role_name(name, why);
    if (error == SRL_OK) {
        error = srl__policy_check_bits(granted, why);
    }
    if (error != SRL_OK) {
        return error;
    }
    srl__perm_role *role = srl__policy_role(policy, name);
    if (role == NULL) {
        return insert_role(policy, name, granted, why);
    }
    if (!replace) {
        return srl__why_set(why, SRL_ERR_EXISTS, "there is a role '%.*s' already", SRL__WHY_ARG(name));
    }
    role->granted = granted;
    return SRL_OK;
}

int srl__policy_set_role(srl__policy *policy, srl__slice name, uint32_t granted, srl__why *why)
{
    return put_role(policy, name, granted, true, why);
}

int srl__policy_add_role(srl__policy *policy, srl__slice name, uint32_t granted, srl__why *why)
{
    return put_role(policy, name, granted, false, why);
}

int srl_permissions_set_role_permission(srl_permissions *permissions, const char *role, size_t role_len,
                                        uint32_t granted)
{
    return srl__permissions_changed(
        permissions,
        srl__policy_set_role(&permissions->policy, srl__slice_of(role, role_len), granted, &permissions->why));
}

int srl__policy_set_role_channel(srl__policy *policy, srl__slice name, srl__slice text, uint32_t granted, bool replace,
                                 srl__why *why)
{
    srl__pattern pattern;
    srl__perm_role *role = srl__policy_role(policy, name);
    if (role == NULL) {
        return no_role(why, name);
    }
    int error = srl__pattern_parse(text, &pattern, why);
    if (error == SRL_OK) {
        error = srl__policy_check_bits(granted, why);
    }
    if (error != SRL_OK) {
        return error;
    }
    uint32_t end = srl__trie_find(&policy->trie, &role->channels, &pattern);
    if (end != 0 && !replace) {
        return srl__why_set(why, SRL_ERR_EXISTS, "role '%.*s' has the pattern '%.*s' already", SRL__WHY_ARG(name),
                            SRL__WHY_ARG(text));
    }
    if (end != 0) {
        srl__trie_set_value(&policy->trie, end, granted);
        return SRL_OK;
    }
    if (policy->role_channels == SRL_PERMISSIONS_MAX_ROLE_CHANNELS) {
        return srl__why_set(why, SRL_ERR_LIMIT, "the roles have %d patterns already",
                            SRL_PERMISSIONS_MAX_ROLE_CHANNELS);
    }
    error = srl__trie_add(&policy->trie, &role->channels, &pattern, granted, NULL);
    if (error != SRL_OK) {
        return srl__why_set(why, error, "out of memory");
    }
    policy->role_channels++;
    return SRL_OK;
}

int srl_permissions_set_role_channel(srl_permissions *permissions, const char *role, size_t role_len,
                                     const char *pattern, size_t pattern_len, uint32_t granted)
{
    int error = srl__policy_set_role_channel(&permissions->policy, srl__slice_of(role, role_len),
                                             srl__slice_of(pattern, pattern_len), granted, true, &permissions->why);
    return srl__permissions_changed(permissions, error);
}

/* The end of exactly this pattern of a role; 0 with the words for it if there is none. */
static uint32_t find_role_channel(srl_permissions *permissions, srl__slice name, srl__slice text, srl__perm_role **role)
{
    srl__policy *policy = &permissions->policy;
    srl__pattern pattern;
    *role = srl__policy_role(policy, name);
    if (*role == NULL) {
        (void)no_role(&permissions->why, name);
        return 0;
    }
    bool is_pattern = srl__pattern_parse(text, &pattern, &permissions->why) == SRL_OK;
    uint32_t end = is_pattern ? srl__trie_find(&policy->trie, &(*role)->channels, &pattern) : 0;
    if (end == 0) {
        (void)srl__why_set(&permissions->why, 0, "role '%.*s' has no pattern '%.*s'", SRL__WHY_ARG(name),
                           SRL__WHY_ARG(text));
    }
    return end;
}

int srl_permissions_remove_role_channel(srl_permissions *permissions, const char *role, size_t role_len,
                                        const char *pattern, size_t pattern_len)
{
    srl__perm_role *found;
    uint32_t end =
        find_role_channel(permissions, srl__slice_of(role, role_len), srl__slice_of(pattern, pattern_len), &found);
    if (end == 0) {
        return SRL_ERR_NOT_FOUND;
    }
    srl__trie_remove(&permissions->policy.trie, &found->channels, end);
    permissions->policy.role_channels--;
    return srl__permissions_changed(permissions, SRL_OK);
}

int srl_permissions_get_role(srl_permissions *permissions, const char *role, size_t role_len, const char *pattern,
                             size_t pattern_len, uint32_t *granted)
{
    srl__slice name = srl__slice_of(role, role_len);
    srl__perm_role *found = srl__policy_role(&permissions->policy, name);
    if (pattern_len == 0) {
        if (found == NULL) {
            return no_role(&permissions->why, name);
        }
        *granted = found->granted;
        return SRL_OK;
    }
    uint32_t end = find_role_channel(permissions, name, srl__slice_of(pattern, pattern_len), &found);
    if (end == 0) {
        return SRL_ERR_NOT_FOUND;
    }
    *granted = srl__trie_value(&permissions->policy.trie, end);
    return SRL_OK;
}

uint32_t srl__role_granted(srl__policy *policy, const srl__perm_role *role, srl__trie_subject *subject, uint32_t *end)
{
    *end = srl__trie_match(&policy->trie, &role->channels, subject);
    return *end == 0 ? role->granted : srl__trie_value(&policy->trie, *end);
}

/* ---- inheriting ---- */

void srl__role_walk_push(srl__role_walk *walk, srl__perm_role *role, srl__perm_role_source source, srl__perm_role *via)
{
    if (role == NULL || role->walk == walk->policy->walks) {
        return;
    }
    role->walk = walk->policy->walks;
    role->source = source;
    role->via = via;
    role->next = NULL;
    if (walk->head == NULL) {
        walk->head = role;
    } else {
        walk->tail->next = role;
    }
    walk->tail = role;
}

static void begin_walk(srl__role_walk *walk, srl__policy *policy)
{
    *walk = (srl__role_walk){.policy = policy};
    policy->walks++;
}

void srl__role_walk_init(srl__role_walk *walk, srl__policy *policy, const srl__perm_user *user,
                         const srl_permissions_query *query)
{
    begin_walk(walk, policy);
    if (query->user_len == 0) {
        return;
    }
    for (uint32_t i = 0; user != NULL && i < user->role_count; i++) {
        srl__role_walk_push(walk, user->roles[i], SRL__ROLE_ASSIGNED, NULL);
    }
    for (uint32_t i = 0; i < query->role_count && i < SRL_PERMISSIONS_MAX_USER_ROLES; i++) {
        srl__slice name = srl__slice_of(query->roles[i].data, query->roles[i].len);
        srl__role_walk_push(walk, srl__policy_role(policy, name), SRL__ROLE_GIVEN, NULL);
    }
}

srl__perm_role *srl__role_walk_next(srl__role_walk *walk)
{
    srl__perm_role *role = walk->head;
    if (role == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < role->parent_count; i++) {
        srl__role_walk_push(walk, role->parents[i], SRL__ROLE_INHERITED, role);
    }
    walk->head = role->next;
    return role;
}

static uint32_t find_parent(const srl__perm_role *role, const srl__perm_role *parent)
{
    uint32_t i = 0;
    while (i < role->parent_count && role->parents[i] != parent) {
        i++;
    }
    return i;
}

/* Write the way from `role` over `parent` back to it, as a walk has left it. */
static int tell_cycle(srl__perm_role *role, const srl__perm_role *parent, srl__why *why)
{
    char way[300];
    size_t len = 0;
    role->next = NULL;
    for (srl__perm_role *at = role; at != parent; at = at->via) {
        at->via->next = at;
    }
    for (const srl__perm_role *at = parent; at != NULL && len < sizeof(way) - 1; at = at->next) {
        int added = snprintf(way + len, sizeof(way) - len, " -> %.*s", SRL__WHY_ARG(srl__role_name(at)));
        len += added > 0 ? (size_t)added : 0;
    }
    return srl__why_set(why, SRL_ERR_INVALID, "roles cannot inherit from themselves: %.*s%s",
                        SRL__WHY_ARG(srl__role_name(role)), way);
}

static int check_no_cycle(srl__policy *policy, srl__perm_role *role, srl__perm_role *parent, srl__why *why)
{
    srl__role_walk walk;
    begin_walk(&walk, policy);
    srl__role_walk_push(&walk, parent, SRL__ROLE_INHERITED, NULL);
    for (srl__perm_role *at = srl__role_walk_next(&walk); at != NULL; at = srl__role_walk_next(&walk)) {
        if (at == role) {
            return tell_cycle(role, parent, why);
        }
    }
    return SRL_OK;
}

int srl__policy_add_parent(srl__policy *policy, srl__slice role_name, srl__slice parent_name, srl__why *why)
{
    srl__perm_role *role = srl__policy_role(policy, role_name);
    srl__perm_role *parent = srl__policy_role(policy, parent_name);
    if (role == NULL || parent == NULL) {
        return no_role(why, role == NULL ? role_name : parent_name);
    }
    if (find_parent(role, parent) < role->parent_count) {
        return srl__why_set(why, SRL_ERR_EXISTS, "role '%.*s' inherits from '%.*s' already", SRL__WHY_ARG(role_name),
                            SRL__WHY_ARG(parent_name));
    }
    int error = check_no_cycle(policy, role, parent, why);
    if (error != SRL_OK) {
        return error;
    }
    if (role->parent_count == SRL_PERMISSIONS_MAX_PARENTS) {
        return srl__why_set(why, SRL_ERR_LIMIT, "role '%.*s' inherits from %d roles already", SRL__WHY_ARG(role_name),
                            SRL_PERMISSIONS_MAX_PARENTS);
    }
    void *parents = role->parents;
    if (!srl__grow_array(policy->alloc, &parents, &role->parent_capacity, role->parent_count + 1,
                         SRL_PERMISSIONS_MAX_PARENTS, sizeof(srl__perm_role *))) {
        return no_memory(why);
    }
    role->parents = parents;
    role->parents[role->parent_count++] = parent;
    parent->children++;
    return SRL_OK;
}

int srl_permissions_add_parent(srl_permissions *permissions, const char *role, size_t role_len, const char *parent,
                               size_t parent_len)
{
    int error = srl__policy_add_parent(&permissions->policy, srl__slice_of(role, role_len),
                                       srl__slice_of(parent, parent_len), &permissions->why);
    return srl__permissions_changed(permissions, error);
}

static void drop_parent(srl__perm_role *role, uint32_t i)
{
    role->parents[i]->children--;
    role->parent_count--;
    for (; i < role->parent_count; i++) {
        role->parents[i] = role->parents[i + 1];
    }
}

int srl_permissions_remove_parent(srl_permissions *permissions, const char *role, size_t role_len, const char *parent,
                                  size_t parent_len)
{
    srl__slice name = srl__slice_of(role, role_len);
    srl__slice parent_name = srl__slice_of(parent, parent_len);
    srl__perm_role *found = srl__policy_role(&permissions->policy, name);
    if (found == NULL) {
        return no_role(&permissions->why, name);
    }
    uint32_t i = find_parent(found, srl__policy_role(&permissions->policy, parent_name));
    if (i == found->parent_count) {
        return srl__why_set(&permissions->why, SRL_ERR_NOT_FOUND, "role '%.*s' does not inherit from '%.*s'",
                            SRL__WHY_ARG(name), SRL__WHY_ARG(parent_name));
    }
    drop_parent(found, i);
    return srl__permissions_changed(permissions, SRL_OK);
}

/* ---- users ---- */

int srl__policy_check_user(srl__slice user, srl__why *why)
{
    if (user.len == 0) {
        return srl__why_set(why, SRL_ERR_INVALID, "the anonymous user has no roles and overrides");
    }
    if (user.len > SRL_PERMISSIONS_MAX_USER_LENGTH) {
        return srl__why_set(why, SRL_ERR_TOO_LARGE, "the user's id has %zu bytes; at most %d", user.len,
                            SRL_PERMISSIONS_MAX_USER_LENGTH);
    }
    if (!srl__utf8_valid(user.data, user.len)) {
        return srl__why_set(why, SRL_ERR_UTF8, "the user's id is not valid UTF-8");
    }
    return SRL_OK;
}

static size_t user_size(size_t name_len)
{
    return sizeof(srl__perm_user) + name_len;
}

static void free_user(srl__policy *policy, srl__perm_user *user)
{
    srl__free(policy->alloc, user->roles, user->role_capacity * sizeof(srl__perm_role *));
    srl__free(policy->alloc, user, user_size(user->name_len));
}

void srl__policy_free_users(srl__policy *policy)
{
    uint32_t cursor = 0;
    for (srl__perm_user *user = srl__map_next(&policy->users, &cursor); user != NULL;
         user = srl__map_next(&policy->users, &cursor)) {
        free_user(policy, user);
    }
    srl__map_free(&policy->users);
}

/* Forget a user that has nothing (any more). */
static void drop_if_empty(srl__policy *policy, srl__perm_user *user)
{
    if (user->role_count == 0 && user->overrides.count == 0) {
        (void)srl__map_remove(&policy->users, srl__slice_of(user->name, user->name_len));
        free_user(policy, user);
    }
}

/* The user, made anew if there is none; NULL with *error. Call drop_if_empty() if nothing comes of it. */
static srl__perm_user *take_user(srl__policy *policy, srl__slice name, int *error, srl__why *why)
{
    srl__perm_user *user = srl__policy_user(policy, name);
    if (user != NULL) {
        return user;
    }
    if (policy->users.count == SRL_PERMISSIONS_MAX_USERS) {
        *error = srl__why_set(why, SRL_ERR_LIMIT, "there are %d users already", SRL_PERMISSIONS_MAX_USERS);
        return NULL;
    }
    user = srl__alloc_zeroed(policy->alloc, user_size(name.len));
    if (user == NULL) {
        *error = no_memory(why);
        return NULL;
    }
    user->name_len = (uint32_t)name.len;
    memcpy(user->name, name.data, name.len);
    if (srl__map_add(&policy->users, srl__slice_of(user->name, user->name_len), user) != SRL_OK) {
        free_user(policy, user);
        *error = no_memory(why);
        return NULL;
    }
    return user;
}

static uint32_t find_user_role(const srl__perm_user *user, const srl__perm_role *role)
{
    uint32_t i = 0;
    while (i < user->role_count && user->roles[i] != role) {
        i++;
    }
    return i;
}

static int add_user_role(srl__policy *policy, srl__perm_user *user, srl__perm_role *role, srl__why *why)
{
    srl__slice name = srl__slice_of(user->name, user->name_len);
    uint32_t capacity = user->role_capacity;
    void *roles = user->roles;
    if (find_user_role(user, role) < user->role_count) {
        return srl__why_set(why, SRL_ERR_EXISTS, "user '%.*s' has the role '%.*s' already", SRL__WHY_ARG(name),
                            SRL__WHY_ARG(srl__role_name(role)));
    }
    if (user->role_count == SRL_PERMISSIONS_MAX_USER_ROLES) {
        return srl__why_set(why, SRL_ERR_LIMIT, "user '%.*s' has %d roles already", SRL__WHY_ARG(name),
                            SRL_PERMISSIONS_MAX_USER_ROLES);
    }
    if (!srl__grow_array(policy->alloc, &roles, &capacity, user->role_count + 1U, SRL_PERMISSIONS_MAX_USER_ROLES,
                         sizeof(srl__perm_role *))) {
        return no_memory(why);
    }
    user->roles = roles;
    user->role_capacity = (uint16_t)capacity;
    user->roles[user->role_count++] = role;
    role->holders++;
    return SRL_OK;
}

int srl__policy_assign_role(srl__policy *policy, srl__slice user_name, srl__slice role_name, srl__why *why)
{
    int error = srl__policy_check_user(user_name, why);
    if (error != SRL_OK) {
        return error;
    }
    srl__perm_role *role = srl__policy_role(policy, role_name);
    if (role == NULL) {
        return no_role(why, role_name);
    }
    srl__perm_user *user = take_user(policy, user_name, &error, why);
    if (user == NULL) {
        return error;
    }
    error = add_user_role(policy, user, role, why);
    drop_if_empty(policy, user);
    return error;
}

int srl_permissions_assign_role(srl_permissions *permissions, const char *user, size_t user_len, const char *role,
                                size_t role_len)
{
    int error = srl__policy_assign_role(&permissions->policy, srl__slice_of(user, user_len),
                                        srl__slice_of(role, role_len), &permissions->why);
    return srl__permissions_changed(permissions, error);
}

static void drop_user_role(srl__perm_user *user, uint32_t i)
{
    user->roles[i]->holders--;
    user->role_count--;
    for (; i < user->role_count; i++) {
        user->roles[i] = user->roles[i + 1];
    }
}

int srl_permissions_unassign_role(srl_permissions *permissions, const char *user, size_t user_len, const char *role,
                                  size_t role_len)
{
    srl__policy *policy = &permissions->policy;
    srl__slice name = srl__slice_of(user, user_len);
    srl__slice role_name = srl__slice_of(role, role_len);
    srl__perm_user *found = srl__policy_user(policy, name);
    uint32_t i = found == NULL ? 0 : find_user_role(found, srl__policy_role(policy, role_name));
    if (found == NULL || i == found->role_count) {
        return srl__why_set(&permissions->why, SRL_ERR_NOT_FOUND, "user '%.*s' does not have the role '%.*s'",
                            SRL__WHY_ARG(name), SRL__WHY_ARG(role_name));
    }
    drop_user_role(found, i);
    drop_if_empty(policy, found);
    return srl__permissions_changed(permissions, SRL_OK);
}

int srl_permissions_user_role(srl_permissions *permissions, const char *user, size_t user_len, uint32_t index,
                              const char **role, size_t *role_len)
{
    srl__slice name = srl__slice_of(user, user_len);
    const srl__perm_user *found = srl__policy_user(&permissions->policy, name);
    if (found == NULL || index >= found->role_count) {
        return srl__why_set(&permissions->why, SRL_ERR_NOT_FOUND, "user '%.*s' has only %u roles", SRL__WHY_ARG(name),
                            found == NULL ? 0U : (unsigned)found->role_count);
    }
    *role = found->roles[index]->name;
    *role_len = found->roles[index]->name_len;
    return SRL_OK;
}

/* Take a role from every user (from the last of the map to the first: removing the one shown is allowed). */
static void unassign_everywhere(srl__policy *policy, const srl__perm_role *role)
{
    uint32_t cursor = 0;
    while (role->holders > 0) {
        srl__perm_user *user = srl__map_next(&policy->users, &cursor);
        uint32_t i = find_user_role(user, role);
        if (i < user->role_count) {
            drop_user_role(user, i);
            drop_if_empty(policy, user);
        }
    }
}

static void disinherit_everywhere(srl__policy *policy, const srl__perm_role *role)
{
    uint32_t cursor = 0;
    while (role->children > 0) {
        srl__perm_role *child = srl__map_next(&policy->roles, &cursor);
        uint32_t i = find_parent(child, role);
        if (i < child->parent_count) {
            drop_parent(child, i);
        }
    }
}

int srl_permissions_remove_role(srl_permissions *permissions, const char *role, size_t role_len)
{
    srl__policy *policy = &permissions->policy;
    srl__slice name = srl__slice_of(role, role_len);
    srl__perm_role *found = srl__policy_role(policy, name);
    if (found == NULL) {
        return no_role(&permissions->why, name);
    }
    unassign_everywhere(policy, found);
    disinherit_everywhere(policy, found);
    while (found->parent_count > 0) {
        drop_parent(found, found->parent_count - 1);
    }
    policy->role_channels -= found->channels.count;
    srl__trie_clear(&policy->trie, &found->channels);
    (void)srl__map_remove(&policy->roles, name);
    free_role(policy, found);
    return srl__permissions_changed(permissions, SRL_OK);
}

/* ---- overrides ---- */

static int check_override(srl__slice user, uint32_t allow, uint32_t deny, srl__why *why)
{
    int error = srl__policy_check_user(user, why);
    if (error == SRL_OK) {
        error = srl__policy_check_bits(allow | deny, why);
    }
    if (error == SRL_OK && (allow & deny) != 0) {
        return srl__why_set(why, SRL_ERR_INVALID, "user '%.*s': permissions 0x%x are both allowed and denied",
                            SRL__WHY_ARG(user), (unsigned)(allow & deny));
    }
    return error;
}

static int put_override(srl__policy *policy, srl__perm_user *user, const srl__pattern *pattern, uint32_t value,
                        bool replace, srl__why *why)
{
    uint32_t end = srl__trie_find(&policy->trie, &user->overrides, pattern);
    if (end != 0 && !replace) {
        return srl__why_set(why, SRL_ERR_EXISTS, "user '%.*s' has an override for this pattern already",
                            SRL__WHY_ARG(srl__slice_of(user->name, user->name_len)));
    }
    if (end != 0) {
        srl__trie_set_value(&policy->trie, end, value);
        return SRL_OK;
    }
    if (policy->overrides == SRL_PERMISSIONS_MAX_OVERRIDES) {
        return srl__why_set(why, SRL_ERR_LIMIT, "there are %d overrides already", SRL_PERMISSIONS_MAX_OVERRIDES);
    }
    int error = srl__trie_add(&policy->trie, &user->overrides, pattern, value, NULL);
    if (error != SRL_OK) {
        return srl__why_set(why, error, "out of memory");
    }
    policy->overrides++;
    return SRL_OK;
}

int srl__policy_set_override(srl__policy *policy, srl__slice user_name, srl__slice text, uint32_t allow, uint32_t deny,
                             bool replace, srl__why *why)
{
    srl__pattern pattern;
    int error = check_override(user_name, allow, deny, why);
    if (error == SRL_OK) {
        error = srl__pattern_parse(text, &pattern, why);
    }
    if (error != SRL_OK) {
        return error;
    }
    srl__perm_user *user = take_user(policy, user_name, &error, why);
    if (user == NULL) {
        return error;
    }
    error = put_override(policy, user, &pattern, allow | deny << 8, replace, why);
    drop_if_empty(policy, user);
    return error;
}

int srl_permissions_set_override(srl_permissions *permissions, const char *user, size_t user_len, const char *pattern,
                                 size_t pattern_len, uint32_t allow, uint32_t deny)
{
    int error = srl__policy_set_override(&permissions->policy, srl__slice_of(user, user_len),
                                         srl__slice_of(pattern, pattern_len), allow, deny, true, &permissions->why);
    return srl__permissions_changed(permissions, error);
}

int srl_permissions_set_user_permission(srl_permissions *permissions, const char *user, size_t user_len,
                                        const char *pattern, size_t pattern_len, uint32_t granted)
{
    return srl_permissions_set_override(permissions, user, user_len, pattern, pattern_len, granted,
                                        SRL_PERM_ALL & ~granted);
}

static uint32_t find_override(srl_permissions *permissions, srl__slice name, srl__slice text, srl__perm_user **user)
{
    srl__policy *policy = &permissions->policy;
    srl__pattern pattern;
    uint32_t end = 0;
    *user = srl__policy_user(policy, name);
    if (*user != NULL && srl__pattern_parse(text, &pattern, &permissions->why) == SRL_OK) {
        end = srl__trie_find(&policy->trie, &(*user)->overrides, &pattern);
    }
    if (end == 0) {
        (void)srl__why_set(&permissions->why, 0, "user '%.*s' has no override for '%.*s'", SRL__WHY_ARG(name),
                           SRL__WHY_ARG(text));
    }
    return end;
}

int srl_permissions_get_override(srl_permissions *permissions, const char *user, size_t user_len, const char *pattern,
                                 size_t pattern_len, uint32_t *allow, uint32_t *deny)
{
    srl__perm_user *found;
    uint32_t end =
        find_override(permissions, srl__slice_of(user, user_len), srl__slice_of(pattern, pattern_len), &found);
    if (end == 0) {
        return SRL_ERR_NOT_FOUND;
    }
    *allow = srl__override_allow(srl__trie_value(&permissions->policy.trie, end));
    *deny = srl__override_deny(srl__trie_value(&permissions->policy.trie, end));
    return SRL_OK;
}

int srl_permissions_remove_override(srl_permissions *permissions, const char *user, size_t user_len,
                                    const char *pattern, size_t pattern_len)
{
    srl__perm_user *found;
    uint32_t end =
        find_override(permissions, srl__slice_of(user, user_len), srl__slice_of(pattern, pattern_len), &found);
    if (end == 0) {
        return SRL_ERR_NOT_FOUND;
    }
    srl__trie_remove(&permissions->policy.trie, &found->overrides, end);
    permissions->policy.overrides--;
    drop_if_empty(&permissions->policy, found);
    return srl__permissions_changed(permissions, SRL_OK);
}

int srl_permissions_remove_user(srl_permissions *permissions, const char *user, size_t user_len)
{
    srl__policy *policy = &permissions->policy;
    srl__slice name = srl__slice_of(user, user_len);
    srl__perm_user *found = srl__policy_user(policy, name);
    if (found == NULL) {
        return srl__why_set(&permissions->why, SRL_ERR_NOT_FOUND, "user '%.*s' has no roles and overrides",
                            SRL__WHY_ARG(name));
    }
    while (found->role_count > 0) {
        drop_user_role(found, found->role_count - 1U);
    }
    policy->overrides -= found->overrides.count;
    srl__trie_clear(&policy->trie, &found->overrides);
    drop_if_empty(policy, found);
    return srl__permissions_changed(permissions, SRL_OK);
}
