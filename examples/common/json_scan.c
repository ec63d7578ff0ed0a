#include "json_scan.h"

#include <stdint.h>
#include <string.h>

void json_skip_space(json_cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

bool json_take(json_cursor *c, char expected)
{
    json_skip_space(c);
    if (c->at == c->end || *c->at != expected)
        return false;
    c->at++;
    return true;
}

static void put(json_sink *out, char byte)
{
    if (out->len < out->size)
        out->data[out->len] = byte;
    out->len++;
}

static void put_utf8(json_sink *out, uint32_t code)
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
static bool take_unit(json_cursor *c, uint32_t *unit)
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

static bool take_code(json_cursor *c, json_sink *out)
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

static bool take_escape(json_cursor *c, json_sink *out)
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

bool json_take_string(json_cursor *c, json_sink *out)
{
    if (!json_take(c, '"'))
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
