#include "redis/stream_consumer.h"

#include <streamrelay/error.h>

#include "io/sleep.h"

static void drop_kept(srl_stream_consumer *c)
{
    if (c->kept != NULL) {
        srl_reply_release(c->kept);
        c->kept = NULL;
    }
}

/* Send the command, and hand its answer to the consumer: as srl_stream_consumer_answer(). */
static int exchange(srl_stream_consumer *c, srl_redis_conn *conn, uint64_t time_ms)
{
    const srl_reply *reply = NULL;
    int error = srl_redis_send(conn, c->command, time_ms, 0, &reply);
    bool is_to_keep =
        error == 0 && srl__stream_consumer_brings_entries(c) && srl_reply_count(reply, SRL_REPLY_ROOT) > 0;
    if (is_to_keep) {
        error = srl_reply_keep(reply, &c->kept);
        reply = error == 0 ? c->kept : NULL;
    }
    return srl_stream_consumer_answer(c, error, reply);
}

/* Nothing to be sent for the moment. False if time is up. */
static bool wait_for(uint64_t wait_ms, uint64_t left_ms)
{
    if (wait_ms == UINT64_MAX || left_ms == 0) {
        return false;
    }
    srl__sleep_ms(wait_ms < left_ms ? wait_ms : left_ms);
    return wait_ms < left_ms;
}

int srl_stream_consumer_poll(srl_stream_consumer *consumer, srl_redis_conn *conn, uint64_t timeout_ms,
                             srl_stream_delivery *out)
{
    srl_stream_consumer *c = consumer;
    if (c == NULL || conn == NULL || out == NULL || out->size != sizeof(*out)) {
        return SRL_ERR_INVALID;
    }
    uint64_t begin = srl__stream_consumer_now(c);
    bool has_read = false;
    for (;;) {
        int got = srl_stream_consumer_entry(c, out);
        if (got != 0) {
            return got;
        }
        drop_kept(c);
        uint64_t spent = srl__stream_consumer_now(c) - begin;
        uint64_t left = spent < timeout_ms ? timeout_ms - spent : 0;
        if (left == 0 && has_read) {
            return 0;
        }
        uint64_t time = 0;
        got = srl_stream_consumer_next(c, left, c->command, &time);
        if (got == 0 && !wait_for(time, left)) {
            return 0;
        }
        if (got == 1) {
            got = exchange(c, conn, time);
            has_read = has_read || c->step == SRL__CONSUMER_READ;
        }
        if (got < 0) {
            return got;
        }
    }
}

int srl_stream_consumer_flush(srl_stream_consumer *consumer, srl_redis_conn *conn)
{
    srl_stream_consumer *c = consumer;
    if (c == NULL || conn == NULL) {
        return SRL_ERR_INVALID;
    }
    if (c->is_sent) {
        return SRL_ERR_STATE;
    }
    int error = 0;
    while (error == 0 && c->ack_count > 0) {
        srl_stream_list entries = c->entries;
        error = srl__stream_consumer_next_ack(c, c->command);
        if (error != 0) {
            return error;
        }
        const srl_reply *reply = NULL;
        error = srl_redis_send(conn, c->command, SRL_REDIS_DEFAULT_TIMEOUT, 0, &reply);
        int result = srl_stream_consumer_answer(c, error, reply);
        if (error == 0) {
            c->entries = entries;
            error = result;
        }
    }
    return error;
}
