#include "redis/command.h"

#include <streamrelay/error.h>

#include "base/decimal.h"
#include "redis/resp_double.h"

/* '$', 10 digits, and two CR LF */
#define ARGUMENT_OVERHEAD 15

int srl_command_create(const srl_allocator *allocator, srl_command **out)
{
    srl_allocator alloc;
    srl_command *command;
    if (out == NULL) {
        return SRL_ERR_INVALID;
    }
    *out = NULL;
    if (!srl__allocator_take(&alloc, allocator)) {
        return SRL_ERR_INVALID;
    }
    command = srl__alloc_zeroed(&alloc, sizeof(*command));
    if (command == NULL) {
        return SRL_ERR_NOMEM;
    }
    atomic_init(&command->refs, 1);
    command->alloc = alloc;
    srl__buf_init(&command->copied, &command->alloc, SRL_COMMAND_MAX_COPIED);
    *out = command;
    return SRL_OK;
}

int srl_command_create_argv(const srl_allocator *allocator, uint32_t argc, const char *const *argv,
                            const size_t *argvlen, srl_command **out)
{
    int error = srl_command_create(allocator, out);
    if (error != SRL_OK) {
        return error;
    }
    error = argc == 0 ? SRL_ERR_INVALID : srl_command_append_argv(*out, argc, argv, argvlen, 0);
    if (error != SRL_OK) {
        srl_command_free(*out);
        *out = NULL;
    }
    return error;
}

static void release_references(srl_command *command, uint32_t from)
{
    for (uint32_t i = from; i < command->reference_count; i++) {
        const srl__command_ref *ref = &command->references[i];
        command->referenced_bytes -= ref->len;
        if (ref->release != NULL) {
            ref->release(ref->data, ref->len, ref->user);
        }
    }
    command->reference_count = from;
}

void srl__command_ref_more(srl_command *command)
{
    atomic_fetch_add_explicit(&command->refs, 1, memory_order_relaxed);
}

void srl_command_free(srl_command *command)
{
    srl_allocator alloc;
    if (command == NULL || atomic_fetch_sub_explicit(&command->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    release_references(command, 0);
    alloc = command->alloc;
    srl__buf_free(&command->copied);
    srl__free(&alloc, command->references, command->reference_capacity * sizeof(*command->references));
    srl__free(&alloc, command, sizeof(*command));
}

static bool is_shared(const srl_command *command)
{
    return atomic_load_explicit(&command->refs, memory_order_acquire) != 1;
}

int srl_command_reset(srl_command *command)
{
    if (is_shared(command)) {
        return SRL_ERR_STATE;
    }
    release_references(command, 0);
    srl__buf_reset(&command->copied);
    command->count = 0;
    return SRL_OK;
}

/* ---- adding */

static int check_add(const srl_command *command, size_t len)
{
    if (is_shared(command)) {
        return SRL_ERR_STATE;
    }
    if (command->count >= SRL_COMMAND_MAX_ARGS) {
        return SRL_ERR_LIMIT;
    }
    return len > SRL_COMMAND_MAX_ARG ? SRL_ERR_TOO_LARGE : SRL_OK;
}

static int reserve(srl_command *command, size_t more)
{
    int error = srl__buf_reserve(&command->copied, more);
    command->copied.error = SRL_OK;
    return error;
}

static void append_head(srl_command *command, size_t len)
{
    srl__buf_append_char(&command->copied, '$');
    srl__buf_append_u64(&command->copied, len);
    SRL__BUF_LIT(&command->copied, "\r\n");
}

int srl_command_add(srl_command *command, const void *data, size_t len)
{
    int error = check_add(command, len);
    if (error == SRL_OK) {
        error = reserve(command, len + ARGUMENT_OVERHEAD);
    }
    if (error != SRL_OK) {
        return error;
    }
    append_head(command, len);
    srl__buf_append(&command->copied, data, len);
    SRL__BUF_LIT(&command->copied, "\r\n");
    command->count++;
    return SRL_OK;
}

static int reserve_reference(srl_command *command)
{
    void *items = command->references;
    if (!srl__grow_array(&command->alloc, &items, &command->reference_capacity, command->reference_count + 1,
                         SRL_COMMAND_MAX_ARGS, sizeof(*command->references))) {
        return SRL_ERR_NOMEM;
    }
    command->references = items;
    return SRL_OK;
}

int srl_command_add_ref(srl_command *command, const void *data, size_t len, srl_command_release_fn release, void *user)
{
    int error;
    if (len < SRL_COMMAND_REF_MIN) {
        error = srl_command_add(command, data, len);
        if (error == SRL_OK && release != NULL) {
            release(data, len, user);
        }
        return error;
    }
    error = check_add(command, len);
    if (error == SRL_OK) {
        error = reserve_reference(command);
    }
    if (error == SRL_OK) {
        error = reserve(command, ARGUMENT_OVERHEAD);
    }
    if (error != SRL_OK) {
        return error;
    }
    append_head(command, len);
    command->references[command->reference_count++] = (srl__command_ref){command->copied.len, data, len, release, user};
    SRL__BUF_LIT(&command->copied, "\r\n");
    command->referenced_bytes += len;
    command->count++;
    return SRL_OK;
}

int srl_command_add_u64(srl_command *command, uint64_t number)
{
    char text[SRL__DECIMAL_MAX];
    srl__slice digits = srl__decimal(number, text);
    return srl_command_add(command, digits.data, digits.len);
}

int srl_command_add_i64(srl_command *command, int64_t number)
{
    char text[SRL__DECIMAL_MAX + 1];
    char *end = text + sizeof(text);
    char *begin = srl__decimal_before(end, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
    if (number < 0) {
        *--begin = '-';
    }
    return srl_command_add(command, begin, (size_t)(end - begin));
}

int srl_command_add_double(srl_command *command, double number)
{
    char text[SRL__DOUBLE_TEXT];
    size_t len = srl__double_to_text(number, text);
    return srl_command_add(command, text, len);
}

int srl_command_append_argv(srl_command *command, uint32_t argc, const char *const *argv, const size_t *argvlen,
                            uint32_t flags)
{
    size_t copied = command->copied.len;
    uint32_t references = command->reference_count;
    uint32_t count = command->count;
    int error = SRL_OK;
    if ((argc > 0 && argv == NULL) || (flags & ~SRL_COMMAND_BORROW) != 0) {
        return SRL_ERR_INVALID;
    }
    for (uint32_t i = 0; i < argc && error == SRL_OK; i++) {
        size_t len;
        if (argv[i] == NULL && (argvlen == NULL || argvlen[i] > 0)) {
            error = SRL_ERR_INVALID;
            break;
        }
        len = argvlen != NULL ? argvlen[i] : strlen(argv[i]);
        error = flags != 0 ? srl_command_add_ref(command, argv[i], len, NULL, NULL)
                           : srl_command_add(command, argv[i], len);
    }
    if (error != SRL_OK && command->count != count) {
        release_references(command, references);
        command->copied.len = copied;
        command->count = count;
    }
    return error;
}

/* ---- looking at it */

uint32_t srl_command_count(const srl_command *command)
{
    return command->count;
}

const char *srl_command_arg(const srl_command *command, uint32_t index, size_t *len)
{
    const char *bytes = command->copied.data;
    const srl__command_ref *ref = command->references;
    const srl__command_ref *last = ref == NULL ? NULL : ref + command->reference_count;
    size_t at = 0;
    *len = 0;
    if (index >= command->count) {
        return NULL;
    }
    for (;; index--) {
        size_t n = 0;
        bool by_reference;
        for (at++; bytes[at] != '\r'; at++) {
            n = n * 10 + (size_t)(bytes[at] - '0');
        }
        at += 2;
        by_reference = ref != last && ref->position == at;
        if (index == 0) {
            *len = n;
            return by_reference ? ref->data : bytes + at;
        }
        at += by_reference ? 2 : n + 2;
        if (by_reference) {
            ref++;
        }
    }
}

uint64_t srl_command_wire_size(const srl_command *command)
{
    if (command->count == 0) {
        return 0;
    }
    return 1 + srl__decimal_digits(command->count) + 2 + command->copied.len + command->referenced_bytes;
}
