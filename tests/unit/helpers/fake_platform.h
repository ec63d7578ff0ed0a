/* A platform for tests: a clock that moves when it is told to, and randomness from a seed. */
#ifndef FAKE_PLATFORM_H
#define FAKE_PLATFORM_H

#include <streamrelay/platform.h>

typedef struct fake_platform {
    srl_platform table; /* hand &table to whom it concerns; it points back here, so do not move or copy */
    uint64_t now_ms;    /* monotonic */
    uint64_t wall_ms;   /* moves along with fake_platform_advance(); may be set to anything, also back */
    uint64_t prng;
    unsigned fail_random; /* this many calls of random fail from now on */
} fake_platform;

/* Starts at a monotonic time and a wall time that tell the two apart. */
void fake_platform_init(fake_platform *platform, uint64_t seed);
void fake_platform_advance(fake_platform *platform, uint64_t ms);
/* The next number of the sequence that random draws from. */
uint64_t fake_platform_next(fake_platform *platform);

#endif
