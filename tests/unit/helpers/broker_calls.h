/* The calls of a broker with simple arguments, and a copy of what they were answered. */
#ifndef SRL_TEST_BROKER_CALLS_H
#define SRL_TEST_BROKER_CALLS_H

#include "helpers/fake_node.h"

/* An operation and a copy of its answer. */
typedef struct srl_test_answer {
    srl_operation operation;
    int returned; /* by the function itself */
    int answers;  /* how often it was finished */
    int error;
    uint64_t offset;
    char epoch[24];
    uint32_t count;
    uint64_t offsets[64];
    char data[64][32];
    uint32_t user_sessions;
    uint32_t listed;
    uint32_t num_users;
    uint32_t num_sessions;
    struct {
        char user[32];
        char info[32];
        uint32_t sessions;
    } users[16];
    uint32_t session_count;
    struct {
        char client[40];
        char user[32];
        char info[32];
        char channel_info[32];
    } sessions[16];
    uint32_t name_count;
    uint32_t total;
    char names[64][32];
    char meta[64];
    bool is_repeat;
    /* Called within the finish, after the copy; may be NULL. */
    void (*then)(struct srl_test_answer *answer, const srl_broker_result *result);
    void *user;
} srl_test_answer;

/* Options that most tests use. */
srl_broker_channel srl_test_channel(const char *name, uint32_t history_size);
srl_publication srl_test_publication(const char *data);

/* Ready for a call; keeps `then` and `user`. */
void srl_test_answer_begin(srl_test_answer *answer);

/* Calls without waiting for the answer. */
void srl_test_subscribe(srl_test_node *node, const srl_broker_channel *channel, void *room, srl_test_answer *answer);
void srl_test_publish(srl_test_node *node, const srl_broker_channel *channel, int kind, const char *data,
                      srl_test_answer *answer);
void srl_test_publish_once(srl_test_node *node, const srl_broker_channel *channel, const char *key, const char *data,
                           srl_test_answer *answer);
void srl_test_nodes(srl_test_node *node, srl_test_answer *answer);
void srl_test_history(srl_test_node *node, const srl_broker_channel *channel, uint64_t since, const char *epoch,
                      uint32_t limit, bool reverse, srl_test_answer *answer);
void srl_test_history_remove(srl_test_node *node, const srl_broker_channel *channel, srl_test_answer *answer);
void srl_test_presence_add(srl_test_node *node, const srl_broker_channel *channel, const char *client, const char *user,
                           const char *info, srl_test_answer *answer);
/* The same, with something of its subscription. */
void srl_test_presence_show(srl_test_node *node, const srl_broker_channel *channel, const char *client,
                            const char *user, const char *info, const char *channel_info, srl_test_answer *answer);
void srl_test_presence_remove(srl_test_node *node, const srl_broker_channel *channel, const char *client,
                              const char *user, srl_test_answer *answer);
void srl_test_presence_list(srl_test_node *node, const srl_broker_channel *channel, uint32_t limit,
                            srl_test_answer *answer);
void srl_test_directory(srl_test_node *node, uint32_t verb, const char *channel, const char *user, const char *meta,
                        uint32_t limit, srl_test_answer *answer);
void srl_test_position_set(srl_test_node *node, const char *user, const char *channel, uint64_t offset,
                           const char *epoch, uint64_t ttl_ms, srl_test_answer *answer);
void srl_test_position_get(srl_test_node *node, const char *user, const char *channel, srl_test_answer *answer);
int srl_test_control(srl_test_node *node, const char *note);

#endif
