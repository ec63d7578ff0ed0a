/* Channels between two users. */
#ifndef SRL__DIRECT_H
#define SRL__DIRECT_H

#include "broker/broker.h"
#include "engine/session.h"

/* The two ids of a direct channel's name behind its prefix, as they are written there; false if it is not one. */
bool srl__direct_split(srl__slice name, srl__slice *one, srl__slice *other);

/* What an id that is written in a name means: `out` has room for written.len bytes. */
srl__slice srl__direct_unescape(srl__slice written, char *out);

/* Whether the name behind the prefix, in its canonical form, has this user as one of the two. */
bool srl__direct_names(srl__slice name, srl__slice user);

/* Both users of a direct channel are in it, wherever they are, once something is published. Those who were not before
 * begin at the publication: where it is kept they are told of its place when it has one; else they are called first,
 * and over a network may come too late for it. */

/* Before the broker is asked. */
int srl__direct_publishing(srl_relay *relay, srl__slice channel, int kind);
/* The broker has answered; needed where it waits. */
void srl__direct_published(srl_relay *relay, srl__slice channel, const srl_broker_result *result);
bool srl__direct_waits(const srl_relay *relay, srl__slice channel);

#endif
