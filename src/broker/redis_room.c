/* Channels that the relay wants: subscribing, and what is heard of them. */
#include <streamrelay/error.h>

#include "broker/redis_node.h"

enum { MAX_KEPT = 1024 };

#define MAX_KEPT_BYTES ((size_t)4 * 1024 * 1024)

/* ---- memory */

static void drop_kept(srl__redis_room *room)
{
    srl__redis_kept *kept = room->kept;
    while (kept != NULL) {
        srl__redis_kept *next = kept->next;
        srl__free(srl__redis_node_alloc(room->node), kept, sizeof(*kept) + kept->len);
        kept = next;
    }
    room->kept = NULL;
    room->kept_end = &room->kept;
    room->kept_count = 0;
    room->kept_bytes = 0;
}

void srl__redis_room_unref(srl__redis_room *room)
{
    if (--room->refs == 0) {
        srl__list_remove(&room->link);
        srl__list_remove(&room->opening);
        drop_kept(room);
        srl__free(srl__redis_node_alloc(room->node), room, sizeof(*room) + room->live_len);
    }
}

static srl__redis_room *room_create(srl__redis_node *node, srl__slice live, size_t name_len)
{
    srl__redis_room *room = srl__alloc_zeroed(srl__redis_node_alloc(node), sizeof(*room) + live.len);
    if (room == NULL) {
        return NULL;
    }
    room->node = node;
    room->refs = 1;
    room->live_len = (uint32_t)live.len;
    room->name_at = (uint32_t)(live.len - name_len);
    room->kept_end = &room->kept;
    srl__list_init(&room->link);
    srl__list_init(&room->opening);
    memcpy(room->live, live.data, live.len);
    if (srl__map_add(&node->rooms, srl__slice_of(room->live, live.len), room) != SRL_OK) {
        srl__free(srl__redis_node_alloc(node), room, sizeof(*room) + live.len);
        return NULL;
    }
    return room;
}

/* Out of the map; whatever is under way with it ends without effect. */
static void forget(srl__redis_room *room)
{
    srl__redis_node *node = room->node;
    const char *live = room->live;
    size_t live_len = room->live_len;
    if (room->gone) {
        return;
    }
    room->gone = true;
    srl__list_remove(&room->link);
    srl__list_remove(&room->opening);
    (void)srl__map_remove(&node->rooms, srl__slice_of(room->live, room->live_len));
    (void)srl_redis_pubsub_unsubscribe(node->pubsub, SRL_REDIS_CHANNEL, 1, &live, &live_len, NULL, NULL);
    srl__redis_room_unref(room);
}

srl__redis_room *srl__redis_room_find(srl__redis_node *node, srl__slice channel)
{
    srl__slice live =
        srl__redis_key(&node->live, srl__redis_node_prefix(node), SRL__KEY_LIVE, channel, srl__slice_of("", 0));
    return srl__map_get(&node->rooms, live);
}

/* ---- answering */

void srl__redis_room_answer(srl__redis_room *room, int error)
{
    srl_operation *operation = room->operation;
    char text[SRL__REDIS_CURSOR_TEXT];
    srl_broker_result result = {.size = sizeof(result), .error = error, .epoch = "", .meta = ""};
    if (operation == NULL) {
        return;
    }
    room->operation = NULL;
    srl__list_remove(&room->opening);
    if (error != SRL_OK) {
        forget(room);
    } else if (room->has_history) {
        srl__slice epoch = srl__redis_epoch_text(room->cursor, text);
        result.offset = room->cursor.offset;
        result.epoch = epoch.data;
        result.epoch_len = epoch.len;
    }
    srl_operation_finish(operation, &result);
}

/* ---- subscribing */

/* The rooms of one subscribe command. */
typedef struct batch {
    srl__redis_node *node;
    uint32_t count;
    srl__redis_room *rooms[];
} batch;

static size_t batch_size(uint32_t count)
{
    return sizeof(batch) + count * sizeof(srl__redis_room *);
}

/* The server has confirmed: a room with history goes on to where its stream is. */
static void confirmed(srl__redis_room *room)
{
    if (room->has_history) {
        srl__redis_doubt(room);
        return;
    }
    room->state = SRL__ROOM_LIVE;
    srl__redis_room_answer(room, SRL_OK);
}

static void settled(int error, const char *text, void *user)
{
    batch *all = user;
    srl__redis_node *node = all->node;
    (void)text;
    srl__redis_node_enter(node);
    for (uint32_t i = 0; i < all->count; i++) {
        srl__redis_room *room = all->rooms[i];
        if (!room->gone && !node->is_detached && room->state == SRL__ROOM_NEW) {
            if (error == SRL_OK) {
                confirmed(room);
            } else {
                srl__redis_room_answer(room, error);
            }
        }
        srl__redis_room_unref(room);
    }
    srl__free(srl__redis_node_alloc(node), all, batch_size(SRL__PUBSUB_BATCH));
    if (!node->is_detached) {
        srl__redis_catch_up(node);
    }
    srl__redis_node_leave(node);
}

static int send_batch(srl__redis_node *node, batch *all)
{
    size_t lens[SRL__PUBSUB_BATCH];
    const char *names[SRL__PUBSUB_BATCH];
    for (uint32_t i = 0; i < all->count; i++) {
        names[i] = all->rooms[i]->live;
        lens[i] = all->rooms[i]->live_len;
    }
    return srl_redis_pubsub_subscribe(node->pubsub, SRL_REDIS_CHANNEL, all->count, names, lens, settled, all);
}

static void fail_batch(batch *all, int error)
{
    srl__redis_node *node = all->node;
    for (uint32_t i = 0; i < all->count; i++) {
        if (!node->is_detached) {
            srl__redis_room_answer(all->rooms[i], error);
        }
        srl__redis_room_unref(all->rooms[i]);
    }
    srl__free(srl__redis_node_alloc(node), all, batch_size(SRL__PUBSUB_BATCH));
}

void srl__redis_rooms_flush(srl__redis_node *node)
{
    while (!srl__list_is_empty(&node->fresh) && !node->is_detached) {
        batch *all = srl__alloc(srl__redis_node_alloc(node), batch_size(SRL__PUBSUB_BATCH));
        if (all == NULL) {
            return; /* at the end of the next turn, perhaps */
        }
        all->node = node;
        all->count = 0;
        while (all->count < SRL__PUBSUB_BATCH && !srl__list_is_empty(&node->fresh)) {
            srl__redis_room *room = SRL__CONTAINER(srl__list_take_first(&node->fresh), srl__redis_room, link);
            room->refs++;
            all->rooms[all->count++] = room;
        }
        int error = send_batch(node, all);
        if (error != SRL_OK) {
            fail_batch(all, error);
        }
    }
}

int srl__redis_subscribe(void *state, const srl_broker_channel *channel, void *engine_room, srl_operation *operation)
{
    srl__redis_node *node = state;
    const srl_redis_broker_config *config = &node->broker->config;
    if (node->is_detached) {
        return SRL_ERR_CLOSED;
    }
    if (channel->name_len == 0 || channel->name_len > UINT16_MAX) {
        return SRL_ERR_INVALID;
    }
    if (!node->hears && config->away_subscribe == SRL_REDIS_AWAY_FAIL) {
        return SRL_ERR_BROKER_DOWN;
    }
    srl__slice name = srl__slice_of(channel->name, channel->name_len);
    if (srl__redis_room_find(node, name) != NULL) {
        return SRL_ERR_EXISTS;
    }
    srl__redis_room *room = room_create(node, srl__slice_of(node->live.data, node->live.len), name.len);
    if (room == NULL) {
        return SRL_ERR_NOMEM;
    }
    room->room = engine_room;
    room->operation = operation;
    room->has_history = channel->history_size > 0;
    room->due_ms = srl__redis_node_now(node) + config->away_wait_ms;
    srl__list_append(&node->fresh, &room->link);
    srl__list_append(&node->opening, &room->opening);
    return SRL_OK;
}

void srl__redis_unsubscribe(void *state, const char *channel, size_t channel_len, void *engine_room)
{
    srl__redis_node *node = state;
    if (!node->is_detached) {
        srl__redis_room *room = srl__redis_room_find(node, srl__slice_of(channel, channel_len));
        if (room != NULL && room->room == engine_room) {
            forget(room);
        }
    }
}

/* Nobody asks for the notes once more if they could not be subscribed to. */
static void insist_on_notes(srl__redis_node *node)
{
    srl__redis_room *notes = node->notes;
    if (notes->state == SRL__ROOM_NEW && notes->refs == 1 && srl__list_is_empty(&notes->link)) {
        srl__list_append(&node->fresh, &notes->link);
    }
}

void srl__redis_rooms_expire(srl__redis_node *node)
{
    uint64_t now = srl__redis_node_now(node);
    insist_on_notes(node);
    while (!srl__list_is_empty(&node->opening) && !node->is_detached) {
        srl__redis_room *room = SRL__CONTAINER(node->opening.next, srl__redis_room, opening);
        if (room->due_ms > now) {
            return;
        }
        srl__redis_room_answer(room, SRL_ERR_BROKER_DOWN);
    }
}

/* Notes are publications of a channel that no host can name. */
static srl__slice notes_key(srl__redis_node *node, srl__buf *out, srl__slice part)
{
    return srl__redis_key(out, srl__redis_node_prefix(node), SRL__KEY_NODE, SRL__LIT("notes"), part);
}

srl__slice srl__redis_room_stream(srl__redis_node *node, const srl__redis_room *room)
{
    return room == node->notes ? notes_key(node, &node->key, SRL__LIT("stream"))
                               : srl__redis_key(&node->key, srl__redis_node_prefix(node), SRL__KEY_STREAM,
                                                srl__redis_room_name(room), srl__slice_of("", 0));
}

int srl__redis_rooms_init(srl__redis_node *node)
{
    srl__slice live = notes_key(node, &node->live, SRL__LIT("live"));
    srl__redis_room *room = live.len > 0 ? room_create(node, live, 0) : NULL;
    if (room == NULL) {
        return SRL_ERR_NOMEM;
    }
    room->has_history = true;
    node->notes = room;
    srl__list_append(&node->fresh, &room->link);
    return SRL_OK;
}

void srl__redis_rooms_free(srl__redis_node *node)
{
    uint32_t cursor = 0;
    srl__redis_room *room;
    while ((room = srl__map_next(&node->rooms, &cursor)) != NULL) {
        room->refs = 1;
        srl__redis_room_unref(room);
    }
    srl__map_free(&node->rooms);
}

/* ---- what is heard */

void srl__redis_room_deliver(srl__redis_room *room, srl__redis_cursor at, srl__slice bytes)
{
    srl__redis_node *node = room->node;
    srl__redis_frame frame;
    char text[SRL__REDIS_CURSOR_TEXT];
    srl__slice epoch = srl__slice_of("", 0);
    if (at.epoch != 0) {
        room->cursor = at;
    }
    if (!srl__redis_frame_read(bytes, &frame)) {
        return;
    }
    if (room == node->notes) {
        srl_node_control(node->node, frame.publication.data, frame.publication.data_len);
        return;
    }
    if (at.epoch != 0 && room->has_history) {
        epoch = srl__redis_epoch_text(at, text);
        frame.publication.offset = at.offset;
    }
    srl_node_deliver(node->node, room->room, frame.kind, &frame.publication, epoch.data, epoch.len);
}

/* One that cannot be kept is only remembered as heard of: it will be read from the stream. */
static void keep(srl__redis_room *room, srl__redis_cursor at, srl__slice frame)
{
    srl__redis_kept *kept = NULL;
    if (room->kept_count < MAX_KEPT && frame.len <= MAX_KEPT_BYTES - room->kept_bytes && room->heard.epoch == 0) {
        kept = srl__alloc(srl__redis_node_alloc(room->node), sizeof(*kept) + frame.len);
    }
    if (kept == NULL) {
        room->heard = at;
        return;
    }
    kept->next = NULL;
    kept->at = at;
    kept->len = frame.len;
    memcpy(kept->frame, frame.data, frame.len);
    *room->kept_end = kept;
    room->kept_end = &kept->next;
    room->kept_count++;
    room->kept_bytes += frame.len;
}

static bool continues(const srl__redis_room *room, srl__redis_cursor at)
{
    return at.epoch == room->cursor.epoch && at.offset == room->cursor.offset + 1;
}

static void hear_stored(srl__redis_room *room, srl__redis_cursor at, srl__slice frame)
{
    if (!room->has_history) {
        srl__redis_room_deliver(room, at, frame);
    } else if (room->state != SRL__ROOM_LIVE) {
        keep(room, at, frame);
    } else if (continues(room, at)) {
        srl__redis_room_deliver(room, at, frame);
    } else if (srl__redis_cursor_is_behind(room->cursor, at)) {
        keep(room, at, frame);
        srl__redis_doubt(room);
        srl__redis_catch_up(room->node);
    } else if (at.epoch < room->cursor.epoch) { /* announced twice, or the stream began anew */
        srl__redis_doubt(room);
        srl__redis_catch_up(room->node);
    }
}

/* "<id> <frame>"; the id of what is not stored is "-". */
void srl__redis_rooms_hear(srl__redis_node *node, const srl_redis_message *message)
{
    srl__redis_room *room = srl__map_get(&node->rooms, srl__slice_of(message->channel, message->channel_len));
    const char *space = memchr(message->data, ' ', message->data_len);
    srl__redis_cursor at = {0, 0};
    if (room == NULL || space == NULL) {
        return;
    }
    srl__slice id = srl__slice_of(message->data, (size_t)(space - message->data));
    srl__slice frame = srl__slice_of(space + 1, message->data_len - id.len - 1);
    room->refs++;
    if (srl__redis_cursor_read(id, &at)) {
        room->was_live = true;
        hear_stored(room, at, frame);
    } else if (room->operation == NULL) {
        srl__redis_room_deliver(room, at, frame);
    }
    srl__redis_room_unref(room);
}

static srl__redis_kept *take_kept(srl__redis_room *room)
{
    srl__redis_kept *kept = room->kept;
    room->kept = kept->next;
    room->kept_end = room->kept == NULL ? &room->kept : room->kept_end;
    room->kept_count--;
    room->kept_bytes -= kept->len;
    return kept;
}

static void free_kept(srl__redis_room *room, srl__redis_kept *kept)
{
    srl__free(srl__redis_node_alloc(room->node), kept, sizeof(*kept) + kept->len);
}

/* What was heard before the stream was asked was in the answer, or is lost: waiting for it would have no end. */
static void drop_asked(srl__redis_room *room)
{
    for (; room->asked_count > 0 && room->kept != NULL; room->asked_count--) {
        free_kept(room, take_kept(room));
    }
    room->asked_count = 0;
}

void srl__redis_room_resume(srl__redis_room *room)
{
    srl__redis_node *node = room->node;
    room->state = SRL__ROOM_LIVE;
    drop_asked(room);
    while (room->kept != NULL && !room->gone && !node->is_detached) {
        if (srl__redis_cursor_is_behind(room->cursor, room->kept->at) && !continues(room, room->kept->at)) {
            srl__redis_doubt(room);
            return;
        }
        srl__redis_kept *kept = take_kept(room);
        if (continues(room, kept->at)) {
            srl__redis_room_deliver(room, kept->at, srl__slice_of(kept->frame, kept->len));
        }
        free_kept(room, kept);
    }
    if (!room->gone && srl__redis_cursor_is_behind(room->cursor, room->heard)) {
        room->heard = (srl__redis_cursor){0, 0};
        srl__redis_doubt(room);
        return;
    }
    room->heard = (srl__redis_cursor){0, 0};
}
