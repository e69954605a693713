// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Descriptors from the service manager, sd_listen_fds(3). Their order is not stable across starts,
// so they are told apart by name and address, never by number.

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "odp/base/fd.h"
#include "odp/base/log.h"
#include "odp/net/carrier.h"
#include "odp/net/listen.h"
#include "odp/net/sockaddr.h"
#include "odp/net/systemd.h"

static bool is_stream_listener(int fd)
{
    int type = 0, listening = 0;
    socklen_t len = sizeof(int);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

static bool is_carrier(int fd, const char *name)
{
    int type = 0;
    socklen_t len = sizeof(type);

    return name && strcmp(name, ODP_CARRIER_NAME) == 0 &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

static void take(int fd, char *name, struct odp_passed *ret)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof(sa);

    *ret = (struct odp_passed){.fd = fd, .name = name, .is_carrier = is_carrier(fd, name)};
    if (ret->is_carrier)
        return;
    if (!is_stream_listener(fd) || getsockname(fd, (struct sockaddr *)&sa, &len) < 0) {
        odp_log(ODP_LOG_WARNING, NULL, "passed descriptor %d (%s) is no stream listener: closed",
                fd, name ? name : "unknown");
        ret->fd = odp_close(fd);
        return;
    }
    // Whoever opened it may have left it blocking: accept would stall the loop.
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && !(flags & O_NONBLOCK))
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    odp_sockaddr_to_address(&sa, &ret->address);
}

int odp_passed_collect(struct odp_passed **ret)
{
    char **names = NULL;
    int n = odp_systemd_listen_fds(&names);

    *ret = NULL;
    if (n <= 0)
        return n;
    struct odp_passed *items = calloc((size_t)n, sizeof(*items));
    if (!items)
        return -ENOMEM;
    for (int i = 0; i < n; i++)
        take(SD_LISTEN_FDS_START + i, names[i], &items[i]);
    free(names); // the strings moved to the items
    *ret = items;
    return n;
}

void odp_passed_free(struct odp_passed *p, int n)
{
    for (int i = 0; i < n; i++) {
        odp_close(p[i].fd);
        free(p[i].name);
    }
    free(p);
}
