/*
 * redis.h - a Redis client: connections that come back by themselves, pipelining, pub/sub, scripts, a pool.
 *
 * Two ways in, one code beneath:
 *
 *  - Blocking. srl_redis_connect() gives a connection, srl_redis_command() sends a command and waits for its reply.
 *    Threads share connections through a srl_redis_pool.
 *  - Non-blocking. A srl_redis_loop owns one descriptor for any number of srl_redis_client (commands) and
 *    srl_redis_pubsub (subscriptions), like srl_relay_fd() and srl_relay_process(). Nothing of it ever blocks.
 *
 * What is promised under every fault:
 *
 *  - A reply goes to the command it answers, or the connection is closed. A command that timed out or was cancelled
 *    still consumes its reply.
 *  - A command is sent again only if it was certainly not executed, or if the caller marked it SRL_REDIS_IDEMPOTENT.
 *    All others that were sent and not answered end in SRL_ERR_OUTCOME_UNKNOWN.
 *  - Passwords, arguments and payloads never appear in error texts.
 *
 * Threads: a loop and all that lives on it, and a blocking connection, are used from one thread at a time. A pool may
 * be used from all threads. Host names that are not numeric addresses are looked up on a short-lived thread of the
 * library's own, because the system has no lookup that does not block: it calls getaddrinfo(), wakes the loop and
 * ends; all signals are blocked on it and no callback runs on it. Give numeric addresses or a resolver of your own
 * (srl_redis_options_set_resolver) and no thread is ever started.
 *
 * Callbacks run only inside srl_redis_loop_process(), srl_redis_loop_run_once(), and the calls that end a client. All
 * calls are allowed in them, ending what they are called for included.
 */
#ifndef STREAMRELAY_REDIS_H
#define STREAMRELAY_REDIS_H

#include <streamrelay/api.h>
#include <streamrelay/platform.h>
#include <streamrelay/redis_command.h>
#include <streamrelay/redis_reply.h>

SRL_BEGIN_DECLS

/** Where a server is, and how to talk to it. */
typedef struct srl_redis_options srl_redis_options;

/** What non-blocking connections live on: one descriptor, timers. */
typedef struct srl_redis_loop srl_redis_loop;

/** One non-blocking connection for commands. */
typedef struct srl_redis_client srl_redis_client;

/** One non-blocking connection for subscriptions. */
typedef struct srl_redis_pubsub srl_redis_pubsub;

/** One blocking connection. */
typedef struct srl_redis_conn srl_redis_conn;

/** Blocking connections shared by threads. */
typedef struct srl_redis_pool srl_redis_pool;

/** A Lua script or a library of functions, loaded where it is missing. */
typedef struct srl_redis_script srl_redis_script;

/** Commands for one MULTI/EXEC. */
typedef struct srl_redis_multi srl_redis_multi;

/** A question for the address of a host name. */
typedef struct srl_redis_lookup srl_redis_lookup;

/* ---- options ---- */

/**
 * Settings, from a URL:
 *
 *     redis://[[user]:password@]host[:port][/db][?option=value&...]
 *     rediss://...                                    the same through a transport (TLS), see below
 *     unix://[[user]:password@]/path/to/socket[?db=0&option=value&...]   ("redis+unix://" and "unix:/path" as well)
 *
 * Everything but the scheme may be percent-encoded. IPv6 addresses stand in brackets, "[::1]:6379". The host defaults
 * to 127.0.0.1, the port to 6379, db to 0. Every option of srl_redis_options_set() may stand behind the "?".
 *
 * @param url  NULL with length 0: the defaults
 * @param out  receives the options, also after SRL_ERR_REDIS_URL, so that srl_redis_options_last_error() can say what
 *             is wrong and at which byte (it never repeats the password); NULL after other errors. Free it with
 *             srl_redis_options_destroy().
 * @return 0, SRL_ERR_REDIS_URL, SRL_ERR_NOMEM
 */
SRL_API int srl_redis_options_create(const char *url, size_t url_len, srl_redis_options **out);

/** Free options; connections keep what they need of them. */
SRL_API void srl_redis_options_destroy(srl_redis_options *options);

/**
 * Set one option by name. Durations are "500ms", "5s", "2m", "1h" or milliseconds; sizes have "k", "m" or "g" behind.
 *
 *   host, port, path, db       where; "path" is a Unix socket and takes precedence over host and port
 *   user, password             ("username" is the same as "user")
 *   protocol                   "auto" (RESP3, else RESP2), "2", "3" (which fails where the server lacks it)
 *   client_name                no spaces; shown by CLIENT LIST
 *   client_info                "true": tell the server the library's name and version
 *   connect_timeout            2s; for one address, from the connect to the end of the handshake
 *   command_timeout            5s; from the call to the reply ("timeout" sets this and connect_timeout); 0: none
 *   loading_timeout            60s; how long srl_redis_connect() waits for a server that still loads its data
 *   backoff_min, backoff_max   50ms, 5s; before reconnecting, doubled each time, with full jitter
 *   keepalive                  15s idle, then three probes 5s apart; 0: off
 *   user_timeout               20s; unacknowledged data ends the connection (TCP_USER_TIMEOUT); 0: off
 *   idle_probe                 30s; a connection that has been silent so long is asked for a sign of life; 0: off
 *   offline_queue              "true": commands wait for a lost connection to come back (at most their timeout);
 *                              "false": they fail at once with SRL_ERR_REDIS_CONNECT (the time before the first
 *                              connection included)
 *   max_pending                1,000,000; commands waiting for their reply, per connection
 *   max_output                 256m; bytes waiting to be sent, per connection
 *   max_reply                  1g; bytes of one reply; max_bulk 512m; one string of it; max_depth 32
 *   pool_max                   16; connections of a pool; pool_min 0; kept open even if idle
 *   pool_wait                  6s; for a free connection
 *   pool_idle_timeout          5m; unused connections above pool_min are closed; 0: never
 *   pool_lifetime              0; a connection is closed at this age (up to a tenth earlier, by chance); 0: never
 *   pool_check                 10s; one that lay unused for so long is tested with an ECHO before it is lent; 0: always
 *
 * @return 0, SRL_ERR_OPTION_UNKNOWN, SRL_ERR_OPTION_VALUE, SRL_ERR_NOMEM
 */
SRL_API int srl_redis_options_set(srl_redis_options *options, const char *name, const char *value);

/** What the last failed call found wrong. Never NULL, never with a password in it. */
SRL_API const char *srl_redis_options_last_error(const srl_redis_options *options);

/** Memory for everything made with these options; for a pool it must be safe to call from all its threads. Copied. */
SRL_API int srl_redis_options_set_allocator(srl_redis_options *options, const srl_allocator *allocator);

/** Clock and randomness; copied. */
SRL_API int srl_redis_options_set_platform(srl_redis_options *options, const srl_platform *platform);

/** What transport functions return instead of a count. */
enum {
    SRL_REDIS_AGAIN_READ = -1,  /**< call again when the socket is readable */
    SRL_REDIS_AGAIN_WRITE = -2, /**< call again when the socket is writable */
    SRL_REDIS_BROKEN = -3       /**< the stream is of no use any more */
};

/**
 * TLS, or any other layer on top of the socket; required for rediss:// and used for the other schemes too if given.
 * The functions must not block. For a pool they must be safe to call from several threads for different streams.
 * Fill the table with srl_redis_transport_init().
 */
typedef struct srl_redis_transport {
    uint32_t size; /**< sizeof(srl_redis_transport), set by srl_redis_transport_init() */
    /** Put a stream on a connected non-blocking socket, which stays the library's to close. `host` is the name to
     *  verify ("" for a Unix socket). 0, or SRL_REDIS_BROKEN. */
    int (*connect)(int fd, const char *host, void **stream, void *user);
    /** Go on with the stream's own handshake: 0 when it is done, or one of the codes above. */
    int (*handshake)(void *stream, void *user);
    /** > 0: bytes read, 0: the end, or one of the codes above. */
    int64_t (*read)(void *stream, void *out, size_t room, void *user);
    /** > 0: bytes taken, or one of the codes above. */
    int64_t (*write)(void *stream, const void *data, size_t len, void *user);
    /** End the stream and free it, before the socket is closed. Not called in a child after fork. */
    void (*close)(void *stream, void *user);
    void *user; /**< handed to each function */
} srl_redis_transport;

/** Fill a table of `size` bytes (its sizeof) with NULL functions. */
SRL_API void srl_redis_transport_init(srl_redis_transport *transport, size_t size);

/** Use a transport; copied. All functions are required. NULL: none. 0 or SRL_ERR_INVALID. */
SRL_API int srl_redis_options_set_transport(srl_redis_options *options, const srl_redis_transport *transport);

/**
 * Look up host names yourself. `resolve` begins a lookup and returns 0; then, now or later, on the loop's thread, the
 * host calls srl_redis_lookup_add() per address and srl_redis_lookup_finish(). `cancel` (may be NULL) tells that
 * nobody waits any more: the lookup must not be used after it. Numeric addresses are not asked for.
 */
typedef struct srl_redis_resolver {
    uint32_t size; /**< sizeof(srl_redis_resolver), set by srl_redis_resolver_init() */
    uint32_t reserved;
    int (*resolve)(const char *host, srl_redis_lookup *lookup, void *user);
    void (*cancel)(srl_redis_lookup *lookup, void *user);
    void *user; /**< handed to each function */
} srl_redis_resolver;

/** Fill a table of `size` bytes (its sizeof) with NULL functions. */
SRL_API void srl_redis_resolver_init(srl_redis_resolver *resolver, size_t size);

/** Use a resolver; copied; NULL: the library's own. 0 or SRL_ERR_INVALID. */
SRL_API int srl_redis_options_set_resolver(srl_redis_options *options, const srl_redis_resolver *resolver);

/** A numeric IPv4 or IPv6 address. 0, SRL_ERR_INVALID, SRL_ERR_LIMIT (16 are enough). */
SRL_API int srl_redis_lookup_add(srl_redis_lookup *lookup, const char *address);

/** The lookup has ended; `error` is 0 or a code of error.h. */
SRL_API void srl_redis_lookup_finish(srl_redis_lookup *lookup, int error);

/**
 * Called before each handshake, so that passwords can change: point `*user` and `*password` to texts that stay valid
 * until the next call; leave them for what the options say. For a pool it may be called on any of its threads.
 */
typedef void (*srl_redis_credentials_fn)(const char **user, const char **password, void *user_data);

/** Set it; NULL takes it away. `user_data` is handed to it. 0. */
SRL_API int srl_redis_options_set_credentials(srl_redis_options *options, srl_redis_credentials_fn function,
                                              void *user_data);

/* ---- what the server's errors mean ---- */

/** Classes of error replies. */
typedef enum srl_redis_error_class {
    SRL_REDIS_ERROR_NONE = 0,     /**< no error at all */
    SRL_REDIS_ERROR_REDIRECT = 1, /**< MOVED, ASK: another node of a cluster */
    SRL_REDIS_ERROR_RETRY = 2,    /**< TRYAGAIN, CLUSTERDOWN, LOADING, BUSY, MASTERDOWN...: not executed, try soon */
    SRL_REDIS_ERROR_ROLE = 3,     /**< READONLY, demotion: not executed; this is not the master any more */
    SRL_REDIS_ERROR_CAPACITY = 4, /**< OOM, MISCONF, too many clients */
    SRL_REDIS_ERROR_AUTH = 5,     /**< NOAUTH, WRONGPASS, NOPERM, DENIED */
    SRL_REDIS_ERROR_SCRIPT = 6,   /**< NOSCRIPT, function not found */
    SRL_REDIS_ERROR_OTHER = 7     /**< everything else: the caller's matter */
} srl_redis_error_class;

/** The class of an error text as the server sent it, without the "-" in front. */
SRL_API srl_redis_error_class srl_redis_error_classify(const char *text, size_t len);

/* ---- blocking ---- */

/**
 * Connect, authenticate, select the database, and wait until the server is ready. Blocks.
 *
 * @param options  used during the call only
 * @param out      receives the connection; free it with srl_redis_close()
 * @return 0, SRL_ERR_REDIS_RESOLVE, _CONNECT, _AUTH, _REFUSED, _LOADING, _TRANSPORT, SRL_ERR_PROTOCOL,
 *         SRL_ERR_TIMEOUT, SRL_ERR_SYSTEM, SRL_ERR_NOMEM. After an error srl_redis_options_last_error() says more.
 */
SRL_API int srl_redis_connect(srl_redis_options *options, srl_redis_conn **out);

/** Close a connection and free it. */
SRL_API void srl_redis_close(srl_redis_conn *conn);

/**
 * Send one command and wait for its reply. Binary-safe. A connection that was lost is made anew first, but nothing is
 * sent twice.
 *
 * SELECT, AUTH, MULTI, WATCH and CLIENT TRACKING are possible, as the connection is nobody else's. When a connection
 * is lost in such a state, all further commands answer with SRL_ERR_CLOSED instead of going on without that state.
 *
 * Not possible here: (P|S)(UN)SUBSCRIBE and MONITOR (see srl_redis_pubsub), CLIENT REPLY, HELLO, RESET, QUIT, SYNC:
 * they answer with SRL_ERR_INVALID and are not sent.
 *
 * @param argc   number of arguments, the command's name included
 * @param argv   the arguments
 * @param lens   their lengths; NULL if all are C strings
 * @param reply  receives the reply, valid until the next call on this connection (srl_reply_keep() keeps it longer);
 * NULL: not wanted
 * @return 0; SRL_ERR_REDIS (`*reply` is the server's error); SRL_ERR_TIMEOUT or SRL_ERR_REDIS_CONNECT (not executed);
 *         SRL_ERR_OUTCOME_UNKNOWN; what srl_redis_connect() returns; SRL_ERR_INVALID; SRL_ERR_STATE
 *         (replies of srl_redis_append() are still to be asked for); SRL_ERR_CLOSED (see above); SRL_ERR_TOO_LARGE;
 *         SRL_ERR_NOMEM.
 *         `*reply` is NULL in all but the first two.
 */
SRL_API int srl_redis_command(srl_redis_conn *conn, size_t argc, const char *const *argv, const size_t *lens,
                              const srl_reply **reply);

/** The same with a time limit of its own, for commands that block on the server: its BLOCK time and some grace.
 *  SRL_REDIS_NO_TIMEOUT: for ever. `flags` as for srl_redis_client_command(). */
SRL_API int srl_redis_command_timeout(srl_redis_conn *conn, uint64_t timeout_ms, uint32_t flags, size_t argc,
                                      const char *const *argv, const size_t *lens, const srl_reply **reply);

/**
 * The same for a command that was built before (see redis_command.h). It may be used again afterwards.
 */
SRL_API int srl_redis_send(srl_redis_conn *conn, srl_command *command, uint64_t timeout_ms, uint32_t flags,
                           const srl_reply **reply);

/** Pipelining: queue a command without sending it. 0, SRL_ERR_INVALID, SRL_ERR_LIMIT, SRL_ERR_TOO_LARGE,
 *  SRL_ERR_NOMEM. */
SRL_API int srl_redis_append(srl_redis_conn *conn, size_t argc, const char *const *argv, const size_t *lens);

/**
 * Send all that is queued, and wait for the reply to the oldest command not yet asked for. Results as those of
 * srl_redis_command(); SRL_ERR_STATE if there is none. The reply is valid until the next call on this connection.
 */
SRL_API int srl_redis_next_reply(srl_redis_conn *conn, const srl_reply **reply);

/** Run a transaction: the reply is EXEC's (null if a watched key was changed). */
SRL_API int srl_redis_exec(srl_redis_conn *conn, const srl_redis_multi *multi, const srl_reply **reply);

/** Run a script or function, which is loaded if the server does not have it. Arguments as those of
 *  srl_redis_client_call(). */
SRL_API int srl_redis_call(srl_redis_conn *conn, const srl_redis_script *script, const char *function,
                           uint32_t num_keys, size_t argc, const char *const *argv, const size_t *lens, uint32_t flags,
                           const srl_reply **reply);

/** What the last failed call on this connection found wrong, in words. Never NULL. */
SRL_API const char *srl_redis_last_error(const srl_redis_conn *conn);

/** 2 or 3: the protocol that is spoken; 0 if there is no connection at the moment. */
SRL_API uint32_t srl_redis_protocol(const srl_redis_conn *conn);

/* ---- the loop ---- */

/** Make a loop. Its allocator and platform are those of the options (NULL: the system's). 0, SRL_ERR_SYSTEM,
 *  SRL_ERR_NOMEM. */
SRL_API int srl_redis_loop_create(const srl_redis_options *options, srl_redis_loop **out);

/** End a loop and everything on it; waiting commands are told SRL_ERR_CLOSED. */
SRL_API void srl_redis_loop_destroy(srl_redis_loop *loop);

/** One descriptor, the same for the loop's life: watch it for reading, level-triggered. */
SRL_API int srl_redis_loop_fd(const srl_redis_loop *loop);

/** Do what is ready, never block: > 0: call again; 0: idle; SRL_ERR_STATE inside a callback; SRL_ERR_POLLER: the loop
 * can only be destroyed. */
SRL_API int srl_redis_loop_process(srl_redis_loop *loop);

/** The same, but wait at most timeout_ms (-1: for ever) for something to do. */
SRL_API int srl_redis_loop_run_once(srl_redis_loop *loop, int32_t timeout_ms);

/** Milliseconds until srl_redis_loop_process() has something to do by the clock, 0 if now, -1 if only an event can
 *  wake it. */
SRL_API int32_t srl_redis_loop_next_timeout_ms(srl_redis_loop *loop);

/** Send now what was queued; without this call it goes out when the running srl_redis_loop_process() ends, or in the
 *  next one (the descriptor is readable then). */
SRL_API void srl_redis_loop_flush(srl_redis_loop *loop);

/* ---- commands, non-blocking ---- */

/** States of a connection, as srl_redis_state_fn tells them. */
typedef enum srl_redis_state {
    SRL_REDIS_READY = 1, /**< connected, authenticated, and the server serves data */
    SRL_REDIS_LOST = 2,  /**< it was ready and is not any more; it is being made anew */
    SRL_REDIS_FAILED = 3 /**< one attempt to make it has failed; the next one follows */
} srl_redis_state;

/** A state was entered; `error` and `text` say why (0 and "" for SRL_REDIS_READY). */
typedef void (*srl_redis_state_fn)(int state, int error, const char *text, void *user);

/**
 * Make a client and begin to connect. It reconnects for as long as it lives.
 *
 * @param options  used during the call only
 * @param state    told of the connection's states; may be NULL
 * @return 0, SRL_ERR_REDIS_TRANSPORT, SRL_ERR_INVALID, SRL_ERR_NOMEM
 */
SRL_API int srl_redis_client_create(srl_redis_loop *loop, const srl_redis_options *options, srl_redis_state_fn state,
                                    void *user, srl_redis_client **out);

/** Close and free. Waiting commands are told: SRL_ERR_CLOSED if not sent, else SRL_ERR_OUTCOME_UNKNOWN. */
SRL_API void srl_redis_client_destroy(srl_redis_client *client);

/**
 * The answer to a command, exactly once. `error` as the result of srl_redis_command(), or SRL_ERR_CANCELLED,
 * SRL_ERR_CLOSED; `reply` is valid until the function returns.
 */
typedef void (*srl_redis_reply_fn)(int error, const srl_reply *reply, void *user);

/** Flags of commands. */
enum {
    /** It may be executed twice without harm: send it again where the outcome is unknown. */
    SRL_REDIS_IDEMPOTENT = 1,
    /** Send it again, until its time is up, while the server answers that it cannot serve it now (LOADING, BUSY,
     *  TRYAGAIN, ...). It then comes behind commands that were given later. */
    SRL_REDIS_RETRY = 2,
    /** Fail at once instead of waiting for a lost connection. */
    SRL_REDIS_NO_WAIT = 4
};

#define SRL_REDIS_DEFAULT_TIMEOUT UINT64_MAX       /**< command_timeout of the options */
#define SRL_REDIS_NO_TIMEOUT      (UINT64_MAX - 1) /**< for ever */

/**
 * Queue a command. All that is queued in one turn is sent in one piece; replies come in order. Commands that block on
 * the server hold up all behind them: give them a client of their own. Commands that change the connection's state
 * (SELECT, AUTH, MULTI, WATCH and those that srl_redis_command() refuses) answer with SRL_ERR_INVALID.
 *
 * @param timeout_ms  or SRL_REDIS_DEFAULT_TIMEOUT, SRL_REDIS_NO_TIMEOUT
 * @param function    told the answer; NULL: nobody is
 * @param id          receives a number for srl_redis_client_cancel(); may be NULL
 * @return 0; SRL_ERR_INVALID, SRL_ERR_LIMIT, SRL_ERR_TOO_LARGE, SRL_ERR_NOMEM, SRL_ERR_REDIS_CONNECT: then the function
 *         is not called
 */
SRL_API int srl_redis_client_command(srl_redis_client *client, size_t argc, const char *const *argv, const size_t *lens,
                                     uint32_t flags, uint64_t timeout_ms, srl_redis_reply_fn function, void *user,
                                     uint64_t *id);

/** The same for a command that was built before; the client shares it until it is answered and sent. */
SRL_API int srl_redis_client_send(srl_redis_client *client, srl_command *command, uint32_t flags, uint64_t timeout_ms,
                                  srl_redis_reply_fn function, void *user, uint64_t *id);

/**
 * Give up waiting: the function is called at once, with SRL_ERR_CANCELLED if the command was not handed to a
 * connection (it never will be), else with SRL_ERR_OUTCOME_UNKNOWN. 0, or SRL_ERR_NOT_FOUND (answered already).
 */
SRL_API int srl_redis_client_cancel(srl_redis_client *client, uint64_t id);

/** Whether the connection is ready now. */
SRL_API int srl_redis_client_is_ready(const srl_redis_client *client);

/** Drop the connection and make it anew at once (after READONLY, say). */
SRL_API void srl_redis_client_reconnect(srl_redis_client *client);

/** Numbers of a client; a read-only view. */
typedef struct srl_redis_client_stats {
    uint32_t size;     /**< in: sizeof(srl_redis_client_stats) */
    uint32_t protocol; /**< 2 or 3, 0 while there is no connection */
    uint64_t connects; /**< times it became ready */
    uint64_t failures; /**< attempts that failed */
    uint64_t commands; /**< queued since it was made */
    uint64_t replies;  /**< received, late ones included */
    uint64_t late;     /**< replies nobody waited for any more */
    uint64_t retries;  /**< commands sent again */
    uint64_t unknown;  /**< commands whose outcome is not known */
    uint64_t pending;  /**< commands without answer now */
    uint64_t writes;   /**< calls that sent something */
    uint64_t bytes_in;
    uint64_t bytes_out;
} srl_redis_client_stats;

/** 0 or SRL_ERR_INVALID. */
SRL_API int srl_redis_client_stats_get(const srl_redis_client *client, srl_redis_client_stats *out);

/** Make an empty transaction; its memory is that of the options (NULL: the system's). */
SRL_API int srl_redis_multi_create(const srl_redis_options *options, srl_redis_multi **out);

/** Free it; NULL is allowed. */
SRL_API void srl_redis_multi_destroy(srl_redis_multi *multi);

/** Add a command, copied. 0, SRL_ERR_INVALID, SRL_ERR_TOO_LARGE, SRL_ERR_NOMEM. */
SRL_API int srl_redis_multi_add(srl_redis_multi *multi, size_t argc, const char *const *argv, const size_t *lens);

/** Send MULTI, the commands and EXEC as one: either all of them or none is executed. The answer is EXEC's. */
SRL_API int srl_redis_client_exec(srl_redis_client *client, const srl_redis_multi *multi, uint32_t flags,
                                  uint64_t timeout_ms, srl_redis_reply_fn function, void *user, uint64_t *id);

/**
 * Make a script (a Lua text for EVAL) or, if it begins with "#!", a library of functions (for FUNCTION LOAD). It is
 * constant after that, may be used by all clients and threads, and must outlive the calls that use it.
 */
SRL_API int srl_redis_script_create(const srl_redis_options *options, const char *code, size_t code_len,
                                    srl_redis_script **out);

/** Free it; NULL is allowed. */
SRL_API void srl_redis_script_destroy(srl_redis_script *script);

/**
 * Run a script by its hash, or a function by its name. Where the server does not have it, it is loaded and the call
 * repeated, once.
 *
 * @param function_name  of a library; NULL for a script
 * @param num_keys       how many of the arguments are keys
 * @param argc           number of keys and arguments, may be 0
 */
SRL_API int srl_redis_client_call(srl_redis_client *client, const srl_redis_script *script, const char *function_name,
                                  uint32_t num_keys, size_t argc, const char *const *argv, const size_t *lens,
                                  uint32_t flags, uint64_t timeout_ms, srl_redis_reply_fn function, void *user,
                                  uint64_t *id);

/* ---- subscriptions, non-blocking ---- */

/** Kinds of subscriptions. */
typedef enum srl_redis_channel_kind {
    SRL_REDIS_CHANNEL = 0, /**< SUBSCRIBE */
    SRL_REDIS_PATTERN = 1, /**< PSUBSCRIBE */
    SRL_REDIS_SHARD = 2    /**< SSUBSCRIBE */
} srl_redis_channel_kind;

/** A message; a view. */
typedef struct srl_redis_message {
    uint32_t size;
    uint32_t kind;       /**< srl_redis_channel_kind */
    const char *channel; /**< where it was published */
    size_t channel_len;
    const char *pattern; /**< SRL_REDIS_PATTERN: the pattern it matched; else empty */
    size_t pattern_len;
    const char *data;
    size_t data_len;
} srl_redis_message;

/** What a srl_redis_pubsub tells. Fill the table with srl_redis_pubsub_handlers_init(); any may be NULL. */
typedef struct srl_redis_pubsub_handlers {
    uint32_t size; /**< set by srl_redis_pubsub_handlers_init() */
    uint32_t reserved;
    void (*message)(const srl_redis_message *message, void *user);
    /** As srl_redis_state_fn; SRL_REDIS_READY comes when everything is subscribed again: messages published since
     *  SRL_REDIS_LOST are lost. */
    void (*state)(int state, int error, const char *text, void *user);
    /** The server ended a subscription by itself (a slot moved): it is subscribed again at once, and confirmed by
     *  `restored`; messages between are lost. */
    void (*dropped)(int kind, const char *channel, size_t channel_len, void *user);
    void (*restored)(int kind, const char *channel, size_t channel_len, void *user);
    void *user; /**< handed to each function */
} srl_redis_pubsub_handlers;

/** Fill it with the defaults; `size` is sizeof the struct as the caller's header has it. */
SRL_API void srl_redis_pubsub_handlers_init(srl_redis_pubsub_handlers *handlers, size_t size);

/** Make a connection for subscriptions and begin to connect. Results as those of srl_redis_client_create(). */
SRL_API int srl_redis_pubsub_create(srl_redis_loop *loop, const srl_redis_options *options,
                                    const srl_redis_pubsub_handlers *handlers, srl_redis_pubsub **out);

/** Free it; NULL is allowed. */
SRL_API void srl_redis_pubsub_destroy(srl_redis_pubsub *pubsub);

/**
 * A subscribe or unsubscribe call is settled, exactly once: 0: the server has confirmed all of it; SRL_ERR_REDIS: it
 * refused (`text`: its error's first word), and none of the call's new channels is subscribed; SRL_ERR_CLOSED. A lost
 * connection settles nothing: the call is settled when the subscriptions are restored.
 */
typedef void (*srl_redis_settled_fn)(int error, const char *text, void *user);

/**
 * Subscribe to channels, in commands of at most 512 names, and stay subscribed across lost connections. Names that are
 * subscribed already are skipped.
 *
 * @param function  told when all of it is confirmed; may be NULL
 * @return 0, SRL_ERR_INVALID, SRL_ERR_LIMIT, SRL_ERR_NOMEM (nothing is changed then)
 */
SRL_API int srl_redis_pubsub_subscribe(srl_redis_pubsub *pubsub, int kind, size_t count, const char *const *channels,
                                       const size_t *lens, srl_redis_settled_fn function, void *user);

/** The reverse; no message of these channels is delivered after this call. Unknown names are skipped. */
SRL_API int srl_redis_pubsub_unsubscribe(srl_redis_pubsub *pubsub, int kind, size_t count, const char *const *channels,
                                         const size_t *lens, srl_redis_settled_fn function, void *user);

/** How many names are wanted, of all kinds. */
SRL_API size_t srl_redis_pubsub_count(const srl_redis_pubsub *pubsub);

/** Drop the connection and make it anew at once. */
SRL_API void srl_redis_pubsub_reconnect(srl_redis_pubsub *pubsub);

/* ---- the pool ---- */

/**
 * Make a pool of blocking connections, all with these options; no connection is opened yet.
 *
 * Fork: a child may use the pool if no other thread was inside one of its calls at the moment of the fork; it then
 * begins with no connection of its own (those of the parent are closed in the child without a word to the server).
 * Connections that were lent must not be used in the child, only given back.
 *
 * @return 0, SRL_ERR_OPTION_VALUE (pool_min above pool_max), SRL_ERR_REDIS_TRANSPORT, SRL_ERR_NOMEM
 */
SRL_API int srl_redis_pool_create(const srl_redis_options *options, srl_redis_pool **out);

/**
 * Borrow a connection, opening one where none is free and pool_max allows it. Who waits longest is served first.
 *
 * @param timeout_ms  or SRL_REDIS_DEFAULT_TIMEOUT for pool_wait; includes connecting
 * @return 0; SRL_ERR_TIMEOUT; SRL_ERR_CLOSED (the pool is being closed); what srl_redis_connect() returns
 */
SRL_API int srl_redis_pool_acquire(srl_redis_pool *pool, uint64_t timeout_ms, srl_redis_conn **out);

/**
 * A connection for commands that block on the server: opened for this purpose, not counted in pool_max, closed when it
 * is given back.
 */
SRL_API int srl_redis_pool_acquire_dedicated(srl_redis_pool *pool, srl_redis_conn **out);

/**
 * Give a connection back. One with a command unanswered, in a transaction, with another database or user, or broken is
 * closed instead of lent again.
 */
SRL_API void srl_redis_pool_release(srl_redis_pool *pool, srl_redis_conn *conn);

/**
 * Close what has been idle or alive for too long, and open connections up to pool_min; blocks while it opens. The pool
 * has no thread of its own: call this now and then if either matters. 0, or why a connection could not be opened.
 */
SRL_API int srl_redis_pool_maintain(srl_redis_pool *pool);

/** Numbers of a pool; a read-only view. */
typedef struct srl_redis_pool_stats {
    uint32_t size;      /**< in: sizeof(srl_redis_pool_stats) */
    uint32_t idle;      /**< free connections */
    uint32_t lent;      /**< lent ones, dedicated ones not counted */
    uint32_t dedicated; /**< lent dedicated ones */
    uint32_t waiting;   /**< threads waiting for one */
    uint32_t reserved;
    uint64_t opened;   /**< since the pool was made */
    uint64_t failed;   /**< attempts to open one that failed */
    uint64_t closed;   /**< closed for any reason */
    uint64_t stale;    /**< of these: found dead or out of step when they were to be lent */
    uint64_t hits;     /**< times a free connection was lent */
    uint64_t misses;   /**< times one had to be opened */
    uint64_t waits;    /**< times a thread had to wait */
    uint64_t timeouts; /**< times it waited in vain */
    uint64_t wait_ms;  /**< waited, in sum */
} srl_redis_pool_stats;

/** 0 or SRL_ERR_INVALID. */
SRL_API int srl_redis_pool_stats_get(srl_redis_pool *pool, srl_redis_pool_stats *out);

/** Close all free connections (after a failover, say); lent ones are closed when they come back. */
SRL_API void srl_redis_pool_drop(srl_redis_pool *pool);

/**
 * End a pool. Free connections are closed, waiting threads get SRL_ERR_CLOSED. Lent connections go on working and must
 * still be given back by srl_redis_pool_release(); the last one frees the pool.
 */
SRL_API void srl_redis_pool_destroy(srl_redis_pool *pool);

SRL_END_DECLS

#endif
