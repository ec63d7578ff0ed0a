/* What every broker must do, whatever it is made of: the contract of <streamrelay/broker.h> as tests. */
#ifndef SRL_TEST_BROKER_SUITE_H
#define SRL_TEST_BROKER_SUITE_H

#include "helpers/broker_calls.h"

typedef struct srl_test_broker_kind {
    /* A broker without any channel. */
    int (*create)(const srl_allocator *alloc, srl_broker **out);
    /* Let a broker that does not answer at once make progress (poll its sockets for a moment); NULL: not needed. */
    void (*wait)(void);
    bool follows_clock; /* ages go by the nodes' clock, not by one of its own */
} srl_test_broker_kind;

/* Run all of it; the number of failed tests. */
int srl_test_broker_suite_run(const char *name, const srl_test_broker_kind *kind);
/* The part of it that is about groups, positions and notes; a broker without them passes. */
int srl_test_broker_rooms_run(const char *name, const srl_test_broker_kind *kind);
/* The part that is about what is shown of sessions and with publications, and about dropping history. */
int srl_test_broker_shown_run(const char *name, const srl_test_broker_kind *kind);

#endif
