#include "engine/room_check.h"

#include <streamrelay/error.h>

#include "engine/relay.h"

void srl__room_plan_check(srl__room *room)
{
    uint64_t interval = srl__room_settings(room)->position_check;
    bool is_needed = (srl__broker_ops_of(room->relay->broker)->traits & SRL_BROKER_CHECKS_POSITIONS) == 0;

    if (is_needed && room->positioned && interval > 0 &&
        (room->member_count == 0 || !srl__timer_is_armed(&room->alarm.timer))) {
        srl__alarm_set(room->relay, &room->alarm, room->relay->now_ms + interval);
    }
}

/* Being behind once may be a delivery on its way. Twice in a row at the same place is a loss. */
static void compare(srl__room *room, const srl_broker_result *result)
{
    srl__slice epoch = srl__slice_of(result->epoch, result->epoch_len);
    bool same_epoch = srl__slice_equal(epoch, srl__epoch_slice(&room->epoch));
    bool behind = room->positioned && (!same_epoch || result->offset > room->offset);

    if (behind && room->behind && room->checked_offset == room->offset) {
        srl__room_reposition(room, result->offset, epoch);
        room->behind = 0;
        return;
    }
    room->behind = behind;
    room->checked_offset = room->offset;
}

static void checked(srl__call *call, const srl_broker_result *result)
{
    srl__room *room = SRL__CONTAINER(call, srl__room, check);

    room->checking = 0;
    if (result->error == SRL_OK) {
        compare(room, result);
    }
    if (room->member_count > 0) {
        srl__room_plan_check(room);
    }
    srl__room_unpin(room);
}

void srl__room_check_position(srl__room *room)
{
    srl_relay *relay = room->relay;
    srl_broker_channel channel = srl__broker_channel_of(srl__room_name(room), srl__room_settings(room));
    srl_broker_query query = {.size = sizeof(query), .since_epoch = ""};

    if (room->checking || !room->positioned || relay->link == NULL) {
        return;
    }
    room->checking = 1;
    srl__room_pin(room);
    srl__call_begin(relay, &room->check, checked);
    if (srl__broker_ops_of(relay->broker)->history(relay->link, &channel, &query, &room->check.operation) != SRL_OK) {
        room->checking = 0;
        srl__call_abandon(&room->check);
        srl__room_plan_check(room);
        srl__room_unpin(room);
    }
}
