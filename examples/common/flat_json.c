#include "flat_json.h"

#include <limits.h>
#include <string.h>

#include "json_scan.h"

#define NAME_SIZE 32

/* One `"name": "value"`; the value goes to `out` if it is the wanted one, which must not have been seen before. */
static bool take_member(json_cursor *c, const char *name, json_sink *out, bool *seen)
{
    char text[NAME_SIZE];
    json_sink got = {text, sizeof text, 0};
    json_sink nowhere = {NULL, 0, 0};
    if (!json_take_string(c, &got) || !json_take(c, ':'))
        return false;
    bool wanted = got.len == strlen(name) && got.len <= sizeof text && memcmp(text, name, got.len) == 0;
    if (wanted && *seen)
        return false;
    *seen = *seen || wanted;
    return json_take_string(c, wanted ? out : &nowhere);
}

static bool take_object(json_cursor *c, const char *name, json_sink *out, bool *seen)
{
    if (!json_take(c, '{'))
        return false;
    if (!json_take(c, '}')) {
        do {
            if (!take_member(c, name, out, seen))
                return false;
        } while (json_take(c, ','));
        if (!json_take(c, '}'))
            return false;
    }
    json_skip_space(c);
    return c->at == c->end;
}

int flat_json_get(const char *json, size_t len, const char *name, char *out, size_t size)
{
    json_cursor c = {json, json + len};
    json_sink value = {out, size - 1, 0};
    bool seen = false;
    int result;

    if (!take_object(&c, name, &value, &seen))
        result = FLAT_JSON_MALFORMED;
    else if (!seen)
        result = FLAT_JSON_MISSING;
    else if (value.len >= size || value.len > INT_MAX)
        result = FLAT_JSON_TOO_LONG;
    else
        result = (int)value.len;
    out[result >= 0 ? (size_t)result : 0] = '\0';
    return result;
}
