#include "engine/subscriptions.h"

#include <string.h>

enum { SMALLEST = 2 };

static uint32_t home_of(const srl__room *room, uint32_t capacity)
{
    uint64_t n = (uint64_t)(uintptr_t)room * UINT64_C(0x9e3779b97f4a7c15);

    return (uint32_t)(n >> 32) & (capacity - 1);
}

srl__subscription *srl__subscriptions_find(const srl__subscriptions *s, const srl__room *room)
{
    if (s->count == 0) {
        return NULL;
    }
    for (uint32_t i = home_of(room, s->capacity);; i = (i + 1) & (s->capacity - 1)) {
        if (s->slots[i].room == room) {
            return &s->slots[i];
        }
        if (s->slots[i].room == NULL) {
            return NULL;
        }
    }
}

static srl__subscription *free_slot(srl__subscription *slots, uint32_t capacity, const srl__room *room)
{
    uint32_t i = home_of(room, capacity);

    while (slots[i].room != NULL) {
        i = (i + 1) & (capacity - 1);
    }
    return &slots[i];
}

static bool resize(srl__subscriptions *s, const srl_allocator *alloc, uint32_t capacity)
{
    srl__subscription *slots = srl__alloc_zeroed(alloc, capacity * sizeof(*slots));

    if (slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < s->capacity; i++) {
        if (s->slots[i].room != NULL) {
            *free_slot(slots, capacity, s->slots[i].room) = s->slots[i];
        }
    }
    srl__free(alloc, s->slots, s->capacity * sizeof(*slots));
    s->slots = slots;
    s->capacity = capacity;
    return true;
}

srl__subscription *srl__subscriptions_add(srl__subscriptions *s, const srl_allocator *alloc, srl__room *room)
{
    srl__subscription *slot = NULL;

    /* one slot stays free, so that every search ends */
    if (s->capacity == 0 || s->count + 1 > s->capacity - s->capacity / 8 - 1) {
        if (!resize(s, alloc, s->capacity == 0 ? SMALLEST : s->capacity * 2)) {
            return NULL;
        }
    }
    slot = free_slot(s->slots, s->capacity, room);
    memset(slot, 0, sizeof(*slot));
    slot->room = room;
    s->count++;
    return slot;
}

void srl__subscriptions_remove(srl__subscriptions *s, const srl_allocator *alloc, srl__subscription *entry)
{
    uint32_t mask = s->capacity - 1;
    uint32_t hole = (uint32_t)(entry - s->slots);

    for (uint32_t i = (hole + 1) & mask; s->slots[i].room != NULL; i = (i + 1) & mask) {
        uint32_t home = home_of(s->slots[i].room, s->capacity);

        if (((i - home) & mask) >= ((i - hole) & mask)) {
            s->slots[hole] = s->slots[i];
            hole = i;
        }
    }
    s->slots[hole].room = NULL;
    s->count--;
    if (s->count == 0) {
        srl__subscriptions_free(s, alloc);
    } else if (s->capacity > 16 && s->count < s->capacity / 8) {
        (void)resize(s, alloc, s->capacity / 4);
    }
}

srl__subscription *srl__subscriptions_any(const srl__subscriptions *s, uint32_t *hint)
{
    if (s->count == 0) {
        return NULL;
    }
    *hint &= s->capacity - 1;
    while (s->slots[*hint].room == NULL) {
        *hint = (*hint + 1) & (s->capacity - 1);
    }
    return &s->slots[*hint];
}

void srl__subscriptions_free(srl__subscriptions *s, const srl_allocator *alloc)
{
    srl__free(alloc, s->slots, s->capacity * sizeof(*s->slots));
    memset(s, 0, sizeof(*s));
}
