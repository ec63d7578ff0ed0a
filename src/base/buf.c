#include "base/buf.h"

#include <streamrelay/error.h>

#include "base/decimal.h"

#define SRL__BUF_MIN_CAPACITY 64

void srl__buf_init(srl__buf *buf, const srl_allocator *alloc, size_t max)
{
    *buf = (srl__buf){.alloc = alloc, .max = max};
}

void srl__buf_free(srl__buf *buf)
{
    srl__free(buf->alloc, buf->data, buf->capacity);
    srl__buf_init(buf, buf->alloc, buf->max);
}

void srl__buf_reset(srl__buf *buf)
{
    buf->len = 0;
    buf->error = SRL_OK;
}

static size_t buf_grown_capacity(const srl__buf *buf, size_t need)
{
    size_t grown = buf->capacity > buf->max / 2 ? buf->max : buf->capacity * 2;
    if (grown < SRL__BUF_MIN_CAPACITY) {
        grown = SRL__BUF_MIN_CAPACITY;
    }
    if (grown < need) {
        grown = need;
    }
    return grown > buf->max ? buf->max : grown;
}

int srl__buf_reserve(srl__buf *buf, size_t more)
{
    if (buf->error != SRL_OK || more <= buf->capacity - buf->len) {
        return buf->error;
    }
    if (more > buf->max - buf->len) {
        buf->error = SRL_ERR_TOO_LARGE;
        return buf->error;
    }
    size_t grown = buf_grown_capacity(buf, buf->len + more);
    char *moved = srl__resize(buf->alloc, buf->data, buf->capacity, grown);
    if (moved == NULL) {
        buf->error = SRL_ERR_NOMEM;
        return buf->error;
    }
    buf->data = moved;
    buf->capacity = grown;
    return SRL_OK;
}

void srl__buf_append_u64(srl__buf *buf, uint64_t n)
{
    char digits[SRL__DECIMAL_MAX];
    srl__buf_append_slice(buf, srl__decimal(n, digits));
}

void srl__buf_consume(srl__buf *buf, size_t len)
{
    if (len >= buf->len) {
        buf->len = 0;
    } else if (len > 0) {
        memmove(buf->data, buf->data + len, buf->len - len);
        buf->len -= len;
    }
}

void srl__buf_trim(srl__buf *buf)
{
    if (buf->capacity == buf->len) {
        return;
    }
    if (buf->len == 0) {
        srl__free(buf->alloc, buf->data, buf->capacity);
        buf->data = NULL;
        buf->capacity = 0;
        return;
    }
    char *moved = srl__resize(buf->alloc, buf->data, buf->capacity, buf->len);
    if (moved != NULL) {
        buf->data = moved;
        buf->capacity = buf->len;
    }
}
