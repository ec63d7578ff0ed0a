#include "redis/resp_reader.h"

#include "redis/resp_parse.h"

const srl__resp_limits srl__resp_limits_default = {
    .max_depth = 32,
    .max_bulk = 536870912,
    .max_line = 65536,
    .max_elements = 16777216,
    .max_tokens = 67108864,
    .max_reply = 1073741824,
};

static const int error_codes[] = {
#define SRL__RESP_ERROR_CODE(name, error, text) [name] = (error),
    SRL__RESP_ERROR_MAP(SRL__RESP_ERROR_CODE)
#undef SRL__RESP_ERROR_CODE
};

static const char *const error_texts[] = {
#define SRL__RESP_ERROR_TEXT(name, error, text) [name] = (text),
    SRL__RESP_ERROR_MAP(SRL__RESP_ERROR_TEXT)
#undef SRL__RESP_ERROR_TEXT
};

int srl__resp_error_code(srl__resp_error detail)
{
    return error_codes[detail];
}

const char *srl__resp_error_text(srl__resp_error detail)
{
    return error_texts[detail];
}

/* ---- blocks */

static srl__resp_block *new_block(const srl_allocator *alloc, size_t capacity)
{
    srl__resp_block *block = srl__alloc(alloc, sizeof(*block) + capacity);
    if (block != NULL) {
        atomic_init(&block->refs, 1);
        block->alloc = *alloc;
        block->capacity = capacity;
    }
    return block;
}

void srl__resp_block_unref(srl__resp_block *block)
{
    if (block != NULL && atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) == 1) {
        srl_allocator alloc = block->alloc;
        srl__free(&alloc, block, sizeof(*block) + block->capacity);
    }
}

static bool is_shared(const srl__resp_block *block)
{
    return atomic_load_explicit(&block->refs, memory_order_acquire) != 1;
}

/* ---- life */

static void free_tokens(srl__resp_reader *r)
{
    srl__free(&r->alloc, r->tokens, r->capacity * sizeof(*r->tokens));
    r->tokens = NULL;
    r->capacity = 0;
}

static void begin_reply(srl__resp_reader *r)
{
    r->start = r->at;
    r->count = 0;
    r->open = SRL_REPLY_NONE;
    r->slot = SRL_REPLY_NONE;
    r->depth = 0;
    r->state = 0;
    r->scanned = 0;
    r->done = false;
    if (r->new_limits) {
        r->limits = r->next_limits;
        r->new_limits = false;
    }
}

void srl__resp_reader_init(srl__resp_reader *r, const srl_allocator *alloc, const srl__resp_limits *limits)
{
    memset(r, 0, sizeof(*r));
    r->alloc = *alloc;
    srl__resp_reader_set_limits(r, limits);
    begin_reply(r);
}

void srl__resp_reader_free(srl__resp_reader *r)
{
    srl__resp_block_unref(r->block);
    r->block = NULL;
    free_tokens(r);
}

void srl__resp_reader_reset(srl__resp_reader *r)
{
    r->at = 0;
    r->end = 0;
    r->consumed = 0;
    r->error = SRL_OK;
    r->detail = SRL__RESP_OK;
    begin_reply(r);
    if (r->block != NULL && is_shared(r->block)) {
        srl__resp_block_unref(r->block);
        r->block = NULL;
    }
}

void srl__resp_reader_set_limits(srl__resp_reader *r, const srl__resp_limits *limits)
{
    r->new_limits = true;
    r->next_limits = limits != NULL ? *limits : srl__resp_limits_default;
    if (r->next_limits.max_reply > SRL__RESP_MAX_REPLY) {
        r->next_limits.max_reply = SRL__RESP_MAX_REPLY;
    }
    if (r->next_limits.max_elements > SRL__RESP_MAX_REPLY) {
        r->next_limits.max_elements = SRL__RESP_MAX_REPLY;
    }
}

/* ---- space */

/* Bytes that the block should hold at least: what waits, and room to read to. */
static bool wanted_capacity(const srl__resp_reader *r, size_t room, size_t *out)
{
    size_t used = r->end - r->start;
    size_t base = used;
    size_t known = srl__resp_known_size(r);
    if (known > used) {
        size_t most = used > SRL__RESP_TRUSTED_BULK / 2 ? used * 2 : SRL__RESP_TRUSTED_BULK;
        base = known < most ? known : most;
    }
    if (base > SIZE_MAX / 8 || room > SIZE_MAX / 8) {
        return false;
    }
    *out = base + room;
    return true;
}

/* Move what waits to the front, of this block or of a new one. */
static int move_to(srl__resp_reader *r, srl__resp_block *block)
{
    size_t used = r->end - r->start;
    if (used > 0) {
        memmove(block->data, r->block->data + r->start, used);
        r->steps += used;
    }
    if (block != r->block) {
        srl__resp_block_unref(r->block);
        r->block = block;
    }
    r->at -= r->start;
    r->end = used;
    r->start = 0;
    return SRL_OK;
}

static int replace_block(srl__resp_reader *r, size_t capacity)
{
    srl__resp_block *block = new_block(&r->alloc, capacity);
    if (block == NULL) {
        r->error = SRL_ERR_NOMEM;
        return r->error;
    }
    return move_to(r, block);
}

static int make_room(srl__resp_reader *r, size_t room)
{
    size_t want, capacity;
    if (!wanted_capacity(r, room, &want)) {
        r->error = SRL_ERR_NOMEM;
        return r->error;
    }
    if (r->block != NULL && r->start == r->end && !is_shared(r->block)) {
        move_to(r, r->block);
    }
    if (r->block != NULL && r->block->capacity - r->start >= want) {
        return SRL_OK;
    }
    if (r->block != NULL && r->block->capacity >= want && !is_shared(r->block)) {
        return move_to(r, r->block);
    }
    capacity = want > SRL__RESP_BLOCK ? want : SRL__RESP_BLOCK;
    if (capacity / 3 * 2 < r->end - r->start) {
        capacity = (r->end - r->start) * 2;
    }
    return replace_block(r, capacity);
}

/* After a while in which little of it was used, give memory back. Failing to is no error. */
static void shrink_slowly(srl__resp_reader *r)
{
    bool large_block = r->block != NULL && r->block->capacity > SRL__RESP_BLOCK;
    bool large = large_block || r->capacity > SRL__RESP_MANY_TOKENS;
    size_t used = r->end - r->start;
    if (!large || r->peak > SRL__RESP_BLOCK - SRL__RESP_MIN_SPACE || r->peak_tokens > SRL__RESP_MANY_TOKENS) {
        r->idle_turns = 0;
    } else if (++r->idle_turns >= SRL__RESP_IDLE_TURNS && srl__resp_known_size(r) <= SRL__RESP_BLOCK / 2) {
        r->idle_turns = 0;
        if (r->count == 0) {
            free_tokens(r);
        }
        if (large_block && used <= SRL__RESP_BLOCK - SRL__RESP_MIN_SPACE) {
            int error = r->error;
            replace_block(r, SRL__RESP_BLOCK);
            r->error = error;
        }
    }
    r->peak = used;
    r->peak_tokens = r->count;
}

static bool may_go_on(srl__resp_reader *r)
{
    if (r->detail != SRL__RESP_OK) {
        return false;
    }
    r->error = SRL_OK;
    if (r->done) {
        begin_reply(r);
    }
    return true;
}

uint8_t *srl__resp_reader_space(srl__resp_reader *r, size_t *room)
{
    *room = 0;
    if (!may_go_on(r)) {
        return NULL;
    }
    shrink_slowly(r);
    if (make_room(r, SRL__RESP_MIN_SPACE) != SRL_OK) {
        return NULL;
    }
    *room = r->block->capacity - r->end;
    return r->block->data + r->end;
}

void srl__resp_reader_commit(srl__resp_reader *r, size_t len)
{
    r->end += len;
    if (r->end - r->start > r->peak) {
        r->peak = r->end - r->start;
    }
}

int srl__resp_reader_feed(srl__resp_reader *r, const void *data, size_t len)
{
    if (!may_go_on(r)) {
        return r->error;
    }
    if (len == 0) {
        return SRL_OK;
    }
    if (make_room(r, len) != SRL_OK) {
        return r->error;
    }
    memcpy(r->block->data + r->end, data, len);
    srl__resp_reader_commit(r, len);
    return SRL_OK;
}

/* ---- replies */

static int finish_reply(srl__resp_reader *r, const srl_reply **reply)
{
    r->reply.bytes = r->block->data + r->start;
    r->reply.tokens = r->tokens;
    r->reply.count = r->count;
    r->reply.len = (uint32_t)(r->at - r->start);
    r->reply.reader = r;
    r->consumed += r->at - r->start;
    r->done = true;
    if (r->count > r->peak_tokens) {
        r->peak_tokens = r->count;
    }
    *reply = &r->reply;
    return r->tokens[0].type == SRL_REPLY_PUSH ? SRL__RESP_PUSH : SRL__RESP_REPLY;
}

int srl__resp_reader_next(srl__resp_reader *r, const srl_reply **reply)
{
    int got;
    *reply = NULL;
    if (!may_go_on(r)) {
        return r->error;
    }
    if (r->at == r->end) {
        return SRL__RESP_MORE;
    }
    got = srl__resp_parse(r);
    if (got == SRL__RESP_REPLY) {
        return finish_reply(r, reply);
    }
    r->error = got;
    return got;
}

bool srl__resp_reader_is_empty(const srl__resp_reader *r)
{
    return r->at == r->end && (r->done || r->start == r->at);
}

void srl__resp_reader_shrink(srl__resp_reader *r)
{
    if (!srl__resp_reader_is_empty(r)) {
        return;
    }
    srl__resp_block_unref(r->block);
    r->block = NULL;
    r->at = 0;
    r->end = 0;
    begin_reply(r);
    free_tokens(r);
    r->peak = 0;
    r->peak_tokens = 0;
    r->idle_turns = 0;
}

size_t srl__resp_reader_memory(const srl__resp_reader *r)
{
    size_t block = r->block == NULL ? 0 : sizeof(*r->block) + r->block->capacity;
    return block + r->capacity * sizeof(*r->tokens);
}
