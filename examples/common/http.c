#include "http.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

size_t http_head_len(const char *data, size_t len, size_t seen)
{
    size_t at = seen > 3 ? seen - 3 : 0;
    while (at + 4 <= len) {
        const char *cr = memchr(data + at, '\r', len - at - 3);
        if (!cr)
            return 0;
        at = (size_t)(cr - data);
        if (memcmp(cr, "\r\n\r\n", 4) == 0)
            return at + 4;
        at++;
    }
    return 0;
}

static bool is_token_char(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static size_t token_len(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len && is_token_char(text[at]))
        at++;
    return at;
}

static bool parse_version(const char *text, size_t len, http_request *out, int *status)
{
    if (len != 8 || memcmp(text, "HTTP/", 5) != 0 || text[6] != '.') {
        *status = 400;
        return false;
    }
    if (text[5] != '1' || (text[7] != '0' && text[7] != '1')) {
        *status = 505;
        return false;
    }
    out->keep_alive = text[7] == '1';
    out->is_http10 = text[7] == '0';
    return true;
}

static int parse_request_line(const char *line, size_t len, http_request *out)
{
    int status = 0;
    size_t method = token_len(line, len);
    if (method == 0 || method == len || line[method] != ' ')
        return 400;
    const char *target = line + method + 1;
    size_t rest = len - method - 1;
    const char *space = memchr(target, ' ', rest);
    if (!space || target[0] != '/')
        return 400;
    size_t target_len = (size_t)(space - target);
    for (size_t i = 0; i < target_len; i++) {
        if (target[i] < 0x21 || target[i] > 0x7E)
            return 400;
    }
    if (!parse_version(space + 1, rest - target_len - 1, out, &status))
        return status;
    const char *query = memchr(target, '?', target_len);
    out->method = line;
    out->method_len = method;
    out->path = target;
    out->path_len = query ? (size_t)(query - target) : target_len;
    out->query = query ? query + 1 : target + target_len;
    out->query_len = (size_t)(target + target_len - out->query);
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static int parse_header(const char *line, size_t len, http_request *out)
{
    size_t name = token_len(line, len);
    if (name == 0 || name == len || line[name] != ':')
        return 400;
    if (out->header_count == HTTP_MAX_HEADERS)
        return 431;
    const char *value = line + name + 1;
    size_t value_len = len - name - 1;
    while (value_len > 0 && is_blank(value[0])) {
        value++;
        value_len--;
    }
    while (value_len > 0 && is_blank(value[value_len - 1]))
        value_len--;
    for (size_t i = 0; i < value_len; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c < 0x20 && c != '\t') || c == 0x7F)
            return 400;
    }
    out->headers[out->header_count++] = (ws_header){line, name, value, value_len};
    return 0;
}

bool http_equals(const char *text, size_t len, const char *word)
{
    if (len != strlen(word))
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
        if (c != word[i])
            return false;
    }
    return true;
}

/* Digits and nothing else, and not so many that they could not be counted. */
static bool parse_length(const ws_header *header, uint64_t *out)
{
    *out = 0;
    if (header->value_len == 0 || header->value_len > 18)
        return false;
    for (size_t i = 0; i < header->value_len; i++) {
        char c = header->value[i];
        if (c < '0' || c > '9')
            return false;
        *out = *out * 10 + (uint64_t)(c - '0');
    }
    return true;
}

static int interpret_headers(http_request *out)
{
    size_t hosts = 0;
    size_t lengths = 0;
    for (size_t i = 0; i < out->header_count; i++) {
        const ws_header *h = &out->headers[i];
        if (http_equals(h->name, h->name_len, "host")) {
            hosts++;
        } else if (http_equals(h->name, h->name_len, "transfer-encoding")) {
            out->is_chunked = true;
        } else if (http_equals(h->name, h->name_len, "content-length")) {
            if (!parse_length(h, &out->content_length))
                return 400;
            lengths++;
        } else if (http_equals(h->name, h->name_len, "connection")) {
            if (http_equals(h->value, h->value_len, "close"))
                out->keep_alive = false;
            else if (http_equals(h->value, h->value_len, "keep-alive"))
                out->keep_alive = true;
        }
    }
    if (out->is_chunked)
        out->content_length = 0;
    out->has_body = out->is_chunked || out->content_length > 0;
    return hosts > 1 || lengths > 1 || (!out->is_http10 && hosts == 0) ? 400 : 0;
}
int http_parse_head(const char *head, size_t len, http_request *out)
{
    const char *line = head;
    const char *end = head + len - 2; /* before the empty line */
    int status = 0;

    memset(out, 0, sizeof *out);
    while (line < end && status == 0) {
        const char *cr = memchr(line, '\r', (size_t)(end - line));
        if (!cr || cr[1] != '\n')
            return 400;
        if (line == head)
            status = parse_request_line(line, (size_t)(cr - line), out);
        else
            status = parse_header(line, (size_t)(cr - line), out);
        line = cr + 2;
    }
    if (status != 0)
        return status;
    return out->method ? interpret_headers(out) : 400;
}

bool http_method_is(const http_request *request, const char *method)
{
    return request->method_len == strlen(method) && memcmp(request->method, method, request->method_len) == 0;
}

const ws_header *http_header(const http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        const ws_header *h = &request->headers[i];
        if (http_equals(h->name, h->name_len, name))
            return h;
    }
    return NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The next character of a coded text, which moves on; -1 if it is none. */
static int decode_char(const char **at, const char *end)
{
    char c = *(*at)++;
    if (c == '+')
        return ' ';
    if (c != '%')
        return (unsigned char)c;
    if (end - *at < 2 || hex_digit((*at)[0]) < 0 || hex_digit((*at)[1]) < 0)
        return -1;
    int value = hex_digit((*at)[0]) * 16 + hex_digit((*at)[1]);
    *at += 2;
    return value == 0 ? -1 : value;
}

static int decode(const char *at, const char *end, char *out, size_t size)
{
    size_t len = 0;
    while (at < end) {
        int c = decode_char(&at, end);
        if (c < 0 || len + 1 >= size || len >= INT_MAX)
            return -1;
        out[len++] = (char)c;
    }
    out[len] = '\0';
    return (int)len;
}

int http_query_get(const char *query, size_t query_len, const char *name, char *out, size_t size)
{
    const char *end = query + query_len;
    size_t name_len = strlen(name);
    while (query < end) {
        const char *next = memchr(query, '&', (size_t)(end - query));
        const char *last = next ? next : end;
        if ((size_t)(last - query) > name_len && query[name_len] == '=' && memcmp(query, name, name_len) == 0)
            return decode(query + name_len + 1, last, out, size);
        query = next ? next + 1 : end;
    }
    return -1;
}

const char *http_status_text(int status)
{
    switch (status) {
    case 101:
        return "Switching Protocols";
    case 200:
        return "OK";
    case 204:
        return "No Content";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 411:
        return "Length Required";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 426:
        return "Upgrade Required";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Error";
    }
}

/* IMF-fixdate, whatever the locale. */
static void format_date(uint64_t now, char out[32])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)now;
    struct tm tm;
    if (!gmtime_r(&seconds, &tm))
        memset(&tm, 0, sizeof tm);
    snprintf(out, 32, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days + 3 * (tm.tm_wday % 7),
             (unsigned)tm.tm_mday % 100, months + 3 * (tm.tm_mon % 12), (unsigned)(tm.tm_year + 1900) % 10000,
             (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}

/* The lines that say how the response ends. */
static void format_entity(const http_response *response, char *out, size_t size)
{
    char length[64] = "";
    if (response->is_chunked)
        snprintf(length, sizeof length, "Transfer-Encoding: chunked\r\n");
    else if (!response->is_endless)
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", response->body_len);
    if (response->type)
        snprintf(out, size, "Content-Type: %s\r\n%s", response->type, length);
    else
        out[0] = '\0';
}

size_t http_write_head(char *out, size_t room, const http_response *response)
{
    char date[32];
    char entity[192];
    const char *connection = response->keep_alive ? "Connection: keep-alive\r\n" : "Connection: close\r\n";
    format_date(response->now, date);
    format_entity(response, entity, sizeof entity);
    int n = snprintf(out, room, "HTTP/1.1 %d %s\r\nDate: %s\r\n%s%s%s\r\n", response->status,
                     http_status_text(response->status), date, entity, response->status == 101 ? "" : connection,
                     response->extra ? response->extra : "");
    return n > 0 && (size_t)n < room ? (size_t)n : 0;
}
