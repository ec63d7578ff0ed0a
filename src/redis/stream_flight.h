/* The entries that a consumer has out: a set of ids of fixed capacity. */
#ifndef SRL__STREAM_FLIGHT_H
#define SRL__STREAM_FLIGHT_H

#include <stdbool.h>

#include <streamrelay/stream.h>

#include "base/alloc.h"

typedef struct srl__flight_slot {
    srl_stream_id id;
    uint32_t is_used;
    uint32_t is_acked; /* the host is done with it, the server may not know */
} srl__flight_slot;

typedef struct srl__flight {
    srl__flight_slot *slots;
    uint32_t mask;  /* number of slots - 1, a power of two above `max` */
    uint32_t count; /* of ids */
    uint32_t max;
    uint64_t seed;
} srl__flight;

/* SRL_OK or SRL_ERR_NOMEM. */
int srl__flight_init(srl__flight *flight, const srl_allocator *alloc, uint32_t max, uint64_t seed);
void srl__flight_free(srl__flight *flight, const srl_allocator *alloc);
/* Its slot, valid until the next change, or NULL. */
srl__flight_slot *srl__flight_find(const srl__flight *flight, const srl_stream_id *id);
/* Put an id in that is not there; its slot, or NULL if `max` are there. */
srl__flight_slot *srl__flight_add(srl__flight *flight, const srl_stream_id *id);
/* Taking out what is not there does nothing. */
void srl__flight_remove(srl__flight *flight, const srl_stream_id *id);

#endif
