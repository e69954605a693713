// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Intrusive doubly linked list. The node lives inside its element, so linking never allocates
// and an element unlinks itself in constant time. A list head is a node that points at itself.

#pragma once

#include <stdbool.h>
#include <stddef.h>

struct odp_list {
    struct odp_list *next;
    struct odp_list *prev;
};

// By way of void *: the compiler cannot know that the element is aligned where its member is.
#define ODP_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void odp_list_init(struct odp_list *l)
{
    l->next = l;
    l->prev = l;
}

// True for an empty head, and for a node that is in no list.
static inline bool odp_list_empty(const struct odp_list *l)
{
    return l->next == l;
}

static inline void odp_list_append(struct odp_list *head, struct odp_list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

// Safe on a node that is in no list; leaves the node initialised.
static inline void odp_list_remove(struct odp_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    odp_list_init(node);
}

// The loop body must not remove `it`; use the _safe form where it may.
#define odp_list_foreach(it, head)                                                                 \
    for (struct odp_list *it = (head)->next; it != (head); it = it->next)

// The body may remove `it`, but no other element.
#define odp_list_foreach_safe(it, head)                                                            \
    for (struct odp_list *it = (head)->next, *it##_next = it->next; it != (head);                  \
         it = it##_next, it##_next = it->next)
