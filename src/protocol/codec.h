/* Wire formats. Bytes in, commands out; replies and pushes in, bytes out. A codec holds no state and knows no session.
 *
 * Another format is one more srl__codec; the engine speaks only to this table. What a client sent in a form of its
 * format's own (positions, filters) the engine keeps as a slice and gives back to the codec to read. What is marked
 * "may be NULL" a format need not have. */
#ifndef SRL__CODEC_H
#define SRL__CODEC_H

#include <streamrelay/channel.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/slice.h"
#include "protocol/tags_filter.h"

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
    SRL__COMMAND_PONG,
    SRL__COMMAND_SEND,
    SRL__COMMAND_REFRESH,
    SRL__COMMAND_SUB_REFRESH
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
    bool positioned;    /* what a client wishes of a subscription, from here on */
    bool recoverable;   /* likewise */
    bool join_leave;    /* to be told of joins and leaves */
    bool delta;         /* payloads as patches */
    bool numeric_id;    /* a number may stand for the channel's name in pushes */
    bool refuses_loss;  /* an error rather than a subscription that is not recovered */
    bool unknown_kind;  /* a kind of subscription that there is not */
    srl__slice filter;  /* of tags, for read_filter; empty: none */
    srl__slice name;    /* of the client's software, with connect */
    srl__slice version; /* likewise */
    srl__slice headers; /* JSON object of strings; empty: none */
    srl__slice held;    /* positions in channels that the server subscribes to, for find_held; empty: none */
} srl__command;

/* Where a client says it is in a channel. */
typedef struct srl__held {
    uint64_t offset;
    srl__slice epoch;
    bool recover;
} srl__held;

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
    srl__slice session;  /* ids that lead later requests to the session; empty: not needed */
    srl__slice node;
    srl__slice subs; /* made by append_sub */
} srl__connect_reply;

typedef struct srl__subscribe_reply {
    uint64_t offset; /* where the messages that follow continue */
    srl__slice epoch;
    bool recoverable; /* the channel has offsets */
    bool was_recovering;
    bool recovered;
    bool has_unread;
    uint64_t unread; /* publications behind the user's position */
    bool positioned; /* the server sees to it that nothing is missed */
    bool delta;      /* payloads come as texts or patches from now on */
    uint64_t numeric_id;
    uint64_t ttl_ms;         /* until the client has to refresh; 0: it need not */
    srl__slice data;         /* JSON; empty: none */
    srl__slice publications; /* made by append_publication */
} srl__subscribe_reply;

/* The form that a publication takes for those who receive it. */
typedef enum srl__form {
    SRL__FORM_PLAIN,
    SRL__FORM_TEXT, /* for those who take patches: the payload as a string */
    SRL__FORM_PATCH /* for them: what makes the payload of the one before, as a string */
} srl__form;

typedef struct srl__shown {
    const srl_publication *publication;
    srl__form form;
    srl__slice patch;
    srl__slice epoch;    /* empty unless the receiver has to learn it */
    uint64_t numeric_id; /* of the channel, for those who know it; 0: its name is used */
} srl__shown;

/* What a client of this format expects of a server beside its frames. */
enum {
    SRL__CODEC_STRICT = 1,         /* malformed commands, empty messages and pongs nobody asked for close it, with the
                                      standard reason; behind a refused connect the rest of the input is dropped */
    SRL__CODEC_CLOSE_CODES = 2,    /* a disconnect is told by the transport's close, if it can */
    SRL__CODEC_ASKS_FOR_JOINS = 4, /* joins and leaves are for those who asked for them */
    SRL__CODEC_ANSWERS_PINGS = 8,  /* always */
    SRL__CODEC_INSISTENT = 16,     /* a subscription by the server that has lost its place ends the session */
    SRL__CODEC_REFRESHES = 32,     /* has the commands refresh and sub_refresh */
    SRL__CODEC_NAMES_WISHES = 64   /* positions only for those who asked for them */
};

typedef struct srl__codec {
    const char *name;
    uint32_t traits;
    srl__slice separator; /* between commands that are kept, and between frames that go out together */

    /* The first command of a message, which is moved on behind it; empty for what is only separator. */
    srl__slice (*take)(srl__slice *message);

    /* One command from one line without its newline. On false `out` still holds what was readable: at least id, type
     * and channel where they were good, so that the error can be answered. `scratch` is reset and may hold unescaped
     * strings. */
    bool (*decode)(srl__slice line, const srl__json_limits *limits, srl__buf *scratch, srl__command *out,
                   srl__decode_error *error);
    /* A connect command from its parameters alone; may be NULL. */
    bool (*decode_connect)(srl__slice params, const srl__json_limits *limits, srl__buf *scratch, srl__command *out,
                           srl__decode_error *error);
    /* Read what a command held; may be NULL. False if there is none for the channel; codes as srl__tags_filter_create.
     */
    bool (*find_held)(srl__slice held, srl__slice channel, srl__held *out);
    int (*read_filter)(const srl_allocator *alloc, srl__slice filter, srl__tags_filter **out);

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
    void (*reply_refresh)(srl__buf *out, const srl__reply_to *to, uint64_t ttl_ms); /* may be NULL */

    /* Elements of lists in replies, one behind the other: what a recovered session missed, what it is subscribed to as
     * it connects. May be NULL: then they follow as pushes. */
    void (*append_publication)(srl__buf *list, const srl__shown *shown);
    void (*append_sub)(srl__buf *list, srl__slice channel, const srl__subscribe_reply *reply);

    /* epoch: empty unless the receiver has to learn it. A join or leave that the format cannot tell stays empty. */
    void (*push_publication)(srl__buf *out, srl__slice channel, const srl_publication *publication, srl__slice epoch);
    /* Of a session; of a user as a whole when who->client_len is 0. */
    void (*push_join)(srl__buf *out, srl__slice channel, const srl_publication *who);
    void (*push_leave)(srl__buf *out, srl__slice channel, const srl_publication *who);
    /* The server has subscribed the session; what `state` says is as in a reply. */
    void (*push_subscribe)(srl__buf *out, srl__slice channel, const srl__subscribe_reply *state);
    void (*push_unsubscribe)(srl__buf *out, srl__slice channel, uint32_t code, srl__slice reason);
    void (*push_disconnect)(srl__buf *out, uint32_t code, srl__slice reason, bool reconnect);
    void (*push_ping)(srl__buf *out);
    void (*push_pong)(srl__buf *out); /* may be NULL */
    void (*push_message)(srl__buf *out, srl__slice data);
    void (*push_refresh)(srl__buf *out, uint64_t ttl_ms); /* may be NULL */
    /* A publication in any form; may be NULL: then push_publication is all there is. */
    void (*push_shown)(srl__buf *out, srl__slice channel, const srl__shown *shown);
} srl__codec;

/* All there are. */
typedef enum srl__codec_index {
    SRL__CODEC_NATIVE,
    SRL__CODEC_CENTRIFUGO,
    SRL__CODEC_CENTRIFUGO_PUSHES, /* of the same, for those who cannot send */
    SRL__CODEC_COUNT
} srl__codec_index;

extern const srl__codec srl__codec_native;
extern const srl__codec srl__codec_centrifugo;
extern const srl__codec srl__codec_centrifugo_pushes;

extern const srl__codec *const srl__codecs[SRL__CODEC_COUNT];

/* The first command of a message, which is moved on behind its newline: `take` of the formats that are lines. */
srl__slice srl__take_line(srl__slice *message);

/* Which format a client speaks, by its first command. */
srl__codec_index srl__codec_detect(srl__slice message);

#endif
