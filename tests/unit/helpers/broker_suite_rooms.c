#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "helpers/broker_suite.h"

#include <stdio.h>

#include "helpers/broker_fixture.h"

static srl_test_answer ask(fixture *f, srl_test_node *node, uint32_t verb, const char *channel, const char *user,
                           const char *meta, uint32_t limit)
{
    srl_test_answer answer = {0};
    if (node->ops->directory == NULL) {
        skip();
    }
    srl_test_directory(node, verb, channel, user, meta, limit, &answer);
    await(f, &answer);
    return answer;
}

static int create(fixture *f, const char *channel, const char *meta)
{
    return ask(f, &f->a, SRL_DIRECTORY_CREATE, channel, "", meta, 0).error;
}

static int add(fixture *f, const char *channel, const char *user)
{
    return ask(f, &f->b, SRL_DIRECTORY_ADD, channel, user, "", 0).error;
}

static int check(fixture *f, const char *channel, const char *user)
{
    return ask(f, &f->a, SRL_DIRECTORY_CHECK, channel, user, "", 0).error;
}

/* "a b c": the names of a list, in order. */
static void assert_names(const srl_test_answer *answer, const char *expected)
{
    char seen[256] = "";
    assert_int_equal(answer->error, SRL_OK);
    for (uint32_t i = 0; i < answer->name_count; i++) {
        size_t len = strlen(seen);
        snprintf(seen + len, sizeof(seen) - len, "%s%s", i > 0 ? " " : "", answer->names[i]);
    }
    assert_string_equal(seen, expected);
}

static void groups_are_made_and_deleted(void **state)
{
    fixture *f = *state;
    assert_int_equal(create(f, "g", "{\"t\":1}"), SRL_OK);
    assert_int_equal(create(f, "g", "{}"), SRL_ERR_EXISTS);
    srl_test_answer answer = ask(f, &f->b, SRL_DIRECTORY_GET, "g", "", "", 0);
    assert_int_equal(answer.error, SRL_OK);
    assert_string_equal(answer.meta, "{\"t\":1}");
    assert_int_equal(answer.total, 0);
    assert_int_equal(ask(f, &f->b, SRL_DIRECTORY_SET_META, "g", "", "[2]", 0).error, SRL_OK);
    assert_string_equal(ask(f, &f->a, SRL_DIRECTORY_GET, "g", "", "", 0).meta, "[2]");
    assert_int_equal(ask(f, &f->b, SRL_DIRECTORY_SET_META, "g", "", "", 0).error, SRL_OK);
    answer = ask(f, &f->a, SRL_DIRECTORY_GET, "g", "", "", 0);
    assert_int_equal(answer.error, SRL_OK);
    assert_string_equal(answer.meta, "");
    answer = ask(f, &f->b, SRL_DIRECTORY_DELETE, "g", "", "", 0);
    assert_names(&answer, "");
    const uint32_t verbs[] = {SRL_DIRECTORY_DELETE, SRL_DIRECTORY_SET_META, SRL_DIRECTORY_GET,
                              SRL_DIRECTORY_ADD,    SRL_DIRECTORY_REMOVE,   SRL_DIRECTORY_CHECK};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        assert_int_equal(ask(f, &f->a, verbs[i], "g", "ann", "{}", 9).error, SRL_ERR_NOT_FOUND);
    }
    assert_int_equal(create(f, "g", ""), SRL_OK);
}

static void members_come_and_go(void **state)
{
    fixture *f = *state;
    assert_int_equal(create(f, "g", "{}"), SRL_OK);
    assert_int_equal(add(f, "g", "ann"), SRL_OK);
    assert_int_equal(add(f, "g", "ann"), SRL_ERR_EXISTS);
    assert_int_equal(add(f, "g", "an"), SRL_OK);
    assert_int_equal(check(f, "g", "ann"), SRL_OK);
    assert_int_equal(check(f, "g", "anna"), SRL_ERR_NOT_FOUND);
    assert_int_equal(ask(f, &f->a, SRL_DIRECTORY_GET, "g", "", "", 0).total, 2);
    assert_int_equal(ask(f, &f->a, SRL_DIRECTORY_REMOVE, "g", "bob", "", 0).error, SRL_ERR_NOT_FOUND);
    assert_int_equal(ask(f, &f->a, SRL_DIRECTORY_REMOVE, "g", "ann", "", 0).error, SRL_OK);
    assert_int_equal(ask(f, &f->b, SRL_DIRECTORY_REMOVE, "g", "ann", "", 0).error, SRL_ERR_NOT_FOUND);
    assert_int_equal(check(f, "g", "ann"), SRL_ERR_NOT_FOUND);
    assert_int_equal(check(f, "g", "an"), SRL_OK);
    assert_int_equal(add(f, "g", "ann"), SRL_OK);
}

static void lists_are_sorted_by_bytes_and_go_on_behind_a_name(void **state)
{
    fixture *f = *state;
    const char *users[] = {"b", "\xC3\xA4", "a", "aa", "Z", "c"};
    assert_int_equal(create(f, "g", ""), SRL_OK);
    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
        assert_int_equal(add(f, "g", users[i]), SRL_OK);
    }
    srl_test_answer answer = ask(f, &f->b, SRL_DIRECTORY_MEMBERS, "g", "", "", 100);
    assert_names(&answer, "Z a aa b c \xC3\xA4");
    assert_int_equal(answer.total, 6);
    answer = ask(f, &f->b, SRL_DIRECTORY_MEMBERS, "g", "", "", 2);
    assert_names(&answer, "Z a");
    assert_int_equal(answer.total, 6);
    answer = ask(f, &f->b, SRL_DIRECTORY_MEMBERS, "g", "a", "", 2);
    assert_names(&answer, "aa b");
    answer = ask(f, &f->b, SRL_DIRECTORY_MEMBERS, "g", "ab", "", 9);
    assert_names(&answer, "b c \xC3\xA4");
    answer = ask(f, &f->b, SRL_DIRECTORY_MEMBERS, "g", "\xC3\xA4", "", 9);
    assert_names(&answer, "");
    assert_int_equal(answer.total, 6);
    answer = ask(f, &f->b, SRL_DIRECTORY_MEMBERS, "g", "", "", 0);
    assert_names(&answer, "");
    assert_int_equal(answer.total, 6);
    answer = ask(f, &f->b, SRL_DIRECTORY_MEMBERS, "none", "", "", 9);
    assert_names(&answer, "");
    assert_int_equal(answer.total, 0);
}

static void a_user_finds_the_groups(void **state)
{
    fixture *f = *state;
    const char *channels[] = {"g:3", "g:1", "h", "g:2"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(create(f, channels[i], ""), SRL_OK);
        assert_int_equal(add(f, channels[i], "ann"), SRL_OK);
        assert_int_equal(add(f, channels[i], "bob"), SRL_OK);
    }
    srl_test_answer answer = ask(f, &f->a, SRL_DIRECTORY_GROUPS, "", "ann", "", 9);
    assert_names(&answer, "g:1 g:2 g:3 h");
    assert_int_equal(answer.total, 4);
    answer = ask(f, &f->a, SRL_DIRECTORY_GROUPS, "g:1", "ann", "", 2);
    assert_names(&answer, "g:2 g:3");
    assert_int_equal(answer.total, 4);
    assert_int_equal(ask(f, &f->a, SRL_DIRECTORY_REMOVE, "g:2", "ann", "", 0).error, SRL_OK);
    answer = ask(f, &f->b, SRL_DIRECTORY_DELETE, "g:3", "", "", 0);
    assert_names(&answer, "ann bob");
    answer = ask(f, &f->b, SRL_DIRECTORY_GROUPS, "", "ann", "", 9);
    assert_names(&answer, "g:1 h");
    answer = ask(f, &f->b, SRL_DIRECTORY_GROUPS, "", "bob", "", 9);
    assert_names(&answer, "g:1 g:2 h");
    answer = ask(f, &f->b, SRL_DIRECTORY_GROUPS, "", "carol", "", 9);
    assert_names(&answer, "");
    assert_int_equal(answer.total, 0);
}

static void groups_stay_when_nodes_go(void **state)
{
    fixture *f = *state;
    assert_int_equal(create(f, "g", "{}"), SRL_OK);
    assert_int_equal(add(f, "g", "ann"), SRL_OK);
    srl_test_node_detach(&f->b);
    assert_int_equal(check(f, "g", "ann"), SRL_OK);
}

static void questions_without_a_name_are_not_taken(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = {0};
    const struct {
        uint32_t verb;
        const char *channel, *user;
    } wrong[] = {
        {SRL_DIRECTORY_CREATE, "", ""},
        {SRL_DIRECTORY_MEMBERS, "", "a"},
        {SRL_DIRECTORY_ADD, "g", ""},
        {SRL_DIRECTORY_CHECK, "g", ""},
        {SRL_DIRECTORY_GROUPS, "g", ""},
        {0, "g", "a"},
        {99, "g", "a"},
    };
    assert_int_equal(create(f, "g", ""), SRL_OK);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        srl_test_directory(&f->a, wrong[i].verb, wrong[i].channel, wrong[i].user, "", 5, &answer);
        assert_int_equal(answer.returned, SRL_ERR_INVALID);
        assert_int_equal(answer.answers, 0);
    }
    srl_test_position_set(&f->a, "", "c", 1, "e", 0, &answer);
    assert_int_equal(answer.returned, SRL_ERR_INVALID);
    srl_test_position_get(&f->a, "ann", "", &answer);
    assert_int_equal(answer.returned, SRL_ERR_INVALID);
    srl_test_position_set(&f->a, "ann", "c", 1, "an-epoch-of-more-than-thirty-two-bytes", 0, &answer);
    assert_int_equal(answer.returned, SRL_ERR_INVALID);
}

/* While an answer shows the members, they are deleted, and other lists are asked for. */
static void delete_in_answer(srl_test_answer *answer, const srl_broker_result *result)
{
    srl_test_node *node = answer->user;
    static srl_test_answer inner;
    inner.then = NULL;
    srl_test_directory(node, SRL_DIRECTORY_DELETE, "g", "", "", 0, &inner);
    srl_test_directory(node, SRL_DIRECTORY_CREATE, "g", "", "{\"other\":true}", 0, &inner);
    srl_test_directory(node, SRL_DIRECTORY_ADD, "g", "zoe", "", 0, &inner);
    srl_test_directory(node, SRL_DIRECTORY_MEMBERS, "g", "", "", 9, &inner);
    srl_test_directory(node, SRL_DIRECTORY_GET, "g", "", "", 9, &inner);
    assert_int_equal(result->name_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(result->names[i].len, 3);
        assert_memory_equal(result->names[i].data, answer->names[i], 3);
    }
}

static void a_list_stays_readable_while_the_group_is_deleted(void **state)
{
    fixture *f = *state;
    assert_int_equal(create(f, "g", ""), SRL_OK);
    assert_int_equal(add(f, "g", "ann"), SRL_OK);
    assert_int_equal(add(f, "g", "bob"), SRL_OK);
    assert_int_equal(add(f, "g", "eve"), SRL_OK);
    srl_test_answer answer = {.then = delete_in_answer, .user = &f->a};
    srl_test_directory(&f->a, SRL_DIRECTORY_MEMBERS, "g", "", "", 9, &answer);
    await(f, &answer);
    settle(f);
    assert_int_equal(check(f, "g", "zoe"), SRL_OK);
}

static void detach_in_list(srl_test_answer *answer, const srl_broker_result *result)
{
    srl_test_node_detach(answer->user);
    assert_int_equal(result->name_count, 1);
    assert_memory_equal(result->names[0].data, "ann", 3);
}

static void detaching_inside_a_list(void **state)
{
    fixture *f = *state;
    assert_int_equal(create(f, "g", ""), SRL_OK);
    assert_int_equal(add(f, "g", "ann"), SRL_OK);
    srl_test_answer answer = {.then = detach_in_list, .user = &f->a};
    srl_test_directory(&f->a, SRL_DIRECTORY_DELETE, "g", "", "", 0, &answer);
    await(f, &answer);
}

static srl_test_answer set_position(fixture *f, srl_test_node *node, const char *user, uint64_t offset,
                                    const char *epoch, uint64_t ttl_ms)
{
    srl_test_answer answer = {0};
    if (node->ops->position_set == NULL) {
        skip();
    }
    srl_test_position_set(node, user, "c", offset, epoch, ttl_ms, &answer);
    await(f, &answer);
    assert_int_equal(answer.error, SRL_OK);
    return answer;
}

static void assert_position(fixture *f, const char *user, const char *channel, int error, uint64_t offset,
                            const char *epoch)
{
    srl_test_answer answer = {0};
    srl_test_position_get(&f->a, user, channel, &answer);
    await(f, &answer);
    assert_int_equal(answer.error, error);
    assert_int_equal(answer.offset, offset);
    assert_string_equal(answer.epoch, epoch);
}

static void a_position_never_goes_back(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = set_position(f, &f->a, "ann", 5, "one", 0);
    assert_int_equal(answer.offset, 5);
    assert_string_equal(answer.epoch, "one");
    answer = set_position(f, &f->b, "ann", 3, "one", 0);
    assert_int_equal(answer.offset, 5);
    assert_position(f, "ann", "c", SRL_OK, 5, "one");
    set_position(f, &f->b, "ann", UINT64_C(1) << 50, "one", 0);
    assert_position(f, "ann", "c", SRL_OK, UINT64_C(1) << 50, "one");
    answer = set_position(f, &f->b, "ann", 2, "another", 0);
    assert_int_equal(answer.offset, 2);
    assert_string_equal(answer.epoch, "another");
    set_position(f, &f->a, "ann", 7, "one", 0);
    assert_position(f, "ann", "c", SRL_OK, 7, "one");
}

static void positions_are_of_a_user_in_a_channel(void **state)
{
    fixture *f = *state;
    set_position(f, &f->a, "ann", 5, "e", 0);
    assert_position(f, "bob", "c", SRL_ERR_NOT_FOUND, 0, "");
    assert_position(f, "ann", "cc", SRL_ERR_NOT_FOUND, 0, "");
    assert_position(f, "an", "nc", SRL_ERR_NOT_FOUND, 0, "");
    assert_position(f, "annc", "c", SRL_ERR_NOT_FOUND, 0, "");
    set_position(f, &f->b, "bob", 6, "e", 0);
    assert_position(f, "ann", "c", SRL_OK, 5, "e");
    assert_position(f, "bob", "c", SRL_OK, 6, "e");
}

static void positions_age(void **state)
{
    fixture *f = *state;
    if (!kind_under_test->follows_clock) {
        skip();
    }
    set_position(f, &f->a, "ann", 5, "e", 1000);
    set_position(f, &f->a, "bob", 5, "e", 0);
    fake_platform_advance(&f->clock, 900);
    set_position(f, &f->b, "ann", 4, "e", 1000);
    fake_platform_advance(&f->clock, 99);
    assert_position(f, "ann", "c", SRL_OK, 5, "e");
    set_position(f, &f->b, "ann", 5, "e", 1000);
    fake_platform_advance(&f->clock, 999);
    assert_position(f, "ann", "c", SRL_OK, 5, "e");
    fake_platform_advance(&f->clock, 1);
    assert_position(f, "ann", "c", SRL_ERR_NOT_FOUND, 0, "");
    set_position(f, &f->a, "ann", 2, "e", UINT64_MAX);
    fake_platform_advance(&f->clock, UINT64_C(1) << 50);
    settle(f);
    assert_position(f, "ann", "c", SRL_OK, 2, "e");
    assert_position(f, "bob", "c", SRL_OK, 5, "e");
}

static void assert_log(const srl_test_node *node, const char *expected)
{
    char seen[256] = "";
    for (size_t i = 0; i < node->log_count; i++) {
        size_t len = strlen(seen);
        snprintf(seen + len, sizeof(seen) - len, "%s%s%s", i > 0 ? " " : "",
                 node->log[i].kind == SRL_TEST_NOTE ? "#" : "", node->log[i].data);
    }
    assert_string_equal(seen, expected);
}

static void notes_reach_every_node_in_order_with_messages(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("n", 5);
    if (f->a.ops->control == NULL) {
        skip();
    }
    subscribe(f, &f->a, channel, ROOM(0), &answer);
    subscribe(f, &f->b, channel, ROOM(1), &answer);
    assert_int_equal(srl_test_node_attach(&f->c, f->broker, &f->clock), SRL_OK);
    come_up(f);
    assert_int_equal(srl_test_control(&f->a, "one"), SRL_OK);
    publish(f, &f->a, channel, "1");
    assert_int_equal(srl_test_control(&f->a, "two"), SRL_OK);
    assert_int_equal(srl_test_control(&f->a, ""), SRL_OK);
    publish(f, &f->a, channel, "2");
    settle(f);
    assert_log(&f->a, "#one 1 #two # 2");
    assert_log(&f->b, "#one 1 #two # 2");
    assert_log(&f->c, "#one #two #");
    assert_int_equal(srl_test_control(&f->c, "three"), SRL_OK);
    settle(f);
    assert_log(&f->b, "#one 1 #two # 2 #three");
    assert_log(&f->c, "#one #two # #three");
}

static void unsubscribing_takes_no_note_back(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = {0};
    srl_broker_channel channel = srl_test_channel("n", 5);
    if (f->a.ops->control == NULL) {
        skip();
    }
    subscribe(f, &f->b, channel, NULL, &answer);
    assert_int_equal(srl_test_control(&f->a, "one"), SRL_OK);
    f->b.ops->unsubscribe(f->b.link, "n", 1, NULL);
    settle(f);
    assert_log(&f->b, "#one");
}

static void answer_note(srl_test_node *node, const srl_test_delivery *note)
{
    srl_broker_channel channel = srl_test_channel("n", 5);
    static srl_test_answer answer;
    if (strcmp(note->data, "ask") == 0) {
        answer.then = NULL;
        assert_int_equal(srl_test_control(node, "tell"), SRL_OK);
        srl_test_publish(node, &channel, SRL_MESSAGE_PUBLICATION, "told", &answer);
        assert_int_equal(node->log[node->log_count - 1].kind, SRL_TEST_NOTE);
        assert_string_equal(node->log[node->log_count - 1].data, "ask");
    }
}

static void notes_out_of_notes_wait_for_their_turn(void **state)
{
    fixture *f = *state;
    srl_test_answer answer = {0};
    if (f->a.ops->control == NULL || kind_under_test->wait != NULL) {
        skip();
    }
    subscribe(f, &f->a, srl_test_channel("n", 5), ROOM(0), &answer);
    f->a.on_note = answer_note;
    assert_int_equal(srl_test_control(&f->a, "ask"), SRL_OK);
    settle(f);
    assert_log(&f->a, "#ask #tell told");
    srl_test_node_forget(&f->a);
    srl_test_node_forget(&f->b);
    assert_int_equal(srl_test_control(&f->b, "ask"), SRL_OK);
    settle(f);
    assert_log(&f->a, "#ask #tell told");
    assert_log(&f->b, "#ask #tell");
}

static void detach_in_note(srl_test_node *node, const srl_test_delivery *note)
{
    (void)note;
    srl_test_node_detach(node);
}

static void detaching_inside_a_note_is_the_last_one(void **state)
{
    fixture *f = *state;
    if (f->a.ops->control == NULL) {
        skip();
    }
    f->a.on_note = detach_in_note;
    f->b.on_note = detach_in_note;
    assert_int_equal(srl_test_control(&f->b, "one"), SRL_OK);
    settle(f);
    assert_null(f->a.link);
    assert_null(f->b.link);
    assert_log(&f->a, "#one");
    assert_log(&f->b, "#one");
}

static uint32_t count_nodes(fixture *f, srl_test_node *node)
{
    srl_test_answer answer = {0};
    srl_test_nodes(node, &answer);
    await(f, &answer);
    assert_int_equal(answer.error, SRL_OK);
    return answer.total;
}

static void nodes_are_counted(void **state)
{
    fixture *f = *state;
    if (f->a.ops->nodes == NULL) {
        skip();
    }
    assert_int_equal(count_nodes(f, &f->a), 2);
    assert_int_equal(srl_test_node_attach(&f->c, f->broker, &f->clock), SRL_OK);
    come_up(f);
    assert_int_equal(count_nodes(f, &f->a), 3);
    assert_int_equal(count_nodes(f, &f->c), 3);
    srl_test_node_detach(&f->a);
    settle(f);
    assert_int_equal(count_nodes(f, &f->c), 2);
}

int srl_test_broker_rooms_run(const char *name, const srl_test_broker_kind *kind)
{
    const struct CMUnitTest tests[] = {
        T(groups_are_made_and_deleted),
        T(members_come_and_go),
        T(lists_are_sorted_by_bytes_and_go_on_behind_a_name),
        T(a_user_finds_the_groups),
        T(groups_stay_when_nodes_go),
        T(questions_without_a_name_are_not_taken),
        T(a_list_stays_readable_while_the_group_is_deleted),
        T(detaching_inside_a_list),
        T(a_position_never_goes_back),
        T(positions_are_of_a_user_in_a_channel),
        T(positions_age),
        T(notes_reach_every_node_in_order_with_messages),
        T(unsubscribing_takes_no_note_back),
        T(notes_out_of_notes_wait_for_their_turn),
        T(detaching_inside_a_note_is_the_last_one),
        T(nodes_are_counted),
    };
    kind_under_test = kind;
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
