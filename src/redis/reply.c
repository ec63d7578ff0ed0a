#include "redis/reply.h"

static const srl__resp_token *token_at(const srl_reply *reply, uint32_t at)
{
    return reply != NULL && at < reply->count ? &reply->tokens[at] : NULL;
}

static bool holds_others(const srl__resp_token *t)
{
    return t != NULL && t->type >= SRL_REPLY_ARRAY;
}

int srl_reply_type(const srl_reply *reply, uint32_t at)
{
    const srl__resp_token *t = token_at(reply, at);
    return t == NULL ? SRL_REPLY_NOTHING : t->type;
}

int srl_reply_wire(const srl_reply *reply, uint32_t at)
{
    const srl__resp_token *t = token_at(reply, at);
    return t == NULL ? 0 : t->wire;
}

int srl_reply_is_null(const srl_reply *reply, uint32_t at)
{
    return srl_reply_type(reply, at) <= SRL_REPLY_NULL;
}

int srl_reply_is_error(const srl_reply *reply, uint32_t at)
{
    return srl_reply_type(reply, at) == SRL_REPLY_ERROR;
}

/* ---- strings */

const char *srl_reply_string(const srl_reply *reply, uint32_t at, size_t *len)
{
    const srl__resp_token *t = token_at(reply, at);
    size_t unused;
    len = len != NULL ? len : &unused;
    *len = 0;
    if (t == NULL || t->type == SRL_REPLY_NULL || holds_others(t)) {
        return NULL;
    }
    if (t->type == SRL_REPLY_BOOL) {
        *len = 1;
        return t->integer != 0 ? "1" : "0";
    }
    *len = t->type == SRL_REPLY_INTEGER ? t->text_len : t->len;
    return (const char *)reply->bytes + t->offset;
}

int srl_reply_equals(const srl_reply *reply, uint32_t at, const char *text, size_t len)
{
    srl__slice have = srl__reply_slice(reply, at);
    return have.data != NULL && srl__slice_equal(have, srl__slice_of(text, len));
}

const char *srl_reply_format(const srl_reply *reply, uint32_t at, size_t *len)
{
    const srl__resp_token *t = token_at(reply, at);
    bool is_verbatim = t != NULL && t->type == SRL_REPLY_VERBATIM;
    if (len != NULL) {
        *len = is_verbatim ? 3 : 0;
    }
    return is_verbatim ? (const char *)reply->bytes + t->offset - 4 : NULL;
}

/* ---- errors */

/* The length of the code that an error begins with; 0 if there is none. */
static size_t code_len(srl__slice error)
{
    size_t len = 0;
    while (len < error.len) {
        char c = error.data[len];
        bool capital = c >= 'A' && c <= 'Z';
        if (!capital && (len == 0 || ((c < '0' || c > '9') && c != '_' && c != '-'))) {
            break;
        }
        len++;
    }
    return len == error.len || error.data[len] == ' ' ? len : 0;
}

static const char *error_part(const srl_reply *reply, uint32_t at, bool text, size_t *out_len)
{
    srl__slice error = {NULL, 0};
    if (srl_reply_is_error(reply, at)) {
        size_t len;
        error = srl__reply_slice(reply, at);
        len = code_len(error);
        if (text) {
            size_t skip = len > 0 && len < error.len ? len + 1 : len;
            error = srl__slice_of(error.data + skip, error.len - skip);
        } else {
            error.len = len;
        }
    }
    if (out_len != NULL) {
        *out_len = error.len;
    }
    return error.data;
}

const char *srl_reply_error_code(const srl_reply *reply, uint32_t at, size_t *len)
{
    return error_part(reply, at, false, len);
}

const char *srl_reply_error_text(const srl_reply *reply, uint32_t at, size_t *len)
{
    return error_part(reply, at, true, len);
}

int srl_reply_error_is(const srl_reply *reply, uint32_t at, const char *code, size_t len)
{
    srl__slice have;
    have.data = error_part(reply, at, false, &have.len);
    return have.data != NULL && srl__slice_equal(have, srl__slice_of(code, len));
}

/* ---- values in values */

/* The place behind the attributes of the value at `at`: its first child, or the next value. */
static uint32_t skip_attributes(const srl_reply *reply, uint32_t at)
{
    const srl__resp_token *tokens = reply->tokens;
    uint32_t next = at + 1;
    bool more = (tokens[at].flags & SRL__RESP_HAS_ATTRIBUTE) != 0;
    while (more) {
        more = (tokens[next].flags & SRL__RESP_MORE_ATTRIBUTES) != 0;
        next += tokens[next].span;
    }
    return next;
}

uint32_t srl__reply_skip(const srl_reply *reply, uint32_t at)
{
    const srl__resp_token *t = &reply->tokens[at];
    return holds_others(t) ? at + t->span : skip_attributes(reply, at);
}

uint32_t srl_reply_count(const srl_reply *reply, uint32_t at)
{
    const srl__resp_token *t = token_at(reply, at);
    return holds_others(t) ? t->len : 0;
}

uint32_t srl_reply_child(const srl_reply *reply, uint32_t at, uint32_t index)
{
    uint32_t child;
    if (index >= srl_reply_count(reply, at)) {
        return SRL_REPLY_NONE;
    }
    child = skip_attributes(reply, at);
    if ((reply->tokens[at].flags & SRL__RESP_DEEP) == 0) {
        return child + index;
    }
    while (index-- > 0) {
        child = srl__reply_skip(reply, child);
    }
    return child;
}

/* Is this an array of two, as in an array of pairs? */
static bool is_pair(const srl__resp_token *t)
{
    return t->type == SRL_REPLY_ARRAY && t->len == 2;
}

void srl_reply_walk_init(srl_reply_walk *walk, const srl_reply *reply, uint32_t at)
{
    memset(walk, 0, sizeof(*walk));
    walk->reply = reply;
    walk->next = SRL_REPLY_NONE;
    walk->left = srl_reply_count(reply, at);
    if (walk->left > 0) {
        walk->next = skip_attributes(reply, at);
        walk->pairs = reply->tokens[at].type == SRL_REPLY_ARRAY && is_pair(&reply->tokens[walk->next]);
    }
}

int srl_reply_walk_next(srl_reply_walk *walk, uint32_t *child)
{
    if (walk->left == 0) {
        *child = SRL_REPLY_NONE;
        return 0;
    }
    *child = walk->next;
    walk->left--;
    walk->next = srl__reply_skip(walk->reply, walk->next);
    return 1;
}

int srl_reply_walk_pair(srl_reply_walk *walk, uint32_t *key, uint32_t *value)
{
    uint32_t pair;
    *key = SRL_REPLY_NONE;
    *value = SRL_REPLY_NONE;
    if (!walk->pairs) {
        if (walk->left < 2) {
            walk->left = 0;
            return 0;
        }
        srl_reply_walk_next(walk, key);
        return srl_reply_walk_next(walk, value);
    }
    if (srl_reply_walk_next(walk, &pair) == 0 || !is_pair(&walk->reply->tokens[pair])) {
        walk->left = 0;
        return 0;
    }
    *key = skip_attributes(walk->reply, pair);
    *value = srl__reply_skip(walk->reply, *key);
    return 1;
}

uint32_t srl_reply_pairs(const srl_reply *reply, uint32_t at)
{
    srl_reply_walk walk;
    srl_reply_walk_init(&walk, reply, at);
    return walk.pairs ? walk.left : walk.left / 2;
}

uint32_t srl_reply_get(const srl_reply *reply, uint32_t at, const char *key, size_t key_len)
{
    srl_reply_walk walk;
    uint32_t name, value;
    srl_reply_walk_init(&walk, reply, at);
    while (srl_reply_walk_pair(&walk, &name, &value) != 0) {
        if (srl_reply_equals(reply, name, key, key_len)) {
            return value;
        }
    }
    return SRL_REPLY_NONE;
}

uint32_t srl_reply_attribute(const srl_reply *reply, uint32_t at, uint32_t index)
{
    const srl__resp_token *t = token_at(reply, at);
    uint32_t next = at + 1;
    if (t == NULL || (t->flags & SRL__RESP_HAS_ATTRIBUTE) == 0) {
        return SRL_REPLY_NONE;
    }
    while (index-- > 0) {
        if ((reply->tokens[next].flags & SRL__RESP_MORE_ATTRIBUTES) == 0) {
            return SRL_REPLY_NONE;
        }
        next += reply->tokens[next].span;
    }
    return next;
}
