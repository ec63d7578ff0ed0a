#include "redis/stream_consumer.h"

#include <streamrelay/error.h>

#include "base/table.h"
#include "base/alloc.h"

void srl_stream_consumer_options_init(srl_stream_consumer_options *options, size_t size)
{
    const srl_stream_consumer_options fresh = {.create_group = 1,
                                               .batch = 64,
                                               .max_in_flight = 1024,
                                               .block_ms = 2000,
                                               .claim_idle_ms = 60000,
                                               .claim_interval_ms = 15000,
                                               .backoff_min_ms = 50,
                                               .backoff_max_ms = 5000};
    srl__table_fill(options, size, &fresh, sizeof(fresh));
}

static bool is_sound(const srl_stream_consumer_options *o)
{
    if (o == NULL || !srl__table_fits(o, sizeof(*o)) || o->key == NULL || o->group == NULL || o->consumer == NULL) {
        return false;
    }
    bool start_is_known =
        o->start.kind == SRL_STREAM_ID || o->start.kind == SRL_STREAM_MS || o->start.kind == SRL_STREAM_END;
    return start_is_known && o->create_group <= 1 && o->batch > 0 && o->max_in_flight > 0 &&
           o->max_in_flight <= SRL_STREAM_CONSUMER_MAX_IN_FLIGHT && o->block_ms > 0 && o->block_ms <= INT64_MAX &&
           o->claim_idle_ms <= INT64_MAX && o->claim_interval_ms <= INT64_MAX && o->backoff_min_ms > 0 &&
           o->backoff_min_ms <= o->backoff_max_ms && o->backoff_max_ms <= INT64_MAX;
}

static void put_text(srl_stream_consumer *c, size_t *at, const char *data, size_t len, srl__slice *out)
{
    if (len > 0) {
        memcpy(c->texts + *at, data, len);
    }
    *out = srl__slice_of(c->texts + *at, len);
    *at += len;
}

static int copy_texts(srl_stream_consumer *c, const srl_stream_consumer_options *o)
{
    size_t dead_len = o->dead_letter_key != NULL ? o->dead_letter_key_len : 0;
    const size_t lens[] = {o->key_len, o->group_len, o->consumer_len, dead_len};
    size_t total = 0;
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        if (lens[i] > SRL_COMMAND_MAX_ARG) {
            return SRL_ERR_INVALID;
        }
        total += lens[i];
    }
    c->texts_len = total > 0 ? total : 1;
    c->texts = srl__alloc(&c->alloc, c->texts_len);
    if (c->texts == NULL) {
        return SRL_ERR_NOMEM;
    }
    size_t at = 0;
    put_text(c, &at, o->key, o->key_len, &c->key);
    put_text(c, &at, o->group, o->group_len, &c->group);
    put_text(c, &at, o->consumer, o->consumer_len, &c->name);
    put_text(c, &at, o->dead_letter_key, dead_len, &c->dead_key);
    return SRL_OK;
}

static void copy_numbers(srl_stream_consumer *c, const srl_stream_consumer_options *o)
{
    c->has_dead_key = o->dead_letter_key != NULL;
    c->create_group = o->create_group == 1;
    c->batch = o->batch < o->max_in_flight ? o->batch : o->max_in_flight;
    c->max_deliveries = o->max_deliveries;
    c->block_ms = o->block_ms;
    c->claim_idle_ms = o->claim_idle_ms;
    c->claim_interval_ms = o->claim_interval_ms;
    c->backoff_min_ms = o->backoff_min_ms;
    c->backoff_max_ms = o->backoff_max_ms;
    c->start = o->start;
    c->phase = SRL__CONSUMER_PENDING;
}

/* What the sizes of the options ask for; freed by srl_stream_consumer_destroy(). */
static int take_memory(srl_stream_consumer *c, const srl_stream_consumer_options *o)
{
    uint64_t seed = 0;
    if (c->platform.random(&seed, sizeof(seed), c->platform.user) != 0) {
        seed = srl__stream_consumer_now(c);
    }
    int error = copy_texts(c, o);
    if (error == 0) {
        error = srl__flight_init(&c->flight, &c->alloc, o->max_in_flight, seed);
    }
    if (error != 0) {
        return error;
    }
    c->acks = srl__alloc(&c->alloc, c->flight.max * sizeof(*c->acks));
    c->candidates = srl__alloc(&c->alloc, c->batch * sizeof(*c->candidates));
    return c->acks != NULL && c->candidates != NULL ? SRL_OK : SRL_ERR_NOMEM;
}

int srl_stream_consumer_create(const srl_stream_consumer_options *options, srl_stream_consumer **out)
{
    srl_allocator alloc;
    srl_platform platform;
    srl_platform_init(&platform, sizeof(platform));
    if (out == NULL || !is_sound(options) || !srl__allocator_take(&alloc, options->allocator)) {
        return SRL_ERR_INVALID;
    }
    if (options->platform != NULL) {
        platform = *options->platform;
    }
    if (platform.size != sizeof(platform) || platform.monotonic_ms == NULL || platform.random == NULL) {
        return SRL_ERR_INVALID;
    }
    srl_stream_consumer *c = srl__alloc_zeroed(&alloc, sizeof(*c));
    if (c == NULL) {
        return SRL_ERR_NOMEM;
    }
    c->alloc = alloc;
    c->platform = platform;
    copy_numbers(c, options);
    int error = take_memory(c, options);
    if (error == 0) {
        error = srl_command_create(&c->alloc, &c->command);
    }
    if (error != 0) {
        srl_stream_consumer_destroy(c);
        return error;
    }
    *out = c;
    return SRL_OK;
}

void srl_stream_consumer_destroy(srl_stream_consumer *consumer)
{
    if (consumer == NULL) {
        return;
    }
    srl_allocator alloc = consumer->alloc;
    if (consumer->kept != NULL) {
        srl_reply_release(consumer->kept);
    }
    if (consumer->command != NULL) {
        srl_command_free(consumer->command);
    }
    if (consumer->candidates != NULL) {
        srl__free(&alloc, consumer->candidates, consumer->batch * sizeof(*consumer->candidates));
    }
    if (consumer->acks != NULL) {
        srl__free(&alloc, consumer->acks, consumer->flight.max * sizeof(*consumer->acks));
    }
    if (consumer->flight.slots != NULL) {
        srl__flight_free(&consumer->flight, &alloc);
    }
    srl__free(&alloc, consumer->texts, consumer->texts_len);
    srl__free(&alloc, consumer, sizeof(*consumer));
}

void srl__stream_consumer_queue_ack(srl_stream_consumer *c, srl__flight_slot *slot)
{
    slot->is_acked = 1;
    c->acks[c->ack_count++] = slot->id;
}

/* The slot of an entry that the host has, or NULL. */
static srl__flight_slot *find_out(const srl_stream_consumer *c, const srl_stream_id *id)
{
    srl__flight_slot *slot = srl__flight_find(&c->flight, id);
    return slot != NULL && !slot->is_acked ? slot : NULL;
}

int srl_stream_consumer_ack(srl_stream_consumer *consumer, const srl_stream_id *id)
{
    if (consumer == NULL || id == NULL) {
        return SRL_ERR_INVALID;
    }
    srl__flight_slot *slot = find_out(consumer, id);
    if (slot == NULL) {
        return SRL_ERR_NOT_FOUND;
    }
    srl__stream_consumer_queue_ack(consumer, slot);
    return SRL_OK;
}

int srl_stream_consumer_release(srl_stream_consumer *consumer, const srl_stream_id *id)
{
    if (consumer == NULL || id == NULL) {
        return SRL_ERR_INVALID;
    }
    if (find_out(consumer, id) == NULL) {
        return SRL_ERR_NOT_FOUND;
    }
    srl__flight_remove(&consumer->flight, id);
    return SRL_OK;
}

int srl_stream_consumer_stats_get(const srl_stream_consumer *consumer, srl_stream_consumer_stats *out)
{
    if (consumer == NULL || out == NULL || out->size != sizeof(*out)) {
        return SRL_ERR_INVALID;
    }
    *out = consumer->stats;
    out->size = sizeof(*out);
    out->in_flight = consumer->flight.count - consumer->ack_count;
    out->unsent_acks = consumer->ack_count;
    out->is_waiting = srl__stream_consumer_now(consumer) < consumer->wait_until_ms ? 1 : 0;
    return SRL_OK;
}

const char *srl_stream_consumer_last_error(const srl_stream_consumer *consumer)
{
    return consumer != NULL ? consumer->error : "";
}

srl__consumer_candidate *srl__stream_consumer_candidate(srl_stream_consumer *c, const srl_stream_id *id)
{
    uint32_t low = 0;
    uint32_t high = c->candidate_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = srl_stream_id_compare(&c->candidates[middle].id, id);
        if (order == 0) {
            return &c->candidates[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

void srl__stream_consumer_recover(srl_stream_consumer *c)
{
    c->phase = SRL__CONSUMER_PENDING;
    c->cursor = (srl_stream_id){0, 0};
    c->candidate_count = 0;
    c->acks_sent = 0;
    c->has_counts_cursor = false;
    c->entries = (srl_stream_list){0};
}

void srl__stream_consumer_back_off(srl_stream_consumer *c, const char *text, size_t len)
{
    size_t fits = len < sizeof(c->error) - 1 ? len : sizeof(c->error) - 1;
    if (fits > 0) {
        memcpy(c->error, text, fits);
    }
    c->error[fits] = '\0';
    c->stats.failures++;
    uint64_t most = c->backoff_min_ms;
    for (uint32_t i = 0; i < c->failures_in_row && most < c->backoff_max_ms; i++) {
        most = most > c->backoff_max_ms / 2 ? c->backoff_max_ms : most * 2;
    }
    if (c->failures_in_row < 64) {
        c->failures_in_row++;
    }
    uint64_t random = 0;
    if (c->platform.random(&random, sizeof(random), c->platform.user) != 0) {
        random = most - 1;
    }
    c->wait_until_ms = srl__stream_consumer_now(c) + 1 + random % most;
    srl__stream_consumer_recover(c);
}

/* An entry that the stream has not any more: there is nothing to hand out, but it is to be acknowledged. */
static void drop_deleted(srl_stream_consumer *c, const srl_stream_id *id)
{
    if (srl__flight_find(&c->flight, id) != NULL) {
        return;
    }
    srl__flight_slot *slot = srl__flight_add(&c->flight, id);
    if (slot != NULL) {
        srl__stream_consumer_queue_ack(c, slot);
        c->stats.deleted++;
    }
}

static void describe(srl_stream_consumer *c, const srl_stream_entry *entry, const srl__consumer_candidate *candidate,
                     srl_stream_delivery *out)
{
    *out = (srl_stream_delivery){.size = sizeof(*out), .deliveries = 1, .entry = *entry};
    if (candidate != NULL) {
        out->is_repeated = 1;
        out->is_dead = candidate->is_dead;
        out->deliveries = candidate->deliveries + 1;
        c->stats.claimed += c->source == SRL__CONSUMER_FETCH ? 1 : 0;
        c->stats.dead += candidate->is_dead;
    } else if (srl_stream_id_compare(&entry->id, &c->last_seen) <= 0) {
        out->is_repeated = 1;
        out->deliveries = 0;
    } else {
        c->last_seen = entry->id;
    }
    c->stats.delivered++;
    c->stats.repeated += out->is_repeated;
}

int srl_stream_consumer_entry(srl_stream_consumer *consumer, srl_stream_delivery *out)
{
    if (consumer == NULL || out == NULL || out->size != sizeof(*out)) {
        return SRL_ERR_INVALID;
    }
    srl_stream_consumer *c = consumer;
    srl_stream_entry entry;
    int step = 0;
    while ((step = srl_stream_next_entry(&c->entries, &entry)) == 1) {
        srl__consumer_candidate *candidate = NULL;
        if (c->source != SRL__CONSUMER_READ) {
            candidate = srl__stream_consumer_candidate(c, &entry.id);
            if (candidate == NULL) {
                continue;
            }
        }
        if (entry.is_deleted) {
            drop_deleted(c, &entry.id);
            continue;
        }
        if (srl__flight_find(&c->flight, &entry.id) != NULL) {
            continue;
        }
        if (srl__flight_add(&c->flight, &entry.id) == NULL) {
            srl__stream_consumer_recover(c);
            return 0;
        }
        describe(c, &entry, candidate, out);
        return 1;
    }
    if (step < 0) {
        srl__stream_consumer_back_off(c, SRL__LIT("malformed entry").data, SRL__LIT("malformed entry").len);
    }
    c->entries = (srl_stream_list){0};
    return step;
}
