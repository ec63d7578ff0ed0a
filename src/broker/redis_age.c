/* Giving back the memory of publications that are too old, in channels that nobody publishes to or reads any more.
 *
 * The streams concerned are known by their partitions (redis_stream.lua); every relay goes through these, one after the
 * other, in the time of a sweep. What one has done there is nothing left to do for the next. */
#include <streamrelay/error.h>

#include "broker/redis_node.h"

enum { STREAMS = 128, ROUND_MS = 30000 };

/* As long as there is more in a partition, it stays at it. */
static void aged(int error, const srl_reply *reply, void *user)
{
    srl__redis_node *node = user;
    uint64_t count = 0;
    if (node->is_detached) {
        return;
    }
    srl__redis_node_enter(node);
    node->is_ageing = false;
    if (error == SRL_OK && srl_reply_u64(reply, SRL_REPLY_ROOT, &count) == SRL_OK && count >= STREAMS) {
        node->age_ms = srl__redis_node_now(node);
    } else {
        node->age_at = (node->age_at + 1) % SRL__REDIS_PARTITIONS;
    }
    if (error == SRL_OK) {
        srl__redis_age(node);
    }
    srl__redis_node_leave(node);
}

static int ask(srl__redis_node *node)
{
    srl__slice prefix = srl__redis_node_prefix(node);
    srl__redis_call call;
    srl__redis_call_begin(&call, node, "age", 2);
    srl__redis_call_add(&call, srl__redis_partition_key(&node->key, prefix, SRL__KEY_AGES, node->age_at));
    srl__redis_call_add(&call, srl__redis_partition_key(&node->key, prefix, SRL__KEY_LIVES, node->age_at));
    srl__redis_call_add_u64(&call, STREAMS);
    int error = srl__redis_call_send(&call, node, node->reader, aged, node);
    srl__redis_call_free(&call);
    return error;
}

void srl__redis_age(srl__redis_node *node)
{
    uint64_t round_ms = node->broker->config.sweep_ms > 0 ? node->broker->config.sweep_ms : ROUND_MS;
    uint64_t now = srl__redis_node_now(node);
    if (node->is_ageing || now < node->age_ms || node->state != SRL__NODE_UP ||
        srl_redis_client_is_ready(node->reader) == 0) {
        return;
    }
    if (now - node->age_ms > round_ms) {
        node->age_ms = now;
    }
    node->age_ms += round_ms / SRL__REDIS_PARTITIONS;
    node->is_ageing = ask(node) == SRL_OK;
}
