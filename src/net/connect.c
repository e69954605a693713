// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Outgoing connections; see the header.

#include "odp/net/connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "odp/base/fd.h"
#include "odp/net/keepalive.h"
#include "odp/net/pacing.h"
#include "odp/net/sockaddr.h"
#include "odp/net/spare.h"

static void prepare(int fd, const struct odp_address *a)
{
    const int on = 1;

    if (a->kind == ODP_ADDRESS_UNIX)
        return;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (odp_address_is_loopback(a))
        odp_pacing_avoid(fd);
    else // a peer on this machine cannot vanish silently
        odp_keepalive_set(fd, ODP_KEEPALIVE_USEC);
}

int odp_connect(const struct odp_address *a, int *ret_fd)
{
    struct sockaddr_storage sa;
    socklen_t len = odp_sockaddr_from_address(a, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (odp_spare_has(ODP_SPARE_FROM_RELAYS, fd)) {
        odp_close(fd);
        return -EMFILE;
    }
    prepare(fd, a);
    if (connect(fd, (const struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS) {
        int r = -errno;
        odp_close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}
