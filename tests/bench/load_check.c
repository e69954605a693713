/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connections that do nothing, for their memory; and half-close, byte by byte. */

#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

/* -- idle connections -- */

/*
 * Opens the connections one by one, each with one frame there and back: a connection that was only
 * accepted is not yet a relayed one. Then it says "ready" and holds them until its stdin ends.
 */
int bench_idle(uint16_t port, uint64_t n_connections)
{
    const struct bench_frame job = {.op = BENCH_ECHO};
    struct bench_frame frame;
    char byte;

    for (uint64_t i = 0; i < n_connections; i++) {
        int r, fd = bench_begin(port, &job);

        if (fd < 0)
            return fd;
        r = bench_receive_frame(fd, &frame);
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
static void print_verdict(uint64_t n_sent, size_t n_back, const char *fault)
{
    printf("{\"sent\": %" PRIu64 ", \"returned\": %zu, \"exact\": %s, \"fault\": \"%s\"}\n", n_sent,
           n_back, fault ? "false" : "true", fault ? fault : "");
}

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

/* The client ends first: all comes back, and the service's last words. */
int bench_half_close(uint16_t port, uint64_t n_bytes)
{
    const struct bench_frame job = {.op = BENCH_HALF_CLOSE, .n_bytes = n_bytes};
    size_t n_back = 0, n_room = (size_t)n_bytes + 4096;
    uint8_t *bytes = malloc(n_room);
    uint64_t digest;
    int r, fd;

    if (!bytes)
        return -ENOMEM;
    bench_fill(bytes, (size_t)n_bytes, bench_now_nsec());
    digest = bench_digest(BENCH_DIGEST_INIT, bytes, (size_t)n_bytes);
    fd = bench_begin(port, &job);
    r = fd < 0 ? fd : bench_send_all(fd, bytes, (size_t)n_bytes);
    if (r == 0)
        r = shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
    if (r == 0)
        r = receive_to_eof(fd, bytes, n_room, &n_back);
    print_verdict(n_bytes, n_back, r < 0 ? strerror(-r) : judge(bytes, n_back, n_bytes, digest));
    if (fd >= 0)
        close(fd);
    free(bytes);
    return 0;
}

/* What the service has received on the connection of that name, once it has seen its end. */
static int ask_verdict(uint16_t port, uint64_t name, struct bench_frame *ret)
{
    const struct bench_frame job = {.op = BENCH_VERDICT, .digest = name};
    const struct timespec pause = {.tv_nsec = 2 * 1000 * 1000};

    for (int i = 0; i < 1000; i++) {
        int fd = bench_begin(port, &job);
        int r = fd < 0 ? fd : bench_receive_frame(fd, ret);

        if (fd >= 0)
            close(fd);
        if (r < 0 || ret->op == BENCH_LAST_WORDS)
            return r;
        (void)nanosleep(&pause, NULL);
    }
    return -ETIMEDOUT;
}

/* The service ends first: only when its end was seen the client sends, and the service is asked
 * whether all has come. */
int bench_half_close_service(uint16_t port, uint64_t n_bytes)
{
    uint64_t name = bench_now_nsec(), digest;
    const struct bench_frame job = {.op = BENCH_ENDS_FIRST, .n_bytes = n_bytes, .digest = name};
    size_t n_got = 0, n_room = (size_t)n_bytes + 4096;
    uint8_t *bytes = malloc(n_room);
    const char *fault = NULL;
    struct bench_frame verdict;
    int r, fd;

    if (!bytes)
        return -ENOMEM;
    fd = bench_begin(port, &job);
    r = fd < 0 ? fd : receive_to_eof(fd, bytes, n_room, &n_got);
    digest = bench_digest(BENCH_DIGEST_INIT, bytes, n_got);
    bench_fill(bytes, (size_t)n_bytes, name);
    if (r == 0 &&
        (n_got != n_bytes || digest != bench_digest(BENCH_DIGEST_INIT, bytes, (size_t)n_bytes)))
        fault = "what came differs from what the service sent";
    if (r == 0)
        r = bench_send_all(fd, bytes, (size_t)n_bytes);
    if (fd >= 0)
        close(fd);
    if (r == 0)
        r = ask_verdict(port, name, &verdict);
    if (r == 0 && !fault && (verdict.n_bytes != n_bytes || verdict.digest != digest))
        fault = "the service received something else than was sent after its end";
    print_verdict(n_bytes, n_got, r < 0 ? strerror(-r) : fault);
    free(bytes);
    return 0;
}
