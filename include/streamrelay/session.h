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
     * later. How clients are told of a disconnect is said at srl_protocol.
     *
     * @param code    a disconnect code of codes.h or the application's own; a WebSocket transport sends it as the
     *                close code
     * @param reason  short English text, at most 123 bytes, never NULL
     */
    void (*close)(srl_session *session, uint32_t code, const char *reason, size_t reason_len, void *user);

    uint32_t flags;    /**< SRL_TRANSPORT_ bits, 0 for a connection that goes both ways and can tell a close code */
    uint32_t reserved; /**< 0 */
} srl_transport;

/**
 * Frames go out in an answer that never ends (HTTP streaming, server-sent events), commands come in by requests of
 * their own. The connect reply then holds the session's and the relay's id, so that each request can be brought to its
 * session, see srl_relay_find_session(); a disconnect is told by a push, the last frame before close.
 */
#define SRL_TRANSPORT_EMULATED 1u

/**
 * The client cannot send anything: the host connects it by srl_session_connect(), and whatever it is to receive it is
 * subscribed to by the host. It gets pushes only, is not asked to answer pings, and a refused connect is told by a
 * disconnect. Only with SRL_PROTOCOL_CENTRIFUGO; beside SRL_TRANSPORT_EMULATED for a transport that has no close code.
 */
#define SRL_TRANSPORT_UNIDIRECTIONAL 2u

/** Fill a table with NULL functions; `size` is sizeof(srl_transport) as the caller's header has it. */
SRL_API void srl_transport_init(srl_transport *transport, size_t size);

/** Wire formats. Sessions of all of them meet in the same channels. */
typedef enum srl_protocol {
    /** JSON as docs/protocol.md describes it. A disconnect is told by a push, the last frame before close. */
    SRL_PROTOCOL_NATIVE = 0,
    /** The JSON form of Centrifugo's client protocol (version 2), as its official SDKs speak it, see
     *  docs/centrifugo.md. A disconnect is told by the code and reason that close is called with. */
    SRL_PROTOCOL_CENTRIFUGO = 1,
    /** Whichever of these the first command is of. */
    SRL_PROTOCOL_DETECT = 2
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
 * Connect on behalf of a client that cannot send (SRL_TRANSPORT_UNIDIRECTIONAL).
 *
 * The connect hook is asked as always. Refused, the session is disconnected: with 3005 for the reply codes 109 and 110,
 * 3013 for 111, 3507 for 103, 3004 for all others.
 *
 * @param params  what a connect command would hold, like {"token":"...","data":{}}; empty: {}
 * @return 0; SRL_ERR_STATE (not such a session, or connected before); SRL_ERR_CLOSED; SRL_ERR_NOMEM. Malformed
 *         parameters disconnect the session (3501) and are not an error of this call.
 */
SRL_API int srl_session_connect(srl_session *session, const char *params, size_t params_len);

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
 * Move the end of the session's permission to `ttl_ms` from now; 0: it does not end. A client of Centrifugo's protocol
 * is told by a refresh push.
 * @return 0, SRL_ERR_CLOSED, SRL_ERR_STATE (not connected yet)
 */
SRL_API int srl_session_set_expiry(srl_session *session, uint64_t ttl_ms);

/** What a subscription by the host is like. Fill it with srl_subscription_init() before setting members. */
typedef struct srl_subscription {
    uint32_t size;    /**< sizeof(srl_subscription), set by srl_subscription_init() */
    uint32_t flags;   /**< SRL_SUBSCRIPTION_ bits */
    const char *info; /**< JSON that others in the channel are shown beside the session's own; empty: none */
    size_t info_len;
    const char *data; /**< JSON for the client; empty: none */
    size_t data_len;
    uint64_t ttl_ms;         /**< when it ends: see "expired_sub_close_delay"; 0: it does not */
    uint64_t recover_offset; /**< with SRL_SUBSCRIPTION_RECOVER: send what followed this position */
    const char *recover_epoch;
    size_t recover_epoch_len;
} srl_subscription;

/** Recover from recover_offset and recover_epoch. Not with srl_request_add_subscription(): there the client knows. */
#define SRL_SUBSCRIPTION_RECOVER 1u
/** The host moves the end by srl_session_set_subscription_expiry(): the client is not asked to. */
#define SRL_SUBSCRIPTION_REFRESHED_BY_HOST 2u

/** Fill with zeros and empty texts; `size` is sizeof(srl_subscription) as the caller's header has it. */
SRL_API void srl_subscription_init(srl_subscription *subscription, size_t size);

/**
 * Subscribe a session to a channel. The client is told by a subscribe push, in the call or later. Permissions are not
 * asked: the host has decided. Nothing happens if it is subscribed already.
 *
 * @param options  NULL for none; copied
 * @return 0, SRL_ERR_INVALID (channel name), SRL_ERR_JSON, SRL_ERR_TOO_LARGE (info: "max_info_bytes"), SRL_ERR_LIMIT
 *         ("max_channels", "max_subscribers", "max_rooms"), SRL_ERR_STATE (not connected yet), SRL_ERR_CLOSED,
 *         SRL_ERR_NOMEM, what the broker answered
 */
SRL_API int srl_session_subscribe(srl_session *session, const char *channel, size_t channel_len,
                                  const srl_subscription *options);

/**
 * Move the end of a subscription to `ttl_ms` from now; 0: it does not end.
 * @return 0, SRL_ERR_NOT_FOUND (not subscribed), SRL_ERR_CLOSED, SRL_ERR_NOMEM
 */
SRL_API int srl_session_set_subscription_expiry(srl_session *session, const char *channel, size_t channel_len,
                                                uint64_t ttl_ms);

/** 1 if the session is subscribed to the channel, else 0. */
SRL_API int srl_session_is_subscribed(const srl_session *session, const char *channel, size_t channel_len);

/**
 * Send a message of the application to this client alone; it belongs to no channel and is not kept.
 *
 * @param json  valid JSON; newlines between its tokens are replaced by spaces
 * @return 0, SRL_ERR_JSON, SRL_ERR_TOO_LARGE ("max_message_bytes"), SRL_ERR_STATE (not connected yet), SRL_ERR_CLOSED,
 *         SRL_ERR_NOMEM
 */
SRL_API int srl_session_send(srl_session *session, const char *json, size_t json_len);

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

/** The wire format that the session speaks; SRL_PROTOCOL_DETECT while that is not known. */
SRL_API int srl_session_protocol(const srl_session *session);

/**
 * Bytes behind each frame's payload that separate it from the next one where several go out in one message of the
 * transport: 1 for the JSON formats (the newline), 0 for formats whose messages tell their own length. All frames of a
 * write may go out together; Centrifugo's SDKs take them apart. Clients of the native protocol get one message per
 * frame, unless both sides have agreed on lines.
 */
SRL_API size_t srl_session_separator_len(const srl_session *session);

/** Length of a session id and of a node id. */
#define SRL_SESSION_ID_LEN 36

/**
 * The secret id of an emulated session (SRL_TRANSPORT_EMULATED): SRL_SESSION_ID_LEN characters and a terminating zero.
 * Whoever knows it can send commands in the session's name. Empty for other sessions.
 */
SRL_API void srl_session_secret_id(const srl_session *session, char out[SRL_SESSION_ID_LEN + 1]);

/** The open emulated session with this secret id on this relay, or NULL. */
SRL_API srl_session *srl_relay_find_session(const srl_relay *relay, const char *secret_id, size_t secret_id_len);

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
