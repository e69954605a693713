// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who is at the other end of the control socket, and may they change things?

#include <grp.h>
#include <unistd.h>

#include "control_internal.h"
#include "odp/base/cred.h"

#define GROUP "odp"

static bool get_peer(const struct control_client *client, int *ret_fd, struct ucred *ret)
{
    return uv_fileno((const uv_handle_t *)&client->pipe, ret_fd) == 0 && odp_cred_get(*ret_fd, ret);
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
    return gr && odp_cred_in_group(fd, &peer, gr->gr_gid);
}
