// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Keepalive; see the header. <linux/tcp.h> since libc's struct tcp_info ends too early.

#include "odp/net/keepalive.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "odp/core/config.h"

#define USER_TIMEOUT_MIN_SEC 120

// Linux 6.15; older headers lack it.
#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS 44
#endif
// At most so long between two window probes: without it the pauses grow to two minutes.
#define PROBE_PAUSE_MAX_MS 30000
// A single one may be lost.
#define N_UNANSWERED_MIN 2

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

static void lift(int fd)
{
    const unsigned none = 0;
    const int pause_ms = PROBE_PAUSE_MAX_MS;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &none, sizeof(none));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_RTO_MAX_MS, &pause_ms, sizeof(pause_ms));
}

enum odp_keepalive_sign odp_keepalive_look(int fd, bool *lifted)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 || // not TCP
        (info.tcpi_unacked == 0 && info.tcpi_notsent_bytes == 0))
        return ODP_KEEPALIVE_ACKNOWLEDGED;
    if (!*lifted && info.tcpi_rwnd_limited > 0) {
        lift(fd);
        *lifted = true;
    }
    if (*lifted && info.tcpi_last_ack_recv >= 1000 * USER_TIMEOUT_MIN_SEC &&
        (info.tcpi_probes >= N_UNANSWERED_MIN || info.tcpi_retransmits >= N_UNANSWERED_MIN))
        return ODP_KEEPALIVE_GONE;
    return ODP_KEEPALIVE_OWED;
}
