/* read_file.h - a whole file in memory. */
#ifndef EXAMPLES_READ_FILE_H
#define EXAMPLES_READ_FILE_H

#include <stddef.h>

/** The bytes of a file, to be freed by free(); NULL if it cannot be read, or has more than `max` bytes. */
char *read_file(const char *path, size_t max, size_t *len);

#endif
