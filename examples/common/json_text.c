#include "json_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool make_room(json_text *text, size_t len)
{
    if (len < text->size - text->len)
        return true;
    if (text->max == 0 || len >= text->max - text->len)
        return false;
    size_t size = text->size < 512 ? 512 : text->size;
    while (len >= size - text->len)
        size = size < text->max / 2 ? size * 2 : text->max;
    char *data = realloc(text->data, size);
    if (!data)
        return false;
    text->data = data;
    text->size = size;
    return true;
}

void json_text_add_n(json_text *text, const char *json, size_t len)
{
    text->cut = text->cut || !make_room(text, len);
    if (text->cut)
        return;
    memcpy(text->data + text->len, json, len);
    text->len += len;
    text->data[text->len] = '\0';
}

void json_text_add(json_text *text, const char *json)
{
    json_text_add_n(text, json, strlen(json));
}

void json_text_add_string(json_text *text, const char *value, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    json_text_add(text, "\"");
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)value[i];
        const char escaped[6] = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};
        if (byte < 0x20)
            json_text_add_n(text, escaped, sizeof escaped);
        else if (byte == '"' || byte == '\\')
            json_text_add_n(text, (const char[]){'\\', value[i]}, 2);
        else
            json_text_add_n(text, value + i, 1);
    }
    json_text_add(text, "\"");
}

void json_text_add_number(json_text *text, uint64_t value)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, value);
    json_text_add_n(text, digits, (size_t)len);
}

void json_text_free(json_text *text)
{
    if (text->max > 0)
        free(text->data);
    *text = (json_text){.max = text->max};
}
