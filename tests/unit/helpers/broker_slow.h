/* The memory broker with a directory and positions that take their time: its questions of the chosen kinds wait until
 * the test lets them go. Everything else is answered at once. One at a time, for one relay. */
#ifndef SRL_TEST_BROKER_SLOW_H
#define SRL_TEST_BROKER_SLOW_H

#include <stdbool.h>

#include "broker/broker.h"

/* Beside the verbs of the directory, as bits. */
enum { SLOW_SET = 1 << 10, SLOW_GET = 1 << 11, SLOW_EVERYTHING = 4095 };
#define SLOW(verb) (1u << (verb))

typedef struct slow_question slow_question;

typedef struct broker_slow {
    srl_broker *broker; /* for srl_options_set_broker() */
    srl_broker *memory;
    unsigned hold;   /* kinds that wait, before they take effect */
    unsigned answer; /* kinds that take effect at once, and whose answer waits (its error, offset and epoch) */
    unsigned refuse; /* kinds that are not taken: the function returns `error` */
    int error;
    slow_question *questions; /* oldest first */
    unsigned count;
} broker_slow;

/* The test owns `slow`, which lives longer than the relay; its broker is given back by broker_slow_end(). */
void broker_slow_init(broker_slow *slow);
void broker_slow_end(broker_slow *slow);
/* Let the oldest question of these kinds go on; false if there is none. */
bool broker_slow_next(broker_slow *slow, unsigned kinds);
/* All, until nothing waits. */
void broker_slow_flush(broker_slow *slow);

#endif
