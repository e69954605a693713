// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The datagram of sd_notify(3), which documents it.

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "odp/base/fd.h"
#include "odp/base/log.h"
#include "odp/net/systemd.h"

// A path, or with `@` a name in the abstract namespace.
static int make_address(const char *name, struct sockaddr_un *ret, socklen_t *ret_len)
{
    size_t n = strlen(name);

    if ((name[0] != '/' && name[0] != '@') || n >= sizeof(ret->sun_path))
        return -EINVAL;
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, name, n);
    if (name[0] == '@')
        ret->sun_path[0] = '\0';
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    return 0;
}

static int send_state(const char *name, const char *state)
{
    struct sockaddr_un sa;
    socklen_t len;
    int r = make_address(name, &sa, &len);

    if (r < 0)
        return r;
    ODP_CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&sa, len) < 0)
        return -errno;
    return 0;
}

bool odp_systemd_notify(const char *state)
{
    const char *name = getenv("NOTIFY_SOCKET");
    int r = name ? send_state(name, state) : 0;

    if (r == -EAGAIN)
        return false;
    if (r < 0)
        odp_log(ODP_LOG_WARNING, NULL, "cannot notify the service manager at %s: %s", name,
                strerror(-r));
    return true;
}
