/* The Redis broker when connections break, and when the server goes away, comes back, or has lost what it had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <streamrelay/error.h>
#include <streamrelay/redis_broker.h>

#include "helpers/broker_calls.h"
#include "helpers/fail_alloc.h"
#include "helpers/fault_proxy.h"
#include "helpers/redis_server.h"
#include "helpers/two_nodes.h"

static void a_lost_subscription_connection_loses_nothing(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 5000);
    static srl_test_answer answers[1500];
    (void)state;
    memset(answers, 0, sizeof(answers));
    subscribe(w, &w->b, channel);
    for (int i = 0; i < 1500; i++) {
        if (i % 250 == 10) {
            srl_test_redis_command(&w->server, "CLIENT KILL TYPE pubsub", NULL, 0);
        }
        srl_test_publish(&w->a, &channel, SRL_MESSAGE_PUBLICATION, "x", &answers[i]);
        srl_test_node_run(&w->a);
        if (i % 7 == 0) {
            srl_test_node_run(&w->b);
        }
    }
    run_until_logged(w, &w->b, 1500);
    assert_counted(&w->b, 0, 1500);
    end(w);
}

static void more_than_one_answer_holds_is_read_in_parts(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 5000);
    static srl_test_answer answers[2000];
    (void)state;
    memset(answers, 0, sizeof(answers));
    subscribe(w, &w->b, channel);
    srl_test_redis_command(&w->server, "CLIENT KILL TYPE pubsub", NULL, 0);
    for (int i = 0; i < 2000; i++) { /* the other node does not look meanwhile */
        srl_test_publish(&w->a, &channel, SRL_MESSAGE_PUBLICATION, "x", &answers[i]);
    }
    for (int i = 0; i < 300; i++) {
        srl_test_node_run(&w->a);
    }
    run_until_logged(w, &w->b, 2000);
    assert_counted(&w->b, 0, 2000);
    end(w);
}

static void a_publication_waits_and_is_stored_once(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 100);
    srl_test_answer waiting[20];
    (void)state;
    memset(waiting, 0, sizeof(waiting));
    subscribe(w, &w->b, channel);
    publish(w, &w->a, channel, "before");
    srl_test_redis_pause(&w->server);
    for (int i = 0; i < 20; i++) {
        srl_test_publish(&w->a, &channel, SRL_MESSAGE_PUBLICATION, "x", &waiting[i]);
    }
    run(w, 1500); /* it is silent for longer than a command may take: the connection is given up */
    assert_int_equal(waiting[0].answers, 0);
    srl_test_redis_resume(&w->server);
    for (int i = 0; i < 20; i++) {
        run_until_answered(w, &waiting[i]);
        assert_int_equal(waiting[i].error, SRL_OK);
        assert_int_equal(waiting[i].offset, i + 2);
    }
    run_until_logged(w, &w->b, 21);
    assert_counted(&w->b, 0, 21);
    end(w);
}

static void it_may_fail_at_once_instead(void **state)
{
    srl_redis_broker_config config;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("c", 100);
    (void)state;
    srl_redis_broker_config_init(&config, sizeof(config));
    config.away_publish = config.away_subscribe = SRL_REDIS_AWAY_FAIL;
    world *w = begin(&config);
    srl_test_redis_kill(&w->server);
    while (w->a.reports) {
        run(w, 1);
    }
    srl_test_publish(&w->a, &channel, SRL_MESSAGE_PUBLICATION, "x", &answer);
    assert_int_equal(answer.returned, SRL_ERR_BROKER_DOWN);
    srl_test_subscribe(&w->a, &channel, ROOM(0), &answer);
    assert_int_equal(answer.returned, SRL_ERR_BROKER_DOWN);
    srl_test_redis_restart(&w->server);
    run_until_up(w);
    assert_int_equal(publish(w, &w->a, channel, "y").error, SRL_OK);
    end(w);
}

static void what_waits_has_bounds(void **state)
{
    srl_redis_broker_config config;
    static srl_test_answer answers[100];
    srl_broker_channel channel = srl_test_channel("c", 100);
    int taken = 0;
    (void)state;
    memset(answers, 0, sizeof(answers));
    srl_redis_broker_config_init(&config, sizeof(config));
    config.max_waiting_bytes = 20000;
    config.away_wait_ms = 500;
    world *w = begin(&config);
    srl_test_redis_kill(&w->server);
    while (w->a.reports) {
        run(w, 1);
    }
    for (int i = 0; i < 100; i++) {
        srl_test_publish(&w->a, &channel, SRL_MESSAGE_PUBLICATION, "x", &answers[i]);
        taken += answers[i].returned == SRL_OK;
        assert_true(answers[i].returned == SRL_OK || answers[i].returned == SRL_ERR_LIMIT);
    }
    assert_in_range(taken, 5, 60);
    run(w, 1500);
    for (int i = 0; i < taken; i++) {
        assert_int_equal(answers[i].answers, 1);
        assert_int_equal(answers[i].error, SRL_ERR_BROKER_DOWN);
    }
    srl_test_subscribe(&w->a, &channel, ROOM(0), &answers[99]);
    run_until_answered(w, &answers[99]);
    assert_int_equal(answers[99].error, SRL_ERR_BROKER_DOWN);
    srl_test_redis_restart(&w->server);
    run_until_up(w);
    subscribe(w, &w->a, channel);
    assert_int_equal(publish(w, &w->b, channel, "y").offset, 1);
    run_until_logged(w, &w->a, 1);
    end(w);
}

static void a_full_server_refuses_and_goes_on(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 100);
    (void)state;
    subscribe(w, &w->b, channel);
    publish(w, &w->a, channel, "1");
    srl_test_redis_command(&w->server, "CONFIG SET maxmemory 1", NULL, 0);
    assert_int_equal(publish(w, &w->a, channel, "no").error, SRL_ERR_BROKER_DOWN);
    assert_int_equal(since(w, channel, "", 0).count, 1);
    if (w->server.version >= 700) { /* a script cannot say that it may go on */
        subscribe(w, &w->a, srl_test_channel("other", 100));
    }
    srl_test_redis_command(&w->server, "CONFIG SET maxmemory 0", NULL, 0);
    assert_int_equal(publish(w, &w->a, channel, "2").offset, 2);
    run_until_logged(w, &w->b, 2);
    assert_counted(&w->b, 0, 2);
    end(w);
}

static void a_replica_is_not_written_to(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 100);
    srl_test_answer answer = {0};
    (void)state;
    subscribe(w, &w->b, channel);
    publish(w, &w->a, channel, "1");
    srl_test_redis_command(&w->server, "REPLICAOF 127.0.0.1 1", NULL, 0);
    srl_test_publish(&w->a, &channel, SRL_MESSAGE_PUBLICATION, "2", &answer);
    run(w, 1000);
    assert_int_equal(answer.answers, 0);
    assert_int_equal(w->a.reports, 0);
    srl_test_redis_command(&w->server, "REPLICAOF NO ONE", NULL, 0);
    run_until_answered(w, &answer);
    assert_int_equal(answer.error, SRL_OK);
    run_until_last(w, &w->b, NULL, "2");
    end(w);
}

static void a_foreign_key_concerns_its_channel_only(void **state)
{
    world *w = begin(NULL);
    srl_test_answer answer = {0};
    srl_broker_channel bad = srl_test_channel("bad", 10), good = srl_test_channel("good", 10);
    char line[128];
    (void)state;
    publish(w, &w->a, bad, "x");
    srl_test_redis_command(&w->server,
                           "EVAL \"for _,k in ipairs(redis.call('KEYS','*:s:bad')) do redis.call('SET',k,1) end\" 0",
                           line, sizeof(line));
    assert_int_equal(publish(w, &w->a, bad, "y").error, SRL_ERR_REDIS);
    srl_test_subscribe(&w->b, &bad, ROOM(0), &answer);
    run_until_answered(w, &answer);
    assert_int_equal(answer.error, SRL_ERR_REDIS);
    subscribe(w, &w->b, good);
    assert_int_equal(publish(w, &w->a, good, "z").offset, 1);
    run_until_logged(w, &w->b, 1);
    assert_true(w->a.reports && w->b.reports);
    end(w);
}

static void scripts_that_were_flushed_are_loaded_again(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 100);
    static srl_test_answer answers[50];
    (void)state;
    memset(answers, 0, sizeof(answers));
    subscribe(w, &w->b, channel);
    srl_test_redis_command(&w->server, "FUNCTION FLUSH", NULL, 0);
    srl_test_redis_command(&w->server, "SCRIPT FLUSH", NULL, 0);
    for (int i = 0; i < 50; i++) {
        srl_test_publish(&w->a, &channel, SRL_MESSAGE_PUBLICATION, "x", &answers[i]);
    }
    for (int i = 0; i < 50; i++) {
        run_until_answered(w, &answers[i]);
        assert_int_equal(answers[i].offset, i + 1); /* in the order they were given */
    }
    run_until_logged(w, &w->b, 50);
    end(w);
}

static void a_deaf_connection_is_noticed(void **state)
{
    srl_redis_broker_config config;
    srl_broker_channel channel = srl_test_channel("c", 100);
    (void)state;
    srl_redis_broker_config_init(&config, sizeof(config));
    config.sweep_ms = 1000;
    world *w = begin(&config);
    subscribe(w, &w->b, channel);
    /* The stream gets an entry that nobody announced: the sweep finds it. */
    srl_test_answer first = publish(w, &w->a, channel, "1");
    run_until_logged(w, &w->b, 1);
    char line[256];
    snprintf(line, sizeof(line),
             "EVAL \"local k=redis.call('KEYS','*:s:c')[1] local l=redis.call('XREVRANGE',k,'+','-','COUNT',1) return "
             "redis.call('XADD',k,'%s-2','d',l[1][2][2])\" 0",
             first.epoch);
    srl_test_redis_command(&w->server, line, NULL, 0);
    run_until_logged(w, &w->b, 2);
    assert_counted(&w->b, 0, 2);
    end(w);
}

/* The same as by the publisher's function, but nobody is told; or told of what is not stored. */
static void slip_in(world *w, const char *epoch, unsigned offset, bool is_stored)
{
    char line[512];
    snprintf(line, sizeof(line),
             "EVAL \"local k=redis.call('KEYS','*:s:c')[1] local l=redis.call('XREVRANGE',k,'+','-','COUNT',1) return "
             "redis.call(%s'%s-%u%s)\" 0",
             is_stored ? "'XADD',k," : "'PUBLISH',string.gsub(k,':s:',':c:').. '',", epoch, offset,
             is_stored ? "','d',l[1][2][2]" : " '..l[1][2][2]");
    srl_test_redis_command(&w->server, line, line, sizeof(line));
}

static void quiet_rooms_are_swept_again_and_again(void **state)
{
    srl_redis_broker_config config;
    srl_broker_channel channel = srl_test_channel("c", 100);
    (void)state;
    srl_redis_broker_config_init(&config, sizeof(config));
    config.sweep_ms = 1000;
    world *w = begin(&config);
    subscribe(w, &w->b, channel);
    srl_test_answer first = publish(w, &w->a, channel, "1");
    run_until_logged(w, &w->b, 1);
    for (unsigned i = 2; i < 5; i++) {
        run(w, 3000);
        slip_in(w, first.epoch, i, true);
        run_until_logged(w, &w->b, i);
    }
    assert_counted(&w->b, 0, 4);
    end(w);
}

static int64_t calls_of(const world *w, const char *command)
{
    char line[256];
    snprintf(line, sizeof(line),
             "EVAL \"return tonumber(string.match(redis.call('INFO','commandstats'),'cmdstat_%s:calls=(%%d+)'))\" 0",
             command);
    srl_test_redis_command(&w->server, line, line, sizeof(line));
    return line[0] == ':' ? strtoll(line + 1, NULL, 10) : 0;
}

/* It was heard, and lost before it was saved; or it came from a server that is the master no more. */
static void what_was_heard_and_is_not_stored_is_let_go(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 100);
    (void)state;
    subscribe(w, &w->b, channel);
    srl_test_answer first = publish(w, &w->a, channel, "1");
    run_until_logged(w, &w->b, 1);
    slip_in(w, first.epoch, 5, false);
    run(w, 100);
    int64_t calls = calls_of(w, "fcall");
    run(w, 1000);
    assert_in_range(calls_of(w, "fcall") - calls, 0, 50);
    publish(w, &w->a, channel, "2");
    run_until_logged(w, &w->b, 2);
    assert_counted(&w->b, 0, 2);
    end(w);
}

/* The numbers of connections begin anew with the server. */
static void nobody_else_is_cut_off_after_a_restart(void **state)
{
    enum { OTHERS = 40 };
    world *w = begin(NULL);
    int others[OTHERS];
    int lost = 0;
    char answer[8];
    (void)state;
    srl_test_redis_restart(&w->server);
    for (int i = 0; i < OTHERS; i++) {
        others[i] = srl_test_redis_connect(&w->server);
        assert_int_equal(write(others[i], "PING\r\n", 6), 6);
        assert_int_equal(read(others[i], answer, sizeof(answer)), 7);
    }
    run(w, 300);
    run_until_up(w);
    run(w, 300);
    for (int i = 0; i < OTHERS; i++) {
        lost += send(others[i], "PING\r\n", 6, MSG_NOSIGNAL) != 6 || read(others[i], answer, sizeof(answer)) != 7;
        close(others[i]);
    }
    assert_int_equal(lost, 0);
    end(w);
}

/* What is refused for a moment (a script runs for too long) must not be run behind what came later. */
static void what_was_refused_is_not_overtaken(void **state)
{
    srl_test_proxy proxy;
    srl_broker_channel channel = srl_test_channel("c", 100);
    srl_test_answer first = {0}, second = {0};
    static const char busy[] = "EVAL \"local n=0 for i=1,9000000 do n=n+i end\" 0\r\n";
    (void)state;
    world *w = begin_at(NULL, &proxy);
    srl_test_redis_command(&w->server, "CONFIG SET busy-reply-threshold 1", NULL, 0);
    publish(w, &w->a, channel, "0");
    int other = srl_test_redis_connect(&w->server);
    atomic_store(&proxy.delay_ms, 250);
    srl_test_publish(&w->a, &channel, SRL_MESSAGE_PUBLICATION, "1", &first);
    run(w, 170);
    assert_int_equal(write(other, busy, sizeof(busy) - 1), (ssize_t)sizeof(busy) - 1);
    run(w, 20);
    srl_test_publish(&w->a, &channel, SRL_MESSAGE_PUBLICATION, "2", &second);
    run(w, 300);
    atomic_store(&proxy.delay_ms, 0);
    run_until_answered(w, &first);
    run_until_answered(w, &second);
    close(other);
    assert_int_equal(second.error, SRL_OK);
    assert_true(first.error != SRL_OK || first.offset < second.offset);
    end(w);
    srl_test_proxy_stop(&proxy);
}

/* A failover, of which only the connection for requests took notice: the old master lives on as a replica. */
static void all_connections_go_to_the_new_master(void **state)
{
    srl_test_proxy proxy;
    srl_test_redis next;
    srl_broker_channel channel = srl_test_channel("c", 100);
    srl_test_answer answer = {0};
    char line[64];
    (void)state;
    world *w = begin_at(NULL, &proxy);
    subscribe(w, &w->b, channel);
    publish(w, &w->a, channel, "1");
    run_until_logged(w, &w->b, 1);
    assert_true(srl_test_redis_start(&next, NULL));
    proxy.upstream = next.port;
    srl_test_redis_pause(&w->server);
    srl_test_publish(&w->a, &channel, SRL_MESSAGE_PUBLICATION, "2", &answer);
    srl_test_nodes(&w->b, &answer);
    run(w, 1300);
    srl_test_redis_resume(&w->server);
    snprintf(line, sizeof(line), "REPLICAOF 127.0.0.1 %u", (unsigned)next.port);
    srl_test_redis_command(&w->server, line, NULL, 0);
    run(w, 5000);
    srl_test_answer last = publish(w, &w->a, channel, "3");
    assert_int_equal(last.error, SRL_OK);
    run_until_last(w, &w->b, last.epoch, NULL);
    end(w);
    srl_test_redis_stop(&next);
    srl_test_proxy_stop(&proxy);
}

static void notes_come_before_what_is_published_later(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 100);
    srl_test_answer answer = {0};
    (void)state;
    subscribe(w, &w->b, channel);
    srl_test_redis_command(&w->server, "CLIENT KILL TYPE pubsub", NULL, 0);
    assert_int_equal(srl_test_control(&w->a, "note"), SRL_OK);
    srl_test_publish(&w->a, &channel, SRL_MESSAGE_PUBLICATION, "x", &answer);
    for (int i = 0; i < 300; i++) {
        srl_test_node_run(&w->a);
    }
    run_until_logged(w, &w->b, 2);
    assert_int_equal(w->b.log[0].kind, SRL_TEST_NOTE);
    end(w);
}

static void large_publications_are_caught_up_too(void **state)
{
    world *w = calloc(1, sizeof(*w));
    srl_redis_options *options;
    srl_broker_channel channel = srl_test_channel("c", 1000);
    srl_test_answer answers[100];
    char url[128];
    static char large[20001];
    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    memset(answers, 0, sizeof(answers));
    assert_true(srl_test_redis_start(&w->server, NULL));
    int len = snprintf(url, sizeof(url), "redis://127.0.0.1:%u?command_timeout=1s&backoff_max=200ms&max_reply=1m",
                       (unsigned)w->server.port);
    fake_platform_init(&w->clock, 5);
    assert_int_equal(srl_redis_options_create(url, (size_t)len, &options), SRL_OK);
    assert_int_equal(srl_redis_broker_create(options, NULL, &w->broker), SRL_OK);
    srl_redis_options_destroy(options);
    assert_int_equal(srl_test_node_attach(&w->a, w->broker, &w->clock), SRL_OK);
    assert_int_equal(srl_test_node_attach(&w->b, w->broker, &w->clock), SRL_OK);
    run_until_up(w);
    subscribe(w, &w->b, channel);
    srl_test_redis_command(&w->server, "CLIENT KILL TYPE pubsub", NULL, 0);
    for (int i = 0; i < 100; i++) {
        srl_test_publish(&w->a, &channel, SRL_MESSAGE_PUBLICATION, large, &answers[i]);
        srl_test_node_run(&w->a);
    }
    for (int i = 0; i < 1000; i++) {
        srl_test_node_run(&w->a);
    }
    run_until_logged(w, &w->b, 100);
    end(w);
}

static void run_alone(srl_test_node *node, const int *until, int ms)
{
    struct timespec moment = {.tv_sec = 0, .tv_nsec = 1000000};
    for (int i = 0; i < ms && *until == 0; i++) {
        srl_test_node_run(node);
        nanosleep(&moment, NULL);
    }
}

static void count_note(srl_test_node *node, const srl_test_delivery *note)
{
    (void)note;
    ++*(int *)node->user;
}

/* A node that goes up has its notes, whichever allocation failed on the way. */
static void notes_are_heard_after_any_failed_allocation(void **state)
{
    srl_test_redis server;
    fake_platform clock;
    (void)state;
    if (!srl_test_redis_start(&server, NULL)) {
        exit(77);
    }
    fake_platform_init(&clock, 5);
    for (unsigned nth = 1; nth < 70; nth++) {
        int notes = 0;
        srl_test_node node = {0};
        srl_test_alloc memory;
        srl_redis_options *options;
        srl_broker *broker;
        char url[96];
        int len = snprintf(url, sizeof(url), "redis://127.0.0.1:%u?backoff_max=200ms", (unsigned)server.port);
        srl_test_alloc_init(&memory);
        assert_int_equal(srl_redis_options_create(url, (size_t)len, &options), SRL_OK);
        assert_int_equal(srl_redis_options_set_allocator(options, &memory.table), SRL_OK);
        assert_int_equal(srl_redis_broker_create(options, NULL, &broker), SRL_OK);
        srl_redis_options_destroy(options);
        assert_int_equal(srl_test_node_attach(&node, broker, &clock), SRL_OK);
        node.on_note = count_note;
        node.user = &notes;
        srl_test_alloc_fail(&memory, nth, false);
        run_alone(&node, &node.reports, 20000);
        srl_test_alloc_fail(&memory, 0, false);
        for (int i = 0; i < 20 && notes == 0; i++) { /* it may be that they are subscribed to a moment later */
            assert_int_equal(srl_test_control(&node, "note"), SRL_OK);
            run_alone(&node, &notes, 300);
        }
        assert_true(notes > 0);
        srl_test_node_free(&node);
        srl_broker_release(broker);
        srl_test_alloc_check_empty(&memory);
    }
    srl_test_redis_stop(&server);
}

static void replicas_can_be_waited_for(void **state)
{
    srl_redis_broker_config config;
    srl_test_redis replica;
    srl_broker_channel channel = srl_test_channel("c", 100), plain = srl_test_channel("p", 0);
    char line[64];
    (void)state;
    srl_redis_broker_config_init(&config, sizeof(config));
    config.wait_replicas = 1;
    config.wait_replicas_ms = 300;
    world *w = begin(&config);
    srl_test_answer alone = publish(w, &w->a, channel, "1");
    assert_int_equal(alone.error, SRL_ERR_OUTCOME_UNKNOWN);
    assert_int_equal(alone.offset, 1);
    assert_true(srl_test_redis_start(&replica, NULL));
    snprintf(line, sizeof(line), "REPLICAOF 127.0.0.1 %u", (unsigned)w->server.port);
    srl_test_redis_command(&replica, line, NULL, 0);
    srl_test_answer both = {.error = -1};
    for (int i = 0; i < 60 && both.error != SRL_OK; i++) { /* its first replica gives a server another lineage */
        both = publish(w, &w->a, channel, "x");
        assert_true(both.offset > 0);
        run(w, 100);
    }
    assert_int_equal(both.error, SRL_OK);
    assert_int_equal(publish(w, &w->b, plain, "y").error, SRL_OK);
    srl_test_redis_stop(&replica);
    assert_int_equal(publish(w, &w->a, channel, "z").error, SRL_ERR_OUTCOME_UNKNOWN);
    srl_test_answer dropped = {0}; /* without an answer, as the node goes first */
    srl_test_publish(&w->a, &channel, SRL_MESSAGE_PUBLICATION, "last", &dropped);
    run(w, 20);
    end(w);
    assert_int_equal(dropped.answers, 0);
}

static void configurations_that_cannot_be(void **state)
{
    srl_redis_broker_config config;
    srl_broker *broker;
    (void)state;
    assert_int_equal(srl_redis_broker_create(NULL, NULL, NULL), SRL_ERR_INVALID);
    srl_redis_broker_config_init(&config, sizeof(config));
    config.prefix = "a{b";
    assert_int_equal(srl_redis_broker_create(NULL, &config, &broker), SRL_ERR_INVALID);
    srl_redis_broker_config_init(&config, sizeof(config));
    config.prefix_len = 0;
    assert_int_equal(srl_redis_broker_create(NULL, &config, &broker), SRL_ERR_INVALID);
    srl_redis_broker_config_init(&config, sizeof(config));
    config.away_publish = 7;
    assert_int_equal(srl_redis_broker_create(NULL, &config, &broker), SRL_ERR_INVALID);
    srl_redis_broker_config_init(&config, sizeof(config));
    config.wait_replicas = 1;
    config.wait_replicas_ms = 5000;
    assert_int_equal(srl_redis_broker_create(NULL, &config, &broker), SRL_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_subscription_connection_loses_nothing),
        cmocka_unit_test(more_than_one_answer_holds_is_read_in_parts),
        cmocka_unit_test(a_publication_waits_and_is_stored_once),
        cmocka_unit_test(it_may_fail_at_once_instead),
        cmocka_unit_test(what_waits_has_bounds),
        cmocka_unit_test(a_full_server_refuses_and_goes_on),
        cmocka_unit_test(a_replica_is_not_written_to),
        cmocka_unit_test(a_foreign_key_concerns_its_channel_only),
        cmocka_unit_test(scripts_that_were_flushed_are_loaded_again),
        cmocka_unit_test(a_deaf_connection_is_noticed),
        cmocka_unit_test(quiet_rooms_are_swept_again_and_again),
        cmocka_unit_test(what_was_heard_and_is_not_stored_is_let_go),
        cmocka_unit_test(nobody_else_is_cut_off_after_a_restart),
        cmocka_unit_test(what_was_refused_is_not_overtaken),
        cmocka_unit_test(all_connections_go_to_the_new_master),
        cmocka_unit_test(notes_come_before_what_is_published_later),
        cmocka_unit_test(large_publications_are_caught_up_too),
        cmocka_unit_test(notes_are_heard_after_any_failed_allocation),
        cmocka_unit_test(replicas_can_be_waited_for),
        cmocka_unit_test(configurations_that_cannot_be),
    };
    return cmocka_run_group_tests_name("redis_broker_faults", tests, NULL, NULL);
}
