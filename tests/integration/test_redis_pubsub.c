#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "helpers/fake_redis.h"
#include "helpers/fault_proxy.h"
#include "helpers/redis_client.h"
#include "helpers/redis_server.h"

static srl_test_redis server;

typedef struct listener {
    srl_redis_loop *loop;
    srl_redis_pubsub *pubsub;
    uint32_t ready, lost, failed, messages, dropped, restored;
    int kind;
    char channel[64], pattern[64], data[64];
} listener;

typedef struct settled {
    uint32_t calls;
    int error;
    char text[32];
} settled;

static void on_message(const srl_redis_message *message, void *user)
{
    listener *l = user;
    l->messages++;
    l->kind = (int)message->kind;
    snprintf(l->channel, sizeof(l->channel), "%.*s", (int)message->channel_len, message->channel);
    snprintf(l->pattern, sizeof(l->pattern), "%.*s", (int)message->pattern_len,
             message->pattern_len > 0 ? message->pattern : "");
    snprintf(l->data, sizeof(l->data), "%.*s", (int)(message->data_len < 60 ? message->data_len : 60), message->data);
}

static void on_state(int state, int error, const char *text, void *user)
{
    listener *l = user;
    (void)error;
    (void)text;
    l->ready += state == SRL_REDIS_READY;
    l->lost += state == SRL_REDIS_LOST;
    l->failed += state == SRL_REDIS_FAILED;
}

static void on_dropped(int kind, const char *channel, size_t len, void *user)
{
    (void)kind;
    (void)channel;
    (void)len;
    ((listener *)user)->dropped++;
}

static void on_restored(int kind, const char *channel, size_t len, void *user)
{
    (void)kind;
    (void)channel;
    (void)len;
    ((listener *)user)->restored++;
}

static void on_settled(int error, const char *text, void *user)
{
    settled *s = user;
    s->calls++;
    s->error = error;
    snprintf(s->text, sizeof(s->text), "%s", text);
}

static void open_listener(listener *l, uint16_t port, const char *query)
{
    srl_redis_options *options = test_options(port, query);
    srl_redis_pubsub_handlers handlers;
    memset(l, 0, sizeof(*l));
    srl_redis_pubsub_handlers_init(&handlers, sizeof(handlers));
    handlers.message = on_message;
    handlers.state = on_state;
    handlers.dropped = on_dropped;
    handlers.restored = on_restored;
    handlers.user = l;
    assert_int_equal(srl_redis_loop_create(options, &l->loop), SRL_OK);
    assert_int_equal(srl_redis_pubsub_create(l->loop, options, &handlers, &l->pubsub), SRL_OK);
    srl_redis_options_destroy(options);
}

static void close_listener(listener *l)
{
    srl_redis_pubsub_destroy(l->pubsub);
    srl_redis_loop_destroy(l->loop);
}

static void change(listener *l, bool subscribe, int kind, const char *name)
{
    settled s = {0};
    int error = subscribe ? srl_redis_pubsub_subscribe(l->pubsub, kind, 1, &name, NULL, on_settled, &s)
                          : srl_redis_pubsub_unsubscribe(l->pubsub, kind, 1, &name, NULL, on_settled, &s);
    assert_int_equal(error, SRL_OK);
    assert_int_equal(s.calls, 0); /* never inside the call */
    assert_true(test_wait(l->loop, &s.calls, 1, 5000));
    assert_int_equal(s.error, SRL_OK);
}

static void publish(const char *verb, const char *channel, const char *data)
{
    char line[200];
    snprintf(line, sizeof(line), "%s %s %s", verb, channel, data);
    srl_test_redis_command(&server, line, NULL, 0);
}

static void messages_of_all_kinds_arrive(void **state)
{
    int shard = server.version >= 700 ? SRL_REDIS_SHARD : SRL_REDIS_CHANNEL;
    (void)state;
    for (int protocol = 2; protocol <= 3; protocol++) {
        listener l;
        char query[32];
        snprintf(query, sizeof(query), "protocol=%d", protocol);
        open_listener(&l, server.port, query);
        change(&l, true, SRL_REDIS_CHANNEL, "news");
        change(&l, true, SRL_REDIS_CHANNEL, "pong"); /* names that look like the protocol */
        change(&l, true, SRL_REDIS_CHANNEL, "subscribe");
        change(&l, true, SRL_REDIS_PATTERN, "p*");
        change(&l, true, shard, "shard");
        assert_int_equal(srl_redis_pubsub_count(l.pubsub), 5);
        publish("PUBLISH", "news", "one");
        assert_true(test_wait(l.loop, &l.messages, 1, 5000));
        assert_string_equal(l.channel, "news");
        assert_string_equal(l.data, "one");
        assert_int_equal(l.kind, SRL_REDIS_CHANNEL);
        publish("PUBLISH", "pxyz", "two");
        assert_true(test_wait(l.loop, &l.messages, 2, 5000));
        assert_string_equal(l.channel, "pxyz");
        assert_string_equal(l.pattern, "p*");
        assert_int_equal(l.kind, SRL_REDIS_PATTERN);
        publish(shard == SRL_REDIS_SHARD ? "SPUBLISH" : "PUBLISH", "shard", "three");
        assert_true(test_wait(l.loop, &l.messages, 3, 5000));
        assert_int_equal(l.kind, shard);
        assert_string_equal(l.data, "three");
        change(&l, false, SRL_REDIS_PATTERN, "p*");
        publish("PUBLISH", "pong", "4");
        publish("PUBLISH", "pxyz", "never");
        publish("PUBLISH", "subscribe", "5");
        assert_true(test_wait(l.loop, &l.messages, 5, 5000));
        assert_string_equal(l.data, "5");
        change(&l, false, SRL_REDIS_CHANNEL, "unknown");
        change(&l, true, SRL_REDIS_CHANNEL, "news"); /* once more: nothing to do, and settled all the same */
        assert_int_equal(l.lost + l.failed + l.dropped, 0);
        assert_int_equal(l.messages, 5);
        close_listener(&l);
    }
}

static char (*make_names(size_t count))[24]
{
    char(*names)[24] = calloc(count, sizeof(*names));
    assert_non_null(names);
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof(names[i]), "c%zu", i);
    }
    return names;
}

static void many_channels_go_in_batches_and_come_back(void **state)
{
    enum { COUNT = 20000 };
    listener l;
    settled s = {0};
    char line[64];
    char(*names)[24] = make_names(COUNT);
    const char **pointers = calloc(COUNT, sizeof(*pointers));
    (void)state;
    assert_non_null(pointers);
    for (size_t i = 0; i < COUNT; i++) {
        pointers[i] = names[i];
    }
    open_listener(&l, server.port, "backoff_min=1&backoff_max=20");
    assert_int_equal(srl_redis_pubsub_subscribe(l.pubsub, SRL_REDIS_CHANNEL, COUNT, pointers, NULL, on_settled, &s),
                     SRL_OK);
    assert_true(test_wait(l.loop, &s.calls, 1, 20000));
    assert_int_equal(l.ready, 1);
    for (uint32_t round = 1; round <= 3; round++) {
        srl_test_redis_command(&server, "CLIENT KILL TYPE pubsub", NULL, 0);
        assert_true(test_wait(l.loop, &l.lost, round, 5000));
        assert_true(test_wait(l.loop, &l.ready, round + 1, 20000));
    }
    srl_test_redis_command(&server, "PUBLISH c19999 x", line, sizeof(line));
    assert_string_equal(line, ":1");
    assert_true(test_wait(l.loop, &l.messages, 1, 5000));
    assert_string_equal(l.channel, "c19999");
    s.calls = 0;
    assert_int_equal(srl_redis_pubsub_unsubscribe(l.pubsub, SRL_REDIS_CHANNEL, COUNT, pointers, NULL, on_settled, &s),
                     SRL_OK);
    assert_int_equal(srl_redis_pubsub_count(l.pubsub), 0);
    assert_true(test_wait(l.loop, &s.calls, 1, 20000));
    srl_test_redis_command(&server, "PUBLISH c19999 x", line, sizeof(line));
    assert_string_equal(line, ":0");
    close_listener(&l);
    free(pointers);
    free(names);
}

static void a_refused_channel_is_not_wanted_any_more(void **state)
{
    listener l;
    settled s = {0};
    const char *forbidden = "secret";
    (void)state;
    srl_test_redis_command(&server, "ACL SETUSER half on >pw +@all ~* resetchannels &open*", NULL, 0);
    for (int protocol = 2; protocol <= 3; protocol++) {
        char query[64];
        memset(&s, 0, sizeof(s));
        snprintf(query, sizeof(query), "user=half&password=pw&protocol=%d", protocol);
        open_listener(&l, server.port, query);
        change(&l, true, SRL_REDIS_CHANNEL, "open1");
        assert_int_equal(srl_redis_pubsub_subscribe(l.pubsub, SRL_REDIS_CHANNEL, 1, &forbidden, NULL, on_settled, &s),
                         SRL_OK);
        assert_true(test_wait(l.loop, &s.calls, 1, 5000));
        assert_int_equal(s.error, SRL_ERR_REDIS);
        assert_string_equal(s.text, "NOPERM");
        assert_int_equal(srl_redis_pubsub_count(l.pubsub), 1);
        change(&l, true, SRL_REDIS_CHANNEL, "open2");
        assert_int_equal(l.lost, 0);
        close_listener(&l);
    }
    srl_test_redis_command(&server, "ACL DELUSER half", NULL, 0);
}

static void a_call_waits_for_the_connection_and_survives_it(void **state)
{
    listener l;
    srl_test_proxy proxy;
    settled s = {0};
    const char *name = "later";
    (void)state;
    srl_test_proxy_start(&proxy, server.port);
    atomic_store(&proxy.refuse, true);
    open_listener(&l, proxy.port, "backoff_min=1&backoff_max=10");
    assert_int_equal(srl_redis_pubsub_subscribe(l.pubsub, SRL_REDIS_CHANNEL, 1, &name, NULL, on_settled, &s), SRL_OK);
    assert_true(test_wait(l.loop, &l.failed, 3, 5000));
    assert_int_equal(s.calls, 0);
    srl_test_proxy_heal(&proxy);
    /* hang up in the middle of what the server confirms, again and again */
    for (int after = 1; after < 160 && s.calls == 0; after += 9) {
        atomic_store(&proxy.cut_after[SRL_TEST_PROXY_DOWN], after);
        uint32_t before = l.failed + l.lost, now = before;
        for (uint64_t until = test_now_ms() + 3000; now == before && s.calls == 0 && test_now_ms() < until;) {
            (void)srl_redis_loop_run_once(l.loop, 2);
            now = l.failed + l.lost;
        }
    }
    srl_test_proxy_heal(&proxy);
    assert_true(test_wait(l.loop, &s.calls, 1, 5000));
    assert_int_equal(s.error, SRL_OK);
    publish("PUBLISH", "later", "x");
    assert_true(test_wait(l.loop, &l.messages, 1, 5000));
    close_listener(&l);
    srl_test_proxy_stop(&proxy);
}

static void an_end_by_the_server_is_told_and_undone(void **state)
{
    static const srl_test_step script[] = {
        FAKE_ACCEPT,
        FAKE_HELLO,
        FAKE_EXPECT("SSUBSCRIBE a"),
        FAKE_EXPECT("PING 1"),
        FAKE_SEND(">3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n$1\r\n1\r\n"),
        FAKE_SEND(">3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n"),
        FAKE_EXPECT("SSUBSCRIBE a"),
        FAKE_EXPECT("PING 2"),
        FAKE_SEND(">3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n$1\r\n2\r\n"),
        FAKE_SEND(">3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\nx\r\n"),
        FAKE_SWALLOW,
    };
    srl_test_fake fake;
    listener l;
    (void)state;
    srl_test_fake_start(&fake, script, sizeof(script) / sizeof(script[0]));
    open_listener(&l, fake.port, "client_info=false");
    change(&l, true, SRL_REDIS_SHARD, "a");
    assert_true(test_wait(l.loop, &l.messages, 1, 5000));
    assert_int_equal(l.dropped, 1);
    assert_int_equal(l.restored, 1);
    close_listener(&l);
    srl_test_fake_stop(&fake);
}

static void what_is_not_asked_for_breaks_the_connection(void **state)
{
    static const char *const answers[] = {
        "+OK\r\n",
        "$1\r\n9\r\n",
        ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n",
        ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n$1\r\n7\r\n",
        ">3\r\n$10\r\npsubscribe\r\n$1\r\na\r\n:1\r\n",
        "$1\r\n1\r\n", /* the fence before the confirmation */
        "?",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        const srl_test_step script[] = {
            FAKE_ACCEPT,
            FAKE_HELLO,
            FAKE_EXPECT("SUBSCRIBE a"),
            FAKE_EXPECT("PING 1"),
            FAKE_SEND(answers[i]),
            FAKE_SWALLOW,
            FAKE_ACCEPT,
            FAKE_HELLO,
            FAKE_EXPECT("SUBSCRIBE a"),
            FAKE_EXPECT("PING 2"),
            FAKE_SEND(">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n$1\r\n2\r\n"),
        };
        srl_test_fake fake;
        listener l;
        srl_test_fake_start(&fake, script, sizeof(script) / sizeof(script[0]));
        open_listener(&l, fake.port, "client_info=false&backoff_min=1&backoff_max=5");
        change(&l, true, SRL_REDIS_CHANNEL, "a");
        srl_test_fake_stop(&fake);
        close_listener(&l);
    }
}

static void a_silent_server_is_noticed(void **state)
{
    listener l;
    srl_test_proxy proxy;
    (void)state;
    srl_test_proxy_start(&proxy, server.port);
    open_listener(&l, proxy.port, "idle_probe=50ms&command_timeout=100ms&backoff_min=1&backoff_max=10");
    change(&l, true, SRL_REDIS_CHANNEL, "quiet");
    uint64_t until = test_now_ms() + 300;
    while (test_now_ms() < until) {
        (void)srl_redis_loop_run_once(l.loop, 10);
    }
    assert_int_equal(l.lost, 0); /* the probes are answered */
    atomic_store(&proxy.swallow[SRL_TEST_PROXY_DOWN], true);
    assert_true(test_wait(l.loop, &l.lost, 1, 3000));
    srl_test_proxy_heal(&proxy);
    assert_true(test_wait(l.loop, &l.ready, 2, 5000));
    publish("PUBLISH", "quiet", "x");
    assert_true(test_wait(l.loop, &l.messages, 1, 5000));
    close_listener(&l);
    srl_test_proxy_stop(&proxy);
}

static void quick_changes_of_mind_end_as_the_last_one_says(void **state)
{
    listener l;
    settled s = {0};
    const char *name = "fickle";
    char line[64];
    (void)state;
    open_listener(&l, server.port, "");
    for (uint32_t i = 0; i < 101; i++) {
        int error = i % 2 == 0
                        ? srl_redis_pubsub_subscribe(l.pubsub, SRL_REDIS_CHANNEL, 1, &name, NULL, on_settled, &s)
                        : srl_redis_pubsub_unsubscribe(l.pubsub, SRL_REDIS_CHANNEL, 1, &name, NULL, on_settled, &s);
        assert_int_equal(error, SRL_OK);
        if (i % 7 == 0) {
            (void)srl_redis_loop_run_once(l.loop, 1);
        }
    }
    assert_true(test_wait(l.loop, &s.calls, 101, 5000));
    assert_int_equal(l.lost + l.dropped, 0);
    srl_test_redis_command(&server, "PUBLISH fickle x", line, sizeof(line));
    assert_string_equal(line, ":1");
    close_listener(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_all_kinds_arrive),
        cmocka_unit_test(many_channels_go_in_batches_and_come_back),
        cmocka_unit_test(a_refused_channel_is_not_wanted_any_more),
        cmocka_unit_test(a_call_waits_for_the_connection_and_survives_it),
        cmocka_unit_test(an_end_by_the_server_is_told_and_undone),
        cmocka_unit_test(what_is_not_asked_for_breaks_the_connection),
        cmocka_unit_test(a_silent_server_is_noticed),
        cmocka_unit_test(quick_changes_of_mind_end_as_the_last_one_says),
    };
    if (!srl_test_redis_start(&server, NULL)) {
        printf("no redis-server: skipped\n");
        return 77;
    }
    int failed = cmocka_run_group_tests_name("redis_pubsub", tests, NULL, NULL);
    srl_test_redis_stop(&server);
    return failed;
}
