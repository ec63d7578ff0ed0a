/* The inside of srl_command. */
#ifndef SRL__REDIS_COMMAND_H
#define SRL__REDIS_COMMAND_H

#include <stdatomic.h>

#include <streamrelay/redis_command.h>

#include "base/buf.h"

/* A large argument: its `$len\r\n` is the end of the copied bytes before `position`, its "\r\n" their continuation. */
typedef struct srl__command_ref {
    size_t position; /* in the copied bytes */
    const void *data;
    size_t len;
    srl_command_release_fn release;
    void *user;
} srl__command_ref;

struct srl_command {
    atomic_uint refs;
    srl_allocator alloc;
    srl__buf copied; /* the arguments without the `*N\r\n` before them */
    srl__command_ref *references;
    uint32_t reference_count, reference_capacity;
    uint32_t count;            /* arguments */
    uint64_t referenced_bytes; /* sum of references[].len */
};

/* Share and give back; any thread. A command with more than one reference does not change. */
void srl__command_ref_more(srl_command *command);
#define srl__command_unref srl_command_free

static inline uint64_t srl__decimal_digits(uint64_t n)
{
    uint64_t digits = 1;
    for (; n >= 10; n /= 10) {
        digits++;
    }
    return digits;
}

/* For arguments from slices and literals. */
static inline int srl__command_add_slice(srl_command *command, srl__slice text)
{
    return srl_command_add(command, text.data, text.len);
}
#define SRL__COMMAND_ADD(command, literal) srl_command_add((command), (literal), sizeof(literal) - 1)

#endif
