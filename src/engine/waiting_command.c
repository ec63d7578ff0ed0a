#include "engine/waiting_command.h"

#include <streamrelay/codes.h>

#include "engine/relay.h"

srl__waiting_command *srl__waiting_command_begin(srl_session *session, const srl__reply_to *to,
                                                 void (*finish)(srl__call *call, const srl_broker_result *result))
{
    srl_relay *relay = session->relay;
    srl__waiting_command *command = srl__alloc(&relay->alloc, sizeof(*command) + to->channel.len);

    if (command == NULL) {
        srl__session_reply_error(session, to, SRL_REPLY_INTERNAL, srl__slice_of("", 0));
        return NULL;
    }
    command->session = session;
    command->to = *to;
    memcpy(command->channel, to->channel.data, to->channel.len);
    command->to.channel = srl__slice_of(command->channel, to->channel.len);
    srl__session_pin(session);
    srl__call_begin(relay, &command->call, finish);
    return command;
}

void srl__waiting_command_free(srl__waiting_command *command)
{
    srl_session *session = command->session;

    srl__free(&session->relay->alloc, command, sizeof(*command) + command->to.channel.len);
    srl__session_unpin(session);
}

void srl__waiting_command_fail(srl__waiting_command *command, int error)
{
    srl__session_reply_error(command->session, &command->to, srl__reply_code_of(error), srl__slice_of("", 0));
    srl__waiting_command_free(command);
}

void srl__waiting_command_refuse(srl__waiting_command *command, int error)
{
    srl__call_abandon(&command->call);
    srl__waiting_command_fail(command, error);
}
