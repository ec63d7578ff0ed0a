#include "http.h"

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

static bool equals(const char *text, size_t len, const char *word)
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

static int interpret_headers(http_request *out)
{
    size_t hosts = 0;
    size_t lengths = 0;
    bool http11 = out->keep_alive;
    for (size_t i = 0; i < out->header_count; i++) {
        const ws_header *h = &out->headers[i];
        if (equals(h->name, h->name_len, "host")) {
            hosts++;
        } else if (equals(h->name, h->name_len, "transfer-encoding")) {
            out->has_body = true;
        } else if (equals(h->name, h->name_len, "content-length")) {
            lengths++;
            out->has_body = out->has_body || !equals(h->value, h->value_len, "0");
        } else if (equals(h->name, h->name_len, "connection")) {
            if (equals(h->value, h->value_len, "close"))
                out->keep_alive = false;
            else if (equals(h->value, h->value_len, "keep-alive"))
                out->keep_alive = true;
        }
    }
    return hosts > 1 || lengths > 1 || (http11 && hosts == 0) ? 400 : 0;
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

const char *http_status_text(int status)
{
    switch (status) {
    case 101:
        return "Switching Protocols";
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 426:
        return "Upgrade Required";
    case 431:
        return "Request Header Fields Too Large";
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

size_t http_write_head(char *out, size_t room, const http_response *response)
{
    char date[32];
    char entity[160] = "";
    format_date(response->now, date);
    if (response->type)
        snprintf(entity, sizeof entity, "Content-Type: %s\r\nContent-Length: %zu\r\nConnection: %s\r\n", response->type,
                 response->body_len, response->keep_alive ? "keep-alive" : "close");
    int n = snprintf(out, room, "HTTP/1.1 %d %s\r\nDate: %s\r\n%s%s\r\n", response->status,
                     http_status_text(response->status), date, entity, response->extra ? response->extra : "");
    return n > 0 && (size_t)n < room ? (size_t)n : 0;
}
