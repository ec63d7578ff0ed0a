#include "redis/resp_parse.h"

#include "redis/resp_double.h"

#define NONE SRL_REPLY_NONE

/* srl__resp_reader.state; 0 is what a new reader has */
enum { AT_VALUE = 0, IN_STRING, AT_CHUNK, IN_CHUNK };

/* What a step of the parser did. */
typedef enum step {
    STEP_FAILED = -1, /* r->detail says why */
    STEP_NO_MEMORY = -2,
    STEP_MORE = 0,
    STEP_VALUE, /* a value is complete */
    STEP_NEXT   /* another value begins, and none has ended */
} step;

/* What a length turned out to be. */
typedef enum length_form { LENGTH_BAD = -1, LENGTH_MORE = 0, LENGTH_NUMBER, LENGTH_NULL, LENGTH_STREAMED } length_form;

/* The reader's position while it is moving. */
typedef struct scan {
    srl__resp_reader *r;
    uint8_t *base; /* of the reply */
    uint8_t *p;
    uint8_t *end; /* of the bytes to be looked at: never beyond max_reply */
    srl__resp_token *tokens;
    uint32_t count;
    uint32_t room; /* tokens that may be used */
    uint32_t open;
    uint32_t slot;
} scan;

static step fail(scan *s, srl__resp_error detail)
{
    s->r->detail = detail;
    return STEP_FAILED;
}

static inline bool is_digit(uint8_t c)
{
    return (uint8_t)(c - '0') <= 9;
}

/* ---- lines */

/* The CR LF at q. */
static length_form line_end(const uint8_t *q, const uint8_t *end)
{
    if (q == end) {
        return LENGTH_MORE;
    }
    if (*q != '\r') {
        return LENGTH_BAD;
    }
    if (end - q < 2) {
        return LENGTH_MORE;
    }
    return q[1] == '\n' ? LENGTH_NUMBER : LENGTH_BAD;
}

static length_form special_length(uint8_t *q, const uint8_t *end, uint8_t **after)
{
    length_form form = *q == '?' ? LENGTH_STREAMED : LENGTH_NULL;
    length_form ending;
    if (*q == '-') {
        if (end - q < 2) {
            return LENGTH_MORE;
        }
        q++;
        if (*q != '1') {
            return LENGTH_BAD;
        }
    }
    ending = line_end(q + 1, end);
    *after = q + 3;
    return ending == LENGTH_NUMBER ? form : ending;
}

static length_form careful_length(uint8_t *q, const uint8_t *end, uint64_t *out, uint8_t **after)
{
    const uint8_t *begin = q;
    uint64_t n = 0;
    length_form ending;
    if (q == end) {
        return LENGTH_MORE;
    }
    if (*q == '?' || *q == '-') {
        return special_length(q, end, after);
    }
    while (q < end && is_digit(*q)) {
        if (q - begin >= SRL__RESP_MAX_INTEGER || (q > begin && *begin == '0')) {
            return LENGTH_BAD;
        }
        n = n > UINT32_MAX ? n : n * 10 + (uint64_t)(*q - '0');
        q++;
    }
    if (q == begin) {
        return LENGTH_BAD;
    }
    ending = line_end(q, end);
    *out = n;
    *after = q + 2;
    return ending;
}

/* A length and its CR LF at q. Numbers beyond 32 bits come out as some number beyond 32 bits. */
static inline length_form read_length(uint8_t *q, const uint8_t *end, uint64_t *out, uint8_t **after)
{
    if (end - q >= 8 && (uint8_t)(*q - '1') <= 8) {
        uint32_t n = (uint32_t)(*q - '0');
        uint8_t *digit = q + 1;
        while (digit < q + 6 && is_digit(*digit)) {
            n = n * 10 + (uint32_t)(*digit++ - '0');
        }
        if (digit[0] == '\r' && digit[1] == '\n') {
            *out = n;
            *after = digit + 2;
            return LENGTH_NUMBER;
        }
    }
    return careful_length(q, end, out, after);
}

static step length_failed(scan *s, length_form form)
{
    return form == LENGTH_MORE ? STEP_MORE : fail(s, SRL__RESP_ERR_LENGTH);
}

/* The text of a line that begins at p + 1; p moves behind it. STEP_VALUE if there is one. */
static step read_line(scan *s, uint8_t **text, size_t *len)
{
    srl__resp_reader *r = s->r;
    uint8_t *begin = s->p + 1;
    size_t left = (size_t)(s->end - begin);
    size_t most = (size_t)r->limits.max_line + 2;
    size_t stop = left < most ? left : most;
    uint8_t *lf = memchr(begin + r->scanned, '\n', stop - r->scanned);
    size_t found = lf == NULL ? stop : (size_t)(lf - begin);
    r->steps += found - r->scanned;
    if (lf == NULL) {
        r->scanned = (uint32_t)stop;
        return left < most ? STEP_MORE : fail(s, SRL__RESP_ERR_LINE_SIZE);
    }
    r->scanned = 0;
    if (found == 0 || lf[-1] != '\r' || (found > 1 && memchr(begin, '\r', found - 1) != NULL)) {
        return fail(s, SRL__RESP_ERR_LINE_END);
    }
    *text = begin;
    *len = found - 1;
    lf[-1] = 0;
    s->p = lf + 1;
    return STEP_VALUE;
}

/* ---- tokens */

/* Make room for what begins at p. */
static step more_tokens(scan *s)
{
    srl__resp_reader *r = s->r;
    uint32_t fresh = s->slot == NONE ? 1 : 0;
    uint32_t need = *s->p == '.' ? 0 : *s->p == '|' ? fresh + 1 : fresh;
    void *items = r->tokens;
    need += s->count;
    if (need > r->limits.max_tokens) {
        return fail(s, SRL__RESP_ERR_TOKENS);
    }
    if (need > r->capacity) {
        uint32_t want = need < SRL__RESP_FEW_TOKENS ? SRL__RESP_FEW_TOKENS : need;
        if (!srl__grow_array(&r->alloc, &items, &r->capacity, want, UINT32_MAX / 2, sizeof(*r->tokens))) {
            return STEP_NO_MEMORY;
        }
        r->tokens = items;
        s->tokens = r->tokens;
    }
    s->room = r->capacity < r->limits.max_tokens ? r->capacity : r->limits.max_tokens;
    return STEP_NEXT;
}

static inline srl__resp_token *new_token(scan *s, int type, uint8_t wire)
{
    srl__resp_token *t;
    uint8_t flags = 0;
    if (s->slot != NONE) {
        t = &s->tokens[s->slot];
        flags = SRL__RESP_HAS_ATTRIBUTE;
        s->slot = NONE;
    } else {
        t = &s->tokens[s->count++];
    }
    t->type = (uint8_t)type;
    t->flags = flags;
    t->wire = wire;
    t->text_len = 0;
    return t;
}

static inline void new_text(scan *s, int type, uint8_t wire, const uint8_t *text, size_t len)
{
    srl__resp_token *t = new_token(s, type, wire);
    t->offset = (uint32_t)(text - s->base);
    t->len = (uint32_t)len;
    t->span = 0;
}

static inline step new_null(scan *s, uint8_t wire)
{
    new_text(s, SRL_REPLY_NULL, wire, s->base, 0);
    return STEP_VALUE;
}

/* ---- plain values */

static step read_fixed(scan *s, const char *rest, srl__resp_error wrong)
{
    for (size_t i = 0; rest[i] != 0; i++) {
        const uint8_t *q = s->p + 1 + i;
        if (q == s->end) {
            return STEP_MORE;
        }
        if (*q != (uint8_t)rest[i]) {
            return fail(s, wrong);
        }
    }
    s->p += 1 + strlen(rest);
    return STEP_VALUE;
}

static step read_null(scan *s)
{
    step done = read_fixed(s, "\r\n", SRL__RESP_ERR_NULL);
    return done == STEP_VALUE ? new_null(s, '_') : done;
}

static step read_bool(scan *s)
{
    bool is_true = s->end - s->p > 1 && s->p[1] == 't';
    step done = read_fixed(s, is_true ? "t\r\n" : "f\r\n", SRL__RESP_ERR_BOOL);
    if (done == STEP_VALUE) {
        srl__resp_token *t = new_token(s, SRL_REPLY_BOOL, '#');
        t->offset = 0;
        t->integer = is_true;
    }
    return done;
}

static inline step read_integer(scan *s)
{
    uint8_t *begin = s->p + 1;
    uint8_t *q = begin;
    uint64_t n = 0;
    bool negative;
    length_form ending;
    srl__resp_token *t;
    if (q == s->end) {
        return STEP_MORE;
    }
    negative = *q == '-';
    q += *q == '-' || *q == '+';
    const uint8_t *digits = q;
    while (q < s->end && is_digit(*q)) {
        uint64_t digit = (uint64_t)(*q - '0');
        if (q - begin >= SRL__RESP_MAX_INTEGER || n > (uint64_t)INT64_MAX / 10) {
            return fail(s, SRL__RESP_ERR_INTEGER);
        }
        n = n * 10 + digit;
        q++;
    }
    if (n > (uint64_t)INT64_MAX + negative || (q == digits && q < s->end)) {
        return fail(s, SRL__RESP_ERR_INTEGER);
    }
    ending = line_end(q, s->end);
    if (ending != LENGTH_NUMBER) {
        return ending == LENGTH_MORE ? STEP_MORE : fail(s, SRL__RESP_ERR_INTEGER);
    }
    *q = 0;
    s->p = q + 2;
    t = new_token(s, SRL_REPLY_INTEGER, ':');
    t->text_len = (uint8_t)(q - begin);
    t->offset = (uint32_t)(begin - s->base);
    t->integer = (int64_t)(negative ? 0 - n : n);
    return STEP_VALUE;
}

static bool is_bignum(const uint8_t *text, size_t len)
{
    size_t i = len > 0 && (*text == '-' || *text == '+');
    if (i == len) {
        return false;
    }
    while (i < len && is_digit(text[i])) {
        i++;
    }
    return i == len;
}

static step read_text_line(scan *s)
{
    uint8_t wire = *s->p;
    uint8_t *text;
    size_t len;
    int type = SRL_REPLY_STATUS;
    step done = read_line(s, &text, &len);
    if (done != STEP_VALUE) {
        return done;
    }
    if (wire == '-') {
        type = SRL_REPLY_ERROR;
    } else if (wire == ',') {
        type = SRL_REPLY_DOUBLE;
        if (!srl__double_is_valid((const char *)text, len)) {
            return fail(s, SRL__RESP_ERR_DOUBLE);
        }
    } else if (wire == '(') {
        type = SRL_REPLY_BIGNUM;
        if (!is_bignum(text, len)) {
            return fail(s, SRL__RESP_ERR_BIGNUM);
        }
    }
    new_text(s, type, wire, text, len);
    return STEP_VALUE;
}

/* ---- strings */

static step new_string(scan *s, uint8_t wire, uint8_t *text, size_t len)
{
    int type = SRL_REPLY_STRING;
    text[len] = 0;
    if (wire == '!') {
        type = SRL_REPLY_ERROR;
    } else if (wire == '=') {
        if (len < 4 || text[3] != ':') {
            return fail(s, SRL__RESP_ERR_VERBATIM);
        }
        type = SRL_REPLY_VERBATIM;
        text += 4;
        len -= 4;
    }
    new_text(s, type, wire, text, len);
    return STEP_VALUE;
}

/* Is the end of `len` bytes at `text`, of which `before` count already, within the limits? */
static inline step check_string_size(scan *s, const uint8_t *text, uint64_t len, uint32_t before)
{
    const srl__resp_limits *limits = &s->r->limits;
    if (len > limits->max_bulk || before > limits->max_bulk - len) {
        return fail(s, SRL__RESP_ERR_BULK_SIZE);
    }
    if (len + 2 > limits->max_reply || (uint64_t)(text - s->base) > limits->max_reply - (len + 2)) {
        return fail(s, SRL__RESP_ERR_REPLY_SIZE);
    }
    return STEP_VALUE;
}

static inline step read_string(scan *s)
{
    uint8_t wire = *s->p;
    uint64_t len;
    uint8_t *text;
    length_form form = read_length(s->p + 1, s->end, &len, &text);
    srl__resp_reader *r = s->r;
    if (form == LENGTH_NUMBER) {
        if (check_string_size(s, text, len, 0) != STEP_VALUE) {
            return STEP_FAILED;
        }
        s->p = text;
        if ((uint64_t)(s->end - text) < len + 2) {
            r->state = IN_STRING;
            r->wire = wire;
            r->body = (uint32_t)len;
            r->text = (size_t)(text - s->base);
            return STEP_MORE;
        }
        if (text[len] != '\r' || text[len + 1] != '\n') {
            return fail(s, SRL__RESP_ERR_BULK_END);
        }
        s->p = text + len + 2;
        if (wire != '$') {
            return new_string(s, wire, text, (size_t)len);
        }
        text[len] = 0;
        new_text(s, SRL_REPLY_STRING, '$', text, (size_t)len);
        return STEP_VALUE;
    }
    if (form == LENGTH_NULL && wire == '$') {
        s->p = text;
        return new_null(s, wire);
    }
    if (form == LENGTH_STREAMED) {
        s->p = text;
        r->state = AT_CHUNK;
        r->wire = wire;
        r->joined = 0;
        r->text = (size_t)(text - s->base);
        return STEP_NEXT;
    }
    return length_failed(s, form);
}

static step resume_string(scan *s)
{
    srl__resp_reader *r = s->r;
    uint8_t *text = s->base + r->text;
    size_t len = r->body;
    if ((size_t)(s->end - text) < len + 2) {
        return STEP_MORE;
    }
    if (text[len] != '\r' || text[len + 1] != '\n') {
        return fail(s, SRL__RESP_ERR_BULK_END);
    }
    r->state = AT_VALUE;
    s->p = text + len + 2;
    return new_string(s, r->wire, text, len);
}

static step read_chunk_head(scan *s)
{
    srl__resp_reader *r = s->r;
    uint64_t len;
    uint8_t *after;
    length_form form;
    if (s->p == s->end) {
        return STEP_MORE;
    }
    if (*s->p != ';') {
        return fail(s, SRL__RESP_ERR_CHUNK);
    }
    form = read_length(s->p + 1, s->end, &len, &after);
    if (form != LENGTH_NUMBER) {
        return form == LENGTH_MORE ? STEP_MORE : fail(s, SRL__RESP_ERR_CHUNK);
    }
    if (check_string_size(s, after, len, r->joined) != STEP_VALUE) {
        return STEP_FAILED;
    }
    s->p = after;
    if (len == 0) {
        r->state = AT_VALUE;
        return new_string(s, r->wire, s->base + r->text, r->joined);
    }
    r->state = IN_CHUNK;
    r->body = (uint32_t)len;
    return STEP_NEXT;
}

/* The parts are pushed together at the place of the first, over their lengths. */
static step read_chunk(scan *s)
{
    srl__resp_reader *r = s->r;
    size_t len = r->body;
    if ((size_t)(s->end - s->p) < len + 2) {
        return STEP_MORE;
    }
    if (s->p[len] != '\r' || s->p[len + 1] != '\n') {
        return fail(s, SRL__RESP_ERR_BULK_END);
    }
    memmove(s->base + r->text + r->joined, s->p, len);
    r->steps += len;
    r->joined += (uint32_t)len;
    r->state = AT_CHUNK;
    s->p += len + 2;
    return STEP_NEXT;
}

static step resume(scan *s)
{
    switch (s->r->state) {
    case IN_STRING:
        return resume_string(s);
    case AT_CHUNK:
        return read_chunk_head(s);
    default:
        return read_chunk(s);
    }
}

/* ---- aggregates */

static const uint8_t aggregate_types[128] = {
    ['*'] = SRL_REPLY_ARRAY, ['%'] = SRL_REPLY_MAP,       ['~'] = SRL_REPLY_SET,
    ['>'] = SRL_REPLY_PUSH,  ['|'] = SRL_REPLY_ATTRIBUTE,
};

/* The token of an attribute; the token of the value that it belongs to is set aside before the first one. */
static srl__resp_token *new_attribute(scan *s)
{
    uint32_t owner = s->slot;
    uint32_t at;
    srl__resp_token *t;
    if (owner == NONE) {
        owner = s->count++;
        s->tokens[owner].flags = 0;
    } else {
        s->tokens[s->tokens[owner].len].flags |= SRL__RESP_MORE_ATTRIBUTES;
    }
    at = s->count++;
    s->tokens[owner].len = at;
    s->tokens[owner].span = s->open;
    s->slot = NONE;
    t = &s->tokens[at];
    t->type = SRL_REPLY_ATTRIBUTE;
    t->flags = 0;
    t->wire = '|';
    t->text_len = 0;
    t->span = owner;
    return t;
}

/* Close the innermost aggregate. STEP_VALUE, or STEP_NEXT if it was an attribute. */
static inline step close_aggregate(scan *s)
{
    uint32_t at = s->open;
    srl__resp_token *t = &s->tokens[at];
    uint32_t around = t->span;
    t->span = s->count - at;
    t->offset = 0;
    s->r->depth--;
    if (t->type == SRL_REPLY_ATTRIBUTE) {
        s->slot = around;
        s->open = s->tokens[around].span;
        return STEP_NEXT;
    }
    s->open = around;
    return STEP_VALUE;
}

static step open_aggregate(scan *s, int type, uint64_t children, bool streamed)
{
    uint8_t wire = *s->p;
    srl__resp_token *t;
    if (children > s->r->limits.max_elements) {
        return fail(s, SRL__RESP_ERR_ELEMENTS);
    }
    if (s->r->depth >= s->r->limits.max_depth) {
        return fail(s, SRL__RESP_ERR_DEPTH);
    }
    if (s->open != NONE) {
        s->tokens[s->open].flags |= SRL__RESP_DEEP;
    }
    if (type == SRL_REPLY_ATTRIBUTE) {
        t = new_attribute(s);
    } else {
        t = new_token(s, type, wire);
        t->span = s->open;
    }
    t->len = (uint32_t)children;
    t->offset = (uint32_t)children;
    s->open = (uint32_t)(t - s->tokens);
    s->r->depth++;
    if (streamed) {
        t->flags |= SRL__RESP_STREAMED;
        return STEP_NEXT;
    }
    return children == 0 ? close_aggregate(s) : STEP_NEXT;
}

static inline step read_aggregate(scan *s)
{
    uint8_t wire = *s->p;
    int type = aggregate_types[wire];
    bool paired = wire == '%' || wire == '|';
    uint64_t n = 0;
    uint8_t *after;
    length_form form = read_length(s->p + 1, s->end, &n, &after);
    step done;
    if (form == LENGTH_NULL && wire == '*') {
        s->p = after;
        return new_null(s, wire);
    }
    if (form != LENGTH_NUMBER && (form != LENGTH_STREAMED || wire == '|')) {
        return length_failed(s, form);
    }
    done = open_aggregate(s, type, paired ? n * 2 : n, form == LENGTH_STREAMED);
    if (done != STEP_FAILED) {
        s->p = after;
    }
    return done;
}

static step read_stream_end(scan *s)
{
    const srl__resp_token *t = s->open == NONE ? NULL : &s->tokens[s->open];
    step done;
    if (t == NULL || (t->flags & SRL__RESP_STREAMED) == 0 || s->slot != NONE ||
        (t->type == SRL_REPLY_MAP && t->len % 2 != 0)) {
        return fail(s, SRL__RESP_ERR_STREAM_END);
    }
    done = read_fixed(s, "\r\n", SRL__RESP_ERR_STREAM_END);
    return done == STEP_VALUE ? close_aggregate(s) : done;
}

/* A value is complete: count it where it belongs. STEP_VALUE if that was the outermost one. */
static inline step count_value(scan *s)
{
    while (s->open != NONE) {
        srl__resp_token *t = &s->tokens[s->open];
        if ((t->flags & SRL__RESP_STREAMED) != 0) {
            if (t->len >= s->r->limits.max_elements) {
                return fail(s, SRL__RESP_ERR_ELEMENTS);
            }
            t->len++;
            return STEP_NEXT;
        }
        if (--t->offset != 0) {
            return STEP_NEXT;
        }
        if (close_aggregate(s) == STEP_NEXT) {
            return STEP_NEXT;
        }
    }
    return STEP_VALUE;
}

/* ---- the usual case, quickly: whole strings, integers and arrays inside an array
 *
 * It does nothing that one_step would not do, and leaves to it everything that is incomplete, rare or wrong. */

typedef struct run {
    uint8_t *p;
    srl__resp_token *tokens;
    uint32_t count;
    uint32_t open;
    uint32_t left; /* children to come of the open aggregate */
    uint32_t opened;
} run;

enum { RUN_MARGIN = 24, RUN_DIGITS = 7 };

/* A number of at most RUN_DIGITS digits without a leading zero, and its CR LF; NULL if it is anything else. */
static inline uint8_t *short_length(uint8_t *q, uint32_t *out)
{
    uint32_t n = (uint32_t)*q - '0';
    uint8_t *last = q + RUN_DIGITS;
    if (n > 9) {
        return NULL;
    }
    for (q++; q < last && is_digit(*q) && n != 0; q++) {
        n = n * 10 + (uint32_t)(*q - '0');
    }
    *out = n;
    return q[0] == '\r' && q[1] == '\n' ? q + 2 : NULL;
}

static inline void put_token(run *f, int type, uint8_t wire, uint32_t offset, uint32_t len, uint32_t span)
{
    srl__resp_token *t = &f->tokens[f->count++];
    t->type = (uint8_t)type;
    t->flags = 0;
    t->wire = wire;
    t->text_len = 0;
    t->offset = offset;
    t->len = len;
    t->span = span;
}

static inline bool run_string(run *f, const scan *s)
{
    uint32_t len;
    uint8_t *text = short_length(f->p + 1, &len);
    if (text == NULL || (size_t)(s->end - text) < (size_t)len + 2 || len > s->r->limits.max_bulk || text[len] != '\r' ||
        text[len + 1] != '\n') {
        return false;
    }
    text[len] = 0;
    put_token(f, SRL_REPLY_STRING, '$', (uint32_t)(text - s->base), len, 0);
    f->p = text + len + 2;
    return true;
}

static inline bool run_integer(run *f, const scan *s)
{
    uint8_t *begin = f->p + 1;
    uint8_t *q = begin;
    uint64_t n = 0;
    srl__resp_token *t;
    while (q < begin + 18 && is_digit(*q)) {
        n = n * 10 + (uint64_t)(*q++ - '0');
    }
    if (q == begin || q[0] != '\r' || q[1] != '\n') {
        return false;
    }
    *q = 0;
    t = &f->tokens[f->count];
    put_token(f, SRL_REPLY_INTEGER, ':', (uint32_t)(begin - s->base), 0, 0);
    t->text_len = (uint8_t)(q - begin);
    t->integer = (int64_t)n;
    f->p = q + 2;
    return true;
}

static inline bool run_array(run *f, const scan *s)
{
    uint32_t len;
    uint8_t *after = short_length(f->p + 1, &len);
    if (after == NULL || len == 0 || len > s->r->limits.max_elements ||
        s->r->depth + f->opened >= s->r->limits.max_depth) {
        return false;
    }
    f->tokens[f->open].flags |= SRL__RESP_DEEP;
    f->tokens[f->open].offset = f->left;
    put_token(f, SRL_REPLY_ARRAY, '*', 0, len, f->open);
    f->open = f->count - 1;
    f->opened++;
    f->left = len;
    f->p = after;
    return true;
}

static inline bool may_run(const scan *s, uint32_t open)
{
    return open != NONE && (s->tokens[open].flags & SRL__RESP_STREAMED) == 0 &&
           s->tokens[open].type != SRL_REPLY_ATTRIBUTE;
}

/* A value is complete, and so are the aggregates that end with it. False if one_step must go on. */
static inline bool run_count(run *f, const scan *s)
{
    while (--f->left == 0) {
        srl__resp_token *t = &f->tokens[f->open];
        uint32_t around = t->span;
        t->span = f->count - f->open;
        t->offset = 0;
        f->open = around;
        f->opened--;
        if (!may_run(s, around)) {
            return false;
        }
        f->left = f->tokens[around].offset;
    }
    return true;
}

/* STEP_VALUE: a value is complete and not counted yet; STEP_NEXT: one_step must look at p. */
static step run_on(scan *s)
{
    run f = {s->p, s->tokens, s->count, s->open, 0, 0};
    bool counted = true, went_on = true;
    if (s->slot != NONE || s->r->state != AT_VALUE || !may_run(s, s->open)) {
        return STEP_NEXT;
    }
    f.left = s->tokens[s->open].offset;
    while (counted && went_on && s->end - f.p >= RUN_MARGIN && f.count + 2 <= s->room) {
        if (*f.p == '$') {
            went_on = run_string(&f, s);
            counted = !went_on || run_count(&f, s);
        } else if (*f.p == ':') {
            went_on = run_integer(&f, s);
            counted = !went_on || run_count(&f, s);
        } else {
            went_on = *f.p == '*' && run_array(&f, s);
        }
    }
    s->p = f.p;
    s->count = f.count;
    s->open = f.open;
    s->r->depth += f.opened;
    if (!counted) {
        return STEP_VALUE;
    }
    s->tokens[f.open].offset = f.left;
    return STEP_NEXT;
}

/* ---- all together */

static inline step read_value(scan *s)
{
    switch (*s->p) {
    case '$':
    case '!':
    case '=':
        return read_string(s);
    case '*':
    case '%':
    case '~':
    case '>':
    case '|':
        return read_aggregate(s);
    case ':':
        return read_integer(s);
    case '+':
    case '-':
    case ',':
    case '(':
        return read_text_line(s);
    case '_':
        return read_null(s);
    case '#':
        return read_bool(s);
    case '.':
        return read_stream_end(s);
    default:
        return fail(s, SRL__RESP_ERR_TYPE);
    }
}

static inline step one_step(scan *s)
{
    if (s->r->state != AT_VALUE) {
        return resume(s);
    }
    if (s->p == s->end) {
        return STEP_MORE;
    }
    if (s->count + 2 > s->room) {
        step room = more_tokens(s);
        if (room != STEP_NEXT) {
            return room;
        }
    }
    return read_value(s);
}

static void begin_scan(scan *s, srl__resp_reader *r)
{
    uint8_t *data = r->block->data;
    size_t stop = r->end - r->start > r->limits.max_reply ? r->start + r->limits.max_reply : r->end;
    s->r = r;
    s->base = data + r->start;
    s->p = data + r->at;
    s->end = data + stop;
    s->tokens = r->tokens;
    s->count = r->count;
    s->room = r->capacity < r->limits.max_tokens ? r->capacity : r->limits.max_tokens;
    s->open = r->open;
    s->slot = r->slot;
}

static int end_scan(const scan *s, step last)
{
    srl__resp_reader *r = s->r;
    r->at = (size_t)(s->p - r->block->data);
    r->count = s->count;
    r->open = s->open;
    r->slot = s->slot;
    switch (last) {
    case STEP_VALUE:
        return SRL__RESP_REPLY;
    case STEP_NO_MEMORY:
        return SRL_ERR_NOMEM;
    case STEP_MORE:
        if (s->end - s->base < (ptrdiff_t)r->limits.max_reply) {
            r->steps += (uint64_t)(s->end - s->p) < SRL__RESP_MAX_INTEGER ? (uint64_t)(s->end - s->p) : 1;
            return SRL__RESP_MORE;
        }
        r->detail = SRL__RESP_ERR_REPLY_SIZE;
        return SRL_ERR_TOO_LARGE;
    default:
        return srl__resp_error_code(r->detail);
    }
}

int srl__resp_parse(srl__resp_reader *r)
{
    scan s;
    step last;
    begin_scan(&s, r);
    do {
        last = run_on(&s);
        if (last == STEP_NEXT) {
            last = one_step(&s);
        }
        if (last == STEP_VALUE) {
            last = count_value(&s);
        }
    } while (last == STEP_NEXT);
    return end_scan(&s, last);
}

size_t srl__resp_known_size(const srl__resp_reader *r)
{
    if (r->state == IN_STRING) {
        return r->text + r->body + 2;
    }
    return r->state == IN_CHUNK ? r->at - r->start + r->body + 2 : 0;
}
