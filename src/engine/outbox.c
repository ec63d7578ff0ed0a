#include "engine/outbox.h"

#include "engine/relay.h"
#include "engine/session.h"

/* Blocks that the pool keeps at the most. */
enum { POOL_MAX = 16384 };

static const size_t pooled_size = SRL__QUEUE_POOLED * sizeof(srl_frame *);

void srl__outbox_init(srl__outbox *outbox)
{
    memset(outbox, 0, sizeof(*outbox));
    outbox->frames = outbox->slots;
    outbox->capacity = SRL__QUEUE_INLINE;
}

srl_frame **srl__frames_alloc(srl_relay *relay, uint32_t capacity)
{
    srl__queue_pool *pool = &relay->queue_pool;

    if (capacity == SRL__QUEUE_POOLED && pool->first != NULL) {
        srl_frame **array = pool->first;

        memcpy(&pool->first, array, sizeof(pool->first)); /* a free block begins with a pointer to the next one */
        pool->count--;
        return array;
    }
    return srl__alloc(&relay->alloc, capacity * sizeof(srl_frame *));
}

void srl__frames_free(srl_relay *relay, srl_frame **array, uint32_t capacity)
{
    srl__queue_pool *pool = &relay->queue_pool;

    if (capacity == SRL__QUEUE_POOLED && pool->count < POOL_MAX && !relay->destroyed) {
        memcpy(array, &pool->first, sizeof(pool->first));
        pool->first = array;
        pool->count++;
        return;
    }
    srl__free(&relay->alloc, array, capacity * sizeof(srl_frame *));
}

static void array_free(srl_relay *relay, const srl__outbox *outbox, srl_frame **array, uint32_t capacity)
{
    if (array != outbox->slots) {
        srl__frames_free(relay, array, capacity);
    }
}

void srl__queue_pool_free(srl_relay *relay)
{
    srl__queue_pool *pool = &relay->queue_pool;

    while (pool->first != NULL) {
        srl_frame **array = pool->first;

        memcpy(&pool->first, array, sizeof(pool->first));
        srl__free(&relay->alloc, array, pooled_size);
    }
    pool->count = 0;
}

/* Back to the slots inside, once nothing waits. */
static void settle(srl_relay *relay, srl__outbox *outbox)
{
    array_free(relay, outbox, outbox->frames, outbox->capacity);
    outbox->frames = outbox->slots;
    outbox->capacity = SRL__QUEUE_INLINE;
    outbox->head = 0;
}

void srl__outbox_clear(srl_relay *relay, srl__outbox *outbox)
{
    if (outbox->lent != NULL) {
        outbox->cleared = true;
        return;
    }
    for (uint32_t i = 0; i < outbox->count; i++) {
        srl_frame_unref(outbox->frames[outbox->head + i]);
    }
    outbox->count = 0;
    outbox->bytes = 0;
    outbox->cleared = false;
    settle(relay, outbox);
}

bool srl__outbox_grow(srl_relay *relay, srl__outbox *outbox)
{
    srl_frame **array = NULL;
    uint32_t capacity = outbox->capacity < SRL__QUEUE_POOLED ? SRL__QUEUE_POOLED : outbox->capacity * 2;

    if (outbox->lent == NULL && outbox->head > outbox->capacity / 2) {
        memmove(outbox->frames, outbox->frames + outbox->head, outbox->count * sizeof(*array));
        outbox->head = 0;
        return true;
    }
    if (capacity > UINT32_MAX / 2 / sizeof(*array)) {
        return false;
    }
    array = srl__frames_alloc(relay, capacity);
    if (array == NULL) {
        return false;
    }
    memcpy(array, outbox->frames + outbox->head, outbox->count * sizeof(*array));
    if (outbox->lent != outbox->frames) {
        array_free(relay, outbox, outbox->frames, outbox->capacity);
    }
    outbox->frames = array;
    outbox->capacity = capacity;
    outbox->head = 0;
    return true;
}

bool srl__outbox_put_first(srl_relay *relay, srl__outbox *outbox, srl_frame *const *frames, uint32_t count)
{
    uint32_t behind = outbox->count;

    for (uint32_t i = 0; i < count; i++) {
        if (!srl__outbox_put(relay, outbox, frames[i])) {
            return false;
        }
        frames[i]->refs++;
    }
    if (behind > 0) {
        srl_frame **queue = outbox->frames + outbox->head;

        memmove(queue + count, queue, behind * sizeof(*queue));
        memcpy(queue, frames, count * sizeof(*queue));
    }
    return true;
}

/* Give up the first `taken` frames of what was lent; they are first in the queue, wherever it is by now. */
static void take_away(srl__outbox *outbox, srl_frame **lent, uint32_t taken)
{
    for (uint32_t i = 0; i < taken; i++) {
        outbox->bytes -= lent[i]->len;
        srl_frame_unref(lent[i]);
    }
    outbox->head += taken;
    outbox->count -= taken;
}

int64_t srl__outbox_write(srl_session *session)
{
    srl__outbox *outbox = &session->outbox;
    srl_relay *relay = session->relay;
    srl_frame **array = outbox->frames;
    srl_frame **lent = array + outbox->head;
    uint32_t capacity = outbox->capacity;
    uint32_t count = outbox->count;
    int64_t taken = 0;

    outbox->lent = array;
    taken = session->write(session, lent, count, session->user_data);
    outbox->lent = NULL;
    if (taken > (int64_t)count) {
        taken = (int64_t)count;
    }
    if (taken > 0) {
        take_away(outbox, lent, (uint32_t)taken);
    }
    if (outbox->frames != array) {
        array_free(relay, outbox, array, capacity);
    }
    if (outbox->cleared) {
        srl__outbox_clear(relay, outbox);
    } else if (outbox->count == 0) {
        settle(relay, outbox);
    }
    return taken;
}

bool srl__touched_reserve(srl_relay *relay, uint32_t sessions)
{
    srl__touched *touched = &relay->touched;
    void *list = touched->sessions;

    if (sessions > UINT32_MAX / 2) {
        return false;
    }
    if (sessions * 2 <= touched->capacity) {
        return true;
    }
    if (!srl__grow_array(&relay->alloc, &list, &touched->capacity, sessions * 2, UINT32_MAX,
                         sizeof(*touched->sessions))) {
        return false;
    }
    touched->sessions = list;
    return true;
}

void srl__touched_flush(srl_relay *relay)
{
    srl__touched *touched = &relay->touched;
    uint32_t count = touched->count;

    if (count == 0) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        srl_session *session = touched->sessions[i];

        if (i + SRL__PREFETCH < count) {
            SRL__FETCH(touched->sessions[i + SRL__PREFETCH]);
        }
        session->touched = 0;
        srl__session_flush(session);
    }
    touched->count -= count;
    memmove(touched->sessions, touched->sessions + count, touched->count * sizeof(*touched->sessions));
}
