/*
 * codes.h - what clients are told: error replies, disconnects, unsubscribes.
 *
 * The numbers and their meaning for reconnecting are those of Centrifugo's client protocol (its documentation,
 * "server codes"), so that one list serves every wire format. Applications use 400-1999 for their own error
 * replies and 4000-4999 for their own disconnects.
 */
#ifndef STREAMRELAY_CODES_H
#define STREAMRELAY_CODES_H

#include <streamrelay/api.h>

SRL_BEGIN_DECLS

/** Codes of error replies: X(name, number, temporary, text). A temporary error may be retried by the client. */
#define SRL_REPLY_ERROR_MAP(X)                                                                                         \
    X(SRL_REPLY_INTERNAL, 100, 1, "internal server error")                                                             \
    X(SRL_REPLY_UNAUTHORIZED, 101, 0, "unauthorized")                                                                  \
    X(SRL_REPLY_UNKNOWN_CHANNEL, 102, 0, "unknown channel")                                                            \
    X(SRL_REPLY_PERMISSION_DENIED, 103, 0, "permission denied")                                                        \
    X(SRL_REPLY_METHOD_NOT_FOUND, 104, 0, "method not found")                                                          \
    X(SRL_REPLY_ALREADY_SUBSCRIBED, 105, 0, "already subscribed")                                                      \
    X(SRL_REPLY_LIMIT_EXCEEDED, 106, 0, "limit exceeded")                                                              \
    X(SRL_REPLY_BAD_REQUEST, 107, 0, "bad request")                                                                    \
    X(SRL_REPLY_NOT_AVAILABLE, 108, 0, "not available")                                                                \
    X(SRL_REPLY_TOKEN_EXPIRED, 109, 0, "token expired")                                                                \
    X(SRL_REPLY_EXPIRED, 110, 0, "expired")                                                                            \
    X(SRL_REPLY_TOO_MANY_REQUESTS, 111, 1, "too many requests")                                                        \
    X(SRL_REPLY_UNRECOVERABLE, 112, 0, "unrecoverable position")                                                       \
    X(SRL_REPLY_CONCURRENT_PAGINATION, 113, 1, "concurrent pagination")

typedef enum srl_reply_error {
#define SRL_REPLY_ERROR_ENUM(name, number, temporary, text) name = (number),
    SRL_REPLY_ERROR_MAP(SRL_REPLY_ERROR_ENUM)
#undef SRL_REPLY_ERROR_ENUM
} srl_reply_error;

/** Codes of disconnects: X(name, number, text). See srl_disconnect_reconnects for what a client does next. */
#define SRL_DISCONNECT_MAP(X)                                                                                          \
    X(SRL_DISCONNECT_CLOSED, 3000, "connection closed")                                                                \
    X(SRL_DISCONNECT_SHUTDOWN, 3001, "shutdown")                                                                       \
    X(SRL_DISCONNECT_INTERNAL, 3004, "internal server error")                                                          \
    X(SRL_DISCONNECT_EXPIRED, 3005, "connection expired")                                                              \
    X(SRL_DISCONNECT_SUB_EXPIRED, 3006, "subscription expired")                                                        \
    X(SRL_DISCONNECT_SLOW, 3008, "slow")                                                                               \
    X(SRL_DISCONNECT_WRITE_ERROR, 3009, "write error")                                                                 \
    X(SRL_DISCONNECT_INSUFFICIENT_STATE, 3010, "insufficient state")                                                   \
    X(SRL_DISCONNECT_FORCE_RECONNECT, 3011, "force reconnect")                                                         \
    X(SRL_DISCONNECT_NO_PONG, 3012, "no pong")                                                                         \
    X(SRL_DISCONNECT_TOO_MANY_REQUESTS, 3013, "too many requests")                                                     \
    X(SRL_DISCONNECT_STATE_INVALIDATED, 3014, "state invalidated")                                                     \
    X(SRL_DISCONNECT_INVALID_TOKEN, 3500, "invalid token")                                                             \
    X(SRL_DISCONNECT_BAD_REQUEST, 3501, "bad request")                                                                 \
    X(SRL_DISCONNECT_STALE, 3502, "stale")                                                                             \
    X(SRL_DISCONNECT_FORCE_DISCONNECT, 3503, "force disconnect")                                                       \
    X(SRL_DISCONNECT_CONNECTION_LIMIT, 3504, "connection limit")                                                       \
    X(SRL_DISCONNECT_CHANNEL_LIMIT, 3505, "channel limit")                                                             \
    X(SRL_DISCONNECT_INAPPROPRIATE_PROTOCOL, 3506, "inappropriate protocol")                                           \
    X(SRL_DISCONNECT_PERMISSION_DENIED, 3507, "permission denied")                                                     \
    X(SRL_DISCONNECT_NOT_AVAILABLE, 3508, "not available")                                                             \
    X(SRL_DISCONNECT_TOO_MANY_ERRORS, 3509, "too many errors")

typedef enum srl_disconnect_code {
#define SRL_DISCONNECT_ENUM(name, number, text) name = (number),
    SRL_DISCONNECT_MAP(SRL_DISCONNECT_ENUM)
#undef SRL_DISCONNECT_ENUM
} srl_disconnect_code;

/** Codes of server-side unsubscribes: X(name, number, text). From 2500 on the client subscribes again by itself. */
#define SRL_UNSUBSCRIBE_MAP(X)                                                                                         \
    X(SRL_UNSUBSCRIBE_SERVER, 2000, "server unsubscribe")                                                              \
    X(SRL_UNSUBSCRIBE_FORBIDDEN, 2100, "permission taken away")                                                        \
    X(SRL_UNSUBSCRIBE_INSUFFICIENT_STATE, 2500, "insufficient state")                                                  \
    X(SRL_UNSUBSCRIBE_EXPIRED, 2501, "subscription expired")                                                           \
    X(SRL_UNSUBSCRIBE_STATE_INVALIDATED, 2502, "state invalidated")

typedef enum srl_unsubscribe_code {
#define SRL_UNSUBSCRIBE_ENUM(name, number, text) name = (number),
    SRL_UNSUBSCRIBE_MAP(SRL_UNSUBSCRIBE_ENUM)
#undef SRL_UNSUBSCRIBE_ENUM
} srl_unsubscribe_code;

/** The standard text of an error reply; "application error" for any other number. Never NULL. */
SRL_API const char *srl_reply_code_text(uint32_t code);

/** 1 if a client may send the same command again later (codes 100, 111 and 113), else 0. */
SRL_API int srl_reply_code_is_temporary(uint32_t code);

/** The standard reason of a disconnect; "application disconnect" for any other number. Never NULL. */
SRL_API const char *srl_disconnect_text(uint32_t code);

/** The standard reason of an unsubscribe; "unsubscribed" for any other number. Never NULL. */
SRL_API const char *srl_unsubscribe_text(uint32_t code);

/** 1 if a client that is disconnected with this code connects again by itself, else 0 (3500-3999 and 4500-4999). */
SRL_API int srl_disconnect_reconnects(uint32_t code);

SRL_END_DECLS

#endif
