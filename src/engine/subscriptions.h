/* The channels of one session: a small open-addressing table keyed by room, grown by doubling. */
#ifndef SRL__SUBSCRIPTIONS_H
#define SRL__SUBSCRIPTIONS_H

#include "base/alloc.h"

typedef struct srl__room srl__room;
typedef struct srl__joining srl__joining;
typedef struct srl__attendance srl__attendance;
typedef struct srl__terms srl__terms;

typedef struct srl__subscription {
    srl__room *room; /* NULL: the slot is free */
    union {
        srl__joining *joining;       /* while the subscription is being made */
        srl__attendance *attendance; /* afterwards; NULL where nobody is told */
        srl__terms *terms;           /* afterwards, if it is special */
    } is;
    uint32_t place; /* index among the room's members, once it is live */
    unsigned live : 1;
    unsigned quiet : 1;     /* is not told of joins and leaves */
    unsigned by_server : 1; /* the host put it there: permissions are not asked */
    unsigned special : 1;   /* has terms */
    unsigned loose : 1;     /* does not care for publications that were lost */
    unsigned incurious : 1; /* did not ask for joins and leaves */
} srl__subscription;

typedef struct srl__subscriptions {
    srl__subscription *slots;
    uint32_t capacity; /* 0 or a power of two */
    uint32_t count;
} srl__subscriptions;

srl__subscription *srl__subscriptions_find(const srl__subscriptions *s, const srl__room *room);

/* A new entry for a room that is not in the table; NULL when out of memory. Moves the others. */
srl__subscription *srl__subscriptions_add(srl__subscriptions *s, const srl_allocator *alloc, srl__room *room);

/* Moves the others. */
void srl__subscriptions_remove(srl__subscriptions *s, const srl_allocator *alloc, srl__subscription *entry);

/* Any entry, or NULL if there is none. *hint, 0 at first, makes it cheap to take away one after the other. */
srl__subscription *srl__subscriptions_any(const srl__subscriptions *s, uint32_t *hint);

void srl__subscriptions_free(srl__subscriptions *s, const srl_allocator *alloc);

#endif
