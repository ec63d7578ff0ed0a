/* What the parts of the server share. */
#ifndef EXAMPLES_SERVER_PRIVATE_H
#define EXAMPLES_SERVER_PRIVATE_H

#include <signal.h>
#include <stdbool.h>
#include <sys/uio.h>

#include "http.h"
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
    CONN_REQUEST,  /* reading the head of a request */
    CONN_BODY,     /* reading its body */
    CONN_WAITING,  /* the handler has not answered it yet; nothing is read meanwhile */
    CONN_RESPONSE, /* sending a response; nothing is read meanwhile */
    CONN_STREAM,   /* a response without end; what comes in is thrown away */
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
    size_t request_len; /* bytes of `head` that are the head of the request whose body is being read */
    uint8_t *body;
    size_t body_len;
    size_t body_need;
    server_slot out[SERVER_OUT_SLOTS];
    uint8_t out_count;
    uint8_t interest;
    uint8_t state; /* server_state */
    uint8_t timer; /* server_timer */
    bool keep_alive;
    bool is_chunked;  /* a stream goes out in chunks: the client speaks HTTP/1.1 */
    bool is_head;     /* the answer has no body */
    bool is_serving;  /* requests are being looked at further up the stack */
    bool peer_done;   /* nothing more is expected from the peer but its hang-up */
    bool blocked;     /* the handler waits for writable() */
    bool owes_closed; /* the handler has to do with it, and closed() was not called yet */
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

/* ---- server_conn.c ---- */

/* Take over an accepted descriptor; -1 (and it stays the caller's) when out of memory. */
int server__conn_accept(http_server *server, int fd);

/* A descriptor is ready. */
void server__conn_ready(server_conn *conn, unsigned what);

/* Its time is up. */
void server__conn_expired(server_conn *conn);

/* Stop using it; freed by server__reap(). */
void server__conn_kill(server_conn *conn);

/* Tell the handler of dead connections and free them. */
void server__reap(http_server *server);

void server__timer_set(server_conn *conn, server_timer kind);
void server__timer_clear(server_conn *conn);

/* One system call: what was sent; -1 would block, -2 broken. */
int64_t server__conn_send(server_conn *conn, struct iovec *iov, size_t count);

/* Have bytes sent behind what waits; false if there is no slot. */
bool server__conn_push(server_conn *conn, const void *data, size_t len, void *owner, server_slot_kind kind);

/* The same with a copy of them; without memory or slot the connection is killed. */
void server__conn_push_copy(server_conn *conn, const void *data, size_t len, server_slot_kind kind);

/* Let the owner of a slot's bytes go. */
void server__slot_release(server_conn *conn, server_slot *slot);

/* Send what waits, and go on with what comes after it. */
void server__conn_flush(server_conn *conn);

/* All is said: wait for the peer to hang up. */
void server__conn_linger(server_conn *conn);

/* Wait for the events that the state wants. */
void server__conn_watch(server_conn *conn);

/* ---- server_http.c ---- */

/* More bytes of a head, or of a body, lie in the connection's memory. */
void server__http_head(server_conn *conn, size_t more);
void server__http_body(server_conn *conn, size_t more);

/* Serve the requests that are here already, if it is their turn. */
void server__http_next(server_conn *conn);

/* Answer with a plain text. */
void server__http_refuse(server_conn *conn, int status);

/* ---- server_ws.c ---- */

void server__ws_serve(server_conn *conn, const http_request *request);
void server__ws_feed(server_conn *conn, uint8_t *data, size_t len);

/* ---- server_write.c ---- */

/* Let the owners of what was laid out go; at the end of each turn. */
void server__layout_drop(http_server *server);

#endif
