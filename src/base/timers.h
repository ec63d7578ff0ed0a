/* Timers in a hierarchical wheel of 1 ms ticks: arming, re-arming and cancelling are O(1) and allocate nothing, also
 * with 1,000,000 timers armed. Clock-free: the owner says what time it is. */
#ifndef SRL__TIMERS_H
#define SRL__TIMERS_H

#include "base/list.h"

#include <stdint.h>

typedef struct srl__timer {
    srl__list link; /* in no list: not armed */
    uint64_t due_ms;
} srl__timer;

#define SRL__TIMERS_NEVER UINT64_MAX

#define SRL__TIMERS_LEVELS 11 /* of 6 bits each: all 64 */
#define SRL__TIMERS_SLOTS  64

/* All of it is private to timers.c. Points into itself: not to be copied or moved. */
typedef struct srl__timers {
    uint64_t now_ms;                       /* in the wheel is what is due later than this */
    uint64_t occupied[SRL__TIMERS_LEVELS]; /* a bit per slot that holds timers */
    srl__list slots[SRL__TIMERS_LEVELS][SRL__TIMERS_SLOTS];
    srl__list late;    /* armed for now or the past: due at the next advance */
    srl__list expired; /* due, not handed out yet */
    uint32_t armed;    /* how many timers are armed, the due ones included */
} srl__timers;

void srl__timers_init(srl__timers *t, uint64_t now_ms);
void srl__timer_init(srl__timer *timer);
static inline bool srl__timer_is_armed(const srl__timer *timer)
{
    return !srl__list_is_empty(&timer->link);
}
/* Arm, or arm again, for an absolute time; one that is not later than the last advance is due at the next. */
void srl__timer_arm(srl__timers *t, srl__timer *timer, uint64_t due_ms);
void srl__timer_cancel(srl__timers *t, srl__timer *timer);
/* Move time on (an earlier time than the last one counts as that) and collect what is due. */
void srl__timers_advance(srl__timers *t, uint64_t now_ms);
/* One due timer, disarmed, earliest tick first, then in the order of arming; NULL when there is none. Any timer may be
 * armed or cancelled between two calls; one armed for the past meanwhile is not returned before the next advance. */
srl__timer *srl__timers_take_due(srl__timers *t);
/* A time not later than the first due one: waking up then and advancing makes progress, and is needed at most once per
 * level (8 times for anything within 8,900 years). Exact if no other timer is due about then. 0 if some are due
 * already, SRL__TIMERS_NEVER if none is armed. O(levels). */
uint64_t srl__timers_next_ms(const srl__timers *t);

#endif
