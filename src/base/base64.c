#include "base/base64.h"

static const char alphabets[2][65] = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

size_t srl__base64_encoded_len(size_t len, srl__base64_kind kind)
{
    size_t rest = len % 3;
    return len / 3 * 4 + (rest == 0 ? 0 : kind == SRL__BASE64 ? 4 : rest + 1);
}

size_t srl__base64_encode(char *out, const void *data, size_t len, srl__base64_kind kind)
{
    const char *letters = alphabets[kind];
    const uint8_t *p = data;
    char *at = out;
    for (; len >= 3; len -= 3, p += 3, at += 4) {
        uint32_t n = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        for (uint32_t i = 0; i < 4; i++) {
            at[i] = letters[n >> (18 - 6 * i) & 63];
        }
    }
    if (len > 0) {
        uint32_t n = (uint32_t)p[0] << 16 | (len == 2 ? (uint32_t)p[1] << 8 : 0);
        for (uint32_t i = 0; i <= len; i++) {
            *at++ = letters[n >> (18 - 6 * i) & 63];
        }
        for (; kind == SRL__BASE64 && len < 3; len++) {
            *at++ = '=';
        }
    }
    return (size_t)(at - out);
}

size_t srl__base64_max_decoded_len(size_t len)
{
    return len / 4 * 3 + len % 4;
}

/* 64 for a character that is not in the alphabet. */
static uint32_t value_of(char c, srl__base64_kind kind)
{
    if (c >= 'A' && c <= 'Z') {
        return (uint32_t)(c - 'A');
    }
    if (c >= 'a' && c <= 'z') {
        return (uint32_t)(c - 'a') + 26;
    }
    if (c >= '0' && c <= '9') {
        return (uint32_t)(c - '0') + 52;
    }
    return c == alphabets[kind][62] ? 62 : c == alphabets[kind][63] ? 63 : 64;
}

/* One to four characters into zero to three bytes. */
static bool decode_group(uint8_t *out, const char *text, size_t count, srl__base64_kind kind)
{
    uint32_t n = 0;
    for (size_t i = 0; i < 4; i++) {
        uint32_t value = i < count ? value_of(text[i], kind) : 0;
        if (value == 64) {
            return false;
        }
        n = n << 6 | value;
    }
    for (size_t i = 0; i + 1 < count; i++) {
        out[i] = (uint8_t)(n >> (16 - 8 * i));
    }
    return count == 4 || (count > 1 && (n & (UINT32_C(0xFFFFFF) >> (8 * (count - 1)))) == 0);
}

bool srl__base64_decode(void *out, size_t *out_len, srl__slice text, srl__base64_kind kind)
{
    uint8_t *at = out;
    size_t len = text.len;
    if (kind == SRL__BASE64) {
        if (len % 4 != 0) {
            return false;
        }
        for (uint32_t i = 0; i < 2 && len > 0 && text.data[len - 1] == '='; i++) {
            len--;
        }
    }
    for (size_t i = 0; i < len; i += 4) {
        size_t count = len - i < 4 ? len - i : 4;
        if (!decode_group(at, text.data + i, count, kind)) {
            return false;
        }
        at += count - 1;
    }
    *out_len = (size_t)(at - (uint8_t *)out);
    return true;
}
