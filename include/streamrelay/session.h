/*
 * session.h - one client connection over the host's transport.
 *
 * The host accepts a connection by whatever means (WebSocket, TCP, a pipe), opens a session for it and from then on
 * tells it three things: bytes came in (srl_session_receive), the transport can take more (srl_session_writable), the
 * transport is gone (srl_session_closed). The library tells the transport two: take these frames (write), and close.
 *
 * Life of a handle: it is valid from srl_session_open() until the host calls srl_session_closed() on it, which the
 * host does exactly once, also after the library asked the transport to close, and also after the relay was destroyed.
 */
#ifndef STREAMRELAY_SESSION_H
#define STREAMRELAY_SESSION_H

#include <streamrelay/api.h>
#include <streamrelay/frame.h>

SRL_BEGIN_DECLS

/** What the host's connection can do. Copied when a session is opened. Fill it with srl_transport_init(). */
typedef struct srl_transport {
    uint32_t size; /**< sizeof(srl_transport), set by srl_transport_init() */

    /**
     * Take frames, each one a complete message. Called when a turn ends, with everything that waits, so that it can
     * go out in one system call; again in the same turn only if something new came up meanwhile (a callback
     * published, commands that had waited went on).
     *
     * The transport either has sent a frame, or keeps it by srl_frame_ref(), before it counts it as taken (a frame
     * sent in part counts as taken: the transport keeps the rest).
     *
     * @return how many of the `count` frames were taken, in order. Fewer than `count`: the rest stays with the
     *         session, and write is not called again before srl_session_writable(). Negative: the connection is
     *         broken; the session ends and close is not called.
     */
    int64_t (*write)(srl_session *session, srl_frame *const *frames, size_t count, void *user);

    /**
     * Close the connection. The last call this session makes; the host still owes srl_session_closed(), in here or
     * later.
     *
     * @param code    a disconnect code of codes.h or the application's own; a WebSocket transport sends it as the
     *                close code
     * @param reason  short English text, at most 123 bytes, never NULL
     */
    void (*close)(srl_session *session, uint32_t code, const char *reason, size_t reason_len, void *user);
} srl_transport;

/** Fill a table with NULL functions; `size` is sizeof(srl_transport) as the caller's header has it. */
SRL_API void srl_transport_init(srl_transport *transport, size_t size);

/** Wire formats. */
typedef enum srl_protocol {
    SRL_PROTOCOL_NATIVE = 0 /**< JSON as docs/protocol.md describes it */
} srl_protocol;

/**
 * Begin a session for a new connection. Until the client has sent a valid connect command nothing else is accepted;
 * after "connect_timeout" without one it is disconnected (3502).
 *
 * @param relay      where it belongs
 * @param transport  both functions set; copied
 * @param protocol   an srl_protocol
 * @param user       handed to the transport's functions, see srl_session_user_data()
 * @param out        receives the session; end it with srl_session_closed()
 * @return 0; SRL_ERR_INVALID; SRL_ERR_STATE (the relay is shutting down); SRL_ERR_LIMIT ("max_sessions");
 *         SRL_ERR_SYSTEM (no randomness); SRL_ERR_NOMEM
 */
SRL_API int srl_session_open(srl_relay *relay, const srl_transport *transport, int protocol, void *user,
                             srl_session **out);

/**
 * One message came in: one command, or several separated by newlines.
 *
 * Bad input is answered to the client, by an error reply or a disconnect, and is not an error of this call.
 *
 * @param data  one complete message of the transport; for a byte stream, one or more complete lines
 * @return 0; SRL_ERR_CLOSED if the session has ended (the bytes are ignored); SRL_ERR_NOMEM
 */
SRL_API int srl_session_receive(srl_session *session, const void *data, size_t len);

/** The transport can take frames again, after a write that took fewer than it was given. 0 or SRL_ERR_CLOSED. */
SRL_API int srl_session_writable(srl_session *session);

/**
 * The transport is gone. Leaves all channels, cancels requests, and gives the handle back: it must not be used after
 * this call. No callback of this session comes after it.
 */
SRL_API void srl_session_closed(srl_session *session);

/**
 * Disconnect the client: it is told code and reason, what waits is flushed for at most "close_timeout", then the
 * transport's close is called. Does nothing if that has begun already.
 *
 * @param code    a disconnect code of codes.h, or 4000-4999; 0 is taken as 3503
 * @param reason  NULL for the standard text of the code; cut to 123 bytes at a character boundary
 */
SRL_API void srl_session_disconnect(srl_session *session, uint32_t code, const char *reason, size_t reason_len);

/**
 * Move the end of the session's permission to `ttl_ms` from now; 0: it does not end.
 * @return 0, SRL_ERR_CLOSED, SRL_ERR_STATE (not connected yet)
 */
SRL_API int srl_session_set_expiry(srl_session *session, uint64_t ttl_ms);

/**
 * Take a session out of a channel; the client is told by an unsubscribe push.
 *
 * @param code  an unsubscribe code of codes.h; 0 is taken as 2000
 * @return 0, SRL_ERR_NOT_FOUND (not subscribed), SRL_ERR_CLOSED, SRL_ERR_NOMEM
 */
SRL_API int srl_session_unsubscribe(srl_session *session, const char *channel, size_t channel_len, uint32_t code);

/** The pointer given to srl_session_open(). */
SRL_API void *srl_session_user_data(const srl_session *session);

/** The relay of this session; NULL after it was destroyed. */
SRL_API srl_relay *srl_session_relay(const srl_session *session);

/** Length of a client id. */
#define SRL_CLIENT_ID_LEN 36

/** The random id of this connection: SRL_CLIENT_ID_LEN characters and a terminating zero are written to `out`. */
SRL_API void srl_session_client_id(const srl_session *session, char out[SRL_CLIENT_ID_LEN + 1]);

/** The user id; "" before connect and for anonymous users. Valid as long as the session. Never NULL. */
SRL_API const char *srl_session_user_id(const srl_session *session, size_t *len);

/** 1 once the client's connect was accepted and until the session ends, else 0. */
SRL_API int srl_session_is_connected(const srl_session *session);

/** Channels the session is subscribed to. */
SRL_API uint32_t srl_session_channel_count(const srl_session *session);

/** Bytes of frames that wait for the transport. */
SRL_API size_t srl_session_queued_bytes(const srl_session *session);

SRL_END_DECLS

#endif
