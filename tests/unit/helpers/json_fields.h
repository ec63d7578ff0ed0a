/* What the tests of the JSON modules share: a sample spec, and readings from memory of exact size. Include cmocka
 * first. */
#ifndef SRL_TEST_JSON_FIELDS_H
#define SRL_TEST_JSON_FIELDS_H

#include "base/json.h"

#include <stdlib.h>

static const srl__json_limits wide = {SIZE_MAX, SRL__JSON_MAX_DEPTH, 1000};

/* A copy in a block of exactly its size, so that a read outside it is noticed. */
static inline srl__slice exact_copy(const void *data, size_t len)
{
    char *copy = malloc(len);
    assert_true(copy != NULL || len == 0);
    if (len > 0) {
        memcpy(copy, data, len);
    }
    return srl__slice_of(copy, len);
}

static inline void free_copy(srl__slice copy)
{
    free((void *)(uintptr_t)copy.data);
}

enum { F_ID, F_TYPE, F_CHANNEL, F_DATA, F_DATA_DATA, F_DATA_OFFSET, F_DATA_MORE, F_DATA_MORE_X, F_COUNT };

static const srl__json_field more_fields[] = {SRL__JSON_FIELD("x", SRL__JSON_NUMBER, F_DATA_MORE_X, NULL)};
static const srl__json_spec more_spec = SRL__JSON_SPEC(more_fields, 0);

static const srl__json_field data_fields[] = {
    SRL__JSON_FIELD("data", SRL__JSON_ANY, F_DATA_DATA, NULL),
    SRL__JSON_FIELD("offset", SRL__JSON_NUMBER | SRL__JSON_NULL, F_DATA_OFFSET, NULL),
    SRL__JSON_FIELD("more", SRL__JSON_ANY, F_DATA_MORE, &more_spec),
};
static const srl__json_spec data_spec = SRL__JSON_SPEC(data_fields, 0);

static const srl__json_field fields[] = {
    SRL__JSON_FIELD("id", SRL__JSON_NUMBER, F_ID, NULL),
    SRL__JSON_FIELD("type", SRL__JSON_STRING, F_TYPE, NULL),
    SRL__JSON_FIELD("channel", SRL__JSON_STRING | SRL__JSON_NULL, F_CHANNEL, NULL),
    SRL__JSON_FIELD("data", SRL__JSON_ANY, F_DATA, &data_spec),
};
static const srl__json_spec spec = SRL__JSON_SPEC(fields, F_COUNT);

typedef struct reading {
    srl__slice text;
    srl__json_value out[F_COUNT];
    srl__json_error error;
    bool ok;
} reading;

static inline void start_reading(reading *r, const char *text)
{
    r->text = exact_copy(text, strlen(text));
    memset(r->out, 0xA5, sizeof(r->out));
    r->ok = srl__json_read(r->text, &spec, &wide, r->out, &r->error);
    assert_int_equal(r->ok, r->error.code == SRL__JSON_OK);
}

static inline void assert_raw(const srl__json_value *value, uint8_t type, const char *raw)
{
    assert_int_equal(value->type, type);
    assert_int_equal(value->raw.len, strlen(raw));
    assert_memory_equal(value->raw.data, raw, strlen(raw));
}

/* A valid text of one value. */
static inline srl__json_value value_of(const char *text)
{
    srl__json_value value;
    srl__json_error error;
    assert_true(srl__json_validate(srl__slice_of(text, strlen(text)), &wide, &value, &error));
    return value;
}

#endif
