#include "redis/conn.h"

#include <stdio.h>

#include <streamrelay/error.h>

/* Arguments of this size are not copied while we wait for the reply. */
#define BORROW_MIN 16384

/* Unused for so long, it is looked at before it is used. */
#define LOOK_AFTER_MS 1000

static int explain(srl_redis_conn *conn, int error)
{
    const char *text = conn->client->link.text;
    if (error == SRL_OK) {
        conn->error[0] = '\0';
        return error;
    }
    bool of_link = error == SRL_ERR_OUTCOME_UNKNOWN || (error <= SRL_ERR_REDIS_RESOLVE && error > SRL_ERR_NOMEM) ||
                   error == SRL_ERR_PROTOCOL || error == SRL_ERR_TIMEOUT;
    if (of_link && text[0] != '\0') {
        snprintf(conn->error, sizeof(conn->error), "%s: %s", srl_error_text(error), text);
    } else {
        snprintf(conn->error, sizeof(conn->error), "%s", srl_error_text(error));
    }
    return error;
}

static void on_state(int state, int error, const char *text, void *user)
{
    srl_redis_conn *conn = user;
    (void)error;
    (void)text;
    if (state == SRL_REDIS_FAILED) {
        conn->connect_failed = true;
    } else if (state == SRL_REDIS_LOST) {
        conn->useless = conn->useless || conn->changed || conn->in_multi || conn->watching;
    }
}

static void add_result(srl_redis_conn *conn, int error, const srl_reply *reply)
{
    /* there is room: it was made when the command was queued */
    conn->results[conn->result_count++] = (srl__conn_result){error, reply};
}

/* The link stops behind this reply, so that it stays where it is. */
static void on_answer(int error, const srl_reply *reply, void *user)
{
    srl_redis_conn *conn = user;
    conn->client->link.paused = reply != NULL;
    add_result(conn, error, reply);
}

/* Without asking what time it is: it was asked at the beginning of this pipeline. */
static void enter_quickly(srl_redis_conn *conn)
{
    conn->loop->depth++;
}

/* ---- opening and closing */

static void free_conn(srl_redis_conn *conn)
{
    srl_allocator alloc = conn->alloc;
    srl_redis_loop_destroy(conn->loop); /* who waits is told, into results */
    srl__free(&alloc, conn->results, conn->result_capacity * sizeof(*conn->results));
    srl__redis_config_unref(conn->config);
    srl__free(&alloc, conn, sizeof(*conn));
}

static int make_conn(srl__redis_config *config, srl_redis_conn **out)
{
    srl_redis_conn *conn = srl__alloc_zeroed(&config->alloc, sizeof(*conn));
    if (conn == NULL) {
        return SRL_ERR_NOMEM;
    }
    conn->alloc = config->alloc;
    srl__list_init(&conn->node);
    int error = srl__redis_loop_create(config, NULL, NULL, NULL, &conn->loop);
    if (error == SRL_OK) {
        conn->loop->quiet = true;
        error = srl__redis_client_create(conn->loop, config, on_state, conn, &conn->client);
    }
    if (error != SRL_OK) {
        srl_redis_loop_destroy(conn->loop);
        srl__free(&config->alloc, conn, sizeof(*conn));
        return error;
    }
    conn->config = srl__redis_config_ref(config);
    conn->client->link.manual = true;
    *out = conn;
    return SRL_OK;
}

static void start(srl_redis_conn *conn)
{
    srl__redis_loop_enter(conn->loop);
    conn->connect_failed = false;
    srl__redis_link_start(&conn->client->link);
    srl__redis_loop_leave(conn->loop);
}

static int wait_until_ready(srl_redis_conn *conn, uint64_t timeout_ms)
{
    srl__redis_link *link = &conn->client->link;
    uint64_t until = timeout_ms < UINT64_MAX / 4 ? conn->loop->now_ms + timeout_ms : UINT64_MAX;
    start(conn);
    while (!srl__redis_link_is_ready(link)) {
        if (conn->connect_failed) {
            return link->error;
        }
        uint64_t now = conn->loop->now_ms;
        if (now >= until) {
            return SRL_ERR_TIMEOUT;
        }
        int32_t wait = until - now > 60000 ? 60000 : (int32_t)(until - now);
        if (srl__redis_loop_turn(conn->loop, wait) < 0) {
            return SRL_ERR_POLLER;
        }
    }
    return SRL_OK;
}

int srl__redis_conn_open(srl__redis_config *config, uint64_t timeout_ms, srl_redis_conn **out, char *why,
                         size_t why_size)
{
    srl_redis_conn *conn;
    int error = make_conn(config, &conn);
    if (error != SRL_OK) {
        snprintf(why, why_size, "%s", srl_error_text(error));
        return error;
    }
    error = wait_until_ready(conn, timeout_ms);
    if (error != SRL_OK) {
        (void)explain(conn, error);
        snprintf(why, why_size, "%s", conn->error);
        free_conn(conn);
        return error;
    }
    conn->last_use_ms = conn->loop->now_ms;
    *out = conn;
    return SRL_OK;
}

int srl_redis_connect(srl_redis_options *options, srl_redis_conn **out)
{
    srl__redis_config *config;
    char why[240];
    int error = srl__redis_config_take(options, &config);
    if (error != SRL_OK) {
        srl__redis_options_explain(options, srl_error_text(error));
        return error;
    }
    error = srl__redis_conn_open(config, SRL_REDIS_NO_TIMEOUT, out, why, sizeof(why));
    srl__redis_config_unref(config);
    if (error != SRL_OK) {
        srl__redis_options_explain(options, why);
    }
    return error;
}

void srl_redis_close(srl_redis_conn *conn)
{
    if (conn != NULL) {
        free_conn(conn);
    }
}

/* ---- commands */

static bool make_room(srl_redis_conn *conn)
{
    if (conn->result_at == conn->result_count) {
        conn->result_at = 0;
        conn->result_count = 0;
    }
    uint32_t need = conn->result_at + conn->outstanding + 1;
    return srl__grow_array(&conn->alloc, (void **)&conn->results, &conn->result_capacity, need, UINT32_MAX / 4,
                           sizeof(*conn->results));
}

/* The last reply goes, and what came behind it is looked at. */
static int begin_call(srl_redis_conn *conn)
{
    srl__redis_link *link = &conn->client->link;
    srl__redis_loop_enter(conn->loop);
    uint64_t now = conn->loop->now_ms;
    srl__redis_link_resume(link);
    srl__redis_loop_leave(conn->loop);
    if (now - conn->last_use_ms >= LOOK_AFTER_MS && conn->outstanding == 0) {
        (void)srl__redis_loop_turn(conn->loop, 0);
    }
    conn->last_use_ms = now;
    return conn->useless ? SRL_ERR_CLOSED : SRL_OK;
}

static int take_result(srl_redis_conn *conn, const srl_reply **reply)
{
    srl__conn_result result = conn->results[conn->result_at++];
    conn->outstanding--;
    if (reply != NULL) {
        *reply = result.reply;
    }
    /* a command whose reply may still come: nothing after it could be trusted */
    if (conn->outstanding == 0 && conn->client->inflight.count > 0) {
        srl__redis_loop_enter(conn->loop);
        srl__redis_link_fail(&conn->client->link, SRL_ERR_REDIS_CONNECT,
                             "closed, as a command was not answered in time");
        srl__redis_loop_leave(conn->loop);
    }
    return explain(conn, result.error);
}

static void connect_or_give_up(srl_redis_conn *conn)
{
    if (conn->connect_failed || conn->useless) {
        srl__redis_loop_enter(conn->loop);
        srl__redis_client_fail_waiting(conn->client, conn->useless ? SRL_ERR_CLOSED : conn->client->link.error);
        srl__redis_loop_leave(conn->loop);
    } else {
        start(conn);
    }
}

static int wait_for_result(srl_redis_conn *conn, const srl_reply **reply)
{
    srl__redis_link *link = &conn->client->link;
    enter_quickly(conn);
    srl__redis_link_resume(link);
    srl__redis_loop_leave(conn->loop);
    while (conn->result_at == conn->result_count) {
        if (link->state == SRL__LINK_IDLE) {
            connect_or_give_up(conn);
        } else if (srl__redis_loop_turn(conn->loop, -1) < 0) {
            return explain(conn, SRL_ERR_POLLER);
        }
    }
    return take_result(conn, reply);
}

static srl__redis_request request_of(srl_redis_conn *conn, uint32_t flags, uint64_t timeout_ms)
{
    return (srl__redis_request){
        .flags = flags,
        .timeout_ms = timeout_ms,
        .function = on_answer,
        .user = conn,
        .marks = SRL__SLOT_STATEFUL,
    };
}

static void note_state(srl_redis_conn *conn, srl__slice name, srl__slice second)
{
    if (srl__redis_command_kind(name, second) != SRL__COMMAND_STATEFUL) {
        return;
    }
    if (srl__redis_word_is(name, "MULTI")) {
        conn->in_multi = true;
    } else if (srl__redis_word_is(name, "WATCH")) {
        conn->watching = true;
    } else if (!srl__redis_word_is(name, "EXEC") && !srl__redis_word_is(name, "DISCARD") &&
               !srl__redis_word_is(name, "UNWATCH")) {
        conn->changed = true;
    }
}

static void note_success(srl_redis_conn *conn, srl__slice name)
{
    bool ended = srl__redis_word_is(name, "EXEC") || srl__redis_word_is(name, "DISCARD");
    if (ended || (srl__redis_word_is(name, "UNWATCH") && !conn->in_multi)) {
        conn->in_multi = false;
        conn->watching = false;
    }
}

static srl__slice name_of(const char *const *argv, const size_t *lens, size_t argc, size_t index)
{
    if (index >= argc) {
        return srl__slice_of("", 0);
    }
    return srl__slice_of(argv[index], lens != NULL ? lens[index] : strlen(argv[index]));
}

static int queue_argv(srl_redis_conn *conn, uint32_t flags, uint64_t timeout_ms, size_t argc, const char *const *argv,
                      const size_t *lens)
{
    srl__redis_request request = request_of(conn, flags, timeout_ms);
    if (argc == 0 || argv == NULL) {
        return SRL_ERR_INVALID;
    }
    if (!make_room(conn)) {
        return SRL_ERR_NOMEM;
    }
    conn->connect_failed = false;
    if (conn->outstanding > 0) {
        enter_quickly(conn);
    } else {
        srl__redis_loop_enter(conn->loop);
    }
    int error = srl__redis_client_submit_argv(conn->client, &request, argc, argv, lens, NULL);
    srl__redis_loop_leave(conn->loop);
    if (error == SRL_OK) {
        conn->outstanding++;
        note_state(conn, name_of(argv, lens, argc, 0), name_of(argv, lens, argc, 1));
    }
    return error;
}

static int queue_command(srl_redis_conn *conn, const srl__redis_request *request, srl_command *command)
{
    if (!make_room(conn)) {
        return SRL_ERR_NOMEM;
    }
    conn->connect_failed = false;
    srl__redis_loop_enter(conn->loop);
    int error = srl__redis_client_submit_command(conn->client, request, command, NULL);
    srl__redis_loop_leave(conn->loop);
    if (error == SRL_OK) {
        srl__slice second;
        srl__slice name = srl__redis_command_words(command, &second);
        conn->outstanding++;
        note_state(conn, name, second);
    }
    return error;
}

static bool has_large(size_t argc, const size_t *lens)
{
    for (size_t i = 0; lens != NULL && i < argc; i++) {
        if (lens[i] >= BORROW_MIN) {
            return true;
        }
    }
    return false;
}

static int queue_borrowed(srl_redis_conn *conn, uint32_t flags, uint64_t timeout_ms, size_t argc,
                          const char *const *argv, const size_t *lens)
{
    srl__redis_request request = request_of(conn, flags, timeout_ms);
    srl_command *command;
    if (argc > SRL_COMMAND_MAX_ARGS) {
        return SRL_ERR_INVALID;
    }
    int error = srl_command_create(&conn->alloc, &command);
    if (error != SRL_OK) {
        return error;
    }
    error = srl_command_append_argv(command, (uint32_t)argc, argv, lens, SRL_COMMAND_BORROW);
    error = error == SRL_OK ? queue_command(conn, &request, command) : error;
    srl_command_free(command);
    return error;
}

/* Nothing may be under way when one command is sent and waited for. */
static int begin_single(srl_redis_conn *conn, const srl_reply **reply)
{
    if (reply != NULL) {
        *reply = NULL;
    }
    if (conn->outstanding > 0) {
        return explain(conn, SRL_ERR_STATE);
    }
    int error = begin_call(conn);
    return error != SRL_OK ? explain(conn, error) : SRL_OK;
}

int srl_redis_command_timeout(srl_redis_conn *conn, uint64_t timeout_ms, uint32_t flags, size_t argc,
                              const char *const *argv, const size_t *lens, const srl_reply **reply)
{
    int error = begin_single(conn, reply);
    if (error != SRL_OK) {
        return error;
    }
    error = has_large(argc, lens) ? queue_borrowed(conn, flags, timeout_ms, argc, argv, lens)
                                  : queue_argv(conn, flags, timeout_ms, argc, argv, lens);
    if (error != SRL_OK) {
        return explain(conn, error);
    }
    error = wait_for_result(conn, reply);
    if (error == SRL_OK && (conn->in_multi || conn->watching)) {
        note_success(conn, name_of(argv, lens, argc, 0));
    }
    return error;
}

int srl_redis_command(srl_redis_conn *conn, size_t argc, const char *const *argv, const size_t *lens,
                      const srl_reply **reply)
{
    return srl_redis_command_timeout(conn, SRL_REDIS_DEFAULT_TIMEOUT, 0, argc, argv, lens, reply);
}

int srl_redis_send(srl_redis_conn *conn, srl_command *command, uint64_t timeout_ms, uint32_t flags,
                   const srl_reply **reply)
{
    srl__redis_request request = request_of(conn, flags, timeout_ms);
    int error = begin_single(conn, reply);
    if (error != SRL_OK) {
        return error;
    }
    error = queue_command(conn, &request, command);
    return error != SRL_OK ? explain(conn, error) : wait_for_result(conn, reply);
}

int srl_redis_append(srl_redis_conn *conn, size_t argc, const char *const *argv, const size_t *lens)
{
    if (conn->outstanding == 0) {
        int error = begin_call(conn);
        if (error != SRL_OK) {
            return explain(conn, error);
        }
    }
    int error = queue_argv(conn, 0, SRL_REDIS_DEFAULT_TIMEOUT, argc, argv, lens);
    if (error == SRL_OK &&
        srl__redis_command_kind(name_of(argv, lens, argc, 0), name_of(argv, lens, argc, 1)) == SRL__COMMAND_STATEFUL) {
        conn->changed = true;
    }
    return error != SRL_OK ? explain(conn, error) : SRL_OK;
}

int srl_redis_next_reply(srl_redis_conn *conn, const srl_reply **reply)
{
    if (reply != NULL) {
        *reply = NULL;
    }
    if (conn->outstanding == 0) {
        return explain(conn, SRL_ERR_STATE);
    }
    return wait_for_result(conn, reply);
}

int srl_redis_exec(srl_redis_conn *conn, const srl_redis_multi *multi, const srl_reply **reply)
{
    srl__redis_request request = request_of(conn, 0, SRL_REDIS_DEFAULT_TIMEOUT);
    srl__redis_blob *raw;
    int error = begin_single(conn, reply);
    if (error != SRL_OK) {
        return error;
    }
    if (conn->in_multi || !make_room(conn)) {
        return explain(conn, conn->in_multi ? SRL_ERR_STATE : SRL_ERR_NOMEM);
    }
    error = srl__redis_multi_raw(multi, &conn->alloc, &raw, &request.replies);
    if (error != SRL_OK) {
        return explain(conn, error);
    }
    conn->connect_failed = false;
    srl__redis_loop_enter(conn->loop);
    error = srl__redis_client_submit_raw(conn->client, &request, raw, NULL);
    srl__redis_loop_leave(conn->loop);
    if (error != SRL_OK) {
        srl__redis_blob_unref(raw);
        return explain(conn, error);
    }
    conn->outstanding++;
    error = wait_for_result(conn, reply);
    conn->watching = conn->watching && error != SRL_OK;
    return error;
}

int srl_redis_call(srl_redis_conn *conn, const srl_redis_script *script, const char *function, uint32_t num_keys,
                   size_t argc, const char *const *argv, const size_t *lens, uint32_t flags, const srl_reply **reply)
{
    srl__redis_request request = request_of(conn, flags, SRL_REDIS_DEFAULT_TIMEOUT);
    srl_command *command;
    int error = begin_single(conn, reply);
    if (error != SRL_OK) {
        return error;
    }
    request.script = script;
    error = srl__redis_script_command(script, function, num_keys, argc, argv, lens, &conn->alloc, &command);
    if (error == SRL_OK) {
        error = queue_command(conn, &request, command);
        srl_command_free(command);
    }
    return error != SRL_OK ? explain(conn, error) : wait_for_result(conn, reply);
}

const char *srl_redis_last_error(const srl_redis_conn *conn)
{
    return conn->error;
}

uint32_t srl_redis_protocol(const srl_redis_conn *conn)
{
    return srl__redis_link_is_ready(&conn->client->link) ? conn->client->link.protocol : 0;
}

/* ---- for the pool */

bool srl__redis_conn_is_clean(const srl_redis_conn *conn)
{
    const srl_redis_client *client = conn->client;
    return conn->outstanding == 0 && client->inflight.count == 0 && client->waiting.count == 0 && !conn->in_multi &&
           !conn->watching && !conn->changed && !conn->useless && srl__redis_link_is_ready(&client->link);
}

static bool echo_answers(srl_redis_conn *conn)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t nonce[8];
    char text[16];
    const srl_reply *reply;
    const srl_platform *platform = &conn->loop->platform;
    if (platform->random(nonce, sizeof(nonce), platform->user) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = digits[nonce[i / 2] >> (i % 2 * 4) & 15];
    }
    const char *const argv[] = {"ECHO", text};
    const size_t lens[] = {4, sizeof(text)};
    int error =
        srl_redis_command_timeout(conn, conn->config->connect_timeout, SRL_REDIS_NO_WAIT, 2, argv, lens, &reply);
    if (error == SRL_ERR_REDIS) {
        return srl_reply_error_is(reply, SRL_REPLY_ROOT, "NOPERM", 6) != 0; /* may not say ECHO, but is answered */
    }
    return error == SRL_OK && srl_reply_equals(reply, SRL_REPLY_ROOT, text, sizeof(text)) != 0;
}

bool srl__redis_conn_check(srl_redis_conn *conn, bool ask)
{
    srl__redis_link *link = &conn->client->link;
    srl__redis_loop_enter(conn->loop);
    srl__redis_link_resume(link);
    srl__redis_loop_leave(conn->loop);
    if (!srl__redis_link_is_ready(link)) {
        return false;
    }
    int peeked = srl__redis_link_peek(link);
    if (peeked == SRL__PEEK_END || (peeked == SRL__PEEK_DATA && link->protocol != 3)) {
        return false;
    }
    if (peeked == SRL__PEEK_DATA) {
        (void)srl__redis_loop_turn(conn->loop, 0); /* pushes may come at any time; anything else breaks the link */
    }
    return srl__redis_link_is_ready(link) && (!ask || echo_answers(conn)) && srl__redis_conn_is_clean(conn);
}
