/* Where users are in channels: an offset and an epoch for each pair, for a time. No locks, no clock. */
#ifndef SRL__POSITIONS_H
#define SRL__POSITIONS_H

#include <streamrelay/broker.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/timers.h"

#define SRL__POSITIONS_MAX      10000000
#define SRL__POSITION_NAME_MAX  65535 /* bytes of a user or channel */
#define SRL__POSITION_EPOCH_MAX 32

typedef struct srl__position {
    srl__timer expiry; /* not armed: it is kept for ever */
    uint64_t offset;
    uint32_t key_len;
    uint8_t epoch_len;
    char epoch[SRL__POSITION_EPOCH_MAX];
    char key[];
} srl__position;

typedef struct srl__positions {
    const srl_allocator *alloc;
    srl__map map;
    srl__timers timers;
    srl__buf key; /* of the call; has room for the longest key that was ever set */
    uint32_t max_count;
} srl__positions;

void srl__positions_init(srl__positions *positions, const srl_allocator *alloc, uint64_t seed, uint64_t now_ms);
/* Also of one that is filled with zeros. */
void srl__positions_free(srl__positions *positions);

/* Set it, unless a higher offset of the same epoch is there. *kept is what is there then, until the next call. SRL_OK,
 * SRL_ERR_INVALID (a name or epoch that is too long), SRL_ERR_LIMIT, SRL_ERR_NOMEM. */
int srl__positions_set(srl__positions *positions, const srl_broker_position *position, uint64_t now_ms,
                       const srl__position **kept);
/* Until the next call; NULL if there is none, or not any more. */
const srl__position *srl__positions_get(srl__positions *positions, const srl_broker_position *position,
                                        uint64_t now_ms);

/* Drop at most `max` of those whose time is over. */
void srl__positions_expire(srl__positions *positions, uint64_t now_ms, uint32_t max);

/* A time, not later than the end of the first one's, to call srl__positions_expire(); or SRL__TIMERS_NEVER. */
static inline uint64_t srl__positions_next_ms(const srl__positions *positions)
{
    return srl__timers_next_ms(&positions->timers);
}

#endif
