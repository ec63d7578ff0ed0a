#include "broker/memory.h"

#include <streamrelay/error.h>

#define MAX_WAKES (UINT32_C(1) << 20)

/* Scratch memory that is larger than this is not kept. */
#define KEEP_SCRATCH 65536

static int start_broker(srl__memory *memory, const srl_node *node)
{
    const srl_platform *platform = srl_node_platform(node);
    uint64_t seed;
    if (memory->has_started) {
        return SRL_OK;
    }
    if (platform->random(&seed, sizeof(seed), platform->user) != 0) {
        return SRL_ERR_SYSTEM;
    }
    memory->seed = seed;
    memory->now_ms = platform->monotonic_ms(platform->user);
    srl__map_init(&memory->channels, &memory->alloc, seed);
    srl__timers_init(&memory->timers, memory->now_ms);
    srl__directory_init(&memory->directory, &memory->alloc, seed);
    srl__positions_init(&memory->positions, &memory->alloc, seed, memory->now_ms);
    srl__once_init(&memory->once, &memory->alloc, seed, memory->now_ms);
    memory->has_started = true;
    return SRL_OK;
}

int srl__memory_attach(void *broker, srl_node *node, void **out)
{
    srl__memory *memory = broker;
    srl__memory_link *link = srl__alloc_zeroed(&memory->alloc, sizeof(*link));
    if (link == NULL) {
        return SRL_ERR_NOMEM;
    }
    link->memory = memory;
    link->node = node;
    pthread_mutex_lock(&memory->lock);
    int rc = start_broker(memory, node);
    if (rc == SRL_OK) {
        srl__list_append(&memory->links, &link->link);
        memory->users++;
    }
    pthread_mutex_unlock(&memory->lock);
    if (rc != SRL_OK) {
        srl__free(&memory->alloc, link, sizeof(*link));
        return rc;
    }
    *out = link;
    return SRL_OK;
}

static void free_link(srl__memory_link *link)
{
    srl__memory *memory = link->memory;
    srl__free(&memory->alloc, link->scratch.data, link->scratch.size);
    srl__free(&memory->alloc, link->wakes, link->wake_capacity * sizeof(*link->wakes));
    srl__free(&memory->alloc, link, sizeof(*link));
    srl__memory_release(memory);
}

void srl__memory_link_enter(srl__memory_link *link)
{
    link->depth++;
}

void srl__memory_link_leave(srl__memory_link *link)
{
    link->depth--;
    if (link->depth == 0 && link->is_detached) {
        free_link(link);
    }
}

void srl__memory_link_lock(srl__memory_link *link)
{
    pthread_mutex_lock(&link->memory->lock);
}

static void wake_pinned(srl__memory_link *link)
{
    srl__memory *memory = link->memory;
    for (uint32_t i = 0; i < link->wake_count; i++) {
        srl_node_wake(link->wakes[i]->node);
    }
    bool is_awaited = false;
    pthread_mutex_lock(&memory->lock);
    for (uint32_t i = 0; i < link->wake_count; i++) {
        link->wakes[i]->pins--;
        is_awaited = is_awaited || link->wakes[i]->is_leaving;
    }
    if (is_awaited) {
        pthread_cond_broadcast(&memory->unpinned);
    }
    pthread_mutex_unlock(&memory->lock);
    link->wake_count = 0;
}

void srl__memory_link_unlock(srl__memory_link *link)
{
    srl__memory *memory = link->memory;
    bool must_set_timer = link->must_adopt_timer;
    uint64_t due_ms = memory->keeper_due_ms;
    link->must_adopt_timer = false;
    pthread_mutex_unlock(&memory->lock);
    if (link->wake_count > 0) {
        wake_pinned(link);
    }
    if (must_set_timer) {
        srl_node_set_timer(link->node, due_ms);
    }
}

/* Have a node woken when the lock is released. */
static int plan_wake(srl__memory_link *from, srl__memory_link *to)
{
    void *wakes = from->wakes;
    if (to == from || to->is_woken) {
        return SRL_OK;
    }
    if (from->wake_count == from->wake_capacity &&
        !srl__grow_array(srl__memory_link_alloc(from), &wakes, &from->wake_capacity, from->wake_count + 1, MAX_WAKES,
                         sizeof(*from->wakes))) {
        return SRL_ERR_NOMEM;
    }
    from->wakes = wakes;
    from->wakes[from->wake_count++] = to;
    to->pins++;
    to->is_woken = true;
    return SRL_OK;
}

int srl__memory_link_put(srl__memory_link *from, srl__memory_link *to, srl__message *message, void *room)
{
    const srl_allocator *alloc = srl__memory_link_alloc(from);
    int rc = srl__inbox_push(&to->inbox, alloc, message, room);
    if (rc != SRL_OK) {
        return rc;
    }
    rc = plan_wake(from, to);
    if (rc != SRL_OK) {
        srl__inbox_unpush(&to->inbox, alloc);
        return rc;
    }
    to->put++;
    return SRL_OK;
}

void srl__memory_link_unput(srl__memory_link *from, srl__memory_link *to)
{
    srl__inbox_unpush(&to->inbox, srl__memory_link_alloc(from));
    to->put--;
}

void srl__memory_link_take_batch(srl__memory_link *link)
{
    if (!srl__inbox_is_empty(&link->batch)) {
        return;
    }
    srl__inbox_rewind(&link->batch, srl__memory_link_alloc(link));
    srl__inbox batch = link->inbox;
    link->inbox = link->batch;
    link->batch = batch;
}

/* The next message for the node, with its reference. */
static bool take_message(srl__memory_link *link, srl__inbox_entry *out)
{
    while (!link->is_detached) {
        if (srl__inbox_is_empty(&link->batch)) {
            srl__memory_link_lock(link);
            srl__memory_link_take_batch(link);
            srl__memory_link_unlock(link);
        }
        if (!srl__inbox_take(&link->batch, out)) {
            return false;
        }
        link->taken++;
        if (out->message != NULL) {
            return true;
        }
    }
    return false;
}

static void deliver_message(srl__memory_link *link, const srl__inbox_entry *entry)
{
    srl__message *message = entry->message;
    if (message->kind == SRL__MESSAGE_NOTE) {
        srl_node_control(link->node, message->view.data, message->view.data_len);
    } else {
        srl_node_deliver(link->node, entry->room, message->kind, &message->view, message->epoch, message->epoch_len);
    }
    srl__message_release(message, srl__memory_link_alloc(link));
}

void srl__memory_link_deliver_own(srl__memory_link *link)
{
    srl__inbox_entry entry;
    if (link->is_delivering) {
        return;
    }
    link->is_delivering = true;
    while (link->taken < link->own_put && take_message(link, &entry)) {
        deliver_message(link, &entry);
    }
    link->is_delivering = false;
}

bool srl__memory_link_deliver(srl__memory_link *link, uint32_t budget)
{
    srl__inbox_entry entry;
    if (link->is_delivering) {
        return false;
    }
    link->is_delivering = true;
    while (budget > 0 && take_message(link, &entry)) {
        deliver_message(link, &entry);
        budget--;
    }
    link->is_delivering = false;
    if (budget > 0 || link->is_detached) {
        return false;
    }
    srl__memory_link_lock(link);
    bool is_left = !srl__inbox_is_empty(&link->batch) || !srl__inbox_is_empty(&link->inbox);
    srl__memory_link_unlock(link);
    return is_left;
}

srl__scratch srl__memory_link_take_scratch(srl__memory_link *link, size_t size)
{
    srl__scratch scratch = link->scratch;
    link->scratch = (srl__scratch){NULL, 0};
    if (scratch.data != NULL && scratch.size >= size) {
        return scratch;
    }
    srl__free(srl__memory_link_alloc(link), scratch.data, scratch.size);
    scratch.size = size < 1024 ? 1024 : size;
    scratch.data = srl__alloc(srl__memory_link_alloc(link), scratch.size);
    return scratch;
}

void srl__memory_link_give_scratch(srl__memory_link *link, srl__scratch scratch)
{
    if (link->scratch.data == NULL && scratch.size <= KEEP_SCRATCH) {
        link->scratch = scratch;
    } else {
        srl__free(srl__memory_link_alloc(link), scratch.data, scratch.size);
    }
}

/* Subscriptions and members of the link. */
static void leave_channels(srl__memory_link *link)
{
    srl__memory *memory = link->memory;
    uint32_t cursor = 0;
    srl__memory_channel *channel;
    while ((channel = srl__map_next(&memory->channels, &cursor)) != NULL) {
        if (srl__memory_channel_leave(channel, link) > 0) {
            channel->used_ms = memory->now_ms;
        }
        srl__memory_settle(link, channel);
    }
}

/* Another node has to look after the channels' timers; its process will notice. */
static void hand_over_timer(srl__memory_link *link)
{
    srl__memory *memory = link->memory;
    if (memory->keeper != link) {
        return;
    }
    memory->keeper = NULL;
    memory->keeper_due_ms = SRL__TIMERS_NEVER;
    link->must_adopt_timer = false;
    if (!srl__list_is_empty(&memory->links)) {
        srl__list *first = memory->links.next;
        /* Without memory for it, whoever comes next takes the timer over. */
        (void)plan_wake(link, SRL__CONTAINER(first, srl__memory_link, link));
    }
}

void srl__memory_detach(void *state)
{
    srl__memory_link *link = state;
    srl__memory *memory = link->memory;
    if (link->is_detached) {
        return;
    }
    srl__memory_link_enter(link);
    srl__memory_link_lock(link);
    srl__memory_tick(memory, link->node);
    leave_channels(link);
    srl__list_remove(&link->link);
    hand_over_timer(link);
    srl__inbox_free(&link->inbox, &memory->alloc);
    link->is_leaving = true;
    srl__memory_link_unlock(link);
    srl__memory_link_lock(link);
    while (link->pins > 0) {
        pthread_cond_wait(&memory->unpinned, &memory->lock);
    }
    srl__memory_link_unlock(link);
    srl__inbox_free(&link->batch, &memory->alloc);
    link->is_detached = true;
    srl__memory_link_leave(link);
}
