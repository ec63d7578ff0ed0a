/* How a reply lies in memory: 16-byte tokens in the order of the wire, over the bytes they were read from.
 *
 * The token of a value comes before those of its children, so the children of an aggregate are the tokens behind it.
 * Attributes of a value come between its token and its children: the token is set aside when the attribute is met and
 * filled in when the value is. */
#ifndef SRL__REDIS_REPLY_H
#define SRL__REDIS_REPLY_H

#include <stdatomic.h>

#include <streamrelay/redis_reply.h>

#include "base/alloc.h"
#include "base/slice.h"

enum {
    SRL__RESP_STREAMED = 1,        /* its length was not announced */
    SRL__RESP_HAS_ATTRIBUTE = 2,   /* the next token is an attribute of this value */
    SRL__RESP_MORE_ATTRIBUTES = 4, /* of an attribute: another one of the same value follows it */
    SRL__RESP_DEEP = 8,            /* of an aggregate: some child is more than one token */
};

/* Kinds up to SRL_REPLY_VERBATIM have no children. `wire` tells how to read the union:
 * ':' and '#'  integer, and text_len bytes of text at `offset` (not for '#')
 * other scalars  len bytes at `offset`
 * aggregates  len children; span tokens with its attributes, its children and itself */
typedef struct srl__resp_token {
    uint8_t type; /* srl_reply_kind */
    uint8_t flags;
    uint8_t wire;
    uint8_t text_len;
    uint32_t offset; /* from the first byte of the reply; while an aggregate is open: children to come */
    union {
        struct {
            uint32_t len;
            uint32_t span; /* while an aggregate is open: the token of the one around it */
        };
        int64_t integer;
    };
} srl__resp_token;

_Static_assert(sizeof(srl__resp_token) == 16, "a token has 16 bytes");

/* Memory that a connection reads into, shared with the replies kept from it. */
typedef struct srl__resp_block {
    atomic_uint refs;
    srl_allocator alloc;
    size_t capacity;
    uint8_t data[];
} srl__resp_block;

struct srl_reply {
    const uint8_t *bytes;
    const srl__resp_token *tokens;
    uint32_t count; /* of tokens */
    uint32_t len;   /* of bytes */
    /* a reply within a reader: that; else NULL */
    struct srl__resp_reader *reader;
    /* a kept reply */
    atomic_uint refs;
    size_t size; /* of this allocation */
    srl_allocator alloc;
    srl__resp_block *block; /* holds the bytes; NULL if they are part of this allocation */
    srl__resp_token *taken; /* the tokens if they were handed over, taken_capacity of them; else NULL */
    uint32_t taken_capacity;
};

void srl__resp_block_unref(srl__resp_block *block);

/* Replies of fewer bytes, and tokens, are copied by srl_reply_keep(). */
#define SRL__REPLY_COPY_MAX 16384

static inline srl__slice srl__reply_slice(const srl_reply *reply, uint32_t at)
{
    srl__slice text;
    text.data = srl_reply_string(reply, at, &text.len);
    return text;
}

/* srl__slice of the string, for literals: SRL__REPLY_IS(reply, at, "message") */
#define SRL__REPLY_IS(reply, at, literal)       srl_reply_equals((reply), (at), (literal), sizeof(literal) - 1)
#define SRL__REPLY_ERROR_IS(reply, at, literal) srl_reply_error_is((reply), (at), (literal), sizeof(literal) - 1)
#define SRL__REPLY_GET(reply, at, literal)      srl_reply_get((reply), (at), (literal), sizeof(literal) - 1)

/* The place behind a value, its children and its attributes. `at` must be a valid place. */
uint32_t srl__reply_skip(const srl_reply *reply, uint32_t at);

#endif
