/* The live state of a channel on this node: who is subscribed, and how far it has come. */
#ifndef SRL__ROOMS_H
#define SRL__ROOMS_H

#include "base/list.h"
#include "base/slice.h"
#include "engine/alarm.h"
#include "engine/call.h"
#include "engine/fanout.h"
#include "engine/settings.h"
#include "engine/subscriptions.h"

enum { SRL__EPOCH_MAX = 32 };

/* An epoch by value; a longer one is no epoch of ours. */
typedef struct srl__epoch {
    uint8_t len;
    char text[SRL__EPOCH_MAX];
} srl__epoch;

bool srl__epoch_set(srl__epoch *epoch, srl__slice text);
static inline srl__slice srl__epoch_slice(const srl__epoch *epoch)
{
    return srl__slice_of(epoch->text, epoch->len);
}

struct srl__room {
    srl_session **members; /* subscriptions that are live, dense; has room for those being made as well */
    uint32_t member_count;
    uint32_t member_capacity;
    uint32_t joining_count;
    uint32_t quiet_count; /* members that are not told of joins and leaves */
    uint32_t odd_count;   /* members whose publications take another form than that of `codec` */
    uint32_t pins;        /* reasons to keep the memory */
    uint8_t open;         /* the broker delivers */
    uint8_t positioned;   /* offset and epoch are known: the channel has history */
    uint8_t closed;       /* out of the relay's map */
    uint8_t checking;     /* its position is being compared with the broker's */
    uint8_t behind;       /* it was behind when that was done last */
    uint8_t codec;        /* the format of the members that are not odd */
    uint16_t refused;     /* reply code, where the broker did not open it */
    srl__epoch epoch;
    uint64_t offset; /* of the last delivered publication */
    srl__list joinings;
    srl__gathered gathered;
    srl__call opening; /* the broker's subscribe */
    srl__call check;
    srl__alarm alarm;        /* with members: next check; without: end of its idle life */
    uint64_t checked_offset; /* where it was at the last check */
    struct srl__base *base;  /* for members who take patches; NULL: there are none */
    uint64_t numeric_id;     /* stands for the name in pushes; 0: none yet */
    uint64_t rate_us;        /* rate limit of the channel: when the allowance will be whole again */
    srl_relay *relay;
    const srl__channel_settings *settings;
    uint32_t settings_generation;
    uint32_t name_len;
    char name[];
};

static inline srl__slice srl__room_name(const srl__room *room)
{
    return srl__slice_of(room->name, room->name_len);
}

/* The room of a channel, or NULL. */
srl__room *srl__room_find(srl_relay *relay, srl__slice channel);

/* The room of a channel, made if there is none, with a pin for the caller. SRL_OK, SRL_ERR_LIMIT, SRL_ERR_NOMEM, or
 * what the broker answered at once. */
int srl__room_open(srl_relay *relay, srl__slice channel, srl__room **out);

const srl__channel_settings *srl__room_settings(srl__room *room);

void srl__room_pin(srl__room *room);
/* A room that nobody pins, is in or is joining leaves the broker and is freed. */
void srl__room_unpin(srl__room *room);

/* Room for one more member, so that making it one cannot fail. */
bool srl__room_reserve(srl__room *room);
/* With the terms of its subscription, which may be NULL. */
void srl__room_add_member(srl__room *room, srl_session *session, srl__subscription *subscription, srl__terms *terms);
/* They are the caller's again. */
void srl__room_remove_member(srl__room *room, srl_session *session, srl__subscription *subscription);
/* Behind all that follows from a removal: if it was the last member, that is an event of its own. */
void srl__room_left(srl__room *room);

/* Whether a member is to be left out when joins and leaves are told. */
void srl__room_set_quiet(srl__room *room, srl__subscription *subscription, bool quiet);

/* What they were to be sent cannot be made. */
void srl__room_doom_members(srl__room *room);

/* The members' positions do not continue with what comes next: they have to subscribe again, and recover. */
void srl__room_start_anew(srl__room *room);

/* The same, and where it continues. */
void srl__room_reposition(srl__room *room, uint64_t offset, srl__slice epoch);

/* From the broker. */
void srl__room_deliver(srl__room *room, int kind, const srl_publication *publication, srl__slice epoch);

/* Free what is left when the relay ends. */
void srl__rooms_free(srl_relay *relay);

#endif
