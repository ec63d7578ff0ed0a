#include "flat_json.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

#define NAME_SIZE 32

typedef struct cursor {
    const char *at;
    const char *end;
} cursor;

/* Where an unescaped string goes: what does not fit is only counted. */
typedef struct sink {
    char *data;
    size_t size;
    size_t len;
} sink;

static void skip_space(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

static bool take(cursor *c, char expected)
{
    skip_space(c);
    if (c->at == c->end || *c->at != expected)
        return false;
    c->at++;
    return true;
}

static void put(sink *out, char byte)
{
    if (out->len < out->size)
        out->data[out->len] = byte;
    out->len++;
}

static void put_utf8(sink *out, uint32_t code)
{
    if (code < 0x80) {
        put(out, (char)code);
    } else if (code < 0x800) {
        put(out, (char)(0xC0 | code >> 6));
        put(out, (char)(0x80 | (code & 0x3F)));
    } else if (code < 0x10000) {
        put(out, (char)(0xE0 | code >> 12));
        put(out, (char)(0x80 | (code >> 6 & 0x3F)));
        put(out, (char)(0x80 | (code & 0x3F)));
    } else {
        put(out, (char)(0xF0 | code >> 18));
        put(out, (char)(0x80 | (code >> 12 & 0x3F)));
        put(out, (char)(0x80 | (code >> 6 & 0x3F)));
        put(out, (char)(0x80 | (code & 0x3F)));
    }
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four digits behind \u. */
static bool take_unit(cursor *c, uint32_t *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = c->at < c->end ? digit_of(*c->at) : -1;
        if (digit < 0)
            return false;
        *unit = *unit << 4 | (uint32_t)digit;
        c->at++;
    }
    return true;
}

static bool take_code(cursor *c, sink *out)
{
    uint32_t high;
    uint32_t low;
    if (!take_unit(c, &high) || high == 0 || (high >= 0xDC00 && high <= 0xDFFF))
        return false;
    if (high < 0xD800 || high > 0xDBFF) {
        put_utf8(out, high);
        return true;
    }
    if (c->end - c->at < 2 || c->at[0] != '\\' || c->at[1] != 'u')
        return false;
    c->at += 2;
    if (!take_unit(c, &low) || low < 0xDC00 || low > 0xDFFF)
        return false;
    put_utf8(out, 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
    return true;
}

static bool take_escape(cursor *c, sink *out)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    if (c->at == c->end || *c->at == '\0')
        return false;
    char name = *c->at++;
    if (name == 'u')
        return take_code(c, out);
    const char *found = strchr(names, name);
    if (!found)
        return false;
    put(out, values[found - names]);
    return true;
}

static bool take_string(cursor *c, sink *out)
{
    if (!take(c, '"'))
        return false;
    while (c->at < c->end) {
        char byte = *c->at++;
        if (byte == '"')
            return true;
        if ((unsigned char)byte < 0x20)
            return false;
        if (byte != '\\')
            put(out, byte);
        else if (!take_escape(c, out))
            return false;
    }
    return false;
}

/* One `"name": "value"`; the value goes to `out` if it is the wanted one, which must not have been seen before. */
static bool take_member(cursor *c, const char *name, sink *out, bool *seen)
{
    char text[NAME_SIZE];
    sink got = {text, sizeof text, 0};
    sink nowhere = {NULL, 0, 0};
    if (!take_string(c, &got) || !take(c, ':'))
        return false;
    bool wanted = got.len == strlen(name) && got.len <= sizeof text && memcmp(text, name, got.len) == 0;
    if (wanted && *seen)
        return false;
    *seen = *seen || wanted;
    return take_string(c, wanted ? out : &nowhere);
}

static bool take_object(cursor *c, const char *name, sink *out, bool *seen)
{
    if (!take(c, '{'))
        return false;
    if (!take(c, '}')) {
        do {
            if (!take_member(c, name, out, seen))
                return false;
        } while (take(c, ','));
        if (!take(c, '}'))
            return false;
    }
    skip_space(c);
    return c->at == c->end;
}

int flat_json_get(const char *json, size_t len, const char *name, char *out, size_t size)
{
    cursor c = {json, json + len};
    sink value = {out, size - 1, 0};
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

void json_text_add_n(json_text *text, const char *json, size_t len)
{
    if (text->cut || len >= text->size - text->len) {
        text->cut = true;
        return;
    }
    memcpy(text->data + text->len, json, len);
    text->len += len;
    text->data[text->len] = '\0';
}

void json_text_add(json_text *text, const char *json)
{
    json_text_add_n(text, json, strlen(json));
}

void json_text_add_string(json_text *text, const char *value, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    json_text_add(text, "\"");
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)value[i];
        const char escaped[6] = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};
        if (byte < 0x20)
            json_text_add_n(text, escaped, sizeof escaped);
        else if (byte == '"' || byte == '\\')
            json_text_add_n(text, (const char[]){'\\', value[i]}, 2);
        else
            json_text_add_n(text, value + i, 1);
    }
    json_text_add(text, "\"");
}
