/* Names of keys and channels: prefix, hash tag, a letter for what it is, and whose it is.
 *
 *     srl:{3f}:s:<channel>
 *
 * The tag is that of one of 128 partitions, by the channel's hash; partitions divide the slots of a cluster evenly. */
#ifndef SRL__REDIS_KEYS_H
#define SRL__REDIS_KEYS_H

#include "base/buf.h"
#include "base/slice.h"

enum { SRL__REDIS_PARTITIONS = 128 };

typedef enum srl__redis_key_kind {
    SRL__KEY_AGES = 'a',        /* of a partition: when to look at which channel for what is too old */
    SRL__KEY_LIVES = 'b',       /* of a partition: how long each of these keeps */
    SRL__KEY_STREAM = 's',      /* a channel's publications */
    SRL__KEY_LIVE = 'c',        /* where they are announced (pub/sub) */
    SRL__KEY_ONCE = 'i',        /* an idempotency key: name is the channel, extra the key */
    SRL__KEY_PRESENCE = 'p',    /* who is in a channel; extra tells which part */
    SRL__KEY_GROUP = 'g',       /* a group's metadata */
    SRL__KEY_MEMBERS = 'm',     /* its members */
    SRL__KEY_USER_GROUPS = 'u', /* by user: the groups one is in */
    SRL__KEY_POSITION = 'o',    /* name is the channel, extra the user */
    SRL__KEY_NODE = 'n'         /* of the nodes, not of a channel */
} srl__redis_key_kind;

/* Write a name into `out`, which is reset; the slice is valid until the buffer changes. Empty: no memory. */
srl__slice srl__redis_key(srl__buf *out, srl__slice prefix, srl__redis_key_kind kind, srl__slice name,
                          srl__slice extra);

/* The key of a partition. */
srl__slice srl__redis_partition_key(srl__buf *out, srl__slice prefix, srl__redis_key_kind kind, uint32_t partition);

/* The same name, without extra, as another kind's key. */
srl__slice srl__redis_key_as(srl__buf *out, srl__slice key, size_t name_len, srl__redis_key_kind kind);

#endif
