#include "broker/presence.h"

#include <streamrelay/error.h>

typedef struct user_record {
    srl__list link;    /* in the presence's order */
    srl__list members; /* the session that came last at the end */
    uint32_t sessions;
    size_t user_len;
    char user[];
} user_record;

typedef struct member_record {
    srl__list link; /* in its user's members */
    user_record *user;
    const void *owner;
    char *info; /* both texts, one behind the other; NULL if both are empty */
    size_t info_len;
    size_t channel_info_len;
    uint32_t client_len;
    char client[];
} member_record;

void srl__presence_init(srl__presence *presence, const srl_allocator *alloc, uint64_t seed)
{
    presence->alloc = alloc;
    srl__map_init(&presence->clients, alloc, seed);
    srl__map_init(&presence->users, alloc, seed);
    srl__list_init(&presence->order);
}

static srl__slice member_client(const member_record *record)
{
    return srl__slice_of(record->client, record->client_len);
}

static srl__slice info_of(const member_record *record)
{
    return srl__slice_of(record->info, record->info_len);
}

static srl__slice channel_info_of(const member_record *record)
{
    return srl__slice_of(record->info != NULL ? record->info + record->info_len : NULL, record->channel_info_len);
}

static void free_info(const srl_allocator *alloc, member_record *record)
{
    if (record->info != NULL) {
        srl__free(alloc, record->info, record->info_len + record->channel_info_len);
    }
}

static void free_member(const srl_allocator *alloc, member_record *record)
{
    free_info(alloc, record);
    srl__free(alloc, record, sizeof(*record) + record->client_len);
}

static void free_user(const srl_allocator *alloc, user_record *record)
{
    srl__free(alloc, record, sizeof(*record) + record->user_len);
}

/* What a session shows of itself. */
typedef struct shown_info {
    srl__slice info;
    srl__slice channel_info;
} shown_info;

static shown_info shown_by(const srl_broker_member *member)
{
    return (shown_info){srl__slice_of(member->info, member->info_len),
                        srl__slice_of(member->channel_info, member->channel_info_len)};
}

static int set_info(const srl_allocator *alloc, member_record *record, shown_info shown)
{
    char *copy = NULL;
    if (shown.channel_info.len > SIZE_MAX - shown.info.len) {
        return SRL_ERR_NOMEM;
    }
    if (shown.info.len + shown.channel_info.len > 0) {
        copy = srl__alloc(alloc, shown.info.len + shown.channel_info.len);
        if (copy == NULL) {
            return SRL_ERR_NOMEM;
        }
    }
    if (shown.info.len > 0) {
        memcpy(copy, shown.info.data, shown.info.len);
    }
    if (shown.channel_info.len > 0) {
        memcpy(copy + shown.info.len, shown.channel_info.data, shown.channel_info.len);
    }
    free_info(alloc, record);
    record->info = copy;
    record->info_len = shown.info.len;
    record->channel_info_len = shown.channel_info.len;
    return SRL_OK;
}

static member_record *make_member(const srl_allocator *alloc, const srl_broker_member *member)
{
    member_record *record = srl__alloc(alloc, sizeof(*record) + member->client_len);
    if (record == NULL) {
        return NULL;
    }
    *record = (member_record){.client_len = member->client_len};
    srl__list_init(&record->link);
    memcpy(record->client, member->client, member->client_len);
    if (set_info(alloc, record, shown_by(member)) != SRL_OK) {
        free_member(alloc, record);
        return NULL;
    }
    return record;
}

static user_record *make_user(const srl_allocator *alloc, srl__slice user)
{
    if (user.len > SIZE_MAX - sizeof(user_record)) {
        return NULL;
    }
    user_record *record = srl__alloc(alloc, sizeof(user_record) + user.len);
    if (record == NULL) {
        return NULL;
    }
    srl__list_init(&record->link);
    srl__list_init(&record->members);
    record->sessions = 0;
    record->user_len = user.len;
    if (user.len > 0) {
        memcpy(record->user, user.data, user.len);
    }
    return record;
}

/* The user's record, made if it is not there. A new one without sessions must get one or be dropped. */
static int open_user(srl__presence *presence, srl__slice user, user_record **out)
{
    *out = srl__map_get(&presence->users, user);
    if (*out != NULL) {
        return SRL_OK;
    }
    user_record *record = make_user(presence->alloc, user);
    if (record == NULL) {
        return SRL_ERR_NOMEM;
    }
    int rc = srl__map_add(&presence->users, srl__slice_of(record->user, record->user_len), record);
    if (rc != SRL_OK) {
        free_user(presence->alloc, record);
        return rc;
    }
    srl__list_append(&presence->order, &record->link);
    *out = record;
    return SRL_OK;
}

static void drop_idle_user(srl__presence *presence, user_record *record)
{
    if (record->sessions == 0) {
        srl__map_remove(&presence->users, srl__slice_of(record->user, record->user_len));
        srl__list_remove(&record->link);
        free_user(presence->alloc, record);
    }
}

/* The sessions its user has left. */
static uint32_t remove_member(srl__presence *presence, member_record *record)
{
    user_record *user = record->user;
    uint32_t left = --user->sessions;
    srl__map_remove(&presence->clients, member_client(record));
    srl__list_remove(&record->link);
    free_member(presence->alloc, record);
    drop_idle_user(presence, user);
    return left;
}

static int insert_member(srl__presence *presence, member_record *record, srl__slice user)
{
    user_record *home;
    int rc = open_user(presence, user, &home);
    if (rc != SRL_OK) {
        return rc;
    }
    rc = srl__map_add(&presence->clients, member_client(record), record);
    if (rc != SRL_OK) {
        drop_idle_user(presence, home);
        return rc;
    }
    record->user = home;
    home->sessions++;
    srl__list_append(&home->members, &record->link);
    return SRL_OK;
}

static int add_new(srl__presence *presence, const srl_broker_member *member, member_record **out)
{
    member_record *record = make_member(presence->alloc, member);
    if (record == NULL) {
        return SRL_ERR_NOMEM;
    }
    int rc = insert_member(presence, record, srl__slice_of(member->user, member->user_len));
    if (rc != SRL_OK) {
        free_member(presence->alloc, record);
        return rc;
    }
    *out = record;
    return SRL_OK;
}

/* A client that is somebody else now, and comes with other info. */
static int change_user(srl__presence *presence, member_record *record, srl__slice user, shown_info shown)
{
    user_record *old_home = record->user;
    user_record *home;
    int rc = open_user(presence, user, &home);
    if (rc != SRL_OK) {
        return rc;
    }
    rc = set_info(presence->alloc, record, shown);
    if (rc != SRL_OK) {
        drop_idle_user(presence, home);
        return rc;
    }
    srl__list_remove(&record->link);
    srl__list_append(&home->members, &record->link);
    record->user = home;
    home->sessions++;
    old_home->sessions--;
    drop_idle_user(presence, old_home);
    return SRL_OK;
}

static int renew(srl__presence *presence, member_record *record, const srl_broker_member *member)
{
    srl__slice user = srl__slice_of(member->user, member->user_len);
    shown_info shown = shown_by(member);
    if (!srl__slice_equal(srl__slice_of(record->user->user, record->user->user_len), user)) {
        return change_user(presence, record, user, shown);
    }
    if (!srl__slice_equal(info_of(record), shown.info) ||
        !srl__slice_equal(channel_info_of(record), shown.channel_info)) {
        return set_info(presence->alloc, record, shown);
    }
    return SRL_OK;
}

static member_record *find_member(const srl__presence *presence, const srl_broker_member *member)
{
    return srl__map_get(&presence->clients, srl__slice_of(member->client, member->client_len));
}

int srl__presence_add(srl__presence *presence, const srl_broker_member *member, const void *owner,
                      uint32_t *user_sessions)
{
    member_record *record = find_member(presence, member);
    int rc = record == NULL ? add_new(presence, member, &record) : renew(presence, record, member);
    if (rc == SRL_OK) {
        record->owner = owner;
        *user_sessions = record->user->sessions;
    }
    return rc;
}

int srl__presence_remove(srl__presence *presence, const srl_broker_member *member, uint32_t *user_sessions)
{
    member_record *record = find_member(presence, member);
    if (record != NULL) {
        *user_sessions = remove_member(presence, record);
        return SRL_OK;
    }
    const user_record *user = srl__map_get(&presence->users, srl__slice_of(member->user, member->user_len));
    *user_sessions = user != NULL ? user->sessions : 0;
    return SRL_ERR_NOT_FOUND;
}

void srl__presence_remove_owner(srl__presence *presence, const void *owner)
{
    uint32_t cursor = 0;
    member_record *record;
    while ((record = srl__map_next(&presence->clients, &cursor)) != NULL) {
        if (record->owner == owner) {
            remove_member(presence, record);
        }
    }
}

void srl__presence_free(srl__presence *presence)
{
    uint32_t cursor = 0;
    member_record *record;
    while ((record = srl__map_next(&presence->clients, &cursor)) != NULL) {
        remove_member(presence, record);
    }
    srl__map_free(&presence->clients);
    srl__map_free(&presence->users);
}

static const user_record *record_of(const srl__list *link)
{
    return SRL__CONTAINER(link, const user_record, link);
}

static const member_record *latest_of(const user_record *record)
{
    return SRL__CONTAINER(record->members.prev, const member_record, link);
}

static uint32_t listed(const srl__presence *presence, uint32_t limit)
{
    return limit < presence->users.count ? limit : presence->users.count;
}

static const member_record *member_of(const srl__list *link)
{
    return SRL__CONTAINER(link, const member_record, link);
}

/* How many sessions of listed users are listed, and the room for their texts. */
typedef struct session_total {
    uint32_t count;
    size_t text;
} session_total;

static void add_sessions(session_total *total, const user_record *user, uint32_t limit)
{
    const srl__list *link = user->members.next;
    for (; link != &user->members && total->count < limit; link = link->next) {
        const member_record *member = member_of(link);
        total->count++;
        total->text += member->client_len + member->info_len + member->channel_info_len;
    }
}

static session_total sessions_of(const srl__presence *presence, uint32_t limit)
{
    session_total total = {0, 0};
    const srl__list *link = presence->order.next;
    for (uint32_t i = 0; i < listed(presence, limit); i++, link = link->next) {
        add_sessions(&total, record_of(link), limit);
    }
    return total;
}

size_t srl__presence_measure(const srl__presence *presence, uint32_t limit)
{
    uint32_t count = listed(presence, limit);
    session_total sessions = sessions_of(presence, limit);
    size_t size = count * sizeof(srl_presence_user) + sessions.count * sizeof(srl_presence_session) + sessions.text;
    const srl__list *link = presence->order.next;
    for (uint32_t i = 0; i < count; i++, link = link->next) {
        const user_record *record = record_of(link);
        size += record->user_len + latest_of(record)->info_len;
    }
    return size;
}

static const char *put_text(char **at, const char *text, size_t len)
{
    const char *begin = *at;
    if (len == 0) {
        return "";
    }
    memcpy(*at, text, len);
    *at += len;
    return begin;
}

static srl_presence_session copy_session(const member_record *member, const srl_presence_user *user, char **at)
{
    srl__slice channel_info = channel_info_of(member);
    return (srl_presence_session){
        .client = put_text(at, member->client, member->client_len),
        .user = user->user,
        .client_len = member->client_len,
        .user_len = user->user_len,
        .info = put_text(at, member->info, member->info_len),
        .info_len = member->info_len,
        .channel_info = put_text(at, channel_info.data, channel_info.len),
        .channel_info_len = channel_info.len,
    };
}

void srl__presence_copy(const srl__presence *presence, uint32_t limit, void *memory, srl_presence *out)
{
    uint32_t count = listed(presence, limit);
    uint32_t session_count = sessions_of(presence, limit).count;
    uint32_t copied = 0;
    srl_presence_user *users = memory;
    srl_presence_session *sessions = (srl_presence_session *)(void *)(users + count);
    char *at = (char *)(sessions + session_count);
    const srl__list *link = presence->order.next;
    for (uint32_t i = 0; i < count; i++, link = link->next) {
        const user_record *record = record_of(link);
        const member_record *latest = latest_of(record);
        users[i] = (srl_presence_user){
            .user_len = record->user_len, .info_len = latest->info_len, .sessions = record->sessions};
        users[i].user = put_text(&at, record->user, record->user_len);
        users[i].info = put_text(&at, latest->info, latest->info_len);
        for (const srl__list *m = record->members.next; m != &record->members && copied < session_count; m = m->next) {
            sessions[copied++] = copy_session(member_of(m), &users[i], &at);
        }
    }
    *out = (srl_presence){
        .size = sizeof(*out),
        .count = count,
        .users = users,
        .num_users = presence->users.count,
        .num_sessions = presence->clients.count,
        .sessions = sessions,
        .session_count = session_count,
    };
}
