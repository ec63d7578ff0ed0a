/* A subscription being made: from the command until its session is a member of the room. Live publications that come
 * meanwhile are kept, so that history, what was kept and what comes live follow each other without gap or repeat. */
#ifndef SRL__JOINING_H
#define SRL__JOINING_H

#include "engine/delivery.h"
#include "engine/terms.h"

struct srl__joining {
    srl__call call;       /* the question to the broker that is under way */
    srl__list link;       /* in the room's joinings */
    srl_session *session; /* NULL: given up while the broker is being asked */
    srl__room *room;      /* likewise not to be used then */
    srl_relay *relay;
    srl__subscribe_wish wish;
    srl__terms *terms; /* what it will be subscribed with, or NULL */
    srl__position since;
    bool recover;
    bool resume;        /* from where the user last was, for the client named no position */
    bool cache;         /* only the newest publication is wanted */
    bool by_server;     /* the host asked for it: no reply but a push, and no question of membership */
    bool in_connect;    /* likewise, and it is told in the connect reply */
    bool asking;        /* the call is under way */
    bool reading;       /* it reads history: live publications have to be kept */
    bool is_member;     /* or membership does not matter here */
    bool knows_seen;    /* or the channel keeps no positions */
    srl__position seen; /* where the user is, as the broker has it */
    srl__epoch asked;   /* the room's when history was asked for */
    uint8_t attempts;   /* at reading what was missed */
    bool ahead;         /* the client has what the room has not heard yet: it waits for that */
    bool spoiled;       /* a live publication could not be kept, or the room's positions started anew */
    srl_frame **kept;   /* consecutive live publications; NULL for those that its filter keeps out */
    uint32_t kept_count;
    uint32_t kept_capacity;
    uint64_t kept_from; /* offset of the first */
    size_t kept_bytes;
};

/* Begin for a session that has an entry for the room in its table and a place reserved in the room. The reply comes
 * within the call or later. Takes over what the wish owns, unless it is NULL: out of memory. */
srl__joining *srl__joining_create(srl_session *session, srl__room *room, srl__subscribe_wish *wish);
void srl__joining_proceed(srl__joining *joining);

/* Give up, because the session leaves. */
void srl__joining_cancel(srl__joining *joining);
/* Give up, telling the client why; the session's entry for the room and the roles that came with it go too. */
void srl__joining_refuse(srl__joining *joining, uint32_t code);

/* Of a room: the broker has opened it, or has not; a live publication; a break in the positions. */
void srl__joinings_proceed(srl__room *room);
void srl__joinings_fail(srl__room *room, uint32_t code);
void srl__joinings_keep(srl__room *room, srl__delivery *delivery);
void srl__joinings_spoil(srl__room *room);
/* The room has come further: those go on that were ahead of it. */
void srl__joinings_advance(srl__room *room);

#endif
