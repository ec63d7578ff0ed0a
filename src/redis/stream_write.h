/* Writing the arguments of one Streams command. The first failure sticks; the end reports it. */
#ifndef SRL__STREAM_WRITE_H
#define SRL__STREAM_WRITE_H

#include <streamrelay/error.h>
#include <streamrelay/stream.h>

#include "base/slice.h"

typedef struct srl__stream_writer {
    srl_command *command;
    bool is_ours; /* nobody else has the command: it may be emptied */
    int error;
} srl__stream_writer;

/* Sets of point kinds. */
#define SRL__POINT(kind) (1u << (uint32_t)(kind))
enum {
    SRL__POINTS_PLAIN = SRL__POINT(SRL_STREAM_ID) | SRL__POINT(SRL_STREAM_MS),
    SRL__POINTS_RANGE = SRL__POINTS_PLAIN | SRL__POINT(SRL_STREAM_ID_EXCLUSIVE) | SRL__POINT(SRL_STREAM_MS_EXCLUSIVE) |
                        SRL__POINT(SRL_STREAM_FIRST) | SRL__POINT(SRL_STREAM_LAST)
};

/* Empties the command; `is_valid` false makes all of it fail with SRL_ERR_INVALID. */
void srl__stream_write_begin(srl__stream_writer *w, srl_command *command, bool is_valid);
/* SRL_OK, or the first error, with the command empty. */
int srl__stream_write_end(srl__stream_writer *w);

void srl__stream_write_word(srl__stream_writer *w, const char *word);
/* NULL with a length is invalid. */
void srl__stream_write_text(srl__stream_writer *w, const char *data, size_t len);
/* As above; large ones are not copied. */
void srl__stream_write_borrowed(srl__stream_writer *w, const char *data, size_t len);
/* As srl__stream_write_text, but absent (NULL) is invalid, whatever the length: for names that may be empty but must be
 * given. */
void srl__stream_write_name(srl__stream_writer *w, const char *data, size_t len);
void srl__stream_write_u64(srl__stream_writer *w, uint64_t n);
void srl__stream_write_i64(srl__stream_writer *w, int64_t n);
void srl__stream_write_id(srl__stream_writer *w, const srl_stream_id *id);
/* At least one id. */
void srl__stream_write_ids(srl__stream_writer *w, const srl_stream_id *ids, uint32_t count);
/* A point of one of the kinds in the set `allowed`. */
void srl__stream_write_point(srl__stream_writer *w, const srl_stream_point *point, uint32_t allowed);
/* "WORD n", or nothing if n is negative. */
void srl__stream_write_option(srl__stream_writer *w, const char *word, int64_t n);
/* "WORD" if `is_set`, which must be 0 or 1. */
void srl__stream_write_flag(srl__stream_writer *w, const char *word, uint32_t is_set);

static inline void srl__stream_write_check(srl__stream_writer *w, bool is_valid)
{
    if (!is_valid && w->error == 0) {
        w->error = SRL_ERR_INVALID;
    }
}

#endif
