/* Who is a member of which group: groups by channel, each with its members and metadata, and the way back from users
 * to their groups. No locks. */
#ifndef SRL__DIRECTORY_H
#define SRL__DIRECTORY_H

#include <streamrelay/api.h>

#include "base/map.h"

#define SRL__DIRECTORY_MAX_GROUPS      1000000
#define SRL__DIRECTORY_MAX_MEMBERS     100000 /* of a group */
#define SRL__DIRECTORY_MAX_USER_GROUPS 10000  /* of a user */

/* A group, whose peers are its members, or a user, whose peers are its groups. */
typedef struct srl__directory_node {
    struct srl__directory_node **peers; /* sorted by the bytes of their names */
    uint32_t count;
    uint32_t capacity;
    char *meta; /* NULL if it is empty */
    size_t meta_len;
    size_t name_len;
    char name[];
} srl__directory_node;

typedef struct srl__directory {
    const srl_allocator *alloc;
    srl__map groups;
    srl__map users; /* with at least one group each */
    uint32_t max_groups;
    uint32_t max_members;
    uint32_t max_user_groups;
} srl__directory;

void srl__directory_init(srl__directory *directory, const srl_allocator *alloc, uint64_t seed);
/* Also of one that is filled with zeros. */
void srl__directory_free(srl__directory *directory);

/* SRL_OK, SRL_ERR_EXISTS, SRL_ERR_LIMIT, SRL_ERR_NOMEM. */
int srl__directory_create(srl__directory *directory, srl__slice channel, srl__slice meta);
/* SRL_OK or SRL_ERR_NOT_FOUND. */
int srl__directory_delete(srl__directory *directory, srl__slice channel);
/* SRL_OK, SRL_ERR_NOT_FOUND, SRL_ERR_NOMEM. */
int srl__directory_set_meta(srl__directory *directory, srl__slice channel, srl__slice meta);
/* SRL_OK, SRL_ERR_NOT_FOUND (no such group), SRL_ERR_EXISTS, SRL_ERR_LIMIT, SRL_ERR_NOMEM. */
int srl__directory_add(srl__directory *directory, srl__slice channel, srl__slice user);
/* SRL_OK or SRL_ERR_NOT_FOUND. */
int srl__directory_remove(srl__directory *directory, srl__slice channel, srl__slice user);
bool srl__directory_has(const srl__directory *directory, srl__slice channel, srl__slice user);

/* NULL if there is no such group; or no user that is in any. */
const srl__directory_node *srl__directory_group(const srl__directory *directory, srl__slice channel);
const srl__directory_node *srl__directory_user(const srl__directory *directory, srl__slice user);

/* The place of the first peer behind a name, which need not be there; the number of peers if there is none. */
uint32_t srl__directory_behind(const srl__directory_node *node, srl__slice name);
/* A copy of the names of `count` peers from `first` on needs this many bytes (false: more than there can be)... */
bool srl__directory_measure(const srl__directory_node *node, uint32_t first, uint32_t count, size_t *size);
/* ... at `memory`, aligned for any type, which begins with an srl_text for each afterwards. */
void srl__directory_copy(const srl__directory_node *node, uint32_t first, uint32_t count, void *memory);

#endif
