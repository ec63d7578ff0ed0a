/*
 * Policies in JSON: what is refused changes nothing and is explained; what is accepted saves, loads and saves to the
 * same bytes, and answers questions about its own patterns the same way afterwards, in bits and in words.
 */
#include <streamrelay/error.h>
#include <streamrelay/permissions.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

typedef struct text {
    char *data;
    int64_t len;
} text;

static text save(srl_permissions *p)
{
    text saved = {NULL, srl_permissions_save(p, NULL, 0)};
    REQUIRE(saved.len > 0);
    saved.data = malloc((size_t)saved.len + 1);
    REQUIRE(saved.data != NULL);
    REQUIRE(srl_permissions_save(p, saved.data, (size_t)saved.len + 1) == saved.len);
    REQUIRE(strlen(saved.data) == (size_t)saved.len);
    return saved;
}

static void require_same(text a, text b)
{
    REQUIRE(a.len == b.len && memcmp(a.data, b.data, (size_t)a.len) == 0);
    free(b.data);
}

/* The answers about a channel for some users, in one number. */
static uint32_t ask(srl_permissions *p, const char *channel, size_t len)
{
    static const char *const users[] = {"", "a", "user_123"};
    static const char *const words[] = {
        "\nsubscribe: ", "\npublish: ", "\npresence: ", "\nhistory: ", "\njoin_leave: "};
    static char out[1 << 16];
    srl_role_name role = {"vip", 3};
    uint32_t answers = 0;
    for (size_t i = 0; i < 3; i++) {
        srl_permissions_query q;
        srl_permissions_query_init(&q, sizeof(q));
        q.channel = channel;
        q.channel_len = len;
        q.user = users[i];
        q.user_len = strlen(users[i]);
        q.roles = &role;
        q.role_count = 1;
        q.namespace_granted = SRL_PERM_STANDARD;
        uint32_t granted = srl_permissions_check(p, &q);
        int32_t full = srl_permissions_explain(p, &q, out, sizeof(out));
        REQUIRE(granted <= SRL_PERM_ALL && full > 0);
        const char *at = out;
        for (size_t w = 0; w < 5 && (size_t)full < sizeof(out); w++) {
            at = strstr(at, words[w]);
            REQUIRE(at != NULL);
            REQUIRE((at[strlen(words[w])] == 'y') == ((granted >> w & 1) != 0));
        }
        answers = answers * (SRL_PERM_ALL + 1) + granted;
    }
    return answers;
}

static uint32_t ask_all(srl_permissions *p)
{
    srl_channel_rule rule, again;
    uint32_t cursor = 0;
    uint32_t sum = ask(p, "chat:general", 12) ^ ask(p, "a:b:c", 5);
    srl_channel_rule_init(&rule, sizeof(rule));
    srl_channel_rule_init(&again, sizeof(again));
    while (srl_permissions_next_rule(p, &cursor, &rule) == SRL_OK) {
        REQUIRE(srl_permissions_get_rule(p, rule.pattern, rule.pattern_len, &again) == SRL_OK);
        REQUIRE(again.pattern == rule.pattern && again.permissions == rule.permissions);
        bool found = srl_permissions_rule_for(p, rule.pattern, rule.pattern_len, &again) == SRL_OK;
        REQUIRE(found); /* a '*' is a text that a '*' stands for */
        sum += ask(p, rule.pattern, rule.pattern_len);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char base[] = "{\"rules\":[{\"pattern\":\"chat:*\"}],\"roles\":[{\"name\":\"vip\"}],"
                               "\"users\":[{\"user\":\"a\",\"roles\":[\"vip\"]}]}";
    srl_permissions *p;
    char *copy = malloc(size > 0 ? size : 1);
    REQUIRE(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    REQUIRE(srl_permissions_create(NULL, &p) == SRL_OK);
    REQUIRE(srl_permissions_load(p, base, sizeof(base) - 1) == SRL_OK);
    text before = save(p);
    int error = srl_permissions_load(p, copy, size);
    free(copy);
    if (error != SRL_OK) {
        REQUIRE(error < 0 && srl_permissions_last_error(p)[0] != '\0');
        require_same(before, save(p));
    } else {
        text first = save(p);
        uint32_t answers = ask_all(p);
        REQUIRE(srl_permissions_load(p, first.data, (size_t)first.len) == SRL_OK);
        require_same(first, save(p));
        REQUIRE(ask_all(p) == answers);
        free(first.data);
    }
    free(before.data);
    srl_permissions_destroy(p);
    return 0;
}
