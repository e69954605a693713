// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The control socket RUNTIME/control.sock: varlink, see core/varlink.h. Reading is for everyone,
// changing for root, odpd's own uid and, where odpd serves the system, the group odp.

#pragma once

#include "odp/proxy/manager.h"

// Binds and listens. Returns 0 or a negative errno and one line in `why`: -EADDRINUSE when another
// odpd serves this runtime directory.
int odp_control_new(struct odp_manager *mgr, struct odp_control **ret, char *why, size_t why_size);

// Closes every client and removes the socket.
void odp_control_free(struct odp_control *c);

// The service's state changed: calls that wait for it may be answered now.
void odp_control_on_state(struct odp_control *c, struct odp_managed *m);

// Calls that had to wait are served in the loop's next turn: after a reload, for instance.
void odp_control_resume(struct odp_control *c);

// The service is not served any more: calls that wait for it are answered with its `fault`.
void odp_control_on_end(struct odp_control *c, struct odp_managed *m);
