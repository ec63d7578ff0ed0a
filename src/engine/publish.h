/* Publishing, by clients and by the host. */
#ifndef SRL__PUBLISH_H
#define SRL__PUBLISH_H

#include "engine/session.h"

/* Whether the channel's clients have used up theirs. */
bool srl__publish_over_channel_rate(srl_relay *relay, srl__slice channel);

/* Whether the session has used up its publications for now; counts this one if not. */
bool srl__publish_over_rate(srl_session *session);

/* What is wrong with a payload for this channel, or with its key, or NULL. */
const char *srl__publish_fault(srl_session *session, srl__slice channel, srl__slice data, srl__slice key);

/* Do it, permission given; the reply goes out in the call or later. `key`: idempotency key of the client, or empty. */
void srl__publish(srl_session *session, const srl__reply_to *to, srl__slice data, srl__slice key);

/* The key as the broker gets it: those of different users, and of the host (who: NULL), do not meet. Written into
 * `out`, which is freed by the caller; SRL_OK or SRL_ERR_NOMEM. */
int srl__publish_key(srl_relay *relay, const srl_publication *who, srl__slice key, srl__buf *out);

#endif
