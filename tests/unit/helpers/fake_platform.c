#include "helpers/fake_platform.h"

#include <string.h>

static uint64_t fake_monotonic_ms(void *user)
{
    return ((fake_platform *)user)->now_ms;
}

static uint64_t fake_wall_ms(void *user)
{
    return ((fake_platform *)user)->wall_ms;
}

/* splitmix64 */
uint64_t fake_platform_next(fake_platform *platform)
{
    platform->prng += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = platform->prng;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Byte by byte from the number, so that a seed means the same on every machine. */
static int fake_random(void *out, size_t len, void *user)
{
    fake_platform *platform = user;
    if (platform->fail_random > 0) {
        platform->fail_random--;
        return -1;
    }
    unsigned char *bytes = out;
    uint64_t number = 0;
    for (size_t i = 0; i < len; i++) {
        number = i % 8 == 0 ? fake_platform_next(platform) : number >> 8;
        bytes[i] = (unsigned char)(number & 0xFF);
    }
    return 0;
}

void fake_platform_init(fake_platform *platform, uint64_t seed)
{
    memset(platform, 0, sizeof(*platform));
    platform->table.size = sizeof(platform->table);
    platform->table.monotonic_ms = fake_monotonic_ms;
    platform->table.wall_ms = fake_wall_ms;
    platform->table.random = fake_random;
    platform->table.user = platform;
    platform->now_ms = 1000;
    platform->wall_ms = UINT64_C(1700000000000);
    platform->prng = seed;
}

void fake_platform_advance(fake_platform *platform, uint64_t ms)
{
    platform->now_ms += ms;
    platform->wall_ms += ms;
}
