/* From a room to its members. What a room has for them is gathered during a turn. When the turn ends and only one room
 * has something, each member that waits for nothing else is handed the room's frames as they are: one write, nothing
 * queued, nothing counted. Otherwise the frames go through the members' queues, so that a session gets one write. */
#ifndef SRL__FANOUT_H
#define SRL__FANOUT_H

#include "base/list.h"
#include "protocol/frame.h"

typedef struct srl__room srl__room;

/* The frames that a room has gathered. */
typedef struct srl__gathered {
    srl__list link; /* in the relay's list of rooms that have some */
    srl_frame **frames;
    uint32_t count;
    uint32_t capacity;
} srl__gathered;

/* A pass over the members of a room that is under way. */
typedef struct srl__pass {
    srl__room *room; /* NULL: none */
    srl_session **members;
    uint32_t next;
    uint32_t count;
    srl_frame **frames;
    uint32_t frame_count;
    srl_session *writing; /* whose write is being called */
    bool writable;        /* srl_session_writable() came inside it */
} srl__pass;

/* The copy of a room's members that a pass works on; kept from turn to turn. */
typedef struct srl__snapshot {
    srl_session **members;
    uint32_t capacity;
} srl__snapshot;

void srl__gathered_init(srl__gathered *gathered);

/* For every member, when the turn ends. Takes a reference of its own; false when out of memory. */
bool srl__fanout_add(srl__room *room, srl_frame *frame);

/* Put what was gathered into the queues of those who are members now, because that is about to change. */
void srl__fanout_flush(srl__room *room);

/* The end of the turn: hand out what all rooms have gathered. */
void srl__fanout_turn(srl_relay *relay);

void srl__snapshot_free(srl_relay *relay);

#endif
