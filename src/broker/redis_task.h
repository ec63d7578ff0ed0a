/* Questions to Redis that are answered, whatever happens to the connection.
 *
 * A task is one call of a function of redis_*.lua. All tasks of a node go over one connection in the order they were
 * given; those that a lost connection left unanswered are sent again, in that order, before all later ones. So a
 * function must bear to be run twice: `again` in its answer's task tells that it may have been. */
#ifndef SRL__REDIS_TASK_H
#define SRL__REDIS_TASK_H

#include <streamrelay/redis.h>

#include "base/list.h"
#include "broker/broker.h"

typedef struct srl__redis_node srl__redis_node; /* a relay's side of the broker */
typedef struct srl__redis_task srl__redis_task;

/* The answer; `reply` is NULL if `error` is not SRL_OK. The task is freed when it returns. */
typedef void (*srl__redis_answer_fn)(srl__redis_task *task, int error, const srl_reply *reply);

/* A call of a function of redis_*.lua being built: its keys, then its arguments. */
typedef struct srl__redis_call {
    srl_command *command;
    const char *function;
    uint32_t num_keys;
    uint32_t added;    /* keys and arguments */
    uint32_t epoch_at; /* the argument that is an epoch, counted from 1; 0: there is none */
    uint64_t epoch;    /* what it was at least, */
    uint64_t base;     /* and the base epoch that it was made with */
    bool by_script;    /* not as a function of the server's */
    int error;         /* the first one */
} srl__redis_call;

void srl__redis_call_begin(srl__redis_call *call, const srl__redis_node *node, const char *function, uint32_t num_keys);
void srl__redis_call_add(srl__redis_call *call, srl__slice value);
void srl__redis_call_add_u64(srl__redis_call *call, uint64_t value);
/* This epoch; or the base epoch, behind a 0, if that is later: the epoch is not known then. */
void srl__redis_call_add_epoch(srl__redis_call *call, const srl__redis_node *node, uint64_t at_least);
/* Whether it was built for a server that had other functions, or other data, than the one that there is now. */
bool srl__redis_call_is_stale(const srl__redis_call *call, const srl__redis_node *node);
/* The same for another function, and for the server that there is now. SRL_OK; or SRL_ERR_NOMEM, and the call is as
 * before. */
int srl__redis_call_rebuild(srl__redis_call *call, const srl__redis_node *node, const char *function);
static inline void srl__redis_call_free(srl__redis_call *call)
{
    if (call->command != NULL) {
        srl_command_free(call->command);
    }
}

struct srl__redis_task {
    srl__list link; /* in the node's tasks, in the order they were given */
    srl__redis_node *node;
    srl_operation *operation; /* NULL: nobody waits */
    srl__redis_answer_fn answered;
    srl__redis_call call;
    const char *function_again; /* the one to call when it may have been run already; NULL: the same */
    uint64_t due_ms;            /* no later than this */
    uint64_t bytes;
    bool sent;       /* and not answered */
    bool again;      /* it may have been run already */
    bool only_reads; /* its place among the others does not matter */
    bool only_once;  /* it must not be run twice: SRL_ERR_OUTCOME_UNKNOWN is its answer then */
    union {          /* what the answer needs to know */
        void *pointer;
        uint64_t number;
    } user;
};

/* Begin a task: then its keys, then its arguments, then submit. NULL: no memory. */
srl__redis_task *srl__redis_task_begin(srl__redis_node *node, const char *function, uint32_t num_keys,
                                       srl__redis_answer_fn answered, srl_operation *operation);
/* Say of it that it only reads. */
static inline srl__redis_task *srl__redis_task_that_reads(srl__redis_task *task)
{
    if (task != NULL) {
        task->only_reads = true;
    }
    return task;
}
/* The next key or argument; errors are kept for srl__redis_task_submit(). */
void srl__redis_task_add(srl__redis_task *task, srl__slice value);
void srl__redis_task_add_u64(srl__redis_task *task, uint64_t value);
void srl__redis_task_add_epoch(srl__redis_task *task, uint64_t at_least);
/* Give it to Redis: SRL_OK, and it will be answered; or SRL_ERR_BROKER_DOWN (and the settings say to fail then),
 * SRL_ERR_LIMIT, SRL_ERR_NOMEM: it is freed without an answer. NULL is SRL_ERR_NOMEM. */
int srl__redis_task_submit(srl__redis_task *task);

/* Answer the task's operation, if it has one. */
void srl__redis_task_finish(srl__redis_task *task, const srl_broker_result *result);
/* The same with nothing but an error. */
void srl__redis_task_finish_error(srl__redis_task *task, int error);

#endif
