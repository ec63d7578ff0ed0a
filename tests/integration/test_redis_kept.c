/* What the Redis broker keeps of a channel, and for how long: over restarts of the server, by age, by lifetime. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "helpers/two_nodes.h"

static void restart_with_all(world *w)
{
    srl_test_redis_command(&w->server, "SAVE", NULL, 0);
    restart(w);
}

static void an_empty_server_is_another_epoch(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 100);
    (void)state;
    srl_test_answer first = subscribe(w, &w->b, channel);
    for (int i = 0; i < 3; i++) {
        publish(w, &w->a, channel, "old");
    }
    run_until_logged(w, &w->b, 3);
    restart(w);
    srl_test_answer again = publish(w, &w->a, channel, "new");
    assert_int_equal(again.error, SRL_OK);
    assert_int_equal(again.offset, 1);
    assert_true(strcmp(again.epoch, first.epoch) > 0);
    run_until_last(w, &w->b, again.epoch, NULL);
    assert_int_equal(w->b.log[3].kind, SRL_TEST_REPOSITION);
    assert_int_equal(since(w, channel, first.epoch, 3).error, SRL_ERR_UNRECOVERABLE);
    assert_int_equal(since(w, channel, again.epoch, 0).count, 1);
    end(w);
}

/* What the server had when it was saved, and no more; then it goes on. */
static void an_older_copy_is_another_epoch(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 100);
    (void)state;
    srl_test_answer first = subscribe(w, &w->b, channel);
    publish(w, &w->a, channel, "1");
    publish(w, &w->a, channel, "2");
    srl_test_redis_command(&w->server, "SAVE", NULL, 0);
    publish(w, &w->a, channel, "lost");
    run_until_logged(w, &w->b, 3);
    restart(w);
    srl_test_answer again = publish(w, &w->a, channel, "new");
    assert_int_equal(again.offset, 3);
    assert_string_not_equal(again.epoch, first.epoch);
    run_until_last(w, &w->b, again.epoch, NULL);
    assert_int_equal(w->b.log[3].kind, SRL_TEST_REPOSITION);
    assert_int_equal(since(w, channel, first.epoch, 3).error, SRL_ERR_UNRECOVERABLE);
    assert_int_equal(since(w, channel, first.epoch, 2).error, SRL_ERR_UNRECOVERABLE);
    end(w);
}

/* Nothing was lost though the server was started anew: the next epoch goes on behind the old one. */
static void a_complete_copy_goes_on(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 100);
    (void)state;
    srl_test_answer first = subscribe(w, &w->b, channel);
    publish(w, &w->a, channel, "1");
    publish(w, &w->a, channel, "2");
    run_until_logged(w, &w->b, 2);
    restart_with_all(w);
    srl_test_answer again = publish(w, &w->a, channel, "3");
    assert_int_equal(again.offset, 3);
    assert_true(strcmp(again.epoch, first.epoch) > 0);
    run_until_logged(w, &w->b, 3);
    assert_int_equal(w->b.log[2].kind, SRL_MESSAGE_PUBLICATION);
    assert_string_equal(w->b.log[2].data, "3");
    srl_test_answer rest = since(w, channel, first.epoch, 1);
    assert_int_equal(rest.error, SRL_OK);
    assert_int_equal(rest.count, 2);
    assert_string_equal(rest.data[0], "2");
    assert_string_equal(rest.data[1], "3");
    assert_string_equal(rest.epoch, again.epoch);
    assert_int_equal(since(w, channel, "no number", 1).error, SRL_ERR_UNRECOVERABLE);
    end(w);
}

/* The data of a page of history, in a row: "1 2 3 ". */
static void assert_page(world *w, srl_broker_channel channel, uint64_t since, uint32_t limit, bool reverse,
                        const char *expected)
{
    srl_test_answer page = {0};
    char text[256] = "";
    srl_test_history(&w->a, &channel, since, "", limit, reverse, &page);
    run_until_answered(w, &page);
    assert_int_equal(page.error, SRL_OK);
    for (uint32_t i = 0; i < page.count; i++) {
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", page.data[i]);
    }
    assert_string_equal(text, expected);
}

static void publish_some(world *w, srl_broker_channel channel, unsigned from, unsigned to)
{
    char text[16];
    for (unsigned i = from; i <= to; i++) {
        (void)snprintf(text, sizeof(text), "%u", i);
        assert_int_equal(publish(w, &w->a, channel, text).offset, i);
    }
}

/* Its epochs are one list. */
static void history_goes_on_over_restarts(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 100);
    (void)state;
    publish_some(w, channel, 1, 3);
    restart_with_all(w);
    publish_some(w, channel, 4, 4);
    restart_with_all(w);
    publish_some(w, channel, 5, 7);
    assert_page(w, channel, 0, 50, false, "1 2 3 4 5 6 7 ");
    assert_page(w, channel, 0, 2, false, "1 2 ");
    assert_page(w, channel, 2, 3, false, "3 4 5 ");
    assert_page(w, channel, 4, 50, false, "5 6 7 ");
    assert_page(w, channel, 7, 50, false, "");
    assert_page(w, channel, 0, 50, true, "7 6 5 4 3 2 1 ");
    assert_page(w, channel, 0, 4, true, "7 6 5 4 ");
    assert_page(w, channel, 6, 3, true, "5 4 3 ");
    assert_page(w, channel, 4, 1, true, "3 ");
    assert_page(w, channel, 3, 50, true, "2 1 ");
    channel.history_size = 5;
    assert_page(w, channel, 0, 50, false, "3 4 5 6 7 ");
    assert_page(w, channel, 0, 50, true, "7 6 5 4 3 ");
    assert_page(w, channel, 4, 50, true, "3 ");
    end(w);
}

/* Longer pages than one look at the stream, beginning far from where the epoch does. */
static void long_histories_go_on_too(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 1000);
    (void)state;
    publish_some(w, channel, 1, 300);
    restart_with_all(w);
    publish_some(w, channel, 301, 302);
    assert_page(w, channel, 150, 3, false, "151 152 153 ");
    assert_page(w, channel, 150, 3, true, "149 148 147 ");
    assert_page(w, channel, 299, 50, false, "300 301 302 ");
    end(w);
}

/* What is left of it; the place of what was lost is not shown. */
static void history_goes_on_after_a_loss(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 100);
    (void)state;
    subscribe(w, &w->b, channel);
    publish_some(w, channel, 1, 2);
    srl_test_redis_command(&w->server, "SAVE", NULL, 0);
    publish_some(w, channel, 3, 5);
    run_until_logged(w, &w->b, 5);
    srl_test_redis_restart(&w->server);
    for (int i = 0; i < 20000 && w->b.log[w->b.log_count - 1].kind != SRL_TEST_REPOSITION; i++) {
        run(w, 1);
    }
    assert_int_equal(w->b.log[w->b.log_count - 1].offset, 2);
    assert_page(w, channel, 0, 50, false, "1 2 ");
    publish_some(w, channel, 3, 4);
    run_until_last(w, &w->b, NULL, "4");
    assert_page(w, channel, 0, 50, false, "1 2 3 4 ");
    assert_page(w, channel, 0, 3, true, "4 3 2 ");
    end(w);
}

/* As a_complete_copy_goes_on, for a channel that has nothing in its history yet. */
static void an_empty_channel_goes_on_too(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 100);
    (void)state;
    srl_test_answer first = subscribe(w, &w->b, channel);
    restart_with_all(w);
    srl_test_answer again = publish(w, &w->a, channel, "1");
    assert_int_equal(again.offset, 1);
    run_until_last(w, &w->b, again.epoch, NULL);
    run(w, 100);
    assert_int_equal(w->b.log_count, 1);
    assert_int_equal(w->b.log[0].kind, SRL_MESSAGE_PUBLICATION);
    srl_test_answer rest = since(w, channel, first.epoch, 0);
    assert_int_equal(rest.error, SRL_OK);
    assert_int_equal(rest.count, 1);
    end(w);
}

static void a_channel_whose_history_was_removed_goes_on_too(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 100);
    srl_test_answer gone = {0};
    (void)state;
    subscribe(w, &w->b, channel);
    srl_test_answer first = publish(w, &w->a, channel, "1");
    run_until_logged(w, &w->b, 1);
    srl_test_history_remove(&w->a, &channel, &gone);
    run_until_answered(w, &gone);
    restart_with_all(w);
    srl_test_answer again = publish(w, &w->a, channel, "2");
    run_until_last(w, &w->b, again.epoch, NULL);
    assert_int_equal(w->b.log_count, 2);
    assert_int_equal(since(w, channel, first.epoch, 1).error, SRL_OK);
    end(w);
}

/* A client names the position that history is read from. */
static void a_position_that_never_was_changes_nothing(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 100);
    (void)state;
    subscribe(w, &w->b, channel);
    srl_test_answer first = publish(w, &w->a, channel, "1");
    run_until_logged(w, &w->b, 1);
    assert_int_equal(since(w, channel, "9999999999999999999", 1).error, SRL_ERR_UNRECOVERABLE);
    srl_test_answer second = publish(w, &w->a, channel, "2");
    assert_int_equal(second.error, SRL_OK);
    assert_int_equal(second.offset, 2);
    assert_string_equal(second.epoch, first.epoch);
    run_until_logged(w, &w->b, 2);
    assert_counted(&w->b, 0, 2);
    end(w);
}

static int64_t seconds_left(const world *w)
{
    char line[128];
    srl_test_redis_command(&w->server, "EVAL \"return redis.call('TTL',redis.call('KEYS','*:s:c')[1])\" 0", line,
                           sizeof(line));
    return strtoll(line + 1, NULL, 10);
}

static void a_stream_that_began_anew_has_its_life(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 100);
    (void)state;
    channel.history_meta_ttl_ms = 30 * 24 * 3600 * (uint64_t)1000;
    subscribe(w, &w->b, channel);
    publish(w, &w->a, channel, "1");
    assert_in_range(seconds_left(w), 29 * 24 * 3600, 30 * 24 * 3600);
    restart(w);
    run(w, 300);
    publish(w, &w->a, channel, "2");
    assert_in_range(seconds_left(w), 29 * 24 * 3600, 30 * 24 * 3600);
    end(w);
}

/* Those who listen find it there, whatever they are told to forget. */
static void a_stream_lives_for_an_hour(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 100);
    (void)state;
    channel.history_ttl_ms = channel.history_meta_ttl_ms = 1000;
    publish(w, &w->a, channel, "1");
    assert_in_range(seconds_left(w), 3590, 3600);
    end(w);
}

static void a_failed_publication_prolongs_no_life(void **state)
{
    srl_redis_broker_config config;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("c", 100);
    (void)state;
    channel.history_meta_ttl_ms = 30 * 24 * 3600 * (uint64_t)1000;
    srl_redis_broker_config_init(&config, sizeof(config));
    config.max_waiting_bytes = 4096;
    world *w = begin(&config);
    subscribe(w, &w->a, channel);
    char *large = calloc(1, 5000);
    memset(large, 'x', 4999);
    srl_test_publish(&w->a, &channel, SRL_MESSAGE_PUBLICATION, large, &answer);
    assert_int_equal(answer.returned, SRL_ERR_LIMIT);
    free(large);
    assert_int_equal(publish(w, &w->a, channel, "1").error, SRL_OK);
    assert_in_range(seconds_left(w), 29 * 24 * 3600, 30 * 24 * 3600);
    end(w);
}

static void a_quiet_stream_lives_while_somebody_listens(void **state)
{
    srl_redis_broker_config config;
    srl_broker_channel channel = srl_test_channel("c", 100);
    (void)state;
    channel.history_meta_ttl_ms = 3000;
    channel.history_ttl_ms = 3000;
    srl_redis_broker_config_init(&config, sizeof(config));
    config.sweep_ms = 500;
    world *w = begin(&config);
    subscribe(w, &w->b, channel);
    publish(w, &w->a, channel, "1");
    run_until_logged(w, &w->b, 1);
    run(w, 6000);
    assert_int_equal(w->b.log_count, 1);
    end(w);
}

/* By the nodes' clocks; offset and epoch stay. */
static void old_publications_are_not_shown(void **state)
{
    world *w = begin(NULL);
    srl_broker_channel channel = srl_test_channel("c", 100);
    (void)state;
    channel.history_ttl_ms = 10000;
    for (int i = 0; i < 100; i++) {
        publish(w, &w->a, channel, "old");
    }
    fake_platform_advance(&w->clock, 6000);
    srl_test_answer young = publish(w, &w->a, channel, "young");
    assert_int_equal(since(w, channel, young.epoch, 50).count, 51);
    fake_platform_advance(&w->clock, 6000);
    srl_test_answer left = since(w, channel, young.epoch, 0);
    assert_int_equal(left.count, 1);
    assert_string_equal(left.data[0], "young");
    fake_platform_advance(&w->clock, 6000);
    left = since(w, channel, young.epoch, 0);
    assert_int_equal(left.count, 0);
    assert_int_equal(left.offset, 101);
    assert_string_equal(left.epoch, young.epoch);
    assert_int_equal(publish(w, &w->b, channel, "next").offset, 102);
    end(w);
}

static void run_until_length(world *w, const char *length)
{
    char line[64] = "";
    for (int i = 0; i < 400 && strcmp(line, length) != 0; i++) {
        run(w, 25);
        srl_test_redis_command(&w->server, "EVAL \"return redis.call('XLEN',redis.call('KEYS','*:s:c')[1])\" 0", line,
                               sizeof(line));
    }
    assert_string_equal(line, length);
}

/* Nobody reads it or publishes to it any more. It stays to keep its position. */
static void the_memory_of_old_publications_is_given_back(void **state)
{
    srl_redis_broker_config config;
    srl_broker_channel channel = srl_test_channel("c", 100);
    char line[64];
    (void)state;
    srl_redis_broker_config_init(&config, sizeof(config));
    config.sweep_ms = 1000;
    world *w = begin(&config);
    channel.history_ttl_ms = 1000;
    for (int i = 0; i < 10; i++) {
        publish(w, &w->a, channel, "old");
    }
    run_until_length(w, ":10");
    run_until_length(w, ":0");
    srl_test_redis_command(&w->server, "EVAL \"return #redis.call('KEYS','*}:[ab]:')\" 0", line, sizeof(line));
    assert_string_equal(line, ":0");
    assert_int_equal(publish(w, &w->b, channel, "young").offset, 11);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_server_is_another_epoch),
        cmocka_unit_test(an_older_copy_is_another_epoch),
        cmocka_unit_test(a_complete_copy_goes_on),
        cmocka_unit_test(history_goes_on_over_restarts),
        cmocka_unit_test(long_histories_go_on_too),
        cmocka_unit_test(history_goes_on_after_a_loss),
        cmocka_unit_test(an_empty_channel_goes_on_too),
        cmocka_unit_test(a_channel_whose_history_was_removed_goes_on_too),
        cmocka_unit_test(a_position_that_never_was_changes_nothing),
        cmocka_unit_test(a_stream_that_began_anew_has_its_life),
        cmocka_unit_test(a_stream_lives_for_an_hour),
        cmocka_unit_test(a_failed_publication_prolongs_no_life),
        cmocka_unit_test(a_quiet_stream_lives_while_somebody_listens),
        cmocka_unit_test(old_publications_are_not_shown),
        cmocka_unit_test(the_memory_of_old_publications_is_given_back),
    };
    return cmocka_run_group_tests_name("redis_kept", tests, NULL, NULL);
}
