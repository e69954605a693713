// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The life of one client's connection as a pure step: held, tried, relayed, ended. The table
// state x event gives the next state and a set of effects; the caller carries them out in the
// order of their bits.
//
// A try is an upstream connection made before the service is known to answer. What the client sent
// is peeked and copied into it, so that the next try can have the bytes again: some forwarders
// accept before their service listens and reset later. The bytes are consumed at the service's
// first byte, or when the connection has stood ODP_CONN_STOOD_USEC; the client's half-close waits
// until then.

#pragma once

#include "odp/base/time.h"

#define ODP_CONN_STOOD_USEC (1500 * ODP_USEC_PER_MS)

enum odp_conn_state {
    ODP_CONN_HELD,       // waits for the service
    ODP_CONN_TRYING,     // upstream connect under way, as a try
    ODP_CONN_EARLY,      // upstream connected as a try: bytes are copied, not consumed
    ODP_CONN_CONNECTING, // upstream connect under way, to a ready service
    ODP_CONN_RELAYED,
    ODP_CONN_ENDED,
    ODP_CONN_N_STATES,
};

enum odp_conn_event {
    ODP_CONN_EV_TRY,        // the pace allows a try
    ODP_CONN_EV_RELEASE,    // the service is ready
    ODP_CONN_EV_CONNECTED,  // upstream
    ODP_CONN_EV_REFUSED,    // upstream connect failed
    ODP_CONN_EV_FIRST_BYTE, // upstream sent something
    ODP_CONN_EV_STOOD,      // the try stood long enough
    ODP_CONN_EV_BROKEN,     // the try ended without a byte
    ODP_CONN_EV_LEFT,       // the client is gone
    ODP_CONN_EV_TIMEOUT,    // [wait] timeout
    ODP_CONN_EV_DENY,       // the service failed or was stopped: the reason is the answer
    ODP_CONN_EV_PAGE,       // it is HTTP, and wants the waiting page rather than to wait
    ODP_CONN_EV_DONE,       // the relay ended
    ODP_CONN_EV_CUT,        // end it now
    ODP_CONN_N_EVENTS,
};

enum odp_conn_effect {
    ODP_CONN_FX_DROP_UPSTREAM = 1 << 0, // close the upstream socket
    ODP_CONN_FX_CONNECT = 1 << 1,       // begin an upstream connect
    ODP_CONN_FX_COPY = 1 << 2,          // copy what the client sent so far
    ODP_CONN_FX_CONSUME = 1 << 3,       // take the copied bytes out of the client's socket
    ODP_CONN_FX_RELAY = 1 << 4,         // relay from here on
    ODP_CONN_FX_ANSWER = 1 << 5,        // tell the client the reason
    ODP_CONN_FX_CLOSE = 1 << 6,         // close whatever is open
    ODP_CONN_FX_ANSWERS = 1 << 7,       // tell the service machine: it answers
    ODP_CONN_FX_REFUSED = 1 << 8,       // tell the service machine: refused
};

// Writes the new state to *state and returns the set of effects.
unsigned odp_conn_step(enum odp_conn_state *state, enum odp_conn_event event);

const char *odp_conn_state_to_string(enum odp_conn_state s);
const char *odp_conn_event_to_string(enum odp_conn_event e);
