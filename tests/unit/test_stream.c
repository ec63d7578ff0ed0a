#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/stream.h"

#include <streamrelay/error.h>

#include "helpers/fail_alloc.h"
#include "helpers/fake_platform.h"
#include "helpers/random.h"

static void append(srl__stream *stream, const srl_allocator *alloc, uint32_t keep, uint64_t now_ms)
{
    srl_publication publication = {.data = "payload", .data_len = 7};
    srl__message *message = srl__message_create(alloc, SRL_MESSAGE_PUBLICATION, &publication, 5);
    assert_non_null(message);
    message->stamp_ms = now_ms;
    assert_int_equal(srl__stream_reserve(stream, alloc, keep), SRL_OK);
    srl__stream_append(stream, alloc, message, keep);
    assert_int_equal(message->view.offset, stream->top);
    assert_memory_equal(message->epoch, stream->epoch, SRL__EPOCH_LEN);
    srl__message_release(message, alloc);
}

static void open_stream(srl__stream *stream, fake_platform *platform)
{
    *stream = (srl__stream){0};
    assert_int_equal(srl__stream_open(stream, &platform->table), SRL_OK);
}

static void an_epoch_is_eight_letters_and_digits(void **state)
{
    (void)state;
    fake_platform platform;
    char seen[200][SRL__EPOCH_LEN];
    fake_platform_init(&platform, 7);
    for (size_t i = 0; i < 200; i++) {
        srl__stream stream;
        open_stream(&stream, &platform);
        for (size_t k = 0; k < SRL__EPOCH_LEN; k++) {
            char c = stream.epoch[k];
            assert_true((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'));
        }
        for (size_t k = 0; k < i; k++) {
            assert_memory_not_equal(seen[k], stream.epoch, SRL__EPOCH_LEN);
        }
        memcpy(seen[i], stream.epoch, SRL__EPOCH_LEN);
    }
    srl__stream closed = {0};
    platform.fail_random = 1;
    assert_int_equal(srl__stream_open(&closed, &platform.table), SRL_ERR_SYSTEM);
    assert_false(closed.is_open);
    assert_int_equal(srl__stream_epoch(&closed).len, 0);
}

static void only_the_newest_are_kept(void **state)
{
    (void)state;
    srl_test_alloc memory;
    fake_platform platform;
    srl__stream stream;
    srl_test_alloc_init(&memory);
    fake_platform_init(&platform, 7);
    for (uint32_t keep = 1; keep <= 20; keep++) {
        open_stream(&stream, &platform);
        for (uint32_t i = 1; i <= 50; i++) {
            append(&stream, &memory.table, keep, 0);
            uint32_t count = i < keep ? i : keep;
            assert_int_equal(stream.count, count);
            assert_int_equal(srl__stream_at(&stream, 0)->view.offset, i - count + 1);
            assert_int_equal(srl__stream_at(&stream, count - 1)->view.offset, i);
        }
        srl__stream_close(&stream, &memory.table);
        srl_test_alloc_check_empty(&memory);
    }
}

static void memory_comes_back(void **state)
{
    (void)state;
    srl_test_alloc memory;
    fake_platform platform;
    srl__stream stream;
    srl_test_alloc_init(&memory);
    fake_platform_init(&platform, 7);
    open_stream(&stream, &platform);
    for (uint32_t i = 0; i < 5000; i++) {
        append(&stream, &memory.table, 100000, i);
    }
    assert_int_equal(stream.capacity, 8192);
    srl__stream_trim_age(&stream, &memory.table, 100, 4999);
    assert_int_equal(stream.count, 100);
    assert_in_range(stream.capacity, 100, 1024);
    append(&stream, &memory.table, 3, 5000);
    assert_int_equal(stream.count, 3);
    assert_in_range(stream.capacity, 3, 32);
    assert_int_equal(srl__stream_at(&stream, 0)->view.offset, 4999);
    srl__stream_trim_age(&stream, &memory.table, 1, 5001);
    assert_int_equal(stream.count, 0);
    srl_test_alloc_check_empty(&memory);
    assert_int_equal(stream.top, 5001);
    append(&stream, &memory.table, 1, 5002);
    assert_int_equal(srl__stream_at(&stream, 0)->view.offset, 5002);
    srl__stream_close(&stream, &memory.table);
    srl_test_alloc_check_empty(&memory);
}

static void ages_have_a_sharp_edge(void **state)
{
    (void)state;
    srl_test_alloc memory;
    fake_platform platform;
    srl__stream stream;
    srl_test_alloc_init(&memory);
    fake_platform_init(&platform, 7);
    open_stream(&stream, &platform);
    append(&stream, &memory.table, 10, 1000);
    append(&stream, &memory.table, 10, 1001);
    srl__stream_trim_age(&stream, &memory.table, 0, UINT64_MAX);
    srl__stream_trim_age(&stream, &memory.table, UINT64_MAX, UINT64_MAX - 1);
    srl__stream_trim_age(&stream, &memory.table, 500, 499);
    srl__stream_trim_age(&stream, &memory.table, 500, 1499);
    assert_int_equal(stream.count, 2);
    srl__stream_trim_age(&stream, &memory.table, 500, 1500);
    assert_int_equal(stream.count, 1);
    srl__stream_trim_age(&stream, &memory.table, 500, UINT64_MAX);
    assert_int_equal(stream.count, 0);
    srl__stream_close(&stream, &memory.table);
    srl_test_alloc_check_empty(&memory);
}

static void a_message_outlives_the_stream(void **state)
{
    (void)state;
    srl_test_alloc memory;
    fake_platform platform;
    srl__stream stream;
    srl_test_alloc_init(&memory);
    fake_platform_init(&platform, 7);
    open_stream(&stream, &platform);
    append(&stream, &memory.table, 10, 0);
    srl__message *message = srl__stream_at(&stream, 0);
    srl__message_retain(message);
    srl__stream_close(&stream, &memory.table);
    assert_memory_equal(message->view.data, "payload", 7);
    assert_int_equal(message->view.offset, 1);
    srl__message_release(message, &memory.table);
    srl_test_alloc_check_empty(&memory);
}

static bool is_wanted(const srl_broker_query *query, uint64_t offset)
{
    if (!query->reverse) {
        return offset > query->since_offset;
    }
    return query->since_offset == 0 || offset < query->since_offset;
}

static void check_query(const srl__stream *stream, const srl_broker_query *query)
{
    uint32_t place = 0, seen = 0;
    uint32_t count = srl__stream_select(stream, query, &place);
    for (uint32_t i = 0; i < stream->count && seen < query->limit; i++) {
        uint64_t offset = query->reverse ? stream->top - i : stream->top - stream->count + 1 + i;
        if (is_wanted(query, offset)) {
            assert_true(seen < count);
            uint32_t at = query->reverse ? place - seen : place + seen;
            assert_int_equal(srl__stream_at(stream, at)->view.offset, offset);
            seen++;
        }
    }
    assert_int_equal(seen, count);
}

static void every_range_is_as_a_slow_search_finds_it(void **state)
{
    (void)state;
    srl_test_alloc memory;
    fake_platform platform;
    srl__stream stream;
    srl_test_alloc_init(&memory);
    fake_platform_init(&platform, 7);
    for (uint32_t keep = 1; keep < 8; keep++) {
        open_stream(&stream, &platform);
        for (uint32_t n = 0; n < 14; n++) {
            for (uint32_t shape = 0; shape < 17 * 10 * 2; shape++) {
                srl_broker_query query = {.since_offset = shape % 17, .limit = shape / 17 % 10, .reverse = shape / 170};
                check_query(&stream, &query);
                query.since_offset = UINT64_MAX - query.since_offset;
                query.limit = UINT32_MAX - query.limit;
                check_query(&stream, &query);
            }
            append(&stream, &memory.table, keep, n);
        }
        srl__stream_close(&stream, &memory.table);
    }
    srl_test_alloc_check_empty(&memory);
}

static void a_failed_reserve_changes_nothing(void **state)
{
    (void)state;
    srl_test_alloc memory;
    fake_platform platform;
    srl__stream stream;
    srl_test_alloc_init(&memory);
    fake_platform_init(&platform, 7);
    open_stream(&stream, &platform);
    for (uint32_t i = 0; i < 4; i++) {
        append(&stream, &memory.table, 100, 0);
    }
    srl_test_alloc_fail(&memory, 1, true);
    assert_int_equal(srl__stream_reserve(&stream, &memory.table, 100), SRL_ERR_NOMEM);
    assert_int_equal(srl__stream_reserve(&stream, &memory.table, 4), SRL_OK);
    assert_int_equal(stream.count, 4);
    assert_int_equal(srl__stream_at(&stream, 3)->view.offset, 4);
    srl_test_alloc_fail(&memory, 0, false);
    append(&stream, &memory.table, 100, 0);
    assert_int_equal(srl__stream_at(&stream, 0)->view.offset, 1);
    assert_int_equal(srl__stream_at(&stream, 4)->view.offset, 5);
    srl__stream_close(&stream, &memory.table);
    srl_test_alloc_check_empty(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_is_eight_letters_and_digits),
        cmocka_unit_test(only_the_newest_are_kept),
        cmocka_unit_test(memory_comes_back),
        cmocka_unit_test(ages_have_a_sharp_edge),
        cmocka_unit_test(a_message_outlives_the_stream),
        cmocka_unit_test(every_range_is_as_a_slow_search_finds_it),
        cmocka_unit_test(a_failed_reserve_changes_nothing),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
