/* A connection's output: commands encoded one behind the other, with references to large arguments in between.
 *
 *     count = srl__resp_output_pieces(&out, pieces, 64);     // then writev
 *     srl__resp_output_sent(&out, n);
 *
 * Positions count the bytes of the whole stream since init or clear. A command that begins at or behind
 * srl__resp_output_sent_position() was certainly not executed. No function keeps part of a command when it fails. */
#ifndef SRL__RESP_WRITER_H
#define SRL__RESP_WRITER_H

#include "redis/command.h"

/* A large argument in the stream. */
typedef struct srl__resp_output_ref {
    uint64_t position; /* in the stream, of its first byte */
    const void *data;
    size_t len;
    srl_command *owner; /* one reference is held; NULL: the caller sees to it */
} srl__resp_output_ref;

typedef struct srl__resp_output {
    srl_allocator alloc;
    srl__buf bytes; /* copied bytes; the first `bytes_sent` of them have gone out */
    size_t bytes_sent;
    srl__resp_output_ref *refs; /* the first `refs_sent` of them have gone out */
    uint32_t ref_count, ref_capacity, refs_sent;
    uint64_t queued; /* position of the end of what was appended */
    uint64_t sent;   /* position of what has gone out */
    uint64_t max;    /* bytes that may wait */
} srl__resp_output;

/* max: bytes that may wait to be sent, references included. */
void srl__resp_output_init(srl__resp_output *out, const srl_allocator *alloc, uint64_t max);
void srl__resp_output_free(srl__resp_output *out);

/* Drop everything that waits, and count positions from 0 again; for a new connection. */
void srl__resp_output_clear(srl__resp_output *out);

/* Append a command: copies its small arguments and takes a reference to it if it has large ones. 0; SRL_ERR_INVALID (a
 * command without arguments); SRL_ERR_TOO_LARGE (beyond max); SRL_ERR_NOMEM. */
int srl__resp_output_command(srl__resp_output *out, srl_command *command);

/* Append a command of `argc` >= 1 arguments, all copied, without a srl_command. Likewise. */
int srl__resp_output_argv(srl__resp_output *out, uint32_t argc, const srl__slice *argv);

/* Append bytes that are commands already. Likewise. */
int srl__resp_output_raw(srl__resp_output *out, const void *data, size_t len);

/* What waits, in order, none of them empty: at most `max` pieces; returns their number. Valid until the next call on
 * `out`. */
uint32_t srl__resp_output_pieces(const srl__resp_output *out, srl__slice *pieces, uint32_t max);

/* The first `len` bytes of what waits have gone out. Gives references back; shrinks what is far too large. */
void srl__resp_output_sent(srl__resp_output *out, uint64_t len);

static inline uint64_t srl__resp_output_waiting(const srl__resp_output *out)
{
    return out->queued - out->sent;
}

static inline uint64_t srl__resp_output_sent_position(const srl__resp_output *out)
{
    return out->sent;
}

static inline uint64_t srl__resp_output_end_position(const srl__resp_output *out)
{
    return out->queued;
}

/* Free the memory if nothing waits; for connections that have nothing to do. */
void srl__resp_output_shrink(srl__resp_output *out);

#endif
