/*
 * endpoint.h - connections of the server that are used for different things: server_conn_data() points to an endpoint,
 * which is the first member of something larger. NULL: it is used for nothing any more.
 */
#ifndef EXAMPLES_ENDPOINT_H
#define EXAMPLES_ENDPOINT_H

#include "server.h"

typedef struct endpoint endpoint;

typedef struct endpoint_type {
    void (*message)(endpoint *e, uint8_t *data, size_t len); /* of a WebSocket; may be NULL, like the next */
    void (*writable)(endpoint *e);
    void (*closed)(endpoint *e);
} endpoint_type;

struct endpoint {
    const endpoint_type *type;
};

/** For server_handler: they find the endpoint of the connection. */
void endpoint_message(server_conn *conn, uint8_t *data, size_t len, void *user);
void endpoint_writable(server_conn *conn, void *user);
void endpoint_closed(server_conn *conn, void *user);

#endif
