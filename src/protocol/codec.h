/* Wire formats. Bytes in, commands out; replies and pushes in, bytes out. A codec holds no state and knows no session.
 *
 * A second format is one more srl__codec; the engine speaks only to this table. */
#ifndef SRL__CODEC_H
#define SRL__CODEC_H

#include <streamrelay/channel.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/slice.h"

typedef enum srl__command_type {
    SRL__COMMAND_NONE = 0,
    SRL__COMMAND_CONNECT,
    SRL__COMMAND_SUBSCRIBE,
    SRL__COMMAND_UNSUBSCRIBE,
    SRL__COMMAND_PUBLISH,
    SRL__COMMAND_PRESENCE,
    SRL__COMMAND_PRESENCE_STATS,
    SRL__COMMAND_HISTORY,
    SRL__COMMAND_ACK,
    SRL__COMMAND_UNREAD,
    SRL__COMMAND_RPC,
    SRL__COMMAND_PING,
    SRL__COMMAND_PONG
} srl__command_type;

/* A decoded command. Slices point into the input or the scratch buffer. */
typedef struct srl__command {
    srl__command_type type;
    uint64_t id; /* 0: none */
    srl__slice channel;
    srl__slice token;
    srl__slice method; /* of rpc */
    srl__slice key;    /* idempotency key of publish */
    srl__slice data;   /* JSON: of connect, the payload of publish, the arguments of rpc; empty: none */
    srl__slice epoch;  /* of a position */
    uint64_t offset;   /* of a position */
    uint32_t limit;
    bool has_limit;
    bool has_offset;
    bool recover;
    bool reverse;
    bool answers_pings;
} srl__command;

/* Why a command could not be decoded; code is a reply code of codes.h. */
typedef struct srl__decode_error {
    uint32_t code;
    char text[160];
} srl__decode_error;

/* Which command a reply answers. */
typedef struct srl__reply_to {
    uint64_t id;
    srl__command_type type;
    srl__slice channel; /* empty: none */
} srl__reply_to;

typedef struct srl__connect_reply {
    srl__slice client;
    srl__slice user;
    srl__slice data;     /* JSON; empty: none */
    uint64_t ping_ms;    /* 0: the server does not ping */
    uint64_t expires_ms; /* 0: never */
    bool answers_pings;  /* the client has to answer pings */
} srl__connect_reply;

typedef struct srl__subscribe_reply {
    uint64_t offset; /* where the messages that follow continue */
    srl__slice epoch;
    bool recoverable; /* the channel has offsets */
    bool was_recovering;
    bool recovered;
    bool has_unread;
    uint64_t unread; /* publications behind the user's position */
} srl__subscribe_reply;

typedef struct srl__codec {
    const char *name;

    /* One command from one line without its newline. On false `out` still holds what was readable: at least id, type
     * and channel where they were good, so that the error can be answered. `scratch` is reset and may hold unescaped
     * strings. */
    bool (*decode)(srl__slice line, const srl__json_limits *limits, srl__buf *scratch, srl__command *out,
                   srl__decode_error *error);

    void (*reply_error)(srl__buf *out, const srl__reply_to *to, uint32_t code, srl__slice message);
    void (*reply_empty)(srl__buf *out, const srl__reply_to *to);
    void (*reply_connect)(srl__buf *out, const srl__reply_to *to, const srl__connect_reply *reply);
    void (*reply_subscribe)(srl__buf *out, const srl__reply_to *to, const srl__subscribe_reply *reply);
    void (*reply_publish)(srl__buf *out, const srl__reply_to *to, uint64_t offset, srl__slice epoch);
    void (*reply_presence)(srl__buf *out, const srl__reply_to *to, const srl_presence *presence);
    void (*reply_presence_stats)(srl__buf *out, const srl__reply_to *to, const srl_presence *presence);
    /* At most max_bytes of publications are written (at least one if there is any). */
    void (*reply_history)(srl__buf *out, const srl__reply_to *to, const srl_history *history, size_t max_bytes);

    void (*reply_unread)(srl__buf *out, const srl__reply_to *to, uint64_t unread, uint64_t offset, srl__slice epoch);
    void (*reply_rpc)(srl__buf *out, const srl__reply_to *to, srl__slice data);

    /* epoch: empty unless the receiver has to learn it. */
    void (*push_publication)(srl__buf *out, srl__slice channel, const srl_publication *publication, srl__slice epoch);
    /* Of a session; of a user as a whole when who->client_len is 0. */
    void (*push_join)(srl__buf *out, srl__slice channel, const srl_publication *who);
    void (*push_leave)(srl__buf *out, srl__slice channel, const srl_publication *who);
    /* The server has subscribed the session; what `state` says is as in a reply. */
    void (*push_subscribe)(srl__buf *out, srl__slice channel, const srl__subscribe_reply *state);
    void (*push_unsubscribe)(srl__buf *out, srl__slice channel, uint32_t code, srl__slice reason);
    void (*push_disconnect)(srl__buf *out, uint32_t code, srl__slice reason, bool reconnect);
    void (*push_ping)(srl__buf *out);
    void (*push_pong)(srl__buf *out);
} srl__codec;

extern const srl__codec srl__codec_native;

#endif
