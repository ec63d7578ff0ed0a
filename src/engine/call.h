/* Operations that wait for the broker. Each is in the relay's list from the moment it is given to the broker until it
 * is answered, so that nothing is forgotten when the relay ends first. */
#ifndef SRL__CALL_H
#define SRL__CALL_H

#include "base/list.h"
#include "broker/broker.h"

typedef struct srl__call srl__call;

struct srl__call {
    srl_operation operation;
    srl__list link;
    srl_relay *relay;
    void (*finish)(srl__call *call, const srl_broker_result *result);
};

/* Ready to be given to the broker, as &call->operation. `finish` is called once: with the answer or, when the relay
 * ends, with SRL_ERR_CANCELLED. The call is out of the list by then, and finish owns its memory. */
void srl__call_begin(srl_relay *relay, srl__call *call,
                     void (*finish)(srl__call *call, const srl_broker_result *result));

/* The broker did not take it: out of the list, without finish. */
void srl__call_abandon(srl__call *call);

/* Finish all that wait with SRL_ERR_CANCELLED. */
void srl__calls_cancel(srl_relay *relay);

/* An operation whose answer nobody needs; shared by all that use it. */
srl_operation *srl__call_unheeded(void);

/* The reply code that tells a client of an error of the broker. */
uint32_t srl__reply_code_of(int error);

#endif
