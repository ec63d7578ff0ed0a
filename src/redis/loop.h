/* What non-blocking connections live on: a poller (its own, or the relay's), timers, and turns.
 *
 * On a poller of its own, srl__redis_loop_turn() polls, then does the rest. On somebody else's, that one polls, and
 * calls srl__redis_loop_run() at the end of every turn in which it or a socket was used, after `notify` was called, and
 * when the time of srl__redis_loop_due_ms() has come. */
#ifndef SRL__REDIS_LOOP_H
#define SRL__REDIS_LOOP_H

#include <stdatomic.h>

#include "base/timers.h"
#include "io/poller.h"
#include "io/socket.h"
#include "redis/config.h"

typedef struct srl__redis_timer {
    srl__timer timer;
    void (*due)(struct srl__redis_timer *timer);
} srl__redis_timer;

struct srl_redis_loop {
    srl_allocator alloc;
    srl_platform platform;
    srl__poller *poller;
    bool owns_poller;
    void (*notify)(void *user); /* somebody else's poller: run soon; called on another thread */
    void *notify_user;
    const srl__socket_ops *sockets;
    srl__timers timers;
    uint64_t now_ms;
    srl__list links; /* all of them */
    srl__list dirty; /* those with something to write, or to read without a new event */
    srl__list dead;  /* those to be freed when the outermost call ends */
    uint32_t depth;
    bool destroyed;
    bool quiet;           /* the blocking façade polls right away: nobody needs to be woken */
    atomic_bool resolved; /* a lookup has ended */
    int64_t process;
    uint64_t armed_ms;
};

/* poller NULL: one of its own. */
int srl__redis_loop_create(const srl__redis_config *config, srl__poller *poller, void (*notify)(void *user),
                           void *notify_user, srl_redis_loop **out);

/* Around every call from outside that may run callbacks. */
void srl__redis_loop_enter(srl_redis_loop *loop);
void srl__redis_loop_leave(srl_redis_loop *loop);

/* Something was queued: see to it that a turn comes. On somebody else's poller it comes anyway. */
void srl__redis_loop_wake(srl_redis_loop *loop);

/* Lookups, timers, writes. */
void srl__redis_loop_run(srl_redis_loop *loop);
/* When the next timer is due; SRL__TIMERS_NEVER. */
uint64_t srl__redis_loop_due_ms(const srl_redis_loop *loop);
/* Poll and run; waits at most timeout_ms. */
int srl__redis_loop_turn(srl_redis_loop *loop, int32_t timeout_ms);

void srl__redis_timer_init(srl__redis_timer *timer, void (*due)(srl__redis_timer *timer));
/* `delay_ms` from now, at least 1. */
void srl__redis_timer_arm(srl_redis_loop *loop, srl__redis_timer *timer, uint64_t delay_ms);
static inline void srl__redis_timer_cancel(srl_redis_loop *loop, srl__redis_timer *timer)
{
    srl__timer_cancel(&loop->timers, &timer->timer);
}

#endif
