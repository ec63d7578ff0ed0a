/* Streams against a real server, in both protocols: every command of the golden file by way of its typed request, the
 * reply compared byte by byte (times aside) and as decoded; and every blocking call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <streamrelay/error.h>
#include <streamrelay/redis.h>
#include <streamrelay/stream.h>
#include <streamrelay/stream_call.h>

#include "helpers/redis_server.h"
#include "helpers/stream_golden.h"

#define LIT(text) (text), sizeof(text) - 1

static srl_test_redis server;

static int group_setup(void **state)
{
    (void)state;
    if (!srl_test_redis_start(&server, NULL)) {
        printf("no redis-server: skipped\n");
        exit(77);
    }
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    srl_test_redis_stop(&server);
    return 0;
}

static srl_redis_options *options_for(uint32_t protocol)
{
    char url[128];
    srl_redis_options *options = NULL;
    int len = snprintf(url, sizeof(url), "redis://127.0.0.1:%u?protocol=%u", (unsigned)server.port, (unsigned)protocol);
    assert_int_equal(srl_redis_options_create(url, (size_t)len, &options), 0);
    return options;
}

static srl_redis_conn *connect_with(uint32_t protocol)
{
    srl_redis_conn *conn = NULL;
    srl_redis_options *options = options_for(protocol);
    assert_int_equal(srl_redis_connect(options, &conn), 0);
    srl_redis_options_destroy(options);
    assert_int_equal(srl_redis_protocol(conn), protocol);
    const char *flush[] = {"FLUSHALL"};
    assert_int_equal(srl_redis_command(conn, 1, flush, NULL, NULL), 0);
    return conn;
}

/* ---- golden replies */

static char *mask_number(char *at)
{
    char *end = at;
    while (*end >= '0' && *end <= '9') {
        end++;
    }
    *at = 'T';
    memmove(at + 1, end, strlen(end) + 1);
    return at + 1;
}

/* Idle times: of each pair of numbers in XPENDING the first one, in XINFO CONSUMERS what follows "idle". */
static void mask_wire(const srl_test_golden_line *line, char *text)
{
    if (strcmp(line->words[0], "XPENDING") == 0 && line->count > 3) {
        int number = 0;
        for (char *at = strchr(text, ':'); at != NULL; at = strchr(at, ':')) {
            at = number++ % 2 == 0 ? mask_number(at + 1) : at + 1;
        }
    }
    static const char idle[] = "idle.:";
    for (char *at = strstr(text, idle); at != NULL; at = strstr(at, idle)) {
        at = mask_number(at + strlen(idle));
    }
    srl_test_stream_mask(text);
}

static void golden_wire(const srl_test_golden_line *line, char *out, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < line->reply_len; i++) {
        assert_true(len + 1 < size);
        if (line->reply[i] != '\n') {
            out[len++] = line->reply[i] == '\r' ? '.' : line->reply[i];
        }
    }
    out[len] = '\0';
}

/* The golden file is of a 7.0: later versions answer these in other words, with more fields, or not with an error.
 * A 6.2 knows too little of it to be compared. */
static bool is_answered_otherwise(const srl_test_golden_line *line)
{
    static const struct {
        const char *command;
        unsigned since;
    } changed[] = {
        {"XREAD STREAMS s z 0", 702}, {"XREAD STREAMS z +", 704},           {"XSETID s 1-1", 702},
        {"XINFO CONSUMERS s g", 702}, {"XINFO STREAM s FULL COUNT 1", 702}, {"XGROUP HELP", 702},
    };
    bool is_changed = server.version < 700;
    for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
        is_changed |= server.version >= changed[i].since && strcmp(line->command, changed[i].command) == 0;
    }
    return is_changed;
}

static void exchange(srl_redis_conn *conn, srl_command *command, const srl_test_golden_line *line,
                     const srl_reply **reply)
{
    int error = srl_test_stream_encode_words(command, line);
    if (error == 0) {
        error = srl_redis_send(conn, command, SRL_REDIS_DEFAULT_TIMEOUT, 0, reply);
    } else {
        error = srl_redis_command(conn, line->count, line->words, NULL, reply);
    }
    bool is_expected = error == (line->reply[0] == '-' ? SRL_ERR_REDIS : 0);
    if (!is_expected && !(is_answered_otherwise(line) && (error == 0 || error == SRL_ERR_REDIS))) {
        fail_msg("%s: %s", line->command, srl_error_name(error));
    }
    assert_non_null(*reply);
}

static void run_golden(uint32_t protocol)
{
    static char got[16384];
    static char expected[16384];
    srl_test_golden golden;
    srl_test_golden decoded;
    srl_test_golden_load(&golden, SRL_TEST_DATA_DIR "/redis/golden.txt");
    srl_test_golden_load(&decoded, SRL_TEST_DATA_DIR "/redis/golden_decoded.txt");
    srl_redis_conn *conn = connect_with(protocol);
    srl_command *command = NULL;
    size_t lines = 0;
    assert_int_equal(srl_command_create(NULL, &command), 0);
    for (size_t i = 0; i < golden.count; i++) {
        const srl_test_golden_line *line = &golden.lines[i];
        if (line->protocol != protocol) {
            continue;
        }
        lines++;
        nanosleep(&(struct timespec){0, 2000000}, NULL); /* so that "IDLE 1" holds */
        const srl_reply *reply = NULL;
        exchange(conn, command, line, &reply);
        srl_test_reply_render(reply, got, sizeof(got));
        golden_wire(line, expected, sizeof(expected));
        mask_wire(line, got);
        mask_wire(line, expected);
        if (strcmp(got, expected) != 0 && !is_answered_otherwise(line)) {
            fail_msg("%s: %s instead of %s", line->command, got, expected);
        }
        srl_test_stream_render(line, reply, got, sizeof(got));
        srl_test_stream_mask(got);
        memcpy(expected, decoded.lines[i].reply, decoded.lines[i].reply_len);
        expected[decoded.lines[i].reply_len] = '\0';
        srl_test_stream_mask(expected);
        if (!is_answered_otherwise(line)) {
            assert_string_equal(got, expected);
        }
    }
    assert_in_range(lines, 100, 110);
    srl_command_free(command);
    srl_redis_close(conn);
    srl_test_golden_free(&golden);
    srl_test_golden_free(&decoded);
}

static void test_golden_resp2(void **state)
{
    (void)state;
    run_golden(2);
}

static void test_golden_resp3(void **state)
{
    (void)state;
    run_golden(3);
}

/* ---- every blocking call */

static srl_stream_id add(srl_redis_conn *conn, srl_command *command, const char *value)
{
    srl_stream_id id = {0, 0};
    srl_stream_field field = {LIT("f"), value, strlen(value)};
    srl_stream_add_request r;
    srl_stream_add_request_init(&r, sizeof(r));
    r.key = "s";
    r.key_len = 1;
    r.fields = &field;
    r.field_count = 1;
    assert_int_equal(srl_stream_add(conn, command, &r, &id), 0);
    assert_true(id.ms > 1);
    return id;
}

static void check_writing(srl_redis_conn *conn, srl_command *command)
{
    uint64_t count = 0;
    srl_stream_id first = add(conn, command, "1");
    srl_stream_id second = add(conn, command, "2");
    assert_true(srl_stream_id_compare(&first, &second) < 0);
    (void)add(conn, command, "3");
    assert_int_equal(srl_stream_len(conn, command, LIT("s"), &count), 0);
    assert_true(count == 3);
    assert_int_equal(srl_stream_del(conn, command, LIT("s"), &second, 1, &count), 0);
    assert_true(count == 1);
    assert_int_equal(srl_stream_del(conn, command, LIT("s"), &second, 1, NULL), 0);
    srl_stream_trim_request trim;
    srl_stream_trim_request_init(&trim, sizeof(trim));
    trim.key = "s";
    trim.key_len = 1;
    trim.trim.kind = SRL_STREAM_TRIM_MAXLEN;
    trim.trim.maxlen = 1;
    assert_int_equal(srl_stream_trim(conn, command, &trim, &count), 0);
    assert_true(count == 1);
    srl_stream_setid_request setid;
    srl_stream_setid_request_init(&setid, sizeof(setid));
    setid.key = "s";
    setid.key_len = 1;
    assert_int_equal(srl_stream_setid(conn, command, &setid), SRL_ERR_REDIS);
    setid.id = (srl_stream_id){UINT64_C(9999999999999), 7};
    assert_int_equal(srl_stream_setid(conn, command, &setid), 0);
    srl_stream_add_request none;
    srl_stream_field field = {LIT("f"), LIT("v")};
    srl_stream_add_request_init(&none, sizeof(none));
    none.key = "none";
    none.key_len = 4;
    none.fields = &field;
    none.field_count = 1;
    none.nomkstream = 1;
    assert_int_equal(srl_stream_add(conn, command, &none, NULL), SRL_ERR_NOT_FOUND);
    none.field_count = 0;
    assert_int_equal(srl_stream_add(conn, command, &none, NULL), SRL_ERR_INVALID);
}

static void check_group(srl_redis_conn *conn, srl_command *command)
{
    uint64_t count = 0;
    srl_stream_group_request group;
    srl_stream_group_request_init(&group, sizeof(group));
    group.key = "none";
    group.key_len = 4;
    group.group = "g";
    group.group_len = 1;
    assert_int_equal(srl_stream_group_create(conn, command, &group), SRL_ERR_NOT_FOUND);
    group.key = "s";
    group.key_len = 1;
    assert_int_equal(srl_stream_group_create(conn, command, &group), 0);
    assert_int_equal(srl_stream_group_create(conn, command, &group), SRL_ERR_EXISTS);
    srl_stream_point_set(&group.after, SRL_STREAM_MS, 0, 0);
    assert_int_equal(srl_stream_group_setid(conn, command, &group), 0);
    assert_int_equal(srl_stream_group_createconsumer(conn, command, LIT("s"), LIT("g"), LIT("a"), &count), 0);
    assert_true(count == 1);
    assert_int_equal(srl_stream_group_delconsumer(conn, command, LIT("s"), LIT("g"), LIT("b"), &count), 0);
    assert_true(count == 0);
}

static srl_stream_id check_reading(srl_redis_conn *conn, srl_command *command)
{
    srl_stream_list list;
    srl_stream_part part;
    srl_stream_entry entry = {.is_deleted = 1};
    srl_stream_range_request range;
    srl_stream_range_request_init(&range, sizeof(range));
    range.key = "s";
    range.key_len = 1;
    assert_int_equal(srl_stream_range(conn, command, &range, &list), 0);
    assert_int_equal(list.count, 1);
    srl_stream_source source = {LIT("s"), {0, 0, {0, 0}}};
    srl_stream_read_request read;
    srl_stream_read_request_init(&read, sizeof(read));
    read.sources = &source;
    read.source_count = 1;
    assert_int_equal(srl_stream_read(conn, command, &read, &list), 0);
    assert_int_equal(srl_stream_next_part(&list, &part), 1);
    assert_int_equal(part.entries.count, 1);
    source.after.kind = SRL_STREAM_END;
    read.block_ms = 10;
    assert_int_equal(srl_stream_read(conn, command, &read, &list), 0);
    assert_int_equal(srl_stream_next_part(&list, &part), 0);
    source.after.kind = SRL_STREAM_NEW;
    read.group = "g";
    read.consumer = "a";
    read.group_len = read.consumer_len = 1;
    assert_int_equal(srl_stream_read(conn, command, &read, &list), 0);
    assert_int_equal(srl_stream_next_part(&list, &part), 1);
    assert_int_equal(srl_stream_next_entry(&part.entries, &entry), 1);
    const char *value = NULL;
    size_t len = 0;
    assert_int_equal(srl_stream_entry_get(&entry, LIT("f"), &value, &len), 0);
    assert_int_equal(len, 1);
    assert_memory_equal(value, "3", 1);
    return entry.id;
}

static void check_pending(srl_redis_conn *conn, srl_command *command, srl_stream_id id)
{
    uint64_t count = 0;
    srl_stream_list list;
    srl_stream_pending_summary summary;
    srl_stream_pending_entry pending;
    assert_int_equal(srl_stream_pending(conn, command, LIT("s"), LIT("g"), &summary), 0);
    assert_true(summary.count == 1);
    srl_stream_pending_request range;
    srl_stream_pending_request_init(&range, sizeof(range));
    range.key = "s";
    range.group = "g";
    range.key_len = range.group_len = 1;
    assert_int_equal(srl_stream_pending_range(conn, command, &range, &list), 0);
    assert_int_equal(srl_stream_next_pending_entry(&list, &pending), 1);
    assert_true(pending.deliveries == 1 && pending.idle_ms >= 0);
    srl_stream_claim_request claim;
    srl_stream_claim_request_init(&claim, sizeof(claim));
    claim.key = claim.group = "s";
    claim.group = "g";
    claim.consumer = "b";
    claim.key_len = claim.group_len = claim.consumer_len = 1;
    claim.ids = &id;
    claim.id_count = 1;
    assert_int_equal(srl_stream_claim(conn, command, &claim, &list), 0);
    srl_stream_entry entry;
    assert_int_equal(srl_stream_next_entry(&list, &entry), 1);
    claim.justid = 1;
    assert_int_equal(srl_stream_claim(conn, command, &claim, &list), 0);
    srl_stream_id claimed_id;
    assert_int_equal(srl_stream_next_id(&list, &claimed_id), 1);
    assert_int_equal(srl_stream_id_compare(&claimed_id, &id), 0);
    srl_stream_autoclaim_request autoclaim;
    srl_stream_autoclaimed claimed;
    srl_stream_autoclaim_request_init(&autoclaim, sizeof(autoclaim));
    autoclaim.key = "s";
    autoclaim.group = "g";
    autoclaim.consumer = "c";
    autoclaim.key_len = autoclaim.group_len = autoclaim.consumer_len = 1;
    assert_int_equal(srl_stream_autoclaim(conn, command, &autoclaim, &claimed), 0);
    assert_int_equal(srl_stream_next_entry(&claimed.entries, &entry), 1);
    assert_int_equal(srl_stream_ack(conn, command, LIT("s"), LIT("g"), &id, 1, &count), 0);
    assert_true(count == 1);
}

static void check_info(srl_redis_conn *conn, srl_command *command)
{
    uint64_t count = 0;
    srl_stream_list list;
    srl_stream_info info = {.size = sizeof(info)};
    srl_stream_group_info group = {.size = sizeof(group)};
    srl_stream_consumer_info consumer = {.size = sizeof(consumer)};
    assert_int_equal(srl_stream_info_get(conn, command, LIT("s"), &info), 0);
    assert_true(info.length == 1 && info.has_first == 1 && info.group_count == 1);
    assert_int_equal(srl_stream_info_full(conn, command, LIT("s"), 0, &info), 0);
    assert_int_equal(srl_stream_next_group(&info.groups, &group), 1);
    assert_int_equal(group.consumers.count, 3);
    assert_int_equal(srl_stream_info_groups(conn, command, LIT("s"), &list), 0);
    assert_int_equal(srl_stream_next_group(&list, &group), 1);
    assert_true(group.consumer_count == 3 && group.pending_count == 0);
    assert_int_equal(srl_stream_info_consumers(conn, command, LIT("s"), LIT("g"), &list), 0);
    assert_int_equal(srl_stream_next_consumer(&list, &consumer), 1);
    assert_int_equal(consumer.name_len, 1);
    assert_int_equal(srl_stream_info_get(conn, command, LIT("none"), &info), SRL_ERR_NOT_FOUND);
    assert_int_equal(srl_stream_group_destroy(conn, command, LIT("s"), LIT("g"), &count), 0);
    assert_true(count == 1);
    assert_int_equal(srl_stream_pending(conn, command, LIT("s"), LIT("g"), &(srl_stream_pending_summary){0}),
                     SRL_ERR_NOT_FOUND);
    assert_int_equal(srl_stream_len(NULL, command, LIT("s"), &count), SRL_ERR_INVALID);
}

static void run_calls(uint32_t protocol, srl_command *command)
{
    srl_redis_conn *conn = connect_with(protocol);
    check_writing(conn, command);
    check_group(conn, command);
    check_pending(conn, command, check_reading(conn, command));
    check_info(conn, command);
    srl_redis_close(conn);
}

static void test_calls(void **state)
{
    (void)state;
    srl_command *command = NULL;
    assert_int_equal(srl_command_create(NULL, &command), 0);
    for (uint32_t protocol = 2; protocol <= 3; protocol++) {
        run_calls(protocol, NULL);
        run_calls(protocol, command);
    }
    srl_command_free(command);
}

/* ---- large values are not copied, and arrive */

static void test_large_value(void **state)
{
    (void)state;
    size_t size = 8u << 20;
    char *value = malloc(size);
    assert_non_null(value);
    for (size_t i = 0; i < size; i++) {
        value[i] = (char)(i * 31 >> 3);
    }
    srl_redis_conn *conn = connect_with(3);
    srl_stream_field fields[] = {{LIT("big"), value, size}, {LIT("small"), LIT("x")}};
    srl_stream_add_request r;
    srl_stream_add_request_init(&r, sizeof(r));
    r.key = "big";
    r.key_len = 3;
    r.fields = fields;
    r.field_count = 2;
    r.borrow = 1;
    srl_stream_id id;
    assert_int_equal(srl_stream_add(conn, NULL, &r, &id), 0);
    srl_stream_range_request range;
    srl_stream_range_request_init(&range, sizeof(range));
    range.key = "big";
    range.key_len = 3;
    srl_stream_list list;
    srl_stream_entry entry;
    const char *got = NULL;
    size_t len = 0;
    assert_int_equal(srl_stream_range(conn, NULL, &range, &list), 0);
    assert_int_equal(srl_stream_next_entry(&list, &entry), 1);
    assert_int_equal(srl_stream_entry_get(&entry, LIT("big"), &got, &len), 0);
    assert_int_equal(len, size);
    assert_memory_equal(got, value, size);
    srl_redis_close(conn);
    free(value);
}

/* ---- the same requests and decoders with a non-blocking client */

typedef struct waiting {
    int answers;
    uint32_t entries;
} waiting;

static void on_added(int error, const srl_reply *reply, void *user)
{
    waiting *w = user;
    srl_stream_id id;
    assert_int_equal(error, 0);
    assert_int_equal(srl_stream_decode_id(reply, SRL_REPLY_ROOT, &id), 0);
    w->answers++;
}

static void on_read(int error, const srl_reply *reply, void *user)
{
    waiting *w = user;
    srl_stream_list parts;
    srl_stream_part part;
    srl_stream_entry entry;
    assert_int_equal(error, 0);
    assert_int_equal(srl_stream_decode_read(reply, SRL_REPLY_ROOT, &parts), 0);
    while (srl_stream_next_part(&parts, &part) == 1) {
        while (srl_stream_next_entry(&part.entries, &entry) == 1) {
            w->entries++;
        }
    }
    w->answers++;
}

static void test_non_blocking(void **state)
{
    (void)state;
    enum { ENTRIES = 100 };
    srl_redis_close(connect_with(3)); /* empties the server */
    srl_redis_options *options = options_for(3);
    srl_redis_loop *loop = NULL;
    srl_redis_client *client = NULL;
    waiting w = {0, 0};
    assert_int_equal(srl_redis_loop_create(options, &loop), 0);
    assert_int_equal(srl_redis_client_create(loop, options, NULL, NULL, &client), 0);
    srl_redis_options_destroy(options);
    srl_stream_field field = {LIT("f"), LIT("v")};
    for (int i = 0; i < ENTRIES; i++) {
        srl_command *command = NULL;
        srl_stream_add_request r;
        srl_stream_add_request_init(&r, sizeof(r));
        r.key = "s";
        r.key_len = 1;
        r.fields = &field;
        r.field_count = 1;
        assert_int_equal(srl_command_create(NULL, &command), 0);
        assert_int_equal(srl_stream_encode_add(command, &r), 0);
        assert_int_equal(srl_redis_client_send(client, command, 0, SRL_REDIS_DEFAULT_TIMEOUT, on_added, &w, NULL), 0);
        srl_command_free(command);
    }
    srl_command *command = NULL;
    srl_stream_source source = {LIT("s"), {0, 0, {0, 0}}};
    srl_stream_read_request read;
    srl_stream_read_request_init(&read, sizeof(read));
    read.sources = &source;
    read.source_count = 1;
    assert_int_equal(srl_command_create(NULL, &command), 0);
    assert_int_equal(srl_stream_encode_read(command, &read), 0);
    assert_int_equal(srl_redis_client_send(client, command, 0, SRL_REDIS_DEFAULT_TIMEOUT, on_read, &w, NULL), 0);
    srl_command_free(command);
    for (int turn = 0; turn < 1000 && w.answers <= ENTRIES; turn++) {
        assert_true(srl_redis_loop_run_once(loop, 100) >= 0);
    }
    assert_int_equal(w.answers, ENTRIES + 1);
    assert_int_equal(w.entries, ENTRIES);
    srl_redis_client_destroy(client);
    srl_redis_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_resp2), cmocka_unit_test(test_golden_resp3), cmocka_unit_test(test_calls),
        cmocka_unit_test(test_large_value),  cmocka_unit_test(test_non_blocking),
    };
    return cmocka_run_group_tests_name("streams", tests, group_setup, group_teardown);
}
