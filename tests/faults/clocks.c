// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Clocks that a test can set: CLOCK_REALTIME as somebody steps it, CLOCK_BOOTTIME as it stands
// after a suspend. CLOCK_MONOTONIC is left alone, as the kernel leaves it alone in both cases.

#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "inject.h"

#define NSEC_PER_SEC INT64_C(1000000000)

static int64_t offset_of(clockid_t id)
{
    const struct inject_page *page = inject_page();

    if (!page)
        return 0;
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
        return page->realtime_nsec;
    return id == CLOCK_BOOTTIME ? page->boottime_nsec : 0;
}

// The system call instead of the library's own: a call of a test may be slower.
int clock_gettime(clockid_t id, struct timespec *ret)
{
    int r = (int)syscall(SYS_clock_gettime, id, ret);

    if (r < 0)
        return r;
    int64_t nsec = ret->tv_sec * NSEC_PER_SEC + ret->tv_nsec + offset_of(id);
    ret->tv_sec = nsec / NSEC_PER_SEC;
    ret->tv_nsec = nsec % NSEC_PER_SEC;
    return 0;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) < 0)
        return -1;
    *ret = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *ret)
{
    struct timespec now;

    if (clock_gettime(CLOCK_REALTIME, &now) < 0)
        return -1;
    if (ret)
        *ret = now.tv_sec;
    return now.tv_sec;
}
