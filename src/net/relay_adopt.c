// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A relay that another process began: what was in flight there goes on here.

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "odp/base/fd.h"
#include "odp/net/relay.h"
#include "relay_flow.h"

const char *odp_relay_in_flight(const struct odp_relay_flow *f, int ret_fds[2])
{
    ret_fds[0] = ret_fds[1] = -1;
    if (!f->pipe || f->n_in_pipe == 0)
        return NULL;
    ret_fds[0] = f->pipe->read_fd;
    ret_fds[1] = f->pipe->write_fd;
    return f->pipe->read_fd < 0 ? f->pipe->bytes + f->pipe->n_sent : NULL;
}

static bool is_pipe(int fd)
{
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

int odp_relay_adopt_pipe(struct odp_relay *relay, int flow, const int fds[2])
{
    struct odp_relay_flow *f = &relay->flows[flow];
    int n = 0;

    // The pipe itself knows best how much it holds.
    if (!is_pipe(fds[0]) || !is_pipe(fds[1]) || ioctl(fds[0], FIONREAD, &n) < 0 || n <= 0) {
        odp_close(fds[0]);
        odp_close(fds[1]);
        return -EBADF;
    }
    f->pipe = odp_pipe_adopt(&relay->relays->pool, fds[0], fds[1]);
    if (!f->pipe)
        return -ENOMEM;
    f->n_in_pipe = (uint32_t)n;
    return 0;
}
