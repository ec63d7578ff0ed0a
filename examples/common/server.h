/*
 * server.h - a small HTTP/1.1 and WebSocket server on non-blocking sockets, in one thread.
 *
 * It serves some pages, fixed or made on demand, and turns connections to one path into WebSockets. Other requests can
 * be answered by the handler, at once or later, with a response, a stream or a WebSocket. It knows nothing of what
 * travels over them: that is the handler's. Writes never block; what a connection cannot take stays with the caller.
 *
 * One turn of the loop: turn_begin, everything that is ready, turn_end. A handler that sends in turn_end sends once
 * per connection and turn, however much came in.
 */
#ifndef EXAMPLES_SERVER_H
#define EXAMPLES_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "http.h"

typedef struct http_server http_server;

/* One connection. As long as it is a WebSocket, a stream or a request without an answer, it is the handler's: valid
 * until the handler's closed() returns, or until the answer or the stream is ended by the functions below. */
typedef struct server_conn server_conn;

/* A page. */
typedef struct server_route {
    const char *path; /* exactly this, without a query */
    const char *type;
    const uint8_t *data;
    size_t len;
} server_route;

/* Some bytes to send, and what keeps them in memory. */
typedef struct server_piece {
    const uint8_t *data;
    size_t len;
    void *owner;
} server_piece;

/* A request; a view, valid until the call returns that shows it. */
typedef struct server_request {
    const http_request *head;
    const uint8_t *body;
    size_t body_len;
} server_request;

/* The answer to a request; its bytes are copied. */
typedef struct server_response {
    int status;
    const char *type;  /* NULL: no body */
    const char *extra; /* more header lines, each with CRLF; may be NULL */
    const uint8_t *data;
    size_t len;
} server_response;

/* All may be NULL but message and closed. `user` is handed to each. */
typedef struct server_handler {
    /** A WebSocket was opened; 0, or -1 to close it again (1013, try later). */
    int (*open)(server_conn *conn, void *user);
    /** A whole message; the memory may be written to. */
    void (*message)(server_conn *conn, uint8_t *data, size_t len, void *user);
    /** A write that took less than it was given can be continued. */
    void (*writable)(server_conn *conn, void *user);
    /** The connection is over: a WebSocket that open() took or server_conn_upgrade() made, a stream, or a request that
     *  is not answered yet. Called once for each of them, never inside another server call; not for a stream that the
     *  host has ended. */
    void (*closed)(server_conn *conn, void *user);
    /** A piece was sent in part, or may go to the next connection too: hold its owner, and let it go later. Its bytes
     *  do not change meanwhile. NULL: pieces stay in memory anyway. */
    void (*keep)(void *owner, void *user);
    void (*drop)(void *owner, void *user);
    void (*turn_begin)(void *user);
    void (*turn_end)(void *user);
    /** A request for another path than the WebSocket's: answer it, now or later, and return 0; or return -1 to have it
     *  treated as one for a page. The connection's data is NULL. */
    int (*request)(server_conn *conn, const server_request *request, void *user);
    /** Another path than those of the fixed pages was asked for: fill in the page (its path is not looked at) and
     * return 0, or -1 if there is none. Its bytes are copied when this returns. */
    int (*page)(const char *path, size_t path_len, server_route *page, void *user);
    /** server_interrupt() was called. */
    void (*interrupted)(void *user);
    /** Every tick_ms of the options. */
    void (*tick)(void *user);
    void *user;
} server_handler;

typedef struct server_options {
    const char *host;          /* address or name; NULL: all addresses */
    const char *port;          /* number; "0": any free one */
    const char *websocket;     /* path of the WebSocket; NULL: none */
    const server_route *pages; /* not copied */
    size_t page_count;
    const char *const *origins; /* beside the server's own; "*" for all; not copied */
    size_t origin_count;
    size_t max_connections;
    size_t max_message;          /* bytes of a WebSocket message */
    size_t max_head;             /* bytes of a request's head */
    size_t max_body;             /* bytes of its body; 0: requests with a body are refused */
    uint32_t request_timeout_ms; /* a request must be complete after this time */
    uint32_t response_timeout_ms;
    uint32_t close_timeout_ms; /* for the closing handshake */
    uint32_t tick_ms;          /* 0: handler.tick is not called */
} server_options;

/** Fill in the defaults: localhost, 8080, /ws, 10,000 connections, 64 KiB, 8 KiB, 0, 10 s, 30 s, 3 s, 0. */
void server_options_init(server_options *options);

/**
 * Begin to listen.
 *
 * @param why  on failure receives what was wrong, static text or from strerror()
 * @return NULL on failure
 */
http_server *server_open(const server_options *options, const server_handler *handler, const char **why);

/** The port it listens on. */
uint16_t server_port(const http_server *server);

/** Also watch this descriptor for reading: `ready` is called within a turn. Once per server; 0 or -1. */
int server_watch(http_server *server, int fd, void (*ready)(void *user), void *user);

/** Serve until server_stop(), then close what is open (1001) and wait for it. 0, or -1 when polling failed. */
int server_run(http_server *server);

/** Make server_run() return. */
void server_stop(http_server *server);

/** Accept no more connections. */
void server_stop_listening(http_server *server);

/** Have handler.interrupted called in the next turn. May be called in a signal handler. */
void server_interrupt(http_server *server);

/** After server_run(): close everything at once. */
void server_close(http_server *server);

void server_conn_set_data(server_conn *conn, void *data);
void *server_conn_data(const server_conn *conn);

/**
 * Send pieces, all in one system call if the socket takes them. The pieces are whole WebSocket frames.
 *
 * @return how many pieces were taken; a piece sent in part counts (its owner is kept). Fewer than `count`: writable()
 *         will be called. Negative: the connection is broken, closed() will be called.
 */
int64_t server_conn_write(server_conn *conn, const server_piece *pieces, size_t count);

/**
 * Send one whole WebSocket frame whose bytes are the caller's own; what the socket does not take is copied.
 *
 * @return 1; 0: not taken, writable() will be called; -1: the connection is broken, closed() will be called
 */
int server_conn_write_copy(server_conn *conn, const void *data, size_t len);

/* ---- answers to handler.request ---- */

/** Answer a request. Nothing happens if the connection does not wait for an answer. */
void server_conn_respond(server_conn *conn, const server_response *response);

/** Answer with a short text; NULL: with none. `extra`: more header lines, or NULL. */
void server_conn_respond_text(server_conn *conn, int status, const char *text, const char *extra);

/**
 * Answer with a WebSocket, or with an error if the request does not ask for one or comes from an origin that is not
 * allowed. Only while handler.request runs.
 *
 * @param subprotocol  the one to name in the answer; NULL: none
 * @return 0, or -1: it was answered otherwise
 */
int server_conn_upgrade(server_conn *conn, const http_request *request, const char *subprotocol);

/** Answer 200 and begin a body without end. 0, or -1 if the connection is broken: closed() will be called. */
int server_conn_stream(server_conn *conn, const char *type, const char *extra);

/**
 * Send the next part of a stream.
 *
 * @return 1: it is on its way; 0: not now, writable() will be called; -1: broken, closed() will be called
 */
int server_stream_write(server_conn *conn, const void *data, size_t len);

/** End a stream behind what was taken. closed() is not called. */
void server_stream_end(server_conn *conn);

/* ---- WebSockets ---- */

/** Send a close frame behind what was taken, and close the connection in order. No messages come after it. */
void server_conn_close(server_conn *conn, uint16_t code, const char *reason, size_t reason_len);

#endif
