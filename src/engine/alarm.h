/* A timer of the relay and what to do when it is due. */
#ifndef SRL__ALARM_H
#define SRL__ALARM_H

#include <streamrelay/api.h>

#include "base/timers.h"

typedef struct srl__alarm srl__alarm;

struct srl__alarm {
    srl__timer timer;
    void (*due)(srl_relay *relay, srl__alarm *alarm);
};

void srl__alarm_init(srl__alarm *alarm, void (*due)(srl_relay *relay, srl__alarm *alarm));
void srl__alarm_set(srl_relay *relay, srl__alarm *alarm, uint64_t due_ms);
void srl__alarm_cancel(srl_relay *relay, srl__alarm *alarm);

#endif
