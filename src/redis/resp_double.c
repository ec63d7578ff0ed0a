#include "redis/resp_double.h"

#include <math.h>
#include <stdio.h>

#include <streamrelay/error.h>

/* Digits that can matter to a double's rounding are at most 767. */
#define MAX_DIGITS   800
#define MAX_SHIFT    59
#define EXPONENT_CAP 100000

/* 0.d1d2d3... * 10^point */
typedef struct decimal {
    int32_t count;
    int32_t point;
    bool more; /* digits other than 0 were cut off */
    uint8_t digits[MAX_DIGITS];
} decimal;

/* What a number's text consists of. */
typedef struct parts {
    const char *integer;
    size_t integer_len;
    const char *fraction;
    size_t fraction_len;
    int32_t exponent;
    bool negative;
} parts;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits_at(const char *text, const char *end)
{
    const char *p = text;
    while (p < end && is_digit(*p)) {
        p++;
    }
    return (size_t)(p - text);
}

static bool equals_lower(const char *text, const char *end, const char *word)
{
    while (text < end && *word != 0 && (*text | 0x20) == *word) {
        text++;
        word++;
    }
    return text == end && *word == 0;
}

static bool is_nan_text(const char *p, const char *end)
{
    if (end - p < 3 || !equals_lower(p, p + 3, "nan")) {
        return false;
    }
    p += 3;
    if (p < end && *p == '(') {
        for (p++; p < end && (is_digit(*p) || ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') || *p == '_'); p++) {
        }
        return end - p == 1 && *p == ')';
    }
    return p == end;
}

/* The exponent at p, behind its letter; saturates. */
static bool split_exponent(const char *p, const char *end, int32_t *out)
{
    bool negative = p < end && *p == '-';
    int32_t n = 0;
    p += p < end && (*p == '-' || *p == '+');
    if (p == end) {
        return false;
    }
    for (; p < end; p++) {
        if (!is_digit(*p)) {
            return false;
        }
        n = n >= EXPONENT_CAP ? n : n * 10 + (*p - '0');
    }
    *out = negative ? -n : n;
    return true;
}

static bool split(const char *p, const char *end, parts *out)
{
    memset(out, 0, sizeof(*out));
    out->negative = p < end && *p == '-';
    p += p < end && (*p == '-' || *p == '+');
    out->integer = p;
    out->integer_len = digits_at(p, end);
    p += out->integer_len;
    out->fraction = p;
    if (p < end && *p == '.') {
        out->fraction = p + 1;
        out->fraction_len = digits_at(p + 1, end);
        p += 1 + out->fraction_len;
    }
    if (out->integer_len + out->fraction_len == 0) {
        return false;
    }
    if (p < end && (*p | 0x20) == 'e') {
        return split_exponent(p + 1, end, &out->exponent);
    }
    return p == end;
}

/* ---- exactly, however many digits */

static void trim(decimal *d)
{
    while (d->count > 0 && d->digits[d->count - 1] == 0) {
        d->count--;
    }
    if (d->count == 0) {
        d->point = 0;
    }
}

static void add_digits(decimal *d, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (d->count == 0 && text[i] == '0') {
            d->point--;
        } else if (d->count < MAX_DIGITS) {
            d->digits[d->count++] = (uint8_t)(text[i] - '0');
        } else if (text[i] != '0') {
            d->more = true;
        }
    }
}

static void shift_left(decimal *d, uint32_t bits)
{
    uint64_t carry = 0;
    uint8_t fresh[24];
    int32_t added = 0, kept;
    for (int32_t i = d->count; i-- > 0;) {
        carry += (uint64_t)d->digits[i] << bits;
        d->digits[i] = (uint8_t)(carry % 10);
        carry /= 10;
    }
    for (; carry > 0; carry /= 10) {
        fresh[added++] = (uint8_t)(carry % 10);
    }
    kept = d->count + added > MAX_DIGITS ? MAX_DIGITS - added : d->count;
    for (int32_t i = kept; i < d->count; i++) {
        d->more = d->more || d->digits[i] != 0;
    }
    memmove(d->digits + added, d->digits, (size_t)kept);
    for (int32_t i = 0; i < added; i++) {
        d->digits[i] = fresh[added - 1 - i];
    }
    d->count = kept + added;
    d->point += added;
    trim(d);
}

static void shift_right(decimal *d, uint32_t bits)
{
    uint64_t mask = ((uint64_t)1 << bits) - 1;
    uint64_t n = 0;
    int32_t from = 0, to = 0;
    while (n >> bits == 0) {
        if (from >= d->count && n == 0) {
            d->count = 0;
            d->point = 0;
            return;
        }
        n = n * 10 + (from < d->count ? d->digits[from] : 0);
        from++;
    }
    d->point -= from - 1;
    for (; from < d->count || n > 0; from++) {
        uint8_t digit = (uint8_t)(n >> bits);
        if (to < MAX_DIGITS) {
            d->digits[to++] = digit;
        } else if (digit != 0) {
            d->more = true;
        }
        n = (n & mask) * 10 + (from < d->count ? d->digits[from] : 0);
    }
    d->count = to;
    trim(d);
}

/* Bits by which 10^n can be shifted without going below 0.5. */
static uint32_t bits_of(int32_t powers)
{
    static const uint8_t bits[] = {1, 3, 6, 9, 13, 16, 19, 23, 26, 29, 33, 36, 39, 43, 46, 49, 53, 56};
    return powers < (int32_t)sizeof(bits) ? bits[powers] : MAX_SHIFT;
}

/* The integer part, rounded to even; there are at most 17 digits before the point. */
static uint64_t round_decimal(const decimal *d)
{
    uint64_t n = 0;
    bool up;
    for (int32_t i = 0; i < d->point; i++) {
        n = n * 10 + (i < d->count ? d->digits[i] : 0);
    }
    if (d->point < 0 || d->point >= d->count) {
        return n;
    }
    up = d->digits[d->point] >= 5;
    if (d->digits[d->point] == 5 && d->point + 1 == d->count && !d->more) {
        up = n % 2 != 0;
    }
    return n + up;
}

static int exact(decimal *d, double *out)
{
    int32_t exponent = 0;
    uint64_t bits;
    *out = 0;
    if (d->count == 0 || d->point < -330) {
        return SRL_OK;
    }
    if (d->point > 310) {
        return SRL_ERR_TOO_LARGE;
    }
    while (d->point > 0) {
        uint32_t by = bits_of(d->point);
        shift_right(d, by);
        exponent += (int32_t)by;
    }
    while (d->point < 0 || d->digits[0] < 5) {
        uint32_t by = bits_of(-d->point);
        shift_left(d, by);
        exponent -= (int32_t)by;
    }
    exponent--;
    while (exponent < -1022) {
        uint32_t by = -1022 - exponent > MAX_SHIFT ? MAX_SHIFT : (uint32_t)(-1022 - exponent);
        shift_right(d, by);
        exponent += (int32_t)by;
    }
    shift_left(d, 53);
    bits = round_decimal(d);
    if (bits >> 53 != 0) {
        bits /= 2;
        exponent++;
    }
    if (exponent > 1023) {
        return SRL_ERR_TOO_LARGE;
    }
    if (bits >> 52 != 0) {
        bits += (uint64_t)(exponent + 1022) << 52;
    }
    memcpy(out, &bits, sizeof(bits));
    return SRL_OK;
}

/* ---- quickly, where one rounding does it */

static bool quick(const parts *n, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    uint64_t digits = 0;
    int32_t exponent;
    if (n->integer_len + n->fraction_len > 15) {
        return false;
    }
    exponent = n->exponent - (int32_t)n->fraction_len;
    if (exponent < -22 || exponent > 22) {
        return false;
    }
    for (size_t i = 0; i < n->integer_len; i++) {
        digits = digits * 10 + (uint64_t)(n->integer[i] - '0');
    }
    for (size_t i = 0; i < n->fraction_len; i++) {
        digits = digits * 10 + (uint64_t)(n->fraction[i] - '0');
    }
    *out = exponent < 0 ? (double)digits / powers[-exponent] : (double)digits * powers[exponent];
    return true;
}

static int convert(const parts *n, double *out)
{
    decimal d;
    if (quick(n, out)) {
        return SRL_OK;
    }
    d.count = 0;
    d.point = 0;
    d.more = false;
    if (n->integer_len > INT32_MAX / 4 || n->fraction_len > INT32_MAX / 4) {
        return SRL_ERR_TOO_LARGE;
    }
    add_digits(&d, n->integer, n->integer_len);
    add_digits(&d, n->fraction, n->fraction_len);
    d.point += (int32_t)n->integer_len + n->exponent;
    trim(&d);
    return exact(&d, out);
}

int srl__double_from_text(const char *text, size_t len, double *out)
{
    const char *end = text + len;
    const char *p = text;
    double number = 0;
    parts n;
    int error;
    if (len == 0) {
        return SRL_ERR_TYPE;
    }
    p += *p == '-' || *p == '+';
    if (p < end && (*p | 0x20) >= 'a') {
        if (is_nan_text(p, end)) {
            *out = (double)NAN;
            return SRL_OK;
        }
        if (!equals_lower(p, end, "inf") && !equals_lower(p, end, "infinity")) {
            return SRL_ERR_TYPE;
        }
        *out = *text == '-' ? -(double)INFINITY : (double)INFINITY;
        return SRL_OK;
    }
    if (!split(text, end, &n)) {
        return SRL_ERR_TYPE;
    }
    error = convert(&n, &number);
    if (error == SRL_OK) {
        *out = n.negative ? -number : number;
    }
    return error;
}

bool srl__double_is_valid(const char *text, size_t len)
{
    parts n;
    double number;
    if (len > 0 && split(text, text + len, &n) && n.integer_len < 200 && n.exponent < 100) {
        return true;
    }
    return srl__double_from_text(text, len, &number) == SRL_OK;
}

/* The decimal point of the locale may be any characters. */
static size_t without_locale(const char *text, char *out)
{
    size_t len = 0;
    bool in_point = false;
    for (; *text != 0; text++) {
        bool plain = is_digit(*text) || *text == '-' || *text == '+' || *text == 'e';
        if (plain || !in_point) {
            out[len++] = plain ? *text : '.';
        }
        in_point = !plain;
    }
    out[len] = 0;
    return len;
}

size_t srl__double_to_text(double number, char out[SRL__DOUBLE_TEXT])
{
    if (isnan(number) || isinf(number)) {
        const char *word = isnan(number) ? "nan" : number < 0 ? "-inf" : "inf";
        size_t len = strlen(word);
        memcpy(out, word, len + 1);
        return len;
    }
    for (int digits = 15;; digits++) {
        char text[64];
        double back = 0;
        size_t len;
        snprintf(text, sizeof(text), "%.*g", digits, number);
        len = without_locale(text, out);
        if (digits == 17 || (srl__double_from_text(out, len, &back) == SRL_OK && memcmp(&back, &number, 8) == 0)) {
            return len;
        }
    }
}
