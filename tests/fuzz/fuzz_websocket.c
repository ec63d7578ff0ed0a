/*
 * The WebSocket parser: the same events however the bytes are cut, and only valid ones.
 *
 * Input: one byte for the message limit, one for the size of the pieces, then what a client sends.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

typedef struct digest {
    uint64_t hash;
    uint64_t events;
    int last;
} digest;

static void mix(digest *d, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++)
        d->hash = (d->hash ^ bytes[i]) * UINT64_C(0x100000001b3);
}

static void check_event(const ws_event *event, size_t limit, digest *d)
{
    ws_utf8 utf8 = {0, 0, 0};
    REQUIRE(d->last != WS_EVENT_CLOSE && d->last != WS_EVENT_ERROR);
    REQUIRE(event->data != NULL);
    if (event->type == WS_EVENT_TEXT || event->type == WS_EVENT_CLOSE)
        REQUIRE(ws_utf8_feed(&utf8, event->data, event->len) && utf8.need == 0);
    if (event->type == WS_EVENT_TEXT || event->type == WS_EVENT_BINARY)
        REQUIRE(event->len <= limit);
    else if (event->type != WS_EVENT_ERROR)
        REQUIRE(event->len <= WS_CONTROL_MAX);
    if (event->type == WS_EVENT_CLOSE)
        REQUIRE(event->code == WS_CLOSE_NONE || ws_close_code_valid(event->code));
    if (event->type == WS_EVENT_ERROR)
        REQUIRE(ws_close_code_valid(event->code));
    mix(d, &event->type, sizeof event->type);
    mix(d, &event->code, sizeof event->code);
    mix(d, &event->len, sizeof event->len);
    mix(d, event->data, event->len);
    d->last = (int)event->type;
    d->events++;
}

static digest run(const uint8_t *data, size_t size, size_t limit, size_t piece)
{
    digest d = {UINT64_C(0xcbf29ce484222325), 0, WS_EVENT_NONE};
    ws_parser parser;
    ws_parser_init(&parser, WS_ROLE_SERVER, limit, NULL, NULL);
    for (size_t at = 0; at < size;) {
        size_t len = size - at < piece ? size - at : piece;
        uint8_t *copy = malloc(len);
        REQUIRE(copy != NULL);
        memcpy(copy, data + at, len);
        ws_event event;
        size_t used = 0;
        do {
            used += ws_parser_feed(&parser, copy + used, len - used, &event);
            REQUIRE(used <= len);
            if (event.type != WS_EVENT_NONE)
                check_event(&event, limit, &d);
        } while (event.type != WS_EVENT_NONE);
        REQUIRE(used == len);
        free(copy);
        at += len;
    }
    ws_parser_free(&parser);
    return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t limit = (size_t)data[0] * 16;
    size_t piece = (size_t)data[1] + 1;
    digest whole = run(data + 2, size - 2, limit, size);
    digest pieces = run(data + 2, size - 2, limit, piece);
    digest bytes = run(data + 2, size - 2, limit, 1);
    REQUIRE(whole.hash == pieces.hash && whole.events == pieces.events);
    REQUIRE(whole.hash == bytes.hash && whole.events == bytes.events);
    return 0;
}
