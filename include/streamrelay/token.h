/*
 * token.h - who may come in and what for, said by a signed token.
 *
 * For hosts whose clients bring JSON Web Tokens with the claims that Centrifugo defines. A hook hands the token of its
 * request to a verifier and gets back what the token says:
 *
 *     srl_token *token;
 *     int error = srl_token_verify_connection(verifier, text, text_len, now_ms, &token);
 *     if (error == SRL_ERR_TOKEN_EXPIRED) -> srl_request_reject() with 109: the client brings a new one
 *     if (error == SRL_ERR_TOKEN_INVALID) -> srl_request_disconnect() with 3500: the client does not come again
 *     if (error == 0) -> srl_request_set_user(), ..., srl_request_accept(), srl_token_destroy()
 *
 * Of a refresh or sub_refresh request the expired one is a disconnect too: 3005 and 3006.
 *
 * Claims of a connection token
 * ----------------------------
 *   sub               the user; without it the user is anonymous
 *   exp, nbf          seconds since 1970 UTC: from exp on, and before nbf, the token counts as expired
 *   expire_at         when the connection's permission ends, if that is not at exp; 0: it does not
 *   aud, iss          compared with the verifier's audience and issuer, if it has them
 *   info, b64info     what others are shown of the user: JSON, or any bytes in base64
 *   meta              JSON that stays with the host
 *   subs              object: channels to subscribe to at once, each with info, b64info, data, b64data, override
 *   channels          array: the same without options; not looked at beside subs
 *
 * Claims of a subscription token
 * ------------------------------
 *   channel           which one; required (and a connection token must not have it)
 *   client            which connection may use it; older than sub, and optional
 *   sub, exp, nbf, expire_at, aud, iss, info, b64info as above; data, b64data, override as in subs
 *
 * The host compares user, channel and client with the session's. "override" is an object of objects like
 * {"presence": {"value": true}} for presence, join_leave, force_push_join_leave, force_positioning, force_recovery. A
 * claim that is null is as if it were not there; one of the wrong type, or given twice, makes the token invalid. Claims
 * that are not listed are passed over (iat, jti); the host finds all of them in srl_token.claims.
 *
 * A verifier is used by one thread at a time.
 */
#ifndef STREAMRELAY_TOKEN_H
#define STREAMRELAY_TOKEN_H

#include <streamrelay/api.h>
#include <streamrelay/platform.h>

SRL_BEGIN_DECLS

/** Knows the keys and the rules. */
typedef struct srl_token_verifier srl_token_verifier;

/** Limits: of a token's text, a key's secret and id, keys, and what one token subscribes to. */
#define SRL_TOKEN_MAX_LEN           65536
#define SRL_TOKEN_MAX_SECRET        4096
#define SRL_TOKEN_MAX_KEY_ID        255
#define SRL_TOKEN_MAX_KEYS          16
#define SRL_TOKEN_MAX_SUBSCRIPTIONS 1024

/** Algorithms of signatures; sets of them are written with `|`. There is none for unsigned tokens. */
typedef enum srl_token_algorithm {
    SRL_TOKEN_HS256 = 1, /**< HMAC: done by the library, as are the next two */
    SRL_TOKEN_HS384 = 2,
    SRL_TOKEN_HS512 = 4,
    SRL_TOKEN_HMAC = 7,   /**< all three */
    SRL_TOKEN_RS256 = 16, /**< this one and all that follow: by the host's hook */
    SRL_TOKEN_RS384 = 32,
    SRL_TOKEN_RS512 = 64,
    SRL_TOKEN_PS256 = 128,
    SRL_TOKEN_PS384 = 256,
    SRL_TOKEN_PS512 = 512,
    SRL_TOKEN_ES256 = 1024,
    SRL_TOKEN_ES384 = 2048,
    SRL_TOKEN_ES512 = 4096,
    SRL_TOKEN_EDDSA = 8192
} srl_token_algorithm;

/** A signature that the host shall check; a view. Nothing in it can be trusted before that. */
typedef struct srl_token_signature {
    uint32_t size;         /**< sizeof(srl_token_signature) of the library */
    uint32_t algorithm;    /**< one srl_token_algorithm: what the token says it is; one of those allowed */
    const char *key_id;    /**< "kid", which names the key; empty if the token names none */
    size_t key_id_len;     /**< its length */
    const char *input;     /**< what was signed */
    size_t input_len;      /**< its length */
    const char *signature; /**< raw bytes; of ES256 and its like r and s, one behind the other */
    size_t signature_len;  /**< its length */
} srl_token_signature;

/** Rules of a verifier. Fill it with srl_token_config_init() before setting members. */
typedef struct srl_token_config {
    uint32_t size;        /**< sizeof(srl_token_config), set by srl_token_config_init() */
    uint32_t algorithms;  /**< set of srl_token_algorithm: others are refused. SRL_TOKEN_HMAC unless changed */
    const char *audience; /**< must be among the token's "aud"; empty: not looked at */
    size_t audience_len;
    const char *issuer; /**< must be the token's "iss"; empty: not looked at */
    size_t issuer_len;
    const char *user_claim; /**< the claim that says who the user is; empty: "sub". A string or a number. */
    size_t user_claim_len;
    uint64_t leeway_ms; /**< how far clocks may differ: added to exp, taken from nbf */
    /** Checks the signatures that are not HMAC: 1 if it is good, else 0. */
    int (*verify)(const srl_token_signature *signature, void *user);
    void *user; /**< handed to verify */
} srl_token_config;

/** Fill with SRL_TOKEN_HMAC, zeros and empty texts; `size` is sizeof(srl_token_config) as the caller's header has it.
 */
SRL_API void srl_token_config_init(srl_token_config *config, size_t size);

/**
 * A verifier without keys.
 *
 * @param config     NULL for the defaults; copied
 * @param allocator  memory for the verifier and its tokens, copied; NULL: malloc
 * @param out        where the verifier is put; free it with srl_token_verifier_destroy()
 * @return 0, SRL_ERR_INVALID (config, allocator; no or unknown algorithms; some that need `verify`, without it),
 *         SRL_ERR_NOMEM
 */
SRL_API int srl_token_verifier_create(const srl_token_config *config, const srl_allocator *allocator,
                                      srl_token_verifier **out);

/** Free a verifier and overwrite its keys. Tokens stay. */
SRL_API void srl_token_verifier_destroy(srl_token_verifier *verifier);

/** Why the last token was refused, in English, for the log and not for the client. Never NULL; valid until the next
 *  call on the verifier. */
SRL_API const char *srl_token_verifier_last_error(const srl_token_verifier *verifier);

/** A secret for HMAC. Fill it with srl_token_key_init() before setting members. */
typedef struct srl_token_key {
    uint32_t size;      /**< sizeof(srl_token_key), set by srl_token_key_init() */
    uint32_t reserved;  /**< 0 */
    const char *secret; /**< any bytes, at least one */
    size_t secret_len;
    const char *key_id; /**< the "kid" of its tokens; empty: none */
    size_t key_id_len;
    uint64_t valid_until_ms; /**< from then on (ms since 1970 UTC) it is not used; 0: no end */
} srl_token_key;

/** Fill with zeros and empty texts; `size` is sizeof(srl_token_key) as the caller's header has it. */
SRL_API void srl_token_key_init(srl_token_key *key, size_t size);

/**
 * Add a key. Tokens are checked with every key that can be meant: of a token that names a key, those with this id and
 * those without any; of one that names none, all. So keys are changed without a break: add the new one, and later
 * remove the old one, or let it end.
 *
 * @param key  copied
 * @return 0, SRL_ERR_INVALID (size, empty secret, no HMAC algorithm allowed), SRL_ERR_TOO_LARGE, SRL_ERR_LIMIT,
 *         SRL_ERR_NOMEM
 */
SRL_API int srl_token_verifier_add_key(srl_token_verifier *verifier, const srl_token_key *key);

/** Remove all keys with this id (empty: those without), or SRL_ERR_NOT_FOUND. */
SRL_API int srl_token_verifier_remove_key(srl_token_verifier *verifier, const char *key_id, size_t key_id_len);

/** A channel that a token opens; a view. The last five are 1 (on), 0 (off), -1 (the token says nothing). */
typedef struct srl_token_subscription {
    const char *channel; /**< never empty */
    size_t channel_len;
    const char *info; /**< what others in the channel are shown; empty if none */
    size_t info_len;
    const char *data; /**< for the client; empty if none */
    size_t data_len;
    int32_t presence;        /**< is listed among those present */
    int32_t join_leave;      /**< is announced to the others */
    int32_t push_join_leave; /**< hears of the others without asking: force_push_join_leave */
    int32_t positioning;     /**< force_positioning */
    int32_t recovery;        /**< force_recovery */
    int32_t reserved;        /**< 0 */
} srl_token_subscription;

/** What a good token says; a view that is valid until srl_token_destroy(). */
typedef struct srl_token {
    uint32_t size;    /**< sizeof(srl_token) of the library that made it */
    uint32_t count;   /**< of subscriptions; 1 in a subscription token */
    const char *user; /**< empty: anonymous */
    size_t user_len;
    const char *client; /**< of a subscription token: the only connection it is for; empty: any */
    size_t client_len;
    const char *info; /**< of a connection token: JSON, or the bytes of b64info; empty if none */
    size_t info_len;
    const char *meta; /**< of a connection token: JSON; empty if none */
    size_t meta_len;
    uint64_t expire_at_ms; /**< when the permission ends, ms since 1970 UTC, perhaps already; 0: it does not */
    const srl_token_subscription *subscriptions;
    const char *claims; /**< all claims, a JSON object */
    size_t claims_len;
} srl_token;

/**
 * Check a connection token.
 *
 * @param now_ms  ms since 1970 UTC
 * @param out     what it says, to be freed with srl_token_destroy(); NULL on failure
 * @return 0, SRL_ERR_TOKEN_EXPIRED, SRL_ERR_TOKEN_INVALID, SRL_ERR_NOMEM
 */
SRL_API int srl_token_verify_connection(srl_token_verifier *verifier, const char *text, size_t text_len,
                                        uint64_t now_ms, srl_token **out);

/** Check a subscription token, as srl_token_verify_connection(). */
SRL_API int srl_token_verify_subscription(srl_token_verifier *verifier, const char *text, size_t text_len,
                                          uint64_t now_ms, srl_token **out);

/** Free what a token said. */
SRL_API void srl_token_destroy(srl_token *token);

/**
 * Make a token.
 *
 * @param algorithm  SRL_TOKEN_HS256, SRL_TOKEN_HS384 or SRL_TOKEN_HS512
 * @param key_id     its "kid": printable ASCII without '"' and '\'; empty: none
 * @param claims     a JSON object; it becomes part of the token as it is
 * @param out        receives the token and a terminating zero
 * @param out_size   room at `out`
 * @return the token's length without the zero (nothing is written if that does not fit); SRL_ERR_INVALID (algorithm,
 *         empty secret, key_id), SRL_ERR_JSON, SRL_ERR_TOO_LARGE (longer than SRL_TOKEN_MAX_LEN)
 */
SRL_API int32_t srl_token_sign(uint32_t algorithm, const char *secret, size_t secret_len, const char *key_id,
                               size_t key_id_len, const char *claims, size_t claims_len, char *out, size_t out_size);

SRL_END_DECLS

#endif
