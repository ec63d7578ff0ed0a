/* What server.c and server_conn.c share. */
#ifndef EXAMPLES_SERVER_PRIVATE_H
#define EXAMPLES_SERVER_PRIVATE_H

#include <signal.h>
#include <stdbool.h>
#include <sys/uio.h>

#include "server.h"
#include "server_events.h"
#include "websocket.h"

#define SERVER_LISTENERS  4
#define SERVER_INPUT_SIZE 65536u
#define SERVER_IOV        64
#define SERVER_COPY_MAX   4096u /* pieces up to this size are copied together, larger ones go out from where they are */
#define SERVER_GATHER     262144u /* room for the copies of one system call */
#define SERVER_LAYOUT_MIN 2       /* pieces that are worth laying out once for many connections, */
#define SERVER_LAYOUT_MAX 256     /* and that can be */
#define SERVER_OUT_SLOTS  3       /* the rest of a piece, a pong, a close frame; or a response's head and body */

typedef enum server_source_kind { SOURCE_LISTENER, SOURCE_WAKE, SOURCE_WATCH, SOURCE_CONN } server_source_kind;

/* What the poller gives back. */
typedef struct server_source {
    server_source_kind kind;
    int fd;
} server_source;

typedef enum server_state {
    CONN_REQUEST,  /* reading a request */
    CONN_RESPONSE, /* sending a response; nothing is read meanwhile */
    CONN_OPEN,     /* a WebSocket */
    CONN_CLOSING,  /* close frame queued or sent, waiting for the peer's */
    CONN_LINGER,   /* all is said, waiting for the peer to hang up */
    CONN_DEAD      /* to be freed at the end of the turn */
} server_state;

typedef enum server_timer { TIMER_REQUEST, TIMER_RESPONSE, TIMER_CLOSE, TIMER_KINDS, TIMER_NONE } server_timer;

typedef enum server_slot_kind { SLOT_STATIC, SLOT_HEAP, SLOT_PONG, SLOT_KEPT } server_slot_kind;

/* Bytes that wait for the socket. */
typedef struct server_slot {
    const uint8_t *data;
    size_t len;
    void *owner; /* heap block of HEAP and PONG, piece owner of KEPT */
    server_slot_kind kind;
} server_slot;

struct server_conn {
    server_source source; /* first: the poller's tag points here */
    http_server *server;
    void *data;
    server_conn *prev; /* all connections */
    server_conn *next;
    server_conn *timer_prev; /* those with a deadline of the same kind, soonest first */
    server_conn *timer_next;
    server_conn *next_dead;
    uint64_t deadline;
    char *head; /* request bytes, NULL once it is a WebSocket */
    size_t head_len;
    server_slot out[SERVER_OUT_SLOTS];
    uint8_t out_count;
    uint8_t interest;
    uint8_t state; /* server_state */
    uint8_t timer; /* server_timer */
    bool keep_alive;
    bool peer_done;   /* nothing more is expected from the peer but its hang-up */
    bool blocked;     /* the handler waits for writable() */
    bool owes_closed; /* open() succeeded, closed() was not called yet */
    ws_parser parser;
};

typedef struct server_deadlines {
    server_conn *first;
    server_conn *last;
    uint32_t duration;
} server_deadlines;

/* What `iov` and `gather` hold, to be sent again if the next connection gets the same. */
typedef struct server_layout {
    server_piece pieces[SERVER_LAYOUT_MAX];
    size_t count; /* 0: not to be used again */
    size_t iov_count;
    size_t bytes;
} server_layout;

struct http_server {
    server_options options;
    server_handler handler;
    server_events *events;
    server_source listeners[SERVER_LISTENERS];
    size_t listener_count;
    server_source wake;
    int wake_write;
    server_source watch;
    void (*watch_ready)(void *user);
    void *watch_user;
    server_conn *conns;
    size_t conn_count;
    server_conn *dead;
    server_deadlines timers[TIMER_KINDS];
    uint64_t now;
    uint64_t next_tick;    /* UINT64_MAX: never */
    uint64_t accept_after; /* out of descriptors: not before this time */
    bool listening;        /* the listeners are being watched */
    bool closed_to_new;
    bool stopping;
    server_layout layout;
    struct iovec iov[SERVER_IOV];
    uint8_t gather[SERVER_GATHER];
    uint8_t input[SERVER_INPUT_SIZE];
};

/* Take over an accepted descriptor; -1 (and it stays the caller's) when out of memory. */
int server__conn_accept(http_server *server, int fd);

/* A descriptor is ready. */
void server__conn_ready(server_conn *conn, unsigned what);

/* Its time is up. */
void server__conn_expired(server_conn *conn);

/* Stop using it; freed by server__reap(). */
void server__conn_kill(server_conn *conn);

/* Let the owners of what was laid out go; at the end of each turn. */
void server__layout_drop(http_server *server);

/* Tell the handler of dead connections and free them. */
void server__reap(http_server *server);

#endif
