#include <string.h>

#include "server_private.h"

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
    server__conn_push(conn, cut->data + sent, cut->len - sent, cut->owner, SLOT_KEPT);
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
        int64_t sent = server__conn_send(conn, conn->server->iov, layout->iov_count);
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
    server__conn_watch(conn);
    return (int64_t)taken;
}

int server_conn_write_copy(server_conn *conn, const void *data, size_t len)
{
    struct iovec whole = {(void *)(uintptr_t)data, len};
    int64_t sent = -1;
    if (conn->state != CONN_OPEN)
        return -1;
    if (conn->out_count == 0)
        sent = server__conn_send(conn, &whole, 1);
    if (sent == -2) {
        server__conn_kill(conn);
        return -1;
    }
    conn->blocked = sent < 0;
    if (sent >= 0 && (size_t)sent < len)
        server__conn_push_copy(conn, (const uint8_t *)data + sent, len - (size_t)sent, SLOT_HEAP);
    if (conn->state != CONN_OPEN)
        return -1;
    server__conn_watch(conn);
    return sent < 0 ? 0 : 1;
}
