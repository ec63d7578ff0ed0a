/* The WebSocket codec of the examples: RFC 6455 without I/O. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "websocket.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LIMIT        70000u

/* ---- a client by hand ---- */

typedef struct bytes {
    uint8_t *data;
    size_t len;
    size_t cap;
} bytes;

static void add(bytes *out, const void *data, size_t len)
{
    if (out->len + len > out->cap) {
        out->cap = (out->len + len) * 2;
        out->data = realloc(out->data, out->cap);
        assert_non_null(out->data);
    }
    if (len > 0)
        memcpy(out->data + out->len, data, len);
    out->len += len;
}

static const uint8_t KEY[4] = {0x37, 0xfa, 0x21, 0x3d};

/* One masked frame with any first byte. */
static void add_frame(bytes *out, unsigned first, const void *payload, size_t len)
{
    uint8_t header[WS_HEADER_MAX];
    size_t header_len = ws_write_header(header, 0, len);
    header[0] = (uint8_t)first;
    header[1] |= 0x80;
    add(out, header, header_len);
    add(out, KEY, sizeof KEY);
    add(out, payload, len);
    ws_mask(out->data + out->len - len, len, KEY, 0);
}

static void add_text(bytes *out, unsigned first, const char *text)
{
    add_frame(out, first, text, strlen(text));
}

/* ---- what came out, as text ---- */

static const char *const NAMES[] = {"none", "text", "binary", "ping", "pong", "close", "error"};

static uint32_t checksum(const uint8_t *data, size_t len)
{
    uint32_t sum = 17;
    for (size_t i = 0; i < len; i++)
        sum = sum * 31 + data[i];
    return sum;
}

static void log_event(bytes *log, const ws_event *event)
{
    char line[64];
    int n = snprintf(line, sizeof line, "%s %u %zu %08x\n", NAMES[event->type], event->code, event->len,
                     checksum(event->data, event->len));
    add(log, line, (size_t)n);
}

static void feed_piece(ws_parser *parser, const uint8_t *data, size_t len, bytes *log)
{
    uint8_t *copy = malloc(len ? len : 1); /* exactly as large, so that the sanitizer sees a read past the end */
    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, data, len);
    size_t at = 0;
    for (;;) {
        ws_event event;
        at += ws_parser_feed(parser, copy + at, len - at, &event);
        assert_true(at <= len);
        if (event.type == WS_EVENT_NONE)
            break;
        log_event(log, &event);
    }
    assert_int_equal(at, len);
    free(copy);
}

static char *run(const bytes *input, size_t cut1, size_t cut2, size_t max)
{
    ws_parser parser;
    bytes log = {0};
    ws_parser_init(&parser, WS_ROLE_SERVER, max, NULL, NULL);
    feed_piece(&parser, input->data, cut1, &log);
    feed_piece(&parser, input->data + cut1, cut2 - cut1, &log);
    feed_piece(&parser, input->data + cut2, input->len - cut2, &log);
    ws_parser_free(&parser);
    add(&log, "", 1);
    return (char *)log.data;
}

static char *run_bytewise(const bytes *input, size_t max)
{
    ws_parser parser;
    bytes log = {0};
    ws_parser_init(&parser, WS_ROLE_SERVER, max, NULL, NULL);
    for (size_t i = 0; i < input->len; i++)
        feed_piece(&parser, input->data + i, 1, &log);
    ws_parser_free(&parser);
    add(&log, "", 1);
    return (char *)log.data;
}

/* The event that ends the input, fed whole and byte by byte. */
static ws_event last_event(const uint8_t *data, size_t len, size_t max)
{
    ws_event last = {WS_EVENT_NONE, 0, NULL, 0};
    ws_parser parser;
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    for (int bytewise = 0; bytewise < 2; bytewise++) {
        ws_event end = {WS_EVENT_NONE, 0, NULL, 0};
        memcpy(copy, data, len);
        ws_parser_init(&parser, WS_ROLE_SERVER, max, NULL, NULL);
        size_t at = 0;
        while (at < len) {
            ws_event event;
            at += ws_parser_feed(&parser, copy + at, bytewise ? 1 : len - at, &event);
            if (event.type != WS_EVENT_NONE)
                end = event;
        }
        ws_parser_free(&parser);
        if (bytewise) {
            assert_int_equal(end.type, last.type);
            assert_int_equal(end.code, last.code);
        }
        last = end;
    }
    free(copy);
    return last;
}

/* ---- receiving ---- */

static void build_conversation(bytes *out)
{
    char big[66000];
    char medium[300];
    memset(big, 'b', sizeof big);
    memset(medium, 'm', sizeof medium);
    add_text(out, 0x81, "{\"id\":1}");
    add_text(out, 0x81, "");
    add_text(out, 0x89, "are you there");
    add_text(out, 0x01, "Gr\xc3");
    add_text(out, 0x89, "");
    add_text(out, 0x00, "\xbc\xc3\x9f\x65 \xf0\x9f");
    add_text(out, 0x8A, "unasked");
    add_text(out, 0x00, "");
    add_text(out, 0x80, "\x98\x80!");
    add_frame(out, 0x82, medium, 125);
    add_frame(out, 0x82, medium, 126);
    add_frame(out, 0x02, "\xff\xfe", 2);
    add_frame(out, 0x80, medium, sizeof medium);
    add_frame(out, 0x82, big, 100);
    add_text(out, 0x01, "");
    add_text(out, 0x80, "");
    add_frame(out, 0x89, medium, 125);
    add_frame(out, 0x88, "\x03\xe8goodbye", 9);
    add_text(out, 0x81, "after the end");
}

static void test_conversation(void **state)
{
    (void)state;
    bytes input = {0};
    build_conversation(&input);
    char *whole = run(&input, 0, input.len, LIMIT);
    const char *const types[] = {"text",   "text",   "ping",   "ping", "pong", "text", "binary",
                                 "binary", "binary", "binary", "text", "ping", "close"};
    const char *line = whole;
    for (size_t i = 0; i < COUNT(types); i++) {
        assert_int_equal(strncmp(line, types[i], strlen(types[i])), 0);
        line = strchr(line, '\n');
        assert_non_null(line);
        line++;
    }
    assert_string_equal(line, "");
    assert_non_null(strstr(whole, "close 1000 7 "));
    free(whole);
    free(input.data);
}

static void test_every_split(void **state)
{
    (void)state;
    bytes input = {0};
    build_conversation(&input);
    char *whole = run(&input, 0, input.len, LIMIT);
    char *bytewise = run_bytewise(&input, LIMIT);
    assert_string_equal(whole, bytewise);
    free(bytewise);
    for (size_t cut = 0; cut <= input.len; cut++) {
        size_t second = cut + (cut * 7) % (input.len - cut + 1);
        char *pieces = run(&input, cut, second, LIMIT);
        assert_string_equal(whole, pieces);
        free(pieces);
    }
    free(whole);
    free(input.data);
}

static void test_large_lengths(void **state)
{
    (void)state;
    const size_t lengths[] = {0, 1, 125, 126, 127, 65535, 65536, 65537, LIMIT};
    char *payload = malloc(LIMIT);
    assert_non_null(payload);
    memset(payload, 'x', LIMIT);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        bytes input = {0};
        add_frame(&input, 0x81, payload, lengths[i]);
        char *whole = run(&input, 0, input.len, LIMIT);
        char *halves = run(&input, input.len / 2, input.len / 2 + 1, LIMIT);
        char expected[64];
        snprintf(expected, sizeof expected, "text 0 %zu %08x\n", lengths[i],
                 checksum((const uint8_t *)payload, lengths[i]));
        assert_string_equal(whole, expected);
        assert_string_equal(halves, expected);
        free(whole);
        free(halves);
        free(input.data);
    }
    free(payload);
}

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const uint8_t *data;
        size_t len;
        uint16_t code;
    } cases[] = {
        {BYTES("\x81\x05hello"), 1002}, /* no mask */
        {BYTES("\x89\x00"), 1002},      /* control frame without mask */
        {BYTES("\xC1\x80"), 1002},      /* RSV1 */
        {BYTES("\xA1\x80"), 1002},      /* RSV2 */
        {BYTES("\x91\x80"), 1002},      /* RSV3 */
        {BYTES("\x83\x80"), 1002},      /* reserved data opcodes */
        {BYTES("\x84\x80"), 1002},
        {BYTES("\x85\x80"), 1002},
        {BYTES("\x86\x80"), 1002},
        {BYTES("\x87\x80"), 1002},
        {BYTES("\x8B\x80"), 1002}, /* reserved control opcodes */
        {BYTES("\x8C\x80"), 1002},
        {BYTES("\x8D\x80"), 1002},
        {BYTES("\x8E\x80"), 1002},
        {BYTES("\x8F\x80"), 1002},
        {BYTES("\x80\x80"), 1002}, /* continuation of nothing */
        {BYTES("\x00\x80"), 1002},
        {BYTES("\x01\x80\0\0\0\0\x81\x80"), 1002}, /* text inside text */
        {BYTES("\x02\x80\0\0\0\0\x02\x80"), 1002},
        {BYTES("\x82\x80\0\0\0\0\x80\x80"), 1002}, /* continuation of a finished one */
        {BYTES("\x09\x80"), 1002},                 /* fragmented control frames */
        {BYTES("\x0A\x80"), 1002},
        {BYTES("\x08\x80"), 1002},
        {BYTES("\x89\xFE\x00\x7E"), 1002}, /* control frame of 126 bytes */
        {BYTES("\x88\xFF"), 1002},
        {BYTES("\x81\xFE\x00\x7D\0\0\0\0"), 1002}, /* 125 in two bytes */
        {BYTES("\x81\xFE\x00\x00\0\0\0\0"), 1002},
        {BYTES("\x81\xFF\0\0\0\0\0\0\xFF\xFF\0\0\0\0"), 1002}, /* 65535 in eight bytes */
        {BYTES("\x81\xFF\0\0\0\0\0\0\0\x01\0\0\0\0"), 1002},
        {BYTES("\x81\xFF\x80\0\0\0\0\0\0\0\0\0\0\0"), 1002}, /* highest bit */
        {BYTES("\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0\0\0"), 1002},
        {BYTES("\x81\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0\0\0"), 1009},
        {BYTES("\x88\x81\0\0\0\0\x03"), 1002},     /* half a close code */
        {BYTES("\x88\x82\0\0\0\0\x03\xED"), 1002}, /* 1005 */
        {BYTES("\x88\x82\0\0\0\0\x00\x00"), 1002},
        {BYTES("\x88\x84\0\0\0\0\x03\xE8\xC3\x28"), 1007}, /* reason is not UTF-8 */
        {BYTES("\x88\x83\0\0\0\0\x03\xE8\xC3"), 1007},
        {BYTES("\x81\x81\0\0\0\0\xFF"), 1007},
        {BYTES("\x81\x82\0\0\0\0\xC3\x28"), 1007},
        {BYTES("\x81\x81\0\0\0\0\xC3"), 1007}, /* cut character */
        {BYTES("\x01\x81\0\0\0\0\xC3\x80\x80\0\0\0\0"), 1007},
        {BYTES("\x01\x81\0\0\0\0\xC3\x80\x81\0\0\0\0\x28"), 1007},
        {BYTES("\x81\x83\0\0\0\0\xED\xA0\x80"), 1007},     /* surrogate */
        {BYTES("\x81\x82\0\0\0\0\xC0\xAF"), 1007},         /* overlong */
        {BYTES("\x81\x84\0\0\0\0\xF4\x90\x80\x80"), 1007}, /* above U+10FFFF */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        ws_event event = last_event(cases[i].data, cases[i].len, LIMIT);
        if (event.type != WS_EVENT_ERROR || event.code != cases[i].code)
            fail_msg("case %zu: event %s, code %u instead of %u", i, NAMES[event.type], event.code, cases[i].code);
    }
}

static void test_bad_text_is_seen_before_the_frame_ends(void **state)
{
    (void)state;
    ws_parser parser;
    ws_event event;
    uint8_t header[] = {0x81, 0xE4, 0, 0, 0, 0}; /* 100 bytes announced */
    uint8_t start[] = {'a', 'b', 0xF8};
    ws_parser_init(&parser, WS_ROLE_SERVER, LIMIT, NULL, NULL);
    assert_int_equal(ws_parser_feed(&parser, header, sizeof header, &event), sizeof header);
    assert_int_equal(event.type, WS_EVENT_NONE);
    ws_parser_feed(&parser, start, sizeof start, &event);
    assert_int_equal(event.type, WS_EVENT_ERROR);
    assert_int_equal(event.code, WS_CLOSE_BAD_DATA);
    ws_parser_free(&parser);
}

static void test_message_limit(void **state)
{
    (void)state;
    bytes input = {0};
    char payload[64];
    memset(payload, 'p', sizeof payload);

    add_frame(&input, 0x01, payload, 40);
    add_frame(&input, 0x89, payload, 60); /* control frames do not count */
    add_frame(&input, 0x80, payload, 24);
    assert_int_equal(last_event(input.data, input.len, 64).type, WS_EVENT_TEXT);
    assert_int_equal(last_event(input.data, input.len, 63).code, WS_CLOSE_TOO_BIG);

    input.len = 0;
    add_frame(&input, 0x81, payload, 64);
    assert_int_equal(last_event(input.data, input.len, 64).type, WS_EVENT_TEXT);
    assert_int_equal(last_event(input.data, 6, 63).code, WS_CLOSE_TOO_BIG); /* known from the header alone */
    assert_int_equal(last_event(input.data, 6, 0).code, WS_CLOSE_TOO_BIG);

    input.len = 0;
    for (int i = 0; i < 10; i++) /* the limit is per message */
        add_frame(&input, 0x81, payload, 64);
    assert_int_equal(last_event(input.data, input.len, 64).type, WS_EVENT_TEXT);
    free(input.data);
}

static void test_close(void **state)
{
    (void)state;
    ws_event event = last_event(BYTES("\x88\x80\0\0\0\0"), LIMIT);
    assert_int_equal(event.type, WS_EVENT_CLOSE);
    assert_int_equal(event.code, WS_CLOSE_NONE);

    for (uint32_t code = 0; code <= 0xFFFF; code++) {
        bool known = code == 1000 || code == 1001 || code == 1002 || code == 1003 || code == 1007 || code == 1008 ||
                     code == 1009 || code == 1010 || code == 1011 || code == 1012 || code == 1013 || code == 1014;
        bool expected = known || (code >= 3000 && code < 5000);
        uint8_t frame[] = {0x88, 0x82, 0, 0, 0, 0, (uint8_t)(code >> 8), (uint8_t)code};
        event = last_event(frame, sizeof frame, LIMIT);
        assert_int_equal(event.type, expected ? WS_EVENT_CLOSE : WS_EVENT_ERROR);
        assert_int_equal(event.code, expected ? code : WS_CLOSE_PROTOCOL_ERROR);
    }
}

static void test_close_between_fragments(void **state)
{
    (void)state;
    bytes input = {0};
    add_text(&input, 0x01, "half a");
    add_frame(&input, 0x88, "\x0f\xa0", 2);
    add_text(&input, 0x80, " message");
    char *log = run(&input, 0, input.len, LIMIT);
    assert_int_equal(strncmp(log, "close 4000 0 ", 13), 0);
    assert_ptr_equal(strchr(log, '\n')[1], '\0');
    free(log);
    free(input.data);
}

/* ---- UTF-8 ---- */

static bool naive_utf8(const uint8_t *s, size_t len)
{
    size_t at = 0;
    while (at < len) {
        unsigned b = s[at];
        size_t n = b < 0x80 ? 1 : b >= 0xC0 && b < 0xE0 ? 2 : b >= 0xE0 && b < 0xF0 ? 3 : b >= 0xF0 && b < 0xF8 ? 4 : 0;
        if (n == 0 || at + n > len)
            return false;
        uint32_t point = n == 1 ? b : n == 2 ? b & 0x1F : n == 3 ? b & 0x0F : b & 0x07;
        for (size_t i = 1; i < n; i++) {
            if ((s[at + i] & 0xC0) != 0x80)
                return false;
            point = point << 6 | (s[at + i] & 0x3F);
        }
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        if (point < least[n] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
            return false;
        at += n;
    }
    return true;
}

static void check_utf8(const uint8_t *s, size_t len)
{
    bool expected = naive_utf8(s, len);
    for (size_t cut = 0; cut <= len; cut++) {
        ws_utf8 utf8 = {0, 0, 0};
        bool valid = ws_utf8_feed(&utf8, s, cut) && ws_utf8_feed(&utf8, s + cut, len - cut) && utf8.need == 0;
        assert_int_equal(valid, expected);
    }
}

static void test_utf8_exhaustive(void **state)
{
    (void)state;
    static const uint8_t edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0,
                                    0xC1, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF};
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            const uint8_t two[2] = {(uint8_t)a, (uint8_t)b};
            check_utf8(two, 2);
        }
        for (size_t i = 0; i < COUNT(edges); i++) {
            for (size_t j = 0; j < COUNT(edges); j++) {
                const uint8_t three[3] = {(uint8_t)a, edges[i], edges[j]};
                check_utf8(three, 3);
                for (size_t k = 0; k < COUNT(edges); k++) {
                    const uint8_t four[4] = {(uint8_t)a, edges[i], edges[j], edges[k]};
                    check_utf8(four, 4);
                }
            }
        }
    }
}

static void test_utf8_in_long_text(void **state)
{
    (void)state;
    uint8_t text[40];
    for (size_t at = 0; at + 2 <= sizeof text; at++) { /* around the eight-byte steps */
        memset(text, 'a', sizeof text);
        text[at] = 0xC3;
        text[at + 1] = 0xA9;
        check_utf8(text, sizeof text);
        text[at + 1] = 'a';
        check_utf8(text, sizeof text);
    }
}

/* ---- memory ---- */

typedef struct meter {
    size_t size;
    size_t most;
    size_t calls;
    size_t fail_at; /* 0: never */
} meter;

static void *metered_resize(void *ptr, size_t size, void *user)
{
    meter *m = user;
    if (size == 0) {
        free(ptr);
        m->size = 0;
        return NULL;
    }
    if (++m->calls == m->fail_at)
        return NULL;
    void *grown = realloc(ptr, size);
    assert_non_null(grown);
    m->size = size;
    if (size > m->most)
        m->most = size;
    return grown;
}

static void test_memory_follows_what_arrived(void **state)
{
    (void)state;
    meter m = {0, 0, 0, 0};
    ws_parser parser;
    bytes log = {0};
    bytes input = {0};
    char payload[5000];
    memset(payload, 'q', sizeof payload);
    ws_parser_init(&parser, WS_ROLE_SERVER, 1u << 20, metered_resize, &m);

    add_frame(&input, 0x81, payload, sizeof payload);
    feed_piece(&parser, input.data, input.len, &log);
    assert_int_equal(m.calls, 0); /* whole in one input: nothing is copied */

    uint8_t announce[] = {0x82, 0xFF, 0, 0, 0, 0, 0, 0x10, 0, 0, 1, 2, 3, 4};
    feed_piece(&parser, announce, sizeof announce, &log);
    feed_piece(&parser, (const uint8_t *)"x", 1, &log);
    assert_true(m.most <= 1024); /* a megabyte announced, a byte sent */
    ws_parser_free(&parser);
    assert_int_equal(m.size, 0);

    m.most = 0;
    ws_parser_init(&parser, WS_ROLE_SERVER, 6000, metered_resize, &m);
    feed_piece(&parser, input.data, 4000, &log);
    assert_true(m.size > 0 && m.most <= 6000);
    feed_piece(&parser, input.data + 4000, input.len - 4000, &log);
    assert_int_equal(m.size, 0); /* given back once the message was handed out */
    ws_parser_free(&parser);
    free(input.data);
    free(log.data);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    bytes input = {0};
    char payload[9000];
    memset(payload, 'q', sizeof payload);
    add_frame(&input, 0x01, payload, 1000);
    add_frame(&input, 0x00, payload, sizeof payload);
    add_frame(&input, 0x80, payload, sizeof payload);
    for (size_t fail_at = 1; fail_at <= 4; fail_at++) {
        meter m = {0, 0, 0, fail_at};
        ws_parser parser;
        bytes log = {0};
        ws_parser_init(&parser, WS_ROLE_SERVER, LIMIT, metered_resize, &m);
        for (size_t at = 0; at < input.len; at += 100)
            feed_piece(&parser, input.data + at, input.len - at < 100 ? input.len - at : 100, &log);
        assert_non_null(log.data);
        assert_int_equal(strncmp((char *)log.data, "error 1011 ", 11), 0);
        assert_int_equal(m.size, 0);
        ws_parser_free(&parser);
        free(log.data);
    }
    free(input.data);
}

/* ---- sending ---- */

static void test_headers(void **state)
{
    (void)state;
    static const struct {
        uint64_t len;
        const char *header;
        size_t header_len;
    } cases[] = {
        {0, "\x81\x00", 2},
        {125, "\x81\x7D", 2},
        {126, "\x81\x7E\x00\x7E", 4},
        {65535, "\x81\x7E\xFF\xFF", 4},
        {65536, "\x81\x7F\0\0\0\0\0\x01\0\0", 10},
        {UINT64_C(0x0102030405060708), "\x81\x7F\x01\x02\x03\x04\x05\x06\x07\x08", 10},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t out[WS_HEADER_MAX];
        assert_int_equal(ws_write_header(out, WS_OPCODE_TEXT, cases[i].len), cases[i].header_len);
        assert_memory_equal(out, cases[i].header, cases[i].header_len);
    }
}

static void test_control_frames(void **state)
{
    (void)state;
    uint8_t out[WS_CONTROL_FRAME_MAX];
    char reason[130];

    assert_int_equal(ws_write_close(out, WS_CLOSE_NONE, "ignored", 7), 2);
    assert_memory_equal(out, "\x88\x00", 2);
    assert_int_equal(ws_write_close(out, 3001, "shutdown", 8), 12);
    assert_memory_equal(out, "\x88\x0A\x0B\xB9shutdown", 12);
    assert_int_equal(ws_write_control(out, WS_OPCODE_PONG, "hi", 2), 4);
    assert_memory_equal(out, "\x8A\x02hi", 4);

    memset(reason, 'r', sizeof reason);
    assert_int_equal(ws_write_close(out, 4000, reason, 123), 127);
    assert_int_equal(ws_write_close(out, 4000, reason, 124), 127);
    for (size_t start = 120; start <= 122; start++) { /* a three-byte character across the cut */
        memset(reason, 'r', sizeof reason);
        memcpy(reason + start, "\xE2\x82\xAC", 3);
        size_t kept = start == 120 ? 123 : start;
        assert_int_equal(ws_write_close(out, 4000, reason, sizeof reason), 4 + kept);
        assert_int_equal(out[1], 2 + kept);
    }
    assert_int_equal(ws_write_control(out, WS_OPCODE_PING, reason, sizeof reason), WS_CONTROL_FRAME_MAX);
}

static void test_mask(void **state)
{
    (void)state;
    for (size_t at = 0; at < 9; at++) {
        for (size_t len = 0; len < 40; len++) {
            uint8_t plain[40];
            uint8_t masked[40];
            for (size_t i = 0; i < len; i++) {
                plain[i] = (uint8_t)(i * 37);
                masked[i] = (uint8_t)(plain[i] ^ KEY[(at + i) % 4]);
            }
            ws_mask(plain, len, KEY, at);
            assert_memory_equal(plain, masked, len);
        }
    }
}

static void test_client_role(void **state)
{
    (void)state;
    ws_parser parser;
    ws_event event;
    uint8_t hello[] = {0x81, 0x05, 'h', 'e', 'l', 'l', 'o'};
    uint8_t masked[] = {0x81, 0x80, 1, 2, 3, 4};

    ws_parser_init(&parser, WS_ROLE_CLIENT, LIMIT, NULL, NULL);
    ws_parser_feed(&parser, hello, sizeof hello, &event);
    assert_int_equal(event.type, WS_EVENT_TEXT);
    assert_memory_equal(event.data, "hello", 5);
    ws_parser_feed(&parser, masked, sizeof masked, &event);
    assert_int_equal(event.type, WS_EVENT_ERROR);
    assert_int_equal(event.code, WS_CLOSE_PROTOCOL_ERROR);
    ws_parser_free(&parser);
}

/* ---- opening ---- */

static void check_sha1(const void *data, size_t len, const char *hex)
{
    uint8_t digest[20];
    char text[41];
    ws_sha1(data, len, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(text, hex);
}

static void test_sha1(void **state)
{
    (void)state;
    static char million[1000000];
    check_sha1("abc", 3, "a9993e364706816aba3e25717850c26c9cd0d89d");
    check_sha1("", 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    check_sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
               "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    check_sha1(
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrst"
        "nopqrstu",
        112, "a49b2446a02c645bf419f995b67091253a04a259");
    memset(million, 'a', sizeof million);
    check_sha1(million, sizeof million, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    check_sha1(million, 55, "c1c8bbdc22796e28c0e15163d20899b65621d65a");
    check_sha1(million, 64, "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}

static void test_base64(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"},
                                           {"\xFB\xFF\xFE", "+//+"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[16];
        size_t len = ws_base64((const uint8_t *)cases[i][0], strlen(cases[i][0]), out);
        assert_string_equal(out, cases[i][1]);
        assert_int_equal(len, strlen(out));
    }
}

static void test_accept_key(void **state)
{
    (void)state;
    char out[WS_ACCEPT_LEN + 1];
    ws_accept_key("dGhlIHNhbXBsZSBub25jZQ==", 24, out); /* RFC 6455, section 1.3 */
    assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/* "Name: value" lines without white space at their ends, separated by newlines. */
static size_t split_headers(const char *text, ws_header *headers, size_t max)
{
    size_t count = 0;
    while (*text) {
        const char *end = strchr(text, '\n');
        const char *colon = strchr(text, ':');
        assert_true(end && colon && colon < end && count < max);
        const char *value = colon + 1;
        while (value < end && *value == ' ')
            value++;
        headers[count++] = (ws_header){text, (size_t)(colon - text), value, (size_t)(end - value)};
        text = end + 1;
    }
    return count;
}

#define HOST    "Host: example.com\n"
#define UPGRADE "Upgrade: websocket\nConnection: Upgrade\n"
#define VERSION "Sec-WebSocket-Version: 13\n"
#define WSKEY   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"

static void test_upgrade(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        const char *headers;
        int status;
    } cases[] = {
        {"GET", HOST UPGRADE VERSION WSKEY, 101},
        {"GET", "host: h\nUPGRADE: WebSocket\nconnection: keep-alive, uPGRADE\n" VERSION WSKEY, 101},
        {"GET", HOST "Connection: keep-alive\nConnection: foo ,\tUpgrade\nUpgrade: h2c, websocket\n" VERSION WSKEY,
         101},
        {"POST", HOST UPGRADE VERSION WSKEY, 405},
        {"get", HOST UPGRADE VERSION WSKEY, 405},
        {"GET", HOST, 426},
        {"GET", HOST "Connection: Upgrade\n" VERSION WSKEY, 426},
        {"GET", HOST "Upgrade: websocket\n" VERSION WSKEY, 426},
        {"GET", HOST "Upgrade: websockets\nConnection: Upgrade\n" VERSION WSKEY, 426},
        {"GET", HOST "Upgrade: websocket\nConnection: NoUpgrade\n" VERSION WSKEY, 426},
        {"GET", HOST UPGRADE WSKEY, 426},
        {"GET", HOST UPGRADE "Sec-WebSocket-Version: 8\n" WSKEY, 426},
        {"GET", HOST UPGRADE "Sec-WebSocket-Version: 13, 8\n" WSKEY, 426},
        {"GET", HOST UPGRADE VERSION VERSION WSKEY, 426},
        {"GET", HOST UPGRADE VERSION, 400},
        {"GET", HOST UPGRADE VERSION WSKEY WSKEY, 400},
        {"GET", HOST UPGRADE VERSION "Sec-WebSocket-Key: \n", 400},
        {"GET", HOST UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\n", 400},
        {"GET", HOST UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==\n", 400},
        {"GET", HOST UPGRADE VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", 400},
        {"GET", UPGRADE VERSION WSKEY, 400},
        {"GET", HOST HOST UPGRADE VERSION WSKEY, 400},
        {"GET", HOST UPGRADE VERSION WSKEY "Origin: http://a\nOrigin: http://b\n", 400},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        ws_header headers[12];
        ws_upgrade upgrade;
        size_t count = split_headers(cases[i].headers, headers, COUNT(headers));
        int status = ws_check_upgrade(cases[i].method, strlen(cases[i].method), headers, count, &upgrade);
        if (status != cases[i].status)
            fail_msg("case %zu: %d instead of %d", i, status, cases[i].status);
        if (status == 101)
            assert_string_equal(upgrade.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}

static void test_upgrade_fields(void **state)
{
    (void)state;
    ws_header headers[12];
    ws_upgrade upgrade;
    size_t count = split_headers(HOST UPGRADE VERSION WSKEY "Sec-WebSocket-Protocol: \n", headers, COUNT(headers));
    assert_int_equal(ws_check_upgrade("GET", 3, headers, count, &upgrade), 101);
    assert_null(upgrade.protocols); /* empty is as good as absent: some proxies and servers send it */
    assert_int_equal(upgrade.protocols_len, 0);
    assert_null(upgrade.origin);
    assert_memory_equal(upgrade.host, "example.com", upgrade.host_len);

    count = split_headers(HOST UPGRADE VERSION WSKEY "Sec-WebSocket-Protocol: chat, superchat\nOrigin: null\n", headers,
                          COUNT(headers));
    assert_int_equal(ws_check_upgrade("GET", 3, headers, count, &upgrade), 101);
    assert_int_equal(upgrade.protocols_len, strlen("chat, superchat"));
    assert_int_equal(upgrade.origin_len, 4);
}

static void test_origin(void **state)
{
    (void)state;
    static const char *const allowed[] = {"https://app.example", "null"};
    static const char *const anyone[] = {"*"};
    static const struct {
        const char *origin;
        const char *host;
        bool expected;
    } cases[] = {
        {"http://localhost:8080", "localhost:8080", true},
        {"HTTP://LocalHost:8080", "localhost:8080", true},
        {"https://localhost:8080", "localhost:8080", true},
        {"http://localhost:8081", "localhost:8080", false},
        {"http://localhost", "localhost:8080", false},
        {"http://example.com", "example.com:80", true},
        {"https://example.com", "example.com:443", true},
        {"https://example.com", "example.com:80", false},
        {"http://example.com.evil.org", "example.com", false},
        {"http://evil.org/example.com", "example.com", false},
        {"http://notexample.com", "example.com", false},
        {"ftp://example.com", "example.com", false},
        {"http://", "", false},
        {"", "", false},
        {"https://app.example", "other", true},
        {"https://APP.example", "other", true},
        {"https://app.example.evil.org", "other", false},
        {"null", "other", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool got = ws_origin_allowed(cases[i].origin, strlen(cases[i].origin), cases[i].host, strlen(cases[i].host),
                                     allowed, COUNT(allowed));
        if (got != cases[i].expected)
            fail_msg("%s at %s: %d", cases[i].origin, cases[i].host, got);
    }
    assert_true(ws_origin_allowed(NULL, 0, "h", 1, NULL, 0));
    assert_false(ws_origin_allowed("null", 4, "h", 1, NULL, 0));
    assert_true(ws_origin_allowed("http://any", 10, "h", 1, anyone, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conversation),
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_large_lengths),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_bad_text_is_seen_before_the_frame_ends),
        cmocka_unit_test(test_message_limit),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_close_between_fragments),
        cmocka_unit_test(test_utf8_exhaustive),
        cmocka_unit_test(test_utf8_in_long_text),
        cmocka_unit_test(test_memory_follows_what_arrived),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_control_frames),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_client_role),
        cmocka_unit_test(test_sha1),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_accept_key),
        cmocka_unit_test(test_upgrade),
        cmocka_unit_test(test_upgrade_fields),
        cmocka_unit_test(test_origin),
    };
    return cmocka_run_group_tests_name("websocket", tests, NULL, NULL);
}
