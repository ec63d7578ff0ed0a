#include "helpers/broker_delay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <streamrelay/error.h>

#include "base/list.h"

struct delayed_operation {
    delayed_operation *next;
    srl_operation inner;  /* given to the memory broker */
    srl_operation *outer; /* of the relay */
    broker_delay *delay;
    unsigned kind;
    bool done;   /* took effect */
    bool failed; /* at once: `result.error` says how */
    srl_broker_channel channel;
    char name[512];
    void *room;
    int message_kind;
    uint32_t limit;
    srl_publication publication; /* also holds a member's texts */
    srl_broker_query query;
    char query_epoch[64];
    srl_broker_result result; /* with copies of all that it points to */
    char result_epoch[64];
    srl_presence presence;
};

struct delayed_delivery {
    delayed_delivery *next;
    void *room;
    int kind;
    srl_publication publication;
    char epoch[64];
    size_t epoch_len;
};

/* All that are attached: a link is the memory broker's own, so that what is not delayed needs nothing here. */
static broker_delay *attached;

static broker_delay *delay_of(const void *link)
{
    broker_delay *delay = attached;

    while (delay->link != link) {
        delay = delay->next;
    }
    return delay;
}

static void cannot(const char *what)
{
    fprintf(stderr, "broker_delay: cannot %s\n", what);
    abort();
}

static void *must(void *memory)
{
    if (memory == NULL) {
        cannot("get memory");
    }
    return memory;
}

static const char *copy_text(const char *text, size_t len)
{
    char *copy = must(malloc(len + 1));

    if (len > 0) {
        memcpy(copy, text, len);
    }
    copy[len] = '\0';
    return copy;
}

static srl_publication copy_publication(const srl_publication *from)
{
    srl_publication copy = *from;

    copy.data = copy_text(from->data, from->data_len);
    copy.user = copy_text(from->user, from->user_len);
    copy.client = copy_text(from->client, from->client_len);
    copy.info = copy_text(from->info, from->info_len);
    copy.channel_info = copy_text(from->channel_info, from->channel_info_len);
    copy.tags = copy_text(from->tags, from->tags_len);
    return copy;
}

static void free_publication(srl_publication *publication)
{
    free((void *)(uintptr_t)publication->data);
    free((void *)(uintptr_t)publication->user);
    free((void *)(uintptr_t)publication->client);
    free((void *)(uintptr_t)publication->info);
    free((void *)(uintptr_t)publication->channel_info);
    free((void *)(uintptr_t)publication->tags);
}

static void copy_epoch(char *to, size_t size, const char *epoch, size_t len)
{
    if (len >= size) {
        cannot("keep so long a text");
    }
    if (len > 0) {
        memcpy(to, epoch, len);
    }
    to[len] = '\0';
}

/* ---- results */

static const srl_presence_session *copy_sessions(const srl_presence *from)
{
    srl_presence_session *sessions = must(calloc(from->session_count + 1, sizeof(*sessions)));

    for (uint32_t i = 0; i < from->session_count; i++) {
        const srl_presence_session *session = &from->sessions[i];

        sessions[i] = *session;
        sessions[i].client = copy_text(session->client, session->client_len);
        sessions[i].user = copy_text(session->user, session->user_len);
        sessions[i].info = copy_text(session->info, session->info_len);
        sessions[i].channel_info = copy_text(session->channel_info, session->channel_info_len);
    }
    return sessions;
}

static void free_sessions(srl_presence *presence)
{
    for (uint32_t i = 0; presence->sessions != NULL && i < presence->session_count; i++) {
        free((void *)(uintptr_t)presence->sessions[i].client);
        free((void *)(uintptr_t)presence->sessions[i].user);
        free((void *)(uintptr_t)presence->sessions[i].info);
        free((void *)(uintptr_t)presence->sessions[i].channel_info);
    }
    free((void *)(uintptr_t)presence->sessions);
}

static void copy_users(delayed_operation *op, const srl_presence *from)
{
    srl_presence_user *users = must(calloc(from->count + 1, sizeof(*users)));

    for (uint32_t i = 0; i < from->count; i++) {
        users[i] = from->users[i];
        users[i].user = copy_text(from->users[i].user, from->users[i].user_len);
        users[i].info = copy_text(from->users[i].info, from->users[i].info_len);
    }
    op->presence = *from;
    op->presence.users = users;
    op->presence.sessions = copy_sessions(from);
    op->result.presence = &op->presence;
}

static void effect_took_place(srl_operation *inner, const srl_broker_result *result)
{
    delayed_operation *op = SRL__CONTAINER(inner, delayed_operation, inner);

    op->done = true;
    op->result = *result;
    copy_epoch(op->result_epoch, sizeof(op->result_epoch), result->epoch, result->epoch_len);
    op->result.epoch = op->result_epoch;
    if (result->publication_count > 0) {
        srl_publication *publications = must(calloc(result->publication_count, sizeof(*publications)));

        for (uint32_t i = 0; i < result->publication_count; i++) {
            publications[i] = copy_publication(&result->publications[i]);
        }
        op->result.publications = publications;
    }
    if (result->presence != NULL) {
        copy_users(op, result->presence);
    }
}

static void operation_free(delayed_operation *op)
{
    srl_publication *publications = (srl_publication *)(uintptr_t)op->result.publications;

    for (uint32_t i = 0; op->done && i < op->result.publication_count; i++) {
        free_publication(&publications[i]);
    }
    if (op->done && op->result.publication_count > 0) {
        free(publications);
    }
    for (uint32_t i = 0; op->presence.users != NULL && i < op->presence.count; i++) {
        free((void *)(uintptr_t)op->presence.users[i].user);
        free((void *)(uintptr_t)op->presence.users[i].info);
    }
    free((void *)(uintptr_t)op->presence.users);
    free_sessions(&op->presence);
    free_publication(&op->publication);
    free(op);
}

/* ---- operations */

static int perform(delayed_operation *op)
{
    broker_delay *delay = op->delay;
    const srl_broker_ops *memory = srl__broker_ops_of(delay->memory);
    srl_broker_member member = {
        .size = sizeof(member),
        .client_len = op->publication.client_len,
        .client = op->publication.client,
        .user = op->publication.user,
        .user_len = op->publication.user_len,
        .info = op->publication.info,
        .info_len = op->publication.info_len,
        .channel_info = op->publication.channel_info,
        .channel_info_len = op->publication.channel_info_len,
    };

    switch (op->kind) {
    case DELAY_SUBSCRIBE:
        delay->subscribed++;
        return memory->subscribe(delay->link, &op->channel, op->room, &op->inner);
    case DELAY_PUBLISH:
        return memory->publish(delay->link, &op->channel, op->message_kind, &op->publication, &op->inner);
    case DELAY_HISTORY:
        return memory->history(delay->link, &op->channel, &op->query, &op->inner);
    case DELAY_ADD:
        return memory->presence_add(delay->link, &op->channel, &member, &op->inner);
    case DELAY_REMOVE:
        return memory->presence_remove(delay->link, &op->channel, &member, &op->inner);
    default:
        return memory->presence_list(delay->link, &op->channel, op->limit, &op->inner);
    }
}

static void take_effect(delayed_operation *op)
{
    int error = op->failed ? op->result.error : SRL_OK;

    if (op->done) {
        return;
    }
    if (error == SRL_OK) {
        error = perform(op);
    }
    if (!op->done) {
        op->done = true;
        op->result = (srl_broker_result){.size = sizeof(op->result), .error = error, .epoch = ""};
    }
}

static delayed_operation *operation_at(broker_delay *delay, unsigned index)
{
    delayed_operation *op = delay->operations;

    while (index-- > 0) {
        op = op->next;
    }
    return op;
}

static bool same_channel(const delayed_operation *a, const delayed_operation *b)
{
    return strcmp(a->name, b->name) == 0;
}

void broker_delay_effect_at(broker_delay *delay, unsigned index)
{
    delayed_operation *wanted = operation_at(delay, index);

    for (delayed_operation *op = delay->operations; op != wanted->next; op = op->next) {
        if (same_channel(op, wanted)) {
            take_effect(op);
        }
    }
}

void broker_delay_answer_at(broker_delay *delay, unsigned index)
{
    delayed_operation *wanted = operation_at(delay, index);

    broker_delay_effect_at(delay, index);
    for (delayed_operation **at = &delay->operations; *at != NULL; at = &(*at)->next) {
        if (*at == wanted) {
            *at = wanted->next;
            delay->operation_count--;
            srl_operation_finish(wanted->outer, &wanted->result);
            operation_free(wanted);
            return;
        }
    }
}

static bool find(const broker_delay *delay, unsigned kinds, bool undone, unsigned *index)
{
    unsigned i = 0;

    for (const delayed_operation *op = delay->operations; op != NULL; op = op->next, i++) {
        if ((op->kind & kinds) != 0 && !(undone && op->done)) {
            *index = i;
            return true;
        }
    }
    return false;
}

bool broker_delay_effect(broker_delay *delay, unsigned kinds)
{
    unsigned index;

    if (!find(delay, kinds, true, &index)) {
        return false;
    }
    broker_delay_effect_at(delay, index);
    return true;
}

bool broker_delay_answer(broker_delay *delay, unsigned kinds)
{
    unsigned index;

    if (!find(delay, kinds, false, &index)) {
        return false;
    }
    broker_delay_answer_at(delay, index);
    return true;
}

static delayed_operation *operation_new(broker_delay *delay, unsigned kind, const srl_broker_channel *channel,
                                        srl_operation *outer)
{
    delayed_operation *op = must(calloc(1, sizeof(*op)));

    op->inner.done = effect_took_place;
    op->outer = outer;
    op->delay = delay;
    op->kind = kind;
    op->channel = *channel;
    copy_epoch(op->name, sizeof(op->name), channel->name, channel->name_len);
    op->channel.name = op->name;
    return op;
}

/* Now, or later when the test says so. */
static int give(delayed_operation *op)
{
    broker_delay *delay = op->delay;
    delayed_operation **end = &delay->operations;
    unsigned index = delay->operation_count;

    if ((delay->refuse & op->kind) != 0) {
        operation_free(op);
        return delay->error;
    }
    if ((delay->fail & op->kind) != 0) {
        op->failed = true;
        op->result.error = delay->error;
    }
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = op;
    delay->operation_count++;
    if ((delay->hold & op->kind) == 0) {
        broker_delay_answer_at(delay, index);
    }
    return SRL_OK;
}

static int delay_subscribe(void *link, const srl_broker_channel *channel, void *room, srl_operation *operation)
{
    delayed_operation *op = operation_new(delay_of(link), DELAY_SUBSCRIBE, channel, operation);

    op->room = room;
    return give(op);
}

static int delay_publish(void *link, const srl_broker_channel *channel, int kind, const srl_publication *publication,
                         srl_operation *operation)
{
    delayed_operation *op = operation_new(delay_of(link), DELAY_PUBLISH, channel, operation);

    op->message_kind = kind;
    op->publication = copy_publication(publication);
    return give(op);
}

static int delay_history(void *link, const srl_broker_channel *channel, const srl_broker_query *query,
                         srl_operation *operation)
{
    delayed_operation *op = operation_new(delay_of(link), DELAY_HISTORY, channel, operation);

    op->query = *query;
    if (query->since_epoch_len < sizeof(op->query_epoch)) {
        copy_epoch(op->query_epoch, sizeof(op->query_epoch), query->since_epoch, query->since_epoch_len);
        op->query.since_epoch = op->query_epoch;
    } else { /* too long for any epoch of the memory broker */
        copy_epoch(op->query_epoch, sizeof(op->query_epoch), "?", 1);
        op->query.since_epoch = op->query_epoch;
        op->query.since_epoch_len = 1;
    }
    return give(op);
}

static delayed_operation *member_operation(broker_delay *delay, unsigned kind, const srl_broker_channel *channel,
                                           const srl_broker_member *member, srl_operation *operation)
{
    delayed_operation *op = operation_new(delay, kind, channel, operation);
    srl_publication texts = {
        .client_len = member->client_len,
        .client = member->client,
        .data = "",
        .user = member->user,
        .user_len = member->user_len,
        .info = member->info,
        .info_len = member->info_len,
        .channel_info = member->channel_info,
        .channel_info_len = member->channel_info_len,
    };

    op->publication = copy_publication(&texts);
    return op;
}

static int delay_add(void *link, const srl_broker_channel *channel, const srl_broker_member *member,
                     srl_operation *operation)
{
    return give(member_operation(delay_of(link), DELAY_ADD, channel, member, operation));
}

static int delay_remove(void *link, const srl_broker_channel *channel, const srl_broker_member *member,
                        srl_operation *operation)
{
    return give(member_operation(delay_of(link), DELAY_REMOVE, channel, member, operation));
}

static int delay_list(void *link, const srl_broker_channel *channel, uint32_t limit, srl_operation *operation)
{
    delayed_operation *op = operation_new(delay_of(link), DELAY_LIST, channel, operation);

    op->limit = limit;
    return give(op);
}

/* ---- deliveries */

static void pass_on(broker_delay *delay, delayed_delivery **at)
{
    delayed_delivery *message = *at;

    *at = message->next;
    delay->delivery_count--;
    srl_node_deliver(delay->relay, message->room, message->kind, &message->publication, message->epoch,
                     message->epoch_len);
    free_publication(&message->publication);
    free(message);
}

bool broker_delay_deliver(broker_delay *delay)
{
    if (delay->deliveries == NULL) {
        return false;
    }
    pass_on(delay, &delay->deliveries);
    return true;
}

void broker_delay_deliver_at(broker_delay *delay, unsigned index)
{
    delayed_delivery *wanted = delay->deliveries;
    delayed_delivery **at = &delay->deliveries;

    while (index-- > 0) {
        wanted = wanted->next;
    }
    while ((*at)->room != wanted->room) {
        at = &(*at)->next;
    }
    pass_on(delay, at);
}

static void deliver(srl_node *node, void *room, int kind, const srl_publication *publication, srl__slice epoch)
{
    broker_delay *delay = SRL__CONTAINER(node, broker_delay, node);
    delayed_delivery *message = must(calloc(1, sizeof(*message)));
    delayed_delivery **end = &delay->deliveries;

    message->room = room;
    message->kind = kind;
    message->publication = copy_publication(publication);
    message->epoch_len = epoch.len;
    copy_epoch(message->epoch, sizeof(message->epoch), epoch.data, epoch.len);
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = message;
    delay->delivery_count++;
    if (!delay->hold_deliveries) {
        while (broker_delay_deliver(delay)) {
        }
    }
}

void *broker_delay_room(const broker_delay *delay)
{
    return delay->deliveries->room;
}

static void drop_deliveries(broker_delay *delay, const void *room)
{
    delayed_delivery **at = &delay->deliveries;

    while (*at != NULL) {
        delayed_delivery *message = *at;

        if (room == NULL || message->room == room) {
            *at = message->next;
            delay->delivery_count--;
            free_publication(&message->publication);
            free(message);
        } else {
            at = &message->next;
        }
    }
}

static void delay_unsubscribe(void *link, const char *channel, size_t channel_len, void *room)
{
    broker_delay *delay = delay_of(link);

    srl__broker_ops_of(delay->memory)->unsubscribe(delay->link, channel, channel_len, room);
    drop_deliveries(delay, room);
    delay->subscribed--;
}

void broker_delay_flush(broker_delay *delay)
{
    while (!delay->detached && (delay->operations != NULL || delay->deliveries != NULL)) {
        (void)broker_delay_deliver(delay);
        (void)broker_delay_answer(delay, DELAY_EVERYTHING);
    }
}

static void unheeded(srl_operation *operation, const srl_broker_result *result)
{
    (void)operation;
    (void)result;
}

void broker_delay_publish(broker_delay *delay, const char *channel, uint32_t history_size, const char *data)
{
    static srl_operation operation = {unheeded};
    srl_broker_channel wanted = {
        .size = sizeof(wanted), .history_size = history_size, .name = channel, .name_len = strlen(channel)};
    srl_publication publication = {
        .size = sizeof(publication), .data = data, .data_len = strlen(data), .user = "", .client = "", .info = ""};

    if (srl__broker_ops_of(delay->memory)
            ->publish(delay->link, &wanted, SRL_MESSAGE_PUBLICATION, &publication, &operation) != SRL_OK) {
        cannot("publish");
    }
}

/* ---- its life */

static int attach(void *broker, srl_node *node, void **link)
{
    broker_delay *delay = broker;

    delay->relay = node;
    delay->node.platform = srl_node_platform(node);
    delay->next = attached;
    attached = delay;
    delay->link = NULL;
    *link = NULL;
    if (srl__broker_attach(delay->memory, &delay->node, &delay->link) != SRL_OK) {
        attached = delay->next;
        return SRL_ERR_NOMEM;
    }
    *link = delay->link;
    return SRL_OK;
}

static void detach(void *link)
{
    broker_delay *delay = delay_of(link);

    broker_delay **at = &attached;

    srl__broker_ops_of(delay->memory)->detach(delay->link);
    while (*at != delay) {
        at = &(*at)->next;
    }
    *at = delay->next;
    delay->detached = true;
    drop_deliveries(delay, NULL);
    while (delay->operations != NULL) {
        delayed_operation *op = delay->operations;

        delay->operations = op->next;
        operation_free(op);
    }
    delay->operation_count = 0;
}

static void destroy(void *broker)
{
    broker_delay *delay = broker;

    srl_broker_release(delay->memory);
}

static void control(srl_node *node, srl__slice note)
{
    srl_node_control(SRL__CONTAINER(node, broker_delay, node)->relay, note.data, note.len);
}

static void wake(srl_node *node)
{
    srl_node_wake(SRL__CONTAINER(node, broker_delay, node)->relay);
}

static void set_timer(srl_node *node, uint64_t due_ms)
{
    srl_node_set_timer(SRL__CONTAINER(node, broker_delay, node)->relay, due_ms);
}

void broker_delay_init(broker_delay *delay, const srl_allocator *allocator)
{
    broker_delay_init_with(delay, allocator, 0);
}

void broker_delay_init_with(broker_delay *delay, const srl_allocator *allocator, uint32_t traits)
{
    srl_broker_ops ops;

    memset(delay, 0, sizeof(*delay));
    delay->node.deliver = deliver;
    delay->node.control = control;
    delay->node.wake = wake;
    delay->node.set_timer = set_timer;
    if (srl_broker_create_memory(allocator, &delay->memory) != SRL_OK) {
        cannot("make its memory broker");
    }
    ops = *srl__broker_ops_of(delay->memory);
    ops.attach = attach;
    ops.detach = detach;
    ops.subscribe = delay_subscribe;
    ops.unsubscribe = delay_unsubscribe;
    ops.publish = delay_publish;
    ops.history = delay_history;
    ops.presence_add = delay_add;
    ops.presence_remove = delay_remove;
    ops.presence_list = delay_list;
    ops.destroy = destroy;
    ops.traits = traits;
    if (srl_broker_create(&ops, delay, &delay->broker) != SRL_OK) {
        cannot("be made");
    }
}

void broker_delay_end(broker_delay *delay)
{
    srl_broker_release(delay->broker);
}
