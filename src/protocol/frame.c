#include "protocol/frame.h"

enum { TAIL = 2 };

static uint8_t *payload_of(const srl_frame *frame)
{
    return (uint8_t *)(uintptr_t)frame + sizeof(*frame) + SRL_FRAME_HEADROOM;
}

static size_t block_size(size_t len)
{
    return sizeof(srl_frame) + SRL_FRAME_HEADROOM + len + TAIL;
}

srl_frame *srl__frame_create(const srl_allocator *alloc, srl__slice payload)
{
    srl_frame *frame = NULL;
    uint8_t *body = NULL;

    if (payload.len > UINT32_MAX - block_size(0)) {
        return NULL;
    }
    frame = srl__alloc(alloc, block_size(payload.len));
    if (frame == NULL) {
        return NULL;
    }
    frame->refs = 1;
    frame->len = (uint32_t)payload.len;
    frame->prefix_len = 0;
    frame->offset = 0;
    frame->origin = NULL;
    frame->free = alloc->free;
    frame->user = alloc->user;
    body = payload_of(frame);
    if (payload.len > 0) {
        memcpy(body, payload.data, payload.len);
    }
    body[payload.len] = '\n';
    body[payload.len + 1] = '\0';
    return frame;
}

const uint8_t *srl_frame_data(const srl_frame *frame)
{
    return payload_of(frame);
}

size_t srl_frame_len(const srl_frame *frame)
{
    return frame->len;
}

/* For every delivery, a few bytes that were often written just now one by one: memcmp() would wait for them. */
static bool same_bytes(const uint8_t *a, const uint8_t *b, size_t len)
{
    while (len > 0 && a[len - 1] == b[len - 1]) {
        len--;
    }
    return len == 0;
}

const uint8_t *srl_frame_with_prefix(srl_frame *frame, const void *prefix, size_t prefix_len)
{
    uint8_t *start = NULL;

    if (prefix_len == 0 || prefix_len > SRL_FRAME_HEADROOM) {
        return NULL;
    }
    start = payload_of(frame) - prefix_len;
    if (frame->prefix_len == 0) {
        memcpy(start, prefix, prefix_len);
        frame->prefix_len = (uint8_t)prefix_len;
        return start;
    }
    return frame->prefix_len == prefix_len && same_bytes(start, prefix, prefix_len) ? start : NULL;
}

srl_frame *srl_frame_ref(srl_frame *frame)
{
    frame->refs++;
    return frame;
}

void srl_frame_unref(srl_frame *frame)
{
    if (frame != NULL && --frame->refs == 0) {
        frame->free(frame, block_size(frame->len), frame->user);
    }
}
