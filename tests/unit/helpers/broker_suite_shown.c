#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "helpers/broker_suite.h"

#include <stdio.h>

#include <streamrelay/session.h>

#include "helpers/broker_fixture.h"

/* ---- sessions of a channel */

static void show(fixture *f, srl_test_node *node, srl_broker_channel channel, const char *client, const char *user,
                 const char *info, const char *channel_info)
{
    srl_test_answer answer = {0};
    srl_test_presence_show(node, &channel, client, user, info, channel_info, &answer);
    await(f, &answer);
    assert_int_equal(answer.error, SRL_OK);
}

static void leave(fixture *f, srl_broker_channel channel, const char *client, const char *user)
{
    srl_test_answer answer = {0};
    srl_test_presence_remove(&f->b, &channel, client, user, &answer);
    await(f, &answer);
    assert_int_equal(answer.error, SRL_OK);
}

/* "c1 ann info/channel info, ...": the sessions of a list, in order. */
static void expect_sessions(fixture *f, srl_broker_channel channel, uint32_t limit, uint32_t users,
                            const char *expected)
{
    srl_test_answer answer = {0};
    char seen[1024] = "";
    srl_test_presence_list(&f->a, &channel, limit, &answer);
    await(f, &answer);
    assert_int_equal(answer.error, SRL_OK);
    assert_int_equal(answer.listed, users);
    for (uint32_t i = 0; i < answer.session_count; i++) {
        size_t len = strlen(seen);
        assert_int_equal(strlen(answer.sessions[i].client), SRL_CLIENT_ID_LEN);
        snprintf(seen + len, sizeof(seen) - len, "%s%.2s %s %s/%s", i > 0 ? ", " : "", answer.sessions[i].client,
                 answer.sessions[i].user, answer.sessions[i].info, answer.sessions[i].channel_info);
    }
    assert_string_equal(seen, expected);
}

static void sessions_are_listed_by_user_in_order_of_arrival(void **state)
{
    fixture *f = *state;
    srl_broker_channel channel = srl_test_channel("p", 0);
    show(f, &f->a, channel, "c1", "ann", "1", "{\"of\":1}");
    show(f, &f->b, channel, "c2", "bob", "2", "");
    show(f, &f->b, channel, "c3", "ann", "", "[\"\xC3\xA4\\n\"]");
    show(f, &f->a, channel, "c4", "", "", "");
    show(f, &f->a, channel, "c5", "ann", "5", "55");
    show(f, &f->a, channel, "c6", "", "6", "");
    expect_sessions(f, channel, 9, 3,
                    "c1 ann 1/{\"of\":1}, c3 ann /[\"\xC3\xA4\\n\"], c5 ann 5/55, c2 bob 2/, c4  /, c6  6/");
    expect_sessions(f, channel, 3, 3, "c1 ann 1/{\"of\":1}, c3 ann /[\"\xC3\xA4\\n\"], c5 ann 5/55");
    expect_sessions(f, channel, 2, 2, "c1 ann 1/{\"of\":1}, c3 ann /[\"\xC3\xA4\\n\"]");
    expect_sessions(f, channel, 1, 1, "c1 ann 1/{\"of\":1}");
    expect_sessions(f, channel, 0, 0, "");
    expect_sessions(f, srl_test_channel("empty", 0), 9, 0, "");
}

static void a_users_info_is_that_of_the_last_session_listed_or_not(void **state)
{
    fixture *f = *state;
    srl_broker_channel channel = srl_test_channel("p", 0);
    show(f, &f->a, channel, "c1", "ann", "1", "one");
    show(f, &f->a, channel, "c2", "ann", "2", "two");
    show(f, &f->a, channel, "c3", "bob", "3", "three");
    for (uint32_t limit = 1; limit < 5; limit++) {
        srl_test_answer answer = {0};
        srl_test_presence_list(&f->b, &channel, limit, &answer);
        await(f, &answer);
        assert_string_equal(answer.users[0].info, "2");
        assert_int_equal(answer.users[0].sessions, 2);
        assert_int_equal(answer.session_count, limit < 3 ? limit : 3);
        if (limit > 1) {
            assert_string_equal(answer.users[1].info, "3");
        }
    }
}

static void sessions_change_and_go_from_every_place(void **state)
{
    fixture *f = *state;
    srl_broker_channel channel = srl_test_channel("p", 0);
    const char *clients[] = {"c1", "c2", "c3", "c4", "c5"};
    for (size_t i = 0; i < 5; i++) {
        show(f, i % 2 ? &f->a : &f->b, channel, clients[i], "ann", "i", "s");
    }
    show(f, &f->a, channel, "c2", "ann", "i", "other"); /* in its place */
    expect_sessions(f, channel, 9, 1, "c1 ann i/s, c2 ann i/other, c3 ann i/s, c4 ann i/s, c5 ann i/s");
    leave(f, channel, "c3", "ann");
    expect_sessions(f, channel, 9, 1, "c1 ann i/s, c2 ann i/other, c4 ann i/s, c5 ann i/s");
    leave(f, channel, "c1", "ann");
    expect_sessions(f, channel, 9, 1, "c2 ann i/other, c4 ann i/s, c5 ann i/s");
    leave(f, channel, "c5", "ann");
    expect_sessions(f, channel, 9, 1, "c2 ann i/other, c4 ann i/s");
    show(f, &f->a, channel, "c2", "bob", "", "his"); /* somebody else now */
    expect_sessions(f, channel, 9, 2, "c4 ann i/s, c2 bob /his");
    show(f, &f->a, channel, "c4", "ann", "", "");
    show(f, &f->b, channel, "c6", "ann", "6", "");
    expect_sessions(f, channel, 9, 2, "c4 ann /, c6 ann 6/, c2 bob /his");
    leave(f, channel, "c4", "ann");
    leave(f, channel, "c6", "ann");
    show(f, &f->a, channel, "c1", "ann", "", "new");
    expect_sessions(f, channel, 9, 2, "c2 bob /his, c1 ann /new");
}

/* ---- what comes with publications */

#define TAGS         "{\"k\":\"\xC3\xA4\",\"\":\"\\u0000\"}"
#define CHANNEL_INFO "[1, \"\xF0\x9F\x90\x91\"]"
#define DATA         "{\"a\" : \"\\\"\x7F\"}"

static srl_publication with_everything(void)
{
    return (srl_publication){.size = sizeof(srl_publication),
                             .client_len = SRL_CLIENT_ID_LEN,
                             .data = DATA,
                             .data_len = sizeof(DATA) - 1,
                             .user = "ann",
                             .user_len = 3,
                             .client = "0123456789abcdef0123456789abcdef0123",
                             .info = "{\"i\":1}",
                             .info_len = 7,
                             .channel_info = CHANNEL_INFO,
                             .channel_info_len = sizeof(CHANNEL_INFO) - 1,
                             .tags = TAGS,
                             .tags_len = sizeof(TAGS) - 1};
}

static void assert_text(const char *text, size_t len, const char *expected, size_t expected_len)
{
    assert_int_equal(len, expected_len);
    if (len > 0) {
        assert_memory_equal(text, expected, len);
    }
}

static void assert_everything(const srl_publication *publication, bool has_tags)
{
    const srl_publication all = with_everything();
    assert_text(publication->data, publication->data_len, all.data, all.data_len);
    assert_text(publication->user, publication->user_len, all.user, all.user_len);
    assert_text(publication->client, publication->client_len, all.client, all.client_len);
    assert_text(publication->info, publication->info_len, all.info, all.info_len);
    assert_text(publication->channel_info, publication->channel_info_len, all.channel_info, all.channel_info_len);
    assert_text(publication->tags, publication->tags_len, all.tags, has_tags ? all.tags_len : 0);
}

static void check_delivery(srl_test_node *node, const srl_test_delivery *delivery, const srl_publication *publication)
{
    (void)delivery;
    assert_everything(publication, node->user == NULL);
}

static void check_history(srl_test_answer *answer, const srl_broker_result *result)
{
    (void)answer;
    assert_int_equal(result->publication_count, 3);
    assert_everything(&result->publications[0], true);
    assert_everything(&result->publications[1], false);
    assert_int_equal(result->publications[2].tags_len, 0);
    assert_int_equal(result->publications[2].channel_info_len, 0);
}

static srl_test_answer send(fixture *f, srl_broker_channel channel, int kind, const srl_publication *publication)
{
    srl_test_answer answer = {0};
    srl_test_answer_begin(&answer);
    answer.returned = f->a.ops->publish(f->a.link, &channel, kind, publication, &answer.operation);
    await(f, &answer);
    assert_int_equal(answer.error, SRL_OK);
    return answer;
}

static void tags_and_channel_info_arrive_and_are_kept(void **state)
{
    fixture *f = *state;
    srl_broker_channel channel = srl_test_channel("h", 5);
    srl_publication publication = with_everything();
    srl_test_answer answer = {0};
    subscribe(f, &f->b, channel, ROOM(0), &answer);
    f->b.on_deliver = check_delivery;
    send(f, channel, SRL_MESSAGE_PUBLICATION, &publication);
    settle(f);
    assert_int_equal(f->b.log_count, 1);
    f->b.user = f;
    publication.tags = NULL;
    publication.tags_len = 0;
    send(f, channel, SRL_MESSAGE_PUBLICATION, &publication);
    settle(f);
    assert_int_equal(f->b.log_count, 2);
    f->b.on_deliver = NULL;
    publish(f, &f->a, channel, "3");
    answer.then = check_history;
    srl_test_history(&f->b, &channel, 0, "", 9, false, &answer);
    await(f, &answer);
    assert_int_equal(answer.error, SRL_OK);
}

static void joins_and_leaves_show_channel_info(void **state)
{
    fixture *f = *state;
    srl_broker_channel channel = srl_test_channel("h", 5);
    srl_publication who = with_everything();
    srl_test_answer answer = {0};
    who.tags_len = 0;
    subscribe(f, &f->a, channel, ROOM(0), &answer);
    subscribe(f, &f->b, channel, ROOM(1), &answer);
    srl_test_node *nodes[] = {&f->a, &f->b};
    for (int i = 0; i < 2; i++) {
        nodes[i]->on_deliver = check_delivery;
        nodes[i]->user = f;
    }
    send(f, channel, SRL_MESSAGE_JOIN, &who);
    send(f, channel, SRL_MESSAGE_LEAVE, &who);
    settle(f);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(nodes[i]->log_count, 2);
        assert_int_equal(nodes[i]->log[0].kind, SRL_MESSAGE_JOIN);
        assert_int_equal(nodes[i]->log[1].kind, SRL_MESSAGE_LEAVE);
    }
}

static void transient_messages_are_neither_numbered_nor_kept(void **state)
{
    fixture *f = *state;
    srl_broker_channel channel = srl_test_channel("h", 5);
    srl_publication publication = with_everything();
    srl_test_answer answer = {0};
    subscribe(f, &f->a, channel, ROOM(0), &answer);
    subscribe(f, &f->b, channel, ROOM(1), &answer);
    publish(f, &f->b, channel, "1");
    answer = send(f, channel, SRL_MESSAGE_TRANSIENT, &publication);
    assert_int_equal(answer.offset, 0);
    assert_int_equal(publish(f, &f->a, channel, "2").offset, 2);
    send(f, channel, SRL_MESSAGE_TRANSIENT, &publication);
    settle(f);
    const srl_test_node *nodes[] = {&f->a, &f->b};
    const uint64_t offsets[] = {1, 0, 2, 0};
    for (int n = 0; n < 2; n++) {
        assert_int_equal(nodes[n]->log_count, 4);
        for (int i = 0; i < 4; i++) {
            int kind = offsets[i] > 0 ? SRL_MESSAGE_PUBLICATION : SRL_MESSAGE_TRANSIENT;
            assert_int_equal(nodes[n]->log[i].kind, kind);
            assert_int_equal(nodes[n]->log[i].offset, offsets[i]);
        }
        assert_string_equal(nodes[n]->log[1].data, DATA);
    }
    srl_test_history(&f->b, &channel, 0, "", 9, false, &answer);
    await(f, &answer);
    assert_int_equal(answer.count, 2);
    assert_int_equal(answer.offset, 2);
    /* Where there is no history it is like any other. */
    channel = srl_test_channel("plain", 0);
    subscribe(f, &f->b, channel, ROOM(2), &answer);
    srl_test_node_forget(&f->b);
    f->b.on_deliver = check_delivery;
    send(f, channel, SRL_MESSAGE_TRANSIENT, &publication);
    settle(f);
    assert_int_equal(f->b.log_count, 1);
    assert_int_equal(f->b.log[0].kind, SRL_MESSAGE_TRANSIENT);
}

/* ---- dropping history */

static srl_test_answer drop_history(fixture *f, srl_test_node *node, srl_broker_channel channel)
{
    srl_test_answer answer = {0};
    if (node->ops->history_remove == NULL) {
        skip();
    }
    srl_test_history_remove(node, &channel, &answer);
    await(f, &answer);
    assert_int_equal(answer.error, SRL_OK);
    return answer;
}

/* What is read from there: how many, and the first of them. */
static void expect_since(fixture *f, srl_broker_channel channel, uint64_t since, const srl_test_answer *tip,
                         uint32_t count, uint64_t first)
{
    srl_test_answer answer = {0};
    srl_test_history(&f->b, &channel, since, tip->epoch, 9, false, &answer);
    await(f, &answer);
    assert_int_equal(answer.error, SRL_OK);
    assert_int_equal(answer.count, count);
    assert_int_equal(answer.offset, tip->offset);
    assert_string_equal(answer.epoch, tip->epoch);
    if (count > 0) {
        assert_int_equal(answer.offsets[0], first);
    }
}

static void history_is_dropped_and_its_offsets_go_on(void **state)
{
    fixture *f = *state;
    srl_broker_channel channel = srl_test_channel("h", 5);
    srl_test_answer answer = {0};
    subscribe(f, &f->a, channel, ROOM(0), &answer);
    for (int i = 0; i < 3; i++) {
        answer = publish(f, &f->a, channel, "x");
    }
    for (int i = 0; i < 2; i++) { /* twice: there is nothing to drop then */
        srl_test_answer tip = drop_history(f, &f->b, channel);
        assert_int_equal(tip.offset, 3);
        assert_string_equal(tip.epoch, answer.epoch);
        expect_since(f, channel, 0, &tip, 0, 0);
        expect_since(f, channel, 1, &tip, 0, 0);
        expect_since(f, channel, 3, &tip, 0, 0);
    }
    srl_test_answer after = {0};
    subscribe(f, &f->b, channel, ROOM(1), &after);
    assert_int_equal(after.offset, 3);
    assert_string_equal(after.epoch, answer.epoch);
    after = publish(f, &f->b, channel, "y");
    assert_int_equal(after.offset, 4);
    assert_string_equal(after.epoch, answer.epoch);
    expect_since(f, channel, 2, &after, 1, 4); /* 3 is not there: that is no recovery */
    expect_since(f, channel, 3, &after, 1, 4);
    settle(f);
    assert_int_equal(f->a.log_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(f->a.log[i].kind, SRL_MESSAGE_PUBLICATION);
        assert_int_equal(f->a.log[i].offset, i + 1);
    }
    assert_int_equal(f->b.log_count, 1);
}

static void history_that_is_not_there_can_be_dropped(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = drop_history(f, &f->a, srl_test_channel("h", 5));
    assert_int_equal(answer.offset, 0);
    assert_int_not_equal(strlen(answer.epoch), 0);
    expect_since(f, srl_test_channel("h", 5), 0, &answer, 0, 0);
    srl_test_answer first = publish(f, &f->b, srl_test_channel("h", 5), "x");
    assert_int_equal(first.offset, 1);
    assert_string_equal(first.epoch, answer.epoch);
    srl_broker_channel wrong[] = {srl_test_channel("plain", 0), srl_test_channel("", 5)};
    const int errors[] = {SRL_ERR_UNAVAILABLE, SRL_ERR_INVALID};
    for (int i = 0; i < 2; i++) {
        srl_test_history_remove(&f->a, &wrong[i], &answer);
        assert_int_equal(answer.returned, errors[i]);
        assert_int_equal(answer.answers, 0);
    }
}

int srl_test_broker_shown_run(const char *name, const srl_test_broker_kind *kind)
{
    const struct CMUnitTest tests[] = {
        T(sessions_are_listed_by_user_in_order_of_arrival),
        T(a_users_info_is_that_of_the_last_session_listed_or_not),
        T(sessions_change_and_go_from_every_place),
        T(tags_and_channel_info_arrive_and_are_kept),
        T(joins_and_leaves_show_channel_info),
        T(transient_messages_are_neither_numbered_nor_kept),
        T(history_is_dropped_and_its_offsets_go_on),
        T(history_that_is_not_there_can_be_dropped),
    };
    kind_under_test = kind;
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
