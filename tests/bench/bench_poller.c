/* What a wake-up and a deadline cost, as multiples of one getpid() system call measured in the same run. */
#include "io/clock.h"
#include "io/poller.h"

#include <stdio.h>
#include <unistd.h>

enum { ROUNDS = 200000 };

static double system_call_ns;

static void report(const char *name, uint64_t begin_ns)
{
    double each_ns = (double)(srl__clock_monotonic_ns() - begin_ns) / ROUNDS;
    printf("%-34s %8.1f ns %6.2f x getpid\n", name, each_ns, system_call_ns > 0 ? each_ns / system_call_ns : 1.0);
}

static void measure_system_call(void)
{
    uint64_t begin_ns = srl__clock_monotonic_ns();
    for (int i = 0; i < ROUNDS; i++) {
        (void)getpid();
    }
    system_call_ns = (double)(srl__clock_monotonic_ns() - begin_ns) / ROUNDS;
    report("getpid", begin_ns);
}

static void measure_wakes(srl__poller *poller)
{
    uint64_t begin_ns = srl__clock_monotonic_ns();
    for (int i = 0; i < ROUNDS; i++) {
        poller->ops->wake(poller);
        (void)poller->ops->poll(poller, 0, 16);
    }
    report("wake + poll", begin_ns);

    begin_ns = srl__clock_monotonic_ns();
    for (int i = 0; i < ROUNDS; i++) {
        poller->ops->wake(poller);
    }
    report("wake, repeated", begin_ns);
    (void)poller->ops->poll(poller, 0, 16);

    begin_ns = srl__clock_monotonic_ns();
    for (int i = 0; i < ROUNDS; i++) {
        (void)poller->ops->poll(poller, 0, 16);
    }
    report("poll, nothing ready", begin_ns);
}

static void measure_deadlines(srl__poller *poller)
{
    uint64_t begin_ns = srl__clock_monotonic_ns();
    for (int i = 0; i < ROUNDS; i++) {
        (void)poller->ops->set_deadline(poller, (uint64_t)(3 * ROUNDS - 2 * i));
    }
    report("set_deadline, moving to earlier", begin_ns);

    begin_ns = srl__clock_monotonic_ns();
    for (int i = 0; i < ROUNDS; i++) {
        (void)poller->ops->set_deadline(poller, 25000);
    }
    report("set_deadline, moving to later", begin_ns);
    (void)poller->ops->set_deadline(poller, SRL__NO_DEADLINE);
}

int main(void)
{
    srl_allocator alloc;
    srl_allocator_init(&alloc, sizeof(alloc));
    srl__poller *poller;
    if (srl__poller_create(&alloc, &poller) != 0) {
        fputs("no poller\n", stderr);
        return 1;
    }
    measure_system_call();
    measure_wakes(poller);
    measure_deadlines(poller);
    poller->ops->destroy(poller);
    return 0;
}
