/* Channels between two users. */
#ifndef SRL__DIRECT_H
#define SRL__DIRECT_H

#include "engine/session.h"

/* The two ids of a direct channel's name behind its prefix, as they are written there; false if it is not one. */
bool srl__direct_split(srl__slice name, srl__slice *one, srl__slice *other);

/* What an id that is written in a name means: `out` has room for written.len bytes. */
srl__slice srl__direct_unescape(srl__slice written, char *out);

/* Whether the name behind the prefix, in its canonical form, has this user as one of the two. */
bool srl__direct_names(srl__slice name, srl__slice user);

/* If the channel is a direct one: have both users' sessions everywhere subscribed. */
int srl__direct_summon(srl_relay *relay, srl__slice channel);

#endif
