/*
 * idempotency.h - publications that were made with a key, so that the same key again within five minutes gets the first
 * one's answer and publishes nothing.
 */
#ifndef EXAMPLES_CENTRIFUGO_IDEMPOTENCY_H
#define EXAMPLES_CENTRIFUGO_IDEMPOTENCY_H

#include <stddef.h>
#include <stdint.h>

#define IDEMPOTENCY_MAX    4096 /* publications remembered; the oldest gives way */
#define IDEMPOTENCY_TTL_MS 300000u

typedef struct idempotency_entry {
    char *name; /* channel, zero, key */
    size_t name_len;
    uint64_t until;
    uint64_t offset;
    char epoch[33];
} idempotency_entry;

/* All zeroes is empty. */
typedef struct idempotency {
    idempotency_entry entries[IDEMPOTENCY_MAX];
    size_t next;
} idempotency;

/** What was remembered, or NULL. */
const idempotency_entry *idempotency_find(const idempotency *all, const char *channel, const char *key, uint64_t now);

/** Remember. Out of memory it is not. */
void idempotency_add(idempotency *all, const char *channel, const char *key, uint64_t now, uint64_t offset,
                     const char *epoch, size_t epoch_len);

void idempotency_clear(idempotency *all);

#endif
