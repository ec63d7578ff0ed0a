#include "engine/call.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "engine/relay.h"

static void answered(srl_operation *operation, const srl_broker_result *result)
{
    srl__call *call = SRL__CONTAINER(operation, srl__call, operation);
    srl_relay *relay = call->relay;

    srl__relay_enter(relay); /* the broker may answer from a loop of its own */
    srl__list_remove(&call->link);
    call->finish(call, result);
    srl__relay_leave(relay);
}

static void unheeded(srl_operation *operation, const srl_broker_result *result)
{
    (void)operation;
    (void)result;
}

void srl__call_begin(srl_relay *relay, srl__call *call,
                     void (*finish)(srl__call *call, const srl_broker_result *result))
{
    call->operation.done = answered;
    call->relay = relay;
    call->finish = finish;
    srl__list_append(&relay->calls, &call->link);
}

void srl__call_abandon(srl__call *call)
{
    srl__list_remove(&call->link);
}

void srl__calls_cancel(srl_relay *relay)
{
    srl_broker_result cancelled = {.size = sizeof(cancelled), .error = SRL_ERR_CANCELLED, .epoch = ""};
    srl__list *link = NULL;

    while ((link = srl__list_take_first(&relay->calls)) != NULL) {
        srl__call *call = SRL__CONTAINER(link, srl__call, link);

        call->finish(call, &cancelled);
    }
}

srl_operation *srl__call_unheeded(void)
{
    static srl_operation operation = {unheeded};

    return &operation;
}

uint32_t srl__reply_code_of(int error)
{
    switch (error) {
    case SRL_ERR_UNRECOVERABLE:
        return SRL_REPLY_UNRECOVERABLE;
    case SRL_ERR_UNAVAILABLE:
        return SRL_REPLY_NOT_AVAILABLE;
    case SRL_ERR_DENIED:
        return SRL_REPLY_PERMISSION_DENIED;
    case SRL_ERR_LIMIT:
        return SRL_REPLY_TOO_MANY_REQUESTS;
    case SRL_ERR_TOO_LARGE:
    case SRL_ERR_JSON:
    case SRL_ERR_INVALID:
        return SRL_REPLY_BAD_REQUEST;
    default:
        return SRL_REPLY_INTERNAL;
    }
}
