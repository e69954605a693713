// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Pipes for splice(2), pooled last-in first-out so that the warmest is used again. A pipe in the
// pool is empty; one that holds bytes nobody wants is closed, not cleaned.

#pragma once

#include <stdbool.h>

struct odp_pipe {
    int read_fd;
    int write_fd;
    struct odp_pipe *next; // in the pool
};

struct odp_pipe_pool {
    struct odp_pipe *free;
    unsigned n_free;
    int n_bytes; // capacity to ask for; less once the kernel said EPERM
};

void odp_pipe_pool_init(struct odp_pipe_pool *pool);
// Closes all pooled pipes; those taken out are not touched.
void odp_pipe_pool_trim(struct odp_pipe_pool *pool);

// NULL when out of descriptors or memory (errno says which).
struct odp_pipe *odp_pipe_take(struct odp_pipe_pool *pool);
void odp_pipe_give(struct odp_pipe_pool *pool, struct odp_pipe *p, bool dirty);
