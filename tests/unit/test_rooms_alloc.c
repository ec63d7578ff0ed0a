/* Every allocation of a scenario with groups, a direct conversation, positions and changes of the policy fails once.
 * No crash, no leak; and what was reported as done is done: who was taken out is out, who was let in is in or has been
 * told to come back. */
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
    test_client *ann;
    test_client *bob;
    test_client *cyd;
    bool removed; /* bob from the group, says the library */
    bool denied;  /* bob in chat:x */
    bool kicked;  /* cyd */
    bool added;   /* ann to the group */
} scene;

static bool add_namespace(scene *s, const char *prefix, int preset, const char *const *settings)
{
    srl_options *options;
    int error;

    assert_int_equal(srl_options_create(&options), SRL_OK);
    assert_int_equal(srl_options_apply_preset(options, preset), SRL_OK);
    for (; *settings != NULL; settings += 2) {
        assert_int_equal(srl_options_set(options, settings[0], settings[1]), SRL_OK);
    }
    error = srl_relay_set_namespace(s->home.relay, prefix, strlen(prefix), options);
    assert_true(error == SRL_OK || error == SRL_ERR_NOMEM);
    srl_options_destroy(options);
    return error == SRL_OK;
}

static bool prepare(scene *s)
{
    static const char *const group[] = {"room", "group", "positions", "ack", NULL};
    static const char *const direct[] = {"room", "direct", "publish", "true", NULL};
    static const char *const none[] = {NULL};
    srl_channel_rule rule = rule_of("*", SRL_PERM_ALL);

    if (!add_namespace(s, "group:", SRL_NAMESPACE_CHAT, group) ||
        !add_namespace(s, "dm:", SRL_NAMESPACE_PERSONAL, direct) ||
        !add_namespace(s, "chat:", SRL_NAMESPACE_CHAT, none) ||
        srl_permissions_create(&s->home.memory.table, &s->policy) != SRL_OK) {
        return false;
    }
    srl_relay_set_permissions(s->home.relay, s->policy);
    return srl_permissions_add_rule(s->policy, &rule) == SRL_OK;
}

static void say(test_client *c, const char *type, const char *channel, const char *data)
{
    if (c != NULL && c->session != NULL) {
        int error = test_client_command(c, type, channel, data);

        assert_true(error == SRL_OK || error == SRL_ERR_NOMEM || error == SRL_ERR_CLOSED);
    }
}

static test_client *enter(scene *s, const char *user)
{
    test_client *c = test_client_enter(&s->home, user);

    if (c != NULL) {
        say(c, "subscribe", "chat:x", NULL);
    }
    return c;
}

/* As a host would: what fails for want of memory is reported by the call or by the callback, and only then. */
static bool done(outcome *o, int error)
{
    assert_true(error == SRL_OK || error == SRL_ERR_NOMEM);
    assert_int_equal(o->calls, error == SRL_OK);
    error = error == SRL_OK ? o->error : error;
    *o = (outcome){0};
    return error == SRL_OK;
}

static void unread_told(int error, uint64_t unread, uint64_t offset, const char *epoch, size_t epoch_len, void *user)
{
    (void)unread;
    (void)offset;
    (void)epoch;
    (void)epoch_len;
    noted(error, user);
}

static void act(scene *s)
{
    srl_relay *relay = s->home.relay;
    outcome o = {0};
    listing l = {0};
    bool is_member;
    (void)listed;

    s->ann = enter(s, "ann");
    s->bob = enter(s, "bob");
    s->cyd = enter(s, "cyd");
    (void)done(&o, srl_room_create(relay, TEXT("group:x"), TEXT("{\"a\":1}"), noted, &o));
    s->added = done(&o, srl_room_add_member(relay, TEXT("group:x"), TEXT("ann"), noted, &o));
    is_member = done(&o, srl_room_add_member(relay, TEXT("group:x"), TEXT("bob"), noted, &o));
    say(s->bob, "publish", "group:x", SAY);
    say(s->ann, "ack", "group:x", "{\"offset\":1}");
    say(s->ann, "unread", "group:x", NULL);
    (void)test_relay_publish(&s->home, "dm:ann,bob", "1");
    say(s->ann, "publish", "dm:ann,cyd", SAY);
    (void)done(&o, srl_relay_unread(relay, TEXT("bob"), TEXT("dm:ann,bob"), unread_told, &o));
    (void)srl_room_members(relay, TEXT("group:x"), "", 0, 10, listed, &l);
    say(s->cyd, "subscribe", "group:x", NULL);
    if (srl_permissions_set_override(s->policy, TEXT("bob"), TEXT("chat:*"), 0, SRL_PERM_SUBSCRIBE) == SRL_OK) {
        s->denied = true;
    }
    s->removed = is_member && done(&o, srl_room_remove_member(relay, TEXT("group:x"), TEXT("bob"), noted, &o));
    s->kicked = srl_relay_disconnect_user(relay, TEXT("cyd"), 0, NULL, 0) == SRL_OK;
    test_relay_process(&s->home);
}

static int is_him(srl_session *session, void *user)
{
    const char **name = user;
    size_t len;
    const char *id = srl_session_user_id(session, &len);

    if (*name != NULL && len == strlen(*name) && memcmp(id, *name, len) == 0) {
        *name = NULL;
    }
    return 0;
}

static bool is_in(scene *s, const char *user, const char *channel)
{
    (void)srl_relay_each_subscriber(s->home.relay, TEXT(channel), is_him, &user);
    return user == NULL;
}

static bool is_online(const test_client *c)
{
    return c != NULL && c->session != NULL && srl_session_is_connected(c->session);
}

static void check(scene *s)
{
    assert_false(s->removed && is_in(s, "bob", "group:x"));
    assert_false(s->denied && is_in(s, "bob", "chat:x"));
    assert_false(is_in(s, "cyd", "group:x"));
    assert_false(s->kicked && is_online(s->cyd));
    assert_true(!s->added || !is_online(s->ann) || is_in(s, "ann", "group:x"));
}

static uint64_t run(uint64_t nth, bool fail_on)
{
    static scene s;
    uint64_t calls;

    memset(&s, 0, sizeof(s));
    assert_int_equal(TEST_RELAY(&s.home, NULL), SRL_OK);
    srl_test_alloc_fail(&s.home.memory, nth, fail_on);
    calls = s.home.memory.calls;
    if (prepare(&s)) {
        act(&s);
        assert_true(nth != 0 ||
                    is_in(&s, "bob", "dm:ann,bob")); /* without memory he may miss the call, not the message */
    } else {
        assert_int_not_equal(nth, 0);
    }
    calls = s.home.memory.calls - calls;
    srl_test_alloc_fail(&s.home.memory, 0, false);
    test_relay_process(&s.home);
    check(&s);
    if (nth == 0) {
        assert_true(s.added && s.removed && s.denied && s.kicked);
        assert_true(is_online(s.ann) && is_online(s.bob));
    }
    srl_permissions_destroy(s.policy);
    test_relay_end(&s.home);
    return calls;
}

static void each_allocation_fails(void **state)
{
    uint64_t count = run(0, false);
    (void)state;

    assert_true(count > 100);
    for (uint64_t nth = 1; nth <= count; nth++) {
        (void)run(nth, false);
        (void)run(nth, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_fails),
    };

    return cmocka_run_group_tests_name("rooms_alloc", tests, NULL, NULL);
}
