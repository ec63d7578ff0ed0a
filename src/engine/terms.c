#include "engine/terms.h"

#include <streamrelay/error.h>

#include "base/table.h"
#include "engine/delivery.h"
#include "engine/relay.h"

void srl__position_set(srl__position *position, uint64_t offset, srl__slice epoch)
{
    position->offset = offset;
    if (!srl__epoch_set(&position->epoch, epoch)) {
        (void)srl__epoch_set(&position->epoch, SRL__LIT("?"));
    }
}

void srl__wish_of_command(const srl__command *command, const srl__codec *codec, srl__subscribe_wish *out)
{
    bool names_wishes = (codec->traits & SRL__CODEC_NAMES_WISHES) != 0;

    memset(out, 0, sizeof(*out));
    out->id = command->id;
    out->recover = command->recover;
    out->has_offset = command->has_offset;
    srl__position_set(&out->since, command->offset, command->epoch);
    out->positioned = command->positioned || !names_wishes;
    out->recoverable = command->recoverable || command->recover || !names_wishes;
    out->join_leave = command->join_leave || (codec->traits & SRL__CODEC_ASKS_FOR_JOINS) == 0;
    out->delta = command->delta;
    out->numeric_id = command->numeric_id;
    out->refuses_loss = command->refuses_loss;
}

static int set_limited(srl_relay *relay, srl__owned *owned, srl__slice json, uint64_t max)
{
    if (json.len > max) {
        return SRL_ERR_TOO_LARGE;
    }
    return json.len > 0 ? srl__owned_set_json(relay, owned, json) : SRL_OK;
}

int srl__wish_of_options(srl_relay *relay, const srl_subscription *options, srl__subscribe_wish *out)
{
    const uint32_t known = SRL_SUBSCRIPTION_RECOVER | SRL_SUBSCRIPTION_REFRESHED_BY_HOST;
    srl_subscription taken;
    int error = SRL_OK;

    memset(out, 0, sizeof(*out));
    out->positioned = out->recoverable = true;
    if (options == NULL) {
        return SRL_OK;
    }
    if (!srl__table_take(&taken, sizeof(taken), options, sizeof(uint32_t)) || (taken.flags & ~known) != 0) {
        return SRL_ERR_INVALID;
    }
    out->ttl_ms = taken.ttl_ms;
    out->refreshed_by_host = (taken.flags & SRL_SUBSCRIPTION_REFRESHED_BY_HOST) != 0;
    out->recover = out->has_offset = (taken.flags & SRL_SUBSCRIPTION_RECOVER) != 0;
    srl__position_set(&out->since, taken.recover_offset, srl__slice_of(taken.recover_epoch, taken.recover_epoch_len));
    error = set_limited(relay, &out->info, srl__slice_of(taken.info, taken.info_len), relay->settings.max_info_bytes);
    if (error == SRL_OK) {
        error = set_limited(relay, &out->data, srl__slice_of(taken.data, taken.data_len),
                            relay->settings.max_message_bytes);
    }
    return error;
}

void srl__wish_clear(srl_relay *relay, srl__subscribe_wish *wish)
{
    srl__tags_filter_destroy(wish->filter, &relay->alloc);
    wish->filter = NULL;
    srl__owned_clear(relay, &wish->info);
    srl__owned_clear(relay, &wish->data);
}

int srl__owned_set_json(srl_relay *relay, srl__owned *owned, srl__slice json)
{
    srl__json_value value;
    srl__json_error problem;
    srl__slice text;
    char *copy = NULL;

    if (!srl__json_validate(json, &relay->json_limits, &value, &problem)) {
        (void)srl__json_error_text(&problem, relay->error, sizeof(relay->error));
        return SRL_ERR_JSON;
    }
    text = value.raw;
    if (value.type == SRL__JSON_STRING) { /* with its quotes */
        text = srl__slice_of(text.data - 1, text.len + 2);
    }
    copy = srl__copy_bytes(&relay->alloc, text.data, text.len);
    if (copy == NULL) {
        return SRL_ERR_NOMEM;
    }
    if ((value.flags & SRL__JSON_NEWLINES) != 0) {
        srl__json_flatten(copy, text.len);
    }
    srl__owned_clear(relay, owned);
    owned->data = copy;
    owned->len = text.len;
    return SRL_OK;
}

void srl__owned_clear(srl_relay *relay, srl__owned *owned)
{
    srl__free_bytes(&relay->alloc, owned->data, owned->len);
    owned->data = NULL;
    owned->len = 0;
}

bool srl__terms_needed(const srl__subscribe_wish *wish)
{
    return wish->filter != NULL || wish->info.data != NULL || wish->ttl_ms > 0 || wish->delta || wish->numeric_id;
}

srl__terms *srl__terms_create(srl_relay *relay, srl__subscribe_wish *wish)
{
    srl__terms *terms = srl__alloc_zeroed(&relay->alloc, sizeof(*terms));

    if (terms == NULL) {
        return NULL;
    }
    terms->filter = wish->filter;
    terms->info = wish->info;
    terms->delta = wish->delta;
    terms->numeric_id = wish->numeric_id;
    wish->filter = NULL;
    wish->info = (srl__owned){NULL, 0};
    return terms;
}

void srl__terms_drop(srl__room *room, srl__terms *terms)
{
    srl_relay *relay = room->relay;

    if (terms == NULL) {
        return;
    }
    if (terms->delta) {
        srl__base_release(room);
    }
    srl__tags_filter_destroy(terms->filter, &relay->alloc);
    srl__owned_clear(relay, &terms->info);
    srl__free(&relay->alloc, terms, sizeof(*terms));
}
