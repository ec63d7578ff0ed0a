/* What one relay tells all relays of its broker to do with a user's sessions; each does it when the note arrives, the
 * sender too. */
#ifndef SRL__NOTES_H
#define SRL__NOTES_H

#include "base/slice.h"
#include "broker/broker.h"

/* SRL_OK, SRL_ERR_UNAVAILABLE if the broker passes no notes, SRL_ERR_NOMEM, or the broker's answer. */
int srl__note_subscribe(srl_relay *relay, srl__slice user, srl__slice channel);
/* All sessions out of a channel. */
int srl__note_clear(srl_relay *relay, srl__slice channel, uint32_t code);
/* Of these two, an empty client stands for all sessions of the user; with one, an empty user for an anonymous one. */
int srl__note_unsubscribe(srl_relay *relay, srl__slice user, srl__slice client, srl__slice channel, uint32_t code);
int srl__note_disconnect(srl_relay *relay, srl__slice user, srl__slice client, uint32_t code, srl__slice reason);

/* From the broker. */
void srl__note_arrived(srl_relay *relay, srl__slice note);

#endif
