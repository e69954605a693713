// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The relay's data path. All of an idle connection's cost is in struct odp_relay; all of a busy
// one's is in recv, send and splice. Does not know what it relays, nor why.

#include "odp/net/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pipe.h"
#include "relay_watch.h"

// Operations one connection may do before the others have their turn.
#define BUDGET 16
// One splice moves at most this much.
#define SPLICE_BYTES (1024 * 1024)
#define SPLICE_FLAGS (SPLICE_F_MOVE | SPLICE_F_NONBLOCK)
// After these a short read does not mean that the socket is drained: read until EAGAIN or the end.
#define THOROUGH (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)

struct odp_relays {
    struct odp_io_loop *loop;
    struct odp_pipe_pool pool;
    struct relay_watch watch;
    char buffer[ODP_RELAY_BUFFER_BYTES];
};

enum pump_result {
    PUMP_BLOCKED,     // an event will tell when to go on
    PUMP_OUT_OF_TURN, // could go on, but others wait
};

int odp_relays_new(struct odp_io_loop *loop, struct odp_relays **ret)
{
    struct odp_relays *relays = malloc(sizeof(*relays));
    if (!relays)
        return -ENOMEM;
    relays->loop = loop;
    odp_pipe_pool_init(&relays->pool);
    relay_watch_init(&relays->watch, loop);
    *ret = relays;
    return 0;
}

void odp_relays_trim(struct odp_relays *relays)
{
    odp_pipe_pool_trim(&relays->pool);
    relay_watch_rest(&relays->watch);
}

static void on_closed(uv_handle_t *timer)
{
    struct relay_watch *w = timer->data;

    free(ODP_CONTAINER_OF(w, struct odp_relays, watch));
}

void odp_relays_close(struct odp_relays *relays)
{
    if (!relays)
        return;
    odp_relays_trim(relays);
    relay_watch_close(&relays->watch, on_closed);
}

char *odp_relays_buffer(struct odp_relays *relays)
{
    return relays->buffer;
}

static void drop_pipe(struct odp_relay *r, struct odp_relay_flow *f)
{
    if (!f->pipe)
        return;
    odp_pipe_give(&r->relays->pool, f->pipe, f->n_in_pipe > 0);
    f->pipe = NULL;
    f->n_in_pipe = 0;
}

// The far side takes no more: this direction is over. The other one runs on until its own end,
// since what the far side sent before may still be on its way.
static void on_write_error(struct odp_relay *r, struct odp_relay_flow *f)
{
    drop_pipe(r, f);
    f->eof = true;
    f->done = true;
    f->reset = true;
}

// The source is dead: what it sent before still goes out, nothing can be sent to it.
static void on_read_error(struct odp_relay *r, int side)
{
    r->flows[side].eof = true;
    r->flows[side].reset = true;
    on_write_error(r, &r->flows[!side]);
}

// Pipe to far side. Returns false when blocked.
static bool flush_pipe(struct odp_relay *r, struct odp_relay_flow *f, struct odp_io *to)
{
    if (!(to->ready & EPOLLOUT))
        return false;
    ssize_t n = odp_pipe_flush(f->pipe, to->fd, f->n_in_pipe);
    if (n < 0) {
        if (errno == EAGAIN) {
            to->ready &= ~(uint32_t)EPOLLOUT;
            return false;
        }
        if (errno != EINTR)
            on_write_error(r, f);
        return true;
    }
    f->n_in_pipe -= (uint32_t)n;
    f->n_bytes += (uint64_t)n;
    relay_watch_add(&r->relays->watch, r);
    if (f->n_in_pipe == 0)
        drop_pipe(r, f);
    return true;
}

// What a short send left over waits in a pipe.
static void keep_rest(struct odp_relay *r, struct odp_relay_flow *f, const char *rest, size_t n)
{
    f->pipe = odp_pipe_keep(&r->relays->pool, rest, n);
    if (f->pipe)
        f->n_in_pipe = (uint32_t)n;
    else
        on_write_error(r, f);
}

static void send_buffer(struct odp_relay *r, struct odp_relay_flow *f, struct odp_io *to, size_t n)
{
    const char *buffer = r->relays->buffer;
    ssize_t sent = send(to->fd, buffer, n, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            on_write_error(r, f);
            return;
        }
        if (errno == EAGAIN)
            to->ready &= ~(uint32_t)EPOLLOUT;
        sent = 0;
    }
    f->n_bytes += (uint64_t)sent;
    relay_watch_add(&r->relays->watch, r);
    if ((size_t)sent < n)
        keep_rest(r, f, buffer + sent, n - (size_t)sent);
}

// Returns false when blocked.
static bool read_failed(struct odp_relay *r, int side)
{
    if (errno == EAGAIN) {
        r->ends[side].ready &= ~(uint32_t)EPOLLIN;
        return false;
    }
    if (errno != EINTR)
        on_read_error(r, side);
    return true;
}

static bool pass_small(struct odp_relay *r, int side)
{
    struct odp_relay_flow *f = &r->flows[side];
    struct odp_io *from = &r->ends[side];
    ssize_t n = recv(from->fd, r->relays->buffer, ODP_RELAY_BUFFER_BYTES, MSG_DONTWAIT);

    if (n < 0)
        return read_failed(r, side);
    if (n == 0) {
        f->eof = true;
        return true;
    }
    send_buffer(r, f, &r->ends[!side], (size_t)n);
    if (n == ODP_RELAY_BUFFER_BYTES) {
        f->splice = true;
        return true;
    }
    // A short read drained the socket; new bytes will be a new edge (epoll(7), Q9).
    if (!(from->ready & THOROUGH)) {
        from->ready &= ~(uint32_t)EPOLLIN;
        return f->n_in_pipe > 0;
    }
    return true;
}

static bool pass_large(struct odp_relay *r, int side)
{
    struct odp_relay_flow *f = &r->flows[side];

    f->pipe = odp_pipe_take(&r->relays->pool);
    if (!f->pipe) {
        f->splice = false; // out of descriptors: the buffer does it, slower
        return true;
    }
    ssize_t n = splice(r->ends[side].fd, NULL, f->pipe->write_fd, NULL, SPLICE_BYTES, SPLICE_FLAGS);
    if (n <= 0) {
        bool go_on = n == 0 || read_failed(r, side);
        if (n == 0)
            f->eof = true;
        drop_pipe(r, f);
        return go_on;
    }
    f->n_in_pipe = (uint32_t)n;
    if (n < ODP_RELAY_BUFFER_BYTES)
        f->splice = false;
    return true;
}

// The last one to finish need not say so: close() follows.
static void finish_flow(struct odp_relay *r, int side)
{
    struct odp_relay_flow *f = &r->flows[side];

    f->done = true;
    if (!f->reset && !r->flows[!side].done)
        (void)shutdown(r->ends[!side].fd, SHUT_WR); // ENOTCONN: gone, which its own flow will see
}

static enum pump_result pump(struct odp_relay *r, int side)
{
    struct odp_relay_flow *f = &r->flows[side];
    struct odp_io *from = &r->ends[side], *to = &r->ends[!side];

    for (int budget = BUDGET; !f->done; budget--) {
        if (budget == 0)
            return PUMP_OUT_OF_TURN;
        bool go_on;
        if (f->n_in_pipe > 0) {
            go_on = flush_pipe(r, f, to);
        } else if (f->eof) {
            finish_flow(r, side);
            break;
        } else if (!(from->ready & EPOLLIN) || !(to->ready & EPOLLOUT)) {
            go_on = false;
        } else if (f->splice) {
            go_on = pass_large(r, side);
        } else {
            go_on = pass_small(r, side);
        }
        if (!go_on)
            return PUMP_BLOCKED;
    }
    return PUMP_BLOCKED;
}

// Makes close() send a reset instead of an orderly end. A reset discards what is still unsent, so
// it is passed on only where nothing is.
static void pass_reset_on(const struct odp_io *end)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    int n_unsent = 0;

    if (ioctl(end->fd, SIOCOUTQNSD, &n_unsent) < 0 || n_unsent == 0)
        (void)setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static bool end_if_over(struct odp_relay *r)
{
    const struct odp_relay_flow *in = &r->flows[ODP_RELAY_CLIENT];
    const struct odp_relay_flow *out = &r->flows[ODP_RELAY_UPSTREAM];
    // A client that reset while its service takes nothing would never be noticed by a read.
    bool abandoned = !in->done && (r->ends[ODP_RELAY_CLIENT].ready & EPOLLERR);

    if (!abandoned && (!in->done || !out->done))
        return false;
    if (abandoned || in->reset || out->reset) {
        pass_reset_on(&r->ends[ODP_RELAY_CLIENT]);
        pass_reset_on(&r->ends[ODP_RELAY_UPSTREAM]);
    }
    r->on_end(r);
    return true;
}

// Returns true when the relay has ended (it may be gone).
static bool run(struct odp_relay *r)
{
    bool again = false;

    for (int side = 0; side < 2; side++)
        if (!r->flows[side].done && pump(r, side) == PUMP_OUT_OF_TURN)
            again = true;
    if (again) {
        odp_io_turn_add(r->relays->loop, &r->turn);
        return false;
    }
    return end_if_over(r);
}

void relay_on_gone(struct odp_relay *r, int side)
{
    r->ends[side].ready |= EPOLLERR;
    on_read_error(r, side);
    (void)run(r);
}

static void on_turn(struct odp_io_turn *turn)
{
    (void)run(ODP_CONTAINER_OF(turn, struct odp_relay, turn));
}

static void on_client_event(struct odp_io *io, uint32_t events)
{
    (void)events;
    (void)run(ODP_CONTAINER_OF(io, struct odp_relay, ends[ODP_RELAY_CLIENT]));
}

static void on_upstream_event(struct odp_io *io, uint32_t events)
{
    (void)events;
    (void)run(ODP_CONTAINER_OF(io, struct odp_relay, ends[ODP_RELAY_UPSTREAM]));
}

void odp_relay_init(struct odp_relay *relay, struct odp_relays *relays)
{
    *relay = (struct odp_relay){.relays = relays, .turn.on_turn = on_turn};
    relay->ends[ODP_RELAY_CLIENT].fd = -1;
    relay->ends[ODP_RELAY_UPSTREAM].fd = -1;
    odp_list_init(&relay->turn.node);
    odp_list_init(&relay->watched);
}

bool odp_relay_start(struct odp_relay *relay)
{
    relay->ends[ODP_RELAY_CLIENT].on_event = on_client_event;
    relay->ends[ODP_RELAY_UPSTREAM].on_event = on_upstream_event;
    relay_watch_add(&relay->relays->watch, relay); // another process may have sent to them
    return run(relay);
}

void odp_relay_deinit(struct odp_relay *relay)
{
    odp_list_remove(&relay->turn.node);
    odp_list_remove(&relay->watched);
    for (int side = 0; side < 2; side++)
        drop_pipe(relay, &relay->flows[side]);
}

int odp_relay_adopt_bytes(struct odp_relay *relay, int flow, const char *bytes, uint32_t n)
{
    keep_rest(relay, &relay->flows[flow], bytes, n);
    return relay->flows[flow].pipe ? 0 : -ENOMEM;
}
