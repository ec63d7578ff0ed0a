/*
 * broker.h - where channels live: history, presence, and the way between nodes.
 *
 * Most programs need nothing of this header: a relay makes an in-memory broker of its own. It serves those who share
 * an in-memory broker among relays on several threads, and those who write a broker of their own.
 *
 * A broker serves one or many relays ("nodes"). All functions of its table but destroy are called on the thread of the
 * relay concerned. Operations (everything that gets an srl_operation) are answered exactly once by
 * srl_operation_finish() on that same thread, within the call or later; operations of one relay on one channel take
 * effect in the order they were given.
 */
#ifndef STREAMRELAY_BROKER_H
#define STREAMRELAY_BROKER_H

#include <streamrelay/api.h>
#include <streamrelay/channel.h>
#include <streamrelay/platform.h>

SRL_BEGIN_DECLS

/** A relay as its broker sees it. */
typedef struct srl_node srl_node;

/** A question of a relay to its broker. */
typedef struct srl_operation srl_operation;

/** What a broker must know of a channel's options; a view. */
typedef struct srl_broker_channel {
    uint32_t size;                /**< sizeof(srl_broker_channel) */
    uint32_t history_size;        /**< publications to keep; 0: the channel has no history and no offsets */
    uint64_t history_ttl_ms;      /**< a publication's age limit; 0: none */
    uint64_t history_meta_ttl_ms; /**< how long offset and epoch outlive the last use; 0: for ever. An epoch that had no
                                       publication yet may end sooner. */
    const char *name;
    size_t name_len;
    uint64_t idempotency_ttl_ms; /**< how long the keys of publications are remembered; more than 0 if one is given */
    uint32_t join_leave;         /**< who is told of joins and leaves: 1 of sessions, 2 of users, or both */
    uint32_t reserved;           /**< 0 */
} srl_broker_channel;

/** Kinds of messages that travel between nodes. */
typedef enum srl_message_kind {
    SRL_MESSAGE_PUBLICATION = 1, /**< stored, and numbered, where the channel has history */
    SRL_MESSAGE_JOIN = 2,        /**< never stored */
    SRL_MESSAGE_LEAVE = 3,       /**< never stored */
    SRL_MESSAGE_TRANSIENT = 4    /**< a publication that is neither stored nor numbered, in any channel */
} srl_message_kind;

/** One member of a channel's presence: a session; a view. */
typedef struct srl_broker_member {
    uint32_t size;       /**< sizeof(srl_broker_member) */
    uint32_t client_len; /**< SRL_CLIENT_ID_LEN */
    const char *client;
    const char *user;
    size_t user_len;
    const char *info;
    size_t info_len;
    const char *channel_info; /**< of its subscription to this channel; empty or NULL if none */
    size_t channel_info_len;
} srl_broker_member;

/** A read of history; a view. */
typedef struct srl_broker_query {
    uint32_t size;  /**< sizeof(srl_broker_query) */
    uint32_t limit; /**< at most this many; 0: only the position */
    uint64_t since_offset;
    const char *since_epoch; /**< empty: not checked */
    size_t since_epoch_len;
    uint32_t reverse; /**< 1: newest first, below since_offset if that is not 0 */
    uint32_t follows; /**< 1: since_epoch may be an earlier one: the answer is what came since then, over the end of
                           that epoch, if the broker is certain that nothing of it was lost */
} srl_broker_query;

/** What is asked of the directory: groups with members and metadata, by channel. */
typedef enum srl_directory_verb {
    SRL_DIRECTORY_CREATE = 1,   /**< a group, with metadata; SRL_ERR_EXISTS */
    SRL_DIRECTORY_DELETE = 2,   /**< with its members, who are listed in the answer; SRL_ERR_NOT_FOUND */
    SRL_DIRECTORY_SET_META = 3, /**< replace the metadata; SRL_ERR_NOT_FOUND */
    SRL_DIRECTORY_GET = 4,      /**< metadata and number of members; SRL_ERR_NOT_FOUND */
    SRL_DIRECTORY_ADD = 5,      /**< a member; SRL_ERR_NOT_FOUND (no such group), SRL_ERR_EXISTS */
    SRL_DIRECTORY_REMOVE = 6,   /**< a member; SRL_ERR_NOT_FOUND */
    SRL_DIRECTORY_CHECK = 7,    /**< is `user` a member? 0 or SRL_ERR_NOT_FOUND */
    SRL_DIRECTORY_MEMBERS = 8,  /**< list users, in order of their bytes, those behind `user` only */
    SRL_DIRECTORY_GROUPS = 9    /**< list the channels of the groups that `user` is in, likewise behind `channel` */
} srl_directory_verb;

/** A question to the directory; a view. */
typedef struct srl_broker_directory {
    uint32_t size;     /**< sizeof(srl_broker_directory) */
    uint32_t verb;     /**< srl_directory_verb */
    uint32_t limit;    /**< lists: at most this many */
    uint32_t reserved; /**< 0 */
    const char *channel;
    size_t channel_len;
    const char *user;
    size_t user_len;
    const char *meta; /**< JSON */
    size_t meta_len;
} srl_broker_directory;

/** Where a user has come to in a channel; a view. */
typedef struct srl_broker_position {
    uint32_t size;     /**< sizeof(srl_broker_position) */
    uint32_t reserved; /**< 0 */
    const char *user;
    size_t user_len;
    const char *channel;
    size_t channel_len;
    uint64_t offset; /**< when setting */
    const char *epoch;
    size_t epoch_len;
    uint64_t ttl_ms; /**< how long it is kept after it was last set; 0: for ever */
} srl_broker_position;

/** The answer to an operation; a view. Members that an operation does not name are 0. */
typedef struct srl_broker_result {
    uint32_t size;     /**< sizeof(srl_broker_result) */
    int32_t error;     /**< 0 or a code of error.h */
    uint64_t offset;   /**< subscribe, publish, history: the newest offset (publish: the one just given) */
    const char *epoch; /**< subscribe, publish, history: the channel's epoch, at most 32 bytes; empty without history */
    size_t epoch_len;
    const srl_publication *publications; /**< history */
    uint32_t publication_count;
    uint32_t user_sessions;       /**< presence add and remove: sessions of that user in the channel, afterwards */
    const srl_presence *presence; /**< presence list */
    const srl_text *names;        /**< directory lists */
    uint32_t name_count;
    uint32_t total;   /**< directory get and lists: how many there are in all; nodes: how many are alive */
    const char *meta; /**< directory get: JSON, empty if none */
    size_t meta_len;
    uint32_t is_repeat;     /**< publish: 1 if the key was known; offset and epoch are those of the first one */
    uint32_t reserved;      /**< 0 */
    const srl_text *epochs; /**< history that follows: which epoch each publication is of; NULL: all of `epoch` */
} srl_broker_result;

/**
 * A broker's functions. All but wake-ups are on the relay's thread. A function that returns an error has not taken the
 * operation; one that returns 0 answers it. Fill the table with srl_broker_ops_init().
 */
typedef struct srl_broker_ops {
    uint32_t size; /**< sizeof(srl_broker_ops), set by srl_broker_ops_init() */
    /** A relay begins to use the broker. `*link` is the broker's state for it, handed to the other functions. */
    int (*attach)(void *broker, srl_node *node, void **link);
    /** It ends. Operations not answered yet are dropped without an answer. */
    void (*detach)(void *link);
    /** Called after srl_node_wake(), and when the time of srl_node_set_timer() has come: deliver what waits, at most
     *  `budget` messages, or what one read of its sockets brings. > 0 if more is left, 0 if not. */
    int (*process)(void *link, uint32_t budget);
    /** The relay wants the channel's messages from now on. `room` comes back with each delivery. It wants a channel
     *  once at a time; SRL_ERR_EXISTS is for those that do not. */
    int (*subscribe)(void *link, const srl_broker_channel *channel, void *room, srl_operation *operation);
    /** It does not any more: after this call `room` is not delivered to. */
    void (*unsubscribe)(void *link, const char *channel, size_t channel_len, void *room);
    /** Number, keep and pass on a message. The deliveries of one channel come in offset order on every node. The
     *  publication's offset is ignored. A publication whose key was published with in this channel before, less than
     *  idempotency_ttl_ms ago, is not published again: the answer says where the first one is, and that it is a repeat.
     *  A failed one does not use up its key. */
    int (*publish)(void *link, const srl_broker_channel *channel, int kind, const srl_publication *publication,
                   srl_operation *operation);
    /** Read history. SRL_ERR_UNRECOVERABLE as result if since_epoch is given and is not the channel's. */
    int (*history)(void *link, const srl_broker_channel *channel, const srl_broker_query *query,
                   srl_operation *operation);
    /** A session is in the channel, until removed or, where nodes can crash, not renewed. Adding again renews. */
    int (*presence_add)(void *link, const srl_broker_channel *channel, const srl_broker_member *member,
                        srl_operation *operation);
    /** It is not. SRL_ERR_NOT_FOUND as result if it was not there; user_sessions is told all the same. */
    int (*presence_remove)(void *link, const srl_broker_channel *channel, const srl_broker_member *member,
                           srl_operation *operation);
    /** Who is in the channel, at most `limit` users, and the counts. */
    int (*presence_list)(void *link, const srl_broker_channel *channel, uint32_t limit, srl_operation *operation);
    /** The last reference is gone and no relay is attached. */
    void (*destroy)(void *broker);
    /* What follows may be NULL: the relay then answers that it is not available. */
    /** Groups, their members and metadata. */
    int (*directory)(void *link, const srl_broker_directory *question, srl_operation *operation);
    /** Remember where a user is in a channel. Within one epoch it never goes back; a lower offset changes nothing. The
     *  answer holds the position kept. */
    int (*position_set)(void *link, const srl_broker_position *position, srl_operation *operation);
    /** The answer holds offset and epoch as last set; SRL_ERR_NOT_FOUND if never, or too long ago. */
    int (*position_get)(void *link, const srl_broker_position *position, srl_operation *operation);
    /** Pass a note to every node, this one included, by srl_node_control(); notes of one node arrive in order, and
     *  before what that node publishes later. */
    int (*control)(void *link, const char *note, size_t note_len);
    /** The end of an outermost call of the host, in which other functions of the table may have been called: send what
     *  was collected. */
    void (*flush)(void *link);
    /** How many nodes use the broker now, this one included: `total` of the answer. */
    int (*nodes)(void *link, srl_operation *operation);
    /** Drop the publications that a channel keeps; the answer holds its offset and epoch, which go on. */
    int (*history_remove)(void *link, const srl_broker_channel *channel, srl_operation *operation);
    uint32_t traits;   /**< SRL_BROKER_ bits */
    uint32_t reserved; /**< 0 */
} srl_broker_ops;

/** The broker itself finds rooms that publications did not reach, and repairs or repositions them: relays need not ask
 *  for their positions (channel option "position_check"). */
#define SRL_BROKER_CHECKS_POSITIONS 1u
/** Where a channel gets another epoch but keeps its publications, offsets go on: they tell how far two positions are
 *  apart whichever epochs they are of. Else the first publication of an epoch has offset 1. */
#define SRL_BROKER_NUMBERS_GO_ON 2u

/** Fill a table with NULL functions; `size` is sizeof(srl_broker_ops) as the caller's header has it. */
SRL_API void srl_broker_ops_init(srl_broker_ops *ops, size_t size);

/**
 * Make a broker from the host's own functions.
 *
 * @param ops     all functions set, but directory and what follows it may be NULL; copied
 * @param broker  handed to attach and destroy
 * @param out     receives a handle with one reference
 * @return 0, SRL_ERR_INVALID, SRL_ERR_NOMEM. After a failure destroy is not called.
 */
SRL_API int srl_broker_create(const srl_broker_ops *ops, void *broker, srl_broker **out);

/**
 * Make an in-memory broker to share among relays of one process; safe to use from their threads. Their platforms must
 * have the same monotonic clock: what one of them tells is the time for all.
 *
 * @param allocator  its memory, copied; safe to call from all those threads; NULL: malloc
 * @param out        receives a handle with one reference
 * @return 0, SRL_ERR_INVALID, SRL_ERR_NOMEM
 */
SRL_API int srl_broker_create_memory(const srl_allocator *allocator, srl_broker **out);

/** Give the host's reference back; any thread. The broker ends when no relay uses it any more. */
SRL_API void srl_broker_release(srl_broker *broker);

/** Answer an operation, exactly once, on the thread of its relay. */
SRL_API void srl_operation_finish(srl_operation *operation, const srl_broker_result *result);

/** A message for a room, on the relay's thread. `epoch` is the channel's; empty without history. */
SRL_API void srl_node_deliver(srl_node *node, void *room, int kind, const srl_publication *publication,
                              const char *epoch, size_t epoch_len);

/**
 * What was delivered to a room before does not continue: data was lost, or the channel began anew. Subscribers have to
 * recover (they are unsubscribed with 2500), and the room is at this position from now on. On the relay's thread.
 */
SRL_API void srl_node_reposition(srl_node *node, void *room, uint64_t offset, const char *epoch, size_t epoch_len);

/** A note that a node gave to `control`; on the relay's thread. */
SRL_API void srl_node_control(srl_node *node, const char *note, size_t note_len);

/** The broker can be reached from now on (1), or cannot (0): the host is told by an event; on the relay's thread. */
SRL_API void srl_node_report(srl_node *node, int is_up);

/** Have `process` called soon on the relay's thread; from any thread. */
SRL_API void srl_node_wake(srl_node *node);

/** Have `process` called at a time of the relay's monotonic clock (replaces an earlier time); on the relay's thread. */
SRL_API void srl_node_set_timer(srl_node *node, uint64_t due_ms);

/** The relay's clock and randomness. */
SRL_API const srl_platform *srl_node_platform(const srl_node *node);

SRL_END_DECLS

#endif
