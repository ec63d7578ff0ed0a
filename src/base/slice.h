/* A run of bytes that belongs to somebody else. */
#ifndef SRL__SLICE_H
#define SRL__SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct srl__slice {
    const char *data;
    size_t len;
} srl__slice;

/* A slice of a string literal. */
#define SRL__LIT(literal) ((srl__slice){(literal), sizeof(literal) - 1})

static inline srl__slice srl__slice_of(const char *data, size_t len)
{
    return (srl__slice){data, len};
}

static inline bool srl__slice_equal(srl__slice a, srl__slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool srl__slice_starts_with(srl__slice text, srl__slice prefix)
{
    return text.len >= prefix.len && (prefix.len == 0 || memcmp(text.data, prefix.data, prefix.len) == 0);
}

#endif
