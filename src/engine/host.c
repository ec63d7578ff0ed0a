/* What the host asks of channels, as <streamrelay/channel.h> describes it. */
#include <streamrelay/channel.h>
#include <streamrelay/error.h>

#include "engine/call.h"
#include "engine/direct.h"
#include "engine/host_publish.h"
#include "engine/policy.h"
#include "engine/publish.h"
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

static void published(srl__call *call, const srl_broker_result *result)
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

static int usable(srl_relay *relay, srl__slice channel)
{
    if (relay->destroyed) {
        return SRL_ERR_CLOSED;
    }
    if (!srl__channel_is_valid(relay, channel)) {
        return srl__relay_fail(relay, SRL_ERR_INVALID, "channel: not a valid name");
    }
    return SRL_OK;
}

/* The payload's JSON without what surrounds it; *copy is set if newlines had to go, and is to be freed then. */
static int payload_of(srl_relay *relay, const char *data, size_t len, srl__slice *out, char **copy)
{
    srl__json_value value;
    srl__json_error problem;

    if (!srl__json_validate(srl__slice_of(data, len), &relay->json_limits, &value, &problem)) {
        (void)srl__json_error_text(&problem, relay->error, sizeof(relay->error));
        return SRL_ERR_JSON;
    }
    *out = value.raw;
    if (value.type == SRL__JSON_STRING) { /* with its quotes */
        *out = srl__slice_of(value.raw.data - 1, value.raw.len + 2);
    }
    if ((value.flags & SRL__JSON_NEWLINES) != 0) {
        *copy = srl__copy_bytes(&relay->alloc, out->data, out->len);
        if (*copy == NULL) {
            return SRL_ERR_NOMEM;
        }
        srl__json_flatten(*copy, out->len);
        out->data = *copy;
    }
    return SRL_OK;
}

static int publish(srl_relay *relay, srl__slice name, srl__slice data, const srl__publish_extras *extras,
                   srl_publish_fn done, void *user)
{
    const srl__channel_settings *settings = srl__namespaces_find(&relay->namespaces, name);
    srl_broker_channel channel = srl__broker_channel_of(name, settings);
    const srl_broker_ops *broker = srl__broker_ops_of(relay->broker);
    srl_publication publication = {
        .size = sizeof(publication),
        .time_ms = srl__relay_wall_ms(relay),
        .data = data.data,
        .data_len = data.len,
        .user = "",
        .client = "",
        .info = "",
        .tags = extras->tags.data,
        .tags_len = extras->tags.len,
        .key = extras->key.data,
        .key_len = extras->key.len,
    };
    srl_operation *operation = srl__call_unheeded();
    host_call *host = NULL;
    int error = SRL_OK;

    if (data.len > settings->max_publish_bytes) {
        return srl__relay_fail(relay, SRL_ERR_TOO_LARGE, "data: larger than the channel's max_publish_bytes");
    }
    if (done != NULL) {
        host = begin(relay, published, user);
        if (host == NULL) {
            return SRL_ERR_NOMEM;
        }
        host->done.publish = done;
        operation = &host->call.operation;
    }
    error = srl__direct_summon(relay, name);
    if (error == SRL_OK) {
        error = broker->publish(relay->link, &channel, extras->kind, &publication, operation);
    }
    if (error == SRL_OK) {
        srl__event(relay, SRL_EVENT_PUBLISHED, 0, name, srl__slice_of("", 0), srl__slice_of("", 0));
        return SRL_OK;
    }
    return host != NULL ? outcome(host, error) : error;
}

int srl_relay_publish_with(srl_relay *relay, const char *channel, size_t channel_len, const char *data, size_t data_len,
                           const srl_publish_options *options, srl_publish_fn done, void *user)
{
    srl__slice name = srl__slice_of(channel, channel_len);
    srl__publish_extras extras;
    srl__slice payload;
    char *copy = NULL;
    int error = usable(relay, name);

    if (error != SRL_OK) {
        return error;
    }
    srl__relay_enter(relay);
    error = srl__publish_extras_read(relay, options, &extras);
    if (error == SRL_OK) {
        error = payload_of(relay, data, data_len, &payload, &copy);
    }
    if (error == SRL_OK) {
        error = publish(relay, name, payload, &extras, done, user);
        srl__free_bytes(&relay->alloc, copy, copy != NULL ? payload.len : 0);
    }
    srl__publish_extras_clear(relay, &extras);
    srl__relay_leave(relay);
    return error;
}

int srl_relay_publish(srl_relay *relay, const char *channel, size_t channel_len, const char *data, size_t data_len,
                      srl_publish_fn done, void *user)
{
    return srl_relay_publish_with(relay, channel, channel_len, data, data_len, NULL, done, user);
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
    int error = done == NULL || (flags & ~SRL_HISTORY_REVERSE) != 0 ? SRL_ERR_INVALID : usable(relay, name);

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
    host = begin(relay, published, user);
    if (host == NULL) {
        return SRL_ERR_NOMEM;
    }
    host->done.publish = done;
    return outcome(host, broker->history_remove(relay->link, &channel, &host->call.operation));
}

int srl_relay_history_remove(srl_relay *relay, const char *channel, size_t channel_len, srl_publish_fn done, void *user)
{
    srl__slice name = srl__slice_of(channel, channel_len);
    int error = usable(relay, name);

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
    int error = done == NULL ? SRL_ERR_INVALID : usable(relay, name);

    if (error != SRL_OK) {
        return error;
    }
    srl__relay_enter(relay);
    error = read_presence(relay, name, limit < max ? limit : max, done, user);
    srl__relay_leave(relay);
    return error;
}
