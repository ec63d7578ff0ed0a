/* A lock, and events that threads wait for under it. */
#ifndef SRL__SYNC_H
#define SRL__SYNC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct srl__lock {
    pthread_mutex_t mutex;
} srl__lock;

typedef struct srl__event {
    pthread_cond_t condition;
} srl__event;

bool srl__lock_init(srl__lock *lock);
void srl__lock_destroy(srl__lock *lock);
void srl__lock_take(srl__lock *lock);
void srl__lock_give(srl__lock *lock);

bool srl__event_init(srl__event *event);
void srl__event_destroy(srl__event *event);
/* With the lock taken; wakes for no reason too. False: the time is up (of the real clock; UINT64_MAX: never). */
bool srl__event_wait(srl__event *event, srl__lock *lock, uint64_t timeout_ms);
void srl__event_signal(srl__event *event);

#endif
