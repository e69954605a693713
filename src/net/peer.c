// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Looks the other end's socket up by sock_diag(7), which any user may do. The kernel reports
// INET_DIAG_SHUTDOWN: close() shuts both ways down before the FIN leaves, shutdown(SHUT_WR) one.
// An orphaned socket has no inode (it is in FIN_WAIT2 or a time-wait mini socket).

#include "odp/net/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "diag.h"
#include "odp/base/fd.h"

#define RCV_SHUTDOWN 1 // the kernel's name of that bit of sk_shutdown

struct query {
    struct nlmsghdr header;
    struct inet_diag_req_v2 request;
};

// The address as sock_diag wants it; a v4-mapped one becomes IPv4, under which its peer is known.
static void split(const struct sockaddr_storage *sa, int *ret_family, const void **ret_ip,
                  size_t *ret_n, uint16_t *ret_port)
{
    if (sa->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
        *ret_family = AF_INET, *ret_ip = &in->sin_addr, *ret_n = 4, *ret_port = in->sin_port;
        return;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
    *ret_port = in6->sin6_port;
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        *ret_family = AF_INET, *ret_ip = &in6->sin6_addr.s6_addr[12], *ret_n = 4;
    else
        *ret_family = AF_INET6, *ret_ip = &in6->sin6_addr, *ret_n = 16;
}

// Asks for the socket whose own address is `own` and whose peer is `other`.
static void build_query(const struct sockaddr_storage *own, const struct sockaddr_storage *other,
                        struct query *ret)
{
    int family;
    const void *ip;
    size_t n;

    *ret = (struct query){
        .header = {.nlmsg_len = sizeof(*ret),
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST},
        .request = {.sdiag_protocol = IPPROTO_TCP, .idiag_states = ~0U},
    };
    struct inet_diag_sockid *id = &ret->request.id;
    id->idiag_cookie[0] = INET_DIAG_NOCOOKIE;
    id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    split(own, &family, &ip, &n, &id->idiag_sport);
    memcpy(id->idiag_src, ip, n);
    ret->request.sdiag_family = (uint8_t)family;
    split(other, &family, &ip, &n, &id->idiag_dport);
    memcpy(id->idiag_dst, ip, n);
}

// What the kernel says of such a socket: 0 and *ret, or negative where there is none here.
struct found {
    struct inet_diag_msg m;
    bool is_shut; // it receives no more
};

static int read_reply(const char *reply, size_t n_bytes, struct found *ret)
{
    struct nlmsghdr h;
    const size_t n_fixed = sizeof(h) + sizeof(ret->m);

    if (n_bytes < n_fixed)
        return -ENOENT;
    memcpy(&h, reply, sizeof(h));
    memcpy(&ret->m, reply + sizeof(h), sizeof(ret->m));
    if (h.nlmsg_type != SOCK_DIAG_BY_FAMILY || h.nlmsg_len > n_bytes || h.nlmsg_len < n_fixed)
        return -ENOENT;
    size_t n;
    const char *bits =
        odp_diag_attribute(reply + n_fixed, h.nlmsg_len - n_fixed, INET_DIAG_SHUTDOWN, &n);
    ret->is_shut = bits && n > 0 && (*bits & RCV_SHUTDOWN);
    return 0;
}

static int look_up(const struct sockaddr_storage *own, const struct sockaddr_storage *other,
                   struct found *ret)
{
    struct query q;
    char reply[4096];
    ODP_CLEANUP_CLOSE int fd =
        socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);

    if (fd < 0)
        return -errno;
    build_query(own, other, &q);
    if (send(fd, &q, sizeof(q), 0) < 0)
        return -errno;
    ssize_t n = recv(fd, reply, sizeof(reply), 0); // the kernel answers within send()
    return n < 0 ? -errno : read_reply(reply, (size_t)n, ret);
}

// The addresses of a TCP connection. False: it is none, or it is not connected any more.
static bool addresses_of(int fd, struct sockaddr_storage *ret_local,
                         struct sockaddr_storage *ret_peer)
{
    socklen_t n_local = sizeof(*ret_local), n_peer = sizeof(*ret_peer);

    memset(ret_local, 0, sizeof(*ret_local));
    memset(ret_peer, 0, sizeof(*ret_peer));
    return getsockname(fd, (struct sockaddr *)ret_local, &n_local) == 0 &&
           ret_local->ss_family != AF_UNIX &&
           getpeername(fd, (struct sockaddr *)ret_peer, &n_peer) == 0;
}

bool odp_peer_has_left(int fd)
{
    struct sockaddr_storage local, peer;
    struct found found = {0};
    char byte;

    if (!addresses_of(fd, &local, &peer))
        return local.ss_family != AF_UNIX; // a unix client's close shows as EPOLLHUP
    if (look_up(&peer, &local, &found) == 0)
        return found.m.idiag_inode == 0 || found.is_shut;
    // Elsewhere, or its socket is gone entirely: without a byte sent there is nothing to reply to.
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

bool odp_peer_has_read(int fd, size_t n_sent)
{
    struct sockaddr_storage local, peer;
    struct found found = {0};

    return !addresses_of(fd, &local, &peer) || look_up(&peer, &local, &found) < 0 ||
           found.m.idiag_rqueue < n_sent;
}

bool odp_peer_format(int fd, char *buf, size_t size)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);
    int family;
    const void *ip;
    size_t n;
    uint16_t port;

    memset(&sa, 0, sizeof(sa));
    if (getpeername(fd, (struct sockaddr *)&sa, &len) < 0)
        return false;
    if (sa.ss_family == AF_UNIX) {
        snprintf(buf, size, "a unix socket");
        return true;
    }
    split(&sa, &family, &ip, &n, &port);
    return inet_ntop(family, ip, buf, (socklen_t)size) != NULL;
}
