#include "engine/reading.h"

#include <streamrelay/error.h>

#include "engine/relay.h"
#include "engine/waiting_command.h"

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

void srl__read_presence(srl_session *session, const srl__reply_to *to)
{
    srl_relay *relay = session->relay;
    srl_broker_channel channel =
        srl__broker_channel_of(to->channel, srl__namespaces_find(&relay->namespaces, to->channel));
    uint32_t limit = to->type == SRL__COMMAND_PRESENCE_STATS ? 0 : (uint32_t)relay->settings.max_presence_users;
    srl__waiting_command *waiting = srl__waiting_command_begin(session, to, presence_read);
    int error = SRL_OK;

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

srl__history_wish srl__history_wish_of(const srl__command *command)
{
    srl__history_wish wish = {.limit = command->limit, .has_limit = command->has_limit, .reverse = command->reverse};

    srl__position_set(&wish.since, command->offset, command->epoch);
    return wish;
}

void srl__read_history(srl_session *session, const srl__reply_to *to, const srl__history_wish *wish)
{
    srl_relay *relay = session->relay;
    srl_broker_channel channel =
        srl__broker_channel_of(to->channel, srl__namespaces_find(&relay->namespaces, to->channel));
    uint32_t max = (uint32_t)relay->settings.max_history_read;
    srl_broker_query query = {
        .size = sizeof(query),
        .limit = wish->has_limit && wish->limit < max ? wish->limit : max,
        .since_offset = wish->since.offset,
        .since_epoch = wish->since.epoch.text,
        .since_epoch_len = wish->since.epoch.len,
        .reverse = wish->reverse,
    };
    srl__waiting_command *waiting = srl__waiting_command_begin(session, to, history_read);
    int error = SRL_OK;

    if (waiting == NULL) {
        return;
    }
    error = srl__broker_ops_of(relay->broker)->history(relay->link, &channel, &query, &waiting->call.operation);
    if (error != SRL_OK) {
        srl__waiting_command_refuse(waiting, error);
    }
}
