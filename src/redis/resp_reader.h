/* RESP2 and RESP3, read as the bytes come in: no I/O, no recursion, no step taken twice.
 *
 *     for (;;) {
 *         uint8_t *space = srl__resp_reader_space(&reader, &room);       // NULL: see reader.error
 *         n = read(fd, space, room);
 *         srl__resp_reader_commit(&reader, n);
 *         while ((got = srl__resp_reader_next(&reader, &reply)) > 0) {
 *             // SRL__RESP_REPLY answers the oldest command, SRL__RESP_PUSH answers none
 *         }
 *         if (got < 0) ... // close the connection; reader.error, reader.detail
 *     }
 *
 * A reply is valid until the next call of srl__resp_reader_next, _space, _feed, _reset, _shrink or _free on its reader;
 * srl_reply_keep() lets it live on, also when the reader is freed.
 *
 * A byte stream gives the same replies and the same error however it is cut into pieces. After an error the reader
 * repeats it until srl__resp_reader_reset(). Running out of memory is no such error: the same call may succeed later.
 *
 * Memory: a block of bytes (64 KiB, nothing before the first byte) and an array of tokens, both reused for every reply.
 * They grow to what has arrived, not to what was announced, but for one string: it gets its announced size at once up
 * to SRL__RESP_TRUSTED_BULK, and beyond that at most twice what has arrived. Both shrink again when a while has passed
 * with small replies, and are freed by srl__resp_reader_shrink(). */
#ifndef SRL__RESP_READER_H
#define SRL__RESP_READER_H

#include <streamrelay/error.h>

#include "redis/reply.h"

#define SRL__RESP_BLOCK        65536    /* usual size of the block of bytes */
#define SRL__RESP_MIN_SPACE    16384    /* space for each read is at least this */
#define SRL__RESP_FEW_TOKENS   64       /* the array of tokens begins with this many */
#define SRL__RESP_MANY_TOKENS  4096     /* an array of more is given back after a while */
#define SRL__RESP_IDLE_TURNS   16       /* that while, in reads that needed little */
#define SRL__RESP_TRUSTED_BULK 16777216 /* see above */
#define SRL__RESP_MAX_INTEGER  64       /* bytes of an integer's or a length's text */

typedef struct srl__resp_limits {
    uint32_t max_depth;    /* aggregates and attributes inside each other */
    uint32_t max_bulk;     /* bytes of one string, streamed or not */
    uint32_t max_line;     /* bytes of a status, error, double or big number */
    uint32_t max_elements; /* children of one aggregate; a map of n pairs has 2n */
    uint32_t max_tokens;   /* values of one reply, attributes included */
    uint32_t max_reply;    /* bytes of one reply on the wire; at most SRL__RESP_MAX_REPLY */
} srl__resp_limits;

/* 32 deep, 512 MiB, 64 KiB, 16 Mi, 64 Mi, 1 GiB. */
extern const srl__resp_limits srl__resp_limits_default;

#define SRL__RESP_MAX_REPLY 2147483647u

/* X(name, error of error.h, text) */
#define SRL__RESP_ERROR_MAP(X)                                                                                         \
    X(SRL__RESP_OK, SRL_OK, "no error")                                                                                \
    X(SRL__RESP_ERR_TYPE, SRL_ERR_PROTOCOL, "unknown type byte")                                                       \
    X(SRL__RESP_ERR_LINE_END, SRL_ERR_PROTOCOL, "line not ended by CR LF")                                             \
    X(SRL__RESP_ERR_BULK_END, SRL_ERR_PROTOCOL, "string not followed by CR LF")                                        \
    X(SRL__RESP_ERR_LENGTH, SRL_ERR_PROTOCOL, "malformed length")                                                      \
    X(SRL__RESP_ERR_INTEGER, SRL_ERR_PROTOCOL, "malformed integer")                                                    \
    X(SRL__RESP_ERR_DOUBLE, SRL_ERR_PROTOCOL, "malformed double")                                                      \
    X(SRL__RESP_ERR_BOOL, SRL_ERR_PROTOCOL, "malformed bool")                                                          \
    X(SRL__RESP_ERR_NULL, SRL_ERR_PROTOCOL, "malformed null")                                                          \
    X(SRL__RESP_ERR_BIGNUM, SRL_ERR_PROTOCOL, "malformed big number")                                                  \
    X(SRL__RESP_ERR_VERBATIM, SRL_ERR_PROTOCOL, "verbatim text without a format")                                      \
    X(SRL__RESP_ERR_CHUNK, SRL_ERR_PROTOCOL, "malformed part of a streamed string")                                    \
    X(SRL__RESP_ERR_STREAM_END, SRL_ERR_PROTOCOL, "misplaced end of a streamed aggregate")                             \
    X(SRL__RESP_ERR_DEPTH, SRL_ERR_TOO_LARGE, "nested too deeply")                                                     \
    X(SRL__RESP_ERR_BULK_SIZE, SRL_ERR_TOO_LARGE, "string too long")                                                   \
    X(SRL__RESP_ERR_LINE_SIZE, SRL_ERR_TOO_LARGE, "line too long")                                                     \
    X(SRL__RESP_ERR_ELEMENTS, SRL_ERR_TOO_LARGE, "too many elements")                                                  \
    X(SRL__RESP_ERR_TOKENS, SRL_ERR_TOO_LARGE, "too many values in one reply")                                         \
    X(SRL__RESP_ERR_REPLY_SIZE, SRL_ERR_TOO_LARGE, "reply too long")

typedef enum srl__resp_error {
#define SRL__RESP_ERROR_ENUM(name, error, text) name,
    SRL__RESP_ERROR_MAP(SRL__RESP_ERROR_ENUM)
#undef SRL__RESP_ERROR_ENUM
} srl__resp_error;

/* Results of srl__resp_reader_next above 0. */
enum {
    SRL__RESP_MORE = 0, /* no complete reply: read more bytes */
    SRL__RESP_REPLY = 1,
    SRL__RESP_PUSH = 2, /* a push that is not inside another reply */
};

typedef struct srl__resp_reader {
    srl__resp_limits limits;
    srl__resp_limits next_limits; /* from the next reply on */
    srl_allocator alloc;
    int error;              /* 0 or what the last call failed with; SRL_ERR_NOMEM does not last */
    srl__resp_error detail; /* what was wrong with the bytes; lasts */
    srl__resp_block *block; /* NULL before the first byte and after srl__resp_reader_shrink */
    size_t start;           /* of the reply being read */
    size_t at;              /* next byte to read */
    size_t end;             /* of what was committed */
    uint64_t consumed;      /* bytes of all complete replies so far: the position of a protocol error */
    srl_reply reply;
    srl__resp_token *tokens;
    uint32_t count, capacity;
    /* where in the reply we are */
    uint32_t open;    /* innermost open aggregate, or SRL_REPLY_NONE */
    uint32_t slot;    /* token set aside for the next value, as it has attributes; or SRL_REPLY_NONE */
    uint32_t depth;   /* open aggregates */
    uint8_t state;    /* what comes next */
    uint8_t wire;     /* of the string being read */
    uint32_t scanned; /* of a line that is not complete: bytes known to hold no LF */
    uint32_t body;    /* bytes of the string, or of the part of a streamed one, that is being read */
    uint32_t joined;  /* of a streamed string: bytes so far */
    size_t text;      /* of a string: where it begins */
    bool new_limits;
    bool done; /* the reply was handed out: the next call begins another one */
    /* giving memory back */
    size_t peak;          /* most bytes in use since the block was last empty */
    uint32_t peak_tokens; /* likewise */
    uint32_t idle_turns;
    uint64_t steps; /* bytes looked at more than once, searched through, or moved: tests see by it that no path is
                       quadratic */
} srl__resp_reader;

/* limits may be NULL. No memory is taken yet. */
void srl__resp_reader_init(srl__resp_reader *r, const srl_allocator *alloc, const srl__resp_limits *limits);

/* Replies that were kept stay valid. */
void srl__resp_reader_free(srl__resp_reader *r);

/* Forget what was read, error included, for a new connection; keeps limits and memory. */
void srl__resp_reader_reset(srl__resp_reader *r);

/* Smaller limits until the handshake is done, the usual ones afterwards. They count from the next reply on. */
void srl__resp_reader_set_limits(srl__resp_reader *r, const srl__resp_limits *limits);

/* Where to read bytes to: at least SRL__RESP_MIN_SPACE of them; more if the end of a long string is known. NULL on
 * SRL_ERR_NOMEM or after an error. Call it only when srl__resp_reader_next has returned SRL__RESP_MORE. */
uint8_t *srl__resp_reader_space(srl__resp_reader *r, size_t *room);

/* `len` bytes were read to there. */
void srl__resp_reader_commit(srl__resp_reader *r, size_t len);

/* The same for bytes that are in memory already: copies them in. 0 or SRL_ERR_NOMEM, or the lasting error. */
int srl__resp_reader_feed(srl__resp_reader *r, const void *data, size_t len);

/* The next complete reply: SRL__RESP_REPLY or SRL__RESP_PUSH with *reply set, SRL__RESP_MORE, or an error. */
int srl__resp_reader_next(srl__resp_reader *r, const srl_reply **reply);

/* True if nothing is left over between replies: a byte that arrives now belongs to no answer. */
bool srl__resp_reader_is_empty(const srl__resp_reader *r);

/* Give all memory back if no byte waits in it; for connections that have nothing to do. */
void srl__resp_reader_shrink(srl__resp_reader *r);

/* Bytes of memory held, kept replies not counted. */
size_t srl__resp_reader_memory(const srl__resp_reader *r);

/* The error of error.h that a detail is. */
int srl__resp_error_code(srl__resp_error detail);

/* What a detail means, in English. Contains nothing of what was read. */
const char *srl__resp_error_text(srl__resp_error detail);

#endif
