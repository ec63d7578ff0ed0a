/* The inside of a policy; private to permissions*.c. */
#ifndef SRL__PERMISSIONS_POLICY_H
#define SRL__PERMISSIONS_POLICY_H

#include "engine/permissions.h"
#include "engine/permissions_pattern.h"

typedef struct srl__perm_rule {
    uint32_t place; /* in the policy's array */
    uint32_t end;   /* of its pattern */
    uint32_t permissions;
    uint32_t max_subscribers;
    bool allow_anonymous;
    bool require_auth;
    int8_t join_leave;
    int8_t presence;
    uint32_t pattern_len;
    char pattern[];
} srl__perm_rule;

typedef enum srl__perm_role_source { SRL__ROLE_ASSIGNED, SRL__ROLE_GIVEN, SRL__ROLE_INHERITED } srl__perm_role_source;

typedef struct srl__perm_role {
    srl__trie_set channels; /* value: what is granted */
    struct srl__perm_role **parents;
    uint32_t parent_count;
    uint32_t parent_capacity;
    uint32_t children; /* roles that inherit from it */
    uint32_t holders;  /* users it is assigned to */
    uint32_t granted;
    uint32_t name_len;
    /* Of the walk that came by last. */
    uint64_t walk;
    struct srl__perm_role *next;
    struct srl__perm_role *via; /* the role that inherits from this one; NULL if the user has it directly */
    srl__perm_role_source source;
    char name[];
} srl__perm_role;

typedef struct srl__perm_user {
    srl__trie_set overrides; /* value: allow | deny << 8 */
    srl__perm_role **roles;
    uint16_t role_count;
    uint16_t role_capacity;
    uint32_t name_len;
    char name[];
} srl__perm_user;

typedef struct srl__policy {
    const srl_allocator *alloc;
    srl__trie trie;
    srl__trie_set rule_patterns; /* value: the rule's place */
    srl__perm_rule **rules;
    uint32_t rule_count;
    uint32_t rule_capacity;
    uint32_t role_channels;
    uint32_t overrides;
    srl__map roles;
    srl__map users;
    uint64_t walks;
} srl__policy;

struct srl_permissions {
    srl_allocator alloc;
    srl__policy policy;
    srl__list observers;
    uint64_t seed;
    uint64_t version;
    uint32_t references;
    uint32_t batch;
    bool changed; /* since the outermost begin */
    srl__why why;
};

static inline uint32_t srl__override_allow(uint32_t value)
{
    return value & 0xFF;
}

static inline uint32_t srl__override_deny(uint32_t value)
{
    return value >> 8;
}

static inline srl__slice srl__role_name(const srl__perm_role *role)
{
    return srl__slice_of(role->name, role->name_len);
}

/* Note a change and tell the observers, unless `error`; returns it. */
int srl__permissions_changed(srl_permissions *permissions, int error);

void srl__policy_init(srl__policy *policy, const srl_allocator *alloc, uint64_t seed);
void srl__policy_free(srl__policy *policy);

/* The public calls of these names, on the bare policy. */
int srl__policy_put_rule(srl__policy *policy, const srl_channel_rule *rule, bool replace, srl__why *why);
int srl__policy_set_role(srl__policy *policy, srl__slice name, uint32_t granted, srl__why *why);
/* As srl__policy_set_role, and SRL_ERR_EXISTS. */
int srl__policy_add_role(srl__policy *policy, srl__slice name, uint32_t granted, srl__why *why);
int srl__policy_set_role_channel(srl__policy *policy, srl__slice role, srl__slice pattern, uint32_t granted,
                                 bool replace, srl__why *why);
int srl__policy_add_parent(srl__policy *policy, srl__slice role, srl__slice parent, srl__why *why);
int srl__policy_assign_role(srl__policy *policy, srl__slice user, srl__slice role, srl__why *why);
int srl__policy_set_override(srl__policy *policy, srl__slice user, srl__slice pattern, uint32_t allow, uint32_t deny,
                             bool replace, srl__why *why);

/* 0, SRL_ERR_INVALID (unknown permission). */
int srl__policy_check_bits(uint32_t bits, srl__why *why);
int srl__policy_check_user(srl__slice user, srl__why *why);

void srl__policy_free_roles(srl__policy *policy);
void srl__policy_free_users(srl__policy *policy);

/* The user's roles, each once, those assigned first, then those given, then what they inherit from. */
typedef struct srl__role_walk {
    srl__policy *policy;
    srl__perm_role *head;
    srl__perm_role *tail;
} srl__role_walk;

void srl__role_walk_init(srl__role_walk *walk, srl__policy *policy, const srl__perm_user *user,
                         const srl_permissions_query *query);
srl__perm_role *srl__role_walk_next(srl__role_walk *walk);
/* Visit a role too, unless it was visited before. */
void srl__role_walk_push(srl__role_walk *walk, srl__perm_role *role, srl__perm_role_source source, srl__perm_role *via);

/* What a role grants in a channel; *end is its pattern that decided, or 0. */
uint32_t srl__role_granted(srl__policy *policy, const srl__perm_role *role, srl__trie_subject *subject, uint32_t *end);

static inline srl__perm_role *srl__policy_role(const srl__policy *policy, srl__slice name)
{
    return srl__map_get(&policy->roles, name);
}

/* NULL for the anonymous user and for one without roles and overrides. */
static inline srl__perm_user *srl__policy_user(const srl__policy *policy, srl__slice name)
{
    return name.len == 0 ? NULL : srl__map_get(&policy->users, name);
}

srl__perm_rule *srl__policy_match_rule(srl__policy *policy, srl__trie_subject *subject);

static inline uint32_t srl__rule_granted(const srl__perm_rule *rule, bool is_anonymous)
{
    return is_anonymous && !rule->allow_anonymous ? SRL_PERM_NONE : rule->permissions;
}

#endif
