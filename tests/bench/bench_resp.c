/* Reading replies: what one costs, beside hiredis where it is at hand.
 *
 *     cc -O2 -DSRL_BENCH_HIREDIS ... -lhiredis       (libhiredis-dev)
 */
#include "redis/resp_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(SRL_BENCH_HIREDIS)
#include <hiredis/hiredis.h>
#endif

enum { BATCH_BYTES = 49152, ROUNDS = 7 };

typedef struct sample {
    const char *name;
    char *batch; /* as many replies as fit in one read */
    size_t reply_len, batch_len;
    uint32_t replies;
} sample;

static volatile uint64_t result;

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void make_sample(sample *s, const char *name, const char *reply, size_t len)
{
    s->name = name;
    s->reply_len = len;
    s->replies = (uint32_t)(BATCH_BYTES / len);
    s->batch_len = s->replies * len;
    s->batch = malloc(s->batch_len);
    if (s->batch == NULL) {
        abort();
    }
    for (uint32_t i = 0; i < s->replies; i++) {
        memcpy(s->batch + i * len, reply, len);
    }
}

static size_t put_bulk(char *out, const char *text, size_t len)
{
    int head = sprintf(out, "$%zu\r\n", len);
    memcpy(out + head, text, len);
    memcpy(out + (size_t)head + len, "\r\n", 2);
    return (size_t)head + len + 2;
}

static size_t make_entries(char *out, uint32_t entries, size_t value_len, bool resp3)
{
    static char value[256];
    size_t at;
    memset(value, 'v', sizeof(value));
    at = (size_t)sprintf(out, resp3 ? "%%1\r\n" : "*1\r\n*2\r\n");
    at += put_bulk(out + at, "stream:1", 8);
    at += (size_t)sprintf(out + at, "*%u\r\n", entries);
    for (uint32_t i = 0; i < entries; i++) {
        char id[32];
        at += (size_t)sprintf(out + at, "*2\r\n");
        at += put_bulk(out + at, id, (size_t)sprintf(id, "1795427221648-%u", i % 10));
        at += (size_t)sprintf(out + at, "*4\r\n");
        for (int field = 0; field < 2; field++) {
            at += put_bulk(out + at, field == 0 ? "data" : "meta", 4);
            at += put_bulk(out + at, value, value_len);
        }
    }
    return at;
}

static size_t make_push(char *out, size_t payload)
{
    static char value[8192];
    size_t at = (size_t)sprintf(out, ">3\r\n$7\r\nmessage\r\n$12\r\nchat:general\r\n");
    memset(value, 'm', sizeof(value));
    return at + put_bulk(out + at, value, payload);
}

static uint32_t ours_once(srl__resp_reader *r, const sample *s)
{
    const srl_reply *reply;
    uint32_t seen = 0;
    size_t at = 0;
    while (at < s->batch_len) {
        size_t room;
        uint8_t *space = srl__resp_reader_space(r, &room);
        size_t part = s->batch_len - at < room ? s->batch_len - at : room;
        memcpy(space, s->batch + at, part); /* what read() would do */
        srl__resp_reader_commit(r, part);
        at += part;
        while (srl__resp_reader_next(r, &reply) > 0) {
            seen += reply->count > 0 ? 1U : 0U;
        }
    }
    return seen;
}

static double ours(const sample *s, uint32_t turns)
{
    srl_allocator alloc;
    srl__resp_reader r;
    double best = 1e300;
    srl_allocator_init(&alloc, sizeof(alloc));
    srl__resp_reader_init(&r, &alloc, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        double begin = now_ns(), took;
        for (uint32_t i = 0; i < turns; i++) {
            if (ours_once(&r, s) != s->replies) {
                abort();
            }
        }
        took = (now_ns() - begin) / turns / s->replies;
        best = took < best ? took : best;
    }
    srl__resp_reader_free(&r);
    return best;
}

#if defined(SRL_BENCH_HIREDIS)
static double theirs(const sample *s, uint32_t turns)
{
    redisReader *r = redisReaderCreate();
    double best = 1e300;
    r->maxbuf = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double begin = now_ns(), took;
        for (uint32_t i = 0; i < turns; i++) {
            void *reply = NULL;
            redisReaderFeed(r, s->batch, s->batch_len);
            while (redisReaderGetReply(r, &reply) == REDIS_OK && reply != NULL) {
                result += ((redisReply *)reply)->elements;
                freeReplyObject(reply);
            }
            if (r->err != 0) {
                redisReaderFree(r);
                return -1;
            }
        }
        took = (now_ns() - begin) / turns / s->replies;
        best = took < best ? took : best;
    }
    redisReaderFree(r);
    return best;
}
#endif

static void bench(const char *name, const char *reply, size_t len)
{
    sample s;
    uint32_t turns;
    double mine;
    make_sample(&s, name, reply, len);
    turns = 200000 / s.replies + 20;
    mine = ours(&s, turns);
    printf("%-28s %6zu bytes %9.1f ns %8.0f MB/s", name, len, mine, (double)len / mine * 1000);
#if defined(SRL_BENCH_HIREDIS)
    {
        double other = theirs(&s, turns);
        if (other > 0) {
            printf("   hiredis %9.1f ns   %5.1f times", other, other / mine);
        } else {
            printf("   hiredis: cannot read it");
        }
    }
#endif
    printf("\n");
    free(s.batch);
}

int main(void)
{
    static char text[65536];
    size_t len;
    bench("+OK", "+OK\r\n", 5);
    bench(":integer", ":1234567\r\n", 10);
    bench("$16", "$16\r\nabcdefghijklmnop\r\n", 23);
    len = make_push(text, 200);
    bench("push message, 200 bytes", text, len);
    text[0] = '*';
    bench("array message, 200 bytes", text, len);
    len = make_push(text, 4096);
    text[0] = '*';
    bench("array message, 4096 bytes", text, len);
    len = make_entries(text, 10, 32, false);
    bench("XREAD 10 x 2 x 32 (RESP2)", text, len);
    len = make_entries(text, 10, 32, true);
    bench("XREAD 10 x 2 x 32 (RESP3)", text, len);
    len = make_entries(text, 10, 200, false);
    bench("XREAD 10 x 2 x 200 (RESP2)", text, len);
    return result == 1;
}
