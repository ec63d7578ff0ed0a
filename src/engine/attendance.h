/* A session's presence in a channel where others are told of it: from its subscription on until the broker has taken
 * it out again. */
#ifndef SRL__ATTENDANCE_H
#define SRL__ATTENDANCE_H

#include "engine/rooms.h"

/* For a subscription that has just gone live. Does nothing where the channel neither keeps presence nor tells of
 * joins. */
void srl__attendance_begin(srl_session *session, srl__room *room);

/* Ask the broker again about those that it could not count; the relay's alarm for that. */
void srl__attendance_retry(srl_relay *relay, srl__alarm *alarm);

/* What the session or its subscription shows to others has changed. NULL is allowed. */
void srl__attendance_renew(srl__attendance *attendance);

/* The subscription has ended. NULL is allowed. */
void srl__attendance_end(srl__attendance *attendance);

#endif
