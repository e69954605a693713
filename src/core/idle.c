// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The quiet window; see the header.

#include "odp/core/idle.h"

#include "odp/base/time.h"

void odp_idle_update(struct odp_idle *idle, unsigned n_connections, unsigned n_waiting,
                     uint64_t now_usec)
{
    if (n_connections > 0 || n_waiting > 0)
        idle->quiet_usec = ODP_NEVER;
    else if (idle->quiet_usec == ODP_NEVER)
        idle->quiet_usec = now_usec;
}

uint64_t odp_idle_deadline(const struct odp_idle *idle)
{
    return odp_usec_add(idle->quiet_usec, idle->timeout_usec);
}
