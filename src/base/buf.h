/* A growing byte buffer with a maximum. The first failure sticks: write on, check once. */
#ifndef SRL__BUF_H
#define SRL__BUF_H

#include "base/alloc.h"
#include "base/slice.h"

typedef struct srl__buf {
    const srl_allocator *alloc;
    char *data;
    size_t len;
    size_t capacity;
    size_t max; /* never more than this many bytes */
    int error;  /* 0, SRL_ERR_NOMEM or SRL_ERR_TOO_LARGE; sticky until srl__buf_reset */
} srl__buf;

void srl__buf_init(srl__buf *buf, const srl_allocator *alloc, size_t max);
void srl__buf_free(srl__buf *buf);  /* usable again afterwards */
void srl__buf_reset(srl__buf *buf); /* forget contents and error, keep the memory */

/* Room for `more` bytes behind len, growing by doubling; SRL_OK or the sticky error. */
int srl__buf_reserve(srl__buf *buf, size_t more);

static inline void srl__buf_append(srl__buf *buf, const void *data, size_t len)
{
    if (len > buf->capacity - buf->len || buf->error != 0) {
        if (srl__buf_reserve(buf, len) != 0) {
            return;
        }
    }
    if (len > 0) {
        memcpy(buf->data + buf->len, data, len);
        buf->len += len;
    }
}

static inline void srl__buf_append_slice(srl__buf *buf, srl__slice text)
{
    srl__buf_append(buf, text.data, text.len);
}

static inline void srl__buf_append_char(srl__buf *buf, char c)
{
    srl__buf_append(buf, &c, 1);
}

void srl__buf_append_u64(srl__buf *buf, uint64_t n); /* decimal, no locale */
/* Drop `len` bytes from the front. */
void srl__buf_consume(srl__buf *buf, size_t len);
/* Shrink an over-sized allocation to what is in use (frees it when empty). */
void srl__buf_trim(srl__buf *buf);

#define SRL__BUF_LIT(buf, literal) srl__buf_append((buf), (literal), sizeof(literal) - 1)

#endif
