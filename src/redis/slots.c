#include "redis/slots.h"

bool srl__redis_slots_reserve(const srl_allocator *alloc, srl__redis_slots *slots, uint32_t more)
{
    uint32_t need = slots->count + more;
    uint32_t grown = slots->capacity > 0 ? slots->capacity : 16;
    if (need < slots->count || need > UINT32_MAX / 4) {
        return false;
    }
    if (need <= slots->capacity) {
        return true;
    }
    while (grown < need) {
        grown *= 2;
    }
    srl__redis_slot *items = srl__alloc(alloc, grown * sizeof(*items));
    if (items == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < slots->count; i++) {
        items[i] = *srl__redis_slots_at(slots, i);
    }
    srl__free(alloc, slots->items, slots->capacity * sizeof(*items));
    slots->items = items;
    slots->capacity = grown;
    slots->head = 0;
    return true;
}

void srl__redis_slots_push(srl__redis_slots *slots, const srl__redis_slot *slot)
{
    slots->items[(slots->head + slots->count) & (slots->capacity - 1)] = *slot;
    slots->count++;
}

srl__redis_slot srl__redis_slots_pop(srl__redis_slots *slots)
{
    srl__redis_slot slot = slots->items[slots->head];
    slots->head = (slots->head + 1) & (slots->capacity - 1);
    slots->count--;
    return slot;
}

srl__redis_slot srl__redis_slots_remove(srl__redis_slots *slots, uint32_t index)
{
    srl__redis_slot slot = *srl__redis_slots_at(slots, index);
    for (uint32_t i = index; i + 1 < slots->count; i++) {
        *srl__redis_slots_at(slots, i) = *srl__redis_slots_at(slots, i + 1);
    }
    slots->count--;
    return slot;
}

void srl__redis_slots_free(const srl_allocator *alloc, srl__redis_slots *slots)
{
    srl__free(alloc, slots->items, slots->capacity * sizeof(*slots->items));
    *slots = (srl__redis_slots){NULL, 0, 0, 0};
}

srl__redis_blob *srl__redis_blob_create(const srl_allocator *alloc, size_t len)
{
    size_t size;
    srl__redis_blob *blob = srl__size_of_array(len, 1, sizeof(*blob), &size) ? srl__alloc(alloc, size) : NULL;
    if (blob != NULL) {
        atomic_init(&blob->refs, 1);
        blob->alloc = *alloc;
        blob->len = len;
    }
    return blob;
}

void srl__redis_blob_unref(srl__redis_blob *blob)
{
    if (blob != NULL && atomic_fetch_sub(&blob->refs, 1) == 1) {
        srl_allocator alloc = blob->alloc;
        srl__free(&alloc, blob, sizeof(*blob) + blob->len);
    }
}

void srl__redis_slot_clear(srl__redis_slot *slot)
{
    if (slot->command != NULL) {
        srl__command_unref(slot->command);
        slot->command = NULL;
    }
    srl__redis_blob_unref(slot->raw);
    slot->raw = NULL;
}
