/* Fossil deltas. The first byte of the input says where it is cut into two texts. As source and patch: the patch is
 * applied or refused, without a trace then. As source and target: what is made of them comes back, it is shorter than
 * the target, and it is UTF-8 if they are. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <streamrelay/error.h>

#include "base/utf8.h"
#include "protocol/fossil.h"

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_RESULT = 1 << 16 };

/* In a block of exactly its size. */
static srl__slice copy_of(const uint8_t *data, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);
    REQUIRE(copy != NULL);
    if (len > 0) {
        memcpy(copy, data, len);
    }
    return srl__slice_of(copy, len);
}

static void check_apply(const srl_allocator *alloc, srl__slice source, srl__slice patch)
{
    srl__buf out;
    srl__buf_init(&out, alloc, SIZE_MAX);
    SRL__BUF_LIT(&out, "x");
    int error = srl__fossil_apply(&out, source, patch, MAX_RESULT);
    REQUIRE(error == SRL_OK || error == SRL_ERR_INVALID || error == SRL_ERR_TOO_LARGE);
    REQUIRE(out.error == SRL_OK && out.data[0] == 'x');
    REQUIRE(error == SRL_OK ? out.len <= MAX_RESULT + 1 : out.len == 1);
    srl__buf_free(&out);
}

static void check_round_trip(const srl_allocator *alloc, srl__slice source, srl__slice target, srl__fossil_mode mode)
{
    srl__buf patch, out;
    srl__buf_init(&patch, alloc, SIZE_MAX);
    srl__buf_init(&out, alloc, SIZE_MAX);
    int error = srl__fossil_create(&patch, source, target, mode);
    REQUIRE(error == SRL_OK || error == SRL_ERR_UNAVAILABLE);
    if (error == SRL_OK) {
        srl__slice made = srl__slice_of(patch.data, patch.len);
        REQUIRE(made.len < target.len);
        REQUIRE(srl__fossil_apply(&out, source, made, target.len) == SRL_OK);
        REQUIRE(srl__slice_equal(srl__slice_of(out.data, out.len), target));
        REQUIRE(mode == SRL__FOSSIL_BYTES || !srl__utf8_valid(source.data, source.len) ||
                !srl__utf8_valid(target.data, target.len) || srl__utf8_valid(made.data, made.len));
    } else {
        REQUIRE(patch.len == 0);
    }
    srl__buf_free(&patch);
    srl__buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    srl_allocator system;
    srl_allocator_init(&system, sizeof(system));
    size_t left = size > 0 ? size - 1 : 0;
    size_t cut = size > 0 ? left * data[0] / 255 : 0;
    srl__slice source = copy_of(size > 0 ? data + 1 : data, cut);
    srl__slice other = copy_of(size > 0 ? data + 1 + cut : data, left - cut);

    check_apply(&system, source, other);
    check_round_trip(&system, source, other, SRL__FOSSIL_BYTES);
    check_round_trip(&system, source, other, SRL__FOSSIL_UTF8);
    free((char *)source.data);
    free((char *)other.data);
    return 0;
}
