#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server_private.h"

#define CLOSE_TRY_LATER 1013

static void begin_close(server_conn *conn, uint16_t code, const char *reason, size_t reason_len)
{
    uint8_t frame[WS_CONTROL_FRAME_MAX];
    bool idle = conn->out_count == 0;
    size_t len = ws_write_close(frame, code, reason, reason_len);
    conn->state = CONN_CLOSING;
    server__timer_set(conn, TIMER_CLOSE);
    server__conn_push_copy(conn, frame, len, SLOT_HEAP);
    if (idle)
        server__conn_flush(conn);
}

void server_conn_close(server_conn *conn, uint16_t code, const char *reason, size_t reason_len)
{
    if (conn->state != CONN_OPEN)
        return;
    begin_close(conn, code, reason, reason_len);
    server__conn_watch(conn);
}

/* One pong waits at most: a newer ping's takes its place. */
static void answer_ping(server_conn *conn, const uint8_t *data, size_t len)
{
    uint8_t frame[WS_CONTROL_FRAME_MAX];
    size_t frame_len = ws_write_control(frame, WS_OPCODE_PONG, data, len);
    bool idle = conn->out_count == 0;
    if (conn->out_count > 1 && conn->out[conn->out_count - 1].kind == SLOT_PONG) {
        conn->out_count--;
        server__slot_release(conn, &conn->out[conn->out_count]);
    }
    server__conn_push_copy(conn, frame, frame_len, SLOT_PONG);
    if (idle)
        server__conn_flush(conn);
}

static void peer_ended(server_conn *conn, uint16_t code, const uint8_t *reason, size_t len)
{
    conn->peer_done = true;
    if (conn->state == CONN_OPEN)
        begin_close(conn, code, (const char *)reason, len);
    else if (conn->state == CONN_CLOSING && conn->out_count == 0)
        server__conn_linger(conn);
}

static void on_event(server_conn *conn, const ws_event *event)
{
    const server_handler *handler = &conn->server->handler;
    switch (event->type) {
    case WS_EVENT_TEXT:
        if (conn->state == CONN_OPEN)
            handler->message(conn, (uint8_t *)(uintptr_t)event->data, event->len, handler->user);
        break;
    case WS_EVENT_BINARY:
        server_conn_close(conn, WS_CLOSE_UNSUPPORTED, "text only", 9);
        break;
    case WS_EVENT_PING:
        if (conn->state == CONN_OPEN)
            answer_ping(conn, event->data, event->len);
        break;
    case WS_EVENT_CLOSE:
        peer_ended(conn, event->code, NULL, 0);
        break;
    case WS_EVENT_ERROR:
        peer_ended(conn, event->code, event->data, event->len);
        break;
    case WS_EVENT_PONG:
    case WS_EVENT_NONE:
        break;
    }
}

void server__ws_feed(server_conn *conn, uint8_t *data, size_t len)
{
    ws_event event;
    size_t at = 0;
    do {
        at += ws_parser_feed(&conn->parser, data + at, len - at, &event);
        on_event(conn, &event);
    } while (event.type != WS_EVENT_NONE && conn->state != CONN_DEAD);
}

static void accept_upgrade(server_conn *conn, const ws_upgrade *upgrade, const char *subprotocol)
{
    char extra[256];
    char head[HTTP_HEAD_MAX];
    snprintf(extra, sizeof extra, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s%s%s",
             upgrade->accept, subprotocol ? "Sec-WebSocket-Protocol: " : "", subprotocol ? subprotocol : "",
             subprotocol ? "\r\n" : "");
    http_response response = {.status = 101, .extra = extra, .keep_alive = true, .now = (uint64_t)time(NULL)};
    size_t len = http_write_head(head, sizeof head, &response);

    server__timer_clear(conn);
    ws_parser_init(&conn->parser, WS_ROLE_SERVER, conn->server->options.max_message, NULL, NULL);
    conn->state = CONN_OPEN;
    server__conn_push_copy(conn, head, len, SLOT_HEAP);
    server__conn_flush(conn);
}

static int upgrade_status(const server_conn *conn, const http_request *request, ws_upgrade *upgrade)
{
    const server_options *options = &conn->server->options;
    int status =
        ws_check_upgrade(request->method, request->method_len, request->headers, request->header_count, upgrade);
    if (status == 101 && !ws_origin_allowed(upgrade->origin, upgrade->origin_len, upgrade->host, upgrade->host_len,
                                            options->origins, options->origin_count))
        status = 403;
    if (status == 101 && conn->server->closed_to_new)
        status = 503;
    return status;
}

int server_conn_upgrade(server_conn *conn, const http_request *request, const char *subprotocol)
{
    ws_upgrade upgrade;
    int status = upgrade_status(conn, request, &upgrade);
    if (status != 101) {
        server__http_refuse(conn, status);
        return -1;
    }
    accept_upgrade(conn, &upgrade, subprotocol);
    conn->owes_closed = conn->state == CONN_OPEN;
    return conn->owes_closed ? 0 : -1;
}

void server__ws_serve(server_conn *conn, const http_request *request)
{
    const server_handler *handler = &conn->server->handler;
    if (server_conn_upgrade(conn, request, NULL) != 0 || !handler->open || handler->open(conn, handler->user) == 0)
        return;
    conn->owes_closed = false;
    server_conn_close(conn, CLOSE_TRY_LATER, "try again later", 15);
}
