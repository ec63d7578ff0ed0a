/* The in-memory broker: one lock over all channels; per node an inbox that others put messages into.
 *
 * Publishing puts a message into the inbox of every node that wants it, the own one included, all under the lock; so
 * every inbox has the messages of a channel in offset order. Each node empties its inbox on its own thread, without
 * the lock: the publisher at once, the others when they are woken. */
#ifndef SRL__MEMORY_H
#define SRL__MEMORY_H

#include <pthread.h>

#include "broker/broker.h"
#include "broker/directory.h"
#include "broker/inbox.h"
#include "broker/memory_channel.h"
#include "broker/once.h"
#include "broker/positions.h"

#define SRL__MEMORY_MAX_CHANNELS 10000000
#define SRL__MEMORY_MAX_NAME_LEN 65535 /* of a channel or a user */

typedef struct srl__memory_link srl__memory_link;

typedef struct srl__memory {
    srl_allocator alloc;
    pthread_mutex_t lock;
    pthread_cond_t unpinned;
    /* Everything from here on is under the lock. */
    srl__map channels;
    srl__directory directory;
    srl__positions positions;
    srl__timer positions_expiry; /* armed if there are positions that end */
    srl__once once;
    srl__timer once_expiry; /* armed if there are idempotency keys */
    srl__timers timers;     /* of channels, and the two above */
    srl__list links;
    uint64_t now_ms; /* the latest time any node has told */
    uint64_t seed;
    uint32_t max_channels;
    bool has_started;         /* time and seed are known */
    uint32_t users;           /* the handle, and every link that is not freed */
    srl__memory_link *keeper; /* the link whose node's timer is set for the channels; NULL: none is */
    uint64_t keeper_due_ms;   /* and for when */
} srl__memory;

/* Memory for the answers of one operation, kept for the next one. */
typedef struct srl__scratch {
    void *data;
    size_t size;
} srl__scratch;

struct srl__memory_link {
    srl__memory *memory;
    srl_node *node;

    /* Under the lock. */
    srl__list link;        /* in the broker's links */
    srl__inbox inbox;      /* what came in since the batch was taken */
    uint64_t put;          /* messages ever put into the inbox */
    uint32_t pins;         /* others that are about to wake the node */
    bool is_woken;         /* it will call process */
    bool is_leaving;       /* detach has begun */
    bool must_adopt_timer; /* it is the keeper now and has not told its node */

    /* Of the node's thread. */
    srl__inbox batch;         /* what is being delivered */
    uint64_t taken;           /* messages ever taken out of the batch */
    uint64_t own_put;         /* `put` after the own message that came last */
    bool is_delivering;       /* further down the stack; messages then wait for it */
    bool is_detached;         /* freed when depth is 0 */
    uint32_t depth;           /* calls to the node that are on the stack */
    srl__scratch scratch;     /* not in use */
    srl__memory_link **wakes; /* pinned, to be woken after the lock is released */
    uint32_t wake_count;
    uint32_t wake_capacity;
};

static inline const srl_allocator *srl__memory_link_alloc(const srl__memory_link *link)
{
    return &link->memory->alloc;
}

/* memory_link.c: a node's side. */

int srl__memory_attach(void *broker, srl_node *node, void **out);
void srl__memory_detach(void *link);

/* Take and release the lock. Releasing does what was put off under it: wake other nodes, set the own node's timer. */
void srl__memory_link_lock(srl__memory_link *link);
void srl__memory_link_unlock(srl__memory_link *link);
/* Around everything that calls the node: the link is not freed in between. */
void srl__memory_link_enter(srl__memory_link *link);
void srl__memory_link_leave(srl__memory_link *link);

/* Under the lock: put a message into a node's inbox on behalf of `from`. SRL_OK, SRL_ERR_NOMEM, SRL_ERR_LIMIT. */
int srl__memory_link_put(srl__memory_link *from, srl__memory_link *to, srl__message *message, void *room);
/* Under the lock: undo the put that came last. */
void srl__memory_link_unput(srl__memory_link *from, srl__memory_link *to);
/* Under the lock: take the inbox as the next batch, if the last one is done. */
void srl__memory_link_take_batch(srl__memory_link *link);
/* Deliver what waits up to the own message that came last. */
void srl__memory_link_deliver_own(srl__memory_link *link);
/* Deliver at most `budget` messages; whether more is left. */
bool srl__memory_link_deliver(srl__memory_link *link, uint32_t budget);

/* At least `size` bytes, which are the caller's until given back; data is NULL if there is no memory. */
srl__scratch srl__memory_link_take_scratch(srl__memory_link *link, size_t size);
void srl__memory_link_give_scratch(srl__memory_link *link, srl__scratch scratch);

/* memory.c: under the lock. */

/* The broker's time, after asking this node's clock. */
uint64_t srl__memory_tick(srl__memory *memory, const srl_node *node);
/* After a change to a channel: see to its timer, or drop it if nothing needs it. */
void srl__memory_settle(srl__memory_link *link, srl__memory_channel *channel);
/* Arm a timer, if it is not armed for that time or an earlier one, and see that a node wakes up for it. */
void srl__memory_arm(srl__memory_link *link, srl__timer *timer, uint64_t due_ms);
/* One user less; frees the broker with the last one. Not under the lock. */
void srl__memory_release(srl__memory *memory);
/* Answer an operation. Not under the lock. */
void srl__memory_finish(srl__memory_link *link, srl_operation *operation, const srl_broker_result *result);

/* memory_directory.c: groups, positions, notes, and the number of nodes. */

int srl__memory_directory(void *link, const srl_broker_directory *question, srl_operation *operation);
int srl__memory_position_set(void *link, const srl_broker_position *position, srl_operation *operation);
int srl__memory_position_get(void *link, const srl_broker_position *position, srl_operation *operation);
int srl__memory_control(void *link, const char *note, size_t note_len);
int srl__memory_nodes(void *link, srl_operation *operation);
/* Under the lock: drop positions whose time is over. */
void srl__memory_sweep_positions(srl__memory_link *link);

#endif
