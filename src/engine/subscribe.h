/* Into a channel and out of it. */
#ifndef SRL__SUBSCRIBE_H
#define SRL__SUBSCRIBE_H

#include "engine/joining.h"
#include "protocol/codec.h"

/* What a command asks for: 0, or a reply code. *out is to be cleared in any case. */
uint32_t srl__subscribe_read(srl_session *session, const srl__command *command, srl__subscribe_wish *out);

/* Whether the session may try at all: 0, or a reply code. */
uint32_t srl__subscribe_check(srl_session *session, srl__slice channel);

/* Do it, permission given; the reply goes out in the call or later. This and the next three take over what the wish
 * owns. */
void srl__subscribe(srl_session *session, srl__slice channel, srl__subscribe_wish *wish);

/* The host wants the session in the channel: the client is told by a push. Nothing happens if it is in it already.
 * SRL_OK, or why it cannot be. */
int srl__subscribe_by_host(srl_session *session, srl__slice channel, srl__subscribe_wish *wish);

/* Likewise, while its connect reply is being made. */
void srl__subscribe_in_connect(srl_session *session, srl__slice channel, srl__subscribe_wish *wish);

/* Likewise, by a note; a client that cannot be put there for lack of memory has to come back. */
void srl__subscribe_by_server(srl_session *session, srl__slice channel, const srl_subscription *options);

/* Out of a room; with code 0 the client is not told. False if the session is not in it. */
bool srl__unsubscribe(srl_session *session, srl__room *room, uint32_t code);

/* Out of all of them, without telling the client. */
void srl__unsubscribe_all(srl_session *session);

/* Set when a subscription ends; 0: never. */
void srl__subscription_ends_in(srl_session *session, srl__terms *terms, uint64_t ttl_ms);
/* End those whose time has come. */
void srl__subscriptions_due(srl_session *session);

#endif
