/* Base64 (RFC 4648), strict: no other characters, padding exactly where it belongs, no bits left over. */
#ifndef SRL__BASE64_H
#define SRL__BASE64_H

#include "base/slice.h"

typedef enum srl__base64_kind {
    SRL__BASE64 = 0,    /* "+" and "/", padded */
    SRL__BASE64_URL = 1 /* "-" and "_", not padded */
} srl__base64_kind;

/* Characters that `len` bytes make; len < SIZE_MAX / 2. */
size_t srl__base64_encoded_len(size_t len, srl__base64_kind kind);
/* Returns what it wrote: srl__base64_encoded_len. No terminator. */
size_t srl__base64_encode(char *out, const void *data, size_t len, srl__base64_kind kind);

/* At most this many bytes come out of `len` characters. */
size_t srl__base64_max_decoded_len(size_t len);
/* out may be the text's own memory. */
bool srl__base64_decode(void *out, size_t *out_len, srl__slice text, srl__base64_kind kind);

#endif
