/*
 * A queue of jobs in a Redis stream: one program that adds jobs, and any number that work on them together.
 *
 *     redis_streams produce 100 [URL]       add 100 jobs
 *     redis_streams work alice [URL]        work on jobs, under a name of one's own; ends with ctrl-C
 *
 * A worker that is killed takes up what it had begun when it comes back; if it does not, the others do after ten
 * seconds. A job that fails three times is moved to the stream "jobs:dead".
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <streamrelay/error.h>
#include <streamrelay/redis.h>
#include <streamrelay/stream.h>
#include <streamrelay/stream_call.h>
#include <streamrelay/stream_consumer.h>

#define STREAM     "jobs"
#define STREAM_LEN (sizeof(STREAM) - 1)

static volatile sig_atomic_t is_over;

static void on_signal(int number)
{
    (void)number;
    is_over = 1;
}

static int complain(const char *what, int error, const char *more)
{
    fprintf(stderr, "%s: %s %s\n", what, srl_error_text(error), more);
    return EXIT_FAILURE;
}

static srl_redis_conn *open_connection(const char *url)
{
    srl_redis_options *options = NULL;
    srl_redis_conn *conn = NULL;
    int error = srl_redis_options_create(url, strlen(url), &options);
    if (error == 0) {
        error = srl_redis_connect(options, &conn);
    }
    if (error != 0) {
        complain("connect", error, options != NULL ? srl_redis_options_last_error(options) : "");
    }
    srl_redis_options_destroy(options);
    return conn;
}

static int produce(srl_redis_conn *conn, unsigned long count)
{
    for (unsigned long i = 1; i <= count; i++) {
        char number[24];
        int len = snprintf(number, sizeof(number), "%lu", i);
        srl_stream_field fields[] = {{"kind", 4, "count", 5}, {"number", 6, number, (size_t)len}};
        srl_stream_add_request request;
        srl_stream_add_request_init(&request, sizeof(request));
        request.key = STREAM;
        request.key_len = STREAM_LEN;
        request.fields = fields;
        request.field_count = 2;
        request.trim.kind = SRL_STREAM_TRIM_MAXLEN; /* keep about the last million */
        request.trim.is_approx = 1;
        request.trim.maxlen = 1000000;
        int error = srl_stream_add(conn, NULL, &request, NULL);
        if (error != 0) {
            return complain("add", error, srl_redis_last_error(conn));
        }
    }
    printf("%lu jobs added\n", count);
    return EXIT_SUCCESS;
}

/* 0 if it succeeded. Every tenth job is one that nobody can do. */
static int do_job(const srl_stream_delivery *delivery)
{
    const char *number = NULL;
    size_t len = 0;
    char id[SRL_STREAM_ID_SIZE];
    if (srl_stream_entry_get(&delivery->entry, "number", 6, &number, &len) != 0) {
        return -1;
    }
    srl_stream_id_format(&delivery->entry.id, id, sizeof(id));
    int failed = len > 0 && number[len - 1] == '0';
    printf("%s: job %.*s %s%s\n", id, (int)len, number, failed ? "failed" : "done",
           delivery->is_repeated ? " (not the first try)" : "");
    fflush(stdout);
    return failed ? -1 : 0;
}

static int work(srl_redis_conn *conn, const char *name)
{
    srl_stream_consumer *consumer = NULL;
    srl_stream_consumer_options options;
    srl_stream_consumer_options_init(&options, sizeof(options));
    options.key = STREAM;
    options.key_len = STREAM_LEN;
    options.group = "workers";
    options.group_len = 7;
    options.consumer = name;
    options.consumer_len = strlen(name);
    options.claim_idle_ms = 10000;
    options.claim_interval_ms = 2000;
    options.max_deliveries = 3;
    options.dead_letter_key = STREAM ":dead";
    options.dead_letter_key_len = STREAM_LEN + 5;
    int error = srl_stream_consumer_create(&options, &consumer);
    while (error == 0 && !is_over) {
        srl_stream_delivery delivery = {.size = sizeof(delivery)};
        int got = srl_stream_consumer_poll(consumer, conn, 1000, &delivery);
        if (got < 0) {
            error = got;
        } else if (got == 1 && do_job(&delivery) == 0) {
            srl_stream_consumer_ack(consumer, &delivery.entry.id);
        } else if (got == 1) {
            srl_stream_consumer_release(consumer, &delivery.entry.id);
        }
    }
    if (error == 0) {
        error = srl_stream_consumer_flush(consumer, conn);
    }
    if (error != 0) {
        complain("work", error, srl_stream_consumer_last_error(consumer));
    }
    srl_stream_consumer_destroy(consumer);
    return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    if (argc < 3 || (strcmp(argv[1], "produce") != 0 && strcmp(argv[1], "work") != 0)) {
        fprintf(stderr, "usage: %s produce COUNT [URL] | work NAME [URL]\n", argv[0]);
        return EXIT_FAILURE;
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    srl_redis_conn *conn = open_connection(argc > 3 ? argv[3] : "redis://127.0.0.1:6379");
    if (conn == NULL) {
        return EXIT_FAILURE;
    }
    int is_work = strcmp(argv[1], "work") == 0;
    int result = is_work ? work(conn, argv[2]) : produce(conn, strtoul(argv[2], NULL, 10));
    srl_redis_close(conn);
    return result;
}
