#include "base/json.h"

#include "base/utf8.h"

#if defined(__SSE2__) && !defined(SRL__JSON_PORTABLE)
#include <emmintrin.h>
#endif

#if defined(__GNUC__) || defined(__clang__)
#define SRL__UNLIKELY(x) __builtin_expect(!!(x), 0)
#define SRL__COLD        __attribute__((noinline, cold))
#define SRL__NOINLINE    __attribute__((noinline))
#define SRL__INLINE      inline __attribute__((always_inline))
#else
#define SRL__UNLIKELY(x) (x)
#define SRL__COLD
#define SRL__NOINLINE
#define SRL__INLINE inline
#endif

const srl__json_limits srl__json_limits_default = {1024 * 1024, 64, 64};

static const srl__json_limits limits_of_a_walk = {SIZE_MAX, SRL__JSON_MAX_DEPTH, UINT32_MAX};

/* A position that is NULL means: failed, and *error says how. */
typedef struct scan {
    const uint8_t *begin;
    const uint8_t *end;
    size_t newlines; /* seen so far, outside strings */
    uint32_t max_depth;
    uint32_t max_number;
    srl__json_error *error;
} scan;

static void scan_init(scan *s, srl__slice text, const srl__json_limits *limits, srl__json_error *error)
{
    s->begin = (const uint8_t *)text.data;
    s->end = text.len == 0 ? s->begin : s->begin + text.len;
    s->newlines = 0;
    s->max_depth = limits->max_depth < SRL__JSON_MAX_DEPTH ? limits->max_depth : SRL__JSON_MAX_DEPTH;
    s->max_number = limits->max_number;
    s->error = error;
    error->code = SRL__JSON_OK;
    error->offset = 0;
    error->expected = 0;
    error->path_len = 0;
}

/* Replaces a field error, if there was one before. */
static SRL__COLD const uint8_t *fail(scan *s, srl__json_error_code code, const uint8_t *at)
{
    s->error->code = code;
    s->error->offset = s->begin == NULL ? 0 : (size_t)(at - s->begin);
    s->error->path_len = 0;
    return NULL;
}

static SRL__COLD const uint8_t *fail_end(scan *s)
{
    return fail(s, SRL__JSON_ERR_TRUNCATED, s->end);
}

static size_t left_of(const scan *s, const uint8_t *p)
{
    return (size_t)(s->end - p);
}

static SRL__NOINLINE const uint8_t *skip_blanks(scan *s, const uint8_t *p)
{
    for (; p != s->end; p++) {
        if (*p == '\n' || *p == '\r') {
            s->newlines++;
        } else if (*p != ' ' && *p != '\t') {
            break;
        }
    }
    return p;
}

/* To the next token; NULL with an error if the text ends before. */
static inline const uint8_t *next_token(scan *s, const uint8_t *p)
{
    if (p != s->end && *p > ' ') {
        return p;
    }
    if (s->end - p >= 2 && *p == ' ' && p[1] > ' ') {
        return p + 1;
    }
    p = skip_blanks(s, p);
    return p != s->end ? p : fail_end(s);
}

/* 1 for the bytes that a string scan has to stop at: quote, backslash, control characters, anything but ASCII. */
static inline bool is_special(uint8_t c)
{
    return c < 0x20 || c >= 0x80 || c == '"' || c == '\\';
}

#if defined(__SSE2__) && !defined(SRL__JSON_PORTABLE)

/* One bit per byte. As signed numbers both control characters and non-ASCII are less than a space. */
static inline unsigned special_bits(const uint8_t *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i hit = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
    hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
    hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    return (unsigned)_mm_movemask_epi8(hit);
}

static inline const uint8_t *skip_plain(const scan *s, const uint8_t *p)
{
    unsigned bits;
    for (; s->end - p >= 16; p += 16) {
        bits = special_bits(p);
        if (bits != 0) {
            return p + __builtin_ctz(bits);
        }
    }
    if (s->end - s->begin >= 16) {
        /* The last 16 bytes of the text, without those that lie before p. */
        bits = special_bits(s->end - 16) >> (16 - (s->end - p));
        return bits != 0 ? p + __builtin_ctz(bits) : s->end;
    }
    while (p != s->end && !is_special(*p)) {
        p++;
    }
    return p;
}

#else

static inline bool has_special(const uint8_t *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t v;
    uint64_t quote;
    uint64_t backslash;
    memcpy(&v, p, sizeof(v));
    quote = v ^ (ones * '"');
    backslash = v ^ (ones * '\\');
    return ((v | (v - ones * 0x20) | (quote - ones) | (backslash - ones)) & (ones * 0x80)) != 0;
}

static inline const uint8_t *skip_plain(const scan *s, const uint8_t *p)
{
    while (s->end - p >= 8 && !has_special(p)) {
        p += 8;
    }
    while (p != s->end && !is_special(*p)) {
        p++;
    }
    return p;
}

#endif

/* Whether the bytes up to the end are the beginning of a valid sequence. */
static bool is_cut_sequence(const uint8_t *p, size_t left)
{
    uint8_t lead = p[0];
    size_t need = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    if (left >= need) {
        return false;
    }
    if (left == 1) {
        return true;
    }
    if ((lead == 0xE0 && p[1] < 0xA0) || (lead == 0xED && p[1] > 0x9F) || (lead == 0xF0 && p[1] < 0x90) ||
        (lead == 0xF4 && p[1] > 0x8F)) {
        return false;
    }
    return (p[1] & 0xC0) == 0x80 && (left == 2 || (p[2] & 0xC0) == 0x80);
}

static const uint8_t *skip_multibyte(scan *s, const uint8_t *p)
{
    while (p != s->end && *p >= 0x80) {
        size_t left = left_of(s, p);
        size_t len;
        if (*p >= 0xC2 && *p < 0xE0 && left >= 2 && (p[1] & 0xC0) == 0x80) {
            len = 2;
        } else if (*p > 0xE0 && *p < 0xED && left >= 3 && (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80) {
            len = 3;
        } else {
            len = srl__utf8_sequence(p, left);
        }
        if (SRL__UNLIKELY(len == 0)) {
            return is_cut_sequence(p, left) ? fail_end(s) : fail(s, SRL__JSON_ERR_UTF8, p);
        }
        p += len;
    }
    return p;
}

/* 16 for anything but a hexadecimal digit. */
static uint32_t hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - (uint32_t)'0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - (uint32_t)'a' + 10 : 16;
}

/* p stands at "\u". */
static const uint8_t *read_unit(scan *s, const uint8_t *p, uint32_t *out)
{
    uint32_t unit = 0;
    for (size_t i = 2; i < 6; i++) {
        uint32_t digit;
        if (p + i == s->end) {
            return fail_end(s);
        }
        digit = hex_value(p[i]);
        if (digit == 16) {
            return fail(s, SRL__JSON_ERR_ESCAPE, p);
        }
        unit = unit << 4 | digit;
    }
    *out = unit;
    return p + 6;
}

static const uint8_t *skip_unicode_escape(scan *s, const uint8_t *p)
{
    uint32_t unit = 0;
    const uint8_t *after = read_unit(s, p, &unit);
    if (after == NULL || unit < 0xD800 || unit > 0xDFFF) {
        return after;
    }
    if (unit > 0xDBFF) {
        return fail(s, SRL__JSON_ERR_SURROGATE, p);
    }
    for (size_t i = 0; i < 2; i++) {
        if (after + i == s->end) {
            return fail_end(s);
        }
        if (after[i] != "\\u"[i]) {
            return fail(s, SRL__JSON_ERR_SURROGATE, p);
        }
    }
    after = read_unit(s, after, &unit);
    if (after != NULL && (unit < 0xDC00 || unit > 0xDFFF)) {
        return fail(s, SRL__JSON_ERR_SURROGATE, p);
    }
    return after;
}

/* p stands at a backslash. */
static const uint8_t *skip_escape(scan *s, const uint8_t *p)
{
    if (p + 1 == s->end) {
        return fail_end(s);
    }
    switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p + 2;
    case 'u':
        return skip_unicode_escape(s, p);
    default:
        return fail(s, SRL__JSON_ERR_ESCAPE, p);
    }
}

/* From a special byte that is not a quote to the closing quote. */
static SRL__NOINLINE const uint8_t *rest_of_string(scan *s, const uint8_t *p, uint8_t *flags)
{
    while (p != NULL) {
        if (p == s->end) {
            return fail_end(s);
        }
        if (*p == '"') {
            return p;
        }
        if (*p == '\\') {
            *flags |= SRL__JSON_ESCAPES;
            p = skip_escape(s, p);
        } else if (*p >= 0x80) {
            p = skip_multibyte(s, p);
        } else {
            return fail(s, SRL__JSON_ERR_CONTROL, p);
        }
        if (p != NULL) {
            p = skip_plain(s, p);
        }
    }
    return NULL;
}

/* p stands behind the opening quote; the result is where the closing one is. */
static inline const uint8_t *string_end(scan *s, const uint8_t *p, uint8_t *flags)
{
    p = skip_plain(s, p);
    if (p != s->end && *p == '"') {
        return p;
    }
    return rest_of_string(s, p, flags);
}

static inline bool is_digit(const scan *s, const uint8_t *p)
{
    return p != s->end && (uint8_t)(*p - '0') < 10;
}

/* At least one digit. */
static const uint8_t *skip_digits(scan *s, const uint8_t *p)
{
    if (!is_digit(s, p)) {
        return p == s->end ? fail_end(s) : fail(s, SRL__JSON_ERR_NUMBER, p);
    }
    while (is_digit(s, p)) {
        p++;
    }
    return p;
}

static SRL__NOINLINE const uint8_t *skip_fraction(scan *s, const uint8_t *p)
{
    if (*p == '.') {
        p = skip_digits(s, p + 1);
        if (p == NULL || p == s->end) {
            return p;
        }
    }
    if ((*p | 0x20) != 'e') {
        return p;
    }
    p++;
    if (p != s->end && (*p == '+' || *p == '-')) {
        p++;
    }
    return skip_digits(s, p);
}

static inline const uint8_t *number_end(scan *s, const uint8_t *p)
{
    const uint8_t *start = p;
    if (*p == '-') {
        p++;
    }
    if (p != s->end && *p == '0') {
        p++;
        if (is_digit(s, p)) {
            return fail(s, SRL__JSON_ERR_NUMBER, p);
        }
    } else if (is_digit(s, p)) {
        do {
            p++;
        } while (is_digit(s, p));
    } else {
        return p == s->end ? fail_end(s) : fail(s, SRL__JSON_ERR_NUMBER, p);
    }
    if (p != s->end && (*p == '.' || (*p | 0x20) == 'e')) {
        p = skip_fraction(s, p);
    }
    if (p != NULL && (size_t)(p - start) > s->max_number) {
        return fail(s, SRL__JSON_ERR_NUMBER_LEN, start);
    }
    return p;
}

static const uint8_t *literal_end(scan *s, const uint8_t *p)
{
    const char *word = *p == 't' ? "true" : *p == 'f' ? "false" : "null";
    for (; *word != '\0'; word++, p++) {
        if (p == s->end) {
            return fail_end(s);
        }
        if (*p != (uint8_t)*word) {
            return fail(s, SRL__JSON_ERR_VALUE, p);
        }
    }
    return p;
}

#define NUM SRL__JSON_NUMBER

/* The type of the value that begins with a byte. */
static const uint8_t type_by_byte[256] = {
    ['"'] = SRL__JSON_STRING,
    ['{'] = SRL__JSON_OBJECT,
    ['['] = SRL__JSON_ARRAY,
    ['t'] = SRL__JSON_BOOL,
    ['f'] = SRL__JSON_BOOL,
    ['n'] = SRL__JSON_NULL,
    ['-'] = NUM,
    ['0'] = NUM,
    ['1'] = NUM,
    ['2'] = NUM,
    ['3'] = NUM,
    ['4'] = NUM,
    ['5'] = NUM,
    ['6'] = NUM,
    ['7'] = NUM,
    ['8'] = NUM,
    ['9'] = NUM,
};

#undef NUM

/* Anything but arrays and objects; type is that of *p. */
static SRL__INLINE const uint8_t *scalar_end(scan *s, const uint8_t *p, uint8_t type, uint8_t *flags)
{
    switch (type) {
    case SRL__JSON_STRING:
        p = string_end(s, p + 1, flags);
        return p == NULL ? NULL : p + 1;
    case SRL__JSON_NUMBER:
        return number_end(s, p);
    case SRL__JSON_BOOL:
    case SRL__JSON_NULL:
        return literal_end(s, p);
    default:
        return fail(s, SRL__JSON_ERR_VALUE, p);
    }
}

/* From behind a name to the member's value. */
static inline const uint8_t *skip_colon(scan *s, const uint8_t *p)
{
    p = next_token(s, p);
    if (p == NULL) {
        return NULL;
    }
    if (*p != ':') {
        return fail(s, SRL__JSON_ERR_COLON, p);
    }
    return next_token(s, p + 1);
}

/* From where a member should begin to its value. */
static inline const uint8_t *skip_name(scan *s, const uint8_t *p)
{
    uint8_t flags = 0;
    if (*p != '"') {
        return fail(s, SRL__JSON_ERR_NAME, p);
    }
    p = string_end(s, p + 1, &flags);
    return p == NULL ? NULL : skip_colon(s, p + 1);
}

/* The bracket that closes one. */
static inline uint8_t closing(uint8_t open)
{
    return (uint8_t)(open + 2);
}

/* p stands at a bracket, with `outside` more open around it. */
static SRL__NOINLINE const uint8_t *composite_end(scan *s, const uint8_t *p, uint32_t outside)
{
    uint8_t open[SRL__JSON_MAX_DEPTH];
    uint32_t depth = 0;
    for (;;) {
        uint8_t type = type_by_byte[*p];
        if (type >= SRL__JSON_ARRAY) {
            if (outside + depth >= s->max_depth) {
                return fail(s, SRL__JSON_ERR_DEPTH, p);
            }
            open[depth++] = *p;
            p = next_token(s, p + 1);
            if (p != NULL && *p != closing(open[depth - 1])) {
                p = type == SRL__JSON_OBJECT ? skip_name(s, p) : p;
                if (p == NULL) {
                    return NULL;
                }
                continue;
            }
        } else {
            uint8_t flags = 0;
            p = scalar_end(s, p, type, &flags);
            p = p == NULL ? NULL : next_token(s, p);
        }
        for (; p != NULL && *p != ','; p = next_token(s, p + 1)) {
            if (*p != closing(open[depth - 1])) {
                return fail(s, open[depth - 1] == '{' ? SRL__JSON_ERR_OBJECT_NEXT : SRL__JSON_ERR_ARRAY_NEXT, p);
            }
            if (--depth == 0) {
                return p + 1;
            }
        }
        p = p == NULL ? NULL : next_token(s, p + 1);
        if (p != NULL && open[depth - 1] == '{') {
            p = skip_name(s, p);
        }
        if (p == NULL) {
            return NULL;
        }
    }
}

static inline srl__slice slice_between(const uint8_t *begin, const uint8_t *end)
{
    return srl__slice_of((const char *)begin, (size_t)(end - begin));
}

/* Any value; out is written only on success. */
static SRL__INLINE const uint8_t *read_value(scan *s, const uint8_t *p, uint32_t outside, srl__json_value *out)
{
    uint8_t type = type_by_byte[*p];
    const uint8_t *after;
    out->flags = 0;
    if (type >= SRL__JSON_ARRAY) {
        size_t newlines = s->newlines;
        after = composite_end(s, p, outside);
        out->flags = s->newlines != newlines ? SRL__JSON_NEWLINES : 0;
    } else {
        after = scalar_end(s, p, type, &out->flags);
    }
    if (after == NULL) {
        return NULL;
    }
    out->type = type;
    out->raw = type == SRL__JSON_STRING ? slice_between(p + 1, after - 1) : slice_between(p, after);
    return after;
}

/* Nothing but whitespace may follow. */
static bool ends_here(scan *s, const uint8_t *p)
{
    if (p != s->end) {
        p = skip_blanks(s, p);
    }
    if (p != s->end) {
        fail(s, SRL__JSON_ERR_TRAILING, p);
        return false;
    }
    return true;
}

static const uint8_t *first_token(scan *s, size_t len, size_t max_len)
{
    return len > max_len ? fail(s, SRL__JSON_ERR_LEN, s->begin + max_len) : next_token(s, s->begin);
}

bool srl__json_validate(srl__slice text, const srl__json_limits *limits, srl__json_value *out, srl__json_error *error)
{
    srl__json_value value = {0};
    const uint8_t *p;
    scan s;
    bool ok;
    scan_init(&s, text, limits, error);
    p = first_token(&s, text.len, limits->max_len);
    p = p == NULL ? NULL : read_value(&s, p, 0, &value);
    ok = p != NULL && ends_here(&s, p);
    if (out != NULL) {
        *out = ok ? value : (srl__json_value){0};
    }
    return ok;
}

/* The fields of the object that is being read. */
typedef struct level {
    const srl__json_field *first;
    const srl__json_field *end;
    const srl__json_field *next; /* the one most likely to come now; never end, unless there are none */
} level;

/* An object that is being read by its spec. */
typedef struct frame {
    const srl__json_field *field; /* that it is the value of; NULL for the outermost */
    const uint8_t *begin;
    size_t newlines;
    level outside; /* where to go on after it */
} frame;

typedef struct fields_scan {
    scan s;
    srl__json_value *out;
    uint32_t depth; /* frames in use */
    frame frames[SRL__JSON_SPEC_DEPTH];
} fields_scan;

static inline uint64_t load8(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint32_t load4(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* memcmp for names, most of which are a few bytes long. */
static inline bool same_bytes(const char *a, const char *b, size_t len)
{
    if (len > 16) {
        return memcmp(a, b, len) == 0;
    }
    if (len >= 8) {
        return load8(a) == load8(b) && load8(a + len - 8) == load8(b + len - 8);
    }
    if (len >= 4) {
        return load4(a) == load4(b) && load4(a + len - 4) == load4(b + len - 4);
    }
    return len == 0 || (a[0] == b[0] && a[len / 2] == b[len / 2] && a[len - 1] == b[len - 1]);
}

static inline void level_init(level *l, const srl__json_spec *spec)
{
    l->first = spec->fields;
    l->end = spec->count == 0 ? spec->fields : spec->fields + spec->count;
    l->next = l->first;
}

static inline const srl__json_field *after_field(const level *l, const srl__json_field *field)
{
    return field + 1 == l->end ? l->first : field + 1;
}

/* The field whose name, spelled without escapes, stands behind the quote at p. No search for the end of the name: it
 * is compared where it stands. */
static SRL__INLINE const srl__json_field *find_field(const scan *s, level *l, const uint8_t *p)
{
    const char *name = (const char *)p + 1;
    size_t left = left_of(s, p);
    const srl__json_field *field = l->next;
    if (l->first == l->end) {
        return NULL;
    }
    do {
        size_t len = field->name_len;
        if (len + 1 < left && name[len] == '"' && same_bytes(field->name, name, len)) {
            l->next = after_field(l, field);
            return field;
        }
        field = after_field(l, field);
    } while (field != l->next);
    return NULL;
}

static SRL__COLD const srl__json_field *find_escaped_field(const srl__json_field *field, const srl__json_field *end,
                                                           srl__slice raw)
{
    srl__json_value name = {raw, SRL__JSON_STRING, SRL__JSON_ESCAPES};
    for (; field != end; field++) {
        if (srl__json_string_is(&name, srl__slice_of(field->name, field->name_len))) {
            return field;
        }
    }
    return NULL;
}

/* The first field error is the one that is told. */
static SRL__COLD void note_field_error(fields_scan *r, srl__json_error_code code, const srl__json_field *field,
                                       const uint8_t *at)
{
    srl__json_error *error = r->s.error;
    if (error->code != SRL__JSON_OK) {
        return;
    }
    error->code = code;
    error->offset = (size_t)(at - r->s.begin);
    error->expected = field->types;
    error->path_len = 0;
    for (uint32_t i = 1; i < r->depth; i++) {
        error->path[error->path_len++] = r->frames[i].field;
    }
    error->path[error->path_len++] = field;
}

/* Whether the value at p goes into the field's slot. */
static inline bool is_wanted(fields_scan *r, const srl__json_field *field, const uint8_t *name, const uint8_t *p)
{
    if (field == NULL) {
        return false;
    }
    if (SRL__UNLIKELY(r->out[field->slot].type != SRL__JSON_NONE)) {
        note_field_error(r, SRL__JSON_ERR_DUPLICATE, field, name);
        return false;
    }
    if (SRL__UNLIKELY((type_by_byte[*p] & field->types) == 0)) {
        note_field_error(r, SRL__JSON_ERR_TYPE, field, p);
        return false;
    }
    return true;
}

/* p stands at the bracket; the result is the first name, or the closing bracket. */
static SRL__INLINE const uint8_t *enter(fields_scan *r, level *l, const uint8_t *p, const srl__json_field *field,
                                        const srl__json_spec *spec)
{
    frame *f = &r->frames[r->depth];
    if (r->depth >= r->s.max_depth) {
        return fail(&r->s, SRL__JSON_ERR_DEPTH, p);
    }
    f->field = field;
    f->begin = p;
    f->newlines = r->s.newlines;
    f->outside = *l;
    r->depth++;
    level_init(l, spec);
    return next_token(&r->s, p + 1);
}

/* p stands at the closing bracket. */
static SRL__INLINE void leave(fields_scan *r, level *l, const uint8_t *p)
{
    const frame *f = &r->frames[--r->depth];
    *l = f->outside;
    if (f->field != NULL) {
        srl__json_value *value = &r->out[f->field->slot];
        value->raw = slice_between(f->begin, p + 1);
        value->flags = r->s.newlines != f->newlines ? SRL__JSON_NEWLINES : 0;
        value->type = SRL__JSON_OBJECT;
    }
}

/* From a name to behind its closing quote; *field is the field it names, or NULL. */
static SRL__INLINE const uint8_t *read_name(scan *s, level *l, const uint8_t *p, const srl__json_field **field)
{
    uint8_t flags = 0;
    const uint8_t *end;
    if (*p != '"') {
        return fail(s, SRL__JSON_ERR_NAME, p);
    }
    *field = find_field(s, l, p);
    if (*field != NULL) {
        return p + (*field)->name_len + 2;
    }
    end = string_end(s, p + 1, &flags);
    if (end == NULL) {
        return NULL;
    }
    if (SRL__UNLIKELY(flags != 0)) {
        *field = find_escaped_field(l->first, l->end, slice_between(p + 1, end));
    }
    return end + 1;
}

/* From a name to behind the member's value, or to the first token within it if the spec goes on there. */
static SRL__INLINE const uint8_t *read_member(fields_scan *r, level *l, const uint8_t *p, bool *entered)
{
    srl__json_value passed_over;
    srl__json_value *out = &passed_over;
    const srl__json_field *field = NULL;
    const uint8_t *name = p;
    p = read_name(&r->s, l, p, &field);
    p = p == NULL ? NULL : skip_colon(&r->s, p);
    if (p == NULL) {
        return NULL;
    }
    if (is_wanted(r, field, name, p)) {
        if (*p == '{' && field->nested != NULL && r->depth < SRL__JSON_SPEC_DEPTH) {
            *entered = true;
            return enter(r, l, p, field, field->nested);
        }
        out = &r->out[field->slot];
    }
    return read_value(&r->s, p, r->depth, out);
}

/* p stands at the outermost bracket; the result is behind the object. */
static const uint8_t *read_fields(fields_scan *r, const uint8_t *p, const srl__json_spec *spec)
{
    bool entered = true;
    level l;
    level_init(&l, spec);
    p = enter(r, &l, p, NULL, spec);
    while (p != NULL) {
        if (!entered || *p != '}') {
            entered = false;
            p = read_member(r, &l, p, &entered);
            if (p == NULL || entered) {
                continue;
            }
            p = next_token(&r->s, p);
        }
        for (; p != NULL && *p != ','; p = next_token(&r->s, p + 1)) {
            if (*p != '}') {
                return fail(&r->s, SRL__JSON_ERR_OBJECT_NEXT, p);
            }
            leave(r, &l, p);
            if (r->depth == 0) {
                return p + 1;
            }
        }
        entered = false;
        p = p == NULL ? NULL : next_token(&r->s, p + 1);
    }
    return NULL;
}

static bool reject_outermost(scan *s, const uint8_t *p)
{
    srl__json_value value;
    size_t offset = (size_t)(p - s->begin);
    p = read_value(s, p, 0, &value);
    if (p != NULL && ends_here(s, p)) {
        s->error->code = SRL__JSON_ERR_TYPE;
        s->error->expected = SRL__JSON_OBJECT;
        s->error->offset = offset;
    }
    return false;
}

bool srl__json_read(srl__slice text, const srl__json_spec *spec, const srl__json_limits *limits, srl__json_value *out,
                    srl__json_error *error)
{
    fields_scan r;
    const uint8_t *p;
    for (uint32_t i = 0; i < spec->slots; i++) {
        out[i].raw = srl__slice_of(text.data, 0);
        out[i].type = SRL__JSON_NONE;
        out[i].flags = 0;
    }
    scan_init(&r.s, text, limits, error);
    r.out = out;
    r.depth = 0;
    p = first_token(&r.s, text.len, limits->max_len);
    if (p == NULL) {
        return false;
    }
    if (*p != '{') {
        return reject_outermost(&r.s, p);
    }
    p = read_fields(&r, p, spec);
    return p != NULL && ends_here(&r.s, p) && error->code == SRL__JSON_OK;
}

void srl__json_walk_init(srl__json_walk *walk, const srl__json_value *value)
{
    walk->has_names = value->type == SRL__JSON_OBJECT;
    walk->rest = srl__slice_of(value->raw.data, 0);
    if (value->type >= SRL__JSON_ARRAY && value->raw.len >= 2) {
        walk->rest = srl__slice_of(value->raw.data + 1, value->raw.len - 2);
    }
}

bool srl__json_walk_next(srl__json_walk *walk, srl__json_value *name, srl__json_value *value)
{
    srl__json_error error;
    srl__json_value key = {0};
    const uint8_t *p;
    scan s;
    scan_init(&s, walk->rest, &limits_of_a_walk, &error);
    p = next_token(&s, s.begin);
    if (p != NULL && *p == ',') {
        p = next_token(&s, p + 1);
    }
    if (p != NULL && walk->has_names) {
        p = *p == '"' ? read_value(&s, p, 0, &key) : NULL;
        p = p == NULL ? NULL : skip_colon(&s, p);
    }
    p = p == NULL ? NULL : read_value(&s, p, 0, value);
    if (p == NULL) {
        walk->rest.len = 0;
        return false;
    }
    if (name != NULL) {
        *name = key;
    }
    walk->rest = slice_between(p, s.end);
    return true;
}
