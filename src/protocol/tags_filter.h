/* A client's filter over the tags of publications, as Centrifugo's protocol has it (FilterNode): a tree of comparisons
 * under "and", "or" and "not". Read once from JSON into one block of memory, then asked for each publication. */
#ifndef SRL__TAGS_FILTER_H
#define SRL__TAGS_FILTER_H

#include "base/alloc.h"
#include "base/json.h"
#include "base/slice.h"

/* ---- tags of a publication ---- */

typedef struct srl__tag {
    srl__slice key;
    srl__slice value;
} srl__tag;

/* Of two tags with one key the later counts. */
typedef struct srl__tags {
    const srl__tag *items;
    size_t count;
    void *memory; /* the block that they are in; NULL: none, or not ours */
    size_t memory_size;
} srl__tags;

/* Read a JSON object whose values are strings; empty text is no tags. SRL_OK; SRL_ERR_JSON: it is not; SRL_ERR_NOMEM.
 * The tags may point into the text. */
int srl__tags_read(srl__tags *out, const srl_allocator *alloc, srl__slice json, const srl__json_limits *limits);
void srl__tags_free(srl__tags *tags, const srl_allocator *alloc);

/* ---- filters ---- */

typedef struct srl__tags_filter srl__tags_filter;

typedef struct srl__tags_filter_limits {
    uint32_t max_depth;  /* nodes above each other; at most SRL__TAGS_FILTER_MAX_DEPTH */
    uint32_t max_nodes;  /* of the whole tree */
    uint32_t max_values; /* that nodes compare with, all together */
    uint32_t max_text;   /* bytes of all keys and values together, as they are written */
} srl__tags_filter_limits;

#define SRL__TAGS_FILTER_MAX_DEPTH 32

/* 16 deep, 128 nodes, 512 values, 8 KiB of text. */
extern const srl__tags_filter_limits srl__tags_filter_limits_default;

/* Compile a filter from a value that was read before, so that its syntax is good. SRL_OK; SRL_ERR_INVALID: not a
 * filter; SRL_ERR_LIMIT: more than the limits allow; SRL_ERR_NOMEM. On an error *why (may be NULL) is a static text. */
int srl__tags_filter_create(srl__tags_filter **out, const srl_allocator *alloc, const srl__json_value *json,
                            const srl__tags_filter_limits *limits, const char **why);

/* filter may be NULL. */
void srl__tags_filter_destroy(srl__tags_filter *filter, const srl_allocator *alloc);

/* Whether a publication with these tags passes. Costs at most nodes times the length of the tags. */
bool srl__tags_filter_matches(const srl__tags_filter *filter, const srl__tags *tags);

#endif
