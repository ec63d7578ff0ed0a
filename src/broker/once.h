/* The idempotency keys of channels: what was published with them, for a time. No locks, no clock. */
#ifndef SRL__ONCE_H
#define SRL__ONCE_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/timers.h"
#include "broker/message.h"

/* Past this many keys the oldest one is forgotten before its time. */
#define SRL__ONCE_MAX     1000000
#define SRL__ONCE_KEY_MAX 131072 /* bytes of a channel's name and a key together */

typedef struct srl__once_entry {
    srl__timer expiry;
    srl__list link; /* in the order of publishing */
    uint64_t offset;
    uint32_t key_len;
    uint8_t epoch_len;
    char epoch[SRL__EPOCH_LEN];
    char key[]; /* the length of the channel's name, the name, the key */
} srl__once_entry;

typedef struct srl__once {
    const srl_allocator *alloc;
    srl__map map;
    srl__timers timers;
    srl__list entries;
    srl__buf key; /* of the call */
    uint32_t max_count;
} srl__once;

void srl__once_init(srl__once *once, const srl_allocator *alloc, uint64_t seed, uint64_t now_ms);
/* Also of one that is filled with zeros. */
void srl__once_free(srl__once *once);

/* Look a key up. SRL_OK and *entry: known from before. SRL_ERR_NOT_FOUND and *entry: added, for `ttl_ms`; whoever asked
 * fills in what becomes of the publication, or drops it. SRL_ERR_TOO_LARGE, SRL_ERR_NOMEM. */
int srl__once_take(srl__once *once, srl__slice channel, srl__slice key, uint64_t ttl_ms, uint64_t now_ms,
                   srl__once_entry **entry);
void srl__once_drop(srl__once *once, srl__once_entry *entry);

/* Drop at most `max` of those whose time is over. */
void srl__once_expire(srl__once *once, uint64_t now_ms, uint32_t max);

/* A time, not later than the end of the first one's, to call srl__once_expire(); or SRL__TIMERS_NEVER. */
static inline uint64_t srl__once_next_ms(const srl__once *once)
{
    return srl__timers_next_ms(&once->timers);
}

#endif
