#include <streamrelay/error.h>

#include "broker/redis_node.h"
#include "redis/reply.h"

/* What a task is counted with beside its arguments. */
enum { TASK_BYTES = 512 };

static srl__redis_task *task_of(srl__list *link)
{
    return SRL__CONTAINER(link, srl__redis_task, link);
}

static void set_sent(srl__redis_task *task, bool sent)
{
    if (task->sent != sent) {
        task->sent = sent;
        task->node->unsent += sent ? UINT32_MAX : 1; /* minus one */
    }
}

static void task_free(srl__redis_task *task)
{
    srl__redis_node *node = task->node;
    srl__list_remove(&task->link);
    set_sent(task, true);
    node->task_bytes -= task->bytes;
    srl__redis_call_free(&task->call);
    srl__free(srl__redis_node_alloc(node), task, sizeof(*task));
}

srl__redis_task *srl__redis_task_begin(srl__redis_node *node, const char *function, uint32_t num_keys,
                                       srl__redis_answer_fn answered, srl_operation *operation)
{
    srl__redis_task *task = srl__alloc_zeroed(srl__redis_node_alloc(node), sizeof(*task));
    if (task == NULL) {
        return NULL;
    }
    srl__list_init(&task->link);
    task->node = node;
    node->unsent++;
    task->operation = operation;
    task->answered = answered;
    srl__redis_call_begin(&task->call, node, function, num_keys);
    return task;
}

void srl__redis_task_add(srl__redis_task *task, srl__slice value)
{
    if (task != NULL) {
        srl__redis_call_add(&task->call, value);
    }
}

void srl__redis_task_add_u64(srl__redis_task *task, uint64_t value)
{
    if (task != NULL) {
        srl__redis_call_add_u64(&task->call, value);
    }
}

void srl__redis_task_add_epoch(srl__redis_task *task, uint64_t at_least)
{
    if (task != NULL) {
        srl__redis_call_add_epoch(&task->call, task->node, at_least);
    }
}

void srl__redis_task_finish(srl__redis_task *task, const srl_broker_result *result)
{
    srl_operation *operation = task->operation;
    task->operation = NULL;
    if (operation != NULL) {
        srl_operation_finish(operation, result);
    }
}

void srl__redis_task_finish_error(srl__redis_task *task, int error)
{
    srl_broker_result result = {.size = sizeof(result), .error = error, .epoch = "", .meta = ""};
    srl__redis_task_finish(task, &result);
}

/* Out of the list, so that it is nobody's but the answer's. */
static void answer(srl__redis_task *task, int error, const srl_reply *reply)
{
    srl__list_remove(&task->link);
    task->answered(task, error, reply);
    task_free(task);
}

static bool may_wait(const srl__redis_task *task)
{
    const srl__redis_node *node = task->node;
    return node->broker->config.away_publish == SRL_REDIS_AWAY_WAIT && srl__redis_node_now(node) < task->due_ms &&
           !node->is_detached;
}

/* Back to where it was in the order; it is sent when the server is there again. */
static void put_off(srl__redis_task *task, bool may_have_run)
{
    const char *function = task->function_again != NULL ? task->function_again : task->call.function;
    set_sent(task, false);
    if (may_have_run && !task->again && srl__redis_call_rebuild(&task->call, task->node, function) == SRL_OK) {
        task->again = true;
    } else if (may_have_run && !task->again) {
        answer(task, SRL_ERR_NOMEM, NULL);
    }
}

/* What the server says to a task that it did not run. */
static void refused(srl__redis_task *task, const srl_reply *reply)
{
    srl__redis_node *node = task->node;
    srl__slice line = srl__reply_slice(reply, SRL_REPLY_ROOT);
    srl_redis_error_class class = srl_redis_error_classify(line.data, line.len);
    if (class == SRL_REDIS_ERROR_ROLE || class == SRL_REDIS_ERROR_AUTH || class == SRL_REDIS_ERROR_RETRY) {
        if (may_wait(task)) {
            put_off(task, false);
        } else {
            answer(task, SRL_ERR_BROKER_DOWN, NULL);
        }
        srl__redis_node_renounce(node);
    } else if (class == SRL_REDIS_ERROR_CAPACITY) {
        answer(task, SRL_ERR_BROKER_DOWN, NULL);
    } else {
        answer(task, SRL_ERR_REDIS, reply);
    }
}

static void failed(srl__redis_task *task, int error)
{
    bool may_have_run = error == SRL_ERR_OUTCOME_UNKNOWN || error == SRL_ERR_TIMEOUT;
    bool is_alive = srl_redis_client_is_ready(task->node->client) != 0;
    srl__redis_node *node = task->node;
    if (may_wait(task) && !(may_have_run && task->only_once)) {
        put_off(task, may_have_run);
    } else {
        answer(task, may_have_run ? SRL_ERR_OUTCOME_UNKNOWN : SRL_ERR_BROKER_DOWN, NULL);
    }
    if (is_alive && !node->is_detached) {
        srl_redis_client_reconnect(node->client); /* a silent server: what it owes us goes with the connection */
    }
}

/* Replies come in order: one that stands before it was refused, and would be run behind it. */
static srl__redis_task *overtaken_by(const srl__redis_task *task)
{
    for (srl__list *link = task->node->tasks.next; link != &task->link; link = link->next) {
        if (!task_of(link)->sent && !task_of(link)->only_reads) {
            return task_of(link);
        }
    }
    return NULL;
}

static void answer_overtaken(srl__redis_task *task)
{
    srl__redis_node *node = task->node;
    srl__redis_task *first;
    while (!task->only_reads && !node->is_detached && (first = overtaken_by(task)) != NULL) {
        answer(first, first->again ? SRL_ERR_OUTCOME_UNKNOWN : SRL_ERR_BROKER_DOWN, NULL);
    }
}

static void replied(int error, const srl_reply *reply, void *user)
{
    srl__redis_task *task = user;
    srl__redis_node *node = task->node;
    if (node->is_detached) {
        return;
    }
    srl__redis_node_enter(node);
    if (error == SRL_OK) {
        answer_overtaken(task);
        answer(task, SRL_OK, reply);
    } else if (error == SRL_ERR_REDIS) {
        refused(task, reply);
    } else {
        failed(task, error);
    }
    srl__redis_node_leave(node);
}

/* False: the rest waits. */
static bool send_task(srl__redis_task *task)
{
    srl__redis_node *node = task->node;
    if (srl__redis_call_is_stale(&task->call, node) &&
        srl__redis_call_rebuild(&task->call, node, task->call.function) != SRL_OK) {
        return false;
    }
    int error = srl__redis_call_send(&task->call, node, node->client, replied, task);
    set_sent(task, error == SRL_OK);
    return task->sent;
}

void srl__redis_tasks_send(srl__redis_node *node)
{
    if (node->unsent == 0) {
        return;
    }
    for (srl__list *link = node->tasks.next; link != &node->tasks && node->state == SRL__NODE_UP; link = link->next) {
        srl__redis_task *task = task_of(link);
        if (!task->sent && !send_task(task)) {
            return;
        }
    }
}

int srl__redis_task_submit(srl__redis_task *task)
{
    if (task == NULL) {
        return SRL_ERR_NOMEM;
    }
    srl__redis_node *node = task->node;
    const srl_redis_broker_config *config = &node->broker->config;
    int error = task->call.error;
    if (error == SRL_OK) {
        task->bytes = srl_command_wire_size(task->call.command) + TASK_BYTES;
        if (node->state != SRL__NODE_UP && config->away_publish == SRL_REDIS_AWAY_FAIL) {
            error = SRL_ERR_BROKER_DOWN;
        } else if (task->bytes > config->max_waiting_bytes - node->task_bytes) {
            error = SRL_ERR_LIMIT;
        }
    }
    if (error != SRL_OK) {
        task->bytes = 0;
        task_free(task);
        return error;
    }
    node->task_bytes += task->bytes;
    task->due_ms = srl__redis_node_now(node) + config->away_wait_ms;
    srl__list_append(&node->tasks, &task->link);
    if (node->state == SRL__NODE_UP && node->unsent == 1) { /* else it is not its turn */
        (void)send_task(task);
    }
    return SRL_OK;
}

void srl__redis_tasks_expire(srl__redis_node *node)
{
    while (!srl__list_is_empty(&node->tasks) && !node->is_detached) {
        srl__redis_task *task = task_of(node->tasks.next);
        if (task->sent || task->due_ms > srl__redis_node_now(node)) {
            return;
        }
        answer(task, task->again ? SRL_ERR_OUTCOME_UNKNOWN : SRL_ERR_BROKER_DOWN, NULL);
    }
}

void srl__redis_tasks_free(srl__redis_node *node)
{
    while (!srl__list_is_empty(&node->tasks)) {
        task_free(task_of(node->tasks.next));
    }
}
