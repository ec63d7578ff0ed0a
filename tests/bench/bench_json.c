/* Reading commands against a bare sum over the same bytes, and against yyjson where it is at hand. */
#include "base/json.h"

#include <stdio.h>
#include <time.h>

#if defined(SRL_BENCH_YYJSON)
#include <yyjson.h>
#endif

enum {
    F_ID,
    F_TYPE,
    F_CHANNEL,
    F_DATA,
    F_DATA_DATA,
    F_DATA_TOKEN,
    F_DATA_RECOVER,
    F_DATA_OFFSET,
    F_DATA_EPOCH,
    F_COUNT
};

static const srl__json_field data_fields[] = {
    SRL__JSON_FIELD("data", SRL__JSON_ANY, F_DATA_DATA, NULL),
    SRL__JSON_FIELD("token", SRL__JSON_STRING, F_DATA_TOKEN, NULL),
    SRL__JSON_FIELD("recover", SRL__JSON_BOOL, F_DATA_RECOVER, NULL),
    SRL__JSON_FIELD("offset", SRL__JSON_NUMBER, F_DATA_OFFSET, NULL),
    SRL__JSON_FIELD("epoch", SRL__JSON_STRING, F_DATA_EPOCH, NULL),
};
static const srl__json_spec data_spec = SRL__JSON_SPEC(data_fields, 0);

static const srl__json_field fields[] = {
    SRL__JSON_FIELD("id", SRL__JSON_NUMBER, F_ID, NULL),
    SRL__JSON_FIELD("type", SRL__JSON_STRING, F_TYPE, NULL),
    SRL__JSON_FIELD("channel", SRL__JSON_STRING, F_CHANNEL, NULL),
    SRL__JSON_FIELD("data", SRL__JSON_OBJECT, F_DATA, &data_spec),
};
static const srl__json_spec spec = SRL__JSON_SPEC(fields, F_COUNT);

typedef struct command {
    const char *name;
    const char *text;
} command;

static const command commands[] = {
    {"publish", "{\"id\":12345,\"type\":\"publish\",\"channel\":\"chat:general\","
                "\"data\":{\"data\":{\"input\":\"hello, world!!\"}}}"},
    {"connect", "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
                "eyJzdWIiOiI0MiIsImV4cCI6MTc2NDAwMDAwMH0.ZbqQ0xkzq2oPjYt3m9QdL1vXh8kq5c0sYw7uF4nR2aE\","
                "\"data\":{\"device\":\"phone\",\"version\":12}}}"},
    {"subscribe", "{\"id\":2,\"type\":\"subscribe\",\"channel\":\"chat:general\","
                  "\"data\":{\"recover\":true,\"offset\":184467,\"epoch\":\"xKq3\"}}"},
    {"spaced", "{\n  \"id\": 3,\n  \"type\": \"publish\",\n  \"channel\": \"chat:g\\u00e9n\",\n"
               "  \"data\": { \"data\": [1, 2.5, null, \"\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\"] }\n}\n"},
};

static volatile uint64_t result;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void run_sum(srl__slice text)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < text.len; i++) {
        sum += (uint8_t)((volatile const char *)text.data)[i];
    }
    result += sum;
}

static void run_validate(srl__slice text)
{
    srl__json_error error;
    result += srl__json_validate(text, &srl__json_limits_default, NULL, &error);
}

static void run_read(srl__slice text)
{
    srl__json_value out[F_COUNT];
    srl__json_error error;
    result += srl__json_read(text, &spec, &srl__json_limits_default, out, &error);
    result += out[F_DATA_DATA].raw.len;
}

#if defined(SRL_BENCH_YYJSON)
static void run_yyjson(srl__slice text)
{
    static char memory[1 << 16];
    yyjson_alc alc;
    yyjson_alc_pool_init(&alc, memory, sizeof(memory));
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.data, text.len, 0, &alc, NULL);
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *data = yyjson_obj_get(root, "data");
    result += yyjson_get_uint(yyjson_obj_get(root, "id"));
    result += yyjson_get_len(yyjson_obj_get(root, "type"));
    result += yyjson_get_len(yyjson_obj_get(root, "channel"));
    result += yyjson_is_obj(yyjson_obj_get(data, "data"));
}
#endif

typedef struct contender {
    const char *name;
    void (*run)(srl__slice);
    double best_ns;
} contender;

static contender contenders[] = {
    {"sum", run_sum, 0},
    {"validate", run_validate, 0},
    {"read", run_read, 0},
#if defined(SRL_BENCH_YYJSON)
    {"yyjson + look-ups", run_yyjson, 0},
#endif
};

#define CONTENDERS (sizeof(contenders) / sizeof(contenders[0]))

/* They take turns, so that a machine that changes its pace is the same for all; the best turn counts. */
static void measure(srl__slice text)
{
    const int runs = 2000;
    for (size_t c = 0; c < CONTENDERS; c++) {
        contenders[c].best_ns = 1e18;
    }
    for (int round = 0; round < 200; round++) {
        for (size_t c = 0; c < CONTENDERS; c++) {
            double begin = now_ns();
            double took;
            for (int i = 0; i < runs; i++) {
                contenders[c].run(text);
            }
            took = (now_ns() - begin) / runs;
            contenders[c].best_ns = took < contenders[c].best_ns ? took : contenders[c].best_ns;
        }
    }
}

int main(void)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        srl__slice text = srl__slice_of(commands[i].text, strlen(commands[i].text));
        measure(text);
        printf("%-10s %3zu bytes", commands[i].name, text.len);
        for (size_t c = 0; c < CONTENDERS; c++) {
            printf("  %s %.1f ns (x%.2f)", contenders[c].name, contenders[c].best_ns,
                   contenders[c].best_ns / contenders[0].best_ns);
        }
        printf("\n");
    }
    return 0;
}
