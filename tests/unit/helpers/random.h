/* Repeatable random numbers for tests and benchmarks (splitmix64). */
#ifndef SRL_TEST_RANDOM_H
#define SRL_TEST_RANDOM_H

#include <stdint.h>

static inline uint64_t srl_test_random(uint64_t *state)
{
    uint64_t n = (*state += UINT64_C(0x9E3779B97F4A7C15));
    n = (n ^ n >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    n = (n ^ n >> 27) * UINT64_C(0x94D049BB133111EB);
    return n ^ n >> 31;
}

/* 0 to below - 1. */
static inline uint64_t srl_test_random_below(uint64_t *state, uint64_t below)
{
    return srl_test_random(state) % below;
}

#endif
