/* Groups, as <streamrelay/room.h> describes them: questions to the broker's directory, and what follows from them. */
#include <streamrelay/codes.h>
#include <streamrelay/error.h>
#include <streamrelay/room.h>

#include "engine/call.h"
#include "engine/notes.h"
#include "engine/relay.h"

/* A question of the host that waits for the directory. */
typedef struct group_call {
    srl__call call;
    srl_relay *relay;
    uint32_t verb;
    union {
        srl_done_fn plain;
        srl_names_fn names;
        srl_room_info_fn info;
    } done;
    void *user;
    size_t channel_len;
    size_t member_len;
    char text[]; /* channel, member */
} group_call;

static srl__slice channel_of(const group_call *g)
{
    return srl__slice_of(g->text, g->channel_len);
}

static srl__slice member_of(const group_call *g)
{
    return srl__slice_of(g->text + g->channel_len, g->member_len);
}

static void group_free(group_call *g)
{
    srl__free(&g->relay->alloc, g, sizeof(*g) + g->channel_len + g->member_len);
}

/* What the change means for sessions and for those who watch: 0, or why the sessions could not be told. */
static int follow_up(const group_call *g)
{
    srl_relay *relay = g->relay;
    srl__slice none = srl__slice_of("", 0);
    srl_user_sessions members = srl__sessions_of(member_of(g));

    switch (g->verb) {
    case SRL_DIRECTORY_CREATE:
        srl__event(relay, SRL_EVENT_GROUP_CREATED, 0, channel_of(g), none, none);
        return SRL_OK;
    case SRL_DIRECTORY_DELETE:
        srl__event(relay, SRL_EVENT_GROUP_DELETED, 0, channel_of(g), none, none);
        return srl__note_clear(relay, channel_of(g), SRL_UNSUBSCRIBE_SERVER);
    case SRL_DIRECTORY_ADD:
        srl__event(relay, SRL_EVENT_MEMBER_ADDED, 0, channel_of(g), member_of(g), none);
        return srl__note_subscribe(relay, &members, channel_of(g), NULL);
    case SRL_DIRECTORY_REMOVE:
        srl__event(relay, SRL_EVENT_MEMBER_REMOVED, 0, channel_of(g), member_of(g), none);
        return srl__note_unsubscribe(relay, &members, channel_of(g), SRL_UNSUBSCRIBE_SERVER);
    default:
        return SRL_OK;
    }
}

static void changed(srl__call *call, const srl_broker_result *result)
{
    group_call *g = SRL__CONTAINER(call, group_call, call);
    int error = result->error;

    if (error == SRL_OK) {
        error = follow_up(g);
    }
    if (error == SRL_ERR_UNAVAILABLE && result->error == SRL_OK) {
        error = SRL_OK; /* a broker without notes: sessions find out by themselves */
    }
    if (g->done.plain != NULL) {
        g->done.plain(error, g->user);
    }
    group_free(g);
}

static void listed(srl__call *call, const srl_broker_result *result)
{
    group_call *g = SRL__CONTAINER(call, group_call, call);
    srl_names names = {
        .size = sizeof(names),
        .count = result->name_count,
        .total = result->total,
        .names = result->names,
    };

    g->done.names(result->error, result->error == SRL_OK ? &names : NULL, g->user);
    group_free(g);
}

static void informed(srl__call *call, const srl_broker_result *result)
{
    group_call *g = SRL__CONTAINER(call, group_call, call);

    g->done.info(result->error, result->meta != NULL ? result->meta : "", result->meta_len, result->total, g->user);
    group_free(g);
}

static group_call *prepare(srl_relay *relay, uint32_t verb, srl__slice channel, srl__slice member, void *user)
{
    group_call *g = srl__alloc_zeroed(&relay->alloc, sizeof(*g) + channel.len + member.len);

    if (g == NULL) {
        return NULL;
    }
    g->relay = relay;
    g->verb = verb;
    g->user = user;
    g->channel_len = channel.len;
    g->member_len = member.len;
    if (channel.len > 0) {
        memcpy(g->text, channel.data, channel.len);
    }
    if (member.len > 0) {
        memcpy(g->text + channel.len, member.data, member.len);
    }
    return g;
}

static int ask(group_call *g, srl__slice meta, uint32_t limit,
               void (*finish)(srl__call *call, const srl_broker_result *result))
{
    srl_relay *relay = g->relay;
    const srl_broker_ops *broker = srl__broker_ops_of(relay->broker);
    uint32_t max = (uint32_t)relay->settings.max_members;
    srl_broker_directory question = {
        .size = sizeof(question),
        .verb = g->verb,
        .limit = limit < max ? limit : max,
        .channel = channel_of(g).data,
        .channel_len = g->channel_len,
        .user = member_of(g).data,
        .user_len = g->member_len,
        .meta = meta.data,
        .meta_len = meta.len,
    };
    int error = SRL_ERR_UNAVAILABLE;

    srl__relay_enter(relay);
    srl__call_begin(relay, &g->call, finish);
    if (broker->directory != NULL) {
        error = broker->directory(relay->link, &question, &g->call.operation);
    }
    if (error != SRL_OK) {
        srl__call_abandon(&g->call);
        group_free(g);
    }
    srl__relay_leave(relay);
    return error;
}

static int usable(srl_relay *relay, srl__slice channel)
{
    if (relay->destroyed) {
        return SRL_ERR_CLOSED;
    }
    if (!srl__channel_is_valid(relay, channel)) {
        return srl__relay_fail(relay, SRL_ERR_INVALID, "channel: not a valid name");
    }
    if (srl__namespaces_find(&relay->namespaces, channel)->room != SRL__ROOM_GROUP) {
        return srl__relay_fail(relay, SRL_ERR_STATE, "channel: its namespace is not one for groups (room = group)");
    }
    return SRL_OK;
}

static int check_meta(srl_relay *relay, srl__slice meta)
{
    srl__json_error problem;

    if (meta.len > relay->settings.max_info_bytes) {
        return srl__relay_fail(relay, SRL_ERR_TOO_LARGE, "metadata: larger than max_info_bytes");
    }
    if (meta.len > 0 && !srl__json_validate(meta, &relay->json_limits, NULL, &problem)) {
        (void)srl__json_error_text(&problem, relay->error, sizeof(relay->error));
        return SRL_ERR_JSON;
    }
    return SRL_OK;
}

static int change(srl_relay *relay, uint32_t verb, srl__slice channel, srl__slice member, srl__slice meta,
                  srl_done_fn done, void *user)
{
    int error = usable(relay, channel);
    group_call *g = NULL;

    if (error == SRL_OK) {
        error = check_meta(relay, meta);
    }
    if (error != SRL_OK) {
        return error;
    }
    g = prepare(relay, verb, channel, member, user);
    if (g == NULL) {
        return SRL_ERR_NOMEM;
    }
    g->done.plain = done;
    return ask(g, meta, 0, changed);
}

static int change_member(srl_relay *relay, uint32_t verb, srl__slice channel, srl__slice member, srl_done_fn done,
                         void *user)
{
    if (member.len == 0 || member.len > relay->settings.max_user_length) {
        return srl__relay_fail(relay, SRL_ERR_INVALID, "member: empty, or longer than max_user_length");
    }
    return change(relay, verb, channel, member, srl__slice_of("", 0), done, user);
}

#define TEXT(name) srl__slice_of(name, name##_len)

int srl_room_create(srl_relay *relay, const char *channel, size_t channel_len, const char *meta, size_t meta_len,
                    srl_done_fn done, void *user)
{
    return change(relay, SRL_DIRECTORY_CREATE, TEXT(channel), srl__slice_of("", 0), TEXT(meta), done, user);
}

int srl_room_delete(srl_relay *relay, const char *channel, size_t channel_len, srl_done_fn done, void *user)
{
    return change(relay, SRL_DIRECTORY_DELETE, TEXT(channel), srl__slice_of("", 0), srl__slice_of("", 0), done, user);
}

int srl_room_set_meta(srl_relay *relay, const char *channel, size_t channel_len, const char *meta, size_t meta_len,
                      srl_done_fn done, void *user)
{
    return change(relay, SRL_DIRECTORY_SET_META, TEXT(channel), srl__slice_of("", 0), TEXT(meta), done, user);
}

int srl_room_info(srl_relay *relay, const char *channel, size_t channel_len, srl_room_info_fn done, void *user)
{
    int error = done == NULL ? SRL_ERR_INVALID : usable(relay, TEXT(channel));
    group_call *g = NULL;

    if (error != SRL_OK) {
        return error;
    }
    g = prepare(relay, SRL_DIRECTORY_GET, TEXT(channel), srl__slice_of("", 0), user);
    if (g == NULL) {
        return SRL_ERR_NOMEM;
    }
    g->done.info = done;
    return ask(g, srl__slice_of("", 0), 0, informed);
}

int srl_room_add_member(srl_relay *relay, const char *channel, size_t channel_len, const char *member,
                        size_t member_len, srl_done_fn done, void *user)
{
    return change_member(relay, SRL_DIRECTORY_ADD, TEXT(channel), TEXT(member), done, user);
}

int srl_room_remove_member(srl_relay *relay, const char *channel, size_t channel_len, const char *member,
                           size_t member_len, srl_done_fn done, void *user)
{
    return change_member(relay, SRL_DIRECTORY_REMOVE, TEXT(channel), TEXT(member), done, user);
}

int srl_room_check_member(srl_relay *relay, const char *channel, size_t channel_len, const char *member,
                          size_t member_len, srl_done_fn done, void *user)
{
    if (done == NULL) {
        return SRL_ERR_INVALID;
    }
    return change_member(relay, SRL_DIRECTORY_CHECK, TEXT(channel), TEXT(member), done, user);
}

static int list(srl_relay *relay, uint32_t verb, srl__slice channel, srl__slice member, uint32_t limit,
                srl_names_fn done, void *user)
{
    group_call *g = prepare(relay, verb, channel, member, user);

    if (g == NULL) {
        return SRL_ERR_NOMEM;
    }
    g->done.names = done;
    return ask(g, srl__slice_of("", 0), limit, listed);
}

int srl_room_members(srl_relay *relay, const char *channel, size_t channel_len, const char *after, size_t after_len,
                     uint32_t limit, srl_names_fn done, void *user)
{
    int error = done == NULL ? SRL_ERR_INVALID : usable(relay, TEXT(channel));

    return error != SRL_OK ? error : list(relay, SRL_DIRECTORY_MEMBERS, TEXT(channel), TEXT(after), limit, done, user);
}

int srl_room_groups_of(srl_relay *relay, const char *member, size_t member_len, const char *after, size_t after_len,
                       uint32_t limit, srl_names_fn done, void *user)
{
    if (done == NULL || member_len == 0) {
        return SRL_ERR_INVALID;
    }
    if (relay->destroyed) {
        return SRL_ERR_CLOSED;
    }
    return list(relay, SRL_DIRECTORY_GROUPS, TEXT(after), TEXT(member), limit, done, user);
}
