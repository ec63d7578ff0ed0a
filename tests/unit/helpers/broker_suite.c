#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "helpers/broker_suite.h"

#include <stdio.h>
#include <stdlib.h>

#include <streamrelay/error.h>
#include <streamrelay/session.h>

#include "helpers/broker_fixture.h"

static srl_test_answer history(fixture *f, srl_broker_channel channel, uint64_t since, const char *epoch,
                               uint32_t limit, bool reverse)
{
    srl_test_answer answer = {0};
    srl_test_history(&f->a, &channel, since, epoch, limit, reverse, &answer);
    await(f, &answer);
    return answer;
}

static srl_test_answer presence(fixture *f, srl_broker_channel channel, uint32_t limit)
{
    srl_test_answer answer = {0};
    srl_test_presence_list(&f->a, &channel, limit, &answer);
    await(f, &answer);
    assert_int_equal(answer.error, SRL_OK);
    return answer;
}

static void assert_offsets(const srl_test_answer *answer, size_t count, const uint64_t *offsets)
{
    assert_int_equal(answer->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(answer->offsets[i], offsets[i]);
    }
}

#define OFFSETS(answer, ...)                                                                                           \
    assert_offsets((answer), sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), (uint64_t[]){__VA_ARGS__})

/* The node was given offsets 1, 2, 3... count, and nothing else. */
static void assert_counted(const srl_test_node *node, size_t count)
{
    assert_int_equal(node->log_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(node->log[i].offset, i + 1);
    }
}

static void assert_epoch(const char *epoch)
{
    assert_in_range(strlen(epoch), 1, 23);
}

static void subscribing_answers_the_position(void **state)
{
    fixture *f = *state;
    srl_test_answer plain = {0}, fresh = {0}, later = {0};
    subscribe(f, &f->a, srl_test_channel("plain", 0), ROOM(0), &plain);
    assert_int_equal(plain.offset, 0);
    assert_string_equal(plain.epoch, "");
    subscribe(f, &f->a, srl_test_channel("kept", 10), ROOM(1), &fresh);
    assert_int_equal(fresh.offset, 0);
    assert_epoch(fresh.epoch);
    publish(f, &f->b, srl_test_channel("kept", 10), "1");
    publish(f, &f->b, srl_test_channel("kept", 10), "2");
    subscribe(f, &f->b, srl_test_channel("kept", 10), ROOM(2), &later);
    assert_int_equal(later.offset, 2);
    assert_string_equal(later.epoch, fresh.epoch);
}

static void a_publication_reaches_every_node_in_order(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("news", 100);
    subscribe(f, &f->a, channel, ROOM(0), &answer);
    subscribe(f, &f->b, channel, ROOM(1), &answer);
    for (int i = 0; i < 40; i++) {
        char data[16];
        snprintf(data, sizeof(data), "%d", i);
        answer = publish(f, i % 3 == 0 ? &f->a : &f->b, channel, data);
        assert_int_equal(answer.offset, i + 1);
    }
    settle(f);
    assert_counted(&f->a, 40);
    assert_counted(&f->b, 40);
    for (int i = 0; i < 40; i++) {
        assert_ptr_equal(f->a.log[i].room, ROOM(0));
        assert_ptr_equal(f->b.log[i].room, ROOM(1));
        assert_int_equal(atoi(f->b.log[i].data), i);
        assert_int_equal(f->b.log[i].kind, SRL_MESSAGE_PUBLICATION);
        assert_string_equal(f->b.log[i].epoch, answer.epoch);
    }
}

static void channels_are_numbered_apart(void **state)
{
    fixture *f = *state;
    srl_test_answer one = publish(f, &f->a, srl_test_channel("one", 5), "x");
    srl_test_answer other = publish(f, &f->b, srl_test_channel("other", 5), "x");
    assert_int_equal(one.offset, 1);
    assert_int_equal(other.offset, 1);
    assert_string_not_equal(one.epoch, other.epoch);
    assert_int_equal(publish(f, &f->b, srl_test_channel("one", 5), "y").offset, 2);
}

static void names_are_bytes(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = {0};
    srl_broker_channel first = srl_test_channel("", 5), second = first;
    first.name = "a\0b";
    first.name_len = 3;
    second.name = "a\0c";
    second.name_len = 3;
    subscribe(f, &f->a, first, ROOM(0), &answer);
    publish(f, &f->b, second, "no");
    publish(f, &f->b, first, "yes");
    settle(f);
    assert_int_equal(f->a.log_count, 1);
    assert_string_equal(f->a.log[0].data, "yes");
}

static void history_is_read_in_both_directions(void **state)
{
    fixture *f = *state;
    srl_broker_channel channel = srl_test_channel("h", 5);
    srl_test_answer answer = {0};
    for (int i = 0; i < 8; i++) {
        answer = publish(f, &f->a, channel, "x");
    }
    char epoch[24];
    memcpy(epoch, answer.epoch, sizeof(epoch));
    answer = history(f, channel, 0, "", 64, false);
    OFFSETS(&answer, 4, 5, 6, 7, 8);
    assert_int_equal(answer.offset, 8);
    assert_string_equal(answer.epoch, epoch);
    answer = history(f, channel, 5, epoch, 2, false);
    OFFSETS(&answer, 6, 7);
    answer = history(f, channel, 3, epoch, 1, false);
    OFFSETS(&answer, 4);
    answer = history(f, channel, 1, epoch, 64, false);
    OFFSETS(&answer, 4, 5, 6, 7, 8);
    answer = history(f, channel, 0, "", 3, true);
    OFFSETS(&answer, 8, 7, 6);
    answer = history(f, channel, 6, epoch, 64, true);
    OFFSETS(&answer, 5, 4);
    answer = history(f, channel, 100, epoch, 2, true);
    OFFSETS(&answer, 8, 7);
    uint64_t nothing[] = {8, 9, UINT64_MAX};
    for (size_t i = 0; i < 3; i++) {
        answer = history(f, channel, nothing[i], epoch, 64, false);
        assert_int_equal(answer.count, 0);
        assert_int_equal(answer.error, SRL_OK);
    }
    assert_int_equal(history(f, channel, 4, epoch, 64, true).count, 0);
    assert_int_equal(history(f, channel, 1, epoch, 64, true).count, 0);
    answer = history(f, channel, 0, "", 0, false);
    assert_int_equal(answer.count, 0);
    assert_int_equal(answer.offset, 8);
}

static void another_epoch_is_unrecoverable(void **state)
{
    fixture *f = *state;
    srl_broker_channel channel = srl_test_channel("h", 5);
    srl_test_answer published = publish(f, &f->a, channel, "x");
    const char *wrong[] = {"????????", "x", "this-is-much-longer-than-any-epoch"};
    for (size_t i = 0; i < 3; i++) {
        srl_test_answer answer = history(f, channel, 0, wrong[i], 64, false);
        assert_int_equal(answer.error, SRL_ERR_UNRECOVERABLE);
        assert_int_equal(answer.count, 0);
        assert_int_equal(answer.offset, 1);
        assert_string_equal(answer.epoch, published.epoch);
    }
}

static void a_smaller_history_is_trimmed_by_the_next_publish(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 20; i++) {
        publish(f, &f->a, srl_test_channel("h", 20), "x");
    }
    publish(f, &f->b, srl_test_channel("h", 1), "x");
    srl_test_answer answer = history(f, srl_test_channel("h", 1), 0, "", 64, false);
    OFFSETS(&answer, 21);
    publish(f, &f->a, srl_test_channel("h", 3), "x");
    publish(f, &f->a, srl_test_channel("h", 3), "x");
    publish(f, &f->a, srl_test_channel("h", 3), "x");
    answer = history(f, srl_test_channel("h", 3), 0, "", 64, false);
    OFFSETS(&answer, 22, 23, 24);
}

static void a_channel_without_history_has_no_offsets(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("plain", 0);
    subscribe(f, &f->a, channel, ROOM(0), &answer);
    answer = publish(f, &f->b, channel, "x");
    assert_int_equal(answer.offset, 0);
    assert_string_equal(answer.epoch, "");
    settle(f);
    assert_int_equal(f->a.log_count, 1);
    assert_int_equal(f->a.log[0].offset, 0);
    assert_string_equal(f->a.log[0].epoch, "");
    answer = history(f, channel, 0, "", 64, false);
    assert_int_equal(answer.error, SRL_OK);
    assert_int_equal(answer.count, 0);
    assert_string_equal(answer.epoch, "");
}

static void history_switched_off_and_on_is_another_epoch(void **state)
{
    fixture *f = *state;
    srl_test_answer before = publish(f, &f->a, srl_test_channel("h", 5), "x");
    srl_test_answer off = publish(f, &f->a, srl_test_channel("h", 0), "not kept");
    srl_test_answer after = publish(f, &f->a, srl_test_channel("h", 5), "y");
    assert_int_equal(off.offset, 0);
    assert_int_equal(after.offset, 1);
    assert_string_not_equal(before.epoch, after.epoch);
}

static void joins_and_leaves_are_passed_on_but_not_kept(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("h", 5);
    subscribe(f, &f->b, channel, ROOM(0), &answer);
    publish(f, &f->a, channel, "1");
    srl_test_publish(&f->a, &channel, SRL_MESSAGE_JOIN, "j", &answer);
    await(f, &answer);
    publish(f, &f->a, channel, "2");
    srl_test_publish(&f->a, &channel, SRL_MESSAGE_LEAVE, "l", &answer);
    await(f, &answer);
    settle(f);
    const char *data[] = {"1", "j", "2", "l"};
    const int kinds[] = {SRL_MESSAGE_PUBLICATION, SRL_MESSAGE_JOIN, SRL_MESSAGE_PUBLICATION, SRL_MESSAGE_LEAVE};
    const uint64_t offsets[] = {1, 0, 2, 0};
    assert_int_equal(f->b.log_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(f->b.log[i].data, data[i]);
        assert_int_equal(f->b.log[i].kind, kinds[i]);
        assert_int_equal(f->b.log[i].offset, offsets[i]);
    }
    answer = history(f, channel, 0, "", 64, false);
    OFFSETS(&answer, 1, 2);
    srl_test_publish(&f->a, &channel, 99, "?", &answer);
    assert_int_equal(answer.returned, SRL_ERR_INVALID);
    assert_int_equal(answer.answers, 0);
}

static void check_all_fields(srl_test_node *node, const srl_test_delivery *delivery, const srl_publication *publication)
{
    (void)delivery;
    assert_int_equal(publication->size, sizeof(*publication));
    assert_memory_equal(publication->data, "{\"a\":\"\xC3\xA4\"}", 10);
    assert_int_equal(publication->data_len, 10);
    assert_int_equal(publication->user_len, 3);
    assert_memory_equal(publication->user, "u\0x", 3);
    assert_int_equal(publication->info_len, 2);
    assert_memory_equal(publication->info, "{}", 2);
    assert_int_equal(publication->client_len, SRL_CLIENT_ID_LEN);
    assert_memory_equal(publication->client, "0123456789abcdef0123456789abcdef0123", SRL_CLIENT_ID_LEN);
    assert_int_equal(publication->offset, 1);
    assert_int_not_equal(publication->time_ms, 0);
    assert_int_not_equal(publication->time_ms, 77);
    node->user = node;
}

static void every_field_arrives(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("h", 5);
    char data[] = "{\"a\":\"\xC3\xA4\"}";
    srl_publication publication = {.size = sizeof(publication),
                                   .client_len = SRL_CLIENT_ID_LEN,
                                   .offset = 1234,
                                   .time_ms = 77,
                                   .data = data,
                                   .data_len = 10,
                                   .user = "u\0x",
                                   .user_len = 3,
                                   .client = "0123456789abcdef0123456789abcdef0123",
                                   .info = "{}",
                                   .info_len = 2};
    subscribe(f, &f->b, channel, ROOM(0), &answer);
    f->b.on_deliver = check_all_fields;
    srl_test_answer_begin(&answer);
    answer.returned = f->a.ops->publish(f->a.link, &channel, SRL_MESSAGE_PUBLICATION, &publication, &answer.operation);
    memset(data, '!', sizeof(data));
    await(f, &answer);
    settle(f);
    assert_non_null(f->b.user);
}

static void no_delivery_after_unsubscribe(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("h", 50), other = srl_test_channel("other", 50);
    subscribe(f, &f->a, channel, ROOM(0), &answer);
    subscribe(f, &f->b, channel, ROOM(1), &answer);
    subscribe(f, &f->b, other, ROOM(2), &answer);
    publish(f, &f->a, channel, "waits");
    publish(f, &f->a, other, "stays");
    publish(f, &f->a, channel, "waits");
    f->b.ops->unsubscribe(f->b.link, "h", 1, ROOM(1));
    srl_test_node_forget(&f->b); /* a broker may have delivered before */
    publish(f, &f->a, channel, "later");
    publish(f, &f->a, other, "stays");
    settle(f);
    assert_counted(&f->a, 3);
    for (size_t i = 0; i < f->b.log_count; i++) {
        assert_ptr_equal(f->b.log[i].room, ROOM(2));
    }
    assert_int_equal(f->b.log[f->b.log_count - 1].offset, 2);
    f->b.ops->unsubscribe(f->b.link, "h", 1, ROOM(1));
    f->b.ops->unsubscribe(f->b.link, "never", 5, ROOM(1));
    subscribe(f, &f->b, channel, ROOM(3), &answer);
    assert_int_equal(answer.offset, 3);
    srl_test_node_forget(&f->b);
    publish(f, &f->a, channel, "again");
    settle(f);
    assert_int_equal(f->b.log_count, 1);
    assert_int_equal(f->b.log[0].offset, 4);
    assert_ptr_equal(f->b.log[0].room, ROOM(3));
}

static void presence_counts_sessions_of_users(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("p", 0);
    struct {
        srl_test_node *node;
        const char *client, *user, *info;
        uint32_t sessions;
    } steps[] = {
        {&f->a, "c1", "ann", "{\"n\":1}", 1}, {&f->b, "c2", "bob", "", 1},
        {&f->b, "c3", "ann", "{\"n\":3}", 2}, {&f->a, "c1", "ann", "{\"n\":4}", 2},
        {&f->a, "c4", "", "{\"n\":5}", 1},    {&f->b, "c5", "", "", 2},
        {&f->a, "c2", "bob", "", 1},          {&f->a, "c6", "dave", "[\"\\n\"]", 1},
    };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        srl_test_presence_add(steps[i].node, &channel, steps[i].client, steps[i].user, steps[i].info, &answer);
        await(f, &answer);
        assert_int_equal(answer.error, SRL_OK);
        assert_int_equal(answer.user_sessions, steps[i].sessions);
    }
    answer = presence(f, channel, 100);
    assert_int_equal(answer.num_users, 4);
    assert_int_equal(answer.num_sessions, 6);
    assert_int_equal(answer.listed, 4);
    uint32_t seen = 0;
    for (uint32_t i = 0; i < 4; i++) {
        if (strcmp(answer.users[i].user, "ann") == 0) {
            assert_int_equal(answer.users[i].sessions, 2);
            assert_string_equal(answer.users[i].info, "{\"n\":3}");
            seen |= 1;
        } else if (strcmp(answer.users[i].user, "") == 0) {
            assert_int_equal(answer.users[i].sessions, 2);
            assert_string_equal(answer.users[i].info, "");
            seen |= 2;
        } else if (strcmp(answer.users[i].user, "dave") == 0) {
            assert_string_equal(answer.users[i].info, "[\"\\n\"]");
            seen |= 4;
        } else if (strcmp(answer.users[i].user, "bob") == 0) {
            assert_int_equal(answer.users[i].sessions, 1);
            seen |= 8;
        }
    }
    assert_int_equal(seen, 15);
    answer = presence(f, channel, 2);
    assert_int_equal(answer.listed, 2);
    assert_int_equal(answer.num_users, 4);
    answer = presence(f, channel, 0);
    assert_int_equal(answer.listed, 0);
    assert_int_equal(answer.num_sessions, 6);
    assert_int_equal(presence(f, srl_test_channel("empty", 0), 5).num_users, 0);
}

static void presence_remove_says_what_is_left(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("p", 0);
    srl_test_presence_add(&f->a, &channel, "c1", "ann", "1", &answer);
    await(f, &answer);
    srl_test_presence_add(&f->a, &channel, "c2", "ann", "2", &answer);
    await(f, &answer);
    srl_test_presence_remove(&f->b, &channel, "c9", "ann", &answer);
    await(f, &answer);
    assert_int_equal(answer.error, SRL_ERR_NOT_FOUND);
    assert_int_equal(answer.user_sessions, 2);
    srl_test_presence_remove(&f->a, &channel, "c2", "ann", &answer);
    await(f, &answer);
    assert_int_equal(answer.error, SRL_OK);
    assert_int_equal(answer.user_sessions, 1);
    answer = presence(f, channel, 5);
    assert_string_equal(answer.users[0].info, "1");
    srl_test_presence_remove(&f->a, &channel, "c1", "ann", &answer);
    await(f, &answer);
    assert_int_equal(answer.user_sessions, 0);
    srl_test_presence_remove(&f->a, &channel, "c1", "ann", &answer);
    await(f, &answer);
    assert_int_equal(answer.error, SRL_ERR_NOT_FOUND);
    assert_int_equal(answer.user_sessions, 0);
    assert_int_equal(presence(f, channel, 5).num_users, 0);
    srl_test_presence_add(&f->a, &channel, "c1", "ann", "3", &answer);
    await(f, &answer);
    assert_int_equal(answer.user_sessions, 1);
}

static void detaching_takes_members_and_subscriptions_away(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("p", 5);
    subscribe(f, &f->b, channel, ROOM(0), &answer);
    srl_test_presence_add(&f->a, &channel, "c1", "ann", "1", &answer);
    await(f, &answer);
    for (int i = 0; i < 20; i++) {
        char client[16];
        snprintf(client, sizeof(client), "b%d", i);
        srl_test_presence_add(&f->b, &channel, client, i % 2 ? "ann" : "bob", "", &answer);
        await(f, &answer);
    }
    publish(f, &f->a, channel, "waits");
    srl_test_node_detach(&f->b);
    publish(f, &f->a, channel, "nobody");
    settle(f);
    answer = presence(f, channel, 5);
    assert_int_equal(answer.num_users, 1);
    assert_int_equal(answer.num_sessions, 1);
    assert_string_equal(answer.users[0].info, "1");
    assert_int_equal(srl_test_node_attach(&f->c, f->broker, &f->clock), SRL_OK);
    come_up(f);
    subscribe(f, &f->c, channel, ROOM(1), &answer);
    assert_int_equal(answer.offset, 2);
}

/* Publishes "1" to "9" out of the delivery of the one before, a level deeper each time. */
static void publish_next(srl_test_node *node, const srl_test_delivery *delivery, const srl_publication *publication)
{
    (void)publication;
    if (delivery->data[0] < '9') {
        char data[2] = {(char)(delivery->data[0] + 1), 0};
        srl_broker_channel channel = srl_test_channel("r", 50);
        srl_test_answer *answer = node->user;
        srl_test_publish(node, &channel, SRL_MESSAGE_PUBLICATION, data, &answer[data[0] - '0']);
        srl_test_publish(node, &channel, SRL_MESSAGE_PUBLICATION, "9", &answer[10 + data[0] - '0']);
    }
}

static void publishing_inside_a_delivery_keeps_the_order(void **state)
{
    fixture *f = *state;
    static srl_test_answer answers[20];
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("r", 50);
    memset(answers, 0, sizeof(answers));
    subscribe(f, &f->a, channel, ROOM(1), &answer);
    f->a.ops->unsubscribe(f->a.link, "r", 1, ROOM(1));
    subscribe(f, &f->a, channel, ROOM(0), &answer);
    subscribe(f, &f->b, channel, ROOM(2), &answer);
    f->a.on_deliver = publish_next;
    f->a.user = answers;
    publish(f, &f->b, channel, "1");
    settle(f);
    assert_counted(&f->a, 17);
    assert_counted(&f->b, 17);
    for (int i = 2; i <= 9; i++) {
        await(f, &answers[i]);
        await(f, &answers[10 + i]);
        assert_int_equal(answers[10 + i].offset, answers[i].offset + 1);
    }
}

static void leave_two_rooms(srl_test_node *node, const srl_test_delivery *delivery, const srl_publication *publication)
{
    (void)delivery;
    (void)publication;
    node->ops->unsubscribe(node->link, "u", 1, ROOM(0));
    node->ops->unsubscribe(node->link, "v", 1, ROOM(1));
}

static void unsubscribing_inside_a_delivery_is_at_once(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = {0};
    subscribe(f, &f->a, srl_test_channel("u", 5), ROOM(0), &answer);
    subscribe(f, &f->a, srl_test_channel("v", 5), ROOM(1), &answer);
    subscribe(f, &f->a, srl_test_channel("w", 5), ROOM(2), &answer);
    f->a.on_deliver = leave_two_rooms;
    publish(f, &f->b, srl_test_channel("u", 5), "1");
    publish(f, &f->b, srl_test_channel("v", 5), "2");
    publish(f, &f->b, srl_test_channel("u", 5), "3");
    publish(f, &f->b, srl_test_channel("w", 5), "4");
    settle(f);
    assert_int_equal(f->a.log_count, 2);
    assert_string_equal(f->a.log[0].data, "1");
    assert_string_equal(f->a.log[1].data, "4");
}

static void detach_now(srl_test_node *node, const srl_test_delivery *delivery, const srl_publication *publication)
{
    srl_test_node_detach(node);
    assert_memory_equal(publication->data, delivery->data, publication->data_len);
}

static void detaching_inside_a_delivery_is_the_last_one(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("d", 5);
    subscribe(f, &f->a, channel, ROOM(0), &answer);
    subscribe(f, &f->b, channel, ROOM(1), &answer);
    f->b.on_deliver = detach_now;
    for (int i = 0; i < 3; i++) {
        publish(f, &f->a, channel, "x");
    }
    settle(f);
    assert_int_equal(f->b.log_count, 1);
    f->a.on_deliver = detach_now;
    srl_test_node_forget(&f->a);
    srl_test_publish(&f->a, &channel, SRL_MESSAGE_PUBLICATION, "y", &answer);
    settle(f);
    assert_int_equal(f->a.log_count, 1);
}

static void detach_in_answer(srl_test_answer *answer, const srl_broker_result *result)
{
    srl_test_node_detach(answer->user);
    for (uint32_t i = 0; i < result->publication_count; i++) {
        assert_memory_equal(result->publications[i].data, "old", 3);
    }
}

static void detaching_inside_an_answer(void **state)
{
    fixture *f = *state;
    srl_broker_channel channel = srl_test_channel("d", 5);
    srl_test_answer answer = {0};
    subscribe(f, &f->b, channel, ROOM(0), &answer);
    for (int i = 0; i < 5; i++) {
        publish(f, &f->a, channel, "old");
    }
    answer = (srl_test_answer){.then = detach_in_answer, .user = &f->b};
    srl_test_history(&f->b, &channel, 0, "", 5, false, &answer);
    await(f, &answer);
    assert_int_equal(answer.count, 5);
    answer = (srl_test_answer){.then = detach_in_answer, .user = &f->a};
    srl_test_publish(&f->a, &channel, SRL_MESSAGE_PUBLICATION, "old", &answer);
    await(f, &answer);
}

/* While an answer shows publications, the stream loses them, and another answer comes. */
static void trim_in_answer(srl_test_answer *answer, const srl_broker_result *result)
{
    srl_test_node *node = answer->user;
    srl_broker_channel channel = srl_test_channel("t", 1);
    static srl_test_answer inner;
    inner.then = NULL;
    for (int i = 0; i < 10; i++) {
        srl_test_publish(node, &channel, SRL_MESSAGE_PUBLICATION, "new", &inner);
        srl_test_history(node, &channel, 0, "", 10, true, &inner);
    }
    assert_int_equal(result->publication_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(result->publications[i].offset, i + 1);
        assert_int_equal(result->publications[i].data_len, 3);
        assert_memory_equal(result->publications[i].data, "old", 3);
    }
}

static void an_answer_stays_readable_while_the_stream_is_trimmed(void **state)
{
    fixture *f = *state;
    srl_broker_channel channel = srl_test_channel("t", 3);
    for (int i = 0; i < 3; i++) {
        publish(f, &f->a, channel, "old");
    }
    srl_test_answer answer = {.then = trim_in_answer, .user = &f->a};
    srl_test_history(&f->a, &channel, 0, "", 10, false, &answer);
    await(f, &answer);
    settle(f);
}

static void subscribe_in_answer(srl_test_answer *answer, const srl_broker_result *result)
{
    srl_test_node *node = answer->user;
    srl_broker_channel channel = srl_test_channel("s", 5);
    static srl_test_answer inner;
    (void)result;
    inner.then = NULL;
    srl_test_subscribe(node, &channel, ROOM(1), &inner);
    srl_test_publish(node, &channel, SRL_MESSAGE_PUBLICATION, "in", &inner);
}

static void subscribing_inside_an_answer(void **state)
{
    fixture *f = *state;
    srl_broker_channel channel = srl_test_channel("s", 5);
    srl_test_answer answer = {0};
    subscribe(f, &f->b, channel, ROOM(0), &answer);
    answer = (srl_test_answer){.then = subscribe_in_answer, .user = &f->a};
    srl_test_publish(&f->a, &channel, SRL_MESSAGE_PUBLICATION, "out", &answer);
    await(f, &answer);
    settle(f);
    assert_counted(&f->b, 2);
    if (kind_under_test->wait == NULL) { /* else it may come between */
        assert_int_equal(f->a.log_count, 1);
        assert_ptr_equal(f->a.log[0].room, ROOM(1));
        assert_int_equal(f->a.log[0].offset, 2);
    }
}

static void process_keeps_to_its_budget(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("b", 0);
    if (kind_under_test->wait != NULL) {
        skip();
    }
    subscribe(f, &f->b, channel, ROOM(0), &answer);
    for (int i = 0; i < 10; i++) {
        publish(f, &f->a, channel, "x");
    }
    for (int i = 1; i <= 3; i++) {
        assert_int_not_equal(f->b.ops->process(f->b.link, 3), 0);
        assert_int_equal(f->b.log_count, 3 * i);
    }
    assert_int_equal(f->b.ops->process(f->b.link, 3), 0);
    assert_int_equal(f->b.log_count, 10);
    assert_int_equal(f->b.ops->process(f->b.link, 0), 0);
}

static void publications_age(void **state)
{
    fixture *f = *state;
    srl_broker_channel channel = srl_test_channel("age", 10);
    channel.history_ttl_ms = 1000;
    channel.history_meta_ttl_ms = 5000;
    if (!kind_under_test->follows_clock) {
        skip();
    }
    publish(f, &f->a, channel, "1");
    fake_platform_advance(&f->clock, 600);
    srl_test_answer second = publish(f, &f->b, channel, "2");
    fake_platform_advance(&f->clock, 399);
    srl_test_answer answer = history(f, channel, 0, "", 64, false);
    OFFSETS(&answer, 1, 2);
    fake_platform_advance(&f->clock, 1);
    answer = history(f, channel, 0, "", 64, false);
    OFFSETS(&answer, 2);
    fake_platform_advance(&f->clock, 4999);
    answer = history(f, channel, 2, second.epoch, 64, false);
    assert_int_equal(answer.error, SRL_OK);
    assert_int_equal(answer.count, 0);
    assert_int_equal(answer.offset, 2);
    assert_string_equal(answer.epoch, second.epoch);
    fake_platform_advance(&f->clock, 5000);
    answer = history(f, channel, 2, second.epoch, 64, false);
    assert_int_equal(answer.error, SRL_ERR_UNRECOVERABLE);
    assert_int_equal(answer.offset, 0);
    assert_string_not_equal(answer.epoch, second.epoch);
}

static void a_subscriber_holds_the_epoch(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("age", 10);
    channel.history_ttl_ms = 1000;
    channel.history_meta_ttl_ms = 2000;
    if (!kind_under_test->follows_clock) {
        skip();
    }
    subscribe(f, &f->a, channel, ROOM(0), &answer);
    srl_test_answer first = publish(f, &f->b, channel, "1");
    for (int i = 0; i < 100; i++) {
        fake_platform_advance(&f->clock, 1000);
        settle(f);
    }
    srl_test_answer next = publish(f, &f->b, channel, "2");
    assert_int_equal(next.offset, 2);
    assert_string_equal(next.epoch, first.epoch);
    fake_platform_advance(&f->clock, 100000);
    f->a.ops->unsubscribe(f->a.link, "age", 3, ROOM(0));
    fake_platform_advance(&f->clock, 1999);
    settle(f);
    next = history(f, channel, 0, "", 0, false);
    assert_string_equal(next.epoch, first.epoch);
    assert_int_equal(next.offset, 2);
    fake_platform_advance(&f->clock, 2000);
    settle(f);
    next = publish(f, &f->b, channel, "3");
    assert_int_equal(next.offset, 1);
    assert_string_not_equal(next.epoch, first.epoch);
}

static void names_have_a_size(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("", 5);
    srl_test_publish(&f->a, &channel, SRL_MESSAGE_PUBLICATION, "x", &answer);
    assert_int_equal(answer.returned, SRL_ERR_INVALID);
    srl_test_subscribe(&f->a, &channel, ROOM(0), &answer);
    assert_int_equal(answer.returned, SRL_ERR_INVALID);
    assert_int_equal(answer.answers, 0);
}

static void a_room_subscribes_once(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("o", 5);
    subscribe(f, &f->a, channel, ROOM(0), &answer);
    srl_test_subscribe(&f->a, &channel, ROOM(0), &answer);
    assert_int_equal(answer.returned, SRL_ERR_EXISTS);
    assert_int_equal(answer.answers, 0);
    publish(f, &f->b, channel, "x");
    settle(f);
    assert_int_equal(f->a.log_count, 1);
}

static srl_broker_channel once_channel(const char *name, uint32_t history_size, uint64_t window_ms)
{
    srl_broker_channel channel = srl_test_channel(name, history_size);
    channel.idempotency_ttl_ms = window_ms;
    return channel;
}

static srl_test_answer publish_once(fixture *f, srl_test_node *node, srl_broker_channel channel, const char *key,
                                    const char *data)
{
    srl_test_answer answer = {0};
    srl_test_publish_once(node, &channel, key, data, &answer);
    await(f, &answer);
    assert_int_equal(answer.error, SRL_OK);
    return answer;
}

static void a_key_is_published_with_once(void **state)
{
    fixture *f = *state;
    srl_broker_channel channel = once_channel("once", 10, 60000);
    srl_test_answer answer = {0};
    subscribe(f, &f->a, channel, ROOM(0), &answer);
    srl_test_answer first = publish_once(f, &f->a, channel, "k", "one");
    assert_int_equal(first.offset, 1);
    assert_false(first.is_repeat);
    publish(f, &f->b, channel, "two");
    answer = publish_once(f, &f->b, channel, "k", "again"); /* on another node */
    assert_true(answer.is_repeat);
    assert_int_equal(answer.offset, 1);
    assert_string_equal(answer.epoch, first.epoch);
    answer = publish_once(f, &f->a, channel, "k", "and again");
    assert_true(answer.is_repeat);
    answer = publish_once(f, &f->b, channel, "K", "three");
    assert_false(answer.is_repeat);
    assert_int_equal(answer.offset, 3);
    settle(f);
    assert_counted(&f->a, 3);
    assert_string_equal(f->a.log[1].data, "two");
    assert_string_equal(f->a.log[2].data, "three");
    answer = history(f, channel, 0, "", 64, false);
    OFFSETS(&answer, 1, 2, 3);
}

static void keys_are_of_a_channel(void **state)
{
    fixture *f = *state;
    assert_int_equal(publish_once(f, &f->a, once_channel("x", 5, 60000), "yk", "1").offset, 1);
    assert_false(publish_once(f, &f->a, once_channel("xy", 5, 60000), "k", "1").is_repeat);
    assert_true(publish_once(f, &f->b, once_channel("xy", 5, 60000), "k", "1").is_repeat);
    assert_false(publish_once(f, &f->b, once_channel("xyk", 5, 60000), "yk", "1").is_repeat);
}

static void a_key_works_without_history(void **state)
{
    fixture *f = *state;
    srl_broker_channel channel = once_channel("live", 0, 60000);
    srl_test_answer answer = publish_once(f, &f->a, channel, "unheard", "0");
    assert_false(answer.is_repeat);
    subscribe(f, &f->a, channel, ROOM(0), &answer);
    assert_true(publish_once(f, &f->b, channel, "unheard", "0").is_repeat);
    answer = publish_once(f, &f->b, channel, "k", "1");
    assert_false(answer.is_repeat);
    assert_int_equal(answer.offset, 0);
    answer = publish_once(f, &f->a, channel, "k", "1");
    assert_true(answer.is_repeat);
    assert_int_equal(answer.offset, 0);
    settle(f);
    assert_int_equal(f->a.log_count, 1);
    assert_string_equal(f->a.log[0].data, "1");
}

static void only_publications_have_keys(void **state)
{
    fixture *f = *state;
    srl_broker_channel channel = once_channel("j", 5, 60000);
    srl_publication who = srl_test_publication("");
    srl_test_answer answer = {0};
    who.user = "ann";
    who.user_len = 3;
    who.key = "k";
    who.key_len = 1;
    subscribe(f, &f->b, channel, ROOM(0), &answer);
    for (int i = 0; i < 2; i++) {
        srl_test_answer_begin(&answer);
        answer.returned = f->a.ops->publish(f->a.link, &channel, SRL_MESSAGE_JOIN, &who, &answer.operation);
        await(f, &answer);
        assert_false(answer.is_repeat);
    }
    settle(f);
    assert_int_equal(f->b.log_count, 2);
    assert_false(publish_once(f, &f->b, channel, "k", "1").is_repeat);
}

static void a_key_is_forgotten_when_its_window_is_over(void **state)
{
    fixture *f = *state;
    bool is_real = !kind_under_test->follows_clock;
    uint64_t window_ms = is_real ? 50 : 1000;
    srl_broker_channel channel = once_channel("w", 5, window_ms);
    if (is_real && kind_under_test->wait == NULL) {
        skip();
    }
    assert_int_equal(publish_once(f, &f->a, channel, "k", "1").offset, 1);
    if (!is_real) {
        fake_platform_advance(&f->clock, window_ms - 1);
        settle(f);
        assert_true(publish_once(f, &f->b, channel, "k", "2").is_repeat);
        fake_platform_advance(&f->clock, 1);
    }
    srl_test_answer answer = publish_once(f, &f->b, channel, "k", "2");
    for (int i = 0; i < 5000 && answer.is_repeat; i++) {
        kind_under_test->wait();
        answer = publish_once(f, &f->b, channel, "k", "2");
    }
    assert_false(answer.is_repeat);
    assert_int_equal(answer.offset, 2);
}

int srl_test_broker_suite_run(const char *name, const srl_test_broker_kind *kind)
{
    const struct CMUnitTest tests[] = {
        T(subscribing_answers_the_position),
        T(a_publication_reaches_every_node_in_order),
        T(channels_are_numbered_apart),
        T(names_are_bytes),
        T(history_is_read_in_both_directions),
        T(another_epoch_is_unrecoverable),
        T(a_smaller_history_is_trimmed_by_the_next_publish),
        T(a_channel_without_history_has_no_offsets),
        T(history_switched_off_and_on_is_another_epoch),
        T(joins_and_leaves_are_passed_on_but_not_kept),
        T(every_field_arrives),
        T(no_delivery_after_unsubscribe),
        T(presence_counts_sessions_of_users),
        T(presence_remove_says_what_is_left),
        T(detaching_takes_members_and_subscriptions_away),
        T(publishing_inside_a_delivery_keeps_the_order),
        T(unsubscribing_inside_a_delivery_is_at_once),
        T(detaching_inside_a_delivery_is_the_last_one),
        T(detaching_inside_an_answer),
        T(an_answer_stays_readable_while_the_stream_is_trimmed),
        T(subscribing_inside_an_answer),
        T(process_keeps_to_its_budget),
        T(publications_age),
        T(a_subscriber_holds_the_epoch),
        T(names_have_a_size),
        T(a_room_subscribes_once),
        T(a_key_is_published_with_once),
        T(keys_are_of_a_channel),
        T(a_key_works_without_history),
        T(only_publications_have_keys),
        T(a_key_is_forgotten_when_its_window_is_over),
    };
    kind_under_test = kind;
    int failed = cmocka_run_group_tests_name(name, tests, NULL, NULL);
    return failed + srl_test_broker_rooms_run(name, kind) + srl_test_broker_shown_run(name, kind);
}
