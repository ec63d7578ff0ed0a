/*
 * events.h - what happens in a relay: a hook for each event, counters, and metrics for Prometheus.
 */
#ifndef STREAMRELAY_EVENTS_H
#define STREAMRELAY_EVENTS_H

#include <streamrelay/api.h>

SRL_BEGIN_DECLS

/** Kinds of events: X(name, number, metric, text). Numbers never change; new ones may be added by any version. */
#define SRL_EVENT_MAP(X)                                                                                               \
    X(SRL_EVENT_CONNECTED, 1, "connected", "a session's connect was accepted")                                         \
    X(SRL_EVENT_DISCONNECTED, 2, "disconnected", "a connected session ended; code says why")                           \
    X(SRL_EVENT_SUBSCRIBED, 3, "subscribed", "a session is in a channel")                                              \
    X(SRL_EVENT_UNSUBSCRIBED, 4, "unsubscribed", "a session is out of a channel; code, if the server did it")          \
    X(SRL_EVENT_PUBLISHED, 5, "published",                                                                             \
      "a client's publication was taken by the broker, or the host's was given to it")                                 \
    X(SRL_EVENT_ROOM_CREATED, 6, "room_created", "a channel has its first subscriber on this relay")                   \
    X(SRL_EVENT_ROOM_REMOVED, 7, "room_removed", "a channel's last subscriber on this relay is gone")                  \
    X(SRL_EVENT_GROUP_CREATED, 8, "group_created", "this relay created a group")                                       \
    X(SRL_EVENT_GROUP_DELETED, 9, "group_deleted", "this relay deleted a group")                                       \
    X(SRL_EVENT_MEMBER_ADDED, 10, "member_added", "this relay added a user to a group")                                \
    X(SRL_EVENT_MEMBER_REMOVED, 11, "member_removed", "this relay removed a user from a group")                        \
    X(SRL_EVENT_JOIN, 12, "join", "a user's first session came into a channel with presence")                          \
    X(SRL_EVENT_LEAVE, 13, "leave", "a user's last session left a channel with presence")                              \
    X(SRL_EVENT_SLOW_CLIENT, 14, "slow_client", "a session is being disconnected because it takes too little")         \
    X(SRL_EVENT_LIMIT_HIT, 15, "limit_hit", "something was refused; detail is the option that sets the limit")         \
    X(SRL_EVENT_BROKER_UP, 16, "broker_up", "the broker can be reached")                                               \
    X(SRL_EVENT_BROKER_DOWN, 17, "broker_down", "the broker cannot be reached")

typedef enum srl_event_type {
#define SRL_EVENT_ENUM(name, number, metric, text) name = (number),
    SRL_EVENT_MAP(SRL_EVENT_ENUM)
#undef SRL_EVENT_ENUM
} srl_event_type;

/** One event; a view that is valid during the hook. Texts that an event has no use for are empty, never NULL. It never
 *  holds a payload. */
typedef struct srl_event {
    uint32_t size; /**< sizeof(srl_event) of the library that made it */
    uint32_t type; /**< srl_event_type */
    uint32_t code; /**< disconnect or unsubscribe code, or 0 */
    uint32_t client_len;
    const char *channel;
    size_t channel_len;
    const char *user;
    size_t user_len;
    const char *client; /**< client id of the session */
    const char *detail; /**< LIMIT_HIT: name of the option; DISCONNECTED: reason */
    size_t detail_len;
} srl_event;

/** Called for each event, in order, when the outermost call of the host ends. */
typedef void (*srl_event_fn)(srl_relay *relay, const srl_event *event, void *user);

/** Set the hook for events; NULL takes it away. `user` is handed to it. */
SRL_API void srl_relay_set_event_hook(srl_relay *relay, srl_event_fn hook, void *user);

/** The name of an event type as metrics have it, like "slow_client"; "?" for another number. Never NULL. */
SRL_API const char *srl_event_name(uint32_t type);

/** Length of the counters in srl_stats; types past it are not counted. */
#define SRL_STATS_EVENTS 32

/** Numbers of a relay; a read-only view filled by srl_relay_stats(). */
typedef struct srl_stats {
    uint32_t size;                     /**< in: sizeof(srl_stats) */
    uint32_t rooms;                    /**< channels with at least one subscriber here */
    uint32_t sessions;                 /**< open sessions */
    uint32_t users;                    /**< users with at least one session here */
    uint64_t subscriptions;            /**< sessions in rooms, summed: the subscribers */
    uint64_t publications;             /**< messages that reached this relay's rooms since it was made */
    uint64_t deliveries;               /**< frames handed or queued to sessions since it was made */
    uint64_t uptime_ms;                /**< since it was made */
    uint64_t events_dropped;           /**< events past "max_events" */
    uint64_t events[SRL_STATS_EVENTS]; /**< how often each srl_event_type happened */
} srl_stats;

/** Fill `out`; `out->size` must be set. 0 or SRL_ERR_INVALID. */
SRL_API int srl_relay_stats(const srl_relay *relay, srl_stats *out);

/**
 * The same numbers in Prometheus' text exposition format (version 0.0.4), every name beginning with "streamrelay_".
 *
 * @param out       receives the text and a terminating zero; may be NULL if out_size is 0
 * @param out_size  room at `out`
 * @return the text's length without the zero; if that does not fit, `out` is an empty string
 */
SRL_API size_t srl_relay_metrics(const srl_relay *relay, char *out, size_t out_size);

SRL_END_DECLS

#endif
