/* Making and checking tokens in tests. The secret is "secret" unless the test says otherwise. */
#ifndef SRL_TEST_TOKENS_H
#define SRL_TEST_TOKENS_H

#include <streamrelay/token.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <streamrelay/error.h>

#include "base/base64.h"
#include "base/hmac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOW UINT64_C(1650000000000)

enum { CONNECTION, SUBSCRIPTION };

static inline srl_token_verifier *verifier_with(const srl_token_config *config, const char *secret)
{
    srl_token_verifier *v;
    assert_int_equal(srl_token_verifier_create(config, NULL, &v), SRL_OK);
    if (secret != NULL) {
        srl_token_key key;
        srl_token_key_init(&key, sizeof(key));
        key.secret = secret;
        key.secret_len = strlen(secret);
        assert_int_equal(srl_token_verifier_add_key(v, &key), SRL_OK);
    }
    return v;
}

/* The text in a block of exactly its size. */
static inline int verify_text(srl_token_verifier *v, int kind, const char *text, size_t len, uint64_t now_ms,
                              srl_token **out)
{
    char *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    *out = (srl_token *)(void *)&v; /* must be overwritten */
    int error = kind == CONNECTION ? srl_token_verify_connection(v, exact, len, now_ms, out)
                                   : srl_token_verify_subscription(v, exact, len, now_ms, out);
    free(exact);
    assert_true((*out != NULL) == (error == SRL_OK));
    assert_true((srl_token_verifier_last_error(v)[0] != '\0') == (error != SRL_OK));
    return error;
}

/* Only whether it is good. */
static inline int result_of(srl_token_verifier *v, int kind, const char *text, uint64_t now_ms)
{
    srl_token *token;
    int error = verify_text(v, kind, text, strlen(text), now_ms, &token);
    srl_token_destroy(token);
    return error;
}

static inline void sign(char *out, size_t size, const char *claims)
{
    int32_t len = srl_token_sign(SRL_TOKEN_HS256, "secret", 6, NULL, 0, claims, strlen(claims), out, size);
    assert_in_range(len, 1, size - 1);
    assert_int_equal(strlen(out), len);
}

static inline int result_of_claims(srl_token_verifier *v, int kind, const char *claims, uint64_t now_ms)
{
    char text[8192];
    sign(text, sizeof(text), claims);
    return result_of(v, kind, text, now_ms);
}

static inline srl_token *good_token(srl_token_verifier *v, int kind, const char *text)
{
    srl_token *token;
    int error = verify_text(v, kind, text, strlen(text), NOW, &token);
    if (error != SRL_OK) {
        fail_msg("%d: %s", error, srl_token_verifier_last_error(v));
    }
    return token;
}

static inline srl_token *good_claims(srl_token_verifier *v, int kind, const char *claims)
{
    static char text[131072];
    sign(text, sizeof(text), claims);
    return good_token(v, kind, text);
}

/* Any header, any claims, signed with HMAC SHA-256 and "secret". */
static inline void forge(char *out, const char *header, const char *claims)
{
    uint8_t code[SRL__SHA2_MAX_DIGEST];
    size_t at = srl__base64_encode(out, header, strlen(header), SRL__BASE64_URL);
    out[at++] = '.';
    at += srl__base64_encode(out + at, claims, strlen(claims), SRL__BASE64_URL);
    size_t len = srl__hmac(SRL__SHA256, SRL__LIT("secret"), srl__slice_of(out, at), code);
    out[at++] = '.';
    at += srl__base64_encode(out + at, code, len, SRL__BASE64_URL);
    out[at] = '\0';
}

static inline void assert_text(const char *got, size_t got_len, const char *want)
{
    assert_non_null(got);
    if (got_len != strlen(want) || memcmp(got, want, got_len) != 0) {
        fail_msg("got %.*s, wanted %s", (int)got_len, got, want);
    }
}

#define ASSERT_TEXT(of, member, want) assert_text((of)->member, (of)->member##_len, (want))

#endif
