/* A broker for tests that takes its time: the memory broker behind a table that holds operations and deliveries back
 * until the test lets them go. For one relay.
 *
 * An operation goes two ways, to the broker (where it takes effect) and back (the answer); the test may stop between
 * them. Operations of one channel take effect in their order and deliveries of one room come in theirs; everything else
 * comes in the order that the test likes, as with a broker behind a network. */
#ifndef SRL_TEST_BROKER_DELAY_H
#define SRL_TEST_BROKER_DELAY_H

#include <stdbool.h>

#include "broker/broker.h"

/* Kinds of operations, as bits. */
enum {
    DELAY_SUBSCRIBE = 1,
    DELAY_PUBLISH = 2,
    DELAY_HISTORY = 4,
    DELAY_ADD = 8,
    DELAY_REMOVE = 16,
    DELAY_LIST = 32,
    DELAY_EVERYTHING = 63
};

typedef struct delayed_operation delayed_operation;
typedef struct delayed_delivery delayed_delivery;

typedef struct broker_delay {
    srl_broker *broker; /* for srl_options_set_broker() */
    srl_broker *memory;
    srl_node node; /* the relay, as the memory broker sees it */
    srl_node *relay;
    void *link;
    unsigned hold;        /* kinds of operations that wait for the test */
    bool hold_deliveries; /* and so do messages */
    unsigned refuse;      /* kinds that are not taken: the function returns `error` */
    unsigned fail;        /* kinds that take no effect and are answered with `error` */
    int error;
    delayed_operation *operations; /* oldest first */
    delayed_delivery *deliveries;
    unsigned operation_count;
    unsigned delivery_count;
    bool detached;
    struct broker_delay *next; /* of those attached */
    unsigned subscribed;       /* rooms at the memory broker */
} broker_delay;

/* The test owns `delay`, which lives longer than the relay; its broker is given back by broker_delay_end(). */
void broker_delay_init(broker_delay *delay, const srl_allocator *allocator);
void broker_delay_init_with(broker_delay *delay, const srl_allocator *allocator, uint32_t traits);
void broker_delay_end(broker_delay *delay);

/* Let the oldest operation of these kinds take effect, with those of its channel before it. False if there is none. */
bool broker_delay_effect(broker_delay *delay, unsigned kinds);
/* Answer the oldest operation of these kinds, after it took effect. */
bool broker_delay_answer(broker_delay *delay, unsigned kinds);
/* The same for any place among those that wait. */
void broker_delay_effect_at(broker_delay *delay, unsigned index);
void broker_delay_answer_at(broker_delay *delay, unsigned index);
/* Deliver the oldest message, or the oldest of the room that the one at `index` is for. */
bool broker_delay_deliver(broker_delay *delay);
void broker_delay_deliver_at(broker_delay *delay, unsigned index);
/* Publish as another node would: at once, whatever waits. */
void broker_delay_publish(broker_delay *delay, const char *channel, uint32_t history_size, const char *data);
/* Whom the oldest message is for. */
void *broker_delay_room(const broker_delay *delay);
/* Everything that waits, until nothing does. */
void broker_delay_flush(broker_delay *delay);

#endif
