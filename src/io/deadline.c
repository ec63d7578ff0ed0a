#include "io/deadline.h"

#define NS_PER_MS ((uint64_t)1000000)
/* A timer that stands at least this far off may stay when the deadline moves to later. */
#define KEEP_NS (4 * NS_PER_MS)
/* Timers of 32-bit systems count no further; what is due later is armed again on the way. */
#define FARTHEST_NS (24 * 86400 * 1000 * NS_PER_MS)

void srl__deadline_init(srl__deadline *d)
{
    d->due_ns = SRL__NEVER_NS;
    d->armed_ns = SRL__NEVER_NS;
    d->at_once = false;
}

static uint64_t due_after(uint64_t now_ns, uint64_t delay_ms)
{
    if (delay_ms > (SRL__NEVER_NS - 1 - now_ns) / NS_PER_MS) {
        return SRL__NEVER_NS - 1;
    }
    return now_ns + delay_ms * NS_PER_MS;
}

static uint64_t reachable(uint64_t now_ns, uint64_t due_ns)
{
    return due_ns > now_ns && due_ns - now_ns > FARTHEST_NS ? now_ns + FARTHEST_NS : due_ns;
}

static bool timer_may_stay(const srl__deadline *d, uint64_t now_ns)
{
    if (d->armed_ns == SRL__NEVER_NS || d->armed_ns <= now_ns) {
        return false;
    }
    if (d->due_ns <= d->armed_ns) {
        return d->armed_ns - d->due_ns < NS_PER_MS && !d->at_once;
    }
    return d->armed_ns - now_ns >= KEEP_NS;
}

bool srl__deadline_set(srl__deadline *d, uint64_t now_ns, uint64_t delay_ms)
{
    if (delay_ms == UINT64_MAX) {
        d->due_ns = SRL__NEVER_NS;
        d->at_once = false;
        if (d->armed_ns == SRL__NEVER_NS || timer_may_stay(d, now_ns)) {
            return false;
        }
        d->armed_ns = SRL__NEVER_NS;
        return true;
    }
    if (delay_ms == 0 && d->at_once) {
        return false;
    }
    d->due_ns = due_after(now_ns, delay_ms);
    d->at_once = delay_ms == 0;
    if (timer_may_stay(d, now_ns)) {
        return false;
    }
    d->armed_ns = reachable(now_ns, d->due_ns);
    return true;
}

bool srl__deadline_take(srl__deadline *d, uint64_t now_ns)
{
    if (d->due_ns > now_ns || d->due_ns == SRL__NEVER_NS) {
        return false;
    }
    d->due_ns = SRL__NEVER_NS;
    d->at_once = false;
    return true;
}

bool srl__deadline_rearm(srl__deadline *d, uint64_t now_ns)
{
    d->armed_ns = d->due_ns == SRL__NEVER_NS ? SRL__NEVER_NS : reachable(now_ns, d->due_ns);
    return d->armed_ns != SRL__NEVER_NS;
}
