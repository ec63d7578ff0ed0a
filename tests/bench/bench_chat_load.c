/* The chat server under load: all subscribers of one room over loopback, a window of publications in flight, every byte
 * and the order checked by every subscriber. Beside it the bare sends that this needs: a process that does one send()
 * of the same bytes per connection and round, to the same receiver. CPU seconds are the sender's. */
#define _GNU_SOURCE

#include <stdio.h>

#if defined(__linux__)

#include <errno.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if !defined(SRL_BENCH_CHAT)
#define SRL_BENCH_CHAT "" /* the chat's program */
#endif

enum {
    PAYLOAD = 128,
    FRAME_MAX = 1000, /* a message as it comes from the server, header included */
    SUBSCRIBERS_MAX = 9000,
    WINDOW_MAX = 1024,
    RING = 2 * WINDOW_MAX, /* a power of two */
    PUBLISHERS_MAX = 256,
    WINDOWS_MAX = 8,
    ROUNDS_MAX = 99,
    INPUT = 1 << 20,
    READY = 256,
    PATIENCE_MS = 10000
};

typedef struct subscriber {
    int fd;
    uint32_t rest_len; /* of a frame that has come in part */
    uint64_t next;     /* number of the message that it must get next */
    uint8_t rest[FRAME_MAX];
} subscriber;

/* A message as the first subscriber got it, for all others to compare. */
typedef struct message {
    uint32_t len; /* 0: nobody has got it yet */
    uint32_t seen;
    uint32_t publisher;
    uint8_t frame[FRAME_MAX];
} message;

typedef struct publisher {
    uint32_t in_flight;
    uint32_t due; /* how many it may send now */
    uint64_t sent;
    uint64_t seen;
} publisher;

/* One process under load and its connections. */
typedef struct target {
    pid_t pid;
    uint16_t port;
    bool bare;
    int control; /* of the bare sender: what it shall send */
    int epoll;
    subscriber *subscribers;
    uint32_t count;
    uint64_t done; /* messages that all subscribers have got */
    message *ring;
    publisher publishers[PUBLISHERS_MAX];
} target;

typedef struct settings {
    const char *server;
    uint32_t subscribers;
    uint32_t publishers;
    uint32_t rounds;
    uint32_t round_ms;
    uint32_t windows[WINDOWS_MAX];
    uint32_t window_count;
} settings;

/* What one phase has shown. */
typedef struct phase {
    double cpu_per_million;
    double sends_per_delivery;
    double deliveries_per_second;
} phase;

static pid_t children[2];
static size_t server_cpu = CPU_SETSIZE; /* none */
static uint8_t input[FRAME_MAX + INPUT];
static uint32_t message_len; /* of a whole frame of the chat's, learnt from the first ones */

/* ---- life and death ---- */

static void kill_children(void)
{
    for (int i = 0; i < 2; i++) {
        if (children[i] > 0) {
            (void)kill(children[i], SIGKILL);
            (void)waitpid(children[i], NULL, 0);
            children[i] = 0;
        }
    }
}

static void on_signal(int number)
{
    for (int i = 0; i < 2; i++) {
        if (children[i] > 0) {
            (void)kill(children[i], SIGKILL);
        }
    }
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static void fail(const char *format, ...)
{
    va_list list;

    (void)fputs("bench_chat_load: ", stderr);
    va_start(list, format);
    (void)vfprintf(stderr, format, list);
    va_end(list);
    (void)fputc('\n', stderr);
    exit(1);
}

static void pin(size_t cpu)
{
    cpu_set_t set;

    if (cpu < CPU_SETSIZE) {
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        (void)sched_setaffinity(0, sizeof(set), &set);
    }
}

/* The sender gets the first core that may be used, the load the last. */
static void choose_cpus(void)
{
    cpu_set_t set;
    size_t first = CPU_SETSIZE;
    size_t last = CPU_SETSIZE;

    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return;
    }
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &set)) {
            first = first == CPU_SETSIZE ? i : first;
            last = i;
        }
    }
    if (first == last) {
        (void)puts("only one core: sender and receiver disturb each other");
        return;
    }
    server_cpu = first;
    pin(last);
}

static double now_s(clockid_t clock)
{
    struct timespec t = {0, 0};

    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu_of(pid_t pid)
{
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0) {
        fail("the process has gone");
    }
    return now_s(clock);
}

/* ---- sockets ---- */

static void send_all(int fd, const void *data, size_t len)
{
    const uint8_t *at = data;

    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR) {
            fail("send: %s", strerror(errno));
        }
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
}

static int connect_to(uint16_t port)
{
    struct timeval patience = {PATIENCE_MS / 1000, 0};
    struct sockaddr_in address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        fail("connect: %s", strerror(errno));
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

/* Segments with data that have come in: one per send of the other side, which sends at most 64 KiB at once and at once.
 */
static uint64_t segments_of(const target *t)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < t->count; i++) {
        struct tcp_info info;
        socklen_t len = sizeof(info);

        memset(&info, 0, sizeof(info));
        (void)getsockopt(t->subscribers[i].fd, IPPROTO_TCP, TCP_INFO, &info, &len);
        sum += info.tcpi_data_segs_in;
    }
    return sum;
}

/* ---- the bare sender ---- */

static void read_exactly(int fd, void *into, size_t len)
{
    uint8_t *at = into;

    while (len > 0) {
        ssize_t n = recv(fd, at, len, 0);

        if (n <= 0) {
            _exit(0);
        }
        at += n;
        len -= (size_t)n;
    }
}

/* Its first connection tells it what to send: length and bytes. It sends them to each of the others. */
static void bare_sender(int listener, uint32_t count)
{
    static uint8_t batch[WINDOW_MAX * FRAME_MAX];
    static int fds[SUBSCRIBERS_MAX];
    int control = accept(listener, NULL, NULL);
    int on = 1;

    for (uint32_t i = 0; i < count; i++) {
        fds[i] = accept(listener, NULL, NULL);
        (void)setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    for (;;) {
        uint32_t len = 0;

        read_exactly(control, &len, sizeof(len));
        if (len > sizeof(batch)) {
            _exit(1);
        }
        read_exactly(control, batch, len);
        for (uint32_t i = 0; i < count; i++) {
            for (uint32_t at = 0; at < len;) {
                ssize_t n = send(fds[i], batch + at, len - at, MSG_NOSIGNAL);

                if (n <= 0) {
                    _exit(1);
                }
                at += (uint32_t)n;
            }
        }
    }
}

static pid_t fork_child(int slot)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid < 0) {
        fail("fork: %s", strerror(errno));
    }
    if (pid > 0) {
        children[slot] = pid;
        return pid;
    }
    memset(children, 0, sizeof(children));
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1);
    }
    pin(server_cpu);
    return 0;
}

static void start_bare(target *t)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, len) != 0 || listen(listener, 1024) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) != 0) {
        fail("listen: %s", strerror(errno));
    }
    t->bare = true;
    t->port = ntohs(address.sin_port);
    t->pid = fork_child(1);
    if (t->pid == 0) {
        bare_sender(listener, t->count);
    }
    (void)close(listener);
    t->control = connect_to(t->port);
    for (uint32_t i = 0; i < t->count; i++) {
        t->subscribers[i].fd = connect_to(t->port);
    }
}

/* ---- the chat server ---- */

static void exec_chat(const char *program, int out)
{
    static char *const arguments[] = {
        "chat",   "--host", "127.0.0.1", "--port", "0", "--set", "publish_rate=0", "--set", "max_user_sessions=100000",
        (char *)0};

    (void)dup2(out, STDOUT_FILENO);
    (void)execv(program, arguments);
    (void)fprintf(stderr, "bench_chat_load: %s: %s\n", program, strerror(errno));
    _exit(127);
}

static void start_chat(target *t, const char *program)
{
    char line[256];
    const char *colon = NULL;
    int ends[2];
    FILE *out = NULL;

    if (pipe(ends) != 0) {
        fail("pipe: %s", strerror(errno));
    }
    t->pid = fork_child(0);
    if (t->pid == 0) {
        exec_chat(program, ends[1]);
    }
    (void)close(ends[1]);
    out = fdopen(ends[0], "r");
    if (out == NULL || fgets(line, sizeof(line), out) == NULL) {
        fail("the chat server does not start");
    }
    colon = strstr(line, "127.0.0.1:");
    if (colon == NULL) {
        fail("the chat server says: %s", line);
    }
    t->port = (uint16_t)strtoul(colon + 10, NULL, 10);
    /* The pipe stays open: the server may still print. */
}

/* A client's frame: masked, shorter than 64 KiB. Returns its length. */
static size_t client_frame(uint8_t *out, const char *text, size_t len)
{
    static const uint8_t key[4] = {0x5a, 0x17, 0xc3, 0x88};
    size_t at = 0;

    out[at++] = 0x81;
    if (len < 126) {
        out[at++] = (uint8_t)(0x80 | len);
    } else {
        out[at++] = 0x80 | 126;
        out[at++] = (uint8_t)(len >> 8);
        out[at++] = (uint8_t)len;
    }
    memcpy(out + at, key, sizeof(key));
    at += sizeof(key);
    for (size_t i = 0; i < len; i++) {
        out[at + i] = (uint8_t)((uint8_t)text[i] ^ key[i & 3]);
    }
    return at + len;
}

static bool contains(const char *text, size_t len, const char *part)
{
    return memmem(text, len, part, strlen(part)) != NULL;
}

static void enter_room(subscriber *s, uint16_t port)
{
    static const char hello[] = "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"load\"}}\n"
                                "{\"id\":2,\"type\":\"subscribe\",\"channel\":\"chat:load\"}";
    char text[4096];
    uint8_t frame[512];
    size_t len = 0;

    s->fd = connect_to(port);
    int n = snprintf(text, sizeof(text),
                     "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                     (unsigned)port);
    send_all(s->fd, text, (size_t)n);
    send_all(s->fd, frame, client_frame(frame, hello, sizeof(hello) - 1));
    for (;;) {
        ssize_t got = recv(s->fd, text + len, sizeof(text) - len, 0);

        if (got <= 0) {
            fail("no answer to subscribe");
        }
        len += (size_t)got;
        if (contains(text, len, "\"error\"") || len == sizeof(text)) {
            fail("the server refuses: %.*s", (int)len, text);
        }
        if (contains(text, len, "\"id\":2")) {
            break;
        }
    }
    /* What the server sends in the turn of the reply comes with it, or is a frame of its own. */
    if (memcmp(text + len - 3, "}}}", 3) != 0) {
        fail("an answer in pieces");
    }
}

/* ---- receiving ---- */

/* The first subscriber that gets a message looks at it closely. */
static void first_sight(target *t, message *m, uint64_t number, const uint8_t *frame, uint32_t len)
{
    char text[FRAME_MAX + 1];
    const char *offset = NULL;
    const char *from = NULL;
    const char *n = NULL;

    memcpy(text, frame, len);
    text[len] = '\0';
    memset(text, ' ', 4); /* no zeroes of the header */
    offset = strstr(text, "\"offset\":");
    from = strstr(text, "{\"from\":\"");
    n = strstr(text, "\",\"n\":\"");
    if (offset == NULL || from == NULL || n == NULL || strtoull(offset + 9, NULL, 10) != number + 1) {
        fail("message %" PRIu64 " should be here: %s", number + 1, text);
    }
    m->publisher = (uint32_t)strtoul(from + 9, NULL, 10);
    if (m->publisher >= PUBLISHERS_MAX || strtoull(n + 7, NULL, 10) != t->publishers[m->publisher].seen) {
        fail("out of the publisher's order: %s", text);
    }
    t->publishers[m->publisher].seen++;
    memcpy(m->frame, frame, len);
    m->len = len;
    message_len = len;
}

static void got_message(target *t, subscriber *s, const uint8_t *frame, uint32_t len)
{
    message *m = &t->ring[s->next % RING];

    if (m->len == 0) {
        first_sight(t, m, s->next, frame, len);
    } else if (m->len != len || memcmp(m->frame, frame, len) != 0) {
        fail("subscribers differ at message %" PRIu64, s->next + 1);
    }
    s->next++;
    if (++m->seen == t->count) {
        t->publishers[m->publisher].in_flight--;
        t->publishers[m->publisher].due++;
        t->done++;
        m->len = 0;
        m->seen = 0;
    }
}

static void got_frame(target *t, subscriber *s, const uint8_t *frame, uint32_t len)
{
    static const char message_start[] = "{\"push\":{\"type\":\"message\"";
    uint32_t header = frame[1] == 126 ? 4 : 2;
    const char *text = (const char *)frame + header;
    size_t text_len = len - header;

    if (frame[0] == 0x81 && text_len > sizeof(message_start) &&
        memcmp(text, message_start, sizeof(message_start) - 1) == 0) {
        got_message(t, s, frame, len);
    } else if (frame[0] != 0x81 || contains(text, text_len, "\"error\"") ||
               contains(text, text_len, "\"disconnect\"")) {
        fail("unexpected: %.*s", (int)text_len, text);
    }
}

/* Length of the frame at the start, 0 if it is not complete. */
static uint32_t frame_len(const uint8_t *data, size_t len)
{
    uint32_t need = 0;

    if (len < 4) {
        return 0;
    }
    need = data[1] == 126 ? 4u + ((uint32_t)data[2] << 8 | data[3]) : 2u + data[1];
    if (data[1] > 126 || need > FRAME_MAX) {
        fail("a frame too long");
    }
    return need <= len ? need : 0;
}

static void receive(target *t, subscriber *s)
{
    uint32_t have = s->rest_len;
    uint32_t at = 0;
    uint32_t len = 0;
    ssize_t n = recv(s->fd, input + have, INPUT, MSG_DONTWAIT);

    if (n <= 0) {
        fail("connection lost: %s", n < 0 ? strerror(errno) : "end of stream");
    }
    memcpy(input, s->rest, have);
    have += (uint32_t)n;
    while ((len = frame_len(input + at, have - at)) > 0) {
        got_frame(t, s, input + at, len);
        at += len;
    }
    s->rest_len = have - at;
    memcpy(s->rest, input + at, s->rest_len);
}

/* ---- publishing ---- */

static size_t payload(char *out, uint32_t from, uint64_t number)
{
    int n = snprintf(out, PAYLOAD + 1, "{\"from\":\"%03" PRIu32 "\",\"n\":\"%012" PRIu64 "\",\"x\":\"", from, number);

    memset(out + n, 'x', PAYLOAD - (size_t)n);
    memcpy(out + PAYLOAD - 2, "\"}", 2);
    return PAYLOAD;
}

/* One send with all publications that are due. */
static void publish_chat(target *t, uint32_t number)
{
    static uint8_t batch[WINDOW_MAX * FRAME_MAX];
    publisher *p = &t->publishers[number];
    size_t len = 0;

    for (uint32_t i = 0; i < p->due; i++) {
        char text[FRAME_MAX];
        int n = snprintf(
            text, sizeof(text),
            "{\"id\":%" PRIu64 ",\"type\":\"publish\",\"channel\":\"chat:load\",\"data\":{\"data\":", p->sent + 10);

        n += (int)payload(text + n, number, p->sent++);
        memcpy(text + n, "}}", 2);
        len += client_frame(batch + len, text, (size_t)n + 2);
    }
    send_all(t->subscribers[number].fd, batch, len);
}

/* Messages as long as the chat's. */
static void publish_bare(target *t)
{
    static uint8_t batch[sizeof(uint32_t) + WINDOW_MAX * FRAME_MAX];
    publisher *p = &t->publishers[0];
    uint32_t len = p->due * message_len;

    memcpy(batch, &len, sizeof(len));
    for (uint32_t i = 0; i < p->due; i++) {
        uint8_t *at = batch + sizeof(len) + i * message_len;
        char text[FRAME_MAX];
        char data[PAYLOAD + 1];
        int n = snprintf(text, sizeof(text),
                         "{\"push\":{\"type\":\"message\",\"data\":{\"offset\":%" PRIu64 ",\"data\":", p->sent + 1);

        data[payload(data, 0, p->sent++)] = '\0';
        n += snprintf(text + n, sizeof(text) - (size_t)n, "%s", data);
        memset(text + n, ' ', sizeof(text) - (size_t)n);
        at[0] = 0x81;
        at[1] = 126;
        at[2] = (uint8_t)((message_len - 4) >> 8);
        at[3] = (uint8_t)(message_len - 4);
        memcpy(at + 4, text, message_len - 4);
    }
    send_all(t->control, batch, len + sizeof(len));
}

static void publish_due(target *t, uint32_t publishers)
{
    for (uint32_t i = 0; i < publishers; i++) {
        publisher *p = &t->publishers[i];

        if (p->due == 0) {
            continue;
        }
        if (t->bare) {
            publish_bare(t);
        } else {
            publish_chat(t, i);
        }
        p->in_flight += p->due;
        p->due = 0;
    }
}

/* ---- measuring ---- */

static bool anything_in_flight(const target *t)
{
    for (uint32_t i = 0; i < PUBLISHERS_MAX; i++) {
        if (t->publishers[i].in_flight > 0) {
            return true;
        }
    }
    return false;
}

static void look(target *t)
{
    struct epoll_event ready[READY];
    int n = epoll_wait(t->epoll, ready, READY, PATIENCE_MS);

    if (n == 0 || (n < 0 && errno != EINTR)) {
        fail("nothing comes any more");
    }
    for (int i = 0; i < n; i++) {
        receive(t, ready[i].data.ptr);
    }
}

static void load(target *t, uint32_t window, uint32_t publishers, double until)
{
    for (uint32_t i = 0; i < publishers; i++) {
        t->publishers[i].due = window / publishers;
    }
    while (now_s(CLOCK_MONOTONIC) < until) {
        publish_due(t, publishers);
        look(t);
    }
    while (anything_in_flight(t)) {
        look(t);
    }
    for (uint32_t i = 0; i < publishers; i++) {
        t->publishers[i].due = 0;
    }
}

static phase measure(target *t, uint32_t window, uint32_t publishers, uint32_t ms)
{
    uint64_t segments = segments_of(t);
    uint64_t done = t->done;
    double cpu = cpu_of(t->pid);
    double start = now_s(CLOCK_MONOTONIC);
    double deliveries = 0;
    double seconds = 0;

    load(t, window, t->bare ? 1 : publishers, start + ms / 1000.0);
    seconds = now_s(CLOCK_MONOTONIC) - start;
    cpu = cpu_of(t->pid) - cpu;
    deliveries = (double)(t->done - done) * t->count;
    return (phase){cpu / deliveries * 1e6, (double)(segments_of(t) - segments) / deliveries, deliveries / seconds};
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, uint32_t count)
{
    qsort(values, count, sizeof(*values), compare);
    return values[count / 2];
}

static void measure_window(target *chat, target *bare, const settings *s, uint32_t window)
{
    double columns[6][ROUNDS_MAX];
    double ratios[ROUNDS_MAX];

    (void)measure(chat, window, s->publishers, s->round_ms / 4);
    (void)measure(bare, window, 1, s->round_ms / 4);
    for (uint32_t r = 0; r < s->rounds; r++) {
        phase c = measure(chat, window, s->publishers, s->round_ms);
        phase b = measure(bare, window, 1, s->round_ms);

        columns[0][r] = c.cpu_per_million;
        columns[1][r] = c.sends_per_delivery;
        columns[2][r] = c.deliveries_per_second;
        columns[3][r] = b.cpu_per_million;
        columns[4][r] = b.sends_per_delivery;
        columns[5][r] = b.deliveries_per_second;
        ratios[r] = c.cpu_per_million / b.cpu_per_million;
    }
    printf("%6" PRIu32, window);
    for (int i = 0; i < 6; i++) {
        double value = median(columns[i], s->rounds);

        printf(i % 3 == 0 ? "  |%7.3f" : i % 3 == 1 ? "  %9.4f" : "  %8.0f", i % 3 == 2 ? value / 1000 : value);
    }
    printf("  |  %.2f", median(ratios, s->rounds));
    printf(" (%.2f to %.2f)\n", ratios[0], ratios[s->rounds - 1]);
    (void)fflush(stdout);
}

static void prepare(target *t, const settings *s)
{
    memset(t, 0, sizeof(*t));
    t->count = s->subscribers;
    t->subscribers = calloc(t->count, sizeof(*t->subscribers));
    t->ring = calloc(RING, sizeof(*t->ring));
    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (t->subscribers == NULL || t->ring == NULL || t->epoll < 0) {
        fail("out of memory or descriptors");
    }
}

static void watch(target *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        struct epoll_event event;

        memset(&event, 0, sizeof(event));
        event.events = EPOLLIN;
        event.data.ptr = &t->subscribers[i];
        if (epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->subscribers[i].fd, &event) != 0) {
            fail("epoll_ctl: %s", strerror(errno));
        }
    }
}

static void release(target *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        (void)close(t->subscribers[i].fd);
    }
    (void)close(t->epoll);
    free(t->subscribers);
    free(t->ring);
}

static void run(const settings *s)
{
    static target chat;
    static target bare;

    prepare(&chat, s);
    prepare(&bare, s);
    start_chat(&chat, s->server);
    for (uint32_t i = 0; i < chat.count; i++) {
        enter_room(&chat.subscribers[i], chat.port);
    }
    watch(&chat);
    start_bare(&bare);
    watch(&bare);
    (void)measure(&chat, 1, 1, 100); /* learns how long a message is */
    printf("%" PRIu32 " subscribers of one room, payload %d bytes, %" PRIu32 " on the wire, %" PRIu32
           " publisher%s; median of %" PRIu32 " rounds\n",
           s->subscribers, PAYLOAD, message_len, s->publishers, s->publishers == 1 ? "" : "s", s->rounds);
    (void)puts(
        "  in   |               chat server             |               bare sends              |  CPU, chat :\n"
        "flight |  CPU s/M  sends/deliv  1000 deliv/s     |  CPU s/M  sends/deliv  1000 deliv/s     |  bare (range)");
    for (uint32_t i = 0; i < s->window_count; i++) {
        measure_window(&chat, &bare, s, s->windows[i]);
    }
    release(&chat);
    release(&bare);
}

/* ---- main ---- */

static void allow_many_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int usage(void)
{
    (void)fputs("usage: bench_chat_load [option...]\n"
                "  --server PATH      the chat's program\n"
                "  --subscribers N    of the one room (1000)\n"
                "  --window N         publications in flight; may be repeated (1, 16, 128)\n"
                "  --publishers N     connections that share the window (1)\n"
                "  --rounds N         (5)\n"
                "  --ms N             length of a round, for the chat and for the bare sends (400)\n",
                stderr);
    return 2;
}

static bool take_option(settings *s, const char *name, const char *value)
{
    uint32_t number = (uint32_t)strtoul(value, NULL, 10);

    if (strcmp(name, "--server") == 0) {
        s->server = value;
        return true;
    }
    if (number == 0) {
        return false;
    }
    if (strcmp(name, "--subscribers") == 0) {
        s->subscribers = number;
    } else if (strcmp(name, "--publishers") == 0) {
        s->publishers = number;
    } else if (strcmp(name, "--rounds") == 0) {
        s->rounds = number;
    } else if (strcmp(name, "--ms") == 0) {
        s->round_ms = number;
    } else if (strcmp(name, "--window") == 0 && number <= WINDOW_MAX && s->window_count < WINDOWS_MAX) {
        s->windows[s->window_count++] = number;
    } else {
        return false;
    }
    return s->subscribers <= SUBSCRIBERS_MAX && s->publishers <= PUBLISHERS_MAX && s->rounds <= ROUNDS_MAX;
}

static bool read_settings(settings *s, int argc, char **argv)
{
    static const uint32_t usual[] = {1, 16, 128};

    *s = (settings){.server = SRL_BENCH_CHAT, .subscribers = 1000, .publishers = 1, .rounds = 5, .round_ms = 400};
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc || !take_option(s, argv[i], argv[i + 1])) {
            return false;
        }
    }
    if (s->window_count == 0) {
        memcpy(s->windows, usual, sizeof(usual));
        s->window_count = sizeof(usual) / sizeof(usual[0]);
        if (s->publishers > 1) {
            s->windows[0] = s->publishers;
        }
    }
    for (uint32_t i = 0; i < s->window_count; i++) {
        if (s->windows[i] % s->publishers != 0) {
            return false;
        }
    }
    return s->publishers <= s->subscribers;
}

int main(int argc, char **argv)
{
    settings s;

    if (!read_settings(&s, argc, argv)) {
        return usage();
    }
    if (s.server[0] == '\0') {
        (void)puts("bench_chat_load: built without the examples; name the chat's program by --server");
        return 0;
    }
    (void)atexit(kill_children);
    (void)signal(SIGINT, on_signal);
    (void)signal(SIGTERM, on_signal);
    (void)signal(SIGHUP, on_signal);
    allow_many_descriptors();
    choose_cpus();
    run(&s);
    return 0;
}

#else

int main(void)
{
    (void)puts("bench_chat_load: needs Linux");
    return 0;
}

#endif
