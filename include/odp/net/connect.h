// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Outgoing connections to a service.

#pragma once

#include "odp/core/address.h"

// A non-blocking stream socket that connects to `a`; TCP_NODELAY is set, and towards other machines
// keepalive. Returns 0 (EPOLLOUT without EPOLLERR will tell that it is connected), or a negative
// errno when it failed at once. *ret_fd is the caller's.
int odp_connect(const struct odp_address *a, int *ret_fd);
