#include "helpers/fake_poller.h"

#include <streamrelay/error.h>

#include <string.h>

static fake_poller *from_base(srl__poller *base)
{
    return (fake_poller *)(void *)base;
}

static fake_poller_entry *entry_of(fake_poller *fake, const srl__watch *watch)
{
    for (unsigned i = 0; i < FAKE_POLLER_WATCHES; i++) {
        if (fake->entries[i].watch == watch) {
            return &fake->entries[i];
        }
    }
    return NULL;
}

static int take_failure(int *failure)
{
    int error = *failure;
    *failure = SRL_OK;
    return error;
}

static unsigned deliverable(const fake_poller_entry *entry)
{
    if (entry->watch == NULL) {
        return 0;
    }
    if ((entry->pending & FAKE_POLLER_HANGUP) != 0) {
        return SRL__READABLE | SRL__WRITABLE;
    }
    return entry->pending & entry->events;
}

static int fake_fd(srl__poller *base)
{
    (void)base;
    return FAKE_POLLER_FD;
}

static int fake_watch(srl__poller *base, srl__watch *watch)
{
    fake_poller *fake = from_base(base);
    int error = take_failure(&fake->fail_watch);
    if (error != SRL_OK) {
        return error;
    }
    if (fake_poller_find(fake, watch->fd) != NULL || entry_of(fake, watch) != NULL) {
        return SRL_ERR_SYSTEM;
    }
    fake_poller_entry *entry = entry_of(fake, NULL);
    if (entry == NULL) {
        return SRL_ERR_NOMEM;
    }
    *entry = (fake_poller_entry){.watch = watch, .fd = watch->fd, .events = watch->events};
    return SRL_OK;
}

static int fake_change(srl__poller *base, srl__watch *watch)
{
    fake_poller *fake = from_base(base);
    int error = take_failure(&fake->fail_change);
    if (error != SRL_OK) {
        return error;
    }
    fake_poller_entry *entry = entry_of(fake, watch);
    if (entry == NULL || entry->fd != watch->fd) {
        return SRL_ERR_SYSTEM;
    }
    entry->events = watch->events;
    return SRL_OK;
}

static void fake_unwatch(srl__poller *base, srl__watch *watch)
{
    fake_poller_entry *entry = entry_of(from_base(base), watch);
    if (entry != NULL) {
        *entry = (fake_poller_entry){0};
    }
}

static int fake_set_deadline(srl__poller *base, uint64_t delay_ms)
{
    fake_poller *fake = from_base(base);
    int error = take_failure(&fake->fail_set_deadline);
    if (error != SRL_OK) {
        return error;
    }
    uint64_t now_ms = fake->platform->now_ms;
    fake->deadline_sets++;
    fake->deadline_ms = delay_ms > SRL__NO_DEADLINE - now_ms ? SRL__NO_DEADLINE : now_ms + delay_ms;
    return SRL_OK;
}

static void fake_wake(srl__poller *base)
{
    fake_poller *fake = from_base(base);
    atomic_fetch_add(&fake->wakes, 1);
    atomic_store(&fake->woken, true);
}

static bool has_pending(const fake_poller *fake)
{
    for (unsigned i = 0; i < FAKE_POLLER_WATCHES; i++) {
        if (deliverable(&fake->entries[i]) != 0) {
            return true;
        }
    }
    return false;
}

/* False if the wait would never end. */
static bool wait_for_something(fake_poller *fake, int timeout_ms)
{
    if (timeout_ms == 0 || fake_poller_is_readable(fake)) {
        return true;
    }
    if (timeout_ms < 0 && fake->deadline_ms == SRL__NO_DEADLINE) {
        return false;
    }
    uint64_t wait_ms = fake->deadline_ms - fake->platform->now_ms;
    if (timeout_ms > 0 && (uint64_t)timeout_ms < wait_ms) {
        wait_ms = (uint64_t)timeout_ms;
    }
    fake_platform_advance(fake->platform, wait_ms);
    return true;
}

static int take_internal_events(fake_poller *fake)
{
    int bits = atomic_exchange(&fake->woken, false) ? SRL__POLLED_WAKE : 0;
    if (fake->deadline_ms <= fake->platform->now_ms) {
        fake->deadline_ms = SRL__NO_DEADLINE;
        bits |= SRL__POLLED_DEADLINE;
    }
    return bits;
}

static void call_ready(fake_poller *fake, unsigned budget)
{
    unsigned begin = fake->next_entry;
    for (unsigned i = 0; i < FAKE_POLLER_WATCHES && budget > 0; i++) {
        unsigned at = (begin + i) % FAKE_POLLER_WATCHES;
        unsigned events = deliverable(&fake->entries[at]);
        if (events == 0) {
            continue;
        }
        srl__watch *watch = fake->entries[at].watch;
        fake->entries[at].pending &= ~(events | FAKE_POLLER_HANGUP);
        fake->next_entry = (at + 1) % FAKE_POLLER_WATCHES;
        fake->ready_calls++;
        budget--;
        watch->ready(watch, events);
    }
}

static int fake_poll(srl__poller *base, int timeout_ms, unsigned budget)
{
    fake_poller *fake = from_base(base);
    fake->polls++;
    int error = take_failure(&fake->fail_poll);
    if (error != SRL_OK) {
        return error;
    }
    if (!wait_for_something(fake, timeout_ms)) {
        fake->stuck = true;
        return SRL_ERR_POLLER;
    }
    int bits = take_internal_events(fake);
    call_ready(fake, budget);
    return has_pending(fake) ? bits | SRL__POLLED_MORE : bits;
}

static void fake_destroy(srl__poller *base)
{
    if (base != NULL) {
        from_base(base)->destroyed = true;
    }
}

static const srl__poller_ops fake_ops = {
    .fd = fake_fd,
    .watch = fake_watch,
    .change = fake_change,
    .unwatch = fake_unwatch,
    .set_deadline = fake_set_deadline,
    .wake = fake_wake,
    .poll = fake_poll,
    .destroy = fake_destroy,
};

void fake_poller_init(fake_poller *fake, fake_platform *platform)
{
    memset(fake, 0, sizeof(*fake));
    fake->base.ops = &fake_ops;
    fake->platform = platform;
    fake->deadline_ms = SRL__NO_DEADLINE;
    atomic_init(&fake->woken, false);
    atomic_init(&fake->wakes, 0);
}

void fake_poller_fire(fake_poller *fake, const srl__watch *watch, unsigned events)
{
    fake_poller_entry *entry = entry_of(fake, watch);
    if (watch != NULL && entry != NULL) {
        entry->pending |= events;
    }
}

srl__watch *fake_poller_find(const fake_poller *fake, int fd)
{
    for (unsigned i = 0; i < FAKE_POLLER_WATCHES; i++) {
        if (fake->entries[i].watch != NULL && fake->entries[i].fd == fd) {
            return fake->entries[i].watch;
        }
    }
    return NULL;
}

unsigned fake_poller_count(const fake_poller *fake)
{
    unsigned count = 0;
    for (unsigned i = 0; i < FAKE_POLLER_WATCHES; i++) {
        count += fake->entries[i].watch != NULL ? 1 : 0;
    }
    return count;
}

bool fake_poller_is_readable(const fake_poller *fake)
{
    return atomic_load(&fake->woken) || fake->deadline_ms <= fake->platform->now_ms || has_pending(fake);
}
