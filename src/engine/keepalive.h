/* A session's one timer: patience with a new one, pings and pongs, expiry, the end of flushing. */
#ifndef SRL__KEEPALIVE_H
#define SRL__KEEPALIVE_H

#include "engine/session.h"

/* Arm the timer for whatever the session's state makes come first. */
void srl__keepalive_arm(srl_session *session);

/* For a session that was just opened, was just accepted, has just begun to close. */
void srl__keepalive_opened(srl_session *session);
void srl__keepalive_connected(srl_session *session);
void srl__keepalive_closing(srl_session *session);

/* Bytes came in: the client lives. */
static inline void srl__keepalive_heard(srl_session *session)
{
    session->pong_by_ms = 0;
}

/* The alarm is due. */
void srl__keepalive_due(srl_relay *relay, srl__alarm *alarm);

#endif
