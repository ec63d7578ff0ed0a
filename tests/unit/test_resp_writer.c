#include "redis/resp_writer.h"

#include <streamrelay/error.h>
#include <streamrelay/redis_reply.h>

#include "helpers/fail_alloc.h"
#include "helpers/random.h"
#include "redis/reply.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NO_LIMIT UINT64_MAX

static char large[20000];

typedef struct released {
    const void *data;
    size_t len;
    int times;
} released;

static void on_release(const void *data, size_t len, void *user)
{
    released *seen = user;
    seen->data = data;
    seen->len = len;
    seen->times++;
}

/* Take everything that waits, `step` bytes at a time, through at most `max` pieces. */
static size_t drain(srl__resp_output *out, char *to, size_t capacity, size_t step, uint32_t max)
{
    size_t len = 0;
    while (srl__resp_output_waiting(out) > 0) {
        srl__slice pieces[8];
        uint32_t count = srl__resp_output_pieces(out, pieces, max);
        size_t left = step;
        assert_true(count > 0 && count <= max);
        for (uint32_t i = 0; i < count && left > 0; i++) {
            size_t part = pieces[i].len < left ? pieces[i].len : left;
            assert_true(pieces[i].len > 0);
            assert_true(len + part <= capacity);
            memcpy(to + len, pieces[i].data, part);
            len += part;
            left -= part;
        }
        srl__resp_output_sent(out, step - left);
        assert_int_equal(srl__resp_output_sent_position(out), len);
    }
    assert_int_equal(srl__resp_output_pieces(out, &(srl__slice){NULL, 0}, 1), 0);
    return len;
}

static void expect_output(srl__resp_output *out, const char *expected, size_t len)
{
    char *sent = malloc(len + 1);
    assert_int_equal(srl__resp_output_waiting(out), len);
    assert_int_equal(drain(out, sent, len + 1, SIZE_MAX, 8), len);
    assert_memory_equal(sent, expected, len);
    free(sent);
}

static void commands_are_arrays_of_strings(void **state)
{
    (void)state;
    static const char expected[] = "*4\r\n$3\r\nSET\r\n$0\r\n\r\n$5\r\na\0\r\nb\r\n$2\r\n42\r\n";
    srl_test_alloc t;
    srl_command *command;
    srl__resp_output out;
    size_t len;
    srl_test_alloc_init(&t);
    srl__resp_output_init(&out, &t.table, NO_LIMIT);
    assert_int_equal(srl_command_create(&t.table, &command), SRL_OK);
    assert_int_equal(srl_command_wire_size(command), 0);
    assert_int_equal(srl__resp_output_command(&out, command), SRL_ERR_INVALID);
    assert_int_equal(SRL__COMMAND_ADD(command, "SET"), SRL_OK);
    assert_int_equal(srl_command_add(command, NULL, 0), SRL_OK);
    assert_int_equal(srl_command_add(command, "a\0\r\nb", 5), SRL_OK);
    assert_int_equal(srl_command_add_i64(command, 42), SRL_OK);
    assert_int_equal(srl_command_wire_size(command), sizeof(expected) - 1);
    assert_int_equal(srl_command_count(command), 4);
    assert_memory_equal(srl_command_arg(command, 2, &len), "a\0\r\nb", 5);
    assert_int_equal(len, 5);
    assert_memory_equal(srl_command_arg(command, 3, &len), "42", 2);
    assert_null(srl_command_arg(command, 4, &len));
    assert_int_equal(len, 0);
    assert_int_equal(srl__resp_output_command(&out, command), SRL_OK);
    expect_output(&out, expected, sizeof(expected) - 1);
    assert_int_equal(srl_command_reset(command), SRL_OK);
    assert_int_equal(srl_command_count(command), 0);
    srl_command_free(command);
    srl_command_free(NULL);
    srl__resp_output_free(&out);
    srl_test_alloc_check_empty(&t);
}

static void numbers_at_their_ends(void **state)
{
    (void)state;
    static const char *const expected[] = {"-9223372036854775808",
                                           "9223372036854775807",
                                           "0",
                                           "18446744073709551615",
                                           "0.1",
                                           "-inf",
                                           "nan",
                                           "1e+300",
                                           "-0",
                                           "5e-324"};
    srl_command *command;
    double tiny = 5e-324;
    assert_int_equal(srl_command_create(NULL, &command), SRL_OK);
    srl_command_add_i64(command, INT64_MIN);
    srl_command_add_i64(command, INT64_MAX);
    srl_command_add_u64(command, 0);
    srl_command_add_u64(command, UINT64_MAX);
    srl_command_add_double(command, 0.1);
    srl_command_add_double(command, -(double)INFINITY);
    srl_command_add_double(command, (double)NAN);
    srl_command_add_double(command, 1e300);
    srl_command_add_double(command, -0.0);
    srl_command_add_double(command, tiny);
    for (uint32_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        size_t len;
        const char *text = srl_command_arg(command, i, &len);
        char copy[64];
        assert_true(len < sizeof(copy));
        memcpy(copy, text, len);
        copy[len] = 0;
        if (i == 9) {
            assert_true(strtod(copy, NULL) == tiny);
        } else {
            assert_string_equal(copy, expected[i]);
        }
    }
    srl_command_free(command);
}

static size_t expected_large(char *out)
{
    size_t len = (size_t)snprintf(out, 100, "*4\r\n$3\r\nSET\r\n$20000\r\n");
    memcpy(out + len, large, sizeof(large));
    len += sizeof(large);
    len += (size_t)snprintf(out + len, 100, "\r\n$1\r\nx\r\n$4096\r\n");
    memcpy(out + len, large, 4096);
    len += 4096;
    memcpy(out + len, "\r\n", 2);
    return len + 2;
}

static srl_command *large_command(const srl_allocator *alloc, released *first)
{
    srl_command *command;
    assert_int_equal(srl_command_create(alloc, &command), SRL_OK);
    assert_int_equal(SRL__COMMAND_ADD(command, "SET"), SRL_OK);
    assert_int_equal(srl_command_add_ref(command, large, sizeof(large), on_release, first), SRL_OK);
    assert_int_equal(SRL__COMMAND_ADD(command, "x"), SRL_OK);
    assert_int_equal(srl_command_add_ref(command, large, SRL_COMMAND_REF_MIN, NULL, NULL), SRL_OK);
    return command;
}

static void large_arguments_are_not_copied(void **state)
{
    (void)state;
    srl_test_alloc t;
    released seen = {NULL, 0, 0};
    srl_command *command;
    srl__resp_output out;
    srl__slice pieces[8];
    static char expected[30000];
    size_t len = expected_large(expected), arg_len;
    srl_test_alloc_init(&t);
    command = large_command(&t.table, &seen);
    assert_true(t.live_bytes < 2000);
    assert_int_equal(srl_command_wire_size(command), len);
    assert_ptr_equal(srl_command_arg(command, 1, &arg_len), large);
    assert_int_equal(arg_len, sizeof(large));
    assert_memory_equal(srl_command_arg(command, 2, &arg_len), "x", 1);
    assert_ptr_equal(srl_command_arg(command, 3, &arg_len), large);
    assert_int_equal(arg_len, SRL_COMMAND_REF_MIN);
    srl__resp_output_init(&out, &t.table, NO_LIMIT);
    assert_int_equal(srl__resp_output_command(&out, command), SRL_OK);
    assert_true(t.live_bytes < 4000);
    assert_int_equal(SRL__COMMAND_ADD(command, "late"), SRL_ERR_STATE);
    assert_int_equal(srl_command_reset(command), SRL_ERR_STATE);
    assert_int_equal(srl__resp_output_pieces(&out, pieces, 8), 5);
    assert_ptr_equal(pieces[1].data, large);
    assert_int_equal(pieces[1].len, sizeof(large));
    srl_command_free(command);
    assert_int_equal(seen.times, 0);
    expect_output(&out, expected, len);
    assert_int_equal(seen.times, 1);
    assert_ptr_equal(seen.data, large);
    assert_int_equal(seen.len, sizeof(large));
    srl__resp_output_free(&out);
    srl_test_alloc_check_empty(&t);
}

static void small_references_are_released_at_once(void **state)
{
    (void)state;
    released seen = {NULL, 0, 0};
    srl_command *command;
    assert_int_equal(srl_command_create(NULL, &command), SRL_OK);
    assert_int_equal(srl_command_add_ref(command, large, SRL_COMMAND_REF_MIN - 1, on_release, &seen), SRL_OK);
    assert_int_equal(seen.times, 1);
    assert_int_equal(srl_command_add_ref(command, large, SRL_COMMAND_REF_MIN, on_release, &seen), SRL_OK);
    assert_int_equal(seen.times, 1);
    assert_int_equal(srl_command_reset(command), SRL_OK);
    assert_int_equal(seen.times, 2);
    srl_command_free(command);
    assert_int_equal(seen.times, 2);
}

static void every_write_length_sends_the_same(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 2, 3, 7, 100, 4095, 4096, 4097, 20013, 100000};
    static char expected[80000], sent[80000];
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        srl_test_alloc t;
        released seen = {NULL, 0, 0};
        srl__resp_output out;
        srl_command *command;
        size_t len = expected_large(expected);
        srl_test_alloc_init(&t);
        srl__resp_output_init(&out, &t.table, NO_LIMIT);
        command = large_command(&t.table, &seen);
        memmove(expected + len, expected, len);
        assert_int_equal(srl__resp_output_command(&out, command), SRL_OK);
        assert_int_equal(srl__resp_output_command(&out, command), SRL_OK);
        assert_int_equal(srl__resp_output_argv(&out, 2, (srl__slice[]){SRL__LIT("GET"), SRL__LIT("k")}), SRL_OK);
        assert_int_equal(srl__resp_output_raw(&out, "*1\r\n$4\r\nPING\r\n", 14), SRL_OK);
        memcpy(expected + 2 * len, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n", 34);
        srl_command_free(command);
        assert_int_equal(drain(&out, sent, sizeof(sent), steps[i], 1 + (uint32_t)i % 3), 2 * len + 34);
        assert_memory_equal(sent, expected, 2 * len + 34);
        assert_int_equal(seen.times, 1);
        srl__resp_output_free(&out);
        srl_test_alloc_check_empty(&t);
    }
}

static void clearing_gives_everything_back(void **state)
{
    (void)state;
    srl_test_alloc t;
    released seen = {NULL, 0, 0};
    srl__resp_output out;
    srl_command *command;
    srl_test_alloc_init(&t);
    srl__resp_output_init(&out, &t.table, NO_LIMIT);
    command = large_command(&t.table, &seen);
    assert_int_equal(srl__resp_output_command(&out, command), SRL_OK);
    srl__resp_output_sent(&out, 5000);
    assert_int_equal(srl__resp_output_sent_position(&out), 5000);
    assert_int_equal(srl__resp_output_end_position(&out), srl_command_wire_size(command));
    srl__resp_output_clear(&out);
    assert_int_equal(srl__resp_output_waiting(&out), 0);
    assert_int_equal(srl__resp_output_end_position(&out), 0);
    assert_int_equal(srl_command_reset(command), SRL_OK);
    assert_int_equal(seen.times, 1);
    assert_int_equal(SRL__COMMAND_ADD(command, "PING"), SRL_OK);
    assert_int_equal(srl__resp_output_command(&out, command), SRL_OK);
    expect_output(&out, "*1\r\n$4\r\nPING\r\n", 14);
    srl__resp_output_shrink(&out);
    srl_command_free(command);
    assert_int_equal(t.live_bytes, 0);
    srl__resp_output_free(&out);
    srl_test_alloc_check_empty(&t);
}

static void the_limit_of_waiting_bytes(void **state)
{
    (void)state;
    srl_allocator alloc;
    srl__resp_output out;
    released seen = {NULL, 0, 0};
    srl_command *command;
    srl__allocator_take(&alloc, NULL);
    srl__resp_output_init(&out, &alloc, 100);
    command = large_command(&alloc, &seen);
    assert_int_equal(srl__resp_output_command(&out, command), SRL_ERR_TOO_LARGE);
    assert_int_equal(srl__resp_output_raw(&out, large, 101), SRL_ERR_TOO_LARGE);
    assert_int_equal(srl__resp_output_raw(&out, large, 90), SRL_OK);
    assert_int_equal(srl__resp_output_raw(&out, large, 11), SRL_ERR_TOO_LARGE);
    assert_int_equal(srl__resp_output_argv(&out, 1, &(srl__slice){large, 11}), SRL_ERR_TOO_LARGE);
    assert_int_equal(srl__resp_output_raw(&out, large + 90, 10), SRL_OK);
    expect_output(&out, large, 100);
    assert_int_equal(srl__resp_output_raw(&out, large, 100), SRL_OK);
    assert_int_equal(srl__resp_output_argv(&out, 0, NULL), SRL_ERR_INVALID);
    srl__resp_output_clear(&out);
    assert_int_equal(srl__resp_output_argv(&out, 1, &(srl__slice){large, 92}), SRL_ERR_TOO_LARGE);
    assert_int_equal(srl__resp_output_argv(&out, 1, &(srl__slice){large, 89}), SRL_OK);
    srl_command_free(command);
    srl__resp_output_free(&out);
}

static void argument_lists_of_other_languages(void **state)
{
    (void)state;
    const char *argv[] = {"SET", "k", "v\0v"};
    const size_t lens[] = {3, 1, 3};
    const char *large_argv[] = {"SET", large};
    const size_t large_lens[] = {3, sizeof(large)};
    const char *holes[] = {"SET", NULL};
    const size_t hole_lens[] = {3, 0};
    srl_command *command;
    srl_test_alloc t;
    size_t len;
    srl_test_alloc_init(&t);
    assert_int_equal(srl_command_create_argv(&t.table, 3, argv, lens, &command), SRL_OK);
    assert_memory_equal(srl_command_arg(command, 2, &len), "v\0v", 3);
    assert_int_equal(len, 3);
    assert_int_equal(srl_command_append_argv(command, 2, argv, NULL, 0), SRL_OK);
    assert_int_equal(srl_command_count(command), 5);
    assert_int_equal(srl_command_append_argv(command, 2, holes, NULL, 0), SRL_ERR_INVALID);
    assert_int_equal(srl_command_count(command), 5);
    assert_int_equal(srl_command_append_argv(command, 2, holes, hole_lens, 0), SRL_OK);
    assert_int_equal(srl_command_count(command), 7);
    assert_int_equal(srl_command_append_argv(command, 2, large_argv, large_lens, 2), SRL_ERR_INVALID);
    assert_int_equal(srl_command_append_argv(command, 2, large_argv, large_lens, SRL_COMMAND_BORROW), SRL_OK);
    assert_ptr_equal(srl_command_arg(command, 8, &len), large);
    srl_command_free(command);
    assert_int_equal(srl_command_create_argv(&t.table, 0, NULL, NULL, &command), SRL_ERR_INVALID);
    assert_null(command);
    assert_int_equal(srl_command_create_argv(&t.table, 2, holes, NULL, &command), SRL_ERR_INVALID);
    assert_int_equal(srl_command_create(NULL, &command), SRL_OK);
    assert_int_equal(srl_command_add(command, large, (size_t)SRL_COMMAND_MAX_ARG + 1), SRL_ERR_TOO_LARGE);
    srl_command_free(command);
    srl_test_alloc_check_empty(&t);
}

static void build_and_queue(const srl_allocator *alloc, void *user)
{
    const char *argv[] = {"a", large, "b", large, "c", large};
    const size_t lens[] = {1, 5000, 1, 3000, 1, 20000};
    srl__resp_output out;
    srl_command *command = NULL;
    released seen = {NULL, 0, 0};
    int error = srl_command_create(alloc, &command);
    (void)user;
    srl__resp_output_init(&out, alloc, NO_LIMIT);
    if (error == SRL_OK) {
        error = srl_command_add_ref(command, large, sizeof(large), on_release, &seen);
        assert_int_equal(srl_command_count(command), error == SRL_OK);
    }
    if (error == SRL_OK) {
        error = srl_command_append_argv(command, 6, argv, lens, SRL_COMMAND_BORROW);
        assert_int_equal(srl_command_count(command), error == SRL_OK ? 7 : 1);
    }
    for (int i = 0; i < 3 && error == SRL_OK; i++) {
        uint64_t before = srl__resp_output_end_position(&out);
        error = srl__resp_output_command(&out, command);
        assert_int_equal(srl__resp_output_end_position(&out) - before,
                         error == SRL_OK ? srl_command_wire_size(command) : 0);
    }
    assert_int_equal(error, srl_test_alloc_has_failed(alloc) ? SRL_ERR_NOMEM : SRL_OK);
    if (error == SRL_ERR_NOMEM && command != NULL && srl__resp_output_waiting(&out) > 0) {
        static char sent[200000];
        drain(&out, sent, sizeof(sent), 999, 2);
    }
    assert_true(seen.times == 0);
    srl_command_free(command);
    srl__resp_output_free(&out);
}

static void fails_cleanly_without_memory(void **state)
{
    (void)state;
    assert_true(srl_test_each_failing_alloc(build_and_queue, NULL) >= 6);
}

/* What is sent is read again: the reader and the writer agree. */
static void random_commands_come_back(void **state)
{
    (void)state;
    uint64_t seed = 3;
    static char sent[300000];
    for (int round = 0; round < 300; round++) {
        srl_command *command;
        srl__resp_output out;
        srl_allocator alloc;
        srl_reply *reply;
        uint32_t count = 1 + (uint32_t)srl_test_random_below(&seed, 12);
        size_t len;
        srl__allocator_take(&alloc, NULL);
        srl__resp_output_init(&out, &alloc, NO_LIMIT);
        assert_int_equal(srl_command_create(NULL, &command), SRL_OK);
        for (uint32_t i = 0; i < count; i++) {
            size_t arg_len = (size_t)srl_test_random_below(&seed, i % 3 == 0 ? 20000 : 30);
            if (srl_test_random_below(&seed, 2) == 0) {
                assert_int_equal(srl_command_add(command, large + i, arg_len - (arg_len > i ? i : 0)), SRL_OK);
            } else {
                assert_int_equal(srl_command_add_ref(command, large + i, arg_len - (arg_len > i ? i : 0), NULL, NULL),
                                 SRL_OK);
            }
        }
        assert_int_equal(srl__resp_output_command(&out, command), SRL_OK);
        len = drain(&out, sent, sizeof(sent), 1 + (size_t)srl_test_random_below(&seed, 9000), 3);
        assert_int_equal(srl_reply_parse(NULL, sent, len, NULL, &reply), SRL_OK);
        assert_int_equal(srl_reply_count(reply, SRL_REPLY_ROOT), count);
        for (uint32_t i = 0; i < count; i++) {
            size_t arg_len;
            const char *arg = srl_command_arg(command, i, &arg_len);
            assert_true(srl_reply_equals(reply, srl_reply_child(reply, SRL_REPLY_ROOT, i), arg, arg_len));
        }
        srl_reply_release(reply);
        srl_command_free(command);
        srl__resp_output_free(&out);
    }
}

/* Memory stays bounded when the output never runs empty. */
static void sent_bytes_do_not_pile_up(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl__resp_output out;
    released seen = {NULL, 0, 0};
    srl_command *command;
    srl_test_alloc_init(&t);
    srl__resp_output_init(&out, &t.table, NO_LIMIT);
    command = large_command(&t.table, &seen);
    srl__resp_output_command(&out, command);
    for (int i = 0; i < 20000; i++) {
        assert_int_equal(srl__resp_output_command(&out, command), SRL_OK);
        assert_int_equal(srl__resp_output_raw(&out, large, 100), SRL_OK);
        srl__resp_output_sent(&out, srl_command_wire_size(command) + 100);
    }
    assert_true(t.live_bytes < 400000);
    srl_command_free(command);
    srl__resp_output_free(&out);
    assert_int_equal(seen.times, 1);
    srl_test_alloc_check_empty(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_arrays_of_strings),    cmocka_unit_test(numbers_at_their_ends),
        cmocka_unit_test(large_arguments_are_not_copied),    cmocka_unit_test(small_references_are_released_at_once),
        cmocka_unit_test(every_write_length_sends_the_same), cmocka_unit_test(clearing_gives_everything_back),
        cmocka_unit_test(the_limit_of_waiting_bytes),        cmocka_unit_test(argument_lists_of_other_languages),
        cmocka_unit_test(fails_cleanly_without_memory),      cmocka_unit_test(random_commands_come_back),
        cmocka_unit_test(sent_bytes_do_not_pile_up),
    };
    for (size_t i = 0; i < sizeof(large); i++) {
        large[i] = (char)(i * 7);
    }
    return cmocka_run_group_tests_name("resp_writer", tests, NULL, NULL);
}
