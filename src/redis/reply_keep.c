#include <streamrelay/error.h>

#include "redis/resp_reader.h"

/* Bytes behind the struct: tokens and text that are copied. */
static srl_reply *new_reply(const srl_reply *from, const srl_allocator *alloc, bool copy_tokens, bool copy_bytes)
{
    size_t tokens = copy_tokens ? (size_t)from->count * sizeof(srl__resp_token) : 0;
    size_t bytes = copy_bytes ? from->len : 0;
    size_t size;
    srl_reply *reply = NULL;
    if (srl__size_of_array(1, tokens, bytes, &size) && srl__size_of_array(1, size, sizeof(*reply), &size)) {
        reply = srl__alloc_zeroed(alloc, size);
    }
    if (reply == NULL) {
        return NULL;
    }
    atomic_init(&reply->refs, 1);
    reply->alloc = *alloc;
    reply->size = size;
    reply->count = from->count;
    reply->len = from->len;
    reply->tokens = from->tokens;
    reply->bytes = from->bytes;
    if (copy_tokens) {
        srl__resp_token *copy = (srl__resp_token *)(void *)(reply + 1);
        memcpy(copy, from->tokens, tokens);
        reply->tokens = copy;
    }
    if (copy_bytes) {
        uint8_t *copy = (uint8_t *)(reply + 1) + tokens;
        memcpy(copy, from->bytes, bytes);
        reply->bytes = copy;
    }
    return reply;
}

/* The memory is handed over only where most of it is this reply's. */
static srl_reply *keep_from_reader(const srl_reply *view)
{
    srl__resp_reader *r = view->reader;
    size_t token_bytes = (size_t)view->count * sizeof(srl__resp_token);
    bool small = view->len + token_bytes <= SRL__REPLY_COPY_MAX;
    bool take_tokens = !small && r->tokens == view->tokens && view->count >= r->capacity / 2;
    bool share_bytes = !small && view->len >= r->block->capacity / 8;
    srl_reply *reply = new_reply(view, &r->alloc, !take_tokens, !share_bytes);
    if (reply == NULL) {
        return NULL;
    }
    if (take_tokens) {
        reply->taken = r->tokens;
        reply->taken_capacity = r->capacity;
        r->tokens = NULL;
        r->capacity = 0;
    }
    if (share_bytes) {
        reply->block = r->block;
        atomic_fetch_add_explicit(&r->block->refs, 1, memory_order_relaxed);
    }
    return reply;
}

int srl_reply_keep(const srl_reply *reply, srl_reply **out)
{
    srl_reply *kept = (srl_reply *)(uintptr_t)reply;
    if (reply->reader != NULL) {
        kept = keep_from_reader(reply);
    } else {
        atomic_fetch_add_explicit(&kept->refs, 1, memory_order_relaxed);
    }
    *out = kept;
    return kept == NULL ? SRL_ERR_NOMEM : SRL_OK;
}

void srl_reply_release(srl_reply *reply)
{
    srl_allocator alloc;
    if (reply == NULL || reply->reader != NULL ||
        atomic_fetch_sub_explicit(&reply->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    alloc = reply->alloc;
    srl__resp_block_unref(reply->block);
    srl__free(&alloc, reply->taken, reply->taken_capacity * sizeof(*reply->taken));
    srl__free(&alloc, reply, reply->size);
}

size_t srl_reply_memory(const srl_reply *reply)
{
    size_t block = reply->block == NULL ? 0 : sizeof(*reply->block) + reply->block->capacity;
    return reply->size + block + reply->taken_capacity * sizeof(*reply->taken);
}

/* One reply out of a reader that was given all there is. */
static int take_one(srl__resp_reader *r, size_t len, size_t *used, srl_reply **out)
{
    const srl_reply *reply;
    int got = srl__resp_reader_next(r, &reply);
    if (got < 0) {
        return got;
    }
    if (got == SRL__RESP_MORE || (used == NULL && reply->len != len)) {
        return SRL_ERR_PROTOCOL;
    }
    if (used != NULL) {
        *used = reply->len;
    }
    return srl_reply_keep(reply, out);
}

int srl_reply_parse(const srl_allocator *allocator, const void *data, size_t len, size_t *used, srl_reply **out)
{
    srl__resp_reader reader;
    srl_allocator alloc;
    int error;
    if (out == NULL || (data == NULL && len > 0) || !srl__allocator_take(&alloc, allocator)) {
        return SRL_ERR_INVALID;
    }
    *out = NULL;
    srl__resp_reader_init(&reader, &alloc, NULL);
    error = srl__resp_reader_feed(&reader, data, len);
    if (error == SRL_OK) {
        error = take_one(&reader, len, used, out);
    }
    srl__resp_reader_free(&reader);
    return error;
}
