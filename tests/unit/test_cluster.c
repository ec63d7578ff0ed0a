/* Lists of nodes, and surveys. */
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

enum { RELAYS = 3, KEPT = 128 };

/* Relays that share a broker. */
typedef struct cluster {
    srl_broker *broker;
    test_relay nodes[RELAYS];
} cluster;

static srl_question *kept[KEPT];
static unsigned kept_count;

static void keep(srl_question *question, void *home)
{
    (void)home;
    kept[kept_count++] = question;
}

/* {"op":OP,"got":DATA} */
static void echo(srl_question *question, void *home)
{
    char text[512];
    size_t op_len;
    size_t data_len;
    const char *op = srl_question_op(question, &op_len);
    const char *data = srl_question_data(question, &data_len);

    assert_ptr_equal(srl_question_relay(question), ((test_relay *)home)->relay);
    assert_int_equal(op[op_len], '\0');
    snprintf(text, sizeof(text), " {\"op\":\"%.*s\",\"got\":%s} ", (int)op_len, op, data_len > 0 ? data : "null");
    assert_int_equal(srl_question_answer(question, text, strlen(text)), SRL_OK);
}

static void refuse(srl_question *question, void *home)
{
    (void)home;
    assert_int_equal(srl_question_refuse(question, SRL_ERR_DENIED), SRL_OK);
}

static void refuse_oddly(srl_question *question, void *home)
{
    (void)home;
    assert_int_equal(srl_question_refuse(question, 17), SRL_OK);
}

static void answer_nonsense(srl_question *question, void *home)
{
    (void)home;
    assert_int_equal(srl_question_answer(question, "{", 1), SRL_ERR_JSON);
}

static void answer_too_much(srl_question *question, void *home)
{
    static char text[100];
    (void)home;

    memset(text, ' ', sizeof(text));
    text[0] = '1';
    assert_int_equal(srl_question_answer(question, text, sizeof(text)), SRL_ERR_TOO_LARGE);
}

static void begin_with(cluster *c, srl_broker *broker, void (*hook)(srl_question *, void *))
{
    static const char *const names[RELAYS] = {"one", "tw\"o", ""};

    kept_count = 0;
    c->broker = broker;
    for (int i = 0; i < RELAYS; i++) {
        test_relay_init(&c->nodes[i]);
        c->nodes[i].survey = hook;
        c->nodes[i].platform.prng = (uint64_t)i * 1000 + 1; /* ids differ */
        assert_int_equal(srl_options_set_broker(c->nodes[i].options, broker), SRL_OK);
        assert_int_equal(test_relay_start(&c->nodes[i], "node_name", names[i], "allow_anonymous", "true", "max_surveys",
                                          "4", "max_survey_bytes", "64", NULL),
                         SRL_OK);
    }
}

static void begin(cluster *c, void (*hook)(srl_question *, void *))
{
    srl_broker *broker;

    assert_int_equal(srl_broker_create_memory(NULL, &broker), SRL_OK);
    begin_with(c, broker, hook);
}

static void end(cluster *c)
{
    for (int i = 0; i < RELAYS; i++) {
        test_relay_end(&c->nodes[i]);
    }
    srl_broker_release(c->broker);
}

static void process(cluster *c)
{
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < RELAYS; i++) {
            test_relay_process(&c->nodes[i]);
        }
    }
}

/* What a survey found, one line for each node. */
typedef struct findings {
    unsigned calls;
    int error;
    uint32_t count;
    uint32_t alive;
    uint32_t missing;
    char ids[RELAYS][SRL_NODE_ID_LEN + 1];
    char names[RELAYS][16];
    char data[RELAYS][128];
    int32_t errors[RELAYS];
    srl_stats stats[RELAYS];
    test_relay *destroy; /* in the callback */
} findings;

static void copy(char *out, size_t size, const char *text, size_t len)
{
    assert_true(len < size);
    memcpy(out, text, len);
    out[len] = '\0';
}

static void surveyed(int error, const srl_survey *survey, void *user)
{
    findings *f = user;

    f->calls++;
    f->error = error;
    assert_int_equal(error == SRL_OK, survey != NULL);
    for (uint32_t i = 0; survey != NULL && i < survey->count && i < RELAYS; i++) {
        const srl_survey_answer *answer = &survey->answers[i];

        copy(f->ids[i], sizeof(f->ids[i]), answer->node, SRL_NODE_ID_LEN);
        copy(f->names[i], sizeof(f->names[i]), answer->name, answer->name_len);
        copy(f->data[i], sizeof(f->data[i]), answer->data, answer->data_len);
        f->errors[i] = answer->error;
    }
    if (survey != NULL) {
        f->count = survey->count;
        f->alive = survey->alive;
        f->missing = survey->missing;
    }
    if (f->destroy != NULL) {
        test_relay_destroy(f->destroy);
    }
}

static void listed_nodes(int error, const srl_nodes *nodes, void *user)
{
    findings *f = user;

    f->calls++;
    f->error = error;
    assert_int_equal(error == SRL_OK, nodes != NULL);
    for (uint32_t i = 0; nodes != NULL && i < nodes->count && i < RELAYS; i++) {
        const srl_node_info *node = &nodes->nodes[i];

        copy(f->ids[i], sizeof(f->ids[i]), node->id, SRL_NODE_ID_LEN);
        copy(f->names[i], sizeof(f->names[i]), node->name, node->name_len);
        copy(f->data[i], sizeof(f->data[i]), node->version, node->version_len);
        f->stats[i] = *node->stats;
    }
    if (nodes != NULL) {
        f->count = nodes->count;
        f->alive = nodes->alive;
        f->missing = nodes->missing;
    }
}

static int ask(test_relay *home, const char *op, const char *data, findings *f)
{
    return srl_relay_survey(home->relay, op, strlen(op), data, strlen(data), 1000, surveyed, f);
}

/* Where a node is among the findings. */
static int place_of(const findings *f, const test_relay *home)
{
    char id[SRL_NODE_ID_LEN + 1];

    srl_relay_node_id(home->relay, id);
    for (int i = 0; i < RELAYS; i++) {
        if (strcmp(f->ids[i], id) == 0) {
            return i;
        }
    }
    fail_msg("the node %s is not there", id);
    return -1;
}

static void nodes_have_ids(void **state)
{
    cluster c;
    char a[SRL_NODE_ID_LEN + 1];
    char b[SRL_NODE_ID_LEN + 1];
    (void)state;

    begin(&c, NULL);
    srl_relay_node_id(c.nodes[0].relay, a);
    srl_relay_node_id(c.nodes[0].relay, b);
    assert_string_equal(a, b);
    assert_int_equal(strlen(a), SRL_NODE_ID_LEN);
    end(&c);
}

static void every_node_is_listed(void **state)
{
    cluster c;
    findings f = {0};
    int at = 0;
    (void)state;

    begin(&c, NULL);
    (void)test_client_subscribe(test_client_enter(&c.nodes[1], "ann"), "x");
    (void)test_client_subscribe(test_client_enter(&c.nodes[1], "bob"), "x");
    assert_int_equal(test_relay_publish(&c.nodes[1], "x", "1"), SRL_OK);
    fake_platform_advance(&c.nodes[1].platform, 1234);
    assert_int_equal(srl_relay_nodes(c.nodes[0].relay, 1000, listed_nodes, &f), SRL_OK);
    process(&c);
    assert_int_equal(f.calls, 1);
    assert_int_equal(f.error, SRL_OK);
    assert_int_equal(f.count, 3);
    assert_int_equal(f.alive, 3);
    assert_int_equal(f.missing, 0);
    assert_string_equal(f.names[place_of(&f, &c.nodes[0])], "one");
    assert_string_equal(f.names[place_of(&f, &c.nodes[2])], "");
    at = place_of(&f, &c.nodes[1]);
    assert_string_equal(f.names[at], "tw\"o");
    assert_string_equal(f.data[at], srl_version());
    assert_int_equal(f.stats[at].size, sizeof(srl_stats));
    assert_int_equal(f.stats[at].rooms, 1);
    assert_int_equal(f.stats[at].sessions, 2);
    assert_int_equal(f.stats[at].users, 2);
    assert_int_equal(f.stats[at].subscriptions, 2);
    assert_int_equal(f.stats[at].publications, 1);
    assert_true(f.stats[at].deliveries > 2);
    assert_int_equal(f.stats[at].uptime_ms, 1234);
    assert_int_equal(f.stats[place_of(&f, &c.nodes[0])].sessions, 0);
    test_relay_advance(&c.nodes[0], 5000);
    assert_int_equal(f.calls, 1);
    end(&c);
}

#define WORD "s\\i\"z\xc3\xa9\n"

static void expect_word(srl_question *question, void *home)
{
    size_t len;
    const char *op = srl_question_op(question, &len);

    (void)home;
    assert_string_equal(op, WORD);
    assert_int_equal(len, strlen(WORD));
    assert_string_equal(srl_question_data(question, &len), "[1,\"x\"]");
    assert_int_equal(len, 7);
    assert_int_equal(srl_question_answer(question, "1", 1), SRL_OK);
}

static void every_node_answers_a_survey(void **state)
{
    cluster c;
    findings f = {0};
    (void)state;

    begin(&c, expect_word);
    assert_int_equal(ask(&c.nodes[2], WORD, " [1,\"x\"]\n", &f), SRL_OK);
    assert_int_equal(f.calls, 0);
    process(&c);
    assert_int_equal(f.calls, 1);
    assert_int_equal(f.count, 3);
    assert_int_equal(f.missing, 0);
    for (int i = 0; i < RELAYS; i++) {
        assert_int_equal(f.errors[i], SRL_OK);
    }
    end(&c);
}

static void data_is_passed_as_it_is(void **state)
{
    cluster c;
    findings f = {0};
    (void)state;

    begin(&c, echo);
    assert_int_equal(ask(&c.nodes[1], "rooms", " \"\\u00e9\" ", &f), SRL_OK);
    process(&c);
    assert_int_equal(f.calls, 1);
    assert_int_equal(f.alive, 3);
    for (int i = 0; i < RELAYS; i++) {
        assert_int_equal(f.errors[i], SRL_OK);
        assert_string_equal(f.data[i], "{\"op\":\"rooms\",\"got\":\"\\u00e9\"}");
    }
    f = (findings){0};
    assert_int_equal(ask(&c.nodes[1], "rooms", "", &f), SRL_OK);
    process(&c);
    assert_string_equal(f.data[place_of(&f, &c.nodes[0])], "{\"op\":\"rooms\",\"got\":null}");
    end(&c);
}

static void all_say(void (*hook)(srl_question *, void *), int32_t error)
{
    cluster c;
    findings f = {0};

    begin(&c, hook);
    assert_int_equal(ask(&c.nodes[0], "op", "", &f), SRL_OK);
    process(&c);
    assert_int_equal(f.calls, 1);
    assert_int_equal(f.count, 3);
    for (int i = 0; i < RELAYS; i++) {
        assert_int_equal(f.errors[i], error);
        assert_string_equal(f.data[i], "");
    }
    end(&c);
}

static void what_a_host_says_instead_of_an_answer(void **state)
{
    (void)state;
    all_say(NULL, SRL_ERR_UNAVAILABLE);
    all_say(refuse, SRL_ERR_DENIED);
    all_say(refuse_oddly, SRL_ERR_INVALID);
    all_say(answer_nonsense, SRL_ERR_JSON);
    all_say(answer_too_much, SRL_ERR_TOO_LARGE);
}

static void an_answer_may_come_later(void **state)
{
    cluster c;
    findings f = {0};
    (void)state;

    begin(&c, keep);
    assert_int_equal(ask(&c.nodes[0], "op", "", &f), SRL_OK);
    process(&c);
    assert_int_equal(kept_count, 3);
    test_relay_advance(&c.nodes[0], 999);
    assert_int_equal(f.calls, 0);
    for (unsigned i = 0; i < kept_count; i++) {
        assert_int_equal(srl_question_answer(kept[i], "7", 1), SRL_OK);
        process(&c);
        assert_int_equal(f.calls, i == 2);
    }
    assert_int_equal(f.errors[0] + f.errors[1] + f.errors[2], 0);
    end(&c);
}

static void who_is_late_is_named(void **state)
{
    cluster c;
    findings f = {0};
    (void)state;

    begin(&c, keep);
    assert_int_equal(ask(&c.nodes[0], "op", "", &f), SRL_OK);
    test_relay_process(&c.nodes[0]);
    test_relay_process(&c.nodes[1]); /* the third one does not come to it */
    assert_int_equal(kept_count, 2);
    assert_int_equal(srl_question_answer(kept[0], "7", 1), SRL_OK);
    test_relay_process(&c.nodes[0]);
    test_relay_advance(&c.nodes[0], 1000);
    assert_int_equal(f.calls, 1);
    assert_int_equal(f.error, SRL_OK);
    assert_int_equal(f.count, 2);
    assert_int_equal(f.alive, 3);
    assert_int_equal(f.missing, 1);
    assert_int_equal(f.errors[place_of(&f, &c.nodes[0])], SRL_OK);
    assert_int_equal(f.errors[place_of(&f, &c.nodes[1])], SRL_ERR_TIMEOUT);
    assert_string_equal(f.names[place_of(&f, &c.nodes[1])], "tw\"o");
    assert_int_equal(srl_question_answer(kept[1], "7", 1), SRL_OK); /* too late */
    process(&c);
    assert_int_equal(srl_question_refuse(kept[2], SRL_ERR_DENIED), SRL_OK);
    process(&c);
    assert_int_equal(f.calls, 1);
    end(&c);
}

static void questions_are_checked(void **state)
{
    cluster c;
    findings f = {0};
    static char text[SRL_SURVEY_OP_MAX + 1];
    srl_relay *relay;
    (void)state;

    begin(&c, echo);
    relay = c.nodes[0].relay;
    memset(text, 'x', sizeof(text));
    assert_int_equal(ask(&c.nodes[0], "", "", &f), SRL_ERR_INVALID);
    assert_int_equal(ask(&c.nodes[0], "\xff", "", &f), SRL_ERR_INVALID);
    assert_int_equal(srl_relay_survey(relay, text, sizeof(text), "", 0, 1, surveyed, &f), SRL_ERR_INVALID);
    assert_int_equal(srl_relay_survey(relay, "op", 2, "", 0, 1, NULL, &f), SRL_ERR_INVALID);
    assert_int_equal(srl_relay_nodes(relay, 1, NULL, NULL), SRL_ERR_INVALID);
    assert_int_equal(ask(&c.nodes[0], "op", "{", &f), SRL_ERR_JSON);
    assert_true(strlen(srl_relay_last_error(relay)) > 0);
    memset(text, ' ', sizeof(text));
    assert_int_equal(srl_relay_survey(relay, "op", 2, text, 65, 1, surveyed, &f), SRL_ERR_TOO_LARGE);
    assert_int_equal(f.calls, 0);
    end(&c);
}

static void surveys_and_questions_have_a_limit(void **state)
{
    cluster c;
    findings f[5] = {{0}};
    (void)state;

    begin(&c, keep);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ask(&c.nodes[0], "op", "", &f[i]), SRL_OK);
    }
    assert_int_equal(ask(&c.nodes[0], "op", "", &f[4]), SRL_ERR_LIMIT);
    assert_int_equal(srl_relay_nodes(c.nodes[0].relay, 1000, listed_nodes, &f[4]), SRL_ERR_LIMIT);
    process(&c);
    assert_int_equal(kept_count, 12);
    assert_int_equal(ask(&c.nodes[1], "op", "", &f[4]), SRL_OK); /* all have their hands full */
    process(&c);
    assert_int_equal(kept_count, 12);
    assert_int_equal(f[4].calls, 1);
    assert_int_equal(f[4].errors[0], SRL_ERR_LIMIT);
    assert_int_equal(f[4].errors[1], SRL_ERR_LIMIT);
    while (kept_count > 0) {
        assert_int_equal(srl_question_answer(kept[--kept_count], "1", 1), SRL_OK);
    }
    process(&c);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(f[i].calls, 1);
        assert_int_equal(f[i].count, 3);
    }
    assert_int_equal(ask(&c.nodes[0], "op", "", &f[4]), SRL_OK);
    process(&c);
    while (kept_count > 0) {
        assert_int_equal(srl_question_answer(kept[--kept_count], "1", 1), SRL_OK);
    }
    end(&c);
}

static void the_end_of_a_relay_ends_its_surveys(void **state)
{
    cluster c;
    findings f = {0};
    findings g = {0};
    (void)state;

    begin(&c, keep);
    assert_int_equal(ask(&c.nodes[0], "op", "", &f), SRL_OK);
    assert_int_equal(srl_relay_nodes(c.nodes[0].relay, 1000, listed_nodes, &g), SRL_OK);
    test_relay_process(&c.nodes[1]);
    assert_int_equal(kept_count, 2);
    test_relay_destroy(&c.nodes[0]);
    assert_int_equal(f.calls, 1);
    assert_int_equal(f.error, SRL_ERR_CANCELLED);
    assert_int_equal(g.error, SRL_ERR_CANCELLED);
    assert_null(srl_question_relay(kept[0]));
    assert_int_equal(srl_question_answer(kept[0], "1", 1), SRL_ERR_CANCELLED);
    assert_int_equal(srl_question_answer(kept[1], "1", 1), SRL_OK); /* into the void */
    process(&c);
    assert_int_equal(f.calls, 1);
    while (kept_count > 2) {
        assert_int_equal(srl_question_refuse(kept[--kept_count], SRL_ERR_DENIED), SRL_OK);
    }
    end(&c);
}

static void a_callback_may_end_its_relay(void **state)
{
    cluster c;
    findings f = {0};
    (void)state;

    begin(&c, echo);
    f.destroy = &c.nodes[0];
    assert_int_equal(ask(&c.nodes[0], "op", "", &f), SRL_OK);
    process(&c);
    assert_null(c.nodes[0].relay);
    assert_int_equal(f.calls, 1);
    end(&c);
}

static void end_relay(srl_question *question, void *home)
{
    test_relay_destroy(home);
    assert_int_equal(srl_question_answer(question, "1", 1), SRL_ERR_CANCELLED);
}

static void a_hook_may_end_its_relay(void **state)
{
    cluster c;
    findings f = {0};
    (void)state;

    begin(&c, end_relay);
    assert_int_equal(ask(&c.nodes[0], "op", "", &f), SRL_OK);
    assert_int_equal(f.calls, 1);
    assert_int_equal(f.error, SRL_ERR_CANCELLED);
    for (int i = 1; i < RELAYS; i++) {
        (void)srl_relay_process(c.nodes[i].relay);
        assert_null(c.nodes[i].relay);
    }
    end(&c);
}

/* ---- brokers with something missing */

static srl_broker *memory;
static void *link_of_last;
static srl_node *node_of_last;
static unsigned flushes;

static int attach(void *broker, srl_node *node, void **link)
{
    int error = srl__broker_attach(memory, node, link);

    (void)broker;
    node_of_last = node;
    link_of_last = *link;
    return error;
}

static void destroy(void *broker)
{
    (void)broker;
    srl_broker_release(memory);
}

static int nodes_fail(void *link, srl_operation *operation)
{
    (void)link;
    (void)operation;
    return SRL_ERR_BROKER_DOWN;
}

static srl_operation *counting;

static int nodes_wait(void *link, srl_operation *operation)
{
    (void)link;
    counting = operation;
    return SRL_OK;
}

static int control_fails(void *link, const char *note, size_t note_len)
{
    (void)link;
    (void)note;
    (void)note_len;
    return SRL_ERR_BROKER_DOWN;
}

static void flushed(void *link)
{
    assert_ptr_equal(link, link_of_last);
    flushes++;
}

/* The memory broker with these functions instead of its own. */
static srl_broker *broker_with(int (*nodes)(void *, srl_operation *), int (*control)(void *, const char *, size_t),
                               void (*flush)(void *))
{
    srl_broker_ops ops;
    srl_broker *broker;

    assert_int_equal(srl_broker_create_memory(NULL, &memory), SRL_OK);
    ops = *srl__broker_ops_of(memory);
    ops.attach = attach;
    ops.destroy = destroy;
    ops.nodes = nodes;
    ops.control = control;
    ops.flush = flush;
    assert_int_equal(srl_broker_create(&ops, NULL, &broker), SRL_OK);
    return broker;
}

static int (*memory_control(void))(void *, const char *, size_t)
{
    srl_broker *broker;
    int (*control)(void *, const char *, size_t);

    assert_int_equal(srl_broker_create_memory(NULL, &broker), SRL_OK);
    control = srl__broker_ops_of(broker)->control;
    srl_broker_release(broker);
    return control;
}

static void without_a_count_the_deadline_ends_it(int (*nodes)(void *, srl_operation *))
{
    cluster c;
    findings f = {0};

    begin_with(&c, broker_with(nodes, memory_control(), NULL), echo);
    assert_int_equal(ask(&c.nodes[0], "op", "", &f), SRL_OK);
    process(&c);
    assert_int_equal(f.calls, 0);
    test_relay_advance(&c.nodes[0], 1000);
    assert_int_equal(f.calls, 1);
    assert_int_equal(f.count, 3);
    assert_int_equal(f.alive, 0);
    assert_int_equal(f.missing, 0);
    end(&c);
}

static void brokers_need_not_count_nodes(void **state)
{
    (void)state;
    without_a_count_the_deadline_ends_it(NULL);
    without_a_count_the_deadline_ends_it(nodes_fail);
}

static void the_count_may_come_late(void **state)
{
    cluster c;
    findings f = {0};
    srl_broker_result three = {.size = sizeof(three), .epoch = "", .total = 3};
    (void)state;

    begin_with(&c, broker_with(nodes_wait, memory_control(), NULL), echo);
    assert_int_equal(ask(&c.nodes[0], "op", "", &f), SRL_OK);
    process(&c);
    assert_int_equal(f.calls, 0);
    srl_operation_finish(counting, &three);
    assert_int_equal(f.calls, 1);
    assert_int_equal(f.alive, 3);
    assert_int_equal(ask(&c.nodes[0], "op", "", &f), SRL_OK);
    process(&c);
    test_relay_advance(&c.nodes[0], 1000);
    assert_int_equal(f.calls, 2);
    srl_operation_finish(counting, &three); /* nobody waits for it any more */
    assert_int_equal(ask(&c.nodes[0], "op", "", &f), SRL_OK);
    process(&c);
    test_relay_destroy(&c.nodes[0]);
    assert_int_equal(f.calls, 3);
    assert_int_equal(f.error, SRL_ERR_CANCELLED);
    end(&c);
}

static void a_broker_without_notes(void **state)
{
    cluster c;
    findings f = {0};
    (void)state;

    begin_with(&c, broker_with(NULL, NULL, NULL), echo);
    assert_int_equal(ask(&c.nodes[0], "op", "", &f), SRL_ERR_UNAVAILABLE);
    end(&c);
    begin_with(&c, broker_with(NULL, control_fails, NULL), echo);
    assert_int_equal(ask(&c.nodes[0], "op", "", &f), SRL_ERR_BROKER_DOWN);
    test_relay_advance(&c.nodes[0], 1000);
    assert_int_equal(f.calls, 0);
    end(&c);
}

/* Notes of others that no library of this version sends. */
static void odd_notes_are_passed_over(void **state)
{
    static const char *const notes[] = {
        "{\"to\":\"",
        "{\"to\":\"00000000-0000-4000-8000-000000000000\",\"survey\":1}",
        "{\"to\":\"%s\"",
        "{\"to\":\"%s\",\"survey\":1}",
        "{\"to\":\"%s\",\"survey\":-1,\"node\":\"%s\"}",
        "{\"to\":\"%s\",\"survey\":1,\"node\":\"short\"}",
        "{\"to\":\"%s\",\"survey\":77,\"node\":\"%s\"}",
        "{\"ask\":\"",
        "{\"ask\":\"short\",\"survey\":1}",
        "{\"ask\":\"%s\",\"survey\":1.5}",
        "{\"ask\":\"%s\"}",
        "{\"do\":\"dance\",\"user\":\"ann\"}",
        "nonsense",
    };
    cluster c;
    findings f = {0};
    char id[SRL_NODE_ID_LEN + 1];
    char text[256];
    (void)state;

    begin_with(&c, broker_with(nodes_wait, memory_control(), NULL), keep);
    srl_relay_node_id(c.nodes[2].relay, id);
    assert_int_equal(ask(&c.nodes[2], "op", "", &f), SRL_OK);
    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof(text), notes[i], id, id);
#pragma GCC diagnostic pop
        srl_node_control(node_of_last, text, strlen(text));
    }
    assert_int_equal(f.calls, 0);
    assert_int_equal(kept_count, 1);
    /* An answer of a node that does not say its name, with an error that nobody knows. */
    snprintf(text, sizeof(text),
             "{\"to\":\"%s\",\"survey\":1,\"node\":\"00000000-0000-4000-8000-000000000000\",\"error\":99999999999}",
             id);
    srl_node_control(node_of_last, text, strlen(text));
    srl_node_control(node_of_last, text, strlen(text)); /* twice */
    test_relay_advance(&c.nodes[2], 1000);
    assert_int_equal(f.count, 2);
    assert_int_equal(f.errors[1], INT32_MIN);
    assert_string_equal(f.names[1], "");
    assert_int_equal(srl_question_refuse(kept[0], SRL_ERR_DENIED), SRL_OK);
    end(&c);
}

/* An answer from node `number` with that much data. */
static void answer_from(const char *id, unsigned number, const char *name, size_t data_len)
{
    char *text = malloc(data_len + 2048);
    int begin = 0;

    assert_non_null(text);
    begin =
        snprintf(text, data_len + 2048,
                 "{\"to\":\"%s\",\"survey\":1,\"node\":\"00000000-0000-4000-8000-%012u\",\"name\":\"%s\",\"data\":\"",
                 id, number, name);
    memset(text + begin, 'x', data_len - 2);
    memcpy(text + begin + data_len - 2, "\"}", 2);
    srl_node_control(node_of_last, text, (size_t)begin + data_len);
    free(text);
}

static void sum_up(int error, const srl_survey *survey, void *user)
{
    findings *f = user;
    size_t bytes = 0;

    f->calls++;
    f->error = error;
    f->count = survey->count;
    for (uint32_t i = 0; i < survey->count; i++) {
        assert_true(survey->answers[i].name_len <= 128);
        assert_true(survey->answers[i].error == SRL_OK || survey->answers[i].error == SRL_ERR_TOO_LARGE);
        assert_int_equal(survey->answers[i].error != SRL_OK, survey->answers[i].data_len == 0);
        f->missing += survey->answers[i].error == SRL_ERR_TOO_LARGE;
        bytes += survey->answers[i].data_len;
    }
    assert_true(bytes <= SRL_SURVEY_MAX_BYTES);
}

static void answers_have_a_size_together(void **state)
{
    cluster c;
    findings f = {0};
    char id[SRL_NODE_ID_LEN + 1];
    char name[1000];
    (void)state;

    begin_with(&c, broker_with(nodes_wait, memory_control(), NULL), echo);
    srl_relay_node_id(c.nodes[2].relay, id);
    assert_int_equal(srl_relay_survey(c.nodes[2].relay, "op", 2, "", 0, 1000, sum_up, &f), SRL_OK);
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    answer_from(id, 99, name, 10);
    for (unsigned i = 0; i < 20; i++) {
        answer_from(id, i, "n", 1000000);
    }
    test_relay_advance(&c.nodes[2], 1000);
    assert_int_equal(f.calls, 1);
    assert_int_equal(f.count, 22);
    assert_int_equal(f.missing, 4);
    end(&c);
}

static void ask_again(int error, const srl_survey *survey, void *user)
{
    cluster *c = user;

    assert_int_equal(error, SRL_ERR_CANCELLED);
    assert_null(survey);
    assert_int_equal(srl_relay_nodes(c->nodes[2].relay, 1, listed_nodes, NULL), SRL_ERR_CLOSED);
}

static void nothing_begins_after_the_end(void **state)
{
    cluster c;
    char text[128];
    char id[SRL_NODE_ID_LEN + 1];
    srl_relay *relay;
    (void)state;

    begin_with(&c, broker_with(nodes_wait, memory_control(), NULL), keep);
    relay = c.nodes[2].relay;
    srl_relay_node_id(relay, id);
    assert_int_equal(srl_relay_survey(relay, "op", 2, "", 0, 1000, ask_again, &c), SRL_OK);
    assert_int_equal(kept_count, 1);
    srl_relay_destroy(relay);
    snprintf(text, sizeof(text), "{\"ask\":\"%s\",\"survey\":1,\"op\":\"x\"}", id);
    srl_node_control(node_of_last, text, strlen(text));
    assert_int_equal(kept_count, 1);
    c.nodes[2].relay = NULL;
    assert_int_equal(srl_question_refuse(kept[0], SRL_ERR_DENIED), SRL_ERR_CANCELLED);
    end(&c);
}

static void the_broker_is_told_of_the_end_of_each_call(void **state)
{
    test_relay home;
    srl_broker *broker = broker_with(NULL, memory_control(), flushed);
    unsigned before;
    (void)state;

    test_relay_init(&home);
    assert_int_equal(srl_options_set_broker(home.options, broker), SRL_OK);
    assert_int_equal(test_relay_start(&home, NULL), SRL_OK);
    assert_non_null(node_of_last->poller);
    before = flushes;
    assert_int_equal(test_relay_publish(&home, "x", "1"), SRL_OK);
    assert_int_equal(flushes, before + 1);
    srl_relay_cork(home.relay);
    assert_int_equal(test_relay_publish(&home, "x", "1"), SRL_OK);
    assert_int_equal(test_relay_publish(&home, "x", "1"), SRL_OK);
    assert_int_equal(flushes, before + 1);
    srl_relay_uncork(home.relay);
    assert_int_equal(flushes, before + 2);
    assert_int_equal(srl_relay_process(home.relay), 0);
    assert_int_equal(flushes, before + 3);
    test_relay_destroy(&home);
    assert_int_equal(flushes, before + 3); /* it is detached */
    test_relay_end(&home);
    srl_broker_release(broker);
}

/* ---- memory */

static uint64_t run(uint64_t nth, bool fail_on, void (*hook)(srl_question *, void *))
{
    static cluster c;
    findings f = {0};
    findings g = {0};
    srl_test_alloc *memory_of = &c.nodes[0].memory;
    uint64_t calls;
    int asked;
    int asked_nodes;

    begin(&c, hook);
    srl_test_alloc_fail(memory_of, nth, fail_on);
    calls = memory_of->calls;
    asked = ask(&c.nodes[0], "op", "[1]", &f);
    asked_nodes = srl_relay_nodes(c.nodes[0].relay, 1000, listed_nodes, &g);
    process(&c);
    calls = memory_of->calls - calls;
    test_relay_advance(&c.nodes[0], 1000);
    srl_test_alloc_fail(memory_of, 0, false);
    assert_true(asked == SRL_OK || asked == SRL_ERR_NOMEM);
    assert_int_equal(f.calls, asked == SRL_OK);
    assert_true(f.error == SRL_OK || f.error == SRL_ERR_NOMEM);
    assert_int_equal(g.calls, asked_nodes == SRL_OK);
    assert_true(g.error == SRL_OK || g.error == SRL_ERR_NOMEM);
    for (unsigned i = 0; i < kept_count; i++) {
        (void)srl_question_answer(kept[i], "1", 1);
    }
    end(&c);
    return calls;
}

static void echo_anyhow(srl_question *question, void *home)
{
    (void)home;
    (void)srl_question_answer(question, "{}", 2);
}

static void each_allocation_fails(void **state)
{
    static void (*const hooks[])(srl_question *, void *) = {echo_anyhow, keep};
    (void)state;

    for (size_t h = 0; h < 2; h++) {
        uint64_t count = run(0, false, hooks[h]);

        assert_true(count > 10);
        for (uint64_t nth = 1; nth <= count; nth++) {
            (void)run(nth, false, hooks[h]);
            (void)run(nth, true, hooks[h]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_have_ids),
        cmocka_unit_test(every_node_is_listed),
        cmocka_unit_test(every_node_answers_a_survey),
        cmocka_unit_test(data_is_passed_as_it_is),
        cmocka_unit_test(what_a_host_says_instead_of_an_answer),
        cmocka_unit_test(an_answer_may_come_later),
        cmocka_unit_test(who_is_late_is_named),
        cmocka_unit_test(questions_are_checked),
        cmocka_unit_test(surveys_and_questions_have_a_limit),
        cmocka_unit_test(the_end_of_a_relay_ends_its_surveys),
        cmocka_unit_test(a_callback_may_end_its_relay),
        cmocka_unit_test(a_hook_may_end_its_relay),
        cmocka_unit_test(brokers_need_not_count_nodes),
        cmocka_unit_test(the_count_may_come_late),
        cmocka_unit_test(a_broker_without_notes),
        cmocka_unit_test(odd_notes_are_passed_over),
        cmocka_unit_test(answers_have_a_size_together),
        cmocka_unit_test(nothing_begins_after_the_end),
        cmocka_unit_test(the_broker_is_told_of_the_end_of_each_call),
        cmocka_unit_test(each_allocation_fails),
    };

    return cmocka_run_group_tests_name("cluster", tests, NULL, NULL);
}
