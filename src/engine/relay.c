#include "engine/attendance.h"
#include "engine/relay.h"

#include <stdio.h>

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "base/utf8.h"
#include "base/uuid.h"
#include "engine/call.h"
#include "engine/input.h"
#include "engine/notes.h"
#include "engine/policy.h"
#include "engine/posts.h"
#include "engine/rooms.h"
#include "engine/session.h"
#include "engine/survey.h"

/* How often a turn goes around before what is left waits for the next one. */
enum { MAX_ROUNDS = 16 };

/* The largest message that is ever encoded. */
#define MAX_ENCODED ((size_t)256 * 1024 * 1024)

void srl__relay_enter(srl_relay *relay)
{
    if (relay->depth++ == 0) {
        relay->now_ms = relay->platform.monotonic_ms(relay->platform.user);
        relay->wall_ms = 0;
    }
}

static void resume_inputs(srl_relay *relay)
{
    srl__list ready;
    srl__list *link = NULL;

    srl__list_init(&ready);
    srl__list_append_all(&ready, &relay->resumable);
    while ((link = srl__list_take_first(&ready)) != NULL) {
        srl__input_resume(SRL__CONTAINER(link, srl_session, resume_link));
    }
}

bool srl__relay_has_work(const srl_relay *relay)
{
    return relay->touched.count > 0 || !srl__list_is_empty(&relay->gathering) ||
           !srl__list_is_empty(&relay->resumable) || relay->policy_changed || relay->events.count > 0;
}

static void bury_the_dead(srl_relay *relay)
{
    srl__list dead;
    srl__list *link = NULL;

    srl__list_init(&dead);
    srl__list_append_all(&dead, &relay->dead);
    while ((link = srl__list_take_first(&dead)) != NULL) {
        srl_session *session = SRL__CONTAINER(link, srl_session, link);

        if (session->touched) { /* still in a list: next time */
            srl__list_append(&relay->dead, link);
        } else {
            srl__session_free(session);
        }
    }
}

static void tell_of_shutdown(srl_relay *relay)
{
    if (relay->shutting_down && !relay->shut_down && relay->open_sessions == 0) {
        relay->shut_down = true;
        relay->stopped = true;
        if (relay->shutdown_done != NULL) {
            relay->shutdown_done(relay, relay->shutdown_user);
        }
    }
}

void srl__relay_arm(srl_relay *relay)
{
    uint64_t next = srl__timers_next_ms(&relay->timers);

    if (next < relay->armed_ms) {
        relay->armed_ms = next;
        (void)relay->poller->ops->set_deadline(relay->poller, next > relay->now_ms ? next - relay->now_ms : 0);
    }
}

void srl__relay_go_round(srl_relay *relay)
{
    for (int round = 0; round < MAX_ROUNDS && srl__relay_has_work(relay); round++) {
        if (relay->policy_changed) {
            srl__policy_recheck(relay);
        }
        srl__fanout_turn(relay);
        srl__touched_flush(relay);
        resume_inputs(relay);
        (void)srl__events_tell(relay);
    }
}

static void flush_broker(srl_relay *relay)
{
    if (relay->link != NULL && srl__broker_ops_of(relay->broker)->flush != NULL) {
        srl__broker_ops_of(relay->broker)->flush(relay->link);
    }
}

static void settle(srl_relay *relay)
{
    srl__relay_go_round(relay);
    flush_broker(relay);
    tell_of_shutdown(relay);
    bury_the_dead(relay);
    if (!relay->destroyed) {
        if (srl__relay_has_work(relay)) {
            relay->poller->ops->wake(relay->poller);
        }
        srl__relay_arm(relay);
    }
}

static void relay_free(srl_relay *relay)
{
    srl_allocator alloc = relay->alloc;

    srl__rooms_free(relay);
    srl__map_free(&relay->users);
    srl__map_free(&relay->emulated);
    srl__namespaces_free(&relay->namespaces);
    srl__queue_pool_free(relay);
    srl__snapshot_free(relay);
    srl__free(&alloc, relay->touched.sessions, relay->touched.capacity * sizeof(*relay->touched.sessions));
    srl__buf_free(&relay->encoded);
    srl__buf_free(&relay->scratch);
    srl__buf_free(&relay->list);
    srl__buf_free(&relay->patch);
    srl__events_free(relay);
    srl__policy_release(relay);
    srl__posts_free(relay);
    if (relay->poller != NULL) {
        relay->poller->ops->destroy(relay->poller);
    }
    if (relay->broker != NULL) {
        srl_broker_release(relay->broker);
    }
    srl__free(&alloc, relay, sizeof(*relay));
}

void srl__relay_leave(srl_relay *relay)
{
    if (relay->depth == 1) {
        settle(relay);
    }
    relay->depth--;
    if (relay->depth == 0 && relay->destroyed && relay->handles == 0) {
        relay_free(relay);
    }
}

int srl__relay_fail(srl_relay *relay, int error, const char *text)
{
    (void)snprintf(relay->error, sizeof(relay->error), "%s", text);
    return error;
}

bool srl__channel_is_valid(const srl_relay *relay, srl__slice channel)
{
    if (channel.len == 0 || channel.len > relay->settings.max_channel_length) {
        return false;
    }
    for (size_t i = 0; i < channel.len; i++) {
        if ((uint8_t)channel.data[i] < 0x20 || channel.data[i] == 0x7F) {
            return false;
        }
    }
    return srl__utf8_valid(channel.data, channel.len);
}

srl_broker_channel srl__broker_channel_of(srl__slice name, const srl__channel_settings *settings)
{
    srl_broker_channel channel = {
        .size = sizeof(channel),
        .history_size = (uint32_t)settings->history_size,
        .history_ttl_ms = settings->history_ttl,
        .history_meta_ttl_ms = settings->history_meta_ttl,
        .name = name.data,
        .name_len = name.len,
        .idempotency_ttl_ms = settings->idempotency_window,
        .join_leave = (uint32_t)settings->join_leave,
    };

    return channel;
}

static void node_deliver(srl_node *node, void *room, int kind, const srl_publication *publication, srl__slice epoch)
{
    srl_relay *relay = SRL__CONTAINER(node, srl_relay, node);

    srl__relay_enter(relay);
    srl__room_deliver(room, kind, publication, epoch);
    srl__relay_leave(relay);
}

static void node_reposition(srl_node *node, void *room, uint64_t offset, srl__slice epoch)
{
    srl_relay *relay = SRL__CONTAINER(node, srl_relay, node);

    srl__relay_enter(relay);
    srl__room_reposition(room, offset, epoch);
    srl__relay_leave(relay);
}

static void node_control(srl_node *node, srl__slice note)
{
    srl_relay *relay = SRL__CONTAINER(node, srl_relay, node);

    srl__relay_enter(relay);
    srl__note_arrived(relay, note);
    srl__relay_leave(relay);
}

static void node_report(srl_node *node, bool is_up)
{
    srl_relay *relay = SRL__CONTAINER(node, srl_relay, node);
    srl__slice none = srl__slice_of("", 0);

    srl__relay_enter(relay);
    srl__event(relay, is_up ? SRL_EVENT_BROKER_UP : SRL_EVENT_BROKER_DOWN, 0, none, none, none);
    srl__relay_leave(relay);
}

static void node_wake(srl_node *node)
{
    srl_relay *relay = SRL__CONTAINER(node, srl_relay, node);

    atomic_store(&relay->broker_woken, true);
    relay->poller->ops->wake(relay->poller);
}

static void node_set_timer(srl_node *node, uint64_t due_ms)
{
    srl_relay *relay = SRL__CONTAINER(node, srl_relay, node);

    srl__alarm_set(relay, &relay->broker_alarm, due_ms);
    if (relay->depth == 0) {
        srl__relay_arm(relay);
    }
}

int srl__relay_check_channel(srl_relay *relay, srl__slice channel)
{
    if (relay->destroyed) {
        return SRL_ERR_CLOSED;
    }
    if (!srl__channel_is_valid(relay, channel)) {
        return srl__relay_fail(relay, SRL_ERR_INVALID, "channel: not a valid name");
    }
    return SRL_OK;
}

uint64_t srl__relay_wall_ms(srl_relay *relay)
{
    if (relay->wall_ms == 0) {
        relay->wall_ms = relay->platform.wall_ms(relay->platform.user);
    }
    return relay->wall_ms;
}

static uint64_t node_monotonic_ms(void *user)
{
    return ((srl_relay *)user)->now_ms;
}

static uint64_t node_wall_ms(void *user)
{
    return srl__relay_wall_ms(user);
}

static int node_random(void *out, size_t len, void *user)
{
    srl_relay *relay = user;

    return relay->platform.random(out, len, relay->platform.user);
}

static void init_members(srl_relay *relay, const srl_options *options)
{
    relay->alloc = options->allocator;
    relay->platform = options->platform;
    relay->hooks = options->hooks;
    relay->hooks_user = options->hooks_user;
    relay->settings = options->settings;
    relay->json_limits = srl__json_limits_default;
    relay->json_limits.max_len = MAX_ENCODED;
    relay->json_limits.max_depth = (uint32_t)options->settings.max_json_depth;
    relay->now_ms = relay->started_ms = relay->platform.monotonic_ms(relay->platform.user);
    relay->armed_ms = SRL__TIMERS_NEVER;
    relay->node.deliver = node_deliver;
    relay->node.reposition = node_reposition;
    relay->node.control = node_control;
    relay->node.report = node_report;
    relay->node.wake = node_wake;
    relay->node.set_timer = node_set_timer;
    relay->node_platform.size = sizeof(relay->node_platform);
    relay->node_platform.monotonic_ms = node_monotonic_ms;
    relay->node_platform.wall_ms = node_wall_ms;
    relay->node_platform.random = node_random;
    relay->node_platform.user = relay;
    relay->node.platform = &relay->node_platform;
    srl__list_init(&relay->calls);
    srl__list_init(&relay->uncounted);
    srl__list_init(&relay->surveys);
    srl__list_init(&relay->sessions);
    srl__list_init(&relay->resumable);
    srl__list_init(&relay->gathering);
    srl__list_init(&relay->dead);
    srl__timers_init(&relay->timers, relay->now_ms);
    srl__alarm_init(&relay->broker_alarm, srl__loop_broker_due);
    srl__alarm_init(&relay->shutdown_alarm, srl__loop_shutdown_due);
    srl__alarm_init(&relay->uncounted_alarm, srl__attendance_retry);
    srl__list_init(&relay->observer.link);
    srl__events_init(relay);
    srl__buf_init(&relay->encoded, &relay->alloc, MAX_ENCODED);
    srl__buf_init(&relay->scratch, &relay->alloc, MAX_ENCODED);
    srl__buf_init(&relay->list, &relay->alloc, MAX_ENCODED);
    srl__buf_init(&relay->patch, &relay->alloc, MAX_ENCODED);
    srl__posts_init(relay);
}

static int attach(srl_relay *relay, srl_broker *given)
{
    int error = SRL_OK;

    if (given != NULL) {
        srl__broker_retain(given);
        relay->broker = given;
    } else {
        error = srl_broker_create_memory(&relay->alloc, &relay->broker);
    }
    return error != SRL_OK ? error : srl__broker_attach(relay->broker, &relay->node, &relay->link);
}

static int start(srl_relay *relay, srl_broker *broker)
{
    uint64_t seeds[4];
    uint8_t id[16];
    int error = SRL_OK;

    if (relay->platform.random(seeds, sizeof(seeds), relay->platform.user) != 0 ||
        relay->platform.random(id, sizeof(id), relay->platform.user) != 0) {
        return SRL_ERR_SYSTEM;
    }
    srl__uuid_write(id, relay->node_id);
    srl__map_init(&relay->rooms, &relay->alloc, seeds[0]);
    srl__map_init(&relay->users, &relay->alloc, seeds[1]);
    srl__map_init(&relay->emulated, &relay->alloc, seeds[3]);
    srl__namespaces_init(&relay->namespaces, &relay->alloc, seeds[2], &relay->settings.channel);
    error = srl__poller_create(&relay->alloc, &relay->poller);
    relay->node.poller = relay->poller;
    return error != SRL_OK ? error : attach(relay, broker);
}

int srl_relay_create(const srl_options *options, srl_relay **out)
{
    srl_options defaults;
    srl_relay *relay = NULL;
    char ignored[1];
    int error = SRL_OK;

    if (options == NULL) {
        srl__options_defaults(&defaults);
        options = &defaults;
    }
    error = srl__settings_check(&options->settings, ignored, sizeof(ignored));
    if (error != SRL_OK) {
        return error;
    }
    relay = srl__alloc_zeroed(&options->allocator, sizeof(*relay));
    if (relay == NULL) {
        return SRL_ERR_NOMEM;
    }
    init_members(relay, options);
    error = start(relay, options->broker);
    if (error != SRL_OK) {
        relay_free(relay);
        return error;
    }
    *out = relay;
    return SRL_OK;
}

static void end_sessions(srl_relay *relay)
{
    srl__list open;
    srl__list *link = NULL;

    srl__list_init(&open);
    srl__list_append_all(&open, &relay->sessions);
    while ((link = srl__list_take_first(&open)) != NULL) {
        srl_session *session = SRL__CONTAINER(link, srl_session, link);

        srl__list_append(&relay->sessions, link);
        srl__session_end(session, SRL_DISCONNECT_SHUTDOWN);
    }
}

void srl_relay_destroy(srl_relay *relay)
{
    if (relay == NULL || relay->destroyed) {
        return;
    }
    srl__relay_enter(relay);
    relay->destroyed = true;
    relay->stopped = true;
    end_sessions(relay);
    srl__broker_ops_of(relay->broker)->detach(relay->link);
    relay->link = NULL;
    srl__calls_cancel(relay);
    srl__surveys_cancel(relay);
    srl__posts_cancel(relay);
    srl__policy_release(relay);
    srl__relay_leave(relay);
}

int srl_relay_shutdown(srl_relay *relay, uint64_t grace_ms, srl_shutdown_fn done, void *user)
{
    srl__list *link = NULL;

    if (relay->shutting_down || relay->destroyed) {
        return SRL_ERR_STATE;
    }
    srl__relay_enter(relay);
    relay->shutting_down = true;
    relay->shutdown_done = done;
    relay->shutdown_user = user;
    srl__alarm_set(relay, &relay->shutdown_alarm, srl__relay_after(relay, grace_ms));
    for (link = relay->sessions.next; link != &relay->sessions; link = link->next) {
        srl__session_disconnect(SRL__CONTAINER(link, srl_session, link), SRL_DISCONNECT_SHUTDOWN, srl__slice_of("", 0));
    }
    srl__relay_leave(relay);
    return SRL_OK;
}

const char *srl_relay_last_error(const srl_relay *relay)
{
    return relay->error;
}
