/* Intrusive doubly linked ring. A node that is in no list points to itself. */
#ifndef SRL__LIST_H
#define SRL__LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct srl__list {
    struct srl__list *prev;
    struct srl__list *next;
} srl__list;

#define SRL__CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void srl__list_init(srl__list *list)
{
    list->prev = list;
    list->next = list;
}

static inline bool srl__list_is_empty(const srl__list *list)
{
    return list->next == list;
}

/* Put a node (in no list) at the end of a ring. */
static inline void srl__list_append(srl__list *list, srl__list *node)
{
    node->prev = list->prev;
    node->next = list;
    list->prev->next = node;
    list->prev = node;
}

/* Take a node out; taking out one that is in no list does nothing. */
static inline void srl__list_remove(srl__list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    srl__list_init(node);
}

/* Move all nodes of `from` to the end of `list`. */
static inline void srl__list_append_all(srl__list *list, srl__list *from)
{
    if (srl__list_is_empty(from)) {
        return;
    }
    from->next->prev = list->prev;
    list->prev->next = from->next;
    from->prev->next = list;
    list->prev = from->prev;
    srl__list_init(from);
}

/* The first node, taken out, or NULL. */
static inline srl__list *srl__list_take_first(srl__list *list)
{
    srl__list *first = list->next;
    if (first == list) {
        return NULL;
    }
    srl__list_remove(first);
    return first;
}

#endif
