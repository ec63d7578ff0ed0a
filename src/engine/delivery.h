/* One event of a room on its way to members who take it in different forms: each form is encoded once, when the first
 * of them needs it. */
#ifndef SRL__DELIVERY_H
#define SRL__DELIVERY_H

#include "engine/rooms.h"
#include "protocol/codec.h"
#include "protocol/frame.h"

enum { SRL__FORM_COUNT = 3 };

/* For members who take patches: the payload before the next one. */
typedef struct srl__base {
    srl__buf text;
    bool valid;
    uint32_t users; /* members, and those on their way in, who take patches */
} srl__base;

typedef struct srl__delivery {
    srl__room *room;
    int kind;
    const srl_publication *publication;
    srl__slice epoch;
    srl_frame *frames[SRL__CODEC_COUNT][2][SRL__FORM_COUNT];
    srl__tags tags;
    bool has_tags;  /* they have been read */
    bool has_patch; /* the relay's patch buffer holds it, or is empty if the whole is shorter */
} srl__delivery;

void srl__delivery_begin(srl__delivery *delivery, srl__room *room, int kind, const srl_publication *publication,
                         srl__slice epoch);
void srl__delivery_end(srl__delivery *delivery);

/* The frame in one form; the reference is the delivery's. False when out of memory; *out is NULL where the format has
 * nothing to say. */
bool srl__delivery_frame(srl__delivery *delivery, uint8_t codec, bool numeric_id, srl__form form, srl_frame **out);

/* Whether it passes the filter, which may be NULL. */
bool srl__delivery_passes(srl__delivery *delivery, const srl__tags_filter *filter);
/* Whether there is a patch; if not, the whole is to be sent. */
bool srl__delivery_has_patch(srl__delivery *delivery);

/* Append what makes `target` of `source`, if that is shorter and fit to be a string. */
bool srl__patch_make(srl__buf *out, srl__slice source, srl__slice target);

/* To all members where they differ, and to those on their way in. */
void srl__delivery_spread(srl__room *room, int kind, const srl_publication *publication, srl__slice epoch);

/* One more who takes patches in this room, or one less. False when out of memory. */
bool srl__base_retain(srl__room *room);
void srl__base_release(srl__room *room);
/* The next publication does not follow the one that is held. */
void srl__base_forget(srl__room *room);

/* What others in the room are told by; 0 where it has no number. */
uint64_t srl__room_numeric_id(srl__room *room);

#endif
