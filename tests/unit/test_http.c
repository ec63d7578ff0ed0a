/* The HTTP reader and writer of the examples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "http.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define H            "Host: x\r\n"

/* In memory of exactly its length, so that the sanitizer sees a read past the end. */
static int parse(const char *head, http_request *out, char **copy)
{
    size_t len = strlen(head);
    *copy = malloc(len);
    assert_non_null(*copy);
    memcpy(*copy, head, len);
    assert_int_equal(http_head_len(*copy, len, 0), len);
    return http_parse_head(*copy, len, out);
}

static void test_good_request(void **state)
{
    (void)state;
    http_request request;
    char *copy;
    assert_int_equal(
        parse("GET /a/b?c=d HTTP/1.1\r\nHost: x:80\r\nEmpty:\r\nSpaced: \t v w \t\r\n\r\n", &request, &copy), 0);
    assert_true(http_method_is(&request, "GET"));
    assert_false(http_method_is(&request, "GE"));
    assert_int_equal(request.path_len, 4);
    assert_memory_equal(request.path, "/a/b", 4);
    assert_true(request.keep_alive);
    assert_false(request.has_body);
    assert_int_equal(request.header_count, 3);
    assert_int_equal(request.headers[1].value_len, 0);
    assert_int_equal(request.headers[2].value_len, 3);
    assert_memory_equal(request.headers[2].value, "v w", 3);
    free(copy);
}

static void test_table(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        int status;
        int keep_alive;
        int has_body;
    } cases[] = {
        {"GET / HTTP/1.1\r\n" H "\r\n", 0, 1, 0},
        {"GET / HTTP/1.0\r\n\r\n", 0, 0, 0},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", 0, 1, 0},
        {"GET / HTTP/1.1\r\n" H "Connection: CLOSE\r\n\r\n", 0, 0, 0},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", 0, 1, 0},
        {"POST / HTTP/1.1\r\n" H "content-length: 7\r\n\r\n", 0, 1, 1},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 000\r\n\r\n", 0, 1, 0},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 999999999999999999\r\n\r\n", 0, 1, 1},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 1000000000000000000\r\n\r\n", 400, 0, 0},
        {"POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", 400, 0, 0},
        {"POST / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\n", 400, 0, 0},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 1,1\r\n\r\n", 400, 0, 0},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 0x1\r\n\r\n", 400, 0, 0},
        {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 0, 1, 1},
        {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", 0, 1, 1},
        {"GET / HTTP/1.1\r\n\r\n", 400, 0, 0},
        {"GET / HTTP/1.1\r\n" H H "\r\n", 400, 0, 0},
        {"GET / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400, 0, 0},
        {"\r\n\r\n", 400, 0, 0},
        {" / HTTP/1.1\r\n" H "\r\n", 400, 0, 0},
        {"GET\r\n" H "\r\n", 400, 0, 0},
        {"GET /\r\n" H "\r\n", 400, 0, 0},
        {"GET  / HTTP/1.1\r\n" H "\r\n", 400, 0, 0},
        {"GET / HTTP/1.1 \r\n" H "\r\n", 400, 0, 0},
        {"GET / http/1.1\r\n" H "\r\n", 400, 0, 0},
        {"GET * HTTP/1.1\r\n" H "\r\n", 400, 0, 0},
        {"GET x HTTP/1.1\r\n" H "\r\n", 400, 0, 0},
        {"GET /\x80 HTTP/1.1\r\n" H "\r\n", 400, 0, 0},
        {"GET /\t HTTP/1.1\r\n" H "\r\n", 400, 0, 0},
        {"GET / HTTP/1.2\r\n" H "\r\n", 505, 0, 0},
        {"GET / HTTP/3.0\r\n" H "\r\n", 505, 0, 0},
        {"GET / HTTP/1.1\r\n: v\r\n" H "\r\n", 400, 0, 0},
        {"GET / HTTP/1.1\r\nName\r\n" H "\r\n", 400, 0, 0},
        {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400, 0, 0},
        {"GET / HTTP/1.1\r\n" H " folded\r\n\r\n", 400, 0, 0},
        {"GET / HTTP/1.1\r\n" H "A: b\rc\r\n\r\n", 400, 0, 0},
        {"GET / HTTP/1.1\r\n" H "A: b\nc: d\r\n\r\n", 400, 0, 0},
        {"GET / HTTP/1.1\r\n" H "A: \x7f\r\n\r\n", 400, 0, 0},
        {"GET / HTTP/1.1\r\n" H "A: caf\xc3\xa9\r\n\r\n", 0, 1, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        http_request request;
        char *copy;
        int status = parse(cases[i].head, &request, &copy);
        if (status != cases[i].status)
            fail_msg("case %zu: %d instead of %d", i, status, cases[i].status);
        if (status == 0) {
            assert_int_equal(request.keep_alive, cases[i].keep_alive);
            assert_int_equal(request.has_body, cases[i].has_body);
        }
        free(copy);
    }
}

static void test_many_headers(void **state)
{
    (void)state;
    for (size_t count = HTTP_MAX_HEADERS - 1; count <= HTTP_MAX_HEADERS + 1; count++) {
        char head[4096] = "GET / HTTP/1.1\r\n" H;
        size_t len = strlen(head);
        for (size_t i = 1; i < count; i++, len += 6)
            memcpy(head + len, "A: b\r\n", 7);
        memcpy(head + len, "\r\n", 3);
        http_request request;
        char *copy;
        assert_int_equal(parse(head, &request, &copy), count <= HTTP_MAX_HEADERS ? 0 : 431);
        free(copy);
    }
}

static void test_head_len_at_every_cut(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\nA: \r\n\r\nGET /next";
    size_t end = strlen(text) - strlen("GET /next");
    for (size_t seen = 0; seen < sizeof text; seen++) {
        for (size_t len = seen; len < sizeof text; len++) {
            size_t expected = len >= end ? end : 0;
            if (seen < end) /* what was seen held no whole head */
                assert_int_equal(http_head_len(text, len, seen), expected);
        }
    }
    assert_int_equal(http_head_len("\r\n\r\n", 4, 0), 4);
    assert_int_equal(http_head_len("\r\r\n\r\n", 5, 0), 5);
    assert_int_equal(http_head_len("", 0, 0), 0);
}

static void test_write_head(void **state)
{
    (void)state;
    char out[HTTP_HEAD_MAX];
    http_response response = {
        .status = 200, .type = "text/plain", .extra = "X: y\r\n", .body_len = 12, .keep_alive = true, .now = 784111777};
    static const char expected[] = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                                   "Content-Type: text/plain\r\nContent-Length: 12\r\nConnection: keep-alive\r\n"
                                   "X: y\r\n\r\n";
    size_t len = http_write_head(out, sizeof out, &response);
    assert_string_equal(out, expected);
    assert_int_equal(len, strlen(expected));
    assert_int_equal(http_write_head(out, len, &response), 0);
    assert_int_equal(http_write_head(out, len + 1, &response), len);
    assert_string_equal(http_status_text(418), "Error");
}

#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

static void test_write_head_of_other_bodies(void **state)
{
    (void)state;
    char out[HTTP_HEAD_MAX];
    http_response chunks = {.status = 200, .type = "a/b", .now = 784111777, .is_chunked = true};
    http_response endless = {.status = 200, .type = "a/b", .now = 784111777, .is_endless = true};
    http_response none = {.status = 204, .keep_alive = true, .now = 784111777};
    http_response upgrade = {.status = 101, .extra = "Connection: Upgrade\r\n", .now = 784111777};
    assert_true(http_write_head(out, sizeof out, &chunks) > 0);
    assert_string_equal(out, "HTTP/1.1 200 OK\r\n" DATE "Content-Type: a/b\r\nTransfer-Encoding: chunked\r\n"
                             "Connection: close\r\n\r\n");
    assert_true(http_write_head(out, sizeof out, &endless) > 0);
    assert_string_equal(out, "HTTP/1.1 200 OK\r\n" DATE "Content-Type: a/b\r\nConnection: close\r\n\r\n");
    assert_true(http_write_head(out, sizeof out, &none) > 0);
    assert_string_equal(out, "HTTP/1.1 204 No Content\r\n" DATE "Connection: keep-alive\r\n\r\n");
    assert_true(http_write_head(out, sizeof out, &upgrade) > 0);
    assert_string_equal(out, "HTTP/1.1 101 Switching Protocols\r\n" DATE "Connection: Upgrade\r\n\r\n");
}

static void test_parts_of_a_request(void **state)
{
    (void)state;
    http_request request;
    char *copy;
    assert_int_equal(
        parse("POST /a?b=c&d?e HTTP/1.0\r\nContent-Length: 65536\r\nX-Key: 1\r\nx-key: 2\r\n\r\n", &request, &copy), 0);
    assert_int_equal(request.path_len, 2);
    assert_int_equal(request.query_len, 7);
    assert_memory_equal(request.query, "b=c&d?e", 7);
    assert_true(request.content_length == 65536);
    assert_true(request.is_http10);
    assert_false(request.is_chunked);
    const ws_header *key = http_header(&request, "x-key");
    assert_non_null(key);
    assert_memory_equal(key->value, "1", 1);
    assert_null(http_header(&request, "x-ke"));
    free(copy);
    assert_int_equal(
        parse("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", &request, &copy), 0);
    assert_true(request.is_chunked);
    assert_true(request.content_length == 0);
    assert_int_equal(request.query_len, 0);
    free(copy);
}

static int query(const char *text, const char *name, char out[16])
{
    size_t len = strlen(text);
    char *copy = malloc(len + (len == 0));
    assert_non_null(copy);
    memcpy(copy, text, len);
    int result = http_query_get(copy, len, name, out, 16);
    free(copy);
    return result;
}

static void test_query(void **state)
{
    (void)state;
    char out[16];
    assert_int_equal(query("a=1&b=x%20y+z&c=", "b", out), 5);
    assert_string_equal(out, "x y z");
    assert_int_equal(query("ab=1&a=%7B%22%c3%A4%22%7d", "a", out), 6);
    assert_string_equal(out, "{\"\xc3\xa4\"}");
    assert_int_equal(query("a=1&a=2", "a", out), 1);
    assert_string_equal(out, "1");
    assert_int_equal(query("c=&a=1", "c", out), 0);
    assert_string_equal(out, "");
    assert_int_equal(query("a=b=c", "a", out), 3);
    assert_int_equal(query("a=123456789012345", "a", out), 15);
    static const char *const bad[] = {"",   "&", "a", "b=1", "a=%", "a=%4", "a=%4g", "a=%00", "a=1234567890123456",
                                      "A=1"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(query(bad[i], "a", out), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_request),       cmocka_unit_test(test_table),
        cmocka_unit_test(test_many_headers),       cmocka_unit_test(test_head_len_at_every_cut),
        cmocka_unit_test(test_write_head),         cmocka_unit_test(test_write_head_of_other_bodies),
        cmocka_unit_test(test_parts_of_a_request), cmocka_unit_test(test_query),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
