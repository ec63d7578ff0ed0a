#include "base/json.h"

#include "base/utf8.h"

static inline bool is_plain(uint8_t c)
{
    /* a bit for each of the 128 ASCII characters: not the control characters, '"' and '\\' */
    static const uint64_t plain[2] = {UINT64_C(0xFFFFFFFB00000000), UINT64_C(0xFFFFFFFFEFFFFFFF)};
    return c < 0x80 && (plain[c >> 6] >> (c & 63) & 1) != 0;
}

static void append_escape(srl__buf *buf, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    for (size_t i = 0; i + 1 < sizeof(letters); i += 2) {
        if (c == (uint8_t)letters[i]) {
            text[1] = letters[i + 1];
            srl__buf_append(buf, text, 2);
            return;
        }
    }
    srl__buf_append(buf, text, sizeof(text));
}

/* Whether all of eight bytes are plain: none above 0x7F, none below 0x20, no quote, no backslash. A carry can only make
 * a byte look special that follows a special one. */
static inline bool are_plain(const uint8_t *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t tops = ones << 7;
    uint64_t word = 0;
    memcpy(&word, p, sizeof(word));
    uint64_t quote = word ^ (ones * '"');
    uint64_t backslash = word ^ (ones * '\\');
    return ((word | (word - ones * 0x20) | (quote - ones) | (backslash - ones)) & tops) == 0;
}

/* Bytes from the start that can stand in a string as they are. */
static size_t plain_len(const uint8_t *p, size_t len)
{
    size_t at = 0;
    while (at + 8 <= len && are_plain(p + at)) {
        at += 8;
    }
    if (at < len && at >= 8 && len - at < 8 && are_plain(p + len - 8)) {
        return len;
    }
    while (at < len) {
        size_t step = is_plain(p[at]) ? 1 : p[at] < 0x80 ? 0 : srl__utf8_sequence(p + at, len - at);
        if (step == 0) {
            break;
        }
        at += step;
    }
    return at;
}

void srl__json_append_string(srl__buf *buf, srl__slice text)
{
    const uint8_t *p = (const uint8_t *)text.data;
    size_t at = 0;
    srl__buf_append_char(buf, '"');
    while (at < text.len) {
        size_t plain = plain_len(p + at, text.len - at);
        srl__buf_append(buf, p + at, plain);
        at += plain;
        if (at == text.len) {
            break;
        }
        if (p[at] < 0x80) {
            append_escape(buf, p[at]);
        } else {
            SRL__BUF_LIT(buf, "\xEF\xBF\xBD");
        }
        at++;
    }
    srl__buf_append_char(buf, '"');
}

static void separate(srl__json_writer *w)
{
    if (w->comma) {
        srl__buf_append_char(w->buf, ',');
    }
    w->comma = true;
}

void srl__json_put_open(srl__json_writer *w, char bracket)
{
    separate(w);
    srl__buf_append_char(w->buf, bracket);
    w->comma = false;
}

void srl__json_put_close(srl__json_writer *w, char bracket)
{
    srl__buf_append_char(w->buf, bracket);
    w->comma = true;
}

void srl__json_put_name(srl__json_writer *w, srl__slice name)
{
    separate(w);
    srl__json_append_string(w->buf, name);
    srl__buf_append_char(w->buf, ':');
    w->comma = false;
}

void srl__json_put_string(srl__json_writer *w, srl__slice text)
{
    separate(w);
    srl__json_append_string(w->buf, text);
}

void srl__json_put_raw(srl__json_writer *w, srl__slice json)
{
    separate(w);
    srl__buf_append_slice(w->buf, json);
}

void srl__json_put_u64(srl__json_writer *w, uint64_t n)
{
    separate(w);
    srl__buf_append_u64(w->buf, n);
}

void srl__json_put_bool(srl__json_writer *w, bool yes)
{
    separate(w);
    srl__buf_append_slice(w->buf, yes ? SRL__LIT("true") : SRL__LIT("false"));
}

void srl__json_put_null(srl__json_writer *w)
{
    separate(w);
    SRL__BUF_LIT(w->buf, "null");
}
