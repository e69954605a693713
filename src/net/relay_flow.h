// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between relay.c (a relay's life) and relay_flow.c (one direction's bytes).

#pragma once

#include "odp/net/relay.h"
#include "pipe.h"
#include "relay_watch.h"

struct odp_relays {
    struct odp_io_loop *loop;
    struct odp_pipe_pool pool;
    struct relay_watch watch;
    char buffer[ODP_RELAY_BUFFER_BYTES];
};

enum relay_flow_result {
    RELAY_FLOW_BLOCKED,     // an event will tell when to go on
    RELAY_FLOW_OUT_OF_TURN, // could go on, but others wait
};

// Moves what the end `side` has sent to the other end: all there is, or one turn of it.
enum relay_flow_result relay_flow_pump(struct odp_relay *r, int side);

// That end is dead: what it sent before still goes out, nothing can be sent to it.
void relay_flow_source_failed(struct odp_relay *r, int side);

// What has been read and could not be sent waits in a pipe. Without memory for one the flow is
// over.
void relay_flow_keep(struct odp_relay *r, struct odp_relay_flow *f, const char *bytes, size_t n);

// Gives its pipe back; bytes in it are lost.
void relay_flow_drop(struct odp_relay *r, struct odp_relay_flow *f);
