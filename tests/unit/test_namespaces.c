#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <streamrelay/error.h>

#include "engine/namespaces.h"
#include "helpers/random.h"
#include "helpers/see.h"

static srl__channel_settings numbered(uint64_t n)
{
    srl__channel_settings settings = {0};

    settings.history_size = n;
    return settings;
}

static uint64_t found(const srl__namespaces *n, const char *channel)
{
    return srl__namespaces_find(n, srl__slice_of(channel, strlen(channel)))->history_size;
}

static void the_longest_prefix_counts(void **state)
{
    srl_test_alloc t;
    srl__namespaces n;
    srl__channel_settings settings = numbered(99);
    uint32_t generation;
    size_t len;
    (void)state;

    srl_test_alloc_init(&t);
    srl__namespaces_init(&n, &t.table, 1, &settings);
    assert_int_equal(found(&n, "a"), 99);
    settings = numbered(2);
    assert_int_equal(srl__namespaces_set(&n, SRL__LIT("chat:"), &settings), SRL_OK);
    settings = numbered(3);
    assert_int_equal(srl__namespaces_set(&n, SRL__LIT("chat:vip:"), &settings), SRL_OK);
    settings = numbered(4);
    assert_int_equal(srl__namespaces_set(&n, SRL__LIT("c"), &settings), SRL_OK);
    settings = numbered(5);
    assert_int_equal(srl__namespaces_set(&n, SRL__LIT("news:"), &settings), SRL_OK);
    assert_int_equal(found(&n, "chat:1"), 2);
    assert_int_equal(found(&n, "chat:"), 2);
    assert_int_equal(found(&n, "chat"), 4);
    assert_int_equal(found(&n, "chat:vip"), 2);
    assert_int_equal(found(&n, "chat:vip:x"), 3);
    assert_int_equal(found(&n, "news:x"), 5);
    assert_int_equal(found(&n, "x"), 99);
    assert_int_equal(srl__namespaces_match(&n, SRL__LIT("chat:vip:x"), &len)->history_size, 3);
    assert_int_equal(len, 9);
    (void)srl__namespaces_match(&n, SRL__LIT("x"), &len);
    assert_int_equal(len, 0);
    generation = n.generation;
    settings = numbered(6);
    assert_int_equal(srl__namespaces_set(&n, SRL__LIT("chat:"), &settings), SRL_OK); /* replaced */
    assert_int_not_equal(n.generation, generation);
    assert_int_equal(found(&n, "chat:1"), 6);
    generation = n.generation;
    assert_int_equal(srl__namespaces_remove(&n, SRL__LIT("chat:")), SRL_OK);
    assert_int_not_equal(n.generation, generation);
    assert_false(srl__namespaces_has(&n, SRL__LIT("chat:")));
    assert_true(srl__namespaces_has(&n, SRL__LIT("news:")));
    assert_int_equal(srl__namespaces_remove(&n, SRL__LIT("chat:")), SRL_ERR_NOT_FOUND);
    assert_int_equal(found(&n, "chat:1"), 4);
    assert_int_equal(found(&n, "news:1"), 5); /* of the same length as the one that went */
    srl__namespaces_free(&n);
    srl_test_alloc_check_empty(&t);
}

enum { PREFIXES = 40 };

static void against_a_naive_list(void **state)
{
    srl_test_alloc t;
    srl__namespaces n;
    srl__channel_settings settings = numbered(0);
    uint64_t random = 7;
    char prefixes[PREFIXES][8];
    uint64_t value[PREFIXES] = {0}; /* 0: not registered */
    (void)state;

    srl_test_alloc_init(&t);
    srl__namespaces_init(&n, &t.table, 1, &settings);
    for (int i = 0; i < PREFIXES; i++) {
        size_t len = 1 + (size_t)i % 5;

        for (size_t k = 0; k < len; k++) {
            prefixes[i][k] = (char)('a' + srl_test_random_below(&random, 2));
        }
        prefixes[i][len] = '\0';
        for (int k = 0; k < i; k++) {
            if (strcmp(prefixes[k], prefixes[i]) == 0) {
                (void)snprintf(prefixes[i], sizeof(prefixes[i]), "z%d", i);
            }
        }
    }
    for (uint64_t step = 1; step < 3000; step++) {
        unsigned i = (unsigned)srl_test_random_below(&random, PREFIXES);
        srl__slice prefix = srl__slice_of(prefixes[i], strlen(prefixes[i]));
        char channel[9] = {0};
        uint64_t best = 0;
        size_t best_len = 0;

        if (srl_test_random_below(&random, 2) == 0) {
            settings = numbered(step);
            assert_int_equal(srl__namespaces_set(&n, prefix, &settings), SRL_OK);
            value[i] = step;
        } else {
            assert_int_equal(srl__namespaces_remove(&n, prefix), value[i] != 0 ? SRL_OK : SRL_ERR_NOT_FOUND);
            value[i] = 0;
        }
        for (int k = 0; k < 7; k++) {
            channel[k] = (char)('a' + srl_test_random_below(&random, 2));
        }
        for (int k = 0; k < PREFIXES; k++) {
            size_t len = strlen(prefixes[k]);

            if (value[k] != 0 && len > best_len && strncmp(channel, prefixes[k], len) == 0) {
                best = value[k];
                best_len = len;
            }
        }
        assert_int_equal(found(&n, channel), best);
    }
    srl__namespaces_free(&n);
    srl_test_alloc_check_empty(&t);
}

static void scenario(const srl_allocator *alloc, void *user)
{
    srl__namespaces n;
    srl__channel_settings settings = numbered(0);
    (void)user;

    srl__namespaces_init(&n, alloc, 1, &settings);
    for (uint64_t i = 1; i <= 12; i++) {
        srl__slice prefix = srl__slice_of("abcdefghijklmnop", i);
        uint64_t before = srl__namespaces_find(&n, SRL__LIT("abcdefghijklmnop"))->history_size;

        settings = numbered(i);
        if (srl__namespaces_set(&n, prefix, &settings) != SRL_OK) {
            assert_int_equal(srl__namespaces_find(&n, SRL__LIT("abcdefghijklmnop"))->history_size, before);
            assert_false(srl__namespaces_has(&n, prefix));
        } else {
            assert_int_equal(srl__namespaces_find(&n, SRL__LIT("abcdefghijklmnop"))->history_size, i);
        }
    }
    srl__namespaces_free(&n);
}

static void each_allocation_fails(void **state)
{
    (void)state;
    assert_true(srl_test_each_failing_alloc(scenario, NULL) > 12);
}

/* ---- at the relay */

static int set(test_relay *home, const char *prefix, const char *name, const char *value)
{
    srl_options *options;
    int error;

    assert_int_equal(srl_options_create(&options), SRL_OK);
    assert_int_equal(srl_options_set(options, name, value), SRL_OK);
    error = srl_relay_set_namespace(home->relay, prefix, strlen(prefix), options);
    srl_options_destroy(options);
    return error;
}

static void channels_take_the_options_of_their_namespace(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, "publish", "true", NULL), SRL_OK);
    assert_int_equal(set(&home, "h:", "history_size", "5"), SRL_OK);
    assert_int_equal(set(&home, "closed:", "subscribe", "false"), SRL_OK);
    assert_int_equal(set(&home, "", "history_size", "5"), SRL_ERR_INVALID);
    assert_int_equal(set(&home, "a\n", "history_size", "5"), SRL_ERR_INVALID);
    assert_int_equal(srl_relay_set_namespace(home.relay, "x", 1, NULL), SRL_ERR_INVALID);
    c = test_client_enter(&home, "u");
    assert_true(test_client_subscribe(c, "h:1"));
    assert_true(test_client_subscribe(c, "free"));
    assert_int_equal(test_relay_publish(&home, "h:1", "1"), SRL_OK);
    see(c, "*\"offset\":1,\"data\":1,*");
    assert_int_equal(test_relay_publish(&home, "free", "1"), SRL_OK);
    see(c, "*{\"data\":1,*");
    test_client_command(c, "subscribe", "closed:1", NULL);
    see(c, "*\"error\":{\"code\":103,*");
    test_client_command(c, "publish", "h:1", "{\"data\":2}"); /* off there: not inherited from the relay */
    see(c, "*\"error\":{\"code\":103,*");
    assert_int_equal(srl_relay_remove_namespace(home.relay, "closed:", 7), SRL_OK);
    assert_int_equal(srl_relay_remove_namespace(home.relay, "closed:", 7), SRL_ERR_NOT_FOUND);
    assert_true(test_client_subscribe(c, "closed:1"));
    /* a room that is there takes what is new with its next event */
    assert_int_equal(set(&home, "free", "history_size", "5"), SRL_OK);
    assert_int_equal(test_relay_publish(&home, "free", "2"), SRL_OK);
    see(c, "*\"offset\":1,\"data\":2,*\"epoch\":\"*\"}}}");
    test_relay_end(&home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_prefix_counts),
        cmocka_unit_test(against_a_naive_list),
        cmocka_unit_test(each_allocation_fails),
        cmocka_unit_test(channels_take_the_options_of_their_namespace),
    };

    return cmocka_run_group_tests_name("namespaces", tests, NULL, NULL);
}
