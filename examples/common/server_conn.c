#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server_private.h"

/* ---- life ---- */

void server__timer_clear(server_conn *conn)
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
void server__timer_set(server_conn *conn, server_timer kind)
{
    server_deadlines *list = &conn->server->timers[kind];
    server__timer_clear(conn);
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
    server__timer_set(conn, TIMER_REQUEST);
    return 0;
}

void server__slot_release(server_conn *conn, server_slot *slot)
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
    server__timer_clear(conn);
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
        server__slot_release(conn, &conn->out[i]);
    ws_parser_free(&conn->parser);
    free(conn->head);
    free(conn->body);
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

void server__conn_watch(server_conn *conn)
{
    unsigned want = 0;
    if (conn->state == CONN_DEAD)
        return;
    if (conn->state != CONN_WAITING && conn->state != CONN_RESPONSE)
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
int64_t server__conn_send(server_conn *conn, struct iovec *iov, size_t count)
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
        server__slot_release(conn, &conn->out[i]);
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
        int64_t sent = server__conn_send(conn, iov, conn->out_count);
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

bool server__conn_push(server_conn *conn, const void *data, size_t len, void *owner, server_slot_kind kind)
{
    if (conn->out_count == SERVER_OUT_SLOTS)
        return false;
    conn->out[conn->out_count++] = (server_slot){data, len, owner, kind};
    return true;
}

void server__conn_push_copy(server_conn *conn, const void *data, size_t len, server_slot_kind kind)
{
    void *copy = malloc(len);
    if (copy)
        memcpy(copy, data, len);
    if (!copy || !server__conn_push(conn, copy, len, copy, kind)) {
        free(copy);
        server__conn_kill(conn);
    }
}

void server__conn_linger(server_conn *conn)
{
    shutdown(conn->source.fd, SHUT_WR);
    conn->state = CONN_LINGER;
    conn->head_len = 0;
    server__timer_set(conn, TIMER_CLOSE);
}

/* Nothing waits for the socket any more. */
static void flushed(server_conn *conn)
{
    switch ((server_state)conn->state) {
    case CONN_RESPONSE:
        if (conn->keep_alive) {
            conn->state = CONN_REQUEST;
            server__timer_set(conn, TIMER_REQUEST);
        } else {
            server__conn_linger(conn);
        }
        break;
    case CONN_STREAM:
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
            server__conn_linger(conn);
        break;
    default:
        break;
    }
}

void server__conn_flush(server_conn *conn)
{
    if (flush(conn))
        flushed(conn);
}

/* ---- input ---- */

static void on_input(server_conn *conn)
{
    http_server *server = conn->server;
    bool request = conn->state == CONN_REQUEST;
    uint8_t *into = server->input;
    size_t room = sizeof server->input;
    if (request) {
        into = (uint8_t *)conn->head + conn->head_len;
        room = server->options.max_head - conn->head_len;
    } else if (conn->state == CONN_BODY) {
        into = conn->body + conn->body_len;
        room = conn->body_need - conn->body_len;
    }
    ssize_t n = recv(conn->source.fd, into, room, 0);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
            server__conn_kill(conn);
        return;
    }
    if (request)
        server__http_head(conn, (size_t)n);
    else if (conn->state == CONN_BODY)
        server__http_body(conn, (size_t)n);
    else if (conn->state == CONN_OPEN || conn->state == CONN_CLOSING)
        server__ws_feed(conn, into, (size_t)n);
}

void server__conn_ready(server_conn *conn, unsigned what)
{
    if (conn->state == CONN_DEAD)
        return;
    if (what & SERVER_WRITE) {
        bool response = conn->state == CONN_RESPONSE;
        server__conn_flush(conn);
        if (response)
            server__http_next(conn);
    }
    if ((what & SERVER_READ) && conn->state != CONN_DEAD) {
        bool asked = conn->state != CONN_RESPONSE && conn->state != CONN_WAITING;
        if (!asked && (what & SERVER_WRITE) && !(conn->interest & SERVER_READ))
            server__conn_kill(conn); /* reported without being asked for: the peer has gone */
        else if (asked)
            on_input(conn);
    }
    if (conn->state > CONN_OPEN)
        tell_closed(conn);
    server__conn_watch(conn);
}

void server__conn_expired(server_conn *conn)
{
    if (conn->timer == TIMER_REQUEST && conn->head_len > 0) {
        server__http_refuse(conn, 408);
        server__conn_watch(conn);
    } else {
        server__conn_kill(conn);
    }
}
