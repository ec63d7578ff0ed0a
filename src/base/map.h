/* Hash map from strings to pointers: a dense array of entries, found through an open-addressed index. Keys are not
 * copied: they live in the values' own memory and must stay in place while the entry is in the map. Hashes are seeded,
 * so a peer cannot choose colliding names; the order of a walk does not depend on the seed. */
#ifndef SRL__MAP_H
#define SRL__MAP_H

#include "base/alloc.h"
#include "base/slice.h"

typedef struct srl__map_entry {
    const char *key;
    void *value;
    uint32_t key_len;
    uint32_t hash;
} srl__map_entry;

typedef struct srl__map_slot {
    uint32_t hash;
    uint32_t entry; /* its position + 1; 0: the slot is free */
} srl__map_slot;

typedef struct srl__map {
    const srl_allocator *alloc;
    srl__map_entry *entries; /* `count` of them, without holes */
    srl__map_slot *slots;    /* in the same block, behind the entries */
    uint32_t capacity;       /* of slots: 0 or a power of two */
    uint32_t count;
    uint64_t seed;
} srl__map;

void srl__map_init(srl__map *map, const srl_allocator *alloc, uint64_t seed);
void srl__map_free(srl__map *map); /* frees the table, not the values */
void *srl__map_get(const srl__map *map, srl__slice key);
/* Add an entry; the key must not be present, value not NULL. SRL_OK, SRL_ERR_NOMEM, SRL_ERR_LIMIT past 2^30
 * entries or for a key of 4 GiB. */
int srl__map_add(srl__map *map, srl__slice key, void *value);
/* Take an entry out; its value, or NULL if there is none. Shrinks the table when it is mostly empty
 * (a failed shrink is not an error). */
void *srl__map_remove(srl__map *map, srl__slice key);
/* Walk: start with *cursor = 0; NULL at the end. Entries may be removed during the walk: none of the others is missed,
 * and as long as it is only ever the entry just returned, none is returned twice. One added meanwhile may be missed. */
void *srl__map_next(const srl__map *map, uint32_t *cursor);

uint64_t srl__hash_bytes(const void *data, size_t len, uint64_t seed);

#endif
