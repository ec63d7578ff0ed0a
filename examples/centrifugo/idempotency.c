#include "idempotency.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_named(const idempotency_entry *entry, const char *channel, const char *key)
{
    size_t channel_len = strlen(channel);
    return entry->name && entry->name_len == channel_len + 1 + strlen(key) && strcmp(entry->name, channel) == 0 &&
           strcmp(entry->name + channel_len + 1, key) == 0;
}

const idempotency_entry *idempotency_find(const idempotency *all, const char *channel, const char *key, uint64_t now)
{
    for (size_t i = 0; i < IDEMPOTENCY_MAX; i++) {
        if (is_named(&all->entries[i], channel, key) && now < all->entries[i].until)
            return &all->entries[i];
    }
    return NULL;
}

void idempotency_add(idempotency *all, const char *channel, const char *key, uint64_t now, uint64_t offset,
                     const char *epoch, size_t epoch_len)
{
    idempotency_entry *entry = &all->entries[all->next];
    size_t channel_len = strlen(channel);
    size_t key_len = strlen(key);
    char *name = malloc(channel_len + key_len + 2);
    if (!name || epoch_len >= sizeof entry->epoch) {
        free(name);
        return;
    }
    memcpy(name, channel, channel_len + 1);
    memcpy(name + channel_len + 1, key, key_len + 1);
    free(entry->name);
    *entry = (idempotency_entry){name, channel_len + 1 + key_len, now + IDEMPOTENCY_TTL_MS, offset, ""};
    memcpy(entry->epoch, epoch, epoch_len);
    all->next = (all->next + 1) % IDEMPOTENCY_MAX;
}

void idempotency_clear(idempotency *all)
{
    for (size_t i = 0; i < IDEMPOTENCY_MAX; i++)
        free(all->entries[i].name);
    memset(all, 0, sizeof *all);
}
