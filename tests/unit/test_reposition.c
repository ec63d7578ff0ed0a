/* A broker says that a channel does not continue where it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/broker.h"
#include "helpers/rules.h"

static srl_broker *memory;
static srl_node *node;
static void *room;

static int attach(void *broker, srl_node *given, void **link)
{
    (void)broker;
    node = given;
    return srl__broker_attach(memory, given, link);
}

static void destroy(void *broker)
{
    (void)broker;
    srl_broker_release(memory);
}

static int subscribe(void *link, const srl_broker_channel *channel, void *wanted, srl_operation *operation)
{
    room = wanted;
    return srl__broker_ops_of(memory)->subscribe(link, channel, wanted, operation);
}

/* Another node has published what this one has not heard; then that is lost. */
static const char *epoch_ahead;

static int history_ahead(void *link, const srl_broker_channel *channel, const srl_broker_query *query,
                         srl_operation *operation)
{
    srl_broker_result result = {
        .size = sizeof(result), .offset = 7, .epoch = epoch_ahead, .epoch_len = strlen(epoch_ahead), .meta = ""};
    (void)link;
    (void)channel;
    (void)query;

    srl_operation_finish(operation, &result);
    return SRL_OK;
}

/* A relay on a memory broker that tells its node and the room opened last. */
static srl_broker *begin_with(test_relay *home, bool is_ahead)
{
    srl_broker_ops ops;
    srl_broker *broker;

    assert_int_equal(srl_broker_create_memory(NULL, &memory), SRL_OK);
    ops = *srl__broker_ops_of(memory);
    ops.attach = attach;
    ops.destroy = destroy;
    ops.subscribe = subscribe;
    if (is_ahead) {
        ops.history = history_ahead;
    }
    assert_int_equal(srl_broker_create(&ops, NULL, &broker), SRL_OK);
    test_relay_init(home);
    assert_int_equal(srl_options_set_broker(home->options, broker), SRL_OK);
    assert_int_equal(test_relay_start(home, "history_size", "10", "idle_lifetime", "1m", NULL), SRL_OK);
    return broker;
}

static srl_broker *begin(test_relay *home)
{
    return begin_with(home, false);
}

static void end(test_relay *home, srl_broker *broker)
{
    test_relay_end(home);
    srl_broker_release(broker);
}

static void deliver(uint64_t offset, const char *epoch)
{
    srl_publication publication = {.size = sizeof(publication),
                                   .offset = offset,
                                   .data = "1",
                                   .data_len = 1,
                                   .user = "",
                                   .client = "",
                                   .info = ""};

    srl_node_deliver(node, room, SRL_MESSAGE_PUBLICATION, &publication, epoch, strlen(epoch));
}

static void subscribers_have_to_recover(void **state)
{
    test_relay home;
    srl_broker *broker = begin(&home);
    test_client *ann = test_client_enter(&home, "ann");
    test_client *bob = test_client_enter(&home, "bob");
    (void)state;

    assert_true(test_client_subscribe(ann, "x"));
    assert_true(test_client_subscribe(bob, "x"));
    test_client_skip(ann);
    test_client_skip(bob);
    srl_node_reposition(node, room, 41, "new", 3);
    see(ann, OUT(2500));
    see(bob, OUT(2500));
    see_nothing(ann);
    see_nothing(bob);
    /* The room is there still, and at the new place. */
    asks(ann, "subscribe", "x", NULL, "{\"reply\":{*\"epoch\":\"new\"*");
    test_client_skip(ann);
    deliver(41, "new");
    see_nothing(ann);
    deliver(42, "new");
    see(ann, "{\"push\":{\"type\":\"message\",*\"offset\":42,*");
    deliver(44, "new"); /* a hole */
    see(ann, OUT(2500));
    end(&home, broker);
}

static void an_empty_room_moves_too(void **state)
{
    test_relay home;
    srl_broker *broker = begin(&home);
    test_client *ann = test_client_enter(&home, "ann");
    (void)state;

    assert_true(test_client_subscribe(ann, "x"));
    assert_int_equal(srl_session_unsubscribe(ann->session, "x", 1, 0), SRL_OK);
    test_client_skip(ann);
    srl_node_reposition(node, room, 7, "new", 3);
    see_nothing(ann);
    asks(ann, "subscribe", "x", NULL, "{\"reply\":{*\"offset\":7*\"epoch\":\"new\"*");
    test_client_skip(ann);
    deliver(8, "new");
    see(ann, "{\"push\":{\"type\":\"message\",*\"offset\":8,*");
    end(&home, broker);
}

/* A client that came from a node further ahead waits for the room; which never comes there. */
static void whoever_was_ahead_is_answered(void **state)
{
    test_relay home;
    srl_broker *broker = begin_with(&home, true);
    test_client *ann = test_client_enter(&home, "ann");
    test_client *bob = test_client_enter(&home, "bob");
    (void)state;

    epoch_ahead = "old";
    assert_true(test_client_subscribe(ann, "x"));
    deliver(5, "old");
    assert_int_equal(test_client_command(bob, "subscribe", "x", "{\"recover\":true,\"offset\":7,\"epoch\":\"old\"}"),
                     SRL_OK);
    see_nothing(bob);
    epoch_ahead = "new";
    srl_node_reposition(node, room, 3, "new", 3);
    see(bob, "{\"reply\":{*\"offset\":3,\"epoch\":\"new\"*\"recovered\":false*");
    end(&home, broker);
}

static void what_is_no_epoch_moves_nothing(void **state)
{
    test_relay home;
    srl_broker *broker = begin(&home);
    test_client *ann = test_client_enter(&home, "ann");
    (void)state;

    assert_true(test_client_subscribe(ann, "x"));
    test_client_skip(ann);
    srl_node_reposition(node, room, 9, "0123456789abcdef0123456789abcdef+", 33);
    see(ann, OUT(2500));
    asks(ann, "subscribe", "x", NULL, YES);
    assert_null(strstr(ann->frames[ann->frame_next - 1], "9abcdef"));
    end(&home, broker);
}

static void destroy_relay(test_client *client)
{
    test_relay_destroy(client->home);
}

static void the_relay_may_end_meanwhile(void **state)
{
    test_relay home;
    srl_broker *broker = begin(&home);
    test_client *ann = test_client_enter(&home, "ann");
    (void)state;

    assert_true(test_client_subscribe(ann, "x"));
    ann->on_write = destroy_relay;
    srl_node_reposition(node, room, 41, "new", 3);
    assert_null(home.relay);
    end(&home, broker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscribers_have_to_recover),   cmocka_unit_test(an_empty_room_moves_too),
        cmocka_unit_test(whoever_was_ahead_is_answered), cmocka_unit_test(what_is_no_epoch_moves_nothing),
        cmocka_unit_test(the_relay_may_end_meanwhile),
    };

    return cmocka_run_group_tests_name("reposition", tests, NULL, NULL);
}
