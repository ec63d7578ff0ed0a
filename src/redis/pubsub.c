#include "redis/pubsub.h"

#include <stdio.h>

#include <streamrelay/error.h>

#include "base/decimal.h"
#include "base/table.h"
#include "redis/reply.h"

enum { MAX_NAME = 65536, BATCH_BYTES = 65536, RETRY_MS = 50 };

static srl_redis_pubsub *pubsub_of(srl__redis_link *link)
{
    return SRL__CONTAINER(link, srl_redis_pubsub, link);
}

static const srl_allocator *alloc_of(const srl_redis_pubsub *pubsub)
{
    return &pubsub->link.loop->alloc;
}

/* ---- entries, batches, calls */

static srl__pubsub_entry *entry_create(srl_redis_pubsub *pubsub, srl__slice name)
{
    srl__pubsub_entry *entry = srl__alloc(alloc_of(pubsub), sizeof(*entry) + name.len);
    if (entry != NULL) {
        *entry = (srl__pubsub_entry){.refs = 1, .len = (uint32_t)name.len};
        memcpy(entry->name, name.data, name.len);
    }
    return entry;
}

static void entry_unref(srl_redis_pubsub *pubsub, srl__pubsub_entry *entry)
{
    if (--entry->refs == 0) {
        srl__free(alloc_of(pubsub), entry, sizeof(*entry) + entry->len);
    }
}

static srl__slice name_of(const srl__pubsub_entry *entry)
{
    return srl__slice_of(entry->name, entry->len);
}

static void forget(srl_redis_pubsub *pubsub, uint8_t kind, srl__pubsub_entry *entry)
{
    if (entry->wanted) {
        (void)srl__map_remove(&pubsub->names[kind], name_of(entry));
        entry->wanted = false;
        entry->established = false;
        entry_unref(pubsub, entry);
    }
}

static size_t batch_size(uint32_t capacity)
{
    return sizeof(srl__pubsub_batch) + capacity * sizeof(srl__pubsub_entry *);
}

static srl__pubsub_batch *batch_create(srl_redis_pubsub *pubsub, int kind, bool subscribes, uint32_t capacity)
{
    srl__pubsub_batch *batch = srl__alloc_zeroed(alloc_of(pubsub), batch_size(capacity));
    if (batch != NULL) {
        srl__list_init(&batch->node);
        batch->kind = (uint8_t)kind;
        batch->subscribes = subscribes;
        batch->capacity = capacity;
    }
    return batch;
}

static void batch_add(srl__pubsub_batch *batch, srl__pubsub_entry *entry)
{
    entry->refs++;
    batch->entries[batch->count++] = entry;
}

static void batch_free(srl_redis_pubsub *pubsub, srl__pubsub_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        entry_unref(pubsub, batch->entries[i]);
    }
    srl__free(alloc_of(pubsub), batch, batch_size(batch->capacity));
}

static void batches_free(srl_redis_pubsub *pubsub, srl__list *batches)
{
    srl__list *node;
    while ((node = srl__list_take_first(batches)) != NULL) {
        batch_free(pubsub, SRL__CONTAINER(node, srl__pubsub_batch, node));
    }
}

static void settle(srl_redis_pubsub *pubsub, srl__pubsub_call *call, int error, const char *text)
{
    if (call == NULL) {
        return;
    }
    if (error != SRL_OK && call->error == SRL_OK) {
        call->error = error;
        snprintf(call->text, sizeof(call->text), "%s", text);
    }
    if (--call->batches == 0) {
        if (call->function != NULL) {
            call->function(call->error, call->text, call->user);
        }
        srl__free(alloc_of(pubsub), call, sizeof(*call));
    }
}

/* ---- sending */

static srl__slice verb_of(const srl__pubsub_batch *batch)
{
    static const char *const verbs[2][SRL__PUBSUB_KINDS] = {{"UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"},
                                                            {"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"}};
    const char *verb = verbs[batch->subscribes ? 1 : 0][batch->kind];
    return srl__slice_of(verb, strlen(verb));
}

/* What a later call has made pointless is left out. */
static bool still_meant(const srl_redis_pubsub *pubsub, const srl__pubsub_batch *batch, const srl__pubsub_entry *entry)
{
    return batch->subscribes ? entry->wanted : srl__map_get(&pubsub->names[batch->kind], name_of(entry)) == NULL;
}

static int send_batch(srl_redis_pubsub *pubsub, srl__pubsub_batch *batch)
{
    srl__slice args[SRL__PUBSUB_BATCH + 1];
    uint32_t count = 1;
    char text[SRL__DECIMAL_MAX];
    args[0] = verb_of(batch);
    for (uint32_t i = 0; i < batch->count; i++) {
        if (still_meant(pubsub, batch, batch->entries[i])) {
            args[count++] = name_of(batch->entries[i]);
        }
    }
    batch->number = pubsub->next_number++;
    batch->expected = count - 1;
    batch->confirmed = 0;
    batch->refused = false;
    batch->due_ms = pubsub->link.loop->now_ms + pubsub->link.config->command_timeout;
    int error = count > 1 ? srl__resp_output_argv(&pubsub->link.out, count, args) : SRL_OK;
    if (error == SRL_OK) {
        args[0] = SRL__LIT("PING");
        args[1] = srl__decimal(batch->number, text);
        error = srl__resp_output_argv(&pubsub->link.out, 2, args);
    }
    return error;
}

static void arm_deadline(srl_redis_pubsub *pubsub)
{
    uint64_t now = pubsub->link.loop->now_ms;
    if (srl__list_is_empty(&pubsub->sent) || pubsub->link.config->command_timeout == 0) {
        srl__redis_timer_cancel(pubsub->link.loop, &pubsub->deadline);
        return;
    }
    const srl__pubsub_batch *oldest = SRL__CONTAINER(pubsub->sent.next, srl__pubsub_batch, node);
    srl__redis_timer_arm(pubsub->link.loop, &pubsub->deadline, oldest->due_ms > now ? oldest->due_ms - now : 1);
}

static void send_unsent(srl_redis_pubsub *pubsub)
{
    bool any = false;
    if (!srl__redis_link_is_ready(&pubsub->link) || srl__timer_is_armed(&pubsub->retry.timer)) {
        return;
    }
    while (pubsub->sent_count < SRL__PUBSUB_FLIGHT && !srl__list_is_empty(&pubsub->unsent)) {
        srl__pubsub_batch *batch = SRL__CONTAINER(pubsub->unsent.next, srl__pubsub_batch, node);
        if (send_batch(pubsub, batch) != SRL_OK) {
            srl__redis_link_fail(&pubsub->link, SRL_ERR_NOMEM, "no room for a batch of subscriptions");
            return;
        }
        srl__list_remove(&batch->node);
        srl__list_append(&pubsub->sent, &batch->node);
        pubsub->sent_count++;
        any = true;
    }
    if (any) {
        if (!srl__timer_is_armed(&pubsub->deadline.timer)) {
            arm_deadline(pubsub);
        }
        srl__redis_link_queued(&pubsub->link);
    }
}

static void deadline_due(srl__redis_timer *timer)
{
    srl_redis_pubsub *pubsub = SRL__CONTAINER(timer, srl_redis_pubsub, deadline);
    if (srl__list_is_empty(&pubsub->sent)) {
        return;
    }
    const srl__pubsub_batch *oldest = SRL__CONTAINER(pubsub->sent.next, srl__pubsub_batch, node);
    if (oldest->due_ms <= pubsub->link.loop->now_ms) {
        srl__redis_link_fail(&pubsub->link, SRL_ERR_REDIS_CONNECT, "the server does not answer");
    } else {
        arm_deadline(pubsub);
    }
}

static void retry_due(srl__redis_timer *timer)
{
    send_unsent(SRL__CONTAINER(timer, srl_redis_pubsub, retry));
}

/* ---- the end of a batch */

static void tell(srl_redis_pubsub *pubsub, int state, int error)
{
    if (pubsub->handlers.state != NULL && !pubsub->link.ended) {
        pubsub->handlers.state(state, error, error != SRL_OK ? pubsub->link.text : "", pubsub->handlers.user);
    }
}

static void check_restored(srl_redis_pubsub *pubsub)
{
    if (pubsub->restoring && pubsub->restore_left == 0) {
        pubsub->restoring = false;
        pubsub->announced = true;
        tell(pubsub, SRL_REDIS_READY, SRL_OK);
    }
}

static void establish(srl_redis_pubsub *pubsub, srl__pubsub_batch *batch)
{
    for (uint32_t i = 0; i < batch->count && !pubsub->link.ended; i++) {
        srl__pubsub_entry *entry = batch->entries[i];
        entry->established = entry->wanted;
        if (batch->replacing && entry->wanted && pubsub->handlers.restored != NULL) {
            pubsub->handlers.restored(batch->kind, entry->name, entry->len, pubsub->handlers.user);
        }
    }
}

static void unsend(srl_redis_pubsub *pubsub, srl__pubsub_batch *batch)
{
    srl__list rest;
    srl__list_init(&rest);
    srl__list_append_all(&rest, &pubsub->unsent);
    srl__list_append(&pubsub->unsent, &batch->node);
    srl__list_append_all(&pubsub->unsent, &rest);
}

/* The server said no. True: the batch is kept. */
static bool refused(srl_redis_pubsub *pubsub, srl__pubsub_batch *batch)
{
    if (srl_redis_error_classify(batch->why, strlen(batch->why)) == SRL_REDIS_ERROR_RETRY) {
        unsend(pubsub, batch);
        srl__redis_timer_arm(pubsub->link.loop, &pubsub->retry, RETRY_MS);
        return true;
    }
    if (batch->restoring || batch->replacing) {
        unsend(pubsub, batch);
        srl__redis_link_fail(&pubsub->link, SRL_ERR_REDIS_AUTH, "the server refused to restore a subscription");
        return true;
    }
    for (uint32_t i = 0; batch->subscribes && i < batch->count; i++) {
        if (!batch->entries[i]->established) {
            forget(pubsub, batch->kind, batch->entries[i]);
        }
    }
    return false;
}

static int end_batch(srl_redis_pubsub *pubsub, srl__pubsub_batch *batch)
{
    if (!batch->refused && batch->confirmed != batch->expected) {
        return SRL_ERR_PROTOCOL;
    }
    srl__list_remove(&batch->node);
    pubsub->sent_count--;
    arm_deadline(pubsub);
    if (batch->refused && refused(pubsub, batch)) {
        return SRL_OK;
    }
    if (batch->subscribes && !batch->refused) {
        establish(pubsub, batch);
    }
    bool failed = batch->refused && batch->subscribes;
    pubsub->restore_left -= batch->counts ? 1 : 0;
    settle(pubsub, batch->call, failed ? SRL_ERR_REDIS : SRL_OK, batch->why);
    batch_free(pubsub, batch);
    if (!pubsub->link.ended) {
        check_restored(pubsub);
        send_unsent(pubsub);
    }
    return SRL_OK;
}

/* ---- what comes in */

static int on_answer(srl_redis_pubsub *pubsub, const srl_reply *reply, uint32_t token)
{
    char text[SRL__DECIMAL_MAX];
    if (srl__list_is_empty(&pubsub->sent)) {
        return SRL_ERR_PROTOCOL;
    }
    srl__pubsub_batch *batch = SRL__CONTAINER(pubsub->sent.next, srl__pubsub_batch, node);
    if (srl_reply_is_error(reply, SRL_REPLY_ROOT) != 0) {
        if (batch->expected > 0 && batch->confirmed == 0 && !batch->refused) {
            size_t len;
            const char *code = srl_reply_error_code(reply, SRL_REPLY_ROOT, &len);
            batch->refused = true;
            snprintf(batch->why, sizeof(batch->why), "%.*s", (int)(len < 23 ? len : 23), code != NULL ? code : "");
            return SRL_OK;
        }
        return end_batch(pubsub, batch); /* of the PING: it stands behind all the same */
    }
    srl__slice number = srl__decimal(batch->number, text);
    if (srl_reply_equals(reply, token, number.data, number.len) == 0) {
        return SRL_ERR_PROTOCOL;
    }
    return end_batch(pubsub, batch);
}

static int on_confirmation(srl_redis_pubsub *pubsub, uint8_t kind)
{
    srl__pubsub_batch *batch =
        srl__list_is_empty(&pubsub->sent) ? NULL : SRL__CONTAINER(pubsub->sent.next, srl__pubsub_batch, node);
    if (batch == NULL || !batch->subscribes || batch->kind != kind || batch->confirmed >= batch->expected) {
        return SRL_ERR_PROTOCOL;
    }
    batch->confirmed++;
    return SRL_OK;
}

static bool is_in(const srl__pubsub_batch *batch, srl__slice name)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        if (srl__slice_equal(name_of(batch->entries[i]), name)) {
            return true;
        }
    }
    return false;
}

static int on_dropped(srl_redis_pubsub *pubsub, uint8_t kind, srl__pubsub_entry *entry)
{
    srl__pubsub_batch *batch = batch_create(pubsub, kind, true, 1);
    if (batch == NULL) {
        return SRL_ERR_NOMEM; /* all is subscribed again with the next connection */
    }
    batch->replacing = true;
    batch_add(batch, entry);
    srl__list_append(&pubsub->unsent, &batch->node);
    if (pubsub->handlers.dropped != NULL) {
        pubsub->handlers.dropped(kind, entry->name, entry->len, pubsub->handlers.user);
    }
    if (!pubsub->link.ended) {
        send_unsent(pubsub);
    }
    return SRL_OK;
}

/* Ours, or one that the server decided by itself. */
static int on_ended(srl_redis_pubsub *pubsub, uint8_t kind, srl__slice name)
{
    srl__pubsub_batch *batch =
        srl__list_is_empty(&pubsub->sent) ? NULL : SRL__CONTAINER(pubsub->sent.next, srl__pubsub_batch, node);
    if (batch != NULL && !batch->subscribes && batch->kind == kind && batch->confirmed < batch->expected &&
        is_in(batch, name)) {
        batch->confirmed++;
        return SRL_OK;
    }
    srl__pubsub_entry *entry = srl__map_get(&pubsub->names[kind], name);
    return entry != NULL && entry->established ? on_dropped(pubsub, kind, entry) : SRL_OK;
}

static void on_message(srl_redis_pubsub *pubsub, uint32_t kind, const srl_reply *reply, uint32_t first)
{
    bool by_pattern = kind == SRL_REDIS_PATTERN;
    srl__slice pattern = by_pattern ? srl__reply_slice(reply, first) : srl__slice_of("", 0);
    srl__slice channel = srl__reply_slice(reply, srl_reply_child(reply, SRL_REPLY_ROOT, by_pattern ? 2 : 1));
    srl__slice data = srl__reply_slice(reply, srl_reply_child(reply, SRL_REPLY_ROOT, by_pattern ? 3 : 2));
    if (pubsub->handlers.message == NULL || channel.data == NULL || data.data == NULL ||
        srl__map_get(&pubsub->names[kind], by_pattern ? pattern : channel) == NULL) {
        return;
    }
    srl_redis_message message = {
        .size = sizeof(message),
        .kind = kind,
        .channel = channel.data,
        .channel_len = channel.len,
        .pattern = pattern.data,
        .pattern_len = pattern.len,
        .data = data.data,
        .data_len = data.len,
    };
    pubsub->handlers.message(&message, pubsub->handlers.user);
}

/* "message", "psubscribe", "sunsubscribe": the kind in front, then what it is. */
static int on_push(srl_redis_pubsub *pubsub, const srl_reply *reply, bool *known)
{
    uint32_t head = srl_reply_child(reply, SRL_REPLY_ROOT, 0);
    uint32_t first = srl_reply_child(reply, SRL_REPLY_ROOT, 1);
    srl__slice word = srl__reply_slice(reply, head);
    uint8_t kind = SRL_REDIS_CHANNEL;
    *known = true;
    if (word.len > 1 && word.data[0] == 'p' && word.data[1] != 'o') {
        kind = SRL_REDIS_PATTERN;
    } else if (word.len > 1 && word.data[0] == 's' && !srl__slice_equal(word, SRL__LIT("subscribe"))) {
        kind = SRL_REDIS_SHARD;
    }
    srl__slice verb = kind == SRL_REDIS_CHANNEL ? word : srl__slice_of(word.data + 1, word.len - 1);
    if (srl__slice_equal(verb, SRL__LIT("message"))) {
        on_message(pubsub, kind, reply, first);
        return SRL_OK;
    }
    if (srl__slice_equal(verb, SRL__LIT("subscribe"))) {
        return on_confirmation(pubsub, kind);
    }
    if (srl__slice_equal(verb, SRL__LIT("unsubscribe"))) {
        return on_ended(pubsub, kind, srl__reply_slice(reply, first));
    }
    *known = false;
    return SRL_OK;
}

static int on_reply(srl__redis_link *link, const srl_reply *reply, bool is_push)
{
    srl_redis_pubsub *pubsub = pubsub_of(link);
    bool known;
    if (is_push) {
        return on_push(pubsub, reply, &known);
    }
    if (srl_reply_type(reply, SRL_REPLY_ROOT) != SRL_REPLY_ARRAY) {
        return on_answer(pubsub, reply, SRL_REPLY_ROOT);
    }
    int error = on_push(pubsub, reply, &known); /* RESP2 has no pushes: they look like this */
    return known ? error : on_answer(pubsub, reply, srl_reply_child(reply, SRL_REPLY_ROOT, 1));
}

/* ---- the connection comes and goes */

/* What the old connection had, in new batches before all others. */
static bool queue_restoring(srl_redis_pubsub *pubsub, uint8_t kind, srl__list *out)
{
    uint32_t cursor = 0;
    uint32_t left = pubsub->names[kind].count;
    size_t bytes = 0;
    srl__pubsub_batch *batch = NULL;
    srl__pubsub_entry *entry;
    while ((entry = srl__map_next(&pubsub->names[kind], &cursor)) != NULL) {
        left--;
        if (!entry->established) {
            continue;
        }
        if (batch == NULL || batch->count == batch->capacity || bytes > BATCH_BYTES) {
            batch = batch_create(pubsub, kind, true, left < SRL__PUBSUB_BATCH ? left + 1 : SRL__PUBSUB_BATCH);
            if (batch == NULL) {
                return false;
            }
            batch->restoring = true;
            bytes = 0;
            srl__list_append(out, &batch->node);
        }
        batch_add(batch, entry);
        bytes += entry->len;
    }
    return true;
}

static void mark_restoring(srl_redis_pubsub *pubsub)
{
    pubsub->restore_left = 0;
    for (srl__list *node = pubsub->unsent.next; node != &pubsub->unsent; node = node->next) {
        SRL__CONTAINER(node, srl__pubsub_batch, node)->counts = true;
        pubsub->restore_left++;
    }
}

static void on_ready(srl__redis_link *link)
{
    srl_redis_pubsub *pubsub = pubsub_of(link);
    srl__list restoring;
    srl__list_init(&restoring);
    for (uint8_t kind = 0; kind < SRL__PUBSUB_KINDS; kind++) {
        if (!queue_restoring(pubsub, kind, &restoring)) {
            batches_free(pubsub, &restoring);
            srl__redis_link_fail(link, SRL_ERR_NOMEM, "no memory to restore the subscriptions");
            return;
        }
    }
    srl__list_append_all(&restoring, &pubsub->unsent);
    srl__list_append_all(&pubsub->unsent, &restoring);
    pubsub->restoring = true;
    mark_restoring(pubsub);
    uint32_t incarnation = link->incarnation;
    check_restored(pubsub);
    if (incarnation == link->incarnation) {
        send_unsent(pubsub);
    }
}

static bool is_of_no_use(const srl__pubsub_batch *batch)
{
    return batch->restoring || batch->replacing || (batch->call == NULL && batch->count == 0);
}

/* Calls not settled keep their batches, for the next connection; restoring begins anew there. */
static void on_lost(srl__redis_link *link, int error)
{
    srl_redis_pubsub *pubsub = pubsub_of(link);
    srl__list all;
    srl__list *node;
    bool was_announced = pubsub->announced;
    srl__list_init(&all);
    srl__list_append_all(&all, &pubsub->sent);
    srl__list_append_all(&all, &pubsub->unsent);
    while ((node = srl__list_take_first(&all)) != NULL) {
        srl__pubsub_batch *batch = SRL__CONTAINER(node, srl__pubsub_batch, node);
        if (is_of_no_use(batch)) {
            batch_free(pubsub, batch);
        } else {
            batch->counts = false;
            srl__list_append(&pubsub->unsent, node);
        }
    }
    pubsub->sent_count = 0;
    pubsub->restoring = false;
    pubsub->announced = false;
    srl__redis_timer_cancel(link->loop, &pubsub->deadline);
    srl__redis_timer_cancel(link->loop, &pubsub->retry);
    srl__resp_output_clear(&link->out);
    tell(pubsub, was_announced ? SRL_REDIS_LOST : SRL_REDIS_FAILED, error);
}

static void on_failed(srl__redis_link *link, int error)
{
    tell(pubsub_of(link), SRL_REDIS_FAILED, error);
}

static void on_probe(srl__redis_link *link)
{
    srl_redis_pubsub *pubsub = pubsub_of(link);
    if (srl__list_is_empty(&pubsub->sent) && srl__list_is_empty(&pubsub->unsent)) {
        srl__pubsub_batch *batch = batch_create(pubsub, SRL_REDIS_CHANNEL, false, 0);
        if (batch != NULL) {
            srl__list_append(&pubsub->unsent, &batch->node);
            send_unsent(pubsub);
        }
    }
}

static void end_all(srl_redis_pubsub *pubsub, srl__list *batches)
{
    srl__list *node;
    while ((node = srl__list_take_first(batches)) != NULL) {
        srl__pubsub_batch *batch = SRL__CONTAINER(node, srl__pubsub_batch, node);
        srl__pubsub_call *call = batch->call;
        batch_free(pubsub, batch);
        settle(pubsub, call, SRL_ERR_CLOSED, "");
    }
}

static void on_close(srl__redis_link *link)
{
    srl_redis_pubsub *pubsub = pubsub_of(link);
    srl__redis_link_end(link);
    srl__redis_timer_cancel(link->loop, &pubsub->deadline);
    srl__redis_timer_cancel(link->loop, &pubsub->retry);
    end_all(pubsub, &pubsub->sent);
    end_all(pubsub, &pubsub->unsent);
}

static void on_free(srl__redis_link *link)
{
    srl_redis_pubsub *pubsub = pubsub_of(link);
    srl_allocator alloc = link->loop->alloc;
    for (uint8_t kind = 0; kind < SRL__PUBSUB_KINDS; kind++) {
        srl__pubsub_entry *entry;
        uint32_t cursor = 0;
        while ((entry = srl__map_next(&pubsub->names[kind], &cursor)) != NULL) {
            srl__free(&alloc, entry, sizeof(*entry) + entry->len);
        }
        srl__map_free(&pubsub->names[kind]);
    }
    srl__redis_link_release(link);
    srl__free(&alloc, pubsub, sizeof(*pubsub));
}

static const srl__redis_link_ops pubsub_ops = {
    .ready = on_ready,
    .lost = on_lost,
    .failed = on_failed,
    .reply = on_reply,
    .probe = on_probe,
    .close = on_close,
    .free = on_free,
};

/* ---- public */

void srl_redis_pubsub_handlers_init(srl_redis_pubsub_handlers *handlers, size_t size)
{
    static const srl_redis_pubsub_handlers none = {0};
    srl__table_fill(handlers, size, &none, sizeof(none));
}

int srl_redis_pubsub_create(srl_redis_loop *loop, const srl_redis_options *options,
                            const srl_redis_pubsub_handlers *handlers, srl_redis_pubsub **out)
{
    srl__redis_config *config;
    srl_redis_pubsub_handlers taken;
    uint64_t seed = 0;
    if (handlers == NULL || !srl__table_take(&taken, sizeof(taken), handlers, sizeof(taken))) {
        return SRL_ERR_INVALID;
    }
    int error = srl__redis_config_take(options, &config);
    if (error != SRL_OK) {
        return error;
    }
    srl_redis_pubsub *pubsub = srl__alloc_zeroed(&loop->alloc, sizeof(*pubsub));
    if (pubsub == NULL || loop->platform.random(&seed, sizeof(seed), loop->platform.user) != 0) {
        srl__free(&loop->alloc, pubsub, sizeof(*pubsub));
        srl__redis_config_unref(config);
        return pubsub == NULL ? SRL_ERR_NOMEM : SRL_ERR_SYSTEM;
    }
    srl__redis_link_init(&pubsub->link, loop, config, &pubsub_ops);
    srl__redis_config_unref(config);
    for (uint8_t kind = 0; kind < SRL__PUBSUB_KINDS; kind++) {
        srl__map_init(&pubsub->names[kind], &loop->alloc, seed + kind);
    }
    srl__list_init(&pubsub->sent);
    srl__list_init(&pubsub->unsent);
    srl__redis_timer_init(&pubsub->deadline, deadline_due);
    srl__redis_timer_init(&pubsub->retry, retry_due);
    pubsub->handlers = taken;
    pubsub->next_number = 1;
    *out = pubsub;
    srl__redis_loop_enter(loop);
    pubsub->link.state = SRL__LINK_PAUSE;
    srl__redis_timer_arm(loop, &pubsub->link.step, 1);
    srl__redis_loop_leave(loop);
    return SRL_OK;
}

void srl_redis_pubsub_destroy(srl_redis_pubsub *pubsub)
{
    if (pubsub != NULL && !pubsub->link.ended) {
        srl_redis_loop *loop = pubsub->link.loop;
        srl__redis_loop_enter(loop);
        on_close(&pubsub->link);
        srl__redis_loop_leave(loop);
    }
}

static srl__slice argument(const char *const *names, const size_t *lens, size_t index)
{
    return srl__slice_of(names[index], lens != NULL ? lens[index] : strlen(names[index]));
}

/* Put a name into its map; *entry NULL: it was there. */
static int want(srl_redis_pubsub *pubsub, int kind, srl__slice name, srl__pubsub_entry **entry)
{
    *entry = NULL;
    if (name.len > MAX_NAME) {
        return SRL_ERR_INVALID;
    }
    if (srl__map_get(&pubsub->names[kind], name) != NULL) {
        return SRL_OK;
    }
    srl__pubsub_entry *made = entry_create(pubsub, name);
    if (made == NULL) {
        return SRL_ERR_NOMEM;
    }
    int error = srl__map_add(&pubsub->names[kind], name_of(made), made);
    if (error != SRL_OK) {
        entry_unref(pubsub, made);
        return error;
    }
    made->wanted = true;
    *entry = made;
    return SRL_OK;
}

/* What is to be done with a name: a new entry to subscribe, or an entry not wanted any more, or NULL for nothing. */
static int prepare(srl_redis_pubsub *pubsub, int kind, bool subscribes, srl__slice name, srl__pubsub_entry **entry)
{
    if (subscribes) {
        return want(pubsub, kind, name, entry);
    }
    *entry = srl__map_get(&pubsub->names[kind], name);
    return SRL_OK;
}

static int fill_batches(srl_redis_pubsub *pubsub, int kind, bool subscribes, size_t count, const char *const *names,
                        const size_t *lens, srl__list *batches)
{
    srl__pubsub_batch *batch = NULL;
    size_t bytes = 0;
    for (size_t i = 0; i < count || batch == NULL; i++) {
        srl__pubsub_entry *entry = NULL;
        if (batch == NULL || batch->count == batch->capacity || bytes > BATCH_BYTES) {
            size_t left = count > i ? count - i : 0;
            batch =
                batch_create(pubsub, kind, subscribes, left < SRL__PUBSUB_BATCH ? (uint32_t)left : SRL__PUBSUB_BATCH);
            if (batch == NULL) {
                return SRL_ERR_NOMEM;
            }
            srl__list_append(batches, &batch->node);
            bytes = 0;
        }
        if (i >= count) {
            break;
        }
        int error = prepare(pubsub, kind, subscribes, argument(names, lens, i), &entry);
        if (error != SRL_OK) {
            return error;
        }
        if (entry != NULL) {
            batch_add(batch, entry);
            bytes += entry->len;
        }
    }
    return SRL_OK;
}

static void forget_all(srl_redis_pubsub *pubsub, srl__list *batches)
{
    for (srl__list *node = batches->next; node != batches; node = node->next) {
        srl__pubsub_batch *batch = SRL__CONTAINER(node, srl__pubsub_batch, node);
        for (uint32_t i = 0; i < batch->count; i++) {
            forget(pubsub, batch->kind, batch->entries[i]);
        }
    }
}

static void attach_call(srl__pubsub_call *call, srl__list *batches)
{
    for (srl__list *node = batches->next; node != batches; node = node->next) {
        SRL__CONTAINER(node, srl__pubsub_batch, node)->call = call;
        call->batches++;
    }
}

static int change(srl_redis_pubsub *pubsub, int kind, bool subscribes, size_t count, const char *const *names,
                  const size_t *lens, srl_redis_settled_fn function, void *user)
{
    srl__list batches;
    if (kind < 0 || kind >= SRL__PUBSUB_KINDS || pubsub->link.ended) {
        return SRL_ERR_INVALID;
    }
    srl__pubsub_call *call = srl__alloc_zeroed(alloc_of(pubsub), sizeof(*call));
    if (call == NULL) {
        return SRL_ERR_NOMEM;
    }
    srl__list_init(&batches);
    call->function = function;
    call->user = user;
    int error = fill_batches(pubsub, kind, subscribes, count, names, lens, &batches);
    if (error != SRL_OK) {
        if (subscribes) {
            forget_all(pubsub, &batches);
        }
        batches_free(pubsub, &batches);
        srl__free(alloc_of(pubsub), call, sizeof(*call));
        return error;
    }
    if (!subscribes) {
        forget_all(pubsub, &batches);
    }
    attach_call(call, &batches);
    srl__redis_loop_enter(pubsub->link.loop);
    srl__list_append_all(&pubsub->unsent, &batches);
    send_unsent(pubsub);
    srl__redis_loop_leave(pubsub->link.loop);
    return SRL_OK;
}

int srl_redis_pubsub_subscribe(srl_redis_pubsub *pubsub, int kind, size_t count, const char *const *channels,
                               const size_t *lens, srl_redis_settled_fn function, void *user)
{
    return change(pubsub, kind, true, count, channels, lens, function, user);
}

int srl_redis_pubsub_unsubscribe(srl_redis_pubsub *pubsub, int kind, size_t count, const char *const *channels,
                                 const size_t *lens, srl_redis_settled_fn function, void *user)
{
    return change(pubsub, kind, false, count, channels, lens, function, user);
}

size_t srl_redis_pubsub_count(const srl_redis_pubsub *pubsub)
{
    size_t count = 0;
    for (uint8_t kind = 0; kind < SRL__PUBSUB_KINDS; kind++) {
        count += pubsub->names[kind].count;
    }
    return count;
}

void srl_redis_pubsub_reconnect(srl_redis_pubsub *pubsub)
{
    srl__redis_loop_enter(pubsub->link.loop);
    srl__redis_link_restart(&pubsub->link);
    srl__redis_loop_leave(pubsub->link.loop);
}
