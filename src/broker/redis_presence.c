/* Sessions in channels. */
#include <streamrelay/error.h>

#include "broker/redis_node.h"
#include "redis/reply.h"

/* How long an answer to a removal is kept for being asked again, in TTLs. */
enum { KEEP_REMOVED = 4 };

void srl__redis_people_key(srl__redis_task *task, srl__redis_key_kind kind, srl__slice name, srl__slice extra)
{
    if (task == NULL) {
        return;
    }
    srl__redis_node *node = task->node;
    srl__slice key = srl__redis_key(&node->key, srl__redis_node_prefix(node), kind, name, extra);
    if (key.len == 0 && task->call.error == SRL_OK) {
        task->call.error = SRL_ERR_NOMEM;
    }
    srl__redis_task_add(task, key);
}

uint32_t srl__redis_number_at(const srl_reply *reply, uint32_t index)
{
    uint64_t number;
    if (srl_reply_u64(reply, srl_reply_child(reply, SRL_REPLY_ROOT, index), &number) != SRL_OK) {
        return 0;
    }
    return number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
}

static srl__slice name_of(const srl_broker_channel *channel)
{
    return srl__slice_of(channel->name, channel->name_len);
}

static int check(const srl__redis_node *node, const srl_broker_channel *channel, const srl_broker_member *member)
{
    if (node->is_detached) {
        return SRL_ERR_CLOSED;
    }
    bool is_valid = srl__redis_is_name(channel->name_len) &&
                    (member == NULL ||
                     (member->client_len > 0 && member->client_len <= UINT8_MAX && member->user_len <= UINT16_MAX));
    return is_valid ? SRL_OK : SRL_ERR_INVALID;
}

/* An argument of the task, by how many come behind it. */
static srl__slice argument(const srl__redis_task *task, uint32_t behind)
{
    size_t len;
    const char *text = srl_command_arg(task->call.command, srl_command_count(task->call.command) - 1 - behind, &len);
    return srl__slice_of(text, len);
}

static void finish_sessions(srl__redis_task *task, int error, uint32_t sessions)
{
    srl_broker_result result = {.size = sizeof(result), .error = error, .epoch = "", .user_sessions = sessions};
    srl__redis_task_finish(task, &result);
}

/* ---- adding */

enum { ADD_BEHIND_KEY = 3 }; /* user, info, join_leave */

static void added(srl__redis_task *task, int error, const srl_reply *reply)
{
    srl__redis_node *node = task->node;
    if (error == SRL_OK) {
        if (srl__redis_number_at(reply, 1) == 0) {
            srl__redis_lease_lost(node);
        }
        finish_sessions(task, SRL_OK, srl__redis_number_at(reply, 0));
        return;
    }
    srl__redis_member_drop(node, argument(task, ADD_BEHIND_KEY), (uint32_t)task->user.number);
    if (error == SRL_ERR_OUTCOME_UNKNOWN) {
        node->people.is_doubtful = true;
    }
    srl__redis_task_finish_error(task, error);
}

static srl__redis_task *adding(srl__redis_node *node, const srl_broker_channel *channel,
                               const srl_broker_member *member, srl__slice key, srl_operation *operation)
{
    srl__redis_node_name name = srl__redis_people_name(node);
    srl__redis_task *task = srl__redis_task_begin(node, "presence_add", 4, added, operation);
    if (task == NULL) {
        return NULL;
    }
    task->function_again = "presence_add_again";
    srl__redis_lease_keys(task, srl__slice_of(name.text, name.len));
    srl__redis_people_key(task, SRL__KEY_PRESENCE, name_of(channel), SRL__LIT("s"));
    srl__redis_people_key(task, SRL__KEY_PRESENCE, name_of(channel), SRL__LIT("o"));
    srl__redis_task_add(task, srl__slice_of(name.text, name.len));
    srl__redis_task_add(task, key);
    srl__redis_task_add(task, srl__slice_of(member->user, member->user_len));
    srl__redis_task_add(task, srl__slice_of(member->info, member->info_len));
    srl__redis_task_add_u64(task, channel->join_leave);
    return task;
}

int srl__redis_presence_add(void *state, const srl_broker_channel *channel, const srl_broker_member *member,
                            srl_operation *operation)
{
    srl__redis_node *node = state;
    int error = check(node, channel, member);
    if (error != SRL_OK) {
        return error;
    }
    srl__redis_lease_require(node);
    srl__slice key = srl__redis_member_key(node, name_of(channel), srl__slice_of(member->client, member->client_len));
    bool is_new = srl__map_get(&node->people.members, key) == NULL;
    error = key.len > 0 ? srl__redis_member_put(node, key, channel, member) : SRL_ERR_NOMEM;
    if (error != SRL_OK) {
        return error;
    }
    srl__redis_task *task = adding(node, channel, member, key, operation);
    if (task != NULL) {
        task->user.number = node->people.serial;
    }
    error = srl__redis_task_submit(task);
    if (error != SRL_OK && is_new) {
        srl__redis_member_drop(node, key, 0);
    }
    return error;
}

/* ---- removing */

static void removed(srl__redis_task *task, int error, const srl_reply *reply)
{
    if (error != SRL_OK) {
        task->node->people.is_doubtful = true;
        srl__redis_task_finish_error(task, error);
        return;
    }
    finish_sessions(task, srl__redis_number_at(reply, 0) != 0 ? SRL_OK : SRL_ERR_NOT_FOUND,
                    srl__redis_number_at(reply, 1));
}

/* Answers to removals are kept under two names in turn: by the beat that came last. */
void srl__redis_removals_key(srl__redis_task *task, uint32_t beats)
{
    char name[SRL__NODE_ID_LEN + 2];
    if (task != NULL) {
        memcpy(name, task->node->id, SRL__NODE_ID_LEN);
        name[SRL__NODE_ID_LEN] = '-';
        name[SRL__NODE_ID_LEN + 1] = (char)('0' + beats % 2);
        srl__redis_people_key(task, SRL__KEY_NODE, srl__slice_of("", 0), srl__slice_of(name, sizeof(name)));
    }
}

static srl__redis_task *removing(srl__redis_node *node, const srl_broker_channel *channel,
                                 const srl_broker_member *member, srl__slice key, srl_operation *operation)
{
    srl__redis_node_name name = srl__redis_people_name(node);
    srl__redis_task *task = srl__redis_task_begin(node, "presence_remove", 4, removed, operation);
    if (task == NULL) {
        return NULL;
    }
    task->function_again = "presence_remove_again";
    srl__redis_people_key(task, SRL__KEY_NODE, srl__slice_of("", 0), srl__slice_of(name.text, name.len));
    srl__redis_people_key(task, SRL__KEY_PRESENCE, name_of(channel), SRL__LIT("s"));
    srl__redis_people_key(task, SRL__KEY_PRESENCE, name_of(channel), SRL__LIT("o"));
    srl__redis_removals_key(task, node->people.beats);
    srl__redis_task_add(task, key);
    srl__redis_task_add(task, srl__slice_of(member->user, member->user_len));
    srl__redis_task_add_u64(task, srl__redis_node_config(node)->presence_ttl_ms * KEEP_REMOVED);
    return task;
}

int srl__redis_presence_remove(void *state, const srl_broker_channel *channel, const srl_broker_member *member,
                               srl_operation *operation)
{
    srl__redis_node *node = state;
    int error = check(node, channel, member);
    if (error != SRL_OK) {
        return error;
    }
    srl__slice key = srl__redis_member_key(node, name_of(channel), srl__slice_of(member->client, member->client_len));
    if (key.len == 0) {
        return SRL_ERR_NOMEM;
    }
    srl__redis_member_drop(node, key, 0);
    error = srl__redis_task_submit(removing(node, channel, member, key, operation));
    if (error != SRL_OK) {
        node->people.is_doubtful = true;
    }
    return error;
}

/* ---- listing */

/* The users of an answer: three values each, behind the counts. */
static void read_users(const srl_reply *reply, srl_presence_user *users, uint32_t count)
{
    srl_reply_walk walk;
    uint32_t at, number, text;
    srl_reply_walk_init(&walk, reply, SRL_REPLY_ROOT);
    srl_reply_walk_next(&walk, &at);
    srl_reply_walk_next(&walk, &at);
    for (uint32_t i = 0; i < count; i++) {
        int64_t sessions = 0;
        srl_presence_user *user = &users[i];
        srl_reply_walk_next(&walk, &at);
        srl_reply_walk_next(&walk, &number);
        srl_reply_walk_next(&walk, &text);
        (void)srl_reply_i64(reply, number, &sessions);
        srl__slice name = srl__reply_slice(reply, at);
        srl__slice info = srl__reply_slice(reply, text);
        *user = (srl_presence_user){.user = name.data != NULL ? name.data : "",
                                    .user_len = name.len,
                                    .info = info.data != NULL ? info.data : "",
                                    .info_len = info.len,
                                    .sessions = (uint32_t)sessions};
    }
}

static void listed(srl__redis_task *task, int error, const srl_reply *reply)
{
    const srl_allocator alloc = *srl__redis_node_alloc(task->node);
    uint32_t children = error == SRL_OK ? srl_reply_count(reply, SRL_REPLY_ROOT) : 0;
    uint32_t count = children > 2 ? (children - 2) / 3 : 0;
    size_t size = 0;
    srl_presence_user *users = NULL;
    if (count > 0 &&
        (!srl__size_of_array(count, sizeof(*users), 0, &size) || (users = srl__alloc(&alloc, size)) == NULL)) {
        error = SRL_ERR_NOMEM;
    }
    if (error != SRL_OK) {
        srl__redis_task_finish_error(task, error);
        return;
    }
    if (users != NULL) {
        read_users(reply, users, count);
    }
    srl_presence presence = {.size = sizeof(presence),
                             .count = count,
                             .users = users,
                             .num_users = srl__redis_number_at(reply, 0),
                             .num_sessions = srl__redis_number_at(reply, 1)};
    srl_broker_result result = {.size = sizeof(result), .epoch = "", .presence = &presence};
    srl__redis_task_finish(task, &result);
    srl__free(&alloc, users, size);
}

int srl__redis_presence_list(void *state, const srl_broker_channel *channel, uint32_t limit, srl_operation *operation)
{
    srl__redis_node *node = state;
    int error = check(node, channel, NULL);
    if (error != SRL_OK) {
        return error;
    }
    srl__redis_task *task = srl__redis_task_begin(node, "presence_list", 2, listed, operation);
    srl__redis_people_key(task, SRL__KEY_PRESENCE, name_of(channel), SRL__LIT("s"));
    srl__redis_people_key(task, SRL__KEY_PRESENCE, name_of(channel), SRL__LIT("o"));
    srl__redis_task_add_u64(task, limit);
    return srl__redis_task_submit(task);
}
