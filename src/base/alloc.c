#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"

static void *default_alloc(size_t size, void *user)
{
    (void)user;
    return malloc(size);
}

static void *default_resize(void *ptr, size_t old_size, size_t new_size, void *user)
{
    (void)old_size;
    (void)user;
    return realloc(ptr, new_size);
}

static void default_free(void *ptr, size_t size, void *user)
{
    (void)size;
    (void)user;
    free(ptr);
}

void srl_allocator_init(srl_allocator *allocator, size_t size)
{
    srl_allocator system = {.alloc = default_alloc, .resize = default_resize, .free = default_free};
    srl__table_fill(allocator, size, &system, sizeof(system));
}

bool srl__allocator_take(srl_allocator *out, const srl_allocator *given)
{
    if (given == NULL) {
        srl_allocator_init(out, sizeof(*out));
        return true;
    }
    srl_allocator taken;
    if (!srl__table_take(&taken, sizeof(taken), given, sizeof(taken)) || taken.alloc == NULL || taken.resize == NULL ||
        taken.free == NULL) {
        return false;
    }
    *out = taken;
    return true;
}

void *srl__alloc_zeroed(const srl_allocator *a, size_t size)
{
    void *ptr = srl__alloc(a, size);
    if (ptr != NULL) {
        memset(ptr, 0, size);
    }
    return ptr;
}

void *srl__resize(const srl_allocator *a, void *ptr, size_t old_size, size_t new_size)
{
    assert(new_size > 0);
    if (ptr == NULL) {
        return srl__alloc(a, new_size);
    }
    return a->resize(ptr, old_size, new_size, a->user);
}

void *srl__copy_bytes(const srl_allocator *a, const void *data, size_t len)
{
    void *copy = srl__alloc(a, len > 0 ? len : 1);
    if (copy != NULL && len > 0) {
        memcpy(copy, data, len);
    }
    return copy;
}

void srl__free_bytes(const srl_allocator *a, void *data, size_t len)
{
    srl__free(a, data, len > 0 ? len : 1);
}

bool srl__size_of_array(size_t count, size_t size, size_t extra, size_t *out)
{
    if (size != 0 && count > (SIZE_MAX - extra) / size) {
        return false;
    }
    *out = count * size + extra;
    return true;
}

static uint32_t grown_capacity(uint32_t capacity, uint32_t need, uint32_t max)
{
    uint64_t wanted = (uint64_t)capacity + capacity / 2;
    if (wanted < 4) {
        wanted = 4;
    }
    if (wanted < need) {
        wanted = need;
    }
    return wanted > max ? max : (uint32_t)wanted;
}

bool srl__grow_array(const srl_allocator *a, void **items, uint32_t *capacity, uint32_t need, uint32_t max, size_t size)
{
    if (need > max) {
        return false;
    }
    if (need <= *capacity) {
        return true;
    }
    uint32_t grown = grown_capacity(*capacity, need, max);
    size_t new_size;
    if (!srl__size_of_array(grown, size, 0, &new_size)) {
        return false;
    }
    void *moved = srl__resize(a, *items, *capacity * size, new_size);
    if (moved == NULL) {
        return false;
    }
    *items = moved;
    *capacity = grown;
    return true;
}
