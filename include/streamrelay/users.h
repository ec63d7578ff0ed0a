/*
 * users.h - what the host does with users: their sessions, wherever they are.
 *
 * The calls that change something reach the user's sessions on every relay of the same broker; those that list look
 * at this relay only.
 */
#ifndef STREAMRELAY_USERS_H
#define STREAMRELAY_USERS_H

#include <streamrelay/api.h>

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

/**
 * Take one session out of a channel, whichever relay it is on; as srl_relay_unsubscribe_user().
 *
 * @param user    whose session it is; empty: an anonymous one
 * @param client  its client id, SRL_CLIENT_ID_LEN characters
 */
SRL_API int srl_relay_unsubscribe_client(srl_relay *relay, const char *user, size_t user_len, const char *client,
                                         size_t client_len, const char *channel, size_t channel_len, uint32_t code);

/** Disconnect one session, whichever relay it is on; `user` and `client` as srl_relay_unsubscribe_client(), the rest as
 *  srl_relay_disconnect_user(). */
SRL_API int srl_relay_disconnect_client(srl_relay *relay, const char *user, size_t user_len, const char *client,
                                        size_t client_len, uint32_t code, const char *reason, size_t reason_len);

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
 * "positions"). A position of an earlier epoch, or none, counts as the beginning.
 *
 * @return 0, SRL_ERR_INVALID, SRL_ERR_UNAVAILABLE (the channel keeps no positions, or the broker none at all),
 *         SRL_ERR_BROKER_DOWN, SRL_ERR_NOMEM
 */
SRL_API int srl_relay_unread(srl_relay *relay, const char *user_id, size_t user_id_len, const char *channel,
                             size_t channel_len, srl_unread_fn done, void *user);

SRL_END_DECLS

#endif
