// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The loop: epoll outside, libuv inside. libuv's own epoll fd is one of the sockets we wait for,
// and libuv's nearest timer bounds the wait; it is run only when it has something to do. Knows
// nothing of connections.

#include "odp/net/io.h"

#include <errno.h>
#include <stdlib.h>

#include "odp/base/fd.h"

#define BATCH       256
#define STREAM_BITS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET)

struct odp_io_loop {
    uv_loop_t *uv;
    int epoll_fd;
    struct odp_io uv_io; // stands for libuv's epoll fd; that fd is libuv's
    uint32_t round;
    bool uv_due;
    bool stop;
    struct odp_list turns;
    struct odp_list retired;
};

static void on_uv(struct odp_io *io, uint32_t events)
{
    (void)events;
    ODP_CONTAINER_OF(io, struct odp_io_loop, uv_io)->uv_due = true;
}

int odp_io_loop_new(uv_loop_t *uv, struct odp_io_loop **ret)
{
    struct odp_io_loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        return -ENOMEM;
    loop->uv = uv;
    loop->uv_io = (struct odp_io){.fd = uv_backend_fd(uv), .on_event = on_uv};
    loop->uv_due = true;
    odp_list_init(&loop->turns);
    odp_list_init(&loop->retired);

    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &loop->uv_io};
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0 || epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->uv_io.fd, &ev) < 0) {
        int r = -errno;
        odp_close(loop->epoll_fd);
        free(loop);
        return r;
    }
    *ret = loop;
    return 0;
}

static void reap_retired(struct odp_io_loop *loop)
{
    while (!odp_list_empty(&loop->retired)) {
        struct odp_list *node = loop->retired.next;
        odp_list_remove(node);
        struct odp_io_retired *r = ODP_CONTAINER_OF(node, struct odp_io_retired, node);
        r->on_free(r);
    }
}

void odp_io_loop_free(struct odp_io_loop *loop)
{
    if (!loop)
        return;
    reap_retired(loop);
    odp_close(loop->epoll_fd);
    free(loop);
}

// Each queued turn runs once; what queues itself again runs after the next batch.
static void run_turns(struct odp_io_loop *loop)
{
    struct odp_list *last = loop->turns.prev;

    while (!odp_list_empty(&loop->turns)) {
        struct odp_list *node = loop->turns.next;
        bool was_last = node == last;
        odp_list_remove(node);
        struct odp_io_turn *turn = ODP_CONTAINER_OF(node, struct odp_io_turn, node);
        turn->on_turn(turn);
        if (was_last)
            break;
    }
}

// -1: nothing to wait for but sockets; 0: libuv has work now.
static int uv_wait_ms(struct odp_io_loop *loop)
{
    if (loop->uv_due)
        return 0;
    uv_update_time(loop->uv);
    int ms = uv_backend_timeout(loop->uv);
    if (ms == 0)
        loop->uv_due = true;
    return ms;
}

static void run_uv(struct odp_io_loop *loop)
{
    while (loop->uv_due && !loop->stop) {
        loop->uv_due = false; // a callback that kicks sets it again
        uv_run(loop->uv, UV_RUN_NOWAIT);
    }
}

int odp_io_loop_run(struct odp_io_loop *loop)
{
    struct epoll_event events[BATCH];

    run_uv(loop);
    while (!loop->stop) {
        int wait_ms = uv_wait_ms(loop);
        if (!odp_list_empty(&loop->turns))
            wait_ms = 0;
        int n = epoll_wait(loop->epoll_fd, events, BATCH, wait_ms);
        if (n < 0 && errno != EINTR)
            return -errno;
        loop->round++;
        for (int i = 0; i < n; i++) {
            struct odp_io *io = events[i].data.ptr;
            if (io->fd < 0)
                continue;
            io->ready |= events[i].events;
            io->on_event(io, events[i].events);
        }
        run_turns(loop);
        run_uv(loop);
        reap_retired(loop);
    }
    return 0;
}

void odp_io_loop_stop(struct odp_io_loop *loop)
{
    loop->stop = true;
}

void odp_io_kick(struct odp_io_loop *loop)
{
    loop->uv_due = true;
}

uint32_t odp_io_loop_round(const struct odp_io_loop *loop)
{
    return loop->round;
}

uv_loop_t *odp_io_loop_uv(struct odp_io_loop *loop)
{
    return loop->uv;
}

static int add(struct odp_io_loop *loop, struct odp_io *io, uint32_t bits)
{
    struct epoll_event ev = {.events = bits, .data.ptr = io};

    io->ready = 0;
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, io->fd, &ev) < 0 ? -errno : 0;
}

int odp_io_add(struct odp_io_loop *loop, struct odp_io *io)
{
    return add(loop, io, STREAM_BITS);
}

int odp_io_add_listener(struct odp_io_loop *loop, struct odp_io *io)
{
    return add(loop, io, EPOLLIN);
}

void odp_io_pause_listener(struct odp_io_loop *loop, struct odp_io *io, bool paused)
{
    struct epoll_event ev = {.events = paused ? 0 : EPOLLIN, .data.ptr = io};

    // Cannot fail: the fd is registered and no memory is needed (epoll_ctl(2), EPOLL_CTL_MOD).
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &ev);
}

void odp_io_close(struct odp_io *io)
{
    io->fd = odp_close(io->fd);
    io->ready = 0;
}

void odp_io_turn_add(struct odp_io_loop *loop, struct odp_io_turn *turn)
{
    if (odp_list_empty(&turn->node))
        odp_list_append(&loop->turns, &turn->node);
}

void odp_io_retire(struct odp_io_loop *loop, struct odp_io_retired *r)
{
    odp_list_append(&loop->retired, &r->node);
}
