/*
 * A server that the official SDKs of Centrifugo can be pointed at, for trying and testing: its endpoints for clients,
 * its tokens, namespaces and HTTP API, on one relay of the library.
 *
 * Here requests find their way: to a session of the relay (common/clients.c) or to a method of the API (api.c). What
 * the relay asks is answered in hooks.c. docs/centrifugo.md tells how to use it.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "api.h"
#include "app.h"
#include "args.h"
#include "clients.h"
#include "hooks.h"
#include "ws_frames.h"

#define GRACE_MS 3000
#define MAX_BODY 2097152
#define MAX_HEAD 16384

/* ---- requests ---- */

static bool path_is(const http_request *request, const char *path)
{
    return strlen(path) == request->path_len && memcmp(path, request->path, request->path_len) == 0;
}

static bool path_begins(const http_request *request, const char *beginning)
{
    size_t len = strlen(beginning);
    return request->path_len >= len && memcmp(beginning, request->path, len) == 0;
}

static int on_request(server_conn *conn, const server_request *request, void *user)
{
    static const char health[] = "{}";
    const server_response healthy = {200, "application/json", NULL, (const uint8_t *)health, sizeof health - 1};
    app *a = user;
    const clients all = {a->relay, (const char *const *)a->config.origins, a->config.origin_count};
    if (clients_serve(&all, conn, request) == 0)
        return 0;
    if (a->config.api_key[0] != '\0' && path_begins(request->head, API_PATH))
        api_serve(a, conn, request);
    else if (path_is(request->head, "/health"))
        server_conn_respond(conn, &healthy);
    else
        return -1;
    return 0;
}

/* ---- turns ---- */

/* All that one look at the sockets brings is one turn of the relay. */
static void on_turn_begin(void *user)
{
    srl_relay_cork(((app *)user)->relay);
}

static void on_turn_end(void *user)
{
    srl_relay_uncork(((app *)user)->relay);
}

static void relay_ready(void *user)
{
    app *a = user;
    if (srl_relay_process(a->relay) < 0)
        server_stop(a->server);
}

/* ---- ending in order ---- */

static http_server *interrupted_server;

static void on_signal(int number)
{
    (void)number;
    server_interrupt(interrupted_server);
}

static void everybody_left(srl_relay *relay, void *user)
{
    (void)relay;
    server_stop(((app *)user)->server);
}

/* The first signal says goodbye to everybody, the second does not wait for it. */
static void on_interrupt(void *user)
{
    app *a = user;
    bool again = a->ending;
    a->ending = true;
    server_stop_listening(a->server);
    if (again || srl_relay_shutdown(a->relay, GRACE_MS, everybody_left, a) != 0)
        server_stop(a->server);
}

static void catch_signals(http_server *server)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    interrupted_server = server;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ---- main ---- */

static int create_relay(app *a)
{
    int error = tokens_create(&a->tokens, &a->config);
    if (error == 0)
        error = hooks_set(a->config.relay, a);
    if (error == 0)
        error = srl_relay_create(a->config.relay, &a->relay);
    if (error == 0)
        error = config_apply(&a->config, a->relay);
    if (a->relay && error != 0)
        fprintf(stderr, "centrifugo: %s\n", srl_relay_last_error(a->relay));
    else if (error == SRL_ERR_OPTION_VALUE)
        fprintf(stderr, "centrifugo: settings contradict each other, like a pong_timeout beyond the ping_interval\n");
    else if (error != 0)
        fprintf(stderr, "centrifugo: %s\n", srl_error_text(error));
    return error;
}

static http_server *start_server(app *a, const args *wanted)
{
    const server_handler handler = {
        .message = endpoint_message,
        .writable = endpoint_writable,
        .closed = endpoint_closed,
        .keep = ws_frames_keep,
        .drop = ws_frames_drop,
        .turn_begin = on_turn_begin,
        .turn_end = on_turn_end,
        .request = on_request,
        .interrupted = on_interrupt,
        .user = a,
    };
    server_options options;
    const char *why;
    server_options_init(&options);
    options.host = wanted->host;
    options.port = wanted->port;
    options.websocket = NULL;
    options.max_body = MAX_BODY;
    options.max_head = MAX_HEAD; /* the first words of clients that can only GET are in it */
    options.origins = (const char *const *)a->config.origins;
    options.origin_count = a->config.origin_count;
    http_server *server = server_open(&options, &handler, &why);
    if (!server)
        fprintf(stderr, "centrifugo: cannot listen on %s port %s: %s\n", wanted->host, wanted->port, why);
    return server;
}

static void allow_many_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int serve(app *a, const args *wanted)
{
    allow_many_descriptors();
    if (create_relay(a) != 0)
        return 1;
    a->server = start_server(a, wanted);
    if (!a->server || server_watch(a->server, srl_relay_fd(a->relay), relay_ready, a) != 0)
        return 1;
    catch_signals(a->server);
    printf("centrifugo: http://%s:%u (Ctrl-C ends it)\n", wanted->host, (unsigned)server_port(a->server));
    fflush(stdout);
    return server_run(a->server) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static app a;
    args wanted;
    int result = 1;
    if (config_init(&a.config) == 0) {
        result = args_parse(&wanted, &a.config, argc, argv);
        if (result < 0)
            result = serve(&a, &wanted);
    }
    server_close(a.server);
    srl_relay_destroy(a.relay);
    tokens_destroy(&a.tokens);
    config_free(&a.config);
    return result;
}
