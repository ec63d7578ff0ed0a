/*
 * stream_consumer.h - a worker of a consumer group: it reads a stream together with others, each entry going to one of
 * them, until it is acknowledged.
 *
 *     srl_stream_consumer_create(&options, &consumer);
 *     while ((got = srl_stream_consumer_poll(consumer, conn, 1000, &delivery)) >= 0) {
 *         if (got == 1) {
 *             ... delivery.entry ...
 *             srl_stream_consumer_ack(consumer, &delivery.entry.id);
 *         }
 *     }
 *
 * What it sees to:
 *
 *  - The group is made where it is missing, also when it went missing while at work (a server that lost its data).
 *  - It begins with what this consumer (by name) was given before and did not acknowledge, and does so again whenever
 *    a connection was lost, since entries may have been lost on the way.
 *  - Now and then it takes over what other consumers were given and left lying for `claim_idle_ms`.
 *  - An entry that was delivered `max_deliveries` times without an acknowledgement is moved to another stream, or
 *    handed out with a mark.
 *  - At most `max_in_flight` entries are out at the same time. Nothing grows: all memory is taken at the beginning,
 *    but for the reply that srl_stream_consumer_poll() keeps.
 *
 * Every entry of the stream is handed out at least once by some consumer of the group. Handed out again it may be
 * after a crash, a lost connection or a claim; `is_repeated` says that this is possible. As long as an entry is in
 * flight here, this consumer does not hand it out again.
 *
 * It holds no connection and no thread. srl_stream_consumer_poll() drives it over a blocking connection; with a
 * non-blocking client, or any other, drive it with srl_stream_consumer_next(), _answer() and _entry().
 */
#ifndef STREAMRELAY_STREAM_CONSUMER_H
#define STREAMRELAY_STREAM_CONSUMER_H

#include <streamrelay/api.h>
#include <streamrelay/platform.h>
#include <streamrelay/redis.h>
#include <streamrelay/stream.h>

SRL_BEGIN_DECLS

/** A worker; used from one thread at a time. */
typedef struct srl_stream_consumer srl_stream_consumer;

/** Most entries in flight. */
#define SRL_STREAM_CONSUMER_MAX_IN_FLIGHT 1048576u

/** What a consumer is to do. Fill it with srl_stream_consumer_options_init(), then set key, group and consumer. */
typedef struct srl_stream_consumer_options {
    uint32_t size;
    uint32_t create_group; /**< 1 (the default): make group and stream where they are missing */
    const char *key;
    size_t key_len;
    const char *group;
    size_t group_len;
    const char *consumer; /**< its name, the same after a restart, unlike that of any other consumer alive */
    size_t consumer_len;
    srl_stream_point start;     /**< where the group begins if it is made: 0-0, the default, or SRL_STREAM_END */
    uint32_t batch;             /**< entries per read; 64 */
    uint32_t max_in_flight;     /**< handed out and not acknowledged; 1,024 */
    uint64_t block_ms;          /**< how long one read may wait; 2,000; at least 1. Acknowledgements wait behind it. */
    uint64_t claim_idle_ms;     /**< take over what was not acknowledged for so long; 60,000; 0: never */
    uint64_t claim_interval_ms; /**< time between two looks for that; 15,000 */
    uint64_t backoff_min_ms;    /**< after a failure, doubled each time, with full jitter; 50 */
    uint64_t backoff_max_ms;    /**< 5,000 */
    uint32_t max_deliveries; /**< after so many without an acknowledgement an entry is dead; 0 (the default): never */
    uint32_t reserved;
    const char *dead_letter_key; /**< dead entries are moved to this stream, in one step; NULL: they are handed out with
                                      is_dead. In a cluster it must have the hash tag of `key`. */
    size_t dead_letter_key_len;
    const srl_allocator *allocator; /**< copied; NULL: malloc */
    const srl_platform *platform;   /**< copied; NULL: the system's */
} srl_stream_consumer_options;

/** Fill it with the defaults; `size` is sizeof the struct as the caller's header has it. */
SRL_API void srl_stream_consumer_options_init(srl_stream_consumer_options *options, size_t size);

/**
 * Make a consumer.
 *
 * @return 0, SRL_ERR_INVALID (something is missing or out of range), SRL_ERR_NOMEM
 */
SRL_API int srl_stream_consumer_create(const srl_stream_consumer_options *options, srl_stream_consumer **out);

/** Free it. What is in flight stays pending at the server. */
SRL_API void srl_stream_consumer_destroy(srl_stream_consumer *consumer);

/** An entry handed out; a view. */
typedef struct srl_stream_delivery {
    uint32_t size;        /**< in: sizeof(srl_stream_delivery) */
    uint32_t is_repeated; /**< 1: it may have been handed out before, here or by another consumer */
    uint32_t is_dead;     /**< 1: it was delivered max_deliveries times before; still to be acknowledged */
    uint32_t reserved;
    uint64_t deliveries; /**< how many times, this one included; 0: not known */
    srl_stream_entry entry;
} srl_stream_delivery;

/**
 * The next entry over a blocking connection; waits for one, reconnects, backs off, all within `timeout_ms` (one command
 * under way may take a little longer).
 *
 * Do not share the connection with anybody who waits for replies meanwhile: reads block it.
 *
 * @param out  receives the entry, valid until the next call of this function; `out->size` must be set
 * @return 1: there is one; 0: time is up, or as many are in flight as may be; SRL_ERR_NOT_FOUND: there is no such
 *         group, and it may not be made; SRL_ERR_REDIS: the server refused for a reason that does not pass by itself
 *         (a key of another type, no permission; see srl_stream_consumer_last_error()); SRL_ERR_REDIS_AUTH,
 *         SRL_ERR_REDIS_TRANSPORT; SRL_ERR_TYPE: the answer makes no sense; SRL_ERR_INVALID. After any of them the
 *         call may be repeated.
 */
SRL_API int srl_stream_consumer_poll(srl_stream_consumer *consumer, srl_redis_conn *conn, uint64_t timeout_ms,
                                     srl_stream_delivery *out);

/** Send the acknowledgements that wait, before the end, say. 0, or why not all could be sent (call again). */
SRL_API int srl_stream_consumer_flush(srl_stream_consumer *consumer, srl_redis_conn *conn);

/**
 * An entry is done with. The acknowledgement is sent before the next read, and again until the server has it.
 * @return 0, SRL_ERR_NOT_FOUND (it is not in flight)
 */
SRL_API int srl_stream_consumer_ack(srl_stream_consumer *consumer, const srl_stream_id *id);

/**
 * An entry could not be dealt with: forget it here. It is handed out again, by whichever consumer claims it after
 * `claim_idle_ms`, or by this one when it next looks through what it has pending.
 * @return 0, SRL_ERR_NOT_FOUND (it is not in flight)
 */
SRL_API int srl_stream_consumer_release(srl_stream_consumer *consumer, const srl_stream_id *id);

/** Numbers of a consumer; a read-only view. */
typedef struct srl_stream_consumer_stats {
    uint32_t size;        /**< in: sizeof(srl_stream_consumer_stats) */
    uint32_t in_flight;   /**< handed out and not acknowledged by the host */
    uint32_t unsent_acks; /**< acknowledged by the host, and not yet by the server */
    uint32_t is_waiting;  /**< 1: backing off */
    uint64_t delivered;   /**< handed out since it was made, like all that follows */
    uint64_t repeated;    /**< of these, with is_repeated */
    uint64_t acked;       /**< acknowledgements that the server has taken */
    uint64_t claimed;     /**< taken over from other consumers, or from this one after a release */
    uint64_t dead;        /**< dead entries, moved or handed out */
    uint64_t deleted;     /**< pending entries that had been deleted from the stream */
    uint64_t groups_made; /**< times the group was missing */
    uint64_t failures;    /**< commands that failed */
} srl_stream_consumer_stats;

/** 0 or SRL_ERR_INVALID. */
SRL_API int srl_stream_consumer_stats_get(const srl_stream_consumer *consumer, srl_stream_consumer_stats *out);

/** What last went wrong, in words. Never NULL. */
SRL_API const char *srl_stream_consumer_last_error(const srl_stream_consumer *consumer);

/* ---- with any client ---- */

/**
 * What to send next.
 *
 * @param max_block_ms  a read is not to wait longer than this (and block_ms); 0: not at all
 * @param command       receives the command
 * @param time_ms       with 1: how long the answer may take; with 0: ask again after this time, or after an
 *                      acknowledgement (UINT64_MAX: only then)
 * @return 1: send the command, and give what becomes of it to srl_stream_consumer_answer() before anything else is
 *         asked; 0: nothing at the moment; SRL_ERR_STATE: the last answer is missing; what srl_stream_encode_*() return
 *
 * Entries of the last answer that were not taken are given up, to be read again.
 */
SRL_API int srl_stream_consumer_next(srl_stream_consumer *consumer, uint64_t max_block_ms, srl_command *command,
                                     uint64_t *time_ms);

/**
 * What became of the command: as srl_redis_send() returns it or an srl_redis_reply_fn is told.
 *
 * @param reply  NULL without one; read until the next call of srl_stream_consumer_next() or _answer(), so keep it for
 *               as long as entries are taken
 * @return 1: take entries; 0: go on; < 0 as of srl_stream_consumer_poll(): go on later if at all
 */
SRL_API int srl_stream_consumer_answer(srl_stream_consumer *consumer, int error, const srl_reply *reply);

/** Take an entry of the last answer. 1; 0: no more; SRL_ERR_TYPE: the answer is malformed; SRL_ERR_INVALID. */
SRL_API int srl_stream_consumer_entry(srl_stream_consumer *consumer, srl_stream_delivery *out);

SRL_END_DECLS

#endif
