/*
 * The JSON reader against a plain validator, its fields against a walk over the same text, and what it reads against
 * what the writer makes of it.
 *
 * Input: one byte for the depth allowed, one for the length of numbers, then the text.
 */
#include "base/json.h"

#include <stdlib.h>

#include "../unit/helpers/naive_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

enum { F_ID, F_TYPE, F_CHANNEL, F_DATA, F_DATA_DATA, F_DATA_OFFSET, F_DATA_MORE, F_DATA_MORE_X, F_COUNT };

static const srl__json_field more_fields[] = {SRL__JSON_FIELD("x", SRL__JSON_ANY, F_DATA_MORE_X, NULL)};
static const srl__json_spec more_spec = SRL__JSON_SPEC(more_fields, 0);

static const srl__json_field data_fields[] = {
    SRL__JSON_FIELD("data", SRL__JSON_ANY, F_DATA_DATA, NULL),
    SRL__JSON_FIELD("offset", SRL__JSON_NUMBER | SRL__JSON_NULL, F_DATA_OFFSET, NULL),
    SRL__JSON_FIELD("more", SRL__JSON_ARRAY | SRL__JSON_OBJECT, F_DATA_MORE, &more_spec),
};
static const srl__json_spec data_spec = SRL__JSON_SPEC(data_fields, 0);

static const srl__json_field fields[] = {
    SRL__JSON_FIELD("id", SRL__JSON_NUMBER, F_ID, NULL),
    SRL__JSON_FIELD("type", SRL__JSON_STRING, F_TYPE, NULL),
    SRL__JSON_FIELD("channel", SRL__JSON_STRING | SRL__JSON_NULL, F_CHANNEL, NULL),
    SRL__JSON_FIELD("data", SRL__JSON_ANY, F_DATA, &data_spec),
};
static const srl__json_spec spec = SRL__JSON_SPEC(fields, F_COUNT);

static bool is_within(srl__slice text, srl__slice part)
{
    return part.data >= text.data && part.len <= text.len && part.data + part.len <= text.data + text.len;
}

static void check_same(const srl__json_value *a, const srl__json_value *b)
{
    REQUIRE(a->type == b->type && a->flags == b->flags && srl__slice_equal(a->raw, b->raw));
    REQUIRE(a->type == SRL__JSON_NONE || a->raw.data == b->raw.data);
}

/* What the spec has found, found once more by walking. Returns whether the reader was to find fault with it. */
static bool check_object(const srl__json_value *object, const srl__json_spec *s, const srl__json_value *out)
{
    srl__json_walk walk;
    srl__json_value name;
    srl__json_value value;
    srl__json_value expected[F_COUNT] = {{{NULL, 0}, 0, 0}};
    bool fault = false;
    srl__json_walk_init(&walk, object);
    while (srl__json_walk_next(&walk, &name, &value)) {
        for (size_t i = 0; i < s->count; i++) {
            const srl__json_field *field = &s->fields[i];
            srl__json_value *slot = &expected[field->slot];
            if (!srl__json_string_is(&name, srl__slice_of(field->name, field->name_len))) {
                continue;
            }
            if (slot->type != SRL__JSON_NONE || (field->types & value.type) == 0) {
                fault = true;
            } else {
                *slot = value;
                if (field->nested != NULL && value.type == SRL__JSON_OBJECT) {
                    fault |= check_object(&value, field->nested, out);
                }
            }
        }
    }
    REQUIRE(walk.rest.len == 0);
    for (size_t i = 0; i < s->count; i++) {
        check_same(&out[s->fields[i].slot], &expected[s->fields[i].slot]);
    }
    return fault;
}

static void check_string(const srl__json_value *value)
{
    char *scratch = malloc(value->raw.len == 0 ? 1 : value->raw.len);
    srl_allocator alloc;
    srl__buf buf;
    srl__json_value again;
    srl__json_error error;
    srl__slice text;
    REQUIRE(scratch != NULL);
    text = srl__json_to_string(value, scratch);
    REQUIRE(text.len <= value->raw.len && srl__json_string_is(value, text));
    srl_allocator_init(&alloc, sizeof(alloc));
    srl__buf_init(&buf, &alloc, SIZE_MAX / 2);
    srl__json_append_string(&buf, text);
    REQUIRE(buf.error == 0);
    REQUIRE(srl__json_validate(srl__slice_of(buf.data, buf.len), &srl__json_limits_default, &again, &error) ||
            error.code == SRL__JSON_ERR_LEN);
    REQUIRE(error.code != SRL__JSON_OK || srl__json_string_is(&again, text));
    srl__buf_free(&buf);
    free(scratch);
}

static void check_error(const srl__json_error *error, size_t len)
{
    char text[64];
    REQUIRE(error->code != SRL__JSON_OK && error->offset <= len);
    REQUIRE(srl__json_error_text(error, text, sizeof(text)) == strlen(text));
    REQUIRE(error->code != SRL__JSON_ERR_TRUNCATED || error->offset == len);
}

static void check_text(srl__slice text, const srl__json_limits *limits)
{
    srl__json_value value;
    srl__json_value out[F_COUNT];
    srl__json_error error;
    bool valid = srl__json_validate(text, limits, &value, &error);
    bool read;
    REQUIRE(valid == naive_json_valid(text.data, text.len, limits->max_depth, limits->max_number));
    if (!valid) {
        check_error(&error, text.len);
    } else {
        REQUIRE(value.type != SRL__JSON_NONE && is_within(text, value.raw));
        if (value.type == SRL__JSON_STRING) {
            check_string(&value);
        }
    }
    read = srl__json_read(text, &spec, limits, out, &error);
    if (!read) {
        check_error(&error, text.len);
    }
    for (size_t i = 0; i < F_COUNT; i++) {
        REQUIRE(out[i].type == SRL__JSON_NONE || is_within(text, out[i].raw));
    }
    REQUIRE(valid || (!read && error.code != SRL__JSON_ERR_TYPE && error.code != SRL__JSON_ERR_DUPLICATE));
    if (valid && value.type == SRL__JSON_OBJECT) {
        REQUIRE(read == !check_object(&value, &spec, out));
    } else {
        REQUIRE(!read);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    srl__json_limits limits = srl__json_limits_default;
    char *copy;
    if (size < 2) {
        return 0;
    }
    limits.max_depth = data[0] % (SRL__JSON_MAX_DEPTH + 1);
    limits.max_number = data[1];
    copy = malloc(size - 2);
    REQUIRE(copy != NULL || size == 2);
    if (size > 2) {
        memcpy(copy, data + 2, size - 2);
    }
    check_text(srl__slice_of(copy, size - 2), &limits);
    free(copy);
    return 0;
}
