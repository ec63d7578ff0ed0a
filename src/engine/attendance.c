#include "engine/attendance.h"

#include <streamrelay/codes.h>
#include <streamrelay/error.h>

#include "engine/policy.h"
#include "engine/relay.h"
#include "engine/session.h"
#include "engine/terms.h"

enum { RETRY_MS = 1000 };

struct srl__attendance {
    srl__list link; /* of those that the broker could not count yet */
    srl__call add;
    srl__call remove;
    srl_session *session; /* pinned */
    srl__room *room;      /* pinned */
    uint8_t join_leave;   /* whom to tell, as it was at the beginning */
    bool counted;         /* the broker was asked to keep presence of it, and has not certainly refused */
    bool adding;          /* the broker has not answered yet */
    bool removing;        /* likewise */
    bool ended;
    bool told;       /* of the join; only then there is a leave to tell of */
    bool user_left;  /* the removal was of the user's last session */
    srl__owned info; /* what its subscription shows to others */
};

static void attendance_free(srl__attendance *attendance)
{
    srl__room *room = attendance->room;
    srl_session *session = attendance->session;

    srl__list_remove(&attendance->link);
    srl__owned_clear(room->relay, &attendance->info);
    srl__free(&room->relay->alloc, attendance, sizeof(*attendance));
    srl__session_unpin(session);
    srl__room_unpin(room);
}

static srl_publication sender_of(const srl__attendance *attendance, char client[SRL_CLIENT_ID_LEN + 1])
{
    srl_publication who = srl__session_as_sender(attendance->session, client);

    who.channel_info = attendance->info.data != NULL ? attendance->info.data : "";
    who.channel_info_len = attendance->info.len;
    return who;
}

static srl_broker_member member_of(const srl__attendance *attendance, char client[SRL_CLIENT_ID_LEN + 1])
{
    srl_publication who = sender_of(attendance, client);
    srl_broker_member member = {
        .size = sizeof(member),
        .client_len = who.client_len,
        .client = who.client,
        .user = who.user,
        .user_len = who.user_len,
        .info = who.info,
        .info_len = who.info_len,
        .channel_info = who.channel_info,
        .channel_info_len = who.channel_info_len,
    };

    return member;
}

/* Whom to tell is as it was at the beginning, and as rules have it. */
static srl_broker_channel channel_of(const srl__attendance *attendance)
{
    srl__room *room = attendance->room;
    srl_broker_channel channel = srl__broker_channel_of(srl__room_name(room), srl__room_settings(room));

    channel.join_leave = attendance->join_leave;
    return channel;
}

static void tell(const srl__attendance *attendance, int kind, bool user_changed)
{
    char client[SRL_CLIENT_ID_LEN + 1];
    srl_publication who = sender_of(attendance, client);
    srl__room *room = attendance->room;
    srl_relay *relay = room->relay;
    srl_broker_channel channel = channel_of(attendance);

    if (relay->link == NULL) {
        return;
    }
    if (user_changed) {
        srl__event(relay, kind == SRL_MESSAGE_JOIN ? SRL_EVENT_JOIN : SRL_EVENT_LEAVE, 0, srl__room_name(room),
                   srl__session_user(attendance->session), srl__slice_of("", 0));
    }
    if ((attendance->join_leave & SRL__JOIN_LEAVE_SESSION) != 0) {
        (void)srl__broker_ops_of(relay->broker)->publish(relay->link, &channel, kind, &who, srl__call_unheeded());
    }
    if ((attendance->join_leave & SRL__JOIN_LEAVE_USER) != 0 && user_changed) {
        who.client_len = 0;
        (void)srl__broker_ops_of(relay->broker)->publish(relay->link, &channel, kind, &who, srl__call_unheeded());
    }
}

/* Ended, and nothing of it is under way any more: tell of it and be gone. */
static void conclude(srl__attendance *attendance)
{
    if (!attendance->ended || attendance->adding || attendance->removing) {
        return;
    }
    if (attendance->told) {
        tell(attendance, SRL_MESSAGE_LEAVE, attendance->user_left);
    }
    attendance_free(attendance);
}

static void removed(srl__call *call, const srl_broker_result *result)
{
    srl__attendance *attendance = SRL__CONTAINER(call, srl__attendance, remove);

    attendance->removing = false;
    attendance->user_left = result->error == SRL_OK && result->user_sessions == 0;
    conclude(attendance);
}

/* Asked for at once, also before the broker has answered that it was added: it takes things in their order, and the
 * session may be about to come back. */
static void take_out(srl__attendance *attendance)
{
    char client[SRL_CLIENT_ID_LEN + 1];
    srl_broker_member member = member_of(attendance, client);
    srl__room *room = attendance->room;
    srl_relay *relay = room->relay;
    srl_broker_channel channel = channel_of(attendance);

    if (attendance->counted && relay->link != NULL) {
        attendance->removing = true;
        srl__call_begin(relay, &attendance->remove, removed);
        if (srl__broker_ops_of(relay->broker)
                ->presence_remove(relay->link, &channel, &member, &attendance->remove.operation) == SRL_OK) {
            return;
        }
        srl__call_abandon(&attendance->remove);
        attendance->removing = false;
    }
    conclude(attendance);
}

static void join(srl__attendance *attendance, bool user_changed)
{
    attendance->told = true;
    tell(attendance, SRL_MESSAGE_JOIN, user_changed);
}

static bool is_passing(int error)
{
    return error == SRL_ERR_BROKER_DOWN || error == SRL_ERR_OUTCOME_UNKNOWN || error == SRL_ERR_TIMEOUT ||
           error == SRL_ERR_LIMIT;
}

/* While the broker is away who comes is in the channel unseen; else nobody is. */
static void refused(srl__attendance *attendance, int error)
{
    srl_relay *relay = attendance->room->relay;

    attendance->counted = error == SRL_ERR_OUTCOME_UNKNOWN;
    if (attendance->ended) {
        return;
    }
    if (!is_passing(error)) {
        srl__session_doom(attendance->session, SRL_DISCONNECT_INTERNAL);
        return;
    }
    srl__list_append(&relay->uncounted, &attendance->link);
    if (!srl__timer_is_armed(&relay->uncounted_alarm.timer)) {
        srl__alarm_set(relay, &relay->uncounted_alarm, srl__relay_after(relay, RETRY_MS));
    }
}

static void added(srl__call *call, const srl_broker_result *result)
{
    srl__attendance *attendance = SRL__CONTAINER(call, srl__attendance, add);

    attendance->adding = false;
    if (result->error == SRL_OK) {
        join(attendance, result->user_sessions == 1);
    } else {
        refused(attendance, result->error);
    }
    conclude(attendance);
}

static int count_in(srl__attendance *attendance)
{
    char client[SRL_CLIENT_ID_LEN + 1];
    srl_broker_member member = member_of(attendance, client);
    srl__room *room = attendance->room;
    srl_relay *relay = room->relay;
    srl_broker_channel channel = channel_of(attendance);
    int error = SRL_OK;

    attendance->adding = attendance->counted = true;
    srl__call_begin(relay, &attendance->add, added);
    error = srl__broker_ops_of(relay->broker)->presence_add(relay->link, &channel, &member, &attendance->add.operation);
    if (error != SRL_OK) {
        srl__call_abandon(&attendance->add);
        attendance->adding = false;
        refused(attendance, error);
    }
    return error;
}

void srl__attendance_retry(srl_relay *relay, srl__alarm *alarm)
{
    srl__list waiting;
    srl__list *link = NULL;
    int error = SRL_OK;
    (void)alarm;

    srl__list_init(&waiting);
    srl__list_append_all(&waiting, &relay->uncounted);
    while (error == SRL_OK && (link = srl__list_take_first(&waiting)) != NULL) {
        error = count_in(SRL__CONTAINER(link, srl__attendance, link));
    }
    srl__list_append_all(&relay->uncounted, &waiting);
}

/* A copy in *to, in place of what was there; false when out of memory. */
static bool take_info(srl_relay *relay, const srl__terms *terms, srl__owned *to)
{
    srl__owned copy = {NULL, 0};

    if (terms != NULL && terms->info.len > 0) {
        copy.data = srl__copy_bytes(&relay->alloc, terms->info.data, terms->info.len);
        copy.len = terms->info.len;
        if (copy.data == NULL) {
            return false;
        }
    }
    srl__owned_clear(relay, to);
    *to = copy;
    return true;
}

void srl__attendance_begin(srl_session *session, srl__room *room)
{
    srl__channel_traits traits = srl__policy_traits(room->relay, srl__room_name(room));
    bool counted = traits.presence || (traits.join_leave & SRL__JOIN_LEAVE_USER) != 0;
    srl__subscription *subscription = srl__subscriptions_find(&session->subscriptions, room);
    srl__terms *terms = srl__terms_of(subscription);
    srl__attendance *attendance = NULL;

    if (!counted && traits.join_leave == SRL__JOIN_LEAVE_OFF) {
        return;
    }
    attendance = srl__alloc_zeroed(&room->relay->alloc, sizeof(*attendance));
    if (attendance == NULL || !take_info(room->relay, terms, &attendance->info)) {
        srl__free(&room->relay->alloc, attendance, sizeof(*attendance));
        srl__session_doom(session, SRL_DISCONNECT_INTERNAL);
        return;
    }
    srl__list_init(&attendance->link);
    attendance->session = session;
    attendance->room = room;
    attendance->join_leave = traits.join_leave;
    srl__session_pin(session);
    srl__room_pin(room);
    if (terms != NULL) {
        terms->attendance = attendance;
    } else {
        subscription->is.attendance = attendance;
    }
    if (counted) {
        (void)count_in(attendance);
    } else {
        join(attendance, false);
    }
}

void srl__attendance_renew(srl__attendance *attendance)
{
    srl_relay *relay = attendance != NULL ? attendance->room->relay : NULL;
    srl__subscription *subscription = NULL;
    srl_broker_channel channel;
    srl_broker_member member;
    char client[SRL_CLIENT_ID_LEN + 1];

    if (attendance == NULL) {
        return;
    }
    subscription = srl__subscriptions_find(&attendance->session->subscriptions, attendance->room);
    (void)take_info(relay, srl__terms_of(subscription), &attendance->info);
    member = member_of(attendance, client);
    channel = channel_of(attendance);
    if (attendance->counted && relay->link != NULL) {
        (void)srl__broker_ops_of(relay->broker)->presence_add(relay->link, &channel, &member, srl__call_unheeded());
    }
}

void srl__attendance_end(srl__attendance *attendance)
{
    if (attendance == NULL) {
        return;
    }
    attendance->ended = true;
    take_out(attendance);
}
