// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Keepalive; see the header.

#include "odp/net/keepalive.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define IDLE_SEC        60
#define INTERVAL_SEC    15
#define N_PROBES        4
#define USER_TIMEOUT_MS 120000

void odp_keepalive_set(int fd)
{
    const int on = 1, idle = IDLE_SEC, interval = INTERVAL_SEC, probes = N_PROBES;
    const unsigned user_timeout = USER_TIMEOUT_MS;

    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof(user_timeout));
}
