#include "protocol/codec.h"

const srl__codec *const srl__codecs[SRL__CODEC_COUNT] = {
    [SRL__CODEC_NATIVE] = &srl__codec_native,
    [SRL__CODEC_CENTRIFUGO] = &srl__codec_centrifugo,
    [SRL__CODEC_CENTRIFUGO_PUSHES] = &srl__codec_centrifugo_pushes,
};

srl__slice srl__take_line(srl__slice *message)
{
    const char *newline = message->len > 0 ? memchr(message->data, '\n', message->len) : NULL;
    size_t len = newline != NULL ? (size_t)(newline - message->data) : message->len;
    size_t used = newline != NULL ? len + 1 : len;
    srl__slice line = srl__slice_of(message->data, len);

    message->data += used;
    message->len -= used;
    if (line.len > 0 && line.data[line.len - 1] == '\r') {
        line.len--;
    }
    return line;
}

enum { F_TYPE, F_COUNT };

static const srl__json_field fields[] = {
    SRL__JSON_FIELD("type", SRL__JSON_STRING, F_TYPE, NULL),
};
static const srl__json_spec spec = SRL__JSON_SPEC(fields, F_COUNT);

/* Every native command has a type; no command of Centrifugo's has. */
srl__codec_index srl__codec_detect(srl__slice message)
{
    srl__json_value v[F_COUNT];
    srl__json_error problem;
    srl__slice line = srl__take_line(&message);

    while (line.len == 0 && message.len > 0) {
        line = srl__take_line(&message);
    }
    (void)srl__json_read(line, &spec, &srl__json_limits_default, v, &problem);
    return v[F_TYPE].type == SRL__JSON_STRING ? SRL__CODEC_NATIVE : SRL__CODEC_CENTRIFUGO;
}
