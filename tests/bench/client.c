/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the measures share; see the header. */

#define _GNU_SOURCE
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint64_t bench_now_nsec(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

int bench_connect(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int r, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

int bench_send_all(int fd, const void *bytes, size_t n_bytes)
{
    const uint8_t *at = bytes;

    while (n_bytes > 0) {
        ssize_t n = send(fd, at, n_bytes, MSG_NOSIGNAL);

        if (n < 0)
            return -errno;
        at += n;
        n_bytes -= (size_t)n;
    }
    return 0;
}

int bench_receive_frame(int fd, struct bench_frame *ret)
{
    ssize_t n = recv(fd, ret, sizeof(*ret), MSG_WAITALL);

    if (n < 0)
        return -errno;
    return n == (ssize_t)sizeof(*ret) ? 0 : -EPIPE;
}

int bench_begin(uint16_t port, const struct bench_frame *job)
{
    int r, fd = bench_connect(port);

    if (fd < 0)
        return fd;
    r = bench_send_all(fd, job, sizeof(*job));
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

void bench_print_percentiles(uint64_t *nsec, size_t n)
{
    static const struct {
        const char *name;
        unsigned per_mille;
    } wanted[] = {{"p50_usec", 500}, {"p99_usec", 990}, {"p999_usec", 999}};

    qsort(nsec, n, sizeof(*nsec), compare_u64);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        size_t at = n * wanted[i].per_mille / 1000;
        printf(", \"%s\": %.3f", wanted[i].name, n ? (double)nsec[at] / 1e3 : 0.0);
    }
}
