/* The contract of a broker, on a real Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <streamrelay/error.h>
#include <streamrelay/redis_broker.h>

#include "helpers/broker_suite.h"
#include "helpers/redis_server.h"

static srl_test_redis server;
static const char *user_and_options[2] = {"", ""}; /* of the URL */
static int brokers_made;

/* Each broker is a world of its own: it has a prefix that none had before. */
static int create(const srl_allocator *alloc, srl_broker **out)
{
    srl_redis_options *options;
    srl_redis_broker_config config;
    char url[96];
    char prefix[32];
    int len = snprintf(url, sizeof(url), "redis://%s127.0.0.1:%u%s", user_and_options[0], (unsigned)server.port,
                       user_and_options[1]);
    assert_int_equal(srl_redis_options_create(url, (size_t)len, &options), SRL_OK);
    if (alloc != NULL) {
        assert_int_equal(srl_redis_options_set_allocator(options, alloc), SRL_OK);
    }
    srl_redis_broker_config_init(&config, sizeof(config));
    config.prefix = prefix;
    config.prefix_len = (size_t)snprintf(prefix, sizeof(prefix), "test%d", ++brokers_made);
    int error = srl_redis_broker_create(options, &config, out);
    srl_redis_options_destroy(options);
    return error;
}

static void wait_a_moment(void)
{
    struct timespec moment = {.tv_sec = 0, .tv_nsec = 500000};
    nanosleep(&moment, NULL);
}

int main(void)
{
    static const srl_test_broker_kind kind = {.create = create, .wait = wait_a_moment};
    if (!srl_test_redis_start(&server, NULL)) {
        printf("no redis-server\n");
        return 77;
    }
    int failed = srl_test_broker_suite_run("redis_broker", &kind);
    user_and_options[1] = "?protocol=2";
    failed += srl_test_broker_suite_run("redis_broker_resp2", &kind);
    if (server.version >= 700) { /* before, all is without functions */
        srl_test_redis_command(&server, "ACL SETUSER plain on >x ~* &* +@all -fcall -fcall_ro -function", NULL, 0);
        user_and_options[0] = "plain:x@";
        user_and_options[1] = "";
        failed += srl_test_broker_suite_run("redis_broker_without_functions", &kind);
    }
    srl_test_redis_stop(&server);
    return failed;
}
