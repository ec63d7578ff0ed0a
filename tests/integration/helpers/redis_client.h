/* What tests of the Redis client have in common: a non-blocking client whose answers are written down, and waiting. */
#ifndef SRL_TEST_REDIS_CLIENT_H
#define SRL_TEST_REDIS_CLIENT_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <streamrelay/error.h>
#include <streamrelay/redis.h>

typedef struct srl_test_client {
    srl_redis_loop *loop;
    srl_redis_client *client;
    uint32_t ready, lost, failed;
    int error; /* of the last lost or failed */
    char text[200];
} srl_test_client;

typedef struct srl_test_reply {
    uint32_t answers; /* must become 1 */
    int error;
    int type;
    char text[256];
} srl_test_reply;

static inline uint64_t test_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline void test_on_state(int state, int error, const char *text, void *user)
{
    srl_test_client *c = user;
    c->ready += state == SRL_REDIS_READY;
    c->lost += state == SRL_REDIS_LOST;
    c->failed += state == SRL_REDIS_FAILED;
    if (state != SRL_REDIS_READY) {
        c->error = error;
        snprintf(c->text, sizeof(c->text), "%s", text);
    }
}

static inline void test_on_reply(int error, const srl_reply *reply, void *user)
{
    srl_test_reply *r = user;
    r->answers++;
    r->error = error;
    r->text[0] = '\0';
    r->type = SRL_REPLY_NOTHING;
    if (reply != NULL) {
        size_t len;
        const char *text = srl_reply_string(reply, SRL_REPLY_ROOT, &len);
        r->type = srl_reply_type(reply, SRL_REPLY_ROOT);
        if (text != NULL) {
            snprintf(r->text, sizeof(r->text), "%.*s", (int)(len < 250 ? len : 250), text);
        }
    }
}

static inline srl_redis_options *test_options(uint16_t port, const char *query)
{
    char url[256];
    srl_redis_options *options;
    snprintf(url, sizeof(url), "redis://127.0.0.1:%u?%s", (unsigned)port, query);
    assert_int_equal(srl_redis_options_create(url, strlen(url), &options), SRL_OK);
    return options;
}

static inline void test_client_open(srl_test_client *c, uint16_t port, const char *query)
{
    srl_redis_options *options = test_options(port, query);
    memset(c, 0, sizeof(*c));
    assert_int_equal(srl_redis_loop_create(options, &c->loop), SRL_OK);
    assert_int_equal(srl_redis_client_create(c->loop, options, test_on_state, c, &c->client), SRL_OK);
    srl_redis_options_destroy(options);
}

static inline void test_client_close(srl_test_client *c)
{
    srl_redis_client_destroy(c->client);
    srl_redis_loop_destroy(c->loop);
}

/* Options under which tests do not take long. */
#define TEST_QUICK "backoff_min=1&backoff_max=20&connect_timeout=1s"

/* Turn the loop until *counter reaches `value`; false after ms. */
static inline bool test_wait(srl_redis_loop *loop, const uint32_t *counter, uint32_t value, uint32_t ms)
{
    uint64_t until = test_now_ms() + ms;
    while (*counter < value && test_now_ms() < until) {
        assert_true(srl_redis_loop_run_once(loop, 5) >= 0);
    }
    return *counter >= value;
}

static inline void test_open_ready(srl_test_client *c, uint16_t port, const char *query)
{
    test_client_open(c, port, query);
    assert_true(test_wait(c->loop, &c->ready, 1, 5000));
}

/* One command, its words divided by blanks. */
static inline int test_send(srl_test_client *c, const char *line, uint32_t flags, uint64_t timeout_ms,
                            srl_test_reply *reply, uint64_t *id)
{
    char copy[512];
    const char *argv[32];
    size_t argc = 0;
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *at = copy; *at != '\0' && argc < 32;) {
        argv[argc++] = at;
        at += strcspn(at, " ");
        if (*at == ' ') {
            *at++ = '\0';
        }
    }
    if (reply != NULL) {
        memset(reply, 0, sizeof(*reply));
    }
    return srl_redis_client_command(c->client, argc, argv, NULL, flags, timeout_ms,
                                    reply != NULL ? test_on_reply : NULL, reply, id);
}

/* Send and wait. */
static inline int test_do(srl_test_client *c, const char *line, srl_test_reply *reply)
{
    int error = test_send(c, line, 0, SRL_REDIS_DEFAULT_TIMEOUT, reply, NULL);
    if (error != SRL_OK) {
        return error;
    }
    assert_true(test_wait(c->loop, &reply->answers, 1, 15000));
    assert_int_equal(reply->answers, 1);
    return reply->error;
}

/* The invariant: an ECHO of a new number returns that number, or the connection is gone (and then comes back). */
static inline void test_in_step(srl_test_client *c)
{
    static uint32_t number = 1000;
    char line[32];
    srl_test_reply reply;
    snprintf(line, sizeof(line), "ECHO n%u", ++number);
    if (test_do(c, line, &reply) == SRL_OK) {
        assert_string_equal(reply.text, line + 5);
    } else {
        assert_true(reply.error == SRL_ERR_OUTCOME_UNKNOWN || reply.error == SRL_ERR_TIMEOUT ||
                    reply.error == SRL_ERR_REDIS_CONNECT);
    }
}

#endif
