#include "engine/session.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "base/table.h"
#include "base/utf8.h"
#include "base/uuid.h"
#include "engine/connecting.h"
#include "engine/emulated.h"
#include "engine/events.h"
#include "engine/input.h"
#include "engine/keepalive.h"
#include "engine/policy.h"
#include "engine/relay.h"
#include "engine/request.h"
#include "engine/subscribe.h"

/* What fits into a WebSocket close frame beside the code. */
enum { MAX_REASON = 123 };

srl__slice srl__session_user(const srl_session *session)
{
    return session->user != NULL ? srl__slice_of(session->user->id, session->user->id_len) : srl__slice_of("", 0);
}

srl_publication srl__session_as_sender(const srl_session *session, char client[SRL_CLIENT_ID_LEN + 1])
{
    srl__slice user = srl__session_user(session);
    srl_publication who = {
        .size = sizeof(who),
        .client_len = SRL_CLIENT_ID_LEN,
        .client = client,
        .data = "",
        .user = user.data,
        .user_len = user.len,
        .info = session->info != NULL ? session->info : "",
        .info_len = session->info_len,
    };

    srl_session_client_id(session, client);
    return who;
}

void srl__session_touch(srl_session *session)
{
    srl__touched *touched = &session->relay->touched;

    if (!session->touched) {
        session->touched = 1;
        touched->sessions[touched->count++] = session;
    }
}

void srl__session_doom(srl_session *session, uint32_t code)
{
    if (session->doom == 0) {
        session->doom = (uint16_t)code;
        if (code == SRL_DISCONNECT_SLOW) {
            srl__event_of(session, SRL_EVENT_SLOW_CLIENT, code, srl__slice_of("", 0), srl__slice_of("", 0));
        }
    }
    srl__session_touch(session);
}

void srl__session_send(srl_session *session, srl_frame *frame)
{
    if (!srl__session_is_open(session)) {
        srl_frame_unref(frame);
        return;
    }
    if (frame == NULL || !srl__outbox_put(session->relay, &session->outbox, frame)) {
        srl_frame_unref(frame);
        srl__session_doom(session, SRL_DISCONNECT_INTERNAL);
        return;
    }
    session->relay->deliveries++;
    srl__session_touch(session);
    if (session->blocked && session->outbox.bytes > session->relay->settings.max_queue_bytes) {
        srl__session_doom(session, SRL_DISCONNECT_SLOW);
    }
}

srl__buf *srl__session_encode(srl_session *session)
{
    srl__buf_reset(&session->relay->encoded);
    return &session->relay->encoded;
}

srl_frame *srl__session_take_encoded(srl_session *session)
{
    srl__buf *encoded = &session->relay->encoded;

    if (encoded->error != SRL_OK) {
        return NULL;
    }
    return srl__frame_create(&session->relay->alloc, srl__slice_of(encoded->data, encoded->len));
}

void srl__session_send_encoded(srl_session *session)
{
    srl__session_send(session, srl__session_take_encoded(session));
}

/* How one that cannot ask again is told of a refused connect. */
static uint32_t disconnect_for(uint32_t reply_code)
{
    switch (reply_code) {
    case SRL_REPLY_TOKEN_EXPIRED:
    case SRL_REPLY_EXPIRED:
        return SRL_DISCONNECT_EXPIRED;
    case SRL_REPLY_TOO_MANY_REQUESTS:
        return SRL_DISCONNECT_TOO_MANY_REQUESTS;
    case SRL_REPLY_PERMISSION_DENIED:
        return SRL_DISCONNECT_PERMISSION_DENIED;
    default:
        return SRL_DISCONNECT_INTERNAL;
    }
}

void srl__session_reply_error(srl_session *session, const srl__reply_to *to, uint32_t code, srl__slice message)
{
    const char *standard = srl_reply_code_text(code);

    if (!srl__session_is_open(session)) {
        return;
    }
    if (message.len == 0) {
        message = srl__slice_of(standard, strlen(standard));
    }
    if (to->type == SRL__COMMAND_CONNECT && srl__session_is_strict(session)) {
        session->drops_input = 1;
    }
    if (session->one_way) {
        srl__session_disconnect(session, disconnect_for(code), srl__slice_of("", 0));
        return;
    }
    srl__session_codec(session)->reply_error(srl__session_encode(session), to, code, message);
    srl__session_send_encoded(session);
}

static size_t cut_reason(srl__slice reason)
{
    size_t len = reason.len < MAX_REASON ? reason.len : MAX_REASON;

    while (len > 0 && len < reason.len && ((uint8_t)reason.data[len] & 0xC0) == 0x80) {
        len--;
    }
    return len;
}

static void set_reason(srl_session *session, uint32_t code, srl__slice reason)
{
    session->code = (uint16_t)code;
    if (reason.len > 0 && srl__utf8_valid(reason.data, cut_reason(reason))) {
        session->reason = srl__copy_bytes(&session->relay->alloc, reason.data, cut_reason(reason));
        session->reason_len = session->reason != NULL ? (uint8_t)cut_reason(reason) : 0;
    }
}

static srl__slice reason_of(const srl_session *session)
{
    const char *standard = srl_disconnect_text(session->code);

    if (session->reason != NULL) {
        return srl__slice_of(session->reason, session->reason_len);
    }
    return srl__slice_of(standard, strlen(standard));
}

/* Out of everything that makes it more than a connection. */
static void withdraw(srl_session *session)
{
    srl__user *user = session->user;

    srl__request_cancel(session);
    srl__connecting_cancel(session);
    if (session->was_connected) {
        srl__slice reason = reason_of(session);

        srl__event_of(session, SRL_EVENT_DISCONNECTED, session->code, srl__slice_of("", 0), reason);
    }
    srl__unsubscribe_all(session);
    srl__list_remove(&session->resume_link);
    if (user != NULL) {
        user->session_count--;
        srl__list_remove(&session->user_link);
    }
}

static void user_release(srl_relay *relay, srl__user *user)
{
    if (user != NULL && --user->refs == 0) {
        (void)srl__map_remove(&relay->users, srl__slice_of(user->id, user->id_len));
        srl__free(&relay->alloc, user, sizeof(*user) + user->id_len);
    }
}

static void push_disconnect(srl_session *session)
{
    srl__connecting_cancel(session); /* or it would be held */
    srl__session_codec(session)->push_disconnect(srl__session_encode(session), session->code, reason_of(session),
                                                 srl_disconnect_reconnects(session->code));
    srl__session_send_encoded(session);
}

void srl__session_misbehaved(srl_session *session, srl__slice reason)
{
    srl__session_disconnect(session, SRL_DISCONNECT_BAD_REQUEST,
                            srl__session_is_strict(session) ? srl__slice_of("", 0) : reason);
}

void srl__session_ends_in(srl_session *session, uint64_t ttl_ms)
{
    const srl_relay *relay = session->relay;
    uint64_t grace_ms = session->refreshes ? relay->settings.expired_close_delay : 0;

    session->expires_ms = 0;
    if (ttl_ms > 0) {
        session->expires_ms = srl__relay_after(relay, ttl_ms < UINT64_MAX - grace_ms ? ttl_ms + grace_ms : UINT64_MAX);
    }
    srl__keepalive_arm(session);
}

void srl__session_disconnect(srl_session *session, uint32_t code, srl__slice reason)
{
    if (!srl__session_is_open(session)) {
        return;
    }
    set_reason(session, code, reason);
    if (session->emulated != NULL || (srl__session_codec(session)->traits & SRL__CODEC_CLOSE_CODES) == 0) {
        push_disconnect(session);
    }
    session->state = SRL__SESSION_CLOSING;
    withdraw(session);
    srl__session_touch(session);
    srl__keepalive_closing(session);
}

/* The end of sending. */
static void shut(srl_session *session)
{
    srl_relay *relay = session->relay;

    session->state = SRL__SESSION_CLOSED;
    srl__alarm_cancel(relay, &session->alarm);
    srl__outbox_clear(relay, &session->outbox);
    srl__input_free(session);
    srl__emulated_end(session);
    relay->open_sessions--;
}

void srl__session_close_transport(srl_session *session)
{
    srl__slice reason = reason_of(session);

    if (session->state == SRL__SESSION_CLOSED) {
        return;
    }
    shut(session);
    session->close(session, session->code, reason.data, reason.len, session->user_data);
}

void srl__session_broken(srl_session *session)
{
    bool was_open = srl__session_is_open(session);

    if (session->state == SRL__SESSION_CLOSED) {
        return;
    }
    session->state = SRL__SESSION_CLOSING;
    if (was_open) {
        session->code = SRL_DISCONNECT_CLOSED;
        withdraw(session);
    }
    shut(session);
}

void srl__session_end(srl_session *session, uint32_t code)
{
    if (srl__session_is_open(session)) {
        set_reason(session, code, srl__slice_of("", 0));
        session->state = SRL__SESSION_CLOSING;
        withdraw(session);
    }
    srl__session_close_transport(session);
}

/* False if the transport is broken or the session ended meanwhile. */
static bool write_out(srl_session *session)
{
    uint32_t offered = session->outbox.count;
    int64_t taken = 0;

    if (session->blocked || offered == 0) {
        return true;
    }
    session->blocked = 1; /* before the call: srl_session_writable() may come inside it */
    taken = srl__outbox_write(session);
    if (session->state == SRL__SESSION_CLOSED) {
        return false;
    }
    if (taken < 0) {
        srl__session_broken(session);
        return false;
    }
    if (taken == (int64_t)offered) {
        session->blocked = 0;
    }
    return true;
}

void srl__session_flush(srl_session *session)
{
    if (session->state == SRL__SESSION_CLOSED) {
        return;
    }
    if (session->doom != 0) {
        srl__session_end(session, session->doom);
        return;
    }
    if (!write_out(session)) {
        return;
    }
    if (session->state == SRL__SESSION_CLOSING) {
        if (session->outbox.count == 0) {
            srl__session_close_transport(session);
        }
        return;
    }
    if (session->blocked && session->outbox.bytes > session->relay->settings.max_queue_bytes) {
        srl__session_doom(session, SRL_DISCONNECT_SLOW);
    } else if (session->input != NULL) {
        srl__input_resume_later(session);
    }
}

void srl__session_pin(srl_session *session)
{
    session->pins++;
}

/* Have it freed when the outermost call ends. */
static void bury_if_dead(srl_session *session)
{
    if (session->released && session->pins == 0) {
        srl__list_append(&session->relay->dead, &session->link);
    }
}

void srl__session_unpin(srl_session *session)
{
    session->pins--;
    bury_if_dead(session);
}

void srl__session_free(srl_session *session)
{
    srl_relay *relay = session->relay;

    srl__policy_revoke(session, srl__slice_of("", 0));
    user_release(relay, session->user);
    srl__free_bytes(&relay->alloc, session->info, session->info_len);
    srl__free_bytes(&relay->alloc, session->reason, session->reason_len);
    srl__free(&relay->alloc, session, sizeof(*session));
    relay->session_count--;
    srl__relay_drop_handle(relay);
}

void srl_transport_init(srl_transport *transport, size_t size)
{
    srl_transport none = {0};

    srl__table_fill(transport, size, &none, sizeof(none));
}

static uint8_t codec_for(int protocol, uint32_t flags)
{
    if (protocol != SRL_PROTOCOL_CENTRIFUGO) {
        return SRL__CODEC_NATIVE; /* also as long as it is not known */
    }
    return (flags & SRL_TRANSPORT_UNIDIRECTIONAL) != 0 ? SRL__CODEC_CENTRIFUGO_PUSHES : SRL__CODEC_CENTRIFUGO;
}

static int open_session(srl_relay *relay, const srl_transport *transport, int protocol, void *user, srl_session **out)
{
    srl_session *session = NULL;

    if (relay->shutting_down || relay->destroyed) {
        return SRL_ERR_STATE;
    }
    if (relay->session_count >= relay->settings.max_sessions) {
        return SRL_ERR_LIMIT;
    }
    if (!srl__touched_reserve(relay, relay->session_count + 1)) {
        return SRL_ERR_NOMEM;
    }
    session = srl__alloc_zeroed(&relay->alloc, sizeof(*session));
    if (session == NULL) {
        return SRL_ERR_NOMEM;
    }
    if (relay->platform.random(session->client_id, sizeof(session->client_id), relay->platform.user) != 0) {
        srl__free(&relay->alloc, session, sizeof(*session));
        return SRL_ERR_SYSTEM;
    }
    session->client_id[6] = (uint8_t)(0x40 | (session->client_id[6] & 0x0F)); /* a version 4 UUID */
    session->client_id[8] = (uint8_t)(0x80 | (session->client_id[8] & 0x3F));
    session->relay = relay;
    session->protocol = codec_for(protocol, transport->flags);
    session->detects = protocol == SRL_PROTOCOL_DETECT;
    session->one_way = (transport->flags & SRL_TRANSPORT_UNIDIRECTIONAL) != 0;
    if ((transport->flags & SRL_TRANSPORT_EMULATED) != 0) {
        int error = srl__emulated_begin(session);

        if (error != SRL_OK) {
            srl__free(&relay->alloc, session, sizeof(*session));
            return error;
        }
    }
    session->write = transport->write;
    session->close = transport->close;
    session->user_data = user;
    srl__outbox_init(&session->outbox);
    srl__list_init(&session->user_link);
    srl__list_init(&session->resume_link);
    srl__alarm_init(&session->alarm, srl__keepalive_due);
    srl__list_init(&session->link);
    srl__list_append(&relay->sessions, &session->link);
    relay->session_count++;
    relay->open_sessions++;
    relay->handles++;
    srl__keepalive_opened(session);
    *out = session;
    return SRL_OK;
}

static bool is_usable(const srl_transport *transport, int protocol)
{
    const uint32_t known = SRL_TRANSPORT_EMULATED | SRL_TRANSPORT_UNIDIRECTIONAL;

    if (transport->write == NULL || transport->close == NULL || (transport->flags & ~known) != 0 ||
        transport->reserved != 0 || protocol < SRL_PROTOCOL_NATIVE || protocol > SRL_PROTOCOL_DETECT) {
        return false;
    }
    return (transport->flags & SRL_TRANSPORT_UNIDIRECTIONAL) == 0 || protocol == SRL_PROTOCOL_CENTRIFUGO;
}

int srl_session_open(srl_relay *relay, const srl_transport *transport, int protocol, void *user, srl_session **out)
{
    srl_transport taken;
    int error = SRL_ERR_INVALID;

    if (!srl__table_take(&taken, sizeof(taken), transport, offsetof(srl_transport, flags)) ||
        !is_usable(&taken, protocol)) {
        return SRL_ERR_INVALID;
    }
    srl__relay_enter(relay);
    error = open_session(relay, &taken, protocol, user, out);
    srl__relay_leave(relay);
    return error;
}

int srl_session_receive(srl_session *session, const void *data, size_t len)
{
    srl_relay *relay = session->relay;
    int error = SRL_ERR_CLOSED;

    srl__relay_enter(relay);
    if (srl__session_is_open(session)) {
        srl__keepalive_heard(session);
        error = srl__input_receive(session, srl__slice_of(data, len));
    }
    srl__relay_leave(relay);
    return error;
}

int srl_session_writable(srl_session *session)
{
    srl_relay *relay = session->relay;

    if (session->state == SRL__SESSION_CLOSED) {
        return SRL_ERR_CLOSED;
    }
    srl__relay_enter(relay);
    relay->pass.writable = relay->pass.writable || relay->pass.writing == session;
    session->blocked = session->held;
    srl__session_touch(session);
    srl__relay_leave(relay);
    return SRL_OK;
}

void srl_session_closed(srl_session *session)
{
    srl_relay *relay = NULL;

    if (session == NULL) {
        return;
    }
    relay = session->relay;
    srl__relay_enter(relay);
    srl__session_broken(session);
    srl__list_remove(&session->link);
    session->released = 1;
    bury_if_dead(session);
    srl__relay_leave(relay);
}

void srl_session_disconnect(srl_session *session, uint32_t code, const char *reason, size_t reason_len)
{
    srl_relay *relay = session->relay;

    srl__relay_enter(relay);
    srl__session_disconnect(session, code != 0 && code <= UINT16_MAX ? code : SRL_DISCONNECT_FORCE_DISCONNECT,
                            srl__slice_of(reason, reason != NULL ? reason_len : 0));
    srl__relay_leave(relay);
}

int srl_session_set_expiry(srl_session *session, uint64_t ttl_ms)
{
    srl_relay *relay = session->relay;

    if (session->state != SRL__SESSION_CONNECTED) {
        return srl__session_is_open(session) ? SRL_ERR_STATE : SRL_ERR_CLOSED;
    }
    srl__relay_enter(relay);
    srl__session_ends_in(session, ttl_ms);
    if (srl__session_codec(session)->push_refresh != NULL) {
        srl__session_codec(session)->push_refresh(srl__session_encode(session), ttl_ms);
        srl__session_send_encoded(session);
    }
    srl__relay_leave(relay);
    return SRL_OK;
}

int srl_session_unsubscribe(srl_session *session, const char *channel, size_t channel_len, uint32_t code)
{
    srl_relay *relay = session->relay;
    srl__room *room = NULL;
    int error = SRL_ERR_NOT_FOUND;

    if (!srl__session_is_open(session)) {
        return SRL_ERR_CLOSED;
    }
    srl__relay_enter(relay);
    room = srl__room_find(relay, srl__slice_of(channel, channel_len));
    if (room != NULL && srl__unsubscribe(session, room, code != 0 ? code : SRL_UNSUBSCRIBE_SERVER)) {
        error = SRL_OK;
    }
    srl__relay_leave(relay);
    return error;
}

void *srl_session_user_data(const srl_session *session)
{
    return session->user_data;
}

srl_relay *srl_session_relay(const srl_session *session)
{
    return session->relay->destroyed ? NULL : session->relay;
}

void srl_session_client_id(const srl_session *session, char out[SRL_CLIENT_ID_LEN + 1])
{
    srl__uuid_write(session->client_id, out);
}

const char *srl_session_user_id(const srl_session *session, size_t *len)
{
    srl__slice user = srl__session_user(session);

    *len = user.len;
    return user.data;
}

int srl_session_is_connected(const srl_session *session)
{
    return session->state == SRL__SESSION_CONNECTED;
}

uint32_t srl_session_channel_count(const srl_session *session)
{
    return session->subscriptions.count;
}

size_t srl_session_queued_bytes(const srl_session *session)
{
    return (size_t)session->outbox.bytes;
}
