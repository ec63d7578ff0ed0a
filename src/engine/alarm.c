#include "engine/alarm.h"

#include "engine/relay.h"

void srl__alarm_init(srl__alarm *alarm, void (*due)(srl_relay *relay, srl__alarm *alarm))
{
    srl__timer_init(&alarm->timer);
    alarm->due = due;
}

void srl__alarm_set(srl_relay *relay, srl__alarm *alarm, uint64_t due_ms)
{
    srl__timer_arm(&relay->timers, &alarm->timer, due_ms);
}

void srl__alarm_cancel(srl_relay *relay, srl__alarm *alarm)
{
    srl__timer_cancel(&relay->timers, &alarm->timer);
}
