/* For prctl, and mkdtemp and kill beside it. */
#define _GNU_SOURCE

#include "helpers/redis_server.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

#define MAX_ARGUMENTS  64
#define READY_TRIES    1000
#define READY_PAUSE_MS 10
#define READ_TIMEOUT_S 10

static void die(const char *what)
{
    fprintf(stderr, "redis_server: %s: %s\n", what, strerror(errno));
    abort();
}

static void sleep_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&time, &time) != 0 && errno == EINTR) {
    }
}

static const char *program(void)
{
    const char *named = getenv("SRL_REDIS_SERVER");
    return named != NULL && *named != 0 ? named : "redis-server";
}

/* 602 of "Redis server v=6.2.14 sha=..."; 0 if there is no such program. */
static unsigned version_of_program(void)
{
    unsigned major = 0, minor = 0;
    char line[128] = "";
    FILE *out = popen("\"${SRL_REDIS_SERVER:-redis-server}\" --version 2>/dev/null", "r");
    if (out == NULL) {
        die("popen");
    }
    const char *at = fgets(line, sizeof(line), out) != NULL ? strstr(line, " v=") : NULL;
    bool known = at != NULL && sscanf(at, " v=%u.%u", &major, &minor) == 2;
    return pclose(out) == 0 && known ? major * 100 + minor : 0;
}

static void remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char path[512];
        int n = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (n < 0 || (size_t)n >= sizeof(path) || strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (unlink(path) != 0) {
            remove_folder(path);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    rmdir(folder);
}

/* ---- the process between */

static void exec_server(const srl_test_redis *server)
{
    char port[8];
    const char *arguments[MAX_ARGUMENTS] = {program(),
                                            "--port",
                                            port,
                                            "--bind",
                                            "127.0.0.1",
                                            "--unixsocket",
                                            server->socket_path,
                                            "--dir",
                                            server->folder,
                                            "--save",
                                            "",
                                            "--appendonly",
                                            "no",
                                            "--daemonize",
                                            "no",
                                            "--loglevel",
                                            "warning"};
    size_t count = 17;
    snprintf(port, sizeof(port), "%u", server->port);
    if (server->version >= 700) {
        arguments[count++] = "--enable-debug-command";
        arguments[count++] = "yes";
    }
    for (size_t i = 0; server->options != NULL && server->options[i] != NULL && count + 1 < MAX_ARGUMENTS; i++) {
        arguments[count++] = server->options[i];
    }
    arguments[count] = NULL;
    execvp(arguments[0], (char *const *)(uintptr_t)arguments);
    _exit(127);
}

static pid_t spawn_server(const srl_test_redis *server)
{
    pid_t keeper = getpid();
    pid_t pid = fork();
    if (pid == 0) {
#ifdef __linux__
        prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
        if (getppid() != keeper) {
            _exit(126);
        }
        exec_server(server);
    }
    return pid;
}

static void end_server(pid_t *pid)
{
    if (*pid > 0) {
        kill(*pid, SIGKILL);
        while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    *pid = 0;
}

/* Each byte that comes in is an order: 's' start, 'k' kill. The answer is the server's process. */
static void keep(const srl_test_redis *server, int in, int out)
{
    pid_t pid = 0;
    char order;
    ssize_t got;
    while ((got = read(in, &order, 1)) == 1 || (got < 0 && errno == EINTR)) {
        if (got < 0) {
            continue;
        }
        end_server(&pid);
        if (order == 's') {
            unlink(server->socket_path);
            pid = spawn_server(server);
        }
        if (write(out, &pid, sizeof(pid)) != (ssize_t)sizeof(pid)) {
            break;
        }
    }
    end_server(&pid);
    remove_folder(server->folder);
    _exit(0);
}

static void start_keeper(srl_test_redis *server)
{
    int in[2], out[2];
    if (pipe(in) != 0 || pipe(out) != 0) {
        die("pipe");
    }
    server->keeper = fork();
    if (server->keeper < 0) {
        die("fork");
    }
    if (server->keeper == 0) {
        int null = open("/dev/null", O_RDWR);
        setsid();
        signal(SIGPIPE, SIG_IGN);
        for (int fd = 0; fd < 3; fd++) {
            dup2(null, fd);
        }
        for (int fd = 3; fd < 1024; fd++) {
            if (fd != in[0] && fd != out[1]) {
                close(fd);
            }
        }
        fcntl(in[0], F_SETFD, FD_CLOEXEC);
        fcntl(out[1], F_SETFD, FD_CLOEXEC);
        keep(server, in[0], out[1]);
    }
    close(in[0]);
    close(out[1]);
    server->keeper_in = in[1];
    server->keeper_out = out[0];
    fcntl(server->keeper_in, F_SETFD, FD_CLOEXEC);
    fcntl(server->keeper_out, F_SETFD, FD_CLOEXEC);
}

static void give_order(srl_test_redis *server, char order)
{
    ssize_t got;
    if (write(server->keeper_in, &order, 1) != 1) {
        die("writing to the keeper");
    }
    do {
        got = read(server->keeper_out, &server->pid, sizeof(server->pid));
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(server->pid)) {
        die("reading from the keeper");
    }
    server->paused = false;
}

/* ---- connections */

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

uint16_t srl_test_free_port(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        die("looking for a port");
    }
    close(fd);
    return ntohs(address.sin_port);
}

static int try_connect(int family, const void *address, socklen_t len)
{
    struct timeval timeout = {READ_TIMEOUT_S, 0};
    int fd = socket(family, SOCK_STREAM, 0);
    if (fd < 0) {
        die("socket");
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (connect(fd, address, len) != 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    return fd;
}

static int try_connect_tcp(const srl_test_redis *server)
{
    struct sockaddr_in address = loopback(server->port);
    return try_connect(AF_INET, &address, sizeof(address));
}

int srl_test_redis_connect(const srl_test_redis *server)
{
    int fd = try_connect_tcp(server);
    if (fd < 0) {
        die("connect");
    }
    return fd;
}

static int try_connect_unix(const srl_test_redis *server)
{
    struct sockaddr_un address;
    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", server->socket_path);
    return try_connect(AF_UNIX, &address, sizeof(address));
}

int srl_test_redis_connect_unix(const srl_test_redis *server)
{
    int fd = try_connect_unix(server);
    if (fd < 0) {
        die("connect to the Unix socket");
    }
    return fd;
}

/* A line into out, without CR LF; false if the connection ends before it. */
static bool read_line(int fd, char *out, size_t capacity)
{
    size_t len = 0;
    char c = 0;
    while (recv(fd, &c, 1, 0) == 1) {
        if (c == '\n') {
            if (len > 0 && out[len - 1] == '\r') {
                len--;
            }
            out[len] = 0;
            return true;
        }
        if (len + 1 < capacity) {
            out[len++] = c;
        }
    }
    return false;
}

static bool ask(int fd, const char *command, char *out, size_t capacity)
{
    size_t len = strlen(command);
    return send(fd, command, len, MSG_NOSIGNAL) == (ssize_t)len && send(fd, "\r\n", 2, MSG_NOSIGNAL) == 2 &&
           read_line(fd, out, capacity);
}

void srl_test_redis_command(const srl_test_redis *server, const char *command, char *out, size_t capacity)
{
    char line[512];
    int fd = srl_test_redis_connect(server);
    if (!ask(fd, command, out != NULL ? out : line, out != NULL ? capacity : sizeof(line))) {
        die(command);
    }
    close(fd);
}

/* Over the socket in its own folder: whoever answers there is this server. */
static bool is_ready(const srl_test_redis *server)
{
    char line[256];
    int fd = try_connect_unix(server);
    bool ready = fd >= 0 && ask(fd, "PING", line, sizeof(line)) && strncmp(line, "-LOADING", 8) != 0;
    if (fd >= 0) {
        close(fd);
    }
    return ready;
}

static bool wait_until_ready(const srl_test_redis *server)
{
    for (int i = 0; i < READY_TRIES; i++) {
        if (is_ready(server)) {
            return true;
        }
        if (access(server->folder, F_OK) != 0) {
            return false;
        }
        sleep_ms(READY_PAUSE_MS);
    }
    return false;
}

/* ---- the public part */

static void make_folder(srl_test_redis *server)
{
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || *parent == 0 || strlen(parent) > sizeof(server->folder) - 20) {
        parent = "/tmp";
    }
    snprintf(server->folder, sizeof(server->folder), "%s/srl-redis-XXXXXX", parent);
    if (mkdtemp(server->folder) == NULL) {
        die("mkdtemp");
    }
    snprintf(server->socket_path, sizeof(server->socket_path), "%s/socket", server->folder);
}

bool srl_test_redis_start(srl_test_redis *server, const char *const *options)
{
    memset(server, 0, sizeof(*server));
    server->version = version_of_program();
    if (server->version == 0 && strcmp(program(), "redis-server") != 0) {
        die(program());
    }
    if (server->version == 0) {
        return false;
    }
    snprintf(server->host, sizeof(server->host), "127.0.0.1");
    server->options = options;
    server->port = srl_test_free_port();
    make_folder(server);
    start_keeper(server);
    srl_test_redis_restart(server);
    return true;
}

void srl_test_redis_restart(srl_test_redis *server)
{
    give_order(server, 's');
    if (server->pid <= 0 || !wait_until_ready(server)) {
        die("the server does not answer");
    }
}

void srl_test_redis_kill(srl_test_redis *server)
{
    give_order(server, 'k');
}

static void signal_server(srl_test_redis *server, int number, bool paused)
{
    if (server->pid <= 0 || kill(server->pid, number) != 0) {
        die("kill");
    }
    server->paused = paused;
}

void srl_test_redis_pause(srl_test_redis *server)
{
    signal_server(server, SIGSTOP, true);
}

void srl_test_redis_resume(srl_test_redis *server)
{
    signal_server(server, SIGCONT, false);
}

void srl_test_redis_stop(srl_test_redis *server)
{
    if (server->keeper > 0) {
        close(server->keeper_in);
        while (waitpid(server->keeper, NULL, 0) < 0 && errno == EINTR) {
        }
        close(server->keeper_out);
    }
    memset(server, 0, sizeof(*server));
}
