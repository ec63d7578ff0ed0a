#include "redis.h"

#include <stdio.h>
#include <string.h>

#ifdef CENTRIFUGO_WITH_REDIS

#include <streamrelay/redis_broker.h>

int redis_use(srl_options *options, const char *url)
{
    srl_redis_options *redis = NULL;
    srl_broker *broker = NULL;
    int error = srl_redis_options_create(url, strlen(url), &redis);
    if (error == 0)
        error = srl_redis_broker_create(redis, NULL, &broker);
    if (error == 0)
        error = srl_options_set_broker(options, broker);
    if (error != 0)
        fprintf(stderr, "centrifugo: --redis: %s\n",
                redis ? srl_redis_options_last_error(redis) : srl_error_text(error));
    srl_broker_release(broker);
    srl_redis_options_destroy(redis);
    return error == 0 ? 0 : -1;
}

#else

int redis_use(srl_options *options, const char *url)
{
    (void)options;
    fprintf(stderr, "centrifugo: --redis %s: this build has no Redis broker\n", url);
    return -1;
}

#endif
