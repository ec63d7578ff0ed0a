/* One connection to one server, again and again: addresses, connecting, the handshake, reading, writing, reconnecting.
 * What is said over it is its owner's: a client matches replies to commands, a pubsub pushes to subscriptions. */
#ifndef SRL__REDIS_LINK_H
#define SRL__REDIS_LINK_H

#include "io/resolver.h"
#include "redis/loop.h"
#include "redis/resp_reader.h"
#include "redis/resp_writer.h"

typedef struct srl__redis_link srl__redis_link;

typedef enum srl__link_state {
    SRL__LINK_IDLE,  /* nothing happens until srl__redis_link_start() */
    SRL__LINK_PAUSE, /* before the next attempt */
    SRL__LINK_RESOLVING,
    SRL__LINK_CONNECTING,
    SRL__LINK_SECURING, /* the transport's own handshake */
    SRL__LINK_HANDSHAKE,
    SRL__LINK_LOADING, /* before asking again whether the server serves data */
    SRL__LINK_READY,
    SRL__LINK_CLOSED
} srl__link_state;

typedef struct srl__redis_link_ops {
    void (*ready)(srl__redis_link *link);
    /* Not ready any more: link->out still tells what was sent. The owner clears it. */
    void (*lost)(srl__redis_link *link, int error);
    void (*failed)(srl__redis_link *link, int error); /* an attempt has failed */
    /* A reply or push while it is ready; not 0: the server broke the protocol, link->text may say how. */
    int (*reply)(srl__redis_link *link, const srl_reply *reply, bool is_push);
    void (*probe)(srl__redis_link *link); /* it has been silent for long */
    void (*close)(srl__redis_link *link); /* the loop ends: tell who waits */
    void (*free)(srl__redis_link *link);  /* after srl__redis_link_end(), outside all callbacks */
} srl__redis_link_ops;

enum { SRL__LINK_ADDRESSES = 16, SRL__LINK_STEPS = 8 };

struct srl_redis_lookup {
    srl__redis_link *link;
    bool active;
};

struct srl__redis_link {
    srl_redis_loop *loop;
    srl__redis_config *config;
    const srl__redis_link_ops *ops;
    srl__list node;  /* in loop->links */
    srl__list dirty; /* in loop->dirty */
    srl__list dead;

    srl__watch watch; /* fd -1: no socket */
    bool watched;
    bool want_write;
    bool read_again;
    bool write_broken;
    bool manual; /* no attempt follows a failed one by itself */
    bool paused; /* after one reply: it stays valid until srl__redis_link_resume() */
    bool ended;
    uint8_t state; /* srl__link_state */
    uint32_t incarnation;
    uint32_t protocol;
    void *stream; /* of the transport */
    srl__resp_reader reader;
    srl__resp_output front; /* the handshake, and what goes out before `out` */
    srl__resp_output out;   /* kept back until the link is ready */

    srl__redis_timer step; /* of the state we are in */
    srl__redis_timer probe;
    uint64_t last_read_ms;
    uint64_t ready_ms;
    uint64_t loading_since_ms;
    uint32_t attempts; /* failed in a row */

    srl__resolution *resolution;
    srl_redis_lookup lookup;
    srl__address addresses[SRL__LINK_ADDRESSES];
    uint32_t address_count, address_at;

    uint8_t steps[SRL__LINK_STEPS]; /* replies that the handshake waits for */
    uint32_t step_count, step_at;
    bool plain; /* the server has no RESP3: the handshake is done the old way */
    bool downgrading;

    uint64_t connects, failures, writes, bytes_in, bytes_out, replies;
    int error;      /* why it was lost or failed */
    char text[160]; /* the same in words, nothing secret in it */
};

void srl__redis_link_init(srl__redis_link *link, srl_redis_loop *loop, srl__redis_config *config,
                          const srl__redis_link_ops *ops);
/* Begin to connect; in SRL__LINK_IDLE and SRL__LINK_PAUSE. */
void srl__redis_link_start(srl__redis_link *link);
/* Close without telling the owner; its free() comes when the outermost call ends. */
void srl__redis_link_end(srl__redis_link *link);
/* Release everything; called by the owner's free(). */
void srl__redis_link_release(srl__redis_link *link);
/* The connection is of no use: close it, tell the owner, try again. */
void srl__redis_link_fail(srl__redis_link *link, int error, const char *text);
/* The same, and try again at once. */
void srl__redis_link_restart(srl__redis_link *link);
/* Something waits in `out`. */
void srl__redis_link_queued(srl__redis_link *link);
/* Write what can be written, read what the transport holds. */
void srl__redis_link_work(srl__redis_link *link);
/* Read and dispatch; called when the socket is readable. */
void srl__redis_link_read(srl__redis_link *link);
void srl__redis_link_resume(srl__redis_link *link);
/* 0 nothing to read, 1 something, 2 the end. */
int srl__redis_link_peek(const srl__redis_link *link);
void srl__redis_link_lookup_check(srl__redis_link *link);

static inline bool srl__redis_link_is_ready(const srl__redis_link *link)
{
    return link->state == SRL__LINK_READY;
}

/* Handshake (handshake.c). */
void srl__redis_handshake_begin(srl__redis_link *link);
void srl__redis_handshake_reply(srl__redis_link *link, const srl_reply *reply);
void srl__redis_handshake_ping(srl__redis_link *link);
/* The handshake's end (link.c). */
void srl__redis_link_now_ready(srl__redis_link *link);
/* The poller's callback (link_io.c), and the watch. */
void srl__redis_link_event(srl__watch *watch, unsigned events);
int srl__redis_link_watch(srl__redis_link *link);
/* Connected: on with transport and handshake (link.c). */
void srl__redis_link_secure(srl__redis_link *link);

#endif
