#include "helpers/broker_slow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <streamrelay/error.h>

#include "base/list.h"

struct slow_question {
    slow_question *next;
    unsigned kind;
    bool done; /* took effect; `result` is the answer */
    void *link;
    srl_operation *outer;
    srl_operation inner;
    srl_broker_directory directory;
    srl_broker_position position;
    srl_broker_result result;
    char epoch[64];
    char channel[512];
    char user[512];
    char meta[512];
};

static broker_slow *current;

static void cannot(const char *what)
{
    fprintf(stderr, "broker_slow: cannot %s\n", what);
    abort();
}

static const char *keep(char *room, size_t size, const char *text, size_t len)
{
    if (len >= size) {
        cannot("keep so long a text");
    }
    if (len > 0) {
        memcpy(room, text, len);
    }
    room[len] = '\0';
    return room;
}

static void took_effect(srl_operation *operation, const srl_broker_result *result)
{
    slow_question *q = SRL__CONTAINER(operation, slow_question, inner);

    q->done = true;
    q->result = *result;
    q->result.epoch = keep(q->epoch, sizeof(q->epoch), result->epoch, result->epoch_len);
    q->result.publications = NULL;
    q->result.presence = NULL;
    q->result.names = NULL;
    q->result.name_count = 0;
    q->result.meta = "";
    q->result.meta_len = 0;
}

static int perform(slow_question *q, srl_operation *operation)
{
    const srl_broker_ops *ops = srl__broker_ops_of(current->memory);

    switch (q->kind) {
    case SLOW_SET:
        return ops->position_set(q->link, &q->position, operation);
    case SLOW_GET:
        return ops->position_get(q->link, &q->position, operation);
    default:
        return ops->directory(q->link, &q->directory, operation);
    }
}

static int take(slow_question *q)
{
    slow_question **at = &current->questions;

    if ((current->answer & q->kind) != 0) {
        q->inner.done = took_effect;
        if (perform(q, &q->inner) != SRL_OK || !q->done) {
            cannot("take effect at once");
        }
    }
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = q;
    current->count++;
    return SRL_OK;
}

static slow_question *question(void *link, unsigned kind, srl_operation *operation)
{
    slow_question *q = calloc(1, sizeof(*q));

    if (q == NULL) {
        cannot("get memory");
    }
    q->kind = kind;
    q->link = link;
    q->outer = operation;
    return q;
}

static bool waits(unsigned kind)
{
    return ((current->hold | current->answer) & kind) != 0;
}

static int slow_directory(void *link, const srl_broker_directory *d, srl_operation *operation)
{
    unsigned kind = SLOW(d->verb);
    slow_question *q = NULL;

    if ((current->refuse & kind) != 0) {
        return current->error;
    }
    if (!waits(kind)) {
        return srl__broker_ops_of(current->memory)->directory(link, d, operation);
    }
    q = question(link, kind, operation);
    q->directory = *d;
    q->directory.channel = keep(q->channel, sizeof(q->channel), d->channel, d->channel_len);
    q->directory.user = keep(q->user, sizeof(q->user), d->user, d->user_len);
    q->directory.meta = keep(q->meta, sizeof(q->meta), d->meta, d->meta_len);
    return take(q);
}

static int slow_position(void *link, unsigned kind, const srl_broker_position *p, srl_operation *operation)
{
    const srl_broker_ops *ops = srl__broker_ops_of(current->memory);
    slow_question *q = NULL;

    if ((current->refuse & kind) != 0) {
        return current->error;
    }
    if (!waits(kind)) {
        return kind == SLOW_SET ? ops->position_set(link, p, operation) : ops->position_get(link, p, operation);
    }
    q = question(link, kind, operation);
    q->position = *p;
    q->position.channel = keep(q->channel, sizeof(q->channel), p->channel, p->channel_len);
    q->position.user = keep(q->user, sizeof(q->user), p->user, p->user_len);
    q->position.epoch = keep(q->epoch, sizeof(q->epoch), p->epoch, p->epoch_len);
    return take(q);
}

static int slow_set(void *link, const srl_broker_position *position, srl_operation *operation)
{
    return slow_position(link, SLOW_SET, position, operation);
}

static int slow_get(void *link, const srl_broker_position *position, srl_operation *operation)
{
    return slow_position(link, SLOW_GET, position, operation);
}

static int attach(void *broker, srl_node *node, void **link)
{
    broker_slow *slow = broker;

    return srl__broker_attach(slow->memory, node, link);
}

static void detach(void *link)
{
    slow_question *q;

    srl__broker_ops_of(current->memory)->detach(link);
    while ((q = current->questions) != NULL) {
        current->questions = q->next;
        free(q);
    }
    current->count = 0;
}

static void destroy(void *broker)
{
    broker_slow *slow = broker;

    srl_broker_release(slow->memory);
}

bool broker_slow_next(broker_slow *slow, unsigned kinds)
{
    slow_question **at = &slow->questions;
    slow_question *q;

    while (*at != NULL && ((*at)->kind & kinds) == 0) {
        at = &(*at)->next;
    }
    if ((q = *at) == NULL) {
        return false;
    }
    *at = q->next;
    slow->count--;
    if (q->done) {
        srl_operation_finish(q->outer, &q->result);
    } else if (perform(q, q->outer) != SRL_OK) {
        cannot("take effect later");
    }
    free(q);
    return true;
}

void broker_slow_flush(broker_slow *slow)
{
    while (broker_slow_next(slow, SLOW_EVERYTHING)) {
    }
}

void broker_slow_init(broker_slow *slow)
{
    srl_broker_ops ops;

    memset(slow, 0, sizeof(*slow));
    current = slow;
    if (srl_broker_create_memory(NULL, &slow->memory) != SRL_OK) {
        cannot("make its memory broker");
    }
    ops = *srl__broker_ops_of(slow->memory);
    ops.attach = attach;
    ops.detach = detach;
    ops.directory = slow_directory;
    ops.position_set = slow_set;
    ops.position_get = slow_get;
    ops.destroy = destroy;
    if (srl_broker_create(&ops, slow, &slow->broker) != SRL_OK) {
        cannot("be made");
    }
}

void broker_slow_end(broker_slow *slow)
{
    srl_broker_release(slow->broker);
    current = NULL;
}
