/*
 * json_scan.h - the small steps that JSON readers are made of.
 */
#ifndef EXAMPLES_JSON_SCAN_H
#define EXAMPLES_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/* What is left to read. */
typedef struct json_cursor {
    const char *at;
    const char *end;
} json_cursor;

/* Where an unescaped string goes: what does not fit is only counted. */
typedef struct json_sink {
    char *data;
    size_t size;
    size_t len;
} json_sink;

void json_skip_space(json_cursor *c);

/** Skip white space and this character; false if another one comes. */
bool json_take(json_cursor *c, char expected);

/** Read a string; false if there is none or it is malformed, has a character zero or half a surrogate pair. */
bool json_take_string(json_cursor *c, json_sink *out);

#endif
