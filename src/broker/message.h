/* A publication, join, leave or note on its way: one block with a counter, never changed once it is shared. */
#ifndef SRL__MESSAGE_H
#define SRL__MESSAGE_H

#include <stdatomic.h>

#include <streamrelay/broker.h>

#include "base/alloc.h"
#include "base/slice.h"

#define SRL__EPOCH_LEN 8

/* Beside the kinds of srl_message_kind: a note of a node to all nodes, which is the view's data. */
#define SRL__MESSAGE_NOTE 0

typedef struct srl__message {
    _Atomic uint32_t refs;
    uint8_t kind;      /* an srl_message_kind, or SRL__MESSAGE_NOTE */
    uint8_t epoch_len; /* 0 or SRL__EPOCH_LEN */
    char epoch[SRL__EPOCH_LEN];
    uint64_t stamp_ms; /* when it was stored, by the monotonic clock */
    size_t block_size;
    srl_publication view; /* its texts stand behind this struct */
} srl__message;

/* A copy with one reference, offset 0 and no epoch; NULL if there is no memory. */
srl__message *srl__message_create(const srl_allocator *alloc, int kind, const srl_publication *publication,
                                  uint64_t time_ms);

static inline void srl__message_retain(srl__message *message)
{
    atomic_fetch_add_explicit(&message->refs, 1, memory_order_relaxed);
}

void srl__message_release(srl__message *message, const srl_allocator *alloc);

static inline srl__slice srl__message_epoch(const srl__message *message)
{
    return srl__slice_of(message->epoch, message->epoch_len);
}

#endif
