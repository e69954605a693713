// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Ties link, dispatcher and backends to one loop, and lives as long as the link. It never ends a
// service: what runs when the launcher ends is taken over by the next one. One that can be started
// by its socket at any time also ends when there is nothing to observe.

#include "odp/launcher/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "odp/base/fd.h"
#include "odp/base/list.h"
#include "odp/core/message.h"
#include "odp/core/paths.h"
#include "odp/launcher/admit.h"
#include "odp/launcher/backend.h"
#include "odp/launcher/dispatch.h"
#include "odp/launcher/link.h"

#define IDLE_MS 10000 // after the latest word; as long as a start, its look and its probes need

struct launcher {
    uv_loop_t loop;
    uv_timer_t idle_timer;
    bool may_leave; // whoever speaks to its socket starts the next one
    struct odp_link link;
    struct odp_dispatch dispatch;
    struct odp_backend_host host;
    char directory[ODP_PATH_MAX]; // RUNTIME/launcher
    char logs[ODP_PATH_MAX];      // RUNTIME/logs
    int lock_fd;
};

// The last record that odpd sent before the shutdown is read still: then it is no leaving, but an
// end, after which odpd asks the next launcher for everything.
static void leave(struct launcher *l)
{
    const struct odp_proto_message leaving = {.op = ODP_PROTO_LEAVE};

    if (odp_link_refuse(&l->link))
        odp_link_send(&l->link, &leaving);
    uv_stop(&l->loop);
}

static void on_idle_timer(uv_timer_t *timer)
{
    struct launcher *l = timer->data;

    if (odp_link_is_idle(&l->link) && !odp_dispatch_is_needed(&l->dispatch))
        leave(l);
}

// Each word from or to odpd is a sign of something to do. What is under way, or is watched, will
// say another.
static void put_off_leaving(struct launcher *l)
{
    if (l->may_leave)
        uv_timer_start(&l->idle_timer, on_idle_timer, IDLE_MS, 0);
}

static void on_report(struct odp_backend_host *host, const struct odp_proto_message *report)
{
    struct launcher *l = ODP_CONTAINER_OF(host, struct launcher, host);

    odp_log(ODP_LOG_DEBUG, report->name, "report %u: state %d %s", report->id, (int)report->state,
            report->reason);
    odp_link_send(&l->link, report);
    put_off_leaving(l);
}

static void on_link_message(struct odp_link *link, const struct odp_proto_message *m)
{
    struct launcher *l = link->userdata;

    odp_log(ODP_LOG_DEBUG, m->name, "request %u: %s", m->id, odp_proto_op_to_string(m->op));
    odp_dispatch_request(&l->dispatch, m);
    put_off_leaving(l);
}

static void on_link_end(struct odp_link *link)
{
    struct launcher *l = link->userdata;

    uv_stop(&l->loop);
}

// The launcher before may not have ended yet, and may be starting something: two at once could
// start it twice. fcntl(2) locks are not inherited by children and end with their process.
static int lock(struct launcher *l)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[ODP_PATH_MAX + sizeof("/lock")];

    snprintf(path, sizeof(path), "%s/lock", l->directory);
    l->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (l->lock_fd < 0)
        return -errno;
    if (fcntl(l->lock_fd, F_SETLK, &whole) == 0)
        return 0;
    if (errno != EAGAIN && errno != EACCES)
        return -errno;
    odp_log(ODP_LOG_NOTICE, NULL, "another launcher works in %s: waiting for its end",
            l->directory);
    while (fcntl(l->lock_fd, F_SETLKW, &whole) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

// A descriptor below 3 would be in the way of a child's own input and output.
static int fill_standard_fds(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0)
        return -errno;
    odp_close(fd);
    return 0;
}

static int open_link(struct launcher *l, int fd)
{
    int r = odp_link_init(&l->link, &l->loop, fd);

    if (r < 0)
        odp_log(ODP_LOG_ERR, NULL, "--link %d is no Unix SOCK_SEQPACKET socket: %s", fd,
                strerror(-r));
    return r;
}

// systemd.exec(5): set in whatever systemd runs.
static bool is_a_unit(void)
{
    return getenv("INVOCATION_ID") != NULL;
}

static int init(struct launcher *l, const struct odp_launcher_options *o, int link_fd)
{
    int r = open_link(l, link_fd);

    if (r < 0)
        return r;
    l->may_leave = o->link_fd < 0;
    uv_timer_init(&l->loop, &l->idle_timer);
    l->idle_timer.data = l;
    l->link.userdata = l;
    l->link.on_message = on_link_message;
    l->link.on_end = on_link_end;
    r = odp_mkdir_p(l->directory, 0700);
    odp_log_keep(l->logs);
    if (r == 0)
        r = lock(l);
    if (r < 0) {
        odp_log(ODP_LOG_ERR, NULL, "cannot work in %s: %s", l->directory, strerror(-r));
        return r;
    }
    l->host = (struct odp_backend_host){.loop = &l->loop,
                                        .directory = l->directory,
                                        .on_report = on_report,
                                        .uses_units = o->link_fd < 0 && is_a_unit()};
    r = odp_dispatch_init(&l->dispatch, &l->host, o->config);
    if (r < 0)
        odp_log(ODP_LOG_ERR, NULL, "cannot read the services: %s", strerror(-r));
    put_off_leaving(l);
    return r;
}

static void deinit(struct launcher *l)
{
    odp_dispatch_deinit(&l->dispatch);
    if (l->idle_timer.data)
        uv_close((uv_handle_t *)&l->idle_timer, NULL);
    odp_link_close(&l->link);
    uv_run(&l->loop, UV_RUN_DEFAULT); // handles free themselves once they are closed
    uv_loop_close(&l->loop);
    odp_close(l->lock_fd);
}

// False: nobody wants anything, or it cannot be found out.
static bool meet_odpd(const struct odp_launcher_options *o, int *ret_fd, int *ret_exit_code)
{
    int r = 0;

    *ret_fd = o->link_fd;
    if (o->link_fd < 0)
        r = odp_admit_odpd(ret_fd);
    *ret_exit_code = r < 0 ? 1 : 0;
    if (r == -ENOTSOCK)
        odp_log(ODP_LOG_ERR, NULL,
                "what was passed is no socket for odpd: see odp-launcher.socket");
    else if (r < 0)
        odp_log(ODP_LOG_ERR, NULL, "cannot meet odpd: %s", strerror(-r));
    return *ret_fd >= 0;
}

int odp_launcher_run(const struct odp_launcher_options *options)
{
    struct launcher l = {.link = {.fd = -1, .is_closed = true}, .lock_fd = -1};
    int r, link_fd, exit_code;

    odp_log_init("odp-launcher", options->log_level);
    odp_log_fields_on(ODP_FIELD_SERVICE);
    if (!meet_odpd(options, &link_fd, &exit_code))
        return exit_code;
    signal(SIGPIPE, SIG_IGN); // the log's reader may go
    snprintf(l.directory, sizeof(l.directory), "%s/launcher", options->runtime);
    snprintf(l.logs, sizeof(l.logs), "%s/" ODP_LOGS_DIR, options->runtime);
    r = fill_standard_fds();
    if (r == 0)
        r = uv_loop_init(&l.loop);
    if (r < 0) {
        odp_log(ODP_LOG_ERR, NULL, "cannot start: %s", strerror(-r));
        return 1;
    }
    r = init(&l, options, link_fd);
    if (r == 0)
        uv_run(&l.loop, UV_RUN_DEFAULT);
    deinit(&l);
    return r < 0 ? 1 : 0;
}
