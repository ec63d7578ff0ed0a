/*
 * Relays that meet through Redis, on a redis-server of our own and a Unix socket. Everything is printed beside
 * something of the same run: publishing beside the same function called by redis-benchmark and by a bare client of
 * ours, the rest beside itself at other sizes. CPU times are those of the processes, whatever else the machine does.
 *
 * Usage: bench_redis_broker [publish|nodes|catch_up|memory|presence|all] [percent]
 */
#define _GNU_SOURCE /* wait4 */

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <streamrelay/redis_broker.h>
#include <streamrelay/streamrelay.h>

#include "bench/helpers/redis_relays.h"
#include "broker/redis_node.h"
#include "engine/relay.h"
#include "redis/sha1.h"

enum { ROUNDS = 5, FRAME = 142, BARE_ROOMS = 1000, NODE_ROOMS = 100, WINDOW = 256 };

/* 100 bytes. */
static const char data[] = "{\"text\":\"a message of a hundred bytes, as chats and games send them all day long, every "
                           "day, to all\"}";
static const char bare_epoch[] = "1700000000000000";
static const char forever[] = "315360000000";

/* ---- publishing */

/* As redis-benchmark -P: when all answers to a batch are there, the next batch goes out. */
typedef struct load {
    void (*send)(struct load *load, uint32_t room);
    srl_relay *relay;
    srl_redis_client *client;
    uint32_t rooms;
    uint32_t next;
    uint32_t to_send;
    uint32_t to_answer;
    uint32_t batch;
    uint32_t batch_left;
    bool slides; /* the next one goes out with each answer instead */
} load;

static void send_batch(load *l)
{
    l->batch_left = l->to_send < l->batch ? l->to_send : l->batch;
    l->to_send -= l->batch_left;
    for (uint32_t i = l->batch_left; i > 0; i--) {
        l->send(l, l->next++ % l->rooms);
    }
}

static void answered(load *l)
{
    l->to_answer--;
    if (l->slides && l->to_send > 0) {
        l->to_send--;
        l->send(l, l->next++ % l->rooms);
    } else if (--l->batch_left == 0) {
        send_batch(l);
    }
}

static void on_published(int error, uint64_t offset, const char *epoch, size_t epoch_len, void *user)
{
    (void)offset;
    (void)epoch;
    (void)epoch_len;
    if (error != SRL_OK) {
        bench_die("publication failed");
    }
    answered(user);
}

static void publish_by_relay(load *l, uint32_t room)
{
    static char channels[BARE_ROOMS][BENCH_NAME];
    char *channel = channels[room];
    if (channel[0] == '\0') {
        bench_channel_name(channel, room);
    }
    if (srl_relay_publish(l->relay, channel, strlen(channel), data, sizeof(data) - 1, on_published, l) != SRL_OK) {
        bench_die("publish refused");
    }
}

static bench_span run_relay(srl_relay *relay, uint32_t rooms, uint32_t batch, bool slides, uint32_t count)
{
    load l = {.send = publish_by_relay, .relay = relay, .rooms = rooms, .to_send = count, .to_answer = count};
    bench_span begin = bench_span_begin();
    l.batch = batch;
    l.slides = slides;
    srl_relay_cork(relay);
    send_batch(&l);
    srl_relay_uncork(relay);
    while (l.to_answer > 0) {
        bench_turn(relay, -1);
    }
    return bench_span_end(begin);
}

static const char *bare_frame(void)
{
    static char frame[FRAME + 1];
    memset(frame, 'x', FRAME);
    return frame;
}

static void on_reply(int error, const srl_reply *reply, void *user)
{
    (void)reply;
    if (error != SRL_OK) {
        bench_die("call failed");
    }
    answered(user);
}

static char bare_keys[2][BARE_ROOMS][BENCH_NAME];

/* How a server that has no functions knows what one that has them calls by name. A restart makes it forget. */
static void load_script(srl_redis_conn *conn)
{
    const char *argv[] = {"SCRIPT", "LOAD", NULL};
    size_t lens[] = {6, 4, 0};
    const srl_reply *reply;
    srl__buf text;
    bool is_loaded = srl__redis_lua(&bench_memory, false, &text) == SRL_OK;
    argv[2] = (const char *)text.data;
    lens[2] = text.len;
    if (!is_loaded || srl_redis_append(conn, 3, argv, lens) != SRL_OK || srl_redis_next_reply(conn, &reply) != SRL_OK) {
        bench_die("the script");
    }
    srl__buf_free(&text);
}

static const char *script_hash(void)
{
    static char hash[41];
    srl__buf text;
    if (hash[0] == '\0') {
        if (srl__redis_lua(&bench_memory, false, &text) != SRL_OK) {
            bench_die("no memory");
        }
        srl__sha1_hex(text.data, text.len, hash);
        srl__buf_free(&text);
    }
    return hash;
}

static const char *publish_function(void)
{
    static char name[SRL__REDIS_LUA_NAME + 8];
    char library[SRL__REDIS_LUA_NAME];
    if (name[0] == '\0') {
        srl__redis_lua_name(library);
        (void)snprintf(name, sizeof(name), "%s_publish", library);
    }
    return name;
}

enum { PUBLISH_WORDS = 12 };

/* What a relay sends for a publication. */
typedef struct publish_call {
    const char *argv[PUBLISH_WORDS]; /* and NULL */
    size_t lens[PUBLISH_WORDS];
    size_t count;
} publish_call;

static void add_word(publish_call *call, srl__slice word)
{
    call->argv[call->count] = word.data;
    call->lens[call->count++] = word.len;
}

static void add_text(publish_call *call, const char *word)
{
    add_word(call, srl__slice_of(word, strlen(word)));
}

static publish_call call_of_publish(srl__slice stream, const char *epoch, const char *size, srl__slice frame,
                                    srl__slice live)
{
    publish_call call = {.count = 0};
    bool has_functions = bench_server.version >= 700;
    add_text(&call, has_functions ? "FCALL" : "EVALSHA");
    add_text(&call, has_functions ? publish_function() : script_hash());
    add_text(&call, "1");
    add_word(&call, stream);
    if (!has_functions) {
        add_text(&call, "publish");
    }
    add_text(&call, epoch);
    add_text(&call, size);
    add_word(&call, frame);
    add_word(&call, live);
    add_text(&call, "0");
    add_text(&call, forever);
    return call;
}

static publish_call bare_call(const char *stream, const char *live)
{
    return call_of_publish(srl__slice_of(stream, strlen(stream)), bare_epoch, "100", srl__slice_of(bare_frame(), FRAME),
                           srl__slice_of(live, strlen(live)));
}

static void publish_by_client(load *l, uint32_t room)
{
    publish_call call = bare_call(bare_keys[0][room], bare_keys[1][room]);
    if (srl_redis_client_command(l->client, call.count, call.argv, call.lens, 0, SRL_REDIS_DEFAULT_TIMEOUT, on_reply, l,
                                 NULL) != SRL_OK) {
        bench_die("command refused");
    }
}

static bench_span run_client(uint32_t rooms, uint32_t batch, bool slides, uint32_t count)
{
    load l = {.send = publish_by_client, .rooms = rooms, .to_send = count, .to_answer = count};
    srl_redis_options *options = bench_server_options(NULL);
    srl_redis_loop *loop;
    if (srl_redis_loop_create(options, &loop) != SRL_OK ||
        srl_redis_client_create(loop, options, NULL, NULL, &l.client) != SRL_OK) {
        bench_die("no client");
    }
    while (srl_redis_client_is_ready(l.client) == 0) {
        (void)srl_redis_loop_run_once(loop, 10);
    }
    bench_span begin = bench_span_begin();
    l.batch = batch;
    l.slides = slides;
    send_batch(&l);
    while (l.to_answer > 0) {
        (void)srl_redis_loop_run_once(loop, -1);
    }
    bench_span took = bench_span_end(begin);
    srl_redis_loop_destroy(loop);
    srl_redis_options_destroy(options);
    return took;
}

static void exec_theirs(uint32_t rooms, uint32_t batch, uint32_t count)
{
    char batch_text[16], count_text[16], rooms_text[16];
    const char *stream = rooms > 1 ? "bare:{zz}:s:room:__rand_int__" : "bare:{zz}:s:room:000000000000";
    const char *live = rooms > 1 ? "bare:{zz}:c:room:__rand_int__" : "bare:{zz}:c:room:000000000000";
    (void)snprintf(batch_text, sizeof(batch_text), "%" PRIu32, batch);
    (void)snprintf(count_text, sizeof(count_text), "%" PRIu32, count);
    (void)snprintf(rooms_text, sizeof(rooms_text), "%" PRIu32, rooms);
    const char *argv[12 + PUBLISH_WORDS] = {
        "redis-benchmark", "-s", bench_server.socket_path, "-c", "1", "-P", batch_text, "-n", count_text, "-r",
        rooms_text};
    argv[11] = "--csv";
    const publish_call call = bare_call(stream, live);
    memcpy(argv + 12, call.argv, sizeof(call.argv));
    (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* Its own time for the requests; it says calls per second. */
static bench_span run_theirs(uint32_t rooms, uint32_t batch, uint32_t count)
{
    char line[1024];
    double rate = 0;
    int pipes[2];
    struct rusage usage;
    bench_span begin = bench_span_begin();
    if (pipe(pipes) != 0) {
        bench_die("pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(pipes[1], 1);
        (void)close(pipes[0]);
        exec_theirs(rooms, batch, count);
    }
    (void)close(pipes[1]);
    FILE *in = fdopen(pipes[0], "r");
    while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
        const char *value = strstr(line, "\",\"");
        bool is_ours = strncmp(line, "\"FCALL", 6) == 0 || strncmp(line, "\"EVALSHA", 8) == 0;
        rate = value != NULL && is_ours ? strtod(value + 3, NULL) : rate;
    }
    if (in != NULL) {
        (void)fclose(in);
    }
    (void)wait4(pid, NULL, 0, &usage);
    bench_span took = bench_span_end(begin);
    took.wall = rate > 0 ? count / rate : 0;
    took.node = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    return took;
}

/* Streams for those who are not relays, all of one epoch, and with the key that redis-benchmark makes up too. */
static void make_bare_streams(srl_redis_conn *conn)
{
    char id[32], key[BENCH_NAME + 16], channel[BENCH_NAME];
    srl__buf buf;
    srl__buf_init(&buf, &bench_memory, BENCH_NAME);
    (void)snprintf(id, sizeof(id), "%s-1", bare_epoch);
    for (uint32_t i = 0; i < BARE_ROOMS; i++) {
        bench_channel_name(channel, i);
        for (int kind = 0; kind < 2; kind++) {
            srl__slice name = bench_key_of(&buf, "bare", kind == 0 ? SRL__KEY_STREAM : SRL__KEY_LIVE, channel);
            memcpy(bare_keys[kind][i], name.data, name.len);
        }
        (void)bench_ask(conn, "XADD", bare_keys[0][i], id, "d", bare_frame(), NULL);
        (void)snprintf(key, sizeof(key), "bare:{zz}:s:%s", channel);
        (void)bench_ask(conn, "XADD", key, id, "d", bare_frame(), NULL);
    }
    srl__buf_free(&buf);
}

static bench_span better(bench_span a, bench_span b)
{
    return a.wall == 0 || (b.wall > 0 && b.wall < a.wall) ? b : a;
}

static void compare_publishing(srl_relay *relay, uint32_t rooms, uint32_t batch, bool slides)
{
    uint32_t count = bench_scaled(batch == 1 ? 20000 : 60000);
    bench_span ours = {0}, client = {0}, theirs = {0};
    count += batch - count % batch;
    for (int i = 0; i < ROUNDS; i++) {
        theirs = better(theirs, run_theirs(rooms, batch, count));
        ours = better(ours, run_relay(relay, rooms, batch, slides, count));
        client = better(client, run_client(rooms, batch, slides, count));
    }
    printf("%5" PRIu32 " %5" PRIu32 "%c|%8.0f %6.2f %6.2f |%8.0f %6.2f %6.2f |%8.0f %6.2f %6.2f | %5.2f %5.2f\n", rooms,
           batch, slides ? '~' : ' ', count / ours.wall, bench_us(ours.node, count), bench_us(ours.server, count),
           count / client.wall, bench_us(client.node, count), bench_us(client.server, count),
           theirs.wall > 0 ? count / theirs.wall : 0, bench_us(theirs.node, count), bench_us(theirs.server, count),
           theirs.wall / ours.wall, client.wall / ours.wall);
}

static void measure_publishing(void)
{
    static const uint32_t batches[] = {1, 16, 256, 1024};
    const bench_setup s = {.prefix = "pub", .history_size = "100", .presence = "false"};
    srl_redis_conn *conn = bench_plain_connection();
    srl_relay *relay = bench_relay_of(&s);
    bench_settle(relay);
    make_bare_streams(conn);
    srl_redis_close(conn);
    printf("Publications with history, 100 bytes: per second, us of the process, us of the server; ratios of rates\n"
           "(~: ours and the bare client's slide; redis-benchmark can only do batches)\n"
           "rooms depth |          the relay     |      our client, bare  |       redis-benchmark  | /theirs /bare\n");
    for (uint32_t rooms = 1; rooms <= BARE_ROOMS; rooms *= BARE_ROOMS) {
        (void)run_relay(relay, rooms, 16, false, rooms);
        for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
            compare_publishing(relay, rooms, batches[i], false);
        }
        compare_publishing(relay, rooms, WINDOW, true);
    }
    srl_relay_destroy(relay);
}

/* ---- from one process to another */

typedef struct shared {
    atomic_ulong delivered;
    atomic_bool ready;
    atomic_bool stop;
} shared;

/* A relay in a process of its own: subscribers over `rooms` rooms from `first` on. */
static void be_node(shared *state, uint32_t first, uint32_t rooms, uint32_t subscribers)
{
    const bench_setup s = {.prefix = "two", .history_size = "100", .presence = "false"};
    srl_relay *relay = bench_relay_of(&s);
    bench_settle(relay);
    for (uint32_t i = 0; i < subscribers; i++) {
        bench_subscribe(bench_session_of(relay, &state->delivered, i), first + i % rooms);
    }
    bench_settle(relay);
    atomic_store(&state->delivered, 0);
    atomic_store(&state->ready, true);
    while (!atomic_load_explicit(&state->stop, memory_order_relaxed)) {
        bench_turn(relay, 100);
    }
    srl_relay_destroy(relay);
}

static shared *shared_state(void)
{
    shared *state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (state == MAP_FAILED) {
        bench_die("mmap");
    }
    return state;
}

static void pause_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static pid_t start_node(shared *state, uint32_t first, uint32_t rooms, uint32_t subscribers)
{
    pid_t pid = fork();
    if (pid == 0) {
        be_node(state, first, rooms, subscribers);
        _exit(0);
    }
    while (!atomic_load(&state->ready)) {
        pause_ms(1);
    }
    return pid;
}

static void end_node(shared *state, pid_t pid)
{
    atomic_store(&state->stop, true);
    (void)waitpid(pid, NULL, 0);
    (void)munmap(state, sizeof(*state));
}

static void deliver_across(uint32_t subscribers)
{
    uint32_t rooms = subscribers < NODE_ROOMS ? subscribers : NODE_ROOMS;
    uint32_t count = bench_scaled(60000) / rooms * rooms + rooms;
    unsigned long expected = (unsigned long)count * (subscribers / rooms);
    shared *holder = shared_state();
    shared *other = shared_state();
    const bench_setup s = {.prefix = "two", .history_size = "100", .presence = "false"};
    pid_t holder_pid = start_node(holder, 0, rooms, subscribers);
    pid_t other_pid = start_node(other, 1000, 100, 100);
    srl_relay *relay = bench_relay_of(&s);
    bench_settle(relay);
    (void)run_relay(relay, rooms, 1, false, rooms);
    while (atomic_load(&holder->delivered) < (unsigned long)subscribers) {
        pause_ms(1);
    }
    atomic_store(&holder->delivered, 0);
    double holds = bench_cpu_of(holder_pid);
    double holds_not = bench_cpu_of(other_pid);
    bench_span begin = bench_span_begin();
    bench_span sent = run_relay(relay, rooms, WINDOW, true, count);
    while (atomic_load(&holder->delivered) < expected) {
        pause_ms(1);
    }
    bench_span took = bench_span_end(begin);
    holds = bench_cpu_of(holder_pid) - holds;
    holds_not = bench_cpu_of(other_pid) - holds_not;
    printf("%11" PRIu32 " %5" PRIu32 " | %9.0f %9.0f | %7.2f %7.2f %7.2f %7.2f\n", subscribers, rooms,
           (double)expected / took.wall, count / took.wall, bench_us(sent.node, count), bench_us(took.server, count),
           bench_us(holds, count), bench_us(holds_not, count));
    srl_relay_destroy(relay);
    end_node(holder, holder_pid);
    end_node(other, other_pid);
}

static void measure_nodes(void)
{
    printf("\nOne process publishes, another has the subscribers, a third one 100 other rooms\n"
           "subscribers rooms | delivered/s published/s | CPU us per publication: publisher, server, holder, third\n");
    deliver_across(1);
    deliver_across(100);
    deliver_across(1000);
}

/* ---- catching up */

typedef struct audience {
    srl_relay *relay;
    atomic_ulong delivered;
    uint32_t rooms;
    uint32_t session_count;
    srl_session *sessions[128];
} audience;

enum { ROOMS_PER_SESSION = 1000, ROOMS_PER_TURN = 1000 };

static void subscribe_all(audience *a)
{
    srl_session *session = NULL;
    for (uint32_t i = 0; i < a->rooms; i++) {
        if (i % ROOMS_PER_TURN == 0) {
            srl_relay_cork(a->relay);
        }
        if (i % ROOMS_PER_SESSION == 0) {
            session = bench_session_of(a->relay, &a->delivered, i);
            a->sessions[a->session_count++] = session;
        }
        bench_subscribe(session, i);
        if (i % ROOMS_PER_TURN == ROOMS_PER_TURN - 1 || i + 1 == a->rooms) {
            srl_relay_uncork(a->relay);
            bench_turn(a->relay, 0);
        }
    }
    bench_settle(a->relay);
}

static void report_span(const audience *a, const char *what, bench_span took)
{
    printf("%7" PRIu32 " %-34s | %8.3f %8.3f %8.3f | %7.2f %7.2f %7.2f\n", a->rooms, what, took.wall, took.node,
           took.server, bench_us(took.wall, a->rooms), bench_us(took.node, a->rooms), bench_us(took.server, a->rooms));
    (void)fflush(stdout);
}

/* Publish into every hundredth room, past all relays. */
static void publish_unheard(const audience *a, const char *prefix, srl_redis_conn *conn)
{
    char channel[BENCH_NAME];
    char token[SRL__FRAME_TOKEN_LEN] = {0};
    const srl_publication publication = {
        .size = sizeof(publication), .client = "", .user = "", .info = "", .data = data, .data_len = sizeof(data) - 1};
    srl__buf stream, live, frame;
    const srl_reply *reply;
    srl__buf_init(&stream, &bench_memory, BENCH_NAME);
    srl__buf_init(&live, &bench_memory, BENCH_NAME);
    srl__buf_init(&frame, &bench_memory, 1024);
    if (bench_server.version < 700) {
        load_script(conn);
    }
    for (uint32_t i = 0; i < a->rooms; i += 100) {
        bench_channel_name(channel, i);
        srl__buf_reset(&frame);
        memcpy(token, &i, sizeof(i));
        (void)srl__redis_frame_write(&frame, SRL_MESSAGE_PUBLICATION, token, &publication);
        srl__slice key = bench_key_of(&stream, prefix, SRL__KEY_STREAM, channel);
        srl__slice heard = bench_key_of(&live, prefix, SRL__KEY_LIVE, channel);
        const publish_call call = call_of_publish(key, "0", "100", srl__slice_of(frame.data, frame.len), heard);
        if (srl_redis_append(conn, call.count, call.argv, call.lens) != SRL_OK ||
            srl_redis_next_reply(conn, &reply) != SRL_OK) {
            bench_die("publish");
        }
    }
    srl__buf_free(&stream);
    srl__buf_free(&live);
    srl__buf_free(&frame);
}

static void come_back(audience *a, const char *what, unsigned long missed)
{
    const srl__redis_node *node = a->relay->link;
    bench_span begin = bench_span_begin();
    unsigned long delivered = atomic_load(&a->delivered) + missed;
    while (node->hears) {
        bench_turn(a->relay, 100);
    }
    bench_settle(a->relay);
    report_span(a, what, bench_span_end(begin));
    if (missed > 0 && atomic_load(&a->delivered) != delivered) {
        printf("        but %lu deliveries more than were missed\n", atomic_load(&a->delivered) - delivered);
    }
}

static void cut(audience *a, const char *prefix, bool with_missed)
{
    srl_redis_conn *conn = bench_plain_connection();
    (void)bench_ask(conn, "CLIENT", "KILL", "TYPE", "pubsub", NULL);
    if (with_missed) {
        publish_unheard(a, prefix, conn);
    }
    srl_redis_close(conn);
    come_back(a, with_missed ? "subscriptions cut, 1 % missed" : "subscriptions cut, idle",
              with_missed ? (a->rooms + 99) / 100 : 0);
}

static void restart(audience *a, const char *prefix, bool with_missed)
{
    bench_span begin = bench_span_begin();
    srl_test_redis_kill(&bench_server);
    srl_test_redis_restart(&bench_server);
    double away = bench_span_end(begin).wall;
    if (with_missed) {
        srl_redis_conn *conn = bench_plain_connection();
        publish_unheard(a, prefix, conn);
        srl_redis_close(conn);
    }
    come_back(a, with_missed ? "server restarted with AOF, 1 % missed" : "server restarted with AOF, idle", 0);
    printf("        (the server was away for %.3f s)\n", away);
}

static void catch_up_with(uint32_t rooms)
{
    char prefix[16];
    const bench_setup s = {.prefix = prefix, .history_size = "100", .presence = "false"};
    audience a = {.rooms = rooms};
    (void)snprintf(prefix, sizeof(prefix), "c%" PRIu32, rooms);
    a.relay = bench_relay_of(&s);
    bench_settle(a.relay);
    bench_span begin = bench_span_begin();
    subscribe_all(&a);
    report_span(&a, "first subscribe", bench_span_end(begin));
    cut(&a, prefix, false);
    cut(&a, prefix, true);
    restart(&a, prefix, false);
    restart(&a, prefix, true);
    srl_relay_destroy(a.relay);
}

static void measure_catching_up(void)
{
    printf("\nUntil every room is live: seconds, CPU seconds of relay and server; the same in us per room\n");
    catch_up_with(bench_scaled(1000));
    catch_up_with(bench_scaled(10000));
    catch_up_with(bench_scaled(100000));
}

/* ---- memory */

static void memory_of_node(const char *history_size, uint32_t rooms)
{
    bench_counted engine = {0}, broker = {0};
    const bench_setup s = {.prefix = history_size[0] == '0' ? "mem0" : "mem1",
                           .history_size = history_size,
                           .presence = "false",
                           .engine_bytes = &engine,
                           .broker_bytes = &broker};
    audience a = {.rooms = rooms};
    srl_redis_conn *conn = bench_plain_connection();
    a.relay = bench_relay_of(&s);
    bench_settle(a.relay);
    size_t engine_before = engine.bytes;
    size_t broker_before = broker.bytes;
    double server_before = (double)bench_info_number(conn, "memory", "used_memory:");
    subscribe_all(&a);
    pause_ms(100);
    double used = (double)bench_info_number(conn, "memory", "used_memory:") - server_before;
    printf("a subscribed room, history_size %3s: relay %.0f bytes (broker) + %.0f (engine), server %.0f bytes\n",
           history_size, (double)(broker.bytes - broker_before) / rooms, (double)(engine.bytes - engine_before) / rooms,
           used / rooms);
    for (uint32_t i = 0; i < rooms; i++) {
        bench_unsubscribe(a.sessions[i / ROOMS_PER_SESSION], i);
    }
    bench_settle(a.relay);
    for (int i = 0; i < 50; i++) {
        bench_turn(a.relay, 10);
    }
    used = (double)bench_info_number(conn, "memory", "used_memory:") - server_before;
    printf("   after unsubscribing: relay %.0f bytes (broker), server %.0f bytes\n",
           (double)(broker.bytes - broker_before) / rooms, used / rooms);
    srl_relay_destroy(a.relay);
    srl_redis_close(conn);
}

static void fill_stream(srl_redis_conn *conn, const char *key, uint32_t count, const char *size)
{
    const srl_reply *reply;
    const publish_call call = call_of_publish(srl__slice_of(key, strlen(key)), "0", size,
                                              srl__slice_of(bare_frame(), FRAME), SRL__LIT("mem:nobody"));
    for (uint32_t i = 0; i < count; i++) {
        if (srl_redis_append(conn, call.count, call.argv, call.lens) != SRL_OK ||
            srl_redis_next_reply(conn, &reply) != SRL_OK) {
            bench_die("publish");
        }
    }
}

static uint64_t stream_bytes(srl_redis_conn *conn, const char *key)
{
    return bench_number_of(bench_ask(conn, "MEMORY", "USAGE", key, "SAMPLES", "0", NULL));
}

static void memory_of_streams(srl_redis_conn *conn)
{
    static const uint32_t counts[] = {1, 10, 100};
    printf("a stream of n publications of 100 bytes (%d with head), default nodes:", FRAME);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        char key[BENCH_NAME];
        (void)snprintf(key, sizeof(key), "mem:{0}:s:room:00000000%04" PRIu32, counts[i]);
        fill_stream(conn, key, counts[i], "1000");
        printf("  %" PRIu32 ": %" PRIu64, counts[i], stream_bytes(conn, key));
    }
    printf("\n");
}

static void memory_by_nodes(srl_redis_conn *conn, const char *bytes, const char *entries, const char *size)
{
    enum { COUNT = 1000 };
    char key[BENCH_NAME];
    (void)bench_ask(conn, "CONFIG", "SET", "stream-node-max-bytes", bytes, NULL);
    (void)bench_ask(conn, "CONFIG", "SET", "stream-node-max-entries", entries, NULL);
    (void)snprintf(key, sizeof(key), "mem:{0}:s:%s:%s:%s", bytes, entries, size);
    (void)bench_ask(conn, "CONFIG", "RESETSTAT", NULL);
    fill_stream(conn, key, COUNT, size);
    bench_calls c = bench_function_calls(conn);
    uint64_t entries_kept = bench_number_of(bench_ask(conn, "XLEN", key, NULL));
    uint64_t used = stream_bytes(conn, key);
    printf("%6s %8s %5s | %6" PRIu64 " %8" PRIu64 " %8.0f | %.2f\n", bytes, entries, size, entries_kept, used,
           (double)used / (double)entries_kept, (double)c.usec / (double)c.count);
}

static void measure_memory(void)
{
    static const char *const nodes[][2] = {{"4096", "100"}, {"4096", "20"}, {"4096", "10"}, {"2048", "100"},
                                           {"1024", "100"}, {"512", "100"}, {"256", "100"}};
    static const char *const sizes[] = {"10", "100"};
    srl_redis_conn *conn = bench_plain_connection();
    printf("\nMemory\n");
    memory_of_node("0", bench_scaled(10000));
    memory_of_node("100", bench_scaled(10000));
    memory_of_streams(conn);
    printf("stream-node-max-         | 1,000 published:          bytes   | server us\n"
           " bytes  entries  size |   kept    bytes  per one | per call\n");
    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
            memory_by_nodes(conn, nodes[i][0], nodes[i][1], sizes[k]);
        }
    }
    (void)bench_ask(conn, "CONFIG", "SET", "stream-node-max-bytes", "4096", NULL);
    (void)bench_ask(conn, "CONFIG", "SET", "stream-node-max-entries", "100", NULL);
    srl_redis_close(conn);
}

/* ---- presence */

static void on_presence(int error, const srl_presence *presence, void *user)
{
    uint32_t *answers = user;
    if (error != SRL_OK || presence->count == 0) {
        bench_die("presence");
    }
    ++*answers;
}

static void print_calls(srl_redis_conn *conn, const char *what)
{
    bench_calls c = bench_function_calls(conn);
    printf("%-42s | %8" PRIu64 " | %10.2f\n", what, c.count, bench_us((double)c.usec / 1e6, c.count));
    (void)bench_ask(conn, "CONFIG", "RESETSTAT", NULL);
}

static void list_users(srl_relay *relay, uint32_t times)
{
    char channel[BENCH_NAME];
    uint32_t answers = 0;
    bench_channel_name(channel, 0);
    for (uint32_t i = 0; i < times; i++) {
        (void)srl_relay_presence(relay, channel, strlen(channel), 100, on_presence, &answers);
    }
    while (answers < times) {
        bench_turn(relay, 100);
    }
}

static void measure_presence(void)
{
    enum { LISTS = 50, BEATS_S = 4 };
    const bench_setup s = {.prefix = "pre", .history_size = "0", .presence = "true", .presence_ttl_ms = 3000};
    uint32_t users = bench_scaled(100000);
    atomic_ulong delivered = 0;
    srl_redis_conn *conn = bench_plain_connection();
    srl_relay *relay = bench_relay_of(&s);
    bench_settle(relay);
    printf("\nPresence, one channel: calls of functions, us of the server for each\n");
    (void)bench_ask(conn, "CONFIG", "RESETSTAT", NULL);
    bench_span begin = bench_span_begin();
    for (uint32_t i = 0; i < users; i++) {
        bench_subscribe(bench_session_of(relay, &delivered, i), 0);
        bench_turn(relay, 0);
    }
    while (!srl__list_is_empty(&((srl__redis_node *)relay->link)->tasks)) {
        bench_turn(relay, 100);
    }
    bench_span took = bench_span_end(begin);
    printf("%" PRIu32 " sessions in %.2f s; us for each: relay %.2f, server %.2f\n", users, took.wall,
           bench_us(took.node, users), bench_us(took.server, users));
    print_calls(conn, "add");
    list_users(relay, LISTS);
    print_calls(conn, "list 100 of them, and beats meanwhile");
    begin = bench_span_begin();
    while (bench_span_end(begin).wall < BEATS_S) {
        bench_turn(relay, 100);
    }
    took = bench_span_end(begin);
    print_calls(conn, "nothing but beats, for 4 s");
    printf("   in these 4 s: CPU ms of the relay %.1f, of the server %.1f\n", took.node * 1e3, took.server * 1e3);
    srl_relay_destroy(relay);
    srl_redis_close(conn);
}

/* ---- */

typedef struct part {
    const char *name;
    void (*measure)(void);
    const char *const *options; /* of the server */
} part;

static const char *const with_aof[] = {"--appendonly", "yes", "--appendfsync", "no", "--save", "", NULL};

static const part parts[] = {
    {"publish", measure_publishing, NULL},       {"nodes", measure_nodes, NULL},
    {"catch_up", measure_catching_up, with_aof}, {"memory", measure_memory, NULL},
    {"presence", measure_presence, NULL},
};

int main(int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : "all";
    bench_percent = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 100;
    srl_allocator_init(&bench_memory, sizeof(bench_memory));
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strcmp(wanted, "all") != 0 && strcmp(wanted, parts[i].name) != 0) {
            continue;
        }
        if (!srl_test_redis_start(&bench_server, parts[i].options)) {
            printf("no redis-server: skipped\n");
            return 0;
        }
        parts[i].measure();
        srl_test_redis_stop(&bench_server);
    }
    return 0;
}
