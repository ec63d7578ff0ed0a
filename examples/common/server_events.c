#include "server_events.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__linux__) && !defined(SERVER_USE_POLL)

#include <sys/epoll.h>

#define BATCH 256

struct server_events {
    int fd;
    struct epoll_event ready[BATCH];
};

server_events *server_events_open(void)
{
    server_events *events = calloc(1, sizeof *events);
    if (!events)
        return NULL;
    events->fd = epoll_create1(EPOLL_CLOEXEC);
    if (events->fd < 0) {
        free(events);
        return NULL;
    }
    return events;
}

void server_events_close(server_events *events)
{
    if (!events)
        return;
    close(events->fd);
    free(events);
}

static int control(server_events *events, int operation, int fd, unsigned interest, void *tag)
{
    struct epoll_event event = {0};
    event.events = (interest & SERVER_READ ? EPOLLIN : 0u) | (interest & SERVER_WRITE ? EPOLLOUT : 0u);
    event.data.ptr = tag;
    return epoll_ctl(events->fd, operation, fd, &event);
}

int server_events_add(server_events *events, int fd, unsigned interest, void *tag)
{
    return control(events, EPOLL_CTL_ADD, fd, interest, tag);
}

int server_events_change(server_events *events, int fd, unsigned interest, void *tag)
{
    return control(events, EPOLL_CTL_MOD, fd, interest, tag);
}

void server_events_remove(server_events *events, int fd)
{
    control(events, EPOLL_CTL_DEL, fd, 0, NULL);
}

int server_events_wait(server_events *events, server_ready *out, size_t max, int timeout_ms)
{
    int n = epoll_wait(events->fd, events->ready, max < BATCH ? (int)max : BATCH, timeout_ms);
    if (n < 0)
        return errno == EINTR ? 0 : -1;
    for (int i = 0; i < n; i++) {
        unsigned mask = events->ready[i].events;
        out[i].tag = events->ready[i].data.ptr;
        out[i].what = (mask & EPOLLIN ? SERVER_READ : 0u) | (mask & EPOLLOUT ? SERVER_WRITE : 0u);
        if (mask & (EPOLLERR | EPOLLHUP))
            out[i].what = SERVER_READ | SERVER_WRITE;
    }
    return n;
}

#else

#include <poll.h>

struct server_events {
    struct pollfd *fds;
    void **tags;
    size_t count;
    size_t room;
    size_t next; /* where the next report begins, so that none is starved */
};

server_events *server_events_open(void)
{
    return calloc(1, sizeof(server_events));
}

void server_events_close(server_events *events)
{
    if (!events)
        return;
    free(events->fds);
    free(events->tags);
    free(events);
}

static short mask_of(unsigned interest)
{
    return (short)((interest & SERVER_READ ? POLLIN : 0) | (interest & SERVER_WRITE ? POLLOUT : 0));
}

static size_t find(const server_events *events, int fd)
{
    size_t at = 0;
    while (at < events->count && events->fds[at].fd != fd)
        at++;
    return at;
}

static int grow(server_events *events)
{
    size_t room = events->room ? events->room * 2 : 64;
    struct pollfd *fds = realloc(events->fds, room * sizeof *fds);
    if (!fds)
        return -1;
    events->fds = fds;
    void **tags = realloc(events->tags, room * sizeof *tags);
    if (!tags)
        return -1;
    events->tags = tags;
    events->room = room;
    return 0;
}

int server_events_add(server_events *events, int fd, unsigned interest, void *tag)
{
    if (events->count == events->room && grow(events) != 0)
        return -1;
    events->fds[events->count] = (struct pollfd){fd, mask_of(interest), 0};
    events->tags[events->count++] = tag;
    return 0;
}

int server_events_change(server_events *events, int fd, unsigned interest, void *tag)
{
    size_t at = find(events, fd);
    if (at == events->count)
        return -1;
    events->fds[at].events = mask_of(interest);
    events->tags[at] = tag;
    return 0;
}

void server_events_remove(server_events *events, int fd)
{
    size_t at = find(events, fd);
    if (at == events->count)
        return;
    events->count--;
    events->fds[at] = events->fds[events->count];
    events->tags[at] = events->tags[events->count];
}

int server_events_wait(server_events *events, server_ready *out, size_t max, int timeout_ms)
{
    size_t reported = 0;
    int n = poll(events->fds, (nfds_t)events->count, timeout_ms);
    if (n < 0)
        return errno == EINTR ? 0 : -1;
    for (size_t i = 0; i < events->count && reported < max && reported < (size_t)n; i++) {
        size_t at = (events->next + i) % events->count;
        short mask = events->fds[at].revents;
        if (mask == 0)
            continue;
        out[reported].tag = events->tags[at];
        out[reported].what = (mask & POLLIN ? SERVER_READ : 0u) | (mask & POLLOUT ? SERVER_WRITE : 0u);
        if (mask & (POLLERR | POLLHUP | POLLNVAL))
            out[reported].what = SERVER_READ | SERVER_WRITE;
        reported++;
    }
    events->next = events->count ? (events->next + 1) % events->count : 0;
    return (int)reported;
}

#endif
