#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server_private.h"

/* ---- responses ---- */

static bool push_head(server_conn *conn, const http_response *response)
{
    char head[HTTP_HEAD_MAX];
    size_t len = http_write_head(head, sizeof head, response);
    if (len == 0)
        server__conn_kill(conn);
    else
        server__conn_push_copy(conn, head, len, SLOT_HEAP);
    return conn->state != CONN_DEAD;
}

/* `body` says how long the page's bytes stay: for ever (SLOT_STATIC), or until this returns (SLOT_HEAP). */
static void respond(server_conn *conn, int status, const server_route *page, server_slot_kind body, bool send_body,
                    const char *extra)
{
    http_response response = {.status = status,
                              .type = page->type,
                              .extra = extra,
                              .body_len = page->len,
                              .keep_alive = conn->keep_alive,
                              .now = (uint64_t)time(NULL)};
    conn->owes_closed = false;
    conn->state = CONN_RESPONSE;
    server__timer_set(conn, TIMER_RESPONSE);
    if (!push_head(conn, &response))
        return;
    if (send_body && page->len > 0 && body == SLOT_HEAP)
        server__conn_push_copy(conn, page->data, page->len, SLOT_HEAP);
    else if (send_body && page->len > 0)
        server__conn_push(conn, page->data, page->len, NULL, SLOT_STATIC);
    server__conn_flush(conn);
}

void server__http_refuse(server_conn *conn, int status)
{
    const char *text = http_status_text(status);
    const server_route page = {NULL, "text/plain; charset=utf-8", (const uint8_t *)text, strlen(text)};
    const char *extra = NULL;
    if (status == 405)
        extra = "Allow: GET, HEAD\r\n";
    else if (status == 426)
        extra = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    if (status != 404)
        conn->keep_alive = false;
    respond(conn, status, &page, SLOT_STATIC, true, extra);
}

void server_conn_respond(server_conn *conn, const server_response *response)
{
    const server_route page = {NULL, response->type, response->data, response->len};
    if (conn->state != CONN_WAITING)
        return;
    respond(conn, response->status, &page, SLOT_HEAP, response->type != NULL && !conn->is_head, response->extra);
    server__http_next(conn);
    server__conn_watch(conn);
}

void server_conn_respond_text(server_conn *conn, int status, const char *text, const char *extra)
{
    server_response response = {.status = status, .extra = extra};
    if (text) {
        response.type = "text/plain; charset=utf-8";
        response.data = (const uint8_t *)text;
        response.len = strlen(text);
    }
    server_conn_respond(conn, &response);
}

/* ---- streams ---- */

int server_conn_stream(server_conn *conn, const char *type, const char *extra)
{
    http_response response = {.status = 200, .type = type, .extra = extra, .now = (uint64_t)time(NULL)};
    if (conn->state != CONN_WAITING)
        return -1;
    response.is_chunked = conn->is_chunked;
    response.is_endless = !conn->is_chunked;
    conn->keep_alive = false;
    conn->state = CONN_STREAM;
    if (!push_head(conn, &response))
        return -1;
    server__conn_flush(conn);
    server__conn_watch(conn);
    return conn->state == CONN_STREAM ? 0 : -1;
}

/* The data as one chunk, in a block of its own; NULL when out of memory. */
static uint8_t *make_chunk(const server_conn *conn, const void *data, size_t len, size_t *chunk_len)
{
    char size[24] = "";
    size_t size_len = 0;
    size_t end_len = conn->is_chunked ? 2 : 0;
    if (conn->is_chunked)
        size_len = (size_t)snprintf(size, sizeof size, "%zx\r\n", len);
    uint8_t *chunk = malloc(size_len + len + end_len);
    if (!chunk)
        return NULL;
    memcpy(chunk, size, size_len);
    memcpy(chunk + size_len, data, len);
    memcpy(chunk + size_len + len, "\r\n", end_len);
    *chunk_len = size_len + len + end_len;
    return chunk;
}

int server_stream_write(server_conn *conn, const void *data, size_t len)
{
    size_t chunk_len;
    if (conn->state != CONN_STREAM)
        return -1;
    conn->blocked = conn->out_count > 0;
    if (conn->blocked || len == 0)
        return conn->blocked ? 0 : 1;
    uint8_t *chunk = make_chunk(conn, data, len, &chunk_len);
    if (chunk)
        server__conn_push(conn, chunk, chunk_len, chunk, SLOT_HEAP);
    else
        server__conn_kill(conn);
    server__conn_flush(conn);
    server__conn_watch(conn);
    return conn->state == CONN_STREAM ? 1 : -1;
}

void server_stream_end(server_conn *conn)
{
    static const char end[] = "0\r\n\r\n";
    if (conn->state != CONN_STREAM)
        return;
    conn->owes_closed = false;
    conn->blocked = false;
    conn->state = CONN_RESPONSE;
    server__timer_set(conn, TIMER_RESPONSE);
    if (conn->is_chunked)
        server__conn_push(conn, end, sizeof end - 1, NULL, SLOT_STATIC);
    server__conn_flush(conn);
    server__conn_watch(conn);
}

/* ---- pages ---- */

static const server_route *find_page(const server_options *options, const http_request *request)
{
    for (size_t i = 0; i < options->page_count; i++) {
        const server_route *page = &options->pages[i];
        if (strlen(page->path) == request->path_len && memcmp(page->path, request->path, request->path_len) == 0)
            return page;
    }
    return NULL;
}

static void serve_page(server_conn *conn, const http_request *request)
{
    static const char headers[] = "Cache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n"
                                  "Referrer-Policy: no-referrer\r\nX-Frame-Options: DENY\r\n"
                                  "Content-Security-Policy: default-src 'self'; connect-src 'self' ws: wss:\r\n";
    const server_handler *handler = &conn->server->handler;
    const server_route *page = find_page(&conn->server->options, request);
    bool head = http_method_is(request, "HEAD");
    server_route made;
    if (!head && !http_method_is(request, "GET"))
        server__http_refuse(conn, 405);
    else if (page)
        respond(conn, 200, page, SLOT_STATIC, !head, headers);
    else if (handler->page && handler->page(request->path, request->path_len, &made, handler->user) == 0)
        respond(conn, 200, &made, SLOT_HEAP, !head, headers);
    else
        server__http_refuse(conn, 404);
}

/* Whether the handler takes the request: it has answered, or will. */
static bool serve_by_handler(server_conn *conn, const http_request *request)
{
    const server_handler *handler = &conn->server->handler;
    const server_request all = {request, conn->body, conn->body_len};
    if (!handler->request)
        return false;
    conn->state = CONN_WAITING;
    conn->owes_closed = true;
    server__timer_clear(conn);
    conn->data = NULL;
    if (handler->request(conn, &all, handler->user) == 0)
        return true;
    conn->owes_closed = false;
    return false;
}

static void serve(server_conn *conn, const http_request *request)
{
    const char *websocket = conn->server->options.websocket;
    conn->keep_alive = request->keep_alive && !conn->server->closed_to_new;
    conn->is_chunked = !request->is_http10;
    conn->is_head = http_method_is(request, "HEAD");
    if (websocket && strlen(websocket) == request->path_len && memcmp(websocket, request->path, request->path_len) == 0)
        server__ws_serve(conn, request);
    else if (!serve_by_handler(conn, request))
        serve_page(conn, request);
}

/* ---- requests ---- */

static void drop_head(server_conn *conn, size_t len)
{
    conn->head_len -= len;
    memmove(conn->head, conn->head + len, conn->head_len);
}

/* A body is announced: move what is here of it behind the head to a place of its own. 0 or a status to refuse with. */
static int begin_body(server_conn *conn, const http_request *request, size_t head_len)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const http_server *server = conn->server;
    const ws_header *expect = http_header(request, "expect");
    size_t here = conn->head_len - head_len;
    if (server->options.max_body == 0 || !server->handler.request)
        return 413;
    if (request->is_chunked)
        return 411;
    if (request->content_length > server->options.max_body)
        return 413;
    conn->body_need = (size_t)request->content_length;
    conn->body = malloc(conn->body_need);
    if (!conn->body)
        return 503;
    if (here > conn->body_need)
        here = conn->body_need;
    memcpy(conn->body, conn->head + head_len, here);
    memmove(conn->head + head_len, conn->head + head_len + here, conn->head_len - head_len - here);
    conn->head_len -= here;
    conn->body_len = here;
    if (here == 0 && expect && http_equals(expect->value, expect->value_len, "100-continue")) {
        server__conn_push(conn, go_on, sizeof go_on - 1, NULL, SLOT_STATIC);
        server__conn_flush(conn);
    }
    return 0;
}

/* Head and body are complete. */
static void finish_request(server_conn *conn, const http_request *request, size_t head_len)
{
    serve(conn, request);
    free(conn->body);
    conn->body = NULL;
    conn->body_len = 0;
    conn->body_need = 0;
    if (conn->state != CONN_DEAD && conn->state != CONN_LINGER)
        drop_head(conn, head_len);
}

/* One request, if it is complete. */
static void next_request(server_conn *conn, size_t seen)
{
    http_request request;
    size_t len = http_head_len(conn->head, conn->head_len, seen);
    if (len == 0) {
        if (conn->head_len == conn->server->options.max_head) {
            conn->keep_alive = false;
            server__http_refuse(conn, memchr(conn->head, '\r', conn->head_len) ? 431 : 414);
        }
        return;
    }
    int status = http_parse_head(conn->head, len, &request);
    if (status == 0 && request.has_body)
        status = begin_body(conn, &request, len);
    if (status != 0) {
        server__http_refuse(conn, status);
    } else if (conn->body_len < conn->body_need) {
        conn->request_len = len;
        conn->state = CONN_BODY;
    } else {
        finish_request(conn, &request, len);
    }
}

static void skip_empty_lines(server_conn *conn)
{
    size_t skip = 0;
    while (skip + 2 <= conn->head_len && conn->head[skip] == '\r' && conn->head[skip + 1] == '\n')
        skip += 2;
    if (skip > 0)
        drop_head(conn, skip);
}

static void serve_requests(server_conn *conn, size_t seen)
{
    size_t before;
    conn->is_serving = true;
    do {
        before = conn->head_len;
        skip_empty_lines(conn);
        if (conn->head_len < before)
            seen = 0;
        before = conn->head_len;
        next_request(conn, seen);
        seen = 0;
    } while (conn->state == CONN_REQUEST && conn->head_len > 0 && conn->head_len < before);
    conn->is_serving = false;
    if (conn->state == CONN_OPEN || conn->state == CONN_CLOSING) {
        server__ws_feed(conn, (uint8_t *)conn->head, conn->head_len);
        free(conn->head);
        conn->head = NULL;
        conn->head_len = 0;
    }
}

void server__http_head(server_conn *conn, size_t more)
{
    size_t seen = conn->head_len;
    conn->head_len += more;
    serve_requests(conn, seen);
}

void server__http_body(server_conn *conn, size_t more)
{
    http_request request;
    conn->body_len += more;
    if (conn->body_len < conn->body_need)
        return;
    conn->is_serving = true;
    http_parse_head(conn->head, conn->request_len, &request); /* once more: its bytes are the same */
    finish_request(conn, &request, conn->request_len);
    conn->is_serving = false;
    server__http_next(conn);
}

void server__http_next(server_conn *conn)
{
    if (conn->state == CONN_REQUEST && conn->head_len > 0 && !conn->is_serving)
        serve_requests(conn, 0);
}
