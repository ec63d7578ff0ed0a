/* Stream sockets to servers: non-blocking, closed on exec, never raising a signal. Behind a table that tests replace.
 */
#ifndef SRL__SOCKET_H
#define SRL__SOCKET_H

#include "base/slice.h"

#include <stdalign.h>

typedef struct srl__address {
    alignas(8) uint8_t bytes[128]; /* a socket address of the system */
    uint32_t len;
} srl__address;

/* A numeric IPv4 or IPv6 address; false if the text is none. */
bool srl__address_parse(const char *text, uint16_t port, srl__address *out);
/* A Unix socket; false if the path is empty or too long. */
bool srl__address_unix(const char *path, srl__address *out);

typedef struct srl__socket_options {
    uint32_t keepalive_ms;    /* 0: off */
    uint32_t user_timeout_ms; /* 0: off */
} srl__socket_options;

enum { SRL__SOCKET_AGAIN = -1, SRL__SOCKET_BROKEN = -3 };

/* Results of srl__socket_ops.peek. */
enum { SRL__PEEK_SILENT = 0, SRL__PEEK_DATA = 1, SRL__PEEK_END = 2 };

#define SRL__SOCKET_PIECES 64

typedef struct srl__socket_ops {
    /* 0: connected; 1: in progress, finish() when it is writable; SRL_ERR_SYSTEM or SRL_ERR_REDIS_CONNECT with *why. */
    int (*connect)(const srl__address *address, const srl__socket_options *options, int *fd, const char **why);
    /* 0 or SRL_ERR_REDIS_CONNECT with *why. */
    int (*finish)(int fd, const char **why);
    int64_t (*read)(int fd, void *out, size_t room);                    /* > 0, 0 at the end, or a code above */
    int64_t (*write)(int fd, const srl__slice *pieces, uint32_t count); /* > 0, or a code above */
    int (*peek)(int fd);
    void (*close)(int fd);
} srl__socket_ops;

extern const srl__socket_ops srl__system_sockets;

/* To tell a child after fork from its parent. */
int64_t srl__process_id(void);

#endif
