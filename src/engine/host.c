/* What the host asks of channels, as <streamrelay/channel.h> describes it; publishing is in host_publish.c. */
#include <streamrelay/channel.h>
#include <streamrelay/error.h>

#include "engine/call.h"
#include "engine/policy.h"
#include "engine/relay.h"

/* A question of the host that waits for the broker. */
typedef struct host_call {
    srl__call call;
    srl_relay *relay;
    union {
        srl_publish_fn publish;
        srl_history_fn history;
        srl_presence_fn presence;
    } done;
    void *user;
} host_call;

static host_call *begin(srl_relay *relay, void (*finish)(srl__call *call, const srl_broker_result *result), void *user)
{
    host_call *host = srl__alloc_zeroed(&relay->alloc, sizeof(*host));

    if (host != NULL) {
        host->relay = relay;
        host->user = user;
        srl__call_begin(relay, &host->call, finish);
    }
    return host;
}

static host_call take(srl__call *call)
{
    host_call *host = SRL__CONTAINER(call, host_call, call);
    host_call copy = *host;

    srl__free(&host->relay->alloc, host, sizeof(*host));
    return copy;
}

static int outcome(host_call *host, int error)
{
    if (error != SRL_OK) {
        srl__call_abandon(&host->call);
        srl__free(&host->relay->alloc, host, sizeof(*host));
    }
    return error;
}

static void history_removed(srl__call *call, const srl_broker_result *result)
{
    host_call host = take(call);

    host.done.publish(result->error, result->offset, result->epoch, result->epoch_len, host.user);
}

static void history_read(srl__call *call, const srl_broker_result *result)
{
    host_call host = take(call);
    srl_history history = {
        .size = sizeof(history),
        .count = result->publication_count,
        .publications = result->publications,
        .offset = result->offset,
        .epoch = result->epoch,
        .epoch_len = result->epoch_len,
    };

    host.done.history(result->error, result->error == SRL_OK ? &history : NULL, host.user);
}

static void presence_read(srl__call *call, const srl_broker_result *result)
{
    host_call host = take(call);

    host.done.presence(result->error, result->error == SRL_OK ? result->presence : NULL, host.user);
}

static int read_history(srl_relay *relay, srl__slice name, const srl_broker_query *query, srl_history_fn done,
                        void *user)
{
    const srl__channel_settings *settings = srl__namespaces_find(&relay->namespaces, name);
    srl_broker_channel channel = srl__broker_channel_of(name, settings);
    host_call *host = NULL;

    if (settings->history_size == 0) {
        return SRL_ERR_UNAVAILABLE;
    }
    host = begin(relay, history_read, user);
    if (host == NULL) {
        return SRL_ERR_NOMEM;
    }
    host->done.history = done;
    return outcome(host,
                   srl__broker_ops_of(relay->broker)->history(relay->link, &channel, query, &host->call.operation));
}

int srl_relay_history(srl_relay *relay, const char *channel, size_t channel_len, uint64_t since_offset,
                      const char *since_epoch, size_t since_epoch_len, uint32_t limit, uint32_t flags,
                      srl_history_fn done, void *user)
{
    srl__slice name = srl__slice_of(channel, channel_len);
    uint32_t max = (uint32_t)relay->settings.max_history_read;
    srl_broker_query query = {
        .size = sizeof(query),
        .limit = limit < max ? limit : max,
        .since_offset = since_offset,
        .since_epoch = since_epoch,
        .since_epoch_len = since_epoch_len,
        .reverse = (flags & SRL_HISTORY_REVERSE) != 0,
    };
    int error =
        done == NULL || (flags & ~SRL_HISTORY_REVERSE) != 0 ? SRL_ERR_INVALID : srl__relay_check_channel(relay, name);

    if (error != SRL_OK) {
        return error;
    }
    srl__relay_enter(relay);
    error = read_history(relay, name, &query, done, user);
    srl__relay_leave(relay);
    return error;
}

static int remove_history(srl_relay *relay, srl__slice name, srl_publish_fn done, void *user)
{
    const srl__channel_settings *settings = srl__namespaces_find(&relay->namespaces, name);
    const srl_broker_ops *broker = srl__broker_ops_of(relay->broker);
    srl_broker_channel channel = srl__broker_channel_of(name, settings);
    host_call *host = NULL;

    if (settings->history_size == 0 || broker->history_remove == NULL) {
        return SRL_ERR_UNAVAILABLE;
    }
    if (done == NULL) {
        return broker->history_remove(relay->link, &channel, srl__call_unheeded());
    }
    host = begin(relay, history_removed, user);
    if (host == NULL) {
        return SRL_ERR_NOMEM;
    }
    host->done.publish = done;
    return outcome(host, broker->history_remove(relay->link, &channel, &host->call.operation));
}

int srl_relay_history_remove(srl_relay *relay, const char *channel, size_t channel_len, srl_publish_fn done, void *user)
{
    srl__slice name = srl__slice_of(channel, channel_len);
    int error = srl__relay_check_channel(relay, name);

    if (error != SRL_OK) {
        return error;
    }
    srl__relay_enter(relay);
    error = remove_history(relay, name, done, user);
    srl__relay_leave(relay);
    return error;
}

static int read_presence(srl_relay *relay, srl__slice name, uint32_t limit, srl_presence_fn done, void *user)
{
    const srl__channel_settings *settings = srl__namespaces_find(&relay->namespaces, name);
    srl_broker_channel channel = srl__broker_channel_of(name, settings);
    host_call *host = NULL;

    if (!srl__policy_traits(relay, name).presence) {
        return SRL_ERR_UNAVAILABLE;
    }
    host = begin(relay, presence_read, user);
    if (host == NULL) {
        return SRL_ERR_NOMEM;
    }
    host->done.presence = done;
    return outcome(
        host, srl__broker_ops_of(relay->broker)->presence_list(relay->link, &channel, limit, &host->call.operation));
}

int srl_relay_presence(srl_relay *relay, const char *channel, size_t channel_len, uint32_t limit, srl_presence_fn done,
                       void *user)
{
    srl__slice name = srl__slice_of(channel, channel_len);
    uint32_t max = (uint32_t)relay->settings.max_presence_users;
    int error = done == NULL ? SRL_ERR_INVALID : srl__relay_check_channel(relay, name);

    if (error != SRL_OK) {
        return error;
    }
    srl__relay_enter(relay);
    error = read_presence(relay, name, limit < max ? limit : max, done, user);
    srl__relay_leave(relay);
    return error;
}
