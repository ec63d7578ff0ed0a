#include "base/map.h"

#include "base/bits.h"

#include <assert.h>
#include <streamrelay/error.h>

#define SRL__MAP_MIN_CAPACITY 8U
#define SRL__MAP_MAX_COUNT    (UINT32_C(1) << 30)
#define SRL__MAP_NO_SLOT      UINT32_MAX

static uint64_t load_le64(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 |
           (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

static uint64_t scramble(uint64_t n)
{
    n = (n ^ n >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    n = (n ^ n >> 27) * UINT64_C(0x94D049BB133111EB);
    return n ^ n >> 31;
}

/* Both factors of every product are masked with something that only the seed tells, so no input can be chosen that
 * makes one of them 0 or swaps them. */
uint64_t srl__hash_bytes(const void *data, size_t len, uint64_t seed)
{
    const uint8_t *at = data;
    uint64_t key = scramble(seed + UINT64_C(0x9E3779B97F4A7C15));
    uint64_t state = scramble(key + UINT64_C(0x9E3779B97F4A7C15));
    size_t left = len;
    for (; left >= 16; left -= 16, at += 16) {
        state = srl__bits_multiply_fold(load_le64(at) ^ key, load_le64(at + 8) ^ state);
    }
    uint8_t tail[16] = {0};
    if (left > 0) {
        memcpy(tail, at, left);
    }
    state = srl__bits_multiply_fold(load_le64(tail) ^ key, load_le64(tail + 8) ^ state);
    return srl__bits_multiply_fold(state ^ scramble(key ^ len), key ^ UINT64_C(0xD6E8FEB86659FD93));
}

static uint32_t hash_key(const srl__map *map, srl__slice key)
{
    uint64_t hash = srl__hash_bytes(key.data, key.len, map->seed);
    return (uint32_t)(hash ^ hash >> 32);
}

static uint32_t entries_of(uint32_t capacity)
{
    return capacity / 4 * 3;
}

static bool block_size(uint32_t capacity, size_t *entries_size, size_t *size)
{
    return srl__size_of_array(entries_of(capacity), sizeof(srl__map_entry), 0, entries_size) &&
           srl__size_of_array(capacity, sizeof(srl__map_slot), *entries_size, size);
}

static void free_block(srl__map *map)
{
    size_t entries_size = 0, size = 0;
    if (map->entries != NULL && block_size(map->capacity, &entries_size, &size)) {
        srl__free(map->alloc, map->entries, size);
    }
}

void srl__map_init(srl__map *map, const srl_allocator *alloc, uint64_t seed)
{
    *map = (srl__map){.alloc = alloc, .seed = seed};
}

void srl__map_free(srl__map *map)
{
    free_block(map);
    srl__map_init(map, map->alloc, map->seed);
}

static void index_entry(srl__map *map, uint32_t position)
{
    uint32_t mask = map->capacity - 1;
    uint32_t hash = map->entries[position].hash;
    uint32_t at = hash & mask;
    while (map->slots[at].entry != 0) {
        at = (at + 1) & mask;
    }
    map->slots[at] = (srl__map_slot){.hash = hash, .entry = position + 1};
}

static bool change_capacity(srl__map *map, uint32_t capacity)
{
    size_t entries_size, size;
    if (!block_size(capacity, &entries_size, &size)) {
        return false;
    }
    char *block = srl__alloc(map->alloc, size);
    if (block == NULL) {
        return false;
    }
    if (map->count > 0) {
        memcpy(block, map->entries, map->count * sizeof(srl__map_entry));
    }
    memset(block + entries_size, 0, size - entries_size);
    free_block(map);
    map->entries = (srl__map_entry *)(void *)block;
    map->slots = (srl__map_slot *)(void *)(block + entries_size);
    map->capacity = capacity;
    for (uint32_t i = 0; i < map->count; i++) {
        index_entry(map, i);
    }
    return true;
}

static uint32_t find_slot(const srl__map *map, srl__slice key)
{
    if (map->count == 0 || key.len > UINT32_MAX) {
        return SRL__MAP_NO_SLOT;
    }
    uint32_t mask = map->capacity - 1;
    uint32_t hash = hash_key(map, key);
    for (uint32_t at = hash & mask; map->slots[at].entry != 0; at = (at + 1) & mask) {
        if (map->slots[at].hash != hash) {
            continue;
        }
        const srl__map_entry *entry = &map->entries[map->slots[at].entry - 1];
        if (srl__slice_equal(srl__slice_of(entry->key, entry->key_len), key)) {
            return at;
        }
    }
    return SRL__MAP_NO_SLOT;
}

void *srl__map_get(const srl__map *map, srl__slice key)
{
    uint32_t at = find_slot(map, key);
    return at == SRL__MAP_NO_SLOT ? NULL : map->entries[map->slots[at].entry - 1].value;
}

int srl__map_add(srl__map *map, srl__slice key, void *value)
{
    if (map->count >= SRL__MAP_MAX_COUNT || key.len > UINT32_MAX) {
        return SRL_ERR_LIMIT;
    }
    assert(value != NULL && find_slot(map, key) == SRL__MAP_NO_SLOT);
    if (map->count == entries_of(map->capacity)) {
        uint32_t capacity = map->capacity == 0 ? SRL__MAP_MIN_CAPACITY : map->capacity * 2;
        if (!change_capacity(map, capacity)) {
            return SRL_ERR_NOMEM;
        }
    }
    map->entries[map->count] = (srl__map_entry){
        .key = key.data,
        .value = value,
        .key_len = (uint32_t)key.len,
        .hash = hash_key(map, key),
    };
    index_entry(map, map->count);
    map->count++;
    return SRL_OK;
}

/* Free a slot and close the gap with those behind it that had been pushed past it. */
static void clear_slot(srl__map *map, uint32_t hole)
{
    uint32_t mask = map->capacity - 1;
    for (uint32_t at = (hole + 1) & mask; map->slots[at].entry != 0; at = (at + 1) & mask) {
        uint32_t pushed_by = (at - map->slots[at].hash) & mask;
        if (pushed_by >= ((at - hole) & mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole] = (srl__map_slot){0};
}

static void move_entry(srl__map *map, uint32_t from, uint32_t to)
{
    uint32_t mask = map->capacity - 1;
    uint32_t at = map->entries[from].hash & mask;
    while (map->slots[at].entry != from + 1) {
        at = (at + 1) & mask;
    }
    map->slots[at].entry = to + 1;
    map->entries[to] = map->entries[from];
}

void *srl__map_remove(srl__map *map, srl__slice key)
{
    uint32_t slot = find_slot(map, key);
    if (slot == SRL__MAP_NO_SLOT) {
        return NULL;
    }
    uint32_t position = map->slots[slot].entry - 1;
    void *value = map->entries[position].value;
    clear_slot(map, slot);
    map->count--;
    if (position != map->count) {
        move_entry(map, map->count, position);
    }
    if (map->capacity > SRL__MAP_MIN_CAPACITY && map->count < map->capacity / 8) {
        (void)change_capacity(map, map->capacity / 2);
    }
    return value;
}

/* Goes from the last entry to the first: a removal fills its place with the last one, which was visited before.
 * *cursor is one more than the position last returned. */
void *srl__map_next(const srl__map *map, uint32_t *cursor)
{
    uint32_t left = *cursor == 0 || *cursor > map->count ? map->count : *cursor - 1;
    if (left == 0) {
        *cursor = 1;
        return NULL;
    }
    *cursor = left;
    return map->entries[left - 1].value;
}
