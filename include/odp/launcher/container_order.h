// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which of a service's containers wait for which others, and for what. Containers are numbers here:
// their places in the array of their service. Pure.

#pragma once

#include <stdbool.h>
#include <stddef.h>

// What a container has to be before one that waits for it is started.
enum odp_condition {
    ODP_CONDITION_STARTED,   // it runs, or has run to a good end
    ODP_CONDITION_SOUND,     // and where it has a health check, it is healthy
    ODP_CONDITION_HEALTHY,   // it has a health check, and is healthy
    ODP_CONDITION_COMPLETED, // it has ended with status 0
};

struct odp_order_edge {
    size_t first, then; // `then` is started after `first`, and stopped before it
    enum odp_condition condition;
};

struct odp_order {
    struct odp_order_edge *edges; // owned
    size_t n_edges;
};

// Returns 0 or -ENOMEM.
int odp_order_add(struct odp_order *o, size_t first, size_t then, enum odp_condition condition);

// Whether some of the first n_nodes wait for each other, so that none of them could be started;
// *ret_node is one of these. Without memory it is not found out: false.
bool odp_order_goes_round(const struct odp_order *o, size_t n_nodes, size_t *ret_node);

// Whether somebody waits for `node` to come to that.
bool odp_order_is_awaited(const struct odp_order *o, size_t node, enum odp_condition condition);

// No edge is left.
void odp_order_deinit(struct odp_order *o);
