// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A library for LD_PRELOAD that lets time pass faster for one program, as often as ODP_HURRY says:
// its clocks run ahead, it waits shorter, and the spans that it agrees upon with the kernel for its
// TCP sockets are shorter for the kernel. So two minutes of a peer's silence are a few seconds of a
// test, on real sockets.

#include <linux/tcp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC  INT64_C(1000000000)
#define KERNEL_SIGSET 8 // bytes, epoll_pwait(2)
#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS 44 // at least 1000 (net/ipv4/tcp.c)
#endif

static int times = 1;
static int64_t begin_nsec;

static int64_t real_nsec(clockid_t id)
{
    struct timespec now = {0};

    syscall(SYS_clock_gettime, id, &now);
    return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("ODP_HURRY");

    if (text)
        times = atoi(text);
    begin_nsec = real_nsec(CLOCK_MONOTONIC);
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
    int64_t ahead = (times - 1) * (real_nsec(CLOCK_MONOTONIC) - begin_nsec);
    int64_t nsec = real_nsec(id) + ahead;

    ret->tv_sec = nsec / NSEC_PER_SEC;
    ret->tv_nsec = nsec % NSEC_PER_SEC;
    return 0;
}

// Rounded up: a wait of nothing would be a busy loop.
static int shorter(int value)
{
    return value > 0 ? (value + times - 1) / times : value;
}

int epoll_pwait(int fd, struct epoll_event *events, int n, int ms, const sigset_t *mask)
{
    return (int)syscall(SYS_epoll_pwait, fd, events, n, shorter(ms), mask, KERNEL_SIGSET);
}

int epoll_wait(int fd, struct epoll_event *events, int n, int ms)
{
    return epoll_pwait(fd, events, n, ms, NULL);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    int number = level == IPPROTO_TCP ? *(const int *)value : 0;

    if (level == IPPROTO_TCP &&
        (name == TCP_USER_TIMEOUT || name == TCP_KEEPIDLE || name == TCP_KEEPINTVL)) {
        number = shorter(number);
        value = &number;
    }
    if (level == IPPROTO_TCP && name == TCP_RTO_MAX_MS) {
        number = shorter(number) < 1000 ? 1000 : shorter(number);
        value = &number;
    }
    return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}

int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict len)
{
    int r = (int)syscall(SYS_getsockopt, fd, level, name, value, len);

    if (r == 0 && level == IPPROTO_TCP && name == TCP_INFO)
        ((struct tcp_info *)value)->tcpi_last_ack_recv *= (unsigned)times;
    return r;
}
