/* Conversations in Centrifugo's protocol: tests/unit/data/centrifugo/ holds one per file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "helpers/broker_delay.h"
#include "helpers/conversation.h"
#include "helpers/see.h"

static void play(const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/centrifugo/%s.txt", SRL_TEST_DATA_DIR, name);
    conversation_play(path, CONVERSATION_AS_WRITTEN);
    conversation_play(path, CONVERSATION_ONE_BY_ONE);
    conversation_play(path, CONVERSATION_SPACED);
    conversation_play(path, CONVERSATION_DELAYED);
    conversation_play_failing(path);
}

#define CONVERSATION(name)                                                                                             \
    static void name(void **state)                                                                                     \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        play(#name);                                                                                                   \
    }

CONVERSATION(basics)
CONVERSATION(channels)
CONVERSATION(recovery)
CONVERSATION(cache)
CONVERSATION(delta)
CONVERSATION(tags)
CONVERSATION(compaction)
CONVERSATION(server_subs)
CONVERSATION(expiry)
CONVERSATION(messages)
CONVERSATION(malformed)
CONVERSATION(mixed)
CONVERSATION(emulation)
CONVERSATION(pushes)
CONVERSATION(permissions)
CONVERSATION(withheld)
CONVERSATION(renewed)
CONVERSATION(bounds)

/* Where it matters what is in one message. */
static void refused(void **state)
{
    (void)state;
    conversation_play(SRL_TEST_DATA_DIR "/centrifugo/refused.txt", CONVERSATION_AS_WRITTEN);
}

/* ---- with a broker that the test holds by the hand */

typedef struct slow_home {
    test_relay home;
    broker_delay broker;
} slow_home;

static void slow_begin(slow_home *slow)
{
    test_relay_init(&slow->home);
    broker_delay_init(&slow->broker, NULL);
    slow->home.protocol = SRL_PROTOCOL_CENTRIFUGO;
    assert_int_equal(srl_options_set_broker(slow->home.options, slow->broker.broker), SRL_OK);
    assert_int_equal(test_relay_start(&slow->home, "subscribe", "true", "history_size", "100", "recovery", "on",
                                      "delta", "true", "tags_filter", "true", "compaction", "true", NULL),
                     SRL_OK);
}

static void slow_end(slow_home *slow)
{
    test_relay_end(&slow->home);
    broker_delay_end(&slow->broker);
}

static test_client *enter(slow_home *slow, const char *user)
{
    test_client *c = test_client_open(&slow->home);

    assert_non_null(c);
    (void)test_client_sendf(c, "{\"id\":1,\"connect\":{\"token\":\"%s\"}}", user);
    see(c, "{\"id\":1,\"connect\":{*}}");
    return c;
}

static void publish(slow_home *slow, const char *tags, const char *data)
{
    srl_publish_options options;

    srl_publish_options_init(&options, sizeof(options));
    options.tags = tags;
    options.tags_len = strlen(tags);
    assert_int_equal(srl_relay_publish_with(slow->home.relay, "room", 4, data, strlen(data), &options, NULL, NULL),
                     SRL_OK);
}

/* What is published while history is read follows the reply, in the form that each of them takes. */
static void live_publications_wait_for_history(void **state)
{
    slow_home slow;
    test_client *plain;
    test_client *delta;
    test_client *filtering;
    (void)state;

    slow_begin(&slow);
    plain = enter(&slow, "p");
    delta = enter(&slow, "d");
    filtering = enter(&slow, "f");
    publish(&slow, "{\"a\":\"1\"}", "\"the first of several long enough to patch\"");
    publish(&slow, "{\"a\":\"2\"}", "\"the second of several long enough to patch\"");
    slow.broker.hold = DELAY_HISTORY;
    (void)test_client_send(plain, "{\"id\":2,\"subscribe\":{\"channel\":\"room\",\"recover\":true,\"flag\":1}}");
    (void)test_client_send(delta, "{\"id\":2,\"subscribe\":{\"channel\":\"room\",\"recover\":true,\"offset\":1,"
                                  "\"delta\":\"fossil\"}}");
    (void)test_client_send(filtering, "{\"id\":2,\"subscribe\":{\"channel\":\"room\",\"recover\":true,"
                                      "\"tf\":{\"key\":\"a\",\"cmp\":\"eq\",\"val\":\"1\"}}}");
    publish(&slow, "{\"a\":\"1\"}", "\"the third of several long enough to patch\"");
    publish(&slow, "{\"a\":\"2\"}", "\"the fourth of several long enough to patch\"");
    see_nothing(plain);
    see_nothing(delta);
    see_nothing(filtering);
    broker_delay_flush(&slow.broker);
    see(plain, "{\"id\":2,\"subscribe\":{*\"publications\":[{\"data\":\"the first*\"offset\":1*\"offset\":2*]*}}");
    see(plain, "{\"push\":{\"id\":1,\"pub\":{\"data\":\"the third*\",\"offset\":3,*");
    see(plain, "{\"push\":{\"id\":1,\"pub\":{\"data\":\"the fourth*\",\"offset\":4,*");
    see(delta, "{\"id\":2,\"subscribe\":{*\"publications\":[{\"data\":\"\\\"the second*\\\"\",\"offset\":2,*}]*}}");
    see(delta, "{\"push\":{\"channel\":\"room\",\"pub\":{\"data\":\"\\\"the third*\\\"\",\"offset\":3,*");
    see(delta, "{\"push\":{\"channel\":\"room\",\"pub\":{\"data\":\"\\\"the fourth*\\\"\",\"offset\":4,*");
    see(filtering, "{\"id\":2,\"subscribe\":{*\"publications\":[{\"data\":\"the first*\",\"offset\":1,*}]*}}");
    see(filtering, "{\"push\":{\"channel\":\"room\",\"pub\":{\"data\":\"the third*\",\"offset\":3,*");
    publish(&slow, "{\"a\":\"1\"}", "\"the fifth of several long enough to patch\"");
    see(plain, "*\"offset\":5,*");
    see(delta, "*\"offset\":5,*\"delta\":true,*");
    see(filtering, "*\"offset\":5,*");
    see_nothing(plain);
    see_nothing(delta);
    see_nothing(filtering);
    slow_end(&slow);
}

static void commands_on_a_channel_come_behind_its_subscription(void **state)
{
    slow_home slow;
    test_client *c;
    (void)state;

    slow_begin(&slow);
    slow.broker.hold = DELAY_SUBSCRIBE;
    c = enter(&slow, "c");
    (void)test_client_send(c, "{\"id\":2,\"subscribe\":{\"channel\":\"x\"}}\n"
                              "{\"id\":3,\"history\":{\"channel\":\"x\"}}\n"
                              "{\"id\":4,\"subscribe\":{\"channel\":\"y\"}}");
    see_nothing(c);
    (void)test_client_send(
        c, "{\"id\":5,\"unsubscribe\":{\"channel\":\"y\"}}\n{\"id\":6,\"history\":{\"channel\":\"y\"}}");
    see_nothing(c);
    broker_delay_flush(&slow.broker);
    test_relay_process(&slow.home);
    see(c, "{\"id\":2,\"subscribe\":{*");
    see(c, "{\"id\":3,\"history\":{*");
    see(c, "{\"id\":4,\"error\":*"); /* left before it was in */
    see(c, "{\"id\":5,\"unsubscribe\":{}}");
    see(c, "{\"id\":6,\"error\":{\"code\":103,*");
    broker_delay_flush(&slow.broker);
    see_nothing(c);
    slow_end(&slow);
}

static void deliver(slow_home *slow, uint64_t offset)
{
    srl_publication publication = {.size = sizeof(publication),
                                   .offset = offset,
                                   .data = "9",
                                   .data_len = 1,
                                   .user = "",
                                   .client = "",
                                   .info = ""};

    srl_node_deliver(slow->broker.relay, broker_delay_room(&slow->broker), SRL_MESSAGE_PUBLICATION, &publication,
                     "other", 5);
}

/* Publications that never came: who can subscribe again is told to, who cannot has to connect again, and who does not
 * care goes on. */
static void a_gap_is_not_passed_over(void **state)
{
    slow_home slow;
    srl_options *options;
    test_client *asks;
    test_client *is_put;
    test_client *loose;
    (void)state;

    slow_begin(&slow);
    assert_int_equal(srl_options_create(&options), SRL_OK);
    assert_int_equal(srl_options_set(options, "history_size", "5"), SRL_OK);
    assert_int_equal(srl_relay_set_namespace(slow.home.relay, "ro", 2, options), SRL_OK);
    srl_options_destroy(options);
    asks = enter(&slow, "a");
    is_put = enter(&slow, "p");
    loose = enter(&slow, "l");
    (void)test_client_send(asks, "{\"id\":2,\"subscribe\":{\"channel\":\"room\",\"positioned\":true}}");
    (void)test_client_send(loose, "{\"id\":2,\"subscribe\":{\"channel\":\"room\"}}");
    assert_int_equal(srl_session_subscribe(is_put->session, "room", 4, NULL), SRL_OK);
    see(asks, "{\"id\":2,\"subscribe\":{\"epoch\":\"*\",\"positioned\":true}}");
    see(loose, "{\"id\":2,\"subscribe\":{}}");
    see(is_put, "{\"push\":{\"channel\":\"room\",\"subscribe\":{*\"positioned\":true*}}}");
    slow.broker.hold_deliveries = true;
    publish(&slow, "", "1");
    deliver(&slow, 4);
    see(asks, "{\"push\":{\"channel\":\"room\",\"unsubscribe\":{\"code\":2500,\"reason\":\"insufficient state\"}}}");
    see_nothing(asks);
    see_nothing(is_put);
    see_closed(is_put, 3010, "insufficient state");
    see(loose, "{\"push\":{\"channel\":\"room\",\"pub\":{\"data\":9,\"offset\":4,*");
    slow.broker.hold_deliveries = false;
    slow_end(&slow);
}

/* What comes before the channels of a connect are there is held behind the connect reply. */
static void nothing_comes_before_the_connect_reply(void **state)
{
    slow_home slow;
    test_client *c;
    srl_request *request;
    (void)state;

    slow_begin(&slow);
    slow.home.hold = TEST_CONNECT;
    slow.broker.hold = DELAY_SUBSCRIBE;
    c = test_client_open(&slow.home);
    (void)test_client_send(c, "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"own\"}}");
    request = test_relay_request(&slow.home);
    assert_int_equal(srl_request_set_user(request, "u", 1), SRL_OK);
    assert_int_equal(srl_request_add_subscription(request, "one", 3, NULL), SRL_OK);
    assert_int_equal(srl_request_add_subscription(request, "room", 4, NULL), SRL_OK);
    assert_int_equal(srl_request_add_subscription(request, "one", 3, NULL), SRL_ERR_EXISTS);
    assert_int_equal(srl_request_add_subscription(request, "\n", 1, NULL), SRL_ERR_INVALID);
    assert_int_equal(srl_request_accept(request), SRL_OK);
    assert_true(broker_delay_effect(&slow.broker, DELAY_SUBSCRIBE));
    assert_true(broker_delay_effect(&slow.broker, DELAY_SUBSCRIBE));
    broker_delay_answer_at(&slow.broker, 1);
    publish(&slow, "", "1");
    assert_int_equal(srl_session_send(c->session, "5", 1), SRL_OK);
    (void)srl_session_writable(c->session);
    test_relay_process(&slow.home);
    see_nothing(c);
    broker_delay_answer_at(&slow.broker, 0);
    see(c, "{\"id\":1,\"connect\":{*\"subs\":{\"room\":{*},\"one\":{*}}*}}");
    see(c, "{\"push\":{\"channel\":\"room\",\"pub\":{\"data\":1,*");
    see(c, "{\"push\":{\"message\":{\"data\":5}}}");
    test_relay_process(&slow.home);
    broker_delay_flush(&slow.broker);
    see(c, "{\"id\":2,\"subscribe\":{*}}");
    see_nothing(c);

    /* one that cannot be subscribed, and one that ends meanwhile */
    slow.broker.hold = DELAY_SUBSCRIBE;
    for (int i = 0; i < 3; i++) {
        c = test_client_open(&slow.home);
        (void)test_client_send(c, "{\"id\":1,\"connect\":{}}");
        request = test_relay_request(&slow.home);
        assert_int_equal(srl_request_set_user(request, "u", 1), SRL_OK);
        assert_int_equal(srl_request_add_subscription(request, i == 0 ? "x" : "y", 1, NULL), SRL_OK);
        slow.broker.fail = i == 0 ? DELAY_SUBSCRIBE : 0;
        slow.broker.error = SRL_ERR_BROKER_DOWN;
        assert_int_equal(srl_request_accept(request), SRL_OK);
        if (i == 1) {
            test_client_leave(c);
        } else if (i == 2) {
            srl_session_disconnect(c->session, 3503, NULL, 0);
        }
        broker_delay_flush(&slow.broker);
        test_relay_process(&slow.home);
        see_nothing(c);
        if (i == 0) {
            see_closed(c, 3004, "internal server error");
        } else if (i == 2) {
            see_closed(c, 3503, "force disconnect");
        }
    }
    slow_end(&slow);
}

static void count_error(int error, uint64_t offset, const char *epoch, size_t epoch_len, void *user)
{
    (void)offset;
    (void)epoch;
    (void)epoch_len;
    *(int *)user = error;
}

#define TEXT(text) (text), sizeof(text) - 1

static void what_the_host_may_not(void **state)
{
    test_relay home;
    test_client *c;
    srl_publish_options with;
    srl_subscription options;
    char large[5000];
    int error = 1;
    (void)state;

    test_relay_init(&home);
    home.protocol = SRL_PROTOCOL_CENTRIFUGO;
    assert_int_equal(test_relay_start(&home, "max_channels", "2", NULL), SRL_OK);
    memset(large, '1', sizeof(large));
    c = test_client_open(&home);
    assert_int_equal(srl_session_subscribe(c->session, TEXT("a"), NULL), SRL_ERR_STATE);
    assert_int_equal(srl_session_send(c->session, TEXT("1")), SRL_ERR_STATE);
    assert_int_equal(srl_session_set_expiry(c->session, 1), SRL_ERR_STATE);
    assert_int_equal(srl_session_set_subscription_expiry(c->session, TEXT("a"), 1), SRL_ERR_NOT_FOUND);
    (void)test_client_send(c, "{\"id\":1,\"connect\":{\"token\":\"u\"}}");
    test_client_skip(c);

    srl_subscription_init(&options, sizeof(options));
    assert_int_equal(srl_session_subscribe(c->session, TEXT("\n"), NULL), SRL_ERR_INVALID);
    options.info = large;
    options.info_len = sizeof(large);
    assert_int_equal(srl_session_subscribe(c->session, TEXT("a"), &options), SRL_ERR_TOO_LARGE);
    options.info_len = 0;
    options.data = "{";
    options.data_len = 1;
    assert_int_equal(srl_session_subscribe(c->session, TEXT("a"), &options), SRL_ERR_JSON);
    options.data_len = 0;
    options.flags = 4;
    assert_int_equal(srl_session_subscribe(c->session, TEXT("a"), &options), SRL_ERR_INVALID);
    assert_int_equal(srl_session_is_subscribed(c->session, TEXT("a")), 0);
    assert_int_equal(srl_session_subscribe(c->session, TEXT("a"), NULL), SRL_OK);
    assert_int_equal(srl_session_is_subscribed(c->session, TEXT("a")), 1);
    assert_int_equal(srl_session_subscribe(c->session, TEXT("b"), NULL), SRL_OK);
    assert_int_equal(srl_session_subscribe(c->session, TEXT("c"), NULL), SRL_ERR_LIMIT);
    assert_int_equal(srl_session_send(c->session, TEXT("{")), SRL_ERR_JSON);
    assert_int_equal(srl_session_send(c->session, TEXT("{\"a\":\n1}")), SRL_OK);
    test_client_skip(c);
    assert_int_equal(srl_session_set_subscription_expiry(c->session, TEXT("a"), 1000), SRL_OK);
    assert_int_equal(srl_session_set_subscription_expiry(c->session, TEXT("a"), 0), SRL_OK);
    test_relay_advance(&home, 2000);
    assert_int_equal(srl_session_is_subscribed(c->session, TEXT("a")), 1);

    srl_publish_options_init(&with, sizeof(with));
    with.tags = "[]";
    with.tags_len = 2;
    assert_int_equal(srl_relay_publish_with(home.relay, TEXT("a"), TEXT("1"), &with, NULL, NULL), SRL_ERR_JSON);
    with.tags = "{\"a\":1}";
    with.tags_len = 7;
    assert_int_equal(srl_relay_publish_with(home.relay, TEXT("a"), TEXT("1"), &with, NULL, NULL), SRL_ERR_JSON);
    with.tags = large;
    with.tags_len = sizeof(large);
    assert_int_equal(srl_relay_publish_with(home.relay, TEXT("a"), TEXT("1"), &with, NULL, NULL), SRL_ERR_TOO_LARGE);
    with.tags_len = 0;
    with.flags = 2;
    assert_int_equal(srl_relay_publish_with(home.relay, TEXT("a"), TEXT("1"), &with, NULL, NULL), SRL_ERR_INVALID);
    assert_int_equal(srl_relay_history_remove(home.relay, TEXT("a"), count_error, &error), SRL_ERR_UNAVAILABLE);
    assert_int_equal(srl_relay_history_remove(home.relay, TEXT(""), count_error, &error), SRL_ERR_INVALID);
    assert_int_equal(error, 1);

    srl_session_disconnect(c->session, 0, NULL, 0);
    assert_int_equal(srl_session_subscribe(c->session, TEXT("d"), NULL), SRL_ERR_CLOSED);
    assert_int_equal(srl_session_send(c->session, TEXT("1")), SRL_ERR_CLOSED);
    assert_int_equal(srl_session_set_subscription_expiry(c->session, TEXT("a"), 1), SRL_ERR_CLOSED);
    assert_int_equal(srl_session_is_subscribed(c->session, TEXT("a")), 0);
    test_relay_end(&home);
}

/* Emulated sessions are found by their secret id, and only as long as they are open. */
static void a_session_is_found_by_its_secret(void **state)
{
    test_relay home;
    test_client *c;
    char id[SRL_SESSION_ID_LEN + 1];
    char node[SRL_SESSION_ID_LEN + 1];
    (void)state;

    test_relay_init(&home);
    home.protocol = SRL_PROTOCOL_CENTRIFUGO;
    home.transport = SRL_TRANSPORT_EMULATED;
    assert_int_equal(test_relay_start(&home, NULL), SRL_OK);
    c = test_client_open(&home);
    srl_session_secret_id(c->session, id);
    srl_relay_node_id(home.relay, node);
    assert_int_equal(strlen(id), SRL_SESSION_ID_LEN);
    assert_int_equal(strlen(node), SRL_SESSION_ID_LEN);
    assert_string_not_equal(id, c->id);
    assert_string_not_equal(id, node);
    assert_ptr_equal(srl_relay_find_session(home.relay, id, strlen(id)), c->session);
    assert_null(srl_relay_find_session(home.relay, c->id, strlen(c->id)));
    assert_null(srl_relay_find_session(home.relay, "", 0));
    assert_int_equal(srl_session_protocol(c->session), SRL_PROTOCOL_CENTRIFUGO);
    assert_int_equal(srl_session_separator_len(c->session), 1);
    assert_int_equal(srl_session_connect(c->session, "", 0), SRL_ERR_STATE);
    srl_session_disconnect(c->session, 0, NULL, 0);
    assert_null(srl_relay_find_session(home.relay, id, strlen(id)));
    home.transport = 4;
    assert_null(test_client_open(&home));
    home.transport = SRL_TRANSPORT_UNIDIRECTIONAL;
    home.protocol = SRL_PROTOCOL_DETECT;
    assert_null(test_client_open(&home));
    test_relay_end(&home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(basics),
        cmocka_unit_test(channels),
        cmocka_unit_test(recovery),
        cmocka_unit_test(cache),
        cmocka_unit_test(delta),
        cmocka_unit_test(tags),
        cmocka_unit_test(compaction),
        cmocka_unit_test(server_subs),
        cmocka_unit_test(expiry),
        cmocka_unit_test(messages),
        cmocka_unit_test(malformed),
        cmocka_unit_test(mixed),
        cmocka_unit_test(emulation),
        cmocka_unit_test(pushes),
        cmocka_unit_test(permissions),
        cmocka_unit_test(withheld),
        cmocka_unit_test(renewed),
        cmocka_unit_test(bounds),
        cmocka_unit_test(commands_on_a_channel_come_behind_its_subscription),
        cmocka_unit_test(refused),
        cmocka_unit_test(live_publications_wait_for_history),
        cmocka_unit_test(a_gap_is_not_passed_over),
        cmocka_unit_test(nothing_comes_before_the_connect_reply),
        cmocka_unit_test(what_the_host_may_not),
        cmocka_unit_test(a_session_is_found_by_its_secret),
    };

    return cmocka_run_group_tests_name("centrifugo_session", tests, NULL, NULL);
}
