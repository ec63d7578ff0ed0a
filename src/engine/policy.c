#include "engine/policy.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "engine/direct.h"
#include "engine/joining.h"
#include "engine/permissions.h"
#include "engine/relay.h"
#include "engine/rooms.h"
#include "engine/subscribe.h"

static srl__slice role_of(const srl__grant *grant)
{
    return srl__slice_of(grant->text, grant->role_len);
}

static srl__slice channel_of(const srl__grant *grant)
{
    return srl__slice_of(grant->text + grant->role_len, grant->channel_len);
}

int srl__policy_grant(srl_session *session, srl__slice role, srl__slice channel)
{
    srl__grant *grant = srl__alloc(&session->relay->alloc, sizeof(*grant) + role.len + channel.len);

    if (grant == NULL) {
        return SRL_ERR_NOMEM;
    }
    grant->role_len = (uint32_t)role.len;
    grant->channel_len = (uint32_t)channel.len;
    memcpy(grant->text, role.data, role.len);
    if (channel.len > 0) {
        memcpy(grant->text + role.len, channel.data, channel.len);
    }
    grant->next = session->grants;
    session->grants = grant;
    return SRL_OK;
}

void srl__policy_revoke(srl_session *session, srl__slice channel)
{
    srl__grant **at = &session->grants;

    while (*at != NULL) {
        srl__grant *grant = *at;

        if (channel.len == 0 || srl__slice_equal(channel_of(grant), channel)) {
            *at = grant->next;
            srl__free(&session->relay->alloc, grant, sizeof(*grant) + grant->role_len + grant->channel_len);
        } else {
            at = &grant->next;
        }
    }
}

srl__channel_traits srl__policy_traits(srl_relay *relay, srl__slice channel)
{
    const srl__channel_settings *settings = srl__namespaces_find(&relay->namespaces, channel);
    srl__channel_traits traits = {
        .presence = settings->presence != 0,
        .join_leave = (uint8_t)settings->join_leave,
        .max_subscribers = settings->max_subscribers,
    };
    srl_channel_rule rule;

    srl_channel_rule_init(&rule, sizeof(rule));
    if (relay->permissions == NULL ||
        srl_permissions_rule_for(relay->permissions, channel.data, channel.len, &rule) != SRL_OK) {
        return traits;
    }
    if (rule.presence >= 0) {
        traits.presence = rule.presence != 0;
    }
    if (rule.join_leave == 0) {
        traits.join_leave = SRL__JOIN_LEAVE_OFF;
    } else if (rule.join_leave > 0 && traits.join_leave == SRL__JOIN_LEAVE_OFF) {
        traits.join_leave = SRL__JOIN_LEAVE_SESSION;
    }
    if (rule.max_subscribers > 0) {
        traits.max_subscribers = rule.max_subscribers;
    }
    return traits;
}

static uint32_t permitted_by_options(const srl_session *session, const srl__channel_settings *settings)
{
    uint32_t bits = SRL_PERM_NONE;

    if (session->user == NULL && !settings->anonymous) {
        return bits;
    }
    bits |= settings->subscribe ? SRL_PERM_SUBSCRIBE : 0u;
    bits |= settings->publish ? SRL_PERM_PUBLISH : 0u;
    bits |= settings->presence ? SRL_PERM_PRESENCE : 0u;
    bits |= settings->history_size > 0 ? SRL_PERM_HISTORY : 0u;
    bits |= settings->join_leave != SRL__JOIN_LEAVE_OFF ? SRL_PERM_JOIN_LEAVE : 0u;
    return bits;
}

/* The roles of a session that count in a channel, as many as a question may name. */
static uint32_t collect_roles(const srl_session *session, srl__slice channel, srl_role_name *out)
{
    uint32_t count = 0;

    for (const srl__grant *grant = session->grants; grant != NULL && count < SRL_PERMISSIONS_MAX_USER_ROLES;
         grant = grant->next) {
        if (grant->channel_len == 0 || srl__slice_equal(channel_of(grant), channel)) {
            out[count++] = (srl_role_name){role_of(grant).data, role_of(grant).len};
        }
    }
    return count;
}

uint32_t srl__policy_permitted(srl_session *session, srl__slice channel)
{
    srl_relay *relay = session->relay;
    uint32_t by_options = permitted_by_options(session, srl__namespaces_find(&relay->namespaces, channel));
    srl__slice user = srl__session_user(session);
    srl_role_name roles[SRL_PERMISSIONS_MAX_USER_ROLES];
    srl_permissions_query query;

    if (relay->permissions == NULL) {
        return by_options;
    }
    srl_permissions_query_init(&query, sizeof(query));
    query.namespace_granted = by_options;
    query.user = user.data;
    query.user_len = user.len;
    query.channel = channel.data;
    query.channel_len = channel.len;
    query.roles = roles;
    query.role_count = collect_roles(session, channel, roles);
    return srl_permissions_check(relay->permissions, &query);
}

/* Whether a channel that is named after users is named after this one. */
static bool is_named_in(srl_session *session, srl__slice channel, uint64_t kind, size_t prefix_len)
{
    srl__slice user = srl__session_user(session);
    srl__slice name = srl__slice_of(channel.data + prefix_len, channel.len - prefix_len);

    if (user.len == 0) {
        return false;
    }
    return kind == SRL__ROOM_PERSONAL ? srl__slice_equal(name, user) : srl__direct_names(name, user);
}

static bool is_named_after_users(uint64_t kind)
{
    return kind == SRL__ROOM_PERSONAL || kind == SRL__ROOM_DIRECT;
}

/* Whether the room's kind keeps the session out whatever else is permitted: a personal or direct channel of others. */
static bool is_stranger(srl_session *session, srl__slice channel)
{
    size_t prefix_len = 0;
    const srl__channel_settings *settings = srl__namespaces_match(&session->relay->namespaces, channel, &prefix_len);

    return is_named_after_users(settings->room) && !is_named_in(session, channel, settings->room, prefix_len);
}

bool srl__policy_is_namesake(srl_session *session, srl__slice channel)
{
    size_t prefix_len = 0;
    const srl__channel_settings *settings = srl__namespaces_match(&session->relay->namespaces, channel, &prefix_len);

    return is_named_after_users(settings->room) && is_named_in(session, channel, settings->room, prefix_len);
}

bool srl__policy_permits(srl_session *session, srl__slice channel, uint32_t permission, bool has_hook)
{
    if (is_stranger(session, channel)) {
        return false;
    }
    if (has_hook && session->relay->permissions == NULL) {
        return true;
    }
    return (srl__policy_permitted(session, channel) & permission) != 0;
}

void srl__policy_recheck_later(srl_relay *relay)
{
    relay->policy_changed = true;
}

/* What a subscription made by the client still has; those put there by the server are not asked about. */
static bool may_stay(srl_session *session, srl__subscription *subscription)
{
    srl__room *room = subscription->room;
    bool has_hook = session->relay->hooks.subscribe != NULL;
    bool by_server = subscription->live ? subscription->by_server : subscription->is.joining->by_server;

    if (by_server) {
        return true;
    }
    if (subscription->live) {
        bool is_told = srl__policy_permits(session, srl__room_name(room), SRL_PERM_JOIN_LEAVE, has_hook);

        srl__room_set_quiet(room, subscription, !is_told || subscription->incurious);
    }
    return srl__policy_permits(session, srl__room_name(room), SRL_PERM_SUBSCRIBE, has_hook);
}

static void recheck_session(srl_session *session)
{
    srl__subscriptions *table = &session->subscriptions;
    uint32_t i = 0;

    while (i < table->capacity) {
        srl__subscription *subscription = &table->slots[i];

        if (subscription->room == NULL || may_stay(session, subscription)) {
            i++;
            continue;
        }
        if (subscription->live) {
            (void)srl__unsubscribe(session, subscription->room, SRL_UNSUBSCRIBE_FORBIDDEN);
        } else {
            srl__joining_refuse(subscription->is.joining, SRL_REPLY_PERMISSION_DENIED);
        }
        i = 0; /* the table has moved */
    }
}

void srl__policy_recheck(srl_relay *relay)
{
    relay->policy_changed = false;
    for (srl__list *link = relay->sessions.next; link != &relay->sessions; link = link->next) {
        srl_session *session = SRL__CONTAINER(link, srl_session, link);

        if (session->state == SRL__SESSION_CONNECTED) {
            recheck_session(session);
        }
    }
}

static void changed(srl__permissions_observer *observer)
{
    srl_relay *relay = SRL__CONTAINER(observer, srl_relay, observer);

    srl__relay_enter(relay);
    srl__policy_recheck_later(relay);
    srl__relay_leave(relay);
}

void srl__policy_release(srl_relay *relay)
{
    srl__permissions_unobserve(&relay->observer);
    if (relay->permissions != NULL) {
        srl_permissions_destroy(relay->permissions);
        relay->permissions = NULL;
    }
}

void srl_relay_set_permissions(srl_relay *relay, srl_permissions *permissions)
{
    srl__relay_enter(relay);
    if (permissions != NULL) {
        srl__permissions_retain(permissions);
    }
    srl__policy_release(relay);
    relay->permissions = permissions;
    if (permissions != NULL) {
        relay->observer.changed = changed;
        srl__permissions_observe(permissions, &relay->observer);
    }
    srl__policy_recheck_later(relay);
    srl__relay_leave(relay);
}
