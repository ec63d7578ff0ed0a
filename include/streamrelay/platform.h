/*
 * platform.h - memory, time and randomness, each behind a small table.
 *
 * A host that brings its own gets arenas, accounting or memory caps; a test gets failing allocations, a clock that
 * stands still, and the same run twice.
 */
#ifndef STREAMRELAY_PLATFORM_H
#define STREAMRELAY_PLATFORM_H

#include <streamrelay/api.h>

SRL_BEGIN_DECLS

/**
 * Where memory comes from. The size that was asked for comes back with every resize and free.
 *
 * The functions are called on the relay's thread, with two exceptions: srl_relay_post() allocates on the thread that
 * calls it, and a broker that several relays share allocates on all of their threads. Whoever uses either gives
 * functions that are safe to call from several threads (the default ones are).
 *
 * Fill it with srl_allocator_init() before setting members.
 */
typedef struct srl_allocator {
    uint32_t size; /**< sizeof(srl_allocator), set by srl_allocator_init() */
    /** `size` > 0 bytes aligned for any type, or NULL. */
    void *(*alloc)(size_t size, void *user);
    /** As realloc(): `ptr` is not NULL, `new_size` > 0. On NULL the old block stays as it was. */
    void *(*resize)(void *ptr, size_t old_size, size_t new_size, void *user);
    /** Release a block; `ptr` is not NULL, `size` is what it was last given. */
    void (*free)(void *ptr, size_t size, void *user);
    void *user; /**< handed to each function */
} srl_allocator;

/** Fill a table with malloc, realloc and free; `size` is sizeof(srl_allocator) as the caller's header has it. */
SRL_API void srl_allocator_init(srl_allocator *allocator, size_t size);

/** Time and randomness. Fill it with srl_platform_init() before setting members. */
typedef struct srl_platform {
    uint32_t size; /**< sizeof(srl_platform), set by srl_platform_init() */
    /** Milliseconds from any fixed point, never going back. */
    uint64_t (*monotonic_ms)(void *user);
    /** Milliseconds since 1970-01-01 UTC. */
    uint64_t (*wall_ms)(void *user);
    /** Fill `out` with `len` bytes that nobody can guess (ids and epochs come from them); 0, or -1 on failure. */
    int (*random)(void *out, size_t len, void *user);
    void *user; /**< handed to each function */
} srl_platform;

/** Fill a table with the system's clocks and random source; `size` is sizeof(srl_platform) as the caller's header has
 *  it. */
SRL_API void srl_platform_init(srl_platform *platform, size_t size);

SRL_END_DECLS

#endif
