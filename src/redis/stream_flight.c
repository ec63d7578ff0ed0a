#include "redis/stream_flight.h"

#include <streamrelay/error.h>

#include "base/bits.h"

static size_t table_size(const srl__flight *flight)
{
    return ((size_t)flight->mask + 1) * sizeof(srl__flight_slot);
}

int srl__flight_init(srl__flight *flight, const srl_allocator *alloc, uint32_t max, uint64_t seed)
{
    uint32_t slots = UINT32_C(2) << (srl__bits_highest(max) + 1);
    *flight = (srl__flight){.mask = slots - 1, .max = max, .seed = seed};
    flight->slots = srl__alloc_zeroed(alloc, table_size(flight));
    return flight->slots != NULL ? SRL_OK : SRL_ERR_NOMEM;
}

void srl__flight_free(srl__flight *flight, const srl_allocator *alloc)
{
    srl__free(alloc, flight->slots, table_size(flight));
    flight->slots = NULL;
}

static uint32_t home(const srl__flight *flight, const srl_stream_id *id)
{
    uint64_t hash = srl__bits_multiply_fold(id->ms ^ flight->seed, id->seq ^ UINT64_C(0x9e3779b97f4a7c15));
    return (uint32_t)(hash ^ hash >> 32) & flight->mask;
}

/* The slot that has the id, or the free one where it belongs; at least half of all are free. */
static uint32_t seek(const srl__flight *flight, const srl_stream_id *id)
{
    uint32_t at = home(flight, id);
    while (flight->slots[at].is_used && srl_stream_id_compare(&flight->slots[at].id, id) != 0) {
        at = (at + 1) & flight->mask;
    }
    return at;
}

srl__flight_slot *srl__flight_find(const srl__flight *flight, const srl_stream_id *id)
{
    srl__flight_slot *slot = &flight->slots[seek(flight, id)];
    return slot->is_used ? slot : NULL;
}

srl__flight_slot *srl__flight_add(srl__flight *flight, const srl_stream_id *id)
{
    if (flight->count == flight->max) {
        return NULL;
    }
    srl__flight_slot *slot = &flight->slots[seek(flight, id)];
    *slot = (srl__flight_slot){*id, 1, 0};
    flight->count++;
    return slot;
}

void srl__flight_remove(srl__flight *flight, const srl_stream_id *id)
{
    uint32_t hole = seek(flight, id);
    if (!flight->slots[hole].is_used) {
        return;
    }
    flight->count--;
    /* Close the hole with what would not be found across it. */
    for (uint32_t at = (hole + 1) & flight->mask; flight->slots[at].is_used; at = (at + 1) & flight->mask) {
        uint32_t distance = (at - home(flight, &flight->slots[at].id)) & flight->mask;
        if (distance >= ((at - hole) & flight->mask)) {
            flight->slots[hole] = flight->slots[at];
            hole = at;
        }
    }
    flight->slots[hole] = (srl__flight_slot){{0, 0}, 0, 0};
}
