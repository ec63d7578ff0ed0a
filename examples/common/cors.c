#include "cors.h"

#include <stdio.h>
#include <string.h>

#define MAX_ORIGIN  255
#define MAX_HEADERS 256 /* names of headers that a browser asks for */

bool cors_check(const http_request *request, const char *const *allowed, size_t allowed_count, char out[CORS_SIZE])
{
    const ws_header *origin = http_header(request, "origin");
    const ws_header *host = http_header(request, "host");
    const ws_header *wanted = http_header(request, "access-control-request-headers");
    out[0] = '\0';
    if (!origin)
        return true;
    if (origin->value_len > MAX_ORIGIN || !ws_origin_allowed(origin->value, origin->value_len, host ? host->value : "",
                                                             host ? host->value_len : 0, allowed, allowed_count))
        return false;
    int len =
        snprintf(out, CORS_SIZE,
                 "Access-Control-Allow-Origin: %.*s\r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n",
                 (int)origin->value_len, origin->value);
    if (wanted && wanted->value_len > 0 && wanted->value_len <= MAX_HEADERS)
        snprintf(out + len, CORS_SIZE - (size_t)len, "Access-Control-Allow-Headers: %.*s\r\n", (int)wanted->value_len,
                 wanted->value);
    return true;
}
