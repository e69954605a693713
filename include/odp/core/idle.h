// SPDX-License-Identifier: LGPL-2.1-or-later
//
// When a quiet service may be stopped. The quiet window runs from the last close, never from a
// sample, so there is exactly one deadline and nothing to poll.

#pragma once

#include <stdint.h>

struct odp_idle {
    uint64_t timeout_usec; // ODP_NEVER: never stopped for quiet
    uint64_t quiet_usec;   // since when nobody is connected; ODP_NEVER while somebody is
};

// Somebody connected or the last one left, at now_usec.
void odp_idle_update(struct odp_idle *idle, unsigned n_connections, unsigned n_waiting,
                     uint64_t now_usec);

// The moment the window ends, ODP_NEVER while busy.
uint64_t odp_idle_deadline(const struct odp_idle *idle);
