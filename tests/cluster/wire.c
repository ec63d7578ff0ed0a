#include "wire.h"

#include <stdlib.h>
#include <string.h>

static size_t skip_string(srl_text json, size_t at)
{
    for (at++; at < json.len && json.data[at] != '"'; at++) {
        if (json.data[at] == '\\') {
            at++;
        }
    }
    return at + 1;
}

static size_t skip_value(srl_text json, size_t at)
{
    int depth = 0;
    while (at < json.len) {
        char c = json.data[at];
        if (c == '"') {
            at = skip_string(json, at);
            if (depth == 0) {
                return at;
            }
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
            return at;
        }
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        at++;
        if (depth == 0 && (c == '}' || c == ']')) {
            return at;
        }
    }
    return json.len;
}

static srl_text member(srl_text object, const char *name, size_t name_len)
{
    size_t at = 1;
    while (at < object.len && object.data[at] == '"') {
        size_t end = skip_string(object, at);
        size_t value_end = skip_value(object, end + 1);
        if (end - at - 2 == name_len && memcmp(object.data + at + 1, name, name_len) == 0) {
            return (srl_text){object.data + end + 1, value_end - end - 1};
        }
        at = value_end + 1;
    }
    return (srl_text){NULL, 0};
}

srl_text wire_find(srl_text json, const char *path)
{
    while (json.data != NULL && *path != '\0') {
        size_t len = strcspn(path, ".");
        json = json.len > 0 && json.data[0] == '{' ? member(json, path, len) : (srl_text){NULL, 0};
        path += len + (path[len] == '.');
    }
    return json;
}

srl_text wire_string(srl_text json, const char *path)
{
    srl_text value = wire_find(json, path);
    if (value.data == NULL || value.len < 2 || value.data[0] != '"') {
        return (srl_text){"", 0};
    }
    return (srl_text){value.data + 1, value.len - 2};
}

uint64_t wire_number(srl_text json, const char *path)
{
    srl_text value = wire_find(json, path);
    return value.data != NULL ? strtoull(value.data, NULL, 10) : 0;
}

bool wire_is_true(srl_text json, const char *path)
{
    return wire_equals(wire_find(json, path), "true");
}

bool wire_equals(srl_text text, const char *word)
{
    return text.data != NULL && text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}
