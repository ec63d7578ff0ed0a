#include "base/timers.h"

#include "base/bits.h"

/* A timer that is due later than now sits at the level of the highest 6-bit digit in which its time differs from now,
 * in the slot of that digit. So the slots in use of a level all lie behind now's own, everything in a level comes
 * before everything in a higher one, and a timer's place follows from its time and now alone. */

#define SRL__TIMERS_DIGIT_BITS 6
#define SRL__TIMERS_DIGIT_MASK 63U

static uint32_t level_of(const srl__timers *t, uint64_t due_ms)
{
    return srl__bits_highest(t->now_ms ^ due_ms) / SRL__TIMERS_DIGIT_BITS;
}

static uint32_t slot_of(uint32_t level, uint64_t due_ms)
{
    return (uint32_t)(due_ms >> (level * SRL__TIMERS_DIGIT_BITS)) & SRL__TIMERS_DIGIT_MASK;
}

static void put(srl__timers *t, srl__timer *timer, srl__list *when_due)
{
    if (timer->due_ms <= t->now_ms) {
        srl__list_append(when_due, &timer->link);
        return;
    }
    uint32_t level = level_of(t, timer->due_ms);
    uint32_t slot = slot_of(level, timer->due_ms);
    srl__list_append(&t->slots[level][slot], &timer->link);
    t->occupied[level] |= UINT64_C(1) << slot;
}

static void take_out(srl__timers *t, srl__timer *timer)
{
    srl__list_remove(&timer->link);
    if (timer->due_ms <= t->now_ms) {
        return;
    }
    uint32_t level = level_of(t, timer->due_ms);
    uint32_t slot = slot_of(level, timer->due_ms);
    if (srl__list_is_empty(&t->slots[level][slot])) {
        t->occupied[level] &= ~(UINT64_C(1) << slot);
    }
}

void srl__timers_init(srl__timers *t, uint64_t now_ms)
{
    t->now_ms = now_ms;
    t->armed = 0;
    for (uint32_t level = 0; level < SRL__TIMERS_LEVELS; level++) {
        t->occupied[level] = 0;
        for (uint32_t slot = 0; slot < SRL__TIMERS_SLOTS; slot++) {
            srl__list_init(&t->slots[level][slot]);
        }
    }
    srl__list_init(&t->late);
    srl__list_init(&t->expired);
}

void srl__timer_init(srl__timer *timer)
{
    srl__list_init(&timer->link);
    timer->due_ms = 0;
}

void srl__timer_arm(srl__timers *t, srl__timer *timer, uint64_t due_ms)
{
    if (srl__timer_is_armed(timer)) {
        take_out(t, timer);
    } else {
        t->armed++;
    }
    timer->due_ms = due_ms;
    put(t, timer, &t->late);
}

void srl__timer_cancel(srl__timers *t, srl__timer *timer)
{
    if (srl__timer_is_armed(timer)) {
        take_out(t, timer);
        t->armed--;
    }
}

/* The slot in use that begins first; false if the wheel is empty. */
static bool first_slot(const srl__timers *t, uint32_t *level, uint32_t *slot)
{
    for (uint32_t i = 0; i < SRL__TIMERS_LEVELS; i++) {
        if (t->occupied[i] != 0) {
            *level = i;
            *slot = srl__bits_lowest(t->occupied[i]);
            return true;
        }
    }
    return false;
}

static uint64_t slot_begin(const srl__timers *t, uint32_t level, uint32_t slot)
{
    uint32_t shift = level * SRL__TIMERS_DIGIT_BITS;
    uint64_t upper = t->now_ms >> shift & ~(uint64_t)SRL__TIMERS_DIGIT_MASK;
    return (upper | slot) << shift;
}

/* Now is where the slot begins: what is due expires, the rest goes to lower levels. */
static void open_slot(srl__timers *t, uint32_t level, uint32_t slot)
{
    t->occupied[level] &= ~(UINT64_C(1) << slot);
    if (level == 0) {
        srl__list_append_all(&t->expired, &t->slots[0][slot]);
        return;
    }
    srl__list *link;
    while ((link = srl__list_take_first(&t->slots[level][slot])) != NULL) {
        put(t, SRL__CONTAINER(link, srl__timer, link), &t->expired);
    }
}

void srl__timers_advance(srl__timers *t, uint64_t now_ms)
{
    srl__list_append_all(&t->expired, &t->late);
    uint32_t level, slot;
    while (first_slot(t, &level, &slot)) {
        uint64_t begin = slot_begin(t, level, slot);
        if (begin > now_ms) {
            break;
        }
        t->now_ms = begin;
        open_slot(t, level, slot);
    }
    if (now_ms > t->now_ms) {
        t->now_ms = now_ms;
    }
}

srl__timer *srl__timers_take_due(srl__timers *t)
{
    srl__list *link = srl__list_take_first(&t->expired);
    if (link == NULL) {
        return NULL;
    }
    t->armed--;
    return SRL__CONTAINER(link, srl__timer, link);
}

uint64_t srl__timers_next_ms(const srl__timers *t)
{
    if (!srl__list_is_empty(&t->expired) || !srl__list_is_empty(&t->late)) {
        return 0;
    }
    uint32_t level, slot;
    if (!first_slot(t, &level, &slot)) {
        return SRL__TIMERS_NEVER;
    }
    const srl__list *list = &t->slots[level][slot];
    if (list->next == list->prev) {
        return SRL__CONTAINER(list->next, srl__timer, link)->due_ms;
    }
    return slot_begin(t, level, slot);
}
