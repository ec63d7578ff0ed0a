#include "helpers/conversation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/broker_delay.h"
#include "helpers/test_relay.h"

enum { MAX_TEXT = 65536, LETTERS = 26 };

typedef struct conversation {
    test_relay home;
    test_client *clients[LETTERS];
    bool started;
    bool tolerant;    /* answers are not looked at */
    uint64_t fail_at; /* with that: the allocation after the start that fails */
    bool fail_on;     /* and all behind it */
    broker_delay delay;
    conversation_mode mode;
    const char *path;
    int line;
    char text[MAX_TEXT];
} conversation;

static void wrong(const conversation *c, const char *expected, const char *found)
{
    if (c->tolerant) {
        return;
    }
    fprintf(stderr, "%s:%d\nexpected %s\nfound    %s\n", c->path, c->line, expected, found);
    abort();
}

/* The next word of a line, which is moved on behind it. */
static char *word(char **at)
{
    char *begin = *at + strspn(*at, " ");
    size_t len = strcspn(begin, " ");

    *at = begin + len;
    if (**at != '\0') {
        *(*at)++ = '\0';
    }
    return begin;
}

/* ---- what hooks answer */

static void take_option(srl_subscription *options, const char *option)
{
    const char *value = strchr(option, '=');

    value = value != NULL ? value + 1 : "";
    if (strncmp(option, "info=", 5) == 0) {
        options->info = value;
        options->info_len = strlen(value);
    } else if (strncmp(option, "data=", 5) == 0) {
        options->data = value;
        options->data_len = strlen(value);
    } else if (strncmp(option, "ttl=", 4) == 0) {
        options->ttl_ms = strtoull(value, NULL, 10);
    } else if (strncmp(option, "since=", 6) == 0) {
        options->flags |= SRL_SUBSCRIPTION_RECOVER;
        options->recover_offset = strtoull(value, NULL, 10);
    } else if (strcmp(option, "host") == 0) {
        options->flags |= SRL_SUBSCRIPTION_REFRESHED_BY_HOST;
    }
}

/* CHANNEL;option;option, cut in place. */
static const char *read_options(char *text, srl_subscription *options)
{
    char *next = NULL;

    srl_subscription_init(options, sizeof(*options));
    for (char *semicolon = strchr(text, ';'); semicolon != NULL; semicolon = next) {
        *semicolon++ = '\0';
        next = strchr(semicolon, ';');
        if (next != NULL) {
            *next = '\0';
        }
        take_option(options, semicolon);
    }
    return text;
}

static bool obey(srl_request *request, char *order)
{
    const char *value = strchr(order, '=');

    value = value != NULL ? value + 1 : "";
    if (strncmp(order, "user=", 5) == 0) {
        (void)srl_request_set_user(request, value, strlen(value));
    } else if (strncmp(order, "info=", 5) == 0) {
        (void)srl_request_set_info(request, value, strlen(value));
    } else if (strncmp(order, "data=", 5) == 0) {
        (void)srl_request_set_data(request, value, strlen(value));
    } else if (strcmp(order, "wanted") == 0) {
        size_t len = 0;
        const char *wanted = srl_request_subscriptions(request, &len);

        (void)srl_request_set_data(request, wanted, len);
    } else if (strncmp(order, "ttl=", 4) == 0) {
        (void)srl_request_set_expiry(request, strtoull(value, NULL, 10));
    } else if (strcmp(order, "host") == 0) {
        (void)srl_request_set_refreshed_by_host(request);
    } else if (strncmp(order, "withhold=", 9) == 0) {
        (void)srl_request_withhold(request, (uint32_t)strtoul(value, NULL, 10));
    } else if (strncmp(order, "sub=", 4) == 0) {
        srl_subscription options;
        const char *channel = read_options(order + 4, &options);

        (void)srl_request_add_subscription(request, channel, strlen(channel), &options);
    } else if (strncmp(order, "no=", 3) == 0) {
        (void)srl_request_reject(request, (uint32_t)strtoul(value, NULL, 10), NULL, 0);
        return false;
    } else if (strncmp(order, "off=", 4) == 0) {
        (void)srl_request_disconnect(request, (uint32_t)strtoul(value, NULL, 10), NULL, 0);
        return false;
    }
    return true;
}

static void answer(test_relay *home, srl_request *request)
{
    char orders[4096];
    size_t len = 0;
    const char *text = srl_request_token(request, &len);
    char *at = orders;

    (void)home;
    if (len == 0) {
        text = srl_request_method(request, &len);
    }
    (void)snprintf(orders, sizeof(orders), "%.*s", (int)len, text);
    while (*at != '\0') {
        if (!obey(request, word(&at))) {
            return;
        }
    }
    (void)srl_request_accept(request);
}

/* ---- steps */

static void set_hooks(conversation *c, char *at)
{
    static const char *const names[] = {"connect",     "subscribe", "publish",  "rpc",    "refresh",
                                        "sub_refresh", "message",   "presence", "history"};

    while (*at != '\0') {
        const char *name = word(&at);

        for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (strcmp(names[i], name) == 0) {
                c->home.hooks |= 1U << (i + 1);
            }
        }
    }
}

static void start(conversation *c)
{
    if (!c->started) {
        c->started = true;
        c->home.asked = answer;
        if (c->mode == CONVERSATION_DELAYED) {
            broker_delay_init(&c->delay, NULL);
            c->delay.hold = DELAY_EVERYTHING;
            c->delay.hold_deliveries = true;
            (void)srl_options_set_broker(c->home.options, c->delay.broker);
        }
        if (test_relay_start(&c->home, NULL) != SRL_OK) {
            wrong(c, "a relay", "none");
        }
    }
}

static void add_namespace(conversation *c, char *at)
{
    const char *prefix = word(&at);
    srl_options *options = NULL;

    start(c);
    if (srl_options_create(&options) != SRL_OK) {
        wrong(c, "options", "none");
    }
    while (*at != '\0') {
        char *name = word(&at);
        char *value = strchr(name, '=');

        *value++ = '\0';
        if (srl_options_set(options, name, value) != SRL_OK) {
            wrong(c, name, srl_options_last_error(options));
        }
    }
    if (srl_relay_add_namespace(c->home.relay, prefix, strlen(prefix), options) != SRL_OK) {
        wrong(c, prefix, srl_relay_last_error(c->home.relay));
    }
    srl_options_destroy(options);
}

static test_client **client_at(conversation *c, char letter)
{
    if (letter < 'a' || letter > 'z') {
        wrong(c, "a letter", "none");
    }
    return &c->clients[letter - 'a'];
}

static void open_client(conversation *c, char *at)
{
    char letter = *word(&at);
    const char *kind = word(&at);

    start(c);
    c->home.protocol = SRL_PROTOCOL_CENTRIFUGO;
    c->home.transport = 0;
    if (strcmp(kind, "native") == 0) {
        c->home.protocol = SRL_PROTOCOL_NATIVE;
    } else if (strcmp(kind, "detect") == 0) {
        c->home.protocol = SRL_PROTOCOL_DETECT;
    } else if (strcmp(kind, "emulated") == 0) {
        c->home.transport = SRL_TRANSPORT_EMULATED;
    } else if (strcmp(kind, "pushes") == 0) {
        c->home.transport = SRL_TRANSPORT_UNIDIRECTIONAL;
    } else if (strcmp(kind, "emulated-pushes") == 0) {
        c->home.transport = SRL_TRANSPORT_UNIDIRECTIONAL | SRL_TRANSPORT_EMULATED;
    }
    *client_at(c, letter) = test_client_open(&c->home);
    if (*client_at(c, letter) == NULL) {
        wrong(c, "a session", "none");
    }
}

/* The broker answers and delivers what it owes. */
static void settle(conversation *c)
{
    if (c->mode == CONVERSATION_DELAYED && c->started) {
        for (int round = 0; round < 8; round++) {
            broker_delay_flush(&c->delay);
            test_relay_process(&c->home);
        }
    }
}

/* The newline between two commands is written " | ". */
static void send(conversation *c, test_client *client, const char *text)
{
    char out[MAX_TEXT];
    size_t len = 0;

    for (const char *at = text; *at != '\0'; at++) {
        if (strncmp(at, " | ", 3) == 0) {
            at += 2;
            if (c->mode == CONVERSATION_ONE_BY_ONE || c->mode == CONVERSATION_DELAYED) {
                out[len] = '\0';
                (void)test_client_send(client, out);
                settle(c);
                len = 0;
                continue;
            }
            if (c->mode == CONVERSATION_SPACED) {
                out[len++] = '\r';
            }
            out[len++] = '\n';
        } else {
            out[len++] = *at;
        }
    }
    if (c->mode == CONVERSATION_SPACED && len > 0) {
        out[len++] = '\n';
    }
    out[len] = '\0';
    (void)test_client_send(client, out);
}

static void see_next(const conversation *c, test_client *client, const char *pattern)
{
    const char *found = test_client_read(client);

    if (found == NULL || !test_text_matches(pattern, found)) {
        wrong(c, pattern, found != NULL ? found : client->ended ? client->close_reason : "nothing");
    }
}

static void see_closed(const conversation *c, test_client *client, char *at)
{
    char found[200];
    char expected[200];
    const char *code = word(&at);

    (void)snprintf(found, sizeof(found), "%u %s", client->closes == 1 ? client->close_code : 0, client->close_reason);
    (void)snprintf(expected, sizeof(expected), "%s %s", code, *at != '\0' ? at : "*");
    if (!test_text_matches(expected, found)) {
        wrong(c, expected, found);
    }
    client->user = client; /* the test knows */
}

static void client_step(conversation *c, char *line)
{
    test_client *client = *client_at(c, line[0]);
    char *rest = line + 2 + strspn(line + 2, " ");

    if (client == NULL) {
        wrong(c, "an open client", line);
        return;
    }
    switch (line[1]) {
    case '>':
        send(c, client, rest);
        break;
    case '+':
        (void)srl_session_connect(client->session, rest, strlen(rest));
        break;
    case '<':
        see_next(c, client, rest);
        break;
    case '-': {
        const char *found = test_client_read(client);

        if (found != NULL || (client->ended && client->user == NULL)) {
            wrong(c, "nothing", found != NULL ? found : "the end");
        }
        break;
    }
    case '!':
        see_closed(c, client, rest);
        break;
    case '.':
        test_client_leave(client);
        *client_at(c, line[0]) = NULL;
        break;
    default:
        wrong(c, "a step", line);
    }
}

static int publish(conversation *c, const char *channel, const char *tags, uint32_t flags, const char *json)
{
    srl_publish_options options;

    start(c);
    srl_publish_options_init(&options, sizeof(options));
    options.flags = flags;
    options.tags = tags;
    options.tags_len = strlen(tags);
    return srl_relay_publish_with(c->home.relay, channel, strlen(channel), json, strlen(json), &options, NULL, NULL);
}

/* 1 if it was none of these. */
static int host_step(conversation *c, const char *verb, const char *first, char *at)
{
    if (strcmp(verb, "publish") == 0) {
        return publish(c, first, "", 0, at);
    }
    if (strcmp(verb, "transient") == 0) {
        return publish(c, first, "", SRL_PUBLISH_SKIP_HISTORY, at);
    }
    if (strcmp(verb, "tagged") == 0) {
        const char *tags = word(&at);

        return publish(c, first, tags, 0, at);
    }
    if (strcmp(verb, "forget") == 0) {
        return srl_relay_history_remove(c->home.relay, first, strlen(first), NULL, NULL);
    }
    if (strcmp(verb, "advance") == 0) {
        test_relay_advance(&c->home, strtoull(first, NULL, 10));
        return SRL_OK;
    }
    return 1;
}

static int session_step(conversation *c, const char *verb, const char *letter, char *at)
{
    test_client *client = *client_at(c, *letter);
    srl_session *session = client != NULL ? client->session : NULL;
    char *first = NULL;

    if (session == NULL) {
        return SRL_ERR_CLOSED;
    }
    if (strcmp(verb, "send") == 0) {
        return srl_session_send(session, at, strlen(at));
    }
    first = word(&at);
    if (strcmp(verb, "subscribe") == 0) {
        srl_subscription options;
        const char *channel = read_options(first, &options);

        return srl_session_subscribe(session, channel, strlen(channel), &options);
    }
    if (strcmp(verb, "unsubscribe") == 0) {
        return srl_session_unsubscribe(session, first, strlen(first), (uint32_t)strtoul(at, NULL, 10));
    }
    if (strcmp(verb, "disconnect") == 0) {
        srl_session_disconnect(session, (uint32_t)strtoul(first, NULL, 10), at, strlen(at));
        return SRL_OK;
    }
    if (strcmp(verb, "expire") == 0) {
        return srl_session_set_expiry(session, strtoull(first, NULL, 10));
    }
    if (strcmp(verb, "expire-sub") == 0) {
        return srl_session_set_subscription_expiry(session, first, strlen(first), strtoull(at, NULL, 10));
    }
    return 1;
}

static void step(conversation *c, char *line)
{
    char *at = line;
    const char *verb = NULL;
    int result = 1;

    if (line[0] == '\0' || line[0] == '#') {
        return;
    }
    if (line[0] >= 'a' && line[0] <= 'z' && strchr("><+-!.", line[1]) != NULL) {
        client_step(c, line);
        settle(c);
        return;
    }
    verb = word(&at);
    if (strcmp(verb, "set") == 0) {
        const char *name = word(&at);

        result = srl_options_set(c->home.options, name, at);
    } else if (strcmp(verb, "hooks") == 0) {
        set_hooks(c, at);
        return;
    } else if (strcmp(verb, "namespace") == 0) {
        add_namespace(c, at);
        return;
    } else if (strcmp(verb, "open") == 0) {
        open_client(c, at);
        return;
    } else {
        const char *first = word(&at);

        result = host_step(c, verb, first, at);
        result = result == 1 ? session_step(c, verb, first, at) : result;
    }
    if (result != SRL_OK) {
        wrong(c, line, srl_error_text(result));
    }
    settle(c);
}

static void begin(conversation *c, const char *path)
{
    memset(c, 0, sizeof(*c));
    c->path = path;
    test_relay_init(&c->home);
}

/* The number of allocations since the relay was there. */
static uint64_t play(conversation *c)
{
    FILE *file = fopen(c->path, "r");
    uint64_t before = 0;
    uint64_t calls = 0;

    if (file == NULL) {
        fprintf(stderr, "%s cannot be read\n", c->path);
        abort();
    }
    while (fgets(c->text, sizeof(c->text), file) != NULL) {
        bool was_started = c->started;

        c->line++;
        c->text[strcspn(c->text, "\n")] = '\0';
        step(c, c->text);
        if (c->started && !was_started) {
            before = c->home.memory.calls;
            if (c->fail_at > 0) {
                srl_test_alloc_fail(&c->home.memory, c->fail_at, c->fail_on);
            }
        }
    }
    calls = c->home.memory.calls - before;
    srl_test_alloc_fail(&c->home.memory, 0, false);
    fclose(file);
    test_relay_end(&c->home);
    if (c->mode == CONVERSATION_DELAYED) {
        broker_delay_end(&c->delay);
    }
    return calls;
}

void conversation_play(const char *path, conversation_mode mode)
{
    conversation *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        abort();
    }
    begin(c, path);
    c->mode = mode;
    (void)play(c);
    free(c);
}

void conversation_play_failing(const char *path)
{
    conversation *c = calloc(1, sizeof(*c));
    uint64_t calls = 0;

    if (c == NULL) {
        abort();
    }
    begin(c, path);
    calls = play(c);
    for (uint64_t i = 0; i < calls * 2; i++) {
        begin(c, path);
        c->tolerant = true;
        c->fail_at = i / 2 + 1;
        c->fail_on = i % 2 == 1;
        (void)play(c);
    }
    free(c);
}
