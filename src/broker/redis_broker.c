#include <streamrelay/error.h>

#include "base/table.h"
#include "broker/redis_node.h"

static const srl_redis_broker_config defaults = {
    .size = sizeof(defaults),
    .wait_replicas_ms = 1000,
    .away_wait_ms = 10000,
    .max_waiting_bytes = (uint64_t)64 * 1024 * 1024,
    .presence_ttl_ms = 60000,
    .sweep_ms = 30000,
    .probe_ms = 10000,
    .prefix = "srl",
    .prefix_len = 3,
};

void srl_redis_broker_config_init(srl_redis_broker_config *config, size_t size)
{
    srl__table_fill(config, size, &defaults, sizeof(defaults));
}

static void broker_free(void *state)
{
    srl__redis_broker *broker = state;
    srl_allocator alloc = broker->alloc;
    srl_redis_script_destroy(broker->library);
    srl_redis_script_destroy(broker->script);
    srl__redis_config_unref(broker->redis);
    srl__free(&alloc, broker->options, sizeof(*broker->options));
    srl__free(&alloc, broker, sizeof(*broker));
}

static const srl_broker_ops redis_ops = {
    .size = sizeof(redis_ops),
    .attach = srl__redis_node_attach,
    .detach = srl__redis_node_detach,
    .process = srl__redis_node_process,
    .subscribe = srl__redis_subscribe,
    .unsubscribe = srl__redis_unsubscribe,
    .publish = srl__redis_publish,
    .history = srl__redis_history,
    .presence_add = srl__redis_presence_add,
    .presence_remove = srl__redis_presence_remove,
    .presence_list = srl__redis_presence_list,
    .destroy = broker_free,
    .directory = srl__redis_directory,
    .position_set = srl__redis_position_set,
    .position_get = srl__redis_position_get,
    .control = srl__redis_control,
    .flush = srl__redis_node_flush,
    .nodes = srl__redis_nodes,
    .history_remove = srl__redis_history_remove,
};

static bool is_valid(const srl_redis_broker_config *config)
{
    return config->away_publish <= SRL_REDIS_AWAY_FAIL && config->away_subscribe <= SRL_REDIS_AWAY_FAIL &&
           config->presence_ttl_ms >= 1000 && config->prefix != NULL && config->prefix_len > 0 &&
           config->prefix_len <= SRL__REDIS_PREFIX_MAX && memchr(config->prefix, '{', config->prefix_len) == NULL;
}

static int load_script(srl__redis_broker *broker, bool as_library, srl_redis_script **out)
{
    srl__buf text;
    int error = srl__redis_lua(&broker->alloc, as_library, &text);
    if (error == SRL_OK) {
        error = srl_redis_script_create(broker->options, text.data, text.len, out);
    }
    srl__buf_free(&text);
    return error;
}

static int fill(srl__redis_broker *broker, const srl_redis_broker_config *config)
{
    broker->options = srl__alloc_zeroed(&broker->alloc, sizeof(*broker->options));
    if (broker->options == NULL) {
        return SRL_ERR_NOMEM;
    }
    memcpy(&broker->options->config, broker->redis, sizeof(*broker->redis));
    broker->config = *config;
    memcpy(broker->prefix, config->prefix, config->prefix_len);
    broker->config.prefix = broker->prefix;
    srl__redis_lua_name(broker->functions);
    int error = load_script(broker, true, &broker->library);
    return error == SRL_OK ? load_script(broker, false, &broker->script) : error;
}

/* What is behind a WAIT on the connection must not time out for it. */
static bool waits_too_long(const srl__redis_config *redis, const srl_redis_broker_config *config)
{
    return config->wait_replicas > 0 && redis->command_timeout > 0 &&
           config->wait_replicas_ms >= redis->command_timeout;
}

static int make(const srl_redis_options *redis, const srl_redis_broker_config *config, srl__redis_broker **out)
{
    srl__redis_config *taken;
    int error = srl__redis_config_take(redis, &taken);
    if (error != SRL_OK) {
        return error;
    }
    srl__redis_broker *broker = srl__alloc_zeroed(&taken->alloc, sizeof(*broker));
    if (broker == NULL) {
        srl__redis_config_unref(taken);
        return SRL_ERR_NOMEM;
    }
    broker->alloc = taken->alloc;
    broker->redis = taken;
    error = waits_too_long(taken, config) ? SRL_ERR_INVALID : fill(broker, config);
    if (error != SRL_OK) {
        broker_free(broker);
        return error;
    }
    *out = broker;
    return SRL_OK;
}

int srl_redis_broker_create(const srl_redis_options *redis, const srl_redis_broker_config *config, srl_broker **out)
{
    srl_redis_broker_config taken = defaults;
    srl__redis_broker *broker;
    if (out == NULL || (config != NULL && !srl__table_take(&taken, sizeof(taken), config, sizeof(taken))) ||
        !is_valid(&taken)) {
        return SRL_ERR_INVALID;
    }
    int error = make(redis, &taken, &broker);
    if (error != SRL_OK) {
        return error;
    }
    srl_broker_ops ops = redis_ops;
    ops.traits = SRL_BROKER_NUMBERS_GO_ON | (taken.sweep_ms > 0 ? SRL_BROKER_CHECKS_POSITIONS : 0);
    error = srl__broker_make(&broker->alloc, &ops, broker, out);
    if (error != SRL_OK) {
        broker_free(broker);
    }
    return error;
}
