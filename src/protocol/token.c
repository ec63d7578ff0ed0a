#include <streamrelay/token.h>

#include <stdio.h>
#include <string.h>

#include <streamrelay/error.h>

#include "base/base64.h"
#include "base/hmac.h"
#include "base/json.h"
#include "base/table.h"
#include "protocol/token_claims.h"

typedef struct stored_key {
    size_t size; /* of this block */
    uint64_t valid_until_ms;
    size_t secret_len;
    size_t key_id_len;
    char bytes[]; /* the secret, the id */
} stored_key;

struct srl_token_verifier {
    srl_allocator alloc;
    size_t size; /* of this block */
    uint32_t algorithms;
    int (*verify)(const srl_token_signature *signature, void *user);
    void *user;
    srl__token_rules rules;
    stored_key **keys;
    uint32_t key_count;
    uint32_t key_capacity;
    srl__token_why why;
    char texts[]; /* of the rules */
};

static const struct {
    const char *name;
    uint32_t algorithm;
} algorithms[] = {
    {"HS256", SRL_TOKEN_HS256}, {"HS384", SRL_TOKEN_HS384}, {"HS512", SRL_TOKEN_HS512}, {"RS256", SRL_TOKEN_RS256},
    {"RS384", SRL_TOKEN_RS384}, {"RS512", SRL_TOKEN_RS512}, {"PS256", SRL_TOKEN_PS256}, {"PS384", SRL_TOKEN_PS384},
    {"PS512", SRL_TOKEN_PS512}, {"ES256", SRL_TOKEN_ES256}, {"ES384", SRL_TOKEN_ES384}, {"ES512", SRL_TOKEN_ES512},
    {"EdDSA", SRL_TOKEN_EDDSA},
};
enum { ALGORITHMS = sizeof(algorithms) / sizeof(algorithms[0]) };

static uint32_t all_algorithms(void)
{
    uint32_t all = 0;
    for (size_t i = 0; i < ALGORITHMS; i++) {
        all |= algorithms[i].algorithm;
    }
    return all;
}

static srl__sha2_kind hash_of(uint32_t hmac_algorithm)
{
    return hmac_algorithm == SRL_TOKEN_HS256   ? SRL__SHA256
           : hmac_algorithm == SRL_TOKEN_HS384 ? SRL__SHA384
                                               : SRL__SHA512;
}

/* ---- verifiers ---- */

void srl_token_config_init(srl_token_config *config, size_t size)
{
    srl_token_config values = {.algorithms = SRL_TOKEN_HMAC, .audience = "", .issuer = "", .user_claim = ""};
    srl__table_fill(config, size, &values, sizeof(values));
}

static srl__slice keep(char **to, const char *text, size_t len)
{
    srl__slice kept = srl__slice_of(*to, len);
    if (len > 0) {
        memcpy(*to, text, len);
    }
    *to += len;
    return kept;
}

/* The size of a verifier with the texts of its rules. */
static bool verifier_size(const srl_token_config *config, size_t *size)
{
    return srl__size_of_array(config->audience_len, 1, sizeof(srl_token_verifier), size) &&
           srl__size_of_array(config->issuer_len, 1, *size, size) &&
           srl__size_of_array(config->user_claim_len, 1, *size, size);
}

int srl_token_verifier_create(const srl_token_config *given, const srl_allocator *allocator, srl_token_verifier **out)
{
    srl_token_config config;
    srl_allocator alloc;
    size_t size;
    srl_token_config_init(&config, sizeof(config));
    if ((given != NULL && !srl__table_take(&config, sizeof(config), given, sizeof(config))) ||
        !srl__allocator_take(&alloc, allocator)) {
        return SRL_ERR_INVALID;
    }
    if (config.algorithms == 0 || (config.algorithms & ~all_algorithms()) != 0 ||
        ((config.algorithms & ~(uint32_t)SRL_TOKEN_HMAC) != 0 && config.verify == NULL)) {
        return SRL_ERR_INVALID;
    }
    srl_token_verifier *v = verifier_size(&config, &size) ? srl__alloc_zeroed(&alloc, size) : NULL;
    if (v == NULL) {
        return SRL_ERR_NOMEM;
    }
    char *texts = v->texts;
    v->alloc = alloc;
    v->size = size;
    v->algorithms = config.algorithms;
    v->verify = config.verify;
    v->user = config.user;
    v->rules.audience = keep(&texts, config.audience, config.audience_len);
    v->rules.issuer = keep(&texts, config.issuer, config.issuer_len);
    v->rules.user_claim = keep(&texts, config.user_claim, config.user_claim_len);
    v->rules.leeway_ms = config.leeway_ms;
    *out = v;
    return SRL_OK;
}

static void key_free(srl_token_verifier *v, stored_key *key)
{
    size_t size = key->size;
    srl__wipe(key, size);
    srl__free(&v->alloc, key, size);
}

void srl_token_verifier_destroy(srl_token_verifier *v)
{
    if (v == NULL) {
        return;
    }
    srl_allocator alloc = v->alloc;
    for (uint32_t i = 0; i < v->key_count; i++) {
        key_free(v, v->keys[i]);
    }
    srl__free(&alloc, v->keys, v->key_capacity * sizeof(stored_key *));
    srl__free(&alloc, v, v->size);
}

const char *srl_token_verifier_last_error(const srl_token_verifier *v)
{
    return v->why.text;
}

void srl_token_key_init(srl_token_key *key, size_t size)
{
    srl_token_key values = {.secret = "", .key_id = ""};
    srl__table_fill(key, size, &values, sizeof(values));
}

static stored_key *key_create(const srl_allocator *alloc, const srl_token_key *given)
{
    size_t size = sizeof(stored_key) + given->secret_len + given->key_id_len;
    stored_key *key = srl__alloc(alloc, size);
    if (key != NULL) {
        char *to = key->bytes;
        key->size = size;
        key->valid_until_ms = given->valid_until_ms;
        key->secret_len = keep(&to, given->secret, given->secret_len).len;
        key->key_id_len = keep(&to, given->key_id, given->key_id_len).len;
    }
    return key;
}

int srl_token_verifier_add_key(srl_token_verifier *v, const srl_token_key *given)
{
    srl_token_key taken;
    if (!srl__table_take(&taken, sizeof(taken), given, sizeof(taken)) || taken.secret_len == 0 || taken.reserved != 0 ||
        (v->algorithms & SRL_TOKEN_HMAC) == 0) {
        return SRL_ERR_INVALID;
    }
    if (taken.secret_len > SRL_TOKEN_MAX_SECRET || taken.key_id_len > SRL_TOKEN_MAX_KEY_ID) {
        return SRL_ERR_TOO_LARGE;
    }
    if (v->key_count == SRL_TOKEN_MAX_KEYS) {
        return SRL_ERR_LIMIT;
    }
    void *keys = v->keys;
    if (!srl__grow_array(&v->alloc, &keys, &v->key_capacity, v->key_count + 1, SRL_TOKEN_MAX_KEYS,
                         sizeof(stored_key *))) {
        return SRL_ERR_NOMEM;
    }
    v->keys = keys;
    stored_key *key = key_create(&v->alloc, &taken);
    if (key == NULL) {
        return SRL_ERR_NOMEM;
    }
    v->keys[v->key_count++] = key;
    return SRL_OK;
}

static srl__slice id_of(const stored_key *key)
{
    return srl__slice_of(key->bytes + key->secret_len, key->key_id_len);
}

int srl_token_verifier_remove_key(srl_token_verifier *v, const char *key_id, size_t key_id_len)
{
    uint32_t left = 0, before = v->key_count;
    for (uint32_t i = 0; i < before; i++) {
        stored_key *key = v->keys[i];
        if (srl__slice_equal(id_of(key), srl__slice_of(key_id, key_id_len))) {
            key_free(v, key);
        } else {
            v->keys[left++] = key;
        }
    }
    v->key_count = left;
    return left < before ? SRL_OK : SRL_ERR_NOT_FOUND;
}

/* ---- signatures ---- */

/* What stands before the claims. */
typedef struct header {
    uint32_t algorithm; /* 0: none that is known */
    srl__slice key_id;
} header;

typedef struct parts {
    srl__slice input; /* header and claims as they are signed */
    srl__slice header;
    srl__slice claims;
    srl__slice signature;
} parts;

/* Three parts and two points. */
static bool split(parts *out, srl__slice text)
{
    const char *first = memchr(text.data, '.', text.len);
    if (first == NULL) {
        return false;
    }
    size_t header_len = (size_t)(first - text.data);
    const char *second = memchr(first + 1, '.', text.len - header_len - 1);
    if (second == NULL) {
        return false;
    }
    size_t input_len = (size_t)(second - text.data);
    out->input = srl__slice_of(text.data, input_len);
    out->header = srl__slice_of(text.data, header_len);
    out->claims = srl__slice_of(first + 1, input_len - header_len - 1);
    out->signature = srl__slice_of(second + 1, text.len - input_len - 1);
    return out->header.len > 0 && out->claims.len > 0 && out->signature.len > 0;
}

enum { H_ALG, H_KID, H_CRIT, H_COUNT };

static const srl__json_field header_fields[] = {
    SRL__JSON_FIELD("alg", SRL__JSON_STRING, H_ALG, NULL),
    SRL__JSON_FIELD("kid", SRL__JSON_STRING | SRL__JSON_NULL, H_KID, NULL),
    SRL__JSON_FIELD("crit", SRL__JSON_ANY, H_CRIT, NULL),
};
static const srl__json_spec header_spec = SRL__JSON_SPEC(header_fields, H_COUNT);

/* `json` may be written to. */
static int read_header(header *out, char *json, size_t len, srl__token_why *why)
{
    srl__json_value in[H_COUNT] = {{{NULL, 0}, 0, 0}};
    srl__json_error problem;
    if (!srl__json_read(srl__slice_of(json, len), &header_spec, &srl__json_limits_default, in, &problem)) {
        return srl__token_refuse(why, SRL_ERR_TOKEN_INVALID, "the header is malformed");
    }
    if (in[H_CRIT].type != SRL__JSON_NONE) {
        return srl__token_refuse(why, SRL_ERR_TOKEN_INVALID, "the header has crit: extensions are not known");
    }
    out->algorithm = 0;
    for (size_t i = 0; i < ALGORITHMS; i++) {
        if (srl__json_string_is(&in[H_ALG], srl__slice_of(algorithms[i].name, strlen(algorithms[i].name)))) {
            out->algorithm = algorithms[i].algorithm;
        }
    }
    out->key_id = SRL__LIT("");
    if (in[H_KID].type == SRL__JSON_STRING && in[H_KID].raw.len > 0) {
        out->key_id = srl__json_to_string(&in[H_KID], json + (in[H_KID].raw.data - json));
    }
    return SRL_OK;
}

static bool may_be_meant(const stored_key *key, srl__slice key_id, uint64_t now_ms)
{
    return (key->valid_until_ms == 0 || now_ms < key->valid_until_ms) &&
           (key_id.len == 0 || key->key_id_len == 0 || srl__slice_equal(id_of(key), key_id));
}

static bool is_signed_by_a_key(const srl_token_verifier *v, const header *head, srl__slice input, srl__slice signature,
                               uint64_t now_ms)
{
    uint8_t code[SRL__SHA2_MAX_DIGEST];
    srl__sha2_kind hash = hash_of(head->algorithm);
    bool good = false;
    if (signature.len != srl__sha2_digest_len(hash)) {
        return false;
    }
    for (uint32_t i = 0; i < v->key_count && !good; i++) {
        const stored_key *key = v->keys[i];
        if (may_be_meant(key, head->key_id, now_ms)) {
            size_t len = srl__hmac(hash, srl__slice_of(key->bytes, key->secret_len), input, code);
            good = srl__equal_in_constant_time(code, signature.data, len);
        }
    }
    srl__wipe(code, sizeof(code));
    return good;
}

static bool is_signed_by_hook(const srl_token_verifier *v, const header *head, srl__slice input, srl__slice signature)
{
    srl_token_signature question = {.size = sizeof(question),
                                    .algorithm = head->algorithm,
                                    .key_id = head->key_id.data,
                                    .key_id_len = head->key_id.len,
                                    .input = input.data,
                                    .input_len = input.len,
                                    .signature = signature.data,
                                    .signature_len = signature.len};
    return v->verify(&question, v->user) == 1;
}

static int check_signature(srl_token_verifier *v, const header *head, srl__slice input, srl__slice signature,
                           uint64_t now_ms)
{
    if ((v->algorithms & head->algorithm) == 0) {
        return srl__token_refuse(&v->why, SRL_ERR_TOKEN_INVALID, "the algorithm is not allowed");
    }
    bool good = (head->algorithm & SRL_TOKEN_HMAC) != 0 ? is_signed_by_a_key(v, head, input, signature, now_ms)
                                                        : is_signed_by_hook(v, head, input, signature);
    return good ? SRL_OK : srl__token_refuse(&v->why, SRL_ERR_TOKEN_INVALID, "the signature is wrong");
}

/* Decode a part into memory that has room for it. */
static int decode(srl_token_verifier *v, srl__slice part, char *to, srl__slice *out)
{
    size_t len;
    if (!srl__base64_decode(to, &len, part, SRL__BASE64_URL)) {
        return srl__token_refuse(&v->why, SRL_ERR_TOKEN_INVALID, "a part is not base64url");
    }
    *out = srl__slice_of(to, len);
    return SRL_OK;
}

/* `room` holds the decoded parts: first header and signature, then the claims. */
static int verify_parts(srl_token_verifier *v, const parts *token, char *room, srl__token_kind kind, uint64_t now_ms,
                        srl_token **out)
{
    srl__slice head_json = {"", 0}, signature = {"", 0}, claims = {"", 0};
    header head = {0, {"", 0}};
    int error = decode(v, token->header, room, &head_json);
    if (error == SRL_OK) {
        error = decode(v, token->signature, room + head_json.len, &signature);
    }
    if (error == SRL_OK) {
        error = read_header(&head, room, head_json.len, &v->why);
    }
    if (error == SRL_OK) {
        error = check_signature(v, &head, token->input, signature, now_ms);
    }
    if (error == SRL_OK) {
        error = decode(v, token->claims, room, &claims);
    }
    return error == SRL_OK ? srl__token_read_claims(out, &v->alloc, claims, kind, &v->rules, now_ms, &v->why) : error;
}

static int verify(srl_token_verifier *v, srl__slice text, srl__token_kind kind, uint64_t now_ms, srl_token **out)
{
    parts token;
    *out = NULL;
    v->why.text[0] = '\0';
    if (text.len == 0 || text.len > SRL_TOKEN_MAX_LEN || !split(&token, text)) {
        return srl__token_refuse(&v->why, SRL_ERR_TOKEN_INVALID, "it is not of three parts, or too long");
    }
    size_t size = srl__base64_max_decoded_len(text.len);
    char *room = srl__alloc(&v->alloc, size);
    if (room == NULL) {
        return srl__token_refuse(&v->why, SRL_ERR_NOMEM, "out of memory");
    }
    int error = verify_parts(v, &token, room, kind, now_ms, out);
    srl__free(&v->alloc, room, size);
    return error;
}

int srl_token_verify_connection(srl_token_verifier *v, const char *text, size_t text_len, uint64_t now_ms,
                                srl_token **out)
{
    return verify(v, srl__slice_of(text, text_len), SRL__TOKEN_CONNECTION, now_ms, out);
}

int srl_token_verify_subscription(srl_token_verifier *v, const char *text, size_t text_len, uint64_t now_ms,
                                  srl_token **out)
{
    return verify(v, srl__slice_of(text, text_len), SRL__TOKEN_SUBSCRIPTION, now_ms, out);
}

/* ---- signing ---- */

static bool is_plain(srl__slice key_id)
{
    for (size_t i = 0; i < key_id.len; i++) {
        char c = key_id.data[i];
        if (c < ' ' || c > '~' || c == '"' || c == '\\') {
            return false;
        }
    }
    return key_id.len <= SRL_TOKEN_MAX_KEY_ID;
}

static srl__slice write_header(char out[SRL_TOKEN_MAX_KEY_ID + 64], uint32_t algorithm, srl__slice key_id)
{
    const char *name = "";
    for (size_t i = 0; i < ALGORITHMS; i++) {
        name = algorithms[i].algorithm == algorithm ? algorithms[i].name : name;
    }
    int len = snprintf(out, SRL_TOKEN_MAX_KEY_ID + 64, "{\"alg\":\"%s\",%s%.*s%s\"typ\":\"JWT\"}", name,
                       key_id.len > 0 ? "\"kid\":\"" : "", (int)key_id.len, key_id.len > 0 ? key_id.data : "",
                       key_id.len > 0 ? "\"," : "");
    return srl__slice_of(out, len > 0 ? (size_t)len : 0);
}

int32_t srl_token_sign(uint32_t algorithm, const char *secret, size_t secret_len, const char *key_id, size_t key_id_len,
                       const char *claims, size_t claims_len, char *out, size_t out_size)
{
    char head[SRL_TOKEN_MAX_KEY_ID + 64];
    uint8_t code[SRL__SHA2_MAX_DIGEST];
    srl__json_value object;
    srl__json_error problem;
    if ((algorithm != SRL_TOKEN_HS256 && algorithm != SRL_TOKEN_HS384 && algorithm != SRL_TOKEN_HS512) ||
        secret_len == 0 || !is_plain(srl__slice_of(key_id, key_id_len))) {
        return SRL_ERR_INVALID;
    }
    if (claims_len > SRL_TOKEN_MAX_LEN) {
        return SRL_ERR_TOO_LARGE;
    }
    if (!srl__json_validate(srl__slice_of(claims, claims_len), &srl__json_limits_default, &object, &problem) ||
        object.type != SRL__JSON_OBJECT) {
        return SRL_ERR_JSON;
    }
    srl__slice header_json = write_header(head, algorithm, srl__slice_of(key_id, key_id_len));
    size_t input_len = srl__base64_encoded_len(header_json.len, SRL__BASE64_URL) + 1 +
                       srl__base64_encoded_len(claims_len, SRL__BASE64_URL);
    size_t len = input_len + 1 + srl__base64_encoded_len(srl__sha2_digest_len(hash_of(algorithm)), SRL__BASE64_URL);
    if (len > SRL_TOKEN_MAX_LEN) {
        return SRL_ERR_TOO_LARGE;
    }
    if (len < out_size) {
        size_t at = srl__base64_encode(out, header_json.data, header_json.len, SRL__BASE64_URL);
        out[at++] = '.';
        at += srl__base64_encode(out + at, claims, claims_len, SRL__BASE64_URL);
        size_t code_len =
            srl__hmac(hash_of(algorithm), srl__slice_of(secret, secret_len), srl__slice_of(out, at), code);
        out[at++] = '.';
        at += srl__base64_encode(out + at, code, code_len, SRL__BASE64_URL);
        out[at] = '\0';
    }
    return (int32_t)len;
}
