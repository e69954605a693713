// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Moves bytes between two connected stream sockets until both directions have ended.
//
// Small messages go through one shared buffer; a read that fills it changes that direction to
// splice(2) through a pooled pipe, a small splice changes it back. A direction owns a pipe only
// while bytes are in flight, so an idle connection owns nothing but its two sockets. Each direction
// ends by itself (half-close): shutdown follows when the last byte is out. A direction reads only
// while its far side takes bytes, so nothing piles up here.

#pragma once

#include "odp/net/io.h"

struct odp_pipe;
struct odp_relays;

// Indexes of ends and flows: flow ODP_RELAY_CLIENT carries what the client sent.
enum {
    ODP_RELAY_CLIENT,
    ODP_RELAY_UPSTREAM,
};

struct odp_relay_flow {
    struct odp_pipe *pipe; // NULL unless bytes are in flight
    uint32_t n_in_pipe;
    bool eof : 1;     // the source has ended
    bool done : 1;    // nothing more will pass, and the far side knows
    bool reset : 1;   // the source ended by an error, or the far side is broken
    bool splice : 1;  // reads were large lately
    bool lifted : 1;  // see odp_keepalive_look(); of the socket that this flow is sent to
    bool gone : 1;    // that one's peer is dead
    bool unpaced : 1; // that one has been looked at for pacing
    uint64_t n_bytes;
};

struct odp_relay {
    struct odp_io ends[2]; // the fds belong to the relay's owner
    struct odp_relay_flow flows[2];
    struct odp_io_turn turn;
    struct odp_list watched; // while bytes that were sent may be unacknowledged
    struct odp_relays *relays;
    // Both directions ended; the owner closes. Where one side was reset, the sockets are prepared
    // so that close() tells the other side the same. The relay may be freed within (through
    // odp_io_retire).
    void (*on_end)(struct odp_relay *relay);
};

// The pool of pipes, the shared buffer and the watch over dead peers. Returns 0 or -ENOMEM.
int odp_relays_new(struct odp_io_loop *loop, struct odp_relays **ret);

// All relays are gone. Freed once libuv's loop has run the closing of its timer. NULL is fine.
void odp_relays_close(struct odp_relays *relays);

// Closes the pooled pipes, and rests; to be called when everything sleeps.
void odp_relays_trim(struct odp_relays *relays);

// The buffer is anybody's between two calls into this module: nothing in it survives one.
#define ODP_RELAY_BUFFER_BYTES 16384
char *odp_relays_buffer(struct odp_relays *relays);

// Before both ends are there: on_event is the owner's.
void odp_relay_init(struct odp_relay *relay, struct odp_relays *relays);

// Both ends are open, registered and connected: takes over their events and begins. Returns true
// if it ended at once (on_end was called). A unix socket's end is to have EPOLLPRI in `ready`: its
// reads may be short before it is drained, unix(7).
bool odp_relay_start(struct odp_relay *relay);

// Gives back what it holds, bytes in flight included. The owner closes the fds.
void odp_relay_deinit(struct odp_relay *relay);

// ---- from one process to another ---------------------------------------------------------------

// What a flow holds in flight, n_in_pipe bytes: the ends of its pipe in ret_fds (they stay the
// relay's), or, where these are -1, the bytes. Nothing unless n_in_pipe is more than 0.
const char *odp_relay_in_flight(const struct odp_relay_flow *f, int ret_fds[2]);

// Before odp_relay_start(): the flow holds what is in this pipe. Takes the ends over, or closes
// them. Returns 0, or a negative errno where it is no pipe.
int odp_relay_adopt_pipe(struct odp_relay *relay, int flow, const int fds[2]);

// The same for bytes. Returns 0 or -ENOMEM.
int odp_relay_adopt_bytes(struct odp_relay *relay, int flow, const char *bytes, uint32_t n);
