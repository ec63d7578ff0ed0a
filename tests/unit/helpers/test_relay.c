#include "helpers/test_relay.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void broken(const char *rule)
{
    fprintf(stderr, "test_relay: %s\n", rule);
    abort();
}

static void *must(void *memory)
{
    if (memory == NULL) {
        broken("out of memory");
    }
    return memory;
}

bool test_text_matches(const char *pattern, const char *text)
{
    const char *star = NULL;
    const char *resume = NULL;

    while (*text != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            resume = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star + 1;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

/* ---- questions */

static void answer(srl_request *request)
{
    if (srl_request_kind(request) == SRL_REQUEST_CONNECT) {
        size_t len;
        const char *token = srl_request_token(request, &len);

        (void)srl_request_set_user(request, token, len);
        token = srl_request_data(request, &len);
        if (len > 0) {
            (void)srl_request_set_info(request, token, len);
        }
    }
    (void)srl_request_accept(request);
}

static void ask(srl_request *request, void *user)
{
    test_relay *home = user;

    home->questions++;
    if (home->asked != NULL) {
        home->asked(home, request);
    } else if ((home->hold & (1U << srl_request_kind(request))) != 0) {
        if (home->request_count == TEST_RELAY_REQUESTS) {
            broken("too many questions kept");
        }
        home->requests[home->request_count++] = request;
    } else {
        answer(request);
    }
}

srl_request *test_relay_request(test_relay *home)
{
    srl_request *first = home->requests[0];

    if (home->request_count == 0) {
        return NULL;
    }
    home->request_count--;
    memmove(home->requests, home->requests + 1, home->request_count * sizeof(srl_request *));
    return first;
}

/* ---- the relay */

void test_relay_init(test_relay *home)
{
    memset(home, 0, sizeof(*home));
    fake_platform_init(&home->platform, 1);
    srl_test_alloc_init(&home->memory);
    home->hooks = TEST_CONNECT;
    if (srl_options_create(&home->options) != SRL_OK ||
        srl_options_set_allocator(home->options, &home->memory.table) != SRL_OK ||
        srl_options_set_platform(home->options, &home->platform.table) != SRL_OK) {
        broken("no options");
    }
}

int test_relay_start(test_relay *home, ...)
{
    const char *name;
    srl_hooks hooks;
    va_list list;

    va_start(list, home);
    while ((name = va_arg(list, const char *)) != NULL) {
        if (srl_options_set(home->options, name, va_arg(list, const char *)) != SRL_OK) {
            broken(srl_options_last_error(home->options));
        }
    }
    va_end(list);
    srl_hooks_init(&hooks, sizeof(hooks));
    hooks.connect = home->hooks & TEST_CONNECT ? ask : NULL;
    hooks.subscribe = home->hooks & TEST_SUBSCRIBE ? ask : NULL;
    hooks.publish = home->hooks & TEST_PUBLISH ? ask : NULL;
    hooks.rpc = home->hooks & TEST_RPC ? ask : NULL;
    hooks.refresh = home->hooks & TEST_REFRESH ? ask : NULL;
    hooks.sub_refresh = home->hooks & TEST_SUB_REFRESH ? ask : NULL;
    hooks.message = home->hooks & TEST_MESSAGE ? ask : NULL;
    hooks.presence = home->hooks & TEST_PRESENCE ? ask : NULL;
    hooks.history = home->hooks & TEST_HISTORY ? ask : NULL;
    hooks.survey = home->survey;
    if (srl_options_set_hooks(home->options, &hooks, home) != SRL_OK) {
        broken("no hooks");
    }
    return srl_relay_create(home->options, &home->relay);
}

void test_relay_destroy(test_relay *home)
{
    srl_relay *relay = home->relay;

    home->relay = NULL;
    srl_relay_destroy(relay);
}

static void client_free(test_client *client)
{
    test_client_leave(client);
    for (size_t i = 0; i < client->frame_count; i++) {
        free(client->frames[i]);
    }
    for (size_t i = 0; i < client->kept_count; i++) {
        srl_frame_unref(client->kept[i]);
    }
    free(client->frames);
    free(client->kept);
    free(client);
}

void test_relay_end(test_relay *home)
{
    test_client *client;
    srl_request *request;

    test_relay_destroy(home);
    while ((request = test_relay_request(home)) != NULL) {
        if (srl_request_accept(request) != SRL_ERR_CANCELLED) {
            broken("a request outlived its relay uncancelled");
        }
    }
    while ((client = home->clients) != NULL) {
        home->clients = client->next;
        client_free(client);
    }
    srl_options_destroy(home->options);
    srl_test_alloc_check_empty(&home->memory);
}

void test_relay_process(test_relay *home)
{
    for (int i = 0; home->relay != NULL; i++) {
        int more = srl_relay_process(home->relay);

        if (more < 0 || i > 100000) {
            broken("process fails or does not come to an end");
        }
        if (more == 0) {
            return;
        }
    }
}

void test_relay_advance(test_relay *home, uint64_t ms)
{
    fake_platform_advance(&home->platform, ms);
    test_relay_process(home);
}

int test_relay_publish(test_relay *home, const char *channel, const char *data)
{
    return srl_relay_publish(home->relay, channel, strlen(channel), data, strlen(data), NULL, NULL);
}

/* ---- clients */

static void record(test_client *client, srl_frame *frame)
{
    const uint8_t *data = srl_frame_data(frame);
    size_t len = srl_frame_len(frame);
    char *text = must(malloc(len + 1));

    if (data[len] != '\n' || memchr(data, '\n', len) != NULL) {
        broken("a frame is not one line");
    }
    memcpy(text, data, len);
    text[len] = '\0';
    if (client->frame_count == client->frame_capacity) {
        client->frame_capacity = client->frame_capacity * 2 + 16;
        client->frames = must(realloc(client->frames, client->frame_capacity * sizeof(char *)));
    }
    client->frames[client->frame_count++] = text;
    if (client->keeps) {
        client->kept = must(realloc(client->kept, (client->kept_count + 1) * sizeof(srl_frame *)));
        client->kept[client->kept_count++] = srl_frame_ref(frame);
    }
}

static int64_t transport_write(srl_session *session, srl_frame *const *frames, size_t count, void *user)
{
    test_client *client = user;
    size_t taken = 0;

    if (client->ended || client->blocked || client->writing || count == 0) {
        broken(client->ended     ? "write after the end"
               : client->blocked ? "write before writable"
               : client->writing ? "write inside write"
                                 : "write of nothing");
    }
    if (client->session != NULL && client->session != session) {
        broken("write for another session");
    }
    client->writes++;
    client->last_write = (unsigned)count;
    client->writing = true;
    if (client->on_write != NULL) {
        client->on_write(client);
    }
    if (client->breaks) {
        client->ended = true;
        client->writing = false;
        return -1;
    }
    while (taken < count && taken < client->take) {
        record(client, frames[taken++]);
    }
    client->blocked = taken < count;
    client->writing = false;
    return (int64_t)taken;
}

static void transport_close(srl_session *session, uint32_t code, const char *reason, size_t reason_len, void *user)
{
    test_client *client = user;

    if (client->ended || client->session == NULL) {
        broken(client->closes > 0 ? "close twice" : "close after the end");
    }
    if (reason == NULL || reason_len >= sizeof(client->close_reason)) {
        broken("close without a reason, or with too long a one");
    }
    client->ended = true;
    client->closes++;
    client->close_code = code;
    memcpy(client->close_reason, reason, reason_len);
    client->close_reason[reason_len] = '\0';
    if (client->on_close != NULL) {
        client->on_close(client);
    }
    if (client->gives_back && client->session != NULL) {
        client->session = NULL;
        srl_session_closed(session);
    }
}

test_client *test_client_open(test_relay *home)
{
    srl_transport transport;
    test_client *client = must(calloc(1, sizeof(*client)));

    srl_transport_init(&transport, sizeof(transport));
    transport.write = transport_write;
    transport.close = transport_close;
    transport.flags = home->transport;
    client->home = home;
    client->take = SIZE_MAX;
    if (srl_session_open(home->relay, &transport, home->protocol, client, &client->session) != SRL_OK) {
        free(client);
        return NULL;
    }
    client->next = home->clients;
    home->clients = client;
    srl_session_client_id(client->session, client->id);
    return client;
}

int test_client_send(test_client *client, const char *text)
{
    /* a copy of its exact length, so that a read past its end shows */
    size_t len = strlen(text);
    char *copy = must(malloc(len > 0 ? len : 1));
    int error;

    memcpy(copy, text, len);
    error = client->session == NULL ? SRL_ERR_CLOSED : srl_session_receive(client->session, copy, len);
    free(copy);
    return error;
}

int test_client_sendf(test_client *client, const char *format, ...)
{
    char text[4096];
    va_list list;
    int len;

    va_start(list, format);
    len = vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    if (len < 0 || (size_t)len >= sizeof(text)) {
        broken("command too long");
    }
    return test_client_send(client, text);
}

int test_client_command(test_client *client, const char *type, const char *channel, const char *data)
{
    unsigned long long id = ++client->last_id;

    if (data == NULL) {
        return test_client_sendf(client, "{\"id\":%llu,\"type\":\"%s\",\"channel\":\"%s\"}", id, type, channel);
    }
    return test_client_sendf(client, "{\"id\":%llu,\"type\":\"%s\",\"channel\":\"%s\",\"data\":%s}", id, type, channel,
                             data);
}

test_client *test_client_enter(test_relay *home, const char *user)
{
    test_client *client = test_client_open(home);

    if (client != NULL) {
        (void)test_client_sendf(client, "{\"id\":%llu,\"type\":\"connect\",\"data\":{\"token\":\"%s\"}}",
                                (unsigned long long)++client->last_id, user);
        (void)test_client_read(client);
    }
    return client;
}

bool test_client_subscribe(test_client *client, const char *channel)
{
    const char *reply;

    (void)test_client_command(client, "subscribe", channel, NULL);
    reply = test_client_read(client);
    return reply != NULL && test_text_matches("{\"reply\":{*\"type\":\"subscribe\",*\"data\":{*}}}", reply);
}

void test_client_unblock(test_client *client)
{
    client->blocked = false;
    client->take = SIZE_MAX;
    if (client->session != NULL) {
        (void)srl_session_writable(client->session);
    }
}

void test_client_leave(test_client *client)
{
    srl_session *session = client->session;

    client->session = NULL;
    client->ended = true;
    srl_session_closed(session);
}

const char *test_client_read(test_client *client)
{
    return client->frame_next < client->frame_count ? client->frames[client->frame_next++] : NULL;
}

void test_client_skip(test_client *client)
{
    client->frame_next = client->frame_count;
}
