#include "broker/once.h"

#include <streamrelay/error.h>

void srl__once_init(srl__once *once, const srl_allocator *alloc, uint64_t seed, uint64_t now_ms)
{
    once->alloc = alloc;
    once->max_count = SRL__ONCE_MAX;
    srl__map_init(&once->map, alloc, seed);
    srl__timers_init(&once->timers, now_ms);
    srl__list_init(&once->entries);
    srl__buf_init(&once->key, alloc, sizeof(uint32_t) + SRL__ONCE_KEY_MAX);
}

static void free_entry(const srl_allocator *alloc, srl__once_entry *entry)
{
    srl__free(alloc, entry, sizeof(*entry) + entry->key_len);
}

void srl__once_free(srl__once *once)
{
    uint32_t cursor = 0;
    srl__once_entry *entry;
    while ((entry = srl__map_next(&once->map, &cursor)) != NULL) {
        free_entry(once->alloc, entry);
    }
    srl__map_free(&once->map);
    if (once->key.data != NULL) {
        srl__buf_free(&once->key);
    }
}

void srl__once_drop(srl__once *once, srl__once_entry *entry)
{
    srl__timer_cancel(&once->timers, &entry->expiry);
    srl__list_remove(&entry->link);
    srl__map_remove(&once->map, srl__slice_of(entry->key, entry->key_len));
    free_entry(once->alloc, entry);
}

static int make_key(srl__buf *out, srl__slice channel, srl__slice key)
{
    uint32_t channel_len = (uint32_t)channel.len;
    if (channel.len > SRL__ONCE_KEY_MAX || key.len > SRL__ONCE_KEY_MAX - channel.len) {
        return SRL_ERR_TOO_LARGE;
    }
    srl__buf_reset(out);
    srl__buf_append(out, &channel_len, sizeof(channel_len));
    srl__buf_append_slice(out, channel);
    srl__buf_append_slice(out, key);
    return out->error;
}

static srl__once_entry *find(srl__once *once, srl__slice key, uint64_t now_ms)
{
    srl__once_entry *entry = srl__map_get(&once->map, key);
    if (entry != NULL && entry->expiry.due_ms <= now_ms) {
        srl__once_drop(once, entry);
        return NULL;
    }
    return entry;
}

static int add(srl__once *once, srl__slice key, srl__once_entry **out)
{
    srl__once_entry *entry = srl__alloc(once->alloc, sizeof(*entry) + key.len);
    if (entry == NULL) {
        return SRL_ERR_NOMEM;
    }
    *entry = (srl__once_entry){.key_len = (uint32_t)key.len};
    memcpy(entry->key, key.data, key.len);
    int rc = srl__map_add(&once->map, srl__slice_of(entry->key, key.len), entry);
    if (rc != SRL_OK) {
        free_entry(once->alloc, entry);
        return rc;
    }
    srl__timer_init(&entry->expiry);
    srl__list_append(&once->entries, &entry->link);
    *out = entry;
    return SRL_OK;
}

int srl__once_take(srl__once *once, srl__slice channel, srl__slice key, uint64_t ttl_ms, uint64_t now_ms,
                   srl__once_entry **entry)
{
    int rc = make_key(&once->key, channel, key);
    if (rc != SRL_OK) {
        return rc;
    }
    srl__slice whole = srl__slice_of(once->key.data, once->key.len);
    *entry = find(once, whole, now_ms);
    if (*entry != NULL) {
        return SRL_OK;
    }
    rc = add(once, whole, entry);
    if (rc != SRL_OK) {
        return rc;
    }
    if (once->map.count > once->max_count) {
        srl__once_drop(once, SRL__CONTAINER(once->entries.next, srl__once_entry, link));
    }
    uint64_t life_ms = ttl_ms > 0 ? ttl_ms : 1;
    srl__timer_arm(&once->timers, &(*entry)->expiry,
                   life_ms < SRL__TIMERS_NEVER - now_ms ? now_ms + life_ms : SRL__TIMERS_NEVER - 1);
    return SRL_ERR_NOT_FOUND;
}

void srl__once_expire(srl__once *once, uint64_t now_ms, uint32_t max)
{
    srl__timer *timer;
    srl__timers_advance(&once->timers, now_ms);
    for (uint32_t i = 0; i < max && (timer = srl__timers_take_due(&once->timers)) != NULL; i++) {
        srl__once_drop(once, SRL__CONTAINER(timer, srl__once_entry, expiry));
    }
}
