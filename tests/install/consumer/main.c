/* A whole relay in one small program; compiled as C and as C++, against an installed library. */
#include <stdio.h>
#include <string.h>

#include <streamrelay/streamrelay.h>

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                                                    \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

struct client {
    char text[4096];
    size_t len;
    int closed;
};

static int64_t on_write(srl_session *session, srl_frame *const *frames, size_t count, void *user)
{
    struct client *client = (struct client *)user;
    size_t i;
    (void)session;
    for (i = 0; i < count; i++) {
        size_t len = srl_frame_len(frames[i]) + 1;
        if (client->len + len >= sizeof client->text) {
            return -1;
        }
        memcpy(client->text + client->len, srl_frame_data(frames[i]), len);
        client->len += len;
    }
    client->text[client->len] = '\0';
    return (int64_t)count;
}

static void on_close(srl_session *session, uint32_t code, const char *reason, size_t reason_len, void *user)
{
    struct client *client = (struct client *)user;
    (void)session;
    (void)code;
    (void)reason;
    (void)reason_len;
    client->closed = 1;
}

static int receive(srl_session *session, const char *text)
{
    return srl_session_receive(session, text, strlen(text));
}

int main(void)
{
    static struct client client;
    srl_options *options = NULL;
    srl_relay *relay = NULL;
    srl_session *session = NULL;
    srl_transport transport;

    REQUIRE(srl_abi_version() == SRL_ABI_VERSION);
    REQUIRE(strcmp(srl_version(), SRL_VERSION) == 0);
    REQUIRE(srl_options_create(&options) == SRL_OK);
    REQUIRE(srl_options_set(options, "allow_anonymous", "true") == SRL_OK);
    REQUIRE(srl_options_set(options, "anonymous", "true") == SRL_OK);
    REQUIRE(srl_options_set(options, "publish", "true") == SRL_OK);
    REQUIRE(srl_options_set(options, "history_size", "10") == SRL_OK);
    REQUIRE(srl_relay_create(options, &relay) == SRL_OK);
    srl_options_destroy(options);

    srl_transport_init(&transport, sizeof(transport));
    transport.write = on_write;
    transport.close = on_close;
    REQUIRE(srl_session_open(relay, &transport, SRL_PROTOCOL_NATIVE, &client, &session) == SRL_OK);
    REQUIRE(
        receive(session, "{\"id\":1,\"type\":\"connect\"}\n{\"id\":2,\"type\":\"subscribe\",\"channel\":\"news\"}") ==
        SRL_OK);
    REQUIRE(receive(session, "{\"id\":3,\"type\":\"publish\",\"channel\":\"news\",\"data\":{\"data\":{\"n\":1}}}") ==
            SRL_OK);
    while (srl_relay_process(relay) > 0) {
    }
    fputs(client.text, stdout);
    REQUIRE(strstr(client.text, "{\"reply\":{\"id\":1,\"type\":\"connect\"") != NULL);
    REQUIRE(strstr(client.text, "{\"push\":{\"type\":\"message\",\"channel\":\"news\"") != NULL);
    REQUIRE(strstr(client.text, "{\"n\":1}") != NULL);
    srl_relay_destroy(relay);
    REQUIRE(client.closed == 1);
    srl_session_closed(session);
    return 0;
}
