/* Methods of the API about channels. */
#include <string.h>

#include "api_call.h"

/* ---- what answers are made of ---- */

static void add_member(json_text *out, const char *name)
{
    char last = out->len > 0 ? out->data[out->len - 1] : '{';
    if (last != '{' && last != '[')
        json_text_add(out, ",");
    json_text_add_string(out, name, strlen(name));
    json_text_add(out, ":");
}

static void add_text(json_text *out, const char *name, const char *text, size_t len)
{
    add_member(out, name);
    json_text_add_string(out, text, len);
}

static void add_number(json_text *out, const char *name, uint64_t value)
{
    add_member(out, name);
    json_text_add_number(out, value);
}

/* JSON as it is, if there is any. */
static void add_json(json_text *out, const char *name, const char *json, size_t len)
{
    if (len == 0)
        return;
    add_member(out, name);
    json_text_add_n(out, json, len);
}

/* Who is there, or who has published. */
static void add_client(json_text *out, const srl_presence_session *s)
{
    json_text_add(out, "{");
    add_text(out, "user", s->user, s->user_len);
    add_text(out, "client", s->client, s->client_len);
    add_json(out, "conn_info", s->info, s->info_len);
    add_json(out, "chan_info", s->channel_info, s->channel_info_len);
    json_text_add(out, "}");
}

static void add_position(json_text *out, uint64_t offset, const char *epoch, size_t epoch_len)
{
    add_number(out, "offset", offset);
    add_text(out, "epoch", epoch, epoch_len);
}

/* ---- publish ---- */

static void published(int error, uint64_t offset, const char *epoch, size_t epoch_len, void *user)
{
    api_call *call = user;
    if (error == 0 && offset > 0) {
        json_text_add(&call->out, "{");
        add_position(&call->out, offset, epoch, epoch_len);
        json_text_add(&call->out, "}");
    }
    api_end(call, error);
}

void api_publish(api_call *call)
{
    srl_publish_options options;
    srl_text channel;
    const json_node *data = json_find(call->params, "data"); /* null is JSON like any other */
    const json_node *tags = json_member(call->params, "tags");
    const channel_space *space = api_channel(call, &channel);
    if (!space)
        return;
    if (json_member(call->params, "b64data") || api_number(call, "version") > 0) {
        api_fail(call, SRL_REPLY_NOT_AVAILABLE);
        return;
    }
    if (!data || (space->rules.objects_only && !json_is(data, JSON_OBJECT))) {
        api_fail(call, SRL_REPLY_BAD_REQUEST);
        return;
    }
    srl_publish_options_init(&options, sizeof options);
    options.key = api_text(call, "idempotency_key", &options.key_len);
    if (json_is_true(json_member(call->params, "skip_history")))
        options.flags |= SRL_PUBLISH_SKIP_HISTORY;
    if (tags) {
        options.tags = tags->raw;
        options.tags_len = tags->raw_len;
    }
    api_went_on(call, srl_relay_publish_with(call->a->relay, channel.data, channel.len, data->raw, data->raw_len,
                                             &options, published, call));
}

void api_broadcast(api_call *call)
{
    const json_node *channels = json_member(call->params, "channels");
    bool good = channels && channels->count > 0;
    for (const json_node *node = good ? channels->first : NULL; node && good; node = node->next) {
        api_call *part = api_add_part(call, &api_publish_method, call->params);
        good = part != NULL;
        if (part)
            part->channel = node;
    }
    if (good)
        api_run_parts(call);
    else
        api_fail(call, channels && channels->count > 0 ? SRL_REPLY_INTERNAL : SRL_REPLY_BAD_REQUEST);
}

/* ---- presence ---- */

static void presence_read(int error, const srl_presence *presence, void *user)
{
    api_call *call = user;
    if (error == 0) {
        json_text_add(&call->out, "{\"presence\":{");
        for (uint32_t i = 0; i < presence->session_count; i++) {
            const srl_presence_session *s = &presence->sessions[i];
            if (i > 0)
                json_text_add(&call->out, ",");
            json_text_add_string(&call->out, s->client, s->client_len);
            json_text_add(&call->out, ":");
            add_client(&call->out, s);
        }
        json_text_add(&call->out, "}}");
    }
    api_end(call, error);
}

static void presence_counted(int error, const srl_presence *presence, void *user)
{
    api_call *call = user;
    if (error == 0) {
        json_text_add(&call->out, "{");
        add_number(&call->out, "num_clients", presence->num_sessions);
        add_number(&call->out, "num_users", presence->num_users);
        json_text_add(&call->out, "}");
    }
    api_end(call, error);
}

static void ask_presence(api_call *call, uint32_t limit, srl_presence_fn done)
{
    srl_text channel;
    const channel_space *space = api_channel(call, &channel);
    if (!space)
        return;
    if (!space->rules.presence)
        api_fail(call, SRL_REPLY_NOT_AVAILABLE);
    else
        api_went_on(call, srl_relay_presence(call->a->relay, channel.data, channel.len, limit, done, call));
}

void api_presence(api_call *call)
{
    ask_presence(call, UINT32_MAX, presence_read);
}

void api_presence_stats(api_call *call)
{
    ask_presence(call, 0, presence_counted);
}

/* ---- history ---- */

static void add_publication(json_text *out, const srl_publication *p)
{
    json_text_add(out, "{");
    add_number(out, "offset", p->offset);
    add_json(out, "data", p->data, p->data_len);
    add_json(out, "tags", p->tags, p->tags_len);
    if (p->client_len > 0) {
        const srl_presence_session who = {.client = p->client,
                                          .user = p->user,
                                          .client_len = p->client_len,
                                          .user_len = p->user_len,
                                          .info = p->info,
                                          .info_len = p->info_len,
                                          .channel_info = p->channel_info,
                                          .channel_info_len = p->channel_info_len};
        add_member(out, "info");
        add_client(out, &who);
    }
    json_text_add(out, "}");
}

static void history_read(int error, const srl_history *history, void *user)
{
    api_call *call = user;
    json_text *out = &call->out;
    if (error == 0) {
        json_text_add(out, "{\"publications\":[");
        for (uint32_t i = 0; i < history->count; i++) {
            if (i > 0)
                json_text_add(out, ",");
            add_publication(out, &history->publications[i]);
        }
        json_text_add(out, "]");
        add_position(out, history->offset, history->epoch, history->epoch_len);
        json_text_add(out, "}");
    }
    api_end(call, error);
}

/* -1 stands for all; what is no number of publications is refused. */
static bool read_limit(const json_node *node, uint32_t *limit)
{
    uint64_t number = 0;
    *limit = UINT32_MAX;
    if (node && node->raw_len == 2 && memcmp(node->raw, "-1", 2) == 0)
        return true;
    if (node && !json_number(node, &number))
        return false;
    if (number < UINT32_MAX)
        *limit = (uint32_t)number;
    return true;
}

void api_history(api_call *call)
{
    srl_text channel;
    uint32_t limit;
    uint64_t offset = 0;
    size_t epoch_len;
    const json_node *since = json_member(call->params, "since");
    const char *epoch = json_string(json_member(since, "epoch"), &epoch_len);
    bool reverse = json_is_true(json_member(call->params, "reverse"));
    const channel_space *space = api_channel(call, &channel);
    if (!space)
        return;
    json_number(json_member(since, "offset"), &offset);
    if (!space->rules.history)
        api_fail(call, SRL_REPLY_NOT_AVAILABLE);
    else if (!read_limit(json_member(call->params, "limit"), &limit) || (reverse && since && offset == 0))
        api_fail(call, SRL_REPLY_BAD_REQUEST);
    else
        api_went_on(call, srl_relay_history(call->a->relay, channel.data, channel.len, offset, epoch, epoch_len, limit,
                                            reverse ? SRL_HISTORY_REVERSE : 0, history_read, call));
}

static void history_removed(int error, uint64_t offset, const char *epoch, size_t epoch_len, void *user)
{
    (void)offset;
    (void)epoch;
    (void)epoch_len;
    api_end(user, error);
}

void api_history_remove(api_call *call)
{
    srl_text channel;
    const channel_space *space = api_channel(call, &channel);
    if (!space)
        return;
    if (!space->rules.history)
        api_fail(call, SRL_REPLY_NOT_AVAILABLE);
    else
        api_went_on(call, srl_relay_history_remove(call->a->relay, channel.data, channel.len, history_removed, call));
}
