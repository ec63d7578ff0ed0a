/* Presence of several nodes of the Redis broker, of which some end without a word, come back late, or come back to a
 * server that has lost what it knew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <streamrelay/error.h>
#include <streamrelay/redis_broker.h>

#include "broker/redis_keys.h"
#include "helpers/broker_calls.h"
#include "helpers/fault_proxy.h"
#include "helpers/random.h"
#include "helpers/redis_server.h"

enum { TTL_MS = 2000, NODES = 3, MEMBERS = 150, CHANNELS = 3 };

static const char *const channels[CHANNELS] = {"room", "other", "third"};
static srl_test_redis server;
static srl_test_proxy proxy;
static uint16_t port; /* of the server, or the proxy */
static int worlds;

typedef struct world {
    srl_broker *broker;
    fake_platform clock; /* goes with the real one */
    srl_test_node nodes[NODES];
    bool is_silent[NODES];
    int joins[MEMBERS], leaves[MEMBERS];           /* of sessions, heard by the first node */
    int user_joins[MEMBERS], user_leaves[MEMBERS]; /* by the number in their names */
} world;

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void turn(world *w)
{
    struct timespec moment = {.tv_sec = 0, .tv_nsec = 500000};
    w->clock.now_ms = now_ms();
    for (int i = 0; i < NODES; i++) {
        if (!w->is_silent[i] && w->nodes[i].link != NULL) {
            srl_test_node_run(&w->nodes[i]);
        }
    }
    nanosleep(&moment, NULL);
}

static void run_for(world *w, uint64_t ms)
{
    uint64_t until = now_ms() + ms;
    while (now_ms() < until) {
        turn(w);
    }
}

static void await(world *w, srl_test_answer *answer)
{
    assert_int_equal(answer->returned, SRL_OK);
    for (uint64_t until = now_ms() + 15000; answer->answers == 0 && now_ms() < until;) {
        turn(w);
    }
    assert_int_equal(answer->answers, 1);
}

static void await_up(world *w)
{
    for (uint64_t until = now_ms() + 15000; now_ms() < until;) {
        bool all = true;
        turn(w);
        for (int i = 0; i < NODES; i++) {
            all = all && (w->is_silent[i] || w->nodes[i].link == NULL || w->nodes[i].reports);
        }
        if (all) {
            return;
        }
    }
    fail_msg("the nodes do not come up");
}

static void count_message(srl_test_node *node, const srl_test_delivery *delivery, const srl_publication *publication)
{
    world *w = node->user;
    char text[16];
    bool is_session = publication->client_len > 0;
    const char *name = is_session ? publication->client : publication->user;
    snprintf(text, sizeof(text), "%.*s", (int)(is_session ? publication->client_len : publication->user_len), name);
    int number = atoi(text + 1);
    assert_in_range(number, 0, MEMBERS - 1);
    if (delivery->kind == SRL_MESSAGE_JOIN) {
        (is_session ? w->joins : w->user_joins)[number]++;
    } else {
        assert_int_equal(delivery->kind, SRL_MESSAGE_LEAVE);
        (is_session ? w->leaves : w->user_leaves)[number]++;
    }
}

static srl_broker_channel channel_of(int number)
{
    srl_broker_channel channel = srl_test_channel(channels[number % CHANNELS], 0);
    channel.join_leave = 3;
    return channel;
}

static int open_world(void **state)
{
    world *w = calloc(1, sizeof(*w));
    srl_redis_options *options;
    srl_redis_broker_config config;
    char url[96], prefix[32];
    assert_non_null(w);
    *state = w;
    fake_platform_init(&w->clock, 7);
    int len = snprintf(url, sizeof(url), "redis://127.0.0.1:%u?backoff_min=5&backoff_max=50&command_timeout=2s",
                       (unsigned)port);
    assert_int_equal(srl_redis_options_create(url, (size_t)len, &options), SRL_OK);
    srl_redis_broker_config_init(&config, sizeof(config));
    config.presence_ttl_ms = TTL_MS;
    config.prefix = prefix;
    config.prefix_len = (size_t)snprintf(prefix, sizeof(prefix), "world%d", ++worlds);
    assert_int_equal(srl_redis_broker_create(options, &config, &w->broker), SRL_OK);
    srl_redis_options_destroy(options);
    w->clock.now_ms = now_ms();
    for (int i = 0; i < NODES; i++) {
        assert_int_equal(srl_test_node_attach(&w->nodes[i], w->broker, &w->clock), SRL_OK);
    }
    await_up(w);
    w->nodes[0].user = w;
    w->nodes[0].on_deliver = count_message;
    for (int i = 0; i < CHANNELS; i++) {
        srl_test_answer answer = {0};
        srl_broker_channel channel = channel_of(i);
        srl_test_subscribe(&w->nodes[0], &channel, &worlds, &answer);
        await(w, &answer);
    }
    return 0;
}

static int close_world(void **state)
{
    world *w = *state;
    for (int i = 0; i < NODES; i++) {
        srl_test_node_free(&w->nodes[i]);
    }
    srl_broker_release(w->broker);
    free(w);
    return 0;
}

/* Member number n: session s<n> of user u<n / 2>, in the channel of its user. */
static srl_test_answer change(world *w, int node, int number, bool is_added)
{
    srl_test_answer answer = {0};
    char client[16], user[16];
    srl_broker_channel channel = channel_of(number / 2);
    snprintf(client, sizeof(client), "s%d", number);
    snprintf(user, sizeof(user), "u%d", number / 2);
    if (is_added) {
        srl_test_presence_add(&w->nodes[node], &channel, client, user, "{}", &answer);
    } else {
        srl_test_presence_remove(&w->nodes[node], &channel, client, user, &answer);
    }
    await(w, &answer);
    return answer;
}

static void add_all(world *w, int node)
{
    for (int i = 0; i < MEMBERS; i++) {
        assert_int_equal(change(w, node, i, true).user_sessions, i % 2 + 1);
    }
}

static uint32_t count_sessions(world *w)
{
    uint32_t sum = 0;
    for (int i = 0; i < CHANNELS; i++) {
        srl_test_answer answer = {0};
        srl_broker_channel channel = channel_of(i);
        srl_test_presence_list(&w->nodes[0], &channel, 3, &answer);
        await(w, &answer);
        assert_int_equal(answer.error, SRL_OK);
        sum += answer.num_sessions;
    }
    return sum;
}

/* How long it took. */
static uint64_t await_sessions(world *w, uint32_t expected, uint64_t at_most_ms)
{
    uint64_t begin = now_ms();
    while (count_sessions(w) != expected) {
        if (now_ms() - begin > at_most_ms) {
            fail_msg("%u sessions after %u ms", count_sessions(w), (unsigned)at_most_ms);
        }
        run_for(w, 10);
    }
    return now_ms() - begin;
}

/* So often for each session and each user. */
static void expect_heard(const world *w, int joins, int leaves)
{
    for (int i = 0; i < MEMBERS; i++) {
        assert_int_equal(w->joins[i], joins);
        assert_int_equal(w->leaves[i], leaves);
        assert_int_equal(w->user_joins[i], i < MEMBERS / 2 ? joins : 0);
        assert_int_equal(w->user_leaves[i], i < MEMBERS / 2 ? leaves : 0);
    }
}

static void a_node_that_crashed_is_gone_within_the_ttl(void **state)
{
    world *w = *state;
    add_all(w, 1);
    assert_int_equal(count_sessions(w), MEMBERS);
    run_for(w, TTL_MS * 3 / 2);
    assert_int_equal(count_sessions(w), MEMBERS);
    w->is_silent[1] = true;
    uint64_t took = await_sessions(w, 0, TTL_MS + 1000);
    assert_true(took > TTL_MS / 4);
    run_for(w, TTL_MS);
    expect_heard(w, 0, 1);
    /* Nothing is left of it. */
    assert_int_equal(change(w, 2, 0, true).user_sessions, 1);
}

static void a_node_that_was_silent_for_too_long_comes_back(void **state)
{
    world *w = *state;
    add_all(w, 1);
    w->is_silent[1] = true;
    await_sessions(w, 0, TTL_MS + 1000);
    w->is_silent[1] = false;
    await_sessions(w, MEMBERS, 3000);
    run_for(w, TTL_MS);
    expect_heard(w, 1, 1);
    for (int i = 0; i < MEMBERS; i++) {
        srl_test_answer answer = change(w, 1, i, false);
        assert_int_equal(answer.error, SRL_OK);
        assert_int_equal(answer.user_sessions, 1 - i % 2);
    }
    assert_int_equal(count_sessions(w), 0);
}

/* Its calls come first when it comes back, before it has learnt of anything. */
static void what_a_late_node_does_first_is_not_lost(void **state)
{
    world *w = *state;
    srl_test_answer answers[3] = {{.returned = 0}};
    srl_broker_channel channel = channel_of(0);
    assert_int_equal(change(w, 1, 2, true).user_sessions, 1);
    w->is_silent[1] = true;
    await_sessions(w, 0, TTL_MS + 1000);
    w->clock.now_ms = now_ms();
    srl_test_presence_add(&w->nodes[1], &channel, "s0", "u0", "", &answers[0]);
    srl_test_presence_add(&w->nodes[1], &channel, "s1", "u0", "", &answers[1]);
    srl_test_presence_remove(&w->nodes[1], &channel, "s0", "u0", &answers[2]);
    w->is_silent[1] = false;
    for (int i = 0; i < 3; i++) {
        await(w, &answers[i]);
        assert_int_equal(answers[i].error, SRL_OK);
    }
    assert_int_equal(answers[2].user_sessions, 1);
    await_sessions(w, 2, 3000);
    run_for(w, TTL_MS);
    assert_int_equal(count_sessions(w), 2);
    w->is_silent[1] = true;
    await_sessions(w, 0, TTL_MS + 1000);
}

static void a_server_that_lost_everything_is_told_again(void **state)
{
    world *w = *state;
    add_all(w, 1);
    srl_test_redis_restart(&server);
    run_for(w, 300);
    await_up(w);
    await_sessions(w, MEMBERS, 3000);
    run_for(w, TTL_MS);
    /* Nobody has gone, so nobody comes. */
    expect_heard(w, 0, 0);
    assert_int_equal(count_sessions(w), MEMBERS);
    w->is_silent[1] = true;
    await_sessions(w, 0, TTL_MS + 1000);
    run_for(w, TTL_MS / 2);
    expect_heard(w, 0, 1);
}

static void a_silence_of_the_server_is_no_nodes_death(void **state)
{
    world *w = *state;
    add_all(w, 1);
    srl_test_redis_pause(&server);
    run_for(w, TTL_MS * 3 / 2);
    srl_test_redis_resume(&server);
    run_for(w, 300);
    await_up(w);
    run_for(w, TTL_MS);
    assert_int_equal(count_sessions(w), MEMBERS);
    expect_heard(w, 0, 0);
}

static void a_node_that_ends_takes_its_members_along(void **state)
{
    world *w = *state;
    add_all(w, 1);
    srl_test_node_detach(&w->nodes[1]);
    await_sessions(w, 0, 1000);
    run_for(w, 50);
    expect_heard(w, 0, 1);
}

/* Fields of the hash that a channel's sessions and users have on the server. */
static int count_fields(const char *channel)
{
    char command[160], line[64], prefix[32];
    srl__buf key;
    srl_allocator alloc;
    srl_allocator_init(&alloc, sizeof(alloc));
    srl__buf_init(&key, &alloc, 128);
    int len = snprintf(prefix, sizeof(prefix), "world%d", worlds);
    srl__slice name = srl__redis_key(&key, srl__slice_of(prefix, (size_t)len), SRL__KEY_PRESENCE,
                                     srl__slice_of(channel, strlen(channel)), SRL__LIT("s"));
    snprintf(command, sizeof(command), "HLEN %.*s", (int)name.len, name.data);
    srl__buf_free(&key);
    srl_test_redis_command(&server, command, line, sizeof(line));
    assert_int_equal(line[0], ':');
    return atoi(line + 1);
}

/* The one that has found the dead one falls silent over it. */
static void whoever_evicts_may_end_too(void **state)
{
    world *w = *state;
    add_all(w, 1);
    int before = count_fields("room");
    assert_true(before > 0);
    w->is_silent[0] = w->is_silent[1] = true;
    for (uint64_t until = now_ms() + TTL_MS * 2; now_ms() < until && count_fields("room") == before;) {
        turn(w);
    }
    w->is_silent[2] = true;
    assert_in_range(count_fields("room"), 1, before - 1);
    w->is_silent[0] = false;
    await_sessions(w, 0, TTL_MS + 1500);
    run_for(w, TTL_MS);
    expect_heard(w, 0, 1);
}

static void older_data_is_set_right(void **state)
{
    world *w = *state;
    char line[64];
    for (int i = 0; i < 100; i++) {
        change(w, 1, i, true);
    }
    srl_test_redis_command(&server, "SAVE", line, sizeof(line));
    assert_string_equal(line, "+OK");
    for (int i = 0; i < 20; i++) {
        assert_int_equal(change(w, 1, i, false).error, SRL_OK);
    }
    for (int i = 100; i < MEMBERS; i++) {
        assert_int_equal(change(w, 1, i, true).user_sessions, i % 2 + 1);
    }
    srl_test_redis_restart(&server);
    run_for(w, 300);
    await_up(w);
    await_sessions(w, MEMBERS - 20, TTL_MS + 1000);
    run_for(w, TTL_MS);
    assert_int_equal(count_sessions(w), MEMBERS - 20);
    for (int i = 0; i < MEMBERS; i++) {
        assert_int_equal(w->joins[i], 0);
        assert_int_equal(w->leaves[i], i < 20);
    }
    assert_int_equal(change(w, 1, 20, false).user_sessions, 1);
}

static void a_full_server_loses_nobody(void **state)
{
    world *w = *state;
    for (int i = 1; i < MEMBERS; i++) {
        change(w, 1, i, true);
    }
    srl_test_redis_command(&server, "CONFIG SET maxmemory 1", NULL, 0);
    assert_int_equal(change(w, 1, 0, true).error, SRL_ERR_BROKER_DOWN);
    run_for(w, TTL_MS * 3 / 2);
    assert_int_equal(count_sessions(w), MEMBERS - 1);
    srl_test_redis_command(&server, "CONFIG SET maxmemory 0", NULL, 0);
    run_for(w, TTL_MS * 3 / 2);
    expect_heard(w, 0, 0);
    assert_int_equal(count_sessions(w), MEMBERS - 1);
    assert_int_equal(change(w, 1, 0, true).user_sessions, 2);
    assert_int_equal(change(w, 1, 0, false).user_sessions, 1);
    /* Who was refused or has gone is not brought again. */
    srl_test_redis_restart(&server);
    run_for(w, 300);
    await_up(w);
    await_sessions(w, MEMBERS - 1, TTL_MS);
    run_for(w, TTL_MS);
    assert_int_equal(count_sessions(w), MEMBERS - 1);
}

static int open_behind_proxy(void **state)
{
    srl_test_proxy_start(&proxy, server.port);
    port = proxy.port;
    return open_world(state);
}

static int close_behind_proxy(void **state)
{
    srl_test_proxy_heal(&proxy);
    int error = close_world(state);
    srl_test_proxy_stop(&proxy);
    port = server.port;
    return error;
}

/* Two sessions of one user, on two nodes, at the same time: both are answered, and one of them came first (or went
 * last), whatever becomes of the answers on their way. */
static void both_at_once(world *w, uint64_t *random, bool is_added)
{
    srl_test_answer answers[2] = {{.returned = 0}};
    srl_broker_channel channel = channel_of(0);
    uint32_t end = is_added ? 1 : 0;
    int place = (int)srl_test_random_below(random, 3);
    if (place == 0) {
        atomic_store(&proxy.cut_after[SRL_TEST_PROXY_DOWN], (long long)srl_test_random_below(random, 30));
    } else if (place == 1) {
        atomic_store(&proxy.cut_after[SRL_TEST_PROXY_UP], (long long)srl_test_random_below(random, 800));
    }
    for (int i = 0; i < 2; i++) {
        const char *client = i == 0 ? "s0" : "s1";
        if (is_added) {
            srl_test_presence_add(&w->nodes[1 + i], &channel, client, "u0", "{}", &answers[i]);
        } else {
            srl_test_presence_remove(&w->nodes[1 + i], &channel, client, "u0", &answers[i]);
        }
        run_for(w, srl_test_random_below(random, 3));
    }
    run_for(w, 3);
    srl_test_proxy_heal(&proxy);
    for (int i = 0; i < 2; i++) {
        await(w, &answers[i]);
        assert_int_equal(answers[i].error, SRL_OK);
    }
    assert_int_equal((answers[0].user_sessions == end) + (answers[1].user_sessions == end), 1);
}

static void a_lost_answer_neither_loses_nor_doubles(void **state)
{
    world *w = *state;
    uint64_t random = 11;
    for (int round = 0; round < 60; round++) {
        both_at_once(w, &random, true);
        assert_int_equal(count_sessions(w), 2);
        both_at_once(w, &random, false);
        assert_int_equal(count_sessions(w), 0);
    }
}

#define T(function) cmocka_unit_test_setup_teardown(function, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_node_that_crashed_is_gone_within_the_ttl),
        T(a_node_that_was_silent_for_too_long_comes_back),
        T(what_a_late_node_does_first_is_not_lost),
        T(a_server_that_lost_everything_is_told_again),
        T(a_silence_of_the_server_is_no_nodes_death),
        T(a_node_that_ends_takes_its_members_along),
        T(whoever_evicts_may_end_too),
        T(older_data_is_set_right),
        T(a_full_server_loses_nobody),
        cmocka_unit_test_setup_teardown(a_lost_answer_neither_loses_nor_doubles, open_behind_proxy, close_behind_proxy),
    };
    if (!srl_test_redis_start(&server, NULL)) {
        return 77;
    }
    port = server.port;
    int failed = cmocka_run_group_tests_name("presence of several nodes", tests, NULL, NULL);
    srl_test_redis_stop(&server);
    return failed;
}
