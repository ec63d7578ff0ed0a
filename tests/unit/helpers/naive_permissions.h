/* Permissions the plain way: lists that are searched from end to end, as permissions.h says it in words. */
#ifndef SRL_TEST_NAIVE_PERMISSIONS_H
#define SRL_TEST_NAIVE_PERMISSIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <streamrelay/permissions.h>

#define NAIVE_MAX   32
#define NAIVE_TEXT  32
#define NAIVE_ROLES 6

typedef struct naive_segment {
    const char *text;
    size_t len;
} naive_segment;

static inline size_t naive_split(const char *text, naive_segment *out, size_t max)
{
    size_t count = 0;
    const char *begin = text;
    for (const char *at = text;; at++) {
        if (*at == ':' || *at == '\0') {
            if (count < max) {
                out[count++] = (naive_segment){begin, (size_t)(at - begin)};
            }
            begin = at + 1;
        }
        if (*at == '\0') {
            return count;
        }
    }
}

static inline bool naive_matches(const char *pattern, const char *channel)
{
    naive_segment p[32], c[32];
    size_t pattern_count = naive_split(pattern, p, 32);
    size_t channel_count = naive_split(channel, c, 32);
    for (size_t i = 0; i < pattern_count; i++) {
        bool is_last = i + 1 == pattern_count;
        if (i >= channel_count) {
            return false;
        }
        if (is_last && p[i].len > 0 && p[i].text[p[i].len - 1] == '*') {
            size_t beginning = p[i].len - 1;
            return strlen(c[i].text) > beginning && memcmp(c[i].text, p[i].text, beginning) == 0;
        }
        if (p[i].len == 1 && p[i].text[0] == '*') {
            if (c[i].len == 0) {
                return false;
            }
        } else if (p[i].len != c[i].len || memcmp(p[i].text, c[i].text, p[i].len) != 0) {
            return false;
        }
    }
    return pattern_count == channel_count;
}

/* Small is specific: a segment written out, a beginning (the longer the smaller), one segment, the rest. */
static inline int naive_rank(const naive_segment *segment, bool is_last)
{
    bool has_star = segment->len > 0 && segment->text[segment->len - 1] == '*';
    if (!has_star) {
        return 0;
    }
    if (segment->len > 1) {
        return 1000 - (int)segment->len;
    }
    return is_last ? 3000 : 2000;
}

/* Whether `a` is more specific than `b`; both match the same channel. */
static inline bool naive_beats(const char *a, const char *b)
{
    naive_segment x[32], y[32];
    size_t x_count = naive_split(a, x, 32);
    size_t y_count = naive_split(b, y, 32);
    for (size_t i = 0; i < x_count && i < y_count; i++) {
        int x_rank = naive_rank(&x[i], i + 1 == x_count);
        int y_rank = naive_rank(&y[i], i + 1 == y_count);
        if (x_rank != y_rank) {
            return x_rank < y_rank;
        }
    }
    return false;
}

typedef struct naive_entry {
    bool used;
    char owner[NAIVE_TEXT]; /* role or user; empty for rules */
    char pattern[NAIVE_TEXT];
    uint32_t allow; /* what is granted, for rules and roles */
    uint32_t deny;
    bool allow_anonymous;
} naive_entry;

typedef struct naive_pair {
    bool used;
    char from[NAIVE_TEXT];
    char to[NAIVE_TEXT];
} naive_pair;

typedef struct naive_policy {
    naive_entry rules[NAIVE_MAX];
    naive_entry role_channels[NAIVE_MAX];
    naive_entry overrides[NAIVE_MAX];
    naive_entry roles[NAIVE_ROLES]; /* owner and what it grants everywhere */
    naive_pair parents[NAIVE_MAX];  /* from inherits from to */
    naive_pair assigned[NAIVE_MAX]; /* user from has role to */
} naive_policy;

static inline naive_entry *naive_find(naive_entry *list, size_t count, const char *owner, const char *pattern)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].used && strcmp(list[i].owner, owner) == 0 && strcmp(list[i].pattern, pattern) == 0) {
            return &list[i];
        }
    }
    return NULL;
}

static inline naive_entry *naive_put(naive_entry *list, size_t count, const char *owner, const char *pattern)
{
    naive_entry *entry = naive_find(list, count, owner, pattern);
    for (size_t i = 0; entry == NULL && i < count; i++) {
        if (!list[i].used) {
            entry = &list[i];
        }
    }
    if (entry != NULL) {
        memset(entry, 0, sizeof(*entry));
        entry->used = true;
        memcpy(entry->owner, owner, strlen(owner));
        memcpy(entry->pattern, pattern, strlen(pattern));
    }
    return entry;
}

static inline naive_pair *naive_pair_find(naive_pair *list, const char *from, const char *to)
{
    for (size_t i = 0; i < NAIVE_MAX; i++) {
        if (list[i].used && strcmp(list[i].from, from) == 0 && strcmp(list[i].to, to) == 0) {
            return &list[i];
        }
    }
    return NULL;
}

static inline void naive_pair_put(naive_pair *list, const char *from, const char *to)
{
    for (size_t i = 0; i < NAIVE_MAX; i++) {
        if (!list[i].used) {
            memset(&list[i], 0, sizeof(list[i]));
            list[i].used = true;
            memcpy(list[i].from, from, strlen(from));
            memcpy(list[i].to, to, strlen(to));
            return;
        }
    }
}

static inline const naive_entry *naive_best(const naive_entry *list, const char *owner, const char *channel)
{
    const naive_entry *best = NULL;
    for (size_t i = 0; i < NAIVE_MAX; i++) {
        if (list[i].used && strcmp(list[i].owner, owner) == 0 && naive_matches(list[i].pattern, channel) &&
            (best == NULL || naive_beats(list[i].pattern, best->pattern))) {
            best = &list[i];
        }
    }
    return best;
}

/* Everything that `role` is, itself included: whether `wanted` is one of it. */
static inline bool naive_inherits(naive_policy *p, const char *role, const char *wanted)
{
    if (strcmp(role, wanted) == 0) {
        return true;
    }
    for (size_t i = 0; i < NAIVE_MAX; i++) {
        if (p->parents[i].used && strcmp(p->parents[i].from, role) == 0 &&
            naive_inherits(p, p->parents[i].to, wanted)) {
            return true;
        }
    }
    return false;
}

static inline uint32_t naive_roles_granted(naive_policy *p, const srl_permissions_query *q, const char *user,
                                           const char *channel)
{
    uint32_t granted = 0;
    for (size_t i = 0; i < NAIVE_ROLES; i++) {
        bool has = false;
        if (!p->roles[i].used) {
            continue;
        }
        for (size_t j = 0; j < NAIVE_MAX; j++) {
            has |= p->assigned[j].used && strcmp(p->assigned[j].from, user) == 0 &&
                   naive_inherits(p, p->assigned[j].to, p->roles[i].owner);
        }
        for (uint32_t j = 0; j < q->role_count; j++) {
            has |= naive_find(p->roles, NAIVE_ROLES, q->roles[j].data, "") != NULL &&
                   naive_inherits(p, q->roles[j].data, p->roles[i].owner);
        }
        if (has) {
            const naive_entry *best = naive_best(p->role_channels, p->roles[i].owner, channel);
            granted |= best == NULL ? p->roles[i].allow : best->allow;
        }
    }
    return granted;
}

/* The texts of the query are terminated. */
static inline uint32_t naive_check(naive_policy *p, const srl_permissions_query *q)
{
    uint32_t granted = 0;
    for (uint32_t bit = 1; bit <= SRL_PERM_JOIN_LEAVE; bit *= 2) {
        const naive_entry *override = q->user_len == 0 ? NULL : naive_best(p->overrides, q->user, q->channel);
        const naive_entry *rule = naive_best(p->rules, "", q->channel);
        bool yes;
        if (override != NULL && (override->deny & bit) != 0) {
            yes = false;
        } else if (override != NULL && (override->allow & bit) != 0) {
            yes = true;
        } else if (q->user_len > 0 && (naive_roles_granted(p, q, q->user, q->channel) & bit) != 0) {
            yes = true;
        } else if (rule != NULL && q->user_len == 0 && !rule->allow_anonymous) {
            yes = false;
        } else if (rule != NULL) {
            yes = (rule->allow & bit) != 0;
        } else {
            yes = (q->namespace_granted & bit) != 0;
        }
        granted |= yes ? bit : 0;
    }
    return granted;
}

#endif
