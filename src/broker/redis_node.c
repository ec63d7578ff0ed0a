/* A relay's connections to Redis, and what happens by the clock. */
#include "broker/redis_node.h"

#include <stdio.h>

#include <streamrelay/error.h>

#include "redis/loop.h"
#include "redis/reply.h"

enum { TICK_MS = 250, LINEAGE_MS = 5000, RENOUNCED_MS = 500, MAX_NAME = 128 * 1024 };

#define MAX_FRAME ((size_t)512 * 1024 * 1024)

void srl__redis_node_token(srl__redis_node *node, char out[SRL__FRAME_TOKEN_LEN])
{
    uint64_t count = ++node->tokens;
    for (uint32_t i = 0; i < SRL__FRAME_TOKEN_LEN / 2; i++) {
        out[i] = (char)(uint8_t)(node->seed >> (8 * i));
        out[SRL__FRAME_TOKEN_LEN / 2 + i] = (char)(uint8_t)(count >> (8 * i));
    }
}

/* ---- memory */

static void node_free(srl__redis_node *node)
{
    srl_allocator alloc = node->broker->alloc;
    srl__redis_tasks_free(node);
    srl__redis_replicas_free(node);
    srl__redis_rooms_free(node);
    srl__redis_people_free(node);
    srl__buf_free(&node->key);
    srl__buf_free(&node->live);
    srl__buf_free(&node->once);
    srl__buf_free(&node->frame);
    srl__free(&alloc, node->hints, SRL__REDIS_HINTS * sizeof(*node->hints));
    srl__free(&alloc, node, sizeof(*node));
}

void srl__redis_node_enter(srl__redis_node *node)
{
    node->depth++;
}

void srl__redis_node_leave(srl__redis_node *node)
{
    if (--node->depth == 0 && node->is_detached) {
        node_free(node);
    }
}

/* ---- up and down */

static void tell(srl__redis_node *node)
{
    bool is_up = node->state == SRL__NODE_UP && node->hears;
    if (is_up != node->is_told_up && !node->is_detached) {
        node->is_told_up = is_up;
        srl_node_report(node->node, is_up);
    }
}

static void set_state(srl__redis_node *node, srl__redis_node_state state)
{
    node->state = (uint8_t)state;
    node->stage++;
    tell(node);
}

static void look_again(srl__redis_node *node, uint64_t after_ms)
{
    node->lineage_ms = srl__redis_node_now(node) + after_ms;
}

void srl__redis_node_renounce(srl__redis_node *node)
{
    if (node->state == SRL__NODE_UP && !node->is_detached) {
        set_state(node, SRL__NODE_PREPARING);
        look_again(node, RENOUNCED_MS);
    }
}

/* ---- preparing: who is this server, and is its data that of before? */

static void ask_who(srl__redis_node *node);

static void went_up(srl__redis_node *node)
{
    bool was_up = node->state == SRL__NODE_UP;
    look_again(node, LINEAGE_MS);
    if (!was_up) {
        set_state(node, SRL__NODE_UP);
        if (!node->is_detached) {
            srl__redis_people_start(node);
            srl__redis_tasks_send(node);
            srl__redis_catch_up(node);
        }
    }
}

/* The data has another history than before: what rooms have heard may not be in it. */
static void adopt_base(srl__redis_node *node, uint64_t base)
{
    bool is_other = node->base_epoch != 0 && base != node->base_epoch;
    node->base_epoch = base;
    if (is_other) {
        srl__redis_hints_forget(node);
        srl_redis_client_reconnect(node->reader); /* it may be connected to the server of before */
        srl__redis_doubt_all(node);
    }
}

static void lineage_told(int error, const srl_reply *reply, void *user)
{
    srl__redis_node *node = user;
    uint64_t base;
    if (node->is_detached) {
        return;
    }
    srl__redis_node_enter(node);
    if (error == SRL_ERR_REDIS && !node->use_script && srl__redis_lacks_functions(reply)) {
        node->use_script = true;
        look_again(node, 0);
    } else if (error != SRL_OK || srl_reply_u64(reply, SRL_REPLY_ROOT, &base) != SRL_OK) {
        look_again(node, RENOUNCED_MS);
    } else if (node->state != SRL__NODE_AWAY) {
        adopt_base(node, base);
        went_up(node);
    }
    srl__redis_node_leave(node);
}

static void ask_lineage(srl__redis_node *node)
{
    srl__redis_call call;
    srl__slice name = srl__redis_key(&node->key, srl__redis_node_prefix(node), SRL__KEY_NODE, SRL__LIT("lineage"),
                                     srl__slice_of("", 0));
    srl__redis_call_begin(&call, node, "lineage", 1);
    srl__redis_call_add(&call, name);
    srl__redis_call_add(&call, srl__slice_of(node->lineage, strlen(node->lineage)));
    srl__redis_call_add_u64(&call, node->base_epoch);
    if (srl__redis_call_send(&call, node, node->client, lineage_told, node) != SRL_OK) {
        look_again(node, RENOUNCED_MS);
    }
    srl__redis_call_free(&call);
}

/* The value of a line "name:value" of INFO. */
static srl__slice info_line(srl__slice text, const char *name)
{
    size_t len = strlen(name);
    size_t at = 0;
    while (at < text.len) {
        const char *line = text.data + at;
        const char *end = memchr(line, '\n', text.len - at);
        size_t line_len = end != NULL ? (size_t)(end - line) : text.len - at;
        if (line_len > len && memcmp(line, name, len) == 0 && line[len] == ':') {
            size_t value_len = line_len - len - 1;
            return srl__slice_of(line + len + 1, value_len - (value_len > 0 && line[line_len - 1] == '\r' ? 1 : 0));
        }
        at += line_len + 1;
    }
    return srl__slice_of("", 0);
}

static void id_told(int error, const srl_reply *reply, void *user)
{
    srl__redis_node *node = user;
    if (!node->is_detached && error == SRL_OK) {
        (void)srl_reply_u64(reply, SRL_REPLY_ROOT, &node->client_id);
    }
}

static void send_words(srl__redis_node *node, size_t count, const char *const *words, srl_redis_reply_fn function)
{
    (void)srl_redis_client_command(node->client, count, words, NULL, SRL_REDIS_NO_WAIT, SRL_REDIS_DEFAULT_TIMEOUT,
                                   function, node, NULL);
}

/* What the last connection has sent and the server has not run yet must not be run behind what this one sends. Another
 * server, or the same one started anew, has nothing of it, and knows somebody else under that number. */
static void kill_the_last(srl__redis_node *node, srl__slice lineage)
{
    char number[24];
    const char *const kill[] = {"CLIENT", "KILL", "ID", number};
    if (node->last_id != 0 && srl__slice_equal(lineage, srl__slice_of(node->lineage, strlen(node->lineage)))) {
        (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)node->last_id);
        send_words(node, 4, kill, NULL);
    }
    node->last_id = 0;
}

static void who_told(int error, const srl_reply *reply, void *user)
{
    srl__redis_node *node = user;
    if (node->is_detached) {
        return;
    }
    srl__redis_node_enter(node);
    srl__slice text = error == SRL_OK ? srl__reply_slice(reply, SRL_REPLY_ROOT) : srl__slice_of("", 0);
    srl__slice id = text.data != NULL ? info_line(text, "master_replid") : text;
    if (id.len == 0 || id.len >= sizeof(node->lineage) ||
        !srl__slice_equal(info_line(text, "role"), SRL__LIT("master"))) {
        srl__redis_node_renounce(node);
        look_again(node, RENOUNCED_MS);
    } else {
        kill_the_last(node, id);
        memcpy(node->lineage, id.data, id.len);
        node->lineage[id.len] = '\0';
        ask_lineage(node);
    }
    srl__redis_node_leave(node);
}

static void ask_who(srl__redis_node *node)
{
    static const char *const info[] = {"INFO", "replication"};
    look_again(node, LINEAGE_MS);
    send_words(node, 2, info, who_told);
}

static void ask_id(srl__redis_node *node)
{
    static const char *const words[] = {"CLIENT", "ID"};
    if (node->last_id == 0) { /* else the one before has never been used */
        node->last_id = node->client_id;
    }
    node->client_id = 0;
    send_words(node, 2, words, id_told);
}

static void client_changed(int state, int error, const char *text, void *user)
{
    srl__redis_node *node = user;
    (void)error;
    (void)text;
    if (node->is_detached) {
        return;
    }
    srl__redis_node_enter(node);
    if (state == SRL_REDIS_READY) {
        set_state(node, SRL__NODE_PREPARING);
        ask_id(node);
        ask_who(node);
    } else if (node->state != SRL__NODE_AWAY) {
        set_state(node, SRL__NODE_AWAY);
    }
    srl__redis_node_leave(node);
}

static void reader_changed(int state, int error, const char *text, void *user)
{
    srl__redis_node *node = user;
    (void)error;
    (void)text;
    if (state == SRL_REDIS_READY && !node->is_detached) {
        srl__redis_node_enter(node);
        srl__redis_catch_up(node);
        srl__redis_node_leave(node);
    }
}

/* ---- what is heard */

static void message_heard(const srl_redis_message *message, void *user)
{
    srl__redis_node *node = user;
    if (node->is_detached) {
        return;
    }
    srl__redis_node_enter(node);
    node->heard_ms = srl__redis_node_now(node);
    node->probes = 0;
    srl__redis_rooms_hear(node, message);
    srl__redis_node_leave(node);
}

static void hearing_changed(int state, int error, const char *text, void *user)
{
    srl__redis_node *node = user;
    (void)error;
    (void)text;
    if (node->is_detached) {
        return;
    }
    srl__redis_node_enter(node);
    node->hears = state == SRL_REDIS_READY;
    node->heard_ms = srl__redis_node_now(node);
    node->probes = 0;
    tell(node);
    if (node->hears && !node->is_detached) {
        srl__redis_doubt_all(node);
        srl__redis_catch_up(node);
    }
    srl__redis_node_leave(node);
}

/* Silence may be nobody's fault, or a connection that leads nowhere: a message to ourselves, the way of all others,
 * tells. One that could not be sent tells nothing. */
static void probe(srl__redis_node *node)
{
    enum { MAX_PROBES = 2 };
    const srl_redis_broker_config *config = &node->broker->config;
    uint64_t now = srl__redis_node_now(node);
    if (config->probe_ms == 0 || !node->hears || node->state != SRL__NODE_UP ||
        now < node->heard_ms + config->probe_ms * (node->probes + 1)) {
        return;
    }
    if (node->probes == MAX_PROBES) {
        node->probes = 0;
        node->heard_ms = now;
        srl_redis_pubsub_reconnect(node->pubsub);
        return;
    }
    srl__slice live = srl__redis_key(&node->live, srl__redis_node_prefix(node), SRL__KEY_LIVE, srl__redis_node_id(node),
                                     SRL__LIT("probe"));
    const char *const argv[] = {"PUBLISH", live.data, "?"};
    const size_t lens[] = {7, live.len, 1};
    if (live.len > 0 && srl_redis_client_command(node->client, 3, argv, lens, SRL_REDIS_NO_WAIT,
                                                 SRL_REDIS_DEFAULT_TIMEOUT, NULL, NULL, NULL) == SRL_OK) {
        node->probes++;
    }
}

static int hear_probes(srl__redis_node *node)
{
    srl__slice live = srl__redis_key(&node->live, srl__redis_node_prefix(node), SRL__KEY_LIVE, srl__redis_node_id(node),
                                     SRL__LIT("probe"));
    return live.len > 0
               ? srl_redis_pubsub_subscribe(node->pubsub, SRL_REDIS_CHANNEL, 1, &live.data, &live.len, NULL, NULL)
               : SRL_ERR_NOMEM;
}

/* ---- the clock */

static void ticked(srl__redis_timer *timer)
{
    srl__redis_node *node = SRL__CONTAINER(timer, srl__redis_node, tick);
    uint64_t now = srl__redis_node_now(node);
    srl__redis_node_enter(node);
    srl__redis_timer_arm(node->loop, &node->tick, TICK_MS);
    if (node->state != SRL__NODE_AWAY && now >= node->lineage_ms) {
        ask_who(node);
    }
    if (node->state == SRL__NODE_UP && now >= node->beat_ms) {
        node->beat_ms = srl__redis_people_beat(node, now);
    }
    probe(node);
    srl__redis_sweep(node);
    srl__redis_age(node);
    srl__redis_tasks_expire(node);
    if (!node->is_detached) {
        srl__redis_rooms_expire(node);
    }
    srl__redis_node_leave(node);
}

/* ---- the relay's calls */

/* The relay's timer for the loop's next one; the two clocks need not be the same. */
static void set_relay_timer(srl__redis_node *node)
{
    const srl_platform *platform = srl_node_platform(node->node);
    uint64_t due = srl__redis_loop_due_ms(node->loop);
    uint64_t now = srl__redis_node_now(node);
    if (due != SRL__TIMERS_NEVER) {
        srl_node_set_timer(node->node, platform->monotonic_ms(platform->user) + (due > now ? due - now : 0));
    }
}

/* Whether more is to be done at once. */
static bool run(srl__redis_node *node)
{
    bool more = false;
    srl__redis_node_enter(node);
    srl__redis_rooms_flush(node);
    srl__redis_tasks_send(node);
    srl__redis_replicas_ask(node);
    srl__redis_loop_run(node->loop);
    if (!node->is_detached) {
        more = !srl__list_is_empty(&node->loop->dirty);
        set_relay_timer(node);
    }
    srl__redis_node_leave(node);
    return more;
}

int srl__redis_node_process(void *state, uint32_t budget)
{
    srl__redis_node *node = state;
    (void)budget;
    return !node->is_detached && run(node) ? 1 : 0;
}

void srl__redis_node_flush(void *state)
{
    srl__redis_node *node = state;
    if (!node->is_detached && node->depth == 0 && run(node)) {
        srl_node_wake(node->node);
    }
}

static void wake_relay(void *user)
{
    srl__redis_node *node = user;
    srl_node_wake(node->node);
}

/* ---- beginning and end */

static void name_node(srl__redis_node *node, const uint64_t random[2])
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuv";
    for (uint32_t i = 0; i < SRL__NODE_ID_LEN; i++) {
        node->id[i] = letters[(random[i / 8] >> (i % 8 * 8)) & 31];
    }
}

static int connect_all(srl__redis_node *node)
{
    srl_redis_pubsub_handlers handlers;
    const srl_redis_options *options = node->broker->options;
    srl_redis_pubsub_handlers_init(&handlers, sizeof(handlers));
    handlers.message = message_heard;
    handlers.state = hearing_changed;
    handlers.user = node;
    int error = srl_redis_client_create(node->loop, options, client_changed, node, &node->client);
    if (error == SRL_OK) {
        error = srl_redis_client_create(node->loop, options, reader_changed, node, &node->reader);
    }
    if (error == SRL_OK) {
        error = srl_redis_pubsub_create(node->loop, options, &handlers, &node->pubsub);
    }
    if (error == SRL_OK) {
        error = hear_probes(node);
    }
    return error == SRL_OK ? srl__redis_rooms_init(node) : error;
}

static int start(srl__redis_node *node, const srl_platform *platform)
{
    const srl_allocator *alloc = srl__redis_node_alloc(node);
    uint64_t random[4];
    if (platform->random(random, sizeof(random), platform->user) != 0) {
        return SRL_ERR_SYSTEM;
    }
    name_node(node, random);
    node->seed = random[2];
    srl__map_init(&node->rooms, alloc, random[3]);
    srl__buf_init(&node->key, alloc, MAX_NAME);
    srl__buf_init(&node->live, alloc, MAX_NAME);
    srl__buf_init(&node->once, alloc, MAX_NAME);
    srl__buf_init(&node->frame, alloc, MAX_FRAME);
    srl__redis_people_init(node);
    node->hints = srl__alloc_zeroed(alloc, SRL__REDIS_HINTS * sizeof(*node->hints));
    if (node->hints == NULL) {
        return SRL_ERR_NOMEM;
    }
    int error = srl__redis_loop_create(node->broker->redis, node->node->poller, wake_relay, node, &node->loop);
    if (error != SRL_OK) {
        return error;
    }
    srl__redis_timer_init(&node->tick, ticked);
    srl__redis_timer_arm(node->loop, &node->tick, TICK_MS);
    node->age_at = (uint32_t)(random[0] % SRL__REDIS_PARTITIONS);
    node->heard_ms = srl__redis_node_now(node);
    error = connect_all(node);
    set_relay_timer(node);
    return error;
}

int srl__redis_node_attach(void *state, srl_node *relay, void **out)
{
    srl__redis_broker *broker = state;
    srl__redis_node *node = srl__alloc_zeroed(&broker->alloc, sizeof(*node));
    if (node == NULL) {
        return SRL_ERR_NOMEM;
    }
    node->broker = broker;
    node->node = relay;
    srl__list_init(&node->tasks);
    srl__list_init(&node->unconfirmed);
    srl__list_init(&node->fresh);
    srl__list_init(&node->opening);
    srl__list_init(&node->doubtful);
    srl__map_init(&node->rooms, &broker->alloc, 0);
    int error = start(node, srl_node_platform(relay));
    if (error != SRL_OK) {
        srl__redis_node_detach(node);
        return error;
    }
    *out = node;
    return SRL_OK;
}

void srl__redis_node_detach(void *state)
{
    srl__redis_node *node = state;
    if (node->is_detached) {
        return;
    }
    srl__redis_node_enter(node);
    if (node->loop != NULL) {
        srl__redis_people_stop(node);
        srl_redis_loop_flush(node->loop);
    }
    node->is_detached = true;
    if (node->loop != NULL) {
        srl__redis_timer_cancel(node->loop, &node->tick);
        srl_redis_loop_destroy(node->loop);
    }
    srl__redis_node_leave(node);
}
