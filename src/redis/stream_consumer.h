/* The inside of srl_stream_consumer: a machine that says what to send next and is told what was answered. */
#ifndef SRL__STREAM_CONSUMER_H
#define SRL__STREAM_CONSUMER_H

#include <streamrelay/stream_consumer.h>

#include "base/slice.h"
#include "redis/stream_flight.h"

/* Commands; but for the acknowledgement, each is also the phase in which it is the next one. */
typedef enum srl__consumer_step {
    SRL__CONSUMER_ACK,
    SRL__CONSUMER_LOOK_END, /* where "$" is, before the group is made there */
    SRL__CONSUMER_MAKE,     /* the group */
    /* What this consumer was given before, page by page: */
    SRL__CONSUMER_PENDING, /* which entries, delivered how often */
    SRL__CONSUMER_HISTORY, /* the entries */
    /* What others left, page by page: */
    SRL__CONSUMER_CLAIM,  /* which entries */
    SRL__CONSUMER_COUNTS, /* delivered how often */
    SRL__CONSUMER_FETCH,  /* the entries */
    SRL__CONSUMER_BURY,   /* of either kind: those that are dead */
    SRL__CONSUMER_READ    /* what is new */
} srl__consumer_step;

/* An entry that is about to be fetched, because it was pending. */
typedef struct srl__consumer_candidate {
    srl_stream_id id;
    uint64_t deliveries; /* so far */
    uint32_t is_known;   /* its deliveries are */
    uint32_t is_dead;
} srl__consumer_candidate;

struct srl_stream_consumer {
    srl_allocator alloc;
    srl_platform platform;
    char *texts; /* the memory of the next four */
    size_t texts_len;
    srl__slice key, group, name, dead_key;
    bool has_dead_key;
    bool create_group;
    uint32_t batch;
    uint32_t max_deliveries;
    uint64_t block_ms, claim_idle_ms, claim_interval_ms, backoff_min_ms, backoff_max_ms;
    srl_stream_point start;

    srl__flight flight;
    srl_stream_id *acks; /* flight.max of them: to be sent, all of them in flight */
    uint32_t ack_count;
    uint32_t acks_sent; /* of these, from the first one on: in the command under way */

    srl__consumer_step phase;
    srl__consumer_step step; /* the command under way, or the last one */
    bool is_sent;            /* its answer is missing */
    bool was_made;           /* the group was, by the last command */

    srl__consumer_candidate *candidates; /* `batch` of them, in the order of their ids */
    uint32_t candidate_count;
    srl__consumer_step fetch; /* how to get them: HISTORY or FETCH */
    uint32_t asked;           /* entries of the page asked for */

    srl_stream_id cursor; /* pages of PENDING: what comes after it */
    srl_stream_id page_end;
    bool has_more; /* after page_end */
    srl_stream_id counts_cursor;
    bool has_counts_cursor;
    srl_stream_id claim_cursor;
    uint64_t next_claim_ms;
    bool is_read_turn; /* before the next CLAIM */

    srl_stream_id end; /* where start "$" was */
    bool has_end;
    srl_stream_id last_seen; /* the largest id handed out as new */

    srl_stream_list entries; /* of the last answer, to be taken */
    srl__consumer_step source;

    uint32_t failures_in_row;
    uint64_t wait_until_ms;
    srl_stream_consumer_stats stats;
    char error[192];

    /* of srl_stream_consumer_poll() */
    srl_command *command;
    srl_reply *kept;
};

static inline uint64_t srl__stream_consumer_now(const srl_stream_consumer *c)
{
    return c->platform.monotonic_ms(c->platform.user);
}

static inline uint32_t srl__stream_consumer_room(const srl_stream_consumer *c)
{
    return c->flight.max - c->flight.count;
}

/* Write the acknowledgements that wait, as the command that is sent next. */
int srl__stream_consumer_next_ack(srl_stream_consumer *c, srl_command *command);
/* Acknowledge an entry that is in flight and was not yet. */
void srl__stream_consumer_queue_ack(srl_stream_consumer *c, srl__flight_slot *slot);
/* The candidate of this id, or NULL. */
srl__consumer_candidate *srl__stream_consumer_candidate(srl_stream_consumer *c, const srl_stream_id *id);
/* Begin again with what is pending, after a while. */
void srl__stream_consumer_back_off(srl_stream_consumer *c, const char *text, size_t len);
/* Begin again with what is pending, at once. */
void srl__stream_consumer_recover(srl_stream_consumer *c);
/* The answer to the command under way is to be kept while its entries are taken. */
bool srl__stream_consumer_brings_entries(const srl_stream_consumer *c);

#endif
