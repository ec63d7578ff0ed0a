/*
 * The RESP reader, fed in pieces, against a plain recursive one that sees everything at once; keeping replies on the
 * way; and what the writer makes of the strings it read, read again.
 *
 * Input: one byte for the size of the pieces, one for the limits, then what a server sends.
 *
 *     cmake -S . -B build-fuzz -DCMAKE_C_COMPILER=clang -DSTREAMRELAY_FUZZ=ON \
 *         "-DSTREAMRELAY_SANITIZE=address;undefined" && cmake --build build-fuzz --target streamrelay_fuzz_resp
 *     nice build-fuzz/tests/fuzz_resp -runs=10000000 -max_len=512 -use_value_profile=1 corpus-copy
 * tests/fuzz/corpus/resp
 */
#include "redis/resp_reader.h"

#include <stdio.h>
#include <stdlib.h>

#include "../unit/helpers/naive_resp.h"
#include "redis/resp_double.h"
#include "redis/resp_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

static const srl__resp_limits limits[] = {
    {32, 1u << 20, 65536, 1u << 20, 1u << 20, 1u << 30},
    {3, 40, 20, 8, 12, 100},
    {2, 10, 5, 4, 6, 50},
    {1, 1, 1, 1, 1, 30},
};

static void check_numbers(const srl_reply *reply)
{
    for (uint32_t at = 0; at < reply->count; at++) {
        size_t len;
        const char *text = srl_reply_string(reply, at, &len);
        double number = 0, expected = 0;
        int64_t n;
        int b;
        (void)srl_reply_i64(reply, at, &n);
        (void)srl_reply_bool(reply, at, &b);
        (void)srl_reply_pairs(reply, at);
        (void)srl_reply_get(reply, at, "a", 1);
        (void)srl_reply_error_code(reply, at, &len);
        (void)srl_reply_error_text(reply, at, &len);
        text = srl_reply_string(reply, at, &len);
        if (text == NULL || len != strlen(text) || srl_reply_type(reply, at) == SRL_REPLY_ERROR) {
            continue;
        }
        if (srl_reply_double(reply, at, &number) == SRL_OK) {
            char again[SRL__DOUBLE_TEXT];
            size_t again_len;
            double back;
            REQUIRE(naive_is_double(text, &expected));
            REQUIRE(memcmp(&number, &expected, sizeof(number)) == 0 || (number != number && expected != expected));
            again_len = srl__double_to_text(number, again);
            REQUIRE(srl__double_from_text(again, again_len, &back) == SRL_OK);
            REQUIRE(back == number || number != number);
        } else if (srl_reply_type(reply, at) != SRL_REPLY_BOOL) {
            REQUIRE(!naive_is_double(text, &expected));
        }
    }
}

static void check_kept(srl_reply *kept, const char *expected, size_t len)
{
    srl_test_text text = {NULL, 0, 0};
    srl_test_text_add_reply(&text, kept, SRL_REPLY_ROOT);
    REQUIRE(text.len == len && memcmp(text.data, expected, len) == 0);
    srl_test_text_free(&text);
    srl_reply_release(kept);
}

static int read_in_pieces(srl__resp_reader *r, const uint8_t *data, size_t size, size_t piece, srl_test_text *text)
{
    const srl_reply *reply;
    srl_reply *kept = NULL;
    size_t kept_at = 0, kept_len = 0;
    int got = SRL__RESP_MORE;
    for (size_t at = 0; at < size && got >= 0; at += piece) {
        size_t room, part = size - at < piece ? size - at : piece;
        uint8_t *space = srl__resp_reader_space(r, &room);
        REQUIRE(space != NULL && room >= part);
        memcpy(space, data + at, part);
        srl__resp_reader_commit(r, part);
        while ((got = srl__resp_reader_next(r, &reply)) > 0) {
            size_t before = text->len;
            REQUIRE((got == SRL__RESP_PUSH) == (srl_reply_type(reply, SRL_REPLY_ROOT) == SRL_REPLY_PUSH));
            srl_test_text_add_reply(text, reply, SRL_REPLY_ROOT);
            check_numbers(reply);
            if (kept != NULL) {
                check_kept(kept, text->data + kept_at, kept_len);
            }
            REQUIRE(srl_reply_keep(reply, &kept) == SRL_OK);
            kept_at = before;
            kept_len = text->len - before;
            srl_test_text_add(text, "\n");
        }
    }
    if (kept != NULL) {
        check_kept(kept, text->data + kept_at, kept_len);
    }
    return got < 0 ? got : srl__resp_reader_is_empty(r) ? NAIVE_OK : NAIVE_MORE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t pieces[] = {1, 2, 3, 5, 7, 16, 61, 4096};
    srl_allocator alloc;
    srl__resp_reader r;
    srl_test_text expected = {NULL, 0, 0}, text = {NULL, 0, 0};
    const srl__resp_limits *with;
    int want, got;
    if (size < 2) {
        return 0;
    }
    srl_allocator_init(&alloc, sizeof(alloc));
    with = &limits[data[1] % 4];
    want = naive_resp_read(data + 2, size - 2, with, &expected);
    srl__resp_reader_init(&r, &alloc, with);
    got = read_in_pieces(&r, data + 2, size - 2, pieces[data[0] % 8], &text);
    REQUIRE(got == want);
    REQUIRE(text.len == expected.len && (text.len == 0 || memcmp(text.data, expected.data, text.len) == 0));
    srl__resp_reader_free(&r);
    srl_test_text_free(&expected);
    srl_test_text_free(&text);
    return 0;
}
