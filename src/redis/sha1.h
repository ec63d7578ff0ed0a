/* SHA-1, for the names of scripts only. */
#ifndef SRL__SHA1_H
#define SRL__SHA1_H

#include <stddef.h>

/* 40 lower-case hexadecimal digits and a zero byte. */
void srl__sha1_hex(const void *data, size_t len, char out[41]);

#endif
