/*
 * flat_json.h - as much JSON as the arguments of small methods need: an object whose members are all strings, like
 * {"channel":"chat:lobby","user":"bob"}. Nothing is allocated. UTF-8 is passed on as it is.
 */
#ifndef EXAMPLES_FLAT_JSON_H
#define EXAMPLES_FLAT_JSON_H

#include <stddef.h>

enum {
    FLAT_JSON_MISSING = -1,   /* no member of that name */
    FLAT_JSON_MALFORMED = -2, /* no object of strings; a member twice; a character zero; half a surrogate pair */
    FLAT_JSON_TOO_LONG = -3   /* the value does not fit */
};

/**
 * Read one member.
 *
 * The whole text is looked at, so what is malformed is found whichever member is asked for.
 *
 * @param name  plain ASCII, less than 32 characters
 * @param out   receives the value, unescaped, and a terminating zero; an empty string on failure
 * @param size  room at `out`, at least 1
 * @return the value's length without the zero, or one of the above
 */
int flat_json_get(const char *json, size_t len, const char *name, char *out, size_t size);

#endif
