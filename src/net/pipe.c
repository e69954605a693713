// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The pool of pipes; see the header.

#include "pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/net/spare.h"

// A pipe is a ring of slots; a slot takes a page, or as little of one as a network card's segment.
// The kernel counts in bytes of whole pages, but it is the slots that matter: with pages of 16 KiB
// 512 KiB would be 32 slots, 45 KB from a card. 64 pipes of 128 slots are half of what one user may
// have by default (pipe(7), pipe-user-pages-soft: 16384 pages). Twice as many would save 3% CPU and
// reach that limit.
#define PIPE_SLOTS     128
#define PIPE_MIN_SLOTS 16 // what each pipe has
#define POOL_MAX       64

void odp_pipe_pool_init(struct odp_pipe_pool *pool)
{
    *pool = (struct odp_pipe_pool){.n_slots = PIPE_SLOTS};
}

// Above the user's share, and above pipe-max-size, the kernel says EPERM: smaller pipes do, the
// default if need be.
static void grow(struct odp_pipe_pool *pool, int fd)
{
    int page_bytes = (int)sysconf(_SC_PAGESIZE);

    while (pool->n_slots > PIPE_MIN_SLOTS &&
           fcntl(fd, F_SETPIPE_SZ, pool->n_slots * page_bytes) < 0)
        pool->n_slots /= 2;
}

static void pipe_free(struct odp_pipe *p)
{
    odp_close(p->read_fd);
    odp_close(p->write_fd);
    free(p);
}

void odp_pipe_pool_trim(struct odp_pipe_pool *pool)
{
    while (pool->free) {
        struct odp_pipe *p = pool->free;
        pool->free = p->next;
        pipe_free(p);
    }
    pool->n_free = 0;
}

struct odp_pipe *odp_pipe_take(struct odp_pipe_pool *pool)
{
    struct odp_pipe *p = pool->free;
    if (p) {
        pool->free = p->next;
        pool->n_free--;
        return p;
    }
    p = malloc(sizeof(*p));
    if (!p)
        return NULL;
    int fds[2];
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
        int e = errno;
        free(p);
        errno = e;
        return NULL;
    }
    p->read_fd = fds[0];
    p->write_fd = fds[1];
    if (odp_spare_has(ODP_SPARE_FROM_RELAYS, fds[1])) {
        pipe_free(p);
        errno = EMFILE;
        return NULL;
    }
    grow(pool, p->write_fd);
    return p;
}

struct odp_pipe *odp_pipe_keep(struct odp_pipe_pool *pool, const char *data, size_t n)
{
    struct odp_pipe *p = odp_pipe_take(pool);

    if (p && write(p->write_fd, data, n) == (ssize_t)n)
        return p;
    if (p) // it cannot be: the smallest pipe takes more than a buffer
        pipe_free(p);
    p = malloc(sizeof(*p) + n);
    if (!p)
        return NULL;
    *p = (struct odp_pipe){.read_fd = -1, .write_fd = -1};
    memcpy(p->bytes, data, n);
    return p;
}

struct odp_pipe *odp_pipe_adopt(int read_fd, int write_fd)
{
    struct odp_pipe *p = malloc(sizeof(*p));

    if (!p) {
        odp_close(read_fd);
        odp_close(write_fd);
        return NULL;
    }
    *p = (struct odp_pipe){.read_fd = read_fd, .write_fd = write_fd};
    return p;
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
        pipe_free(p);
        return;
    }
    p->next = pool->free;
    pool->free = p;
    pool->n_free++;
}
