#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <streamrelay/error.h>

#include "helpers/fail_alloc.h"
#include "helpers/random.h"
#include "redis/config.h"

typedef struct good_url {
    const char *url;
    const char *host, *path, *user, *password; /* NULL: not set */
    uint64_t port, db;
} good_url;

static const good_url good[] = {
    {"redis://", NULL, NULL, NULL, NULL, 6379, 0},
    {"redis:///", NULL, NULL, NULL, NULL, 6379, 0},
    {"redis://localhost", "localhost", NULL, NULL, NULL, 6379, 0},
    {"REDIS://Example.COM", "Example.COM", NULL, NULL, NULL, 6379, 0},
    {"redis://localhost/", "localhost", NULL, NULL, NULL, 6379, 0},
    {"redis://localhost:7000", "localhost", NULL, NULL, NULL, 7000, 0},
    {"redis://localhost:", "localhost", NULL, NULL, NULL, 6379, 0},
    {"redis://:7000", NULL, NULL, NULL, NULL, 7000, 0},
    {"redis://localhost:1/15", "localhost", NULL, NULL, NULL, 1, 15},
    {"redis://localhost:65535/0", "localhost", NULL, NULL, NULL, 65535, 0},
    {"redis://localhost/2147483647", "localhost", NULL, NULL, NULL, 6379, 2147483647},
    {"redis://localhost/007", "localhost", NULL, NULL, NULL, 6379, 7},
    {"redis://10.0.0.1:7000/1", "10.0.0.1", NULL, NULL, NULL, 7000, 1},
    {"redis://a_b-c.d", "a_b-c.d", NULL, NULL, NULL, 6379, 0},
    {"redis://[::1]", "::1", NULL, NULL, NULL, 6379, 0},
    {"redis://[::1]:7000/3", "::1", NULL, NULL, NULL, 7000, 3},
    {"redis://[2001:db8::ff]:1", "2001:db8::ff", NULL, NULL, NULL, 1, 0},
    {"redis://[::ffff:10.0.0.1]", "::ffff:10.0.0.1", NULL, NULL, NULL, 6379, 0},
    {"redis://[fe80::1%25eth9]", "fe80::1%eth9", NULL, NULL, NULL, 6379, 0},
    {"redis://:secret@h", "h", NULL, NULL, "secret", 6379, 0},
    {"redis://me@h", "h", NULL, "me", NULL, 6379, 0},
    {"redis://me:@h", "h", NULL, "me", "", 6379, 0},
    {"redis://:@h", "h", NULL, NULL, NULL, 6379, 0},
    {"redis://@h", "h", NULL, NULL, NULL, 6379, 0},
    {"redis://me:secret@h:1/2", "h", NULL, "me", "secret", 1, 2},
    {"redis://me:a:b@h", "h", NULL, "me", "a:b", 6379, 0},
    {"redis://me:a@b@h", "h", NULL, "me", "a@b", 6379, 0},
    {"redis://me:a%40b%3A%2F%3F%23@h", "h", NULL, "me", "a@b:/?#", 6379, 0},
    {"redis://m%3Ae:x@h", "h", NULL, "m:e", "x", 6379, 0},
    {"redis://me:%C3%A9@h", "h", NULL, "me", "\xC3\xA9", 6379, 0},
    {"redis://me:%01%7f@h", "h", NULL, "me", "\x01\x7f", 6379, 0},
    {"redis://me:+@h", "h", NULL, "me", "+", 6379, 0},
    {"redis://me:x@[::1]:5", "::1", NULL, "me", "x", 5, 0},
    {"redis://%6cocalhost", "localhost", NULL, NULL, NULL, 6379, 0},
    {"redis://h?db=4", "h", NULL, NULL, NULL, 6379, 4},
    {"redis://h/1?db=4", "h", NULL, NULL, NULL, 6379, 4},
    {"redis://h?password=p%26q", "h", NULL, NULL, "p&q", 6379, 0},
    {"redis://h?user=u&password=p", "h", NULL, "u", "p", 6379, 0},
    {"redis://h?username=u", "h", NULL, "u", NULL, 6379, 0},
    {"redis://h?", "h", NULL, NULL, NULL, 6379, 0},
    {"redis://h?&&db=1&", "h", NULL, NULL, NULL, 6379, 1},
    {"redis://?host=x&port=9", "x", NULL, NULL, NULL, 9, 0},
    {"redis://h?path=/s", "h", "/s", NULL, NULL, 6379, 0},
    {"unix:///tmp/s", NULL, "/tmp/s", NULL, NULL, 6379, 0},
    {"unix:/tmp/s", NULL, "/tmp/s", NULL, NULL, 6379, 0},
    {"redis+unix:///tmp/s", NULL, "/tmp/s", NULL, NULL, 6379, 0},
    {"unix:///tmp/a%20b?db=2", NULL, "/tmp/a b", NULL, NULL, 6379, 2},
    {"unix://u:p@/tmp/s?db=3", NULL, "/tmp/s", "u", "p", 6379, 3},
    {"unix://:p%2F@/tmp/s", NULL, "/tmp/s", NULL, "p/", 6379, 0},
    {"unix:///", NULL, "/", NULL, NULL, 6379, 0},
};

typedef struct bad_url {
    const char *url;
    size_t at;
} bad_url;

static const bad_url bad[] = {
    {"x", 0},
    {"localhost:6379", 0},
    {"http://h", 0},
    {"redi://h", 0},
    {"rediss1://h", 0},
    {"://h", 0},
    {"redis:", 6},
    {"redis:h", 6},
    {"redis:/h", 6},
    {"redis://h:0", 10},
    {"redis://h:65536", 10},
    {"redis://h:99999999999999999999999", 10},
    {"redis://h:x", 10},
    {"redis://h:-1", 10},
    {"redis://h:1:2", 10},
    {"redis://h:%31", 10},
    {"redis://h/x", 10},
    {"redis://h/-1", 10},
    {"redis://h/1/", 10},
    {"redis://h/2147483648", 10},
    {"redis://h//", 10},
    {"redis://[::1", 8},
    {"redis://[::1]x", 13},
    {"redis://[]", 9},
    {"redis://[1.2.3.4]", 9},
    {"redis://[::g]", 9},
    {"redis://[localhost]", 9},
    {"redis://::1", 9},
    {"redis://a,b", 8},
    {"redis://h%00", 11},
    {"redis://h%", 9},
    {"redis://h%4", 9},
    {"redis://h%4x", 9},
    {"redis://u:%zz@h", 10},
    {"redis://u:%@h", 10},
    {"redis://u:p%00@h", 13},
    {"redis://u:p#w@h", 11},
    {"redis://h#x", 9},
    {"redis://h h", 9},
    {" redis://h", 0},
    {"redis://h\n", 9},
    {"redis://h?x", 10},
    {"redis://h?x=1", 10},
    {"redis://h?=1", 10},
    {"redis://h?db=x", 10},
    {"redis://h?db=", 10},
    {"redis://h?protocol=4", 10},
    {"redis://h?timeout=5x", 10},
    {"redis://h?timeout=0", 10},
    {"redis://h?db=1&client_name=a%20b", 15},
    {"redis://h?client_name=a%0a", 10},
    {"redis://h?offline_queue=perhaps", 10},
    {"redis://h?max_output=1t", 10},
    {"redis://h?max_depth=1", 10},
    {"redis://h?pool_max=0", 10},
    {"redis://h?keepalive=99d", 10},
    {"unix:", 5},
    {"unix:x", 5},
    {"unix://", 7},
    {"unix://tmp/s", 7},
    {"unix://u:p@h/s", 11},
    {"unix:///%00", 10},
};

static void assert_text(const srl__redis_text *text, const char *expected)
{
    if (expected == NULL) {
        assert_null(text->data);
    } else {
        assert_non_null(text->data);
        assert_string_equal(text->data, expected);
        assert_int_equal(text->len, strlen(expected));
    }
}

static void good_urls_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        const good_url *g = &good[i];
        srl_redis_options *options;
        int error = srl_redis_options_create(g->url, strlen(g->url), &options);
        if (error != SRL_OK) {
            fail_msg("%s: %s", g->url, srl_redis_options_last_error(options));
        }
        assert_text(&options->config.host, g->host);
        assert_text(&options->config.path, g->path);
        assert_text(&options->config.user, g->user);
        assert_text(&options->config.password, g->password);
        assert_int_equal(options->config.port, g->port);
        assert_int_equal(options->config.db, g->db);
        assert_false(options->config.tls);
        srl_redis_options_destroy(options);
    }
}

static void bad_urls_are_refused_with_the_position(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        srl_redis_options *options;
        char expected[40];
        int error = srl_redis_options_create(bad[i].url, strlen(bad[i].url), &options);
        if (error != SRL_ERR_REDIS_URL) {
            fail_msg("%s is accepted", bad[i].url);
        }
        snprintf(expected, sizeof(expected), "URL, byte %zu: ", bad[i].at);
        if (strncmp(srl_redis_options_last_error(options), expected, strlen(expected)) != 0) {
            fail_msg("%s: %s, not %s", bad[i].url, srl_redis_options_last_error(options), expected);
        }
        srl_redis_options_destroy(options);
    }
}

static void a_refused_url_leaves_the_defaults(void **state)
{
    srl_redis_options *options;
    static const char url[] = "redis://me:pw@elsewhere:7/9?what=1";
    (void)state;
    assert_int_equal(srl_redis_options_create(url, sizeof(url) - 1, &options), SRL_ERR_REDIS_URL);
    assert_null(options->config.host.data);
    assert_null(options->config.password.data);
    assert_int_equal(options->config.port, 6379);
    srl_redis_options_destroy(options);
}

static void parameters_set_options(void **state)
{
    srl_redis_options *options;
    static const char url[] =
        "redis://h?timeout=3s&protocol=2&client_name=web-1&max_output=2m&backoff_max=1m&keepalive=0"
        "&offline_queue=off&loading_timeout=7&connect_timeout=250ms&pool_lifetime=1h&pool_max=3";
    (void)state;
    assert_int_equal(srl_redis_options_create(url, sizeof(url) - 1, &options), SRL_OK);
    assert_int_equal(options->config.command_timeout, 3000);
    assert_int_equal(options->config.connect_timeout, 250);
    assert_int_equal(options->config.protocol, 2);
    assert_text(&options->config.client_name, "web-1");
    assert_int_equal(options->config.max_output, 2097152);
    assert_int_equal(options->config.backoff_max, 60000);
    assert_int_equal(options->config.keepalive, 0);
    assert_int_equal(options->config.offline_queue, 0);
    assert_int_equal(options->config.loading_timeout, 7);
    assert_int_equal(options->config.pool_lifetime, 3600000);
    assert_int_equal(options->config.pool_max, 3);
    srl_redis_options_destroy(options);
}

static void secrets_are_never_repeated(void **state)
{
    static const char *const urls[] = {
        "redis://user:hunter2@h:port", "redis://user:hunter2@h/db",
        "redis://user:hunter2#@h",     "redis://user:hunter2%zz@h",
        "redis://user:hunter2@[h",     "redis://user:hunter2 @h",
        "hunter2://user:hunter2@h",    "redis://h?password=hunter2&hunter2=1",
        "redis://h?hunter2",           "redis://h?db=hunter2",
        "unix://user:hunter2@hunter2", "redis://user:hunter2/x@h",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        srl_redis_options *options;
        assert_int_equal(srl_redis_options_create(urls[i], strlen(urls[i]), &options), SRL_ERR_REDIS_URL);
        assert_null(strstr(srl_redis_options_last_error(options), "hunter2"));
        srl_redis_options_destroy(options);
    }
}

static void tls_needs_a_transport(void **state)
{
    srl_redis_options *options;
    srl_redis_conn *conn;
    (void)state;
    assert_int_equal(srl_redis_options_create("rediss://h:1", 12, &options), SRL_OK);
    assert_true(options->config.tls);
    assert_int_equal(srl_redis_connect(options, &conn), SRL_ERR_REDIS_TRANSPORT);
    assert_non_null(strstr(srl_redis_options_last_error(options), "transport"));
    srl_redis_options_destroy(options);
}

static void options_are_checked(void **state)
{
    srl_redis_options *options;
    (void)state;
    assert_int_equal(srl_redis_options_create(NULL, 0, &options), SRL_OK);
    assert_int_equal(srl_redis_options_set(options, "nothing", "1"), SRL_ERR_OPTION_UNKNOWN);
    assert_int_equal(srl_redis_options_set(options, "port", "0"), SRL_ERR_OPTION_VALUE);
    assert_string_equal(srl_redis_options_last_error(options), "port is out of range");
    assert_int_equal(srl_redis_options_set(options, "port", "12 "), SRL_ERR_OPTION_VALUE);
    assert_int_equal(srl_redis_options_set(options, "db", ""), SRL_ERR_OPTION_VALUE);
    assert_int_equal(srl_redis_options_set(options, "path", ""), SRL_ERR_OPTION_VALUE);
    assert_int_equal(srl_redis_options_set(options, "command_timeout", "18446744073709551616"), SRL_ERR_OPTION_VALUE);
    assert_int_equal(srl_redis_options_set(options, "command_timeout", "18446744073709551615h"), SRL_ERR_OPTION_VALUE);
    assert_int_equal(srl_redis_options_set(options, "password", "x y\n"), SRL_OK);
    assert_int_equal(srl_redis_options_set(options, "port", "12"), SRL_OK);
    assert_int_equal(options->config.port, 12);
    srl_redis_options_destroy(options);
}

static void error_classes_are_told_by_whole_words(void **state)
{
    static const struct {
        const char *text;
        int class;
    } lines[] = {
        {"MOVED 1 h:1", SRL_REDIS_ERROR_REDIRECT},
        {"ASK 1 h:1", SRL_REDIS_ERROR_REDIRECT},
        {"MOVE", SRL_REDIS_ERROR_OTHER},
        {"MOVEDX", SRL_REDIS_ERROR_OTHER},
        {"MO", SRL_REDIS_ERROR_OTHER},
        {"", SRL_REDIS_ERROR_OTHER},
        {" ", SRL_REDIS_ERROR_OTHER},
        {"LOADING Redis is loading the dataset in memory", SRL_REDIS_ERROR_RETRY},
        {"BUSY", SRL_REDIS_ERROR_RETRY},
        {"BUSYGROUP Consumer Group name already exists", SRL_REDIS_ERROR_OTHER},
        {"TRYAGAIN x", SRL_REDIS_ERROR_RETRY},
        {"UNBLOCKED client unblocked via CLIENT UNBLOCK", SRL_REDIS_ERROR_RETRY},
        {"UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
         SRL_REDIS_ERROR_ROLE},
        {"READONLY You can't write against a read only replica.", SRL_REDIS_ERROR_ROLE},
        {"ERR Error running script (call to f_x): @user_script:1: -READONLY You can't write", SRL_REDIS_ERROR_ROLE},
        {"ERR Error running script (call to f_x): @user_script:1: @user_script: 1: -OOM command not allowed when",
         SRL_REDIS_ERROR_CAPACITY},
        {"ERR Error running script (call to f_x): @user_script:1: @user_script: 1: -MISCONF Errors writing to the AOF "
         "file: No space left on device",
         SRL_REDIS_ERROR_CAPACITY},
        {"ERR Error running script (call to f_x): @user_script:1: @user_script: 1: -NOREPLICAS Not enough good "
         "replicas to write.",
         SRL_REDIS_ERROR_RETRY},
        {"ERR Error running script (call to f_x): @user_script:1: WRONGTYPE Operation", SRL_REDIS_ERROR_OTHER},
        {"EXECABORT Transaction discarded because of: OOM command not allowed", SRL_REDIS_ERROR_CAPACITY},
        {"ERR x: OOMX -OOM", SRL_REDIS_ERROR_OTHER},
        {"ERR x: OOM", SRL_REDIS_ERROR_CAPACITY},
        {"ERR x: -", SRL_REDIS_ERROR_OTHER},
        {"ERR x: ", SRL_REDIS_ERROR_OTHER},
        {"OOM command not allowed", SRL_REDIS_ERROR_CAPACITY},
        {"ERR max number of clients reached", SRL_REDIS_ERROR_CAPACITY},
        {"NOAUTH Authentication required.", SRL_REDIS_ERROR_AUTH},
        {"NOPERM x", SRL_REDIS_ERROR_AUTH},
        {"NOSCRIPT No matching script. Please use EVAL.", SRL_REDIS_ERROR_SCRIPT},
        {"ERR Function not found", SRL_REDIS_ERROR_SCRIPT},
        {"ERR Function", SRL_REDIS_ERROR_OTHER},
        {"WRONGTYPE x", SRL_REDIS_ERROR_OTHER},
        {"moved 1 h:1", SRL_REDIS_ERROR_OTHER},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        size_t len = strlen(lines[i].text);
        char *copy = malloc(len > 0 ? len : 1); /* without a zero behind it: reading too far is found */
        assert_non_null(copy);
        memcpy(copy, lines[i].text, len);
        assert_int_equal(srl_redis_error_classify(copy, len), lines[i].class);
        free(copy);
    }
}

static void running_out_of_memory_is_an_error(void **state)
{
    static const char url[] = "redis://me:secret@[::1]:7000/3?client_name=x&path=/s";
    (void)state;
    for (uint64_t fail = 1; fail < 40; fail++) {
        srl_test_alloc alloc;
        srl_redis_options *options;
        srl_test_alloc_init(&alloc);
        assert_int_equal(srl_redis_options_create(NULL, 0, &options), SRL_OK);
        assert_int_equal(srl_redis_options_set_allocator(options, &alloc.table), SRL_OK);
        srl_test_alloc_fail(&alloc, fail, false);
        const char *why = "";
        size_t at = 0;
        int error = srl__redis_url_parse(&options->config, srl__slice_of(url, sizeof(url) - 1), &why, &at);
        assert_true(error == SRL_OK || error == SRL_ERR_NOMEM);
        srl__redis_config *config = NULL;
        if (error == SRL_OK) {
            error = srl__redis_config_take(options, &config);
            assert_true(error == SRL_OK || error == SRL_ERR_NOMEM);
        }
        if (config != NULL) {
            assert_string_equal(config->password.data, "secret");
            srl__redis_config_unref(config);
        }
        srl_redis_options_destroy(options);
        srl_test_alloc_check_empty(&alloc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_urls_are_understood),
        cmocka_unit_test(bad_urls_are_refused_with_the_position),
        cmocka_unit_test(a_refused_url_leaves_the_defaults),
        cmocka_unit_test(parameters_set_options),
        cmocka_unit_test(secrets_are_never_repeated),
        cmocka_unit_test(tls_needs_a_transport),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(error_classes_are_told_by_whole_words),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests_name("redis_url", tests, NULL, NULL);
}
