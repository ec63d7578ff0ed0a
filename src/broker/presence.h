/* Who is in a channel: members by client id, gathered by user. No locks. */
#ifndef SRL__PRESENCE_H
#define SRL__PRESENCE_H

#include <streamrelay/broker.h>

#include "base/list.h"
#include "base/map.h"

typedef struct srl__presence {
    const srl_allocator *alloc;
    srl__map clients; /* client id -> member */
    srl__map users;   /* user -> record */
    srl__list order;  /* records, the user that arrived first at the front */
} srl__presence;

void srl__presence_init(srl__presence *presence, const srl_allocator *alloc, uint64_t seed);
void srl__presence_free(srl__presence *presence);

/* Add a session, or renew what is known of it; it belongs to `owner` from now on. *user_sessions is how many the user
 * has afterwards. SRL_OK, SRL_ERR_NOMEM, SRL_ERR_LIMIT. */
int srl__presence_add(srl__presence *presence, const srl_broker_member *member, const void *owner,
                      uint32_t *user_sessions);
/* Take a session out. SRL_OK, or SRL_ERR_NOT_FOUND if it is not there; *user_sessions is how many its user (if it is
 * not there: the one that is named) has afterwards. */
int srl__presence_remove(srl__presence *presence, const srl_broker_member *member, uint32_t *user_sessions);
/* Take out all sessions of an owner. */
void srl__presence_remove_owner(srl__presence *presence, const void *owner);

static inline bool srl__presence_is_empty(const srl__presence *presence)
{
    return presence->clients.count == 0;
}

/* A copy of at most `limit` users in the order of their arrival needs this many bytes... */
size_t srl__presence_measure(const srl__presence *presence, uint32_t limit);
/* ... at `memory`, aligned for any type. `out` points into it. */
void srl__presence_copy(const srl__presence *presence, uint32_t limit, void *memory, srl_presence *out);

#endif
