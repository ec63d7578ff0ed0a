#include "tokens.h"

#include <string.h>
#include <time.h>

static int create(const token_rules *rules, srl_token_verifier **out)
{
    srl_token_config wanted;
    srl_token_key key;
    srl_token_config_init(&wanted, sizeof wanted);
    wanted.audience = rules->audience;
    wanted.audience_len = strlen(rules->audience);
    wanted.issuer = rules->issuer;
    wanted.issuer_len = strlen(rules->issuer);
    srl_token_key_init(&key, sizeof key);
    key.secret = rules->secret;
    key.secret_len = strlen(rules->secret);
    int error = srl_token_verifier_create(&wanted, NULL, out);
    return error == 0 ? srl_token_verifier_add_key(*out, &key) : error;
}

int tokens_create(tokens *t, const config *c)
{
    int error = 0;
    if (c->token.secret[0] != '\0')
        error = create(&c->token, &t->connection);
    t->subscription = t->connection;
    if (error == 0 && c->separate_subscription_token) {
        t->subscription = NULL;
        error = create(&c->subscription_token, &t->subscription);
    }
    return error;
}

void tokens_destroy(tokens *t)
{
    if (t->subscription != t->connection)
        srl_token_verifier_destroy(t->subscription);
    srl_token_verifier_destroy(t->connection);
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int tokens_check(const tokens *t, const char *text, size_t len, srl_token **out)
{
    *out = NULL;
    return t->connection ? srl_token_verify_connection(t->connection, text, len, now_ms(), out) : SRL_ERR_TOKEN_INVALID;
}

int tokens_check_subscription(const tokens *t, const char *text, size_t len, srl_token **out)
{
    *out = NULL;
    return t->subscription ? srl_token_verify_subscription(t->subscription, text, len, now_ms(), out)
                           : SRL_ERR_TOKEN_INVALID;
}

bool tokens_ttl(const srl_token *token, uint64_t *ttl_ms)
{
    uint64_t now = now_ms() / 1000 * 1000; /* the client is told whole seconds */
    *ttl_ms = token->expire_at_ms > now ? token->expire_at_ms - now : 0;
    return token->expire_at_ms == 0 || *ttl_ms > 0;
}
