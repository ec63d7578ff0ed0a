#include "use_redis.h"

#include <stdio.h>
#include <string.h>

#define PRESENCE_TTL_MS 15000 /* who was on a process that crashed is gone after this */

static int create_broker(const srl_redis_options *redis, const char *prefix, srl_broker **out)
{
    srl_redis_broker_config config;
    srl_redis_broker_config_init(&config, sizeof config);
    config.prefix = prefix;
    config.prefix_len = strlen(prefix);
    config.presence_ttl_ms = PRESENCE_TTL_MS;
    return srl_redis_broker_create(redis, &config, out);
}

int use_redis(srl_options *options, const char *url, const char *prefix)
{
    srl_redis_options *redis = NULL;
    srl_broker *broker;
    int error = srl_redis_options_create(url, strlen(url), &redis);
    if (error != 0) {
        fprintf(stderr, "--redis: %s\n", redis ? srl_redis_options_last_error(redis) : srl_error_text(error));
    } else {
        error = create_broker(redis, prefix, &broker);
        if (error == 0) {
            error = srl_options_set_broker(options, broker);
            srl_broker_release(broker); /* the options keep it */
        }
        if (error != 0)
            fprintf(stderr, "--redis: %s\n", srl_error_text(error));
    }
    srl_redis_options_destroy(redis);
    return error;
}
