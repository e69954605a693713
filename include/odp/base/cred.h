// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who is at the other end of a connected Unix socket, as the kernel tells it.

#pragma once

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

// SO_PEERCRED, socket(7): as it was when the other end connected. False where the kernel tells
// nothing.
bool odp_cred_get(int fd, struct ucred *ret);

// True if the group is the primary one of `peer`, who is at the other end of `fd`, or among its
// supplementary ones, which SO_PEERCRED does not show. Within a user namespace ids that it does not
// map read as 65534, groups and users alike.
bool odp_cred_in_group(int fd, const struct ucred *peer, gid_t gid);
