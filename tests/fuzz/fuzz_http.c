/* The HTTP request reader: what it accepts lies inside the head and is clean. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

static void check_inside(const char *head, size_t len, const char *text, size_t text_len)
{
    REQUIRE(text >= head && text_len <= len && (size_t)(text - head) <= len - text_len);
    for (size_t i = 0; i < text_len; i++)
        REQUIRE(text[i] != '\r' && text[i] != '\n' && text[i] != '\0');
}

static void check_request(const char *head, size_t len, const http_request *request)
{
    check_inside(head, len, request->method, request->method_len);
    check_inside(head, len, request->path, request->path_len);
    check_inside(head, len, request->query, request->query_len);
    char value[16];
    int value_len = http_query_get(request->query, request->query_len, "a", value, sizeof value);
    REQUIRE(value_len < (int)sizeof value && (value_len < 0 || strlen(value) == (size_t)value_len));
    REQUIRE(request->has_body == (request->is_chunked || request->content_length > 0));
    REQUIRE(request->method_len > 0 && request->path_len > 0 && request->path[0] == '/');
    REQUIRE(request->header_count <= HTTP_MAX_HEADERS);
    for (size_t i = 0; i < request->header_count; i++) {
        check_inside(head, len, request->headers[i].name, request->headers[i].name_len);
        check_inside(head, len, request->headers[i].value, request->headers[i].value_len);
        REQUIRE(request->headers[i].name_len > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1);
    REQUIRE(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    size_t len = http_head_len(copy, size, 0);
    REQUIRE(len <= size);
    if (len > 0) {
        http_request request;
        int status = http_parse_head(copy, len, &request);
        REQUIRE(status == 0 || status == 400 || status == 431 || status == 505);
        if (status == 0)
            check_request(copy, len, &request);
    }
    free(copy);
    return 0;
}
