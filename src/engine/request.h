/* Questions to the host. */
#ifndef SRL__REQUEST_H
#define SRL__REQUEST_H

#include <streamrelay/request.h>

#include "engine/session.h"
#include "engine/subscribe.h"

typedef void (*srl__hook)(srl_request *request, void *user);

/* Ask the host about a command of a session that has no other request. The answer may come before this returns. */
void srl__request_ask(srl_session *session, srl__hook hook, int kind, const srl__command *command);
/* With what a subscription is to be like; takes over what the wish owns. */
void srl__request_ask_with(srl_session *session, srl__hook hook, int kind, const srl__command *command,
                           srl__subscribe_wish *wish);

/* The session has ended: nobody waits for its request any more. */
void srl__request_cancel(srl_session *session);

#endif
