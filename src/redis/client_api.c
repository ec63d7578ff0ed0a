/* The public side of a client. */
#include <streamrelay/error.h>

#include "base/table.h"
#include "redis/client.h"

int srl_redis_client_create(srl_redis_loop *loop, const srl_redis_options *options, srl_redis_state_fn state,
                            void *user, srl_redis_client **out)
{
    srl__redis_config *config;
    int error = srl__redis_config_take(options, &config);
    if (error != SRL_OK) {
        return error;
    }
    error = srl__redis_client_create(loop, config, state, user, out);
    srl__redis_config_unref(config);
    if (error == SRL_OK) {
        srl__redis_loop_enter(loop);
        (*out)->link.state = SRL__LINK_PAUSE; /* no callback before this function returns */
        srl__redis_timer_arm(loop, &(*out)->link.step, 1);
        srl__redis_loop_leave(loop);
    }
    return error;
}

void srl_redis_client_destroy(srl_redis_client *client)
{
    if (client != NULL && !client->link.ended) {
        srl_redis_loop *loop = client->link.loop;
        srl__redis_loop_enter(loop);
        client->link.ops->close(&client->link);
        srl__redis_loop_leave(loop);
    }
}

static srl__redis_request request_of(uint32_t flags, uint64_t timeout_ms, srl_redis_reply_fn function, void *user)
{
    return (srl__redis_request){.flags = flags, .timeout_ms = timeout_ms, .function = function, .user = user};
}

int srl_redis_client_command(srl_redis_client *client, size_t argc, const char *const *argv, const size_t *lens,
                             uint32_t flags, uint64_t timeout_ms, srl_redis_reply_fn function, void *user, uint64_t *id)
{
    srl_redis_loop *loop = client->link.loop;
    srl__redis_request request = request_of(flags, timeout_ms, function, user);
    srl__redis_loop_enter(loop);
    int error = srl__redis_client_submit_argv(client, &request, argc, argv, lens, id);
    srl__redis_loop_leave(loop);
    return error;
}

int srl_redis_client_send(srl_redis_client *client, srl_command *command, uint32_t flags, uint64_t timeout_ms,
                          srl_redis_reply_fn function, void *user, uint64_t *id)
{
    srl_redis_loop *loop = client->link.loop;
    srl__redis_request request = request_of(flags, timeout_ms, function, user);
    srl__redis_loop_enter(loop);
    int error = srl__redis_client_submit_command(client, &request, command, id);
    srl__redis_loop_leave(loop);
    return error;
}

int srl_redis_client_exec(srl_redis_client *client, const srl_redis_multi *multi, uint32_t flags, uint64_t timeout_ms,
                          srl_redis_reply_fn function, void *user, uint64_t *id)
{
    srl_redis_loop *loop = client->link.loop;
    srl__redis_request request = request_of(flags & ~(uint32_t)SRL_REDIS_RETRY, timeout_ms, function, user);
    srl__redis_blob *raw;
    int error = srl__redis_multi_raw(multi, &loop->alloc, &raw, &request.replies);
    if (error != SRL_OK) {
        return error;
    }
    srl__redis_loop_enter(loop);
    error = srl__redis_client_submit_raw(client, &request, raw, id);
    srl__redis_loop_leave(loop);
    if (error != SRL_OK) {
        srl__redis_blob_unref(raw);
    }
    return error;
}

int srl_redis_client_call(srl_redis_client *client, const srl_redis_script *script, const char *function_name,
                          uint32_t num_keys, size_t argc, const char *const *argv, const size_t *lens, uint32_t flags,
                          uint64_t timeout_ms, srl_redis_reply_fn function, void *user, uint64_t *id)
{
    srl_redis_loop *loop = client->link.loop;
    srl__redis_request request = request_of(flags, timeout_ms, function, user);
    srl_command *command;
    request.script = script;
    int error = srl__redis_script_command(script, function_name, num_keys, argc, argv, lens, &loop->alloc, &command);
    if (error != SRL_OK) {
        return error;
    }
    srl__redis_loop_enter(loop);
    error = srl__redis_client_submit_command(client, &request, command, id);
    srl__redis_loop_leave(loop);
    srl_command_free(command);
    return error;
}

int srl_redis_client_is_ready(const srl_redis_client *client)
{
    return srl__redis_link_is_ready(&client->link) ? 1 : 0;
}

void srl_redis_client_reconnect(srl_redis_client *client)
{
    srl_redis_loop *loop = client->link.loop;
    srl__redis_loop_enter(loop);
    srl__redis_link_restart(&client->link);
    srl__redis_loop_leave(loop);
}

int srl_redis_client_stats_get(const srl_redis_client *client, srl_redis_client_stats *out)
{
    const srl__redis_link *link = &client->link;
    srl_redis_client_stats stats = {
        .protocol = srl__redis_link_is_ready(link) ? link->protocol : 0,
        .connects = link->connects,
        .failures = link->failures,
        .commands = client->commands,
        .replies = link->replies,
        .late = client->late,
        .retries = client->retries,
        .unknown = client->unknown,
        .pending = (uint64_t)client->inflight.count + client->waiting.count + client->delayed_count,
        .writes = link->writes,
        .bytes_in = link->bytes_in,
        .bytes_out = link->bytes_out,
    };
    if (out == NULL || out->size < sizeof(out->size)) {
        return SRL_ERR_INVALID;
    }
    srl__table_fill(out, out->size, &stats, sizeof(stats));
    return SRL_OK;
}
