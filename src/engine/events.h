/* Counting what happens, and telling the host's event hook when the turn ends. */
#ifndef SRL__EVENTS_H
#define SRL__EVENTS_H

#include <streamrelay/events.h>

#include "base/buf.h"
#include "base/slice.h"

typedef struct srl__events {
    srl_event_fn hook;
    void *user;
    srl__buf waiting; /* events put together, one behind the other */
    uint32_t count;
    uint64_t dropped;
    uint64_t counters[SRL_STATS_EVENTS];
} srl__events;

void srl__events_init(srl_relay *relay);
void srl__events_free(srl_relay *relay);

/* Something happened; empty texts where it has none. The second: to a session. */
void srl__event(srl_relay *relay, srl_event_type type, uint32_t code, srl__slice channel, srl__slice user,
                srl__slice detail);
void srl__event_of(srl_session *session, srl_event_type type, uint32_t code, srl__slice channel, srl__slice detail);

/* A limit was hit; `option` is its name. */
void srl__event_limit(srl_session *session, srl__slice channel, const char *option);

/* Tell the hook; false if there was nothing to tell. */
bool srl__events_tell(srl_relay *relay);

#endif
