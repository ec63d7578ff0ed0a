/* A message between nodes, as stored in streams and published: fixed head, then the texts.
 *
 *     0  1   kind: srl_message_kind, or 0 for a note
 *     1  8   token: the node that published it,
 *     9  8   and which of its messages this is, counted from 1; little-endian, as is the node
 *     17 8   time_ms
 *     25 1   length of client
 *     26 4   length of user
 *     30 4   length of info
 *     34 4   length of tags
 *     38 4   length of what the channel shows of the publisher
 *     42     client, user, info, tags, what the channel shows, and up to the end the data
 *
 * The other numbers are big-endian. The scripts know the places of kind, token and lengths. */
#ifndef SRL__REDIS_FRAME_H
#define SRL__REDIS_FRAME_H

#include <streamrelay/broker.h>

#include "base/buf.h"
#include "base/slice.h"

enum { SRL__FRAME_TOKEN_LEN = 16, SRL__FRAME_HEAD = 42 };

typedef struct srl__redis_frame {
    int kind;
    const char *token;
    srl_publication publication; /* views; offset 0 */
} srl__redis_frame;

/* Append it. SRL_OK, SRL_ERR_NOMEM, SRL_ERR_TOO_LARGE. */
int srl__redis_frame_write(srl__buf *out, int kind, const char token[SRL__FRAME_TOKEN_LEN],
                           const srl_publication *publication);
/* Views into `bytes`. False: not one of ours. */
bool srl__redis_frame_read(srl__slice bytes, srl__redis_frame *out);

#endif
