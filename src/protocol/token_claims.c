#include "protocol/token_claims.h"

#include <stdio.h>
#include <string.h>

#include <streamrelay/error.h>

#include "base/base64.h"
#include "base/json.h"

/* ---- what is read ---- */

enum { OVERRIDES = 5 };

/* First what options of a subscription have, be it on top of a subscription token or in "subs". */
enum {
    F_INFO,
    F_B64INFO,
    F_DATA,
    F_B64DATA,
    F_OVERRIDES,
    F_OVERRIDE,                          /* an object for each */
    F_VALUE = F_OVERRIDE + OVERRIDES,    /* what is in it */
    OPTIONS_COUNT = F_VALUE + OVERRIDES, /* below: the claims */
    F_SUB = OPTIONS_COUNT,
    F_EXP,
    F_NBF,
    F_EXPIRE_AT,
    F_AUD,
    F_ISS,
    F_CHANNEL,
    F_CLIENT,
    F_CHANNELS,
    F_SUBS,
    F_META,
    CLAIMS_COUNT
};

#define STRING (SRL__JSON_STRING | SRL__JSON_NULL)
#define NUMBER (SRL__JSON_NUMBER | SRL__JSON_NULL)
#define ARRAY  (SRL__JSON_ARRAY | SRL__JSON_NULL)
#define OBJECT (SRL__JSON_OBJECT | SRL__JSON_NULL)

#define VALUE_SPEC(index)                                                                                              \
    static const srl__json_field value_field_##index[] = {                                                             \
        SRL__JSON_FIELD("value", SRL__JSON_BOOL | SRL__JSON_NULL, F_VALUE + index, NULL)};                             \
    static const srl__json_spec value_spec_##index = SRL__JSON_SPEC(value_field_##index, 0);

VALUE_SPEC(0)
VALUE_SPEC(1)
VALUE_SPEC(2)
VALUE_SPEC(3)
VALUE_SPEC(4)

static const srl__json_field override_fields[] = {
    SRL__JSON_FIELD("presence", OBJECT, F_OVERRIDE + 0, &value_spec_0),
    SRL__JSON_FIELD("join_leave", OBJECT, F_OVERRIDE + 1, &value_spec_1),
    SRL__JSON_FIELD("force_push_join_leave", OBJECT, F_OVERRIDE + 2, &value_spec_2),
    SRL__JSON_FIELD("force_positioning", OBJECT, F_OVERRIDE + 3, &value_spec_3),
    SRL__JSON_FIELD("force_recovery", OBJECT, F_OVERRIDE + 4, &value_spec_4),
};
static const srl__json_spec override_spec = SRL__JSON_SPEC(override_fields, 0);

#define OPTION_FIELDS                                                                                                  \
    SRL__JSON_FIELD("info", SRL__JSON_ANY, F_INFO, NULL), SRL__JSON_FIELD("b64info", STRING, F_B64INFO, NULL),         \
        SRL__JSON_FIELD("data", SRL__JSON_ANY, F_DATA, NULL), SRL__JSON_FIELD("b64data", STRING, F_B64DATA, NULL),     \
        SRL__JSON_FIELD("override", OBJECT, F_OVERRIDES, &override_spec)

#define CLAIM_FIELDS                                                                                                   \
    SRL__JSON_FIELD("sub", STRING, F_SUB, NULL), SRL__JSON_FIELD("exp", NUMBER, F_EXP, NULL),                          \
        SRL__JSON_FIELD("nbf", NUMBER, F_NBF, NULL), SRL__JSON_FIELD("expire_at", NUMBER, F_EXPIRE_AT, NULL),          \
        SRL__JSON_FIELD("aud", STRING | ARRAY, F_AUD, NULL), SRL__JSON_FIELD("iss", STRING, F_ISS, NULL),              \
        SRL__JSON_FIELD("channel", STRING, F_CHANNEL, NULL)

static const srl__json_field option_fields[] = {OPTION_FIELDS};
static const srl__json_spec option_spec = SRL__JSON_SPEC(option_fields, OPTIONS_COUNT);

static const srl__json_field connection_fields[] = {
    CLAIM_FIELDS,
    SRL__JSON_FIELD("info", SRL__JSON_ANY, F_INFO, NULL),
    SRL__JSON_FIELD("b64info", STRING, F_B64INFO, NULL),
    SRL__JSON_FIELD("channels", ARRAY, F_CHANNELS, NULL),
    SRL__JSON_FIELD("subs", OBJECT, F_SUBS, NULL),
    SRL__JSON_FIELD("meta", SRL__JSON_ANY, F_META, NULL),
};
static const srl__json_field subscription_fields[] = {
    CLAIM_FIELDS,
    OPTION_FIELDS,
    SRL__JSON_FIELD("client", STRING, F_CLIENT, NULL),
};
static const srl__json_spec claim_specs[] = {
    [SRL__TOKEN_CONNECTION] = SRL__JSON_SPEC(connection_fields, CLAIMS_COUNT),
    [SRL__TOKEN_SUBSCRIPTION] = SRL__JSON_SPEC(subscription_fields, CLAIMS_COUNT),
};

static bool is_given(const srl__json_value *value)
{
    return value->type != SRL__JSON_NONE && value->type != SRL__JSON_NULL;
}

static bool has_text(const srl__json_value *value)
{
    return value->type == SRL__JSON_STRING && value->raw.len > 0;
}

static uint32_t count_of(const srl__json_value *value)
{
    srl__json_walk walk;
    srl__json_value element;
    uint32_t count = 0;
    srl__json_walk_init(&walk, value);
    while (srl__json_walk_next(&walk, NULL, &element)) {
        count++;
    }
    return count;
}

int srl__token_refuse(srl__token_why *why, int error, const char *text)
{
    snprintf(why->text, sizeof(why->text), "%s", text);
    return error;
}

/* One of the objects whose members are listed above. */
static int read_object(srl__slice json, const srl__json_spec *spec, srl__json_value *out, srl__token_why *why)
{
    srl__json_error problem;
    if (srl__json_read(json, spec, &srl__json_limits_default, out, &problem)) {
        return SRL_OK;
    }
    srl__json_error_text(&problem, why->text, sizeof(why->text));
    return SRL_ERR_TOKEN_INVALID;
}

/* ---- when ---- */

static bool is_digit_at(srl__slice text, size_t at)
{
    return at < text.len && text.data[at] >= '0' && text.data[at] <= '9';
}

/* Seconds as [-]digits[.digits], in milliseconds; 0 if negative. */
static bool to_ms(const srl__json_value *value, uint64_t *out)
{
    srl__slice text = value->raw;
    size_t begin = text.data[0] == '-' ? 1 : 0, at = begin;
    uint64_t ms = 0;
    for (; is_digit_at(text, at) && at - begin < 15; at++) {
        ms = ms * 10 + (uint64_t)(text.data[at] - '0');
    }
    bool has_point = at < text.len && text.data[at] == '.';
    at += has_point ? 1 : 0;
    for (uint32_t i = 0; i < 3; i++) {
        bool has_digit = has_point && is_digit_at(text, at);
        ms = ms * 10 + (has_digit ? (uint64_t)(text.data[at] - '0') : 0);
        at += has_digit ? 1 : 0;
    }
    while (has_point && is_digit_at(text, at)) {
        at++;
    }
    *out = begin == 1 ? 0 : ms;
    return at == text.len;
}

typedef struct times {
    uint64_t exp;
    uint64_t nbf;
    uint64_t expire_at;
} times;

static int read_times(times *out, const srl__json_value claims[CLAIMS_COUNT], srl__token_why *why)
{
    *out = (times){UINT64_MAX, 0, 0};
    if ((is_given(&claims[F_EXP]) && !to_ms(&claims[F_EXP], &out->exp)) ||
        (is_given(&claims[F_NBF]) && !to_ms(&claims[F_NBF], &out->nbf)) ||
        (is_given(&claims[F_EXPIRE_AT]) && !to_ms(&claims[F_EXPIRE_AT], &out->expire_at))) {
        return srl__token_refuse(why, SRL_ERR_TOKEN_INVALID, "exp, nbf or expire_at is not a number of seconds");
    }
    if (!is_given(&claims[F_EXPIRE_AT])) {
        out->expire_at = is_given(&claims[F_EXP]) ? out->exp : 0;
    }
    return SRL_OK;
}

static int check_times(const times *when, const srl__token_rules *rules, uint64_t now_ms, srl__token_why *why)
{
    if (when->exp != UINT64_MAX && now_ms >= when->exp && now_ms - when->exp >= rules->leeway_ms) {
        return srl__token_refuse(why, SRL_ERR_TOKEN_EXPIRED, "the token has expired (exp)");
    }
    if (when->nbf > now_ms && when->nbf - now_ms > rules->leeway_ms) {
        return srl__token_refuse(why, SRL_ERR_TOKEN_EXPIRED, "the token is not valid yet (nbf)");
    }
    return SRL_OK;
}

/* ---- from whom, for whom ---- */

/* "aud" is one or an array of them. */
static bool is_for(const srl__json_value *aud, srl__slice audience, bool *found)
{
    srl__json_walk walk;
    srl__json_value element;
    *found = srl__json_string_is(aud, audience);
    srl__json_walk_init(&walk, aud);
    while (srl__json_walk_next(&walk, NULL, &element)) {
        if (element.type != SRL__JSON_STRING) {
            return false;
        }
        *found = *found || srl__json_string_is(&element, audience);
    }
    return true;
}

static int check_parties(const srl__json_value claims[CLAIMS_COUNT], const srl__token_rules *rules, srl__token_why *why)
{
    bool found;
    if (!is_for(&claims[F_AUD], rules->audience, &found)) {
        return srl__token_refuse(why, SRL_ERR_TOKEN_INVALID, "aud is not all strings");
    }
    if (rules->audience.len > 0 && !found) {
        return srl__token_refuse(why, SRL_ERR_TOKEN_INVALID, "the token is for another audience");
    }
    if (rules->issuer.len > 0 && !srl__json_string_is(&claims[F_ISS], rules->issuer)) {
        return srl__token_refuse(why, SRL_ERR_TOKEN_INVALID, "the token is from another issuer");
    }
    return SRL_OK;
}

static int check_kind(const srl__json_value claims[CLAIMS_COUNT], srl__token_kind kind, srl__token_why *why)
{
    bool has_channel = has_text(&claims[F_CHANNEL]);
    if (kind == SRL__TOKEN_CONNECTION && has_channel) {
        return srl__token_refuse(why, SRL_ERR_TOKEN_INVALID, "a subscription token is no connection token");
    }
    if (kind == SRL__TOKEN_SUBSCRIPTION && !has_channel) {
        return srl__token_refuse(why, SRL_ERR_TOKEN_INVALID, "a subscription token needs a channel");
    }
    return SRL_OK;
}

/* The claim that the rules name, which is none of those listed. */
static int find_user(srl__json_value *out, srl__slice json, srl__slice name, srl__token_why *why)
{
    srl__json_value object, key, value;
    srl__json_error problem;
    srl__json_walk walk;
    *out = (srl__json_value){.type = SRL__JSON_NONE};
    if (!srl__json_validate(json, &srl__json_limits_default, &object, &problem)) {
        return srl__token_refuse(why, SRL_ERR_TOKEN_INVALID, "the claims are not JSON");
    }
    srl__json_walk_init(&walk, &object);
    while (srl__json_walk_next(&walk, &key, &value)) {
        if (!srl__json_string_is(&key, name)) {
            continue;
        }
        if (out->type != SRL__JSON_NONE || (value.type & (SRL__JSON_STRING | SRL__JSON_NUMBER | SRL__JSON_NULL)) == 0) {
            return srl__token_refuse(why, SRL_ERR_TOKEN_INVALID, "the claim that names the user is no text or number");
        }
        *out = value;
    }
    return SRL_OK;
}

/* ---- the token ---- */

/* The subscriptions are followed by the claims, and these by room for texts that are written differently there. */
typedef struct token_block {
    srl_token token;
    srl_allocator alloc;
    size_t size;
    srl_token_subscription subscriptions[];
} token_block;

typedef struct maker {
    token_block *block;
    char *text; /* the room that is left */
    srl__token_why *why;
} maker;

static void set(const char **data, size_t *len, srl__slice text)
{
    *data = text.len > 0 ? text.data : "";
    *len = text.len;
}

static srl__slice text_of(maker *m, const srl__json_value *value)
{
    if (value->type == SRL__JSON_NUMBER) {
        return value->raw;
    }
    srl__slice text = srl__json_to_string(value, m->text);
    m->text += text.data == m->text ? text.len : 0;
    return text;
}

static srl__slice json_of(const srl__json_value *value)
{
    if (!is_given(value)) {
        return SRL__LIT("");
    }
    bool quoted = value->type == SRL__JSON_STRING;
    return quoted ? srl__slice_of(value->raw.data - 1, value->raw.len + 2) : value->raw;
}

/* What is given in base64, else what is given as it is. */
static int payload_of(maker *m, const srl__json_value *plain, const srl__json_value *base64, srl__slice *out)
{
    if (!has_text(base64)) {
        *out = json_of(plain);
        return SRL_OK;
    }
    size_t len;
    if (!srl__base64_decode(m->text, &len, srl__json_to_string(base64, m->text), SRL__BASE64)) {
        return srl__token_refuse(m->why, SRL_ERR_TOKEN_INVALID, "b64info or b64data is not base64");
    }
    *out = srl__slice_of(m->text, len);
    m->text += len;
    return SRL_OK;
}

static int32_t override_of(const srl__json_value *in, uint32_t index)
{
    bool on = false;
    if (!is_given(&in[F_OVERRIDE + index])) {
        return -1;
    }
    return srl__json_to_bool(&in[F_VALUE + index], &on) && on ? 1 : 0;
}

static bool has_channel(const token_block *block, srl__slice channel)
{
    for (uint32_t i = 0; i < block->token.count; i++) {
        const srl_token_subscription *s = &block->subscriptions[i];
        if (srl__slice_equal(srl__slice_of(s->channel, s->channel_len), channel)) {
            return true;
        }
    }
    return false;
}

/* One more; `in` are its options. */
static int add_subscription(maker *m, srl__slice channel, const srl__json_value in[OPTIONS_COUNT])
{
    srl_token_subscription *s = &m->block->subscriptions[m->block->token.count];
    srl__slice info, data;
    if (channel.len == 0) {
        return srl__token_refuse(m->why, SRL_ERR_TOKEN_INVALID, "a channel has no name");
    }
    int error = payload_of(m, &in[F_INFO], &in[F_B64INFO], &info);
    if (error == SRL_OK) {
        error = payload_of(m, &in[F_DATA], &in[F_B64DATA], &data);
    }
    if (error == SRL_OK) {
        set(&s->channel, &s->channel_len, channel);
        set(&s->info, &s->info_len, info);
        set(&s->data, &s->data_len, data);
        s->presence = override_of(in, 0);
        s->join_leave = override_of(in, 1);
        s->push_join_leave = override_of(in, 2);
        s->positioning = override_of(in, 3);
        s->recovery = override_of(in, 4);
        m->block->token.count++;
    }
    return error;
}

static int add_subs(maker *m, const srl__json_value *subs)
{
    srl__json_walk walk;
    srl__json_value name, value, in[OPTIONS_COUNT];
    int error = SRL_OK;
    srl__json_walk_init(&walk, subs);
    while (error == SRL_OK && srl__json_walk_next(&walk, &name, &value)) {
        srl__slice channel = text_of(m, &name);
        if (has_channel(m->block, channel)) {
            return srl__token_refuse(m->why, SRL_ERR_TOKEN_INVALID, "subs has a channel twice");
        }
        memset(in, 0, sizeof(in));
        if (value.type != SRL__JSON_NULL) {
            error = read_object(json_of(&value), &option_spec, in, m->why);
        }
        if (error == SRL_OK) {
            error = add_subscription(m, channel, in);
        }
    }
    return error;
}

static int add_channels(maker *m, const srl__json_value *channels)
{
    static const srl__json_value no_options[OPTIONS_COUNT];
    srl__json_walk walk;
    srl__json_value element;
    int error = SRL_OK;
    srl__json_walk_init(&walk, channels);
    while (error == SRL_OK && srl__json_walk_next(&walk, NULL, &element)) {
        srl__slice channel = text_of(m, &element);
        if (element.type != SRL__JSON_STRING) {
            return srl__token_refuse(m->why, SRL_ERR_TOKEN_INVALID, "channels is not all strings");
        }
        if (!has_channel(m->block, channel)) {
            error = add_subscription(m, channel, no_options);
        }
    }
    return error;
}

static int fill_connection(maker *m, const srl__json_value claims[CLAIMS_COUNT])
{
    srl_token *token = &m->block->token;
    srl__slice info;
    int error = payload_of(m, &claims[F_INFO], &claims[F_B64INFO], &info);
    if (error != SRL_OK) {
        return error;
    }
    set(&token->info, &token->info_len, info);
    set(&token->meta, &token->meta_len, json_of(&claims[F_META]));
    return count_of(&claims[F_SUBS]) > 0 ? add_subs(m, &claims[F_SUBS]) : add_channels(m, &claims[F_CHANNELS]);
}

static int fill_subscription(maker *m, const srl__json_value claims[CLAIMS_COUNT])
{
    srl_token *token = &m->block->token;
    set(&token->client, &token->client_len, text_of(m, &claims[F_CLIENT]));
    return add_subscription(m, text_of(m, &claims[F_CHANNEL]), claims);
}

static token_block *block_create(const srl_allocator *alloc, uint32_t subscriptions, size_t claims_len)
{
    size_t size;
    if (claims_len > SRL_TOKEN_MAX_LEN || !srl__size_of_array(subscriptions, sizeof(srl_token_subscription),
                                                              sizeof(token_block) + 2 * claims_len, &size)) {
        return NULL;
    }
    token_block *block = srl__alloc_zeroed(alloc, size);
    if (block != NULL) {
        srl_token empty = {.size = sizeof(srl_token), .user = "", .client = "", .info = "", .meta = ""};
        block->token = empty;
        block->token.subscriptions = block->subscriptions;
        block->alloc = *alloc;
        block->size = size;
    }
    return block;
}

/* Read the claims once more, where they stay, and take out what is asked for. */
static int fill(maker *m, srl__slice claims, srl__token_kind kind, const srl__token_rules *rules)
{
    srl__json_value in[CLAIMS_COUNT] = {{{NULL, 0}, 0, 0}};
    srl__json_value user;
    srl_token *token = &m->block->token;
    int error = read_object(claims, &claim_specs[kind], in, m->why);
    user = in[F_SUB];
    if (error == SRL_OK && rules->user_claim.len > 0) {
        error = find_user(&user, claims, rules->user_claim, m->why);
    }
    if (error != SRL_OK) {
        return error;
    }
    set(&token->user, &token->user_len, text_of(m, &user));
    set(&token->claims, &token->claims_len, claims);
    return kind == SRL__TOKEN_CONNECTION ? fill_connection(m, in) : fill_subscription(m, in);
}

static int check(srl__slice claims, srl__token_kind kind, const srl__token_rules *rules, uint64_t now_ms,
                 srl__token_why *why, uint32_t *subscriptions, uint64_t *expire_at)
{
    srl__json_value in[CLAIMS_COUNT] = {{{NULL, 0}, 0, 0}};
    times when;
    int error = read_object(claims, &claim_specs[kind], in, why);
    if (error == SRL_OK) {
        error = check_parties(in, rules, why);
    }
    if (error == SRL_OK) {
        error = check_kind(in, kind, why);
    }
    if (error == SRL_OK) {
        error = read_times(&when, in, why);
    }
    if (error == SRL_OK) {
        error = check_times(&when, rules, now_ms, why);
    }
    if (error != SRL_OK) {
        return error;
    }
    uint32_t subs = count_of(&in[F_SUBS]);
    *subscriptions = kind == SRL__TOKEN_SUBSCRIPTION ? 1 : subs > 0 ? subs : count_of(&in[F_CHANNELS]);
    *expire_at = when.expire_at;
    return *subscriptions <= SRL_TOKEN_MAX_SUBSCRIPTIONS
               ? SRL_OK
               : srl__token_refuse(why, SRL_ERR_TOKEN_INVALID, "the token has too many channels");
}

int srl__token_read_claims(srl_token **out, const srl_allocator *alloc, srl__slice claims, srl__token_kind kind,
                           const srl__token_rules *rules, uint64_t now_ms, srl__token_why *why)
{
    uint32_t subscriptions;
    uint64_t expire_at;
    *out = NULL;
    int error = check(claims, kind, rules, now_ms, why, &subscriptions, &expire_at);
    if (error != SRL_OK) {
        return error;
    }
    token_block *block = block_create(alloc, subscriptions, claims.len);
    if (block == NULL) {
        return srl__token_refuse(why, SRL_ERR_NOMEM, "out of memory");
    }
    char *copy = (char *)(block->subscriptions + subscriptions);
    memcpy(copy, claims.data, claims.len);
    maker m = {block, copy + claims.len, why};
    block->token.expire_at_ms = expire_at;
    error = fill(&m, srl__slice_of(copy, claims.len), kind, rules);
    if (error != SRL_OK) {
        srl_token_destroy(&block->token);
        return error;
    }
    *out = &block->token;
    return SRL_OK;
}

void srl_token_destroy(srl_token *token)
{
    if (token != NULL) {
        token_block *block = (token_block *)(void *)token;
        srl_allocator alloc = block->alloc;
        srl__free(&alloc, block, block->size);
    }
}
