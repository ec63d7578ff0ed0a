/* What one relay tells all relays of its broker to do with sessions; each does it when the note arrives, the
 * sender too. */
#ifndef SRL__NOTES_H
#define SRL__NOTES_H

#include <streamrelay/users.h>

#include "base/slice.h"
#include "broker/broker.h"

/* All sessions of a user. */
static inline srl_user_sessions srl__sessions_of(srl__slice user)
{
    return (srl_user_sessions){.size = sizeof(srl_user_sessions), .user = user.data, .user_len = user.len};
}

/* SRL_OK, SRL_ERR_UNAVAILABLE if the broker passes no notes, SRL_ERR_TOO_LARGE, SRL_ERR_NOMEM, or the broker's answer.
 * `which` has been checked; `options` may be NULL. */
int srl__note_subscribe(srl_relay *relay, const srl_user_sessions *which, srl__slice channel,
                        const srl_subscription *options);
/* All sessions of two users. */
int srl__note_summon(srl_relay *relay, srl__slice one, srl__slice other, srl__slice channel,
                     const srl_subscription *options);
int srl__note_unsubscribe(srl_relay *relay, const srl_user_sessions *which, srl__slice channel, uint32_t code);
/* All sessions out of a channel. */
int srl__note_clear(srl_relay *relay, srl__slice channel, uint32_t code);
int srl__note_disconnect(srl_relay *relay, const srl_user_sessions *which, uint32_t code, srl__slice reason);
int srl__note_refresh(srl_relay *relay, const srl_user_sessions *which, uint64_t ttl_ms);

/* From the broker. */
void srl__note_arrived(srl_relay *relay, srl__slice note);

#endif
