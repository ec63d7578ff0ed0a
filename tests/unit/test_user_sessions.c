/* What the host does with some sessions of a user, whichever relays they are on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helpers/rules.h"

/* Two relays that share a broker. */
typedef struct pair {
    srl_broker *broker;
    test_relay a;
    test_relay b;
} pair;

static void start(test_relay *home, uint64_t seed, srl_broker *broker)
{
    test_relay_init(home);
    home->platform.prng = seed; /* ids differ */
    assert_int_equal(srl_options_set_broker(home->options, broker), SRL_OK);
    assert_int_equal(test_relay_start(home, "allow_anonymous", "true", "presence", "true", "history_size", "10", NULL),
                     SRL_OK);
}

static void begin(pair *p)
{
    assert_int_equal(srl_broker_create_memory(NULL, &p->broker), SRL_OK);
    start(&p->a, 1, p->broker);
    start(&p->b, 1000, p->broker);
}

static void end(pair *p)
{
    test_relay_end(&p->a);
    test_relay_end(&p->b);
    srl_broker_release(p->broker);
}

static void process(pair *p)
{
    test_relay_process(&p->a);
    test_relay_process(&p->b);
}

static srl_user_sessions all_of(const char *user)
{
    srl_user_sessions which;

    srl_user_sessions_init(&which, sizeof(which));
    which.user = user;
    which.user_len = strlen(user);
    return which;
}

static srl_user_sessions one_of(const char *user, const char *client)
{
    srl_user_sessions which = all_of(user);

    which.client = client;
    which.client_len = SRL_CLIENT_ID_LEN;
    return which;
}

static int unsubscribe_one(test_relay *home, const char *user, const char *client, uint32_t code)
{
    srl_user_sessions which = one_of(user, client);

    return srl_relay_unsubscribe_sessions(home->relay, &which, TEXT("x"), code);
}

static int disconnect_one(test_relay *home, const char *user, const char *client, const char *reason)
{
    srl_user_sessions which = one_of(user, client);

    return srl_relay_disconnect_sessions(home->relay, &which, 4001, TEXT(reason));
}

static void one_session_is_found_wherever_it_is(void **state)
{
    pair p;
    test_client *here;
    test_client *there;
    test_client *nobody;
    (void)state;

    begin(&p);
    here = test_client_enter(&p.a, "ann");
    there = test_client_enter(&p.b, "ann");
    nobody = test_client_enter(&p.b, "");
    assert_true(test_client_subscribe(here, "x"));
    assert_true(test_client_subscribe(there, "x"));
    assert_int_equal(unsubscribe_one(&p.a, "ann", there->id, 2100), SRL_OK);
    process(&p);
    see(there, OUT(2100));
    see_nothing(here);
    assert_int_equal(disconnect_one(&p.b, "ann", there->id, "go"), SRL_OK);
    assert_int_equal(disconnect_one(&p.b, "bob", here->id, "go"), SRL_OK);
    assert_int_equal(disconnect_one(&p.a, "", here->id, "go"), SRL_OK);
    process(&p);
    see_closed(there, 4001, "go");
    assert_int_equal(here->closes, 0);
    assert_int_equal(disconnect_one(&p.a, "", nobody->id, "go"), SRL_OK);
    process(&p);
    see_closed(nobody, 4001, "go");
    assert_int_equal(here->closes, 0);
    end(&p);
}

static void sessions_may_be_excepted(void **state)
{
    pair p;
    test_client *clients[3];
    srl_user_sessions which = all_of("ann");
    srl_text except[2];
    (void)state;

    begin(&p);
    for (size_t i = 0; i < 3; i++) {
        clients[i] = test_client_enter(i == 0 ? &p.a : &p.b, "ann");
    }
    except[0] = (srl_text){TEXT(clients[0]->id)};
    except[1] = (srl_text){TEXT(clients[2]->id)};
    which.except = except;
    which.except_count = 2;
    assert_int_equal(srl_relay_disconnect_sessions(p.a.relay, &which, 4001, TEXT("go")), SRL_OK);
    process(&p);
    assert_int_equal(clients[0]->closes, 0);
    see_closed(clients[1], 4001, "go");
    assert_int_equal(clients[2]->closes, 0);
    end(&p);
}

static test_client *enter_emulated(test_relay *home, const char *user, char secret[SRL_SESSION_ID_LEN + 1])
{
    test_client *client;

    home->transport = SRL_TRANSPORT_EMULATED;
    client = test_client_enter(home, user);
    srl_session_secret_id(client->session, secret);
    return client;
}

static void a_session_is_found_by_its_secret(void **state)
{
    pair p;
    test_client *one;
    test_client *other;
    char secrets[2][SRL_SESSION_ID_LEN + 1];
    srl_user_sessions which = all_of("ann");
    (void)state;

    begin(&p);
    one = enter_emulated(&p.b, "ann", secrets[0]);
    other = enter_emulated(&p.b, "ann", secrets[1]);
    which.session = secrets[0];
    which.session_len = SRL_SESSION_ID_LEN;
    assert_int_equal(srl_relay_disconnect_sessions(p.a.relay, &which, 4001, TEXT("go")), SRL_OK);
    process(&p);
    see_closed(one, 4001, "go");
    assert_int_equal(other->closes, 0);
    end(&p);
}

/* The info of the only subscription to a channel. */
static void keep_info(int error, const srl_presence *presence, void *out)
{
    assert_int_equal(error, SRL_OK);
    assert_int_equal(presence->session_count, 1);
    (void)snprintf(out, 64, "%.*s", (int)presence->sessions[0].channel_info_len, presence->sessions[0].channel_info);
}

static void keep_epoch(int error, const srl_history *history, void *out)
{
    assert_int_equal(error, SRL_OK);
    (void)snprintf(out, 64, "%.*s", (int)history->epoch_len, history->epoch);
}

/* What the channel's members see of a subscription, and what the client is told, comes with the note. */
static void subscribed_as_the_host_wants(void **state)
{
    pair p;
    test_client *client;
    srl_user_sessions which = all_of("ann");
    srl_subscription options;
    char epoch[64];
    char info[64];
    (void)state;

    begin(&p);
    assert_int_equal(test_relay_publish(&p.a, "h", "1"), SRL_OK);
    assert_int_equal(test_relay_publish(&p.a, "h", "2"), SRL_OK);
    client = test_client_enter(&p.b, "ann");
    srl_subscription_init(&options, sizeof(options));
    options.data = "{\"a\":\n[\"\\\"\"]}";
    options.data_len = strlen(options.data);
    options.info = "\"i\\u0041\"";
    options.info_len = strlen(options.info);
    options.ttl_ms = 5000;
    options.flags = SRL_SUBSCRIPTION_RECOVER | SRL_SUBSCRIPTION_REFRESHED_BY_HOST;
    options.recover_offset = 1;
    assert_int_equal(srl_relay_history(p.a.relay, TEXT("h"), 0, "", 0, 0, 0, keep_epoch, epoch), SRL_OK);
    options.recover_epoch = epoch;
    options.recover_epoch_len = strlen(epoch);
    assert_int_equal(srl_relay_subscribe_sessions(p.a.relay, &which, TEXT("h"), &options), SRL_OK);
    process(&p);
    see(client, "*\"data\":{\"a\": [\"\\\"\"]}*");
    see(client, "*\"offset\":2*");
    assert_int_equal(srl_relay_presence(p.a.relay, TEXT("h"), 10, keep_info, info), SRL_OK);
    assert_string_equal(info, options.info);
    test_relay_advance(&p.b, 5001);
    process(&p);
    see(client, "*\"code\":2501*");
    end(&p);
}

static void an_end_is_moved_wherever_the_session_is(void **state)
{
    pair p;
    test_client *client;
    srl_user_sessions which = all_of("ann");
    (void)state;

    begin(&p);
    client = test_client_enter(&p.b, "ann");
    assert_int_equal(srl_relay_refresh_sessions(p.a.relay, &which, 10000), SRL_OK);
    process(&p);
    test_relay_advance(&p.b, 9999);
    assert_int_equal(client->closes, 0);
    assert_int_equal(srl_relay_refresh_sessions(p.a.relay, &which, 0), SRL_OK);
    process(&p);
    test_relay_advance(&p.b, 10000);
    assert_int_equal(client->closes, 0);
    assert_int_equal(srl_relay_refresh_sessions(p.a.relay, &which, 1), SRL_OK);
    process(&p);
    test_relay_advance(&p.b, 2);
    see_closed(client, 3005, "connection expired");
    end(&p);
}

static void which_sessions_must_be_said(void **state)
{
    static const srl_text none[] = {{"", 0}};
    pair p;
    srl_relay *relay;
    srl_user_sessions which;
    srl_subscription options;
    (void)state;

    begin(&p);
    relay = p.a.relay;
    srl_user_sessions_init(&which, sizeof(which));
    assert_int_equal(srl_relay_disconnect_sessions(relay, NULL, 0, NULL, 0), SRL_ERR_INVALID);
    assert_int_equal(srl_relay_disconnect_sessions(relay, &which, 0, NULL, 0), SRL_ERR_INVALID);
    which.client = "x";
    which.client_len = 1;
    assert_int_equal(srl_relay_refresh_sessions(relay, &which, 0), SRL_ERR_INVALID);
    which = all_of("ann");
    which.session = "x";
    which.session_len = 1;
    assert_int_equal(srl_relay_unsubscribe_sessions(relay, &which, TEXT("x"), 0), SRL_ERR_INVALID);
    which = all_of("ann");
    which.except_count = 1;
    assert_int_equal(srl_relay_disconnect_sessions(relay, &which, 0, NULL, 0), SRL_ERR_INVALID);
    which.except = none;
    assert_int_equal(srl_relay_disconnect_sessions(relay, &which, 0, NULL, 0), SRL_OK);
    assert_int_equal(srl_relay_unsubscribe_sessions(relay, &which, "", 0, 0), SRL_ERR_INVALID);
    srl_subscription_init(&options, sizeof(options));
    options.data = "{";
    options.data_len = 1;
    assert_int_equal(srl_relay_subscribe_sessions(relay, &which, TEXT("x"), &options), SRL_ERR_JSON);
    options.flags = 128;
    assert_int_equal(srl_relay_subscribe_sessions(relay, &which, TEXT("x"), &options), SRL_ERR_INVALID);
    end(&p);
}

/* ---- memory */

static uint64_t run(uint64_t nth, bool fail_on)
{
    static pair p;
    static const srl_text except[] = {{"somebody", 8}};
    srl_user_sessions which = all_of("ann");
    srl_subscription options;
    test_client *client;
    uint64_t calls;
    int told[4];

    begin(&p);
    client = test_client_enter(&p.a, "ann");
    which.except = except;
    which.except_count = 1;
    srl_subscription_init(&options, sizeof(options));
    options.data = "{\"a\":\"\\\"\"}";
    options.data_len = strlen(options.data);
    srl_test_alloc_fail(&p.a.memory, nth, fail_on);
    calls = p.a.memory.calls;
    told[0] = srl_relay_subscribe_sessions(p.a.relay, &which, TEXT("\"x\""), &options);
    told[1] = srl_relay_refresh_sessions(p.a.relay, &which, 1000);
    told[2] = srl_relay_unsubscribe_sessions(p.a.relay, &which, TEXT("\"x\""), 2001);
    told[3] = srl_relay_disconnect_sessions(p.a.relay, &which, 4001, TEXT("go"));
    process(&p);
    calls = p.a.memory.calls - calls;
    srl_test_alloc_fail(&p.a.memory, 0, false);
    for (size_t i = 0; i < 4; i++) {
        assert_true(told[i] == SRL_OK || told[i] == SRL_ERR_NOMEM);
    }
    process(&p);
    if (nth == 0) {
        see_closed(client, 4001, "go");
    }
    end(&p);
    return calls;
}

static void each_allocation_fails(void **state)
{
    uint64_t count = run(0, false);
    (void)state;

    assert_true(count > 10);
    for (uint64_t nth = 1; nth <= count; nth++) {
        (void)run(nth, false);
        (void)run(nth, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_session_is_found_wherever_it_is),
        cmocka_unit_test(sessions_may_be_excepted),
        cmocka_unit_test(a_session_is_found_by_its_secret),
        cmocka_unit_test(subscribed_as_the_host_wants),
        cmocka_unit_test(an_end_is_moved_wherever_the_session_is),
        cmocka_unit_test(which_sessions_must_be_said),
        cmocka_unit_test(each_allocation_fails),
    };

    return cmocka_run_group_tests_name("user_sessions", tests, NULL, NULL);
}
