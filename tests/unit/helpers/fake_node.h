/* A relay as a broker sees it, for tests: it writes down what is delivered, and runs on a clock that stands still. */
#ifndef SRL_TEST_FAKE_NODE_H
#define SRL_TEST_FAKE_NODE_H

#include <stdatomic.h>

#include "broker/broker.h"
#include "helpers/fake_platform.h"

#define SRL_TEST_NEVER UINT64_MAX

/* The kind of a delivery that is a note: it has data only. */
#define SRL_TEST_NOTE 1000
/* The kind of one that says that the room is somewhere else: it has offset and epoch only. */
#define SRL_TEST_REPOSITION 1001

typedef struct srl_test_delivery {
    void *room;
    int kind;
    uint64_t offset;
    uint64_t time_ms;
    char data[64]; /* terminated, cut */
    char epoch[24];
} srl_test_delivery;

typedef struct srl_test_node {
    srl_node node;
    fake_platform *clock; /* may be shared by nodes */
    const srl_broker_ops *ops;
    void *link; /* NULL: not attached */
    atomic_int wakes;
    uint64_t timer_due_ms;
    bool is_polling;
    int reports; /* 1: the broker said that it is up; 0: down, or nothing */
    srl_test_delivery *log;
    size_t log_count;
    size_t log_capacity;
    /* Called after a delivery is written down; may be NULL. */
    void (*on_deliver)(struct srl_test_node *node, const srl_test_delivery *delivery,
                       const srl_publication *publication);
    /* The same for a note. */
    void (*on_note)(struct srl_test_node *node, const srl_test_delivery *note);
    void *user;
} srl_test_node;

/* SRL_OK or what attach returned. */
int srl_test_node_attach(srl_test_node *node, srl_broker *broker, fake_platform *clock);
void srl_test_node_detach(srl_test_node *node); /* also when detached already */
void srl_test_node_free(srl_test_node *node);   /* detaches */
/* Process if the node was woken or its timer is due; whether it was. */
bool srl_test_node_run(srl_test_node *node);
void srl_test_node_forget(srl_test_node *node); /* the log */

#endif
