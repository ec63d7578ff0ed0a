/* The list of nodes: a survey that every relay answers by itself. */
#include <streamrelay/error.h>
#include <streamrelay/version.h>

#include "engine/question.h"
#include "engine/relay.h"
#include "engine/survey.h"

#include <stddef.h>

/* The numbers that are told: X(name, member of srl_stats). */
#define NUMBERS(X)                                                                                                     \
    X("rooms", rooms)                                                                                                  \
    X("sessions", sessions)                                                                                            \
    X("users", users)                                                                                                  \
    X("subscriptions", subscriptions)                                                                                  \
    X("publications", publications)                                                                                    \
    X("deliveries", deliveries)                                                                                        \
    X("uptime_ms", uptime_ms)                                                                                          \
    X("events_dropped", events_dropped)

enum {
    N_VERSION,
#define SLOT(name, member) N_##member,
    NUMBERS(SLOT)
#undef SLOT
        N_COUNT
};

static const srl__json_field fields[] = {SRL__JSON_FIELD("version", SRL__JSON_STRING, N_VERSION, NULL),
#define FIELD(name, member) SRL__JSON_FIELD(name, SRL__JSON_NUMBER, N_##member, NULL),
                                         NUMBERS(FIELD)
#undef FIELD
};
static const srl__json_spec spec = SRL__JSON_SPEC(fields, N_COUNT);

void srl_relay_node_id(const srl_relay *relay, char out[SRL_NODE_ID_LEN + 1])
{
    memcpy(out, relay->node_id, SRL_NODE_ID_LEN + 1);
}

void srl__node_info_write(const srl_relay *relay, srl__buf *out)
{
    srl__json_writer w = srl__json_writer_on(out);
    const char *version = srl_version();
    srl_stats stats = {.size = sizeof(stats)};

    (void)srl_relay_stats(relay, &stats);
    srl__json_put_open(&w, '{');
    srl__json_put_name(&w, SRL__LIT("version"));
    srl__json_put_string(&w, srl__slice_of(version, strlen(version)));
#define PUT(name, member)                                                                                              \
    srl__json_put_name(&w, SRL__LIT(name));                                                                            \
    srl__json_put_u64(&w, stats.member);
    NUMBERS(PUT)
#undef PUT
    srl__json_put_close(&w, '}');
}

static uint64_t number_of(const srl__json_value *value)
{
    uint64_t n = 0;

    return srl__json_to_u64(value, &n) ? n : 0;
}

/* False if the answer is none. */
static bool read_info(const srl__survey_entry *entry, srl_node_info *info, srl_stats *stats)
{
    srl__json_value v[N_COUNT];
    srl__json_error problem;

    if (entry->is_pending || entry->error != SRL_OK ||
        !srl__json_read(entry->data, &spec, &srl__survey_json_limits, v, &problem)) {
        return false;
    }
    *stats = (srl_stats){
        .size = sizeof(*stats),
        .rooms = (uint32_t)number_of(&v[N_rooms]),
        .sessions = (uint32_t)number_of(&v[N_sessions]),
        .users = (uint32_t)number_of(&v[N_users]),
        .subscriptions = number_of(&v[N_subscriptions]),
        .publications = number_of(&v[N_publications]),
        .deliveries = number_of(&v[N_deliveries]),
        .uptime_ms = number_of(&v[N_uptime_ms]),
        .events_dropped = number_of(&v[N_events_dropped]),
    };
    *info = (srl_node_info){
        .id = entry->node,
        .name = entry->name.len > 0 ? entry->name.data : "",
        .name_len = entry->name.len,
        .version = v[N_VERSION].type == SRL__JSON_STRING ? v[N_VERSION].raw.data : "",
        .version_len = v[N_VERSION].raw.len,
        .stats = stats,
    };
    return true;
}

typedef struct row {
    srl_node_info info;
    srl_stats stats;
} row;

/* The infos stand in front, so that they are an array; the stats behind. */
static void nodes_over(srl__survey *survey, int error)
{
    const srl_allocator *alloc = &survey->relay->alloc;
    size_t size = survey->count * sizeof(row) + 1;
    srl_node_info *infos = error == SRL_OK ? srl__alloc(alloc, size) : NULL;
    srl_stats *stats = (srl_stats *)(void *)(infos != NULL ? infos + survey->count : NULL);
    srl_nodes view = {.size = sizeof(view), .nodes = infos, .alive = survey->alive};

    if (infos == NULL) {
        survey->done.nodes(error != SRL_OK ? error : SRL_ERR_NOMEM, NULL, survey->user);
        return;
    }
    for (uint32_t i = 0; i < survey->count; i++) {
        view.count += read_info(&survey->entries[i], &infos[view.count], &stats[view.count]);
    }
    view.missing = srl__survey_missing(survey, view.count);
    survey->done.nodes(SRL_OK, &view, survey->user);
    srl__free(alloc, infos, size);
}

int srl_relay_nodes(srl_relay *relay, uint64_t timeout_ms, srl_nodes_fn done, void *user)
{
    srl__survey like = {.over = nodes_over, .done = {.nodes = done}, .user = user};
    srl__slice none = srl__slice_of("", 0);
    int error = SRL_OK;

    if (done == NULL) {
        return SRL_ERR_INVALID;
    }
    srl__relay_enter(relay);
    error = srl__survey_begin(relay, &like, none, none, timeout_ms);
    srl__relay_leave(relay);
    return error;
}
