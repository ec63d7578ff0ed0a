#include "helpers/resp_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "resp_text: %s\n", what);
        abort();
    }
}

void srl_test_text_free(srl_test_text *text)
{
    free(text->data);
    memset(text, 0, sizeof(*text));
}

void srl_test_text_add_bytes(srl_test_text *text, const char *data, size_t len)
{
    if (text->len + len + 1 > text->capacity) {
        text->capacity = (text->len + len + 1) * 2;
        text->data = realloc(text->data, text->capacity);
        check(text->data != NULL, "out of memory");
    }
    if (len > 0) {
        memcpy(text->data + text->len, data, len);
    }
    text->len += len;
    text->data[text->len] = 0;
}

void srl_test_text_add(srl_test_text *text, const char *plain)
{
    srl_test_text_add_bytes(text, plain, strlen(plain));
}

void srl_test_text_add_quoted(srl_test_text *text, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    srl_test_text_add_bytes(text, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        char escaped[8];
        if (bytes[i] >= ' ' && bytes[i] < 127 && bytes[i] != '"' && bytes[i] != '\\') {
            srl_test_text_add_bytes(text, (const char *)bytes + i, 1);
        } else {
            snprintf(escaped, sizeof(escaped), "\\x%02x", bytes[i]);
            srl_test_text_add(text, escaped);
        }
    }
    srl_test_text_add_bytes(text, "\"", 1);
}

static void add_scalar(srl_test_text *text, const srl_reply *reply, uint32_t at)
{
    int type = srl_reply_type(reply, at);
    char wire = (char)srl_reply_wire(reply, at);
    size_t len, format_len;
    const char *string = srl_reply_string(reply, at, &len);
    const char *format = srl_reply_format(reply, at, &format_len);
    check((format != NULL) == (type == SRL_REPLY_VERBATIM) && (format_len == 3) == (format != NULL), "format");
    if (type == SRL_REPLY_NULL) {
        check(string == NULL && len == 0, "null has text");
        srl_test_text_add_bytes(text, &wire, 1);
        srl_test_text_add_bytes(text, "_", wire != '_');
        return;
    }
    check(string != NULL && string[len] == 0, "text is not ended by zero");
    if (type == SRL_REPLY_INTEGER || type == SRL_REPLY_BOOL) {
        char number[32];
        int64_t n = 0;
        check(srl_reply_i64(reply, at, &n) == 0, "integer without value");
        snprintf(number, sizeof(number), "%c%lld", wire, (long long)n);
        srl_test_text_add(text, number);
        return;
    }
    srl_test_text_add_bytes(text, &wire, wire != '$');
    srl_test_text_add_bytes(text, format, format_len);
    srl_test_text_add_quoted(text, string, len);
}

static void add_children(srl_test_text *text, const srl_reply *reply, uint32_t at)
{
    uint32_t count = srl_reply_count(reply, at), seen = 0, child;
    char wire = (char)srl_reply_wire(reply, at);
    srl_reply_walk walk;
    srl_test_text_add_bytes(text, &wire, wire != '*');
    srl_test_text_add_bytes(text, "[", 1);
    srl_reply_walk_init(&walk, reply, at);
    while (srl_reply_walk_next(&walk, &child) != 0) {
        check(count > 64 || srl_reply_child(reply, at, seen) == child, "child differs from walk");
        srl_test_text_add_bytes(text, " ", seen > 0);
        srl_test_text_add_reply(text, reply, child);
        seen++;
    }
    check(seen == count && child == SRL_REPLY_NONE, "count differs from walk");
    check(srl_reply_child(reply, at, count) == SRL_REPLY_NONE, "child beyond the end");
    srl_test_text_add_bytes(text, "]", 1);
}

void srl_test_text_add_reply(srl_test_text *text, const srl_reply *reply, uint32_t at)
{
    uint32_t attribute;
    for (uint32_t i = 0; (attribute = srl_reply_attribute(reply, at, i)) != SRL_REPLY_NONE; i++) {
        check(srl_reply_type(reply, attribute) == SRL_REPLY_ATTRIBUTE, "attribute of another type");
        add_children(text, reply, attribute);
    }
    check(srl_reply_type(reply, at) != SRL_REPLY_NOTHING, "nothing where a value should be");
    if (srl_reply_type(reply, at) >= SRL_REPLY_ARRAY) {
        check(srl_reply_string(reply, at, NULL) == NULL, "text of an aggregate");
        add_children(text, reply, at);
    } else {
        check(srl_reply_count(reply, at) == 0, "children of a plain value");
        add_scalar(text, reply, at);
    }
}
