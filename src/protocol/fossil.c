#include "protocol/fossil.h"

#include <string.h>

#include <streamrelay/error.h>

#include "base/bits.h"

/* A run of this many bytes is looked up in the source. */
#define WINDOW 16
/* Places of the source that are tried for one place of the target: what bounds the work. */
#define MAX_CANDIDATES 32
/* What is lost at most when an insert before a copy becomes two: the second one's head. */
#define SPLIT_COST 2

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

static uint64_t load64(const char *p)
{
    uint64_t n;
    memcpy(&n, p, sizeof(n));
    return n;
}

static uint32_t checksum(const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text;
    uint32_t sum = 0;
    size_t i = 0;
    for (; i + 4 <= len; i += 4) {
        sum += (uint32_t)p[i] << 24 | (uint32_t)p[i + 1] << 16 | (uint32_t)p[i + 2] << 8 | p[i + 3];
    }
    for (; i < len; i++) {
        sum += (uint32_t)p[i] << (24 - 8 * (i % 4));
    }
    return sum;
}

static size_t digit_count(size_t n)
{
    size_t count = 1;
    for (; n >= 64; n /= 64) {
        count++;
    }
    return count;
}

static void put_number(srl__buf *out, size_t n, char mark)
{
    char text[12];
    size_t at = sizeof(text);
    text[--at] = mark;
    do {
        text[--at] = digits[n % 64];
        n /= 64;
    } while (n > 0);
    srl__buf_append(out, text + at, sizeof(text) - at);
}

/* ---- making a patch ---- */

/* A run that both texts have. */
typedef struct match {
    size_t from; /* in the source */
    size_t at;   /* in the target */
    size_t len;
} match;

/* Where in the source a window's hash occurs: chains of blocks, each beginning `step` bytes behind the one before. */
typedef struct block_index {
    uint32_t *heads; /* block + 1; 0: none */
    uint32_t *next;  /* in the same memory, behind the heads */
    size_t bytes;
    size_t step;
    uint32_t shift;
} block_index;

typedef struct encoder {
    srl__buf *out;
    srl__slice source;
    srl__slice target;
    srl__fossil_mode mode;
    size_t end; /* of the target's part that matches are looked for in */
    block_index index;
} encoder;

static size_t common_front(const char *a, const char *b, size_t max)
{
    size_t n = 0;
    while (max - n >= 8 && load64(a + n) == load64(b + n)) {
        n += 8;
    }
    while (n < max && a[n] == b[n]) {
        n++;
    }
    return n;
}

/* a and b point behind the runs. */
static size_t common_back(const char *a, const char *b, size_t max)
{
    size_t n = 0;
    while (max - n >= 8 && load64(a - n - 8) == load64(b - n - 8)) {
        n += 8;
    }
    while (n < max && a[-1 - (ptrdiff_t)n] == b[-1 - (ptrdiff_t)n]) {
        n++;
    }
    return n;
}

static bool cuts_character(const encoder *e, size_t at)
{
    return at > 0 && at < e->target.len && ((uint8_t)e->target.data[at] & 0xC0) == 0x80;
}

/* Cut the incomplete characters off at both ends: in valid UTF-8 no more than three bytes. */
static match whole_characters(const encoder *e, match m)
{
    if (e->mode == SRL__FOSSIL_UTF8) {
        for (uint32_t i = 0; i < 3 && m.len > 0 && cuts_character(e, m.at); i++) {
            m.from++;
            m.at++;
            m.len--;
        }
        for (uint32_t i = 0; i < 3 && m.len > 0 && cuts_character(e, m.at + m.len); i++) {
            m.len--;
        }
    }
    return m;
}

/* What is saved by copying it; 0: nothing. */
static size_t gain(match m)
{
    size_t cost = digit_count(m.len) + digit_count(m.from) + 2 + SPLIT_COST;
    return m.len > cost ? m.len - cost : 0;
}

static uint32_t bucket_of(const block_index *index, const char *window)
{
    uint64_t hash = srl__bits_multiply_fold(load64(window) ^ UINT64_C(0x9E3779B97F4A7C15),
                                            load64(window + 8) ^ UINT64_C(0xD6E8FEB86659FD93));
    return (uint32_t)((hash * UINT64_C(0x9E3779B97F4A7C15)) >> index->shift);
}

static int index_create(block_index *index, const srl_allocator *alloc, srl__slice source)
{
    index->step = source.len <= 65536 ? 4 : WINDOW;
    uint32_t count = (uint32_t)((source.len - WINDOW) / index->step) + 1;
    uint32_t bits = count > 16 ? srl__bits_highest(count - 1) + 1 : 4;
    size_t heads = (size_t)1 << bits;
    if (!srl__size_of_array(heads + count, sizeof(uint32_t), 0, &index->bytes)) {
        return SRL_ERR_NOMEM;
    }
    index->heads = srl__alloc_zeroed(alloc, index->bytes);
    if (index->heads == NULL) {
        return SRL_ERR_NOMEM;
    }
    index->next = index->heads + heads;
    index->shift = 64 - bits;
    for (uint32_t block = count; block > 0; block--) {
        uint32_t bucket = bucket_of(index, source.data + (block - 1) * index->step);
        index->next[block - 1] = index->heads[bucket];
        index->heads[bucket] = block;
    }
    return SRL_OK;
}

/* The run around two places that look alike; it does not begin before `base` in the target. */
static match extend(const encoder *e, size_t base, size_t from, size_t at)
{
    size_t ahead = e->source.len - from < e->end - at ? e->source.len - from : e->end - at;
    size_t behind = from < at - base ? from : at - base;
    size_t forward = common_front(e->source.data + from, e->target.data + at, ahead);
    size_t backward = forward > 0 ? common_back(e->source.data + from, e->target.data + at, behind) : 0;
    return whole_characters(e, (match){from - backward, at - backward, forward + backward});
}

static void keep_better(match *best, match found)
{
    if (gain(found) > gain(*best)) {
        *best = found;
    }
}

/* The best run around one place of the target; len 0: none is worth it. `expected` is the place of the source that has
 * its counterpart here if the last change was one of equal length. */
static match best_match(const encoder *e, size_t base, size_t at, size_t expected)
{
    match best = {0, 0, 0};
    if (expected < e->source.len) {
        keep_better(&best, extend(e, base, expected, at));
    }
    if (e->index.heads != NULL && e->end - at >= WINDOW) {
        uint32_t block = e->index.heads[bucket_of(&e->index, e->target.data + at)];
        for (uint32_t i = 0; block != 0 && i < MAX_CANDIDATES; i++) {
            size_t from = (block - 1) * e->index.step;
            if (memcmp(e->source.data + from, e->target.data + at, WINDOW) == 0) {
                keep_better(&best, extend(e, base, from, at));
            }
            block = e->index.next[block - 1];
        }
    }
    return best;
}

static void put_insert(encoder *e, size_t at, size_t end)
{
    if (end > at) {
        put_number(e->out, end - at, ':');
        srl__buf_append(e->out, e->target.data + at, end - at);
    }
}

static void put_copy(encoder *e, match m)
{
    if (m.len > 0) {
        put_number(e->out, m.len, '@');
        put_number(e->out, m.from, ',');
    }
}

/* What lies between the common beginning and the common end. */
static void put_middle(encoder *e, size_t base, size_t expected, size_t limit)
{
    while (e->out->error == SRL_OK && e->out->len < limit) {
        match best = {0, 0, 0};
        for (size_t at = base; at < e->end && best.len == 0; at++) {
            best = best_match(e, base, at, expected + (at - base));
        }
        if (best.len == 0) {
            break;
        }
        put_insert(e, base, best.at);
        put_copy(e, best);
        base = best.at + best.len;
        expected = best.from + best.len;
    }
    put_insert(e, base, e->end);
}

static match common_beginning(const encoder *e)
{
    size_t max = e->source.len < e->target.len ? e->source.len : e->target.len;
    match m = whole_characters(e, (match){0, 0, common_front(e->source.data, e->target.data, max)});
    m.len = gain(m) > 0 ? m.len : 0;
    return m;
}

static match common_end(const encoder *e, size_t taken)
{
    srl__slice s = e->source, t = e->target;
    size_t max = s.len < t.len ? s.len - taken : t.len - taken;
    size_t len = common_back(s.data + s.len, t.data + t.len, max);
    match m = whole_characters(e, (match){s.len - len, t.len - len, len});
    return gain(m) > 0 ? m : (match){s.len, t.len, 0};
}

static int put_segments(encoder *e, size_t limit)
{
    match beginning = common_beginning(e);
    match end = common_end(e, beginning.len);
    int error = SRL_OK;
    e->end = end.at;
    if (e->source.len >= WINDOW && e->end - beginning.len >= WINDOW) {
        error = index_create(&e->index, e->out->alloc, e->source);
    }
    if (error == SRL_OK) {
        put_copy(e, beginning);
        put_middle(e, beginning.len, beginning.len, limit);
        put_copy(e, end);
        srl__free(e->out->alloc, e->index.heads, e->index.bytes);
    }
    return error;
}

/* Undo what was written since `start` if it did not come to a good end. */
static int finish(srl__buf *out, size_t start, int error)
{
    if (error == SRL_OK) {
        error = out->error;
    }
    if (error != SRL_OK) {
        out->len = start;
        out->error = SRL_OK;
    }
    return error;
}

int srl__fossil_create(srl__buf *out, srl__slice source, srl__slice target, srl__fossil_mode mode)
{
    if (out->error != SRL_OK) {
        return out->error;
    }
    if (source.len == 0 || target.len == 0 || source.len > SRL__FOSSIL_MAX_LEN || target.len > SRL__FOSSIL_MAX_LEN) {
        return SRL_ERR_UNAVAILABLE;
    }
    encoder e = {.out = out, .source = source, .target = target, .mode = mode};
    size_t start = out->len;
    size_t limit = start + target.len;
    put_number(out, target.len, '\n');
    int error = put_segments(&e, limit);
    put_number(out, checksum(target.data, target.len), ';');
    if (error == SRL_OK && out->error == SRL_OK && out->len >= limit) {
        error = SRL_ERR_UNAVAILABLE;
    }
    return finish(out, start, error);
}

/* ---- applying one ---- */

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'A' && c <= 'Z') {
        return c - 'A' + 10;
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 37;
    }
    return c == '_' ? 36 : c == '~' ? 63 : -1;
}

/* A number without needless zeros, below 2^32, and the character behind it. */
static bool take_number(srl__slice *rest, uint32_t *n, char *mark)
{
    uint64_t value = 0;
    size_t at = 0;
    for (; at < rest->len && digit_value(rest->data[at]) >= 0; at++) {
        value = value * 64 + (uint64_t)digit_value(rest->data[at]);
        if (value > UINT32_MAX || (at > 0 && rest->data[0] == '0')) {
            return false;
        }
    }
    if (at == 0 || at == rest->len) {
        return false;
    }
    *n = (uint32_t)value;
    *mark = rest->data[at];
    *rest = srl__slice_of(rest->data + at + 1, rest->len - at - 1);
    return true;
}

static bool apply_copy(srl__buf *out, srl__slice source, srl__slice *rest, uint32_t count, size_t room)
{
    uint32_t offset;
    char mark;
    if (!take_number(rest, &offset, &mark) || mark != ',' || count == 0 || count > room || offset > source.len ||
        count > source.len - offset) {
        return false;
    }
    srl__buf_append(out, source.data + offset, count);
    return true;
}

static bool apply_insert(srl__buf *out, srl__slice *rest, uint32_t count, size_t room)
{
    if (count > room || count > rest->len) {
        return false;
    }
    srl__buf_append(out, rest->data, count);
    *rest = srl__slice_of(rest->data + count, rest->len - count);
    return true;
}

static bool apply_end(const srl__buf *out, srl__slice rest, size_t start, uint32_t sum, size_t room)
{
    size_t len = out->len - start;
    return rest.len == 0 && room == 0 && sum == (len > 0 ? checksum(out->data + start, len) : 0);
}

/* As srl__fossil_apply, leaving behind in `out` what it got. */
static int apply(srl__buf *out, srl__slice source, srl__slice rest, size_t max_len)
{
    size_t start = out->len;
    uint32_t len, n;
    char mark;
    if (!take_number(&rest, &len, &mark) || mark != '\n') {
        return SRL_ERR_INVALID;
    }
    if (len > max_len) {
        return SRL_ERR_TOO_LARGE;
    }
    while (out->error == SRL_OK) {
        size_t room = len - (out->len - start);
        if (!take_number(&rest, &n, &mark)) {
            return SRL_ERR_INVALID;
        }
        if (mark == ';') {
            return apply_end(out, rest, start, n, room) ? SRL_OK : SRL_ERR_INVALID;
        }
        bool good = mark == '@'   ? apply_copy(out, source, &rest, n, room)
                    : mark == ':' ? apply_insert(out, &rest, n, room)
                                  : false;
        if (!good) {
            return SRL_ERR_INVALID;
        }
    }
    return out->error;
}

int srl__fossil_apply(srl__buf *out, srl__slice source, srl__slice patch, size_t max_len)
{
    if (out->error != SRL_OK) {
        return out->error;
    }
    size_t start = out->len;
    return finish(out, start, apply(out, source, patch, max_len));
}
