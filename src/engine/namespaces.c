#include "engine/namespaces.h"

#include <streamrelay/error.h>

typedef struct namespace
{
    srl__channel_settings settings;
    uint32_t len;
    char prefix[];
}
namespace;

void srl__namespaces_init(srl__namespaces *n, const srl_allocator *alloc, uint64_t seed,
                          const srl__channel_settings *defaults)
{
    memset(n, 0, sizeof(*n));
    n->alloc = alloc;
    n->defaults = *defaults;
    srl__map_init(&n->by_prefix, alloc, seed);
}

static void release(srl__namespaces *n, namespace *ns)
{
    srl__free(n->alloc, ns, sizeof(*ns) + ns->len);
}

void srl__namespaces_free(srl__namespaces *n)
{
    uint32_t cursor = 0;
    namespace *ns = NULL;

    while ((ns = srl__map_next(&n->by_prefix, &cursor)) != NULL) {
        release(n, ns);
    }
    srl__map_free(&n->by_prefix);
    srl__free(n->alloc, n->lengths, n->length_capacity * sizeof(*n->lengths));
    n->lengths = NULL;
    n->length_count = n->length_capacity = 0;
}

bool srl__namespaces_has(const srl__namespaces *n, srl__slice prefix)
{
    return srl__map_get(&n->by_prefix, prefix) != NULL;
}

const srl__channel_settings *srl__namespaces_find(const srl__namespaces *n, srl__slice channel)
{
    size_t prefix_len = 0;

    return srl__namespaces_match(n, channel, &prefix_len);
}

const srl__channel_settings *srl__namespaces_match(const srl__namespaces *n, srl__slice channel, size_t *prefix_len)
{
    *prefix_len = 0;
    for (uint32_t i = 0; i < n->length_count; i++) {
        if (n->lengths[i] <= channel.len) {
            namespace *ns = srl__map_get(&n->by_prefix, srl__slice_of(channel.data, n->lengths[i]));
            if (ns != NULL) {
                *prefix_len = ns->len;
                return &ns->settings;
            }
        }
    }
    return &n->defaults;
}

/* Where `len` is among the lengths, or where it has to go. */
static uint32_t length_index(const srl__namespaces *n, uint32_t len)
{
    uint32_t i = 0;

    while (i < n->length_count && n->lengths[i] > len) {
        i++;
    }
    return i;
}

static int add_length(srl__namespaces *n, uint32_t len)
{
    uint32_t at = length_index(n, len);
    void *lengths = n->lengths;

    if (at < n->length_count && n->lengths[at] == len) {
        return SRL_OK;
    }
    if (n->length_count == n->length_capacity) {
        if (!srl__grow_array(n->alloc, &lengths, &n->length_capacity, n->length_count + 1, UINT32_MAX,
                             sizeof(*n->lengths))) {
            return SRL_ERR_NOMEM;
        }
        n->lengths = lengths;
    }
    memmove(&n->lengths[at + 1], &n->lengths[at], (n->length_count - at) * sizeof(*n->lengths));
    n->lengths[at] = len;
    n->length_count++;
    return SRL_OK;
}

static void drop_length_if_unused(srl__namespaces *n, uint32_t len)
{
    uint32_t cursor = 0;
    uint32_t at = length_index(n, len);
    namespace *ns = NULL;

    while ((ns = srl__map_next(&n->by_prefix, &cursor)) != NULL) {
        if (ns->len == len) {
            return;
        }
    }
    if (at < n->length_count && n->lengths[at] == len) {
        n->length_count--;
        memmove(&n->lengths[at], &n->lengths[at + 1], (n->length_count - at) * sizeof(*n->lengths));
    }
}

int srl__namespaces_set(srl__namespaces *n, srl__slice prefix, const srl__channel_settings *settings)
{
    namespace *ns = srl__map_get(&n->by_prefix, prefix);

    if (ns == NULL) {
        ns = srl__alloc(n->alloc, sizeof(*ns) + prefix.len);
        if (ns == NULL) {
            return SRL_ERR_NOMEM;
        }
        ns->len = (uint32_t)prefix.len;
        memcpy(ns->prefix, prefix.data, prefix.len);
        if (srl__map_add(&n->by_prefix, srl__slice_of(ns->prefix, ns->len), ns) != SRL_OK) {
            release(n, ns);
            return SRL_ERR_NOMEM;
        }
        if (add_length(n, ns->len) != SRL_OK) {
            (void)srl__map_remove(&n->by_prefix, prefix);
            release(n, ns);
            return SRL_ERR_NOMEM;
        }
    }
    ns->settings = *settings;
    n->generation++;
    return SRL_OK;
}

int srl__namespaces_remove(srl__namespaces *n, srl__slice prefix)
{
    namespace *ns = srl__map_remove(&n->by_prefix, prefix);

    if (ns == NULL) {
        return SRL_ERR_NOT_FOUND;
    }
    drop_length_if_unused(n, ns->len);
    release(n, ns);
    n->generation++;
    return SRL_OK;
}
