#include <streamrelay/error.h>

#include "redis/reply.h"
#include "redis/resp_double.h"

/* [+-] digits, nothing else: their value without the sign. */
static int read_whole(srl__slice text, bool *negative, uint64_t *out)
{
    size_t i = 0;
    uint64_t n = 0;
    bool over = false;
    *negative = text.len > 0 && text.data[0] == '-';
    i += text.len > 0 && (text.data[0] == '-' || text.data[0] == '+');
    if (i == text.len) {
        return SRL_ERR_TYPE;
    }
    for (; i < text.len; i++) {
        uint64_t digit = (uint64_t)(uint8_t)(text.data[i] - '0');
        if (digit > 9) {
            return SRL_ERR_TYPE;
        }
        over = over || n > (UINT64_MAX - digit) / 10;
        n = n * 10 + digit;
    }
    *out = n;
    return over ? SRL_ERR_TOO_LARGE : SRL_OK;
}

/* The text that a number may be read from; 0 or the error if there is none. */
static int number_text(const srl_reply *reply, uint32_t at, srl__slice *text)
{
    if (srl_reply_is_null(reply, at)) {
        return SRL_ERR_NOT_FOUND;
    }
    *text = srl__reply_slice(reply, at);
    return text->data == NULL || srl_reply_is_error(reply, at) ? SRL_ERR_TYPE : SRL_OK;
}

static bool has_integer(const srl_reply *reply, uint32_t at, int64_t *out)
{
    int type = srl_reply_type(reply, at);
    if (type != SRL_REPLY_INTEGER && type != SRL_REPLY_BOOL) {
        return false;
    }
    *out = reply->tokens[at].integer;
    return true;
}

static int whole(const srl_reply *reply, uint32_t at, bool *negative, uint64_t *magnitude)
{
    srl__slice text;
    int error = number_text(reply, at, &text);
    return error == SRL_OK ? read_whole(text, negative, magnitude) : error;
}

int srl_reply_i64(const srl_reply *reply, uint32_t at, int64_t *out)
{
    bool negative;
    uint64_t magnitude;
    int error;
    if (has_integer(reply, at, out)) {
        return SRL_OK;
    }
    error = whole(reply, at, &negative, &magnitude);
    if (error == SRL_OK && magnitude > (uint64_t)INT64_MAX + negative) {
        error = SRL_ERR_TOO_LARGE;
    }
    if (error == SRL_OK) {
        *out = (int64_t)(negative ? 0 - magnitude : magnitude);
    }
    return error;
}

int srl_reply_u64(const srl_reply *reply, uint32_t at, uint64_t *out)
{
    bool negative;
    uint64_t magnitude;
    int error = whole(reply, at, &negative, &magnitude);
    if (error == SRL_OK && negative && magnitude != 0) {
        error = SRL_ERR_TOO_LARGE;
    }
    if (error == SRL_OK) {
        *out = magnitude;
    }
    return error;
}

int srl_reply_double(const srl_reply *reply, uint32_t at, double *out)
{
    srl__slice text;
    int error = number_text(reply, at, &text);
    if (error != SRL_OK || srl_reply_type(reply, at) == SRL_REPLY_BOOL) {
        return error != SRL_OK ? error : SRL_ERR_TYPE;
    }
    return srl__double_from_text(text.data, text.len, out);
}

int srl_reply_bool(const srl_reply *reply, uint32_t at, int *out)
{
    bool negative;
    uint64_t magnitude;
    int error = whole(reply, at, &negative, &magnitude);
    if (error == SRL_ERR_TOO_LARGE || (error == SRL_OK && (magnitude > 1 || negative))) {
        error = SRL_ERR_TYPE;
    }
    if (error == SRL_OK) {
        *out = (int)magnitude;
    }
    return error;
}
