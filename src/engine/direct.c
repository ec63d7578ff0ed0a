#include "engine/direct.h"

#include <streamrelay/error.h>
#include <streamrelay/room.h>

#include "engine/notes.h"
#include "engine/relay.h"

/* The longest escaped id that is looked at; a channel name is not longer. */
enum { MAX_NAME = 4096 };

bool srl__direct_split(srl__slice name, srl__slice *one, srl__slice *other)
{
    const char *comma = name.len > 0 ? memchr(name.data, ',', name.len) : NULL;

    if (comma == NULL) {
        return false;
    }
    *one = srl__slice_of(name.data, (size_t)(comma - name.data));
    *other = srl__slice_of(comma + 1, name.len - one->len - 1);
    return one->len > 0 && other->len > 0 && memchr(other->data, ',', other->len) == NULL;
}

static bool needs_escape(char c)
{
    return c == ',' || c == '%';
}

static size_t escape(srl__slice id, char *out, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < id.len; i++) {
        const char *piece = id.data[i] == ',' ? "%2C" : id.data[i] == '%' ? "%25" : &id.data[i];
        size_t piece_len = needs_escape(id.data[i]) ? 3 : 1;

        if (len + piece_len <= size) {
            memcpy(out + len, piece, piece_len);
        }
        len += piece_len;
    }
    return len;
}

srl__slice srl__direct_unescape(srl__slice written, char *out)
{
    size_t len = 0;

    for (size_t i = 0; i < written.len; i++) {
        char c = written.data[i];

        if (c == '%' && i + 2 < written.len && written.data[i + 1] == '2') {
            c = written.data[i + 2] == 'C' ? ',' : '%';
            i += 2;
        }
        out[len++] = c;
    }
    return srl__slice_of(out, len);
}

static int compare(srl__slice a, srl__slice b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.data, b.data, shorter);

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

int32_t srl_room_direct_channel(const char *prefix, size_t prefix_len, const char *one, size_t one_len,
                                const char *other, size_t other_len, char *out, size_t out_size)
{
    srl__slice first = srl__slice_of(one, one_len);
    srl__slice second = srl__slice_of(other, other_len);
    size_t first_len = 0;
    size_t len = 0;

    if (one_len == 0 || other_len == 0 || srl__slice_equal(first, second)) {
        return SRL_ERR_INVALID;
    }
    if (compare(first, second) > 0) {
        first = srl__slice_of(other, other_len);
        second = srl__slice_of(one, one_len);
    }
    first_len = escape(first, NULL, 0);
    len = prefix_len + first_len + 1 + escape(second, NULL, 0);
    if (len > INT32_MAX) {
        return SRL_ERR_INVALID;
    }
    if (len < out_size) {
        if (prefix_len > 0) {
            memcpy(out, prefix, prefix_len);
        }
        (void)escape(first, out + prefix_len, out_size - prefix_len);
        out[prefix_len + first_len] = ',';
        (void)escape(second, out + prefix_len + first_len + 1, out_size - prefix_len - first_len - 1);
        out[len] = '\0';
    } else if (out_size > 0) {
        out[0] = '\0';
    }
    return (int32_t)len;
}

/* The same two users must not have a second channel under another spelling. */
static bool is_canonical(srl__slice name, srl__slice one, srl__slice other)
{
    char canonical[MAX_NAME + 1];
    int32_t len =
        srl_room_direct_channel("", 0, one.data, one.len, other.data, other.len, canonical, sizeof(canonical));

    return len > 0 && (size_t)len <= MAX_NAME && srl__slice_equal(srl__slice_of(canonical, (size_t)len), name);
}

/* The meaning of both ids of a canonical name; one_text and other_text have room for MAX_NAME bytes. */
static bool read_name(srl__slice name, char *one_text, char *other_text, srl__slice *one, srl__slice *other)
{
    if (name.len > MAX_NAME || !srl__direct_split(name, one, other)) {
        return false;
    }
    *one = srl__direct_unescape(*one, one_text);
    *other = srl__direct_unescape(*other, other_text);
    return is_canonical(name, *one, *other);
}

bool srl__direct_names(srl__slice name, srl__slice user)
{
    char one_text[MAX_NAME];
    char other_text[MAX_NAME];
    srl__slice one;
    srl__slice other;

    return read_name(name, one_text, other_text, &one, &other) &&
           (srl__slice_equal(one, user) || srl__slice_equal(other, user));
}

static int summon(srl_relay *relay, srl__slice channel, const srl_subscription *options)
{
    size_t prefix_len = 0;
    char one_text[MAX_NAME];
    char other_text[MAX_NAME];
    srl__slice one;
    srl__slice other;
    int error = SRL_OK;

    (void)srl__namespaces_match(&relay->namespaces, channel, &prefix_len);
    if (!read_name(srl__slice_of(channel.data + prefix_len, channel.len - prefix_len), one_text, other_text, &one,
                   &other)) {
        return SRL_OK;
    }
    error = srl__note_summon(relay, one, other, channel, options);
    return error == SRL_ERR_UNAVAILABLE ? SRL_OK : error; /* without notes only those are reached who are there */
}

static bool is_direct(const srl_relay *relay, srl__slice channel)
{
    return srl__namespaces_find(&relay->namespaces, channel)->room == SRL__ROOM_DIRECT;
}

bool srl__direct_waits(const srl_relay *relay, srl__slice channel)
{
    return is_direct(relay, channel) && srl__namespaces_find(&relay->namespaces, channel)->history_size > 0;
}

int srl__direct_publishing(srl_relay *relay, srl__slice channel, int kind)
{
    bool is_kept = srl__direct_waits(relay, channel) && kind == SRL_MESSAGE_PUBLICATION;

    return is_kept || !is_direct(relay, channel) ? SRL_OK : summon(relay, channel, NULL);
}

void srl__direct_published(srl_relay *relay, srl__slice channel, const srl_broker_result *result)
{
    srl_subscription options = {.size = sizeof(options), .flags = SRL_SUBSCRIPTION_RECOVER};

    if (result->error != SRL_OK || result->offset == 0 || !is_direct(relay, channel)) {
        return;
    }
    options.recover_offset = result->offset - 1;
    options.recover_epoch = result->epoch;
    options.recover_epoch_len = result->epoch_len;
    (void)summon(relay, channel, &options);
}
