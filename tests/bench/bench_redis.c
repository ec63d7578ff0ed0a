/*
 * Commands per second against a redis-server of our own, next to `redis-benchmark -P` with the same depth, payload and
 * number of connections, in the same run.
 *
 * Usage: bench_redis [commands-in-thousands]
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <streamrelay/error.h>
#include <streamrelay/redis.h>

enum { PAYLOAD = 64, ROUNDS = 3 };

static const uint32_t depths[] = {1, 16, 64};
static const char socket_name[] = "bench.sock";
static char folder[] = "/tmp/bench_redis.XXXXXX";
static char url[128];
static char socket_path[96];

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static pid_t start_server(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 1);
        dup2(null, 2);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket_path, "--save", "", "--dir",
               folder, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static srl_redis_options *options_of_server(void)
{
    srl_redis_options *options;
    if (srl_redis_options_create(url, strlen(url), &options) != SRL_OK) {
        abort();
    }
    return options;
}

static bool wait_for_server(srl_redis_options *options)
{
    for (int i = 0; i < 200; i++) {
        srl_redis_conn *conn;
        if (srl_redis_connect(options, &conn) == SRL_OK) {
            srl_redis_close(conn);
            return true;
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    return false;
}

/* ---- ours */

typedef struct load {
    srl_redis_client *client;
    uint32_t to_send, to_answer;
    const char *argv[3];
    size_t lens[3];
    bool writes;
} load;

static void on_reply(int error, const srl_reply *reply, void *user);

static void send_one(load *l)
{
    l->to_send--;
    if (srl_redis_client_command(l->client, l->writes ? 3 : 2, l->argv, l->lens, 0, SRL_REDIS_DEFAULT_TIMEOUT, on_reply,
                                 l, NULL) != SRL_OK) {
        abort();
    }
}

/* As redis-benchmark: when all replies of a batch are there, the next batch goes out. */
static uint32_t batch_left, batch_size;

static void on_reply(int error, const srl_reply *reply, void *user)
{
    load *l = user;
    (void)reply;
    if (error != SRL_OK) {
        abort();
    }
    l->to_answer--;
    if (--batch_left == 0) {
        batch_left = l->to_send < batch_size ? l->to_send : batch_size;
        for (uint32_t i = 0; i < batch_left; i++) {
            send_one(l);
        }
    }
}

static load load_of(bool writes, const char *payload, uint32_t count)
{
    load l = {.to_send = count, .to_answer = count, .writes = writes};
    l.argv[0] = writes ? "SET" : "GET";
    l.argv[1] = "key:__rand_int__";
    l.argv[2] = payload;
    l.lens[0] = 3;
    l.lens[1] = strlen(l.argv[1]);
    l.lens[2] = PAYLOAD;
    return l;
}

static double run_client(srl_redis_options *options, bool writes, const char *payload, uint32_t depth, uint32_t count)
{
    srl_redis_loop *loop;
    load l = load_of(writes, payload, count);
    if (srl_redis_loop_create(options, &loop) != SRL_OK ||
        srl_redis_client_create(loop, options, NULL, NULL, &l.client) != SRL_OK) {
        abort();
    }
    while (srl_redis_client_is_ready(l.client) == 0) {
        (void)srl_redis_loop_run_once(loop, 10);
    }
    double begin = now_s();
    batch_size = depth;
    batch_left = depth;
    for (uint32_t i = 0; i < depth; i++) {
        send_one(&l);
    }
    while (l.to_answer > 0) {
        (void)srl_redis_loop_run_once(loop, -1);
    }
    double took = now_s() - begin;
    srl_redis_loop_destroy(loop);
    return count / took;
}

static double run_blocking(srl_redis_options *options, bool writes, const char *payload, uint32_t depth, uint32_t count)
{
    srl_redis_conn *conn;
    load l = load_of(writes, payload, count);
    const srl_reply *reply;
    size_t argc = writes ? 3 : 2;
    if (srl_redis_connect(options, &conn) != SRL_OK) {
        abort();
    }
    double begin = now_s();
    for (uint32_t done = 0; done < count; done += depth) {
        for (uint32_t i = 0; i < depth; i++) {
            if (srl_redis_append(conn, argc, l.argv, l.lens) != SRL_OK) {
                abort();
            }
        }
        for (uint32_t i = 0; i < depth; i++) {
            if (srl_redis_next_reply(conn, &reply) != SRL_OK) {
                abort();
            }
        }
    }
    double took = now_s() - begin;
    srl_redis_close(conn);
    return count / took;
}

/* ---- theirs */

static double run_theirs(bool writes, uint32_t depth, uint32_t count)
{
    char depth_text[16], count_text[16], payload_text[16], line[256];
    int pipes[2];
    double rate = 0;
    if (pipe(pipes) != 0) {
        return 0;
    }
    snprintf(depth_text, sizeof(depth_text), "%u", depth);
    snprintf(count_text, sizeof(count_text), "%u", count);
    snprintf(payload_text, sizeof(payload_text), "%d", PAYLOAD);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[1], 1);
        close(pipes[0]);
        execlp("redis-benchmark", "redis-benchmark", "-s", socket_path, "-c", "1", "-P", depth_text, "-n", count_text,
               "-d", payload_text, "-t", writes ? "set" : "get", "--csv", (char *)NULL);
        _exit(127);
    }
    close(pipes[1]);
    FILE *in = fdopen(pipes[0], "r");
    while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
        if (strncmp(line, writes ? "\"SET\",\"" : "\"GET\",\"", 7) == 0) {
            rate = strtod(line + 7, NULL);
        }
    }
    if (in != NULL) {
        fclose(in);
    }
    waitpid(pid, NULL, 0);
    return rate;
}

static double better(double a, double b)
{
    return a > b ? a : b;
}

static void compare(srl_redis_options *options, bool writes, uint32_t depth, uint32_t count)
{
    char payload[PAYLOAD];
    double client = 0, blocking = 0, theirs = 0;
    memset(payload, 'x', sizeof(payload));
    count -= count % depth;
    for (int i = 0; i < ROUNDS; i++) {
        theirs = better(theirs, run_theirs(writes, depth, count));
        client = better(client, run_client(options, writes, payload, depth, count));
        blocking = better(blocking, run_blocking(options, writes, payload, depth, count));
    }
    printf("%s  depth %2u  client %9.0f/s  blocking %9.0f/s  redis-benchmark %9.0f/s  ratio %.2f  %.2f\n",
           writes ? "SET" : "GET", depth, client, blocking, theirs, theirs > 0 ? client / theirs : 0,
           theirs > 0 ? blocking / theirs : 0);
}

int main(int argc, char **argv)
{
    uint32_t thousands = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 200;
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    snprintf(socket_path, sizeof(socket_path), "%s/%s", folder, socket_name);
    snprintf(url, sizeof(url), "unix://%s", socket_path);
    pid_t server = start_server();
    srl_redis_options *options = options_of_server();
    if (!wait_for_server(options)) {
        printf("no redis-server: skipped\n");
    } else {
        for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
            uint32_t count = thousands * 1000 * (depths[i] > 1 ? 4 : 1) / (depths[i] > 1 ? 1 : 2);
            compare(options, true, depths[i], count);
            compare(options, false, depths[i], count);
        }
    }
    srl_redis_options_destroy(options);
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
    unlink(socket_path);
    rmdir(folder);
    return 0;
}
