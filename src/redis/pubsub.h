/* Subscriptions over a link of their own.
 *
 * Wanted names are in maps, whatever the connection does. What is sent goes in batches: one command of at most 512
 * names, and a PING with a number behind it. All confirmations of a batch come before the answer to its PING, so that
 * ends it, whether the server confirmed, refused, or had nothing to say. */
#ifndef SRL__REDIS_PUBSUB_H
#define SRL__REDIS_PUBSUB_H

#include "base/map.h"
#include "redis/link.h"

enum { SRL__PUBSUB_KINDS = 3, SRL__PUBSUB_BATCH = 512, SRL__PUBSUB_FLIGHT = 64 };

typedef struct srl__pubsub_entry {
    uint32_t refs; /* of its map and of batches */
    uint32_t len;
    bool wanted;      /* it is in its map */
    bool established; /* and the server has it, or had it before the connection was lost */
    char name[];
} srl__pubsub_entry;

/* One call of the user, over one or more batches. */
typedef struct srl__pubsub_call {
    uint32_t batches; /* not ended */
    int error;
    char text[24];
    srl_redis_settled_fn function;
    void *user;
} srl__pubsub_call;

typedef struct srl__pubsub_batch {
    srl__list node;
    uint64_t number; /* what its PING says, while it is sent */
    uint64_t due_ms;
    uint8_t kind;
    bool subscribes;
    bool restoring; /* of what was subscribed before the connection was lost */
    bool replacing; /* of what the server ended by itself */
    bool refused;
    bool counts; /* for the end of restoring */
    char why[24];
    uint32_t expected, confirmed;
    srl__pubsub_call *call; /* may be NULL */
    uint32_t count;
    uint32_t capacity;
    srl__pubsub_entry *entries[];
} srl__pubsub_batch;

struct srl_redis_pubsub {
    srl__redis_link link; /* first */
    srl__map names[SRL__PUBSUB_KINDS];
    srl__list sent;
    srl__list unsent;
    uint32_t sent_count;
    uint32_t restore_left; /* batches until everything is subscribed again */
    bool restoring;
    bool announced; /* SRL_REDIS_READY was told */
    uint64_t next_number;
    srl__redis_timer deadline; /* of the oldest sent batch */
    srl__redis_timer retry;    /* the server was busy: unsent batches wait for it */
    srl_redis_pubsub_handlers handlers;
};

#endif
