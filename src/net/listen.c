// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Opens listening sockets and accepts on them. Knows no service: the owner gets the accepted fd.

#include "odp/net/listen.h"

#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "odp/base/fd.h"
#include "odp/net/keepalive.h"
#include "odp/net/pacing.h"
#include "odp/net/sockaddr.h"
#include "odp/net/spare.h"

#define BACKLOG      65535 // the kernel takes net.core.somaxconn where that is less
#define ACCEPT_BATCH 64

static void set_tcp_options(int fd, int family)
{
    const int on = 1, off = 0;

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
    if (family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
}

// A socket file whose listener died refuses connections; one that is alive must stay.
static void remove_stale(const struct sockaddr_storage *sa, socklen_t len)
{
    const char *path = ((const struct sockaddr_un *)sa)->sun_path;
    struct stat st;

    if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return;
    ODP_CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)sa, len) < 0 && errno == ECONNREFUSED)
        (void)unlink(path);
}

// USER, USER:GROUP or :GROUP.
static int set_owner(const char *path, const char *owner)
{
    char user[64];
    uid_t uid = (uid_t)-1;
    gid_t gid = (gid_t)-1;
    const char *colon = strchr(owner, ':');

    snprintf(user, sizeof(user), "%.*s", colon ? (int)(colon - owner) : (int)strlen(owner), owner);
    if (user[0]) {
        const struct passwd *pw = getpwnam(user);
        if (!pw)
            return -ENOENT;
        uid = pw->pw_uid;
    }
    if (colon && colon[1]) {
        const struct group *gr = getgrnam(colon + 1);
        if (!gr)
            return -ENOENT;
        gid = gr->gr_gid;
    }
    return chown(path, uid, gid) < 0 ? -errno : 0;
}

int odp_listen_set_access(const char *path, unsigned socket_mode, const char *socket_owner,
                          char *why, size_t why_size)
{
    int r = chmod(path, socket_mode) < 0 ? -errno : 0;

    if (r == 0 && socket_owner)
        r = set_owner(path, socket_owner);
    if (r < 0)
        snprintf(why, why_size, "cannot set mode and owner of %s: %s", path,
                 r == -ENOENT ? "no such user or group" : strerror(-r));
    return r;
}

static int open_family(const struct odp_address *a, const struct sockaddr_storage *sa,
                       socklen_t len)
{
    int fd = socket(sa->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (a->kind == ODP_ADDRESS_UNIX)
        remove_stale(sa, len);
    else
        set_tcp_options(fd, sa->ss_family);
    if (bind(fd, (const struct sockaddr *)sa, len) < 0 || listen(fd, BACKLOG) < 0) {
        int r = -errno;
        odp_close(fd);
        return r;
    }
    return fd;
}

static int fail(int error, const struct odp_address *a, char *why, size_t why_size)
{
    char text[ODP_ADDRESS_TEXT_MAX];
    const char *hint = error == -EADDRINUSE ? ": another program listens there (ss -ltnp shows it)"
                       : error == -EACCES   ? ": ports below 1024 need privilege"
                                            : "";

    snprintf(why, why_size, "cannot listen on %s: %s%s", odp_address_format(a, text, sizeof(text)),
             strerror(-error), hint);
    return error;
}

int odp_listen_open(const struct odp_address *a, unsigned socket_mode, const char *socket_owner,
                    char *why, size_t why_size)
{
    struct sockaddr_storage sa;
    socklen_t len = odp_sockaddr_from_address(a, &sa);
    int fd = open_family(a, &sa, len);

    if (a->kind == ODP_ADDRESS_PORT && (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)) {
        struct odp_address any = {.kind = ODP_ADDRESS_INET, .port = a->port};
        len = odp_sockaddr_from_address(&any, &sa);
        fd = open_family(&any, &sa, len);
    }
    if (fd < 0)
        return fail(fd, a, why, why_size);
    if (a->kind == ODP_ADDRESS_UNIX) {
        int r = odp_listen_set_access(a->path, socket_mode, socket_owner, why, why_size);
        if (r < 0) {
            odp_close(fd);
            (void)unlink(a->path);
            return r;
        }
    }
    return fd;
}

static void refresh(struct odp_listener *l)
{
    odp_io_pause_listener(l->loop, &l->io, l->paused || l->exhausted);
}

bool odp_is_exhaustion(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}

// ---- accepting ---------------------------------------------------------------------------------

static void tune(int fd, uint64_t keepalive_usec)
{
    const int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    odp_keepalive_set(fd, keepalive_usec);
}

void odp_listener_tune(struct odp_listener *l, uint64_t keepalive_usec)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);

    if (l->is_unix)
        return;
    tune(l->io.fd, keepalive_usec);
    odp_pacing_avoid_listener(l->io.fd);
    l->keepalive_usec = keepalive_usec;
    // Of a listener the kernel gives the length of its queue here.
    l->n_untuned =
        getsockopt(l->io.fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 ? info.tcpi_unacked : 0;
}

static int accept_one(const struct odp_listener *l)
{
    if (odp_spare_is_next(l->io.fd))
        return -EMFILE;
    int fd = accept4(l->io.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static void hand_on(struct odp_listener *l, int fd)
{
    odp_spare_note(fd);
    if (l->n_untuned > 0) {
        l->n_untuned--;
        tune(fd, l->keepalive_usec);
    }
    l->on_accept(l, fd);
}

static void on_readable(struct odp_io *io, uint32_t events)
{
    struct odp_listener *l = ODP_CONTAINER_OF(io, struct odp_listener, io);
    // Readable round after round, there is a queue; else one client came, and asking for a second
    // one would be a system call for nothing: the socket says so if there is.
    uint32_t round = odp_io_loop_round(l->loop);
    int n_most = round - l->round <= 1 ? ACCEPT_BATCH : 1;

    (void)events;
    l->round = round;
    for (int i = 0; i < n_most && !l->paused && l->io.fd >= 0; i++) {
        int fd = accept_one(l);
        if (fd >= 0) {
            hand_on(l, fd);
            continue;
        }
        if (odp_is_exhaustion(fd)) {
            l->exhausted = true;
            refresh(l);
            l->on_accept(l, fd);
        }
        // EAGAIN is the end of the queue; ECONNABORTED and the like concern that client alone,
        // and the socket stays readable if there are more, accept(2).
        return;
    }
}

void odp_listener_drain(struct odp_listener *l)
{
    while (l->io.fd >= 0) {
        int fd = accept_one(l);
        if (fd >= 0)
            hand_on(l, fd);
        else if (fd != -ECONNABORTED && fd != -EINTR)
            return;
    }
}

int odp_listener_init(struct odp_listener *l, struct odp_io_loop *loop, int fd,
                      odp_listener_accept_cb on_accept, void *data)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof(sa);

    *l = (struct odp_listener){
        .io = {.fd = fd, .on_event = on_readable},
        .loop = loop,
        .on_accept = on_accept,
        .data = data,
    };
    if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0)
        l->is_unix = sa.ss_family == AF_UNIX;
    int r = odp_io_add_listener(loop, &l->io);
    if (r < 0)
        odp_io_close(&l->io);
    return r;
}

void odp_listener_deinit(struct odp_listener *l)
{
    if (l->io.fd >= 0)
        odp_io_close(&l->io);
    if (l->unlink_path)
        (void)unlink(l->unlink_path);
    free(l->unlink_path);
    l->unlink_path = NULL;
}

void odp_listener_pause(struct odp_listener *l, bool paused)
{
    if (l->paused == paused || l->io.fd < 0)
        return;
    l->paused = paused;
    refresh(l);
}

void odp_listener_retry(struct odp_listener *l)
{
    if (!l->exhausted || l->io.fd < 0)
        return;
    l->exhausted = false;
    refresh(l);
}
