#include <streamrelay/stream.h>

#include <streamrelay/error.h>

#include <stdbool.h>
#include <string.h>

#include "base/decimal.h"

enum { DIGITS_MAX = 20 };

/* The number at *at, which moves behind it. Up to 19 digits cannot overflow, so only a 20th is looked at closely. */
static bool read_u64(const char **at, const char *end, uint64_t *out)
{
    const char *begin = *at;
    uint64_t n = 0;
    const char *digit = begin;
    for (; digit < end && *digit >= '0' && *digit <= '9'; digit++) {
        uint64_t value = (uint64_t)(*digit - '0');
        if (digit - begin >= DIGITS_MAX - 1 && (digit - begin >= DIGITS_MAX || n > (UINT64_MAX - value) / 10)) {
            return false;
        }
        n = n * 10 + value;
    }
    *at = digit;
    *out = n;
    return digit > begin;
}

int srl_stream_id_parse(const char *text, size_t len, srl_stream_id *out)
{
    if (text == NULL || out == NULL) {
        return SRL_ERR_INVALID;
    }
    const char *end = text + len;
    srl_stream_id id = {0, 0};
    if (!read_u64(&text, end, &id.ms)) {
        return SRL_ERR_INVALID;
    }
    if (text < end && (*text++ != '-' || !read_u64(&text, end, &id.seq))) {
        return SRL_ERR_INVALID;
    }
    if (text != end) {
        return SRL_ERR_INVALID;
    }
    *out = id;
    return SRL_OK;
}

/* At `out`, which has room for the longest; how many. */
static size_t write_u64(uint64_t n, char *out)
{
    char text[SRL__DECIMAL_MAX];
    srl__slice digits = srl__decimal(n, text);
    memcpy(out, digits.data, digits.len);
    return digits.len;
}

int32_t srl_stream_id_format(const srl_stream_id *id, char *out, size_t out_size)
{
    if (id == NULL || out == NULL) {
        return SRL_ERR_INVALID;
    }
    char text[SRL_STREAM_ID_SIZE];
    size_t len = write_u64(id->ms, text);
    text[len++] = '-';
    len += write_u64(id->seq, text + len);
    text[len] = '\0';
    if (out_size <= len) {
        return SRL_ERR_TOO_LARGE;
    }
    memcpy(out, text, len + 1);
    return (int32_t)len;
}

int srl_stream_id_compare(const srl_stream_id *a, const srl_stream_id *b)
{
    if (a->ms != b->ms) {
        return a->ms < b->ms ? -1 : 1;
    }
    if (a->seq != b->seq) {
        return a->seq < b->seq ? -1 : 1;
    }
    return 0;
}

int srl_stream_id_next(const srl_stream_id *id, srl_stream_id *out)
{
    if (id == NULL || out == NULL) {
        return SRL_ERR_INVALID;
    }
    if (id->seq < UINT64_MAX) {
        *out = (srl_stream_id){id->ms, id->seq + 1};
        return SRL_OK;
    }
    if (id->ms == UINT64_MAX) {
        return SRL_ERR_LIMIT;
    }
    *out = (srl_stream_id){id->ms + 1, 0};
    return SRL_OK;
}

int srl_stream_id_previous(const srl_stream_id *id, srl_stream_id *out)
{
    if (id == NULL || out == NULL) {
        return SRL_ERR_INVALID;
    }
    if (id->seq > 0) {
        *out = (srl_stream_id){id->ms, id->seq - 1};
        return SRL_OK;
    }
    if (id->ms == 0) {
        return SRL_ERR_LIMIT;
    }
    *out = (srl_stream_id){id->ms - 1, UINT64_MAX};
    return SRL_OK;
}

void srl_stream_point_set(srl_stream_point *point, int kind, uint64_t ms, uint64_t seq)
{
    if (point != NULL) {
        *point = (srl_stream_point){kind, 0, {ms, seq}};
    }
}
