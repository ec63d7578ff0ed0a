/* What each command does. */
#ifndef SRL__COMMAND_H
#define SRL__COMMAND_H

#include "engine/session.h"

/* Decode one command and begin it. Whatever is wrong with it is answered to the client. False: it has to wait until a
 * subscription to its channel is made (session->awaits_joining), and is to be executed again. */
bool srl__command_execute(srl_session *session, srl__slice line);

/* Likewise a connect, from its parameters alone; for a format that has that. */
void srl__command_connect(srl_session *session, srl__slice params);

#endif
