/* Comparing rooms with their streams: after subscribing, after a gap, after a lost connection, and now and then. */
#include <streamrelay/error.h>

#include "base/decimal.h"
#include "broker/redis_node.h"
#include "redis/reply.h"

enum {
    BATCH = 256,              /* streams per question */
    MAX_READINGS = 4,         /* questions under way */
    LIMIT = 128,              /* publications of one stream per answer */
    LIMIT_BYTES = 512 * 1024, /* of all streams of an answer; the last publication may go beyond */
    TICKS_PER_SECOND = 4
};

/* ---- cursors */

static size_t read_number(srl__slice text, size_t at, uint64_t *out)
{
    uint64_t n = 0;
    size_t begin = at;
    while (at < text.len && text.data[at] >= '0' && text.data[at] <= '9' && at - begin < 19) {
        n = n * 10 + (uint64_t)(text.data[at++] - '0');
    }
    *out = n;
    return at - begin;
}

bool srl__redis_cursor_read(srl__slice text, srl__redis_cursor *out)
{
    size_t len = read_number(text, 0, &out->epoch);
    if (len == 0 || len >= text.len || text.data[len] != '-') {
        return false;
    }
    size_t rest = read_number(text, len + 1, &out->offset);
    return rest > 0 && len + 1 + rest == text.len;
}

srl__slice srl__redis_cursor_text(srl__redis_cursor at, char out[SRL__REDIS_CURSOR_TEXT])
{
    char *end = out + SRL__REDIS_CURSOR_TEXT;
    char *begin = srl__decimal_before(end, at.offset);
    *--begin = '-';
    begin = srl__decimal_before(begin, at.epoch);
    return srl__slice_of(begin, (size_t)(end - begin));
}

srl__slice srl__redis_epoch_text(srl__redis_cursor at, char out[SRL__REDIS_CURSOR_TEXT])
{
    char *end = out + SRL__REDIS_CURSOR_TEXT;
    char *begin = srl__decimal_before(end, at.epoch);
    return srl__slice_of(begin, (size_t)(end - begin));
}

/* ---- doubt */

void srl__redis_doubt(srl__redis_room *room)
{
    if (room->state != SRL__ROOM_DOUBTFUL && !room->gone) {
        room->state = SRL__ROOM_DOUBTFUL;
        room->reading = 0; /* what is being read was asked for too early */
        srl__list_remove(&room->link);
        /* notes ahead of all: they come before what was published later */
        srl__list *behind = &room->node->doubtful;
        srl__list_append(room == room->node->notes ? behind->next : behind, &room->link);
    }
}

void srl__redis_doubt_all(srl__redis_node *node)
{
    uint32_t cursor = 0;
    srl__redis_room *room;
    while ((room = srl__map_next(&node->rooms, &cursor)) != NULL) {
        if (room->has_history && (room->state == SRL__ROOM_LIVE || room->state == SRL__ROOM_READING)) {
            srl__redis_doubt(room);
        }
    }
}

static bool is_settled(const srl__redis_room *room)
{
    return room->has_history && room->state == SRL__ROOM_LIVE;
}

void srl__redis_sweep(srl__redis_node *node)
{
    uint64_t ticks = node->broker->config.sweep_ms * TICKS_PER_SECOND / 1000;
    uint32_t share = ticks > 0 ? (uint32_t)(node->rooms.count / ticks) + 1 : 0;
    srl__redis_room *room;
    if (node->state != SRL__NODE_UP || !node->hears) {
        return;
    }
    while (share-- > 0 && (room = srl__map_next(&node->rooms, &node->sweep_at)) != NULL) {
        if (is_settled(room) && !room->was_live) {
            srl__redis_doubt(room);
        }
        room->was_live = false;
    }
    if (node->sweep_at <= 1 && srl__redis_node_now(node) >= node->sweep_ms) { /* a walk ends at 1 */
        node->sweep_at = 0;
        node->sweep_ms = srl__redis_node_now(node) + node->broker->config.sweep_ms;
    }
    srl__redis_catch_up(node);
}

/* ---- reading */

typedef struct reading {
    srl__redis_node *node;
    uint64_t number;
    uint32_t count;
    srl__redis_room *rooms[BATCH];
} reading;

static srl__redis_cursor cursor_in(const srl_reply *reply, uint32_t at)
{
    srl__redis_cursor cursor = {0, 0};
    srl__slice text = srl__reply_slice(reply, at);
    if (text.data == NULL || !srl__redis_cursor_read(text, &cursor)) {
        cursor = (srl__redis_cursor){0, 0};
    }
    return cursor;
}

/* What the room delivers from here on does not continue what it has delivered. */
static void start_anew(srl__redis_room *room, srl__redis_cursor tip)
{
    char text[SRL__REDIS_CURSOR_TEXT];
    srl__slice epoch = srl__redis_epoch_text(tip, text);
    room->cursor = tip;
    if (room->room != NULL) {
        srl_node_reposition(room->node->node, room->room, tip.offset, epoch.data, epoch.len);
    }
}

/* True if there may be more than was read. */
static bool deliver_missed(srl__redis_room *room, const srl_reply *reply, uint32_t at)
{
    srl_reply_walk walk;
    uint32_t id, frame;
    uint32_t count = 0;
    srl_reply_walk_init(&walk, reply, at);
    if (srl_reply_walk_next(&walk, &id) == 0) {
        return false;
    }
    while (srl_reply_walk_next(&walk, &id) != 0 && srl_reply_walk_next(&walk, &frame) != 0) {
        srl__redis_cursor place = cursor_in(reply, id);
        if (place.epoch == 0 || room->gone || room->node->is_detached) {
            return false;
        }
        srl__redis_room_deliver(room, place, srl__reply_slice(reply, frame));
        count++;
    }
    return count >= LIMIT;
}

static void refuse(srl__redis_room *room)
{
    if (room->operation != NULL) {
        srl__redis_room_answer(room, SRL_ERR_REDIS);
    } else {
        room->was_live = true; /* not before the next sweep */
        room->state = SRL__ROOM_LIVE;
    }
}

static void take(srl__redis_room *room, const srl_reply *reply, uint32_t at)
{
    enum { FOLLOWS = 1, BROKEN = 2, OPENED = 3, LATER = 4, FOLLOWS_IN_PART = 5 };
    int64_t kind = 0;
    bool more = false;
    if (srl_reply_count(reply, at) > 0) {
        (void)srl_reply_i64(reply, srl_reply_child(reply, at, 0), &kind);
        if (kind == LATER) {
            srl__redis_doubt(room);
            return;
        }
        if (kind == FOLLOWS || kind == FOLLOWS_IN_PART) {
            more = deliver_missed(room, reply, at) || kind == FOLLOWS_IN_PART;
        } else {
            srl__redis_cursor tip = cursor_in(reply, srl_reply_child(reply, at, 1));
            if ((kind != BROKEN && kind != OPENED) || tip.epoch == 0) {
                refuse(room);
                return;
            }
            if (kind == OPENED) {
                room->cursor = tip;
            } else {
                start_anew(room, tip);
            }
        }
    }
    srl__redis_room_answer(room, SRL_OK);
    if (more) {
        srl__redis_doubt(room);
    } else if (!room->gone && !room->node->is_detached) {
        srl__redis_room_resume(room);
    }
}

/* The server is a replica by now, and the address may lead to another one. */
static bool is_wrong_server(int error, const srl_reply *reply)
{
    srl__slice line = error == SRL_ERR_REDIS ? srl__reply_slice(reply, SRL_REPLY_ROOT) : srl__slice_of("", 0);
    return line.data != NULL && srl_redis_error_classify(line.data, line.len) == SRL_REDIS_ERROR_ROLE;
}

static void reading_over(int error, const srl_reply *reply, void *user)
{
    reading *r = user;
    srl__redis_node *node = r->node;
    bool is_good = error == SRL_OK && srl_reply_count(reply, SRL_REPLY_ROOT) == r->count;
    srl_reply_walk walk;
    srl__redis_node_enter(node);
    node->readings--;
    if (is_good) {
        srl_reply_walk_init(&walk, reply, SRL_REPLY_ROOT);
    }
    for (uint32_t i = 0; i < r->count; i++) {
        srl__redis_room *room = r->rooms[i];
        uint32_t at = SRL_REPLY_NONE;
        if (is_good) {
            (void)srl_reply_walk_next(&walk, &at);
        }
        if (!node->is_detached && !room->gone && room->reading == r->number) {
            if (is_good) {
                take(room, reply, at);
            } else {
                srl__redis_doubt(room);
            }
        }
        srl__redis_room_unref(room);
    }
    srl__free(srl__redis_node_alloc(node), r, sizeof(*r));
    if (!node->is_detached && is_good) {
        srl__redis_catch_up(node);
    } else if (!node->is_detached && is_wrong_server(error, reply)) {
        srl_redis_client_reconnect(node->reader);
    }
    srl__redis_node_leave(node);
}

static void add_key(srl__redis_call *call, srl__redis_node *node, const srl__redis_room *room)
{
    srl__redis_call_add(call, srl__redis_room_stream(node, room));
}

static void add_cursor(srl__redis_call *call, const srl__redis_room *room)
{
    char text[SRL__REDIS_CURSOR_TEXT];
    srl__redis_call_add(call,
                        room->cursor.epoch != 0 ? srl__redis_cursor_text(room->cursor, text) : srl__slice_of("", 0));
}

static int ask(srl__redis_node *node, reading *r)
{
    srl__redis_call call;
    srl__redis_call_begin(&call, node, "catch_up", r->count);
    for (uint32_t i = 0; i < r->count; i++) {
        add_key(&call, node, r->rooms[i]);
    }
    srl__redis_call_add_u64(&call, node->base_epoch);
    srl__redis_call_add_u64(&call, LIMIT);
    srl__redis_call_add_u64(&call, LIMIT_BYTES);
    srl__redis_call_add_u64(&call, SRL__REDIS_SHORTEST_LIFE_MS);
    for (uint32_t i = 0; i < r->count; i++) {
        add_cursor(&call, r->rooms[i]);
    }
    int error = srl__redis_call_send(&call, node, node->reader, reading_over, r);
    srl__redis_call_free(&call);
    return error;
}

static reading *collect(srl__redis_node *node)
{
    reading *r = srl__alloc(srl__redis_node_alloc(node), sizeof(*r));
    if (r == NULL) {
        return NULL;
    }
    r->node = node;
    r->number = ++node->reading_number;
    r->count = 0;
    while (r->count < BATCH && !srl__list_is_empty(&node->doubtful)) {
        srl__redis_room *room = SRL__CONTAINER(srl__list_take_first(&node->doubtful), srl__redis_room, link);
        room->state = SRL__ROOM_READING;
        room->reading = r->number;
        room->asked_count = room->kept_count;
        room->heard = (srl__redis_cursor){0, 0}; /* the stream has it by now, or has lost it */
        room->refs++;
        r->rooms[r->count++] = room;
    }
    return r;
}

static void give_up(reading *r)
{
    for (uint32_t i = 0; i < r->count; i++) {
        srl__redis_doubt(r->rooms[i]);
        srl__redis_room_unref(r->rooms[i]);
    }
    srl__free(srl__redis_node_alloc(r->node), r, sizeof(*r));
}

void srl__redis_catch_up(srl__redis_node *node)
{
    while (node->readings < MAX_READINGS && !srl__list_is_empty(&node->doubtful) && node->state == SRL__NODE_UP &&
           node->hears && srl_redis_client_is_ready(node->reader) != 0) {
        reading *r = collect(node);
        if (r == NULL) {
            return;
        }
        if (ask(node, r) != SRL_OK) {
            give_up(r);
            return;
        }
        node->readings++;
    }
}
