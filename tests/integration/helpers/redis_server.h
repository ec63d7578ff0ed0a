/* A redis-server of one's own, for tests: on the loopback and on a Unix socket, in a new folder, saving nothing. It
 * ends with the test, however the test ends: a small process between the two watches a pipe that breaks when the test
 * is gone, kills the server and removes the folder. The program is "redis-server" of the PATH, or what the environment
 * variable SRL_REDIS_SERVER names.
 *
 *     srl_test_redis server;
 *     if (!srl_test_redis_start(&server, NULL)) skip();      // no redis-server installed
 *     ... server.port, server.socket_path ...
 *     srl_test_redis_stop(&server);
 *
 * Anything that goes wrong but a missing program prints and aborts. */
#ifndef SRL_TEST_REDIS_SERVER_H
#define SRL_TEST_REDIS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct srl_test_redis {
    unsigned version; /* 602 is 6.2; of a Valkey its own */
    uint16_t port;    /* of 127.0.0.1; stays the same through restarts */
    char host[16];    /* "127.0.0.1" */
    char folder[64];
    char socket_path[96];
    pid_t pid;                  /* the server; 0 while killed */
    pid_t keeper;               /* the process between */
    int keeper_in, keeper_out;  /* pipes to it */
    const char *const *options; /* as given to start */
    bool paused;
} srl_test_redis;

/* More arguments for the server's command line, ended by NULL, like {"--requirepass", "x", NULL}; may be NULL. They
 * must live until stop. False if there is no redis-server. Returns when it answers PING (an error counts). */
bool srl_test_redis_start(srl_test_redis *server, const char *const *options);

/* End it for good and remove its folder. */
void srl_test_redis_stop(srl_test_redis *server);

/* kill -9. Connections are reset, data is lost. */
void srl_test_redis_kill(srl_test_redis *server);

/* Start it again after a kill, on the same port, empty or with what a SAVE wrote; a running one is killed first. */
void srl_test_redis_restart(srl_test_redis *server);

/* SIGSTOP and SIGCONT: connections stay, nothing answers. */
void srl_test_redis_pause(srl_test_redis *server);
void srl_test_redis_resume(srl_test_redis *server);

/* A blocking connection of its own to the server, without any library code: TCP or Unix socket. */
int srl_test_redis_connect(const srl_test_redis *server);
int srl_test_redis_connect_unix(const srl_test_redis *server);

/* Send an inline command on a new connection and wait for the first line of the answer, without CR LF; for setting
 * things up, like srl_test_redis_command(&server, "CONFIG SET maxmemory 1mb", line, sizeof(line)). `out` may be NULL.
 */
void srl_test_redis_command(const srl_test_redis *server, const char *command, char *out, size_t capacity);

/* A port of 127.0.0.1 that nobody listens on at the moment. */
uint16_t srl_test_free_port(void);

#endif
