#include "engine/input.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "engine/command.h"
#include "engine/relay.h"

static bool must_wait(const srl_session *session)
{
    return session->request != NULL || session->connecting != NULL || session->awaits_joining ||
           session->outbox.bytes > session->relay->settings.max_queue_bytes;
}

/* Work on commands until one has to be waited for; returns what is left. */
static srl__slice run(srl_session *session, srl__slice text)
{
    const srl__codec *codec = srl__session_codec(session);

    session->executing = 1;
    while (text.len > 0 && srl__session_is_open(session) && !must_wait(session) && !session->drops_input) {
        srl__slice rest = text;
        srl__slice line = codec->take(&rest);

        if (line.len > 0 && !srl__command_execute(session, line)) {
            break;
        }
        if (line.len == 0 && srl__session_is_strict(session)) {
            srl__session_misbehaved(session, srl__slice_of("", 0));
        }
        text = rest;
    }
    session->executing = 0;
    if (session->drops_input) {
        session->drops_input = 0;
        text.len = 0;
    }
    return text;
}

static uint64_t count_commands(const srl_session *session, srl__slice message)
{
    const srl__codec *codec = srl__session_codec(session);
    uint64_t count = 0;

    while (message.len > 0) {
        count += codec->take(&message).len > 0;
    }
    return count;
}

static void detect(srl_session *session, srl__slice message)
{
    if (session->detects && count_commands(session, message) > 0) {
        session->detects = 0;
        session->protocol = (uint8_t)srl__codec_detect(message);
    }
}

static bool ends_with(srl__slice text, srl__slice end)
{
    return text.len >= end.len && srl__slice_equal(srl__slice_of(text.data + text.len - end.len, end.len), end);
}

static int keep(srl_session *session, srl__slice text)
{
    srl_relay *relay = session->relay;
    srl__buf *input = session->input;
    srl__slice separator = srl__session_codec(session)->separator;

    if (input == NULL) {
        input = srl__alloc(&relay->alloc, sizeof(*input));
        if (input == NULL) {
            return SRL_ERR_NOMEM;
        }
        srl__buf_init(input, &relay->alloc, (size_t)relay->settings.max_input_bytes + 1);
        session->input = input;
    }
    if (srl__buf_reserve(input, text.len + separator.len) != SRL_OK) {
        int error = input->error;

        input->error = 0;
        return error;
    }
    if (input->len > 0 && !ends_with(srl__slice_of(input->data, input->len), separator)) {
        srl__buf_append_slice(input, separator);
    }
    srl__buf_append_slice(input, text);
    return SRL_OK;
}

/* The same for what came before that which is kept already. */
static int keep_before(srl_session *session, srl__slice text)
{
    srl__buf *later = session->input;
    int error = SRL_OK;

    session->input = NULL;
    error = keep(session, text);
    if (later != NULL) {
        if (error == SRL_OK) {
            error = keep(session, srl__slice_of(later->data, later->len));
        }
        srl__buf_free(later);
        srl__free(&session->relay->alloc, later, sizeof(*later));
    }
    return error;
}

int srl__input_receive(srl_session *session, srl__slice message)
{
    const srl__settings *settings = &session->relay->settings;
    srl__slice rest = message;
    uint64_t count = 0;
    int error = SRL_OK;

    if (message.len > settings->max_message_bytes) {
        srl__session_misbehaved(session, SRL__LIT("message too large"));
        return SRL_OK;
    }
    detect(session, message);
    count = count_commands(session, message);
    if (count > settings->max_commands) {
        srl__session_misbehaved(session, SRL__LIT("too many commands in one message"));
        return SRL_OK;
    }
    if (session->one_way || (count == 0 && srl__session_is_strict(session))) {
        srl__session_misbehaved(session, srl__slice_of("", 0));
        return SRL_OK;
    }
    if (!session->executing && (session->input == NULL || session->input->len == 0)) {
        session->drops_input = 0;
        rest = run(session, message);
        if (rest.len == 0 || !srl__session_is_open(session)) {
            return SRL_OK;
        }
        error = keep_before(session, rest);
        if (error != SRL_OK) { /* part of it has been worked on: it cannot be given back */
            srl__session_disconnect(session, SRL_DISCONNECT_INTERNAL, srl__slice_of("", 0));
        }
        return SRL_OK;
    }
    error = keep(session, rest);
    if (error == SRL_ERR_TOO_LARGE) {
        srl__session_disconnect(session, SRL_DISCONNECT_TOO_MANY_REQUESTS,
                                SRL__LIT("too many commands wait for an answer"));
        return SRL_OK;
    }
    srl__input_resume_later(session);
    return error;
}

void srl__input_resume_later(srl_session *session)
{
    srl__list_remove(&session->resume_link);
    srl__list_append(&session->relay->resumable, &session->resume_link);
}

void srl__input_resume(srl_session *session)
{
    srl__buf *waiting = session->input;
    srl__slice rest;

    if (waiting == NULL || session->executing || must_wait(session) || !srl__session_is_open(session)) {
        return;
    }
    session->input = NULL; /* what comes in meanwhile gathers in a new buffer */
    rest = run(session, srl__slice_of(waiting->data, waiting->len));
    srl__buf_consume(waiting, waiting->len - rest.len);
    if (session->input != NULL && srl__session_is_open(session)) {
        srl__buf *newer = session->input;

        session->input = waiting;
        if (keep(session, srl__slice_of(newer->data, newer->len)) != SRL_OK) {
            srl__session_disconnect(session, SRL_DISCONNECT_INTERNAL, srl__slice_of("", 0));
        }
        waiting = newer;
    } else if (rest.len > 0 && srl__session_is_open(session)) {
        session->input = waiting;
        return;
    }
    srl__buf_free(waiting);
    srl__free(&session->relay->alloc, waiting, sizeof(*waiting));
    if (session->input != NULL && !must_wait(session)) {
        srl__input_resume_later(session);
    }
}

void srl__input_free(srl_session *session)
{
    if (session->input != NULL) {
        srl__buf_free(session->input);
        srl__free(&session->relay->alloc, session->input, sizeof(*session->input));
        session->input = NULL;
    }
}
