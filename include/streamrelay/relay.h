/*
 * relay.h - a node: its life, its place in the host's loop, its settings.
 *
 * Threads: a relay and everything that belongs to it is used from one thread at a time. srl_relay_post() alone may be
 * called from any thread. For more cores, run one relay per thread and let them share a broker.
 *
 * Callbacks (hooks, transport functions, results, posted functions) run only inside a call that the host made, on its
 * thread. Every call of the library is allowed inside every callback, closing and destroying anything included; memory
 * goes when the outermost call returns.
 *
 * Turns: what a call makes ready to be sent is collected, and when the outermost call returns each touched session
 * gets one write with all of it. A host that handles many events in a row puts them between srl_relay_cork() and
 * srl_relay_uncork(), so that they become one turn.
 *
 * The host's loop needs two functions. Watch srl_relay_fd() for reading, and when it is readable, call
 * srl_relay_process(). A host without a loop calls srl_relay_run().
 */
#ifndef STREAMRELAY_RELAY_H
#define STREAMRELAY_RELAY_H

#include <streamrelay/api.h>
#include <streamrelay/options.h>
#include <streamrelay/permissions.h>

SRL_BEGIN_DECLS

/**
 * Make a relay.
 *
 * @param options  settings, copied; NULL for the defaults
 * @param out      receives the relay; free it with srl_relay_destroy()
 * @return 0; SRL_ERR_OPTION_VALUE (options that contradict each other); SRL_ERR_SYSTEM (no descriptors, no randomness);
 *         SRL_ERR_NOMEM; what a given broker answered
 */
SRL_API int srl_relay_create(const srl_options *options, srl_relay **out);

/**
 * End a relay at once. Every open session's transport is closed with 3001; its handle stays valid until the host
 * calls srl_session_closed(). Requests not answered are cancelled. For an orderly end call srl_relay_shutdown() first.
 */
SRL_API void srl_relay_destroy(srl_relay *relay);

/**
 * One descriptor, the same for the relay's life; readable when srl_relay_process() has something to do. Watch it for
 * reading, level-triggered. Never read, write or close it. In a child after fork, only srl_relay_destroy() may be
 * called.
 */
SRL_API int srl_relay_fd(const srl_relay *relay);

/**
 * Do what is ready: timers, posted functions, the broker's deliveries. Never blocks. The clock is read once.
 *
 * @return > 0: the work of one call is used up and more waits (call again, after other events if you like: the
 *         descriptor stays readable); 0: nothing left; < 0: SRL_ERR_POLLER, the relay can only be destroyed
 */
SRL_API int srl_relay_process(srl_relay *relay);

/**
 * For hosts that cannot watch a descriptor: milliseconds until srl_relay_process() has something to do by the clock,
 * 0 if now, -1 if only an event from outside can wake it.
 */
SRL_API int32_t srl_relay_next_timeout_ms(srl_relay *relay);

/**
 * For hosts without a loop: wait and process until srl_relay_stop(). The only call of this header that blocks.
 * @return 0 after a stop, SRL_ERR_STATE when called inside a callback, SRL_ERR_POLLER
 */
SRL_API int srl_relay_run(srl_relay *relay);

/** Make srl_relay_run() return when its current turn ends; on the relay's thread (from others: post it). */
SRL_API void srl_relay_stop(srl_relay *relay);

/** A function for the relay's thread. */
typedef void (*srl_post_fn)(srl_relay *relay, void *user);

/**
 * Run a function on the relay's thread, in its next srl_relay_process(). The one call that any thread may make, as
 * long as it is over before srl_relay_destroy() begins. Functions run in the order they were posted; those still
 * waiting when the relay is destroyed run then, with NULL for the relay, so that they can free what they hold.
 *
 * @return 0, SRL_ERR_INVALID, SRL_ERR_LIMIT ("max_posted" wait already), SRL_ERR_NOMEM
 */
SRL_API int srl_relay_post(srl_relay *relay, srl_post_fn function, void *user);

/** Begin a turn that ends with the matching srl_relay_uncork(). Nests. */
SRL_API void srl_relay_cork(srl_relay *relay);

/** End the turn: every session that something is ready for gets its write. */
SRL_API void srl_relay_uncork(srl_relay *relay);

/** Called once, when the last session has ended or the time is up. */
typedef void (*srl_shutdown_fn)(srl_relay *relay, void *user);

/**
 * End in order: no new sessions, every client is told 3001 "shutdown" (come back), queues are flushed.
 *
 * @param grace_ms  after this time transports are closed with what is unsent
 * @param done      called when no open session is left (NULL: nobody is told); srl_relay_run() then returns too
 * @return 0, SRL_ERR_STATE (shutting down already)
 */
SRL_API int srl_relay_shutdown(srl_relay *relay, uint64_t grace_ms, srl_shutdown_fn done, void *user);

/**
 * Give the relay a policy, or take it away with NULL. From now on it is asked about every subscribe, publish, presence
 * and history command (see permissions.h); where a hook is set too, the hook is asked about what the policy permits.
 * The relay keeps the policy; all relays of one policy are on one thread. Live subscriptions are checked again.
 */
SRL_API void srl_relay_set_permissions(srl_relay *relay, srl_permissions *permissions);

/** What the last failed call on this relay found wrong, in words. Never NULL. */
SRL_API const char *srl_relay_last_error(const srl_relay *relay);

SRL_END_DECLS

#endif
