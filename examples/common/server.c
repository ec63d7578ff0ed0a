#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server_private.h"

#define ACCEPT_BATCH    256
#define ACCEPT_PAUSE_MS 500u
#define BACKLOG         1024
#define READY_MAX       256

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void server_options_init(server_options *options)
{
    memset(options, 0, sizeof *options);
    options->host = "localhost";
    options->port = "8080";
    options->websocket = "/ws";
    options->max_connections = 10000;
    options->max_message = 65536;
    options->max_head = 8192;
    options->request_timeout_ms = 10000;
    options->response_timeout_ms = 30000;
    options->close_timeout_ms = 3000;
}

/* ---- listening ---- */

static int prepare_fd(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -1;
    return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* A listening descriptor, or a negative errno. */
static int listen_on(const struct addrinfo *address)
{
    int on = 1;
    int error = 0;
    int fd = socket(address->ai_family, SOCK_STREAM, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (prepare_fd(fd) != 0 || bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)
        error = -errno;
    if (error != 0)
        close(fd);
    return error != 0 ? error : fd;
}

static in_port_t *port_of(struct sockaddr *address)
{
    if (address->sa_family == AF_INET6)
        return &((struct sockaddr_in6 *)(void *)address)->sin6_port;
    return &((struct sockaddr_in *)(void *)address)->sin_port;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    getsockname(fd, (struct sockaddr *)&address, &len);
    return ntohs(*port_of((struct sockaddr *)&address));
}

/* Listen on each address of the host name; a family that the machine does not have is left out. */
static int open_listeners(http_server *server, const char **why)
{
    struct addrinfo hints = {0};
    struct addrinfo *list = NULL;
    bool any_port = strcmp(server->options.port, "0") == 0;
    bool taken = false;

    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    int error = getaddrinfo(server->options.host, server->options.port, &hints, &list);
    if (error != 0) {
        *why = gai_strerror(error);
        return -1;
    }
    for (struct addrinfo *a = list; a && server->listener_count < SERVER_LISTENERS && !taken; a = a->ai_next) {
        if (any_port && server->listener_count > 0)
            *port_of(a->ai_addr) = htons(server_port(server));
        int fd = listen_on(a);
        if (fd >= 0) {
            server->listeners[server->listener_count++] = (server_source){SOURCE_LISTENER, fd};
            continue;
        }
        *why = strerror(-fd);
        taken = fd == -EADDRINUSE && !any_port;
    }
    freeaddrinfo(list);
    return server->listener_count > 0 && !taken ? 0 : -1;
}

uint16_t server_port(const http_server *server)
{
    return bound_port(server->listeners[0].fd);
}

static void pause_listening(http_server *server)
{
    if (!server->listening)
        return;
    for (size_t i = 0; i < server->listener_count; i++)
        server_events_remove(server->events, server->listeners[i].fd);
    server->listening = false;
}

static void update_listening(http_server *server)
{
    bool want = !server->closed_to_new && server->conn_count < server->options.max_connections &&
                server->now >= server->accept_after;
    if (want == server->listening)
        return;
    if (!want) {
        pause_listening(server);
        return;
    }
    server->listening = true;
    for (size_t i = 0; i < server->listener_count; i++)
        server_events_add(server->events, server->listeners[i].fd, SERVER_READ, &server->listeners[i]);
}

void server_stop_listening(http_server *server)
{
    server->closed_to_new = true;
    pause_listening(server);
    for (size_t i = 0; i < server->listener_count; i++) {
        close(server->listeners[i].fd);
        server->listeners[i].fd = -1;
    }
    server->listener_count = 0;
}

static void accept_some(http_server *server, int listener)
{
    for (int i = 0; i < ACCEPT_BATCH && server->conn_count < server->options.max_connections; i++) {
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0) {
            if (prepare_fd(fd) != 0 || server__conn_accept(server, fd) != 0)
                close(fd);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            server->accept_after = server->now + ACCEPT_PAUSE_MS; /* the rest waits in the kernel's backlog */
        return;
    }
}

/* ---- the loop ---- */

static int open_wake(http_server *server)
{
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    server->wake = (server_source){SOURCE_WAKE, ends[0]};
    server->wake_write = ends[1];
    if (prepare_fd(ends[0]) != 0 || prepare_fd(ends[1]) != 0)
        return -1;
    return server_events_add(server->events, ends[0], SERVER_READ, &server->wake);
}

http_server *server_open(const server_options *options, const server_handler *handler, const char **why)
{
    *why = "out of memory";
    http_server *server = calloc(1, sizeof *server);
    if (!server)
        return NULL;
    server->options = *options;
    server->handler = *handler;
    server->wake.fd = -1;
    server->wake_write = -1;
    server->now = clock_ms();
    server->next_tick = options->tick_ms > 0 && handler->tick ? server->now + options->tick_ms : UINT64_MAX;
    server->timers[TIMER_REQUEST].duration = options->request_timeout_ms;
    server->timers[TIMER_RESPONSE].duration = options->response_timeout_ms;
    server->timers[TIMER_CLOSE].duration = options->close_timeout_ms;
    server->events = server_events_open();
    if (!server->events || open_wake(server) != 0) {
        *why = strerror(errno);
        server_close(server);
        return NULL;
    }
    if (open_listeners(server, why) != 0) {
        server_close(server);
        return NULL;
    }
    return server;
}

int server_watch(http_server *server, int fd, void (*ready)(void *user), void *user)
{
    server->watch = (server_source){SOURCE_WATCH, fd};
    server->watch_ready = ready;
    server->watch_user = user;
    return server_events_add(server->events, fd, SERVER_READ, &server->watch);
}

void server_interrupt(http_server *server)
{
    int saved = errno;
    ssize_t written = write(server->wake_write, "!", 1); /* a full pipe will wake it as well */
    (void)written;
    errno = saved;
}

static void drain_wake(http_server *server)
{
    char bytes[64];
    while (read(server->wake.fd, bytes, sizeof bytes) > 0)
        continue;
    if (server->handler.interrupted)
        server->handler.interrupted(server->handler.user);
}

static void dispatch(http_server *server, const server_ready *ready)
{
    server_source *source = ready->tag;
    switch (source->kind) {
    case SOURCE_LISTENER:
        if (source->fd >= 0)
            accept_some(server, source->fd);
        break;
    case SOURCE_WAKE:
        drain_wake(server);
        break;
    case SOURCE_WATCH:
        server->watch_ready(server->watch_user);
        break;
    case SOURCE_CONN:
        server__conn_ready((server_conn *)(void *)source, ready->what);
        break;
    }
}

static void expire(http_server *server)
{
    for (size_t kind = 0; kind < TIMER_KINDS; kind++) {
        server_conn *conn;
        while ((conn = server->timers[kind].first) != NULL && conn->deadline <= server->now)
            server__conn_expired(conn);
    }
    if (server->next_tick <= server->now) {
        server->next_tick = server->now + server->options.tick_ms;
        server->handler.tick(server->handler.user);
    }
}

static int wait_ms(const http_server *server, uint64_t latest)
{
    uint64_t next = latest < server->next_tick ? latest : server->next_tick;
    if (server->dead)
        return 0;
    for (size_t kind = 0; kind < TIMER_KINDS; kind++) {
        if (server->timers[kind].first && server->timers[kind].first->deadline < next)
            next = server->timers[kind].first->deadline;
    }
    if (server->accept_after > server->now && server->accept_after < next)
        next = server->accept_after;
    if (next == UINT64_MAX)
        return -1;
    uint64_t now = clock_ms();
    return next > now ? (int)(next - now < 60000 ? next - now : 60000) : 0;
}

static int turn(http_server *server, uint64_t latest)
{
    server_ready ready[READY_MAX];
    int count = server_events_wait(server->events, ready, READY_MAX, wait_ms(server, latest));
    if (count < 0)
        return -1;
    server->now = clock_ms();
    if (server->handler.turn_begin)
        server->handler.turn_begin(server->handler.user);
    for (int i = 0; i < count; i++)
        dispatch(server, &ready[i]);
    expire(server);
    server__reap(server);
    if (server->handler.turn_end)
        server->handler.turn_end(server->handler.user);
    server__layout_drop(server);
    update_listening(server);
    return 0;
}

static void close_all(http_server *server)
{
    for (server_conn *conn = server->conns; conn; conn = conn->next) {
        if (conn->state == CONN_OPEN)
            server_conn_close(conn, WS_CLOSE_GOING_AWAY, "shutdown", 8);
        else if (conn->state != CONN_RESPONSE && conn->state != CONN_CLOSING && conn->state != CONN_LINGER)
            server__conn_kill(conn);
    }
}

int server_run(http_server *server)
{
    server->now = clock_ms();
    update_listening(server);
    while (!server->stopping) {
        if (turn(server, UINT64_MAX) != 0)
            return -1;
    }
    server_stop_listening(server);
    close_all(server);
    uint64_t latest = server->now + server->options.close_timeout_ms;
    while (server->conn_count > 0 && server->now < latest) {
        if (turn(server, latest) != 0)
            return -1;
    }
    return 0;
}

void server_stop(http_server *server)
{
    server->stopping = true;
}

void server_close(http_server *server)
{
    if (!server)
        return;
    server_stop_listening(server);
    for (server_conn *conn = server->conns; conn; conn = conn->next)
        server__conn_kill(conn);
    server__reap(server);
    server__layout_drop(server);
    if (server->wake.fd >= 0)
        close(server->wake.fd);
    if (server->wake_write >= 0)
        close(server->wake_write);
    server_events_close(server->events);
    free(server);
}
