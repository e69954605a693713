// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Pipes for splice(2), pooled last-in first-out so that the warmest is used again. A pipe in the
// pool is empty; one that holds bytes nobody wants is closed, not cleaned. Where descriptors have
// run out, a box of memory holds the bytes that were read already.
//
// All pipes of an unprivileged user may hold 64 MiB together (pipe(7), pipe-user-pages-soft). So
// the more there are, the smaller a new one is; and beyond the limit, where the kernel gives out
// pipes that hold less than the relay's buffer, there are none.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct odp_pipe {
    int read_fd; // -1: a box
    int write_fd;
    struct odp_pipe *next; // in the pool
    int n_slots;           // how many pages it takes; 0: unknown, or a box
    size_t n_sent;         // of a box
    char bytes[];          // of a box
};

struct odp_pipe_pool {
    struct odp_pipe *free, *last; // the largest first
    unsigned n_free;
    unsigned n_open;   // with those that are taken
    unsigned n_most;   // so many were open when the kernel refused one more
    unsigned n_denied; // without asking it again
};

void odp_pipe_pool_init(struct odp_pipe_pool *pool);
// Closes all pooled pipes; those taken out are not touched.
void odp_pipe_pool_trim(struct odp_pipe_pool *pool);

// NULL when out of descriptors, memory or the user's share of pipes (errno says which: EMFILE,
// ENOMEM, ENOBUFS).
struct odp_pipe *odp_pipe_take(struct odp_pipe_pool *pool);

// Puts n bytes into a pipe, or into a box where there is none to be had. NULL: out of memory.
struct odp_pipe *odp_pipe_keep(struct odp_pipe_pool *pool, const char *data, size_t n);

// A pipe out of its two ends, which are taken over: another process has filled it. NULL: out of
// memory, they are closed.
struct odp_pipe *odp_pipe_adopt(struct odp_pipe_pool *pool, int read_fd, int write_fd);

// Moves up to n bytes out into a socket: as splice(2) and send(2) return. n is what it holds.
ssize_t odp_pipe_flush(struct odp_pipe *p, int fd, size_t n);

void odp_pipe_give(struct odp_pipe_pool *pool, struct odp_pipe *p, bool dirty);
