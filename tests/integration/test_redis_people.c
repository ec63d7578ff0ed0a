/* The functions of redis_people.lua by themselves: as a library of functions and as one script, called by a blocking
 * client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "broker/presence.h"
#include "broker/redis_node.h"
#include "helpers/random.h"
#include "helpers/redis_client.h"
#include "helpers/redis_server.h"

#define NODE  "node-a0000000000.1"
#define OTHER "node-b0000000000.1"

#define LIVE_MANY 100000

typedef struct leave {
    int kind;
    char client[40], user[40], info[40], shown[40];
} leave;

static srl_test_redis server;
static bool as_library;

typedef struct world {
    srl_redis_options *options;
    srl_redis_conn *conn;
    srl_redis_script *script;
    srl_redis_loop *loop;
    srl_redis_pubsub *pubsub;
    uint32_t ready;
    uint32_t told; /* joins and leaves heard */
    leave *log;
} world;

/* ---- calls: words ended by NULL, the first `num_keys` of them keys */

enum { MAX_WORDS = 600 };

static void function_name(char *out, size_t size, const char *function)
{
    char library[SRL__REDIS_LUA_NAME];
    srl__redis_lua_name(library);
    snprintf(out, size, "%s_%s", library, function);
}

static const srl_reply *call_words(world *w, const char *function, uint32_t num_keys, size_t count,
                                   const char *const *words, const size_t *lens)
{
    const char *argv[MAX_WORDS + 1];
    size_t argl[MAX_WORDS + 1];
    char name[64];
    const srl_reply *reply;
    size_t argc = 0;
    assert_true(count <= MAX_WORDS);
    function_name(name, sizeof(name), function);
    for (size_t i = 0; i <= count; i++) {
        if (i == num_keys && !as_library) {
            argl[argc] = strlen(function);
            argv[argc++] = function;
        }
        if (i < count) {
            argl[argc] = lens != NULL ? lens[i] : strlen(words[i]);
            argv[argc++] = words[i];
        }
    }
    int rc = srl_redis_call(w->conn, w->script, as_library ? name : NULL, num_keys, argc, argv, argl, 0, &reply);
    if (rc != SRL_OK && rc != SRL_ERR_REDIS) {
        fail_msg("%s: %s", function, srl_redis_last_error(w->conn));
    }
    return reply;
}

/* "[1 ann [..]]": an answer as text. */
static void render(const srl_reply *reply, uint32_t at, char *out, size_t size)
{
    size_t used = strlen(out);
    uint32_t count = srl_reply_count(reply, at);
    if (srl_reply_type(reply, at) != SRL_REPLY_ARRAY) {
        size_t len;
        const char *text = srl_reply_string(reply, at, &len);
        snprintf(out + used, size - used, "%.*s", text != NULL ? (int)len : 3, text != NULL ? text : "nil");
        return;
    }
    snprintf(out + used, size - used, "[");
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) {
            used = strlen(out);
            snprintf(out + used, size - used, " ");
        }
        render(reply, srl_reply_child(reply, at, i), out, size);
    }
    used = strlen(out);
    snprintf(out + used, size - used, "]");
}

static const char *call(world *w, const char *function, uint32_t num_keys, ...)
{
    static char text[4096];
    const char *words[MAX_WORDS];
    size_t count = 0;
    va_list list;
    va_start(list, num_keys);
    for (const char *word; (word = va_arg(list, const char *)) != NULL;) {
        assert_true(count < MAX_WORDS);
        words[count++] = word;
    }
    va_end(list);
    text[0] = '\0';
    render(call_words(w, function, num_keys, count, words, NULL), SRL_REPLY_ROOT, text, sizeof(text));
    return text;
}

static const char *plain(world *w, const char *line)
{
    static char text[4096];
    static char copy[512];
    const char *argv[32];
    size_t argc = 0;
    const srl_reply *reply;
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *at = copy; *at != '\0' && argc < 32;) {
        argv[argc++] = at;
        at += strcspn(at, " ");
        if (*at == ' ') {
            *at++ = '\0';
        }
    }
    int rc = srl_redis_command(w->conn, argc, argv, NULL, &reply);
    assert_true(rc == SRL_OK || rc == SRL_ERR_REDIS);
    text[0] = '\0';
    render(reply, SRL_REPLY_ROOT, text, sizeof(text));
    return text;
}

#define CALL(...)                  call(w, __VA_ARGS__, (char *)NULL)
#define EXPECT(text, ...)          assert_string_equal(CALL(__VA_ARGS__), text)
#define PLAIN(text, line)          assert_string_equal(plain(w, (line)), text)
#define ASSERT_STARTS(text, begin) assert_memory_equal((text), (begin), sizeof(begin) - 1)
/* Redis 6.2 tells it inside an error of the script. */
#define ASSERT_WRONGTYPE(text) assert_non_null(strstr((text), "WRONGTYPE Operation against a key"))

/* Members of the channel "chan": clients of two letters. */
#define M(client) "\002" client "chan"

static const char *add(world *w, const char *node, const char *member, const char *user, const char *info,
                       const char *bits)
{
    char set[64];
    snprintf(set, sizeof(set), "set:%s", node);
    return CALL("presence_add", 4, "nodes", set, "h", "o", node, member, user, info, "@", bits);
}

static const char *drop(world *w, const char *member, const char *user)
{
    return CALL("presence_remove", 4, "set:" NODE, "h", "o", "gone", member, user, "60000");
}

static const char *list(world *w)
{
    return CALL("presence_list", 2, "h", "o", "100");
}

/* A beat whose lease is 10 s; one who evicts has 1 s to go on. */
static const char *beat(world *w, const char *node, const char *mark, const char *is_new)
{
    char set[64];
    snprintf(set, sizeof(set), "set:%s", node);
    const char *words[] = {"nodes", set, "gone", node, "10000", "1000", mark, is_new, "4"};
    size_t lens[9];
    static char text[512];
    char zero_mark[32] = {'\0'};
    for (size_t i = 0; i < 9; i++) {
        lens[i] = strlen(words[i]);
    }
    snprintf(zero_mark + 1, sizeof(zero_mark) - 1, "%s", mark);
    words[6] = zero_mark;
    lens[6]++;
    text[0] = '\0';
    render(call_words(w, "node_beat", 3, 9, words, lens), SRL_REPLY_ROOT, text, sizeof(text));
    return text;
}

/* ---- what is heard */

static void on_message(const srl_redis_message *message, void *user)
{
    world *w = user;
    srl__redis_frame frame;
    assert_true(message->data_len > 2);
    assert_memory_equal(message->data, "- ", 2);
    assert_true(srl__redis_frame_read(srl__slice_of(message->data + 2, message->data_len - 2), &frame));
    assert_int_equal(frame.publication.data_len, 0);
    assert_true(frame.publication.time_ms > UINT64_C(1600000000000));
    assert_true(w->told < LIVE_MANY + 16);
    leave *l = &w->log[w->told++];
    l->kind = frame.kind;
    snprintf(l->client, sizeof(l->client), "%.*s", (int)frame.publication.client_len, frame.publication.client);
    snprintf(l->user, sizeof(l->user), "%.*s", (int)frame.publication.user_len, frame.publication.user);
    snprintf(l->info, sizeof(l->info), "%.*s", (int)frame.publication.info_len, frame.publication.info);
    snprintf(l->shown, sizeof(l->shown), "%.*s", (int)frame.publication.channel_info_len,
             frame.publication.channel_info);
}

static void on_state(int state, int error, const char *text, void *user)
{
    (void)error;
    (void)text;
    ((world *)user)->ready += state == SRL_REDIS_READY;
}

/* Everything published before has been heard when this comes back. */
static void hear(world *w)
{
    uint32_t before;
    do {
        before = w->told;
        for (int i = 0; i < 20; i++) {
            assert_true(srl_redis_loop_run_once(w->loop, 2) >= 0);
        }
    } while (w->told != before);
}

/* "join c1 ann i@, leave - ann i@": what was heard since the last call. */
static void expect_told(world *w, const char *expected)
{
    char seen[1024] = "";
    hear(w);
    for (uint32_t i = 0; i < w->told; i++) {
        size_t used = strlen(seen);
        const leave *l = &w->log[i];
        snprintf(seen + used, sizeof(seen) - used, "%s%s %s %s %s%s", i > 0 ? ", " : "",
                 l->kind == SRL_MESSAGE_JOIN ? "join" : "leave", l->client[0] != '\0' ? l->client : "-", l->user,
                 l->info, l->shown);
    }
    assert_string_equal(seen, expected);
    w->told = 0;
}

/* ---- fixture */

static int open_world(void **state)
{
    world *w = calloc(1, sizeof(*w));
    srl__buf text;
    srl_allocator alloc;
    srl_redis_pubsub_handlers handlers;
    const char *live = "live";
    assert_non_null(w);
    w->log = calloc(LIVE_MANY + 16, sizeof(*w->log));
    assert_non_null(w->log);
    assert_true(srl__allocator_take(&alloc, NULL));
    assert_int_equal(srl__redis_lua(&alloc, as_library, &text), SRL_OK);
    w->options = test_options(server.port, TEST_QUICK "&command_timeout=30s");
    assert_int_equal(srl_redis_script_create(w->options, text.data, text.len, &w->script), SRL_OK);
    srl__buf_free(&text);
    assert_int_equal(srl_redis_connect(w->options, &w->conn), SRL_OK);
    plain(w, "FLUSHALL");
    assert_int_equal(srl_redis_loop_create(w->options, &w->loop), SRL_OK);
    srl_redis_pubsub_handlers_init(&handlers, sizeof(handlers));
    handlers.message = on_message;
    handlers.state = on_state;
    handlers.user = w;
    assert_int_equal(srl_redis_pubsub_create(w->loop, w->options, &handlers, &w->pubsub), SRL_OK);
    assert_int_equal(srl_redis_pubsub_subscribe(w->pubsub, SRL_REDIS_CHANNEL, 1, &live, NULL, NULL, NULL), SRL_OK);
    assert_true(test_wait(w->loop, &w->ready, 1, 5000));
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    world *w = *state;
    srl_redis_pubsub_destroy(w->pubsub);
    srl_redis_loop_destroy(w->loop);
    srl_redis_close(w->conn);
    srl_redis_script_destroy(w->script);
    srl_redis_options_destroy(w->options);
    free(w->log);
    free(w);
    return 0;
}

/* ---- counting */

static void sessions_are_counted_by_user(void **state)
{
    world *w = *state;
    assert_string_equal(beat(w, NODE, "line", "1"), "[1]");
    assert_string_equal(add(w, NODE, M("c1"), "ann", "i1", "3"), "[1 1]");
    assert_string_equal(add(w, NODE, M("c2"), "bob", "", "3"), "[1 1]");
    assert_string_equal(add(w, NODE, M("c3"), "ann", "i3", "3"), "[2 1]");
    assert_string_equal(add(w, NODE, M("c1"), "ann", "i4", "3"), "[2 1]");
    assert_string_equal(list(w), "[2 3 ann 2  2 c1 i4 @ c3 i3 @ bob 1  1 c2  @]");
    EXPECT("[2 3]", "presence_list", 2, "h", "o", "0");
    EXPECT("[2 3 ann 2 i3 1 c1 i4 @]", "presence_list", 2, "h", "o", "1");
    EXPECT("[2 3 ann 2  2 c1 i4 @ c3 i3 @ bob 1  0]", "presence_list", 2, "h", "o", "2");
    assert_string_equal(drop(w, M("c3"), "ann"), "[1 1]");
    assert_string_equal(list(w), "[2 2 ann 1  1 c1 i4 @ bob 1  1 c2  @]");
    assert_string_equal(drop(w, M("c3"), "ann"), "[0 1]");
    assert_string_equal(drop(w, M("c1"), "ann"), "[1 0]");
    assert_string_equal(drop(w, M("c2"), "bob"), "[1 0]");
    assert_string_equal(list(w), "[0 0]");
    EXPECT("[0 0]", "presence_list", 2, "none", "none", "9");
    PLAIN("0", "EXISTS h o");
}

static void a_client_may_become_another_user_on_another_node(void **state)
{
    world *w = *state;
    beat(w, NODE, "line", "1");
    beat(w, OTHER, "line", "1");
    add(w, NODE, M("c1"), "ann", "1", "0");
    add(w, NODE, M("c2"), "ann", "2", "0");
    assert_string_equal(add(w, OTHER, M("c2"), "bob", "3", "0"), "[1 1]");
    assert_string_equal(list(w), "[2 2 ann 1  1 c1 1 @ bob 1  1 c2 3 @]");
    /* What is left of it in the first node's set does no harm. */
    EXPECT("[1]", "presence_evict", 8, "nodes", "set:" NODE, "h", "o", "live", "h", "o", "live", NODE, "1000", "9",
           M("c2"), M("c1"));
    assert_string_equal(list(w), "[1 1 bob 1  1 c2 3 @]");
}

/* What a presence shows, as the server tells it. */
static void show(const srl__presence *presence, uint32_t limit, char *out, size_t size)
{
    srl_presence shown;
    uint32_t next = 0;
    void *memory = malloc(srl__presence_measure(presence, limit) + 1);
    assert_non_null(memory);
    srl__presence_copy(presence, limit, memory, &shown);
    size_t used = (size_t)snprintf(out, size, "[%u %u", shown.num_users, shown.num_sessions);
    for (uint32_t i = 0; i < shown.count; i++) {
        const srl_presence_user *user = &shown.users[i];
        uint32_t left = shown.session_count - next;
        uint32_t listed = left < user->sessions ? left : user->sessions;
        int info_len = listed < user->sessions ? (int)user->info_len : 0;
        used += (size_t)snprintf(out + used, size - used, " %.*s %u %.*s %u", (int)user->user_len, user->user,
                                 user->sessions, info_len, user->info, listed);
        for (; listed > 0; listed--, next++) {
            const srl_presence_session *session = &shown.sessions[next];
            assert_memory_equal(session->user, user->user, user->user_len);
            used += (size_t)snprintf(out + used, size - used, " %.*s %.*s %.*s", (int)session->client_len,
                                     session->client, (int)session->info_len, session->info,
                                     (int)session->channel_info_len, session->channel_info);
        }
    }
    assert_int_equal(next, shown.session_count);
    snprintf(out + used, size - used, "]");
    free(memory);
}

/* The memory broker's presence is the model. */
static void presence_is_as_the_memory_broker_has_it(void **state)
{
    world *w = *state;
    static const char *users[] = {"", "ann", "bob", "c\xC3\xA4", "dave"};
    static const char *nodes[] = {NODE, OTHER};
    srl__presence model;
    srl_allocator alloc;
    uint64_t random = 7;
    assert_true(srl__allocator_take(&alloc, NULL));
    srl__presence_init(&model, &alloc, 1);
    beat(w, NODE, "line", "1");
    beat(w, OTHER, "line", "1");
    for (int step = 0; step < 3000; step++) {
        char member[16], info[16], expected[64];
        uint32_t sessions;
        uint64_t client = srl_test_random_below(&random, 16);
        const char *user = users[client < 8 ? srl_test_random_below(&random, 5) : client % 3];
        const char *node = nodes[srl_test_random_below(&random, 2)];
        snprintf(member, sizeof(member), "\002c%cchan", (char)('a' + client));
        snprintf(info, sizeof(info), "%d", step % 4 == 0 ? 0 : step);
        const srl_broker_member given = {.size = sizeof(given),
                                         .client = member + 1,
                                         .client_len = 2,
                                         .user = user,
                                         .user_len = strlen(user),
                                         .info = info,
                                         .info_len = strlen(info),
                                         .channel_info = "@",
                                         .channel_info_len = 1};
        if (srl_test_random_below(&random, 100) < 55) {
            assert_int_equal(srl__presence_add(&model, &given, "", &sessions), SRL_OK);
            snprintf(expected, sizeof(expected), "[%u 1]", sessions);
            assert_string_equal(add(w, node, member, user, info, "1"), expected);
        } else {
            int rc = srl__presence_remove(&model, &given, &sessions);
            snprintf(expected, sizeof(expected), "[%d %u]", rc == SRL_OK, sessions);
            assert_string_equal(drop(w, member, user), expected);
        }
        uint32_t limit = step % 3 == 0 ? (uint32_t)srl_test_random_below(&random, 20) : 100;
        char all[2048];
        show(&model, limit, all, sizeof(all));
        snprintf(expected, sizeof(expected), "%u", limit);
        EXPECT(all, "presence_list", 2, "h", "o", expected);
    }
    srl__presence_free(&model);
}

/* ---- what is asked twice */

static void a_lost_answer_is_given_again(void **state)
{
    world *w = *state;
    const char *again = "presence_remove_again";
    beat(w, NODE, "line", "1");
    add(w, NODE, M("c1"), "ann", "i", "3");
    add(w, OTHER, M("c2"), "ann", "", "3");
    EXPECT("[1 1]", "presence_add_again", 4, "nodes", "set:" NODE, "h", "o", NODE, M("c1"), "ann", "i", "@", "3");
    EXPECT("[3 1]", "presence_add_again", 4, "nodes", "set:" NODE, "h", "o", NODE, M("c3"), "ann", "i", "@", "3");
    EXPECT("[3 1]", "presence_add_again", 4, "nodes", "set:" NODE, "h", "o", NODE, M("c1"), "ann", "i", "!", "3");
    EXPECT("[3 1]", "presence_add_again", 4, "nodes", "set:" NODE, "h", "o", NODE, M("c1"), "ann", "other", "@", "3");
    drop(w, M("c1"), "ann");
    drop(w, M("c3"), "ann");
    EXPECT("[1 1]", again, 4, "set:" NODE, "h", "o", "gone", M("c3"), "ann", "60000");
    EXPECT("[1 0]", again, 4, "set:" NODE, "h", "o", "gone", M("c2"), "ann", "60000");
    EXPECT("[1 1]", again, 4, "set:" NODE, "h", "o", "gone", M("c3"), "ann", "60000");
    EXPECT("[0 0]", again, 4, "set:" NODE, "h", "o", "gone", M("c9"), "ann", "60000");
    assert_true(atoi(plain(w, "PTTL gone")) > 50000);
    beat(w, NODE, "line", "0");
    PLAIN("0", "EXISTS gone");
}

/* ---- leases */

static void a_node_learns_that_it_is_not_known(void **state)
{
    world *w = *state;
    assert_string_equal(beat(w, NODE, "line", "0"), "[0]");
    assert_string_equal(beat(w, NODE, "line", "1"), "[1]");
    assert_string_equal(beat(w, NODE, "line", "1"), "[1]");
    assert_string_equal(beat(w, NODE, "line", "0"), "[1]");
    /* The data is another server's. */
    assert_string_equal(beat(w, NODE, "other", "0"), "[0]");
    assert_string_equal(beat(w, NODE, "line", "0"), "[1]");
    /* Its members are gone, but it is not. */
    plain(w, "DEL set:" NODE);
    assert_string_equal(beat(w, NODE, "line", "0"), "[0]");
    assert_string_equal(add(w, NODE, M("c1"), "ann", "", "3"), "[1 1]");
    assert_string_equal(beat(w, NODE, "line", "0"), "[0]");
    /* One that brings members has a short lease, but is not known before its beat. */
    EXPECT("1", "node_count", 1, "nodes");
    assert_string_equal(add(w, OTHER, M("c2"), "bob", "", "3"), "[1 0]");
    EXPECT("2", "node_count", 1, "nodes");
    assert_string_equal(beat(w, OTHER, "line", "0"), "[0]");
    assert_string_equal(beat(w, OTHER, "line", "1"), "[1]");
    assert_string_equal(beat(w, "node-b0000000000.2", "line", "1"), "[1]");
    EXPECT("2", "node_count", 1, "nodes");
}

static void one_evicts_at_a_time(void **state)
{
    world *w = *state;
    beat(w, NODE, "line", "1");
    add(w, NODE, M("c1"), "ann", "", "3");
    beat(w, OTHER, "line", "1");
    plain(w, "HSET nodes " NODE " 1");
    assert_string_equal(beat(w, OTHER, "line", "0"), "[1 " NODE "]");
    assert_string_equal(beat(w, OTHER, "line", "0"), "[1]");
    assert_string_equal(beat(w, "node-c0000000000.1", "line", "1"), "[1]");
    assert_string_equal(beat(w, NODE, "line", "0"), "[2]");
    assert_string_equal(beat(w, NODE, "line", "1"), "[2]");
    /* Whoever was at it has not gone on for a second. */
    test_wait(w->loop, &w->told, 1, 1100);
    assert_string_equal(beat(w, "node-c0000000000.1", "line", "0"), "[1 " NODE "]");
    assert_string_equal(list(w), "[1 1 ann 1  1 c1  @]");
    CALL("presence_evict", 5, "nodes", "set:" NODE, "h", "o", "live", NODE, "1000", "9", M("c1"));
    assert_string_equal(beat(w, NODE, "line", "0"), "[2]");
    assert_string_equal(beat(w, NODE, "line", "1"), "[2]");
    assert_string_equal(beat(w, "node-c0000000000.1", "line", "0"), "[1]");
    plain(w, "HSET nodes !" NODE " 1000");
    assert_string_equal(beat(w, "node-c0000000000.1", "line", "0"), "[1]");
    PLAIN("0", "HEXISTS nodes !" NODE);
}

static void after_a_silence_of_all_everybody_gets_time(void **state)
{
    world *w = *state;
    beat(w, NODE, "line", "1");
    beat(w, OTHER, "line", "1");
    plain(w, "HSET nodes " OTHER " 1");
    const char *argv[] = {"HSET", "nodes", "", "1000"};
    const srl_reply *reply;
    assert_int_equal(srl_redis_command(w->conn, 4, argv, NULL, &reply), SRL_OK);
    assert_string_equal(beat(w, NODE, "line", "0"), "[1]");
    double now = atof(plain(w, "HGET nodes " NODE)), theirs = atof(plain(w, "HGET nodes " OTHER));
    assert_true(now - theirs > 4000 && now - theirs < 6000);
    /* But not for ever. */
    plain(w, "HSET nodes " OTHER " 1");
    assert_string_equal(beat(w, NODE, "line", "0"), "[1 " OTHER "]");
}

/* ---- evictions */

static void leaves_are_told_as_each_member_says(void **state)
{
    world *w = *state;
    beat(w, NODE, "line", "1");
    add(w, NODE, M("c1"), "ann", "one", "3");
    add(w, NODE, M("c2"), "ann", "two", "3");
    add(w, NODE, M("c3"), "bob", "", "2");
    add(w, NODE, M("c4"), "eve", "", "1");
    add(w, NODE, M("c5"), "zoe", "", "0");
    EXPECT("[1]", "presence_evict", 17, "nodes", "set:" NODE, "h", "o", "live", "h", "o", "live", "h", "o", "live", "h",
           "o", "live", "h", "o", "live", NODE, "1000", "9", M("c1"), M("c2"), M("c3"), M("c4"), M("c5"));
    expect_told(w, "leave c1 ann one@, leave c2 ann two@, leave - ann two@, leave - bob @, leave c4 eve @");
    PLAIN("1", "DBSIZE");
    PLAIN("nil", "HGET nodes " NODE);
    /* Once more changes nothing. */
    EXPECT("[1]", "presence_evict", 5, "nodes", "set:" NODE, "h", "o", "live", NODE, "1000", "9", M("c1"));
    expect_told(w, "");
}

static void two_may_evict_at_once(void **state)
{
    world *w = *state;
    beat(w, NODE, "line", "1");
    for (char c = 'a'; c <= 'j'; c++) {
        char member[16];
        snprintf(member, sizeof(member), "\002c%cchan", c);
        add(w, NODE, member, "ann", "", "3");
    }
    for (int i = 0; i < 2; i++) {
        CALL("presence_evict", 11, "nodes", "set:" NODE, "h", "o", "live", "h", "o", "live", "h", "o", "live", NODE,
             "1000", "2", M("ca"), M("cb"), i > 0 ? M("cc") : M("cd"));
    }
    for (int i = 0; i < 2; i++) {
        CALL("presence_evict", 23, "nodes", "set:" NODE, "h", "o", "live", "h", "o", "live", "h", "o", "live", "h", "o",
             "live", "h", "o", "live", "h", "o", "live", "h", "o", "live", NODE, "1000", "2", M("cj"), M("cd"), M("ce"),
             M("cf"), M("cg"), M("ch"), M("ci"));
    }
    hear(w);
    assert_int_equal(w->told, 11);
    assert_string_equal(w->log[10].client, "");
    assert_string_equal(list(w), "[0 0]");
    PLAIN("1", "DBSIZE");
}

static void who_was_taken_for_dead_joins_again(void **state)
{
    world *w = *state;
    beat(w, NODE, "line", "1");
    add(w, NODE, M("c1"), "ann", "i", "3");
    add(w, NODE, M("c2"), "ann", "", "3");
    add(w, NODE, M("c3"), "bob", "", "3");
    CALL("presence_evict", 8, "nodes", "set:" NODE, "h", "o", "live", "h", "o", "live", NODE, "1000", "9", M("c1"),
         M("c3"));
    expect_told(w, "leave c1 ann i@, leave c3 bob @, leave - bob @");
    assert_string_equal(beat(w, OTHER, "line", "1"), "[1]");
    for (int again = 0; again < 2; again++) {
        EXPECT("1", "presence_restore", 11, "nodes", "set:" OTHER, "h", "o", "live", "h", "o", "live", "h", "o", "live",
               OTHER, "1", M("c1"), "ann", "i", "@", "3", M("c2"), "ann", "", "@", "3", M("c3"), "bob", "", "@", "3");
        expect_told(w, again ? "" : "join c1 ann i@, join c3 bob @, join - bob @");
        assert_string_equal(list(w), "[2 3 ann 2  2 c2  @ c1 i @ bob 1  1 c3  @]");
    }
    /* Nothing of them is the old one's any more. */
    EXPECT("[1]", "presence_evict", 11, "nodes", "set:" NODE, "h", "o", "live", "h", "o", "live", "h", "o", "live",
           NODE, "1000", "9", M("c1"), M("c2"), M("c3"));
    expect_told(w, "");
    assert_string_equal(list(w), "[2 3 ann 2  2 c2  @ c1 i @ bob 1  1 c3  @]");
    EXPECT("0", "presence_restore", 2, "nodes", "set:x", "node-x0000000000.1", "0");
    /* Where data was lost nobody was told anything. */
    EXPECT("1", "presence_restore", 5, "nodes", "set:" OTHER, "h", "o", "live", OTHER, "0", M("c5"), "zoe", "", "@",
           "3");
    expect_told(w, "");
    assert_string_equal(list(w), "[3 4 ann 2  2 c2  @ c1 i @ bob 1  1 c3  @ zoe 1  1 c5  @]");
}

/* ---- what is not ours */

static void another_type_under_our_key_is_an_error_there_and_nowhere_else(void **state)
{
    world *w = *state;
    static const char *const keys[] = {"h", "o"};
    beat(w, NODE, "line", "1");
    for (size_t i = 0; i < 2; i++) {
        char line[32];
        plain(w, "DEL h o");
        snprintf(line, sizeof(line), "SET %s text", keys[i]);
        plain(w, line);
        ASSERT_WRONGTYPE(add(w, NODE, M("c1"), "ann", "", "3"));
        ASSERT_WRONGTYPE(list(w));
        PLAIN("0", i == 0 ? "EXISTS o" : "EXISTS h");
        EXPECT("[1 1]", "presence_add", 4, "nodes", "set:" NODE, "h2", "o2", NODE, "\002c1chan2", "ann", "", "", "3");
        EXPECT("[1 0]", "presence_remove", 4, "set:" NODE, "h2", "o2", "gone", "\002c1chan2", "ann", "1000");
    }
    plain(w, "DEL h o");
    add(w, NODE, M("c1"), "ann", "", "3");
    plain(w, "SET o text");
    ASSERT_WRONGTYPE(drop(w, M("c1"), "ann"));
    /* It keeps nobody from evicting the others. */
    CALL("presence_add", 4, "nodes", "set:" NODE, "h2", "o2", NODE, "\002c2chan2", "bob", "", "", "3");
    EXPECT("[1]", "presence_evict", 8, "nodes", "set:" NODE, "h", "o", "live", "h2", "o2", "live", NODE, "1000", "9",
           M("c1"), "\002c2chan2");
    PLAIN("0", "EXISTS h2 o2");
    plain(w, "DEL nodes");
    plain(w, "SET nodes text");
    ASSERT_WRONGTYPE(beat(w, NODE, "line", "0"));
    ASSERT_WRONGTYPE(add(w, NODE, M("c2"), "ann", "", "3"));
    plain(w, "SET g5 text");
    plain(w, "SET m5 text");
    EXPECT("[0 0]", "group_list", 1, "none", "", "9");
    ASSERT_WRONGTYPE(CALL("group_list", 1, "m5", "", "9"));
    ASSERT_WRONGTYPE(CALL("group_add", 3, "g5", "m5", "u5", "ann", "c", "9", "9"));
    PLAIN("0", "EXISTS u5");
    EXPECT("[0]", "group_create", 1, "g6", "{}");
    plain(w, "HSET pos a b");
    ASSERT_WRONGTYPE(CALL("position_set", 1, "pos", "1", "e", "0"));
}

/* ---- groups and positions, where the suite for all brokers does not reach */

static void groups_bear_to_be_changed_twice(void **state)
{
    world *w = *state;
    EXPECT("[0]", "group_create", 1, "g", "{}");
    EXPECT("[0]", "group_create_again", 1, "g", "{}");
    EXPECT("[1]", "group_create_again", 1, "g", "[]");
    EXPECT("[0]", "group_add", 3, "g", "m", "u:ann", "ann", "c", "2", "9");
    EXPECT("[0]", "group_add", 3, "g", "m", "u:bob", "bob", "c", "2", "9");
    EXPECT("[3]", "group_add", 3, "g", "m", "u:eve", "eve", "c", "2", "9");
    EXPECT("[3]", "group_add", 3, "g", "m", "u:eve", "eve", "c", "9", "0");
    EXPECT("[0 2 ann bob]", "group_delete", 4, "g", "m", "u:x", "grave", "c", "60000");
    PLAIN("0", "EXISTS g m u:ann u:bob");
    EXPECT("[0 2 ann bob]", "group_delete_again", 4, "g", "m", "u:x", "grave", "c", "60000");
    EXPECT("[2]", "group_delete", 4, "g", "m", "u:x", "grave", "c", "60000");
    assert_true(atoi(plain(w, "PTTL grave")) > 50000);
}

static void offsets_are_greater_than_a_double_can_tell(void **state)
{
    world *w = *state;
    EXPECT("18446744073709551614 e", "position_set", 1, "p", "18446744073709551614", "e", "0");
    EXPECT("18446744073709551615 e", "position_set", 1, "p", "18446744073709551615", "e", "0");
    EXPECT("18446744073709551615 e", "position_set", 1, "p", "18446744073709551614", "e", "0");
    EXPECT("18446744073709551615 e", "position_set", 1, "p", "9", "e", "0");
    EXPECT("9 other epoch", "position_set", 1, "p", "9", "other epoch", "60000");
    EXPECT("10 other epoch", "position_set", 1, "p", "10", "other epoch", "60000");
    EXPECT("10 other epoch", "position_set", 1, "p", "9", "other epoch", "5");
    assert_true(atoi(plain(w, "PTTL p")) > 50000);
    EXPECT("nil", "position_get", 1, "none");
}

/* ---- history that was dropped */

static void a_reader_behind_an_emptied_stream_begins_no_epoch(void **state)
{
    world *w = *state;
    plain(w, "XADD s 5000000000000000-3 d x");
    plain(w, "XADD s 5000000000000000-4 d x");
    EXPECT("5000000000000000-4", "history_remove", 1, "s", "1", "1000");
    PLAIN("0", "XLEN s");
    EXPECT("[[2 5000000000000000-4]]", "catch_up", 1, "s", "1", "10", "9999", "1000", "5000000000000000-3");
    EXPECT("[[2 5000000000000000-4]]", "catch_up", 1, "s", "1", "10", "9999", "1000", "4000000000000000-9");
    EXPECT("[0]", "catch_up", 1, "s", "1", "10", "9999", "1000", "5000000000000000-4");
    EXPECT("5000000000000000-4", "history_remove", 1, "s", "1", "1000");
    /* But one that is ahead of it has seen what is lost. */
    ASSERT_STARTS(CALL("catch_up", 1, "s", "1", "10", "9999", "1000", "5000000000000000-5"), "[[2 500000000");
    assert_string_not_equal(CALL("history_remove", 1, "s", "1", "1000"), "5000000000000000-4");
}

/* ---- many */

static double per_call(world *w)
{
    static char text[8192];
    const char *argv[] = {"INFO", "commandstats"};
    const srl_reply *reply;
    assert_int_equal(srl_redis_command(w->conn, 2, argv, NULL, &reply), SRL_OK);
    snprintf(text, sizeof(text), "%s", srl_reply_string(reply, SRL_REPLY_ROOT, NULL));
    const char *at = strstr(text, as_library ? "cmdstat_fcall:" : "cmdstat_evalsha:");
    at = at != NULL ? strstr(at, "usec_per_call=") : NULL;
    assert_non_null(at);
    return atof(at + strlen("usec_per_call="));
}

static double memory_used(world *w)
{
    static char text[8192];
    const char *argv[] = {"INFO", "memory"};
    const srl_reply *reply;
    assert_int_equal(srl_redis_command(w->conn, 2, argv, NULL, &reply), SRL_OK);
    snprintf(text, sizeof(text), "%s", srl_reply_string(reply, SRL_REPLY_ROOT, NULL));
    const char *at = strstr(text, "used_memory:");
    assert_non_null(at);
    return atof(at + strlen("used_memory:"));
}

static void member_of(char *out, size_t size, uint32_t i)
{
    snprintf(out, size, "%c%08x-0000-4000-8000-%012x-channel", 36, i * 2654435761u, i);
}

/* Pipelined, 1,000 at a time. */
static void add_many(world *w, uint32_t from, uint32_t to)
{
    const srl_reply *reply;
    char sha[64];
    if (as_library) {
        function_name(sha, sizeof(sha), "presence_add");
    } else {
        snprintf(sha, sizeof(sha), "%s", w->script->sha);
    }
    for (uint32_t i = from; i < to; i += 1000) {
        for (uint32_t k = i; k < to && k < i + 1000; k++) {
            char member[64], user[32];
            member_of(member, sizeof(member), k);
            snprintf(user, sizeof(user), "user-%u", k);
            const char *words[] = {as_library ? "FCALL" : "EVALSHA",
                                   sha,
                                   "4",
                                   "nodes",
                                   "set:" NODE,
                                   "h",
                                   "o",
                                   "presence_add",
                                   NODE,
                                   member,
                                   user,
                                   "{\"name\":\"A user\"}",
                                   "{\"of\":\"it\"}",
                                   "1"};
            const char *argv[14];
            size_t argc = 0;
            for (size_t j = 0; j < 14; j++) {
                if (j != 7 || !as_library) {
                    argv[argc++] = words[j];
                }
            }
            assert_int_equal(srl_redis_append(w->conn, argc, argv, NULL), SRL_OK);
        }
        for (uint32_t k = i; k < to && k < i + 1000; k++) {
            assert_int_equal(srl_redis_next_reply(w->conn, &reply), SRL_OK);
        }
    }
}

/* Until nobody is left; how many calls. */
static uint32_t evict_many(world *w)
{
    enum { LIMIT = 64 };
    static char texts[LIMIT][64];
    const char *words[5 + 4 * LIMIT] = {"nodes", "set:" NODE};
    uint32_t calls = 0, count = 0;
    for (;;) {
        size_t n = 2;
        for (uint32_t i = 0; i < count; i++) {
            words[n++] = "h";
            words[n++] = "o";
            words[n++] = "live";
        }
        uint32_t num_keys = (uint32_t)n;
        words[n++] = NODE;
        words[n++] = "1000";
        words[n++] = "64";
        for (uint32_t i = 0; i < count; i++) {
            words[n++] = texts[i];
        }
        const srl_reply *reply = call_words(w, "presence_evict", num_keys, n, words, NULL);
        int done = 0;
        calls++;
        assert_int_equal(srl_reply_bool(reply, srl_reply_child(reply, SRL_REPLY_ROOT, 0), &done), SRL_OK);
        if (done) {
            return calls;
        }
        count = srl_reply_count(reply, SRL_REPLY_ROOT) - 1;
        assert_in_range(count, 1, LIMIT);
        for (uint32_t i = 0; i < count; i++) {
            size_t len;
            const char *text = srl_reply_string(reply, srl_reply_child(reply, SRL_REPLY_ROOT, i + 1), &len);
            snprintf(texts[i], sizeof(texts[i]), "%.*s", (int)len, text);
        }
        if (calls % 100 == 0) {
            hear(w);
        }
    }
}

static void a_hundred_thousand_are_in_one_channel(void **state)
{
    world *w = *state;
    beat(w, NODE, "line", "1");
    CALL("presence_list", 2, "h", "o", "0");
    double before = memory_used(w);
    plain(w, "CONFIG RESETSTAT");
    add_many(w, 0, 100);
    double first = per_call(w);
    add_many(w, 100, LIVE_MANY - 1000);
    plain(w, "CONFIG RESETSTAT");
    add_many(w, LIVE_MANY - 1000, LIVE_MANY);
    double last = per_call(w);
    double bytes = (memory_used(w) - before) / LIVE_MANY;
    plain(w, "CONFIG RESETSTAT");
    EXPECT("[100000 100000]", "presence_list", 2, "h", "o", "0");
    double counts = per_call(w);
    plain(w, "CONFIG RESETSTAT");
    CALL("presence_list", 2, "h", "o", "100");
    double hundred = per_call(w);
    plain(w, "CONFIG RESETSTAT");
    uint32_t calls = evict_many(w);
    double evicting = per_call(w);
    hear(w);
    assert_int_equal(w->told, LIVE_MANY);
    assert_string_equal(list(w), "[0 0]");
    PLAIN("0", "EXISTS h o set:" NODE);
    print_message("us per add: %.1f at 100, %.1f at 100,000; counts %.1f; list of 100 %.1f; %u evictions of 64, %.1f "
                  "each; %.0f bytes per member\n",
                  first, last, counts, hundred, calls, evicting, bytes);
    assert_true(last < first * 10 + 200);
}

#define T(function) cmocka_unit_test_setup_teardown(function, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(sessions_are_counted_by_user),
        T(a_client_may_become_another_user_on_another_node),
        T(presence_is_as_the_memory_broker_has_it),
        T(a_lost_answer_is_given_again),
        T(a_node_learns_that_it_is_not_known),
        T(one_evicts_at_a_time),
        T(after_a_silence_of_all_everybody_gets_time),
        T(leaves_are_told_as_each_member_says),
        T(two_may_evict_at_once),
        T(who_was_taken_for_dead_joins_again),
        T(another_type_under_our_key_is_an_error_there_and_nowhere_else),
        T(groups_bear_to_be_changed_twice),
        T(offsets_are_greater_than_a_double_can_tell),
        T(a_reader_behind_an_emptied_stream_begins_no_epoch),
        T(a_hundred_thousand_are_in_one_channel),
    };
    if (!srl_test_redis_start(&server, NULL)) {
        return 77;
    }
    int failed = cmocka_run_group_tests_name("redis people: one script", tests, NULL, NULL);
    if (server.version >= 700) {
        as_library = true;
        failed += cmocka_run_group_tests_name("redis people: functions", tests, NULL, NULL);
    }
    srl_test_redis_stop(&server);
    return failed;
}
