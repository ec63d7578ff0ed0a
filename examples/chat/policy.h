/* What the chat's channels are like, and who may do what in them. */
#ifndef EXAMPLES_CHAT_POLICY_H
#define EXAMPLES_CHAT_POLICY_H

#include <stdbool.h>

#include <streamrelay/streamrelay.h>

#define CHAT_MODERATOR "moderator" /* the role */

/** Whether a user has that role. In this demonstration it is the one called "admin". */
bool chat_is_moderator(const char *user);

/** Give a relay its namespaces and a new policy, which the caller destroys. 0, or an error code; NULL then. */
int chat_policy_create(srl_relay *relay, srl_permissions **out);

#endif
