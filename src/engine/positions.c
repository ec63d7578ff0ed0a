#include "engine/positions.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "engine/relay.h"
#include "engine/session.h"
#include "engine/waiting_command.h"

static srl_broker_position position_of(srl_relay *relay, srl__slice user, srl__slice channel, uint64_t offset,
                                       srl__slice epoch)
{
    srl_broker_position position = {
        .size = sizeof(position),
        .user = user.data,
        .user_len = user.len,
        .channel = channel.data,
        .channel_len = channel.len,
        .offset = offset,
        .epoch = epoch.data,
        .epoch_len = epoch.len,
        .ttl_ms = srl__namespaces_find(&relay->namespaces, channel)->position_ttl,
    };

    return position;
}

static uint64_t below_waiting(const srl__room *room, srl_frame *const *frames, uint32_t count, uint64_t offset)
{
    for (uint32_t i = 0; i < count; i++) {
        if (frames[i]->origin == room && frames[i]->offset > 0 && frames[i]->offset <= offset) {
            offset = frames[i]->offset - 1;
        }
    }
    return offset;
}

/* The offset up to which a session was given what its room had: what still waits in its queue was not, nor what a write
 * that is under way or has failed was handed. */
static uint64_t served_up_to(const srl_session *session, const srl__room *room)
{
    const srl__outbox *outbox = &session->outbox;
    const srl__pass *pass = &room->relay->pass;
    uint64_t offset = below_waiting(room, outbox->frames + outbox->head, outbox->count, room->offset);

    return pass->writing == session ? below_waiting(room, pass->frames, pass->frame_count, offset) : offset;
}

/* Frames that there was no memory for are in no queue: how far the session came is not known. */
static bool lost_some(const srl_session *session)
{
    return session->doom != 0 && session->doom != SRL_DISCONNECT_SLOW;
}

void srl__position_delivered(srl_session *session, srl__room *room)
{
    srl_relay *relay = room->relay;
    const srl_broker_ops *broker = srl__broker_ops_of(relay->broker);
    const srl__channel_settings *settings = srl__namespaces_find(&relay->namespaces, srl__room_name(room));
    srl_broker_position position;

    if (settings->positions != SRL__POSITIONS_DELIVERY || session->user == NULL || !room->positioned ||
        relay->link == NULL || broker->position_set == NULL) {
        return;
    }
    srl__fanout_flush(room);
    if (lost_some(session)) {
        return;
    }
    position = position_of(relay, srl__session_user(session), srl__room_name(room), served_up_to(session, room),
                           srl__epoch_slice(&room->epoch));
    (void)broker->position_set(relay->link, &position, srl__call_unheeded());
}

static void acked(srl__call *call, const srl_broker_result *result)
{
    srl__waiting_command *command = SRL__CONTAINER(call, srl__waiting_command, call);
    srl_session *session = command->session;

    if (result->error != SRL_OK) {
        srl__waiting_command_fail(command, result->error);
        return;
    }
    if (srl__session_is_open(session)) {
        srl__session_codec(session)->reply_empty(srl__session_encode(session), &command->to);
        srl__session_send_encoded(session);
    }
    srl__waiting_command_free(command);
}

void srl__position_ack(srl_session *session, const srl__reply_to *to, uint64_t offset, srl__slice epoch)
{
    srl_relay *relay = session->relay;
    const srl_broker_ops *broker = srl__broker_ops_of(relay->broker);
    srl_broker_position position = position_of(relay, srl__session_user(session), to->channel, offset, epoch);
    srl__waiting_command *command = srl__waiting_command_begin(session, to, acked);
    int error = SRL_ERR_UNAVAILABLE;

    if (command == NULL) {
        return;
    }
    if (broker->position_set != NULL) {
        error = broker->position_set(relay->link, &position, &command->call.operation);
    }
    if (error != SRL_OK) {
        srl__waiting_command_refuse(command, error);
    }
}

uint64_t srl__unread_behind(const srl_relay *relay, uint64_t offset, const srl__epoch *of, uint64_t top,
                            srl__slice epoch)
{
    bool go_on = (srl__broker_ops_of(relay->broker)->traits & SRL_BROKER_NUMBERS_GO_ON) != 0;
    bool comparable = offset <= top && (go_on || srl__slice_equal(epoch, srl__epoch_slice(of)));

    return comparable ? top - offset : top;
}

static void answer(srl__unread *question, int error, uint64_t top, srl__slice epoch)
{
    question->done(question, error,
                   srl__unread_behind(question->relay, question->offset, &question->epoch, top, epoch));
}

static void top_read(srl__call *call, const srl_broker_result *result)
{
    srl__unread *question = SRL__CONTAINER(call, srl__unread, call);

    answer(question, result->error, result->offset, srl__slice_of(result->epoch, result->epoch_len));
}

static void read_top(srl__unread *question)
{
    srl_relay *relay = question->relay;
    srl__room *room = srl__room_find(relay, question->channel);
    srl_broker_channel channel =
        srl__broker_channel_of(question->channel, srl__namespaces_find(&relay->namespaces, question->channel));
    srl_broker_query query = {.size = sizeof(query), .since_epoch = ""};
    int error = SRL_OK;

    if (room != NULL && room->positioned) {
        answer(question, SRL_OK, room->offset, srl__epoch_slice(&room->epoch));
        return;
    }
    srl__call_begin(relay, &question->call, top_read);
    error = srl__broker_ops_of(relay->broker)->history(relay->link, &channel, &query, &question->call.operation);
    if (error != SRL_OK) {
        srl__call_abandon(&question->call);
        question->done(question, error, 0);
    }
}

static void position_got(srl__call *call, const srl_broker_result *result)
{
    srl__unread *question = SRL__CONTAINER(call, srl__unread, call);

    if (result->error != SRL_OK && result->error != SRL_ERR_NOT_FOUND) {
        question->done(question, result->error, 0);
        return;
    }
    if (result->error == SRL_OK && srl__epoch_set(&question->epoch, srl__slice_of(result->epoch, result->epoch_len))) {
        question->offset = result->offset;
    }
    read_top(question);
}

static int get_position(srl__unread *question)
{
    srl_relay *relay = question->relay;
    srl_broker_position position = position_of(relay, question->user, question->channel, 0, SRL__LIT(""));
    int error = SRL_OK;

    srl__call_begin(relay, &question->call, position_got);
    error = srl__broker_ops_of(relay->broker)->position_get(relay->link, &position, &question->call.operation);
    if (error != SRL_OK) {
        srl__call_abandon(&question->call);
    }
    return error;
}

static void member_checked(srl__call *call, const srl_broker_result *result)
{
    srl__unread *question = SRL__CONTAINER(call, srl__unread, call);
    int error = result->error == SRL_OK ? get_position(question) : result->error;

    if (error != SRL_OK) {
        question->done(question, error == SRL_ERR_NOT_FOUND ? SRL_ERR_DENIED : error, 0);
    }
}

static int check_member(srl__unread *question)
{
    srl_relay *relay = question->relay;
    const srl_broker_ops *broker = srl__broker_ops_of(relay->broker);
    srl_broker_directory membership = {
        .size = sizeof(membership),
        .verb = SRL_DIRECTORY_CHECK,
        .channel = question->channel.data,
        .channel_len = question->channel.len,
        .user = question->user.data,
        .user_len = question->user.len,
        .meta = "",
    };
    int error = SRL_OK;

    if (broker->directory == NULL) {
        return SRL_ERR_UNAVAILABLE;
    }
    srl__call_begin(relay, &question->call, member_checked);
    error = broker->directory(relay->link, &membership, &question->call.operation);
    if (error != SRL_OK) {
        srl__call_abandon(&question->call);
    }
    return error;
}

int srl__unread_ask(srl__unread *question, srl__slice user)
{
    srl_relay *relay = question->relay;

    if (srl__broker_ops_of(relay->broker)->position_get == NULL ||
        srl__namespaces_find(&relay->namespaces, question->channel)->positions == SRL__POSITIONS_OFF) {
        return SRL_ERR_UNAVAILABLE;
    }
    question->user = user;
    return question->members_only ? check_member(question) : get_position(question);
}
