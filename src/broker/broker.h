/* The broker's side of the contract in <streamrelay/broker.h>: what the engine fills in, and how it calls a broker. */
#ifndef SRL__BROKER_H
#define SRL__BROKER_H

#include <streamrelay/broker.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "io/poller.h"

/* The engine embeds one in whatever waits for the answer. */
struct srl_operation {
    void (*done)(srl_operation *operation, const srl_broker_result *result);
};

/* The engine embeds one in the relay. */
struct srl_node {
    void (*deliver)(srl_node *node, void *room, int kind, const srl_publication *publication, srl__slice epoch);
    void (*reposition)(srl_node *node, void *room, uint64_t offset, srl__slice epoch);
    void (*control)(srl_node *node, srl__slice note);
    void (*report)(srl_node *node, bool is_up);
    void (*wake)(srl_node *node); /* any thread */
    void (*set_timer)(srl_node *node, uint64_t due_ms);
    const srl_platform *platform;
    srl__poller *poller; /* the relay's, for brokers that have sockets */
};

/* srl_broker_create() with memory for the handle from the given table. */
int srl__broker_make(const srl_allocator *alloc, const srl_broker_ops *ops, void *state, srl_broker **out);

/* A counted handle on one broker; any thread. */
void srl__broker_retain(srl_broker *broker);

/* Calls of the table on an attached broker. */
const srl_broker_ops *srl__broker_ops_of(const srl_broker *broker);
int srl__broker_attach(srl_broker *broker, srl_node *node, void **link);

#endif
