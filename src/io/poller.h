/* The relay's one descriptor: a set of watched descriptors, a deadline and a wake-up, behind a table that tests
 * replace. */
#ifndef SRL__POLLER_H
#define SRL__POLLER_H

#include "base/alloc.h"

typedef struct srl__poller srl__poller;
typedef struct srl__watch srl__watch;

enum { SRL__READABLE = 1, SRL__WRITABLE = 2 };

/* What a watched descriptor belongs to; embedded in its owner, which outlives the watch. */
struct srl__watch {
    void (*ready)(srl__watch *watch, unsigned events); /* errors and hang-ups are reported as both events */
    int fd;
    unsigned events;
};

/* Why srl__poller_poll() came back, or'ed. */
enum { SRL__POLLED_WAKE = 1, SRL__POLLED_DEADLINE = 2, SRL__POLLED_MORE = 4 };

#define SRL__NO_DEADLINE UINT64_MAX

typedef struct srl__poller_ops {
    int (*fd)(srl__poller *poller);
    int (*watch)(srl__poller *poller, srl__watch *watch);    /* add, with watch->fd and watch->events set */
    int (*change)(srl__poller *poller, srl__watch *watch);   /* after watch->events was changed */
    void (*unwatch)(srl__poller *poller, srl__watch *watch); /* before the descriptor is closed; legal inside ready() */
    /* Make the descriptor readable `delay_ms` from now (0: at once; SRL__NO_DEADLINE: never); replaces the one before.
     */
    int (*set_deadline)(srl__poller *poller, uint64_t delay_ms);
    /* Make it readable now; from any thread, async-signal-safe, cheap when repeated. */
    void (*wake)(srl__poller *poller);
    /* Wait at most timeout_ms (-1: for ever), call ready() for at most `budget` descriptors. SRL__POLLED_* bits, 0 on
     * nothing, or SRL_ERR_POLLER. A wake-up or deadline that is reported is consumed. EINTR counts as nothing. */
    int (*poll)(srl__poller *poller, int timeout_ms, unsigned budget);
    void (*destroy)(srl__poller *poller);
} srl__poller_ops;

struct srl__poller {
    const srl__poller_ops *ops; /* implementations put their own members behind it */
};

/* The system's: epoll, eventfd and timerfd on Linux; kqueue elsewhere. SRL_ERR_SYSTEM, SRL_ERR_NOMEM. */
int srl__poller_create(const srl_allocator *alloc, srl__poller **out);

#endif
