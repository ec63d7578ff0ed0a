/* Publications that are acknowledged only when replicas have them: WAIT, once per turn for all that were answered. */
#include <stdio.h>

#include <streamrelay/error.h>

#include "broker/redis_node.h"
#include "redis/reply.h"

typedef struct unconfirmed {
    srl__list link;
    srl_operation *operation;
    srl__redis_cursor at;
    bool is_repeat;
} unconfirmed;

/* What one WAIT is asked for. */
typedef struct question {
    srl__redis_node *node;
    srl__list answers;
} question;

static void confirm(srl__redis_node *node, unconfirmed *answer, int error)
{
    srl_operation *operation = answer->operation;
    char text[SRL__REDIS_CURSOR_TEXT];
    srl__slice epoch = answer->at.epoch != 0 ? srl__redis_epoch_text(answer->at, text) : srl__slice_of("", 0);
    srl_broker_result result = {
        .size = sizeof(result),
        .error = error,
        .offset = answer->at.offset,
        .epoch = epoch.data,
        .epoch_len = epoch.len,
        .meta = "",
        .is_repeat = answer->is_repeat,
    };
    srl__free(srl__redis_node_alloc(node), answer, sizeof(*answer));
    if (!node->is_detached) {
        srl_operation_finish(operation, &result);
    }
}

static void confirm_all(srl__redis_node *node, srl__list *answers, int error)
{
    srl__list *link;
    while ((link = srl__list_take_first(answers)) != NULL) {
        confirm(node, SRL__CONTAINER(link, unconfirmed, link), error);
    }
}

bool srl__redis_replicas_hold(srl__redis_node *node, srl_operation *operation, srl__redis_cursor at, bool is_repeat)
{
    unconfirmed *answer;
    if (node->broker->config.wait_replicas == 0 || operation == NULL) {
        return false;
    }
    answer = srl__alloc_zeroed(srl__redis_node_alloc(node), sizeof(*answer));
    if (answer == NULL) {
        srl_broker_result unknown = {
            .size = sizeof(unknown), .error = SRL_ERR_OUTCOME_UNKNOWN, .epoch = "", .meta = ""};
        srl_operation_finish(operation, &unknown);
        return true;
    }
    srl__list_init(&answer->link);
    answer->operation = operation;
    answer->at = at;
    answer->is_repeat = is_repeat;
    srl__list_append(&node->unconfirmed, &answer->link);
    return true;
}

static void waited(int error, const srl_reply *reply, void *user)
{
    question *asked = user;
    srl__redis_node *node = asked->node;
    int64_t replicas = 0;
    bool is_safe = error == SRL_OK && srl_reply_i64(reply, SRL_REPLY_ROOT, &replicas) == SRL_OK &&
                   replicas >= (int64_t)node->broker->config.wait_replicas;
    srl__redis_node_enter(node);
    confirm_all(node, &asked->answers, is_safe ? SRL_OK : SRL_ERR_OUTCOME_UNKNOWN);
    srl__free(srl__redis_node_alloc(node), asked, sizeof(*asked));
    srl__redis_node_leave(node);
}

static int ask(srl__redis_node *node, question *asked)
{
    const srl_redis_broker_config *config = &node->broker->config;
    char replicas[16];
    char ms[24];
    const char *const words[] = {"WAIT", replicas, ms};
    (void)snprintf(replicas, sizeof(replicas), "%u", (unsigned)config->wait_replicas);
    (void)snprintf(ms, sizeof(ms), "%llu", (unsigned long long)config->wait_replicas_ms);
    return srl_redis_client_command(node->client, 3, words, NULL, SRL_REDIS_NO_WAIT,
                                    config->wait_replicas_ms + node->broker->redis->command_timeout, waited, asked,
                                    NULL);
}

void srl__redis_replicas_ask(srl__redis_node *node)
{
    question *asked;
    if (srl__list_is_empty(&node->unconfirmed)) {
        return;
    }
    asked = srl__alloc_zeroed(srl__redis_node_alloc(node), sizeof(*asked));
    if (asked == NULL) {
        return; /* at the end of the next turn, perhaps */
    }
    asked->node = node;
    srl__list_init(&asked->answers);
    srl__list_append_all(&asked->answers, &node->unconfirmed);
    if (ask(node, asked) != SRL_OK) {
        confirm_all(node, &asked->answers, SRL_ERR_OUTCOME_UNKNOWN);
        srl__free(srl__redis_node_alloc(node), asked, sizeof(*asked));
    }
}

void srl__redis_replicas_free(srl__redis_node *node)
{
    confirm_all(node, &node->unconfirmed, SRL_ERR_CANCELLED);
}
