#include "engine/delivery.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "base/utf8.h"
#include "engine/joining.h"
#include "engine/relay.h"
#include "engine/session.h"
#include "engine/terms.h"
#include "protocol/fossil.h"

void srl__delivery_begin(srl__delivery *delivery, srl__room *room, int kind, const srl_publication *publication,
                         srl__slice epoch)
{
    memset(delivery, 0, sizeof(*delivery));
    delivery->room = room;
    delivery->kind = kind;
    delivery->publication = publication;
    delivery->epoch = epoch;
}

void srl__delivery_end(srl__delivery *delivery)
{
    for (size_t codec = 0; codec < SRL__CODEC_COUNT; codec++) {
        for (size_t numeric = 0; numeric < 2; numeric++) {
            for (size_t form = 0; form < SRL__FORM_COUNT; form++) {
                srl_frame_unref(delivery->frames[codec][numeric][form]);
            }
        }
    }
    if (delivery->has_tags) {
        srl__tags_free(&delivery->tags, &delivery->room->relay->alloc);
    }
}

static bool is_publication(const srl__delivery *delivery)
{
    return delivery->kind == SRL_MESSAGE_PUBLICATION || delivery->kind == SRL_MESSAGE_TRANSIENT;
}

static void encode_shown(srl__delivery *delivery, const srl__codec *codec, bool numeric_id, srl__form form)
{
    srl__room *room = delivery->room;
    const srl__buf *patch = &room->relay->patch;
    srl__shown shown = {
        .publication = delivery->publication,
        .form = form,
        .patch = srl__slice_of(patch->data, form == SRL__FORM_PATCH ? patch->len : 0),
        .epoch = delivery->epoch,
        .numeric_id = numeric_id ? srl__room_numeric_id(room) : 0,
    };

    codec->push_shown(&room->relay->encoded, srl__room_name(room), &shown);
}

static void encode(srl__delivery *delivery, const srl__codec *codec, bool numeric_id, srl__form form)
{
    srl__slice channel = srl__room_name(delivery->room);
    srl__buf *out = &delivery->room->relay->encoded;

    srl__buf_reset(out);
    if (delivery->kind == SRL_MESSAGE_JOIN) {
        codec->push_join(out, channel, delivery->publication);
    } else if (delivery->kind == SRL_MESSAGE_LEAVE) {
        codec->push_leave(out, channel, delivery->publication);
    } else if (codec->push_shown != NULL) {
        encode_shown(delivery, codec, numeric_id, form);
    } else {
        codec->push_publication(out, channel, delivery->publication, delivery->epoch);
    }
}

bool srl__delivery_frame(srl__delivery *delivery, uint8_t codec, bool numeric_id, srl__form form, srl_frame **out)
{
    srl_frame **frame = &delivery->frames[codec][numeric_id][form];
    srl__buf *encoded = &delivery->room->relay->encoded;

    *out = *frame;
    if (*frame != NULL) {
        return true;
    }
    encode(delivery, srl__codecs[codec], numeric_id, form);
    if (encoded->error != SRL_OK) {
        return false;
    }
    if (encoded->len == 0) {
        return true;
    }
    *frame = srl__frame_create(&delivery->room->relay->alloc, srl__slice_of(encoded->data, encoded->len));
    if (*frame == NULL) {
        return false;
    }
    (*frame)->offset = delivery->publication->offset;
    (*frame)->origin = delivery->room;
    *out = *frame;
    return true;
}

/* Tags that cannot be read are none. */
bool srl__delivery_passes(srl__delivery *delivery, const srl__tags_filter *filter)
{
    const srl_publication *publication = delivery->publication;
    srl_relay *relay = delivery->room->relay;

    if (filter == NULL) {
        return true;
    }
    if (!delivery->has_tags) {
        (void)srl__tags_read(&delivery->tags, &relay->alloc, srl__slice_of(publication->tags, publication->tags_len),
                             &relay->json_limits);
        delivery->has_tags = true;
    }
    return srl__tags_filter_matches(filter, &delivery->tags);
}

bool srl__patch_make(srl__buf *out, srl__slice source, srl__slice target)
{
    return srl__utf8_valid(source.data, source.len) && srl__utf8_valid(target.data, target.len) &&
           srl__fossil_create(out, source, target, SRL__FOSSIL_UTF8) == SRL_OK;
}

bool srl__delivery_has_patch(srl__delivery *delivery)
{
    const srl__base *base = delivery->room->base;
    srl__buf *patch = &delivery->room->relay->patch;

    if (!delivery->has_patch) {
        delivery->has_patch = true;
        srl__buf_reset(patch);
        if (base == NULL || !base->valid ||
            !srl__patch_make(patch, srl__slice_of(base->text.data, base->text.len),
                             srl__slice_of(delivery->publication->data, delivery->publication->data_len))) {
            srl__buf_reset(patch);
        }
    }
    return patch->len > 0;
}

static void send(srl__delivery *delivery, srl_session *session, bool numeric_id, srl__form form)
{
    srl_frame *frame = NULL;

    if (!srl__delivery_frame(delivery, session->protocol, numeric_id, form, &frame)) {
        srl__session_doom(session, SRL_DISCONNECT_INSUFFICIENT_STATE);
    } else if (frame != NULL) {
        srl__session_send(session, srl_frame_ref(frame));
    }
}

static void send_by_terms(srl__delivery *delivery, srl_session *session, srl__terms *terms)
{
    srl__form form = SRL__FORM_PLAIN;

    if (!srl__delivery_passes(delivery, terms->filter)) {
        return;
    }
    if (terms->delta) {
        form = terms->has_base && srl__delivery_has_patch(delivery) ? SRL__FORM_PATCH : SRL__FORM_TEXT;
        terms->has_base = true;
    }
    send(delivery, session, terms->numeric_id, form);
}

static void send_to(srl__delivery *delivery, srl_session *session)
{
    srl__room *room = delivery->room;
    bool may_be_quiet = !is_publication(delivery) && room->quiet_count > 0;
    srl__subscription *subscription = NULL;
    srl__terms *terms = NULL;

    if (!srl__session_is_open(session)) {
        return;
    }
    if (may_be_quiet || session->specials > 0) {
        subscription = srl__subscriptions_find(&session->subscriptions, room);
        terms = srl__terms_of(subscription);
        if (!is_publication(delivery) && subscription->quiet) {
            return;
        }
    }
    if (terms != NULL && is_publication(delivery)) {
        send_by_terms(delivery, session, terms);
    } else {
        send(delivery, session, false, SRL__FORM_PLAIN);
    }
}

static void keep_base(srl__delivery *delivery)
{
    srl__base *base = delivery->room->base;
    const srl_publication *publication = delivery->publication;

    if (base == NULL || !is_publication(delivery)) {
        return;
    }
    srl__buf_reset(&base->text);
    srl__buf_append(&base->text, publication->data, publication->data_len);
    base->valid = base->text.error == SRL_OK && delivery->kind == SRL_MESSAGE_PUBLICATION;
}

static void send_to_each(srl__delivery *delivery)
{
    srl__room *room = delivery->room;

    srl__fanout_flush(room);
    for (uint32_t i = 0; i < room->member_count; i++) {
        send_to(delivery, room->members[i]);
    }
}

/* All members take it in one form. */
static void send_to_all(srl__delivery *delivery)
{
    srl__room *room = delivery->room;
    srl_frame *frame = NULL;

    if (room->member_count > 0 && (!srl__delivery_frame(delivery, room->codec, false, SRL__FORM_PLAIN, &frame) ||
                                   (frame != NULL && !srl__fanout_add(room, frame)))) {
        srl__room_doom_members(room);
    }
}

void srl__delivery_spread(srl__room *room, int kind, const srl_publication *publication, srl__slice epoch)
{
    srl__delivery delivery;

    srl__delivery_begin(&delivery, room, kind, publication, epoch);
    if (room->odd_count > 0 || (!is_publication(&delivery) && room->quiet_count > 0)) {
        send_to_each(&delivery);
    } else {
        send_to_all(&delivery);
    }
    if (is_publication(&delivery) && room->joining_count > 0) {
        srl__joinings_keep(room, &delivery);
    }
    keep_base(&delivery);
    srl__delivery_end(&delivery);
}

bool srl__base_retain(srl__room *room)
{
    srl_relay *relay = room->relay;

    if (room->base == NULL) {
        room->base = srl__alloc_zeroed(&relay->alloc, sizeof(*room->base));
        if (room->base == NULL) {
            return false;
        }
        srl__buf_init(&room->base->text, &relay->alloc, SRL__FOSSIL_MAX_LEN);
    }
    room->base->users++;
    return true;
}

void srl__base_release(srl__room *room)
{
    srl__base *base = room->base;

    if (--base->users == 0) {
        srl__buf_free(&base->text);
        srl__free(&room->relay->alloc, base, sizeof(*base));
        room->base = NULL;
    }
}

void srl__base_forget(srl__room *room)
{
    if (room->base != NULL) {
        room->base->valid = false;
    }
}

uint64_t srl__room_numeric_id(srl__room *room)
{
    if (room->numeric_id == 0) {
        room->numeric_id = ++room->relay->last_numeric_id;
    }
    return room->numeric_id;
}
