#include "broker/stream.h"

#include <streamrelay/error.h>

#define MIN_CAPACITY 4

int srl__stream_open(srl__stream *stream, const srl_platform *platform)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint64_t number;
    if (platform->random(&number, sizeof(number), platform->user) != 0) {
        return SRL_ERR_SYSTEM;
    }
    for (size_t i = 0; i < SRL__EPOCH_LEN; i++) {
        stream->epoch[i] = digits[number % (sizeof(digits) - 1)];
        number /= sizeof(digits) - 1;
    }
    stream->top = 0;
    stream->is_open = true;
    return SRL_OK;
}

static void drop_oldest(srl__stream *stream, const srl_allocator *alloc)
{
    srl__message_release(srl__stream_at(stream, 0), alloc);
    stream->head = (stream->head + 1) & (stream->capacity - 1);
    stream->count--;
}

static void free_ring(srl__stream *stream, const srl_allocator *alloc)
{
    srl__free(alloc, stream->ring, stream->capacity * sizeof(*stream->ring));
    stream->ring = NULL;
    stream->capacity = 0;
    stream->head = 0;
}

void srl__stream_close(srl__stream *stream, const srl_allocator *alloc)
{
    while (stream->count > 0) {
        drop_oldest(stream, alloc);
    }
    free_ring(stream, alloc);
    stream->top = 0;
    stream->is_open = false;
}

/* Move to a ring of another capacity, not smaller than count. */
static bool change_capacity(srl__stream *stream, const srl_allocator *alloc, uint32_t capacity)
{
    size_t size;
    if (!srl__size_of_array(capacity, sizeof(*stream->ring), 0, &size)) {
        return false;
    }
    srl__message **ring = srl__alloc(alloc, size);
    if (ring == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < stream->count; i++) {
        ring[i] = srl__stream_at(stream, i);
    }
    free_ring(stream, alloc);
    stream->ring = ring;
    stream->capacity = capacity;
    return true;
}

/* A ring that is mostly air is halved; that it cannot be is no error. */
static void shrink(srl__stream *stream, const srl_allocator *alloc)
{
    uint32_t capacity = stream->capacity;
    while (capacity > MIN_CAPACITY && stream->count <= capacity / 8) {
        capacity /= 2;
    }
    if (capacity < stream->capacity) {
        (void)change_capacity(stream, alloc, capacity);
    }
}

static uint32_t kept(uint32_t keep)
{
    return keep < SRL__STREAM_MAX ? keep : SRL__STREAM_MAX;
}

int srl__stream_reserve(srl__stream *stream, const srl_allocator *alloc, uint32_t keep)
{
    if (stream->count < stream->capacity || stream->count >= kept(keep)) {
        return SRL_OK;
    }
    uint32_t capacity = stream->capacity > 0 ? stream->capacity * 2 : MIN_CAPACITY;
    return change_capacity(stream, alloc, capacity) ? SRL_OK : SRL_ERR_NOMEM;
}

void srl__stream_append(srl__stream *stream, const srl_allocator *alloc, srl__message *message, uint32_t keep)
{
    srl__stream_trim_count(stream, alloc, kept(keep) - 1);
    message->view.offset = ++stream->top;
    memcpy(message->epoch, stream->epoch, SRL__EPOCH_LEN);
    message->epoch_len = SRL__EPOCH_LEN;
    srl__message_retain(message);
    stream->ring[(stream->head + stream->count) & (stream->capacity - 1)] = message;
    stream->count++;
    shrink(stream, alloc);
}

void srl__stream_trim_count(srl__stream *stream, const srl_allocator *alloc, uint32_t keep)
{
    while (stream->count > keep) {
        drop_oldest(stream, alloc);
    }
}

void srl__stream_trim_age(srl__stream *stream, const srl_allocator *alloc, uint64_t ttl_ms, uint64_t now_ms)
{
    if (ttl_ms == 0 || ttl_ms > now_ms) {
        return;
    }
    uint32_t before = stream->count;
    while (stream->count > 0 && srl__stream_at(stream, 0)->stamp_ms <= now_ms - ttl_ms) {
        drop_oldest(stream, alloc);
    }
    if (stream->count == 0) {
        free_ring(stream, alloc);
    } else if (stream->count < before) {
        shrink(stream, alloc);
    }
}

static uint32_t select_reverse(const srl__stream *stream, uint64_t since, uint64_t oldest, uint32_t *first)
{
    uint64_t newest = stream->top;
    if (since != 0 && since <= newest) {
        newest = since - 1;
    }
    if (newest < oldest) {
        return 0;
    }
    *first = (uint32_t)(newest - oldest);
    return *first + 1;
}

static uint32_t select_forward(const srl__stream *stream, uint64_t since, uint64_t oldest, uint32_t *first)
{
    if (since >= stream->top) {
        return 0;
    }
    *first = since < oldest ? 0 : (uint32_t)(since - oldest + 1);
    return stream->count - *first;
}

uint32_t srl__stream_select(const srl__stream *stream, const srl_broker_query *query, uint32_t *first)
{
    *first = 0;
    if (stream->count == 0) {
        return 0;
    }
    uint64_t oldest = stream->top - stream->count + 1;
    uint32_t count = query->reverse ? select_reverse(stream, query->since_offset, oldest, first)
                                    : select_forward(stream, query->since_offset, oldest, first);
    return count < query->limit ? count : query->limit;
}
