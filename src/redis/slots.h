/* Commands without an answer, in the order of their replies. */
#ifndef SRL__REDIS_SLOTS_H
#define SRL__REDIS_SLOTS_H

#include "redis/command.h"
#include "redis/config.h"

/* Bytes that are commands already, shared. */
typedef struct srl__redis_blob {
    atomic_uint refs;
    srl_allocator alloc;
    size_t len;
    char data[];
} srl__redis_blob;

enum {
    SRL__SLOT_DETACHED = 1, /* nobody waits any more, but the reply will come */
    SRL__SLOT_RELOADED = 2, /* its script was loaded for it */
    SRL__SLOT_LOADER = 4,   /* loads a script or library */
    SRL__SLOT_UNSAFE = 8,   /* MULTI was refused: the commands behind it ran each for itself */
    SRL__SLOT_STATEFUL = 16 /* of a connection that is nobody else's */
};

typedef struct srl__redis_slot {
    uint64_t id;
    uint64_t begin, end; /* positions in the link's output */
    uint64_t due_ms;     /* UINT64_MAX: never */
    uint64_t timeout_ms;
    srl_redis_reply_fn function;
    void *user;
    srl_command *command; /* to send it again; at most one of the two is set */
    srl__redis_blob *raw;
    const srl_redis_script *script;
    uint32_t replies; /* still to come */
    uint16_t flags;   /* of the caller */
    uint8_t marks;    /* SRL__SLOT_ */
    uint8_t tries;
} srl__redis_slot;

typedef struct srl__redis_slots {
    srl__redis_slot *items;
    uint32_t capacity; /* 0 or a power of two */
    uint32_t head;
    uint32_t count;
} srl__redis_slots;

static inline srl__redis_slot *srl__redis_slots_at(const srl__redis_slots *slots, uint32_t index)
{
    return &slots->items[(slots->head + index) & (slots->capacity - 1)];
}

/* Room for `more`; false: out of memory. */
bool srl__redis_slots_reserve(const srl_allocator *alloc, srl__redis_slots *slots, uint32_t more);
void srl__redis_slots_push(srl__redis_slots *slots, const srl__redis_slot *slot); /* after a reserve */
srl__redis_slot srl__redis_slots_pop(srl__redis_slots *slots);
srl__redis_slot srl__redis_slots_remove(srl__redis_slots *slots, uint32_t index);
void srl__redis_slots_free(const srl_allocator *alloc, srl__redis_slots *slots);

srl__redis_blob *srl__redis_blob_create(const srl_allocator *alloc, size_t len);
void srl__redis_blob_unref(srl__redis_blob *blob);

/* Give back what a slot holds. */
void srl__redis_slot_clear(srl__redis_slot *slot);

#endif
