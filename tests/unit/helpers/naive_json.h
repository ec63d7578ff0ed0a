/* A JSON validator that is as plain as it can be: one function per rule of RFC 8259, recursion, nothing clever. What
 * it accepts is what the real reader must accept. Used by the unit tests and by the fuzz target. */
#ifndef SRL_TEST_NAIVE_JSON_H
#define SRL_TEST_NAIVE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct naive_json {
    const uint8_t *text;
    size_t len;
    size_t at;
    uint32_t depth;
    uint32_t max_depth;
    uint32_t max_number;
} naive_json;

static int naive_peek(const naive_json *n)
{
    return n->at < n->len ? n->text[n->at] : -1;
}

static bool naive_take(naive_json *n, int c)
{
    if (naive_peek(n) != c) {
        return false;
    }
    n->at++;
    return true;
}

static void naive_blanks(naive_json *n)
{
    while (naive_take(n, ' ') || naive_take(n, '\t') || naive_take(n, '\n') || naive_take(n, '\r')) {
    }
}

static bool naive_word(naive_json *n, const char *word)
{
    for (; *word != '\0'; word++) {
        if (!naive_take(n, *word)) {
            return false;
        }
    }
    return true;
}

static bool naive_digits(naive_json *n)
{
    size_t start = n->at;
    while (naive_peek(n) >= '0' && naive_peek(n) <= '9') {
        n->at++;
    }
    return n->at > start;
}

static bool naive_number(naive_json *n)
{
    size_t start = n->at;
    naive_take(n, '-');
    if (!naive_take(n, '0') && !naive_digits(n)) {
        return false;
    }
    if (naive_take(n, '.') && !naive_digits(n)) {
        return false;
    }
    if (naive_take(n, 'e') || naive_take(n, 'E')) {
        if (!naive_take(n, '+')) {
            naive_take(n, '-');
        }
        if (!naive_digits(n)) {
            return false;
        }
    }
    return n->at - start <= n->max_number;
}

static bool naive_hex4(naive_json *n, uint32_t *out)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    *out = 0;
    for (int i = 0; i < 4; i++) {
        int c = naive_peek(n);
        const char *digit = c <= 0 ? NULL : strchr(digits, c);
        if (digit == NULL) {
            return false;
        }
        *out = *out * 16 + (uint32_t)((digit - digits) % 16);
        n->at++;
    }
    return true;
}

static bool naive_escape(naive_json *n)
{
    uint32_t unit;
    int c = naive_peek(n);
    n->at++;
    if (c > 0 && strchr("\"\\/bfnrt", c) != NULL) {
        return true;
    }
    if (c != 'u' || !naive_hex4(n, &unit)) {
        return false;
    }
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        return naive_word(n, "\\u") && naive_hex4(n, &unit) && unit >= 0xDC00 && unit <= 0xDFFF;
    }
    return unit < 0xDC00 || unit > 0xDFFF;
}

/* Behind the lead byte: decode, then ask whether the result needed that many bytes. */
static bool naive_multibyte(naive_json *n, int lead)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    uint32_t code = (uint32_t)lead & (0x3FU >> more);
    if (lead < 0xC0 || lead >= 0xF8) {
        return false;
    }
    for (int i = 0; i < more; i++) {
        int c = naive_peek(n);
        if (c < 0x80 || c > 0xBF) {
            return false;
        }
        code = code * 64 + ((uint32_t)c & 0x3F);
        n->at++;
    }
    return code >= least[more] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
}

static bool naive_string(naive_json *n)
{
    if (!naive_take(n, '"')) {
        return false;
    }
    for (;;) {
        int c = naive_peek(n);
        if (c < 0x20) {
            return false;
        }
        n->at++;
        if (c == '"') {
            return true;
        }
        if ((c == '\\' && !naive_escape(n)) || (c >= 0x80 && !naive_multibyte(n, c))) {
            return false;
        }
    }
}

static bool naive_value(naive_json *n);

static bool naive_members(naive_json *n, bool named, int close)
{
    if (n->depth++ == n->max_depth) {
        return false;
    }
    naive_blanks(n);
    if (!naive_take(n, close)) {
        do {
            naive_blanks(n);
            if (named) {
                if (!naive_string(n)) {
                    return false;
                }
                naive_blanks(n);
                if (!naive_take(n, ':')) {
                    return false;
                }
            }
            if (!naive_value(n)) {
                return false;
            }
        } while (naive_take(n, ','));
        if (!naive_take(n, close)) {
            return false;
        }
    }
    n->depth--;
    return true;
}

/* With the whitespace around it. */
static bool naive_value(naive_json *n)
{
    bool ok;
    naive_blanks(n);
    switch (naive_peek(n)) {
    case '{':
        n->at++;
        ok = naive_members(n, true, '}');
        break;
    case '[':
        n->at++;
        ok = naive_members(n, false, ']');
        break;
    case '"':
        ok = naive_string(n);
        break;
    case 't':
        ok = naive_word(n, "true");
        break;
    case 'f':
        ok = naive_word(n, "false");
        break;
    case 'n':
        ok = naive_word(n, "null");
        break;
    default:
        ok = naive_number(n);
    }
    naive_blanks(n);
    return ok;
}

static bool naive_json_valid(const void *text, size_t len, uint32_t max_depth, uint32_t max_number)
{
    naive_json n = {(const uint8_t *)text, len, 0, 0, max_depth, max_number};
    return naive_value(&n) && n.at == len;
}

#endif
