/*
 * rpc.h - methods that clients may call: who may call which, arguments, answers.
 *
 * The arguments of a method are a JSON object of strings (flat_json.h), of which it wants some of "channel", "user" and
 * "name". A call may be answered later: it lives until chat_call_answer() or one of the others ends it.
 */
#ifndef EXAMPLES_CHAT_RPC_H
#define EXAMPLES_CHAT_RPC_H

#include <streamrelay/streamrelay.h>

#include "flat_json.h"
#include "json_text.h"

#define CHAT_NAME_SIZE    65 /* with the zero */
#define CHAT_CHANNEL_SIZE 256

/* Codes of error replies beside the library's. */
#define CHAT_NOT_FOUND 404
#define CHAT_EXISTS    409

/* What a method wants of the arguments, and of the caller. */
#define CHAT_WANTS_CHANNEL  1u
#define CHAT_WANTS_USER     2u
#define CHAT_WANTS_NAME     4u
#define CHAT_FOR_MEMBERS    8u /* of the group that "channel" names */
#define CHAT_FOR_MODERATORS 16u

typedef struct chat_rooms {
    srl_relay *relay;
    srl_permissions *permissions;
} chat_rooms;

typedef struct chat_method chat_method;

typedef struct chat_call {
    const chat_rooms *rooms;
    const chat_method *method;
    srl_request *request;
    int step; /* the method's own */
    char caller[CHAT_NAME_SIZE];
    char channel[CHAT_CHANNEL_SIZE];
    char user[CHAT_NAME_SIZE];
    char name[CHAT_NAME_SIZE];
} chat_call;

struct chat_method {
    const char *name;
    unsigned wants;
    void (*run)(chat_call *call);
};

/** Whether this can be the name of a user or a group: 1 to 64 bytes without control characters. */
int chat_name_is_valid(const char *name, size_t len);

/** Find the method that a request asks for, check what it wants, run it. */
void chat_rpc(const chat_rooms *rooms, const chat_method *methods, size_t count, srl_request *request);

/** Answer with JSON; with {} if it is NULL. These three end the call. */
void chat_call_answer(chat_call *call, const json_text *json);
void chat_call_refuse(chat_call *call, uint32_t code, const char *text);
void chat_call_fail(chat_call *call, int error);

/** For a library call that was to go on with this one: if it returned an error, the call ends here. */
void chat_call_went_on(chat_call *call, int error);

#endif
