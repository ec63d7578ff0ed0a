/* The words that go with an error. */
#ifndef SRL__PERMISSIONS_WHY_H
#define SRL__PERMISSIONS_WHY_H

#include "base/slice.h"

typedef struct srl__why {
    char text[512];
} srl__why;

#if defined(__GNUC__)
#define SRL__WHY_FORMAT __attribute__((format(printf, 3, 4)))
#else
#define SRL__WHY_FORMAT
#endif

/* Note the words and return `error`. Cut to fit at a character's end; control characters become '?'. */
int srl__why_set(srl__why *why, int error, const char *format, ...) SRL__WHY_FORMAT;

/* Put a place in front of what is there. */
void srl__why_put_before(srl__why *why, const char *place);

/* A slice as two arguments for "%.*s". */
#define SRL__WHY_ARG(slice) (int)((slice).len > 300 ? 300 : (slice).len), ((slice).len > 0 ? (slice).data : "")

#endif
