/* Bytes from the transport, cut into commands and worked on in order; what has to wait is kept. */
#ifndef SRL__INPUT_H
#define SRL__INPUT_H

#include "engine/session.h"

/* SRL_OK, or SRL_ERR_NOMEM with nothing of it taken. Bad input ends the session, which is no error here. */
int srl__input_receive(srl_session *session, srl__slice message);

/* Have waiting commands go on when the turn ends. */
void srl__input_resume_later(srl_session *session);

/* Let waiting commands go on, if they may. */
void srl__input_resume(srl_session *session);

void srl__input_free(srl_session *session);

#endif
