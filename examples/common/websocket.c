#include "websocket.h"

#include <stdlib.h>
#include <string.h>

enum { STATE_HEADER, STATE_PAYLOAD, STATE_DONE };

#define FIRST_STORE 1024u

/* ---- UTF-8 ---- */

static bool utf8_lead(ws_utf8 *utf8, uint8_t byte)
{
    utf8->low = 0x80;
    utf8->high = 0xBF;
    if (byte >= 0xC2 && byte <= 0xDF) {
        utf8->need = 1;
    } else if (byte >= 0xE0 && byte <= 0xEF) {
        utf8->need = 2;
        utf8->low = byte == 0xE0 ? 0xA0 : 0x80;
        utf8->high = byte == 0xED ? 0x9F : 0xBF;
    } else if (byte >= 0xF0 && byte <= 0xF4) {
        utf8->need = 3;
        utf8->low = byte == 0xF0 ? 0x90 : 0x80;
        utf8->high = byte == 0xF4 ? 0x8F : 0xBF;
    } else {
        return false;
    }
    return true;
}

static size_t ascii_run(const uint8_t *data, size_t len)
{
    size_t at = 0;
    while (len - at >= 8) {
        uint64_t word;
        memcpy(&word, data + at, sizeof word);
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
        at += 8;
    }
    while (at < len && data[at] < 0x80)
        at++;
    return at;
}

bool ws_utf8_feed(ws_utf8 *utf8, const uint8_t *data, size_t len)
{
    size_t at = 0;
    for (;;) {
        if (utf8->need == 0)
            at += ascii_run(data + at, len - at);
        if (at == len)
            return true;
        uint8_t byte = data[at++];
        if (utf8->need == 0) {
            if (!utf8_lead(utf8, byte))
                return false;
            continue;
        }
        if (byte < utf8->low || byte > utf8->high)
            return false;
        utf8->low = 0x80;
        utf8->high = 0xBF;
        utf8->need--;
    }
}

/* ---- receiving ---- */

static void *default_resize(void *ptr, size_t size, void *user)
{
    (void)user;
    if (size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, size);
}

static void store_release(ws_parser *parser)
{
    if (parser->store)
        parser->resize(parser->store, 0, parser->user);
    parser->store = NULL;
    parser->store_len = 0;
    parser->store_cap = 0;
}

static bool store_reserve(ws_parser *parser, size_t more)
{
    size_t need = parser->store_len + more; /* at most max_message, checked with the frame header */
    if (need <= parser->store_cap)
        return true;
    size_t cap = parser->store_cap ? parser->store_cap : FIRST_STORE;
    if (cap > parser->max_message)
        cap = parser->max_message;
    while (cap < need)
        cap = cap > parser->max_message / 2 ? parser->max_message : cap * 2;
    void *grown = parser->resize(parser->store, cap, parser->user);
    if (!grown)
        return false;
    parser->store = grown;
    parser->store_cap = cap;
    return true;
}

void ws_parser_init(ws_parser *parser, ws_role role, size_t max_message, ws_resize_fn *resize, void *user)
{
    memset(parser, 0, sizeof *parser);
    parser->role = role;
    parser->max_message = max_message;
    parser->resize = resize ? resize : default_resize;
    parser->user = user;
    parser->header_need = 2;
}

void ws_parser_free(ws_parser *parser)
{
    store_release(parser);
    parser->state = STATE_DONE;
}

static void set_event(ws_event *event, ws_event_type type, uint16_t code, const void *data, size_t len)
{
    event->type = type;
    event->code = code;
    event->data = data ? data : (const void *)"";
    event->len = len;
}

static bool fail(ws_parser *parser, ws_event *event, uint16_t code, const char *why)
{
    store_release(parser);
    parser->state = STATE_DONE;
    set_event(event, WS_EVENT_ERROR, code, why, strlen(why));
    return false;
}

static bool is_control(unsigned opcode)
{
    return (opcode & 0x8) != 0;
}

static bool check_opcode(ws_parser *parser, ws_event *event)
{
    switch (parser->opcode) {
    case WS_OPCODE_CONTINUATION:
        if (parser->message_opcode == 0)
            return fail(parser, event, WS_CLOSE_PROTOCOL_ERROR, "continuation of nothing");
        return true;
    case WS_OPCODE_TEXT:
    case WS_OPCODE_BINARY:
        if (parser->message_opcode != 0)
            return fail(parser, event, WS_CLOSE_PROTOCOL_ERROR, "new message inside a fragmented one");
        return true;
    case WS_OPCODE_CLOSE:
    case WS_OPCODE_PING:
    case WS_OPCODE_PONG:
        if (!parser->fin)
            return fail(parser, event, WS_CLOSE_PROTOCOL_ERROR, "fragmented control frame");
        return true;
    default:
        return fail(parser, event, WS_CLOSE_PROTOCOL_ERROR, "reserved opcode");
    }
}

/* The first two bytes say how long the header is. */
static bool begin_header(ws_parser *parser, ws_event *event)
{
    uint8_t first = parser->header[0];
    uint8_t second = parser->header[1];
    bool masked = (second & 0x80) != 0;
    unsigned length = second & 0x7F;

    parser->fin = (first & 0x80) != 0;
    parser->opcode = first & 0x0F;
    if ((first & 0x70) != 0)
        return fail(parser, event, WS_CLOSE_PROTOCOL_ERROR, "reserved bit set");
    if (!check_opcode(parser, event))
        return false;
    if (masked != (parser->role == WS_ROLE_SERVER))
        return fail(parser, event, WS_CLOSE_PROTOCOL_ERROR, masked ? "masked frame" : "frame without mask");
    if (is_control(parser->opcode) && length > WS_CONTROL_MAX)
        return fail(parser, event, WS_CLOSE_PROTOCOL_ERROR, "control frame too long");
    parser->header_need = (uint8_t)(2 + (length == 126 ? 2 : length == 127 ? 8 : 0) + (masked ? 4 : 0));
    return true;
}

static bool read_length(ws_parser *parser, ws_event *event, size_t *at)
{
    uint64_t length = parser->header[1] & 0x7F;
    size_t bytes = length == 126 ? 2 : length == 127 ? 8 : 0;

    *at = 2 + bytes;
    if (bytes > 0) {
        uint64_t least = bytes == 2 ? 126 : 65536;
        length = 0;
        for (size_t i = 0; i < bytes; i++)
            length = length << 8 | parser->header[2 + i];
        if (length < least)
            return fail(parser, event, WS_CLOSE_PROTOCOL_ERROR, "length not in its shortest form");
        if (length >> 63)
            return fail(parser, event, WS_CLOSE_PROTOCOL_ERROR, "length with its highest bit set");
    }
    parser->frame_left = length;
    return true;
}

static bool finish_header(ws_parser *parser, ws_event *event)
{
    size_t at;
    if (!read_length(parser, event, &at))
        return false;
    memset(parser->mask, 0, sizeof parser->mask);
    if (parser->role == WS_ROLE_SERVER)
        memcpy(parser->mask, parser->header + at, sizeof parser->mask);
    parser->mask_at = 0;
    parser->header_len = 0;
    parser->header_need = 2;
    parser->state = STATE_PAYLOAD;
    if (is_control(parser->opcode)) {
        parser->control_len = 0;
        return true;
    }
    if (parser->frame_left > parser->max_message - parser->store_len)
        return fail(parser, event, WS_CLOSE_TOO_BIG, "message too big");
    if (parser->opcode != WS_OPCODE_CONTINUATION) {
        parser->message_opcode = parser->opcode;
        memset(&parser->utf8, 0, sizeof parser->utf8);
    }
    return true;
}

/* Take header bytes; false when the input ended or an error was set. */
static bool take_header(ws_parser *parser, const uint8_t *data, size_t len, size_t *used, ws_event *event)
{
    while (parser->header_len < parser->header_need) {
        if (*used == len)
            return false;
        parser->header[parser->header_len++] = data[(*used)++];
        if (parser->header_len == 2 && !begin_header(parser, event))
            return false;
    }
    return finish_header(parser, event);
}

static void finish_close(ws_parser *parser, ws_event *event)
{
    const uint8_t *payload = parser->control;
    size_t len = parser->control_len;
    ws_utf8 utf8 = {0, 0, 0};

    if (len == 0) {
        parser->state = STATE_DONE;
        set_event(event, WS_EVENT_CLOSE, WS_CLOSE_NONE, NULL, 0);
        return;
    }
    uint16_t code = 0;
    if (len >= 2)
        code = (uint16_t)(payload[0] << 8 | payload[1]);
    if (!ws_close_code_valid(code)) {
        fail(parser, event, WS_CLOSE_PROTOCOL_ERROR, "bad close code");
        return;
    }
    if (!ws_utf8_feed(&utf8, payload + 2, len - 2) || utf8.need != 0) {
        fail(parser, event, WS_CLOSE_BAD_DATA, "close reason is not UTF-8");
        return;
    }
    store_release(parser);
    parser->state = STATE_DONE;
    set_event(event, WS_EVENT_CLOSE, code, payload + 2, len - 2);
}

static void finish_control(ws_parser *parser, ws_event *event)
{
    parser->state = STATE_HEADER;
    if (parser->opcode == WS_OPCODE_CLOSE)
        finish_close(parser, event);
    else
        set_event(event, parser->opcode == WS_OPCODE_PING ? WS_EVENT_PING : WS_EVENT_PONG, 0, parser->control,
                  parser->control_len);
}

static void finish_message(ws_parser *parser, const uint8_t *data, size_t len, ws_event *event)
{
    bool text = parser->message_opcode == WS_OPCODE_TEXT;
    if (text && parser->utf8.need != 0) {
        fail(parser, event, WS_CLOSE_BAD_DATA, "text is not UTF-8");
        return;
    }
    parser->message_opcode = 0;
    set_event(event, text ? WS_EVENT_TEXT : WS_EVENT_BINARY, 0, data, len);
}

static void take_control(ws_parser *parser, const uint8_t *data, size_t len, ws_event *event)
{
    if (len > 0)
        memcpy(parser->control + parser->control_len, data, len);
    parser->control_len = (uint8_t)(parser->control_len + len);
    if (parser->frame_left == 0)
        finish_control(parser, event);
}

static void take_data(ws_parser *parser, const uint8_t *data, size_t len, ws_event *event)
{
    if (parser->message_opcode == WS_OPCODE_TEXT && !ws_utf8_feed(&parser->utf8, data, len)) {
        fail(parser, event, WS_CLOSE_BAD_DATA, "text is not UTF-8");
        return;
    }
    bool frame_done = parser->frame_left == 0;
    if (frame_done)
        parser->state = STATE_HEADER;
    if (frame_done && parser->fin && parser->store_len == 0) {
        finish_message(parser, data, len, event);
        return;
    }
    if (len > 0) {
        if (!store_reserve(parser, len)) {
            fail(parser, event, WS_CLOSE_INTERNAL, "out of memory");
            return;
        }
        memcpy(parser->store + parser->store_len, data, len);
        parser->store_len += len;
    }
    if (frame_done && parser->fin)
        finish_message(parser, parser->store, parser->store_len, event);
}

static size_t take_payload(ws_parser *parser, uint8_t *data, size_t len, ws_event *event)
{
    size_t chunk = parser->frame_left < len ? (size_t)parser->frame_left : len;
    if (parser->role == WS_ROLE_SERVER)
        ws_mask(data, chunk, parser->mask, parser->mask_at);
    parser->mask_at = (uint8_t)((parser->mask_at + chunk) & 3);
    parser->frame_left -= chunk;
    if (is_control(parser->opcode))
        take_control(parser, data, chunk, event);
    else
        take_data(parser, data, chunk, event);
    return chunk;
}

size_t ws_parser_feed(ws_parser *parser, uint8_t *data, size_t len, ws_event *event)
{
    size_t used = 0;
    set_event(event, WS_EVENT_NONE, 0, NULL, 0);
    if (parser->message_opcode == 0)
        store_release(parser); /* the message handed out by the last call */
    while (event->type == WS_EVENT_NONE) {
        if (parser->state == STATE_DONE)
            return len;
        if (parser->state == STATE_HEADER && !take_header(parser, data, len, &used, event))
            break;
        if (used == len && parser->frame_left > 0)
            break;
        used += take_payload(parser, data ? data + used : data, len - used, event);
    }
    return used;
}

bool ws_close_code_valid(uint32_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/* ---- sending ---- */

size_t ws_write_header(uint8_t out[WS_HEADER_MAX], unsigned opcode, uint64_t payload_len)
{
    size_t bytes = payload_len < 126 ? 0 : payload_len < 65536 ? 2 : 8;
    out[0] = (uint8_t)(0x80 | opcode);
    out[1] = (uint8_t)(bytes == 0 ? payload_len : bytes == 2 ? 126 : 127);
    for (size_t i = 0; i < bytes; i++)
        out[2 + i] = (uint8_t)(payload_len >> (8 * (bytes - 1 - i)));
    return 2 + bytes;
}

size_t ws_write_control(uint8_t out[WS_CONTROL_FRAME_MAX], unsigned opcode, const void *payload, size_t len)
{
    if (len > WS_CONTROL_MAX)
        len = WS_CONTROL_MAX;
    size_t header = ws_write_header(out, opcode, len);
    if (len > 0)
        memcpy(out + header, payload, len);
    return header + len;
}

size_t ws_write_close(uint8_t out[WS_CONTROL_FRAME_MAX], uint16_t code, const char *reason, size_t reason_len)
{
    uint8_t payload[WS_CONTROL_MAX];
    if (code == WS_CLOSE_NONE)
        return ws_write_control(out, WS_OPCODE_CLOSE, NULL, 0);
    if (reason_len > WS_CONTROL_MAX - 2) {
        reason_len = WS_CONTROL_MAX - 2;
        while (reason_len > 0 && ((uint8_t)reason[reason_len] & 0xC0) == 0x80)
            reason_len--;
    }
    payload[0] = (uint8_t)(code >> 8);
    payload[1] = (uint8_t)code;
    if (reason_len > 0)
        memcpy(payload + 2, reason, reason_len);
    return ws_write_control(out, WS_OPCODE_CLOSE, payload, reason_len + 2);
}

void ws_mask(uint8_t *data, size_t len, const uint8_t key[4], size_t at)
{
    uint8_t turned[8];
    uint64_t wide;
    size_t i = 0;

    for (size_t k = 0; k < sizeof turned; k++)
        turned[k] = key[(at + k) & 3];
    memcpy(&wide, turned, sizeof wide);
    for (; len - i >= 8; i += 8) {
        uint64_t word;
        memcpy(&word, data + i, sizeof word);
        word ^= wide;
        memcpy(data + i, &word, sizeof word);
    }
    for (; i < len; i++)
        data[i] ^= turned[i & 7];
}

/* ---- opening ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool equals(const char *a, size_t a_len, const char *b, size_t b_len)
{
    if (a_len != b_len)
        return false;
    for (size_t i = 0; i < a_len; i++) {
        if (lower(a[i]) != lower(b[i]))
            return false;
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Whether a comma-separated list contains a token. */
bool ws_has_token(const char *list, size_t len, const char *token)
{
    size_t at = 0;
    while (at < len) {
        size_t begin = at;
        while (at < len && list[at] != ',')
            at++;
        size_t end = at++;
        while (begin < end && is_blank(list[begin]))
            begin++;
        while (end > begin && is_blank(list[end - 1]))
            end--;
        if (equals(list + begin, end - begin, token, strlen(token)))
            return true;
    }
    return false;
}

typedef struct found {
    const ws_header *first;
    size_t count;
} found;

static found find_header(const ws_header *headers, size_t count, const char *name)
{
    found result = {NULL, 0};
    for (size_t i = 0; i < count; i++) {
        if (!equals(headers[i].name, headers[i].name_len, name, strlen(name)))
            continue;
        if (result.count++ == 0)
            result.first = &headers[i];
    }
    return result;
}

static bool any_has_token(const ws_header *headers, size_t count, const char *name, const char *token)
{
    for (size_t i = 0; i < count; i++) {
        if (equals(headers[i].name, headers[i].name_len, name, strlen(name)) &&
            ws_has_token(headers[i].value, headers[i].value_len, token))
            return true;
    }
    return false;
}

static bool is_base64_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* 16 bytes in base64: 22 characters and two of padding. */
static bool key_valid(const char *key, size_t len)
{
    if (len != 24 || key[22] != '=' || key[23] != '=')
        return false;
    for (size_t i = 0; i < 22; i++) {
        if (!is_base64_char(key[i]))
            return false;
    }
    return true;
}

int ws_check_upgrade(const char *method, size_t method_len, const ws_header *headers, size_t count, ws_upgrade *out)
{
    found key = find_header(headers, count, "Sec-WebSocket-Key");
    found version = find_header(headers, count, "Sec-WebSocket-Version");
    found origin = find_header(headers, count, "Origin");
    found host = find_header(headers, count, "Host");
    found protocols = find_header(headers, count, "Sec-WebSocket-Protocol");

    memset(out, 0, sizeof *out);
    if (method_len != 3 || memcmp(method, "GET", 3) != 0)
        return 405;
    if (!any_has_token(headers, count, "Upgrade", "websocket") ||
        !any_has_token(headers, count, "Connection", "Upgrade"))
        return 426;
    if (version.count != 1 || !equals(version.first->value, version.first->value_len, "13", 2))
        return 426;
    if (key.count != 1 || !key_valid(key.first->value, key.first->value_len) || host.count != 1 || origin.count > 1)
        return 400;
    ws_accept_key(key.first->value, key.first->value_len, out->accept);
    out->host = host.first->value;
    out->host_len = host.first->value_len;
    if (origin.count == 1) {
        out->origin = origin.first->value;
        out->origin_len = origin.first->value_len;
    }
    if (protocols.count > 0 && protocols.first->value_len > 0) {
        out->protocols = protocols.first->value;
        out->protocols_len = protocols.first->value_len;
    }
    return 101;
}

static size_t without_port(const char *authority, size_t len, const char *port)
{
    size_t port_len = strlen(port);
    if (len > port_len && memcmp(authority + len - port_len, port, port_len) == 0)
        return len - port_len;
    return len;
}

static bool same_origin(const char *origin, size_t origin_len, const char *host, size_t host_len)
{
    static const struct {
        const char *scheme;
        const char *port;
    } schemes[] = {{"http://", ":80"}, {"https://", ":443"}};

    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t skip = strlen(schemes[i].scheme);
        if (origin_len <= skip || !equals(origin, skip, schemes[i].scheme, skip))
            continue;
        const char *authority = origin + skip;
        size_t len = without_port(authority, origin_len - skip, schemes[i].port);
        return equals(authority, len, host, without_port(host, host_len, schemes[i].port));
    }
    return false;
}

bool ws_origin_allowed(const char *origin, size_t origin_len, const char *host, size_t host_len,
                       const char *const *allowed, size_t allowed_count)
{
    if (!origin)
        return true;
    if (same_origin(origin, origin_len, host, host_len))
        return true;
    for (size_t i = 0; i < allowed_count; i++) {
        if (strcmp(allowed[i], "*") == 0 || equals(origin, origin_len, allowed[i], strlen(allowed[i])))
            return true;
    }
    return false;
}

static uint32_t rotate(uint32_t value, unsigned by)
{
    return value << by | value >> (32 - by);
}

static void sha1_block(uint32_t state[5], const uint8_t block[64])
{
    uint32_t w[80];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];

    for (size_t i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
               block[4 * i + 3];
    for (size_t i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (size_t i = 0; i < 80; i++) {
        uint32_t mix;
        uint32_t constant;
        if (i < 20) {
            mix = (b & c) | (~b & d);
            constant = 0x5A827999;
        } else if (i < 40) {
            mix = b ^ c ^ d;
            constant = 0x6ED9EBA1;
        } else if (i < 60) {
            mix = (b & c) | (b & d) | (c & d);
            constant = 0x8F1BBCDC;
        } else {
            mix = b ^ c ^ d;
            constant = 0xCA62C1D6;
        }
        uint32_t next = rotate(a, 5) + mix + e + constant + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

void ws_sha1(const void *data, size_t len, uint8_t out[20])
{
    uint32_t state[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    const uint8_t *bytes = data;
    uint8_t last[128] = {0};
    size_t whole = len / 64 * 64;
    size_t rest = len - whole;
    size_t last_len = rest < 56 ? 64 : 128;
    uint64_t bits = (uint64_t)len * 8;

    for (size_t at = 0; at < whole; at += 64)
        sha1_block(state, bytes + at);
    if (rest > 0)
        memcpy(last, bytes + whole, rest);
    last[rest] = 0x80;
    for (size_t i = 0; i < 8; i++)
        last[last_len - 1 - i] = (uint8_t)(bits >> (8 * i));
    for (size_t at = 0; at < last_len; at += 64)
        sha1_block(state, last + at);
    for (size_t i = 0; i < 20; i++)
        out[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

size_t ws_base64(const uint8_t *data, size_t len, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t written = 0;

    for (size_t at = 0; at < len; at += 3) {
        size_t have = len - at < 3 ? len - at : 3;
        uint32_t group = (uint32_t)data[at] << 16;
        if (have > 1)
            group |= (uint32_t)data[at + 1] << 8;
        if (have > 2)
            group |= data[at + 2];
        out[written++] = digits[group >> 18];
        out[written++] = digits[group >> 12 & 63];
        out[written++] = have > 1 ? digits[group >> 6 & 63] : '=';
        out[written++] = have > 2 ? digits[group & 63] : '=';
    }
    out[written] = '\0';
    return written;
}

void ws_accept_key(const char *key, size_t key_len, char out[WS_ACCEPT_LEN + 1])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t text[64 + sizeof guid];
    uint8_t digest[20];

    if (key_len > 64)
        key_len = 64;
    memcpy(text, key, key_len);
    memcpy(text + key_len, guid, sizeof guid - 1);
    ws_sha1(text, key_len + sizeof guid - 1, digest);
    ws_base64(digest, sizeof digest, out);
}
