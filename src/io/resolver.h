/* Host names to addresses without blocking: the only threads that this library ever starts.
 *
 * One short-lived thread per lookup calls getaddrinfo(), puts the result down, calls `wake` and ends. It touches
 * nothing else: no callback of a host, no memory of a host's allocator; all signals are blocked on it. */
#ifndef SRL__RESOLVER_H
#define SRL__RESOLVER_H

#include "io/socket.h"

typedef struct srl__resolution srl__resolution;

/* Begin. `wake` is called once, on the thread; never after srl__resolver_end(). SRL_ERR_NOMEM, SRL_ERR_SYSTEM. */
int srl__resolver_start(const char *host, uint16_t port, void (*wake)(void *user), void *user, srl__resolution **out);

/* Whether it is over; then *error is 0, SRL_ERR_REDIS_RESOLVE or SRL_ERR_NOMEM, and up to `max` addresses are there. */
bool srl__resolver_done(srl__resolution *resolution, srl__address *addresses, uint32_t max, uint32_t *count,
                        int *error);

/* The caller has no more use for it, done or not; never waits. In a child after fork it does nothing. */
void srl__resolver_end(srl__resolution *resolution);

#endif
