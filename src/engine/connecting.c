#include "engine/connecting.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "engine/input.h"
#include "engine/keepalive.h"
#include "engine/policy.h"
#include "engine/relay.h"
#include "engine/subscribe.h"

typedef struct srl__connecting {
    uint64_t id;
    uint64_t ttl_ms; /* to be told */
    srl__owned data;
    srl__buf subs;
    uint32_t pending; /* channels that are not settled; one more while they are being begun */
} srl__connecting;

int srl__server_sub_add(srl_relay *relay, srl__server_sub **list, srl__slice channel, const srl_subscription *options)
{
    srl__server_sub **at = list;
    srl__server_sub *sub = NULL;
    uint32_t count = 0;
    int error = SRL_OK;

    if (!srl__channel_is_valid(relay, channel)) {
        return SRL_ERR_INVALID;
    }
    for (; *at != NULL; at = &(*at)->next, count++) {
        if (srl__slice_equal(srl__slice_of((*at)->channel, (*at)->channel_len), channel)) {
            return SRL_ERR_EXISTS;
        }
    }
    if (count >= relay->settings.max_channels) {
        return SRL_ERR_LIMIT;
    }
    sub = srl__alloc_zeroed(&relay->alloc, sizeof(*sub) + channel.len);
    if (sub == NULL) {
        return SRL_ERR_NOMEM;
    }
    sub->channel_len = (uint32_t)channel.len;
    memcpy(sub->channel, channel.data, channel.len);
    error = srl__wish_of_options(relay, options, &sub->wish);
    if (error != SRL_OK) {
        srl__server_subs_free(relay, &sub);
        return error;
    }
    *at = sub;
    return SRL_OK;
}

void srl__server_subs_free(srl_relay *relay, srl__server_sub **list)
{
    srl__server_sub *next = NULL;

    for (srl__server_sub *sub = *list; sub != NULL; sub = next) {
        next = sub->next;
        srl__wish_clear(relay, &sub->wish);
        srl__free(&relay->alloc, sub, sizeof(*sub) + sub->channel_len);
    }
    *list = NULL;
}

static srl__user *user_of(srl_relay *relay, srl__slice id)
{
    srl__user *user = srl__map_get(&relay->users, id);

    if (user != NULL) {
        return user;
    }
    user = srl__alloc_zeroed(&relay->alloc, sizeof(*user) + id.len);
    if (user == NULL) {
        return NULL;
    }
    user->id_len = (uint32_t)id.len;
    memcpy(user->id, id.data, id.len);
    srl__list_init(&user->sessions);
    if (srl__map_add(&relay->users, srl__slice_of(user->id, user->id_len), user) != SRL_OK) {
        srl__free(&relay->alloc, user, sizeof(*user) + user->id_len);
        return NULL;
    }
    return user;
}

/* Give the session its identity: 0, a reply code, or a disconnect code. */
static uint32_t identify(srl_session *session, srl__slice user_id, srl__slice info)
{
    srl_relay *relay = session->relay;
    srl__user *user = NULL;
    char *shown = NULL;

    if (user_id.len == 0 && !relay->settings.allow_anonymous) {
        return SRL_REPLY_UNAUTHORIZED;
    }
    if (info.len > 0 && (shown = srl__copy_bytes(&relay->alloc, info.data, info.len)) == NULL) {
        return SRL_REPLY_INTERNAL;
    }
    if (user_id.len > 0) {
        user = user_of(relay, user_id);
        if (user == NULL || user->session_count >= relay->settings.max_user_sessions) {
            srl__free_bytes(&relay->alloc, shown, info.len);
            return user == NULL ? SRL_REPLY_INTERNAL : SRL_DISCONNECT_CONNECTION_LIMIT;
        }
        user->refs++;
        user->session_count++;
        srl__list_append(&user->sessions, &session->user_link);
    }
    session->user = user;
    session->info = shown;
    session->info_len = (uint32_t)info.len;
    return 0;
}

static void encode_reply(srl_session *session, uint64_t id, srl__slice data, uint64_t ttl_ms, srl__slice subs)
{
    const srl_relay *relay = session->relay;
    char client[SRL_CLIENT_ID_LEN + 1] = "";
    char secret[SRL_SESSION_ID_LEN + 1] = "";
    char node[SRL_SESSION_ID_LEN + 1] = "";
    srl__reply_to to = {id, SRL__COMMAND_CONNECT, {"", 0}};
    srl__connect_reply reply = {
        .client = srl__slice_of(client, SRL_CLIENT_ID_LEN),
        .user = srl__session_user(session),
        .data = data,
        .ping_ms = relay->settings.ping_interval,
        .expires_ms = ttl_ms,
        .answers_pings = session->answers_pings && relay->settings.ping_interval > 0,
        .session = {secret, 0},
        .node = {node, 0},
        .subs = subs,
    };

    srl_session_client_id(session, client);
    if (session->emulated != NULL) {
        srl_session_secret_id(session, secret);
        srl_relay_node_id(relay, node);
        reply.session.len = SRL_SESSION_ID_LEN;
        reply.node.len = session->one_way ? 0 : SRL_SESSION_ID_LEN;
    }
    srl__session_codec(session)->reply_connect(srl__session_encode(session), &to, &reply);
}

static void hold(srl_session *session)
{
    session->held = 1;
    session->blocked = 1;
}

static void release(srl_session *session)
{
    session->held = 0;
    session->blocked = 0;
    srl__session_touch(session);
}

static void connecting_free(srl_session *session)
{
    srl__connecting *connecting = session->connecting;

    session->connecting = NULL;
    srl__owned_clear(session->relay, &connecting->data);
    srl__buf_free(&connecting->subs);
    srl__free(&session->relay->alloc, connecting, sizeof(*connecting));
}

/* The reply goes before all that was held. */
static void conclude(srl_session *session)
{
    srl__connecting *connecting = session->connecting;
    srl_frame *frame = NULL;
    bool put = false;

    encode_reply(session, connecting->id, srl__owned_slice(&connecting->data), connecting->ttl_ms,
                 srl__slice_of(connecting->subs.data, connecting->subs.len));
    frame = connecting->subs.error == SRL_OK ? srl__session_take_encoded(session) : NULL;
    put = frame != NULL && srl__outbox_put_first(session->relay, &session->outbox, &frame, 1);
    srl_frame_unref(frame);
    connecting_free(session);
    release(session);
    if (put) {
        session->relay->deliveries++;
        srl__input_resume_later(session);
    } else {
        srl__session_doom(session, SRL_DISCONNECT_INTERNAL);
    }
}

void srl__connecting_add(srl_session *session, srl__slice channel, const srl__subscribe_reply *reply)
{
    if (session->connecting != NULL) {
        srl__session_codec(session)->append_sub(&session->connecting->subs, channel, reply);
    }
}

uint64_t srl__connecting_bytes(const srl_session *session)
{
    return session->connecting != NULL ? session->connecting->subs.len : 0;
}

void srl__connecting_done(srl_session *session)
{
    if (session->connecting != NULL && --session->connecting->pending == 0) {
        conclude(session);
    }
}

void srl__connecting_failed(srl_session *session, uint32_t code)
{
    srl__session_doom(session,
                      code == SRL_REPLY_LIMIT_EXCEEDED ? SRL_DISCONNECT_CHANNEL_LIMIT : SRL_DISCONNECT_INTERNAL);
}

void srl__connecting_cancel(srl_session *session)
{
    if (session->connecting != NULL) {
        connecting_free(session);
        srl__outbox_clear(session->relay, &session->outbox);
        release(session);
    }
}

/* The client's own position in a channel, where it has one. */
static void take_held(const srl_session *session, srl__slice held, srl__slice channel, srl__subscribe_wish *wish)
{
    const srl__codec *codec = srl__session_codec(session);
    srl__held position;

    if (codec->find_held != NULL && codec->find_held(held, channel, &position) && position.recover) {
        wish->recover = wish->has_offset = true;
        srl__position_set(&wish->since, position.offset, position.epoch);
    }
}

static void begin_subs(srl_session *session, const srl__acceptance *acceptance)
{
    for (srl__server_sub *sub = acceptance->subs; sub != NULL && session->connecting != NULL; sub = sub->next) {
        srl__slice channel = srl__slice_of(sub->channel, sub->channel_len);

        take_held(session, acceptance->held, channel, &sub->wish);
        session->connecting->pending++;
        srl__subscribe_in_connect(session, channel, &sub->wish);
    }
    srl__connecting_done(session);
}

static bool begin(srl_session *session, uint64_t id, const srl__acceptance *acceptance, uint64_t ttl_ms)
{
    srl_relay *relay = session->relay;
    srl__connecting *connecting = srl__alloc_zeroed(&relay->alloc, sizeof(*connecting));

    if (connecting == NULL) {
        return false;
    }
    connecting->data.data = srl__copy_bytes(&relay->alloc, acceptance->data.data, acceptance->data.len);
    if (connecting->data.data == NULL) {
        srl__free(&relay->alloc, connecting, sizeof(*connecting));
        return false;
    }
    connecting->data.len = acceptance->data.len;
    connecting->id = id;
    connecting->ttl_ms = ttl_ms;
    connecting->pending = 1;
    srl__buf_init(&connecting->subs, &relay->alloc, (size_t)relay->settings.max_recovery_bytes * 4);
    session->connecting = connecting;
    hold(session);
    begin_subs(session, acceptance);
    return true;
}

static void subscribe_afterwards(srl_session *session, const srl__acceptance *acceptance)
{
    for (srl__server_sub *sub = acceptance->subs; sub != NULL; sub = sub->next) {
        srl__slice channel = srl__slice_of(sub->channel, sub->channel_len);
        int error = srl__subscribe_by_host(session, channel, &sub->wish);

        if (error != SRL_OK) {
            srl__connecting_failed(session, error == SRL_ERR_LIMIT ? SRL_REPLY_LIMIT_EXCEEDED : SRL_REPLY_INTERNAL);
            return;
        }
    }
}

static void welcome(srl_session *session, const srl__reply_to *to, const srl__acceptance *acceptance, uint64_t ttl_ms)
{
    const srl__codec *codec = srl__session_codec(session);

    if (acceptance->subs != NULL && codec->append_sub != NULL) {
        if (!begin(session, to->id, acceptance, ttl_ms)) {
            srl__session_doom(session, SRL_DISCONNECT_INTERNAL);
        }
        return;
    }
    encode_reply(session, to->id, acceptance->data, ttl_ms, srl__slice_of("", 0));
    srl__session_send_encoded(session);
    subscribe_afterwards(session, acceptance);
}

/* Until when the client has to refresh, if it is told. */
static uint64_t set_expiry(srl_session *session, const srl__acceptance *acceptance)
{
    const srl_relay *relay = session->relay;
    bool has_refresh = (srl__session_codec(session)->traits & SRL__CODEC_REFRESHES) != 0;
    bool strict = (srl__session_codec(session)->traits & SRL__CODEC_STRICT) != 0;

    session->refreshes = has_refresh && relay->hooks.refresh != NULL && !acceptance->refreshed_by_host;
    srl__session_ends_in(session, acceptance->ttl_ms);
    return session->refreshes || !strict ? acceptance->ttl_ms : 0;
}

void srl__session_accept(srl_session *session, const srl__reply_to *to, const srl__acceptance *acceptance)
{
    uint32_t refused = identify(session, acceptance->user_id, acceptance->info);
    uint64_t ttl_ms = 0;

    if (refused >= SRL_DISCONNECT_CLOSED) {
        srl__event(session->relay, SRL_EVENT_LIMIT_HIT, 0, srl__slice_of("", 0), acceptance->user_id,
                   SRL__LIT("max_user_sessions"));
        srl__session_disconnect(session, refused, srl__slice_of("", 0));
        return;
    }
    if (refused != 0) {
        srl__session_reply_error(session, to, refused, srl__slice_of("", 0));
        return;
    }
    session->state = SRL__SESSION_CONNECTED;
    session->was_connected = 1;
    srl__event_of(session, SRL_EVENT_CONNECTED, 0, srl__slice_of("", 0), srl__slice_of("", 0));
    ttl_ms = set_expiry(session, acceptance);
    srl__keepalive_connected(session);
    welcome(session, to, acceptance, ttl_ms);
}
