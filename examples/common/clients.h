/*
 * clients.h - how clients of Centrifugo's protocol reach their sessions on this server.
 *
 *   /connection/websocket        text frames
 *   /connection/http_stream      a response without end, a line for each reply or push
 *   /connection/sse              the same as server-sent events
 *   /emulation                   what clients of these two have to say once their stream is open
 *   /connection/uni_websocket, /connection/uni_http_stream, /connection/uni_sse
 *                                for clients that only listen
 *
 * Streams go one way only. What a client has to say comes with the request that opens the stream, and later by requests
 * of their own, which name the session by its secret id.
 *
 * The server's handler must have endpoint.h's message, writable and closed, and ws_frames.h's keep and drop.
 */
#ifndef EXAMPLES_CLIENTS_H
#define EXAMPLES_CLIENTS_H

#include <streamrelay/streamrelay.h>

#include "endpoint.h"

typedef struct clients {
    srl_relay *relay;
    const char *const *origins; /* of pages that may connect, beside the server's own; "*" for all */
    size_t origin_count;
} clients;

/** Open a session for a WebSocket that was opened otherwise, like server_handler's open(): 0 or -1. */
int clients_open(srl_relay *relay, server_conn *conn, int protocol);

/** Keep memory with a session that was opened here, in place of what was kept; free() is called for it. */
void clients_keep(srl_session *session, void *data);

/** What is kept, or NULL. */
const void *clients_kept(const srl_session *session);

/** Answer a request for one of these paths. 0, or -1 if it is for another one. */
int clients_serve(const clients *all, server_conn *conn, const server_request *request);

#endif
