// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Dumps of the kernel's socket tables; see the header.

#include "diag.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "odp/base/fd.h"

const char *odp_diag_attribute(const char *p, size_t n_bytes, unsigned short type, size_t *ret_n)
{
    struct rtattr a;

    while (n_bytes >= sizeof(a)) {
        memcpy(&a, p, sizeof(a));
        if (a.rta_len < sizeof(a) || a.rta_len > n_bytes)
            break;
        if (a.rta_type == type) {
            *ret_n = a.rta_len - sizeof(a);
            return p + sizeof(a);
        }
        size_t step = RTA_ALIGN(a.rta_len);
        if (step > n_bytes)
            break;
        p += step;
        n_bytes -= step;
    }
    return NULL;
}

// What is not a socket ends the dump. Returns 0, or a negative errno, and whether it ended.
static int read_message(const struct nlmsghdr *h, const char *payload, bool *ret_ended)
{
    int error = 0;

    *ret_ended = h->nlmsg_type != SOCK_DIAG_BY_FAMILY;
    if (h->nlmsg_type == NLMSG_ERROR && h->nlmsg_len >= sizeof(*h) + sizeof(error))
        memcpy(&error, payload, sizeof(error));
    return error;
}

// One datagram holds many messages.
static int read_messages(const char *p, size_t n_bytes, odp_diag_cb on_answer, void *userdata,
                         bool *ret_ended)
{
    struct nlmsghdr h;

    *ret_ended = false;
    while (n_bytes >= sizeof(h)) {
        memcpy(&h, p, sizeof(h));
        if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > n_bytes)
            return -EBADMSG;
        int r = read_message(&h, p + sizeof(h), ret_ended);
        if (r < 0 || *ret_ended)
            return r;
        on_answer(userdata, p + sizeof(h), h.nlmsg_len - sizeof(h));
        size_t step = NLMSG_ALIGN(h.nlmsg_len);
        if (step > n_bytes)
            return 0;
        p += step;
        n_bytes -= step;
    }
    return 0;
}

int odp_diag_dump(const void *request, size_t n_bytes, char *buffer, size_t size,
                  odp_diag_cb on_answer, void *userdata)
{
    ODP_CLEANUP_CLOSE int fd =
        socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
    bool ended = false;
    int r = 0;

    if (fd < 0 || send(fd, request, n_bytes, 0) < 0)
        return -errno;
    while (r == 0 && !ended) { // the kernel makes the next piece within recv()
        ssize_t n = recv(fd, buffer, size, MSG_TRUNC);
        if (n < 0)
            return -errno;
        if ((size_t)n > size)
            return -EMSGSIZE;
        r = read_messages(buffer, (size_t)n, on_answer, userdata, &ended);
    }
    return r;
}
