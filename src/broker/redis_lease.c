/* Nodes that live, and what becomes of the members of those that do not. */
#include <stdio.h>

#include <streamrelay/error.h>

#include "broker/redis_node.h"
#include "redis/reply.h"

/* What one call of the server does: some hundred small steps, so that nobody else waits for long. */
enum { RESTORE_MEMBERS = 64, RESTORE_BYTES = 64 * 1024, EVICT_MEMBERS = 64 };

/* What a node that ends says at once, and what it does not wait for. */
enum { STOP_MEMBERS = 10000 };

enum { RETRY_MS = 1000, TICK_MS = 250, EVICT_MS_MAX = 5000 };

/* What a beat is answered. */
enum { BEAT_IS_GOOD = 1, BEAT_OF_THE_DEAD = 2 };

static uint64_t beat_every_ms(const srl__redis_node *node)
{
    uint64_t quarter = srl__redis_node_config(node)->presence_ttl_ms / 4;
    return quarter >= (uint64_t)TICK_MS * 2 ? quarter - TICK_MS : quarter / 2;
}

/* Found at the latest a beat after its end, its members are gone within the TTL. */
static uint64_t lease_ms(const srl__redis_node *node)
{
    uint64_t ttl = srl__redis_node_config(node)->presence_ttl_ms;
    return ttl / 8 * 5;
}

/* An eviction that was not gone on with for so long is anybody's. */
static uint64_t evict_ms(const srl__redis_node *node)
{
    uint64_t quarter = srl__redis_node_config(node)->presence_ttl_ms / 4;
    return quarter < EVICT_MS_MAX ? quarter : EVICT_MS_MAX;
}

srl__redis_node_name srl__redis_people_name(const srl__redis_node *node)
{
    srl__redis_node_name name;
    int len = snprintf(name.text, sizeof(name.text), "%s.%lu", node->id, (unsigned long)node->people.generation);
    name.len = len > 0 && (size_t)len < sizeof(name.text) ? (uint32_t)len : 0;
    return name;
}

static srl__slice text_of(const srl__redis_node_name *name)
{
    return srl__slice_of(name->text, name->len);
}

void srl__redis_lease_keys(srl__redis_task *task, srl__slice name)
{
    srl__slice none = srl__slice_of("", 0);
    srl__redis_people_key(task, SRL__KEY_NODE, none, none);
    srl__redis_people_key(task, SRL__KEY_NODE, none, name);
}

static void channel_keys(srl__redis_task *task, srl__slice channel)
{
    srl__redis_people_key(task, SRL__KEY_PRESENCE, channel, SRL__LIT("s"));
    srl__redis_people_key(task, SRL__KEY_PRESENCE, channel, SRL__LIT("o"));
    srl__redis_people_key(task, SRL__KEY_LIVE, channel, srl__slice_of("", 0));
}

/* ---- eviction */

static void evict_more(srl__redis_node *node, uint32_t slot, const srl_reply *reply);

static void evicted(srl__redis_task *task, int error, const srl_reply *reply)
{
    srl__redis_node *node = task->node;
    uint32_t slot = (uint32_t)task->user.number;
    if (error != SRL_OK || srl__redis_number_at(reply, 0) != 0) {
        node->people.evictions[slot].len = 0; /* on an error, it is found again when our time for it is over */
    } else {
        evict_more(node, slot, reply);
    }
}

/* Take out what the last answer named, and ask for the next. */
static void evict_more(srl__redis_node *node, uint32_t slot, const srl_reply *reply)
{
    srl__redis_node_name *name = &node->people.evictions[slot];
    uint32_t children = srl_reply_count(reply, SRL_REPLY_ROOT);
    uint32_t count = children > 0 ? children - 1 : 0;
    srl__redis_task *task = srl__redis_task_begin(node, "presence_evict", 2 + 3 * count, evicted, NULL);
    srl__redis_lease_keys(task, text_of(name));
    for (uint32_t i = 1; i <= count; i++) {
        srl__slice key = srl__reply_slice(reply, srl_reply_child(reply, SRL_REPLY_ROOT, i));
        channel_keys(task, srl__redis_member_channel(key));
    }
    srl__redis_task_add(task, text_of(name));
    srl__redis_task_add_u64(task, evict_ms(node));
    srl__redis_task_add_u64(task, EVICT_MEMBERS);
    for (uint32_t i = 1; i <= count; i++) {
        srl__redis_task_add(task, srl__reply_slice(reply, srl_reply_child(reply, SRL_REPLY_ROOT, i)));
    }
    if (task != NULL) {
        task->user.number = slot;
    }
    if (srl__redis_task_submit(task) != SRL_OK) {
        name->len = 0;
    }
}

static void evict(srl__redis_node *node, srl__slice name)
{
    srl__redis_people *people = &node->people;
    uint32_t slot = SRL__REDIS_EVICTIONS;
    for (uint32_t i = 0; i < SRL__REDIS_EVICTIONS; i++) {
        if (srl__slice_equal(text_of(&people->evictions[i]), name)) {
            return;
        }
        slot = people->evictions[i].len == 0 ? i : slot;
    }
    if (slot < SRL__REDIS_EVICTIONS && name.len > 0 && name.len <= SRL__REDIS_NODE_NAME_MAX) {
        memcpy(people->evictions[slot].text, name.data, name.len);
        people->evictions[slot].len = (uint32_t)name.len;
        evict_more(node, slot, NULL);
    }
}

/* ---- bringing members once more */

static void restore_more(srl__redis_node *node);

static void restored(srl__redis_task *task, int error, const srl_reply *reply)
{
    srl__redis_node *node = task->node;
    srl__redis_people *people = &node->people;
    int known = 0;
    if (task->user.number != people->generation) {
        return;
    }
    if (error != SRL_OK || srl_reply_bool(reply, SRL_REPLY_ROOT, &known) != SRL_OK) {
        people->is_restoring = false;
        people->is_doubtful = true;
    } else if (known == 0) {
        srl__redis_lease_lost(node);
    } else {
        restore_more(node);
    }
}

static srl__redis_task *restoring(srl__redis_node *node, srl__redis_member *const *members, uint32_t count)
{
    srl__redis_node_name name = srl__redis_people_name(node);
    srl__redis_task *task = srl__redis_task_begin(node, "presence_restore", 2 + 3 * count, restored, NULL);
    srl__redis_lease_keys(task, text_of(&name));
    for (uint32_t i = 0; i < count; i++) {
        channel_keys(task, srl__redis_member_channel(srl__slice_of(members[i]->key, members[i]->key_len)));
    }
    srl__redis_task_add(task, text_of(&name));
    srl__redis_task_add_u64(task, node->people.was_dead);
    for (uint32_t i = 0; i < count; i++) {
        srl__redis_task_add(task, srl__slice_of(members[i]->key, members[i]->key_len));
        srl__redis_task_add(task, members[i]->user);
        srl__redis_task_add(task, members[i]->info);
        srl__redis_task_add(task, members[i]->channel_info);
        srl__redis_task_add_u64(task, members[i]->join_leave);
    }
    return task;
}

/* The next members; after the last, what is left of the generation before is nobody's. */
static void restore_more(srl__redis_node *node)
{
    srl__redis_people *people = &node->people;
    srl__redis_member *members[RESTORE_MEMBERS];
    uint32_t count = 0;
    size_t bytes = 0;
    while (count < RESTORE_MEMBERS && bytes < RESTORE_BYTES &&
           (members[count] = srl__map_next(&people->members, &people->restored)) != NULL) {
        bytes += members[count]->key_len + members[count]->user.len + members[count]->info.len +
                 members[count]->channel_info.len;
        count++;
    }
    if (count == 0) {
        srl__redis_node_name last = people->last;
        people->is_restoring = false;
        people->was_dead = false;
        people->last.len = 0;
        evict(node, text_of(&last));
        return;
    }
    srl__redis_task *task = restoring(node, members, count);
    if (task != NULL) {
        task->user.number = people->generation;
    }
    if (srl__redis_task_submit(task) != SRL_OK) {
        people->is_restoring = false;
        people->is_doubtful = true;
    }
}

/* ---- beats */

static void beat(srl__redis_node *node);

static void begin_generation(srl__redis_node *node)
{
    srl__redis_people *people = &node->people;
    if (people->is_registered) {
        people->last = srl__redis_people_name(node);
    }
    people->generation++;
    people->is_registered = false;
    people->is_restoring = false;
    people->is_doubtful = false;
    beat(node);
}

static void told_of(srl__redis_node *node, bool is_new, const srl_reply *reply)
{
    srl__redis_people *people = &node->people;
    uint32_t count = srl_reply_count(reply, SRL_REPLY_ROOT);
    if (is_new) {
        people->is_registered = true;
        people->is_restoring = true;
        people->restored = 0;
        restore_more(node);
    }
    for (uint32_t i = 1; i < count; i++) {
        evict(node, srl__reply_slice(reply, srl_reply_child(reply, SRL_REPLY_ROOT, i)));
    }
    if (people->is_doubtful && !people->is_restoring) {
        begin_generation(node);
    }
}

static void beaten(srl__redis_task *task, int error, const srl_reply *reply)
{
    srl__redis_node *node = task->node;
    srl__redis_people *people = &node->people;
    people->is_beating = false;
    if (error != SRL_OK) {
        node->beat_ms = srl__redis_node_now(node) + RETRY_MS;
    } else if (srl__redis_number_at(reply, 0) != BEAT_IS_GOOD) {
        people->was_dead |= srl__redis_number_at(reply, 0) == BEAT_OF_THE_DEAD;
        begin_generation(node);
    } else {
        told_of(node, task->user.number != 0, reply);
    }
    if (people->must_beat && error == SRL_OK) {
        beat(node);
    }
}

static srl__redis_task *beating(srl__redis_node *node)
{
    srl__redis_people *people = &node->people;
    srl__redis_node_name name = srl__redis_people_name(node);
    srl__redis_task *task = srl__redis_task_begin(node, "node_beat", 3, beaten, NULL);
    char mark[1 + sizeof(node->lineage)] = {'\0'};
    size_t lineage_len = strlen(node->lineage);
    memcpy(mark + 1, node->lineage, lineage_len);
    if (task == NULL) {
        return NULL;
    }
    task->function_again = "node_beat_again";
    task->user.number = !people->is_registered;
    srl__redis_lease_keys(task, text_of(&name));
    srl__redis_removals_key(task, people->beats + 1);
    srl__redis_task_add(task, text_of(&name));
    srl__redis_task_add_u64(task, lease_ms(node));
    srl__redis_task_add_u64(task, evict_ms(node));
    srl__redis_task_add(task, srl__slice_of(mark, 1 + lineage_len));
    srl__redis_task_add_u64(task, !people->is_registered);
    srl__redis_task_add_u64(task, SRL__REDIS_EVICTIONS);
    return task;
}

/* One at a time: so when a beat is sent, everything before the last one has been answered. */
static void beat(srl__redis_node *node)
{
    srl__redis_people *people = &node->people;
    if (people->is_beating) {
        people->must_beat = true;
        return;
    }
    people->must_beat = false;
    if (srl__redis_task_submit(beating(node)) == SRL_OK) {
        people->is_beating = true;
        people->beats++;
    } else {
        node->beat_ms = srl__redis_node_now(node) + RETRY_MS;
    }
}

void srl__redis_lease_require(srl__redis_node *node)
{
    if (!node->people.is_registered && !node->people.is_beating) {
        beat(node);
    }
}

void srl__redis_lease_lost(srl__redis_node *node)
{
    beat(node);
}

void srl__redis_people_start(srl__redis_node *node)
{
    beat(node);
}

uint64_t srl__redis_people_beat(srl__redis_node *node, uint64_t now_ms)
{
    if (!node->people.is_beating) {
        beat(node);
    }
    return now_ms + beat_every_ms(node);
}

/* ---- how many there are */

static void counted(srl__redis_task *task, int error, const srl_reply *reply)
{
    uint64_t total = 0;
    if (error == SRL_OK && (srl_reply_u64(reply, SRL_REPLY_ROOT, &total) != SRL_OK || total > UINT32_MAX)) {
        error = SRL_ERR_REDIS;
    }
    srl_broker_result result = {
        .size = sizeof(result), .error = error, .epoch = "", .meta = "", .total = (uint32_t)total};
    srl__redis_task_finish(task, &result);
}

int srl__redis_nodes(void *state, srl_operation *operation)
{
    srl__redis_node *node = state;
    if (node->is_detached) {
        return SRL_ERR_CLOSED;
    }
    srl__redis_lease_require(node);
    srl__redis_task *task =
        srl__redis_task_that_reads(srl__redis_task_begin(node, "node_count", 1, counted, operation));
    srl__redis_people_key(task, SRL__KEY_NODE, srl__slice_of("", 0), srl__slice_of("", 0));
    return srl__redis_task_submit(task);
}

/* ---- the end */

static void forgotten(srl__redis_task *task, int error, const srl_reply *reply)
{
    (void)task;
    (void)error;
    (void)reply;
}

/* Some members, and the lease. */
static bool part_from(srl__redis_node *node, srl__redis_member *const *members, uint32_t count)
{
    srl__redis_node_name name = srl__redis_people_name(node);
    srl__redis_task *task = srl__redis_task_begin(node, "presence_evict", 2 + 3 * count, forgotten, NULL);
    srl__redis_lease_keys(task, text_of(&name));
    for (uint32_t i = 0; i < count; i++) {
        channel_keys(task, srl__redis_member_channel(srl__slice_of(members[i]->key, members[i]->key_len)));
    }
    srl__redis_task_add(task, text_of(&name));
    srl__redis_task_add_u64(task, 0);
    srl__redis_task_add_u64(task, 1);
    for (uint32_t i = 0; i < count; i++) {
        srl__redis_task_add(task, srl__slice_of(members[i]->key, members[i]->key_len));
    }
    return srl__redis_task_submit(task) == SRL_OK;
}

void srl__redis_people_stop(srl__redis_node *node)
{
    srl__redis_people *people = &node->people;
    srl__redis_member *members[EVICT_MEMBERS];
    uint32_t cursor = 0, done = 0, count;
    bool goes_on = node->state == SRL__NODE_UP && (people->is_registered || people->is_beating);
    while (goes_on) {
        count = 0;
        while (count < EVICT_MEMBERS && done + count < STOP_MEMBERS &&
               (members[count] = srl__map_next(&people->members, &cursor)) != NULL) {
            count++;
        }
        goes_on = part_from(node, members, count) && count == EVICT_MEMBERS;
        done += count;
    }
}
