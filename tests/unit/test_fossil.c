#include "protocol/fossil.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <streamrelay/error.h>

#include "base/utf8.h"
#include "helpers/fail_alloc.h"
#include "helpers/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static srl_allocator memory;

/* A text in a block of exactly its size, so that reading beyond it is noticed. */
typedef struct text {
    char *data;
    size_t len;
} text;

static text text_of(const void *data, size_t len)
{
    text t = {malloc(len > 0 ? len : 1), len};
    assert_non_null(t.data);
    if (len > 0) {
        memcpy(t.data, data, len);
    }
    return t;
}

static srl__slice slice(text t)
{
    return srl__slice_of(t.data, t.len);
}

static srl__slice literal(const char *c)
{
    return srl__slice_of(c, strlen(c));
}

static srl__slice written(const srl__buf *buf)
{
    return srl__slice_of(buf->data, buf->len);
}

static void assert_text(srl__slice got, srl__slice want)
{
    if (!srl__slice_equal(got, want)) {
        fail_msg("got %zu bytes: %.*s\nwanted %zu bytes: %.*s", got.len, (int)got.len, got.data, want.len,
                 (int)want.len, want.data);
    }
}

/* Make a patch, apply it, and see that all that was promised holds. Returns the patch's length, 0 if there is none. */
static size_t round_trip(srl__slice source, srl__slice target, srl__fossil_mode mode)
{
    srl__buf patch, result;
    srl__buf_init(&patch, &memory, SIZE_MAX);
    srl__buf_init(&result, &memory, SIZE_MAX);
    int error = srl__fossil_create(&patch, source, target, mode);
    if (error != SRL_OK) {
        assert_int_equal(error, SRL_ERR_UNAVAILABLE);
        assert_int_equal(patch.len, 0);
        srl__buf_free(&patch);
        return 0;
    }
    assert_true(patch.len < target.len);
    text exact = text_of(patch.data, patch.len);
    if (mode == SRL__FOSSIL_UTF8) {
        assert_true(srl__utf8_valid(exact.data, exact.len));
    }
    assert_int_equal(srl__fossil_apply(&result, source, slice(exact), target.len), SRL_OK);
    assert_text(written(&result), target);
    size_t len = patch.len;
    free(exact.data);
    srl__buf_free(&patch);
    srl__buf_free(&result);
    return len;
}

static void assert_patch(const char *source, const char *target, const char *want)
{
    srl__buf patch;
    srl__buf_init(&patch, &memory, SIZE_MAX);
    assert_int_equal(srl__fossil_create(&patch, literal(source), literal(target), SRL__FOSSIL_UTF8), SRL_OK);
    assert_text(written(&patch), literal(want));
    srl__buf_free(&patch);
    assert_int_equal(round_trip(literal(source), literal(target), SRL__FOSSIL_UTF8), strlen(want));
}

/* ---- published patches ---- */

static text load(uint32_t number, const char *name)
{
    static char data[16384];
    char path[512];
    snprintf(path, sizeof(path), "%s/fossil/%u/%s", SRL_TEST_DATA_DIR, number, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(data, 1, sizeof(data), file);
    fclose(file);
    assert_in_range(len, 1, sizeof(data) - 1);
    return text_of(data, len);
}

static void patches_of_fossil_itself(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 5; i++) {
        text origin = load(i, "origin"), target = load(i, "target"), delta = load(i, "delta");
        srl__buf result;
        srl__buf_init(&result, &memory, SIZE_MAX);
        assert_int_equal(srl__fossil_apply(&result, slice(origin), slice(delta), target.len), SRL_OK);
        assert_text(written(&result), slice(target));

        size_t len = round_trip(slice(origin), slice(target), SRL__FOSSIL_BYTES);
        if (delta.len < target.len) {
            assert_in_range(len, 1, delta.len);
        } else {
            assert_int_equal(len, 0);
        }
        if (srl__utf8_valid(origin.data, origin.len)) {
            assert_int_equal(round_trip(slice(origin), slice(target), SRL__FOSSIL_UTF8), len);
        }
        srl__buf_free(&result);
        free(origin.data);
        free(target.data);
        free(delta.data);
    }
}

static uint32_t checksum_by_definition(const char *data, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum += (uint32_t)(uint8_t)data[i] * (UINT32_C(1) << (24 - 8 * (i % 4)));
    }
    return sum;
}

static size_t digits_by_definition(uint32_t n, char *out)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
    size_t len = 0;
    for (uint32_t shift = 30; shift > 0; shift -= 6) {
        if (len > 0 || n >> shift != 0) {
            out[len++] = digits[n >> shift & 63];
        }
    }
    out[len++] = digits[n & 63];
    return len;
}

/* The example of the format's description, whose texts are not given: its segments, over a source made up here. */
static void the_example_of_the_format(void **state)
{
    (void)state;
    static const struct {
        uint32_t count;
        uint32_t offset;
        const char *insert;
    } segments[] = {
        {270, 0, NULL},     {2, 0, "th"},      {983, 268, NULL}, {6, 0, "scenda"},  {75, 1256, NULL},
        {6, 0, "scenda"},   {380, 1336, NULL}, {6, 0, "pieces"}, {457, 1720, NULL}, {15, 0, " Example: eskil"},
        {4046, 2176, NULL},
    };
    static const char listed[] =
        "1Xb\n4E@0,2:thFN@4C,6:scenda1B@Jd,6:scenda5x@Kt,6:pieces79@Qt,F: Example: eskil~E@Y0,";
    static char source[6222];
    static char target[6246];
    uint64_t random = 1;
    size_t len = 0;
    for (size_t i = 0; i < sizeof(source); i++) {
        source[i] = (char)srl_test_random(&random);
    }
    for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
        memcpy(target + len, segments[i].insert != NULL ? segments[i].insert : source + segments[i].offset,
               segments[i].count);
        len += segments[i].count;
    }
    assert_int_equal(len, sizeof(target));

    char patch[256];
    size_t at = sizeof(listed) - 1;
    memcpy(patch, listed, at);
    at += digits_by_definition(checksum_by_definition(target, len), patch + at);
    patch[at++] = ';';
    srl__buf result;
    srl__buf_init(&result, &memory, SIZE_MAX);
    assert_int_equal(srl__fossil_apply(&result, srl__slice_of(source, sizeof(source)), srl__slice_of(patch, at), len),
                     SRL_OK);
    assert_text(written(&result), srl__slice_of(target, len));
    srl__buf_free(&result);

    /* Nothing shorter is to be had than what the example has, and a little less is: copies may begin earlier. */
    assert_in_range(round_trip(srl__slice_of(source, sizeof(source)), srl__slice_of(target, len), SRL__FOSSIL_BYTES), 1,
                    at);
    assert_int_equal(digits_by_definition(UINT32_C(3193528526), patch), 6);
    assert_memory_equal(patch, "2zMM3E", 6);
}

/* ---- what the patches look like ---- */

#define TEN    "0123456789"
#define TWENTY "abcdefghijklmnopqrst"
#define THIRTY "The quick brown fox jumps over"

static void small_changes(void **state)
{
    (void)state;
    assert_patch(THIRTY, THIRTY, "U\nU@0,19wFGR;");
    assert_patch(THIRTY TEN, THIRTY "x" TEN, "e\nU@0,1:xA@U,3eLTQs;");
    assert_patch(THIRTY "x" TEN, THIRTY TEN, "d\nU@0,A@V,2nLu2v;");
    assert_patch("x" TWENTY, TWENTY, "K\nK@1,F51_S;");
    assert_patch(TWENTY, TWENTY "end", "N\nK@0,3:end1pWcpS;");
}

static void short_copies_are_not_worth_it(void **state)
{
    (void)state;
    /* One byte in common at either end: cheaper to write out. */
    assert_patch("(" TWENTY "_)", "[" TWENTY "]", "M\n1:[K@1,1:]1uR1GN;");
}

static void lengths_around_digits(void **state)
{
    (void)state;
    static const size_t lengths[] = {63, 64, 65, 4095, 4096, 4097, 262143, 262144, 262145};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        text t = text_of("", 0);
        char *grown = realloc(t.data, lengths[i]);
        assert_non_null(grown);
        for (size_t k = 0; k < lengths[i]; k++) {
            grown[k] = (char)('a' + k % 26);
        }
        size_t same = round_trip(srl__slice_of(grown, lengths[i]), srl__slice_of(grown, lengths[i]), SRL__FOSSIL_UTF8);
        char digits[8];
        size_t count = digits_by_definition((uint32_t)lengths[i], digits);
        size_t sum = digits_by_definition(checksum_by_definition(grown, lengths[i]), digits);
        assert_int_equal(same, count + 1 + count + 3 + sum + 1);
        free(grown);
    }
}

static void what_cannot_be_shorter(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""}, {"", TWENTY}, {TWENTY, ""}, {TWENTY, TEN}, {"tiny", "little"}, {"a", "a"}, {THIRTY, "Thx"},
    };
    srl__buf out;
    srl__buf_init(&out, &memory, SIZE_MAX);
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        assert_int_equal(srl__fossil_create(&out, literal(pairs[i][0]), literal(pairs[i][1]), SRL__FOSSIL_UTF8),
                         SRL_ERR_UNAVAILABLE);
    }
    srl__slice huge = srl__slice_of(TWENTY, SRL__FOSSIL_MAX_LEN + 1);
    assert_int_equal(srl__fossil_create(&out, huge, literal(TWENTY), SRL__FOSSIL_UTF8), SRL_ERR_UNAVAILABLE);
    assert_int_equal(srl__fossil_create(&out, literal(TWENTY), huge, SRL__FOSSIL_UTF8), SRL_ERR_UNAVAILABLE);
    assert_int_equal(out.error, SRL_OK);
    assert_int_equal(out.len, 0);
    srl__buf_free(&out);
}

/* What the JavaScript SDK's tests publish. */
static void publications_of_the_sdk_tests(void **state)
{
    (void)state;
    char payload[501], texts[3][600];
    memset(payload, 'a', 500);
    payload[500] = '\0';
    snprintf(texts[0], sizeof(texts[0]), "{\"counter\":1,\"payload\":\"%s\"}", payload);
    snprintf(texts[1], sizeof(texts[1]), "{\"counter\":2,\"payload\":\"%s\"}", payload);
    payload[499] = 'b';
    snprintf(texts[2], sizeof(texts[2]), "{\"counter\":3,\"payload\":\"%s\"}", payload);
    assert_in_range(round_trip(literal(texts[0]), literal(texts[1]), SRL__FOSSIL_UTF8), 1, 28);
    assert_in_range(round_trip(literal(texts[1]), literal(texts[2]), SRL__FOSSIL_UTF8), 1, 35);

    assert_in_range(round_trip(literal("{\"v\":2,\"text\":\"base message content updated\"}"),
                               literal("{\"v\":3,\"text\":\"base message content updated again\"}"), SRL__FOSSIL_UTF8),
                    1, 45);
}

static void many_edits(void **state)
{
    (void)state;
    char source[4096], target[4096];
    size_t s = 0, t = 0;
    for (uint32_t i = 0; i < 40; i++) {
        const char *form = "{\"id\":%u,\"name\":\"item number %u\",\"price\":%u},";
        s += (size_t)snprintf(source + s, sizeof(source) - s, form, i, i, 1000 + i);
        if (i != 7) { /* one is gone, every fifth costs something else */
            t += (size_t)snprintf(target + t, sizeof(target) - t, form, i, i, i % 5 == 0 ? 3 : 1000 + i);
        }
    }
    size_t len = round_trip(srl__slice_of(source, s), srl__slice_of(target, t), SRL__FOSSIL_UTF8);
    assert_in_range(len, 1, t / 8);
    /* The same backwards: pieces come back. */
    len = round_trip(srl__slice_of(target, t), srl__slice_of(source, s), SRL__FOSSIL_UTF8);
    assert_in_range(len, 1, t / 6);
}

static void moved_blocks_are_found(void **state)
{
    (void)state;
    char block[2][1000], source[2000], target[2000];
    uint64_t random = 5;
    for (size_t i = 0; i < sizeof(block); i++) {
        block[i / 1000][i % 1000] = (char)('a' + srl_test_random_below(&random, 26));
    }
    memcpy(source, block[0], 1000);
    memcpy(source + 1000, block[1], 1000);
    memcpy(target, block[1], 1000);
    memcpy(target + 1000, block[0], 1000);
    assert_in_range(round_trip(srl__slice_of(source, 2000), srl__slice_of(target, 2000), SRL__FOSSIL_UTF8), 1, 30);
}

/* Letters change in place, too near to each other for a whole window in between. */
static void changes_close_together(void **state)
{
    (void)state;
    char source[600], target[600];
    uint64_t random = 11;
    for (size_t i = 0; i < sizeof(source); i++) {
        source[i] = (char)('a' + srl_test_random_below(&random, 26));
        target[i] = i % 15 == 7 ? '-' : source[i];
    }
    assert_in_range(round_trip(srl__slice_of(source, 600), srl__slice_of(target, 600), SRL__FOSSIL_UTF8), 1, 400);
}

/* The first place that looks alike is not the best one. */
static void the_longest_of_many(void **state)
{
    (void)state;
    char source[4096] = "", target[1024] = "";
    for (uint32_t i = 0; i < 30; i++) {
        char piece[64];
        snprintf(piece, sizeof(piece), "<a window or more>[%02u]", i);
        strcat(source, piece);
    }
    strcat(source, "<a window or more>" THIRTY TWENTY TEN);
    strcat(target, "?<a window or more>" THIRTY TWENTY TEN "!");
    assert_in_range(round_trip(literal(source), literal(target), SRL__FOSSIL_UTF8), 1, 22);
}

/* ---- characters ---- */

/* They share first bytes, last bytes, and everything but one byte in between. */
static const char *const characters[] = {"a",
                                         "\xD0\xBF",
                                         "\xD1\x80",
                                         "\xD1\xBF",
                                         "\xD0\x80",
                                         "\xE2\x82\xAC",
                                         "\xE2\x80\xAC",
                                         "\xE2\x82\x80",
                                         "\xF0\x9F\x98\x80",
                                         "\xF0\x9F\x98\x81",
                                         "\xF0\x9F\x99\x80",
                                         "\xF0\x9D\x98\x80",
                                         "\xF1\x9F\x98\x80"};
enum { CHARACTERS = sizeof(characters) / sizeof(characters[0]) };

/* One letter becomes another, between texts of every kind of character: patches stay valid UTF-8 (round_trip looks). */
static void one_letter_for_another(void **state)
{
    (void)state;
    uint32_t patches = 0;
    for (uint32_t around = 0; around < CHARACTERS; around++) {
        for (uint32_t from = 0; from < CHARACTERS; from++) {
            for (uint32_t to = 0; to < CHARACTERS; to++) {
                char source[256] = "", target[256] = "";
                for (uint32_t i = 0; i < 30; i++) {
                    strcat(source, i == 15 ? characters[from] : characters[around]);
                    strcat(target, i == 15 ? characters[to] : characters[around]);
                }
                patches += round_trip(literal(source), literal(target), SRL__FOSSIL_UTF8) > 0 ? 1 : 0;
            }
        }
    }
    /* Only where all letters have one byte it may not pay. */
    assert_in_range(patches, CHARACTERS * CHARACTERS * (CHARACTERS - 1), CHARACTERS * CHARACTERS * CHARACTERS);
}

static void bytes_may_cut_characters(void **state)
{
    (void)state;
    const char *source = "\xD0\xBF\xD0\xBF\xD0\xBF\xD0\xBF\xD0\xBF\xD0\xBF\xD0\xBF\xD0\xBF\xD0\xBF\xD0\xBF\xD0\xBF";
    const char *target = "\xD0\xBF\xD0\xBF\xD0\xBF\xD0\xBF\xD0\xBF\xD0\xB0\xD0\xBF\xD0\xBF\xD0\xBF\xD0\xBF\xD0\xBF";
    srl__buf patch;
    srl__buf_init(&patch, &memory, SIZE_MAX);
    assert_int_equal(srl__fossil_create(&patch, literal(source), literal(target), SRL__FOSSIL_BYTES), SRL_OK);
    assert_false(srl__utf8_valid(patch.data, patch.len));
    srl__buf_free(&patch);
    assert_in_range(round_trip(literal(source), literal(target), SRL__FOSSIL_UTF8), 1, strlen(target) - 1);
}

/* ---- at random ---- */

typedef struct draft {
    char data[6000];
    size_t len;
} draft;

static void draft_add(draft *d, const char *data, size_t len)
{
    assert_true(len <= sizeof(d->data) - d->len);
    memcpy(d->data + d->len, data, len);
    d->len += len;
}

/* Random characters; with `letters` 0: random bytes. */
static void draft_grow(draft *d, uint64_t *random, uint32_t letters, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char byte = (char)srl_test_random(random);
        const char *c = letters > 0 ? characters[srl_test_random_below(random, letters)] : &byte;
        draft_add(d, c, letters > 0 ? strlen(c) : 1);
    }
}

static size_t character_at(const draft *d, size_t at, uint32_t letters)
{
    return letters > 0 ? srl__utf8_sequence((const uint8_t *)d->data + at, d->len - at) : 1;
}

/* A copy with about `edits` characters left out, replaced, or with others before them. */
static void draft_edit(draft *out, const draft *in, uint64_t *random, uint32_t letters, uint32_t edits)
{
    uint64_t odds = in->len / (edits + 1) + 1;
    out->len = 0;
    for (size_t at = 0; at < in->len;) {
        size_t len = character_at(in, at, letters);
        uint64_t dice = srl_test_random_below(random, odds * 4);
        if (dice < 2) {
            draft_grow(out, random, letters, 1 + srl_test_random_below(random, 3));
        }
        if (dice != 0 && dice != 3) {
            draft_add(out, in->data + at, len);
        }
        at += len;
    }
}

static void any_two_texts(void **state)
{
    (void)state;
    static draft source, target;
    uint64_t random = 2026;
    uint32_t patches = 0;
    for (uint32_t i = 0; i < 4000; i++) {
        uint32_t letters = (uint32_t)srl_test_random_below(&random, CHARACTERS + 1);
        source.len = 0;
        draft_grow(&source, &random, letters, srl_test_random_below(&random, i % 10 == 0 ? 800 : 80));
        if (i % 16 == 15) {
            target.len = 0;
            draft_grow(&target, &random, letters, srl_test_random_below(&random, 200));
        } else {
            draft_edit(&target, &source, &random, letters, (uint32_t)srl_test_random_below(&random, 6));
        }
        text s = text_of(source.data, source.len), t = text_of(target.data, target.len);
        size_t bytes = round_trip(slice(s), slice(t), SRL__FOSSIL_BYTES);
        if (letters > 0) {
            size_t characters_len = round_trip(slice(s), slice(t), SRL__FOSSIL_UTF8);
            assert_true(bytes == 0 || characters_len == 0 || characters_len + 40 > bytes);
        }
        patches += bytes > 0 ? 1 : 0;
        free(s.data);
        free(t.data);
    }
    assert_in_range(patches, 1500, 4000);
}

/* Texts made to have many places that look alike: it ends, and soon. */
static void repetitions(void **state)
{
    (void)state;
    enum { LEN = 300000 };
    char *source = malloc(LEN), *target = malloc(LEN);
    assert_non_null(source);
    assert_non_null(target);
    for (uint32_t period = 1; period <= 48; period += 15) {
        for (size_t i = 0; i < LEN; i++) {
            source[i] = (char)('0' + i % period);
            target[i] = (char)('0' + i % (period + 1));
        }
        round_trip(srl__slice_of(source, LEN), srl__slice_of(target, LEN), SRL__FOSSIL_BYTES);
        for (size_t i = 0; i < LEN; i += 40) { /* runs that are just too short to pay, over and over */
            source[i] = 'x';
            target[i] = 'y';
        }
        round_trip(srl__slice_of(source, LEN), srl__slice_of(target, LEN), SRL__FOSSIL_UTF8);
    }
    /* Not the promised UTF-8: no patch perhaps, but nothing else happens either. */
    memset(source, 0x80, LEN);
    memset(target, 0x80, LEN);
    target[LEN / 2] = 'x';
    srl__buf out;
    srl__buf_init(&out, &memory, SIZE_MAX);
    int error = srl__fossil_create(&out, srl__slice_of(source, LEN), srl__slice_of(target, LEN), SRL__FOSSIL_UTF8);
    assert_true(error == SRL_OK || error == SRL_ERR_UNAVAILABLE);
    srl__buf_free(&out);
    free(source);
    free(target);
}

/* ---- applying what is not a patch ---- */

static int apply_text(const char *source, srl__slice patch, size_t max_len)
{
    text exact = text_of(patch.data, patch.len);
    srl__buf out;
    srl__buf_init(&out, &memory, SIZE_MAX);
    SRL__BUF_LIT(&out, "before");
    int error = srl__fossil_apply(&out, literal(source), slice(exact), max_len);
    if (error != SRL_OK) {
        assert_text(written(&out), SRL__LIT("before"));
        assert_int_equal(out.error, SRL_OK);
    }
    srl__buf_free(&out);
    free(exact.data);
    return error;
}

static void malformed_patches(void **state)
{
    (void)state;
    static const struct {
        const char *patch;
        int error;
    } cases[] = {
        {"4\n4@0,1XObD_;", SRL_OK},
        {"4\n4:abcd1XObD_;", SRL_OK},
        {"4\n1@0,2:bc1@3,1XObD_;", SRL_OK},
        {"4\n0:4@0,1XObD_;", SRL_OK},
        {"0\n0;", SRL_OK},
        {"0\n0:0;", SRL_OK},
        {"", SRL_ERR_INVALID},
        {"4", SRL_ERR_INVALID},
        {"4\n", SRL_ERR_INVALID},
        {"\n4@0,1XObD_;", SRL_ERR_INVALID},
        {"4 4@0,1XObD_;", SRL_ERR_INVALID},
        {"04\n4@0,1XObD_;", SRL_ERR_INVALID},
        {"4\n04@0,1XObD_;", SRL_ERR_INVALID},
        {"4\n4@00,1XObD_;", SRL_ERR_INVALID},
        {"4\n4@0,01XObD_;", SRL_ERR_INVALID},
        {"4\n4@0;1XObD_;", SRL_ERR_INVALID},
        {"4\n4@,1XObD_;", SRL_ERR_INVALID},
        {"4\n@0,1XObD_;", SRL_ERR_INVALID},
        {"4\n4@1,1XObD_;", SRL_ERR_INVALID},
        {"4\n5@0,1XObD_;", SRL_ERR_INVALID},
        {"5\n5@0,1XObD_;", SRL_ERR_INVALID},
        {"4\n0@0,4@0,1XObD_;", SRL_ERR_INVALID},
        {"4\n4@5,1XObD_;", SRL_ERR_INVALID},
        {"4\n3@3~~~~~,1XObD_;", SRL_ERR_INVALID},
        {"4\n3@4000000,1XObD_;", SRL_ERR_INVALID},
        {"4\n4:abc", SRL_ERR_INVALID},
        {"4\n3~~~~~:abcd", SRL_ERR_INVALID},
        {"3\n4@0,1XObD_;", SRL_ERR_INVALID},
        {"5\n4@0,1XObD_;", SRL_ERR_INVALID},
        {"4\n4@0,1XObDa;", SRL_ERR_INVALID},
        {"4\n4@0,1XObD_", SRL_ERR_INVALID},
        {"4\n4@0,1XObD_;;", SRL_ERR_INVALID},
        {"4\n4@0,1XObD_; ", SRL_ERR_INVALID},
        {"4\n4@0,41XObD_;", SRL_ERR_INVALID},
        {"4\n4@0,1XObD_;4@0,", SRL_ERR_INVALID},
        {"4\n4!0,1XObD_;", SRL_ERR_INVALID},
        {"-4\n4@0,1XObD_;", SRL_ERR_INVALID},
        {"4\r\n4@0,1XObD_;", SRL_ERR_INVALID},
        {"3~~~~~\n4@0,1XObD_;", SRL_ERR_TOO_LARGE},
        {"4000000\n4@0,1XObD_;", SRL_ERR_INVALID},
        {"zzzzzzzzzzzzzzzzzzzz\n", SRL_ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (apply_text("abcd", literal(cases[i].patch), 100) != cases[i].error) {
            fail_msg("%s", cases[i].patch);
        }
    }
    assert_int_equal(apply_text("abcd", SRL__LIT("4\n4@0,1XObD_;"), 4), SRL_OK);
    assert_int_equal(apply_text("abcd", SRL__LIT("4\n4@0,1XObD_;"), 3), SRL_ERR_TOO_LARGE);
    assert_int_equal(apply_text("abce", SRL__LIT("4\n4@0,1XObD_;"), 4), SRL_ERR_INVALID);
    assert_int_equal(apply_text("abc", SRL__LIT("4\n4@0,1XObD_;"), 4), SRL_ERR_INVALID);
    assert_int_equal(apply_text("", SRL__LIT("4\n4:abcd1XObD_;"), 4), SRL_OK);
}

/* Cut anywhere, and with any byte changed to any other: refused, or the right text after all. */
static void damaged_patches(void **state)
{
    (void)state;
    const char *source = THIRTY " the lazy dog. " TEN TWENTY;
    const char *target = THIRTY " the lazy cat. " TEN "-" TWENTY "!";
    srl__buf patch, out;
    srl__buf_init(&patch, &memory, SIZE_MAX);
    srl__buf_init(&out, &memory, SIZE_MAX);
    assert_int_equal(srl__fossil_create(&patch, literal(source), literal(target), SRL__FOSSIL_UTF8), SRL_OK);
    for (size_t len = 0; len < patch.len; len++) {
        assert_int_equal(apply_text(source, srl__slice_of(patch.data, len), 1000), SRL_ERR_INVALID);
    }
    for (size_t at = 0; at < patch.len; at++) {
        for (uint32_t byte = 0; byte < 256; byte++) {
            text changed = text_of(patch.data, patch.len);
            changed.data[at] = (char)byte;
            srl__buf_reset(&out);
            if (srl__fossil_apply(&out, literal(source), slice(changed), 1000) == SRL_OK) {
                assert_text(written(&out), literal(target));
            }
            free(changed.data);
        }
    }
    srl__buf_free(&patch);
    srl__buf_free(&out);
}

/* ---- buffers and memory ---- */

static void what_was_written_before_stays(void **state)
{
    (void)state;
    srl__buf out;
    srl__buf_init(&out, &memory, SIZE_MAX);
    SRL__BUF_LIT(&out, "before");
    assert_int_equal(srl__fossil_create(&out, literal(THIRTY), literal(TEN), SRL__FOSSIL_UTF8), SRL_ERR_UNAVAILABLE);
    assert_text(written(&out), SRL__LIT("before"));
    assert_int_equal(srl__fossil_create(&out, literal(THIRTY), literal(THIRTY), SRL__FOSSIL_UTF8), SRL_OK);
    assert_text(written(&out), SRL__LIT("beforeU\nU@0,19wFGR;"));
    srl__buf_reset(&out);
    SRL__BUF_LIT(&out, "before");
    assert_int_equal(srl__fossil_apply(&out, literal(THIRTY), SRL__LIT("U\nU@0,19wFGR;"), 30), SRL_OK);
    assert_text(written(&out), SRL__LIT("before" THIRTY));
    srl__buf_free(&out);
}

static void a_buffer_without_room(void **state)
{
    (void)state;
    srl__slice patch = SRL__LIT("U\nU@0,19wFGR;");
    for (size_t max = 0; max < patch.len; max++) {
        srl__buf out;
        srl__buf_init(&out, &memory, max);
        assert_int_equal(srl__fossil_create(&out, literal(THIRTY), literal(THIRTY), SRL__FOSSIL_UTF8),
                         SRL_ERR_TOO_LARGE);
        assert_int_equal(out.error, SRL_OK);
        assert_int_equal(srl__fossil_apply(&out, literal(THIRTY), patch, 30), SRL_ERR_TOO_LARGE);
        assert_int_equal(out.error, SRL_OK);
        assert_int_equal(out.len, 0);
        out.error = SRL_ERR_NOMEM; /* an error from before */
        assert_int_equal(srl__fossil_create(&out, literal(THIRTY), literal(THIRTY), SRL__FOSSIL_UTF8), SRL_ERR_NOMEM);
        assert_int_equal(srl__fossil_apply(&out, literal(THIRTY), patch, 30), SRL_ERR_NOMEM);
        assert_int_equal(out.error, SRL_ERR_NOMEM);
        srl__buf_free(&out);
    }
}

static void out_of_memory(const srl_allocator *alloc, void *user)
{
    (void)user;
    const char *source = TWENTY THIRTY TWENTY TEN THIRTY TEN TEN THIRTY;
    const char *target = TEN TWENTY "!" THIRTY TEN "?" THIRTY TEN THIRTY ".";
    srl__buf out, back;
    srl__buf_init(&out, alloc, SIZE_MAX);
    srl__buf_init(&back, alloc, SIZE_MAX);
    int error = srl__fossil_create(&out, literal(source), literal(target), SRL__FOSSIL_UTF8);
    if (error == SRL_OK) {
        error = srl__fossil_apply(&back, literal(source), written(&out), 1000);
    }
    assert_int_equal(error, srl_test_alloc_has_failed(alloc) ? SRL_ERR_NOMEM : SRL_OK);
    if (error != SRL_OK) {
        assert_int_equal(back.len, 0);
        assert_int_equal(out.error, SRL_OK);
        assert_int_equal(back.error, SRL_OK);
    }
    srl__buf_free(&out);
    srl__buf_free(&back);
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    assert_in_range(srl_test_each_failing_alloc(out_of_memory, NULL), 3, 20);
}

static int set_up(void **state)
{
    (void)state;
    srl_allocator_init(&memory, sizeof(memory));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patches_of_fossil_itself),
        cmocka_unit_test(the_example_of_the_format),
        cmocka_unit_test(small_changes),
        cmocka_unit_test(short_copies_are_not_worth_it),
        cmocka_unit_test(lengths_around_digits),
        cmocka_unit_test(what_cannot_be_shorter),
        cmocka_unit_test(publications_of_the_sdk_tests),
        cmocka_unit_test(many_edits),
        cmocka_unit_test(moved_blocks_are_found),
        cmocka_unit_test(changes_close_together),
        cmocka_unit_test(the_longest_of_many),
        cmocka_unit_test(one_letter_for_another),
        cmocka_unit_test(bytes_may_cut_characters),
        cmocka_unit_test(any_two_texts),
        cmocka_unit_test(repetitions),
        cmocka_unit_test(malformed_patches),
        cmocka_unit_test(damaged_patches),
        cmocka_unit_test(what_was_written_before_stays),
        cmocka_unit_test(a_buffer_without_room),
        cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests_name("fossil", tests, set_up, NULL);
}
