#include "redis/sha1.h"

#include <stdint.h>
#include <string.h>

static uint32_t rotated(uint32_t n, uint32_t by)
{
    return n << by | n >> (32 - by);
}

static uint32_t mix(uint32_t round, uint32_t b, uint32_t c, uint32_t d)
{
    switch (round / 20) {
    case 0:
        return ((b & c) | (~b & d)) + 0x5A827999;
    case 1:
        return (b ^ c ^ d) + 0x6ED9EBA1;
    case 2:
        return ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC;
    default:
        return (b ^ c ^ d) + 0xCA62C1D6;
    }
}

static void add_block(uint32_t state[5], const uint8_t *block)
{
    uint32_t w[80];
    for (uint32_t i = 0; i < 16; i++) {
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
               block[4 * i + 3];
    }
    for (uint32_t i = 16; i < 80; i++) {
        w[i] = rotated(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (uint32_t i = 0; i < 80; i++) {
        uint32_t next = rotated(a, 5) + mix(i, b, c, d) + e + w[i];
        e = d;
        d = c;
        c = rotated(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

static void add_tail(uint32_t state[5], const uint8_t *rest, size_t left, uint64_t bits)
{
    uint8_t tail[128] = {0};
    size_t size = left < 56 ? 64 : 128;
    if (left > 0) {
        memcpy(tail, rest, left);
    }
    tail[left] = 0x80;
    for (uint32_t i = 0; i < 8; i++) {
        tail[size - 1 - i] = (uint8_t)(bits >> 8 * i);
    }
    for (size_t at = 0; at < size; at += 64) {
        add_block(state, tail + at);
    }
}

void srl__sha1_hex(const void *data, size_t len, char out[41])
{
    static const char digits[] = "0123456789abcdef";
    uint32_t state[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    const uint8_t *at = data;
    size_t left = len;
    for (; left >= 64; left -= 64, at += 64) {
        add_block(state, at);
    }
    add_tail(state, at, left, (uint64_t)len * 8);
    for (uint32_t i = 0; i < 40; i++) {
        out[i] = digits[state[i / 8] >> (28 - 4 * (i % 8)) & 15];
    }
    out[40] = '\0';
}
