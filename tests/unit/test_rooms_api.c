/* Groups, direct conversations, personal channels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helpers/broker_slow.h"
#include "helpers/rules.h"

#define G "group:x"

static void begin(test_relay *home)
{
    assert_int_equal(TEST_RELAY(home, "max_info_bytes", "64", "max_members", "5", NULL), SRL_OK);
    set_namespace(home, "group:", SRL_NAMESPACE_CHAT, "room", "group", "presence", "false", "join_leave", "off", NULL);
    set_namespace(home, "dm:", SRL_NAMESPACE_PERSONAL, "room", "direct", "publish", "true", NULL);
    set_namespace(home, "user:", SRL_NAMESPACE_PERSONAL, NULL);
}

typedef struct info {
    unsigned calls;
    int error;
    char meta[80];
    uint32_t members;
} info;

static void informed(int error, const char *meta, size_t meta_len, uint32_t members, void *user)
{
    info *i = user;

    i->calls++;
    i->error = error;
    i->members = members;
    assert_in_range(meta_len, 0, sizeof(i->meta) - 1);
    assert_non_null(meta);
    memcpy(i->meta, meta, meta_len);
    i->meta[meta_len] = '\0';
}

static void see_info(test_relay *home, const char *channel, int error, const char *meta, uint32_t members)
{
    info i = {0};

    assert_int_equal(srl_room_info(home->relay, TEXT(channel), informed, &i), SRL_OK);
    assert_int_equal(i.calls, 1);
    assert_int_equal(i.error, error);
    assert_string_equal(i.meta, meta);
    assert_int_equal(i.members, members);
}

static void groups_come_and_go(void **state)
{
    test_relay home;
    (void)state;

    begin(&home);
    see_info(&home, G, SRL_ERR_NOT_FOUND, "", 0);
    done_now(SRL_OK, srl_room_create, home.relay, TEXT(G), TEXT("{\"title\":\"x\"}"));
    done_now(SRL_ERR_EXISTS, srl_room_create, home.relay, TEXT(G), "", 0);
    see_info(&home, G, SRL_OK, "{\"title\":\"x\"}", 0);
    done_now(SRL_OK, srl_room_set_meta, home.relay, TEXT(G), TEXT("2"));
    see_info(&home, G, SRL_OK, "2", 0);
    done_now(SRL_OK, srl_room_set_meta, home.relay, TEXT(G), "", 0);
    add_member(&home, G, "ann");
    see_info(&home, G, SRL_OK, "", 1);
    done_now(SRL_ERR_NOT_FOUND, srl_room_set_meta, home.relay, TEXT("group:none"), TEXT("2"));
    done_now(SRL_OK, srl_room_delete, home.relay, TEXT(G));
    done_now(SRL_ERR_NOT_FOUND, srl_room_delete, home.relay, TEXT(G));
    done_now(SRL_ERR_NOT_FOUND, srl_room_add_member, home.relay, TEXT(G), TEXT("ann"));
    see_info(&home, G, SRL_ERR_NOT_FOUND, "", 0);
    make_group(&home, G);
    see_info(&home, G, SRL_OK, "", 0); /* a new one: nobody in it */
    assert_int_equal(srl_room_create(home.relay, TEXT("group:quiet"), "", 0, NULL, NULL), SRL_OK);
    see_info(&home, "group:quiet", SRL_OK, "", 0);
    test_relay_end(&home);
}

static void what_is_no_group_is_refused(void **state)
{
    test_relay home;
    char user[200];
    outcome o = {0};
    listing l = {0};
    (void)state;

    begin(&home);
    memset(user, 'u', sizeof(user));
    assert_int_equal(srl_room_create(home.relay, TEXT("chat:x"), "", 0, noted, &o), SRL_ERR_STATE);
    assert_string_not_equal(srl_relay_last_error(home.relay), "");
    assert_int_equal(srl_room_create(home.relay, TEXT("dm:a,b"), "", 0, noted, &o), SRL_ERR_STATE);
    assert_int_equal(srl_room_create(home.relay, "", 0, "", 0, noted, &o), SRL_ERR_INVALID);
    assert_int_equal(srl_room_create(home.relay, TEXT("group:\n"), "", 0, noted, &o), SRL_ERR_INVALID);
    assert_int_equal(srl_room_create(home.relay, TEXT(G), TEXT("{"), noted, &o), SRL_ERR_JSON);
    assert_int_equal(srl_room_create(home.relay, TEXT(G), user, 65, noted, &o), SRL_ERR_TOO_LARGE);
    assert_int_equal(srl_room_add_member(home.relay, TEXT(G), "", 0, noted, &o), SRL_ERR_INVALID);
    assert_int_equal(srl_room_add_member(home.relay, TEXT(G), user, 129, noted, &o), SRL_ERR_INVALID);
    assert_int_equal(srl_room_check_member(home.relay, TEXT(G), "a", 1, NULL, NULL), SRL_ERR_INVALID);
    assert_int_equal(srl_room_info(home.relay, TEXT(G), NULL, NULL), SRL_ERR_INVALID);
    assert_int_equal(srl_room_members(home.relay, TEXT(G), "", 0, 1, NULL, NULL), SRL_ERR_INVALID);
    assert_int_equal(srl_room_members(home.relay, TEXT("chat:x"), "", 0, 1, listed, &l), SRL_ERR_STATE);
    assert_int_equal(srl_room_groups_of(home.relay, "", 0, "", 0, 1, listed, &l), SRL_ERR_INVALID);
    assert_int_equal(o.calls + l.calls, 0);
    see_info(&home, G, SRL_ERR_NOT_FOUND, "", 0);
    test_relay_end(&home);
}

static void only_members_enter(void **state)
{
    test_relay home;
    test_client *ann;
    test_client *bob;
    (void)state;

    begin(&home);
    ann = test_client_enter(&home, "ann");
    bob = test_client_enter(&home, "bob");
    asks(ann, "subscribe", G, NULL, NO(103));
    make_group(&home, G);
    asks(ann, "subscribe", G, NULL, NO(103));
    asks(ann, "publish", G, SAY, NO(103));
    asks(ann, "history", G, NULL, NO(103));
    add_member(&home, G, "bob");
    see(bob, IN);
    asks(bob, "publish", G, SAY, YES);
    see(bob, MESSAGE);
    asks(ann, "subscribe", G, NULL, NO(103));
    see_nothing(ann);
    assert_int_equal(test_client_command(bob, "unsubscribe", G, NULL), SRL_OK);
    see(bob, YES);
    asks(bob, "publish", G, SAY, NO(103)); /* not inside */
    assert_true(test_client_subscribe(bob, G));
    done_now(SRL_OK, srl_room_check_member, home.relay, TEXT(G), TEXT("bob"));
    done_now(SRL_ERR_NOT_FOUND, srl_room_check_member, home.relay, TEXT(G), TEXT("ann"));
    done_now(SRL_ERR_NOT_FOUND, srl_room_check_member, home.relay, TEXT("group:none"), TEXT("bob"));
    test_relay_end(&home);
}

/* How much is said in a group is for its members too. */
static void unread_counts_are_for_members(void **state)
{
    test_relay home;
    test_client *ann;
    test_client *bob;
    (void)state;

    begin(&home);
    set_namespace(&home, "group:", SRL_NAMESPACE_NOTIFICATION, "room", "group", NULL);
    make_group(&home, G);
    add_member(&home, G, "bob");
    assert_int_equal(test_relay_publish(&home, G, "1"), SRL_OK);
    ann = test_client_enter(&home, "ann");
    bob = test_client_enter(&home, "bob"); /* came later: a member, not subscribed */
    asks(ann, "unread", G, NULL, NO(103));
    asks(ann, "ack", G, "{\"offset\":1}", NO(103));
    asks(bob, "unread", G, NULL, "*\"unread\":1,*");
    test_relay_end(&home);
}

static void members_online_are_in_and_out_at_once(void **state)
{
    test_relay home;
    test_client *bob[3];
    test_client *ann;
    (void)state;

    begin(&home);
    make_group(&home, G);
    for (int i = 0; i < 3; i++) {
        bob[i] = test_client_enter(&home, "bob");
    }
    ann = test_client_enter(&home, "ann");
    add_member(&home, G, "bob");
    add_member(&home, G, "ann");
    for (int i = 0; i < 3; i++) {
        see(bob[i], "{\"push\":{\"type\":\"subscribe\",\"channel\":\"group:x\",\"data\":{\"recoverable\":true,"
                    "\"offset\":0,\"epoch\":\"*\"}}}");
    }
    see(ann, IN);
    done_now(SRL_ERR_EXISTS, srl_room_add_member, home.relay, TEXT(G), TEXT("bob"));
    see_nothing(bob[0]);
    remove_member(&home, G, "bob");
    for (int i = 0; i < 3; i++) {
        see(bob[i], OUT(2000));
        see_nothing(bob[i]);
    }
    done_now(SRL_ERR_NOT_FOUND, srl_room_remove_member, home.relay, TEXT(G), TEXT("bob"));
    asks(bob[0], "subscribe", G, NULL, NO(103));
    assert_int_equal(test_relay_publish(&home, G, "1"), SRL_OK);
    see(ann, MESSAGE);
    see_nothing(bob[0]);
    done_now(SRL_OK, srl_room_delete, home.relay, TEXT(G));
    see(ann, OUT(2000));
    see_nothing(bob[0]);
    test_relay_end(&home);
}

static void lists_have_pages(void **state)
{
    static const char *const names[] = {"d", "b", "a", "c", "b2", "e", "f"};
    test_relay home;
    listing l = {0};
    (void)state;

    begin(&home);
    make_group(&home, G);
    assert_int_equal(srl_room_members(home.relay, TEXT(G), "", 0, 10, listed, &l), SRL_OK);
    assert_string_equal(l.text, "/0");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char channel[16];

        add_member(&home, G, names[i]);
        (void)snprintf(channel, sizeof(channel), "group:%s", names[i]);
        make_group(&home, channel);
        add_member(&home, channel, "zoe");
    }
    assert_int_equal(srl_room_members(home.relay, TEXT(G), "", 0, 3, listed, &l), SRL_OK);
    assert_string_equal(l.text, "a b b2 /7");
    assert_int_equal(srl_room_members(home.relay, TEXT(G), "b2", 2, 2, listed, &l), SRL_OK);
    assert_string_equal(l.text, "c d /7");
    assert_int_equal(srl_room_members(home.relay, TEXT(G), "bb", 2, 9, listed, &l), SRL_OK); /* nobody's name */
    assert_string_equal(l.text, "c d e f /7");
    assert_int_equal(srl_room_members(home.relay, TEXT(G), "", 0, 9, listed, &l), SRL_OK); /* max_members */
    assert_string_equal(l.text, "a b b2 c d /7");
    assert_int_equal(srl_room_members(home.relay, TEXT(G), "zz", 2, 9, listed, &l), SRL_OK);
    assert_string_equal(l.text, "/7");
    assert_int_equal(srl_room_members(home.relay, TEXT(G), "", 0, 0, listed, &l), SRL_OK);
    assert_string_equal(l.text, "/7");
    assert_int_equal(srl_room_members(home.relay, TEXT("group:none"), "", 0, 9, listed, &l), SRL_OK);
    assert_int_equal(l.error, SRL_OK);
    assert_string_equal(l.text, "/0"); /* a group that is not there has no members */
    assert_int_equal(srl_room_groups_of(home.relay, "zoe", 3, "", 0, 2, listed, &l), SRL_OK);
    assert_string_equal(l.text, "group:a group:b /7");
    assert_int_equal(srl_room_groups_of(home.relay, "zoe", 3, "group:b", 7, 2, listed, &l), SRL_OK);
    assert_string_equal(l.text, "group:b2 group:c /7");
    assert_int_equal(srl_room_groups_of(home.relay, "nobody", 6, "", 0, 2, listed, &l), SRL_OK);
    assert_int_equal(l.error, SRL_OK);
    assert_string_equal(l.text, "/0");
    done_now(SRL_OK, srl_room_delete, home.relay, TEXT("group:a"));
    assert_int_equal(srl_room_groups_of(home.relay, "zoe", 3, "", 0, 1, listed, &l), SRL_OK);
    assert_string_equal(l.text, "group:b /6");
    assert_int_equal(l.calls, 12);
    test_relay_end(&home);
}

/* ---- a broker that takes its time */

static void begin_slow(test_relay *home, broker_slow *slow)
{
    broker_slow_init(slow);
    test_relay_init(home);
    assert_int_equal(srl_options_set_broker(home->options, slow->broker), SRL_OK);
    assert_int_equal(test_relay_start(home, NULL), SRL_OK);
    set_namespace(home, "group:", SRL_NAMESPACE_CHAT, "room", "group", "presence", "false", "join_leave", "off", NULL);
}

static void end_slow(test_relay *home, broker_slow *slow)
{
    test_relay_end(home);
    broker_slow_end(slow);
}

static void questions_are_answered_later(void **state)
{
    test_relay home;
    broker_slow slow;
    test_client *ann;
    outcome o = {0};
    listing l = {0};
    info i = {0};
    (void)state;

    begin_slow(&home, &slow);
    ann = test_client_enter(&home, "ann");
    slow.hold = SLOW_EVERYTHING;
    assert_int_equal(srl_room_create(home.relay, TEXT(G), TEXT("1"), noted, &o), SRL_OK);
    assert_int_equal(srl_room_add_member(home.relay, TEXT(G), TEXT("ann"), noted, &o), SRL_OK);
    assert_int_equal(srl_room_members(home.relay, TEXT(G), "", 0, 9, listed, &l), SRL_OK);
    assert_int_equal(srl_room_info(home.relay, TEXT(G), informed, &i), SRL_OK);
    assert_int_equal(o.calls + l.calls + i.calls, 0);
    see_nothing(ann);
    broker_slow_flush(&slow);
    assert_int_equal(o.calls, 2);
    assert_int_equal(o.error, SRL_OK);
    assert_string_equal(l.text, "ann /1");
    assert_string_equal(i.meta, "1");
    see(ann, IN);
    assert_int_equal(test_client_command(ann, "unsubscribe", G, NULL), SRL_OK);
    see(ann, YES);
    assert_int_equal(test_client_command(ann, "subscribe", G, NULL), SRL_OK);
    see_nothing(ann);
    assert_int_equal(test_client_command(ann, "publish", G, SAY), SRL_OK); /* waits for that */
    see_nothing(ann);
    broker_slow_flush(&slow);
    see(ann, YES);
    broker_slow_flush(&slow);
    see(ann, YES);
    see(ann, MESSAGE);
    end_slow(&home, &slow);
}

static void the_relay_goes_before_the_answer(void **state)
{
    test_relay home;
    broker_slow slow;
    test_client *ann;
    outcome o = {0};
    listing l = {0};
    info i = {0};
    (void)state;

    begin_slow(&home, &slow);
    ann = test_client_enter(&home, "ann");
    make_group(&home, G);
    slow.hold = SLOW_EVERYTHING;
    assert_int_equal(test_client_command(ann, "subscribe", G, NULL), SRL_OK);
    assert_int_equal(srl_room_add_member(home.relay, TEXT(G), TEXT("ann"), noted, &o), SRL_OK);
    assert_int_equal(srl_room_members(home.relay, TEXT(G), "", 0, 9, listed, &l), SRL_OK);
    assert_int_equal(srl_room_info(home.relay, TEXT(G), informed, &i), SRL_OK);
    test_relay_destroy(&home);
    assert_int_equal(o.calls, 1);
    assert_int_equal(o.error, SRL_ERR_CANCELLED);
    assert_int_equal(l.error, SRL_ERR_CANCELLED);
    assert_int_equal(i.error, SRL_ERR_CANCELLED);
    end_slow(&home, &slow);
}

static void a_client_goes_before_the_answer(void **state)
{
    test_relay home;
    broker_slow slow;
    test_client *ann;
    (void)state;

    begin_slow(&home, &slow);
    ann = test_client_enter(&home, "ann");
    make_group(&home, G);
    add_member(&home, G, "ann");
    see(ann, IN);
    assert_int_equal(srl_session_unsubscribe(ann->session, TEXT(G), 0), SRL_OK);
    slow.hold = SLOW_EVERYTHING;
    assert_int_equal(test_client_command(ann, "subscribe", G, NULL), SRL_OK);
    assert_int_equal(slow.count, 1);
    test_client_leave(ann);
    broker_slow_flush(&slow);
    end_slow(&home, &slow);
}

static void the_directory_fails(void **state)
{
    test_relay home;
    broker_slow slow;
    test_client *ann;
    outcome o = {0};
    (void)state;

    begin_slow(&home, &slow);
    ann = test_client_enter(&home, "ann");
    make_group(&home, G);
    slow.refuse = SLOW_EVERYTHING;
    slow.error = SRL_ERR_BROKER_DOWN;
    assert_int_equal(srl_room_add_member(home.relay, TEXT(G), TEXT("ann"), noted, &o), SRL_ERR_BROKER_DOWN);
    assert_int_equal(o.calls, 0);
    asks(ann, "subscribe", G, NULL, NO(100));
    assert_int_equal(srl_session_channel_count(ann->session), 0);
    end_slow(&home, &slow);
}

/* The broker has said yes, the answer is on its way, and the member is removed. */
static void removed_while_entering(void **state)
{
    test_relay home;
    broker_slow slow;
    test_client *ann;
    (void)state;

    begin_slow(&home, &slow);
    make_group(&home, G);
    add_member(&home, G, "ann");
    ann = test_client_enter(&home, "ann");
    slow.answer = SLOW(SRL_DIRECTORY_CHECK);
    assert_int_equal(test_client_command(ann, "subscribe", G, NULL), SRL_OK);
    remove_member(&home, G, "ann");
    test_client_skip(ann);
    broker_slow_flush(&slow);
    see_nothing(ann);
    assert_int_equal(srl_session_channel_count(ann->session), 0);
    end_slow(&home, &slow);
}

/* ... and the group is deleted. */
static void deleted_while_entering(void **state)
{
    test_relay home;
    broker_slow slow;
    test_client *ann;
    (void)state;

    begin_slow(&home, &slow);
    make_group(&home, G);
    add_member(&home, G, "ann");
    ann = test_client_enter(&home, "ann");
    slow.answer = SLOW(SRL_DIRECTORY_CHECK);
    assert_int_equal(test_client_command(ann, "subscribe", G, NULL), SRL_OK);
    done_now(SRL_OK, srl_room_delete, home.relay, TEXT(G));
    test_client_skip(ann);
    broker_slow_flush(&slow);
    see_nothing(ann);
    assert_int_equal(srl_session_channel_count(ann->session), 0);
    end_slow(&home, &slow);
}

/* The broker has said no, the answer is on its way, and the user is made a member: in at once. */
static void added_while_entering(void **state)
{
    test_relay home;
    broker_slow slow;
    test_client *ann;
    (void)state;

    begin_slow(&home, &slow);
    make_group(&home, G);
    ann = test_client_enter(&home, "ann");
    slow.answer = SLOW(SRL_DIRECTORY_CHECK);
    assert_int_equal(test_client_command(ann, "subscribe", G, NULL), SRL_OK);
    add_member(&home, G, "ann");
    broker_slow_flush(&slow);
    see(ann, YES);
    see_nothing(ann);
    assert_int_equal(srl_session_channel_count(ann->session), 1);
    end_slow(&home, &slow);
}

static void keep_it(void *broker)
{
    (void)broker;
}

static void without_a_directory(void **state)
{
    test_relay home;
    broker_slow slow;
    srl_broker_ops ops;
    srl_broker *bare;
    outcome o = {0};
    test_client *ann;
    (void)state;

    broker_slow_init(&slow);
    ops = *srl__broker_ops_of(slow.broker);
    ops.directory = NULL;
    ops.control = NULL;
    ops.position_get = NULL;
    ops.position_set = NULL;
    ops.destroy = keep_it;
    assert_int_equal(srl_broker_create(&ops, &slow, &bare), SRL_OK);
    test_relay_init(&home);
    assert_int_equal(srl_options_set_broker(home.options, bare), SRL_OK);
    assert_int_equal(test_relay_start(&home, NULL), SRL_OK);
    set_namespace(&home, "group:", SRL_NAMESPACE_CHAT, "room", "group", NULL);
    set_namespace(&home, "dm:", SRL_NAMESPACE_PERSONAL, "room", "direct", "publish", "true", NULL);
    ann = test_client_enter(&home, "ann");
    assert_int_equal(srl_room_create(home.relay, TEXT(G), "", 0, noted, &o), SRL_ERR_UNAVAILABLE);
    assert_int_equal(srl_relay_subscribe_user(home.relay, "ann", 3, "a", 1), SRL_ERR_UNAVAILABLE);
    assert_int_equal(srl_relay_disconnect_user(home.relay, "ann", 3, 0, NULL, 0), SRL_ERR_UNAVAILABLE);
    asks(ann, "subscribe", G, NULL, NO(108));
    asks(ann, "subscribe", "dm:ann,bob", NULL, NO(108)); /* its options promise positions */
    asks(ann, "unread", "dm:ann,bob", NULL, NO(108));
    assert_int_equal(o.calls, 0);
    test_relay_end(&home);
    srl_broker_release(bare);
    broker_slow_end(&slow);
}

/* ---- direct conversations */

static const char *direct(const char *prefix, const char *one, const char *other)
{
    static char name[256];
    int32_t len = srl_room_direct_channel(TEXT(prefix), TEXT(one), TEXT(other), name, sizeof(name));

    assert_int_equal(len, strlen(name));
    return name;
}

static void the_name_of_two(void **state)
{
    char out[8];
    (void)state;

    assert_string_equal(direct("dm:", "bob", "ann"), "dm:ann,bob");
    assert_string_equal(direct("dm:", "ann", "bob"), "dm:ann,bob");
    assert_string_equal(direct("dm:", "a,b", "a%b"), "dm:a%25b,a%2Cb"); /* '%' is below ',' */
    assert_string_equal(direct("", "a", "ab"), "a,ab");
    assert_string_equal(direct("", "\xc3\xa4", "z"), "z,\xc3\xa4");
    assert_string_equal(direct("", ",", "%"), "%25,%2C");
    assert_int_equal(srl_room_direct_channel("d:", 2, "a", 1, "a", 1, out, sizeof(out)), SRL_ERR_INVALID);
    assert_int_equal(srl_room_direct_channel("d:", 2, "", 0, "a", 1, out, sizeof(out)), SRL_ERR_INVALID);
    assert_int_equal(srl_room_direct_channel("d:", 2, "a", 1, "", 0, out, sizeof(out)), SRL_ERR_INVALID);
    assert_int_equal(srl_room_direct_channel("d:", 2, "ab", 2, "cd", 2, out, 7), 7);
    assert_string_equal(out, "");
    assert_int_equal(srl_room_direct_channel("d:", 2, "ab", 2, "cd", 2, out, 8), 7);
    assert_string_equal(out, "d:ab,cd");
    assert_int_equal(srl_room_direct_channel("d:", 2, "ab", 2, "cd", 2, NULL, 0), 7);
}

static void only_the_two_enter(void **state)
{
    static const char *const wrong[] = {"dm:bob,ann",   "dm:ann,ann",     "dm:ann",      "dm:ann,",
                                        "dm:,ann",      "dm:ann,bob,cyd", "dm:ann,bob%", "dm:ann,bob%2",
                                        "dm:ann,%62ob", "dm:%61nn,bob",   "dm:"};
    test_relay home;
    test_client *ann;
    test_client *odd;
    test_client *eve;
    (void)state;

    begin(&home);
    ann = test_client_enter(&home, "ann");
    odd = test_client_enter(&home, "o,d%d");
    eve = test_client_enter(&home, "eve");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        asks(ann, "subscribe", wrong[i], NULL, NO(103));
        asks(ann, "publish", wrong[i], SAY, NO(103));
    }
    asks(eve, "subscribe", "dm:ann,bob", NULL, NO(103));
    asks(eve, "publish", "dm:ann,bob", SAY, NO(103));
    asks(eve, "history", "dm:ann,bob", NULL, NO(103));
    asks(eve, "unread", "dm:ann,bob", NULL, NO(103));
    asks(eve, "ack", "dm:ann,bob", "{\"offset\":0}", NO(103));
    asks(odd, "subscribe", "dm:ann,o,d%d", NULL, NO(103));
    asks(odd, "subscribe", "dm:ann,o%2cd%25d", NULL, NO(103)); /* not the canonical spelling */
    assert_true(test_client_subscribe(odd, "dm:ann,o%2Cd%25d"));
    assert_true(test_client_subscribe(ann, "dm:ann,o%2Cd%25d"));
    asks(ann, "publish", "dm:ann,o%2Cd%25d", SAY, YES);
    see(odd, MESSAGE);
    see_nothing(eve);
    test_relay_end(&home);
}

static void the_other_side_is_reached(void **state)
{
    test_relay home;
    test_client *ann[2];
    test_client *bob[2];
    test_client *eve;
    (void)state;

    begin(&home);
    eve = test_client_enter(&home, "eve");
    for (int i = 0; i < 2; i++) {
        ann[i] = test_client_enter(&home, "ann");
        bob[i] = test_client_enter(&home, "bob");
    }
    asks(ann[0], "publish", "dm:ann,bob", SAY, YES);
    see(ann[0], IN);
    see(ann[0], MESSAGE);
    see(ann[1], IN);
    see(ann[1], MESSAGE);
    for (int i = 0; i < 2; i++) {
        see(bob[i], "{\"push\":{\"type\":\"subscribe\",\"channel\":\"dm:ann,bob\",*\"unread\":1*");
        see(bob[i],
            "{\"push\":{\"type\":\"message\",\"channel\":\"dm:ann,bob\",\"data\":{\"offset\":1,*\"user\":\"ann\"*");
    }
    assert_int_equal(test_client_command(bob[0], "unsubscribe", "dm:ann,bob", NULL), SRL_OK);
    see(bob[0], YES);
    assert_int_equal(test_relay_publish(&home, "dm:ann,bob", "\"from the host\""), SRL_OK);
    see(bob[0], IN);
    see(bob[0], MESSAGE);
    see(bob[1], MESSAGE);
    see(ann[0], MESSAGE);
    see_nothing(bob[1]);
    see_nothing(eve);
    assert_int_equal(test_relay_publish(&home, "dm:bob,ann", "1"), SRL_OK); /* nobody's */
    see_nothing(bob[1]);
    see_nothing(ann[0]);
    test_relay_end(&home);
}

static void personal_channels(void **state)
{
    test_relay home;
    test_client *ann;
    test_client *bob;
    (void)state;

    begin(&home);
    ann = test_client_enter(&home, "ann");
    bob = test_client_enter(&home, "bob");
    asks(bob, "subscribe", "user:ann", NULL, NO(103));
    asks(bob, "subscribe", "user:", NULL, NO(103));
    asks(bob, "subscribe", "user:bob2", NULL, NO(103));
    asks(bob, "history", "user:ann", NULL, NO(103));
    assert_true(test_client_subscribe(ann, "user:ann"));
    asks(ann, "publish", "user:ann", SAY, NO(103));
    assert_int_equal(test_relay_publish(&home, "user:ann", "1"), SRL_OK);
    see(ann, MESSAGE);
    see_nothing(bob);
    asks(bob, "history", "user:bob", NULL, YES); /* its own, subscribed or not */
    test_relay_end(&home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_come_and_go),
        cmocka_unit_test(what_is_no_group_is_refused),
        cmocka_unit_test(only_members_enter),
        cmocka_unit_test(unread_counts_are_for_members),
        cmocka_unit_test(members_online_are_in_and_out_at_once),
        cmocka_unit_test(lists_have_pages),
        cmocka_unit_test(questions_are_answered_later),
        cmocka_unit_test(the_relay_goes_before_the_answer),
        cmocka_unit_test(a_client_goes_before_the_answer),
        cmocka_unit_test(the_directory_fails),
        cmocka_unit_test(removed_while_entering),
        cmocka_unit_test(deleted_while_entering),
        cmocka_unit_test(added_while_entering),
        cmocka_unit_test(without_a_directory),
        cmocka_unit_test(the_name_of_two),
        cmocka_unit_test(only_the_two_enter),
        cmocka_unit_test(the_other_side_is_reached),
        cmocka_unit_test(personal_channels),
    };

    return cmocka_run_group_tests_name("rooms_api", tests, NULL, NULL);
}
