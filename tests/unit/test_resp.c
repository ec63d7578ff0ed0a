#include "redis/resp_reader.h"

#include "helpers/fail_alloc.h"
#include "helpers/naive_resp.h"
#include "helpers/random.h"
#include "helpers/resp_text.h"
#include "helpers/resp_vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const detail_names[] = {
#define DETAIL_NAME(name, error, text) [name] = #name,
    SRL__RESP_ERROR_MAP(DETAIL_NAME)
#undef DETAIL_NAME
};

/* All replies that are there, as the vectors have them. */
static void see_replies(srl__resp_reader *r, srl_test_text *seen)
{
    const srl_reply *reply;
    int got;
    while ((got = srl__resp_reader_next(r, &reply)) > 0) {
        srl_test_text_add(seen, seen->len > 0 ? " " : "");
        srl_test_text_add(seen, got == SRL__RESP_PUSH ? "push " : "");
        srl_test_text_add_reply(seen, reply, SRL_REPLY_ROOT);
    }
    assert_int_equal(got, r->error);
}

static void see_end(srl__resp_reader *r, srl_test_text *seen)
{
    const char *space = seen->len > 0 ? " " : "";
    if (r->detail != SRL__RESP_OK) {
        const srl_reply *reply;
        int error = srl__resp_error_code(r->detail);
        assert_int_equal(r->error, error);
        assert_int_equal(srl__resp_reader_next(r, &reply), error);
        assert_null(reply);
        assert_int_equal(srl__resp_reader_feed(r, "+OK\r\n", 5), error);
        assert_true(strlen(srl__resp_error_text(r->detail)) > 0);
        srl_test_text_add(seen, space);
        srl_test_text_add(seen, "error ");
        srl_test_text_add(seen, detail_names[r->detail] + strlen("SRL__RESP_ERR_"));
    } else if (!srl__resp_reader_is_empty(r)) {
        srl_test_text_add(seen, space);
        srl_test_text_add(seen, "more");
    }
}

static void give(srl__resp_reader *r, const char *data, size_t len)
{
    while (len > 0 && r->error == SRL_OK) {
        size_t room;
        uint8_t *space = srl__resp_reader_space(r, &room);
        size_t part = len < room ? len : room;
        assert_non_null(space);
        assert_true(room >= SRL__RESP_MIN_SPACE);
        memcpy(space, data, part);
        srl__resp_reader_commit(r, part);
        data += part;
        len -= part;
    }
}

/* Given in pieces of `piece` bytes, the first one of `first`. */
static char *seen_in_pieces(const char *data, size_t len, size_t first, size_t piece, const srl__resp_limits *limits)
{
    srl_test_alloc t;
    srl__resp_reader r;
    srl_test_text seen = {NULL, 0, 0};
    size_t at = first;
    srl_test_alloc_init(&t);
    srl__resp_reader_init(&r, &t.table, limits);
    give(&r, data, first);
    see_replies(&r, &seen);
    while (at < len) {
        size_t part = len - at < piece ? len - at : piece;
        give(&r, data + at, part);
        see_replies(&r, &seen);
        at += part;
    }
    see_end(&r, &seen);
    srl__resp_reader_free(&r);
    srl_test_alloc_check_empty(&t);
    srl_test_text_add(&seen, "");
    return seen.data;
}

static void expect_in_pieces(const srl_test_resp_vector *v, size_t first, size_t piece)
{
    char *seen = seen_in_pieces(v->input, v->len, first, piece, NULL);
    assert_string_equal(seen, v->seen);
    free(seen);
}

static void vectors_whole(void **state)
{
    (void)state;
    assert_true(SRL_TEST_RESP_VECTORS >= 150);
    for (size_t i = 0; i < SRL_TEST_RESP_VECTORS; i++) {
        expect_in_pieces(&srl_test_resp_vectors[i], srl_test_resp_vectors[i].len, 1);
    }
}

static void vectors_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < SRL_TEST_RESP_VECTORS; i++) {
        expect_in_pieces(&srl_test_resp_vectors[i], 0, 1);
    }
}

static void vectors_at_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < SRL_TEST_RESP_VECTORS; i++) {
        for (size_t first = 1; first < srl_test_resp_vectors[i].len; first++) {
            expect_in_pieces(&srl_test_resp_vectors[i], first, SIZE_MAX);
        }
    }
}

/* A reply before and many behind: the fast path reads far ahead of what it is at. */
static void vectors_inside_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < SRL_TEST_RESP_VECTORS; i++) {
        const srl_test_resp_vector *v = &srl_test_resp_vectors[i];
        char input[1024], expected[2048];
        static const char tail[] = "\r\n$40\r\n0123456789012345678901234567890123456789\r\n";
        bool whole = strstr(v->seen, "error") == NULL && strstr(v->seen, "more") == NULL &&
                     strstr(v->seen, "push") == NULL && strchr(v->seen, ' ') == NULL;
        size_t len = (size_t)snprintf(input, sizeof(input), "*2\r\n");
        char *seen;
        if (!whole || v->len > 100) {
            continue;
        }
        memcpy(input + len, v->input, v->len);
        memcpy(input + len + v->len, tail + 2, sizeof(tail) - 3);
        len += v->len + sizeof(tail) - 3;
        snprintf(expected, sizeof(expected), "[%s \"0123456789012345678901234567890123456789\"]", v->seen);
        seen = seen_in_pieces(input, len, len, 1, NULL);
        assert_string_equal(seen, expected);
        free(seen);
        seen = seen_in_pieces(input, len, 0, 3, NULL);
        assert_string_equal(seen, expected);
        free(seen);
    }
}

#if !defined(SRL_TEST_UNDER_VALGRIND)
static void vectors_agree_with_the_naive_reader(void **state)
{
    (void)state;
    for (size_t i = 0; i < SRL_TEST_RESP_VECTORS; i++) {
        const srl_test_resp_vector *v = &srl_test_resp_vectors[i];
        srl_test_text text = {NULL, 0, 0};
        int got = naive_resp_read((const uint8_t *)v->input, v->len, &srl__resp_limits_default, &text);
        assert_int_equal(got < 0, strstr(v->seen, "error") != NULL);
        assert_int_equal(got == NAIVE_MORE, strstr(v->seen, "more") != NULL);
        srl_test_text_free(&text);
    }
}
#endif

/* ---- limits */

typedef struct limit_case {
    srl__resp_limits limits;
    const char *input;
    const char *seen;
} limit_case;

#define BIG 1000000

static const limit_case limit_cases[] = {
    {{1, BIG, BIG, BIG, BIG, BIG}, "*1\r\n:1\r\n", "[:1]"},
    {{1, BIG, BIG, BIG, BIG, BIG}, "*1\r\n*0\r\n", "error DEPTH"},
    {{1, BIG, BIG, BIG, BIG, BIG}, "*1\r\n|0\r\n:1\r\n", "error DEPTH"},
    {{0, BIG, BIG, BIG, BIG, BIG}, "+a\r\n*0\r\n", "+\"a\" error DEPTH"},
    {{2, BIG, BIG, BIG, BIG, BIG}, "*2\r\n*1\r\n:1\r\n*1\r\n:2\r\n", "[[:1] [:2]]"},
    {{2, BIG, BIG, BIG, BIG, BIG}, "|1\r\n+a\r\n:1\r\n*1\r\n*1\r\n:1\r\n", "|[+\"a\" :1][[:1]]"},
    {{9, 3, BIG, BIG, BIG, BIG}, "$3\r\nabc\r\n", "\"abc\""},
    {{9, 3, BIG, BIG, BIG, BIG}, "$4\r\n", "error BULK_SIZE"},
    {{9, 3, BIG, BIG, BIG, BIG}, "!4\r\n", "error BULK_SIZE"},
    {{9, 3, BIG, BIG, BIG, BIG}, "*1\r\n$4\r\nabcd\r\n$40\r\n0123456789012345678901234", "error BULK_SIZE"},
    {{9, 3, BIG, BIG, BIG, BIG}, "$?\r\n;2\r\nab\r\n;1\r\nc\r\n;0\r\n", "\"abc\""},
    {{9, 3, BIG, BIG, BIG, BIG}, "$?\r\n;2\r\nab\r\n;2\r\n", "error BULK_SIZE"},
    {{9, BIG, 3, BIG, BIG, BIG}, "+abc\r\n", "+\"abc\""},
    {{9, BIG, 3, BIG, BIG, BIG}, "+abcd\r\n", "error LINE_SIZE"},
    {{9, BIG, 3, BIG, BIG, BIG}, "-abcde", "error LINE_SIZE"},
    {{9, BIG, 3, BIG, BIG, BIG}, "+abcd", "more"},
    {{9, BIG, 3, BIG, BIG, BIG}, "(1234\r\n", "error LINE_SIZE"},
    {{9, BIG, 0, BIG, BIG, BIG}, "+\r\n", "+\"\""},
    {{9, BIG, BIG, 2, BIG, BIG}, "*2\r\n:1\r\n:2\r\n", "[:1 :2]"},
    {{9, BIG, BIG, 2, BIG, BIG}, "*3\r\n", "error ELEMENTS"},
    {{9, BIG, BIG, 2, BIG, BIG}, "*1\r\n*3\r\n:1\r\n:2\r\n:3\r\n+01234567890123456789\r\n", "error ELEMENTS"},
    {{9, BIG, BIG, 2, BIG, BIG}, "%1\r\n+a\r\n+b\r\n", "%[+\"a\" +\"b\"]"},
    {{9, BIG, BIG, 3, BIG, BIG}, "%2\r\n", "error ELEMENTS"},
    {{9, BIG, BIG, 1, BIG, BIG}, "|1\r\n", "error ELEMENTS"},
    {{9, BIG, BIG, 2, BIG, BIG}, "*?\r\n:1\r\n:2\r\n.\r\n", "[:1 :2]"},
    {{9, BIG, BIG, 2, BIG, BIG}, "*?\r\n:1\r\n:2\r\n:3\r\n", "error ELEMENTS"},
    {{9, BIG, BIG, BIG, 3, BIG}, "*2\r\n:1\r\n:2\r\n:5\r\n", "[:1 :2] :5"},
    {{9, BIG, BIG, BIG, 3, BIG}, "*3\r\n:1\r\n:2\r\n:3\r\n", "error TOKENS"},
    {{9, BIG, BIG, BIG, 3, BIG}, "*?\r\n:1\r\n:2\r\n.\r\n", "[:1 :2]"},
    {{9, BIG, BIG, BIG, 2, BIG}, "|0\r\n:1\r\n", "|[]:1"},
    {{9, BIG, BIG, BIG, 1, BIG}, "|0\r\n:1\r\n", "error TOKENS"},
    {{9, BIG, BIG, BIG, 2, BIG}, "|0\r\n|0\r\n:1\r\n", "error TOKENS"},
    {{9, BIG, BIG, BIG, BIG, 11}, "$5\r\nhello\r\n+OK\r\n", "\"hello\" +\"OK\""},
    {{9, BIG, BIG, BIG, BIG, 10}, "$5\r\nhello\r\n", "error REPLY_SIZE"},
    {{9, BIG, BIG, BIG, BIG, 10}, "$5\r\n", "error REPLY_SIZE"},
    {{9, BIG, BIG, BIG, BIG, 12}, "*2\r\n:1\r\n:2\r\n", "[:1 :2]"},
    {{9, BIG, BIG, BIG, BIG, 11}, "*2\r\n:1\r\n:2\r\n", "error REPLY_SIZE"},
    {{9, BIG, BIG, BIG, BIG, 11}, "*2\r\n:1\r\n:2", "more"},
    {{9, BIG, BIG, BIG, BIG, 11}, "*2\r\n:1\r\n:22", "error REPLY_SIZE"},
};

static void limits_hold_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(limit_cases) / sizeof(limit_cases[0]); i++) {
        const limit_case *c = &limit_cases[i];
        size_t len = strlen(c->input);
        for (size_t first = 0; first <= len; first++) {
            char *seen = seen_in_pieces(c->input, len, first, SIZE_MAX, &c->limits);
            assert_string_equal(seen, c->seen);
            free(seen);
        }
        char *seen = seen_in_pieces(c->input, len, 0, 1, &c->limits);
        assert_string_equal(seen, c->seen);
        free(seen);
    }
}

static void new_limits_wait_for_the_next_reply(void **state)
{
    (void)state;
    srl_allocator alloc;
    srl__resp_reader r;
    const srl_reply *reply;
    srl__resp_limits small = srl__resp_limits_default;
    small.max_line = 2;
    small.max_reply = 8;
    srl__allocator_take(&alloc, NULL);
    srl__resp_reader_init(&r, &alloc, NULL);
    assert_int_equal(srl__resp_reader_feed(&r, "+abcdefghijk", 12), SRL_OK);
    assert_int_equal(srl__resp_reader_next(&r, &reply), SRL__RESP_MORE);
    srl__resp_reader_set_limits(&r, &small);
    assert_int_equal(srl__resp_reader_feed(&r, "lm\r\n+abc\r\n", 10), SRL_OK);
    assert_int_equal(srl__resp_reader_next(&r, &reply), SRL__RESP_REPLY);
    assert_int_equal(srl__resp_reader_next(&r, &reply), SRL_ERR_TOO_LARGE);
    assert_int_equal(r.detail, SRL__RESP_ERR_LINE_SIZE);
    assert_int_equal(r.consumed, 16);
    srl__resp_reader_reset(&r);
    assert_int_equal(srl__resp_reader_feed(&r, "+OK\r\n", 5), SRL_OK);
    assert_int_equal(srl__resp_reader_next(&r, &reply), SRL__RESP_REPLY);
    srl__resp_reader_free(&r);
}

static void nothing_is_reserved_by_an_announced_count(void **state)
{
    (void)state;
    static const char *const announcements[] = {
        "*16777216\r\n",       "%8388608\r\n", "~16777216\r\n", ">16777216\r\n", "*2\r\n*16777216\r\n*16777216\r\n",
        "$?\r\n;536870912\r\n"};
    for (size_t i = 0; i < sizeof(announcements) / sizeof(announcements[0]); i++) {
        srl_test_alloc t;
        srl__resp_reader r;
        const srl_reply *reply;
        size_t room;
        srl_test_alloc_init(&t);
        srl__resp_reader_init(&r, &t.table, NULL);
        give(&r, announcements[i], strlen(announcements[i]));
        assert_int_equal(srl__resp_reader_next(&r, &reply), SRL__RESP_MORE);
        assert_non_null(srl__resp_reader_space(&r, &room));
        assert_true(t.live_bytes < SRL__RESP_TRUSTED_BULK + 200000);
        assert_true(i == 5 || t.live_bytes < 100000);
        srl__resp_reader_free(&r);
        srl_test_alloc_check_empty(&t);
    }
}

/* ---- memory */

static void a_long_string_grows_the_block_once(void **state)
{
    (void)state;
    enum { LEN = 8 << 20 };
    srl_test_alloc t;
    srl__resp_reader r;
    const srl_reply *reply;
    uint64_t calls;
    size_t given = 0;
    srl_test_alloc_init(&t);
    srl__resp_reader_init(&r, &t.table, NULL);
    give(&r, "$8388608\r\n", 10);
    assert_int_equal(srl__resp_reader_next(&r, &reply), SRL__RESP_MORE);
    calls = t.calls;
    while (given < LEN + 2) {
        size_t room;
        uint8_t *space = srl__resp_reader_space(&r, &room);
        size_t part = LEN + 2 - given < 10000 ? LEN + 2 - given : 10000;
        assert_true(room >= LEN + 2 - given);
        memset(space, 'x', part);
        if (given + part == LEN + 2) {
            memcpy(space + part - 2, "\r\n", 2);
        }
        srl__resp_reader_commit(&r, part);
        given += part;
        assert_int_equal(srl__resp_reader_next(&r, &reply), given == LEN + 2 ? SRL__RESP_REPLY : SRL__RESP_MORE);
    }
    assert_int_equal(t.calls - calls, 1);
    assert_true(r.steps < 1000);
    for (int i = 0; i < 100; i++) {
        give(&r, "+OK\r\n", 5);
        assert_int_equal(srl__resp_reader_next(&r, &reply), SRL__RESP_REPLY);
    }
    assert_true(srl__resp_reader_memory(&r) < 100000);
    srl__resp_reader_shrink(&r);
    assert_int_equal(t.live_bytes, 0);
    give(&r, "+OK\r\n", 5);
    assert_int_equal(srl__resp_reader_next(&r, &reply), SRL__RESP_REPLY);
    srl__resp_reader_free(&r);
    srl_test_alloc_check_empty(&t);
}

static void memory_comes_back_between_cut_replies(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl__resp_reader r;
    srl_test_text seen = {NULL, 0, 0};
    size_t len = 0;
    char *large = malloc(2000000);
    srl_test_alloc_init(&t);
    srl__resp_reader_init(&r, &t.table, NULL);
    len += (size_t)snprintf(large, 100, "*200000\r\n");
    for (int i = 0; i < 200000; i++) {
        memcpy(large + len, ":1\r\n", 4);
        len += 4;
    }
    memcpy(large + len, "+O", 2);
    give(&r, large, len + 2);
    see_replies(&r, &seen);
    assert_true(srl__resp_reader_memory(&r) > 1000000);
    for (int i = 0; i < 100; i++) {
        give(&r, "K\r\n+O", 5);
        see_replies(&r, &seen);
    }
    assert_true(srl__resp_reader_memory(&r) < 200000);
    assert_false(srl__resp_reader_is_empty(&r));
    srl__resp_reader_shrink(&r);
    give(&r, "K\r\n", 3);
    see_replies(&r, &seen);
    assert_true(srl__resp_reader_is_empty(&r));
    assert_int_equal(r.consumed, len + 5 * 101);
    srl__resp_reader_free(&r);
    srl_test_alloc_check_empty(&t);
    srl_test_text_free(&seen);
    free(large);
}

typedef struct kept_reply {
    srl_reply *reply;
    srl_test_text text;
} kept_reply;

/* Replies of all sizes, kept while the reader reads on, and read after it was freed. */
static void kept_replies_outlive_everything(void **state)
{
    (void)state;
    enum { COUNT = 400 };
    static kept_reply kept[COUNT];
    srl_test_alloc t;
    srl__resp_reader r;
    uint64_t seed = 7;
    srl_test_alloc_init(&t);
    srl__resp_reader_init(&r, &t.table, NULL);
    memset(kept, 0, sizeof(kept));
    for (int i = 0; i < COUNT; i++) {
        const srl_reply *reply;
        srl_reply *again;
        size_t size = (size_t)1 << srl_test_random_below(&seed, 18);
        uint64_t elements = srl_test_random_below(&seed, 5) == 0 ? size / 8 : 1;
        char head[64];
        char *body = malloc(size);
        memset(body, 'a' + i % 26, size);
        give(&r, head, (size_t)snprintf(head, sizeof(head), "*%d\r\n", (int)elements + 1));
        for (uint64_t k = 0; k < elements; k++) {
            give(&r, ":77\r\n", 5);
        }
        give(&r, head, (size_t)snprintf(head, sizeof(head), "$%zu\r\n", size));
        give(&r, body, size);
        give(&r, "\r\n+next\r\n", 9);
        assert_int_equal(srl__resp_reader_next(&r, &reply), SRL__RESP_REPLY);
        srl_test_text_add_reply(&kept[i].text, reply, SRL_REPLY_ROOT);
        assert_int_equal(srl_reply_keep(reply, &kept[i].reply), SRL_OK);
        assert_int_equal(srl_reply_keep(reply, &again), SRL_OK);
        assert_true(srl_reply_memory(again) >= sizeof(srl_reply));
        srl_reply_release(again);
        assert_int_equal(srl_reply_keep(kept[i].reply, &again), SRL_OK);
        assert_ptr_equal(again, kept[i].reply);
        srl_reply_release(again);
        assert_int_equal(srl__resp_reader_next(&r, &reply), SRL__RESP_REPLY);
        assert_true(srl_reply_equals(reply, SRL_REPLY_ROOT, "next", 4));
        free(body);
        if (i % 3 == 0) {
            srl_reply_release(kept[i / 2].reply);
            kept[i / 2].reply = NULL;
        }
    }
    srl__resp_reader_free(&r);
    for (int i = 0; i < COUNT; i++) {
        srl_test_text text = {NULL, 0, 0};
        if (kept[i].reply != NULL) {
            srl_test_text_add_reply(&text, kept[i].reply, SRL_REPLY_ROOT);
            assert_string_equal(text.data, kept[i].text.data);
        }
        srl_reply_release(kept[i].reply);
        srl_test_text_free(&text);
        srl_test_text_free(&kept[i].text);
    }
    srl_test_alloc_check_empty(&t);
}

static void read_all(const srl_allocator *alloc, void *user)
{
    const srl_test_resp_vector *v = user;
    srl__resp_reader r;
    srl_test_text seen = {NULL, 0, 0};
    srl_reply *kept = NULL;
    int error = SRL_OK;
    srl__resp_reader_init(&r, alloc, NULL);
    for (size_t i = 0; i < v->len && error == SRL_OK; i++) {
        const srl_reply *reply;
        error = srl__resp_reader_feed(&r, v->input + i, 1);
        while (error == SRL_OK && (error = srl__resp_reader_next(&r, &reply)) > 0) {
            srl_test_text_add(&seen, seen.len > 0 ? " " : "");
            srl_test_text_add_reply(&seen, reply, SRL_REPLY_ROOT);
            srl_reply_release(kept);
            error = srl_reply_keep(reply, &kept);
        }
    }
    if (srl_test_alloc_has_failed(alloc)) {
        assert_int_equal(error, SRL_ERR_NOMEM);
        assert_int_equal(r.detail, SRL__RESP_OK);
    } else {
        assert_int_equal(error, SRL_OK);
        assert_string_equal(seen.data, v->seen);
    }
    srl_reply_release(kept);
    srl__resp_reader_free(&r);
    srl_test_text_free(&seen);
}

static void fails_cleanly_without_memory(void **state)
{
    (void)state;
    char input[4096], expected[4096];
    srl_test_resp_vector v = {input, 0, expected};
    size_t seen = 0;
    v.len = (size_t)snprintf(input, sizeof(input), "*300\r\n");
    seen = (size_t)snprintf(expected, sizeof(expected), "[");
    for (int i = 0; i < 300; i++) {
        v.len += (size_t)snprintf(input + v.len, sizeof(input) - v.len, ":%d\r\n", i % 10);
        seen += (size_t)snprintf(expected + seen, sizeof(expected) - seen, "%s:%d", i > 0 ? " " : "", i % 10);
    }
    v.len += (size_t)snprintf(input + v.len, sizeof(input) - v.len, "+OK\r\n");
    snprintf(expected + seen, sizeof(expected) - seen, "] +\"OK\"");
    assert_true(srl_test_each_failing_alloc(read_all, &v) >= 5);
}

/* After SRL_ERR_NOMEM the same call goes on where it stopped. */
static void goes_on_after_running_out_of_memory(void **state)
{
    (void)state;
    srl_test_alloc t;
    srl__resp_reader r;
    srl_test_text seen = {NULL, 0, 0};
    const char *text = "*2\r\n|1\r\n+a\r\n:1\r\n$3\r\nabc\r\n*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n+OK\r\n";
    const srl_reply *reply;
    srl_test_alloc_init(&t);
    srl__resp_reader_init(&r, &t.table, NULL);
    for (const char *p = text; *p != 0; p++) {
        size_t room;
        int got;
        srl_test_alloc_fail(&t, 1, true);
        if (srl__resp_reader_space(&r, &room) == NULL) {
            assert_int_equal(r.error, SRL_ERR_NOMEM);
            srl_test_alloc_fail(&t, 0, false);
            assert_non_null(srl__resp_reader_space(&r, &room));
        }
        srl_test_alloc_fail(&t, 0, false);
        give(&r, p, 1);
        srl_test_alloc_fail(&t, 1, true);
        got = srl__resp_reader_next(&r, &reply);
        srl_test_alloc_fail(&t, 0, false);
        if (got == SRL_ERR_NOMEM) {
            got = srl__resp_reader_next(&r, &reply);
        }
        if (got == SRL__RESP_REPLY) {
            srl_test_text_add_reply(&seen, reply, SRL_REPLY_ROOT);
        } else {
            assert_int_equal(got, SRL__RESP_MORE);
        }
    }
    assert_string_equal(seen.data, "[|[+\"a\" :1]\"abc\" [:1 :2 :3 :4]]+\"OK\"");
    srl__resp_reader_free(&r);
    srl_test_text_free(&seen);
    srl_test_alloc_check_empty(&t);
}

/* ---- work grows with the bytes, not with how they are cut */

static uint64_t steps_for(const char *data, size_t len, size_t piece)
{
    srl_allocator alloc;
    srl__resp_reader r;
    uint64_t steps;
    srl_test_text seen = {NULL, 0, 0};
    srl__resp_limits limits = srl__resp_limits_default;
    limits.max_line = 1u << 24;
    srl__allocator_take(&alloc, NULL);
    srl__resp_reader_init(&r, &alloc, &limits);
    for (size_t at = 0; at < len; at += piece) {
        const srl_reply *reply;
        give(&r, data + at, len - at < piece ? len - at : piece);
        while (srl__resp_reader_next(&r, &reply) > 0) {
        }
    }
    assert_true(srl__resp_reader_is_empty(&r));
    steps = r.steps;
    srl__resp_reader_free(&r);
    srl_test_text_free(&seen);
    return steps;
}

static size_t fill(char *out, size_t size, const char *head, const char *element, const char *tail)
{
    size_t len = strlen(head), each = strlen(element);
    memcpy(out, head, len);
    while (len + each + strlen(tail) + 1 < size) {
        memcpy(out + len, element, each);
        len += each;
    }
    memcpy(out + len, tail, strlen(tail));
    return len + strlen(tail);
}

static void work_is_linear_in_the_bytes(void **state)
{
    (void)state;
    static const char *const shapes[][3] = {
        {"+", "x", "\r\n"},
        {"(", "1", "\r\n"},
        {"*?\r\n", ":1\r\n", ".\r\n"},
        {"*?\r\n", "$3\r\nabc\r\n", ".\r\n"},
        {"*?\r\n", "*1\r\n|1\r\n+a\r\n+b\r\n+c\r\n", ".\r\n"},
        {"$?\r\n", ";3\r\nabc\r\n", ";0\r\n"},
        {"", ":1\r\n", ""},
    };
    static const size_t pieces[] = {1, 7, 100, 5000};
    enum { SIZE = 400000 };
    char *data = malloc(SIZE);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
            size_t len = fill(data, SIZE / 4, shapes[i][0], shapes[i][1], shapes[i][2]);
            uint64_t quarter = steps_for(data, len, pieces[k]);
            uint64_t whole;
            len = fill(data, SIZE, shapes[i][0], shapes[i][1], shapes[i][2]);
            whole = steps_for(data, len, pieces[k]);
            assert_true(whole <= 5 * quarter + SIZE * 2);
            assert_true(whole <= (uint64_t)len * 12);
        }
    }
    free(data);
}

/* ---- random values */

static void put_random(srl_test_text *out, uint64_t *seed, uint32_t depth);

static void put_format(srl_test_text *out, const char *format, long long n)
{
    char text[64];
    snprintf(text, sizeof(text), format, n);
    srl_test_text_add(out, text);
}

static void put_random_string(srl_test_text *out, uint64_t *seed)
{
    char bytes[64];
    size_t len = (size_t)srl_test_random_below(seed, srl_test_random_below(seed, 4) == 0 ? 60 : 8);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (char)srl_test_random(seed);
    }
    if (srl_test_random_below(seed, 6) == 0) {
        size_t half = len / 2;
        srl_test_text_add(out, "$?\r\n");
        for (int part = 0; part < 2; part++) {
            size_t part_len = part == 0 ? half : len - half;
            if (part_len > 0) {
                put_format(out, ";%lld\r\n", (long long)part_len);
                srl_test_text_add_bytes(out, part == 0 ? bytes : bytes + half, part_len);
                srl_test_text_add(out, "\r\n");
            }
        }
        srl_test_text_add(out, ";0\r\n");
        return;
    }
    put_format(out, "$%lld\r\n", (long long)len);
    srl_test_text_add_bytes(out, bytes, len);
    srl_test_text_add(out, "\r\n");
}

static void put_random_aggregate(srl_test_text *out, uint64_t *seed, uint32_t depth)
{
    static const char wires[] = "**%~>";
    char wire = wires[srl_test_random_below(seed, sizeof(wires) - 1)];
    uint64_t n = srl_test_random_below(seed, 5);
    bool streamed = srl_test_random_below(seed, 6) == 0;
    srl_test_text_add_bytes(out, &wire, 1);
    if (streamed) {
        srl_test_text_add(out, "?\r\n");
    } else {
        put_format(out, "%lld\r\n", (long long)n);
    }
    n *= wire == '%' ? 2 : 1;
    while (n-- > 0) {
        put_random(out, seed, depth + 1);
    }
    srl_test_text_add(out, streamed ? ".\r\n" : "");
}

static void put_random(srl_test_text *out, uint64_t *seed, uint32_t depth)
{
    static const char *const plain[] = {"_\r\n",   "#t\r\n",   "#f\r\n",   "$-1\r\n",           "*-1\r\n",
                                        "+OK\r\n", ",1.5\r\n", "(123\r\n", "=7\r\ntxt:abc\r\n", "-ERR x\r\n"};
    uint64_t kind = srl_test_random_below(seed, 12);
    if (kind == 0 && depth < 8) {
        srl_test_text_add(out, "|1\r\n");
        put_random(out, seed, depth + 1);
        put_random(out, seed, depth + 1);
        put_random(out, seed, depth);
    } else if (kind <= 4 && depth < 8) {
        put_random_aggregate(out, seed, depth);
    } else if (kind <= 7) {
        put_random_string(out, seed);
    } else if (kind <= 9) {
        put_format(out, ":%lld\r\n", (long long)srl_test_random(seed) >> srl_test_random_below(seed, 63));
    } else {
        srl_test_text_add(out, plain[srl_test_random_below(seed, sizeof(plain) / sizeof(plain[0]))]);
    }
}

static void random_values_come_back(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 2, 3, 11, 50, SIZE_MAX};
    for (uint64_t round = 0; round < 3000; round++) {
        uint64_t seed = round;
        srl_test_text bytes = {NULL, 0, 0}, expected = {NULL, 0, 0}, seen = {NULL, 0, 0};
        srl_allocator alloc;
        srl__resp_reader r;
        size_t piece = pieces[round % 6];
        put_random(&bytes, &seed, 0);
        put_random(&bytes, &seed, 0);
        assert_int_equal(naive_resp_read((const uint8_t *)bytes.data, bytes.len, &srl__resp_limits_default, &expected),
                         NAIVE_OK);
        srl__allocator_take(&alloc, NULL);
        srl__resp_reader_init(&r, &alloc, NULL);
        for (size_t at = 0; at < bytes.len; at += piece < bytes.len ? piece : bytes.len) {
            const srl_reply *reply;
            give(&r, bytes.data + at, bytes.len - at < piece ? bytes.len - at : piece);
            while (srl__resp_reader_next(&r, &reply) > 0) {
                srl_test_text_add_reply(&seen, reply, SRL_REPLY_ROOT);
                srl_test_text_add(&seen, "\n");
            }
        }
        assert_string_equal(seen.data, expected.data);
        srl__resp_reader_free(&r);
        srl_test_text_free(&bytes);
        srl_test_text_free(&expected);
        srl_test_text_free(&seen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_whole),
        cmocka_unit_test(vectors_byte_by_byte),
        cmocka_unit_test(vectors_at_every_split),
        cmocka_unit_test(vectors_inside_others),
#if !defined(SRL_TEST_UNDER_VALGRIND) /* which computes the naive reader's long double in 64 bits */
        cmocka_unit_test(vectors_agree_with_the_naive_reader),
#endif
        cmocka_unit_test(limits_hold_however_it_is_cut),
        cmocka_unit_test(new_limits_wait_for_the_next_reply),
        cmocka_unit_test(nothing_is_reserved_by_an_announced_count),
        cmocka_unit_test(a_long_string_grows_the_block_once),
        cmocka_unit_test(memory_comes_back_between_cut_replies),
        cmocka_unit_test(kept_replies_outlive_everything),
        cmocka_unit_test(fails_cleanly_without_memory),
        cmocka_unit_test(goes_on_after_running_out_of_memory),
        cmocka_unit_test(work_is_linear_in_the_bytes),
        cmocka_unit_test(random_values_come_back),
    };
    return cmocka_run_group_tests_name("resp", tests, NULL, NULL);
}
