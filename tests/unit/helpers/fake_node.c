#include "helpers/fake_node.h"

#include <stdio.h>
#include <stdlib.h>

#include <streamrelay/error.h>

static void copy_text(char *out, size_t capacity, const char *text, size_t len)
{
    size_t n = len < capacity - 1 ? len : capacity - 1;
    if (n > 0) {
        memcpy(out, text, n);
    }
    out[n] = '\0';
}

static srl_test_delivery *new_entry(srl_test_node *node)
{
    if (node->log_count == node->log_capacity) {
        size_t capacity = node->log_capacity * 2 + 64;
        srl_test_delivery *log = realloc(node->log, capacity * sizeof(*log));
        if (log == NULL) {
            abort();
        }
        node->log = log;
        node->log_capacity = capacity;
    }
    return &node->log[node->log_count++];
}

static void node_deliver(srl_node *base, void *room, int kind, const srl_publication *publication, srl__slice epoch)
{
    srl_test_node *node = (srl_test_node *)(void *)base;
    if (node->link == NULL) {
        fprintf(stderr, "fake_node: delivery after detach\n");
        abort();
    }
    srl_test_delivery *entry = new_entry(node);
    entry->room = room;
    entry->kind = kind;
    entry->offset = publication->offset;
    entry->time_ms = publication->time_ms;
    copy_text(entry->data, sizeof(entry->data), publication->data, publication->data_len);
    copy_text(entry->epoch, sizeof(entry->epoch), epoch.data, epoch.len);
    if (node->on_deliver != NULL) {
        srl_test_delivery copy = *entry;
        node->on_deliver(node, &copy, publication);
    }
}

static void node_control(srl_node *base, srl__slice note)
{
    srl_test_node *node = (srl_test_node *)(void *)base;
    if (node->link == NULL) {
        fprintf(stderr, "fake_node: note after detach\n");
        abort();
    }
    srl_test_delivery *entry = new_entry(node);
    *entry = (srl_test_delivery){.kind = SRL_TEST_NOTE};
    copy_text(entry->data, sizeof(entry->data), note.data, note.len);
    if (node->on_note != NULL) {
        srl_test_delivery copy = *entry;
        node->on_note(node, &copy);
    }
}

static void node_reposition(srl_node *base, void *room, uint64_t offset, srl__slice epoch)
{
    srl_test_node *node = (srl_test_node *)(void *)base;
    srl_test_delivery *entry = new_entry(node);
    *entry = (srl_test_delivery){.kind = SRL_TEST_REPOSITION, .room = room, .offset = offset};
    copy_text(entry->epoch, sizeof(entry->epoch), epoch.data, epoch.len);
}

static void node_report(srl_node *base, bool is_up)
{
    ((srl_test_node *)(void *)base)->reports = is_up;
}

static void node_wake(srl_node *base)
{
    srl_test_node *node = (srl_test_node *)(void *)base;
    atomic_fetch_add(&node->wakes, 1);
}

static void node_set_timer(srl_node *base, uint64_t due_ms)
{
    srl_test_node *node = (srl_test_node *)(void *)base;
    node->timer_due_ms = due_ms;
}

/* Not while it is in use further up. */
static void drop_poller(srl_test_node *node)
{
    if (node->node.poller != NULL && !node->is_polling) {
        node->node.poller->ops->destroy(node->node.poller);
        node->node.poller = NULL;
    }
}

int srl_test_node_attach(srl_test_node *node, srl_broker *broker, fake_platform *clock)
{
    *node = (srl_test_node){
        .node = {.deliver = node_deliver,
                 .reposition = node_reposition,
                 .control = node_control,
                 .report = node_report,
                 .wake = node_wake,
                 .set_timer = node_set_timer,
                 .platform = &clock->table},
        .clock = clock,
        .ops = srl__broker_ops_of(broker),
        .timer_due_ms = SRL_TEST_NEVER,
    };
    srl_allocator memory;
    srl_allocator_init(&memory, sizeof(memory));
    if (srl__poller_create(&memory, &node->node.poller) != SRL_OK) {
        return SRL_ERR_SYSTEM;
    }
    int error = srl__broker_attach(broker, &node->node, &node->link);
    if (error != SRL_OK) {
        drop_poller(node);
    }
    return error;
}

void srl_test_node_detach(srl_test_node *node)
{
    void *link = node->link;
    node->link = NULL;
    if (link != NULL) {
        node->ops->detach(link);
    }
    drop_poller(node);
}

void srl_test_node_free(srl_test_node *node)
{
    srl_test_node_detach(node);
    free(node->log);
    node->log = NULL;
}

/* The sockets of a broker that has some. */
static void poll_sockets(srl_test_node *node)
{
    node->is_polling = true;
    (void)node->node.poller->ops->poll(node->node.poller, 0, 64);
    node->is_polling = false;
    if (node->link != NULL) {
        node->ops->flush(node->link);
    } else {
        drop_poller(node);
    }
}

bool srl_test_node_run(srl_test_node *node)
{
    bool is_due = node->timer_due_ms <= node->clock->now_ms;
    if (node->link != NULL && node->ops->flush != NULL) {
        poll_sockets(node);
    }
    if (node->link == NULL || (atomic_exchange(&node->wakes, 0) == 0 && !is_due)) {
        return false;
    }
    if (is_due) {
        node->timer_due_ms = SRL_TEST_NEVER;
    }
    while (node->link != NULL && node->ops->process(node->link, 16) > 0) {
    }
    return true;
}

void srl_test_node_forget(srl_test_node *node)
{
    node->log_count = 0;
}
