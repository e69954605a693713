/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The service behind the proxies: one epoll loop that does the jobs of wire.h. It shares a core
 * with the client, so it must stay cheap: bulk bytes are sent from one static buffer and thrown
 * away with MSG_TRUNC, without a copy. It owns its sockets and nothing else; whoever started it
 * kills it.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

#define CHUNK_BYTES     (256u * 1024u)
#define STORE_MAX_BYTES (256u * 1024u * 1024u)
#define N_EVENTS        256
#define TURN_BYTES      (1024u * 1024u) /* of one source before the others have their turn */

enum job_state {
    JOB_LISTEN,
    JOB_FRAME, /* collecting the first frame */
    JOB_ECHO,
    JOB_SOURCE,  /* sending n_left bytes */
    JOB_SINK,    /* throwing n_left bytes away */
    JOB_STORE,   /* keeping bytes until EOF */
    JOB_REPLAY,  /* sending the kept bytes back, last words included */
    JOB_LECTURE, /* sending what was asked for, then the end */
    JOB_LISTENS, /* after its own end: digesting bytes until the client's */
    JOB_DRAIN,   /* done: wait for the client's EOF */
};

struct job {
    int fd;
    enum job_state state;
    struct bench_frame frame;
    size_t n_frame;
    uint64_t n_left;
    uint8_t *store;
    size_t n_store, n_stored, n_replayed;
};

static uint8_t chunk[CHUNK_BYTES];

/* What the last JOB_LISTENS has received. One at a time is measured. */
static struct bench_frame verdict;
static uint64_t verdict_name;

static void job_free(struct job *job)
{
    if (!job)
        return;
    if (job->fd >= 0)
        close(job->fd);
    free(job->store);
    free(job);
}

static struct job *job_new(int epoll_fd, int fd, enum job_state state)
{
    struct job *job = calloc(1, sizeof(*job));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = job};

    if (!job) {
        close(fd);
        return NULL;
    }
    job->fd = fd;
    job->state = state;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        job_free(job);
        return NULL;
    }
    return job;
}

static int job_wait_for(int epoll_fd, struct job *job, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = job};

    return epoll_ctl(epoll_fd, EPOLL_CTL_MOD, job->fd, &event) < 0 ? -errno : 0;
}

static void job_accept(int epoll_fd, struct job *listener)
{
    for (int i = 0; i < 64; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0)
            return;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        (void)job_new(epoll_fd, fd, JOB_FRAME);
    }
}

/* Frames fit any socket buffer of a client that waits for them, so a short send is a fault. */
static bool send_whole(int fd, const void *bytes, size_t n_bytes)
{
    return send(fd, bytes, n_bytes, MSG_NOSIGNAL) == (ssize_t)n_bytes;
}

/* The steps below return false when the job is over and its connection can be closed. */

/* The store holds what is to be sent; the verdict is not there before the end. */
static bool job_begin_lecture(int epoll_fd, struct job *job)
{
    if (job->frame.n_bytes > STORE_MAX_BYTES)
        return false;
    verdict_name = 0;
    job->n_store = job->n_stored = (size_t)job->frame.n_bytes;
    job->store = malloc(job->n_store);
    job->state = JOB_LECTURE;
    if (!job->store)
        return false;
    bench_fill(job->store, job->n_store, job->frame.digest);
    return job_wait_for(epoll_fd, job, EPOLLOUT) == 0;
}

static bool job_begin(int epoll_fd, struct job *job)
{
    job->n_left = job->frame.n_bytes;
    switch (job->frame.op) {
    case BENCH_ECHO:
        job->state = JOB_ECHO;
        return send_whole(job->fd, &job->frame, sizeof(job->frame));
    case BENCH_DOWN: job->state = JOB_SOURCE; return job_wait_for(epoll_fd, job, EPOLLOUT) == 0;
    case BENCH_UP: job->state = JOB_SINK; return true;
    case BENCH_HALF_CLOSE:
        if (job->frame.n_bytes > STORE_MAX_BYTES)
            return false;
        job->n_store = (size_t)job->frame.n_bytes + sizeof(job->frame);
        job->store = malloc(job->n_store);
        job->state = JOB_STORE;
        return job->store != NULL;
    case BENCH_ENDS_FIRST: return job_begin_lecture(epoll_fd, job);
    case BENCH_VERDICT:
        job->state = JOB_DRAIN;
        return send_whole(job->fd, verdict_name == job->frame.digest ? &verdict : &job->frame,
                          sizeof(verdict));
    default: return false;
    }
}

static bool job_frame(int epoll_fd, struct job *job)
{
    ssize_t n =
        recv(job->fd, (uint8_t *)&job->frame + job->n_frame, sizeof(job->frame) - job->n_frame, 0);

    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    job->n_frame += (size_t)n;
    return job->n_frame < sizeof(job->frame) || job_begin(epoll_fd, job);
}

static bool job_echo(struct job *job)
{
    uint8_t bytes[4096];
    ssize_t n = recv(job->fd, bytes, sizeof(bytes), 0);

    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    return send_whole(job->fd, bytes, (size_t)n);
}

static bool job_source(int epoll_fd, struct job *job)
{
    for (size_t n_sent = 0; job->n_left > 0;) {
        size_t n_want = job->n_left < CHUNK_BYTES ? (size_t)job->n_left : CHUNK_BYTES;
        ssize_t n = send(job->fd, chunk, n_want, MSG_NOSIGNAL);

        if (n < 0)
            return errno == EAGAIN;
        job->n_left -= (uint64_t)n;
        n_sent += (size_t)n;
        if (n_sent >= TURN_BYTES)
            return true;
    }
    job->state = JOB_DRAIN;
    return job_wait_for(epoll_fd, job, EPOLLIN) == 0;
}

static bool job_sink(struct job *job)
{
    size_t n_want = job->n_left < (1u << 30) ? (size_t)job->n_left : (1u << 30);
    ssize_t n = recv(job->fd, NULL, n_want, MSG_TRUNC);

    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    job->n_left -= (uint64_t)n;
    if (job->n_left > 0)
        return true;
    job->state = JOB_DRAIN;
    job->frame.op = BENCH_LAST_WORDS;
    return send_whole(job->fd, &job->frame, sizeof(job->frame));
}

/* The answer starts only after EOF was seen: that is what a proxy that closes too much cannot
 * deliver. */
static bool job_store(int epoll_fd, struct job *job)
{
    struct bench_frame words = {.op = BENCH_LAST_WORDS};
    ssize_t n = recv(job->fd, job->store + job->n_stored, job->n_store - job->n_stored, 0);

    if (n < 0)
        return errno == EAGAIN;
    job->n_stored += (size_t)n;
    if (job->n_stored > job->frame.n_bytes)
        return false; /* more than was sent: doubled bytes, and no room for the last words */
    if (n > 0)
        return true;
    words.n_bytes = job->n_stored;
    words.digest = bench_digest(BENCH_DIGEST_INIT, job->store, job->n_stored);
    memcpy(job->store + job->n_stored, &words, sizeof(words));
    job->n_stored += sizeof(words);
    job->state = JOB_REPLAY;
    return job_wait_for(epoll_fd, job, EPOLLOUT) == 0;
}

/* Returns 1 when all of the store is sent, 0 when the socket takes no more now. */
static int send_store(struct job *job)
{
    while (job->n_replayed < job->n_stored) {
        ssize_t n = send(job->fd, job->store + job->n_replayed, job->n_stored - job->n_replayed,
                         MSG_NOSIGNAL);

        if (n < 0)
            return errno == EAGAIN ? 0 : -errno;
        job->n_replayed += (size_t)n;
    }
    return 1;
}

/* Done is false: the client's EOF was seen before, so it is a plain close, never a reset. */
static bool job_replay(struct job *job)
{
    return send_store(job) == 0;
}

static bool job_lecture(int epoll_fd, struct job *job)
{
    int r = send_store(job);

    if (r <= 0)
        return r == 0;
    job->state = JOB_LISTENS;
    job->frame.n_bytes = 0;
    verdict.digest = BENCH_DIGEST_INIT;
    return shutdown(job->fd, SHUT_WR) == 0 && job_wait_for(epoll_fd, job, EPOLLIN) == 0;
}

static bool job_listens(struct job *job)
{
    ssize_t n = recv(job->fd, job->store, job->n_store, 0);

    if (n < 0)
        return errno == EAGAIN;
    job->frame.n_bytes += (uint64_t)n;
    verdict.digest = bench_digest(verdict.digest, job->store, (size_t)n);
    if (n > 0)
        return true;
    verdict.op = BENCH_LAST_WORDS;
    verdict.n_bytes = job->frame.n_bytes;
    verdict_name = job->frame.digest;
    return false;
}

static bool job_drain(struct job *job)
{
    uint8_t bytes[4096];
    ssize_t n = recv(job->fd, bytes, sizeof(bytes), 0);

    return n > 0 || (n < 0 && errno == EAGAIN);
}

static bool job_step(int epoll_fd, struct job *job)
{
    switch (job->state) {
    case JOB_LISTEN: job_accept(epoll_fd, job); return true;
    case JOB_FRAME: return job_frame(epoll_fd, job);
    case JOB_ECHO: return job_echo(job);
    case JOB_SOURCE: return job_source(epoll_fd, job);
    case JOB_SINK: return job_sink(job);
    case JOB_STORE: return job_store(epoll_fd, job);
    case JOB_REPLAY: return job_replay(job);
    case JOB_LECTURE: return job_lecture(epoll_fd, job);
    case JOB_LISTENS: return job_listens(job);
    case JOB_DRAIN: return job_drain(job);
    }
    return false;
}

static int listen_on(int epoll_fd, uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int r, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4096) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    return job_new(epoll_fd, fd, JOB_LISTEN) ? 0 : -ENOMEM;
}

int bench_serve(const uint16_t *ports, size_t n_ports)
{
    struct epoll_event events[N_EVENTS];
    int r, n, epoll_fd = epoll_create1(EPOLL_CLOEXEC);

    if (epoll_fd < 0)
        return -errno;
    bench_fill(chunk, sizeof(chunk), 1);
    for (size_t i = 0; i < n_ports; i++) {
        r = listen_on(epoll_fd, ports[i]);
        if (r < 0)
            return r;
    }
    for (;;) {
        n = epoll_wait(epoll_fd, events, N_EVENTS, -1);
        if (n < 0 && errno != EINTR)
            return -errno;
        for (int i = 0; i < n; i++)
            if (!job_step(epoll_fd, events[i].data.ptr))
                job_free(events[i].data.ptr);
    }
}
