// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Half-dead peers (power cut, Wi-Fi gone) are found by probes after a time of silence, and by
// TCP_USER_TIMEOUT where bytes are under way.

#pragma once

#include <stdint.h>

#include "odp/base/time.h"

#define ODP_KEEPALIVE_USEC (60 * ODP_USEC_PER_SEC) // of connections to services elsewhere

// Sets both on a TCP socket; a listener hands them on to what it accepts, tcp(7). After `idle_usec`
// of silence (whole seconds, 1 to 32767) there is a probe every 15 s. Whoever has not answered for
// a minute of that, nor taken bytes for 120 s, is gone. Failure is not an error: the connection
// works without.
void odp_keepalive_set(int fd, uint64_t idle_usec);
