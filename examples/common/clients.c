#include "clients.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cors.h"
#include "json_text.h"
#include "json_tree.h"
#include "ws_frames.h"

#define CONNECT_PARAMETER "cf_connect" /* of the address: what a client that cannot send a body would have sent */
#define MAX_WRITE         65536u       /* bytes of one write to a stream, unless a single frame is longer */
#define MAX_EMULATION     65536u

/* A request and what its answer needs. */
typedef struct client_request {
    srl_relay *relay;
    server_conn *conn;
    const server_request *request;
    const char *cors; /* header lines */
} client_request;

typedef struct client {
    endpoint base;
    server_conn *conn;
    srl_session *session;
    bool is_unidirectional;
    bool is_sse;
    void *kept;
} client;

static void free_client(client *c)
{
    free(c->kept);
    free(c);
}

void clients_keep(srl_session *session, void *data)
{
    client *c = srl_session_user_data(session);
    free(c->kept);
    c->kept = data;
}

const void *clients_kept(const srl_session *session)
{
    return ((const client *)srl_session_user_data(session))->kept;
}

/* ---- WebSocket ---- */

static void on_message(endpoint *e, uint8_t *data, size_t len)
{
    client *c = (client *)(void *)e;
    if (c->is_unidirectional)
        srl_session_connect(c->session, (const char *)data, len); /* the first message; others change nothing */
    else
        srl_session_receive(c->session, data, len);
}

static void on_writable(endpoint *e)
{
    srl_session_writable(((client *)(void *)e)->session);
}

static void on_closed(endpoint *e)
{
    client *c = (client *)(void *)e;
    srl_session_closed(c->session);
    free_client(c);
}

static const endpoint_type client_type = {on_message, on_writable, on_closed};

static int64_t websocket_write(srl_session *session, srl_frame *const *frames, size_t count, void *user)
{
    const client *c = user;
    if (srl_session_protocol(session) == SRL_PROTOCOL_CENTRIFUGO && !c->is_unidirectional)
        return ws_frames_write_merged(c->conn, frames, count, srl_session_separator_len(session));
    return ws_frames_write(c->conn, frames, count);
}

static void websocket_close(srl_session *session, uint32_t code, const char *reason, size_t reason_len, void *user)
{
    client *c = user;
    server_conn_set_data(c->conn, NULL);
    server_conn_close(c->conn, (uint16_t)code, reason, reason_len);
    srl_session_closed(session);
    free_client(c);
}

/* ---- streams ---- */

/* As many frames as one write should have: a line each, or an event each. */
static size_t lay_out(const client *c, srl_frame *const *frames, size_t count, json_text *out)
{
    size_t taken = 0;
    while (taken < count && (taken == 0 || out->len + srl_frame_len(frames[taken]) < MAX_WRITE)) {
        const srl_frame *frame = frames[taken++];
        if (c->is_sse)
            json_text_add(out, "data: ");
        json_text_add_n(out, (const char *)srl_frame_data(frame), srl_frame_len(frame));
        json_text_add(out, c->is_sse ? "\n\n" : "\n");
    }
    return taken;
}

static int64_t stream_write(srl_session *session, srl_frame *const *frames, size_t count, void *user)
{
    const client *c = user;
    size_t taken = 0;
    int result = 1;
    (void)session;
    while (taken < count && result > 0) {
        json_text out = {.max = SIZE_MAX};
        size_t batch = lay_out(c, frames + taken, count - taken, &out);
        result = out.cut ? -1 : server_stream_write(c->conn, out.data, out.len);
        json_text_free(&out);
        if (result > 0)
            taken += batch;
    }
    return result < 0 ? -1 : (int64_t)taken;
}

/* The client has been told by a push. */
static void stream_close(srl_session *session, uint32_t code, const char *reason, size_t reason_len, void *user)
{
    client *c = user;
    (void)code;
    (void)reason;
    (void)reason_len;
    server_conn_set_data(c->conn, NULL);
    server_stream_end(c->conn);
    srl_session_closed(session);
    free_client(c);
}

/* ---- opening ---- */

static srl_transport make_transport(bool is_websocket, bool is_unidirectional)
{
    srl_transport transport;
    srl_transport_init(&transport, sizeof transport);
    transport.write = is_websocket ? websocket_write : stream_write;
    transport.close = is_websocket ? websocket_close : stream_close;
    if (!is_websocket)
        transport.flags |= SRL_TRANSPORT_EMULATED;
    if (is_unidirectional) /* told by a push why it ends, and which session it is, over WebSocket too */
        transport.flags |= SRL_TRANSPORT_UNIDIRECTIONAL | SRL_TRANSPORT_EMULATED;
    return transport;
}

/* A client with its session; NULL if there can be none now. */
static client *open_client(srl_relay *relay, server_conn *conn, int protocol, bool is_websocket, bool is_unidirectional)
{
    const srl_transport transport = make_transport(is_websocket, is_unidirectional);
    client *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->base.type = &client_type;
    c->conn = conn;
    c->is_unidirectional = is_unidirectional;
    if (srl_session_open(relay, &transport, protocol, c, &c->session) != 0) {
        free(c);
        return NULL;
    }
    server_conn_set_data(conn, c);
    return c;
}

int clients_open(srl_relay *relay, server_conn *conn, int protocol)
{
    return open_client(relay, conn, protocol, true, false) ? 0 : -1;
}

/* What the client sent with its first request. This may end the session, and the client with it. */
static void begin(const client *c, const char *data, size_t len)
{
    if (c->is_unidirectional)
        srl_session_connect(c->session, data, len);
    else
        srl_session_receive(c->session, data, len);
}

/* The connect parameter in memory of its own, or NULL. */
static char *connect_parameter(const server_request *request, size_t *len)
{
    size_t size = request->head->query_len + 1;
    char *text = malloc(size);
    int got = text ? http_query_get(request->head->query, request->head->query_len, CONNECT_PARAMETER, text, size) : -1;
    if (got < 0) {
        free(text);
        return NULL;
    }
    *len = (size_t)got;
    return text;
}

static void open_websocket(const client_request *r, bool is_unidirectional)
{
    static const char json[] = "centrifuge-json";
    const ws_header *offered = http_header(r->request->head, "sec-websocket-protocol");
    bool echo = offered && ws_has_token(offered->value, offered->value_len, json);
    size_t len = 0;
    if (server_conn_upgrade(r->conn, r->request->head, echo ? json : NULL) != 0)
        return;
    client *c = open_client(r->relay, r->conn, SRL_PROTOCOL_CENTRIFUGO, true, is_unidirectional);
    if (!c) {
        server_conn_close(r->conn, SRL_DISCONNECT_SHUTDOWN, "shutdown", 8);
        return;
    }
    char *first = is_unidirectional ? connect_parameter(r->request, &len) : NULL;
    if (first)
        begin(c, first, len);
    free(first);
}

static void serve_websocket(const client_request *r)
{
    open_websocket(r, false);
}

static void serve_uni_websocket(const client_request *r)
{
    open_websocket(r, true);
}

static void open_stream(const client_request *r, bool is_sse, bool is_unidirectional, const char *data, size_t len)
{
    char headers[1024];
    snprintf(headers, sizeof headers,
             "Cache-Control: private, no-cache, no-store, must-revalidate, max-age=0\r\nPragma: no-cache\r\n"
             "X-Accel-Buffering: no\r\n%s",
             r->cors);
    client *c = open_client(r->relay, r->conn, SRL_PROTOCOL_CENTRIFUGO, false, is_unidirectional);
    if (!c) {
        server_conn_respond_text(r->conn, 503, "no more clients now", r->cors);
        return;
    }
    c->is_sse = is_sse;
    if (server_conn_stream(r->conn, is_sse ? "text/event-stream; charset=utf-8" : "application/json; charset=utf-8",
                           headers) != 0)
        return;
    if (is_sse)
        server_stream_write(r->conn, "\r\n", 2);
    begin(c, data, len);
}

/* The client's first words are the body, or for those that can only GET, a part of the address. */
static void open_stream_by_request(const client_request *r, bool is_sse, bool is_unidirectional)
{
    const server_request *request = r->request;
    if (http_method_is(request->head, "POST")) {
        open_stream(r, is_sse, is_unidirectional, (const char *)request->body, request->body_len);
        return;
    }
    size_t len = 0;
    char *first = connect_parameter(request, &len);
    if (first || is_unidirectional) /* for which it is all optional */
        open_stream(r, is_sse, is_unidirectional, first ? first : "", len);
    else
        server_conn_respond_text(r->conn, 400, "the address has no " CONNECT_PARAMETER, r->cors);
    free(first);
}

static void serve_http_stream(const client_request *r)
{
    open_stream_by_request(r, false, false);
}

static void serve_sse(const client_request *r)
{
    open_stream_by_request(r, true, false);
}

static void serve_uni_http_stream(const client_request *r)
{
    open_stream_by_request(r, false, true);
}

static void serve_uni_sse(const client_request *r)
{
    open_stream_by_request(r, true, true);
}

/* ---- what clients on streams have to say ---- */

/* The HTTP status. */
static int emulate(const srl_relay *relay, const json_node *body)
{
    size_t id_len;
    size_t len;
    const char *id = json_string(json_member(body, "session"), &id_len);
    const json_node *data = json_member(body, "data");
    const char *commands = json_string(data, &len);
    if (!json_is(body, JSON_OBJECT) || !json_is(data, JSON_STRING))
        return 400;
    srl_session *session = srl_relay_find_session(relay, id, id_len);
    if (!session)
        return 404;
    srl_session_receive(session, commands, len);
    return 204;
}

static void serve_emulation(const client_request *r)
{
    int status = 413;
    if (r->request->body_len <= MAX_EMULATION) {
        json_tree *tree = json_tree_read((const char *)r->request->body, r->request->body_len, NULL);
        status = tree ? emulate(r->relay, json_tree_root(tree)) : 400;
        json_tree_free(tree);
    }
    server_conn_respond_text(r->conn, status, status == 204 ? NULL : http_status_text(status), r->cors);
}

/* ---- which request is for what ---- */

typedef struct client_route {
    const char *path;
    bool can_get;
    bool can_post;
    void (*serve)(const client_request *r);
} client_route;

static const client_route *find_route(const http_request *request)
{
    static const client_route routes[] = {
        {"/connection/websocket", true, false, serve_websocket},
        {"/connection/http_stream", false, true, serve_http_stream},
        {"/connection/sse", true, true, serve_sse},
        {"/connection/uni_websocket", true, false, serve_uni_websocket},
        {"/connection/uni_http_stream", true, true, serve_uni_http_stream},
        {"/connection/uni_sse", true, true, serve_uni_sse},
        {"/emulation", false, true, serve_emulation},
    };
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (strlen(routes[i].path) == request->path_len &&
            memcmp(routes[i].path, request->path, request->path_len) == 0)
            return &routes[i];
    }
    return NULL;
}

int clients_serve(const clients *all, server_conn *conn, const server_request *request)
{
    char cors[CORS_SIZE];
    const http_request *head = request->head;
    const client_request r = {all->relay, conn, request, cors};
    const client_route *route = find_route(head);
    if (!route)
        return -1;
    if (!cors_check(head, all->origins, all->origin_count, cors))
        server_conn_respond_text(conn, 403, "this origin is not allowed", NULL);
    else if (http_method_is(head, "OPTIONS"))
        server_conn_respond_text(conn, 204, NULL, cors);
    else if ((route->can_get && http_method_is(head, "GET")) || (route->can_post && http_method_is(head, "POST")))
        route->serve(&r);
    else
        server_conn_respond_text(conn, 405, "this method is of no use here", cors);
    return 0;
}
