/* What a publication by the host has beside its payload. */
#ifndef SRL__HOST_PUBLISH_H
#define SRL__HOST_PUBLISH_H

#include "engine/terms.h"

typedef struct srl__publish_extras {
    int kind; /* an srl_message_kind */
    srl__owned tags;
    srl__buf key; /* as the broker gets it */
} srl__publish_extras;

/* Without options: none. SRL_OK, SRL_ERR_INVALID, SRL_ERR_JSON, SRL_ERR_TOO_LARGE, SRL_ERR_NOMEM; *out is to be cleared
 * in any case. */
int srl__publish_extras_read(srl_relay *relay, const srl_publish_options *options, srl__publish_extras *out);
void srl__publish_extras_clear(srl_relay *relay, srl__publish_extras *extras);

#endif
