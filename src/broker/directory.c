#include "broker/directory.h"

#include <streamrelay/error.h>

/* Arrays that are not larger than this are not shrunk. */
#define KEEP_PEERS 16

static srl__slice name_of(const srl__directory_node *node)
{
    return srl__slice_of(node->name, node->name_len);
}

static srl__directory_node *make_node(const srl_allocator *alloc, srl__slice name)
{
    if (name.len > SIZE_MAX - sizeof(srl__directory_node)) {
        return NULL;
    }
    srl__directory_node *node = srl__alloc(alloc, sizeof(*node) + name.len);
    if (node == NULL) {
        return NULL;
    }
    *node = (srl__directory_node){.name_len = name.len};
    if (name.len > 0) {
        memcpy(node->name, name.data, name.len);
    }
    return node;
}

static void free_meta(const srl_allocator *alloc, srl__directory_node *node)
{
    if (node->meta != NULL) {
        srl__free_bytes(alloc, node->meta, node->meta_len);
    }
}

static void free_node(const srl_allocator *alloc, srl__directory_node *node)
{
    free_meta(alloc, node);
    srl__free(alloc, node->peers, node->capacity * sizeof(srl__directory_node *));
    srl__free(alloc, node, sizeof(*node) + node->name_len);
}

static int set_meta(const srl_allocator *alloc, srl__directory_node *node, srl__slice meta)
{
    char *copy = NULL;
    if (meta.len > 0) {
        copy = srl__copy_bytes(alloc, meta.data, meta.len);
        if (copy == NULL) {
            return SRL_ERR_NOMEM;
        }
    }
    free_meta(alloc, node);
    node->meta = copy;
    node->meta_len = meta.len;
    return SRL_OK;
}

static int compare(srl__slice a, srl__slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
    if (order != 0) {
        return order;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

/* Where the name is among the peers, or would be. */
static uint32_t place_of(const srl__directory_node *node, srl__slice name)
{
    uint32_t low = 0, high = node->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare(name_of(node->peers[middle]), name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_at(const srl__directory_node *node, uint32_t place, srl__slice name)
{
    return place < node->count && srl__slice_equal(name_of(node->peers[place]), name);
}

static bool reserve_peer(const srl_allocator *alloc, srl__directory_node *node, uint32_t max)
{
    void *peers = node->peers;
    if (!srl__grow_array(alloc, &peers, &node->capacity, node->count + 1, max, sizeof(srl__directory_node *))) {
        return false;
    }
    node->peers = peers;
    return true;
}

static void insert_peer(srl__directory_node *node, uint32_t place, srl__directory_node *peer)
{
    srl__directory_node **at = &node->peers[place];
    memmove(at + 1, at, (node->count - place) * sizeof(*at));
    *at = peer;
    node->count++;
}

/* A failed shrink is not an error. */
static void shrink_peers(const srl_allocator *alloc, srl__directory_node *node)
{
    uint32_t capacity = node->capacity / 2;
    if (node->capacity <= KEEP_PEERS || node->count > node->capacity / 4) {
        return;
    }
    size_t item = sizeof(srl__directory_node *);
    void *peers = srl__resize(alloc, node->peers, node->capacity * item, capacity * item);
    if (peers != NULL) {
        node->peers = peers;
        node->capacity = capacity;
    }
}

static void remove_peer(const srl_allocator *alloc, srl__directory_node *node, uint32_t place)
{
    srl__directory_node **at = &node->peers[place];
    node->count--;
    memmove(at, at + 1, (node->count - place) * sizeof(*at));
    shrink_peers(alloc, node);
}

void srl__directory_init(srl__directory *directory, const srl_allocator *alloc, uint64_t seed)
{
    *directory = (srl__directory){
        .alloc = alloc,
        .max_groups = SRL__DIRECTORY_MAX_GROUPS,
        .max_members = SRL__DIRECTORY_MAX_MEMBERS,
        .max_user_groups = SRL__DIRECTORY_MAX_USER_GROUPS,
    };
    srl__map_init(&directory->groups, alloc, seed);
    srl__map_init(&directory->users, alloc, seed);
}

static void free_nodes(const srl_allocator *alloc, srl__map *map)
{
    uint32_t cursor = 0;
    srl__directory_node *node;
    while ((node = srl__map_next(map, &cursor)) != NULL) {
        free_node(alloc, node);
    }
    srl__map_free(map);
}

void srl__directory_free(srl__directory *directory)
{
    free_nodes(directory->alloc, &directory->groups);
    free_nodes(directory->alloc, &directory->users);
}

int srl__directory_create(srl__directory *directory, srl__slice channel, srl__slice meta)
{
    if (srl__map_get(&directory->groups, channel) != NULL) {
        return SRL_ERR_EXISTS;
    }
    if (directory->groups.count >= directory->max_groups) {
        return SRL_ERR_LIMIT;
    }
    srl__directory_node *group = make_node(directory->alloc, channel);
    if (group == NULL) {
        return SRL_ERR_NOMEM;
    }
    int rc = set_meta(directory->alloc, group, meta);
    if (rc == SRL_OK) {
        rc = srl__map_add(&directory->groups, name_of(group), group);
    }
    if (rc != SRL_OK) {
        free_node(directory->alloc, group);
    }
    return rc;
}

static void drop_idle_user(srl__directory *directory, srl__directory_node *user)
{
    if (user->count == 0) {
        srl__map_remove(&directory->users, name_of(user));
        free_node(directory->alloc, user);
    }
}

int srl__directory_delete(srl__directory *directory, srl__slice channel)
{
    srl__directory_node *group = srl__map_remove(&directory->groups, channel);
    if (group == NULL) {
        return SRL_ERR_NOT_FOUND;
    }
    for (uint32_t i = 0; i < group->count; i++) {
        srl__directory_node *user = group->peers[i];
        remove_peer(directory->alloc, user, place_of(user, name_of(group)));
        drop_idle_user(directory, user);
    }
    free_node(directory->alloc, group);
    return SRL_OK;
}

int srl__directory_set_meta(srl__directory *directory, srl__slice channel, srl__slice meta)
{
    srl__directory_node *group = srl__map_get(&directory->groups, channel);
    return group != NULL ? set_meta(directory->alloc, group, meta) : SRL_ERR_NOT_FOUND;
}

/* The user's node, made if it is not there. One without groups must get one or be dropped. */
static int open_user(srl__directory *directory, srl__slice name, srl__directory_node **out)
{
    *out = srl__map_get(&directory->users, name);
    if (*out != NULL) {
        return SRL_OK;
    }
    srl__directory_node *user = make_node(directory->alloc, name);
    if (user == NULL) {
        return SRL_ERR_NOMEM;
    }
    int rc = srl__map_add(&directory->users, name_of(user), user);
    if (rc != SRL_OK) {
        free_node(directory->alloc, user);
        return rc;
    }
    *out = user;
    return SRL_OK;
}

/* The user's side, and room on the group's. */
static int enter_group(srl__directory *directory, srl__directory_node *group, srl__directory_node *user)
{
    if (user->count >= directory->max_user_groups) {
        return SRL_ERR_LIMIT;
    }
    if (!reserve_peer(directory->alloc, group, directory->max_members) ||
        !reserve_peer(directory->alloc, user, directory->max_user_groups)) {
        return SRL_ERR_NOMEM;
    }
    insert_peer(user, place_of(user, name_of(group)), group);
    return SRL_OK;
}

int srl__directory_add(srl__directory *directory, srl__slice channel, srl__slice name)
{
    srl__directory_node *group = srl__map_get(&directory->groups, channel);
    srl__directory_node *user;
    if (group == NULL) {
        return SRL_ERR_NOT_FOUND;
    }
    uint32_t place = place_of(group, name);
    if (is_at(group, place, name)) {
        return SRL_ERR_EXISTS;
    }
    if (group->count >= directory->max_members) {
        return SRL_ERR_LIMIT;
    }
    int rc = open_user(directory, name, &user);
    if (rc != SRL_OK) {
        return rc;
    }
    rc = enter_group(directory, group, user);
    if (rc != SRL_OK) {
        drop_idle_user(directory, user);
        return rc;
    }
    insert_peer(group, place, user);
    return SRL_OK;
}

int srl__directory_remove(srl__directory *directory, srl__slice channel, srl__slice name)
{
    srl__directory_node *group = srl__map_get(&directory->groups, channel);
    uint32_t place = group != NULL ? place_of(group, name) : 0;
    if (group == NULL || !is_at(group, place, name)) {
        return SRL_ERR_NOT_FOUND;
    }
    srl__directory_node *user = group->peers[place];
    remove_peer(directory->alloc, group, place);
    remove_peer(directory->alloc, user, place_of(user, name_of(group)));
    drop_idle_user(directory, user);
    return SRL_OK;
}

bool srl__directory_has(const srl__directory *directory, srl__slice channel, srl__slice user)
{
    const srl__directory_node *group = srl__directory_group(directory, channel);
    return group != NULL && is_at(group, place_of(group, user), user);
}

const srl__directory_node *srl__directory_group(const srl__directory *directory, srl__slice channel)
{
    return srl__map_get(&directory->groups, channel);
}

const srl__directory_node *srl__directory_user(const srl__directory *directory, srl__slice user)
{
    return srl__map_get(&directory->users, user);
}

uint32_t srl__directory_behind(const srl__directory_node *node, srl__slice name)
{
    uint32_t place = place_of(node, name);
    return place + is_at(node, place, name);
}

bool srl__directory_measure(const srl__directory_node *node, uint32_t first, uint32_t count, size_t *size)
{
    if (!srl__size_of_array(count, sizeof(srl_text), 0, size)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        size_t len = node->peers[first + i]->name_len;
        if (len > SIZE_MAX - *size) {
            return false;
        }
        *size += len;
    }
    return true;
}

void srl__directory_copy(const srl__directory_node *node, uint32_t first, uint32_t count, void *memory)
{
    srl_text *texts = memory;
    char *at = (char *)(texts + count);
    for (uint32_t i = 0; i < count; i++) {
        srl__slice name = name_of(node->peers[first + i]);
        texts[i] = (srl_text){.data = at, .len = name.len};
        memcpy(at, name.data, name.len);
        at += name.len;
    }
}
