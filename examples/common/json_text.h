/*
 * json_text.h - JSON that is being written: into memory of fixed size, or into memory that grows up to a maximum.
 */
#ifndef EXAMPLES_JSON_TEXT_H
#define EXAMPLES_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What does not fit sets `cut` and is left out, like all that comes after it. */
typedef struct json_text {
    char *data; /* with max > 0: NULL at first, grows; give it back by json_text_free() */
    size_t size;
    size_t len;
    bool cut;
    size_t max; /* 0: `data` has `size` bytes for ever */
} json_text;

/** Append JSON as it is. */
void json_text_add(json_text *text, const char *json);
void json_text_add_n(json_text *text, const char *json, size_t len);

/** Append a string: quoted, and escaped where it must be. */
void json_text_add_string(json_text *text, const char *value, size_t len);

void json_text_add_number(json_text *text, uint64_t value);

/** Give the memory of a growing text back; it is empty then. */
void json_text_free(json_text *text);

#endif
