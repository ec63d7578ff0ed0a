/*
 * libstreamrelay - real-time rooms inside your own server.
 *
 * api.h - what every other public header needs: the export mark and the
 * fixed-width types.
 *
 * House rules that hold for every function of the library:
 *
 *  - Strings are pointer + length and need no terminator. A NULL pointer is
 *    allowed where the length is 0.
 *  - Functions that can fail return 0 (SRL_OK) or a negative code of error.h.
 *    After a failure the state is as it was before the call.
 *  - What the library is given it copies, unless the description says
 *    otherwise. What a callback is given is valid until the callback returns.
 *  - Times are milliseconds unless the name says otherwise.
 *  - Freeing NULL does nothing.
 */
#ifndef STREAMRELAY_API_H
#define STREAMRELAY_API_H

#include <stddef.h>
#include <stdint.h>

#if defined(SRL_STATIC)
#define SRL_API
#elif defined(__GNUC__) || defined(__clang__)
#define SRL_API __attribute__((visibility("default")))
#else
#define SRL_API
#endif

#ifdef __cplusplus
#define SRL_BEGIN_DECLS extern "C" {
#define SRL_END_DECLS   }
#else
#define SRL_BEGIN_DECLS
#define SRL_END_DECLS
#endif

SRL_BEGIN_DECLS

/** A node: rooms, sessions, one broker, timers. See relay.h. */
typedef struct srl_relay srl_relay;

/** One client connection. See session.h. */
typedef struct srl_session srl_session;

/** A question to the host that may be answered later. See request.h. */
typedef struct srl_request srl_request;

/** A question of a survey to this relay. See cluster.h. */
typedef struct srl_question srl_question;

/** One encoded message, reference counted. See frame.h. */
typedef struct srl_frame srl_frame;

/** Where channels live: history, presence, other nodes. See broker.h. */
typedef struct srl_broker srl_broker;

/** A run of text that belongs to somebody else; a view. */
typedef struct srl_text {
    const char *data;
    size_t len;
} srl_text;

/** A set of named settings. See options.h. */
typedef struct srl_options srl_options;

SRL_END_DECLS

#endif
