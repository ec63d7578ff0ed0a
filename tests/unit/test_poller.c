#include "io/poller.h"

#include "io/clock.h"

#include <streamrelay/error.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/epoll.h>
#endif

#include <cmocka.h>

enum { LONG_MS = 20000, BUDGET = 32 };

typedef struct probe {
    srl__watch watch;
    srl__poller *poller;
    int peer; /* the other end of the socket pair */
    unsigned calls;
    unsigned last;
    void (*act)(struct probe *probe);
    struct probe *other;
} probe;

static int deadline_set_result;

static srl_allocator allocator(void)
{
    srl_allocator a;
    srl_allocator_init(&a, sizeof(a));
    return a;
}

static srl__poller *open_poller(void)
{
    srl_allocator a = allocator();
    srl__poller *poller = NULL;
    assert_int_equal(srl__poller_create(&a, &poller), SRL_OK);
    assert_non_null(poller);
    return poller;
}

static void on_ready(srl__watch *watch, unsigned events)
{
    probe *p = (probe *)(void *)watch;
    p->calls++;
    p->last = events;
    if (p->act != NULL) {
        p->act(p);
    }
}

static void open_probe(probe *p, srl__poller *poller, unsigned events)
{
    int fds[2];
    memset(p, 0, sizeof(*p));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    p->poller = poller;
    p->peer = fds[1];
    p->watch = (srl__watch){.ready = on_ready, .fd = fds[0], .events = events};
    assert_int_equal(poller->ops->watch(poller, &p->watch), SRL_OK);
}

static void close_probe(probe *p)
{
    if (p->watch.fd >= 0) {
        p->poller->ops->unwatch(p->poller, &p->watch);
        close(p->watch.fd);
        p->watch.fd = -1;
    }
    if (p->peer >= 0) {
        close(p->peer);
        p->peer = -1;
    }
}

static void send_byte(probe *p)
{
    assert_int_equal(write(p->peer, "x", 1), 1);
}

static void drain(probe *p)
{
    char byte;
    assert_int_equal(read(p->watch.fd, &byte, 1), 1);
}

static int poll_once(srl__poller *poller, int timeout_ms)
{
    return poller->ops->poll(poller, timeout_ms, BUDGET);
}

static bool outer_readable(srl__poller *poller, int timeout_ms)
{
    struct pollfd outer = {.fd = poller->ops->fd(poller), .events = POLLIN};
    return poll(&outer, 1, timeout_ms) == 1 && (outer.revents & POLLIN) != 0;
}

/* The bits of the first poll that has any; wake-ups for nothing are legal. */
static int poll_until_bits(srl__poller *poller)
{
    int bits;
    do {
        bits = poll_once(poller, LONG_MS);
    } while (bits == 0);
    return bits;
}

static uint64_t now_ms(void)
{
    return srl__clock_monotonic_ns() / 1000000;
}

static void pause_ms(unsigned ms)
{
    struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

static int lowest_free_fd(void)
{
    int fd = dup(0);
    assert_true(fd >= 0);
    close(fd);
    return fd;
}

static void *no_memory(size_t size, void *user)
{
    (void)size;
    (void)user;
    return NULL;
}

static void test_create_and_destroy_leave_nothing_behind(void **state)
{
    (void)state;
    int before = lowest_free_fd();
    srl__poller *poller = open_poller();
    int fd = poller->ops->fd(poller);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(poller->ops->fd(poller), fd);
    poller->ops->destroy(poller);
    assert_int_equal(lowest_free_fd(), before);

    srl_allocator a = allocator();
    a.alloc = no_memory;
    poller = NULL;
    assert_int_equal(srl__poller_create(&a, &poller), SRL_ERR_NOMEM);
    assert_null(poller);
    assert_int_equal(lowest_free_fd(), before);
}

static void test_create_without_descriptors(void **state)
{
    (void)state;
    int before = lowest_free_fd();
    srl_allocator a = allocator();
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    int failures = 0;
    for (int spare = 0; spare < 3; spare++) {
        struct rlimit few = {.rlim_cur = (rlim_t)(before + spare), .rlim_max = old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        srl__poller *poller = NULL;
        int error = srl__poller_create(&a, &poller);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        if (error == SRL_OK) {
            poller->ops->destroy(poller);
        } else {
            assert_int_equal(error, SRL_ERR_SYSTEM);
            assert_null(poller);
            failures++;
        }
        assert_int_equal(lowest_free_fd(), before);
    }
    assert_true(failures >= 1);
}

static void test_nothing_to_do(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    assert_int_equal(poll_once(poller, 0), 0);
    assert_false(outer_readable(poller, 0));
    uint64_t before = now_ms();
    assert_int_equal(poll_once(poller, 20), 0);
    assert_true(now_ms() - before >= 19);
    poller->ops->destroy(poller);
}

static void test_wakes_coalesce(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++) {
            poller->ops->wake(poller);
        }
        assert_true(outer_readable(poller, 0));
        assert_true(outer_readable(poller, 0));
        assert_int_equal(poll_once(poller, LONG_MS), SRL__POLLED_WAKE);
        assert_false(outer_readable(poller, 0));
        assert_int_equal(poll_once(poller, 0), 0);
    }
    poller->ops->destroy(poller);
}

static void *wake_later(void *arg)
{
    srl__poller *poller = arg;
    pause_ms(20);
    poller->ops->wake(poller);
    return NULL;
}

static void test_wake_from_another_thread_ends_the_wait(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_later, poller), 0);
    assert_int_equal(poll_once(poller, -1), SRL__POLLED_WAKE);
    pthread_join(thread, NULL);
    poller->ops->destroy(poller);
}

enum { WAKERS = 4, WAKES_EACH = 20000 };

typedef struct storm {
    srl__poller *poller;
    atomic_uint posted;
} storm;

static void *wake_often(void *arg)
{
    storm *s = arg;
    for (int i = 0; i < WAKES_EACH; i++) {
        atomic_fetch_add_explicit(&s->posted, 1, memory_order_relaxed);
        s->poller->ops->wake(s->poller);
    }
    return NULL;
}

/* Whatever was posted before a wake-up is seen after the poll that reports it: else this waits in vain. */
static void test_no_wake_is_lost(void **state)
{
    (void)state;
    storm s = {.poller = open_poller()};
    atomic_init(&s.posted, 0);
    pthread_t threads[WAKERS];
    for (int i = 0; i < WAKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, wake_often, &s), 0);
    }
    unsigned taken = 0;
    while (taken < WAKERS * WAKES_EACH) {
        assert_int_equal(poll_once(s.poller, LONG_MS), SRL__POLLED_WAKE);
        taken += atomic_exchange_explicit(&s.posted, 0, memory_order_relaxed);
    }
    for (int i = 0; i < WAKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(taken, WAKERS * WAKES_EACH);
    (void)poll_once(s.poller, 0);
    assert_false(outer_readable(s.poller, 0));
    s.poller->ops->destroy(s.poller);
}

typedef struct handover {
    srl__poller *poller;
    int number; /* deliberately not atomic: the wake-up carries it over */
    pthread_t thread;
} handover;

static void *hand_over(void *arg)
{
    handover *h = arg;
    h->number = 42;
    h->poller->ops->wake(h->poller);
    return NULL;
}

static void test_wake_publishes_what_was_written_before(void **state)
{
    (void)state;
    handover h = {.poller = open_poller()};
    for (int i = 0; i < 50; i++) {
        h.number = 0;
        assert_int_equal(pthread_create(&h.thread, NULL, hand_over, &h), 0);
        assert_int_equal(poll_once(h.poller, LONG_MS), SRL__POLLED_WAKE);
        assert_int_equal(h.number, 42);
        pthread_join(h.thread, NULL);
    }
    h.poller->ops->destroy(h.poller);
}

static srl__poller *signal_poller;
static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    (void)number;
    signals = 1;
    if (signal_poller != NULL) {
        int before = errno;
        errno = 12345;
        signal_poller->ops->wake(signal_poller);
        if (errno != 12345) {
            abort();
        }
        errno = before;
    }
}

static void *signal_later(void *arg)
{
    pause_ms(30);
    pthread_kill(*(pthread_t *)arg, SIGUSR1);
    return NULL;
}

static int poll_with_signal(srl__poller *poller)
{
    pthread_t self = pthread_self();
    pthread_t thread;
    signals = 0;
    assert_int_equal(pthread_create(&thread, NULL, signal_later, &self), 0);
    int bits = poll_once(poller, LONG_MS);
    pthread_join(thread, NULL);
    assert_int_equal(signals, 1);
    return bits;
}

static void test_signals(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    struct sigaction action;
    struct sigaction old;
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    assert_int_equal(sigaction(SIGUSR1, &action, &old), 0);

    signal_poller = NULL;
    assert_int_equal(poll_with_signal(poller), 0);
    assert_int_equal(poll_once(poller, 0), 0);

    signal_poller = poller;
    int bits = poll_with_signal(poller);
    assert_true(bits == 0 || bits == SRL__POLLED_WAKE);
    assert_int_equal(bits | poll_once(poller, 0), SRL__POLLED_WAKE);

    assert_int_equal(sigaction(SIGUSR1, &old, NULL), 0);
    poller->ops->destroy(poller);
}

static void test_deadline_is_not_early_and_comes_once(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    static const uint64_t delays[] = {1, 2, 5, 30};
    for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
        uint64_t before = srl__clock_monotonic_ns();
        assert_int_equal(poller->ops->set_deadline(poller, delays[i]), SRL_OK);
        assert_int_equal(poll_until_bits(poller), SRL__POLLED_DEADLINE);
        assert_true(srl__clock_monotonic_ns() - before >= delays[i] * 1000000);
        assert_true(srl__clock_monotonic_ns() - before < LONG_MS * UINT64_C(1000000) / 2);
        assert_int_equal(poll_once(poller, 5), 0);
        assert_false(outer_readable(poller, 0));
    }
    poller->ops->destroy(poller);
}

static void test_deadline_at_once(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    for (int i = 0; i < 100; i++) {
        assert_int_equal(poller->ops->set_deadline(poller, 0), SRL_OK);
        assert_int_equal(poll_once(poller, i % 2 == 0 ? 0 : -1) & SRL__POLLED_DEADLINE, SRL__POLLED_DEADLINE);
        assert_int_equal(poll_once(poller, 0), 0);
    }
    assert_int_equal(poller->ops->set_deadline(poller, 0), SRL_OK);
    assert_true(outer_readable(poller, LONG_MS));
    assert_true(outer_readable(poller, 0));
    assert_int_equal(poll_once(poller, LONG_MS), SRL__POLLED_DEADLINE);
    assert_false(outer_readable(poller, 0));

    assert_int_equal(poller->ops->set_deadline(poller, 0), SRL_OK);
    pause_ms(2);
    assert_int_equal(poller->ops->set_deadline(poller, SRL__NO_DEADLINE), SRL_OK);
    assert_false(outer_readable(poller, 5));
    assert_int_equal(poll_once(poller, 0), 0);
    poller->ops->destroy(poller);
}

static void test_deadline_replaced(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    uint64_t before = now_ms();
    assert_int_equal(poller->ops->set_deadline(poller, LONG_MS * 10), SRL_OK);
    assert_int_equal(poller->ops->set_deadline(poller, 10), SRL_OK);
    assert_int_equal(poll_until_bits(poller), SRL__POLLED_DEADLINE);
    assert_true(now_ms() - before < LONG_MS);

    uint64_t begin = srl__clock_monotonic_ns();
    assert_int_equal(poller->ops->set_deadline(poller, 10), SRL_OK);
    assert_int_equal(poller->ops->set_deadline(poller, 60), SRL_OK);
    assert_int_equal(poll_until_bits(poller), SRL__POLLED_DEADLINE);
    assert_true(srl__clock_monotonic_ns() - begin >= 60000000);

    assert_int_equal(poller->ops->set_deadline(poller, 10), SRL_OK);
    assert_int_equal(poller->ops->set_deadline(poller, SRL__NO_DEADLINE), SRL_OK);
    assert_int_equal(poll_once(poller, 40), 0);
    assert_int_equal(poll_once(poller, 10), 0);

    assert_int_equal(poller->ops->set_deadline(poller, 1), SRL_OK);
    pause_ms(10);
    assert_true(outer_readable(poller, 0));
    assert_int_equal(poller->ops->set_deadline(poller, LONG_MS), SRL_OK);
    assert_false(outer_readable(poller, 0));
    assert_int_equal(poller->ops->set_deadline(poller, UINT64_MAX - 1), SRL_OK);
    assert_int_equal(poll_once(poller, 10), 0);
    poller->ops->destroy(poller);
}

static void set_short_deadline(probe *p)
{
    deadline_set_result = p->poller->ops->set_deadline(p->poller, 2);
    p->poller->ops->wake(p->poller);
    drain(p);
}

static void test_deadline_and_wake_inside_ready_count_for_the_next_poll(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    probe p;
    open_probe(&p, poller, SRL__READABLE);
    p.act = set_short_deadline;
    send_byte(&p);
    deadline_set_result = 1;
    assert_int_equal(poll_once(poller, LONG_MS), 0);
    assert_int_equal(deadline_set_result, SRL_OK);
    int bits = poll_until_bits(poller);
    while ((bits & SRL__POLLED_DEADLINE) == 0) {
        bits |= poll_once(poller, LONG_MS);
    }
    assert_int_equal(bits, SRL__POLLED_WAKE | SRL__POLLED_DEADLINE);
    close_probe(&p);
    poller->ops->destroy(poller);
}

static void test_watch_change_unwatch(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    probe p;
    open_probe(&p, poller, SRL__READABLE);
    assert_int_equal(poll_once(poller, 0), 0);
    assert_int_equal(p.calls, 0);
    send_byte(&p);
    assert_true(outer_readable(poller, 0));
    assert_int_equal(poll_once(poller, LONG_MS), 0);
    assert_int_equal(poll_once(poller, LONG_MS), 0);
    assert_int_equal(p.calls, 2);
    assert_int_equal(p.last, SRL__READABLE);

    p.watch.events = SRL__READABLE | SRL__WRITABLE;
    assert_int_equal(poller->ops->change(poller, &p.watch), SRL_OK);
    assert_int_equal(poll_once(poller, LONG_MS), 0);
    assert_int_equal(p.calls, 3);
    assert_int_equal(p.last, SRL__READABLE | SRL__WRITABLE);

    p.watch.events = SRL__WRITABLE;
    assert_int_equal(poller->ops->change(poller, &p.watch), SRL_OK);
    assert_int_equal(poll_once(poller, LONG_MS), 0);
    assert_int_equal(p.last, SRL__WRITABLE);

    p.watch.events = 0;
    assert_int_equal(poller->ops->change(poller, &p.watch), SRL_OK);
    assert_false(outer_readable(poller, 0));
    assert_int_equal(poll_once(poller, 0), 0);
    assert_int_equal(p.calls, 4);

    p.watch.events = SRL__READABLE;
    assert_int_equal(poller->ops->change(poller, &p.watch), SRL_OK);
    assert_true(outer_readable(poller, 0));
    poller->ops->unwatch(poller, &p.watch);
    assert_false(outer_readable(poller, 0));
    assert_int_equal(poll_once(poller, 0), 0);
    assert_int_equal(p.calls, 4);
    close_probe(&p);
    poller->ops->destroy(poller);
}

static void test_watch_refuses_what_is_no_descriptor(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    srl__watch watch = {.ready = on_ready, .fd = lowest_free_fd(), .events = SRL__READABLE};
    assert_int_equal(poller->ops->watch(poller, &watch), SRL_ERR_SYSTEM);
    watch.fd = -1;
    assert_int_equal(poller->ops->watch(poller, &watch), SRL_ERR_SYSTEM);
    poller->ops->unwatch(poller, &watch);
    assert_int_equal(poll_once(poller, 0), 0);
    poller->ops->destroy(poller);
}

static void test_hang_up_is_both_events(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    static const unsigned watched[] = {SRL__READABLE, SRL__WRITABLE, SRL__READABLE | SRL__WRITABLE};
    for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++) {
        probe p;
        open_probe(&p, poller, watched[i]);
        close(p.peer);
        p.peer = -1;
        assert_int_equal(poll_once(poller, LONG_MS), 0);
        assert_int_equal(p.calls, 1);
        assert_int_equal(p.last, SRL__READABLE | SRL__WRITABLE);
        close_probe(&p);
    }
    poller->ops->destroy(poller);
}

static void test_error_is_both_events(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    probe p = {.poller = poller, .peer = -1, .watch = {.ready = on_ready, .fd = fds[1], .events = SRL__WRITABLE}};
    assert_int_equal(poller->ops->watch(poller, &p.watch), SRL_OK);
    close(fds[0]);
    assert_int_equal(poll_once(poller, LONG_MS), 0);
    assert_int_equal(p.last, SRL__READABLE | SRL__WRITABLE);
    close_probe(&p);
    poller->ops->destroy(poller);
}

static void test_half_close_is_readable(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    probe p;
    open_probe(&p, poller, SRL__READABLE);
    assert_int_equal(shutdown(p.peer, SHUT_WR), 0);
    assert_int_equal(poll_once(poller, LONG_MS), 0);
    assert_int_equal(p.calls, 1);
    assert_int_equal(p.last & SRL__READABLE, SRL__READABLE);
    close_probe(&p);
    poller->ops->destroy(poller);
}

static void close_other(probe *p)
{
    close_probe(p->other);
}

static void test_unwatch_inside_ready_of_another(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    probe pair[2];
    open_probe(&pair[0], poller, SRL__READABLE);
    open_probe(&pair[1], poller, SRL__READABLE);
    for (int i = 0; i < 2; i++) {
        pair[i].act = close_other;
        pair[i].other = &pair[1 - i];
        send_byte(&pair[i]);
    }
    assert_int_equal(poll_once(poller, LONG_MS), 0);
    assert_int_equal(pair[0].calls + pair[1].calls, 1);
    close_probe(&pair[0]);
    close_probe(&pair[1]);
    assert_int_equal(poll_once(poller, 0), 0);
    poller->ops->destroy(poller);
}

static probe successor;

static void replace_other(probe *p)
{
    int freed = p->other->watch.fd;
    close_probe(p->other);
    open_probe(&successor, p->poller, SRL__READABLE);
    if (successor.watch.fd != freed) {
        assert_int_equal(successor.peer, freed);
        successor.peer = successor.watch.fd;
        p->poller->ops->unwatch(p->poller, &successor.watch);
        successor.watch.fd = freed;
        assert_int_equal(p->poller->ops->watch(p->poller, &successor.watch), SRL_OK);
    }
}

static void test_descriptor_number_reused_in_the_same_batch(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    probe pair[2];
    open_probe(&pair[0], poller, SRL__READABLE);
    open_probe(&pair[1], poller, SRL__READABLE);
    for (int i = 0; i < 2; i++) {
        pair[i].act = replace_other;
        pair[i].other = &pair[1 - i];
        send_byte(&pair[i]);
    }
    assert_int_equal(poll_once(poller, LONG_MS), 0);
    assert_int_equal(pair[0].calls + pair[1].calls, 1);
    assert_int_equal(successor.calls, 0);
    close_probe(&pair[0]);
    close_probe(&pair[1]);
    send_byte(&successor);
    assert_int_equal(poll_once(poller, LONG_MS), 0);
    assert_int_equal(successor.calls, 1);
    close_probe(&successor);
    poller->ops->destroy(poller);
}

static void rewatch_other(probe *p)
{
    p->other->act = NULL;
    p->poller->ops->unwatch(p->poller, &p->other->watch);
    drain(p->other);
    (void)p->poller->ops->watch(p->poller, &p->other->watch);
    drain(p);
}

static void test_same_watch_added_again_in_the_same_batch(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    probe pair[2];
    open_probe(&pair[0], poller, SRL__READABLE);
    open_probe(&pair[1], poller, SRL__READABLE);
    for (int i = 0; i < 2; i++) {
        pair[i].act = rewatch_other;
        pair[i].other = &pair[1 - i];
        send_byte(&pair[i]);
    }
    assert_int_equal(poll_once(poller, LONG_MS), 0);
    assert_int_equal(pair[0].calls + pair[1].calls, 1);
    send_byte(&pair[0]);
    send_byte(&pair[1]);
    pair[0].act = NULL;
    pair[1].act = NULL;
    assert_int_equal(poll_once(poller, LONG_MS), 0);
    assert_int_equal(pair[0].calls + pair[1].calls, 3);
    close_probe(&pair[0]);
    close_probe(&pair[1]);
    poller->ops->destroy(poller);
}

static void mute_other(probe *p)
{
    p->other->watch.events = 0;
    (void)p->poller->ops->change(p->poller, &p->other->watch);
}

static void test_change_inside_ready_of_another(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    probe pair[2];
    open_probe(&pair[0], poller, SRL__READABLE);
    open_probe(&pair[1], poller, SRL__READABLE);
    for (int i = 0; i < 2; i++) {
        pair[i].act = mute_other;
        pair[i].other = &pair[1 - i];
        send_byte(&pair[i]);
    }
    assert_int_equal(poll_once(poller, LONG_MS), 0);
    assert_int_equal(pair[0].calls + pair[1].calls, 1);
    close_probe(&pair[0]);
    close_probe(&pair[1]);
    poller->ops->destroy(poller);
}

static void close_and_free(probe *p)
{
    close_probe(p);
    free(p);
}

static void test_ready_may_free_its_own_watch(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    for (int i = 0; i < 3; i++) {
        probe *p = malloc(sizeof(*p));
        assert_non_null(p);
        open_probe(p, poller, SRL__READABLE | SRL__WRITABLE);
        p->act = close_and_free;
        send_byte(p);
    }
    assert_int_equal(poll_once(poller, LONG_MS), 0);
    assert_int_equal(poll_once(poller, 0), 0);
    assert_false(outer_readable(poller, 0));
    poller->ops->destroy(poller);
}

static void test_budget_is_kept_and_starves_nobody(void **state)
{
    (void)state;
    enum { PROBES = 5 };
    srl__poller *poller = open_poller();
    probe probes[PROBES];
    for (int i = 0; i < PROBES; i++) {
        open_probe(&probes[i], poller, SRL__READABLE);
        send_byte(&probes[i]);
    }
    poller->ops->wake(poller);
    int bits = 0;
    unsigned before = 0;
    for (int turn = 0; turn < 12; turn++) {
        int now = poller->ops->poll(poller, 0, 2);
        assert_int_equal(now & SRL__POLLED_MORE, SRL__POLLED_MORE);
        bits |= now;
        unsigned calls = 0;
        for (int i = 0; i < PROBES; i++) {
            calls += probes[i].calls;
        }
        assert_true(calls - before <= 2);
        before = calls;
        assert_true(outer_readable(poller, 0));
    }
    assert_int_equal(bits & SRL__POLLED_WAKE, SRL__POLLED_WAKE);
    for (int i = 0; i < PROBES; i++) {
        assert_true(probes[i].calls >= 3);
        close_probe(&probes[i]);
    }
    assert_int_equal(poll_once(poller, 0), 0);
    poller->ops->destroy(poller);
}

static void test_budget_of_nothing_calls_nobody(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    probe p;
    open_probe(&p, poller, SRL__READABLE);
    send_byte(&p);
    poller->ops->wake(poller);
    int bits = 0;
    for (int i = 0; i < 4; i++) {
        bits |= poller->ops->poll(poller, 0, 0);
    }
    assert_int_equal(bits, SRL__POLLED_WAKE | SRL__POLLED_MORE);
    assert_int_equal(p.calls, 0);
    assert_int_equal(poll_once(poller, 0), 0);
    assert_int_equal(p.calls, 1);
    close_probe(&p);
    poller->ops->destroy(poller);
}

static void test_more_descriptors_than_a_batch(void **state)
{
    (void)state;
    enum { PROBES = 150 };
    static probe probes[PROBES];
    srl__poller *poller = open_poller();
    for (int i = 0; i < PROBES; i++) {
        open_probe(&probes[i], poller, SRL__READABLE);
        probes[i].act = drain;
        send_byte(&probes[i]);
    }
    int polls = 0;
    while ((poller->ops->poll(poller, 0, 1000000) & SRL__POLLED_MORE) != 0) {
        polls++;
    }
    assert_true(polls < PROBES);
    for (int i = 0; i < PROBES; i++) {
        assert_int_equal(probes[i].calls, 1);
        close_probe(&probes[i]);
    }
    poller->ops->destroy(poller);
}

#ifdef __linux__
static void check_outer_epoll(srl__poller *poller, int outer)
{
    struct epoll_event event;
    probe p;
    assert_int_equal(epoll_wait(outer, &event, 1, 0), 0);

    poller->ops->wake(poller);
    assert_int_equal(epoll_wait(outer, &event, 1, LONG_MS), 1);
    assert_int_equal(poll_once(poller, 0), SRL__POLLED_WAKE);
    assert_int_equal(epoll_wait(outer, &event, 1, 0), 0);

    assert_int_equal(poller->ops->set_deadline(poller, 5), SRL_OK);
    assert_int_equal(epoll_wait(outer, &event, 1, LONG_MS), 1);
    assert_int_equal(poll_once(poller, 0), SRL__POLLED_DEADLINE);
    assert_int_equal(epoll_wait(outer, &event, 1, 0), 0);

    open_probe(&p, poller, SRL__READABLE);
    assert_int_equal(epoll_wait(outer, &event, 1, 0), 0);
    send_byte(&p);
    assert_int_equal(epoll_wait(outer, &event, 1, LONG_MS), 1);
    assert_int_equal(poll_once(poller, 0), 0);
    drain(&p);
    assert_int_equal(epoll_wait(outer, &event, 1, 0), 0);
    close_probe(&p);
}

static void test_inside_an_epoll_of_the_host(void **state)
{
    (void)state;
    static const uint32_t triggers[] = {0, (uint32_t)EPOLLET};
    for (size_t i = 0; i < sizeof(triggers) / sizeof(triggers[0]); i++) {
        srl__poller *poller = open_poller();
        int outer = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event event = {.events = (uint32_t)EPOLLIN | triggers[i]};
        assert_int_equal(epoll_ctl(outer, EPOLL_CTL_ADD, poller->ops->fd(poller), &event), 0);
        check_outer_epoll(poller, outer);
        check_outer_epoll(poller, outer);
        close(outer);
        poller->ops->destroy(poller);
    }
}
#endif

static void test_outer_poll_stays_readable_while_work_is_left(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    probe pair[2];
    for (int i = 0; i < 2; i++) {
        open_probe(&pair[i], poller, SRL__READABLE);
        pair[i].act = drain;
        send_byte(&pair[i]);
    }
    assert_true(outer_readable(poller, 0));
    assert_int_equal(poller->ops->poll(poller, 0, 1), SRL__POLLED_MORE);
    assert_true(outer_readable(poller, 0));
    (void)poller->ops->poll(poller, 0, 1);
    assert_int_equal(pair[0].calls, 1);
    assert_int_equal(pair[1].calls, 1);
    assert_false(outer_readable(poller, 0));
    close_probe(&pair[0]);
    close_probe(&pair[1]);
    poller->ops->destroy(poller);
}

/* All that a relay may do while it is torn down. */
static void tear_down_in_child(srl__poller *poller, probe *p)
{
    poller->ops->wake(poller);
    (void)poller->ops->set_deadline(poller, 0);
    (void)poller->ops->set_deadline(poller, SRL__NO_DEADLINE);
    p->watch.events = 0;
    (void)poller->ops->change(poller, &p->watch);
    close_probe(p);
    poller->ops->destroy(poller);
    _exit(0);
}

static void test_destroy_in_a_child_leaves_the_parents_set_alone(void **state)
{
    (void)state;
    srl__poller *poller = open_poller();
    probe p;
    open_probe(&p, poller, SRL__READABLE);
    assert_int_equal(poller->ops->set_deadline(poller, 300), SRL_OK);
    uint64_t before = now_ms();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        tear_down_in_child(poller, &p);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);

    assert_int_equal(poll_once(poller, 0) & SRL__POLLED_WAKE, 0);
    send_byte(&p);
    assert_int_equal(poll_once(poller, 0) & SRL__POLLED_WAKE, 0);
    assert_int_equal(p.calls, 1);
    drain(&p);
    if (now_ms() - before < 300) {
        assert_int_equal(poll_until_bits(poller), SRL__POLLED_DEADLINE);
    }
    poller->ops->wake(poller);
    assert_int_equal(poll_once(poller, LONG_MS), SRL__POLLED_WAKE);
    close_probe(&p);
    poller->ops->destroy(poller);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_and_destroy_leave_nothing_behind),
        cmocka_unit_test(test_create_without_descriptors),
        cmocka_unit_test(test_nothing_to_do),
        cmocka_unit_test(test_wakes_coalesce),
        cmocka_unit_test(test_wake_from_another_thread_ends_the_wait),
        cmocka_unit_test(test_no_wake_is_lost),
        cmocka_unit_test(test_wake_publishes_what_was_written_before),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_deadline_is_not_early_and_comes_once),
        cmocka_unit_test(test_deadline_at_once),
        cmocka_unit_test(test_deadline_replaced),
        cmocka_unit_test(test_deadline_and_wake_inside_ready_count_for_the_next_poll),
        cmocka_unit_test(test_watch_change_unwatch),
        cmocka_unit_test(test_watch_refuses_what_is_no_descriptor),
        cmocka_unit_test(test_hang_up_is_both_events),
        cmocka_unit_test(test_error_is_both_events),
        cmocka_unit_test(test_half_close_is_readable),
        cmocka_unit_test(test_unwatch_inside_ready_of_another),
        cmocka_unit_test(test_descriptor_number_reused_in_the_same_batch),
        cmocka_unit_test(test_same_watch_added_again_in_the_same_batch),
        cmocka_unit_test(test_change_inside_ready_of_another),
        cmocka_unit_test(test_ready_may_free_its_own_watch),
        cmocka_unit_test(test_budget_is_kept_and_starves_nobody),
        cmocka_unit_test(test_budget_of_nothing_calls_nobody),
        cmocka_unit_test(test_more_descriptors_than_a_batch),
#ifdef __linux__
        cmocka_unit_test(test_inside_an_epoll_of_the_host),
#endif
        cmocka_unit_test(test_outer_poll_stays_readable_while_work_is_left),
        cmocka_unit_test(test_destroy_in_a_child_leaves_the_parents_set_alone),
    };
    return cmocka_run_group_tests_name("poller", tests, NULL, NULL);
}
