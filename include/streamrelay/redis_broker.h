/*
 * redis_broker.h - many relays, in any number of processes and machines, that meet through a Redis server.
 *
 * Every relay that uses a Redis broker with the same server, database and prefix belongs to one whole: a message
 * published on one reaches the subscribers of all, in offset order; history, recovery, presence, positions and groups
 * are everybody's.
 *
 * What is promised:
 *
 *  - A publication is acknowledged when Redis has stored it; where the answer was lost, it is asked for again, and
 *    nothing is stored twice.
 *  - A subscriber gets every publication that Redis keeps, once and in order, whatever happens to connections: what a
 *    lost connection swallowed is read from the channel's stream before anything later is delivered.
 *  - Where Redis itself has lost data (it came back empty, from an old copy, or as a replica that was behind), the
 *    channel's epoch changes and its subscribers have to recover: they are told that they cannot. An offset is never
 *    given twice in one epoch.
 *  - While Redis is away clients stay connected, memory stays within bounds, and everything resumes by itself.
 *
 * The server must be Redis 6.2 or later, or Valkey, and one that can be written to: streams and scripts are needed,
 * functions are used where they are allowed (7.0). Its "maxmemory-policy" must not evict keys of this library:
 * noeviction, or one of the volatile ones. Redis Cluster is not supported; all keys of a channel have one hash tag all
 * the same, so that data need not be renamed for it. docs/redis.md tells the layout of the keys, what they cost, and
 * how to set up the server.
 */
#ifndef STREAMRELAY_REDIS_BROKER_H
#define STREAMRELAY_REDIS_BROKER_H

#include <streamrelay/api.h>
#include <streamrelay/redis.h>

SRL_BEGIN_DECLS

/** What becomes of a request while Redis is away. */
typedef enum srl_redis_away {
    SRL_REDIS_AWAY_WAIT = 0, /**< it waits, at most away_wait_ms */
    SRL_REDIS_AWAY_FAIL = 1  /**< SRL_ERR_BROKER_DOWN at once; a client's is told that it may try again */
} srl_redis_away;

/** Settings of a Redis broker. Fill it with the defaults by srl_redis_broker_config_init(). */
typedef struct srl_redis_broker_config {
    uint32_t size;              /**< sizeof(srl_redis_broker_config), set by srl_redis_broker_config_init() */
    uint32_t away_publish;      /**< srl_redis_away, of everything but subscribing; SRL_REDIS_AWAY_WAIT */
    uint32_t away_subscribe;    /**< srl_redis_away; SRL_REDIS_AWAY_WAIT */
    uint32_t wait_replicas;     /**< a publication is acknowledged when so many replicas have it too (WAIT); 0 */
    uint64_t wait_replicas_ms;  /**< past this time without them: SRL_ERR_OUTCOME_UNKNOWN; less than the options'
                                     command_timeout; 1000 */
    uint64_t away_wait_ms;      /**< how long a request waits for Redis; 10,000 */
    uint64_t max_waiting_bytes; /**< requests that wait, per relay; past it: SRL_ERR_LIMIT; 64 MiB */
    uint64_t presence_ttl_ms;   /**< a crashed relay's sessions are gone from presence after this time; 60,000 */
    uint64_t sweep_ms;          /**< how often quiet rooms are compared with their streams; 0: never; 30,000 */
    uint64_t probe_ms;          /**< silence on the subscriptions after which a sign of life is asked for; 10,000 */
    const char *prefix;         /**< begins the name of every key and channel; no "{" in it; "srl" */
    size_t prefix_len;          /**< 1 to 64 bytes */
} srl_redis_broker_config;

/** Fill it with the defaults; `size` is sizeof the struct as the caller's header has it. */
SRL_API void srl_redis_broker_config_init(srl_redis_broker_config *config, size_t size);

/**
 * Make a broker for srl_options_set_broker(). It may be shared by the relays of several threads: each has connections
 * of its own (one for subscriptions, one for requests, one for catching up), all within the relay's one descriptor.
 * They are made when the relay is; that Redis is away then is no error.
 *
 * @param redis   where the server is, as srl_redis_options_create() read it from a URL; copied; NULL: the defaults. Its
 *                command_timeout is the time after which a silent server counts as away.
 * @param config  copied; NULL: the defaults
 * @param out     receives a handle with one reference; give it back with srl_broker_release()
 * @return 0; SRL_ERR_INVALID (config); SRL_ERR_REDIS_TRANSPORT (rediss:// without a transport); SRL_ERR_NOMEM
 */
SRL_API int srl_redis_broker_create(const srl_redis_options *redis, const srl_redis_broker_config *config,
                                    srl_broker **out);

SRL_END_DECLS

#endif
