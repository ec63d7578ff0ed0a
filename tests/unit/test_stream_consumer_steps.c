#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <streamrelay/error.h>
#include <streamrelay/stream_consumer.h>

#include "helpers/fail_alloc.h"
#include "helpers/fake_platform.h"
#include "redis/stream_flight.h"

/* One consumer "c" of group "g" on stream "s", on a clock that stands still; the test is the server. */
typedef struct world {
    fake_platform platform;
    srl_stream_consumer_options options;
    srl_stream_consumer *consumer;
    srl_command *command;
    srl_reply *reply;
    uint64_t time_ms;
} world;

static world w;

static void begin(void)
{
    memset(&w, 0, sizeof(w));
    fake_platform_init(&w.platform, 1);
    srl_stream_consumer_options_init(&w.options, sizeof(w.options));
    w.options.key = "s";
    w.options.group = "g";
    w.options.consumer = "c";
    w.options.key_len = w.options.group_len = w.options.consumer_len = 1;
    w.options.platform = &w.platform.table;
    w.options.claim_idle_ms = 0;
    w.options.batch = 10;
    assert_int_equal(srl_command_create(NULL, &w.command), 0);
}

static void create(void)
{
    assert_int_equal(srl_stream_consumer_create(&w.options, &w.consumer), 0);
}

static void end(void)
{
    srl_stream_consumer_destroy(w.consumer);
    srl_command_free(w.command);
    if (w.reply != NULL) {
        srl_reply_release(w.reply);
    }
}

static const char *words(void)
{
    static char text[4096];
    size_t at = 0;
    for (uint32_t i = 0; i < srl_command_count(w.command); i++) {
        size_t len = 0;
        const char *arg = srl_command_arg(w.command, i, &len);
        bool is_script = i == 1 && strncmp(text, "EVAL", 4) == 0;
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%.*s", i > 0 ? " " : "", is_script ? 1 : (int)len,
                               is_script ? "~" : arg);
        assert_true(at < sizeof(text));
    }
    return text;
}

static void expect_command(const char *expected, uint64_t max_block_ms)
{
    assert_int_equal(srl_stream_consumer_next(w.consumer, max_block_ms, w.command, &w.time_ms), 1);
    assert_string_equal(words(), expected);
}

/* "." for CR LF. */
static int answer(const char *text)
{
    char wire[2048];
    size_t len = 0;
    for (const char *at = text; *at != '\0'; at++) {
        assert_true(len + 2 < sizeof(wire));
        if (*at == '.') {
            wire[len++] = '\r';
        }
        wire[len++] = *at == '.' ? '\n' : *at;
    }
    if (w.reply != NULL) {
        srl_reply_release(w.reply);
    }
    assert_int_equal(srl_reply_parse(NULL, wire, len, NULL, &w.reply), 0);
    return srl_stream_consumer_answer(w.consumer, text[0] == '-' ? SRL_ERR_REDIS : 0, w.reply);
}

static void step(const char *command, const char *reply, int expected)
{
    expect_command(command, 500);
    int result = answer(reply);
    if (result != expected) {
        fail_msg("%s: %s", command, srl_error_name(result));
    }
}

/* Take an entry. */
static void take(uint64_t ms, uint32_t is_repeated, uint64_t deliveries)
{
    srl_stream_delivery d = {.size = sizeof(d)};
    assert_int_equal(srl_stream_consumer_entry(w.consumer, &d), 1);
    assert_true(d.entry.id.ms == ms);
    assert_int_equal(d.is_repeated, is_repeated);
    assert_true(d.deliveries == deliveries);
    assert_int_equal(d.is_dead, 0);
}

static void take_dead(uint64_t ms, uint64_t deliveries)
{
    srl_stream_delivery d = {.size = sizeof(d)};
    assert_int_equal(srl_stream_consumer_entry(w.consumer, &d), 1);
    assert_true(d.entry.id.ms == ms);
    assert_int_equal(d.is_dead, 1);
    assert_true(d.deliveries == deliveries);
}

static void take_none(void)
{
    srl_stream_delivery d = {.size = sizeof(d)};
    assert_int_equal(srl_stream_consumer_entry(w.consumer, &d), 0);
}

static void ack(uint64_t ms)
{
    srl_stream_id id = {ms, 0};
    assert_int_equal(srl_stream_consumer_ack(w.consumer, &id), 0);
}

static srl_stream_consumer_stats stats(void)
{
    srl_stream_consumer_stats s = {.size = sizeof(s)};
    assert_int_equal(srl_stream_consumer_stats_get(w.consumer, &s), 0);
    return s;
}

#define NOTHING_PENDING step("XPENDING s g - + 10 c", "*0.", 0)
#define READ            "XREADGROUP GROUP g c COUNT 10 BLOCK 500 STREAMS s >"
#define ENTRY(id)       "*2.$3." id ".*2.$1.f.$1.v."

/* ---- the ordinary course */

static void test_reads_and_acknowledges(void **state)
{
    (void)state;
    begin();
    create();
    NOTHING_PENDING;
    step(READ, "*1.*2.$1.s.*2." ENTRY("5-0") ENTRY("6-0"), 1);
    assert_true(w.time_ms > 500 && w.time_ms < 10000);
    take(5, 0, 1);
    take(6, 0, 1);
    take_none();
    take_none();
    assert_int_equal(stats().in_flight, 2);
    ack(6);
    assert_int_equal(stats().in_flight, 1);
    assert_int_equal(stats().unsent_acks, 1);
    step("XACK s g 6-0", ":1.", 0);
    assert_true(w.time_ms == SRL_REDIS_DEFAULT_TIMEOUT);
    step(READ, "_.", 0);
    ack(5);
    step("XACK s g 5-0", ":1.", 0);
    assert_int_equal(stats().in_flight, 0);
    assert_int_equal(stats().unsent_acks, 0);
    assert_true(stats().acked == 2 && stats().delivered == 2 && stats().repeated == 0);
    srl_stream_id id = {5, 0};
    assert_int_equal(srl_stream_consumer_ack(w.consumer, &id), SRL_ERR_NOT_FOUND);
    assert_int_equal(srl_stream_consumer_release(w.consumer, &id), SRL_ERR_NOT_FOUND);
    step(READ, "%1.$1.s.*1." ENTRY("7-0"), 1);
    take(7, 0, 1);
    end();
}

static void test_acknowledges_once(void **state)
{
    (void)state;
    begin();
    create();
    NOTHING_PENDING;
    step(READ, "%1.$1.s.*1." ENTRY("5-0"), 1);
    take(5, 0, 1);
    ack(5);
    srl_stream_id id = {5, 0};
    assert_int_equal(srl_stream_consumer_ack(w.consumer, &id), SRL_ERR_NOT_FOUND);
    assert_int_equal(srl_stream_consumer_release(w.consumer, &id), SRL_ERR_NOT_FOUND);
    step("XACK s g 5-0", ":1.", 0);
    end();
}

static void test_does_not_block_longer_than_asked(void **state)
{
    (void)state;
    begin();
    w.options.block_ms = 100;
    create();
    NOTHING_PENDING;
    step("XREADGROUP GROUP g c COUNT 10 BLOCK 100 STREAMS s >", "_.", 0);
    expect_command("XREADGROUP GROUP g c COUNT 10 STREAMS s >", 0);
    assert_true(w.time_ms == SRL_REDIS_DEFAULT_TIMEOUT);
    assert_int_equal(answer("_."), 0);
    expect_command("XREADGROUP GROUP g c COUNT 10 BLOCK 1 STREAMS s >", 1);
    end();
}

/* ---- the group */

static void test_makes_the_group(void **state)
{
    (void)state;
    begin();
    create();
    step("XPENDING s g - + 10 c", "-NOGROUP No such key 's' or consumer group 'g'.", 0);
    step("XGROUP CREATE s g 0-0 MKSTREAM", "+OK.", 0);
    NOTHING_PENDING;
    assert_true(stats().groups_made == 1);
    step(READ, "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option.", 0);
    step("XGROUP CREATE s g 0-0 MKSTREAM", "-BUSYGROUP Consumer Group name already exists.", 0);
    NOTHING_PENDING;
    assert_true(stats().groups_made == 1);
    end();
}

static void test_group_that_is_not_to_be_made(void **state)
{
    (void)state;
    begin();
    w.options.create_group = 0;
    create();
    step("XPENDING s g - + 10 c", "-NOGROUP No such key.", SRL_ERR_NOT_FOUND);
    assert_int_equal(stats().is_waiting, 1);
    fake_platform_advance(&w.platform, 60000);
    NOTHING_PENDING;
    end();
}

/* A group that is made and is not there then: not for ever in a circle at full speed. */
static void test_group_that_does_not_stay(void **state)
{
    (void)state;
    begin();
    create();
    step("XPENDING s g - + 10 c", "-NOGROUP x.", 0);
    step("XGROUP CREATE s g 0-0 MKSTREAM", "+OK.", 0);
    step("XPENDING s g - + 10 c", "-NOGROUP x.", 0);
    assert_int_equal(srl_stream_consumer_next(w.consumer, 500, w.command, &w.time_ms), 0);
    assert_true(w.time_ms >= 1 && w.time_ms <= 50);
    fake_platform_advance(&w.platform, w.time_ms);
    step("XPENDING s g - + 10 c", "-NOGROUP x.", 0);
    step("XGROUP CREATE s g 0-0 MKSTREAM", "+OK.", 0);
    NOTHING_PENDING;
    end();
}

static void test_begins_at_the_end(void **state)
{
    (void)state;
    begin();
    w.options.start.kind = SRL_STREAM_END;
    create();
    step("XPENDING s g - + 10 c", "-NOGROUP x.", 0);
    step("XREVRANGE s + - COUNT 1", "*1." ENTRY("5-3"), 0);
    step("XGROUP CREATE s g 5-3 MKSTREAM", "+OK.", 0);
    NOTHING_PENDING;
    step(READ, "%1.$1.s.*1." ENTRY("9-0"), 1);
    take(9, 0, 1);
    ack(9);
    step("XACK s g 9-0", ":1.", 0);
    /* The group is lost, the stream is not: from where it began, so that nothing is missed. */
    step(READ, "-NOGROUP x.", 0);
    step("XREVRANGE s + - COUNT 1", "*1." ENTRY("9-0"), 0);
    step("XGROUP CREATE s g 5-3 MKSTREAM", "+OK.", 0);
    NOTHING_PENDING;
    step(READ, "%1.$1.s.*1." ENTRY("9-0"), 1);
    take(9, 1, 0);
    ack(9);
    step("XACK s g 9-0", ":1.", 0);
    /* All is lost, and ids begin anew. */
    step(READ, "-UNBLOCKED the stream key no longer exists.", 0);
    fake_platform_advance(&w.platform, 60000);
    step("XPENDING s g - + 10 c", "-NOGROUP x.", 0);
    step("XREVRANGE s + - COUNT 1", "*0.", 0);
    step("XGROUP CREATE s g 0-0 MKSTREAM", "+OK.", 0);
    end();
}

/* ---- what is pending */

static void test_begins_with_what_is_pending(void **state)
{
    (void)state;
    begin();
    w.options.batch = 2;
    create();
    step("XPENDING s g - + 2 c", "*2.*4.$3.1-0.$1.c.:9.:1.*4.$3.2-0.$1.c.:9.:3.", 0);
    step("XREADGROUP GROUP g c COUNT 2 STREAMS s 0-0", "%1.$1.s.*2." ENTRY("1-0") "*2.$3.2-0._.", 1);
    take(1, 1, 2);
    take_none(); /* 2-0 was deleted: acknowledged in silence */
    assert_true(stats().deleted == 1);
    step("XACK s g 2-0", ":1.", 0);
    step("XPENDING s g (2-0 + 2 c", "*1.*4.$3.3-0.$1.c.:9.:1.", 0);
    step("XREADGROUP GROUP g c COUNT 2 STREAMS s 2-0", "%1.$1.s.*1." ENTRY("3-0"), 1);
    take(3, 1, 2);
    take_none();
    step("XREADGROUP GROUP g c COUNT 2 BLOCK 500 STREAMS s >", "_.", 0);
    assert_true(stats().repeated == 2);
    end();
}

static void test_lost_connection(void **state)
{
    (void)state;
    begin();
    create();
    NOTHING_PENDING;
    step(READ, "%1.$1.s.*2." ENTRY("5-0") ENTRY("6-0"), 1);
    take(5, 0, 1);
    take(6, 0, 1);
    ack(6);
    expect_command("XACK s g 6-0", 500);
    assert_int_equal(srl_stream_consumer_answer(w.consumer, SRL_ERR_OUTCOME_UNKNOWN, NULL), 0);
    uint64_t wait = 0;
    assert_int_equal(srl_stream_consumer_next(w.consumer, 500, w.command, &wait), 0);
    assert_true(wait >= 1 && wait <= 50);
    fake_platform_advance(&w.platform, wait);
    step("XACK s g 6-0", ":0.", 0);
    /* 5-0 is in flight, 7-0 was lost on the way. */
    step("XPENDING s g - + 10 c", "*2.*4.$3.5-0.$1.c.:9.:1.*4.$3.7-0.$1.c.:9.:1.", 0);
    step("XREADGROUP GROUP g c COUNT 10 STREAMS s 0-0", "%1.$1.s.*2." ENTRY("5-0") ENTRY("7-0"), 1);
    take(7, 1, 2);
    take_none();
    assert_true(stats().failures == 1);
    end();
}

static void test_backs_off(void **state)
{
    (void)state;
    begin();
    w.options.backoff_min_ms = 100;
    w.options.backoff_max_ms = 1000;
    create();
    uint64_t most[] = {100, 200, 400, 800, 1000, 1000, 1000};
    for (size_t round = 0; round < 200; round++) {
        size_t at = round < 6 ? round : 6;
        expect_command("XPENDING s g - + 10 c", 500);
        assert_int_equal(srl_stream_consumer_answer(w.consumer, SRL_ERR_REDIS_CONNECT, NULL), 0);
        assert_int_equal(srl_stream_consumer_next(w.consumer, 500, w.command, &w.time_ms), 0);
        assert_in_range(w.time_ms, 1, most[at] + 1);
        fake_platform_advance(&w.platform, w.time_ms);
    }
    assert_true(stats().failures == 200);
    NOTHING_PENDING; /* and it is forgotten */
    expect_command(READ, 500);
    assert_int_equal(srl_stream_consumer_answer(w.consumer, SRL_ERR_TIMEOUT, NULL), 0);
    assert_int_equal(srl_stream_consumer_next(w.consumer, 500, w.command, &w.time_ms), 0);
    assert_in_range(w.time_ms, 1, 101);
    end();
}

/* ---- claims */

static void claiming(void)
{
    begin();
    w.options.claim_idle_ms = 60000;
    w.options.claim_interval_ms = 15000;
    w.options.batch = 3;
}

#define CLAIM(from) "XAUTOCLAIM s g c 60000 " from " COUNT 3 JUSTID"

static void test_claims(void **state)
{
    (void)state;
    claiming();
    create();
    step("XPENDING s g - + 3 c", "*0.", 0);
    step(CLAIM("0-0"), "*3.$3.4-0.*3.$3.1-0.$3.2-0.$3.3-0.*1.$3.0-9.", 0);
    step("XPENDING s g 1-0 3-0 3 c", "*3.*4.$3.1-0.$1.c.:0.:1.*4.$5.1-0-5.$1.c.:0.:1.*4.$3.3-0.$1.c.:0.:7.",
         SRL_ERR_TYPE);
    fake_platform_advance(&w.platform, 60000);
    step("XPENDING s g - + 3 c", "*0.", 0);
    /* The scan goes on where it was, in turn with reads. */
    step("XREADGROUP GROUP g c COUNT 3 STREAMS s >", "_.", 0);
    step(CLAIM("4-0"), "*3.$3.0-0.*3.$3.4-0.$3.6-0.$3.8-0.*0.", 0);
    step("XPENDING s g 4-0 8-0 3 c", "*3.*4.$3.4-0.$1.c.:0.:1.*4.$3.5-0.$1.c.:0.:1.*4.$3.6-0.$1.c.:0.:7.", 0);
    step("XPENDING s g (6-0 8-0 3 c", "*0.", 0); /* 8-0 was acknowledged meanwhile by its first owner */
    step("XCLAIM s g c 0 4-0 6-0", "*2." ENTRY("4-0") ENTRY("6-0"), 1);
    take(4, 1, 2);
    take(6, 1, 8);
    take_none();
    assert_true(stats().claimed == 2);
    assert_true(stats().deleted == 1);
    /* Room for three; the next look is not due yet, and a read ends before it is. */
    fake_platform_advance(&w.platform, 14900);
    step("XREADGROUP GROUP g c COUNT 3 BLOCK 100 STREAMS s >", "_.", 0);
    fake_platform_advance(&w.platform, 100);
    step(CLAIM("0-0"), "*3.$3.0-0.*1.$3.4-0.*0.", 0); /* idle, but in flight here */
    step("XREADGROUP GROUP g c COUNT 3 BLOCK 500 STREAMS s >", "_.", 0);
    end();
}

static void dead_candidates(uint32_t max_deliveries, const char *dead_letter_key)
{
    claiming();
    w.options.max_deliveries = max_deliveries;
    w.options.dead_letter_key = dead_letter_key;
    w.options.dead_letter_key_len = dead_letter_key != NULL ? strlen(dead_letter_key) : 0;
    create();
    step("XPENDING s g - + 3 c", "*0.", 0);
    step(CLAIM("0-0"), "*3.$3.0-0.*3.$3.1-0.$3.2-0.$3.3-0.*0.", 0);
    step("XPENDING s g 1-0 3-0 3 c", "*3.*4.$3.1-0.$1.c.:0.:5.*4.$3.2-0.$1.c.:0.:4.*4.$3.3-0.$1.c.:0.:6.", 0);
}

static void test_dead_letters_are_moved(void **state)
{
    (void)state;
    dead_candidates(5, "dead");
    step("EVAL ~ 2 s dead g 1-0 5 3-0 6", "$2.OK.", 0);
    step("XCLAIM s g c 0 2-0", "*1." ENTRY("2-0"), 1);
    take(2, 1, 5);
    assert_true(stats().dead == 2);
    end();
    dead_candidates(1, "");
    step("EVAL ~ 2 s  g 1-0 5 2-0 4 3-0 6", "$2.OK.", 0);
    step("XREADGROUP GROUP g c COUNT 3 BLOCK 500 STREAMS s >", "_.", 0);
    end();
}

static void test_dead_letters_are_handed_out(void **state)
{
    (void)state;
    dead_candidates(5, NULL);
    step("XCLAIM s g c 0 1-0 2-0 3-0", "*3." ENTRY("1-0") ENTRY("2-0") ENTRY("3-0"), 1);
    take_dead(1, 6);
    take(2, 1, 5);
    take_dead(3, 7);
    assert_true(stats().dead == 2);
    end();
}

static void test_dead_letters_that_cannot_be_moved(void **state)
{
    (void)state;
    dead_candidates(5, "dead");
    step("EVAL ~ 2 s dead g 1-0 5 3-0 6", "-WRONGTYPE Operation against a key holding the wrong kind of value.", 0);
    step("XCLAIM s g c 0 1-0 2-0 3-0", "*3." ENTRY("1-0") ENTRY("2-0") ENTRY("3-0"), 1);
    take_dead(1, 6);
    take(2, 1, 5);
    take_dead(3, 7);
    end();
    /* What passes is waited for. */
    dead_candidates(5, "dead");
    step("EVAL ~ 2 s dead g 1-0 5 3-0 6", "-OOM command not allowed when used memory > 'maxmemory'.", 0);
    assert_int_equal(stats().is_waiting, 1);
    end();
}

static void test_dead_among_what_was_pending(void **state)
{
    (void)state;
    begin();
    w.options.max_deliveries = 3;
    w.options.dead_letter_key = "dead";
    w.options.dead_letter_key_len = 4;
    create();
    step("XPENDING s g - + 10 c", "*2.*4.$3.1-0.$1.c.:9.:3.*4.$3.2-0.$1.c.:9.:2.", 0);
    step("EVAL ~ 2 s dead g 1-0 3", "$2.OK.", 0);
    /* 4-0 came in between: not asked for, so it waits for its turn. */
    step("XREADGROUP GROUP g c COUNT 10 STREAMS s 0-0", "%1.$1.s.*2." ENTRY("2-0") ENTRY("4-0"), 1);
    take(2, 1, 3);
    take_none();
    step(READ, "_.", 0);
    end();
}

/* ---- limits */

static void test_entries_in_flight_are_bounded(void **state)
{
    (void)state;
    begin();
    w.options.max_in_flight = 2;
    create();
    step("XPENDING s g - + 2 c", "*0.", 0);
    step("XREADGROUP GROUP g c COUNT 2 BLOCK 500 STREAMS s >", "%1.$1.s.*1." ENTRY("5-0"), 1);
    take(5, 0, 1);
    step("XREADGROUP GROUP g c COUNT 1 BLOCK 500 STREAMS s >", "%1.$1.s.*2." ENTRY("6-0") ENTRY("7-0"), 1);
    take(6, 0, 1);
    take_none(); /* more than was asked for: given up, to be read again */
    assert_int_equal(srl_stream_consumer_next(w.consumer, 500, w.command, &w.time_ms), 0);
    assert_true(w.time_ms == UINT64_MAX);
    srl_stream_id id = {5, 0};
    assert_int_equal(srl_stream_consumer_release(w.consumer, &id), 0);
    step("XPENDING s g - + 1 c", "*1.*4.$3.5-0.$1.c.:9.:1.", 0);
    step("XREADGROUP GROUP g c COUNT 1 STREAMS s 0-0", "%1.$1.s.*1." ENTRY("5-0"), 1);
    take(5, 1, 2);
    ack(5);
    step("XACK s g 5-0", ":1.", 0);
    step("XPENDING s g (5-0 + 1 c", "*1.*4.$3.6-0.$1.c.:9.:1.", 0);
    step("XPENDING s g (6-0 + 1 c", "*1.*4.$3.7-0.$1.c.:9.:1.", 0);
    step("XREADGROUP GROUP g c COUNT 1 STREAMS s 6-0", "%1.$1.s.*1." ENTRY("7-0"), 1);
    take(7, 1, 2);
    end();
}

static void test_entries_not_taken_are_read_again(void **state)
{
    (void)state;
    begin();
    create();
    NOTHING_PENDING;
    step(READ, "%1.$1.s.*2." ENTRY("5-0") ENTRY("6-0"), 1);
    take(5, 0, 1);
    step("XPENDING s g - + 10 c", "*2.*4.$3.5-0.$1.c.:9.:1.*4.$3.6-0.$1.c.:9.:1.", 0);
    step("XREADGROUP GROUP g c COUNT 10 STREAMS s 0-0", "%1.$1.s.*2." ENTRY("5-0") ENTRY("6-0"), 1);
    take(6, 1, 2);
    take_none();
    end();
}

static void test_many_acknowledgements(void **state)
{
    (void)state;
    begin();
    w.options.batch = 1500;
    w.options.max_in_flight = 1500;
    create();
    step("XPENDING s g - + 1500 c", "*0.", 0);
    for (uint64_t ms = 10; ms < 99; ms++) {
        char reply[128];
        snprintf(reply, sizeof(reply), "%%1.$1.s.*1.*2.$4.%u-0.*2.$1.f.$1.v.", (unsigned)ms);
        assert_int_equal(srl_stream_consumer_next(w.consumer, 0, w.command, &w.time_ms), 1);
        assert_int_equal(answer(reply), 1);
        take(ms, 0, 1);
    }
    for (uint64_t ms = 98; ms >= 10; ms--) {
        ack(ms);
    }
    assert_int_equal(srl_stream_consumer_next(w.consumer, 0, w.command, &w.time_ms), 1);
    assert_int_equal(srl_command_count(w.command), 3 + 89);
    assert_int_equal(answer(":89."), 0);
    assert_int_equal(stats().in_flight, 0);
    end();
}

/* ---- what should not be answered */

static void test_malformed_answers(void **state)
{
    (void)state;
    static const struct {
        int steps; /* sound ones before */
        const char *reply;
    } cases[] = {
        {0, "+OK."}, {0, "*1.:1."}, {0, "*2.*4.$3.2-0.$1.c.:9.:1.*4.$3.2-0.$1.c.:9.:1."}, /* not in order */
        {1, "+OK."}, {1, "*1.:1."}, {1, "%1.$1.s._."},
        {1, ":1."},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin();
        create();
        if (cases[i].steps == 1) {
            NOTHING_PENDING;
        }
        assert_int_equal(srl_stream_consumer_next(w.consumer, 0, w.command, &w.time_ms), 1);
        assert_int_equal(answer(cases[i].reply), SRL_ERR_TYPE);
        assert_int_equal(stats().is_waiting, 1);
        fake_platform_advance(&w.platform, 60000);
        NOTHING_PENDING;
        end();
    }
}

static void test_malformed_entry(void **state)
{
    (void)state;
    begin();
    create();
    NOTHING_PENDING;
    step(READ, "%1.$1.s.*2." ENTRY("5-0") ":1.", 1);
    take(5, 0, 1);
    srl_stream_delivery d = {.size = sizeof(d)};
    assert_int_equal(srl_stream_consumer_entry(w.consumer, &d), SRL_ERR_TYPE);
    assert_int_equal(srl_stream_consumer_entry(w.consumer, &d), 0);
    assert_int_equal(stats().is_waiting, 1);
    end();
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        int result;
    } cases[] = {
        {"-WRONGTYPE Operation against a key holding the wrong kind of value.", SRL_ERR_REDIS},
        {"-NOPERM this user has no permissions.", SRL_ERR_REDIS},
        {"-ERR unknown command.", SRL_ERR_REDIS},
        {"-LOADING Redis is loading the dataset in memory.", 0},
        {"-BUSY Redis is busy running a script.", 0},
        {"-READONLY You can't write against a read only replica.", 0},
        {"-UNBLOCKED client unblocked via CLIENT UNBLOCK.", 0},
        {"-CLUSTERDOWN The cluster is down.", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin();
        create();
        NOTHING_PENDING;
        step(READ, cases[i].reply, cases[i].result);
        assert_int_equal(stats().is_waiting, 1);
        size_t len = strlen(cases[i].reply) - 2; /* without "-" and "." */
        assert_int_equal(strncmp(srl_stream_consumer_last_error(w.consumer), cases[i].reply + 1, len), 0);
        fake_platform_advance(&w.platform, 60000);
        NOTHING_PENDING;
        end();
    }
    int fatal[] = {SRL_ERR_REDIS_AUTH, SRL_ERR_CLOSED, SRL_ERR_INVALID};
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
        begin();
        create();
        expect_command("XPENDING s g - + 10 c", 500);
        assert_int_equal(srl_stream_consumer_answer(w.consumer, fatal[i], NULL), fatal[i]);
        end();
    }
}

static void test_order_of_calls(void **state)
{
    (void)state;
    begin();
    create();
    assert_int_equal(srl_stream_consumer_answer(w.consumer, SRL_ERR_TIMEOUT, NULL), SRL_ERR_STATE);
    take_none();
    expect_command("XPENDING s g - + 10 c", 0);
    assert_int_equal(srl_stream_consumer_next(w.consumer, 0, w.command, &w.time_ms), SRL_ERR_STATE);
    assert_int_equal(srl_stream_consumer_next(w.consumer, 0, NULL, &w.time_ms), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_consumer_next(w.consumer, 0, w.command, NULL), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_consumer_next(NULL, 0, w.command, &w.time_ms), SRL_ERR_INVALID);
    srl_stream_delivery d = {.size = 3};
    srl_stream_consumer_stats s = {.size = 3};
    assert_int_equal(srl_stream_consumer_entry(w.consumer, &d), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_consumer_stats_get(w.consumer, &s), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_consumer_poll(w.consumer, NULL, 0, &d), SRL_ERR_INVALID);
    assert_int_equal(srl_stream_consumer_ack(w.consumer, NULL), SRL_ERR_INVALID);
    assert_string_equal(srl_stream_consumer_last_error(NULL), "");
    srl_stream_consumer_destroy(NULL);
    end();
}

static void test_options(void **state)
{
    (void)state;
    begin();
    srl_stream_consumer_options good = w.options;
    srl_stream_consumer *c = NULL;
#define REFUSED(change)                                                                                                \
    do {                                                                                                               \
        w.options = good;                                                                                              \
        w.options.change;                                                                                              \
        assert_int_equal(srl_stream_consumer_create(&w.options, &c), SRL_ERR_INVALID);                                 \
    } while (0)
    REFUSED(size = 0);
    REFUSED(key = NULL);
    REFUSED(group = NULL);
    REFUSED(consumer = NULL);
    REFUSED(create_group = 2);
    REFUSED(batch = 0);
    REFUSED(max_in_flight = 0);
    REFUSED(max_in_flight = SRL_STREAM_CONSUMER_MAX_IN_FLIGHT + 1);
    REFUSED(block_ms = 0);
    REFUSED(block_ms = UINT64_MAX);
    REFUSED(claim_idle_ms = UINT64_MAX);
    REFUSED(backoff_min_ms = 0);
    REFUSED(backoff_min_ms = 5001);
    REFUSED(start.kind = SRL_STREAM_NEW);
    srl_platform no_clock = w.platform.table;
    no_clock.monotonic_ms = NULL;
    REFUSED(platform = &no_clock);
    srl_allocator no_free;
    srl_allocator_init(&no_free, sizeof(no_free));
    no_free.free = NULL;
    REFUSED(allocator = &no_free);
    assert_int_equal(srl_stream_consumer_create(NULL, &c), SRL_ERR_INVALID);
    w.options = good;
    assert_int_equal(srl_stream_consumer_create(&w.options, NULL), SRL_ERR_INVALID);
    end();
}

static void create_and_run(const srl_allocator *alloc, void *user)
{
    (void)user;
    begin();
    w.options.allocator = alloc;
    w.options.dead_letter_key = "dead";
    w.options.dead_letter_key_len = 4;
    int error = srl_stream_consumer_create(&w.options, &w.consumer);
    assert_int_equal(error, srl_test_alloc_has_failed(alloc) ? SRL_ERR_NOMEM : 0);
    if (error == 0) {
        NOTHING_PENDING;
        step(READ, "%1.$1.s.*1." ENTRY("5-0"), 1);
        take(5, 0, 1);
    } else {
        w.consumer = NULL;
    }
    end();
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    assert_true(srl_test_each_failing_alloc(create_and_run, NULL) >= 5);
}

/* ---- the set of ids, against a naive one */

static void test_flight_table(void **state)
{
    (void)state;
    enum { IDS = 40, MAX = 16 };
    fake_platform random;
    srl_allocator alloc;
    srl__flight flight;
    bool is_in[IDS] = {false};
    uint32_t count = 0;
    srl_allocator_init(&alloc, sizeof(alloc));
    fake_platform_init(&random, 5);
    assert_int_equal(srl__flight_init(&flight, &alloc, MAX, 7), 0);
    for (int round = 0; round < 200000; round++) {
        uint64_t n = fake_platform_next(&random) % IDS;
        srl_stream_id id = {n / 4, n % 4};
        srl__flight_slot *slot = srl__flight_find(&flight, &id);
        assert_int_equal(slot != NULL, is_in[n]);
        if (fake_platform_next(&random) % 2 == 0) {
            srl__flight_remove(&flight, &id);
            count -= is_in[n] ? 1 : 0;
            is_in[n] = false;
        } else if (slot == NULL) {
            slot = srl__flight_add(&flight, &id);
            assert_int_equal(slot != NULL, count < MAX);
            is_in[n] = slot != NULL;
            count += is_in[n] ? 1 : 0;
        }
        assert_int_equal(flight.count, count);
    }
    srl__flight_free(&flight, &alloc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_and_acknowledges),
        cmocka_unit_test(test_acknowledges_once),
        cmocka_unit_test(test_does_not_block_longer_than_asked),
        cmocka_unit_test(test_makes_the_group),
        cmocka_unit_test(test_group_that_is_not_to_be_made),
        cmocka_unit_test(test_group_that_does_not_stay),
        cmocka_unit_test(test_begins_at_the_end),
        cmocka_unit_test(test_begins_with_what_is_pending),
        cmocka_unit_test(test_lost_connection),
        cmocka_unit_test(test_backs_off),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_dead_letters_are_moved),
        cmocka_unit_test(test_dead_letters_are_handed_out),
        cmocka_unit_test(test_dead_letters_that_cannot_be_moved),
        cmocka_unit_test(test_dead_among_what_was_pending),
        cmocka_unit_test(test_entries_in_flight_are_bounded),
        cmocka_unit_test(test_entries_not_taken_are_read_again),
        cmocka_unit_test(test_many_acknowledgements),
        cmocka_unit_test(test_malformed_answers),
        cmocka_unit_test(test_malformed_entry),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_order_of_calls),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_memory_runs_out),
        cmocka_unit_test(test_flight_table),
    };
    return cmocka_run_group_tests_name("stream_consumer_steps", tests, NULL, NULL);
}
