#include "redis/loop.h"

#include <streamrelay/error.h>

#include "redis/link.h"

void srl__redis_timer_init(srl__redis_timer *timer, void (*due)(srl__redis_timer *timer))
{
    srl__timer_init(&timer->timer);
    timer->due = due;
}

void srl__redis_timer_arm(srl_redis_loop *loop, srl__redis_timer *timer, uint64_t delay_ms)
{
    uint64_t due = loop->now_ms + (delay_ms > 0 ? delay_ms : 1);
    srl__timer_arm(&loop->timers, &timer->timer, due);
    if (loop->depth == 0 && due < loop->armed_ms) {
        srl__redis_loop_wake(loop);
    }
}

int srl__redis_loop_create(const srl__redis_config *config, srl__poller *poller, void (*notify)(void *user),
                           void *notify_user, srl_redis_loop **out)
{
    srl_redis_loop *loop = srl__alloc_zeroed(&config->alloc, sizeof(*loop));
    if (loop == NULL) {
        return SRL_ERR_NOMEM;
    }
    loop->alloc = config->alloc;
    loop->platform = config->platform;
    loop->poller = poller;
    loop->owns_poller = poller == NULL;
    loop->notify = notify;
    loop->notify_user = notify_user;
    loop->sockets = &srl__system_sockets;
    loop->process = srl__process_id();
    loop->armed_ms = SRL__TIMERS_NEVER;
    atomic_init(&loop->resolved, false);
    if (loop->owns_poller) {
        int error = srl__poller_create(&loop->alloc, &loop->poller);
        if (error != SRL_OK) {
            srl__free(&config->alloc, loop, sizeof(*loop));
            return error;
        }
    }
    loop->now_ms = loop->platform.monotonic_ms(loop->platform.user);
    srl__timers_init(&loop->timers, loop->now_ms);
    srl__list_init(&loop->links);
    srl__list_init(&loop->dirty);
    srl__list_init(&loop->dead);
    *out = loop;
    return SRL_OK;
}

static void free_dead(srl_redis_loop *loop)
{
    srl__list *node;
    while ((node = srl__list_take_first(&loop->dead)) != NULL) {
        srl__redis_link *link = SRL__CONTAINER(node, srl__redis_link, dead);
        link->ops->free(link);
    }
}

static void free_loop(srl_redis_loop *loop)
{
    srl_allocator alloc = loop->alloc;
    if (loop->owns_poller) {
        loop->poller->ops->destroy(loop->poller);
    }
    srl__free(&alloc, loop, sizeof(*loop));
}

void srl__redis_loop_enter(srl_redis_loop *loop)
{
    if (loop->depth++ == 0) {
        loop->now_ms = loop->platform.monotonic_ms(loop->platform.user);
    }
}

void srl__redis_loop_leave(srl_redis_loop *loop)
{
    if (--loop->depth > 0) {
        return;
    }
    if (!srl__list_is_empty(&loop->dead)) {
        loop->depth++;
        free_dead(loop);
        loop->depth--;
    }
    if (loop->destroyed) {
        free_loop(loop);
        return;
    }
    if (loop->quiet) {
        return;
    }
    if (!srl__list_is_empty(&loop->dirty) || srl__redis_loop_due_ms(loop) < loop->armed_ms) {
        srl__redis_loop_wake(loop);
    }
}

void srl__redis_loop_wake(srl_redis_loop *loop)
{
    if (loop->owns_poller && !loop->quiet) {
        loop->poller->ops->wake(loop->poller);
    }
}

static void run_timers(srl_redis_loop *loop)
{
    srl__timer *timer;
    srl__timers_advance(&loop->timers, loop->now_ms);
    while (!loop->destroyed && (timer = srl__timers_take_due(&loop->timers)) != NULL) {
        srl__redis_timer *due = SRL__CONTAINER(timer, srl__redis_timer, timer);
        due->due(due);
    }
}

static void run_lookups(srl_redis_loop *loop)
{
    srl__list waiting;
    srl__list *node;
    if (!atomic_exchange(&loop->resolved, false)) {
        return;
    }
    srl__list_init(&waiting);
    srl__list_append_all(&waiting, &loop->links);
    while ((node = srl__list_take_first(&waiting)) != NULL) {
        srl__list_append(&loop->links, node);
        srl__redis_link_lookup_check(SRL__CONTAINER(node, srl__redis_link, node));
    }
}

static void run_dirty(srl_redis_loop *loop)
{
    srl__list now;
    srl__list *node;
    srl__list_init(&now);
    srl__list_append_all(&now, &loop->dirty); /* one round: what a callback adds to it waits for the next */
    while ((node = srl__list_take_first(&now)) != NULL) {
        srl__redis_link_work(SRL__CONTAINER(node, srl__redis_link, dirty));
    }
}

void srl__redis_loop_run(srl_redis_loop *loop)
{
    srl__redis_loop_enter(loop);
    run_lookups(loop);
    run_timers(loop);
    run_dirty(loop);
    loop->armed_ms = srl__redis_loop_due_ms(loop); /* the owner of the poller asks for it now */
    srl__redis_loop_leave(loop);
}

uint64_t srl__redis_loop_due_ms(const srl_redis_loop *loop)
{
    return srl__timers_next_ms(&loop->timers);
}

static int arm_poller(srl_redis_loop *loop)
{
    uint64_t due = srl__redis_loop_due_ms(loop);
    uint64_t delay = due == SRL__TIMERS_NEVER ? SRL__NO_DEADLINE : due > loop->now_ms ? due - loop->now_ms : 0;
    loop->armed_ms = due;
    return loop->poller->ops->set_deadline(loop->poller, delay);
}

static int32_t bounded_timeout(const srl_redis_loop *loop, int32_t timeout_ms)
{
    uint64_t due = srl__redis_loop_due_ms(loop);
    uint64_t now = loop->platform.monotonic_ms(loop->platform.user);
    if (due == SRL__TIMERS_NEVER) {
        return timeout_ms;
    }
    uint64_t left = due > now ? due - now : 0;
    if (timeout_ms >= 0 && (uint64_t)timeout_ms <= left) {
        return timeout_ms;
    }
    return left > INT32_MAX ? INT32_MAX : (int32_t)left;
}

int srl__redis_loop_turn(srl_redis_loop *loop, int32_t timeout_ms)
{
    enum { BUDGET = 64 };
    if (loop->depth > 0) {
        return SRL_ERR_STATE;
    }
    srl__redis_loop_enter(loop);
    if (!srl__list_is_empty(&loop->dirty)) {
        run_dirty(loop);
        if (!srl__list_is_empty(&loop->dirty)) {
            timeout_ms = 0;
        }
    }
    if (loop->destroyed) {
        srl__redis_loop_leave(loop);
        return 0;
    }
    timeout_ms = timeout_ms != 0 ? bounded_timeout(loop, timeout_ms) : 0;
    int polled = loop->poller->ops->poll(loop->poller, timeout_ms, BUDGET);
    if (polled < 0) {
        srl__redis_loop_leave(loop);
        return SRL_ERR_POLLER;
    }
    loop->now_ms = loop->platform.monotonic_ms(loop->platform.user);
    run_lookups(loop);
    run_timers(loop);
    run_dirty(loop);
    int result = (polled & SRL__POLLED_MORE) != 0 || !srl__list_is_empty(&loop->dirty) ? 1 : 0;
    if (!loop->destroyed && !loop->quiet && arm_poller(loop) != SRL_OK) {
        result = SRL_ERR_POLLER;
    }
    if (result > 0 && !loop->destroyed) {
        srl__redis_loop_wake(loop);
    }
    srl__redis_loop_leave(loop);
    return result;
}

/* ---- public */

int srl_redis_loop_create(const srl_redis_options *options, srl_redis_loop **out)
{
    srl__redis_config plain;
    if (options != NULL) {
        return srl__redis_loop_create(&options->config, NULL, NULL, NULL, out);
    }
    memset(&plain, 0, sizeof(plain));
    srl_allocator_init(&plain.alloc, sizeof(plain.alloc));
    srl_platform_init(&plain.platform, sizeof(plain.platform));
    return srl__redis_loop_create(&plain, NULL, NULL, NULL, out);
}

void srl_redis_loop_destroy(srl_redis_loop *loop)
{
    if (loop == NULL || loop->destroyed) {
        return;
    }
    srl__redis_loop_enter(loop);
    while (!srl__list_is_empty(&loop->links)) {
        srl__redis_link *link = SRL__CONTAINER(loop->links.next, srl__redis_link, node);
        link->ops->close(link);
    }
    loop->destroyed = true;
    srl__redis_loop_leave(loop);
}

int srl_redis_loop_fd(const srl_redis_loop *loop)
{
    return loop->poller->ops->fd(loop->poller);
}

int srl_redis_loop_process(srl_redis_loop *loop)
{
    return srl__redis_loop_turn(loop, 0);
}

int srl_redis_loop_run_once(srl_redis_loop *loop, int32_t timeout_ms)
{
    return srl__redis_loop_turn(loop, timeout_ms);
}

int32_t srl_redis_loop_next_timeout_ms(srl_redis_loop *loop)
{
    if (!srl__list_is_empty(&loop->dirty) || atomic_load(&loop->resolved)) {
        return 0;
    }
    return bounded_timeout(loop, -1);
}

void srl_redis_loop_flush(srl_redis_loop *loop)
{
    if (loop->depth == 0) { /* else the turn that is under way does it */
        srl__redis_loop_enter(loop);
        run_dirty(loop);
        srl__redis_loop_leave(loop);
    }
}
