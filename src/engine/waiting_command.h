/* A client's command that waits for the broker. */
#ifndef SRL__WAITING_COMMAND_H
#define SRL__WAITING_COMMAND_H

#include "engine/call.h"
#include "engine/session.h"

typedef struct srl__waiting_command {
    srl__call call;
    srl_session *session; /* pinned */
    srl__reply_to to;     /* its channel is the copy below */
    char channel[];
} srl__waiting_command;

/* Begun, as a call with this finish; NULL when out of memory (the client has been told then). */
srl__waiting_command *srl__waiting_command_begin(srl_session *session, const srl__reply_to *to,
                                                 void (*finish)(srl__call *call, const srl_broker_result *result));

/* The broker did not take it, or its answer is an error: tell the client and free the command. */
void srl__waiting_command_refuse(srl__waiting_command *command, int error);
void srl__waiting_command_fail(srl__waiting_command *command, int error);

void srl__waiting_command_free(srl__waiting_command *command);

#endif
