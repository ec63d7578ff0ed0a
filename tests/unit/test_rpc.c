/* Calls of the application. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helpers/rules.h"

static test_client *begin(test_relay *home, unsigned hold)
{
    test_relay_init(home);
    home->hooks = TEST_CONNECT | TEST_RPC;
    home->hold = hold;
    assert_int_equal(test_relay_start(home, NULL), SRL_OK);
    return test_client_enter(home, "ann");
}

static void call(test_client *c, const char *data)
{
    assert_int_equal(
        test_client_sendf(c, "{\"id\":%llu,\"type\":\"rpc\",\"data\":%s}", (unsigned long long)++c->last_id, data),
        SRL_OK);
}

static void without_a_hook(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    assert_int_equal(TEST_RELAY(&home, NULL), SRL_OK);
    c = test_client_enter(&home, "ann");
    call(c, "{\"method\":\"m\"}");
    see(c, "{\"reply\":{\"id\":2,\"type\":\"rpc\",\"error\":{\"code\":108,\"message\":\"not available\"}}}");
    test_relay_end(&home);
}

static void what_the_host_sees(void **state)
{
    test_relay home;
    test_client *c = begin(&home, TEST_RPC);
    srl_request *r;
    size_t len;
    (void)state;

    call(c, "{\"method\":\"t\\u00efme\",\"data\": [1, {\"a\" : 2}] }");
    r = test_relay_request(&home);
    assert_non_null(r);
    assert_int_equal(srl_request_kind(r), SRL_REQUEST_RPC);
    assert_ptr_equal(srl_request_session(r), c->session);
    assert_string_equal(srl_request_method(r, &len), "t\xc3\xafme");
    assert_int_equal(len, 5);
    assert_string_equal(srl_request_data(r, &len), "[1, {\"a\" : 2}]");
    assert_string_equal(srl_request_channel(r, &len), "");
    assert_int_equal(len, 0);
    assert_string_equal(srl_request_token(r, &len), "");
    assert_memory_equal(srl_request_user(r, &len), "ann", 3);
    assert_int_equal(srl_request_set_user(r, "x", 1), SRL_ERR_STATE);
    assert_int_equal(srl_request_set_info(r, "1", 1), SRL_ERR_STATE);
    assert_int_equal(srl_request_set_expiry(r, 1), SRL_ERR_STATE);
    assert_int_equal(srl_request_add_role(r, "x", 1), SRL_ERR_STATE);
    assert_int_equal(srl_request_set_data(r, "{", 1), SRL_ERR_JSON);
    assert_int_equal(srl_request_set_data(r, "[\n]", 3), SRL_OK);
    assert_int_equal(srl_request_set_data(r, "{\"ok\":\ntrue}", 12), SRL_OK);
    assert_int_equal(srl_request_accept(r), SRL_OK);
    see(c, "{\"reply\":{\"id\":2,\"type\":\"rpc\",\"data\":{\"data\":{\"ok\": true}}}}");
    test_relay_end(&home);
}

static void each_answer(void **state)
{
    test_relay home;
    test_client *c = begin(&home, TEST_RPC);
    (void)state;

    call(c, "{\"method\":\"m\"}");
    assert_int_equal(srl_request_accept(test_relay_request(&home)), SRL_OK); /* nothing to say */
    see(c, "{\"reply\":{\"id\":2,\"type\":\"rpc\",\"data\":{}}}");
    call(c, "{\"method\":\"m\"}");
    assert_int_equal(srl_request_reject(test_relay_request(&home), 0, NULL, 0), SRL_OK);
    see(c, NO(103));
    call(c, "{\"method\":\"m\"}");
    assert_int_equal(srl_request_reject(test_relay_request(&home), 1234, "no \"such\" thing", 15), SRL_OK);
    see(c, "*\"error\":{\"code\":1234,\"message\":\"no \\\"such\\\" thing\"}}}");
    call(c, "{\"method\":\"m\"}");
    assert_int_equal(srl_request_disconnect(test_relay_request(&home), 4001, "out", 3), SRL_OK);
    see(c, "*\"disconnect\"*4001*");
    see_closed(c, 4001, "out");
    test_relay_end(&home);
}

static void bad_calls(void **state)
{
    static const char *const bad[] = {"{}",   "{\"method\":\"\"}", "{\"method\":null}", "{\"method\":1}", "[]",
                                      "null", "{\"data\":1}"};
    test_relay home;
    test_client *c = begin(&home, 0);
    (void)state;

    home.questions = 0;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        call(c, bad[i]);
        see(c, NO(107));
    }
    assert_int_equal(home.questions, 0);
    assert_int_equal(test_client_sendf(c, "{\"type\":\"rpc\",\"data\":{\"method\":\"m\"}}"), SRL_OK);
    assert_int_equal(c->close_code, 3501); /* without an id there is nothing to answer */
    test_relay_end(&home);
}

static void later_commands_wait(void **state)
{
    test_relay home;
    test_client *c = begin(&home, TEST_RPC);
    (void)state;

    call(c, "{\"method\":\"slow\"}");
    call(c, "{\"method\":\"second\"}");
    assert_int_equal(test_client_command(c, "subscribe", "x", NULL), SRL_OK);
    see_nothing(c);
    assert_int_equal(home.request_count, 1);
    assert_int_equal(srl_request_accept(test_relay_request(&home)), SRL_OK);
    see(c, "*\"id\":2,*");
    see_nothing(c);
    assert_int_equal(srl_request_accept(test_relay_request(&home)), SRL_OK);
    see(c, "*\"id\":3,*");
    see(c, "*\"id\":4,*\"subscribe\"*");
    test_relay_end(&home);
}

static void who_asked_is_gone(void **state)
{
    test_relay home;
    test_client *c = begin(&home, TEST_RPC);
    srl_request *r;
    size_t len;
    (void)state;

    call(c, "{\"method\":\"m\",\"data\":7}");
    test_client_leave(c);
    r = test_relay_request(&home);
    assert_null(srl_request_session(r));
    assert_string_equal(srl_request_method(r, &len), "m");
    assert_string_equal(srl_request_data(r, &len), "7");
    assert_int_equal(srl_request_set_data(r, "1", 1), SRL_OK);
    assert_int_equal(srl_request_accept(r), SRL_ERR_CANCELLED);
    c = test_client_enter(&home, "bob");
    call(c, "{\"method\":\"m\"}");
    r = test_relay_request(&home);
    test_relay_destroy(&home);
    assert_int_equal(srl_request_reject(r, 0, NULL, 0), SRL_ERR_CANCELLED);
    test_relay_end(&home);
}

/* The hook offers what clients have no command for. */
static void serve(test_relay *home, srl_request *request)
{
    size_t len;
    const char *method = srl_request_method(request, &len);

    if (srl_request_kind(request) == SRL_REQUEST_CONNECT) {
        const char *token = srl_request_token(request, &len);

        (void)srl_request_set_user(request, token, len);
    } else if (strcmp(method, "create") == 0) {
        make_group(home, "group:x");
        add_member(home, "group:x", "ann");
    } else if (strcmp(method, "leave") == 0) {
        test_client_leave(home->clients);
    } else {
        (void)srl_request_reject(request, SRL_REPLY_METHOD_NOT_FOUND, NULL, 0);
        return;
    }
    (void)srl_request_accept(request);
}

static void a_hook_that_makes_groups(void **state)
{
    test_relay home;
    test_client *c;
    (void)state;

    test_relay_init(&home);
    home.hooks = TEST_CONNECT | TEST_RPC;
    home.asked = serve;
    assert_int_equal(test_relay_start(&home, NULL), SRL_OK);
    set_namespace(&home, "group:", SRL_NAMESPACE_CHAT, "room", "group", NULL);
    c = test_client_enter(&home, "ann");
    call(c, "{\"method\":\"create\"}");
    see(c, IN);
    see(c, "*\"type\":\"rpc\",\"data\":{}*");
    see(c, "*\"join\"*");
    see(c, "*\"join\"*");
    call(c, "{\"method\":\"dance\"}");
    see(c, NO(104));
    call(c, "{\"method\":\"leave\"}");
    assert_null(c->session);
    test_relay_end(&home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_hook),
        cmocka_unit_test(what_the_host_sees),
        cmocka_unit_test(each_answer),
        cmocka_unit_test(bad_calls),
        cmocka_unit_test(later_commands_wait),
        cmocka_unit_test(who_asked_is_gone),
        cmocka_unit_test(a_hook_that_makes_groups),
    };

    return cmocka_run_group_tests_name("rpc", tests, NULL, NULL);
}
