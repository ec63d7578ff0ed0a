#include "engine/command.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "engine/connecting.h"
#include "engine/policy.h"
#include "engine/positions.h"
#include "engine/publish.h"
#include "engine/reading.h"
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

    srl__session_reply_error(session, &to, code, srl__session_is_strict(session) ? standard_text : text);
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

static void do_connect(srl_session *session, const srl__command *command)
{
    srl__hook hook = session->relay->hooks.connect;
    srl__reply_to to = reply_to(command);
    srl__acceptance acceptance = {.user_id = standard_text, .info = standard_text, .data = standard_text};

    if (hook != NULL) {
        srl__request_ask(session, hook, SRL_REQUEST_CONNECT, command);
        return;
    }
    session->answers_pings = command->answers_pings;
    srl__session_accept(session, &to, &acceptance);
}

static void do_subscribe(srl_session *session, const srl__command *command)
{
    srl__hook hook = session->relay->hooks.subscribe;
    uint32_t refused = srl__subscribe_check(session, command->channel);
    srl__subscribe_wish wish;

    if (refused != 0) {
        refuse(session, command, refused, standard_text);
        return;
    }
    if (!srl__policy_permits(session, command->channel, SRL_PERM_SUBSCRIBE, hook != NULL)) {
        refuse(session, command, SRL_REPLY_PERMISSION_DENIED, standard_text);
        return;
    }
    refused = srl__subscribe_read(session, command, &wish);
    if (refused != 0) {
        refuse(session, command, refused, standard_text);
        srl__wish_clear(session->relay, &wish);
    } else if (hook != NULL) {
        srl__request_ask_with(session, hook, SRL_REQUEST_SUBSCRIBE, command, &wish);
    } else {
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

/* In a group one is inside only as a member; elsewhere already while the subscription is being made. */
static bool is_inside(srl_session *session, srl__slice channel)
{
    srl__room *room = srl__room_find(session->relay, channel);
    srl__subscription *subscription = room != NULL ? srl__subscriptions_find(&session->subscriptions, room) : NULL;

    if (subscription != NULL) {
        return subscription->live || settings_of(session, channel)->room != SRL__ROOM_GROUP;
    }
    return srl__policy_is_namesake(session, channel);
}

static bool may_publish(srl_session *session, const srl__command *command)
{
    const srl__channel_settings *settings = settings_of(session, command->channel);
    bool has_hook = session->relay->hooks.publish != NULL;
    bool from_outside = settings->room == SRL__ROOM_OPEN && (has_hook || settings->publish_outside);

    return srl__policy_permits(session, command->channel, SRL_PERM_PUBLISH, has_hook) &&
           (from_outside || is_inside(session, command->channel));
}

static bool over_rate(srl_session *session, srl__slice channel)
{
    if (srl__publish_over_rate(session)) { /* first: who is over it must not use up what others share */
        srl__event_limit(session, channel, "publish_rate");
        return true;
    }
    if (srl__publish_over_channel_rate(session->relay, channel)) {
        srl__event_limit(session, channel, "channel_rate");
        return true;
    }
    return false;
}

static void do_publish(srl_session *session, const srl__command *command)
{
    srl__hook hook = session->relay->hooks.publish;
    const char *fault = srl__publish_fault(session, command->channel, command->data, command->key);
    srl__reply_to to = reply_to(command);

    if (command->unknown_kind) {
        refuse(session, command, SRL_REPLY_NOT_AVAILABLE, standard_text);
    } else if (fault != NULL) {
        refuse(session, command, SRL_REPLY_BAD_REQUEST, text_of(fault));
    } else if (!may_publish(session, command)) {
        refuse(session, command, SRL_REPLY_PERMISSION_DENIED, standard_text);
    } else if (over_rate(session, command->channel)) {
        refuse(session, command, SRL_REPLY_TOO_MANY_REQUESTS, standard_text);
    } else if (hook != NULL) {
        srl__request_ask(session, hook, SRL_REQUEST_PUBLISH, command);
    } else {
        srl__publish(session, &to, command->data, command->key);
    }
}

static void do_rpc(srl_session *session, const srl__command *command)
{
    srl__hook hook = session->relay->hooks.rpc;

    if (hook == NULL) {
        refuse(session, command, SRL_REPLY_NOT_AVAILABLE, standard_text);
    } else if (command->method.len == 0 && !srl__session_is_strict(session)) {
        refuse(session, command, SRL_REPLY_BAD_REQUEST, SRL__LIT("data.method: missing"));
    } else {
        srl__request_ask(session, hook, SRL_REQUEST_RPC, command);
    }
}

/* Reading what belongs to a channel is for those who are in it, unless an option opens it. */
static bool may_read(srl_session *session, const srl__command *command, uint32_t permission, bool available,
                     bool has_hook, bool opened)
{
    bool by_hook = has_hook || session->relay->hooks.subscribe != NULL; /* who was let in may read */
    bool from_outside = (has_hook || opened) && settings_of(session, command->channel)->room == SRL__ROOM_OPEN;

    if (!available) {
        refuse(session, command, SRL_REPLY_NOT_AVAILABLE, standard_text);
        return false;
    }
    if (!from_outside && !is_inside(session, command->channel)) {
        refuse(session, command, SRL_REPLY_PERMISSION_DENIED, SRL__LIT("permission denied: not subscribed"));
        return false;
    }
    if (!srl__policy_permits(session, command->channel, permission, by_hook)) {
        refuse(session, command, SRL_REPLY_PERMISSION_DENIED, standard_text);
        return false;
    }
    return true;
}

static void do_presence(srl_session *session, const srl__command *command)
{
    srl_relay *relay = session->relay;
    const srl__channel_settings *settings = settings_of(session, command->channel);
    srl__hook hook = relay->hooks.presence;
    srl__reply_to to = reply_to(command);

    if (!may_read(session, command, SRL_PERM_PRESENCE, srl__policy_traits(relay, command->channel).presence,
                  hook != NULL, settings->presence_outside)) {
        return;
    }
    if (hook != NULL) {
        srl__request_ask(session, hook, SRL_REQUEST_PRESENCE, command);
    } else {
        srl__read_presence(session, &to);
    }
}

static void do_history(srl_session *session, const srl__command *command)
{
    const srl__channel_settings *settings = settings_of(session, command->channel);
    srl__hook hook = session->relay->hooks.history;
    srl__history_wish wish = srl__history_wish_of(command);
    srl__reply_to to = reply_to(command);

    if (!may_read(session, command, SRL_PERM_HISTORY, settings->history_size > 0, hook != NULL,
                  settings->history_outside)) {
        return;
    }
    if (command->reverse && command->has_offset && command->offset == 0 && srl__session_is_strict(session)) {
        refuse(session, command, SRL_REPLY_BAD_REQUEST, standard_text);
    } else if (hook != NULL) {
        srl__request_ask(session, hook, SRL_REQUEST_HISTORY, command);
    } else {
        srl__read_history(session, &to, &wish);
    }
}

/* A user's position is its own: the session must be somebody's, and in the channel. */
static bool may_have_position(srl_session *session, const srl__command *command)
{
    bool kept = settings_of(session, command->channel)->positions != SRL__POSITIONS_OFF;

    if (!kept || session->user == NULL) {
        refuse(session, command, SRL_REPLY_NOT_AVAILABLE, standard_text);
        return false;
    }
    if (!is_inside(session, command->channel) &&
        !srl__policy_permits(session, command->channel, SRL_PERM_SUBSCRIBE, session->relay->hooks.subscribe != NULL)) {
        refuse(session, command, SRL_REPLY_PERMISSION_DENIED, standard_text);
        return false;
    }
    return true;
}

static void do_ack(srl_session *session, const srl__command *command)
{
    srl__room *room = srl__room_find(session->relay, command->channel);
    srl__reply_to to = reply_to(command);
    srl__slice epoch = command->epoch;

    if (!may_have_position(session, command)) {
        return;
    }
    if (!command->has_offset) {
        refuse(session, command, SRL_REPLY_BAD_REQUEST, SRL__LIT("data.offset: missing"));
        return;
    }
    if (room == NULL || !room->positioned || !is_inside(session, command->channel)) {
        refuse(session, command, SRL_REPLY_PERMISSION_DENIED, SRL__LIT("permission denied: not subscribed"));
        return;
    }
    if (epoch.len > 0 && !srl__slice_equal(epoch, srl__epoch_slice(&room->epoch))) {
        refuse(session, command, SRL_REPLY_UNRECOVERABLE, standard_text);
        return;
    }
    if (command->offset > room->offset) {
        refuse(session, command, SRL_REPLY_BAD_REQUEST, SRL__LIT("data.offset: beyond the newest publication"));
        return;
    }
    srl__position_ack(session, &to, command->offset, srl__epoch_slice(&room->epoch));
}

/* A client's question for what its user has not seen. */
typedef struct unread_command {
    srl__unread question;
    srl_session *session; /* pinned */
    srl__reply_to to;
    char channel[];
} unread_command;

static void unread_free(unread_command *asked)
{
    srl_session *session = asked->session;

    srl__free(&session->relay->alloc, asked, sizeof(*asked) + asked->to.channel.len);
    srl__session_unpin(session);
}

static void unread_told(srl__unread *question, int error, uint64_t unread)
{
    unread_command *asked = SRL__CONTAINER(question, unread_command, question);
    srl_session *session = asked->session;

    if (error != SRL_OK) {
        srl__session_reply_error(session, &asked->to, srl__reply_code_of(error), standard_text);
    } else if (srl__session_is_open(session)) {
        srl__session_codec(session)->reply_unread(srl__session_encode(session), &asked->to, unread, question->offset,
                                                  srl__epoch_slice(&question->epoch));
        srl__session_send_encoded(session);
    }
    unread_free(asked);
}

static void do_unread(srl_session *session, const srl__command *command)
{
    srl_relay *relay = session->relay;
    unread_command *asked = NULL;
    int error = SRL_OK;

    if (!may_have_position(session, command)) {
        return;
    }
    asked = srl__alloc_zeroed(&relay->alloc, sizeof(*asked) + command->channel.len);
    if (asked == NULL) {
        refuse(session, command, SRL_REPLY_INTERNAL, standard_text);
        return;
    }
    memcpy(asked->channel, command->channel.data, command->channel.len);
    asked->session = session;
    asked->to = reply_to(command);
    asked->to.channel = srl__slice_of(asked->channel, command->channel.len);
    asked->question.relay = relay;
    asked->question.channel = asked->to.channel;
    asked->question.done = unread_told;
    asked->question.members_only =
        settings_of(session, command->channel)->room == SRL__ROOM_GROUP && !is_inside(session, command->channel);
    srl__session_pin(session);
    error = srl__unread_ask(&asked->question, srl__session_user(session));
    if (error != SRL_OK) {
        srl__session_reply_error(session, &asked->to, srl__reply_code_of(error), standard_text);
        unread_free(asked);
    }
}

static void do_send(srl_session *session, const srl__command *command)
{
    srl__hook hook = session->relay->hooks.message;

    if (hook == NULL) {
        srl__session_disconnect(session, SRL_DISCONNECT_NOT_AVAILABLE, standard_text);
    } else {
        srl__request_ask(session, hook, SRL_REQUEST_MESSAGE, command);
    }
}

static void do_refresh(srl_session *session, const srl__command *command)
{
    srl__hook hook = session->relay->hooks.refresh;

    if (hook == NULL) {
        refuse(session, command, SRL_REPLY_NOT_AVAILABLE, standard_text);
    } else if (command->token.len == 0 || !session->refreshes) {
        srl__session_misbehaved(session, standard_text);
    } else {
        srl__request_ask(session, hook, SRL_REQUEST_REFRESH, command);
    }
}

static void do_sub_refresh(srl_session *session, const srl__command *command)
{
    srl__hook hook = session->relay->hooks.sub_refresh;
    srl__room *room = srl__room_find(session->relay, command->channel);
    srl__subscription *subscription = room != NULL ? srl__subscriptions_find(&session->subscriptions, room) : NULL;
    srl__terms *terms = subscription != NULL && subscription->live ? srl__terms_of(subscription) : NULL;

    if (hook == NULL || command->unknown_kind) {
        refuse(session, command, SRL_REPLY_NOT_AVAILABLE, standard_text);
    } else if (subscription == NULL || !subscription->live) {
        refuse(session, command, SRL_REPLY_PERMISSION_DENIED, standard_text);
    } else if (command->token.len == 0) {
        refuse(session, command, SRL_REPLY_BAD_REQUEST, standard_text);
    } else if (terms == NULL || !terms->refreshes) {
        srl__session_misbehaved(session, standard_text);
    } else {
        srl__request_ask(session, hook, SRL_REQUEST_SUB_REFRESH, command);
    }
}

static void do_pong(srl_session *session)
{
    if (!session->pinged && srl__session_is_strict(session)) {
        srl__session_misbehaved(session, standard_text);
    }
    session->pinged = 0;
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
    switch (type) {
    case SRL__COMMAND_CONNECT:
    case SRL__COMMAND_PING:
    case SRL__COMMAND_PONG:
    case SRL__COMMAND_RPC:
    case SRL__COMMAND_SEND:
    case SRL__COMMAND_REFRESH:
        return false;
    default:
        return true;
    }
}

static bool needs_id(srl__command_type type)
{
    return type != SRL__COMMAND_PING && type != SRL__COMMAND_PONG && type != SRL__COMMAND_SEND;
}

/* A session that is out of step with the protocol is told so and ended. */
static const char *out_of_step(const srl_session *session, const srl__command *command)
{
    if (needs_id(command->type) && command->id == 0 && !session->one_way) {
        return "id: missing";
    }
    if (session->state == SRL__SESSION_NEW && command->type != SRL__COMMAND_CONNECT) {
        return "connect first";
    }
    if (session->state != SRL__SESSION_NEW && command->type == SRL__COMMAND_CONNECT) {
        return "connected already";
    }
    if (srl__session_is_strict(session) && needs_channel(command->type) && command->channel.len == 0) {
        return "channel: missing";
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
    case SRL__COMMAND_ACK:
        do_ack(session, command);
        break;
    case SRL__COMMAND_UNREAD:
        do_unread(session, command);
        break;
    case SRL__COMMAND_RPC:
        do_rpc(session, command);
        break;
    case SRL__COMMAND_PING:
        do_ping(session, command);
        break;
    case SRL__COMMAND_SEND:
        do_send(session, command);
        break;
    case SRL__COMMAND_REFRESH:
        do_refresh(session, command);
        break;
    case SRL__COMMAND_SUB_REFRESH:
        do_sub_refresh(session, command);
        break;
    default: /* that bytes came in was what counted most */
        do_pong(session);
        break;
    }
}

static void execute(srl_session *session, srl__command *command)
{
    const char *fault = out_of_step(session, command);

    if (fault != NULL) {
        srl__session_misbehaved(session, text_of(fault));
    } else if (needs_channel(command->type) && !srl__channel_is_valid(session->relay, command->channel) &&
               !(command->type == SRL__COMMAND_UNSUBSCRIBE && srl__session_is_strict(session))) {
        command->channel = standard_text;
        refuse(session, command, SRL_REPLY_BAD_REQUEST,
               SRL__LIT("channel: expected a name without control characters, and not too long"));
    } else {
        dispatch(session, command);
    }
}

/* With an id the error can be answered; without, the session ends. */
static void malformed(srl_session *session, const srl__command *command, const srl__decode_error *error)
{
    if (command->id != 0) {
        refuse(session, command, error->code, text_of(error->text));
    } else if (error->code == SRL_REPLY_INTERNAL) {
        srl__session_disconnect(session, SRL_DISCONNECT_INTERNAL, text_of(error->text));
    } else {
        srl__session_misbehaved(session, text_of(error->text));
    }
}

/* What concerns a channel comes behind the subscription to it that is being made: the client's publication reaches
 * itself, and what subscribers may do it may do. To leave at once is possible. */
static bool must_wait(srl_session *session, const srl__command *command)
{
    srl__room *room = NULL;
    srl__subscription *subscription = NULL;

    if (!needs_channel(command->type) || command->type == SRL__COMMAND_SUBSCRIBE ||
        command->type == SRL__COMMAND_UNSUBSCRIBE) {
        return false;
    }
    room = srl__room_find(session->relay, command->channel);
    subscription = room != NULL ? srl__subscriptions_find(&session->subscriptions, room) : NULL;
    return subscription != NULL && !subscription->live;
}

bool srl__command_execute(srl_session *session, srl__slice line)
{
    srl_relay *relay = session->relay;
    srl__command command;
    srl__decode_error error;

    if (!srl__session_codec(session)->decode(line, &relay->json_limits, &relay->scratch, &command, &error)) {
        malformed(session, &command, &error);
        return true;
    }
    if (must_wait(session, &command)) {
        session->awaits_joining = 1;
        return false;
    }
    execute(session, &command);
    return true;
}

void srl__command_connect(srl_session *session, srl__slice params)
{
    srl_relay *relay = session->relay;
    srl__command command;
    srl__decode_error error;

    if (srl__session_codec(session)->decode_connect(params, &relay->json_limits, &relay->scratch, &command, &error)) {
        execute(session, &command);
    } else {
        malformed(session, &command, &error);
    }
}
