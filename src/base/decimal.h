/* Numbers as decimal digits, no locale. */
#ifndef SRL__DECIMAL_H
#define SRL__DECIMAL_H

#include <stdint.h>

#include "base/slice.h"

enum { SRL__DECIMAL_MAX = 20 };

/* Write the digits of n before `end`; where they begin. */
char *srl__decimal_before(char *end, uint64_t n);

/* The same at the end of `text`. */
static inline srl__slice srl__decimal(uint64_t n, char text[SRL__DECIMAL_MAX])
{
    const char *begin = srl__decimal_before(text + SRL__DECIMAL_MAX, n);
    return srl__slice_of(begin, (size_t)(text + SRL__DECIMAL_MAX - begin));
}

#endif
