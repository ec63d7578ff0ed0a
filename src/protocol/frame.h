/* Building frames; what a transport may do with one is in <streamrelay/frame.h>. */
#ifndef SRL__FRAME_H
#define SRL__FRAME_H

#include <streamrelay/frame.h>

#include "base/alloc.h"
#include "base/slice.h"

struct srl_frame {
    uint32_t refs;
    uint32_t len; /* payload */
    uint8_t prefix_len;
    uint64_t offset;    /* of the publication it holds, 0: it holds none with an offset */
    const void *origin; /* the room it came from; only compared */
    void (*free)(void *ptr, size_t size, void *user);
    void *user;
    /* headroom, payload, newline and zero follow */
};

/* A frame with one reference holding a copy of the payload; NULL when out of memory or over 4 GiB. */
srl_frame *srl__frame_create(const srl_allocator *alloc, srl__slice payload);

#endif
