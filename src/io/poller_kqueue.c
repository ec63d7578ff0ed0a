#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#elif defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || defined(__DragonFly__)
#undef _POSIX_C_SOURCE /* it hides kqueue */
#endif

#include "io/poller.h"

#if !defined(__linux__) || defined(SRL__POLLER_KQUEUE)

#include "io/clock.h"
#include "io/deadline.h"

#include <streamrelay/error.h>

#include <errno.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum { BATCH_MAX = 64, WAKE_IDENT = 1, TIMER_IDENT = 2 };

typedef struct kqueue_poller {
    srl__poller base;
    srl_allocator alloc;
    int queue_fd;
    atomic_int woken; /* 1 from the first wake-up until its event is fetched */
    pid_t owner;      /* a child after fork has no queue: the number may be another file's there */
    srl__deadline deadline;
    int batch_next;
    int batch_len;
    struct kevent batch[BATCH_MAX];
} kqueue_poller;

static kqueue_poller *from_base(srl__poller *base)
{
    return (kqueue_poller *)(void *)base;
}

static bool is_in_child(const kqueue_poller *p)
{
    return getpid() != p->owner;
}

static int error_of_number(int number)
{
    return number == ENOMEM || number == ENOSPC ? SRL_ERR_NOMEM : SRL_ERR_SYSTEM;
}

static int queue_fd(srl__poller *base)
{
    return from_base(base)->queue_fd;
}

static struct kevent make_change(uintptr_t ident, int filter, int flags)
{
    struct kevent change = {0};
    change.ident = ident;
    change.filter = (__typeof__(change.filter))filter;
    change.flags = (__typeof__(change.flags))flags;
    return change;
}

/* Apply one change now, without fetching events. */
static int apply(kqueue_poller *p, struct kevent change)
{
    struct timespec at_once = {0, 0};
    int result;
    do {
        result = kevent(p->queue_fd, &change, 1, NULL, 0, &at_once);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? errno : 0;
}

static int set_filter(kqueue_poller *p, srl__watch *watch, int filter, bool on)
{
    struct kevent change = make_change((uintptr_t)watch->fd, filter, on ? EV_ADD : EV_DELETE);
    change.udata = watch;
    int number = apply(p, change);
    return number == 0 || (!on && number == ENOENT) ? SRL_OK : error_of_number(number);
}

static void drop_filters(kqueue_poller *p, srl__watch *watch)
{
    (void)set_filter(p, watch, EVFILT_READ, false);
    (void)set_filter(p, watch, EVFILT_WRITE, false);
}

static int kqueue_change(srl__poller *base, srl__watch *watch)
{
    kqueue_poller *p = from_base(base);
    if (is_in_child(p)) {
        return SRL_ERR_STATE;
    }
    int error = set_filter(p, watch, EVFILT_READ, (watch->events & SRL__READABLE) != 0);
    if (error == SRL_OK) {
        error = set_filter(p, watch, EVFILT_WRITE, (watch->events & SRL__WRITABLE) != 0);
    }
    return error;
}

static int kqueue_watch(srl__poller *base, srl__watch *watch)
{
    int error = kqueue_change(base, watch);
    if (error != SRL_OK && error != SRL_ERR_STATE) {
        drop_filters(from_base(base), watch);
    }
    return error;
}

static bool belongs_to(const struct kevent *event, const srl__watch *watch)
{
    return (event->filter == EVFILT_READ || event->filter == EVFILT_WRITE) && event->udata == (const void *)watch;
}

static void kqueue_unwatch(srl__poller *base, srl__watch *watch)
{
    kqueue_poller *p = from_base(base);
    if (!is_in_child(p)) {
        drop_filters(p, watch);
    }
    for (int i = p->batch_next; i < p->batch_len; i++) {
        if (belongs_to(&p->batch[i], watch)) {
            p->batch[i].udata = NULL;
        }
    }
}

/* Re-adding a timer that runs is not the same thing everywhere; a new one is. */
static int program_timer(kqueue_poller *p, uint64_t at_ns, uint64_t now_ns)
{
    int number = apply(p, make_change(TIMER_IDENT, EVFILT_TIMER, EV_DELETE));
    if (number != 0 && number != ENOENT) {
        return error_of_number(number);
    }
    if (at_ns == SRL__NEVER_NS) {
        return SRL_OK;
    }
    struct kevent change = make_change(TIMER_IDENT, EVFILT_TIMER, EV_ADD | EV_ONESHOT);
    uint64_t delay_ns = at_ns > now_ns ? at_ns - now_ns : 1;
    change.data = (__typeof__(change.data))((delay_ns + 999999) / 1000000);
    number = apply(p, change);
    return number == 0 ? SRL_OK : error_of_number(number);
}

static int kqueue_set_deadline(srl__poller *base, uint64_t delay_ms)
{
    kqueue_poller *p = from_base(base);
    uint64_t now_ns = srl__clock_monotonic_ns();
    srl__deadline next = p->deadline;
    if (srl__deadline_set(&next, now_ns, delay_ms)) {
        int error = is_in_child(p) ? SRL_ERR_STATE : program_timer(p, next.armed_ns, now_ns);
        if (error != SRL_OK) {
            return error;
        }
    }
    p->deadline = next;
    return SRL_OK;
}

static void kqueue_wake(srl__poller *base)
{
    kqueue_poller *p = from_base(base);
    if (atomic_exchange(&p->woken, 1) != 0) {
        return;
    }
    int saved_errno = errno;
    if (!is_in_child(p)) {
        struct kevent change = make_change(WAKE_IDENT, EVFILT_USER, 0);
        change.fflags = NOTE_TRIGGER;
        (void)apply(p, change);
    }
    errno = saved_errno;
}

static int take_deadline(kqueue_poller *p, bool timer_fired)
{
    if (!timer_fired && !p->deadline.at_once) {
        return 0;
    }
    uint64_t now_ns = srl__clock_monotonic_ns();
    int bits = srl__deadline_take(&p->deadline, now_ns) ? SRL__POLLED_DEADLINE : 0;
    if (timer_fired && srl__deadline_rearm(&p->deadline, now_ns) &&
        program_timer(p, p->deadline.armed_ns, now_ns) != SRL_OK) {
        return SRL_ERR_POLLER;
    }
    return bits;
}

/* Before any ready() is called, so that what ready() does to wake-up and deadline counts for the next poll. */
static int take_internal_events(kqueue_poller *p)
{
    int bits = 0;
    bool timer_fired = false;
    for (int i = 0; i < p->batch_len; i++) {
        if (p->batch[i].filter == EVFILT_USER) {
            atomic_exchange(&p->woken, 0);
            bits |= SRL__POLLED_WAKE;
        } else if (p->batch[i].filter == EVFILT_TIMER) {
            timer_fired = true;
        }
    }
    int deadline_bits = take_deadline(p, timer_fired);
    return deadline_bits < 0 ? deadline_bits : bits | deadline_bits;
}

static unsigned events_of(const struct kevent *event, const srl__watch *watch)
{
    if ((event->flags & (EV_EOF | EV_ERROR)) != 0) {
        return SRL__READABLE | SRL__WRITABLE;
    }
    unsigned events = event->filter == EVFILT_READ ? SRL__READABLE : SRL__WRITABLE;
    return events & watch->events; /* they may have been changed since the event was fetched */
}

/* Reading and writing are two events here; one ready() tells both. */
static unsigned take_events_of(kqueue_poller *p, const srl__watch *watch)
{
    unsigned events = 0;
    for (int i = p->batch_next; i < p->batch_len; i++) {
        if (belongs_to(&p->batch[i], watch)) {
            events |= events_of(&p->batch[i], watch);
            p->batch[i].udata = NULL;
        }
    }
    return events;
}

static void call_ready(kqueue_poller *p)
{
    for (; p->batch_next < p->batch_len; p->batch_next++) {
        const struct kevent *event = &p->batch[p->batch_next];
        srl__watch *watch = event->udata;
        if (watch == NULL || !belongs_to(event, watch)) {
            continue;
        }
        unsigned events = take_events_of(p, watch);
        if (events != 0) {
            watch->ready(watch, events);
        }
    }
}

static int fetch(kqueue_poller *p, int room, int timeout_ms)
{
    struct timespec timeout = {0};
    if (timeout_ms > 0) {
        timeout.tv_sec = timeout_ms / 1000;
        timeout.tv_nsec = (long)(timeout_ms % 1000) * 1000000;
    }
    return kevent(p->queue_fd, NULL, 0, p->batch, room, timeout_ms < 0 ? NULL : &timeout);
}

/* Never fetches more than it may hand out, so that nothing has to be dropped and come back out of turn. */
static int kqueue_poll(srl__poller *base, int timeout_ms, unsigned budget)
{
    kqueue_poller *p = from_base(base);
    int room = budget == 0 ? 1 : budget < BATCH_MAX ? (int)budget : BATCH_MAX;
    int got = fetch(p, room, p->deadline.at_once ? 0 : timeout_ms);
    if (got < 0 && errno != EINTR) {
        return SRL_ERR_POLLER;
    }
    p->batch_next = 0;
    p->batch_len = got < 0 ? 0 : got;
    int bits = take_internal_events(p);
    if (bits >= 0 && budget > 0) {
        call_ready(p);
    }
    p->batch_len = 0;
    return bits >= 0 && got == room ? bits | SRL__POLLED_MORE : bits;
}

static void kqueue_destroy(srl__poller *base)
{
    kqueue_poller *p = from_base(base);
    if (p == NULL) {
        return;
    }
    if (!is_in_child(p)) {
        close(p->queue_fd);
    }
    srl_allocator alloc = p->alloc;
    srl__free(&alloc, p, sizeof(*p));
}

static const srl__poller_ops kqueue_ops = {
    .fd = queue_fd,
    .watch = kqueue_watch,
    .change = kqueue_change,
    .unwatch = kqueue_unwatch,
    .set_deadline = kqueue_set_deadline,
    .wake = kqueue_wake,
    .poll = kqueue_poll,
    .destroy = kqueue_destroy,
};

static int open_queue(kqueue_poller *p)
{
    p->queue_fd = kqueue();
    if (p->queue_fd < 0) {
        return error_of_number(errno);
    }
    (void)fcntl(p->queue_fd, F_SETFD, FD_CLOEXEC);
    int number = apply(p, make_change(WAKE_IDENT, EVFILT_USER, EV_ADD | EV_CLEAR));
    if (number != 0) {
        close(p->queue_fd);
        return error_of_number(number);
    }
    return SRL_OK;
}

int srl__poller_create(const srl_allocator *alloc, srl__poller **out)
{
    kqueue_poller *p = srl__alloc_zeroed(alloc, sizeof(*p));
    if (p == NULL) {
        return SRL_ERR_NOMEM;
    }
    int error = open_queue(p);
    if (error != SRL_OK) {
        srl__free(alloc, p, sizeof(*p));
        return error;
    }
    p->base.ops = &kqueue_ops;
    p->alloc = *alloc;
    p->owner = getpid();
    atomic_init(&p->woken, 0);
    srl__deadline_init(&p->deadline);
    *out = &p->base;
    return SRL_OK;
}

#endif
