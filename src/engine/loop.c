/* The relay in the host's loop. */
#include <limits.h>

#include <streamrelay/error.h>

#include "engine/posts.h"
#include "engine/relay.h"
#include "engine/session.h"
#include "io/sleep.h"

int srl_relay_fd(const srl_relay *relay)
{
    return relay->poller->ops->fd(relay->poller);
}

static bool broker_due(srl_relay *relay)
{
    return atomic_exchange(&relay->broker_woken, false) || relay->broker_has_more;
}

static void run_broker(srl_relay *relay)
{
    if (relay->link != NULL && broker_due(relay)) {
        relay->broker_has_more =
            srl__broker_ops_of(relay->broker)->process(relay->link, (uint32_t)relay->settings.work_budget) > 0;
    }
}

void srl__loop_broker_due(srl_relay *relay, srl__alarm *alarm)
{
    (void)alarm;
    relay->broker_has_more = true;
    run_broker(relay);
}

/* The grace of a shutdown is over. */
void srl__loop_shutdown_due(srl_relay *relay, srl__alarm *alarm)
{
    srl__list *next = NULL;

    (void)alarm;
    for (srl__list *link = relay->sessions.next; link != &relay->sessions; link = next) {
        srl_session *session = SRL__CONTAINER(link, srl_session, link);

        next = link->next;
        srl__session_doom(session, session->code);
    }
}

/* True if more timers are due than one turn handles. */
static bool run_timers(srl_relay *relay)
{
    srl__timers_advance(&relay->timers, relay->now_ms);
    for (uint64_t i = 0; i < relay->settings.work_budget; i++) {
        srl__timer *timer = relay->destroyed ? NULL : srl__timers_take_due(&relay->timers);

        if (timer == NULL) {
            return false;
        }
        SRL__CONTAINER(timer, srl__alarm, timer)->due(relay, SRL__CONTAINER(timer, srl__alarm, timer));
    }
    return true;
}

/* One turn; > 0 if more waits, < 0 if the poller failed. What the broker's sockets bring is part of it. */
static int turn(srl_relay *relay)
{
    int polled = 0;
    bool more = false;

    srl__relay_enter(relay);
    polled = relay->poller->ops->poll(relay->poller, 0, (unsigned)relay->settings.work_budget);
    if (polled < 0) {
        srl__relay_leave(relay);
        return SRL_ERR_POLLER;
    }
    if (polled & SRL__POLLED_DEADLINE) {
        relay->armed_ms = SRL__TIMERS_NEVER;
    }
    run_broker(relay);
    more = srl__posts_run(relay, (uint32_t)relay->settings.work_budget);
    more = run_timers(relay) || more;
    more = more || relay->broker_has_more || (polled & SRL__POLLED_MORE) != 0;
    if (more && !relay->destroyed) {
        relay->poller->ops->wake(relay->poller);
    }
    if (relay->depth == 1) {
        srl__relay_go_round(relay);
        more = more || srl__relay_has_work(relay);
    }
    more = more && !relay->destroyed;
    srl__relay_leave(relay);
    return more;
}

int srl_relay_process(srl_relay *relay)
{
    return turn(relay);
}

int32_t srl_relay_next_timeout_ms(srl_relay *relay)
{
    uint64_t next = srl__timers_next_ms(&relay->timers);
    uint64_t now = relay->platform.monotonic_ms(relay->platform.user);

    if (relay->broker_has_more || atomic_load(&relay->broker_woken) || srl__posts_wait(relay) ||
        next <= now || srl__relay_has_work(relay)) {
        return 0;
    }
    if (next == SRL__TIMERS_NEVER) {
        return -1;
    }
    return next - now > INT32_MAX ? INT32_MAX : (int32_t)(next - now);
}

int srl_relay_run(srl_relay *relay)
{
    int result = SRL_OK;

    if (relay->depth > 0 || relay->destroyed) {
        return SRL_ERR_STATE;
    }
    relay->handles++; /* it may be destroyed meanwhile, but stays in memory */
    relay->stopped = relay->shut_down;
    while (!relay->stopped && result >= 0) {
        result = turn(relay);
        if (result == 0 && !relay->stopped) {
            srl__wait_readable(srl_relay_fd(relay));
        }
    }
    srl__relay_enter(relay);
    srl__relay_drop_handle(relay);
    srl__relay_leave(relay);
    return result < 0 ? result : SRL_OK;
}

void srl_relay_stop(srl_relay *relay)
{
    relay->stopped = true;
}

void srl_relay_cork(srl_relay *relay)
{
    srl__relay_enter(relay);
}

void srl_relay_uncork(srl_relay *relay)
{
    if (relay->depth > 0) {
        srl__relay_leave(relay);
    }
}
