/* What a test client must have been sent; for tests with cmocka, which has to be included before. */
#ifndef SRL_TEST_SEE_H
#define SRL_TEST_SEE_H

#include <inttypes.h>

#include "helpers/test_relay.h"

static inline void see_frame(test_client *client, const char *pattern, const char *file, int line)
{
    const char *text = test_client_read(client);

    if (text == NULL || !test_text_matches(pattern, text)) {
        print_error("expected %s\nfound    %s\n", pattern, text == NULL ? "nothing" : text);
        _fail(file, line);
    }
}

static inline void see_no_frame(test_client *client, const char *file, int line)
{
    const char *text = test_client_read(client);

    if (text != NULL) {
        print_error("expected nothing\nfound    %s\n", text);
        _fail(file, line);
    }
}

static inline void see_close(test_client *client, uint32_t code, const char *reason, const char *file, int line)
{
    if (client->closes != 1 || client->close_code != code || !test_text_matches(reason, client->close_reason)) {
        print_error("expected to be closed with %" PRIu32 " %s\nfound    %u times, %" PRIu32 " %s\n", code, reason,
                    client->closes, client->close_code, client->close_reason);
        _fail(file, line);
    }
}

/* The next frame is this; * stands for anything. */
#define see(client, pattern) see_frame((client), (pattern), __FILE__, __LINE__)
/* There is no further frame. */
#define see_nothing(client) see_no_frame((client), __FILE__, __LINE__)
/* The transport was closed, once, with this. */
#define see_closed(client, code, reason) see_close((client), (code), (reason), __FILE__, __LINE__)

#endif
