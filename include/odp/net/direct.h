// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Connections to a service that did not come through odp: somebody uses its internal port, and
// would be cut off if it were stopped. The kernel's socket tables tell, as far as they reach:
//
// - A target that something listens on in this network namespace (a service, docker-proxy): the
//   accepted connections of that listener, wherever they come from. A listener on a wildcard
//   address is found by whichever address of the machine it was reached.
// - Any other target (another machine, a container's own address): the connections that programs
//   in this network namespace have with it. What others have with it is not seen.
// - A unix socket: connections made from this network namespace.

#pragma once

#include <stddef.h>

#include "odp/core/address.h"

#define ODP_DIRECT_BUFFER_BYTES 8192

// Counts established connections. `buffer` is scratch of at least ODP_DIRECT_BUFFER_BYTES. Returns
// the number, or a negative errno where the kernel does not tell.
int odp_direct_count(const struct odp_address *target, char *buffer, size_t size);
