#include "engine/command.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "engine/publish.h"
#include "engine/relay.h"
#include "engine/request.h"
#include "engine/subscribe.h"
#include "engine/waiting_command.h"

static const srl__slice standard_text = {"", 0};

static srl__reply_to reply_to(const srl__command *command)
{
    return (srl__reply_to){command->id, command->type, command->channel};
}

static void refuse(srl_session *session, const srl__command *command, uint32_t code, srl__slice text)
{
    srl__reply_to to = reply_to(command);

    srl__session_reply_error(session, &to, code, text);
}

static srl__slice text_of(const char *text)
{
    return srl__slice_of(text, strlen(text));
}

static void reply_empty(srl_session *session, const srl__command *command)
{
    srl__reply_to to = reply_to(command);

    srl__session_codec(session)->reply_empty(srl__session_encode(session), &to);
    srl__session_send_encoded(session);
}

static const srl__channel_settings *settings_of(srl_session *session, srl__slice channel)
{
    return srl__namespaces_find(&session->relay->namespaces, channel);
}

static srl__subscription *subscription_of(srl_session *session, srl__slice channel)
{
    srl__room *room = srl__room_find(session->relay, channel);

    return room != NULL ? srl__subscriptions_find(&session->subscriptions, room) : NULL;
}

static void do_connect(srl_session *session, const srl__command *command)
{
    srl__hook hook = session->relay->hooks.connect;
    srl__reply_to to = reply_to(command);

    if (hook != NULL) {
        srl__request_ask(session, hook, SRL_REQUEST_CONNECT, command);
        return;
    }
    session->answers_pings = command->answers_pings;
    srl__session_accept(session, &to, standard_text, standard_text, standard_text, 0);
}

static bool allowed_by_option(srl_session *session, uint64_t option, const srl__channel_settings *settings)
{
    return option && (session->user != NULL || settings->anonymous);
}

static void do_subscribe(srl_session *session, const srl__command *command)
{
    srl__hook hook = session->relay->hooks.subscribe;
    const srl__channel_settings *settings = settings_of(session, command->channel);
    uint32_t refused = srl__subscribe_check(session, command->channel);
    srl__subscribe_wish wish;

    if (refused != 0) {
        refuse(session, command, refused, standard_text);
    } else if (hook != NULL) {
        srl__request_ask(session, hook, SRL_REQUEST_SUBSCRIBE, command);
    } else if (!allowed_by_option(session, settings->subscribe, settings)) {
        refuse(session, command, SRL_REPLY_PERMISSION_DENIED, standard_text);
    } else {
        srl__subscribe_wish_of(command, &wish);
        srl__subscribe(session, command->channel, &wish);
    }
}

static void do_unsubscribe(srl_session *session, const srl__command *command)
{
    srl__room *room = srl__room_find(session->relay, command->channel);

    if (room != NULL) {
        (void)srl__unsubscribe(session, room, 0);
    }
    reply_empty(session, command);
}

static bool may_publish(srl_session *session, const srl__command *command)
{
    const srl__channel_settings *settings = settings_of(session, command->channel);
    srl__subscription *subscription = subscription_of(session, command->channel);

    return subscription != NULL && subscription->live && allowed_by_option(session, settings->publish, settings);
}

static void do_publish(srl_session *session, const srl__command *command)
{
    srl_relay *relay = session->relay;
    srl__reply_to to = reply_to(command);

    if (command->data.len == 0) {
        refuse(session, command, SRL_REPLY_BAD_REQUEST, SRL__LIT("data.data: missing"));
    } else if (srl__publish_check_size(relay, command->channel, command->data) != 0) {
        refuse(session, command, SRL_REPLY_BAD_REQUEST, SRL__LIT("data.data: too large for this channel"));
    } else if (relay->hooks.publish == NULL && !may_publish(session, command)) {
        refuse(session, command, SRL_REPLY_PERMISSION_DENIED, standard_text);
    } else if (srl__publish_over_rate(session)) {
        refuse(session, command, SRL_REPLY_TOO_MANY_REQUESTS, standard_text);
    } else if (relay->hooks.publish != NULL) {
        srl__request_ask(session, relay->hooks.publish, SRL_REQUEST_PUBLISH, command);
    } else {
        srl__publish(session, &to, command->data);
    }
}

static void presence_read(srl__call *call, const srl_broker_result *result)
{
    srl__waiting_command *command = SRL__CONTAINER(call, srl__waiting_command, call);
    srl_session *session = command->session;
    const srl__codec *codec = srl__session_codec(session);

    if (result->error != SRL_OK) {
        srl__waiting_command_fail(command, result->error);
        return;
    }
    if (srl__session_is_open(session)) {
        srl__buf *out = srl__session_encode(session);

        if (command->to.type == SRL__COMMAND_PRESENCE_STATS) {
            codec->reply_presence_stats(out, &command->to, result->presence);
        } else {
            codec->reply_presence(out, &command->to, result->presence);
        }
        srl__session_send_encoded(session);
    }
    srl__waiting_command_free(command);
}

/* Reading what belongs to a channel is for those who are in it. */
static bool may_read(srl_session *session, const srl__command *command, bool available)
{
    srl__subscription *subscription = subscription_of(session, command->channel);

    if (!available) {
        refuse(session, command, SRL_REPLY_NOT_AVAILABLE, standard_text);
        return false;
    }
    if (subscription == NULL || !subscription->live) {
        refuse(session, command, SRL_REPLY_PERMISSION_DENIED, SRL__LIT("permission denied: not subscribed"));
        return false;
    }
    return true;
}

static void do_presence(srl_session *session, const srl__command *command)
{
    srl_relay *relay = session->relay;
    const srl__channel_settings *settings = settings_of(session, command->channel);
    srl_broker_channel channel = srl__broker_channel_of(command->channel, settings);
    srl__reply_to to = reply_to(command);
    uint32_t limit = command->type == SRL__COMMAND_PRESENCE_STATS ? 0 : (uint32_t)relay->settings.max_presence_users;
    srl__waiting_command *waiting = NULL;
    int error = SRL_OK;

    if (!may_read(session, command, settings->presence)) {
        return;
    }
    waiting = srl__waiting_command_begin(session, &to, presence_read);
    if (waiting == NULL) {
        return;
    }
    error = srl__broker_ops_of(relay->broker)->presence_list(relay->link, &channel, limit, &waiting->call.operation);
    if (error != SRL_OK) {
        srl__waiting_command_refuse(waiting, error);
    }
}

static void history_read(srl__call *call, const srl_broker_result *result)
{
    srl__waiting_command *command = SRL__CONTAINER(call, srl__waiting_command, call);
    srl_session *session = command->session;
    srl_history history = {
        .size = sizeof(history),
        .count = result->publication_count,
        .publications = result->publications,
        .offset = result->offset,
        .epoch = result->epoch,
        .epoch_len = result->epoch_len,
    };

    if (result->error != SRL_OK) {
        srl__waiting_command_fail(command, result->error);
        return;
    }
    if (srl__session_is_open(session)) {
        srl__session_codec(session)->reply_history(srl__session_encode(session), &command->to, &history,
                                                   (size_t)session->relay->settings.max_queue_bytes / 2);
        srl__session_send_encoded(session);
    }
    srl__waiting_command_free(command);
}

static void do_history(srl_session *session, const srl__command *command)
{
    srl_relay *relay = session->relay;
    const srl__channel_settings *settings = settings_of(session, command->channel);
    srl_broker_channel channel = srl__broker_channel_of(command->channel, settings);
    srl__reply_to to = reply_to(command);
    uint32_t max = (uint32_t)relay->settings.max_history_read;
    srl_broker_query query = {
        .size = sizeof(query),
        .limit = command->has_limit && command->limit < max ? command->limit : max,
        .since_offset = command->offset,
        .since_epoch = command->epoch.data,
        .since_epoch_len = command->epoch.len,
        .reverse = command->reverse,
    };
    srl__waiting_command *waiting = NULL;
    int error = SRL_OK;

    if (!may_read(session, command, settings->history_size > 0)) {
        return;
    }
    waiting = srl__waiting_command_begin(session, &to, history_read);
    if (waiting == NULL) {
        return;
    }
    error = srl__broker_ops_of(relay->broker)->history(relay->link, &channel, &query, &waiting->call.operation);
    if (error != SRL_OK) {
        srl__waiting_command_refuse(waiting, error);
    }
}

static void do_ping(srl_session *session, const srl__command *command)
{
    srl__session_codec(session)->push_pong(srl__session_encode(session));
    srl__session_send_encoded(session);
    if (command->id != 0) {
        reply_empty(session, command);
    }
}

static bool needs_channel(srl__command_type type)
{
    return type != SRL__COMMAND_CONNECT && type != SRL__COMMAND_PING && type != SRL__COMMAND_PONG;
}

static bool needs_id(srl__command_type type)
{
    return type != SRL__COMMAND_PING && type != SRL__COMMAND_PONG;
}

/* A session that is out of step with the protocol is told so and ended. */
static const char *out_of_step(const srl_session *session, const srl__command *command)
{
    if (needs_id(command->type) && command->id == 0) {
        return "id: missing";
    }
    if (session->state == SRL__SESSION_NEW && command->type != SRL__COMMAND_CONNECT) {
        return "connect first";
    }
    if (session->state != SRL__SESSION_NEW && command->type == SRL__COMMAND_CONNECT) {
        return "connected already";
    }
    return NULL;
}

static void dispatch(srl_session *session, const srl__command *command)
{
    switch (command->type) {
    case SRL__COMMAND_CONNECT:
        do_connect(session, command);
        break;
    case SRL__COMMAND_SUBSCRIBE:
        do_subscribe(session, command);
        break;
    case SRL__COMMAND_UNSUBSCRIBE:
        do_unsubscribe(session, command);
        break;
    case SRL__COMMAND_PUBLISH:
        do_publish(session, command);
        break;
    case SRL__COMMAND_PRESENCE:
    case SRL__COMMAND_PRESENCE_STATS:
        do_presence(session, command);
        break;
    case SRL__COMMAND_HISTORY:
        do_history(session, command);
        break;
    case SRL__COMMAND_PING:
        do_ping(session, command);
        break;
    default: /* a pong: that bytes came in was what counted */
        break;
    }
}

void srl__command_execute(srl_session *session, srl__slice line)
{
    srl_relay *relay = session->relay;
    srl__command command;
    srl__decode_error error;
    const char *fault = NULL;

    if (!srl__session_codec(session)->decode(line, &relay->json_limits, &relay->scratch, &command, &error)) {
        if (command.id != 0) {
            refuse(session, &command, error.code, text_of(error.text));
        } else {
            srl__session_disconnect(session, SRL_DISCONNECT_BAD_REQUEST, text_of(error.text));
        }
        return;
    }
    fault = out_of_step(session, &command);
    if (fault != NULL) {
        srl__session_disconnect(session, SRL_DISCONNECT_BAD_REQUEST, text_of(fault));
    } else if (needs_channel(command.type) && !srl__channel_is_valid(relay, command.channel)) {
        command.channel = standard_text;
        refuse(session, &command, SRL_REPLY_BAD_REQUEST,
               SRL__LIT("channel: expected a name without control characters, and not too long"));
    } else {
        dispatch(session, &command);
    }
}
