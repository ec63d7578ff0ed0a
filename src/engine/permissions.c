#include "engine/permissions.h"

#include <streamrelay/error.h>

#include "base/table.h"
#include "engine/permissions_policy.h"

/* ---- the handle ---- */

void srl__policy_init(srl__policy *policy, const srl_allocator *alloc, uint64_t seed)
{
    *policy = (srl__policy){.alloc = alloc};
    srl__trie_init(&policy->trie, alloc, seed);
    srl__map_init(&policy->roles, alloc, seed + 1);
    srl__map_init(&policy->users, alloc, seed + 2);
}

static size_t rule_size(size_t pattern_len)
{
    return sizeof(srl__perm_rule) + pattern_len;
}

void srl__policy_free(srl__policy *policy)
{
    for (uint32_t i = 0; i < policy->rule_count; i++) {
        srl__free(policy->alloc, policy->rules[i], rule_size(policy->rules[i]->pattern_len));
    }
    srl__free(policy->alloc, policy->rules, policy->rule_capacity * sizeof(srl__perm_rule *));
    srl__policy_free_users(policy);
    srl__policy_free_roles(policy);
    srl__trie_free(&policy->trie);
}

int srl_permissions_create(const srl_allocator *allocator, srl_permissions **out)
{
    srl_allocator alloc;
    srl_platform platform;
    uint64_t seed;
    if (!srl__allocator_take(&alloc, allocator)) {
        return SRL_ERR_INVALID;
    }
    srl_platform_init(&platform, sizeof(platform));
    if (platform.random(&seed, sizeof(seed), platform.user) != 0) {
        return SRL_ERR_SYSTEM;
    }
    srl_permissions *permissions = srl__alloc_zeroed(&alloc, sizeof(*permissions));
    if (permissions == NULL) {
        return SRL_ERR_NOMEM;
    }
    permissions->alloc = alloc;
    permissions->references = 1;
    permissions->seed = seed;
    srl__list_init(&permissions->observers);
    srl__policy_init(&permissions->policy, &permissions->alloc, seed);
    *out = permissions;
    return SRL_OK;
}

void srl__permissions_retain(srl_permissions *permissions)
{
    permissions->references++;
}

void srl_permissions_destroy(srl_permissions *permissions)
{
    if (permissions == NULL || --permissions->references > 0) {
        return;
    }
    srl_allocator alloc = permissions->alloc;
    srl__policy_free(&permissions->policy);
    srl__free(&alloc, permissions, sizeof(*permissions));
}

const char *srl_permissions_last_error(const srl_permissions *permissions)
{
    return permissions->why.text;
}

/* ---- changes ---- */

void srl__permissions_observe(srl_permissions *permissions, srl__permissions_observer *observer)
{
    srl__list_append(&permissions->observers, &observer->link);
}

void srl__permissions_unobserve(srl__permissions_observer *observer)
{
    srl__list_remove(&observer->link);
}

uint64_t srl__permissions_version(const srl_permissions *permissions)
{
    return permissions->version;
}

uint64_t srl__permissions_steps(const srl_permissions *permissions)
{
    return permissions->policy.trie.steps;
}

static void notify(srl_permissions *permissions)
{
    srl__list waiting;
    srl__list_init(&waiting);
    srl__list_append_all(&waiting, &permissions->observers);
    for (srl__list *link = srl__list_take_first(&waiting); link != NULL; link = srl__list_take_first(&waiting)) {
        srl__permissions_observer *observer = SRL__CONTAINER(link, srl__permissions_observer, link);
        srl__list_append(&permissions->observers, link);
        observer->changed(observer);
    }
}

int srl__permissions_changed(srl_permissions *permissions, int error)
{
    if (error != SRL_OK) {
        return error;
    }
    permissions->version++;
    if (permissions->batch > 0) {
        permissions->changed = true;
    } else {
        notify(permissions);
    }
    return SRL_OK;
}

void srl_permissions_begin(srl_permissions *permissions)
{
    permissions->batch++;
}

int srl_permissions_commit(srl_permissions *permissions)
{
    if (permissions->batch == 0) {
        return srl__why_set(&permissions->why, SRL_ERR_STATE, "commit without begin");
    }
    permissions->batch--;
    if (permissions->batch == 0 && permissions->changed) {
        permissions->changed = false;
        notify(permissions);
    }
    return SRL_OK;
}

int srl_permissions_count(const srl_permissions *permissions, srl_permissions_counts *out)
{
    const srl__policy *policy = &permissions->policy;
    if (out->size != sizeof(*out)) {
        return SRL_ERR_INVALID;
    }
    *out = (srl_permissions_counts){
        .size = sizeof(*out),
        .rules = policy->rule_count,
        .roles = policy->roles.count,
        .role_channels = policy->role_channels,
        .users = policy->users.count,
        .overrides = policy->overrides,
    };
    return SRL_OK;
}

int srl__policy_check_bits(uint32_t bits, srl__why *why)
{
    if ((bits & ~(uint32_t)SRL_PERM_ALL) != 0) {
        return srl__why_set(why, SRL_ERR_INVALID, "there are no permissions 0x%x",
                            (unsigned)(bits & ~(uint32_t)SRL_PERM_ALL));
    }
    return SRL_OK;
}

/* ---- rules ---- */

void srl_channel_rule_init(srl_channel_rule *rule, size_t size)
{
    srl_channel_rule empty = {.join_leave = -1, .presence = -1};
    srl__table_fill(rule, size, &empty, sizeof(empty));
}

static bool is_tri_state(int32_t value)
{
    return value >= -1 && value <= 1;
}

static int check_rule(const srl_channel_rule *rule, srl__why *why)
{
    srl__slice pattern = srl__slice_of(rule->pattern, rule->pattern_len);
    if (rule->allow_anonymous > 1 || rule->require_auth > 1) {
        return srl__why_set(why, SRL_ERR_INVALID, "rule '%.*s': allow_anonymous and require_auth are 0 or 1",
                            SRL__WHY_ARG(pattern));
    }
    if (rule->allow_anonymous == 1 && rule->require_auth == 1) {
        return srl__why_set(why, SRL_ERR_INVALID, "rule '%.*s': allow_anonymous and require_auth contradict each other",
                            SRL__WHY_ARG(pattern));
    }
    if (!is_tri_state(rule->join_leave) || !is_tri_state(rule->presence)) {
        return srl__why_set(why, SRL_ERR_INVALID, "rule '%.*s': join_leave and presence are 1, 0 or -1",
                            SRL__WHY_ARG(pattern));
    }
    return srl__policy_check_bits(rule->permissions, why);
}

static void fill_rule(srl__perm_rule *to, const srl_channel_rule *from)
{
    to->permissions = from->permissions;
    to->max_subscribers = from->max_subscribers;
    to->allow_anonymous = from->allow_anonymous == 1;
    to->require_auth = from->require_auth == 1;
    to->join_leave = (int8_t)from->join_leave;
    to->presence = (int8_t)from->presence;
}

static int insert_rule(srl__policy *policy, const srl_channel_rule *from, const srl__pattern *pattern, srl__why *why)
{
    if (policy->rule_count == SRL_PERMISSIONS_MAX_RULES) {
        return srl__why_set(why, SRL_ERR_LIMIT, "there are %d rules already", SRL_PERMISSIONS_MAX_RULES);
    }
    void *rules = policy->rules;
    if (!srl__grow_array(policy->alloc, &rules, &policy->rule_capacity, policy->rule_count + 1,
                         SRL_PERMISSIONS_MAX_RULES, sizeof(srl__perm_rule *))) {
        return srl__why_set(why, SRL_ERR_NOMEM, "out of memory");
    }
    policy->rules = rules;
    srl__perm_rule *rule = srl__alloc(policy->alloc, rule_size(from->pattern_len));
    if (rule == NULL) {
        return srl__why_set(why, SRL_ERR_NOMEM, "out of memory");
    }
    int error = srl__trie_add(&policy->trie, &policy->rule_patterns, pattern, policy->rule_count, &rule->end);
    if (error != SRL_OK) {
        srl__free(policy->alloc, rule, rule_size(from->pattern_len));
        return srl__why_set(why, error, "out of memory");
    }
    fill_rule(rule, from);
    rule->pattern_len = (uint32_t)from->pattern_len;
    memcpy(rule->pattern, from->pattern, from->pattern_len);
    rule->place = policy->rule_count;
    policy->rules[policy->rule_count++] = rule;
    return SRL_OK;
}

int srl__policy_put_rule(srl__policy *policy, const srl_channel_rule *rule, bool replace, srl__why *why)
{
    srl__pattern pattern;
    if (!srl__table_fits(rule, sizeof(*rule))) {
        return srl__why_set(why, SRL_ERR_INVALID, "the rule was not filled by srl_channel_rule_init()");
    }
    int error = srl__pattern_parse(srl__slice_of(rule->pattern, rule->pattern_len), &pattern, why);
    if (error == SRL_OK) {
        error = check_rule(rule, why);
    }
    if (error != SRL_OK) {
        return error;
    }
    uint32_t end = srl__trie_find(&policy->trie, &policy->rule_patterns, &pattern);
    if (end == 0) {
        return insert_rule(policy, rule, &pattern, why);
    }
    if (!replace) {
        return srl__why_set(why, SRL_ERR_EXISTS, "there is a rule for '%.*s' already",
                            SRL__WHY_ARG(srl__slice_of(rule->pattern, rule->pattern_len)));
    }
    fill_rule(policy->rules[srl__trie_value(&policy->trie, end)], rule);
    return SRL_OK;
}

int srl_permissions_add_rule(srl_permissions *permissions, const srl_channel_rule *rule)
{
    return srl__permissions_changed(permissions,
                                    srl__policy_put_rule(&permissions->policy, rule, false, &permissions->why));
}

int srl_permissions_set_rule(srl_permissions *permissions, const srl_channel_rule *rule)
{
    return srl__permissions_changed(permissions,
                                    srl__policy_put_rule(&permissions->policy, rule, true, &permissions->why));
}

/* NULL if there is none, with the words for it. */
static srl__perm_rule *find_rule(srl_permissions *permissions, srl__slice text)
{
    srl__policy *policy = &permissions->policy;
    srl__pattern pattern;
    bool is_pattern = srl__pattern_parse(text, &pattern, &permissions->why) == SRL_OK;
    uint32_t end = is_pattern ? srl__trie_find(&policy->trie, &policy->rule_patterns, &pattern) : 0;
    if (end == 0) {
        (void)srl__why_set(&permissions->why, 0, "there is no rule for '%.*s'", SRL__WHY_ARG(text));
        return NULL;
    }
    return policy->rules[srl__trie_value(&policy->trie, end)];
}

int srl_permissions_remove_rule(srl_permissions *permissions, const char *pattern, size_t pattern_len)
{
    srl__policy *policy = &permissions->policy;
    srl__perm_rule *rule = find_rule(permissions, srl__slice_of(pattern, pattern_len));
    if (rule == NULL) {
        return SRL_ERR_NOT_FOUND;
    }
    srl__perm_rule *last = policy->rules[--policy->rule_count];
    last->place = rule->place;
    policy->rules[last->place] = last;
    srl__trie_set_value(&policy->trie, last->end, last->place);
    srl__trie_remove(&policy->trie, &policy->rule_patterns, rule->end);
    srl__free(policy->alloc, rule, rule_size(rule->pattern_len));
    return srl__permissions_changed(permissions, SRL_OK);
}

static int show_rule(const srl__perm_rule *rule, srl_channel_rule *out)
{
    *out = (srl_channel_rule){
        .size = sizeof(*out),
        .permissions = rule->permissions,
        .pattern = rule->pattern,
        .pattern_len = rule->pattern_len,
        .allow_anonymous = rule->allow_anonymous,
        .require_auth = rule->require_auth,
        .max_subscribers = rule->max_subscribers,
        .join_leave = rule->join_leave,
        .presence = rule->presence,
    };
    return SRL_OK;
}

static int check_view(srl_permissions *permissions, const srl_channel_rule *out)
{
    if (out->size != sizeof(*out)) {
        return srl__why_set(&permissions->why, SRL_ERR_INVALID, "the size of the rule to fill is not set");
    }
    return SRL_OK;
}

int srl_permissions_get_rule(srl_permissions *permissions, const char *pattern, size_t pattern_len,
                             srl_channel_rule *out)
{
    int error = check_view(permissions, out);
    if (error != SRL_OK) {
        return error;
    }
    const srl__perm_rule *rule = find_rule(permissions, srl__slice_of(pattern, pattern_len));
    return rule == NULL ? SRL_ERR_NOT_FOUND : show_rule(rule, out);
}

/* From the last to the first: a removal fills the place with the last one, which was shown before. */
int srl_permissions_next_rule(srl_permissions *permissions, uint32_t *cursor, srl_channel_rule *out)
{
    const srl__policy *policy = &permissions->policy;
    uint32_t left = *cursor == 0 || *cursor > policy->rule_count + 1 ? policy->rule_count : *cursor - 1;
    int error = check_view(permissions, out);
    if (error != SRL_OK) {
        return error;
    }
    if (left == 0) {
        *cursor = 1;
        return srl__why_set(&permissions->why, SRL_ERR_NOT_FOUND, "there are no more rules");
    }
    *cursor = left;
    return show_rule(policy->rules[left - 1], out);
}

srl__perm_rule *srl__policy_match_rule(srl__policy *policy, srl__trie_subject *subject)
{
    uint32_t end = srl__trie_match(&policy->trie, &policy->rule_patterns, subject);
    return end == 0 ? NULL : policy->rules[srl__trie_value(&policy->trie, end)];
}

int srl_permissions_rule_for(srl_permissions *permissions, const char *channel, size_t channel_len,
                             srl_channel_rule *out)
{
    srl__trie_subject subject;
    int error = check_view(permissions, out);
    if (error != SRL_OK) {
        return error;
    }
    srl__trie_subject_init(&subject, srl__slice_of(channel, channel_len));
    const srl__perm_rule *rule = srl__policy_match_rule(&permissions->policy, &subject);
    if (rule == NULL) {
        return srl__why_set(&permissions->why, SRL_ERR_NOT_FOUND, "no rule matches '%.*s'", SRL__WHY_ARG(subject.text));
    }
    return show_rule(rule, out);
}

/* ---- the question ---- */

void srl_permissions_query_init(srl_permissions_query *query, size_t size)
{
    srl_permissions_query empty = {0};
    srl__table_fill(query, size, &empty, sizeof(empty));
}

static uint32_t roles_granted(srl__policy *policy, const srl__perm_user *user, const srl_permissions_query *query,
                              srl__trie_subject *subject, uint32_t wanted)
{
    srl__role_walk walk;
    uint32_t granted = 0;
    uint32_t end;
    srl__role_walk_init(&walk, policy, user, query);
    while ((granted & wanted) != wanted) {
        const srl__perm_role *role = srl__role_walk_next(&walk);
        if (role == NULL) {
            break;
        }
        granted |= srl__role_granted(policy, role, subject, &end);
    }
    return granted & wanted;
}

uint32_t srl_permissions_check(srl_permissions *permissions, const srl_permissions_query *query)
{
    srl__policy *policy = &permissions->policy;
    srl__trie_subject subject;
    uint32_t granted = 0;
    uint32_t open = SRL_PERM_ALL;
    if (!srl__table_fits(query, sizeof(*query))) {
        return SRL_PERM_NONE;
    }
    srl__trie_subject_init(&subject, srl__slice_of(query->channel, query->channel_len));
    const srl__perm_user *user = srl__policy_user(policy, srl__slice_of(query->user, query->user_len));
    uint32_t end = user == NULL ? 0 : srl__trie_match(&policy->trie, &user->overrides, &subject);
    if (end != 0) {
        uint32_t value = srl__trie_value(&policy->trie, end);
        granted = srl__override_allow(value);
        open &= ~(granted | srl__override_deny(value));
    }
    if (open != 0) {
        uint32_t by_roles = roles_granted(policy, user, query, &subject, open);
        granted |= by_roles;
        open &= ~by_roles;
    }
    if (open != 0) {
        const srl__perm_rule *rule = srl__policy_match_rule(policy, &subject);
        granted |= open & (rule == NULL ? query->namespace_granted : srl__rule_granted(rule, query->user_len == 0));
    }
    return granted;
}
