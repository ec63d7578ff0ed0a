/* Blocking connections for threads. Under the lock only lists and numbers change: connecting, testing and closing are
 * done outside, by whoever has the place that the connection takes. */
#include <streamrelay/error.h>

#include "base/table.h"
#include "io/sync.h"
#include "redis/conn.h"

/* A thread that waits; whoever gives a place back gives it to the first of them. */
typedef struct pool_waiter {
    srl__list node;
    srl__event event;
    srl_redis_conn *conn; /* given, or NULL: open one */
    bool served;
} pool_waiter;

struct srl_redis_pool {
    srl_allocator alloc;
    srl__redis_config *config;
    srl__lock lock;
    srl__list idle; /* the one used last at the end */
    srl__list waiters;
    uint32_t idle_count;
    uint32_t places; /* taken by lent connections and by those being opened or tested */
    uint32_t dedicated;
    uint32_t generation;
    uint32_t waiting;
    bool closing;
    int64_t process;
    srl_redis_pool_stats stats;
};

static uint64_t now_of(const srl_redis_pool *pool)
{
    return pool->config->platform.monotonic_ms(pool->config->platform.user);
}

static void free_pool(srl_redis_pool *pool)
{
    srl_allocator alloc = pool->alloc;
    srl__redis_config_unref(pool->config);
    srl__lock_destroy(&pool->lock);
    srl__free(&alloc, pool, sizeof(*pool));
}

static void close_all(srl__list *conns)
{
    srl__list *node;
    while ((node = srl__list_take_first(conns)) != NULL) {
        srl_redis_close(SRL__CONTAINER(node, srl_redis_conn, node));
    }
}

/* In a child after fork: nothing of the parent's is ours, and no thread of it waits. */
static void check_process(srl_redis_pool *pool)
{
    if (pool->process == srl__process_id()) {
        return;
    }
    pool->process = srl__process_id();
    close_all(&pool->idle);
    srl__list_init(&pool->waiters);
    pool->idle_count = 0;
    pool->places = 0;
    pool->dedicated = 0;
    pool->waiting = 0;
}

/* Under the lock. A place is free: it goes to the first who waits. */
static bool serve_first(srl_redis_pool *pool, srl_redis_conn *conn)
{
    srl__list *node = srl__list_take_first(&pool->waiters);
    if (node == NULL) {
        return false;
    }
    pool_waiter *waiter = SRL__CONTAINER(node, pool_waiter, node);
    waiter->conn = conn;
    waiter->served = true;
    srl__event_signal(&waiter->event);
    return true;
}

static void give_place(srl_redis_pool *pool)
{
    if (!serve_first(pool, NULL)) {
        pool->places--;
    }
}

/* Ends the lock. */
static void give_lock(srl_redis_pool *pool)
{
    bool over = pool->closing && pool->places == 0 && pool->dedicated == 0 && pool->waiting == 0;
    srl__lock_give(&pool->lock);
    if (over) {
        free_pool(pool);
    }
}

static bool is_too_old(const srl_redis_pool *pool, const srl_redis_conn *conn, uint64_t now)
{
    return conn->generation != pool->generation || now >= conn->end_of_life_ms;
}

static bool is_idle_too_long(const srl_redis_pool *pool, const srl_redis_conn *conn, uint64_t now)
{
    uint64_t limit = pool->config->pool_idle_timeout;
    return limit > 0 && now - conn->idle_since_ms >= limit && pool->idle_count + pool->places > pool->config->pool_min;
}

/* Under the lock: what is not to be lent any more goes to `out`, the longest unused first. */
static void take_expired(srl_redis_pool *pool, srl__list *out)
{
    uint64_t now = now_of(pool);
    srl__list *next;
    for (srl__list *node = pool->idle.next; node != &pool->idle; node = next) {
        srl_redis_conn *conn = SRL__CONTAINER(node, srl_redis_conn, node);
        next = node->next;
        if (is_too_old(pool, conn, now) || is_idle_too_long(pool, conn, now)) {
            srl__list_remove(node);
            srl__list_append(out, node);
            pool->idle_count--;
            pool->stats.closed++;
        }
    }
}

static uint64_t end_of_life(const srl_redis_pool *pool)
{
    uint64_t lifetime = pool->config->pool_lifetime;
    uint64_t jitter = 0;
    const srl_platform *platform = &pool->config->platform;
    if (lifetime == 0) {
        return UINT64_MAX;
    }
    if (platform->random(&jitter, sizeof(jitter), platform->user) != 0) {
        jitter = 0;
    }
    return now_of(pool) + lifetime - jitter % (lifetime / 10 + 1);
}

/* Outside the lock, with a place. */
static int open_conn(srl_redis_pool *pool, uint64_t timeout_ms, uint32_t generation, srl_redis_conn **out)
{
    char why[240];
    int error = srl__redis_conn_open(pool->config, timeout_ms, out, why, sizeof(why));
    if (error == SRL_OK) {
        (*out)->generation = generation;
        (*out)->end_of_life_ms = end_of_life(pool);
    }
    srl__lock_take(&pool->lock);
    pool->stats.opened += error == SRL_OK;
    pool->stats.failed += error != SRL_OK;
    srl__lock_give(&pool->lock);
    return error;
}

static bool is_healthy(srl_redis_pool *pool, srl_redis_conn *conn)
{
    uint64_t now = now_of(pool);
    bool ask = now - conn->idle_since_ms >= pool->config->pool_check;
    return srl__redis_conn_check(conn, ask);
}

static uint64_t left_of(const srl_redis_pool *pool, uint64_t until)
{
    uint64_t now = now_of(pool);
    return until == UINT64_MAX ? UINT64_MAX : until > now ? until - now : 0;
}

/* Under the lock. 0: the waiter has been served. */
static int wait_in_line(srl_redis_pool *pool, uint64_t until, srl_redis_conn **conn)
{
    pool_waiter waiter = {.conn = NULL, .served = false};
    uint64_t begin = now_of(pool);
    if (left_of(pool, until) == 0) {
        pool->stats.timeouts++;
        return SRL_ERR_TIMEOUT;
    }
    if (!srl__event_init(&waiter.event)) {
        return SRL_ERR_SYSTEM;
    }
    srl__list_init(&waiter.node);
    srl__list_append(&pool->waiters, &waiter.node);
    pool->waiting++;
    pool->stats.waits++;
    uint64_t left;
    while (!waiter.served && !pool->closing && (left = left_of(pool, until)) > 0) {
        (void)srl__event_wait(&waiter.event, &pool->lock, left);
    }
    srl__list_remove(&waiter.node);
    srl__event_destroy(&waiter.event);
    pool->waiting--;
    pool->stats.wait_ms += now_of(pool) - begin;
    *conn = waiter.conn;
    if (waiter.served) {
        return SRL_OK;
    }
    pool->stats.timeouts += !pool->closing;
    return pool->closing ? SRL_ERR_CLOSED : SRL_ERR_TIMEOUT;
}

/* Under the lock: a place, and a connection if one is free. */
static int take_place(srl_redis_pool *pool, uint64_t until, srl_redis_conn **conn)
{
    *conn = NULL;
    if (pool->closing) {
        return SRL_ERR_CLOSED;
    }
    if (!srl__list_is_empty(&pool->waiters)) {
        return wait_in_line(pool, until, conn);
    }
    if (pool->idle_count > 0) {
        *conn = SRL__CONTAINER(pool->idle.prev, srl_redis_conn, node);
        srl__list_remove(&(*conn)->node);
        pool->idle_count--;
        pool->places++;
        return SRL_OK;
    }
    if (pool->places < pool->config->pool_max) {
        pool->places++;
        return SRL_OK;
    }
    return wait_in_line(pool, until, conn);
}

/* With a place: a connection that works, or the place is given back. */
static int fill_place(srl_redis_pool *pool, srl_redis_conn *conn, uint64_t until, srl_redis_conn **out)
{
    for (;;) {
        bool had_one = conn != NULL;
        if (had_one && is_healthy(pool, conn)) {
            break;
        }
        srl__lock_take(&pool->lock);
        pool->stats.stale += had_one;
        pool->stats.closed += had_one;
        uint32_t generation = pool->generation;
        srl_redis_conn *other = NULL;
        if (had_one && pool->idle_count > 0) {
            other = SRL__CONTAINER(pool->idle.prev, srl_redis_conn, node);
            srl__list_remove(&other->node);
            pool->idle_count--;
        }
        srl__lock_give(&pool->lock);
        srl_redis_close(conn);
        conn = other;
        if (conn == NULL) {
            int error = open_conn(pool, left_of(pool, until), generation, out);
            srl__lock_take(&pool->lock);
            pool->stats.misses += error == SRL_OK;
            if (error != SRL_OK) {
                give_place(pool);
            }
            give_lock(pool);
            return error;
        }
    }
    srl__lock_take(&pool->lock);
    pool->stats.hits++;
    srl__lock_give(&pool->lock);
    *out = conn;
    return SRL_OK;
}

/* ---- public */

int srl_redis_pool_create(const srl_redis_options *options, srl_redis_pool **out)
{
    srl__redis_config *config;
    int error = srl__redis_config_take(options, &config);
    if (error != SRL_OK) {
        return error;
    }
    if (config->pool_min > config->pool_max) {
        srl__redis_config_unref(config);
        return SRL_ERR_OPTION_VALUE;
    }
    srl_redis_pool *pool = srl__alloc_zeroed(&config->alloc, sizeof(*pool));
    if (pool == NULL || !srl__lock_init(&pool->lock)) {
        srl__free(&config->alloc, pool, sizeof(*pool));
        srl__redis_config_unref(config);
        return SRL_ERR_NOMEM;
    }
    pool->alloc = config->alloc;
    pool->config = config;
    pool->process = srl__process_id();
    srl__list_init(&pool->idle);
    srl__list_init(&pool->waiters);
    *out = pool;
    return SRL_OK;
}

int srl_redis_pool_acquire(srl_redis_pool *pool, uint64_t timeout_ms, srl_redis_conn **out)
{
    srl__list expired;
    srl_redis_conn *conn;
    uint64_t limit = timeout_ms == SRL_REDIS_DEFAULT_TIMEOUT ? pool->config->pool_wait : timeout_ms;
    uint64_t until = limit > UINT64_MAX / 4 ? UINT64_MAX : now_of(pool) + limit;
    *out = NULL;
    srl__list_init(&expired);
    srl__lock_take(&pool->lock);
    check_process(pool);
    take_expired(pool, &expired);
    int error = take_place(pool, until, &conn);
    if (error != SRL_OK) {
        give_lock(pool);
    } else {
        srl__lock_give(&pool->lock);
        error = fill_place(pool, conn, until, out);
    }
    close_all(&expired);
    return error;
}

int srl_redis_pool_acquire_dedicated(srl_redis_pool *pool, srl_redis_conn **out)
{
    *out = NULL;
    srl__lock_take(&pool->lock);
    check_process(pool);
    if (pool->closing) {
        srl__lock_give(&pool->lock);
        return SRL_ERR_CLOSED;
    }
    pool->dedicated++;
    uint32_t generation = pool->generation;
    srl__lock_give(&pool->lock);
    int error = open_conn(pool, SRL_REDIS_NO_TIMEOUT, generation, out);
    if (error != SRL_OK) {
        srl__lock_take(&pool->lock);
        pool->dedicated--;
        give_lock(pool);
    } else {
        (*out)->dedicated = true;
    }
    return error;
}

/* Read what is left, so that nothing waits in it, and give its memory back. */
static bool is_reusable(srl_redis_conn *conn)
{
    srl__redis_link *link = &conn->client->link;
    if (conn->outstanding == 0) {
        srl__redis_loop_enter(conn->loop);
        srl__redis_link_resume(link);
        srl__redis_loop_leave(conn->loop);
    }
    if (!srl__redis_conn_is_clean(conn)) {
        return false;
    }
    srl__resp_reader_shrink(&link->reader);
    srl__resp_output_shrink(&link->out);
    return true;
}

static void put_back(srl_redis_pool *pool, srl_redis_conn *conn)
{
    conn->idle_since_ms = now_of(pool);
    if (!serve_first(pool, conn)) {
        srl__list_append(&pool->idle, &conn->node);
        pool->idle_count++;
        pool->places--;
    }
}

void srl_redis_pool_release(srl_redis_pool *pool, srl_redis_conn *conn)
{
    if (conn == NULL) {
        return;
    }
    bool inherited = conn->loop->process != srl__process_id();
    bool reusable = !inherited && !conn->dedicated && is_reusable(conn);
    bool dedicated = conn->dedicated;
    srl__lock_take(&pool->lock);
    check_process(pool);
    reusable = reusable && !pool->closing && !is_too_old(pool, conn, now_of(pool));
    if (reusable) {
        put_back(pool, conn);
    } else if (!inherited) {
        pool->stats.closed++;
    }
    srl__lock_give(&pool->lock);
    if (reusable) {
        return;
    }
    srl_redis_close(conn);
    srl__lock_take(&pool->lock);
    if (!inherited && dedicated) {
        pool->dedicated--;
    } else if (!inherited) {
        give_place(pool);
    }
    give_lock(pool);
}

int srl_redis_pool_maintain(srl_redis_pool *pool)
{
    srl__list expired;
    int error = SRL_OK;
    srl__list_init(&expired);
    srl__lock_take(&pool->lock);
    check_process(pool);
    take_expired(pool, &expired);
    while (error == SRL_OK && !pool->closing && pool->idle_count + pool->places < pool->config->pool_min) {
        srl_redis_conn *conn;
        uint32_t generation = pool->generation;
        pool->places++;
        srl__lock_give(&pool->lock);
        error = open_conn(pool, SRL_REDIS_NO_TIMEOUT, generation, &conn);
        srl__lock_take(&pool->lock);
        if (error == SRL_OK) {
            put_back(pool, conn);
        } else {
            give_place(pool);
        }
    }
    give_lock(pool);
    close_all(&expired);
    return error;
}

int srl_redis_pool_stats_get(srl_redis_pool *pool, srl_redis_pool_stats *out)
{
    if (out == NULL || out->size < sizeof(out->size)) {
        return SRL_ERR_INVALID;
    }
    srl__lock_take(&pool->lock);
    check_process(pool);
    srl_redis_pool_stats stats = pool->stats;
    stats.idle = pool->idle_count;
    stats.lent = pool->places;
    stats.dedicated = pool->dedicated;
    stats.waiting = pool->waiting;
    srl__lock_give(&pool->lock);
    srl__table_fill(out, out->size, &stats, sizeof(stats));
    return SRL_OK;
}

/* Under the lock. */
static void take_idle(srl_redis_pool *pool, srl__list *out)
{
    srl__list_append_all(out, &pool->idle);
    pool->stats.closed += pool->idle_count;
    pool->idle_count = 0;
}

void srl_redis_pool_drop(srl_redis_pool *pool)
{
    srl__list conns;
    srl__list_init(&conns);
    srl__lock_take(&pool->lock);
    check_process(pool);
    pool->generation++;
    take_idle(pool, &conns);
    srl__lock_give(&pool->lock);
    close_all(&conns);
}

void srl_redis_pool_destroy(srl_redis_pool *pool)
{
    srl__list conns;
    if (pool == NULL) {
        return;
    }
    srl__list_init(&conns);
    srl__lock_take(&pool->lock);
    check_process(pool);
    pool->closing = true;
    take_idle(pool, &conns);
    for (srl__list *node = pool->waiters.next; node != &pool->waiters; node = node->next) {
        srl__event_signal(&SRL__CONTAINER(node, pool_waiter, node)->event);
    }
    give_lock(pool);
    close_all(&conns);
}
