/* For calls that are documented as blocking. */
#ifndef SRL__SLEEP_H
#define SRL__SLEEP_H

#include <stdint.h>

/* Sleep at least so long; signals do not shorten it. */
void srl__sleep_ms(uint64_t ms);

/* Wait until a descriptor is readable, or a signal comes. */
void srl__wait_readable(int fd);

#endif
