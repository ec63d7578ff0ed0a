/*
 * rooms.h - groups, direct messages and moderation: the methods that clients may call, see rpc.h.
 *
 *   method        arguments       who              answer, and what else happens
 *   create_group  name            users            {"channel"}; the caller is its first member
 *   add_member    channel, user   members          {}; the user's pages are subscribed
 *   leave_group   channel         members          {}; a group without members is deleted
 *   group_info    channel         members          {"name", "owner"}
 *   list_members  channel         members          {"names": [...]}; "more": "yes" if these are not all
 *   list_groups                   users            {"names": [...]} of channels
 *   open_dm       user            users            {"channel"}; both find it in their personal channels
 *   kick          channel, user   moderators       {}; out of the room or group, and kept out
 *   unkick        channel, user   moderators       {}; told in the user's personal channel
 *   why           channel         users            {"text"}: why the caller is not let in; empty: no reason known
 *
 * What happens to a room's people is also published into the room: {"event", "user", "by"}, where the event is one of
 * created, added, left, removed, restored.
 */
#ifndef EXAMPLES_CHAT_ROOMS_H
#define EXAMPLES_CHAT_ROOMS_H

#include "rpc.h"

/** Answer an rpc request. `rooms` stays as long as the relay. */
void chat_rooms_rpc(const chat_rooms *rooms, srl_request *request);

/** Do what a moderator said on another process of the chat. (One that is started later does not know of it.) */
void chat_rooms_survey(const chat_rooms *rooms, srl_question *question);

#endif
