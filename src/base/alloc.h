/* Memory through the host's table. Every block is given back with its size. */
#ifndef SRL__ALLOC_H
#define SRL__ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <streamrelay/platform.h>

static inline void *srl__alloc(const srl_allocator *a, size_t size)
{
    return a->alloc(size, a->user);
}

/* As srl__alloc, zeroed. */
void *srl__alloc_zeroed(const srl_allocator *a, size_t size);

/* ptr may be NULL with old_size 0. */
void *srl__resize(const srl_allocator *a, void *ptr, size_t old_size, size_t new_size);

/* ptr may be NULL. */
static inline void srl__free(const srl_allocator *a, void *ptr, size_t size)
{
    if (ptr != NULL) {
        a->free(ptr, size, a->user);
    }
}

/* A copy of len bytes (one byte is allocated for len 0, so NULL always means out of memory). Free with srl__free_bytes.
 */
void *srl__copy_bytes(const srl_allocator *a, const void *data, size_t len);
void srl__free_bytes(const srl_allocator *a, void *data, size_t len);

/* count * size + extra, false on overflow. */
bool srl__size_of_array(size_t count, size_t size, size_t extra, size_t *out);

/* Grow a dynamic array of elements of `size` bytes to hold at least `need` of them (need <= max, else false).
 * *items and *capacity are updated only on success. Growth is by half, at least 4. */
bool srl__grow_array(const srl_allocator *a, void **items, uint32_t *capacity, uint32_t need, uint32_t max,
                     size_t size);

/* Take *table if it is given and its size is right, else the default one; false if its size is unknown or a
 * function is missing. */
bool srl__allocator_take(srl_allocator *out, const srl_allocator *given);

#endif
