#include "helpers/stream_golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *path, const char *what)
{
    fprintf(stderr, "%s: %s\n", path, what);
    abort();
}

static void split(srl_test_golden_line *line, const char *path)
{
    memcpy(line->memory, line->command, sizeof(line->memory));
    char *at = line->memory;
    line->count = 0;
    for (;;) {
        if (line->count == SRL_TEST_GOLDEN_MAX_WORDS) {
            fail(path, "too many words");
        }
        line->words[line->count++] = at;
        at = strchr(at, ' ');
        if (at == NULL) {
            return;
        }
        *at++ = '\0';
    }
}

static void copy_reply(srl_test_golden_line *line, const char *text)
{
    static const char dot[] = "\302\267";
    line->reply = malloc(strlen(text) + 1);
    if (line->reply == NULL) {
        fail("golden", "out of memory");
    }
    line->reply_len = 0;
    for (const char *at = text; *at != '\0';) {
        if (strncmp(at, dot, 2) == 0) {
            memcpy(line->reply + line->reply_len, "\r\n", 2);
            at += 2;
            line->reply_len += 2;
        } else {
            line->reply[line->reply_len++] = *at++;
        }
    }
}

static void add_line(srl_test_golden *golden, uint32_t protocol, char *text, const char *path)
{
    static const char arrow[] = "   =>   ";
    char *found = strstr(text, arrow);
    if (protocol == 0 || found == NULL || (size_t)(found - text) >= sizeof(golden->lines->command)) {
        fail(path, "not a line of commands and replies");
    }
    *found = '\0';
    golden->lines = realloc(golden->lines, (golden->count + 1) * sizeof(*golden->lines));
    if (golden->lines == NULL) {
        fail(path, "out of memory");
    }
    srl_test_golden_line *line = &golden->lines[golden->count++];
    memset(line, 0, sizeof(*line));
    line->protocol = protocol;
    memcpy(line->command, text, strlen(text) + 1);
    copy_reply(line, found + strlen(arrow));
}

void srl_test_golden_load(srl_test_golden *golden, const char *path)
{
    static char text[16384];
    uint32_t protocol = 0;
    *golden = (srl_test_golden){NULL, 0};
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail(path, "cannot be opened");
    }
    while (fgets(text, sizeof(text), file) != NULL) {
        text[strcspn(text, "\r\n")] = '\0';
        if (strncmp(text, "=== RESP ", 9) == 0) {
            protocol = (uint32_t)(text[9] - '0');
        } else if (text[0] != '\0' && text[0] != '#') {
            add_line(golden, protocol, text, path);
        }
    }
    fclose(file);
    for (size_t i = 0; i < golden->count; i++) {
        split(&golden->lines[i], path);
    }
}

void srl_test_golden_free(srl_test_golden *golden)
{
    for (size_t i = 0; i < golden->count; i++) {
        free(golden->lines[i].reply);
    }
    free(golden->lines);
    *golden = (srl_test_golden){NULL, 0};
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

void srl_test_stream_mask(char *text)
{
    char *to = text;
    for (char *at = text; *at != '\0';) {
        size_t digits = 0;
        while (is_digit(at[digits])) {
            digits++;
        }
        int is_idle = to - text >= 5 && strncmp(to - 5, "idle=", 5) == 0;
        if (digits == 13 || (digits > 0 && is_idle)) {
            *to++ = 'T';
            at += digits;
        } else {
            size_t len = digits > 0 ? digits : 1;
            memmove(to, at, len);
            to += len;
            at += len;
        }
    }
    *to = '\0';
}
