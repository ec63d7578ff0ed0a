/* Sessions whose commands come by requests of their own: found by a secret id. */
#ifndef SRL__EMULATED_H
#define SRL__EMULATED_H

#include "engine/session.h"

/* SRL_OK, SRL_ERR_SYSTEM (no randomness), SRL_ERR_NOMEM, SRL_ERR_LIMIT. */
int srl__emulated_begin(srl_session *session);
void srl__emulated_end(srl_session *session);

#endif
