/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Short connections: 64 bytes there, 64 back, and the end; one after the other or many at once. */

#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "client.h"

static const struct bench_frame echo = {.op = BENCH_ECHO};

static int serial_connections(uint16_t port, uint64_t n_connections)
{
    struct bench_frame frame;

    for (uint64_t i = 0; i < n_connections; i++) {
        int r, fd = bench_begin(port, &echo);

        if (fd < 0)
            return fd;
        r = bench_receive_frame(fd, &frame);
        close(fd);
        if (r < 0)
            return r;
    }
    return 0;
}

static int start_one(int epoll_fd, uint16_t port)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = bench_begin(port, &echo);

    if (fd < 0)
        return fd;
    event.data.fd = fd;
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* Keeps n_clients connections in flight; each that ends makes room for the next. */
static int parallel_connections(uint16_t port, uint64_t n_connections, uint64_t n_clients)
{
    struct epoll_event events[BENCH_MAX_CLIENTS];
    struct bench_frame frame;
    uint64_t n_started = 0, n_done = 0;
    int r, epoll_fd = epoll_create1(EPOLL_CLOEXEC);

    if (epoll_fd < 0)
        return -errno;
    while (n_done < n_connections) {
        int n;

        for (; n_started < n_connections && n_started - n_done < n_clients; n_started++) {
            r = start_one(epoll_fd, port);
            if (r < 0)
                return r;
        }
        n = epoll_wait(epoll_fd, events, BENCH_MAX_CLIENTS, -1);
        for (int i = 0; i < n; i++, n_done++) {
            r = bench_receive_frame(events[i].data.fd, &frame);
            close(events[i].data.fd);
            if (r < 0)
                return r;
        }
    }
    close(epoll_fd);
    return 0;
}

int bench_short(uint16_t port, uint64_t n_connections, uint64_t n_clients)
{
    uint64_t begun_nsec = bench_now_nsec();
    int r;

    if (n_clients > BENCH_MAX_CLIENTS)
        return -EINVAL;
    r = n_clients <= 1 ? serial_connections(port, n_connections)
                       : parallel_connections(port, n_connections, n_clients);
    if (r == 0)
        printf("{\"connections\": %" PRIu64 ", \"wall_usec\": %" PRIu64 "}\n", n_connections,
               (bench_now_nsec() - begun_nsec) / 1000);
    return r;
}
