/* Groups, direct messages and moderation: the methods that clients may call, see rpc.h. */
#ifndef EXAMPLES_CHAT_ROOMS_H
#define EXAMPLES_CHAT_ROOMS_H

#include "rpc.h"

/** Answer an rpc request. `rooms` stays as long as the relay. */
void chat_rooms_rpc(const chat_rooms *rooms, srl_request *request);

#endif
