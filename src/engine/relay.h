/* The relay's own state, and the frame around every call from outside. */
#ifndef SRL__RELAY_H
#define SRL__RELAY_H

#include <pthread.h>
#include <stdatomic.h>

#include <streamrelay/cluster.h>
#include <streamrelay/relay.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/list.h"
#include "base/map.h"
#include "base/timers.h"
#include "broker/broker.h"
#include "engine/alarm.h"
#include "engine/events.h"
#include "engine/fanout.h"
#include "engine/namespaces.h"
#include "engine/options.h"
#include "engine/outbox.h"
#include "engine/permissions.h"
#include "io/poller.h"

typedef struct srl__post {
    srl_post_fn function;
    void *user;
} srl__post;

typedef struct srl__post_list {
    srl__post *items;
    uint32_t count;
    uint32_t capacity;
} srl__post_list;

/* Functions from other threads on their way to the relay's. */
typedef struct srl__posts {
    pthread_mutex_t lock;
    srl__post_list waiting; /* under the lock */
    srl__post_list batch;   /* the relay's thread works on these */
    uint32_t batch_next;
} srl__posts;

struct srl_relay {
    srl_allocator alloc;
    srl_platform platform;
    srl_hooks hooks;
    void *hooks_user;
    srl__settings settings;
    srl__json_limits json_limits;
    srl__namespaces namespaces;
    srl_permissions *permissions; /* NULL: options decide */
    srl__permissions_observer observer;
    bool policy_changed; /* live subscriptions are to be checked */
    srl__events events;

    uint64_t now_ms;  /* monotonic, read once per outermost call */
    uint64_t wall_ms; /* since 1970, read when first asked for in a turn; 0: not yet */
    uint64_t started_ms;
    uint32_t depth;   /* calls from outside that are under way, one inside the other */
    uint32_t handles; /* sessions and requests that the host still holds */
    bool destroyed;
    bool stopped;
    bool shutting_down;
    bool shut_down; /* and that is over */

    srl__poller *poller;
    uint64_t armed_ms; /* when the poller will be ready by itself; SRL__TIMERS_NEVER */
    srl__timers timers;
    srl__posts posts;

    srl_broker *broker;
    void *link;
    srl_node node;
    srl_platform node_platform; /* what the broker sees: the time as this turn has it */
    srl__alarm broker_alarm;
    atomic_bool broker_woken;
    bool broker_has_more;
    srl__list calls;
    srl__list uncounted; /* attendances that the broker could not take yet */
    srl__alarm uncounted_alarm;

    char node_id[SRL_NODE_ID_LEN + 1];
    srl__list surveys; /* under way */
    uint32_t survey_count;
    uint32_t question_count; /* of others, in the host's hands */
    uint64_t last_survey;

    srl__map rooms;
    srl__map users;
    srl__map emulated; /* sessions by their secret id */
    srl__list sessions;
    uint32_t session_count; /* not freed yet */
    uint32_t open_sessions; /* whose transport is not closed yet */
    srl__list resumable;    /* sessions with input that may go on */
    srl__list dead;         /* sessions to be freed when the outermost call ends */
    srl__touched touched;
    srl__list gathering; /* rooms with frames for their members */
    srl__pass pass;
    srl__snapshot snapshot;
    srl__queue_pool queue_pool;

    srl__buf encoded; /* one message on its way into a frame */
    srl__buf scratch; /* unescaped strings of the command in hand */
    srl__buf list;    /* publications on their way into a reply */
    srl__buf patch;   /* what makes a publication of the one before it */

    srl_shutdown_fn shutdown_done;
    void *shutdown_user;
    srl__alarm shutdown_alarm;

    uint64_t last_numeric_id; /* given to a room */
    uint32_t live_rooms;      /* with at least one subscriber */
    uint64_t subscriptions;
    uint64_t publications;
    uint64_t deliveries;
    char error[192];
};

/* Around everything that the host calls. The outermost leave sends, resumes and frees what waits for it; the relay may
 * be gone when it returns. */
void srl__relay_enter(srl_relay *relay);
void srl__relay_leave(srl_relay *relay);

/* Send and resume what the turn has made ready, a limited number of times around. */
void srl__relay_go_round(srl_relay *relay);
/* Whether some of it is left. */
bool srl__relay_has_work(const srl_relay *relay);

/* A time from now on; one that is too far away for the clock never comes. */
static inline uint64_t srl__relay_after(const srl_relay *relay, uint64_t ms)
{
    return ms < SRL__TIMERS_NEVER - relay->now_ms ? relay->now_ms + ms : SRL__TIMERS_NEVER;
}

/* Whether the host can use a channel: SRL_OK, SRL_ERR_CLOSED (the relay was destroyed), SRL_ERR_INVALID (the name). */
int srl__relay_check_channel(srl_relay *relay, srl__slice channel);

/* One handle less in the host's hands; inside enter and leave. */
static inline void srl__relay_drop_handle(srl_relay *relay)
{
    relay->handles--;
}

/* What the relay's own alarms do. */
void srl__loop_broker_due(srl_relay *relay, srl__alarm *alarm);
void srl__loop_shutdown_due(srl_relay *relay, srl__alarm *alarm);

/* Tell the poller of an earlier time than it knows. */
void srl__relay_arm(srl_relay *relay);

/* Remember what went wrong for srl_relay_last_error() and return the code. */
int srl__relay_fail(srl_relay *relay, int error, const char *text);

/* Whether a channel name may be used at all. */
bool srl__channel_is_valid(const srl_relay *relay, srl__slice channel);

/* The time of day, the same for a whole turn. */
uint64_t srl__relay_wall_ms(srl_relay *relay);

/* What the broker has to know of a channel. */
srl_broker_channel srl__broker_channel_of(srl__slice name, const srl__channel_settings *settings);

#endif
