/*
 * A chat: the page at /, the native protocol and Centrifugo's over WebSocket at /ws, Centrifugo's fallbacks below
 * /connection/.
 *
 * Here is who may come in, the server's turns, and main(). How frames reach a client is in common/clients.c. What the
 * channels are like and who may do what there is in policy.c; groups, direct messages and moderation are methods that
 * clients call, in rooms.c.
 *
 * In this demonstration the token is the user's name, and "admin" is a moderator. A real program checks a token that it
 * signed.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <streamrelay/streamrelay.h>

#include "chat_args.h"
#include "clients.h"
#include "policy.h"
#include "read_file.h"
#include "rooms.h"
#include "server.h"
#include "use_redis.h"
#include "ws_frames.h"

#define NEWS_EVERY_MS 60000
#define GRACE_MS      3000
#define MAX_BODY      65536
#define MAX_HEAD      16384
#define MAX_SDK       8388608

typedef struct chat_app {
    srl_relay *relay;
    srl_permissions *permissions;
    chat_rooms rooms;
    clients clients;
    http_server *server;
    char *sdk; /* the script of Centrifugo's SDK, if it was given */
    size_t sdk_len;
    bool ending;
} chat_app;

/* ---- the library's part: who may come in ---- */

/* An empty name is a guest, who may only read the news. */
static void on_connect(srl_request *request, void *user)
{
    static const char role[] = "{\"moderator\":true}";
    size_t len;
    const char *token = srl_request_token(request, &len);
    char name[CHAT_NAME_SIZE] = "";
    (void)user;
    if (len > 0 && !chat_name_is_valid(token, len)) {
        srl_request_reject(request, SRL_REPLY_UNAUTHORIZED, "this cannot be a name", 21);
        return;
    }
    memcpy(name, token, len);
    srl_request_set_user(request, name, len);
    if (chat_is_moderator(name)) {
        srl_request_add_role(request, CHAT_MODERATOR, strlen(CHAT_MODERATOR));
        srl_request_set_data(request, role, sizeof role - 1); /* for the page of the moderator */
        srl_request_set_info(request, role, sizeof role - 1); /* for those of the others */
    }
    srl_request_accept(request);
}

static void on_rpc(srl_request *request, void *user)
{
    const chat_app *chat = user;
    chat_rooms_rpc(&chat->rooms, request);
}

static void on_survey(srl_question *question, void *user)
{
    const chat_app *chat = user;
    chat_rooms_survey(&chat->rooms, question);
}

static int set_options(srl_options *options, const chat_args *args)
{
    int error = srl_options_set(options, "allow_anonymous", "true");
    if (error == 0)
        error = srl_options_set(options, "subscribe", "false"); /* to channels that no namespace begins */
    for (size_t i = 0; i < args->setting_count && error == 0; i++) {
        const char *name = args->settings[i];
        error = srl_options_set(options, name, name + strlen(name) + 1);
    }
    return error;
}

static int create_relay(chat_app *chat, const chat_args *args)
{
    srl_hooks hooks;
    srl_options *options;
    if (srl_options_create(&options) != 0)
        return -1;
    srl_hooks_init(&hooks, sizeof(hooks));
    hooks.connect = on_connect;
    hooks.rpc = on_rpc;
    hooks.survey = on_survey;
    int error = set_options(options, args);
    if (error == 0)
        error = srl_options_set_hooks(options, &hooks, chat);
    if (error != 0)
        fprintf(stderr, "chat: %s\n", srl_options_last_error(options));
    if (error == 0)
        error = args->redis ? use_redis(options, args->redis, "chat") : 0;
    if (error == 0)
        error = srl_relay_create(options, &chat->relay);
    if (error == 0)
        error = chat_policy_create(chat->relay, &chat->permissions);
    if (error != 0)
        fprintf(stderr, "chat: %s\n", srl_error_text(error));
    chat->rooms = (chat_rooms){chat->relay, chat->permissions};
    srl_options_destroy(options);
    return error;
}

/* ---- the server's part: clients come in ---- */

/* At /ws clients speak the native protocol or Centrifugo's, whichever their first command is in. */
static int websocket_opened(server_conn *conn, void *user)
{
    chat_app *chat = user;
    return clients_open(chat->relay, conn, SRL_PROTOCOL_DETECT);
}

static int serve_request(server_conn *conn, const server_request *request, void *user)
{
    chat_app *chat = user;
    return clients_serve(&chat->clients, conn, request);
}

/* All that one look at the sockets brings is one turn of the relay. */
static void turn_begins(void *user)
{
    chat_app *chat = user;
    srl_relay_cork(chat->relay);
}

static void turn_ends(void *user)
{
    chat_app *chat = user;
    srl_relay_uncork(chat->relay);
}

static void relay_ready(void *user)
{
    chat_app *chat = user;
    if (srl_relay_process(chat->relay) < 0)
        server_stop(chat->server);
}

/* ---- what the host itself has to say ---- */

static bool is_path(const char *path, size_t len, const char *name)
{
    return len == strlen(name) && memcmp(path, name, len) == 0;
}

static int serve_page(const char *path, size_t path_len, server_route *page, void *user)
{
    static char metrics[32768];
    const chat_app *chat = user;
    if (is_path(path, path_len, "/metrics")) {
        page->type = "text/plain; version=0.0.4; charset=utf-8";
        page->data = (const uint8_t *)metrics;
        page->len = srl_relay_metrics(chat->relay, metrics, sizeof metrics);
        return page->len < sizeof metrics ? 0 : -1;
    }
    if (chat->sdk && is_path(path, path_len, "/centrifuge.js")) {
        page->type = "text/javascript; charset=utf-8";
        page->data = (const uint8_t *)chat->sdk;
        page->len = chat->sdk_len;
        return 0;
    }
    return -1;
}

static void publish_news(void *user)
{
    static const char channel[] = "public:news";
    chat_app *chat = user;
    srl_stats stats = {.size = sizeof stats};
    time_t now = time(NULL);
    struct tm tm;
    char json[160];

    srl_relay_stats(chat->relay, &stats);
    if (!gmtime_r(&now, &tm))
        return;
    int len = snprintf(json, sizeof json,
                       "{\"text\":\"It is %02d:%02d UTC. Connections: %u. Messages since the start: %llu.\"}",
                       tm.tm_hour, tm.tm_min, (unsigned)stats.sessions, (unsigned long long)stats.publications);
    if (len > 0 && (size_t)len < sizeof json)
        srl_relay_publish(chat->relay, channel, sizeof channel - 1, json, (size_t)len, NULL, NULL);
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
    chat_app *chat = user;
    (void)relay;
    server_stop(chat->server);
}

/* The first signal says goodbye to everybody, the second does not wait for it. */
static void on_interrupt(void *user)
{
    chat_app *chat = user;
    bool again = chat->ending;
    chat->ending = true;
    server_stop_listening(chat->server);
    if (again || srl_relay_shutdown(chat->relay, GRACE_MS, everybody_left, chat) != 0)
        server_stop(chat->server);
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

/* The files of the page, made part of the program by CMake. */
#define PAGES(X)                                                                                                       \
    X("/", "text/html", index_html)                                                                                    \
    X("/chat.css", "text/css", chat_css)                                                                               \
    X("/chat.js", "text/javascript", chat_js)                                                                          \
    X("/client.js", "text/javascript", client_js)                                                                      \
    X("/room.js", "text/javascript", room_js)                                                                          \
    X("/people.js", "text/javascript", people_js)                                                                      \
    X("/sdk_client.js", "text/javascript", sdk_client_js)                                                              \
    X("/icon.svg", "image/svg+xml", icon_svg)

#define DECLARE_PAGE(path, type, name)                                                                                 \
    extern const unsigned char page_##name[];                                                                          \
    extern const unsigned long page_##name##_len;
PAGES(DECLARE_PAGE)

#define PAGE_ROUTE(path, type, name) {path, type "; charset=utf-8", page_##name, page_##name##_len},

static http_server *start_server(chat_app *chat, const chat_args *args)
{
    const server_handler handler = {
        .open = websocket_opened,
        .message = endpoint_message,
        .writable = endpoint_writable,
        .closed = endpoint_closed,
        .keep = ws_frames_keep,
        .drop = ws_frames_drop,
        .turn_begin = turn_begins,
        .turn_end = turn_ends,
        .request = serve_request,
        .page = serve_page,
        .interrupted = on_interrupt,
        .tick = publish_news,
        .user = chat,
    };
    const server_route made[] = {PAGES(PAGE_ROUTE)};
    static server_route pages[sizeof made / sizeof made[0]]; /* the server keeps pointing to them */
    server_options options;
    const char *why;

    memcpy(pages, made, sizeof made);
    server_options_init(&options);
    options.host = args->host;
    options.port = args->port;
    options.pages = pages;
    options.page_count = sizeof pages / sizeof pages[0];
    options.origins = args->origins;
    options.origin_count = args->origin_count;
    options.tick_ms = NEWS_EVERY_MS;
    options.max_body = MAX_BODY;
    options.max_head = MAX_HEAD; /* the first words of clients that can only GET are in it */
    http_server *server = server_open(&options, &handler, &why);
    if (!server)
        fprintf(stderr, "chat: cannot listen on %s port %s: %s\n", args->host, args->port, why);
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

int main(int argc, char **argv)
{
    chat_app chat = {0};
    chat_args args;
    int result = 1;
    int code = chat_args_parse(&args, argc, argv);
    if (code >= 0)
        return code;
    allow_many_descriptors();
    if (args.sdk && !(chat.sdk = read_file(args.sdk, MAX_SDK, &chat.sdk_len))) {
        fprintf(stderr, "chat: --sdk: cannot read %s\n", args.sdk);
        return 1;
    }
    if (create_relay(&chat, &args) != 0)
        goto done;
    chat.clients = (clients){chat.relay, args.origins, args.origin_count};
    chat.server = start_server(&chat, &args);
    if (!chat.server || server_watch(chat.server, srl_relay_fd(chat.relay), relay_ready, &chat) != 0)
        goto done;
    catch_signals(chat.server);
    printf("chat: http://%s:%u/ (Ctrl-C ends it)\n", args.host, (unsigned)server_port(chat.server));
    fflush(stdout);
    publish_news(&chat);
    result = server_run(chat.server) == 0 ? 0 : 1;
done:
    server_close(chat.server);
    srl_relay_destroy(chat.relay);
    srl_permissions_destroy(chat.permissions);
    free(chat.sdk);
    return result;
}
