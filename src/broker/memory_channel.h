/* One channel of the in-memory broker: its history, who is there, and which nodes want it. Used under the broker's
 * lock. */
#ifndef SRL__MEMORY_CHANNEL_H
#define SRL__MEMORY_CHANNEL_H

#include "base/timers.h"
#include "broker/presence.h"
#include "broker/stream.h"

struct srl__memory_link;

typedef struct srl__memory_subscriber {
    struct srl__memory_link *link;
    void *room;
} srl__memory_subscriber;

typedef struct srl__memory_channel {
    srl__timer expiry; /* armed if time will change something here; never later than that */
    srl__stream stream;
    srl__presence *presence; /* NULL as long as nobody was ever there */
    srl__memory_subscriber *subscribers;
    uint32_t subscriber_count;
    uint32_t subscriber_capacity;
    uint64_t ttl_ms; /* this and the next: as last published with */
    uint64_t meta_ttl_ms;
    uint64_t used_ms; /* last publish, subscribe, unsubscribe, or read of history */
    size_t name_len;
    char name[];
} srl__memory_channel;

srl__memory_channel *srl__memory_channel_create(const srl_allocator *alloc, srl__slice name);
void srl__memory_channel_destroy(srl__memory_channel *channel, const srl_allocator *alloc);

static inline srl__slice srl__memory_channel_name(const srl__memory_channel *channel)
{
    return srl__slice_of(channel->name, channel->name_len);
}

/* Take over options. */
void srl__memory_channel_adapt(srl__memory_channel *channel, const srl_broker_channel *options);
/* Begin an epoch with these options if there is none. SRL_OK or SRL_ERR_SYSTEM. */
int srl__memory_channel_open_stream(srl__memory_channel *channel, const srl_broker_channel *options,
                                    const srl_platform *platform);
/* Forget what is too old: publications, and offset and epoch if nothing holds them. */
void srl__memory_channel_expire(srl__memory_channel *channel, const srl_allocator *alloc, uint64_t now_ms);
/* When srl__memory_channel_expire() will find something, or SRL__TIMERS_NEVER. */
uint64_t srl__memory_channel_due(const srl__memory_channel *channel);
/* Whether nothing would be lost without it. */
bool srl__memory_channel_is_unused(const srl__memory_channel *channel);

/* SRL_OK, SRL_ERR_EXISTS, SRL_ERR_NOMEM. */
int srl__memory_channel_subscribe(srl__memory_channel *channel, const srl_allocator *alloc,
                                  struct srl__memory_link *link, void *room);
bool srl__memory_channel_unsubscribe(srl__memory_channel *channel, const struct srl__memory_link *link,
                                     const void *room);
/* Everything of a link: subscriptions and members. Returns the number of subscriptions. */
uint32_t srl__memory_channel_leave(srl__memory_channel *channel, const struct srl__memory_link *link);

/* SRL_OK or SRL_ERR_NOMEM. */
int srl__memory_channel_open_presence(srl__memory_channel *channel, const srl_allocator *alloc, uint64_t seed);

#endif
