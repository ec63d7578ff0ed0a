#include "helpers/fail_alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIVE_MARK UINT64_C(0x5AFEB10C5AFEB10C)
#define DEAD_MARK UINT64_C(0xDEADB10CDEADB10C)
#define NEW_FILL  0xA5
#define DEAD_FILL 0xDB

/* Nothing is put behind a block, so that the address sanitizer sees every step past its end. */
typedef union header {
    struct {
        size_t size;
        const srl_test_alloc *owner;
        uint64_t mark;
    } block;
    max_align_t alignment;
} header;

static void broken(const char *rule, size_t given, size_t known)
{
    fprintf(stderr, "fail_alloc: %s (given %zu, known %zu)\n", rule, given, known);
    abort();
}

static bool is_to_fail(srl_test_alloc *t, size_t more)
{
    t->calls++;
    bool chosen = t->fail_at != 0 && (t->calls == t->fail_at || (t->fail_on && t->calls > t->fail_at));
    bool over_limit = t->max_bytes != 0 && (more > t->max_bytes || t->live_bytes > t->max_bytes - more);
    if (chosen || over_limit) {
        t->failures++;
        return true;
    }
    return false;
}

static void *give(srl_test_alloc *t, size_t size)
{
    header *h = size > SIZE_MAX - sizeof(*h) ? NULL : malloc(sizeof(*h) + size);
    if (h == NULL) {
        t->failures++;
        return NULL;
    }
    h->block.size = size;
    h->block.owner = t;
    h->block.mark = LIVE_MARK;
    memset(h + 1, NEW_FILL, size);
    t->live_blocks++;
    t->live_bytes += size;
    if (t->live_bytes > t->peak_bytes) {
        t->peak_bytes = t->live_bytes;
    }
    return h + 1;
}

static header *checked_header(const srl_test_alloc *t, void *ptr, size_t size)
{
    if (ptr == NULL) {
        broken("NULL given back", size, 0);
    }
    header *h = (header *)ptr - 1;
    if (h->block.mark != LIVE_MARK) {
        broken(h->block.mark == DEAD_MARK ? "block given back twice" : "not a block, or its head is overwritten", size,
               0);
    }
    if (h->block.owner != t) {
        broken("block of another allocator", size, h->block.size);
    }
    if (h->block.size != size) {
        broken("size is not the one the block was given", size, h->block.size);
    }
    return h;
}

static void take_back(srl_test_alloc *t, header *h)
{
    t->live_blocks--;
    t->live_bytes -= h->block.size;
    h->block.mark = DEAD_MARK;
    memset(h + 1, DEAD_FILL, h->block.size);
    free(h);
}

static void *test_alloc(size_t size, void *user)
{
    srl_test_alloc *t = user;
    if (size == 0) {
        broken("0 bytes asked for", 0, 0);
    }
    return is_to_fail(t, size) ? NULL : give(t, size);
}

/* Always moves, so that a pointer kept from before shows. */
static void *test_resize(void *ptr, size_t old_size, size_t new_size, void *user)
{
    srl_test_alloc *t = user;
    header *h = checked_header(t, ptr, old_size);
    if (new_size == 0) {
        broken("resize to 0 bytes", 0, old_size);
    }
    if (is_to_fail(t, new_size > old_size ? new_size - old_size : 0)) {
        return NULL;
    }
    void *moved = give(t, new_size);
    if (moved != NULL) {
        memcpy(moved, ptr, old_size < new_size ? old_size : new_size);
        take_back(t, h);
    }
    return moved;
}

static void test_free(void *ptr, size_t size, void *user)
{
    srl_test_alloc *t = user;
    take_back(t, checked_header(t, ptr, size));
}

void srl_test_alloc_init(srl_test_alloc *t)
{
    *t = (srl_test_alloc){
        .table = {.size = sizeof(srl_allocator), .alloc = test_alloc, .resize = test_resize, .free = test_free},
    };
    t->table.user = t;
}

void srl_test_alloc_fail(srl_test_alloc *t, uint64_t nth, bool fail_on)
{
    t->fail_at = nth == 0 ? 0 : t->calls + nth;
    t->fail_on = fail_on;
    t->failures = 0;
}

void srl_test_alloc_check_empty(const srl_test_alloc *t)
{
    if (t->live_blocks != 0) {
        fprintf(stderr, "fail_alloc: %zu blocks of %zu bytes left; calls: %" PRIu64 ", failing from: %" PRIu64 "%s\n",
                t->live_blocks, t->live_bytes, t->calls, t->fail_at, t->fail_on ? " on" : "");
        abort();
    }
}

srl_test_alloc *srl_test_alloc_of(const srl_allocator *table)
{
    return table->user;
}

bool srl_test_alloc_has_failed(const srl_allocator *table)
{
    return srl_test_alloc_of(table)->failures > 0;
}

static uint64_t run_once(void (*scenario)(const srl_allocator *, void *), void *user, uint64_t nth, bool fail_on)
{
    srl_test_alloc t;
    srl_test_alloc_init(&t);
    srl_test_alloc_fail(&t, nth, fail_on);
    scenario(&t.table, user);
    srl_test_alloc_check_empty(&t);
    if (nth != 0 && t.failures == 0) {
        broken("the scenario made fewer allocations than in its first run", (size_t)t.calls, (size_t)nth);
    }
    return t.calls;
}

uint64_t srl_test_each_failing_alloc(void (*scenario)(const srl_allocator *alloc, void *user), void *user)
{
    uint64_t count = run_once(scenario, user, 0, false);
    for (uint64_t nth = 1; nth <= count; nth++) {
        run_once(scenario, user, nth, false);
        run_once(scenario, user, nth, true);
    }
    return count;
}
