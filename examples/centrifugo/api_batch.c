/* Calls of the application's methods, and the call of many methods at once. */
#include <string.h>

#include "api_call.h"

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
