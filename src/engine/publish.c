#include "engine/publish.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "engine/relay.h"
#include "engine/waiting_command.h"

bool srl__publish_over_rate(srl_session *session)
{
    const srl__settings *settings = &session->relay->settings;
    uint64_t now_us = session->relay->now_ms * 1000;
    uint64_t interval_us = 0;

    if (settings->publish_rate == 0) {
        return false;
    }
    interval_us = 1000000 / settings->publish_rate;
    if (session->publish_us < now_us) {
        session->publish_us = now_us;
    }
    if (session->publish_us - now_us > interval_us * (settings->publish_burst - 1)) {
        return true;
    }
    session->publish_us += interval_us;
    return false;
}

uint32_t srl__publish_check_size(srl_relay *relay, srl__slice channel, srl__slice data)
{
    const srl__channel_settings *settings = srl__namespaces_find(&relay->namespaces, channel);

    return data.len > settings->max_publish_bytes ? SRL_REPLY_BAD_REQUEST : 0;
}

static void published(srl__call *call, const srl_broker_result *result)
{
    srl__waiting_command *command = SRL__CONTAINER(call, srl__waiting_command, call);
    srl_session *session = command->session;

    if (result->error != SRL_OK) {
        srl__waiting_command_fail(command, result->error);
        return;
    }
    if (srl__session_is_open(session)) {
        srl__session_codec(session)->reply_publish(srl__session_encode(session), &command->to, result->offset,
                                                   srl__slice_of(result->epoch, result->epoch_len));
        srl__session_send_encoded(session);
    }
    srl__waiting_command_free(command);
}

void srl__publish(srl_session *session, const srl__reply_to *to, srl__slice data)
{
    srl_relay *relay = session->relay;
    char client[SRL_CLIENT_ID_LEN + 1];
    srl_publication publication = srl__session_as_sender(session, client);
    srl_broker_channel channel =
        srl__broker_channel_of(to->channel, srl__namespaces_find(&relay->namespaces, to->channel));
    srl__waiting_command *command = srl__waiting_command_begin(session, to, published);
    int error = SRL_OK;

    if (command == NULL) {
        return;
    }
    publication.data = data.data;
    publication.data_len = data.len;
    publication.time_ms = relay->platform.wall_ms(relay->platform.user);
    error = srl__broker_ops_of(relay->broker)
                ->publish(relay->link, &channel, SRL_MESSAGE_PUBLICATION, &publication, &command->call.operation);
    if (error != SRL_OK) {
        srl__waiting_command_refuse(command, error);
    }
}
