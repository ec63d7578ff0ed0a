/* Two nodes of a Redis broker on a server of their own; for tests with cmocka, which has to be included before. */
#ifndef SRL_TEST_TWO_NODES_H
#define SRL_TEST_TWO_NODES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <streamrelay/error.h>
#include <streamrelay/redis_broker.h>

#include "helpers/broker_calls.h"
#include "helpers/fault_proxy.h"
#include "helpers/redis_server.h"

static char rooms[2];
#define ROOM(n) ((void *)&rooms[n])

typedef struct world {
    srl_test_redis server;
    fake_platform clock;
    srl_broker *broker;
    srl_test_node a;
    srl_test_node b;
} world;

static inline void run(world *w, int ms)
{
    struct timespec moment = {.tv_sec = 0, .tv_nsec = 1000000};
    for (int i = 0; i < ms; i++) {
        srl_test_node_run(&w->a);
        srl_test_node_run(&w->b);
        nanosleep(&moment, NULL);
    }
}

static inline void run_until_up(world *w)
{
    for (int i = 0; i < 20000 && !(w->a.reports && w->b.reports); i++) {
        run(w, 1);
    }
    assert_true(w->a.reports && w->b.reports);
}

static inline void run_until_answered(world *w, const srl_test_answer *answer)
{
    assert_int_equal(answer->returned, SRL_OK);
    for (int i = 0; i < 20000 && answer->answers == 0; i++) {
        run(w, 1);
    }
    assert_int_equal(answer->answers, 1);
}

static inline void run_until_logged(world *w, const srl_test_node *node, size_t count)
{
    for (int i = 0; i < 20000 && node->log_count < count; i++) {
        run(w, 1);
    }
    run(w, 20);
    assert_int_equal(node->log_count, count);
}

static inline bool ends_with(const srl_test_node *node, const char *epoch, const char *data)
{
    const srl_test_delivery *last = node->log_count > 0 ? &node->log[node->log_count - 1] : NULL;
    return last != NULL && (epoch == NULL || strcmp(last->epoch, epoch) == 0) &&
           (data == NULL || strcmp(last->data, data) == 0);
}

/* Until the last entry of the log has this epoch and these data; NULL: any. */
static inline void run_until_last(world *w, const srl_test_node *node, const char *epoch, const char *data)
{
    for (int i = 0; i < 20000 && !ends_with(node, epoch, data); i++) {
        run(w, 1);
    }
    assert_true(ends_with(node, epoch, data));
}

static inline world *begin_at(const srl_redis_broker_config *config, srl_test_proxy *proxy)
{
    world *w = calloc(1, sizeof(*w));
    srl_redis_options *options;
    char url[96];
    assert_non_null(w);
    if (!srl_test_redis_start(&w->server, NULL)) {
        exit(77);
    }
    if (proxy != NULL) {
        srl_test_proxy_start(proxy, w->server.port);
    }
    int len = snprintf(url, sizeof(url), "redis://127.0.0.1:%u?command_timeout=1s&backoff_max=200ms",
                       (unsigned)(proxy != NULL ? proxy->port : w->server.port));
    fake_platform_init(&w->clock, 5);
    assert_int_equal(srl_redis_options_create(url, (size_t)len, &options), SRL_OK);
    assert_int_equal(srl_redis_broker_create(options, config, &w->broker), SRL_OK);
    srl_redis_options_destroy(options);
    assert_int_equal(srl_test_node_attach(&w->a, w->broker, &w->clock), SRL_OK);
    assert_int_equal(srl_test_node_attach(&w->b, w->broker, &w->clock), SRL_OK);
    run_until_up(w);
    run(w, 20);
    return w;
}

static inline world *begin(const srl_redis_broker_config *config)
{
    return begin_at(config, NULL);
}

/* The server comes back with what it has saved. */
static inline void restart(world *w)
{
    srl_test_redis_restart(&w->server);
    run(w, 300);
    run_until_up(w);
}

static inline void end(world *w)
{
    srl_test_node_free(&w->a);
    srl_test_node_free(&w->b);
    srl_broker_release(w->broker);
    srl_test_redis_stop(&w->server);
    free(w);
}

static inline srl_test_answer subscribe(world *w, srl_test_node *node, srl_broker_channel channel)
{
    srl_test_answer answer = {0};
    srl_test_subscribe(node, &channel, ROOM(0), &answer);
    run_until_answered(w, &answer);
    assert_int_equal(answer.error, SRL_OK);
    return answer;
}

static inline srl_test_answer publish(world *w, srl_test_node *node, srl_broker_channel channel, const char *data)
{
    srl_test_answer answer = {0};
    srl_test_publish(node, &channel, SRL_MESSAGE_PUBLICATION, data, &answer);
    run_until_answered(w, &answer);
    return answer;
}

static inline srl_test_answer since(world *w, srl_broker_channel channel, const char *epoch, uint64_t offset)
{
    srl_test_answer answer = {0};
    srl_broker_query query = {.size = sizeof(query),
                              .limit = 60,
                              .since_offset = offset,
                              .since_epoch = epoch,
                              .since_epoch_len = strlen(epoch),
                              .follows = 1};
    srl_test_answer_begin(&answer);
    answer.returned = w->a.ops->history(w->a.link, &channel, &query, &answer.operation);
    run_until_answered(w, &answer);
    return answer;
}

static inline void assert_counted(const srl_test_node *node, size_t from, size_t count)
{
    for (size_t i = from; i < count; i++) {
        assert_int_equal(node->log[i].kind, SRL_MESSAGE_PUBLICATION);
        assert_int_equal(node->log[i].offset, i + 1);
    }
}

#endif
