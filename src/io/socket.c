#define _GNU_SOURCE /* TCP_USER_TIMEOUT, SOCK_CLOEXEC, MSG_NOSIGNAL beside POSIX */
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "io/socket.h"

#include <streamrelay/error.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

_Static_assert(sizeof(struct sockaddr_storage) <= sizeof(((srl__address *)0)->bytes), "an address fits");

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

bool srl__address_parse(const char *text, uint16_t port, srl__address *out)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(text, NULL, &hints, &found) != 0 || found == NULL) {
        return false;
    }
    bool fits = found->ai_addrlen <= sizeof(out->bytes);
    if (fits) {
        memcpy(out->bytes, found->ai_addr, found->ai_addrlen);
        out->len = (uint32_t)found->ai_addrlen;
        if (found->ai_family == AF_INET6) {
            ((struct sockaddr_in6 *)(void *)out->bytes)->sin6_port = htons(port);
        } else {
            ((struct sockaddr_in *)(void *)out->bytes)->sin_port = htons(port);
        }
    }
    freeaddrinfo(found);
    return fits;
}

bool srl__address_unix(const char *path, srl__address *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(address.sun_path)) {
        return false;
    }
    memcpy(address.sun_path, path, len);
    memcpy(out->bytes, &address, sizeof(address));
    out->len = (uint32_t)sizeof(address);
    return true;
}

static const char *why_of(int number)
{
    switch (number) {
    case ECONNREFUSED:
        return "connection refused";
    case ENOENT:
        return "no such socket";
    case EACCES:
    case EPERM:
        return "not permitted";
    case ETIMEDOUT:
        return "timed out";
    case EHOSTUNREACH:
        return "host unreachable";
    case ENETUNREACH:
        return "network unreachable";
    case EADDRNOTAVAIL:
        return "no local address or port left";
    case EAFNOSUPPORT:
        return "kind of address not supported";
    case EMFILE:
    case ENFILE:
        return "no descriptors left";
    case ECONNRESET:
        return "connection reset";
    case EAGAIN:
        return "the server's queue is full";
    default:
        return "system error";
    }
}

static int open_socket(int family)
{
#if defined(SOCK_CLOEXEC) && defined(SOCK_NONBLOCK)
    return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
    int fd = socket(family, SOCK_STREAM, 0);
    if (fd >= 0 && (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
#endif
}

static void set_option(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof(value)); /* a socket without it still works */
}

static void set_options(int fd, int family, const srl__socket_options *options)
{
#if defined(SO_NOSIGPIPE)
    set_option(fd, SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
    if (family == AF_UNIX) {
        return;
    }
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (options->keepalive_ms > 0) {
        int idle = (int)((options->keepalive_ms + 999) / 1000);
        (void)idle;
        set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#if defined(TCP_KEEPIDLE)
        set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle);
#elif defined(TCP_KEEPALIVE)
        set_option(fd, IPPROTO_TCP, TCP_KEEPALIVE, idle);
#endif
#if defined(TCP_KEEPINTVL) && defined(TCP_KEEPCNT)
        set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
        set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
#endif
    }
#if defined(TCP_USER_TIMEOUT)
    if (options->user_timeout_ms > 0) {
        set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)options->user_timeout_ms);
    }
#endif
}

static int system_connect(const srl__address *address, const srl__socket_options *options, int *fd, const char **why)
{
    const struct sockaddr *to = (const struct sockaddr *)(const void *)address->bytes;
    int made = open_socket(to->sa_family);
    if (made < 0) {
        *why = why_of(errno);
        return SRL_ERR_SYSTEM;
    }
    set_options(made, to->sa_family, options);
    *fd = made;
    if (connect(made, to, (socklen_t)address->len) == 0) {
        return 0;
    }
    if (errno == EINPROGRESS || errno == EINTR) {
        return 1;
    }
    *why = why_of(errno);
    close(made);
    *fd = -1;
    return SRL_ERR_REDIS_CONNECT;
}

static int system_finish(int fd, const char **why)
{
    int number = 0;
    socklen_t len = sizeof(number);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &len) != 0) {
        number = errno;
    }
    if (number == 0) {
        return SRL_OK;
    }
    *why = why_of(number);
    return SRL_ERR_REDIS_CONNECT;
}

static int64_t result_of_errno(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK ? SRL__SOCKET_AGAIN : SRL__SOCKET_BROKEN;
}

static int64_t system_read(int fd, void *out, size_t room)
{
    ssize_t got;
    do {
        got = recv(fd, out, room, 0);
    } while (got < 0 && errno == EINTR);
    return got >= 0 ? (int64_t)got : result_of_errno();
}

static int64_t write_one(int fd, srl__slice piece)
{
    ssize_t sent;
    do {
        sent = send(fd, piece.data, piece.len, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent >= 0 ? (int64_t)sent : result_of_errno();
}

static int64_t system_write(int fd, const srl__slice *pieces, uint32_t count)
{
    struct iovec vectors[SRL__SOCKET_PIECES];
    struct msghdr message = {.msg_iov = vectors};
    ssize_t sent;
    if (count == 1) {
        return write_one(fd, pieces[0]);
    }
    if (count > SRL__SOCKET_PIECES) {
        count = SRL__SOCKET_PIECES;
    }
    for (uint32_t i = 0; i < count; i++) {
        union {
            const char *read_only;
            void *base;
        } cast = {pieces[i].data};
        vectors[i].iov_base = cast.base;
        vectors[i].iov_len = pieces[i].len;
    }
    message.msg_iovlen = count;
    do {
        sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent >= 0 ? (int64_t)sent : result_of_errno();
}

static int system_peek(int fd)
{
    char byte;
    ssize_t got;
    do {
        got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        return SRL__PEEK_DATA;
    }
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? SRL__PEEK_SILENT : SRL__PEEK_END;
}

static void system_close(int fd)
{
    close(fd);
}

const srl__socket_ops srl__system_sockets = {
    .connect = system_connect,
    .finish = system_finish,
    .read = system_read,
    .write = system_write,
    .peek = system_peek,
    .close = system_close,
};

int64_t srl__process_id(void)
{
    return (int64_t)getpid();
}
