/* UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing above U+10FFFF. */
#ifndef SRL__UTF8_H
#define SRL__UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether all of it is valid; fast for ASCII. */
bool srl__utf8_valid(const void *data, size_t len);
/* Length (1-4) of the valid sequence at data, 0 if it is invalid or cut off by len. */
size_t srl__utf8_sequence(const uint8_t *data, size_t len);
/* Encode a code point (not a surrogate, <= 0x10FFFF) into out; 1-4. */
size_t srl__utf8_encode(uint32_t code_point, uint8_t out[4]);

#endif
