#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/presence.h"

#include <stdio.h>
#include <stdlib.h>

#include <streamrelay/error.h>

#include "helpers/fail_alloc.h"
#include "helpers/random.h"

#define CLIENTS 40
#define USERS   6

static srl_broker_member member_of(const char *client, const char *user, const char *info)
{
    return (srl_broker_member){.size = sizeof(srl_broker_member),
                               .client = client,
                               .client_len = (uint32_t)strlen(client),
                               .user = user,
                               .user_len = strlen(user),
                               .info = info,
                               .info_len = strlen(info)};
}

static uint32_t add(srl__presence *presence, const char *client, const char *user, const char *info)
{
    uint32_t sessions = 99;
    srl_broker_member member = member_of(client, user, info);
    assert_int_equal(srl__presence_add(presence, &member, "owner", &sessions), SRL_OK);
    return sessions;
}

static void assert_listed(const srl__presence *presence, uint32_t place, const char *user, const char *info,
                          uint32_t sessions)
{
    srl_presence out;
    void *memory = malloc(srl__presence_measure(presence, UINT32_MAX) + 1);
    assert_non_null(memory);
    srl__presence_copy(presence, UINT32_MAX, memory, &out);
    assert_true(place < out.count);
    const srl_presence_user *found = &out.users[place];
    assert_int_equal(found->user_len, strlen(user));
    assert_memory_equal(found->user, user, found->user_len);
    assert_int_equal(found->info_len, strlen(info));
    assert_memory_equal(found->info, info, found->info_len);
    assert_int_equal(found->sessions, sessions);
    free(memory);
}

static void the_latest_session_shows_its_info(void **state)
{
    (void)state;
    srl_test_alloc memory;
    srl__presence presence;
    uint32_t sessions;
    srl_test_alloc_init(&memory);
    srl__presence_init(&presence, &memory.table, 3);
    assert_int_equal(add(&presence, "c1", "ann", "first"), 1);
    assert_int_equal(add(&presence, "c2", "ann", "second"), 2);
    assert_int_equal(add(&presence, "c3", "bob", ""), 1);
    assert_listed(&presence, 0, "ann", "second", 2);
    assert_int_equal(add(&presence, "c1", "ann", "first again"), 2);
    assert_listed(&presence, 0, "ann", "second", 2);
    assert_int_equal(add(&presence, "c2", "ann", ""), 2);
    assert_listed(&presence, 0, "ann", "", 2);
    srl_broker_member gone = member_of("c2", "ann", "");
    assert_int_equal(srl__presence_remove(&presence, &gone, &sessions), SRL_OK);
    assert_listed(&presence, 0, "ann", "first again", 1);
    assert_listed(&presence, 1, "bob", "", 1);
    srl__presence_free(&presence);
    srl_test_alloc_check_empty(&memory);
}

static void show_in_channel(srl__presence *presence, const char *client, const char *user, const char *info,
                            const char *channel_info)
{
    uint32_t sessions;
    srl_broker_member member = member_of(client, user, info);
    member.channel_info = channel_info;
    member.channel_info_len = strlen(channel_info);
    assert_int_equal(srl__presence_add(presence, &member, "owner", &sessions), SRL_OK);
}

/* "user client info channel_info; ..." of the sessions that are listed. */
static void assert_sessions(const srl__presence *presence, uint32_t limit, const char *expected)
{
    srl_presence out;
    char text[256] = "";
    size_t size = srl__presence_measure(presence, limit);
    char *memory = malloc(size + 1);
    assert_non_null(memory);
    memory[size] = '#';
    srl__presence_copy(presence, limit, memory, &out);
    assert_int_equal(memory[size], '#');
    for (uint32_t i = 0; i < out.session_count; i++) {
        const srl_presence_session *s = &out.sessions[i];
        size_t len = strlen(text);
        (void)snprintf(text + len, sizeof(text) - len, "%.*s %.*s %.*s %.*s; ", (int)s->user_len, s->user,
                       (int)s->client_len, s->client, (int)s->info_len, s->info, (int)s->channel_info_len,
                       s->channel_info);
    }
    assert_string_equal(text, expected);
    free(memory);
}

static void sessions_are_listed_with_what_they_show(void **state)
{
    (void)state;
    srl_test_alloc memory;
    srl__presence presence;
    srl_test_alloc_init(&memory);
    srl__presence_init(&presence, &memory.table, 3);
    assert_sessions(&presence, 9, "");
    show_in_channel(&presence, "c1", "ann", "1", "");
    show_in_channel(&presence, "c2", "bob", "", "22");
    show_in_channel(&presence, "c3", "ann", "3", "33");
    assert_sessions(&presence, 9, "ann c1 1 ; ann c3 3 33; bob c2  22; ");
    assert_sessions(&presence, 2, "ann c1 1 ; ann c3 3 33; ");
    assert_sessions(&presence, 1, "ann c1 1 ; ");
    assert_sessions(&presence, 0, "");
    show_in_channel(&presence, "c2", "bob", "", "");
    show_in_channel(&presence, "c1", "bob", "11", "1");
    assert_sessions(&presence, 9, "ann c3 3 33; bob c2  ; bob c1 11 1; ");
    srl__presence_free(&presence);
    srl_test_alloc_check_empty(&memory);
}

static void a_client_may_become_another_user(void **state)
{
    (void)state;
    srl_test_alloc memory;
    srl__presence presence;
    srl_test_alloc_init(&memory);
    srl__presence_init(&presence, &memory.table, 3);
    add(&presence, "c1", "ann", "a");
    add(&presence, "c2", "bob", "b");
    assert_int_equal(add(&presence, "c1", "bob", "c"), 2);
    assert_int_equal(presence.users.count, 1);
    assert_int_equal(presence.clients.count, 2);
    assert_listed(&presence, 0, "bob", "c", 2);
    srl__presence_free(&presence);
    srl_test_alloc_check_empty(&memory);
}

static void an_owner_takes_its_members_along(void **state)
{
    (void)state;
    srl_test_alloc memory;
    srl__presence presence;
    uint32_t sessions;
    static const char first[1], second[1];
    srl_test_alloc_init(&memory);
    srl__presence_init(&presence, &memory.table, 3);
    for (int i = 0; i < 500; i++) {
        char client[16];
        snprintf(client, sizeof(client), "c%d", i);
        srl_broker_member member = member_of(client, i % 3 ? "ann" : "bob", "x");
        assert_int_equal(srl__presence_add(&presence, &member, i % 2 ? first : second, &sessions), SRL_OK);
    }
    srl_broker_member moved = member_of("c0", "bob", "x");
    assert_int_equal(srl__presence_add(&presence, &moved, first, &sessions), SRL_OK);
    srl__presence_remove_owner(&presence, second);
    assert_int_equal(presence.clients.count, 251);
    srl__presence_remove_owner(&presence, first);
    assert_true(srl__presence_is_empty(&presence));
    assert_int_equal(presence.users.count, 0);
    srl__presence_free(&presence);
    srl_test_alloc_check_empty(&memory);
}

/* Who is there, kept the slow way: user of each client, -1 for not there. */
static uint32_t count_user(const int *model, int user)
{
    uint32_t count = 0;
    for (int i = 0; i < CLIENTS; i++) {
        count += model[i] == user;
    }
    return count;
}

static void random_steps_count_as_a_plain_array_does(void **state)
{
    (void)state;
    static const char *users[USERS] = {"", "a", "b", "ab", "user-with-a-longer-name", "e"};
    int model[CLIENTS];
    uint64_t random = 11;
    srl_test_alloc memory;
    srl__presence presence;
    srl_test_alloc_init(&memory);
    srl__presence_init(&presence, &memory.table, 3);
    memset(model, -1, sizeof(model));
    for (int step = 0; step < 20000; step++) {
        int client = (int)srl_test_random_below(&random, CLIENTS);
        int user = (int)srl_test_random_below(&random, USERS);
        char name[16];
        uint32_t sessions = 99;
        snprintf(name, sizeof(name), "c%d", client);
        srl_broker_member member = member_of(name, users[user], user % 2 ? "{}" : "");
        if (srl_test_random_below(&random, 2)) {
            assert_int_equal(srl__presence_add(&presence, &member, "owner", &sessions), SRL_OK);
            model[client] = user;
        } else {
            int expected = model[client] < 0 ? SRL_ERR_NOT_FOUND : SRL_OK;
            user = model[client] < 0 ? user : model[client];
            model[client] = -1;
            assert_int_equal(srl__presence_remove(&presence, &member, &sessions), expected);
        }
        assert_int_equal(sessions, count_user(model, user));
        assert_int_equal(presence.clients.count, CLIENTS - count_user(model, -1));
    }
    srl__presence_free(&presence);
    srl_test_alloc_check_empty(&memory);
}

static void scenario(const srl_allocator *alloc, void *user)
{
    (void)user;
    srl__presence presence;
    srl__presence_init(&presence, alloc, 3);
    for (int i = 0; i < 30; i++) {
        char client[16], name[8];
        uint32_t sessions = 0, before = presence.clients.count, users = presence.users.count;
        snprintf(client, sizeof(client), "c%d", i % 20);
        snprintf(name, sizeof(name), "u%d", i % 7);
        srl_broker_member member = member_of(client, name, i % 3 ? "info" : "longer info");
        if (srl__presence_add(&presence, &member, "owner", &sessions) != SRL_OK) {
            assert_int_equal(presence.clients.count, before);
            assert_int_equal(presence.users.count, users);
        }
    }
    srl__presence_free(&presence);
}

static void a_failed_allocation_changes_nothing(void **state)
{
    (void)state;
    assert_true(srl_test_each_failing_alloc(scenario, NULL) > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_latest_session_shows_its_info),
        cmocka_unit_test(sessions_are_listed_with_what_they_show),
        cmocka_unit_test(a_client_may_become_another_user),
        cmocka_unit_test(an_owner_takes_its_members_along),
        cmocka_unit_test(random_steps_count_as_a_plain_array_does),
        cmocka_unit_test(a_failed_allocation_changes_nothing),
    };
    return cmocka_run_group_tests_name("presence", tests, NULL, NULL);
}
