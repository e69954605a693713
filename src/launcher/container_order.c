// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The order of containers as a list of edges; see the header. There are few of them, so they are
// gone through again and again.

#include "odp/launcher/container_order.h"

#include <errno.h>
#include <stdlib.h>

int odp_order_add(struct odp_order *o, size_t first, size_t then, enum odp_condition condition)
{
    struct odp_order_edge *more = reallocarray(o->edges, o->n_edges + 1, sizeof(*more));

    if (!more)
        return -ENOMEM;
    o->edges = more;
    more[o->n_edges++] =
        (struct odp_order_edge){.first = first, .then = then, .condition = condition};
    return 0;
}

static size_t before(const struct odp_order *o, size_t node, const bool *is_gone)
{
    for (size_t i = 0; i < o->n_edges; i++)
        if (o->edges[i].then == node && !is_gone[o->edges[i].first])
            return o->edges[i].first;
    return node;
}

// Takes away, again and again, whoever waits for nobody that is left.
bool odp_order_goes_round(const struct odp_order *o, size_t n_nodes, size_t *ret_node)
{
    bool *is_gone = calloc(n_nodes + 1, sizeof(*is_gone));
    bool has_changed = is_gone, goes_round = false;

    while (has_changed) {
        has_changed = false;
        for (size_t node = 0; node < n_nodes; node++) {
            bool waits = is_gone[node];
            for (size_t i = 0; i < o->n_edges; i++)
                waits |= o->edges[i].then == node && !is_gone[o->edges[i].first];
            has_changed |= !waits;
            is_gone[node] |= !waits;
        }
    }
    for (size_t node = n_nodes; is_gone && node-- > 0;)
        if (!is_gone[node]) {
            *ret_node = node;
            goes_round = true;
        }
    for (size_t i = 0; goes_round && i < n_nodes; i++)
        *ret_node = before(o, *ret_node, is_gone); // from who only waits for the ring, into it
    free(is_gone);
    return goes_round;
}

bool odp_order_is_awaited(const struct odp_order *o, size_t node, enum odp_condition condition)
{
    for (size_t i = 0; i < o->n_edges; i++)
        if (o->edges[i].first == node && o->edges[i].condition == condition)
            return true;
    return false;
}

void odp_order_deinit(struct odp_order *o)
{
    free(o->edges);
    *o = (struct odp_order){0};
}
