/* Functions posted from other threads. */
#ifndef SRL__POSTS_H
#define SRL__POSTS_H

#include "engine/relay.h"

void srl__posts_init(srl_relay *relay);
void srl__posts_free(srl_relay *relay);

/* Run at most `budget` of those that wait; true if some are left. */
bool srl__posts_run(srl_relay *relay, uint32_t budget);

/* Whether any wait. */
bool srl__posts_wait(srl_relay *relay);

/* Run all of them with NULL for the relay. */
void srl__posts_cancel(srl_relay *relay);

#endif
