/* A client connection: who it is, where it is in its life, what it is subscribed to. */
#ifndef SRL__SESSION_H
#define SRL__SESSION_H

#include <streamrelay/session.h>

#include "base/buf.h"
#include "base/list.h"
#include "engine/alarm.h"
#include "engine/outbox.h"
#include "engine/subscriptions.h"
#include "protocol/codec.h"

typedef enum srl__session_state {
    SRL__SESSION_NEW,       /* connect has not been accepted yet */
    SRL__SESSION_CONNECTED, /* in use */
    SRL__SESSION_CLOSING,   /* has been told to go; its queue is being flushed */
    SRL__SESSION_CLOSED     /* the transport is closed or broken; only the host's handle is left */
} srl__session_state;

/* All sessions of one user on this relay. */
typedef struct srl__user {
    srl__list sessions;
    uint32_t refs; /* sessions not freed yet, which may still be named after they ended */
    uint32_t session_count;
    uint32_t id_len;
    char id[];
} srl__user;

struct srl_session {
    /* what a delivery touches comes first */
    uint8_t touched; /* in the relay's list of this turn */
    uint8_t blocked; /* the transport took less than it was given */
    uint8_t state;
    uint8_t protocol; /* an srl__codec_index */
    uint16_t doom;    /* disconnect code to apply when the turn ends, 0: none */
    uint16_t code;    /* disconnect code of a closing session */
    int64_t (*write)(srl_session *session, srl_frame *const *frames, size_t count, void *user);
    void *user_data;
    srl__outbox outbox;

    srl_relay *relay;
    void (*close)(srl_session *session, uint32_t code, const char *reason, size_t reason_len, void *user);

    uint8_t client_id[16];
    srl__user *user; /* NULL: anonymous, or not connected */
    srl__list user_link;
    char *info; /* JSON; NULL: none */
    uint32_t info_len;
    uint32_t pins; /* reasons to keep the memory, beside the host's handle */

    srl__subscriptions subscriptions;
    uint32_t specials;                  /* of them, those with terms */
    uint64_t subs_due_ms;               /* when one of them ends; 0: none does */
    struct srl__connecting *connecting; /* the connect reply is being made, or NULL */
    struct srl__emulated *emulated;     /* what requests find it by, or NULL */
    struct srl__grant *grants;          /* roles that the host gave it */
    srl_request *request;               /* the one that waits for the host, or NULL */
    srl__buf *input;                    /* commands that wait behind it, or NULL */
    char *reason;                       /* of a closing session, NULL: the standard text */
    srl__list link;                     /* in the relay's sessions, later in its dead ones */
    srl__list resume_link;

    srl__alarm alarm;
    uint64_t due_ms;     /* new: end of patience; connected: next ping; closing: end of flushing */
    uint64_t pong_by_ms; /* 0: no pong is owed */
    uint64_t expires_ms; /* 0: never */
    uint64_t publish_us; /* rate limit: when the allowance will be whole again */

    uint8_t reason_len;
    uint8_t was_connected;
    uint8_t answers_pings;
    uint8_t pinged;         /* and has not answered yet */
    uint8_t refreshes;      /* the client was told when its permission ends */
    uint8_t held;           /* nothing is written before the connect reply */
    uint8_t detects;        /* the first command tells the format */
    uint8_t one_way;        /* the client cannot send */
    uint8_t drops_input;    /* what comes behind a refused connect is not worked on */
    uint8_t executing;      /* its commands are being worked on further up the stack */
    uint8_t awaits_joining; /* the next command is about a channel that it is being subscribed to */
    uint8_t released;       /* the host gave its handle back */
};

static inline bool srl__session_is_open(const srl_session *session)
{
    return session->state == SRL__SESSION_NEW || session->state == SRL__SESSION_CONNECTED;
}

static inline const srl__codec *srl__session_codec(const srl_session *session)
{
    return srl__codecs[session->protocol];
}
static inline bool srl__session_is_strict(const srl_session *session)
{
    return (srl__session_codec(session)->traits & SRL__CODEC_STRICT) != 0;
}

srl__slice srl__session_user(const srl_session *session);

/* The session as the sender of a publication, join or leave. `client` is the memory for its id. */
srl_publication srl__session_as_sender(const srl_session *session, char client[SRL_CLIENT_ID_LEN + 1]);

/* Have it flushed when the turn ends. */
void srl__session_touch(srl_session *session);

/* Apply a disconnect when the turn ends, at once and without flushing; safe while a room is being walked. */
void srl__session_doom(srl_session *session, uint32_t code);

/* Queue a frame, taking over its reference; NULL stands for one that could not be made. */
void srl__session_send(srl_session *session, srl_frame *frame);

/* A buffer to encode a message for this session into, and what sends it then. */
srl__buf *srl__session_encode(srl_session *session);
void srl__session_send_encoded(srl_session *session);
/* The same in two steps; NULL when out of memory. */
srl_frame *srl__session_take_encoded(srl_session *session);

void srl__session_reply_error(srl_session *session, const srl__reply_to *to, uint32_t code, srl__slice message);

/* Begin to disconnect: leave everything, tell the client, flush, close. An empty reason: the standard one. */
void srl__session_disconnect(srl_session *session, uint32_t code, srl__slice reason);

/* End at once, without flushing. */
void srl__session_end(srl_session *session, uint32_t code);

/* The transport is closed (by us, telling it) or broken. */
void srl__session_close_transport(srl_session *session);
void srl__session_broken(srl_session *session);

/* Write what waits and act on the outcome. */
void srl__session_flush(srl_session *session);

/* Out of step with the protocol: ended with 3501, and this as reason where the format does not prescribe one. */
void srl__session_misbehaved(srl_session *session, srl__slice reason);

/* Set when the permission ends; 0: never. */
void srl__session_ends_in(srl_session *session, uint64_t ttl_ms);

void srl__session_pin(srl_session *session);
void srl__session_unpin(srl_session *session);

/* Free a session that nobody holds any more. */
void srl__session_free(srl_session *session);

#endif
