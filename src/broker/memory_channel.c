#include "broker/memory_channel.h"

#include <streamrelay/error.h>

#define MAX_SUBSCRIBERS (UINT32_C(1) << 20)

/* An epoch without a publication is not kept longer than this: nothing can have been missed, and clients may make up
 * any number of names. */
#define UNPUBLISHED_EPOCH_MS 600000

srl__memory_channel *srl__memory_channel_create(const srl_allocator *alloc, srl__slice name)
{
    if (name.len > SIZE_MAX - sizeof(srl__memory_channel)) {
        return NULL;
    }
    srl__memory_channel *channel = srl__alloc(alloc, sizeof(*channel) + name.len);
    if (channel == NULL) {
        return NULL;
    }
    *channel = (srl__memory_channel){.name_len = name.len};
    srl__timer_init(&channel->expiry);
    memcpy(channel->name, name.data, name.len);
    return channel;
}

void srl__memory_channel_destroy(srl__memory_channel *channel, const srl_allocator *alloc)
{
    srl__stream_close(&channel->stream, alloc);
    if (channel->presence != NULL) {
        srl__presence_free(channel->presence);
        srl__free(alloc, channel->presence, sizeof(*channel->presence));
    }
    srl__free(alloc, channel->subscribers, channel->subscriber_capacity * sizeof(*channel->subscribers));
    srl__free(alloc, channel, sizeof(*channel) + channel->name_len);
}

void srl__memory_channel_adapt(srl__memory_channel *channel, const srl_broker_channel *options)
{
    channel->ttl_ms = options->history_ttl_ms;
    channel->meta_ttl_ms = options->history_meta_ttl_ms;
}

int srl__memory_channel_open_stream(srl__memory_channel *channel, const srl_broker_channel *options,
                                    const srl_platform *platform)
{
    if (channel->stream.is_open) {
        return SRL_OK;
    }
    int rc = srl__stream_open(&channel->stream, platform);
    if (rc == SRL_OK) {
        srl__memory_channel_adapt(channel, options);
    }
    return rc;
}

static bool is_held(const srl__memory_channel *channel)
{
    return channel->subscriber_count > 0 || (channel->presence != NULL && !srl__presence_is_empty(channel->presence));
}

static uint64_t add_ms(uint64_t time_ms, uint64_t more_ms)
{
    return more_ms < SRL__TIMERS_NEVER - time_ms ? time_ms + more_ms : SRL__TIMERS_NEVER;
}

/* How long the epoch outlives the last use; 0: for ever. */
static uint64_t epoch_life(const srl__memory_channel *channel)
{
    bool is_unpublished = channel->stream.top == 0;
    if (is_unpublished && (channel->meta_ttl_ms == 0 || channel->meta_ttl_ms > UNPUBLISHED_EPOCH_MS)) {
        return UNPUBLISHED_EPOCH_MS;
    }
    return channel->meta_ttl_ms;
}

void srl__memory_channel_expire(srl__memory_channel *channel, const srl_allocator *alloc, uint64_t now_ms)
{
    srl__stream *stream = &channel->stream;
    if (!stream->is_open) {
        return;
    }
    srl__stream_trim_age(stream, alloc, channel->ttl_ms, now_ms);
    uint64_t life_ms = epoch_life(channel);
    if (stream->count == 0 && life_ms != 0 && !is_held(channel) && now_ms >= add_ms(channel->used_ms, life_ms)) {
        srl__stream_close(stream, alloc);
    }
}

uint64_t srl__memory_channel_due(const srl__memory_channel *channel)
{
    const srl__stream *stream = &channel->stream;
    if (!stream->is_open) {
        return SRL__TIMERS_NEVER;
    }
    if (stream->count > 0) {
        return channel->ttl_ms == 0 ? SRL__TIMERS_NEVER : add_ms(srl__stream_at(stream, 0)->stamp_ms, channel->ttl_ms);
    }
    uint64_t life_ms = epoch_life(channel);
    if (life_ms == 0 || is_held(channel)) {
        return SRL__TIMERS_NEVER;
    }
    return add_ms(channel->used_ms, life_ms);
}

bool srl__memory_channel_is_unused(const srl__memory_channel *channel)
{
    return !channel->stream.is_open && !is_held(channel);
}

static uint32_t find_subscriber(const srl__memory_channel *channel, const struct srl__memory_link *link,
                                const void *room)
{
    uint32_t i = 0;
    while (i < channel->subscriber_count &&
           (channel->subscribers[i].link != link || channel->subscribers[i].room != room)) {
        i++;
    }
    return i;
}

int srl__memory_channel_subscribe(srl__memory_channel *channel, const srl_allocator *alloc,
                                  struct srl__memory_link *link, void *room)
{
    void *items = channel->subscribers;
    uint32_t count = channel->subscriber_count;
    if (find_subscriber(channel, link, room) < count) {
        return SRL_ERR_EXISTS;
    }
    if (count == channel->subscriber_capacity &&
        !srl__grow_array(alloc, &items, &channel->subscriber_capacity, count + 1, MAX_SUBSCRIBERS,
                         sizeof(*channel->subscribers))) {
        return SRL_ERR_NOMEM;
    }
    channel->subscribers = items;
    channel->subscribers[count] = (srl__memory_subscriber){link, room};
    channel->subscriber_count++;
    return SRL_OK;
}

bool srl__memory_channel_unsubscribe(srl__memory_channel *channel, const struct srl__memory_link *link,
                                     const void *room)
{
    uint32_t at = find_subscriber(channel, link, room);
    if (at == channel->subscriber_count) {
        return false;
    }
    channel->subscribers[at] = channel->subscribers[--channel->subscriber_count];
    return true;
}

uint32_t srl__memory_channel_leave(srl__memory_channel *channel, const struct srl__memory_link *link)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < channel->subscriber_count; i++) {
        if (channel->subscribers[i].link != link) {
            channel->subscribers[kept++] = channel->subscribers[i];
        }
    }
    uint32_t left = channel->subscriber_count - kept;
    channel->subscriber_count = kept;
    if (channel->presence != NULL) {
        srl__presence_remove_owner(channel->presence, link);
    }
    return left;
}

int srl__memory_channel_open_presence(srl__memory_channel *channel, const srl_allocator *alloc, uint64_t seed)
{
    if (channel->presence != NULL) {
        return SRL_OK;
    }
    channel->presence = srl__alloc(alloc, sizeof(*channel->presence));
    if (channel->presence == NULL) {
        return SRL_ERR_NOMEM;
    }
    srl__presence_init(channel->presence, alloc, seed);
    return SRL_OK;
}
