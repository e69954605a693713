/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A service that is slow to start, for tests/bench/wake: it listens on 127.0.0.1:PORT after a time
 * by chance, and answers each byte with the moment at which it began to listen, so that a client
 * can say how long after that it was answered. At SIGTERM it appends the moment to FILE. Moments
 * are those of CLOCK_MONOTONIC, in nanoseconds.
 *
 *     odp-bench-late PORT MIN_MSEC MAX_MSEC FILE
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 65535 // or as many as the kernel takes: a crowd may come at once

static uint64_t now_nsec(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

static void wait_by_chance(uint64_t min_msec, uint64_t max_msec)
{
    uint64_t chance = 0;

    (void)getrandom(&chance, sizeof(chance), 0);
    uint64_t msec = min_msec + (max_msec > min_msec ? chance % (max_msec - min_msec) : 0);
    const struct timespec ts = {.tv_sec = (time_t)(msec / 1000),
                                .tv_nsec = (long)(msec % 1000) * 1000000};
    (void)nanosleep(&ts, NULL);
}

static int open_listener(uint16_t port, uint64_t *ret_nsec)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return -1;
    *ret_nsec = now_nsec();
    return listen(fd, BACKLOG) < 0 ? -1 : fd;
}

static int watch(int epoll_fd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int open_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static int tell_end(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    int n = dprintf(fd, "%" PRIu64 "\n", now_nsec());

    return fd < 0 || n < 0 || close(fd) < 0;
}

static void answer(int fd, uint64_t listened_nsec)
{
    char byte;

    if (read(fd, &byte, 1) != 1 ||
        send(fd, &listened_nsec, sizeof(listened_nsec), MSG_NOSIGNAL) != sizeof(listened_nsec))
        (void)close(fd);
}

int main(int argc, char **argv)
{
    uint64_t listened_nsec;
    struct epoll_event event;

    if (argc != 5) {
        (void)fputs("usage: odp-bench-late PORT MIN_MSEC MAX_MSEC FILE\n", stderr);
        return 2;
    }
    int signals = open_signals(), epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    wait_by_chance(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    int listener = open_listener((uint16_t)strtoul(argv[1], NULL, 10), &listened_nsec);
    if (listener < 0 || watch(epoll_fd, listener) < 0 || watch(epoll_fd, signals) < 0) {
        perror("odp-bench-late");
        return 1;
    }
    while (epoll_wait(epoll_fd, &event, 1, -1) >= 0 && event.data.fd != signals) {
        if (event.data.fd != listener)
            answer(event.data.fd, listened_nsec);
        else
            (void)watch(epoll_fd, accept4(listener, NULL, NULL, SOCK_CLOEXEC));
    }
    return tell_end(argv[4]);
}
