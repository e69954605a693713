// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Pipes for splice(2), pooled last-in first-out so that the warmest is used again. A pipe in the
// pool is empty; one that holds bytes nobody wants is closed, not cleaned. Where descriptors have
// run out, a box of memory holds the bytes that were read already.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct odp_pipe {
    int read_fd; // -1: a box
    int write_fd;
    struct odp_pipe *next; // in the pool
    size_t n_sent;         // of a box
    char bytes[];          // of a box
};

struct odp_pipe_pool {
    struct odp_pipe *free;
    unsigned n_free;
    int n_slots; // pages to ask for; less once the kernel said EPERM
};

void odp_pipe_pool_init(struct odp_pipe_pool *pool);
// Closes all pooled pipes; those taken out are not touched.
void odp_pipe_pool_trim(struct odp_pipe_pool *pool);

// NULL when out of descriptors or memory (errno says which).
struct odp_pipe *odp_pipe_take(struct odp_pipe_pool *pool);

// Puts n bytes into a pipe, or into a box where there is none to be had. NULL: out of memory.
struct odp_pipe *odp_pipe_keep(struct odp_pipe_pool *pool, const char *data, size_t n);

// A pipe out of its two ends, which are taken over: another process has filled it. NULL: out of
// memory, they are closed.
struct odp_pipe *odp_pipe_adopt(int read_fd, int write_fd);

// Moves up to n bytes out into a socket: as splice(2) and send(2) return. n is what it holds.
ssize_t odp_pipe_flush(struct odp_pipe *p, int fd, size_t n);

void odp_pipe_give(struct odp_pipe_pool *pool, struct odp_pipe *p, bool dirty);
