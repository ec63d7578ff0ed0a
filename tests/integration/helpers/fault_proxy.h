/* A proxy between a client and a real server that does to the bytes what networks do. All settings may be changed while
 * it runs; they hold for all its connections. */
#ifndef SRL_TEST_FAULT_PROXY_H
#define SRL_TEST_FAULT_PROXY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { SRL_TEST_PROXY_UP = 0, SRL_TEST_PROXY_DOWN = 1 }; /* towards the server, towards the client */

typedef struct srl_test_proxy {
    uint16_t port;
    uint16_t upstream;
    int listener;
    atomic_bool stopping;
    pthread_t thread;
    atomic_uint delay_ms;      /* before each piece is passed on */
    atomic_bool every_byte;    /* pass on byte by byte */
    atomic_bool swallow[2];    /* read and forget what goes this way, from then on */
    atomic_llong cut_after[2]; /* hang up after so many more bytes this way; -1: never */
    atomic_bool refuse;        /* hang up at once on who connects */
    atomic_uint connections;   /* accepted so far */
    atomic_bool cut_now;       /* hang up on all, once */
    atomic_ullong passed[2];
} srl_test_proxy;

void srl_test_proxy_start(srl_test_proxy *proxy, uint16_t upstream);
void srl_test_proxy_stop(srl_test_proxy *proxy);
/* Back to passing everything on. */
void srl_test_proxy_heal(srl_test_proxy *proxy);
/* Hang up on all clients; returns when it is done. */
void srl_test_proxy_cut(srl_test_proxy *proxy);

#endif
