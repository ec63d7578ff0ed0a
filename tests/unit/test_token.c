/* Tokens as a whole: signatures, keys, algorithms, signing. */
#include "helpers/tokens.h"

#include "helpers/fail_alloc.h"

/* Made by PyJWT 2 and by Node's crypto module. The secret is "secret" unless the test says otherwise. */
static const char plain[] =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMDAwMCwiaWF0IjoxNjAwMDAwMDAwfQ."
    "m009MXCAgsg7krom-3nKZz3iSq6VKOXvXckwTKPQB0g";
static const char plain_384[] =
    "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiJ9._XqjM_YHAu4CWMH7hzfxehwzIF-YR7dACRjxtIVmJX5xNt"
    "ZlNRiNQT77cP9PWVPM";
static const char plain_512[] =
    "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiJ9.OOnmim08R5KPn3wNhfsu5HW2EyBxHZKIDBHSjSRDrCOhWl"
    "mKZr9e10Ktf-JcrAjCDBi6c-wB5_5HlUnSd2KN1g";
static const char with_key_id[] =
    "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsyIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbm4ifQ.OwLWXb5FNkIjxGRYyH9sRUxAL3VuV"
    "5oDX1aR8nqIbIM";
static const char rich[] =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJcdTA0MTBcdTA0M2RcdTA0M2RcdTA0MzAgXCJBXCIiLCJpbmZvIjp"
    "7Im5hbWUiOiJBbm4iLCJuIjpbMSwyLjVdfSwibWV0YSI6eyJ0ZW5hbnQiOjd9LCJhdWQiOlsid2ViIiwiYXBwIl0sImlzcyI6InN"
    "ob3AiLCJleHAiOjE3MDAwMDAwMDAsIm5iZiI6MTYwMDAwMDAwMCwiZXhwaXJlX2F0IjoxNjUwMDAwMDAwLCJqdGkiOiJ4Iiwic3V"
    "icyI6eyJuZXdzIjp7ImluZm8iOnsiYSI6MX0sImRhdGEiOiJoaSIsIm92ZXJyaWRlIjp7InByZXNlbmNlIjp7InZhbHVlIjp0cnV"
    "lfSwiam9pbl9sZWF2ZSI6eyJ2YWx1ZSI6ZmFsc2V9LCJmb3JjZV9yZWNvdmVyeSI6eyJ2YWx1ZSI6dHJ1ZX19fSwiY2hhdDpcdTA"
    "0MzYiOnsiYjY0aW5mbyI6ImV5SmlJam95ZlE9PSJ9LCJwbGFpbiI6e319fQ.fQJ-7dsCHLXn_N6L7HwEnEL8l1iz5zZIFNFQzbwW"
    "Chk";
static const char subscription[] =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImNoYW5uZWwiOiIkZ29zc2lwcyIsImluZm8iOnsiYSI6MX0"
    "sImV4cCI6MTcwMDAwMDAwMCwiY2xpZW50IjoiYzEiLCJvdmVycmlkZSI6eyJmb3JjZV9wdXNoX2pvaW5fbGVhdmUiOnsidmFsdWU"
    "iOnRydWV9LCJmb3JjZV9wb3NpdGlvbmluZyI6e319fQ.wFyGERXve2et7zJZeTRhYhqZazukyh2cCvrOfwODa5Y";
static const char anonymous[] = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.t-IDcSemACt8x4iTMCda8Yhe3iZaWbvV5XKSTbuAn0M";
static const char node_256[] =
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IiLCJjaGFubmVscyI6WyJhIiwiYjpjIl0sImV4cCI6MTcwMDA"
    "wMDAwMC41fQ.8oYyBcFhKw9IeAOaZJAwnQ-ba5hegiOpaFFbEseTphY";
static const char node_512[] =
    "eyJhbGciOiJIUzUxMiIsImtpZCI6IngvXCJ5In0.eyJzdWIiOiJib2IifQ.12rIaGqU0SoGf9HtL87rMFPX_1rbz8xu6dBda8tAi"
    "bwBdliP6bnCBC9lg9TqiC-5SOyzOwXPRB_MQ_oyD4gfAw";
static const char rich_secret[] =
    "a much longer secret that has more than the sixty-four bytes of one block of SHA-256";

/* RFC 7515, appendix A.1 and A.3. */
#define RFC_CLAIMS "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
static const char rfc_hs256[] =
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." RFC_CLAIMS ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
static const char rfc_hs256_key[] =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
static const char rfc_es256[] =
    "eyJhbGciOiJFUzI1NiJ9." RFC_CLAIMS
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

static void add_key(srl_token_verifier *v, const char *secret, const char *key_id, uint64_t valid_until_ms)
{
    srl_token_key key;
    srl_token_key_init(&key, sizeof(key));
    key.secret = secret;
    key.secret_len = strlen(secret);
    key.key_id = key_id;
    key.key_id_len = strlen(key_id);
    key.valid_until_ms = valid_until_ms;
    assert_int_equal(srl_token_verifier_add_key(v, &key), SRL_OK);
}

/* ---- tokens that others have made ---- */

static void example_of_rfc_7515(void **state)
{
    (void)state;
    srl_token_verifier *v = verifier_with(NULL, NULL);
    char secret[80];
    srl_token_key key;
    srl_token_key_init(&key, sizeof(key));
    key.secret = secret;
    assert_true(srl__base64_decode(secret, &key.secret_len, srl__slice_of(rfc_hs256_key, strlen(rfc_hs256_key)),
                                   SRL__BASE64_URL));
    assert_int_equal(key.secret_len, 64);
    assert_int_equal(srl_token_verifier_add_key(v, &key), SRL_OK);

    srl_token *token;
    assert_int_equal(verify_text(v, CONNECTION, rfc_hs256, strlen(rfc_hs256), UINT64_C(1300819379999), &token), SRL_OK);
    ASSERT_TEXT(token, user, "");
    ASSERT_TEXT(token, claims, "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}");
    assert_int_equal(token->expire_at_ms, UINT64_C(1300819380000));
    assert_int_equal(token->size, sizeof(srl_token));
    assert_int_equal(token->count, 0);
    srl_token_destroy(token);
    assert_int_equal(result_of(v, CONNECTION, rfc_hs256, UINT64_C(1300819380000)), SRL_ERR_TOKEN_EXPIRED);
    srl_token_verifier_destroy(v);
}

static void tokens_of_other_libraries(void **state)
{
    (void)state;
    srl_token_verifier *v = verifier_with(NULL, "secret");
    static const char *const texts[] = {plain, plain_384, plain_512};
    for (size_t i = 0; i < 3; i++) {
        srl_token *token = good_token(v, CONNECTION, texts[i]);
        ASSERT_TEXT(token, user, "42");
        assert_int_equal(token->expire_at_ms, i == 0 ? UINT64_C(1700000000000) : 0);
        ASSERT_TEXT(token, info, "");
        ASSERT_TEXT(token, meta, "");
        ASSERT_TEXT(token, client, "");
        srl_token_destroy(token);
    }
    srl_token *token = good_token(v, CONNECTION, anonymous);
    ASSERT_TEXT(token, user, "");
    ASSERT_TEXT(token, claims, "{}");
    srl_token_destroy(token);
    assert_int_equal(result_of(v, CONNECTION, node_256, NOW), SRL_ERR_TOKEN_INVALID);

    add_key(v, "geheim", "", 0);
    token = good_token(v, CONNECTION, node_256);
    ASSERT_TEXT(token, user, "bob");
    assert_int_equal(token->expire_at_ms, UINT64_C(1700000000500));
    assert_int_equal(token->count, 2);
    ASSERT_TEXT(&token->subscriptions[0], channel, "a");
    ASSERT_TEXT(&token->subscriptions[1], channel, "b:c");
    assert_int_equal(token->subscriptions[1].presence, -1);
    srl_token_destroy(token);

    srl_token_key key;
    srl_token_key_init(&key, sizeof(key));
    key.secret = "\x00\x01\x02\xff";
    key.secret_len = 4;
    key.key_id = "x/\"y"; /* escaped in the token */
    key.key_id_len = 4;
    assert_int_equal(srl_token_verifier_add_key(v, &key), SRL_OK);
    srl_token_destroy(good_token(v, CONNECTION, node_512));
    srl_token_verifier_destroy(v);
}

static void everything_a_connection_token_may_have(void **state)
{
    (void)state;
    srl_token_config config;
    srl_token_config_init(&config, sizeof(config));
    config.audience = "app";
    config.audience_len = 3;
    config.issuer = "shop";
    config.issuer_len = 4;
    srl_token_verifier *v = verifier_with(&config, rich_secret);
    srl_token *token = good_token(v, CONNECTION, rich);
    srl_token_verifier_destroy(v); /* tokens stay */
    ASSERT_TEXT(token, user, "\xD0\x90\xD0\xBD\xD0\xBD\xD0\xB0 \"A\"");
    ASSERT_TEXT(token, info, "{\"name\":\"Ann\",\"n\":[1,2.5]}");
    ASSERT_TEXT(token, meta, "{\"tenant\":7}");
    assert_int_equal(token->expire_at_ms, UINT64_C(1650000000000));
    assert_int_equal(token->count, 3);
    const srl_token_subscription *s = token->subscriptions;
    ASSERT_TEXT(&s[0], channel, "news");
    ASSERT_TEXT(&s[0], info, "{\"a\":1}");
    ASSERT_TEXT(&s[0], data, "\"hi\"");
    assert_int_equal(s[0].presence, 1);
    assert_int_equal(s[0].join_leave, 0);
    assert_int_equal(s[0].push_join_leave, -1);
    assert_int_equal(s[0].positioning, -1);
    assert_int_equal(s[0].recovery, 1);
    ASSERT_TEXT(&s[1], channel, "chat:\xD0\xB6");
    ASSERT_TEXT(&s[1], info, "{\"b\":2}");
    ASSERT_TEXT(&s[1], data, "");
    assert_int_equal(s[1].recovery, -1);
    ASSERT_TEXT(&s[2], channel, "plain");
    ASSERT_TEXT(&s[2], info, "");
    srl_token_destroy(token);
}

static void everything_a_subscription_token_may_have(void **state)
{
    (void)state;
    srl_token_verifier *v = verifier_with(NULL, "secret");
    srl_token *token = good_token(v, SUBSCRIPTION, subscription);
    ASSERT_TEXT(token, user, "42");
    ASSERT_TEXT(token, client, "c1");
    ASSERT_TEXT(token, info, "");
    assert_int_equal(token->count, 1);
    const srl_token_subscription *s = token->subscriptions;
    ASSERT_TEXT(s, channel, "$gossips");
    ASSERT_TEXT(s, info, "{\"a\":1}");
    assert_int_equal(s->presence, -1);
    assert_int_equal(s->push_join_leave, 1);
    assert_int_equal(s->positioning, 0);
    srl_token_destroy(token);
    assert_int_equal(result_of(v, CONNECTION, subscription, NOW), SRL_ERR_TOKEN_INVALID);
    assert_int_equal(result_of(v, SUBSCRIPTION, plain, NOW), SRL_ERR_TOKEN_INVALID);
    srl_token_verifier_destroy(v);
}

/* ---- tampering ---- */

static void every_byte_counts(void **state)
{
    (void)state;
    static const char *const texts[] = {plain, plain_384, plain_512, with_key_id};
    srl_token_verifier *v = verifier_with(NULL, "secret");
    add_key(v, "new secret", "", 0);
    for (size_t i = 0; i < 4; i++) {
        char text[600];
        size_t len = strlen(texts[i]);
        memcpy(text, texts[i], len);
        srl_token *token;
        for (size_t at = 0; at < len; at++) {
            for (uint32_t byte = 0; byte < 256; byte++) {
                text[at] = (char)byte;
                int error = verify_text(v, CONNECTION, text, len, NOW, &token);
                assert_int_equal(error, byte == (uint8_t)texts[i][at] ? SRL_OK : SRL_ERR_TOKEN_INVALID);
                srl_token_destroy(token);
            }
            text[at] = texts[i][at];
            assert_int_equal(verify_text(v, CONNECTION, text, at, NOW, &token), SRL_ERR_TOKEN_INVALID);
            assert_int_equal(verify_text(v, CONNECTION, text + at + 1, len - at - 1, NOW, &token),
                             SRL_ERR_TOKEN_INVALID);
        }
        for (uint32_t byte = 0; byte < 256; byte++) {
            text[len] = (char)byte;
            assert_int_equal(verify_text(v, CONNECTION, text, len + 1, NOW, &token), SRL_ERR_TOKEN_INVALID);
        }
    }
    srl_token_verifier_destroy(v);
}

static void parts_that_are_missing(void **state)
{
    (void)state;
    srl_token_verifier *v = verifier_with(NULL, "secret");
    static const char *const texts[] = {"",      ".",        "..",       "...",      "a.b",
                                        "a.b.c", "e30.e30.", ".e30.e30", "e30..e30", "e30.e30.e30.e30"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(result_of(v, CONNECTION, texts[i], NOW), SRL_ERR_TOKEN_INVALID);
    }
    /* The signature left out, and with it the algorithm. */
    char text[600];
    snprintf(text, sizeof(text), "%.*s", (int)(strrchr(plain, '.') - plain + 1), plain);
    assert_int_equal(result_of(v, CONNECTION, text, NOW), SRL_ERR_TOKEN_INVALID);
    snprintf(text, sizeof(text), "%.*s", (int)(strrchr(plain, '.') - plain), plain);
    assert_int_equal(result_of(v, CONNECTION, text, NOW), SRL_ERR_TOKEN_INVALID);

    char *huge = malloc(SRL_TOKEN_MAX_LEN + 1);
    assert_non_null(huge);
    memset(huge, 'A', SRL_TOKEN_MAX_LEN + 1);
    huge[10] = huge[20] = '.';
    srl_token *token;
    assert_int_equal(verify_text(v, CONNECTION, huge, SRL_TOKEN_MAX_LEN, NOW, &token), SRL_ERR_TOKEN_INVALID);
    assert_int_equal(verify_text(v, CONNECTION, huge, SRL_TOKEN_MAX_LEN + 1, NOW, &token), SRL_ERR_TOKEN_INVALID);
    free(huge);
    srl_token_verifier_destroy(v);
}

static void headers(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"typ\":\"other\",\"kid\":null,\"jku\":\"http://example.com\",\"x\":[{}]}",
        " {\"\\u0061lg\" : \"HS\\u003256\"} ",
        "{\"alg\":\"HS256\",\"kid\":\"unknown\"}", /* the key has no id: it may be meant */
    };
    static const char *const bad[] = {
        "{}",
        "[]",
        "null",
        "\"HS256\"",
        "{\"alg\":\"none\"}",
        "{\"alg\":\"None\"}",
        "{\"alg\":\"nOnE\"}",
        "{\"alg\":\"\"}",
        "{\"alg\":null}",
        "{\"alg\":256}",
        "{\"alg\":\"hs256\"}",
        "{\"alg\":\"HS256 \"}",
        "{\"alg\":\"HS2567\"}",
        "{\"alg\":\"HS256\\u0000\"}",
        "{\"alg\":\"HS512\"}",
        "{\"alg\":\"HS1\"}",
        "{\"alg\":\"RS256\"}",
        "{\"alg\":\"EdDSA\"}",
        "{\"alg\":[\"HS256\"]}",
        "{\"alg\":\"HS256\",\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"alg\":\"none\"}",
        "{\"alg\":\"HS256\",\"kid\":1}",
        "{\"alg\":\"HS256\",\"kid\":\"\\ud800\"}",
        "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"HS256\",\"crit\":null}",
        "{\"alg\":\"HS256\"}}",
        "{\"alg\":\"HS256\"",
        "{\"alg\":\"HS256\",}",
        "{\"alg\":\"HS256\",\"x\":\"\xFF\"}",
        "{\"Alg\":\"HS256\"}",
    };
    srl_token_verifier *v = verifier_with(NULL, "secret");
    char text[600];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        forge(text, good[i], "{\"sub\":\"x\"}");
        assert_int_equal(result_of(v, CONNECTION, text, NOW), SRL_OK);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        forge(text, bad[i], "{\"sub\":\"x\"}");
        if (result_of(v, CONNECTION, text, NOW) != SRL_ERR_TOKEN_INVALID) {
            fail_msg("%s", bad[i]);
        }
    }
    srl_token_verifier_destroy(v);
}

/* ---- algorithms of the host ---- */

typedef struct hook_calls {
    uint32_t calls;
    int answer;
} hook_calls;

static int check_rfc_signature(const srl_token_signature *s, void *user)
{
    hook_calls *calls = user;
    calls->calls++;
    assert_int_equal(s->size, sizeof(*s));
    assert_int_equal(s->algorithm, SRL_TOKEN_ES256);
    assert_text(s->key_id, s->key_id_len, "");
    assert_text(s->input, s->input_len, "eyJhbGciOiJFUzI1NiJ9." RFC_CLAIMS);
    assert_int_equal(s->signature_len, 64);
    assert_memory_equal(s->signature, "\x0e\xd1\x21\x53", 4);
    assert_memory_equal(s->signature + 32, "\xc5\x0a\x07\xd3", 4);
    return calls->answer;
}

static void the_host_checks_other_algorithms(void **state)
{
    (void)state;
    hook_calls calls = {0, 1};
    srl_token_config config;
    srl_token_config_init(&config, sizeof(config));
    assert_int_equal(config.algorithms, SRL_TOKEN_HMAC);
    config.algorithms = SRL_TOKEN_HS256 | SRL_TOKEN_ES256;
    config.verify = check_rfc_signature;
    config.user = &calls;
    srl_token_verifier *v = verifier_with(&config, "secret");
    assert_int_equal(result_of(v, CONNECTION, rfc_es256, 1000), SRL_OK);
    assert_int_equal(result_of(v, CONNECTION, rfc_es256, NOW), SRL_ERR_TOKEN_EXPIRED);
    assert_int_equal(calls.calls, 2);
    static const int others[] = {0, 2, -1};
    for (size_t i = 0; i < 3; i++) {
        calls.answer = others[i];
        assert_int_equal(result_of(v, CONNECTION, rfc_es256, 1000), SRL_ERR_TOKEN_INVALID);
    }
    assert_int_equal(calls.calls, 5);
    /* HMAC is never asked about, nor what is not allowed, nor what is malformed. */
    calls.answer = 1;
    assert_int_equal(result_of(v, CONNECTION, plain, NOW), SRL_OK);
    assert_int_equal(result_of(v, CONNECTION, node_256, NOW), SRL_ERR_TOKEN_INVALID);
    assert_int_equal(result_of(v, CONNECTION, plain_384, NOW), SRL_ERR_TOKEN_INVALID);
    assert_int_equal(result_of(v, CONNECTION, "eyJhbGciOiJFUzI1NiJ9." RFC_CLAIMS ".D", NOW), SRL_ERR_TOKEN_INVALID);
    char text[600];
    forge(text, "{\"alg\":\"RS256\"}", "{}");
    assert_int_equal(result_of(v, CONNECTION, text, NOW), SRL_ERR_TOKEN_INVALID);
    forge(text, "{\"alg\":\"none\"}", "{}");
    assert_int_equal(result_of(v, CONNECTION, text, NOW), SRL_ERR_TOKEN_INVALID);
    assert_int_equal(calls.calls, 5);
    srl_token_verifier_destroy(v);
}

static int note_algorithm(const srl_token_signature *s, void *user)
{
    uint32_t *algorithm = user;
    *algorithm = s->algorithm;
    assert_text(s->key_id, s->key_id_len, "k\n");
    return 1;
}

static void every_algorithm_by_its_name(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t algorithm;
    } all[] = {
        {"RS256", SRL_TOKEN_RS256}, {"RS384", SRL_TOKEN_RS384}, {"RS512", SRL_TOKEN_RS512}, {"PS256", SRL_TOKEN_PS256},
        {"PS384", SRL_TOKEN_PS384}, {"PS512", SRL_TOKEN_PS512}, {"ES256", SRL_TOKEN_ES256}, {"ES384", SRL_TOKEN_ES384},
        {"ES512", SRL_TOKEN_ES512}, {"EdDSA", SRL_TOKEN_EDDSA},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        uint32_t asked = 0;
        char text[600], header[100];
        srl_token_config config;
        srl_token_config_init(&config, sizeof(config));
        config.verify = note_algorithm;
        config.user = &asked;
        snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"k\\n\"}", all[i].name);
        forge(text, header, "{}");

        srl_token_verifier *v = verifier_with(&config, "secret");
        assert_int_equal(result_of(v, CONNECTION, text, NOW), SRL_ERR_TOKEN_INVALID);
        assert_int_equal(asked, 0);
        srl_token_verifier_destroy(v);

        config.algorithms = all[i].algorithm;
        v = verifier_with(&config, NULL);
        assert_int_equal(result_of(v, CONNECTION, text, NOW), SRL_OK);
        assert_int_equal(asked, all[i].algorithm);
        assert_int_equal(result_of(v, CONNECTION, plain, NOW), SRL_ERR_TOKEN_INVALID);
        srl_token_verifier_destroy(v);
    }
}

/* ---- keys ---- */

static void changing_keys(void **state)
{
    (void)state;
    srl_token_verifier *v = verifier_with(NULL, NULL);
    assert_int_equal(result_of(v, CONNECTION, plain, NOW), SRL_ERR_TOKEN_INVALID);
    add_key(v, "secret", "k1", NOW);
    add_key(v, "new secret", "k2", 0);
    /* Without kid all are tried; with kid the one that has it. */
    assert_int_equal(result_of(v, CONNECTION, plain, NOW - 1), SRL_OK);
    assert_int_equal(result_of(v, CONNECTION, with_key_id, NOW - 1), SRL_OK);
    /* The old one ends. */
    assert_int_equal(result_of(v, CONNECTION, plain, NOW), SRL_ERR_TOKEN_INVALID);
    assert_int_equal(result_of(v, CONNECTION, with_key_id, NOW), SRL_OK);
    assert_int_equal(srl_token_verifier_remove_key(v, "k1", 2), SRL_OK);
    assert_int_equal(srl_token_verifier_remove_key(v, "k1", 2), SRL_ERR_NOT_FOUND);
    assert_int_equal(srl_token_verifier_remove_key(v, NULL, 0), SRL_ERR_NOT_FOUND);
    assert_int_equal(result_of(v, CONNECTION, with_key_id, NOW), SRL_OK);

    /* The right secret under another id is not used. */
    assert_int_equal(srl_token_verifier_remove_key(v, "k2", 2), SRL_OK);
    add_key(v, "new secret", "k3", 0);
    assert_int_equal(result_of(v, CONNECTION, with_key_id, NOW), SRL_ERR_TOKEN_INVALID);
    add_key(v, "new secret", "", 0);
    add_key(v, "secret", "", 0);
    assert_int_equal(result_of(v, CONNECTION, with_key_id, NOW), SRL_OK);
    assert_int_equal(result_of(v, CONNECTION, plain, NOW), SRL_OK);
    assert_int_equal(srl_token_verifier_remove_key(v, NULL, 0), SRL_OK); /* both */
    assert_int_equal(result_of(v, CONNECTION, with_key_id, NOW), SRL_ERR_TOKEN_INVALID);
    assert_int_equal(result_of(v, CONNECTION, plain, NOW), SRL_ERR_TOKEN_INVALID);
    srl_token_verifier_destroy(v);
}

static void keys_that_are_refused(void **state)
{
    (void)state;
    srl_token_verifier *v = verifier_with(NULL, NULL);
    static char big[SRL_TOKEN_MAX_SECRET + 1];
    srl_token_key key;
    srl_token_key_init(&key, sizeof(key));
    assert_int_equal(srl_token_verifier_add_key(v, &key), SRL_ERR_INVALID);
    key.secret = big;
    key.secret_len = sizeof(big);
    assert_int_equal(srl_token_verifier_add_key(v, &key), SRL_ERR_TOO_LARGE);
    key.secret_len--;
    key.key_id = big;
    key.key_id_len = SRL_TOKEN_MAX_KEY_ID + 1;
    assert_int_equal(srl_token_verifier_add_key(v, &key), SRL_ERR_TOO_LARGE);
    key.key_id_len--;
    key.reserved = 1;
    assert_int_equal(srl_token_verifier_add_key(v, &key), SRL_ERR_INVALID);
    key.reserved = 0;
    key.size--;
    assert_int_equal(srl_token_verifier_add_key(v, &key), SRL_ERR_INVALID);
    key.size++;
    for (uint32_t i = 0; i < SRL_TOKEN_MAX_KEYS; i++) {
        assert_int_equal(srl_token_verifier_add_key(v, &key), SRL_OK);
    }
    assert_int_equal(srl_token_verifier_add_key(v, &key), SRL_ERR_LIMIT);
    srl_token_verifier_destroy(v);

    srl_token_config config;
    uint32_t asked = 0;
    srl_token_config_init(&config, sizeof(config));
    config.algorithms = SRL_TOKEN_RS256;
    config.verify = note_algorithm;
    config.user = &asked;
    v = verifier_with(&config, NULL);
    assert_int_equal(srl_token_verifier_add_key(v, &key), SRL_ERR_INVALID);
    srl_token_verifier_destroy(v);
}

static void rules_that_are_refused(void **state)
{
    (void)state;
    srl_token_verifier *v = NULL;
    srl_token_config config;
    srl_allocator broken;
    srl_token_config_init(&config, sizeof(config));
    config.algorithms = 0;
    assert_int_equal(srl_token_verifier_create(&config, NULL, &v), SRL_ERR_INVALID);
    config.algorithms = SRL_TOKEN_HMAC | 8;
    assert_int_equal(srl_token_verifier_create(&config, NULL, &v), SRL_ERR_INVALID);
    config.algorithms = SRL_TOKEN_HMAC | SRL_TOKEN_RS256;
    assert_int_equal(srl_token_verifier_create(&config, NULL, &v), SRL_ERR_INVALID);
    config.algorithms = SRL_TOKEN_HS512;
    config.size--;
    assert_int_equal(srl_token_verifier_create(&config, NULL, &v), SRL_ERR_INVALID);
    config.size++;
    srl_allocator_init(&broken, sizeof(broken));
    broken.free = NULL;
    assert_int_equal(srl_token_verifier_create(&config, &broken, &v), SRL_ERR_INVALID);
    assert_null(v);
    assert_int_equal(srl_token_verifier_create(&config, NULL, &v), SRL_OK);
    assert_string_equal(srl_token_verifier_last_error(v), "");
    srl_token_verifier_destroy(v);
    srl_token_verifier_destroy(NULL);
    srl_token_destroy(NULL);
}

/* ---- signing ---- */

static void signing_as_others_do(void **state)
{
    (void)state;
    static const struct {
        uint32_t algorithm;
        const char *secret;
        const char *key_id;
        const char *claims;
        const char *want;
    } cases[] = {
        {SRL_TOKEN_HS256, "secret", "", "{\"sub\":\"42\",\"exp\":1700000000,\"iat\":1600000000}", plain},
        {SRL_TOKEN_HS384, "secret", "", "{\"sub\":\"42\"}", plain_384},
        {SRL_TOKEN_HS512, "secret", "", "{\"sub\":\"42\"}", plain_512},
        {SRL_TOKEN_HS256, "new secret", "k2", "{\"sub\":\"ann\"}", with_key_id},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = strlen(cases[i].want);
        for (size_t room = 0; room <= len + 1; room++) {
            char *out = malloc(room + 1);
            assert_non_null(out);
            memset(out, '?', room + 1);
            assert_int_equal(srl_token_sign(cases[i].algorithm, cases[i].secret, strlen(cases[i].secret),
                                            cases[i].key_id, strlen(cases[i].key_id), cases[i].claims,
                                            strlen(cases[i].claims), room > 0 ? out : NULL, room),
                             len);
            assert_int_equal(out[room], '?');
            if (room > len) {
                assert_string_equal(out, cases[i].want);
            } else if (room > 0) {
                assert_int_equal(out[0], '?');
            }
            free(out);
        }
    }
}

static void what_is_not_signed(void **state)
{
    (void)state;
    char out[100];
    static char big[SRL_TOKEN_MAX_LEN + 2];
    static const char *const key_ids[] = {"a\"b", "a\\b", "a\nb", "\xC3\xA9", "\x7F"};
    static const uint32_t algorithms[] = {0, 3, 7, 8, SRL_TOKEN_RS256, SRL_TOKEN_EDDSA, UINT32_MAX};
    static const char *const claims[] = {"", "x", "[]", "{", "{} x"};
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
        assert_int_equal(srl_token_sign(algorithms[i], "s", 1, NULL, 0, "{}", 2, out, sizeof(out)), SRL_ERR_INVALID);
    }
    for (size_t i = 0; i < sizeof(key_ids) / sizeof(key_ids[0]); i++) {
        assert_int_equal(
            srl_token_sign(SRL_TOKEN_HS256, "s", 1, key_ids[i], strlen(key_ids[i]), "{}", 2, out, sizeof(out)),
            SRL_ERR_INVALID);
    }
    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        assert_int_equal(
            srl_token_sign(SRL_TOKEN_HS256, "s", 1, NULL, 0, claims[i], strlen(claims[i]), out, sizeof(out)),
            SRL_ERR_JSON);
    }
    assert_int_equal(srl_token_sign(SRL_TOKEN_HS256, NULL, 0, NULL, 0, "{}", 2, out, sizeof(out)), SRL_ERR_INVALID);
    memset(big, ' ', sizeof(big));
    memset(big, 'k', SRL_TOKEN_MAX_KEY_ID + 1);
    assert_int_equal(srl_token_sign(SRL_TOKEN_HS256, "s", 1, big, SRL_TOKEN_MAX_KEY_ID + 1, "{}", 2, out, sizeof(out)),
                     SRL_ERR_INVALID);
    assert_in_range(srl_token_sign(SRL_TOKEN_HS256, "s", 1, big, SRL_TOKEN_MAX_KEY_ID, "{}", 2, NULL, 0), 400, 500);
    memset(big, ' ', sizeof(big));
    memcpy(big, "{}", 2);
    assert_int_equal(srl_token_sign(SRL_TOKEN_HS256, "s", 1, NULL, 0, big, SRL_TOKEN_MAX_LEN + 1, out, sizeof(out)),
                     SRL_ERR_TOO_LARGE);
    assert_int_equal(srl_token_sign(SRL_TOKEN_HS256, "s", 1, NULL, 0, big, 50000, out, sizeof(out)), SRL_ERR_TOO_LARGE);
    assert_in_range(srl_token_sign(SRL_TOKEN_HS256, "s", 1, NULL, 0, big, 49000, NULL, 0), 65000, SRL_TOKEN_MAX_LEN);
}

/* ---- memory ---- */

static void out_of_memory(const srl_allocator *alloc, void *user)
{
    (void)user;
    srl_token_verifier *v = NULL;
    srl_token_key key;
    srl_token *token = NULL;
    int error = srl_token_verifier_create(NULL, alloc, &v);
    if (error == SRL_OK) {
        srl_token_key_init(&key, sizeof(key));
        key.secret = rich_secret;
        key.secret_len = strlen(rich_secret);
        error = srl_token_verifier_add_key(v, &key);
        if (error == SRL_OK) {
            error = srl_token_verify_connection(v, rich, strlen(rich), NOW, &token);
        } else {
            assert_int_equal(srl_token_verify_connection(v, rich, strlen(rich), NOW, &token) == SRL_OK, 0);
        }
        assert_true((token != NULL) == (error == SRL_OK));
    }
    assert_int_equal(error, srl_test_alloc_has_failed(alloc) ? SRL_ERR_NOMEM : SRL_OK);
    srl_token_verifier_destroy(v);
    srl_token_destroy(token);
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    assert_int_equal(srl_test_each_failing_alloc(out_of_memory, NULL), 5);
}

static void tables_of_any_size(void **state)
{
    (void)state;
    struct {
        srl_token_config config;
        uint64_t later;
    } longer;
    srl_token_verifier *v;
    srl_token_config_init(&longer.config, sizeof(longer));
    assert_int_equal(longer.config.size, sizeof(longer));
    assert_int_equal(srl_token_verifier_create(&longer.config, NULL, &v), SRL_OK);
    srl_token_verifier_destroy(v);
    longer.later = 1;
    assert_int_equal(srl_token_verifier_create(&longer.config, NULL, &v), SRL_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_of_rfc_7515),
        cmocka_unit_test(tokens_of_other_libraries),
        cmocka_unit_test(everything_a_connection_token_may_have),
        cmocka_unit_test(everything_a_subscription_token_may_have),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(parts_that_are_missing),
        cmocka_unit_test(headers),
        cmocka_unit_test(the_host_checks_other_algorithms),
        cmocka_unit_test(every_algorithm_by_its_name),
        cmocka_unit_test(changing_keys),
        cmocka_unit_test(keys_that_are_refused),
        cmocka_unit_test(rules_that_are_refused),
        cmocka_unit_test(signing_as_others_do),
        cmocka_unit_test(what_is_not_signed),
        cmocka_unit_test(every_allocation_fails_once),
        cmocka_unit_test(tables_of_any_size),
    };
    return cmocka_run_group_tests_name("token", tests, NULL, NULL);
}
