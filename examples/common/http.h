/*
 * http.h - as much of HTTP/1.1 as a small server needs, without any I/O: read the head of a request, write the head
 * of a response, look into a query. Strict where leniency has been exploited: white space, line ends and repeated
 * lengths.
 */
#ifndef EXAMPLES_HTTP_H
#define EXAMPLES_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "websocket.h"

#define HTTP_MAX_HEADERS 64
#define HTTP_HEAD_MAX    2048 /* room for the head of a response */

/* A request; pointers are into the bytes it was read from. */
typedef struct http_request {
    const char *method;
    size_t method_len;
    const char *path; /* without the query */
    size_t path_len;
    const char *query; /* behind the '?'; empty if there is none */
    size_t query_len;
    uint64_t content_length; /* 0 without that header, and for a body in chunks */
    bool keep_alive;
    bool has_body;
    bool is_chunked; /* the body, if there is one, has Transfer-Encoding */
    bool is_http10;
    ws_header headers[HTTP_MAX_HEADERS];
    size_t header_count;
} http_request;

/** Length of the head (with its empty line) if it is complete, else 0. `seen` bytes were looked at before. */
size_t http_head_len(const char *data, size_t len, size_t seen);

/** Read a complete head. 0, or the status to answer with: 400, 431 (too many headers), 505. */
int http_parse_head(const char *head, size_t len, http_request *out);

/** Whether the method is this one. Methods are case-sensitive. */
bool http_method_is(const http_request *request, const char *method);

/** Whether a text is this word, in whatever letters; the word is given in small ones. */
bool http_equals(const char *text, size_t len, const char *word);

/** The first header of this name, which is given in small letters; NULL if there is none. */
const ws_header *http_header(const http_request *request, const char *name);

/**
 * The value of a parameter of a query, with %XX and '+' decoded and a terminating zero.
 *
 * @return its length; -1 if there is none of that name, if it is not well coded (a zero counts as that), or if it does
 *         not fit
 */
int http_query_get(const char *query, size_t query_len, const char *name, char *out, size_t size);

/** Standard phrase of a status. */
const char *http_status_text(int status);

typedef struct http_response {
    int status;
    const char *type;  /* media type; NULL: there is no body */
    const char *extra; /* more header lines, each with CRLF; may be NULL */
    size_t body_len;
    bool keep_alive;
    uint64_t now;    /* seconds since 1970, for the Date header */
    bool is_chunked; /* the body comes in chunks, body_len is not known */
    bool is_endless; /* the body ends with the connection, body_len is not known */
} http_response;

/** Write a head; its length, or 0 if it does not fit. */
size_t http_write_head(char *out, size_t room, const http_response *response);

#endif
