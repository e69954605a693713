// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Between odp's own addresses and the kernel's.

#pragma once

#include <sys/socket.h>

#include "odp/core/address.h"

// A bare port becomes [::]:PORT; the caller falls back to 0.0.0.0 where there is no IPv6.
// Returns the length for bind(2) and connect(2).
socklen_t odp_sockaddr_from_address(const struct odp_address *a, struct sockaddr_storage *ret);

// A wildcard is given back as INET or INET6 with an all-zero ip. kind is NONE for other families.
void odp_sockaddr_to_address(const struct sockaddr_storage *sa, struct odp_address *ret);
