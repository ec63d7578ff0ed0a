/* What a re-arm costs with few and with many timers armed, beside a bare write to a random timer of the same array
 * (what the memory alone costs). The rounds alternate, so both see the same machine. */
#include "base/timers.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "helpers/random.h"

#define ROUNDS    9
#define REARMS    400000
#define PERIOD_MS 25000

typedef struct bench {
    srl__timers wheel;
    srl__timer *timers;
    uint32_t count;
    uint64_t random;
    uint64_t now_ms;
    double rearm_ns[ROUNDS];
    double write_ns[ROUNDS];
    double longest_advance_us;
} bench;

static double clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint64_t later(bench *b)
{
    return b->now_ms + 1 + srl_test_random_below(&b->random, PERIOD_MS);
}

static int bench_init(bench *b, uint32_t count)
{
    b->timers = malloc(count * sizeof(*b->timers));
    if (b->timers == NULL) {
        return -1;
    }
    b->count = count;
    b->random = 1;
    b->now_ms = UINT64_C(1700000000000);
    b->longest_advance_us = 0;
    srl__timers_init(&b->wheel, b->now_ms);
    for (uint32_t i = 0; i < count; i++) {
        srl__timer_init(&b->timers[i]);
        srl__timer_arm(&b->wheel, &b->timers[i], later(b));
    }
    return 0;
}

static void run_round(bench *b, int round)
{
    double begin = clock_ns();
    for (uint32_t i = 0; i < REARMS; i++) {
        srl__timer_arm(&b->wheel, &b->timers[srl_test_random_below(&b->random, b->count)], later(b));
    }
    double middle = clock_ns();
    for (uint32_t i = 0; i < REARMS; i++) {
        volatile uint64_t *due_ms = &b->timers[srl_test_random_below(&b->random, b->count)].due_ms;
        uint64_t ignored = later(b);
        *due_ms = *due_ms + (ignored == 0);
    }
    b->write_ns[round] = (clock_ns() - middle) / REARMS;
    b->rearm_ns[round] = (middle - begin) / REARMS;
}

static void let_time_pass(bench *b, uint32_t ticks)
{
    for (uint32_t i = 0; i < ticks; i++) {
        b->now_ms++;
        double begin = clock_ns();
        srl__timers_advance(&b->wheel, b->now_ms);
        double took_us = (clock_ns() - begin) / 1e3;
        if (took_us > b->longest_advance_us) {
            b->longest_advance_us = took_us;
        }
        for (srl__timer *due; (due = srl__timers_take_due(&b->wheel)) != NULL;) {
            srl__timer_arm(&b->wheel, due, later(b));
        }
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof(*values), by_value);
    return values[ROUNDS / 2];
}

int main(void)
{
    static bench few, many;
    if (bench_init(&few, 1000) != 0 || bench_init(&many, 1000000) != 0) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    for (int round = 0; round < ROUNDS; round++) {
        run_round(&few, round);
        run_round(&many, round);
        let_time_pass(&few, 1000);
        let_time_pass(&many, 1000);
    }
    double few_ns = median(few.rearm_ns), many_ns = median(many.rearm_ns);
    double few_write = median(few.write_ns), many_write = median(many.write_ns);
    printf("%-32s %12s %12s %8s\n", "", "1,000", "1,000,000", "ratio");
    printf("%-32s %12.1f %12.1f %8.2f\n", "re-arm, ns", few_ns, many_ns, many_ns / few_ns);
    printf("%-32s %12.1f %12.1f %8.2f\n", "write to a random timer, ns", few_write, many_write, many_write / few_write);
    printf("%-32s %12.1f %12.1f %8.2f\n", "re-arm / write", few_ns / few_write, many_ns / many_write,
           (many_ns / many_write) / (few_ns / few_write));
    printf("%-32s %12.1f %12.1f\n", "longest advance by 1 ms, us", few.longest_advance_us, many.longest_advance_us);
    free(few.timers);
    free(many.timers);
    return 0;
}
