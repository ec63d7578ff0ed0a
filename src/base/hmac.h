/* HMAC (RFC 2104) over SHA-2, and comparing in constant time. */
#ifndef SRL__HMAC_H
#define SRL__HMAC_H

#include <stdbool.h>

#include "base/sha2.h"
#include "base/slice.h"

/* The code of a message; its length is that of the digest. out has room for it. */
size_t srl__hmac(srl__sha2_kind kind, srl__slice key, srl__slice message, uint8_t *out);

/* Whether two secrets are equal, in a time that does not depend on where they differ. */
bool srl__equal_in_constant_time(const void *a, const void *b, size_t len);

/* Overwrite a secret in a way that is not optimized away. */
void srl__wipe(void *data, size_t len);

#endif
