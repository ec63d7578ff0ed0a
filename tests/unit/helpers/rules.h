/* Policies, namespaces and what is answered, in few words; for tests with cmocka, which has to be included before. */
#ifndef SRL_TEST_RULES_H
#define SRL_TEST_RULES_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "helpers/see.h"

/* Channel options as name, value, ..., NULL on top of a preset (0: none). */
static inline int set_namespace_v(test_relay *home, const char *prefix, int preset, va_list list)
{
    srl_options *options;
    const char *name;
    int error;

    assert_int_equal(srl_options_create(&options), SRL_OK);
    if (preset != 0) {
        assert_int_equal(srl_options_apply_preset(options, preset), SRL_OK);
    }
    while ((name = va_arg(list, const char *)) != NULL) {
        assert_int_equal(srl_options_set(options, name, va_arg(list, const char *)), SRL_OK);
    }
    error = srl_relay_set_namespace(home->relay, prefix, strlen(prefix), options);
    srl_options_destroy(options);
    return error;
}

static inline int try_namespace(test_relay *home, const char *prefix, int preset, ...)
{
    va_list list;
    int error;

    va_start(list, preset);
    error = set_namespace_v(home, prefix, preset, list);
    va_end(list);
    return error;
}

static inline void set_namespace(test_relay *home, const char *prefix, int preset, ...)
{
    va_list list;

    va_start(list, preset);
    assert_int_equal(set_namespace_v(home, prefix, preset, list), SRL_OK);
    va_end(list);
}

/* A policy in the relay's memory, used by it and by the test. */
static inline srl_permissions *new_policy(test_relay *home)
{
    srl_permissions *policy;

    assert_int_equal(srl_permissions_create(&home->memory.table, &policy), SRL_OK);
    srl_relay_set_permissions(home->relay, policy);
    return policy;
}

static inline srl_channel_rule rule_of(const char *pattern, uint32_t permissions)
{
    srl_channel_rule rule;

    srl_channel_rule_init(&rule, sizeof(rule));
    rule.pattern = pattern;
    rule.pattern_len = strlen(pattern);
    rule.permissions = permissions;
    return rule;
}

static inline void set_rule(srl_permissions *policy, const char *pattern, uint32_t permissions)
{
    srl_channel_rule rule = rule_of(pattern, permissions);

    assert_int_equal(srl_permissions_set_rule(policy, &rule), SRL_OK);
}

static inline void set_override(srl_permissions *policy, const char *user, const char *pattern, uint32_t allow,
                                uint32_t deny)
{
    assert_int_equal(srl_permissions_set_override(policy, user, strlen(user), pattern, strlen(pattern), allow, deny),
                     SRL_OK);
}

static inline void set_role(srl_permissions *policy, const char *role, uint32_t granted)
{
    assert_int_equal(srl_permissions_set_role_permission(policy, role, strlen(role), granted), SRL_OK);
}

/* Send a command and see what comes next. */
#define asks(client, type, channel, data, pattern)                                                                     \
    do {                                                                                                               \
        assert_int_equal(test_client_command((client), (type), (channel), (data)), SRL_OK);                            \
        see((client), (pattern));                                                                                      \
    } while (0)

#define YES        "{\"reply\":{*\"data\":{*"
#define NO(code)   "{\"reply\":{*\"error\":{\"code\":" #code ",*"
#define OUT(code)  "{\"push\":{\"type\":\"unsubscribe\",*\"data\":{\"code\":" #code ",*"
#define IN         "{\"push\":{\"type\":\"subscribe\",*"
#define MESSAGE    "{\"push\":{\"type\":\"message\",*"
#define SAY        "{\"data\":1}"
#define TEXT(text) (text), strlen(text)

/* What a callback with an error was given. */
typedef struct outcome {
    unsigned calls;
    int error;
} outcome;

static inline void noted(int error, void *user)
{
    outcome *o = user;

    o->calls++;
    o->error = error;
}

/* Names or members as "a b c/total". */
typedef struct listing {
    unsigned calls;
    int error;
    char text[512];
} listing;

static inline void listed(int error, const srl_names *names, void *user)
{
    listing *l = user;
    size_t used = 0;

    l->calls++;
    l->error = error;
    l->text[0] = '\0';
    for (uint32_t i = 0; names != NULL && i < names->count; i++) {
        used += (size_t)snprintf(l->text + used, sizeof(l->text) - used, "%.*s ", (int)names->names[i].len,
                                 names->names[i].data);
    }
    if (names != NULL) {
        (void)snprintf(l->text + used, sizeof(l->text) - used, "/%u", (unsigned)names->total);
    }
}

/* Groups, where the broker answers at once. */
#define done_now(expected, call, ...)                                                                                  \
    do {                                                                                                               \
        outcome done_outcome = {0};                                                                                    \
        assert_int_equal(call(__VA_ARGS__, noted, &done_outcome), SRL_OK);                                             \
        assert_int_equal(done_outcome.calls, 1);                                                                       \
        assert_int_equal(done_outcome.error, (expected));                                                              \
    } while (0)
#define make_group(home, channel) done_now(SRL_OK, srl_room_create, (home)->relay, TEXT(channel), "", 0)
#define add_member(home, channel, member)                                                                              \
    done_now(SRL_OK, srl_room_add_member, (home)->relay, TEXT(channel), TEXT(member))
#define remove_member(home, channel, member)                                                                           \
    done_now(SRL_OK, srl_room_remove_member, (home)->relay, TEXT(channel), TEXT(member))

/* Events as lines "type channel user code detail". */
typedef struct event_log {
    char text[16384];
    size_t len;
    unsigned count;
} event_log;

static inline void log_event(srl_relay *relay, const srl_event *event, void *user)
{
    event_log *log = user;

    (void)relay;
    assert_int_equal(event->size, sizeof(*event));
    assert_int_equal(event->channel[event->channel_len], '\0');
    assert_int_equal(event->user[event->user_len], '\0');
    assert_int_equal(event->client[event->client_len], '\0');
    assert_int_equal(event->detail[event->detail_len], '\0');
    assert_true(event->client_len == 0 || event->client_len == SRL_CLIENT_ID_LEN);
    log->len += (size_t)snprintf(log->text + log->len, sizeof(log->text) - log->len, "%s %s %s %u %s\n",
                                 srl_event_name(event->type), event->channel, event->user, (unsigned)event->code,
                                 event->detail);
    assert_in_range(log->len, 0, sizeof(log->text) - 1);
    log->count++;
}

static inline void log_clear(event_log *log)
{
    log->len = 0;
    log->count = 0;
    log->text[0] = '\0';
}

#endif
