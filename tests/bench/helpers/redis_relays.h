/* Relays on a redis-server of the program's own, plain connections beside them, and what they all spend. Whatever goes
 * wrong prints and aborts. Rooms are known by their numbers. */
#ifndef SRL_BENCH_REDIS_RELAYS_H
#define SRL_BENCH_REDIS_RELAYS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <streamrelay/redis_broker.h>
#include <streamrelay/streamrelay.h>

#include "broker/redis_node.h"
#include "helpers/redis_server.h"

enum { BENCH_NAME = 96 };

typedef struct bench_span {
    double wall;
    double node; /* CPU seconds */
    double server;
} bench_span;

/* Functions called since the last reset, and the server's microseconds for them. */
typedef struct bench_calls {
    uint64_t count;
    uint64_t usec;
} bench_calls;

typedef struct bench_counted {
    size_t bytes;
} bench_counted;

typedef struct bench_setup {
    const char *prefix;
    const char *history_size;
    const char *presence;
    uint64_t presence_ttl_ms;    /* 0: the default */
    bench_counted *engine_bytes; /* NULL: not counted */
    bench_counted *broker_bytes;
} bench_setup;

extern srl_test_redis bench_server;
extern srl_allocator bench_memory;
extern uint32_t bench_percent; /* of the usual amount of work */

_Noreturn void bench_die(const char *what);
uint32_t bench_scaled(uint32_t n);
double bench_cpu_of(pid_t pid);
bench_span bench_span_begin(void);
bench_span bench_span_end(bench_span begin);
double bench_us(double seconds, uint64_t count);
srl_redis_options *bench_server_options(const srl_allocator *allocator);
srl_redis_conn *bench_plain_connection(void);
const srl_reply *bench_ask(srl_redis_conn *conn, ...);
uint64_t bench_number_of(const srl_reply *reply);
uint64_t bench_info_number(srl_redis_conn *conn, const char *section, const char *label);
bench_calls bench_function_calls(srl_redis_conn *conn);
srl__slice bench_key_of(srl__buf *out, const char *prefix, srl__redis_key_kind kind, const char *channel);
void bench_channel_name(char out[BENCH_NAME], uint32_t number);
srl_relay *bench_relay_of(const bench_setup *s);
void bench_turn(srl_relay *relay, int wait_ms);
bool bench_is_settled(const srl_relay *relay);
void bench_settle(srl_relay *relay);
srl_session *bench_session_of(srl_relay *relay, atomic_ulong *delivered, uint32_t number);
void bench_subscribe(srl_session *session, uint32_t room);
void bench_unsubscribe(srl_session *session, uint32_t room);

#endif
