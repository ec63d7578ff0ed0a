#include "broker/positions.h"

#include <streamrelay/error.h>

/* What a full table looks for before it refuses. */
#define EXPIRE_WHEN_FULL 64

/* A key is the user's length, the user, the channel. */
#define KEY_LEN_MAX (sizeof(uint32_t) + 2 * SRL__POSITION_NAME_MAX)

void srl__positions_init(srl__positions *positions, const srl_allocator *alloc, uint64_t seed, uint64_t now_ms)
{
    positions->alloc = alloc;
    positions->max_count = SRL__POSITIONS_MAX;
    srl__map_init(&positions->map, alloc, seed);
    srl__timers_init(&positions->timers, now_ms);
    srl__buf_init(&positions->key, alloc, KEY_LEN_MAX);
}

static void free_position(const srl_allocator *alloc, srl__position *position)
{
    srl__free(alloc, position, sizeof(*position) + position->key_len);
}

void srl__positions_free(srl__positions *positions)
{
    uint32_t cursor = 0;
    srl__position *position;
    while ((position = srl__map_next(&positions->map, &cursor)) != NULL) {
        free_position(positions->alloc, position);
    }
    srl__map_free(&positions->map);
    if (positions->key.data != NULL) {
        srl__buf_free(&positions->key);
    }
}

static void drop(srl__positions *positions, srl__position *position)
{
    srl__timer_cancel(&positions->timers, &position->expiry);
    srl__map_remove(&positions->map, srl__slice_of(position->key, position->key_len));
    free_position(positions->alloc, position);
}

static bool has_valid_names(const srl_broker_position *given)
{
    return given->user_len <= SRL__POSITION_NAME_MAX && given->channel_len <= SRL__POSITION_NAME_MAX;
}

static size_t key_len_of(const srl_broker_position *given)
{
    return sizeof(uint32_t) + given->user_len + given->channel_len;
}

/* There must be room for it. */
static srl__slice make_key(srl__buf *key, const srl_broker_position *given)
{
    uint32_t user_len = (uint32_t)given->user_len;
    srl__buf_reset(key);
    srl__buf_append(key, &user_len, sizeof(user_len));
    srl__buf_append(key, given->user, given->user_len);
    srl__buf_append(key, given->channel, given->channel_len);
    return srl__slice_of(key->data, key->len);
}

static srl__position *find(srl__positions *positions, srl__slice key, uint64_t now_ms)
{
    srl__position *position = srl__map_get(&positions->map, key);
    if (position != NULL && srl__timer_is_armed(&position->expiry) && position->expiry.due_ms <= now_ms) {
        drop(positions, position);
        return NULL;
    }
    return position;
}

static int add(srl__positions *positions, srl__slice key, uint64_t now_ms, srl__position **out)
{
    if (positions->map.count >= positions->max_count) {
        srl__positions_expire(positions, now_ms, EXPIRE_WHEN_FULL);
    }
    if (positions->map.count >= positions->max_count) {
        return SRL_ERR_LIMIT;
    }
    srl__position *position = srl__alloc(positions->alloc, sizeof(*position) + key.len);
    if (position == NULL) {
        return SRL_ERR_NOMEM;
    }
    *position = (srl__position){.key_len = (uint32_t)key.len};
    srl__timer_init(&position->expiry);
    memcpy(position->key, key.data, key.len);
    int rc = srl__map_add(&positions->map, srl__slice_of(position->key, key.len), position);
    if (rc != SRL_OK) {
        free_position(positions->alloc, position);
        return rc;
    }
    *out = position;
    return SRL_OK;
}

static bool is_behind(const srl_broker_position *given, const srl__position *kept)
{
    return given->offset < kept->offset &&
           srl__slice_equal(srl__slice_of(given->epoch, given->epoch_len), srl__slice_of(kept->epoch, kept->epoch_len));
}

static void put(srl__positions *positions, srl__position *position, const srl_broker_position *given, uint64_t now_ms)
{
    position->offset = given->offset;
    position->epoch_len = (uint8_t)given->epoch_len;
    if (given->epoch_len > 0) {
        memcpy(position->epoch, given->epoch, given->epoch_len);
    }
    if (given->ttl_ms == 0 || given->ttl_ms >= SRL__TIMERS_NEVER - now_ms) {
        srl__timer_cancel(&positions->timers, &position->expiry);
    } else {
        srl__timer_arm(&positions->timers, &position->expiry, now_ms + given->ttl_ms);
    }
}

int srl__positions_set(srl__positions *positions, const srl_broker_position *given, uint64_t now_ms,
                       const srl__position **kept)
{
    if (!has_valid_names(given) || given->epoch_len > SRL__POSITION_EPOCH_MAX) {
        return SRL_ERR_INVALID;
    }
    srl__buf_reset(&positions->key);
    int rc = srl__buf_reserve(&positions->key, key_len_of(given));
    if (rc != SRL_OK) {
        return rc;
    }
    srl__slice key = make_key(&positions->key, given);
    srl__position *position = find(positions, key, now_ms);
    if (position != NULL && is_behind(given, position)) {
        *kept = position;
        return SRL_OK;
    }
    if (position == NULL) {
        rc = add(positions, key, now_ms, &position);
        if (rc != SRL_OK) {
            return rc;
        }
    }
    put(positions, position, given, now_ms);
    *kept = position;
    return SRL_OK;
}

const srl__position *srl__positions_get(srl__positions *positions, const srl_broker_position *given, uint64_t now_ms)
{
    if (!has_valid_names(given) || key_len_of(given) > positions->key.capacity) {
        return NULL;
    }
    return find(positions, make_key(&positions->key, given), now_ms);
}

void srl__positions_expire(srl__positions *positions, uint64_t now_ms, uint32_t max)
{
    srl__timer *timer;
    srl__timers_advance(&positions->timers, now_ms);
    for (uint32_t i = 0; i < max && (timer = srl__timers_take_due(&positions->timers)) != NULL; i++) {
        drop(positions, SRL__CONTAINER(timer, srl__position, expiry));
    }
}
