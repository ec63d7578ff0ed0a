/* Channel patterns, and sets of them that find the most specific one that matches.
 *
 * Many sets (the rules, one per role, one per user) share one trie: its nodes are found by hash from their parent and
 * the text of a segment, and each text is kept once. A set costs a root; a pattern without '*' one node more,
 * whatever its length. Memory of removed nodes is used again, and given back when the trie is freed. */
#ifndef SRL__PERMISSIONS_PATTERN_H
#define SRL__PERMISSIONS_PATTERN_H

#include <streamrelay/permissions.h>

#include "base/map.h"
#include "engine/permissions_why.h"

typedef enum srl__pattern_step_kind {
    SRL__STEP_ROOT,    /* of a set */
    SRL__STEP_EXACT,   /* the whole channel: all of a pattern without '*' */
    SRL__STEP_LITERAL, /* a segment */
    SRL__STEP_PARTIAL, /* the beginning of a segment, and something behind it; ends a pattern */
    SRL__STEP_WILD,    /* any segment */
    SRL__STEP_TAIL     /* any rest; ends a pattern */
} srl__pattern_step_kind;

typedef struct srl__pattern_step {
    srl__slice text;
    srl__pattern_step_kind kind;
} srl__pattern_step;

typedef struct srl__pattern {
    srl__pattern_step steps[SRL_PERMISSIONS_MAX_SEGMENTS]; /* pointing into the text */
    uint32_t count;
} srl__pattern;

/* 0, SRL_ERR_INVALID, SRL_ERR_UTF8 or SRL_ERR_TOO_LARGE. */
int srl__pattern_parse(srl__slice text, srl__pattern *out, srl__why *why);

typedef struct srl__trie_symbol {
    uint32_t id;
    uint32_t refs; /* nodes that have it */
    uint32_t len;
    char text[];
} srl__trie_symbol;

typedef union srl__trie_symbol_slot {
    srl__trie_symbol *symbol;
    uint32_t next_free;
} srl__trie_symbol_slot;

typedef struct srl__trie_node {
    uint32_t parent; /* of a free node: the next free one */
    uint32_t key;    /* symbol and kind; of a root: its kind alone */
    uint32_t children;
    uint32_t child; /* one of them that is found without the index, or 0 */
    uint32_t next;  /* ends of patterns in the same set */
    uint32_t prev;
    uint32_t value;
    uint8_t flags;
    uint8_t partial_min; /* no shorter and no longer PARTIAL children than these */
    uint8_t partial_max;
} srl__trie_node;

typedef struct srl__trie_slot {
    uint32_t hash;
    uint32_t node; /* 0: the slot is free */
} srl__trie_slot;

/* Nodes and symbols are counted from 1; 0 means none. */
typedef struct srl__trie {
    const srl_allocator *alloc;
    uint64_t seed;
    srl__map symbols;
    srl__trie_symbol_slot *symbol_slots;
    uint32_t symbol_capacity;
    uint32_t symbol_used;
    uint32_t symbol_free;
    srl__trie_node *nodes;
    uint32_t node_capacity;
    uint32_t node_used;
    uint32_t node_free;
    srl__trie_slot *index; /* all nodes but roots, by parent and key */
    uint32_t index_capacity;
    uint32_t index_count;
    uint32_t partials[SRL_PERMISSIONS_MAX_PATTERN_LENGTH + 1]; /* PARTIAL nodes with a text of this length */
    uint64_t steps;
} srl__trie;

typedef struct srl__trie_set {
    uint32_t root;
    uint32_t first; /* end of a pattern; the others follow by `next` */
    uint32_t count;
} srl__trie_set;

/* A channel that is looked up, maybe in several sets. Valid until the trie changes. */
typedef struct srl__trie_subject {
    srl__slice text;
    srl__slice segments[SRL_PERMISSIONS_MAX_SEGMENTS];
    uint32_t symbols[SRL_PERMISSIONS_MAX_SEGMENTS];
    uint32_t exact;
    uint32_t count;
    bool has_more; /* more segments than a pattern can have */
} srl__trie_subject;

void srl__trie_init(srl__trie *trie, const srl_allocator *alloc, uint64_t seed);
void srl__trie_free(srl__trie *trie);

/* The end of exactly this pattern, or 0. */
uint32_t srl__trie_find(srl__trie *trie, const srl__trie_set *set, const srl__pattern *pattern);
/* Add a pattern that is not in the set yet. SRL_OK, SRL_ERR_NOMEM or SRL_ERR_LIMIT. */
int srl__trie_add(srl__trie *trie, srl__trie_set *set, const srl__pattern *pattern, uint32_t value, uint32_t *end);
void srl__trie_remove(srl__trie *trie, srl__trie_set *set, uint32_t end);
void srl__trie_clear(srl__trie *trie, srl__trie_set *set);

void srl__trie_subject_init(srl__trie_subject *subject, srl__slice channel);
/* The end of the most specific pattern of the set that matches, or 0. */
uint32_t srl__trie_match(srl__trie *trie, const srl__trie_set *set, srl__trie_subject *subject);

/* The pattern that ends at a node. */
srl__slice srl__trie_text(const srl__trie *trie, uint32_t end, char out[SRL_PERMISSIONS_MAX_PATTERN_LENGTH]);

static inline uint32_t srl__trie_next(const srl__trie *trie, uint32_t end)
{
    return trie->nodes[end].next;
}

static inline uint32_t srl__trie_value(const srl__trie *trie, uint32_t end)
{
    return trie->nodes[end].value;
}

static inline void srl__trie_set_value(srl__trie *trie, uint32_t end, uint32_t value)
{
    trie->nodes[end].value = value;
}

#endif
