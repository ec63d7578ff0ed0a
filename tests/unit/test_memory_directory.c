#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/memory.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include <streamrelay/error.h>

#include "helpers/broker_calls.h"
#include "helpers/fail_alloc.h"

#define MINUTE UINT64_C(60000)
#define DAY    (1440 * MINUTE)

static char rooms[4];
#define ROOM(n) ((void *)&rooms[n])

/* One broker with two nodes. */
typedef struct world {
    srl_test_alloc memory;
    fake_platform clock;
    srl_broker *broker;
    srl_test_node a;
    srl_test_node b;
} world;

static int setup(void **state)
{
    world *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return -1;
    }
    *state = w;
    srl_test_alloc_init(&w->memory);
    fake_platform_init(&w->clock, 9);
    return srl_broker_create_memory(&w->memory.table, &w->broker) == SRL_OK &&
                   srl_test_node_attach(&w->a, w->broker, &w->clock) == SRL_OK &&
                   srl_test_node_attach(&w->b, w->broker, &w->clock) == SRL_OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    world *w = *state;
    srl_test_node_free(&w->a);
    srl_test_node_free(&w->b);
    srl_broker_release(w->broker);
    srl_test_alloc_check_empty(&w->memory);
    free(w);
    return 0;
}

static srl__memory *memory_of(const world *w)
{
    return ((srl__memory_link *)w->a.link)->memory;
}

/* Use a channel that nobody publishes to, and see how long it is there. */
static void assert_forgotten_after(world *w, uint64_t meta_ttl_ms, uint64_t expected_ms)
{
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("made-up", 5);
    channel.history_meta_ttl_ms = meta_ttl_ms;
    srl_test_subscribe(&w->a, &channel, ROOM(0), &answer);
    assert_int_equal(answer.answers, 1);
    fake_platform_advance(&w->clock, DAY);
    srl_test_node_run(&w->a);
    w->a.ops->unsubscribe(w->a.link, "made-up", 7, ROOM(0));
    assert_int_equal(memory_of(w)->channels.count, 1);
    fake_platform_advance(&w->clock, expected_ms - 1);
    srl_test_node_run(&w->a);
    assert_int_equal(memory_of(w)->channels.count, 1);
    fake_platform_advance(&w->clock, 1);
    srl_test_node_run(&w->a);
    assert_int_equal(memory_of(w)->channels.count, 0);
}

static void epochs_without_a_publication_are_soon_forgotten(void **state)
{
    world *w = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("used", 5);
    assert_forgotten_after(w, 30 * DAY, 10 * MINUTE);
    assert_forgotten_after(w, 0, 10 * MINUTE);
    assert_forgotten_after(w, MINUTE, MINUTE);
    channel.history_meta_ttl_ms = 30 * DAY;
    channel.history_ttl_ms = 1000;
    srl_test_history(&w->a, &channel, 0, "", 0, false, &answer);
    srl_test_publish(&w->a, &channel, SRL_MESSAGE_PUBLICATION, "x", &answer);
    char epoch[16];
    memcpy(epoch, answer.epoch, sizeof(epoch));
    fake_platform_advance(&w->clock, 29 * DAY);
    srl_test_node_run(&w->a);
    srl_test_history(&w->a, &channel, 0, "", 0, false, &answer);
    assert_string_equal(answer.epoch, epoch);
    assert_int_equal(answer.offset, 1);
}

static void the_number_of_channels_has_a_limit(void **state)
{
    world *w = *state;
    srl_test_answer answer = {0};
    srl_broker_channel one = srl_test_channel("one", 5), other = srl_test_channel("other", 5);
    assert_int_equal(memory_of(w)->max_channels, 10000000);
    memory_of(w)->max_channels = 1;
    srl_test_subscribe(&w->a, &one, ROOM(0), &answer);
    assert_int_equal(answer.answers, 1);
    srl_test_subscribe(&w->b, &other, ROOM(1), &answer);
    assert_int_equal(answer.returned, SRL_ERR_LIMIT);
    srl_test_publish(&w->b, &other, SRL_MESSAGE_PUBLICATION, "x", &answer);
    assert_int_equal(answer.returned, SRL_ERR_LIMIT);
    srl_test_history(&w->b, &other, 0, "", 5, false, &answer);
    assert_int_equal(answer.returned, SRL_ERR_LIMIT);
    srl_test_presence_add(&w->b, &other, "c", "u", "", &answer);
    assert_int_equal(answer.returned, SRL_ERR_LIMIT);
    srl_test_subscribe(&w->b, &one, ROOM(1), &answer);
    assert_int_equal(answer.answers, 1);
}

static void limits_are_not_taken(void **state)
{
    world *w = *state;
    srl_test_answer answer = {0};
    memory_of(w)->directory.max_groups = 1;
    memory_of(w)->directory.max_members = 1;
    memory_of(w)->positions.max_count = 1;
    srl_test_directory(&w->a, SRL_DIRECTORY_CREATE, "g", "", "", 0, &answer);
    srl_test_directory(&w->a, SRL_DIRECTORY_CREATE, "h", "", "", 0, &answer);
    assert_int_equal(answer.returned, SRL_ERR_LIMIT);
    assert_int_equal(answer.answers, 0);
    srl_test_directory(&w->a, SRL_DIRECTORY_ADD, "g", "ann", "", 0, &answer);
    assert_int_equal(answer.answers, 1);
    srl_test_directory(&w->a, SRL_DIRECTORY_ADD, "g", "bob", "", 0, &answer);
    assert_int_equal(answer.returned, SRL_ERR_LIMIT);
    srl_test_position_set(&w->a, "ann", "c", 1, "e", 0, &answer);
    assert_int_equal(answer.answers, 1);
    srl_test_position_set(&w->a, "bob", "c", 1, "e", 0, &answer);
    assert_int_equal(answer.returned, SRL_ERR_LIMIT);
    assert_int_equal(answer.answers, 0);
}

static void a_deleted_group_lists_all_its_members(void **state)
{
    world *w = *state;
    srl_test_answer answer = {0};
    srl_test_directory(&w->a, SRL_DIRECTORY_CREATE, "g", "", "{}", 0, &answer);
    for (int i = 0; i < 3000; i++) {
        char user[16];
        snprintf(user, sizeof(user), "u%04d", i);
        srl_test_directory(&w->b, SRL_DIRECTORY_ADD, "g", user, "", 0, &answer);
    }
    srl_test_directory(&w->a, SRL_DIRECTORY_DELETE, "g", "", "", 1, &answer);
    assert_int_equal(answer.error, SRL_OK);
    assert_int_equal(answer.name_count, 3000);
    assert_int_equal(answer.total, 3000);
    assert_string_equal(answer.names[63], "u0063");
    assert_int_equal(memory_of(w)->directory.users.count, 0);
}

static void old_positions_give_their_memory_back(void **state)
{
    world *w = *state;
    srl_test_answer answer = {0};
    srl_test_position_set(&w->a, "for-ever", "c", 1, "e", 0, &answer);
    assert_int_equal(w->a.timer_due_ms, SRL_TEST_NEVER);
    for (int i = 0; i < 5000; i++) {
        char user[16];
        snprintf(user, sizeof(user), "u%d", i);
        srl_test_position_set(&w->a, user, "c", 1, "e", DAY, &answer);
    }
    assert_int_not_equal(w->a.timer_due_ms, SRL_TEST_NEVER);
    srl_test_node_detach(&w->a);
    srl_test_node_run(&w->b);
    for (uint64_t i = 0; i < 1440; i++) {
        assert_int_equal(((srl__memory_link *)w->b.link)->memory->positions.map.count, 5001);
        fake_platform_advance(&w->clock, MINUTE);
        srl_test_node_run(&w->b);
    }
    assert_int_equal(((srl__memory_link *)w->b.link)->memory->positions.map.count, 1);
    assert_int_equal(w->b.timer_due_ms, SRL_TEST_NEVER);
}

static void a_note_reaches_all_or_none(void **state)
{
    world *w = *state;
    size_t nth = 0;
    int rc;
    do {
        srl_test_alloc_fail(&w->memory, ++nth, false);
        rc = srl_test_control(&w->b, "note");
        assert_int_equal(w->b.log_count, rc == SRL_OK);
    } while (rc == SRL_ERR_NOMEM);
    assert_int_equal(rc, SRL_OK);
    assert_true(nth > 3);
    srl_test_alloc_fail(&w->memory, 0, false);
    srl_test_node_run(&w->a);
    assert_int_equal(w->a.log_count, 1);
    srl_test_node_forget(&w->b);
    for (uint32_t i = 0; i < SRL__INBOX_MAX; i++) {
        assert_int_equal(srl_test_control(&w->b, "x"), SRL_OK);
        srl_test_node_forget(&w->b);
    }
    assert_int_equal(srl_test_control(&w->b, "y"), SRL_ERR_LIMIT);
    assert_int_equal(w->b.log_count, 0);
    srl_test_node_run(&w->a);
    assert_int_equal(w->a.log_count, 1 + SRL__INBOX_MAX);
    assert_int_equal(srl_test_control(&w->a, "mine"), SRL_OK);
    srl_test_node_run(&w->b);
    assert_int_equal(w->b.log_count, 1);
    assert_string_equal(w->b.log[0].data, "mine");
}

static void nothing_after_detach(srl_test_node *node, const srl_test_delivery *note)
{
    srl_test_answer answer = {0};
    void *link = node->link;
    (void)note;
    srl_test_node_detach(node);
    node->link = link;
    assert_int_equal(srl_test_control(node, "x"), SRL_ERR_CLOSED);
    srl_test_directory(node, SRL_DIRECTORY_CREATE, "g", "", "", 0, &answer);
    assert_int_equal(answer.returned, SRL_ERR_CLOSED);
    srl_test_position_set(node, "ann", "c", 1, "e", 0, &answer);
    assert_int_equal(answer.returned, SRL_ERR_CLOSED);
    srl_test_position_get(node, "ann", "c", &answer);
    assert_int_equal(answer.returned, SRL_ERR_CLOSED);
    node->link = NULL;
}

static void calls_after_detach_are_refused(void **state)
{
    world *w = *state;
    w->a.on_note = nothing_after_detach;
    assert_int_equal(srl_test_control(&w->a, "note"), SRL_OK);
    assert_int_equal(w->a.log_count, 1);
}

/* All questions on memory that fails: what failed must have changed nothing. */
static void use(srl_test_node *node)
{
    srl_test_answer answer = {0};
    uint32_t members = 0;
    srl_test_directory(node, SRL_DIRECTORY_CREATE, "g", "", "{}", 0, &answer);
    bool is_there = answer.returned == SRL_OK;
    for (uint32_t i = 0; i < 20; i++) {
        char user[32];
        snprintf(user, sizeof(user), "user-%u", i);
        srl_test_directory(node, SRL_DIRECTORY_ADD, "g", user, "", 0, &answer);
        members += answer.returned == SRL_OK && answer.error == SRL_OK;
        srl_test_position_set(node, user, "c", i, "e", i * 1000, &answer);
        bool is_set = answer.returned == SRL_OK;
        srl_test_position_get(node, user, "c", &answer);
        assert_int_equal(answer.answers, 1);
        assert_int_equal(answer.error, is_set ? SRL_OK : SRL_ERR_NOT_FOUND);
    }
    srl_test_directory(node, SRL_DIRECTORY_GET, "g", "", "", 0, &answer);
    if (answer.returned == SRL_OK) {
        assert_int_equal(answer.error, is_there ? SRL_OK : SRL_ERR_NOT_FOUND);
        assert_int_equal(answer.total, members);
    }
    srl_test_directory(node, SRL_DIRECTORY_MEMBERS, "g", "", "", 64, &answer);
    assert_int_equal(answer.name_count, answer.returned == SRL_OK ? members : 0);
    srl_test_directory(node, SRL_DIRECTORY_DELETE, "g", "", "", 0, &answer);
    if (answer.returned != SRL_OK) {
        assert_int_equal(answer.returned, SRL_ERR_NOMEM);
        assert_int_equal(((srl__memory_link *)node->link)->memory->directory.groups.count, 1);
        assert_int_equal(((srl__memory_link *)node->link)->memory->directory.users.count, members);
    } else {
        assert_int_equal(((srl__memory_link *)node->link)->memory->directory.users.count, 0);
    }
}

static void scenario(const srl_allocator *alloc, void *user)
{
    srl_broker *broker;
    srl_test_node node;
    fake_platform clock;
    (void)user;
    fake_platform_init(&clock, 5);
    if (srl_broker_create_memory(alloc, &broker) != SRL_OK) {
        return;
    }
    if (srl_test_node_attach(&node, broker, &clock) == SRL_OK) {
        use(&node);
        srl_test_node_free(&node);
    }
    srl_broker_release(broker);
}

static void a_failed_allocation_changes_nothing(void **state)
{
    (void)state;
    assert_true(srl_test_each_failing_alloc(scenario, NULL) > 60);
}

/* Two nodes on two threads, each with a note before each publication. */
enum { THREAD_ROUNDS = 5000 };

typedef struct thread_side {
    srl_broker *broker;
    fake_platform clock;
    srl_test_node node;
    char name;
    atomic_int *arrived;
    pthread_t thread;
} thread_side;

static void wait_for_other(thread_side *side, int both)
{
    atomic_fetch_add(side->arrived, 1);
    while (atomic_load(side->arrived) < both) {
        sched_yield();
    }
}

static void *run_side(void *argument)
{
    thread_side *side = argument;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("c", 0);
    fake_platform_init(&side->clock, (uint64_t)side->name);
    (void)srl_test_node_attach(&side->node, side->broker, &side->clock);
    srl_test_subscribe(&side->node, &channel, ROOM(0), &answer);
    wait_for_other(side, 2);
    for (int i = 0; i < THREAD_ROUNDS; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%c%d", side->name, i);
        (void)srl_test_control(&side->node, text);
        srl_test_publish(&side->node, &channel, SRL_MESSAGE_PUBLICATION, text, &answer);
        srl_test_node_run(&side->node);
    }
    wait_for_other(side, 4);
    while (side->node.ops->process(side->node.link, 100) > 0) {
    }
    return NULL;
}

static void two_threads_keep_notes_and_messages_in_order(void **state)
{
    (void)state;
    static thread_side sides[2];
    atomic_int arrived = 0;
    srl_broker *broker;
    assert_int_equal(srl_broker_create_memory(NULL, &broker), SRL_OK);
    memset(sides, 0, sizeof(sides));
    for (int i = 0; i < 2; i++) {
        sides[i].broker = broker;
        sides[i].name = (char)('a' + i);
        sides[i].arrived = &arrived;
        assert_int_equal(pthread_create(&sides[i].thread, NULL, run_side, &sides[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(sides[i].thread, NULL), 0);
    }
    for (int i = 0; i < 2; i++) {
        int next[2] = {0, 0};
        const srl_test_node *node = &sides[i].node;
        assert_int_equal(node->log_count, 4 * THREAD_ROUNDS);
        for (size_t k = 0; k < node->log_count; k++) {
            int *of = &next[node->log[k].data[0] - 'a'];
            assert_int_equal(atoi(node->log[k].data + 1), *of / 2);
            assert_int_equal(node->log[k].kind, *of % 2 ? SRL_MESSAGE_PUBLICATION : SRL_TEST_NOTE);
            ++*of;
        }
        srl_test_node_free(&sides[i].node);
    }
    srl_broker_release(broker);
}

#define T(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(epochs_without_a_publication_are_soon_forgotten),
        T(the_number_of_channels_has_a_limit),
        T(limits_are_not_taken),
        T(a_deleted_group_lists_all_its_members),
        T(old_positions_give_their_memory_back),
        T(a_note_reaches_all_or_none),
        T(calls_after_detach_are_refused),
        cmocka_unit_test(a_failed_allocation_changes_nothing),
        cmocka_unit_test(two_threads_keep_notes_and_messages_in_order),
    };
    return cmocka_run_group_tests_name("memory broker: directory", tests, NULL, NULL);
}
