/* Tokens. The input as a token, and as the claims of a well signed one: it is refused with a reason, or everything that
 * it says can be read and is what it should be. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <streamrelay/error.h>
#include <streamrelay/token.h>

#include "base/base64.h"
#include "base/hmac.h"
#include "base/json.h"
#include "base/utf8.h"

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW UINT64_C(1650000000000)

static uint64_t seen; /* so that reading is not optimized away */

static void read_all(const char *data, size_t len)
{
    REQUIRE(data != NULL);
    for (size_t i = 0; i < len; i++) {
        seen += (uint8_t)data[i];
    }
}

static void check_json(const char *data, size_t len)
{
    srl__json_error problem;
    REQUIRE(len == 0 || srl__json_validate(srl__slice_of(data, len), &srl__json_limits_default, NULL, &problem));
}

static bool is_switch(int32_t value)
{
    return value >= -1 && value <= 1;
}

static void check_token(const srl_token *token)
{
    REQUIRE(token->count <= SRL_TOKEN_MAX_SUBSCRIPTIONS);
    REQUIRE(srl__utf8_valid(token->user, token->user_len) && srl__utf8_valid(token->client, token->client_len));
    read_all(token->info, token->info_len);
    check_json(token->meta, token->meta_len);
    REQUIRE(token->claims_len > 0);
    check_json(token->claims, token->claims_len);
    for (uint32_t i = 0; i < token->count; i++) {
        const srl_token_subscription *s = &token->subscriptions[i];
        REQUIRE(s->channel_len > 0 && srl__utf8_valid(s->channel, s->channel_len));
        read_all(s->info, s->info_len);
        read_all(s->data, s->data_len);
        REQUIRE(is_switch(s->presence) && is_switch(s->join_leave) && is_switch(s->push_join_leave));
        REQUIRE(is_switch(s->positioning) && is_switch(s->recovery) && s->reserved == 0);
    }
}

static void check_text(srl_token_verifier *v, const char *text, size_t len, bool as_connection)
{
    srl_token *token;
    int error = as_connection ? srl_token_verify_connection(v, text, len, NOW, &token)
                              : srl_token_verify_subscription(v, text, len, NOW, &token);
    REQUIRE(error == SRL_OK || error == SRL_ERR_TOKEN_EXPIRED || error == SRL_ERR_TOKEN_INVALID);
    REQUIRE((token != NULL) == (error == SRL_OK));
    REQUIRE((srl_token_verifier_last_error(v)[0] == '\0') == (error == SRL_OK));
    if (error == SRL_OK) {
        REQUIRE(as_connection || token->count == 1);
        check_token(token);
    }
    srl_token_destroy(token);
}

/* The token with these claims, whatever they are. */
static char *signed_with(const uint8_t *claims, size_t size, size_t *len)
{
    static const char head[] = "eyJhbGciOiJIUzI1NiJ9.";
    uint8_t code[SRL__SHA2_MAX_DIGEST];
    char *text = malloc(sizeof(head) + srl__base64_encoded_len(size, SRL__BASE64_URL) + 1 +
                        srl__base64_encoded_len(sizeof(code), SRL__BASE64_URL));
    REQUIRE(text != NULL);
    size_t at = sizeof(head) - 1;
    memcpy(text, head, at);
    at += srl__base64_encode(text + at, claims, size, SRL__BASE64_URL);
    size_t code_len = srl__hmac(SRL__SHA256, SRL__LIT("secret"), srl__slice_of(text, at), code);
    text[at++] = '.';
    at += srl__base64_encode(text + at, code, code_len, SRL__BASE64_URL);
    *len = at;
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    srl_token_verifier *v;
    srl_token_key key;
    size_t len;
    char *copy = malloc(size > 0 ? size : 1);
    REQUIRE(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    REQUIRE(srl_token_verifier_create(NULL, NULL, &v) == SRL_OK);
    srl_token_key_init(&key, sizeof(key));
    key.secret = "secret";
    key.secret_len = 6;
    REQUIRE(srl_token_verifier_add_key(v, &key) == SRL_OK);

    check_text(v, copy, size, true);
    char *text = signed_with(data, size, &len);
    check_text(v, text, len, true);
    check_text(v, text, len, false);
    free(text);
    free(copy);
    srl_token_verifier_destroy(v);
    return 0;
}
