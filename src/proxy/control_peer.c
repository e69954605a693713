// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who is at the other end of the control socket, and may they change things? SO_PEERCRED shows the
// primary group alone; supplementary groups come from SO_PEERGROUPS, socket(7).

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_internal.h"

#define GROUP "odp"

static bool in_groups(int fd, gid_t gid)
{
    gid_t groups[256];
    socklen_t len = sizeof(groups);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
        return false; // more groups than any sound account has
    for (size_t i = 0; i < len / sizeof(groups[0]); i++)
        if (groups[i] == gid)
            return true;
    return false;
}

static bool get_peer(const struct control_client *client, int *ret_fd, struct ucred *ret)
{
    socklen_t len = sizeof(*ret);

    return uv_fileno((const uv_handle_t *)&client->pipe, ret_fd) == 0 &&
           getsockopt(*ret_fd, SOL_SOCKET, SO_PEERCRED, ret, &len) == 0;
}

static bool is_owner(const struct ucred *peer)
{
    return peer->uid == 0 || peer->uid == geteuid();
}

bool control_is_owner(const struct control_client *client)
{
    struct ucred peer;
    int fd;

    return get_peer(client, &fd, &peer) && is_owner(&peer);
}

bool control_may_change(struct control_client *client)
{
    struct ucred peer;
    int fd;

    if (!get_peer(client, &fd, &peer))
        return false;
    if (is_owner(&peer))
        return true;
    if (!client->control->manager->system)
        return false;
    const struct group *gr =
        getgrnam(GROUP); // looked up when asked, so that idle odpd holds no NSS
    return gr && (peer.gid == gr->gr_gid || in_groups(fd, gr->gr_gid));
}
