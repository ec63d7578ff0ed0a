#include "io/sync.h"

#include <errno.h>
#include <time.h>

#if defined(__APPLE__)
#define WAIT_CLOCK CLOCK_REALTIME
#else
#define WAIT_CLOCK CLOCK_MONOTONIC
#endif

bool srl__lock_init(srl__lock *lock)
{
    return pthread_mutex_init(&lock->mutex, NULL) == 0;
}

void srl__lock_destroy(srl__lock *lock)
{
    pthread_mutex_destroy(&lock->mutex);
}

void srl__lock_take(srl__lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
}

void srl__lock_give(srl__lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

bool srl__event_init(srl__event *event)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0) {
        return false;
    }
#if !defined(__APPLE__)
    pthread_condattr_setclock(&attributes, WAIT_CLOCK);
#endif
    bool made = pthread_cond_init(&event->condition, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return made;
}

void srl__event_destroy(srl__event *event)
{
    pthread_cond_destroy(&event->condition);
}

bool srl__event_wait(srl__event *event, srl__lock *lock, uint64_t timeout_ms)
{
    struct timespec until;
    if (timeout_ms > (uint64_t)86400 * 1000 * 365) {
        pthread_cond_wait(&event->condition, &lock->mutex);
        return true;
    }
    clock_gettime(WAIT_CLOCK, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    return pthread_cond_timedwait(&event->condition, &lock->mutex, &until) != ETIMEDOUT;
}

void srl__event_signal(srl__event *event)
{
    pthread_cond_signal(&event->condition);
}
