/* The states of a link. Every way out of one leads through close_socket(), so nothing of one incarnation reaches the
 * next. */
#include "redis/link.h"

#include <stdio.h>

#include <streamrelay/error.h>

static void step_due(srl__redis_timer *timer);
static void probe_due(srl__redis_timer *timer);
static void try_address(srl__redis_link *link);

/* Small until the server has proved who it is. */
static const srl__resp_limits handshake_limits = {
    .max_depth = 8,
    .max_bulk = 65536,
    .max_line = 16384,
    .max_elements = 1024,
    .max_tokens = 4096,
    .max_reply = 131072,
};

static srl__resp_limits limits_of(const srl__redis_config *config)
{
    srl__resp_limits limits = srl__resp_limits_default;
    limits.max_depth = (uint32_t)config->max_depth;
    limits.max_bulk = (uint32_t)config->max_bulk;
    limits.max_reply = (uint32_t)config->max_reply;
    return limits;
}

void srl__redis_link_init(srl__redis_link *link, srl_redis_loop *loop, srl__redis_config *config,
                          const srl__redis_link_ops *ops)
{
    memset(link, 0, sizeof(*link));
    link->loop = loop;
    link->config = srl__redis_config_ref(config);
    link->ops = ops;
    link->watch.fd = -1;
    link->watch.ready = srl__redis_link_event;
    link->lookup.link = link;
    srl__list_init(&link->dirty);
    srl__list_init(&link->dead);
    srl__list_init(&link->node);
    srl__list_append(&loop->links, &link->node);
    srl__redis_timer_init(&link->step, step_due);
    srl__redis_timer_init(&link->probe, probe_due);
    srl__resp_reader_init(&link->reader, &loop->alloc, &handshake_limits);
    srl__resp_output_init(&link->front, &loop->alloc, 1048576);
    srl__resp_output_init(&link->out, &loop->alloc, config->max_output);
}

static void end_lookup(srl__redis_link *link)
{
    srl__resolver_end(link->resolution);
    link->resolution = NULL;
    if (link->lookup.active) {
        link->lookup.active = false;
        if (link->config->resolver.cancel != NULL) {
            link->config->resolver.cancel(&link->lookup, link->config->resolver.user);
        }
    }
}

static void close_socket(srl__redis_link *link)
{
    bool in_child = link->loop->process != srl__process_id();
    link->incarnation++;
    srl__redis_timer_cancel(link->loop, &link->step);
    srl__redis_timer_cancel(link->loop, &link->probe);
    srl__list_remove(&link->dirty);
    end_lookup(link);
    if (link->stream != NULL) {
        if (!in_child) {
            link->config->transport.close(link->stream, link->config->transport.user);
        }
        link->stream = NULL;
    }
    if (link->watch.fd >= 0) {
        if (link->watched) {
            link->loop->poller->ops->unwatch(link->loop->poller, &link->watch);
        }
        link->loop->sockets->close(link->watch.fd);
    }
    link->watch.fd = -1;
    link->watched = false;
    link->want_write = false;
    link->read_again = false;
    link->write_broken = false;
    link->protocol = 0;
    srl__resp_output_clear(&link->front);
}

/* The reader last: who calls may still look at a reply. */
static void clear_reader(srl__redis_link *link)
{
    srl__resp_reader_reset(&link->reader);
    srl__resp_reader_set_limits(&link->reader, &handshake_limits);
    link->paused = false;
}

void srl__redis_link_end(srl__redis_link *link)
{
    if (link->ended) {
        return;
    }
    close_socket(link);
    link->ended = true;
    link->state = SRL__LINK_CLOSED;
    srl__list_remove(&link->node);
    srl__list_append(&link->loop->dead, &link->dead);
}

void srl__redis_link_release(srl__redis_link *link)
{
    srl__resp_reader_free(&link->reader);
    srl__resp_output_free(&link->front);
    srl__resp_output_free(&link->out);
    srl__redis_config_unref(link->config);
}

static uint64_t random_below(srl__redis_link *link, uint64_t below)
{
    uint64_t n = 0;
    const srl_platform *platform = &link->loop->platform;
    if (below == 0 || platform->random(&n, sizeof(n), platform->user) != 0) {
        return below / 2;
    }
    return n % below;
}

static uint64_t backoff(srl__redis_link *link, int error)
{
    uint64_t ceiling = link->config->backoff_min;
    for (uint32_t i = 0; i < link->attempts && ceiling < link->config->backoff_max; i++) {
        ceiling *= 2;
    }
    ceiling = ceiling < link->config->backoff_max ? ceiling : link->config->backoff_max;
    uint64_t delay = random_below(link, ceiling + 1);
    /* who is refused for what he says does not say it more often */
    return error == SRL_ERR_REDIS_AUTH && delay < 1000 ? 1000 : delay;
}

static void explain(srl__redis_link *link, int error, const char *text)
{
    link->error = error;
    if (text != link->text) {
        snprintf(link->text, sizeof(link->text), "%s", text);
    }
}

static void pause_for(srl__redis_link *link, uint64_t delay_ms)
{
    link->state = SRL__LINK_PAUSE;
    srl__redis_timer_arm(link->loop, &link->step, delay_ms);
}

static bool may_try_next_address(const srl__redis_link *link, int error)
{
    return link->address_at + 1 < link->address_count &&
           (error == SRL_ERR_REDIS_CONNECT || error == SRL_ERR_TIMEOUT || error == SRL_ERR_SYSTEM);
}

static void attempt_failed(srl__redis_link *link, int error)
{
    uint32_t incarnation = link->incarnation;
    link->failures++;
    link->state = SRL__LINK_IDLE;
    uint64_t delay = backoff(link, error);
    link->attempts += link->attempts < 32 ? 1 : 0;
    if (!link->manual) {
        pause_for(link, delay);
    }
    if (incarnation == link->incarnation) {
        link->ops->failed(link, error);
    }
}

static void connection_lost(srl__redis_link *link, int error)
{
    if (link->loop->now_ms - link->ready_ms >= link->config->backoff_max) {
        link->attempts = 0;
    }
    uint64_t delay = backoff(link, error);
    link->attempts += link->attempts < 32 ? 1 : 0;
    link->state = SRL__LINK_IDLE;
    if (!link->manual) {
        pause_for(link, delay);
    }
    link->ops->lost(link, error);
}

void srl__redis_link_fail(srl__redis_link *link, int error, const char *text)
{
    uint8_t state = link->state;
    if (state <= SRL__LINK_PAUSE || state == SRL__LINK_CLOSED) {
        return;
    }
    explain(link, error, text);
    close_socket(link);
    if (state == SRL__LINK_READY) {
        connection_lost(link, error);
    } else if (state > SRL__LINK_RESOLVING && may_try_next_address(link, error)) {
        link->address_at++;
        clear_reader(link);
        try_address(link);
        return;
    } else {
        attempt_failed(link, error);
    }
    if (!link->ended && link->watch.fd < 0) {
        clear_reader(link);
    }
}

void srl__redis_link_restart(srl__redis_link *link)
{
    if (link->state == SRL__LINK_CLOSED) {
        return;
    }
    srl__redis_link_fail(link, SRL_ERR_REDIS_CONNECT, "reconnecting");
    if (link->state == SRL__LINK_PAUSE) {
        link->attempts = 0;
        srl__redis_timer_arm(link->loop, &link->step, 1);
    }
}

/* ---- addresses */

static void lookup_over(void *user)
{
    srl_redis_loop *loop = user;
    atomic_store(&loop->resolved, true);
    if (loop->notify != NULL) {
        loop->notify(loop->notify_user);
    } else {
        loop->poller->ops->wake(loop->poller);
    }
}

static void have_addresses(srl__redis_link *link)
{
    srl__redis_timer_cancel(link->loop, &link->step);
    link->address_at = 0;
    try_address(link);
}

void srl__redis_link_lookup_check(srl__redis_link *link)
{
    int error = SRL_OK;
    if (link->resolution == NULL ||
        !srl__resolver_done(link->resolution, link->addresses, SRL__LINK_ADDRESSES, &link->address_count, &error)) {
        return;
    }
    srl__resolver_end(link->resolution);
    link->resolution = NULL;
    if (error != SRL_OK) {
        srl__redis_link_fail(link, error, "the host name cannot be resolved");
    } else {
        have_addresses(link);
    }
}

int srl_redis_lookup_add(srl_redis_lookup *lookup, const char *address)
{
    srl__redis_link *link = lookup->link;
    if (!lookup->active) {
        return SRL_ERR_STATE;
    }
    if (link->address_count >= SRL__LINK_ADDRESSES) {
        return SRL_ERR_LIMIT;
    }
    if (!srl__address_parse(address, (uint16_t)link->config->port, &link->addresses[link->address_count])) {
        return SRL_ERR_INVALID;
    }
    link->address_count++;
    return SRL_OK;
}

/* Goes on in the next turn: it may be called inside `resolve`, and by a host outside of any call of ours. */
void srl_redis_lookup_finish(srl_redis_lookup *lookup, int error)
{
    srl__redis_link *link = lookup->link;
    if (!lookup->active) {
        return;
    }
    lookup->active = false;
    link->error = error != SRL_OK || link->address_count > 0 ? error : SRL_ERR_REDIS_RESOLVE;
    srl__redis_timer_arm(link->loop, &link->step, 1);
}

static void lookup_answered(srl__redis_link *link)
{
    if (link->error != SRL_OK) {
        srl__redis_link_fail(link, SRL_ERR_REDIS_RESOLVE, "the resolver has no address for the host");
    } else {
        have_addresses(link);
    }
}

static void ask_resolver(srl__redis_link *link, const char *host)
{
    srl__redis_config *config = link->config;
    int error;
    srl__redis_timer_arm(link->loop, &link->step, config->connect_timeout);
    if (config->has_resolver) {
        link->lookup.active = true;
        error = config->resolver.resolve(host, &link->lookup, config->resolver.user);
        if (error != SRL_OK) {
            link->lookup.active = false;
        }
    } else {
        error = srl__resolver_start(host, (uint16_t)config->port, lookup_over, link->loop, &link->resolution);
    }
    if (error != SRL_OK) {
        srl__redis_link_fail(link, SRL_ERR_REDIS_RESOLVE, "the lookup of the host name cannot begin");
    }
}

void srl__redis_link_start(srl__redis_link *link)
{
    const srl__redis_config *config = link->config;
    const char *host = config->host.data != NULL ? config->host.data : "127.0.0.1";
    if (link->state > SRL__LINK_PAUSE) {
        return;
    }
    clear_reader(link);
    srl__redis_timer_cancel(link->loop, &link->step);
    link->state = SRL__LINK_RESOLVING;
    link->address_count = 0;
    link->loading_since_ms = 0;
    if (config->path.data != NULL) {
        if (!srl__address_unix(config->path.data, &link->addresses[0])) {
            srl__redis_link_fail(link, SRL_ERR_REDIS_CONNECT, "the path of the Unix socket is too long");
            return;
        }
    } else if (!srl__address_parse(host, (uint16_t)config->port, &link->addresses[0])) {
        ask_resolver(link, host);
        return;
    }
    link->address_count = 1;
    have_addresses(link);
}

/* ---- one address */

static void try_address(srl__redis_link *link)
{
    const srl__redis_config *config = link->config;
    srl__socket_options options = {(uint32_t)config->keepalive, (uint32_t)config->user_timeout};
    const char *why = "";
    int fd = -1;
    link->state = SRL__LINK_CONNECTING;
    int result = link->loop->sockets->connect(&link->addresses[link->address_at], &options, &fd, &why);
    if (result < 0) {
        srl__redis_link_fail(link, result, why);
        return;
    }
    link->watch.fd = fd;
    link->plain = config->protocol == 2;
    srl__redis_timer_arm(link->loop, &link->step, config->connect_timeout);
    link->want_write = result > 0;
    if (srl__redis_link_watch(link) != SRL_OK) {
        srl__redis_link_fail(link, SRL_ERR_SYSTEM, "the socket cannot be watched");
    } else if (result == 0) {
        srl__redis_link_secure(link);
    }
}

void srl__redis_link_secure(srl__redis_link *link)
{
    const srl__redis_config *config = link->config;
    const srl_redis_transport *transport = &config->transport;
    if (!config->has_transport) {
        srl__redis_handshake_begin(link);
        return;
    }
    if (link->stream == NULL) {
        const char *host = config->path.data != NULL ? "" : config->host.data != NULL ? config->host.data : "127.0.0.1";
        link->state = SRL__LINK_SECURING;
        if (transport->connect(link->watch.fd, host, &link->stream, transport->user) != 0) {
            link->stream = NULL;
            srl__redis_link_fail(link, SRL_ERR_REDIS_CONNECT, "the transport refused the socket");
            return;
        }
    }
    int result = transport->handshake(link->stream, transport->user);
    if (result == 0) {
        srl__redis_handshake_begin(link);
    } else if (result == SRL_REDIS_AGAIN_READ || result == SRL_REDIS_AGAIN_WRITE) {
        link->want_write = result == SRL_REDIS_AGAIN_WRITE;
        (void)srl__redis_link_watch(link);
    } else {
        srl__redis_link_fail(link, SRL_ERR_REDIS_CONNECT, "the transport's handshake failed");
    }
}

void srl__redis_link_now_ready(srl__redis_link *link)
{
    srl__resp_limits limits = limits_of(link->config);
    srl__resp_reader_set_limits(&link->reader, &limits);
    srl__redis_timer_cancel(link->loop, &link->step);
    link->state = SRL__LINK_READY;
    link->ready_ms = link->loop->now_ms;
    link->last_read_ms = link->loop->now_ms;
    link->connects++;
    link->error = SRL_OK;
    link->text[0] = '\0';
    if (link->config->idle_probe > 0 && !link->manual) {
        srl__redis_timer_arm(link->loop, &link->probe, link->config->idle_probe);
    }
    uint32_t incarnation = link->incarnation;
    link->ops->ready(link);
    if (incarnation == link->incarnation) {
        srl__redis_link_queued(link);
    }
}

static void step_due(srl__redis_timer *timer)
{
    srl__redis_link *link = SRL__CONTAINER(timer, srl__redis_link, step);
    switch (link->state) {
    case SRL__LINK_PAUSE:
        srl__redis_link_start(link);
        break;
    case SRL__LINK_RESOLVING:
        if (link->resolution == NULL && !link->lookup.active) {
            lookup_answered(link);
        } else {
            srl__redis_link_fail(link, SRL_ERR_REDIS_RESOLVE, "the lookup of the host name timed out");
        }
        break;
    case SRL__LINK_CONNECTING:
    case SRL__LINK_SECURING:
        srl__redis_link_fail(link, SRL_ERR_TIMEOUT, "the connect timed out");
        break;
    case SRL__LINK_HANDSHAKE:
        srl__redis_link_fail(link, SRL_ERR_TIMEOUT, "the handshake timed out");
        break;
    case SRL__LINK_LOADING:
        srl__redis_handshake_ping(link);
        break;
    default:
        break;
    }
}

static void probe_due(srl__redis_timer *timer)
{
    srl__redis_link *link = SRL__CONTAINER(timer, srl__redis_link, probe);
    uint64_t interval = link->config->idle_probe;
    uint64_t silent = link->loop->now_ms - link->last_read_ms;
    if (link->state != SRL__LINK_READY) {
        return;
    }
    srl__redis_timer_arm(link->loop, &link->probe, silent >= interval ? interval : interval - silent);
    if (silent >= interval) {
        link->ops->probe(link);
    }
}
