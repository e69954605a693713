// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The pool of pipes; see the header.

#include "pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/net/spare.h"

// A pipe is a ring of slots; a slot takes a page, or as little of one as a network card's segment.
// The kernel counts in bytes of whole pages, but it is the slots that matter: with pages of 16 KiB
// 512 KiB would be 32 slots, 45 KB from a card. 32 pipes of 128 slots, 64 of 64 and 256 of 16 are
// three quarters of what one user may have by default (pipe(7), pipe-user-pages-soft: 16384 pages).
// Pipes of 256 slots would save 3% CPU.
#define PIPE_SLOTS      128
#define PIPE_LESS_SLOTS 64
#define PIPE_MIN_SLOTS  16
#define N_LARGE         32
#define N_LESS          96
#define POOL_MAX        64
// What was refused may be had again: others have the same share.
#define N_DENIED 256

void odp_pipe_pool_init(struct odp_pipe_pool *pool)
{
    *pool = (struct odp_pipe_pool){.n_most = UINT_MAX};
}

static void pipe_free(struct odp_pipe_pool *pool, struct odp_pipe *p)
{
    if (p->read_fd >= 0)
        pool->n_open--;
    odp_close(p->read_fd);
    odp_close(p->write_fd);
    free(p);
}

static struct odp_pipe *take_free(struct odp_pipe_pool *pool)
{
    struct odp_pipe *p = pool->free;

    if (!p)
        return NULL;
    pool->free = p->next;
    if (!pool->free)
        pool->last = NULL;
    pool->n_free--;
    return p;
}

void odp_pipe_pool_trim(struct odp_pipe_pool *pool)
{
    struct odp_pipe *p;

    while ((p = take_free(pool)))
        pipe_free(pool, p);
    pool->n_most = UINT_MAX;
}

// Returns the slots that it has now. Above the user's share, and above pipe-max-size, the kernel
// says EPERM: a smaller one does.
static int grow(const struct odp_pipe_pool *pool, int fd)
{
    int page_bytes = (int)sysconf(_SC_PAGESIZE);
    int n_slots = pool->n_open <= N_LARGE  ? PIPE_SLOTS
                  : pool->n_open <= N_LESS ? PIPE_LESS_SLOTS
                                           : PIPE_MIN_SLOTS;

    for (; n_slots >= PIPE_MIN_SLOTS; n_slots /= 2)
        if (fcntl(fd, F_SETPIPE_SZ, n_slots * page_bytes) >= 0)
            return n_slots;
    return fcntl(fd, F_GETPIPE_SZ) / page_bytes;
}

// Both ends are the pipe's from here on.
static struct odp_pipe *pipe_new(struct odp_pipe_pool *pool, int read_fd, int write_fd)
{
    struct odp_pipe *p = malloc(sizeof(*p));

    if (!p) {
        odp_close(read_fd);
        odp_close(write_fd);
        errno = ENOMEM;
        return NULL;
    }
    *p = (struct odp_pipe){.read_fd = read_fd, .write_fd = write_fd};
    pool->n_open++;
    return p;
}

struct odp_pipe *odp_pipe_take(struct odp_pipe_pool *pool)
{
    struct odp_pipe *p = take_free(pool);
    int fds[2], e = 0;

    if (p)
        return p;
    if (pool->n_open >= pool->n_most && ++pool->n_denied % N_DENIED != 0) {
        errno = ENOBUFS;
        return NULL;
    }
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return NULL;
    p = pipe_new(pool, fds[0], fds[1]);
    if (!p)
        return NULL;
    p->n_slots = grow(pool, fds[1]);
    if (odp_spare_has(ODP_SPARE_FROM_RELAYS, fds[1])) {
        e = EMFILE;
    } else if (p->n_slots < PIPE_MIN_SLOTS) {
        pool->n_most = pool->n_open - 1;
        e = ENOBUFS;
    }
    if (e == 0)
        return p;
    pipe_free(pool, p);
    errno = e;
    return NULL;
}

struct odp_pipe *odp_pipe_keep(struct odp_pipe_pool *pool, const char *data, size_t n)
{
    struct odp_pipe *p = odp_pipe_take(pool);

    if (p && write(p->write_fd, data, n) == (ssize_t)n)
        return p;
    if (p) // it cannot be: the smallest pipe takes more than a buffer
        pipe_free(pool, p);
    p = malloc(sizeof(*p) + n);
    if (!p)
        return NULL;
    *p = (struct odp_pipe){.read_fd = -1, .write_fd = -1};
    memcpy(p->bytes, data, n);
    return p;
}

struct odp_pipe *odp_pipe_adopt(struct odp_pipe_pool *pool, int read_fd, int write_fd)
{
    return pipe_new(pool, read_fd, write_fd); // small or large: it goes to the others' end
}

ssize_t odp_pipe_flush(struct odp_pipe *p, int fd, size_t n)
{
    if (p->read_fd >= 0)
        return splice(p->read_fd, NULL, fd, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    ssize_t sent = send(fd, p->bytes + p->n_sent, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0)
        p->n_sent += (size_t)sent;
    return sent;
}

void odp_pipe_give(struct odp_pipe_pool *pool, struct odp_pipe *p, bool dirty)
{
    if (dirty || p->read_fd < 0 || pool->n_free >= POOL_MAX) {
        pipe_free(pool, p);
        return;
    }
    bool is_first = !pool->free || p->n_slots >= pool->free->n_slots;
    struct odp_pipe **at = is_first ? &pool->free : &pool->last->next;
    p->next = is_first ? pool->free : NULL;
    *at = p;
    if (!p->next)
        pool->last = p;
    pool->n_free++;
}
