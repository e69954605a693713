// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A socketpair full of descriptors; see the header. A message is the number of its first one, and
// up to 253 of them: so small that the queue of an ordinary socket buffer takes 100,000.

#include "odp/net/carrier.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "odp/base/fd.h"

#define SEND_BYTES (8 * 1024 * 1024) // the kernel gives what net.core.wmem_max allows
#define NUMBER_MAX (1024 * 1024)     // more than any process may have open

// Room for one SCM_RIGHTS message, aligned as the kernel wants it.
union control {
    char bytes[CMSG_SPACE(ODP_CARRIER_BATCH * sizeof(int))];
    struct cmsghdr align;
};

// ---- sending -----------------------------------------------------------------------------------

int odp_carrier_open(struct odp_carrier *c, int *ret_store)
{
    const int n_bytes = SEND_BYTES;
    int pair[2];

    *c = (struct odp_carrier){.fd = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return -errno;
    if (setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &n_bytes, sizeof(n_bytes)) < 0)
        (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &n_bytes, sizeof(n_bytes));
    c->fd = pair[0];
    *ret_store = pair[1];
    return 0;
}

static int send_batch(struct odp_carrier *c)
{
    uint32_t first = c->n_put - c->n_batch;
    struct iovec iov = {.iov_base = &first, .iov_len = sizeof(first)};
    union control control = {0};
    struct msghdr message = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = CMSG_SPACE(c->n_batch * sizeof(int)),
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(c->n_batch * sizeof(int));
    memcpy(CMSG_DATA(header), c->batch, c->n_batch * sizeof(int));
    for (;;) {
        if (sendmsg(c->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return 0;
        if (errno != EINTR)
            return -errno;
    }
}

int odp_carrier_flush(struct odp_carrier *c)
{
    if (c->error == 0 && c->n_batch > 0)
        c->error = send_batch(c);
    c->n_batch = 0;
    return c->error;
}

int odp_carrier_put(struct odp_carrier *c, int fd, uint32_t *ret_number)
{
    if (c->error < 0)
        return c->error;
    *ret_number = c->n_put++;
    c->batch[c->n_batch++] = fd;
    return c->n_batch == ODP_CARRIER_BATCH ? odp_carrier_flush(c) : 0;
}

bool odp_carrier_is_kept(const struct odp_carrier *c)
{
    struct pollfd pollfd = {.fd = c->fd, .events = 0};

    return poll(&pollfd, 1, 0) == 0;
}

void odp_carrier_close(struct odp_carrier *c)
{
    c->fd = odp_close(c->fd);
}

// ---- receiving ---------------------------------------------------------------------------------

static bool make_room(struct odp_carried *c, uint32_t n)
{
    if (n <= c->n)
        return true;
    int *fds = reallocarray(c->fds, n, sizeof(*fds));
    if (!fds)
        return false;
    for (uint32_t i = c->n; i < n; i++)
        fds[i] = -1;
    c->fds = fds;
    c->n = n;
    return true;
}

static void keep(struct odp_carried *c, uint32_t number, int fd, int *error)
{
    if (number < NUMBER_MAX && make_room(c, number + 1)) {
        odp_close(c->fds[number]);
        c->fds[number] = fd;
        return;
    }
    odp_close(fd);
    *error = -ENOMEM;
}

static void unpack(struct msghdr *message, uint32_t first, struct odp_carried *ret, int *error)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h; h = CMSG_NXTHDR(message, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(h) + i * sizeof(fd), sizeof(fd));
            keep(ret, first + (uint32_t)i, fd, error);
        }
    }
    if (message->msg_flags & MSG_CTRUNC) // no descriptor was free for the rest of them
        *error = -EMFILE;
}

int odp_carried_receive(int store, struct odp_carried *ret)
{
    int error = 0;

    *ret = (struct odp_carried){0};
    for (;;) {
        uint32_t first = 0;
        struct iovec iov = {.iov_base = &first, .iov_len = sizeof(first)};
        union control control = {0};
        struct msghdr message = {
            .msg_iov = &iov,
            .msg_iovlen = 1,
            .msg_control = control.bytes,
            .msg_controllen = sizeof(control.bytes),
        };
        ssize_t n = recvmsg(store, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            error = -errno;
        if (n <= 0) // all of it: whoever filled it has ended
            return error;
        unpack(&message, n == sizeof(first) ? first : NUMBER_MAX, ret, &error);
    }
}

int odp_carried_take(struct odp_carried *c, uint32_t number)
{
    return number < c->n ? odp_fd_take(&c->fds[number]) : -1;
}

void odp_carried_deinit(struct odp_carried *c)
{
    for (uint32_t i = 0; i < c->n; i++)
        odp_close(c->fds[i]);
    free(c->fds);
    *c = (struct odp_carried){0};
}
