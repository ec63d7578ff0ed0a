/*
 * namespace.h - options for channels by the beginning of their names.
 *
 * A channel has the options of the longest registered prefix that it begins with; without one, the relay's own. What
 * can be set is the channel part of docs/options.md. All calls may be made at any time; rooms that exist take new
 * options with their next event, and live subscriptions are checked again as after a change of permissions.
 */
#ifndef STREAMRELAY_NAMESPACE_H
#define STREAMRELAY_NAMESPACE_H

#include <streamrelay/api.h>

SRL_BEGIN_DECLS

/** Ready-made sets of channel options. */
typedef enum srl_namespace_preset {
    /** Chat rooms: users publish; 100 messages for 24 h; presence; joins and leaves of users and sessions; recovery. */
    SRL_NAMESPACE_CHAT = 1,
    /** Notifications: only the host publishes; 50 messages for 7 days; the user's position is moved by its ack. */
    SRL_NAMESPACE_NOTIFICATION = 2,
    /** Presence only: nobody publishes, nothing is kept; who is there, joins and leaves. */
    SRL_NAMESPACE_PRESENCE = 3,
    /** Public: everybody may listen, also without a user id; only the host publishes; 100 messages for 1 h. */
    SRL_NAMESPACE_PUBLIC = 4,
    /** Personal: each channel belongs to the user it is named after; 100 messages for 7 days; position by ack. */
    SRL_NAMESPACE_PERSONAL = 5
} srl_namespace_preset;

/** Set the channel options of a set to those of a preset; further calls of srl_options_set() refine it. 0 or
 *  SRL_ERR_INVALID (no such preset). */
SRL_API int srl_options_apply_preset(srl_options *options, int preset);

/**
 * Register a namespace.
 *
 * @param prefix   1 to "max_channel_length" bytes that can begin a channel name, like "chat:"
 * @param options  every channel option is taken from it, the ones not set being defaults; copied
 * @return 0; SRL_ERR_EXISTS; SRL_ERR_INVALID (prefix); SRL_ERR_OPTION_VALUE (options that contradict each other);
 *         SRL_ERR_NOMEM. srl_relay_last_error() gives the reason in words; after a failure nothing has changed.
 */
SRL_API int srl_relay_add_namespace(srl_relay *relay, const char *prefix, size_t prefix_len,
                                    const srl_options *options);

/** Register a namespace, or replace the one with the same prefix. Errors as srl_relay_add_namespace(), but
 *  SRL_ERR_EXISTS. */
SRL_API int srl_relay_set_namespace(srl_relay *relay, const char *prefix, size_t prefix_len,
                                    const srl_options *options);

/** Take a namespace away; its channels fall back to the next shorter prefix. 0 or SRL_ERR_NOT_FOUND. */
SRL_API int srl_relay_remove_namespace(srl_relay *relay, const char *prefix, size_t prefix_len);

SRL_END_DECLS

#endif
