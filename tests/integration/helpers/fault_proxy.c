#include "helpers/fault_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PAIRS = 64 };

typedef struct pair {
    int fd[2];    /* the client's, the server's */
    bool lost[2]; /* bytes are missing this way: as TCP has no holes, none follows them */
} pair;

static void sleep_ms(uint32_t ms)
{
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&wait, NULL);
}

static void no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int connect_upstream(const srl_test_proxy *proxy)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(proxy->upstream), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    if (fd >= 0) {
        no_delay(fd);
    }
    return fd;
}

static void accept_one(srl_test_proxy *proxy, pair *pairs, size_t *count)
{
    int client = accept(proxy->listener, NULL, NULL);
    if (client < 0) {
        return;
    }
    atomic_fetch_add(&proxy->connections, 1);
    int server = atomic_load(&proxy->refuse) || *count == MAX_PAIRS ? -1 : connect_upstream(proxy);
    if (server < 0) {
        close(client);
        return;
    }
    no_delay(client);
    pairs[(*count)++] = (pair){{client, server}, {false, false}};
}

static bool pass(srl_test_proxy *proxy, int to, int way, const char *data, size_t len)
{
    size_t step = atomic_load(&proxy->every_byte) ? 1 : len;
    if (atomic_load(&proxy->delay_ms) > 0) {
        sleep_ms(atomic_load(&proxy->delay_ms));
    }
    for (size_t at = 0; at < len;) {
        size_t part = len - at < step ? len - at : step;
        ssize_t sent = send(to, data + at, part, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        at += (size_t)sent;
        atomic_fetch_add(&proxy->passed[way], (unsigned long long)sent);
    }
    return true;
}

/* False: the pair is to be closed. */
static bool move(srl_test_proxy *proxy, pair *p, int way)
{
    char data[65536];
    ssize_t got = recv(p->fd[way], data, sizeof(data), 0);
    if (got <= 0) {
        return false;
    }
    p->lost[way] = p->lost[way] || atomic_load(&proxy->swallow[way]);
    if (p->lost[way]) {
        return true;
    }
    long long left = atomic_load(&proxy->cut_after[way]);
    size_t len = left >= 0 && left < got ? (size_t)left : (size_t)got;
    if (left >= 0) {
        atomic_store(&proxy->cut_after[way], left - (long long)len);
    }
    return pass(proxy, p->fd[1 - way], way, data, len) && len == (size_t)got;
}

static void close_pair(const pair *p)
{
    close(p->fd[0]);
    close(p->fd[1]);
}

static void serve(srl_test_proxy *proxy, pair *pairs, size_t *count, struct pollfd *polled)
{
    for (size_t i = *count; i-- > 0;) {
        bool alive = true;
        for (int way = 0; way < 2 && alive; way++) {
            alive = polled[1 + 2 * i + (size_t)way].revents == 0 || move(proxy, &pairs[i], way);
        }
        if (!alive) {
            close_pair(&pairs[i]);
            pairs[i] = pairs[--*count];
            polled[1 + 2 * i] = polled[1 + 2 * *count];
            polled[2 + 2 * i] = polled[2 + 2 * *count];
        }
    }
}

static void *run(void *argument)
{
    srl_test_proxy *proxy = argument;
    pair pairs[MAX_PAIRS];
    size_t count = 0;
    struct pollfd polled[1 + 2 * MAX_PAIRS];
    while (!atomic_load(&proxy->stopping)) {
        polled[0] = (struct pollfd){.fd = proxy->listener, .events = POLLIN};
        for (size_t i = 0; i < count; i++) {
            polled[1 + 2 * i] = (struct pollfd){.fd = pairs[i].fd[0], .events = POLLIN};
            polled[2 + 2 * i] = (struct pollfd){.fd = pairs[i].fd[1], .events = POLLIN};
        }
        int ready = poll(polled, 1 + 2 * count, 2);
        if (atomic_load(&proxy->cut_now)) {
            while (count > 0) {
                close_pair(&pairs[--count]);
            }
            atomic_store(&proxy->cut_now, false);
            continue;
        }
        if (ready > 0) {
            serve(proxy, pairs, &count, polled);
            if (polled[0].revents != 0) {
                accept_one(proxy, pairs, &count);
            }
        }
    }
    while (count > 0) {
        close_pair(&pairs[--count]);
    }
    return NULL;
}

void srl_test_proxy_start(srl_test_proxy *proxy, uint16_t upstream)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    memset(proxy, 0, sizeof(*proxy));
    proxy->upstream = upstream;
    atomic_store(&proxy->cut_after[0], -1);
    atomic_store(&proxy->cut_after[1], -1);
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (proxy->listener < 0 || bind(proxy->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(proxy->listener, 64) != 0 || getsockname(proxy->listener, (struct sockaddr *)&address, &len) != 0) {
        perror("proxy");
        abort();
    }
    proxy->port = ntohs(address.sin_port);
    if (pthread_create(&proxy->thread, NULL, run, proxy) != 0) {
        abort();
    }
}

void srl_test_proxy_stop(srl_test_proxy *proxy)
{
    atomic_store(&proxy->stopping, true);
    pthread_join(proxy->thread, NULL);
    close(proxy->listener);
}

void srl_test_proxy_heal(srl_test_proxy *proxy)
{
    atomic_store(&proxy->delay_ms, 0);
    atomic_store(&proxy->every_byte, false);
    atomic_store(&proxy->refuse, false);
    for (int way = 0; way < 2; way++) {
        atomic_store(&proxy->swallow[way], false);
        atomic_store(&proxy->cut_after[way], -1);
    }
}

void srl_test_proxy_cut(srl_test_proxy *proxy)
{
    atomic_store(&proxy->cut_now, true);
    while (atomic_load(&proxy->cut_now)) {
        sleep_ms(1);
    }
}
