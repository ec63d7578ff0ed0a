#include <streamrelay/error.h>
#include <streamrelay/version.h>

#include "base/decimal.h"
#include "engine/relay.h"

int srl_relay_stats(const srl_relay *relay, srl_stats *out)
{
    srl_stats stats = {
        .size = out->size,
        .rooms = relay->live_rooms,
        .sessions = relay->open_sessions,
        .users = relay->users.count,
        .subscriptions = relay->subscriptions,
        .publications = relay->publications,
        .deliveries = relay->deliveries,
        .uptime_ms = relay->platform.monotonic_ms(relay->platform.user) - relay->started_ms,
        .events_dropped = relay->events.dropped,
    };

    if (out->size < sizeof(out->size)) {
        return SRL_ERR_INVALID;
    }
    memcpy(stats.events, relay->events.counters, sizeof(stats.events));
    memcpy(out, &stats, out->size < sizeof(stats) ? out->size : sizeof(stats));
    return SRL_OK;
}

/* Text that is counted to its end and written as far as there is room. */
typedef struct text {
    char *out;
    size_t size;
    size_t len;
} text;

static void put(text *t, const char *piece)
{
    size_t len = strlen(piece);

    if (t->len + len < t->size) {
        memcpy(t->out + t->len, piece, len);
    }
    t->len += len;
}

static void put_number(text *t, uint64_t n)
{
    char digits[SRL__DECIMAL_MAX + 1];

    digits[SRL__DECIMAL_MAX] = '\0';
    put(t, srl__decimal_before(digits + SRL__DECIMAL_MAX, n));
}

static void put_head(text *t, const char *name, const char *type, const char *help)
{
    put(t, "# HELP streamrelay_");
    put(t, name);
    put(t, " ");
    put(t, help);
    put(t, "\n# TYPE streamrelay_");
    put(t, name);
    put(t, " ");
    put(t, type);
    put(t, "\n");
}

static void put_value(text *t, const char *name, const char *type, const char *help, uint64_t value)
{
    put_head(t, name, type, help);
    put(t, "streamrelay_");
    put(t, name);
    put(t, " ");
    put_number(t, value);
    put(t, "\n");
}

static void put_events(text *t, const srl_stats *stats)
{
    static const struct {
        uint32_t number;
        const char *name;
    } types[] = {
#define EVENT_LINE(name, number, metric, help) {number, metric},
        SRL_EVENT_MAP(EVENT_LINE)
#undef EVENT_LINE
    };

    put_head(t, "events_total", "counter", "Events by type since the relay was made.");
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        put(t, "streamrelay_events_total{type=\"");
        put(t, types[i].name);
        put(t, "\"} ");
        put_number(t, stats->events[types[i].number]);
        put(t, "\n");
    }
}

size_t srl_relay_metrics(const srl_relay *relay, char *out, size_t out_size)
{
    srl_stats stats = {.size = sizeof(stats)};
    text t = {out, out_size, 0};

    (void)srl_relay_stats(relay, &stats);
    put_head(&t, "build_info", "gauge", "The version of the library.");
    put(&t, "streamrelay_build_info{version=\"" SRL_VERSION "\"} 1\n");
    put_value(&t, "rooms", "gauge", "Channels with at least one subscriber.", stats.rooms);
    put_value(&t, "sessions", "gauge", "Open sessions.", stats.sessions);
    put_value(&t, "users", "gauge", "Users with at least one session.", stats.users);
    put_value(&t, "subscriptions", "gauge", "Sessions in rooms, summed.", stats.subscriptions);
    put_value(&t, "publications_total", "counter", "Messages that reached rooms.", stats.publications);
    put_value(&t, "deliveries_total", "counter", "Frames handed or queued to sessions.", stats.deliveries);
    put_value(&t, "uptime_milliseconds", "counter", "Time since the relay was made.", stats.uptime_ms);
    put_value(&t, "events_dropped_total", "counter", "Events that found no place to wait for the hook.",
              stats.events_dropped);
    put_events(&t, &stats);
    if (out_size > 0) {
        out[t.len < out_size ? t.len : 0] = '\0';
    }
    return t.len;
}
