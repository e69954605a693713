/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How long an answer takes: one client that does nothing else, or many that say little. */

#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

/* Each slow stream says something so often. */
#define PAUSE_NSEC UINT64_C(400000000)

static const struct bench_frame echo = {.op = BENCH_ECHO};

/* -- ping-pong -- */

static int ping(int fd, uint64_t n_trips, uint64_t *ret_nsec)
{
    struct bench_frame frame = echo;

    for (uint64_t i = 0; i < n_trips; i++) {
        uint64_t begun_nsec = bench_now_nsec();
        int r = bench_send_all(fd, &frame, sizeof(frame));

        if (r == 0)
            r = bench_receive_frame(fd, &frame);
        if (r < 0)
            return r;
        ret_nsec[i] = bench_now_nsec() - begun_nsec;
    }
    return 0;
}

int bench_pingpong(uint16_t port, uint64_t n_trips)
{
    uint64_t *nsec = calloc(n_trips + 1, sizeof(*nsec));
    int r, fd;

    if (!nsec)
        return -ENOMEM;
    fd = bench_connect(port);
    r = fd < 0 ? fd : ping(fd, n_trips, nsec);
    if (fd >= 0)
        close(fd);
    if (r == 0) {
        printf("{\"trips\": %" PRIu64, n_trips);
        bench_print_percentiles(nsec, n_trips);
        printf("}\n");
    }
    free(nsec);
    return r;
}

/* -- slow streams -- */

struct slow {
    int fd;
    uint64_t asked_nsec; /* when it was to ask, which may be before it came to it; 0: nothing due */
};

struct slow_run {
    struct slow *streams;
    unsigned n_streams;
    int epoll_fd;
    uint64_t begun_nsec, until_nsec;
    uint64_t n_asked;
    unsigned n_due;
    uint64_t *nsec; /* of each answer */
    size_t n_answers, n_room;
};

static int open_streams(struct slow_run *run, uint16_t port)
{
    struct bench_frame frame;

    for (unsigned i = 0; i < run->n_streams; i++) {
        struct slow *s = &run->streams[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
        int r;

        s->fd = bench_begin(port, &echo);
        if (s->fd < 0)
            return s->fd;
        r = bench_receive_frame(s->fd, &frame);
        if (r < 0)
            return r;
        if (epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, s->fd, &event) < 0)
            return -errno;
    }
    return 0;
}

/* One after the other, evenly spread over the pause. */
static uint64_t next_nsec(const struct slow_run *run)
{
    return run->begun_nsec + run->n_asked * PAUSE_NSEC / run->n_streams;
}

static int ask_due(struct slow_run *run)
{
    for (; next_nsec(run) <= bench_now_nsec() && next_nsec(run) < run->until_nsec; run->n_asked++) {
        struct slow *s = &run->streams[run->n_asked % run->n_streams];
        int r;

        if (s->asked_nsec) /* an answer that takes longer than the pause is late, not lost */
            continue;
        s->asked_nsec = next_nsec(run);
        run->n_due++;
        r = bench_send_all(s->fd, &echo, sizeof(echo));
        if (r < 0)
            return r;
    }
    return 0;
}

static int take_answer(struct slow_run *run, struct slow *s)
{
    struct bench_frame frame;
    int r = bench_receive_frame(s->fd, &frame);

    if (r < 0)
        return r;
    if (run->n_answers < run->n_room)
        run->nsec[run->n_answers++] = bench_now_nsec() - s->asked_nsec;
    s->asked_nsec = 0;
    run->n_due--;
    return 0;
}

static int run_slow(struct slow_run *run)
{
    struct epoll_event events[64];

    while (next_nsec(run) < run->until_nsec || run->n_due > 0) {
        uint64_t now_nsec = bench_now_nsec(), next = next_nsec(run);
        struct timespec wait = {.tv_nsec = next > now_nsec ? (long)(next - now_nsec) : 0};
        bool is_last = next >= run->until_nsec;
        int n = epoll_pwait2(run->epoll_fd, events, 64, is_last ? NULL : &wait, NULL);
        int r = 0;

        for (int i = 0; i < n && r == 0; i++)
            r = take_answer(run, events[i].data.ptr);
        if (r == 0)
            r = ask_due(run);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The latency counts from when a stream was to ask, so that a proxy that holds everybody up does
 * not hide it by being asked less. */
int bench_slow(uint16_t port, unsigned n_streams, unsigned n_msec)
{
    struct slow_run run = {.n_streams = n_streams, .epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
    uint64_t n_nsec = (uint64_t)n_msec * 1000000;
    int r;

    if (n_streams < 1 || n_msec < 1)
        return -EINVAL;
    if (run.epoll_fd < 0)
        return -errno;
    run.n_room = (size_t)(n_nsec * n_streams / PAUSE_NSEC) + n_streams;
    run.streams = calloc(n_streams, sizeof(*run.streams));
    run.nsec = calloc(run.n_room, sizeof(*run.nsec));
    r = run.streams && run.nsec ? open_streams(&run, port) : -ENOMEM;
    if (r == 0) {
        run.begun_nsec = bench_now_nsec();
        run.until_nsec = run.begun_nsec + n_nsec;
        r = run_slow(&run);
    }
    if (r == 0) {
        printf("{\"answers\": %zu", run.n_answers);
        bench_print_percentiles(run.nsec, run.n_answers);
        printf("}\n");
    }
    free(run.streams);
    free(run.nsec);
    close(run.epoll_fd);
    return r;
}
