// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Credentials of a peer; see the header.

#include "odp/base/cred.h"

bool odp_cred_get(int fd, struct ucred *ret)
{
    socklen_t len = sizeof(*ret);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret, &len) == 0;
}

bool odp_cred_in_group(int fd, const struct ucred *peer, gid_t gid)
{
    gid_t groups[256];
    socklen_t len = sizeof(groups);

    if (peer->gid == gid)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
        return false; // more groups than any sound account has
    for (size_t i = 0; i < len / sizeof(groups[0]); i++)
        if (groups[i] == gid)
            return true;
    return false;
}
