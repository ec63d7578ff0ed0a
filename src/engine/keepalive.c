#include "engine/keepalive.h"

#include <streamrelay/codes.h>

#include "engine/relay.h"
#include "engine/subscribe.h"

static const srl__slice standard_text = {"", 0};

static uint64_t earlier(uint64_t due, uint64_t candidate)
{
    return candidate != 0 && candidate < due ? candidate : due;
}

void srl__keepalive_arm(srl_session *session)
{
    uint64_t due = earlier(SRL__TIMERS_NEVER, session->due_ms);

    if (session->state == SRL__SESSION_CONNECTED) {
        due = earlier(due, session->pong_by_ms);
        due = earlier(due, session->expires_ms);
        due = earlier(due, session->subs_due_ms);
    }
    if (due == SRL__TIMERS_NEVER) {
        srl__alarm_cancel(session->relay, &session->alarm);
    } else {
        srl__alarm_set(session->relay, &session->alarm, due);
    }
}

void srl__keepalive_opened(srl_session *session)
{
    session->due_ms = session->relay->now_ms + session->relay->settings.connect_timeout;
    srl__keepalive_arm(session);
}

/* The first ping comes after half to all of the interval, so that a crowd that came together is not pinged together. */
void srl__keepalive_connected(srl_session *session)
{
    uint64_t interval = session->relay->settings.ping_interval;
    uint32_t dice = 0;

    memcpy(&dice, session->client_id, sizeof(dice));
    session->due_ms = interval == 0 ? 0 : session->relay->now_ms + interval - dice % (interval / 2 + 1);
    srl__keepalive_arm(session);
}

void srl__keepalive_closing(srl_session *session)
{
    const srl_relay *relay = session->relay;

    session->due_ms =
        relay->shutting_down ? relay->shutdown_alarm.timer.due_ms : relay->now_ms + relay->settings.close_timeout;
    srl__keepalive_arm(session);
}

static void ping(srl_session *session)
{
    const srl__settings *settings = &session->relay->settings;
    uint64_t now = session->relay->now_ms;

    srl__session_codec(session)->push_ping(srl__session_encode(session));
    srl__session_send_encoded(session);
    session->due_ms = now + settings->ping_interval;
    session->pinged = 1;
    if (session->answers_pings && session->pong_by_ms == 0) {
        session->pong_by_ms = now + settings->pong_timeout;
    }
}

static void connected_due(srl_session *session)
{
    uint64_t now = session->relay->now_ms;

    if (session->expires_ms != 0 && session->expires_ms <= now) {
        srl__session_disconnect(session, SRL_DISCONNECT_EXPIRED, standard_text);
        return;
    }
    if (session->pong_by_ms != 0 && session->pong_by_ms <= now) {
        srl__session_disconnect(session, SRL_DISCONNECT_NO_PONG, standard_text);
        return;
    }
    if (session->subs_due_ms != 0 && session->subs_due_ms <= now) {
        srl__subscriptions_due(session);
    }
    if (!srl__session_is_open(session)) {
        return;
    }
    if (session->due_ms != 0 && session->due_ms <= now) {
        ping(session);
    }
    srl__keepalive_arm(session);
}

void srl__keepalive_due(srl_relay *relay, srl__alarm *alarm)
{
    srl_session *session = SRL__CONTAINER(alarm, srl_session, alarm);

    (void)relay;
    switch (session->state) {
    case SRL__SESSION_NEW:
        srl__session_disconnect(session, SRL_DISCONNECT_STALE, standard_text);
        break;
    case SRL__SESSION_CONNECTED:
        connected_due(session);
        break;
    case SRL__SESSION_CLOSING:
        srl__session_close_transport(session);
        break;
    default:
        break;
    }
}
