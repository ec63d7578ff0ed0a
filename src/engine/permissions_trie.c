#include "engine/permissions_pattern.h"

#include <assert.h>
#include <streamrelay/error.h>

#include "base/bits.h"

#define NONE       0U
#define UNKNOWN    UINT32_MAX /* a symbol that was not looked up yet */
#define MAX_NODES  (UINT32_C(1) << 30)
#define MIN_INDEX  16U
#define KIND_BITS  3U
#define MAX_SYMBOL ((UINT32_C(1) << (32 - KIND_BITS)) - 1)

/* What kinds of children there are; of EXACT, LITERAL and PARTIAL ones: may be. */
enum { IS_END = 1, HAS_WILD = 2, HAS_TAIL = 4, HAS_PARTIAL = 8, HAS_LITERAL = 16, HAS_EXACT = 32 };

static uint32_t make_key(uint32_t symbol, srl__pattern_step_kind kind)
{
    return symbol << KIND_BITS | (uint32_t)kind;
}

static uint32_t symbol_of(const srl__trie_node *node)
{
    return node->key >> KIND_BITS;
}

static srl__pattern_step_kind kind_of(const srl__trie_node *node)
{
    return (srl__pattern_step_kind)(node->key & ((1U << KIND_BITS) - 1));
}

void srl__trie_init(srl__trie *trie, const srl_allocator *alloc, uint64_t seed)
{
    *trie = (srl__trie){.alloc = alloc, .seed = seed, .symbol_used = 1, .node_used = 1};
    srl__map_init(&trie->symbols, alloc, seed);
}

static size_t symbol_size(size_t len)
{
    return sizeof(srl__trie_symbol) + len;
}

void srl__trie_free(srl__trie *trie)
{
    uint32_t cursor = 0;
    for (srl__trie_symbol *s = srl__map_next(&trie->symbols, &cursor); s != NULL;
         s = srl__map_next(&trie->symbols, &cursor)) {
        srl__free(trie->alloc, s, symbol_size(s->len));
    }
    srl__map_free(&trie->symbols);
    srl__free(trie->alloc, trie->symbol_slots, trie->symbol_capacity * sizeof(*trie->symbol_slots));
    srl__free(trie->alloc, trie->nodes, trie->node_capacity * sizeof(*trie->nodes));
    srl__free(trie->alloc, trie->index, trie->index_capacity * sizeof(*trie->index));
    srl__trie_init(trie, trie->alloc, trie->seed);
}

/* ---- symbols ---- */

static uint32_t find_symbol(const srl__trie *trie, srl__slice text)
{
    if (text.len > SRL_PERMISSIONS_MAX_PATTERN_LENGTH) {
        return NONE;
    }
    const srl__trie_symbol *symbol = srl__map_get(&trie->symbols, text);
    return symbol == NULL ? NONE : symbol->id;
}

static bool reserve_symbol_slot(srl__trie *trie)
{
    if (trie->symbol_free != NONE) {
        return true;
    }
    void *slots = trie->symbol_slots;
    if (!srl__grow_array(trie->alloc, &slots, &trie->symbol_capacity, trie->symbol_used + 1, MAX_SYMBOL,
                         sizeof(*trie->symbol_slots))) {
        return false;
    }
    trie->symbol_slots = slots;
    return true;
}

static void place_symbol(srl__trie *trie, srl__trie_symbol *symbol)
{
    if (trie->symbol_free != NONE) {
        symbol->id = trie->symbol_free;
        trie->symbol_free = trie->symbol_slots[symbol->id].next_free;
    } else {
        symbol->id = trie->symbol_used++;
    }
    trie->symbol_slots[symbol->id].symbol = symbol;
}

/* One more node refers to the text; NONE if out of memory. */
static uint32_t take_symbol(srl__trie *trie, srl__slice text)
{
    uint32_t id = find_symbol(trie, text);
    if (id != NONE) {
        trie->symbol_slots[id].symbol->refs++;
        return id;
    }
    srl__trie_symbol *symbol = reserve_symbol_slot(trie) ? srl__alloc(trie->alloc, symbol_size(text.len)) : NULL;
    if (symbol == NULL) {
        return NONE;
    }
    symbol->len = (uint32_t)text.len;
    symbol->refs = 1;
    if (text.len > 0) {
        memcpy(symbol->text, text.data, text.len);
    }
    if (srl__map_add(&trie->symbols, srl__slice_of(symbol->text, symbol->len), symbol) != SRL_OK) {
        srl__free(trie->alloc, symbol, symbol_size(text.len));
        return NONE;
    }
    place_symbol(trie, symbol);
    return symbol->id;
}

static void drop_symbol(srl__trie *trie, uint32_t id)
{
    if (id == NONE) {
        return;
    }
    srl__trie_symbol *symbol = trie->symbol_slots[id].symbol;
    if (--symbol->refs > 0) {
        return;
    }
    (void)srl__map_remove(&trie->symbols, srl__slice_of(symbol->text, symbol->len));
    srl__free(trie->alloc, symbol, symbol_size(symbol->len));
    trie->symbol_slots[id].next_free = trie->symbol_free;
    trie->symbol_free = id;
}

/* ---- nodes ---- */

static uint32_t hash_of(const srl__trie *trie, uint32_t parent, uint32_t key)
{
    uint64_t both = (uint64_t)parent << 32 | key;
    uint64_t hash = srl__bits_multiply_fold(both ^ trie->seed,
                                            UINT64_C(0x9E3779B97F4A7C15) ^ (trie->seed >> 17 | trie->seed << 47));
    return (uint32_t)(hash ^ hash >> 32);
}

static uint32_t find_child(srl__trie *trie, uint32_t parent, uint32_t key)
{
    const srl__trie_node *above = &trie->nodes[parent];
    trie->steps++;
    if (above->child != NONE && trie->nodes[above->child].key == key) {
        return above->child;
    }
    if (above->children == (above->child != NONE ? 1U : 0U)) {
        return NONE;
    }
    uint32_t mask = trie->index_capacity - 1;
    uint32_t hash = hash_of(trie, parent, key);
    for (uint32_t at = hash & mask; trie->index[at].node != NONE; at = (at + 1) & mask) {
        const srl__trie_node *node = &trie->nodes[trie->index[at].node];
        if (trie->index[at].hash == hash && node->parent == parent && node->key == key) {
            return trie->index[at].node;
        }
    }
    return NONE;
}

static void fill_slot(srl__trie *trie, srl__trie_slot slot)
{
    uint32_t mask = trie->index_capacity - 1;
    uint32_t at = slot.hash & mask;
    while (trie->index[at].node != NONE) {
        at = (at + 1) & mask;
    }
    trie->index[at] = slot;
}

static bool reserve_index(srl__trie *trie)
{
    if (trie->index_count < trie->index_capacity / 4 * 3) {
        return true;
    }
    uint32_t old_capacity = trie->index_capacity;
    srl__trie_slot *old = trie->index;
    uint32_t capacity = old_capacity == 0 ? MIN_INDEX : old_capacity * 2;
    srl__trie_slot *index = srl__alloc_zeroed(trie->alloc, capacity * sizeof(*index));
    if (index == NULL) {
        return false;
    }
    trie->index = index;
    trie->index_capacity = capacity;
    for (uint32_t i = 0; i < old_capacity; i++) {
        if (old[i].node != NONE) {
            fill_slot(trie, old[i]);
        }
    }
    srl__free(trie->alloc, old, old_capacity * sizeof(*old));
    return true;
}

/* Take a node out of the index and move those back that had been pushed past its place. */
static void unindex_node(srl__trie *trie, uint32_t id)
{
    uint32_t mask = trie->index_capacity - 1;
    uint32_t hole = hash_of(trie, trie->nodes[id].parent, trie->nodes[id].key) & mask;
    while (trie->index[hole].node != id) {
        hole = (hole + 1) & mask;
    }
    for (uint32_t at = (hole + 1) & mask; trie->index[at].node != NONE; at = (at + 1) & mask) {
        uint32_t pushed_by = (at - trie->index[at].hash) & mask;
        if (pushed_by >= ((at - hole) & mask)) {
            trie->index[hole] = trie->index[at];
            hole = at;
        }
    }
    trie->index[hole] = (srl__trie_slot){0};
    trie->index_count--;
}

static bool reserve_node(srl__trie *trie)
{
    void *nodes = trie->nodes;
    if (trie->node_free == NONE) {
        if (!srl__grow_array(trie->alloc, &nodes, &trie->node_capacity, trie->node_used + 1, MAX_NODES,
                             sizeof(*trie->nodes))) {
            return false;
        }
        trie->nodes = nodes;
    }
    return reserve_index(trie);
}

/* Needs reserve_node() before. */
static uint32_t place_node(srl__trie *trie, uint32_t parent, uint32_t key)
{
    uint32_t id = trie->node_free;
    if (id != NONE) {
        trie->node_free = trie->nodes[id].parent;
    } else {
        id = trie->node_used++;
    }
    trie->nodes[id] = (srl__trie_node){.parent = parent, .key = key, .partial_min = UINT8_MAX};
    return id;
}

static void free_node(srl__trie *trie, uint32_t id)
{
    trie->nodes[id].parent = trie->node_free;
    trie->node_free = id;
}

static void tell_parent_added(srl__trie *trie, uint32_t id)
{
    const srl__trie_node *node = &trie->nodes[id];
    srl__trie_node *parent = &trie->nodes[node->parent];
    parent->children++;
    if (parent->child == NONE) {
        parent->child = id;
    }
    if (kind_of(node) == SRL__STEP_WILD) {
        parent->flags |= HAS_WILD;
    } else if (kind_of(node) == SRL__STEP_TAIL) {
        parent->flags |= HAS_TAIL;
    } else if (kind_of(node) == SRL__STEP_LITERAL) {
        parent->flags |= HAS_LITERAL;
    } else if (kind_of(node) == SRL__STEP_EXACT) {
        parent->flags |= HAS_EXACT;
    } else {
        uint32_t len = trie->symbol_slots[symbol_of(node)].symbol->len;
        trie->partials[len]++;
        parent->flags |= HAS_PARTIAL;
        parent->partial_min = len < parent->partial_min ? (uint8_t)len : parent->partial_min;
        parent->partial_max = len > parent->partial_max ? (uint8_t)len : parent->partial_max;
    }
}

static void tell_parent_removed(srl__trie *trie, uint32_t id)
{
    const srl__trie_node *node = &trie->nodes[id];
    srl__trie_node *parent = &trie->nodes[node->parent];
    parent->children--;
    if (parent->child == id) {
        parent->child = NONE;
    }
    if (kind_of(node) == SRL__STEP_WILD) {
        parent->flags &= (uint8_t)~HAS_WILD;
    } else if (kind_of(node) == SRL__STEP_TAIL) {
        parent->flags &= (uint8_t)~HAS_TAIL;
    } else if (kind_of(node) == SRL__STEP_PARTIAL) {
        trie->partials[trie->symbol_slots[symbol_of(node)].symbol->len]--;
    }
}

static bool step_has_text(srl__pattern_step_kind kind)
{
    return kind == SRL__STEP_EXACT || kind == SRL__STEP_LITERAL || kind == SRL__STEP_PARTIAL;
}

static uint32_t add_child(srl__trie *trie, uint32_t parent, const srl__pattern_step *step)
{
    uint32_t symbol = NONE;
    if (!reserve_node(trie)) {
        return NONE;
    }
    if (step_has_text(step->kind)) {
        symbol = take_symbol(trie, step->text);
        if (symbol == NONE) {
            return NONE;
        }
    }
    uint32_t id = place_node(trie, parent, make_key(symbol, step->kind));
    fill_slot(trie, (srl__trie_slot){hash_of(trie, parent, trie->nodes[id].key), id});
    trie->index_count++;
    tell_parent_added(trie, id);
    return id;
}

static uint32_t find_step(srl__trie *trie, uint32_t parent, const srl__pattern_step *step)
{
    uint32_t symbol = NONE;
    if (step_has_text(step->kind)) {
        symbol = find_symbol(trie, step->text);
        if (symbol == NONE) {
            return NONE;
        }
    }
    return find_child(trie, parent, make_key(symbol, step->kind));
}

/* Remove a node, and what is above it, as far as it leads nowhere any more. */
static void prune(srl__trie *trie, srl__trie_set *set, uint32_t id)
{
    while (id != NONE && trie->nodes[id].children == 0 && (trie->nodes[id].flags & IS_END) == 0) {
        uint32_t parent = trie->nodes[id].parent;
        if (id == set->root) {
            set->root = NONE;
        } else {
            tell_parent_removed(trie, id);
            unindex_node(trie, id);
            drop_symbol(trie, symbol_of(&trie->nodes[id]));
        }
        free_node(trie, id);
        id = parent;
    }
}

/* ---- sets ---- */

uint32_t srl__trie_find(srl__trie *trie, const srl__trie_set *set, const srl__pattern *pattern)
{
    uint32_t at = set->root;
    for (uint32_t i = 0; i < pattern->count && at != NONE; i++) {
        at = find_step(trie, at, &pattern->steps[i]);
    }
    return at != NONE && (trie->nodes[at].flags & IS_END) != 0 ? at : NONE;
}

static void link_end(srl__trie *trie, srl__trie_set *set, uint32_t end, uint32_t value)
{
    srl__trie_node *node = &trie->nodes[end];
    node->flags |= IS_END;
    node->value = value;
    node->prev = NONE;
    node->next = set->first;
    if (set->first != NONE) {
        trie->nodes[set->first].prev = end;
    }
    set->first = end;
    set->count++;
}

int srl__trie_add(srl__trie *trie, srl__trie_set *set, const srl__pattern *pattern, uint32_t value, uint32_t *end)
{
    if (trie->node_used > MAX_NODES - SRL_PERMISSIONS_MAX_SEGMENTS - 1) {
        return SRL_ERR_LIMIT;
    }
    if (set->root == NONE) {
        if (!reserve_node(trie)) {
            return SRL_ERR_NOMEM;
        }
        set->root = place_node(trie, NONE, make_key(NONE, SRL__STEP_ROOT));
    }
    uint32_t at = set->root;
    for (uint32_t i = 0; i < pattern->count; i++) {
        uint32_t child = find_step(trie, at, &pattern->steps[i]);
        if (child == NONE) {
            child = add_child(trie, at, &pattern->steps[i]);
        }
        if (child == NONE) {
            prune(trie, set, at);
            return SRL_ERR_NOMEM;
        }
        at = child;
    }
    assert((trie->nodes[at].flags & IS_END) == 0);
    link_end(trie, set, at, value);
    if (end != NULL) {
        *end = at;
    }
    return SRL_OK;
}

void srl__trie_remove(srl__trie *trie, srl__trie_set *set, uint32_t end)
{
    srl__trie_node *node = &trie->nodes[end];
    if (node->prev != NONE) {
        trie->nodes[node->prev].next = node->next;
    } else {
        set->first = node->next;
    }
    if (node->next != NONE) {
        trie->nodes[node->next].prev = node->prev;
    }
    set->count--;
    node->flags &= (uint8_t)~IS_END;
    prune(trie, set, end);
}

void srl__trie_clear(srl__trie *trie, srl__trie_set *set)
{
    while (set->first != NONE) {
        srl__trie_remove(trie, set, set->first);
    }
}

/* ---- looking up ---- */

void srl__trie_subject_init(srl__trie_subject *subject, srl__slice channel)
{
    srl__slice rest = channel;
    subject->text = channel;
    subject->exact = UNKNOWN;
    subject->count = 0;
    for (bool is_last = false; !is_last && subject->count < SRL_PERMISSIONS_MAX_SEGMENTS;) {
        const char *colon = rest.len > 0 ? memchr(rest.data, ':', rest.len) : NULL;
        is_last = colon == NULL;
        size_t len = is_last ? rest.len : (size_t)(colon - rest.data);
        subject->symbols[subject->count] = UNKNOWN;
        subject->segments[subject->count++] = srl__slice_of(rest.data, len);
        subject->has_more = !is_last;
        if (!is_last) {
            rest = srl__slice_of(colon + 1, rest.len - len - 1);
        }
    }
}

static uint32_t segment_symbol(const srl__trie *trie, srl__trie_subject *subject, uint32_t i)
{
    if (subject->symbols[i] == UNKNOWN) {
        subject->symbols[i] = find_symbol(trie, subject->segments[i]);
    }
    return subject->symbols[i];
}

static uint32_t match_partial(srl__trie *trie, uint32_t node, const srl__trie_subject *subject, uint32_t i)
{
    bool is_last = i + 1 == subject->count && !subject->has_more;
    srl__slice segment = subject->segments[i];
    size_t longest = is_last && segment.len > 0 ? segment.len - 1 : segment.len;
    uint32_t shortest = trie->nodes[node].partial_min;
    if (longest > trie->nodes[node].partial_max) {
        longest = trie->nodes[node].partial_max;
    }
    for (size_t len = longest; len >= shortest && len > 0; len--) {
        if (trie->partials[len] == 0) {
            continue;
        }
        srl__pattern_step step = {srl__slice_of(segment.data, len), SRL__STEP_PARTIAL};
        trie->steps++;
        uint32_t child = find_step(trie, node, &step);
        if (child != NONE) {
            return child;
        }
    }
    return NONE;
}

/* Segments before `i` are matched by the way to `node`. No deeper than a pattern has segments. The number of nodes
 * visited is bounded by the number of ways to choose at most SRL_PERMISSIONS_MAX_WILDCARDS segments for a '*'. */
static uint32_t match_from(srl__trie *trie, uint32_t node, srl__trie_subject *subject, uint32_t i)
{
    uint8_t flags = trie->nodes[node].flags;
    uint32_t found = NONE;
    if (i == subject->count) {
        return (flags & IS_END) != 0 && !subject->has_more ? node : NONE;
    }
    uint32_t symbol = (flags & HAS_LITERAL) != 0 ? segment_symbol(trie, subject, i) : NONE;
    if (symbol != NONE) {
        uint32_t child = find_child(trie, node, make_key(symbol, SRL__STEP_LITERAL));
        found = child == NONE ? NONE : match_from(trie, child, subject, i + 1);
    }
    if (found == NONE && (flags & HAS_PARTIAL) != 0) {
        found = match_partial(trie, node, subject, i);
    }
    if (found == NONE && (flags & HAS_WILD) != 0 && subject->segments[i].len > 0) {
        uint32_t child = find_child(trie, node, make_key(NONE, SRL__STEP_WILD));
        found = match_from(trie, child, subject, i + 1);
    }
    bool has_rest = subject->segments[i].len > 0 || i + 1 < subject->count || subject->has_more;
    if (found == NONE && (flags & HAS_TAIL) != 0 && has_rest) {
        found = find_child(trie, node, make_key(NONE, SRL__STEP_TAIL));
    }
    return found;
}

uint32_t srl__trie_match(srl__trie *trie, const srl__trie_set *set, srl__trie_subject *subject)
{
    if (set->root == NONE) {
        return NONE;
    }
    bool may_be_exact = (trie->nodes[set->root].flags & HAS_EXACT) != 0;
    if (may_be_exact && subject->exact == UNKNOWN) {
        subject->exact = find_symbol(trie, subject->text);
    }
    uint32_t found = NONE;
    if (may_be_exact && subject->exact != NONE) {
        found = find_child(trie, set->root, make_key(subject->exact, SRL__STEP_EXACT));
    }
    return found != NONE ? found : match_from(trie, set->root, subject, 0);
}

srl__slice srl__trie_text(const srl__trie *trie, uint32_t end, char out[SRL_PERMISSIONS_MAX_PATTERN_LENGTH])
{
    size_t at = SRL_PERMISSIONS_MAX_PATTERN_LENGTH;
    for (uint32_t id = end; kind_of(&trie->nodes[id]) != SRL__STEP_ROOT; id = trie->nodes[id].parent) {
        srl__pattern_step_kind kind = kind_of(&trie->nodes[id]);
        if (id != end) {
            out[--at] = ':';
        }
        if (!step_has_text(kind) || kind == SRL__STEP_PARTIAL) {
            out[--at] = '*';
        }
        if (step_has_text(kind)) {
            const srl__trie_symbol *symbol = trie->symbol_slots[symbol_of(&trie->nodes[id])].symbol;
            at -= symbol->len;
            memcpy(out + at, symbol->text, symbol->len);
        }
    }
    return srl__slice_of(out + at, SRL_PERMISSIONS_MAX_PATTERN_LENGTH - at);
}
