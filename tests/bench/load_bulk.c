/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bulk transfers: some streams at once, all in one direction. What arrives is thrown away without
 * a copy, since this program shares the machine with the proxy under test. SIGTERM ends it before
 * all has passed, and is no error.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

#define CHUNK_BYTES (256u * 1024u)
#define MAX_STREAMS 64
#define EVENT_MOST                                                                                 \
    (4u * 1024u * 1024u) /* bytes for one stream before the others have their turn                 \
                          */

struct stream {
    uint64_t n_left; /* the answer is not counted */
    int fd;
    bool answered;
};

static uint8_t chunk[CHUNK_BYTES];
static volatile sig_atomic_t is_told_to_end;

static void on_sigterm(int number)
{
    (void)number;
    is_told_to_end = 1;
}

/* Returns false once nothing more can be done now; *ret_error says whether something went wrong. */
static bool move(struct stream *s, bool up, int *ret_error)
{
    struct bench_frame answer;
    ssize_t n;

    if (s->n_left == 0) { /* only with its answer everything has passed the proxy */
        n = recv(s->fd, &answer, sizeof(answer), 0);
        s->answered = n == (ssize_t)sizeof(answer);
    } else if (up) {
        n = send(s->fd, chunk, s->n_left < CHUNK_BYTES ? (size_t)s->n_left : CHUNK_BYTES,
                 MSG_NOSIGNAL);
    } else {
        n = recv(s->fd, NULL, s->n_left < (1u << 30) ? (size_t)s->n_left : (1u << 30), MSG_TRUNC);
    }
    if (n > 0 && s->n_left > 0)
        s->n_left -= (uint64_t)n;
    else if (n > 0 && !s->answered)
        *ret_error = -EPROTO;
    else if (n <= 0 && (n == 0 || errno != EAGAIN))
        *ret_error = n == 0 ? -EPIPE : -errno;
    return n > 0 && *ret_error == 0 && s->n_left > 0;
}

static bool is_over(const struct stream *s, bool up)
{
    return s->n_left == 0 && (!up || s->answered);
}

static int on_event(int epoll_fd, struct stream *s, bool up)
{
    uint64_t n_before = s->n_left;
    int r = 0;

    while (n_before - s->n_left < EVENT_MOST && move(s, up, &r))
        ;
    if (r == 0 && up && s->n_left == 0 && n_before > 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
        r = epoll_ctl(epoll_fd, EPOLL_CTL_MOD, s->fd, &event) < 0 ? -errno : 0;
    }
    return r;
}

static int start(int epoll_fd, struct stream *s, uint16_t port, bool up)
{
    const struct bench_frame job = {.op = up ? BENCH_UP : BENCH_DOWN, .n_bytes = s->n_left};
    struct epoll_event event = {.events = up ? EPOLLOUT : EPOLLIN, .data.ptr = s};

    s->fd = bench_begin(port, &job);
    if (s->fd < 0)
        return s->fd;
    (void)fcntl(s->fd, F_SETFL, O_NONBLOCK);
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->fd, &event) < 0 ? -errno : 0;
}

static int run(int epoll_fd, bool up, unsigned n_streams)
{
    struct epoll_event events[MAX_STREAMS];

    while (n_streams > 0 && !is_told_to_end) {
        int n = epoll_wait(epoll_fd, events, MAX_STREAMS, -1);

        for (int i = 0; i < n; i++) {
            struct stream *s = events[i].data.ptr;
            int r = on_event(epoll_fd, s, up);

            if (r < 0)
                return r;
            if (is_over(s, up)) {
                n_streams--;
                close(s->fd);
            }
        }
    }
    return 0;
}

int bench_bulk(uint16_t port, uint64_t n_bytes, bool up, unsigned n_streams)
{
    static struct stream streams[MAX_STREAMS];
    uint64_t begun_nsec = bench_now_nsec(), n_moved = 0;
    int r = 0, epoll_fd = epoll_create1(EPOLL_CLOEXEC);

    if (n_streams < 1 || n_streams > MAX_STREAMS)
        return -EINVAL;
    if (epoll_fd < 0)
        return -errno;
    (void)signal(SIGTERM, on_sigterm);
    bench_fill(chunk, sizeof(chunk), 2);
    for (unsigned i = 0; i < n_streams && r == 0; i++) {
        streams[i].n_left = n_bytes / n_streams;
        r = start(epoll_fd, &streams[i], port, up);
    }
    if (r == 0)
        r = run(epoll_fd, up, n_streams);
    close(epoll_fd);
    for (unsigned i = 0; i < n_streams; i++)
        n_moved += n_bytes / n_streams - streams[i].n_left;
    if (r == 0)
        printf("{\"bytes\": %" PRIu64 ", \"wall_usec\": %" PRIu64 "}\n", n_moved,
               (bench_now_nsec() - begun_nsec) / 1000);
    return r;
}
