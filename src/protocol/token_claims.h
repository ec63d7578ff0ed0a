/* What stands in a token whose signature is good. */
#ifndef SRL__TOKEN_CLAIMS_H
#define SRL__TOKEN_CLAIMS_H

#include <streamrelay/token.h>

#include "base/alloc.h"
#include "base/slice.h"

typedef enum srl__token_kind { SRL__TOKEN_CONNECTION = 0, SRL__TOKEN_SUBSCRIPTION = 1 } srl__token_kind;

typedef struct srl__token_rules {
    srl__slice audience;
    srl__slice issuer;
    srl__slice user_claim;
    uint64_t leeway_ms;
} srl__token_rules;

/* A short text that says what was wrong. */
typedef struct srl__token_why {
    char text[160];
} srl__token_why;

/* Always returns `error`. */
int srl__token_refuse(srl__token_why *why, int error, const char *text);

/* Check the claims and make a token of them. SRL_OK, SRL_ERR_TOKEN_EXPIRED, SRL_ERR_TOKEN_INVALID, SRL_ERR_NOMEM. */
int srl__token_read_claims(srl_token **out, const srl_allocator *alloc, srl__slice claims, srl__token_kind kind,
                           const srl__token_rules *rules, uint64_t now_ms, srl__token_why *why);

#endif
