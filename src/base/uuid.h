/* Random ids as text. */
#ifndef SRL__UUID_H
#define SRL__UUID_H

#include <stdint.h>

#define SRL__UUID_LEN 36

/* In the form of a UUID, with a terminating zero. */
void srl__uuid_write(const uint8_t bytes[16], char out[SRL__UUID_LEN + 1]);

#endif
