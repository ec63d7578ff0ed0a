/* Bit and multiply primitives: the compiler's where it has them, and portable ones that give the same. */
#ifndef SRL__BITS_H
#define SRL__BITS_H

#include <stdint.h>

static inline uint32_t srl__bits_highest_portable(uint64_t n)
{
    uint32_t at = 0;
    for (uint32_t step = 32; step > 0; step /= 2) {
        if (n >> step != 0) {
            n >>= step;
            at += step;
        }
    }
    return at;
}

static inline uint32_t srl__bits_lowest_portable(uint64_t n)
{
    return srl__bits_highest_portable(n & (~n + 1));
}

static inline uint64_t srl__bits_multiply_fold_portable(uint64_t a, uint64_t b)
{
    uint64_t a_low = a & UINT32_MAX, a_high = a >> 32;
    uint64_t b_low = b & UINT32_MAX, b_high = b >> 32;
    uint64_t low = a_low * b_low;
    uint64_t middle = a_high * b_low + (low >> 32);
    uint64_t middle2 = a_low * b_high + (middle & UINT32_MAX);
    uint64_t high = a_high * b_high + (middle >> 32) + (middle2 >> 32);
    return (middle2 << 32 | (low & UINT32_MAX)) ^ high;
}

/* Position (0-63) of the lowest set bit; n is not 0. */
static inline uint32_t srl__bits_lowest(uint64_t n)
{
#if defined(__GNUC__)
    return (uint32_t)__builtin_ctzll(n);
#else
    return srl__bits_lowest_portable(n);
#endif
}

/* Position (0-63) of the highest set bit; n is not 0. */
static inline uint32_t srl__bits_highest(uint64_t n)
{
#if defined(__GNUC__)
    return 63 - (uint32_t)__builtin_clzll(n);
#else
    return srl__bits_highest_portable(n);
#endif
}

/* Both halves of the 128-bit product, xored. */
static inline uint64_t srl__bits_multiply_fold(uint64_t a, uint64_t b)
{
#if defined(__SIZEOF_INT128__)
    __extension__ typedef unsigned __int128 product;
    product p = (product)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
#else
    return srl__bits_multiply_fold_portable(a, b);
#endif
}

#endif
