#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include <streamrelay/error.h>

#include "broker/inbox.h"
#include "helpers/broker_suite.h"
#include "helpers/fail_alloc.h"
#include "helpers/random.h"

static const srl_test_broker_kind memory_kind = {.create = srl_broker_create_memory, .follows_clock = true};

static char rooms[64];
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

static srl_test_answer publish(srl_test_node *node, srl_broker_channel channel, const char *data)
{
    srl_test_answer answer = {0};
    srl_test_publish(node, &channel, SRL_MESSAGE_PUBLICATION, data, &answer);
    assert_int_equal(answer.returned, SRL_OK);
    assert_int_equal(answer.answers, 1);
    return answer;
}

static void subscribe(srl_test_node *node, srl_broker_channel channel, void *room)
{
    srl_test_answer answer = {0};
    srl_test_subscribe(node, &channel, room, &answer);
    assert_int_equal(answer.returned, SRL_OK);
    assert_int_equal(answer.answers, 1);
}

static void the_table_must_be_complete(void **state)
{
    (void)state;
    struct {
        srl_broker_ops ops;
        void *later;
    } table;
    srl_broker *broker = NULL;
    world *w = *state;
    memset(&table, 0, sizeof(table));
    srl_broker_ops_init(&table.ops, sizeof(table.ops));
    assert_int_equal(table.ops.size, sizeof(srl_broker_ops));
    assert_int_equal(srl_broker_create(&table.ops, NULL, &broker), SRL_ERR_INVALID);
    assert_int_equal(srl_broker_create(NULL, NULL, &broker), SRL_ERR_INVALID);
    table.ops = *srl__broker_ops_of(w->broker);
    assert_int_equal(srl_broker_create(&table.ops, NULL, NULL), SRL_ERR_INVALID);
    table.ops.size = offsetof(srl_broker_ops, directory) - 1;
    assert_int_equal(srl_broker_create(&table.ops, NULL, &broker), SRL_ERR_INVALID);
    table.ops.size = sizeof(table);
    table.later = &table;
    assert_int_equal(srl_broker_create(&table.ops, NULL, &broker), SRL_ERR_INVALID);
    table.later = NULL;
    table.ops.history = NULL;
    assert_int_equal(srl_broker_create(&table.ops, NULL, &broker), SRL_ERR_INVALID);
    assert_null(broker);
    srl_broker_release(NULL);
}

static void ignore_destroy(void *broker)
{
    (void)broker;
}

/* Groups, positions and notes. */
static void some_functions_may_be_missing(void **state)
{
    world *w = *state;
    srl_broker *broker;
    srl_broker_ops ops = *srl__broker_ops_of(w->broker);
    ops.directory = NULL;
    ops.position_set = NULL;
    ops.position_get = NULL;
    ops.control = NULL;
    ops.destroy = ignore_destroy;
    assert_int_equal(srl_broker_create(&ops, NULL, &broker), SRL_OK);
    assert_null(srl__broker_ops_of(broker)->directory);
    assert_null(srl__broker_ops_of(broker)->control);
    srl_broker_release(broker);
    memset((char *)&ops + offsetof(srl_broker_ops, directory), 0xFF, sizeof(ops) - offsetof(srl_broker_ops, directory));
    ops.size = offsetof(srl_broker_ops, directory);
    assert_int_equal(srl_broker_create(&ops, NULL, &broker), SRL_OK);
    assert_null(srl__broker_ops_of(broker)->directory);
    assert_null(srl__broker_ops_of(broker)->control);
    assert_ptr_equal(srl__broker_ops_of(broker)->destroy, ignore_destroy);
    srl_broker_release(broker);
}

static int destroyed;

static void count_destroy(void *broker)
{
    destroyed += broker == &destroyed;
}

static void a_broker_ends_with_its_last_reference(void **state)
{
    world *w = *state;
    srl_broker *broker;
    srl_broker_ops ops = *srl__broker_ops_of(w->broker);
    ops.destroy = count_destroy;
    destroyed = 0;
    assert_int_equal(srl_broker_create(&ops, &destroyed, &broker), SRL_OK);
    srl__broker_retain(broker);
    srl_broker_release(broker);
    assert_int_equal(destroyed, 0);
    srl_broker_release(broker);
    assert_int_equal(destroyed, 1);
}

static void no_randomness_no_broker(void **state)
{
    (void)state;
    fake_platform clock;
    srl_broker *broker;
    srl_test_node node;
    fake_platform_init(&clock, 1);
    assert_int_equal(srl_broker_create_memory(NULL, &broker), SRL_OK);
    clock.fail_random = 1;
    assert_int_equal(srl_test_node_attach(&node, broker, &clock), SRL_ERR_SYSTEM);
    assert_int_equal(srl_test_node_attach(&node, broker, &clock), SRL_OK);
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("x", 5);
    clock.fail_random = 3;
    srl_test_publish(&node, &channel, SRL_MESSAGE_PUBLICATION, "x", &answer);
    assert_int_equal(answer.returned, SRL_ERR_SYSTEM);
    srl_test_subscribe(&node, &channel, ROOM(0), &answer);
    assert_int_equal(answer.returned, SRL_ERR_SYSTEM);
    srl_test_history(&node, &channel, 0, "", 5, false, &answer);
    assert_int_equal(answer.returned, SRL_ERR_SYSTEM);
    assert_int_equal(publish(&node, channel, "x").offset, 1);
    assert_int_equal(node.log_count, 0);
    srl_test_node_free(&node);
    srl_broker_release(broker);
}

static void the_own_node_has_it_when_publish_returns(void **state)
{
    world *w = *state;
    srl_broker_channel channel = srl_test_channel("x", 5);
    subscribe(&w->a, channel, ROOM(0));
    subscribe(&w->b, channel, ROOM(1));
    publish(&w->b, channel, "1");
    assert_int_equal(w->a.log_count, 0);
    publish(&w->a, channel, "2");
    assert_int_equal(w->a.log_count, 2);
    assert_string_equal(w->a.log[0].data, "1");
    assert_int_equal(w->b.log_count, 1);
}

static void a_node_is_woken_once_until_it_processes(void **state)
{
    world *w = *state;
    srl_broker_channel channel = srl_test_channel("x", 5);
    subscribe(&w->b, channel, ROOM(1));
    for (int i = 0; i < 10; i++) {
        publish(&w->a, channel, "x");
    }
    assert_int_equal(w->b.wakes, 1);
    assert_int_equal(w->a.wakes, 0);
    publish(&w->b, channel, "own");
    assert_int_equal(w->b.log_count, 11);
    srl_test_node_run(&w->b);
    publish(&w->a, channel, "x");
    assert_int_equal(w->b.wakes, 1);
    assert_int_equal(w->b.log_count, 11);
}

static void the_answer_comes_before_the_delivery_then(srl_test_answer *answer, const srl_broker_result *result)
{
    const srl_test_node *node = answer->user;
    assert_int_equal(result->error, SRL_OK);
    assert_int_equal(node->log_count, 0);
}

static void the_answer_comes_before_the_delivery(void **state)
{
    world *w = *state;
    srl_broker_channel channel = srl_test_channel("x", 5);
    srl_test_answer answer = {.then = the_answer_comes_before_the_delivery_then, .user = &w->a};
    subscribe(&w->a, channel, ROOM(0));
    srl_test_publish(&w->a, &channel, SRL_MESSAGE_PUBLICATION, "x", &answer);
    assert_int_equal(answer.answers, 1);
    assert_int_equal(w->a.log_count, 1);
}

static void nothing_is_stored_that_cannot_be_passed_on(void **state)
{
    world *w = *state;
    srl_test_answer answer = {0};
    srl_broker_channel plain = srl_test_channel("plain", 0), kept = srl_test_channel("kept", 5);
    subscribe(&w->a, kept, ROOM(0));
    subscribe(&w->b, plain, ROOM(1));
    subscribe(&w->b, kept, ROOM(2));
    publish(&w->a, kept, "x");
    for (uint32_t i = 1; i < SRL__INBOX_MAX; i++) {
        srl_test_publish(&w->a, &plain, SRL_MESSAGE_PUBLICATION, "x", &answer);
        assert_int_equal(answer.returned, SRL_OK);
    }
    srl_test_publish(&w->a, &kept, SRL_MESSAGE_PUBLICATION, "x", &answer);
    assert_int_equal(answer.returned, SRL_ERR_LIMIT);
    assert_int_equal(answer.answers, 0);
    assert_int_equal(w->a.log_count, 1);
    srl_test_history(&w->a, &kept, 0, "", 5, false, &answer);
    assert_int_equal(answer.offset, 1);
    assert_int_equal(answer.count, 1);
    size_t full = w->memory.live_bytes;
    while (w->b.ops->process(w->b.link, 1000) > 0) {
    }
    assert_int_equal(w->b.log_count, SRL__INBOX_MAX);
    assert_true(w->memory.live_bytes < full / 8);
    assert_int_equal(publish(&w->a, kept, "y").offset, 2);
    assert_int_equal(w->a.log_count, 2);
    w->b.wakes = 1;
    srl_test_node_run(&w->b);
    assert_int_equal(w->b.log[w->b.log_count - 1].offset, 2);
    assert_true(w->memory.live_bytes < 45000);
}

static void idle_channels_give_their_memory_back(void **state)
{
    world *w = *state;
    publish(&w->a, srl_test_channel("warm-up", 0), "x");
    size_t before = w->memory.live_blocks;
    for (int i = 0; i < 3000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "channel-%d", i);
        srl_broker_channel channel = srl_test_channel(name, 10);
        channel.history_ttl_ms = 1000 + (uint64_t)i % 7 * 100;
        channel.history_meta_ttl_ms = 60000;
        publish(&w->a, channel, "payload");
    }
    size_t full = w->memory.live_blocks;
    assert_true(full >= before + 9000);
    for (int i = 0; i < 20; i++) {
        fake_platform_advance(&w->clock, 100);
        srl_test_node_run(&w->a);
    }
    assert_true(w->memory.live_blocks <= full - 6000);
    assert_int_not_equal(w->a.timer_due_ms, SRL_TEST_NEVER);
    fake_platform_advance(&w->clock, 60000);
    srl_test_node_run(&w->a);
    assert_true(w->memory.live_blocks <= before + 1);
    assert_int_equal(w->a.timer_due_ms, SRL_TEST_NEVER);
}

static void another_node_takes_the_timer_over(void **state)
{
    world *w = *state;
    srl_broker_channel channel = srl_test_channel("x", 10);
    channel.history_ttl_ms = 1000;
    channel.history_meta_ttl_ms = 500;
    size_t before = w->memory.live_blocks;
    publish(&w->a, channel, "payload");
    assert_int_not_equal(w->a.timer_due_ms, SRL_TEST_NEVER);
    assert_int_equal(w->b.timer_due_ms, SRL_TEST_NEVER);
    srl_test_node_detach(&w->a);
    assert_int_equal(w->b.wakes, 1);
    srl_test_node_run(&w->b);
    assert_int_equal(w->b.timer_due_ms, w->clock.now_ms + 1000);
    for (int i = 0; i < 20; i++) {
        fake_platform_advance(&w->clock, 100);
        srl_test_node_run(&w->b);
    }
    assert_true(w->memory.live_blocks <= before);
    assert_int_equal(w->b.timer_due_ms, SRL_TEST_NEVER);
}

static void channels_nobody_needs_are_not_there(void **state)
{
    world *w = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("x", 0);
    subscribe(&w->a, channel, ROOM(0));
    w->a.ops->unsubscribe(w->a.link, "x", 1, ROOM(0));
    size_t before = w->memory.live_blocks;
    subscribe(&w->a, channel, ROOM(0));
    srl_test_presence_add(&w->b, &channel, "c", "u", "i", &answer);
    assert_true(w->memory.live_blocks > before);
    w->a.ops->unsubscribe(w->a.link, "x", 1, ROOM(0));
    srl_test_presence_list(&w->a, &channel, 5, &answer);
    assert_int_equal(answer.num_users, 1);
    srl_test_presence_remove(&w->b, &channel, "c", "u", &answer);
    srl_test_node_detach(&w->b);
    assert_true(w->memory.live_blocks <= before);
}

static void what_is_left_is_freed(void **state)
{
    world *w = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("x", 5);
    subscribe(&w->a, channel, ROOM(0));
    subscribe(&w->b, channel, ROOM(1));
    srl_test_presence_add(&w->b, &channel, "c", "u", "i", &answer);
    publish(&w->a, channel, "waits for b");
}

static void end_all(srl_test_node *node, const srl_test_delivery *delivery, const srl_publication *publication)
{
    world *w = node->user;
    srl_test_node_detach(&w->b);
    srl_test_node_detach(&w->a);
    srl_broker_release(w->broker);
    w->broker = NULL;
    assert_memory_equal(publication->data, delivery->data, publication->data_len);
}

static void the_broker_may_end_inside_a_delivery(void **state)
{
    world *w = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("x", 5);
    subscribe(&w->a, channel, ROOM(0));
    subscribe(&w->b, channel, ROOM(1));
    publish(&w->b, channel, "first");
    w->a.on_deliver = end_all;
    w->a.user = w;
    srl_test_publish(&w->a, &channel, SRL_MESSAGE_PUBLICATION, "second", &answer);
    assert_int_equal(answer.answers, 1);
    assert_int_equal(w->a.log_count, 1);
    srl_test_alloc_check_empty(&w->memory);
}

static void a_detached_link_answers_nothing(srl_test_node *node, const srl_test_delivery *delivery,
                                            const srl_publication *publication)
{
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("x", 5);
    void *link = node->link;
    (void)delivery;
    (void)publication;
    srl_test_node_detach(node);
    node->link = link;
    srl_test_publish(node, &channel, SRL_MESSAGE_PUBLICATION, "x", &answer);
    assert_int_equal(answer.returned, SRL_ERR_CLOSED);
    srl_test_subscribe(node, &channel, ROOM(3), &answer);
    assert_int_equal(answer.returned, SRL_ERR_CLOSED);
    assert_int_equal(node->ops->process(link, 5), 0);
    node->ops->unsubscribe(link, "x", 1, ROOM(0));
    node->ops->detach(link);
    node->link = NULL;
}

static void calls_after_detach_are_refused(void **state)
{
    world *w = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("x", 5);
    subscribe(&w->a, channel, ROOM(0));
    w->a.on_deliver = a_detached_link_answers_nothing;
    srl_test_publish(&w->a, &channel, SRL_MESSAGE_PUBLICATION, "x", &answer);
    assert_int_equal(answer.answers, 1);
    assert_int_equal(w->a.log_count, 1);
}

/* The broker's history, kept the slow way. */
enum { MODEL_CHANNELS = 3, MODEL_MAX = 100000 };

typedef struct model_channel {
    char epoch[16]; /* empty: no stream */
    uint64_t top;
    uint64_t first; /* oldest offset that is kept */
    uint64_t stamps[MODEL_MAX + 1];
    uint64_t ttl;
    uint64_t meta_ttl;
    uint64_t used;
    bool is_subscribed;
} model_channel;

static void model_expire(model_channel *m, uint64_t now)
{
    while (m->ttl != 0 && m->first <= m->top && m->stamps[m->first] + m->ttl <= now) {
        m->first++;
    }
    uint64_t life = m->top == 0 && (m->meta_ttl == 0 || m->meta_ttl > 600000) ? 600000 : m->meta_ttl;
    if (m->first > m->top && life != 0 && !m->is_subscribed && m->used + life <= now) {
        m->epoch[0] = '\0';
    }
}

/* What an answer says of the position must fit; the first answer of an epoch tells its name. */
static void model_use(model_channel *m, const srl_broker_channel *options, const srl_test_answer *answer, uint64_t now)
{
    if (m->epoch[0] == '\0') {
        m->top = 0;
        m->first = 1;
        m->ttl = options->history_ttl_ms;
        m->meta_ttl = options->history_meta_ttl_ms;
        memcpy(m->epoch, answer->epoch, sizeof(m->epoch));
    }
    m->used = now;
    assert_string_equal(m->epoch, answer->epoch);
}

static void model_check_history(const model_channel *m, uint64_t since, uint32_t limit, bool reverse,
                                const srl_test_answer *answer)
{
    uint32_t seen = 0;
    uint64_t kept = m->top + 1 - m->first;
    assert_int_equal(answer->offset, m->top);
    for (uint64_t i = 0; i < kept && seen < limit; i++) {
        uint64_t offset = reverse ? m->top - i : m->first + i;
        if (reverse ? since == 0 || offset < since : offset > since) {
            char data[24];
            snprintf(data, sizeof(data), "%llu", (unsigned long long)offset);
            assert_true(seen < answer->count);
            assert_int_equal(answer->offsets[seen], offset);
            assert_string_equal(answer->data[seen], data);
            seen++;
        }
    }
    assert_int_equal(answer->count, seen);
}

static void model_publish(srl_test_node *node, model_channel *m, const srl_broker_channel *options, uint64_t now)
{
    char data[24];
    bool is_new = m->epoch[0] == '\0';
    snprintf(data, sizeof(data), "%llu", is_new ? 1ULL : (unsigned long long)m->top + 1);
    srl_test_answer answer = publish(node, *options, data);
    model_use(m, options, &answer, now);
    m->ttl = options->history_ttl_ms;
    m->meta_ttl = options->history_meta_ttl_ms;
    m->stamps[++m->top] = now;
    if (m->top + 1 - m->first > options->history_size) {
        m->first = m->top + 1 - options->history_size;
    }
    assert_int_equal(answer.offset, m->top);
    model_expire(m, now);
}

static void model_step(world *w, model_channel *m, const char *name, uint64_t *random)
{
    uint64_t action = srl_test_random_below(random, 100);
    srl_test_node *node = srl_test_random_below(random, 2) ? &w->a : &w->b;
    uint64_t now = w->clock.now_ms;
    srl_test_answer answer = {0};
    srl_broker_channel options = srl_test_channel(name, 1 + (uint32_t)srl_test_random_below(random, 20));
    options.history_ttl_ms = srl_test_random_below(random, 3) * 100;
    options.history_meta_ttl_ms = srl_test_random_below(random, 3) * 150;
    model_expire(m, now);
    if (action < 50) {
        model_publish(node, m, &options, now);
    } else if (action < 90) {
        uint32_t limit = (uint32_t)srl_test_random_below(random, 25);
        uint64_t since = srl_test_random_below(random, 2) ? 0 : m->top - srl_test_random_below(random, 25);
        bool reverse = srl_test_random_below(random, 2);
        since = since > m->top + 1 ? 0 : since;
        srl_test_history(node, &options, since, "", limit, reverse, &answer);
        model_use(m, &options, &answer, now);
        model_check_history(m, since, limit, reverse, &answer);
    } else if (!m->is_subscribed) {
        srl_test_subscribe(&w->a, &options, m, &answer);
        model_use(m, &options, &answer, now);
        assert_int_equal(answer.offset, m->top);
        m->is_subscribed = true;
    } else {
        w->a.ops->unsubscribe(w->a.link, name, strlen(name), m);
        m->is_subscribed = false;
        m->used = now;
    }
}

static void history_is_as_a_naive_model_has_it(void **state)
{
    world *w = *state;
    static model_channel models[MODEL_CHANNELS];
    static const char *names[MODEL_CHANNELS] = {"one", "two", "three"};
    uint64_t random = 2024;
    memset(models, 0, sizeof(models));
    for (int step = 0; step < 100000; step++) {
        uint64_t which = srl_test_random_below(&random, MODEL_CHANNELS);
        model_step(w, &models[which], names[which], &random);
        if (srl_test_random_below(&random, 4) == 0) {
            fake_platform_advance(&w->clock, srl_test_random_below(&random, 200));
        }
        if (srl_test_random_below(&random, 8) == 0) {
            srl_test_node_run(&w->a);
            srl_test_node_run(&w->b);
        }
        srl_test_node_forget(&w->a);
    }
}

/* Everything a broker does, on memory that fails; what failed must have changed nothing. */
typedef struct tally {
    const srl_allocator *alloc;
    srl_broker *broker;
    srl_test_node a;
    srl_test_node b;
    uint64_t published;
    uint32_t members;
    size_t subscribed;
} tally;

static void tally_publish(tally *t)
{
    srl_broker_channel channel = srl_test_channel("x", 50);
    srl_test_answer answer = {0};
    size_t own = t->a.log_count;
    srl_test_publish(&t->a, &channel, SRL_MESSAGE_PUBLICATION, "data", &answer);
    if (answer.returned == SRL_OK) {
        assert_int_equal(answer.offset, ++t->published);
        assert_int_equal(t->a.log_count, own + (t->subscribed > 0));
    } else {
        assert_int_equal(answer.returned, SRL_ERR_NOMEM);
        assert_int_equal(answer.answers, 0);
        assert_int_equal(t->a.log_count, own);
    }
}

static void tally_use(tally *t)
{
    srl_broker_channel channel = srl_test_channel("x", 50);
    srl_test_answer answer = {0};
    srl_test_subscribe(&t->a, &channel, ROOM(0), &answer);
    t->subscribed += answer.returned == SRL_OK;
    tally_publish(t);
    srl_test_subscribe(&t->b, &channel, ROOM(1), &answer);
    size_t foreign = answer.returned == SRL_OK;
    uint64_t before = t->published;
    for (int i = 0; i < 12; i++) {
        char client[16], user[16];
        snprintf(client, sizeof(client), "c%d", i);
        snprintf(user, sizeof(user), "u%d", i / 2);
        tally_publish(t);
        srl_test_presence_add(&t->b, &channel, client, user, "info", &answer);
        t->members += answer.returned == SRL_OK;
    }
    t->b.wakes = 1;
    srl_test_node_run(&t->b);
    assert_int_equal(t->b.log_count, foreign * (t->published - before));
    srl_test_history(&t->a, &channel, 0, "", 64, false, &answer);
    if (answer.returned == SRL_OK) {
        assert_int_equal(answer.offset, t->published);
        assert_int_equal(answer.count, t->published);
    }
    srl_test_presence_list(&t->a, &channel, 16, &answer);
    if (answer.returned == SRL_OK) {
        assert_int_equal(answer.num_sessions, t->members);
    }
}

static void failing_scenario(const srl_allocator *alloc, void *user)
{
    tally t = {.alloc = alloc};
    fake_platform clock;
    (void)user;
    fake_platform_init(&clock, 5);
    if (srl_broker_create_memory(alloc, &t.broker) != SRL_OK) {
        return;
    }
    if (srl_test_node_attach(&t.a, t.broker, &clock) == SRL_OK) {
        if (srl_test_node_attach(&t.b, t.broker, &clock) == SRL_OK) {
            tally_use(&t);
            srl_test_node_free(&t.b);
        }
        srl_test_node_free(&t.a);
    }
    srl_broker_release(t.broker);
}

static void a_failed_allocation_changes_nothing(void **state)
{
    (void)state;
    assert_true(srl_test_each_failing_alloc(failing_scenario, NULL) > 60);
}

static void a_failed_first_use_leaves_no_channel(void **state)
{
    world *w = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("new", 5);
    publish(&w->a, srl_test_channel("there", 5), "x");
    uint64_t nth = 0;
    do {
        size_t before = w->memory.live_blocks;
        srl_test_alloc_fail(&w->memory, ++nth, false);
        srl_test_publish(&w->a, &channel, SRL_MESSAGE_PUBLICATION, "x", &answer);
        if (answer.returned != SRL_OK) {
            assert_int_equal(answer.returned, SRL_ERR_NOMEM);
            assert_int_equal(w->memory.live_blocks, before);
        }
    } while (answer.returned != SRL_OK);
    assert_true(nth > 3);
    srl_test_alloc_fail(&w->memory, 0, false);
}

/* Two relays on two threads. */
enum { THREAD_CHANNELS = 4, THREAD_MESSAGES = 20000 };

typedef struct thread_side {
    srl_broker *broker;
    fake_platform clock;
    srl_test_node node;
    atomic_int *ready;
    pthread_t thread;
    uint64_t next[THREAD_CHANNELS]; /* offset that must come next */
    uint64_t received;
    const char *problem;
    size_t first_room;
} thread_side;

static void check_order(srl_test_node *node, const srl_test_delivery *delivery, const srl_publication *publication)
{
    thread_side *side = node->user;
    size_t channel = (size_t)((char *)delivery->room - rooms) % THREAD_CHANNELS;
    if (publication->offset != ++side->next[channel]) {
        side->problem = "a publication is missing, twice, or out of order";
    }
    if (publication->data_len != 7 || memcmp(publication->data, "payload", 7) != 0) {
        side->problem = "a publication is damaged";
    }
    side->received++;
    srl_test_node_forget(node);
}

static void wait_for_other(thread_side *side, int both)
{
    atomic_fetch_add(side->ready, 1);
    while (atomic_load(side->ready) < both) {
        sched_yield();
    }
}

static void *run_side(void *argument)
{
    static const char *names[THREAD_CHANNELS] = {"a", "b", "c", "d"};
    thread_side *side = argument;
    srl_test_answer *answer = calloc(1, sizeof(*answer));
    size_t first = side->first_room;
    for (size_t i = 0; answer != NULL && i < THREAD_CHANNELS; i++) {
        srl_broker_channel channel = srl_test_channel(names[i], 50);
        srl_test_subscribe(&side->node, &channel, ROOM(first + i), answer);
    }
    wait_for_other(side, 2);
    for (uint32_t i = 0; answer != NULL && i < THREAD_MESSAGES; i++) {
        srl_broker_channel channel = srl_test_channel(names[i % THREAD_CHANNELS], 50);
        channel.history_ttl_ms = 5;
        srl_test_publish(&side->node, &channel, SRL_MESSAGE_PUBLICATION, "payload", answer);
        if (answer->returned != SRL_OK || answer->answers != 1) {
            side->problem = "a publish failed";
        }
        if (i % 64 == 0) {
            srl_test_history(&side->node, &channel, 0, "", 50, i % 128 == 0, answer);
            srl_test_presence_add(&side->node, &channel, first ? "c1" : "c2", "user", "info", answer);
            srl_test_presence_list(&side->node, &channel, 5, answer);
            srl_test_presence_remove(&side->node, &channel, first ? "c1" : "c2", "user", answer);
            fake_platform_advance(&side->clock, 1);
        }
        srl_test_node_run(&side->node);
    }
    for (uint32_t i = 0; i < 10000000 && side->received < 2 * THREAD_MESSAGES; i++) {
        if (!srl_test_node_run(&side->node)) {
            sched_yield();
        }
    }
    free(answer);
    srl_test_node_detach(&side->node);
    return NULL;
}

static void two_threads_see_every_offset_once_in_order(void **state)
{
    (void)state;
    srl_broker *broker;
    atomic_int ready = 0;
    static thread_side sides[2];
    memset(sides, 0, sizeof(sides));
    assert_int_equal(srl_broker_create_memory(NULL, &broker), SRL_OK);
    for (size_t i = 0; i < 2; i++) {
        sides[i].broker = broker;
        sides[i].ready = &ready;
        sides[i].first_room = i * THREAD_CHANNELS;
        fake_platform_init(&sides[i].clock, i);
        assert_int_equal(srl_test_node_attach(&sides[i].node, broker, &sides[i].clock), SRL_OK);
        sides[i].node.on_deliver = check_order;
        sides[i].node.user = &sides[i];
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&sides[i].thread, NULL, run_side, &sides[i]), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(sides[i].thread, NULL), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_null(sides[i].problem);
        assert_int_equal(sides[i].received, 2 * THREAD_MESSAGES);
        srl_test_node_free(&sides[i].node);
    }
    srl_broker_release(broker);
}

/* One thread publishes, the other's nodes come and go. */
typedef struct churn {
    srl_broker *broker;
    fake_platform clock;
    atomic_bool must_stop;
} churn;

static void *publish_for_long(void *argument)
{
    churn *c = argument;
    srl_test_node node;
    srl_test_answer *answer = calloc(1, sizeof(*answer));
    srl_broker_channel channel = srl_test_channel("x", 10);
    if (answer != NULL && srl_test_node_attach(&node, c->broker, &c->clock) == SRL_OK) {
        while (!atomic_load(&c->must_stop)) {
            srl_test_publish(&node, &channel, SRL_MESSAGE_PUBLICATION, "x", answer);
        }
        srl_test_node_free(&node);
    }
    free(answer);
    return NULL;
}

static void nodes_come_and_go_while_others_publish(void **state)
{
    (void)state;
    churn c = {.must_stop = false};
    fake_platform clock;
    pthread_t thread;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("x", 10);
    fake_platform_init(&c.clock, 1);
    fake_platform_init(&clock, 2);
    assert_int_equal(srl_broker_create_memory(NULL, &c.broker), SRL_OK);
    assert_int_equal(pthread_create(&thread, NULL, publish_for_long, &c), 0);
    for (int i = 0; i < 3000; i++) {
        srl_test_node *node = malloc(sizeof(*node));
        assert_non_null(node);
        assert_int_equal(srl_test_node_attach(node, c.broker, &clock), SRL_OK);
        srl_test_subscribe(node, &channel, ROOM(0), &answer);
        uint64_t top = answer.offset;
        sched_yield();
        srl_test_node_run(node);
        for (size_t k = 0; k < node->log_count; k++) {
            assert_int_equal(node->log[k].offset, top + k + 1);
        }
        srl_test_node_free(node);
        free(node);
    }
    atomic_store(&c.must_stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    srl_broker_release(c.broker);
}

#define T(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_table_must_be_complete),
        T(some_functions_may_be_missing),
        T(a_broker_ends_with_its_last_reference),
        cmocka_unit_test(no_randomness_no_broker),
        T(the_own_node_has_it_when_publish_returns),
        T(a_node_is_woken_once_until_it_processes),
        T(the_answer_comes_before_the_delivery),
        T(nothing_is_stored_that_cannot_be_passed_on),
        T(idle_channels_give_their_memory_back),
        T(another_node_takes_the_timer_over),
        T(channels_nobody_needs_are_not_there),
        T(what_is_left_is_freed),
        T(the_broker_may_end_inside_a_delivery),
        T(calls_after_detach_are_refused),
        T(history_is_as_a_naive_model_has_it),
        cmocka_unit_test(a_failed_allocation_changes_nothing),
        T(a_failed_first_use_leaves_no_channel),
        cmocka_unit_test(two_threads_see_every_offset_once_in_order),
        cmocka_unit_test(nodes_come_and_go_while_others_publish),
    };
    int failed = srl_test_broker_suite_run("memory broker: contract", &memory_kind);
    return cmocka_run_group_tests_name("memory broker", tests, NULL, NULL) + failed;
}
