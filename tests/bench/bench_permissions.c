/* What a check costs with few and with many rules and overrides, and what an override costs in memory. "Hot" asks for
 * 64 users in turn; "cold" for users all over the policy, which a bare look-up of the same users in a string map stands
 * beside: what the memory alone costs. The rounds of all policies alternate, so they see the same machine. */
#include "base/map.h"
#include "engine/permissions.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "helpers/random.h"

#define ROUNDS     7
#define CHECKS     200000
#define HOT_USERS  64
#define NAME_SPACE 16

typedef struct bench {
    srl_permissions *p;
    srl__map names;
    char (*users)[NAME_SPACE];
    uint32_t rules;
    uint32_t overrides;
    size_t bytes;
    size_t bytes_before; /* without overrides */
    double hot_ns[ROUNDS];
    double cold_ns[ROUNDS];
    double map_ns[ROUNDS];
} bench;

static uint64_t sum; /* keeps the answers */

static double clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *counted_alloc(size_t size, void *user)
{
    *(size_t *)user += size;
    return malloc(size);
}

static void *counted_resize(void *ptr, size_t old_size, size_t new_size, void *user)
{
    *(size_t *)user += new_size - old_size;
    return realloc(ptr, new_size);
}

static void counted_free(void *ptr, size_t size, void *user)
{
    *(size_t *)user -= size;
    free(ptr);
}

static int add_rules(bench *b)
{
    int failed = 0;
    char pattern[64];
    for (uint32_t i = 0; i < b->rules; i++) {
        static const char *const shapes[] = {"space%u:*", "space%u:*:log", "space%u:room-*", "space%u:general"};
        srl_channel_rule rule;
        srl_channel_rule_init(&rule, sizeof(rule));
        rule.pattern_len = (size_t)snprintf(pattern, sizeof(pattern), shapes[i % 4], (unsigned)i);
        rule.pattern = pattern;
        rule.permissions = SRL_PERM_STANDARD;
        failed |= srl_permissions_add_rule(b->p, &rule);
    }
    return failed;
}

static int add_overrides(bench *b, const srl_allocator *alloc)
{
    int failed = 0;
    b->users = malloc(b->overrides * sizeof(*b->users));
    if (b->users == NULL) {
        return -1;
    }
    srl__map_init(&b->names, alloc, 1);
    for (uint32_t i = 0; i < b->overrides; i++) {
        size_t len = (size_t)snprintf(b->users[i], sizeof(*b->users), "user%u", (unsigned)i);
        const char *pattern = i % 2 == 0 ? "space0:general" : "space0:*";
        failed |= srl_permissions_set_override(b->p, b->users[i], len, pattern, strlen(pattern), SRL_PERM_HISTORY,
                                               SRL_PERM_PUBLISH);
    }
    b->bytes -= b->bytes_before;
    return failed;
}

static int bench_init(bench *b, uint32_t rules, uint32_t overrides)
{
    static size_t map_bytes;
    srl_allocator alloc;
    static srl_allocator map_alloc;
    int failed = 0;
    b->rules = rules;
    b->overrides = overrides;
    srl_allocator_init(&alloc, sizeof(alloc));
    alloc.alloc = counted_alloc;
    alloc.resize = counted_resize;
    alloc.free = counted_free;
    map_alloc = alloc;
    map_alloc.user = &map_bytes;
    alloc.user = &b->bytes;
    if (srl_permissions_create(&alloc, &b->p) != 0 || add_rules(b) != 0) {
        return -1;
    }
    failed |= srl_permissions_set_role_permission(b->p, "vip", 3, SRL_PERM_SUBSCRIBE);
    failed |= srl_permissions_set_role_channel(b->p, "vip", 3, "space1:*", 8, SRL_PERM_ALL);
    b->bytes_before = b->bytes;
    if (failed != 0 || add_overrides(b, &map_alloc) != 0) {
        return -1;
    }
    for (uint32_t i = 0; i < overrides; i++) {
        failed |= srl__map_add(&b->names, srl__slice_of(b->users[i], strlen(b->users[i])), b->users[i]);
    }
    return failed;
}

static double time_checks(bench *b, uint32_t users)
{
    static const char *const channels[] = {"space0:general", "space0:room-7", "space1:a:log", "space2:x", "none:x"};
    static const srl_role_name role = {"vip", 3};
    uint64_t random = 1;
    srl_permissions_query q;
    srl_permissions_query_init(&q, sizeof(q));
    q.roles = &role;
    q.role_count = 1;
    q.namespace_granted = SRL_PERM_SUBSCRIBE;
    double begin = clock_ns();
    for (uint32_t i = 0; i < CHECKS; i++) {
        const char *user = b->users[srl_test_random_below(&random, users)];
        const char *channel = channels[i % 5];
        q.user = user;
        q.user_len = strlen(user);
        q.channel = channel;
        q.channel_len = strlen(channel);
        sum += srl_permissions_check(b->p, &q);
    }
    return (clock_ns() - begin) / CHECKS;
}

static double time_map(bench *b)
{
    uint64_t random = 1;
    double begin = clock_ns();
    for (uint32_t i = 0; i < CHECKS; i++) {
        const char *user = b->users[srl_test_random_below(&random, b->overrides)];
        const char *found = srl__map_get(&b->names, srl__slice_of(user, strlen(user)));
        sum += (uint64_t)found[0];
    }
    return (clock_ns() - begin) / CHECKS;
}

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof(*values), order);
    return values[ROUNDS / 2];
}

int main(void)
{
    static bench benches[4];
    static const uint32_t sizes[4][2] = {{10, 10}, {10000, 10}, {10, 1000000}, {10000, 1000000}};
    for (int i = 0; i < 4; i++) {
        if (bench_init(&benches[i], sizes[i][0], sizes[i][1]) != 0) {
            fprintf(stderr, "out of memory\n");
            return 1;
        }
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 4; i++) {
            bench *b = &benches[i];
            b->hot_ns[round] = time_checks(b, b->overrides < HOT_USERS ? b->overrides : HOT_USERS);
            b->cold_ns[round] = time_checks(b, b->overrides);
            b->map_ns[round] = time_map(b);
        }
    }
    double hot = median(benches[0].hot_ns), cold = median(benches[0].cold_ns);
    printf("%8s %10s %9s %7s %9s %7s %11s %15s\n", "rules", "overrides", "hot ns", "ratio", "cold ns", "ratio",
           "map cold ns", "bytes/override");
    for (int i = 0; i < 4; i++) {
        bench *b = &benches[i];
        double hot_ns = median(b->hot_ns), cold_ns = median(b->cold_ns);
        printf("%8u %10u %9.1f %7.2f %9.1f %7.2f %11.1f %15.1f\n", (unsigned)b->rules, (unsigned)b->overrides, hot_ns,
               hot_ns / hot, cold_ns, cold_ns / cold, median(b->map_ns), (double)b->bytes / b->overrides);
    }
    for (int i = 0; i < 4; i++) {
        srl_permissions_destroy(benches[i].p);
        srl__map_free(&benches[i].names);
        free(benches[i].users);
    }
    return sum == 0;
}
