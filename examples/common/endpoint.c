#include "endpoint.h"

void endpoint_message(server_conn *conn, uint8_t *data, size_t len, void *user)
{
    endpoint *e = server_conn_data(conn);
    (void)user;
    if (e && e->type->message)
        e->type->message(e, data, len);
}

void endpoint_writable(server_conn *conn, void *user)
{
    endpoint *e = server_conn_data(conn);
    (void)user;
    if (e && e->type->writable)
        e->type->writable(e);
}

void endpoint_closed(server_conn *conn, void *user)
{
    endpoint *e = server_conn_data(conn);
    (void)user;
    if (e)
        e->type->closed(e);
}
