#include "broker/inbox.h"

#include <streamrelay/error.h>

/* An inbox that has grown beyond this many entries is given back when it is empty. */
#define KEEP_ENTRIES 4096

int srl__inbox_push(srl__inbox *inbox, const srl_allocator *alloc, srl__message *message, void *room)
{
    if (inbox->count == inbox->capacity) {
        void *entries = inbox->entries;
        if (inbox->count >= SRL__INBOX_MAX) {
            return SRL_ERR_LIMIT;
        }
        if (!srl__grow_array(alloc, &entries, &inbox->capacity, inbox->count + 1, SRL__INBOX_MAX,
                             sizeof(*inbox->entries))) {
            return SRL_ERR_NOMEM;
        }
        inbox->entries = entries;
    }
    srl__message_retain(message);
    inbox->entries[inbox->count++] = (srl__inbox_entry){message, room};
    return SRL_OK;
}

void srl__inbox_unpush(srl__inbox *inbox, const srl_allocator *alloc)
{
    srl__message_release(inbox->entries[--inbox->count].message, alloc);
}

void srl__inbox_purge(srl__inbox *inbox, const srl_allocator *alloc, const void *room)
{
    for (uint32_t i = inbox->taken; i < inbox->count; i++) {
        srl__inbox_entry *entry = &inbox->entries[i];
        if (entry->room == room && entry->message != NULL) {
            srl__message_release(entry->message, alloc);
            entry->message = NULL;
        }
    }
}

bool srl__inbox_take(srl__inbox *inbox, srl__inbox_entry *out)
{
    if (srl__inbox_is_empty(inbox)) {
        return false;
    }
    *out = inbox->entries[inbox->taken++];
    return true;
}

void srl__inbox_rewind(srl__inbox *inbox, const srl_allocator *alloc)
{
    if (inbox->capacity > KEEP_ENTRIES) {
        srl__inbox_free(inbox, alloc);
    }
    inbox->count = 0;
    inbox->taken = 0;
}

void srl__inbox_free(srl__inbox *inbox, const srl_allocator *alloc)
{
    srl__inbox_entry entry;
    while (srl__inbox_take(inbox, &entry)) {
        if (entry.message != NULL) {
            srl__message_release(entry.message, alloc);
        }
    }
    srl__free(alloc, inbox->entries, inbox->capacity * sizeof(*inbox->entries));
    *inbox = (srl__inbox){0};
}
