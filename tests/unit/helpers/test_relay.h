/* A relay with clients around it, for tests: a fake clock, seeded randomness, an allocator that counts and fails on
 * demand, hooks that answer or keep their questions, and transports that record what they are given and abort when the
 * library breaks its contract with them. */
#ifndef SRL_TEST_RELAY_H
#define SRL_TEST_RELAY_H

#include <streamrelay/streamrelay.h>

#include "helpers/fail_alloc.h"
#include "helpers/fake_platform.h"

#include <stdbool.h>

enum { TEST_RELAY_REQUESTS = 64 };

/* Bits of test_relay.hooks and test_relay.hold. */
enum { TEST_CONNECT = 1 << SRL_REQUEST_CONNECT, TEST_SUBSCRIBE = 1 << SRL_REQUEST_SUBSCRIBE };
enum { TEST_PUBLISH = 1 << SRL_REQUEST_PUBLISH, TEST_RPC = 1 << SRL_REQUEST_RPC };
enum { TEST_REFRESH = 1 << SRL_REQUEST_REFRESH, TEST_SUB_REFRESH = 1 << SRL_REQUEST_SUB_REFRESH };
enum { TEST_MESSAGE = 1 << SRL_REQUEST_MESSAGE };
enum { TEST_PRESENCE = 1 << SRL_REQUEST_PRESENCE, TEST_HISTORY = 1 << SRL_REQUEST_HISTORY };

typedef struct test_client test_client;
typedef struct test_relay test_relay;

struct test_relay {
    srl_relay *relay; /* NULL once destroyed */
    srl_options *options;
    fake_platform platform;
    srl_test_alloc memory;
    unsigned hooks;                                        /* which hooks to set; connect unless told */
    void (*survey)(srl_question *question, void *home);    /* the survey hook; none unless told */
    unsigned hold;                                         /* questions of these kinds are kept */
    void (*asked)(test_relay *home, srl_request *request); /* instead of answering or keeping */
    srl_request *requests[TEST_RELAY_REQUESTS];            /* kept, oldest first */
    unsigned request_count;
    unsigned questions; /* asked so far */
    test_client *clients;
    int protocol;        /* of sessions opened from now on; native unless told */
    uint32_t transport;  /* flags of their transports */
    void *user;          /* the test's own */
};

struct test_client {
    test_relay *home;
    test_client *next;
    srl_session *session; /* NULL once given back */
    char **frames;
    size_t frame_count;
    size_t frame_next; /* the first one not read yet */
    size_t frame_capacity;
    unsigned writes;
    unsigned last_write; /* frames offered by the last write */
    size_t take;         /* a write takes at most this many; SIZE_MAX: all */
    bool breaks;         /* a write says that the connection is broken */
    bool blocked;        /* took too little */
    bool writing;        /* a write is under way */
    bool ended;          /* close was called, or a write said that it is broken */
    bool gives_back;     /* in close */
    unsigned closes;     /* calls of close */
    uint32_t close_code; /* given to close */
    char close_reason[124];
    char id[SRL_CLIENT_ID_LEN + 1];
    uint64_t last_id;                      /* of a command */
    void (*on_write)(test_client *client); /* before a write takes anything */
    void (*on_close)(test_client *client);
    bool keeps; /* a reference to each frame, until the relay's end */
    srl_frame **kept;
    size_t kept_count;
    void *user; /* the test's own */
};

/* Set hooks, hold, asked and options between these two. Options follow as name, value, ..., NULL. */
void test_relay_init(test_relay *home);
int test_relay_start(test_relay *home, ...);

/* Both. */
#define TEST_RELAY(home, ...) (test_relay_init(home), test_relay_start((home), __VA_ARGS__))

/* Destroy the relay, give all handles back, answer what was kept, and abort if any memory is left. */
void test_relay_end(test_relay *home);

void test_relay_destroy(test_relay *home);
/* Process until there is nothing left. */
void test_relay_process(test_relay *home);
/* Move the clock and process. */
void test_relay_advance(test_relay *home, uint64_t ms);
/* Publish as the host. */
int test_relay_publish(test_relay *home, const char *channel, const char *data);
/* The oldest kept question, for the test to answer; NULL if there is none. */
srl_request *test_relay_request(test_relay *home);

/* NULL if the session could not be opened. Freed by test_relay_end. */
test_client *test_client_open(test_relay *home);
int test_client_send(test_client *client, const char *text);
int test_client_sendf(test_client *client, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The command of one type with an id of its own; data may be NULL. */
int test_client_command(test_client *client, const char *type, const char *channel, const char *data);
/* Open and connect as that user, and read the reply. */
test_client *test_client_enter(test_relay *home, const char *user);
/* Subscribe, and read the reply. False if it is not a success. */
bool test_client_subscribe(test_client *client, const char *channel);
/* The transport can take all again. */
void test_client_unblock(test_client *client);
/* The transport is gone. */
void test_client_leave(test_client *client);
/* The next frame not read yet; NULL if there is none. */
const char *test_client_read(test_client *client);
void test_client_skip(test_client *client);

/* Whether text is pattern, in which each * stands for any run of characters. */
bool test_text_matches(const char *pattern, const char *text);

#endif
