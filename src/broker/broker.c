#include "broker/broker.h"

#include <stdatomic.h>

#include <streamrelay/error.h>

#include "base/table.h"

struct srl_broker {
    _Atomic uint32_t refs;
    srl_allocator alloc;
    srl_broker_ops ops;
    void *state;
};

void srl_broker_ops_init(srl_broker_ops *ops, size_t size)
{
    srl_broker_ops none = {0};
    srl__table_fill(ops, size, &none, sizeof(none));
}

static bool is_complete(const srl_broker_ops *ops)
{
    return ops->attach != NULL && ops->detach != NULL && ops->process != NULL && ops->subscribe != NULL &&
           ops->unsubscribe != NULL && ops->publish != NULL && ops->history != NULL && ops->presence_add != NULL &&
           ops->presence_remove != NULL && ops->presence_list != NULL && ops->destroy != NULL;
}

int srl__broker_make(const srl_allocator *alloc, const srl_broker_ops *ops, void *state, srl_broker **out)
{
    srl_broker_ops taken;
    if (ops == NULL || out == NULL ||
        !srl__table_take(&taken, sizeof(taken), ops, offsetof(srl_broker_ops, directory)) || !is_complete(&taken)) {
        return SRL_ERR_INVALID;
    }
    srl_broker *broker = srl__alloc(alloc, sizeof(*broker));
    if (broker == NULL) {
        return SRL_ERR_NOMEM;
    }
    atomic_init(&broker->refs, 1);
    broker->alloc = *alloc;
    broker->ops = taken;
    broker->state = state;
    *out = broker;
    return SRL_OK;
}

int srl_broker_create(const srl_broker_ops *ops, void *broker, srl_broker **out)
{
    srl_allocator alloc;
    if (!srl__allocator_take(&alloc, NULL)) {
        return SRL_ERR_INVALID;
    }
    return srl__broker_make(&alloc, ops, broker, out);
}

void srl__broker_retain(srl_broker *broker)
{
    atomic_fetch_add_explicit(&broker->refs, 1, memory_order_relaxed);
}

void srl_broker_release(srl_broker *broker)
{
    if (broker == NULL || atomic_fetch_sub_explicit(&broker->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    srl_allocator alloc = broker->alloc;
    broker->ops.destroy(broker->state);
    srl__free(&alloc, broker, sizeof(*broker));
}

const srl_broker_ops *srl__broker_ops_of(const srl_broker *broker)
{
    return &broker->ops;
}

int srl__broker_attach(srl_broker *broker, srl_node *node, void **link)
{
    return broker->ops.attach(broker->state, node, link);
}

void srl_operation_finish(srl_operation *operation, const srl_broker_result *result)
{
    operation->done(operation, result);
}

void srl_node_deliver(srl_node *node, void *room, int kind, const srl_publication *publication, const char *epoch,
                      size_t epoch_len)
{
    node->deliver(node, room, kind, publication, srl__slice_of(epoch, epoch_len));
}

void srl_node_reposition(srl_node *node, void *room, uint64_t offset, const char *epoch, size_t epoch_len)
{
    node->reposition(node, room, offset, srl__slice_of(epoch, epoch_len));
}

void srl_node_control(srl_node *node, const char *note, size_t note_len)
{
    node->control(node, srl__slice_of(note, note_len));
}

void srl_node_report(srl_node *node, int is_up)
{
    node->report(node, is_up != 0);
}

void srl_node_wake(srl_node *node)
{
    node->wake(node);
}

void srl_node_set_timer(srl_node *node, uint64_t due_ms)
{
    node->set_timer(node, due_ms);
}

const srl_platform *srl_node_platform(const srl_node *node)
{
    return node->platform;
}
