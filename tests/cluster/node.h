/* One relay process of the cluster test; cluster_test.py starts several and tells them what to do, line by line on
 * standard input. The parts of it: */
#ifndef SRL_TEST_CLUSTER_NODE_H
#define SRL_TEST_CLUSTER_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include <streamrelay/streamrelay.h>

#include "journal.h"

typedef struct node {
    srl_relay *relay;
    uint64_t now_ms;
    uint32_t number;      /* of the process, in the ids of its publications */
    uint32_t channels;    /* "c0" to "c<n-1>" */
    uint32_t subscribers; /* sessions that are in all of them */
    uint32_t ups, downs;  /* of the broker */
} node;

/* Prints and exits. */
_Noreturn void node_die(const char *what, int error);
/* A session of the native protocol; an error other than a shutdown ends the process. */
srl_session *node_open(node *self, const srl_transport *transport, void *user);
void node_send(srl_session *session, const char *text, size_t len);

/* ---- subscribers.c: as real clients do, they come back with their positions */

typedef struct subscriber_stats {
    uint64_t delivered, recovered, unrecovered, fresh, unsubscribed, ended, retried;
    uint64_t errors; /* answers that should not be */
    uint32_t wanted; /* channels that are not subscribed to and should be */
} subscriber_stats;

void subscribers_init(node *self);
/* A record of an earlier process: the position to go on from. */
void subscribers_restore(const record *entry);
void subscribers_start(node *self, uint32_t first, uint32_t count);
/* From now on, so many times per second a client leaves a channel and comes back to it. */
void subscribers_churn(node *self, uint64_t rate);
void subscribers_run(node *self);
void subscribers_stats(node *self, subscriber_stats *out);
void subscribers_free(void);

/* ---- publisher.c: half as the host, half as a client */

typedef struct publisher_stats {
    uint64_t issued, acknowledged, failed, retried, outcome_unknown;
    uint64_t left; /* not issued yet */
    uint32_t in_flight, waiting;
    int last_error;
} publisher_stats;

typedef struct publisher_order {
    uint64_t count; /* more publications */
    uint64_t rate;  /* per second; 0: as fast as they are acknowledged */
    uint32_t first, channels;
    uint32_t window;  /* at most so many without an answer */
    uint32_t payload; /* bytes to fill it up with */
} publisher_order;

void publisher_init(node *self, uint64_t seed, bool with_keys);
void publisher_start(node *self, const publisher_order *order);
void publisher_run(node *self);
void publisher_stats_read(publisher_stats *out);
void publisher_free(void);

/* ---- raw.c: sessions by name whose every frame is printed */

void raw_open(node *self, const char *name, const char *user);
void raw_send(const char *name, const char *json);
void raw_close(const char *name);
void raw_run(void);
void raw_free(void);

#endif
