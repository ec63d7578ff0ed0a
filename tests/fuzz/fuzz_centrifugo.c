/* Centrifugo's protocol. The codec: any line is decoded or refused, what is taken from it is in it, and what is encoded
 * is one line of valid JSON. The engine: whatever messages a client sends (a byte of 0xFF stands between two), it is
 * answered with valid JSON or closed with one of the protocol's codes, and another client in its channel goes on as if
 * nothing were. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <streamrelay/codes.h>

#include "base/utf8.h"
#include "helpers/test_relay.h"
#include "protocol/centrifugo.h"

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the codec */

static bool is_within(srl__slice outer, srl__slice inner)
{
    return inner.len == 0 || (inner.data >= outer.data && inner.data + inner.len <= outer.data + outer.len);
}

static void check_json(srl__slice text)
{
    srl__json_error problem;

    REQUIRE(srl__json_validate(text, &srl__json_limits_default, NULL, &problem));
}

static void check_filter(const srl_allocator *alloc, srl__slice text)
{
    srl__tags_filter *filter = NULL;

    if (srl__centrifugo_read_filter(alloc, text, &filter) == SRL_OK) {
        srl__tags none = {0};

        (void)srl__tags_filter_matches(filter, &none);
        srl__tags_filter_destroy(filter, alloc);
    }
}

static void check_command(srl__slice line, const srl__buf *scratch, const srl__command *command)
{
    srl__slice spare = srl__slice_of(scratch->data, scratch->len);
    const srl__slice texts[] = {command->channel, command->token, command->epoch,
                                command->method,  command->name,  command->version};
    const srl__slice json[] = {command->data, command->filter, command->headers, command->held};
    srl__held held;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        REQUIRE(is_within(line, texts[i]) || is_within(spare, texts[i]));
        REQUIRE(srl__utf8_valid(texts[i].data, texts[i].len));
    }
    for (size_t i = 0; i < sizeof(json) / sizeof(json[0]); i++) {
        REQUIRE(is_within(line, json[i]) || is_within(spare, json[i]));
        if (json[i].len > 0) {
            check_json(json[i]);
            REQUIRE(memchr(json[i].data, '\r', json[i].len) == NULL);
        }
    }
    REQUIRE(command->type != SRL__COMMAND_NONE && command->id <= UINT32_MAX);
    REQUIRE(command->type != SRL__COMMAND_PONG || command->id == 0);
    (void)srl__centrifugo_find_held(command->held, command->channel, &held);
}

static void check_encoded(srl__buf *out)
{
    REQUIRE(out->error == 0);
    REQUIRE(memchr(out->data, '\n', out->len) == NULL);
    check_json(srl__slice_of(out->data, out->len));
    srl__buf_reset(out);
}

/* Answers with the client's own texts in them. */
static void encode(srl__buf *out, const srl__codec *codec, srl__slice line, const srl__command *command)
{
    srl__reply_to to = {command->id, command->type, command->channel};
    srl_publication who = {
        .size = sizeof(who),
        .offset = command->offset,
        .client_len = 1,
        .client = "c",
        .data = command->data.len > 0 ? command->data.data : "0",
        .data_len = command->data.len > 0 ? command->data.len : 1,
        .user = line.data,
        .user_len = line.len,
        .info = "",
        .channel_info = command->headers.data,
        .channel_info_len = command->headers.len,
        .tags = command->held.data,
        .tags_len = command->held.len,
    };
    srl__subscribe_reply state = {.offset = 1, .epoch = line, .recoverable = true, .data = command->data};
    srl__shown shown = {.publication = &who, .form = SRL__FORM_TEXT, .epoch = command->epoch};

    if (command->type != SRL__COMMAND_PONG) {
        codec->reply_error(out, &to, 107, line);
        check_encoded(out);
        codec->reply_subscribe(out, &to, &state);
        check_encoded(out);
    }
    codec->push_publication(out, line, &who, command->epoch);
    check_encoded(out);
    codec->push_shown(out, line, &shown);
    check_encoded(out);
    codec->push_join(out, command->channel, &who);
    check_encoded(out);
    codec->push_disconnect(out, 3000, line, false);
    check_encoded(out);
}

static void check_codec(const uint8_t *data, size_t size)
{
    srl_allocator system;
    srl__buf scratch;
    srl__buf out;
    srl__command command;
    srl__decode_error error = {0, ""};
    char *copy = malloc(size > 0 ? size : 1);
    srl__slice line = srl__slice_of(copy, size);

    REQUIRE(copy != NULL);
    for (size_t i = 0; i < size; i++) { /* a line has no newline in it */
        copy[i] = data[i] == '\n' ? ' ' : (char)data[i];
    }
    srl_allocator_init(&system, sizeof(system));
    srl__buf_init(&scratch, &system, 1 << 22);
    srl__buf_init(&out, &system, 1 << 24);
    if (srl__centrifugo_decode(line, &srl__json_limits_default, &scratch, &command, &error)) {
        check_command(line, &scratch, &command);
        if (command.filter.len > 0) {
            check_filter(&system, command.filter);
        }
        encode(&out, &srl__codec_centrifugo, line, &command);
        encode(&out, &srl__codec_centrifugo_pushes, line, &command);
    } else {
        REQUIRE(error.code == SRL_REPLY_BAD_REQUEST && command.id == 0);
    }
    if (srl__centrifugo_decode_connect(line, &srl__json_limits_default, &scratch, &command, &error)) {
        REQUIRE(command.type == SRL__COMMAND_CONNECT);
        check_command(size > 0 ? line : SRL__LIT("{}"), &scratch, &command);
    }
    check_filter(&system, SRL__LIT("{\"key\":\"a\",\"cmp\":\"ex\"}"));
    srl__buf_free(&out);
    srl__buf_free(&scratch);
    free(copy);
}

/* ---- the engine */

static void look(test_client *client)
{
    const char *text;

    while ((text = test_client_read(client)) != NULL) {
        check_json(srl__slice_of(text, strlen(text)));
    }
    if (client->ended) {
        REQUIRE(client->closes == 1 && client->close_code >= 3000 && client->close_code < 4000);
    }
}

static void send_all(test_relay *home, test_client *client, const uint8_t *data, size_t size)
{
    size_t begin = 0;

    for (size_t i = 0; i <= size; i++) {
        if (i < size && data[i] != 0xFF) {
            continue;
        }
        if (client->session != NULL && !client->ended) {
            char *copy = malloc(i - begin + 1);

            REQUIRE(copy != NULL);
            memcpy(copy, data + begin, i - begin);
            (void)srl_session_receive(client->session, copy, i - begin);
            free(copy);
        }
        begin = i + 1;
        test_relay_advance(home, 500);
        look(client);
    }
}

static test_client *open_as(test_relay *home, int protocol, const char *first)
{
    test_client *client;

    home->protocol = protocol;
    client = test_client_open(home);
    REQUIRE(client != NULL);
    (void)test_client_send(client, first);
    look(client);
    return client;
}

static void check_engine(const uint8_t *data, size_t size)
{
    test_relay home;
    test_client *bystander;
    test_client *client;
    const char *text;

    test_relay_init(&home);
    home.hooks |= TEST_RPC | TEST_MESSAGE | TEST_REFRESH | TEST_SUB_REFRESH;
    REQUIRE(test_relay_start(&home, "subscribe", "true", "publish", "true", "history_size", "4", "presence", "true",
                             "join_leave", "session", "delta", "true", "tags_filter", "true", "compaction", "true",
                             "max_message_bytes", "4k", "ping_interval", "0", NULL) == SRL_OK);
    bystander = open_as(&home, SRL_PROTOCOL_NATIVE,
                        "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"b\"}}\n"
                        "{\"id\":2,\"type\":\"subscribe\",\"channel\":\"a\"}");
    client = open_as(&home, SRL_PROTOCOL_CENTRIFUGO, "{\"id\":1,\"connect\":{\"token\":\"u\"}}");
    send_all(&home, client, data, size);
    client = open_as(&home, SRL_PROTOCOL_DETECT, "");
    send_all(&home, client, data, size);
    look(bystander);
    REQUIRE(!bystander->ended);
    REQUIRE(test_relay_publish(&home, "a", "\"the end\"") == SRL_OK);
    test_relay_process(&home);
    text = test_client_read(bystander);
    REQUIRE(text != NULL && strstr(text, "\"the end\"") != NULL);
    look(client);
    test_relay_end(&home);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_codec(data, size);
    if (size < 16384) {
        check_engine(data, size);
    }
    return 0;
}
