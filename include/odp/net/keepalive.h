// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Half-dead peers (power cut, Wi-Fi gone) are found by probes after a time of silence, and by
// TCP_USER_TIMEOUT where bytes are under way. That one also counts the time in which the peer
// acknowledges every probe but takes nothing (a film that is paused): there the kernel is relieved
// of it, and whoever relays looks by himself.

#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "odp/base/time.h"

#define ODP_KEEPALIVE_USEC (60 * ODP_USEC_PER_SEC) // of connections to services elsewhere

enum odp_keepalive_sign {
    ODP_KEEPALIVE_ACKNOWLEDGED, // nothing sent is under way or waits here
    ODP_KEEPALIVE_OWED,         // something is: to be looked at again
    ODP_KEEPALIVE_GONE,         // and the peer has not given a sign of life for 120 s
};

// Sets both on a TCP socket; a listener hands them on to what it accepts, tcp(7). After `idle_usec`
// of silence (whole seconds, 1 to 32767) there is a probe every 15 s. Whoever has not answered for
// a minute of that, nor taken bytes for 120 s, is gone. Failure is not an error: the connection
// works without.
void odp_keepalive_set(int fd, uint64_t idle_usec);

// One look at a socket that something was sent to. To be repeated while OWED, several times within
// 120 s. `lifted` is false at first, and kept by the caller: true once the peer's window has held
// us up. From then on TCP_USER_TIMEOUT is off, and GONE is said here. Nothing is ever owed on a
// socket that is not TCP.
enum odp_keepalive_sign odp_keepalive_look(int fd, bool *lifted);
