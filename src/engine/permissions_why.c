#include "engine/permissions_why.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"

static void make_printable(char *text)
{
    size_t len = strlen(text);
    for (size_t at = 0; at < len;) {
        size_t sequence = srl__utf8_sequence((const uint8_t *)text + at, len - at);
        uint8_t c = (uint8_t)text[at];
        if (sequence == 0 && len - at < 4) {
            text[at] = '\0';
            return;
        }
        if (sequence == 0 || c < 0x20 || c == 0x7F) {
            text[at] = '?';
            sequence = 1;
        }
        at += sequence;
    }
}

int srl__why_set(srl__why *why, int error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(why->text, sizeof(why->text), format, arguments) < 0) {
        why->text[0] = '\0';
    }
    va_end(arguments);
    make_printable(why->text);
    return error;
}

void srl__why_put_before(srl__why *why, const char *place)
{
    srl__why old = *why;
    (void)srl__why_set(why, 0, "%s: %s", place, old.text);
}
