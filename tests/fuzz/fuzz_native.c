/* The native codec: any line is decoded or refused with a reason, and what is taken from it is in it; whatever texts
 * are encoded, the result is one line of valid JSON. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <streamrelay/codes.h>

#include "base/utf8.h"
#include "protocol/native.h"

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_within(srl__slice outer, srl__slice inner)
{
    return inner.len == 0 || (inner.data >= outer.data && inner.data + inner.len <= outer.data + outer.len);
}

static void check_command(srl__slice line, const srl__buf *scratch, const srl__command *command)
{
    srl__slice spare = srl__slice_of(scratch->data, scratch->len);
    const srl__slice texts[] = {command->channel, command->token, command->epoch, command->method};
    srl__json_error problem;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        REQUIRE(is_within(line, texts[i]) || is_within(spare, texts[i]));
        REQUIRE(srl__utf8_valid(texts[i].data, texts[i].len));
    }
    REQUIRE(is_within(line, command->data));
    REQUIRE(command->data.len == 0 || srl__json_validate(command->data, &srl__json_limits_default, NULL, &problem));
    REQUIRE(command->type != SRL__COMMAND_NONE);
    REQUIRE(command->id < UINT64_C(1) << 53);
    REQUIRE(command->offset < UINT64_C(1) << 53);
}

static void check_encoded(srl__buf *out)
{
    srl__json_error problem;

    REQUIRE(out->error == 0);
    REQUIRE(memchr(out->data, '\n', out->len) == NULL);
    REQUIRE(srl__json_validate(srl__slice_of(out->data, out->len), &srl__json_limits_default, NULL, &problem));
    srl__buf_reset(out);
}

/* Answers with the client's own texts in them. */
static void encode(srl__buf *out, srl__slice line, const srl__command *command, const srl__decode_error *error)
{
    const srl__codec *codec = &srl__codec_native;
    srl__reply_to to = {command->id, command->type, command->channel};
    srl_publication who = {.size = sizeof(who),
                           .offset = command->offset,
                           .client_len = 1,
                           .client = "c",
                           .data = command->data.len > 0 ? command->data.data : "0",
                           .data_len = command->data.len > 0 ? command->data.len : 1,
                           .user = line.data,
                           .user_len = line.len,
                           .info = ""};
    srl__subscribe_reply state = {.offset = 1, .epoch = line, .recoverable = true, .was_recovering = true};

    codec->reply_error(out, &to, 107, error != NULL ? srl__slice_of(error->text, strlen(error->text)) : line);
    check_encoded(out);
    codec->reply_subscribe(out, &to, &state);
    check_encoded(out);
    codec->push_publication(out, line, &who, command->epoch);
    check_encoded(out);
    codec->push_join(out, command->channel, &who);
    check_encoded(out);
    codec->push_disconnect(out, 3000, line, false);
    check_encoded(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    srl_allocator system;
    srl__buf scratch;
    srl__buf out;
    srl__command command;
    srl__decode_error error = {0, ""};
    char *copy = malloc(size > 0 ? size : 1);
    srl__slice line = srl__slice_of(copy, size);
    bool good;

    REQUIRE(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    for (size_t i = 0; i < size; i++) { /* a line has no newline in it */
        copy[i] = copy[i] == '\n' ? ' ' : copy[i];
    }
    srl_allocator_init(&system, sizeof(system));
    srl__buf_init(&scratch, &system, 1 << 22);
    srl__buf_init(&out, &system, 1 << 24);
    good = srl__native_decode(line, &srl__json_limits_default, &scratch, &command, &error);
    if (good) {
        check_command(line, &scratch, &command);
    } else {
        REQUIRE(error.code >= 100 && error.code < 200 && error.text[0] != '\0');
        REQUIRE(memchr(error.text, '\0', sizeof(error.text)) != NULL);
    }
    encode(&out, line, &command, good ? NULL : &error);
    srl__buf_free(&out);
    srl__buf_free(&scratch);
    free(copy);
    return 0;
}
