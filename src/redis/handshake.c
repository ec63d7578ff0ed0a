/* From a connected socket to a server that serves data.
 *
 * Everything goes out in one piece: HELLO 3 with AUTH and SETNAME, CLIENT SETINFO, SELECT, PING. All replies are read;
 * only CLIENT's may be errors. A server without RESP3 gets a second piece, the old way. Whatever breaks the connection
 * on the way ends the attempt: nothing of it is kept. */
#include <streamrelay/error.h>
#include <streamrelay/version.h>

#include "base/decimal.h"
#include "redis/link.h"

enum { STEP_HELLO, STEP_AUTH, STEP_NAME, STEP_INFO, STEP_SELECT, STEP_PING };

enum { MAX_ARGS = 8 };

typedef struct handshake_command {
    srl__slice args[MAX_ARGS];
    uint32_t count;
} handshake_command;

static void add(handshake_command *command, srl__slice argument)
{
    command->args[command->count++] = argument;
}

static srl__slice slice_of(const char *text)
{
    return srl__slice_of(text, strlen(text));
}

static bool queue(srl__redis_link *link, const handshake_command *command, uint8_t step)
{
    int error = srl__resp_output_argv(&link->front, command->count, command->args);
    if (error != SRL_OK) {
        srl__redis_link_fail(link, error, "the handshake cannot be sent");
        return false;
    }
    link->steps[link->step_count++] = step;
    return true;
}

static void credentials(srl__redis_link *link, srl__slice *user, srl__slice *password)
{
    const srl__redis_config *config = link->config;
    const char *given_user = config->user.data;
    const char *given_password = config->password.data;
    if (config->credentials != NULL) {
        config->credentials(&given_user, &given_password, config->credentials_user);
    }
    *user = given_user != NULL ? slice_of(given_user) : SRL__LIT("");
    *password = given_password != NULL ? slice_of(given_password) : (srl__slice){NULL, 0};
}

static bool queue_hello(srl__redis_link *link)
{
    handshake_command command = {.count = 0};
    srl__slice user, password;
    credentials(link, &user, &password);
    add(&command, SRL__LIT("HELLO"));
    add(&command, SRL__LIT("3"));
    if (password.data != NULL) {
        add(&command, SRL__LIT("AUTH"));
        add(&command, user.len > 0 ? user : SRL__LIT("default"));
        add(&command, password);
    }
    if (link->config->client_name.len > 0) {
        add(&command, SRL__LIT("SETNAME"));
        add(&command, srl__slice_of(link->config->client_name.data, link->config->client_name.len));
    }
    return queue(link, &command, STEP_HELLO);
}

static bool queue_auth(srl__redis_link *link)
{
    handshake_command command = {.count = 0};
    srl__slice user, password;
    credentials(link, &user, &password);
    if (password.data == NULL) {
        return true;
    }
    add(&command, SRL__LIT("AUTH"));
    if (user.len > 0) {
        add(&command, user);
    }
    add(&command, password);
    return queue(link, &command, STEP_AUTH);
}

static bool queue_name(srl__redis_link *link)
{
    handshake_command command = {.count = 0};
    if (link->config->client_name.len == 0) {
        return true;
    }
    add(&command, SRL__LIT("CLIENT"));
    add(&command, SRL__LIT("SETNAME"));
    add(&command, srl__slice_of(link->config->client_name.data, link->config->client_name.len));
    return queue(link, &command, STEP_NAME);
}

static bool queue_info(srl__redis_link *link, srl__slice name, srl__slice value)
{
    handshake_command command = {.count = 0};
    add(&command, SRL__LIT("CLIENT"));
    add(&command, SRL__LIT("SETINFO"));
    add(&command, name);
    add(&command, value);
    return queue(link, &command, STEP_INFO);
}

static bool queue_select(srl__redis_link *link)
{
    handshake_command command = {.count = 0};
    char digits[SRL__DECIMAL_MAX];
    uint64_t db = link->config->db;
    if (db == 0) {
        return true;
    }
    add(&command, SRL__LIT("SELECT"));
    add(&command, srl__decimal(db, digits));
    return queue(link, &command, STEP_SELECT);
}

static bool queue_ping(srl__redis_link *link)
{
    handshake_command command = {.count = 0};
    add(&command, SRL__LIT("PING"));
    return queue(link, &command, STEP_PING);
}

static bool queue_all(srl__redis_link *link)
{
    bool queued = link->plain ? queue_auth(link) && queue_name(link) : queue_hello(link);
    if (queued && link->config->client_info != 0) {
        queued = queue_info(link, SRL__LIT("LIB-NAME"), SRL__LIT("libstreamrelay")) &&
                 queue_info(link, SRL__LIT("LIB-VER"), SRL__LIT(SRL_VERSION));
    }
    return queued && queue_select(link) && queue_ping(link);
}

static void begin_round(srl__redis_link *link)
{
    link->step_count = 0;
    link->step_at = 0;
    link->downgrading = false;
    if (queue_all(link)) {
        srl__redis_link_queued(link);
    }
}

void srl__redis_handshake_begin(srl__redis_link *link)
{
    link->state = SRL__LINK_HANDSHAKE;
    link->protocol = link->plain ? 2 : 3;
    srl__redis_timer_arm(link->loop, &link->step, link->config->connect_timeout);
    begin_round(link);
}

void srl__redis_handshake_ping(srl__redis_link *link)
{
    link->state = SRL__LINK_HANDSHAKE;
    link->step_count = 0;
    link->step_at = 0;
    srl__redis_timer_arm(link->loop, &link->step, link->config->connect_timeout);
    if (queue_ping(link)) {
        srl__redis_link_queued(link);
    }
}

static srl__slice error_line(const srl_reply *reply)
{
    return srl__reply_slice(reply, SRL_REPLY_ROOT);
}

static bool is_auth_error(const srl_reply *reply)
{
    srl__slice line = error_line(reply);
    return srl_redis_error_classify(line.data, line.len) == SRL_REDIS_ERROR_AUTH;
}

/* A server that hangs up on everybody says so in place of the first reply. */
static bool is_refusal(const srl_reply *reply)
{
    return srl__slice_starts_with(error_line(reply), SRL__LIT("ERR max number of clients")) ||
           SRL__REPLY_ERROR_IS(reply, SRL_REPLY_ROOT, "DENIED");
}

static void hello_failed(srl__redis_link *link, const srl_reply *reply)
{
    bool other_user = SRL__REPLY_ERROR_IS(reply, SRL_REPLY_ROOT, "NOPERM"); /* may not say HELLO, but may say AUTH */
    if (is_auth_error(reply) && !other_user) {
        srl__redis_link_fail(link, SRL_ERR_REDIS_AUTH, "HELLO: the server wants another user or password");
    } else if (link->config->protocol == 3) {
        srl__redis_link_fail(link, SRL_ERR_REDIS_REFUSED, "HELLO: the server does not speak RESP3");
    } else {
        link->plain = true;
        link->protocol = 2;
        link->downgrading = true;
    }
}

static void hello_answered(srl__redis_link *link, const srl_reply *reply)
{
    if (srl_reply_is_error(reply, SRL_REPLY_ROOT) != 0) {
        hello_failed(link, reply);
        return;
    }
    int64_t protocol = 0;
    if (srl_reply_i64(reply, SRL__REPLY_GET(reply, SRL_REPLY_ROOT, "proto"), &protocol) != SRL_OK || protocol != 3) {
        srl__redis_link_fail(link, SRL_ERR_PROTOCOL, "HELLO: not an answer to it");
    }
}

static void loading(srl__redis_link *link)
{
    enum { FIRST_MS = 20, LONGEST_MS = 1000 };
    uint64_t now = link->loop->now_ms;
    if (link->loading_since_ms == 0) {
        link->loading_since_ms = now;
    }
    uint64_t since = now - link->loading_since_ms;
    if (since >= link->config->loading_timeout && link->manual) {
        srl__redis_link_fail(link, SRL_ERR_REDIS_LOADING, "the server is still loading its data");
        return;
    }
    uint64_t wait = since / 4 < FIRST_MS ? FIRST_MS : since / 4;
    link->state = SRL__LINK_LOADING;
    srl__redis_timer_arm(link->loop, &link->step, wait < LONGEST_MS ? wait : LONGEST_MS);
}

/* An error other than these shows that the server is there and serves, even if this user may not say PING. */
static void ping_answered(srl__redis_link *link, const srl_reply *reply)
{
    if (SRL__REPLY_ERROR_IS(reply, SRL_REPLY_ROOT, "LOADING") ||
        SRL__REPLY_ERROR_IS(reply, SRL_REPLY_ROOT, "MASTERDOWN")) {
        loading(link);
    } else if (SRL__REPLY_ERROR_IS(reply, SRL_REPLY_ROOT, "NOAUTH")) {
        srl__redis_link_fail(link, SRL_ERR_REDIS_AUTH, "PING: the server wants a password");
    } else {
        srl__redis_link_now_ready(link);
    }
}

static void required(srl__redis_link *link, const srl_reply *reply, int error, const char *text)
{
    if (!SRL__REPLY_IS(reply, SRL_REPLY_ROOT, "OK")) {
        srl__redis_link_fail(link, srl_reply_is_error(reply, SRL_REPLY_ROOT) != 0 ? error : SRL_ERR_PROTOCOL, text);
    }
}

void srl__redis_handshake_reply(srl__redis_link *link, const srl_reply *reply)
{
    if (link->state != SRL__LINK_HANDSHAKE || link->step_at >= link->step_count) {
        srl__redis_link_fail(link, SRL_ERR_PROTOCOL, "a reply that nobody waits for");
        return;
    }
    uint8_t step = link->steps[link->step_at++];
    if (link->step_at == 1 && is_refusal(reply)) {
        srl__redis_link_fail(link, SRL_ERR_REDIS_REFUSED, "the server takes no more clients, or none from here");
        return;
    }
    if (link->downgrading) {
        if (link->step_at == link->step_count) {
            begin_round(link);
        }
        return;
    }
    switch (step) {
    case STEP_HELLO:
        hello_answered(link, reply);
        break;
    case STEP_AUTH:
        required(link, reply, SRL_ERR_REDIS_AUTH, "AUTH: the server refused user or password");
        break;
    case STEP_SELECT:
        required(link, reply, is_auth_error(reply) ? SRL_ERR_REDIS_AUTH : SRL_ERR_REDIS_REFUSED,
                 "SELECT: the server refused the database");
        break;
    case STEP_PING:
        ping_answered(link, reply);
        break;
    default:
        break;
    }
}
