/* When a poller's timer has to be programmed anew: as seldom as can be. No I/O in here; times are monotonic ns.
 *
 * A deadline that moves to later leaves the timer as it is while that is still some way off: deadlines that move with
 * every turn then cost nothing, and the price is one wake-up for nothing after the last of them. Never early; late by
 * less than 1 ms where the timer stood closely behind the new deadline. */
#ifndef SRL__DEADLINE_H
#define SRL__DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#define SRL__NEVER_NS UINT64_MAX

typedef struct srl__deadline {
    uint64_t due_ns;   /* what was asked for */
    uint64_t armed_ns; /* what the one-shot timer stands at; SRL__NEVER_NS: off */
    bool at_once;      /* due already: poll must not wait for the timer to tell */
} srl__deadline;

void srl__deadline_init(srl__deadline *d);
/* True: program the timer for d->armed_ns. delay_ms UINT64_MAX: never. */
bool srl__deadline_set(srl__deadline *d, uint64_t now_ns, uint64_t delay_ms);
/* The deadline has come: consume it. */
bool srl__deadline_take(srl__deadline *d, uint64_t now_ns);
/* The timer went off. True: program it again for d->armed_ns. Call after srl__deadline_take(). */
bool srl__deadline_rearm(srl__deadline *d, uint64_t now_ns);

#endif
