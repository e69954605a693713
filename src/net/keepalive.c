// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Keepalive; see the header.

#include "odp/net/keepalive.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "odp/core/config.h"

#define USER_TIMEOUT_MIN_SEC 120

// With TCP_USER_TIMEOUT the kernel does not count probes: it ends the connection at the first
// probe's turn that comes this long after the last sign of life, tcp(7). Below idle time and probes
// together that would be after one lost probe.
static unsigned user_timeout_ms(int idle_sec)
{
    unsigned sec = (unsigned)idle_sec + ODP_KEEPALIVE_PROBES * ODP_KEEPALIVE_INTERVAL_SEC;

    return 1000 * (sec < USER_TIMEOUT_MIN_SEC ? USER_TIMEOUT_MIN_SEC : sec);
}

void odp_keepalive_set(int fd, uint64_t idle_usec)
{
    const int on = 1, idle = (int)(idle_usec / ODP_USEC_PER_SEC);
    const int interval = ODP_KEEPALIVE_INTERVAL_SEC, probes = ODP_KEEPALIVE_PROBES;
    const unsigned user_timeout = user_timeout_ms(idle);

    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof(user_timeout));
}
