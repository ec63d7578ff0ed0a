/* Reading Streams replies, piece by piece. */
#ifndef SRL__STREAM_DECODE_H
#define SRL__STREAM_DECODE_H

#include <stdbool.h>

#include <streamrelay/stream.h>

/* What is in an srl_stream_list. A list of zeros is empty and may be asked for anything. */
typedef enum srl__stream_kind {
    SRL__STREAM_OF_NOTHING = 0,
    SRL__STREAM_OF_IDS,
    SRL__STREAM_OF_ENTRIES,
    SRL__STREAM_OF_FIELDS,
    SRL__STREAM_OF_PARTS,     /* pairs in an array */
    SRL__STREAM_OF_PARTS_MAP, /* key and entries in turn */
    SRL__STREAM_OF_COUNTS,    /* of XPENDING: a consumer and its count */
    SRL__STREAM_OF_PENDING,   /* id, consumer, idle time, deliveries */
    SRL__STREAM_OF_PENDING_TIMES,
    SRL__STREAM_OF_OWN_PENDING, /* the same without the consumer */
    SRL__STREAM_OF_GROUPS,
    SRL__STREAM_OF_CONSUMERS,
    SRL__STREAM_BROKEN
} srl__stream_kind;

/* SRL_OK; SRL_ERR_EXISTS, _NOT_FOUND or _REDIS for an error reply; SRL_ERR_TYPE if there is nothing at all;
 * SRL_ERR_INVALID without a reply or a place for what is decoded. */
int srl__stream_decode_check(const srl_reply *reply, uint32_t at, const void *out);

/* A list of what an array holds; empty for null. */
int srl__stream_decode_list(const srl_reply *reply, uint32_t at, srl__stream_kind kind, srl_stream_list *out);
/* As above, but null is SRL_ERR_TYPE. */
int srl__stream_decode_array(const srl_reply *reply, uint32_t at, srl__stream_kind kind, srl_stream_list *out);

int srl__stream_decode_id_at(const srl_reply *reply, uint32_t at, srl_stream_id *out);
int srl__stream_decode_u64_at(const srl_reply *reply, uint32_t at, uint64_t *out);
/* A string; null is SRL_ERR_TYPE. */
int srl__stream_decode_text_at(const srl_reply *reply, uint32_t at, const char **data, size_t *len);
int srl__stream_decode_entry_at(const srl_reply *reply, uint32_t at, srl_stream_entry *out);

/* One step in a list of this kind: 1 with the next place, 0, SRL_ERR_TYPE, SRL_ERR_INVALID. */
int srl__stream_list_step(srl_stream_list *list, srl__stream_kind kind, uint32_t *at);
/* The result of a step after which decoding gave `error`: 1, or SRL_ERR_TYPE with the list broken. */
int srl__stream_list_result(srl_stream_list *list, int error);

/* The first `count` elements of the array at `at`, which has at least as many. */
int srl__stream_decode_tuple(const srl_reply *reply, uint32_t at, uint32_t count, uint32_t *places);

#endif
