/* Frames on their way to a transport: a queue per session, and the list of sessions that were given something in this
 * turn. Putting a frame into a queue is the hot path of the whole library. */
#ifndef SRL__OUTBOX_H
#define SRL__OUTBOX_H

#include <streamrelay/session.h>

#include "base/alloc.h"
#include "protocol/frame.h"

/* How far ahead of a walk over sessions the next ones are fetched into the cache. */
enum { SRL__PREFETCH = 8 };

#if defined(__GNUC__) || defined(__clang__)
#define SRL__FETCH(address) __builtin_prefetch((address), 1)
#else
#define SRL__FETCH(address) ((void)(address))
#endif

/* Frames a session can hold without memory of its own, and in a block from the pool. */
enum { SRL__QUEUE_INLINE = 4, SRL__QUEUE_POOLED = 32 };

typedef struct srl__outbox {
    srl_frame **frames; /* frames[head] to frames[head + count - 1] wait */
    uint32_t head;
    uint32_t count;
    uint32_t capacity;
    uint64_t bytes;
    srl_frame **lent; /* the array that a write call is reading at this moment */
    bool cleared;     /* meanwhile: drop everything when it returns */
    srl_frame *slots[SRL__QUEUE_INLINE];
} srl__outbox;

/* Sessions touched in this turn; has room for every session twice: once being flushed, once touched again by that. */
typedef struct srl__touched {
    srl_session **sessions;
    uint32_t count;
    uint32_t capacity;
} srl__touched;

bool srl__touched_reserve(srl_relay *relay, uint32_t sessions);

/* Flush every session in the list; those touched meanwhile are in it afterwards. */
void srl__touched_flush(srl_relay *relay);

/* Blocks of SRL__QUEUE_POOLED slots that wait to be used again. */
typedef struct srl__queue_pool {
    srl_frame **first;
    uint32_t count;
} srl__queue_pool;

void srl__outbox_init(srl__outbox *outbox);

/* Drop everything and give the memory back. */
void srl__outbox_clear(srl_relay *relay, srl__outbox *outbox);

/* Append a frame, taking over one reference. On failure the reference is not taken. */
bool srl__outbox_grow(srl_relay *relay, srl__outbox *outbox);

static inline bool srl__outbox_put(srl_relay *relay, srl__outbox *outbox, srl_frame *frame)
{
    if (outbox->head + outbox->count == outbox->capacity && !srl__outbox_grow(relay, outbox)) {
        return false;
    }
    outbox->frames[outbox->head + outbox->count] = frame;
    outbox->count++;
    outbox->bytes += frame->len;
    return true;
}

/* Put frames before everything that waits, with a reference each; false when out of memory. */
bool srl__outbox_put_first(srl_relay *relay, srl__outbox *outbox, srl_frame *const *frames, uint32_t count);

/* Arrays for frames, from the pool where they have its size. */
srl_frame **srl__frames_alloc(srl_relay *relay, uint32_t capacity);
void srl__frames_free(srl_relay *relay, srl_frame **array, uint32_t capacity);

/* Offer everything to the transport: how many frames it took, or negative if it is broken. */
int64_t srl__outbox_write(srl_session *session);

void srl__queue_pool_free(srl_relay *relay);

#endif
