// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Counts the users of a service's internal port; see the header. The kernel sorts by port, so what
// comes here are the sockets of one port; which of them are this service's is told by the listeners
// of that port: an address has its own, or the wildcard's.

#include "odp/net/direct.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "diag.h"
#include "odp/base/fd.h"
#include "odp/net/sockaddr.h"

// Listeners with addresses of their own on one port. More of them than this are taken for
// the wildcard's, which keeps a service awake rather than puts it to sleep.
#define SPECIFIC_MAX 32

_Static_assert(ODP_DIRECT_BUFFER_BYTES >= ODP_DIAG_BUFFER_MIN, "the kernel's messages are larger");

enum family {
    FAMILY_INET = 1 << 0,
    FAMILY_INET6 = 1 << 1,
};

struct count {
    const struct odp_address *target;
    char *buffer;
    size_t size;
    struct odp_address specific[SPECIFIC_MAX];
    size_t n_specific;
    // Families of the sockets that listen on the target's own address, and on a wildcard that
    // takes what is meant for it: those that they accept have the same. Bits of enum family.
    unsigned own_families, wildcard_families;
    struct stat file; // of a unix target
    int n;
};

// ---- TCP ---------------------------------------------------------------------------------------

static void to_address(uint8_t family, const __be32 *ip, __be16 port, struct odp_address *ret)
{
    struct in6_addr in6;

    memset(ret, 0, sizeof(*ret));
    memcpy(&in6, ip, sizeof(in6));
    ret->kind = family == AF_INET ? ODP_ADDRESS_INET : ODP_ADDRESS_INET6;
    ret->port = ntohs(port);
    if (family == AF_INET) {
        memcpy(ret->ip, ip, 4);
    } else if (IN6_IS_ADDR_V4MAPPED(&in6)) {
        ret->kind = ODP_ADDRESS_INET;
        memcpy(ret->ip, &in6.s6_addr[12], 4);
    } else {
        memcpy(ret->ip, &in6, 16);
    }
}

static bool is_wildcard(const struct odp_address *a)
{
    static const uint8_t zero[16];

    return memcmp(a->ip, zero, a->kind == ODP_ADDRESS_INET ? 4 : 16) == 0;
}

static bool is_specific(const struct count *c, const struct odp_address *a)
{
    for (size_t i = 0; i < c->n_specific; i++)
        if (odp_address_equal(&c->specific[i], a))
            return true;
    return false;
}

// A wildcard listener takes nothing for an address that is elsewhere, a container's for instance.
static bool is_local(const struct odp_address *a)
{
    struct odp_address any_port = *a;
    struct sockaddr_storage sa;

    if (odp_address_is_loopback(a))
        return true;
    any_port.port = 0;
    socklen_t len = odp_sockaddr_from_address(&any_port, &sa);
    ODP_CLEANUP_CLOSE int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && bind(fd, (const struct sockaddr *)&sa, len) == 0;
}

// Returns the socket's family bit, 0 for what is no answer.
static unsigned read_socket(const char *answer, size_t n_bytes, struct odp_address *ret_own,
                            struct odp_address *ret_peer)
{
    struct inet_diag_msg m;

    if (n_bytes < sizeof(m))
        return 0;
    memcpy(&m, answer, sizeof(m));
    to_address(m.idiag_family, m.id.idiag_src, m.id.idiag_sport, ret_own);
    to_address(m.idiag_family, m.id.idiag_dst, m.id.idiag_dport, ret_peer);
    return m.idiag_family == AF_INET ? FAMILY_INET : FAMILY_INET6;
}

static void on_listener(void *userdata, const char *answer, size_t n_bytes)
{
    struct odp_address own, peer;
    struct count *c = userdata;

    unsigned family = read_socket(answer, n_bytes, &own, &peer);
    if (family == 0)
        return;
    if (is_wildcard(&own)) {
        if (odp_address_covers(&own, c->target) && is_local(c->target))
            c->wildcard_families |= family;
        return;
    }
    if (odp_address_equal(&own, c->target))
        c->own_families |= family;
    if (!is_specific(c, &own) && c->n_specific < SPECIFIC_MAX)
        c->specific[c->n_specific++] = own;
}

// The far end of a connection to the service, as the service has it.
static void on_accepted(void *userdata, const char *answer, size_t n_bytes)
{
    struct odp_address own, peer;
    struct count *c = userdata;

    if (read_socket(answer, n_bytes, &own, &peer) == 0)
        return;
    if (c->own_families ? odp_address_equal(&own, c->target) : !is_specific(c, &own))
        c->n++;
}

// The near end of a connection to the service, as its client has it.
static void on_connected(void *userdata, const char *answer, size_t n_bytes)
{
    struct odp_address own, peer;
    struct count *c = userdata;

    if (read_socket(answer, n_bytes, &own, &peer) != 0 && odp_address_equal(&peer, c->target))
        c->n++;
}

static int dump_tcp(struct count *c, uint8_t family, unsigned state, odp_diag_cb on_answer)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } q = {
        .header = {.nlmsg_len = sizeof(q),
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .request = {.sdiag_family = family,
                    .sdiag_protocol = IPPROTO_TCP,
                    .idiag_states = 1U << state},
    };
    __be16 port = htons(c->target->port);

    if (on_answer == on_connected)
        q.request.id.idiag_dport = port;
    else
        q.request.id.idiag_sport = port;
    return odp_diag_dump(&q, sizeof(q), c->buffer, c->size, on_answer, c);
}

static int dump_families(struct count *c, unsigned families, unsigned state, odp_diag_cb on_answer)
{
    int r = families & FAMILY_INET ? dump_tcp(c, AF_INET, state, on_answer) : 0;

    if (r == 0 && families & FAMILY_INET6)
        r = dump_tcp(c, AF_INET6, state, on_answer);
    return r;
}

// Each family of established sockets is a walk through all that the machine has.
static int count_tcp(struct count *c)
{
    int r = dump_families(c, FAMILY_INET | FAMILY_INET6, TCP_LISTEN, on_listener);
    unsigned served = c->own_families ? c->own_families : c->wildcard_families;

    if (r < 0)
        return r;
    if (served)
        return dump_families(c, served, TCP_ESTABLISHED, on_accepted);
    // Sockets of IPv6 may carry IPv4, not the other way round.
    unsigned families = FAMILY_INET6 | (c->target->kind == ODP_ADDRESS_INET ? FAMILY_INET : 0);
    return dump_families(c, families, TCP_ESTABLISHED, on_connected);
}

// ---- unix --------------------------------------------------------------------------------------

// An accepted socket has its listener's name and file, unix(7).
static bool is_of_target(const struct count *c, const char *attributes, size_t n_bytes)
{
    const char *path = c->target->path;
    struct unix_diag_vfs vfs;
    size_t n;
    const char *name = odp_diag_attribute(attributes, n_bytes, UNIX_DIAG_NAME, &n);

    if (name && strnlen(name, n) == strlen(path) && memcmp(name, path, strlen(path)) == 0)
        return true;
    // The service may have bound it under another name.
    const char *file = odp_diag_attribute(attributes, n_bytes, UNIX_DIAG_VFS, &n);
    if (!file || n < sizeof(vfs) || c->file.st_ino == 0)
        return false;
    memcpy(&vfs, file, sizeof(vfs));
    return vfs.udiag_vfs_ino == (uint32_t)c->file.st_ino &&
           vfs.udiag_vfs_dev == (major(c->file.st_dev) << 20 | minor(c->file.st_dev));
}

static void on_unix(void *userdata, const char *answer, size_t n_bytes)
{
    struct count *c = userdata;
    struct unix_diag_msg m;

    if (n_bytes < sizeof(m))
        return;
    memcpy(&m, answer, sizeof(m));
    if (m.udiag_type == SOCK_STREAM && is_of_target(c, answer + sizeof(m), n_bytes - sizeof(m)))
        c->n++;
}

static int count_unix(struct count *c)
{
    struct {
        struct nlmsghdr header;
        struct unix_diag_req request;
    } q = {
        .header = {.nlmsg_len = sizeof(q),
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .request = {.sdiag_family = AF_UNIX,
                    .udiag_states = 1U << TCP_ESTABLISHED,
                    .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS},
    };

    (void)stat(c->target->path, &c->file); // without it the name alone tells
    return odp_diag_dump(&q, sizeof(q), c->buffer, c->size, on_unix, c);
}

int odp_direct_count(const struct odp_address *target, char *buffer, size_t size)
{
    struct count c = {.target = target, .buffer = buffer, .size = size};
    int r = target->kind == ODP_ADDRESS_UNIX ? count_unix(&c) : count_tcp(&c);

    return r < 0 ? r : c.n;
}
