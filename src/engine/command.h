/* What each command does. */
#ifndef SRL__COMMAND_H
#define SRL__COMMAND_H

#include "engine/session.h"

/* Decode one command and begin it. Whatever is wrong with it is answered to the client. */
void srl__command_execute(srl_session *session, srl__slice line);

#endif
