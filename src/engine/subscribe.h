/* Into a channel and out of it. */
#ifndef SRL__SUBSCRIBE_H
#define SRL__SUBSCRIBE_H

#include "engine/joining.h"
#include "protocol/codec.h"

/* What a subscribe command asks for. */
typedef struct srl__subscribe_wish {
    uint64_t id;
    bool recover;
    bool has_offset;
    srl__position since;
} srl__subscribe_wish;

/* An epoch too long to be one of ours becomes one that never matches. */
void srl__subscribe_wish_of(const srl__command *command, srl__subscribe_wish *out);

/* Whether the session may try at all: 0, or a reply code. */
uint32_t srl__subscribe_check(srl_session *session, srl__slice channel);

/* Do it, permission given; the reply goes out in the call or later. */
void srl__subscribe(srl_session *session, srl__slice channel, const srl__subscribe_wish *wish);

/* The host wants the session in the channel: the client is told by a push. Nothing happens if it is in it already, or
 * cannot be. */
void srl__subscribe_by_server(srl_session *session, srl__slice channel);

/* Out of a room; with code 0 the client is not told. False if the session is not in it. */
bool srl__unsubscribe(srl_session *session, srl__room *room, uint32_t code);

/* Out of all of them, without telling the client. */
void srl__unsubscribe_all(srl_session *session);

#endif
