/* From the host's yes to the connect reply. What the host subscribes the session to in the same breath is told in that
 * reply, so that it has to wait until the broker has answered for each channel; what comes for the session meanwhile
 * is held behind it. */
#ifndef SRL__CONNECTING_H
#define SRL__CONNECTING_H

#include "engine/session.h"
#include "engine/terms.h"

/* A channel that the host subscribes a session to as it connects. */
typedef struct srl__server_sub {
    struct srl__server_sub *next;
    srl__subscribe_wish wish;
    uint32_t channel_len;
    char channel[];
} srl__server_sub;

/* SRL_OK, SRL_ERR_INVALID, SRL_ERR_EXISTS, SRL_ERR_LIMIT, or what the options are refused for. */
int srl__server_sub_add(srl_relay *relay, srl__server_sub **list, srl__slice channel, const srl_subscription *options);
void srl__server_subs_free(srl_relay *relay, srl__server_sub **list);

/* What the host has said; texts are the caller's. */
typedef struct srl__acceptance {
    srl__slice user_id;
    srl__slice info;
    srl__slice data;
    uint64_t ttl_ms;
    bool refreshed_by_host;
    srl__server_sub *subs; /* in order; what their wishes own is taken over */
    srl__slice held;       /* positions in them, as the client's command had them */
} srl__acceptance;

/* Accept a connect; `to` names the command. */
void srl__session_accept(srl_session *session, const srl__reply_to *to, const srl__acceptance *acceptance);

/* One of the channels: what is told of it; it is settled; it cannot be had, for which the session ends. */
void srl__connecting_add(srl_session *session, srl__slice channel, const srl__subscribe_reply *reply);
void srl__connecting_done(srl_session *session);
void srl__connecting_failed(srl_session *session, uint32_t code);

/* What there is of the reply by now. */
uint64_t srl__connecting_bytes(const srl_session *session);

/* The session ends first. */
void srl__connecting_cancel(srl_session *session);

#endif
