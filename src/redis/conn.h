/* A blocking connection: a client on a loop of its own, driven until the answer is there. */
#ifndef SRL__REDIS_CONN_H
#define SRL__REDIS_CONN_H

#include "redis/client.h"

typedef struct srl__conn_result {
    int error;
    const srl_reply *reply;
} srl__conn_result;

struct srl_redis_conn {
    srl_allocator alloc;
    srl__redis_config *config;
    srl_redis_loop *loop;
    srl_redis_client *client;
    bool connect_failed; /* the attempt that was made for this call */
    bool in_multi, watching;
    bool changed;              /* it has a state that a new connection would not have */
    bool useless;              /* and that state is lost */
    uint32_t outstanding;      /* queued, and not yet asked for */
    srl__conn_result *results; /* of these: those there are, from result_at on */
    uint32_t result_count, result_capacity, result_at;
    uint64_t last_use_ms;
    char error[240];

    /* of a pool */
    srl__list node;
    uint64_t idle_since_ms;
    uint64_t end_of_life_ms;
    uint32_t generation;
    bool dedicated;
};

int srl__redis_conn_open(srl__redis_config *config, uint64_t timeout_ms, srl_redis_conn **out, char *why,
                         size_t why_size);
/* Whether it may be lent again. */
bool srl__redis_conn_is_clean(const srl_redis_conn *conn);
/* Whether it is alive: looks for unexpected bytes, and asks the server if `ask`. */
bool srl__redis_conn_check(srl_redis_conn *conn, bool ask);

#endif
