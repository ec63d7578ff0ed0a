/* Methods of the API about the server, and the one that calls many at once. */
#include <string.h>

#include "api_call.h"

static void add_count(json_text *out, const char *name, uint64_t value)
{
    json_text_add(out, ",\"");
    json_text_add(out, name);
    json_text_add(out, "\":");
    json_text_add_number(out, value);
}

void api_info(api_call *call)
{
    json_text *out = &call->out;
    srl_stats stats = {.size = sizeof stats};
    char uid[SRL_SESSION_ID_LEN + 1];
    srl_relay_node_id(call->a->relay, uid);
    srl_relay_stats(call->a->relay, &stats);
    json_text_add(out, "{\"nodes\":[{\"uid\":\"");
    json_text_add(out, uid);
    json_text_add(out, "\",\"name\":\"streamrelay\",\"version\":\"");
    json_text_add(out, srl_version());
    json_text_add(out, "\"");
    add_count(out, "num_clients", stats.sessions);
    add_count(out, "num_users", stats.users);
    add_count(out, "num_channels", stats.rooms);
    add_count(out, "num_subs", stats.subscriptions);
    add_count(out, "uptime", stats.uptime_ms / 1000);
    json_text_add(out, "}]}");
    api_finish(call);
}

/* Methods that clients call are in hooks.c; the API has none of its own to extend. */
void api_rpc(api_call *call)
{
    size_t len;
    api_text(call, "method", &len);
    api_fail(call, len == 0 ? SRL_REPLY_BAD_REQUEST : SRL_REPLY_METHOD_NOT_FOUND);
}

/* A command is an object with one member: the method, and its parameters. */
static api_call *add_command(api_call *batch, const json_node *command)
{
    static const api_method unknown = {.name = "unknown"};
    const json_node *params = json_is(command, JSON_OBJECT) ? command->first : NULL;
    const api_method *method = params ? api_find(params->name, strlen(params->name)) : NULL;
    bool can_be = method && method->run != api_batch;
    api_call *part = api_add_part(batch, can_be ? method : &unknown, params);
    if (part && !can_be)
        part->error = SRL_REPLY_METHOD_NOT_FOUND;
    return part;
}

void api_batch(api_call *call)
{
    const json_node *commands = json_member(call->params, "commands");
    for (const json_node *node = commands ? commands->first : NULL; node; node = node->next) {
        if (!add_command(call, node)) {
            api_fail(call, SRL_REPLY_INTERNAL);
            return;
        }
    }
    api_run_parts(call);
}
