#include "engine/publish.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "engine/direct.h"
#include "engine/relay.h"
#include "engine/rooms.h"
#include "engine/terms.h"
#include "engine/waiting_command.h"

/* Of an idempotency key, with whose it is; longer than any user id may be. */
enum { KEY_MAX = 70000 };

/* A token bucket as one number: the time at which it will be full again. */
static bool over_rate(uint64_t *full_at_us, uint64_t now_us, uint64_t per_second, uint64_t burst)
{
    uint64_t interval_us = 1000000 / per_second;

    if (*full_at_us < now_us) {
        *full_at_us = now_us;
    }
    if (*full_at_us - now_us > interval_us * (burst - 1)) {
        return true;
    }
    *full_at_us += interval_us;
    return false;
}

bool srl__publish_over_rate(srl_session *session)
{
    const srl__settings *settings = &session->relay->settings;

    return settings->publish_rate > 0 && over_rate(&session->publish_us, session->relay->now_ms * 1000,
                                                   settings->publish_rate, settings->publish_burst);
}

bool srl__publish_over_channel_rate(srl_relay *relay, srl__slice channel)
{
    uint64_t rate = srl__namespaces_find(&relay->namespaces, channel)->channel_rate;
    srl__room *room = rate > 0 ? srl__room_find(relay, channel) : NULL;

    return room != NULL && over_rate(&room->rate_us, relay->now_ms * 1000, rate, rate);
}

const char *srl__publish_fault(srl_session *session, srl__slice channel, srl__slice data, srl__slice key)
{
    const srl__channel_settings *settings = srl__namespaces_find(&session->relay->namespaces, channel);

    if (data.len == 0) {
        return "data.data: missing";
    }
    if (data.len > settings->max_publish_bytes) {
        srl__event_limit(session, channel, "max_publish_bytes");
        return "data.data: too large for this channel";
    }
    if (settings->data_format == SRL__DATA_OBJECT && data.data[0] != '{') {
        return "data.data: expected an object";
    }
    return key.len > SRL_PUBLISH_KEY_MAX ? "data.key: too long" : NULL;
}

int srl__publish_key(srl_relay *relay, const srl_publication *who, srl__slice key, srl__buf *out)
{
    bool is_anonymous = who != NULL && who->user_len == 0;

    srl__buf_init(out, &relay->alloc, KEY_MAX);
    if (who == NULL) {
        srl__buf_append_char(out, 'h');
    } else if (is_anonymous) {
        srl__buf_append_char(out, 'c');
        srl__buf_append(out, who->client, who->client_len);
    } else {
        srl__buf_append_char(out, 'u');
        srl__buf_append_u64(out, who->user_len);
        srl__buf_append_char(out, ':');
        srl__buf_append(out, who->user, who->user_len);
    }
    srl__buf_append_slice(out, key);
    return out->error;
}

static void published(srl__call *call, const srl_broker_result *result)
{
    srl__waiting_command *command = SRL__CONTAINER(call, srl__waiting_command, call);
    srl_session *session = command->session;

    if (result->error != SRL_OK) {
        srl__waiting_command_fail(command, result->error);
        return;
    }
    if (!result->is_repeat) {
        srl__event_of(session, SRL_EVENT_PUBLISHED, 0, command->to.channel, srl__slice_of("", 0));
    }
    if (srl__session_is_open(session)) {
        srl__session_codec(session)->reply_publish(srl__session_encode(session), &command->to, result->offset,
                                                   srl__slice_of(result->epoch, result->epoch_len));
        srl__session_send_encoded(session);
    }
    srl__direct_published(session->relay, command->to.channel, result);
    srl__waiting_command_free(command);
}

/* What the sender's subscription shows of it, if it has one there. */
static void add_channel_info(srl_session *session, srl__slice channel, srl_publication *publication)
{
    srl__room *room = session->specials > 0 ? srl__room_find(session->relay, channel) : NULL;
    srl__subscription *subscription = room != NULL ? srl__subscriptions_find(&session->subscriptions, room) : NULL;
    const srl__terms *terms = subscription != NULL ? srl__terms_of(subscription) : NULL;

    if (terms != NULL) {
        publication->channel_info = terms->info.data;
        publication->channel_info_len = terms->info.len;
    }
}

void srl__publish(srl_session *session, const srl__reply_to *to, srl__slice data, srl__slice key)
{
    srl_relay *relay = session->relay;
    char client[SRL_CLIENT_ID_LEN + 1];
    srl_publication publication = srl__session_as_sender(session, client);
    srl_broker_channel channel =
        srl__broker_channel_of(to->channel, srl__namespaces_find(&relay->namespaces, to->channel));
    srl__waiting_command *command = srl__waiting_command_begin(session, to, published);
    srl__buf own_key;
    int error = SRL_OK;

    if (command == NULL) {
        return;
    }
    srl__buf_init(&own_key, &relay->alloc, 0);
    if (key.len > 0) {
        error = srl__publish_key(relay, &publication, key, &own_key);
        publication.key = own_key.data;
        publication.key_len = own_key.len;
    }
    add_channel_info(session, to->channel, &publication);
    publication.data = data.data;
    publication.data_len = data.len;
    publication.time_ms = srl__relay_wall_ms(relay);
    if (error == SRL_OK) {
        error = srl__direct_publishing(relay, to->channel, SRL_MESSAGE_PUBLICATION);
    }
    if (error == SRL_OK) {
        error = srl__broker_ops_of(relay->broker)
                    ->publish(relay->link, &channel, SRL_MESSAGE_PUBLICATION, &publication, &command->call.operation);
    }
    srl__buf_free(&own_key);
    if (error != SRL_OK) {
        srl__waiting_command_refuse(command, error);
    }
}
