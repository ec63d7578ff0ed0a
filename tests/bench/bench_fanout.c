/* What a delivery costs, and what sessions, subscriptions and rooms weigh.
 *
 * One room with 1,000, 10,000 and 100,000 sessions whose transport only counts. The bare loop beside it calls the same
 * function pointer over an array of as many sessions, with nothing of a relay around it: what no fan-out can beat. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <streamrelay/streamrelay.h>

enum { ROUNDS = 7 };

typedef struct counter {
    uint64_t frames;
    uint64_t writes;
} counter;

static size_t live_bytes;
static uint64_t allocations;

static void *counted_alloc(size_t size, void *user)
{
    (void)user;
    live_bytes += size;
    allocations++;
    return malloc(size);
}

static void *counted_resize(void *ptr, size_t old_size, size_t new_size, void *user)
{
    (void)user;
    live_bytes += new_size - old_size;
    allocations++;
    return realloc(ptr, new_size);
}

static void counted_free(void *ptr, size_t size, void *user)
{
    (void)user;
    live_bytes -= size;
    free(ptr);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int64_t count_frames(srl_session *session, srl_frame *const *frames, size_t count, void *user)
{
    counter *c = user;

    (void)session;
    (void)frames;
    c->frames += count;
    c->writes++;
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

static void accept_any(srl_request *request, void *user)
{
    size_t len = 0;
    const char *token = srl_request_token(request, &len);

    (void)user;
    (void)srl_request_set_user(request, token, len);
    (void)srl_request_accept(request);
}

static srl_relay *relay_with(const char *history_size)
{
    srl_options *options = NULL;
    srl_hooks hooks;
    srl_allocator allocator;
    srl_relay *relay = NULL;

    srl_hooks_init(&hooks, sizeof(hooks));
    hooks.connect = accept_any;
    srl_allocator_init(&allocator, sizeof(allocator));
    allocator.alloc = counted_alloc;
    allocator.resize = counted_resize;
    allocator.free = counted_free;
    if (srl_options_create(&options) != SRL_OK) {
        exit(1);
    }
    (void)srl_options_set_allocator(options, &allocator);
    (void)srl_options_set_hooks(options, &hooks, NULL);
    (void)srl_options_set(options, "publish", "true");
    (void)srl_options_set(options, "publish_rate", "0");
    (void)srl_options_set(options, "max_channels", "100000");
    (void)srl_options_set(options, "history_size", history_size);
    if (srl_relay_create(options, &relay) != SRL_OK) {
        exit(1);
    }
    srl_options_destroy(options);
    return relay;
}

static void send_text(srl_session *session, const char *text)
{
    (void)srl_session_receive(session, text, strlen(text));
}

static srl_session *connected_session(srl_relay *relay, counter *c, uint32_t number)
{
    srl_transport transport;
    srl_session *session = NULL;
    char text[128];

    srl_transport_init(&transport, sizeof(transport));
    transport.write = count_frames;
    transport.close = ignore_close;
    if (srl_session_open(relay, &transport, SRL_PROTOCOL_NATIVE, c, &session) != SRL_OK) {
        exit(1);
    }
    (void)snprintf(text, sizeof(text), "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"user%u\"}}", number);
    send_text(session, text);
    return session;
}

static void subscribe(srl_session *session, uint32_t room)
{
    char text[128];

    (void)snprintf(text, sizeof(text), "{\"id\":2,\"type\":\"subscribe\",\"channel\":\"room:%u\"}", room);
    send_text(session, text);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof(*values), compare);
    return values[ROUNDS / 2];
}

typedef struct bare_session {
    int64_t (*write)(srl_session *session, srl_frame *const *frames, size_t count, void *user);
    void *user;
} bare_session;

static double bare_loop(bare_session **sessions, uint32_t count, uint32_t messages)
{
    uint64_t start = now_ns();

    for (uint32_t m = 0; m < messages; m++) {
        for (uint32_t i = 0; i < count; i++) {
            (void)sessions[i]->write(NULL, NULL, 1, sessions[i]->user);
        }
    }
    return (double)(now_ns() - start) / (double)messages / (double)count;
}

static double fan_out(srl_relay *relay, uint32_t count, uint32_t messages, uint32_t per_turn)
{
    static const char data[] = "{\"text\":\"a message of about a hundred bytes, "
                               "as chats and games send them all day long\"}";
    uint64_t start = now_ns();

    for (uint32_t m = 0; m < messages; m += per_turn) {
        srl_relay_cork(relay);
        for (uint32_t i = 0; i < per_turn; i++) {
            (void)srl_relay_publish(relay, "room:0", 6, data, sizeof(data) - 1, NULL, NULL);
        }
        srl_relay_uncork(relay);
    }
    return (double)(now_ns() - start) / (double)messages / (double)count;
}

static void deliveries(uint32_t count)
{
    srl_relay *relay = relay_with("0");
    srl_session **sessions = calloc(count, sizeof(*sessions));
    bare_session **bare = calloc(count, sizeof(*bare));
    counter c = {0, 0};
    uint32_t messages = 16 * (4000000 / count / 16 + 1);
    double loop[ROUNDS];
    double one[ROUNDS];
    double many[ROUNDS];
    uint64_t before = 0;

    if (sessions == NULL || bare == NULL) {
        exit(1);
    }
    for (uint32_t i = 0; i < count; i++) {
        sessions[i] = connected_session(relay, &c, i);
        subscribe(sessions[i], 0);
        bare[i] = malloc(256); /* apart from each other, as sessions are */
        if (bare[i] == NULL) {
            exit(1);
        }
        *bare[i] = (bare_session){count_frames, &c};
    }
    (void)fan_out(relay, count, 16, 16);
    before = allocations;
    for (int r = 0; r < ROUNDS; r++) {
        loop[r] = bare_loop(bare, count, messages);
        one[r] = fan_out(relay, count, messages, 1);
        many[r] = fan_out(relay, count, messages, 16);
    }
    printf("%8" PRIu32 "  %9.1f  %9.1f  %9.1f  %14.4f\n", count, median(loop), median(one), median(many),
           (double)(allocations - before) / ((double)messages * ROUNDS * 2) / (double)count);
    for (uint32_t i = 0; i < count; i++) {
        srl_session_closed(sessions[i]);
        free(bare[i]);
    }
    free(sessions);
    free(bare);
    srl_relay_destroy(relay);
}

static void publish_command(void)
{
    static const char command[] = "{\"id\":7,\"type\":\"publish\",\"channel\":\"room:0\",\"data\":{\"data\":"
                                  "{\"input\":\"hello, world, how are you\"}}}";
    srl_relay *relay = relay_with("100");
    counter c = {0, 0};
    srl_session *session = connected_session(relay, &c, 1);
    double ns[ROUNDS];
    enum { COMMANDS = 200000 };

    subscribe(session, 0);
    for (int r = 0; r < ROUNDS; r++) {
        uint64_t start = now_ns();

        for (int i = 0; i < COMMANDS; i++) {
            (void)srl_session_receive(session, command, sizeof(command) - 1);
        }
        ns[r] = (double)(now_ns() - start) / COMMANDS;
    }
    printf("\none publish command of %zu bytes, parsed, checked, stored, delivered to one subscriber and answered: "
           "%.0f ns\n",
           sizeof(command) - 1, median(ns));
    srl_session_closed(session);
    srl_relay_destroy(relay);
}

static void memory(uint32_t count)
{
    srl_relay *relay = relay_with("0");
    srl_session **sessions = calloc(count, sizeof(*sessions));
    counter c = {0, 0};
    size_t empty = live_bytes;
    size_t idle = 0;
    size_t first = 0;
    size_t further = 0;
    enum { FURTHER = 100 };

    if (sessions == NULL) {
        exit(1);
    }
    for (uint32_t i = 0; i < count; i++) {
        sessions[i] = connected_session(relay, &c, i);
    }
    idle = live_bytes - empty;
    for (uint32_t i = 0; i < count; i++) {
        subscribe(sessions[i], 0);
    }
    first = live_bytes - empty - idle;
    for (uint32_t room = 1; room <= FURTHER; room++) {
        for (uint32_t i = 0; i < count; i++) {
            subscribe(sessions[i], room);
        }
    }
    further = live_bytes - empty - idle - first;
    printf("%8" PRIu32 "  %12.1f  %14.1f  %20.1f\n", count, (double)idle / count, (double)first / count,
           (double)further / count / FURTHER);
    for (uint32_t i = 0; i < count; i++) {
        srl_session_closed(sessions[i]);
    }
    free(sessions);
    srl_relay_destroy(relay);
}

static void room_memory(uint32_t rooms)
{
    srl_relay *relay = relay_with("0");
    counter c = {0, 0};
    srl_session *session = connected_session(relay, &c, 1);
    size_t before = live_bytes;

    for (uint32_t room = 0; room < rooms; room++) {
        subscribe(session, room);
    }
    printf("%8" PRIu32 "  %12.1f\n", rooms, (double)(live_bytes - before) / rooms);
    srl_session_closed(session);
    srl_relay_destroy(relay);
}

int main(void)
{
    printf("CPU ns per delivery, one room, median of %d rounds\n", ROUNDS);
    printf("sessions  bare loop  1 in turn  16 in turn  allocs/delivery\n");
    deliveries(1000);
    deliveries(10000);
    deliveries(100000);
    publish_command();
    printf("\nbytes asked of the allocator\nsessions  idle session  its first room  each further (of 100)\n");
    memory(1000);
    memory(10000);
    printf("\n   rooms  bytes per room with one subscriber, the subscription included\n");
    room_memory(100);
    room_memory(10000);
    room_memory(100000);
    return 0;
}
