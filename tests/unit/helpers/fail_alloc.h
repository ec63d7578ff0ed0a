/* An allocator for tests: it fails on demand, checks the sizes it is given back, and leaves garbage in memory that is
 * new or released. A broken rule (wrong size, double free, a leak) is printed and aborts. Not for several threads. */
#ifndef SRL_TEST_FAIL_ALLOC_H
#define SRL_TEST_FAIL_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <streamrelay/platform.h>

typedef struct srl_test_alloc {
    srl_allocator table; /* hand &table to what is tested */
    uint64_t calls;      /* of alloc and resize so far; failed ones included */
    uint64_t failures;   /* how many of them were made to fail */
    uint64_t fail_at;    /* this call fails, counted from 1; 0: none */
    bool fail_on;        /* and so do all calls after it */
    size_t live_blocks;
    size_t live_bytes;
    size_t peak_bytes;
    size_t max_bytes; /* a call that would go beyond this fails; 0: no limit */
} srl_test_alloc;

void srl_test_alloc_init(srl_test_alloc *t);

/* The next `nth` call (1: the very next) fails, with all after it if `fail_on`; nth 0: none. Resets `failures`. */
void srl_test_alloc_fail(srl_test_alloc *t, uint64_t nth, bool fail_on);

/* Abort if anything is still allocated. */
void srl_test_alloc_check_empty(const srl_test_alloc *t);

/* The allocator that a table handed out by srl_test_each_failing_alloc belongs to. */
srl_test_alloc *srl_test_alloc_of(const srl_allocator *table);

/* Whether an allocation was made to fail in this run; a scenario expects success exactly if not. */
bool srl_test_alloc_has_failed(const srl_allocator *table);

/* Run the scenario undisturbed to count its allocations, then twice for each: with that one failing, and with that one
 * and all after it. Checks after every run that nothing is left. Returns the number of allocations. */
uint64_t srl_test_each_failing_alloc(void (*scenario)(const srl_allocator *alloc, void *user), void *user);

#endif
