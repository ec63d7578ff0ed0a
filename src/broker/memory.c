#include "broker/memory.h"

#include <streamrelay/error.h>

/* Channels looked at by one call of process, and idempotency keys. */
#define SWEEP_CHANNELS 1024
#define SWEEP_KEYS     1024

uint64_t srl__memory_tick(srl__memory *memory, const srl_node *node)
{
    const srl_platform *platform = srl_node_platform(node);
    uint64_t now_ms = platform->monotonic_ms(platform->user);
    if (now_ms > memory->now_ms) {
        memory->now_ms = now_ms;
    }
    return memory->now_ms;
}

void srl__memory_release(srl__memory *memory)
{
    pthread_mutex_lock(&memory->lock);
    bool is_last = --memory->users == 0;
    pthread_mutex_unlock(&memory->lock);
    if (!is_last) {
        return;
    }
    uint32_t cursor = 0;
    srl__memory_channel *channel;
    while ((channel = srl__map_next(&memory->channels, &cursor)) != NULL) {
        srl__memory_channel_destroy(channel, &memory->alloc);
    }
    srl__map_free(&memory->channels);
    srl__directory_free(&memory->directory);
    srl__positions_free(&memory->positions);
    srl__once_free(&memory->once);
    pthread_cond_destroy(&memory->unpinned);
    pthread_mutex_destroy(&memory->lock);
    srl_allocator alloc = memory->alloc;
    srl__free(&alloc, memory, sizeof(*memory));
}

void srl__memory_arm(srl__memory_link *link, srl__timer *timer, uint64_t due_ms)
{
    srl__memory *memory = link->memory;
    if (srl__timer_is_armed(timer) && timer->due_ms <= due_ms) {
        return;
    }
    srl__timer_arm(&memory->timers, timer, due_ms);
    if (memory->keeper == NULL || due_ms < memory->keeper_due_ms) {
        memory->keeper = link;
        memory->keeper_due_ms = due_ms;
        link->must_adopt_timer = true;
    }
}

static void drop_channel(srl__memory *memory, srl__memory_channel *channel)
{
    srl__timer_cancel(&memory->timers, &channel->expiry);
    srl__map_remove(&memory->channels, srl__memory_channel_name(channel));
    srl__memory_channel_destroy(channel, &memory->alloc);
}

void srl__memory_settle(srl__memory_link *link, srl__memory_channel *channel)
{
    srl__memory *memory = link->memory;
    uint64_t due_ms = srl__memory_channel_due(channel);
    if (due_ms == SRL__TIMERS_NEVER) {
        if (srl__memory_channel_is_unused(channel)) {
            drop_channel(memory, channel);
        }
        return;
    }
    srl__memory_arm(link, &channel->expiry, due_ms);
}

static srl__memory_channel *find_channel(srl__memory *memory, srl__slice name)
{
    srl__memory_channel *channel = srl__map_get(&memory->channels, name);
    if (channel != NULL) {
        srl__memory_channel_expire(channel, &memory->alloc, memory->now_ms);
    }
    return channel;
}

/* The channel, made if it is not there. Whoever called this settles it in the end. */
static int open_channel(srl__memory *memory, const srl_broker_channel *options, srl__memory_channel **out)
{
    srl__slice name = srl__slice_of(options->name, options->name_len);
    *out = find_channel(memory, name);
    if (*out != NULL) {
        return SRL_OK;
    }
    if (memory->channels.count >= memory->max_channels) {
        return SRL_ERR_LIMIT;
    }
    srl__memory_channel *channel = srl__memory_channel_create(&memory->alloc, name);
    if (channel == NULL) {
        return SRL_ERR_NOMEM;
    }
    int rc = srl__map_add(&memory->channels, srl__memory_channel_name(channel), channel);
    if (rc != SRL_OK) {
        srl__memory_channel_destroy(channel, &memory->alloc);
        return rc;
    }
    *out = channel;
    return SRL_OK;
}

static int check(const srl__memory_link *link, const srl_broker_channel *options)
{
    if (link->is_detached) {
        return SRL_ERR_CLOSED;
    }
    return options->name_len > 0 && options->name_len <= SRL__MEMORY_MAX_NAME_LEN ? SRL_OK : SRL_ERR_INVALID;
}

void srl__memory_finish(srl__memory_link *link, srl_operation *operation, const srl_broker_result *result)
{
    srl__memory_link_enter(link);
    srl_operation_finish(operation, result);
    srl__memory_link_leave(link);
}

/* Offset and epoch of a channel; the epoch's text is copied, for the channel may be gone when it is read. */
typedef struct position {
    uint64_t offset;
    size_t epoch_len;
    char epoch[SRL__EPOCH_LEN];
} position;

static position position_of(const srl__stream *stream)
{
    position at = {.offset = stream->is_open ? stream->top : 0, .epoch_len = srl__stream_epoch(stream).len};
    memcpy(at.epoch, stream->epoch, SRL__EPOCH_LEN);
    return at;
}

static srl_broker_result result_at(const position *at, int error)
{
    return (srl_broker_result){
        .size = sizeof(srl_broker_result),
        .error = error,
        .offset = at->offset,
        .epoch = at->epoch,
        .epoch_len = at->epoch_len,
    };
}

static int subscribe_locked(srl__memory_link *link, const srl_broker_channel *options, void *room, position *at)
{
    srl__memory *memory = link->memory;
    srl__memory_channel *channel;
    srl__memory_tick(memory, link->node);
    int rc = open_channel(memory, options, &channel);
    if (rc != SRL_OK) {
        return rc;
    }
    rc = srl__memory_channel_subscribe(channel, &memory->alloc, link, room);
    if (rc == SRL_OK && options->history_size > 0) {
        rc = srl__memory_channel_open_stream(channel, options, srl_node_platform(link->node));
        if (rc != SRL_OK) {
            srl__memory_channel_unsubscribe(channel, link, room);
        }
    }
    if (rc == SRL_OK) {
        channel->used_ms = memory->now_ms;
        if (options->history_size > 0) {
            *at = position_of(&channel->stream);
        }
    }
    srl__memory_settle(link, channel);
    return rc;
}

static int memory_subscribe(void *state, const srl_broker_channel *options, void *room, srl_operation *operation)
{
    srl__memory_link *link = state;
    position at = {0};
    int rc = check(link, options);
    if (rc != SRL_OK) {
        return rc;
    }
    srl__memory_link_lock(link);
    rc = subscribe_locked(link, options, room, &at);
    srl__memory_link_unlock(link);
    if (rc == SRL_OK) {
        srl_broker_result result = result_at(&at, SRL_OK);
        srl__memory_finish(link, operation, &result);
    }
    return rc;
}

static void memory_unsubscribe(void *state, const char *name, size_t name_len, void *room)
{
    srl__memory_link *link = state;
    srl__memory *memory = link->memory;
    if (link->is_detached) {
        return;
    }
    srl__memory_link_lock(link);
    srl__memory_tick(memory, link->node);
    srl__memory_channel *channel = find_channel(memory, srl__slice_of(name, name_len));
    bool was_subscribed = channel != NULL && srl__memory_channel_unsubscribe(channel, link, room);
    if (was_subscribed) {
        channel->used_ms = memory->now_ms;
        srl__memory_settle(link, channel);
        srl__inbox_purge(&link->inbox, &memory->alloc, room);
    }
    srl__memory_link_unlock(link);
    if (was_subscribed) {
        srl__inbox_purge(&link->batch, &memory->alloc, room);
    }
}

/* Into all inboxes or into none. */
static int distribute(srl__memory_link *link, const srl__memory_channel *channel, srl__message *message)
{
    uint32_t done = 0;
    int rc = SRL_OK;
    while (rc == SRL_OK && done < channel->subscriber_count) {
        const srl__memory_subscriber *to = &channel->subscribers[done];
        rc = srl__memory_link_put(link, to->link, message, to->room);
        done += rc == SRL_OK;
    }
    if (rc == SRL_OK) {
        return rc;
    }
    while (done > 0) {
        srl__memory_link_unput(link, channel->subscribers[--done].link);
    }
    return rc;
}

/* Everything that can fail comes before the stream changes. */
static int store_and_distribute(srl__memory_link *link, srl__memory_channel *channel, const srl_broker_channel *options,
                                srl__message *message)
{
    srl__memory *memory = link->memory;
    bool was_open = channel->stream.is_open;
    int rc = srl__memory_channel_open_stream(channel, options, srl_node_platform(link->node));
    if (rc == SRL_OK) {
        rc = srl__stream_reserve(&channel->stream, &memory->alloc, options->history_size);
    }
    if (rc == SRL_OK) {
        rc = distribute(link, channel, message);
    }
    if (rc != SRL_OK) {
        if (!was_open) {
            srl__stream_close(&channel->stream, &memory->alloc);
        }
        return rc;
    }
    srl__memory_channel_adapt(channel, options);
    message->stamp_ms = memory->now_ms;
    srl__stream_append(&channel->stream, &memory->alloc, message, options->history_size);
    srl__stream_trim_age(&channel->stream, &memory->alloc, channel->ttl_ms, memory->now_ms);
    return SRL_OK;
}

static int pass_on(srl__memory_link *link, srl__memory_channel *channel, const srl_broker_channel *options,
                   srl__message *message)
{
    if (message->kind == SRL_MESSAGE_PUBLICATION && options->history_size > 0) {
        return store_and_distribute(link, channel, options, message);
    }
    srl__slice epoch = srl__stream_epoch(&channel->stream);
    if (options->history_size > 0 && epoch.len > 0) {
        memcpy(message->epoch, epoch.data, SRL__EPOCH_LEN);
        message->epoch_len = SRL__EPOCH_LEN;
    }
    int rc = distribute(link, channel, message);
    if (rc == SRL_OK && options->history_size == 0) {
        srl__stream_close(&channel->stream, &link->memory->alloc);
    }
    return rc;
}

static int publish_locked(srl__memory_link *link, const srl_broker_channel *options, srl__message *message)
{
    srl__memory *memory = link->memory;
    srl__memory_channel *channel;
    bool must_keep = message->kind == SRL_MESSAGE_PUBLICATION && options->history_size > 0;
    srl__memory_tick(memory, link->node);
    if (must_keep) {
        int rc = open_channel(memory, options, &channel);
        if (rc != SRL_OK) {
            return rc;
        }
    } else {
        channel = find_channel(memory, srl__slice_of(options->name, options->name_len));
        if (channel == NULL) {
            return SRL_OK;
        }
    }
    uint64_t put_before = link->put;
    int rc = pass_on(link, channel, options, message);
    if (rc == SRL_OK) {
        channel->used_ms = memory->now_ms;
        if (link->put != put_before) {
            link->own_put = link->put;
            srl__memory_link_take_batch(link);
        }
    }
    srl__memory_settle(link, channel);
    return rc;
}

static void watch_keys(srl__memory_link *link)
{
    uint64_t due_ms = srl__once_next_ms(&link->memory->once);
    if (due_ms != SRL__TIMERS_NEVER) {
        srl__memory_arm(link, &link->memory->once_expiry, due_ms);
    }
}

static srl_broker_result published(const srl__message *message)
{
    return (srl_broker_result){
        .size = sizeof(srl_broker_result),
        .offset = message->view.offset,
        .epoch = message->epoch,
        .epoch_len = message->epoch_len,
    };
}

/* A message that was published before is not published, but gets the place that the first one has. */
static int publish_once(srl__memory_link *link, const srl_broker_channel *options, srl__slice key,
                        srl__message *message, bool *is_repeat)
{
    srl__once *once = &link->memory->once;
    srl__slice name = srl__slice_of(options->name, options->name_len);
    srl__once_entry *entry;
    uint64_t now_ms = srl__memory_tick(link->memory, link->node);
    int rc = srl__once_take(once, name, key, options->idempotency_ttl_ms, now_ms, &entry);
    *is_repeat = rc == SRL_OK;
    if (*is_repeat) {
        message->view.offset = entry->offset;
        message->epoch_len = entry->epoch_len;
        memcpy(message->epoch, entry->epoch, SRL__EPOCH_LEN);
        return SRL_OK;
    }
    if (rc != SRL_ERR_NOT_FOUND) {
        return rc;
    }
    rc = publish_locked(link, options, message);
    if (rc != SRL_OK) {
        srl__once_drop(once, entry);
        return rc;
    }
    entry->offset = message->view.offset;
    entry->epoch_len = message->epoch_len;
    memcpy(entry->epoch, message->epoch, SRL__EPOCH_LEN);
    watch_keys(link);
    return SRL_OK;
}

/* The answer comes before the deliveries. */
static int memory_publish(void *state, const srl_broker_channel *options, int kind, const srl_publication *publication,
                          srl_operation *operation)
{
    srl__memory_link *link = state;
    const srl_platform *platform;
    int rc = check(link, options);
    if (rc != SRL_OK) {
        return rc;
    }
    if (kind < SRL_MESSAGE_PUBLICATION || kind > SRL_MESSAGE_TRANSIENT) {
        return SRL_ERR_INVALID;
    }
    platform = srl_node_platform(link->node);
    const srl_allocator *alloc = srl__memory_link_alloc(link);
    srl__message *message = srl__message_create(alloc, kind, publication, platform->wall_ms(platform->user));
    if (message == NULL) {
        return SRL_ERR_NOMEM;
    }
    bool is_repeat = false;
    srl__memory_link_lock(link);
    if (kind == SRL_MESSAGE_PUBLICATION && publication->key_len > 0) {
        rc = publish_once(link, options, srl__slice_of(publication->key, publication->key_len), message, &is_repeat);
    } else {
        rc = publish_locked(link, options, message);
    }
    srl__memory_link_unlock(link);
    if (rc != SRL_OK) {
        srl__message_release(message, alloc);
        return rc;
    }
    srl_broker_result result = published(message);
    result.is_repeat = is_repeat;
    srl__memory_link_enter(link);
    srl_operation_finish(operation, &result);
    srl__memory_link_deliver_own(link);
    srl__message_release(message, alloc);
    srl__memory_link_leave(link);
    return SRL_OK;
}

/* What a read of history found: views, and behind them the messages that they are of. */
typedef struct reading {
    position at;
    int error;
    uint32_t count;
    srl__scratch scratch;
} reading;

static srl__message **messages_of(const reading *r)
{
    return (srl__message **)(void *)((srl_publication *)r->scratch.data + r->count);
}

static int collect(srl__memory_link *link, const srl__stream *stream, const srl_broker_query *query, reading *r)
{
    uint32_t place;
    size_t size;
    r->count = srl__stream_select(stream, query, &place);
    if (r->count == 0) {
        return SRL_OK;
    }
    if (!srl__size_of_array(r->count, sizeof(srl_publication) + sizeof(srl__message *), 0, &size)) {
        return SRL_ERR_NOMEM;
    }
    r->scratch = srl__memory_link_take_scratch(link, size);
    if (r->scratch.data == NULL) {
        return SRL_ERR_NOMEM;
    }
    srl_publication *views = r->scratch.data;
    srl__message **messages = messages_of(r);
    for (uint32_t i = 0; i < r->count; i++) {
        srl__message *message = srl__stream_at(stream, query->reverse ? place - i : place + i);
        srl__message_retain(message);
        messages[i] = message;
        views[i] = message->view;
    }
    return SRL_OK;
}

static int history_locked(srl__memory_link *link, const srl_broker_channel *options, const srl_broker_query *query,
                          reading *r)
{
    srl__memory *memory = link->memory;
    srl__memory_channel *channel;
    srl__memory_tick(memory, link->node);
    int rc = open_channel(memory, options, &channel);
    if (rc != SRL_OK) {
        return rc;
    }
    srl__stream *stream = &channel->stream;
    bool was_open = stream->is_open;
    rc = srl__memory_channel_open_stream(channel, options, srl_node_platform(link->node));
    if (rc == SRL_OK) {
        r->at = position_of(stream);
        if (query->since_epoch_len > 0 &&
            !srl__slice_equal(srl__slice_of(query->since_epoch, query->since_epoch_len), srl__stream_epoch(stream))) {
            r->error = SRL_ERR_UNRECOVERABLE;
        } else {
            rc = collect(link, stream, query, r);
        }
    }
    if (rc == SRL_OK) {
        channel->used_ms = memory->now_ms;
    } else if (!was_open) {
        srl__stream_close(stream, &memory->alloc);
    }
    srl__memory_settle(link, channel);
    return rc;
}

static void finish_history(srl__memory_link *link, srl_operation *operation, const reading *r)
{
    srl_broker_result result = result_at(&r->at, r->error);
    result.publications = r->scratch.data;
    result.publication_count = r->count;
    srl__memory_link_enter(link);
    srl_operation_finish(operation, &result);
    if (r->scratch.data != NULL) {
        srl__message **messages = messages_of(r);
        for (uint32_t i = 0; i < r->count; i++) {
            srl__message_release(messages[i], srl__memory_link_alloc(link));
        }
        srl__memory_link_give_scratch(link, r->scratch);
    }
    srl__memory_link_leave(link);
}

static int memory_history(void *state, const srl_broker_channel *options, const srl_broker_query *query,
                          srl_operation *operation)
{
    srl__memory_link *link = state;
    reading r = {.error = SRL_OK};
    int rc = check(link, options);
    if (rc != SRL_OK) {
        return rc;
    }
    if (options->history_size == 0) {
        r.error = query->since_epoch_len > 0 ? SRL_ERR_UNRECOVERABLE : SRL_OK;
    } else {
        srl__memory_link_lock(link);
        rc = history_locked(link, options, query, &r);
        srl__memory_link_unlock(link);
    }
    if (rc == SRL_OK) {
        finish_history(link, operation, &r);
    }
    return rc;
}

static int history_remove_locked(srl__memory_link *link, const srl_broker_channel *options, position *at)
{
    srl__memory *memory = link->memory;
    srl__memory_channel *channel;
    srl__memory_tick(memory, link->node);
    int rc = open_channel(memory, options, &channel);
    if (rc != SRL_OK) {
        return rc;
    }
    rc = srl__memory_channel_open_stream(channel, options, srl_node_platform(link->node));
    if (rc == SRL_OK) {
        srl__stream_trim_count(&channel->stream, &memory->alloc, 0);
        *at = position_of(&channel->stream);
        channel->used_ms = memory->now_ms;
    }
    srl__memory_settle(link, channel);
    return rc;
}

static int memory_history_remove(void *state, const srl_broker_channel *options, srl_operation *operation)
{
    srl__memory_link *link = state;
    position at;
    int rc = check(link, options);
    if (rc != SRL_OK) {
        return rc;
    }
    if (options->history_size == 0) {
        return SRL_ERR_UNAVAILABLE;
    }
    srl__memory_link_lock(link);
    rc = history_remove_locked(link, options, &at);
    srl__memory_link_unlock(link);
    if (rc != SRL_OK) {
        return rc;
    }
    srl_broker_result result = result_at(&at, SRL_OK);
    srl__memory_finish(link, operation, &result);
    return SRL_OK;
}

static int presence_add_locked(srl__memory_link *link, const srl_broker_channel *options,
                               const srl_broker_member *member, uint32_t *user_sessions)
{
    srl__memory *memory = link->memory;
    srl__memory_channel *channel;
    srl__memory_tick(memory, link->node);
    int rc = open_channel(memory, options, &channel);
    if (rc != SRL_OK) {
        return rc;
    }
    rc = srl__memory_channel_open_presence(channel, &memory->alloc, memory->seed);
    if (rc == SRL_OK) {
        rc = srl__presence_add(channel->presence, member, link, user_sessions);
    }
    srl__memory_settle(link, channel);
    return rc;
}

static int memory_presence_add(void *state, const srl_broker_channel *options, const srl_broker_member *member,
                               srl_operation *operation)
{
    srl__memory_link *link = state;
    srl_broker_result result = {.size = sizeof(result), .epoch = ""};
    int rc = check(link, options);
    if (rc != SRL_OK) {
        return rc;
    }
    srl__memory_link_lock(link);
    rc = presence_add_locked(link, options, member, &result.user_sessions);
    srl__memory_link_unlock(link);
    if (rc == SRL_OK) {
        srl__memory_finish(link, operation, &result);
    }
    return rc;
}

static int memory_presence_remove(void *state, const srl_broker_channel *options, const srl_broker_member *member,
                                  srl_operation *operation)
{
    srl__memory_link *link = state;
    srl_broker_result result = {.size = sizeof(result), .error = SRL_ERR_NOT_FOUND, .epoch = ""};
    int rc = check(link, options);
    if (rc != SRL_OK) {
        return rc;
    }
    srl__memory_link_lock(link);
    srl__memory_tick(link->memory, link->node);
    srl__memory_channel *channel = find_channel(link->memory, srl__slice_of(options->name, options->name_len));
    if (channel != NULL) {
        if (channel->presence != NULL) {
            result.error = srl__presence_remove(channel->presence, member, &result.user_sessions);
        }
        srl__memory_settle(link, channel);
    }
    srl__memory_link_unlock(link);
    srl__memory_finish(link, operation, &result);
    return SRL_OK;
}

static int list_locked(srl__memory_link *link, const srl_broker_channel *options, uint32_t limit, srl__scratch *scratch,
                       srl_presence *out)
{
    srl__slice name = srl__slice_of(options->name, options->name_len);
    const srl__memory_channel *channel = srl__map_get(&link->memory->channels, name);
    if (channel == NULL || channel->presence == NULL) {
        return SRL_OK;
    }
    *scratch = srl__memory_link_take_scratch(link, srl__presence_measure(channel->presence, limit));
    if (scratch->data == NULL) {
        return SRL_ERR_NOMEM;
    }
    srl__presence_copy(channel->presence, limit, scratch->data, out);
    return SRL_OK;
}

static int memory_presence_list(void *state, const srl_broker_channel *options, uint32_t limit,
                                srl_operation *operation)
{
    srl__memory_link *link = state;
    srl_presence presence = {.size = sizeof(presence)};
    srl__scratch scratch = {NULL, 0};
    int rc = check(link, options);
    if (rc != SRL_OK) {
        return rc;
    }
    srl__memory_link_lock(link);
    rc = list_locked(link, options, limit, &scratch, &presence);
    srl__memory_link_unlock(link);
    if (rc != SRL_OK) {
        return rc;
    }
    srl_broker_result result = {.size = sizeof(result), .epoch = "", .presence = &presence};
    srl__memory_link_enter(link);
    srl_operation_finish(operation, &result);
    srl__memory_link_give_scratch(link, scratch);
    srl__memory_link_leave(link);
    return SRL_OK;
}

/* Channels and positions whose time has come. */
static void sweep(srl__memory_link *link)
{
    srl__memory *memory = link->memory;
    srl__timer *timer;
    srl__timers_advance(&memory->timers, memory->now_ms);
    for (uint32_t i = 0; i < SWEEP_CHANNELS && (timer = srl__timers_take_due(&memory->timers)) != NULL; i++) {
        if (timer == &memory->positions_expiry) {
            srl__memory_sweep_positions(link);
            continue;
        }
        if (timer == &memory->once_expiry) {
            srl__once_expire(&memory->once, memory->now_ms, SWEEP_KEYS);
            watch_keys(link);
            continue;
        }
        srl__memory_channel *channel = SRL__CONTAINER(timer, srl__memory_channel, expiry);
        srl__memory_channel_expire(channel, &memory->alloc, memory->now_ms);
        srl__memory_settle(link, channel);
    }
}

/* Whether there is more to sweep at once. */
static bool process_timers(srl__memory_link *link)
{
    srl__memory *memory = link->memory;
    uint64_t now_ms = srl__memory_tick(memory, link->node);
    if (srl__timers_next_ms(&memory->timers) <= now_ms) {
        sweep(link);
    }
    uint64_t next_ms = srl__timers_next_ms(&memory->timers);
    if (memory->keeper == link || memory->keeper == NULL) {
        memory->keeper = next_ms != SRL__TIMERS_NEVER ? link : NULL;
        memory->keeper_due_ms = next_ms;
        link->must_adopt_timer = next_ms != SRL__TIMERS_NEVER && next_ms > now_ms;
    }
    return next_ms <= now_ms;
}

static int memory_process(void *state, uint32_t budget)
{
    srl__memory_link *link = state;
    if (link->is_detached) {
        return 0;
    }
    srl__memory_link_enter(link);
    srl__memory_link_lock(link);
    link->is_woken = false;
    bool is_left = process_timers(link);
    srl__memory_link_take_batch(link);
    srl__memory_link_unlock(link);
    is_left = srl__memory_link_deliver(link, budget) || is_left;
    is_left = is_left && !link->is_detached;
    srl__memory_link_leave(link);
    return is_left;
}

static void memory_destroy(void *state)
{
    srl__memory_release(state);
}

static const srl_broker_ops memory_ops = {
    .size = sizeof(memory_ops),
    .attach = srl__memory_attach,
    .detach = srl__memory_detach,
    .process = memory_process,
    .subscribe = memory_subscribe,
    .unsubscribe = memory_unsubscribe,
    .publish = memory_publish,
    .history = memory_history,
    .presence_add = memory_presence_add,
    .presence_remove = memory_presence_remove,
    .presence_list = memory_presence_list,
    .directory = srl__memory_directory,
    .position_set = srl__memory_position_set,
    .position_get = srl__memory_position_get,
    .control = srl__memory_control,
    .nodes = srl__memory_nodes,
    .history_remove = memory_history_remove,
    .destroy = memory_destroy,
};

static bool init_locks(srl__memory *memory)
{
    if (pthread_mutex_init(&memory->lock, NULL) != 0) {
        return false;
    }
    if (pthread_cond_init(&memory->unpinned, NULL) != 0) {
        pthread_mutex_destroy(&memory->lock);
        return false;
    }
    return true;
}

static int make_memory(const srl_allocator *alloc, srl__memory **out)
{
    srl__memory *memory = srl__alloc_zeroed(alloc, sizeof(*memory));
    if (memory == NULL) {
        return SRL_ERR_NOMEM;
    }
    memory->alloc = *alloc;
    memory->users = 1;
    memory->keeper_due_ms = SRL__TIMERS_NEVER;
    memory->max_channels = SRL__MEMORY_MAX_CHANNELS;
    srl__timer_init(&memory->positions_expiry);
    srl__timer_init(&memory->once_expiry);
    srl__list_init(&memory->links);
    srl__map_init(&memory->channels, &memory->alloc, 0);
    if (!init_locks(memory)) {
        srl__free(alloc, memory, sizeof(*memory));
        return SRL_ERR_NOMEM;
    }
    *out = memory;
    return SRL_OK;
}

int srl_broker_create_memory(const srl_allocator *allocator, srl_broker **out)
{
    srl_allocator alloc;
    srl__memory *memory;
    if (out == NULL || !srl__allocator_take(&alloc, allocator)) {
        return SRL_ERR_INVALID;
    }
    int rc = make_memory(&alloc, &memory);
    if (rc != SRL_OK) {
        return rc;
    }
    rc = srl__broker_make(&alloc, &memory_ops, memory, out);
    if (rc != SRL_OK) {
        srl__memory_release(memory);
    }
    return rc;
}
