// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The data path's event loop: one edge-triggered epoll, each socket registered once for everything,
// and libuv nested inside it for timers, signals, processes and the control socket. libuv alone
// would register, modify and unregister each socket several times in its life.
//
// Rule for the nesting: every libuv I/O callback (not timers) begins with odp_io_kick(), because
// libuv registers watchers that a callback started only when it is run once more.

#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <uv.h>

#include "odp/base/list.h"

struct odp_io_loop;
struct odp_io;

// `events` are the epoll bits that just came; they have been added to io->ready.
typedef void (*odp_io_cb)(struct odp_io *io, uint32_t events);

// One registered socket, inside its owner. ready keeps EPOLLIN and EPOLLOUT until a call said
// EAGAIN (the owner clears them), and the hang-up bits for good.
struct odp_io {
    int fd; // owned by whoever owns this; -1 when closed
    uint32_t ready;
    odp_io_cb on_event;
};

// Work that wants to go on after the other sockets had their turn.
struct odp_io_turn {
    struct odp_list node;
    void (*on_turn)(struct odp_io_turn *turn);
};

// Memory that events of the current batch may still point at.
struct odp_io_retired {
    struct odp_list node;
    void (*on_free)(struct odp_io_retired *r);
};

// Takes no ownership of `uv`. Returns 0 or a negative errno.
int odp_io_loop_new(uv_loop_t *uv, struct odp_io_loop **ret);
void odp_io_loop_free(struct odp_io_loop *loop);

// Runs until odp_io_loop_stop(). Returns 0 or a negative errno.
int odp_io_loop_run(struct odp_io_loop *loop);
void odp_io_loop_stop(struct odp_io_loop *loop);
void odp_io_kick(struct odp_io_loop *loop);
uv_loop_t *odp_io_loop_uv(struct odp_io_loop *loop);

// Counts the rounds of the loop: two events with the same or the next number came close together.
uint32_t odp_io_loop_round(const struct odp_io_loop *loop);

// Registers io->fd for data: edge-triggered, in and out. Returns 0 or a negative errno.
int odp_io_add(struct odp_io_loop *loop, struct odp_io *io);

// Registers a listening socket: level-triggered, and it can be paused.
int odp_io_add_listener(struct odp_io_loop *loop, struct odp_io *io);
void odp_io_pause_listener(struct odp_io_loop *loop, struct odp_io *io, bool paused);

// Closes the fd (which unregisters it); later events of this batch find fd -1 and are dropped.
void odp_io_close(struct odp_io *io);

// Calls turn->on_turn after this batch; nothing if it is queued already.
void odp_io_turn_add(struct odp_io_loop *loop, struct odp_io_turn *turn);

// Calls r->on_free when no event of the current batch can point at it any more.
void odp_io_retire(struct odp_io_loop *loop, struct odp_io_retired *r);
