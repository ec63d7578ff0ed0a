/* Public structs that begin with their size: callback tables and questions. Programs may have been built with a header
 * in which they were shorter or longer. */
#ifndef SRL__TABLE_H
#define SRL__TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fill the caller's `size` bytes: the size itself as first member, then what `values` has as far as it fits, zeros
 * behind. */
void srl__table_fill(void *table, size_t size, const void *values, size_t values_size);

/* Whether a given table is at least as long as ours and has only zeros beyond it: then it can be read as ours. */
bool srl__table_fits(const void *given, size_t ours);

/* Copy a given table into ours: what it lacks at the end is zero; what it has beyond ours must be zero. False if that
 * is not so, or if it is shorter than `at_least`. */
bool srl__table_take(void *out, size_t out_size, const void *given, size_t at_least);

#endif
