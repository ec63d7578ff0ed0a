/* What a subscription is asked to be like, and what of it has to be remembered while it lives. */
#ifndef SRL__TERMS_H
#define SRL__TERMS_H

#include <streamrelay/session.h>

#include "engine/rooms.h"
#include "engine/subscriptions.h"
#include "protocol/codec.h"

typedef struct srl__position {
    uint64_t offset;
    srl__epoch epoch;
} srl__position;

typedef struct srl__owned {
    char *data;
    size_t len;
} srl__owned;

/* What the client's command or the host asks for. */
typedef struct srl__subscribe_wish {
    uint64_t id;
    srl__position since;
    uint64_t ttl_ms; /* 0: it does not end */
    bool recover;
    bool has_offset;
    bool positioned;
    bool recoverable;
    bool join_leave;
    bool delta;
    bool numeric_id;
    bool refuses_loss;
    bool refreshed_by_host;
    srl__tags_filter *filter;
    srl__owned info; /* JSON that others in the channel are shown */
    srl__owned data; /* JSON for the client */
} srl__subscribe_wish;

/* What most subscriptions have none of; made for those that do. */
typedef struct srl__terms {
    srl__attendance *attendance;
    srl__tags_filter *filter;
    srl__owned info;
    uint64_t expires_ms; /* 0: never */
    bool refreshes;      /* the client does, and was told when */
    bool numeric_id;
    bool delta;
    bool has_base; /* with delta: the client has the publication before the next one */
} srl__terms;

/* An epoch too long to be one of ours becomes one that never matches. */
void srl__position_set(srl__position *position, uint64_t offset, srl__slice epoch);

/* Everything but what is owned. */
void srl__wish_of_command(const srl__command *command, const srl__codec *codec, srl__subscribe_wish *out);
/* SRL_OK, SRL_ERR_JSON, SRL_ERR_TOO_LARGE, SRL_ERR_NOMEM; *out is to be cleared in any case. */
int srl__wish_of_options(srl_relay *relay, const srl_subscription *options, srl__subscribe_wish *out);
/* Free what it owns. */
void srl__wish_clear(srl_relay *relay, srl__subscribe_wish *wish);

/* A copy of JSON for a line: newlines between its tokens have become spaces. Replaces what was there. SRL_OK,
 * SRL_ERR_JSON, SRL_ERR_NOMEM. */
int srl__owned_set_json(srl_relay *relay, srl__owned *owned, srl__slice json);
void srl__owned_clear(srl_relay *relay, srl__owned *owned);
static inline srl__slice srl__owned_slice(const srl__owned *owned)
{
    return srl__slice_of(owned->data, owned->len);
}

/* Whether a wish needs terms, and making them: they take the filter and the info over. NULL when out of memory.
 * With patches the caller has retained the room's base, which dropping the terms gives back. */
bool srl__terms_needed(const srl__subscribe_wish *wish);
srl__terms *srl__terms_create(srl_relay *relay, srl__subscribe_wish *wish);
/* Free those of a subscription to this room, which is not (or not to be) in force any more; NULL is fine. */
void srl__terms_drop(srl__room *room, srl__terms *terms);

/* Of a live subscription, or NULL. */
static inline srl__terms *srl__terms_of(const srl__subscription *subscription)
{
    return subscription->special ? subscription->is.terms : NULL;
}

static inline srl__attendance *srl__attendance_of(const srl__subscription *subscription)
{
    return subscription->special ? subscription->is.terms->attendance : subscription->is.attendance;
}

/* Whether publications take another form for it than for others of its session's format. */
static inline bool srl__terms_change_form(const srl__terms *terms)
{
    return terms != NULL && (terms->filter != NULL || terms->delta || terms->numeric_id);
}

#endif
