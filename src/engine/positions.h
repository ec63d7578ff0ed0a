/* How far users have come in channels: kept by the broker, moved by the client's ack or by delivery. */
#ifndef SRL__POSITIONS_H
#define SRL__POSITIONS_H

#include "engine/call.h"
#include "engine/rooms.h"
#include "protocol/codec.h"

/* A session is about to leave a room: where its channel moves positions by delivery, keep how far it was served. */
void srl__position_delivered(srl_session *session, srl__room *room);

/* The client's ack: the reply goes out in the call or later. */
void srl__position_ack(srl_session *session, const srl__reply_to *to, uint64_t offset, srl__slice epoch);

/* A question for what a user has not seen. The one who asks embeds it, with a copy of the channel's name behind. */
typedef struct srl__unread {
    srl__call call;
    srl_relay *relay;
    srl__slice channel;
    bool members_only; /* asked by a client from outside of a group: its user must be a member, and outlive this */
    srl__slice user;
    uint64_t offset; /* of the user's position */
    srl__epoch epoch;
    void (*done)(struct srl__unread *question, int error, uint64_t unread);
} srl__unread;

/* SRL_OK: `done` is called, in the call or later. Otherwise it is not. */
int srl__unread_ask(srl__unread *question, srl__slice user);

/* How many publications are behind a position of this epoch, with the channel at `top` of that one. */
uint64_t srl__unread_behind(const srl_relay *relay, uint64_t offset, const srl__epoch *of, uint64_t top,
                            srl__slice epoch);

#endif
