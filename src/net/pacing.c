// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Pacing; see the header.

#include "odp/net/pacing.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>

#include "odp/net/sockaddr.h"

// As the kernel's TCP_CA_NAME_MAX.
#define NAME_BYTES 16

static enum { UNKNOWN, UNPACED, PACED } usual;

static bool is_paced(int fd)
{
    char name[NAME_BYTES + 1] = "";
    socklen_t len = NAME_BYTES;

    return getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len) == 0 &&
           strncmp(name, "bbr", 3) == 0;
}

static void take_reno(int fd)
{
    static const char reno[] = "reno";

    (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, reno, sizeof(reno) - 1);
}

void odp_pacing_avoid(int fd)
{
    if (usual == UNKNOWN)
        usual = is_paced(fd) ? PACED : UNPACED;
    if (usual == PACED)
        take_reno(fd);
}

static bool own_address(int fd, struct odp_address *ret)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof(sa);

    if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
        return false;
    odp_sockaddr_to_address(&sa, ret);
    return ret->kind == ODP_ADDRESS_INET || ret->kind == ODP_ADDRESS_INET6;
}

void odp_pacing_avoid_listener(int fd)
{
    struct odp_address own;

    if (own_address(fd, &own) && odp_address_is_loopback(&own) && is_paced(fd))
        take_reno(fd);
}

// One address at both ends, be it 127.0.0.1 or one of a network.
static bool is_near(int fd)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof(sa);
    struct odp_address own, peer;

    if (!own_address(fd, &own) || getpeername(fd, (struct sockaddr *)&sa, &len) < 0)
        return false;
    odp_sockaddr_to_address(&sa, &peer);
    peer.port = own.port;
    return odp_address_equal(&own, &peer);
}

void odp_pacing_stop(int fd)
{
    if (usual != UNPACED && is_paced(fd) && is_near(fd))
        take_reno(fd);
}
