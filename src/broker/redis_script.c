/* The joining of redis_*.lua into one library of functions, or one script. */
#include <stdio.h>

#include <streamrelay/error.h>

#include "broker/redis_node.h"
#include "redis/command.h"
#include "redis/reply.h"
#include "redis/sha1.h"

extern const unsigned char srl__redis_stream_lua[];
extern const unsigned long srl__redis_stream_lua_len;
extern const unsigned char srl__redis_people_lua[];
extern const unsigned long srl__redis_people_lua_len;
extern const unsigned char srl__redis_library_lua[];
extern const unsigned long srl__redis_library_lua_len;

static void append_text(srl__buf *out, const char *text)
{
    srl__buf_append(out, text, strlen(text));
}

void srl__redis_lua_name(char out[SRL__REDIS_LUA_NAME])
{
    enum { HEX = 40, PARTS = 3 };
    char hashes[PARTS * HEX + 1];
    char hash[HEX + 1];
    srl__sha1_hex(srl__redis_stream_lua, srl__redis_stream_lua_len, hashes);
    srl__sha1_hex(srl__redis_people_lua, srl__redis_people_lua_len, hashes + HEX);
    srl__sha1_hex(srl__redis_library_lua, srl__redis_library_lua_len, hashes + 2 * HEX);
    srl__sha1_hex(hashes, sizeof(hashes) - 1, hash);
    memcpy(out, "srl_", 4);
    memcpy(out + 4, hash, SRL__REDIS_LUA_NAME - 5);
    out[SRL__REDIS_LUA_NAME - 1] = '\0';
}

static void append_head(srl__buf *out, bool as_library)
{
    char name[SRL__REDIS_LUA_NAME];
    srl__redis_lua_name(name);
    if (as_library) {
        append_text(out, "#!lua name=");
        append_text(out, name);
        append_text(out, "\nlocal NAME = '");
        append_text(out, name);
        append_text(out, "'");
    }
    append_text(out, "\nlocal F, RO, GROWS = {}, {}, {}\n");
}

int srl__redis_lua(const srl_allocator *alloc, bool as_library, srl__buf *out)
{
    srl__buf_init(out, alloc, 1024 * 1024);
    append_head(out, as_library);
    srl__buf_append(out, srl__redis_stream_lua, srl__redis_stream_lua_len);
    if (as_library) {
        srl__buf_append(out, srl__redis_people_lua, srl__redis_people_lua_len);
        srl__buf_append(out, srl__redis_library_lua, srl__redis_library_lua_len);
    } else {
        /* Each call makes all functions anew, so a publication does without those it has no need of. */
        append_text(out, "\nif not F[ARGV[1]] then\n");
        srl__buf_append(out, srl__redis_people_lua, srl__redis_people_lua_len);
        append_text(out, "\nend\nreturn F[table.remove(ARGV, 1)](KEYS, ARGV)\n");
    }
    return out->error;
}

static void end_of_keys(srl__redis_call *call)
{
    if (call->by_script && call->error == SRL_OK) {
        call->error = srl_command_add(call->command, call->function, strlen(call->function));
    }
}

static void add_target(srl__redis_call *call, const srl__redis_node *node)
{
    const char *sha = node->broker->script->sha;
    char name[64];
    size_t len = SRL__REDIS_LUA_NAME + strlen(call->function);
    memcpy(name, node->broker->functions, SRL__REDIS_LUA_NAME);
    name[SRL__REDIS_LUA_NAME - 1] = '_';
    memcpy(name + SRL__REDIS_LUA_NAME, call->function, len - SRL__REDIS_LUA_NAME);
    call->error =
        call->by_script ? srl_command_add(call->command, "EVALSHA", 7) : srl_command_add(call->command, "FCALL", 5);
    if (call->error == SRL_OK) {
        call->error = call->by_script ? srl_command_add(call->command, sha, strlen(sha))
                                      : srl_command_add(call->command, name, len);
    }
    if (call->error == SRL_OK) {
        call->error = srl_command_add_u64(call->command, call->num_keys);
    }
}

void srl__redis_call_begin(srl__redis_call *call, const srl__redis_node *node, const char *function, uint32_t num_keys)
{
    *call = (srl__redis_call){.function = function, .num_keys = num_keys, .by_script = node->use_script};
    call->error = srl_command_create(srl__redis_node_alloc(node), &call->command);
    if (call->error == SRL_OK) {
        call->error = srl__buf_reserve(&call->command->copied, 512);
    }
    if (call->error == SRL_OK) {
        add_target(call, node);
    }
    if (num_keys == 0) {
        end_of_keys(call);
    }
}

static void added(srl__redis_call *call)
{
    if (++call->added == call->num_keys) {
        end_of_keys(call);
    }
}

void srl__redis_call_add(srl__redis_call *call, srl__slice value)
{
    if (call->error == SRL_OK && call->added < call->num_keys && value.len == 0) {
        call->error = SRL_ERR_NOMEM; /* there was none for the key */
    }
    if (call->error == SRL_OK) {
        call->error = srl_command_add(call->command, value.data, value.len);
    }
    added(call);
}

void srl__redis_call_add_u64(srl__redis_call *call, uint64_t value)
{
    if (call->error == SRL_OK) {
        call->error = srl_command_add_u64(call->command, value);
    }
    added(call);
}

void srl__redis_call_add_epoch(srl__redis_call *call, const srl__redis_node *node, uint64_t at_least)
{
    char text[SRL__REDIS_CURSOR_TEXT];
    bool is_current = at_least >= node->base_epoch;
    srl__slice epoch =
        srl__redis_epoch_text((srl__redis_cursor){.epoch = is_current ? at_least : node->base_epoch}, text);
    call->epoch = at_least;
    call->base = node->base_epoch;
    if (!is_current) { /* there is room before the number */
        text[epoch.data - text - 1] = '0';
        epoch = srl__slice_of(epoch.data - 1, epoch.len + 1);
    }
    srl__redis_call_add(call, epoch);
    call->epoch_at = call->added;
}

bool srl__redis_call_is_stale(const srl__redis_call *call, const srl__redis_node *node)
{
    return call->by_script != node->use_script || (call->epoch_at > 0 && call->base != node->base_epoch);
}

int srl__redis_call_rebuild(srl__redis_call *call, const srl__redis_node *node, const char *function)
{
    enum { TARGET_ARGS = 3 };
    srl__redis_call fresh;
    srl__redis_call_begin(&fresh, node, function, call->num_keys);
    while (fresh.added < call->added && fresh.error == SRL_OK) {
        uint32_t skipped = TARGET_ARGS + (call->by_script && fresh.added >= call->num_keys ? 1U : 0U);
        srl__slice value;
        value.data = srl_command_arg(call->command, skipped + fresh.added, &value.len);
        if (fresh.added + 1 == call->epoch_at) {
            srl__redis_call_add_epoch(&fresh, node, call->epoch);
        } else {
            srl__redis_call_add(&fresh, value);
        }
    }
    if (fresh.error != SRL_OK) {
        srl__redis_call_free(&fresh);
        return fresh.error;
    }
    srl__redis_call_free(call);
    *call = fresh;
    return SRL_OK;
}

int srl__redis_call_send(srl__redis_call *call, srl__redis_node *node, srl_redis_client *client,
                         srl_redis_reply_fn function, void *user)
{
    srl__redis_request request = {
        .flags = SRL_REDIS_NO_WAIT,
        .timeout_ms = SRL_REDIS_DEFAULT_TIMEOUT,
        .function = function,
        .user = user,
        .script = call->by_script ? node->broker->script : node->broker->library,
    };
    if (call->error != SRL_OK) {
        return call->error;
    }
    srl__redis_loop_enter(node->loop);
    int error = srl__redis_client_submit_command(client, &request, call->command, NULL);
    srl__redis_loop_leave(node->loop);
    return error;
}

bool srl__redis_lacks_functions(const srl_reply *reply)
{
    static const char unknown[] = "unknown command";
    size_t len;
    const char *text = srl_reply_error_text(reply, SRL_REPLY_ROOT, &len);
    return SRL__REPLY_ERROR_IS(reply, SRL_REPLY_ROOT, "NOPERM") ||
           (text != NULL && len >= sizeof(unknown) - 1 && memcmp(text, unknown, sizeof(unknown) - 1) == 0);
}
