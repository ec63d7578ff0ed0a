/* What the clients of a node have seen, and which publications were acknowledged: records of 32 bytes appended to a
 * file, which outlives the process. What was not written when the process was killed, the clients have not seen. */
#ifndef SRL_TEST_CLUSTER_JOURNAL_H
#define SRL_TEST_CLUSTER_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include <streamrelay/api.h>

typedef enum record_kind {
    RECORD_SUBSCRIBED = 'S',   /* epoch and offset of the reply; flags */
    RECORD_MESSAGE = 'M',      /* epoch, offset, id */
    RECORD_OUT = 'U',          /* an unsubscribe push; id: the code */
    RECORD_ENDED = 'D',        /* of a session, all channels; id: the code */
    RECORD_ACKNOWLEDGED = 'A', /* a publication: epoch, offset, id */
    RECORD_FAILED = 'F',       /* one that was given up; offset: the error */
    RECORD_STARTED = 'B'       /* a process begins; id: which one it is */
} record_kind;

enum { RECORD_RECOVERING = 1, RECORD_RECOVERED = 2 };

typedef struct record {
    uint8_t kind;
    uint8_t flags;
    uint16_t who; /* which subscriber of the node */
    uint32_t channel;
    uint64_t epoch;
    uint64_t offset;
    uint64_t id;
} record;

typedef void (*journal_fn)(const record *entry, void *user);

/* Show what the file holds, if it exists, then open it for more. Anything wrong: prints and exits. */
void journal_open(const char *path, journal_fn each, void *user);
void journal_add(const record *entry);
/* Hand it to the system. */
void journal_flush(void);
void journal_close(void);

/* An epoch as a number: decimal digits are read, anything else is hashed. */
uint64_t epoch_number(srl_text epoch);

#endif
