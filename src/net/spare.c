// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Descriptors kept back; see the header. The kernel gives the lowest free one (open(2)), so a high
// number means that nearly all are taken. Keeps the process's limit, which is global as well.

#include "odp/net/spare.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>

#include "odp/base/fd.h"

static int limit;      // 0: not looked up yet
static bool is_scarce; // the client accepted last has a spare one

static void look_up_limit(void)
{
    struct rlimit l;

    limit = getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur > INT_MAX ? INT_MAX : (int)l.rlim_cur;
}

static int first_spare(enum odp_spare kept)
{
    int share = kept == ODP_SPARE_FROM_CLIENTS ? limit / 4 : limit / 8;

    return limit - (share < (int)kept ? share : (int)kept);
}

bool odp_spare_has(enum odp_spare kept, int fd)
{
    if (fd < first_spare(kept))
        return false;
    look_up_limit(); // it may have been changed meanwhile, prlimit(1)
    return fd >= first_spare(kept);
}

bool odp_spare_is_next(int fd)
{
    if (!is_scarce)
        return false;
    int next = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    is_scarce = next < 0 || odp_spare_has(ODP_SPARE_FROM_CLIENTS, next);
    odp_close(next);
    return is_scarce;
}

void odp_spare_note(int fd)
{
    is_scarce = odp_spare_has(ODP_SPARE_FROM_CLIENTS, fd);
}
