/*
 * error.h - the codes that functions return to the host.
 *
 * What clients are told is another list: see codes.h.
 *
 * Each line of SRL_ERROR_MAP is X(name, number, fatal, retriable, text).
 * "fatal": the handle can only be freed. "retriable": the same call may succeed
 * later without any change by the caller. Numbers never change; new ones may be
 * added by any version, so treat an unknown negative number as a failure.
 */
#ifndef STREAMRELAY_ERROR_H
#define STREAMRELAY_ERROR_H

#include <streamrelay/api.h>

SRL_BEGIN_DECLS

#define SRL_ERROR_MAP(X)                                                                                               \
    X(SRL_OK, 0, 0, 0, "no error")                                                                                     \
    X(SRL_ERR_INVALID, -101, 0, 0, "invalid argument")                                                                 \
    X(SRL_ERR_OPTION_UNKNOWN, -102, 0, 0, "no option of that name")                                                    \
    X(SRL_ERR_OPTION_VALUE, -103, 0, 0, "value not allowed for this option")                                           \
    X(SRL_ERR_STATE, -104, 0, 0, "not allowed in this state")                                                          \
    X(SRL_ERR_NOT_FOUND, -105, 0, 0, "not found")                                                                      \
    X(SRL_ERR_EXISTS, -106, 0, 0, "exists already")                                                                    \
    X(SRL_ERR_LIMIT, -107, 0, 0, "a limit is reached")                                                                 \
    X(SRL_ERR_TOO_LARGE, -108, 0, 0, "larger than the limit")                                                          \
    X(SRL_ERR_CLOSED, -109, 0, 0, "closed already")                                                                    \
    X(SRL_ERR_CANCELLED, -110, 0, 0, "cancelled: nobody waits for the answer any more")                                \
    X(SRL_ERR_JSON, -111, 0, 0, "not valid JSON")                                                                      \
    X(SRL_ERR_UTF8, -112, 0, 0, "not valid UTF-8")                                                                     \
    X(SRL_ERR_DENIED, -113, 0, 0, "permission denied")                                                                 \
    X(SRL_ERR_UNAVAILABLE, -114, 0, 0, "not switched on for this channel")                                             \
    X(SRL_ERR_UNRECOVERABLE, -115, 0, 0, "the position is of another epoch")                                           \
    X(SRL_ERR_TYPE, -116, 0, 0, "a value of another type")                                                             \
    X(SRL_ERR_TOKEN_EXPIRED, -117, 0, 0, "the token has expired")                                                      \
    X(SRL_ERR_TOKEN_INVALID, -118, 0, 0, "not a valid token")                                                          \
    X(SRL_ERR_SYSTEM, -201, 0, 0, "a system call failed")                                                              \
    X(SRL_ERR_TIMEOUT, -202, 0, 1, "timed out")                                                                        \
    X(SRL_ERR_BROKER_DOWN, -301, 0, 1, "the broker cannot be reached")                                                 \
    X(SRL_ERR_OUTCOME_UNKNOWN, -302, 0, 0, "sent, but whether it took effect is not known")                            \
    X(SRL_ERR_PROTOCOL, -303, 0, 0, "the server broke its protocol")                                                   \
    X(SRL_ERR_REDIS, -401, 0, 0, "the Redis server answered with an error")                                            \
    X(SRL_ERR_REDIS_URL, -402, 0, 0, "not a valid Redis URL")                                                          \
    X(SRL_ERR_REDIS_RESOLVE, -403, 0, 1, "the host name of the Redis server cannot be resolved")                       \
    X(SRL_ERR_REDIS_CONNECT, -404, 0, 1, "no connection to the Redis server")                                          \
    X(SRL_ERR_REDIS_AUTH, -405, 0, 0, "the Redis server refused user or password")                                     \
    X(SRL_ERR_REDIS_REFUSED, -406, 0, 1, "the Redis server refused the connection")                                    \
    X(SRL_ERR_REDIS_LOADING, -407, 0, 1, "the Redis server is not ready yet")                                          \
    X(SRL_ERR_REDIS_TRANSPORT, -408, 0, 0, "rediss:// needs a transport, and none is given")                           \
    X(SRL_ERR_NOMEM, -901, 0, 1, "out of memory")                                                                      \
    X(SRL_ERR_POLLER, -902, 1, 0, "the poller failed")

/** Every code by its name. */
typedef enum srl_error {
#define SRL_ERROR_ENUM(name, number, fatal, retriable, text) name = (number),
    SRL_ERROR_MAP(SRL_ERROR_ENUM)
#undef SRL_ERROR_ENUM
} srl_error;

/** What a code means, in English; "unknown error" for a number that is not in the list. Never NULL. */
SRL_API const char *srl_error_text(int error);

/** The name of a code, like "SRL_ERR_NOMEM"; "SRL_ERR_?" for a number that is not in the list. */
SRL_API const char *srl_error_name(int error);

/** 1 if the handle that returned this code can only be freed, else 0. */
SRL_API int srl_error_is_fatal(int error);

/** 1 if the same call may succeed later, else 0. */
SRL_API int srl_error_is_retriable(int error);

SRL_END_DECLS

#endif
