// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who may give orders. Blocks: without an odpd a launcher has nothing else to do.

#include "odp/launcher/admit.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "odp/base/cred.h"
#include "odp/base/fd.h"
#include "odp/base/log.h"
#include "odp/base/time.h"
#include "odp/net/systemd.h"

#define WAIT_MS 10000

static bool is_listener(int fd)
{
    int type = 0, domain = 0, listening = 0;
    socklen_t size = sizeof(int);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET &&
           getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

static int get_listener(int *ret)
{
    char **names;
    int n = odp_systemd_listen_fds(&names);

    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    if (n < 0)
        return n;
    if (n != 1 || !is_listener(SD_LISTEN_FDS_START))
        return -ENOTSOCK;
    *ret = SD_LISTEN_FDS_START;
    return 0;
}

// The group by the socket's file: what decides who can connect at all.
static bool is_of_sockets_group(int listener, int fd, const struct ucred *peer)
{
    struct sockaddr_un sa = {0};
    socklen_t len = sizeof(sa) - 1; // so that the path is terminated
    struct stat st;

    return getsockname(listener, (struct sockaddr *)&sa, &len) == 0 && sa.sun_path[0] == '/' &&
           stat(sa.sun_path, &st) == 0 && (st.st_mode & 0020) != 0 &&
           odp_cred_in_group(fd, peer, st.st_gid);
}

static bool may_order(int listener, int fd)
{
    struct ucred peer;

    if (!odp_cred_get(fd, &peer))
        return false;
    if (peer.uid == 0 || peer.uid == geteuid() || is_of_sockets_group(listener, fd, &peer))
        return true;
    odp_log(ODP_LOG_WARNING, NULL, "user %u may not give orders: closed", (unsigned)peer.uid);
    return false;
}

// Returns 1 where a connection may be waiting, 0 where none came, or a negative errno.
static int await_connection(int listener, uint64_t until_usec)
{
    struct pollfd pfd = {.fd = listener, .events = POLLIN};
    uint64_t now_usec = odp_now_usec();
    int ms = now_usec < until_usec ? (int)((until_usec - now_usec) / ODP_USEC_PER_MS) : 0;
    int n = poll(&pfd, 1, ms);

    return n < 0 ? (errno == EINTR ? 1 : -errno) : n;
}

int odp_admit_odpd(int *ret_fd)
{
    uint64_t until_usec = odp_now_usec() + WAIT_MS * ODP_USEC_PER_MS;
    int listener, r = get_listener(&listener);

    *ret_fd = -1;
    if (r < 0)
        return r;
    while ((r = await_connection(listener, until_usec)) > 0) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0 && may_order(listener, fd)) {
            *ret_fd = fd;
            break;
        }
        // Out of descriptors or memory: it would wait there, and be tried, for ever.
        if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            r = -errno;
            break;
        }
        odp_close(fd); // one that left while it waited is none of ours, either
    }
    odp_close(listener);
    return r < 0 ? r : 0;
}
