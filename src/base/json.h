/* JSON as RFC 8259 has it, read in one pass without building anything, and written straight into a buffer.
 *
 * Reading is strict: valid UTF-8, no half surrogate pairs, no byte order mark, nothing behind the value but whitespace.
 * It neither allocates nor recurses nor reads outside the text. Every slice handed out points into the text. */
#ifndef SRL__JSON_H
#define SRL__JSON_H

#include "base/buf.h"
#include "base/slice.h"

/* The type of a value; also the bits of a set of types. 0: not there. */
enum {
    SRL__JSON_NONE = 0,
    SRL__JSON_NULL = 1,
    SRL__JSON_BOOL = 2,
    SRL__JSON_NUMBER = 4,
    SRL__JSON_STRING = 8,
    SRL__JSON_ARRAY = 16,
    SRL__JSON_OBJECT = 32,
    SRL__JSON_ANY = 63
};

enum {
    SRL__JSON_ESCAPES = 1,  /* a string with at least one backslash: raw is not yet what it means */
    SRL__JSON_NEWLINES = 2, /* an array or object with \n or \r as whitespace: see srl__json_flatten */
};

typedef struct srl__json_value {
    srl__slice raw; /* the value as it stands in the text; a string without its quotes */
    uint8_t type;   /* one SRL__JSON_ type; SRL__JSON_NONE if there is no such value */
    uint8_t flags;
} srl__json_value;

/* What an object may hold. Members that are not listed are checked for syntax and passed over. Sample:
 *
 *     enum { F_ID, F_DATA, F_DATA_OFFSET, F_COUNT };
 *     static const srl__json_field data_fields[] = {
 *         SRL__JSON_FIELD("offset", SRL__JSON_NUMBER | SRL__JSON_NULL, F_DATA_OFFSET, NULL),
 *     };
 *     static const srl__json_spec data_spec = SRL__JSON_SPEC(data_fields, 0);
 *     static const srl__json_field fields[] = {
 *         SRL__JSON_FIELD("id", SRL__JSON_NUMBER, F_ID, NULL),
 *         SRL__JSON_FIELD("data", SRL__JSON_ANY, F_DATA, &data_spec),
 *     };
 *     static const srl__json_spec spec = SRL__JSON_SPEC(fields, F_COUNT);
 *     srl__json_value out[F_COUNT];
 */
typedef struct srl__json_field {
    const char *name;
    const struct srl__json_spec *nested; /* read this member's members too, if it is an object; may be NULL */
    uint8_t name_len;
    uint8_t types; /* set of types it may have */
    uint8_t slot;  /* where its value goes: out[slot]; each field has its own */
} srl__json_field;

typedef struct srl__json_spec {
    const srl__json_field *fields; /* quickest when listed in the order in which they usually come */
    uint8_t count;
    uint8_t slots; /* length of the out array; only the outermost one counts */
} srl__json_spec;

#define SRL__JSON_FIELD(name, types, slot, nested)                                                                     \
    {                                                                                                                  \
        (name), (nested), sizeof(name) - 1, (types), (slot)                                                            \
    }
#define SRL__JSON_SPEC(fields, slots)                                                                                  \
    {                                                                                                                  \
        (fields), sizeof(fields) / sizeof((fields)[0]), (slots)                                                        \
    }

/* Specs within specs, the outermost one included. */
#define SRL__JSON_SPEC_DEPTH 4

#define SRL__JSON_MAX_DEPTH 128

typedef struct srl__json_limits {
    size_t max_len;      /* bytes of the text */
    uint32_t max_depth;  /* arrays and objects inside each other; at most SRL__JSON_MAX_DEPTH */
    uint32_t max_number; /* characters of one number, sign, point and exponent included */
} srl__json_limits;

/* 1 MiB, 64 deep, 64 characters. */
extern const srl__json_limits srl__json_limits_default;

/* X(name, text) */
#define SRL__JSON_ERROR_MAP(X)                                                                                         \
    X(SRL__JSON_OK, "no error")                                                                                        \
    X(SRL__JSON_ERR_TRUNCATED, "the text ends too early")                                                              \
    X(SRL__JSON_ERR_VALUE, "expected a value")                                                                         \
    X(SRL__JSON_ERR_NAME, "expected a member name")                                                                    \
    X(SRL__JSON_ERR_COLON, "expected ':'")                                                                             \
    X(SRL__JSON_ERR_OBJECT_NEXT, "expected ',' or '}'")                                                                \
    X(SRL__JSON_ERR_ARRAY_NEXT, "expected ',' or ']'")                                                                 \
    X(SRL__JSON_ERR_NUMBER, "malformed number")                                                                        \
    X(SRL__JSON_ERR_CONTROL, "unescaped control character in a string")                                                \
    X(SRL__JSON_ERR_ESCAPE, "bad escape sequence")                                                                     \
    X(SRL__JSON_ERR_SURROGATE, "half of a surrogate pair")                                                             \
    X(SRL__JSON_ERR_UTF8, "not valid UTF-8")                                                                           \
    X(SRL__JSON_ERR_TRAILING, "more text after the value")                                                             \
    X(SRL__JSON_ERR_DEPTH, "nested too deeply")                                                                        \
    X(SRL__JSON_ERR_NUMBER_LEN, "number too long")                                                                     \
    X(SRL__JSON_ERR_LEN, "text too long")                                                                              \
    X(SRL__JSON_ERR_TYPE, "wrong type")                                                                                \
    X(SRL__JSON_ERR_DUPLICATE, "given twice")

typedef enum srl__json_error_code {
#define SRL__JSON_ERROR_ENUM(name, text) name,
    SRL__JSON_ERROR_MAP(SRL__JSON_ERROR_ENUM)
#undef SRL__JSON_ERROR_ENUM
} srl__json_error_code;

typedef struct srl__json_error {
    srl__json_error_code code;
    size_t offset; /* byte at fault; of a field error: where its value (wrong type) or its name (given twice) begins */
    uint8_t expected; /* SRL__JSON_ERR_TYPE: the types that would do */
    uint8_t path_len; /* of a field error: 0 for the outermost value itself */
    const srl__json_field *path[SRL__JSON_SPEC_DEPTH];
} srl__json_error;

/* Check a complete text that must be an object, and pick out the fields of `spec` on the way. out has spec->slots
 * elements. False on any error; then out holds the fields that were good and came before a syntax error.
 *
 * A field error (wrong type, given twice) does not stop the reading: good fields behind it are still found, and a
 * syntax error behind it is the one that is reported, for then the text is not JSON at all. A field of the wrong type
 * stays SRL__JSON_NONE; of one that is given twice the first counts. null is a type like any other. */
bool srl__json_read(srl__slice text, const srl__json_spec *spec, const srl__json_limits *limits, srl__json_value *out,
                    srl__json_error *error);

/* Check a complete text of any type. out (may be NULL) is the value without the whitespace around it. */
bool srl__json_validate(srl__slice text, const srl__json_limits *limits, srl__json_value *out, srl__json_error *error);

/* "data.offset: expected a number at byte 42", always terminated; returns its length. Cut to capacity > 0. */
size_t srl__json_error_text(const srl__json_error *error, char *out, size_t capacity);

/* The elements of an array or the members of an object that was read before, one after the other. */
typedef struct srl__json_walk {
    srl__slice rest;
    bool has_names;
} srl__json_walk;

/* A value of another type than array or object has no elements. */
void srl__json_walk_init(srl__json_walk *walk, const srl__json_value *value);
/* False at the end. name may be NULL; in an array it becomes a value of type SRL__JSON_NONE. */
bool srl__json_walk_next(srl__json_walk *walk, srl__json_value *name, srl__json_value *value);

/* A whole number 0 ... 2^64-1 without sign, point or exponent; else false. */
bool srl__json_to_u64(const srl__json_value *value, uint64_t *out);
bool srl__json_to_bool(const srl__json_value *value, bool *out);
/* What a string means: its raw slice if it has no escapes, else it is unescaped into scratch (raw.len bytes; it may be
 * the text's own memory). Empty for other types. May contain zero bytes. */
srl__slice srl__json_to_string(const srl__json_value *value, char *scratch);
/* Whether it is a string that means `text`; no memory needed. */
bool srl__json_string_is(const srl__json_value *value, srl__slice text);

/* Replace newlines between the tokens of a valid text by spaces (in strings there are none). */
void srl__json_flatten(char *text, size_t len);

/* Writes one value after the other; commas come by themselves. Errors stick to the buffer. */
typedef struct srl__json_writer {
    srl__buf *buf;
    bool comma; /* something stands before at this level */
} srl__json_writer;

static inline srl__json_writer srl__json_writer_on(srl__buf *buf)
{
    return (srl__json_writer){buf, false};
}

void srl__json_put_open(srl__json_writer *w, char bracket);      /* { or [ */
void srl__json_put_close(srl__json_writer *w, char bracket);     /* } or ] */
void srl__json_put_name(srl__json_writer *w, srl__slice name);   /* of a member; its value comes next */
void srl__json_put_string(srl__json_writer *w, srl__slice text); /* invalid UTF-8 becomes U+FFFD */
void srl__json_put_raw(srl__json_writer *w, srl__slice json);    /* a valid JSON value, as it is */
void srl__json_put_u64(srl__json_writer *w, uint64_t n);
void srl__json_put_bool(srl__json_writer *w, bool yes);
void srl__json_put_null(srl__json_writer *w);

/* Quoted and escaped, no comma: for text that is put together by hand. */
void srl__json_append_string(srl__buf *buf, srl__slice text);

#endif
