/*
 * request.h - questions to the host, answered now or later.
 *
 * When a client connects, subscribes, publishes or makes an rpc, the relay calls the hook of that kind with a request.
 * The hook may answer at once, or keep the pointer and answer at any later time on the relay's thread (from another
 * thread: through srl_relay_post()). While a request waits, later commands of the same session wait behind it; other
 * sessions do not.
 *
 * Every request must be answered exactly once, by srl_request_accept(), srl_request_reject() or
 * srl_request_disconnect(). The answer frees the request. If the session or the relay went away meanwhile, the answer
 * returns SRL_ERR_CANCELLED and is otherwise harmless; the request's texts stay readable until then.
 *
 * A kind without a hook is decided by options: connect by "allow_anonymous", subscribe, publish, presence and history
 * by the channel options of those names. With a hook, the hook alone decides - unless the relay has a policy
 * (permissions.h): then the hook is asked about what the policy permits. Where a hook decides about publish, presence
 * or history, the session need not be subscribed (srl_session_is_subscribed() tells), except in rooms for members.
 */
#ifndef STREAMRELAY_REQUEST_H
#define STREAMRELAY_REQUEST_H

#include <streamrelay/api.h>
#include <streamrelay/session.h>

SRL_BEGIN_DECLS

/** What is asked. */
typedef enum srl_request_type {
    SRL_REQUEST_CONNECT = 1,     /**< may this connection come in, and who is it? */
    SRL_REQUEST_SUBSCRIBE = 2,   /**< may this session receive this channel? */
    SRL_REQUEST_PUBLISH = 3,     /**< may this session publish this? */
    SRL_REQUEST_RPC = 4,         /**< a call of the application: what is the answer? */
    SRL_REQUEST_REFRESH = 5,     /**< the permission to be connected ends: may it go on, with this token? */
    SRL_REQUEST_SUB_REFRESH = 6, /**< likewise the subscription to this channel */
    SRL_REQUEST_MESSAGE = 7,     /**< a message of the application, which has no answer */
    SRL_REQUEST_PRESENCE = 8,    /**< may this session ask who is in this channel? */
    SRL_REQUEST_HISTORY = 9      /**< may this session read this channel's history? */
} srl_request_type;

/** The hooks. Each may be NULL. Fill the table with srl_hooks_init() before setting members. */
typedef struct srl_hooks {
    uint32_t size; /**< sizeof(srl_hooks), set by srl_hooks_init() */
    void (*connect)(srl_request *request, void *user);
    void (*subscribe)(srl_request *request, void *user);
    void (*publish)(srl_request *request, void *user);
    void (*rpc)(srl_request *request, void *user);         /**< without it, calls are refused with 108 */
    void (*refresh)(srl_request *request, void *user);     /**< with it, clients are told when they have to refresh */
    void (*sub_refresh)(srl_request *request, void *user); /**< likewise, subscriptions */
    void (*message)(srl_request *request, void *user);     /**< without it, the sender is disconnected (3508) */
    void (*presence)(srl_request *request, void *user);    /**< without it, channel options decide */
    void (*history)(srl_request *request, void *user);     /**< likewise */
    /** Another node, or this one, makes a survey: see cluster.h. Without it the answer is SRL_ERR_UNAVAILABLE. */
    void (*survey)(srl_question *question, void *user);
} srl_hooks;

/** Fill a table with NULL hooks; `size` is sizeof(srl_hooks) as the caller's header has it. */
SRL_API void srl_hooks_init(srl_hooks *hooks, size_t size);

/** An srl_request_type. */
SRL_API int srl_request_kind(const srl_request *request);

/** The session that asks, or NULL once it has gone. */
SRL_API srl_session *srl_request_session(const srl_request *request);

/** The session's user id ("" while unknown or anonymous, and once the session has gone) and its length. Never NULL. */
SRL_API const char *srl_request_user(const srl_request *request, size_t *len);

/** The channel; "" for connect. Never NULL. */
SRL_API const char *srl_request_channel(const srl_request *request, size_t *len);

/** The method of an rpc; "" for the other kinds. Never NULL. */
SRL_API const char *srl_request_method(const srl_request *request, size_t *len);

/** The token given by the client with connect, subscribe, refresh or sub_refresh, unescaped; "" if none. Never NULL. */
SRL_API const char *srl_request_token(const srl_request *request, size_t *len);

/**
 * The client's JSON: with connect and subscribe its "data", with publish and message the payload, with rpc the
 * arguments; "" if none. Never NULL. It is valid JSON, byte for byte as it was sent.
 */
SRL_API const char *srl_request_data(const srl_request *request, size_t *len);

/** The name that the client's software gives itself (connect, Centrifugo's protocol); "" if none. Never NULL. */
SRL_API const char *srl_request_client_name(const srl_request *request, size_t *len);

/** The version of the client's software, likewise. */
SRL_API const char *srl_request_client_version(const srl_request *request, size_t *len);

/**
 * What the client would have sent as HTTP headers if it could (connect, Centrifugo's protocol): a JSON object of
 * strings; "" if none. Never NULL. The client may have written anything into it.
 */
SRL_API const char *srl_request_headers(const srl_request *request, size_t *len);

/**
 * The channels that the client wants the server to subscribe it to (connect, Centrifugo's protocol), among them those
 * it comes back to: a JSON object with a member for each; "" if none. Never NULL. Permissions are the hook's to check;
 * a position in the member is taken into account by srl_request_add_subscription().
 */
SRL_API const char *srl_request_subscriptions(const srl_request *request, size_t *len);

/**
 * Who the user is (connect only). Not setting it, or an empty one, makes the session anonymous, which is refused with
 * 101 unless "allow_anonymous" is on.
 *
 * @param user_id  UTF-8, at most "max_user_length" bytes
 * @return 0, SRL_ERR_STATE (not a connect request), SRL_ERR_TOO_LARGE, SRL_ERR_UTF8, SRL_ERR_NOMEM
 */
SRL_API int srl_request_set_user(srl_request *request, const char *user_id, size_t user_id_len);

/**
 * JSON that other users are shown beside this one, in presence, join and leave, and with each publication: with connect
 * in all channels, with subscribe in this one, beside the other (clients of the native protocol are not shown it). With
 * refresh and sub_refresh it takes the place of the former.
 *
 * @return 0, SRL_ERR_STATE, SRL_ERR_JSON, SRL_ERR_TOO_LARGE ("max_info_bytes"), SRL_ERR_NOMEM
 */
SRL_API int srl_request_set_info(srl_request *request, const char *json, size_t json_len);

/**
 * JSON for the answer: with connect, subscribe and rpc it is sent to the client as "data" of the reply; with publish it
 * replaces the payload.
 *
 * @return 0, SRL_ERR_STATE, SRL_ERR_JSON, SRL_ERR_TOO_LARGE ("max_message_bytes"), SRL_ERR_NOMEM
 */
SRL_API int srl_request_set_data(srl_request *request, const char *json, size_t json_len);

/**
 * Give the session a role of the relay's policy (permissions.h), beside those assigned there: with connect for as long
 * as the session lives, with subscribe as long as this subscription does, and in its channel only.
 *
 * @return 0, SRL_ERR_STATE (other kinds), SRL_ERR_INVALID (empty), SRL_ERR_TOO_LARGE
 *         (SRL_PERMISSIONS_MAX_ROLE_LENGTH), SRL_ERR_LIMIT (SRL_PERMISSIONS_MAX_USER_ROLES), SRL_ERR_NOMEM
 */
SRL_API int srl_request_add_role(srl_request *request, const char *role, size_t role_len);

/**
 * When the permission ends, counted from its being accepted (connect, subscribe, refresh, sub_refresh). 0: never (the
 * default).
 *
 * A client that can refresh (there is a hook for it, and the wire format has the command) is told, and has
 * "expired_close_delay" or "expired_sub_close_delay" on top. Then, and for other clients at once, the session is
 * disconnected with 3005, or the subscription ended with 2501. srl_session_set_expiry() and
 * srl_session_set_subscription_expiry() move the end too.
 *
 * @return 0 or SRL_ERR_STATE
 */
SRL_API int srl_request_set_expiry(srl_request *request, uint64_t ttl_ms);

/** The host refreshes, not the client: it is not told, and has no time on top (connect and subscribe). 0 or
 *  SRL_ERR_STATE. */
SRL_API int srl_request_set_refreshed_by_host(srl_request *request);

/** What a client may ask for beside the channel; sets of them are written with `|`. */
typedef enum srl_wish {
    SRL_WISH_POSITIONING = 1, /**< to be told if something was lost on the way */
    SRL_WISH_RECOVERY = 2,    /**< what it missed, which is the channel's history */
    SRL_WISH_JOIN_LEAVE = 4   /**< who comes and goes */
} srl_wish;

/**
 * Accept without some of what the client asks for (subscribe only): as if it had not asked. What the channel's options
 * give to everybody ("positioning", "recovery", "push_join_leave" = on) it gets all the same.
 *
 * @param wishes  set of srl_wish
 * @return 0, SRL_ERR_STATE (other kinds), SRL_ERR_INVALID (others than the above)
 */
SRL_API int srl_request_withhold(srl_request *request, uint32_t wishes);

/**
 * Subscribe the session to a channel as part of the connect reply (connect only). May be called for many channels. A
 * client that comes back names the positions it had, and is recovered. Permissions are not asked. A channel that cannot
 * be subscribed to disconnects the session: 3505 (too many), 3004.
 *
 * @param options  NULL for none; copied
 * @return 0, SRL_ERR_STATE (not a connect request), SRL_ERR_INVALID (channel name), SRL_ERR_EXISTS (given before),
 *         SRL_ERR_JSON, SRL_ERR_TOO_LARGE, SRL_ERR_LIMIT ("max_channels"), SRL_ERR_NOMEM
 */
SRL_API int srl_request_add_subscription(srl_request *request, const char *channel, size_t channel_len,
                                         const srl_subscription *options);

/**
 * Answer yes.
 *
 * @return 0; SRL_ERR_CANCELLED if nobody waits any more. Whatever it returns, the request is gone.
 */
SRL_API int srl_request_accept(srl_request *request);

/**
 * Answer no, with an error reply. A refused connect leaves the connection open for another try within
 * "connect_timeout".
 *
 * @param code     a reply code of codes.h, or 400-1999 of your own; 0 is taken as 103
 * @param message  text for the client, or NULL for the standard text of the code
 * @return 0 or SRL_ERR_CANCELLED. Whatever it returns, the request is gone.
 */
SRL_API int srl_request_reject(srl_request *request, uint32_t code, const char *message, size_t message_len);

/**
 * Answer by closing the connection.
 *
 * @param code    a disconnect code of codes.h, or 4000-4999 of your own; 0 is taken as 3503
 * @param reason  text for the client, or NULL for the standard text of the code
 * @return 0 or SRL_ERR_CANCELLED. Whatever it returns, the request is gone.
 */
SRL_API int srl_request_disconnect(srl_request *request, uint32_t code, const char *reason, size_t reason_len);

SRL_END_DECLS

#endif
