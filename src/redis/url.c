/* redis://, rediss:// and unix:// URLs. What is found wrong is told by a sentence and a position: nothing of the text
 * is repeated, it may be a password. */
#include <streamrelay/error.h>

#include "io/socket.h"
#include "redis/config.h"

#define MAX_URL 65536

typedef struct url_parser {
    srl__redis_config *config;
    srl__slice url;
    const char *why;
    size_t at;
    int error;
    char *scratch; /* url.len bytes, for what is percent-decoded */
} url_parser;

static bool fail(url_parser *p, size_t at, const char *why)
{
    p->error = SRL_ERR_REDIS_URL;
    p->at = at;
    p->why = why;
    return false;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool scheme_is(srl__slice scheme, const char *name)
{
    if (scheme.len != strlen(name)) {
        return false;
    }
    for (size_t i = 0; i < scheme.len; i++) {
        if (lower(scheme.data[i]) != name[i]) {
            return false;
        }
    }
    return true;
}

static int hex_value(char c)
{
    c = lower(c);
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* [begin, end) without its percent signs, in the scratch memory: valid until the next call. */
static bool decode(url_parser *p, size_t begin, size_t end, srl__slice *out)
{
    size_t len = 0;
    for (size_t i = begin; i < end; i++) {
        char c = p->url.data[i];
        if (c == '%') {
            int high = i + 2 < end ? hex_value(p->url.data[i + 1]) : -1;
            int low = i + 2 < end ? hex_value(p->url.data[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return fail(p, i, "'%' without two hexadecimal digits behind it (write %25)");
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0') {
            return fail(p, i, "a zero byte");
        }
        p->scratch[len++] = c;
    }
    *out = srl__slice_of(p->scratch, len);
    return true;
}

static size_t find(const url_parser *p, size_t begin, size_t end, char c)
{
    while (begin < end && p->url.data[begin] != c) {
        begin++;
    }
    return begin;
}

static bool store(url_parser *p, srl__redis_text *text, srl__slice value)
{
    if (!srl__redis_config_set_text(p->config, text, value)) {
        p->error = SRL_ERR_NOMEM;
        return false;
    }
    return true;
}

static bool set_option(url_parser *p, size_t at, srl__slice name, srl__slice value)
{
    int error = srl__redis_config_set(p->config, name, value, &p->why);
    if (error == SRL_ERR_NOMEM) {
        p->error = error;
        return false;
    }
    return error == SRL_OK || fail(p, at, p->why);
}

static bool parse_user_info(url_parser *p, size_t begin, size_t end)
{
    srl__slice text;
    size_t colon = find(p, begin, end, ':');
    if (!decode(p, begin, colon, &text) || (text.len > 0 && !store(p, &p->config->user, text))) {
        return false;
    }
    if (colon == end) {
        return true;
    }
    if (!decode(p, colon + 1, end, &text)) {
        return false;
    }
    return (text.len == 0 && p->config->user.data == NULL) || store(p, &p->config->password, text);
}

static bool is_host_char(char c)
{
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || c == '-' || c == '.' || c == '_';
}

static bool parse_name(url_parser *p, size_t begin, size_t end)
{
    srl__slice host;
    if (!decode(p, begin, end, &host)) {
        return false;
    }
    for (size_t i = 0; i < host.len; i++) {
        if (!is_host_char(host.data[i])) {
            return fail(p, begin, "the host has a character that no host name has (IPv6 stands in brackets)");
        }
    }
    if (host.len > 253) {
        return fail(p, begin, "the host name is too long");
    }
    return host.len == 0 || store(p, &p->config->host, host);
}

static bool parse_ipv6(url_parser *p, size_t begin, size_t end)
{
    srl__slice host;
    srl__address address;
    if (!decode(p, begin, end, &host) || !store(p, &p->config->host, host)) {
        return false;
    }
    bool zone = memchr(host.data, '%', host.len) != NULL; /* whether there is such an interface is seen later */
    bool colons = host.len > 0 && memchr(host.data, ':', host.len) != NULL;
    if (!colons || host.len > 255 || (!zone && !srl__address_parse(p->config->host.data, 0, &address))) {
        return fail(p, begin, "not an IPv6 address");
    }
    return true;
}

static bool parse_port(url_parser *p, size_t begin, size_t end)
{
    srl__slice text = srl__slice_of(p->url.data + begin, end - begin);
    return text.len == 0 || set_option(p, begin, SRL__LIT("port"), text);
}

static bool parse_host(url_parser *p, size_t begin, size_t end)
{
    if (begin < end && p->url.data[begin] == '[') {
        size_t close = find(p, begin, end, ']');
        if (close == end) {
            return fail(p, begin, "'[' without ']'");
        }
        if (close + 1 < end && p->url.data[close + 1] != ':') {
            return fail(p, close + 1, "only ':' and a port may follow ']'");
        }
        return parse_ipv6(p, begin + 1, close) && (close + 1 == end || parse_port(p, close + 2, end));
    }
    size_t colon = find(p, begin, end, ':');
    return parse_name(p, begin, colon) && (colon == end || parse_port(p, colon + 1, end));
}

/* Behind the last '@', a host; before it, if there is one, user and password. */
static bool parse_authority(url_parser *p, size_t begin, size_t end, bool is_unix)
{
    size_t host = begin;
    for (size_t i = begin; i < end; i++) {
        if (p->url.data[i] == '@') {
            host = i + 1;
        }
    }
    if (host > begin && !parse_user_info(p, begin, host - 1)) {
        return false;
    }
    if (is_unix) {
        return host == end || fail(p, host, "the path of a Unix socket begins with '/'");
    }
    return parse_host(p, host, end);
}

static bool parse_path(url_parser *p, size_t begin, size_t end, bool is_unix)
{
    srl__slice path;
    if (!is_unix) {
        srl__slice db = srl__slice_of(p->url.data + begin + 1, begin < end ? end - begin - 1 : 0);
        return db.len == 0 || set_option(p, begin + 1, SRL__LIT("db"), db);
    }
    if (begin == end) {
        return fail(p, begin, "no path of a Unix socket");
    }
    return decode(p, begin, end, &path) && set_option(p, begin, SRL__LIT("path"), path);
}

static bool parse_parameter(url_parser *p, size_t begin, size_t end)
{
    char name_bytes[32];
    srl__slice text;
    size_t equals = find(p, begin, end, '=');
    if (begin == end) {
        return true;
    }
    if (equals == end) {
        return fail(p, begin, "a parameter without '='");
    }
    if (!decode(p, begin, equals, &text)) {
        return false;
    }
    if (text.len == 0 || text.len > sizeof(name_bytes)) {
        return fail(p, begin, "no option of that name");
    }
    memcpy(name_bytes, text.data, text.len);
    srl__slice name = srl__slice_of(name_bytes, text.len);
    return decode(p, equals + 1, end, &text) && set_option(p, begin, name, text);
}

static bool parse_query(url_parser *p, size_t begin, size_t end)
{
    while (begin < end) {
        size_t next = find(p, begin, end, '&');
        if (!parse_parameter(p, begin, next)) {
            return false;
        }
        begin = next + 1;
    }
    return true;
}

static bool check_bytes(url_parser *p)
{
    for (size_t i = 0; i < p->url.len; i++) {
        unsigned char c = (unsigned char)p->url.data[i];
        if (c <= ' ' || c == 0x7F) {
            return fail(p, i, "a blank or control character (write it as % and two digits)");
        }
        if (c == '#') {
            return fail(p, i, "'#' must be written as %23");
        }
    }
    return true;
}

static bool parse_scheme(url_parser *p, size_t *behind, bool *is_unix)
{
    size_t colon = find(p, 0, p->url.len, ':');
    srl__slice scheme = srl__slice_of(p->url.data, colon);
    if (colon == p->url.len) {
        return fail(p, 0, "no scheme like redis://");
    }
    *is_unix = scheme_is(scheme, "unix") || scheme_is(scheme, "redis+unix");
    p->config->tls = scheme_is(scheme, "rediss");
    if (!*is_unix && !p->config->tls && !scheme_is(scheme, "redis")) {
        return fail(p, 0, "the scheme is none of redis, rediss and unix");
    }
    *behind = colon + 1;
    return true;
}

static bool parse(url_parser *p)
{
    size_t at;
    bool is_unix;
    if (!check_bytes(p) || !parse_scheme(p, &at, &is_unix)) {
        return false;
    }
    size_t end = find(p, at, p->url.len, '?');
    bool slashes = p->url.len - at >= 2 && p->url.data[at] == '/' && p->url.data[at + 1] == '/';
    if (slashes) {
        size_t path = find(p, at + 2, end, '/');
        if (!parse_authority(p, at + 2, path, is_unix)) {
            return false;
        }
        at = path;
    } else if (!is_unix || at == p->url.len || p->url.data[at] != '/') {
        return fail(p, at, "\"//\" must follow the scheme");
    }
    return parse_path(p, at, end, is_unix) && parse_query(p, end < p->url.len ? end + 1 : end, p->url.len);
}

int srl__redis_url_parse(srl__redis_config *config, srl__slice url, const char **why, size_t *at)
{
    url_parser p = {.config = config, .url = url};
    if (url.len > MAX_URL) {
        *why = "longer than 65536 bytes";
        *at = MAX_URL;
        return SRL_ERR_REDIS_URL;
    }
    p.scratch = srl__alloc(&config->alloc, url.len + 1);
    if (p.scratch == NULL) {
        return SRL_ERR_NOMEM;
    }
    (void)parse(&p);
    memset(p.scratch, 0, url.len + 1);
    srl__free(&config->alloc, p.scratch, url.len + 1);
    *why = p.why;
    *at = p.at;
    return p.error;
}
