/* What the files of the broker suite have in common: one broker with two nodes, and calls that wait for their answer.
 * To be included behind cmocka.h. */
#ifndef SRL_TEST_BROKER_FIXTURE_H
#define SRL_TEST_BROKER_FIXTURE_H

#include <stdlib.h>

#include <streamrelay/error.h>

#include "helpers/broker_suite.h"

static const srl_test_broker_kind *kind_under_test;

typedef struct fixture {
    srl_broker *broker;
    fake_platform clock;
    srl_test_node a;
    srl_test_node b;
    srl_test_node c; /* not attached at first */
} fixture;

/* Rooms are only addresses. */
static char rooms[8];
#define ROOM(n) ((void *)&rooms[n])

static inline bool run_nodes(fixture *f)
{
    bool a = srl_test_node_run(&f->a);
    bool b = srl_test_node_run(&f->b);
    bool c = f->c.link != NULL && srl_test_node_run(&f->c);
    return a || b || c;
}

/* Until nothing moves any more, or the answer is there. */
static inline void settle(fixture *f)
{
    for (int quiet = 0; quiet < (kind_under_test->wait != NULL ? 20 : 1); quiet++) {
        while (run_nodes(f)) {
            quiet = 0;
        }
        if (kind_under_test->wait != NULL) {
            kind_under_test->wait();
        }
    }
}

/* A broker with connections has them. */
static inline void come_up(fixture *f)
{
    for (int i = 0; i < 4000 && kind_under_test->wait != NULL; i++) {
        if (f->a.reports && f->b.reports && (f->c.link == NULL || f->c.reports)) {
            break;
        }
        run_nodes(f);
        kind_under_test->wait();
    }
    settle(f);
}

static inline void await(fixture *f, srl_test_answer *answer)
{
    assert_int_equal(answer->returned, SRL_OK);
    for (int i = 0; i < 2000 && answer->answers == 0 && kind_under_test->wait != NULL; i++) {
        run_nodes(f);
        kind_under_test->wait();
    }
    assert_int_equal(answer->answers, 1);
}

static inline void subscribe(fixture *f, srl_test_node *node, srl_broker_channel channel, void *room,
                             srl_test_answer *answer)
{
    srl_test_subscribe(node, &channel, room, answer);
    await(f, answer);
    assert_int_equal(answer->error, SRL_OK);
}

static inline srl_test_answer publish(fixture *f, srl_test_node *node, srl_broker_channel channel, const char *data)
{
    srl_test_answer answer = {0};
    srl_test_publish(node, &channel, SRL_MESSAGE_PUBLICATION, data, &answer);
    await(f, &answer);
    assert_int_equal(answer.error, SRL_OK);
    return answer;
}

static inline int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        return -1;
    }
    *state = f;
    fake_platform_init(&f->clock, 42);
    if (kind_under_test->create(NULL, &f->broker) != SRL_OK ||
        srl_test_node_attach(&f->a, f->broker, &f->clock) != SRL_OK ||
        srl_test_node_attach(&f->b, f->broker, &f->clock) != SRL_OK) {
        return -1;
    }
    come_up(f);
    return 0;
}

static inline int teardown(void **state)
{
    fixture *f = *state;
    srl_test_node_free(&f->a);
    srl_test_node_free(&f->b);
    srl_test_node_free(&f->c);
    srl_broker_release(f->broker);
    free(f);
    return 0;
}

#define T(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

#endif
