/* The system's monotonic clock, finer than the milliseconds of <streamrelay/platform.h>. */
#ifndef SRL__CLOCK_H
#define SRL__CLOCK_H

#include <stdint.h>

uint64_t srl__clock_monotonic_ns(void);

#endif
