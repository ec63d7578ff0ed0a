/* Scripts, libraries of functions, and transactions as commands. */
#include <streamrelay/error.h>

#include "redis/client.h"
#include "redis/resp_writer.h"
#include "redis/sha1.h"

static void take_allocator(const srl_redis_options *options, srl_allocator *out)
{
    if (options != NULL) {
        *out = options->config.alloc;
    } else {
        srl_allocator_init(out, sizeof(*out));
    }
}

int srl_redis_script_create(const srl_redis_options *options, const char *code, size_t code_len, srl_redis_script **out)
{
    srl_allocator alloc;
    take_allocator(options, &alloc);
    if (code_len == 0 || code_len > SRL_COMMAND_MAX_ARG) {
        return SRL_ERR_INVALID;
    }
    srl_redis_script *script = srl__alloc_zeroed(&alloc, sizeof(*script));
    char *copy = srl__copy_bytes(&alloc, code, code_len);
    if (script == NULL || copy == NULL) {
        srl__free(&alloc, script, sizeof(*script));
        srl__free(&alloc, copy, code_len);
        return SRL_ERR_NOMEM;
    }
    script->alloc = alloc;
    script->code = copy;
    script->code_len = code_len;
    script->is_library = code_len >= 2 && code[0] == '#' && code[1] == '!';
    srl__sha1_hex(code, code_len, script->sha);
    *out = script;
    return SRL_OK;
}

void srl_redis_script_destroy(srl_redis_script *script)
{
    if (script != NULL) {
        srl_allocator alloc = script->alloc;
        srl__free_bytes(&alloc, script->code, script->code_len);
        srl__free(&alloc, script, sizeof(*script));
    }
}

int srl__redis_script_command(const srl_redis_script *script, const char *function, uint32_t num_keys, size_t argc,
                              const char *const *argv, const size_t *lens, const srl_allocator *alloc,
                              srl_command **out)
{
    srl_command *command;
    bool by_name = function != NULL;
    if (by_name != script->is_library || num_keys > argc || argc >= SRL_COMMAND_MAX_ARGS) {
        return SRL_ERR_INVALID;
    }
    int error = srl_command_create(alloc, &command);
    if (error != SRL_OK) {
        return error;
    }
    error = by_name ? SRL__COMMAND_ADD(command, "FCALL") : SRL__COMMAND_ADD(command, "EVALSHA");
    if (error == SRL_OK) {
        error =
            by_name ? srl_command_add(command, function, strlen(function)) : srl_command_add(command, script->sha, 40);
    }
    if (error == SRL_OK) {
        error = srl_command_add_u64(command, num_keys);
    }
    if (error == SRL_OK && argc > 0) {
        error = srl_command_append_argv(command, (uint32_t)argc, argv, lens, 0);
    }
    if (error != SRL_OK) {
        srl_command_free(command);
        return error;
    }
    *out = command;
    return SRL_OK;
}

int srl__redis_script_eval(const srl_redis_script *script, const srl_command *evalsha, srl_command **out)
{
    static const size_t prefix = sizeof("$7\r\nEVALSHA\r\n$40\r\n\r\n") - 1 + 40;
    srl_command *command;
    int error = srl_command_create(&evalsha->alloc, &command);
    if (error != SRL_OK) {
        return error;
    }
    error = SRL__COMMAND_ADD(command, "EVAL");
    if (error == SRL_OK) {
        error = srl_command_add(command, script->code, script->code_len);
    }
    if (error == SRL_OK) {
        srl__buf_append(&command->copied, evalsha->copied.data + prefix, evalsha->copied.len - prefix);
        error = command->copied.error;
        command->count = evalsha->count;
    }
    if (error != SRL_OK) {
        srl_command_free(command);
        return error;
    }
    *out = command;
    return SRL_OK;
}

int srl__redis_script_load(const srl_redis_script *script, const srl_allocator *alloc, srl_command **out)
{
    const char *argv[] = {"FUNCTION", "LOAD", "REPLACE", script->code};
    const size_t lens[] = {8, 4, 7, script->code_len};
    return srl_command_create_argv(alloc, 4, argv, lens, out);
}

/* ---- transactions */

struct srl_redis_multi {
    srl_allocator alloc;
    srl__resp_output commands;
    uint32_t count;
};

int srl_redis_multi_create(const srl_redis_options *options, srl_redis_multi **out)
{
    srl_allocator alloc;
    take_allocator(options, &alloc);
    srl_redis_multi *multi = srl__alloc_zeroed(&alloc, sizeof(*multi));
    if (multi == NULL) {
        return SRL_ERR_NOMEM;
    }
    multi->alloc = alloc;
    srl__resp_output_init(&multi->commands, &multi->alloc, SRL_COMMAND_MAX_COPIED);
    *out = multi;
    return SRL_OK;
}

void srl_redis_multi_destroy(srl_redis_multi *multi)
{
    if (multi != NULL) {
        srl_allocator alloc = multi->alloc;
        srl__resp_output_free(&multi->commands);
        srl__free(&alloc, multi, sizeof(*multi));
    }
}

int srl_redis_multi_add(srl_redis_multi *multi, size_t argc, const char *const *argv, const size_t *lens)
{
    srl_command *command;
    if (argc == 0 || argc > SRL_COMMAND_MAX_ARGS || multi->count >= SRL_COMMAND_MAX_ARGS) {
        return SRL_ERR_INVALID;
    }
    int error = srl_command_create_argv(&multi->alloc, (uint32_t)argc, argv, lens, &command);
    if (error != SRL_OK) {
        return error;
    }
    srl__slice second;
    srl__slice name = srl__redis_command_words(command, &second);
    if (srl__redis_command_kind(name, second) != SRL__COMMAND_PLAIN) {
        error = SRL_ERR_INVALID;
    } else {
        error = srl__resp_output_command(&multi->commands, command);
    }
    srl_command_free(command);
    multi->count += error == SRL_OK;
    return error;
}

int srl__redis_multi_raw(const srl_redis_multi *multi, const srl_allocator *alloc, srl__redis_blob **out,
                         uint32_t *replies)
{
    static const char begin[] = "*1\r\n$5\r\nMULTI\r\n";
    static const char end[] = "*1\r\n$4\r\nEXEC\r\n";
    size_t body = multi->commands.bytes.len;
    srl__redis_blob *blob = srl__redis_blob_create(alloc, body + sizeof(begin) + sizeof(end) - 2);
    if (blob == NULL) {
        return SRL_ERR_NOMEM;
    }
    memcpy(blob->data, begin, sizeof(begin) - 1);
    if (body > 0) {
        memcpy(blob->data + sizeof(begin) - 1, multi->commands.bytes.data, body);
    }
    memcpy(blob->data + sizeof(begin) - 1 + body, end, sizeof(end) - 1);
    *out = blob;
    *replies = multi->count + 2;
    return SRL_OK;
}
