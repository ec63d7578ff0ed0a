/*
 * channel.h - what the host does with channels: publish, read history, ask who is there.
 *
 * These calls go to the broker, which may answer within the call (the in-memory one does) or later; the result comes
 * through a callback on the relay's thread. A call that returns an error does not call back; one that returns 0 calls
 * back exactly once, with SRL_ERR_CANCELLED at the latest when the relay is destroyed.
 */
#ifndef STREAMRELAY_CHANNEL_H
#define STREAMRELAY_CHANNEL_H

#include <streamrelay/api.h>

SRL_BEGIN_DECLS

/** One stored or delivered message; a view that is valid during the callback that shows it. */
typedef struct srl_publication {
    uint32_t size;       /**< sizeof(srl_publication) of the library that made it */
    uint32_t client_len; /**< 0 for publications by the host, else SRL_CLIENT_ID_LEN */
    uint64_t offset;     /**< place in the channel, from 1; 0 in a channel without history */
    uint64_t time_ms;    /**< when it was published, ms since 1970 UTC */
    const char *data;    /**< the payload: JSON, byte for byte as published */
    size_t data_len;
    const char *user; /**< who published; empty for the host and for anonymous users */
    size_t user_len;
    const char *client; /**< the publishing session's client id */
    const char *info;   /**< JSON that the publisher shows of itself; empty if none */
    size_t info_len;
    const char *key; /**< when publishing only: of two publications with the same key the second one is not published */
    size_t key_len;  /**< 0: none */
    const char *channel_info; /**< the same, of its subscription to this channel; empty or NULL if none */
    size_t channel_info_len;
    const char *tags; /**< JSON object of strings that clients can filter by; empty or NULL if none */
    size_t tags_len;
} srl_publication;

/** A part of a channel's history; a view that is valid during the callback. */
typedef struct srl_history {
    uint32_t size;  /**< sizeof(srl_history) of the library that made it */
    uint32_t count; /**< publications in this part */
    const srl_publication *publications;
    uint64_t offset;   /**< of the newest publication of the channel, 0 if there was none yet */
    const char *epoch; /**< changes when positions may be worth nothing: offsets start anew, or data was lost */
    size_t epoch_len;
} srl_history;

/** One user in a channel. */
typedef struct srl_presence_user {
    const char *user; /**< empty: all anonymous sessions together */
    size_t user_len;
    const char *info; /**< JSON of the session that came last; empty if none */
    size_t info_len;
    uint32_t sessions; /**< how many sessions this user has in the channel */
    uint32_t reserved; /**< 0 */
} srl_presence_user;

/** One session in a channel. */
typedef struct srl_presence_session {
    const char *client; /**< client id */
    const char *user;   /**< empty: anonymous */
    size_t client_len;
    size_t user_len;
    const char *info; /**< JSON; empty if none */
    size_t info_len;
    const char *channel_info; /**< JSON, of its subscription to this channel; empty if none */
    size_t channel_info_len;
} srl_presence_session;

/** Who is in a channel; a view that is valid during the callback. */
typedef struct srl_presence {
    uint32_t size;  /**< sizeof(srl_presence) of the library that made it */
    uint32_t count; /**< users listed: at most the limit of the call */
    const srl_presence_user *users;
    uint32_t num_users;                   /**< users in the channel, listed or not */
    uint32_t num_sessions;                /**< sessions in the channel */
    const srl_presence_session *sessions; /**< those of the users listed, at most as many as the limit */
    uint32_t session_count;               /**< how many of them are listed; 0 with a broker that does not tell */
    uint32_t reserved;                    /**< 0 */
} srl_presence;

/** Result of a publish: error is 0 or a code of error.h; offset and epoch as the broker gave them. */
typedef void (*srl_publish_fn)(int error, uint64_t offset, const char *epoch, size_t epoch_len, void *user);

/** Result of a history read; `history` is NULL on error. */
typedef void (*srl_history_fn)(int error, const srl_history *history, void *user);

/** Result of a presence read; `presence` is NULL on error. */
typedef void (*srl_presence_fn)(int error, const srl_presence *presence, void *user);

/**
 * Publish into a channel, as the host.
 *
 * @param channel  1 to "max_channel_length" bytes of UTF-8 without control characters
 * @param data     JSON; newlines between its tokens are replaced by spaces, everything else goes out byte for byte
 * @param done     called with the result, 0 meaning that the broker has it; may be NULL
 * @return 0, SRL_ERR_INVALID (channel), SRL_ERR_JSON (srl_relay_last_error says where), SRL_ERR_TOO_LARGE
 *         ("max_publish_bytes" of the channel), SRL_ERR_BROKER_DOWN, SRL_ERR_NOMEM
 */
SRL_API int srl_relay_publish(srl_relay *relay, const char *channel, size_t channel_len, const char *data,
                              size_t data_len, srl_publish_fn done, void *user);

/** Length of the longest idempotency key. */
#define SRL_PUBLISH_KEY_MAX 255

/** What a publication by the host is like. Fill it with srl_publish_options_init() before setting members. */
typedef struct srl_publish_options {
    uint32_t size;    /**< sizeof(srl_publish_options), set by srl_publish_options_init() */
    uint32_t flags;   /**< SRL_PUBLISH_ bits */
    const char *tags; /**< JSON object whose values are strings, at most "max_info_bytes"; empty: none */
    size_t tags_len;
    /** Idempotency key: any bytes that name this publication in this channel. If the host published with it before,
     *  through whichever relay and less than "idempotency_window" ago, nothing is published; `done` gets 0 and the
     *  place of the first one. A publication that failed, or whose outcome is not known, can so be tried again. */
    const char *key;
    size_t key_len; /**< 0: none; at most SRL_PUBLISH_KEY_MAX */
} srl_publish_options;

/** Pass it on to whoever is there, without number and without keeping it. */
#define SRL_PUBLISH_SKIP_HISTORY 1u

/** Fill with zeros and empty texts; `size` is sizeof(srl_publish_options) as the caller's header has it. */
SRL_API void srl_publish_options_init(srl_publish_options *options, size_t size);

/**
 * Publish with options (NULL: none). Otherwise as srl_relay_publish().
 *
 * @return as srl_relay_publish(); SRL_ERR_INVALID also for options that this library does not know; SRL_ERR_JSON also
 *         for tags that are not an object of strings; SRL_ERR_TOO_LARGE also for tags and key
 */
SRL_API int srl_relay_publish_with(srl_relay *relay, const char *channel, size_t channel_len, const char *data,
                                   size_t data_len, const srl_publish_options *options, srl_publish_fn done,
                                   void *user);

/** srl_relay_history(): newest first, beginning below `since_offset` (or at the newest if that is 0). */
#define SRL_HISTORY_REVERSE 1u

/**
 * Read a channel's history.
 *
 * @param since_offset  publications after this offset, 0 for all that is kept
 * @param since_epoch   the epoch that offset is of; empty: whichever it is now
 * @param limit         at most this many publications; 0: none, only the position. Never more than "max_history_read".
 * @param flags         0 or SRL_HISTORY_REVERSE
 * @param done          called with the result; error SRL_ERR_UNRECOVERABLE if the epoch is another one
 * @return 0, SRL_ERR_INVALID, SRL_ERR_UNAVAILABLE (the channel keeps no history), SRL_ERR_BROKER_DOWN, SRL_ERR_NOMEM
 */
SRL_API int srl_relay_history(srl_relay *relay, const char *channel, size_t channel_len, uint64_t since_offset,
                              const char *since_epoch, size_t since_epoch_len, uint32_t limit, uint32_t flags,
                              srl_history_fn done, void *user);

/**
 * Drop all publications that a channel keeps. Offset and epoch go on.
 *
 * @param done  called with 0 or a code of error.h, and the channel's position; may be NULL
 * @return 0, SRL_ERR_INVALID, SRL_ERR_UNAVAILABLE (the channel keeps no history, or the broker cannot),
 *         SRL_ERR_BROKER_DOWN, SRL_ERR_NOMEM
 */
SRL_API int srl_relay_history_remove(srl_relay *relay, const char *channel, size_t channel_len, srl_publish_fn done,
                                     void *user);

/**
 * Ask who is in a channel.
 *
 * @param limit  list at most this many users; 0: only the counts. Never more than "max_presence_users".
 * @return 0, SRL_ERR_INVALID, SRL_ERR_UNAVAILABLE (presence is off for the channel), SRL_ERR_BROKER_DOWN, SRL_ERR_NOMEM
 */
SRL_API int srl_relay_presence(srl_relay *relay, const char *channel, size_t channel_len, uint32_t limit,
                               srl_presence_fn done, void *user);

SRL_END_DECLS

#endif
