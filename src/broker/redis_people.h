/* People as the Redis broker has them: who is in which channel, who is in which group, and how far each has come.
 *
 * Presence is by lease. A node tells the server a little more often than every quarter of the TTL that it lives, and
 * has a lease of five eighths, so that one that has ended is found within the TTL and two beats may be missed. Whoever
 * finds a node whose lease is over takes its members out, some at a time, and the server tells of their leaving in the
 * same step.
 *
 * A node knows what members it has. If the server does not (it came back empty or with older data, or took the node
 * for dead), the node becomes a new one: of another generation, under which it brings all members once more. What is
 * left of the old one are those that were not to be there, and they go the way of a dead node's. */
#ifndef SRL__REDIS_PEOPLE_H
#define SRL__REDIS_PEOPLE_H

#include "base/map.h"
#include "broker/redis_keys.h"
#include "broker/redis_task.h"

enum { SRL__REDIS_NODE_NAME_MAX = 32, SRL__REDIS_EVICTIONS = 4 };

/* A node under the name of one of its generations: <id>.<generation>. */
typedef struct srl__redis_node_name {
    uint32_t len; /* 0: none */
    char text[SRL__REDIS_NODE_NAME_MAX];
} srl__redis_node_name;

/* Somebody of ours in a channel. */
typedef struct srl__redis_member srl__redis_member;

typedef struct srl__redis_people {
    srl__map members;                                     /* by <length of client> <client> <channel> */
    uint32_t serial;                                      /* given to members as they are added */
    uint32_t generation;                                  /* whose name we have */
    uint32_t beats;                                       /* sent */
    bool is_registered;                                   /* the server knows of this generation */
    bool is_beating;                                      /* an answer is to come */
    bool must_beat;                                       /* as soon as it came */
    bool is_doubtful;                                     /* it is not certain what the server has of ours */
    bool was_dead;                                        /* others were told that our members left */
    bool is_restoring;                                    /* members are being brought once more */
    uint32_t restored;                                    /* so far: a walk's place */
    srl__redis_node_name last;                            /* the generation before, to be evicted */
    srl__redis_node_name evictions[SRL__REDIS_EVICTIONS]; /* under way */
} srl__redis_people;

void srl__redis_people_init(srl__redis_node *node);
/* Also of one that is filled with zeros. */
void srl__redis_people_free(srl__redis_node *node);
/* The server can be asked, maybe after a time in which it could not. */
void srl__redis_people_start(srl__redis_node *node);
/* Tell that the node lives; when to call next. */
uint64_t srl__redis_people_beat(srl__redis_node *node, uint64_t now_ms);
/* The node ends: take its members out, as far as that can be said at once. Others do the rest. */
void srl__redis_people_stop(srl__redis_node *node);

/* Functions of the broker's table. */

int srl__redis_presence_add(void *node, const srl_broker_channel *channel, const srl_broker_member *member,
                            srl_operation *operation);
int srl__redis_presence_remove(void *node, const srl_broker_channel *channel, const srl_broker_member *member,
                               srl_operation *operation);
int srl__redis_presence_list(void *node, const srl_broker_channel *channel, uint32_t limit, srl_operation *operation);
int srl__redis_nodes(void *node, srl_operation *operation);
int srl__redis_directory(void *node, const srl_broker_directory *question, srl_operation *operation);
int srl__redis_position_set(void *node, const srl_broker_position *position, srl_operation *operation);
int srl__redis_position_get(void *node, const srl_broker_position *position, srl_operation *operation);

/* What the files of this header have in common. */

/* The next key of a task, by its parts. */
void srl__redis_people_key(srl__redis_task *task, srl__redis_key_kind kind, srl__slice name, srl__slice extra);
/* The number at a place of an answer that is a list; 0 if there is none. */
uint32_t srl__redis_number_at(const srl_reply *reply, uint32_t index);
static inline bool srl__redis_is_name(size_t len)
{
    return len > 0 && len <= 65535;
}

/* redis_presence.c */

/* The next key: where it is kept what was removed since that beat. */
void srl__redis_removals_key(srl__redis_task *task, uint32_t beats);

/* redis_lease.c */

/* The name that the node has now. */
srl__redis_node_name srl__redis_people_name(const srl__redis_node *node);
/* The keys that presence has on behalf of a node: of all nodes, and of this one's members. */
void srl__redis_lease_keys(srl__redis_task *task, srl__slice name);
/* The node's lease, before anything else is done under its name. */
void srl__redis_lease_require(srl__redis_node *node);
/* The server does not know the node: see to it now. */
void srl__redis_lease_lost(srl__redis_node *node);

/* redis_members.c */

struct srl__redis_member {
    uint32_t serial;
    uint8_t join_leave;
    srl__slice user; /* in `details`, with what follows */
    srl__slice info;
    srl__slice channel_info;
    char *details;
    size_t key_len;
    char key[];
};

/* <length of client> <client> <channel>, in the node's buffer for frames. Empty: no memory. */
srl__slice srl__redis_member_key(srl__redis_node *node, srl__slice channel, srl__slice client);
srl__slice srl__redis_member_client(srl__slice key);
srl__slice srl__redis_member_channel(srl__slice key);
/* Write it down, as added last. SRL_OK; SRL_ERR_NOMEM, SRL_ERR_LIMIT, and nothing has changed. */
int srl__redis_member_put(srl__redis_node *node, srl__slice key, const srl_broker_channel *channel,
                          const srl_broker_member *member);
/* Forget it; `serial` 0: in any case, else only if it was added as that. */
void srl__redis_member_drop(srl__redis_node *node, srl__slice key, uint32_t serial);

#endif
