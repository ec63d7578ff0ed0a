/*
 * http.h - as much of HTTP/1.1 as a small server needs, without any I/O: read the head of a request, write the head
 * of a response. Strict where leniency has been exploited: white space, line ends and repeated lengths.
 */
#ifndef EXAMPLES_HTTP_H
#define EXAMPLES_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "websocket.h"

#define HTTP_MAX_HEADERS 64
#define HTTP_HEAD_MAX    1024 /* room for the head of a response */

/* A request; pointers are into the bytes it was read from. */
typedef struct http_request {
    const char *method;
    size_t method_len;
    const char *path; /* without the query */
    size_t path_len;
    bool keep_alive;
    bool has_body;
    ws_header headers[HTTP_MAX_HEADERS];
    size_t header_count;
} http_request;

/** Length of the head (with its empty line) if it is complete, else 0. `seen` bytes were looked at before. */
size_t http_head_len(const char *data, size_t len, size_t seen);

/** Read a complete head. 0, or the status to answer with: 400, 431 (too many headers), 505. */
int http_parse_head(const char *head, size_t len, http_request *out);

/** Whether the method is this one. Methods are case-sensitive. */
bool http_method_is(const http_request *request, const char *method);

/** Standard phrase of a status. */
const char *http_status_text(int status);

typedef struct http_response {
    int status;
    const char *type;  /* media type, NULL: no body is announced */
    const char *extra; /* more header lines, each with CRLF; may be NULL */
    size_t body_len;
    bool keep_alive;
    uint64_t now; /* seconds since 1970, for the Date header */
} http_response;

/** Write a head; its length, or 0 if it does not fit. */
size_t http_write_head(char *out, size_t room, const http_response *response);

#endif
