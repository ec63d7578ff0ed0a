/* What the relay needs of a policy beyond the public calls. */
#ifndef SRL__PERMISSIONS_H
#define SRL__PERMISSIONS_H

#include <stdbool.h>

#include <streamrelay/permissions.h>

#include "base/list.h"
#include "base/slice.h"

/* Told of changes, within the call that changes. It may add and remove observers, itself included, and ask questions;
 * it must not change the policy. */
typedef struct srl__permissions_observer {
    srl__list link;
    void (*changed)(struct srl__permissions_observer *observer);
} srl__permissions_observer;

/* Another owner; given back with srl_permissions_destroy(). */
void srl__permissions_retain(srl_permissions *permissions);

void srl__permissions_observe(srl_permissions *permissions, srl__permissions_observer *observer);
/* Removing one that is not registered (its link initialised) does nothing. */
void srl__permissions_unobserve(srl__permissions_observer *observer);

/* Grows with every change, also within a batch. */
uint64_t srl__permissions_version(const srl_permissions *permissions);

/* Whether `name` can be a role's: 0 or what srl_permissions_set_role_permission() would return. */
int srl__permissions_check_role_name(srl__slice name);

/* Look-ups of trie nodes made so far: what a check costs, independent of the machine. */
uint64_t srl__permissions_steps(const srl_permissions *permissions);

#endif
