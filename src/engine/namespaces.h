/* Which options a channel has: those of the longest prefix that fits, else the relay's. */
#ifndef SRL__NAMESPACES_H
#define SRL__NAMESPACES_H

#include "base/map.h"
#include "engine/settings.h"

typedef struct srl__namespaces {
    const srl_allocator *alloc;
    srl__map by_prefix;
    uint32_t *lengths; /* of the prefixes, each once, longest first */
    uint32_t length_count;
    uint32_t length_capacity;
    uint32_t generation; /* changes with every change: what was looked up before is void */
    srl__channel_settings defaults;
} srl__namespaces;

void srl__namespaces_init(srl__namespaces *n, const srl_allocator *alloc, uint64_t seed,
                          const srl__channel_settings *defaults);
void srl__namespaces_free(srl__namespaces *n);

/* As the next one; and how long the prefix is. */
const srl__channel_settings *srl__namespaces_match(const srl__namespaces *n, srl__slice channel, size_t *prefix_len);

/* Never NULL; valid until the next set or remove. */
const srl__channel_settings *srl__namespaces_find(const srl__namespaces *n, srl__slice channel);

/* Whether there is one with exactly this prefix. */
bool srl__namespaces_has(const srl__namespaces *n, srl__slice prefix);

/* Add or replace: SRL_OK or SRL_ERR_NOMEM. */
int srl__namespaces_set(srl__namespaces *n, srl__slice prefix, const srl__channel_settings *settings);
/* SRL_OK or SRL_ERR_NOT_FOUND. */
int srl__namespaces_remove(srl__namespaces *n, srl__slice prefix);

#endif
