/*
 * Streams replies: whatever a server answers, decoding it ends, reads nothing outside of it and gives the same twice;
 * and a consumer that is answered with it keeps its bounds and hands nothing out twice.
 *
 * Input: one byte that chooses a command, or the consumer; then a reply, or several for the consumer.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <streamrelay/error.h>
#include <streamrelay/stream_consumer.h>

#include "helpers/fake_platform.h"
#include "helpers/stream_golden.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

enum { TEXT_SIZE = 1 << 16, MAX_IN_FLIGHT = 4 };

static const srl_test_golden_line commands[] = {
    {.count = 1, .words = {"XADD"}},
    {.count = 1, .words = {"XLEN"}},
    {.count = 1, .words = {"XSETID"}},
    {.count = 1, .words = {"XRANGE"}},
    {.count = 1, .words = {"XREAD"}},
    {.count = 1, .words = {"XCLAIM"}},
    {.count = 2, .words = {"XCLAIM", "JUSTID"}},
    {.count = 1, .words = {"XAUTOCLAIM"}},
    {.count = 2, .words = {"XAUTOCLAIM", "JUSTID"}},
    {.count = 3, .words = {"XPENDING", "s", "g"}},
    {.count = 4, .words = {"XPENDING", "s", "g", "-"}},
    {.count = 2, .words = {"XINFO", "STREAM"}},
    {.count = 2, .words = {"XINFO", "GROUPS"}},
    {.count = 2, .words = {"XINFO", "CONSUMERS"}},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

/* The bytes in memory of their own, so that a read beyond them is seen. */
static srl_reply *parse(const uint8_t *data, size_t size, size_t *used)
{
    srl_reply *reply = NULL;
    uint8_t *copy = malloc(size > 0 ? size : 1);
    REQUIRE(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    if (srl_reply_parse(NULL, copy, size, used, &reply) != 0) {
        reply = NULL;
    }
    free(copy);
    return reply;
}

static void decode(const srl_test_golden_line *command, const uint8_t *data, size_t size)
{
    static char text[2][TEXT_SIZE];
    size_t used = 0;
    srl_reply *reply = parse(data, size, &used);
    if (reply != NULL) {
        srl_test_stream_render(command, reply, text[0], TEXT_SIZE);
        srl_test_stream_render(command, reply, text[1], TEXT_SIZE);
        REQUIRE(strcmp(text[0], text[1]) == 0);
        srl_reply_release(reply);
    }
}

typedef struct ledger {
    srl_stream_id out[MAX_IN_FLIGHT];
    size_t count;
    unsigned turn;
} ledger;

static void take_entries(srl_stream_consumer *c, ledger *l)
{
    srl_stream_delivery d = {.size = sizeof(d)};
    /* Now and then not all are taken. */
    while (l->turn++ % 7 != 6 && srl_stream_consumer_entry(c, &d) == 1) {
        for (size_t i = 0; i < l->count; i++) {
            REQUIRE(srl_stream_id_compare(&l->out[i], &d.entry.id) != 0);
        }
        REQUIRE(l->count < MAX_IN_FLIGHT);
        l->out[l->count++] = d.entry.id;
    }
    if (l->count > 0 && l->turn % 3 != 0) {
        srl_stream_id *last = &l->out[--l->count];
        REQUIRE((l->turn % 2 == 0 ? srl_stream_consumer_ack(c, last) : srl_stream_consumer_release(c, last)) == 0);
    }
    srl_stream_consumer_stats s = {.size = sizeof(s)};
    REQUIRE(srl_stream_consumer_stats_get(c, &s) == 0);
    REQUIRE(s.in_flight == l->count && s.in_flight + s.unsent_acks <= MAX_IN_FLIGHT);
}

static void run_consumer(uint8_t choice, const uint8_t *data, size_t size)
{
    fake_platform platform;
    srl_stream_consumer_options o;
    srl_stream_consumer *c = NULL;
    srl_command *command = NULL;
    ledger l = {.count = 0};
    fake_platform_init(&platform, 1);
    srl_stream_consumer_options_init(&o, sizeof(o));
    o.key = o.group = o.consumer = "x";
    o.key_len = o.group_len = o.consumer_len = 1;
    o.platform = &platform.table;
    o.max_in_flight = MAX_IN_FLIGHT;
    o.batch = 3;
    o.claim_interval_ms = choice & 1;
    o.max_deliveries = choice & 2;
    o.dead_letter_key = (choice & 4) != 0 ? "dead" : NULL;
    o.dead_letter_key_len = o.dead_letter_key != NULL ? 4 : 0;
    o.start.kind = (choice & 8) != 0 ? SRL_STREAM_END : SRL_STREAM_ID;
    REQUIRE(srl_stream_consumer_create(&o, &c) == 0 && srl_command_create(NULL, &command) == 0);
    for (int turn = 0; turn < 1000; turn++) {
        uint64_t time = 0;
        int next = srl_stream_consumer_next(c, 10, command, &time);
        REQUIRE(next >= 0);
        if (next == 0) {
            fake_platform_advance(&platform, time < 100000 ? time : 1);
            if (time == UINT64_MAX && l.count > 0) {
                REQUIRE(srl_stream_consumer_ack(c, &l.out[--l.count]) == 0);
            }
            continue;
        }
        size_t used = 0;
        srl_reply *reply = parse(data, size, &used);
        if (reply == NULL) {
            break;
        }
        data += used;
        size -= used;
        int error = srl_reply_is_error(reply, SRL_REPLY_ROOT) ? SRL_ERR_REDIS : 0;
        if (srl_stream_consumer_answer(c, error, reply) == 1) {
            take_entries(c, &l);
        }
        /* What was not taken may be looked at until the next command is asked for; nothing is read of it then. */
        srl_reply_release(reply);
    }
    srl_command_free(command);
    srl_stream_consumer_destroy(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    if (data[0] < 128) {
        decode(&commands[data[0] % COMMANDS], data + 1, size - 1);
    } else {
        run_consumer(data[0], data + 1, size - 1);
    }
    return 0;
}
