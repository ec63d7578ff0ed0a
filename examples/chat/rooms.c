#include "rooms.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "policy.h"

#define GROUPS_LISTED  100
#define MEMBERS_LISTED 200
#define LIST_BYTES     32768
#define NOTES_LOOKED   100

/* A text and its length, as the library wants it. */
#define TEXT(s) (s), strlen(s)

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void add_member_text(json_text *json, const char *name, const char *value)
{
    json_text_add(json, json->len > 0 ? "," : "{");
    json_text_add_string(json, TEXT(name));
    json_text_add(json, ":");
    json_text_add_string(json, TEXT(value));
}

/* Something that everybody in a room is to see: {"event":"added","user":"bob","by":"alice"}. */
static void publish_event(const chat_call *call, const char *event, const char *about)
{
    char data[512];
    json_text json = {.data = data, .size = sizeof data};
    add_member_text(&json, "event", event);
    add_member_text(&json, "user", about);
    add_member_text(&json, "by", call->caller);
    json_text_add(&json, "}");
    if (!json.cut)
        srl_relay_publish(call->rooms->relay, TEXT(call->channel), data, json.len, NULL, NULL);
}

static void answer_with_channel(chat_call *call)
{
    char data[1024];
    json_text json = {.data = data, .size = sizeof data};
    add_member_text(&json, "channel", call->channel);
    json_text_add(&json, "}");
    chat_call_answer(call, &json);
}

static void answer_with_names(chat_call *call, int error, const srl_names *names)
{
    char data[LIST_BYTES];
    json_text json = {.data = data, .size = sizeof data};
    if (error != 0) {
        chat_call_fail(call, error);
        return;
    }
    json_text_add(&json, "{\"names\":[");
    for (uint32_t i = 0; i < names->count; i++) {
        json_text_add(&json, i > 0 ? "," : "");
        json_text_add_string(&json, names->names[i].data, names->names[i].len);
    }
    json_text_add(&json, names->count < names->total ? "],\"more\":\"yes\"}" : "]}");
    chat_call_answer(call, &json);
}

/* ---- groups ---- */

static void creator_added(int error, void *user)
{
    chat_call *call = user;
    if (error != 0) {
        srl_room_delete(call->rooms->relay, TEXT(call->channel), NULL, NULL);
        chat_call_fail(call, error);
        return;
    }
    publish_event(call, "created", call->caller);
    answer_with_channel(call);
}

static void group_created(int error, void *user)
{
    chat_call *call = user;
    if (error != 0)
        chat_call_fail(call, error);
    else
        chat_call_went_on(call, srl_room_add_member(call->rooms->relay, TEXT(call->channel), TEXT(call->caller),
                                                    creator_added, call));
}

/* A channel that nobody can guess. */
static int choose_channel(char *out, size_t size)
{
    uint64_t random[2];
    FILE *source = fopen("/dev/urandom", "rb");
    size_t got = source ? fread(random, sizeof random, 1, source) : 0;
    if (source)
        fclose(source);
    snprintf(out, size, "group:%016llx%016llx", got ? (unsigned long long)random[0] : 0,
             got ? (unsigned long long)random[1] : 0);
    return got == 1 ? 0 : -1;
}

static void create_group(chat_call *call)
{
    char data[1024];
    json_text meta = {.data = data, .size = sizeof data};
    add_member_text(&meta, "name", call->name);
    add_member_text(&meta, "owner", call->caller);
    json_text_add(&meta, "}");
    if (choose_channel(call->channel, sizeof call->channel) != 0)
        chat_call_refuse(call, SRL_REPLY_INTERNAL, NULL);
    else
        chat_call_went_on(
            call, srl_room_create(call->rooms->relay, TEXT(call->channel), meta.data, meta.len, group_created, call));
}

static bool is_removed(const chat_call *call, const char *user)
{
    uint32_t allow;
    uint32_t deny;
    return srl_permissions_get_override(call->rooms->permissions, TEXT(user), TEXT(call->channel), &allow, &deny) == 0;
}

static void member_added(int error, void *user)
{
    chat_call *call = user;
    if (error != 0) {
        chat_call_fail(call, error);
        return;
    }
    publish_event(call, "added", call->user);
    chat_call_answer(call, NULL);
}

static void add_member(chat_call *call)
{
    if (is_removed(call, call->user))
        chat_call_refuse(call, SRL_REPLY_PERMISSION_DENIED, "a moderator has removed this user from the group");
    else
        chat_call_went_on(
            call, srl_room_add_member(call->rooms->relay, TEXT(call->channel), TEXT(call->user), member_added, call));
}

/* A group that nobody is in any more can go. */
static void members_counted(int error, const char *meta, size_t meta_len, uint32_t members, void *user)
{
    chat_call *call = user;
    (void)meta;
    (void)meta_len;
    if (error == 0 && members == 0)
        srl_room_delete(call->rooms->relay, TEXT(call->channel), NULL, NULL);
    else
        publish_event(call, "left", call->caller);
    chat_call_answer(call, NULL);
}

static void member_left(int error, void *user)
{
    chat_call *call = user;
    if (error != 0)
        chat_call_fail(call, error);
    else
        chat_call_went_on(call, srl_room_info(call->rooms->relay, TEXT(call->channel), members_counted, call));
}

static void leave_group(chat_call *call)
{
    chat_call_went_on(
        call, srl_room_remove_member(call->rooms->relay, TEXT(call->channel), TEXT(call->caller), member_left, call));
}

static void answer_with_meta(int error, const char *meta, size_t meta_len, uint32_t members, void *user)
{
    char data[1024];
    json_text json = {.data = data, .size = sizeof data};
    (void)members;
    json_text_add_n(&json, meta, meta_len);
    if (error != 0)
        chat_call_fail(user, error);
    else
        chat_call_answer(user, &json);
}

static void group_info(chat_call *call)
{
    chat_call_went_on(call, srl_room_info(call->rooms->relay, TEXT(call->channel), answer_with_meta, call));
}

static void names_listed(int error, const srl_names *names, void *user)
{
    answer_with_names(user, error, names);
}

static void list_members(chat_call *call)
{
    chat_call_went_on(
        call, srl_room_members(call->rooms->relay, TEXT(call->channel), "", 0, MEMBERS_LISTED, names_listed, call));
}

static void list_groups(chat_call *call)
{
    chat_call_went_on(
        call, srl_room_groups_of(call->rooms->relay, TEXT(call->caller), "", 0, GROUPS_LISTED, names_listed, call));
}

/* ---- direct messages ---- */

/* The personal channel of a user has a note for each conversation, so that every page of that user finds them all. */
static void remember_next(chat_call *call);

static size_t write_note(const chat_call *call, char *out, size_t size)
{
    json_text note = {.data = out, .size = size};
    add_member_text(&note, "type", "dm");
    add_member_text(&note, "channel", call->channel);
    json_text_add(&note, "}");
    return note.len;
}

static size_t personal_channel(const char *user, char *out, size_t size)
{
    return (size_t)snprintf(out, size, "user:%s", user);
}

static void notes_read(int error, const srl_history *history, void *user)
{
    chat_call *call = user;
    char channel[CHAT_CHANNEL_SIZE];
    char note[1024];
    size_t note_len = write_note(call, note, sizeof note);
    bool known = false;

    if (error != 0) {
        chat_call_fail(call, error);
        return;
    }
    for (uint32_t i = 0; i < history->count && !known; i++) {
        const srl_publication *each = &history->publications[i];
        known = each->data_len == note_len && memcmp(each->data, note, note_len) == 0;
    }
    size_t len = personal_channel(call->step == 0 ? call->caller : call->user, channel, sizeof channel);
    if (!known)
        srl_relay_publish(call->rooms->relay, channel, len, note, note_len, NULL, NULL);
    call->step++;
    remember_next(call);
}

static void remember_next(chat_call *call)
{
    char channel[CHAT_CHANNEL_SIZE];
    if (call->step == 2) {
        answer_with_channel(call);
        return;
    }
    size_t len = personal_channel(call->step == 0 ? call->caller : call->user, channel, sizeof channel);
    chat_call_went_on(call, srl_relay_history(call->rooms->relay, channel, len, 0, "", 0, NOTES_LOOKED,
                                              SRL_HISTORY_REVERSE, notes_read, call));
}

static void open_dm(chat_call *call)
{
    int32_t len =
        srl_room_direct_channel(TEXT("dm:"), TEXT(call->caller), TEXT(call->user), call->channel, sizeof call->channel);
    if (len < 0)
        chat_call_refuse(call, SRL_REPLY_BAD_REQUEST, "user: that is yourself");
    else if ((size_t)len >= sizeof call->channel)
        chat_call_refuse(call, SRL_REPLY_BAD_REQUEST, "user: the names are too long together");
    else
        remember_next(call);
}

/* ---- moderation ---- */

static void user_removed(int error, void *user)
{
    chat_call *call = user;
    if (error != 0 && error != SRL_ERR_NOT_FOUND) {
        chat_call_fail(call, error);
        return;
    }
    publish_event(call, "removed", call->user);
    chat_call_answer(call, NULL);
}

/* ---- what a moderator said, on all processes of the chat ---- */

#define ASKING_MS 2000

static int set_banned(const chat_rooms *rooms, const char *user, const char *channel, bool banned)
{
    return banned ? srl_permissions_set_override(rooms->permissions, TEXT(user), TEXT(channel), SRL_PERM_NONE,
                                                 SRL_PERM_ALL)
                  : srl_permissions_remove_override(rooms->permissions, TEXT(user), TEXT(channel));
}

static void told(int error, const srl_survey *survey, void *user)
{
    (void)error;
    (void)survey;
    (void)user;
}

/* A policy is of its process: the others change theirs when they are asked to. */
static void tell_others(const chat_call *call, const char *op)
{
    char data[1024];
    json_text json = {.data = data, .size = sizeof data};
    add_member_text(&json, "user", call->user);
    add_member_text(&json, "channel", call->channel);
    json_text_add(&json, "}");
    srl_relay_survey(call->rooms->relay, TEXT(op), data, json.len, ASKING_MS, told, NULL);
}

void chat_rooms_survey(const chat_rooms *rooms, srl_question *question)
{
    char user[CHAT_NAME_SIZE];
    char channel[CHAT_CHANNEL_SIZE];
    size_t op_len;
    size_t data_len;
    const char *op = srl_question_op(question, &op_len);
    const char *data = srl_question_data(question, &data_len);
    bool bans = op_len == 3 && memcmp(op, "ban", 3) == 0;
    if ((!bans && !(op_len == 5 && memcmp(op, "unban", 5) == 0)) ||
        flat_json_get(data, data_len, "user", user, sizeof user) < 0 ||
        flat_json_get(data, data_len, "channel", channel, sizeof channel) < 0) {
        srl_question_refuse(question, SRL_ERR_INVALID);
        return;
    }
    set_banned(rooms, user, channel, bans);
    srl_question_answer(question, "{}", 2);
}

/* Out of the room, and denied everything there until that is lifted. */
static void kick(chat_call *call)
{
    const chat_rooms *rooms = call->rooms;
    bool group = starts_with(call->channel, "group:");
    if ((!group && !starts_with(call->channel, "chat:")) || strchr(call->channel, '*')) {
        chat_call_refuse(call, SRL_REPLY_BAD_REQUEST, "channel: not a room or group");
        return;
    }
    if (chat_is_moderator(call->user)) {
        chat_call_refuse(call, SRL_REPLY_PERMISSION_DENIED, "moderators cannot be removed");
        return;
    }
    int error = set_banned(rooms, call->user, call->channel, true);
    if (error == 0)
        tell_others(call, "ban");
    if (error == 0 && group) {
        error = srl_room_remove_member(rooms->relay, TEXT(call->channel), TEXT(call->user), user_removed, call);
        chat_call_went_on(call, error);
        return;
    }
    if (error == 0)
        error = srl_relay_unsubscribe_user(rooms->relay, TEXT(call->user), TEXT(call->channel), 0);
    user_removed(error, call);
}

static void unkick(chat_call *call)
{
    char channel[CHAT_CHANNEL_SIZE];
    char data[1024];
    json_text note = {.data = data, .size = sizeof data};
    int error = set_banned(call->rooms, call->user, call->channel, false);
    tell_others(call, "unban");
    if (error != 0) {
        chat_call_refuse(call, CHAT_NOT_FOUND, "this user was not removed from this room");
        return;
    }
    add_member_text(&note, "type", "restored");
    add_member_text(&note, "channel", call->channel);
    json_text_add(&note, "}");
    publish_event(call, "restored", call->user);
    srl_relay_publish(call->rooms->relay, channel, personal_channel(call->user, channel, sizeof channel), data,
                      note.len, NULL, NULL);
    chat_call_answer(call, NULL);
}

/* Why the caller is not, or no longer, in a room. */
static void why(chat_call *call)
{
    char data[128];
    json_text json = {.data = data, .size = sizeof data};
    add_member_text(&json, "text", is_removed(call, call->caller) ? "A moderator removed you from this room" : "");
    json_text_add(&json, "}");
    chat_call_answer(call, &json);
}

void chat_rooms_rpc(const chat_rooms *rooms, srl_request *request)
{
    static const chat_method methods[] = {
        {"create_group", CHAT_WANTS_NAME, create_group},
        {"add_member", CHAT_WANTS_CHANNEL | CHAT_WANTS_USER | CHAT_FOR_MEMBERS, add_member},
        {"leave_group", CHAT_WANTS_CHANNEL, leave_group},
        {"group_info", CHAT_WANTS_CHANNEL | CHAT_FOR_MEMBERS, group_info},
        {"list_members", CHAT_WANTS_CHANNEL | CHAT_FOR_MEMBERS, list_members},
        {"list_groups", 0, list_groups},
        {"open_dm", CHAT_WANTS_USER, open_dm},
        {"kick", CHAT_WANTS_CHANNEL | CHAT_WANTS_USER | CHAT_FOR_MODERATORS, kick},
        {"unkick", CHAT_WANTS_CHANNEL | CHAT_WANTS_USER | CHAT_FOR_MODERATORS, unkick},
        {"why", CHAT_WANTS_CHANNEL, why},
    };
    chat_rpc(rooms, methods, sizeof methods / sizeof methods[0], request);
}
