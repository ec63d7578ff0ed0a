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

enum { ADD_BEHIND_KEY = 4 }; /* user, info, channel info, join_leave */

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
    srl__redis_task_add(task, srl__slice_of(member->channel_info, member->channel_info_len));
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

/* Of an answer: the counts ahead, what each user begins with, and each session. */
enum { COUNT_ELEMENTS = 2, USER_ELEMENTS = 4, SESSION_ELEMENTS = 3 };

/* What an answer lists, in memory of `size` bytes: first the users, then the sessions. */
typedef struct listing {
    size_t size;
    srl_presence_user *users;
    srl_presence_session *sessions;
    uint32_t count;
    uint32_t session_count;
} listing;

static srl__slice next_text(srl_reply_walk *walk, const srl_reply *reply)
{
    uint32_t at;
    srl__slice text = srl__slice_of("", 0);
    if (srl_reply_walk_next(walk, &at) != 0) {
        text = srl__reply_slice(reply, at);
    }
    return text.data != NULL ? text : srl__slice_of("", 0);
}

static uint32_t next_number(srl_reply_walk *walk, const srl_reply *reply)
{
    uint32_t at;
    uint64_t number = 0;
    if (srl_reply_walk_next(walk, &at) != 0) {
        (void)srl_reply_u64(reply, at, &number);
    }
    return number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
}

/* A user, and those of its sessions that are listed: `rest` is how many elements are not read yet, which is lessened.
 * With NULL for an array nothing is written to it. False: the answer is not what it should be. */
static bool read_user(srl_reply_walk *walk, const srl_reply *reply, uint32_t *rest, listing *out)
{
    srl_presence_user user = {.user_len = 0};
    if (*rest < USER_ELEMENTS) {
        return false;
    }
    srl__slice name = next_text(walk, reply);
    user.sessions = next_number(walk, reply);
    srl__slice info = next_text(walk, reply);
    uint32_t count = next_number(walk, reply);
    *rest -= USER_ELEMENTS;
    if (count > *rest / SESSION_ELEMENTS) {
        return false;
    }
    *rest -= count * SESSION_ELEMENTS;
    for (uint32_t i = 0; i < count; i++) {
        srl__slice client = next_text(walk, reply);
        srl__slice own = next_text(walk, reply);
        srl__slice shown = next_text(walk, reply);
        info = i + 1 == user.sessions ? own : info;
        if (out->sessions != NULL) {
            out->sessions[out->session_count] = (srl_presence_session){.client = client.data,
                                                                       .user = name.data,
                                                                       .client_len = client.len,
                                                                       .user_len = name.len,
                                                                       .info = own.data,
                                                                       .info_len = own.len,
                                                                       .channel_info = shown.data,
                                                                       .channel_info_len = shown.len};
        }
        out->session_count++;
    }
    user.user = name.data;
    user.user_len = name.len;
    user.info = info.data;
    user.info_len = info.len;
    if (out->users != NULL) {
        out->users[out->count] = user;
    }
    out->count++;
    return true;
}

static bool read_listing(const srl_reply *reply, listing *out)
{
    srl_reply_walk walk;
    uint32_t children = srl_reply_count(reply, SRL_REPLY_ROOT);
    uint32_t rest = children > COUNT_ELEMENTS ? children - COUNT_ELEMENTS : 0;
    srl_reply_walk_init(&walk, reply, SRL_REPLY_ROOT);
    for (uint32_t i = 0; i < COUNT_ELEMENTS; i++) {
        (void)next_number(&walk, reply);
    }
    out->count = 0;
    out->session_count = 0;
    while (rest > 0) {
        if (!read_user(&walk, reply, &rest, out)) {
            return false;
        }
    }
    return true;
}

/* The sizes first, then the memory, then what goes into it. */
static int make_listing(const srl_allocator *alloc, const srl_reply *reply, listing *out)
{
    size_t users_size, size;
    if (!read_listing(reply, out)) {
        return SRL_ERR_PROTOCOL;
    }
    if (out->count == 0) {
        return SRL_OK;
    }
    if (!srl__size_of_array(out->count, sizeof(srl_presence_user), 0, &users_size) ||
        !srl__size_of_array(out->session_count, sizeof(srl_presence_session), users_size, &size)) {
        return SRL_ERR_NOMEM;
    }
    out->users = srl__alloc(alloc, size);
    if (out->users == NULL) {
        return SRL_ERR_NOMEM;
    }
    out->size = size;
    out->sessions = (srl_presence_session *)(void *)(out->users + out->count);
    (void)read_listing(reply, out);
    return SRL_OK;
}

static void listed(srl__redis_task *task, int error, const srl_reply *reply)
{
    const srl_allocator alloc = *srl__redis_node_alloc(task->node);
    listing all = {.size = 0};
    if (error == SRL_OK) {
        error = make_listing(&alloc, reply, &all);
    }
    if (error != SRL_OK) {
        srl__redis_task_finish_error(task, error);
        return;
    }
    srl_presence presence = {.size = sizeof(presence),
                             .count = all.count,
                             .users = all.users,
                             .num_users = srl__redis_number_at(reply, 0),
                             .num_sessions = srl__redis_number_at(reply, 1),
                             .sessions = all.sessions,
                             .session_count = all.session_count};
    srl_broker_result result = {.size = sizeof(result), .epoch = "", .presence = &presence};
    srl__redis_task_finish(task, &result);
    srl__free(&alloc, all.users, all.size);
}

int srl__redis_presence_list(void *state, const srl_broker_channel *channel, uint32_t limit, srl_operation *operation)
{
    srl__redis_node *node = state;
    int error = check(node, channel, NULL);
    if (error != SRL_OK) {
        return error;
    }
    srl__redis_task *task =
        srl__redis_task_that_reads(srl__redis_task_begin(node, "presence_list", 2, listed, operation));
    srl__redis_people_key(task, SRL__KEY_PRESENCE, name_of(channel), SRL__LIT("s"));
    srl__redis_people_key(task, SRL__KEY_PRESENCE, name_of(channel), SRL__LIT("o"));
    srl__redis_task_add_u64(task, limit);
    return srl__redis_task_submit(task);
}
