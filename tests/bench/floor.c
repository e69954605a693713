// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What no proxy of this kind can be below in ping-pong: epoll_wait, recv and send each way, and
// nothing else. What comes in bulk is spliced through a pipe of 1 MiB. It takes one event at a
// time, waits for whoever does not read, has no limits and gives up at the first error: nobody
// should use it.
//
//     odp-bench-floor LISTEN TARGET      ports of 127.0.0.1

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES (64 * 1024)
#define PIPE_BYTES   (1024 * 1024)

// One end of a connection. What arrives at it goes to its peer.
struct end {
    int fd;
    int pipe[2]; // 0, 0: none yet
    bool is_bulk;
    bool is_over;
    struct end *peer;
};

static uint8_t buffer[BUFFER_BYTES];
static int epoll_fd;

static struct sockaddr_in address_of(const char *port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static struct end *end_new(int fd)
{
    struct end *e = calloc(1, sizeof(*e));
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = e};
    int one = 1;

    if (!e)
        err(1, "calloc");
    e->fd = fd;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4); // which does not pace
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
        err(1, "epoll_ctl");
    return e;
}

static void accept_one(int listener, const struct sockaddr_in *target)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || to < 0 || connect(to, (const struct sockaddr *)target, sizeof(*target)) < 0)
        err(1, "accept or connect");
    struct end *client = end_new(fd), *service = end_new(to);
    client->peer = service;
    service->peer = client;
}

static ssize_t pass_bulk(struct end *e)
{
    if (!e->pipe[1] &&
        (pipe2(e->pipe, O_CLOEXEC) < 0 || fcntl(e->pipe[1], F_SETPIPE_SZ, PIPE_BYTES) < 0))
        err(1, "pipe");
    ssize_t n = splice(e->fd, NULL, e->pipe[1], NULL, PIPE_BYTES, SPLICE_F_MOVE);
    for (ssize_t left = n, sent; left > 0; left -= sent) {
        sent = splice(e->pipe[0], NULL, e->peer->fd, NULL, (size_t)left, SPLICE_F_MOVE);
        if (sent <= 0)
            return -1;
    }
    e->is_bulk = n >= BUFFER_BYTES;
    return n;
}

static ssize_t pass(struct end *e)
{
    if (e->is_bulk)
        return pass_bulk(e);
    ssize_t n = recv(e->fd, buffer, sizeof(buffer), 0);
    e->is_bulk = n == (ssize_t)sizeof(buffer);
    return n > 0 && send(e->peer->fd, buffer, (size_t)n, MSG_NOSIGNAL) != n ? -1 : n;
}

static void end_free(struct end *e)
{
    if (e->pipe[1]) {
        close(e->pipe[0]);
        close(e->pipe[1]);
    }
    close(e->fd);
    free(e);
}

static void on_readable(struct end *e)
{
    ssize_t n = pass(e);

    if (n > 0)
        return;
    e->is_over = true;
    if (n < 0 || e->peer->is_over) {
        end_free(e->peer);
        end_free(e);
        return;
    }
    struct epoll_event ev = {.events = 0, .data.ptr = e};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, e->fd, &ev) < 0)
        err(1, "epoll_ctl");
    (void)shutdown(e->peer->fd, SHUT_WR);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        errx(2, "usage: odp-bench-floor LISTEN TARGET");
    struct sockaddr_in own = address_of(argv[1]), target = address_of(argv[2]);
    struct epoll_event ev = {.events = EPOLLIN};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, (struct sockaddr *)&own, sizeof(own)) < 0 || listen(listener, 4096) < 0 ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &ev) < 0)
        err(1, "port %s", argv[1]);
    for (;;) {
        // One at a time: an end that goes takes its peer along.
        if (epoll_wait(epoll_fd, &ev, 1, -1) < 1)
            continue;
        if (ev.data.ptr)
            on_readable(ev.data.ptr);
        else
            accept_one(listener, &target);
    }
}
