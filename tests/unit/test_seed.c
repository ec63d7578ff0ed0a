/* The tables of the description this library began with, each row a test. Here: the commands, the pushes and those
 * features that are seen from outside, with the policy and namespaces of its Quick Start. The other rows:
 *
 *   feature  Zero Dependencies      tests/checks/symbols.py, tests/install
 *            Custom RESP Protocol   test_resp.c, test_resp_writer.c
 *            Redis Streams          test_stream*.c, integration/test_stream*.c
 *            Room Management        seed_feature_room_management; test_rooms_api.c
 *            Offline Recovery       seed_feature_offline_recovery; test_subscribe.c, test_positions_engine.c
 *            Presence Tracking      seed_feature_presence_tracking; test_presence_engine.c
 *            Transport Agnostic     seed_feature_transport_agnostic; examples/
 *            High Performance       tests/bench
 *            Client Protocol        seed_command_*, seed_push_*; test_native_codec.c, tests/checks/protocol_doc.py
 *            Permissions            seed_feature_permissions; test_policy.c
 *            Namespaces             seed_feature_namespaces; test_namespace_api.c
 *   permission levels, rules, roles test_permissions.c: seed_perm_*, seed_rule_*, seed_role_*, seed_user_permission
 *   namespaces                      test_namespace_api.c: seed_namespace_*
 *   stats                           seed_stats; test_events.c
 *   Quick Start as C                docs/guide.md, compiled and run by tests/checks/guide.py */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helpers/rules.h"

typedef struct scene {
    test_relay home;
    srl_permissions *policy;
    event_log log;
    test_client *alice;
    test_client *bob;
    test_client *admin;
} scene;

static test_client *connect_as(scene *s, const char *token)
{
    test_client *c = test_client_open(&s->home);

    c->last_id = 1;
    assert_int_equal(test_client_sendf(c, "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"%s\"}}", token),
                     SRL_OK);
    see(c, "{\"reply\":{\"id\":1,\"type\":\"connect\",\"data\":{*");
    return c;
}

static void begin(scene *s)
{
    srl_channel_rule rule;

    log_clear(&s->log);
    assert_int_equal(TEST_RELAY(&s->home, "ping_interval", "25s", "allow_anonymous", "true", NULL), SRL_OK);
    srl_relay_set_event_hook(s->home.relay, log_event, &s->log);
    s->policy = new_policy(&s->home);
    rule = rule_of("public:*", SRL_PERM_READ_ONLY);
    rule.allow_anonymous = 1;
    assert_int_equal(srl_permissions_add_rule(s->policy, &rule), SRL_OK);
    rule = rule_of("chat:*", SRL_PERM_STANDARD);
    rule.require_auth = 1;
    rule.join_leave = 1;
    rule.presence = 1;
    assert_int_equal(srl_permissions_add_rule(s->policy, &rule), SRL_OK);
    set_role(s->policy, "admin", SRL_PERM_ALL);
    assert_int_equal(srl_permissions_assign_role(s->policy, TEXT("user_admin"), TEXT("admin")), SRL_OK);
    set_namespace(&s->home, "chat:", SRL_NAMESPACE_CHAT, NULL);
    set_namespace(&s->home, "notify:", SRL_NAMESPACE_NOTIFICATION, NULL);
    set_namespace(&s->home, "public:", SRL_NAMESPACE_PUBLIC, NULL);
    s->alice = connect_as(s, "user_alice");
    s->bob = connect_as(s, "user_bob");
    s->admin = connect_as(s, "user_admin");
}

static void end(scene *s)
{
    srl_permissions_destroy(s->policy);
    test_relay_end(&s->home);
}

static void forget(scene *s)
{
    test_client_skip(s->admin);
    test_client_skip(s->alice);
    test_client_skip(s->bob);
}

static void enter(scene *s, const char *channel)
{
    forget(s);
    assert_true(test_client_subscribe(s->admin, channel));
    assert_true(test_client_subscribe(s->alice, channel));
    assert_true(test_client_subscribe(s->bob, channel));
    forget(s);
}

/* ---- commands */

static void seed_command_connect(void **state)
{
    scene s;
    test_client *c;
    (void)state;

    begin(&s);
    c = test_client_open(&s.home);
    assert_int_equal(test_client_send(c, "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"user_cyd\",\"data\":"
                                         "{\"name\":\"Cyd\"}}}"),
                     SRL_OK);
    see(c, "{\"reply\":{\"id\":1,\"type\":\"connect\",\"data\":{\"client\":\"*\",\"user\":\"user_cyd\",*");
    end(&s);
}

static void seed_command_subscribe(void **state)
{
    scene s;
    (void)state;

    begin(&s);
    asks(s.alice, "subscribe", "chat:general", "{\"token\":\"t\",\"recover\":true,\"offset\":0}",
         "{\"reply\":{\"id\":2,\"type\":\"subscribe\",\"channel\":\"chat:general\",\"data\":{\"recoverable\":true,"
         "\"offset\":0,\"epoch\":\"*\",\"was_recovering\":true,\"recovered\":true}}}");
    asks(s.alice, "subscribe", "chat:general", NULL, NO(105));
    asks(s.alice, "subscribe", "elsewhere", NULL, YES); /* no rule: what the options permit */
    end(&s);
}

static void seed_command_unsubscribe(void **state)
{
    scene s;
    (void)state;

    begin(&s);
    enter(&s, "chat:general");
    asks(s.alice, "unsubscribe", "chat:general", NULL,
         "{\"reply\":{\"id\":3,\"type\":\"unsubscribe\",\"channel\":\"chat:general\",\"data\":{}}}");
    assert_int_equal(test_relay_publish(&s.home, "chat:general", "1"), SRL_OK);
    see_nothing(s.alice);
    end(&s);
}

static void seed_command_publish(void **state)
{
    scene s;
    (void)state;

    begin(&s);
    enter(&s, "chat:general");
    asks(s.alice, "publish", "chat:general", "{\"data\":{\"text\":\"hi\"}}",
         "{\"reply\":{\"id\":3,\"type\":\"publish\",\"channel\":\"chat:general\",\"data\":{\"offset\":1,*");
    see(s.bob, MESSAGE);
    enter(&s, "public:news");
    asks(s.alice, "publish", "public:news", SAY, NO(103));
    asks(s.admin, "publish", "public:news", SAY, YES); /* admins publish everywhere */
    see(s.alice, MESSAGE);
    end(&s);
}

static void seed_command_presence(void **state)
{
    scene s;
    (void)state;

    begin(&s);
    enter(&s, "chat:general");
    asks(s.alice, "presence", "chat:general", NULL,
         "*\"num_users\":3,\"num_sessions\":3,\"users\":[{\"user\":\"user_admin\",*\"user\":\"user_bob\"*");
    end(&s);
}

static void seed_command_history(void **state)
{
    scene s;
    (void)state;

    begin(&s);
    enter(&s, "public:news");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(test_relay_publish(&s.home, "public:news", "1"), SRL_OK);
    }
    test_client_skip(s.alice);
    asks(s.alice, "history", "public:news", "{\"limit\":2,\"since\":1}",
         "*\"offset\":4,*\"publications\":[{\"offset\":2,*},{\"offset\":3,*}]}}}");
    enter(&s, "chat:general");
    asks(s.alice, "history", "chat:general", NULL, NO(103)); /* standard has no history */
    asks(s.admin, "history", "chat:general", NULL, YES);
    end(&s);
}

static void seed_command_ping(void **state)
{
    scene s;
    (void)state;

    begin(&s);
    assert_int_equal(test_client_send(s.alice, "{\"id\":9,\"type\":\"ping\"}"), SRL_OK);
    see(s.alice, "{\"push\":{\"type\":\"pong\"}}");
    see(s.alice, "{\"reply\":{\"id\":9,\"type\":\"ping\",\"data\":{}}}");
    end(&s);
}

/* ---- pushes */

static void seed_push_message(void **state)
{
    scene s;
    (void)state;

    begin(&s);
    enter(&s, "chat:general");
    asks(s.bob, "publish", "chat:general", "{\"data\":{\"text\":\"hi\"}}", YES);
    see(s.alice, "{\"push\":{\"type\":\"message\",\"channel\":\"chat:general\",\"data\":{\"offset\":1,\"data\":"
                 "{\"text\":\"hi\"},\"info\":{\"user\":\"user_bob\",*");
    end(&s);
}

static void seed_push_join(void **state)
{
    scene s;
    (void)state;

    begin(&s);
    enter(&s, "chat:general");
    assert_true(test_client_subscribe(connect_as(&s, "user_cyd"), "chat:general"));
    see(s.admin,
        "{\"push\":{\"type\":\"join\",\"channel\":\"chat:general\",\"data\":{\"info\":{\"user\":\"user_cyd\",*");
    see_nothing(s.alice); /* standard does not receive them */
    end(&s);
}

static void seed_push_leave(void **state)
{
    scene s;
    (void)state;

    begin(&s);
    enter(&s, "chat:general");
    test_client_leave(s.bob);
    see(s.admin,
        "{\"push\":{\"type\":\"leave\",\"channel\":\"chat:general\",\"data\":{\"info\":{\"user\":\"user_bob\",*");
    see_nothing(s.alice);
    end(&s);
}

static void seed_push_pong(void **state)
{
    scene s;
    (void)state;

    begin(&s);
    assert_int_equal(test_client_send(s.alice, "{\"type\":\"ping\"}"), SRL_OK);
    see(s.alice, "{\"push\":{\"type\":\"pong\"}}");
    see_nothing(s.alice);
    end(&s);
}

static void seed_push_disconnect(void **state)
{
    scene s;
    (void)state;

    begin(&s);
    srl_session_disconnect(s.alice->session, 3503, NULL, 0);
    see(s.alice, "{\"push\":{\"type\":\"disconnect\",\"data\":{\"code\":3503,\"reason\":\"force disconnect\","
                 "\"reconnect\":false}}}");
    see_closed(s.alice, 3503, "force disconnect");
    srl_session_disconnect(s.bob->session, 3011, NULL, 0);
    see(s.bob, "*\"code\":3011,*\"reconnect\":true}}}");
    end(&s);
}

/* ---- features */

static void seed_feature_room_management(void **state)
{
    scene s;
    (void)state;

    begin(&s);
    set_namespace(&s.home, "group:", SRL_NAMESPACE_CHAT, "room", "group", NULL);
    set_namespace(&s.home, "dm:", SRL_NAMESPACE_PERSONAL, "room", "direct", "publish", "true", NULL);
    make_group(&s.home, "group:team");
    add_member(&s.home, "group:team", "user_alice");
    see(s.alice, IN);
    test_client_skip(s.alice);
    asks(s.bob, "subscribe", "group:team", NULL, NO(103));
    asks(s.alice, "publish", "dm:user_alice,user_bob", SAY, YES);
    see(s.alice, IN);
    see(s.alice, MESSAGE);
    see(s.bob, IN);
    see(s.bob, MESSAGE);
    end(&s);
}

static void seed_feature_offline_recovery(void **state)
{
    scene s;
    (void)state;

    begin(&s);
    enter(&s, "chat:general");
    test_client_leave(s.bob);
    for (int i = 0; i < 3; i++) {
        asks(s.alice, "publish", "chat:general", SAY, YES);
        see(s.alice, MESSAGE);
    }
    s.bob = connect_as(&s, "user_bob");
    asks(s.bob, "subscribe", "chat:general", "{\"recover\":true,\"offset\":1}", "*\"recovered\":true*");
    see(s.bob, "*\"message\",*\"offset\":2,*");
    see(s.bob, "*\"message\",*\"offset\":3,*");
    see_nothing(s.bob);
    end(&s);
}

static void seed_feature_presence_tracking(void **state)
{
    scene s;
    (void)state;

    begin(&s);
    enter(&s, "chat:general");
    test_client_leave(s.bob);
    asks(s.alice, "presence_stats", "chat:general", NULL, "*\"num_users\":2,\"num_sessions\":2}}}");
    end(&s);
}

/* Nothing of a socket: two functions that take frames and close. */
static void seed_feature_transport_agnostic(void **state)
{
    scene s;
    (void)state;

    begin(&s);
    enter(&s, "chat:general");
    s.alice->take = 0;
    assert_int_equal(test_relay_publish(&s.home, "chat:general", "1"), SRL_OK);
    see(s.bob, MESSAGE);
    see_nothing(s.alice);
    test_client_unblock(s.alice);
    see(s.alice, MESSAGE);
    end(&s);
}

static void seed_feature_permissions(void **state)
{
    scene s;
    (void)state;

    begin(&s);
    enter(&s, "chat:general");
    assert_int_equal(
        srl_permissions_set_user_permission(s.policy, TEXT("user_bob"), TEXT("chat:general"), SRL_PERM_READ_ONLY),
        SRL_OK);
    asks(s.bob, "publish", "chat:general", SAY, NO(103));
    asks(s.bob, "history", "chat:general", NULL, YES);
    assert_int_equal(srl_permissions_assign_role(s.policy, TEXT("user_alice"), TEXT("admin")), SRL_OK);
    asks(s.alice, "history", "chat:general", NULL, YES);
    end(&s);
}

static void seed_feature_namespaces(void **state)
{
    scene s;
    test_client *anonymous;
    (void)state;

    begin(&s);
    anonymous = connect_as(&s, "");
    assert_true(test_client_subscribe(anonymous, "public:news"));
    asks(anonymous, "subscribe", "chat:general", NULL, NO(103));
    asks(anonymous, "subscribe", "notify:x", NULL, NO(103));
    assert_true(test_client_subscribe(s.alice, "notify:x"));
    asks(s.alice, "publish", "notify:x", SAY, NO(103));
    end(&s);
}

static void seed_stats(void **state)
{
    scene s;
    srl_stats stats = {.size = sizeof(stats)};
    (void)state;

    begin(&s);
    enter(&s, "chat:general");
    asks(s.alice, "publish", "chat:general", SAY, YES);
    test_relay_advance(&s.home, 2000);
    assert_int_equal(srl_relay_stats(s.home.relay, &stats), SRL_OK);
    assert_int_equal(stats.rooms, 1);
    assert_int_equal(stats.subscriptions, 3);
    assert_int_equal(stats.publications, 1);
    assert_int_equal(stats.uptime_ms, 2000);
    assert_non_null(strstr(s.log.text, "subscribed chat:general user_alice 0 \n"));
    assert_non_null(strstr(s.log.text, "published chat:general user_alice 0 \n"));
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seed_command_connect),
        cmocka_unit_test(seed_command_subscribe),
        cmocka_unit_test(seed_command_unsubscribe),
        cmocka_unit_test(seed_command_publish),
        cmocka_unit_test(seed_command_presence),
        cmocka_unit_test(seed_command_history),
        cmocka_unit_test(seed_command_ping),
        cmocka_unit_test(seed_push_message),
        cmocka_unit_test(seed_push_join),
        cmocka_unit_test(seed_push_leave),
        cmocka_unit_test(seed_push_pong),
        cmocka_unit_test(seed_push_disconnect),
        cmocka_unit_test(seed_feature_room_management),
        cmocka_unit_test(seed_feature_offline_recovery),
        cmocka_unit_test(seed_feature_presence_tracking),
        cmocka_unit_test(seed_feature_transport_agnostic),
        cmocka_unit_test(seed_feature_permissions),
        cmocka_unit_test(seed_feature_namespaces),
        cmocka_unit_test(seed_stats),
    };

    return cmocka_run_group_tests_name("seed", tests, NULL, NULL);
}
