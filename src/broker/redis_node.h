/* The Redis broker: a relay's side of it, and what belongs to each channel that the relay wants.
 *
 * Three connections, all on the relay's poller. `pubsub` hears what is published. `client` carries the tasks, in the
 * order they were given. `reader` carries what makes up for lost messages: large answers that must not hold up tasks.
 *
 * The streams are the truth, and what is heard is only the quick way: a room delivers what continues its cursor, and
 * reads the stream from there whenever it does not, when a connection was lost, and now and then. */
#ifndef SRL__REDIS_NODE_H
#define SRL__REDIS_NODE_H

#include <streamrelay/redis_broker.h>

#include "base/buf.h"
#include "base/map.h"
#include "broker/broker.h"
#include "broker/redis_frame.h"
#include "broker/redis_keys.h"
#include "broker/redis_people.h"
#include "broker/redis_task.h"
#include "redis/client.h"
#include "redis/pubsub.h"

enum {
    SRL__NODE_ID_LEN = 16,
    SRL__REDIS_PREFIX_MAX = 64,
    SRL__REDIS_HINTS = 16384,
    SRL__REDIS_HINT_WAYS = 4,
    SRL__REDIS_LUA_NAME = 13,
    SRL__REDIS_SHORTEST_LIFE_MS = 3600 * 1000 /* of a stream; the sweep prolongs it while somebody listens */
};

/* What is made once and shared by the nodes of all threads: constant after that. */
typedef struct srl__redis_broker {
    srl_allocator alloc;
    srl__redis_config *redis;
    srl_redis_options *options; /* a view of the above, for the client's public functions */
    srl_redis_broker_config config;
    char prefix[SRL__REDIS_PREFIX_MAX];
    srl_redis_script *library;           /* redis_*.lua as functions */
    char functions[SRL__REDIS_LUA_NAME]; /* its name */
    srl_redis_script *script;            /* and as one script, for servers without functions */
} srl__redis_broker;

/* A place in a channel: what a stream's id says. */
typedef struct srl__redis_cursor {
    uint64_t epoch; /* 0: none */
    uint64_t offset;
} srl__redis_cursor;

typedef enum srl__redis_room_state {
    SRL__ROOM_NEW,      /* the server has not confirmed the subscription */
    SRL__ROOM_DOUBTFUL, /* waits for its turn to be compared with the stream; what is heard is kept */
    SRL__ROOM_READING,  /* is being compared */
    SRL__ROOM_LIVE
} srl__redis_room_state;

/* A message that was heard out of turn. */
typedef struct srl__redis_kept {
    struct srl__redis_kept *next;
    srl__redis_cursor at;
    size_t len;
    char frame[];
} srl__redis_kept;

typedef struct srl__redis_room {
    srl__list link;    /* of the node's fresh or doubtful rooms */
    srl__list opening; /* of those not answered yet */
    srl__redis_node *node;
    void *room;               /* the engine's; NULL: the notes of nodes to each other */
    srl_operation *operation; /* the subscribe, until it is answered */
    uint64_t due_ms;          /* by then */
    uint32_t refs;            /* of the map, and of everything under way */
    uint8_t state;
    bool has_history;
    bool gone;                /* not wanted any more */
    bool was_live;            /* something was heard, or it was compared, since the last sweep */
    srl__redis_cursor cursor; /* delivered up to here */
    srl__redis_cursor heard;  /* the latest that was let go of because there was no room to keep it */
    srl__redis_kept *kept;
    srl__redis_kept **kept_end;
    uint32_t kept_count;
    uint32_t asked_count; /* of these, the first ones, heard before the stream was asked */
    size_t kept_bytes;
    uint64_t reading; /* the number of the comparison that counts */
    uint32_t name_at; /* where the channel's name begins in: */
    uint32_t live_len;
    char live[]; /* the name that it is published under */
} srl__redis_room;

/* What is known of channels that are published to but not subscribed to here: by hash, the last one wins. */
typedef struct srl__redis_hint {
    uint64_t hash;
    uint64_t epoch;
    uint64_t ttl_set_ms;
    bool is_stored;
} srl__redis_hint;

typedef enum srl__redis_node_state {
    SRL__NODE_AWAY,      /* no connection for tasks */
    SRL__NODE_PREPARING, /* the server is being asked who it is */
    SRL__NODE_UP
} srl__redis_node_state;

struct srl__redis_node {
    srl__redis_broker *broker;
    srl_node *node;
    srl_redis_loop *loop;
    srl_redis_client *client;
    srl_redis_client *reader;
    srl_redis_pubsub *pubsub;
    char id[SRL__NODE_ID_LEN + 1];
    uint8_t state;
    bool hears;       /* the subscriptions are in place */
    bool is_told_up;  /* what the relay knows */
    bool use_script;  /* the server has no functions, or lets us have none */
    bool is_detached; /* freed when depth is 0 */
    uint32_t depth;
    uint32_t stage; /* of preparing, so that answers to earlier ones are known */

    uint64_t base_epoch;
    char lineage[41];
    uint64_t client_id; /* the server's number of our connection */
    uint64_t last_id;   /* and of the one before, which is to be killed */

    srl__list tasks; /* not answered, in the order given */
    uint32_t unsent; /* of these */
    uint64_t task_bytes;
    srl__list unconfirmed; /* publications that replicas may not have yet */

    srl__map rooms;     /* by their live names */
    srl__list fresh;    /* to be subscribed when the turn ends */
    srl__list opening;  /* not answered yet, the oldest first */
    srl__list doubtful; /* to be compared */
    uint32_t readings;  /* answers that the reader owes */
    uint64_t reading_number;
    uint32_t sweep_at; /* the next room to look at */
    uint64_t sweep_ms; /* when the next round may begin */
    srl__redis_room *notes;

    uint32_t age_at; /* the next partition to look through for what is too old */
    uint64_t age_ms; /* when */
    bool is_ageing;  /* it is being done */

    srl__redis_timer tick;
    uint64_t lineage_ms; /* when it is to be asked for again */
    uint64_t beat_ms;
    uint64_t heard_ms; /* anything from the subscriptions */
    uint32_t probes;   /* sent since then */

    uint64_t tokens; /* given to messages */
    uint64_t seed;
    srl__buf key; /* names being built */
    srl__buf live;
    srl__buf once;
    srl__buf frame;
    srl__redis_hint *hints;
    srl__redis_people people;
};

static inline const srl_allocator *srl__redis_node_alloc(const srl__redis_node *node)
{
    return &node->broker->alloc;
}

static inline srl__slice srl__redis_node_prefix(const srl__redis_node *node)
{
    return srl__slice_of(node->broker->config.prefix, node->broker->config.prefix_len);
}

static inline srl__slice srl__redis_node_id(const srl__redis_node *node)
{
    return srl__slice_of(node->id, SRL__NODE_ID_LEN);
}

static inline const srl_redis_broker_config *srl__redis_node_config(const srl__redis_node *node)
{
    return &node->broker->config;
}

static inline uint64_t srl__redis_node_now(const srl__redis_node *node)
{
    return node->loop->now_ms;
}

/* redis_node.c */

int srl__redis_node_attach(void *broker, srl_node *relay, void **out);
void srl__redis_node_detach(void *node);
int srl__redis_node_process(void *node, uint32_t budget);
void srl__redis_node_flush(void *node);
/* Around everything that calls the relay: the node is not freed in between. */
void srl__redis_node_enter(srl__redis_node *node);
void srl__redis_node_leave(srl__redis_node *node);
/* A token for a message, which no other message of any node has. */
void srl__redis_node_token(srl__redis_node *node, char out[SRL__FRAME_TOKEN_LEN]);
/* The server is not to be written to (it is a replica, say): leave it, and look again. */
void srl__redis_node_renounce(srl__redis_node *node);

/* redis_task.c */

/* Send what waits, in order. */
void srl__redis_tasks_send(srl__redis_node *node);
/* Answer those whose time is up. */
void srl__redis_tasks_expire(srl__redis_node *node);
void srl__redis_tasks_free(srl__redis_node *node);
/* Send a call that is no task; `client` is ready. */
int srl__redis_call_send(srl__redis_call *call, srl__redis_node *node, srl_redis_client *client,
                         srl_redis_reply_fn function, void *user);
/* Whether the error says that the server will not let us have functions. */
bool srl__redis_lacks_functions(const srl_reply *reply);

/* redis_replicas.c */

/* Whether the answer is no longer the caller's to give: it is held back until replicas have the publication. */
bool srl__redis_replicas_hold(srl__redis_node *node, srl_operation *operation, srl__redis_cursor at, bool is_repeat);
/* Ask whether they have those that were answered. */
void srl__redis_replicas_ask(srl__redis_node *node);
void srl__redis_replicas_free(srl__redis_node *node);

/* redis_script.c */

/* What the functions of this version of the scripts begin with, behind it an underscore: two versions may use one
 * server. */
void srl__redis_lua_name(char out[SRL__REDIS_LUA_NAME]);
/* The text of redis_*.lua: as a library of functions, or as one script. */
int srl__redis_lua(const srl_allocator *alloc, bool as_library, srl__buf *out);

/* redis_room.c */

int srl__redis_subscribe(void *node, const srl_broker_channel *channel, void *room, srl_operation *operation);
void srl__redis_unsubscribe(void *node, const char *channel, size_t channel_len, void *room);
/* Subscribe to the notes of the nodes. */
int srl__redis_rooms_init(srl__redis_node *node);
void srl__redis_rooms_free(srl__redis_node *node);
/* Send the subscriptions that the turn has collected. */
void srl__redis_rooms_flush(srl__redis_node *node);
/* Answer those that waited for too long. */
void srl__redis_rooms_expire(srl__redis_node *node);
srl__redis_room *srl__redis_room_find(srl__redis_node *node, srl__slice channel);
void srl__redis_room_unref(srl__redis_room *room);
/* Answer the subscribe, if it waits; on an error the room is gone. */
void srl__redis_room_answer(srl__redis_room *room, int error);
/* A message from the subscriptions. */
void srl__redis_rooms_hear(srl__redis_node *node, const srl_redis_message *message);
/* What follows the cursor is handed to the relay. */
void srl__redis_room_deliver(srl__redis_room *room, srl__redis_cursor at, srl__slice frame);
/* The key of its stream, in the node's buffer for keys. */
srl__slice srl__redis_room_stream(srl__redis_node *node, const srl__redis_room *room);
/* Deliver what was kept, as far as it continues; then the room is live, or doubtful again. */
void srl__redis_room_resume(srl__redis_room *room);

static inline srl__slice srl__redis_room_name(const srl__redis_room *room)
{
    return srl__slice_of(room->live + room->name_at, room->live_len - room->name_at);
}

/* redis_catch_up.c */

bool srl__redis_cursor_read(srl__slice text, srl__redis_cursor *out);
/* As decimal text. */
enum { SRL__REDIS_CURSOR_TEXT = 48 };
srl__slice srl__redis_cursor_text(srl__redis_cursor at, char out[SRL__REDIS_CURSOR_TEXT]);
/* The epoch alone. */
srl__slice srl__redis_epoch_text(srl__redis_cursor at, char out[SRL__REDIS_CURSOR_TEXT]);
static inline bool srl__redis_cursor_is_behind(srl__redis_cursor a, srl__redis_cursor b)
{
    return a.epoch < b.epoch || (a.epoch == b.epoch && a.offset < b.offset);
}

/* The room's place in its stream is not certain: compare them. */
void srl__redis_doubt(srl__redis_room *room);
/* Of all rooms: the subscriptions were interrupted. */
void srl__redis_doubt_all(srl__redis_node *node);
/* Send comparisons, as far as few enough are under way. */
void srl__redis_catch_up(srl__redis_node *node);
/* Doubt some of those rooms that were quiet; called with each tick. */
void srl__redis_sweep(srl__redis_node *node);

/* redis_age.c */

/* Have the server drop publications that are too old, a partition at a time; called with each tick. */
void srl__redis_age(srl__redis_node *node);

/* redis_publish.c, redis_history.c */

int srl__redis_publish(void *node, const srl_broker_channel *channel, int kind, const srl_publication *publication,
                       srl_operation *operation);
int srl__redis_control(void *node, const char *note, size_t note_len);
/* The server's data is another: nothing is known of its streams. */
void srl__redis_hints_forget(srl__redis_node *node);
int srl__redis_history(void *node, const srl_broker_channel *channel, const srl_broker_query *query,
                       srl_operation *operation);
int srl__redis_history_remove(void *node, const srl_broker_channel *channel, srl_operation *operation);

#endif
