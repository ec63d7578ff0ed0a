/* A checked cursor over bytes: no fetch ever leaves the slice. */
#ifndef SRL__READER_H
#define SRL__READER_H

#include "base/slice.h"

typedef struct srl__reader {
    const char *begin;
    const char *at;
    const char *end;
} srl__reader;

void srl__reader_init(srl__reader *r, const void *data, size_t len);
size_t srl__reader_left(const srl__reader *r);
size_t srl__reader_offset(const srl__reader *r);
bool srl__reader_byte(srl__reader *r, uint8_t *out);
bool srl__reader_bytes(srl__reader *r, size_t len, srl__slice *out);
/* Up to the next `stop` byte, which is consumed but not part of the slice; false if there is none. */
bool srl__reader_until(srl__reader *r, char stop, srl__slice *out);
/* A run of 1-20 digits without sign; false on no digit or overflow of 64 bits (position unchanged then). */
bool srl__reader_u64(srl__reader *r, uint64_t *out);

#endif
