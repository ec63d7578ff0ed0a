#include "policy.h"

#include <stdio.h>
#include <string.h>

bool chat_is_moderator(const char *user)
{
    return strcmp(user, "admin") == 0;
}

/* ---- what the channels are like ---- */

/* `pairs` ends with NULL. */
static int add_namespace(srl_relay *relay, const char *prefix, int preset, const char *const *pairs)
{
    srl_options *options;
    int error = srl_options_create(&options);
    if (error != 0)
        return error;
    error = srl_options_apply_preset(options, preset);
    for (; error == 0 && *pairs; pairs += 2)
        error = srl_options_set(options, pairs[0], pairs[1]);
    if (error == 0)
        error = srl_relay_add_namespace(relay, prefix, strlen(prefix), options);
    srl_options_destroy(options);
    return error;
}

/* Presets and what is different here. With "positions" the broker keeps how far each user has read. */
static int add_namespaces(srl_relay *relay)
{
    static const char *const news[] = {"presence", "true", "positions", "ack", NULL};
    static const char *const room[] = {"history_size",      "1000", "join_leave", "user", "positions", "ack",
                                       "max_publish_bytes", "16k",  NULL};
    static const char *const group[] = {"room",      "group", "history_size",      "1000", "join_leave", "user",
                                        "positions", "ack",   "max_publish_bytes", "16k",  NULL};
    static const char *const direct[] = {"room",     "direct", "publish",    "true", "history_size",      "1000",
                                         "presence", "true",   "join_leave", "user", "max_publish_bytes", "16k",
                                         NULL};
    static const char *const personal[] = {NULL};
    int error = add_namespace(relay, "public:", SRL_NAMESPACE_PUBLIC, news);
    if (error == 0)
        error = add_namespace(relay, "chat:", SRL_NAMESPACE_CHAT, room);
    if (error == 0)
        error = add_namespace(relay, "group:", SRL_NAMESPACE_CHAT, group);
    if (error == 0)
        error = add_namespace(relay, "dm:", SRL_NAMESPACE_PERSONAL, direct);
    if (error == 0)
        error = add_namespace(relay, "user:", SRL_NAMESPACE_PERSONAL, personal);
    return error;
}

/* ---- who may do what ---- */

static int add_rule(srl_permissions *permissions, const char *pattern, uint32_t granted, bool anonymous)
{
    srl_channel_rule rule;
    srl_channel_rule_init(&rule, sizeof rule);
    rule.pattern = pattern;
    rule.pattern_len = strlen(pattern);
    rule.permissions = granted;
    rule.allow_anonymous = anonymous;
    rule.require_auth = !anonymous;
    return srl_permissions_add_rule(permissions, &rule);
}

/* Groups, direct messages and personal channels have no rule: their namespaces say who may enter. */
static int add_rules(srl_permissions *permissions)
{
    int error = add_rule(permissions, "public:*", SRL_PERM_READ_ONLY, true);
    if (error == 0)
        error = add_rule(permissions, "chat:*", SRL_PERM_STANDARD | SRL_PERM_HISTORY | SRL_PERM_JOIN_LEAVE, false);
    if (error == 0)
        error = srl_permissions_set_role_permission(permissions, CHAT_MODERATOR, strlen(CHAT_MODERATOR), SRL_PERM_ALL);
    return error;
}

int chat_policy_create(srl_relay *relay, srl_permissions **out)
{
    int error = add_namespaces(relay);
    *out = NULL;
    if (error == 0)
        error = srl_permissions_create(NULL, out);
    if (error == 0)
        error = add_rules(*out);
    if (error == 0) {
        srl_relay_set_permissions(relay, *out);
        return 0;
    }
    if (*out)
        srl_permissions_destroy(*out);
    *out = NULL;
    return error;
}
