/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The benchmark's load generator: one subcommand a measure, each with a fixed number of operations
 * against 127.0.0.1:PORT, so that the CPU a proxy spent can be divided by a known count. Results
 * are one line of JSON on stdout. It times latency itself and knows nothing of proxies, CPU or
 * cgroups: that is the driver's part (tests/bench/run). A run that hangs is ended by SIGALRM.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

#define CHUNK_BYTES (256u * 1024u)
#define LIMIT_SEC   30
#define MAX_CLIENTS 1024
#define MAX_PORTS   16

static uint64_t now_nsec(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

/* A blocking connect: on loopback the kernel completes it without the proxy. */
static int connect_to(uint16_t port)
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

static int send_all(int fd, const void *bytes, size_t n_bytes)
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

/* An EOF before the frame is complete is -EPIPE. */
static int receive_frame(int fd, struct bench_frame *ret)
{
    ssize_t n = recv(fd, ret, sizeof(*ret), MSG_WAITALL);

    if (n < 0)
        return -errno;
    return n == (ssize_t)sizeof(*ret) ? 0 : -EPIPE;
}

/* Connects and sends the frame that names the job. Returns the descriptor, the caller's from here
 * on. */
static int begin(uint16_t port, uint8_t op, uint64_t n_bytes)
{
    struct bench_frame frame = {.op = op, .n_bytes = n_bytes};
    int r, fd = connect_to(port);

    if (fd < 0)
        return fd;
    r = send_all(fd, &frame, sizeof(frame));
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

/* -- bulk -- */

static int receive_bulk(int fd, uint64_t n_bytes)
{
    while (n_bytes > 0) {
        size_t n_want = n_bytes < (1u << 30) ? (size_t)n_bytes : (1u << 30);
        ssize_t n = recv(fd, NULL, n_want, MSG_TRUNC);

        if (n <= 0)
            return n < 0 ? -errno : -EPIPE;
        n_bytes -= (uint64_t)n;
    }
    return 0;
}

/* Ends with the service's answer: only then has everything passed the proxy. */
static int send_bulk(int fd, uint64_t n_bytes)
{
    static uint8_t chunk[CHUNK_BYTES];
    struct bench_frame answer;

    bench_fill(chunk, sizeof(chunk), 2);
    while (n_bytes > 0) {
        size_t n_want = n_bytes < CHUNK_BYTES ? (size_t)n_bytes : CHUNK_BYTES;
        int r = send_all(fd, chunk, n_want);

        if (r < 0)
            return r;
        n_bytes -= n_want;
    }
    return receive_frame(fd, &answer);
}

static int run_bulk(uint16_t port, uint64_t n_bytes, bool up)
{
    uint64_t start = now_nsec();
    int r, fd = begin(port, up ? BENCH_UP : BENCH_DOWN, n_bytes);

    if (fd < 0)
        return fd;
    r = up ? send_bulk(fd, n_bytes) : receive_bulk(fd, n_bytes);
    close(fd);
    if (r == 0)
        printf("{\"bytes\": %" PRIu64 ", \"wall_usec\": %" PRIu64 "}\n", n_bytes,
               (now_nsec() - start) / 1000);
    return r;
}

/* -- short connections -- */

static int serial_connections(uint16_t port, uint64_t n_connections)
{
    struct bench_frame frame;

    for (uint64_t i = 0; i < n_connections; i++) {
        int r, fd = begin(port, BENCH_ECHO, 0);

        if (fd < 0)
            return fd;
        r = receive_frame(fd, &frame);
        close(fd);
        if (r < 0)
            return r;
    }
    return 0;
}

static int start_one(int epoll_fd, uint16_t port)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = begin(port, BENCH_ECHO, 0);

    if (fd < 0)
        return fd;
    event.data.fd = fd;
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* Keeps n_clients connections in flight; each that ends makes room for the next. */
static int parallel_connections(uint16_t port, uint64_t n_connections, uint64_t n_clients)
{
    struct epoll_event events[MAX_CLIENTS];
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
        n = epoll_wait(epoll_fd, events, MAX_CLIENTS, -1);
        for (int i = 0; i < n; i++, n_done++) {
            r = receive_frame(events[i].data.fd, &frame);
            close(events[i].data.fd);
            if (r < 0)
                return r;
        }
    }
    close(epoll_fd);
    return 0;
}

static int run_short(uint16_t port, uint64_t n_connections, uint64_t n_clients)
{
    uint64_t start = now_nsec();
    int r;

    if (n_clients > MAX_CLIENTS)
        return -EINVAL;
    r = n_clients <= 1 ? serial_connections(port, n_connections)
                       : parallel_connections(port, n_connections, n_clients);
    if (r == 0)
        printf("{\"connections\": %" PRIu64 ", \"wall_usec\": %" PRIu64 "}\n", n_connections,
               (now_nsec() - start) / 1000);
    return r;
}

/* -- ping-pong -- */

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static int ping(int fd, uint64_t n_trips, uint64_t *ret_nsec)
{
    struct bench_frame frame = {.op = BENCH_ECHO};

    for (uint64_t i = 0; i < n_trips; i++) {
        uint64_t start = now_nsec();
        int r = send_all(fd, &frame, sizeof(frame));

        if (r == 0)
            r = receive_frame(fd, &frame);
        if (r < 0)
            return r;
        ret_nsec[i] = now_nsec() - start;
    }
    return 0;
}

static int run_pingpong(uint16_t port, uint64_t n_trips)
{
    uint64_t *nsec = calloc(n_trips + 1, sizeof(*nsec));
    int r, fd;

    if (!nsec)
        return -ENOMEM;
    fd = connect_to(port);
    r = fd < 0 ? fd : ping(fd, n_trips, nsec);
    if (fd >= 0)
        close(fd);
    if (r == 0) {
        qsort(nsec, n_trips, sizeof(*nsec), compare_u64);
        uint64_t p50 = nsec[n_trips / 2], p99 = nsec[n_trips * 99 / 100];
        printf("{\"trips\": %" PRIu64 ", \"p50_usec\": %.3f, \"p99_usec\": %.3f}\n", n_trips,
               (double)p50 / 1e3, (double)p99 / 1e3);
    }
    free(nsec);
    return r;
}

/* -- idle connections -- */

/*
 * Opens the connections one by one, each with one frame there and back: a connection that was only
 * accepted is not yet a relayed one. Then it says "ready" and holds them until its stdin ends.
 */
static int run_idle(uint16_t port, uint64_t n_connections)
{
    struct bench_frame frame;
    char byte;

    for (uint64_t i = 0; i < n_connections; i++) {
        int r, fd = begin(port, BENCH_ECHO, 0);

        if (fd < 0)
            return fd;
        r = receive_frame(fd, &frame);
        if (r < 0)
            return r;
    }
    printf("ready\n");
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    return 0;
}

/* -- half-close -- */

static const char *judge(const uint8_t *bytes, size_t n_bytes, uint64_t n_sent, uint64_t digest)
{
    struct bench_frame words;

    if (n_bytes < sizeof(words))
        return "no last words";
    n_bytes -= sizeof(words);
    memcpy(&words, bytes + n_bytes, sizeof(words));
    if (words.op != BENCH_LAST_WORDS)
        return "the last words are missing or cut";
    if (words.n_bytes != n_sent || words.digest != digest)
        return "the service received something else than was sent";
    if (n_bytes != n_sent || bench_digest(BENCH_DIGEST_INIT, bytes, n_bytes) != digest)
        return "what came back differs from what was sent";
    return NULL;
}

/* Reads to EOF, at most n_room bytes. A reset is -ECONNRESET with what came before in ret_n. */
static int receive_to_eof(int fd, uint8_t *bytes, size_t n_room, size_t *ret_n)
{
    *ret_n = 0;
    for (;;) {
        ssize_t n = recv(fd, bytes + *ret_n, n_room - *ret_n, 0);

        if (n <= 0)
            return n < 0 ? -errno : 0;
        *ret_n += (size_t)n;
    }
}

/* A proxy that fails the check is a result, not an error of this program. */
static int run_half_close(uint16_t port, uint64_t n_bytes)
{
    size_t n_back = 0, n_room = (size_t)n_bytes + 4096;
    uint8_t *bytes = malloc(n_room);
    const char *fault = NULL;
    uint64_t digest;
    int r, fd;

    if (!bytes)
        return -ENOMEM;
    bench_fill(bytes, (size_t)n_bytes, now_nsec());
    digest = bench_digest(BENCH_DIGEST_INIT, bytes, (size_t)n_bytes);
    fd = begin(port, BENCH_HALF_CLOSE, n_bytes);
    r = fd < 0 ? fd : send_all(fd, bytes, (size_t)n_bytes);
    if (r == 0)
        r = shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
    if (r == 0)
        r = receive_to_eof(fd, bytes, n_room, &n_back);
    fault = r < 0 ? strerror(-r) : judge(bytes, n_back, n_bytes, digest);
    printf("{\"sent\": %" PRIu64 ", \"returned\": %zu, \"exact\": %s, \"fault\": \"%s\"}\n",
           n_bytes, n_back, fault ? "false" : "true", fault ? fault : "");
    if (fd >= 0)
        close(fd);
    free(bytes);
    return 0;
}

/* -- main -- */

static int usage(void)
{
    (void)fputs("usage: odp-bench-load serve PORT...\n"
                "       odp-bench-load bulk PORT BYTES up|down\n"
                "       odp-bench-load short PORT CONNECTIONS CLIENTS\n"
                "       odp-bench-load pingpong PORT TRIPS\n"
                "       odp-bench-load idle PORT CONNECTIONS\n"
                "       odp-bench-load halfclose PORT BYTES\n",
                stderr);
    return 2;
}

static int run_serve(char **arguments, int n_arguments)
{
    uint16_t ports[MAX_PORTS];

    if (n_arguments > MAX_PORTS)
        return -E2BIG;
    for (int i = 0; i < n_arguments; i++)
        ports[i] = (uint16_t)strtoul(arguments[i], NULL, 10);
    return bench_serve(ports, (size_t)n_arguments);
}

int main(int argc, char **argv)
{
    const char *verb = argc > 2 ? argv[1] : "", *extra = argc > 4 ? argv[4] : "";
    uint16_t port = argc > 2 ? (uint16_t)strtoul(argv[2], NULL, 10) : 0;
    uint64_t n = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    int r;

    if (strcmp(verb, "serve") == 0) {
        r = run_serve(argv + 2, argc - 2);
    } else {
        (void)alarm(LIMIT_SEC);
        if (n == 0)
            return usage();
        if (strcmp(verb, "bulk") == 0)
            r = run_bulk(port, n, strcmp(extra, "up") == 0);
        else if (strcmp(verb, "short") == 0)
            r = run_short(port, n, strtoull(extra, NULL, 10));
        else if (strcmp(verb, "pingpong") == 0)
            r = run_pingpong(port, n);
        else if (strcmp(verb, "idle") == 0)
            r = run_idle(port, n);
        else if (strcmp(verb, "halfclose") == 0)
            r = run_half_close(port, n);
        else
            return usage();
    }
    if (r < 0) {
        (void)fprintf(stderr, "odp-bench-load %s: %s\n", verb, strerror(-r));
        return 1;
    }
    return 0;
}
