#include "broker/memory.h"

#include <streamrelay/error.h>

/* Positions dropped at once. */
#define SWEEP_POSITIONS 1024

static bool is_name(size_t len)
{
    return len > 0 && len <= SRL__MEMORY_MAX_NAME_LEN;
}

static bool names_user(uint32_t verb)
{
    return verb == SRL_DIRECTORY_ADD || verb == SRL_DIRECTORY_REMOVE || verb == SRL_DIRECTORY_CHECK ||
           verb == SRL_DIRECTORY_GROUPS;
}

static int check_question(const srl__memory_link *link, const srl_broker_directory *question)
{
    if (link->is_detached) {
        return SRL_ERR_CLOSED;
    }
    if (question->verb < SRL_DIRECTORY_CREATE || question->verb > SRL_DIRECTORY_GROUPS) {
        return SRL_ERR_INVALID;
    }
    if (question->verb != SRL_DIRECTORY_GROUPS && !is_name(question->channel_len)) {
        return SRL_ERR_INVALID;
    }
    return !names_user(question->verb) || is_name(question->user_len) ? SRL_OK : SRL_ERR_INVALID;
}

/* The names of at most `limit` peers behind one, copied. */
static int list_peers(srl__memory_link *link, const srl__directory_node *node, srl__slice behind, uint32_t limit,
                      srl_broker_result *result, srl__scratch *scratch)
{
    size_t size;
    if (node == NULL) {
        return SRL_OK;
    }
    uint32_t first = srl__directory_behind(node, behind);
    uint32_t left = node->count - first;
    uint32_t count = limit < left ? limit : left;
    if (!srl__directory_measure(node, first, count, &size)) {
        return SRL_ERR_NOMEM;
    }
    *scratch = srl__memory_link_take_scratch(link, size);
    if (scratch->data == NULL) {
        return SRL_ERR_NOMEM;
    }
    srl__directory_copy(node, first, count, scratch->data);
    result->names = scratch->data;
    result->name_count = count;
    result->total = node->count;
    return SRL_OK;
}

static int delete_group(srl__memory_link *link, srl__slice channel, srl_broker_result *result, srl__scratch *scratch)
{
    srl__directory *directory = &link->memory->directory;
    const srl__directory_node *group = srl__directory_group(directory, channel);
    int rc = list_peers(link, group, SRL__LIT(""), UINT32_MAX, result, scratch);
    if (rc == SRL_OK) {
        result->error = srl__directory_delete(directory, channel);
    }
    return rc;
}

static int get_group(srl__memory_link *link, srl__slice channel, srl_broker_result *result, srl__scratch *scratch)
{
    const srl__directory_node *group = srl__directory_group(&link->memory->directory, channel);
    if (group == NULL) {
        result->error = SRL_ERR_NOT_FOUND;
        return SRL_OK;
    }
    result->total = group->count;
    if (group->meta_len == 0) {
        return SRL_OK;
    }
    *scratch = srl__memory_link_take_scratch(link, group->meta_len);
    if (scratch->data == NULL) {
        return SRL_ERR_NOMEM;
    }
    memcpy(scratch->data, group->meta, group->meta_len);
    result->meta = scratch->data;
    result->meta_len = group->meta_len;
    return SRL_OK;
}

/* What is said of the group goes into the answer; the rest is a question not taken. */
static int sort_out(int rc, srl_broker_result *result)
{
    if (rc != SRL_ERR_EXISTS && rc != SRL_ERR_NOT_FOUND) {
        return rc;
    }
    result->error = rc;
    return SRL_OK;
}

static int ask(srl__memory_link *link, const srl_broker_directory *question, srl_broker_result *result,
               srl__scratch *scratch)
{
    srl__directory *directory = &link->memory->directory;
    srl__slice channel = srl__slice_of(question->channel, question->channel_len);
    srl__slice user = srl__slice_of(question->user, question->user_len);
    srl__slice meta = srl__slice_of(question->meta, question->meta_len);

    switch (question->verb) {
    case SRL_DIRECTORY_CREATE:
        return sort_out(srl__directory_create(directory, channel, meta), result);
    case SRL_DIRECTORY_DELETE:
        return delete_group(link, channel, result, scratch);
    case SRL_DIRECTORY_SET_META:
        return sort_out(srl__directory_set_meta(directory, channel, meta), result);
    case SRL_DIRECTORY_GET:
        return get_group(link, channel, result, scratch);
    case SRL_DIRECTORY_ADD:
        return sort_out(srl__directory_add(directory, channel, user), result);
    case SRL_DIRECTORY_REMOVE:
        return sort_out(srl__directory_remove(directory, channel, user), result);
    case SRL_DIRECTORY_CHECK:
        result->error = srl__directory_has(directory, channel, user) ? SRL_OK : SRL_ERR_NOT_FOUND;
        return SRL_OK;
    case SRL_DIRECTORY_MEMBERS:
        return list_peers(link, srl__directory_group(directory, channel), user, question->limit, result, scratch);
    default:
        return list_peers(link, srl__directory_user(directory, user), channel, question->limit, result, scratch);
    }
}

int srl__memory_directory(void *state, const srl_broker_directory *question, srl_operation *operation)
{
    srl__memory_link *link = state;
    srl_broker_result result = {.size = sizeof(result), .epoch = "", .meta = ""};
    srl__scratch scratch = {NULL, 0};
    int rc = check_question(link, question);
    if (rc != SRL_OK) {
        return rc;
    }
    srl__memory_link_lock(link);
    rc = ask(link, question, &result, &scratch);
    srl__memory_link_unlock(link);
    if (rc != SRL_OK) {
        return rc;
    }
    srl__memory_link_enter(link);
    srl_operation_finish(operation, &result);
    if (scratch.data != NULL) {
        srl__memory_link_give_scratch(link, scratch);
    }
    srl__memory_link_leave(link);
    return SRL_OK;
}

/* A position copied out of the table, for it may be gone when it is read. */
typedef struct position_copy {
    uint64_t offset;
    size_t epoch_len;
    char epoch[SRL__POSITION_EPOCH_MAX];
} position_copy;

static position_copy copy_position(const srl__position *position)
{
    position_copy copy = {.offset = position->offset, .epoch_len = position->epoch_len};
    memcpy(copy.epoch, position->epoch, sizeof(copy.epoch));
    return copy;
}

static int check_position(const srl__memory_link *link, const srl_broker_position *position)
{
    if (link->is_detached) {
        return SRL_ERR_CLOSED;
    }
    return is_name(position->user_len) && is_name(position->channel_len) ? SRL_OK : SRL_ERR_INVALID;
}

static void finish_position(srl__memory_link *link, srl_operation *operation, int error, const position_copy *at)
{
    srl_broker_result result = {
        .size = sizeof(result),
        .error = error,
        .offset = at->offset,
        .epoch = at->epoch,
        .epoch_len = at->epoch_len,
    };
    srl__memory_finish(link, operation, &result);
}

static void watch_positions(srl__memory_link *link)
{
    uint64_t due_ms = srl__positions_next_ms(&link->memory->positions);
    if (due_ms != SRL__TIMERS_NEVER) {
        srl__memory_arm(link, &link->memory->positions_expiry, due_ms);
    }
}

void srl__memory_sweep_positions(srl__memory_link *link)
{
    srl__positions_expire(&link->memory->positions, link->memory->now_ms, SWEEP_POSITIONS);
    watch_positions(link);
}

int srl__memory_position_set(void *state, const srl_broker_position *position, srl_operation *operation)
{
    srl__memory_link *link = state;
    const srl__position *kept;
    position_copy at = {0};
    int rc = check_position(link, position);
    if (rc != SRL_OK) {
        return rc;
    }
    srl__memory_link_lock(link);
    uint64_t now_ms = srl__memory_tick(link->memory, link->node);
    rc = srl__positions_set(&link->memory->positions, position, now_ms, &kept);
    if (rc == SRL_OK) {
        at = copy_position(kept);
        watch_positions(link);
    }
    srl__memory_link_unlock(link);
    if (rc == SRL_OK) {
        finish_position(link, operation, SRL_OK, &at);
    }
    return rc;
}

int srl__memory_position_get(void *state, const srl_broker_position *position, srl_operation *operation)
{
    srl__memory_link *link = state;
    position_copy at = {0};
    int rc = check_position(link, position);
    if (rc != SRL_OK) {
        return rc;
    }
    srl__memory_link_lock(link);
    uint64_t now_ms = srl__memory_tick(link->memory, link->node);
    const srl__position *kept = srl__positions_get(&link->memory->positions, position, now_ms);
    if (kept != NULL) {
        at = copy_position(kept);
    }
    srl__memory_link_unlock(link);
    finish_position(link, operation, kept != NULL ? SRL_OK : SRL_ERR_NOT_FOUND, &at);
    return SRL_OK;
}

int srl__memory_nodes(void *state, srl_operation *operation)
{
    srl__memory_link *link = state;
    srl_broker_result result = {.size = sizeof(result), .epoch = ""};
    if (link->is_detached) {
        return SRL_ERR_CLOSED;
    }
    srl__memory_link_lock(link);
    for (const srl__list *at = link->memory->links.next; at != &link->memory->links; at = at->next) {
        result.total++;
    }
    srl__memory_link_unlock(link);
    srl__memory_finish(link, operation, &result);
    return SRL_OK;
}

/* Into all inboxes or into none. A note's room is the link, which is nobody's room: no unsubscribing takes it back. */
static int distribute(srl__memory_link *link, srl__message *message)
{
    srl__list *all = &link->memory->links;
    srl__list *at = all->next;
    int rc = SRL_OK;
    while (rc == SRL_OK && at != all) {
        srl__memory_link *to = SRL__CONTAINER(at, srl__memory_link, link);
        rc = srl__memory_link_put(link, to, message, to);
        at = rc == SRL_OK ? at->next : at;
    }
    if (rc == SRL_OK) {
        return rc;
    }
    while ((at = at->prev) != all) {
        srl__memory_link_unput(link, SRL__CONTAINER(at, srl__memory_link, link));
    }
    return rc;
}

int srl__memory_control(void *state, const char *note, size_t note_len)
{
    srl__memory_link *link = state;
    const srl_publication content = {.size = sizeof(content), .data = note, .data_len = note_len};
    if (link->is_detached) {
        return SRL_ERR_CLOSED;
    }
    const srl_allocator *alloc = srl__memory_link_alloc(link);
    srl__message *message = srl__message_create(alloc, SRL__MESSAGE_NOTE, &content, 0);
    if (message == NULL) {
        return SRL_ERR_NOMEM;
    }
    srl__memory_link_lock(link);
    int rc = distribute(link, message);
    if (rc == SRL_OK) {
        link->own_put = link->put;
        srl__memory_link_take_batch(link);
    }
    srl__memory_link_unlock(link);
    srl__message_release(message, alloc);
    if (rc == SRL_OK) {
        srl__memory_link_enter(link);
        srl__memory_link_deliver_own(link);
        srl__memory_link_leave(link);
    }
    return rc;
}
