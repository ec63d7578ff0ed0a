#include "io/sleep.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

void srl__sleep_ms(uint64_t ms)
{
    const uint64_t most = UINT64_C(1000) * 86400 * 365;
    if (ms > most) {
        ms = most;
    }
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (int)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

void srl__wait_readable(int fd)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    (void)poll(&watched, 1, -1);
}
