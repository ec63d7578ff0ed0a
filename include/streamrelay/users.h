/*
 * users.h - what the host does with users: their sessions, wherever they are.
 *
 * The calls that change something reach the user's sessions on every relay of the same broker; those that list look
 * at this relay only.
 */
#ifndef STREAMRELAY_USERS_H
#define STREAMRELAY_USERS_H

#include <streamrelay/api.h>
#include <streamrelay/session.h>

SRL_BEGIN_DECLS

/**
 * Subscribe all sessions of a user to a channel. Each one that was not yet is told by a subscribe push. Permissions
 * are not asked: the host has decided.
 *
 * @return 0; SRL_ERR_INVALID (empty user, channel name); SRL_ERR_UNAVAILABLE (the broker passes no notes);
 *         SRL_ERR_BROKER_DOWN, SRL_ERR_NOMEM
 */
SRL_API int srl_relay_subscribe_user(srl_relay *relay, const char *user, size_t user_len, const char *channel,
                                     size_t channel_len);

/**
 * Take all sessions of a user out of a channel. Each one that was in it is told by an unsubscribe push.
 *
 * @param code  an unsubscribe code of codes.h; 0 is taken as 2000
 * @return as srl_relay_subscribe_user()
 */
SRL_API int srl_relay_unsubscribe_user(srl_relay *relay, const char *user, size_t user_len, const char *channel,
                                       size_t channel_len, uint32_t code);

/**
 * Disconnect all sessions of a user.
 *
 * @param code    a disconnect code of codes.h, or 4000-4999 of your own; 0 is taken as 3503
 * @param reason  NULL for the standard text of the code
 * @return as srl_relay_subscribe_user()
 */
SRL_API int srl_relay_disconnect_user(srl_relay *relay, const char *user, size_t user_len, uint32_t code,
                                      const char *reason, size_t reason_len);

/** Which sessions of a user are meant, whichever relays they are on. Fill it with srl_user_sessions_init(). */
typedef struct srl_user_sessions {
    uint32_t size;         /**< sizeof(srl_user_sessions), set by srl_user_sessions_init() */
    uint32_t except_count; /**< client ids in `except` */
    const char *user;      /**< empty: anonymous ones; then client or session must say which */
    size_t user_len;
    const char *client;     /**< only the one with this client id; empty: any */
    size_t client_len;      /**< 0 or SRL_CLIENT_ID_LEN */
    const char *session;    /**< only the one with this secret id (srl_session_secret_id()); empty: any */
    size_t session_len;     /**< 0 or SRL_SESSION_ID_LEN */
    const srl_text *except; /**< those with these client ids are not meant */
} srl_user_sessions;

/** Fill with zeros and empty texts; `size` is sizeof(srl_user_sessions) as the caller's header has it. */
SRL_API void srl_user_sessions_init(srl_user_sessions *which, size_t size);

/**
 * Subscribe these sessions to a channel, as srl_session_subscribe() does with one. What goes wrong with one of them
 * (it is in as many channels as it may, say) is not told.
 *
 * @param options  NULL for none; copied. The end of ttl_ms is a time by the wall clocks of the relays.
 * @return 0; SRL_ERR_INVALID (`which`, channel name, options); SRL_ERR_JSON; SRL_ERR_TOO_LARGE (info:
 *         "max_info_bytes", data: "max_message_bytes"; all of it together: 1 MiB); SRL_ERR_UNAVAILABLE (the broker
 *         passes no notes); SRL_ERR_BROKER_DOWN, SRL_ERR_NOMEM
 */
SRL_API int srl_relay_subscribe_sessions(srl_relay *relay, const srl_user_sessions *which, const char *channel,
                                         size_t channel_len, const srl_subscription *options);

/** Take these sessions out of a channel; as srl_relay_unsubscribe_user(). SRL_ERR_INVALID for `which` too. */
SRL_API int srl_relay_unsubscribe_sessions(srl_relay *relay, const srl_user_sessions *which, const char *channel,
                                           size_t channel_len, uint32_t code);

/** Disconnect these sessions; as srl_relay_disconnect_user(). SRL_ERR_INVALID for `which` too. */
SRL_API int srl_relay_disconnect_sessions(srl_relay *relay, const srl_user_sessions *which, uint32_t code,
                                          const char *reason, size_t reason_len);

/**
 * Move the end of the permission of these sessions, as srl_session_set_expiry() does with one.
 *
 * @param ttl_ms  from now, by the wall clocks of the relays; 0: it does not end
 * @return 0; SRL_ERR_INVALID; SRL_ERR_UNAVAILABLE (the broker passes no notes); SRL_ERR_BROKER_DOWN, SRL_ERR_NOMEM
 */
SRL_API int srl_relay_refresh_sessions(srl_relay *relay, const srl_user_sessions *which, uint64_t ttl_ms);

/** Called for each session of a list; it may do anything but destroy the relay. Return 0 to go on. */
typedef int (*srl_session_fn)(srl_session *session, void *user);

/** Every connected session of a user on this relay; an empty id: of all anonymous users. Returns how many were shown.
 */
SRL_API uint32_t srl_relay_each_user_session(srl_relay *relay, const char *user_id, size_t user_id_len,
                                             srl_session_fn each, void *user);

/** Every session that is subscribed to a channel on this relay. Returns how many were shown. */
SRL_API uint32_t srl_relay_each_subscriber(srl_relay *relay, const char *channel, size_t channel_len,
                                           srl_session_fn each, void *user);

/** Called for each channel of a list; it may do anything but destroy the relay. Return 0 to go on. */
typedef int (*srl_channel_fn)(const char *channel, size_t channel_len, uint32_t subscribers, void *user);

/**
 * Every channel with subscribers on this relay whose name matches a pattern (see permissions.h for patterns; an empty
 * one matches all).
 *
 * @return how many were shown, or SRL_ERR_INVALID (pattern), SRL_ERR_NOMEM
 */
SRL_API int32_t srl_relay_each_channel(srl_relay *relay, const char *pattern, size_t pattern_len, srl_channel_fn each,
                                       void *user);

/** Result of srl_relay_unread(): what the user has not seen; offset and epoch of the user's position, 0 if none. */
typedef void (*srl_unread_fn)(int error, uint64_t unread, uint64_t offset, const char *epoch, size_t epoch_len,
                              void *user);

/**
 * How many publications of a channel a user has not seen: those behind the position that the broker keeps (option
 * "positions"). Without a position all count; so they do where the channel's numbering began anew since.
 *
 * @return 0, SRL_ERR_INVALID, SRL_ERR_UNAVAILABLE (the channel keeps no positions, or the broker none at all),
 *         SRL_ERR_BROKER_DOWN, SRL_ERR_NOMEM
 */
SRL_API int srl_relay_unread(srl_relay *relay, const char *user_id, size_t user_id_len, const char *channel,
                             size_t channel_len, srl_unread_fn done, void *user);

SRL_END_DECLS

#endif
