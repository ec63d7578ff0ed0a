/* A policy on a relay: what it forbids clients, what its change does to those who are in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helpers/broker_delay.h"
#include "helpers/rules.h"

typedef struct scene {
    test_relay home;
    srl_permissions *policy;
} scene;

static void begin_with(scene *s, unsigned hooks, unsigned hold)
{
    test_relay_init(&s->home);
    s->home.hooks = hooks;
    s->home.hold = hold;
    assert_int_equal(
        test_relay_start(&s->home, "allow_anonymous", "true", "history_size", "10", "presence", "true", NULL), SRL_OK);
    s->policy = new_policy(&s->home);
}

static void begin(scene *s)
{
    begin_with(s, TEST_CONNECT, 0);
}

static void end(scene *s)
{
    srl_permissions_destroy(s->policy);
    test_relay_end(&s->home);
}

static void every_bit_counts(void **state)
{
    scene s;
    test_client *c;
    (void)state;

    begin(&s);
    set_rule(s.policy, "none:*", SRL_PERM_NONE);
    set_rule(s.policy, "in:*", SRL_PERM_SUBSCRIBE);
    set_rule(s.policy, "pub:*", SRL_PERM_SUBSCRIBE | SRL_PERM_PUBLISH);
    set_rule(s.policy, "who:*", SRL_PERM_SUBSCRIBE | SRL_PERM_PRESENCE);
    set_rule(s.policy, "old:*", SRL_PERM_SUBSCRIBE | SRL_PERM_HISTORY);
    c = test_client_enter(&s.home, "ann");
    asks(c, "subscribe", "none:a", NULL, NO(103));
    for (int i = 0; i < 4; i++) {
        static const char *const names[] = {"in:a", "pub:a", "who:a", "old:a"};

        assert_true(test_client_subscribe(c, names[i]));
        asks(c, "publish", names[i], SAY, i == 1 ? YES : NO(103));
        if (i == 1) {
            see(c, MESSAGE);
        }
        asks(c, "presence", names[i], NULL, i == 2 ? YES : NO(103));
        asks(c, "presence_stats", names[i], NULL, i == 2 ? YES : NO(103));
        asks(c, "history", names[i], NULL, i == 3 ? YES : NO(103));
        see_nothing(c);
    }
    end(&s);
}

/* Where no rule matches the channel's options decide, as without a policy. */
static void without_a_rule_options_decide(void **state)
{
    scene s;
    test_client *c;
    (void)state;

    begin(&s);
    set_namespace(&s.home, "talk:", 0, "publish", "true", "history_size", "3", "presence", "true", NULL);
    set_namespace(&s.home, "shut:", 0, "subscribe", "false", NULL);
    c = test_client_enter(&s.home, "ann");
    asks(c, "subscribe", "shut:a", NULL, NO(103));
    assert_true(test_client_subscribe(c, "talk:a"));
    asks(c, "publish", "talk:a", SAY, YES);
    see(c, MESSAGE);
    asks(c, "history", "talk:a", NULL, YES);
    asks(c, "presence", "talk:a", NULL, YES);
    set_override(s.policy, "ann", "talk:a", 0, SRL_PERM_PUBLISH);
    asks(c, "publish", "talk:a", SAY, NO(103));
    set_override(s.policy, "ann", "shut:*", SRL_PERM_SUBSCRIBE, 0);
    assert_true(test_client_subscribe(c, "shut:a"));
    end(&s);
}

static void anonymous_users(void **state)
{
    scene s;
    test_client *c;
    srl_channel_rule rule = rule_of("open:*", SRL_PERM_SUBSCRIBE | SRL_PERM_HISTORY);
    (void)state;

    begin(&s);
    rule.allow_anonymous = 1;
    assert_int_equal(srl_permissions_add_rule(s.policy, &rule), SRL_OK);
    set_rule(s.policy, "chat:*", SRL_PERM_ALL);
    c = test_client_enter(&s.home, "");
    asks(c, "subscribe", "chat:a", NULL, NO(103));
    asks(c, "subscribe", "other", NULL, NO(103));
    assert_true(test_client_subscribe(c, "open:a"));
    asks(c, "publish", "open:a", SAY, NO(103));
    asks(c, "history", "open:a", NULL, YES);
    set_rule(s.policy, "open:*", SRL_PERM_ALL);
    see(c, OUT(2100));
    see_nothing(c);
    end(&s);
}

/* The hook is asked about what the policy permits, and about nothing else. */
static void hook_and_policy(void **state)
{
    scene s;
    test_client *c;
    (void)state;

    begin_with(&s, TEST_CONNECT | TEST_SUBSCRIBE | TEST_PUBLISH, 1u << SRL_REQUEST_SUBSCRIBE);
    set_rule(s.policy, "a:*", SRL_PERM_SUBSCRIBE);
    set_rule(s.policy, "b:*", SRL_PERM_PUBLISH);
    c = test_client_enter(&s.home, "ann");
    s.home.questions = 0;
    asks(c, "subscribe", "b:1", NULL, NO(103));
    asks(c, "publish", "a:1", SAY, NO(103));
    assert_int_equal(s.home.questions, 0);
    asks(c, "publish", "b:1", SAY, YES);
    assert_int_equal(s.home.questions, 1);
    assert_int_equal(test_client_command(c, "subscribe", "a:1", NULL), SRL_OK);
    assert_int_equal(srl_request_reject(test_relay_request(&s.home), 0, NULL, 0), SRL_OK);
    see(c, NO(103));
    assert_int_equal(test_client_command(c, "subscribe", "a:1", NULL), SRL_OK);
    assert_int_equal(srl_request_accept(test_relay_request(&s.home)), SRL_OK);
    see(c, YES);
    end(&s);
}

/* The right is taken away while the hook thinks about it. */
static void a_late_yes_is_not_enough(void **state)
{
    scene s;
    test_client *c;
    (void)state;

    begin_with(&s, TEST_CONNECT | TEST_SUBSCRIBE, 1u << SRL_REQUEST_SUBSCRIBE);
    set_rule(s.policy, "a:*", SRL_PERM_SUBSCRIBE);
    c = test_client_enter(&s.home, "ann");
    assert_int_equal(test_client_command(c, "subscribe", "a:1", NULL), SRL_OK);
    set_rule(s.policy, "a:*", SRL_PERM_NONE);
    assert_int_equal(srl_request_accept(test_relay_request(&s.home)), SRL_OK);
    see(c, NO(103));
    assert_int_equal(srl_session_channel_count(c->session), 0);
    end(&s);
}

/* ... or while the broker opens the room. */
static void taken_away_while_subscribing(void **state)
{
    broker_delay broker;
    test_relay home;
    srl_permissions *policy;
    test_client *c;
    (void)state;

    test_relay_init(&home);
    broker_delay_init(&broker, NULL);
    assert_int_equal(srl_options_set_broker(home.options, broker.broker), SRL_OK);
    assert_int_equal(test_relay_start(&home, "history_size", "10", NULL), SRL_OK);
    policy = new_policy(&home);
    set_rule(policy, "*", SRL_PERM_SUBSCRIBE);
    c = test_client_enter(&home, "ann");
    broker.hold = DELAY_EVERYTHING;
    assert_int_equal(test_client_command(c, "subscribe", "a", NULL), SRL_OK);
    set_rule(policy, "*", SRL_PERM_NONE);
    broker_delay_flush(&broker);
    see(c, NO(103));
    see_nothing(c);
    assert_int_equal(srl_session_channel_count(c->session), 0);

    /* with a recovery under way */
    set_rule(policy, "*", SRL_PERM_SUBSCRIBE);
    broker_delay_publish(&broker, "a", 10, "1");
    assert_int_equal(test_client_command(c, "subscribe", "a", "{\"recover\":true}"), SRL_OK);
    assert_true(broker_delay_effect(&broker, DELAY_SUBSCRIBE));
    assert_true(broker_delay_answer(&broker, DELAY_SUBSCRIBE));
    assert_int_equal(broker.operation_count, 1);
    set_rule(policy, "*", SRL_PERM_NONE);
    broker_delay_flush(&broker);
    see(c, NO(103));
    see_nothing(c);
    assert_int_equal(srl_session_channel_count(c->session), 0);
    srl_permissions_destroy(policy);
    test_relay_end(&home);
    broker_delay_end(&broker);
}

/* ---- roles */

static void give_role(test_relay *home, srl_request *request)
{
    const char *role = home->user;
    size_t len;

    if (srl_request_kind(request) == SRL_REQUEST_CONNECT) {
        const char *token = srl_request_token(request, &len);

        assert_int_equal(srl_request_set_user(request, token, len), SRL_OK);
    }
    if (role != NULL) {
        assert_int_equal(srl_request_add_role(request, role, strlen(role)), SRL_OK);
    }
    (void)srl_request_accept(request);
}

static void begin_roles(scene *s, unsigned hooks, const char *role)
{
    test_relay_init(&s->home);
    s->home.hooks = hooks;
    s->home.asked = give_role;
    s->home.user = (void *)(uintptr_t)role;
    assert_int_equal(test_relay_start(&s->home, "history_size", "10", NULL), SRL_OK);
    s->policy = new_policy(&s->home);
    set_rule(s->policy, "*", SRL_PERM_SUBSCRIBE);
    set_role(s->policy, "boss", SRL_PERM_ALL);
}

static void roles_of_the_connect_answer(void **state)
{
    scene s;
    test_client *ann;
    test_client *bob;
    (void)state;

    begin_roles(&s, TEST_CONNECT, "boss");
    ann = test_client_enter(&s.home, "ann");
    s.home.user = (void *)(uintptr_t) "unheard-of";
    bob = test_client_enter(&s.home, "bob");
    assert_true(test_client_subscribe(ann, "a"));
    asks(ann, "publish", "a", SAY, YES);
    see(ann, MESSAGE);
    assert_true(test_client_subscribe(bob, "a"));
    asks(bob, "publish", "a", SAY, NO(103));
    assert_int_equal(test_client_command(ann, "unsubscribe", "a", NULL), SRL_OK);
    see(ann, YES);
    assert_true(test_client_subscribe(ann, "a")); /* the role is the session's, not the channel's */
    asks(ann, "publish", "a", SAY, YES);
    set_role(s.policy, "boss", SRL_PERM_SUBSCRIBE);
    test_client_skip(ann);
    asks(ann, "publish", "a", SAY, NO(103));
    end(&s);
}

/* A connect that is refused after the host's yes must not leave its roles to the next try. */
static void roles_of_a_refused_connect(void **state)
{
    scene s;
    test_client *c;
    (void)state;

    begin_roles(&s, TEST_CONNECT, "boss");
    c = test_client_open(&s.home);
    assert_int_equal(test_client_sendf(c, "{\"id\":1,\"type\":\"connect\"}"), SRL_OK); /* nobody: refused */
    see(c, NO(101));
    s.home.user = NULL;
    assert_int_equal(test_client_sendf(c, "{\"id\":2,\"type\":\"connect\",\"data\":{\"token\":\"eve\"}}"), SRL_OK);
    see(c, YES);
    c->last_id = 2;
    assert_true(test_client_subscribe(c, "a"));
    asks(c, "publish", "a", SAY, NO(103));
    end(&s);
}

static void roles_of_a_subscription(void **state)
{
    scene s;
    test_client *c;
    (void)state;

    begin_roles(&s, TEST_CONNECT | TEST_SUBSCRIBE, NULL);
    c = test_client_enter(&s.home, "ann");
    assert_true(test_client_subscribe(c, "b"));
    s.home.user = (void *)(uintptr_t) "boss";
    assert_true(test_client_subscribe(c, "a"));
    s.home.user = NULL;
    asks(c, "publish", "a", SAY, YES);
    see(c, MESSAGE);
    asks(c, "publish", "b", SAY, NO(103)); /* in its channel only */
    assert_int_equal(test_client_command(c, "unsubscribe", "a", NULL), SRL_OK);
    see(c, YES);
    assert_true(test_client_subscribe(c, "a"));
    asks(c, "publish", "a", SAY, NO(103)); /* gone with the subscription */
    end(&s);
}

static void roles_of_a_subscription_that_failed(void **state)
{
    broker_delay broker;
    test_relay home;
    srl_permissions *policy;
    test_client *c;
    (void)state;

    test_relay_init(&home);
    broker_delay_init(&broker, NULL);
    assert_int_equal(srl_options_set_broker(home.options, broker.broker), SRL_OK);
    home.hooks = TEST_CONNECT | TEST_SUBSCRIBE;
    home.asked = give_role;
    assert_int_equal(test_relay_start(&home, NULL), SRL_OK);
    policy = new_policy(&home);
    set_rule(policy, "*", SRL_PERM_SUBSCRIBE);
    set_role(policy, "boss", SRL_PERM_ALL);
    c = test_client_enter(&home, "ann");
    home.user = (void *)(uintptr_t) "boss";
    broker.error = SRL_ERR_UNAVAILABLE;
    broker.refuse = DELAY_SUBSCRIBE;
    asks(c, "subscribe", "a", NULL, NO(108));
    broker.refuse = 0;
    broker.fail = DELAY_SUBSCRIBE;
    asks(c, "subscribe", "b", NULL, NO(108));
    broker.fail = 0;
    home.user = NULL;
    assert_true(test_client_subscribe(c, "a"));
    assert_true(test_client_subscribe(c, "b"));
    asks(c, "publish", "a", SAY, NO(103));
    asks(c, "publish", "b", SAY, NO(103));
    srl_permissions_destroy(policy);
    test_relay_end(&home);
    broker_delay_end(&broker);
}

static void assigned_roles(void **state)
{
    scene s;
    test_client *c;
    (void)state;

    begin(&s);
    set_rule(s.policy, "a", SRL_PERM_SUBSCRIBE);
    set_role(s.policy, "writer", SRL_PERM_PUBLISH);
    c = test_client_enter(&s.home, "ann");
    assert_true(test_client_subscribe(c, "a"));
    asks(c, "publish", "a", SAY, NO(103));
    assert_int_equal(srl_permissions_assign_role(s.policy, "ann", 3, "writer", 6), SRL_OK);
    asks(c, "publish", "a", SAY, YES);
    see(c, MESSAGE);
    assert_int_equal(srl_permissions_unassign_role(s.policy, "ann", 3, "writer", 6), SRL_OK);
    asks(c, "publish", "a", SAY, NO(103));
    end(&s);
}

/* ---- what a rule says of the channel */

static void a_rule_limits_subscribers(void **state)
{
    scene s;
    srl_channel_rule rule = rule_of("small:*", SRL_PERM_SUBSCRIBE);
    test_client *c;
    (void)state;

    begin(&s);
    rule.max_subscribers = 2;
    assert_int_equal(srl_permissions_add_rule(s.policy, &rule), SRL_OK);
    set_namespace(&s.home, "small:", 0, "max_subscribers", "1", NULL);
    assert_true(test_client_subscribe(test_client_enter(&s.home, "a"), "small:x"));
    assert_true(test_client_subscribe(test_client_enter(&s.home, "b"), "small:x"));
    c = test_client_enter(&s.home, "c");
    asks(c, "subscribe", "small:x", NULL, NO(106));
    rule.max_subscribers = 0; /* says nothing: the namespace */
    assert_int_equal(srl_permissions_set_rule(s.policy, &rule), SRL_OK);
    assert_true(test_client_subscribe(test_client_enter(&s.home, "a"), "small:y"));
    asks(c, "subscribe", "small:y", NULL, NO(106));
    end(&s);
}

static void a_rule_overrides_presence_and_joins(void **state)
{
    scene s;
    srl_channel_rule on = rule_of("on:*", SRL_PERM_ALL);
    srl_channel_rule off = rule_of("off:*", SRL_PERM_ALL);
    test_client *a;
    test_client *b;
    (void)state;

    begin(&s);
    on.presence = on.join_leave = 1;
    off.presence = off.join_leave = 0;
    assert_int_equal(srl_permissions_add_rule(s.policy, &on), SRL_OK);
    assert_int_equal(srl_permissions_add_rule(s.policy, &off), SRL_OK);
    set_namespace(&s.home, "on:", 0, NULL);
    set_namespace(&s.home, "off:", SRL_NAMESPACE_CHAT, NULL);
    a = test_client_enter(&s.home, "ann");
    b = test_client_enter(&s.home, "bob");
    assert_true(test_client_subscribe(a, "on:x"));
    see(a, "*\"type\":\"join\"*\"client\"*");
    asks(a, "presence", "on:x", NULL, "*\"num_users\":1,*");
    assert_true(test_client_subscribe(b, "on:x"));
    see(a, "*\"type\":\"join\"*\"user\":\"bob\"*");
    test_client_skip(b);
    assert_true(test_client_subscribe(a, "off:x"));
    asks(a, "presence", "off:x", NULL, NO(108));
    assert_true(test_client_subscribe(b, "off:x"));
    test_client_leave(b);
    see(a, "*\"type\":\"leave\",\"channel\":\"on:x\"*\"user\":\"bob\"*");
    see_nothing(a);
    end(&s);
}

/* ---- changes */

static void who_lost_the_right_is_unsubscribed(void **state)
{
    scene s;
    test_client *ann;
    test_client *bob;
    srl_channel_rule rule = rule_of("chat:*", SRL_PERM_ALL);
    (void)state;

    begin(&s);
    rule.join_leave = 1;
    assert_int_equal(srl_permissions_add_rule(s.policy, &rule), SRL_OK);
    ann = test_client_enter(&s.home, "ann");
    bob = test_client_enter(&s.home, "bob");
    for (int i = 0; i < 9; i++) {
        char name[24];

        (void)snprintf(name, sizeof(name), "chat:%d", i);
        assert_true(test_client_subscribe(bob, name));
        test_client_skip(bob);
    }
    assert_true(test_client_subscribe(ann, "chat:3"));
    test_client_skip(ann);
    test_client_skip(bob);
    set_override(s.policy, "bob", "chat:3", 0, SRL_PERM_SUBSCRIBE);
    see(bob, "{\"push\":{\"type\":\"unsubscribe\",\"channel\":\"chat:3\",\"data\":{\"code\":2100,\"reason\":"
             "\"permission taken away\"}}}");
    see_nothing(bob);
    see(ann, "*\"type\":\"leave\",*\"user\":\"bob\"*");
    see_nothing(ann);
    assert_int_equal(srl_session_channel_count(bob->session), 8);
    set_override(s.policy, "bob", "chat:*", 0, SRL_PERM_SUBSCRIBE);
    assert_int_equal(srl_session_channel_count(bob->session), 0);
    for (int i = 0; i < 8; i++) {
        see(bob, OUT(2100));
    }
    see_nothing(bob);
    assert_int_equal(srl_session_channel_count(ann->session), 1);
    end(&s);
}

static void many_changes_are_one_check(void **state)
{
    scene s;
    test_client *c;
    (void)state;

    begin(&s);
    set_rule(s.policy, "a", SRL_PERM_ALL);
    c = test_client_enter(&s.home, "ann");
    assert_true(test_client_subscribe(c, "a"));
    srl_permissions_begin(s.policy);
    set_rule(s.policy, "a", SRL_PERM_NONE);
    see_nothing(c);
    set_rule(s.policy, "a", SRL_PERM_ALL);
    assert_int_equal(srl_permissions_commit(s.policy), SRL_OK);
    see_nothing(c);
    srl_relay_cork(s.home.relay);
    set_rule(s.policy, "a", SRL_PERM_NONE);
    set_rule(s.policy, "a", SRL_PERM_ALL);
    srl_relay_uncork(s.home.relay);
    see_nothing(c);
    assert_int_equal(srl_session_channel_count(c->session), 1);
    end(&s);
}

/* Without SRL_PERM_JOIN_LEAVE one is not told of others, from the moment the permission goes. */
static void the_quiet_are_not_told(void **state)
{
    scene s;
    test_client *a;
    test_client *q;
    test_client *late;
    srl_channel_rule rule = rule_of("*", SRL_PERM_ALL);
    (void)state;

    begin(&s);
    rule.join_leave = 1;
    assert_int_equal(srl_permissions_add_rule(s.policy, &rule), SRL_OK);
    set_override(s.policy, "quiet", "*", 0, SRL_PERM_JOIN_LEAVE);
    q = test_client_enter(&s.home, "quiet");
    assert_true(test_client_subscribe(q, "x"));
    see_nothing(q);
    a = test_client_enter(&s.home, "ann");
    assert_true(test_client_subscribe(a, "x"));
    see(a, "*\"type\":\"join\"*");
    see_nothing(q);
    assert_int_equal(test_relay_publish(&s.home, "x", "1"), SRL_OK);
    see(q, MESSAGE); /* of what is said it is told */
    see(a, MESSAGE);
    set_override(s.policy, "ann", "*", 0, SRL_PERM_JOIN_LEAVE);
    late = test_client_enter(&s.home, "late");
    assert_true(test_client_subscribe(late, "x"));
    see(late, "*\"type\":\"join\"*");
    see_nothing(a);
    set_override(s.policy, "quiet", "*", 0, 0);
    test_client_leave(late);
    see(q, "*\"type\":\"leave\"*");
    see_nothing(a);
    srl_relay_set_permissions(s.home.relay, NULL); /* no policy: nobody is kept from it */
    set_namespace(&s.home, "x", 0, "join_leave", "session", "history_size", "10", NULL);
    late = test_client_enter(&s.home, "late");
    assert_true(test_client_subscribe(late, "x"));
    see(q, "*\"type\":\"join\"*");
    see(a, "*\"type\":\"join\"*");
    end(&s);
}

static void a_namespace_changes(void **state)
{
    scene s;
    test_client *ann;
    test_client *anonymous;
    (void)state;

    begin(&s);
    srl_relay_set_permissions(s.home.relay, NULL);
    set_namespace(&s.home, "n:", SRL_NAMESPACE_PUBLIC, NULL);
    ann = test_client_enter(&s.home, "ann");
    anonymous = test_client_enter(&s.home, "");
    assert_true(test_client_subscribe(ann, "n:1"));
    assert_true(test_client_subscribe(anonymous, "n:1"));
    set_namespace(&s.home, "n:", SRL_NAMESPACE_CHAT, NULL);
    see(anonymous, OUT(2100));
    see_nothing(ann);
    set_namespace(&s.home, "n:1", 0, "subscribe", "false", NULL);
    see(ann, OUT(2100));
    assert_int_equal(srl_relay_remove_namespace(s.home.relay, "n:1", 3), SRL_OK);
    assert_true(test_client_subscribe(ann, "n:1"));
    end(&s);
}

/* Channels become somebody's own: strangers do not stay, whoever let them in. */
static void a_namespace_becomes_personal(void **state)
{
    for (int hook = 0; hook < 2; hook++) {
        scene s;
        test_client *ann;
        test_client *bob;
        (void)state;

        begin_with(&s, TEST_CONNECT | (hook ? TEST_SUBSCRIBE : 0u), 0);
        srl_relay_set_permissions(s.home.relay, NULL);
        ann = test_client_enter(&s.home, "ann");
        bob = test_client_enter(&s.home, "bob");
        assert_true(test_client_subscribe(ann, "p:ann"));
        assert_true(test_client_subscribe(bob, "p:ann"));
        set_namespace(&s.home, "p:", SRL_NAMESPACE_PERSONAL, NULL);
        see(bob, OUT(2100));
        see_nothing(ann);
        end(&s);
    }
}

static void set_and_taken_away(void **state)
{
    scene s;
    test_client *c;
    (void)state;

    begin(&s);
    set_namespace(&s.home, "shut:", 0, "subscribe", "false", NULL);
    set_rule(s.policy, "shut:*", SRL_PERM_ALL);
    c = test_client_enter(&s.home, "ann");
    assert_true(test_client_subscribe(c, "shut:a"));
    assert_true(test_client_subscribe(c, "open"));
    srl_relay_set_permissions(s.home.relay, NULL); /* options decide now */
    see(c, OUT(2100));
    see_nothing(c);
    srl_relay_set_permissions(s.home.relay, NULL);
    set_rule(s.policy, "open", SRL_PERM_NONE);
    see_nothing(c); /* nobody looks at it any more */
    srl_relay_set_permissions(s.home.relay, s.policy);
    see(c, OUT(2100));
    srl_relay_set_permissions(s.home.relay, s.policy);
    see_nothing(c);
    end(&s);
}

static void those_put_there_by_the_server_stay(void **state)
{
    scene s;
    test_client *c;
    (void)state;

    begin(&s);
    set_rule(s.policy, "*", SRL_PERM_NONE);
    c = test_client_enter(&s.home, "ann");
    assert_int_equal(srl_relay_subscribe_user(s.home.relay, "ann", 3, "a", 1), SRL_OK);
    see(c, IN);
    set_override(s.policy, "ann", "a", 0, SRL_PERM_ALL);
    set_namespace(&s.home, "a", 0, "subscribe", "false", NULL);
    see_nothing(c);
    assert_int_equal(test_client_command(c, "unsubscribe", "a", NULL), SRL_OK);
    see(c, YES);
    asks(c, "subscribe", "a", NULL, NO(103)); /* by itself it may not */
    end(&s);
}

/* ---- lives */

static void the_policy_outlives_the_relay(void **state)
{
    scene s;
    (void)state;

    begin(&s);
    set_rule(s.policy, "*", SRL_PERM_ALL);
    assert_true(test_client_subscribe(test_client_enter(&s.home, "ann"), "a"));
    test_relay_destroy(&s.home);
    set_rule(s.policy, "*", SRL_PERM_NONE);
    end(&s);
}

static void the_relay_outlives_the_policy(void **state)
{
    scene s;
    test_client *c;
    (void)state;

    begin(&s);
    set_rule(s.policy, "a", SRL_PERM_SUBSCRIBE);
    srl_permissions_destroy(s.policy);
    s.policy = NULL;
    c = test_client_enter(&s.home, "ann");
    assert_true(test_client_subscribe(c, "a"));
    asks(c, "publish", "a", SAY, NO(103));
    end(&s);
}

static void two_relays_one_policy(void **state)
{
    scene s;
    test_relay other;
    test_client *a;
    test_client *b;
    (void)state;

    begin(&s);
    test_relay_init(&other);
    assert_int_equal(test_relay_start(&other, NULL), SRL_OK);
    srl_relay_set_permissions(other.relay, s.policy);
    set_rule(s.policy, "*", SRL_PERM_ALL);
    a = test_client_enter(&s.home, "ann");
    b = test_client_enter(&other, "ann");
    assert_true(test_client_subscribe(a, "x"));
    assert_true(test_client_subscribe(b, "x"));
    set_override(s.policy, "ann", "x", 0, SRL_PERM_SUBSCRIBE);
    see(a, OUT(2100));
    see(b, OUT(2100));
    test_relay_end(&other);
    set_override(s.policy, "ann", "x", 0, 0);
    assert_true(test_client_subscribe(a, "x"));
    end(&s);
}

typedef struct wreck {
    test_relay *other;
    srl_permissions *policy;
    unsigned events;
} wreck;

/* Of the first relay: what one does on being told that somebody is out. */
static void ruin(srl_relay *relay, const srl_event *event, void *user)
{
    wreck *w = user;

    if (event->type != SRL_EVENT_UNSUBSCRIBED || w->events++ > 0) {
        return;
    }
    test_relay_destroy(w->other);
    srl_relay_set_permissions(relay, NULL);
    srl_permissions_destroy(w->policy);
}

static void everything_goes_while_relays_are_told(void **state)
{
    scene s;
    test_relay other;
    wreck w = {.other = &other};
    (void)state;

    begin(&s);
    test_relay_init(&other);
    assert_int_equal(test_relay_start(&other, NULL), SRL_OK);
    srl_relay_set_permissions(other.relay, s.policy);
    set_rule(s.policy, "*", SRL_PERM_ALL);
    assert_true(test_client_subscribe(test_client_enter(&s.home, "ann"), "x"));
    assert_true(test_client_subscribe(test_client_enter(&other, "ann"), "x"));
    w.policy = s.policy;
    srl_relay_set_event_hook(s.home.relay, ruin, &w);
    set_rule(s.policy, "*", SRL_PERM_NONE);
    assert_int_equal(w.events, 1);
    s.policy = NULL;
    test_relay_end(&other);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(without_a_rule_options_decide),
        cmocka_unit_test(anonymous_users),
        cmocka_unit_test(hook_and_policy),
        cmocka_unit_test(a_late_yes_is_not_enough),
        cmocka_unit_test(taken_away_while_subscribing),
        cmocka_unit_test(roles_of_the_connect_answer),
        cmocka_unit_test(roles_of_a_refused_connect),
        cmocka_unit_test(roles_of_a_subscription),
        cmocka_unit_test(roles_of_a_subscription_that_failed),
        cmocka_unit_test(assigned_roles),
        cmocka_unit_test(a_rule_limits_subscribers),
        cmocka_unit_test(a_rule_overrides_presence_and_joins),
        cmocka_unit_test(who_lost_the_right_is_unsubscribed),
        cmocka_unit_test(many_changes_are_one_check),
        cmocka_unit_test(the_quiet_are_not_told),
        cmocka_unit_test(a_namespace_changes),
        cmocka_unit_test(a_namespace_becomes_personal),
        cmocka_unit_test(set_and_taken_away),
        cmocka_unit_test(those_put_there_by_the_server_stay),
        cmocka_unit_test(the_policy_outlives_the_relay),
        cmocka_unit_test(the_relay_outlives_the_policy),
        cmocka_unit_test(two_relays_one_policy),
        cmocka_unit_test(everything_goes_while_relays_are_told),
    };

    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
