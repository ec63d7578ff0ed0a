/* Messages that wait for one node, in order. */
#ifndef SRL__INBOX_H
#define SRL__INBOX_H

#include "broker/message.h"

#define SRL__INBOX_MAX (UINT32_C(1) << 20)

typedef struct srl__inbox_entry {
    srl__message *message; /* NULL: taken back */
    void *room;
} srl__inbox_entry;

typedef struct srl__inbox {
    srl__inbox_entry *entries;
    uint32_t capacity;
    uint32_t count;
    uint32_t taken; /* entries before this one are done with */
} srl__inbox;

/* An inbox filled with zeros is empty. */

/* Takes a reference on the message. SRL_OK, SRL_ERR_NOMEM, SRL_ERR_LIMIT at SRL__INBOX_MAX entries. */
int srl__inbox_push(srl__inbox *inbox, const srl_allocator *alloc, srl__message *message, void *room);
/* Undo the push that came last. */
void srl__inbox_unpush(srl__inbox *inbox, const srl_allocator *alloc);
/* Take back what waits for a room; the entries stay, empty. */
void srl__inbox_purge(srl__inbox *inbox, const srl_allocator *alloc, const void *room);
/* The next entry, whose reference is the caller's now; false if there is none. May be an empty one. */
bool srl__inbox_take(srl__inbox *inbox, srl__inbox_entry *out);
/* Begin anew once everything is taken; gives back the memory of a burst. */
void srl__inbox_rewind(srl__inbox *inbox, const srl_allocator *alloc);
void srl__inbox_free(srl__inbox *inbox, const srl_allocator *alloc);

static inline bool srl__inbox_is_empty(const srl__inbox *inbox)
{
    return inbox->taken == inbox->count;
}

#endif
