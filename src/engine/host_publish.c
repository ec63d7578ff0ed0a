/* Publishing by the host, as <streamrelay/channel.h> describes it. */
#include <streamrelay/channel.h>
#include <streamrelay/error.h>

#include "base/table.h"
#include "engine/call.h"
#include "engine/direct.h"
#include "engine/publish.h"
#include "engine/relay.h"
#include "engine/terms.h"

/* What a publication has beside its payload. */
typedef struct extras {
    int kind; /* an srl_message_kind */
    srl__owned tags;
    srl__buf key; /* as the broker gets it */
} extras;

/* One that waits for the broker. */
typedef struct host_publication {
    srl__call call;
    srl_relay *relay;
    srl_publish_fn done; /* may be NULL */
    void *user;
    size_t channel_len;
    char channel[];
} host_publication;

void srl_publish_options_init(srl_publish_options *options, size_t size)
{
    srl_publish_options none = {.tags = ""};

    srl__table_fill(options, size, &none, sizeof(none));
}

static int read_tags(srl_relay *relay, srl__slice json, srl__owned *out)
{
    srl__tags tags;
    int error = SRL_OK;

    if (json.len == 0) {
        return SRL_OK;
    }
    if (json.len > relay->settings.max_info_bytes) {
        return srl__relay_fail(relay, SRL_ERR_TOO_LARGE, "tags: larger than max_info_bytes");
    }
    error = srl__owned_set_json(relay, out, json);
    if (error != SRL_OK) {
        return error;
    }
    error = srl__tags_read(&tags, &relay->alloc, srl__owned_slice(out), &relay->json_limits);
    if (error != SRL_OK) {
        return srl__relay_fail(relay, error, "tags: expected an object of strings");
    }
    srl__tags_free(&tags, &relay->alloc);
    return SRL_OK;
}

/* Without options: none. *out is to be cleared in any case. */
static int read_extras(srl_relay *relay, const srl_publish_options *options, extras *out)
{
    srl_publish_options taken;

    *out = (extras){.kind = SRL_MESSAGE_PUBLICATION};
    srl__buf_init(&out->key, &relay->alloc, 0);
    if (options == NULL) {
        return SRL_OK;
    }
    if (!srl__table_take(&taken, sizeof(taken), options, sizeof(uint32_t)) ||
        (taken.flags & ~SRL_PUBLISH_SKIP_HISTORY) != 0) {
        return srl__relay_fail(relay, SRL_ERR_INVALID, "options: not of this library");
    }
    if (taken.key_len > SRL_PUBLISH_KEY_MAX) {
        return srl__relay_fail(relay, SRL_ERR_TOO_LARGE, "key: too long");
    }
    if ((taken.flags & SRL_PUBLISH_SKIP_HISTORY) != 0) {
        out->kind = SRL_MESSAGE_TRANSIENT;
    }
    if (taken.key_len > 0) {
        int error = srl__publish_key(relay, NULL, srl__slice_of(taken.key, taken.key_len), &out->key);
        if (error != SRL_OK) {
            return error;
        }
    }
    return read_tags(relay, srl__slice_of(taken.tags, taken.tags_len), &out->tags);
}

static void clear_extras(srl_relay *relay, extras *e)
{
    srl__owned_clear(relay, &e->tags);
    srl__buf_free(&e->key);
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

static void publication_free(host_publication *p)
{
    srl__free(&p->relay->alloc, p, sizeof(*p) + p->channel_len);
}

static void published(srl__call *call, const srl_broker_result *result)
{
    host_publication *p = SRL__CONTAINER(call, host_publication, call);
    srl_publish_fn done = p->done;
    void *user = p->user;

    srl__direct_published(p->relay, srl__slice_of(p->channel, p->channel_len), result);
    publication_free(p);
    if (done != NULL) {
        done(result->error, result->offset, result->epoch, result->epoch_len, user);
    }
}

/* Where nobody waits for the answer there need not be a call. */
static int begin(srl_relay *relay, srl__slice channel, srl_publish_fn done, void *user, host_publication **out)
{
    host_publication *p = NULL;

    *out = NULL;
    if (done == NULL && !srl__direct_waits(relay, channel)) {
        return SRL_OK;
    }
    p = srl__alloc_zeroed(&relay->alloc, sizeof(*p) + channel.len);
    if (p == NULL) {
        return SRL_ERR_NOMEM;
    }
    p->relay = relay;
    p->done = done;
    p->user = user;
    p->channel_len = channel.len;
    memcpy(p->channel, channel.data, channel.len);
    srl__call_begin(relay, &p->call, published);
    *out = p;
    return SRL_OK;
}

static int publish(srl_relay *relay, srl__slice name, srl__slice data, const extras *e, srl_publish_fn done, void *user)
{
    const srl__channel_settings *settings = srl__namespaces_find(&relay->namespaces, name);
    srl_broker_channel channel = srl__broker_channel_of(name, settings);
    srl_publication publication = {
        .size = sizeof(publication),
        .time_ms = srl__relay_wall_ms(relay),
        .data = data.data,
        .data_len = data.len,
        .user = "",
        .client = "",
        .info = "",
        .tags = e->tags.data,
        .tags_len = e->tags.len,
        .key = e->key.data,
        .key_len = e->key.len,
    };
    host_publication *p = NULL;
    int error = SRL_OK;

    if (data.len > settings->max_publish_bytes) {
        return srl__relay_fail(relay, SRL_ERR_TOO_LARGE, "data: larger than the channel's max_publish_bytes");
    }
    error = begin(relay, name, done, user, &p);
    if (error == SRL_OK) {
        error = srl__direct_publishing(relay, name, e->kind);
    }
    if (error == SRL_OK) {
        error = srl__broker_ops_of(relay->broker)
                    ->publish(relay->link, &channel, e->kind, &publication,
                              p != NULL ? &p->call.operation : srl__call_unheeded());
    }
    if (error == SRL_OK) {
        srl__event(relay, SRL_EVENT_PUBLISHED, 0, name, srl__slice_of("", 0), srl__slice_of("", 0));
    } else if (p != NULL) {
        srl__call_abandon(&p->call);
        publication_free(p);
    }
    return error;
}

int srl_relay_publish_with(srl_relay *relay, const char *channel, size_t channel_len, const char *data, size_t data_len,
                           const srl_publish_options *options, srl_publish_fn done, void *user)
{
    srl__slice name = srl__slice_of(channel, channel_len);
    extras e;
    srl__slice payload;
    char *copy = NULL;
    int error = srl__relay_check_channel(relay, name);

    if (error != SRL_OK) {
        return error;
    }
    srl__relay_enter(relay);
    error = read_extras(relay, options, &e);
    if (error == SRL_OK) {
        error = payload_of(relay, data, data_len, &payload, &copy);
    }
    if (error == SRL_OK) {
        error = publish(relay, name, payload, &e, done, user);
        srl__free_bytes(&relay->alloc, copy, copy != NULL ? payload.len : 0);
    }
    clear_extras(relay, &e);
    srl__relay_leave(relay);
    return error;
}

int srl_relay_publish(srl_relay *relay, const char *channel, size_t channel_len, const char *data, size_t data_len,
                      srl_publish_fn done, void *user)
{
    return srl_relay_publish_with(relay, channel, channel_len, data, data_len, NULL, done, user);
}
