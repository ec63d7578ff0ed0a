/*
 * Rooms over plain TCP: one JSON command per line, one JSON answer per line. The smallest host there is; try it with
 *
 *     tcp_lines 7000 &
 *     nc localhost 7000
 *     {"id":1,"type":"connect","data":{"token":"alice"}}
 *     {"id":2,"type":"subscribe","channel":"lobby"}
 *     {"id":3,"type":"publish","channel":"lobby","data":{"data":"hello"}}
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <streamrelay/streamrelay.h>

#define CLIENTS 256

typedef struct client {
    int fd;
    bool dead;
    srl_session *session;
    srl_frame *frame; /* the socket took only a part of it */
    size_t sent, len;
    char input[65536];
} client;

static client *clients[CLIENTS];
static size_t client_count;

/* ---- the transport: frames to the socket ---- */

/* Send what is left of the current frame; the byte behind a frame is the newline. */
static void send_frame(client *c)
{
    size_t total = srl_frame_len(c->frame) + 1;
    ssize_t sent = send(c->fd, srl_frame_data(c->frame) + c->sent, total - c->sent, MSG_NOSIGNAL);
    if (sent < 0) {
        c->dead = errno != EAGAIN && errno != EINTR;
        return;
    }
    c->sent += (size_t)sent;
    if (c->sent == total) {
        srl_frame_unref(c->frame);
        c->frame = NULL;
    }
}

static void writable(client *c)
{
    send_frame(c);
    if (!c->frame)
        srl_session_writable(c->session);
}

/* One system call per frame is enough here; examples/chat sends all of them in one. */
static int64_t transport_write(srl_session *session, srl_frame *const *frames, size_t count, void *user)
{
    client *c = user;
    size_t taken = 0;
    (void)session;
    while (taken < count && !c->frame && !c->dead) {
        c->frame = srl_frame_ref(frames[taken++]);
        c->sent = 0;
        send_frame(c);
    }
    return c->dead ? -1 : (int64_t)taken;
}

static void transport_close(srl_session *session, uint32_t code, const char *reason, size_t reason_len, void *user)
{
    client *c = user;
    (void)session, (void)code, (void)reason, (void)reason_len; /* a push has told the client */
    c->dead = true;
}

/* ---- the sockets ---- */

static void on_connect(srl_request *request, void *user)
{
    size_t len;
    const char *name = srl_request_token(request, &len);
    (void)user;
    srl_request_set_user(request, name, len);
    srl_request_accept(request);
}

static void readable(client *c)
{
    ssize_t n = recv(c->fd, c->input + c->len, sizeof c->input - c->len, 0);
    c->dead = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
    c->len += n > 0 ? (size_t)n : 0;
    size_t end = c->len;
    while (end > 0 && c->input[end - 1] != '\n')
        end--;
    if (end > 0)
        srl_session_receive(c->session, c->input, end - 1);
    c->len -= end;
    memmove(c->input, c->input + end, c->len);
    if (c->len == sizeof c->input)
        srl_session_disconnect(c->session, SRL_DISCONNECT_BAD_REQUEST, "line too long", 13);
}

static void accept_client(srl_relay *relay, int listener)
{
    srl_transport transport = {.size = sizeof transport, .write = transport_write, .close = transport_close};
    int fd = accept(listener, NULL, NULL);
    client *c = fd >= 0 && client_count < CLIENTS ? calloc(1, sizeof *c) : NULL;
    if (!c || fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
        srl_session_open(relay, &transport, SRL_PROTOCOL_NATIVE, c, &c->session) != 0) {
        free(c);
        if (fd >= 0)
            close(fd);
        return;
    }
    c->fd = fd;
    clients[client_count++] = c;
}

static void drop_client(size_t at)
{
    client *c = clients[at];
    srl_session_closed(c->session);
    srl_frame_unref(c->frame);
    close(c->fd);
    free(c);
    clients[at] = clients[--client_count];
}

static int listen_on(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 64) != 0)
        return -1;
    return fd;
}

static srl_relay *create_relay(void)
{
    static const char *const settings[][2] = {
        {"publish", "true"}, {"history_size", "100"}, {"presence", "true"}, {"join_leave", "both"}};
    srl_relay *relay = NULL;
    srl_options *options;
    srl_hooks hooks = {.size = sizeof hooks, .connect = on_connect};
    if (srl_options_create(&options) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        srl_options_set(options, settings[i][0], settings[i][1]);
    srl_options_set_hooks(options, &hooks, NULL);
    srl_relay_create(options, &relay);
    srl_options_destroy(options);
    return relay;
}

static void turn(srl_relay *relay, int listener)
{
    struct pollfd fds[CLIENTS + 2] = {{srl_relay_fd(relay), POLLIN, 0}, {listener, POLLIN, 0}};
    size_t polled = client_count;
    for (size_t i = 0; i < polled; i++)
        fds[i + 2] = (struct pollfd){clients[i]->fd, (short)(POLLIN | (clients[i]->frame ? POLLOUT : 0)), 0};
    if (poll(fds, (nfds_t)(polled + 2), -1) <= 0)
        return;
    srl_relay_cork(relay); /* all that came in is one turn: one write per client */
    for (size_t i = 0; i < polled; i++) {
        if (fds[i + 2].revents & POLLOUT)
            writable(clients[i]);
        if ((fds[i + 2].revents & (POLLIN | POLLERR | POLLHUP)) && !clients[i]->dead)
            readable(clients[i]);
    }
    if (fds[0].revents)
        srl_relay_process(relay);
    if (fds[1].revents)
        accept_client(relay, listener);
    srl_relay_uncork(relay);
    for (size_t i = client_count; i-- > 0;) {
        if (clients[i]->dead)
            drop_client(i);
    }
}

int main(int argc, char **argv)
{
    srl_relay *relay = create_relay();
    int listener = listen_on(argc > 1 ? argv[1] : "7000");
    while (relay && listener >= 0)
        turn(relay, listener);
    perror("tcp_lines");
    return 1;
}
