// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One direction's bytes: all of a busy connection's cost is in recv, send and splice here.

#include "relay_flow.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "odp/net/pacing.h"

// What one flow may do before the others have their turn: so many calls, or, since what a call
// costs is its bytes, no more after so many.
#define TURN_CALLS 16
#define TURN_BYTES (512 * 1024)
// One splice moves at most this much.
#define SPLICE_BYTES (1024 * 1024)
#define SPLICE_FLAGS (SPLICE_F_MOVE | SPLICE_F_NONBLOCK)
// After these a short read does not mean that the socket is drained: read until EAGAIN or the end.
#define THOROUGH (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)

void relay_flow_drop(struct odp_relay *r, struct odp_relay_flow *f)
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
    relay_flow_drop(r, f);
    f->eof = true;
    f->done = true;
    f->reset = true;
}

void relay_flow_source_failed(struct odp_relay *r, int side)
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
        relay_flow_drop(r, f);
    return true;
}

void relay_flow_keep(struct odp_relay *r, struct odp_relay_flow *f, const char *bytes, size_t n)
{
    f->pipe = odp_pipe_keep(&r->relays->pool, bytes, n);
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
        relay_flow_keep(r, f, buffer + sent, n - (size_t)sent);
}

// Returns false when blocked.
static bool read_failed(struct odp_relay *r, int side)
{
    if (errno == EAGAIN) {
        r->ends[side].ready &= ~(uint32_t)EPOLLIN;
        return false;
    }
    if (errno != EINTR)
        relay_flow_source_failed(r, side);
    return true;
}

static void begin_splice(struct odp_relay *r, int side)
{
    struct odp_relay_flow *f = &r->flows[side];

    f->splice = true;
    if (!f->unpaced)
        odp_pacing_stop(r->ends[!side].fd);
    f->unpaced = true;
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
        begin_splice(r, side);
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
        f->splice = false; // none to be had: the buffer does it, slower
        return true;
    }
    ssize_t n = splice(r->ends[side].fd, NULL, f->pipe->write_fd, NULL, SPLICE_BYTES, SPLICE_FLAGS);
    if (n <= 0) {
        bool go_on = n == 0 || read_failed(r, side);
        if (n == 0)
            f->eof = true;
        relay_flow_drop(r, f);
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

enum relay_flow_result relay_flow_pump(struct odp_relay *r, int side)
{
    struct odp_relay_flow *f = &r->flows[side];
    struct odp_io *from = &r->ends[side], *to = &r->ends[!side];
    const uint64_t n_most = f->n_bytes + TURN_BYTES;

    for (int n_left = TURN_CALLS; !f->done; n_left--) {
        if (n_left == 0 || f->n_bytes >= n_most)
            return RELAY_FLOW_OUT_OF_TURN;
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
            return RELAY_FLOW_BLOCKED;
    }
    return RELAY_FLOW_BLOCKED;
}
