#include "base/table.h"

#include <string.h>

void srl__table_fill(void *table, size_t size, const void *values, size_t values_size)
{
    uint32_t noted = (uint32_t)size;

    memset(table, 0, size);
    memcpy(table, values, size < values_size ? size : values_size);
    memcpy(table, &noted, sizeof(noted));
}

static uint32_t size_of(const void *table)
{
    uint32_t size = 0;

    memcpy(&size, table, sizeof(size));
    return size;
}

/* No table is ever longer; a size beyond it was never set. */
enum { LONGEST = 4096 };

static bool is_zero_from(const void *table, size_t from)
{
    const unsigned char *bytes = table;

    if (size_of(table) > LONGEST) {
        return false;
    }
    for (size_t i = from; i < size_of(table); i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

bool srl__table_fits(const void *given, size_t ours)
{
    return size_of(given) >= ours && is_zero_from(given, ours);
}

bool srl__table_take(void *out, size_t out_size, const void *given, size_t at_least)
{
    uint32_t size = size_of(given);
    uint32_t ours = (uint32_t)out_size;

    if (size < at_least || !is_zero_from(given, out_size)) {
        return false;
    }
    memset(out, 0, out_size);
    memcpy(out, given, size < out_size ? size : out_size);
    memcpy(out, &ours, sizeof(ours));
    return true;
}
