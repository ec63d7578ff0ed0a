#include "helpers/broker_calls.h"

#include <streamrelay/session.h>

srl_broker_channel srl_test_channel(const char *name, uint32_t history_size)
{
    return (srl_broker_channel){
        .size = sizeof(srl_broker_channel), .history_size = history_size, .name = name, .name_len = strlen(name)};
}

srl_publication srl_test_publication(const char *data)
{
    return (srl_publication){.size = sizeof(srl_publication), .data = data, .data_len = strlen(data)};
}

static void copy_text(char *out, size_t capacity, const char *text, size_t len)
{
    size_t n = len < capacity - 1 ? len : capacity - 1;
    if (n > 0) {
        memcpy(out, text, n);
    }
    out[n] = '\0';
}

static void copy_presence(srl_test_answer *answer, const srl_presence *presence)
{
    answer->num_users = presence->num_users;
    answer->num_sessions = presence->num_sessions;
    for (uint32_t i = 0; i < presence->count && i < 16; i++) {
        const srl_presence_user *user = &presence->users[i];
        copy_text(answer->users[i].user, sizeof(answer->users[i].user), user->user, user->user_len);
        copy_text(answer->users[i].info, sizeof(answer->users[i].info), user->info, user->info_len);
        answer->users[i].sessions = user->sessions;
    }
    answer->listed = presence->count;
    for (uint32_t i = 0; i < presence->session_count && i < 16; i++) {
        const srl_presence_session *session = &presence->sessions[i];
        copy_text(answer->sessions[i].client, sizeof(answer->sessions[i].client), session->client, session->client_len);
        copy_text(answer->sessions[i].user, sizeof(answer->sessions[i].user), session->user, session->user_len);
        copy_text(answer->sessions[i].info, sizeof(answer->sessions[i].info), session->info, session->info_len);
        copy_text(answer->sessions[i].channel_info, sizeof(answer->sessions[i].channel_info), session->channel_info,
                  session->channel_info_len);
    }
    answer->session_count = presence->session_count;
}

static void on_answer(srl_operation *operation, const srl_broker_result *result)
{
    srl_test_answer *answer = (srl_test_answer *)(void *)operation;
    answer->answers++;
    answer->error = result->error;
    answer->offset = result->offset;
    copy_text(answer->epoch, sizeof(answer->epoch), result->epoch, result->epoch_len);
    answer->count = result->publication_count;
    for (uint32_t i = 0; i < result->publication_count && i < 64; i++) {
        const srl_publication *publication = &result->publications[i];
        answer->offsets[i] = publication->offset;
        copy_text(answer->data[i], sizeof(answer->data[i]), publication->data, publication->data_len);
    }
    answer->user_sessions = result->user_sessions;
    answer->is_repeat = result->is_repeat != 0;
    answer->name_count = result->name_count;
    answer->total = result->total;
    for (uint32_t i = 0; i < result->name_count && i < 64; i++) {
        copy_text(answer->names[i], sizeof(answer->names[i]), result->names[i].data, result->names[i].len);
    }
    copy_text(answer->meta, sizeof(answer->meta), result->meta, result->meta_len);
    if (result->presence != NULL) {
        copy_presence(answer, result->presence);
    }
    if (answer->then != NULL) {
        answer->then(answer, result);
    }
}

void srl_test_answer_begin(srl_test_answer *answer)
{
    void (*then)(srl_test_answer *, const srl_broker_result *) = answer->then;
    void *user = answer->user;
    *answer = (srl_test_answer){.operation = {.done = on_answer}, .then = then, .user = user};
}

void srl_test_subscribe(srl_test_node *node, const srl_broker_channel *channel, void *room, srl_test_answer *answer)
{
    srl_test_answer_begin(answer);
    answer->returned = node->ops->subscribe(node->link, channel, room, &answer->operation);
}

void srl_test_publish(srl_test_node *node, const srl_broker_channel *channel, int kind, const char *data,
                      srl_test_answer *answer)
{
    srl_publication publication = srl_test_publication(data);
    srl_test_answer_begin(answer);
    answer->returned = node->ops->publish(node->link, channel, kind, &publication, &answer->operation);
}

void srl_test_publish_once(srl_test_node *node, const srl_broker_channel *channel, const char *key, const char *data,
                           srl_test_answer *answer)
{
    srl_publication publication = srl_test_publication(data);
    char copy[256];
    publication.key = copy;
    publication.key_len = strlen(key);
    memcpy(copy, key, publication.key_len);
    srl_test_answer_begin(answer);
    answer->returned =
        node->ops->publish(node->link, channel, SRL_MESSAGE_PUBLICATION, &publication, &answer->operation);
    memset(copy, '!', sizeof(copy));
}

void srl_test_nodes(srl_test_node *node, srl_test_answer *answer)
{
    srl_test_answer_begin(answer);
    answer->returned = node->ops->nodes(node->link, &answer->operation);
}

void srl_test_history(srl_test_node *node, const srl_broker_channel *channel, uint64_t since, const char *epoch,
                      uint32_t limit, bool reverse, srl_test_answer *answer)
{
    srl_broker_query query = {.size = sizeof(query),
                              .limit = limit,
                              .since_offset = since,
                              .since_epoch = epoch,
                              .since_epoch_len = strlen(epoch),
                              .reverse = reverse};
    srl_test_answer_begin(answer);
    answer->returned = node->ops->history(node->link, channel, &query, &answer->operation);
}

void srl_test_history_remove(srl_test_node *node, const srl_broker_channel *channel, srl_test_answer *answer)
{
    srl_test_answer_begin(answer);
    answer->returned = node->ops->history_remove(node->link, channel, &answer->operation);
}

static srl_broker_member member_of(const char *client, const char *user, const char *info, char *client_id)
{
    memset(client_id, '-', SRL_CLIENT_ID_LEN);
    memcpy(client_id, client, strlen(client));
    return (srl_broker_member){.size = sizeof(srl_broker_member),
                               .client_len = SRL_CLIENT_ID_LEN,
                               .client = client_id,
                               .user = user,
                               .user_len = strlen(user),
                               .info = info,
                               .info_len = strlen(info)};
}

void srl_test_presence_add(srl_test_node *node, const srl_broker_channel *channel, const char *client, const char *user,
                           const char *info, srl_test_answer *answer)
{
    char client_id[SRL_CLIENT_ID_LEN];
    srl_broker_member member = member_of(client, user, info, client_id);
    srl_test_answer_begin(answer);
    answer->returned = node->ops->presence_add(node->link, channel, &member, &answer->operation);
    memset(client_id, '!', sizeof(client_id));
}

void srl_test_presence_show(srl_test_node *node, const srl_broker_channel *channel, const char *client,
                            const char *user, const char *info, const char *channel_info, srl_test_answer *answer)
{
    char client_id[SRL_CLIENT_ID_LEN];
    char copy[64];
    size_t len = strlen(channel_info);
    srl_broker_member member = member_of(client, user, info, client_id);
    memcpy(copy, channel_info, len);
    member.channel_info = copy;
    member.channel_info_len = len;
    srl_test_answer_begin(answer);
    answer->returned = node->ops->presence_add(node->link, channel, &member, &answer->operation);
    memset(client_id, '!', sizeof(client_id));
    memset(copy, '!', sizeof(copy));
}

void srl_test_presence_remove(srl_test_node *node, const srl_broker_channel *channel, const char *client,
                              const char *user, srl_test_answer *answer)
{
    char client_id[SRL_CLIENT_ID_LEN];
    srl_broker_member member = member_of(client, user, "", client_id);
    srl_test_answer_begin(answer);
    answer->returned = node->ops->presence_remove(node->link, channel, &member, &answer->operation);
}

void srl_test_presence_list(srl_test_node *node, const srl_broker_channel *channel, uint32_t limit,
                            srl_test_answer *answer)
{
    srl_test_answer_begin(answer);
    answer->returned = node->ops->presence_list(node->link, channel, limit, &answer->operation);
}

void srl_test_directory(srl_test_node *node, uint32_t verb, const char *channel, const char *user, const char *meta,
                        uint32_t limit, srl_test_answer *answer)
{
    srl_broker_directory question = {.size = sizeof(question),
                                     .verb = verb,
                                     .limit = limit,
                                     .channel = channel,
                                     .channel_len = strlen(channel),
                                     .user = user,
                                     .user_len = strlen(user),
                                     .meta = meta,
                                     .meta_len = strlen(meta)};
    srl_test_answer_begin(answer);
    answer->returned = node->ops->directory(node->link, &question, &answer->operation);
}

void srl_test_position_set(srl_test_node *node, const char *user, const char *channel, uint64_t offset,
                           const char *epoch, uint64_t ttl_ms, srl_test_answer *answer)
{
    srl_broker_position position = {.size = sizeof(position),
                                    .user = user,
                                    .user_len = strlen(user),
                                    .channel = channel,
                                    .channel_len = strlen(channel),
                                    .offset = offset,
                                    .epoch = epoch,
                                    .epoch_len = strlen(epoch),
                                    .ttl_ms = ttl_ms};
    srl_test_answer_begin(answer);
    answer->returned = node->ops->position_set(node->link, &position, &answer->operation);
}

void srl_test_position_get(srl_test_node *node, const char *user, const char *channel, srl_test_answer *answer)
{
    srl_broker_position position = {.size = sizeof(position),
                                    .user = user,
                                    .user_len = strlen(user),
                                    .channel = channel,
                                    .channel_len = strlen(channel),
                                    .epoch = ""};
    srl_test_answer_begin(answer);
    answer->returned = node->ops->position_get(node->link, &position, &answer->operation);
}

int srl_test_control(srl_test_node *node, const char *note)
{
    char copy[256];
    size_t len = strlen(note);
    memcpy(copy, note, len);
    int rc = node->ops->control(node->link, copy, len);
    memset(copy, '!', sizeof(copy));
    return rc;
}
