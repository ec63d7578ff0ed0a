/* Reading by a spec, walking, and what errors say. */
#include "base/json.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "helpers/json_fields.h"

static void assert_absent(const reading *r, size_t slot)
{
    assert_int_equal(r->out[slot].type, SRL__JSON_NONE);
    assert_int_equal(r->out[slot].raw.len, 0);
    assert_int_equal(r->out[slot].flags, 0);
}

static void assert_error(const reading *r, srl__json_error_code code, size_t offset, const char *text)
{
    char message[200];
    assert_int_equal(r->error.code, code);
    assert_int_equal(r->error.offset, offset);
    assert_int_equal(srl__json_error_text(&r->error, message, sizeof(message)), strlen(text));
    assert_string_equal(message, text);
}

static void fields_of_a_command(void **state)
{
    (void)state;
    reading r;
    uint64_t n;
    start_reading(&r,
                  "{\"id\":1,\"type\":\"publish\",\"channel\":\"c\",\"data\":{\"data\":{\"a\": [1]},\"offset\":5}}");
    assert_true(r.ok);
    assert_raw(&r.out[F_ID], SRL__JSON_NUMBER, "1");
    assert_raw(&r.out[F_TYPE], SRL__JSON_STRING, "publish");
    assert_raw(&r.out[F_CHANNEL], SRL__JSON_STRING, "c");
    assert_raw(&r.out[F_DATA], SRL__JSON_OBJECT, "{\"data\":{\"a\": [1]},\"offset\":5}");
    assert_raw(&r.out[F_DATA_DATA], SRL__JSON_OBJECT, "{\"a\": [1]}");
    assert_raw(&r.out[F_DATA_OFFSET], SRL__JSON_NUMBER, "5");
    assert_absent(&r, F_DATA_MORE);
    assert_absent(&r, F_DATA_MORE_X);
    assert_true(r.out[F_TYPE].raw.data > r.text.data && r.out[F_TYPE].raw.data < r.text.data + r.text.len);
    assert_true(srl__json_to_u64(&r.out[F_DATA_OFFSET], &n));
    assert_int_equal(n, 5);
    free_copy(r.text);
}

static void fields_in_any_order_among_others(void **state)
{
    (void)state;
    reading r;
    start_reading(&r,
                  "{\"i\":0,\"data\":{\"offsets\":1,\"more\":{\"y\":{\"x\":\"no\"},\"x\":3},\"data\":[{\"data\":2}]},"
                  "\"ids\":{\"id\":\"no\"},\"channel\":\"\",\"\":{},\"type\":\"t\",\"idd\":[\"id\"],\"id\":4}");
    assert_true(r.ok);
    assert_raw(&r.out[F_ID], SRL__JSON_NUMBER, "4");
    assert_raw(&r.out[F_TYPE], SRL__JSON_STRING, "t");
    assert_raw(&r.out[F_CHANNEL], SRL__JSON_STRING, "");
    assert_raw(&r.out[F_DATA_DATA], SRL__JSON_ARRAY, "[{\"data\":2}]");
    assert_raw(&r.out[F_DATA_MORE], SRL__JSON_OBJECT, "{\"y\":{\"x\":\"no\"},\"x\":3}");
    assert_raw(&r.out[F_DATA_MORE_X], SRL__JSON_NUMBER, "3");
    assert_absent(&r, F_DATA_OFFSET);
    free_copy(r.text);
}

static void empty_objects(void **state)
{
    (void)state;
    reading r;
    start_reading(&r, " { } ");
    assert_true(r.ok);
    for (size_t i = 0; i < F_COUNT; i++) {
        assert_absent(&r, i);
    }
    free_copy(r.text);
    start_reading(&r, "{\"data\":{\"more\":{}},\"id\":1}");
    assert_true(r.ok);
    assert_raw(&r.out[F_DATA], SRL__JSON_OBJECT, "{\"more\":{}}");
    assert_raw(&r.out[F_DATA_MORE], SRL__JSON_OBJECT, "{}");
    assert_raw(&r.out[F_ID], SRL__JSON_NUMBER, "1");
    free_copy(r.text);
}

static void nested_fields_need_an_object(void **state)
{
    (void)state;
    reading r;
    start_reading(&r, "{\"data\":[{\"data\":1}],\"id\":2}");
    assert_true(r.ok);
    assert_raw(&r.out[F_DATA], SRL__JSON_ARRAY, "[{\"data\":1}]");
    assert_absent(&r, F_DATA_DATA);
    free_copy(r.text);
}

static void a_spec_without_fields(void **state)
{
    (void)state;
    static const srl__json_spec empty = {NULL, 0, 0};
    srl__json_error error;
    assert_true(srl__json_read(SRL__LIT("{\"a\":1,\"\\u0062\":{}}"), &empty, &wide, NULL, &error));
    assert_false(srl__json_read(SRL__LIT("{\"a\":1,}"), &empty, &wide, NULL, &error));
    assert_int_equal(error.code, SRL__JSON_ERR_NAME);
}

static void escaped_names_are_the_same_names(void **state)
{
    (void)state;
    reading r;
    start_reading(&r, "{\"\\u0069d\":1,\"dat\\u0061\":{\"\\u0064\\u0061\\u0074\\u0061\":2,\"off\\u0073et\":3,"
                      "\"of\\/fset\":4},\"i\\u0064x\":5,\"\\u0069\":6}");
    assert_true(r.ok);
    assert_raw(&r.out[F_ID], SRL__JSON_NUMBER, "1");
    assert_raw(&r.out[F_DATA_DATA], SRL__JSON_NUMBER, "2");
    assert_raw(&r.out[F_DATA_OFFSET], SRL__JSON_NUMBER, "3");
    free_copy(r.text);
    start_reading(&r, "{\"id\":1,\"\\u0069d\":2}");
    assert_error(&r, SRL__JSON_ERR_DUPLICATE, 8, "id: given twice at byte 8");
    assert_raw(&r.out[F_ID], SRL__JSON_NUMBER, "1");
    free_copy(r.text);
}

static void a_field_given_twice(void **state)
{
    (void)state;
    reading r;
    start_reading(&r, "{\"x\":1,\"x\":2,\"data\":{\"y\":1,\"y\":1,\"offset\":1,\"offset\":2},\"id\":9}");
    assert_error(&r, SRL__JSON_ERR_DUPLICATE, 44, "data.offset: given twice at byte 44");
    assert_raw(&r.out[F_DATA_OFFSET], SRL__JSON_NUMBER, "1");
    assert_raw(&r.out[F_ID], SRL__JSON_NUMBER, "9");
    assert_raw(&r.out[F_DATA], SRL__JSON_OBJECT, "{\"y\":1,\"y\":1,\"offset\":1,\"offset\":2}");
    free_copy(r.text);
    start_reading(&r, "{\"data\":{\"offset\":1},\"data\":{\"data\":2},\"id\":9}");
    assert_error(&r, SRL__JSON_ERR_DUPLICATE, 21, "data: given twice at byte 21");
    assert_absent(&r, F_DATA_DATA);
    assert_raw(&r.out[F_ID], SRL__JSON_NUMBER, "9");
    free_copy(r.text);
    start_reading(&r, "{\"channel\":null,\"channel\":\"c\"}");
    assert_int_equal(r.error.code, SRL__JSON_ERR_DUPLICATE);
    free_copy(r.text);
}

static void null_where_it_is_allowed(void **state)
{
    (void)state;
    reading r;
    start_reading(&r, "{\"channel\":null,\"data\":{\"offset\":null,\"data\":null}}");
    assert_true(r.ok);
    assert_raw(&r.out[F_CHANNEL], SRL__JSON_NULL, "null");
    assert_raw(&r.out[F_DATA_OFFSET], SRL__JSON_NULL, "null");
    assert_raw(&r.out[F_DATA_DATA], SRL__JSON_NULL, "null");
    free_copy(r.text);
    start_reading(&r, "{\"id\":null,\"type\":\"t\"}");
    assert_error(&r, SRL__JSON_ERR_TYPE, 6, "id: expected a number at byte 6");
    assert_absent(&r, F_ID);
    assert_raw(&r.out[F_TYPE], SRL__JSON_STRING, "t");
    free_copy(r.text);
}

static void values_of_the_wrong_type(void **state)
{
    (void)state;
    static const char *const values[] = {"null", "true", "false", "1", "\"s\"", "[]", "{}"};
    static const uint8_t types[] = {SRL__JSON_NULL,   SRL__JSON_BOOL,  SRL__JSON_BOOL,  SRL__JSON_NUMBER,
                                    SRL__JSON_STRING, SRL__JSON_ARRAY, SRL__JSON_OBJECT};
    for (unsigned mask = 0; mask < 64; mask++) {
        srl__json_field field = SRL__JSON_FIELD("f", (uint8_t)mask, 0, &more_spec);
        srl__json_spec one = {&field, 1, F_COUNT};
        for (size_t i = 0; i < 7; i++) {
            char text[32];
            srl__json_value out[F_COUNT];
            srl__json_error error;
            bool fits = (types[i] & mask) != 0;
            snprintf(text, sizeof(text), "{\"f\":%s}", values[i]);
            assert_int_equal(srl__json_read(srl__slice_of(text, strlen(text)), &one, &wide, out, &error), fits);
            assert_int_equal(out[0].type, fits ? types[i] : SRL__JSON_NONE);
            assert_int_equal(error.code, fits ? SRL__JSON_OK : SRL__JSON_ERR_TYPE);
            assert_int_equal(error.offset, fits ? 0 : 5);
        }
    }
}

static void the_first_field_error_is_told(void **state)
{
    (void)state;
    reading r;
    start_reading(&r, "{\"data\":{\"more\":{\"x\":\"3\"},\"offset\":true},\"type\":5,\"id\":1}");
    assert_error(&r, SRL__JSON_ERR_TYPE, 21, "data.more.x: expected a number at byte 21");
    assert_absent(&r, F_DATA_MORE_X);
    assert_absent(&r, F_DATA_OFFSET);
    assert_raw(&r.out[F_DATA_MORE], SRL__JSON_OBJECT, "{\"x\":\"3\"}");
    assert_raw(&r.out[F_ID], SRL__JSON_NUMBER, "1");
    free_copy(r.text);
}

static void a_syntax_error_outweighs_a_field_error(void **state)
{
    (void)state;
    reading r;
    start_reading(&r, "{\"id\":3,\"type\":7,\"data\":{\"offset\":1,\"data\":{]}}");
    assert_error(&r, SRL__JSON_ERR_NAME, 44, "expected a member name at byte 44");
    assert_raw(&r.out[F_ID], SRL__JSON_NUMBER, "3");
    assert_raw(&r.out[F_DATA_OFFSET], SRL__JSON_NUMBER, "1");
    assert_absent(&r, F_TYPE);
    assert_absent(&r, F_DATA);
    free_copy(r.text);
    start_reading(&r, "{\"id\":3,\"type\":7} x");
    assert_error(&r, SRL__JSON_ERR_TRAILING, 18, "more text after the value at byte 18");
    assert_raw(&r.out[F_ID], SRL__JSON_NUMBER, "3");
    free_copy(r.text);
}

static void the_outermost_value_must_be_an_object(void **state)
{
    (void)state;
    static const char *const values[] = {" [{\"id\":1}]", " 5", " \"{}\"", " null ", " true"};
    for (size_t i = 0; i < 5; i++) {
        reading r;
        start_reading(&r, values[i]);
        assert_error(&r, SRL__JSON_ERR_TYPE, 1, "expected an object at byte 1");
        assert_absent(&r, F_ID);
        free_copy(r.text);
    }
    reading r;
    start_reading(&r, "[1,]");
    assert_error(&r, SRL__JSON_ERR_VALUE, 3, "expected a value at byte 3");
    free_copy(r.text);
    start_reading(&r, "[1]]");
    assert_error(&r, SRL__JSON_ERR_TRAILING, 3, "more text after the value at byte 3");
    free_copy(r.text);
}

static void fields_before_the_end_of_a_cut_text(void **state)
{
    (void)state;
    static const char text[] =
        "{\"id\":12,\"type\":\"abcdefghijklmnopqrstuvwxyz\",\"data\":{\"offset\":34,\"data\":[]}}";
    for (size_t cut = 0; cut + 1 < sizeof(text); cut++) {
        srl__slice copy = exact_copy(text, cut);
        srl__json_value out[F_COUNT];
        srl__json_error error;
        assert_false(srl__json_read(copy, &spec, &wide, out, &error));
        assert_int_equal(error.code, SRL__JSON_ERR_TRUNCATED);
        assert_int_equal(error.offset, cut);
        assert_int_equal(out[F_TYPE].type, cut < 44 ? SRL__JSON_NONE : SRL__JSON_STRING);
        assert_int_equal(out[F_DATA].type, cut < sizeof(text) - 2 ? SRL__JSON_NONE : SRL__JSON_OBJECT);
        if (cut > 8) {
            assert_raw(&out[F_ID], SRL__JSON_NUMBER, "12");
        }
        free_copy(copy);
    }
}

/* Names of all lengths that the comparison treats differently, each a near miss of the others. */
static void many_fields(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    static char names[COUNT][COUNT + 1];
    srl__json_field many[COUNT];
    srl__json_spec many_spec = {many, COUNT, COUNT};
    srl__json_value out[COUNT];
    srl__json_error error;
    char text[4096] = "{";
    for (size_t i = 0; i < COUNT; i++) {
        memset(names[i], 'n', i);
        many[i] = (srl__json_field){names[i], NULL, (uint8_t)i, SRL__JSON_NUMBER, (uint8_t)i};
    }
    for (size_t i = COUNT; i-- > 0;) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof(text) - len, "\"%s\":%zu%s", names[i], i, i == 0 ? "}" : ",");
    }
    assert_true(srl__json_read(srl__slice_of(text, strlen(text)), &many_spec, &wide, out, &error));
    for (size_t i = 0; i < COUNT; i++) {
        uint64_t n;
        assert_true(srl__json_to_u64(&out[i], &n));
        assert_int_equal(n, i);
    }
    for (size_t i = 1; i < COUNT; i++) {
        for (size_t at = 0; at < i; at++) {
            snprintf(text, sizeof(text), "{\"%s\":1}", names[i]);
            text[2 + at] = 'm';
            assert_true(srl__json_read(srl__slice_of(text, strlen(text)), &many_spec, &wide, out, &error));
            assert_int_equal(out[i].type, SRL__JSON_NONE);
        }
    }
}

static void newlines_are_reported_and_flattened(void **state)
{
    (void)state;
    reading r;
    char *text;
    start_reading(&r, "\n{\"id\":1,\"data\":{\"data\":[1,\r2],\"more\":{\"x\":\t1},\n\"offset\": 2}}");
    assert_true(r.ok);
    assert_int_equal(r.out[F_DATA].flags, SRL__JSON_NEWLINES);
    assert_int_equal(r.out[F_DATA_DATA].flags, SRL__JSON_NEWLINES);
    assert_int_equal(r.out[F_DATA_MORE].flags, 0);
    assert_int_equal(r.out[F_ID].flags, 0);
    text = (char *)(uintptr_t)r.text.data;
    srl__json_flatten(text, r.text.len);
    assert_memory_equal(text, " {\"id\":1,\"data\":{\"data\":[1, 2],\"more\":{\"x\":\t1}, \"offset\": 2}}", r.text.len);
    free_copy(r.text);
    start_reading(&r, "{\"data\":{\"data\":[1, 2,\"\\n\\r\"]}\n}\n");
    assert_int_equal(r.out[F_DATA].flags, 0);
    assert_int_equal(r.out[F_DATA_DATA].flags, 0);
    free_copy(r.text);
}

static void a_validated_value_without_its_whitespace(void **state)
{
    (void)state;
    srl__json_error error;
    srl__json_value value;
    assert_true(srl__json_validate(SRL__LIT("\n [1,\n2] \n"), &wide, &value, &error));
    assert_raw(&value, SRL__JSON_ARRAY, "[1,\n2]");
    assert_int_equal(value.flags, SRL__JSON_NEWLINES);
    assert_true(srl__json_validate(SRL__LIT("\n [1,2] \n"), &wide, &value, &error));
    assert_int_equal(value.flags, 0);
    assert_true(srl__json_validate(SRL__LIT(" \"a\\n\""), &wide, &value, &error));
    assert_raw(&value, SRL__JSON_STRING, "a\\n");
    assert_int_equal(value.flags, SRL__JSON_ESCAPES);
    assert_true(srl__json_validate(SRL__LIT("7"), &srl__json_limits_default, NULL, &error));
}

static void walking(void **state)
{
    (void)state;
    srl__json_value object = value_of("{ \"a\" : 1 , \"\\u0062\":[2,3],\"\":\"x\" }");
    srl__json_value array = value_of("[\n1,[ ] ,\"]\" ]");
    srl__json_value empty = value_of("[ ]");
    srl__json_value number = value_of("12345");
    srl__json_walk walk;
    srl__json_value name;
    srl__json_value value;
    srl__json_walk_init(&walk, &object);
    assert_true(srl__json_walk_next(&walk, &name, &value));
    assert_raw(&name, SRL__JSON_STRING, "a");
    assert_raw(&value, SRL__JSON_NUMBER, "1");
    assert_true(srl__json_walk_next(&walk, &name, &value));
    assert_true(srl__json_string_is(&name, SRL__LIT("b")));
    assert_raw(&value, SRL__JSON_ARRAY, "[2,3]");
    assert_true(srl__json_walk_next(&walk, NULL, &value));
    assert_raw(&value, SRL__JSON_STRING, "x");
    assert_false(srl__json_walk_next(&walk, &name, &value));
    assert_false(srl__json_walk_next(&walk, &name, &value));
    srl__json_walk_init(&walk, &array);
    assert_true(srl__json_walk_next(&walk, &name, &value));
    assert_int_equal(name.type, SRL__JSON_NONE);
    assert_raw(&value, SRL__JSON_NUMBER, "1");
    assert_true(srl__json_walk_next(&walk, &name, &value));
    assert_raw(&value, SRL__JSON_ARRAY, "[ ]");
    assert_true(srl__json_walk_next(&walk, &name, &value));
    assert_raw(&value, SRL__JSON_STRING, "]");
    assert_false(srl__json_walk_next(&walk, &name, &value));
    srl__json_walk_init(&walk, &empty);
    assert_false(srl__json_walk_next(&walk, &name, &value));
    srl__json_walk_init(&walk, &number);
    assert_false(srl__json_walk_next(&walk, &name, &value));
}

static void error_texts_are_cut_to_size(void **state)
{
    (void)state;
    static const char text[] = "data.offset: expected a number or null at byte 18";
    reading r;
    char out[64];
    start_reading(&r, "{\"data\":{\"offset\":\"5\"}}");
    assert_error(&r, SRL__JSON_ERR_TYPE, 18, text);
    for (size_t capacity = 1; capacity <= sizeof(text); capacity++) {
        memset(out, '#', sizeof(out));
        assert_int_equal(srl__json_error_text(&r.error, out, capacity), capacity - 1);
        assert_int_equal(strncmp(out, text, capacity - 1), 0);
        assert_int_equal(out[capacity - 1], '\0');
        assert_int_equal(out[capacity], '#');
    }
    r.error.expected = SRL__JSON_ANY;
    r.error.path_len = 0;
    assert_error(&r, SRL__JSON_ERR_TYPE, 18,
                 "expected an object, an array, a string, a number, true or false or null at byte 18");
    r.error.code = SRL__JSON_OK;
    assert_int_equal(srl__json_error_text(&r.error, out, sizeof(out)), strlen("no error"));
    free_copy(r.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_a_command),
        cmocka_unit_test(fields_in_any_order_among_others),
        cmocka_unit_test(empty_objects),
        cmocka_unit_test(nested_fields_need_an_object),
        cmocka_unit_test(a_spec_without_fields),
        cmocka_unit_test(escaped_names_are_the_same_names),
        cmocka_unit_test(a_field_given_twice),
        cmocka_unit_test(null_where_it_is_allowed),
        cmocka_unit_test(values_of_the_wrong_type),
        cmocka_unit_test(the_first_field_error_is_told),
        cmocka_unit_test(a_syntax_error_outweighs_a_field_error),
        cmocka_unit_test(the_outermost_value_must_be_an_object),
        cmocka_unit_test(fields_before_the_end_of_a_cut_text),
        cmocka_unit_test(many_fields),
        cmocka_unit_test(newlines_are_reported_and_flattened),
        cmocka_unit_test(a_validated_value_without_its_whitespace),
        cmocka_unit_test(walking),
        cmocka_unit_test(error_texts_are_cut_to_size),
    };
    return cmocka_run_group_tests_name("json_fields", tests, NULL, NULL);
}
