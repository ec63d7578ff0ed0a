/*
 * room.h - rooms with members: groups, and direct messages between two users.
 *
 * Which channels are such rooms is said by the option "room" of their namespace:
 *
 *   group     Only members may enter. The members and a piece of JSON ("metadata") are kept by the broker, under the
 *             channel's name, by the calls below.
 *   direct    The channel is named after two users, see srl_room_direct_channel(). Only those two may enter, and a
 *             publication reaches the other one's sessions even if they have never opened the conversation: they are
 *             subscribed, and begin at it. (Without "history_size", and with a broker over a network, the first one may
 *             come before they are.)
 *   personal  The channel is named after one user: the namespace's prefix and the user's id. Only that user may enter.
 *
 * Results come through callbacks on the relay's thread, as channel.h describes it. Who may call these is the host's
 * affair: clients have no commands for them, but an rpc hook (request.h) can offer them.
 */
#ifndef STREAMRELAY_ROOM_H
#define STREAMRELAY_ROOM_H

#include <streamrelay/api.h>

SRL_BEGIN_DECLS

/**
 * Result of a change: 0 or a code of error.h. SRL_ERR_NOMEM and SRL_ERR_BROKER_DOWN leave open how far it got: the
 * change may have been made while the users' sessions could not be told; srl_relay_subscribe_user() and
 * srl_relay_unsubscribe_user() make up for that.
 */
typedef void (*srl_done_fn)(int error, void *user);

/** A list of names; a view that is valid during the callback. */
typedef struct srl_names {
    uint32_t size;     /**< sizeof(srl_names) of the library that made it */
    uint32_t count;    /**< names in this list */
    uint32_t total;    /**< names there are in all */
    uint32_t reserved; /**< 0 */
    const srl_text *names;
} srl_names;

/** Result of a list; NULL on error. */
typedef void (*srl_names_fn)(int error, const srl_names *names, void *user);

/** Result of srl_room_info(): metadata (empty if none) and number of members. */
typedef void (*srl_room_info_fn)(int error, const char *meta, size_t meta_len, uint32_t members, void *user);

/**
 * Create a group.
 *
 * @param channel  a channel of a namespace with "room" = "group"
 * @param meta     JSON, may be empty; at most "max_info_bytes"
 * @param done     SRL_ERR_EXISTS if there is one already; may be NULL
 * @return 0; SRL_ERR_INVALID (channel name); SRL_ERR_STATE (not a channel for groups); SRL_ERR_JSON,
 *         SRL_ERR_TOO_LARGE (metadata); SRL_ERR_UNAVAILABLE (the broker keeps no groups); SRL_ERR_BROKER_DOWN,
 *         SRL_ERR_NOMEM
 */
SRL_API int srl_room_create(srl_relay *relay, const char *channel, size_t channel_len, const char *meta,
                            size_t meta_len, srl_done_fn done, void *user);

/** Delete a group: whoever is in it is unsubscribed with 2000. `done` gets SRL_ERR_NOT_FOUND if there is none. */
SRL_API int srl_room_delete(srl_relay *relay, const char *channel, size_t channel_len, srl_done_fn done, void *user);

/** Replace a group's metadata. Errors as srl_room_create(); `done` gets SRL_ERR_NOT_FOUND if there is no group. */
SRL_API int srl_room_set_meta(srl_relay *relay, const char *channel, size_t channel_len, const char *meta,
                              size_t meta_len, srl_done_fn done, void *user);

/** Metadata and number of members. Errors as srl_room_delete(). */
SRL_API int srl_room_info(srl_relay *relay, const char *channel, size_t channel_len, srl_room_info_fn done, void *user);

/**
 * Make a user a member of a group. The user's sessions, on every relay, are subscribed at once and told by a subscribe
 * push.
 *
 * @param member  the user's id, not empty
 * @param done    SRL_ERR_NOT_FOUND (no such group), SRL_ERR_EXISTS (is a member); may be NULL
 * @return as srl_room_create()
 */
SRL_API int srl_room_add_member(srl_relay *relay, const char *channel, size_t channel_len, const char *member,
                                size_t member_len, srl_done_fn done, void *user);

/**
 * Take a user out of a group. The user's sessions, on every relay, are unsubscribed with 2000 and told so.
 *
 * @param done  SRL_ERR_NOT_FOUND (no such group or member); may be NULL
 */
SRL_API int srl_room_remove_member(srl_relay *relay, const char *channel, size_t channel_len, const char *member,
                                   size_t member_len, srl_done_fn done, void *user);

/** Is the user a member? `done` gets 0 for yes and SRL_ERR_NOT_FOUND for no. */
SRL_API int srl_room_check_member(srl_relay *relay, const char *channel, size_t channel_len, const char *member,
                                  size_t member_len, srl_done_fn done, void *user);

/**
 * List a group's members, sorted by their bytes.
 *
 * @param after  only those behind this one; empty: from the first
 * @param limit  at most this many, and never more than "max_members"
 */
SRL_API int srl_room_members(srl_relay *relay, const char *channel, size_t channel_len, const char *after,
                             size_t after_len, uint32_t limit, srl_names_fn done, void *user);

/** List the channels of the groups that a user is a member of; as srl_room_members(). */
SRL_API int srl_room_groups_of(srl_relay *relay, const char *member, size_t member_len, const char *after,
                               size_t after_len, uint32_t limit, srl_names_fn done, void *user);

/**
 * The one channel of two users, whatever their order: the prefix, the two ids in order of their bytes, a comma between
 * them; a comma or percent sign in an id is written as %2C or %25.
 *
 * @param prefix    of a namespace with "room" = "direct", like "dm:"
 * @param out       receives the name and a terminating zero; may be NULL if out_size is 0
 * @param out_size  room at `out`
 * @return the name's length without the zero (if that does not fit, `out` is an empty string), or SRL_ERR_INVALID (an
 *         empty id, or the same one twice)
 */
SRL_API int32_t srl_room_direct_channel(const char *prefix, size_t prefix_len, const char *one, size_t one_len,
                                        const char *other, size_t other_len, char *out, size_t out_size);

SRL_END_DECLS

#endif
