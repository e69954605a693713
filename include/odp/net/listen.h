// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Listening sockets: bound here, or passed in by the service manager.

#pragma once

#include <stdbool.h>

#include "odp/core/config.h"
#include "odp/net/io.h"

struct odp_listener;

// A client was accepted: `fd` is non-blocking and the callee's from now on. Or `fd` is a negative
// errno: descriptors or memory ran out, and this listener accepts nothing more until
// odp_listener_retry().
typedef void (*odp_listener_accept_cb)(struct odp_listener *l, int fd);

struct odp_listener {
    struct odp_io io; // owns the fd
    struct odp_io_loop *loop;
    odp_listener_accept_cb on_accept;
    void *data;         // the owner's
    char *unlink_path;  // owned; a unix socket that we made
    uint32_t round;     // of the loop, when it was readable last
    uint32_t n_untuned; // clients in the kernel's queue that came before odp_listener_tune()
    uint64_t keepalive_usec;
    bool is_unix;
    bool paused;    // by the owner
    bool exhausted; // out of descriptors: paused until odp_listener_retry()
};

// Binds and listens. A bare port takes [::] for IPv6 and IPv4, or 0.0.0.0 where there is no IPv6.
// A stale unix socket (nobody accepts on it) is replaced. Returns a listening fd or a negative
// errno and one line in `why`.
int odp_listen_open(const struct odp_address *a, unsigned socket_mode, const char *socket_owner,
                    char *why, size_t why_size);

// Sets mode and owner of a unix socket; without an owner that stays as it is. Returns 0 or a
// negative errno and one line in `why`.
int odp_listen_set_access(const char *path, unsigned socket_mode, const char *socket_owner,
                          char *why, size_t why_size);

// Takes over `fd`, a listening socket, and begins to accept. Returns 0 or a negative errno (the fd
// is closed then).
int odp_listener_init(struct odp_listener *l, struct odp_io_loop *loop, int fd,
                      odp_listener_accept_cb on_accept, void *data);

// What clients get: TCP_NODELAY and keepalive after so much silence (see keepalive.h). They inherit
// it from the listener, tcp(7), without a system call for each; those that wait in its queue
// already are seen to one by one. Nothing for unix sockets. May be called again.
void odp_listener_tune(struct odp_listener *l, uint64_t keepalive_usec);

// Closes it; removes the unix socket that odp made.
void odp_listener_deinit(struct odp_listener *l);

// Accepts all that wait in the kernel's queue, though it be paused: before it is closed for good.
void odp_listener_drain(struct odp_listener *l);

// While paused the kernel's queue holds new connections.
void odp_listener_pause(struct odp_listener *l, bool paused);

// True where a (negative) errno says that descriptors or memory ran out here, which passes.
bool odp_is_exhaustion(int error);

// Descriptors may be free again.
void odp_listener_retry(struct odp_listener *l);

// A descriptor passed by the sd_listen_fds(3) protocol.
struct odp_passed {
    int fd;     // -1 once somebody took it over
    char *name; // owned; FileDescriptorName=, "unknown" where there is none
    struct odp_address address;
    bool is_carrier; // no listener: what the odpd before left in the descriptor store
};

// All passed stream listeners, and carriers (net/carrier.h); others are closed. Returns their
// number or a negative errno; *ret is the caller's to free (odp_passed_free closes what nobody
// took).
int odp_passed_collect(struct odp_passed **ret);
void odp_passed_free(struct odp_passed *p, int n);
