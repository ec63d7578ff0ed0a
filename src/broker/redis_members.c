/* The members that a node has brought into channels, so that it can bring them once more. */
#include <streamrelay/error.h>

#include "broker/redis_node.h"

void srl__redis_people_init(srl__redis_node *node)
{
    srl__map_init(&node->people.members, srl__redis_node_alloc(node), node->seed);
    node->people.generation = 1;
}

static void free_details(const srl_allocator *alloc, srl__redis_member *member)
{
    srl__free(alloc, member->details, member->user.len + member->info.len + member->channel_info.len + 1);
}

static void free_member(const srl_allocator *alloc, srl__redis_member *member)
{
    free_details(alloc, member);
    srl__free(alloc, member, sizeof(*member) + member->key_len);
}

void srl__redis_people_free(srl__redis_node *node)
{
    srl__redis_people *people = &node->people;
    uint32_t cursor = 0;
    srl__redis_member *member;
    if (people->members.alloc == NULL) {
        return;
    }
    while ((member = srl__map_next(&people->members, &cursor)) != NULL) {
        free_member(srl__redis_node_alloc(node), member);
    }
    srl__map_free(&people->members);
}

srl__slice srl__redis_member_key(srl__redis_node *node, srl__slice channel, srl__slice client)
{
    srl__buf *out = &node->frame;
    srl__buf_reset(out);
    srl__buf_append_char(out, (char)client.len);
    srl__buf_append_slice(out, client);
    srl__buf_append_slice(out, channel);
    return out->error == 0 ? srl__slice_of(out->data, out->len) : srl__slice_of("", 0);
}

srl__slice srl__redis_member_client(srl__slice key)
{
    size_t len = key.len > 0 ? (uint8_t)key.data[0] : 0;
    return len < key.len ? srl__slice_of(key.data + 1, len) : srl__slice_of("", 0);
}

srl__slice srl__redis_member_channel(srl__slice key)
{
    size_t len = key.len > 0 ? (uint8_t)key.data[0] : 0;
    return len < key.len ? srl__slice_of(key.data + 1 + len, key.len - 1 - len) : srl__slice_of("", 0);
}

/* What is known of a member: in `memory`, one behind the other. */
typedef struct details {
    srl__slice user;
    srl__slice info;
    srl__slice channel_info;
    size_t size;
    char *memory;
} details;

static srl__slice put(char **at, srl__slice text)
{
    char *begin = *at;
    if (text.len > 0) {
        memcpy(begin, text.data, text.len);
    }
    *at += text.len;
    return srl__slice_of(begin, text.len);
}

static int copy_details(const srl_allocator *alloc, const srl_broker_member *given, details *out)
{
    if (given->user_len > UINT32_MAX || given->info_len > UINT32_MAX || given->channel_info_len > UINT32_MAX) {
        return SRL_ERR_LIMIT;
    }
    uint64_t size = (uint64_t)given->user_len + given->info_len + given->channel_info_len + 1;
    char *at = size <= SIZE_MAX ? srl__alloc(alloc, (size_t)size) : NULL;
    if (at == NULL) {
        return SRL_ERR_NOMEM;
    }
    out->memory = at;
    out->size = (size_t)size;
    out->user = put(&at, srl__slice_of(given->user, given->user_len));
    out->info = put(&at, srl__slice_of(given->info, given->info_len));
    out->channel_info = put(&at, srl__slice_of(given->channel_info, given->channel_info_len));
    return SRL_OK;
}

static srl__redis_member *add_member(srl__redis_node *node, srl__slice key)
{
    const srl_allocator *alloc = srl__redis_node_alloc(node);
    srl__redis_member *member = srl__alloc_zeroed(alloc, sizeof(*member) + key.len);
    if (member == NULL) {
        return NULL;
    }
    member->key_len = key.len;
    memcpy(member->key, key.data, key.len);
    if (srl__map_add(&node->people.members, srl__slice_of(member->key, key.len), member) != SRL_OK) {
        srl__free(alloc, member, sizeof(*member) + key.len);
        return NULL;
    }
    return member;
}

int srl__redis_member_put(srl__redis_node *node, srl__slice key, const srl_broker_channel *channel,
                          const srl_broker_member *given)
{
    srl__redis_people *people = &node->people;
    const srl_allocator *alloc = srl__redis_node_alloc(node);
    details copy;
    int error = copy_details(alloc, given, &copy);
    if (error != SRL_OK) {
        return error;
    }
    srl__redis_member *member = srl__map_get(&people->members, key);
    if (member != NULL) {
        free_details(alloc, member);
    } else {
        member = add_member(node, key);
    }
    if (member == NULL) {
        srl__free(alloc, copy.memory, copy.size);
        return SRL_ERR_NOMEM;
    }
    member->user = copy.user;
    member->info = copy.info;
    member->channel_info = copy.channel_info;
    member->details = copy.memory;
    member->join_leave = (uint8_t)channel->join_leave;
    people->serial += people->serial == UINT32_MAX ? 2 : 1;
    member->serial = people->serial;
    return SRL_OK;
}

void srl__redis_member_drop(srl__redis_node *node, srl__slice key, uint32_t serial)
{
    srl__redis_member *member = srl__map_get(&node->people.members, key);
    if (member != NULL && (serial == 0 || member->serial == serial)) {
        srl__map_remove(&node->people.members, key);
        free_member(srl__redis_node_alloc(node), member);
    }
}
