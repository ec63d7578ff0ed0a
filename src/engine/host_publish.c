#include "engine/host_publish.h"

#include <streamrelay/error.h>

#include "base/table.h"
#include "engine/publish.h"
#include "engine/relay.h"

void srl_publish_options_init(srl_publish_options *options, size_t size)
{
    srl_publish_options none = {.tags = ""};

    srl__table_fill(options, size, &none, sizeof(none));
}

static int read_tags(srl_relay *relay, srl__slice json, srl__owned *out)
{
    srl__tags tags;
    int error = SRL_OK;

    if (json.len == 0) {
        return SRL_OK;
    }
    if (json.len > relay->settings.max_info_bytes) {
        return srl__relay_fail(relay, SRL_ERR_TOO_LARGE, "tags: larger than max_info_bytes");
    }
    error = srl__owned_set_json(relay, out, json);
    if (error != SRL_OK) {
        return error;
    }
    error = srl__tags_read(&tags, &relay->alloc, srl__owned_slice(out), &relay->json_limits);
    if (error != SRL_OK) {
        return srl__relay_fail(relay, error, "tags: expected an object of strings");
    }
    srl__tags_free(&tags, &relay->alloc);
    return SRL_OK;
}

int srl__publish_extras_read(srl_relay *relay, const srl_publish_options *options, srl__publish_extras *out)
{
    srl_publish_options taken;

    *out = (srl__publish_extras){.kind = SRL_MESSAGE_PUBLICATION};
    srl__buf_init(&out->key, &relay->alloc, 0);
    if (options == NULL) {
        return SRL_OK;
    }
    if (!srl__table_take(&taken, sizeof(taken), options, sizeof(uint32_t)) ||
        (taken.flags & ~SRL_PUBLISH_SKIP_HISTORY) != 0) {
        return srl__relay_fail(relay, SRL_ERR_INVALID, "options: not of this library");
    }
    if (taken.key_len > SRL_PUBLISH_KEY_MAX) {
        return srl__relay_fail(relay, SRL_ERR_TOO_LARGE, "key: too long");
    }
    if ((taken.flags & SRL_PUBLISH_SKIP_HISTORY) != 0) {
        out->kind = SRL_MESSAGE_TRANSIENT;
    }
    if (taken.key_len > 0) {
        int error = srl__publish_key(relay, NULL, srl__slice_of(taken.key, taken.key_len), &out->key);
        if (error != SRL_OK) {
            return error;
        }
    }
    return read_tags(relay, srl__slice_of(taken.tags, taken.tags_len), &out->tags);
}

void srl__publish_extras_clear(srl_relay *relay, srl__publish_extras *extras)
{
    srl__owned_clear(relay, &extras->tags);
    srl__buf_free(&extras->key);
}
