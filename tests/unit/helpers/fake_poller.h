/* A poller for tests: no system calls, a fake clock, and the test says which watches become ready. */
#ifndef FAKE_POLLER_H
#define FAKE_POLLER_H

#include "helpers/fake_platform.h"

#include "io/poller.h"

#include <stdatomic.h>
#include <stdbool.h>

enum { FAKE_POLLER_WATCHES = 64, FAKE_POLLER_FD = 1000000 };

/* For fake_poller_fire(): an error or hang-up, reported as both events whatever is watched. */
enum { FAKE_POLLER_HANGUP = 4 };

typedef struct fake_poller_entry {
    srl__watch *watch; /* NULL: free */
    int fd;            /* as given to watch() and change(): what the kernel would know */
    unsigned events;
    unsigned pending; /* fired, not delivered yet */
} fake_poller_entry;

typedef struct fake_poller {
    srl__poller base; /* hand &base to whom it concerns */
    fake_platform *platform;
    fake_poller_entry entries[FAKE_POLLER_WATCHES];
    unsigned next_entry;  /* where the next poll begins, so that a small budget starves nobody */
    uint64_t deadline_ms; /* of the platform's clock; SRL__NO_DEADLINE */
    atomic_bool woken;
    bool destroyed;
    bool stuck; /* poll was told to wait for ever, and nothing would ever have come; it returned SRL_ERR_POLLER */

    /* What happened. */
    atomic_uint wakes;
    unsigned deadline_sets;
    unsigned polls;
    unsigned ready_calls;

    /* What is to happen: returned by the next call of that kind, then 0 again. */
    int fail_watch;
    int fail_change;
    int fail_set_deadline;
    int fail_poll;
} fake_poller;

/* platform outlives the poller. Waiting moves its clock: to the deadline, or by the time-out if that comes first. */
void fake_poller_init(fake_poller *fake, fake_platform *platform);
/* Make a watch ready; the next poll delivers it once. Events that are not watched stay pending until they are. */
void fake_poller_fire(fake_poller *fake, const srl__watch *watch, unsigned events);
/* The watch of a descriptor, or NULL. */
srl__watch *fake_poller_find(const fake_poller *fake, int fd);
unsigned fake_poller_count(const fake_poller *fake);
/* Whether the descriptor would be readable in the host's loop. */
bool fake_poller_is_readable(const fake_poller *fake);

#endif
