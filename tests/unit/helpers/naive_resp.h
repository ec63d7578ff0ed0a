/* RESP by plain recursion over bytes that are all there, straight from the grammar: what the reader must agree with. */
#ifndef SRL_TEST_NAIVE_RESP_H
#define SRL_TEST_NAIVE_RESP_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <streamrelay/error.h>

#include "helpers/resp_text.h"
#include "redis/resp_reader.h"

typedef struct naive_resp {
    const uint8_t *begin, *at, *end;
    const srl__resp_limits *limits;
    srl_test_text *text;
    uint32_t tokens;
} naive_resp;

enum { NAIVE_MORE = 0, NAIVE_OK = 1, NAIVE_STREAM_END = 2, NAIVE_STREAMED = 3, NAIVE_NULL = 4 };

static int naive_expect(naive_resp *n, const char *bytes)
{
    for (; *bytes != 0; bytes++, n->at++) {
        if (n->at == n->end) {
            return NAIVE_MORE;
        }
        if (*n->at != (uint8_t)*bytes) {
            return SRL_ERR_PROTOCOL;
        }
    }
    return NAIVE_OK;
}

static int naive_length(naive_resp *n, uint64_t *out)
{
    uint32_t digits = 0;
    *out = 0;
    if (n->at == n->end) {
        return NAIVE_MORE;
    }
    if (*n->at == '?' || *n->at == '-') {
        bool streamed = *n->at == '?';
        int got = naive_expect(n, streamed ? "?\r\n" : "-1\r\n");
        return got != NAIVE_OK ? got : streamed ? NAIVE_STREAMED : NAIVE_NULL;
    }
    for (; n->at < n->end && *n->at >= '0' && *n->at <= '9'; n->at++) {
        if ((digits == 1 && *out == 0) || ++digits > SRL__RESP_MAX_INTEGER) {
            return SRL_ERR_PROTOCOL;
        }
        *out = *out > UINT32_MAX ? *out : *out * 10 + *n->at - '0';
    }
    if (digits == 0 && n->at < n->end) {
        return SRL_ERR_PROTOCOL;
    }
    return naive_expect(n, "\r\n");
}

static int naive_bytes(naive_resp *n, uint64_t len, uint64_t before)
{
    if (len + before > n->limits->max_bulk || (uint64_t)(n->at - n->begin) + len + 2 > n->limits->max_reply) {
        return SRL_ERR_TOO_LARGE;
    }
    if ((uint64_t)(n->end - n->at) < len + 2) {
        return NAIVE_MORE;
    }
    n->at += len;
    return naive_expect(n, "\r\n");
}

static int naive_string(naive_resp *n, char wire)
{
    uint64_t len;
    uint8_t *all = NULL;
    size_t total = 0;
    const char name[2] = {wire, 0};
    int got = naive_length(n, &len);
    if (got == NAIVE_NULL && wire == '$') {
        srl_test_text_add(n->text, "$_");
        return NAIVE_OK;
    }
    if (got == NAIVE_OK) {
        const uint8_t *body = n->at;
        got = naive_bytes(n, len, 0);
        if (got == NAIVE_OK) {
            all = malloc(len + 1);
            memcpy(all, body, len);
            total = (size_t)len;
        }
    } else if (got == NAIVE_STREAMED) {
        for (;;) {
            const uint8_t *body;
            got = naive_expect(n, ";");
            got = got == NAIVE_OK ? naive_length(n, &len) : got;
            body = n->at;
            if (got == NAIVE_OK && len == 0) {
                /* the limits count here too */
                got = total > n->limits->max_bulk || (uint64_t)(body - n->begin) + 2 > n->limits->max_reply
                          ? SRL_ERR_TOO_LARGE
                          : NAIVE_OK;
                break;
            }
            got = got == NAIVE_OK ? naive_bytes(n, len, total) : got >= NAIVE_STREAM_END ? SRL_ERR_PROTOCOL : got;
            if (got != NAIVE_OK) {
                break;
            }
            all = realloc(all, total + len + 1);
            memcpy(all + total, body, len);
            total += (size_t)len;
        }
    } else if (got == NAIVE_NULL) {
        got = SRL_ERR_PROTOCOL;
    }
    if (got == NAIVE_OK && wire == '=') {
        if (total < 4 || all[3] != ':') {
            got = SRL_ERR_PROTOCOL;
        } else {
            srl_test_text_add(n->text, "=");
            srl_test_text_add_bytes(n->text, (const char *)all, 3);
            srl_test_text_add_quoted(n->text, all + 4, total - 4);
        }
    } else if (got == NAIVE_OK) {
        srl_test_text_add(n->text, wire == '$' ? "" : name);
        srl_test_text_add_quoted(n->text, all, total);
    }
    free(all);
    return got;
}

static int naive_line(naive_resp *n, const uint8_t **out, size_t *len)
{
    size_t most = (size_t)n->limits->max_line + 2;
    size_t i = 0;
    for (; n->at + i < n->end && i < most; i++) {
        if (n->at[i] == '\n') {
            break;
        }
    }
    if (n->at + i == n->end && i < most) {
        return NAIVE_MORE;
    }
    if (i == most) {
        return SRL_ERR_TOO_LARGE;
    }
    if (i == 0 || n->at[i - 1] != '\r' || (i > 1 && memchr(n->at, '\r', i - 1) != NULL)) {
        return SRL_ERR_PROTOCOL;
    }
    *out = n->at;
    *len = i - 1;
    n->at += i + 1;
    return NAIVE_OK;
}

static inline bool naive_is_payload(const char *text)
{
    size_t inner = strspn(text + 1, "0123456789_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return *text == '(' && strcmp(text + 1 + inner, ")") == 0;
}

static inline bool naive_is_double(const char *text, double *out)
{
    static const char *const words[] = {"inf", "infinity", "nan"};
    const char *p = text + (*text == '-' || *text == '+');
    char *end;
    for (size_t i = 0; i < 3; i++) {
        size_t k = 0;
        while (p[k] != 0 && (p[k] | 0x20) == words[i][k]) {
            k++;
        }
        if (words[i][k] == 0 && (p[k] == 0 || (i == 2 && naive_is_payload(p + k)))) {
            *out = i == 2 ? (double)NAN : *text == '-' ? -(double)INFINITY : (double)INFINITY;
            return true;
        }
    }
    if (strspn(p, "0123456789.eE+-") != strlen(p) || *p == '-' || *p == '+' || *p == 0) {
        return false;
    }
    *out = strtod(text, &end);
    return *end == 0 && !isinf(*out);
}

static int naive_text(naive_resp *n, char wire)
{
    const uint8_t *line;
    size_t len;
    char *copy;
    double number;
    bool good = true;
    const char name[2] = {wire, 0};
    int got = naive_line(n, &line, &len);
    if (got != NAIVE_OK) {
        return got;
    }
    copy = malloc(len + 1);
    memcpy(copy, line, len);
    copy[len] = 0;
    if (wire == ',') {
        good = strlen(copy) == len && naive_is_double(copy, &number);
    } else if (wire == '(') {
        const char *digits = copy + (*copy == '-' || *copy == '+');
        good = strlen(copy) == len && *digits != 0 && strspn(digits, "0123456789") == strlen(digits);
    }
    if (good) {
        srl_test_text_add(n->text, name);
        srl_test_text_add_quoted(n->text, line, len);
    }
    free(copy);
    return good ? NAIVE_OK : SRL_ERR_PROTOCOL;
}

static int naive_integer(naive_resp *n)
{
    char text[SRL__RESP_MAX_INTEGER + 8];
    long double value = 0;
    uint64_t whole = 0;
    uint32_t used = 0;
    bool negative;
    int got;
    if (n->at == n->end) {
        return NAIVE_MORE;
    }
    negative = *n->at == '-';
    if (*n->at == '-' || *n->at == '+') {
        n->at++;
        used = 1;
    }
    const uint8_t *digits = n->at;
    for (; n->at < n->end && *n->at >= '0' && *n->at <= '9'; n->at++, used++) {
        value = value * 10 + (*n->at - '0');
        whole = whole * 10 + (uint64_t)(*n->at - '0');
        if (used >= SRL__RESP_MAX_INTEGER || value > 9223372036854775807.0L + negative) {
            return SRL_ERR_PROTOCOL;
        }
    }
    if (n->at == digits && n->at < n->end) {
        return SRL_ERR_PROTOCOL;
    }
    got = naive_expect(n, "\r\n");
    if (got == NAIVE_OK) {
        snprintf(text, sizeof(text), ":%lld", (long long)(negative ? 0 - whole : whole));
        srl_test_text_add(n->text, text);
    }
    return got;
}

static int naive_value(naive_resp *n, uint32_t depth, bool may_end);

static int naive_aggregate(naive_resp *n, char wire, uint32_t depth)
{
    uint64_t len;
    const char open[3] = {wire == '*' ? '[' : wire, wire == '*' ? 0 : '[', 0};
    int got = naive_length(n, &len);
    bool streamed = got == NAIVE_STREAMED;
    if (got == NAIVE_NULL && wire == '*') {
        srl_test_text_add(n->text, "*_");
        return NAIVE_OK;
    }
    if (got == NAIVE_NULL || (streamed && wire == '|')) {
        return SRL_ERR_PROTOCOL;
    }
    if (got != NAIVE_OK && !streamed) {
        return got;
    }
    len *= wire == '%' || wire == '|' ? 2 : 1;
    if ((!streamed && len > n->limits->max_elements) || depth >= n->limits->max_depth) {
        return SRL_ERR_TOO_LARGE;
    }
    srl_test_text_add(n->text, open);
    for (uint64_t i = 0; streamed || i < len; i++) {
        size_t before = n->text->len;
        srl_test_text_add(n->text, i > 0 ? " " : "");
        got = naive_value(n, depth + 1, streamed);
        if (got == NAIVE_STREAM_END && wire == '%' && i % 2 != 0) {
            return SRL_ERR_PROTOCOL;
        }
        if (got == NAIVE_STREAM_END) {
            got = naive_expect(n, "\r\n");
            n->text->len = before;
            n->text->data[before] = 0;
            if (got != NAIVE_OK) {
                return got;
            }
            break;
        }
        if (got != NAIVE_OK) {
            return got;
        }
        if (streamed && i >= n->limits->max_elements) {
            return SRL_ERR_TOO_LARGE;
        }
    }
    srl_test_text_add(n->text, "]");
    return NAIVE_OK;
}

static int naive_fixed(naive_resp *n, const char *rest, const char *shown)
{
    int got = naive_expect(n, rest);
    if (got == NAIVE_OK) {
        srl_test_text_add(n->text, shown);
    }
    return got;
}

static int naive_plain(naive_resp *n, char wire, uint32_t depth)
{
    switch (wire) {
    case '$':
    case '!':
    case '=':
        return naive_string(n, wire);
    case '*':
    case '%':
    case '~':
    case '>':
        return naive_aggregate(n, wire, depth);
    case ':':
        return naive_integer(n);
    case '_':
        return naive_fixed(n, "\r\n", "_");
    case '#':
        if (n->at < n->end && *n->at == 't') {
            return naive_fixed(n, "t\r\n", "#1");
        }
        return naive_fixed(n, "f\r\n", "#0");
    case '+':
    case '-':
    case ',':
    case '(':
        return naive_text(n, wire);
    default:
        return SRL_ERR_PROTOCOL;
    }
}

static int naive_value(naive_resp *n, uint32_t depth, bool may_end)
{
    bool counted = false;
    for (;;) {
        char wire;
        int got;
        if (n->at == n->end) {
            return NAIVE_MORE;
        }
        wire = (char)*n->at;
        if (wire == '.' && !counted && may_end) {
            n->at++;
            return NAIVE_STREAM_END;
        }
        if (wire == '.') {
            return SRL_ERR_PROTOCOL;
        }
        n->tokens += (counted ? 0U : 1U) + (wire == '|' ? 1U : 0U);
        counted = true;
        if (n->tokens > n->limits->max_tokens) {
            return SRL_ERR_TOO_LARGE;
        }
        n->at++;
        if (wire != '|') {
            return naive_plain(n, wire, depth);
        }
        got = naive_aggregate(n, wire, depth);
        if (got != NAIVE_OK) {
            return got;
        }
    }
}

/* Every reply of the bytes, each followed by a newline. Returns NAIVE_OK if they end between replies, NAIVE_MORE if
 * within one, or the error. */
static inline int naive_resp_read(const uint8_t *bytes, size_t len, const srl__resp_limits *limits, srl_test_text *text)
{
    const uint8_t *end = bytes + len;
    while (bytes < end) {
        size_t left = (size_t)(end - bytes);
        size_t window = left < limits->max_reply ? left : limits->max_reply;
        naive_resp n = {bytes, bytes, bytes + window, limits, text, 0};
        size_t before = text->len;
        int got = naive_value(&n, 0, false);
        if (got != NAIVE_OK) {
            text->len = before;
            if (text->data != NULL) {
                text->data[before] = 0;
            }
            return got == NAIVE_MORE && window == limits->max_reply ? SRL_ERR_TOO_LARGE : got;
        }
        srl_test_text_add(text, "\n");
        bytes = n.at;
    }
    return NAIVE_OK;
}

#endif
