// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The limit of open files; see the header.

#include "odp/proxy/limits.h"

#include <stdbool.h>
#include <sys/resource.h>

#define NOFILE_MAX 65536

static struct rlimit given;
static bool remembered;

void odp_limits_raise(void)
{
    if (!remembered && getrlimit(RLIMIT_NOFILE, &given) < 0)
        return;
    remembered = true;
    struct rlimit raised = given;
    raised.rlim_cur = given.rlim_max < NOFILE_MAX ? given.rlim_max : NOFILE_MAX;
    if (raised.rlim_cur > given.rlim_cur)
        (void)setrlimit(RLIMIT_NOFILE, &raised);
}

void odp_limits_restore(void)
{
    if (remembered)
        (void)setrlimit(RLIMIT_NOFILE, &given);
}
