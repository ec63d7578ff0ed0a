/*
 * tokens.h - the verifiers of the clients' tokens, as the configuration wants them.
 */
#ifndef EXAMPLES_CENTRIFUGO_TOKENS_H
#define EXAMPLES_CENTRIFUGO_TOKENS_H

#include <streamrelay/streamrelay.h>

#include "config.h"

typedef struct tokens {
    srl_token_verifier *connection;   /* NULL: nobody signs tokens */
    srl_token_verifier *subscription; /* may be the same */
} tokens;

/** 0 or an error code. */
int tokens_create(tokens *t, const config *c);

void tokens_destroy(tokens *t);

/**
 * Check a token that came with connect or refresh.
 *
 * @param out  what it says, to be freed with srl_token_destroy(); NULL on failure
 * @return 0, SRL_ERR_TOKEN_EXPIRED, or another code of error.h
 */
int tokens_check(const tokens *t, const char *text, size_t len, srl_token **out);

/** Check one that came with subscribe or sub_refresh. */
int tokens_check_subscription(const tokens *t, const char *text, size_t len, srl_token **out);

/** How long what a token permits lasts; 0: for ever. False if it is over. */
bool tokens_ttl(const srl_token *token, uint64_t *ttl_ms);

#endif
