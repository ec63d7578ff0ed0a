/* A channel's history: numbered messages in a ring, the oldest going first, by count and by age. No locks, no clock. */
#ifndef SRL__STREAM_H
#define SRL__STREAM_H

#include "broker/message.h"

/* More than this many messages are not kept, whatever is asked for. */
#define SRL__STREAM_MAX (UINT32_C(1) << 28)

typedef struct srl__stream {
    srl__message **ring;
    uint32_t capacity; /* 0 or a power of two */
    uint32_t head;     /* where the oldest is */
    uint32_t count;
    bool is_open; /* there is an epoch */
    char epoch[SRL__EPOCH_LEN];
    uint64_t top; /* offset of the newest message there ever was in this epoch; the ring ends with it */
} srl__stream;

/* A stream filled with zeros is closed and empty. */

/* Begin an epoch. SRL_OK or SRL_ERR_SYSTEM (no randomness). The stream must be closed. */
int srl__stream_open(srl__stream *stream, const srl_platform *platform);
/* End it: everything is forgotten and freed. */
void srl__stream_close(srl__stream *stream, const srl_allocator *alloc);

/* Make sure that the next append has room, if at most `keep` > 0 messages are kept. SRL_OK or SRL_ERR_NOMEM. */
int srl__stream_reserve(srl__stream *stream, const srl_allocator *alloc, uint32_t keep);
/* Number a message (its view's offset and epoch), and keep it as the newest of `keep`; takes a reference. */
void srl__stream_append(srl__stream *stream, const srl_allocator *alloc, srl__message *message, uint32_t keep);
/* Drop what is over a count. */
void srl__stream_trim_count(srl__stream *stream, const srl_allocator *alloc, uint32_t keep);
/* Drop what is `ttl_ms` old or older (0: nothing), and give memory back that is not needed any more. */
void srl__stream_trim_age(srl__stream *stream, const srl_allocator *alloc, uint64_t ttl_ms, uint64_t now_ms);

/* The number of messages that answer a query (its epoch is not looked at); *first is the place of the first one for
 * srl__stream_at(). The others are beside it: upwards, or downwards if the query is a reverse one. */
uint32_t srl__stream_select(const srl__stream *stream, const srl_broker_query *query, uint32_t *first);

/* The message at a place from 0, the oldest, to count - 1. */
static inline srl__message *srl__stream_at(const srl__stream *stream, uint32_t place)
{
    return stream->ring[(stream->head + place) & (stream->capacity - 1)];
}

/* Empty while closed. */
static inline srl__slice srl__stream_epoch(const srl__stream *stream)
{
    return srl__slice_of(stream->epoch, stream->is_open ? SRL__EPOCH_LEN : 0);
}

#endif
