/* A server that plays a script: it expects commands, sends bytes, waits, hangs up. For what a real one will not do.
 *
 *     static const srl_test_step script[] = {FAKE_ACCEPT, FAKE_HELLO, FAKE_EXPECT("GET a"), FAKE_SEND("$1\r\nx\r\n"),
 *                                            FAKE_CLOSE};
 *     srl_test_fake fake;
 *     srl_test_fake_start(&fake, script, 5);
 *     ... fake.port ...
 *     srl_test_fake_stop(&fake);      // prints and aborts if something else came than was expected
 */
#ifndef SRL_TEST_FAKE_REDIS_H
#define SRL_TEST_FAKE_REDIS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FAKE_DO_ACCEPT,
    FAKE_DO_EXPECT,
    FAKE_DO_SEND,
    FAKE_DO_SLEEP,
    FAKE_DO_CLOSE,
    FAKE_DO_RESET,
    FAKE_DO_SWALLOW,
    FAKE_DO_PREFIX
};

typedef struct srl_test_step {
    int what;
    const char *text;
    uint32_t ms;
} srl_test_step;

#define FAKE_ACCEPT                                                                                                    \
    {                                                                                                                  \
        FAKE_DO_ACCEPT, NULL, 0                                                                                        \
    }
/* A command, its arguments joined by blanks. */
#define FAKE_EXPECT(text)                                                                                              \
    {                                                                                                                  \
        FAKE_DO_EXPECT, text, 0                                                                                        \
    }
/* A command that begins like this. */
#define FAKE_PREFIX(text)                                                                                              \
    {                                                                                                                  \
        FAKE_DO_PREFIX, text, 0                                                                                        \
    }
#define FAKE_SEND(text)                                                                                                \
    {                                                                                                                  \
        FAKE_DO_SEND, text, 0                                                                                          \
    }
#define FAKE_SLEEP(ms)                                                                                                 \
    {                                                                                                                  \
        FAKE_DO_SLEEP, NULL, ms                                                                                        \
    }
#define FAKE_CLOSE                                                                                                     \
    {                                                                                                                  \
        FAKE_DO_CLOSE, NULL, 0                                                                                         \
    }
/* Hang up without reading what is there, and throw away what was not sent. */
#define FAKE_RESET                                                                                                     \
    {                                                                                                                  \
        FAKE_DO_RESET, NULL, 0                                                                                         \
    }
/* Read and ignore everything until the client hangs up. */
#define FAKE_SWALLOW                                                                                                   \
    {                                                                                                                  \
        FAKE_DO_SWALLOW, NULL, 0                                                                                       \
    }
/* The handshake of a client with client_info=false, in RESP3. */
#define FAKE_HELLO FAKE_EXPECT("HELLO 3"), FAKE_EXPECT("PING"), FAKE_SEND("%1\r\n$5\r\nproto\r\n:3\r\n+PONG\r\n")

typedef struct srl_test_fake {
    uint16_t port;
    char url[64]; /* with client_info=false */
    int listener;
    int client; /* -1: none */
    const srl_test_step *steps;
    size_t count;
    atomic_size_t at; /* steps done */
    atomic_bool stopping;
    pthread_t thread;
    char failure[256];
    char input[65536];
    size_t input_len;
} srl_test_fake;

void srl_test_fake_start(srl_test_fake *fake, const srl_test_step *steps, size_t count);
/* Wait until the script is played, at most 10 s, and end it. */
void srl_test_fake_stop(srl_test_fake *fake);

#endif
