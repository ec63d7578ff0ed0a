#include "base/utf8.h"

#include <string.h>

#define SRL__UTF8_HIGH_BITS UINT64_C(0x8080808080808080)

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

/* The first continuation byte alone tells overlong forms, surrogates and what lies above U+10FFFF. */
static bool second_byte_fits(uint8_t lead, uint8_t second)
{
    switch (lead) {
    case 0xE0:
        return second >= 0xA0 && second <= 0xBF;
    case 0xED:
        return second >= 0x80 && second <= 0x9F;
    case 0xF0:
        return second >= 0x90 && second <= 0xBF;
    case 0xF4:
        return second >= 0x80 && second <= 0x8F;
    default:
        return is_continuation(second);
    }
}

static size_t length_by_lead(uint8_t lead)
{
    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xC2) {
        return 0;
    }
    if (lead < 0xE0) {
        return 2;
    }
    if (lead < 0xF0) {
        return 3;
    }
    return lead < 0xF5 ? 4 : 0;
}

size_t srl__utf8_sequence(const uint8_t *data, size_t len)
{
    size_t need = len > 0 ? length_by_lead(data[0]) : 0;
    if (need <= 1) {
        return need;
    }
    if (need > len || !second_byte_fits(data[0], data[1])) {
        return 0;
    }
    for (size_t i = 2; i < need; i++) {
        if (!is_continuation(data[i])) {
            return 0;
        }
    }
    return need;
}

static size_t skip_ascii(const uint8_t *data, size_t len)
{
    size_t at = 0;
    while (len - at >= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, data + at, sizeof(word));
        if ((word & SRL__UTF8_HIGH_BITS) != 0) {
            break;
        }
        at += sizeof(word);
    }
    while (at < len && data[at] < 0x80) {
        at++;
    }
    return at;
}

bool srl__utf8_valid(const void *data, size_t len)
{
    const uint8_t *bytes = data;
    size_t at = 0;
    while (at < len) {
        if (bytes[at] < 0x80) {
            at += skip_ascii(bytes + at, len - at);
            continue;
        }
        size_t n = srl__utf8_sequence(bytes + at, len - at);
        if (n == 0) {
            return false;
        }
        at += n;
    }
    return true;
}

size_t srl__utf8_encode(uint32_t code_point, uint8_t out[4])
{
    if (code_point < 0x80) {
        out[0] = (uint8_t)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (uint8_t)(0xC0 | code_point >> 6);
        out[1] = (uint8_t)(0x80 | (code_point & 0x3F));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (uint8_t)(0xE0 | code_point >> 12);
        out[1] = (uint8_t)(0x80 | (code_point >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (code_point & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | code_point >> 18);
    out[1] = (uint8_t)(0x80 | (code_point >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (code_point >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (code_point & 0x3F));
    return 4;
}
