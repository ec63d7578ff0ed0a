/* A session's queue against a naive one: frames put from outside and inside of writes, transports that take what they
 * like, and everything comes out once and in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/session.h"
#include "helpers/random.h"
#include "helpers/see.h"

/* ---- the queue by itself */

typedef struct world {
    test_relay home;
    test_client *client;
    srl_session *session;
    uint64_t random;
    unsigned put; /* frames numbered from 0 */
    unsigned seen;
    size_t bytes;    /* of those that wait */
    unsigned inside; /* how many more frames a write may put */
    size_t offered;
} world;

static world w;

static size_t length_of(unsigned number)
{
    return 1 + number % 7;
}

static bool put_one(void)
{
    char text[8] = "xxxxxxx";
    srl_frame *frame = srl__frame_create(&w.home.memory.table, srl__slice_of(text, length_of(w.put)));

    assert_non_null(frame);
    if (!srl__outbox_put(w.home.relay, &w.session->outbox, frame)) {
        srl_frame_unref(frame);
        return false;
    }
    w.bytes += length_of(w.put++);
    return true;
}

static int64_t take_some(srl_session *session, srl_frame *const *frames, size_t count, void *user)
{
    size_t taken = (size_t)srl_test_random_below(&w.random, count + 2);
    (void)user;

    assert_ptr_equal(session, w.session);
    w.offered = count;
    for (unsigned i = w.inside > 0 ? (unsigned)srl_test_random_below(&w.random, w.inside) : 0; i > 0; i--) {
        (void)put_one();
    }
    for (size_t i = 0; i < count; i++) { /* what was lent stays readable whatever was put meanwhile */
        assert_int_equal(srl_frame_len(frames[i]), length_of(w.seen + (unsigned)i));
    }
    if (taken > count) {
        return (int64_t)count + 5; /* too much is as good as all */
    }
    return (int64_t)taken;
}

static void write_once(void)
{
    size_t waits = w.put - w.seen;
    int64_t taken;

    if (waits == 0) {
        return;
    }
    taken = srl__outbox_write(w.session);
    assert_int_equal(w.offered, waits);
    assert_in_range(taken, 0, waits);
    for (int64_t i = 0; i < taken; i++) {
        w.bytes -= length_of(w.seen++);
    }
}

static void against_a_naive_queue(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        memset(&w, 0, sizeof(w));
        w.random = seed;
        w.inside = seed % 3 == 0 ? 0 : seed % 3 == 1 ? 4 : 90;
        assert_int_equal(TEST_RELAY(&w.home, NULL), SRL_OK);
        w.client = test_client_open(&w.home);
        w.session = w.client->session;
        w.session->write = take_some;
        for (int step = 0; step < 200; step++) {
            unsigned many = (unsigned)srl_test_random_below(&w.random, 8);

            if (many == 0) {
                srl_test_alloc_fail(&w.home.memory, 1, false);
            }
            while (many-- > 0) {
                (void)put_one();
            }
            srl_test_alloc_fail(&w.home.memory, 0, false);
            assert_int_equal(w.session->outbox.count, w.put - w.seen);
            assert_int_equal(srl_session_queued_bytes(w.session), w.bytes);
            if (srl_test_random_below(&w.random, 3) != 0) {
                write_once();
            }
            if (srl_test_random_below(&w.random, 60) == 0) {
                srl__outbox_clear(w.home.relay, &w.session->outbox);
                w.seen = w.put;
                w.bytes = 0;
            }
        }
        assert_int_equal(w.session->outbox.count, w.put - w.seen);
        assert_int_equal(srl_session_queued_bytes(w.session), w.bytes);
        test_relay_end(&w.home); /* what waits is given back */
    }
}

/* ---- through the whole relay */

enum { ROOMS = 3, RECEIVERS = 4 };

typedef struct stream {
    test_relay home;
    test_client *clients[RECEIVERS];
    uint64_t random;
    unsigned published[ROOMS];
    unsigned nested;
} stream;

static void publish_next(stream *s)
{
    static const char *const names[ROOMS] = {"r0", "r1", "r2"};
    unsigned room = (unsigned)srl_test_random_below(&s->random, ROOMS);
    char data[16];

    (void)snprintf(data, sizeof(data), "%u", ++s->published[room]);
    assert_int_equal(test_relay_publish(&s->home, names[room], data), SRL_OK);
}

static void publish_inside(test_client *c)
{
    stream *s = c->user;

    if (s->nested > 0 && srl_test_random_below(&s->random, 3) == 0) {
        s->nested--;
        publish_next(s);
    }
    c->take = srl_test_random_below(&s->random, 3) == 0 ? (size_t)srl_test_random_below(&s->random, 4) : SIZE_MAX;
}

static void check_streams(stream *s)
{
    for (int i = 0; i < RECEIVERS; i++) {
        unsigned next[ROOMS] = {0};
        test_client *c = s->clients[i];

        c->on_write = NULL;
        for (int k = 0; k < 5; k++) {
            test_client_unblock(c);
        }
        assert_int_equal(srl_session_queued_bytes(c->session), 0);
        for (size_t k = 0; k < c->frame_count; k++) {
            const char *at = strstr(c->frames[k], "\"channel\":\"r");
            const char *data = strstr(c->frames[k], "\"data\":{\"data\":");

            if (at != NULL && data != NULL) {
                assert_int_equal(strtoul(data + 15, NULL, 10), ++next[at[12] - '0']);
            }
        }
        assert_memory_equal(next, s->published, sizeof(next));
    }
}

static void every_room_in_order_to_everybody(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        stream s = {.random = seed};

        assert_int_equal(TEST_RELAY(&s.home, NULL), SRL_OK);
        for (int i = 0; i < RECEIVERS; i++) {
            s.clients[i] = test_client_enter(&s.home, "u");
            assert_true(test_client_subscribe(s.clients[i], "r0"));
            assert_true(test_client_subscribe(s.clients[i], "r1"));
            assert_true(test_client_subscribe(s.clients[i], "r2"));
            s.clients[i]->user = &s;
            s.clients[i]->on_write = publish_inside;
        }
        for (int step = 0; step < 120; step++) {
            unsigned many = 1 + (unsigned)srl_test_random_below(&s.random, 5);
            test_client *c = s.clients[srl_test_random_below(&s.random, RECEIVERS)];

            s.nested = 10;
            srl_relay_cork(s.home.relay);
            while (many-- > 0) {
                publish_next(&s);
            }
            srl_relay_uncork(s.home.relay);
            if (c->blocked) {
                test_client_unblock(c);
            }
        }
        check_streams(&s);
        test_relay_end(&s.home);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_a_naive_queue),
        cmocka_unit_test(every_room_in_order_to_everybody),
    };

    return cmocka_run_group_tests_name("outbox", tests, NULL, NULL);
}
