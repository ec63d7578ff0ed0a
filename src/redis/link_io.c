/* Reading and writing of a link. */
#include <streamrelay/error.h>

#include "redis/link.h"

/* Rounds of reading before others have their turn; a socket's kernel buffer is read in few. */
enum { READ_ROUNDS = 16 };

int srl__redis_link_watch(srl__redis_link *link)
{
    unsigned events = SRL__READABLE | (link->want_write ? SRL__WRITABLE : 0U);
    const srl__poller_ops *poller = link->loop->poller->ops;
    if (link->watched && link->watch.events == events) {
        return SRL_OK;
    }
    link->watch.events = events;
    int error = link->watched ? poller->change(link->loop->poller, &link->watch)
                              : poller->watch(link->loop->poller, &link->watch);
    link->watched = link->watched || error == SRL_OK;
    return error;
}

static void touch(srl__redis_link *link)
{
    if (srl__list_is_empty(&link->dirty)) {
        srl__list_append(&link->loop->dirty, &link->dirty);
        if (link->loop->depth == 0) {
            srl__redis_loop_wake(link->loop);
        }
    }
}

void srl__redis_link_queued(srl__redis_link *link)
{
    if (link->watch.fd >= 0 && !link->want_write) {
        touch(link);
    }
}

int srl__redis_link_peek(const srl__redis_link *link)
{
    if (link->watch.fd < 0) {
        return SRL__PEEK_END;
    }
    if (!srl__resp_reader_is_empty(&link->reader)) {
        return SRL__PEEK_DATA;
    }
    return link->loop->sockets->peek(link->watch.fd);
}

/* ---- writing */

static int64_t write_pieces(srl__redis_link *link, const srl__slice *pieces, uint32_t count)
{
    if (link->stream == NULL) {
        return link->loop->sockets->write(link->watch.fd, pieces, count);
    }
    const srl_redis_transport *transport = &link->config->transport;
    return transport->write(link->stream, pieces[0].data, pieces[0].len, transport->user);
}

static uint32_t gather(srl__redis_link *link, srl__slice *pieces)
{
    uint32_t count = srl__resp_output_pieces(&link->front, pieces, SRL__SOCKET_PIECES);
    if (link->state == SRL__LINK_READY && count < SRL__SOCKET_PIECES) {
        count += srl__resp_output_pieces(&link->out, pieces + count, SRL__SOCKET_PIECES - count);
    }
    return count;
}

static void account_sent(srl__redis_link *link, uint64_t sent)
{
    uint64_t first = srl__resp_output_waiting(&link->front);
    first = first < sent ? first : sent;
    link->writes++;
    link->bytes_out += sent;
    if (first > 0) {
        srl__resp_output_sent(&link->front, first);
    }
    if (sent > first) {
        srl__resp_output_sent(&link->out, sent - first);
    }
}

static uint64_t length_of(const srl__slice *pieces, uint32_t count)
{
    uint64_t length = 0;
    for (uint32_t i = 0; i < count; i++) {
        length += pieces[i].len;
    }
    return length;
}

/* What the server answered before it hung up is still to be read. */
static void write_failed(srl__redis_link *link)
{
    uint32_t incarnation = link->incarnation;
    link->write_broken = true;
    for (uint32_t i = 0; i < READ_ROUNDS && incarnation == link->incarnation; i++) {
        srl__redis_link_read(link);
    }
    if (incarnation == link->incarnation) {
        srl__redis_link_fail(link, SRL_ERR_REDIS_CONNECT, "the connection was lost while writing");
    }
}

static void flush(srl__redis_link *link)
{
    srl__slice pieces[SRL__SOCKET_PIECES];
    bool want_write = false;
    uint32_t count;
    while ((count = gather(link, pieces)) > 0) {
        int64_t sent = write_pieces(link, pieces, count);
        if (sent > 0) {
            uint64_t offered = link->stream != NULL ? pieces[0].len : length_of(pieces, count);
            account_sent(link, (uint64_t)sent);
            if ((uint64_t)sent < offered && link->stream == NULL) {
                want_write = true; /* the socket is full */
                break;
            }
        } else if (sent == SRL_REDIS_AGAIN_READ && link->stream != NULL) {
            break; /* what wakes us is the socket being readable */
        } else if (sent == SRL__SOCKET_AGAIN || sent == SRL_REDIS_AGAIN_WRITE) {
            want_write = true;
            break;
        } else {
            write_failed(link);
            return;
        }
    }
    link->want_write = want_write;
    if (srl__redis_link_watch(link) != SRL_OK) {
        srl__redis_link_fail(link, SRL_ERR_SYSTEM, "the socket cannot be watched");
    }
}

/* ---- reading */

static void broken_protocol(srl__redis_link *link)
{
    const char *what =
        link->reader.detail != SRL__RESP_OK ? srl__resp_error_text(link->reader.detail) : "out of memory";
    srl__redis_link_fail(link, link->reader.error, what);
}

static void dispatch(srl__redis_link *link)
{
    const srl_reply *reply;
    uint32_t incarnation = link->incarnation;
    int got;
    while ((got = srl__resp_reader_next(&link->reader, &reply)) > 0) {
        int error = SRL_OK;
        link->replies += got == SRL__RESP_REPLY;
        if (link->state == SRL__LINK_READY) {
            error = link->ops->reply(link, reply, got == SRL__RESP_PUSH);
        } else if (got == SRL__RESP_REPLY) {
            srl__redis_handshake_reply(link, reply);
        }
        if (incarnation != link->incarnation) {
            return;
        }
        if (error != SRL_OK) {
            srl__redis_link_fail(link, error, "a reply that nobody waits for");
            return;
        }
        if (link->paused) {
            return;
        }
    }
    if (got < 0) {
        broken_protocol(link);
    }
}

/* > 0 if it may go on, 0 if there is nothing more now or no socket any more. */
static int read_once(srl__redis_link *link)
{
    size_t room;
    uint8_t *space = srl__resp_reader_space(&link->reader, &room);
    if (space == NULL) {
        broken_protocol(link);
        return 0;
    }
    const srl_redis_transport *transport = &link->config->transport;
    int64_t got = link->stream != NULL ? transport->read(link->stream, space, room, transport->user)
                                       : link->loop->sockets->read(link->watch.fd, space, room);
    if (got > 0) {
        uint32_t incarnation = link->incarnation;
        link->bytes_in += (uint64_t)got;
        link->last_read_ms = link->loop->now_ms;
        srl__resp_reader_commit(&link->reader, (size_t)got);
        dispatch(link);
        return incarnation == link->incarnation && !link->paused && (link->stream != NULL || (size_t)got == room);
    }
    if (got == SRL_REDIS_AGAIN_WRITE && link->stream != NULL) {
        link->want_write = true;
        (void)srl__redis_link_watch(link);
    } else if (got == 0) {
        srl__redis_link_fail(link, SRL_ERR_REDIS_CONNECT, "the server closed the connection");
    } else if (got != SRL__SOCKET_AGAIN) {
        srl__redis_link_fail(link, SRL_ERR_REDIS_CONNECT, "the connection was lost while reading");
    }
    return 0;
}

void srl__redis_link_read(srl__redis_link *link)
{
    uint32_t rounds = 0;
    if (link->paused || link->watch.fd < 0) {
        return;
    }
    while (read_once(link) > 0) {
        if (++rounds == READ_ROUNDS) {
            link->read_again = true;
            touch(link);
            return;
        }
    }
}

void srl__redis_link_resume(srl__redis_link *link)
{
    if (link->paused) {
        uint32_t incarnation = link->incarnation;
        link->paused = false;
        dispatch(link);
        if (incarnation == link->incarnation && link->stream != NULL && !link->paused) {
            link->read_again = true; /* the transport may hold bytes that the poller knows nothing of */
            touch(link);
        }
    }
}

void srl__redis_link_work(srl__redis_link *link)
{
    uint32_t incarnation = link->incarnation;
    if (link->state < SRL__LINK_SECURING || link->state == SRL__LINK_CLOSED) {
        return;
    }
    if (link->state != SRL__LINK_SECURING) {
        flush(link);
    }
    if (incarnation == link->incarnation && link->read_again) {
        link->read_again = false;
        srl__redis_link_read(link);
    }
}

static void connected(srl__redis_link *link)
{
    const char *why = "";
    int error = link->loop->sockets->finish(link->watch.fd, &why);
    if (error != SRL_OK) {
        srl__redis_link_fail(link, error, why);
        return;
    }
    link->want_write = false;
    if (srl__redis_link_watch(link) != SRL_OK) {
        srl__redis_link_fail(link, SRL_ERR_SYSTEM, "the socket cannot be watched");
        return;
    }
    srl__redis_link_secure(link);
}

void srl__redis_link_event(srl__watch *watch, unsigned events)
{
    srl__redis_link *link = SRL__CONTAINER(watch, srl__redis_link, watch);
    uint32_t incarnation = link->incarnation;
    srl__redis_loop_enter(link->loop);
    if (link->state == SRL__LINK_CONNECTING) {
        connected(link);
    } else if (link->state == SRL__LINK_SECURING) {
        srl__redis_link_secure(link);
    } else {
        if ((events & SRL__READABLE) != 0 || link->stream != NULL) {
            srl__redis_link_read(link);
        }
        if (incarnation == link->incarnation && ((events & SRL__WRITABLE) != 0 || link->stream != NULL)) {
            link->want_write = false;
            touch(link);
        }
    }
    srl__redis_loop_leave(link->loop);
}
