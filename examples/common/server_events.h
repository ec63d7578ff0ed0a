/*
 * server_events.h - which descriptors are ready: epoll on Linux, poll() elsewhere (or with SERVER_USE_POLL).
 */
#ifndef EXAMPLES_SERVER_EVENTS_H
#define EXAMPLES_SERVER_EVENTS_H

#include <stddef.h>

#define SERVER_READ  1u
#define SERVER_WRITE 2u

typedef struct server_events server_events;

typedef struct server_ready {
    void *tag;
    unsigned what; /* an error or a hang-up counts as both */
} server_ready;

/** NULL on failure. */
server_events *server_events_open(void);

void server_events_close(server_events *events);

/** Watch a descriptor, level-triggered. 0 or -1. */
int server_events_add(server_events *events, int fd, unsigned interest, void *tag);

/** Change what is waited for. 0 or -1. */
int server_events_change(server_events *events, int fd, unsigned interest, void *tag);

/** Stop watching; before the descriptor is closed. */
void server_events_remove(server_events *events, int fd);

/** Wait at most timeout_ms (-1: for ever). Number of entries in `out`; 0 also when interrupted; -1 on failure. */
int server_events_wait(server_events *events, server_ready *out, size_t max, int timeout_ms);

#endif
