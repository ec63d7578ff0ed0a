#if defined(__APPLE__)
#define _DARWIN_C_SOURCE
#elif defined(__linux__)
#define _DEFAULT_SOURCE
#else
#undef _POSIX_C_SOURCE /* it hides getentropy on the BSDs */
#endif

#include <streamrelay/platform.h>

#include "base/table.h"
#include "io/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__) || defined(__APPLE__)
#include <sys/random.h>
#endif

static uint64_t read_clock(clockid_t id, uint64_t per_second)
{
    struct timespec now;
    if (clock_gettime(id, &now) != 0 || now.tv_sec < 0) {
        return 0;
    }
    return (uint64_t)now.tv_sec * per_second + (uint64_t)now.tv_nsec / (1000000000 / per_second);
}

uint64_t srl__clock_monotonic_ns(void)
{
    return read_clock(CLOCK_MONOTONIC, 1000000000);
}

static uint64_t monotonic_ms(void *user)
{
    (void)user;
    return read_clock(CLOCK_MONOTONIC, 1000);
}

static uint64_t wall_ms(void *user)
{
    (void)user;
    return read_clock(CLOCK_REALTIME, 1000);
}

/* At most this many bytes come whole and uninterrupted from getrandom() and getentropy(). */
enum { ENTROPY_MAX = 256 };

static int ask_kernel(void *out, size_t len)
{
#if defined(__linux__)
    ssize_t got;
    do {
        got = getrandom(out, len, 0);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)len ? 0 : -1;
#else
    return getentropy(out, len);
#endif
}

static int read_device(void *out, size_t len)
{
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return -1;
    }
    char *at = out;
    while (len > 0) {
        ssize_t got = read(fd, at, len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        at += got;
        len -= (size_t)got;
    }
    close(fd);
    return len == 0 ? 0 : -1;
}

static int system_random(void *out, size_t len, void *user)
{
    (void)user;
    char *at = out;
    while (len > 0) {
        size_t part = len < ENTROPY_MAX ? len : ENTROPY_MAX;
        if (ask_kernel(at, part) != 0) {
            return read_device(at, len);
        }
        at += part;
        len -= part;
    }
    return 0;
}

void srl_platform_init(srl_platform *platform, size_t size)
{
    srl_platform system = {.monotonic_ms = monotonic_ms, .wall_ms = wall_ms, .random = system_random};
    srl__table_fill(platform, size, &system, sizeof(system));
}
