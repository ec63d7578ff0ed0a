/* Groups. */
#include <streamrelay/error.h>

#include "broker/directory.h"
#include "broker/redis_node.h"
#include "redis/reply.h"

/* What the functions answer with. */
enum { IS_DONE, IS_THERE, IS_NOT_THERE, IS_TOO_MANY };

/* An answer's place behind the code and the total. */
enum { FIRST_NAME = 2 };

static int error_of(const srl_reply *reply)
{
    switch (srl__redis_number_at(reply, 0)) {
    case IS_DONE:
        return SRL_OK;
    case IS_THERE:
        return SRL_ERR_EXISTS;
    case IS_NOT_THERE:
        return SRL_ERR_NOT_FOUND;
    default:
        return SRL_ERR_LIMIT;
    }
}

/* The second time, what was to be done is done. */
static void changed(srl__redis_task *task, int error, const srl_reply *reply)
{
    error = error == SRL_OK ? error_of(reply) : error;
    if (task->again && task->user.number != 0 && error == (int)(int64_t)task->user.number) {
        error = SRL_OK;
    }
    srl__redis_task_finish_error(task, error);
}

static void got(srl__redis_task *task, int error, const srl_reply *reply)
{
    error = error == SRL_OK ? error_of(reply) : error;
    if (error != SRL_OK) {
        srl__redis_task_finish_error(task, error);
        return;
    }
    srl__slice meta = srl__reply_slice(reply, srl_reply_child(reply, SRL_REPLY_ROOT, FIRST_NAME));
    srl_broker_result result = {.size = sizeof(result),
                                .epoch = "",
                                .total = srl__redis_number_at(reply, 1),
                                .meta = meta.data != NULL ? meta.data : "",
                                .meta_len = meta.len};
    srl__redis_task_finish(task, &result);
}

static void read_names(const srl_reply *reply, srl_text *names, uint32_t count)
{
    srl_reply_walk walk;
    uint32_t at;
    srl_reply_walk_init(&walk, reply, SRL_REPLY_ROOT);
    for (uint32_t i = 0; i < FIRST_NAME; i++) {
        srl_reply_walk_next(&walk, &at);
    }
    for (uint32_t i = 0; i < count; i++) {
        srl_reply_walk_next(&walk, &at);
        srl__slice name = srl__reply_slice(reply, at);
        names[i] = (srl_text){.data = name.data != NULL ? name.data : "", .len = name.len};
    }
}

static void listed(srl__redis_task *task, int error, const srl_reply *reply)
{
    const srl_allocator alloc = *srl__redis_node_alloc(task->node);
    srl_text *names = NULL;
    size_t size = 0;
    error = error == SRL_OK ? error_of(reply) : error;
    uint32_t children = error == SRL_OK ? srl_reply_count(reply, SRL_REPLY_ROOT) : 0;
    uint32_t count = children > FIRST_NAME ? children - FIRST_NAME : 0;
    if (count > 0 &&
        (!srl__size_of_array(count, sizeof(*names), 0, &size) || (names = srl__alloc(&alloc, size)) == NULL)) {
        error = SRL_ERR_NOMEM;
    }
    if (error != SRL_OK) {
        srl__redis_task_finish_error(task, error);
        return;
    }
    if (names != NULL) {
        read_names(reply, names, count);
    }
    srl_broker_result result = {.size = sizeof(result),
                                .epoch = "",
                                .names = names,
                                .name_count = count,
                                .total = srl__redis_number_at(reply, 1),
                                .meta = ""};
    srl__redis_task_finish(task, &result);
    srl__free(&alloc, names, size);
}

/* ---- questions */

typedef struct asking {
    srl__redis_node *node;
    srl_operation *operation;
    srl__slice channel;
    srl__slice user;
    srl__slice meta;
    uint32_t limit;
} asking;

static srl__redis_task *begin(const asking *a, const char *function, uint32_t num_keys, srl__redis_answer_fn answered)
{
    return srl__redis_task_begin(a->node, function, num_keys, answered, a->operation);
}

static void add_group(srl__redis_task *task, const asking *a)
{
    srl__redis_people_key(task, SRL__KEY_GROUP, a->channel, srl__slice_of("", 0));
}

static void add_members(srl__redis_task *task, const asking *a)
{
    srl__redis_people_key(task, SRL__KEY_MEMBERS, a->channel, srl__slice_of("", 0));
}

/* Such that the name's last part is the user: group_delete makes more of them. */
static void add_user_groups(srl__redis_task *task, srl__slice user)
{
    srl__redis_people_key(task, SRL__KEY_USER_GROUPS, srl__slice_of("", 0), user);
}

static srl__redis_task *ask_meta(const asking *a, const char *function, const char *function_again)
{
    srl__redis_task *task = begin(a, function, 1, changed);
    if (task != NULL) {
        task->function_again = function_again;
    }
    add_group(task, a);
    srl__redis_task_add(task, a->meta);
    return task;
}

static srl__redis_task *ask_delete(const asking *a)
{
    enum { KEEP_MS = 60000 };
    char token[SRL__FRAME_TOKEN_LEN];
    srl__redis_task *task = begin(a, "group_delete", 4, listed);
    if (task != NULL) {
        task->function_again = "group_delete_again";
    }
    srl__redis_node_token(a->node, token);
    add_group(task, a);
    add_members(task, a);
    add_user_groups(task, SRL__LIT("x"));
    srl__redis_people_key(task, SRL__KEY_MEMBERS, a->channel, srl__slice_of(token, sizeof(token)));
    srl__redis_task_add(task, a->channel);
    srl__redis_task_add_u64(task, srl__redis_node_config(a->node)->away_wait_ms + KEEP_MS);
    return task;
}

static srl__redis_task *ask_get(const asking *a)
{
    srl__redis_task *task = srl__redis_task_that_reads(begin(a, "group_get", 2, got));
    add_group(task, a);
    add_members(task, a);
    return task;
}

static srl__redis_task *ask_member(const asking *a, const char *function, int error_again)
{
    srl__redis_task *task = begin(a, function, 3, changed);
    if (task != NULL) {
        task->user.number = (uint64_t)(int64_t)error_again;
    }
    add_group(task, a);
    add_members(task, a);
    add_user_groups(task, a->user);
    srl__redis_task_add(task, a->user);
    srl__redis_task_add(task, a->channel);
    srl__redis_task_add_u64(task, SRL__DIRECTORY_MAX_MEMBERS);
    srl__redis_task_add_u64(task, SRL__DIRECTORY_MAX_USER_GROUPS);
    return task;
}

static srl__redis_task *ask_check(const asking *a)
{
    srl__redis_task *task = srl__redis_task_that_reads(begin(a, "group_check", 2, changed));
    add_group(task, a);
    add_members(task, a);
    srl__redis_task_add(task, a->user);
    return task;
}

static srl__redis_task *ask_list(const asking *a, bool of_user)
{
    srl__redis_task *task = srl__redis_task_that_reads(begin(a, "group_list", 1, listed));
    if (of_user) {
        add_user_groups(task, a->user);
    } else {
        add_members(task, a);
    }
    srl__redis_task_add(task, of_user ? a->channel : a->user);
    srl__redis_task_add_u64(task, a->limit);
    return task;
}

static srl__redis_task *ask(const asking *a, uint32_t verb)
{
    switch (verb) {
    case SRL_DIRECTORY_CREATE:
        return ask_meta(a, "group_create", "group_create_again");
    case SRL_DIRECTORY_DELETE:
        return ask_delete(a);
    case SRL_DIRECTORY_SET_META:
        return ask_meta(a, "group_set_meta", NULL);
    case SRL_DIRECTORY_GET:
        return ask_get(a);
    case SRL_DIRECTORY_ADD:
        return ask_member(a, "group_add", SRL_ERR_EXISTS);
    case SRL_DIRECTORY_REMOVE:
        return ask_member(a, "group_remove", SRL_ERR_NOT_FOUND);
    case SRL_DIRECTORY_CHECK:
        return ask_check(a);
    default:
        return ask_list(a, verb == SRL_DIRECTORY_GROUPS);
    }
}

static bool names_user(uint32_t verb)
{
    return verb == SRL_DIRECTORY_ADD || verb == SRL_DIRECTORY_REMOVE || verb == SRL_DIRECTORY_CHECK ||
           verb == SRL_DIRECTORY_GROUPS;
}

static int check(const srl__redis_node *node, const srl_broker_directory *question)
{
    if (node->is_detached) {
        return SRL_ERR_CLOSED;
    }
    if (question->verb < SRL_DIRECTORY_CREATE || question->verb > SRL_DIRECTORY_GROUPS) {
        return SRL_ERR_INVALID;
    }
    if (question->verb != SRL_DIRECTORY_GROUPS && !srl__redis_is_name(question->channel_len)) {
        return SRL_ERR_INVALID;
    }
    return !names_user(question->verb) || srl__redis_is_name(question->user_len) ? SRL_OK : SRL_ERR_INVALID;
}

int srl__redis_directory(void *state, const srl_broker_directory *question, srl_operation *operation)
{
    srl__redis_node *node = state;
    asking a = {
        .node = node,
        .operation = operation,
        .channel = srl__slice_of(question->channel, question->channel_len),
        .user = srl__slice_of(question->user, question->user_len),
        .meta = srl__slice_of(question->meta, question->meta_len),
        .limit = question->limit,
    };
    int error = check(node, question);
    return error == SRL_OK ? srl__redis_task_submit(ask(&a, question->verb)) : error;
}
