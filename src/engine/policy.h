/* What a session may do in a channel: the relay's policy, the channel's options, and what kind of room it is. */
#ifndef SRL__POLICY_H
#define SRL__POLICY_H

#include <streamrelay/permissions.h>

#include "engine/session.h"

/* A role that the host gave a session, everywhere or (channel_len > 0) in one channel. */
typedef struct srl__grant {
    struct srl__grant *next;
    uint32_t role_len;
    uint32_t channel_len;
    char text[]; /* role, channel */
} srl__grant;

/* SRL_OK or SRL_ERR_NOMEM. */
int srl__policy_grant(srl_session *session, srl__slice role, srl__slice channel);
/* Take back what was granted for one channel; with an empty one: everything. */
void srl__policy_revoke(srl_session *session, srl__slice channel);

/* What options and rules say of a channel as a whole. */
typedef struct srl__channel_traits {
    bool presence;
    uint8_t join_leave;
    uint64_t max_subscribers;
} srl__channel_traits;

srl__channel_traits srl__policy_traits(srl_relay *relay, srl__slice channel);

/* SRL_PERM_ bits by policy, or by the channel's options where there is no policy. */
uint32_t srl__policy_permitted(srl_session *session, srl__slice channel);

/* Whether the channel, a personal or direct one, is named after its user. */
bool srl__policy_is_namesake(srl_session *session, srl__slice channel);

/* Whether the session may do something in the channel. Where a hook decides about it, options do not count; a policy
 * and the kind of room always do. */
bool srl__policy_permits(srl_session *session, srl__slice channel, uint32_t permission, bool has_hook);

/* The policy or a namespace has changed: check live subscriptions when the turn ends. */
void srl__policy_recheck_later(srl_relay *relay);
void srl__policy_recheck(srl_relay *relay);

/* Give the relay's policy back. */
void srl__policy_release(srl_relay *relay);

#endif
