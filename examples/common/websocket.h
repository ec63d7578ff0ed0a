/*
 * websocket.h - the WebSocket protocol (RFC 6455) without any I/O.
 *
 * Two files that can be lifted out whole: they need libc and nothing else. Bytes go in, messages come out; headers and
 * handshake answers are written into memory of the caller.
 *
 * What is allocated: nothing for a message that lies whole in one input. A message that arrives in pieces is gathered
 * in a block that grows with what has really arrived, up to the parser's max_message, and is given back when the
 * message has been handed out.
 */
#ifndef EXAMPLES_WEBSOCKET_H
#define EXAMPLES_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WS_OPCODE_CONTINUATION = 0x0,
    WS_OPCODE_TEXT = 0x1,
    WS_OPCODE_BINARY = 0x2,
    WS_OPCODE_CLOSE = 0x8,
    WS_OPCODE_PING = 0x9,
    WS_OPCODE_PONG = 0xA
};

enum {
    WS_CLOSE_NORMAL = 1000,
    WS_CLOSE_GOING_AWAY = 1001,
    WS_CLOSE_PROTOCOL_ERROR = 1002,
    WS_CLOSE_UNSUPPORTED = 1003,
    WS_CLOSE_NONE = 1005, /* "no code was given"; never on the wire */
    WS_CLOSE_BAD_DATA = 1007,
    WS_CLOSE_POLICY = 1008,
    WS_CLOSE_TOO_BIG = 1009,
    WS_CLOSE_INTERNAL = 1011
};

#define WS_CONTROL_MAX       125 /* payload bytes of a ping, pong or close */
#define WS_HEADER_MAX        10  /* an unmasked frame header: 2, 4 or 10 bytes */
#define WS_CONTROL_FRAME_MAX (2 + WS_CONTROL_MAX)
#define WS_ACCEPT_LEN        28

/* ---- receiving ---- */

typedef enum ws_role {
    WS_ROLE_SERVER, /* frames must be masked */
    WS_ROLE_CLIENT  /* frames must not be masked */
} ws_role;

typedef enum ws_event_type {
    WS_EVENT_NONE,   /* the input is used up */
    WS_EVENT_TEXT,   /* a whole message, valid UTF-8 */
    WS_EVENT_BINARY, /* a whole message */
    WS_EVENT_PING,   /* answer with a pong of the same payload */
    WS_EVENT_PONG,
    WS_EVENT_CLOSE, /* the peer closes: answer with a close frame, then close the connection */
    WS_EVENT_ERROR  /* the peer broke the protocol: send a close frame with `code`, then close the connection */
} ws_event_type;

typedef struct ws_event {
    ws_event_type type;
    uint16_t code;       /* of CLOSE (WS_CLOSE_NONE if the peer gave none) and ERROR */
    const uint8_t *data; /* payload; the reason of CLOSE; what was wrong (ASCII) of ERROR; never NULL */
    size_t len;
} ws_event;

/* Incremental UTF-8 check. All zeroes is the start state, and the state between two characters. */
typedef struct ws_utf8 {
    uint8_t need; /* continuation bytes to come */
    uint8_t low;  /* bounds of the next one */
    uint8_t high;
} ws_utf8;

/* As realloc(); size 0 frees and returns NULL. */
typedef void *ws_resize_fn(void *ptr, size_t size, void *user);

/* Members are private. */
typedef struct ws_parser {
    ws_resize_fn *resize;
    void *user;
    size_t max_message;
    uint8_t *store;
    size_t store_len;
    size_t store_cap;
    uint64_t frame_left;
    ws_utf8 utf8;
    ws_role role;
    uint8_t state;
    uint8_t opcode;
    uint8_t message_opcode;
    bool fin;
    uint8_t mask_at;
    uint8_t mask[4];
    uint8_t header_len;
    uint8_t header_need;
    uint8_t header[14];
    uint8_t control_len;
    uint8_t control[WS_CONTROL_MAX];
} ws_parser;

/**
 * Start a parser.
 *
 * @param max_message  longest message in bytes, all fragments together; a longer one is an error with code 1009
 * @param resize       where memory comes from; NULL for realloc and free
 * @param user         handed to resize
 */
void ws_parser_init(ws_parser *parser, ws_role role, size_t max_message, ws_resize_fn *resize, void *user);

/** Give back the memory of a parser. */
void ws_parser_free(ws_parser *parser);

/**
 * Read up to the next event. Call it again with the rest of the input until the event is WS_EVENT_NONE.
 *
 * The input is unmasked in place. What an event points to is valid until the next call, and no longer than the input.
 * After CLOSE or ERROR the rest of the connection is ignored.
 *
 * @return how many bytes of the input were used; all of them when the event is WS_EVENT_NONE
 */
size_t ws_parser_feed(ws_parser *parser, uint8_t *data, size_t len, ws_event *event);

/** Feed bytes to an UTF-8 check; false from the first byte on that cannot be. Complete when `need` is 0. */
bool ws_utf8_feed(ws_utf8 *utf8, const uint8_t *data, size_t len);

/** Whether a peer may send this code in a close frame. */
bool ws_close_code_valid(uint32_t code);

/* ---- sending ---- */

/** Write the header of an unfragmented, unmasked frame; 2, 4 or 10 bytes. */
size_t ws_write_header(uint8_t out[WS_HEADER_MAX], unsigned opcode, uint64_t payload_len);

/** Write a whole unmasked ping or pong; a payload over WS_CONTROL_MAX is cut. Returns the bytes of the frame. */
size_t ws_write_control(uint8_t out[WS_CONTROL_FRAME_MAX], unsigned opcode, const void *payload, size_t len);

/**
 * Write a whole unmasked close frame. WS_CLOSE_NONE gives one without a code. A reason that does not fit is cut
 * between two characters. Returns the bytes of the frame.
 */
size_t ws_write_close(uint8_t out[WS_CONTROL_FRAME_MAX], uint16_t code, const char *reason, size_t reason_len);

/** Mask or unmask in place; `at` is the position of data[0] within the payload. */
void ws_mask(uint8_t *data, size_t len, const uint8_t key[4], size_t at);

/* ---- opening ---- */

/* A header line of the request, without white space around the value. */
typedef struct ws_header {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
} ws_header;

/* What a valid opening request asked for. The pointers are into its headers. */
typedef struct ws_upgrade {
    char accept[WS_ACCEPT_LEN + 1]; /* the answer's Sec-WebSocket-Accept */
    const char *host;
    size_t host_len;
    const char *origin; /* NULL: not a browser */
    size_t origin_len;
    const char *protocols; /* Sec-WebSocket-Protocol; NULL when absent or empty */
    size_t protocols_len;
} ws_upgrade;

/**
 * Check an opening request.
 *
 * @return 101 when the upgrade can be accepted, otherwise the HTTP status to answer with: 400 (malformed), 405 (not a
 *         GET), 426 (no WebSocket request, or another version: answer with "Sec-WebSocket-Version: 13")
 */
int ws_check_upgrade(const char *method, size_t method_len, const ws_header *headers, size_t count, ws_upgrade *out);

/**
 * Whether a page from this origin may connect. True when there is no origin (not a browser), when it is where the
 * request went to (`host`, the Host header), or when it is in the list. "*" in the list stands for all.
 */
bool ws_origin_allowed(const char *origin, size_t origin_len, const char *host, size_t host_len,
                       const char *const *allowed, size_t allowed_count);

/** Whether a word is in a comma-separated list, in whatever letters. */
bool ws_has_token(const char *list, size_t len, const char *token);

/** The answer to a Sec-WebSocket-Key, zero-terminated. */
void ws_accept_key(const char *key, size_t key_len, char out[WS_ACCEPT_LEN + 1]);

/** SHA-1 (FIPS 180-4); good for the handshake and nothing else. */
void ws_sha1(const void *data, size_t len, uint8_t out[20]);

/** Base64 with padding and a terminator: out has room for (len + 2) / 3 * 4 + 1. Returns the length without it. */
size_t ws_base64(const uint8_t *data, size_t len, char *out);

#endif
