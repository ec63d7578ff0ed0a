/* What a connection needs to know, shared by all that are made with the same options; and the options themselves. */
#ifndef SRL__REDIS_CONFIG_H
#define SRL__REDIS_CONFIG_H

#include <stdatomic.h>

#include <streamrelay/redis.h>

#include "base/alloc.h"
#include "base/slice.h"

/* A string of the config's own, ended by a zero byte; data NULL: not given. */
typedef struct srl__redis_text {
    char *data;
    size_t len;
} srl__redis_text;

typedef struct srl__redis_config {
    atomic_uint refs;
    srl_allocator alloc;
    srl_platform platform;
    srl__redis_text host, path, user, password, client_name;
    uint64_t port, db, protocol; /* protocol 0: what the server speaks */
    uint64_t client_info, offline_queue;
    uint64_t connect_timeout, command_timeout, loading_timeout;
    uint64_t backoff_min, backoff_max;
    uint64_t keepalive, user_timeout, idle_probe;
    uint64_t max_pending, max_output, max_reply, max_bulk, max_depth;
    uint64_t pool_max, pool_min, pool_wait, pool_idle_timeout, pool_lifetime, pool_check;
    bool tls;
    bool has_transport;
    bool has_resolver;
    srl_redis_transport transport;
    srl_redis_resolver resolver;
    srl_redis_credentials_fn credentials;
    void *credentials_user;
} srl__redis_config;

struct srl_redis_options {
    srl__redis_config config;
    char error[240];
};

/* A copy of its own with one reference; NULL: the defaults. SRL_ERR_REDIS_TRANSPORT, SRL_ERR_NOMEM. */
int srl__redis_config_take(const srl_redis_options *options, srl__redis_config **out);
srl__redis_config *srl__redis_config_ref(srl__redis_config *config);
void srl__redis_config_unref(srl__redis_config *config);

/* Set by name; on failure *why is a sentence that repeats nothing of the value. */
int srl__redis_config_set(srl__redis_config *config, srl__slice name, srl__slice value, const char **why);
/* Replace a string. */
bool srl__redis_config_set_text(srl__redis_config *config, srl__redis_text *text, srl__slice value);

/* Set from a URL. On failure *why as above and *at is the byte concerned; config is to be thrown away. */
int srl__redis_url_parse(srl__redis_config *config, srl__slice url, const char **why, size_t *at);

/* Replace what options say went wrong last; "" clears. */
void srl__redis_options_explain(srl_redis_options *options, const char *text);

#endif
