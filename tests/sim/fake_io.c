// SPDX-License-Identifier: LGPL-2.1-or-later
//
// net/io's loop over the fake sockets, with the same order: a batch of events as they were when it
// was fetched, then turns, then libuv, then what was retired. An event may so come to a socket that
// has been closed meanwhile, or to another one in its place, as with epoll.

#include <errno.h>
#include <stdlib.h>

#include "sim.h"
#include "wraps.h"

#define BATCH 256

struct odp_io_loop {
    uv_loop_t uv;
    uint32_t round;
    struct odp_list turns;
    struct odp_list retired;
};

struct event {
    struct odp_io *io;
    uint32_t bits;
};

bool fake_io_counts_rounds = true;
static struct odp_io_loop the_loop;
static struct odp_list queue; // connections with news, in the order of them

int odp_io_loop_new(uv_loop_t *uv, struct odp_io_loop **ret)
{
    (void)uv;
    the_loop.round = 0;
    odp_list_init(&the_loop.turns);
    odp_list_init(&the_loop.retired);
    odp_list_init(&queue);
    *ret = &the_loop;
    return 0;
}

uv_loop_t *odp_io_loop_uv(struct odp_io_loop *loop)
{
    return &loop->uv;
}

uint32_t odp_io_loop_round(const struct odp_io_loop *loop)
{
    return fake_io_counts_rounds ? loop->round : 0;
}

void odp_io_kick(struct odp_io_loop *loop)
{
    (void)loop;
}

void fake_io_news(struct fake_conn *c)
{
    if (c->queued || !c->io)
        return;
    c->queued = true;
    odp_list_append(&queue, &c->node);
}

static int add(struct odp_io *io)
{
    struct fake_conn *c = fake_conn_of(io);

    io->ready = 0;
    c->io = io;
    fake_io_news(c);
    return 0;
}

int odp_io_add(struct odp_io_loop *loop, struct odp_io *io)
{
    (void)loop;
    return add(io);
}

int odp_io_add_listener(struct odp_io_loop *loop, struct odp_io *io)
{
    (void)loop;
    return add(io);
}

void odp_io_pause_listener(struct odp_io_loop *loop, struct odp_io *io, bool paused)
{
    struct fake_conn *c = fake_conn_of(io);

    (void)loop;
    c->paused = paused;
    fake_io_news(c);
}

void odp_io_close(struct odp_io *io)
{
    __wrap_odp_close(io->fd);
    io->fd = -1;
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

// ---- rounds ------------------------------------------------------------------------------------

static uint32_t bits_of(const struct fake_conn *c)
{
    if (c->kind == FAKE_LISTENER)
        return !c->paused && fake_listener_has_client(c) ? EPOLLIN : 0;
    if (c->refused || c->reset)
        return EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
    if (c->kind == FAKE_UPSTREAM && !c->connected)
        return 0;
    return EPOLLOUT | (c->n_read < c->n_in || c->fin ? EPOLLIN : 0U) | (c->fin ? EPOLLRDHUP : 0U) |
           (c->fin && c->shut ? EPOLLHUP : 0U);
}

static unsigned fetch(struct event *ret)
{
    struct odp_list listeners;
    unsigned n = 0;

    odp_list_init(&listeners);
    while (!odp_list_empty(&queue) && n < BATCH) {
        struct fake_conn *c = ODP_CONTAINER_OF(queue.next, struct fake_conn, node);
        uint32_t bits = bits_of(c);
        odp_list_remove(&c->node);
        c->queued = false;
        if (bits == 0)
            continue;
        ret[n++] = (struct event){.io = c->io, .bits = bits};
        if (c->kind == FAKE_LISTENER) { // level-triggered: it says so until its queue is empty
            c->queued = true;
            odp_list_append(&listeners, &c->node);
        }
        if (c->resets && c->connected && !c->reset) {
            c->reset = true;
            fake_io_news(c);
        }
    }
    while (!odp_list_empty(&listeners)) {
        struct odp_list *node = listeners.next;
        odp_list_remove(node);
        odp_list_append(&queue, node);
    }
    return n;
}

static bool run_turns(void)
{
    struct odp_list *last = the_loop.turns.prev;
    bool any = false;

    while (!odp_list_empty(&the_loop.turns)) {
        struct odp_list *node = the_loop.turns.next;
        bool was_last = node == last;
        any = true;
        odp_list_remove(node);
        struct odp_io_turn *turn = ODP_CONTAINER_OF(node, struct odp_io_turn, node);
        turn->on_turn(turn);
        if (was_last)
            break;
    }
    return any;
}

static void reap(void)
{
    while (!odp_list_empty(&the_loop.retired)) {
        struct odp_list *node = the_loop.retired.next;
        odp_list_remove(node);
        struct odp_io_retired *r = ODP_CONTAINER_OF(node, struct odp_io_retired, node);
        r->on_free(r);
    }
}

bool fake_io_round(void)
{
    struct event events[BATCH];
    unsigned n = fetch(events);

    the_loop.round++;
    for (unsigned i = 0; i < n; i++) {
        if (events[i].io->fd < 0)
            continue;
        events[i].io->ready |= events[i].bits;
        events[i].io->on_event(events[i].io, events[i].bits);
    }
    bool any = run_turns();
    any |= fake_timers_run();
    reap();
    return any || n > 0;
}
