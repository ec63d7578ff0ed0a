#include "node.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 65536, POLL_MS = 10, FLUSH_MS = 20 };

static bool stopping;

_Noreturn void node_die(const char *what, int error)
{
    fprintf(stderr, "node: %s: %s\n", what, srl_error_text(error));
    exit(2);
}

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

srl_session *node_open(node *self, const srl_transport *transport, void *user)
{
    srl_session *session = NULL;
    int error = srl_session_open(self->relay, transport, SRL_PROTOCOL_NATIVE, user, &session);
    if (error != SRL_OK) {
        node_die("srl_session_open", error);
    }
    return session;
}

void node_send(srl_session *session, const char *text, size_t len)
{
    int error = srl_session_receive(session, text, len);
    if (error != SRL_OK && error != SRL_ERR_CLOSED) {
        node_die("srl_session_receive", error);
    }
}

/* ---- the relay */

static void let_in(srl_request *request, void *user)
{
    size_t len;
    const char *name = srl_request_token(request, &len);
    (void)user;
    if (srl_request_set_user(request, name, len) != SRL_OK) {
        node_die("srl_request_set_user", SRL_ERR_INVALID);
    }
    (void)srl_request_accept(request);
}

static void happened(srl_relay *relay, const srl_event *event, void *user)
{
    node *self = user;
    (void)relay;
    if (event->type == SRL_EVENT_BROKER_UP || event->type == SRL_EVENT_BROKER_DOWN) {
        self->ups += event->type == SRL_EVENT_BROKER_UP;
        self->downs += event->type == SRL_EVENT_BROKER_DOWN;
        printf("event %s\n", srl_event_name(event->type));
    }
}

static void set(srl_options *options, const char *name, const char *value)
{
    if (srl_options_set(options, name, value) != SRL_OK) {
        fprintf(stderr, "node: %s\n", srl_options_last_error(options));
        exit(2);
    }
}

typedef struct settings {
    const char *url, *journal;
    uint64_t seed;
    srl_redis_broker_config config;
    const char *history;
    uint32_t keys;
} settings;

static srl_broker *make_broker(const settings *given)
{
    srl_broker *broker = NULL;
    srl_redis_options *redis = NULL;
    int error = SRL_OK;
    if (strcmp(given->url, "memory") == 0) {
        error = srl_broker_create_memory(NULL, &broker);
    } else {
        error = srl_redis_options_create(given->url, strlen(given->url), &redis);
        if (error == SRL_OK) {
            error = srl_redis_broker_create(redis, &given->config, &broker);
        }
        srl_redis_options_destroy(redis);
    }
    if (error != SRL_OK) {
        node_die(given->url, error);
    }
    return broker;
}

static void make_relay(node *self, const settings *given)
{
    static const char *const values[][2] = {
        {"publish", "true"},         {"publish_outside", "true"}, {"publish_rate", "0"},
        {"history_ttl", "0"},        {"max_channels", "1000000"}, {"max_recovery", "1000000"},
        {"max_queue_bytes", "256m"}, {"max_message_bytes", "1m"}, {"ping_interval", "1h"},
        {"position_check", "0"},     {"max_input_bytes", "16m"}};
    srl_hooks hooks;
    srl_options *options = NULL, *people = NULL;
    if (srl_options_create(&options) != SRL_OK || srl_options_create(&people) != SRL_OK) {
        node_die("srl_options_create", SRL_ERR_NOMEM);
    }
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        set(options, values[i][0], values[i][1]);
    }
    set(options, "history_size", given->history);
    set(people, "presence", "true");
    set(people, "presence_outside", "true");
    set(people, "join_leave", "both");
    set(people, "history_size", "0");
    srl_hooks_init(&hooks, sizeof(hooks));
    hooks.connect = let_in;
    srl_broker *broker = make_broker(given);
    int error = srl_options_set_hooks(options, &hooks, self);
    error = error == SRL_OK ? srl_options_set_broker(options, broker) : error;
    error = error == SRL_OK ? srl_relay_create(options, &self->relay) : error;
    error = error == SRL_OK ? srl_relay_add_namespace(self->relay, "p", 1, people) : error;
    if (error != SRL_OK) {
        node_die("srl_relay_create", error);
    }
    srl_broker_release(broker);
    srl_options_destroy(options);
    srl_options_destroy(people);
    srl_relay_set_event_hook(self->relay, happened, self);
}

/* ---- what the driver says */

static void tell_stats(node *self)
{
    publisher_stats out;
    subscriber_stats in;
    publisher_stats_read(&out);
    subscribers_stats(self, &in);
    printf("stats {\"issued\":%llu,\"acknowledged\":%llu,\"failed\":%llu,\"retried\":%llu,\"unknown\":%llu,"
           "\"left\":%llu,\"in_flight\":%u,\"last_error\":%d,",
           (unsigned long long)out.issued, (unsigned long long)out.acknowledged, (unsigned long long)out.failed,
           (unsigned long long)out.retried, (unsigned long long)out.outcome_unknown, (unsigned long long)out.left,
           out.in_flight, out.last_error);
    printf("\"delivered\":%llu,\"recovered\":%llu,\"unrecovered\":%llu,\"fresh\":%llu,\"unsubscribed\":%llu,",
           (unsigned long long)in.delivered, (unsigned long long)in.recovered, (unsigned long long)in.unrecovered,
           (unsigned long long)in.fresh, (unsigned long long)in.unsubscribed);
    printf("\"ended\":%llu,\"again\":%llu,\"errors\":%llu,\"wanted\":%u,\"ups\":%u,\"downs\":%u}\n",
           (unsigned long long)in.ended, (unsigned long long)in.retried, (unsigned long long)in.errors, in.wanted,
           self->ups, self->downs);
}

static uint32_t word_u32(char **at)
{
    return (uint32_t)strtoul(*at, at, 10);
}

static char *next_word(char **at)
{
    char *word = *at + strspn(*at, " ");
    char *end = word + strcspn(word, " ");
    *at = *end == '\0' ? end : end + 1;
    *end = '\0';
    return word;
}

static void obey_publish(node *self, char *rest)
{
    publisher_order order = {.count = strtoull(rest, &rest, 10)};
    order.rate = strtoull(rest, &rest, 10);
    order.first = word_u32(&rest);
    order.channels = word_u32(&rest);
    order.window = word_u32(&rest);
    order.payload = word_u32(&rest);
    if (order.channels == 0 || order.window == 0) {
        node_die("publish COUNT RATE FIRST CHANNELS WINDOW PAYLOAD", SRL_ERR_INVALID);
    }
    publisher_start(self, &order);
}

static void obey(node *self, char *line)
{
    char *word = next_word(&line);
    if (strcmp(word, "subscribe") == 0) {
        uint32_t first = word_u32(&line);
        subscribers_start(self, first, word_u32(&line));
    } else if (strcmp(word, "churn") == 0) {
        subscribers_churn(self, word_u32(&line));
    } else if (strcmp(word, "publish") == 0) {
        obey_publish(self, line);
    } else if (strcmp(word, "stats") == 0) {
        tell_stats(self);
    } else if (strcmp(word, "flush") == 0) {
        journal_flush();
        printf("flushed\n");
    } else if (strcmp(word, "open") == 0) {
        const char *name = next_word(&line);
        raw_open(self, name, next_word(&line));
    } else if (strcmp(word, "send") == 0) {
        const char *name = next_word(&line);
        raw_send(name, line);
    } else if (strcmp(word, "close") == 0) {
        raw_close(next_word(&line));
    } else if (strcmp(word, "stop") == 0) {
        stopping = true;
    } else {
        node_die("a command that is none", SRL_ERR_INVALID);
    }
}

/* The end of the input is a stop: the driver is gone. */
static void read_input(node *self)
{
    static char input[LINE_MAX_BYTES];
    static size_t len;
    ssize_t got = read(STDIN_FILENO, input + len, sizeof(input) - len);
    if (got <= 0) {
        stopping = stopping || got == 0 || errno != EINTR;
        return;
    }
    len += (size_t)got;
    char *line = input, *end;
    while (!stopping && (end = memchr(line, '\n', len - (size_t)(line - input))) != NULL) {
        *end = '\0';
        obey(self, line);
        line = end + 1;
    }
    len -= (size_t)(line - input);
    memmove(input, line, len);
}

/* ---- the loop */

static void turn(node *self)
{
    self->now_ms = clock_ms();
    srl_relay_cork(self->relay);
    subscribers_run(self);
    publisher_run(self);
    raw_run();
    srl_relay_uncork(self->relay);
}

static void loop(node *self)
{
    uint64_t flushed_ms = 0;
    struct pollfd fds[2] = {{.fd = srl_relay_fd(self->relay), .events = POLLIN}, {.events = POLLIN}};
    while (!stopping) {
        (void)poll(fds, 2, POLL_MS);
        if ((fds[1].revents & (POLLIN | POLLHUP)) != 0) {
            read_input(self);
        }
        if (srl_relay_process(self->relay) < 0) {
            node_die("srl_relay_process", SRL_ERR_POLLER);
        }
        turn(self);
        if (self->now_ms >= flushed_ms + FLUSH_MS) {
            flushed_ms = self->now_ms;
            journal_flush();
        }
    }
}

static void restore(const record *entry, void *user)
{
    (void)user;
    subscribers_restore(entry);
}

static void read_argument(settings *out, node *self, const char *name, const char *value)
{
    uint64_t number = strtoull(value, NULL, 10);
    const struct {
        const char *name;
        uint64_t *at;
    } numbers[] = {{"--seed", &out->seed},
                   {"--away-wait", &out->config.away_wait_ms},
                   {"--max-waiting", &out->config.max_waiting_bytes},
                   {"--sweep", &out->config.sweep_ms},
                   {"--probe", &out->config.probe_ms},
                   {"--presence-ttl", &out->config.presence_ttl_ms}};
    const struct {
        const char *name;
        uint32_t *at;
    } small[] = {{"--number", &self->number},
                 {"--channels", &self->channels},
                 {"--subscribers", &self->subscribers},
                 {"--keys", &out->keys},
                 {"--away-publish", &out->config.away_publish},
                 {"--away-subscribe", &out->config.away_subscribe}};
    const struct {
        const char *name;
        const char **at;
    } texts[] = {{"--url", &out->url},
                 {"--journal", &out->journal},
                 {"--history", &out->history},
                 {"--prefix", &out->config.prefix}};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        *numbers[i].at = strcmp(name, numbers[i].name) == 0 ? number : *numbers[i].at;
    }
    for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
        *small[i].at = strcmp(name, small[i].name) == 0 ? (uint32_t)number : *small[i].at;
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i].at = strcmp(name, texts[i].name) == 0 ? value : *texts[i].at;
    }
}

int main(int argc, char **argv)
{
    node self = {.number = 1, .channels = 10, .subscribers = 1};
    settings given = {.url = "memory", .history = "100000", .seed = 1, .keys = 1};
    srl_redis_broker_config_init(&given.config, sizeof(given.config));
    for (int i = 1; i + 1 < argc; i += 2) {
        read_argument(&given, &self, argv[i], argv[i + 1]);
    }
    given.config.prefix_len = strlen(given.config.prefix);
    if (given.journal == NULL) {
        fprintf(stderr, "usage: node --url URL --journal FILE [--NAME VALUE...]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    self.now_ms = clock_ms();
    make_relay(&self, &given);
    subscribers_init(&self);
    publisher_init(&self, given.seed, given.keys != 0);
    journal_open(given.journal, restore, NULL);
    journal_add(&(record){.kind = RECORD_STARTED, .id = self.number});
    printf("ready\n");
    loop(&self);
    subscribers_free();
    publisher_free();
    raw_free();
    srl_relay_destroy(self.relay);
    journal_close();
    printf("stopped\n");
    return 0;
}
