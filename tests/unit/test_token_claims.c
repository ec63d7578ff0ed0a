/* What may stand in a token, and what not. */
#include "helpers/tokens.h"

/* ---- times ---- */

static void when_it_is_good(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        uint64_t leeway_ms;
        uint64_t now_ms;
        int result;
    } cases[] = {
        {"{\"exp\":1000}", 0, 999999, SRL_OK},
        {"{\"exp\":1000}", 0, 1000000, SRL_ERR_TOKEN_EXPIRED},
        {"{\"exp\":1000}", 0, UINT64_MAX, SRL_ERR_TOKEN_EXPIRED},
        {"{\"exp\":1000}", 5000, 1004999, SRL_OK},
        {"{\"exp\":1000}", 5000, 1005000, SRL_ERR_TOKEN_EXPIRED},
        {"{\"exp\":1000}", UINT64_MAX, UINT64_MAX, SRL_OK},
        {"{\"exp\":1000.5}", 0, 1000499, SRL_OK},
        {"{\"exp\":1000.5}", 0, 1000500, SRL_ERR_TOKEN_EXPIRED},
        {"{\"exp\":1000.0004}", 0, 1000000, SRL_ERR_TOKEN_EXPIRED},
        {"{\"exp\":1000.12345678901234567890}", 0, 1000122, SRL_OK},
        {"{\"exp\":0}", 0, 0, SRL_ERR_TOKEN_EXPIRED},
        {"{\"exp\":-1}", 0, 0, SRL_ERR_TOKEN_EXPIRED},
        {"{\"exp\":null}", 0, UINT64_MAX, SRL_OK},
        {"{\"exp\":999999999999999}", 0, NOW, SRL_OK},
        {"{\"exp\":1000000000000000}", 0, NOW, SRL_ERR_TOKEN_INVALID},
        {"{\"exp\":1e10}", 0, NOW, SRL_ERR_TOKEN_INVALID},
        {"{\"exp\":1.5E10}", 0, NOW, SRL_ERR_TOKEN_INVALID},
        {"{\"exp\":1.12345e3}", 0, NOW, SRL_ERR_TOKEN_INVALID},
        {"{\"exp\":\"9999999999\"}", 0, NOW, SRL_ERR_TOKEN_INVALID},
        {"{\"exp\":true}", 0, NOW, SRL_ERR_TOKEN_INVALID},
        {"{\"nbf\":1000}", 0, 999999, SRL_ERR_TOKEN_EXPIRED},
        {"{\"nbf\":1000}", 0, 1000000, SRL_OK},
        {"{\"nbf\":1000}", 5000, 994999, SRL_ERR_TOKEN_EXPIRED},
        {"{\"nbf\":1000}", 5000, 995000, SRL_OK},
        {"{\"nbf\":-1000}", 0, 0, SRL_OK},
        {"{\"nbf\":null}", 0, 0, SRL_OK},
        {"{\"nbf\":[]}", 0, 0, SRL_ERR_TOKEN_INVALID},
        {"{\"nbf\":1e3}", 0, NOW, SRL_ERR_TOKEN_INVALID},
        {"{\"iat\":99999999999,\"jti\":5}", 0, 0, SRL_OK},
        {"{\"expire_at\":1e3}", 0, NOW, SRL_ERR_TOKEN_INVALID},
        {"{\"expire_at\":\"1\"}", 0, NOW, SRL_ERR_TOKEN_INVALID},
        {"{\"exp\":1000,\"nbf\":2000}", 0, 1500000, SRL_ERR_TOKEN_EXPIRED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        srl_token_config config;
        srl_token_config_init(&config, sizeof(config));
        config.leeway_ms = cases[i].leeway_ms;
        srl_token_verifier *v = verifier_with(&config, "secret");
        int result = result_of_claims(v, CONNECTION, cases[i].claims, cases[i].now_ms);
        if (result != cases[i].result) {
            fail_msg("%s: %d", cases[i].claims, result);
        }
        srl_token_verifier_destroy(v);
    }
}

static void when_the_permission_ends(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        uint64_t expire_at_ms;
    } cases[] = {
        {"{}", 0},
        {"{\"exp\":1700000000}", UINT64_C(1700000000000)},
        {"{\"exp\":1700000000,\"expire_at\":null}", UINT64_C(1700000000000)},
        {"{\"exp\":1700000000,\"expire_at\":0}", 0},
        {"{\"exp\":1700000000,\"expire_at\":-5}", 0},
        {"{\"exp\":1700000000,\"expire_at\":1800000000}", UINT64_C(1800000000000)},
        {"{\"exp\":1700000000,\"expire_at\":5}", 5000},
        {"{\"expire_at\":1800000000.25}", UINT64_C(1800000000250)},
    };
    srl_token_verifier *v = verifier_with(NULL, "secret");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        srl_token *token = good_claims(v, CONNECTION, cases[i].claims);
        assert_int_equal(token->expire_at_ms, cases[i].expire_at_ms);
        srl_token_destroy(token);
    }
    srl_token_verifier_destroy(v);
}

/* ---- whose it is ---- */

static void audience_and_issuer(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        const char *audience;
        const char *issuer;
        int result;
    } cases[] = {
        {"{\"aud\":\"web\",\"iss\":\"x\"}", "", "", SRL_OK},
        {"{\"aud\":\"web\"}", "web", "", SRL_OK},
        {"{\"aud\":[\"a\",\"w\\u0065b\"]}", "web", "", SRL_OK},
        {"{\"aud\":[\"a\",\"b\"]}", "web", "", SRL_ERR_TOKEN_INVALID},
        {"{\"aud\":\"we\"}", "web", "", SRL_ERR_TOKEN_INVALID},
        {"{\"aud\":\"webs\"}", "web", "", SRL_ERR_TOKEN_INVALID},
        {"{\"aud\":[]}", "web", "", SRL_ERR_TOKEN_INVALID},
        {"{\"aud\":null}", "web", "", SRL_ERR_TOKEN_INVALID},
        {"{}", "web", "", SRL_ERR_TOKEN_INVALID},
        {"{\"aud\":[[\"web\"]]}", "web", "", SRL_ERR_TOKEN_INVALID},
        {"{\"aud\":[\"web\",1]}", "web", "", SRL_ERR_TOKEN_INVALID},
        {"{\"aud\":[\"web\",1]}", "", "", SRL_ERR_TOKEN_INVALID},
        {"{\"aud\":{\"web\":1}}", "", "", SRL_ERR_TOKEN_INVALID},
        {"{\"iss\":\"shop\"}", "", "shop", SRL_OK},
        {"{\"iss\":\"Shop\"}", "", "shop", SRL_ERR_TOKEN_INVALID},
        {"{\"iss\":[\"shop\"]}", "", "shop", SRL_ERR_TOKEN_INVALID},
        {"{\"iss\":7}", "", "", SRL_ERR_TOKEN_INVALID},
        {"{}", "", "shop", SRL_ERR_TOKEN_INVALID},
        {"{\"iss\":\"shop\",\"aud\":\"web\"}", "web", "shop", SRL_OK},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        srl_token_config config;
        srl_token_config_init(&config, sizeof(config));
        config.audience = cases[i].audience;
        config.audience_len = strlen(cases[i].audience);
        config.issuer = cases[i].issuer;
        config.issuer_len = strlen(cases[i].issuer);
        srl_token_verifier *v = verifier_with(&config, "secret");
        if (result_of_claims(v, CONNECTION, cases[i].claims, NOW) != cases[i].result) {
            fail_msg("%s", cases[i].claims);
        }
        srl_token_verifier_destroy(v);
    }
}

static void the_user_by_another_claim(void **state)
{
    (void)state;
    srl_token_config config;
    srl_token_config_init(&config, sizeof(config));
    config.user_claim = "uid";
    config.user_claim_len = 3;
    srl_token_verifier *v = verifier_with(&config, "secret");
    static const char *const good[][2] = {
        {"{\"uid\":\"ann\",\"sub\":\"bob\"}", "ann"},
        {"{\"u\\u0069d\":\"\\u0061nn\"}", "ann"},
        {"{\"uid\":42}", "42"},
        {"{\"uid\":null,\"sub\":\"bob\"}", ""},
        {"{\"sub\":\"bob\"}", ""},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        srl_token *token = good_claims(v, CONNECTION, good[i][0]);
        ASSERT_TEXT(token, user, good[i][1]);
        srl_token_destroy(token);
    }
    assert_int_equal(result_of_claims(v, CONNECTION, "{\"uid\":true}", NOW), SRL_ERR_TOKEN_INVALID);
    assert_int_equal(result_of_claims(v, CONNECTION, "{\"uid\":{}}", NOW), SRL_ERR_TOKEN_INVALID);
    assert_int_equal(result_of_claims(v, CONNECTION, "{\"uid\":\"a\",\"uid\":\"b\"}", NOW), SRL_ERR_TOKEN_INVALID);
    srl_token_verifier_destroy(v);
}

/* ---- channels ---- */

static void subscriptions_of_a_connection(void **state)
{
    (void)state;
    srl_token_verifier *v = verifier_with(NULL, "secret");
    srl_token *token = good_claims(v, CONNECTION, "{\"channels\":[\"a\",\"\\u0062\",\"a\",\"b\"],\"subs\":{}}");
    assert_int_equal(token->count, 2);
    ASSERT_TEXT(&token->subscriptions[1], channel, "b");
    srl_token_destroy(token);

    token = good_claims(v, CONNECTION, "{\"channels\":[\"a\"],\"subs\":{\"c\":null}}");
    assert_int_equal(token->count, 1);
    ASSERT_TEXT(&token->subscriptions[0], channel, "c");
    srl_token_destroy(token);

    token = good_claims(
        v, CONNECTION,
        "{\"info\":null,\"b64info\":\"\",\"subs\":{\"\\n\":{\"info\":\"q\",\"b64data\":\"\\u005a\\/8=\",\"override\":"
        "{\"presence\":null,\"join_leave\":{},\"force_recovery\":{\"value\":null,\"x\":1},\"more\":7}}}}");
    ASSERT_TEXT(token, info, "");
    const srl_token_subscription *s = token->subscriptions;
    ASSERT_TEXT(s, channel, "\n");
    ASSERT_TEXT(s, info, "\"q\"");
    ASSERT_TEXT(s, data, "g\xff");
    assert_int_equal(s->presence, -1);
    assert_int_equal(s->join_leave, 0);
    assert_int_equal(s->recovery, 0);
    srl_token_destroy(token);

    token = good_claims(
        v, CONNECTION,
        "{\"b64info\":\"YWE=\",\"subs\":{\"x\":{\"b64info\":\"YmI=\",\"b64data\":\"Y2M=\"},\"\\u0079\":{}}}");
    ASSERT_TEXT(token, info, "aa");
    ASSERT_TEXT(&token->subscriptions[0], info, "bb");
    ASSERT_TEXT(&token->subscriptions[0], data, "cc");
    ASSERT_TEXT(&token->subscriptions[1], channel, "y");
    srl_token_destroy(token);

    token = good_claims(v, CONNECTION, "{\"info\":{\"a\": [ ] },\"b64info\":\"AAECAw==\",\"meta\":\"text\"}");
    assert_int_equal(token->info_len, 4);
    assert_memory_equal(token->info, "\0\1\2\3", 4);
    ASSERT_TEXT(token, meta, "\"text\"");
    srl_token_destroy(token);
    srl_token_verifier_destroy(v);
}

static void as_many_channels_as_can_be(void **state)
{
    (void)state;
    srl_token_verifier *v = verifier_with(NULL, "secret");
    static char claims[40000], text[60000];
    static const char *const forms[][2] = {{"{\"channels\":[", "]}"}, {"{\"subs\":{", "}}"}};
    for (size_t form = 0; form < 2; form++) {
        for (uint32_t count = SRL_TOKEN_MAX_SUBSCRIPTIONS; count <= SRL_TOKEN_MAX_SUBSCRIPTIONS + 1; count++) {
            size_t len = (size_t)snprintf(claims, sizeof(claims), "%s", forms[form][0]);
            for (uint32_t i = 0; i < count; i++) {
                len += (size_t)snprintf(claims + len, sizeof(claims) - len, "%s\"c%u\"%s", i > 0 ? "," : "", i,
                                        form == 1 ? ":{}" : "");
            }
            snprintf(claims + len, sizeof(claims) - len, "%s", forms[form][1]);
            sign(text, sizeof(text), claims);
            srl_token *token;
            int error = verify_text(v, CONNECTION, text, strlen(text), NOW, &token);
            assert_int_equal(error, count <= SRL_TOKEN_MAX_SUBSCRIPTIONS ? SRL_OK : SRL_ERR_TOKEN_INVALID);
            if (error == SRL_OK) {
                assert_int_equal(token->count, count);
                ASSERT_TEXT(&token->subscriptions[count - 1], channel, "c1023");
            }
            srl_token_destroy(token);
        }
    }
    srl_token_verifier_destroy(v);
}

static void hostile_claims(void **state)
{
    (void)state;
    static const char *const claims[] = {
        "{\"sub\":42}",
        "{\"sub\":[\"a\"]}",
        "{\"sub\":\"a\",\"sub\":\"b\"}",
        "{\"exp\":9999999999,\"exp\":9999999999}",
        "{\"channel\":\"a\"}",
        "{\"channel\":7}",
        "{\"b64info\":7}",
        "{\"b64info\":\"A\"}",
        "{\"b64info\":\"AA==\\n\"}",
        "{\"b64info\":\"AA\"}",
        "{\"channels\":\"a\"}",
        "{\"channels\":{}}",
        "{\"channels\":[1]}",
        "{\"channels\":[null]}",
        "{\"channels\":[\"\"]}",
        "{\"channels\":[\"a\",[\"b\"]]}",
        "{\"subs\":[]}",
        "{\"subs\":[\"a\"]}",
        "{\"subs\":{\"\":{}}}",
        "{\"subs\":{\"a\":1}}",
        "{\"subs\":{\"a\":[]}}",
        "{\"subs\":{\"a\":\"b\"}}",
        "{\"subs\":{\"a\":{},\"\\u0061\":{}}}",
        "{\"subs\":{\"a\":{\"b64info\":\"?\"}}}",
        "{\"subs\":{\"a\":{\"b64data\":\"AA=\"}}}",
        "{\"subs\":{\"a\":{\"info\":1,\"info\":2}}}",
        "{\"subs\":{\"a\":{\"override\":true}}}",
        "{\"subs\":{\"a\":{\"override\":{\"presence\":true}}}}",
        "{\"subs\":{\"a\":{\"override\":{\"presence\":{\"value\":1}}}}}",
        "{\"subs\":{\"a\":{\"override\":{\"presence\":{\"value\":true,\"value\":true}}}}}",
    };
    static const char *const subscription_claims[] = {
        "{}",
        "{\"channel\":\"\"}",
        "{\"channel\":null}",
        "{\"channel\":[\"a\"]}",
        "{\"channel\":\"a\",\"client\":1}",
        "{\"channel\":\"a\",\"override\":[]}",
        "{\"channel\":\"a\",\"override\":{\"force_recovery\":false}}",
        "{\"channel\":\"a\",\"b64data\":\"====\"}",
    };
    srl_token_verifier *v = verifier_with(NULL, "secret");
    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        if (result_of_claims(v, CONNECTION, claims[i], NOW) != SRL_ERR_TOKEN_INVALID) {
            fail_msg("%s", claims[i]);
        }
    }
    for (size_t i = 0; i < sizeof(subscription_claims) / sizeof(subscription_claims[0]); i++) {
        if (result_of_claims(v, SUBSCRIPTION, subscription_claims[i], NOW) != SRL_ERR_TOKEN_INVALID) {
            fail_msg("%s", subscription_claims[i]);
        }
    }
    /* What is only for the other kind is passed over, whatever it is. */
    assert_int_equal(result_of_claims(v, CONNECTION, "{\"client\":1,\"override\":2,\"data\":3,\"b64data\":4}", NOW),
                     SRL_OK);
    assert_int_equal(result_of_claims(v, SUBSCRIPTION, "{\"channel\":\"a\",\"channels\":1,\"subs\":2,\"meta\":3}", NOW),
                     SRL_OK);
    srl_token_verifier_destroy(v);
}

/* Signed well, but not JSON: the signer would not do that. */
static void claims_that_are_not_json(void **state)
{
    (void)state;
    static const char *const claims[] = {"",
                                         "x",
                                         "[]",
                                         "null",
                                         "\"a\"",
                                         "{",
                                         "{}}",
                                         "{\"sub\":\"\xFF\"}",
                                         "{\"sub\":\"a\"} x",
                                         "{\"sub\":\"\\ud800\"}",
                                         "\xEF\xBB\xBF{}"};
    srl_token_verifier *v = verifier_with(NULL, "secret");
    char text[30000], deep[10001];
    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        forge(text, "{\"alg\":\"HS256\"}", claims[i]);
        assert_int_equal(result_of(v, CONNECTION, text, NOW), SRL_ERR_TOKEN_INVALID);
        assert_int_equal(result_of(v, SUBSCRIPTION, text, NOW), SRL_ERR_TOKEN_INVALID);
    }
    memset(deep, '[', sizeof(deep) - 1);
    memcpy(deep, "{\"a\":", 5);
    deep[sizeof(deep) - 1] = '\0';
    forge(text, "{\"alg\":\"HS256\"}", deep);
    assert_int_equal(result_of(v, CONNECTION, text, NOW), SRL_ERR_TOKEN_INVALID);
    forge(text, deep, "{}");
    assert_int_equal(result_of(v, CONNECTION, text, NOW), SRL_ERR_TOKEN_INVALID);
    srl_token_verifier_destroy(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(when_it_is_good),
        cmocka_unit_test(when_the_permission_ends),
        cmocka_unit_test(audience_and_issuer),
        cmocka_unit_test(the_user_by_another_claim),
        cmocka_unit_test(subscriptions_of_a_connection),
        cmocka_unit_test(as_many_channels_as_can_be),
        cmocka_unit_test(hostile_claims),
        cmocka_unit_test(claims_that_are_not_json),
    };
    return cmocka_run_group_tests_name("token_claims", tests, NULL, NULL);
}
