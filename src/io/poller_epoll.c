#include "io/poller.h"

#if defined(__linux__) && !defined(SRL__POLLER_KQUEUE)

#include "io/clock.h"
#include "io/deadline.h"

#include <streamrelay/error.h>

#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { BATCH_MAX = 64 };

/* The eventfd and the timerfd are the only edge-triggered members of the set: fetching their event consumes it, so
 * they are never read. */
typedef struct epoll_poller {
    srl__poller base;
    srl_allocator alloc;
    int epoll_fd;
    int event_fd;
    int timer_fd;
    atomic_int woken; /* 1 from the first wake-up until its event is fetched */
    pid_t owner;      /* a child after fork shares the set in the kernel and must not change it */
    srl__deadline deadline;
    int batch_next;
    int batch_len;
    struct epoll_event batch[BATCH_MAX];
} epoll_poller;

static epoll_poller *from_base(srl__poller *base)
{
    return (epoll_poller *)(void *)base;
}

static bool is_in_child(const epoll_poller *p)
{
    return getpid() != p->owner;
}

static int error_of_errno(void)
{
    return errno == ENOMEM || errno == ENOSPC ? SRL_ERR_NOMEM : SRL_ERR_SYSTEM;
}

static int epoll_fd(srl__poller *base)
{
    return from_base(base)->epoll_fd;
}

static int control(epoll_poller *p, int operation, srl__watch *watch)
{
    if (is_in_child(p)) {
        return SRL_ERR_STATE;
    }
    struct epoll_event event = {.data.ptr = watch};
    event.events |= (watch->events & SRL__READABLE) != 0 ? (uint32_t)EPOLLIN : 0;
    event.events |= (watch->events & SRL__WRITABLE) != 0 ? (uint32_t)EPOLLOUT : 0;
    return epoll_ctl(p->epoll_fd, operation, watch->fd, &event) == 0 ? SRL_OK : error_of_errno();
}

static int epoll_watch(srl__poller *base, srl__watch *watch)
{
    return control(from_base(base), EPOLL_CTL_ADD, watch);
}

static int epoll_change(srl__poller *base, srl__watch *watch)
{
    return control(from_base(base), EPOLL_CTL_MOD, watch);
}

static void epoll_unwatch(srl__poller *base, srl__watch *watch)
{
    epoll_poller *p = from_base(base);
    (void)control(p, EPOLL_CTL_DEL, watch);
    for (int i = p->batch_next; i < p->batch_len; i++) {
        if (p->batch[i].data.ptr == watch) {
            p->batch[i].data.ptr = NULL;
        }
    }
}

static int program_timer(epoll_poller *p, uint64_t at_ns)
{
    struct itimerspec when = {0};
    if (at_ns != SRL__NEVER_NS) {
        when.it_value.tv_sec = (time_t)(at_ns / 1000000000);
        when.it_value.tv_nsec = (long)(at_ns % 1000000000);
    }
    return timerfd_settime(p->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0 ? SRL_OK : error_of_errno();
}

static int epoll_set_deadline(srl__poller *base, uint64_t delay_ms)
{
    epoll_poller *p = from_base(base);
    srl__deadline next = p->deadline;
    if (srl__deadline_set(&next, srl__clock_monotonic_ns(), delay_ms)) {
        int error = is_in_child(p) ? SRL_ERR_STATE : program_timer(p, next.armed_ns);
        if (error != SRL_OK) {
            return error;
        }
    }
    p->deadline = next;
    return SRL_OK;
}

static void epoll_wake(srl__poller *base)
{
    epoll_poller *p = from_base(base);
    if (atomic_exchange(&p->woken, 1) != 0) {
        return;
    }
    int saved_errno = errno;
    if (!is_in_child(p)) {
        const uint64_t one = 1;
        ssize_t written = write(p->event_fd, &one, sizeof(one));
        (void)written; /* can only fail when it is readable already */
    }
    errno = saved_errno;
}

static int take_deadline(epoll_poller *p, bool timer_fired)
{
    if (!timer_fired && !p->deadline.at_once) {
        return 0;
    }
    uint64_t now_ns = srl__clock_monotonic_ns();
    int bits = srl__deadline_take(&p->deadline, now_ns) ? SRL__POLLED_DEADLINE : 0;
    if (timer_fired && srl__deadline_rearm(&p->deadline, now_ns) && program_timer(p, p->deadline.armed_ns) != SRL_OK) {
        return SRL_ERR_POLLER;
    }
    return bits;
}

/* Before any ready() is called, so that what ready() does to wake-up and deadline counts for the next poll. */
static int take_internal_events(epoll_poller *p)
{
    int bits = 0;
    bool timer_fired = false;
    for (int i = 0; i < p->batch_len; i++) {
        void *tag = p->batch[i].data.ptr;
        if (tag == &p->event_fd) {
            atomic_exchange(&p->woken, 0);
            bits |= SRL__POLLED_WAKE;
        } else if (tag == &p->timer_fd) {
            timer_fired = true;
        } else {
            continue;
        }
        p->batch[i].data.ptr = NULL;
    }
    int deadline_bits = take_deadline(p, timer_fired);
    return deadline_bits < 0 ? deadline_bits : bits | deadline_bits;
}

static unsigned events_for(const srl__watch *watch, uint32_t epoll_events)
{
    if ((epoll_events & (EPOLLERR | EPOLLHUP)) != 0) {
        return SRL__READABLE | SRL__WRITABLE;
    }
    unsigned events = (epoll_events & EPOLLIN) != 0 ? SRL__READABLE : 0;
    events |= (epoll_events & EPOLLOUT) != 0 ? SRL__WRITABLE : 0;
    return events & watch->events; /* they may have been changed since the event was fetched */
}

static void call_ready(epoll_poller *p)
{
    while (p->batch_next < p->batch_len) {
        const struct epoll_event *event = &p->batch[p->batch_next++];
        srl__watch *watch = event->data.ptr;
        unsigned events = watch != NULL ? events_for(watch, event->events) : 0;
        if (events != 0) {
            watch->ready(watch, events);
        }
    }
}

/* Never fetches more than it may hand out: what is fetched goes to the end of the kernel's queue, so dropping the
 * surplus would starve it. */
static int epoll_poll(srl__poller *base, int timeout_ms, unsigned budget)
{
    epoll_poller *p = from_base(base);
    int room = budget == 0 ? 1 : budget < BATCH_MAX ? (int)budget : BATCH_MAX;
    int got = epoll_wait(p->epoll_fd, p->batch, room, p->deadline.at_once ? 0 : timeout_ms);
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

static void close_all(epoll_poller *p)
{
    const int fds[] = {p->epoll_fd, p->event_fd, p->timer_fd};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
}

static void epoll_destroy(srl__poller *base)
{
    epoll_poller *p = from_base(base);
    if (p == NULL) {
        return;
    }
    close_all(p);
    srl_allocator alloc = p->alloc;
    srl__free(&alloc, p, sizeof(*p));
}

static const srl__poller_ops epoll_ops = {
    .fd = epoll_fd,
    .watch = epoll_watch,
    .change = epoll_change,
    .unwatch = epoll_unwatch,
    .set_deadline = epoll_set_deadline,
    .wake = epoll_wake,
    .poll = epoll_poll,
    .destroy = epoll_destroy,
};

static int add_internal(epoll_poller *p, int *fd)
{
    struct epoll_event event = {.events = (uint32_t)EPOLLIN | (uint32_t)EPOLLET, .data.ptr = fd};
    return epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, *fd, &event);
}

static int open_all(epoll_poller *p)
{
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    p->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    p->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (p->epoll_fd < 0 || p->event_fd < 0 || p->timer_fd < 0 || add_internal(p, &p->event_fd) != 0 ||
        add_internal(p, &p->timer_fd) != 0) {
        int error = error_of_errno();
        close_all(p);
        return error;
    }
    return SRL_OK;
}

int srl__poller_create(const srl_allocator *alloc, srl__poller **out)
{
    epoll_poller *p = srl__alloc_zeroed(alloc, sizeof(*p));
    if (p == NULL) {
        return SRL_ERR_NOMEM;
    }
    int error = open_all(p);
    if (error != SRL_OK) {
        srl__free(alloc, p, sizeof(*p));
        return error;
    }
    p->base.ops = &epoll_ops;
    p->alloc = *alloc;
    p->owner = getpid();
    atomic_init(&p->woken, 0);
    srl__deadline_init(&p->deadline);
    *out = &p->base;
    return SRL_OK;
}

#endif
