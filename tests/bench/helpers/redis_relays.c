#include "bench/helpers/redis_relays.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <streamrelay/error.h>

#include "engine/relay.h"
#include "redis/reply.h"

srl_test_redis bench_server;
srl_allocator bench_memory;
uint32_t bench_percent = 100;

_Noreturn void bench_die(const char *what)
{
    (void)fprintf(stderr, "bench_redis_broker: %s\n", what);
    abort();
}

uint32_t bench_scaled(uint32_t n)
{
    uint64_t many = (uint64_t)n * bench_percent / 100;
    return many > 0 ? (uint32_t)many : 1;
}

/* ---- time */

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    return clock_gettime(clock, &now) == 0 ? (double)now.tv_sec + (double)now.tv_nsec / 1e9 : 0;
}

double bench_cpu_of(pid_t pid)
{
    clockid_t clock;
    return clock_getcpuclockid(pid, &clock) == 0 ? seconds_of(clock) : 0;
}

bench_span bench_span_begin(void)
{
    return (bench_span){seconds_of(CLOCK_MONOTONIC), seconds_of(CLOCK_PROCESS_CPUTIME_ID),
                        bench_cpu_of(bench_server.pid)};
}

bench_span bench_span_end(bench_span begin)
{
    bench_span now = bench_span_begin();
    return (bench_span){now.wall - begin.wall, now.node - begin.node, now.server - begin.server};
}

double bench_us(double seconds, uint64_t count)
{
    return count > 0 ? seconds * 1e6 / (double)count : 0;
}

/* ---- a plain connection */

srl_redis_options *bench_server_options(const srl_allocator *allocator)
{
    srl_redis_options *options;
    char url[128];
    int len = snprintf(url, sizeof(url), "unix://%s", bench_server.socket_path);
    if (srl_redis_options_create(url, (size_t)len, &options) != SRL_OK ||
        (allocator != NULL && srl_redis_options_set_allocator(options, allocator) != SRL_OK)) {
        bench_die("options");
    }
    return options;
}

srl_redis_conn *bench_plain_connection(void)
{
    srl_redis_options *options = bench_server_options(NULL);
    srl_redis_conn *conn;
    if (srl_redis_connect(options, &conn) != SRL_OK) {
        bench_die("no connection");
    }
    srl_redis_options_destroy(options);
    return conn;
}

/* Arguments are C strings, the last one NULL. */
const srl_reply *bench_ask(srl_redis_conn *conn, ...)
{
    enum { MAX_ARGS = 16 };
    const char *argv[MAX_ARGS];
    size_t lens[MAX_ARGS];
    size_t argc = 0;
    const srl_reply *reply;
    va_list list;
    va_start(list, conn);
    while (argc < MAX_ARGS && (argv[argc] = va_arg(list, const char *)) != NULL) {
        lens[argc] = strlen(argv[argc]);
        argc++;
    }
    va_end(list);
    if (srl_redis_append(conn, argc, argv, lens) != SRL_OK || srl_redis_next_reply(conn, &reply) != SRL_OK) {
        bench_die(argv[0]);
    }
    return reply;
}

uint64_t bench_number_of(const srl_reply *reply)
{
    int64_t n = 0;
    (void)srl_reply_i64(reply, SRL_REPLY_ROOT, &n);
    return (uint64_t)n;
}

/* The number behind `label` in a section of INFO; 0 if there is none. */
uint64_t bench_info_number(srl_redis_conn *conn, const char *section, const char *label)
{
    srl__slice text = srl__reply_slice(bench_ask(conn, "INFO", section, NULL), SRL_REPLY_ROOT);
    size_t len = strlen(label);
    for (size_t i = 0; i + len < text.len; i++) {
        if (memcmp(text.data + i, label, len) == 0) {
            return strtoull(text.data + i + len, NULL, 10);
        }
    }
    return 0;
}

bench_calls bench_function_calls(srl_redis_conn *conn)
{
    const char *label = bench_server.version >= 700 ? "cmdstat_fcall:calls=" : "cmdstat_evalsha:calls=";
    size_t label_len = strlen(label);
    static const char usec[] = ",usec=";
    srl__slice text = srl__reply_slice(bench_ask(conn, "INFO", "commandstats", NULL), SRL_REPLY_ROOT);
    for (size_t i = 0; i + label_len < text.len; i++) {
        if (memcmp(text.data + i, label, label_len) == 0) {
            char *end;
            uint64_t count = strtoull(text.data + i + label_len, &end, 10);
            return (bench_calls){count, strtoull(end + sizeof(usec) - 1, NULL, 10)};
        }
    }
    return (bench_calls){0, 0};
}

srl__slice bench_key_of(srl__buf *out, const char *prefix, srl__redis_key_kind kind, const char *channel)
{
    return srl__redis_key(out, srl__slice_of(prefix, strlen(prefix)), kind, srl__slice_of(channel, strlen(channel)),
                          srl__slice_of("", 0));
}

void bench_channel_name(char out[BENCH_NAME], uint32_t number)
{
    (void)snprintf(out, BENCH_NAME, "room:%012" PRIu32, number);
}

/* ---- relays */

static void *counted_alloc(size_t size, void *user)
{
    ((bench_counted *)user)->bytes += size;
    return malloc(size);
}

static void *counted_resize(void *ptr, size_t old_size, size_t new_size, void *user)
{
    ((bench_counted *)user)->bytes += new_size - old_size;
    return realloc(ptr, new_size);
}

static void counted_free(void *ptr, size_t size, void *user)
{
    ((bench_counted *)user)->bytes -= size;
    free(ptr);
}

static srl_allocator counting(bench_counted *bytes)
{
    srl_allocator allocator;
    srl_allocator_init(&allocator, sizeof(allocator));
    allocator.alloc = counted_alloc;
    allocator.resize = counted_resize;
    allocator.free = counted_free;
    allocator.user = bytes;
    return allocator;
}

static void accept_any(srl_request *request, void *user)
{
    size_t len = 0;
    const char *token = srl_request_token(request, &len);
    (void)user;
    (void)srl_request_set_user(request, token, len);
    (void)srl_request_accept(request);
}

static srl_broker *broker_of(const bench_setup *s)
{
    srl_redis_broker_config config;
    srl_allocator allocator = counting(s->broker_bytes);
    srl_redis_options *options = bench_server_options(s->broker_bytes != NULL ? &allocator : NULL);
    srl_broker *broker;
    srl_redis_broker_config_init(&config, sizeof(config));
    config.prefix = s->prefix;
    config.prefix_len = strlen(s->prefix);
    config.away_wait_ms = 600000;
    config.presence_ttl_ms = s->presence_ttl_ms > 0 ? s->presence_ttl_ms : config.presence_ttl_ms;
    if (srl_redis_broker_create(options, &config, &broker) != SRL_OK) {
        bench_die("no broker");
    }
    srl_redis_options_destroy(options);
    return broker;
}

static void set(srl_options *options, const char *name, const char *value)
{
    if (srl_options_set(options, name, value) != SRL_OK) {
        bench_die(srl_options_last_error(options));
    }
}

srl_relay *bench_relay_of(const bench_setup *s)
{
    srl_allocator allocator = counting(s->engine_bytes);
    srl_broker *broker = broker_of(s);
    srl_options *options = NULL;
    srl_relay *relay = NULL;
    srl_hooks hooks;
    srl_hooks_init(&hooks, sizeof(hooks));
    hooks.connect = accept_any;
    if (srl_options_create(&options) != SRL_OK) {
        bench_die("options");
    }
    if (s->engine_bytes != NULL) {
        (void)srl_options_set_allocator(options, &allocator);
    }
    (void)srl_options_set_hooks(options, &hooks, NULL);
    (void)srl_options_set_broker(options, broker);
    set(options, "history_size", s->history_size);
    set(options, "presence", s->presence);
    set(options, "max_channels", "100000");
    set(options, "ping_interval", "0");
    if (srl_relay_create(options, &relay) != SRL_OK) {
        bench_die("no relay");
    }
    srl_options_destroy(options);
    srl_broker_release(broker);
    return relay;
}

void bench_turn(srl_relay *relay, int wait_ms)
{
    struct pollfd ready = {.fd = srl_relay_fd(relay), .events = POLLIN};
    (void)poll(&ready, 1, wait_ms);
    while (srl_relay_process(relay) > 0) {
    }
}

/* Every room that the relay wants is live. */
bool bench_is_settled(const srl_relay *relay)
{
    const srl__redis_node *node = relay->link;
    return node->state == SRL__NODE_UP && node->hears && node->readings == 0 && srl__list_is_empty(&node->fresh) &&
           srl__list_is_empty(&node->opening) && srl__list_is_empty(&node->doubtful);
}

void bench_settle(srl_relay *relay)
{
    while (!bench_is_settled(relay)) {
        bench_turn(relay, 100);
    }
}

static int64_t count_frames(srl_session *session, srl_frame *const *frames, size_t count, void *user)
{
    atomic_ulong *delivered = user;
    (void)session;
    (void)frames;
    atomic_fetch_add_explicit(delivered, count, memory_order_relaxed);
    return (int64_t)count;
}

static void ignore_close(srl_session *session, uint32_t code, const char *reason, size_t reason_len, void *user)
{
    (void)session;
    (void)code;
    (void)reason;
    (void)reason_len;
    (void)user;
}

static void send_text(srl_session *session, const char *text)
{
    (void)srl_session_receive(session, text, strlen(text));
}

srl_session *bench_session_of(srl_relay *relay, atomic_ulong *delivered, uint32_t number)
{
    srl_transport transport;
    srl_session *session = NULL;
    char text[128];
    srl_transport_init(&transport, sizeof(transport));
    transport.write = count_frames;
    transport.close = ignore_close;
    if (srl_session_open(relay, &transport, SRL_PROTOCOL_NATIVE, delivered, &session) != SRL_OK) {
        bench_die("no session");
    }
    (void)snprintf(text, sizeof(text), "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"user%" PRIu32 "\"}}",
                   number);
    send_text(session, text);
    return session;
}

void bench_subscribe(srl_session *session, uint32_t room)
{
    char channel[BENCH_NAME];
    char text[BENCH_NAME + 64];
    bench_channel_name(channel, room);
    (void)snprintf(text, sizeof(text), "{\"id\":2,\"type\":\"subscribe\",\"channel\":\"%s\"}", channel);
    send_text(session, text);
}

void bench_unsubscribe(srl_session *session, uint32_t room)
{
    char channel[BENCH_NAME];
    bench_channel_name(channel, room);
    (void)srl_session_unsubscribe(session, channel, strlen(channel), 0);
}
