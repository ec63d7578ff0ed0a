#include "base/json.h"

#include "base/decimal.h"
#include "base/utf8.h"

bool srl__json_to_u64(const srl__json_value *value, uint64_t *out)
{
    uint64_t n = 0;
    if (value->type != SRL__JSON_NUMBER || value->raw.len == 0) {
        return false;
    }
    for (size_t i = 0; i < value->raw.len; i++) {
        unsigned digit = (unsigned)((uint8_t)value->raw.data[i] - (uint8_t)'0');
        if (digit > 9 || n > UINT64_MAX / 10 || n * 10 > UINT64_MAX - digit) {
            return false;
        }
        n = n * 10 + digit;
    }
    *out = n;
    return true;
}

bool srl__json_to_bool(const srl__json_value *value, bool *out)
{
    if (value->type != SRL__JSON_BOOL) {
        return false;
    }
    *out = value->raw.data[0] == 't';
    return true;
}

static uint32_t hex_unit(const char *digits)
{
    uint32_t unit = 0;
    for (size_t i = 0; i < 4; i++) {
        uint8_t c = (uint8_t)digits[i];
        unit = unit << 4 | (c <= '9' ? c - (uint32_t)'0' : (c | 0x20U) - 'a' + 10);
    }
    return unit;
}

/* The valid escape at p: what it means (1-4 bytes) into out, the length of the escape into *used. */
static size_t decode_escape(const char *p, uint8_t out[4], size_t *used)
{
    static const char letters[] = "b\bf\fn\nr\rt\t";
    uint32_t unit;
    *used = 2;
    if (p[1] != 'u') {
        out[0] = (uint8_t)p[1];
        for (size_t i = 0; i + 1 < sizeof(letters); i += 2) {
            if (p[1] == letters[i]) {
                out[0] = (uint8_t)letters[i + 1];
            }
        }
        return 1;
    }
    *used = 6;
    unit = hex_unit(p + 2);
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        *used = 12;
        unit = 0x10000 + ((unit - 0xD800) << 10) + (hex_unit(p + 8) - 0xDC00);
    }
    return srl__utf8_encode(unit, out);
}

srl__slice srl__json_to_string(const srl__json_value *value, char *scratch)
{
    const char *p = value->raw.data;
    size_t left = value->raw.len;
    size_t len = 0;
    if (value->type != SRL__JSON_STRING) {
        return SRL__LIT("");
    }
    if ((value->flags & SRL__JSON_ESCAPES) == 0) {
        return value->raw;
    }
    while (left > 0) {
        const char *escape = memchr(p, '\\', left);
        size_t plain = escape == NULL ? left : (size_t)(escape - p);
        uint8_t bytes[4];
        size_t count;
        size_t used;
        memmove(scratch + len, p, plain);
        len += plain;
        p += plain;
        left -= plain;
        if (escape == NULL) {
            break;
        }
        count = decode_escape(p, bytes, &used);
        memcpy(scratch + len, bytes, count);
        len += count;
        p += used;
        left -= used;
    }
    return srl__slice_of(scratch, len);
}

bool srl__json_string_is(const srl__json_value *value, srl__slice text)
{
    const char *p = value->raw.data;
    size_t left = value->raw.len;
    size_t at = 0;
    if (value->type != SRL__JSON_STRING) {
        return false;
    }
    if ((value->flags & SRL__JSON_ESCAPES) == 0) {
        return srl__slice_equal(value->raw, text);
    }
    while (left > 0) {
        uint8_t bytes[4] = {(uint8_t)*p};
        size_t count = 1;
        size_t used = 1;
        if (*p == '\\') {
            count = decode_escape(p, bytes, &used);
        }
        if (count > text.len - at || memcmp(text.data + at, bytes, count) != 0) {
            return false;
        }
        at += count;
        p += used;
        left -= used;
    }
    return at == text.len;
}

void srl__json_flatten(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n' || text[i] == '\r') {
            text[i] = ' ';
        }
    }
}

/* Text of limited length; what does not fit is left out. */
typedef struct sink {
    char *out;
    size_t len;
    size_t room; /* without the terminator */
} sink;

static void sink_put(sink *t, const char *text, size_t len)
{
    size_t fits = t->room - t->len < len ? t->room - t->len : len;
    if (fits > 0) {
        memcpy(t->out + t->len, text, fits);
    }
    t->len += fits;
}

static void sink_put_text(sink *t, const char *text)
{
    sink_put(t, text, strlen(text));
}

static void sink_put_size(sink *t, size_t n)
{
    char text[SRL__DECIMAL_MAX];
    srl__slice digits = srl__decimal(n, text);
    sink_put(t, digits.data, digits.len);
}

static void sink_put_types(sink *t, uint8_t types)
{
    static const char *const names[] = {"null", "true or false", "a number", "a string", "an array", "an object"};
    static const uint8_t order[] = {SRL__JSON_OBJECT, SRL__JSON_ARRAY, SRL__JSON_STRING,
                                    SRL__JSON_NUMBER, SRL__JSON_BOOL,  SRL__JSON_NULL};
    uint8_t rest = types;
    sink_put_text(t, "expected ");
    for (size_t i = 0; i < sizeof(order); i++) {
        if ((rest & order[i]) == 0) {
            continue;
        }
        if (rest != types) {
            sink_put_text(t, (rest & (rest - 1)) == 0 ? " or " : ", ");
        }
        sink_put_text(t, names[5 - i]);
        rest &= (uint8_t)~order[i];
    }
}

static const char *code_text(srl__json_error_code code)
{
    switch (code) {
#define SRL__JSON_ERROR_TEXT(name, text)                                                                               \
    case name:                                                                                                         \
        return text;
        SRL__JSON_ERROR_MAP(SRL__JSON_ERROR_TEXT)
#undef SRL__JSON_ERROR_TEXT
    }
    return "unknown error";
}

size_t srl__json_error_text(const srl__json_error *error, char *out, size_t capacity)
{
    sink t = {out, 0, capacity - 1};
    for (size_t i = 0; i < error->path_len; i++) {
        sink_put_text(&t, i == 0 ? "" : ".");
        sink_put(&t, error->path[i]->name, error->path[i]->name_len);
    }
    sink_put_text(&t, error->path_len == 0 ? "" : ": ");
    if (error->code == SRL__JSON_ERR_TYPE && error->expected != 0) {
        sink_put_types(&t, error->expected);
    } else {
        sink_put_text(&t, code_text(error->code));
    }
    if (error->code != SRL__JSON_OK) {
        sink_put_text(&t, " at byte ");
        sink_put_size(&t, error->offset);
    }
    out[t.len] = '\0';
    return t.len;
}
