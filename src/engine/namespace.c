#include <stdio.h>

#include <streamrelay/error.h>
#include <streamrelay/namespace.h>

#include "engine/policy.h"
#include "engine/relay.h"

#define PRESET_HOUR UINT64_C(3600000)

static void set_chat(srl__channel_settings *s)
{
    s->publish = 1;
    s->history_size = 100;
    s->history_ttl = 24 * PRESET_HOUR;
    s->presence = 1;
    s->join_leave = SRL__JOIN_LEAVE_BOTH;
}

static void set_notification(srl__channel_settings *s)
{
    s->history_size = 50;
    s->history_ttl = 7 * 24 * PRESET_HOUR;
    s->positions = SRL__POSITIONS_ACK;
}

static void set_presence(srl__channel_settings *s)
{
    s->presence = 1;
    s->join_leave = SRL__JOIN_LEAVE_BOTH;
}

static void set_public(srl__channel_settings *s)
{
    s->anonymous = 1;
    s->history_size = 100;
    s->history_ttl = PRESET_HOUR;
}

static void set_personal(srl__channel_settings *s)
{
    s->room = SRL__ROOM_PERSONAL;
    s->history_size = 100;
    s->history_ttl = 7 * 24 * PRESET_HOUR;
    s->positions = SRL__POSITIONS_ACK;
}

int srl_options_apply_preset(srl_options *options, int preset)
{
    static void (*const presets[])(srl__channel_settings *) = {set_chat, set_notification, set_presence, set_public,
                                                               set_personal};
    srl_options fresh;

    if (preset < SRL_NAMESPACE_CHAT || preset > SRL_NAMESPACE_PERSONAL) {
        (void)snprintf(options->error, sizeof(options->error), "there is no preset %d", preset);
        return SRL_ERR_INVALID;
    }
    srl__options_defaults(&fresh);
    options->settings.channel = fresh.settings.channel;
    presets[preset - 1](&options->settings.channel);
    return SRL_OK;
}

/* A namespace has come, changed or gone: subscriptions are checked with what holds now. */
static void changed(srl_relay *relay)
{
    srl__relay_enter(relay);
    srl__policy_recheck_later(relay);
    srl__relay_leave(relay);
}

static int set(srl_relay *relay, srl__slice prefix, const srl_options *options, bool may_replace)
{
    int error = SRL_OK;

    if (options == NULL || !srl__channel_is_valid(relay, prefix)) {
        return srl__relay_fail(relay, SRL_ERR_INVALID, "namespace: the prefix cannot begin a channel name");
    }
    if (!may_replace && srl__namespaces_has(&relay->namespaces, prefix)) {
        return srl__relay_fail(relay, SRL_ERR_EXISTS, "namespace: there is one with this prefix");
    }
    error = srl__channel_settings_check(&options->settings.channel, relay->error, sizeof(relay->error));
    if (error == SRL_OK) {
        error = srl__namespaces_set(&relay->namespaces, prefix, &options->settings.channel);
    }
    if (error == SRL_OK) {
        changed(relay);
    }
    return error;
}

int srl_relay_add_namespace(srl_relay *relay, const char *prefix, size_t prefix_len, const srl_options *options)
{
    return set(relay, srl__slice_of(prefix, prefix_len), options, false);
}

int srl_relay_set_namespace(srl_relay *relay, const char *prefix, size_t prefix_len, const srl_options *options)
{
    return set(relay, srl__slice_of(prefix, prefix_len), options, true);
}

int srl_relay_remove_namespace(srl_relay *relay, const char *prefix, size_t prefix_len)
{
    int error = srl__namespaces_remove(&relay->namespaces, srl__slice_of(prefix, prefix_len));

    if (error == SRL_OK) {
        changed(relay);
    }
    return error;
}
