#include "server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http.h"
#include "server_private.h"

#define CLOSE_TRY_LATER 1013

/* ---- life ---- */

static void timer_clear(server_conn *conn)
{
    if (conn->timer == TIMER_NONE)
        return;
    server_deadlines *list = &conn->server->timers[conn->timer];
    if (conn->timer_prev)
        conn->timer_prev->timer_next = conn->timer_next;
    else
        list->first = conn->timer_next;
    if (conn->timer_next)
        conn->timer_next->timer_prev = conn->timer_prev;
    else
        list->last = conn->timer_prev;
    conn->timer_prev = NULL;
    conn->timer_next = NULL;
    conn->timer = TIMER_NONE;
}

/* All deadlines of a kind are equally far away, so the newest is the last. */
static void timer_set(server_conn *conn, server_timer kind)
{
    server_deadlines *list = &conn->server->timers[kind];
    timer_clear(conn);
    conn->deadline = conn->server->now + list->duration;
    conn->timer = (uint8_t)kind;
    conn->timer_prev = list->last;
    if (list->last)
        list->last->timer_next = conn;
    else
        list->first = conn;
    list->last = conn;
}

static void tune_socket(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on); /* finds peers that vanished without a word */
#ifdef TCP_KEEPIDLE
    int idle = 60;
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
#endif
#ifdef TCP_USER_TIMEOUT
    unsigned unanswered_ms = 60000;
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered_ms, sizeof unanswered_ms);
#endif
}

int server__conn_accept(http_server *server, int fd)
{
    server_conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return -1;
    conn->head = malloc(server->options.max_head);
    if (!conn->head || server_events_add(server->events, fd, SERVER_READ, &conn->source) != 0) {
        free(conn->head);
        free(conn);
        return -1;
    }
    tune_socket(fd);
    conn->source = (server_source){SOURCE_CONN, fd};
    conn->server = server;
    conn->interest = SERVER_READ;
    conn->timer = TIMER_NONE;
    conn->next = server->conns;
    if (server->conns)
        server->conns->prev = conn;
    server->conns = conn;
    server->conn_count++;
    timer_set(conn, TIMER_REQUEST);
    return 0;
}

static void slot_release(server_conn *conn, server_slot *slot)
{
    const server_handler *handler = &conn->server->handler;
    if (slot->kind == SLOT_HEAP || slot->kind == SLOT_PONG)
        free(slot->owner);
    else if (slot->kind == SLOT_KEPT && handler->drop)
        handler->drop(slot->owner, handler->user);
}

void server__conn_kill(server_conn *conn)
{
    if (conn->state == CONN_DEAD)
        return;
    timer_clear(conn);
    server_events_remove(conn->server->events, conn->source.fd);
    conn->state = CONN_DEAD;
    conn->next_dead = conn->server->dead;
    conn->server->dead = conn;
}

static void tell_closed(server_conn *conn)
{
    if (!conn->owes_closed)
        return;
    conn->owes_closed = false;
    conn->server->handler.closed(conn, conn->server->handler.user);
}

static void conn_free(server_conn *conn)
{
    http_server *server = conn->server;
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        server->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    server->conn_count--;
    close(conn->source.fd);
    for (size_t i = 0; i < conn->out_count; i++)
        slot_release(conn, &conn->out[i]);
    ws_parser_free(&conn->parser);
    free(conn->head);
    free(conn);
}

void server__reap(http_server *server)
{
    while (server->dead) {
        server_conn *conn = server->dead;
        server->dead = conn->next_dead;
        tell_closed(conn);
        conn_free(conn);
    }
}

void server_conn_set_data(server_conn *conn, void *data)
{
    conn->data = data;
}

void *server_conn_data(const server_conn *conn)
{
    return conn->data;
}

/* ---- output ---- */

static void update_interest(server_conn *conn)
{
    unsigned want = 0;
    if (conn->state == CONN_DEAD)
        return;
    if (conn->state != CONN_RESPONSE)
        want |= SERVER_READ;
    if (conn->out_count > 0 || conn->blocked)
        want |= SERVER_WRITE;
    if (want == conn->interest)
        return;
    if (server_events_change(conn->server->events, conn->source.fd, want, &conn->source) != 0)
        server__conn_kill(conn);
    conn->interest = (uint8_t)want;
}

/* One system call, without signals; the cheaper one where it will do. */
static ssize_t send_once(int fd, struct iovec *iov, size_t count)
{
    struct msghdr message;
    if (count == 1)
        return send(fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL);
    memset(&message, 0, sizeof message);
    message.msg_iov = iov;
    message.msg_iovlen = count;
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* What was sent; -1 would block, -2 broken. */
static int64_t send_iov(server_conn *conn, struct iovec *iov, size_t count)
{
    for (;;) {
        ssize_t sent = send_once(conn->source.fd, iov, count);
        if (sent >= 0)
            return sent;
        if (errno == EINTR)
            continue;
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? -1 : -2;
    }
}

static void out_remove(server_conn *conn, size_t count)
{
    for (size_t i = 0; i < count; i++)
        slot_release(conn, &conn->out[i]);
    conn->out_count = (uint8_t)(conn->out_count - count);
    memmove(conn->out, conn->out + count, conn->out_count * sizeof conn->out[0]);
}

/* Send what waits; true when nothing is left. */
static bool flush(server_conn *conn)
{
    while (conn->out_count > 0 && conn->state != CONN_DEAD) {
        struct iovec iov[SERVER_OUT_SLOTS];
        for (size_t i = 0; i < conn->out_count; i++)
            iov[i] = (struct iovec){(void *)(uintptr_t)conn->out[i].data, conn->out[i].len};
        int64_t sent = send_iov(conn, iov, conn->out_count);
        if (sent == -2)
            server__conn_kill(conn);
        if (sent < 0)
            return false;
        size_t left = (size_t)sent;
        size_t done = 0;
        while (done < conn->out_count && left >= conn->out[done].len)
            left -= conn->out[done++].len;
        out_remove(conn, done);
        if (conn->out_count > 0) {
            conn->out[0].data += left;
            conn->out[0].len -= left;
        }
    }
    return conn->state != CONN_DEAD;
}

static bool out_push(server_conn *conn, const void *data, size_t len, void *owner, server_slot_kind kind)
{
    if (conn->out_count == SERVER_OUT_SLOTS)
        return false;
    conn->out[conn->out_count++] = (server_slot){data, len, owner, kind};
    return true;
}

static void push_copy(server_conn *conn, const void *data, size_t len, server_slot_kind kind)
{
    void *copy = malloc(len);
    if (copy)
        memcpy(copy, data, len);
    if (!copy || !out_push(conn, copy, len, copy, kind)) {
        free(copy);
        server__conn_kill(conn);
    }
}

static void begin_linger(server_conn *conn)
{
    shutdown(conn->source.fd, SHUT_WR);
    conn->state = CONN_LINGER;
    conn->head_len = 0;
    timer_set(conn, TIMER_CLOSE);
}

/* Nothing waits for the socket any more. */
static void flushed(server_conn *conn)
{
    switch ((server_state)conn->state) {
    case CONN_RESPONSE:
        if (conn->keep_alive) {
            conn->state = CONN_REQUEST;
            timer_set(conn, TIMER_REQUEST);
        } else {
            begin_linger(conn);
        }
        break;
    case CONN_OPEN:
        if (conn->blocked) {
            conn->blocked = false;
            if (conn->server->handler.writable)
                conn->server->handler.writable(conn, conn->server->handler.user);
        }
        break;
    case CONN_CLOSING:
        conn->blocked = false;
        if (conn->peer_done)
            begin_linger(conn);
        break;
    default:
        break;
    }
}

static void push_out(server_conn *conn)
{
    if (flush(conn))
        flushed(conn);
}

/* Lay out as many pieces as one system call takes; how many those are. */
static size_t gather(http_server *server, const server_piece *pieces, size_t count, size_t *iov_count, size_t *bytes)
{
    size_t used = 0;
    size_t iovs = 0;
    size_t at = 0;
    bool joinable = false; /* the last iovec ends where the next copy goes */

    *bytes = 0;
    for (; at < count; at++) {
        const server_piece *piece = &pieces[at];
        bool copy = piece->len <= SERVER_COPY_MAX && piece->len <= SERVER_GATHER - used;
        if (copy && joinable) {
            server->iov[iovs - 1].iov_len += piece->len;
        } else {
            if (iovs == SERVER_IOV)
                break;
            void *from = copy ? server->gather + used : (void *)(uintptr_t)piece->data;
            server->iov[iovs++] = (struct iovec){from, piece->len};
        }
        if (copy) {
            memcpy(server->gather + used, piece->data, piece->len);
            used += piece->len;
        }
        joinable = copy;
        *bytes += piece->len;
    }
    *iov_count = iovs;
    return at;
}

/* Gather, unless it has been done for the last connection: what is sent to many is laid out once. Owners are kept until
 * then, so that the same pieces are the same bytes. */
static size_t lay_out(http_server *server, const server_piece *pieces, size_t count)
{
    server_layout *layout = &server->layout;
    const server_handler *handler = &server->handler;
    if (count == layout->count && memcmp(layout->pieces, pieces, count * sizeof *pieces) == 0)
        return count;
    server__layout_drop(server);
    size_t at = gather(server, pieces, count, &layout->iov_count, &layout->bytes);
    if (at < SERVER_LAYOUT_MIN || at > SERVER_LAYOUT_MAX || !handler->keep || !handler->drop)
        return at;
    memcpy(layout->pieces, pieces, at * sizeof *pieces);
    layout->count = at;
    for (size_t i = 0; i < at; i++)
        handler->keep(pieces[i].owner, handler->user);
    return at;
}

void server__layout_drop(http_server *server)
{
    server_layout *layout = &server->layout;
    for (size_t i = 0; i < layout->count; i++)
        server->handler.drop(layout->pieces[i].owner, server->handler.user);
    layout->count = 0;
}

/* Which pieces a system call has taken; one sent in part is kept and counts. */
static size_t account(server_conn *conn, const server_piece *pieces, size_t count, size_t sent)
{
    const server_handler *handler = &conn->server->handler;
    size_t taken = 0;
    while (taken < count && sent >= pieces[taken].len)
        sent -= pieces[taken++].len;
    if (sent == 0)
        return taken;
    const server_piece *cut = &pieces[taken];
    if (handler->keep)
        handler->keep(cut->owner, handler->user);
    out_push(conn, cut->data + sent, cut->len - sent, cut->owner, SLOT_KEPT);
    return taken + 1;
}

int64_t server_conn_write(server_conn *conn, const server_piece *pieces, size_t count)
{
    size_t taken = 0;
    if (conn->state != CONN_OPEN)
        return -1;
    while (taken < count && conn->out_count == 0) {
        const server_layout *layout = &conn->server->layout;
        size_t batch = lay_out(conn->server, pieces + taken, count - taken);
        int64_t sent = send_iov(conn, conn->server->iov, layout->iov_count);
        if (sent == -2) {
            server__conn_kill(conn);
            return -1;
        }
        if (sent < 0)
            break;
        if ((size_t)sent < layout->bytes) {
            taken += account(conn, pieces + taken, batch, (size_t)sent);
            break;
        }
        taken += batch;
    }
    conn->blocked = taken < count;
    update_interest(conn);
    return (int64_t)taken;
}

/* ---- WebSocket ---- */

static void begin_close(server_conn *conn, uint16_t code, const char *reason, size_t reason_len)
{
    uint8_t frame[WS_CONTROL_FRAME_MAX];
    bool idle = conn->out_count == 0;
    size_t len = ws_write_close(frame, code, reason, reason_len);
    conn->state = CONN_CLOSING;
    timer_set(conn, TIMER_CLOSE);
    push_copy(conn, frame, len, SLOT_HEAP);
    if (idle)
        push_out(conn);
}

void server_conn_close(server_conn *conn, uint16_t code, const char *reason, size_t reason_len)
{
    if (conn->state != CONN_OPEN)
        return;
    begin_close(conn, code, reason, reason_len);
    update_interest(conn);
}

/* One pong waits at most: a newer ping's takes its place. */
static void answer_ping(server_conn *conn, const uint8_t *data, size_t len)
{
    uint8_t frame[WS_CONTROL_FRAME_MAX];
    size_t frame_len = ws_write_control(frame, WS_OPCODE_PONG, data, len);
    bool idle = conn->out_count == 0;
    if (conn->out_count > 1 && conn->out[conn->out_count - 1].kind == SLOT_PONG) {
        conn->out_count--;
        slot_release(conn, &conn->out[conn->out_count]);
    }
    push_copy(conn, frame, frame_len, SLOT_PONG);
    if (idle)
        push_out(conn);
}

static void peer_ended(server_conn *conn, uint16_t code, const uint8_t *reason, size_t len)
{
    conn->peer_done = true;
    if (conn->state == CONN_OPEN)
        begin_close(conn, code, (const char *)reason, len);
    else if (conn->state == CONN_CLOSING && conn->out_count == 0)
        begin_linger(conn);
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

static void feed(server_conn *conn, uint8_t *data, size_t len)
{
    ws_event event;
    size_t at = 0;
    do {
        at += ws_parser_feed(&conn->parser, data + at, len - at, &event);
        on_event(conn, &event);
    } while (event.type != WS_EVENT_NONE && conn->state != CONN_DEAD);
}

/* ---- HTTP ---- */

/* `body` says how long the page's bytes stay: for ever (SLOT_STATIC), or until this returns (SLOT_HEAP). */
static void respond(server_conn *conn, int status, const server_route *page, server_slot_kind body, bool send_body,
                    const char *extra)
{
    http_response response = {status, page->type, extra, page->len, conn->keep_alive, (uint64_t)time(NULL)};
    char head[HTTP_HEAD_MAX];
    size_t len = http_write_head(head, sizeof head, &response);
    if (len == 0) {
        server__conn_kill(conn);
        return;
    }
    conn->state = CONN_RESPONSE;
    timer_set(conn, TIMER_RESPONSE);
    push_copy(conn, head, len, SLOT_HEAP);
    if (send_body && page->len > 0 && body == SLOT_HEAP)
        push_copy(conn, page->data, page->len, SLOT_HEAP);
    else if (send_body && page->len > 0)
        out_push(conn, page->data, page->len, NULL, SLOT_STATIC);
    push_out(conn);
}

static void refuse(server_conn *conn, int status)
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
        refuse(conn, 405);
    else if (page)
        respond(conn, 200, page, SLOT_STATIC, !head, headers);
    else if (handler->page && handler->page(request->path, request->path_len, &made, handler->user) == 0)
        respond(conn, 200, &made, SLOT_HEAP, !head, headers);
    else
        refuse(conn, 404);
}

static void become_websocket(server_conn *conn, const ws_upgrade *upgrade)
{
    http_server *server = conn->server;
    char extra[128];
    char head[HTTP_HEAD_MAX];
    snprintf(extra, sizeof extra, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
             upgrade->accept);
    http_response response = {101, NULL, extra, 0, true, (uint64_t)time(NULL)};
    size_t len = http_write_head(head, sizeof head, &response);

    timer_clear(conn);
    ws_parser_init(&conn->parser, WS_ROLE_SERVER, server->options.max_message, NULL, NULL);
    conn->state = CONN_OPEN;
    push_copy(conn, head, len, SLOT_HEAP);
    push_out(conn);
    if (conn->state != CONN_OPEN)
        return;
    if (server->handler.open && server->handler.open(conn, server->handler.user) != 0)
        server_conn_close(conn, CLOSE_TRY_LATER, "try again later", 15);
    else
        conn->owes_closed = true;
}

static void serve_websocket(server_conn *conn, const http_request *request)
{
    const server_options *options = &conn->server->options;
    ws_upgrade upgrade;
    int status =
        ws_check_upgrade(request->method, request->method_len, request->headers, request->header_count, &upgrade);
    if (status == 101 && !ws_origin_allowed(upgrade.origin, upgrade.origin_len, upgrade.host, upgrade.host_len,
                                            options->origins, options->origin_count))
        status = 403;
    if (status == 101 && conn->server->closed_to_new)
        status = 503;
    if (status == 101)
        become_websocket(conn, &upgrade);
    else
        refuse(conn, status);
}

static void serve(server_conn *conn, const http_request *request)
{
    const char *websocket = conn->server->options.websocket;
    conn->keep_alive = request->keep_alive && !conn->server->closed_to_new;
    if (request->has_body)
        refuse(conn, 413);
    else if (strlen(websocket) == request->path_len && memcmp(websocket, request->path, request->path_len) == 0)
        serve_websocket(conn, request);
    else
        serve_page(conn, request);
}

static void drop_head(server_conn *conn, size_t len)
{
    conn->head_len -= len;
    memmove(conn->head, conn->head + len, conn->head_len);
}

/* One request, if it is complete. */
static void next_request(server_conn *conn, size_t seen)
{
    http_request request;
    size_t len = http_head_len(conn->head, conn->head_len, seen);
    if (len == 0) {
        if (conn->head_len == conn->server->options.max_head) {
            conn->keep_alive = false;
            refuse(conn, memchr(conn->head, '\r', conn->head_len) ? 431 : 414);
        }
        return;
    }
    int status = http_parse_head(conn->head, len, &request);
    if (status == 0)
        serve(conn, &request);
    else
        refuse(conn, status);
    if (conn->state == CONN_DEAD || conn->state == CONN_LINGER)
        return;
    drop_head(conn, len);
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
    do {
        before = conn->head_len;
        skip_empty_lines(conn);
        if (conn->head_len < before)
            seen = 0;
        before = conn->head_len;
        next_request(conn, seen);
        seen = 0;
    } while (conn->state == CONN_REQUEST && conn->head_len > 0 && conn->head_len < before);
    if (conn->state == CONN_OPEN || conn->state == CONN_CLOSING) {
        feed(conn, (uint8_t *)conn->head, conn->head_len);
        free(conn->head);
        conn->head = NULL;
        conn->head_len = 0;
    }
}

/* ---- input ---- */

static void on_input(server_conn *conn)
{
    http_server *server = conn->server;
    bool request = conn->state == CONN_REQUEST;
    uint8_t *into = request ? (uint8_t *)conn->head + conn->head_len : server->input;
    size_t room = request ? server->options.max_head - conn->head_len : sizeof server->input;
    ssize_t n = recv(conn->source.fd, into, room, 0);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
            server__conn_kill(conn);
        return;
    }
    if (request) {
        size_t seen = conn->head_len;
        conn->head_len += (size_t)n;
        serve_requests(conn, seen);
    } else if (conn->state != CONN_LINGER) {
        feed(conn, into, (size_t)n);
    }
}

void server__conn_ready(server_conn *conn, unsigned what)
{
    if (conn->state == CONN_DEAD)
        return;
    if (what & SERVER_WRITE) {
        bool response = conn->state == CONN_RESPONSE;
        push_out(conn);
        if (response && conn->state == CONN_REQUEST && conn->head_len > 0)
            serve_requests(conn, 0);
    }
    if ((what & SERVER_READ) && conn->state != CONN_DEAD) {
        if (conn->state == CONN_RESPONSE && (what & SERVER_WRITE) && !(conn->interest & SERVER_READ))
            server__conn_kill(conn); /* reported without being asked for: the peer has gone */
        else if (conn->state != CONN_RESPONSE)
            on_input(conn);
    }
    if (conn->state > CONN_OPEN)
        tell_closed(conn);
    update_interest(conn);
}

void server__conn_expired(server_conn *conn)
{
    if (conn->timer == TIMER_REQUEST && conn->head_len > 0) {
        refuse(conn, 408);
        update_interest(conn);
    } else {
        server__conn_kill(conn);
    }
}
