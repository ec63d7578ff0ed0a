/* Comparing a room's position with the broker's now and then: what a broker may lose on the way is noticed. */
#ifndef SRL__ROOM_CHECK_H
#define SRL__ROOM_CHECK_H

#include "engine/rooms.h"

/* Have the next check come when it is due. */
void srl__room_plan_check(srl__room *room);

void srl__room_check_position(srl__room *room);

#endif
